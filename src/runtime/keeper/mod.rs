//! The keeper of venue keys: stores them, exchanges the one in use for another while orders go on, and tells of them.
//!
//! A rotation goes: the new key is kept beside the old one; each venue that uses it is asked whether it takes the new
//! key, and whether that is of the same account; each gateway opens its next link with it; then the store says that it is
//! the one in use, and the old one is retired, and destroyed after a while. Whatever fails, the old key is in use again
//! and the new one destroyed or, where it may work another time, tried again. Killed in between, the next start trades with the old key and goes on with the rotation.
//!
//! One thread does all of it, one thing after the other, and no order waits for it.

mod exchange;
mod schedule;
mod status;
mod vault;

use self::exchange::Else;
use super::keys::{self, Origin};
use super::probe::Probe;
use crate::api::{KeyAsk, KeyRefused, KeyWork, takes_effect};
use crate::config::{Config, CredentialFiles, VenueKind};
use crate::core::alarm::AlarmKind;
use crate::core::command::{Action, Command, Scope};
use crate::core::event::{Body, Input};
use crate::credentials::{Access, Credential, CredentialError, CredentialId, EntryInfo, Secret, Stage, Store};
use crate::domain::{RequestId, Text, VenueId};
use crate::gateway::{NewKey, Proof};
use crate::net::link::Tx;
use crate::telemetry::{Counter, Counters};
use crate::venues::binance::sign::{RestSigner, Signer};
use crate::venues::pair::SharedPair;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Between two looks at the store's file and at what is due.
const LOOK: Duration = Duration::from_secs(1);
/// Before a rotation that failed for now is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// A signer that a rotation may exchange.
pub type SharedSigner = Arc<Mutex<RestSigner>>;

/// A venue whose key comes from a source that the keeper knows.
pub struct Place {
    pub id: VenueId,
    pub venue: String,
    pub kind: VenueKind,
    pub origin: Origin,
    pub probe: Probe,
    /// To its gateway.
    pub keys: Tx<NewKey>,
    /// What the feed shows when it connects, and the way out when a trading thread is gone.
    pub pair: SharedPair,
    /// What that way out signs with; `None` where it shows the pair.
    pub signer: Option<SharedSigner>,
}

