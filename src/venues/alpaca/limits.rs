//! The rate limit (§4): 200 requests a minute for orders and questions together, told by headers on every answer.
//!
//! What counts is what the venue said last, and every request since. A part is kept for cancels, and a smaller one for
//! them alone: a busy strategy, or a reconciliation, cannot spend what the way out needs.

use crate::domain::Nanos;

/// The documented limit, until the venue says its own.
const LIMIT: u32 = 200;
const WINDOW_NS: Nanos = 60_000_000_000;
/// Share of the limit that new orders leave to questions and cancels, and questions leave to cancels; hundredths.
const ORDERS_LEAVE_PCT: u32 = 20;
const QUESTIONS_LEAVE_PCT: u32 = 10;

/// What a request may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    Order,
    Question,
    Cancel,
}

/// A request that would break the limit. Its text fits what a report of an order can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("VENUE_RATE_LIMIT {limit}/min wait {wait_s} s")]
pub struct Exceeded {
    pub limit: u32,
    /// Until the window renews, rounded up.
    pub wait_s: i64,
}

/// The venue's count. Times are the process's clock.
#[derive(Debug, Clone)]
pub struct Limits {
    limit: u32,
    used: u32,
    renews_ns: Nanos,
    /// Sent and not answered: an answer's count may or may not have them in it.
    out: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { limit: LIMIT, used: 0, renews_ns: 0, out: 0 }
    }
}

impl Limits {
    fn renew(&mut self, now: Nanos) {
        if now >= self.renews_ns {
            self.used = self.out;
            self.renews_ns = now + WINDOW_NS;
        }
    }

    /// Whether one more request fits; then it counts.
    pub fn admit(&mut self, urgency: Urgency, now: Nanos) -> Result<(), Exceeded> {
        self.renew(now);
        let leave = match urgency {
            Urgency::Order => self.limit * ORDERS_LEAVE_PCT / 100,
            Urgency::Question => self.limit * QUESTIONS_LEAVE_PCT / 100,
            Urgency::Cancel => 0,
        };
        if self.used >= self.limit - leave {
            let wait_s = (self.renews_ns - now + 999_999_999) / 1_000_000_000;
            return Err(Exceeded { limit: self.limit, wait_s });
        }
        self.used += 1;
        self.out += 1;
        Ok(())
    }

    /// So little is left until the window renews that new orders wait.
    pub fn is_near(&self, now: Nanos) -> bool {
        now < self.renews_ns && self.used >= self.limit - self.limit * ORDERS_LEAVE_PCT / 100
    }

    /// An answer came, or none will: with what its headers say. `venue_offset_ns` is the venue's clock minus ours.
    pub fn answered<'a>(
        &mut self,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: Nanos,
        venue_offset_ns: Nanos,
    ) {
        self.out = self.out.saturating_sub(1);
        let (mut limit, mut remaining, mut reset) = (None, None, None);
        for (name, value) in headers {
            let number = || value.trim().parse::<i64>().ok().filter(|number| *number >= 0);
            if name.eq_ignore_ascii_case("x-ratelimit-limit") {
                limit = number();
            } else if name.eq_ignore_ascii_case("x-ratelimit-remaining") {
                remaining = number();
            } else if name.eq_ignore_ascii_case("x-ratelimit-reset") {
                reset = number();
            }
        }
        self.renew(now);
        if let Some(limit) = limit.and_then(|limit| u32::try_from(limit).ok()).filter(|limit| *limit > 0) {
            self.limit = limit.min(u32::MAX / 100);
        }
        if let Some(reset) = reset.and_then(|reset| reset.checked_mul(1_000_000_000)) {
            // A window that ends in the past has ended; one that ends after more than a window is a wrong clock.
            self.renews_ns = reset.saturating_sub(venue_offset_ns).clamp(now + 1, now + WINDOW_NS);
        }
        if let Some(remaining) = remaining.and_then(|remaining| u32::try_from(remaining).ok()) {
            self.used = self.limit.saturating_sub(remaining).saturating_add(self.out);
        }
    }

    /// The venue refused a request as one too many: nothing more goes before the window renews.
    pub fn refused(&mut self, now: Nanos) {
        self.renew(now);
        self.used = self.used.max(self.limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Nanos = 1_000_000_000;

    fn count(limits: &mut Limits, urgency: Urgency, now: Nanos) -> usize {
        (0..1_000).take_while(|_| limits.admit(urgency, now).is_ok()).count()
    }

    #[test]
    fn orders_leave_a_reserve_to_questions_and_both_to_cancels() {
        let mut limits = Limits::default();
        assert!(!limits.is_near(S));
        assert_eq!(count(&mut limits, Urgency::Order, S), 160);
        assert!(limits.is_near(S) && limits.is_near(61 * S - 1) && !limits.is_near(61 * S));
        assert_eq!(count(&mut limits, Urgency::Question, S), 20);
        assert_eq!(count(&mut limits, Urgency::Cancel, S), 20);
        let exceeded = limits.admit(Urgency::Cancel, 30 * S).unwrap_err();
        assert_eq!(exceeded.to_string(), "VENUE_RATE_LIMIT 200/min wait 31 s");
        // Unanswered requests may fall into the next window.
        for _ in 0..150 {
            limits.answered([], 31 * S, 0);
        }
        assert_eq!(count(&mut limits, Urgency::Order, 61 * S), 110);
    }

    #[test]
    fn what_the_venue_says_counts() {
        let mut limits = Limits::default();
        limits.admit(Urgency::Order, S).unwrap();
        let headers = [("X-RateLimit-Limit", "100"), ("x-ratelimit-remaining", "25"), ("X-Ratelimit-Reset", "20")];
        limits.answered(headers, 5 * S, 2 * S);
        assert_eq!(count(&mut limits, Urgency::Order, 6 * S), 5);
        assert_eq!(limits.admit(Urgency::Order, 6 * S), Err(Exceeded { limit: 100, wait_s: 12 }));
        for _ in 0..5 {
            limits.answered([], 7 * S, 0);
        }
        assert_eq!(count(&mut limits, Urgency::Order, 18 * S), 80);
        limits.refused(19 * S);
        assert!(limits.admit(Urgency::Cancel, 19 * S).is_err());
    }

    #[test]
    fn headers_that_make_no_sense_change_nothing_for_long() {
        let mut limits = Limits::default();
        limits.admit(Urgency::Cancel, S).unwrap();
        limits.answered([("x-ratelimit-reset", "99999999999999"), ("x-ratelimit-limit", "-3")], S, 0);
        limits.refused(S);
        assert!(limits.admit(Urgency::Cancel, 2 * S).is_err());
        assert!(limits.admit(Urgency::Cancel, 62 * S).is_ok());
    }
}
