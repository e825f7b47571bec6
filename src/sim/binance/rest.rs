//! REST (reference §6): HTTP requests to calls, results to responses; and the upgrades to WebSocket.

use super::api::{Desk, Signed};
use super::errors::{ApiError, PLAIN_5XX};
use super::hub::{ApiSession, Role};
use super::limits::Limits;
use super::params::Params;
use super::routes::{Call, ROUTES};
use super::streams::StreamSession;
use crate::sim::faults::{Faults, RequestFault};
use crate::sim::http::{self, Request};
use crate::sim::json::{Json, TimeUnit};

const JSON: &str = "application/json;charset=UTF-8";
/// Opening a WebSocket API connection weighs this much.
const WS_API_CONNECT_WEIGHT: u32 = 2;
const LISTEN_KEY_WEIGHT: u32 = 2;

/// What becomes of the connection after a request.
pub enum After {
    /// The response is written.
    Answered { keep_alive: bool },
    /// As above; a fault lets only so much of it out.
    Cut(u64),
    /// The handshake is written; the connection goes on as this.
    Upgraded(Role, Vec<String>),
    /// A fault cuts the connection before the response.
    Reset,
}

/// Carries out one request and writes its response.
pub fn handle(desk: &mut Desk, faults: &mut Faults, request: &Request, out: &mut Vec<u8>, now_us: i64) -> After {
    if request.header_has("upgrade", "websocket") {
        return upgrade(desk, request, out, now_us);
    }
    let keep_alive = request.keep_alive;
    if request.path.ends_with("/userDataStream") && desk.venue.listen_keys.on {
        let (status, body) = match listen_key(desk, request, now_us) {
            Ok(json) => (200, json.into_bytes()),
            Err(error) => (error.status, error_body(&error)),
        };
        http::respond(out, status, JSON, &desk.limits.weight_headers(now_us), &body, keep_alive);
        return After::Answered { keep_alive };
    }
    if request.path.ends_with("/userDataStream") {
        // Removed from the venue in 2026; the body is a page, not JSON.
        let page = b"<html>\r\n<head><title>410 Gone</title></head>\r\n<body>\r\n<center><h1>410 Gone</h1></center>\r\n</body>\r\n</html>\r\n";
        http::respond(out, 410, "text/html", &[], page, keep_alive);
        return After::Answered { keep_alive };
    }
    let Some(route) = ROUTES.iter().find(|r| r.rest.0 == request.method && r.rest.1 == request.path).map(|r| r.call)
    else {
        let known = ROUTES.iter().any(|r| r.rest.1 == request.path);
        let status = if known { 405 } else { 404 };
        let page = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>");
        http::respond(out, status, "text/html", &[], page.as_bytes(), keep_alive);
        return After::Answered { keep_alive };
    };
    let fault = if route.changes_orders() { faults.of_request() } else { RequestFault::None };
    if fault == RequestFault::Lost {
        return After::Reset;
    }
    let (result, account) = call(desk, route, request, fault, now_us);
    if fault == RequestFault::Reset {
        return After::Reset;
    }
    let mut headers = desk.limits.weight_headers(now_us);
    match result {
        Ok(json) => {
            if let (true, Some(account)) = (route.places_orders(), account) {
                let count = &mut desk.venue.accounts[account].order_count;
                headers.extend(Limits::order_headers(count, now_us));
            }
            http::respond(out, 200, JSON, &headers, json.bytes(), keep_alive);
        }
        Err(error) if error.status == PLAIN_5XX => {
            let page = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";
            http::respond(out, PLAIN_5XX, "text/html", &[], page, keep_alive);
        }
        Err(error) => {
            if let Some(at) = error.retry_at_us {
                let seconds = (at - now_us + 999_999) / 1_000_000;
                headers.push(("Retry-After".into(), seconds.max(1).to_string()));
            }
            http::respond(out, error.status, JSON, &headers, &error_body(&error), keep_alive);
        }
    }
    if let RequestFault::Cut(bytes) = fault {
        return After::Cut(bytes);
    }
    After::Answered { keep_alive }
}

fn call(
    desk: &mut Desk,
    route: Call,
    request: &Request,
    fault: RequestFault,
    now_us: i64,
) -> (Result<Json, ApiError>, Option<usize>) {
    if let Err(refused) = desk.limits.admit(now_us) {
        return (Err(refused), None);
    }
    let mut account = None;
    let params = match params(request) {
        Ok(params) => params,
        Err(error) => {
            desk.limits.add_weight(1, now_us);
            return (Err(error), None);
        }
    };
    let mut run = || {
        let accepts = request.header("accept").unwrap_or_default();
        if accepts.contains("application/sbe") && !accepts.contains("application/json") && !accepts.contains("*/*") {
            return Err(ApiError::sbe_off(406));
        }
        let unit = match request.header("x-mbx-time-unit") {
            None => TimeUnit::Milli,
            Some(text) => TimeUnit::parse(text).ok_or_else(ApiError::bad_time_unit)?,
        };
        if route.signed() {
            let body = std::str::from_utf8(&request.body).unwrap_or_default();
            let signed = Signed::Rest { query: &request.query, body };
            let signer = desk.authenticate(request.header("x-mbx-apikey"), &params, &signed, now_us)?;
            desk.check_permission(signer, route)?;
            account = Some(signer);
        }
        if let RequestFault::Before(bad) = fault {
            return Err(ApiError::bad_answer(bad));
        }
        let answer = desk.answer(route, account.unwrap_or(0), &params, unit, now_us)?;
        if let RequestFault::After(bad) = fault { Err(ApiError::bad_answer(bad)) } else { Ok(answer) }
    };
    let result = run();
    desk.limits.add_weight(route.weight(&params, result.is_err()), now_us);
    (result, account)
}

