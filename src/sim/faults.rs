//! What goes wrong on purpose, from one seed, changeable while the venue runs.

use std::ops::RangeInclusive;

/// The switches. Probabilities are 0..=1 of each message or request; all are off at the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// An execution report never arrives on the user stream.
    pub report_drop: f64,
    /// An execution report arrives late, by a time out of `report_delay_ns`.
    pub report_delay: f64,
    pub report_delay_ns: RangeInclusive<i64>,
    /// An execution report arrives twice.
    pub report_double: f64,
    /// An execution report arrives after the one that follows it, or after `reorder_wait_ns` where none does.
    pub report_reorder: f64,
    pub reorder_wait_ns: i64,
    /// The connection is reset after an order request took effect and before its answer was sent.
    pub answer_reset: f64,
    /// An order request is answered "execution status unknown" without having had an effect.
    pub answer_unknown_before: f64,
    /// The same, after it took effect.
    pub answer_unknown_after: f64,
    /// Market streams are silent. What would have been sent is lost, so depth goes on with a gap; only a recording at
    /// full speed waits.
    pub market_frozen: bool,
    /// A depth event is left out: a gap in the book's ids.
    pub depth_skip: f64,
    rng: fastrand::Rng,
    disconnect_all: bool,
}

impl Faults {
    pub fn new(seed: u64) -> Faults {
        Faults {
            report_drop: 0.0,
            report_delay: 0.0,
            report_delay_ns: 1_000_000..=50_000_000,
            report_double: 0.0,
            report_reorder: 0.0,
            reorder_wait_ns: 20_000_000,
            answer_reset: 0.0,
            answer_unknown_before: 0.0,
            answer_unknown_after: 0.0,
            market_frozen: false,
            depth_skip: 0.0,
            rng: fastrand::Rng::with_seed(seed),
            disconnect_all: false,
        }
    }

    /// Resets every connection at the next turn.
    pub fn disconnect_all(&mut self) {
        self.disconnect_all = true;
    }

    pub(in crate::sim) fn take_disconnect_all(&mut self) -> bool {
        std::mem::take(&mut self.disconnect_all)
    }

    fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.f64() < probability
    }

    /// What happens to the next execution report.
    pub(in crate::sim) fn of_report(&mut self) -> ReportFault {
        if self.happens(self.report_drop) {
            ReportFault::Drop
        } else if self.happens(self.report_delay) {
            ReportFault::Delay(self.rng.i64(self.report_delay_ns.clone()))
        } else if self.happens(self.report_double) {
            ReportFault::Double
        } else if self.happens(self.report_reorder) {
            ReportFault::Reorder(self.reorder_wait_ns)
        } else {
            ReportFault::None
        }
    }

    /// What happens to the next order request.
    pub(in crate::sim) fn of_request(&mut self) -> RequestFault {
        if self.happens(self.answer_unknown_before) {
            RequestFault::UnknownBefore
        } else if self.happens(self.answer_unknown_after) {
            RequestFault::UnknownAfter
        } else if self.happens(self.answer_reset) {
            RequestFault::Reset
        } else {
            RequestFault::None
        }
    }

    pub(in crate::sim) fn skips_depth(&mut self) -> bool {
        self.happens(self.depth_skip)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) enum ReportFault {
    None,
    Drop,
    Delay(i64),
    Double,
    Reorder(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) enum RequestFault {
    None,
    UnknownBefore,
    UnknownAfter,
    Reset,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_off_at_first_and_follow_the_seed() {
        let mut quiet = Faults::new(1);
        assert!((0..1_000).all(|_| quiet.of_report() == ReportFault::None));
        assert!((0..1_000).all(|_| quiet.of_request() == RequestFault::None && !quiet.skips_depth()));
        let draws = |seed| {
            let mut faults = Faults::new(seed);
            (faults.report_drop, faults.report_delay, faults.report_double) = (0.2, 0.3, 0.1);
            (0..200).map(|_| faults.of_report()).collect::<Vec<_>>()
        };
        assert_eq!(draws(5), draws(5));
        assert_ne!(draws(5), draws(6));
    }
}
