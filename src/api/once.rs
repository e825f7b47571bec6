//! A request that is sent twice acts once: `Idempotency-Key`, for every action that changes something.
//!
//! A key is journaled, as a note, right before the command that it stands for and under the same request id. So it is
//! known after a restart, and a second request with it is answered with what became of the first, also while that is
//! not settled. A key that was journaled without its command following belongs to nothing that happened. What is done
//! outside of the core (keys of venues) is journaled under that request too, by who did it; and so is the answer where
//! nothing else in the journal tells it (`kept`).
//!
//! A key is remembered for an hour at least, and as long as there is room. Where there is none, what adds risk is refused
//! by name; for what only takes risk away the oldest key makes room.

use super::answer::Failure;
use super::app::{App, Call};
use super::kept::{self, Kept};
use super::view::View;
use crate::core::command::{Action, Ask, Command, TradingState};
use crate::domain::{Nanos, RequestId, Text};
use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

pub const HEADER: &str = "idempotency-key";

/// What the note is called in the journal, and that of a request which the core does not see.
const NOTE: &str = "idempotency-key";
const NOTE_OUTSIDE: &str = "idempotency-key-outside";
/// Longest key that is taken, as others have it.
pub(super) const KEY_MAX: usize = 255;
/// What a journaled text has room for. A longer key is known by its hash, which begins with this mark.
const KEPT_MAX: usize = 48;
const HASHED: char = '#';
/// Keys that are remembered, with what became of their requests.
const KEYS_MAX: usize = 20_000;
/// How long a key is remembered at least.
const KEPT_NS: Nanos = 3_600_000_000_000;

/// Actions that change nothing: a key says nothing to them.
const LOOKS: [&str; 2] = ["validate-order", "test-connections"];
/// Whether a key means something to an action.
pub fn heeds(action: &str) -> bool {
    !LOOKS.contains(&action)
}

/// The key of a request, and what it is a key to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// As the journal keeps it.
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
        Ok(Some(Once { key: kept(key), digest: hex(body, 16) }))
    }
}

/// What is journaled of a key: itself where it is short, else a hash that no other key is taken for.
fn kept(key: &str) -> String {
    if key.len() <= KEPT_MAX && !key.starts_with(HASHED) {
        return key.to_owned();
    }
    format!("{HASHED}{}", hex(key.as_bytes(), 23))
}

/// The first bytes of a SHA-256, in hexadecimal digits.
fn hex(bytes: &[u8], count: usize) -> String {
    Sha256::digest(bytes).iter().take(count).map(|byte| format!("{byte:02x}")).collect()
}

/// A key's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    pub request: RequestId,
    digest: String,
    at_ns: Nanos,
    /// The core does not see it.
    outside: bool,
    /// The command itself stands in the journal.
    taken: bool,
    /// Of what is done outside: whether it was done, once that is known.
    pub done: Option<bool>,
    /// What it was answered, where that was decided outside of the core.
    pub kept: Kept,
}

/// The keys of a journal, or those on their way into it.
#[derive(Debug, Default)]
pub struct Keys {
    known: BTreeMap<String, Keyed>,
    /// Request ids grow, so the first is the oldest.
    by_request: BTreeMap<RequestId, String>,
}

impl Keys {
    /// A command of the journal, in its order. Names the request that was forgotten for it.
    pub fn on_command(&mut self, command: &Command, ts_ns: Nanos) -> Option<RequestId> {
        if let Action::Note { what, about, .. } = command.action
            && [NOTE, NOTE_OUTSIDE].contains(&what.as_str())
        {
            let outside = what.as_str() == NOTE_OUTSIDE;
            return self.add(command.why.as_str(), command.request, about.as_str(), ts_ns, outside);
        }
        let key = self.by_request.get(&command.request)?;
        if let Some(keyed) = self.known.get_mut(key) {
            keyed.taken = true;
            if kept::is_piece(command) {
                keyed.kept.add(command);
            } else if let Action::Note { done, .. } = command.action {
                keyed.done = Some(done);
            }
        }
        None
    }

