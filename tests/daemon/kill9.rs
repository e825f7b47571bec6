//! `kill -9` while trading, again and again: after each restart the engine's positions, balances and open orders are
//! the venue's own.

use super::sim::Sim;
use super::support::{Daemon, config, free_port, wait_for, wait_until};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ROUNDS: usize = 20;

/// The shipped configuration pointed at a venue of its own process. `strategies` stay, or none trades.
pub fn pointed_at(sim: &Sim, dir: &Path, port: u16, strategies: bool) -> PathBuf {
    let keyed = format!(
        "account = \"keys\"\nrest_url = \"{}\"\nstream_url = \"{}\"\nws_api_url = \"{}\"\n\
         api_key_env = \"KILL9_KEY\"\nsecret_env = \"KILL9_SECRET\"",
        sim.text("rest_url"),
        sim.text("stream_url"),
        sim.text("ws_api_url"),
    );
    // A probe that buys and sells the same at a loss all the time is what these limits are there to stop.
    let edits = [
        ("account = \"sim\"", &*keyed),
        ("enabled = true", "enabled = false"),
        ("duplicate_window_ms = 250", "duplicate_window_ms = 0"),
        ("runaway_executions_max = 50", "runaway_executions_max = 10_000"),
        ("loss_streak_max = 500", "loss_streak_max = 1_000_000"),
    ];
    let path = config(dir, port, &edits);
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_at(text.find("[[strategies]]").unwrap());
    let tail = &rest[rest.find("[risk]").unwrap()..];
    // The sim's thread goes with the sim.
    let threads = head.find("[[threads]]\nname = \"sim\"").unwrap();
    let after = threads + head[threads..].find("\n\n").unwrap();
    let head = format!("{}{}", &head[..threads], &head[after..]);
    let load = "[[strategies]]\nkind = \"probe\"\nvenue = \"binance\"\nsymbol = \"BTCUSDT\"\nevery = 2\nqty = \"0.001\"\n\n\
                [[strategies]]\nkind = \"maker\"\nvenue = \"binance\"\nsymbol = \"ETHUSDT\"\noffset_pct = 0.02\n\
                requote_pct = 0.01\norder_notional_usd = 200\ninventory_max_usd = 1000\n\n";
    let text = format!("{head}{}{tail}", if strategies { load } else { "" });
    std::fs::write(&path, text).unwrap();
    path
}

fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap_or_else(|| panic!("not a decimal: {value}")).parse::<Decimal>().unwrap().normalize()
}

/// Asset to free plus locked, by the venue.
pub fn venue_balances(sim: &Sim) -> BTreeMap<String, Decimal> {
    let account = sim.signed("/api/v3/account");
    let rows = account["balances"].as_array().unwrap().iter();
    rows.map(|b| (b["asset"].as_str().unwrap().to_owned(), (decimal(&b["free"]) + decimal(&b["locked"])).normalize()))
        .filter(|(_, total)| !total.is_zero())
        .collect()
}

pub fn engine_balances(daemon: &Daemon) -> BTreeMap<String, Decimal> {
    let portfolio = daemon.get("portfolio").unwrap();
    let rows = portfolio["balances"].as_array().unwrap().iter();
    rows.map(|b| (b["asset"].as_str().unwrap().to_owned(), decimal(&b["total"])))
        .filter(|(_, total)| !total.is_zero())
        .collect()
}

/// Symbol to net quantity, by the engine.
pub fn engine_positions(daemon: &Daemon) -> BTreeMap<String, Decimal> {
    let positions = daemon.get("positions").unwrap();
    let rows = positions["positions"].as_array().unwrap().iter();
    rows.map(|p| (p["symbol"].as_str().unwrap().to_owned(), decimal(&p["quantity"]))).collect()
}

pub fn open_ids(orders: &Value) -> Vec<String> {
    let mut ids: Vec<String> = orders.as_array().unwrap().iter().map(client_id).collect();
    ids.sort();
    ids
}

fn client_id(order: &Value) -> String {
    let id = order.get("clientOrderId").or_else(|| order.get("client_order_id"));
    id.and_then(Value::as_str).unwrap_or_else(|| panic!("no client order id in {order}")).to_owned()
}

#[test]
fn after_every_kill_the_engine_holds_what_the_venue_holds() {
    let dir = tempfile::tempdir().unwrap();
    let sim = Sim::start(
        dir.path(),
        &["--seed", "9", "--balance", "USDT=100000", "--balance", "BTC=1", "--balance", "ETH=10"],
    );
    let (key, secret) = sim.key();
    let envs = [("KILL9_KEY", key.as_str()), ("KILL9_SECRET", secret.as_str())];
    let opening = venue_balances(&sim);
    let mut killed_with_open_orders = 0;
    let mut filled = 0;
    for round in 0..ROUNDS {
        let port = free_port();
        let mut trading = Daemon::start(&pointed_at(&sim, dir.path(), port, true), port, &envs);
        trading.ready();
        let placed = wait_for("orders", || {
            let placed = trading.get("status")?["run_counts"]["orders_placed"].as_u64()?;
            (placed > 5).then_some(placed)
        });
        assert!(placed > 0);
        // One order that certainly rests when the engine dies, besides those of the strategies.
        let far =
            r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"type":"limit","price":90000}"#;
        let (status, reply) = trading.post(far);
        assert_eq!((status, reply["data"]["status"].as_str()), (200, Some("new")), "{reply}");
        // A different moment each time.
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..400)));
        filled += trading.get("status").map_or(0, |s| s["run_counts"]["fills"].as_u64().unwrap_or(0));
        trading.process.signal("KILL");
        trading.process.wait();
        drop(trading);
        killed_with_open_orders += usize::from(!open_ids(&sim.signed("/api/v3/openOrders")).is_empty());

        let port = free_port();
        let mut resting = Daemon::start(&pointed_at(&sim, dir.path(), port, false), port, &envs);
        resting.ready();
        wait_until(|| {
            let orders = resting.get("orders").ok_or("the engine to answer")?;
            let venue = (venue_balances(&sim), open_ids(&sim.signed("/api/v3/openOrders")));
            let engine = (engine_balances(&resting), open_ids(&orders["orders"]));
            let positions = engine_positions(&resting);
            // What the engine bought is what the venue's account has more than at the start.
            let bought = ["BTC", "ETH"].map(|asset| {
                let now = venue.0.get(asset).copied().unwrap_or_default();
                let was = opening.get(asset).copied().unwrap_or_default();
                let held = positions.get(&format!("{asset}USDT")).copied().unwrap_or_default();
                (now - was, held)
            });
            if venue == engine && bought.iter().all(|(more, held)| more == held) {
                return Ok(());
            }
            Err(format!("agreement in round {round}\nvenue {venue:?}\nengine {engine:?}\nbought {bought:?}"))
        });
        resting.process.signal("KILL");
        resting.process.wait();
    }
    assert_eq!(killed_with_open_orders, ROUNDS);
    assert!(filled > 20, "{filled} fills are too few to prove anything");
}
