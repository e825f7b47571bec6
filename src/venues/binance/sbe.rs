//! Market stream frames in SBE (§18): schema 1, version 0 and whatever version extends it.
//!
//! Little-endian, at fixed places: a frame is read where its numbers stand, without a search. The sender's block
//! lengths are believed, so that fields a later version appends are stepped over; prices and quantities are brought
//! from the frame's own exponents to this venue's scale, exactly or not at all.

use super::SCALE;
use super::decode::DecodeError;
use super::market::{DepthUpdate, MAX_UPDATE_LEVELS, Suspect};
use super::symbols::SymbolTable;
use crate::domain::{ExecId, InstrumentId, Level, Price, Qty, Quote, Side, TradeTick};

/// Schema of the market streams; another one has other messages under the same numbers.
const SCHEMA: u16 = 1;
const HEADER_LEN: usize = 8;
/// Trades of one frame at most: the fills of one order.
const MAX_TRADES: usize = 4096;

const TRADES: u16 = 10_000;
const BEST_BID_ASK: u16 = 10_001;
const DEPTH_SNAPSHOT: u16 = 10_002;
const DEPTH_DIFF: u16 = 10_003;

/// Lengths of the parts of each message, as far as they are read here.
const TRADES_ROOT: usize = 18;
const TRADE_ENTRY: usize = 25;
const BEST_BID_ASK_ROOT: usize = 50;
const DEPTH_SNAPSHOT_ROOT: usize = 18;
const DEPTH_DIFF_ROOT: usize = 26;
const LEVEL_ENTRY: usize = 16;

/// What a frame was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SbeMarket {
    /// `bestBidAsk`: with the venue's time, and possibly with updates left out.
    Quote(Quote),
    /// The trades are in `SbeDecoder::trades`, until the next frame.
    Trades,
    /// The best twenty levels are in `SbeDecoder::depth`, until the next frame: both ids are the book's.
    Snapshot,
    /// The diff is in `SbeDecoder::depth`, until the next frame.
    Diff,
}

/// Decodes binary frames of one connection. Holds all buffers; nothing allocates after `new`.
pub struct SbeDecoder {
    symbols: SymbolTable,
    depth: DepthUpdate,
    trades: Vec<TradeTick>,
}

impl SbeDecoder {
    pub fn new(symbols: SymbolTable) -> SbeDecoder {
        SbeDecoder { symbols, depth: DepthUpdate::new(), trades: Vec::with_capacity(MAX_TRADES) }
    }

    /// The update of the last frame that was a snapshot or a diff.
    pub fn depth(&self) -> &DepthUpdate {
        &self.depth
    }

    /// The trades of the last frame that was trades, in the venue's order.
    pub fn trades(&self) -> &[TradeTick] {
        &self.trades
    }

    /// Reads a binary frame. Text frames of such a connection (control answers, `serverShutdown`) are JSON.
    #[inline]
    pub fn decode(&mut self, frame: &[u8]) -> Result<SbeMarket, DecodeError> {
        let (header, body) = frame.split_at_checked(HEADER_LEN).ok_or(DecodeError::Truncated)?;
        if u16_at(header, 4) != SCHEMA {
            return Err(DecodeError::UnknownType);
        }
        let (template, len) = (u16_at(header, 2), usize::from(u16_at(header, 0)));
        let (root, rest) = body.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        match template {
            BEST_BID_ASK => self.quote(root, rest).map(SbeMarket::Quote),
            TRADES => self.on_trades(root, rest).map(|()| SbeMarket::Trades),
            DEPTH_DIFF => {
                let root = fixed::<DEPTH_DIFF_ROOT>(root)?;
                let ids = (id_at(root, 8, "firstBookUpdateId")?, id_at(root, 16, "lastBookUpdateId")?);
                self.on_depth(ids, time_at(root, 0)?, (root[24], root[25]), rest).map(|()| SbeMarket::Diff)
            }
            DEPTH_SNAPSHOT => {
                let root = fixed::<DEPTH_SNAPSHOT_ROOT>(root)?;
                let id = id_at(root, 8, "bookUpdateId")?;
                self.on_depth((id, id), time_at(root, 0)?, (root[16], root[17]), rest).map(|()| SbeMarket::Snapshot)
            }
            _ => Err(DecodeError::UnknownType),
        }
    }

