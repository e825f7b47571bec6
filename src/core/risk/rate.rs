//! Orders in a second, by venue and by strategy (people and programs count as one), on the time of the events.
//!
//! Cancels and exits always pass. They are counted all the same, so a burst of them holds back what opens, and what
//! opens never takes the room of a cancel.

use super::{DenyReason, Scene};
use crate::core::command::Scope;
use crate::domain::Nanos;
use crate::wire_struct;

const SECOND_NS: Nanos = 1_000_000_000;

/// A bucket of a second's worth of messages, that fills itself evenly: the time until which it is spoken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    taken_until_ns: Nanos,
}
wire_struct!(Bucket { taken_until_ns });

impl Bucket {
    /// How long until one more message fits; 0 where it does now. `interval_ns` is a second over the messages in it.
    #[inline]
    fn wait_ns(&self, now: Nanos, interval_ns: Nanos) -> Nanos {
        (self.taken_until_ns - (now + SECOND_NS - interval_ns)).max(0)
    }

    /// Messages that count against the rate now.
    pub(super) fn held(&self, now: Nanos, interval_ns: Nanos) -> i64 {
        let taken = (self.taken_until_ns - now).max(0);
        if interval_ns > 0 { (taken + interval_ns - 1) / interval_ns } else { 0 }
    }

    /// A message goes out. What passes without room is remembered for a second at most.
    #[inline]
    pub(crate) fn take(&mut self, now: Nanos, interval_ns: Nanos) {
        self.taken_until_ns = (self.taken_until_ns.max(now) + interval_ns).min(now + 2 * SECOND_NS);
    }
}

/// A second over the messages that it may hold.
pub(crate) fn interval_ns(per_second: u32) -> Nanos {
    SECOND_NS / i64::from(per_second.max(1))
}

#[inline(always)]
pub(super) fn check(scene: &Scene) -> Result<(), DenyReason> {
    let venue = scene.inst.map(|inst| inst.def.venue).unwrap_or_default();
    let strategy = Scope::Strategy(scene.strategy);
    for (bucket, scope) in [(scene.venue_rate, Scope::Venue(venue)), (&scene.desk.rate, strategy)] {
        let wait_ns = bucket.wait_ns(scene.now, scene.rate_interval_ns);
        if wait_ns > 0 {
            let wait_ms = (wait_ns / 1_000_000) as u64 + 1;
            return Err(DenyReason::OrderRateAboveMax { scope, max: scene.limits.orders_per_second_max, wait_ms });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever comes, no second lets out more than twice its worth (a full bucket, and what flows in meanwhile),
        /// and the long run no more than its rate and one bucket.
        #[test]
        fn a_bucket_holds_its_rate(max in 1u32..50, waits in prop::collection::vec(0i64..60_000_000, 1..400)) {
            let (mut bucket, interval, mut now) = (Bucket::default(), interval_ns(max), SECOND_NS);
            let (start, mut sent) = (now, Vec::new());
            for wait in waits {
                now += wait;
                if bucket.wait_ns(now, interval) == 0 {
                    bucket.take(now, interval);
                    sent.push(now);
                }
                let second = sent.iter().filter(|at| now - **at < SECOND_NS).count();
                prop_assert!(second <= 2 * max as usize);
            }
            let bound = i64::from(max) + 1 + (now - start) / interval;
            prop_assert!(sent.len() as i64 <= bound, "{} of {bound}", sent.len());
            // And it is no tighter than that: where messages come slower than the rate, all of them pass.
            let mut bucket = Bucket::default();
            for n in 0..100 {
                let now = n * interval;
                prop_assert_eq!(bucket.wait_ns(now, interval), 0);
                bucket.take(now, interval);
            }
        }
    }
}
