//! Exposure in instruments that move together: the order's group, working orders and this one counted as if filled.
//!
//! What cannot be told yet counts with everything: an instrument with too few samples is taken to move with all
//! others, and two with too few in common to move with each other. So a start without history does not stop trading,
//! it holds the whole account to `correlated_exposure_max` until the samples are there. Sides are not netted.

use super::{Candidate, DenyReason, Scene};

#[inline(always)]
pub(super) fn check(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    let exposure = scene.portfolio.moving_with(c.inst).saturating_add(c.notional);
    let max = scene.limits.correlated_exposure_max;
    if exposure > max {
        let known = !c.inst.group.is_unknown();
        return Err(DenyReason::CorrelatedExposureAboveMax { exposure, max, known });
    }
    Ok(())
}
