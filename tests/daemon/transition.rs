//! From paper through approval to the first stage with money, on the simulated venue, and back after a loss; shown by
//! `transition-status` at each step. The configuration is the shipped fast-clock one.

use super::support::{Daemon, config_of, free_port, wait_until};
use serde_json::{Value, json};
use std::path::Path;

struct Desk(Daemon);

impl Desk {
    fn start(dir: &Path) -> Desk {
        Desk::start_with(dir, &[])
    }

    fn start_with(dir: &Path, edits: &[(&str, &str)]) -> Desk {
        let port = free_port();
        Desk(Daemon::start(&config_of("fast-transition.toml", dir, port, edits), port, &[]))
    }

    fn status(&self) -> Value {
        wait_until(|| self.0.get("transition-status").ok_or("transition-status to answer".to_owned()))
    }

    fn wait(&self, state: &str) -> Value {
        wait_until(|| {
            let status = self.status();
            if status["state"] == state { Ok(status) } else { Err(format!("{state}: {status:#}")) }
        })
    }

    fn ask(&self, action: &str, who: &str) -> (u16, Value) {
        self.0.post(&json!({ "action": action, "who": who, "why": "a test" }).to_string())
    }

    fn live_order(&self, side: &str, quantity: &str) -> (u16, Value) {
        let order = json!({ "action": "place-order", "symbol": "BTCUSDT", "exchange": "binance-live", "side": side,
            "type": "market", "quantity": quantity });
        self.0.post(&order.to_string())
    }

    fn code(answer: &(u16, Value)) -> &str {
        answer.1["error"]["code"].as_str().unwrap_or("none")
    }
}

