//! A small IOC at the touch on every Nth quote: the instrument of latency measurement. Buys, and sells what it has.

use super::{Intents, Strategy, View};
use crate::domain::{Nanos, OrderId, OrderType, Qty, Side, TimeInForce};
use crate::wire_struct;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    every: u32,
    qty: Qty,
    seen: u32,
    next: Side,
}
wire_struct!(Probe { every, qty, seen, next });

impl Probe {
    /// `every` 0 never sends.
    pub fn new(every: u32, qty: Qty) -> Probe {
        Probe { every, qty, seen: 0, next: Side::Buy }
    }
}

impl Strategy for Probe {
    #[inline]
    fn on_quote(&mut self, view: &View, intents: &mut Intents) {
        self.seen += 1;
        if self.every == 0 || self.seen < self.every {
            return;
        }
        self.seen = 0;
        let side = if view.net < self.qty { Side::Buy } else { self.next };
        self.next = side.opposite();
        let px = match side {
            Side::Buy => view.inst.quote.ask_px,
            Side::Sell => view.inst.quote.bid_px,
        };
        intents.push(view.id, view.order(side, OrderType::Limit, TimeInForce::Ioc, self.qty, px));
    }

    fn on_answer(&mut self, _: Side, _: Option<OrderId>, _: Nanos) {}

    fn reset(&mut self) {
        self.seen = 0;
    }
}
