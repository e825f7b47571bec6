//! An order does not meet our own: one that would cross a working order of ours on the other side is denied.
//!
//! Held for exits too: cancelling the other one first is the way out, and closes do so. Orders that never rest cannot
//! be met and are left out.

use super::{Candidate, DenyReason, Scene, Unevaluable};
use crate::core::orders::{LIVE_MAX, Order};
use crate::domain::{Dec, InstrumentId, OrderType, Price, Round, Side, num};

/// The limit prices of our own resting orders, each instrument and side sorted, best last. Room for every live order
/// is taken when the instrument is defined.
pub struct Resting(Vec<[Vec<i64>; 2]>);

/// Sorted upwards, the best price of either side comes last.
#[inline]
fn rank(side: Side, px: Price) -> i64 {
    side.sign() * px.0
}

impl Resting {
    pub(crate) fn new(instruments: usize) -> Resting {
        Resting(Vec::with_capacity(instruments))
    }

    pub(crate) fn define(&mut self, id: InstrumentId) {
        while self.0.len() <= id.index() {
            self.0.push([Vec::with_capacity(LIVE_MAX), Vec::with_capacity(LIVE_MAX)]);
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, order: &Order) {
        if let Some(side) = self.side_of(order) {
            let px = rank(order.side, order.px);
            let at = side.partition_point(|other| *other < px);
            side.insert(at, px);
        }
    }

    #[inline]
    pub(crate) fn remove(&mut self, order: &Order) {
        if let Some(side) = self.side_of(order)
            && let Ok(at) = side.binary_search(&rank(order.side, order.px))
        {
            side.remove(at);
        }
    }

    #[inline]
    fn side_of(&mut self, order: &Order) -> Option<&mut Vec<i64>> {
        let sides =
            self.0.get_mut(order.instrument.index()).filter(|_| !order.is_immediate() && !order.kind.is_triggered())?;
        Some(&mut sides[usize::from(order.side == Side::Sell)])
    }

    #[inline]
    pub(crate) fn best(&self, id: InstrumentId, side: Side) -> Option<Price> {
        let sides = self.0.get(id.index())?;
        sides[usize::from(side == Side::Sell)].last().map(|px| Price(px * side.sign()))
    }
}

#[inline(always)]
pub(super) fn check(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    if c.order.kind.is_triggered() {
        // Where it meets the book is not known before it is triggered; the venue's own prevention is left.
        return Ok(());
    }
    let Some(own) = scene.resting.best(c.inst.def.id, c.order.side.opposite()) else { return Ok(()) };
    // As far as a market order is taken to reach: its margin beyond the touch.
    let reach = match (c.order.kind, c.order.side) {
        (OrderType::Market, Side::Buy) => c.value_px,
        (OrderType::Market, Side::Sell) => {
            let margin = i64::from(scene.limits.market_order_margin_ppm);
            num::mul_div(c.inst.quote.bid_px.0, 1_000_000 - margin, 1_000_000, Round::Down)
                .map(Price)
                .ok_or(DenyReason::CannotEvaluate(Unevaluable::Overflow))?
        }
        _ => c.order.px,
    };
    let crosses = match c.order.side {
        Side::Buy => reach >= own,
        Side::Sell => reach <= own,
    };
    if crosses {
        return Err(DenyReason::SelfMatch { own: Dec { value: own.0, scale: c.inst.def.px_scale } });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The best of each side is that of a plain search through what rests.
        #[test]
        fn the_best_is_that_of_a_search(steps in prop::collection::vec((any::<bool>(), any::<bool>(), 1i64..50), 0..200)) {
            let mut resting = Resting::new(1);
            let id = InstrumentId(0);
            resting.define(id);
            let mut twin: Vec<(Side, i64)> = Vec::new();
            for (add, buy, px) in steps {
                let side = if buy { Side::Buy } else { Side::Sell };
                let order = Order { side, px: Price(px), kind: OrderType::Limit, ..Order::default() };
                match twin.iter().position(|other| *other == (side, px)) {
                    Some(at) if !add => {
                        twin.swap_remove(at);
                        resting.remove(&order);
                    }
                    _ if add => {
                        twin.push((side, px));
                        resting.add(&order);
                    }
                    _ => {}
                }
                let prices = |wanted| twin.iter().filter(move |(side, _)| *side == wanted).map(|(_, px)| Price(*px));
                prop_assert_eq!(resting.best(id, Side::Buy), prices(Side::Buy).max());
                prop_assert_eq!(resting.best(id, Side::Sell), prices(Side::Sell).min());
            }
        }
    }
}
