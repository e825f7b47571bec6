//! What an order is valued at, in the worst case: the price, the quantity and the notional that the rules hold it against.
//!
//! - A limit order at its price. One that sells behind a trigger at the dearer of both, as at most so much can be at
//!   stake.
//! - A market order beyond the touch by the configured margin, both sides at the dearer price.
//! - A stop at the dearer of its trigger and the touch, beyond by the margin; a trail without a trigger at the touch and
//!   the whole trail above it, as if the market turned now.
//! - An amount of the quote asset as the quantity that it buys at the cheaper touch, below by the margin, rounded up.

use super::{DenyReason, Scene, Unevaluable};
use crate::core::command::PlaceOrder;
use crate::core::portfolio::Inst;
use crate::domain::{OrderType, Price, Qty, Round, Side, Trail, Usd, num};

const PPM: i64 = 1_000_000;
const BIPS: i64 = 10_000;

#[inline(always)]
pub(super) fn value(scene: &Scene, inst: &Inst, order: &PlaceOrder) -> Result<(Price, Qty, Usd), DenyReason> {
    let overflow = DenyReason::CannotEvaluate(Unevaluable::Overflow);
    if !order.terms.quote_qty.is_zero() {
        return by_quote(scene, inst, order).ok_or(overflow);
    }
    let px = px(scene, inst, order).ok_or(overflow)?;
    let notional = inst.notional(px, order.qty, Round::Up).ok_or(overflow)?;
    Ok((px, order.qty, notional))
}

#[inline]
fn px(scene: &Scene, inst: &Inst, order: &PlaceOrder) -> Option<Price> {
    let margin = i64::from(scene.limits.market_order_margin_ppm);
    let beyond = |px: i64| num::mul_div(px, PPM + margin, PPM, Round::Up).map(Price);
    match order.kind {
        OrderType::Limit | OrderType::LimitMaker => Some(order.px),
        OrderType::Market => beyond(inst.quote.ask_px.0),
        OrderType::StopLimit | OrderType::TakeProfitLimit | OrderType::TrailingStopLimit => Some(match order.side {
            Side::Buy => order.px,
            Side::Sell => order.px.max(order.terms.stop_px),
        }),
        OrderType::Stop | OrderType::TakeProfit | OrderType::TrailingStop => {
            let from = inst.quote.ask_px.max(order.terms.stop_px).0;
            beyond(match order.terms.trail {
                Trail::None => from,
                Trail::Bips(bips) => num::mul_div(from, BIPS + i64::from(bips), BIPS, Round::Up)?,
                Trail::Offset(px) => from.checked_add(px.0)?,
            })
        }
    }
}

fn by_quote(scene: &Scene, inst: &Inst, order: &PlaceOrder) -> Option<(Price, Qty, Usd)> {
    let margin = i64::from(scene.limits.market_order_margin_ppm);
    let low = num::mul_div(inst.quote.bid_px.0, PPM - margin, PPM, Round::Down)?;
    let (def, amount) = (&inst.def, order.terms.quote_qty);
    // amount / low, in units of the quantity: 10^-8 × 10^px_scale × 10^qty_scale.
    let scale = i32::from(def.px_scale) + i32::from(def.qty_scale) - i32::from(Usd::SCALE);
    let units = i128::from(amount.0).checked_mul(10i128.checked_pow(scale.try_into().ok()?)?)?;
    let qty = num::div(units, low.into(), Round::Up)?;
    let lot = def.lot.0.max(1);
    let qty = Qty(qty.checked_add(lot - 1)? / lot * lot);
    Some((Price(low), qty, inst.notional(Price(low), qty, Round::Up)?.max(amount)))
}
