//! Who may ask, how often, and what becomes of a connection: authentication, the budget, the faults of requests, and
//! the upgrades to WebSocket.

use super::data::{DataSession, Feed};
use super::data_rest;
use super::errors::ApiError;
use super::hub::Role;
use super::limits::Budget;
use super::rest;
use super::stream::TradeSession;
use super::tape::Tape;
use super::venue::Venue;
use crate::domain::Nanos;
use crate::sim::faults::{BadAnswer, Faults, RequestFault};
use crate::sim::http::{self, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const JSON: &str = "application/json; charset=UTF-8";

/// What becomes of the connection after a request.
pub enum After {
    /// The response is written.
    Answered { keep_alive: bool },
    /// As above; a fault lets only so much of it out.
    Cut(u64),
    /// The handshake is written; the connection goes on as this.
    Upgraded(Role),
    /// A fault cuts the connection before the response.
    Reset,
}

pub struct Door {
    /// `(key, secret, account)`; an account may have several.
    keys: Vec<(String, String, usize)>,
    accounts: usize,
    per_minute: u32,
    /// By account: trading, and market data; one more for those without a key.
    budgets: Vec<Budget>,
    data_budgets: Vec<Budget>,
    /// Everybody is refused until then.
    throttled_until: Nanos,
    /// So many requests for an order are still to be answered so, and whether they take effect all the same.
    refusals: Option<(u64, ApiError, bool)>,
    /// The private stream is away until then.
    stream_closed_until: Nanos,
    /// The calendar's answer is a proxy's page.
    calendar_lost: bool,
    /// How often the calendar was asked for.
    pub calendar_asked: usize,
}

impl Door {
    /// One key for each account.
    pub fn new(keys: Vec<(String, String, usize)>, per_minute: u32) -> Door {
        let budgets = vec![Budget::default(); keys.len()];
        let (accounts, data_budgets) = (keys.len(), vec![Budget::default(); keys.len() + 1]);
        Door {
            keys,
            accounts,
            per_minute,
            budgets,
            data_budgets,
            throttled_until: 0,
            refusals: None,
            stream_closed_until: 0,
            calendar_lost: false,
            calendar_asked: 0,
        }
    }

    /// The account of a key and its secret.
    pub fn find(&self, key: &str, secret: &str) -> Option<usize> {
        self.keys.iter().find(|(k, s, _)| k == key && s == secret).map(|(_, _, account)| *account)
    }

    /// Another key for an account: of the key given, or the first. False where there is no such account.
    pub fn add_key(&mut self, key: String, secret: String, of: Option<&str>) -> bool {
        let account = match of {
            Some(known) => self.account_of(known),
            None => (self.accounts > 0).then_some(0),
        };
        self.keys.retain(|(known, ..)| *known != key);
        self.keys.extend(account.map(|account| (key, secret, account)));
        account.is_some()
    }

    pub fn revoke_key(&mut self, key: &str) {
        self.keys.retain(|(known, ..)| known != key);
    }

    pub fn account_of(&self, key: &str) -> Option<usize> {
        self.keys.iter().find(|(k, _, _)| k == key).map(|(_, _, account)| *account)
    }

    /// Answers 429 to everything until then.
    pub fn throttle_until(&mut self, until: Nanos) {
        self.throttled_until = until;
    }

    /// Answers the next requests for an order so; `after` they took effect.
    pub fn refuse_next(&mut self, next: u64, error: ApiError, after: bool) {
        self.refusals = (next > 0).then_some((next, error, after));
    }

    pub fn close_stream_until(&mut self, until: Nanos) {
        self.stream_closed_until = until;
    }

    pub fn calendar_readable(&mut self, readable: bool) {
        self.calendar_lost = !readable;
    }

    fn take_refusal(&mut self) -> Option<(ApiError, bool)> {
        let (left, error, after) = self.refusals.as_mut()?;
        *left -= 1;
        let refusal = (error.clone(), *after);
        if *left == 0 {
            self.refusals = None;
        }
        Some(refusal)
    }

    /// Ends what the control port has ordered.
    pub fn clear(&mut self) {
        (self.throttled_until, self.refusals) = (0, None);
        (self.stream_closed_until, self.calendar_lost) = (0, false);
    }

    /// The headers of an answer: while everybody is refused nothing remains until that ends.
    fn headers(&self, budget: &Budget, now: Nanos) -> Vec<(String, String)> {
        if now < self.throttled_until {
            return Budget::spent_headers(self.per_minute, self.throttled_until);
        }
        budget.headers(self.per_minute)
    }

    /// The two headers, or HTTP Basic with the key as user.
    pub fn authenticate(&self, request: &Request) -> Option<usize> {
        if let (Some(key), Some(secret)) = (request.header("apca-api-key-id"), request.header("apca-api-secret-key")) {
            return self.find(key, secret);
        }
        let basic = request.header("authorization")?.strip_prefix("Basic ")?;
        let text = String::from_utf8(STANDARD.decode(basic.trim()).ok()?).ok()?;
        let (key, secret) = text.split_once(':')?;
        self.find(key, secret)
    }

    /// Carries out one request and writes its response.
    pub fn handle(
        &mut self,
        venue: &mut Venue,
        tape: &Tape,
        faults: &mut Faults,
        request: &Request,
        out: &mut Vec<u8>,
        now: Nanos,
    ) -> After {
        if request.header_has("upgrade", "websocket") {
            return self.upgrade(request, out, now);
        }
        let keep_alive = request.keep_alive;
        let refuse = |out: &mut Vec<u8>, error: &ApiError, headers: &[(String, String)]| {
            http::respond(out, error.status, JSON, headers, &error.body(), keep_alive);
            After::Answered { keep_alive }
        };
        let account = self.authenticate(request);
        if data_rest::is_data(request) && (account.is_some() || !data_rest::needs_key(request)) {
            let at = account.unwrap_or(self.accounts);
            let within = self.data_budgets[at].take(self.per_minute, now);
            let headers = self.headers(&self.data_budgets[at], now);
            if !within || now < self.throttled_until {
                return refuse(out, &ApiError::throttled(), &headers);
            }
            match data_rest::answer(venue, tape, request) {
                Ok((status, body)) => http::respond(out, status, JSON, &headers, &body, keep_alive),
                Err(error) => return refuse(out, &error, &headers),
            }
            return After::Answered { keep_alive };
        }
        let Some(account) = account else {
            let headers = [("WWW-Authenticate".to_owned(), "Bearer, Basic".to_owned())];
            return refuse(out, &ApiError::unauthorized(), &headers);
        };
        let within = self.budgets[account].take(self.per_minute, now);
        let headers = self.headers(&self.budgets[account], now);
        if !within || now < self.throttled_until {
            return refuse(out, &ApiError::throttled(), &headers);
        }
        if request.path == "/v2/calendar" {
            self.calendar_asked += 1;
            if self.calendar_lost {
                http::respond(out, 200, "text/html", &headers, b"<html></html>", keep_alive);
                return After::Answered { keep_alive };
            }
        }
        if rest::makes_orders(request)
            && let Some((error, after)) = self.take_refusal()
        {
            if after {
                // What becomes of it is nobody's to know.
                let _ = rest::answer(venue, account, request);
            }
            return refuse(out, &error, &headers);
        }
        let fault = if rest::changes_orders(request) { faults.of_request() } else { RequestFault::None };
        let bad = |out: &mut Vec<u8>, bad: BadAnswer| match bad {
            BadAnswer::Unknown(_) => refuse(out, &ApiError::internal(), &headers),
            BadAnswer::Plain5xx => {
                let page = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n";
                http::respond(out, 502, "text/html", &[], page, keep_alive);
                After::Answered { keep_alive }
            }
        };
        match fault {
            RequestFault::Before(answer) => return bad(out, answer),
            RequestFault::Lost => return After::Reset,
            _ => {}
        }
        match (fault, rest::answer(venue, account, request)) {
            (RequestFault::Reset, _) => return After::Reset,
            // It took effect, and nobody is told.
            (RequestFault::After(answer), Ok(_)) => return bad(out, answer),
            (_, Ok((204, _))) => no_content(out, &headers, keep_alive),
            (_, Ok((status, body))) => http::respond(out, status, JSON, &headers, &body, keep_alive),
            (_, Err(error)) => return refuse(out, &error, &headers),
        }
        match fault {
            RequestFault::Cut(bytes) => After::Cut(bytes),
            _ => After::Answered { keep_alive },
        }
    }

    /// Answers a WebSocket handshake.
    fn upgrade(&mut self, request: &Request, out: &mut Vec<u8>, now: Nanos) -> After {
        let refuse = |out: &mut Vec<u8>, error: &ApiError| {
            http::respond(out, error.status, JSON, &[], &error.body(), false);
            After::Answered { keep_alive: false }
        };
        let (Some(key), Some("13")) = (request.header("sec-websocket-key"), request.header("sec-websocket-version"))
        else {
            return refuse(out, &ApiError::new(400, 40_010_000, "not a WebSocket handshake of version 13"));
        };
        let role = match (request.path.trim_end_matches('/'), Feed::of(&request.path)) {
            ("/stream", _) if now < self.stream_closed_until => {
                return refuse(out, &ApiError::new(503, 50_010_000, "service unavailable"));
            }
            ("/stream", _) => Role::Trades(TradeSession::default()),
            (_, Some(feed)) => {
                let msgpack = request.header("content-type").is_some_and(|kind| kind.contains("msgpack"));
                Role::Data(DataSession::new(feed, msgpack, now))
            }
            _ => return refuse(out, &ApiError::not_found("endpoint not found")),
        };
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        out.extend_from_slice(head.as_bytes());
        After::Upgraded(role)
    }
}

/// 204: no body, and no length of one.
fn no_content(out: &mut Vec<u8>, headers: &[(String, String)], keep_alive: bool) {
    let mut head = "HTTP/1.1 204 No Content\r\n".to_owned();
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(if keep_alive { "Connection: keep-alive\r\n\r\n" } else { "Connection: close\r\n\r\n" });
    out.extend_from_slice(head.as_bytes());
}
