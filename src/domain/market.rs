//! Market data as values.

use super::{ExecId, InstrumentId, Nanos, Price, Qty, Side};
use crate::{wire_enum, wire_struct};

/// Best bid and ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quote {
    pub instrument: InstrumentId,
    pub bid_px: Price,
    pub bid_qty: Qty,
    pub ask_px: Price,
    pub ask_qty: Qty,
    /// The venue's book counter (Binance `u`), 0 where it has none.
    pub update_id: u64,
    /// The venue's time, 0 where it sends none (Binance JSON bookTicker).
    pub ts_event_ns: Nanos,
}
wire_struct!(Quote { instrument, bid_px, bid_qty, ask_px, ask_qty, update_id, ts_event_ns });

impl Quote {
    /// Half way between bid and ask, rounded down.
    #[inline]
    pub fn mid(&self) -> Price {
        Price(self.bid_px.0.saturating_add(self.ask_px.0) / 2)
    }
}

/// A public trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TradeTick {
    pub instrument: InstrumentId,
    pub px: Price,
    pub qty: Qty,
    /// Who crossed the spread (Binance `m: true` is a seller).
    pub aggressor: Side,
    pub trade_id: ExecId,
    pub ts_event_ns: Nanos,
}
wire_struct!(TradeTick { instrument, px, qty, aggressor, trade_id, ts_event_ns });

/// A price level: absolute quantity, zero removes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    pub px: Price,
    pub qty: Qty,
}
wire_struct!(Level { px, qty });

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DepthKind {
    /// The whole book; what stood before is dropped at its first chunk.
    #[default]
    Snapshot,
    Delta,
}
wire_enum!(DepthKind { 0 => Snapshot, 1 => Delta });

/// Levels in one chunk: keeps an event within four cache lines; a 10+10 update is two chunks.
pub const LEVELS_PER_CHUNK: usize = 12;

/// A piece of a depth update or snapshot. One update is `first` … `last` chunks in a row for its instrument; the
/// book may be read only after `last`. The feed has already checked the update chain (`domain` knows no procedure).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DepthChunk {
    pub instrument: InstrumentId,
    pub kind: DepthKind,
    pub first: bool,
    pub last: bool,
    /// How many of `levels` are bids; they come first.
    pub bids: u8,
    /// How many of `levels`, after the bids, are asks.
    pub asks: u8,
    pub levels: [Level; LEVELS_PER_CHUNK],
    /// The venue's book counter after this update (Binance `u`, `lastUpdateId`).
    pub update_id: u64,
    pub ts_event_ns: Nanos,
}

impl DepthChunk {
    pub fn bids(&self) -> &[Level] {
        &self.levels[..usize::from(self.bids).min(LEVELS_PER_CHUNK)]
    }
    pub fn asks(&self) -> &[Level] {
        let from = usize::from(self.bids).min(LEVELS_PER_CHUNK);
        &self.levels[from..(from + usize::from(self.asks)).min(LEVELS_PER_CHUNK)]
    }
}

impl super::wire::Wire for DepthChunk {
    fn put(&self, w: &mut super::wire::Writer) {
        self.instrument.put(w);
        self.kind.put(w);
        self.first.put(w);
        self.last.put(w);
        self.bids.put(w);
        self.asks.put(w);
        self.update_id.put(w);
        self.ts_event_ns.put(w);
        for level in self.bids().iter().chain(self.asks()) {
            level.put(w);
        }
    }
    fn get(r: &mut super::wire::Reader) -> Option<Self> {
        let mut chunk = DepthChunk {
            instrument: InstrumentId::get(r)?,
            kind: DepthKind::get(r)?,
            first: bool::get(r)?,
            last: bool::get(r)?,
            bids: u8::get(r)?,
            asks: u8::get(r)?,
            update_id: u64::get(r)?,
            ts_event_ns: i64::get(r)?,
            levels: [Level::default(); LEVELS_PER_CHUNK],
        };
        let n = usize::from(chunk.bids) + usize::from(chunk.asks);
        for level in chunk.levels.get_mut(..n)? {
            *level = Level::get(r)?;
        }
        Some(chunk)
    }
}
