//! Market stream frames (§14) into domain events, without allocating.

use super::decode::{DecodeError, nanos};
use super::json::{self, JsonScratch};
use super::scan::Scan;
use super::symbols::SymbolTable;
use crate::domain::{ExecId, InstrumentId, Level, Price, Qty, Quote, Side, TradeTick};
use simd_json::prelude::*;
use simd_json::tape::{Object, Value};

/// Most levels a side that one update may carry. A snapshot holds 5000; 685 is the most in the recorded days.
pub const MAX_UPDATE_LEVELS: usize = 5000;

/// What a frame was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Market {
    Quote(Quote),
    Trade(TradeTick),
    /// The update is in `MarketDecoder::depth`, until the next frame.
    Depth,
    /// The answer to SUBSCRIBE and its like: done.
    ControlOk,
    /// The answer to SUBSCRIBE and its like: refused, with the venue's code.
    ControlError {
        code: i64,
    },
    /// The server goes down: reconnect now.
    ServerShutdown,
}

/// A diff of the book (`depthUpdate`). Levels are absolute; quantity zero removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepthUpdate {
    pub instrument: InstrumentId,
    /// `U`: the first book update id within.
    pub first_id: u64,
    /// `u`: the last.
    pub last_id: u64,
    pub ts_event_ns: i64,
    pub bids: Vec<Level>,
    pub asks: Vec<Level>,
}

impl DepthUpdate {
    /// With room for `MAX_UPDATE_LEVELS` a side.
    pub fn new() -> DepthUpdate {
        DepthUpdate {
            instrument: InstrumentId::UNKNOWN,
            first_id: 0,
            last_id: 0,
            ts_event_ns: 0,
            bids: Vec::with_capacity(MAX_UPDATE_LEVELS),
            asks: Vec::with_capacity(MAX_UPDATE_LEVELS),
        }
    }
}

impl Default for DepthUpdate {
    fn default() -> Self {
        DepthUpdate::new()
    }
}

/// Which book a frame that could not be read may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspect {
    /// A stream that carries no book.
    None,
    One(InstrumentId),
    /// Nothing is known of the frame: any of them.
    All,
}

/// Decodes frames of one connection. Holds all buffers; nothing allocates after `new` unless a frame beyond 64 KiB
/// needs the fallback.
pub struct MarketDecoder {
    symbols: SymbolTable,
    depth: DepthUpdate,
    scratch: JsonScratch,
}

impl MarketDecoder {
    pub fn new(symbols: SymbolTable) -> MarketDecoder {
        MarketDecoder { symbols, depth: DepthUpdate::new(), scratch: JsonScratch::new() }
    }

    pub fn symbols(&self) -> &SymbolTable {
        &self.symbols
    }

    /// The last update, after `decode` answered `Market::Depth`.
    #[inline]
    pub fn depth(&self) -> &DepthUpdate {
        &self.depth
    }

    /// Reads one text frame, combined (`{"stream":…,"data":…}`) or raw.
    ///
    /// The expected form is scanned by hand; any other order of keys, blanks or escapes goes to simd-json.
    #[inline]
    pub fn decode(&mut self, frame: &[u8]) -> Result<Market, DecodeError> {
        match self.scan(frame) {
            Some(market) => Ok(market),
            None => self.parse(frame),
        }
    }

    /// Which book is in doubt after a frame that `decode` refused.
    pub fn suspect(&self, frame: &[u8]) -> Suspect {
        let mut scan = Scan::new(frame);
        let Some(name) = scan.lit(b"{\"stream\":\"").and_then(|()| scan.until(b'@')) else { return Suspect::All };
        // The kind of stream may be cut short.
        if !scan.rest().starts_with(b"depth") && !b"depth".starts_with(scan.rest()) {
            return Suspect::None;
        }
        self.symbols.find(name).map_or(Suspect::None, Suspect::One)
    }

