//! A request that is asked for again: by a client that heard nothing, after the engine was killed.

use super::support::{API, Daemon, config, free_port, http, wait_for};
use serde_json::Value;

/// What happens to a client that heard nothing: it asks again, the engine was killed meanwhile, and the world has moved.
#[test]
fn an_action_that_is_asked_for_again_after_a_kill_changes_nothing_of_what_came_since() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let path = config(dir.path(), port, &[]);
    let ask = |key: &str, body: &str| {
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
        let (status, text) = http(port, "POST", API, &headers, body).unwrap();
        let reply: Value = serde_json::from_str(&text).unwrap();
        (status, reply)
    };
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    let bid = daemon.get("status").unwrap()["instruments"][0]["bid"].as_str().unwrap().parse::<f64>().unwrap();
    let limit = format!(
        r#"{{"action":"place-order","symbol":"BTCUSDT","side":"buy","type":"limit","quantity":"0.001","price":"{}"}}"#,
        (bid * 0.97).floor()
    );
    let rest = || {
        let (status, reply) = daemon.post(&limit);
        assert_eq!(status, 200, "{reply}");
        reply["data"]["order_id"].as_str().unwrap().to_owned()
    };
    // A key may have 255 characters.
    let long = "k".repeat(255);
    let replaced = rest();
    let table = [
        ("cancel", r#"{"action":"cancel-all-orders"}"#.to_owned(), 200),
        ("stop", r#"{"action":"emergency-stop"}"#.to_owned(), 200),
        ("resume", r#"{"action":"resume","who":"Ada","why":"a test"}"#.to_owned(), 200),
        (&long, r#"{"action":"update-risk-config","maxOrderSize":4000,"who":"Ada","why":"a test"}"#.to_owned(), 200),
        ("close", r#"{"action":"close-position","symbol":"BTCUSDT"}"#.to_owned(), 200),
    ];
    let replace = format!(r#"{{"action":"replace-order","order_id":"{replaced}","price":"{}"}}"#, (bid * 0.96).floor());
    let first: Vec<_> = std::iter::once(&("replace", replace, 200))
        .chain(&table)
        .map(|(key, body, status)| {
            let told = ask(key, body);
            assert_eq!(told.0, *status, "{body}: {}", told.1);
            (key.to_string(), body.clone(), told)
        })
        .collect();
    daemon.process.signal("KILL");
    daemon.process.wait();

    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    let settled = |id: &str| {
        wait_for("the order to rest", || {
            let orders = daemon.get("orders")?["orders"].as_array()?.clone();
            orders.iter().any(|order| order["order_id"] == id && order["status"] == "new").then_some(())
        });
    };
    let order = {
        let (status, reply) = daemon.post(&limit.replace("0.001", "0.002"));
        assert_eq!(status, 200, "{reply}");
        reply["data"]["order_id"].as_str().unwrap().to_owned()
    };
    let tighter = r#"{"action":"update-risk-config","maxOrderSize":3000,"who":"Ada","why":"tighter"}"#;
    assert_eq!(daemon.post(tighter).0, 200);
    for (key, body, before) in &first {
        let again = ask(key, body);
        assert_eq!((again.0, &again.1["error"]), (before.0, &before.1["error"]), "{body}: {}", again.1);
        for field in ["request_id", "order_id", "how", "changed"] {
            assert_eq!(again.1["data"][field], before.1["data"][field], "{field} of {body}: {}", again.1);
        }
        let (status, other) = ask(key, &body.replacen('{', "{ ", 1));
        assert_eq!((status, other["error"]["code"].as_str()), (422, Some("IDEMPOTENCY_KEY_REUSED")), "{other}");
    }
    settled(&order);
    let status = daemon.get("status").unwrap();
    assert_eq!(status["trading_state"], "active", "no second stop");
    assert_eq!(daemon.get("config").unwrap()["limits"]["order_notional_max_usd"], "3000");
}
