//! The keeper of venue keys: stores them, exchanges the one in use for another while orders go on, and tells of them.
//!
//! A rotation goes: the new key is kept beside the old one; each venue that uses it is asked whether it takes the new
//! key, and whether that is of the same account; each gateway opens its next link with it; then the store says that it is
//! the one in use, and the old one is retired, and destroyed after a while. Whatever fails, the old key is in use again
//! and the new one destroyed or, where it may work another time, tried again. Killed in between, the next start trades with the old key and goes on with the rotation.
//!
//! One thread does all of it, one thing after the other, and no order waits for it.

use super::keys::{self, Origin};
use super::probe::{Probe, ProbeError, Probed};
use crate::api::{KeyAsk, KeyRefused, KeyWork};
use crate::config::{Config, CredentialFiles};
use crate::core::alarm::AlarmKind;
use crate::core::command::{Action, Command, Scope};
use crate::core::event::{Body, Input};
use crate::credentials::sources::Source;
use crate::credentials::{
    Access, Credential, CredentialError, CredentialId, EntryInfo, MasterKeys, Secret, Stage, Store,
};
use crate::domain::{RequestId, Text, VenueId};
use crate::gateway::NewKey;
use crate::net::link::Tx;
use crate::telemetry::{Counter, Counters};
use crate::venues::binance::sign::{RestSigner, Signer};
use crossbeam::channel::{Receiver, RecvTimeoutError};
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two looks at the store's file and at what is due.
const LOOK: Duration = Duration::from_secs(1);
/// How often Vault is asked for a newer version.
const VAULT_LOOK: Duration = Duration::from_secs(60);
/// A gateway that has not taken a key by then is taken for one that cannot. It waits until a link that it replaced before
/// is drained, which a reconciliation ends (`risk.reconcile_interval_ms`), and for pauses that the venue asks for.
const SWITCH_MAX: Duration = Duration::from_secs(180);
/// Before a rotation that failed for now is tried again.
const RETRY: Duration = Duration::from_secs(10);
const DAY_S: i64 = 86_400;

/// A signer that a rotation may exchange.
pub type SharedSigner = Arc<Mutex<RestSigner>>;

/// A venue whose key comes from a source that the keeper knows.
pub struct Place {
    pub id: VenueId,
    pub venue: String,
    pub origin: Origin,
    pub probe: Probe,
    /// To its gateway.
    pub keys: Tx<NewKey>,
    /// Of the way out when a trading thread is gone.
    pub rescue: SharedSigner,
}

pub struct Keeper {
    files: CredentialFiles,
    places: Vec<Place>,
    /// Used by venues whose gateways take no other key while they run, or opened by a passphrase.
    fixed: Vec<CredentialId>,
    commands: Tx<Input>,
    /// Nothing may be withdrawn with a key that trades real money.
    live: bool,
    seen: Option<(u64, i64, i64)>,
    /// When a rotation that failed for now is tried again.
    retry_at: Option<Instant>,
    vault_due: Instant,
    vault_failed: bool,
    /// When the store is next looked at for what is due; 0 at once.
    due_s: i64,
    rotations: Counter,
    failures: Counter,
}

/// The keeper's thread.
pub struct KeeperThread {
    stop: Arc<AtomicBool>,
    join: JoinHandle<()>,
}

impl KeeperThread {
    pub fn start(
        config: &Config,
        files: &CredentialFiles,
        places: Vec<Place>,
        fixed: Vec<CredentialId>,
        commands: Tx<Input>,
        counters: &Counters,
        asks: Receiver<KeyAsk>,
    ) -> std::io::Result<KeeperThread> {
        let mut keeper = Keeper {
            files: files.clone(),
            places,
            fixed,
            commands,
            live: keys::environment(config) == crate::credentials::Environment::Live,
            seen: None,
            retry_at: None,
            vault_due: Instant::now() + VAULT_LOOK,
            vault_failed: false,
            due_s: 0,
            rotations: counters.counter("credentials_rotations_total"),
            failures: counters.counter("credentials_rotations_failed_total"),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let body = move || {
            let mut next = Instant::now() + LOOK;
            while !stopped.load(Ordering::Relaxed) {
                match asks.recv_timeout(next.saturating_duration_since(Instant::now())) {
                    Ok(ask) => keeper.answer(ask),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                if Instant::now() >= next {
                    keeper.look();
                    next = Instant::now() + LOOK;
                }
            }
        };
        let join = std::thread::Builder::new().name("keys".to_owned()).spawn(body)?;
        Ok(KeeperThread { stop, join })
    }

    /// Waits for what it is at: a rotation is not left in the middle.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.join.join().is_err() {
            tracing::error!("the keeper of keys ended in a panic");
        }
    }
}

