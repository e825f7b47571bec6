//! A WebSocket that is talked to until the time is over, sentence by sentence.

use super::ask::Fault;
use crate::domain::Nanos;
use crate::net::link::Wake;
use crate::net::tcp::{Reactor, TcpNetwork};
use crate::net::tls::TlsClient;
use crate::net::url;
use crate::net::ws::{WebSocket, WsConfig};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest message that is taken.
const MESSAGE_MAX: usize = 1 << 20;
/// Longest sleep between two looks at the socket.
const LOOK: Duration = Duration::from_millis(50);

pub struct Talk {
    ws: WebSocket,
    reactor: Reactor,
    start: Instant,
    deadline: Instant,
}

impl Talk {
    /// Connects and waits for the handshake; returns how long both took.
    pub fn open(url: &str, ca_file: Option<&Path>, deadline: Instant) -> Result<(Talk, Duration), Fault> {
        let (to, path) = url::parse(url).map_err(|error| Fault(error.to_string()))?;
        let tls = TlsClient::new(ca_file).map_err(|error| Fault(error.to_string()))?;
        let io = |error: std::io::Error| Fault(error.to_string());
        let reactor = Reactor::new(&Wake::default()).map_err(io)?;
        let mut network: TcpNetwork = reactor.network(&tls).map_err(io)?;
        let start = Instant::now();
        let left = deadline.saturating_duration_since(start).as_nanos() as Nanos;
        let config = WsConfig {
            message_max: MESSAGE_MAX,
            connect_timeout_ns: left,
            handshake_timeout_ns: left,
            ..WsConfig::default()
        };
        let mut talk = Talk { ws: WebSocket::new(config, fastrand::u64(..)), reactor, start, deadline };
        let target = if path.is_empty() { "/" } else { &path };
        talk.ws.connect(&mut network, &to, target, &[], 0).map_err(|error| told(&error))?;
        while !talk.ws.is_open() {
            // A first message that comes with the handshake is not one that is waited for.
            let now = talk.now();
            talk.ws.poll(now).map_err(|error| told(&error))?;
            if !talk.ws.is_open() {
                talk.rest()?;
            }
        }
        Ok((talk, start.elapsed()))
    }

    fn now(&self) -> Nanos {
        self.start.elapsed().as_nanos() as Nanos
    }

    fn rest(&mut self) -> Result<(), Fault> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Fault("no answer in time".to_owned()));
        }
        self.reactor.sleep(left.min(LOOK)).map_err(|error| Fault(error.to_string()))
    }

    /// Says something and waits for what `answers` takes for its answer; returns it with the time between.
    pub fn ask<T>(
        &mut self,
        text: &[u8],
        mut answers: impl FnMut(&mut [u8]) -> Option<T>,
    ) -> Result<(T, Duration), Fault> {
        let began = Instant::now();
        self.ws.send_text(text).map_err(|error| Fault(error.to_string()))?;
        loop {
            let now = self.now();
            match self.ws.poll(now) {
                Ok(Some(message)) => {
                    if let Some(found) = answers(message.payload) {
                        return Ok((found, began.elapsed()));
                    }
                }
                Ok(None) => self.rest()?,
                Err(error) => return Err(told(&error)),
            }
        }
    }

    /// Ends it as a client should; nobody waits for the other side's word.
    pub fn end(mut self) {
        let now = self.now();
        self.ws.close(1000, now);
        // Where it cannot be written the connection is gone, which is what is wanted.
        let _ = self.ws.poll(now);
    }
}

fn told(error: &crate::net::ws::WsError) -> Fault {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Fault(format!("{error}{cause}"))
}
