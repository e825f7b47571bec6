//! An order link replaced before the venue ends it (§17.2), without a moment in which no order can go.
//!
//! The next link is opened, logged on and subscribed while the old one works. Then orders go by the new one; the old
//! one is still read, until every request that went by it has its answer or its time-out, and until a reconciliation
//! that began on the new link is through: what either private stream said is heard, and what both said is told once.

use super::desk::Heard;
use super::rekey::KeySwap;
use super::session::Phase;
use super::{Gateway, GatewayCounters};
use crate::domain::Nanos;
use crate::net::ws::{WebSocket, WsState};
use crate::venues::binance::response;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};

/// Events remembered while two links bring them. One that is forgotten is told twice, which the core bears.
const REMEMBERED_MAX: usize = 1024;
/// Messages of one turn from a link that is not the one in use.
const FRAMES_MAX: usize = 256;

/// A link on its way to being the one in use.
pub(super) struct NextLink {
    ws: WebSocket,
    phase: Phase,
    session: bool,
    /// The key that it is for, where that is another one.
    pub key: Option<KeySwap>,
}

/// The link that was in use before.
pub(super) struct OldLink {
    ws: WebSocket,
    /// Until every request on it is answered or given up.
    until: Nanos,
    /// A reconciliation began, and ended, since the new link is in use.
    begun: bool,
    reconciled: bool,
}

/// Which of two links a private event came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Current,
    Old,
}

/// The events that came by one of two links so far.
pub(super) struct Twice {
    heard: VecDeque<(u64, By)>,
}

impl Twice {
    pub fn new() -> Twice {
        Twice { heard: VecDeque::with_capacity(REMEMBERED_MAX) }
    }

    /// Another renewal begins.
    pub fn clear(&mut self) {
        self.heard.clear();
    }

    /// Whether an event came by the other link before. The number of the subscription that it came by is no part of it.
    pub fn is_second(&mut self, by: By, frame: &[u8]) -> bool {
        const EVENT: &[u8] = b"\"event\":";
        let at = frame.windows(EVENT.len()).position(|window| window == EVENT).unwrap_or(0);
        let mut hasher = DefaultHasher::new();
        hasher.write(&frame[at..]);
        let hash = hasher.finish();
        if let Some(at) = self.heard.iter().position(|(h, from)| *h == hash && *from != by) {
            self.heard.remove(at);
            return true;
        }
        if self.heard.len() == REMEMBERED_MAX {
            self.heard.pop_front();
        }
        self.heard.push_back((hash, by));
        false
    }

    /// Whether a frame is an event that was told already; counted.
    pub fn is_told(&mut self, counters: &GatewayCounters, by: By, frame: &[u8]) -> bool {
        let told = response::is_event(frame) && self.is_second(by, frame);
        if told {
            counters.doubled.add(1);
        }
        told
    }
}

impl Gateway {
    /// Begins a renewal that is due, and carries one on.
    pub(super) fn renew(&mut self, now: Nanos) -> usize {
        if let Some(next) = self.next.take() {
            return self.advance_next(next, now);
        }
        if let Some(old) = self.old.take() {
            return self.drain_old(old, now);
        }
        if self.swap.is_none() && self.take_key(now) && self.swap.is_none() {
            return 1;
        }
        if self.phase != Phase::Ready || now < self.renew_at.max(self.desk.paused()) {
            return 0;
        }
        self.twice.clear();
        let mut ws = WebSocket::new(self.ws_config, self.config.seed ^ now.unsigned_abs()).stamped_by(&self.desk.clock);
        match ws.connect(&mut *self.network, &self.endpoint, &self.target, &[], now) {
            Ok(()) => {
                self.next = Some(NextLink { ws, phase: Phase::Connecting, session: false, key: self.swap.take() });
            }
            Err(error) => self.renewal_failed(&error.to_string(), now),
        }
        1
    }

    fn advance_next(&mut self, mut next: NextLink, now: Nanos) -> usize {
        let mut work = 0;
        while work < FRAMES_MAX && self.desk.reports.has_room() {
            let heard = match next.ws.poll(now) {
                Ok(Some(message)) => self.desk.on_frame(message.payload, message.recv_ns),
                Ok(None) => break,
                Err(error) => {
                    self.next_failed(next, &error.to_string(), now);
                    return work + 1;
                }
            };
            work += 1;
            match heard {
                Heard::LoggedOn => {
                    next.session = true;
                    self.subscribe_next(&mut next);
                }
                // A new key that cannot log on would be slower than the one it replaces.
                Heard::LogonRefused(why) if next.key.is_some() => {
                    self.next_failed(next, &why, now);
                    return work;
                }
                Heard::LogonRefused(_) => self.subscribe_next(&mut next),
                Heard::Subscribed if next.key.as_ref().is_some_and(|swap| !swap.claim()) => {
                    self.next_failed(next, "nobody waits for the new key any more", now);
                    return work;
                }
                Heard::Subscribed => {
                    self.take_over(next, now);
                    return work;
                }
                Heard::Over(why) => {
                    self.next_failed(next, &why, now);
                    return work;
                }
                Heard::GoesDown => {
                    self.next_failed(next, "the venue's server goes down", now);
                    return work;
                }
                Heard::Nothing | Heard::Closed(_) | Heard::Missed => {}
            }
        }
        match next.ws.state() {
            WsState::Closed => {
                self.next_failed(next, "the connection is broken", now);
                return work + 1;
            }
            WsState::Open if next.phase == Phase::Connecting => {
                work += 1;
                let logon = self.with_its_key(&mut next, |gateway, next| {
                    gateway.desk.can_log_on().then(|| {
                        next.phase = Phase::LoggingOn;
                        gateway.desk.logon(&mut next.ws)
                    })
                });
                match logon {
                    Some(Ok(())) => {}
                    Some(Err(error)) => {
                        self.next_failed(next, &error.to_string(), now);
                        return work;
                    }
                    None => self.subscribe_next(&mut next),
                }
            }
            _ => {}
        }
        self.next = Some(next);
        work
    }

