//! What the account may do and when its market is open: its flags (§5), its owner's settings (§6) and the calendar (§13),
//! asked for at the start and with every reconciliation, and told to the core where they have changed.
//!
//! An account that the venue takes no orders from bars them at the gate with the venue's reason; a switched-off short
//! sale or fraction is taken out of the instruments. An answer to the settings or the calendar that is a refusal leaves
//! what the account itself says, and the configured hours: the key may not ask.

use super::AlpacaGateway;
use crate::core::event::{Body, Input};
use crate::core::risk::{Calendar, CalendarSource, SESSIONS, Session};
use crate::domain::{Instrument, Margin, Nanos, Text, Usd};
use crate::venues::alpaca::account::{self, Account, Configuration};
use crate::venues::alpaca::assets::{Asset, Terms};
use crate::venues::alpaca::{DecodeError, PX_SCALE, QTY_SCALE, request};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

/// Days that the calendar is asked for: more sessions than the core keeps.
const DAYS: i32 = 12;
/// The calendar is asked for again after so long.
const CALENDAR_EVERY_NS: Nanos = 6 * 3_600_000_000_000;
/// One that is not to be had, or cannot be read, is asked for again after this, and after twice as long each time.
const CALENDAR_RETRY_NS: Nanos = 60_000_000_000;
/// What it may be moved by without being told anew: the venue's clock is measured with each reconciliation.
const OFFSET_MOVED_NS: Nanos = 1_000_000_000;
const MARKET_ZONE: &str = "America/New_York";

/// What is known of the account, its assets and its market's days.
#[derive(Default)]
pub(super) struct Standing {
    account: Option<Flags>,
    settings: Option<Configuration>,
    /// As listed, in the order of `Names::wanted`, and the instruments that were told of them.
    assets: Vec<Asset>,
    pub instruments: Vec<Instrument>,
    /// Why the core was told that no orders are taken; empty: it was not.
    barred: String,
    days: Option<Days>,
    calendar_after: Nanos,
    /// How often in a row there was no calendar to be had.
    calendar_failures: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Flags {
    shorting: bool,
    crypto: bool,
}

/// The calendar as it was answered, and the clock that it was told by.
struct Days {
    first: Date,
    until_ns: Nanos,
    sessions: Vec<account::Session>,
    told_offset_ns: Nanos,
}

impl Standing {
    /// Everything is asked for anew before the next connection.
    pub fn forget(&mut self) {
        self.account = None;
        self.settings = None;
        self.assets.clear();
        self.instruments.clear();
        self.calendar_after = 0;
    }

    pub fn knows_account(&self) -> bool {
        self.account.is_some()
    }

    pub fn fractions_extended(&self, symbol: &str) -> bool {
        self.assets.iter().any(|asset| asset.symbol == symbol && asset.fractional_extended)
    }

    pub fn knows_settings(&self) -> bool {
        self.settings.is_some()
    }
}

impl AlpacaGateway {
    /// What account and settings make of the instruments; `None` before both are known.
    fn terms(&self) -> Option<Terms> {
        let (flags, settings) = (self.standing.account?, self.standing.settings.as_ref()?);
        Some(Terms {
            venue: self.config.names.venue,
            shorting: flags.shorting && !settings.no_shorting && settings.max_margin_multiplier != 1,
            fractions: settings.fractional_trading,
            crypto: flags.crypto,
            crypto_fee_ppm: self.config.crypto_fee_ppm,
        })
    }

    pub(super) fn is_informed(&self) -> bool {
        self.terms().is_some() && self.standing.instruments.len() == self.config.names.wanted.len()
    }

    /// The key was refused: no order is sent that would only be refused as well. The account is asked for again, and its
    /// first answer ends this.
    pub(super) fn key_refused(&mut self) {
        self.account_due = true;
        self.tell_barred("the venue refuses the key".to_owned());
    }

