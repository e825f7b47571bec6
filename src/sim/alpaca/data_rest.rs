//! Market data by REST (reference §18): the latest of each kind, snapshots, and history by pages.
//!
//! Bars from before the venue began are made up, from the seed and the minute alone: the same question has the same
//! answer, and prices join those of the market.

use super::calendar::Phase;
use super::errors::ApiError;
use super::number::{self, ONE};
use super::orders::Side;
use super::query::Query;
use super::record::{self, Record};
use super::rest::{Answer, segments};
use super::tape::{Bar, Tape};
use super::venue::Venue;
use crate::domain::Nanos;
use crate::sim::http::Request;
use crate::sim::json::{Json, TimeUnit};

/// Items on a page where none is asked for, and at most.
const PAGE: usize = 1_000;
const PAGE_MAX: usize = 10_000;
const MINUTE_NS: Nanos = 60_000_000_000;
const DAY_NS: Nanos = 1_440 * MINUTE_NS;
/// Levels of a book on each side.
const BOOK_LEVELS: usize = 50;

/// Whether a request is for the data host.
pub fn is_data(request: &Request) -> bool {
    ["/v2/stocks", "/v1beta3/crypto", "/v1beta1/", "/v1beta2/"].iter().any(|prefix| request.path.starts_with(prefix))
}

/// Prices and books of pairs are open to everybody.
pub fn needs_key(request: &Request) -> bool {
    !request.path.starts_with("/v1beta3/crypto")
}

fn json(write: impl FnOnce(&mut Json)) -> Vec<u8> {
    let mut j = Json::new(TimeUnit::Milli);
    j.object("", write);
    j.into_bytes()
}

pub fn answer(venue: &Venue, tape: &Tape, request: &Request) -> Answer {
    let parts = segments(&request.path).ok_or_else(|| ApiError::bad("invalid path"))?;
    let query = Query::parse(&request.query)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if request.method != "GET" {
        return Err(ApiError::new(405, 40_510_000, "method not allowed"));
    }
    let symbols = query.list("symbols");
    match parts.as_slice() {
        ["v2", "stocks", kind @ ("quotes" | "trades" | "bars"), "latest"] => latest(venue, tape, false, kind, &symbols),
        ["v2", "stocks", "snapshots"] => Ok((200, json(|j| snapshots(venue, tape, j, &find(venue, false, &symbols))))),
        ["v2", "stocks", kind @ ("quotes" | "trades" | "bars")] => {
            history(venue, tape, kind, &find(venue, false, &symbols), &query, None)
        }
        ["v2", "stocks", symbol, "snapshot"] => {
            let at = one(venue, symbol)?;
            Ok((
                200,
                json(|j| {
                    j.str("symbol", &venue.assets[at].symbol);
                    snapshot_members(venue, tape, j, at);
                }),
            ))
        }
        ["v2", "stocks", symbol, kind @ ("quotes" | "trades" | "bars"), "latest"] => {
            let at = one(venue, symbol)?;
            let record = latest_of(venue, tape, kind, at)
                .ok_or_else(|| ApiError::not_found(format!("no {kind} found for {symbol}")))?;
            Ok((
                200,
                json(|j| {
                    j.str("symbol", &venue.assets[at].symbol);
                    record::write_json(j, kind.trim_end_matches('s'), &record);
                }),
            ))
        }
        ["v2", "stocks", symbol, kind @ ("quotes" | "trades" | "bars")] => {
            let at = one(venue, symbol)?;
            history(venue, tape, kind, &[at], &query, Some(symbol))
        }
        ["v1beta3", "crypto", _, "latest", "orderbooks"] => books(venue, &symbols),
        ["v1beta3", "crypto", _, "latest", kind @ ("quotes" | "trades" | "bars")] => {
            latest(venue, tape, true, kind, &symbols)
        }
        ["v1beta3", "crypto", _, "snapshots"] => Ok((
            200,
            json(|j| {
                j.object("snapshots", |j| snapshots(venue, tape, j, &find(venue, true, &symbols)));
            }),
        )),
        ["v1beta3", "crypto", _, kind @ ("quotes" | "trades" | "bars")] => {
            history(venue, tape, kind, &find(venue, true, &symbols), &query, None)
        }
        _ => Err(ApiError::not_found("endpoint not found")),
    }
}

/// The assets of a class that are named; unknown ones are left out, as the venue does.
fn find(venue: &Venue, crypto: bool, names: &[String]) -> Vec<usize> {
    let known = names.iter().filter_map(|name| venue.find_asset(name));
    known.filter(|at| venue.assets[*at].is_crypto() == crypto).collect()
}

fn one(venue: &Venue, name: &str) -> Result<usize, ApiError> {
    let at = venue.find_asset(name).filter(|at| !venue.assets[*at].is_crypto());
    at.ok_or_else(|| ApiError::bad(format!("invalid symbol: {name}")))
}

