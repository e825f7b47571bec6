//! One connection of a feed: opened, read, given up when it is silent, tried again ever later.

use super::Ground;
use super::backoff::Backoff;
use super::books::Next;
use super::renewal::NextLink;
use crate::domain::Nanos;
use crate::net::ws::frame::Fault;
use crate::net::ws::{WebSocket, WsError};

/// Frames taken in one turn: a burst must not keep the other agents of a thread waiting.
const FRAMES_PER_TURN: usize = 64;

/// Where the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// To be tried again at this time.
    Down {
        until: Nanos,
    },
    Connecting,
    Open {
        since: Nanos,
    },
}

pub(super) struct Line {
    /// Its place among the feed's connections.
    pub(super) at: usize,
    pub(super) ws: WebSocket,
    pub(super) link: Link,
    pub(super) backoff: Backoff,
    tried: bool,
    /// The connection that will replace this one, and when the next is to be opened.
    pub(super) next: Option<NextLink>,
    pub(super) renew_at: Nanos,
    /// Age at which the first connection is replaced: two that were opened together are not replaced together.
    renew_first_ns: Nanos,
    /// When the last message came.
    pub(super) last_message: Nanos,
}

impl Line {
    pub fn new(at: usize, connections: usize, ground: &mut Ground) -> Line {
        let config = &ground.config;
        Line {
            at,
            ws: WebSocket::new(ground.ws_config, ground.rng.u64(..)).stamped_by(&ground.clock),
            link: Link::Down { until: 0 },
            backoff: Backoff::new(config.reconnect_min_ns, config.reconnect_max_ns),
            tried: false,
            next: None,
            renew_at: Nanos::MAX,
            renew_first_ns: config.renew_after_ns / connections as i64 * (connections - at) as i64,
            last_message: 0,
        }
    }

    /// Carries the connection on, and reads what has come, up to a turn's share.
    pub fn advance(&mut self, ground: &mut Ground, now: Nanos) -> usize {
        match self.link {
            Link::Down { until } if now >= until => {
                self.connect(ground, now);
                1
            }
            Link::Down { .. } => 0,
            Link::Connecting => self.read(ground, now),
            Link::Open { .. } if !ground.books.can_read() => {
                // The venue waits because of us: its silence proves nothing.
                self.last_message = now;
                0
            }
            Link::Open { .. } => {
                let work = self.read(ground, now);
                if work == 0 && now - self.last_message >= ground.config.read_timeout_ns {
                    self.on_silence(ground, now);
                    return 1;
                }
                work + self.renew(ground, work < FRAMES_PER_TURN, now)
            }
        }
    }

    fn connect(&mut self, ground: &mut Ground, now: Nanos) {
        ground.books.counts.reconnects += u64::from(self.tried);
        self.tried = true;
        let Ground { network, config, target, .. } = ground;
        match self.ws.connect(&mut **network, &config.stream, target, &config.market_data.headers(), now) {
            Ok(()) => self.link = Link::Connecting,
            Err(error) => self.down(ground, &error, now),
        }
    }

    /// The connection failed or ended; it is tried again after a while.
    #[cold]
    fn down(&mut self, ground: &mut Ground, error: &WsError, now: Nanos) {
        let mut wait = self.wait(ground, now);
        match error {
            WsError::Protocol { fault: Fault::TooLarge, .. } => ground.books.counts.oversize += 1,
            WsError::Refused { retry_after_s: Some(seconds), .. } => {
                wait = wait.max(Nanos::from(*seconds) * 1_000_000_000);
            }
            _ => {}
        }
        let error = error as &dyn std::error::Error;
        tracing::warn!(venue = ground.config.venue, connection = self.at, error, "a market data connection is down");
        self.give_up(ground, now + wait);
    }

    /// Leaves the connection; its successor takes its place at once where there is one.
    fn give_up(&mut self, ground: &mut Ground, until: Nanos) {
        if self.next.as_ref().is_some_and(NextLink::is_open) {
            // What the lost connection did not bring any more, its successor did.
            return self.promote(ground);
        }
        self.next = None;
        self.ws.abort();
        self.link = Link::Down { until };
        ground.books.on_down(self.at);
    }

    /// How long to stay away. A connection that held as long as the longest wait starts the waits anew.
    fn wait(&mut self, ground: &mut Ground, now: Nanos) -> Nanos {
        if let Link::Open { since } = self.link
            && now - since >= ground.config.reconnect_max_ns
        {
            self.backoff.reset();
        }
        self.backoff.wait(&mut ground.rng)
    }

    #[cold]
    fn on_silence(&mut self, ground: &mut Ground, now: Nanos) {
        ground.books.counts.timeouts += 1;
        let silent_ms = (now - self.last_message) / 1_000_000;
        let venue = &ground.config.venue;
        tracing::warn!(venue, connection = self.at, silent_ms, "no market data came: the connection is given up");
        let wait = self.wait(ground, now);
        self.give_up(ground, now + wait);
    }

    /// Two connections bring the same only as long as each counts upwards.
    #[cold]
    fn on_back(&mut self, ground: &mut Ground, now: Nanos) {
        let venue = &ground.config.venue;
        tracing::warn!(venue, connection = self.at, "update ids went back: the connection is given up");
        let wait = self.wait(ground, now);
        self.give_up(ground, now + wait);
    }

    fn on_open(&mut self, ground: &mut Ground, now: Nanos) {
        self.link = Link::Open { since: now };
        let first = std::mem::replace(&mut self.renew_first_ns, ground.config.renew_after_ns);
        self.renew_at = now + first;
        self.last_message = now;
        ground.books.on_open(self.at, now);
    }

    fn read(&mut self, ground: &mut Ground, now: Nanos) -> usize {
        let mut work = 0;
        while work < FRAMES_PER_TURN {
            let message = match self.ws.poll(now) {
                Ok(message) => message,
                Err(error) => {
                    self.down(ground, &error, now);
                    return work + 1;
                }
            };
            let Some(message) = message else { break };
            if self.link == Link::Connecting {
                // As `on_open`, while the message borrows the socket.
                self.link = Link::Open { since: now };
                let first = std::mem::replace(&mut self.renew_first_ns, ground.config.renew_after_ns);
                self.renew_at = now + first;
                ground.books.on_open(self.at, now);
            }
            work += 1;
            self.last_message = now;
            match ground.books.on_message(self.at, message, &ground.clock) {
                Next::Continue => {}
                Next::Renew => {
                    let venue = &ground.config.venue;
                    tracing::info!(venue, connection = self.at, "the venue announced that it goes down: moving over");
                    self.renew_at = now;
                }
                Next::GiveUp => {
                    self.on_back(ground, now);
                    return work;
                }
            }
            if !ground.books.can_read() {
                break;
            }
        }
        if self.link == Link::Connecting && self.ws.is_open() {
            self.on_open(ground, now);
            work += 1;
        }
        work
    }
}
