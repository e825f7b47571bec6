//! `test-connections`: what it finds when all is well, and what it says of each thing that is not.

use super::support::{tollgate, wait_until};
use super::two::Two;
use serde_json::Value;

/// The checks of a venue that are asked of the venue itself, and the two that are the engine's own.
const CHECKS: [&str; 7] =
    ["reachable", "clock", "key", "permissions", "private_stream", "engine_session", "market_data"];

fn test(two: &Two) -> Value {
    let (status, reply) = two.engine.post(r#"{"action":"test-connections"}"#);
    assert_eq!(status, 200, "{reply}");
    reply["data"].clone()
}

fn check<'a>(told: &'a Value, exchange: &str, name: &str) -> &'a Value {
    let mut checks = told["checks"].as_array().unwrap().iter();
    checks.find(|c| c["exchange"] == exchange && c["check"] == name).unwrap_or_else(|| panic!("no {name} in {told}"))
}

/// Asks until the check has come out so, with these words; what was found a moment ago is told again for a while.
fn until(two: &Two, exchange: &str, name: &str, ok: Option<bool>, words: &str) -> Value {
    wait_until(|| {
        let told = test(two);
        let found = check(&told, exchange, name);
        let is = found["ok"].as_bool() == ok && found["message"].as_str().unwrap().contains(words);
        if is { Ok(told) } else { Err(format!("{exchange} {name} to be {ok:?} with {words:?}: {found}")) }
    })
}

#[test]
fn every_venue_is_asked_for_real_and_each_fault_is_named_with_what_to_do() {
    let mut two = Two::open("primary-then-fallback", &[], &[]);
    let told = test(&two);
    assert_eq!(told["ok"], true, "{told:#}");
    for exchange in ["binance", "alpaca"] {
        for name in CHECKS {
            let found = check(&told, exchange, name);
            assert_eq!(found["ok"], true, "{found}");
            let timed = !matches!(name, "permissions" | "engine_session" | "market_data");
            assert_eq!(found["round_trip_ms"].as_f64().is_some_and(|ms| ms > 0.0), timed, "{found}");
        }
        assert!(check(&told, exchange, "clock")["clock_offset_ms"].is_f64());
    }
    // By the command, one venue alone; nothing of a key is in it.
    let url = format!("http://127.0.0.1:{}", two.engine.port);
    let done = tollgate().args(["test-connections", "--exchange", "alpaca", "--url", &url]).output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && text.contains("private_stream") && !text.contains("binance"), "{text}");
    assert!(!text.contains("TESTKEY") && !told.to_string().contains("TESTKEY"), "{text}");
    let (status, reply) = two.engine.post(r#"{"action":"test-connections","exchange":"nasdaq"}"#);
    assert_eq!((status, reply["error"]["code"].as_str()), (400, Some("INVALID_FIELD")), "{reply}");
    // It disturbed nothing.
    let status = two.engine.get("status").unwrap();
    assert!(status["venues"].as_array().unwrap().iter().all(|v| v["state"] == "ready"), "{status}");
    assert_eq!(status["counters"]["gateway_binance_reconnects_total"].as_u64().unwrap_or(0), 0, "{status}");

    two.binance.order("/clock", r#"{"offset_ms":4000}"#);
    let told = until(&two, "binance", "clock", Some(false), "behind the venue's");
    assert!(check(&told, "binance", "clock")["message"].as_str().unwrap().contains("check that NTP runs"), "{told}");
    // Signed with the venue's own time, the rest is as good as before.
    assert_eq!((check(&told, "binance", "key")["ok"].clone(), told["ok"].clone()), (true.into(), false.into()));
    assert_eq!(check(&told, "alpaca", "clock")["ok"], true);
    let done = tollgate().args(["test-connections", "--url", &url]).output().unwrap();
    assert_eq!(done.status.code(), Some(1));
    two.binance.order("/clear", "");

    two.binance
        .order("/revoke_key", r#"{"api_key":"TESTKEY0TESTKEY0TESTKEY0TESTKEY0TESTKEY0TESTKEY0TESTKEY0TESTKEY0"}"#);
    let told = until(&two, "binance", "key", Some(false), "-2015");
    assert!(check(&told, "binance", "key")["message"].as_str().unwrap().contains("store a good one"), "{told}");
    assert_eq!(check(&told, "binance", "private_stream")["ok"], Value::Null);
    two.alpaca
        .order("/revoke_key", r#"{"api_key":"TESTKEY0TESTKEY0TESTKEY0TESTKEY0TESTKEY0TESTKEY0TESTKEY0TESTKEY0"}"#);
    until(&two, "alpaca", "key", Some(false), "Paper and live have keys of their own");

    two.binance.order("/rate_limit", r#"{"seconds":60}"#);
    until(&two, "binance", "reachable", Some(false), "sends too much");
    two.alpaca.kill();
    let told = until(&two, "alpaca", "reachable", Some(false), "check rest_url in [[venues]]");
    assert_eq!(check(&told, "alpaca", "clock")["ok"], Value::Null);
    until(&two, "alpaca", "engine_session", Some(false), "the engine has no session");
}