/// Why a rotation failed.
#[derive(Debug)]
enum Failed {
    /// The key is no good here.
    Refused(String),
    /// It may work another time: the venue was not there, the gateway not ready, the store not to be opened.
    Later(String),
}

type Rotated = Result<(), Failed>;

impl Failed {
    fn why(&self) -> &str {
        match self {
            Failed::Refused(why) | Failed::Later(why) => why,
        }
    }
}

/// What becomes of the new key when a rotation to it may work another time.
#[derive(Clone, Copy, PartialEq)]
enum Else {
    Destroy,
    TryAgain,
}

impl Keeper {
    fn answer(&mut self, ask: KeyAsk) {
        let KeyAsk { work, who, from, answer } = ask;
        let told = match work {
            KeyWork::Status => self.status(),
            KeyWork::Store { id, credential, spare } => {
                let stage = if spare { Stage::Spare } else { Stage::InUse };
                let told = self.store(&id, stage, &credential);
                self.note(who, from, "store-credentials", &id, told.is_ok());
                told
            }
            KeyWork::Rotate { id, credential } => {
                let told = self.begin(&id, credential.as_ref());
                let told =
                    told.and_then(|()| self.rotate(&id, Else::Destroy).map_err(|failed| failed.why().to_owned()));
                self.note(who, from, "rotate-credentials", &id, told.is_ok());
                told.map(|()| json!({ "credential": id.to_string(), "rotated": true }))
            }
        };
        // Who asked may have gone: the journal has it.
        let _ = answer.send(told.map_err(KeyRefused));
    }

    /// What comes by itself: a key that another command has put beside the one in use, the end of one that was retired,
    /// a schedule, a newer version in Vault.
    fn look(&mut self) {
        let stamp = std::fs::metadata(&self.files.store_file).ok().map(|m| (m.ino(), m.mtime(), m.mtime_nsec()));
        let now_s = now_s();
        let again = self.retry_at.is_some_and(|at| Instant::now() >= at);
        if stamp.is_some() && (stamp != self.seen || again) {
            self.retry_at = None;
            self.seen = stamp;
            self.due_s = 0;
            self.take_up();
        }
        if stamp.is_some() {
            self.keep_schedule(now_s);
        }
        if Instant::now() >= self.vault_due {
            self.vault_due = Instant::now() + VAULT_LOOK;
            self.look_in_vault();
        }
    }

    /// Goes on with rotations that were begun elsewhere, or cut short.
    fn take_up(&mut self) {
        let next = match self.entries() {
            Ok(entries) => entries.into_iter().filter(|entry| entry.stage == Stage::Next),
            Err(error) => return tracing::error!(%error, "the credential store cannot be looked at"),
        };
        for id in next.map(|entry| entry.id).collect::<Vec<_>>() {
            let rotated = self.rotate(&id, Else::TryAgain);
            self.note(Text::new("keys"), Text::default(), "rotate-credentials", &id, rotated.is_ok());
        }
    }

    fn keep_schedule(&mut self, now_s: i64) {
        if now_s < self.due_s {
            return;
        }
        let entries = match self.entries() {
            Ok(entries) => entries,
            Err(error) => {
                self.due_s = now_s + DAY_S;
                return tracing::error!(%error, "the credential store cannot be looked at");
            }
        };
        let ends_s = |entry: &EntryInfo| entry.since_s.saturating_add(self.files.retire_grace_s);
        let retired = |entry: &&EntryInfo| entry.stage == Stage::Retired;
        // Once a day is enough to say that a key grows old; what is retired has its own time.
        let next = entries.iter().filter(retired).map(ends_s).chain([now_s + DAY_S]).min();
        self.due_s = next.unwrap_or(now_s + DAY_S).max(now_s + 1);
        let over: Vec<&EntryInfo> = entries.iter().filter(retired).filter(|entry| now_s >= ends_s(entry)).collect();
        for entry in over {
            let gone = self.open(Access::Write).and_then(|mut store| store.discard(&entry.id, Stage::Retired));
            match &gone {
                Ok(_) => tracing::info!("{}: version {} is destroyed", entry.id, entry.version),
                Err(error) => tracing::error!(%error, "{}: the retired key is not destroyed", entry.id),
            }
            self.note(Text::new("keys"), Text::default(), "destroy-credentials", &entry.id, gone.is_ok());
        }
        for entry in entries.iter().filter(|entry| entry.stage == Stage::InUse) {
            self.grow_old(entry, now_s);
        }
    }

