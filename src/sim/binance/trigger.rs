//! Stop orders: where they may be set, when a trade reaches them, and how they begin to work (reference §7.3).

use super::errors::ApiError;
use super::orders::{Expiry, Order, OrderKind, Trailing};
use super::user::Exec;
use super::venue::Venue;
use crate::sim::market::Side;

/// A hundredth of a percent.
const BASIS_POINTS: i128 = 10_000;

/// Refuses a stop on the wrong side of the last price. Before the first trade there is no side.
pub fn check_side(kind: OrderKind, side: Side, stop_px: i64, last: Option<i64>) -> Result<(), ApiError> {
    let Some(last) = last.filter(|_| kind.is_stop() && stop_px > 0) else { return Ok(()) };
    let right = if kind.waits_above(side) { stop_px > last } else { stop_px < last };
    if right { Ok(()) } else { Err(ApiError::rejected("Order would trigger immediately.")) }
}

/// Follows a trade; true once it triggers the order.
fn reached(order: &mut Order, px: i64, now_us: i64) -> bool {
    let stop_reached = order.stop_px == 0
        || if order.kind.waits_above(order.side) { px >= order.stop_px } else { px <= order.stop_px };
    let Some(trailing) = &mut order.trailing else { return stop_reached };
    if trailing.extreme == 0 {
        if stop_reached {
            *trailing = Trailing { extreme: px, since_us: now_us, ..*trailing };
        }
        return false;
    }
    let (px, delta) = (i128::from(px), i128::from(trailing.delta));
    let extreme = i128::from(trailing.extreme);
    match order.side {
        Side::Buy => {
            trailing.extreme = extreme.min(px) as i64;
            px * BASIS_POINTS >= i128::from(trailing.extreme) * (BASIS_POINTS + delta)
        }
        Side::Sell => {
            trailing.extreme = extreme.max(px) as i64;
            px * BASIS_POINTS <= i128::from(trailing.extreme) * (BASIS_POINTS - delta)
        }
    }
}

impl Venue {
    /// Shows a trade to the stops of its symbol. Those it reaches begin to work when the command ends, so that no
    /// order enters the book while another one is matched.
    pub fn watch_stops(&mut self, symbol: usize, px: i64, now_us: i64) {
        if self.symbols[symbol].stops.is_empty() {
            return;
        }
        let ids: Vec<u64> = self.symbols[symbol].stops.iter().copied().collect();
        for id in ids {
            let Some(order) = self.orders.get_mut(&id) else { continue };
            let before = order.trailing;
            let triggered = reached(order, px, now_us);
            if order.trailing != before {
                self.changes.orders.insert(id);
            }
            if triggered {
                self.symbols[symbol].stops.remove(&id);
                self.triggered.push_back(id);
            }
        }
    }

    /// Lets what was triggered work, what lists make of it, and what that triggers in turn.
    pub fn work_triggered(&mut self, now_us: i64) {
        loop {
            if let Some(id) = self.list_moved.pop_front() {
                self.follow_list(id, now_us);
                continue;
            }
            let Some(id) = self.triggered.pop_front() else { break };
            if self.orders.get(&id).is_some_and(|o| o.status.open()) {
                self.end_other_leg(id, now_us);
            }
            if !self.orders.get(&id).is_some_and(|o| o.status.open()) {
                continue;
            }
            if !self.peg_waiting(id) {
                self.expire(id, Expiry::Rejected, now_us);
                continue;
            }
            let Some(order) = self.orders.get_mut(&id) else { continue };
            self.command += 1;
            order.working_us = Some(now_us);
            order.updated_us = now_us;
            self.relock(id);
            // Told as NEW once more, now on the book: the working flag is the only difference that clients look at.
            self.report(id, Exec::New, None, None, now_us);
            self.enter(id, now_us);
        }
    }

    /// Stops from the state file wait again.
    pub fn watch_restored(&mut self) {
        for order in self.orders.values().filter(|o| o.waiting()) {
            self.symbols[order.symbol].stops.insert(order.id);
        }
    }
}
