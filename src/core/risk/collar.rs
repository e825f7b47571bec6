//! The limit price is near the market: a slipped digit or a price of another instrument does not go out.
//!
//! The reference is the mid of the live quote, which `fresh` has found young and not crossed. Held either way, for
//! exits too. An order without a limit price has no price to slip.

use super::{Candidate, DenyReason, Scene, percent};
use crate::domain::Dec;

#[inline(always)]
pub(super) fn check(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    if !c.order.kind.is_limit() {
        return Ok(());
    }
    // Behind a trigger the market is where the trigger is; a trail without one follows the market.
    let stop_px = c.order.terms.stop_px;
    let mid = if stop_px.is_zero() { c.inst.quote.mid().0 } else { stop_px.0 };
    let away = i128::from(c.order.px.0) - i128::from(mid);
    if away.abs() * 1_000_000 > i128::from(mid) * i128::from(scene.limits.price_collar_ppm) {
        let dec = |value| Dec { value, scale: c.inst.def.px_scale };
        let max_pct = percent(scene.limits.price_collar_ppm.into());
        return Err(DenyReason::PriceCollar { px: dec(c.order.px.0), reference: dec(mid), max_pct });
    }
    Ok(())
}