    fn tell_barred(&mut self, why: String) {
        if why == self.standing.barred {
            return;
        }
        match why.as_str() {
            "" => tracing::info!(venue = %self.config.name, "the venue takes orders from the account again"),
            why => tracing::error!(venue = %self.config.name, why, "the venue will refuse orders"),
        }
        let (venue, text) = (self.config.names.venue, Text::new(&why));
        self.reports.say(Body::Barred { venue, text });
        self.standing.barred = why;
    }

    /// The account's flags, from every answer that has them.
    pub(super) fn judge(&mut self, account: &Account) {
        let flags =
            Flags { shorting: account.shorting_enabled && account.multiplier >= 2, crypto: account.crypto_active };
        let changed = self.standing.account.replace(flags) != Some(flags);
        self.tell_barred(account.can_trade().err().unwrap_or_default());
        if changed {
            self.retell_instruments();
        }
    }

    pub(super) fn on_settings(&mut self, settings: Configuration) {
        if self.standing.settings.as_ref() != Some(&settings) {
            tracing::info!(venue = %self.config.name, ?settings, "the account's settings");
            self.standing.settings = Some(settings);
            self.retell_instruments();
        }
    }

    /// The key may not ask for the settings: the account's own flags are what is known.
    pub(super) fn without_settings(&mut self, why: &str) {
        if self.standing.settings.is_none() {
            tracing::warn!(venue = %self.config.name, why, "the account's settings are not told, its flags alone hold");
            self.standing.settings = Some(Configuration { fractional_trading: true, ..Configuration::default() });
        }
    }

    pub(super) fn on_asset(&mut self, at: usize, body: &[u8]) -> Result<(), DecodeError> {
        let asset = crate::venues::alpaca::assets::asset(body)?;
        if at != self.standing.instruments.len() {
            return Ok(());
        }
        let Some(instrument) = self.instrument(at, &asset) else { return Ok(()) };
        self.standing.assets.push(asset);
        self.standing.instruments.push(instrument);
        self.reports.say(Body::Instrument(instrument));
        self.info_ns = self.clock.now();
        Ok(())
    }

    /// An asset as an instrument; one that cannot be traded is halted.
    fn instrument(&self, at: usize, asset: &Asset) -> Option<Instrument> {
        let (wanted, terms) = (self.config.names.wanted.get(at)?, self.terms()?);
        Some(match asset.instrument(wanted, terms) {
            Ok(instrument) => instrument,
            Err(refusal) => {
                tracing::error!(symbol = %wanted.symbol, %refusal, "the symbol cannot be traded");
                Instrument {
                    id: wanted.id,
                    venue: terms.venue,
                    symbol: Text::new(&wanted.symbol),
                    px_scale: PX_SCALE,
                    qty_scale: QTY_SCALE,
                    ..Default::default()
                }
            }
        })
    }

    /// The account may do something else than before: what follows from it for the instruments is told.
    fn retell_instruments(&mut self) {
        for at in 0..self.standing.instruments.len() {
            if let Some(asset) = self.standing.assets.get(at)
                && let Some(instrument) = self.instrument(at, asset)
                && instrument != self.standing.instruments[at]
            {
                self.standing.instruments[at] = instrument;
                self.reports.say(Body::Instrument(instrument));
            }
        }
    }

    pub(super) fn on_account(&mut self, account: &Account, now: Nanos) {
        self.balance(self.config.cash, account.cash.0, 0, now);
        let margin = Margin {
            venue: self.config.names.venue,
            equity: account.equity,
            buying_power: account.buying_power.max(Usd::ZERO),
            cash_power: account.non_marginable_buying_power.max(Usd::ZERO),
            initial_margin: account.initial_margin,
            maintenance_margin: account.maintenance_margin,
            multiplier: account.multiplier,
            ts_event_ns: now,
        };
        self.reports.push(Input::at(now, Body::Margin(margin)));
        self.judge(account);
    }

    /// Whether the calendar is to be asked for: only shares have one.
    pub(super) fn wants_calendar(&self, now: Nanos) -> bool {
        now >= self.standing.calendar_after && self.config.names.wanted.iter().any(|wanted| !wanted.is_crypto())
    }

