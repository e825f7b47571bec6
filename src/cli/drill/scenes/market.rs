//! What goes wrong with the market, the connection, the clock and the key.

use super::super::desk::{Desk, KeyIn, Setup, Told};
use super::super::places::with_instrument;
use super::crypto;
use crate::core::alarm::AlarmKind;
use serde_json::json;

pub(super) fn setup() -> Setup {
    // Hours that are never now: of the other half of the day.
    let hour = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).hour();
    let (start, end) = if hour < 12 { ("18:00", "20:00") } else { ("02:00", "04:00") };
    let config = format!(
        "[risk.trading_hours]\nstart = {start:?}\nend = {end:?}\ntimezone = \"UTC\"\nholidays = \"none\"\n\
         half_day_end = {end:?}\n\
         [alerts]\nfeed_stale_ms = 500\nvenue_down_ms = 500\nescalate_after_ms = 2_000\n\
         [credentials]\nrotate_after_days = 1\nrotate_alert_days = 1\n{}",
        with_instrument("trading_hours = true")
    );
    let mut setup = Setup { key: KeyIn::Store, ..crypto(config) };
    setup.venues.strict = true;
    setup
}

pub(super) fn play(desk: &mut Desk) -> Told<()> {
    let buy = json!({ "symbol": "BTCUSDT", "side": "buy", "type": "market", "quantity": "0.001" });
    desk.alert(AlarmKind::CredentialExpiring, "a stored key that is to be exchanged within a day");
    let sol = json!({ "symbol": "SOLUSDT", "side": "buy", "type": "market", "quantity": "1" });
    desk.deny_soon("OUTSIDE_TRADING_HOURS", "buy 1 SOLUSDT outside of trading_hours", &sol);

    desk.price("BTCUSDT", 100_000.0)?;
    // The window forgets the way there, so that the order is denied for the jump that comes.
    desk.limits(&json!({ "price_move_max_pct": 1 }))?;
    desk.wait("the price to count as calm", || desk.place(&buy).ok())?;
    desk.price("BTCUSDT", 103_000.0)?;
    desk.deny_as("PRICE_JUMPED", "buy 0.001 BTCUSDT after a move of 3 %, price_move_max_pct 1", &buy);
    desk.limits(&json!({ "price_move_max_pct": 100 }))?;

    desk.limits(&json!({ "quote_age_max_ms": 400 }))?;
    desk.venue("/faults", &json!({ "market_frozen": true }))?;
    desk.deny_soon("QUOTE_STALE", "buy 0.001 BTCUSDT, the market streams silent", &buy);
    desk.alert(AlarmKind::FeedStale, "the market streams silent");
    escalated(desk);
    // A connection made anew, on which nothing comes: no price that could be relied on.
    desk.venue("/disconnect", &json!({ "only": "streams" }))?;
    desk.deny_soon("CANNOT_EVALUATE", "buy 0.001 BTCUSDT, the streams cut and silent after it", &buy);
    desk.venue("/faults", &json!({ "market_frozen": false }))?;
    desk.limits(&json!({ "quote_age_max_ms": 20_000 }))?;
    desk.ready()?;

    desk.venue("/clock", &json!({ "offset_ms": 2_000 }))?;
    desk.alert(AlarmKind::ClockOff, "the venue's clock 2 s ahead");
    desk.venue("/clear", &json!({}))?;

    busy(desk);

    desk.end_venues();
    desk.deny_soon("VENUE_NOT_READY", "buy 0.001 BTCUSDT, the venue gone", &buy);
    desk.alert(AlarmKind::VenueDown, "the venue gone");
    acknowledged(desk);
    Ok(())
}

/// Orders one after another, until most of what the venue allows in ten seconds is used.
fn busy(desk: &mut Desk) {
    let resting = json!({ "action": "place-order", "symbol": "BTCUSDT", "side": "buy", "type": "limit",
        "quantity": "0.001", "price": "90000" });
    for _ in 0..400 {
        // Once the limit is near, what opens is held back: that is the aim and no fault.
        let _ = desk.act(&resting);
        if desk.alert_of(AlarmKind::RateLimitNear).is_some() {
            break;
        }
    }
    desk.alert(AlarmKind::RateLimitNear, "orders one after another, of which the venue takes 100 in ten seconds");
}

/// One that nobody acknowledges grows graver, and is told as such.
fn escalated(desk: &mut Desk) {
    let found = desk.wait("the alert to grow graver", || {
        let alert = desk.alert_of(AlarmKind::FeedStale)?;
        (alert["escalated"] == true).then(|| format!("{} by now", alert["severity"]))
    });
    desk.note("ALERT_ESCALATES", "FEED_STALE that nobody acknowledged for 2 s", found);
}

fn acknowledged(desk: &mut Desk) {
    let found = desk.alert_of(AlarmKind::VenueDown).ok_or_else(|| "there is no such alert".to_owned());
    let found = found.and_then(|alert| {
        desk.must(&json!({ "action": "acknowledge-alert", "alert_id": alert["alert_id"], "who": "drill" }))
    });
    let by = |alert: serde_json::Value| match alert["acknowledged_by"].as_str() {
        Some("drill") => Ok("acknowledged by drill, and it stands until its cause is gone".to_owned()),
        _ => Err(format!("not acknowledged: {alert}")),
    };
    desk.note("ALERT_ACKNOWLEDGED", "acknowledge-alert of VENUE_DOWN", found.and_then(by));
}