    /// Which book is in doubt after a frame that `decode` refused.
    pub fn suspect(&self, frame: &[u8]) -> Suspect {
        let Some((header, body)) = frame.split_at_checked(HEADER_LEN) else { return Suspect::All };
        if u16_at(header, 4) != SCHEMA {
            return Suspect::All;
        }
        match u16_at(header, 2) {
            TRADES | BEST_BID_ASK => Suspect::None,
            DEPTH_DIFF => {
                let after = body.get(usize::from(u16_at(header, 0))..).and_then(side_end).and_then(side_end);
                match after.map(|rest| self.symbol(rest)) {
                    Some(Ok(id)) => Suspect::One(id),
                    // A book that is nobody's here.
                    Some(Err(DecodeError::UnknownSymbol)) => Suspect::None,
                    _ => Suspect::All,
                }
            }
            _ => Suspect::All,
        }
    }

    #[inline]
    fn quote(&self, root: &[u8], rest: &[u8]) -> Result<Quote, DecodeError> {
        let root = fixed::<BEST_BID_ASK_ROOT>(root)?;
        let (px, qty) = (Scale::of(root[16], "priceExponent")?, Scale::of(root[17], "qtyExponent")?);
        Ok(Quote {
            instrument: self.symbol(rest)?,
            bid_px: Price(px.apply(i64_at(root, 18), "bidPrice")?),
            bid_qty: Qty(qty.apply(i64_at(root, 26), "bidQty")?),
            ask_px: Price(px.apply(i64_at(root, 34), "askPrice")?),
            ask_qty: Qty(qty.apply(i64_at(root, 42), "askQty")?),
            update_id: id_at(root, 8, "bookUpdateId")?,
            ts_event_ns: time_at(root, 0)?,
        })
    }

    fn on_trades(&mut self, root: &[u8], rest: &[u8]) -> Result<(), DecodeError> {
        let root = fixed::<TRADES_ROOT>(root)?;
        let (px, qty) = (Scale::of(root[16], "priceExponent")?, Scale::of(root[17], "qtyExponent")?);
        let ts_event_ns = time_at(root, 8)?;
        let dimension = rest.get(..6).ok_or(DecodeError::Truncated)?;
        let count = u32::from_le_bytes([dimension[2], dimension[3], dimension[4], dimension[5]]);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let group = Group::new(rest, 6, usize::from(u16_at(dimension, 0)), count, TRADE_ENTRY)?;
        if count > MAX_TRADES {
            return Err(DecodeError::TooManyLevels);
        }
        let instrument = self.symbol(group.rest)?;
        self.trades.clear();
        for entry in group.entries() {
            let entry = fixed::<TRADE_ENTRY>(entry)?;
            let aggressor = match entry[24] {
                0 => Side::Buy,
                1 => Side::Sell,
                _ => return Err(DecodeError::BadField("isBuyerMaker")),
            };
            self.trades.push(TradeTick {
                instrument,
                px: Price(px.apply(i64_at(entry, 8), "price")?),
                qty: Qty(qty.apply(i64_at(entry, 16), "qty")?),
                aggressor,
                trade_id: ExecId::from_u64(id_at(entry, 0, "id")?),
                ts_event_ns,
            });
        }
        Ok(())
    }

    fn on_depth(
        &mut self,
        ids: (u64, u64),
        ts_event_ns: i64,
        exponents: (u8, u8),
        rest: &[u8],
    ) -> Result<(), DecodeError> {
        let scales = (Scale::of(exponents.0, "priceExponent")?, Scale::of(exponents.1, "qtyExponent")?);
        self.depth.instrument = InstrumentId::UNKNOWN;
        let rest = levels(rest, scales, &mut self.depth.bids)?;
        let rest = levels(rest, scales, &mut self.depth.asks)?;
        let instrument = self.symbol(rest)?;
        (self.depth.first_id, self.depth.last_id) = ids;
        (self.depth.instrument, self.depth.ts_event_ns) = (instrument, ts_event_ns);
        Ok(())
    }

    /// The symbol, behind all blocks and groups. What stands behind it is of a later version.
    #[inline]
    fn symbol(&self, rest: &[u8]) -> Result<InstrumentId, DecodeError> {
        let (len, text) = rest.split_first().ok_or(DecodeError::Truncated)?;
        let text = text.get(..usize::from(*len)).ok_or(DecodeError::Truncated)?;
        self.symbols.find(text).ok_or(DecodeError::UnknownSymbol)
    }
}

/// A group's entries, and what stands behind them.
struct Group<'a> {
    entries: &'a [u8],
    entry_len: usize,
    rest: &'a [u8],
}

