//! Both simulated venues at once: crypto on Binance, an equity on Alpaca, and what a kill leaves of it.

use super::support::{Daemon, config_of_both, free_port, http, wait_for, wait_until};
use rust_decimal::Decimal;
use serde_json::Value;
use std::path::Path;

/// A free port on which the simulated Alpaca listens, so that the test can ask the venue itself.
fn configured(dir: &Path, port: u16, alpaca: u16) -> std::path::PathBuf {
    let listen = format!("listen = \"127.0.0.1:{alpaca}\"\ncash_usd");
    config_of_both(dir, port, &[("listen = \"127.0.0.1:0\"\ncash_usd", &listen)])
}

fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap_or_else(|| panic!("not a decimal: {value}")).parse::<Decimal>().unwrap().normalize()
}

fn position(daemon: &Daemon, symbol: &str) -> Decimal {
    let positions = daemon.get("positions").unwrap();
    let found = positions["positions"].as_array().unwrap().iter().find(|p| p["symbol"] == symbol);
    found.map_or(Decimal::ZERO, |p| decimal(&p["quantity"]))
}

/// The venue's own word. The made-up key follows from the seed; it is read from what the venue's state file names.
fn venue_says(dir: &Path, alpaca: u16, path: &str) -> Value {
    let state = std::fs::read_to_string(dir.join("data/sim-alpaca.json")).unwrap();
    let line = state.lines().nth(1).unwrap();
    let commit: Value = serde_json::from_str(&line[9..]).unwrap();
    let key = commit["keys"][0].as_str().unwrap().to_owned();
    let secret = tollgate::runtime::simulated::alpaca_account(1, false, 1).secret;
    let headers = [("APCA-API-KEY-ID", key.as_str()), ("APCA-API-SECRET-KEY", secret.as_str())];
    let (status, body) = http(alpaca, "GET", path, &headers, "").expect("the venue answers");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn place(daemon: &Daemon, rest: &str) -> Value {
    let body = format!(r#"{{"action":"place-order","symbol":"AAPL","exchange":"alpaca",{rest}}}"#);
    let (status, reply) = daemon.post(&body);
    assert_eq!(status, 200, "{reply}");
    reply["data"].clone()
}

#[test]
fn both_venues_trade_at_once_and_a_kill_leaves_the_engine_with_what_alpaca_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (port, alpaca) = (free_port(), free_port());
    let mut daemon = Daemon::start(&configured(dir.path(), port, alpaca), port, &[]);
    let status = daemon.ready();
    let names: Vec<_> = status["venues"].as_array().unwrap().iter().map(|v| v["name"].clone()).collect();
    assert_eq!(names, ["binance", "alpaca"], "{status}");

    place(&daemon, r#""side":"buy","quantity":3,"type":"market""#);
    wait_for("the market order to fill", || (position(&daemon, "AAPL") == Decimal::from(3)).then_some(()));
    let resting = place(&daemon, r#""side":"buy","quantity":1,"type":"limit","price":210"#);
    let gone = place(&daemon, r#""side":"buy","quantity":2,"type":"limit","price":211"#);
    let cancel = format!(r#"{{"action":"cancel-order","order_id":{}}}"#, gone["order_id"]);
    let (code, reply) = daemon.post(&cancel);
    assert_eq!(code, 200, "{reply}");
    let open = |dir: &Path| venue_says(dir, alpaca, "/v2/orders?status=open").as_array().unwrap().len();
    wait_for("one open order at the venue", || (open(dir.path()) == 1).then_some(()));
    // Crypto beside it.
    let crypto = r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.01,"type":"market"}"#;
    assert_eq!(daemon.post(crypto).0, 200);

    daemon.process.signal("KILL");
    daemon.process.wait();
    drop(daemon);

    let port = free_port();
    let mut again = Daemon::start(&configured(dir.path(), port, alpaca), port, &[]);
    again.ready();
    wait_until(|| {
        let held = venue_says(dir.path(), alpaca, "/v2/positions");
        let held = held.as_array().unwrap().iter().find(|p| p["symbol"] == "AAPL").map(|p| decimal(&p["qty"]));
        let orders = again.get("orders").ok_or("the engine to answer")?;
        let ours: Vec<_> = orders["orders"].as_array().unwrap().iter().filter(|o| o["symbol"] == "AAPL").collect();
        let known = position(&again, "AAPL");
        if held == Some(known) && known == Decimal::from(3) && ours.len() == 1 && open(dir.path()) == 1 {
            assert_eq!(ours[0]["order_id"], resting["order_id"]);
            return Ok(());
        }
        Err(format!("agreement: the venue holds {held:?}, the engine {known}, {ours:?}"))
    });
    let portfolio = again.get("portfolio").unwrap();
    let assets: Vec<_> = portfolio["balances"].as_array().unwrap().iter().map(|b| b["asset"].clone()).collect();
    assert!(assets.contains(&"USDT".into()) && assets.contains(&"USD".into()), "{portfolio}");
    // Of each asset over both venues, and what it is worth.
    for asset in portfolio["assets"].as_array().unwrap() {
        let held = portfolio["balances"].as_array().unwrap().iter().filter(|row| row["asset"] == asset["asset"]);
        let held: Decimal = held.map(|row| decimal(&row["total"])).sum();
        assert_eq!((decimal(&asset["total"]), asset["value_usd"].is_string()), (held.normalize(), true), "{portfolio}");
    }
}
