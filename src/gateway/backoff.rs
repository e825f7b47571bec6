//! How long to wait before a failed connection or request is tried again.

use crate::domain::Nanos;

/// Waits that double from `min` to `max`, each drawn from its upper half, so that many engines that lost the same
/// venue do not come back in the same instant.
pub struct Backoff {
    min: Nanos,
    max: Nanos,
    next: Nanos,
    rng: fastrand::Rng,
}

impl Backoff {
    pub fn new(min: Nanos, max: Nanos, seed: u64) -> Backoff {
        let min = min.max(1);
        Backoff { min, max: max.max(min), next: min, rng: fastrand::Rng::with_seed(seed) }
    }

    /// It failed: the time to wait.
    pub fn fail(&mut self) -> Nanos {
        let wait = self.rng.i64(self.next - self.next / 2..=self.next);
        self.next = self.next.saturating_mul(2).min(self.max);
        wait
    }

    /// It worked: the next failure starts from the least wait again.
    pub fn succeed(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_maximum_and_start_anew_after_a_success() {
        let mut backoff = Backoff::new(100, 1_000, 3);
        for _ in 0..2 {
            for upper in [100, 200, 400, 800, 1_000, 1_000] {
                let wait = backoff.fail();
                assert!((upper / 2..=upper).contains(&wait), "{wait} of {upper}");
            }
            backoff.succeed();
        }
        let draw = |seed| {
            (0..4)
                .map({
                    let mut b = Backoff::new(1_000, 1_000, seed);
                    move |_| b.fail()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
