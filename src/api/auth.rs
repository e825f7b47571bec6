//! Who asks, and what each may ask for: bearer tokens, the dashboard's sessions, roles.
//!
//! Invariants:
//! - Once a token has been made, nobody gets in without one, whatever becomes of the file of tokens.
//! - An action that no table here names needs the role admin.
//! - A session ends with the token that began it.

use super::answer::Failure;
use super::session::{Sessions, cookie};
use super::throttle::{Client, Rate, Refusals};
use crate::credentials::{CredentialError, Role, TokenChange, TokenInfo, TokenRefused, WatchedTokens};
use crate::domain::{Nanos, Text};
use crate::telemetry::{Counter, Counters};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::json;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// As the journal keeps it: the token's name, or `api` where no token is needed.
    pub who: Text<24>,
    pub role: Role,
    /// The address that the request came from.
    pub from: Text<40>,
    /// `None` where no token is needed.
    pub token: Option<Text<8>>,
}

impl Caller {
    /// Whoever reaches a paper engine on its own machine, before any token was made.
    pub fn local(from: IpAddr) -> Caller {
        Caller { who: Text::new("api"), role: Role::Admin, from: Text::new(&from.to_string()), token: None }
    }

    fn of(token: &TokenInfo, from: IpAddr) -> Caller {
        Caller {
            who: Text::new(&token.name),
            role: token.role,
            from: Text::new(&from.to_string()),
            token: Some(Text::new(&token.id)),
        }
    }

    /// Refuses what the caller's role does not allow.
    pub fn need(&self, role: Role, what: &str) -> Result<(), Failure> {
        if self.role >= role {
            return Ok(());
        }
        let message = format!("{what} needs the role {role}, and {} is a {}", self.who, self.role);
        Err(Failure::new(StatusCode::FORBIDDEN, "ROLE_NOT_ENOUGH", message))
    }
}

/// The role that a `POST` action needs. What only takes risk away needs no more than what adds it.
pub fn role_to_act(action: &str) -> Role {
    match action {
        "place-order"
        | "validate-order"
        | "replace-order"
        | "cancel-order"
        | "cancel-all-orders"
        | "close-position"
        | "close-all-positions"
        | "emergency-stop"
        | "heartbeat"
        | "revert-to-paper"
        | "acknowledge-alert"
        | "test-connections" => Role::Trader,
        // A trader may halt; the action itself asks for more where something is let loose.
        "set-trading-state" => Role::Trader,
        // As with limits: whoever trades may tighten them.
        "update-risk-config" => Role::Trader,
        _ => Role::Admin,
    }
}

/// The role that a `GET` action needs.
pub fn role_to_look(action: &str) -> Role {
    match action {
        "credentials-status" | "tokens" => Role::Admin,
        _ => Role::Viewer,
    }
}

/// Why the API does not open.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error(transparent)]
    Tokens(#[from] CredentialError),
    #[error(
        "{why}, so its API needs a token, and no token that is good is in {file}: `tollgate token create --name NAME \
         --role admin` makes one"
    )]
    NoToken { why: &'static str, file: String },
}

/// How a request shows who it is from.
pub enum Shown<'a> {
    Bearer(&'a [u8]),
    /// A session's cookie, and the token against forgery where the request has one.
    Cookie {
        session: &'a str,
        csrf: Option<&'a [u8]>,
    },
    Nothing,
}

/// The header that a request with a session's cookie proves itself by.
pub const CSRF_HEADER: &str = "x-csrf-token";

impl Shown<'_> {
    /// A bearer token stands before a cookie, which a browser sends unasked.
    pub fn in_headers(headers: &HeaderMap) -> Shown<'_> {
        let authorization = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        if let Some(value) = authorization {
            let bearer = value.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
            return Shown::Bearer(bearer.map_or(b"", |(_, token)| token.trim_ascii()));
        }
        match cookie(headers) {
            Some(session) => Shown::Cookie { session, csrf: headers.get(CSRF_HEADER).map(|value| value.as_bytes()) },
            None => Shown::Nothing,
        }
    }
}

/// Lines of the journal that one address is worth in a second.
const NOTES_PER_SECOND: u32 = 20;
/// So many refusals within this time, from wherever, are no slip of the hand any more; and how long after the last of them
/// that is over.
const SIEGE_FROM: u32 = 5;
const SIEGE_WITHIN_NS: Nanos = 60_000_000_000;
const SIEGE_OVER_NS: Nanos = 600_000_000_000;

/// What becomes of one who came in vain.
pub struct Refused {
    /// The answer waits for so long.
    pub delay: Duration,
    /// It is worth a line: each of the first is, and then fewer and fewer.
    pub told: bool,
}

/// Wrong tokens, again and again.
#[derive(Default)]
struct Siege {
    is_so: bool,
    told: bool,
    since: Nanos,
    refusals: u32,
    last: Nanos,
}

impl Siege {
    fn count(&mut self, now: Nanos) {
        if now - self.since >= SIEGE_WITHIN_NS {
            (self.since, self.refusals) = (now, 0);
        }
        self.refusals = self.refusals.saturating_add(1);
        self.last = now;
        self.is_so |= self.refusals >= SIEGE_FROM;
    }

