//! What only a venue of equities has: short sales, halts, margin.

use super::super::desk::{Desk, Setup, Told};
use super::super::house::{Base, Venues};
use crate::core::alarm::AlarmKind;
use serde_json::json;

pub(super) fn setup() -> Setup {
    let venues = Venues { binance: false, alpaca: true, balances: &[], strict: false };
    let config = "[alerts]\nbalance_low_pct = 1_000\n".to_owned();
    Setup { base: Base::Loose, venues, config, stored_key: false }
}

pub(super) fn play(desk: &mut Desk) -> Told<()> {
    let order =
        |side: &str, quantity: u32| json!({ "symbol": "AAPL", "side": side, "type": "market", "quantity": quantity });
    desk.deny("SHORT_SALE_NOT_PERMITTED", &order("sell", 1));
    desk.buy("AAPL", "400")?;
    desk.alert(AlarmKind::MarginLow, "buy 400 AAPL with 100,000: equity below ten times the maintenance margin");
    desk.alpaca("/market", &json!({ "symbol": "AAPL", "halted": true }))?;
    desk.deny_soon("INSTRUMENT_NOT_TRADING", "buy 1 AAPL, halted by the exchange", &order("buy", 1));
    Ok(())
}
