//! The portfolio history (reference §14): equity, profit and loss in parallel arrays.

use super::calendar::Hours;
use super::errors::ApiError;
use super::number::{self, MONEY};
use super::query::Query;
use super::rest::Answer;
use super::venue::Venue;
use crate::domain::Nanos;
use crate::sim::json::{Json, TimeUnit};

const SECOND_NS: Nanos = 1_000_000_000;
const DAY_NS: Nanos = 86_400 * SECOND_NS;

pub fn answer(venue: &Venue, account: usize, query: &Query) -> Answer {
    let bad = |name: &str| ApiError::bad(format!("invalid {name}"));
    let (start, end) = (query.time("start")?, query.time("end")?.or(query.time("date_end")?));
    if query.get("period").is_some() && start.is_some() && end.is_some() {
        return Err(ApiError::bad("only two of period, start and end are accepted"));
    }
    let period = match query.get("period") {
        None => 30 * DAY_NS,
        Some(text) => parse_period(text).ok_or_else(|| bad("period"))?,
    };
    let end = end.unwrap_or(start.filter(|_| query.get("period").is_some()).map_or(venue.now, |start| start + period));
    let start = start.unwrap_or(end - period);
    let usual = match end - start {
        span if span < 7 * DAY_NS => "1Min",
        span if span < 30 * DAY_NS => "15Min",
        _ => "1D",
    };
    let timeframe = query.get("timeframe").unwrap_or(usual);
    let step = match timeframe {
        "1Min" => 60,
        "5Min" => 300,
        "15Min" => 900,
        "1H" => 3_600,
        "1D" => 86_400,
        _ => return Err(bad("timeframe")),
    } * SECOND_NS;
    let entry = &venue.accounts[account];
    let samples: Vec<(Nanos, i64)> = if step == DAY_NS {
        // Of a day, its end; of today, what there is now.
        let now = (venue.now, ten_thousandths(venue.value(account).equity()));
        let days = entry.equity_days.iter().copied().chain(std::iter::once(now));
        days.filter(|(at, _)| *at >= start && *at <= end).collect()
    } else {
        let hours = query.get("intraday_reporting").unwrap_or("market_hours");
        let always = venue.calendar.hours() == Hours::Always || hours == "continuous";
        let counts = |at: Nanos| {
            use super::calendar::Phase::*;
            match venue.calendar.phase(at) {
                Core => true,
                Pre | Post => always || hours == "extended_hours",
                Closed => always,
            }
        };
        let mut taken: Vec<(Nanos, i64)> = Vec::new();
        for &(at, equity) in entry.equity_minutes.iter().filter(|(at, _)| *at >= start && *at <= end && counts(*at)) {
            let left_edge = at.div_euclid(step) * step;
            match taken.last_mut() {
                Some(last) if last.0 == left_edge => last.1 = equity,
                _ => taken.push((left_edge, equity)),
            }
        }
        taken
    };
    let base = ten_thousandths(entry.last_equity);
    let dollars = |value: i64| number::text(value.saturating_mul(100_000));
    let mut j = Json::new(TimeUnit::Milli);
    let numbers = |j: &mut Json, name: &str, values: &mut dyn Iterator<Item = String>| {
        j.array(name, |j| values.for_each(|v| j.raw("", v.as_bytes())));
    };
    let per_day = query.get("pnl_reset") != Some("no_reset") && step != DAY_NS;
    let first = samples.first().map_or(base, |s| s.1);
    let against = |at: usize| match at {
        _ if per_day => base,
        // Of days, each against the one before.
        0 => first,
        at => samples[at - 1].1,
    };
    j.object("", |j| {
        numbers(j, "timestamp", &mut samples.iter().map(|(at, _)| (at / SECOND_NS).to_string()));
        numbers(j, "equity", &mut samples.iter().map(|(_, equity)| dollars(*equity)));
        numbers(j, "profit_loss", &mut samples.iter().enumerate().map(|(i, s)| dollars(s.1 - against(i))));
        numbers(
            j,
            "profit_loss_pct",
            &mut samples.iter().enumerate().map(|(i, s)| {
                number::text(number::ratio(i128::from(s.1 - against(i)) * MONEY, i128::from(against(i)) * MONEY))
            }),
        );
        j.raw("base_value", dollars(if per_day { base } else { first }).as_bytes());
        j.str("base_value_asof", &venue.calendar.date_of(start).to_string());
        j.str("timeframe", timeframe);
        j.object("cashflow", |_| {});
    });
    Ok((200, j.into_bytes()))
}

/// `7D`, `2W`, `1M`, `1A`.
fn parse_period(text: &str) -> Option<Nanos> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let days = match unit {
        "D" => 1,
        "W" => 7,
        "M" => 30,
        "A" | "Y" => 365,
        _ => return None,
    };
    let count: Nanos = count.parse().ok().filter(|count| (1..=1_000).contains(count))?;
    Some(count * days * DAY_NS)
}

fn ten_thousandths(money: i128) -> i64 {
    (money / (MONEY / 10_000)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_a_number_and_a_unit() {
        for (text, days) in [
            ("1D", Some(1)),
            ("2W", Some(14)),
            ("1M", Some(30)),
            ("1A", Some(365)),
            ("", None),
            ("D", None),
            ("1X", None),
            ("0D", None),
        ] {
            assert_eq!(parse_period(text), days.map(|d| d * DAY_NS), "{text}");
        }
    }
}
