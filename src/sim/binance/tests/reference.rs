//! Reference prices, and the rule that takers trade near them.

use super::shapes::compare;
use crate::sim::binance::SimConfig;
use crate::sim::binance::testing::*;
use crate::sim::decimal::ONE;
use crate::sim::market::{MarketSource, SimInstrument, SyntheticConfig};

/// BTCUSDT with a reference price, and takers within `share` of it; ETHUSDT has neither.
fn ruled(share: i64) -> SimConfig {
    let quiet = |i: SimInstrument| SimInstrument { quotes_per_second: 1e-9, trades_per_second: 0.0, ..i };
    let ruled = SimInstrument {
        price_range: Some([(ONE + share, ONE - share); 2]),
        reference_seconds: 10,
        ..quiet(SimInstrument::btcusdt())
    };
    let instruments = vec![ruled, quiet(SimInstrument::ethusdt())];
    config(MarketSource::Synthetic(SyntheticConfig { instruments, ..SyntheticConfig::default() }))
}

const BUY: &str = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.001";

#[test]
fn a_reference_price_is_asked_for_streamed_and_null_before_the_first_trade() {
    let mut rig = Rig::new(ruled(ONE / 20));
    let get = |rig: &mut Rig, target: &str| rig.rest("GET", &format!("/api/v3/{target}"), None, "").2;
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        let none = get(&mut rig, &format!("referencePrice?symbol={symbol}"));
        assert_eq!(
            (&none["code"], &none["msg"]),
            (&(-2043).into(), &"This symbol doesn't have a reference price.".into())
        );
    }
    rig.run_ms(1_100);
    let null = get(&mut rig, "referencePrice?symbol=BTCUSDT");
    compare("null", &null, "rest_referencePrice_null.json", &[]);
    assert!(null["referencePrice"].is_null());
    let (_, bought) = rig.signed("POST", "/api/v3/order", BUY);
    let mut stream = rig.ws("/ws/btcusdt@referencePrice");
    rig.run_ms(2_000);
    let price = get(&mut rig, "referencePrice?symbol=BTCUSDT");
    compare("price", &price, "rest_referencePrice.json", &[]);
    assert_eq!(price["referencePrice"], bought["fills"][0]["price"]);
    let event = stream.frames().pop().unwrap();
    compare("stream", &event, "referencePrice_stream.json", &[]);
    assert_eq!((&event["r"], &event["t"]), (&price["referencePrice"], &price["timestamp"]));
    let calculation = get(&mut rig, "referencePrice/calculation?symbol=BTCUSDT");
    compare("calculation", &calculation, "rest_referencePriceCalculation_mean.json", &[]);
    assert_eq!(calculation["bucketCount"], 10);
    assert_eq!(get(&mut rig, "referencePrice/calculation?symbol=ETHUSDT")["code"], -2043);
}

#[test]
fn the_rule_is_listed() {
    let mut rig = Rig::new(ruled(ONE / 20));
    let rules = rig.rest("GET", "/api/v3/executionRules?symbol=BTCUSDT", None, "").2;
    compare("rules", &rules, "rest_executionRules.json", &[]);
    let rule = &rules["symbolRules"][0]["rules"][0];
    assert_eq!((&rule["bidLimitMultUp"], &rule["askLimitMultDown"]), (&"1.05".into(), &"0.95".into()));
    let both = rig.rest("GET", "/api/v3/executionRules", None, "").2;
    assert_eq!(both["symbolRules"][1], serde_json::json!({"symbol": "ETHUSDT", "rules": []}));
}

/// What lies beyond the range is not traded with: the rest of the taker expires, whatever its kind.
#[test]
fn a_taker_trades_within_the_range_and_expires_beyond_it() {
    for (kind, whole) in [
        ("type=MARKET", false),
        ("type=LIMIT&timeInForce=GTC&price=110000", false),
        ("type=LIMIT&timeInForce=IOC&price=110000", false),
        ("type=LIMIT&timeInForce=FOK&price=110000", true),
    ] {
        // A thousandth of a percent: some levels of the book lie beyond it.
        let mut rig = Rig::new(ruled(ONE / 100_000));
        rig.signed("POST", "/api/v3/order", BUY);
        rig.run_ms(1_100);
        let reference = rig.rest("GET", "/api/v3/referencePrice?symbol=BTCUSDT", None, "").2["referencePrice"].clone();
        let reference = crate::sim::decimal::parse(reference.as_str().unwrap()).unwrap();
        let most = reference + reference / 100_000;
        let (status, order) =
            rig.signed("POST", "/api/v3/order", &format!("symbol=BTCUSDT&side=BUY&quantity=8&{kind}"));
        let got = (status, order["status"].as_str(), order["expiryReason"].as_str());
        assert_eq!(got, (200, Some("EXPIRED"), Some("EXECUTION_RULE_PRICE_RANGE_EXCEEDED")), "{kind}: {order}");
        let fills = order["fills"].as_array().unwrap();
        assert_eq!(fills.is_empty(), whole, "{kind}: {order}");
        let within = |px: &serde_json::Value| crate::sim::decimal::parse(px.as_str().unwrap()).unwrap() <= most;
        assert!(fills.iter().all(|fill| within(&fill["price"])), "{kind}: {order}");
        // The rest of the book is still there, just beyond.
        let (_, _, book) = rig.rest("GET", "/api/v3/depth?symbol=BTCUSDT&limit=5", None, "");
        assert_eq!(within(&book["asks"][0][0]), whole, "{kind}");
    }
}

#[test]
fn without_a_reference_price_or_a_multiplier_nothing_is_enforced() {
    let whole = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=8";
    // Before the first trade there is none.
    let mut rig = Rig::new(ruled(ONE / 100_000));
    assert_eq!(rig.signed("POST", "/api/v3/order", whole).1["status"], "FILLED");
    // No upper bound for a buyer.
    let mut config = ruled(ONE / 100_000);
    let MarketSource::Synthetic(market) = &mut config.market else { unreachable!("it is synthetic") };
    market.instruments[0].price_range = Some([(0, ONE - ONE / 100_000), (ONE, ONE)]);
    let mut rig = Rig::new(config);
    rig.signed("POST", "/api/v3/order", BUY);
    rig.run_ms(1_100);
    assert_eq!(rig.signed("POST", "/api/v3/order", whole).1["status"], "FILLED");
}
