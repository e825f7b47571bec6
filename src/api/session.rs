//! Logins of the dashboard: a cookie that scripts cannot read and other sites cannot send, and a token against forgery.
//!
//! Sessions live in memory and end with the process, with their token, when they were not used for a while, or after
//! half a day. The cookie is kept as a hash.

use crate::credentials::{CredentialError, TokenInfo, random_text};
use crate::domain::{Nanos, Text};
use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Without TLS the browser takes no name that demands it.
const COOKIE: &str = "tollgate_session";
/// A browser takes a cookie of this name only over TLS, for this host alone.
const COOKIE_TLS: &str = "__Host-tollgate_session";
const MINUTE_NS: Nanos = 60_000_000_000;
/// Unused for so long, a session ends.
const IDLE_NS: Nanos = 30 * MINUTE_NS;
/// And in any case after so long.
const LIFE_NS: Nanos = 12 * 60 * MINUTE_NS;
/// Most sessions at once: the one that was not used for the longest makes room.
const SESSIONS_MAX: usize = 64;

pub struct Session {
    hash: [u8; 32],
    csrf: Zeroizing<String>,
    /// The id of the token that logged in.
    pub token: Text<8>,
    began: Nanos,
    used: Nanos,
}

impl Session {
    /// In constant time.
    pub fn proves(&self, csrf: &[u8]) -> bool {
        self.csrf.as_bytes().ct_eq(csrf).into()
    }

    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    pub fn ends(&self) -> Nanos {
        self.began + LIFE_NS
    }

    fn is_over(&self, now: Nanos) -> bool {
        now - self.used >= IDLE_NS || now >= self.ends()
    }
}

#[derive(Default)]
pub struct Sessions(Vec<Session>);

impl Sessions {
    /// The cookie's text, which is kept nowhere, and the session.
    pub fn begin(&mut self, token: &TokenInfo, now: Nanos) -> Result<(Zeroizing<String>, &Session), CredentialError> {
        let (cookie, csrf) = (random_text()?, random_text()?);
        self.0.retain(|session| !session.is_over(now));
        if self.0.len() >= SESSIONS_MAX
            && let Some((oldest, _)) = self.0.iter().enumerate().min_by_key(|(_, session)| session.used)
        {
            self.0.swap_remove(oldest);
        }
        let hash = hash(&cookie);
        self.0.push(Session { hash, csrf, token: Text::new(&token.id), began: now, used: now });
        Ok((cookie, &self.0[self.0.len() - 1]))
    }

    /// The session of that cookie, which is now used.
    pub fn find(&mut self, cookie: &str, now: Nanos) -> Option<&Session> {
        self.0.retain(|session| !session.is_over(now));
        let hash = hash(cookie);
        let found = self.0.iter_mut().find(|session| session.hash.ct_eq(&hash).into())?;
        found.used = now;
        Some(found)
    }

    pub fn end(&mut self, cookie: &str) {
        let hash = hash(cookie);
        self.0.retain(|session| !bool::from(session.hash.ct_eq(&hash)));
    }
}

fn hash(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie.as_bytes()).into()
}

/// The session's cookie among those of a request.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE || *name == COOKIE_TLS)
        .map(|(_, value)| value)
}

/// The header that gives a browser its cookie, or takes it away.
pub fn set_cookie(value: Option<&str>, tls: bool) -> Zeroizing<String> {
    let (name, secure) = if tls { (COOKIE_TLS, "; Secure") } else { (COOKIE, "") };
    let (value, age) = match value {
        Some(value) => (value, LIFE_NS / 1_000_000_000),
        None => ("", 0),
    };
    Zeroizing::new(format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={age}{secure}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::{Role, Tokens};

    fn token() -> TokenInfo {
        let dir = tempfile::tempdir().unwrap();
        Tokens::create(&dir.path().join("tokens"), "alice", Role::Trader, 1_000, 0).unwrap().0
    }

    #[test]
    fn a_session_lasts_while_it_is_used_and_half_a_day_at_most() {
        let mut sessions = Sessions::default();
        let cookie = sessions.begin(&token(), 0).unwrap().0;
        let mut now = 0;
        while now + 29 * MINUTE_NS < LIFE_NS {
            now += 29 * MINUTE_NS;
            assert!(sessions.find(&cookie, now).is_some(), "at {now}");
        }
        assert!(sessions.find(&cookie, LIFE_NS).is_none());
        let idle = sessions.begin(&token(), 0).unwrap().0;
        assert!(sessions.find(&idle, IDLE_NS - 1).is_some());
        assert!(sessions.find(&idle, 2 * IDLE_NS - 1).is_none());
        let ended = sessions.begin(&token(), 0).unwrap().0;
        sessions.end(&ended);
        assert!(sessions.find(&ended, 1).is_none());
    }

    #[test]
    fn one_too_many_takes_the_place_of_the_one_unused_longest() {
        let mut sessions = Sessions::default();
        let token = token();
        let cookies: Vec<_> = (0..SESSIONS_MAX as i64).map(|now| sessions.begin(&token, now).unwrap().0).collect();
        assert!(sessions.find(&cookies[0], 1_000).is_some());
        sessions.begin(&token, 2_000).unwrap();
        assert!(sessions.find(&cookies[0], 2_001).is_some());
        assert!(sessions.find(&cookies[1], 2_001).is_none());
        assert_eq!(sessions.0.len(), SESSIONS_MAX);
    }

    #[test]
    fn the_cookie_is_for_this_site_and_no_script() {
        assert_eq!(
            *set_cookie(Some("abc"), true),
            "__Host-tollgate_session=abc; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200; Secure"
        );
        assert_eq!(*set_cookie(None, false), "tollgate_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
        let headers = HeaderMap::from_iter([(header::COOKIE, "a=b; tollgate_session=xyz; c=d".parse().unwrap())]);
        assert_eq!(cookie(&headers), Some("xyz"));
        assert_eq!(cookie(&HeaderMap::new()), None);
    }
}
