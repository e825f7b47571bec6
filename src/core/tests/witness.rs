//! What a watching replica keeps of an order is what the gate itself found.

use super::*;
use crate::core::command::Scope;
use crate::core::effect::EffectOf;
use crate::core::risk::Weighed;

/// What a rule counted, of those that count.
fn counted(reason: &DenyReason) -> Option<i64> {
    Some(match *reason {
        DenyReason::OrderNotionalAboveMax { notional, .. } => notional.0,
        DenyReason::PositionNotionalAboveMax { notional, .. } => notional.0,
        DenyReason::LeverageAboveMax { leverage, .. } => leverage.value,
        DenyReason::GrossExposureAboveMax { scope: Scope::Account, exposure, .. } => exposure.0,
        DenyReason::NetExposureAboveMax { exposure, .. } => exposure.0,
        DenyReason::AssetExposureAboveMax { exposure, .. } => exposure.0,
        DenyReason::CorrelatedExposureAboveMax { exposure, .. } => exposure.0,
        DenyReason::AccountBelowMin { equity, .. } => equity.0,
        DenyReason::DailyLossReached { loss, .. } => loss.0,
        DenyReason::PriceCollar { px, .. } => px.value,
        DenyReason::PriceJumped { moved_pct, .. } => moved_pct.value,
        DenyReason::QuoteStale { age_ms, .. } => age_ms as i64,
        DenyReason::DuplicateOrder { age_ms, .. } => age_ms as i64,
        DenyReason::OrdersPerDayAboveMax { orders, .. } => orders.into(),
        DenyReason::OrderToTradeAboveMax { orders, .. } => orders.into(),
        DenyReason::OpenOrdersAboveMax { open, .. } => open.into(),
        DenyReason::RiskScoreAboveMax { score, .. } => score.into(),
        _ => return None,
    })
}

/// Held after every step of every test here: each denial was weighed, and what its rule found is kept alike.
pub(super) fn agree(weighed: &[Weighed], effects: &[RecordedEffect]) {
    for effect in effects {
        let EffectOf::Denied { strategy, instrument, side, qty, reason, .. } = effect else { continue };
        let asked = |w: &&Weighed| {
            let order = &w.order;
            !w.passed && (w.strategy, order.instrument, order.side, order.qty) == (*strategy, *instrument, *side, *qty)
        };
        let (Some(weighed), Some(count)) = (weighed.iter().rfind(asked), counted(reason)) else { continue };
        let kept = weighed.found.iter().find(|found| found.rank() == reason.rank()).and_then(counted);
        assert_eq!(kept, Some(count), "{reason:?} of {weighed:?}");
    }
}

#[test]
fn every_limit_has_a_value_of_an_order_that_passed() {
    let mut rig = Rig::ready();
    let place = |px| {
        Action::Place(PlaceOrder {
            instrument: BTC,
            symbol: Text::new("BTCUSDT"),
            side: Side::Buy,
            kind: OrderType::Limit,
            qty: Qty(E8 / 1_000),
            px: Price(px * E8),
            ..PlaceOrder::default()
        })
    };
    rig.command(place(59_000));
    let weighed = rig.weighed.pop().unwrap();
    assert!(weighed.passed && !weighed.reduces, "{weighed:?}");
    let value = |weighed: &Weighed, code: &str| {
        let found = weighed.found.iter().find(|reason| reason.code() == code);
        found.and_then(counted)
    };
    for (code, want) in [
        ("ORDER_NOTIONAL_ABOVE_MAX", 59 * E8),
        ("GROSS_EXPOSURE_ABOVE_MAX", 59 * E8),
        ("NET_EXPOSURE_ABOVE_MAX", 59 * E8),
        ("ASSET_EXPOSURE_ABOVE_MAX", 59 * E8),
        ("OPEN_ORDERS_ABOVE_MAX", 0),
        ("ORDERS_PER_DAY_ABOVE_MAX", 0),
        ("ORDER_TO_TRADE_ABOVE_MAX", 0),
        ("DAILY_LOSS_REACHED", 0),
        ("PRICE_COLLAR", 59_000 * E8),
    ] {
        assert_eq!(value(&weighed, code), Some(want), "{code}");
    }
    assert!(value(&weighed, "ACCOUNT_BELOW_MIN").is_some_and(|equity| equity >= 10_000 * E8));
    assert_eq!(weighed.pays, Some((Text::new("USDT"), 59 * E8, 10_000 * E8)));
    rig.command(place(58_000));
    let second = rig.weighed.pop().unwrap();
    assert_eq!(
        (value(&second, "OPEN_ORDERS_ABOVE_MAX"), value(&second, "ORDERS_PER_DAY_ABOVE_MAX")),
        (Some(1), Some(1))
    );
    // What works already is counted at the ask.
    assert_eq!(value(&second, "GROSS_EXPOSURE_ABOVE_MAX"), Some(58 * E8 + 60 * E8 + 1_000));
}
