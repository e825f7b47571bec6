//! What a report says, gathered in one walk over the journal.

use super::super::progress::Progress;
use super::Span;
use crate::analytics::{ClosedTrade, CurveStats, Day, MovedRow, Prices, Recorder, Row, Sample, TradeStats, by, daily};
use crate::api::View;
use crate::core::event::Body;
use crate::core::standing::Standing;
use crate::domain::{InstrumentId, Mode, Nanos, Usd, VenueId};
use crate::journal::{ReadError, Reader};
use std::collections::BTreeMap;

const HOUR_NS: Nanos = 3_600_000_000_000;

/// An instrument's name and scales.
pub(super) struct Name {
    pub symbol: String,
    pub px_scale: u8,
    pub qty_scale: u8,
}

/// Symbols, and for each pair of them the value and of how many returns.
pub type Correlation = (Vec<String>, Vec<Vec<(Option<f64>, usize)>>);

pub(super) struct Sheet {
    pub mode: Mode,
    pub samples: Vec<Sample>,
    pub days: Vec<Day>,
    pub curve: CurveStats,
    pub closed: Vec<ClosedTrade>,
    pub trades: TradeStats,
    pub by_instrument: Vec<(String, TradeStats)>,
    pub by_venue: Vec<(String, TradeStats)>,
    pub by_strategy: Vec<(String, TradeStats)>,
    /// By the hour, UTC, in which a trade was opened.
    pub by_hour: BTreeMap<i64, TradeStats>,
    pub names: BTreeMap<InstrumentId, Name>,
    pub fills: u64,
    pub orders: u64,
    pub alarms: u64,
    pub denials: BTreeMap<&'static str, u64>,
    /// Of the instruments' minutes.
    pub correlation: Correlation,
    /// Changes between paper and live: when, from, to, by whom and why.
    pub changes: Vec<(Nanos, String, String, String)>,
    /// Return of each month, by year and month.
    pub months: BTreeMap<(i16, i8), f64>,
    /// Latency by stage of the journal's last run, a table; empty where nothing was measured.
    pub latency: String,
    /// Evidence that cannot be: fills of orders never placed, time that went back.
    pub impossible: u64,
}

