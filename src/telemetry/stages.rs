//! How long each stage of the way from a tick to an order takes, in HDR histograms.
//!
//! Nanoseconds from 1 to 60 s at three significant digits; what is outside counts at the bound. Recording allocates
//! nothing. Each stage is kept twice: for the whole run, and for the interval that the `.hlog` writes next.

use crate::domain::Nanos;
use hdrhistogram::Histogram;
use std::fmt::Write;

/// A part of the way, named by the two stamps it lies between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Frame read from the socket, to its event built.
    ReceivedToDecoded,
    /// Event built, to taken by the core: the queue between feed and core.
    DecodedToTaken,
    /// Taken by the core, to decided: journal append, book, strategy, the whole gate.
    TakenToDecided,
    /// Decided, to encoded and signed: the hop to the gateway too.
    DecidedToEncoded,
    EncodedToWritten,
    /// Tick to order: frame read, to the order written to its socket.
    ReceivedToWritten,
    /// Written, to the venue's acknowledgement read.
    WrittenToAcked,
    /// Written, to the first fill read.
    WrittenToFilled,
}

impl Stage {
    /// In the order of an order's life.
    pub const ALL: [Stage; 8] = [
        Stage::ReceivedToDecoded,
        Stage::DecodedToTaken,
        Stage::TakenToDecided,
        Stage::DecidedToEncoded,
        Stage::EncodedToWritten,
        Stage::ReceivedToWritten,
        Stage::WrittenToAcked,
        Stage::WrittenToFilled,
    ];

    /// As tables, the API and the interval log's tags show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::ReceivedToDecoded => "received_to_decoded",
            Stage::DecodedToTaken => "decoded_to_taken",
            Stage::TakenToDecided => "taken_to_decided",
            Stage::DecidedToEncoded => "decided_to_encoded",
            Stage::EncodedToWritten => "encoded_to_written",
            Stage::ReceivedToWritten => "received_to_written",
            Stage::WrittenToAcked => "written_to_acked",
            Stage::WrittenToFilled => "written_to_filled",
        }
    }
}

const LOWEST_NS: u64 = 1;
const HIGHEST_NS: u64 = 60_000_000_000;
const DIGITS: u8 = 3;

fn histogram() -> Histogram<u64> {
    // The bounds are constants within what the crate takes; the test below builds one.
    Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS).expect("constant bounds are valid")
}

/// The histograms of every stage.
pub struct Stages {
    total: [Histogram<u64>; Stage::ALL.len()],
    interval: [Histogram<u64>; Stage::ALL.len()],
}

impl Default for Stages {
    fn default() -> Self {
        Stages { total: std::array::from_fn(|_| histogram()), interval: std::array::from_fn(|_| histogram()) }
    }
}

/// One stage in numbers: nanoseconds, at the percentiles that are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageRow {
    pub stage: Stage,
    pub count: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

impl Stages {
    /// Notes that `stage` began and ended then. A stamp that was never taken (0) notes nothing; two stamps of
    /// different threads that stand the wrong way round by a hair count as the least.
    #[inline]
    pub fn record(&mut self, stage: Stage, from: Nanos, to: Nanos) {
        if from == 0 || to == 0 {
            return;
        }
        let ns = u64::try_from(to.saturating_sub(from)).unwrap_or(0).clamp(LOWEST_NS, HIGHEST_NS);
        self.total[stage as usize].saturating_record(ns);
        self.interval[stage as usize].saturating_record(ns);
    }

    /// Every stage of the run so far, in order, also those without a sample.
    pub fn rows(&self) -> impl Iterator<Item = StageRow> {
        Stage::ALL.into_iter().map(|stage| {
            let histogram = &self.total[stage as usize];
            let at = |quantile| histogram.value_at_quantile(quantile);
            let (p50, p90, p99, p999) = (at(0.5), at(0.9), at(0.99), at(0.999));
            StageRow { stage, count: histogram.len(), p50, p90, p99, p999, max: histogram.max() }
        })
    }

    /// Of the run so far, in one stage: samples at or below each bound (nanoseconds, rising), all samples, and their sum
    /// in nanoseconds, as exact as the histogram.
    pub fn buckets(&self, stage: Stage, bounds: &[u64]) -> (Vec<u64>, u64, f64) {
        let histogram = &self.total[stage as usize];
        let mut counts = vec![0; bounds.len()];
        let mut sum = 0.0;
        for value in histogram.iter_recorded() {
            let (ns, count) = (value.value_iterated_to(), value.count_since_last_iteration());
            sum += ns as f64 * count as f64;
            let first = bounds.partition_point(|bound| *bound < ns);
            counts[first..].iter_mut().for_each(|below| *below += count);
        }
        (counts, histogram.len(), sum)
    }

    /// The interval since the last `end_interval`, a histogram a stage.
    pub(super) fn interval(&self) -> impl Iterator<Item = (Stage, &Histogram<u64>)> {
        Stage::ALL.into_iter().zip(&self.interval)
    }

