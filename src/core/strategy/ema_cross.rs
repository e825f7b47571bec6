//! Two exponential moving averages of the mid: long while the fast one is above the slow one, flat otherwise.

use super::{Intents, Strategy, View};
use crate::domain::{Nanos, OrderId, OrderType, Price, Side, Usd};
use crate::wire_struct;

/// Fraction bits of an average, so that its steps do not vanish.
const FRACTION: u32 = 16;
/// Samples to sit out after a denial: the reason is rarely gone at the next one.
const SIT_OUT: i64 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmaCross {
    fast_n: u32,
    slow_n: u32,
    sample_ns: Nanos,
    order_notional: Usd,
    /// Averages of bid + ask, `FRACTION` bits after the point.
    fast: i128,
    slow: i128,
    samples: u32,
    next_ns: Nanos,
    order: OrderId,
}
wire_struct!(EmaCross { fast_n, slow_n, sample_ns, order_notional, fast, slow, samples, next_ns, order });

impl EmaCross {
    pub fn new(fast: u32, slow: u32, sample_ns: Nanos, order_notional: Usd) -> EmaCross {
        EmaCross {
            fast_n: fast,
            slow_n: slow,
            sample_ns,
            order_notional,
            fast: 0,
            slow: 0,
            samples: 0,
            next_ns: 0,
            order: OrderId::FOREIGN,
        }
    }

    fn sample(&mut self, twice_mid: i64) {
        let x = i128::from(twice_mid) << FRACTION;
        if self.samples == 0 {
            (self.fast, self.slow) = (x, x);
        } else {
            self.fast += (x - self.fast) * 2 / (i128::from(self.fast_n) + 1);
            self.slow += (x - self.slow) * 2 / (i128::from(self.slow_n) + 1);
        }
        self.samples = self.samples.saturating_add(1);
    }
}

impl Strategy for EmaCross {
    #[inline]
    fn on_quote(&mut self, view: &View, intents: &mut Intents) {
        if view.now < self.next_ns {
            return;
        }
        self.next_ns = view.now + self.sample_ns;
        let quote = &view.inst.quote;
        self.sample(quote.bid_px.0.saturating_add(quote.ask_px.0));
        if self.samples < self.slow_n || view.is_live(self.order) {
            return;
        }
        let held = view.inst.def.floor_to_lot(view.net);
        let (side, qty) = if self.fast > self.slow && held.0 <= 0 {
            (Side::Buy, view.lots_for(self.order_notional, quote.ask_px))
        } else if self.fast < self.slow && held.0 > 0 {
            (Side::Sell, held)
        } else {
            return;
        };
        if !qty.is_zero() {
            intents.push(view.id, view.order(side, OrderType::Market, view.inst.def.market_tif(), qty, Price::ZERO));
        }
    }

    fn on_answer(&mut self, _: Side, order: Option<OrderId>, now: Nanos) {
        match order {
            Some(order) => self.order = order,
            None => self.next_ns = now + SIT_OUT * self.sample_ns,
        }
    }

    fn reset(&mut self) {
        self.samples = 0;
        self.next_ns = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_average_leads_and_both_arrive() {
        let mut ema = EmaCross::new(3, 9, 1, Usd::dollars(1));
        for _ in 0..20 {
            ema.sample(1_000_000);
        }
        assert_eq!(ema.fast, ema.slow);
        ema.sample(2_000_000);
        assert!(ema.fast > ema.slow);
        for _ in 0..200 {
            ema.sample(2_000_000);
        }
        for average in [ema.fast, ema.slow] {
            assert!((average >> FRACTION) >= 1_999_999, "{average}");
        }
    }
}
