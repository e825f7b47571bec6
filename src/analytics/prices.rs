//! Prices side by side, and how much instruments move together.

use super::stats::correlation;
use crate::domain::{InstrumentId, Nanos, Quote};
use std::collections::{BTreeMap, VecDeque};

/// Time between two prices of an instrument.
pub const PRICE_INTERVAL_NS: Nanos = 60_000_000_000;
/// Prices remembered of each instrument: a day of minutes.
pub const PRICES_MAX: usize = 1_440;

/// The last price of each minute, by instrument. An instrument that was not quoted in a minute has no price there.
#[derive(Debug, Clone)]
pub struct Prices {
    interval_ns: Nanos,
    series: BTreeMap<InstrumentId, VecDeque<(i64, i64)>>,
}

impl Default for Prices {
    fn default() -> Prices {
        Prices::every(PRICE_INTERVAL_NS)
    }
}

impl Prices {
    pub fn every(interval_ns: Nanos) -> Prices {
        Prices { interval_ns: interval_ns.max(1), series: BTreeMap::new() }
    }

    pub fn see(&mut self, now: Nanos, quote: &Quote) {
        if quote.bid_px.0 <= 0 || quote.ask_px.0 <= 0 {
            return;
        }
        let at = now.div_euclid(self.interval_ns);
        // Twice the middle: only ratios are taken of it.
        let px = quote.bid_px.0.saturating_add(quote.ask_px.0);
        let series = self.series.entry(quote.instrument).or_default();
        match series.back_mut() {
            Some((last, price)) if *last >= at => *price = px,
            _ => {
                if series.len() >= PRICES_MAX {
                    series.pop_front();
                }
                series.push_back((at, px));
            }
        }
    }

    /// Returns of two instruments over the intervals that both have a price at the begin and the end of.
    pub fn returns(&self, a: InstrumentId, b: InstrumentId) -> (Vec<f64>, Vec<f64>) {
        let (Some(a), Some(b)) = (self.series.get(&a), self.series.get(&b)) else { return Default::default() };
        let b: BTreeMap<i64, i64> = b.iter().copied().collect();
        let both: Vec<(i64, i64, i64)> =
            a.iter().filter_map(|(at, px)| b.get(at).map(|other| (*at, *px, *other))).collect();
        let change = |from: i64, to: i64| to as f64 / from as f64 - 1.0;
        let pairs = both.windows(2).filter(|pair| pair[1].0 == pair[0].0 + 1);
        pairs.map(|pair| (change(pair[0].1, pair[1].1), change(pair[0].2, pair[1].2))).unzip()
    }

    pub fn instruments(&self) -> Vec<InstrumentId> {
        self.series.keys().copied().collect()
    }

    /// Pearson's correlation of every two instruments' returns, in the order of `instruments`, and how many returns it
    /// is of. `None` below two, and where one of them never moved.
    pub fn correlations(&self) -> Vec<Vec<(Option<f64>, usize)>> {
        self.correlations_of(&self.instruments())
    }

    /// As `correlations`, of these instruments in their order.
    pub fn correlations_of(&self, ids: &[InstrumentId]) -> Vec<Vec<(Option<f64>, usize)>> {
        let of = |a: &InstrumentId, b: &InstrumentId| {
            let (x, y) = self.returns(*a, *b);
            (correlation(&x, &y), x.len())
        };
        ids.iter().map(|a| ids.iter().map(|b| of(a, b)).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Price;

    #[test]
    fn only_intervals_that_both_have_count_and_the_matrix_is_symmetric() {
        let mut prices = Prices::every(10);
        let mut see = |instrument: u16, at: i64, px: i64| {
            let (bid_px, ask_px) = (Price(px), Price(px));
            let quote = Quote { instrument: InstrumentId(instrument), bid_px, ask_px, ..Quote::default() };
            prices.see(at, &quote);
        };
        for (at, a, b) in
            [(0, 100, Some(50)), (10, 110, Some(55)), (20, 99, None), (30, 99, Some(60)), (40, 108, Some(66))]
        {
            see(0, at, a - 1);
            see(0, at + 9, a);
            if let Some(b) = b {
                see(1, at, b);
            }
        }
        see(2, 5, 7);
        let (x, y) = prices.returns(InstrumentId(0), InstrumentId(1));
        let close = |values: &[f64], want: &[f64]| {
            values.len() == want.len() && values.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12)
        };
        assert!(close(&x, &[0.1, 108.0 / 99.0 - 1.0]) && close(&y, &[0.1, 0.1]), "{x:?} {y:?}");
        let matrix = prices.correlations();
        assert_eq!(matrix[0][1], matrix[1][0]);
        assert!((matrix[0][0].0.unwrap() - 1.0).abs() < 1e-12 && matrix[0][0].1 == 4);
        assert_eq!((matrix[0][1], matrix[2][2].0), ((None, 2), None), "one of them moved alike both times");
    }
}
