//! What the filters need besides `exchangeInfo`: asked for before the first order, kept fresh, and denied without.

use super::*;
use crate::core::risk::{DenyReason, Unevaluable};
use serde_json::Value;

fn filtered(mins: u32) -> Rig {
    let mut rig = rig_of(1, &["BTCUSDT"], 1024);
    rig.venue.filters = vec![json!({
        "filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "1.1", "bidMultiplierDown": "0.9",
        "askMultiplierUp": "1.1", "askMultiplierDown": "0.9", "avgPriceMins": mins,
    })];
    rig
}

impl Rig {
    fn denial(&mut self, order: PlaceOrder) -> Option<DenyReason> {
        let order = PlaceOrder { instrument: BTC, symbol: Text::new("BTCUSDT"), ..order };
        self.command(Action::Place(order));
        let effects = self.out.effects();
        effects.iter().find_map(|e| if let Effect::Denied { reason, .. } = e { Some(*reason) } else { None })
    }

    fn said(&mut self, px: i64) -> String {
        let order = PlaceOrder { kind: OrderType::Limit, qty: Qty(LOT), px: Price(px), ..PlaceOrder::default() };
        self.denial(order).map_or(String::new(), |reason| reason.to_string())
    }
}

#[test]
fn limits_are_held_against_the_venues_own_price() {
    // The quote is at 60,000: the venue's average, or its reference price where it has one, is what counts.
    for (mins, reference, low, high) in [
        (5, Value::Null, 45_000, 55_000),
        (5, json!("40000.00"), 36_000, 44_000),
        // The last price, where the filter averages over none.
        (0, Value::Null, 54_000, 66_000),
    ] {
        let mut rig = filtered(mins);
        (rig.venue.average, rig.venue.reference) = ("50000.00000000", reference);
        rig.ready();
        let cent = E8 / 100;
        for (px, limit) in [(low * E8 - cent, low), (high * E8 + cent, high)] {
            let want = format!("PERCENT_PRICE_BY_SIDE allows {limit}, and this comes to ");
            let said = rig.said(px);
            assert!(said.contains(&want), "{mins}: {said}");
        }
        assert_eq!([rig.said(low * E8), rig.said(high.min(59_999) * E8)], ["", ""], "{mins}");
    }
}

#[test]
fn without_the_venues_price_a_limit_is_denied_and_a_market_order_is_not() {
    let mut rig = filtered(5);
    rig.ready();
    assert_eq!(rig.said(59_000 * E8), "");
    // The venue answers no more: what it said last grows old.
    rig.venue.average = "nothing";
    for _ in 0..2 {
        let later = rig.clock.now() + 45 * SECOND;
        rig.until("later", |rig| rig.clock.now() >= later);
    }
    rig.ready();
    let limit = PlaceOrder { kind: OrderType::Limit, qty: Qty(LOT), px: Price(58_000 * E8), ..PlaceOrder::default() };
    assert_eq!(rig.denial(limit), Some(DenyReason::CannotEvaluate(Unevaluable::NoVenuePrice)));
    assert_eq!(rig.denial(PlaceOrder { kind: OrderType::Market, ..limit }), None);
    rig.venue.average = "60000.00000000";
    let later = rig.clock.now() + 2 * SECOND;
    rig.until("it is asked again soon", |rig| rig.clock.now() >= later);
    rig.ready();
    assert_eq!(rig.said(57_000 * E8), "");
    // Another average than the filter's is none.
    let mut rig = filtered(7);
    rig.ready();
    assert_eq!(rig.denial(limit), Some(DenyReason::CannotEvaluate(Unevaluable::NoVenuePrice)));
}

#[test]
fn what_one_order_may_come_to_of_an_asset_is_known_before_the_first() {
    let max = |asset: &str, limit: &str| {
        let mut rig = rig_of(1, &["BTCUSDT"], 1024);
        rig.venue.own_filters = json!({
            "exchangeFilters": [], "symbolFilters": [],
            "assetFilters": [{"filterType": "MAX_ASSET", "asset": asset, "limit": limit}],
        });
        rig.ready();
        rig.said(50_000 * E8)
    };
    assert!(max("BTC", "0.00999999").contains("MAX_ASSET allows 0.00999999, and this comes to 0.01"));
    assert!(max("USDT", "499.99").contains("MAX_ASSET allows 499.99, and this comes to 500"));
    assert_eq!([max("BTC", "0.01"), max("USDT", "500"), max("BNB", "0.1")], ["", "", ""]);
}
