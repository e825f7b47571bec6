//! The account's side: what it is worth and may do (§5, §6), what it holds (§11), its past fills (§15), and the venue's
//! clock and calendar (§13).

use super::decode::DecodeError;
use super::json::{self, Source, unescaped};
use super::names::Names;
use super::orders::{price, side};
use super::value::{Extra, Value, uuid};
use super::{MONEY_SCALE, PX_SCALE, QTY_SCALE};
use crate::domain::{ExecId, ExecReport, ExecType, InstrumentId, Nanos, Price, Qty, Usd, VenueOrderId};

/// What the account is worth and may do.
///
/// The day-trade rule ended on 2026-07-06 (§5.2): `pattern_day_trader`, `daytrade_count` and `daytrading_buying_power` are
/// passed over where an older set-up still sends them, because absent means not limited and present does not say whether
/// the next order would be one too many. There the venue's own refusal (403, 40310100) is the answer: the order is
/// rejected with its words, is not sent again, and goes to no other venue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    pub number: String,
    /// `ACTIVE` is the only one that trades.
    pub status: String,
    pub cash: Usd,
    pub equity: Usd,
    pub buying_power: Usd,
    /// For crypto, and what else cannot be bought on margin.
    pub non_marginable_buying_power: Usd,
    pub initial_margin: Usd,
    pub maintenance_margin: Usd,
    /// 1, 2 or 4.
    pub multiplier: u8,
    pub shorting_enabled: bool,
    /// `crypto_status` is `ACTIVE`, or is not told.
    pub crypto_active: bool,
    pub blocked: bool,
    /// The `suspend_trade` setting.
    pub suspended: bool,
}

impl Account {
    /// Orders may be sent; or a sentence that says why not.
    pub fn can_trade(&self) -> Result<(), String> {
        if self.status != "ACTIVE" {
            Err(format!("the account is {}, not ACTIVE", self.status))
        } else if self.blocked {
            Err("the account is blocked by the venue".to_owned())
        } else if self.suspended {
            Err("suspend_trade is set in the account's settings".to_owned())
        } else {
            Ok(())
        }
    }
}

/// Money counts for no more than it is: what stands behind the eighth decimal is cut off downwards.
fn money(value: Value, name: &'static str) -> Result<Usd, DecodeError> {
    value.fixed(MONEY_SCALE, Extra::Floor, name).map(Usd)
}

pub fn account(body: &[u8]) -> Result<Account, DecodeError> {
    let mut account = Account { multiplier: 1, crypto_active: true, ..Account::default() };
    let mut seen = [false; 3];
    json::body(body, |json| {
        json.map(|json, name| {
            let value = json.value()?;
            if value.is_unset() {
                return Ok(());
            }
            match name {
                "account_number" => account.number = unescaped(value.text("account_number")?),
                "status" => account.status = unescaped(value.text("status")?),
                "crypto_status" => account.crypto_active = value.text("crypto_status")? == "ACTIVE",
                "cash" => (account.cash, seen[0]) = (money(value, "cash")?, true),
                "equity" => (account.equity, seen[1]) = (money(value, "equity")?, true),
                "buying_power" => (account.buying_power, seen[2]) = (money(value, "buying_power")?, true),
                "non_marginable_buying_power" => {
                    account.non_marginable_buying_power = money(value, "non_marginable_buying_power")?;
                }
                "initial_margin" => account.initial_margin = money(value, "initial_margin")?,
                "maintenance_margin" => account.maintenance_margin = money(value, "maintenance_margin")?,
                "multiplier" => {
                    let multiplier = value.fixed(0, Extra::Floor, "multiplier")?;
                    account.multiplier = u8::try_from(multiplier).map_err(|_| DecodeError::BadNumber("multiplier"))?;
                }
                "shorting_enabled" => account.shorting_enabled = value.flag("shorting_enabled")?,
                "trading_blocked" => account.blocked |= value.flag("trading_blocked")?,
                "account_blocked" => account.blocked |= value.flag("account_blocked")?,
                "trade_suspended_by_user" => account.suspended = value.flag("trade_suspended_by_user")?,
                _ => {}
            }
            Ok(())
        })
    })?;
    match seen.iter().position(|seen| !seen) {
        Some(at) => Err(DecodeError::MissingField(["cash", "equity", "buying_power"][at])),
        None => Ok(account),
    }
}

