//! Trading sessions: worked out in their zone, days ahead, and sent to the core as events, which reads no zone itself.
//!
//! Told at the start, whenever the configured hours were changed at run time, and anew each day.

use crate::config::{Holidays, TradingHours};
use crate::core::Core;
use crate::core::config::HoursRule;
use crate::core::event::Body;
use crate::core::risk::{Calendar, CalendarSource, SESSIONS, Session};
use crate::domain::{Nanos, Text};
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Told anew when the core knows no further than this ahead, which is about once a day.
const AHEAD_NS: Nanos = 6 * 86_400_000_000_000;
/// Days looked at for the next sessions.
const DAYS: i32 = 8;

/// The configured hours as the core keeps them.
pub fn rule(hours: &TradingHours) -> HoursRule {
    let minutes = |time: Time| u16::from(time.hour() as u8) * 60 + u16::from(time.minute() as u8);
    let (from, to) = hours.extended.unwrap_or((hours.start, hours.end));
    HoursRule {
        start_min: minutes(hours.start),
        end_min: minutes(hours.end),
        extended_start_min: minutes(from),
        extended_end_min: minutes(to),
        zone: Text::new(hours.timezone.iana_name().unwrap_or("UTC")),
    }
}

/// What the core is to be told now, if anything: the sessions of each instrument that keeps hours and of which it knows
/// too little.
pub fn due(now: Nanos, core: &Core, hours: &TradingHours) -> Vec<Body> {
    let keeping = core.portfolio().defined().filter(|inst| inst.permit.keeps_hours);
    let wanting = keeping.filter(|inst| is_due(now, core.hours().configured(inst.def.id).known_until_ns));
    let ids: Vec<_> = wanting.map(|inst| inst.def.id).collect();
    if ids.is_empty() {
        return Vec::new();
    }
    let rule = core.limits().hours;
    let Some(calendar) = calendar(now, &rule, hours) else {
        tracing::error!("{:?} is not a time zone: what keeps trading hours is not traded", rule.zone.as_str());
        return Vec::new();
    };
    let source = CalendarSource::Configured;
    ids.into_iter().map(|instrument| Body::Calendar { instrument, source, calendar }).collect()
}

fn is_due(now: Nanos, known_until_ns: Nanos) -> bool {
    known_until_ns - now < AHEAD_NS
}

/// The sessions under way and to come, by the rule that holds and the configured holidays. `None` where the zone is
/// not known: then nothing is, and what keeps hours is not traded.
fn calendar(now: Nanos, rule: &HoursRule, hours: &TradingHours) -> Option<Calendar> {
    let zone = TimeZone::get(rule.zone.as_str()).ok()?;
    let today = Timestamp::from_nanosecond(now.into()).ok()?.to_zoned(zone.clone()).date();
    let mut calendar = Calendar::default();
    let mut found = 0;
    let half_end = u16::from(hours.half_day_end.hour() as u8) * 60 + u16::from(hours.half_day_end.minute() as u8);
    for n in 0..DAYS {
        let date = today.checked_add(n.days()).ok()?;
        // Known until the end of the last day looked at, or the begin of the first that has no room.
        let day = day(&hours.holidays, date);
        if found == SESSIONS {
            break;
        }
        calendar.known_until_ns = at(date.tomorrow().ok()?, 0, &zone)?;
        if day == Day::Closed {
            continue;
        }
        let cut = |end: u16, by: u16| if day == Day::Half { end.min(by) } else { end };
        let session = Session {
            open_ns: at(date, rule.start_min, &zone)?,
            close_ns: at(date, cut(rule.end_min, half_end), &zone)?,
            extended_open_ns: at(date, rule.extended_start_min, &zone)?,
            extended_close_ns: at(date, cut(rule.extended_end_min, half_end + 4 * 60), &zone)?,
        };
        calendar.sessions[found] = session;
        found += 1;
    }
    Some(calendar)
}

/// A time of day in the zone; one that the clocks skip is the first moment after the gap.
fn at(date: Date, minute: u16, zone: &TimeZone) -> Option<Nanos> {
    let (date, minute) = if minute >= 24 * 60 { (date.tomorrow().ok()?, minute - 24 * 60) } else { (date, minute) };
    let time = date.at((minute / 60) as i8, (minute % 60) as i8, 0, 0);
    i64::try_from(zone.to_ambiguous_timestamp(time).compatible().ok()?.as_nanosecond()).ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Day {
    Whole,
    Half,
    Closed,
}

fn day(holidays: &Holidays, date: Date) -> Day {
    if matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
        return Day::Closed;
    }
    match holidays {
        Holidays::None => Day::Whole,
        Holidays::Listed { closed, .. } if closed.contains(&date) => Day::Closed,
        Holidays::Listed { half, .. } if half.contains(&date) => Day::Half,
        Holidays::Listed { .. } => Day::Whole,
        Holidays::UsEquities => us_equities(date),
    }
}

