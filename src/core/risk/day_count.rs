//! Orders since the day boundary, and orders for each of the day's trades.

use super::{DenyReason, Scene};
use crate::wire_struct;

/// What was sent and traded since the day boundary, all strategies, people and venues together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DayCount {
    pub orders: u32,
    pub trades: u32,
}
wire_struct!(DayCount { orders, trades });

#[inline(always)]
pub(super) fn check(scene: &Scene) -> Result<(), DenyReason> {
    let DayCount { orders, trades } = *scene.day;
    let limits = scene.limits;
    if orders >= limits.orders_per_day_max {
        return Err(DenyReason::OrdersPerDayAboveMax { orders, max: limits.orders_per_day_max });
    }
    // Orders over trades, without the division; no trade yet counts as one.
    let most = u64::from(limits.order_to_trade_max) * u64::from(trades.max(1));
    if orders >= limits.order_to_trade_orders_min && u64::from(orders) >= most {
        return Err(DenyReason::OrderToTradeAboveMax { orders, trades, max: limits.order_to_trade_max });
    }
    Ok(())
}
