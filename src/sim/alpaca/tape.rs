//! What the market has shown: last quotes and trades, and the bars that are made of the trades.

use super::assets::Asset;
use super::number;
use super::orders::Side;
use super::venue::Venue;
use crate::domain::Nanos;
use std::collections::VecDeque;

const MINUTE_NS: Nanos = 60_000_000_000;
/// Kept of each asset: a week of minutes, and what a page of quotes or trades holds.
const BARS_MAX: usize = 7 * 1_440;
const TICKS_MAX: usize = 1_000;
/// Days kept.
const DAYS_MAX: usize = 400;

/// A trade of the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print {
    pub px: i64,
    pub qty: i64,
    pub taker: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trade {
    pub id: u64,
    pub at: Nanos,
    pub print: Print,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quote {
    pub at: Nanos,
    pub bid: i64,
    pub bid_qty: i64,
    pub ask: i64,
    pub ask_qty: i64,
}

/// A bar; `value` is the sum of price × quantity in 10^-18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bar {
    pub at: Nanos,
    pub open: i64,
    pub high: i64,
    pub low: i64,
    pub close: i64,
    pub volume: i64,
    pub trades: u64,
    pub value: i128,
}

impl Bar {
    pub fn of(at: Nanos, px: i64) -> Bar {
        Bar { at, open: px, high: px, low: px, close: px, ..Bar::default() }
    }

    fn add(&mut self, print: &Print) {
        self.high = self.high.max(print.px);
        self.low = self.low.min(print.px);
        self.close = print.px;
        self.volume = self.volume.saturating_add(print.qty);
        self.trades += 1;
        self.value += number::notional(print.px, print.qty);
    }
}

#[derive(Debug, Clone, Default)]
pub struct AssetTape {
    pub quote: Quote,
    pub quotes: VecDeque<Quote>,
    pub trades: VecDeque<Trade>,
    /// The bar of the minute that is running.
    pub minute: Option<Bar>,
    pub bars: VecDeque<Bar>,
    pub day: Option<Bar>,
    pub days: VecDeque<Bar>,
}

/// Something to be told to those who listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Quote(usize, Quote),
    Trade(usize, Trade),
    /// A change of a level of a pair's book.
    Level {
        asset: usize,
        side: Side,
        px: i64,
        qty: i64,
    },
    Bar(usize, Bar),
    Daily(usize, Bar),
}

pub struct Tape {
    pub assets: Vec<AssetTape>,
    next_trade: u64,
    pub shown: Vec<Shown>,
    crypto: Vec<bool>,
}

impl Tape {
    pub fn new(assets: &[Asset], first_trade: u64) -> Tape {
        Tape {
            assets: assets.iter().map(|_| AssetTape::default()).collect(),
            next_trade: first_trade,
            shown: Vec::new(),
            crypto: assets.iter().map(Asset::is_crypto).collect(),
        }
    }

    /// A level of the book has changed.
    pub fn level(&mut self, asset: usize, side: Side, px: i64, qty: i64) {
        if self.crypto[asset] {
            self.shown.push(Shown::Level { asset, side, px, qty });
        }
    }

    /// The touch may have changed.
    pub fn quoted(&mut self, venue: &Venue, asset: usize) {
        let book = &venue.markets[asset].liquidity.book;
        let (Some((bid, bid_qty)), Some((ask, ask_qty))) = (book.best(Side::Buy), book.best(Side::Sell)) else {
            return;
        };
        let quote = Quote { at: venue.now, bid, bid_qty, ask, ask_qty };
        let tape = &mut self.assets[asset];
        if (Quote { at: quote.at, ..tape.quote }) == quote {
            return;
        }
        tape.quote = quote;
        keep(&mut tape.quotes, quote, TICKS_MAX);
        self.shown.push(Shown::Quote(asset, quote));
    }

    pub fn printed(&mut self, venue: &Venue, asset: usize, print: Print) {
        let trade = Trade { id: self.next_trade, at: venue.now, print };
        self.next_trade += 1;
        self.advance_one(asset, venue.now);
        let tape = &mut self.assets[asset];
        keep(&mut tape.trades, trade, TICKS_MAX);
        let minute = venue.now.div_euclid(MINUTE_NS) * MINUTE_NS;
        tape.minute.get_or_insert(Bar::of(minute, print.px)).add(&print);
        let day = venue.calendar.at(venue.calendar.date_of(venue.now), 0, 0);
        if let Some(done) = tape.day.take_if(|bar| bar.at != day) {
            keep(&mut tape.days, done, DAYS_MAX);
        }
        tape.day.get_or_insert(Bar::of(day, print.px)).add(&print);
        self.shown.push(Shown::Trade(asset, trade));
    }

    /// Ends the minutes that are over.
    pub fn advance(&mut self, now: Nanos) {
        for asset in 0..self.assets.len() {
            self.advance_one(asset, now);
        }
    }

    fn advance_one(&mut self, asset: usize, now: Nanos) {
        let minute = now.div_euclid(MINUTE_NS) * MINUTE_NS;
        let tape = &mut self.assets[asset];
        // A clock that was set back ends the minute too.
        let Some(done) = tape.minute.take_if(|bar| bar.at != minute) else { return };
        keep(&mut tape.bars, done, BARS_MAX);
        let day = tape.day;
        self.shown.push(Shown::Bar(asset, done));
        self.shown.extend(day.map(|day| Shown::Daily(asset, day)));
    }
}

fn keep<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    if queue.len() == max {
        queue.pop_front();
    }
    queue.push_back(item);
}
