//! What the feed knows of one instrument: where its book stands, and which updates have come.

use super::CONNECTIONS_MAX;
use super::backoff::Backoff;
use super::book_sync::BookSync;
use crate::domain::{FeedState, Nanos};

/// First and longest wait before a snapshot is asked for again.
const SNAPSHOT_RETRY_MIN_NS: Nanos = 500_000_000;
const SNAPSHOT_RETRY_MAX_NS: Nanos = 30_000_000_000;

/// What has an id of its own that only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Quote,
    Trade,
    Depth,
}

pub(super) const KINDS: usize = 3;

/// Which of the last trades came, the newest in the lowest bit: venues count them without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Recent(u128);

impl Recent {
    /// A trade so many ids above the last has come; `None` where the venue counts anew.
    fn advance(&mut self, by: Option<u64>) {
        let kept = by.and_then(|by| u32::try_from(by).ok()).and_then(|by| self.0.checked_shl(by));
        self.0 = kept.unwrap_or(0) | 1;
    }

    /// Whether the trade so many ids below the last comes for the first time. One too old to be known has come.
    fn first_of(&mut self, below: u64) -> bool {
        let bit = u32::try_from(below).ok().and_then(|below| 1u128.checked_shl(below)).unwrap_or(0);
        let first = self.0 & bit == 0 && bit != 0;
        self.0 |= bit;
        first
    }
}

/// What an update is, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    First,
    /// It came before.
    Doubled,
    /// Its own connection brought a later one before it.
    Back,
}

pub(super) struct Book {
    pub symbol: String,
    pub sync: BookSync,
    /// The last state that the core was told.
    pub told: FeedState,
    /// No snapshot is asked for before this.
    pub not_before: Nanos,
    /// The wait is for a first diff, and ends with it.
    pub quiet: bool,
    pub backoff: Backoff,
    pub live_since: Nanos,
    /// Ids of the last quote and trade that counted.
    pub last: [u64; KINDS],
    pub trades: Recent,
    /// Connections changed, and what comes may have come already; each ends with the first id above the last.
    pub again: [bool; KINDS],
    /// Ids of the last quote, trade and diff of each connection.
    pub own: [[u64; KINDS]; CONNECTIONS_MAX],
    /// Since when the book waits for what one connection skipped and the other is to bring; 0 where it does not.
    pub ahead_since: Nanos,
}

impl Book {
    pub fn new(symbol: &str) -> Book {
        Book {
            symbol: symbol.to_owned(),
            sync: BookSync::new(),
            told: FeedState::Disconnected,
            not_before: 0,
            quiet: false,
            backoff: Backoff::new(SNAPSHOT_RETRY_MIN_NS, SNAPSHOT_RETRY_MAX_NS),
            live_since: 0,
            last: [0; KINDS],
            trades: Recent::default(),
            again: [false; KINDS],
            own: [[0; KINDS]; CONNECTIONS_MAX],
            ahead_since: 0,
        }
    }

    /// What an update of this id, come by a connection, is; `several`: more than one is open.
    #[inline]
    pub fn arrival(&mut self, line: usize, several: bool, kind: Kind, id: u64) -> Arrival {
        let k = kind as usize;
        let before = std::mem::replace(&mut self.own[line][k], id);
        if several && id < before {
            return Arrival::Back;
        }
        if several || self.again[k] {
            if id <= self.last[k] {
                // An old quote is worth nothing; an old trade is a trade, where its connection was merely the slower.
                let late = kind == Kind::Trade && self.trades.first_of(self.last[k] - id);
                return if late { Arrival::First } else { Arrival::Doubled };
            }
            self.again[k] = several;
        }
        if kind == Kind::Trade {
            self.trades.advance(id.checked_sub(self.last[k]));
        }
        self.last[k] = id;
        Arrival::First
    }
}
