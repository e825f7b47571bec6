//! The L2 book of one instrument, from chunks whose chain the feed has checked.
//!
//! Invariants: each side sorted, no level twice, no level of quantity zero; readable only when `is_whole`.

use crate::domain::{DepthChunk, DepthKind, Level, Side};

/// Levels kept a side. Beyond it the worst level is dropped and counted: it is far from anything a decision reads.
pub const BOOK_LEVELS_MAX: usize = 8192;

/// Levels best last, so that the busy end of the array is the cheap one.
pub struct Book {
    bids: Vec<Level>,
    asks: Vec<Level>,
    whole: bool,
    update_id: u64,
    dropped: u64,
}

impl Book {
    pub fn new() -> Book {
        Book {
            bids: Vec::with_capacity(BOOK_LEVELS_MAX),
            asks: Vec::with_capacity(BOOK_LEVELS_MAX),
            whole: false,
            update_id: 0,
            dropped: 0,
        }
    }

    /// All chunks of the last update are in, and no gap is known.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    pub fn update_id(&self) -> u64 {
        self.update_id
    }

    /// Levels dropped because a side was full.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Best first.
    pub fn side(&self, side: Side) -> impl ExactSizeIterator<Item = &Level> {
        match side {
            Side::Buy => self.bids.iter().rev(),
            Side::Sell => self.asks.iter().rev(),
        }
    }

    pub fn best(&self, side: Side) -> Option<Level> {
        match side {
            Side::Buy => self.bids.last().copied(),
            Side::Sell => self.asks.last().copied(),
        }
    }

    /// The book is not to be read until the next snapshot.
    pub fn invalidate(&mut self) {
        self.whole = false;
    }

    /// Applies a chunk. A delta without a snapshot before it changes nothing.
    pub fn apply(&mut self, chunk: &DepthChunk) {
        match chunk.kind {
            DepthKind::Snapshot => {
                if chunk.first {
                    self.bids.clear();
                    self.asks.clear();
                    self.whole = false;
                }
                for level in chunk.bids() {
                    self.dropped += u64::from(!append(&mut self.bids, *level));
                }
                for level in chunk.asks() {
                    self.dropped += u64::from(!append(&mut self.asks, *level));
                }
                if chunk.last {
                    sort(&mut self.bids, |level| level.px.0);
                    sort(&mut self.asks, |level| -level.px.0);
                    self.update_id = chunk.update_id;
                    self.whole = true;
                }
            }
            DepthKind::Delta => {
                if self.update_id == 0 {
                    return;
                }
                if chunk.first {
                    self.whole = false;
                }
                for level in chunk.bids() {
                    self.dropped += u64::from(set(&mut self.bids, *level, |px| px));
                }
                for level in chunk.asks() {
                    self.dropped += u64::from(set(&mut self.asks, *level, |px| -px));
                }
                if chunk.last {
                    self.update_id = chunk.update_id;
                    self.whole = true;
                }
            }
        }
    }
}

impl Default for Book {
    fn default() -> Self {
        Book::new()
    }
}

fn append(side: &mut Vec<Level>, level: Level) -> bool {
    if level.qty.0 <= 0 {
        return true;
    }
    if side.len() == BOOK_LEVELS_MAX {
        return false;
    }
    side.push(level);
    true
}

fn sort(side: &mut Vec<Level>, rank: impl Fn(&Level) -> i64) {
    side.sort_unstable_by_key(&rank);
    side.dedup_by_key(|level| level.px);
}

/// Sets or removes a level in a side sorted by `rank`, best last. True where a level had to be dropped.
#[inline]
fn set(side: &mut Vec<Level>, level: Level, rank: impl Fn(i64) -> i64) -> bool {
    let key = rank(level.px.0);
    // Most updates are near the best price: look at the last few before searching.
    let at = {
        let mut at = side.len();
        let floor = at.saturating_sub(8);
        while at > floor && rank(side[at - 1].px.0) > key {
            at -= 1;
        }
        if at > floor && at > 0 {
            if rank(side[at - 1].px.0) == key { Ok(at - 1) } else { Err(at) }
        } else {
            side[..at].binary_search_by_key(&key, |l| rank(l.px.0))
        }
    };
    match (at, level.qty.0 > 0) {
        (Ok(at), true) => side[at] = level,
        (Ok(at), false) => {
            side.remove(at);
        }
        (Err(at), true) => {
            if side.len() == BOOK_LEVELS_MAX {
                if at == 0 {
                    return true;
                }
                side.remove(0);
                side.insert(at - 1, level);
                return true;
            }
            side.insert(at, level);
        }
        (Err(_), false) => {}
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{LEVELS_PER_CHUNK, Price, Qty};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn chunk(kind: DepthKind, bids: &[(i64, i64)], asks: &[(i64, i64)], update_id: u64) -> DepthChunk {
        let mut chunk = DepthChunk { kind, first: true, last: true, update_id, ..DepthChunk::default() };
        chunk.bids = bids.len() as u8;
        chunk.asks = asks.len() as u8;
        for (slot, (px, qty)) in chunk.levels.iter_mut().zip(bids.iter().chain(asks)) {
            *slot = Level { px: Price(*px), qty: Qty(*qty) };
        }
        chunk
    }

    #[test]
    fn a_delta_before_any_snapshot_changes_nothing() {
        let mut book = Book::new();
        book.apply(&chunk(DepthKind::Delta, &[(10, 1)], &[], 5));
        assert!(!book.is_whole());
        assert_eq!(book.best(Side::Buy), None);
    }

    proptest! {
        #[test]
        fn the_book_is_two_sorted_maps(
            snapshot in prop::collection::vec((1i64..60, 1i64..9), 0..6),
            deltas in prop::collection::vec((any::<bool>(), 1i64..60, 0i64..9), 0..300),
        ) {
            let mut book = Book::new();
            let mut twin: [BTreeMap<i64, i64>; 2] = Default::default();
            let unique: BTreeMap<i64, i64> = snapshot.into_iter().collect();
            let bids: Vec<_> = unique.into_iter().collect();
            prop_assert!(bids.len() <= LEVELS_PER_CHUNK);
            book.apply(&chunk(DepthKind::Snapshot, &bids, &[], 1));
            twin[0].extend(bids);
            for (n, (bid, px, qty)) in deltas.into_iter().enumerate() {
                let side = usize::from(!bid);
                let pair = [(px, qty)];
                let (b, a): (&[_], &[_]) = if bid { (&pair, &[]) } else { (&[], &pair) };
                book.apply(&chunk(DepthKind::Delta, b, a, n as u64 + 2));
                if qty == 0 { twin[side].remove(&px); } else { twin[side].insert(px, qty); }
                let got: Vec<_> = book.side(Side::Buy).map(|l| (l.px.0, l.qty.0)).collect();
                let want: Vec<_> = twin[0].iter().rev().map(|(p, q)| (*p, *q)).collect();
                prop_assert_eq!(got, want);
                let got: Vec<_> = book.side(Side::Sell).map(|l| (l.px.0, l.qty.0)).collect();
                let want: Vec<_> = twin[1].iter().map(|(p, q)| (*p, *q)).collect();
                prop_assert_eq!(got, want);
            }
        }
    }
}
