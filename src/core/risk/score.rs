//! The portfolio's value at risk and what else presses on it, as one score from 0 to 100 with its parts.
//!
//! Value at risk: what the exposure loses in a day with one chance in a hundred, each instrument by what it moves in
//! a day (one standard deviation of its samples, times 2.33) and all of them against us at once: what they balance out
//! is not counted. An instrument that is not known yet moves as `volatility_assumed`. Kept current on each quote.
//!
//! Each part is how much of its limit is used, at most all; the score is their weighted sum, rounded up.

use super::{Candidate, DenyReason, Scene};
use crate::core::config::Limits;
use crate::core::losses::Losses;
use crate::core::portfolio::Totals;
use crate::domain::{Round, Usd, num};

/// Standard deviations that a day's loss exceeds once in a hundred, in hundredths (normal distribution).
const DEVIATIONS: i64 = 233;

/// Per mille of each limit that is used, in the order of `PARTS`.
pub type Parts = [u32; 5];

/// What the parts are called, and how much of the score each is.
pub const PARTS: [(&str, u32); 5] =
    [("value_at_risk", 40), ("leverage", 15), ("gross_exposure", 15), ("daily_loss", 15), ("drawdown", 15)];

/// The score, and what it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Score {
    pub score: u32,
    pub value_at_risk: Usd,
    pub parts: Parts,
}

/// Per mille of `whole` that `part` is: rounded up, at most all of it.
#[inline]
fn used(part: i64, whole: i64) -> u32 {
    match (part, whole) {
        (..=0, _) => 0,
        (_, ..=0) => 1_000,
        _ if part >= whole => 1_000,
        // One machine division; where the product does not fit, of the limit's thousandth.
        _ => match (part as u64).checked_mul(1_000) {
            Some(product) => product.div_ceil(whole as u64) as u32,
            None => (part as u64).div_ceil((whole as u64 / 1_000).max(1)).min(1_000) as u32,
        },
    }
}

impl Score {
    /// With so much more exposure, and so much more of it expected to move in a day.
    #[inline]
    pub fn of(totals: &Totals, losses: &Losses, limits: &Limits, more: Usd, more_moving: Usd) -> Score {
        let moving = totals.moving.saturating_add(more_moving);
        let part = |of: i64, times: i64, whole| num::mul_div(of, times, whole, Round::Down).unwrap_or(i64::MAX);
        let value_at_risk = Usd(part(moving.0, DEVIATIONS, 100));
        let exposure = totals.exposure.saturating_add(more);
        // Equity in per mille of the leverage allowed: what the exposure may be.
        let leverage_max = i64::try_from(limits.leverage_max_ppm).unwrap_or(i64::MAX);
        let lever = part(totals.equity.0.max(0), leverage_max, 1_000_000);
        let pnl = totals.pnl();
        let fall = losses.high.saturating_sub(pnl);
        let at_mark = part(totals.equity.saturating_add(fall).0, limits.drawdown_halt_ppm.into(), 1_000_000);
        let parts = [
            used(value_at_risk.0, limits.value_at_risk_max.0),
            used(exposure.0, lever),
            used(exposure.0, limits.exposure_gross_max.0),
            used(totals.day_pnl().0.saturating_neg(), limits.daily_loss_max.0),
            used(fall.0, at_mark),
        ];
        let sum: u32 = parts.iter().zip(PARTS).map(|(part, (_, weight))| part * weight).sum();
        Score { score: sum.div_ceil(1_000), value_at_risk, parts }
    }
}

/// What so much exposure in an instrument moves in a day, one standard deviation.
#[inline]
pub(crate) fn moving(exposure: Usd, moves_ppm: u32, assumed_ppm: u32) -> Usd {
    let ppm = if moves_ppm == 0 { assumed_ppm } else { moves_ppm };
    Usd(num::mul_div(exposure.0, ppm.into(), 1_000_000, Round::Down).unwrap_or(i64::MAX))
}

#[inline]
pub(super) fn check(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    let limits = scene.limits;
    let max = limits.risk_score_max;
    if max >= 100 {
        return Ok(());
    }
    let more = moving(c.notional, c.inst.moves_ppm, limits.volatility_assumed_ppm);
    let found = Score::of(scene.totals, scene.losses, limits, c.notional, more);
    if found.score > max {
        return Err(DenyReason::RiskScoreAboveMax { score: found.score, max, value_at_risk: found.value_at_risk });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    proptest! {
        #[test]
        fn a_part_is_its_decimal_twin(part in -1_000i64..i64::MAX / 2, whole in 1i64..i64::MAX / 2) {
            let want = if part <= 0 {
                Decimal::ZERO
            } else {
                (Decimal::from(part) * Decimal::from(1_000) / Decimal::from(whole)).min(Decimal::from(1_000))
            };
            let got = Decimal::from(used(part, whole));
            // Rounded up, and never by more than one in a thousand.
            prop_assert!(got >= want.floor() && got <= want.ceil() + Decimal::ONE, "{got} {want}");
        }
    }

    #[test]
    fn every_part_weighs_what_it_says_and_all_of_them_make_a_hundred() {
        assert_eq!(PARTS.iter().map(|(_, weight)| weight).sum::<u32>(), 100);
        let limits = Limits {
            value_at_risk_max: Usd::dollars(100),
            leverage_max_ppm: 1_000_000,
            exposure_gross_max: Usd::dollars(1_000),
            daily_loss_max: Usd::dollars(50),
            drawdown_halt_ppm: 100_000,
            ..Limits::LOOSEST
        };
        let of = |totals: Totals, high| {
            let mut losses = Losses::default();
            losses.high = high;
            Score::of(&totals, &losses, &limits, Usd(0), Usd(0))
        };
        let equity = Usd::dollars(1_000);
        assert_eq!(of(Totals { equity, ..Totals::default() }, Usd(0)).score, 0);
        let moving = Totals { equity, moving: Usd::dollars(100), ..Totals::default() };
        assert_eq!((of(moving, Usd(0)).score, of(moving, Usd(0)).value_at_risk), (40, Usd::dollars(233)));
        let exposed = Totals { equity, exposure: Usd::dollars(500), ..Totals::default() };
        assert_eq!(of(exposed, Usd(0)).score, 15, "half of the leverage and half of the gross exposure");
        let fallen = Totals { equity: Usd::dollars(900), realised: Usd::dollars(-100), ..Totals::default() };
        assert_eq!(of(fallen, Usd(0)).parts[3..], [1_000, 1_000], "100 of 1,000 at the mark, and of 50 for the day");
    }
}
