//! Gross exposure over equity, working orders and this one counted as if filled.

use super::{Candidate, DenyReason, Scene, Unevaluable};
use crate::domain::{Dec, Round, num};

#[inline(always)]
pub(super) fn check(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    let overflow = DenyReason::CannotEvaluate(Unevaluable::Overflow);
    let gross = scene.totals.exposure.checked_add(c.notional).ok_or(overflow)?;
    let (equity, max_ppm) = (scene.totals.equity, scene.limits.leverage_max_ppm);
    // gross / equity > max, without the division.
    if i128::from(gross.0) * 1_000_000 > i128::from(equity.0) * i128::from(max_ppm) {
        let dec = |ppm: i64| Dec { value: ppm, scale: 6 };
        let leverage = num::mul_div(gross.0, 1_000_000, equity.0.max(1), Round::Up).unwrap_or(i64::MAX);
        return Err(DenyReason::LeverageAboveMax { leverage: dec(leverage), max: dec(max_ppm as i64) });
    }
    Ok(())
}