impl Sheet {
    pub(super) fn gather(journal: &std::path::Path, span: Span, mode: Mode) -> Result<Sheet, ReadError> {
        let mut reader = Reader::open(journal, 1)?;
        let bar = Progress::new(journal);
        let (mut recorder, mut view, mut rows) = (Recorder::new(), View::default(), Vec::new());
        let (mut samples, mut closed, mut names) = (Vec::new(), Vec::new(), BTreeMap::new());
        let (mut fills, mut orders, mut alarms, mut denials) = (0, 0, 0, BTreeMap::new());
        let (mut prices, mut changes) = (Prices::default(), Vec::new());
        let mut before = None;
        let mut end = (0, 0);
        while let Some(record) = reader.next()? {
            view.apply(&record.event, record.decided_ns, record.effects());
            end = (record.event.seq, record.event.ts_ns);
            bar.at(end.0);
            if let Body::Quote(quote) = &record.event.body
                && span.holds(end.1)
                && names.contains_key(&quote.instrument)
                && recorder.mode_of(quote.instrument) == mode
            {
                prices.see(end.1, quote);
            }
            recorder.apply(&record.event, record.effects(), &mut rows);
            for row in rows.drain(..) {
                match row {
                    Row::Instrument { instrument, symbol, px_scale, qty_scale, .. } => {
                        let symbol = symbol.as_str().to_owned();
                        names.insert(instrument, Name { symbol, px_scale, qty_scale });
                    }
                    Row::Equity(of, sample) if of == mode && span.holds(sample.ts_ns) => samples.push(sample),
                    // What the span begins with.
                    Row::Equity(of, sample) if of == mode && sample.ts_ns < span.from_ns => before = Some(sample),
                    Row::Trade(of, trade) if of == mode && span.holds(trade.closed_ns) => closed.push(trade),
                    Row::Fill(fill) => fills += u64::from(fill.mode == mode && span.holds(fill.ts_ns)),
                    Row::Order(order) if order.mode == mode => {
                        orders += u64::from(order.placed.is_some() && span.holds(order.ts_ns));
                    }
                    Row::Moved(MovedRow { ts_ns, moved, .. }) if span.holds(ts_ns) => {
                        let (from, to) = (place(moved.from), place(moved.to));
                        let cause = moved.cause.to_string();
                        let why = if cause.is_empty() { moved.why.as_str().to_owned() } else { cause };
                        changes.push((ts_ns, from, to, format!("{}: {why}", moved.who)));
                    }
                    Row::Alarm { ts_ns, .. } => alarms += u64::from(span.holds(ts_ns)),
                    Row::Denial(denial) if denial.mode == mode && span.holds(denial.ts_ns) => {
                        *denials.entry(denial.rule).or_default() += 1
                    }
                    _ => {}
                }
            }
        }
        if let Some(last) = recorder.now(mode, end.0).filter(|_| span.holds(end.1)) {
            samples.push(last);
        }
        if let Some(before) = before.filter(|_| !samples.is_empty()) {
            // Its equity is that of the span's first moment.
            samples.insert(0, Sample { ts_ns: span.from_ns, ..before });
        }
        let days = daily(&samples);
        let name = |id: &InstrumentId| names.get(id).map_or_else(|| id.to_string(), |name: &Name| name.symbol.clone());
        let by_instrument = by(&closed, |t| t.instrument).into_iter().map(|(id, s)| (name(&id), s)).collect();
        let venues: BTreeMap<InstrumentId, VenueId> = recorder.instruments().map(|def| (def.id, def.venue)).collect();
        let venue_name = |id: Option<VenueId>| {
            let known = view.core().venues().find(|(known, ..)| Some(*known) == id);
            known.map_or_else(|| "unknown".to_owned(), |(_, name, _)| name.to_owned())
        };
        let by_venue = by(&closed, |t| venues.get(&t.instrument).copied())
            .into_iter()
            .map(|(id, stats)| (venue_name(id), stats))
            .collect();
        let by_strategy = by(&closed, |t| t.strategy)
            .into_iter()
            .map(|(id, stats)| (if id.0 == 0 { "by hand".to_owned() } else { format!("strategy {id}") }, stats))
            .collect();
        Ok(Sheet {
            mode,
            curve: CurveStats::of(&samples),
            trades: TradeStats::of(&closed),
            by_hour: by(&closed, |t| t.opened_ns.div_euclid(HOUR_NS).rem_euclid(24)),
            months: months(samples.first().map_or(Usd::ZERO, |s| s.equity), &days),
            latency: view.stages().table().to_string(),
            impossible: recorder.fills_without_order + recorder.time_went_back,
            correlation: (prices.instruments().iter().map(name).collect(), prices.correlations()),
            changes,
            by_instrument,
            by_venue,
            by_strategy,
            samples,
            days,
            closed,
            names,
            fills,
            orders,
            alarms,
            denials,
        })
    }
}

fn place(at: Standing) -> String {
    if at.stage == 0 { at.state.to_string() } else { format!("{} {}", at.state, at.stage) }
}

/// Each month's last equity over the one before it.
fn months(start: Usd, days: &[Day]) -> BTreeMap<(i16, i8), f64> {
    let mut ends: BTreeMap<(i16, i8), Usd> = BTreeMap::new();
    for day in days {
        let Ok(time) = jiff::Timestamp::from_second(day.day.saturating_mul(86_400)) else { continue };
        let date = time.to_zoned(jiff::tz::TimeZone::UTC).date();
        ends.insert((date.year(), date.month()), day.equity);
    }
    let mut before = start;
    let mut months = BTreeMap::new();
    for (month, end) in ends {
        if before > Usd::ZERO {
            months.insert(month, end.0 as f64 / before.0 as f64 - 1.0);
        }
        before = end;
    }
    months
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_against_the_end_of_the_one_before() {
        let day = |day, dollars| Day { day, equity: Usd::dollars(dollars) };
        // 2025-01-31 is day 20,119.
        let months = months(Usd::dollars(100), &[day(20_118, 105), day(20_119, 110), day(20_120, 99)]);
        let rounded: Vec<_> = months.iter().map(|(m, r)| (*m, (r * 1e6).round())).collect();
        assert_eq!(rounded, [((2025, 1), 100_000.0), ((2025, 2), -100_000.0)]);
    }
}
