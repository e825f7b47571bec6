//! What the market has shown: last quotes and trades, and the bars that are made of the trades.

use super::assets::Asset;
use super::number::{self, ONE};
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

    /// The average price by volume.
    pub fn average(&self) -> i64 {
        if self.volume == 0 { self.close } else { (self.value / i128::from(self.volume)) as i64 }
    }

    /// This bar and a later one as one.
    pub fn join(&mut self, later: &Bar) {
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.close = later.close;
        self.volume = self.volume.saturating_add(later.volume);
        self.trades += later.trades;
        self.value += later.value;
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
    /// The minute before, where late trades changed it.
    Updated(usize, Bar),
    Daily(usize, Bar),
    /// A halt, or its end.
    Status {
        asset: usize,
        halted: bool,
        at: Nanos,
    },
    /// Between which prices an equity may trade.
    Band {
        asset: usize,
        low: i64,
        high: i64,
        at: Nanos,
    },
    /// A trade that is reported anew at another price, under a new id.
    Correction {
        asset: usize,
        trade: Trade,
        px: i64,
        id: u64,
        at: Nanos,
    },
    /// A trade that is taken back.
    Bust {
        asset: usize,
        trade: Trade,
        at: Nanos,
    },
}

impl Shown {
    pub fn asset(&self) -> usize {
        match self {
            Shown::Quote(asset, _) | Shown::Trade(asset, _) => *asset,
            Shown::Bar(asset, _) | Shown::Updated(asset, _) | Shown::Daily(asset, _) => *asset,
            Shown::Level { asset, .. } | Shown::Status { asset, .. } | Shown::Band { asset, .. } => *asset,
            Shown::Correction { asset, .. } | Shown::Bust { asset, .. } => *asset,
        }
    }

    /// The type of its message, and the channel on which it goes out.
    pub fn kind(&self) -> (&'static str, &'static str) {
        match self {
            Shown::Quote(..) => ("q", "quotes"),
            Shown::Trade(..) => ("t", "trades"),
            Shown::Level { .. } => ("o", "orderbooks"),
            Shown::Bar(..) => ("b", "bars"),
            Shown::Updated(..) => ("u", "updatedBars"),
            Shown::Daily(..) => ("d", "dailyBars"),
            Shown::Status { .. } => ("s", "statuses"),
            Shown::Band { .. } => ("l", "lulds"),
            Shown::Correction { .. } => ("c", "corrections"),
            Shown::Bust { .. } => ("x", "cancelErrors"),
        }
    }
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
        while tape.bars.back().is_some_and(|bar| bar.at >= done.at) {
            tape.bars.pop_back();
        }
        keep(&mut tape.bars, done, BARS_MAX);
        let day = tape.day;
        self.shown.push(Shown::Bar(asset, done));
        self.shown.extend(day.map(|day| Shown::Daily(asset, day)));
    }

    /// A trade of the minute before is reported late, at its last price: its bar changes and is told once more.
    pub fn late(&mut self, asset: usize) {
        let tape = &mut self.assets[asset];
        if let (Some(bar), Some(trade)) = (tape.bars.back_mut(), tape.trades.back()) {
            bar.add(&Print { px: bar.close, ..trade.print });
            let bar = *bar;
            self.shown.push(Shown::Updated(asset, bar));
        }
    }

    /// The last trade is taken back, or told anew at another price.
    pub fn amend_last(&mut self, asset: usize, px: Option<i64>, at: Nanos) -> bool {
        let id = self.next_trade;
        let Some(trade) = self.assets[asset].trades.back_mut() else { return false };
        let old = *trade;
        match px {
            Some(px) => {
                self.next_trade += 1;
                (trade.id, trade.print.px) = (id, px);
                self.shown.push(Shown::Correction { asset, trade: old, px, id, at });
            }
            None => {
                self.assets[asset].trades.pop_back();
                self.shown.push(Shown::Bust { asset, trade: old, at });
            }
        }
        true
    }

    /// An equity's band: five per cent on both sides of its last minute's close.
    pub fn band(&mut self, asset: usize, at: Nanos) {
        if let Some(bar) = self.assets[asset].bars.back() {
            let cent = ONE / 100;
            let at_percent = |percent: i64| bar.close / 100 * percent / cent * cent;
            self.shown.push(Shown::Band { asset, low: at_percent(95), high: at_percent(105), at });
        }
    }
}

fn keep<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    if queue.len() == max {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// Sizes of an equity's quote are told in round lots of a hundred shares, at least one.
pub fn round_lots(qty: i64) -> i64 {
    (qty / (100 * ONE)).max(1)
}

/// Shares of an equity's trade: whole ones, at least one.
pub fn shares(qty: i64) -> i64 {
    (qty / ONE).max(1)
}