/// `POST`, `PUT` and `DELETE` of the retired listen keys: a key, no signature.
fn listen_key(desk: &mut Desk, request: &Request, now_us: i64) -> Result<Json, ApiError> {
    desk.limits.admit(now_us)?;
    desk.limits.add_weight(LISTEN_KEY_WEIGHT, now_us);
    let account = desk.account_of(request.header("x-mbx-apikey"))?;
    let params = params(request)?;
    let method = match request.method.as_str() {
        "POST" => "userDataStream.start",
        "PUT" => "userDataStream.ping",
        _ => "userDataStream.stop",
    };
    desk.listen_key(method, account, &params, TimeUnit::Milli, now_us)
}

/// The pairs of the query, then those of a form body. A body that is no form (some clients send an empty or a JSON
/// content type) counts as a form too: the venue does not look at the type.
fn params(request: &Request) -> Result<Params, ApiError> {
    let illegal = || ApiError::new(-1100, "Illegal characters found in a parameter.");
    let mut params = Params::new(http::form_pairs(&request.query).ok_or_else(illegal)?);
    if request.method != "GET" && !request.body.is_empty() {
        let body = std::str::from_utf8(&request.body).map_err(|_| illegal())?;
        params.extend(http::form_pairs(body).ok_or_else(illegal)?);
    }
    Ok(params)
}

/// `{"code":-1121,"msg":"Invalid symbol."}`.
pub fn error_body(error: &ApiError) -> Vec<u8> {
    let mut j = Json::new(TimeUnit::Milli);
    j.object("", |j| {
        j.int("code", error.code.into());
        j.str("msg", &error.msg);
        if let Some(data) = &error.data {
            j.raw("data", data);
        }
    });
    j.into_bytes()
}

/// Answers a WebSocket handshake: `/ws`, `/ws/<stream>...`, `/stream?streams=...` and `/ws-api/v3`.
fn upgrade(desk: &mut Desk, request: &Request, out: &mut Vec<u8>, now_us: i64) -> After {
    let refuse = |out: &mut Vec<u8>, error: ApiError| {
        http::respond(out, error.status, JSON, &[], &error_body(&error), false);
        After::Answered { keep_alive: false }
    };
    let (Some(key), Some("13")) = (request.header("sec-websocket-key"), request.header("sec-websocket-version")) else {
        return refuse(out, ApiError::new(-1100, "Illegal characters found in a parameter."));
    };
    let query = http::form_pairs(&request.query).unwrap_or_default();
    let param = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let Some(unit) = param("timeUnit").map_or(Some(TimeUnit::Milli), TimeUnit::parse) else {
        return refuse(out, ApiError::bad_time_unit());
    };
    match param("responseFormat") {
        None | Some("json") => {}
        Some("sbe") => return refuse(out, ApiError::sbe_off(400)),
        Some(_) => {
            return refuse(out, ApiError::new(-1130, "Data sent for parameter 'responseFormat' is not valid."));
        }
    }
    // Some clients open `/ws/0`: a path that names no stream.
    let keys = &desk.venue.listen_keys;
    let named = |name: &&str| name.contains(['@', '!']) || keys.account_of(name, now_us).is_some();
    // A zone's plus may have come as it is, which a form calls a space; names have none.
    let split = |list: &str| list.split('/').filter(named).map(|name| name.replace(' ', "+")).collect::<Vec<_>>();
    let path = http::form_decode(&request.path).unwrap_or_default();
    // The venue serves SBE on a host of its own, told by its key; here it has a path of its own besides.
    let (path, sbe) = match path.strip_prefix("/sbe") {
        Some(rest) => (rest.to_owned(), true),
        None => (path, request.header("x-mbx-apikey").is_some()),
    };
    let streams = |session| if sbe { Role::Sbe(session) } else { Role::Streams(session) };
    if sbe && path != "/ws-api/v3" {
        let key = request.header("x-mbx-apikey");
        let ed25519 = |account: usize| match desk.venue.key(key.unwrap_or_default(), account).is_ed25519() {
            true => Ok(()),
            false => Err(ApiError::bad_key()),
        };
        if let Err(error) = desk.account_of(key).and_then(ed25519) {
            return refuse(out, error);
        }
    }
    let (role, names) = if path == "/ws-api/v3" {
        if let Err(error) = desk.limits.admit(now_us) {
            return refuse(out, error);
        }
        desk.limits.add_weight(WS_API_CONNECT_WEIGHT, now_us);
        let return_rate_limits = param("returnRateLimits") != Some("false");
        let session = ApiSession { unit, return_rate_limits, connected_us: now_us, ..ApiSession::default() };
        (Role::Api(session), Vec::new())
    } else if path == "/stream" || path == "/stream/" {
        let session = StreamSession { combined: true, unit, ..StreamSession::default() };
        (streams(session), split(param("streams").unwrap_or("")))
    } else if path == "/ws" || path.starts_with("/ws/") {
        // A list of streams may carry the query's first parameter with `&` (reference §14.1).
        let (list, tail) = path[3..].split_once('&').unwrap_or((&path[3..], ""));
        let unit = tail.strip_prefix("timeUnit=").and_then(TimeUnit::parse).unwrap_or(unit);
        (streams(StreamSession { unit, ..StreamSession::default() }), split(list))
    } else {
        http::respond(out, 404, "text/html", &[], b"<html><body><h1>404</h1></body></html>", false);
        return After::Answered { keep_alive: false };
    };
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    let uuid: String = (0..32).map(|_| desk.venue.rng.digit(16)).collect();
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nx-mbx-uuid: {uuid}\r\n\r\n"
    );
    out.extend_from_slice(head.as_bytes());
    After::Upgraded(role, names)
}
