//! Counters: any thread adds, any thread reads, nobody waits.
//!
//! Made at the start, by name, and handed to the agents that add to them. Names are `place_what_unit` in lower case,
//! as metrics want them: `feed_frames_malformed_total`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One number that counts up, or a level that is set. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// For a level, such as a queue's length.
    #[inline]
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All counters of the process. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Counters(Arc<Mutex<Vec<(String, Counter)>>>);

impl Counters {
    /// The counter of that name, made at the first call. For the start: it takes a lock.
    pub fn counter(&self, name: &str) -> Counter {
        // A push cannot leave the list half changed, so a panic of another holder did no harm.
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counter)) = counters.iter().find(|(known, _)| known == name) {
            return counter.clone();
        }
        let counter = Counter::default();
        counters.push((name.to_owned(), counter.clone()));
        counter
    }

    /// Every counter by name.
    pub fn snapshot(&self) -> Vec<(String, u64)> {
        let counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut values: Vec<(String, u64)> =
            counters.iter().map(|(name, counter)| (name.clone(), counter.get())).collect();
        values.sort();
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_one_counter_on_every_thread() {
        let counters = Counters::default();
        let level = counters.counter("queue_length");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let counter = counters.counter("frames_total");
                scope.spawn(move || (0..1_000).for_each(|_| counter.add(1)));
            }
        });
        level.set(7);
        level.set(3);
        assert_eq!(counters.snapshot(), [("frames_total".to_owned(), 4_000), ("queue_length".to_owned(), 3)]);
    }
}
