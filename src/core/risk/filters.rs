//! The venue's own filters, held here so that a refusal names filter, limit and value and costs no message. Held for
//! exits and stops too.
//! Source: Binance Spot, reference §11.2. A bound of zero is off.
//!
//! The venue holds limit prices and the notional of market orders against a price of its own: its reference price,
//! else a volume-weighted average of the last minutes. The gateway asks for it and tells it (`Body::VenuePx`). A limit
//! order without a fresh one is denied; the notional of a market order, which may be a way out, is then valued at the
//! quote. What the venue says at the moment of the order may differ by what a few seconds change.

use super::{Candidate, DenyReason, Scene, Unevaluable};
use crate::core::orders::open_counts;
use crate::core::portfolio::Inst;
use crate::domain::{Dec, FilterName, Filters, Nanos, OpenCounts, OrderType, Price, Qty, Round, Side, Trail, Usd, num};

/// The venue's price is not used any more when it was told so long ago; it is asked for every few seconds.
const VENUE_PX_AGE_MAX_NS: Nanos = 60_000_000_000;

#[inline(always)]
pub(super) fn check(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    own(scene, c)?;
    let mut all = open_counts(c.order.kind, &c.order.terms);
    all.add(scene.besides);
    counts(scene, c, all)?;
    if c.order.side == Side::Buy && !c.inst.def.filters.position_max.is_zero() {
        position(scene, c)?;
    }
    Ok(())
}

/// What binds the order by itself, whatever else is open.
#[inline(always)]
pub(super) fn own(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    let (def, order) = (&c.inst.def, c.order);
    let by_quote = !order.terms.quote_qty.is_zero();
    if !by_quote {
        lot(c, order.qty, def.qty_min, def.qty_max, def.lot)?;
        if order.kind == OrderType::Market {
            lot(c, order.qty, def.market_qty_min, def.market_qty_max, def.market_lot)?;
        }
    }
    if order.kind.is_limit() {
        price(c, order.px)?;
        if def.filters.bounds_limits() {
            percent(scene, c, &def.filters)?;
        }
    }
    notional(scene, c, by_quote)?;
    asset(c, &def.filters)?;
    if order.kind.is_triggered() || !order.terms.is_plain() {
        terms(c, &def.filters)?;
    }
    Ok(())
}

/// Stop price, trail and shown part.
fn terms(c: &Candidate, filters: &Filters) -> Result<(), DenyReason> {
    let (def, order) = (&c.inst.def, c.order);
    if !order.terms.stop_px.is_zero() {
        price(c, order.terms.stop_px)?;
    }
    if let Trail::Bips(bips) = order.terms.trail {
        let profit = matches!(order.kind, OrderType::TakeProfit | OrderType::TakeProfitLimit);
        let above = profit == (order.side == Side::Sell);
        let (min, max) = if above {
            (filters.trail_above_min, filters.trail_above_max)
        } else {
            (filters.trail_below_min, filters.trail_below_max)
        };
        if bips < min {
            return Err(broken(FilterName::TrailingDelta, bips.into(), min.into(), 0));
        }
        if max > 0 && bips > max {
            return Err(broken(FilterName::TrailingDelta, bips.into(), max.into(), 0));
        }
    }
    let shown = order.terms.display_qty;
    if !shown.is_zero() {
        lot(c, shown, def.qty_min, def.qty_max, def.lot)?;
        let parts = num::div(order.qty.0.into(), shown.0.into(), Round::Up).unwrap_or(i64::MAX);
        let max = i64::from(filters.iceberg_parts_max);
        if max > 0 && parts > max {
            return Err(broken(FilterName::IcebergParts, parts, max, 0));
        }
    }
    Ok(())
}

fn broken(filter: FilterName, value: i64, limit: i64, scale: u8) -> DenyReason {
    let dec = |value| Dec { value, scale };
    DenyReason::VenueFilter { filter, value: dec(value), limit: dec(limit) }
}

#[inline]
fn price(c: &Candidate, px: Price) -> Result<(), DenyReason> {
    let (def, tick, px) = (&c.inst.def, c.inst.def.tick_at(px).0, px.0);
    let (min, max) = (def.px_min.0, def.px_max.0);
    if px <= 0 || px < min || (max > 0 && px > max) || (tick > 0 && px % tick != 0) {
        let dec = |value| Dec { value, scale: def.px_scale };
        return Err(DenyReason::PriceFilter { px: dec(px), min: dec(min), max: dec(max), tick: dec(tick) });
    }
    Ok(())
}

/// The price that the venue holds orders against, where a fresh one is known.
#[inline]
fn venue_px(scene: &Scene, inst: &Inst) -> Option<Price> {
    (inst.venue_px_ns != 0 && scene.now - inst.venue_px_ns <= VENUE_PX_AGE_MAX_NS).then_some(inst.venue_px)
}

/// `MAX_ASSET`: what one order may come to in either asset.
#[inline]
fn asset(c: &Candidate, filters: &Filters) -> Result<(), DenyReason> {
    if !filters.base_max.is_zero() && c.qty > filters.base_max {
        return Err(broken(FilterName::MaxAsset, c.qty.0, filters.base_max.0, c.inst.def.qty_scale));
    }
    if filters.quote_max > Usd::ZERO && c.notional > filters.quote_max {
        return Err(broken(FilterName::MaxAsset, c.notional.0, filters.quote_max.0, Usd::SCALE));
    }
    Ok(())
}

