//! What the order pays with is there, after everything already working has been paid for; and the account is not
//! below its minimum.

use super::{Candidate, DenyReason, Scene, Unevaluable};
use crate::domain::{Dec, Round, Side, num};

#[inline]
pub(super) fn check(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    let def = &c.inst.def;
    if !scene.account.is_stated(def.venue) {
        return Err(DenyReason::CannotEvaluate(Unevaluable::NoAccount));
    }
    if !scene.covered.is_zero() {
        // It waits for an entry, and pays with what that brings.
        return Ok(());
    }
    let needed = reserve(c.order.side, c.short, c.value_px, c.qty, c.inst)
        .ok_or(DenyReason::CannotEvaluate(Unevaluable::Overflow))?;
    let (asset, name) = match c.order.side {
        Side::Sell if !c.short => (def.base, def.base_name),
        _ => (def.quote, def.quote_name),
    };
    let available = scene.account.get(def.venue, asset).available();
    if needed > available {
        let dec = |value| Dec { value, scale: 8 };
        return Err(DenyReason::BalanceTooLow { asset: name, needed: dec(needed), available: dec(available.max(0)) });
    }
    Ok(())
}

/// What an order for `qty` at `px` holds, in units of 10^-8 of the asset it pays with. A short sale holds buying power
/// in the quote asset, like a purchase.
#[inline]
pub(crate) fn reserve(
    side: Side,
    short: bool,
    px: crate::domain::Price,
    qty: crate::domain::Qty,
    inst: &crate::core::portfolio::Inst,
) -> Option<i64> {
    match side {
        Side::Buy => inst.notional(px, qty, Round::Up).map(|usd| usd.0),
        Side::Sell if short => inst.notional(px.max(inst.quote.ask_px), qty, Round::Up).map(|usd| usd.0),
        Side::Sell => num::rescale(i128::from(qty.0), inst.def.qty_scale, 8, Round::Up),
    }
}

#[inline]
pub(super) fn account_min(scene: &Scene) -> Result<(), DenyReason> {
    let (equity, min) = (scene.totals.equity, scene.limits.account_balance_min);
    if equity < min {
        return Err(DenyReason::AccountBelowMin { equity, min });
    }
    Ok(())
}
