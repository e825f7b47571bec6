//! A connection replaced before the venue ends it: the next one is opened, the old one read until whatever it alone
//! brought is through, and then the old one is closed and the next one read.
//!
//! The next connection is subscribed by its address, so from its first moment on everything comes on both. It is left
//! unread for a while, in the sockets' buffers: the old one catches up meanwhile. What then comes a second time is
//! known by its update id and trade id. Should the old one have been slower than that, the book's ids show a gap, and
//! it is begun again.

use super::Ground;
use super::line::{Line, Link};
use crate::domain::Nanos;
use crate::net::ws::{Message, WebSocket, WsError};

/// How long both are open. Market data later than this is stale anyway.
const OVERLAP_NS: Nanos = 2_000_000_000;

/// A connection that is not read yet.
pub(super) struct NextLink {
    ws: WebSocket,
    opened: Option<Nanos>,
    /// A message that came with the end of the handshake: whether it is binary, and when it was read.
    first: Option<(bool, Nanos, Vec<u8>)>,
}

impl NextLink {
    pub fn is_open(&self) -> bool {
        self.opened.is_some()
    }
}

impl Line {
    /// Carries a renewal on. `caught_up`: the connection in use had nothing more to read.
    pub(super) fn renew(&mut self, ground: &mut Ground, caught_up: bool, now: Nanos) -> usize {
        let Some(next) = &mut self.next else {
            return if now >= self.renew_at { self.begin_renewal(ground, now) } else { 0 };
        };
        if let Some(opened) = next.opened {
            if caught_up && now - opened >= OVERLAP_NS {
                self.promote(ground);
                return 1;
            }
            return 0;
        }
        match next.ws.poll(now) {
            Ok(first) => {
                let first = first.map(|message| (message.binary, message.recv_ns, message.payload.to_vec()));
                if first.is_some() || next.ws.is_open() {
                    (next.opened, next.first) = (Some(now), first);
                    return 1;
                }
                0
            }
            Err(error) => {
                self.renewal_failed(ground, &error, now);
                1
            }
        }
    }

    fn begin_renewal(&mut self, ground: &mut Ground, now: Nanos) -> usize {
        let mut ws = WebSocket::new(ground.ws_config, ground.rng.u64(..)).stamped_by(&ground.clock);
        let headers = ground.config.market_data.headers();
        match ws.connect(&mut *ground.network, &ground.config.stream, &ground.target, &headers, now) {
            Ok(()) => self.next = Some(NextLink { ws, opened: None, first: None }),
            Err(error) => self.renewal_failed(ground, &error, now),
        }
        1
    }

    #[cold]
    fn renewal_failed(&mut self, ground: &mut Ground, error: &WsError, now: Nanos) {
        self.next = None;
        let wait = self.backoff.wait(&mut ground.rng);
        self.renew_at = now + wait;
        let error = error as &dyn std::error::Error;
        let venue = &ground.config.venue;
        tracing::warn!(venue, connection = self.at, error, "the next market data connection failed, the old one stays");
    }

    /// The next connection takes the place of the one in use.
    pub(super) fn promote(&mut self, ground: &mut Ground) {
        let Some(next) = self.next.take() else { return };
        let now = ground.clock.now();
        let since = next.opened.unwrap_or(now);
        self.ws.abort();
        self.ws = next.ws;
        self.link = Link::Open { since };
        self.renew_at = since + ground.config.renew_after_ns;
        self.last_message = now;
        self.backoff.reset();
        ground.books.on_renewed(self.at);
        tracing::info!(venue = ground.config.venue, connection = self.at, "market data comes over a new connection");
        if let Some((binary, recv_ns, mut payload)) = next.first {
            ground.books.on_message(self.at, Message { binary, recv_ns, payload: &mut payload }, &ground.clock);
        }
    }
}
