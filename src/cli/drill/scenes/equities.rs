//! What only a venue of equities has: short sales, halts, margin.

use super::super::desk::{Desk, KeyIn, Setup, Told};
use super::super::house::{Base, Venues};
use super::confirmed;
use crate::core::alarm::AlarmKind;
use serde_json::json;

pub(super) fn setup() -> Setup {
    let venues = Venues { binance: false, alpaca: true, balances: &[], pairs: &[], strict: false };
    let config = "[alerts]\nbalance_low_pct = 1_000\non_critical = \"stop\"\n".to_owned();
    Setup { base: Base::Loose, venues, config, key: KeyIn::Environment }
}

pub(super) fn play(desk: &mut Desk) -> Told<()> {
    let order =
        |side: &str, quantity: u32| json!({ "symbol": "AAPL", "side": side, "type": "market", "quantity": quantity });
    desk.deny("SHORT_SALE_NOT_PERMITTED", &order("sell", 1));
    desk.alpaca("/market", &json!({ "symbol": "AAPL", "halted": true }))?;
    desk.deny_soon("INSTRUMENT_NOT_TRADING", "buy 1 AAPL, halted by the exchange", &order("buy", 1));
    desk.alpaca("/market", &json!({ "symbol": "AAPL", "halted": false }))?;
    let large = order("buy", 400);
    let placed = desk.wait("the exchange to trade AAPL again", || desk.place(&large).ok())?;
    desk.filled(&placed)?;
    desk.alert(AlarmKind::MarginLow, "buy 400 AAPL with 100,000: equity below ten times the maintenance margin");
    let stopped = confirmed(desk, "engine");
    desk.note("STOP_BY_ALERT", "MARGIN_LOW is critical, on_critical stop", stopped);
    Ok(())
}
