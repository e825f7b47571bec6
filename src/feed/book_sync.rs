//! The local-book procedure (binance-spot.md §15) for one book, as a state machine without I/O.
//!
//! Diffs are held until a snapshot comes that they continue; then every diff must continue the one before it, or the
//! book is begun again. What is let through is a chain without a gap, in order, each update once.

use crate::domain::{Level, Nanos};

/// Diffs that are held at most while a snapshot is awaited: 50 s at one in 20 ms, the fastest there is.
pub const HELD_UPDATES_MAX: usize = 2_560;
/// Levels in them at most, both sides: eight of the largest updates that exist.
pub const HELD_LEVELS_MAX: usize = 80_000;

/// Ids and time of one update; its levels stand beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UpdateHead {
    /// `U`.
    pub first_id: u64,
    /// `u`.
    pub last_id: u64,
    pub ts_event_ns: Nanos,
}

/// What became of a diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUpdate {
    /// It continues the book: let it through now.
    Apply,
    /// It waits for the snapshot.
    Held,
    /// The book has it already.
    Stale,
    /// Something before it was lost: the book is begun again, from this diff on.
    Gap,
    /// Something before it is still to come by another connection, and then this again: it is let go.
    Ahead,
    /// No room to hold it: everything held is dropped, and the book is begun again with what comes next.
    Overflow,
}

/// What became of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSnapshot {
    /// It and the held diffs make a book: let through the snapshot, then `front` and `pop` until it is empty.
    Use {
        /// Held diffs that the snapshot contains already.
        stale: u64,
    },
    /// Older than the first held diff: ask for another.
    TooOld,
    /// Nobody waits for it.
    Unwanted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Diffs are held, a snapshot is awaited.
    Waiting,
    /// The snapshot is being let through; diffs are still held behind it.
    Draining { id: u64 },
    /// Every diff goes straight through.
    Live { id: u64 },
}

struct Held {
    head: UpdateHead,
    bids: usize,
    asks: usize,
}

/// One book's synchronisation. Buffers grow while a snapshot is awaited and are then kept.
pub struct BookSync {
    state: State,
    held: Vec<Held>,
    /// Levels of all held diffs in order, each one's bids before its asks.
    levels: Vec<Level>,
    /// How many of `held` and `levels` were taken by `pop`.
    taken: usize,
    taken_levels: usize,
}

impl BookSync {
    pub fn new() -> BookSync {
        BookSync { state: State::Waiting, held: Vec::new(), levels: Vec::new(), taken: 0, taken_levels: 0 }
    }

    /// Begins again: nothing is known.
    pub fn reset(&mut self) {
        self.state = State::Waiting;
        self.clear_held();
    }

    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Live { .. })
    }

    /// A snapshot is needed.
    pub fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// Whether an update of `levels` levels can be held. Asked before a socket is read, so that a full buffer holds
    /// the venue back instead of losing what it sends.
    pub fn has_room(&self, levels: usize) -> bool {
        self.held.len() < HELD_UPDATES_MAX && self.levels.len() + levels <= HELD_LEVELS_MAX
    }

    /// The last update that is let through or held; `None` where there is none yet.
    pub fn last_id(&self) -> Option<u64> {
        match (self.held.last(), self.state) {
            (_, State::Live { id }) => Some(id),
            (Some(last), _) => Some(last.head.last_id),
            (None, State::Draining { id }) => Some(id),
            (None, State::Waiting) => None,
        }
    }

    /// A diff has come. `patient`: what it may skip can still come by another connection.
    pub fn on_update(&mut self, head: UpdateHead, bids: &[Level], asks: &[Level], patient: bool) -> OnUpdate {
        match self.state {
            State::Live { id } if head.last_id <= id => OnUpdate::Stale,
            State::Live { id } if head.first_id <= id + 1 => {
                self.state = State::Live { id: head.last_id };
                OnUpdate::Apply
            }
            State::Live { .. } if patient => OnUpdate::Ahead,
            State::Live { .. } => {
                self.reset();
                self.hold(head, bids, asks);
                OnUpdate::Gap
            }
            State::Waiting | State::Draining { .. } => {
                let gap = match self.last_id() {
                    Some(id) if head.last_id <= id => return OnUpdate::Stale,
                    Some(id) => head.first_id > id + 1,
                    None => false,
                };
                if gap && patient {
                    return OnUpdate::Ahead;
                }
                if gap {
                    self.reset();
                }
                if !self.hold(head, bids, asks) {
                    self.reset();
                    return OnUpdate::Overflow;
                }
                if gap { OnUpdate::Gap } else { OnUpdate::Held }
            }
        }
    }

    /// A snapshot up to and with update `last_id` has come.
    pub fn on_snapshot(&mut self, last_id: u64) -> OnSnapshot {
        if self.state != State::Waiting {
            return OnSnapshot::Unwanted;
        }
        let stale = self.held.iter().take_while(|held| held.head.last_id <= last_id).count();
        if let Some(next) = self.held.get(stale)
            && next.head.first_id > last_id + 1
        {
            return OnSnapshot::TooOld;
        }
        for _ in 0..stale {
            self.pop();
        }
        self.state = State::Draining { id: last_id };
        OnSnapshot::Use { stale: stale as u64 }
    }

    /// The next held diff to let through after the snapshot: its head, bids and asks; `pop` says that it went. `None`
    /// once all are through, and the book is live.
    pub fn front(&mut self) -> Option<(UpdateHead, &[Level], &[Level])> {
        let State::Draining { id } = self.state else { return None };
        let Some(held) = self.held.get(self.taken) else {
            let id = self.held.last().map_or(id, |last| last.head.last_id.max(id));
            self.clear_held();
            self.state = State::Live { id };
            return None;
        };
        let middle = self.taken_levels + held.bids;
        let to = middle + held.asks;
        Some((held.head, &self.levels[self.taken_levels..middle], &self.levels[middle..to]))
    }

    /// The diff that `front` showed went through.
    pub fn pop(&mut self) {
        if let Some(held) = self.held.get(self.taken) {
            self.taken += 1;
            self.taken_levels += held.bids + held.asks;
        }
    }

    fn hold(&mut self, head: UpdateHead, bids: &[Level], asks: &[Level]) -> bool {
        if !self.has_room(bids.len() + asks.len()) {
            return false;
        }
        self.held.push(Held { head, bids: bids.len(), asks: asks.len() });
        self.levels.extend_from_slice(bids);
        self.levels.extend_from_slice(asks);
        true
    }

    fn clear_held(&mut self) {
        self.held.clear();
        self.levels.clear();
        self.taken = 0;
        self.taken_levels = 0;
    }
}

impl Default for BookSync {
    fn default() -> Self {
        BookSync::new()
    }
}

#[cfg(test)]
#[path = "book_sync_tests.rs"]
mod tests;
