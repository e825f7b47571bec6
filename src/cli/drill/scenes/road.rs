//! The road to live: what is kept from a live venue, and what a stage allows. The live venue is simulated too.

use super::super::desk::{Desk, Setup, Told};
use super::super::house::{Base, Venues};
use serde_json::json;

pub(super) fn setup() -> Setup {
    let venues = Venues { binance: false, alpaca: false, balances: &[], strict: false };
    Setup { base: Base::Fast, venues, config: String::new(), stored_key: false }
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
    desk.must(&json!({ "action": "revert-to-paper", "who": "ann", "why": "a drill" }))?;
    desk.deny_soon("NOT_LIVE", "buy 0.001 BTCUSDT at the live venue after revert-to-paper", &order("0.001"));
    Ok(())
}
