//! The venue's rate limits (§12): what is used of each, and whether one more request fits.
//!
//! Intervals are aligned to the venue's clock. What counts is what the venue said last, plus every request that it has
//! not answered yet; where an answer says nothing, the documented cost is taken as used. Part of the request weight is
//! kept for cancels and for questions about orders, so that a busy strategy cannot spend what the way out needs.

use super::request::RequestKind;
use super::response::{RateCount, RateKind};
use std::fmt;

/// Limits kept; the venue has five.
const LIMITS_MAX: usize = 16;
/// Share of the request weight that new orders and bulk questions leave to cancels, in hundredths.
const RESERVE_PCT: u32 = 10;
/// What is said this early in an interval may have been counted in the one before.
const SETTLING_MS: i64 = 1_000;

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    pub weight: u32,
    pub orders: u32,
    /// May use the reserve.
    pub urgent: bool,
}

impl Cost {
    /// Of a request of the WebSocket API (§7.1, §10.1, §16.1, §17.4). Placing and cancelling cost nothing where they
    /// succeed, which is not known before.
    pub fn of(kind: RequestKind) -> Cost {
        let (weight, orders, urgent) = match kind {
            RequestKind::Place | RequestKind::Replace => (1, 1, false),
            // The most legs that a list has.
            RequestKind::PlaceList => (1, 3, false),
            RequestKind::Amend => (4, 0, true),
            RequestKind::Cancel | RequestKind::CancelAll => (1, 0, true),
            // Counts as no order (§7.1).
            RequestKind::Test => (1, 0, false),
            RequestKind::OrderStatus => (4, 0, true),
            RequestKind::Subscribe | RequestKind::Logon => (2, 0, true),
            RequestKind::Time | RequestKind::Ping => (1, 0, true),
            RequestKind::OpenOrders => (80, 0, false),
            RequestKind::Account | RequestKind::Trades => (20, 0, false),
        };
        Cost { weight, orders, urgent }
    }

    fn to(self, kind: RateKind) -> u32 {
        match kind {
            RateKind::RequestWeight => self.weight,
            RateKind::Orders => self.orders,
            RateKind::RawRequests => 1,
            RateKind::Other => 0,
        }
    }
}

/// A request that would break a limit. Its text fits what a report of an order can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("VENUE_RATE_LIMIT {} {limit}/{} wait {wait_s} s", Name(*.kind), Interval(*.interval_s))]
pub struct Exceeded {
    pub kind: RateKind,
    pub interval_s: u32,
    pub limit: u32,
    /// Until the interval ends, rounded up.
    pub wait_s: u32,
}

struct Name(RateKind);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            RateKind::RequestWeight => "WEIGHT",
            RateKind::Orders => "ORDERS",
            RateKind::RawRequests => "REQUESTS",
            RateKind::Other => "OTHER",
        })
    }
}

/// `10s`, `1m`, `1d`: the longest unit that says it in whole numbers.
struct Interval(u32);

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];
        let (length, letter) = units.into_iter().find(|(length, _)| self.0.is_multiple_of(*length)).unwrap_or((1, 's'));
        write!(f, "{}{letter}", self.0 / length)
    }
}

/// One limit.
#[derive(Debug, Clone, Copy)]
struct Window {
    kind: RateKind,
    interval_s: u32,
    limit: u32,
    used: u32,
    /// Requests on their way.
    pending: u32,
    /// The interval that `used` is about.
    interval: i64,
}

impl Window {
    fn length_ms(&self) -> i64 {
        i64::from(self.interval_s.max(1)) * 1_000
    }

    fn turn(&mut self, venue_ms: i64) {
        let interval = venue_ms.div_euclid(self.length_ms());
        if interval != self.interval {
            self.interval = interval;
            self.used = 0;
        }
    }

    fn is(&self, heard: &RateCount) -> bool {
        (self.kind, self.interval_s) == (heard.kind, heard.interval_s)
    }
}

/// All limits of one address and account. Times are the venue's, in milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    windows: Vec<Window>,
}