    /// Names the request that was forgotten for it.
    fn add(&mut self, key: &str, request: RequestId, digest: &str, at_ns: Nanos, outside: bool) -> Option<RequestId> {
        let (digest, kept) = (digest.to_owned(), Kept::default());
        let keyed = Keyed { request, digest, at_ns, outside, taken: false, done: None, kept };
        let before = self.known.insert(key.to_owned(), keyed).map(|before| before.request);
        if let Some(before) = before {
            self.by_request.remove(&before);
        }
        self.by_request.insert(request, key.to_owned());
        if self.known.len() <= KEYS_MAX {
            return before;
        }
        let (oldest, key) = self.by_request.pop_first()?;
        self.known.remove(&key);
        Some(oldest)
    }

    /// What was never sent after all.
    fn remove(&mut self, request: RequestId) {
        if let Some(key) = self.by_request.remove(&request) {
            self.known.remove(&key);
        }
    }

    /// Whether a request has a key, and what became of it is to be kept over runs.
    pub fn holds(&self, request: RequestId) -> bool {
        self.by_request.contains_key(&request)
    }

    pub fn get(&self, request: RequestId) -> Option<&Keyed> {
        self.by_request.get(&request).and_then(|key| self.known.get(key))
    }

    /// No key may be forgotten yet, and there is no room for another.
    fn is_full(&self, now: Nanos) -> bool {
        let oldest = || self.by_request.first_key_value().and_then(|(_, key)| self.known.get(key));
        self.known.len() >= KEYS_MAX && oldest().is_some_and(|oldest| now - oldest.at_ns < KEPT_NS)
    }

    /// The request that a key stands for already. One whose command never came, of a run that is over, is none; what was
    /// begun outside of the core then, and not told of, nobody can say.
    fn find(&self, once: &Once, run: u32) -> Result<Option<&Keyed>, Failure> {
        let Some(keyed) = self.known.get(&once.key) else { return Ok(None) };
        let over = !keyed.taken && keyed.request.0 >> 32 != u64::from(run);
        if over && !keyed.outside {
            return Ok(None);
        }
        if keyed.digest != once.digest {
            let message = "this Idempotency-Key was given to another request: make a new key for what is new";
            return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED", message));
        }
        if over {
            let message = "the engine went down while the first request with this Idempotency-Key was being done: look \
                           at credentials-status, and ask with a new key for what is missing";
            return Err(Failure::new(StatusCode::CONFLICT, "IDEMPOTENCY_UNRESOLVED", message));
        }
        Ok(Some(keyed))
    }
}

/// The request that this one repeats.
pub fn repeated(call: &Call) -> Result<Option<RequestId>, Failure> {
    let Some(once) = call.once() else { return Ok(None) };
    // Both on their way and in the journal: a second request may come before the tail has seen the first.
    let sent = call.keys_sent();
    let view = call.view.lock();
    let run = call.info.run;
    if let Some(keyed) = view.keys().find(once, run)? {
        // Journaled, and its command did not follow: it was told that nothing was sent.
        let lost = !keyed.taken && !keyed.outside && !sent.holds(keyed.request);
        return Ok(Some(keyed.request).filter(|_| !lost));
    }
    Ok(sent.find(once, run)?.map(|keyed| keyed.request))
}

/// Sends a command, or finds the request that the same one was sent as.
pub fn send(call: &Call, who: Text<24>, action: Action, why: &str) -> Result<RequestId, Failure> {
    if call.once().is_none() {
        return call.command(who, call.caller.from, action, why);
    }
    // One thread does all of this, so nothing comes between the look and the sending.
    if let Some(request) = repeated(call)? {
        return Ok(request);
    }
    let shrinks = shrinks(&call.view.lock(), &action);
    let request = begin(call, NOTE, shrinks)?;
    // Without its command the key stands for nothing, and the next request with it is the first.
    call.command_as(request, who, call.caller.from, action, why).inspect_err(|_| call.keys_sent().remove(request))?;
    Ok(request)
}

/// A request whose work is not the core's. Who does it journals under its id whether it was done.
pub enum Outside {
    /// It is to be done; without a key under no id of its own.
    New(RequestId),
    /// It is done, or was, under this id.
    Repeated(RequestId),
}

/// Begins what is done outside of the core, or finds that it was begun.
pub fn begin_outside(call: &Call) -> Result<Outside, Failure> {
    if call.once().is_none() {
        return Ok(Outside::New(RequestId(0)));
    }
    match repeated(call)? {
        Some(request) => Ok(Outside::Repeated(request)),
        None => begin(call, NOTE_OUTSIDE, false).map(Outside::New),
    }
}