impl<'a> Group<'a> {
    /// `skip` bytes of dimension, then `count` entries of `entry_len` bytes, of which `least` are read.
    #[inline]
    fn new(
        from: &'a [u8],
        skip: usize,
        entry_len: usize,
        count: usize,
        least: usize,
    ) -> Result<Group<'a>, DecodeError> {
        if count > 0 && entry_len < least {
            return Err(DecodeError::MissingField("an entry of a group is too short"));
        }
        let len = entry_len.checked_mul(count).ok_or(DecodeError::Truncated)?;
        let body = from.get(skip..).ok_or(DecodeError::Truncated)?;
        let (entries, rest) = body.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        Ok(Group { entries, entry_len, rest })
    }

    #[inline]
    fn entries(&self) -> impl Iterator<Item = &'a [u8]> {
        self.entries.chunks_exact(self.entry_len.max(1))
    }
}

/// One side of a book into `side`; says what stands behind it.
#[inline]
fn levels<'a>(rest: &'a [u8], scales: (Scale, Scale), side: &mut Vec<Level>) -> Result<&'a [u8], DecodeError> {
    side.clear();
    let dimension = rest.get(..4).ok_or(DecodeError::Truncated)?;
    let count = usize::from(u16_at(dimension, 2));
    let group = Group::new(rest, 4, usize::from(u16_at(dimension, 0)), count, LEVEL_ENTRY)?;
    if count > MAX_UPDATE_LEVELS {
        return Err(DecodeError::TooManyLevels);
    }
    for entry in group.entries() {
        let entry = fixed::<LEVEL_ENTRY>(entry)?;
        let px = Price(scales.0.apply(i64_at(entry, 0), "price")?);
        side.push(Level { px, qty: Qty(scales.1.apply(i64_at(entry, 8), "qty")?) });
    }
    Ok(group.rest)
}

/// What stands behind one side of a book, whatever its levels say.
fn side_end(rest: &[u8]) -> Option<&[u8]> {
    let dimension = rest.get(..4)?;
    rest.get(4 + usize::from(u16_at(dimension, 0)) * usize::from(u16_at(dimension, 2))..)
}

/// From a frame's exponent to this venue's scale.
#[derive(Clone, Copy)]
enum Scale {
    Times(i64),
    Over(i64),
}

impl Scale {
    #[inline]
    fn of(exponent: u8, field: &'static str) -> Result<Scale, DecodeError> {
        let shift = i32::from(exponent.cast_signed()) + i32::from(SCALE);
        let power = 10i64.checked_pow(shift.unsigned_abs()).ok_or(DecodeError::BadNumber(field))?;
        Ok(if shift >= 0 { Scale::Times(power) } else { Scale::Over(power) })
    }

    /// `None` of the venue's numbers is below zero, and the null value is.
    #[inline]
    fn apply(self, mantissa: i64, field: &'static str) -> Result<i64, DecodeError> {
        let scaled = match self {
            Scale::Times(power) => mantissa.checked_mul(power),
            Scale::Over(power) if mantissa % power == 0 => Some(mantissa / power),
            Scale::Over(_) => None,
        };
        scaled.filter(|scaled| *scaled >= 0).ok_or(DecodeError::BadNumber(field))
    }
}

/// The part of a block that is read here; a longer block is of a later version.
#[inline]
fn fixed<const N: usize>(block: &[u8]) -> Result<&[u8; N], DecodeError> {
    block.first_chunk().ok_or(DecodeError::MissingField("a block is too short"))
}

/// Callers hand over what they have measured.
#[inline]
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

#[inline]
fn i64_at<const N: usize>(block: &[u8; N], at: usize) -> i64 {
    let mut bytes = [0u8; 8];
    bytes.copy_from_slice(&block[at..at + 8]);
    i64::from_le_bytes(bytes)
}

#[inline]
fn id_at<const N: usize>(block: &[u8; N], at: usize, field: &'static str) -> Result<u64, DecodeError> {
    u64::try_from(i64_at(block, at)).map_err(|_| DecodeError::BadNumber(field))
}

/// A time in microseconds, in nanoseconds.
#[inline]
fn time_at<const N: usize>(block: &[u8; N], at: usize) -> Result<i64, DecodeError> {
    i64_at(block, at).checked_mul(1_000).filter(|time| *time >= 0).ok_or(DecodeError::BadNumber("eventTime"))
}

#[cfg(test)]
#[path = "sbe_tests.rs"]
mod tests;
