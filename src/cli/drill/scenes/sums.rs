//! Numbers that do not fit: an account worth more than can be counted.

use super::super::desk::{Desk, Setup, Told};
use super::crypto;
use crate::core::alarm::AlarmKind;
use serde_json::json;

pub(super) fn setup() -> Setup {
    let mut setup = crypto("");
    setup.venues.balances = &["USDT=90000000000", "BTC=9000000000", "ETH=1"];
    setup
}

pub(super) fn play(desk: &mut Desk) -> Told<()> {
    desk.alert(AlarmKind::Overflow, "an account of 90,000,000,000 USDT and 9,000,000,000 BTC");
    let buy = json!({ "symbol": "ETHUSDT", "side": "buy", "type": "market", "quantity": "0.01" });
    desk.deny_as("CANNOT_EVALUATE", "buy 0.01 ETHUSDT, the account's worth not to be counted", &buy);
    Ok(())
}