    pub(super) fn calendar_request(&self, now: Nanos) -> Option<request::Request> {
        let first = day_of(now.saturating_add(self.offset_ns))?;
        Some(request::calendar(first, first.checked_add(DAYS.days()).ok()?))
    }

    pub(super) fn on_calendar(&mut self, body: &[u8], now: Nanos) -> Result<(), DecodeError> {
        let sessions = account::calendar(body)?;
        self.standing.calendar_after = now + CALENDAR_EVERY_NS;
        self.standing.calendar_failures = 0;
        let Some(first) = day_of(now.saturating_add(self.offset_ns)) else { return Ok(()) };
        let end = first.checked_add((DAYS + 1).days()).ok().and_then(begin_of);
        let Some(until_ns) = end else { return Ok(()) };
        self.standing.days = Some(Days { first, until_ns, sessions, told_offset_ns: self.offset_ns });
        self.tell_calendar(now);
        Ok(())
    }

    /// The key may not ask, or the venue has none: the configured hours hold alone.
    pub(super) fn without_calendar(&mut self, now: Nanos) {
        self.standing.calendar_after = now + CALENDAR_EVERY_NS;
    }

    /// It cannot be read, or is not to be had now: all else is asked for meanwhile. The sessions told last hold until
    /// they end, and beyond them nothing is sent; where none were told the configured hours hold alone.
    pub(super) fn calendar_failed(&mut self, why: &str, now: Nanos) {
        let failures = self.standing.calendar_failures;
        self.standing.calendar_failures = failures.saturating_add(1);
        let wait = (CALENDAR_RETRY_NS << failures.min(16)).min(CALENDAR_EVERY_NS);
        self.standing.calendar_after = now + wait;
        let wait_s = wait / 1_000_000_000;
        tracing::error!(
            venue = %self.config.name, why, wait_s,
            "the market's calendar is not to be had: what was told of it holds until it ends, asking again"
        );
    }

    /// The venue's clock has been measured: its sessions are told in ours.
    pub(super) fn move_calendar(&mut self, now: Nanos) {
        let offset_ns = self.offset_ns;
        let Some(days) = &mut self.standing.days else { return };
        // One that fails is left to its own time.
        if self.standing.calendar_failures == 0 && day_of(now.saturating_add(offset_ns)) != Some(days.first) {
            self.standing.calendar_after = now;
        }
        if (offset_ns - days.told_offset_ns).saturating_abs() > OFFSET_MOVED_NS {
            days.told_offset_ns = offset_ns;
            self.tell_calendar(now);
        }
    }

    fn tell_calendar(&mut self, now: Nanos) {
        let Some(days) = &self.standing.days else { return };
        let calendar = calendar(&days.sessions, days.until_ns, now, days.told_offset_ns);
        for wanted in self.config.names.wanted.iter().filter(|wanted| !wanted.is_crypto()) {
            let body = Body::Calendar { instrument: wanted.id, source: CalendarSource::Venue, calendar };
            self.reports.say(body);
        }
    }
}

/// The day in New York at a moment of the venue's clock.
fn day_of(venue_ns: Nanos) -> Option<Date> {
    Some(Timestamp::from_nanosecond(venue_ns.into()).ok()?.in_tz(MARKET_ZONE).ok()?.date())
}

/// Its first moment.
fn begin_of(day: Date) -> Option<Nanos> {
    i64::try_from(day.in_tz(MARKET_ZONE).ok()?.timestamp().as_nanosecond()).ok()
}

/// The session under way and those to come, as many as the core keeps, in this machine's time. What lies behind the last
/// that has room is not known.
fn calendar(sessions: &[account::Session], until_ns: Nanos, now: Nanos, offset_ns: Nanos) -> Calendar {
    let mut calendar = Calendar { known_until_ns: until_ns - offset_ns, ..Calendar::default() };
    let to_come = sessions.iter().filter(|session| session.session_close_ns - offset_ns > now);
    for (at, session) in to_come.enumerate() {
        let Some(place) = calendar.sessions.get_mut(at) else {
            calendar.known_until_ns = session.session_open_ns - offset_ns;
            break;
        };
        *place = Session {
            open_ns: session.open_ns - offset_ns,
            close_ns: session.close_ns - offset_ns,
            extended_open_ns: session.session_open_ns - offset_ns,
            extended_close_ns: session.session_close_ns - offset_ns,
        };
    }
    calendar
}

const _: () = assert!(DAYS as usize > SESSIONS, "a reply has more sessions than the core keeps");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::risk::Phase;

