//! A key exchanged for another while orders go on: the next link is opened with the new one, as in a renewal, and only
//! when its private stream is there do orders and questions go by the new key. Until then, and where it fails, all goes
//! by the old one.

use super::Gateway;
use super::renewal::NextLink;
use super::session::Phase;
use crate::domain::Nanos;
use crate::venues::binance::request::RequestBuilder;
use crate::venues::binance::sign::{RestSigner, Signer};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A key of the same account, for a gateway. It is taken when the venue is ready and nothing else is being replaced.
pub struct NewKey {
    pub api_key: String,
    pub signer: Signer,
    answer: Sender<Result<(), String>>,
    /// Set by the first of two: the gateway that takes the key over, or the one who no longer waits for that.
    decided: Arc<AtomicBool>,
}

/// What is heard of a key that was handed over.
pub struct KeyTicket {
    answered: Receiver<Result<(), String>>,
    decided: Arc<AtomicBool>,
}

impl NewKey {
    pub fn new(api_key: String, signer: Signer) -> (NewKey, KeyTicket) {
        let (answer, answered) = bounded(1);
        let decided = Arc::new(AtomicBool::new(false));
        (NewKey { api_key, signer, answer, decided: decided.clone() }, KeyTicket { answered, decided })
    }

    fn tell(&self, outcome: Result<(), String>) {
        // Who asked may have given up.
        let _ = self.answer.try_send(outcome);
    }
}

impl KeyTicket {
    /// Waits until all goes by the new key, or not at all: a key that was given up is taken no more.
    pub fn wait(self, max: Duration) -> Result<(), String> {
        let given_up = match self.answered.recv_timeout(max) {
            Ok(outcome) => return outcome,
            Err(_) => !self.decided.swap(true, Ordering::AcqRel),
        };
        if given_up {
            return Err("its gateway did not take the key in time".to_owned());
        }
        // It is taking it over at this moment, and says so.
        self.answered.recv_timeout(max).unwrap_or_else(|_| Err("its gateway has ended".to_owned()))
    }
}

/// A key on its way to being the one in use.
pub(super) struct KeySwap {
    key: NewKey,
    pub builder: RequestBuilder,
}

impl KeySwap {
    fn new(key: NewKey, gateway: &Gateway) -> Option<KeySwap> {
        let config = &gateway.config;
        match RequestBuilder::new(&key.api_key, &key.signer, config.epoch, config.recv_window_ms) {
            Ok(builder) => Some(KeySwap { key, builder }),
            Err(error) => {
                key.tell(Err(error.to_string()));
                None
            }
        }
    }

    pub fn fail(self, why: &str) {
        self.key.tell(Err(why.to_owned()));
    }

    /// Claims the key for good; false where nobody waits for it any more.
    pub fn claim(&self) -> bool {
        !self.key.decided.swap(true, Ordering::AcqRel)
    }
}

impl Gateway {
    /// Takes a new key up, where the venue is ready. Says whether one was there.
    pub(super) fn take_key(&mut self, now: Nanos) -> bool {
        if self.phase != Phase::Ready {
            return false;
        }
        let Some(key) = self.keys.as_ref().and_then(|keys| keys.try_recv()) else { return false };
        if let Some(swap) = KeySwap::new(key, self) {
            self.swap = Some(swap);
            self.renew_at = now;
        }
        true
    }

    /// Does something on the next link with the key that the link is for.
    pub(super) fn with_its_key<T>(
        &mut self,
        next: &mut NextLink,
        act: impl FnOnce(&mut Gateway, &mut NextLink) -> T,
    ) -> T {
        let Some(mut swap) = next.key.take() else { return act(self, next) };
        std::mem::swap(self.desk.builder_mut(), &mut swap.builder);
        let done = act(self, next);
        std::mem::swap(self.desk.builder_mut(), &mut swap.builder);
        next.key = Some(swap);
        done
    }

    /// The link of the new key is the one in use: so is the key, for everything.
    pub(super) fn adopt(&mut self, mut swap: KeySwap) {
        std::mem::swap(self.desk.builder_mut(), &mut swap.builder);
        let (api_key, signer) = (swap.key.api_key.clone(), swap.key.signer.clone());
        self.calls.set_signer(RestSigner::new(&api_key, signer.clone()));
        (self.config.api_key, self.config.signer) = (api_key, signer);
        tracing::info!(venue = %self.name, "orders go by the new key");
        swap.key.tell(Ok(()));
    }
}
