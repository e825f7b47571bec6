//! What goes wrong on purpose, from one seed, changeable while the venue runs.

use std::ops::RangeInclusive;
use std::time::Duration;

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
    /// The connection is reset before an order request took effect.
    pub request_reset: f64,
    /// The connection is reset after an order request took effect and before its answer was sent.
    pub answer_reset: f64,
    /// The connection is cut after the first `answer_cut_bytes` of the answer to an order request that took effect.
    pub answer_cut: f64,
    pub answer_cut_bytes: u64,
    /// An order request is answered "execution status unknown" without having had an effect.
    pub answer_unknown_before: f64,
    /// The same, after it took effect.
    pub answer_unknown_after: f64,
    /// The code of such an answer: -1007 (a time-out) or -1006 (an unexpected response).
    pub answer_unknown_code: i32,
    /// An order request is answered with a plain 5xx, without having had an effect.
    pub answer_5xx_before: f64,
    /// The same, after it took effect.
    pub answer_5xx_after: f64,
    /// Everything that goes out is late by this and by a time drawn up to the jitter; what is sent on one connection
    /// keeps its order.
    pub delay_ns: i64,
    pub jitter_ns: i64,
    /// Market streams are silent. What would have been sent is lost, so depth goes on with a gap; only a recording at
    /// full speed waits.
    pub market_frozen: bool,
    /// A depth event is left out: a gap in the book's ids.
    pub depth_skip: f64,
    rng: fastrand::Rng,
    disconnect_all: bool,
    /// Nothing turns for this long, once.
    hang: Duration,
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
            request_reset: 0.0,
            answer_reset: 0.0,
            answer_cut: 0.0,
            answer_cut_bytes: 20,
            answer_unknown_before: 0.0,
            answer_unknown_after: 0.0,
            answer_unknown_code: -1007,
            answer_5xx_before: 0.0,
            answer_5xx_after: 0.0,
            delay_ns: 0,
            jitter_ns: 0,
            market_frozen: false,
            depth_skip: 0.0,
            rng: fastrand::Rng::with_seed(seed),
            disconnect_all: false,
            hang: Duration::ZERO,
        }
    }

    fn probability(&mut self, name: &str) -> Option<&mut f64> {
        Some(match name {
            "report_drop" => &mut self.report_drop,
            "report_delay" => &mut self.report_delay,
            "report_double" => &mut self.report_double,
            "report_reorder" => &mut self.report_reorder,
            "request_reset" => &mut self.request_reset,
            "answer_reset" => &mut self.answer_reset,
            "answer_cut" => &mut self.answer_cut,
            "answer_5xx_before" => &mut self.answer_5xx_before,
            "answer_5xx_after" => &mut self.answer_5xx_after,
            "answer_unknown_before" => &mut self.answer_unknown_before,
            "answer_unknown_after" => &mut self.answer_unknown_after,
            "depth_skip" => &mut self.depth_skip,
            _ => return None,
        })
    }

    /// Sets a switch by its name, as the control port spells it; times in milliseconds.
    pub(in crate::sim) fn set(&mut self, name: &str, value: &serde_json::Value) -> Result<(), String> {
        const MS: i64 = 1_000_000;
        let ms = |value: &serde_json::Value| value.as_i64().filter(|ms| (0..=3_600_000).contains(ms)).map(|ms| ms * MS);
        if let Some(probability) = self.probability(name) {
            let fits = value.as_f64().filter(|p| (0.0..=1.0).contains(p));
            *probability = fits.ok_or_else(|| format!("{name:?} = {value} is not within 0 and 1"))?;
            return Ok(());
        }
        match name {
            "market_frozen" => {
                self.market_frozen =
                    value.as_bool().ok_or_else(|| format!("{name:?} = {value} is not true or false"))?;
            }
            "report_delay_ms" => {
                let range = value.as_array().and_then(|pair| Some((ms(pair.first()?)?, ms(pair.get(1)?)?)));
                let fault = || format!("{name:?} = {value} is not [least, most] within an hour");
                let (least, most) = range.filter(|(least, most)| least <= most).ok_or_else(fault)?;
                self.report_delay_ns = least..=most;
            }
            "reorder_wait_ms" | "delay_ms" | "jitter_ms" => {
                let time = match name {
                    "delay_ms" => &mut self.delay_ns,
                    "jitter_ms" => &mut self.jitter_ns,
                    _ => &mut self.reorder_wait_ns,
                };
                *time = ms(value).ok_or_else(|| format!("{name:?} = {value} is not within an hour"))?;
            }
            "answer_cut_bytes" => {
                let fault = || format!("{name:?} = {value} is not a whole number from 0");
                self.answer_cut_bytes = value.as_u64().ok_or_else(fault)?;
            }
            "answer_unknown_code" => {
                self.answer_unknown_code = match value.as_i64() {
                    Some(-1006) => -1006,
                    Some(-1007) => -1007,
                    _ => return Err(format!("{name:?} = {value} is neither -1006 nor -1007")),
                };
            }
            _ => return Err(format!("{name:?} is no switch")),
        }
        Ok(())
    }

    /// Every switch by its name.
    pub(crate) fn show(&self) -> serde_json::Value {
        let ms = |ns: &i64| ns / 1_000_000;
        serde_json::json!({
            "report_drop": self.report_drop,
            "report_delay": self.report_delay,
            "report_delay_ms": [ms(self.report_delay_ns.start()), ms(self.report_delay_ns.end())],
            "report_double": self.report_double,
            "report_reorder": self.report_reorder,
            "reorder_wait_ms": ms(&self.reorder_wait_ns),
            "request_reset": self.request_reset,
            "answer_reset": self.answer_reset,
            "answer_cut": self.answer_cut,
            "answer_cut_bytes": self.answer_cut_bytes,
            "answer_unknown_before": self.answer_unknown_before,
            "answer_unknown_after": self.answer_unknown_after,
            "answer_unknown_code": self.answer_unknown_code,
            "answer_5xx_before": self.answer_5xx_before,
            "answer_5xx_after": self.answer_5xx_after,
            "delay_ms": ms(&self.delay_ns),
            "jitter_ms": ms(&self.jitter_ns),
            "market_frozen": self.market_frozen,
            "depth_skip": self.depth_skip,
        })
    }

    /// Sets every switch back; the seed goes on from where it is.
    pub fn clear(&mut self) {
        let rng = self.rng.clone();
        *self = Faults { rng, ..Faults::new(0) };
    }

    /// Resets every connection at the next turn.
    pub fn disconnect_all(&mut self) {
        self.disconnect_all = true;
    }

    pub(in crate::sim) fn take_disconnect_all(&mut self) -> bool {
        std::mem::take(&mut self.disconnect_all)
    }

    /// Stands still once, at the next turn, with the thread and whatever else turns on it.
    pub fn hang(&mut self, time: Duration) {
        self.hang = time;
    }

    /// What was asked of `hang`.
    pub(in crate::sim) fn stand_still(&mut self) {
        let time = std::mem::take(&mut self.hang);
        if !time.is_zero() {
            std::thread::sleep(time);
        }
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
            RequestFault::Before(BadAnswer::Unknown(self.answer_unknown_code))
        } else if self.happens(self.answer_unknown_after) {
            RequestFault::After(BadAnswer::Unknown(self.answer_unknown_code))
        } else if self.happens(self.answer_5xx_before) {
            RequestFault::Before(BadAnswer::Plain5xx)
        } else if self.happens(self.answer_5xx_after) {
            RequestFault::After(BadAnswer::Plain5xx)
        } else if self.happens(self.request_reset) {
            RequestFault::Lost
        } else if self.happens(self.answer_reset) {
            RequestFault::Reset
        } else if self.happens(self.answer_cut) {
            RequestFault::Cut(self.answer_cut_bytes)
        } else {
            RequestFault::None
        }
    }

    /// How late the next bytes of a connection go out.
    pub(in crate::sim) fn lateness_ns(&mut self) -> i64 {
        if self.jitter_ns == 0 { self.delay_ns } else { self.delay_ns + self.rng.i64(0..=self.jitter_ns) }
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
    /// Answered so, without an effect.
    Before(BadAnswer),
    /// Answered so, after it took effect.
    After(BadAnswer),
    /// Not heard: the connection is reset, and nothing has happened.
    Lost,
    /// Not answered: the connection is reset.
    Reset,
    /// The connection is cut after this much of the answer.
    Cut(u64),
}

/// An answer that says nothing about what became of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) enum BadAnswer {
    /// The venue's own "execution status unknown", by its code.
    Unknown(i32),
    /// A server's page, not the venue's JSON.
    Plain5xx,
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
