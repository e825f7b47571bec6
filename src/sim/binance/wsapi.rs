//! The WebSocket API (reference §17): requests by method name, answers by id, sessions and user data subscriptions.

use super::api::{Desk, Signed};
use super::errors::ApiError;
use super::hub::ApiSession;
use super::params::Params;
use super::routes::{Call, ROUTES};
use super::streams::legal_id;
use crate::sim::faults::{Faults, RequestFault};
use crate::sim::json::Json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Active subscriptions on a connection, and subscriptions over its life.
const SUBSCRIPTIONS_MAX: usize = 1_000;
const SUBSCRIPTION_IDS_MAX: u64 = 65_535;
const SESSION_WEIGHT: u32 = 2;

#[derive(serde::Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: String,
    #[serde(borrow)]
    params: Option<BTreeMap<String, &'a RawValue>>,
}

/// What to do with the connection after a request.
pub struct Reply {
    /// The answer, absent where a fault resets the connection instead.
    pub text: Option<Vec<u8>>,
    /// Events about the session itself, sent after the answer.
    pub events: Vec<Vec<u8>>,
    /// The caller is banned: the connection is closed after the answer.
    pub close: bool,
    /// A fault lets only so much of the answer out.
    pub cut: Option<u64>,
}

/// Carries out one request.
pub fn handle(desk: &mut Desk, faults: &mut Faults, session: &mut ApiSession, text: &str, now_us: i64) -> Reply {
    let request: Request = match serde_json::from_str(text) {
        Ok(request) => request,
        Err(_) => {
            desk.limits.add_weight(1, now_us);
            let error = ApiError::new(-1135, "Invalid JSON Request");
            let text = answer(desk, session, "null", &Err(error), None, None, now_us);
            return Reply { text: Some(text), events: Vec::new(), close: false, cut: None };
        }
    };
    let raw_id = request.id.map_or("null", RawValue::get);
    let id = if legal_id(raw_id) { raw_id } else { "null" };
    let pairs: Vec<(String, String)> = request
        .params
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| {
            // A text's value is what it says; everything else is its own JSON text, as it is signed.
            let value = serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned());
            (name, value)
        })
        .collect();
    let params = Params::new(pairs.iter().cloned());
    let method = request.method.strip_prefix("v3/").unwrap_or(&request.method);
    let call = ROUTES.iter().find(|r| r.ws == method && !method.is_empty()).map(|r| r.call);
    let fault = if call.is_some_and(Call::changes_orders) { faults.of_request() } else { RequestFault::None };
    if fault == RequestFault::Lost {
        return Reply { text: None, events: Vec::new(), close: true, cut: None };
    }
    let mut account = None;
    let subscribed = session.subscriptions.clone();
    let result = desk.limits.admit(now_us).and_then(|()| {
        let signed = Signed::WsApi(&pairs);
        let result = match call {
            Some(call) => {
                let (result, signer) = run(desk, call, session, &params, &signed, fault, now_us);
                account = signer;
                result
            }
            None => session_method(desk, session, method, &params, &signed, now_us),
        };
        let weight = call.map_or(SESSION_WEIGHT, |c| c.weight(&params, result.is_err()));
        desk.limits.add_weight(weight, now_us);
        result
    });
    if fault == RequestFault::Reset {
        return Reply { text: None, events: Vec::new(), close: true, cut: None };
    }
    let close = matches!(&result, Err(error) if error.status == 418);
    let cut = if let RequestFault::Cut(bytes) = fault { Some(bytes) } else { None };
    let orders = account.filter(|_| call.is_some_and(Call::places_orders));
    let wanted = params.boolean("returnRateLimits").ok().flatten();
    let ended = subscribed.iter().filter(|s| !session.subscriptions.contains(s));
    let events = ended.map(|(id, _)| terminated(*id, session, now_us)).collect();
    Reply { text: Some(answer(desk, session, id, &result, orders, wanted, now_us)), events, close, cut }
}

/// The last event of a subscription.
fn terminated(subscription: u64, session: &ApiSession, now_us: i64) -> Vec<u8> {
    let mut j = Json::new(session.unit);
    j.object("", |j| {
        j.uint("subscriptionId", subscription);
        j.object("event", |j| {
            j.str("e", "eventStreamTerminated");
            j.time("E", now_us);
        });
    });
    j.into_bytes()
}

/// The result, and the account where the call was signed by one.
fn run(
    desk: &mut Desk,
    call: Call,
    session: &ApiSession,
    params: &Params,
    signed: &Signed,
    fault: RequestFault,
    now_us: i64,
) -> (Result<Json, ApiError>, Option<usize>) {
    let account = match call.signed().then(|| authenticate(desk, session, params, signed, now_us)) {
        None => None,
        Some(Ok(account)) => Some(account),
        Some(Err(error)) => return (Err(error), None),
    };
    if let Some(Err(error)) = account.map(|account| desk.check_permission(account, call)) {
        return (Err(error), None);
    }
    if let RequestFault::Before(bad) = fault {
        return (Err(ApiError::bad_answer(bad)), account);
    }
    let mut result = desk.answer(call, account.unwrap_or(0), params, session.unit, now_us);
    if let (Call::PlaceRouted, Ok(answer)) = (call, &mut result) {
        // Here, and not over REST, the order stands in an array (§17.5).
        let mut list = Json::new(session.unit);
        list.array("", |j| j.raw("", answer.bytes()));
        *answer = list;
    }
    if let (RequestFault::After(bad), Ok(_)) = (fault, &result) {
        result = Err(ApiError::bad_answer(bad));
    }
    (result, account)
}

