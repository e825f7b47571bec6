//! What a chart needs of the past: the equity as it went, and a minute's prices of each instrument.
//!
//! Bounded, the oldest goes first, and made of the journal's quotes: a restart draws the same lines again.

use crate::domain::{InstrumentId, Nanos, Price, Usd};
use std::collections::{BTreeMap, VecDeque};

/// Between two samples of the equity, and how many there are: a day.
const EQUITY_GAP_NS: Nanos = 10_000_000_000;
const EQUITY_MAX: usize = 8_640;
/// A bar's time, and how many there are of an instrument: a day of minutes.
const BAR_NS: Nanos = 60_000_000_000;
const BARS_MAX: usize = 1_440;

/// A minute of an instrument, in middle prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// When the minute began.
    pub ts_ns: Nanos,
    pub open: Price,
    pub high: Price,
    pub low: Price,
    pub close: Price,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Curves {
    equity: VecDeque<(Nanos, Usd)>,
    bars: BTreeMap<InstrumentId, VecDeque<Bar>>,
}

impl Curves {
    pub fn on_quote(&mut self, instrument: InstrumentId, mid: Price, now: Nanos) {
        let began = now - now.rem_euclid(BAR_NS);
        let bars = self.bars.entry(instrument).or_default();
        match bars.back_mut() {
            Some(bar) if bar.ts_ns == began => {
                bar.high = bar.high.max(mid);
                bar.low = bar.low.min(mid);
                bar.close = mid;
            }
            _ => {
                if bars.len() >= BARS_MAX {
                    bars.pop_front();
                }
                bars.push_back(Bar { ts_ns: began, open: mid, high: mid, low: mid, close: mid });
            }
        }
    }

    /// A sample, where the last is old enough.
    pub fn on_equity(&mut self, equity: Usd, now: Nanos) {
        if self.equity.back().is_some_and(|(last, _)| now - last < EQUITY_GAP_NS) {
            return;
        }
        if self.equity.len() >= EQUITY_MAX {
            self.equity.pop_front();
        }
        self.equity.push_back((now, equity));
    }

    /// Oldest first.
    pub fn equity(&self) -> impl Iterator<Item = (Nanos, Usd)> {
        self.equity.iter().copied()
    }

    /// Oldest first.
    pub fn bars(&self, instrument: InstrumentId) -> impl Iterator<Item = &Bar> {
        self.bars.get(&instrument).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_one_bar_and_the_oldest_goes() {
        let mut curves = Curves::default();
        let id = InstrumentId(0);
        for (second, px) in [(0, 10), (20, 14), (40, 8), (59, 11), (60, 12)] {
            curves.on_quote(id, Price(px), second * 1_000_000_000);
        }
        let bar = |ts, o, h, l, c| Bar { ts_ns: ts, open: Price(o), high: Price(h), low: Price(l), close: Price(c) };
        let bars: Vec<Bar> = curves.bars(id).copied().collect();
        assert_eq!(bars, [bar(0, 10, 14, 8, 11), bar(BAR_NS, 12, 12, 12, 12)]);
        for minute in 0..2 * BARS_MAX as i64 {
            curves.on_quote(id, Price(1), minute * BAR_NS);
        }
        assert_eq!(curves.bars(id).count(), BARS_MAX);
    }

    #[test]
    fn the_equity_is_sampled_and_not_copied() {
        let mut curves = Curves::default();
        for second in 0..25 {
            curves.on_equity(Usd(second), second * 1_000_000_000);
        }
        let seconds: Vec<i64> = curves.equity().map(|(_, equity)| equity.0).collect();
        assert_eq!(seconds, [0, 10, 20]);
    }
}