fn latest_of(venue: &Venue, tape: &Tape, kind: &str, at: usize) -> Option<Record> {
    let (asset, shown) = (&venue.assets[at], &tape.assets[at]);
    match kind {
        "quotes" => (shown.quote.ask > 0).then(|| record::quote(asset, &shown.quote)),
        "trades" => shown.trades.back().map(|trade| record::trade(asset, trade)),
        _ => Some(record::bar(asset, &last_bar(venue, tape, at))),
    }
}

/// The last minute that has ended.
fn last_bar(venue: &Venue, tape: &Tape, at: usize) -> Bar {
    tape.assets[at].bars.back().copied().unwrap_or_else(|| made_up(venue, at, (venue.now / MINUTE_NS - 1) * MINUTE_NS))
}

fn latest(venue: &Venue, tape: &Tape, crypto: bool, kind: &str, symbols: &[String]) -> Answer {
    let found = find(venue, crypto, symbols);
    Ok((
        200,
        json(|j| {
            j.object(kind, |j| {
                for at in found {
                    if let Some(record) = latest_of(venue, tape, kind, at) {
                        record::write_json(j, &venue.assets[at].symbol, &record);
                    }
                }
            });
        }),
    ))
}

fn books(venue: &Venue, symbols: &[String]) -> Answer {
    let found = find(venue, true, symbols);
    Ok((
        200,
        json(|j| {
            j.object("orderbooks", |j| {
                for at in found {
                    let book = &venue.markets[at].liquidity.book;
                    let side = |side| book.levels(side).take(BOOK_LEVELS).collect();
                    let record = record::book(venue.now, side(Side::Buy), side(Side::Sell), false);
                    record::write_json(j, &venue.assets[at].symbol, &record);
                }
            });
        }),
    ))
}

fn snapshots(venue: &Venue, tape: &Tape, j: &mut Json, found: &[usize]) {
    for &at in found {
        j.object(&venue.assets[at].symbol, |j| snapshot_members(venue, tape, j, at));
    }
}

fn snapshot_members(venue: &Venue, tape: &Tape, j: &mut Json, at: usize) {
    let asset = &venue.assets[at];
    for (name, kind) in [("latestTrade", "trades"), ("latestQuote", "quotes")] {
        if let Some(record) = latest_of(venue, tape, kind, at) {
            record::write_json(j, name, &record);
        }
    }
    record::write_json(j, "minuteBar", &record::bar(asset, &last_bar(venue, tape, at)));
    let today = venue.calendar.at(venue.calendar.date_of(venue.now), 0, 0);
    let day = tape.assets[at].day.unwrap_or_else(|| made_up_span(venue, at, today, venue.now));
    record::write_json(j, "dailyBar", &record::bar(asset, &day));
    let before = tape.assets[at].days.back().copied();
    let before = before.unwrap_or_else(|| made_up_span(venue, at, today - DAY_NS, today));
    record::write_json(j, "prevDailyBar", &record::bar(asset, &before));
}

/// `1Min`, `5Min`, `1Hour`, `1Day`, `1Week`, `1Month`, and the shorter spellings, in any case.
fn timeframe(text: &str) -> Option<Nanos> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let count: Nanos = text[..at].parse().ok().filter(|count| (1..=59).contains(count))?;
    let unit = match text[at..].to_ascii_lowercase().as_str() {
        "min" | "t" => MINUTE_NS,
        "hour" | "h" => 60 * MINUTE_NS,
        "day" | "d" => DAY_NS,
        "week" | "w" => 7 * DAY_NS,
        "month" | "m" => 30 * DAY_NS,
        _ => return None,
    };
    Some(count * unit)
}

/// Items of several symbols in the order of symbol and time, by pages; the token is the place of the next one.
fn history(venue: &Venue, tape: &Tape, kind: &str, found: &[usize], query: &Query, single: Option<&str>) -> Answer {
    let limit = query.int("limit", PAGE, PAGE_MAX)?;
    let today = venue.calendar.at(venue.calendar.date_of(venue.now), 0, 0);
    let start = query.time("start")?.unwrap_or(today);
    let end = query.time("end")?.unwrap_or(venue.now).min(venue.now);
    let newest_first = query.get("sort") == Some("desc");
    let mut skip: usize = match query.get("page_token") {
        Some(token) => token.parse().map_err(|_| ApiError::bad("invalid page_token"))?,
        None => 0,
    };
    let from = skip;
    let step = timeframe(query.get("timeframe").unwrap_or("1Min")).ok_or_else(|| ApiError::bad("invalid timeframe"))?;
    let mut left = limit;
    let mut more = false;
    let mut pages: Vec<(usize, Vec<Record>)> = Vec::new();
    for &at in found {
        let mut records: Vec<Record> = items(venue, tape, kind, at, start, end, step);
        if newest_first {
            records.reverse();
        }
        let count = records.len();
        let page: Vec<Record> = records.into_iter().skip(skip).take(left).collect();
        more |= count.saturating_sub(skip) > page.len();
        skip = skip.saturating_sub(count);
        left -= page.len();
        if !page.is_empty() || single.is_some() {
            pages.push((at, page));
        }
    }
    Ok((
        200,
        json(|j| {
            let list = |j: &mut Json, key: &str, page: &[Record]| {
                j.array(key, |j| page.iter().for_each(|r| record::write_json(j, "", r)))
            };
            if single.is_some() {
                list(j, kind, pages.first().map_or(&[][..], |(_, page)| page.as_slice()));
                j.str("symbol", pages.first().map_or("", |(at, _)| venue.assets[*at].symbol.as_str()));
            } else {
                j.object(kind, |j| pages.iter().for_each(|(at, page)| list(j, &venue.assets[*at].symbol, page)));
            }
            if more { j.str("next_page_token", &(from + limit).to_string()) } else { j.null("next_page_token") }
        }),
    ))
}

