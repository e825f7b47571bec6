//! The emergency stop: it cancels, flattens and halts, outlives a restart, and only a named person takes it back.

use super::super::desk::{Desk, Setup, Told};
use super::{confirmed, crypto};
use crate::cli::ask::client::AskError;
use crate::core::alarm::AlarmKind;
use serde_json::{Value, json};

pub(super) fn setup() -> Setup {
    crypto("")
}

pub(super) fn play(desk: &mut Desk) -> Told<()> {
    desk.price("BTCUSDT", 100_000.0)?;
    desk.price("ETHUSDT", 4_000.0)?;
    desk.buy("BTCUSDT", "0.01")?;
    desk.buy("ETHUSDT", "0.1")?;
    for n in 0..4 {
        let price = (90_000 + n).to_string();
        desk.place(
            &json!({ "symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.001", "price": price }),
        )?;
    }
    let stopped = desk.must(&json!({ "action": "emergency-stop", "flatten": true, "reason": "a drill" }));
    let stopped = stopped.and_then(|told| match (&told["complete"], told["trading_state"].as_str()) {
        (Value::Bool(true), Some("halted")) => {
            Ok(format!("halted: {} orders cancelled, {} positions flattened", told["cancels"], told["flattens"]))
        }
        _ => Err(told.to_string()),
    });
    desk.note("EMERGENCY_STOP", "emergency-stop with flatten, 4 orders open and 2 positions held", stopped);
    desk.alert(AlarmKind::EmergencyStop, "emergency-stop over the API");
    let left = confirmed(desk, "").and_then(|_| venue_has_nothing(desk));
    desk.note("STOP_ASKS_THE_VENUE", "the venue's own list of open orders after it", left);
    let buy = json!({ "symbol": "BTCUSDT", "side": "buy", "type": "market", "quantity": "0.001" });
    desk.deny_as("TRADING_NOT_ACTIVE", "buy 0.001 BTCUSDT after the emergency stop", &buy);

    desk.end_engine();
    desk.start()?;
    let stays = desk.act(&placing(&buy)).err().map(|error| error.to_string());
    let stays = stays.filter(|said| said.starts_with("TRADING_NOT_ACTIVE"));
    desk.note(
        "STOP_OUTLIVES_A_KILL",
        "buy 0.001 BTCUSDT after a kill and a restart",
        stays.ok_or("it passed".to_owned()),
    );
    let nameless = match desk.act(&json!({ "action": "resume" })) {
        Err(AskError::Refused { code, message, .. }) if code == "INVALID_FIELD" => Ok(message),
        other => Err(format!("{other:?}")),
    };
    desk.note("RESUME_NEEDS_A_NAME", "resume without who and why", nameless);
    desk.resume()?;
    let again = desk.buy("BTCUSDT", "0.001").map(|()| "it filled".to_owned());
    desk.note("RESUME_TRADES_AGAIN", "buy 0.001 BTCUSDT after resume by name and reason", again);
    by_file(desk)?;
    by_command(desk)?;
    one_venue_down(desk)
}

/// `tollgate halt`, as an operator types it.
fn by_command(desk: &mut Desk) -> Told<()> {
    let said = desk.command(&["halt", "--reason", "a drill"])?;
    let stopped = confirmed(desk, "").map(|stop| format!("{} ({stop})", said.trim()));
    desk.note("STOP_BY_COMMAND", "tollgate halt", stopped);
    desk.resume()
}

/// The stop file: it stops as long as it is there, and its removal alone resumes nothing.
fn by_file(desk: &mut Desk) -> Told<()> {
    let file = desk.data().join("STOP");
    let told = |error: std::io::Error| format!("{}: {error}", file.display());
    std::fs::write(&file, "").map_err(told)?;
    let stopped = confirmed(desk, "stop-file");
    desk.note("STOP_BY_FILE", "a file named STOP in the engine's folder", stopped);
    std::fs::remove_file(&file).map_err(told)?;
    // It is taken back until the engine has seen that the file is gone.
    let resumed = desk.wait("a resumption that lasts", || {
        desk.resume().ok()?;
        let buy = json!({ "symbol": "BTCUSDT", "side": "buy", "type": "market", "quantity": "0.001" });
        desk.place(&buy).ok()
    });
    resumed.map(|_| ())
}

/// A stop while the venue is away: what is not confirmed is said, and asked for until it is.
fn one_venue_down(desk: &mut Desk) -> Told<()> {
    desk.place(&json!({ "symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.001", "price": "90000" }))?;
    desk.venue("/faults", &json!({ "delay_ms": 60_000 }))?;
    desk.venue("/disconnect", &json!({}))?;
    desk.wait("the venue to be down", || (desk.get("status")?["venues"][0]["state"] != "ready").then_some(()))?;
    desk.must(&json!({ "action": "emergency-stop", "reason": "a drill, the venue away" }))?;
    desk.alert(AlarmKind::StopUnconfirmed, "emergency-stop while the venue does not answer");
    desk.venue("/clear", &json!({}))?;
    let stopped = confirmed(desk, "");
    desk.note("STOP_IS_CONFIRMED_LATER", "the venue back after a stop that it had not heard of", stopped);
    let left = venue_has_nothing(desk);
    desk.note("STOP_ASKS_THE_VENUE", "the venue's own list of open orders after that", left);
    Ok(())
}

/// Nobody says in time that he lives.
pub(super) fn setup_heartbeat() -> Setup {
    crypto("[emergency]\nheartbeat_max_ms = 10_000\n")
}

pub(super) fn play_heartbeat(desk: &mut Desk) -> Told<()> {
    let beaten = desk.must(&json!({ "action": "heartbeat", "who": "drill" }));
    let resting = json!({ "symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.001", "price": "90000" });
    let placed = desk.place(&resting);
    desk.note("HEARTBEAT_KEEPS_TRADING", "heartbeat, then an order", beaten.and(placed).map(|_| "it rests".to_owned()));
    let stopped = confirmed(desk, "engine");
    desk.note("STOP_BY_MISSED_HEARTBEAT", "no heartbeat for heartbeat_max_ms 10000", stopped);
    let left = venue_has_nothing(desk);
    desk.note("STOP_ASKS_THE_VENUE", "the venue's own list of open orders after the missed heartbeat", left);
    Ok(())
}

fn placing(order: &Value) -> Value {
    let mut body = order.clone();
    body["action"] = "place-order".into();
    body
}

fn venue_has_nothing(desk: &Desk) -> Told<String> {
    let open = desk.binance_says("/api/v3/openOrders")?;
    match open.as_array() {
        Some(open) if open.is_empty() => Ok("the venue has no open order".to_owned()),
        _ => Err(format!("the venue still has {open}")),
    }
}
