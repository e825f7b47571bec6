//! Keys of both simulated venues exchanged while orders flow at both: every order is at its venue's ledger once.

use super::credentials::{credentials, said, with_store};
use super::sim::Sim;
use super::support::{API, Daemon, config_of_both, free_port, http, wait_for, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

type Pair = (String, String);

fn made_up() -> Pair {
    let text = || (0..40).map(|_| fastrand::alphanumeric()).collect::<String>();
    (text(), text())
}

pub fn venues(dir: &Path) -> Sim {
    let control = "127.0.0.1:0";
    Sim::start(
        dir,
        &[
            "--control",
            control,
            "--alpaca",
            "127.0.0.1:0",
            "--alpaca-control",
            control,
            "--alpaca-rate-limit",
            "100000",
        ],
    )
}

pub fn alpaca_key(sim: &Sim) -> Pair {
    let account = &sim.ready["alpaca"]["accounts"][0];
    (account["api_key"].as_str().unwrap().to_owned(), account["secret"].as_str().unwrap().to_owned())
}

/// The shipped configuration with both venues in another process, and their keys kept in a store.
pub fn stored(sim: &Sim, dir: &Path, port: u16) -> PathBuf {
    let path = config_of_both(dir, port, &[]);
    let text = std::fs::read_to_string(&path).unwrap();
    let addresses = |rest: &str, stream: &str, ws: &str| {
        format!(
            "account = \"store\"\ncredential = \"main\"\nrest_url = {rest:?}\nstream_url = {stream:?}\nws_api_url = {ws:?}\n"
        )
    };
    let alpaca = |name: &str| sim.ready["alpaca"][name].as_str().unwrap().to_owned();
    let binance = addresses(&sim.text("rest_url"), &sim.text("stream_url"), &sim.text("ws_api_url"));
    let text = text.replacen("account = \"sim\"\n", &binance, 1);
    let alpaca = addresses(&alpaca("rest_url"), &alpaca("data_stream_url"), &alpaca("stream_url"));
    let text = text.replacen("account = \"sim\"\n", &alpaca, 1);
    let (head, rest) = text.split_at(text.find("[[strategies]]").unwrap());
    let tail = &rest[rest.find("[risk]").unwrap()..];
    let threads = head.find("[[threads]]\nname = \"sim\"").unwrap();
    let after = threads + head[threads..].find("\n\n").unwrap();
    let text = format!("{}{}{tail}", &head[..threads], &head[after..]);
    let edits = [
        ("enabled = true\n# Port 0", "enabled = false\n# Port 0"),
        ("duplicate_window_ms = 250", "duplicate_window_ms = 0"),
        ("runaway_executions_max = 50", "runaway_executions_max = 10_000"),
        ("loss_streak_max = 500", "loss_streak_max = 1_000_000"),
        ("reconcile_interval_ms = 60_000", "reconcile_interval_ms = 10_000"),
    ];
    let mut text = text;
    for (from, to) in edits {
        assert!(text.contains(from), "the configuration has no {from:?}");
        text = text.replace(from, to);
    }
    std::fs::write(&path, text).unwrap();
    with_store(&path, dir, &[]);
    path
}

pub fn keep(path: &Path, venue: &str, (key, secret): &Pair) {
    let store = ["store", "--venue", venue, "--environment", "testnet"];
    said(&credentials(path, &store, &format!("{key}\n{secret}\n"), &[]), 0, &[key, secret]);
}

fn order_port(url: &Value, path: &str, body: &Value) {
    let port = url.as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    let (status, answer) = http(port, "POST", path, &[], &body.to_string()).unwrap();
    assert_eq!(status, 200, "{answer}");
}

/// The client ids of all orders that the venue has.
fn at_binance(sim: &Sim) -> Vec<String> {
    let orders = sim.signed_with("/api/v3/allOrders", "symbol=BTCUSDT&limit=1000&");
    orders.as_array().unwrap().iter().map(|o| o["clientOrderId"].as_str().unwrap().to_owned()).collect()
}

fn at_alpaca(sim: &Sim, (key, secret): &Pair) -> Vec<String> {
    let url = sim.ready["alpaca"]["rest_url"].as_str().unwrap();
    let port = url.rsplit(':').next().unwrap().parse().unwrap();
    let headers = [("APCA-API-KEY-ID", key.as_str()), ("APCA-API-SECRET-KEY", secret.as_str())];
    let (status, body) = http(port, "GET", "/v2/orders?status=all&limit=500", &headers, "").unwrap();
    assert_eq!(status, 200, "{body}");
    let orders: Value = serde_json::from_str(&body).unwrap();
    orders.as_array().unwrap().iter().map(|o| o["client_order_id"].as_str().unwrap().to_owned()).collect()
}

/// What steers a load, and how far it is.
#[derive(Default)]
struct Course {
    stop: AtomicBool,
    rotating: AtomicBool,
    sent: AtomicUsize,
}

/// What became of a load's orders.
#[derive(Default)]
struct Load {
    /// The client ids of those that the engine sent.
    sent: Vec<String>,
    /// What else it answered.
    other: Vec<String>,
    /// From an order's request to the answer that tells what the venue said: without a rotation, and during one.
    took: [Vec<Duration>; 2],
}

/// Places one order after the other, below the rate that the gate allows, until told to stop.
fn load(port: u16, order: &str, course: &Course) -> Load {
    let mut load = Load::default();
    while !course.stop.load(Ordering::Relaxed) && load.sent.len() < 480 {
        let headers = [("Content-Type", "application/json")];
        let (begun, rotating) = (Instant::now(), course.rotating.load(Ordering::Relaxed));
        let (status, body) = http(port, "POST", API, &headers, order).expect("the API answers");
        load.took[usize::from(rotating)].push(begun.elapsed());
        let reply: Value = serde_json::from_str(&body).unwrap();
        let data = &reply["data"];
        match (status, data["status"].as_str(), data["client_order_id"].as_str()) {
            (200, Some("filled" | "new" | "partially_filled" | "pending_new"), Some(id)) => {
                load.sent.push(id.to_owned())
            }
            _ => load.other.push(format!("{status} {body}")),
        }
        course.sent.store(load.sent.len(), Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(60));
    }
    load
}

/// Told, and not judged: a test is no measurement.
fn tell(venue: &str, took: &mut [Vec<Duration>; 2]) {
    for (when, took) in ["without a rotation", "during rotations"].iter().zip(took) {
        took.sort();
        let (count, median, longest) = (took.len(), took[took.len() / 2], took[took.len() - 1]);
        eprintln!("{venue}, {when}: order to answer over {count} orders: median {median:.1?}, longest {longest:.1?}");
    }
}

#[test]
fn keys_of_both_venues_are_exchanged_under_load_and_every_order_is_at_the_venues_once() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sim = venues(venue.path());
    let port = free_port();
    let path = stored(&sim, dir.path(), port);
    said(&credentials(&path, &["init"], "", &[]), 0, &[]);
    let (mut binance, mut alpaca) = (sim.key(), alpaca_key(&sim));
    keep(&path, "binance", &binance);
    keep(&path, "alpaca", &alpaca);
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();

    let courses = [Course::default(), Course::default()];
    let at_venue = |symbol: &str, exchange: &str, side: &str, quantity: &str| {
        json!({ "action": "place-order", "symbol": symbol, "exchange": exchange, "side": side, "type": "market",
            "quantity": quantity, "stop_loss": "off", "take_profit": "off" })
        .to_string()
    };
    // A fraction of a share, good for the day.
    let share = at_venue("AAPL", "alpaca", "buy", "0.01").replace("\"type\"", "\"time_in_force\":\"day\",\"type\"");
    let orders = [at_venue("BTCUSDT", "binance", "buy", "0.0001"), share];
    let loads = std::thread::scope(|scope| {
        let running = [0, 1].map(|n: usize| {
            let (order, course) = (&orders[n], &courses[n]);
            scope.spawn(move || load(port, order, course))
        });
        wait_for("orders without a rotation", || {
            courses.iter().all(|course| course.sent.load(Ordering::Relaxed) >= 40).then_some(())
        });
        courses.iter().for_each(|course| course.rotating.store(true, Ordering::Relaxed));
        let rotate = |exchange: &str, new: &Pair| {
            let body = json!({ "action": "rotate-credentials", "exchange": exchange, "environment": "testnet",
                "apiKey": new.0, "apiSecret": new.1 });
            let (status, reply) = daemon.post(&body.to_string());
            // It may take longer than an answer is waited for.
            assert!(matches!(status, 200 | 202), "{reply}");
            wait_until(|| {
                let told = daemon.get("credentials-status").ok_or("the keys")?;
                let row = told["credentials"].as_array().unwrap().iter().find(|row| {
                    row["exchange"] == exchange && row["stage"] == "in use" && row["used_by"] == json!([exchange])
                });
                let ends = row.map(|row| row["key_ends_in"].clone()).unwrap_or_default();
                if new.0.ends_with(ends.as_str().unwrap_or("?")) { Ok(()) } else { Err(format!("{exchange}: {told}")) }
            });
        };
        for _ in 0..2 {
            let (next_binance, next_alpaca) = (made_up(), made_up());
            let key = |pair: &Pair| json!({ "api_key": pair.0, "secret": pair.1 });
            order_port(&sim.ready["control_url"], "/key", &key(&next_binance));
            order_port(&sim.ready["alpaca"]["control_url"], "/key", &key(&next_alpaca));
            rotate("binance", &next_binance);
            order_port(&sim.ready["control_url"], "/revoke_key", &json!({ "api_key": binance.0 }));
            rotate("alpaca", &next_alpaca);
            order_port(&sim.ready["alpaca"]["control_url"], "/revoke_key", &json!({ "api_key": alpaca.0 }));
            (binance, alpaca) = (next_binance, next_alpaca);
        }
        courses.iter().for_each(|course| course.stop.store(true, Ordering::Relaxed));
        running.map(|load| load.join().unwrap())
    });
    let sim = sim.with_key(binance);
    for ((name, theirs), load) in
        [("binance", at_binance(&sim)), ("alpaca", at_alpaca(&sim, &alpaca))].into_iter().zip(loads)
    {
        let Load { sent: ours, other, mut took } = load;
        assert_eq!(other, Vec::<String>::new(), "{name}: every order was taken");
        tell(name, &mut took);
        assert!(ours.len() > 60, "{name}: {} orders", ours.len());
        let once: BTreeSet<&String> = theirs.iter().collect();
        assert_eq!(once.len(), theirs.len(), "{name}: an order is there twice");
        assert_eq!(once, ours.iter().collect(), "{name}: the venue has what the engine sent, and nothing else");
    }
    wait_for("every order to be settled", || {
        let status = daemon.get("status")?;
        (status["run_counts"]["orders_unknown"] == 0 && daemon.get("orders")?["orders"].as_array()?.is_empty())
            .then_some(())
    });
    let status = daemon.get("status").unwrap();
    for counter in ["gateway_binance_not_sent_total", "gateway_alpaca_not_sent_total"] {
        assert_eq!(status["counters"][counter], 0, "{counter}: {status}");
    }
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0));
    let log = daemon.process.log();
    assert!(!log.contains("stream lost") && !log.contains("order link lost"), "{log}");
    assert_eq!(log.matches("orders go by the new key").count(), 4, "{log}");
}