#[test]
fn paper_is_approved_to_stage_one_and_a_loss_takes_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::start(dir.path());

    // On paper: every milestone is shown, and no order opens where money is.
    let status = desk.wait("paper");
    assert_eq!(status["milestones"].as_array().unwrap().len(), 6, "{status:#}");
    assert_eq!(
        (&status["live_configured"], &status["live_venues"][0]["exchange"]),
        (&json!(true), &json!("binance-live"))
    );
    let early = desk.live_order("buy", "0.001");
    assert_eq!(early.0, 422, "{early:?}");
    let early = desk.ask("initiate-transition", "ann");
    assert_eq!((early.0, Desk::code(&early)), (409, "TRANSITION_REFUSED"), "{early:?}");
    assert!(!early.1["error"]["details"]["reasons"].as_array().unwrap().is_empty(), "{early:?}");

    // The evidence comes in; a person asks, another approves.
    let eligible = desk.wait("eligible");
    assert!(eligible["milestones"].as_array().unwrap().iter().all(|m| m["met"] == true), "{eligible:#}");
    let asked = desk.ask("initiate-transition", "ann");
    assert_eq!((asked.0, &asked.1["data"]["state"]["state"]), (200, &json!("pending_approval")), "{asked:?}");
    assert_eq!(desk.status()["state"], "pending_approval");
    let first = desk.ask("approve-transition", "ann");
    assert_eq!((first.0, &first.1["data"]["state"]["approvals"]), (200, &json!(1)), "{first:?}");
    let again = desk.ask("approve-transition", "ann");
    assert_eq!((again.0, Desk::code(&again)), (409, "TRANSITION_REFUSED"), "{again:?}");
    let second = desk.ask("approve-transition", "bob");
    assert_eq!((second.0, &second.1["data"]["state"]["stage"]), (200, &json!(1)), "{second:?}");

    // Live in stage 1: a session of its own, and the stage's caps.
    let status = wait_until(|| {
        let status = desk.status();
        if status["live_venues"][0]["session"] == "ready" {
            Ok(status)
        } else {
            Err(format!("a live session: {status:#}"))
        }
    });
    assert_eq!((&status["state"], &status["stage"]), (&json!("live"), &json!(1)), "{status:#}");
    let order = wait_until(|| {
        let order = desk.live_order("buy", "0.001");
        if order.0 == 200 { Ok(order) } else { Err(format!("a live order: {order:?}")) }
    });
    assert_eq!(order.1["data"]["exchange"], "binance-live", "{order:?}");
    let large = desk.live_order("buy", "0.05");
    assert_eq!((large.0, Desk::code(&large)), (422, "STAGE_CAP_REACHED"), "{large:?}");
    let trades = |mode: &str| desk.0.get(&format!("trades&mode={mode}")).unwrap()["trades"].as_array().unwrap().clone();
    assert!(trades("live").iter().all(|t| t["exchange"] == "binance-live") && !trades("live").is_empty());
    assert!(trades("paper").iter().all(|t| t["exchange"] == "binance"));

    // The strategies trade live by their twins, and the same on paper beside it: both are told, side by side.
    let apart = wait_until(|| {
        let apart = desk.status()["live_against_paper"].clone();
        let fills = |side: &str| apart[format!("{side}_fills")].as_u64().unwrap();
        if fills("live") > 0 && fills("paper") > 0 { Ok(apart) } else { Err(format!("fills of both: {apart:#}")) }
    });
    assert!(apart["live_slippage_pct"].is_string() && apart["paper_slippage_pct"].is_string(), "{apart:#}");

    // Losses, by fees: bought and closed until the fall from the stage's best is too deep.
    let reverted = wait_until(|| {
        let status = desk.status();
        // The state is the core's; the step with its cause is told by the judge, which reads a moment later.
        if status["state"] == "reverted" && status["history"][0]["change"] == "revert" {
            return Ok(status);
        }
        desk.live_order("buy", "0.005");
        let close = json!({ "action": "close-position", "symbol": "BTCUSDT", "exchange": "binance-live" });
        desk.0.post(&close.to_string());
        Err(format!("the loss to be too much: {status:#}"))
    });
    let last = &reverted["history"][0];
    assert_eq!((&last["change"], &last["from"]["state"]), (&json!("revert"), &json!("live")), "{last:#}");
    assert!(last["cause"].as_str().unwrap().starts_with("live profit fell by "), "{last:#}");
    let steps: Vec<&str> =
        reverted["history"].as_array().unwrap().iter().rev().map(|step| step["change"].as_str().unwrap()).collect();
    assert_eq!(steps, ["milestones_met", "initiate", "approval", "approve", "revert"]);

    // The event stream tells the same steps.
    let heard = super::events::hear(desk.0.port, "types=transition&from=1&follow=false", |_| false);
    let changes: Vec<&str> = heard.iter().filter_map(|event| event["data"]["change"].as_str()).collect();
    let taken: Vec<&str> = heard
        .iter()
        .filter(|event| event["data"]["refused"].is_null())
        .filter_map(|event| event["data"]["change"].as_str())
        .collect();
    assert_eq!(taken, steps, "{changes:?}");
    assert_eq!(heard.last().unwrap()["data"]["to"]["state"], "reverted", "{heard:#?}");

    // Nothing of it is left open, nothing opens, and a restart does not bring it back.
    wait_until(|| {
        let (orders, positions) = (desk.0.get("orders").unwrap(), desk.0.get("positions").unwrap());
        let of_live = |list: &Value| -> Vec<Value> {
            list.as_array().unwrap().iter().filter(|row| row["exchange"] == "binance-live").cloned().collect()
        };
        // A commission in the coin leaves less than a lot.
        let dust = |row: &Value| row["quantity"].as_str().unwrap().parse::<f64>().unwrap().abs() < 0.000_1;
        let open = of_live(&orders["orders"]);
        let held: Vec<Value> = of_live(&positions["positions"]).into_iter().filter(|row| !dust(row)).collect();
        if open.is_empty() && held.is_empty() { Ok(()) } else { Err(format!("an end of {open:?} and {held:?}")) }
    });
    assert_eq!(desk.live_order("buy", "0.001").0, 422);
    let live = desk.0.get("performance&mode=live").unwrap();
    assert!(live["summary"]["trades"].as_u64().unwrap() > 0, "{live:#}");
    desk.0.process.signal("TERM");
    let mut desk = desk;
    assert!(desk.0.process.wait().success());
    drop(desk);
    let again = Desk::start(dir.path());
    let status = wait_until(|| {
        let status = again.status();
        if status["history"].as_array().is_some_and(|h| h.len() >= 5) { Ok(status) } else { Err(format!("{status:#}")) }
    });
    assert_eq!(status["history"][0]["change"], "revert", "{status:#}");
    assert_ne!(status["state"], "live");
}

