//! Size and notional of one order (quantities are bounded by the venue's lot filter, money by this).

use super::{Candidate, DenyReason, Scene};

#[inline(always)]
pub(super) fn check(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    let max = scene.limits.order_notional_max;
    if c.notional > max {
        return Err(DenyReason::OrderNotionalAboveMax { notional: c.notional, max });
    }
    Ok(())
}
