//! WebSocket over any byte stream, client and server.
//!
//! tungstenite parses the frame headers and derives the handshake's keys; the buffers are our own, because its read
//! path zero-fills and allocates on every call (`latency.md` §3.4). A connection keeps its buffers when it is made
//! anew, so that after the largest message was seen nothing is allocated.
//!
//! The text of a message is not checked to be UTF-8, though RFC 6455 §8.1 asks for it: the decoder behind compares
//! the bytes it wants and refuses the rest, and a second pass over every byte would buy nothing.

mod buffer;
pub mod frame;
pub mod handshake;
#[cfg(test)]
mod tests;

use self::buffer::RecvBuffer;
use self::frame::{CONTROL_MAX, Fault, HEADER_MAX, Opcode, Role};
use self::handshake::Verdict;
use super::{ByteStream, Endpoint, Network};
use crate::domain::Nanos;
use crate::telemetry::clock::Clock;
use std::io;
use std::ops::Range;

/// Sizes and time limits of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WsConfig {
    /// Largest message taken; a larger one ends the connection and is counted.
    pub message_max: usize,
    /// Receive buffer that normal traffic needs; it grows to `message_max` only for a message that asks for it.
    pub recv_buffer: usize,
    /// Most bytes that wait for a slow peer. A frame that does not fit is refused whole.
    pub send_buffer: usize,
    /// From `connect` to the first byte taken by the socket (and the TLS session, where there is one).
    pub connect_timeout_ns: Nanos,
    /// From the request to the peer's agreement.
    pub handshake_timeout_ns: Nanos,
    /// From our close frame to the peer's.
    pub close_timeout_ns: Nanos,
}

impl Default for WsConfig {
    fn default() -> Self {
        WsConfig {
            message_max: 4 << 20,
            recv_buffer: 64 << 10,
            send_buffer: 256 << 10,
            connect_timeout_ns: 5_000_000_000,
            handshake_timeout_ns: 5_000_000_000,
            close_timeout_ns: 1_000_000_000,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WsState {
    /// The socket or its TLS session is not up; nothing of the handshake is written.
    Connecting,
    /// A request is sent (client) or awaited (server).
    Handshake,
    Open,
    /// We sent a close frame and wait for the peer's; its messages still come.
    Closing,
    Closed,
}

/// A whole message. `payload` is the connection's own buffer: a parser may work in place.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub binary: bool,
    /// When the read that completed it returned.
    pub recv_ns: Nanos,
    pub payload: &'a mut [u8],
}

/// Why a connection ended. Told once, then the state is `Closed`.
#[derive(Debug, thiserror::Error)]
pub enum WsError {
    #[error("{peer}: not connected within {ms} ms")]
    ConnectTimeout { peer: String, ms: i64 },
    #[error("{peer}: no answer to the WebSocket handshake within {ms} ms")]
    HandshakeTimeout { peer: String, ms: i64 },
    #[error("{peer} refused the WebSocket with HTTP status {status}: {detail}")]
    Refused { peer: String, status: u16, retry_after_s: Option<u32>, detail: String },
    #[error("{peer}: no WebSocket handshake: {why}")]
    NoHandshake { peer: String, why: &'static str },
    #[error("{peer} closed the connection with code {code}: {reason:?}")]
    ClosedByPeer { peer: String, code: u16, reason: String },
    #[error("{peer} ended the connection without a close frame")]
    Ended { peer: String },
    #[error("{peer}: connection lost")]
    Io {
        peer: String,
        #[source]
        source: io::Error,
    },
    #[error("{peer} broke the WebSocket protocol: {fault}")]
    Protocol { peer: String, fault: Fault },
}

/// Why a frame was not sent. In each case not one byte of it has left or ever will.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("the connection is not open")]
    NotOpen,
    #[error("{pending} bytes wait for the peer, the frame does not fit behind them")]
    Full { pending: usize },
    #[error("connection lost")]
    Io(#[source] io::Error),
}

/// Counted since the value was made, over all its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WsCounters {
    pub connections: u64,
    pub messages: u64,
    pub bytes_read: u64,
    pub pings: u64,
    pub pongs: u64,
    /// Pongs and pings that found the send buffer full.
    pub control_dropped: u64,
    faults: [u64; Fault::COUNT],
}

impl WsCounters {
    pub fn faults(&self) -> impl Iterator<Item = (Fault, u64)> + '_ {
        Fault::ALL.into_iter().zip(self.faults)
    }
}

/// Where the last message handed out lies.
enum Located {
    Received(Range<usize>),
    Assembled,
}

/// One connection at a time, made by `connect`, `accept` or `upgrade`, and again after it closed.
pub struct WebSocket {
    config: WsConfig,
    role: Role,
    state: WsState,
    stream: Option<Box<dyn ByteStream>>,
    peer: String,
    /// Path and query: asked for by the client, heard by the server.
    target: String,
    key: String,
    recv: RecvBuffer,
    /// Bytes at the front of `recv` that the message handed out last occupies; released by the next call.
    handed: usize,
    /// Size of the frame of which only a part has come.
    wanted: usize,
    /// Fragments of an unfinished message, and whether it is binary.
    assembled: Vec<u8>,
    fragment: Option<bool>,
    /// Bytes from `sent` on wait for the socket. Has the capacity of its bound from the start.
    send: Vec<u8>,
    sent: usize,
    rng: fastrand::Rng,
    deadline: Nanos,
    last_recv: Nanos,
    last_pong: Nanos,
    /// Stamps each read; without it a read has the time of the `poll` that made it.
    clock: Option<Clock>,
    read_ns: Nanos,
    counters: WsCounters,
}

impl WebSocket {
    /// Closed until one of `connect`, `accept`, `upgrade`. `seed` decides masks and handshake keys: they need not be
    /// secret here, since what is sent is our own and no browser's script chooses it (RFC 6455 §10.3).
    pub fn new(config: WsConfig, seed: u64) -> WebSocket {
        WebSocket {
            config,
            role: Role::Client,
            state: WsState::Closed,
            stream: None,
            peer: String::new(),
            target: String::new(),
            key: String::new(),
            recv: RecvBuffer::new(config.recv_buffer),
            handed: 0,
            wanted: 0,
            assembled: Vec::new(),
            fragment: None,
            send: Vec::with_capacity(config.send_buffer),
            sent: 0,
            rng: fastrand::Rng::with_seed(seed),
            deadline: 0,
            last_recv: 0,
            last_pong: 0,
            clock: None,
            read_ns: 0,
            counters: WsCounters::default(),
        }
    }

