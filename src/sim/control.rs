//! The control port of a simulated venue: a small HTTP server on loopback that changes what goes wrong while it runs.
//!
//! Answers are JSON; a request that is wrong, or asks for what the venue does not have, changes nothing and says why.
//! `tollgate sim fault` sends the same. What Alpaca takes besides, and what it refuses, stands in `sim::alpaca::port`.
//!
//! | request | body | does |
//! |---|---|---|
//! | `GET /faults` | | shows every switch |
//! | `POST /faults` | `{switch: value}` | sets switches, all or none |
//! | `POST /clear` | | sets every switch back, ends a ban, a rate limit and a clock offset |
//! | `POST /disconnect` | `{"only": "streams"}` or `"api"`, may be left out | resets connections of that kind, or all |
//! | `POST /server_shutdown` | `{"seconds": n}` | tells WebSocket clients `serverShutdown` and closes them after that time |
//! | `POST /clock` | `{"offset_ms": n}` | the venue's clock runs ahead by this |
//! | `POST /ban` | `{"seconds": n}` | of Binance: 418 at once, WebSocket API connections closed |
//! | `POST /rate_limit` | `{"seconds": n}`, with `"refusals"` and `"ban_seconds"` if wanted | 429 for that time; after that many refusals 418 |
//! | `POST /key` | `{"api_key": "...", "secret": "..."}`, with `"account"` (an older key of it) if wanted | the first account, or that one, has another key besides |
//! | `POST /revoke_key` | `{"api_key": "..."}` | that key is known no more |
//! | `POST /drop_after_bytes` | `{"n": n}` | cuts every open connection after so many more bytes |
//! | `POST /price` | `{"symbol": "BTCUSDT", "price": 90000}`, with `"still": true` if wanted | of Binance: the made-up market is at that price at its next step; still, it stays there |
//! | `POST /ledger` | `{"asset": "USDT", "change": -1000}`, with `"account"` (a key of it) if wanted | that account's free balance, or the first one's, changes by this, and nobody is told |
//! | `POST /hang` | `{"ms": n}` | after its answer the venue stands still for that time, with the thread it runs on |
//! | `POST /report` | `{"event": {...}}` | the private stream says this to every session, whatever the truth is |
//!
//! | switch | value | goes wrong |
//! |---|---|---|
//! | `delay_ms`, `jitter_ms` | ms | everything that goes out is late; on one connection nothing overtakes |
//! | `answer_unknown_before`, `answer_unknown_after` | 0..=1 | an order request is answered "execution status unknown", before or after it took effect |
//! | `answer_unknown_code` | -1006, -1007 | the code of that answer |
//! | `answer_5xx_before`, `answer_5xx_after` | 0..=1 | a plain 502 page (WebSocket API: status 500, -1000), before or after it took effect |
//! | `request_reset` | 0..=1 | the connection is reset before an order request took effect |
//! | `answer_reset` | 0..=1 | it took effect, and the connection is reset without an answer |
//! | `answer_cut`, `answer_cut_bytes` | 0..=1, bytes | it took effect, and the connection is cut in the middle of the answer |
//! | `report_drop`, `report_double` | 0..=1 | an execution report is lost, or comes twice |
//! | `report_delay`, `report_delay_ms` | 0..=1, [least, most] | it is late |
//! | `report_reorder`, `reorder_wait_ms` | 0..=1, ms | it comes after the one that follows it |
//! | `market_frozen` | true, false | market streams are silent |
//! | `depth_skip` | 0..=1 | a depth event is left out: a gap in the book |

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

const PATHS: [&str; 14] = [
    "/faults",
    "/clear",
    "/disconnect",
    "/server_shutdown",
    "/clock",
    "/ban",
    "/rate_limit",
    "/drop_after_bytes",
    "/price",
    "/ledger",
    "/hang",
    "/report",
    "/key",
    "/revoke_key",
];

/// What the venue is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    Show,
    Faults(Box<Faults>),
    Clear,
    Disconnect(Which),
    /// A notice to WebSocket clients, who are closed so many seconds later.
    ServerShutdown(u32),
    /// The venue's clock runs this many milliseconds ahead.
    Clock(i64),
    Ban(u32),
    RateLimit {
        seconds: u32,
        /// Refused requests before a ban, and its length, where they are not to be as configured.
        refusals: Option<u32>,
        ban_seconds: Option<u32>,
    },
    /// Another key for an account: of the key given, or the first.
    AddKey {
        api_key: String,
        secret: String,
        account: Option<String>,
    },
    RevokeKey(String),
    /// Every open connection is cut once this many more bytes have gone out on it.
    DropAfter(u64),
    /// The made-up market goes to this price; still, it stays there.
    Price {
        symbol: String,
        px: i64,
        still: bool,
    },
    /// What an account has of an asset changes, in 10^-8: of the key given, or the first.
    Ledger {
        asset: String,
        change: i64,
        account: Option<String>,
    },
    /// It stands still for so many milliseconds, and its thread with it.
    Hang(u32),
    /// An event of the private stream that is not true.
    Report(Box<Value>),
}

