//! The venue takes orders of the kind, and the order does not contradict itself. Held for exits too.

use super::DenyReason;
use crate::core::command::{Guard, PlaceOrder, Protect};
use crate::core::portfolio::Inst;
use crate::domain::{Ability, Feature, OrderType, Price, Qty, Side, StpMode, TimeInForce, Trail};
use crate::wire_enum;

/// What contradicts itself in an order, whatever the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TermFault {
    #[error("the order type needs a stop price")]
    NoStopPrice,
    #[error("the order type has no stop price")]
    StopPrice,
    #[error("the order type has no limit price")]
    LimitPrice,
    #[error("a trailing stop needs a trail: bips, or an offset above zero")]
    NoTrail,
    #[error("the order type has no trail")]
    Trail,
    #[error(
        "the shown part of an iceberg must be above zero and below the quantity, of an order good till cancelled that has a limit price"
    )]
    Iceberg,
    #[error("a quote quantity is for market orders, in place of a quantity")]
    QuoteQty,
    #[error(
        "the orders of a list do not fit together: an entry is a limit order, and an OCO has a profit and a stop of one side and quantity"
    )]
    List,
    #[error("the profit lies on the wrong side of the stop")]
    ListPrices,
    #[error("the order does not work now, or the new one is of another instrument: it cannot be changed")]
    NotReplaceable,
    #[error("an amended quantity must be below the order's and above what has filled")]
    AmendQty,
    #[error("the order's stop loss or take profit lies on the wrong side of its price")]
    Protection,
    #[error(
        "the order belongs to a list, which a cancel of it cancels: it cannot be replaced; cancel the list and place another, or cut the order's quantity"
    )]
    LegOfList,
    #[error(
        "the order is the entry of a list: cut, its exits would close more than it opens; cancel the list and place another"
    )]
    EntryOfList,
}
wire_enum!(TermFault {
    0 => NoStopPrice, 1 => StopPrice, 2 => LimitPrice, 3 => NoTrail, 4 => Trail, 5 => Iceberg, 6 => QuoteQty, 7 => List,
    8 => ListPrices, 9 => NotReplaceable, 10 => AmendQty,
    11 => Protection, 12 => LegOfList, 13 => EntryOfList,
});

#[inline(always)]
pub(super) fn check(inst: &Inst, order: &PlaceOrder) -> Result<(), DenyReason> {
    let can = &inst.def.can;
    let lacks = |what| Err(DenyReason::OrderTypeUnsupported { what });
    if !can.takes(order.kind, order.tif) {
        return lacks(Ability::Order(order.kind, order.tif));
    }
    if let Protect::Set { stop, target } = order.protect
        && beyond(inst, order, stop, target)
    {
        return Err(DenyReason::TermsInvalid(TermFault::Protection));
    }
    // A plain order says no more, and most are.
    if order.terms.is_plain() && !order.kind.is_triggered() {
        return Ok(());
    }
    let terms = &order.terms;
    if terms.stp != StpMode::Venue && !can.takes_stp(terms.stp) {
        return lacks(Ability::Stp(terms.stp));
    }
    let iceberg = !terms.display_qty.is_zero();
    for (asked, feature) in [
        (iceberg, Feature::Iceberg),
        (iceberg && order.kind.is_triggered(), Feature::StopIceberg),
        (!terms.quote_qty.is_zero(), Feature::QuoteQty),
        (matches!(terms.trail, Trail::Bips(_)), Feature::TrailBips),
        (matches!(terms.trail, Trail::Offset(_)), Feature::TrailOffset),
        (terms.extended_hours, Feature::ExtendedHours),
    ] {
        if asked && !can.has(feature) {
            return lacks(Ability::Feature(feature));
        }
    }
    match fault(order) {
        Some(fault) => Err(DenyReason::TermsInvalid(fault)),
        None => Ok(()),
    }
}

/// A stop loss or take profit at a price that the entry has reached before it begins: it would be closed at once.
fn beyond(inst: &Inst, order: &PlaceOrder, stop: Guard, target: Guard) -> bool {
    let buys = order.side == Side::Buy;
    let px = if order.kind.is_limit() {
        order.px
    } else if !order.terms.stop_px.is_zero() {
        order.terms.stop_px
    } else if buys {
        inst.quote.ask_px
    } else {
        inst.quote.bid_px
    };
    let wrong = |guard, above: bool| match guard {
        Guard::At(at) if px > Price::ZERO => {
            if above {
                at <= px
            } else {
                at >= px
            }
        }
        _ => false,
    };
    wrong(stop, !buys) || wrong(target, buys)
}

/// What of the order's terms does not belong to its type, or is missing.
fn fault(order: &PlaceOrder) -> Option<TermFault> {
    use OrderType as T;
    let (kind, terms) = (order.kind, &order.terms);
    let trails = match terms.trail {
        Trail::None => false,
        Trail::Bips(bips) => {
            if bips == 0 {
                return Some(TermFault::NoTrail);
            }
            true
        }
        Trail::Offset(px) => {
            if px.0 <= 0 {
                return Some(TermFault::NoTrail);
            }
            true
        }
    };
    if terms.stop_px.0 < 0 || (!kind.is_triggered() && !terms.stop_px.is_zero()) {
        return Some(TermFault::StopPrice);
    }
    if !kind.is_limit() && !order.px.is_zero() {
        return Some(TermFault::LimitPrice);
    }
    match kind {
        T::TrailingStop | T::TrailingStopLimit if !trails => return Some(TermFault::NoTrail),
        T::Stop | T::StopLimit if trails => return Some(TermFault::Trail),
        T::Market | T::Limit | T::LimitMaker if trails => return Some(TermFault::Trail),
        // A take profit may follow the price as well; without a trail its price is all it has.
        T::Stop | T::StopLimit | T::TakeProfit | T::TakeProfitLimit if terms.stop_px.is_zero() && !trails => {
            return Some(TermFault::NoStopPrice);
        }
        _ => {}
    }
    let shown = terms.display_qty;
    if !shown.is_zero()
        && (shown < Qty::ZERO || shown >= order.qty || !kind.is_limit() || order.tif != TimeInForce::Gtc)
    {
        return Some(TermFault::Iceberg);
    }
    if !terms.quote_qty.is_zero() && (terms.quote_qty.0 < 0 || kind != T::Market || !order.qty.is_zero()) {
        return Some(TermFault::QuoteQty);
    }
    None
}
