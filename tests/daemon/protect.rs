//! Stop loss and take profit over the daemon: asked for over the API, kept over `kill -9`, sent once, and in the end the
//! venue holds what it held before.

use super::kill9::{engine_positions, pointed_at, venue_balances};
use super::sim::Sim;
use super::support::{Daemon, config_edit, free_port, http, wait_until};
use rust_decimal::Decimal;
use serde_json::Value;

fn protection(daemon: &Daemon) -> Option<Value> {
    let positions = daemon.get("positions")?;
    positions["positions"].as_array()?.iter().find(|p| p["symbol"] == "BTCUSDT").map(|p| p["protection"].clone())
}

#[test]
fn a_stop_that_was_set_before_a_kill_closes_what_was_bought_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--seed", "5", "--control", "127.0.0.1:0", "--balance", "USDT=100000", "--balance", "BTC=1"];
    let sim = Sim::start(dir.path(), &args);
    let control = |path: &str, body: &str| {
        let port = sim.text("control_url").rsplit(':').next().unwrap().parse().unwrap();
        assert_eq!(http(port, "POST", path, &[], body).unwrap().0, 200);
    };
    let (key, secret) = sim.key();
    let start = || {
        let port = free_port();
        let path = pointed_at(&sim, dir.path(), port, false);
        // The market stands still for longer than quotes may be old.
        config_edit(&path, &[("quote_age_max_ms = 1_500", "quote_age_max_ms = 600_000")]);
        let daemon = Daemon::start(&path, port, &[("KILL9_KEY", &key), ("KILL9_SECRET", &secret)]);
        wait_until(|| {
            let status = daemon.get("status").ok_or("an answer")?;
            let ready = status["venues"][0]["state"] == "ready" && status["takes_commands"] == true;
            ready.then_some(()).ok_or_else(|| format!("the venue: {}", status["venues"]))
        });
        daemon
    };
    let opening = venue_balances(&sim);
    let mut daemon = start();
    daemon.ready();
    // Nothing moves between the entry and the end of the process.
    control("/faults", r#"{"market_frozen":true}"#);
    let buy = r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.01,"type":"market",
        "stop_loss_percent":0.01,"take_profit_percent":0.01}"#;
    let (status, reply) = daemon.post(buy);
    assert_eq!((status, reply["data"]["status"].as_str()), (200, Some("filled")), "{reply}");
    let set = protection(&daemon).expect("a position");
    let (stop, target) = (set[0]["stop_price"].as_str(), set[0]["target_price"].as_str());
    assert!(stop.is_some() && target.is_some(), "{set}");
    daemon.process.signal("KILL");
    daemon.process.wait();

    let daemon = start();
    let kept = wait_until(|| protection(&daemon).ok_or_else(|| "the position".to_owned()));
    assert_eq!((kept[0]["stop_price"].as_str(), kept[0]["target_price"].as_str()), (stop, target), "{kept}");
    control("/clear", "");
    wait_until(|| {
        let held = engine_positions(&daemon);
        let alerts = daemon.get("alerts").ok_or("alerts")?;
        let flat = held.get("BTCUSDT").is_none_or(|qty| *qty < Decimal::new(1, 4));
        flat.then_some(()).ok_or_else(|| format!("the exit; held {held:?}, alerts {alerts}"))
    });
    let trades = daemon.get("trades").unwrap();
    let sold: Decimal = trades["trades"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|trade| trade["side"] == "sell")
        .map(|trade| trade["quantity"].as_str().unwrap().parse::<Decimal>().unwrap())
        .sum();
    assert!(sold <= Decimal::new(1, 2) && sold > Decimal::new(99, 4), "sold once, less the commission: {sold}");
    let btc = |balances: &std::collections::BTreeMap<String, Decimal>| balances.get("BTC").copied().unwrap_or_default();
    let more = btc(&venue_balances(&sim)) - btc(&opening);
    assert!(more >= Decimal::ZERO && more < Decimal::new(1, 4), "the venue holds what it held before: {more}");
}
