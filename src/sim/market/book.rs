//! The displayed book of one instrument, and how much of it is still there to be taken.
//!
//! Invariants:
//! - What our takers took from a level stays taken until the market updates that level.
//! - A newer top of book (a recorded bookTicker runs ahead of depth) overrides the levels before it.

use super::Side;
use std::collections::BTreeMap;

/// Price levels of both sides; quantities are absolute and never zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    sides: [BTreeMap<i64, i64>; 2],
    /// The venue's id of the last change.
    pub last_id: u64,
}

impl Book {
    /// A book without levels whose last change had this id.
    pub fn at(last_id: u64) -> Book {
        Book { last_id, ..Book::default() }
    }

    /// Sets the absolute quantity of a level; zero removes it.
    pub fn set(&mut self, side: Side, px: i64, qty: i64) {
        let levels = &mut self.sides[side.index()];
        if qty == 0 {
            levels.remove(&side.key(px));
        } else {
            levels.insert(side.key(px), qty);
        }
    }

    pub fn qty(&self, side: Side, px: i64) -> i64 {
        self.sides[side.index()].get(&side.key(px)).copied().unwrap_or(0)
    }

    /// `(price, quantity)`, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = (i64, i64)> {
        self.sides[side.index()].iter().map(|(key, qty)| (key.abs(), *qty))
    }

    /// `(price, quantity)`, worst first.
    pub fn levels_from_the_far_end(&self, side: Side) -> impl Iterator<Item = (i64, i64)> {
        self.sides[side.index()].iter().rev().map(|(key, qty)| (key.abs(), *qty))
    }

    pub fn best(&self, side: Side) -> Option<(i64, i64)> {
        self.levels(side).next()
    }

    pub fn len(&self, side: Side) -> usize {
        self.sides[side.index()].len()
    }

    pub fn is_empty(&self) -> bool {
        self.sides.iter().all(BTreeMap::is_empty)
    }
}

/// A best bid and ask with the id of the change that made them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Top {
    pub id: u64,
    /// `(price, quantity)` of bid and ask.
    pub sides: [(i64, i64); 2],
}

/// The market's book as our orders meet it.
#[derive(Debug, Clone, Default)]
pub struct Liquidity {
    pub book: Book,
    top: Option<Top>,
    taken: [BTreeMap<i64, i64>; 2],
}

impl Liquidity {
    /// The market updates a level: what was taken from it is forgotten.
    pub fn set(&mut self, side: Side, px: i64, qty: i64) {
        self.book.set(side, px, qty);
        self.taken[side.index()].remove(&side.key(px));
    }

    /// The market shows a newer top. A level that shows another quantity than before has been updated.
    pub fn set_top(&mut self, top: Top) {
        for side in Side::BOTH {
            let (px, qty) = top.sides[side.index()];
            if self.shown(side, px) != qty {
                self.taken[side.index()].remove(&side.key(px));
            }
        }
        self.top = Some(top);
    }

    fn newer_top(&self) -> Option<&Top> {
        self.top.as_ref().filter(|top| top.id > self.book.last_id)
    }

    fn shown(&self, side: Side, px: i64) -> i64 {
        match self.newer_top().map(|top| top.sides[side.index()]) {
            Some((best, qty)) if best == px => qty,
            Some((best, _)) if side.key(px) < side.key(best) => 0,
            _ => self.book.qty(side, px),
        }
    }

    /// What is left to take at a price.
    pub fn available(&self, side: Side, px: i64) -> i64 {
        let taken = self.taken[side.index()].get(&side.key(px)).copied().unwrap_or(0);
        (self.shown(side, px) - taken).max(0)
    }

    /// Levels with something left, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = (i64, i64)> {
        let top = self.newer_top().map(|top| top.sides[side.index()]);
        let behind = top.map_or(i64::MIN, |(px, _)| side.key(px));
        let book = self.book.levels(side).filter(move |(px, _)| side.key(*px) > behind);
        let taken = &self.taken[side.index()];
        top.into_iter().chain(book).filter_map(move |(px, qty)| {
            let left = qty - taken.get(&side.key(px)).copied().unwrap_or(0);
            (left > 0).then_some((px, left))
        })
    }

    pub fn best(&self, side: Side) -> Option<(i64, i64)> {
        self.levels(side).next()
    }

    /// One of our orders took `qty` at `px`.
    pub fn take(&mut self, side: Side, px: i64, qty: i64) {
        *self.taken[side.index()].entry(side.key(px)).or_insert(0) += qty;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn liquidity() -> Liquidity {
        let mut liquidity = Liquidity::default();
        for (side, px, qty) in
            [(Side::Buy, 99, 5), (Side::Buy, 98, 7), (Side::Sell, 101, 4), (Side::Sell, 102, 6), (Side::Sell, 103, 8)]
        {
            liquidity.set(side, px, qty);
        }
        liquidity.book.last_id = 10;
        liquidity
    }

    #[test]
    fn what_was_taken_stays_taken_until_the_level_is_updated() {
        let mut liquidity = liquidity();
        liquidity.take(Side::Sell, 101, 3);
        assert_eq!(liquidity.best(Side::Sell), Some((101, 1)));
        liquidity.take(Side::Sell, 101, 1);
        assert_eq!(liquidity.best(Side::Sell), Some((102, 6)));
        liquidity.set(Side::Sell, 102, 5);
        assert_eq!(liquidity.best(Side::Sell), Some((102, 5)));
        liquidity.set(Side::Sell, 101, 4);
        assert_eq!(liquidity.best(Side::Sell), Some((101, 4)));
    }

    #[test]
    fn a_newer_top_hides_better_levels_until_depth_catches_up() {
        let mut liquidity = liquidity();
        liquidity.set_top(Top { id: 12, sides: [(98, 2), (102, 9)] });
        assert_eq!(liquidity.levels(Side::Sell).collect::<Vec<_>>(), [(102, 9), (103, 8)]);
        assert_eq!(liquidity.levels(Side::Buy).collect::<Vec<_>>(), [(98, 2)]);
        assert_eq!((liquidity.available(Side::Sell, 101), liquidity.available(Side::Sell, 102)), (0, 9));
        liquidity.book.last_id = 12;
        assert_eq!(liquidity.best(Side::Sell), Some((101, 4)));
    }

    #[test]
    fn an_unchanged_top_does_not_refill_what_was_taken() {
        let mut liquidity = liquidity();
        liquidity.take(Side::Sell, 101, 3);
        liquidity.set_top(Top { id: 11, sides: [(99, 5), (101, 4)] });
        assert_eq!(liquidity.best(Side::Sell), Some((101, 1)));
        liquidity.set_top(Top { id: 12, sides: [(99, 5), (101, 5)] });
        assert_eq!(liquidity.best(Side::Sell), Some((101, 5)));
    }
}
