//! The exchange's days: sessions, holidays and half days by rule, in New York time; and the venue's own clock, which
//! can be set and run faster.

use crate::domain::Nanos;
use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Days looked ahead for the next session: no closure by rule is longer than four.
const AHEAD_MAX: usize = 14;
/// A jump of the clock passes through at most this many days, so that a year set by mistake does not hang the venue.
const JUMP_DAYS_MAX: i64 = 800;
/// The calendar route answers for these years.
pub const FIRST_YEAR: i16 = 1970;
pub const LAST_YEAR: i16 = 2029;

/// When equities trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hours {
    /// Each New York day is one core session from midnight to midnight: a demonstration trades at any hour.
    #[default]
    Always,
    /// As the exchange does: 09:30 to 16:00, extended hours around it, holidays and half days.
    Exchange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Closed,
    Pre,
    Core,
    Post,
}

impl Phase {
    pub fn text(self) -> &'static str {
        match self {
            Phase::Closed => "closed",
            Phase::Pre => "pre",
            Phase::Core => "core",
            Phase::Post => "post",
        }
    }
}

/// A trading day; times in nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub date: Date,
    pub pre: Nanos,
    pub open: Nanos,
    pub close: Nanos,
    pub post: Nanos,
}

/// What happens at a moment of a trading day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    Pre,
    Open,
    Close,
    Post,
}

#[derive(Debug, Clone)]
pub struct Calendar {
    zone: TimeZone,
    hours: Hours,
}

impl Calendar {
    pub fn new(hours: Hours) -> Calendar {
        // The zone's data are compiled in; without them the exchange's winter time is the nearest thing.
        let zone = TimeZone::get("America/New_York").unwrap_or_else(|_| TimeZone::fixed(jiff::tz::offset(-5)));
        Calendar { zone, hours }
    }

    pub fn hours(&self) -> Hours {
        self.hours
    }

