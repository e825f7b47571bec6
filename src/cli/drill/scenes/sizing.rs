//! A quantity that is left to the engine: what the trade may lose over the distance of its stop, and the arithmetic shown.

use super::super::desk::{Desk, Setup, Told};
use super::crypto;
use serde_json::{Value, json};

pub(super) fn setup() -> Setup {
    crypto("[risk]\nstop_loss_pct = 2\nrisk_per_trade_pct = 1\n")
}

pub(super) fn play(desk: &mut Desk) -> Told<()> {
    desk.price("BTCUSDT", 100_000.0)?;
    let order = json!({ "symbol": "BTCUSDT", "side": "buy", "type": "limit", "price": "99000", "quantity": "auto" });
    let sized = asked(desk, &order).and_then(|told| by_risk(&told));
    desk.note("AUTO_QUANTITY", "buy auto BTCUSDT limit 99000, risk_per_trade_pct 1, stop_loss_pct 2", sized);
    let without = json!({ "symbol": "BTCUSDT", "side": "buy", "type": "limit", "price": "99000" });
    let sized = asked(desk, &without).and_then(|told| by_risk(&told));
    desk.note("AUTO_QUANTITY", "the same without a quantity", sized);
    desk.limits(&json!({ "maxOrderSize": 1_000 }))?;
    let sized = asked(desk, &order).and_then(|told| cut(&told, 1_000.0));
    desk.note("AUTO_QUANTITY_IS_CUT", "the same with maxOrderSize 1000", sized);
    let placed = desk.place(&order).and_then(|placed| {
        let quantity = number(&placed["quantity"]).ok_or_else(|| placed.to_string())?;
        if quantity * 99_000.0 <= 1_000.0 { Ok(format!("{quantity} rests")) } else { Err(placed.to_string()) }
    });
    desk.note("AUTO_QUANTITY_IS_SENT", "the same placed", placed);
    Ok(())
}

/// The arithmetic, as `validate-order` shows it.
fn asked(desk: &Desk, order: &Value) -> Told<Value> {
    let mut body = order.clone();
    body["action"] = "validate-order".into();
    let told = desk.must(&body)?;
    if told["would_pass"] == true { Ok(told["sizing"].clone()) } else { Err(told.to_string()) }
}

fn number(value: &Value) -> Option<f64> {
    value.as_str()?.parse().ok()
}

fn all(sizing: &Value) -> Option<[f64; 6]> {
    let of = |key: &str| number(&sizing[key]);
    Some([
        of("equity_usd")?,
        of("risk_usd")?,
        of("price")?,
        of("stop_distance_pct")?,
        of("wanted_quantity")?,
        of("quantity")?,
    ])
}

/// Risk over distance, worked out anew, and rounded down to the lot.
fn by_risk(sizing: &Value) -> Told<String> {
    let [equity, risk, price, stop, wanted, quantity] = all(sizing).ok_or_else(|| sizing.to_string())?;
    let ours = equity * 0.01 / (price * 0.02);
    let holds = (risk - equity * 0.01).abs() < 0.01
        && stop == 2.0
        && (wanted - ours).abs() < ours * 1e-6
        && quantity <= wanted
        && wanted - quantity < 0.000_02
        && sizing["bounded_by"] == "risk_per_trade_pct";
    match holds {
        true => Ok(format!("{risk} USD over 2 % of {price} is {wanted}, so {quantity}: loses at most 1 % of {equity}")),
        false => Err(format!("{sizing}, where {ours} was to be")),
    }
}

/// Cut to what a limit has room for.
fn cut(sizing: &Value, room: f64) -> Told<String> {
    let [_, _, price, _, wanted, quantity] = all(sizing).ok_or_else(|| sizing.to_string())?;
    let fills = quantity * price <= room && (quantity + 0.000_02) * price > room;
    match fills && quantity < wanted && sizing["bounded_by"] == "order_notional_max_usd" {
        true => Ok(format!("{wanted} cut to {quantity} at {price} by {}", sizing["bounded_by"])),
        false => Err(sizing.to_string()),
    }
}