    /// Stamps messages with this clock at each read, and not with the time that `poll` is told: a turn reads many times.
    pub fn stamped_by(mut self, clock: &Clock) -> WebSocket {
        self.clock = Some(clock.clone());
        self
    }

    /// Starts a client connection to `target` (path and query) at `to`. `poll` carries it on.
    pub fn connect(
        &mut self,
        network: &mut dyn Network,
        to: &Endpoint,
        target: &str,
        headers: &[(String, String)],
        now: Nanos,
    ) -> Result<(), WsError> {
        let peer = format!("{}:{}", to.host, to.port);
        let stream = network.connect(to).map_err(|source| WsError::Io { peer: peer.clone(), source })?;
        let own_port = to.port == if to.tls { 443 } else { 80 };
        let host = if own_port { to.host.clone() } else { peer.clone() };
        self.start(stream, Role::Client, peer, now);
        let mut nonce = [0u8; 16];
        self.rng.fill(&mut nonce);
        self.key = handshake::key(nonce);
        target.clone_into(&mut self.target);
        self.send.extend_from_slice(&handshake::request(&host, target, &self.key, headers));
        self.state = WsState::Connecting;
        self.deadline = now + self.config.connect_timeout_ns;
        Ok(())
    }

    /// Serves a client on `stream`: its handshake is awaited, `target` then says what it asked for.
    pub fn accept(&mut self, stream: Box<dyn ByteStream>, peer: &str, now: Nanos) {
        self.start(stream, Role::Server, peer.to_owned(), now);
        self.state = WsState::Handshake;
        self.deadline = now + self.config.handshake_timeout_ns;
    }

    /// Serves a client whose upgrade request an HTTP server has read: its `Sec-WebSocket-Key`, and the bytes that
    /// came behind the request's blank line.
    pub fn upgrade(&mut self, stream: Box<dyn ByteStream>, peer: &str, key: &str, rest: &[u8], now: Nanos) {
        self.start(stream, Role::Server, peer.to_owned(), now);
        self.recv.append(rest);
        self.read_ns = now;
        self.send.extend_from_slice(&handshake::response(key));
        self.open(now);
    }

    fn start(&mut self, stream: Box<dyn ByteStream>, role: Role, peer: String, now: Nanos) {
        self.drop_stream();
        self.stream = Some(stream);
        self.role = role;
        self.peer = peer;
        self.target.clear();
        self.recv.clear();
        self.handed = 0;
        self.wanted = 0;
        self.assembled.clear();
        self.fragment = None;
        self.send.clear();
        self.sent = 0;
        self.last_recv = now;
        self.last_pong = now;
    }

