//! Notional of the instrument's position, working orders and this one counted as if filled.

use super::{Candidate, DenyReason, Scene, Unevaluable};
use crate::domain::{Round, Side, Usd};

/// The notional that the instrument's position can come to with this order.
#[inline(always)]
pub(super) fn worst(c: &Candidate) -> Result<Usd, DenyReason> {
    let overflow = DenyReason::CannotEvaluate(Unevaluable::Overflow);
    let worst = match c.order.side {
        Side::Buy => c.inst.worst_qty(c.qty.0, 0),
        Side::Sell => c.inst.worst_qty(0, c.qty.0),
    }
    .ok_or(overflow)?;
    // At the price that values the order or the market, whichever is dearer.
    let px = c.value_px.max(c.inst.quote.ask_px);
    c.inst.notional(px, worst, Round::Up).ok_or(overflow)
}

#[inline(always)]
pub(super) fn check(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    let notional = worst(c)?;
    let max = scene.limits.position_notional_max;
    if notional > max {
        return Err(DenyReason::PositionNotionalAboveMax { notional, max });
    }
    Ok(())
}