    fn stamp(at: Nanos) -> Timestamp {
        Timestamp::from_nanosecond(at.into()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub fn date_of(&self, at: Nanos) -> Date {
        Self::stamp(at).to_zoned(self.zone.clone()).date()
    }

    /// New York hour and minute as minutes of the day.
    pub fn minute_of_day(&self, at: Nanos) -> i32 {
        let time = Self::stamp(at).to_zoned(self.zone.clone()).time();
        i32::from(time.hour()) * 60 + i32::from(time.minute())
    }

    /// The moment of a New York time of day.
    pub fn at(&self, date: Date, hour: i8, minute: i8) -> Nanos {
        let zoned = date.at(hour, minute, 0, 0).to_zoned(self.zone.clone());
        zoned.map_or(0, |z| z.timestamp().as_nanosecond() as Nanos)
    }

    /// `2025-06-24T14:15:22-04:00`.
    pub fn local_text(&self, at: Nanos) -> String {
        Self::stamp(at).to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// A date's sessions, where it has any.
    pub fn day(&self, date: Date) -> Option<Day> {
        if self.hours == Hours::Always {
            let (open, close) = (self.at(date, 0, 0), self.at(date.tomorrow().ok()?, 0, 0));
            return Some(Day { date, pre: open, open, close, post: close });
        }
        if !trades(date) {
            return None;
        }
        let (close, post) = if half_day(date) { (13, 17) } else { (16, 20) };
        let at = |hour, minute| self.at(date, hour, minute);
        Some(Day { date, pre: at(4, 0), open: at(9, 30), close: at(close, 0), post: at(post, 0) })
    }

    /// The first trading day on or after `from` for which `fits` holds.
    fn first(&self, from: Date, fits: impl Fn(&Day) -> bool) -> Option<Day> {
        let mut date = from;
        for _ in 0..AHEAD_MAX {
            if let Some(day) = self.day(date).filter(&fits) {
                return Some(day);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    pub fn phase(&self, at: Nanos) -> Phase {
        match self.day(self.date_of(at)) {
            Some(day) if at >= day.open && at < day.close => Phase::Core,
            Some(day) if at >= day.pre && at < day.open => Phase::Pre,
            Some(day) if at >= day.close && at < day.post => Phase::Post,
            _ => Phase::Closed,
        }
    }

    /// The next moment after `at` that a core session begins.
    pub fn next_open(&self, at: Nanos) -> Nanos {
        self.first(self.date_of(at), |day| day.open > at).map_or(at, |day| day.open)
    }

    /// The next moment after `at` that a core session ends.
    pub fn next_close(&self, at: Nanos) -> Nanos {
        self.first(self.date_of(at), |day| day.close > at).map_or(at, |day| day.close)
    }

    /// The next moment after `at` that a day's trading ends, extended hours included.
    pub fn next_post(&self, at: Nanos) -> Nanos {
        self.first(self.date_of(at), |day| day.post > at).map_or(at, |day| day.post)
    }

    /// The trading day after a date.
    pub fn next_trading_date(&self, date: Date) -> Date {
        date.tomorrow().ok().and_then(|next| self.first(next, |_| true)).map_or(date, |day| day.date)
    }

    /// The first boundary after `at`.
    pub fn next_boundary(&self, at: Nanos) -> Nanos {
        let after = |day: &Day| [day.pre, day.open, day.close, day.post].into_iter().find(|b| *b > at);
        self.first(self.date_of(at), |day| after(day).is_some()).and_then(|day| after(&day)).unwrap_or(Nanos::MAX)
    }

    /// What happened after `from` and until `to`, in order.
    pub fn boundaries(&self, from: Nanos, to: Nanos) -> Vec<(Nanos, Boundary, Date)> {
        let mut out = Vec::new();
        let from = from.max(to - JUMP_DAYS_MAX * 86_400_000_000_000);
        let (mut date, last) = (self.date_of(from), self.date_of(to));
        // A day of the always open market ends with the next one's beginning.
        date = date.yesterday().unwrap_or(date);
        while date <= last {
            if let Some(day) = self.day(date) {
                use Boundary::*;
                let moments = [(day.pre, Pre), (day.open, Open), (day.close, Close), (day.post, Post)];
                out.extend(moments.into_iter().filter(|(at, _)| *at > from && *at <= to).map(|(at, b)| (at, b, date)));
            }
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        out
    }

    /// The trading days of a range, both ends included.
    pub fn days(&self, from: Date, to: Date) -> Vec<Day> {
        let (mut date, to) = (from.max(date(FIRST_YEAR, 1, 1)), to.min(date(LAST_YEAR, 12, 31)));
        let mut out = Vec::new();
        while date <= to {
            out.extend(self.day(date));
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        out
    }

    /// New York time of day as `HH:MM`; the end of an always open day is written as its last minute.
    pub fn hh_mm(&self, day: &Day, at: Nanos) -> String {
        let minute = if self.date_of(at) > day.date { 24 * 60 - 1 } else { self.minute_of_day(at) };
        format!("{:02}:{:02}", minute / 60, minute % 60)
    }
}

/// RFC 3339 in UTC, nanoseconds where there are any.
pub fn utc_text(at: Nanos) -> String {
    Calendar::stamp(at).to_string()
}

/// Reads a day or a full RFC 3339 time; a day is its first moment in UTC.
pub fn parse_time(text: &str) -> Option<Nanos> {
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Some(stamp.as_nanosecond() as Nanos);
    }
    let day: Date = text.parse().ok()?;
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp().as_nanosecond() as Nanos)
}

/// Whether the exchange opens on a date: a weekday that is no holiday.
pub fn trades(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) && !holiday(date)
}

/// The holidays of the New York Stock Exchange by rule. Closures that no rule foretells (mourning, storms) are not
/// known here.
pub fn holiday(day: Date) -> bool {
    let year = day.year();
    let nth = |month, nth, weekday| date(year, month, 1).nth_weekday_of_month(nth, weekday).is_ok_and(|d| d == day);
    // A fixed day that falls on a Sunday is kept on Monday, on a Saturday on the Friday before.
    let observed = |month, of_month| {
        let fixed = date(year, month, of_month);
        let kept = match fixed.weekday() {
            Weekday::Saturday => fixed.yesterday(),
            Weekday::Sunday => fixed.tomorrow(),
            _ => Ok(fixed),
        };
        kept.is_ok_and(|kept| kept == day)
    };
    // New Year's Day on a Saturday is not kept: the Friday is the year's last trading day.
    let new_year = observed(1, 1) && day.month() == 1;
    new_year
        || (year >= 1998 && nth(1, 3, Weekday::Monday))
        || nth(2, 3, Weekday::Monday)
        || good_friday(year) == Some(day)
        || nth(5, -1, Weekday::Monday)
        || (year >= 2022 && observed(6, 19))
        || observed(7, 4)
        || nth(9, 1, Weekday::Monday)
        || nth(11, 4, Weekday::Thursday)
        || observed(12, 25)
}

/// Days that close at 13:00: the day after Thanksgiving, and the eves of Independence Day and Christmas where both they
/// and the day after are weekdays.
pub fn half_day(day: Date) -> bool {
    let after_thanksgiving = day.yesterday().is_ok_and(|eve| {
        eve.month() == 11 && eve.first_of_month().nth_weekday_of_month(4, Weekday::Thursday).is_ok_and(|d| d == eve)
    });
    let eve = matches!((day.month(), day.day()), (7, 3) | (12, 24))
        && matches!(day.weekday(), Weekday::Monday | Weekday::Tuesday | Weekday::Wednesday | Weekday::Thursday);
    trades(day) && (after_thanksgiving || eve)
}

/// Two days before Easter Sunday of the Gregorian calendar (the computus of Meeus, Jones and Butcher).
fn good_friday(year: i16) -> Option<Date> {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (b - (b + 8) / 25 + 1) / 3;
    let h = (19 * a + b - d - g + 15) % 30;
    let l = (32 + 2 * e + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let month = (h + l - 7 * m + 114) / 31;
    let day = (h + l - 7 * m + 114) % 31 + 1;
    Date::new(year, month as i8, day as i8).ok()?.checked_sub(2.days()).ok()
}

/// The venue's clock: it follows the process's clock from where it was set, at its own speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VenueClock {
    real: Nanos,
    venue: Nanos,
    /// Thousandths: 1,000 is as fast as real time.
    speed_permille: i64,
}

impl VenueClock {
    /// A clock that shows `venue` at `now`.
    pub fn set(now: Nanos, venue: Nanos, speed_permille: i64) -> VenueClock {
        VenueClock { real: now, venue, speed_permille }
    }

    pub fn at(&self, now: Nanos) -> Nanos {
        let passed = i128::from(now - self.real) * i128::from(self.speed_permille) / 1_000;
        self.venue + passed as Nanos
    }

    pub fn speed_permille(&self) -> i64 {
        self.speed_permille
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holidays_are_those_that_the_exchange_has_announced() {
        // The exchange's published lists.
        type Days = &'static [(i8, i8)];
        let announced: [(i16, Days, Days); 6] = [
            (2021, &[(1, 1), (1, 18), (2, 15), (4, 2), (5, 31), (7, 5), (9, 6), (11, 25), (12, 24)], &[(11, 26)]),
            (2022, &[(1, 17), (2, 21), (4, 15), (5, 30), (6, 20), (7, 4), (9, 5), (11, 24), (12, 26)], &[(11, 25)]),
            (
                2023,
                &[(1, 2), (1, 16), (2, 20), (4, 7), (5, 29), (6, 19), (7, 4), (9, 4), (11, 23), (12, 25)],
                &[(7, 3), (11, 24)],
            ),
            (
                2024,
                &[(1, 1), (1, 15), (2, 19), (3, 29), (5, 27), (6, 19), (7, 4), (9, 2), (11, 28), (12, 25)],
                &[(7, 3), (11, 29), (12, 24)],
            ),
            (
                2026,
                &[(1, 1), (1, 19), (2, 16), (4, 3), (5, 25), (6, 19), (7, 3), (9, 7), (11, 26), (12, 25)],
                &[(11, 27), (12, 24)],
            ),
            (
                2027,
                &[(1, 1), (1, 18), (2, 15), (3, 26), (5, 31), (6, 18), (7, 5), (9, 6), (11, 25), (12, 24)],
                &[(11, 26)],
            ),
        ];
        for (year, holidays, halves) in announced {
            let mut day = date(year, 1, 1);
            let (mut closed, mut short) = (Vec::new(), Vec::new());
            while day.year() == year {
                let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
                if !weekend && holiday(day) {
                    closed.push((day.month(), day.day()));
                }
                if half_day(day) {
                    short.push((day.month(), day.day()));
                }
                day = day.tomorrow().unwrap();
            }
            assert_eq!(closed, holidays, "holidays of {year}");
            assert_eq!(short, halves, "half days of {year}");
        }
    }

    #[test]
    fn a_half_day_ends_at_one_and_the_next_session_follows_the_weekend() {
        let calendar = Calendar::new(Hours::Exchange);
        let at = |text: &str| parse_time(text).unwrap();
        for (time, phase, open, close) in [
            ("2026-11-27T03:59:59-05:00", Phase::Closed, "2026-11-27T09:30:00-05:00", "2026-11-27T13:00:00-05:00"),
            ("2026-11-27T04:00:00-05:00", Phase::Pre, "2026-11-27T09:30:00-05:00", "2026-11-27T13:00:00-05:00"),
            ("2026-11-27T09:30:00-05:00", Phase::Core, "2026-11-30T09:30:00-05:00", "2026-11-27T13:00:00-05:00"),
            ("2026-11-27T13:00:00-05:00", Phase::Post, "2026-11-30T09:30:00-05:00", "2026-11-30T16:00:00-05:00"),
            ("2026-11-26T12:00:00-05:00", Phase::Closed, "2026-11-27T09:30:00-05:00", "2026-11-27T13:00:00-05:00"),
            ("2026-07-01T10:00:00-04:00", Phase::Core, "2026-07-02T09:30:00-04:00", "2026-07-01T16:00:00-04:00"),
        ] {
            assert_eq!(calendar.phase(at(time)), phase, "{time}");
            assert_eq!(calendar.local_text(calendar.next_open(at(time))), open, "open after {time}");
            assert_eq!(calendar.local_text(calendar.next_close(at(time))), close, "close after {time}");
        }
    }

    #[test]
    fn no_boundary_is_lost_in_a_jump() {
        let calendar = Calendar::new(Hours::Exchange);
        let (from, to) =
            (parse_time("2026-11-25T15:00:00-05:00").unwrap(), parse_time("2026-11-27T13:00:00-05:00").unwrap());
        let got: Vec<_> = calendar.boundaries(from, to).into_iter().map(|(_, b, d)| (b, d.day())).collect();
        use Boundary::*;
        assert_eq!(got, [(Close, 25), (Post, 25), (Pre, 27), (Open, 27), (Close, 27)]);
        let always = Calendar::new(Hours::Always);
        let midnight = parse_time("2026-11-26T00:00:00-05:00").unwrap();
        let got: Vec<_> = always.boundaries(midnight - 1, midnight).into_iter().map(|(_, b, d)| (b, d.day())).collect();
        assert_eq!(got, [(Close, 25), (Post, 25), (Pre, 26), (Open, 26)]);
        assert_eq!(always.phase(midnight), Phase::Core);
    }

    #[test]
    fn the_clock_runs_from_where_it_was_set() {
        let clock = VenueClock::set(1_000, 5_000, 60_000);
        assert_eq!((clock.at(1_000), clock.at(1_010)), (5_000, 5_600));
    }
}