    pub(super) fn end_interval(&mut self) {
        self.interval.iter_mut().for_each(Histogram::reset);
    }

    /// The run so far as a table for people, one line a stage that has samples; empty where none has.
    pub fn table(&self) -> String {
        let mut table = String::new();
        for row in self.rows().filter(|row| row.count > 0) {
            if table.is_empty() {
                // Writing to a string cannot fail; the same below.
                let _ = writeln!(
                    table,
                    "{:<20} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
                    "stage", "count", "p50", "p90", "p99", "p99.9", "max"
                );
            }
            let [p50, p90, p99, p999, max] = [row.p50, row.p90, row.p99, row.p999, row.max].map(duration);
            let _ = writeln!(
                table,
                "{:<20} {:>9} {p50:>9} {p90:>9} {p99:>9} {p999:>9} {max:>9}",
                row.stage.as_str(),
                row.count
            );
        }
        table
    }
}

/// Nanoseconds with three digits and a unit: `890 ns`, `12.3 us`, `1.50 ms`, `60.0 s`.
pub fn duration(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    let places = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.places$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_count_what_is_at_or_below_each_bound() {
        let mut stages = Stages::default();
        for ns in [500, 1_000, 1_001, 90_000, 2_000_000_000] {
            stages.record(Stage::WrittenToAcked, 1, 1 + ns);
        }
        let (counts, count, sum) = stages.buckets(Stage::WrittenToAcked, &[1_000, 100_000, 1_000_000_000]);
        assert_eq!((counts, count), (vec![2, 4, 4], 5));
        let exact = 2_000_092_501.0;
        assert!((sum - exact).abs() / exact < 1e-3, "{sum}");
    }

    #[test]
    fn percentiles_are_those_of_the_samples_to_three_digits() {
        let mut stages = Stages::default();
        for ns in 1..=10_000 {
            stages.record(Stage::TakenToDecided, 1_000_000, 1_000_000 + ns);
        }
        let row = stages.rows().find(|row| row.stage == Stage::TakenToDecided).unwrap();
        assert_eq!(row.count, 10_000);
        for (got, want) in
            [(row.p50, 5_000), (row.p90, 9_000), (row.p99, 9_900), (row.p999, 9_990), (row.max, 10_000u64)]
        {
            assert!(got.abs_diff(want) * 1_000 <= want, "{got} is not {want} to three digits");
        }
        assert_eq!(stages.rows().map(|row| row.count).sum::<u64>(), 10_000, "no other stage was touched");
    }

    #[test]
    fn stamps_that_were_not_taken_count_nothing_and_odd_ones_count_at_the_bounds() {
        let mut stages = Stages::default();
        stages.record(Stage::WrittenToAcked, 0, 5);
        stages.record(Stage::WrittenToAcked, 5, 0);
        assert!(stages.rows().all(|row| row.count == 0));
        stages.record(Stage::WrittenToAcked, 10, 5);
        stages.record(Stage::WrittenToFilled, 1, Nanos::MAX);
        let rows: Vec<StageRow> = stages.rows().filter(|row| row.count > 0).collect();
        assert_eq!(
            rows.iter().map(|row| row.stage).collect::<Vec<_>>(),
            [Stage::WrittenToAcked, Stage::WrittenToFilled]
        );
        assert_eq!(rows[0].max, LOWEST_NS);
        assert!(rows[1].max >= HIGHEST_NS, "{}", rows[1].max);
    }

    #[test]
    fn an_interval_ends_and_the_run_goes_on() {
        let mut stages = Stages::default();
        stages.record(Stage::ReceivedToWritten, 1, 11);
        stages.end_interval();
        stages.record(Stage::ReceivedToWritten, 1, 21);
        let interval = stages.interval().find(|(stage, _)| *stage == Stage::ReceivedToWritten).unwrap().1;
        assert_eq!((interval.len(), interval.max()), (1, 20));
        assert_eq!(stages.rows().find(|row| row.count > 0).unwrap().count, 2);
    }

    #[test]
    fn the_table_shows_stages_with_samples_in_order() {
        let mut stages = Stages::default();
        assert_eq!(stages.table(), "");
        stages.record(Stage::WrittenToAcked, 1, 1_501);
        stages.record(Stage::ReceivedToDecoded, 1, 91);
        assert_eq!(
            stages.table(),
            "stage                    count       p50       p90       p99     p99.9       max\n\
             received_to_decoded          1     90 ns     90 ns     90 ns     90 ns     90 ns\n\
             written_to_acked             1   1.50 us   1.50 us   1.50 us   1.50 us   1.50 us\n"
        );
    }

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        for (ns, want) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 us"),
            (12_345, "12.3 us"),
            (99_960, "100 us"),
            (1_500_000, "1.50 ms"),
            (60_000_000_000, "60.0 s"),
        ] {
            assert_eq!(duration(ns), want);
        }
    }
}
