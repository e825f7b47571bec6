//! What a symbol has traded, by time: candles of a second and of a minute, from which klines, tickers and the averages
//! of windows are made.
//!
//! Invariants:
//! - Candles stand in the order of their times; a time without trades has none and is shown flat.
//! - Memory is bounded and taken at the start: an hour of seconds and a week of minutes.

use super::venue::PublicTrade;
use crate::sim::decimal;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};
use std::collections::VecDeque;

const SECOND_US: i64 = 1_000_000;
pub const MINUTE_US: i64 = 60 * SECOND_US;
pub const HOUR_US: i64 = 60 * MINUTE_US;
pub const DAY_US: i64 = 24 * HOUR_US;
const SECONDS_MAX: usize = 3_600;
const MINUTES_MAX: usize = 7 * 24 * 60;

/// The venue's intervals, by name.
pub const INTERVALS: [(&str, Interval); 16] = [
    ("1s", Interval::Fixed(SECOND_US)),
    ("1m", Interval::Fixed(MINUTE_US)),
    ("3m", Interval::Fixed(3 * MINUTE_US)),
    ("5m", Interval::Fixed(5 * MINUTE_US)),
    ("15m", Interval::Fixed(15 * MINUTE_US)),
    ("30m", Interval::Fixed(30 * MINUTE_US)),
    ("1h", Interval::Fixed(HOUR_US)),
    ("2h", Interval::Fixed(2 * HOUR_US)),
    ("4h", Interval::Fixed(4 * HOUR_US)),
    ("6h", Interval::Fixed(6 * HOUR_US)),
    ("8h", Interval::Fixed(8 * HOUR_US)),
    ("12h", Interval::Fixed(12 * HOUR_US)),
    ("1d", Interval::Fixed(DAY_US)),
    ("3d", Interval::Fixed(3 * DAY_US)),
    ("1w", Interval::Week),
    ("1M", Interval::Month),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// So many microseconds, counted from the epoch.
    Fixed(i64),
    /// From a Monday.
    Week,
    /// From the first of a month.
    Month,
}

impl Interval {
    pub fn parse(text: &str) -> Option<Interval> {
        INTERVALS.iter().find(|(name, _)| *name == text).map(|(_, interval)| *interval)
    }

    /// The start of the interval that holds a time, and of the next one, in a zone so far ahead of UTC.
    pub fn around(self, us: i64, zone_us: i64) -> (i64, i64) {
        let aligned = |length: i64, from: i64| {
            let start = us - (us + zone_us - from).rem_euclid(length);
            (start, start + length)
        };
        match self {
            Interval::Fixed(length) => aligned(length, 0),
            // The epoch was a Thursday.
            Interval::Week => aligned(7 * DAY_US, 4 * DAY_US),
            // Times that no calendar holds come from no clock: they are their own month.
            Interval::Month => month(us + zone_us).map_or((us, us + 28 * DAY_US), |(a, b)| (a - zone_us, b - zone_us)),
        }
    }
}

fn month(us: i64) -> Option<(i64, i64)> {
    let first = Offset::UTC.to_datetime(Timestamp::from_microsecond(us).ok()?).date().first_of_month();
    let start = |date: jiff::civil::Date| Some(Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?.as_microsecond());
    Some((start(first)?, start(first.checked_add(1.month()).ok()?)?))
}

/// Prices and quantities in 10^-8, times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candle {
    pub open_us: i64,
    pub open: i64,
    pub high: i64,
    pub low: i64,
    pub close: i64,
    pub qty: i128,
    pub quote: i128,
    /// Of that, bought by takers.
    pub taker_qty: i128,
    pub taker_quote: i128,
    pub count: u64,
    /// -1 where nothing was traded.
    pub first_id: i64,
    pub last_id: i64,
}

impl Candle {
    pub fn flat(open_us: i64, px: i64) -> Candle {
        Candle {
            open_us,
            open: px,
            high: px,
            low: px,
            close: px,
            qty: 0,
            quote: 0,
            taker_qty: 0,
            taker_quote: 0,
            count: 0,
            first_id: -1,
            last_id: -1,
        }
    }

