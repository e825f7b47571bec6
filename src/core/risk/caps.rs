//! The caps of the present stage between paper and live, held besides the limits: capital grows one stage at a time.
//!
//! They come by `Action::SetCaps`, outlive a restart, and hold for what grows; an exit passes them.

use super::{Candidate, DenyReason, Scene, position_notional};
use crate::domain::{Dec, Usd};
use crate::{wire_enum, wire_struct};
use std::fmt;

/// What a stage allows. `Caps::NONE` where there is no stage: on paper, and where the road has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// From 1; 0: none.
    pub stage: u8,
    /// Notional of one order, and of one instrument's position with working orders counted as if filled.
    pub order_notional_max: Usd,
    pub position_notional_max: Usd,
    /// Sum of all instruments' exposure, working orders counted.
    pub exposure_gross_max: Usd,
    /// Orders since the day boundary, and working at once.
    pub orders_per_day_max: u32,
    pub open_orders_max: u32,
}
wire_struct!(Caps {
    stage,
    order_notional_max,
    position_notional_max,
    exposure_gross_max,
    orders_per_day_max,
    open_orders_max,
});

impl Caps {
    pub const NONE: Caps = Caps {
        stage: 0,
        order_notional_max: Usd(i64::MAX),
        position_notional_max: Usd(i64::MAX),
        exposure_gross_max: Usd(i64::MAX),
        orders_per_day_max: u32::MAX,
        open_orders_max: u32::MAX,
    };
}

impl Default for Caps {
    fn default() -> Self {
        Caps::NONE
    }
}

/// Which cap an order met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capped {
    OrderNotional,
    PositionNotional,
    GrossExposure,
    OrdersPerDay,
    OpenOrders,
}
wire_enum!(Capped {
    0 => OrderNotional, 1 => PositionNotional, 2 => GrossExposure, 3 => OrdersPerDay, 4 => OpenOrders,
});

impl fmt::Display for Capped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Capped::OrderNotional => "order notional in USD",
            Capped::PositionNotional => "position notional in USD",
            Capped::GrossExposure => "gross exposure in USD",
            Capped::OrdersPerDay => "orders since the day boundary",
            Capped::OpenOrders => "open orders",
        })
    }
}

#[inline(always)]
pub(super) fn check(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    let caps = scene.caps;
    if caps.stage == 0 {
        return Ok(());
    }
    let position = position_notional::worst(c)?;
    let gross = scene.totals.exposure.saturating_add(c.notional);
    let usd = |usd: Usd| Dec { value: usd.0, scale: Usd::SCALE };
    for (cap, value, max) in [
        (Capped::OrderNotional, usd(c.notional), usd(caps.order_notional_max)),
        (Capped::PositionNotional, usd(position), usd(caps.position_notional_max)),
        (Capped::GrossExposure, usd(gross), usd(caps.exposure_gross_max)),
    ] {
        if value.value > max.value {
            return Err(DenyReason::StageCapReached { stage: caps.stage, cap, value, max });
        }
    }
    room(scene)
}

/// The caps of counts alone.
#[inline]
pub(super) fn room(scene: &Scene) -> Result<(), DenyReason> {
    let caps = scene.caps;
    if caps.stage == 0 {
        return Ok(());
    }
    let count = |n: u64| Dec { value: n as i64, scale: 0 };
    // Counts are of what there would be with this order.
    let (sent, open) = (u64::from(scene.day.orders) + 1, scene.open_orders as u64 + 1);
    for (cap, value, max) in [
        (Capped::OrdersPerDay, count(sent), count(caps.orders_per_day_max.into())),
        (Capped::OpenOrders, count(open), count(caps.open_orders_max.into())),
    ] {
        if value.value > max.value {
            return Err(DenyReason::StageCapReached { stage: caps.stage, cap, value, max });
        }
    }
    Ok(())
}
