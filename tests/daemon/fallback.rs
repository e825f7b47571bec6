//! An order that two venues could have, while one of them dies, before, during and after it: it is filled once, at one of
//! them, and whatever is not known stays where it is.

use super::support::wait_until;
use super::two::Two;
use rust_decimal::Decimal;
use serde_json::Value;

const PRIMARY: &str = "primary-then-fallback";

pub fn market(two: &Two, quantity: &str) -> (u16, Value) {
    let body = format!(
        r#"{{"action":"place-order","symbol":"BTCUSDT","side":"buy","type":"market","quantity":{quantity},"exchange":"auto"}}"#
    );
    two.engine.post(&body)
}

pub fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap_or_else(|| panic!("not a decimal: {value}")).parse::<Decimal>().unwrap().normalize()
}

/// What the engine holds of an instrument.
fn held(two: &Two, symbol: &str) -> Decimal {
    let positions = two.engine.get("positions").unwrap();
    let found = positions["positions"].as_array().unwrap().iter().find(|p| p["symbol"] == symbol).cloned();
    found.map_or(Decimal::ZERO, |p| decimal(&p["quantity"]))
}

/// What Alpaca says that it executed of Bitcoin, fees not taken off.
pub fn filled_at_alpaca(two: &Two) -> Decimal {
    let orders = two.alpaca.says("/v2/orders?status=all&limit=500");
    orders.as_array().unwrap().iter().map(|order| decimal(&order["filled_qty"])).sum()
}

/// The order, once the engine says that of it.
pub fn until_order(two: &Two, id: &Value, status: &str) -> Value {
    wait_until(|| {
        for list in ["orders", "orders&status=closed"] {
            let orders = two.engine.get(list).ok_or("the engine to answer")?;
            let found = orders["orders"].as_array().unwrap().iter().find(|o| o["order_id"] == *id);
            if let Some(order) = found.filter(|order| order["status"] == status) {
                return Ok(order.clone());
            }
        }
        Err(format!("order {id} to be {status}"))
    })
}

#[test]
fn a_venue_that_died_before_gets_nothing_and_both_dead_is_a_denial() {
    let mut two = Two::open(PRIMARY, &[], &[]);
    let (status, first) = market(&two, "0.001");
    assert_eq!((status, &first["data"]["exchange"]), (200, &"binance".into()), "{first}");
    two.binance.kill();
    two.until("binance", "down");
    let (status, reply) = market(&two, "0.002");
    assert_eq!((status, &reply["data"]["exchange"]), (200, &"alpaca".into()), "{reply}");
    until_order(&two, &reply["data"]["order_id"], "filled");
    assert_eq!(filled_at_alpaca(&two), Decimal::new(2, 3));
    // The decision is told with what it was made from.
    let told = two.engine.get(&format!("explain&id={}", reply["data"]["order_id"].as_str().unwrap())).unwrap();
    assert!(told["route"].to_string().contains("venue not ready"), "{told}");
    // What had been done at the first stays known while it is away.
    assert!(held(&two, "BTCUSDT") > Decimal::ZERO);

    two.alpaca.kill();
    two.until("alpaca", "down");
    let (status, reply) = market(&two, "0.001");
    assert_eq!((status, reply["error"]["code"].as_str()), (422, Some("VENUE_NOT_READY")), "{reply}");

    // Back, with the account that it had: the engine holds what the venue holds.
    two.binance.again();
    two.until("binance", "ready");
    wait_until(|| {
        let status = two.engine.get("status").ok_or("the engine to answer")?;
        let bitcoin = status["instruments"].as_array().unwrap().iter().find(|i| i["symbol"] == "BTCUSDT").unwrap();
        let quoted = bitcoin["feed"] == "live" && bitcoin["quote_age_ms"].as_u64().is_some_and(|age| age < 500);
        if quoted { Ok(()) } else { Err(format!("a quote of it: {bitcoin}")) }
    });
    let (status, reply) = market(&two, "0.001");
    assert_eq!((status, &reply["data"]["exchange"]), (200, &"binance".into()), "{reply}");
}

