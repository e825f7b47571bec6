//! A request that is sent twice acts once: `Idempotency-Key`.
//!
//! A key is journaled, as a note, right before the command that it stands for and under the same request id. So it is
//! known after a restart, and a second request with it is answered with what became of the first, also while that is
//! not settled. A key that was journaled without its command following belongs to nothing that happened.

use super::answer::Failure;
use super::app::{App, Call};
use crate::core::command::{Action, Command};
use crate::domain::{RequestId, Text};
use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};

pub const HEADER: &str = "idempotency-key";

/// What the note is called in the journal.
const NOTE: &str = "idempotency-key";
/// Longest key: a journaled text has so many bytes.
const KEY_MAX: usize = 48;
/// Keys that are remembered; the oldest goes first.
const KEYS_MAX: usize = 10_000;

/// The key of a request, and what it is a key to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    key: String,
    /// Of the body: the same key must not stand for something else.
    digest: String,
}

impl Once {
    /// The key in the headers, if there is one.
    pub fn of(headers: &HeaderMap, body: &[u8]) -> Result<Option<Once>, Failure> {
        let Some(key) = headers.get(HEADER) else { return Ok(None) };
        let key = key.to_str().unwrap_or_default();
        let good = (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|c| c.is_ascii_graphic());
        if !good || headers.get_all(HEADER).iter().count() > 1 {
            let message = format!("must be given once, 1 to {KEY_MAX} visible ASCII characters without a blank");
            return Err(Failure::field("Idempotency-Key", message));
        }
        let digest = Sha256::digest(body).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(Once { key: key.to_owned(), digest }))
    }
}

/// A key's request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Keyed {
    request: RequestId,
    digest: String,
    /// The command itself stands in the journal.
    taken: bool,
}

/// The keys of a journal, or those on their way into it.
#[derive(Debug, Default)]
pub struct Keys {
    known: BTreeMap<String, Keyed>,
    order: VecDeque<String>,
}

impl Keys {
    /// A command of the journal, in its order.
    pub fn on_command(&mut self, command: &Command) {
        match command.action {
            Action::Note { what, about, .. } if what.as_str() == NOTE => {
                self.add(command.why.as_str(), command.request, about.as_str());
            }
            _ => {
                // The key's own command is the next one: keys are few, and the newest is looked at first.
                let newest = self.order.back().and_then(|key| self.known.get_mut(key));
                if let Some(keyed) = newest.filter(|keyed| keyed.request == command.request) {
                    keyed.taken = true;
                }
            }
        }
    }

    fn add(&mut self, key: &str, request: RequestId, digest: &str) {
        if self.known.len() >= KEYS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        let keyed = Keyed { request, digest: digest.to_owned(), taken: false };
        if self.known.insert(key.to_owned(), keyed).is_some() {
            self.order.retain(|known| known != key);
        }
        self.order.push_back(key.to_owned());
    }

    /// Whether a request has a key, and what became of it is to be kept over runs.
    pub fn holds(&self, request: RequestId) -> bool {
        self.known.values().any(|keyed| keyed.request == request)
    }

    /// The request that a key stands for already. One whose command never came, of a run that is over, is none.
    fn find(&self, once: &Once, run: u32) -> Result<Option<RequestId>, Failure> {
        let Some(keyed) = self.known.get(&once.key) else { return Ok(None) };
        if !keyed.taken && keyed.request.0 >> 32 != u64::from(run) {
            return Ok(None);
        }
        if keyed.digest != once.digest {
            let message = "this Idempotency-Key was given to another request: make a new key for what is new";
            return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED", message));
        }
        Ok(Some(keyed.request))
    }
}

/// Sends a command, or finds the request that the same one was sent as.
pub fn send(call: &Call, once: Option<&Once>, action: Action, why: &str) -> Result<RequestId, Failure> {
    let Some(once) = once else { return call.send(action, why) };
    let app: &App = call;
    app.ready()?;
    let run = app.info.run;
    // Both on their way and in the journal: a second request may come before the tail has seen the first. One thread
    // does all of this, so nothing comes between the look and the sending.
    let mut sent = app.keys_sent();
    let known = app.view.lock().keys().find(once, run)?;
    if let Some(request) = known.map_or_else(|| sent.find(once, run), |request| Ok(Some(request)))? {
        return Ok(request);
    }
    let request = app.next_request();
    let about = Text::new(&once.digest);
    let note = Action::Note { what: Text::new(NOTE), about, done: true };
    app.command_as(request, call.caller.who, call.caller.from, note, &once.key)?;
    sent.add(&once.key, request, &once.digest);
    app.command_as(request, call.caller.who, call.caller.from, action, why)?;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn once(key: &'static str, body: &str) -> Once {
        let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), HeaderValue::from_static(key))]);
        Once::of(&headers, body.as_bytes()).unwrap().unwrap()
    }

    fn command(request: u64, action: Action, why: &str) -> Command {
        let (who, from) = (Text::new("api"), Text::default());
        Command { request: RequestId(request), who, from, why: Text::new(why), action }
    }

    fn note(request: u64, once: &Once) -> Command {
        let note = Action::Note { what: Text::new(NOTE), about: Text::new(&once.digest), done: true };
        command(request, note, &once.key)
    }

    #[test]
    fn a_key_stands_for_its_own_request_over_restarts() {
        let (mut keys, first) = (Keys::default(), once("k1", "buy"));
        let (run_1, run_2) = (1 << 32, 2 << 32);
        keys.on_command(&note(run_1 | 7, &first));
        keys.on_command(&command(run_1 | 7, Action::CancelAll, ""));
        assert_eq!(keys.find(&first, 1), Ok(Some(RequestId(run_1 | 7))));
        assert_eq!(keys.find(&first, 2), Ok(Some(RequestId(run_1 | 7))));
        assert_eq!(keys.find(&once("k2", "buy"), 1), Ok(None));
        assert_eq!(keys.find(&once("k1", "sell"), 1).unwrap_err().code, "IDEMPOTENCY_KEY_REUSED");
        assert!(keys.holds(RequestId(run_1 | 7)) && !keys.holds(RequestId(run_1 | 8)));

        // Journaled, and then the engine died before the command: nothing happened, so it may happen now.
        let lost = once("k3", "buy");
        keys.on_command(&note(run_1 | 9, &lost));
        assert_eq!(keys.find(&lost, 1), Ok(Some(RequestId(run_1 | 9))), "it may still be on its way");
        assert_eq!(keys.find(&lost, 2), Ok(None));
        keys.on_command(&note(run_2 | 1, &lost));
        keys.on_command(&command(run_2 | 1, Action::CancelAll, ""));
        assert_eq!(keys.find(&lost, 2), Ok(Some(RequestId(run_2 | 1))));
    }

    #[test]
    fn the_oldest_key_is_forgotten_when_there_are_too_many() {
        let mut keys = Keys::default();
        for n in 0..=KEYS_MAX as u64 {
            keys.add(&format!("key-{n}"), RequestId(n), "");
        }
        assert_eq!((keys.known.len(), keys.order.len()), (KEYS_MAX, KEYS_MAX));
        assert!(!keys.known.contains_key("key-0") && keys.known.contains_key("key-1"));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for key in ["", "with blank", "ü", "0123456789012345678901234567890123456789012345678"] {
            let value = HeaderValue::from_bytes(key.as_bytes()).unwrap();
            let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), value)]);
            assert_eq!(Once::of(&headers, b"").unwrap_err().code, "INVALID_FIELD", "{key}");
        }
        assert_eq!(Once::of(&HeaderMap::new(), b""), Ok(None));
    }
}