/// A weekday by the New York Stock Exchange's rule 7.2 and its published half days.
fn us_equities(date: Date) -> Day {
    let (year, month, day, weekday) = (date.year(), date.month(), date.day(), date.weekday());
    let is_nth = |n: i8, wanted: Weekday| weekday == wanted && (day - 1) / 7 + 1 == n;
    // On the day itself, on Monday where it is a Sunday, on Friday where it is a Saturday.
    let observed = |month_of: i8, day_of: i8| {
        let Ok(holiday) = Date::new(year, month_of, day_of) else { return false };
        let kept = match holiday.weekday() {
            Weekday::Sunday => holiday.tomorrow(),
            Weekday::Saturday => holiday.yesterday(),
            _ => Ok(holiday),
        };
        kept.is_ok_and(|kept| kept == date)
    };
    // New Year's Day on a Saturday is not made up for: the year ends on that Friday.
    let new_year = month == 1 && (day == 1 || (day == 2 && weekday == Weekday::Monday));
    let closed = new_year
        || (month == 1 && is_nth(3, Weekday::Monday))
        || (month == 2 && is_nth(3, Weekday::Monday))
        || easter(year).and_then(|easter| easter.checked_sub(2.days()).ok()) == Some(date)
        || (month == 5 && weekday == Weekday::Monday && day > 24)
        || (year >= 2022 && observed(6, 19))
        || observed(7, 4)
        || (month == 9 && is_nth(1, Weekday::Monday))
        || (month == 11 && is_nth(4, Weekday::Thursday))
        || observed(12, 25);
    let half = (month == 7 && day == 3 && weekday != Weekday::Friday)
        || (month == 11 && weekday == Weekday::Friday && (23..=29).contains(&day))
        || (month == 12 && day == 24);
    match (closed, half) {
        (true, _) => Day::Closed,
        (false, true) => Day::Half,
        (false, false) => Day::Whole,
    }
}