    fn open(&mut self, now: Nanos) {
        self.state = WsState::Open;
        self.last_recv = now;
        self.counters.connections += 1;
    }

    #[inline]
    pub fn state(&self) -> WsState {
        self.state
    }

    #[inline]
    pub fn is_open(&self) -> bool {
        self.state == WsState::Open
    }

    /// Path and query of the connection.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// `host:port`, or the name `accept` was given.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// When the last bytes came: what a read time-out looks at.
    #[inline]
    pub fn last_recv(&self) -> Nanos {
        self.last_recv
    }

    /// When the last pong came.
    pub fn last_pong(&self) -> Nanos {
        self.last_pong
    }

    pub fn counters(&self) -> &WsCounters {
        &self.counters
    }

    /// Bytes that the socket has not taken yet.
    #[inline]
    pub fn pending(&self) -> usize {
        self.send.len() - self.sent
    }

    /// Carries the connection on and hands out the next message, or `None` where none has come whole. It has then
    /// read until the socket had nothing more, so a thread may sleep on the socket's readiness. Messages that one read
    /// brought have one stamp, however late the last of them is handed out.
    #[inline]
    pub fn poll(&mut self, now: Nanos) -> Result<Option<Message<'_>>, WsError> {
        match self.advance(now) {
            Ok(Some((binary, Located::Received(range)))) => {
                self.counters.messages += 1;
                Ok(Some(Message { binary, recv_ns: self.read_ns, payload: &mut self.recv.unread_mut()[range] }))
            }
            Ok(Some((binary, Located::Assembled))) => {
                self.counters.messages += 1;
                Ok(Some(Message { binary, recv_ns: self.read_ns, payload: &mut self.assembled }))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.drop_stream();
                Err(error)
            }
        }
    }

    #[inline]
    fn advance(&mut self, now: Nanos) -> Result<Option<(bool, Located)>, WsError> {
        if self.handed > 0 {
            self.recv.consume(self.handed);
            self.handed = 0;
        }
        if self.state != WsState::Open && !self.advance_unopened(now)? {
            return Ok(None);
        }
        if self.pending() > 0 {
            self.flush()?;
        }
        loop {
            if let Some(found) = self.next_buffered(now)? {
                return Ok(Some(found));
            }
            if self.state == WsState::Closed || !self.fill(now)? {
                return Ok(None);
            }
        }
    }

    /// Connecting, handshake, closing. True where messages may be read.
    #[cold]
    fn advance_unopened(&mut self, now: Nanos) -> Result<bool, WsError> {
        if self.state == WsState::Connecting {
            let waiting = self.pending();
            self.flush()?;
            if self.pending() < waiting {
                self.state = WsState::Handshake;
                self.deadline = now + self.config.handshake_timeout_ns;
            } else if now >= self.deadline {
                let ms = self.config.connect_timeout_ns / 1_000_000;
                return Err(WsError::ConnectTimeout { peer: self.peer.clone(), ms });
            }
        }
        match self.state {
            WsState::Handshake => self.advance_handshake(now),
            WsState::Closing if now >= self.deadline => {
                self.drop_stream();
                Ok(false)
            }
            WsState::Closing | WsState::Open => Ok(true),
            WsState::Connecting | WsState::Closed => Ok(false),
        }
    }

    fn advance_handshake(&mut self, now: Nanos) -> Result<bool, WsError> {
        self.flush()?;
        loop {
            match handshake::judge(self.recv.unread(), self.role, &self.key) {
                Verdict::Agreed { head, request } => {
                    self.recv.consume(head);
                    if let Some(request) = request {
                        self.send.extend_from_slice(&handshake::response(&request.key));
                        self.target = request.target;
                    }
                    self.open(now);
                    return Ok(true);
                }
                Verdict::Refused { status, retry_after_s, detail } => {
                    return Err(WsError::Refused { peer: self.peer.clone(), status, retry_after_s, detail });
                }
                Verdict::Invalid(why) => return Err(WsError::NoHandshake { peer: self.peer.clone(), why }),
                Verdict::Incomplete => {}
            }
            if !self.fill(now)? {
                break;
            }
        }
        if now >= self.deadline {
            let ms = self.config.handshake_timeout_ns / 1_000_000;
            return Err(WsError::HandshakeTimeout { peer: self.peer.clone(), ms });
        }
        Ok(false)
    }