    /// One that cannot be written is a broken connection, which the next look at it finds.
    fn subscribe_next(&mut self, next: &mut NextLink) {
        next.phase = Phase::Subscribing;
        let subscribed = self.with_its_key(next, |gateway, next| gateway.desk.subscribe(&mut next.ws, next.session));
        if let Err(error) = subscribed {
            tracing::warn!(venue = %self.name, %error, "the next order link cannot be subscribed");
            next.ws.abort();
        }
    }

    fn next_failed(&mut self, next: NextLink, why: &str, now: Nanos) {
        self.next = Some(next);
        self.renewal_failed(why, now);
    }

    /// The link in use stays; the next attempt comes after a wait.
    #[cold]
    pub(super) fn renewal_failed(&mut self, why: &str, now: Nanos) {
        self.forget_next(why);
        let wait = self.backoff.fail();
        self.renew_at = now + wait;
        tracing::warn!(venue = %self.name, why, wait_ms = wait / 1_000_000, "the next order link failed, the old one stays");
    }

    /// Gives up the link that was on its way, and with it the key that it was for.
    pub(super) fn forget_next(&mut self, why: &str) {
        let swap = self.next.take().and_then(|next| next.key).or_else(|| self.swap.take());
        if let Some(swap) = swap {
            swap.fail(why);
        }
    }

    /// Orders go by the new link from now on.
    fn take_over(&mut self, mut next: NextLink, now: Nanos) {
        if let Some(swap) = next.key.take() {
            self.adopt(swap);
        }
        let ws = std::mem::replace(&mut self.ws, next.ws);
        self.desk.set_session(next.session);
        let until = now + self.config.request_timeout_ns;
        self.old = Some(OldLink { ws, until, begun: false, reconciled: false });
        self.backoff.succeed();
        self.renew_at = now + self.config.renew_after_ns;
        self.desk.counters.renewals.add(1);
        tracing::info!(venue = %self.name, "orders go by a new link, the old one is drained");
    }

    /// A reconciliation begins, or is through.
    pub(super) fn on_reconcile_begun(&mut self) {
        if let Some(old) = &mut self.old {
            old.begun = true;
        }
    }

    pub(super) fn on_reconcile_done(&mut self) {
        if let Some(old) = &mut self.old {
            old.reconciled = old.begun;
        }
    }

    fn drain_old(&mut self, mut old: OldLink, now: Nanos) -> usize {
        let mut work = 0;
        while work < FRAMES_MAX && self.desk.reports.has_room() {
            let heard = match old.ws.poll(now) {
                Ok(Some(message)) => {
                    if self.twice.is_told(&self.desk.counters, By::Old, message.payload) {
                        Heard::Nothing
                    } else {
                        self.desk.on_frame(message.payload, message.recv_ns)
                    }
                }
                Ok(None) => break,
                // It ends as it would have: what it brought before is read, the rest comes by the new link.
                Err(_) => return work + 1,
            };
            work += 1;
            match heard {
                Heard::Closed(_) | Heard::Missed => self.on_heard(heard, now),
                Heard::Over(_) => return work,
                _ => {}
            }
        }
        if old.ws.state() == WsState::Closed {
            return work + 1;
        }
        if old.reconciled && now >= old.until {
            old.ws.abort();
            tracing::info!(venue = %self.name, "the old order link is closed");
            return work + 1;
        }
        self.old = Some(old);
        work
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_once_whichever_link_is_first_and_equal_events_are_two() {
        let frame =
            |subscription: u32, n: u32| format!("{{\"subscriptionId\":{subscription},\"event\":{{\"e\":{n}}}}}");
        let mut twice = Twice::new();
        for (by, subscription, n, second) in [
            (By::Old, 0, 1, false),
            (By::Current, 1, 1, true),
            (By::Current, 1, 2, false),
            (By::Old, 0, 2, true),
            // Twice on one link, then twice on the other.
            (By::Old, 0, 3, false),
            (By::Old, 0, 3, false),
            (By::Current, 0, 3, true),
            (By::Current, 0, 3, true),
            (By::Current, 0, 3, false),
        ] {
            assert_eq!(twice.is_second(by, frame(subscription, n).as_bytes()), second, "{by:?} {n}");
        }
    }

    #[test]
    fn no_more_than_a_bounded_number_is_remembered() {
        let mut twice = Twice::new();
        for n in 0..3 * REMEMBERED_MAX {
            twice.is_second(By::Old, format!("{{\"event\":{n}}}").as_bytes());
        }
        assert_eq!(twice.heard.len(), REMEMBERED_MAX);
    }
}
