//! The way to the core: one bounded channel, and what is done while it is full.
//!
//! Invariants: events of one instrument leave in the order in which they came; a feed state is never lost, only
//! overtaken by a newer one; of quotes that had to wait the newest leaves.

use crate::core::event::{Body, Input};
use crate::domain::{DepthChunk, DepthKind, FeedState, InstrumentId, LEVELS_PER_CHUNK, Level, Nanos, Quote, TradeTick};
use crate::net::link::Tx;

/// When a frame was read, and when it was decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamps {
    pub recv_ns: Nanos,
    pub decoded_ns: Nanos,
}

/// What waits for one instrument, in the order in which it leaves.
#[derive(Clone, Copy, Default)]
struct Waiting {
    /// The link broke: the core forgets the quote that it has.
    broke: bool,
    state: Option<FeedState>,
    quote: Option<(Stamps, Quote)>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        !self.broke && self.state.is_none() && self.quote.is_none()
    }
}

/// Sends one feed's events. Slots are those of the feed's instruments, in its own order.
pub(super) struct Outlet {
    tx: Tx<Input>,
    instruments: Vec<InstrumentId>,
    waiting: Vec<Waiting>,
    /// How many slots are not empty.
    waiting_slots: usize,
}

impl Outlet {
    pub fn new(tx: Tx<Input>, instruments: Vec<InstrumentId>) -> Outlet {
        let waiting = vec![Waiting::default(); instruments.len()];
        Outlet { tx, instruments, waiting, waiting_slots: 0 }
    }

    /// Sends what waits, as far as there is room. Says how many events left.
    #[inline]
    pub fn flush(&mut self) -> usize {
        if self.waiting_slots == 0 {
            return 0;
        }
        let mut sent = 0;
        for slot in 0..self.waiting.len() {
            if !self.waiting[slot].is_empty() && !self.flush_slot(slot, &mut sent) {
                break;
            }
        }
        sent
    }

    /// True where nothing waits for the slot any more.
    fn flush_slot(&mut self, slot: usize, sent: &mut usize) -> bool {
        let instrument = self.instruments[slot];
        let waiting = &mut self.waiting[slot];
        if waiting.is_empty() {
            return true;
        }
        let state = |state| Input::new(Body::Feed { instrument, state });
        if waiting.broke {
            if self.tx.try_send(state(FeedState::Disconnected)).is_err() {
                return false;
            }
            waiting.broke = false;
            *sent += 1;
        }
        if let Some(next) = waiting.state {
            if self.tx.try_send(state(next)).is_err() {
                return false;
            }
            waiting.state = None;
            *sent += 1;
        }
        if let Some((stamps, quote)) = waiting.quote {
            if self.tx.try_send(stamped(stamps, Body::Quote(quote))).is_err() {
                return false;
            }
            waiting.quote = None;
            *sent += 1;
        }
        self.waiting_slots -= 1;
        true
    }

    /// Sends behind what waits for the slot, or not at all.
    #[inline]
    fn send(&mut self, slot: usize, input: Input) -> bool {
        if self.waiting_slots > 0 && !self.flush_slot(slot, &mut 0) {
            return false;
        }
        self.tx.try_send(input).is_ok()
    }

    /// Sends the quote now, or keeps it until there is room. True where it replaced one that was kept.
    #[inline]
    pub fn quote(&mut self, slot: usize, stamps: Stamps, quote: Quote) -> bool {
        if self.send(slot, stamped(stamps, Body::Quote(quote))) {
            return false;
        }
        self.wait(slot, |waiting| waiting.quote.replace((stamps, quote)).is_some())
    }

    /// False where there was no room.
    #[inline]
    pub fn trade(&mut self, slot: usize, stamps: Stamps, trade: TradeTick) -> bool {
        self.send(slot, stamped(stamps, Body::Trade(trade)))
    }

    /// Sends the state now, or keeps it until there is room. True where a quote that was kept is gone with its link.
    pub fn state(&mut self, slot: usize, state: FeedState) -> bool {
        let instrument = self.instruments[slot];
        if self.send(slot, Input::new(Body::Feed { instrument, state })) {
            return false;
        }
        self.wait(slot, |waiting| {
            if state == FeedState::Disconnected {
                // What was to be said of the old link means nothing now.
                let lost = waiting.quote.take().is_some();
                (waiting.broke, waiting.state) = (true, None);
                return lost;
            }
            waiting.state = Some(state);
            false
        })
    }

    fn wait(&mut self, slot: usize, keep: impl FnOnce(&mut Waiting) -> bool) -> bool {
        let waiting = &mut self.waiting[slot];
        self.waiting_slots += usize::from(waiting.is_empty());
        keep(waiting)
    }

    /// Sends chunks of an update from `cursor` on, as long as there is room; `cursor` then says how far it came.
    /// True once the last is sent.
    #[inline]
    pub fn depth(&mut self, slot: usize, stamps: Stamps, update: &Update, cursor: &mut usize) -> bool {
        while let Some(chunk) = update.chunk(self.instruments[slot], *cursor) {
            if !self.send(slot, stamped(stamps, Body::Depth(chunk))) {
                return false;
            }
            *cursor += usize::from(chunk.bids) + usize::from(chunk.asks);
            if chunk.last {
                return true;
            }
        }
        true
    }
}

#[inline]
fn stamped(stamps: Stamps, body: Body) -> Input {
    Input { recv_ns: stamps.recv_ns, decoded_ns: stamps.decoded_ns, body }
}

/// A depth update or snapshot on its way into chunks.
#[derive(Clone, Copy)]
pub(super) struct Update<'a> {
    pub kind: DepthKind,
    pub update_id: u64,
    pub ts_event_ns: Nanos,
    pub bids: &'a [Level],
    pub asks: &'a [Level],
}

impl Update<'_> {
    /// The chunk that begins at the level `cursor`, counted over bids and then asks; `None` past the end. An update
    /// without levels is one empty chunk, so that its id is known to the core.
    fn chunk(&self, instrument: InstrumentId, cursor: usize) -> Option<DepthChunk> {
        let total = self.bids.len() + self.asks.len();
        if cursor > 0 && cursor >= total {
            return None;
        }
        let mut chunk = DepthChunk {
            instrument,
            kind: self.kind,
            first: cursor == 0,
            update_id: self.update_id,
            ts_event_ns: self.ts_event_ns,
            ..DepthChunk::default()
        };
        let bids = self.bids.get(cursor..).unwrap_or_default();
        let bids = &bids[..bids.len().min(LEVELS_PER_CHUNK)];
        let asks = &self.asks[cursor.saturating_sub(self.bids.len()).min(self.asks.len())..];
        let asks = &asks[..asks.len().min(LEVELS_PER_CHUNK - bids.len())];
        chunk.levels[..bids.len()].copy_from_slice(bids);
        chunk.levels[bids.len()..bids.len() + asks.len()].copy_from_slice(asks);
        chunk.bids = bids.len() as u8;
        chunk.asks = asks.len() as u8;
        chunk.last = cursor + bids.len() + asks.len() == total;
        Some(chunk)
    }
}

#[cfg(test)]
#[path = "outlet_tests.rs"]
mod tests;
