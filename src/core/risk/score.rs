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

/// What the parts are made of.
struct Pressure {
    moving: i64,
    exposure: i64,
    equity: i64,
    loss: i64,
    fall: i64,
}

impl Pressure {
    /// With so much more exposure, and so much more of it expected to move in a day.
    #[inline]
    fn of(totals: &Totals, losses: &Losses, more: Usd, more_moving: Usd) -> Pressure {
        Pressure {
            moving: totals.moving.saturating_add(more_moving).0,
            exposure: totals.exposure.saturating_add(more).0,
            equity: totals.equity.0,
            loss: totals.day_pnl().0.saturating_neg(),
            fall: losses.high.saturating_sub(totals.pnl()).0,
        }
    }

    /// Surely no part is more than `max` hundredths of its limit, and so neither is the score, whatever the weights:
    /// found without a division. False tells nothing.
    #[inline]
    fn is_surely_within(&self, limits: &Limits, max: u32) -> bool {
        let (max, ppm) = (i128::from(max), 1_000_000);
        let wide = |a: i64, b: i64| i128::from(a) * i128::from(b);
        // A limit that is a product over a million was rounded down: less one, it is not more than that.
        let below = |part: i64, product: i128| part <= 0 || wide(part, 100 * ppm) <= (product - i128::from(ppm)) * max;
        // Leverage beyond a million is none, and what is less is stricter; so no product here is above 2^117.
        let leverage_max = limits.leverage_max_ppm.min(1 << 40) as i64;
        wide(self.moving, DEVIATIONS) <= i128::from(limits.value_at_risk_max.0) * max
            && below(self.exposure, wide(self.equity, leverage_max))
            && wide(self.exposure, 100) <= i128::from(limits.exposure_gross_max.0) * max
            && wide(self.loss, 100) <= i128::from(limits.daily_loss_max.0) * max
            && below(self.fall, wide(self.equity.saturating_add(self.fall), limits.drawdown_halt_ppm.into()))
    }

    fn score(&self, limits: &Limits) -> Score {
        let part = |of: i64, ppm: i64| num::mul_div(of, ppm, 1_000_000, Round::Down).unwrap_or(i64::MAX);
        let value_at_risk = num::mul_div(self.moving, DEVIATIONS, 100, Round::Down).unwrap_or(i64::MAX);
        // Equity in per mille of the leverage allowed: what the exposure may be.
        let leverage_max = i64::try_from(limits.leverage_max_ppm).unwrap_or(i64::MAX);
        let lever = part(self.equity.max(0), leverage_max);
        let at_mark = part(self.equity.saturating_add(self.fall), limits.drawdown_halt_ppm.into());
        let parts = [
            used(value_at_risk, limits.value_at_risk_max.0),
            used(self.exposure, lever),
            used(self.exposure, limits.exposure_gross_max.0),
            used(self.loss, limits.daily_loss_max.0),
            used(self.fall, at_mark),
        ];
        let sum: u32 = parts.iter().zip(PARTS).map(|(part, (_, weight))| part * weight).sum();
        Score { score: sum.div_ceil(1_000), value_at_risk: Usd(value_at_risk), parts }
    }
}

impl Score {
    /// With so much more exposure, and so much more of it expected to move in a day.
    pub fn of(totals: &Totals, losses: &Losses, limits: &Limits, more: Usd, more_moving: Usd) -> Score {
        Pressure::of(totals, losses, more, more_moving).score(limits)
    }
}

/// What so much exposure in an instrument moves in a day, one standard deviation.
#[inline]
pub(crate) fn moving(exposure: Usd, moves_ppm: u32, assumed_ppm: u32) -> Usd {
    let ppm = if moves_ppm == 0 { assumed_ppm } else { moves_ppm };
    Usd(num::mul_div(exposure.0, ppm.into(), 1_000_000, Round::Down).unwrap_or(i64::MAX))
}

#[inline(always)]
pub(super) fn check(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    let limits = scene.limits;
    let max = limits.risk_score_max;
    if max >= 100 {
        return Ok(());
    }
    let more = moving(c.notional, c.inst.moves_ppm, limits.volatility_assumed_ppm);
    let pressure = Pressure::of(scene.totals, scene.losses, c.notional, more);
    if pressure.is_surely_within(limits, max) {
        return Ok(());
    }
    let found = pressure.score(limits);
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

    proptest! {
        /// What passes without its score being worked out has one that passes.
        #[test]
        fn what_is_surely_within_is_within(moving in 0i64..2_000, exposure in 0i64..4_000, equity in -100i64..2_000,
                                           loss in -100i64..100, fall in 0i64..300, max in 0u32..100, unit in 1_000_000i64..1_000_000_000_000,
                                           leverage in 0u64..6_000_000, drawdown in 0u32..300_000) {
            let limits = Limits {
                value_at_risk_max: Usd(2_000 * unit),
                leverage_max_ppm: leverage,
                exposure_gross_max: Usd(3_000 * unit),
                daily_loss_max: Usd(80 * unit),
                drawdown_halt_ppm: drawdown,
                ..Limits::LOOSEST
            };
            let times = |part: i64| part * unit;
            let pressure = Pressure {
                moving: times(moving), exposure: times(exposure), equity: times(equity), loss: times(loss), fall: times(fall),
            };
            let found = pressure.score(&limits);
            prop_assert!(!pressure.is_surely_within(&limits, max) || found.score <= max, "{found:?} {max}");
            // And nothing that is well within is worked out for nothing.
            let used = found.parts.iter().copied().max().unwrap_or(0);
            prop_assert!(pressure.is_surely_within(&limits, max) || used + 12 >= 10 * max, "{found:?} {max}");
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
