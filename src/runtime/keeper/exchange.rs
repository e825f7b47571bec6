//! One key exchanged for another: kept beside it, verified at the venue, handed to the gateways, and only then the one
//! in use. Whatever fails, the old key is in use again.

use super::super::keys;
use super::super::probe::{ProbeError, Probed};
use super::{Keeper, Place, RETRY, keep_passphrase, now_s, proof, signer, texts};
use crate::credentials::sources::Source;
use crate::credentials::{Access, Credential, CredentialError, CredentialId, Secret, Stage};
use crate::gateway::NewKey;
use crate::venues::binance::sign::RestSigner;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// A gateway that has not taken a key by then is taken for one that cannot. It waits until a link that it replaced before
/// is drained, which a reconciliation ends (`risk.reconcile_interval_ms`), and for pauses that the venue asks for.
const SWITCH_MAX: Duration = Duration::from_secs(180);

/// Why a rotation failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// The key is no good here.
    Refused(String),
    /// It may work another time: the venue was not there, the gateway not ready, the store not to be opened.
    Later(String),
}

pub(super) type Rotated = Result<(), Failed>;

impl Failed {
    pub fn why(&self) -> &str {
        match self {
            Failed::Refused(why) | Failed::Later(why) => why,
        }
    }
}

/// What becomes of the new key when a rotation to it may work another time.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Else {
    Destroy,
    TryAgain,
}

impl Keeper {
    /// Keeps the new key beside the one in use, where one was given; else finds the one that is there.
    pub(super) fn begin(
        &mut self,
        id: &CredentialId,
        credential: Option<&Credential>,
        passphrase: Option<&Secret>,
    ) -> Result<(), String> {
        let in_vault = self
            .places
            .iter()
            .any(|place| place.origin.id == *id && matches!(place.origin.source, Source::Vault { .. }));
        if in_vault {
            return Err(format!(
                "{id} is in Vault: write the new key there (`tollgate credentials store --vault`), and it is taken up by \
                 itself (vault_look_s)"
            ));
        }
        let mut store = self.open(Access::Write).map_err(|error| error.to_string())?;
        let now_s = now_s();
        let kept = |stage| store.get_as(id, stage).map(|found| found.is_some());
        let begun = match credential {
            // The passphrase first: killed in between, it opens nothing.
            Some(credential) => keep_passphrase(&mut store, id, Stage::Next, passphrase)
                .and_then(|()| store.put_as(id, Stage::Next, credential, now_s).map(|_| ())),
            None => match (kept(Stage::Next), kept(Stage::Spare)) {
                (Ok(true), _) => Ok(()),
                (_, Ok(true)) => store.take_spare(id, keys::passphrase_of(id).ok().as_ref(), now_s),
                _ => return Err(format!("there is no new key for {id}: give one as apiKey and apiSecret")),
            },
        };
        begun.map_err(|error| error.to_string())
    }

