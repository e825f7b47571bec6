//! Alpaca first, Binance behind it: what of Alpaca is lost decides where an order goes, and none is filled twice.

use super::fallback::{decimal, filled_at_alpaca, market, until_order};
use super::support::{wait_for, wait_until};
use super::two::Two;
use rust_decimal::Decimal;
use serde_json::Value;

fn alpaca_first() -> Two {
    let two = Two::with_first("alpaca", "primary-then-fallback", &[], &[]);
    let (status, first) = market(&two, "0.001");
    assert_eq!((status, &first["data"]["exchange"]), (200, &"alpaca".into()), "{first}");
    until_order(&two, &first["data"]["order_id"], "filled");
    two
}

/// Where an order goes now.
fn goes_to(two: &Two, quantity: &str) -> String {
    let (status, reply) = market(two, quantity);
    assert_eq!(status, 200, "{reply}");
    until_order(two, &reply["data"]["order_id"], "filled");
    reply["data"]["exchange"].as_str().unwrap().to_owned()
}

/// Until an order would go there: each look is one.
fn until_goes_to(two: &Two, venue: &str) {
    wait_until(|| match goes_to(two, "0.001") {
        there if there == venue => Ok(()),
        other => Err(format!("orders to go to {venue}, and not to {other}")),
    });
}

fn state(two: &Two, venue: &str) -> String {
    let status = two.engine.get("status").unwrap();
    let venues = status["venues"].as_array().unwrap();
    venues.iter().find(|v| v["name"] == venue).unwrap()["state"].as_str().unwrap().to_owned()
}

