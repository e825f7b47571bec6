//! The budget of requests (reference §4): so many a minute for each account, in windows of a minute.

use crate::domain::Nanos;

const WINDOW_S: i64 = 60;

/// One account's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    window: i64,
    used: u32,
}

impl Budget {
    /// Counts a request at `now` (the process's clock); false where it is one too many.
    pub fn take(&mut self, per_minute: u32, now: Nanos) -> bool {
        let window = (now / 1_000_000_000).div_euclid(WINDOW_S);
        if window != self.window {
            *self = Budget { window, used: 0 };
        }
        self.used = self.used.saturating_add(1);
        self.used <= per_minute
    }

    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`, which every answer carries.
    pub fn headers(&self, per_minute: u32) -> Vec<(String, String)> {
        Budget::say(per_minute, per_minute.saturating_sub(self.used), (self.window + 1) * WINDOW_S)
    }

    /// The same where nothing is left until then.
    pub fn spent_headers(per_minute: u32, until: Nanos) -> Vec<(String, String)> {
        Budget::say(per_minute, 0, (until + 999_999_999) / 1_000_000_000)
    }

    fn say(per_minute: u32, remaining: u32, reset_s: i64) -> Vec<(String, String)> {
        let header = |name: &str, value: String| (format!("X-RateLimit-{name}"), value);
        vec![
            header("Limit", per_minute.to_string()),
            header("Remaining", remaining.to_string()),
            header("Reset", reset_s.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_allows_so_many_and_the_next_begins_anew() {
        let mut budget = Budget::default();
        let minute = 60_000_000_000;
        assert!((0..3).all(|_| budget.take(3, 5 * minute)));
        assert!(!budget.take(3, 6 * minute - 1));
        assert_eq!(budget.headers(3)[1].1, "0");
        assert_eq!(budget.headers(3)[2].1, "360");
        assert!(budget.take(3, 6 * minute));
        assert_eq!(budget.headers(3)[1].1, "2");
    }
}