    const HOUR: Nanos = 3_600_000_000_000;

    fn days(dates: &[&str]) -> Vec<account::Session> {
        let one = |date: &&str| {
            let close = if *date == "2026-11-27" { "13:00" } else { "16:00" };
            format!(
                "{{\"date\":\"{date}\",\"open\":\"09:30\",\"close\":\"{close}\",\"session_open\":\"0400\",\"session_close\":\"2000\"}}"
            )
        };
        let body = format!("[{}]", dates.iter().map(one).collect::<Vec<_>>().join(","));
        account::calendar(body.as_bytes()).unwrap()
    }

    fn at(text: &str) -> Nanos {
        let time: Timestamp = text.parse().unwrap();
        time.as_nanosecond() as Nanos
    }

    #[test]
    fn the_venues_days_are_told_in_this_machines_time_and_end_where_the_core_has_no_room() {
        // Thanksgiving is no day; the Friday after it is half a one.
        let week =
            days(&["2026-11-25", "2026-11-27", "2026-11-30", "2026-12-01", "2026-12-02", "2026-12-03", "2026-12-04"]);
        let (until, now) = (at("2026-12-08T05:00:00Z"), at("2026-11-25T20:00:00Z"));
        let told = calendar(&week, until, now, 0);
        assert_eq!(told.known_until_ns, at("2026-12-04T09:00:00Z"), "the seventh has no room");
        for (time, extended, want) in [
            ("2026-11-25T20:59:59Z", false, Phase::Open),
            ("2026-11-25T21:00:00Z", false, Phase::Closed { opens_ns: Some(at("2026-11-27T14:30:00Z")) }),
            ("2026-11-25T21:00:00Z", true, Phase::Open),
            ("2026-11-26T15:00:00Z", true, Phase::Closed { opens_ns: Some(at("2026-11-27T09:00:00Z")) }),
            ("2026-11-27T17:59:59Z", false, Phase::Open),
            ("2026-11-27T18:00:00Z", false, Phase::Closed { opens_ns: Some(at("2026-11-30T14:30:00Z")) }),
            ("2026-12-04T15:00:00Z", false, Phase::Unknown),
        ] {
            assert_eq!(told.phase(at(time), extended), want, "{time} {extended}");
        }
        // A venue whose clock is an hour ahead opens an hour earlier by ours.
        let ahead = calendar(&week, until, now, HOUR);
        assert_eq!(ahead.phase(at("2026-11-27T13:30:00Z"), false), Phase::Open);
        assert_eq!(ahead.phase(at("2026-11-27T17:00:00Z"), true), Phase::Open);
        // One day alone: known until the end of what was asked for.
        let short = calendar(&week[..1], until, now, 0);
        assert_eq!((short.known_until_ns, short.sessions[1]), (until, Session::default()));
        assert_eq!(short.phase(at("2026-12-01T15:00:00Z"), false), Phase::Closed { opens_ns: None });
    }

    #[test]
    fn a_day_is_new_yorks() {
        assert_eq!(day_of(at("2026-11-25T04:59:59Z")).unwrap().to_string(), "2026-11-24");
        assert_eq!(day_of(at("2026-11-25T05:00:00Z")).unwrap().to_string(), "2026-11-25");
        assert_eq!(begin_of("2026-07-01".parse().unwrap()), Some(at("2026-07-01T04:00:00Z")));
    }
}