#[test]
fn with_the_private_stream_alone_lost_orders_go_elsewhere_until_it_is_back() {
    let two = alpaca_first();
    two.alpaca.order("/close_stream", r#"{"seconds":3600}"#);
    two.until("alpaca", "down");
    assert_eq!(goes_to(&two, "0.002"), "binance");
    // Everything else of it goes on: it is asked, and its market data is live.
    assert_eq!(filled_at_alpaca(&two), Decimal::new(1, 3));
    let health = two.engine.get("health").unwrap();
    assert!(health["market_data"].as_array().unwrap().iter().all(|feed| feed["state"] == "live"), "{health}");
    two.alpaca.order("/close_stream", r#"{"seconds":0}"#);
    two.until("alpaca", "ready");
    until_goes_to(&two, "alpaca");
}

#[test]
fn with_stale_data_alone_orders_go_elsewhere_until_it_is_fresh() {
    let two = alpaca_first();
    two.alpaca.order("/faults", r#"{"market_frozen":true}"#);
    until_goes_to(&two, "binance");
    assert_eq!(state(&two, "alpaca"), "ready", "its orders and its private stream are fine");
    two.alpaca.order("/clear", "");
    until_goes_to(&two, "alpaca");
}

#[test]
fn with_a_key_that_the_first_venue_refuses_the_order_goes_to_the_next_and_the_venue_is_barred() {
    let two = alpaca_first();
    let there = filled_at_alpaca(&two);
    let key = two.alpaca.ready["accounts"][0].clone();
    two.alpaca.order("/revoke_key", &format!(r#"{{"api_key":{}}}"#, key["api_key"]));
    // Refused there, which is certain, and filled here; the one after it is not even tried there.
    assert_eq!(goes_to(&two, "0.002"), "binance");
    let (status, next) = market(&two, "0.003");
    assert_eq!((status, &next["data"]["exchange"]), (200, &"binance".into()), "{next}");
    let told = two.engine.get(&format!("explain&id={}", next["data"]["order_id"].as_str().unwrap())).unwrap();
    assert!(told["route"].to_string().contains("not trading"), "{told}");
    let secret = key["secret"].as_str().unwrap();
    two.alpaca.order("/key", &format!(r#"{{"api_key":{},"secret":"{secret}"}}"#, key["api_key"]));
    assert_eq!(filled_at_alpaca(&two), there, "what was refused is not there");
}

#[test]
fn with_both_venues_frozen_orders_are_denied_by_name_nothing_waits_and_both_trade_again() {
    let two = alpaca_first();
    two.alpaca.signal("STOP");
    two.binance.signal("STOP");
    two.until("alpaca", "down");
    two.until("binance", "down");
    for _ in 0..3 {
        let (status, reply) = market(&two, "0.005");
        assert_eq!((status, reply["error"]["code"].as_str()), (422, Some("VENUE_NOT_READY")), "{reply}");
    }
    two.alpaca.signal("CONT");
    two.binance.signal("CONT");
    two.until("alpaca", "ready");
    two.until("binance", "ready");
    assert_eq!(filled_at_alpaca(&two), Decimal::new(1, 3), "what was denied was not kept for later");
    until_goes_to(&two, "alpaca");
}

#[test]
fn a_venue_that_dies_after_an_order_filled_keeps_the_fill_and_the_next_order_goes_elsewhere() {
    let two = alpaca_first();
    let (_, filled) = market(&two, "0.004");
    until_order(&two, &filled["data"]["order_id"], "filled");
    let there = filled_at_alpaca(&two);
    two.alpaca.signal("STOP");
    two.until("alpaca", "down");
    assert_eq!(goes_to(&two, "0.001"), "binance");
    two.alpaca.signal("CONT");
    two.until("alpaca", "ready");
    let order = until_order(&two, &filled["data"]["order_id"], "filled");
    assert_eq!((decimal(&order["filled_quantity"]), filled_at_alpaca(&two)), (Decimal::new(4, 3), there));
}

fn share(two: &Two, rest: &str) -> (u16, Value) {
    let body =
        format!(r#"{{"action":"place-order","symbol":"AAPL","exchange":"alpaca","side":"buy","type":"limit",{rest}}}"#);
    two.engine.post(&body)
}

#[test]
fn a_replacement_that_races_a_fill_comes_to_what_was_asked_and_not_to_more() {
    let two = Two::open("primary-then-fallback", &[], &[]);
    let (status, reply) = share(&two, r#""quantity":5,"price":210"#);
    assert_eq!(status, 200, "{reply}");
    let id = reply["data"]["order_id"].clone();
    until_order(&two, &id, "new");
    std::thread::scope(|scope| {
        scope.spawn(|| two.engine.post(&format!(r#"{{"action":"replace-order","order_id":{id},"price":"211"}}"#)));
        scope.spawn(|| two.alpaca.order("/market", r#"{"symbol":"AAPL","bid":208,"ask":209,"size":1000}"#));
    });
    wait_until(|| {
        let held = two.alpaca.says("/v2/positions");
        let held = held.as_array().unwrap().iter().find(|p| p["symbol"] == "AAPL").map(|p| decimal(&p["qty"]));
        let orders = two.engine.get("orders").ok_or("the engine to answer")?;
        let open = orders["orders"].as_array().unwrap().len();
        let positions = two.engine.get("positions").ok_or("the engine to answer")?;
        let known = positions["positions"].as_array().unwrap().iter().find(|p| p["symbol"] == "AAPL");
        let known = known.map(|p| decimal(&p["quantity"]));
        assert!(held <= Some(Decimal::from(5)), "{held:?} of five");
        let done = held == Some(Decimal::from(5)) && known == held && open == 0;
        if done { Ok(()) } else { Err(format!("five: the venue holds {held:?}, the engine {known:?}, {open} open")) }
    });
}

/// From the venue's message on its market-data stream to the gate's answer.
#[test]
fn outside_the_band_that_the_exchange_tells_an_order_is_denied_and_within_it_taken() {
    let two = Two::open("primary-then-fallback", &[], &[]);
    two.alpaca.order("/market", r#"{"symbol":"AAPL","low":215,"high":245}"#);
    wait_for("a denial by the band", || {
        let (status, reply) = share(&two, r#""quantity":1,"price":246"#);
        let denied = status == 422 && reply["error"]["code"] == "VENUE_FILTER";
        denied.then(|| assert!(reply.to_string().contains("245"), "{reply}"))
    });
    let (status, reply) = share(&two, r#""quantity":1,"price":216"#);
    assert_eq!(status, 200, "{reply}");
}
