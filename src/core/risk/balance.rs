//! What the order pays with is there, after everything already working has been paid for; and the account is not
//! below its minimum.
//!
//! A margin account pays with its buying power, by the venue's rules (Alpaca, "buying power"): a purchase holds its
//! limit price, a short sale three percent above the ask where that is more, and what covers a short nothing.

use super::{Candidate, DenyReason, Scene, Unevaluable};
use crate::core::account::Purse;
use crate::core::portfolio::Inst;
use crate::domain::{Dec, Funding, Price, Qty, Round, Side, Text, num};

/// A short sale on margin is valued so much above the ask, in parts per million.
const SHORT_MARGIN_PPM: i64 = 30_000;

#[inline(always)]
pub(super) fn check(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    if !scene.covered.is_zero() {
        // It waits for an entry, and pays with what that brings.
        return Ok(());
    }
    let (purse, needed, available) = payment(scene, c)?;
    // What covers a short needs nothing, and goes out when there is less than nothing.
    if needed > available && needed > 0 {
        let asset = name(purse, c.inst);
        let dec = |value| Dec { value, scale: 8 };
        return Err(DenyReason::BalanceTooLow { asset, needed: dec(needed), available: dec(available.max(0)) });
    }
    Ok(())
}

/// What the order pays with, how much of it it needs, and how much there is; in units of 10^-8.
#[inline(always)]
pub(super) fn payment(scene: &Scene, c: &Candidate) -> Result<(Purse, i64, i64), DenyReason> {
    let venue = c.inst.def.venue;
    let needed = match (c.order.side, c.inst.def.funding) {
        // A purchase in cash holds what it was valued at.
        (Side::Buy, Funding::Balances) if c.order.terms.quote_qty.is_zero() => Some(c.notional.0),
        (side, _) => reserve(side, c.short, c.value_px, c.qty, c.inst, c.qty.0),
    };
    let needed = needed.ok_or(DenyReason::CannotEvaluate(Unevaluable::Overflow))?;
    let purse = purse(c.order.side, c.short, c.inst);
    let (known, available) = match purse {
        Purse::Asset(asset) => (scene.account.is_stated(venue), scene.account.get(venue, asset).available()),
        Purse::BuyingPower => {
            let powers = scene.account.powers(venue);
            (powers.known, powers.buying_power())
        }
        Purse::CashPower => {
            let powers = scene.account.powers(venue);
            (powers.known, powers.cash_power())
        }
    };
    if known { Ok((purse, needed, available)) } else { Err(DenyReason::CannotEvaluate(Unevaluable::NoAccount)) }
}

/// What a purse is called.
pub(super) fn name(purse: Purse, inst: &Inst) -> Text<12> {
    match purse {
        Purse::Asset(asset) if asset == inst.def.quote => inst.def.quote_name,
        Purse::Asset(_) => inst.def.base_name,
        Purse::BuyingPower => Text::new("buying power"),
        Purse::CashPower => Text::new("cash power"),
    }
}

/// What an order pays with.
#[inline]
pub(crate) fn purse(side: Side, short: bool, inst: &Inst) -> Purse {
    match (inst.def.funding, side) {
        (_, Side::Sell) if !short => Purse::Asset(inst.def.base),
        (Funding::BuyingPower, _) => Purse::BuyingPower,
        (Funding::CashPower, Side::Buy) => Purse::CashPower,
        _ => Purse::Asset(inst.def.quote),
    }
}

/// What an order for `qty` at `px` holds, in units of 10^-8 of what it pays with. `more` is what of it is not among the
/// instrument's working quantities yet. A short sale holds money, like a purchase.
#[inline]
pub(crate) fn reserve(side: Side, short: bool, px: Price, qty: Qty, inst: &Inst, more: i64) -> Option<i64> {
    let value = |px| inst.notional(px, qty, Round::Up).map(|usd| usd.0);
    let on_margin = inst.def.funding == Funding::BuyingPower;
    match side {
        Side::Buy => {
            let (net, working) = (inst.position.net.0, inst.working.buy.0);
            let covers = on_margin && net < 0 && working.checked_add(more)? <= net.checked_abs()?;
            if covers { Some(0) } else { value(px) }
        }
        Side::Sell if short => {
            let ask = inst.quote.ask_px.0;
            let margin = if on_margin { SHORT_MARGIN_PPM } else { 0 };
            value(px.max(Price(num::mul_div(ask, 1_000_000 + margin, 1_000_000, Round::Up)?)))
        }
        Side::Sell => num::rescale(i128::from(qty.0), inst.def.qty_scale, 8, Round::Up),
    }
}

#[inline(always)]
pub(super) fn account_min(scene: &Scene) -> Result<(), DenyReason> {
    let (equity, min) = (scene.totals.equity, scene.limits.account_balance_min);
    if equity < min {
        return Err(DenyReason::AccountBelowMin { equity, min });
    }
    Ok(())
}
