//! What the feed counted. The agent counts in plain numbers and publishes them once a turn; anybody reads.

use crate::telemetry::counters::{Counter, Counters};
use crate::venues::binance::DecodeError;

/// The agent's own numbers. Every frame is in exactly one of those that `accounted` adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedCounts {
    /// Messages received whole.
    pub frames: u64,
    pub bytes: u64,
    pub quotes: u64,
    pub trades: u64,
    /// Depth diffs let through to the core.
    pub depth_applied: u64,
    /// Depth diffs held for a snapshot when they came.
    pub depth_held: u64,
    /// Depth diffs that the book had already.
    pub depth_stale: u64,
    /// Depth diffs that did not continue the book, that could not be held, or for which the channel had no room.
    pub depth_gaps: u64,
    /// Depth diffs of one connection that came before what the other is still to bring, and will bring again.
    pub depth_ahead: u64,
    /// Answers to control messages, good and bad, and announced shutdowns.
    pub control: u64,
    pub shutdowns: u64,
    /// Binary frames where text was asked for.
    pub binary: u64,
    /// Frames refused, by `DecodeError::index`.
    pub errors: [u64; DecodeError::KINDS],
    // From here on not one a frame.
    /// Quotes that a newer one of their instrument replaced before the channel had room.
    pub conflated: u64,
    /// Trades that the channel had no room for.
    pub trades_dropped: u64,
    /// Held diffs that their snapshot had already.
    pub held_stale: u64,
    /// Snapshots let through: the books that were begun.
    pub snapshots: u64,
    /// Books begun again after they had been live or awaited.
    pub resyncs: u64,
    /// Snapshots asked for again: too old, refused or unreadable.
    pub snapshot_retries: u64,
    /// Quotes and trades that another connection had brought before.
    pub doubled: u64,
    /// Updates that the second connection brought first: what it is worth.
    pub second_first: u64,
    /// Trades beyond the first of their frame: a binary frame has all trades of one order.
    pub trades_more: u64,
    /// Connections replaced by a new one without a break.
    pub renewals: u64,
    /// Connections tried after the first one.
    pub reconnects: u64,
    /// Connections given up because nothing came.
    pub timeouts: u64,
    /// Messages beyond the size limit; each ended its connection.
    pub oversize: u64,
}

impl FeedCounts {
    /// Frames by what became of them; equals `frames`.
    pub fn accounted(&self) -> u64 {
        let depth = self.depth_applied + self.depth_held + self.depth_stale + self.depth_gaps + self.depth_ahead;
        let rest = self.control + self.shutdowns + self.binary + self.errors.iter().sum::<u64>();
        self.quotes + self.trades + depth + rest
    }

    fn each(&self) -> [(&'static str, u64); NUMBERS] {
        [
            ("frames", self.frames),
            ("bytes", self.bytes),
            ("quotes", self.quotes),
            ("trades", self.trades),
            ("depth_applied", self.depth_applied),
            ("depth_held", self.depth_held),
            ("depth_stale", self.depth_stale),
            ("depth_gaps", self.depth_gaps),
            ("depth_ahead", self.depth_ahead),
            ("control", self.control),
            ("shutdowns", self.shutdowns),
            ("binary", self.binary),
            ("quotes_conflated", self.conflated),
            ("trades_dropped", self.trades_dropped),
            ("held_stale", self.held_stale),
            ("snapshots", self.snapshots),
            ("resyncs", self.resyncs),
            ("snapshot_retries", self.snapshot_retries),
            ("doubled", self.doubled),
            ("second_first", self.second_first),
            ("trades_more", self.trades_more),
            ("renewals", self.renewals),
            ("reconnects", self.reconnects),
            ("timeouts", self.timeouts),
            ("oversize", self.oversize),
        ]
    }
}

const NUMBERS: usize = 25;

/// The numbers as others see them: relaxed atomics, shared by their clones.
#[derive(Debug, Clone)]
pub struct FeedStats {
    numbers: [Counter; NUMBERS],
    errors: [Counter; DecodeError::KINDS],
}

impl FeedStats {
    /// Counters `feed_VENUE_…_total`, made or found in `counters`.
    pub fn new(venue: &str, counters: &Counters) -> FeedStats {
        let counter = |name: &str| counters.counter(&format!("feed_{}_{name}_total", venue.replace('-', "_")));
        FeedStats {
            numbers: FeedCounts::default().each().map(|(name, _)| counter(name)),
            errors: DecodeError::NAMES.map(|name| counter(&format!("errors_{name}"))),
        }
    }

    pub(super) fn publish(&self, counts: &FeedCounts) {
        for (counter, (_, value)) in self.numbers.iter().zip(counts.each()) {
            counter.set(value);
        }
        for (counter, value) in self.errors.iter().zip(counts.errors) {
            counter.set(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_found_by_name() {
        let counters = Counters::default();
        let stats = FeedStats::new("binance-2", &counters);
        let mut counts = FeedCounts { frames: 3, quotes: 2, ..FeedCounts::default() };
        counts.errors[DecodeError::Truncated.index()] = 1;
        assert_eq!(counts.accounted(), 3);
        stats.publish(&counts);
        let get = |name: &str| counters.counter(name).get();
        assert_eq!(get("feed_binance_2_frames_total"), 3);
        assert_eq!(get("feed_binance_2_quotes_total"), 2);
        assert_eq!(get("feed_binance_2_errors_truncated_total"), 1);
        assert_eq!(counters.snapshot().len(), NUMBERS + DecodeError::KINDS);
    }
}