/// Easter Sunday of the Gregorian calendar (Meeus, Jones and Butcher's algorithm).
fn easter(year: i16) -> Option<Date> {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 19 * l) / 433;
    let month = (h + l - 7 * m + 90) / 25;
    let day = (h + l - 7 * m + 33 * month + 19) % 32;
    Date::new(year, month as i8, day as i8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::risk::Phase;

    fn hours() -> TradingHours {
        let at = |hour, minute| Time::new(hour, minute, 0, 0).unwrap();
        TradingHours {
            start: at(9, 0),
            end: at(16, 0),
            extended: Some((at(4, 0), at(20, 0))),
            timezone: TimeZone::get("America/New_York").unwrap(),
            holidays: Holidays::UsEquities,
            half_day_end: at(13, 0),
        }
    }

    fn ns(text: &str) -> Nanos {
        i64::try_from(text.parse::<Timestamp>().unwrap().as_nanosecond()).unwrap()
    }

    fn phase(known_at: &str, now: &str, extended: bool) -> Phase {
        calendar(ns(known_at), &rule(&hours()), &hours()).unwrap().phase(ns(now), extended)
    }

    /// Closed on weekdays, and half days, as the exchange published them.
    #[test]
    fn the_rules_give_the_published_holidays_and_half_days() {
        let published: &[(i16, &[&str], &[&str])] = &[
            (2021, &["01-01", "01-18", "02-15", "04-02", "05-31", "07-05", "09-06", "11-25", "12-24"], &["11-26"]),
            (2022, &["01-17", "02-21", "04-15", "05-30", "06-20", "07-04", "09-05", "11-24", "12-26"], &["11-25"]),
            (
                2023,
                &["01-02", "01-16", "02-20", "04-07", "05-29", "06-19", "07-04", "09-04", "11-23", "12-25"],
                &["07-03", "11-24"],
            ),
            (
                2024,
                &["01-01", "01-15", "02-19", "03-29", "05-27", "06-19", "07-04", "09-02", "11-28", "12-25"],
                &["07-03", "11-29", "12-24"],
            ),
            (
                2025,
                &["01-01", "01-20", "02-17", "04-18", "05-26", "06-19", "07-04", "09-01", "11-27", "12-25"],
                &["07-03", "11-28", "12-24"],
            ),
            (
                2026,
                &["01-01", "01-19", "02-16", "04-03", "05-25", "06-19", "07-03", "09-07", "11-26", "12-25"],
                &["11-27", "12-24"],
            ),
            (
                2027,
                &["01-01", "01-18", "02-15", "03-26", "05-31", "06-18", "07-05", "09-06", "11-25", "12-24"],
                &["11-26"],
            ),
            (
                2028,
                &["01-17", "02-21", "04-14", "05-29", "06-19", "07-04", "09-04", "11-23", "12-25"],
                &["07-03", "11-24"],
            ),
        ];
        for (year, closed, half) in published {
            let mut date = Date::new(*year, 1, 1).unwrap();
            let (mut found_closed, mut found_half) = (Vec::new(), Vec::new());
            while date.year() == *year {
                let text = format!("{:02}-{:02}", date.month(), date.day());
                match us_equities(date) {
                    _ if matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) => {}
                    Day::Closed => found_closed.push(text),
                    Day::Half => found_half.push(text),
                    Day::Whole => {}
                }
                date = date.tomorrow().unwrap();
            }
            assert_eq!((&found_closed[..], &found_half[..]), (&own(closed)[..], &own(half)[..]), "{year}");
        }
    }

    fn own(days: &[&str]) -> Vec<String> {
        days.iter().map(|day| (*day).to_owned()).collect()
    }

    #[test]
    fn the_exchanges_clock_is_kept_over_daylight_saving_half_days_and_midnight() {
        let closed = |at: &str| Phase::Closed { opens_ns: Some(ns(at)) };
        for (known_at, now, extended, want) in [
            // Winter: five hours behind UTC. The first and the last moment.
            ("2026-02-02T00:00:00Z", "2026-02-02T13:59:59.999999999Z", false, closed("2026-02-02T14:00:00Z")),
            ("2026-02-02T00:00:00Z", "2026-02-02T14:00:00Z", false, Phase::Open),
            ("2026-02-02T00:00:00Z", "2026-02-02T20:59:59.999999999Z", false, Phase::Open),
            ("2026-02-02T00:00:00Z", "2026-02-02T21:00:00Z", false, closed("2026-02-03T14:00:00Z")),
            // Friday before the clocks go forward, and the Monday after: one hour earlier in UTC.
            ("2026-03-06T12:00:00Z", "2026-03-06T21:30:00Z", false, closed("2026-03-09T13:00:00Z")),
            ("2026-03-06T12:00:00Z", "2026-03-09T13:00:00Z", false, Phase::Open),
            ("2026-03-06T12:00:00Z", "2026-03-09T20:00:00Z", false, closed("2026-03-10T13:00:00Z")),
            // And back again in November.
            ("2026-10-30T12:00:00Z", "2026-11-02T13:30:00Z", false, closed("2026-11-02T14:00:00Z")),
            // Midnight in UTC is still the day before in New York; its extended hours run into the next UTC day.
            ("2026-02-02T00:30:00Z", "2026-02-03T00:59:59Z", true, Phase::Open),
            ("2026-02-03T00:30:00Z", "2026-02-03T00:59:59Z", true, Phase::Open),
            ("2026-02-03T00:30:00Z", "2026-02-03T01:00:00Z", true, closed("2026-02-03T09:00:00Z")),
            // Extended hours.
            ("2026-02-02T00:00:00Z", "2026-02-02T09:00:00Z", true, Phase::Open),
            ("2026-02-02T00:00:00Z", "2026-02-02T09:00:00Z", false, closed("2026-02-02T14:00:00Z")),
            // The day after Thanksgiving ends at one, its extended hours at five.
            ("2026-11-27T00:00:00Z", "2026-11-27T17:59:59Z", false, Phase::Open),
            ("2026-11-27T00:00:00Z", "2026-11-27T18:00:00Z", false, closed("2026-11-30T14:00:00Z")),
            ("2026-11-27T00:00:00Z", "2026-11-27T21:59:59Z", true, Phase::Open),
            ("2026-11-27T00:00:00Z", "2026-11-27T22:00:00Z", true, closed("2026-11-30T09:00:00Z")),
            // Christmas on a Friday.
            ("2026-12-24T00:00:00Z", "2026-12-25T15:00:00Z", false, closed("2026-12-28T14:00:00Z")),
            // What is not known is not open.
            ("2026-02-02T00:00:00Z", "2026-02-12T15:00:00Z", false, Phase::Unknown),
        ] {
            assert_eq!(phase(known_at, now, extended), want, "{now} {extended}");
        }
    }

    #[test]
    fn enough_is_always_known_ahead() {
        let mut now = ns("2026-01-01T00:00:00Z");
        while now < ns("2028-01-01T00:00:00Z") {
            let calendar = calendar(now, &rule(&hours()), &hours()).unwrap();
            assert!(!is_due(now, calendar.known_until_ns), "told again at once at {now}");
            assert!(calendar.sessions[0].open_ns > 0);
            now += 7 * 3_600_000_000_000;
        }
    }

    #[test]
    fn a_listed_holiday_is_closed_and_without_any_only_weekends_are() {
        let day_of = |text: &str| text.parse::<Date>().unwrap();
        let listed = Holidays::Listed { closed: vec![day_of("2026-05-01")], half: vec![day_of("2026-04-30")] };
        assert_eq!(day(&listed, day_of("2026-05-01")), Day::Closed);
        assert_eq!(day(&listed, day_of("2026-04-30")), Day::Half);
        assert_eq!(day(&listed, day_of("2026-12-25")), Day::Whole);
        assert_eq!(day(&Holidays::None, day_of("2026-12-25")), Day::Whole);
        assert_eq!(day(&Holidays::None, day_of("2026-12-26")), Day::Closed);
    }
}