/// Whether an action is never refused for want of room: it takes risk away, or says that somebody lives.
fn shrinks(view: &View, action: &Action) -> bool {
    match action {
        Action::Cancel(_) | Action::CancelAll | Action::Close(_) | Action::CloseAll => true,
        Action::EmergencyStop { .. } | Action::Heartbeat | Action::Transition(Ask::Revert) => true,
        // Only one that is stricter than what holds; a halt always.
        Action::SetTradingState { scope, state } => {
            let holds = view.core().restrained().find(|(known, _)| known == scope);
            *state == TradingState::Halted || *state > holds.map_or(TradingState::Active, |(_, state)| state)
        }
        _ => false,
    }
}

/// Journals the key, under the id of the request that it is for.
fn begin(call: &Call, note: &str, shrinks: bool) -> Result<RequestId, Failure> {
    let app: &App = call;
    let Some(once) = call.once() else { return Ok(app.next_request()) };
    app.ready()?;
    let now = app.clock.now();
    if !shrinks && app.view.lock().keys().is_full(now) {
        let message = format!(
            "{KEYS_MAX} requests with an Idempotency-Key came within an hour, and none of them may be forgotten yet: \
             nothing was sent; wait, or leave the key out"
        );
        return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "IDEMPOTENCY_KEYS_FULL", message));
    }
    let request = app.next_request();
    let about = Text::new(&once.digest);
    let outside = note == NOTE_OUTSIDE;
    let note = Action::Note { what: Text::new(note), about, done: true };
    app.command_as(request, call.caller.who, call.caller.from, note, &once.key)?;
    app.keys_sent().add(&once.key, request, &once.digest, now, outside);
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::command::{PlaceOrder, Scope};
    use axum::http::HeaderValue;

    fn once(key: &str, body: &str) -> Once {
        let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), HeaderValue::from_str(key).unwrap())]);
        Once::of(&headers, body.as_bytes()).unwrap().unwrap()
    }

    fn command(request: u64, action: Action, why: &str) -> Command {
        let (who, from) = (Text::new("api"), Text::default());
        Command { request: RequestId(request), who, from, why: Text::new(why), action }
    }

    fn note(request: u64, once: &Once, what: &str) -> Command {
        let note = Action::Note { what: Text::new(what), about: Text::new(&once.digest), done: true };
        command(request, note, &once.key)
    }

    fn found(keys: &Keys, once: &Once, run: u32) -> Option<u64> {
        keys.find(once, run).unwrap().map(|keyed| keyed.request.0)
    }

    #[test]
    fn a_key_stands_for_its_own_request_over_restarts() {
        let (mut keys, first) = (Keys::default(), once("k1", "buy"));
        let (run_1, run_2) = (1 << 32, 2 << 32);
        keys.on_command(&note(run_1 | 7, &first, NOTE), 0);
        // Another key comes between the note and its command: both are known by their request.
        keys.on_command(&note(run_1 | 8, &once("k0", "sell"), NOTE), 0);
        keys.on_command(&command(run_1 | 7, Action::CancelAll, ""), 0);
        assert_eq!(found(&keys, &first, 1), Some(run_1 | 7));
        assert_eq!(found(&keys, &first, 2), Some(run_1 | 7));
        assert_eq!(found(&keys, &once("k2", "buy"), 1), None);
        assert_eq!(keys.find(&once("k1", "sell"), 1).unwrap_err().code, "IDEMPOTENCY_KEY_REUSED");
        assert!(keys.holds(RequestId(run_1 | 7)) && !keys.holds(RequestId(run_1 | 9)));

        // Journaled, and then the engine died before the command: nothing happened, so it may happen now.
        let lost = once("k3", "buy");
        keys.on_command(&note(run_1 | 9, &lost, NOTE), 0);
        assert_eq!(found(&keys, &lost, 1), Some(run_1 | 9), "it may still be on its way");
        assert_eq!(found(&keys, &lost, 2), None);
        assert_eq!(keys.on_command(&note(run_2 | 1, &lost, NOTE), 0), Some(RequestId(run_1 | 9)));
        keys.on_command(&command(run_2 | 1, Action::CancelAll, ""), 0);
        assert_eq!(found(&keys, &lost, 2), Some(run_2 | 1));
    }

    #[test]
    fn what_is_done_outside_of_the_core_is_never_done_twice_unseen() {
        let (mut keys, first) = (Keys::default(), once("k1", "rotate"));
        keys.on_command(&note(1 << 32 | 7, &first, NOTE_OUTSIDE), 0);
        assert_eq!(keys.find(&first, 1).unwrap().unwrap().done, None);
        assert_eq!(keys.find(&first, 2).unwrap_err().code, "IDEMPOTENCY_UNRESOLVED", "nobody can tell");
        let told = Action::Note { what: Text::new("rotate-credentials"), about: Text::default(), done: true };
        keys.on_command(&command(1 << 32 | 7, told, ""), 0);
        assert_eq!(keys.find(&first, 2).unwrap().unwrap().done, Some(true));
    }

    #[test]
    fn a_key_is_kept_for_an_hour_and_the_oldest_makes_room_then() {
        let mut keys = Keys::default();
        for n in 0..KEYS_MAX as u64 {
            assert_eq!(keys.add(&format!("key-{n}"), RequestId(n), "", n as Nanos, false), None);
        }
        assert!(keys.is_full(KEPT_NS - 1), "the oldest is younger than an hour");
        assert!(!keys.is_full(KEPT_NS), "it may go");
        assert_eq!(keys.add("one more", RequestId(KEYS_MAX as u64), "", KEPT_NS, false), Some(RequestId(0)));
        assert_eq!((keys.known.len(), keys.by_request.len()), (KEYS_MAX, KEYS_MAX));
        assert!(!keys.known.contains_key("key-0") && keys.known.contains_key("key-1"));
    }

    #[test]
    fn a_key_has_up_to_255_characters_and_a_long_one_is_kept_as_a_hash() {
        let long = "k".repeat(255);
        for (key, kept_as) in [
            ("k1", "k1"),
            (&long[..48], &long[..48]),
            (&long[..49], "#"),
            (&long, "#"),
            // What looks like a hash is hashed itself, so that no key can be taken for another.
            ("#1", "#"),
        ] {
            let kept = once(key, "").key;
            assert!(kept.starts_with(&kept_as[..1]) && kept.len() <= KEPT_MAX, "{key}: {kept}");
            assert_eq!(kept == key, kept_as == key, "{key}: {kept}");
        }
        let all: std::collections::BTreeSet<String> =
            (1..=255).map(|n| once(&long[..n], "").key).chain(["#".to_owned() + &hex(long.as_bytes(), 23)]).collect();
        assert_eq!(all.len(), 255, "only the hash that was made by hand is one of them");
        assert_ne!(once(&kept(&long), "").key, kept(&long));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let long = "k".repeat(256);
        for key in ["", "with blank", "ü", &long] {
            let value = HeaderValue::from_bytes(key.as_bytes()).unwrap();
            let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), value)]);
            assert_eq!(Once::of(&headers, b"").unwrap_err().code, "INVALID_FIELD", "{key}");
        }
        assert_eq!(Once::of(&HeaderMap::new(), b""), Ok(None));
    }

    #[test]
    fn only_what_takes_risk_away_is_taken_without_room_for_its_key() {
        use crate::core::event::{Body, Event};
        use TradingState::{Active, Halted, Reducing};
        let mut view = View::new();
        let set = |state| Action::SetTradingState { scope: Scope::Account, state };
        let told = |view: &View| [Active, Reducing, Halted].map(|state| shrinks(view, &set(state)));
        assert_eq!(told(&view), [false, true, true]);
        for (seq, state, want) in
            [(1, Reducing, [false, false, true]), (2, Halted, [false, false, true]), (3, Active, [false, true, true])]
        {
            let body = Body::Command(command(seq, set(state), ""));
            view.apply(&Event { seq, ts_ns: 0, recv_ns: 0, decoded_ns: 0, body }, 0, std::iter::empty());
            assert_eq!(told(&view), want, "{state} holds");
        }
        assert!(!shrinks(&view, &Action::Place(PlaceOrder::default())));
        assert!(!shrinks(&view, &Action::Transition(Ask::Approve)));
        assert!(shrinks(&view, &Action::Transition(Ask::Revert)) && shrinks(&view, &Action::CancelAll));
    }

    #[test]
    fn every_action_that_changes_something_heeds_a_key() {
        use crate::api::act::ACTIONS;
        let deaf: Vec<&str> = ACTIONS.into_iter().filter(|action| !heeds(action)).collect();
        assert_eq!(deaf, LOOKS);
    }
}
