//! A connection replaced before the venue ends it: the next one is opened, the old one read until whatever it alone
//! brought is through, and then the old one is closed and the next one read.
//!
//! The next connection is subscribed by its address, so from its first moment on everything comes on both. It is left
//! unread for a while, in the sockets' buffers: the old one catches up meanwhile. What then comes a second time is
//! known by its update id and trade id. Should the old one have been slower than that, the book's ids show a gap, and
//! it is begun again.

use super::Feed;
use super::Link;
use crate::domain::Nanos;
use crate::net::ws::{WebSocket, WsError};

/// How long both are open. Market data later than this is stale anyway.
const OVERLAP_NS: Nanos = 2_000_000_000;

/// A connection that is not read yet.
pub(super) struct NextLink {
    ws: WebSocket,
    opened: Option<Nanos>,
    /// A message that came with the end of the handshake, and whether it is binary.
    first: Option<(bool, Vec<u8>)>,
}

impl NextLink {
    pub fn is_open(&self) -> bool {
        self.opened.is_some()
    }
}

impl Feed {
    /// Carries a renewal on. `caught_up`: the connection in use had nothing more to read.
    pub(super) fn renew(&mut self, caught_up: bool, now: Nanos) -> usize {
        let Some(next) = &mut self.next else {
            return if now >= self.renew_at { self.begin_renewal(now) } else { 0 };
        };
        if let Some(opened) = next.opened {
            if caught_up && now - opened >= OVERLAP_NS {
                self.promote();
                return 1;
            }
            return 0;
        }
        match next.ws.poll(now) {
            Ok(first) => {
                let first = first.map(|message| (message.binary, message.payload.to_vec()));
                if first.is_some() || next.ws.is_open() {
                    (next.opened, next.first) = (Some(now), first);
                    return 1;
                }
                0
            }
            Err(error) => {
                self.renewal_failed(&error, now);
                1
            }
        }
    }

    fn begin_renewal(&mut self, now: Nanos) -> usize {
        let mut ws = WebSocket::new(self.ws_config, self.rng.u64(..));
        match ws.connect(&mut *self.network, &self.config.stream, &self.target, &[], now) {
            Ok(()) => self.next = Some(NextLink { ws, opened: None, first: None }),
            Err(error) => self.renewal_failed(&error, now),
        }
        1
    }

    #[cold]
    fn renewal_failed(&mut self, error: &WsError, now: Nanos) {
        self.next = None;
        let wait = self.backoff.wait(&mut self.rng);
        self.renew_at = now + wait;
        let error = error as &dyn std::error::Error;
        tracing::warn!(venue = self.config.venue, error, "the next market data connection failed, the old one stays");
    }

    /// The next connection takes the place of the one in use.
    pub(super) fn promote(&mut self) {
        let Some(next) = self.next.take() else { return };
        let now = self.clock.now();
        let since = next.opened.unwrap_or(now);
        self.ws.abort();
        self.ws = next.ws;
        self.link = Link::Open { since };
        self.renew_at = since + self.config.renew_after_ns;
        self.last_message = now;
        self.backoff.reset();
        self.books.on_renewed();
        tracing::info!(venue = self.config.venue, "market data comes over a new connection");
        if let Some((binary, mut payload)) = next.first {
            self.books.on_message(binary, &mut payload, now, &self.clock);
        }
    }
}
