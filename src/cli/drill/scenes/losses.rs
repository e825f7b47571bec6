//! What losses do: the loss of the day, the fall from the high-water mark, losses in a row, stops that are reached.

use super::super::desk::{Desk, Setup, Told};
use super::crypto;
use crate::core::alarm::AlarmKind;
use serde_json::json;

pub(super) fn setup() -> Setup {
    crypto("[risk]\ndaily_loss_max_usd = 1_000\ndaily_loss_halt_pct = 300\n")
}

pub(super) fn play(desk: &mut Desk) -> Told<()> {
    let order = |quantity: &str| json!({ "symbol": "BTCUSDT", "side": "buy", "type": "market", "quantity": quantity });
    desk.price("BTCUSDT", 100_000.0)?;
    desk.price("ETHUSDT", 4_000.0)?;
    // 100,000 of BTC, a fee of 100: each 100 of the price is as much of the loss.
    desk.buy("BTCUSDT", "1")?;
    for (price, kind, said) in [
        (99_550.0, AlarmKind::DailyLossHalf, "a loss of some 550 of 1,000: BTCUSDT from 100,000 to 99,550"),
        (99_250.0, AlarmKind::DailyLossNear, "a loss of some 850 of 1,000: BTCUSDT at 99,250"),
        (98_950.0, AlarmKind::DailyLoss, "a loss of some 1,150 of 1,000: BTCUSDT at 98,950"),
    ] {
        desk.price("BTCUSDT", price)?;
        desk.alert(kind, said);
    }
    desk.deny_as("TRADING_NOT_ACTIVE", "buy 0.001 BTCUSDT after the loss of the day", &order("0.001"));
    // A resumption is taken back by the next quote; without one, the rule itself is what answers.
    desk.venue("/faults", &json!({ "market_frozen": true }))?;
    desk.wait("the quotes to stop", || {
        let status = desk.get("status")?;
        let mut all = status["instruments"].as_array()?.iter();
        all.all(|inst| inst["quote_age_ms"].as_u64().is_some_and(|age| age > 200)).then_some(())
    })?;
    let hit = "buy 0.001 BTCUSDT, resumed by a person though the loss stands";
    desk.deny_soon_after("DAILY_LOSS_REACHED", hit, &order("0.001"), |desk| {
        // Where it fails, so does what follows.
        let _ = desk.resume();
    });
    desk.venue("/faults", &json!({ "market_frozen": false }))?;
    desk.price("BTCUSDT", 96_800.0)?;
    desk.alert(AlarmKind::DailyLossHalt, "a loss of some 3,300 of 1,000: BTCUSDT at 96,800");

    // From here on the loss of the day is nothing, and the fall counts from where the person resumes.
    desk.limits(&json!({ "maxDailyLoss": 10_000_000, "drawdown_reduce_pct": 0.05, "drawdown_halt_pct": 0.1 }))?;
    desk.resume()?;
    desk.price("BTCUSDT", 96_000.0)?;
    desk.alert(AlarmKind::Drawdown, "a fall of some 800, drawdown_reduce_pct 0.05");
    desk.price("BTCUSDT", 95_000.0)?;
    desk.alert(AlarmKind::DrawdownHalt, "a fall of some 1,800, drawdown_halt_pct 0.1");
    desk.limits(&json!({ "drawdown_reduce_pct": 100, "drawdown_halt_pct": 100, "loss_streak_max": 1 }))?;
    desk.resume()?;
    let sold = desk.place(&json!({ "symbol": "BTCUSDT", "side": "sell", "type": "market", "quantity": "0.01" }))?;
    desk.filled(&sold)?;
    desk.alert(AlarmKind::LossStreak, "sell 0.01 BTCUSDT at a loss, loss_streak_max 1");
    desk.limits(&json!({ "loss_streak_max": 1_000_000 }))?;
    desk.resume()?;
    stopped_out(desk)
}

/// Stops that are reached: one that goes out, one that cannot, one too small for the venue.
fn stopped_out(desk: &mut Desk) -> Told<()> {
    let protected = |symbol: &str, quantity: &str, away: u32| json!({ "symbol": symbol, "side": "buy", "type": "market", "quantity": quantity, "stop_loss_percent": away });
    let placed = desk.place(&protected("ETHUSDT", "0.1", 1))?;
    desk.filled(&placed)?;
    // 6.40, of which less than 5 are left at the stop: below what the venue takes.
    let placed = desk.place(&protected("ETHUSDT", "0.0016", 17))?;
    desk.filled(&placed)?;
    let before = desk.position("ETHUSDT").unwrap_or_default();
    desk.price("ETHUSDT", 3_900.0)?;
    desk.alert(AlarmKind::ProtectionTriggered, "ETHUSDT from 4,000 to 3,900 with a stop at 1 %");
    let closed = desk.wait("the position to be closed at its stop", || {
        let held = desk.position("ETHUSDT").unwrap_or_default();
        (held < before - 0.09).then(|| format!("{before} ETH became {held}"))
    });
    desk.note("STOP_LOSS_CLOSES", "a stop loss of 1 % on 0.1 ETHUSDT", closed);
    desk.price("ETHUSDT", 3_000.0)?;
    desk.alert(AlarmKind::NotFlattened, "a stop reached by 0.0016 ETHUSDT at 3,000, the venue's least being 5 USDT");

    let placed = desk.place(&protected("ETHUSDT", "0.1", 1))?;
    desk.filled(&placed)?;
    desk.trading("halted", &json!({}))?;
    desk.price("ETHUSDT", 2_900.0)?;
    desk.alert(AlarmKind::ProtectionBlocked, "a stop reached while a person has trading halted");
    Ok(())
}