/// Alpaca beside Binance, on paper and live, both on the simulated venue.
const ALPACA_TOO: &str = r#"
[[threads]]
name = "gateway-alpaca"
agents = ["gateway-alpaca", "gateway-alpaca-live"]
wait = "park"
park_max_us = 1_000

[[venues]]
name = "alpaca"
kind = "alpaca"
account = "sim"
streams = ["quote"]
connect_timeout_ms = 5_000
request_timeout_ms = 10_000
read_timeout_ms = 30_000
reconnect_min_ms = 100
reconnect_max_ms = 30_000
frame_max_kib = 1_024

[[venues]]
name = "alpaca-live"
kind = "alpaca"
environment = "live"
paper = "alpaca"
account = "sim"
streams = ["quote"]
connect_timeout_ms = 5_000
request_timeout_ms = 10_000
read_timeout_ms = 30_000
reconnect_min_ms = 100
reconnect_max_ms = 30_000
frame_max_kib = 1_024

[[instruments]]
venue = "alpaca"
symbol = "AAPL"
base = "AAPL"
quote = "USD"
trading_hours = false

[[instruments]]
venue = "alpaca-live"
symbol = "AAPL"
base = "AAPL"
quote = "USD"
trading_hours = false

[sim.alpaca]
listen = "127.0.0.1:0"
cash_usd = 100_000
live_cash_usd = 10_000
hours = "open"

[credentials]"#;

#[test]
fn alpaca_is_live_by_the_same_evidence_approval_and_caps_and_goes_back_with_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::start_with(
        dir.path(),
        &[("\n[credentials]", ALPACA_TOO), ("quote_age_max_ms = 1_500", "quote_age_max_ms = 60_000")],
    );
    let session = |status: &Value| {
        let venues = status["live_venues"].as_array().unwrap();
        venues.iter().find(|venue| venue["exchange"] == "alpaca-live").unwrap()["session"].clone()
    };
    let order = |side: &str, quantity: &str| {
        let order = json!({ "action": "place-order", "symbol": "AAPL", "exchange": "alpaca-live", "side": side,
            "type": "market", "quantity": quantity });
        desk.0.post(&order.to_string())
    };
    let eligible = desk.wait("eligible");
    assert_eq!((session(&eligible), order("buy", "1").0), (json!("down"), 422), "{eligible:#}");
    for (action, who) in [("initiate-transition", "ann"), ("approve-transition", "ann"), ("approve-transition", "bob")]
    {
        assert_eq!(desk.ask(action, who).0, 200);
    }
    wait_until(|| {
        let status = desk.status();
        if session(&status) == "ready" { Ok(()) } else { Err(format!("a live session at Alpaca: {status:#}")) }
    });
    // 500 dollars an order: one share, and not five.
    let bought = wait_until(|| {
        let bought = order("buy", "1");
        if bought.0 == 200 { Ok(bought) } else { Err(format!("a live order: {bought:?}")) }
    });
    assert_eq!(bought.1["data"]["exchange"], "alpaca-live", "{bought:?}");
    let large = order("buy", "5");
    assert_eq!((large.0, Desk::code(&large)), (422, "STAGE_CAP_REACHED"), "{large:?}");
    let held = || {
        let positions = desk.0.get("positions").unwrap()["positions"].clone();
        let of_it = |row: &&Value| row["exchange"] == "alpaca-live" && row["quantity"] != "0";
        positions.as_array().unwrap().iter().find(of_it).cloned()
    };
    wait_until(|| held().map(|_| ()).ok_or("the share".to_owned()));

    assert_eq!(desk.ask("revert-to-paper", "ann").0, 200);
    desk.wait("reverted");
    assert_eq!(order("buy", "1").0, 422);
    wait_until(|| held().map_or(Ok(()), |row| Err(format!("the share to be sold: {row}"))));
}