    /// One read. False where the socket has nothing now.
    #[inline]
    fn fill(&mut self, now: Nanos) -> Result<bool, WsError> {
        let Some(stream) = self.stream.as_mut() else { return Ok(false) };
        match stream.read(self.recv.room(self.wanted)) {
            Ok(0) if self.state == WsState::Closing => {
                self.drop_stream();
                Ok(false)
            }
            Ok(0) => Err(WsError::Ended { peer: self.peer.clone() }),
            Ok(n) => {
                self.read_ns = self.clock.as_ref().map_or(now, Clock::now);
                self.recv.filled(n);
                self.last_recv = now;
                self.counters.bytes_read += n as u64;
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(source) => Err(WsError::Io { peer: self.peer.clone(), source }),
        }
    }

    /// The next whole message among the bytes received; answers pings and closes on the way.
    #[inline]
    fn next_buffered(&mut self, now: Nanos) -> Result<Option<(bool, Located)>, WsError> {
        loop {
            let unread = self.recv.unread_mut();
            let frame = match frame::parse(unread, self.role, self.config.message_max) {
                Ok(Some(frame)) => frame,
                Ok(None) => {
                    self.wanted = 0;
                    return Ok(None);
                }
                Err(fault) => return Err(self.fault(fault)),
            };
            if unread.len() < frame.total() {
                self.wanted = frame.total();
                return Ok(None);
            }
            let range = frame.header..frame.total();
            if let Some(mask) = frame.mask {
                frame::apply_mask(&mut unread[range.clone()], mask);
            }
            match frame.opcode {
                Opcode::Text | Opcode::Binary => {
                    if self.fragment.is_some() {
                        return Err(self.fault(Fault::UnfinishedMessage));
                    }
                    let binary = frame.opcode == Opcode::Binary;
                    if frame.fin {
                        self.handed = frame.total();
                        return Ok(Some((binary, Located::Received(range))));
                    }
                    self.fragment = Some(binary);
                    self.assembled.clear();
                    self.assembled.extend_from_slice(&unread[range]);
                    self.recv.consume(frame.total());
                }
                Opcode::Continuation => {
                    let Some(binary) = self.fragment else { return Err(self.fault(Fault::NothingToContinue)) };
                    if self.assembled.len() + frame.payload > self.config.message_max {
                        return Err(self.fault(Fault::TooLarge));
                    }
                    self.assembled.extend_from_slice(&unread[range]);
                    self.recv.consume(frame.total());
                    if frame.fin {
                        self.fragment = None;
                        return Ok(Some((binary, Located::Assembled)));
                    }
                }
                Opcode::Ping | Opcode::Pong | Opcode::Close => {
                    let mut payload = [0u8; CONTROL_MAX];
                    payload[..frame.payload].copy_from_slice(&unread[range]);
                    self.recv.consume(frame.total());
                    self.on_control(frame.opcode, &payload[..frame.payload], now)?;
                    if self.state == WsState::Closed {
                        return Ok(None);
                    }
                }
            }
        }
    }

    #[cold]
    fn on_control(&mut self, opcode: Opcode, payload: &[u8], now: Nanos) -> Result<(), WsError> {
        match opcode {
            Opcode::Ping => {
                self.counters.pings += 1;
                if self.state == WsState::Open {
                    self.send_control(Opcode::Pong, payload)?;
                }
            }
            Opcode::Pong => {
                self.counters.pongs += 1;
                self.last_pong = now;
            }
            _ => {
                let (code, reason) = match payload {
                    [] => (1005, &payload[..0]),
                    [a, b, reason @ ..] => (u16::from_be_bytes([*a, *b]), reason),
                    [_] => return Err(self.fault(Fault::BadClose)),
                };
                // What may stand on the wire: RFC 6455 §7.4.
                if !payload.is_empty() && !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                    return Err(self.fault(Fault::BadClose));
                }
                if self.state == WsState::Closing {
                    self.drop_stream();
                    return Ok(());
                }
                // The answer is the peer's own code; whether it still arrives changes nothing.
                let _ = self.send_control(Opcode::Close, &payload[..payload.len().min(2)]);
                let reason = String::from_utf8_lossy(reason).into_owned();
                return Err(WsError::ClosedByPeer { peer: self.peer.clone(), code, reason });
            }
        }
        Ok(())
    }

    #[cold]
    fn fault(&mut self, fault: Fault) -> WsError {
        self.counters.faults[fault as usize] += 1;
        // The peer is told why, if it still listens.
        let _ = self.send_control(Opcode::Close, &fault.close_code().to_be_bytes());
        WsError::Protocol { peer: self.peer.clone(), fault }
    }