/// Connections of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    All,
    Streams,
    Api,
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
            conn.flush(0, now);
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
    // The body's members, which must all be among `known`; an empty body has none.
    let members = |known: &[&str]| -> Result<Map<String, Value>, (u16, String)> {
        let members = if request.body.is_empty() { Map::new() } else { body()? };
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(other) => Err(bad(format!("{other:?} is unknown here, known: {}", known.join(", ")))),
            None => Ok(members),
        }
    };
    let whole = |members: &Map<String, Value>, key: &str| -> Result<Option<i64>, (u16, String)> {
        let fault = || bad(format!("{key:?} must be a whole number"));
        members.get(key).map(|value| value.as_i64().ok_or_else(fault)).transpose()
    };
    let count = |members: &Map<String, Value>, key: &str| -> Result<Option<u32>, (u16, String)> {
        let fits =
            |value| u32::try_from(value).map_err(|_| bad(format!("{key:?} = {value} is outside 0..={}", u32::MAX)));
        whole(members, key)?.map(fits).transpose()
    };
    let given = |key: &str| bad(format!("{key:?} must be given"));
    let one = |key: &'static str| count(&members(&[key])?, key)?.ok_or_else(|| given(key));
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/faults") => Ok(Order::Show),
        ("POST", "/faults") => {
            let mut changed = faults.clone();
            for (name, value) in &body()? {
                changed.set(name, value).map_err(bad)?;
            }
            Ok(Order::Faults(Box::new(changed)))
        }
        ("POST", "/clear") => members(&[]).map(|_| Order::Clear),
        ("POST", "/disconnect") => match members(&["only"])?.get("only").map(|only| only.as_str().unwrap_or("")) {
            None => Ok(Order::Disconnect(Which::All)),
            Some("streams") => Ok(Order::Disconnect(Which::Streams)),
            Some("api") => Ok(Order::Disconnect(Which::Api)),
            Some(_) => Err(bad("\"only\" must be \"streams\" or \"api\"".into())),
        },
        ("POST", "/server_shutdown") => one("seconds").map(Order::ServerShutdown),
        ("POST", "/clock") => {
            let offset_ms = whole(&members(&["offset_ms"])?, "offset_ms")?.ok_or_else(|| given("offset_ms"))?;
            // A year: beyond it no client's clock is merely wrong.
            if offset_ms.unsigned_abs() > 31_536_000_000 {
                return Err(bad(format!("\"offset_ms\" = {offset_ms} is more than a year")));
            }
            Ok(Order::Clock(offset_ms))
        }
        ("POST", "/ban") => one("seconds").map(Order::Ban),
        ("POST", "/rate_limit") => {
            let members = members(&["seconds", "refusals", "ban_seconds"])?;
            let seconds = count(&members, "seconds")?.ok_or_else(|| given("seconds"))?;
            let (refusals, ban_seconds) = (count(&members, "refusals")?, count(&members, "ban_seconds")?);
            Ok(Order::RateLimit { seconds, refusals, ban_seconds })
        }
        ("POST", "/key") => {
            let members = members(&["api_key", "secret", "account"])?;
            let text = |key: &str| members.get(key).and_then(Value::as_str).map(str::to_owned);
            let need = |key: &str| text(key).filter(|text| !text.is_empty()).ok_or_else(|| given(key));
            Ok(Order::AddKey { api_key: need("api_key")?, secret: need("secret")?, account: text("account") })
        }
        ("POST", "/revoke_key") => {
            let members = members(&["api_key"])?;
            let api_key = members.get("api_key").and_then(Value::as_str).ok_or_else(|| given("api_key"))?;
            Ok(Order::RevokeKey(api_key.to_owned()))
        }
        ("POST", "/drop_after_bytes") => one("n").map(|n| Order::DropAfter(n.into())),
        ("POST", "/price") => {
            let members = members(&["symbol", "price", "still"])?;
            let symbol = members.get("symbol").and_then(Value::as_str).ok_or_else(|| given("symbol"))?.to_owned();
            let price = members.get("price").ok_or_else(|| given("price"))?;
            let text = price.as_str().map_or_else(|| price.to_string(), str::to_owned);
            let px = super::decimal::parse(&text).ok().filter(|px| *px > 0);
            let px = px.ok_or_else(|| bad(format!("\"price\" = {text} is no price above 0")))?;
            let still = members.get("still").map_or(Some(false), Value::as_bool);
            let still = still.ok_or_else(|| bad("\"still\" must be true or false".into()))?;
            Ok(Order::Price { symbol, px, still })
        }
        ("POST", "/ledger") => {
            let members = members(&["asset", "change", "account"])?;
            let text = |key: &str| members.get(key).and_then(Value::as_str).map(str::to_owned);
            let asset = text("asset").ok_or_else(|| given("asset"))?;
            let change = members.get("change").ok_or_else(|| given("change"))?;
            let words = change.as_str().map_or_else(|| change.to_string(), str::to_owned);
            let (sign, amount) = words.strip_prefix('-').map_or((1, words.as_str()), |amount| (-1, amount));
            let change = super::decimal::parse(amount).ok().filter(|amount| *amount > 0).map(|amount| sign * amount);
            let change = change.ok_or_else(|| bad(format!("\"change\" = {words} is no amount other than 0")))?;
            Ok(Order::Ledger { asset, change, account: text("account") })
        }
        ("POST", "/hang") => {
            let ms = one("ms")?;
            // A minute: beyond it nothing is left to be seen.
            if ms > 60_000 {
                return Err(bad(format!("\"ms\" = {ms} is more than a minute")));
            }
            Ok(Order::Hang(ms))
        }
        ("POST", "/report") => {
            let mut members = members(&["event"])?;
            let event = members.remove("event").filter(Value::is_object);
            Ok(Order::Report(Box::new(event.ok_or_else(|| given("event"))?)))
        }
        (_, path) if PATHS.contains(&path) => Err((405, format!("{} is not for {path}", request.method))),
        (_, path) => Err((404, format!("{path} is unknown; there are {}", PATHS.join(", ")))),
    }
}

/// `{"error": "..."}`.
pub fn refusal(msg: &str) -> Value {
    json!({ "error": msg })
}