/// By the request's own key and signature, else by the session's log-on, for which a time is enough (§17.4).
fn authenticate(
    desk: &Desk,
    session: &ApiSession,
    params: &Params,
    signed: &Signed,
    now_us: i64,
) -> Result<usize, ApiError> {
    let key = params.get("apiKey");
    if let (None, None, Some((account, _))) = (key, params.get("signature"), session.logged_on) {
        desk.check_time(params, now_us)?;
        return Ok(account);
    }
    let key = key.ok_or_else(|| ApiError::missing("apiKey"))?;
    desk.authenticate(Some(key), params, signed, now_us)
}

/// What `session.logon`, `session.status` and `session.logout` answer.
fn write_session(j: &mut Json, desk: &Desk, session: &ApiSession, now_us: i64) {
    j.object("", |j| {
        match session.logged_on {
            Some((account, since)) => {
                j.str("apiKey", &desk.venue.accounts[account].api_key);
                j.time("authorizedSince", since);
            }
            None => {
                j.null("apiKey");
                j.null("authorizedSince");
            }
        }
        j.time("connectedSince", session.connected_us);
        j.bool("returnRateLimits", session.return_rate_limits);
        j.time("serverTime", now_us);
        j.bool("userDataStream", !session.subscriptions.is_empty());
    });
}

fn subscribe(j: &mut Json, session: &mut ApiSession, account: usize) -> Result<u64, ApiError> {
    if session.subscriptions.iter().any(|(_, a)| *a == account) {
        return Err(ApiError::new(-2035, "User Data Stream subscription already active."));
    }
    if session.next_subscription > SUBSCRIPTION_IDS_MAX || session.subscriptions.len() >= SUBSCRIPTIONS_MAX {
        return Err(ApiError::new(-2042, "Maximum subscription ID reached for this connection."));
    }
    let id = session.next_subscription;
    session.next_subscription += 1;
    session.subscriptions.push((id, account));
    j.object("", |j| j.uint("subscriptionId", id));
    Ok(id)
}

/// Methods that exist on this connection only.
fn session_method(
    desk: &mut Desk,
    session: &mut ApiSession,
    method: &str,
    params: &Params,
    signed: &Signed,
    now_us: i64,
) -> Result<Json, ApiError> {
    let mut j = Json::new(session.unit);
    match method {
        "session.status" => write_session(&mut j, desk, session, now_us),
        "session.logout" => {
            session.logged_on = None;
            let own = session.own_subscription.take();
            session.subscriptions.retain(|(id, _)| own != Some(*id));
            write_session(&mut j, desk, session, now_us);
        }
        "session.logon" => {
            let key = params.get("apiKey").ok_or_else(|| ApiError::missing("apiKey"))?;
            let account = desk.authenticate(Some(key), params, signed, now_us)?;
            params.check_all_read()?;
            if !desk.venue.key(key, account).is_ed25519() {
                // Code and text as remembered from the wire; the documentation names neither.
                return Err(ApiError::new(-4056, "HMAC_SHA256 API key is not supported."));
            }
            session.logged_on = Some((account, now_us));
            write_session(&mut j, desk, session, now_us);
        }
        "session.subscriptions" => j.array("", |j| {
            for (id, _) in &session.subscriptions {
                j.object("", |j| j.uint("subscriptionId", *id));
            }
        }),
        "userDataStream.subscribe.signature" => {
            let key = params.get("apiKey").ok_or_else(|| ApiError::missing("apiKey"))?;
            let account = desk.authenticate(Some(key), params, signed, now_us)?;
            params.check_all_read()?;
            subscribe(&mut j, session, account)?;
        }
        "userDataStream.subscribe" => {
            let unauthorized = || ApiError::new(-1002, "You are not authorized to execute this request.");
            let (account, _) = session.logged_on.ok_or_else(unauthorized)?;
            session.own_subscription = Some(subscribe(&mut j, session, account)?);
        }
        "userDataStream.unsubscribe" => {
            let id = params.integer("subscriptionId")?.map(|id| id as u64);
            let before = session.subscriptions.len();
            session.subscriptions.retain(|(s, _)| id.is_some_and(|id| id != *s));
            if session.subscriptions.len() == before {
                return Err(ApiError::new(-2036, "User Data Stream subscription not active."));
            }
            j.object("", |_| {});
        }
        "userDataStream.start" | "userDataStream.ping" | "userDataStream.stop" if desk.venue.listen_keys.on => {
            let account = desk.account_of(params.get("apiKey"))?;
            return desk.listen_key(method, account, params, session.unit, now_us);
        }
        _ => return Err(ApiError::new(-1020, "This operation is not supported.")),
    }
    Ok(j)
}

/// `{"id","status","result"|"error","rateLimits"}`.
fn answer(
    desk: &mut Desk,
    session: &ApiSession,
    id: &str,
    result: &Result<Json, ApiError>,
    orders: Option<usize>,
    rate_limits: Option<bool>,
    now_us: i64,
) -> Vec<u8> {
    let mut j = Json::new(session.unit);
    j.object("", |j| {
        j.raw("id", id.as_bytes());
        match result {
            Ok(json) => {
                j.int("status", 200);
                j.raw("result", json.bytes());
            }
            Err(error) => {
                j.uint("status", error.status.into());
                j.object("error", |j| {
                    j.int("code", error.code.into());
                    j.str("msg", &error.msg);
                    if let Some(data) = &error.data {
                        j.raw("data", data);
                    }
                    if let Some(at) = error.retry_at_us {
                        j.object("data", |j| {
                            j.time("serverTime", now_us);
                            j.time("retryAfter", at);
                        });
                    }
                });
            }
        }
        if rate_limits.unwrap_or(session.return_rate_limits) {
            j.array("rateLimits", |j| {
                let count = orders.map(|account| &mut desk.venue.accounts[account].order_count);
                desk.limits.write_used(j, count, now_us);
            });
        }
    });
    j.into_bytes()
}
