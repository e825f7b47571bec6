//! The emergency stop: it cancels, flattens and halts, outlives a restart, and only a named person takes it back.

use super::super::desk::{Desk, Setup, Told};
use super::crypto;
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
    let left = venue_has_nothing(desk);
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