    /// The form the venue sends today, or `None`.
    #[inline]
    pub(super) fn scan(&mut self, frame: &[u8]) -> Option<Market> {
        let mut scan = Scan::new(frame);
        if scan.lit(b"{\"stream\":\"").is_some() {
            let (instrument, symbol) = self.symbols.find_listed(scan.until(b'@')?)?;
            let market = match scan.peek()? {
                b'b' => {
                    scan.lit(b"bookTicker\",\"data\":")?;
                    Market::Quote(scan_quote(&mut scan, |scan| expect(scan, instrument, symbol))?)
                }
                b't' => {
                    scan.lit(b"trade\",\"data\":{\"e\":\"trade\",\"E\":")?;
                    Market::Trade(scan_trade(&mut scan, |scan| expect(scan, instrument, symbol))?)
                }
                b'd' => {
                    scan.lit(b"depth")?;
                    if scan.peek()? == b'@' && scan.lit(b"@100ms").is_none() {
                        scan.lit(b"@1000ms")?;
                    }
                    scan.lit(b"\",\"data\":{\"e\":\"depthUpdate\",\"E\":")?;
                    scan_depth(&mut scan, &mut self.depth, |scan| expect(scan, instrument, symbol))?;
                    Market::Depth
                }
                _ => {
                    scan.lit(b"aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":")?;
                    Market::Trade(scan_agg_trade(&mut scan, |scan| expect(scan, instrument, symbol))?)
                }
            };
            scan.lit(b"}")?;
            return scan.at_end().then_some(market);
        }
        let symbols = &self.symbols;
        let by_name = |scan: &mut Scan| symbols.find(scan.until(b'"')?);
        let market = if scan.rest().starts_with(b"{\"u\":") {
            Market::Quote(scan_quote(&mut scan, by_name)?)
        } else if scan.lit(b"{\"e\":\"trade\",\"E\":").is_some() {
            Market::Trade(scan_trade(&mut scan, by_name)?)
        } else if scan.lit(b"{\"e\":\"aggTrade\",\"E\":").is_some() {
            Market::Trade(scan_agg_trade(&mut scan, by_name)?)
        } else {
            scan.lit(b"{\"e\":\"depthUpdate\",\"E\":")?;
            scan_depth(&mut scan, &mut self.depth, by_name)?;
            Market::Depth
        };
        scan.at_end().then_some(market)
    }

    /// Any form, through simd-json.
    pub(super) fn parse(&mut self, frame: &[u8]) -> Result<Market, DecodeError> {
        let MarketDecoder { symbols, depth, scratch } = self;
        scratch.with(frame, |root| {
            let root = root.as_object().ok_or(DecodeError::UnknownType)?;
            let data = match (root.get("stream"), root.get("data")) {
                (Some(_), Some(data)) => data.as_object().ok_or(DecodeError::UnknownType)?,
                _ => root,
            };
            match data.get("e").map(|e| e.into_string().ok_or(DecodeError::BadField("e"))).transpose()? {
                Some("trade") => parse_trade(&data, "t", symbols).map(Market::Trade),
                Some("aggTrade") => parse_trade(&data, "a", symbols).map(Market::Trade),
                Some("depthUpdate") => parse_depth(&data, depth, symbols).map(|()| Market::Depth),
                Some("serverShutdown") => Ok(Market::ServerShutdown),
                Some(_) => Err(DecodeError::UnknownType),
                None if data.get("u").is_some() && data.get("b").is_some() => {
                    parse_quote(&data, symbols).map(Market::Quote)
                }
                None if data.get("code").is_some() => Ok(Market::ControlError { code: json::int(&data, "code")? }),
                None if data.get("result").is_some() && data.get("id").is_some() => Ok(Market::ControlOk),
                None => Err(DecodeError::UnknownType),
            }
        })
    }
}

/// The payload names the symbol that its stream named.
#[inline(always)]
fn expect(scan: &mut Scan, instrument: InstrumentId, symbol: &str) -> Option<InstrumentId> {
    scan.bytes(symbol.as_bytes())?;
    scan.lit(b"\"")?;
    Some(instrument)
}

#[inline(always)]
fn scan_quote<'a>(scan: &mut Scan<'a>, symbol: impl Fn(&mut Scan<'a>) -> Option<InstrumentId>) -> Option<Quote> {
    scan.lit(b"{\"u\":")?;
    let update_id = scan.uint()?;
    scan.lit(b",\"s\":\"")?;
    let instrument = symbol(scan)?;
    scan.lit(b",\"b\":")?;
    let bid_px = Price(scan.fixed()?);
    scan.lit(b",\"B\":")?;
    let bid_qty = Qty(scan.fixed()?);
    scan.lit(b",\"a\":")?;
    let ask_px = Price(scan.fixed()?);
    scan.lit(b",\"A\":")?;
    let ask_qty = Qty(scan.fixed()?);
    scan.lit(b"}")?;
    Some(Quote { instrument, bid_px, bid_qty, ask_px, ask_qty, update_id, ts_event_ns: 0 })
}

#[inline(always)]
fn scan_trade<'a>(scan: &mut Scan<'a>, symbol: impl Fn(&mut Scan<'a>) -> Option<InstrumentId>) -> Option<TradeTick> {
    scan.uint()?;
    scan.lit(b",\"s\":\"")?;
    let instrument = symbol(scan)?;
    scan.lit(b",\"t\":")?;
    let trade_id = ExecId::from_u64(scan.uint()?);
    scan.lit(b",\"p\":")?;
    let px = Price(scan.fixed()?);
    scan.lit(b",\"q\":")?;
    let qty = Qty(scan.fixed()?);
    scan_trade_end(scan, instrument, px, qty, trade_id)
}

#[inline(always)]
fn scan_agg_trade<'a>(
    scan: &mut Scan<'a>,
    symbol: impl Fn(&mut Scan<'a>) -> Option<InstrumentId>,
) -> Option<TradeTick> {
    scan.uint()?;
    scan.lit(b",\"s\":\"")?;
    let instrument = symbol(scan)?;
    scan.lit(b",\"a\":")?;
    let trade_id = ExecId::from_u64(scan.uint()?);
    scan.lit(b",\"p\":")?;
    let px = Price(scan.fixed()?);
    scan.lit(b",\"q\":")?;
    let qty = Qty(scan.fixed()?);
    scan.lit(b",\"f\":")?;
    scan.uint()?;
    scan.lit(b",\"l\":")?;
    scan.uint()?;
    scan_trade_end(scan, instrument, px, qty, trade_id)
}

#[inline(always)]
fn scan_trade_end(
    scan: &mut Scan,
    instrument: InstrumentId,
    px: Price,
    qty: Qty,
    trade_id: ExecId,
) -> Option<TradeTick> {
    scan.lit(b",\"T\":")?;
    let ts_event_ns = nanos(scan.uint()?)?;
    scan.lit(b",\"m\":")?;
    let aggressor = aggressor(scan.boolean()?);
    scan.lit(b",\"M\":")?;
    scan.boolean()?;
    scan.lit(b"}")?;
    Some(TradeTick { instrument, px, qty, aggressor, trade_id, ts_event_ns })
}

/// `m: true` says that the buyer was the maker: the seller crossed the spread (§14.3).
#[inline]
fn aggressor(buyer_is_maker: bool) -> Side {
    if buyer_is_maker { Side::Sell } else { Side::Buy }
}

#[inline(always)]
fn scan_depth<'a>(
    scan: &mut Scan<'a>,
    depth: &mut DepthUpdate,
    symbol: impl Fn(&mut Scan<'a>) -> Option<InstrumentId>,
) -> Option<()> {
    depth.ts_event_ns = nanos(scan.uint()?)?;
    scan.lit(b",\"s\":\"")?;
    depth.instrument = symbol(scan)?;
    scan.lit(b",\"U\":")?;
    depth.first_id = scan.uint()?;
    scan.lit(b",\"u\":")?;
    depth.last_id = scan.uint()?;
    scan.lit(b",\"b\":")?;
    scan_levels(scan, &mut depth.bids)?;
    scan.lit(b",\"a\":")?;
    scan_levels(scan, &mut depth.asks)?;
    scan.lit(b"}")
}

/// `[["px","qty"],…]` into `levels`, at most as many as it has room for.
pub(super) fn scan_levels(scan: &mut Scan, levels: &mut Vec<Level>) -> Option<()> {
    levels.clear();
    scan.lit(b"[")?;
    if scan.lit(b"]").is_some() {
        return Some(());
    }
    loop {
        scan.lit(b"[")?;
        let px = Price(scan.fixed()?);
        scan.lit(b",")?;
        let qty = Qty(scan.fixed()?);
        if levels.len() == levels.capacity() {
            return None;
        }
        levels.push(Level { px, qty });
        scan.lit(b"]")?;
        match scan.byte()? {
            b',' => {}
            b']' => return Some(()),
            _ => return None,
        }
    }
}

fn symbol(data: &Object, symbols: &SymbolTable) -> Result<InstrumentId, DecodeError> {
    symbols.find(json::text(data, "s")?.as_bytes()).ok_or(DecodeError::UnknownSymbol)
}

fn parse_quote(data: &Object, symbols: &SymbolTable) -> Result<Quote, DecodeError> {
    Ok(Quote {
        instrument: symbol(data, symbols)?,
        bid_px: Price(json::fixed(data, "b")?),
        bid_qty: Qty(json::fixed(data, "B")?),
        ask_px: Price(json::fixed(data, "a")?),
        ask_qty: Qty(json::fixed(data, "A")?),
        update_id: json::uint(data, "u")?,
        ts_event_ns: 0,
    })
}

fn parse_trade(data: &Object, id: &'static str, symbols: &SymbolTable) -> Result<TradeTick, DecodeError> {
    Ok(TradeTick {
        instrument: symbol(data, symbols)?,
        px: Price(json::fixed(data, "p")?),
        qty: Qty(json::fixed(data, "q")?),
        aggressor: aggressor(json::boolean(data, "m")?),
        trade_id: ExecId::from_u64(json::uint(data, id)?),
        ts_event_ns: json::time(data, "T")?,
    })
}

fn parse_depth(data: &Object, depth: &mut DepthUpdate, symbols: &SymbolTable) -> Result<(), DecodeError> {
    depth.instrument = symbol(data, symbols)?;
    depth.ts_event_ns = json::time(data, "E")?;
    depth.first_id = json::uint(data, "U")?;
    depth.last_id = json::uint(data, "u")?;
    parse_levels(json::field(data, "b")?, &mut depth.bids, "b")?;
    parse_levels(json::field(data, "a")?, &mut depth.asks, "a")
}

pub(super) fn parse_levels(value: Value, levels: &mut Vec<Level>, name: &'static str) -> Result<(), DecodeError> {
    levels.clear();
    for level in &value.as_array().ok_or(DecodeError::BadField(name))? {
        let pair = level.as_array().ok_or(DecodeError::BadField(name))?;
        let mut pair = pair.iter();
        let (Some(px), Some(qty), None) = (pair.next(), pair.next(), pair.next()) else {
            return Err(DecodeError::BadField(name));
        };
        if levels.len() == levels.capacity() {
            return Err(DecodeError::TooManyLevels);
        }
        levels.push(Level { px: Price(json::fixed_value(px, name)?), qty: Qty(json::fixed_value(qty, name)?) });
    }
    Ok(())
}

#[cfg(test)]
#[path = "market_tests.rs"]
mod tests;