fn items(venue: &Venue, tape: &Tape, kind: &str, at: usize, start: Nanos, end: Nanos, step: Nanos) -> Vec<Record> {
    let (asset, shown) = (&venue.assets[at], &tape.assets[at]);
    let within = |time: Nanos| time >= start && time <= end;
    match kind {
        "quotes" => shown.quotes.iter().filter(|q| within(q.at)).map(|q| record::quote(asset, q)).collect(),
        "trades" => shown.trades.iter().filter(|t| within(t.at)).map(|t| record::trade(asset, t)).collect(),
        _ => bars(venue, tape, at, start, end, step).iter().map(|bar| record::bar(asset, bar)).collect(),
    }
}

/// Bars of a step: made of the minutes seen, and of made-up ones before them.
fn bars(venue: &Venue, tape: &Tape, at: usize, start: Nanos, end: Nanos, step: Nanos) -> Vec<Bar> {
    // Days begin in New York.
    let shift =
        if step >= DAY_NS { venue.calendar.at(venue.calendar.date_of(end), 0, 0).rem_euclid(DAY_NS) } else { 0 };
    let first_seen = tape.assets[at].bars.front().map_or(Nanos::MAX, |bar| bar.at);
    let mut out: Vec<Bar> = Vec::new();
    let mut edge = (start - shift).div_euclid(step) * step + shift;
    if edge < start {
        edge += step;
    }
    // No page is longer: what is behind it is never asked for at once.
    while edge <= end && out.len() < 4 * PAGE_MAX {
        let until = (edge + step).min(venue.now);
        let mut bar: Option<Bar> = None;
        let seen = &tape.assets[at].bars;
        for seen in seen.range(seen.partition_point(|b| b.at < edge)..).take_while(|b| b.at < until) {
            match &mut bar {
                Some(bar) => bar.join(seen),
                None => bar = Some(Bar { at: edge, ..*seen }),
            }
        }
        let traded = venue.assets[at].is_crypto()
            || (step >= DAY_NS && trades_within(venue, edge, until))
            || venue.calendar.phase(edge) != Phase::Closed;
        match bar {
            Some(bar) => out.push(bar),
            None if edge < first_seen && traded && until > edge => out.push(made_up_span(venue, at, edge, until)),
            None => {}
        }
        edge += step;
    }
    out
}

fn trades_within(venue: &Venue, from: Nanos, until: Nanos) -> bool {
    let (mut date, last) = (venue.calendar.date_of(from), venue.calendar.date_of(until - 1));
    while date <= last {
        if venue.calendar.day(date).is_some() {
            return true;
        }
        let Ok(next) = date.tomorrow() else { break };
        date = next;
    }
    false
}

/// A price of the past: slow waves round the start, so that neighbouring minutes join.
fn past_px(venue: &Venue, at: usize, time: Nanos) -> i64 {
    let asset = &venue.assets[at].market;
    let minutes = time as f64 / MINUTE_NS as f64;
    let phase = at as f64 * 1.7;
    let wave = 0.04 * (minutes / 14_400.0 + phase).sin()
        + 0.01 * (minutes / 1_111.0 + 2.0 * phase).sin()
        + 0.002 * (minutes / 37.0 + 3.0 * phase).sin();
    let px = (asset.px_start as f64 * (1.0 + wave)) as i64;
    (px / asset.tick).max(1) * asset.tick
}

fn made_up(venue: &Venue, at: usize, minute: Nanos) -> Bar {
    made_up_span(venue, at, minute, minute + MINUTE_NS)
}

fn made_up_span(venue: &Venue, at: usize, from: Nanos, until: Nanos) -> Bar {
    let span = (until - from).max(1);
    let mut bar = Bar::of(from, past_px(venue, at, from));
    for part in 1..=8 {
        let px = past_px(venue, at, from + span / 8 * part);
        bar.high = bar.high.max(px);
        bar.low = bar.low.min(px);
        bar.close = px;
    }
    let minutes = (span / MINUTE_NS).max(1);
    bar.trades = (minutes * 40) as u64;
    bar.volume =
        if venue.assets[at].is_crypto() { minutes.saturating_mul(ONE / 2) } else { minutes.min(400_000) * 4_000 * ONE };
    bar.value = number::notional((bar.high + bar.low) / 2, bar.volume);
    bar
}
