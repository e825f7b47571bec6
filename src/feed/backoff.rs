//! How long to wait before something is tried again: doubling, with jitter, from one seed.

use crate::domain::Nanos;

/// Waits grow from `min` to `max`. Each is drawn evenly from the upper half of its span, so that many clients of one
/// venue that went down together do not come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Nanos,
    max: Nanos,
    next: Nanos,
}

impl Backoff {
    pub fn new(min: Nanos, max: Nanos) -> Backoff {
        let min = min.max(1);
        Backoff { min, max: max.max(min), next: min }
    }

    /// The next wait.
    pub fn wait(&mut self, rng: &mut fastrand::Rng) -> Nanos {
        let span = self.next;
        self.next = span.saturating_mul(2).min(self.max);
        span - rng.i64(0..=span / 2)
    }

    /// It worked: the next wait is the shortest again.
    pub fn reset(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_longest_and_begin_again() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::new(100, 1_000);
        for span in [100, 200, 400, 800, 1_000, 1_000] {
            let wait = backoff.wait(&mut rng);
            assert!((span / 2..=span).contains(&wait), "{wait} of {span}");
        }
        backoff.reset();
        assert!(backoff.wait(&mut rng) <= 100);
    }
}
