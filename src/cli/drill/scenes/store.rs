//! A trade store that cannot be written: somebody else holds its file.

use super::super::desk::{Desk, Setup, Told};
use super::crypto;
use crate::core::alarm::AlarmKind;

pub(super) fn setup() -> Setup {
    crypto("[store]\nenabled = true\nfile = \"trades.db\"\n")
}

pub(super) fn play(desk: &mut Desk) -> Told<()> {
    let file = desk.data().join("trades.db");
    let told = |error: rusqlite::Error| format!("{}: {error}", file.display());
    desk.wait("the trade store's file", || file.exists().then_some(()))?;
    let other = rusqlite::Connection::open(&file).map_err(told)?;
    // The engine writes there too: the lock is had between two of its rows.
    desk.wait("the lock of the trade store", || other.execute_batch("BEGIN IMMEDIATE").ok())?;
    desk.buy("BTCUSDT", "0.001")?;
    desk.alert(AlarmKind::StoreBehind, "the file of the trade store locked by another program");
    other.execute_batch("ROLLBACK").map_err(told)?;
    let cleared = desk.wait("the store to be level again", || {
        desk.alert_of(AlarmKind::StoreBehind)?["cleared_at"].as_str().map(|at| format!("cleared at {at}"))
    });
    desk.note("STORE_CATCHES_UP", "the lock of the trade store released", cleared);
    Ok(())
}
