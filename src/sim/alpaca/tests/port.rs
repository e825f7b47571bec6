//! The control port's orders: what is carried out is felt by clients, what this venue does not have is refused.

use crate::sim::alpaca::testing::*;
use crate::sim::http;
use serde_json::{Value, json};

/// As the control port would answer: the status, and the sentence of a refusal.
fn order(rig: &mut Rig, path: &str, body: &str) -> (u16, String) {
    let text = format!("POST {path} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (request, _) = http::parse(text.as_bytes()).unwrap().unwrap();
    let now = rig.clock.now();
    let answer = rig.sim.carry_out(&request, now).err().unwrap_or((200, String::new()));
    rig.turn();
    answer
}

fn obeyed(rig: &mut Rig, path: &str, body: &str) {
    assert_eq!(order(rig, path, body), (200, String::new()), "{path} {body}");
}

fn buy(qty: &str, id: &str) -> Value {
    json!({"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": qty, "client_order_id": id})
}

#[test]
fn what_this_venue_does_not_have_or_cannot_read_is_refused_with_a_sentence() {
    let mut rig = Rig::open();
    let before = rig.sim.faults().clone();
    for (path, body, named) in [
        ("/ban", r#"{"seconds":1}"#, "Alpaca bans nobody"),
        ("/rate_limit", r#"{"seconds":1,"refusals":2}"#, "Alpaca bans nobody"),
        ("/price", r#"{"symbol":"AAPL","price":1}"#, "POST /market"),
        ("/faults", r#"{"depth_skip":0.5}"#, "nothing in Alpaca's market data is numbered"),
        ("/faults", r#"{"answer_unknown_code":-1006}"#, "50010000"),
        ("/ledger", r#"{"asset":"NOPE","change":1}"#, "neither USD nor listed"),
        ("/ledger", r#"{"asset":"USD","change":1,"account":"nobody"}"#, "nobody"),
        ("/key", r#"{"api_key":"a","secret":"b","account":"nobody"}"#, "no such account"),
        ("/account", r#"{"trading_blocked":1}"#, "true or false"),
        ("/account", r#"{"rich":true}"#, "no flag"),
        ("/refuse", r#"{"next":1,"status":200,"message":"fine"}"#, "400 to 599"),
        ("/refuse", r#"{"next":1,"status":403}"#, "message"),
        ("/refuse", r#"{"status":403,"message":"m"}"#, "next"),
        ("/market", r#"{"symbol":"AAPL","low":9,"high":8}"#, "below the second"),
        ("/reject", "{}", "whole number"),
    ] {
        let (status, said) = order(&mut rig, path, body);
        assert!(status == 400 && said.contains(named), "{path} {body}: {status} {said}");
    }
    assert_eq!(*rig.sim.faults(), before);
    assert_eq!(order(&mut rig, "/nothing", "").0, 404);
}

#[test]
fn a_ledger_that_is_changed_says_so_and_tells_nobody() {
    let mut rig = Rig::open();
    obeyed(&mut rig, "/ledger", r#"{"asset":"USD","change":-1000.5}"#);
    obeyed(&mut rig, "/ledger", r#"{"asset":"AAPL","change":3}"#);
    obeyed(&mut rig, "/ledger", r#"{"asset":"BTC/USD","change":"0.25"}"#);
    assert_eq!(rig.get("/v2/account")["cash"], "98999.5");
    let held: Vec<_> =
        ["AAPL", "BTCUSD"].iter().map(|s| rig.get(&format!("/v2/positions/{s}"))["qty"].clone()).collect();
    assert_eq!(held, ["3", "0.25"]);
    obeyed(&mut rig, "/ledger", r#"{"asset":"AAPL","change":-3}"#);
    assert_eq!(rig.ask("GET", "/v2/positions/AAPL", Value::Null).0, 404);
}

#[test]
fn the_next_requests_for_an_order_are_refused_as_they_are_told_with_or_without_effect() {
    let mut rig = Rig::open();
    let members = r#"{"next":1,"status":403,"code":40310000,"message":"m","members":{"buying_power":"1"}}"#;
    obeyed(&mut rig, "/refuse", members);
    let (status, body) = rig.ask("POST", "/v2/orders", buy("1", "one"));
    assert_eq!((status, body), (403, json!({"code": 40310000, "message": "m", "buying_power": "1"})));
    assert_eq!(rig.get("/v2/orders?status=all"), json!([]));
    // Taken, and answered as the second copy of itself would be.
    obeyed(
        &mut rig,
        "/refuse",
        r#"{"next":1,"status":422,"code":40010001,"message":"client_order_id must be unique","after":true}"#,
    );
    assert_eq!(rig.ask("POST", "/v2/orders", buy("1", "two")).0, 422);
    assert_eq!(rig.ask("POST", "/v2/orders", buy("1", "three")).0, 200, "one was to be refused");
    assert_eq!(rig.get("/v2/orders?status=all").as_array().unwrap().len(), 2);
    obeyed(&mut rig, "/refuse", r#"{"next":5,"status":500,"message":"m"}"#);
    obeyed(&mut rig, "/clear", "");
    assert_eq!(rig.ask("POST", "/v2/orders", buy("1", "four")).0, 200);
}

#[test]
fn flags_are_shown_and_obeyed_and_a_limit_says_when_it_ends() {
    let mut rig = Rig::open();
    obeyed(&mut rig, "/account", r#"{"trading_blocked":true,"shorting":false}"#);
    let account = rig.get("/v2/account");
    let flags = ["trading_blocked", "account_blocked", "shorting_enabled"].map(|name| account[name] == true);
    assert_eq!(flags, [true, false, false]);
    assert_eq!(rig.refused(buy("1", "x")).2, "account is blocked from trading");
    obeyed(&mut rig, "/rate_limit", r#"{"seconds":7}"#);
    let until = rig.clock.now() / 1_000_000_000 + 7;
    let keyed = format!("apca-api-key-id: {KEY}\r\nAPCA-API-SECRET-KEY: {SECRET}\r\n");
    let (status, head, _) = rig.raw("GET", "/v2/clock", &keyed, "");
    assert_eq!(status, 429);
    assert!(
        head.contains("X-RateLimit-Remaining: 0") && head.contains(&format!("X-RateLimit-Reset: {until}")),
        "{head}"
    );
    rig.run_ms(7_000);
    assert_eq!(rig.ask("GET", "/v2/clock", Value::Null).0, 200);
}

#[test]
fn a_request_that_is_lost_before_it_took_effect_left_nothing() {
    let mut rig = Rig::open();
    obeyed(&mut rig, "/faults", r#"{"request_reset":1}"#);
    let mut client = rig.client();
    let body = buy("1", "lost").to_string();
    let head = format!("APCA-API-KEY-ID: {KEY}\r\nApca-Api-Secret-Key: {SECRET}\r\nContent-Length: {}", body.len());
    client.send(format!("POST /v2/orders HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n{body}").as_bytes());
    rig.turn();
    assert!(client.response().is_none(), "the connection is gone");
    assert_eq!(rig.get("/v2/orders?status=all"), json!([]));
}