/// The account's settings (§6). Those that went away with the day-trade rule are not read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configuration {
    pub suspend_trade: bool,
    pub no_shorting: bool,
    pub fractional_trading: bool,
    pub max_margin_multiplier: u8,
}

pub fn configuration(body: &[u8]) -> Result<Configuration, DecodeError> {
    let mut found = Configuration { fractional_trading: true, ..Configuration::default() };
    json::body(body, |json| {
        json.map(|json, name| {
            let value = json.value()?;
            match name {
                "suspend_trade" => found.suspend_trade = value.flag("suspend_trade")?,
                "no_shorting" => found.no_shorting = value.flag("no_shorting")?,
                "fractional_trading" => found.fractional_trading = value.flag("fractional_trading")?,
                "max_margin_multiplier" => {
                    let multiplier = value.fixed(0, Extra::Floor, "max_margin_multiplier")?;
                    found.max_margin_multiplier =
                        u8::try_from(multiplier).map_err(|_| DecodeError::BadNumber("max_margin_multiplier"))?;
                }
                _ => {}
            }
            Ok(())
        })
    })?;
    Ok(found)
}

/// A holding (§11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// `UNKNOWN` where it is not configured: held by somebody else's doing.
    pub instrument: InstrumentId,
    pub symbol: String,
    /// Below zero where it is short.
    pub qty: Qty,
    /// Not held by open orders.
    pub available: Qty,
    pub avg_entry_px: Price,
}

fn position<'a, S: Source<'a>>(source: &mut S, names: &Names) -> Result<Position, DecodeError> {
    let (mut symbol, mut qty, mut available) = ("", None, None);
    let (mut avg_entry_px, mut short) = (Price::ZERO, false);
    source.map(|source, name| {
        let value = source.value()?;
        match name {
            "symbol" => symbol = value.text("symbol")?,
            "qty" => qty = Some(value.fixed(QTY_SCALE, Extra::Refuse, "qty")?),
            "qty_available" if !value.is_unset() => {
                available = Some(value.fixed(QTY_SCALE, Extra::Refuse, "qty_available")?);
            }
            "avg_entry_price" if !value.is_unset() => {
                avg_entry_px = Price(value.fixed(PX_SCALE, Extra::Floor, "avg_entry_price")?);
            }
            "side" => short = value.text("side")? == "short",
            _ => {}
        }
        Ok(())
    })?;
    let qty = qty.ok_or(DecodeError::MissingField("qty"))?;
    // The sign is documented; a service that leaves it to the side is understood all the same.
    let sign = if short { -1 } else { 1 };
    let signed = |qty: i64| Qty(qty.saturating_abs() * sign);
    Ok(Position {
        instrument: names.instrument(symbol),
        symbol: unescaped(symbol),
        qty: signed(qty),
        available: signed(available.unwrap_or(qty)),
        avg_entry_px,
    })
}

pub fn positions(body: &[u8], names: &Names) -> Result<Vec<Position>, DecodeError> {
    json::body(body, |json| json::items(json, |json| position(json, names)))
}

/// A page of past executions, oldest first where they were asked for so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fills {
    /// As the stream would have told them, with the venue's order id and no order of ours.
    pub fills: Vec<ExecReport>,
    /// Fills and other activities on the page.
    pub items: usize,
    /// The last activity: the next page begins behind it.
    pub last: String,
}

