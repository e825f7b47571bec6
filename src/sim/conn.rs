//! One accepted connection: bytes in, messages out, bounded both ways. First HTTP, after an upgrade WebSocket.

use super::http::{self, HttpFault, Request};
use super::ws::{self, Decoder, Incoming, WsFault};
use crate::domain::Nanos;
use crate::net::ByteStream;
use std::collections::VecDeque;
use std::io::ErrorKind;

/// Bytes read in one turn of one connection, so that a busy one does not starve the rest.
const READ_PER_TURN: usize = 64 * 1024;
/// How long a closing connection may take to read its last bytes.
const CLOSE_GRACE_NS: Nanos = 2_000_000_000;
/// The server pings this often and gives up on a client that has not answered for that long (reference §14.1).
const PING_EVERY_NS: Nanos = 20_000_000_000;
const PONG_WITHIN_NS: Nanos = 60_000_000_000;

/// What a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    Http(Request),
    Text(String),
    Binary(Vec<u8>),
    /// Counted against the rate of messages, nothing else.
    Control,
}

/// Why the connection is to be closed, where the client gave cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadBytes {
    Http(HttpFault),
    Ws(WsFault),
}

enum Wire {
    Http,
    Ws { decoder: Decoder, next_ping: Nanos, unanswered: Option<(Nanos, Vec<u8>)> },
}

/// A connection. It is dropped by its owner once `finished`.
pub struct Conn {
    /// Never used twice.
    pub id: u64,
    pub opened_ns: Nanos,
    /// When bytes last came.
    pub heard_ns: Nanos,
    stream: Box<dyn ByteStream>,
    input: Vec<u8>,
    output: Vec<u8>,
    sent: usize,
    /// Bytes of the connection's life that stood before `output`; the places below count from the first byte.
    gone_out: u64,
    /// What goes out late: up to which place, and when; and up to which place all may go now.
    late: VecDeque<(u64, Nanos)>,
    released: u64,
    wire: Wire,
    closing_since: Option<Nanos>,
    gone: bool,
    /// Bytes that may still go out before a fault cuts the connection.
    cut_after: Option<u64>,
}

impl Conn {
    pub fn new(id: u64, stream: Box<dyn ByteStream>, now: Nanos) -> Conn {
        Conn {
            id,
            opened_ns: now,
            heard_ns: now,
            stream,
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            gone_out: 0,
            late: VecDeque::new(),
            released: 0,
            wire: Wire::Http,
            closing_since: None,
            gone: false,
            cut_after: None,
        }
    }