/// The limit price over the venue's, without the division.
#[inline]
fn percent(scene: &Scene, c: &Candidate, filters: &Filters) -> Result<(), DenyReason> {
    const ONE: i128 = 100_000_000;
    let (up, down) = match c.order.side {
        Side::Buy => (filters.buy_px_up, filters.buy_px_down),
        Side::Sell => (filters.sell_px_up, filters.sell_px_down),
    };
    if up == 0 && down == 0 {
        return Ok(());
    }
    let reference = venue_px(scene, c.inst).ok_or(DenyReason::CannotEvaluate(Unevaluable::NoVenuePrice))?;
    let (px, reference) = (i128::from(c.order.px.0), i128::from(reference.0));
    let filter = if filters.px_by_side { FilterName::PercentPriceBySide } else { FilterName::PercentPrice };
    for (multiplier, breaks, round) in [
        (up, up > 0 && px * ONE > reference * i128::from(up), Round::Down),
        (down, px * ONE < reference * i128::from(down), Round::Up),
    ] {
        if breaks {
            let limit = num::div(reference * i128::from(multiplier), ONE, round).unwrap_or(i64::MAX);
            return Err(broken(filter, c.order.px.0, limit, c.inst.def.px_scale));
        }
    }
    Ok(())
}

#[inline]
fn notional(scene: &Scene, c: &Candidate, by_quote: bool) -> Result<(), DenyReason> {
    let (def, order) = (&c.inst.def, c.order);
    // What becomes a market order when it is triggered has the price of its trigger; a trail without one, the market's.
    let market = !order.kind.is_limit();
    let min = if market && !def.notional_min_applies_to_market { Usd::ZERO } else { def.notional_min };
    let max = if market && !def.notional_max_applies_to_market { Usd::ZERO } else { def.notional_max };
    let at = |px| c.inst.notional(px, order.qty, Round::Down).unwrap_or(Usd::ZERO);
    let known = if order.kind == OrderType::Market { venue_px(scene, c.inst) } else { None };
    // Without the venue's price the minimum is held against the lower touch: a margin must not lift it over the bound.
    let low = if by_quote {
        order.terms.quote_qty
    } else if order.kind.is_limit() {
        at(order.px)
    } else if let Some(px) = known {
        at(px)
    } else if order.terms.stop_px.is_zero() {
        at(c.inst.quote.bid_px)
    } else {
        at(order.terms.stop_px)
    };
    let high = if order.kind.is_limit() {
        c.inst.notional(order.px, order.qty, Round::Up).unwrap_or(Usd(i64::MAX))
    } else if let (Some(px), false) = (known, by_quote) {
        c.inst.notional(px, order.qty, Round::Up).unwrap_or(Usd(i64::MAX))
    } else {
        c.notional
    };
    if low < min || (max > Usd::ZERO && high > max) {
        let notional = if low < min { low } else { high };
        return Err(DenyReason::VenueNotional { notional, min, max });
    }
    Ok(())
}

/// Orders open at once, this one among them.
#[inline]
fn counts(scene: &Scene, c: &Candidate, more: OpenCounts) -> Result<(), DenyReason> {
    use FilterName as F;
    let (f, own, all) = (&c.inst.def.filters, &c.inst.open, scene.venue_open);
    let hold = |have: u32, more: u32, max: u32, filter| {
        if max > 0 && more > 0 && have.saturating_add(more) > max {
            return Err(broken(filter, (have + more).into(), max.into(), 0));
        }
        Ok(())
    };
    hold(own.orders, more.orders, f.orders_max, F::MaxNumOrders)?;
    hold(all.orders, more.orders, f.venue_orders_max, F::ExchangeMaxNumOrders)?;
    if more.algos | more.icebergs | more.lists == 0 {
        return Ok(());
    }
    hold(own.algos, more.algos, f.algo_orders_max, F::MaxNumAlgoOrders)?;
    hold(own.icebergs, more.icebergs, f.iceberg_orders_max, F::MaxNumIcebergOrders)?;
    hold(own.lists, more.lists, f.lists_max, F::MaxNumOrderLists)?;
    hold(all.algos, more.algos, f.venue_algo_orders_max, F::ExchangeMaxNumAlgoOrders)?;
    hold(all.icebergs, more.icebergs, f.venue_iceberg_orders_max, F::ExchangeMaxNumIcebergOrders)?;
    hold(all.lists, more.lists, f.venue_lists_max, F::ExchangeMaxNumOrderLists)
}

fn position(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    let def = &c.inst.def;
    let overflow = DenyReason::CannotEvaluate(Unevaluable::Overflow);
    let held = scene.account.get(def.venue, def.base).total;
    let held = num::rescale(held.into(), 8, def.qty_scale, Round::Up).ok_or(overflow)?;
    let open = c.inst.working.buy.0.checked_add(c.qty.0).ok_or(overflow)?;
    let sum = held.checked_add(open).ok_or(overflow)?;
    if sum > def.filters.position_max.0 {
        return Err(broken(FilterName::MaxPosition, sum, def.filters.position_max.0, def.qty_scale));
    }
    Ok(())
}

#[inline]
fn lot(c: &Candidate, qty: Qty, min: Qty, max: Qty, step: Qty) -> Result<(), DenyReason> {
    let qty = qty.0;
    if qty <= 0 || qty < min.0 || (max.0 > 0 && qty > max.0) || (step.0 > 0 && qty % step.0 != 0) {
        let dec = |value| Dec { value, scale: c.inst.def.qty_scale };
        return Err(DenyReason::LotSize { qty: dec(qty), min: dec(min.0), max: dec(max.0), step: dec(step.0) });
    }
    Ok(())
}