impl Limits {
    pub fn new() -> Limits {
        Limits { windows: Vec::with_capacity(LIMITS_MAX) }
    }

    /// The limits that `exchangeInfo` lists. What is used of one that was known stays.
    pub fn set(&mut self, limits: &[RateCount]) {
        for limit in limits.iter().filter(|l| l.kind != RateKind::Other && l.interval_s > 0) {
            if let Some(window) = self.windows.iter_mut().find(|window| window.is(limit)) {
                window.limit = limit.limit;
            } else if self.windows.len() < LIMITS_MAX {
                let RateCount { kind, interval_s, limit, .. } = *limit;
                self.windows.push(Window { kind, interval_s, limit, used: 0, pending: 0, interval: 0 });
            }
        }
    }

    /// Whether a request fits. The first limit that it would break is the answer.
    #[inline]
    pub fn admit(&mut self, cost: Cost, venue_ms: i64) -> Result<(), Exceeded> {
        for window in &mut self.windows {
            window.turn(venue_ms);
            let reserve = match window.kind {
                RateKind::RequestWeight if !cost.urgent => window.limit / 100 * RESERVE_PCT,
                _ => 0,
            };
            let add = cost.to(window.kind);
            let after = window.used.saturating_add(window.pending).saturating_add(add);
            if add > 0 && after > window.limit - reserve {
                let left_ms = window.length_ms() - venue_ms.rem_euclid(window.length_ms());
                return Err(Exceeded {
                    kind: window.kind,
                    interval_s: window.interval_s,
                    limit: window.limit,
                    wait_s: u32::try_from((left_ms + 999) / 1_000).unwrap_or(u32::MAX),
                });
            }
        }
        Ok(())
    }

    /// Whether one of the limits is used up to this part or more, in hundredths, now.
    pub fn is_near(&self, pct: u32, venue_ms: i64) -> bool {
        self.windows.iter().any(|window| {
            let now = venue_ms.div_euclid(window.length_ms()) == window.interval;
            let used = u64::from(window.used) + u64::from(window.pending);
            now && window.limit > 0 && used * 100 >= u64::from(window.limit) * u64::from(pct)
        })
    }

    /// A request is on its way.
    #[inline]
    pub fn sent(&mut self, cost: Cost) {
        for window in &mut self.windows {
            window.pending = window.pending.saturating_add(cost.to(window.kind));
        }
    }

    /// It is answered, with the counts that the answer shows (none where it was lost: it may have been counted).
    #[inline]
    pub fn answered(&mut self, cost: Cost, heard: &[RateCount], venue_ms: i64) {
        for window in &mut self.windows {
            let add = cost.to(window.kind);
            window.turn(venue_ms);
            window.pending = window.pending.saturating_sub(add);
            window.used = window.used.saturating_add(add);
        }
        self.heard(heard, venue_ms);
    }

    /// A request whose answer need not be waited for to know what it cost: REST says it in a header.
    pub fn spent(&mut self, cost: Cost, venue_ms: i64) {
        self.sent(cost);
        self.answered(cost, &[], venue_ms);
    }

    /// Counts that the venue shows.
    #[inline]
    pub fn heard(&mut self, heard: &[RateCount], venue_ms: i64) {
        for window in &mut self.windows {
            let Some(said) = heard.iter().find(|heard| window.is(heard)) else { continue };
            window.turn(venue_ms);
            if said.limit > 0 {
                window.limit = said.limit;
            }
            // Early in an interval our own counting is believed: what the answer counts may be the interval before.
            if venue_ms.rem_euclid(window.length_ms()) >= SETTLING_MS {
                window.used = said.count;
            }
        }
    }
}