    fn grow_old(&mut self, entry: &EntryInfo, now_s: i64) {
        let Some(due_s) = self.exchange_s(entry) else { return };
        let id = &entry.id;
        self.tell_expiring(id, now_s >= due_s - self.files.rotate_alert_s);
        if now_s >= due_s {
            let taken = self.open(Access::Write).and_then(|mut store| store.take_spare(id, now_s));
            match taken {
                Ok(()) => {
                    let rotated = self.rotate(id, Else::TryAgain);
                    self.note(Text::new("keys"), Text::default(), "rotate-credentials", id, rotated.is_ok());
                }
                Err(CredentialError::NotFound(_)) => tracing::error!(
                    "{id}: its key is {} days old and should have been exchanged; give a new one to rotate-credentials",
                    (now_s - entry.stored_s) / DAY_S
                ),
                Err(error) => tracing::error!(%error, "{id}: the spare key cannot be taken"),
            }
        } else if now_s >= due_s - self.files.rotate_alert_s {
            tracing::warn!("{id}: its key is to be exchanged in {} days", (due_s - now_s + DAY_S - 1) / DAY_S);
        }
    }

    /// To the core, for each venue that trades with the key. One that finds no room is told the next time.
    fn tell_expiring(&self, id: &CredentialId, is_so: bool) {
        for place in self.places.iter().filter(|place| place.origin.id == *id) {
            let scope = Scope::Venue(place.id);
            let body = Body::Condition { kind: AlarmKind::CredentialExpiring, scope, is_so };
            let _ = self.commands.try_send(Input::new(body));
        }
    }

    /// When the key is to be exchanged; `None` where nothing is scheduled.
    fn exchange_s(&self, entry: &EntryInfo) -> Option<i64> {
        (self.files.rotate_after_s > 0).then(|| entry.stored_s.saturating_add(self.files.rotate_after_s))
    }

    /// Keeps the new key beside the one in use, where one was given; else finds the one that is there.
    fn begin(&mut self, id: &CredentialId, credential: Option<&Credential>) -> Result<(), String> {
        let in_vault = self
            .places
            .iter()
            .any(|place| place.origin.id == *id && matches!(place.origin.source, Source::Vault { .. }));
        if in_vault {
            return Err(format!(
                "{id} is in Vault: write the new key there (`tollgate credentials store --vault`), and it is taken up by \
                 itself within a minute"
            ));
        }
        let mut store = self.open(Access::Write).map_err(|error| error.to_string())?;
        let now_s = now_s();
        let kept = |stage| store.get_as(id, stage).map(|found| found.is_some());
        let begun = match credential {
            Some(credential) => store.put_as(id, Stage::Next, credential, now_s).map(|_| ()),
            None => match (kept(Stage::Next), kept(Stage::Spare)) {
                (Ok(true), _) => Ok(()),
                (_, Ok(true)) => store.take_spare(id, now_s),
                _ => return Err(format!("there is no new key for {id}: give one as apiKey and apiSecret")),
            },
        };
        begun.map_err(|error| error.to_string())
    }

    /// From the key in use to the next, everywhere it is used. Whatever fails, all is as before.
    fn rotate(&mut self, id: &CredentialId, otherwise: Else) -> Rotated {
        let rotated = self.try_rotate(id);
        self.due_s = 0;
        match &rotated {
            Ok(()) => {
                self.rotations.add(1);
                tracing::info!("{id}: a new key is in use");
            }
            Err(Failed::Later(why)) if otherwise == Else::TryAgain => {
                tracing::warn!(why, "{id}: the new key is not taken yet, the old one stays");
                self.retry_at = Some(Instant::now() + RETRY);
            }
            Err(failed) => {
                self.failures.add(1);
                tracing::error!(why = failed.why(), "{id}: the new key is not taken and destroyed, the old one stays");
                let gone = self.open(Access::Write).and_then(|mut store| store.discard(id, Stage::Next));
                if let Err(error) = gone {
                    tracing::error!(%error, "{id}: the new key is not destroyed");
                }
            }
        }
        rotated
    }

