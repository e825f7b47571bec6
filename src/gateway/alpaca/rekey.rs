//! A key exchanged for another while orders go on: a second private stream is opened with the new key; when it is
//! granted, requests go by the new key. The old stream is read for a while longer, so that what either of them says is
//! heard; what both say is told twice, which the core bears. Until then, and where it fails, all goes by the old key.
//!
//! The new key is said to be in use when the last request that went by the old one has its answer: the old one may
//! then be revoked, and nothing of ours is refused for it.

use super::super::rekey::{NewKey, Proof};
use super::AlpacaGateway;
use super::session::Phase;
use crate::domain::Nanos;
use crate::net::ws::{WebSocket, WsState};
use crate::venues::alpaca::request;
use crate::venues::alpaca::updates::{self, Frame};
use zeroize::Zeroizing;

/// How long two streams are read: what the venue said before the new one was granted has come by the old one by then.
const OVERLAP_NS: Nanos = 1_000_000_000;
/// Frames of one turn from a stream that is not the one in use.
const FRAMES_MAX: usize = 256;

/// A stream on its way to being the one in use.
pub(super) struct NextStream {
    ws: WebSocket,
    phase: Phase,
    key: NewKey,
    secret: Zeroizing<String>,
    /// Given up by then.
    until: Nanos,
}

/// The stream that was in use before, and the last request that went by its key.
pub(super) struct OldStream {
    /// `None` once it was read for long enough, or has ended.
    ws: Option<WebSocket>,
    until: Nanos,
    last_call: u64,
    key: NewKey,
}

impl AlpacaGateway {
    /// Begins an exchange that is wanted, and carries one on.
    pub(super) fn rekey(&mut self, now: Nanos) -> usize {
        if let Some(next) = self.next.take() {
            return self.advance_next(next, now);
        }
        if let Some(old) = self.old.take() {
            return self.drain_old(old, now);
        }
        if self.phase != Phase::Ready {
            return 0;
        }
        let Some(key) = self.keys.as_ref().and_then(|keys| keys.try_recv()) else { return 0 };
        let Proof::Secret(secret) = &key.proof else {
            key.tell(Err("this venue's key goes with a secret, and the one given signs".to_owned()));
            return 1;
        };
        let secret = secret.clone();
        let mut ws = WebSocket::new(self.ws_config, self.config.seed ^ now.unsigned_abs());
        match ws.connect(&mut *self.network, &self.endpoint, &self.target, &[], now) {
            Ok(()) => {
                // A connection and three answers, each within its time.
                let until = now + 4 * self.config.connect_timeout_ns;
                self.next = Some(NextStream { ws, phase: Phase::Connecting, key, secret, until });
            }
            Err(error) => key.tell(Err(error.to_string())),
        }
        1
    }

    fn advance_next(&mut self, mut next: NextStream, now: Nanos) -> usize {
        let mut work = 0;
        let mut say = None;
        while work < FRAMES_MAX {
            let frame = match next.ws.poll(now) {
                Ok(Some(message)) => updates::frame(message.payload, &self.config.names),
                Ok(None) => break,
                Err(error) => {
                    next.key.tell(Err(error.to_string()));
                    return work + 1;
                }
            };
            work += 1;
            match frame {
                Ok(Frame::Authorized) if next.phase == Phase::Authorizing => {
                    next.phase = Phase::Listening;
                    say = Some(request::LISTEN.to_owned().into());
                }
                Ok(Frame::Listening(true)) if next.phase == Phase::Listening => {
                    self.take_over(next, now);
                    return work;
                }
                Ok(Frame::Listening(false)) => {
                    return self.next_failed(next, "the trade updates are not granted to the new key");
                }
                Ok(Frame::Unauthorized(_)) => return self.next_failed(next, "the venue's stream refuses the new key"),
                Ok(Frame::Error(text)) => return self.next_failed(next, &format!("the venue's stream fails: {text}")),
                // Nothing else is said before the stream is granted; what is comes by the one in use.
                Ok(_) | Err(_) => {}
            }
        }
        match next.ws.state() {
            WsState::Closed => return self.next_failed(next, "the connection is broken"),
            WsState::Open if next.phase == Phase::Connecting => {
                next.phase = Phase::Authorizing;
                say = Some(Zeroizing::new(request::authenticate(&next.key.api_key, &next.secret)));
                work += 1;
            }
            _ => {}
        }
        if let Some(text) = say
            && let Err(error) = next.ws.send_text(text.as_bytes())
        {
            return self.next_failed(next, &error.to_string());
        }
        if now >= next.until {
            return self.next_failed(next, "the venue does not answer in time");
        }
        self.next = Some(next);
        work
    }

    fn next_failed(&mut self, mut next: NextStream, why: &str) -> usize {
        next.ws.abort();
        tracing::warn!(venue = %self.config.name, why, "the old key stays in use");
        next.key.tell(Err(why.to_owned()));
        1
    }

    /// Requests go by the new key, and updates come by its stream.
    fn take_over(&mut self, mut next: NextStream, now: Nanos) {
        if !next.key.claim() {
            next.ws.abort();
            return;
        }
        std::mem::swap(&mut self.ws, &mut next.ws);
        self.config.api_key.clone_from(&next.key.api_key);
        self.config.secret = next.secret;
        self.next_ping = now + self.config.read_timeout_ns / 3;
        tracing::info!(venue = %self.config.name, "orders go by the new key");
        let (until, last_call) = (now + OVERLAP_NS, self.next_call);
        self.old = Some(OldStream { ws: Some(next.ws), until, last_call, key: next.key });
    }

    fn drain_old(&mut self, mut old: OldStream, now: Nanos) -> usize {
        let mut work = 0;
        let mut missed = false;
        if let Some(ws) = &mut old.ws {
            let mut ended = now >= old.until;
            while work < FRAMES_MAX && self.reports.has_room() {
                match ws.poll(now) {
                    Ok(Some(message)) => match updates::frame(message.payload, &self.config.names) {
                        Ok(Frame::Update(update)) => {
                            let recv_ns = self.clock.now();
                            missed |= self.on_update(*update, recv_ns);
                        }
                        Ok(_) => {}
                        Err(_) => missed = true,
                    },
                    Ok(None) => break,
                    Err(_) => {
                        ended = true;
                        break;
                    }
                }
                work += 1;
            }
            if ended {
                ws.abort();
                old.ws = None;
                work += 1;
            }
        }
        if missed {
            self.missed();
        }
        let answered = !self.out.iter().any(|(id, _)| *id <= old.last_call);
        if old.ws.is_none() && answered {
            old.key.tell(Ok(()));
            return work + 1;
        }
        self.old = Some(old);
        work
    }

    /// The stream in use is gone. A key that has not been taken over yet is not taken; one that has stays.
    pub(super) fn rekey_lost(&mut self) {
        if let Some(next) = self.next.take() {
            self.next_failed(next, "the private stream was lost meanwhile");
        }
        if let Some(old) = &mut self.old
            && let Some(mut ws) = old.ws.take()
        {
            ws.abort();
        }
    }
}