    /// Whether it is so, where that has changed since it was asked last.
    fn changed(&mut self, now: Nanos) -> Option<bool> {
        self.is_so &= now - self.last < SIEGE_OVER_NS;
        (std::mem::replace(&mut self.told, self.is_so) != self.is_so).then_some(self.is_so)
    }
}

/// The door: tokens and sessions, how often each may come, and who came in vain.
pub struct Access {
    tokens: Mutex<WatchedTokens>,
    pub(super) sessions: Mutex<Sessions>,
    /// Nobody needs a token before the first was made: paper trading, on this machine alone.
    open: bool,
    rate: Mutex<Rate>,
    refusals: Mutex<Refusals>,
    notes: Mutex<Rate>,
    siege: Mutex<Siege>,
    refused: Counter,
    limited: Counter,
}

impl Access {
    /// Opens the door. `why_needed` says why a token is needed even before the first was made; without one that is good
    /// the engine then does not start.
    pub fn open(
        tokens: &Path,
        why_needed: Option<&'static str>,
        requests_per_second: u32,
        counters: &Counters,
        now: Nanos,
    ) -> Result<Access, AccessError> {
        let mut watched = WatchedTokens::open(tokens)?;
        if let Some(why) = why_needed {
            let good = watched.now().is_ok_and(|tokens| tokens.any_good(seconds(now)));
            if !good {
                return Err(AccessError::NoToken { why, file: tokens.display().to_string() });
            }
        }
        Ok(Access {
            tokens: Mutex::new(watched),
            sessions: Mutex::default(),
            open: why_needed.is_none(),
            rate: Mutex::new(Rate::new(requests_per_second)),
            refusals: Mutex::default(),
            notes: Mutex::new(Rate::new(NOTES_PER_SECOND)),
            siege: Mutex::default(),
            refused: counters.counter("control_refused_total"),
            limited: counters.counter("control_rate_limited_total"),
        })
    }

    /// Lets one in who may come and does not come too often.
    pub fn admit(&self, shown: &Shown, changes: bool, from: IpAddr, now: Nanos) -> Result<Caller, Failure> {
        let caller = self.caller(shown, changes, from, now)?;
        let client = match &caller.token {
            Some(id) => {
                lock(&self.refusals).forget(from);
                Client::Token(id.to_string())
            }
            None => Client::Address(from),
        };
        self.take_turn(client, now)?;
        Ok(caller)
    }

    /// One who has not said who they are comes as their address.
    pub fn admit_stranger(&self, from: IpAddr, now: Nanos) -> Result<(), Failure> {
        self.take_turn(Client::Address(from), now)
    }

    fn take_turn(&self, client: Client, now: Nanos) -> Result<(), Failure> {
        lock(&self.rate).take(client, now).map_err(|wait| {
            self.limited.add(1);
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let message = format!("more requests than one client may send in a second: wait {seconds} s");
            let details = json!({ "retry_after_s": seconds });
            Failure::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message).with(details)
        })
    }

    /// Notes that one came in vain, and says how long the answer is to wait. Who shows nothing has tried nothing.
    pub fn refused(&self, failure: &Failure, from: IpAddr, now: Nanos) -> Option<Refused> {
        if failure.status != StatusCode::UNAUTHORIZED || failure.code == "TOKEN_MISSING" {
            return None;
        }
        self.refused.add(1);
        let (count, delay) = lock(&self.refusals).count(from, now);
        // Each of the first is told, and then fewer and fewer: the log is not theirs to fill.
        let told = count <= 3 || count.is_power_of_two();
        if told {
            tracing::warn!(%from, count, code = failure.code, "refused at the door");
        }
        lock(&self.siege).count(now);
        Some(Refused { delay, told })
    }

    /// Whether another line of the journal may be spent on an address.
    pub fn may_note(&self, from: IpAddr, now: Nanos) -> bool {
        lock(&self.notes).take(Client::Address(from), now).is_ok()
    }

    /// Whether somebody comes with wrong tokens again and again, where that has changed since it was asked last.
    pub fn refusals_changed(&self, now: Nanos) -> Option<bool> {
        lock(&self.siege).changed(now)
    }

    /// What was answered last was not heard.
    pub fn tell_again(&self) {
        let mut siege = lock(&self.siege);
        siege.told = !siege.told;
    }

    /// Who sent a request with these headers. `changes` where it asks for more than to look.
    fn caller(&self, shown: &Shown, changes: bool, from: IpAddr, now: Nanos) -> Result<Caller, Failure> {
        let mut tokens = lock(&self.tokens);
        let known = tokens.now().map_err(unreadable)?;
        match shown {
            Shown::Bearer(text) => match known.check(text, seconds(now)) {
                Ok(token) => Ok(Caller::of(token, from)),
                Err(refused) => Err(unauthorized(refused)),
            },
            Shown::Cookie { session, csrf } => {
                let mut sessions = lock(&self.sessions);
                let ended = || refuse("SESSION_ENDED", "this session has ended: log in again");
                let session = sessions.find(session, now).ok_or_else(ended)?;
                // Revoked or expired since.
                let token = known.good(session.token.as_str(), seconds(now)).ok_or_else(ended)?;
                if changes && !csrf.is_some_and(|csrf| session.proves(csrf)) {
                    let message = "a request with a session's cookie that changes something must prove by the header \
                                   X-CSRF-Token that it comes from the page that logged in";
                    return Err(Failure::new(StatusCode::FORBIDDEN, "CSRF_TOKEN_WRONG", message));
                }
                Ok(Caller::of(token, from))
            }
            Shown::Nothing if self.open && !tokens.needed() => Ok(Caller::local(from)),
            Shown::Nothing => {
                Err(refuse("TOKEN_MISSING", "say who asks: Authorization: Bearer TOKEN (`tollgate token create`)"))
            }
        }
    }

    /// The token of that text, for a login.
    pub fn token(&self, text: &[u8], now: Nanos) -> Result<TokenInfo, Failure> {
        let mut tokens = lock(&self.tokens);
        let known = tokens.now().map_err(unreadable)?;
        known.check(text, seconds(now)).cloned().map_err(unauthorized)
    }

    /// The oldest change of the tokens' file that has not been told.
    pub fn token_change(&self) -> Option<TokenChange> {
        lock(&self.tokens).change().cloned()
    }

    /// The oldest change was told.
    pub fn token_change_told(&self) {
        lock(&self.tokens).told();
    }

    /// Whether a request without a token is let in.
    pub fn is_open(&self) -> bool {
        let mut tokens = lock(&self.tokens);
        // What is in it is asked for by each request; here it is only looked whether something is.
        let _ = tokens.now();
        self.open && !tokens.needed()
    }
}