    /// Reads what has come; gives the number of bytes.
    pub fn read(&mut self, scratch: &mut [u8], now: Nanos) -> usize {
        let mut total = 0;
        while !self.gone && self.closing_since.is_none() && total < READ_PER_TURN {
            match self.stream.read(scratch) {
                Ok(0) => self.gone = true,
                Ok(n) => {
                    self.input.extend_from_slice(&scratch[..n]);
                    self.heard_ns = now;
                    total += n;
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.gone = true,
            }
        }
        total
    }

    /// The next whole message, or why the bytes are none.
    pub fn next(&mut self, now: Nanos) -> Result<Option<Message>, BadBytes> {
        if self.gone || self.closing_since.is_some() {
            return Ok(None);
        }
        match &mut self.wire {
            Wire::Http => match http::parse(&self.input).map_err(BadBytes::Http)? {
                Some((request, used)) => {
                    self.input.drain(..used);
                    Ok(Some(Message::Http(request)))
                }
                None => Ok(None),
            },
            Wire::Ws { decoder, unanswered, .. } => loop {
                let (message, used) = decoder.next(&self.input).map_err(BadBytes::Ws)?;
                self.input.drain(..used);
                match message {
                    None if used == 0 => return Ok(None),
                    None => {}
                    Some(Incoming::Text(text)) => return Ok(Some(Message::Text(text))),
                    Some(Incoming::Binary(bytes)) => return Ok(Some(Message::Binary(bytes))),
                    Some(Incoming::Ping(payload)) => {
                        ws::push_frame(&mut self.output, ws::PONG, &[&payload]);
                        return Ok(Some(Message::Control));
                    }
                    Some(Incoming::Pong(payload)) => {
                        if unanswered.as_ref().is_some_and(|(_, sent)| *sent == payload) {
                            *unanswered = None;
                        }
                        return Ok(Some(Message::Control));
                    }
                    Some(Incoming::Close(code)) => {
                        let code = code.unwrap_or(1000);
                        ws::push_close(&mut self.output, code, "");
                        self.closing_since = Some(now);
                        return Ok(None);
                    }
                }
            },
        }
    }

    /// Goes on as WebSocket; the 101 has been written.
    pub fn upgrade(&mut self, now: Nanos) {
        self.wire = Wire::Ws { decoder: Decoder::default(), next_ping: now + PING_EVERY_NS, unanswered: None };
    }

    pub fn is_ws(&self) -> bool {
        matches!(self.wire, Wire::Ws { .. })
    }

    /// Pings when it is time; false once the client has been silent for too long.
    pub fn keep_alive(&mut self, now: Nanos) -> bool {
        let Wire::Ws { next_ping, unanswered, .. } = &mut self.wire else { return true };
        if now >= *next_ping {
            *next_ping = now + PING_EVERY_NS;
            let payload = (now / 1_000_000).to_string().into_bytes();
            ws::push_frame(&mut self.output, ws::PING, &[&payload]);
            match unanswered {
                // The first unanswered ping starts the time; a pong to the latest one ends it.
                Some((_, latest)) => *latest = payload,
                None => *unanswered = Some((now, payload)),
            }
        }
        unanswered.as_ref().is_none_or(|(since, _)| now - since < PONG_WITHIN_NS)
    }

    /// Where answers are appended.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Appends a text frame made of `parts`.
    pub fn send_text(&mut self, parts: &[&[u8]]) {
        if !self.gone && self.closing_since.is_none() {
            ws::push_frame(&mut self.output, ws::TEXT, parts);
        }
    }

    /// Appends a binary frame made of `parts`.
    pub fn send_binary(&mut self, parts: &[&[u8]]) {
        if !self.gone && self.closing_since.is_none() {
            ws::push_frame(&mut self.output, ws::BINARY, parts);
        }
    }

    /// Bytes that the client has not taken yet.
    pub fn backlog(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Marks what was appended since the last call as due `late_ns` from now, and not before what came before it;
    /// gives how much of `output` is due.
    fn due(&mut self, late_ns: Nanos, now: Nanos) -> usize {
        let end = self.gone_out + self.output.len() as u64;
        let kept = self.late.back().copied();
        if kept.map_or(self.released, |(place, _)| place) < end {
            self.late.push_back((end, kept.map_or(0, |(_, due)| due).max(now + late_ns)));
        }
        while let Some((place, _)) = self.late.front().copied().filter(|(_, due)| *due <= now) {
            self.released = place;
            self.late.pop_front();
        }
        usize::try_from(self.released.saturating_sub(self.gone_out)).unwrap_or(usize::MAX).min(self.output.len())
    }

    /// Writes what the client takes of what is due; gives the number of bytes. What was appended since the last call
    /// is due after `late_ns`.
    pub fn flush(&mut self, late_ns: Nanos, now: Nanos) -> usize {
        let mut total = 0;
        let due = self.due(late_ns, now);
        while !self.gone && self.sent < due {
            let mut end = due;
            if let Some(left) = self.cut_after {
                end = end.min(self.sent + usize::try_from(left).unwrap_or(usize::MAX));
                if end == self.sent {
                    self.reset();
                    break;
                }
            }
            match self.stream.write(&self.output[self.sent..end]) {
                Ok(0) => self.gone = true,
                Ok(n) => {
                    self.sent += n;
                    total += n;
                    self.cut_after = self.cut_after.map(|left| left.saturating_sub(n as u64));
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.gone = true,
            }
        }
        if self.sent == self.output.len() || self.sent > 1 << 20 {
            self.gone_out += self.sent as u64;
            self.output.drain(..self.sent);
            self.sent = 0;
        }
        total
    }

    /// Closes once what was written is taken, or after a short grace.
    pub fn close(&mut self, now: Nanos) {
        self.closing_since.get_or_insert(now);
    }

    /// As `close`, with a WebSocket close frame first.
    pub fn close_ws(&mut self, now: Nanos, code: u16, reason: &str) {
        if self.is_ws() && self.closing_since.is_none() {
            ws::push_close(&mut self.output, code, reason);
        }
        self.close(now);
    }

    /// Cuts the connection once this many more bytes have gone out, wherever in a frame that is, and no later than a
    /// cut that is set already.
    pub fn cut_after(&mut self, bytes: u64) {
        self.cut_after = Some(self.cut_after.map_or(bytes, |set| set.min(bytes)));
    }

    /// Ends at once; what was not taken is lost, as with a reset.
    pub fn reset(&mut self) {
        self.gone = true;
        self.output.clear();
        self.sent = 0;
    }

    /// Whether there is nothing left to do; the stream is closed.
    pub fn finished(&mut self, now: Nanos) -> bool {
        let waited = |since| self.late.is_empty() && now - since > CLOSE_GRACE_NS;
        let done = self.gone || self.closing_since.is_some_and(|since| self.backlog() == 0 || waited(since));
        if done {
            self.stream.close();
        }
        done
    }

    /// Whether messages may still be sent and received.
    pub fn open(&self) -> bool {
        !self.gone && self.closing_since.is_none()
    }
}
