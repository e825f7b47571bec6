//! The gate before strategies: they are asked no more kindly than people, and one that runs away is stopped.

use super::super::desk::{Desk, Setup, Told};
use super::super::rows::{Kind, Row};
use super::crypto;
use crate::cli::ask::client::AskError;
use crate::core::alarm::AlarmKind;
use serde_json::json;

pub(super) fn setup() -> Setup {
    // The first sends what it may not, the second buys and sells as fast as it can, the third buys again for what the
    // commission took.
    crypto(
        "[risk]\nrunaway_executions_max = 1\nrunaway_window_ms = 60_000\n\
         [[strategies]]\nkind = \"probe\"\nvenue = \"binance\"\nsymbol = \"BTCUSDT\"\nevery = 5\nqty = \"0.001\"\n\
         allow = [\"ETHUSDT\"]\n\
         [[strategies]]\nkind = \"ema_cross\"\nvenue = \"binance\"\nsymbol = \"ETHUSDT\"\nfast = 1\nslow = 2\n\
         sample_ms = 20\norder_notional_usd = 100\n\
         [[strategies]]\nkind = \"probe\"\nvenue = \"binance\"\nsymbol = \"ETHUSDT\"\nevery = 5\nqty = \"0.01\"\n",
    )
}

pub(super) fn play(desk: &mut Desk) -> Told<()> {
    desk.denied_to_a_strategy(
        "INSTRUMENT_NOT_ALLOWED",
        "strategy 1 buys 0.001 BTCUSDT, and may trade ETHUSDT alone",
        "strategy 1",
    );
    runaway(desk)?;
    desk.limits(&json!({ "strategy_exposure_max_usd": 1, "runaway_executions_max": 10_000 }))?;
    desk.denied_to_a_strategy(
        "GROSS_EXPOSURE_ABOVE_MAX",
        "strategy 2 buys ETHUSDT, strategy_exposure_max_usd 1",
        "strategy 2",
    );
    desk.trading("reducing", &json!({ "scope": "strategy", "strategy": 2 }))?;
    desk.denied_to_a_strategy("TRADING_NOT_ACTIVE", "strategy 2 buys ETHUSDT, strategy 2 reducing", "strategy 2");
    Ok(())
}

/// Bought once too often in one direction: halted by itself, and let loose by nobody without a name.
fn runaway(desk: &mut Desk) -> Told<()> {
    desk.alert(AlarmKind::Runaway, "strategy 3 executed twice in one direction, runaway_executions_max 1");
    let nameless = desk.act(&json!({ "action": "resume", "scope": "strategy", "strategy": 3 }));
    let refused = matches!(&nameless, Err(AskError::Refused { code, .. }) if code == "INVALID_FIELD");
    let said = nameless.err().map_or_else(|| "it was resumed".to_owned(), |error| error.to_string());
    desk.rows.push(Row::new(
        Kind::Stop,
        "RESUME_NEEDS_A_NAME",
        "resume of strategy 3 without who and why",
        said,
        refused,
    ));
    let by_name = json!({ "action": "resume", "scope": "strategy", "strategy": 3, "who": "drill", "why": "a drill" });
    desk.must(&by_name).map(|_| ())
}
