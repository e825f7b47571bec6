//! Loss since the day boundary: realised, unrealised and fees together.

use super::{DenyReason, Scene};
use crate::domain::Usd;

#[inline(always)]
pub(super) fn check(scene: &Scene) -> Result<(), DenyReason> {
    let (loss, max) = (Usd(scene.totals.day_pnl().0.saturating_neg()), scene.limits.daily_loss_max);
    if loss >= max {
        return Err(DenyReason::DailyLossReached { loss, max });
    }
    Ok(())
}