pub struct Keeper {
    files: CredentialFiles,
    places: Vec<Place>,
    commands: Tx<Input>,
    /// Nothing may be withdrawn with a key that trades real money.
    live: bool,
    /// Venues are given keys that lie on the disk as they are.
    plaintext_files: bool,
    /// What was said of that last.
    plaintext_told: Option<bool>,
    seen: Option<(u64, i64, i64)>,
    /// When a rotation that failed for now is tried again.
    retry_at: Option<Instant>,
    vault_due: Instant,
    vault_failed: bool,
    unwrapped: Mutex<keys::Unwrapped>,
    /// Keys that the venue has not been asked about since the start, when it is asked next, and when it took which.
    unverified: Vec<CredentialId>,
    verify_at: Instant,
    verified: BTreeMap<CredentialId, i64>,
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
        commands: Tx<Input>,
        counters: &Counters,
        asks: Receiver<KeyAsk>,
    ) -> std::io::Result<KeeperThread> {
        let mut unverified: Vec<CredentialId> = places.iter().map(|place| place.origin.id.clone()).collect();
        unverified.sort();
        unverified.dedup();
        let mut keeper = Keeper {
            files: files.clone(),
            places,
            unverified,
            verify_at: Instant::now(),
            verified: BTreeMap::new(),
            commands,
            live: keys::environment(config) == crate::credentials::Environment::Live,
            plaintext_files: config.venues.iter().any(|venue| venue.credentials.is_plaintext()),
            plaintext_told: None,
            seen: None,
            retry_at: None,
            vault_due: Instant::now() + Duration::from_secs(files.vault_look_s),
            vault_failed: false,
            unwrapped: Mutex::default(),
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

impl Keeper {
    fn answer(&mut self, ask: KeyAsk) {
        let KeyAsk { work, who, from, request, answer } = ask;
        let told = match work {
            KeyWork::Status => self.status(),
            KeyWork::Store { id, credential, passphrase, spare } => {
                let stage = if spare { Stage::Spare } else { Stage::InUse };
                let told = self.store(&id, stage, &credential, passphrase.as_ref());
                self.note_as(request, who, from, "store-credentials", &id, told.is_ok());
                told
            }
            KeyWork::Rotate { id, credential, passphrase } => {
                let told = self.begin(&id, credential.as_ref(), passphrase.as_ref());
                let told =
                    told.and_then(|()| self.rotate(&id, Else::Destroy).map_err(|failed| failed.why().to_owned()));
                self.note_as(request, who, from, "rotate-credentials", &id, told.is_ok());
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
        self.tell_plaintext(stamp.is_some());
        if stamp.is_some() {
            self.keep_schedule(now_s);
        }
        if Instant::now() >= self.verify_at {
            self.verify();
        }
        if Instant::now() >= self.vault_due {
            self.vault_due = Instant::now() + Duration::from_secs(self.files.vault_look_s);
            self.look_in_vault();
        }
    }

    /// Goes on with rotations that were begun elsewhere, or cut short.
    fn take_up(&mut self) {
        let next = match self.entries() {
            Ok(entries) => {
                entries.into_iter().filter(|entry| entry.stage == Stage::Next && keys::is_venue_key(&entry.id))
            }
            Err(error) => return tracing::error!(%error, "the credential store cannot be looked at"),
        };
        for id in next.map(|entry| entry.id).collect::<Vec<_>>() {
            let rotated = self.rotate(&id, Else::TryAgain);
            self.note(Text::new("keys"), Text::default(), "rotate-credentials", &id, rotated.is_ok());
        }
    }

    fn store(
        &mut self,
        id: &CredentialId,
        stage: Stage,
        credential: &Credential,
        passphrase: Option<&Secret>,
    ) -> Result<Value, String> {
        let kept = self.open(Access::Write).and_then(|mut store| {
            keep_passphrase(&mut store, id, stage, passphrase)?;
            store.put_as(id, stage, credential, now_s())
        });
        let version = kept.map_err(|error| error.to_string())?;
        self.due_s = 0;
        let used = self.places.iter().any(|place| place.origin.id == *id);
        Ok(json!({
            "credential": id.to_string(),
            "version": version,
            "stage": stage.as_str(),
            "key_ends_in": credential.api_key.last_four(),
            "takes_effect": takes_effect(stage.as_str(), used),
        }))
    }

    fn entries(&self) -> Result<Vec<EntryInfo>, CredentialError> {
        self.open(Access::Read)?.list()
    }

    fn open(&self, access: Access) -> Result<Store, CredentialError> {
        // Exchanged in one step, so a panic of another holder did no harm.
        let mut unwrapped = self.unwrapped.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let keys = keys::master(&self.files, &mut unwrapped)?;
        keys.need()?;
        keys.open(&self.files.store_file, access).map(|(store, _)| store)
    }

    /// That keys lie there without encryption, for as long as they do.
    fn tell_plaintext(&mut self, store: bool) {
        if self.plaintext_told.is_some() && !self.files.allow_plaintext {
            return;
        }
        let plain = self.plaintext_files || store && self.open(Access::Read).is_ok_and(|store| store.is_plaintext());
        if self.plaintext_told != Some(plain) && self.tell(AlarmKind::PlaintextKeys, Scope::Account, plain) {
            self.plaintext_told = Some(plain);
            if plain {
                tracing::warn!("venue keys lie on the disk without encryption: credentials.allow_plaintext lets them");
            }
        }
    }

    /// To the core. False where its queue has no room: it is told another time.
    fn tell(&self, kind: AlarmKind, scope: Scope, is_so: bool) -> bool {
        self.commands.try_send(Input::new(Body::Condition { kind, scope, is_so })).is_ok()
    }

    /// In the journal, where every change is told. A full queue is waited for: commands are taken within milliseconds.
    fn note(&self, who: Text<24>, from: Text<40>, what: &str, id: &CredentialId, done: bool) {
        self.note_as(RequestId(0), who, from, what, id, done);
    }

    /// The same under the id of the request that asked for it.
    fn note_as(&self, request: RequestId, who: Text<24>, from: Text<40>, what: &str, id: &CredentialId, done: bool) {
        let action = Action::Note { what: Text::new(what), about: Text::new(&id.to_string()), done };
        let command = Command { request, who, from, why: Text::default(), action };
        for _ in 0..100 {
            if self.commands.try_send(Input::new(Body::Command(command))).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        tracing::error!("{what} of {id} is not in the journal: its queue was full for a second");
    }
}

/// Keeps the passphrase beside the key that it opens.
fn keep_passphrase(
    store: &mut Store,
    id: &CredentialId,
    stage: Stage,
    passphrase: Option<&Secret>,
) -> Result<(), CredentialError> {
    let Some(passphrase) = passphrase else { return Ok(()) };
    let kept = Credential::new(Secret::copy(b"passphrase"), passphrase.clone())?;
    store.put_as(&keys::passphrase_of(id)?, stage, &kept, now_s()).map(|_| ())
}

/// The key's text, and what proves to the venue that one has its secret, which is open.
fn proof(kind: VenueKind, credential: &Credential) -> Result<(String, Proof), String> {
    Ok(match kind {
        VenueKind::Binance => {
            let (key, signer) = signer(credential)?;
            (key, Proof::Signature(signer))
        }
        VenueKind::Alpaca => {
            let (key, secret) = texts(credential)?;
            (key, Proof::Secret(secret))
        }
    })
}

/// The key's text, and what signs with its secret.
pub fn signer(credential: &Credential) -> Result<(String, Signer), String> {
    let (key, secret) = texts(credential)?;
    Ok((key, Signer::from_secret(&secret).map_err(|error| error.to_string())?))
}

/// Both parts of a credential; the copies are wiped.
pub fn texts(credential: &Credential) -> Result<(String, Zeroizing<String>), String> {
    let text = |part: &Secret| part.expose_text().map(str::to_owned).ok_or("a key is text");
    Ok((text(&credential.api_key)?, Zeroizing::new(text(&credential.secret)?)))
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
