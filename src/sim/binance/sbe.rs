//! The market streams in SBE (reference §18), schema 1 version 0: little-endian, written here from the schema and
//! sharing nothing with the client's decoder.
//!
//! Prices and quantities go out with as few places as the symbol's tick and lot have, as the venue does it.

use super::hub::Hub;
use super::venue::{PublicTrade, Symbol, Venue};
use crate::sim::decimal::PLACES;
use crate::sim::market::book::Book;
use crate::sim::market::{Side, SimInstrument};
use std::collections::BTreeSet;

const SCHEMA: u16 = 1;
const VERSION: u16 = 0;
/// Template ids with the length of their root block (§18.4).
const TRADES: (u16, u16) = (10_000, 18);
const BEST: (u16, u16) = (10_001, 50);
const SNAPSHOT: (u16, u16) = (10_002, 18);
const DIFF: (u16, u16) = (10_003, 26);
/// Lengths of group entries.
const TRADE_ENTRY: u16 = 25;
const LEVEL_ENTRY: u16 = 16;

/// Kinds of a symbol's streams; one connection may be subscribed to any of them.
const KINDS: [&str; 4] = ["trade", "bestBidAsk", "depth20", "depth"];
const TRADE: usize = 0;
const BEST_BID_ASK: usize = 1;
const DEPTH_20: usize = 2;
const DEPTH: usize = 3;

/// When snapshots and diffs go out.
pub const SNAPSHOT_EVERY_NS: i64 = 50_000_000;
pub const DIFF_EVERY_NS: i64 = 20_000_000;

/// The names of a synthetic market's streams, in the order of their places.
pub fn names(venue: &Venue) -> impl Iterator<Item = String> {
    let symbols = venue.symbols.iter().map(|symbol| symbol.instrument.symbol.to_lowercase());
    symbols.flat_map(|symbol| KINDS.map(|kind| format!("{symbol}@{kind}")))
}

/// How the numbers of a symbol are written: exponents, and what a unit of 10^-8 is divided by.
struct Scale {
    exponents: (i8, i8),
    divisors: (i64, i64),
}

impl Scale {
    fn of(instrument: &SimInstrument) -> Scale {
        let places = |step: i64| {
            let mut divisor = 1;
            let mut exponent = -(PLACES as i8);
            while exponent < 0 && step > 0 && step % (divisor * 10) == 0 {
                divisor *= 10;
                exponent += 1;
            }
            (exponent, divisor)
        };
        let (px, qty) = (places(instrument.tick), places(instrument.lot));
        Scale { exponents: (px.0, qty.0), divisors: (px.1, qty.1) }
    }
}

/// A message under construction.
struct Writer {
    out: Vec<u8>,
    scale: Scale,
}

impl Writer {
    fn new((template, block): (u16, u16), scale: Scale) -> Writer {
        let mut writer = Writer { out: Vec::with_capacity(128), scale };
        for part in [block, template, SCHEMA, VERSION] {
            writer.out.extend_from_slice(&part.to_le_bytes());
        }
        writer
    }

    fn long(&mut self, value: i64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    fn exponents(&mut self) {
        let (px, qty) = self.scale.exponents;
        self.out.extend_from_slice(&[px.to_le_bytes()[0], qty.to_le_bytes()[0]]);
    }

    fn level(&mut self, px: i64, qty: i64) {
        self.long(px / self.scale.divisors.0);
        self.long(qty / self.scale.divisors.1);
    }

    fn levels(&mut self, levels: &[(i64, i64)]) {
        self.out.extend_from_slice(&LEVEL_ENTRY.to_le_bytes());
        // The book of one symbol has far fewer levels than a dimension counts.
        self.out.extend_from_slice(&u16::try_from(levels.len()).unwrap_or(u16::MAX).to_le_bytes());
        levels.iter().take(u16::MAX.into()).for_each(|(px, qty)| self.level(*px, *qty));
    }

    /// The symbol comes last.
    fn end(mut self, symbol: &str) -> Vec<u8> {
        self.out.push(symbol.len().min(255) as u8);
        self.out.extend_from_slice(&symbol.as_bytes()[..symbol.len().min(255)]);
        self.out
    }
}

fn trades(instrument: &SimInstrument, trades: &[&PublicTrade], now_us: i64) -> Vec<u8> {
    let mut w = Writer::new(TRADES, Scale::of(instrument));
    w.long(now_us);
    w.long(trades.first().map_or(now_us, |trade| trade.time_us));
    w.exponents();
    w.out.extend_from_slice(&TRADE_ENTRY.to_le_bytes());
    w.out.extend_from_slice(&(trades.len() as u32).to_le_bytes());
    for trade in trades {
        w.long(trade.id as i64);
        w.level(trade.px, trade.qty);
        w.out.push(u8::from(trade.buyer_is_maker));
    }
    w.end(&instrument.symbol)
}

fn best(symbol: &Symbol, now_us: i64) -> Vec<u8> {
    let book = symbol.public_book();
    let mut w = Writer::new(BEST, Scale::of(&symbol.instrument));
    w.long(now_us);
    w.long(book.last_id as i64);
    w.exponents();
    for side in Side::BOTH {
        let (px, qty) = book.best(side).unwrap_or_default();
        w.level(px, qty);
    }
    w.end(&symbol.instrument.symbol)
}

fn snapshot(instrument: &SimInstrument, book: &Book, now_us: i64) -> Vec<u8> {
    let mut w = Writer::new(SNAPSHOT, Scale::of(instrument));
    w.long(now_us);
    w.long(book.last_id as i64);
    w.exponents();
    for side in Side::BOTH {
        w.levels(&book.levels(side).take(20).collect::<Vec<_>>());
    }
    w.end(&instrument.symbol)
}

fn diff(instrument: &SimInstrument, diff: &super::streams::DepthDiff, now_us: i64) -> Vec<u8> {
    let mut w = Writer::new(DIFF, Scale::of(instrument));
    for value in [now_us, diff.first_id as i64, diff.last_id as i64] {
        w.long(value);
    }
    w.exponents();
    for side in Side::BOTH {
        let levels: Vec<_> = diff.levels.iter().filter(|l| l.0 == side).map(|(_, px, qty)| (*px, *qty)).collect();
        w.levels(&levels);
    }
    w.end(&instrument.symbol)
}

impl Hub {
    /// Whether anybody is subscribed to SBE.
    pub fn has_sbe(&self) -> bool {
        self.sbe_streams.has_subscribers()
    }