    fn try_rotate(&mut self, id: &CredentialId) -> Rotated {
        if self.fixed.contains(id) {
            return Err(Failed::Refused(format!(
                "the key of {} is not exchanged while the engine trades: keep the new one with store-credentials, and \
                 start anew",
                id.venue()
            )));
        }
        let later = |error: CredentialError| Failed::Later(error.to_string());
        let (next, version) = {
            let store = self.open(Access::Read).map_err(later)?;
            let next = store.get_as(id, Stage::Next).map_err(later)?;
            next.ok_or_else(|| Failed::Refused(format!("there is no new key for {id}")))?
        };
        self.switch(id, &next)?;
        let kept = self.open(Access::Write).and_then(|mut store| store.promote(id, now_s()));
        if let Err(error) = kept {
            self.switch_back(id, self.places.len());
            return Err(Failed::Later(format!("the store does not keep it: {error}")));
        }
        self.adopt(id, &next, Source::Store { version });
        Ok(())
    }

    /// Every venue takes the key, and then every gateway; or none.
    fn switch(&self, id: &CredentialId, next: &Credential) -> Rotated {
        let used = || self.places.iter().filter(|place| place.origin.id == *id);
        for place in used() {
            let old = place.probe.ask(&place.origin.credential, self.live);
            let new = place.probe.ask(next, self.live).map_err(|error| match error {
                ProbeError::Refused(why) => Failed::Refused(format!("{}: {why}", place.venue)),
                ProbeError::NotThere(why) => Failed::Later(format!("{}: {why}", place.venue)),
            })?;
            if let Ok(Probed { account: Some(old) }) = old
                && new.account.is_some_and(|new| new != old)
            {
                return Err(Failed::Refused(format!("{}: the new key is of another account", place.venue)));
            }
        }
        for (at, place) in self.places.iter().enumerate().filter(|(_, place)| place.origin.id == *id) {
            if let Err(why) = hand_over(place, next) {
                self.switch_back(id, at);
                return Err(Failed::Later(format!("{}: {why}", place.venue)));
            }
        }
        Ok(())
    }

    /// The first `count` places go back to the key that they had.
    fn switch_back(&self, id: &CredentialId, count: usize) {
        for place in self.places.iter().take(count).filter(|place| place.origin.id == *id) {
            if let Err(why) = hand_over(place, &place.origin.credential) {
                tracing::error!(why, "{}: it does not go back to the old key; both are good at the venue", place.venue);
            }
        }
    }

    /// The new key is the one in use: what the process keeps besides knows it too.
    fn adopt(&mut self, id: &CredentialId, next: &Credential, source: Source) {
        for place in self.places.iter_mut().filter(|place| place.origin.id == *id) {
            if let Ok((key, signer)) = signer(next) {
                *place.rescue.lock().unwrap_or_else(PoisonError::into_inner) = RestSigner::new(&key, signer);
            }
            place.origin.credential = next.clone();
            place.origin.source = source.clone();
        }
    }

    /// A newer version in Vault is taken up. A Vault that is away is said once, and stops nothing.
    fn look_in_vault(&mut self) {
        let ids: Vec<CredentialId> = self
            .places
            .iter()
            .filter(|place| matches!(place.origin.source, Source::Vault { .. }))
            .map(|place| place.origin.id.clone())
            .collect();
        for id in ids {
            let found = super::vault::find(keys::variable).map_err(CredentialError::from).and_then(|vault| {
                let Some(mut vault) = vault else { return Ok(None) };
                let found = vault.read(&id);
                vault.close();
                Ok(found?)
            });
            let (next, version) = match found {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(error) => {
                    if !std::mem::replace(&mut self.vault_failed, true) {
                        tracing::error!(%error, "Vault is not to be had; the keys that were loaded stay in use");
                    }
                    continue;
                }
            };
            self.vault_failed = false;
            if self.places.iter().any(|place| place.origin.id == id && place.origin.credential != next) {
                let rotated = self.switch(&id, &next);
                match &rotated {
                    Ok(()) => {
                        self.rotations.add(1);
                        self.adopt(&id, &next, Source::Vault { version });
                        tracing::info!("{id}: a new key from Vault is in use");
                    }
                    Err(failed) => {
                        self.failures.add(1);
                        tracing::error!(why = failed.why(), "{id}: Vault's new key is not taken, the old one stays");
                    }
                }
                self.note(Text::new("keys"), Text::default(), "rotate-credentials", &id, rotated.is_ok());
            }
        }
    }

    fn store(&mut self, id: &CredentialId, stage: Stage, credential: &Credential) -> Result<Value, String> {
        let kept = self.open(Access::Write).and_then(|mut store| store.put_as(id, stage, credential, now_s()));
        let version = kept.map_err(|error| error.to_string())?;
        self.due_s = 0;
        let used = self.places.iter().any(|place| place.origin.id == *id);
        let takes_effect = match stage {
            Stage::Spare => "when a rotation takes it",
            _ if used => "at the next start; rotate-credentials exchanges a key while the engine trades",
            _ => "where a venue's credential names it",
        };
        Ok(json!({
            "credential": id.to_string(),
            "version": version,
            "stage": stage.as_str(),
            "key_ends_in": credential.api_key.last_four(),
            "takes_effect": takes_effect,
        }))
    }

