//! A request that is asked for again with its key: by a client that heard nothing, at once, or after the engine was killed.
//! It is answered as the first was, and nothing is done twice.

use super::credentials::{credentials, said, with_store};
use super::support::{API, Daemon, config, config_of, free_port, http, wait_for};
use serde_json::{Value, json};

type Told = (u16, Value);

fn ask(port: u16, key: &str, body: &str) -> Told {
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
    let (status, text) = http(port, "POST", API, &headers, body).unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} {text}: {error}")))
}

/// What an answer is told by: a refusal by every word of it, and what was done by the ids and numbers of the doing. What
/// the engine holds now, which some show beside it, may have moved on.
fn same(body: &str, first: &Told, again: &Told) {
    assert_eq!((again.0, &again.1["error"]), (first.0, &first.1["error"]), "{body}: {}", again.1);
    for field in ["request_id", "order_id", "how", "changed", "cancels", "flattens", "acknowledged_by", "alert_id"] {
        assert_eq!(again.1["data"][field], first.1["data"][field], "{field} of {body}: {}", again.1);
    }
    if ["credentials\"", "initiate-", "approve-", "reject-"].iter().any(|word| body.contains(word)) {
        assert_eq!(again.1["data"], first.1["data"], "{body}");
    }
}

/// Each body under its key, in turn; and at once again.
fn twice(port: u16, table: &[(&str, String, u16)]) -> Vec<(String, String, Told)> {
    let told = table.iter().map(|(key, body, status)| {
        let first = ask(port, key, body);
        assert_eq!(first.0, *status, "{body}: {}", first.1);
        same(body, &first, &ask(port, key, body));
        (key.to_string(), body.clone(), first)
    });
    told.collect()
}

/// All of it once more; and a key that comes with another body is refused.
fn again(port: u16, told: &[(String, String, Told)]) {
    for (key, body, first) in told {
        same(body, first, &ask(port, key, body));
        let (status, other) = ask(port, key, &body.replacen('{', "{ ", 1));
        assert_eq!((status, other["error"]["code"].as_str()), (422, Some("IDEMPOTENCY_KEY_REUSED")), "{body}: {other}");
    }
}

fn id_of((status, reply): Told) -> String {
    assert_eq!(status, 200, "{reply}");
    reply["data"]["order_id"].as_str().unwrap().to_owned()
}