/// Reads a page of activities. Those that are no fills are counted and passed over.
pub fn activities(body: &[u8], names: &Names) -> Result<Fills, DecodeError> {
    json::body(body, |json| {
        let mut page = Fills::default();
        json.list(|json| {
            let (mut id, mut is_fill) = ("", false);
            let mut report = ExecReport {
                venue: names.venue,
                instrument: InstrumentId::UNKNOWN,
                exec: ExecType::Trade,
                ..ExecReport::default()
            };
            let (mut order_id, mut symbol) = (VenueOrderId::NONE, "");
            // Members of other activities have these names and other contents: they are read once it is known.
            let (mut px, mut qty, mut who, mut when) = (Value::Null, Value::Null, Value::Null, Value::Null);
            json.map(|json, name| {
                let value = json.value()?;
                match name {
                    "id" => id = value.text("id")?,
                    "activity_type" => is_fill = value.text("activity_type")? == "FILL",
                    "order_id" if !value.is_unset() => order_id = value.order_id("order_id")?,
                    "symbol" if !value.is_unset() => symbol = value.text("symbol")?,
                    "price" => px = value,
                    "qty" => qty = value,
                    "side" => who = value,
                    "transaction_time" => when = value,
                    _ => {}
                }
                Ok(())
            })?;
            page.items += 1;
            page.last = unescaped(id);
            if is_fill {
                let (_, execution) = id.split_once("::").ok_or(DecodeError::BadField("id"))?;
                let (hi, lo) = uuid(execution).ok_or(DecodeError::BadField("id"))?;
                report.exec_id = ExecId { hi, lo };
                report.venue_order_id = order_id;
                report.instrument = names.instrument(symbol);
                report.last_px = price(px, "price")?;
                report.last_qty = Qty(qty.amount(QTY_SCALE, "qty")?);
                report.side = side(who.text("side")?)?;
                report.ts_event_ns = when.time("transaction_time")?;
                page.fills.push(report);
            }
            Ok(())
        })?;
        Ok(page)
    })
}

/// The venue's clock (§13): coarse, and no time service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VenueClock {
    /// The middle of the second, where it is told in whole ones.
    pub now_ns: Nanos,
    /// What it is told by: a second, or 0 where there are fractions.
    pub grain_ns: Nanos,
    pub is_open: bool,
    pub next_open_ns: Nanos,
    pub next_close_ns: Nanos,
}

const SECOND_NS: Nanos = 1_000_000_000;

pub fn clock(body: &[u8]) -> Result<VenueClock, DecodeError> {
    let (mut now, mut is_open, mut open, mut close) = (None, None, 0, 0);
    json::body(body, |json| {
        json.map(|json, name| {
            let value = json.value()?;
            match name {
                "timestamp" => now = Some(value.time("timestamp")?),
                "is_open" => is_open = Some(value.flag("is_open")?),
                "next_open" => open = value.time("next_open")?,
                "next_close" => close = value.time("next_close")?,
                _ => {}
            }
            Ok(())
        })
    })?;
    let told_ns = now.ok_or(DecodeError::MissingField("timestamp"))?;
    let grain_ns = if told_ns % SECOND_NS == 0 { SECOND_NS } else { 0 };
    Ok(VenueClock {
        now_ns: told_ns.saturating_add(grain_ns / 2),
        grain_ns,
        is_open: is_open.ok_or(DecodeError::MissingField("is_open"))?,
        next_open_ns: open,
        next_close_ns: close,
    })
}

/// One trading day (§13). Days without trading are absent from the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub date: jiff::civil::Date,
    /// The core session; half days close at 13:00 New York.
    pub open_ns: Nanos,
    pub close_ns: Nanos,
    /// With pre-market and after hours; the core session where the venue does not say.
    pub session_open_ns: Nanos,
    pub session_close_ns: Nanos,
}

/// `HH:MM` or `HHMM`.
fn hours(text: &str) -> Option<(i8, i8)> {
    let (hour, minute) = text.split_once(':').or_else(|| text.split_at_checked(2))?;
    Some((hour.parse().ok()?, minute.parse().ok()?))
}

/// Reads the calendar. Its times are New York's, whatever daylight saving does.
pub fn calendar(body: &[u8]) -> Result<Vec<Session>, DecodeError> {
    json::body(body, |json| json::items(json, session))
}