    fn status(&self) -> Result<Value, String> {
        let now_s = now_s();
        let entries =
            if self.files.store_file.exists() { self.entries().map_err(|e| e.to_string())? } else { Vec::new() };
        let mut told: Vec<Value> = entries
            .iter()
            .map(|entry| {
                let due_s = self.exchange_s(entry).filter(|_| entry.stage == Stage::InUse);
                let expires_s = match entry.stage {
                    Stage::Retired => Some(entry.since_s + self.files.retire_grace_s),
                    _ => due_s,
                };
                let is_used = |place: &&Place| {
                    let source = Source::Store { version: entry.version };
                    place.origin.id == entry.id && place.origin.source == source
                };
                json!({
                    "credential": entry.id.to_string(),
                    "exchange": entry.id.venue(),
                    "environment": entry.id.environment().as_str(),
                    "name": entry.id.name(),
                    "version": entry.version,
                    "stage": entry.stage.as_str(),
                    "source": "the encrypted store",
                    "key_ends_in": entry.last_four,
                    "stored_at": time(entry.stored_s),
                    "age_days": (now_s - entry.stored_s).max(0) / DAY_S,
                    "verified_at": entry.verified_s.map(time),
                    "expires_at": expires_s.map(time),
                    "overdue": due_s.is_some_and(|due_s| now_s >= due_s),
                    "used_by": self.places.iter().filter(is_used).map(|place| &place.venue).collect::<Vec<_>>(),
                })
            })
            .collect();
        for place in self.places.iter().filter(|place| !matches!(place.origin.source, Source::Store { .. })) {
            let id = &place.origin.id;
            let version = match place.origin.source {
                Source::Vault { version } => version,
                _ => None,
            };
            told.push(json!({
                "credential": id.to_string(),
                "exchange": id.venue(),
                "environment": id.environment().as_str(),
                "name": id.name(),
                "version": version,
                "stage": Stage::InUse.as_str(),
                "source": place.origin.source.to_string(),
                "key_ends_in": place.origin.credential.api_key.last_four(),
                "used_by": [&place.venue],
            }));
        }
        Ok(json!({ "credentials": told, "vault_reachable": !self.vault_failed }))
    }

    fn entries(&self) -> Result<Vec<EntryInfo>, CredentialError> {
        self.open(Access::Read)?.list()
    }

    fn open(&self, access: Access) -> Result<Store, CredentialError> {
        let keys = MasterKeys::find(keys::variable, self.files.master_key_file.as_deref())?;
        keys.need()?;
        keys.open(&self.files.store_file, access).map(|(store, _)| store)
    }

    /// In the journal, where every change is told. A full queue is waited for: commands are taken within milliseconds.
    fn note(&self, who: Text<24>, from: Text<40>, what: &str, id: &CredentialId, done: bool) {
        let action = Action::Note { what: Text::new(what), about: Text::new(&id.to_string()), done };
        let command = Command { request: RequestId(0), who, from, why: Text::default(), action };
        for _ in 0..100 {
            if self.commands.try_send(Input::new(Body::Command(command))).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        tracing::error!("{what} of {id} is not in the journal: its queue was full for a second");
    }
}

/// Gives a gateway the key, and waits until it has taken it.
fn hand_over(place: &Place, credential: &Credential) -> Result<(), String> {
    let (api_key, signer) = signer(credential)?;
    let (key, ticket) = NewKey::new(api_key, signer);
    place.keys.try_send(key).map_err(|_| "its gateway takes no key: another one is on its way".to_owned())?;
    ticket.wait(SWITCH_MAX)
}

/// The key's text, and what signs with its secret.
pub fn signer(credential: &Credential) -> Result<(String, Signer), String> {
    let text = |part: &Secret| part.expose_text().map(str::to_owned).ok_or("a key is text");
    let mut secret = zeroize::Zeroizing::new(text(&credential.secret)?);
    let signer = Signer::from_secret(&secret).map_err(|error| error.to_string())?;
    zeroize::Zeroize::zeroize(&mut *secret);
    Ok((text(&credential.api_key)?, signer))
}

fn time(s: i64) -> String {
    jiff::Timestamp::from_second(s).map_or_else(|_| "?".to_owned(), |at| at.to_string())
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