    fn send_sbe(&mut self, stream: usize, message: impl FnOnce() -> Vec<u8>) {
        let subscribers = self.sbe_streams.subscribers(stream);
        if subscribers.is_empty() || self.faults.market_frozen {
            return;
        }
        let bytes = message();
        for &slot in subscribers {
            if let Some(slot) = &mut self.slots[slot] {
                slot.conn.send_binary(&[&bytes]);
            }
        }
    }

    /// A command's trades and new tops of book.
    pub fn publish_sbe(&mut self, venue: &Venue, told: &[PublicTrade], tops: &[usize], now_us: i64) {
        if !self.has_sbe() {
            return;
        }
        for index in told.iter().map(|trade| trade.symbol).collect::<BTreeSet<_>>() {
            let of: Vec<_> = told.iter().filter(|trade| trade.symbol == index).collect();
            let instrument = &venue.symbols[index].instrument;
            self.send_sbe(index * KINDS.len() + TRADE, || trades(instrument, &of, now_us));
        }
        for &index in tops {
            self.send_sbe(index * KINDS.len() + BEST_BID_ASK, || best(&venue.symbols[index], now_us));
        }
    }

    /// The first twenty levels of every symbol.
    pub fn publish_sbe_snapshots(&mut self, venue: &Venue, now_us: i64) {
        for (index, symbol) in venue.symbols.iter().enumerate() {
            let message = || snapshot(&symbol.instrument, symbol.public_book(), now_us);
            self.send_sbe(index * KINDS.len() + DEPTH_20, message);
        }
    }

    pub fn publish_sbe_diff(
        &mut self,
        index: usize,
        symbol: &Symbol,
        changes: &super::streams::DepthDiff,
        now_us: i64,
    ) {
        self.send_sbe(index * KINDS.len() + DEPTH, || diff(&symbol.instrument, changes, now_us));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published frame of a best bid and ask, written by somebody else from the same schema.
    #[test]
    fn a_frame_is_byte_for_byte_what_the_schema_makes_of_it() {
        let Some(file) = crate::sim::binance::testing::fixture("binance/sbe_stream_synthetic.json") else { return };
        let frame = file["frames"].as_array().unwrap().iter().find(|f| f["stream_kind"] == "bestBidAsk").unwrap();
        let fields = &frame["decoded"]["fields"];
        let value = |name: &str| fields[name].as_i64().unwrap();
        let exponents = (value("priceExponent") as i8, value("qtyExponent") as i8);
        let mut w = Writer::new(BEST, Scale { exponents, divisors: (1, 1) });
        w.long(value("eventTime"));
        w.long(value("bookUpdateId"));
        w.exponents();
        w.level(value("bidPrice"), value("bidQty"));
        w.level(value("askPrice"), value("askQty"));
        let hex: String = w.end(fields["symbol"].as_str().unwrap()).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, frame["hex"].as_str().unwrap());
    }

    #[test]
    fn exponents_are_those_of_tick_and_lot() {
        let scale = Scale::of(&SimInstrument::btcusdt());
        assert_eq!((scale.exponents, scale.divisors), ((-2, -5), (1_000_000, 1_000)));
    }
}