    fn of(trade: &PublicTrade, open_us: i64) -> Candle {
        let (qty, quote) = (i128::from(trade.qty), decimal::notional(trade.px, trade.qty));
        let taker = if trade.buyer_is_maker { (0, 0) } else { (qty, quote) };
        let id = trade.id as i64;
        Candle {
            qty,
            quote,
            taker_qty: taker.0,
            taker_quote: taker.1,
            count: 1,
            first_id: id,
            last_id: id,
            ..Candle::flat(open_us, trade.px)
        }
    }

    /// Takes in what came after it.
    fn join(&mut self, later: &Candle) {
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.close = later.close;
        self.qty += later.qty;
        self.quote += later.quote;
        self.taker_qty += later.taker_qty;
        self.taker_quote += later.taker_quote;
        self.count += later.count;
        self.last_id = later.last_id;
    }

    /// The volume-weighted average price.
    pub fn average(&self) -> i64 {
        let one = i128::from(decimal::ONE);
        if self.qty == 0 { 0 } else { i64::try_from(self.quote * one / self.qty).unwrap_or(i64::MAX) }
    }

    /// By how much the price has changed, in percent with `places` places.
    pub fn change_percent(&self, places: usize) -> String {
        let scale = 10_i128.pow(places as u32);
        let change = i128::from(self.close - self.open) * 100 * scale / i128::from(self.open.max(1));
        let sign = if change < 0 { "-" } else { "" };
        let change = change.unsigned_abs();
        format!("{sign}{}.{:0places$}", change / scale as u128, change % scale as u128)
    }
}

#[derive(Debug, Clone)]
pub struct History {
    seconds: VecDeque<Candle>,
    minutes: VecDeque<Candle>,
    /// Of the last trade.
    pub last_qty: i64,
}

impl Default for History {
    /// Empty, and of its final size.
    fn default() -> Self {
        let of = VecDeque::with_capacity;
        History { seconds: of(SECONDS_MAX), minutes: of(MINUTES_MAX), last_qty: 0 }
    }
}

impl History {
    pub fn note(&mut self, trade: &PublicTrade) {
        self.last_qty = trade.qty;
        for (candles, length, max) in
            [(&mut self.seconds, SECOND_US, SECONDS_MAX), (&mut self.minutes, MINUTE_US, MINUTES_MAX)]
        {
            let candle = Candle::of(trade, trade.time_us - trade.time_us.rem_euclid(length));
            match candles.back_mut() {
                // A trade from before the last candle's time counts to that candle.
                Some(last) if candle.open_us <= last.open_us => last.join(&candle),
                _ => {
                    if candles.len() == max {
                        candles.pop_front();
                    }
                    candles.push_back(candle);
                }
            }
        }
    }

    /// What was traded from `from` until before `to`, to the minute (to the second for shorter spans).
    pub fn between(&self, from_us: i64, to_us: i64) -> Option<Candle> {
        let candles = if to_us - from_us < MINUTE_US { &self.seconds } else { &self.minutes };
        let at = candles.partition_point(|c| c.open_us < from_us);
        let mut within = candles.range(at..).take_while(|c| c.open_us < to_us);
        let mut joined = Candle { open_us: from_us, ..*within.next()? };
        within.for_each(|candle| joined.join(candle));
        Some(joined)
    }

    /// As `between`; without a trade it is flat at the price before, and nothing where there is none.
    pub fn shown(&self, from_us: i64, to_us: i64) -> Option<Candle> {
        self.between(from_us, to_us).or_else(|| Some(Candle::flat(from_us, self.px_before(from_us)?)))
    }

    /// The mean of the last price of each of the `buckets` seconds before a time; a second without a trade has the
    /// price before it. `None` before the first trade.
    pub fn mean_close(&self, now_us: i64, buckets: u32) -> Option<i64> {
        let now = now_us - now_us.rem_euclid(SECOND_US);
        let close = |back: i64| {
            let at = self.seconds.partition_point(|c| c.open_us < now - back * SECOND_US);
            at.checked_sub(1).and_then(|at| self.seconds.get(at)).map(|c| i128::from(c.close))
        };
        let closes: Vec<i128> = (0..i64::from(buckets)).filter_map(close).collect();
        let mean = closes.iter().sum::<i128>().checked_div(closes.len() as i128)?;
        i64::try_from(mean).ok()
    }

    /// The last price before a time.
    pub fn px_before(&self, us: i64) -> Option<i64> {
        let at = self.minutes.partition_point(|c| c.open_us < us);
        at.checked_sub(1).and_then(|at| self.minutes.get(at)).map(|c| c.close)
    }

