//! Quotes both sides of the mid with limit-maker orders and requotes when the mid has moved.

use super::{Intent, Intents, Strategy, View};
use crate::domain::{Nanos, OrderId, OrderType, Price, Round, Side, TimeInForce, Usd, num};
use crate::wire_struct;

/// Time to sit out after a denial.
const SIT_OUT_NS: Nanos = 1_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maker {
    offset_ppm: u32,
    requote_ppm: u32,
    order_notional: Usd,
    inventory_max: Usd,
    bid: OrderId,
    ask: OrderId,
    /// The mid that the working quotes were made from.
    quoted_mid: i64,
    next_ns: Nanos,
}
wire_struct!(Maker { offset_ppm, requote_ppm, order_notional, inventory_max, bid, ask, quoted_mid, next_ns });

impl Maker {
    pub fn new(offset_ppm: u32, requote_ppm: u32, order_notional: Usd, inventory_max: Usd) -> Maker {
        Maker {
            offset_ppm,
            requote_ppm,
            order_notional,
            inventory_max,
            bid: OrderId::FOREIGN,
            ask: OrderId::FOREIGN,
            quoted_mid: 0,
            next_ns: 0,
        }
    }
}

impl Strategy for Maker {
    #[inline]
    fn on_quote(&mut self, view: &View, intents: &mut Intents) {
        if view.now < self.next_ns {
            return;
        }
        let (def, quote) = (&view.inst.def, &view.inst.quote);
        let mid = quote.bid_px.0 + (quote.ask_px.0 - quote.bid_px.0) / 2;
        let live = [self.bid, self.ask].map(|order| view.is_live(order));
        let moved = (mid - self.quoted_mid).unsigned_abs();
        let Some(step) = num::mul_div(mid, i64::from(self.requote_ppm), 1_000_000, Round::Up) else { return };
        if live != [false, false] && moved >= step.unsigned_abs() {
            for (order, live) in [self.bid, self.ask].into_iter().zip(live) {
                if live {
                    intents.push(view.id, Intent::Cancel(order));
                }
            }
            return;
        }
        let Some(offset) = num::mul_div(mid, i64::from(self.offset_ppm), 1_000_000, Round::Up) else { return };
        let inventory = view.inst.notional(Price(mid), view.net, Round::Up).unwrap_or(self.inventory_max);
        if !live[0] && inventory < self.inventory_max {
            let px = def.floor_to_tick(Price(mid - offset)).min(quote.bid_px);
            let qty = view.lots_for(self.order_notional, px);
            self.quoted_mid = mid;
            intents.push(view.id, view.order(Side::Buy, OrderType::LimitMaker, TimeInForce::Gtc, qty, px));
        }
        if !live[1] && view.net.0 > 0 {
            let up = def.floor_to_tick(Price(mid + offset + def.tick.0.max(1) - 1)).max(quote.ask_px);
            let qty = view.lots_for(self.order_notional, up).min(def.floor_to_lot(view.net));
            if qty >= def.qty_min && !qty.is_zero() {
                self.quoted_mid = mid;
                intents.push(view.id, view.order(Side::Sell, OrderType::LimitMaker, TimeInForce::Gtc, qty, up));
            }
        }
    }

    fn on_answer(&mut self, side: Side, order: Option<OrderId>, now: Nanos) {
        match (side, order) {
            (Side::Buy, Some(order)) => self.bid = order,
            (Side::Sell, Some(order)) => self.ask = order,
            (_, None) => self.next_ns = now + SIT_OUT_NS,
        }
    }

    fn reset(&mut self) {
        self.next_ns = 0;
    }
}