    fn send_control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), WsError> {
        match self.send_frame(opcode, payload.len(), |out| {
            out.extend_from_slice(payload);
            true
        }) {
            Ok(()) | Err(SendError::NotOpen) => Ok(()),
            Err(SendError::Full { .. }) => {
                self.counters.control_dropped += 1;
                Ok(())
            }
            Err(SendError::Io(source)) => Err(WsError::Io { peer: self.peer.clone(), source }),
        }
    }

    /// Sends one text message: into the send buffer, masked, and at once to the socket. What the socket does not take
    /// waits in the buffer and leaves with a later `poll`.
    pub fn send_text(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_text_with(payload.len(), |out| {
            out.extend_from_slice(payload);
            true
        })
    }

    pub fn send_binary(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.open_or(SendError::NotOpen)?;
        self.send_frame(Opcode::Binary, payload.len(), |out| {
            out.extend_from_slice(payload);
            true
        })
    }

    /// As `send_text`, the payload being appended by `encode` where it will be sent from, with the header's place in
    /// front of it: one buffer, one write, no copy. `encode` appends at most `payload_max` bytes, or answers false and
    /// nothing is sent.
    #[inline]
    pub fn send_text_with(
        &mut self,
        payload_max: usize,
        encode: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Result<(), SendError> {
        self.open_or(SendError::NotOpen)?;
        self.send_frame(Opcode::Text, payload_max, encode)
    }

    /// Asks the peer for a sign of life.
    pub fn send_ping(&mut self) -> Result<(), SendError> {
        self.open_or(SendError::NotOpen)?;
        self.send_frame(Opcode::Ping, 0, |_| true)
    }

    /// Starts the closing handshake. `poll` then waits for the peer's close, for the configured time.
    pub fn close(&mut self, code: u16, now: Nanos) {
        match self.state {
            WsState::Open => {
                let sent = self.send_frame(Opcode::Close, 2, |out| {
                    out.extend_from_slice(&code.to_be_bytes());
                    true
                });
                match sent {
                    Ok(()) => {
                        self.state = WsState::Closing;
                        self.deadline = now + self.config.close_timeout_ns;
                    }
                    Err(_) => self.drop_stream(),
                }
            }
            WsState::Closing | WsState::Closed => {}
            WsState::Connecting | WsState::Handshake => self.drop_stream(),
        }
    }

    /// Ends the connection without a word.
    pub fn abort(&mut self) {
        self.drop_stream();
    }

    #[inline]
    fn open_or(&self, error: SendError) -> Result<(), SendError> {
        if self.state == WsState::Open { Ok(()) } else { Err(error) }
    }

    #[inline]
    fn send_frame(
        &mut self,
        opcode: Opcode,
        payload_max: usize,
        encode: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Result<(), SendError> {
        if self.stream.is_none() {
            return Err(SendError::NotOpen);
        }
        let pending = self.pending();
        if pending + HEADER_MAX + payload_max > self.config.send_buffer {
            return Err(SendError::Full { pending });
        }
        if self.send.len() + HEADER_MAX + payload_max > self.config.send_buffer {
            self.send.copy_within(self.sent.., 0);
            self.send.truncate(pending);
            self.sent = 0;
        }
        let before = self.send.len();
        let start = before + HEADER_MAX;
        self.send.extend_from_slice(&[0; HEADER_MAX]);
        if !encode(&mut self.send) {
            self.send.truncate(before);
            return Ok(());
        }
        let payload = self.send.len() - start;
        let mask = match self.role {
            Role::Client => {
                let mask = self.rng.u32(..).to_ne_bytes();
                frame::apply_mask(&mut self.send[start..], mask);
                Some(mask)
            }
            Role::Server => None,
        };
        let at = before + frame::write_header(&mut self.send[before..start], opcode, payload, mask);
        if pending == 0 {
            self.sent = at;
        } else {
            // Other bytes wait in front: close the gap that the shorter header left.
            self.send.copy_within(at.., before);
            self.send.truncate(start + payload - (at - before));
        }
        match self.write_pending() {
            Ok(()) => Ok(()),
            Err(source) => {
                self.drop_stream();
                Err(SendError::Io(source))
            }
        }
    }

    /// Writes what waits, as far as the socket takes it.
    fn flush(&mut self) -> Result<(), WsError> {
        self.write_pending().map_err(|source| WsError::Io { peer: self.peer.clone(), source })
    }

    #[inline]
    fn write_pending(&mut self) -> io::Result<()> {
        let Some(stream) = self.stream.as_mut() else { return Ok(()) };
        while self.sent < self.send.len() {
            match stream.write(&self.send[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.send.clear();
        self.sent = 0;
        Ok(())
    }

    fn drop_stream(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            stream.close();
        }
        self.state = WsState::Closed;
    }
}