#[test]
fn an_order_whose_venue_freezes_while_it_is_out_never_moves_and_is_found_filled_when_it_comes_back() {
    let two = Two::open(PRIMARY, &[], &[]);
    two.binance.signal("STOP");
    let (status, reply) = market(&two, "0.003");
    assert!(matches!(status, 200 | 202), "{reply}");
    let id = reply["data"]["order_id"].clone();
    until_order(&two, &id, "unknown");
    two.until("binance", "down");
    // Others go to the next venue meanwhile; this one does not.
    let (status, other) = market(&two, "0.001");
    assert_eq!((status, &other["data"]["exchange"]), (200, &"alpaca".into()), "{other}");
    two.binance.signal("CONT");
    two.until("binance", "ready");
    let settled = wait_until(|| {
        let orders = two.engine.get("orders&status=closed").ok_or("the engine to answer")?;
        let found = orders["orders"].as_array().unwrap().iter().find(|o| o["order_id"] == id).cloned();
        found.ok_or_else(|| format!("order {id} to be settled"))
    });
    let there = filled_at_alpaca(&two);
    assert_eq!(there, Decimal::new(1, 3), "the frozen order moved: {settled}");
    // It reached the venue when that woke, or it was too late for it; filled twice it was in neither case.
    assert!(matches!(settled["status"].as_str(), Some("filled" | "rejected" | "expired")), "{settled}");
    assert_eq!(settled["exchange"], "binance");
}

#[test]
fn an_order_that_took_effect_while_its_venue_died_is_found_filled_and_not_repeated_elsewhere() {
    let mut two = Two::open(PRIMARY, &[], &[]);
    two.binance.order("/faults", r#"{"answer_reset":1,"report_drop":1}"#);
    let (status, reply) = market(&two, "0.004");
    assert!(matches!(status, 200 | 202), "{reply}");
    let id = reply["data"]["order_id"].clone();
    two.binance.kill();
    two.until("binance", "down");
    two.binance.again();
    two.until("binance", "ready");
    let settled = until_order(&two, &id, "filled");
    assert_eq!(decimal(&settled["filled_quantity"]), Decimal::new(4, 3));
    assert_eq!(filled_at_alpaca(&two), Decimal::ZERO);
}

#[test]
fn a_split_order_is_filled_at_both_venues_and_comes_to_what_was_asked() {
    let two = Two::open("split", &[], &[]);
    two.alpaca.order("/market", r#"{"symbol":"BTC/USD","bid":97000,"ask":97010,"size":5}"#);
    let (status, reply) = market(&two, "0.02");
    assert_eq!(status, 200, "{reply}");
    let parts = reply["data"]["parts"].as_array().unwrap();
    let exchanges: Vec<_> = parts.iter().map(|part| part["exchange"].as_str().unwrap()).collect();
    assert_eq!(exchanges.len(), 2, "{reply}");
    assert!(exchanges.contains(&"binance") && exchanges.contains(&"alpaca"), "{reply}");
    for part in parts {
        until_order(&two, &part["order_id"], "filled");
    }
    let asked: Decimal = parts.iter().map(|part| decimal(&part["quantity"])).sum();
    assert_eq!(asked, Decimal::new(2, 2));
    assert!(held(&two, "BTCUSDT") > Decimal::ZERO && filled_at_alpaca(&two) > Decimal::ZERO);
    let id = parts[0]["order_id"].as_str().unwrap();
    let told = two.engine.get(&format!("explain&id={id}")).unwrap();
    assert_eq!(told["route"]["chosen"]["policy"], "split", "{told}");
    assert!(told["route"]["chosen"]["legs"].as_array().unwrap().iter().all(|leg| leg["size"].is_string()), "{told}");
}

#[test]
fn a_market_that_closes_while_orders_work_ends_the_days_orders_and_keeps_the_others() {
    // A Monday, a little before the close, by a clock that stands until it is set.
    let two = Two::open(PRIMARY, &[], &["--alpaca-clock", "2026-11-23T15:55:00-05:00", "--alpaca-speed", "0"]);
    let place = |rest: &str| {
        let body = format!(
            r#"{{"action":"place-order","symbol":"AAPL","exchange":"alpaca","side":"buy","type":"limit","price":210,{rest}}}"#
        );
        let (status, reply) = two.engine.post(&body);
        assert_eq!(status, 200, "{reply}");
        reply["data"]["order_id"].clone()
    };
    let day = place(r#""quantity":1,"time_in_force":"day""#);
    let kept = place(r#""quantity":2,"time_in_force":"gtc""#);
    until_order(&two, &day, "new");
    until_order(&two, &kept, "new");
    two.alpaca.order("/time", r#"{"now":"2026-11-23T16:30:00-05:00"}"#);
    until_order(&two, &day, "expired");
    until_order(&two, &kept, "new");
    let open = two.alpaca.says("/v2/orders?status=open");
    assert_eq!(open.as_array().unwrap().len(), 1, "{open}");
    // It is the venue's to say when it opens again; the order that was kept can still be taken back.
    let cancel = format!(r#"{{"action":"cancel-order","order_id":{kept}}}"#);
    assert_eq!(two.engine.post(&cancel).0, 200);
    until_order(&two, &kept, "canceled");
}