/// Every action that changes something, but what a person does between paper and live.
#[test]
fn an_action_that_is_asked_for_again_after_a_kill_changes_nothing_of_what_came_since() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let path = config(dir.path(), port, &[]);
    with_store(&path, dir.path(), &[]);
    said(&credentials(&path, &["init"], "", &[]), 0, &[]);
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    let bid = daemon.get("status").unwrap()["instruments"][0]["bid"].as_str().unwrap().parse::<f64>().unwrap();
    let market = r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","type":"market","quantity":"0.001"}"#;
    daemon.would_take(market);
    let limit = format!(
        r#"{{"action":"place-order","symbol":"BTCUSDT","side":"buy","type":"limit","quantity":"0.001","price":"{}"}}"#,
        (bid * 0.97).floor()
    );
    // A stop, for its alert.
    assert_eq!(daemon.post(r#"{"action":"emergency-stop"}"#).0, 200);
    let alert = daemon.get("alerts").unwrap()["alerts"][0]["alert_id"].clone();
    assert_eq!(daemon.post(r#"{"action":"resume","who":"Ada","why":"a test"}"#).0, 200);
    let (replaced, cancelled) = (id_of(daemon.post(&limit)), id_of(daemon.post(&limit.replace("0.001", "0.003"))));
    let person = |action: &str| json!({ "action": action, "who": "Ada", "why": "a test" });
    let key = |action: &str, more: Value| {
        let mut body = json!({ "action": action, "exchange": "binance", "environment": "testnet" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body.to_string()
    };
    let pair = |n: u8| json!({ "apiKey": format!("key-{n}-{}", "k".repeat(58)), "apiSecret": "s".repeat(64) });
    // A key may have 255 characters.
    let long = "k".repeat(255);
    let table = [
        ("place", market.to_owned(), 200),
        ("denied", market.replace("0.001", "5"), 422),
        (
            "replace",
            json!({ "action": "replace-order", "order_id": replaced,
            "price": format!("{}", (bid * 0.96).floor()) })
            .to_string(),
            200,
        ),
        ("cancel", json!({ "action": "cancel-order", "order_id": cancelled }).to_string(), 200),
        ("cancel-again", json!({ "action": "cancel-order", "order_id": cancelled }).to_string(), 409),
        ("seen", json!({ "action": "acknowledge-alert", "alert_id": alert, "who": "Ada" }).to_string(), 200),
        ("lives", json!({ "action": "heartbeat", "who": "Ada" }).to_string(), 200),
        (
            "reduce",
            json!({ "action": "set-trading-state", "state": "reducing", "who": "Ada", "why": "a test" }).to_string(),
            200,
        ),
        ("close", r#"{"action":"close-position","symbol":"BTCUSDT"}"#.to_owned(), 200),
        ("close-all", r#"{"action":"close-all-positions"}"#.to_owned(), 200),
        ("cancel-all", r#"{"action":"cancel-all-orders"}"#.to_owned(), 200),
        ("stop", r#"{"action":"emergency-stop"}"#.to_owned(), 200),
        ("resume", person("resume").to_string(), 200),
        (&long, r#"{"action":"update-risk-config","maxOrderSize":4000,"who":"Ada","why":"a test"}"#.to_owned(), 200),
        ("store", key("store-credentials", pair(1)), 200),
        ("rotate", key("rotate-credentials", pair(2)), 200),
        ("rotate-to-none", key("rotate-credentials", json!({})), 422),
        // Nothing is live here, so that nobody can ask for it: told by the judge, and by the core.
        ("initiate", person("initiate-transition").to_string(), 409),
        ("approve", person("approve-transition").to_string(), 409),
        ("reject", person("reject-transition").to_string(), 409),
        ("revert", person("revert-to-paper").to_string(), 409),
    ];
    let first = twice(port, &table);
    // What only looks is done each time.
    for body in [market.replace("place", "validate"), r#"{"action":"test-connections"}"#.to_owned()] {
        assert_eq!((ask(port, "look", &body).0, ask(port, "look", &body).0), (200, 200), "{body}");
    }
    daemon.process.signal("KILL");
    daemon.process.wait();

    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    let order = id_of(daemon.post(&limit.replace("0.001", "0.002")));
    let tighter = r#"{"action":"update-risk-config","maxOrderSize":3000,"who":"Ada","why":"tighter"}"#;
    assert_eq!(daemon.post(tighter).0, 200);
    again(port, &first);
    wait_for("the order to rest", || {
        let orders = daemon.get("orders")?["orders"].as_array()?.clone();
        orders.iter().any(|row| row["order_id"] == order.as_str() && row["status"] == "new").then_some(())
    });
    let status = daemon.get("status").unwrap();
    assert_eq!(status["trading_state"], "active", "no second stop");
    assert_eq!(daemon.get("config").unwrap()["limits"]["order_notional_max_usd"], "3000");
    let keys = daemon.get("credentials-status").unwrap()["credentials"].clone();
    let versions: Vec<&Value> = keys.as_array().unwrap().iter().map(|row| &row["version"]).collect();
    assert_eq!(versions, [&json!(2), &json!(1)], "stored once and exchanged once: {keys}");
}

/// From paper towards live: what was granted, and what was refused, is told again as it was, wherever it has come since.
#[test]
fn a_step_towards_live_that_is_asked_for_again_after_a_kill_is_told_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let path = config_of("fast-transition.toml", dir.path(), port, &[]);
    let mut daemon = Daemon::start(&path, port, &[]);
    let reaches = |daemon: &Daemon, state: &str| {
        wait_for(state, || (daemon.get("transition-status")?["state"] == state).then_some(()));
    };
    let person = |action: &str, who: &str| json!({ "action": action, "who": who, "why": "a test" }).to_string();
    wait_for("the engine", || daemon.get("transition-status"));
    let early = twice(port, &[("early", person("initiate-transition", "ann"), 409)]);
    assert!(!early[0].2.1["error"]["details"]["reasons"].as_array().unwrap().is_empty(), "{early:?}");
    reaches(&daemon, "eligible");
    let mut told = twice(
        port,
        &[
            ("initiate", person("initiate-transition", "ann"), 200),
            ("one-yes", person("approve-transition", "ann"), 200),
            // Nobody approves twice.
            ("same-yes", person("approve-transition", "ann"), 409),
            ("no", person("reject-transition", "bob"), 200),
        ],
    );
    told.extend(early);
    daemon.process.signal("KILL");
    daemon.process.wait();

    // Its live venue is down, as it must be.
    let daemon = Daemon::start(&path, port, &[]);
    wait_for("the engine", || (daemon.get("status")?["takes_commands"] == true).then_some(()));
    again(port, &told);
    let history = daemon.get("transition-status").unwrap()["history"].clone();
    let people: Vec<&Value> =
        history.as_array().unwrap().iter().filter(|row| row["who"] == "ann" || row["who"] == "bob").collect();
    assert_eq!(people.len(), 3, "each once: {history:#}");
}

#[test]
fn a_request_with_a_key_acts_once_also_while_the_first_is_not_settled() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir.path(), port, &[]), port, &[]);
    daemon.ready();
    let body = r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","type":"market","quantity":"0.001"}"#;
    daemon.would_take(body);
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| ask(port, "7c0e", body));
        let two = scope.spawn(|| ask(port, "7c0e", body));
        (one.join().unwrap(), two.join().unwrap())
    });
    assert_eq!((one.0, two.0), (200, 200), "{one:?} {two:?}");
    assert_eq!(two.1["data"]["order_id"], one.1["data"]["order_id"], "the second got the first one's answer");
    let other = ask(port, "7c0f", body);
    assert_ne!(other.1["data"]["order_id"], one.1["data"]["order_id"], "another key is another order");
}
