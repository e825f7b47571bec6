//! Gross and net exposure of the account, gross exposure at the venue, in the asset over all venues and of the strategy
//! that asks: working orders and this one
//! counted as if filled, each in the direction that makes it worst.

use super::{Candidate, DenyReason, Scene, Unevaluable};
use crate::core::command::Scope;
use crate::domain::{Qty, Round, Side, StrategyId, Usd};

#[inline(always)]
pub(super) fn check(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    let overflow = DenyReason::CannotEvaluate(Unevaluable::Overflow);
    let (totals, limits) = (scene.totals, scene.limits);
    let gross = totals.exposure.checked_add(c.notional).ok_or(overflow)?;
    if gross > limits.exposure_gross_max {
        let (scope, max) = (Scope::Account, limits.exposure_gross_max);
        return Err(DenyReason::GrossExposureAboveMax { scope, exposure: gross, max });
    }
    let net = match c.order.side {
        Side::Buy => totals.net_up.checked_add(c.notional),
        Side::Sell => c.notional.checked_sub(totals.net_down),
    }
    .ok_or(overflow)?;
    if net > limits.exposure_net_max {
        return Err(DenyReason::NetExposureAboveMax { exposure: net, max: limits.exposure_net_max });
    }
    let venue = c.inst.def.venue;
    let at_venue = scene.portfolio.venue_exposure(venue).checked_add(c.notional).ok_or(overflow)?;
    if at_venue > limits.exposure_venue_max {
        let (scope, max) = (Scope::Venue(venue), limits.exposure_venue_max);
        return Err(DenyReason::GrossExposureAboveMax { scope, exposure: at_venue, max });
    }
    let in_asset =
        scene.portfolio.asset_exposure(c.inst.def.base, c.inst.live).checked_add(c.notional).ok_or(overflow)?;
    if in_asset > limits.exposure_asset_max {
        let (asset, max) = (c.inst.def.base_name, limits.exposure_asset_max);
        return Err(DenyReason::AssetExposureAboveMax { asset, exposure: in_asset, max });
    }
    if scene.strategy == StrategyId(0) {
        return Ok(());
    }
    let qty = c.qty.0;
    let (buy, sell) = if c.order.side == Side::Buy { (qty, 0) } else { (0, qty) };
    let worst = scene.desk.worst_qty(buy, sell).ok_or(overflow)?;
    let own = c.inst.notional(c.value_px.max(c.inst.quote.ask_px), Qty(worst), Round::Up).ok_or(overflow)?;
    let max: Usd = limits.strategy_exposure_max;
    if own > max {
        return Err(DenyReason::GrossExposureAboveMax { scope: Scope::Strategy(scene.strategy), exposure: own, max });
    }
    Ok(())
}
