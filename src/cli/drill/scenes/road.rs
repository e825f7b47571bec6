//! The road to live: what is kept from a live venue, and what a stage allows. The live venue is simulated too.

use super::super::desk::{Desk, KeyIn, Setup, Told};
use super::super::house::{Base, Venues};
use serde_json::json;

pub(super) fn setup() -> Setup {
    let venues = Venues { binance: false, alpaca: false, balances: &[], pairs: &[], strict: false };
    // Of its tenth in stage 1 more is left than one position may take, so that each cap can be met by itself.
    let config = "[transition]\ncapital_usd = 15_000\n".to_owned();
    Setup { base: Base::Fast, venues, config, key: KeyIn::Environment }
}

/// The other caps of a stage, each met by orders that rest one after another.
fn caps(desk: &mut Desk) -> Told<()> {
    for (code, says, usd, symbols) in [
        ("STAGE_CAP_POSITION", "position notional", 400.0, &["BTCUSDT"][..]),
        ("STAGE_CAP_GROSS_EXPOSURE", "gross exposure", 400.0, &["BTCUSDT", "ETHUSDT"][..]),
        ("STAGE_CAP_OPEN_ORDERS", "open orders", 20.0, &["BTCUSDT"][..]),
    ] {
        let mut placed = 0;
        let found = desk.wait(&format!("the cap of {says}"), || {
            let status = desk.get("status")?;
            let symbol = symbols[placed % symbols.len()];
            let mut all = status["instruments"].as_array()?.iter();
            let inst = all.find(|inst| inst["symbol"] == symbol && inst["exchange"] == "binance-live")?;
            let bid: f64 = inst["bid"].as_str()?.parse().ok()?;
            // Below the market, each at a price of its own.
            let price = (bid * 0.98).floor() - placed as f64;
            let quantity = (usd / price * 10_000.0).floor() / 10_000.0;
            let order = json!({ "symbol": symbol, "exchange": "binance-live", "side": "buy", "type": "limit",
                "price": price.to_string(), "quantity": quantity.to_string() });
            match desk.place_or_refused(&order) {
                Ok(_) => {
                    placed += 1;
                    None
                }
                Err((code, message)) if code == "STAGE_CAP_REACHED" && message.contains(says) => Some(message),
                Err(_) => None,
            }
        });
        desk.note(code, &format!("orders of {usd} USD at the live venue, one after another"), found);
        desk.must(&json!({ "action": "cancel-all-orders" }))?;
    }
    Ok(())
}

pub(super) fn play(desk: &mut Desk) -> Told<()> {
    let order = |quantity: &str| json!({ "symbol": "BTCUSDT", "exchange": "binance-live", "side": "buy", "type": "market", "quantity": quantity });
    let state = |desk: &Desk, wanted: &str| {
        desk.wait(&format!("the transition to be {wanted}"), || {
            (desk.get("transition-status")?["state"] == wanted).then_some(())
        })
    };
    state(desk, "eligible")?;
    desk.must(&json!({ "action": "initiate-transition", "who": "ann", "why": "a drill" }))?;
    for who in ["ann", "bob"] {
        desk.must(&json!({ "action": "approve-transition", "who": who, "why": "a drill" }))?;
    }
    desk.deny_soon("STAGE_CAP_REACHED", "buy 0.05 BTCUSDT at the live venue in stage 1", &order("0.05"));
    caps(desk)?;
    desk.must(&json!({ "action": "revert-to-paper", "who": "ann", "why": "a drill" }))?;
    desk.deny_soon("NOT_LIVE", "buy 0.001 BTCUSDT at the live venue after revert-to-paper", &order("0.001"));
    Ok(())
}