    /// Candles with the ends of their intervals: the oldest `limit` from `start`, or the newest up to `end`.
    pub fn klines(
        &self,
        interval: Interval,
        zone_us: i64,
        (start, end): (Option<i64>, Option<i64>),
        limit: usize,
        now_us: i64,
    ) -> Vec<(Candle, i64)> {
        let candles = if interval == Interval::Fixed(SECOND_US) { &self.seconds } else { &self.minutes };
        let Some(first) = candles.front().map(|c| interval.around(c.open_us, zone_us).0) else { return Vec::new() };
        let last = interval.around(end.unwrap_or(now_us).min(now_us), zone_us).0;
        let mut out = Vec::new();
        match start {
            Some(start) => {
                let (at, next) = interval.around(start, zone_us);
                let mut at = if at < start { next } else { at }.max(first);
                while at <= last && out.len() < limit {
                    let next = interval.around(at, zone_us).1;
                    out.extend(self.shown(at, next).map(|candle| (candle, next)));
                    at = next;
                }
            }
            None => {
                let (mut at, mut next) = (last, interval.around(last, zone_us).1);
                while at >= first && out.len() < limit {
                    out.extend(self.shown(at, next).map(|candle| (candle, next)));
                    (at, next) = (interval.around(at - 1, zone_us).0, at);
                }
                out.reverse();
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trade(id: u64, seconds: i64, px: i64, qty: i64) -> PublicTrade {
        let time_us = 1_789_689_600_000_000 + seconds * SECOND_US;
        PublicTrade { symbol: 0, id, px, qty, time_us, buyer_is_maker: id.is_multiple_of(2), command: id }
    }

    fn history() -> History {
        let mut history = History::default();
        for t in [trade(1, 0, 100, 5), trade(2, 30, 120, 5), trade(3, 59, 90, 5), trade(4, 200, 110, 5)] {
            history.note(&t);
        }
        history
    }

    #[test]
    fn a_kline_is_its_trades_and_a_quiet_one_is_flat() {
        let start = trade(0, 0, 0, 0).time_us;
        let got = history().klines(Interval::Fixed(MINUTE_US), 0, (None, None), 10, start + 200 * SECOND_US);
        let shape: Vec<_> = got
            .iter()
            .map(|(c, end)| {
                ((c.open_us - start) / SECOND_US, (end - start) / SECOND_US, c.open, c.high, c.low, c.close, c.count)
            })
            .collect();
        assert_eq!(
            shape,
            [
                (0, 60, 100, 120, 90, 90, 3),
                (60, 120, 90, 90, 90, 90, 0),
                (120, 180, 90, 90, 90, 90, 0),
                (180, 240, 110, 110, 110, 110, 1),
            ]
        );
        assert_eq!((got[0].0.qty, got[0].0.taker_qty, got[0].0.first_id, got[0].0.last_id), (15, 10, 1, 3));
        let from = |start, limit| {
            history().klines(Interval::Fixed(MINUTE_US), 0, (Some(start), None), limit, start + DAY_US).len()
        };
        assert_eq!((from(start, 2), from(start + 1, 500)), (2, 500));
    }

    #[test]
    fn intervals_begin_where_the_venue_says() {
        // 2026-09-18 00:00 UTC, a Friday.
        let at = 1_789_689_600_000_000;
        for (interval, zone, days_back, days) in
            [(Interval::Fixed(DAY_US), 0, 0, 1), (Interval::Week, 0, 4, 7), (Interval::Month, 0, 17, 30)]
        {
            let want = (at - days_back * DAY_US, at + (days - days_back) * DAY_US);
            assert_eq!(interval.around(at, zone), want, "{interval:?}");
            assert_eq!(interval.around(at + 1, zone), want, "{interval:?}");
        }
        // The day began eight hours earlier where the clock is eight hours ahead.
        assert_eq!(Interval::Fixed(DAY_US).around(at, 8 * HOUR_US).0, at - 8 * HOUR_US);
    }

    #[test]
    fn changes_are_written_with_their_places() {
        let candle = |open, close| Candle { close, ..Candle::flat(0, open) };
        for (open, close, want) in
            [(100, 104, "4.000"), (3, 2, "-33.333"), (100_000, 99_999, "-0.001"), (100, 100, "0.000")]
        {
            assert_eq!(candle(open, close).change_percent(3), want);
        }
    }
}