/// The count in a header of a REST answer, `X-MBX-USED-WEIGHT-1M: 27` or `X-MBX-ORDER-COUNT-10S: 3`, in any case.
/// Its limit is 0: a header does not say it. `None` for any other header.
pub fn header_count(name: &str, value: &str) -> Option<RateCount> {
    let name = name.as_bytes();
    let after = |prefix: &str| {
        let (head, rest) = name.split_at_checked(prefix.len())?;
        head.eq_ignore_ascii_case(prefix.as_bytes()).then_some(rest)
    };
    let (kind, interval) = match (after("x-mbx-used-weight-"), after("x-mbx-order-count-")) {
        (Some(interval), _) => (RateKind::RequestWeight, interval),
        (_, Some(interval)) => (RateKind::Orders, interval),
        _ => return None,
    };
    let (letter, number) = interval.split_last()?;
    let unit: u32 = match letter.to_ascii_uppercase() {
        b'S' => 1,
        b'M' => 60,
        b'H' => 3_600,
        b'D' => 86_400,
        _ => return None,
    };
    let number: u32 = std::str::from_utf8(number).ok()?.parse().ok()?;
    let interval_s = unit.checked_mul(number).filter(|s| *s > 0)?;
    Some(RateCount { kind, interval_s, limit: 0, count: value.trim().parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: i64 = 1_700_000_005_000;
    const ORDER: Cost = Cost { weight: 1, orders: 1, urgent: false };
    const CANCEL: Cost = Cost { weight: 1, orders: 0, urgent: true };

    fn limit(kind: RateKind, interval_s: u32, limit: u32, count: u32) -> RateCount {
        RateCount { kind, interval_s, limit, count }
    }

    fn limits(weight: u32, ten_seconds: u32, day: u32) -> Limits {
        let mut limits = Limits::new();
        limits.set(&[
            limit(RateKind::RequestWeight, 60, weight, 0),
            limit(RateKind::Orders, 10, ten_seconds, 0),
            limit(RateKind::Orders, 86_400, day, 0),
        ]);
        limits
    }

    /// How many orders go out at once.
    fn burst(limits: &mut Limits, venue_ms: i64) -> u32 {
        let mut sent = 0;
        while limits.admit(ORDER, venue_ms).is_ok() {
            limits.sent(ORDER);
            sent += 1;
        }
        sent
    }

    #[test]
    fn orders_stop_at_the_limit_also_while_no_answer_has_come() {
        let mut limits = limits(6_000, 100, 200_000);
        assert_eq!(burst(&mut limits, T), 100);
        let refused = limits.admit(ORDER, T).unwrap_err();
        assert_eq!(refused, Exceeded { kind: RateKind::Orders, interval_s: 10, limit: 100, wait_s: 5 });
        assert!(limits.admit(CANCEL, T).is_ok(), "cancels are no orders");
        // What is under way is counted in the interval in which it arrives.
        assert!(limits.admit(ORDER, T + 5_000).is_err());
        for _ in 0..100 {
            limits.answered(ORDER, &[], T + 1_000);
        }
        assert!(limits.admit(ORDER, T + 4_999).is_err());
        assert_eq!(burst(&mut limits, T + 5_000), 100, "a new interval of the clock");
    }

    #[test]
    fn the_venues_own_count_is_believed() {
        let mut limits = limits(6_000, 100, 200_000);
        limits.sent(ORDER);
        limits.sent(ORDER);
        // Somebody else trades on the account: 90 of 100 are gone, and one of ours is not counted yet.
        limits.answered(ORDER, &[limit(RateKind::Orders, 10, 100, 90)], T);
        assert_eq!(burst(&mut limits, T), 9);
        let mut limits = super::tests::limits(6_000, 100, 200_000);
        assert_eq!(burst(&mut limits, T), 100);
        // Fills give orders back.
        limits.answered(ORDER, &[limit(RateKind::Orders, 10, 100, 1)], T);
        for _ in 0..99 {
            limits.answered(ORDER, &[limit(RateKind::Orders, 10, 100, 40)], T);
        }
        assert_eq!(burst(&mut limits, T), 60);
        // A limit that the venue changes on the way.
        limits.heard(&[limit(RateKind::Orders, 10, 50, 50)], T);
        assert!(limits.admit(ORDER, T).is_err());
    }

    #[test]
    fn a_count_of_the_interval_before_does_not_close_the_new_one() {
        let day = 86_400_000;
        let midnight = T - T.rem_euclid(day) + day;
        let mut limits = limits(6_000, 100, 1_000);
        limits.heard(&[limit(RateKind::Orders, 86_400, 1_000, 1_000)], midnight - 10);
        assert!(limits.admit(ORDER, midnight - 10).is_err());
        limits.heard(&[limit(RateKind::Orders, 86_400, 1_000, 1_000)], midnight + 40);
        assert!(limits.admit(ORDER, midnight + 40).is_ok());
    }

    #[test]
    fn part_of_the_weight_is_left_for_cancels() {
        let mut limits = limits(1_000, 10_000, 200_000);
        assert_eq!(burst(&mut limits, T), 900);
        let refused = limits.admit(ORDER, T).unwrap_err();
        assert_eq!((refused.kind, refused.limit), (RateKind::RequestWeight, 1_000));
        let mut cancels = 0;
        while limits.admit(CANCEL, T).is_ok() {
            limits.sent(CANCEL);
            cancels += 1;
        }
        assert_eq!(cancels, 100);
    }

    #[test]
    fn a_refusal_fits_the_text_of_a_report() {
        for (kind, interval_s, limit, wait_s, want) in [
            (RateKind::Orders, 10, 100, 5, "VENUE_RATE_LIMIT ORDERS 100/10s wait 5 s"),
            (RateKind::Orders, 86_400, 200_000, 86_400, "VENUE_RATE_LIMIT ORDERS 200000/1d wait 86400 s"),
            (RateKind::RequestWeight, 60, 6_000, 60, "VENUE_RATE_LIMIT WEIGHT 6000/1m wait 60 s"),
            (RateKind::RawRequests, 300, 300_000, 300, "VENUE_RATE_LIMIT REQUESTS 300000/5m wait 300 s"),
        ] {
            let text = Exceeded { kind, interval_s, limit, wait_s }.to_string();
            assert_eq!(text, want);
            assert!(text.len() <= 48, "{text}");
        }
    }

    #[test]
    fn headers_are_read_in_any_case() {
        let weight = limit(RateKind::RequestWeight, 60, 0, 27);
        for (name, value, want) in [
            ("X-MBX-USED-WEIGHT-1M", "27", Some(weight)),
            ("x-mbx-used-weight-1m", " 27 ", Some(weight)),
            ("X-MBX-ORDER-COUNT-10S", "3", Some(limit(RateKind::Orders, 10, 0, 3))),
            ("x-mbx-order-count-1d", "3", Some(limit(RateKind::Orders, 86_400, 0, 3))),
            ("x-mbx-used-weight", "27", None),
            ("x-mbx-used-weight-", "27", None),
            ("x-mbx-used-weight-m", "27", None),
            ("x-mbx-used-weight-1w", "27", None),
            ("x-mbx-used-weight-0m", "27", None),
            ("x-mbx-used-weight-99999999d", "27", None),
            ("x-mbx-used-weight-1m", "-1", None),
            ("retry-after", "5", None),
        ] {
            assert_eq!(header_count(name, value), want, "{name}: {value}");
        }
    }

    proptest! {
        /// Against a venue that counts for itself: no order that is let through is refused there.
        #[test]
        fn what_is_admitted_never_breaks_the_limit(
            steps in prop::collection::vec((0i64..900, 0u8..4, any::<bool>()), 1..400),
            max in 1u32..20,
        ) {
            let mut limits = limits(1_000_000, max, 1_000_000);
            let (mut now, mut count, mut interval) = (T, 0u32, 0);
            let mut under_way = 0u32;
            for (wait, what, shown) in steps {
                now += wait;
                let this = now / 10_000;
                if this != interval {
                    (interval, count) = (this, 0);
                }
                if what < 3 {
                    if limits.admit(ORDER, now).is_ok() {
                        limits.sent(ORDER);
                        under_way += 1;
                    }
                } else {
                    for _ in 0..std::mem::take(&mut under_way) {
                        count += 1;
                        prop_assert!(count <= max, "{count} of {max}");
                        let heard = [limit(RateKind::Orders, 10, max, count)];
                        limits.answered(ORDER, if shown { &heard } else { &[] }, now);
                    }
                }
            }
        }
    }
}
