//! What the venue has is not what the engine's fills made of it: a ledger changed behind its back.

use super::super::desk::{Desk, Setup, Told};
use super::crypto;
use crate::core::alarm::AlarmKind;
use serde_json::json;

pub(super) fn setup() -> Setup {
    crypto("[risk]\nreconcile_interval_ms = 10_000\n")
}

pub(super) fn play(desk: &mut Desk) -> Told<()> {
    desk.price("ETHUSDT", 4_000.0)?;
    desk.buy("ETHUSDT", "0.1")?;
    desk.venue("/ledger", &json!({ "asset": "USDT", "change": -1_000 }))?;
    desk.alert(AlarmKind::ReconcileDifference, "1,000 USDT leave the account by nobody's order");
    // Between two comparisons: the venue's next statement is that of the close.
    desk.venue("/ledger", &json!({ "asset": "ETH", "change": "0.5" }))?;
    desk.must(&json!({ "action": "close-position", "symbol": "ETHUSDT" }))?;
    desk.alert(AlarmKind::StillHeld, "0.1 ETHUSDT closed, and the venue shows 0.5 ETH more than it should");
    Ok(())
}
