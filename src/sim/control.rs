//! The control port of a simulated venue: a small HTTP server on loopback that changes what goes wrong while it runs.
//!
//! `GET /faults`, `POST /faults {switch: value}`, `POST /disconnect`, `POST /clock {offset_ms}`, `POST /ban {seconds}`,
//! `POST /drop_after_bytes {n}`. Answers are JSON; a request that is wrong changes nothing and says why.

use super::conn::{Conn, Message};
use super::faults::Faults;
use super::http::{self, Request};
use crate::domain::Nanos;
use crate::net::Listener;
use serde_json::{Map, Value, json};

/// Connections at one time: a test has one or two.
const CONNECTIONS_MAX: usize = 16;
/// Without a request for this long a connection is closed.
const IDLE_NS: Nanos = 60_000_000_000;

/// What the venue is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    Show,
    Faults(Box<Faults>),
    Disconnect,
    /// The venue's clock runs this many milliseconds ahead.
    Clock(i64),
    Ban(u32),
    /// Every open connection is cut once this many more bytes have gone out on it.
    DropAfter(u64),
}

pub struct ControlServer {
    listener: Box<dyn Listener>,
    conns: Vec<Conn>,
}

impl ControlServer {
    pub fn new(listener: Box<dyn Listener>) -> ControlServer {
        ControlServer { listener, conns: Vec::new() }
    }

    pub fn local_addr(&self) -> String {
        self.listener.local_addr()
    }

    /// Takes in connections and gives the whole requests, each with its connection's place.
    pub fn requests(&mut self, scratch: &mut [u8], now: Nanos) -> Vec<(usize, Request)> {
        while let Ok(Some(mut stream)) = self.listener.accept() {
            if self.conns.len() < CONNECTIONS_MAX { self.conns.push(Conn::new(0, stream, now)) } else { stream.close() }
        }
        let mut out = Vec::new();
        for (at, conn) in self.conns.iter_mut().enumerate() {
            conn.read(scratch, now);
            match conn.next(now) {
                Ok(Some(Message::Http(request))) => out.push((at, request)),
                Ok(_) => {}
                Err(_) => conn.close(now),
            }
        }
        out
    }

    pub fn answer(&mut self, at: usize, status: u16, body: &Value, keep_alive: bool, now: Nanos) {
        let Some(conn) = self.conns.get_mut(at) else { return };
        http::respond(conn.out(), status, "application/json", &[], body.to_string().as_bytes(), keep_alive);
        if !keep_alive {
            conn.close(now);
        }
    }

    /// Writes what is due and drops what is done.
    pub fn tend(&mut self, now: Nanos) {
        self.conns.retain_mut(|conn| {
            conn.flush();
            if now - conn.heard_ns > IDLE_NS {
                conn.close(now);
            }
            !conn.finished(now)
        });
    }
}

/// What a request asks for, or the status and sentence to refuse it with.
pub fn parse(request: &Request, faults: &Faults) -> Result<Order, (u16, String)> {
    let bad = |msg: String| (400, msg);
    let body = || -> Result<Map<String, Value>, (u16, String)> {
        match serde_json::from_slice(&request.body) {
            Ok(Value::Object(members)) => Ok(members),
            _ => Err(bad("the body must be a JSON object".into())),
        }
    };
    let number = |key: &str| -> Result<i64, (u16, String)> {
        let members = body()?;
        if let Some(other) = members.keys().find(|name| *name != key) {
            return Err(bad(format!("{other:?} is unknown here, only {key:?} is known")));
        }
        members.get(key).and_then(Value::as_i64).ok_or_else(|| bad(format!("{key:?} must be a whole number")))
    };
    let count = |key: &str| -> Result<u32, (u16, String)> {
        let value = number(key)?;
        u32::try_from(value).map_err(|_| bad(format!("{key:?} = {value} is outside 0..={}", u32::MAX)))
    };
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/faults") => Ok(Order::Show),
        ("POST", "/faults") => {
            let mut changed = faults.clone();
            for (name, value) in &body()? {
                changed.set(name, value).map_err(bad)?;
            }
            Ok(Order::Faults(Box::new(changed)))
        }
        ("POST", "/disconnect") => Ok(Order::Disconnect),
        ("POST", "/clock") => {
            let offset_ms = number("offset_ms")?;
            // A year: beyond it no client's clock is merely wrong.
            if offset_ms.unsigned_abs() > 31_536_000_000 {
                return Err(bad(format!("\"offset_ms\" = {offset_ms} is more than a year")));
            }
            Ok(Order::Clock(offset_ms))
        }
        ("POST", "/ban") => Ok(Order::Ban(count("seconds")?)),
        ("POST", "/drop_after_bytes") => Ok(Order::DropAfter(count("n")?.into())),
        (_, "/faults" | "/disconnect" | "/clock" | "/ban" | "/drop_after_bytes") => {
            Err((405, format!("{} is not for {}", request.method, request.path)))
        }
        (_, path) => {
            Err((404, format!("{path} is unknown; there are /faults, /disconnect, /clock, /ban and /drop_after_bytes")))
        }
    }
}

/// `{"error": "..."}`.
pub fn refusal(msg: &str) -> Value {
    json!({ "error": msg })
}
