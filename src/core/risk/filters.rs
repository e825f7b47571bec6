//! The venue's own filters, held here so that a refusal names filter, limit and value and costs no message.
//! Source: Binance Spot `PRICE_FILTER`, `LOT_SIZE`, `MARKET_LOT_SIZE`, `NOTIONAL`. A bound of zero is off.

use super::{Candidate, DenyReason};
use crate::domain::{Dec, OrderType, Qty, Usd};

#[inline]
pub(super) fn check(c: &Candidate) -> Result<(), DenyReason> {
    let (def, order) = (&c.inst.def, c.order);
    let market = order.kind == OrderType::Market;
    lot(c, def.qty_min, def.qty_max, def.lot)?;
    if market {
        lot(c, def.market_qty_min, def.market_qty_max, def.market_lot)?;
    } else {
        let px = order.px.0;
        let (min, max, tick) = (def.px_min.0, def.px_max.0, def.tick_at(order.px).0);
        if px <= 0 || px < min || (max > 0 && px > max) || (tick > 0 && px % tick != 0) {
            let dec = |value| Dec { value, scale: def.px_scale };
            return Err(DenyReason::PriceFilter { px: dec(px), min: dec(min), max: dec(max), tick: dec(tick) });
        }
    }
    let min = if market && !def.notional_min_applies_to_market { Usd::ZERO } else { def.notional_min };
    let max = if market && !def.notional_max_applies_to_market { Usd::ZERO } else { def.notional_max };
    // The minimum is held against the lower touch for a market order: its margin must not lift it over the bound.
    let low = if market {
        c.inst.notional(c.inst.quote.bid_px, order.qty, crate::domain::Round::Down).unwrap_or(Usd::ZERO)
    } else {
        c.notional
    };
    if low < min || (max > Usd::ZERO && c.notional > max) {
        let notional = if low < min { low } else { c.notional };
        return Err(DenyReason::VenueNotional { notional, min, max });
    }
    Ok(())
}

#[inline]
fn lot(c: &Candidate, min: Qty, max: Qty, step: Qty) -> Result<(), DenyReason> {
    let qty = c.order.qty.0;
    if qty <= 0 || qty < min.0 || (max.0 > 0 && qty > max.0) || (step.0 > 0 && qty % step.0 != 0) {
        let dec = |value| Dec { value, scale: c.inst.def.qty_scale };
        return Err(DenyReason::LotSize { qty: dec(qty), min: dec(min.0), max: dec(max.0), step: dec(step.0) });
    }
    Ok(())
}
