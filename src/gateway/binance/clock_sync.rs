//! The venue's clock against ours (§4): several samples, the one with the smallest round trip is believed.

use crate::domain::Nanos;

/// Samples of one round: enough that one of them meets no queue.
const SAMPLES: u32 = 5;

/// What a round found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Venue time minus ours.
    pub offset_ns: Nanos,
    /// Of the best sample: the offset is wrong by half of it at most.
    pub round_trip_ns: Nanos,
}

pub struct ClockSync {
    offset: Option<Nanos>,
    /// Half the round trip of the sample that the offset came from.
    doubt: Nanos,
    /// Between two rounds.
    every: Nanos,
    /// Round trip and offset of the round's best sample.
    best: Option<(Nanos, Nanos)>,
    left: u32,
    sent: Option<Nanos>,
    /// No sample before this.
    next: Nanos,
}

impl ClockSync {
    /// A round of samples every `every` nanoseconds.
    pub fn new(every: Nanos) -> ClockSync {
        ClockSync { offset: None, doubt: 0, every, best: None, left: SAMPLES, sent: None, next: 0 }
    }

    /// Whether a round has been finished.
    pub fn is_known(&self) -> bool {
        self.offset.is_some()
    }

    /// Venue time minus ours, 0 until it is known.
    pub fn offset_ns(&self) -> Nanos {
        self.offset.unwrap_or(0)
    }

    /// The venue's time at our `now`, in milliseconds: the earliest that it can be. A stamp that is late costs a little
    /// of the receive window, one that is a second early is refused.
    #[inline]
    pub fn venue_ms(&self, now: Nanos) -> i64 {
        (now + self.offset_ns() - self.doubt).div_euclid(1_000_000)
    }

    /// Our time at the venue's.
    pub fn local_ns(&self, venue_ms: u64) -> Nanos {
        i64::try_from(venue_ms)
            .unwrap_or(i64::MAX / 1_000_000)
            .saturating_mul(1_000_000)
            .saturating_sub(self.offset_ns())
    }

    /// Whether the venue should be asked for its time now. `asked` follows.
    pub fn due(&self, now: Nanos) -> bool {
        self.sent.is_none() && now >= self.next
    }

    pub fn asked(&mut self, now: Nanos) {
        self.sent = Some(now);
    }

    /// The answer to what was asked: the venue's time, in nanoseconds though it says milliseconds cut down. What a
    /// round found, where this was its last sample.
    pub fn answered(&mut self, now: Nanos, venue: Nanos) -> Option<Measured> {
        let sent = self.sent.take()?;
        let sample = (now - sent, venue - (sent + (now - sent) / 2));
        if self.best.is_none_or(|best| sample.0 < best.0) {
            self.best = Some(sample);
        }
        self.left -= 1;
        if self.left > 0 {
            return None;
        }
        let (round_trip_ns, offset_ns) = self.best.take()?;
        self.offset = Some(offset_ns);
        self.doubt = round_trip_ns / 2;
        self.left = SAMPLES;
        self.next = now + self.every;
        Some(Measured { offset_ns, round_trip_ns })
    }

    /// The question failed; the next is asked after `wait`.
    pub fn failed(&mut self, now: Nanos, wait: Nanos) {
        self.sent = None;
        self.next = now + wait;
    }

    /// The venue refused a stamp: a new round at once.
    pub fn resync(&mut self) {
        self.best = None;
        self.left = SAMPLES;
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;
    const ROUND_NS: Nanos = 60_000 * MS;

    /// One round against a venue that is `ahead` of us; each sample spends the given times under way.
    fn round(sync: &mut ClockSync, mut now: Nanos, ahead: Nanos, ways: [(Nanos, Nanos); 5]) -> Nanos {
        let mut found = None;
        for (there, back) in ways {
            assert_eq!(found, None, "in the middle of a round");
            assert!(sync.due(now));
            sync.asked(now);
            assert!(!sync.due(now));
            let venue = (now + there + ahead) / MS * MS;
            now += there + back;
            found = sync.answered(now, venue);
        }
        assert_eq!(found.map(|f| f.offset_ns), Some(sync.offset_ns()));
        now
    }

    #[test]
    fn the_sample_with_the_smallest_round_trip_is_believed() {
        let mut sync = ClockSync::new(ROUND_NS);
        let ways = [(90 * MS, 10 * MS), (2 * MS, 2 * MS), (80 * MS, MS), (5 * MS, 40 * MS), (50 * MS, 50 * MS)];
        assert!(!sync.is_known());
        let now = round(&mut sync, 1_000 * MS, 250 * MS, ways);
        assert!(sync.is_known());
        assert_eq!(sync.offset_ns(), 250 * MS);
        // The best sample was four milliseconds under way: the venue may be two behind.
        assert_eq!(sync.venue_ms(now + MS - 1), (now + 248 * MS) / MS);
        assert_eq!(sync.local_ns(5_000), 4_750 * MS);
        assert!(!sync.due(now + ROUND_NS - 1) && sync.due(now + ROUND_NS));
    }

    #[test]
    fn the_estimate_is_off_by_half_a_round_trip_at_most_and_a_stamp_is_never_early() {
        for (there, back) in [(0, 10 * MS), (10 * MS, 0), (5 * MS, 5 * MS + 1)] {
            let mut sync = ClockSync::new(ROUND_NS);
            let now = round(&mut sync, 77 * MS + 123, -40 * MS, [(there, back); 5]);
            for later in [now, now + 1, now + 999_999] {
                assert!(sync.venue_ms(later) <= (later - 40 * MS).div_euclid(MS));
            }
            let error = sync.offset_ns() + 40 * MS;
            assert!(error <= (there + back) / 2 && error >= -(there + back) / 2 - MS, "{error}");
        }
    }

    #[test]
    fn a_refused_stamp_starts_a_round_and_a_failure_waits() {
        let mut sync = ClockSync::new(ROUND_NS);
        let now = round(&mut sync, 0, 0, [(MS, MS); 5]);
        sync.resync();
        assert!(sync.due(now) && sync.is_known());
        sync.asked(now);
        sync.failed(now, 500);
        assert!(!sync.due(now + 499) && sync.due(now + 500));
        assert_eq!(sync.answered(now, 1), None);
        assert_eq!(sync.offset_ns(), 0, "an answer to nothing is no sample");
    }
}
