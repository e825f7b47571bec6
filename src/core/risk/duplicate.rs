//! The same intent twice: instrument, side, kind, quantity, price and source of an order that was let out a moment ago.
//!
//! An exit that still only reduces passes: what it repeats cannot grow anything.

use super::{Candidate, DenyReason, Scene};
use crate::core::command::PlaceOrder;
use crate::core::table::{FixedMap, Key, mix};
use crate::domain::{InstrumentId, Nanos, OrderType, Price, Qty, Side, StrategyId, Terms};

/// Orders remembered. More than this within the window and the oldest is forgotten: 512 in the shipped quarter of a
/// second are 2,000 orders a second, beyond what the message rates let out.
const REMEMBERED: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Intent {
    instrument: InstrumentId,
    strategy: StrategyId,
    side: Side,
    kind: OrderType,
    qty: Qty,
    px: Price,
    terms: Terms,
}

impl Intent {
    #[inline]
    fn of(order: &PlaceOrder, strategy: StrategyId) -> Intent {
        let PlaceOrder { instrument, side, kind, qty, px, terms, .. } = *order;
        Intent { instrument, strategy, side, kind, qty, px, terms }
    }
}

/// What an intent comes down to in 64 bits, from the order as it is: making the intent only to look for it costs more
/// than the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark(u64);

impl Mark {
    #[inline]
    fn of(order: &PlaceOrder, strategy: StrategyId) -> Mark {
        let who = u64::from(order.instrument.0) << 16 | u64::from(strategy.0) << 8 | (order.side as u64) << 4;
        let size = order.qty.0 ^ order.terms.quote_qty.0;
        let px = (order.px.0 ^ order.terms.stop_px.0) as u64;
        Mark(mix(mix(size as u64 ^ who ^ order.kind as u64).rotate_left(29) ^ px))
    }
}

impl Key for Mark {
    #[inline]
    fn spread(self) -> u64 {
        self.0
    }
}

/// The last intents that became orders, and when. Of two that have the same mark the younger is remembered.
pub struct Recent {
    /// When it was sent, and its place in the ring.
    map: FixedMap<Mark, (Nanos, u32)>,
    ring: Box<[Option<(Mark, Intent)>]>,
    next: usize,
}

impl Recent {
    pub(crate) fn new() -> Recent {
        Recent { map: FixedMap::new(REMEMBERED), ring: vec![None; REMEMBERED].into_boxed_slice(), next: 0 }
    }

    /// An order went out.
    #[inline]
    pub(crate) fn add(&mut self, order: &PlaceOrder, strategy: StrategyId, now: Nanos) {
        let (mark, intent) = (Mark::of(order, strategy), Intent::of(order, strategy));
        if let Some((oldest, _)) = self.ring[self.next].replace((mark, intent))
            && self.map.get(oldest).is_some_and(|(_, place)| place as usize == self.next)
        {
            self.map.remove(oldest);
        }
        self.map.remove(mark);
        self.map.insert(mark, (now, self.next as u32));
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// When the same was sent last, as far as it is remembered.
    #[inline]
    fn sent(&self, order: &PlaceOrder, strategy: StrategyId) -> Option<Nanos> {
        let (at, place) = self.map.get(Mark::of(order, strategy))?;
        let (_, intent) = self.ring.get(place as usize)?.as_ref()?;
        (*intent == Intent::of(order, strategy)).then_some(at)
    }

    /// What a state hash needs: each remembered intent's mark and time, oldest first.
    pub(crate) fn each(&self, mut see: impl FnMut(u64, Nanos)) {
        for n in 0..REMEMBERED {
            let place = (self.next + n) % REMEMBERED;
            if let Some((mark, _)) = self.ring[place]
                && let Some((at, _)) = self.map.get(mark).filter(|(_, kept)| *kept as usize == place)
            {
                see(mark.0, at);
            }
        }
    }
}

#[inline(always)]
pub(super) fn check(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    let window_ns = scene.limits.duplicate_window_ns;
    if window_ns <= 0 {
        return Ok(());
    }
    let Some(sent) = scene.recent.sent(c.order, scene.strategy) else { return Ok(()) };
    let age = scene.now - sent;
    if age < window_ns {
        let ms = |ns: Nanos| (ns / 1_000_000) as u64;
        return Err(DenyReason::DuplicateOrder { age_ms: ms(age), window_ms: ms(window_ns) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn the_last_intents_are_remembered_with_their_last_time(qtys in prop::collection::vec(0i64..700, 400..900)) {
            let mut recent = Recent::new();
            let mut twin: VecDeque<(i64, Nanos)> = VecDeque::new();
            for (now, qty) in qtys.into_iter().enumerate() {
                let order = PlaceOrder { qty: Qty(qty), ..PlaceOrder::default() };
                recent.add(&order, StrategyId(1), now as i64);
                if twin.len() == REMEMBERED {
                    twin.pop_front();
                }
                twin.push_back((qty, now as i64));
                for qty in [0, qty, qty / 2] {
                    let order = PlaceOrder { qty: Qty(qty), ..PlaceOrder::default() };
                    let want = twin.iter().rev().find(|(other, _)| *other == qty).map(|(_, at)| *at);
                    prop_assert_eq!(recent.sent(&order, StrategyId(1)), want);
                    prop_assert_eq!(recent.sent(&order, StrategyId(2)), None);
                }
            }
        }
    }
}