/// What is behind these locks is changed in one step, so a panic of another holder did no harm.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seconds(now: Nanos) -> i64 {
    now.div_euclid(1_000_000_000)
}

fn refuse(code: &'static str, message: &str) -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, code, message)
}

fn unauthorized(refused: TokenRefused) -> Failure {
    match refused {
        TokenRefused::Unknown => refuse("TOKEN_UNKNOWN", "this token is not known here"),
        TokenRefused::Expired => {
            refuse("TOKEN_EXPIRED", "this token has expired: `tollgate token create` makes another")
        }
        TokenRefused::Revoked => refuse("TOKEN_REVOKED", "this token was revoked"),
    }
}

/// The file's fault is the operator's to hear, and not of one who has not shown who they are.
fn unreadable(why: &str) -> Failure {
    tracing::error!("nobody is let in: {why}");
    let message = "the tokens cannot be read, so nobody is let in: the log says why";
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "TOKENS_UNREADABLE", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::act::ACTIONS;

    /// Every action with the role it needs. A new one is added here with its role.
    const ROLES: &[(&str, Role)] = &[
        ("place-order", Role::Trader),
        ("validate-order", Role::Trader),
        ("replace-order", Role::Trader),
        ("cancel-order", Role::Trader),
        ("cancel-all-orders", Role::Trader),
        ("close-position", Role::Trader),
        ("close-all-positions", Role::Trader),
        ("emergency-stop", Role::Trader),
        ("heartbeat", Role::Trader),
        ("set-trading-state", Role::Trader),
        ("resume", Role::Admin),
        ("update-risk-config", Role::Trader),
        ("initiate-transition", Role::Admin),
        ("approve-transition", Role::Admin),
        ("reject-transition", Role::Admin),
        ("revert-to-paper", Role::Trader),
        ("store-credentials", Role::Admin),
        ("rotate-credentials", Role::Admin),
        ("acknowledge-alert", Role::Trader),
        ("test-connections", Role::Trader),
    ];

    #[test]
    fn refusals_are_an_alert_from_the_fifth_in_a_minute_and_until_ten_minutes_after_the_last() {
        const SECOND: Nanos = 1_000_000_000;
        let mut siege = Siege::default();
        // One every twenty seconds is a person who forgets.
        for n in 1..100 {
            siege.count(n * 20 * SECOND);
            assert_eq!(siege.changed(n * 20 * SECOND), None);
        }
        let start = 3_000 * SECOND;
        let told: Vec<_> =
            (0..9).map(|n| (siege.count(start + n * SECOND), siege.changed(start + n * SECOND)).1).collect();
        assert_eq!(told.iter().position(Option::is_some), Some(4));
        assert_eq!(told.iter().flatten().count(), 1, "told once");
        assert_eq!(siege.changed(start + 8 * SECOND + SIEGE_OVER_NS - 1), None);
        assert_eq!(siege.changed(start + 8 * SECOND + SIEGE_OVER_NS), Some(false));
    }

    #[test]
    fn every_action_has_a_role() {
        for action in ACTIONS {
            let row = ROLES.iter().find(|(name, _)| *name == action);
            assert_eq!(row.map(|(_, role)| *role), Some(role_to_act(action)), "{action} needs a row in ROLES");
        }
        assert_eq!(role_to_act("no-such-action"), Role::Admin);
    }
}
