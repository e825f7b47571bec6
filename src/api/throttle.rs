//! How often one client may ask, and how long who is refused waits for it.
//!
//! A client is a token where there is one, and an address where there is none. Each has a second's worth of requests in
//! hand (the generic cell rate algorithm: one time stamp a client). Refusals at the door are answered later and later,
//! by address; a token that is good is never made to wait for them.

use crate::domain::Nanos;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Most clients that are remembered: the one whose requests are the longest past is forgotten.
const CLIENTS_MAX: usize = 1_024;
const SECOND_NS: Nanos = 1_000_000_000;
/// What the first refusal waits for; each one after it twice as long, up to the longest.
const DELAY_MIN_NS: Nanos = 100_000_000;
const DELAY_MAX_NS: Nanos = 5 * SECOND_NS;
/// Without another refusal for so long, an address begins anew.
const FORGET_NS: Nanos = 600 * SECOND_NS;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    Token(String),
    Address(IpAddr),
}

/// Requests a second, for each client by itself.
pub struct Rate {
    interval_ns: Nanos,
    /// When a client that asked no more would have all its requests in hand again.
    full_at: BTreeMap<Client, Nanos>,
}

impl Rate {
    /// `per_second` is above 0.
    pub fn new(per_second: u32) -> Rate {
        Rate { interval_ns: SECOND_NS / Nanos::from(per_second.max(1)), full_at: BTreeMap::new() }
    }

    /// Takes a request, or says how long the client has to wait for one.
    pub fn take(&mut self, client: Client, now: Nanos) -> Result<(), Duration> {
        if self.full_at.len() >= CLIENTS_MAX && !self.full_at.contains_key(&client) {
            self.full_at.retain(|_, full_at| *full_at > now);
            // All of them have asked within this second: the quietest makes room.
            if self.full_at.len() >= CLIENTS_MAX
                && let Some(quiet) = self.full_at.iter().min_by_key(|(_, at)| **at).map(|(client, _)| client.clone())
            {
                self.full_at.remove(&quiet);
            }
        }
        let full_at = self.full_at.entry(client).or_insert(now);
        let next = (*full_at).max(now) + self.interval_ns;
        if next - now > SECOND_NS {
            return Err(Duration::from_nanos((next - now - SECOND_NS).unsigned_abs()));
        }
        *full_at = next;
        Ok(())
    }
}

/// Refusals at the door, by address.
#[derive(Default)]
pub struct Refusals(BTreeMap<IpAddr, (u32, Nanos)>);

impl Refusals {
    /// Counts one more; how many in a row, and how long its answer waits.
    pub fn count(&mut self, from: IpAddr, now: Nanos) -> (u32, Duration) {
        if self.0.len() >= CLIENTS_MAX && !self.0.contains_key(&from) {
            self.0.retain(|_, (_, last)| now - *last < FORGET_NS);
            if self.0.len() >= CLIENTS_MAX
                && let Some(oldest) = self.0.iter().min_by_key(|(_, (_, last))| *last).map(|(from, _)| *from)
            {
                self.0.remove(&oldest);
            }
        }
        let (count, last) = self.0.entry(from).or_insert((0, now));
        if now - *last >= FORGET_NS {
            *count = 0;
        }
        let delay = DELAY_MIN_NS.saturating_mul(1 << (*count).min(30)).min(DELAY_MAX_NS);
        *count = count.saturating_add(1);
        *last = now;
        (*count, Duration::from_nanos(delay.unsigned_abs()))
    }

    /// Somebody at this address was let in.
    pub fn forget(&mut self, from: IpAddr) {
        self.0.remove(&from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u8) -> Client {
        Client::Address(IpAddr::from([192, 0, 2, n]))
    }

    #[test]
    fn a_client_has_a_seconds_worth_and_then_its_rate() {
        let mut rate = Rate::new(10);
        let ask = |rate: &mut Rate, now| rate.take(at(1), now).is_ok();
        assert_eq!((0..20).filter(|_| ask(&mut rate, 0)).count(), 10);
        assert_eq!(rate.take(at(1), 0), Err(Duration::from_millis(100)));
        assert!(!ask(&mut rate, 99_999_999) && ask(&mut rate, 100_000_000) && !ask(&mut rate, 100_000_000));
        assert!(rate.take(at(2), 100_000_000).is_ok(), "another client has its own");
        assert!(rate.take(Client::Token("abc".to_owned()), 100_000_000).is_ok());
        assert_eq!((0..20).filter(|_| ask(&mut rate, 60 * SECOND_NS)).count(), 10, "never more than a second's worth");
        // Asking in vain costs nothing: over ten seconds of asking every millisecond, ten a second pass.
        let passed = (0..10_000).filter(|ms| ask(&mut rate, 100 * SECOND_NS + ms * 1_000_000)).count();
        assert!((100..=110).contains(&passed), "{passed}");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut rate, mut refusals) = (Rate::new(10), Refusals::default());
        for n in 0..10_000u32 {
            let from = IpAddr::from(n.to_be_bytes());
            assert!(rate.take(Client::Address(from), 1).is_ok());
            refusals.count(from, 1);
        }
        assert_eq!((rate.full_at.len(), refusals.0.len()), (CLIENTS_MAX, CLIENTS_MAX));
    }

    #[test]
    fn refusals_wait_longer_and_longer_until_one_is_let_in() {
        let mut refusals = Refusals::default();
        let from = IpAddr::from([192, 0, 2, 1]);
        let mut next = |now| refusals.count(from, now).1.as_millis();
        let waits: Vec<u128> = (0..8).map(&mut next).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(next(8 + FORGET_NS), 100, "forgotten");
        next(9 + FORGET_NS);
        refusals.forget(from);
        assert_eq!(refusals.count(from, 10 + FORGET_NS), (1, Duration::from_millis(100)));
    }
}