fn session<'a, S: Source<'a>>(source: &mut S) -> Result<Session, DecodeError> {
    let (mut date, mut times) = (None, [None; 4]);
    source.map(|source, name| {
        let value = source.value()?;
        let at = match name {
            "date" => {
                let text = value.text("date")?;
                date = Some(text.parse::<jiff::civil::Date>().map_err(|_| DecodeError::BadField("date"))?);
                return Ok(());
            }
            "open" => 0,
            "close" => 1,
            "session_open" => 2,
            "session_close" => 3,
            _ => return Ok(()),
        };
        if !value.is_unset() {
            times[at] = Some(hours(value.text("time of day")?).ok_or(DecodeError::BadField("time of day"))?);
        }
        Ok(())
    })?;
    let date = date.ok_or(DecodeError::MissingField("date"))?;
    let moment = |(hour, minute): (i8, i8)| {
        let time = jiff::civil::Time::new(hour, minute, 0, 0).ok()?;
        let zoned = date.to_datetime(time).in_tz("America/New_York").ok()?;
        i64::try_from(zoned.timestamp().as_nanosecond()).ok()
    };
    let at = |n: usize, name: &'static str| {
        let time = times[n].ok_or(DecodeError::MissingField(name))?;
        moment(time).ok_or(DecodeError::BadField(name))
    };
    let (open_ns, close_ns) = (at(0, "open")?, at(1, "close")?);
    Ok(Session {
        date,
        open_ns,
        close_ns,
        session_open_ns: if times[2].is_some() { at(2, "session_open")? } else { open_ns },
        session_close_ns: if times[3].is_some() { at(3, "session_close")? } else { close_ns },
    })
}

/// A moment in the form that queries take.
pub fn time_text(ns: Nanos) -> String {
    // Every number of nanoseconds in 64 bits is a moment that jiff knows.
    jiff::Timestamp::from_nanosecond(i128::from(ns)).map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues::alpaca::value::nanos;

    #[test]
    fn a_session_is_new_yorks_on_both_sides_of_daylight_saving() {
        let day = |date: &str, close: &str| {
            let body = format!(
                "[{{\"date\":\"{date}\",\"open\":\"09:30\",\"close\":\"{close}\",\"session_open\":\"0400\",\"session_close\":\"2000\"}}]"
            );
            calendar(body.as_bytes()).unwrap()[0]
        };
        let at = |text: &str| nanos(text).unwrap();
        let summer = day("2026-07-02", "16:00");
        assert_eq!((summer.open_ns, summer.close_ns), (at("2026-07-02T13:30:00Z"), at("2026-07-02T20:00:00Z")));
        let half = day("2026-11-27", "13:00");
        assert_eq!((half.open_ns, half.close_ns), (at("2026-11-27T14:30:00Z"), at("2026-11-27T18:00:00Z")));
        assert_eq!(half.session_close_ns, at("2026-11-28T01:00:00Z"));
        assert_eq!(
            calendar(b"[{\"date\":\"2026-11-27\",\"open\":\"09:30\"}]"),
            Err(DecodeError::MissingField("close"))
        );
        assert_eq!(time_text(at("2026-11-27T14:30:00Z")), "2026-11-27T14:30:00Z");
    }

    #[test]
    fn a_clock_that_is_told_in_whole_seconds_is_somewhere_within_one() {
        let told = |time: &str| {
            let clock = clock(format!("{{\"timestamp\":\"{time}\",\"is_open\":true}}").as_bytes()).unwrap();
            (clock.now_ns, clock.grain_ns)
        };
        let at = |text: &str| nanos(text).unwrap();
        assert_eq!(told("2025-06-24T14:15:22-04:00"), (at("2025-06-24T18:15:22.5Z"), SECOND_NS));
        assert_eq!(told("2025-06-24T14:15:22.25-04:00"), (at("2025-06-24T18:15:22.25Z"), 0));
    }

    #[test]
    fn an_account_trades_only_where_nothing_bars_it() {
        let account = |status: &str, more: &str| {
            let body = format!(
                "{{\"status\":\"{status}\",\"cash\":\"-5.5\",\"equity\":\"10\",\"buying_power\":\"20\"{more}}}"
            );
            super::account(body.as_bytes()).unwrap()
        };
        let plain = account("ACTIVE", "");
        assert_eq!((plain.cash, plain.can_trade()), (Usd(-550_000_000), Ok(())));
        for (status, more) in [
            ("ONBOARDING", ""),
            ("ACTIVE", ",\"trading_blocked\":true"),
            ("ACTIVE", ",\"account_blocked\":true,\"trading_blocked\":false"),
            ("ACTIVE", ",\"trade_suspended_by_user\":true"),
        ] {
            assert!(account(status, more).can_trade().is_err(), "{status} {more}");
        }
        let missing = super::account(b"{\"cash\":\"1\",\"equity\":null}");
        assert_eq!(missing, Err(DecodeError::MissingField("equity")));
    }
}
