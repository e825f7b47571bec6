//! Threads that hang for real: the simulated venue stands still, and shares the thread of an agent of the engine.

use super::super::desk::{Desk, KeyIn, Setup, Told};
use super::super::house::{Base, Venues};
use super::confirmed;
use crate::core::alarm::AlarmKind;
use serde_json::json;

/// The venue shares the thread of `agent`; the others have their own.
fn setup_with(agent: &str) -> Setup {
    let venues = Venues { binance: false, alpaca: false, balances: &[], pairs: &[], strict: false };
    let threads: String = ["feed", "core", "gateway-binance", "journal"]
        .iter()
        .map(|name| {
            let with = if *name == agent { ", \"sim\"" } else { "" };
            format!("[[threads]]\nname = {name:?}\nagents = [{name:?}{with}]\nwait = \"park\"\npark_max_us = 1_000\n")
        })
        .collect();
    let config = format!("{threads}[emergency]\nwatchdog_max_ms = 1_000\n");
    Setup { base: Base::Inside, venues, config, key: KeyIn::Environment }
}

/// The gateway's thread: the core can be asked.
pub(super) fn setup() -> Setup {
    setup_with("gateway-binance")
}

pub(super) fn play(desk: &mut Desk) -> Told<()> {
    let buy = json!({ "symbol": "BTCUSDT", "side": "buy", "type": "market", "quantity": "0.001" });
    desk.buy("BTCUSDT", "0.001")?;
    desk.venue("/hang", &json!({ "ms": 4_000 }))?;
    let stopped = confirmed(desk, "watchdog");
    desk.note("STOP_BY_WATCHDOG", "the thread of a gateway stands still for 4 s, watchdog_max_ms 1000", stopped);
    desk.alert(AlarmKind::EmergencyStop, "a thread that does not turn");
    desk.deny_as("TRADING_NOT_ACTIVE", "buy 0.001 BTCUSDT after the watchdog's stop", &buy);
    desk.resume()
}

/// The core's own thread: nothing can be asked of it any more.
pub(super) fn setup_core() -> Setup {
    setup_with("core")
}

pub(super) fn play_core(desk: &mut Desk) -> Told<()> {
    let buy = json!({ "symbol": "BTCUSDT", "side": "buy", "type": "market", "quantity": "0.001" });
    desk.buy("BTCUSDT", "0.001")?;
    desk.venue("/hang", &json!({ "ms": 60_000 }))?;
    let ended = desk.engine_ended().and_then(|code| match code {
        70 => Ok("the engine ended with exit code 70".to_owned()),
        other => Err(format!("it ended with {other}")),
    });
    desk.note("HUNG_CORE_ENDS_THE_ENGINE", "the core's thread stands still, watchdog_max_ms 1000", ended);
    desk.start()?;
    let stopped = confirmed(desk, "watchdog");
    desk.note("WATCHDOG_STOP_OUTLIVES_A_RESTART", "the engine started again after its core hung", stopped);
    desk.deny_as("TRADING_NOT_ACTIVE", "buy 0.001 BTCUSDT, started again after the core hung", &buy);
    desk.resume()?;
    let again = desk.buy("BTCUSDT", "0.001").map(|()| "it filled".to_owned());
    desk.note("RESUME_TRADES_AGAIN", "buy 0.001 BTCUSDT after resume by name and reason", again);
    Ok(())
}
