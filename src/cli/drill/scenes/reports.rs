//! What the venue says of orders, and must not be believed blindly: the private stream is made to say what is not true.

use super::super::desk::{Desk, Setup, Told};
use super::crypto;
use crate::core::alarm::AlarmKind;
use crate::core::protect::PROTECTIONS_MAX;
use serde_json::{Value, json};

pub(super) fn setup() -> Setup {
    crypto("")
}

pub(super) fn play(desk: &mut Desk) -> Told<()> {
    desk.price("BTCUSDT", 100_000.0)?;
    desk.price("ETHUSDT", 4_000.0)?;
    let resting = json!({ "symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.001", "price": "90000" });
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(desk.place(&resting)?);
    }
    let id = |order: &Value| order["venue_client_order_id"].as_str().unwrap_or_default().to_owned();
    let (first, second, third) = (id(&ids[0]), id(&ids[1]), id(&ids[2]));

    say(desk, &json!({ "c": first, "s": "SOLUSDT", "x": "NEW", "X": "NEW" }))?;
    desk.alert(AlarmKind::UnknownInstrument, "a report on SOLUSDT, which is not configured");
    let (head, tail) = second.split_at(second.len().saturating_sub(6));
    let unknown = format!("{head}{}", if tail == "ffffff" { "fffffe" } else { "ffffff" });
    say(desk, &json!({ "c": unknown, "x": "NEW", "X": "NEW" }))?;
    desk.alert(AlarmKind::UnknownOrder, "a report on an order of this journal that never was");
    say(desk, &json!({ "c": "somebody-else-1", "i": 987_654_321, "x": "NEW", "X": "NEW" }))?;
    desk.alert(AlarmKind::ForeignOrder, "a report on an order of somebody else's");

    // A commission that nobody can value.
    say(
        desk,
        &json!({ "c": second, "x": "TRADE", "X": "PARTIALLY_FILLED", "l": "0.0001", "L": "90000", "z": "0.0001",
        "Z": "9", "Y": "9", "t": 987_654_321, "n": "0.01", "N": "BNB" }),
    )?;
    desk.alert(AlarmKind::FeeNotValued, "a fill with a commission in BNB, which has no price here");
    // The end of an order with more filled than was told.
    say(desk, &json!({ "c": third, "x": "CANCELED", "X": "CANCELED", "z": "0.0005" }))?;
    desk.alert(AlarmKind::FillsMissing, "an order that ends with 0.0005 filled, of which no fill was told");
    desk.must(&json!({ "action": "cancel-order", "order_id": first }))?;
    say(desk, &json!({ "c": first, "x": "REPLACED", "X": "NEW" }))?;
    desk.alert(AlarmKind::ImpossibleReport, "a report that a cancelled order works again");

    desk.venue("/faults", &json!({ "answer_unknown_after": 1, "report_drop": 1 }))?;
    // Its answer is that nothing is known; the alert is what is wanted.
    let _ = desk.act(&json!({ "action": "place-order", "symbol": "BTCUSDT", "side": "buy", "type": "limit",
        "quantity": "0.001", "price": "91000" }));
    desk.alert(AlarmKind::OrderUnknown, "an order that the venue answers with -1007");
    desk.venue("/clear", &json!({}))?;
    too_many_protected(desk)
}

/// More protected entries than are kept: the next of another instrument goes without, and that is told.
fn too_many_protected(desk: &mut Desk) -> Told<()> {
    let entry = |symbol: &str, quantity: &str| json!({ "symbol": symbol, "side": "buy", "type": "market", "quantity": quantity, "stop_loss_percent": 50 });
    for _ in 0..PROTECTIONS_MAX {
        desk.place(&entry("BTCUSDT", "0.0001"))?;
    }
    desk.place(&entry("ETHUSDT", "0.01"))?;
    desk.alert(AlarmKind::NotProtected, &format!("an entry beside {PROTECTIONS_MAX} that are protected"));
    Ok(())
}

/// An execution report with these members over plausible ones.
fn say(desk: &Desk, members: &Value) -> Told<()> {
    let now = jiff::Timestamp::now().as_millisecond();
    let mut event = json!({
        "e": "executionReport", "E": now, "s": "BTCUSDT", "c": "", "S": "BUY", "o": "LIMIT", "f": "GTC",
        "q": "0.00100000", "p": "90000.00000000", "P": "0.00000000", "F": "0.00000000", "g": -1, "C": "", "x": "NEW",
        "X": "NEW", "r": "NONE", "i": 987_654_320, "l": "0.00000000", "z": "0.00000000", "L": "0.00000000", "n": "0",
        "N": null, "T": now, "t": -1, "I": 987_654_322, "w": true, "m": false, "M": false, "O": now,
        "Z": "0.00000000", "Y": "0.00000000", "Q": "0.00000000", "W": now, "V": "NONE",
    });
    if let (Some(event), Some(members)) = (event.as_object_mut(), members.as_object()) {
        event.extend(members.clone());
    }
    desk.venue("/report", &json!({ "event": event }))
}