/// `kill -9` wherever it is in a rotation: the key in use is the old one or the new one, the venue takes it, and what was
/// begun is gone on with.
#[test]
fn an_engine_killed_in_the_middle_of_a_rotation_has_the_old_key_or_the_new_one() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sim = venues(venue.path());
    let port = free_port();
    let path = stored(&sim, dir.path(), port);
    said(&credentials(&path, &["init"], "", &[]), 0, &[]);
    keep(&path, "binance", &sim.key());
    keep(&path, "alpaca", &alpaca_key(&sim));
    let in_use = |daemon: &Daemon, exchange: &str| {
        let told = wait_for("the keys", || daemon.get("credentials-status"));
        let rows = told["credentials"].as_array().unwrap().clone();
        let row = rows.iter().find(|row| row["exchange"] == exchange && row["stage"] == "in use").unwrap();
        (row["version"].as_u64().unwrap(), rows.iter().any(|row| row["exchange"] == exchange && row["stage"] == "next"))
    };
    for round in 0..5u64 {
        let mut daemon = Daemon::start(&path, port, &[]);
        daemon.ready();
        let before = ["binance", "alpaca"].map(|exchange| in_use(&daemon, exchange).0);
        for (exchange, url) in [("binance", &sim.ready["control_url"]), ("alpaca", &sim.ready["alpaca"]["control_url"])]
        {
            let (key, secret) = made_up();
            order_port(url, "/key", &json!({ "api_key": key, "secret": secret }));
            let rotate = ["rotate", "--venue", exchange, "--environment", "testnet"];
            // The engine may be at the store in this very moment: then it is asked again.
            wait_for("the new key to be kept", || {
                let done = credentials(&path, &rotate, &format!("{key}\n{secret}\n"), &[]);
                (done.status.code() == Some(0)).then_some(())
            });
        }
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..2_500)));
        daemon.process.signal("KILL");
        daemon.process.wait();
        drop(daemon);
        let mut again = Daemon::start(&path, port, &[]);
        again.ready();
        for (exchange, before) in ["binance", "alpaca"].into_iter().zip(before) {
            wait_for("the rotation to be over", || {
                let (version, next) = in_use(&again, exchange);
                (version > before && !next).then_some(())
            });
        }
        for order in [
            json!({ "action": "place-order", "symbol": "BTCUSDT", "side": "buy", "type": "market", "quantity": 0.001 }),
            json!({ "action": "place-order", "symbol": "AAPL", "side": "buy", "type": "market", "quantity": 1 }),
        ] {
            let (status, reply) = again.post(&order.to_string());
            assert_eq!(status, 200, "round {round}: {reply}");
        }
        again.process.signal("INT");
        assert_eq!(again.process.wait().code(), Some(0), "{}", again.process.log());
    }
}
