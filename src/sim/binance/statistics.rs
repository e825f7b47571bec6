//! The streams of statistics: klines, tickers and averages, told once a second to those who listen.

use super::history::{Candle, DAY_US, HOUR_US, INTERVALS, Interval};
use super::reference::write_reference;
use super::streams;
use super::venue::Symbol;
use crate::sim::json::Json;
use crate::sim::market::Side;

/// Streams of a symbol's statistics, once a second; klines come behind them, in UTC and in the
/// venue's eastern day.
const STATISTICS: [&str; 8] =
    ["miniTicker", "ticker", "ticker_1h", "ticker_4h", "ticker_1d", "avgPrice", "referencePrice", "blockTrade"];
/// How many that makes of one symbol.
pub const PER_SYMBOL: usize = STATISTICS.len() + 2 * INTERVALS.len();
/// Of all symbols together, behind those of each.
pub const OF_ALL: [&str; 4] = ["!miniTicker@arr", "!ticker_1h@arr", "!ticker_4h@arr", "!ticker_1d@arr"];
/// The zone of `kline_<i>@+08:00`.
const EAST_US: i64 = 8 * HOUR_US;

/// The names behind a symbol's `@`, in the order of their places.
pub fn kinds() -> impl Iterator<Item = String> {
    let klines =
        ["", "@+08:00"].iter().flat_map(|zone| INTERVALS.iter().map(move |(name, _)| format!("kline_{name}{zone}")));
    STATISTICS.iter().map(|name| (*name).to_owned()).chain(klines)
}

/// A stream of statistics that somebody may listen to, and what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    MiniTicker,
    Ticker,
    /// Event name and window.
    Window(&'static str, i64),
    AvgPrice,
    ReferencePrice,
    /// Name, interval, and how far ahead of UTC its zone is.
    Kline(&'static str, Interval, i64),
}

const WINDOWS: [(&str, i64); 3] = [("1hTicker", HOUR_US), ("4hTicker", 4 * HOUR_US), ("1dTicker", DAY_US)];

/// A symbol's streams of statistics. Block trades do not exist here: their stream is silent.
pub fn of_symbol(symbol: usize) -> impl Iterator<Item = (usize, Statistic)> {
    let first = symbol * streams::PER_SYMBOL + streams::STATISTICS_FROM;
    let windows = WINDOWS.iter().map(|(event, length)| Statistic::Window(event, *length));
    let plain = [Statistic::MiniTicker, Statistic::Ticker]
        .into_iter()
        .chain(windows)
        .chain([Statistic::AvgPrice, Statistic::ReferencePrice]);
    let klines = [0, EAST_US]
        .into_iter()
        .flat_map(|zone| INTERVALS.iter().map(move |(name, interval)| Statistic::Kline(name, *interval, zone)));
    plain
        .enumerate()
        .map(move |(at, kind)| (first + at, kind))
        .chain(klines.enumerate().map(move |(at, kind)| (first + STATISTICS.len() + at, kind)))
}

/// The streams of all symbols together.
pub fn of_all(symbols: usize) -> impl Iterator<Item = (usize, Statistic)> {
    let windows = WINDOWS.iter().map(|(event, length)| Statistic::Window(event, *length));
    std::iter::once(Statistic::MiniTicker)
        .chain(windows)
        .enumerate()
        .map(move |(at, kind)| (symbols * streams::PER_SYMBOL + at, kind))
}

/// What a statistic is at `now_us`; false where it has nothing to tell now.
pub fn write(j: &mut Json, symbol: &Symbol, kind: Statistic, now_us: i64) -> bool {
    if let Statistic::Kline(name, interval, zone) = kind {
        // The candle that holds the last unit of time: at its end it is told as closed.
        let (start, next) = interval.around(now_us - 1, zone);
        // Every two seconds but for the shortest, and at its end.
        let due = name == "1s" || now_us % 2_000_000 == 0 || next <= now_us;
        let Some(candle) = symbol.history.shown(start, next).filter(|_| due) else { return false };
        write_kline(j, symbol, name, (&candle, next), now_us);
        return true;
    }
    if kind == Statistic::ReferencePrice {
        let Some(reference) = &symbol.reference else { return false };
        j.object("", |j| {
            j.str("e", "referencePrice");
            j.str("s", &symbol.instrument.symbol);
            write_reference(j, reference, "r", "t");
        });
        return true;
    }
    j.object("", |j| {
        let event = match kind {
            Statistic::MiniTicker => "24hrMiniTicker",
            Statistic::Window(event, _) => event,
            Statistic::AvgPrice => "avgPrice",
            _ => "24hrTicker",
        };
        j.str("e", event);
        j.time("E", now_us);
        j.str("s", &symbol.instrument.symbol);
        match kind {
            Statistic::AvgPrice => {
                j.str("i", "5m");
                j.dec("w", symbol.average_px().unwrap_or(0));
                j.time("T", symbol.trades.back().map_or(now_us, |trade| trade.time_us));
            }
            Statistic::MiniTicker => {
                let day = symbol.stats(now_us - DAY_US, now_us);
                j.dec("c", day.close);
                write_range(j, &day);
            }
            Statistic::Window(_, length) => {
                let open_us = now_us - length;
                write_window(j, symbol, &symbol.stats(open_us, now_us), false, (open_us, now_us));
            }
            _ => {
                let open_us = now_us - DAY_US;
                write_window(j, symbol, &symbol.stats(open_us, now_us), true, (open_us, now_us));
            }
        }
    });
    true
}

fn write_range(j: &mut Json, stats: &Candle) {
    j.dec("o", stats.open);
    j.dec("h", stats.high);
    j.dec("l", stats.low);
    j.dec("v", stats.qty);
    j.dec("q", stats.quote);
}

fn write_window(j: &mut Json, symbol: &Symbol, stats: &Candle, full: bool, (open_us, close_us): (i64, i64)) {
    j.dec("p", stats.close - stats.open);
    j.str("P", &stats.change_percent(3));
    j.dec("w", stats.average());
    if full {
        j.dec("x", symbol.history.px_before(open_us).unwrap_or(stats.open));
        j.dec("Q", symbol.history.last_qty);
        for (px_key, qty_key, side) in [("b", "B", Side::Buy), ("a", "A", Side::Sell)] {
            let (px, qty) = symbol.public_book().best(side).unwrap_or_default();
            j.dec(px_key, px);
            j.dec(qty_key, qty);
        }
    }
    j.dec("c", stats.close);
    write_range(j, stats);
    j.time("O", open_us);
    j.time("C", close_us);
    j.int("F", stats.first_id);
    j.int("L", stats.last_id);
    j.uint("n", stats.count);
}

fn write_kline(j: &mut Json, symbol: &Symbol, name: &str, (candle, next_us): (&Candle, i64), now_us: i64) {
    j.object("", |j| {
        j.str("e", "kline");
        j.time("E", now_us);
        j.str("s", &symbol.instrument.symbol);
        j.object("k", |j| {
            j.time("t", candle.open_us);
            j.last_before("T", next_us);
            j.str("s", &symbol.instrument.symbol);
            j.str("i", name);
            j.int("f", candle.first_id);
            j.int("L", candle.last_id);
            j.dec("o", candle.open);
            j.dec("c", candle.close);
            j.dec("h", candle.high);
            j.dec("l", candle.low);
            j.dec("v", candle.qty);
            j.uint("n", candle.count);
            j.bool("x", next_us <= now_us);
            j.dec("q", candle.quote);
            j.dec("V", candle.taker_qty);
            j.dec("Q", candle.taker_quote);
            j.str("B", "0");
        });
    });
}