    /// From the key in use to the next, everywhere it is used. Whatever fails, all is as before.
    pub(super) fn rotate(&mut self, id: &CredentialId, otherwise: Else) -> Rotated {
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
                let gone = self.open(Access::Write).and_then(|mut store| {
                    if let Ok(passphrase) = keys::passphrase_of(id) {
                        store.discard(&passphrase, Stage::Next)?;
                    }
                    store.discard(id, Stage::Next)
                });
                if let Err(error) = gone {
                    tracing::error!(%error, "{id}: the new key is not destroyed");
                }
            }
        }
        rotated
    }

    fn try_rotate(&mut self, id: &CredentialId) -> Rotated {
        let later = |error: CredentialError| Failed::Later(error.to_string());
        let passphrase = keys::passphrase_of(id).ok();
        let (next, version, kept_beside) = {
            let store = self.open(Access::Read).map_err(later)?;
            let next = store.get_as(id, Stage::Next).map_err(later)?;
            let (next, version) = next.ok_or_else(|| Failed::Refused(format!("there is no new key for {id}")))?;
            // A passphrase of its own stands before that of the key in use.
            let beside = match &passphrase {
                Some(passphrase) => store.get_as(passphrase, Stage::Next).map_err(later)?,
                None => None,
            };
            (next, version, beside)
        };
        let opened = match kept_beside {
            Some((passphrase, _)) => keys::open_with(&next, &passphrase.secret),
            None => keys::open(&self.files, id, &next),
        };
        let opened = opened.map_err(Failed::Refused)?;
        self.switch(id, &opened)?;
        let kept = self.open(Access::Write).and_then(|mut store| store.promote(id, passphrase.as_ref(), now_s()));
        if let Err(error) = kept {
            self.switch_back(id, self.places.len());
            return Err(Failed::Later(format!("the store does not keep it: {error}")));
        }
        self.adopt(id, next, &opened, Source::Store { version });
        Ok(())
    }

    /// Asks each venue once after the start whether it takes the key in use, and keeps when it did.
    pub(super) fn verify(&mut self) {
        self.verify_at = Instant::now() + RETRY;
        let asked = std::mem::take(&mut self.unverified);
        for id in asked {
            let used = || self.places.iter().filter(|place| place.origin.id == id);
            let not_taken = used().map(|place| place.probe.ask(&place.origin.opened, self.live)).find(Result::is_err);
            match not_taken {
                None => self.is_verified(id),
                Some(Err(ProbeError::NotThere(_))) => self.unverified.push(id),
                // Its gateway says the same, again and again.
                Some(outcome) => tracing::error!(?outcome, "{id}: the key in use is not taken"),
            }
        }
    }

    fn is_verified(&mut self, id: CredentialId) {
        let now_s = now_s();
        let version =
            self.places.iter().find(|place| place.origin.id == id).and_then(|place| match place.origin.source {
                Source::Store { version } => Some(version),
                _ => None,
            });
        if let Some(version) = version {
            let kept = self.open(Access::Write).and_then(|mut store| match store.get(&id)? {
                Some((_, kept)) if kept == version => store.set_verified(&id, now_s),
                _ => Ok(()),
            });
            if let Err(error) = kept {
                tracing::warn!(%error, "{id}: when it was verified is not kept");
            }
        }
        self.verified.insert(id, now_s);
    }

    /// Every venue takes the key, and then every gateway; or none.
    pub(super) fn switch(&self, id: &CredentialId, next: &Credential) -> Rotated {
        let used = || self.places.iter().filter(|place| place.origin.id == *id);
        for place in used() {
            let old = place.probe.ask(&place.origin.opened, self.live);
            let new = place.probe.ask(next, self.live).map_err(|error| match error {
                ProbeError::Refused(why) => Failed::Refused(format!("{}: {why}", place.venue)),
                ProbeError::NotThere(why) => Failed::Later(format!("{}: {why}", place.venue)),
            })?;
            if let Ok(Probed { account: Some(old), .. }) = old
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
            if let Err(why) = hand_over(place, &place.origin.opened) {
                tracing::error!(why, "{}: it does not go back to the old key; both are good at the venue", place.venue);
            }
        }
    }

    /// The new key is the one in use: what the process keeps besides knows it too.
    pub(super) fn adopt(&mut self, id: &CredentialId, kept: Credential, opened: &Credential, source: Source) {
        self.verified.insert(id.clone(), now_s());
        for place in self.places.iter_mut().filter(|place| place.origin.id == *id) {
            if let Some(shared) = &place.signer {
                if let Ok((key, signer)) = signer(opened) {
                    *shared.lock().unwrap_or_else(PoisonError::into_inner) = RestSigner::new(&key, signer);
                    place.pair.set(&key, "");
                }
            } else if let Ok((key, secret)) = texts(opened) {
                place.pair.set(&key, &secret);
            }
            place.origin.credential = kept.clone();
            place.origin.opened = opened.clone();
            place.origin.source = source.clone();
        }
    }
}

/// Gives a gateway the key, and waits until it has taken it.
fn hand_over(place: &Place, opened: &Credential) -> Result<(), String> {
    let (api_key, proof) = proof(place.kind, opened)?;
    let (key, ticket) = NewKey::new(api_key, proof);
    place.keys.try_send(key).map_err(|_| "its gateway takes no key: another one is on its way".to_owned())?;
    ticket.wait(SWITCH_MAX)
}
