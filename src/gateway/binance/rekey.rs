//! A key exchanged for another while orders go on: the next link is opened with the new one, as in a renewal, and only
//! when its private stream is there do orders and questions go by the new key. Until then, and where it fails, all goes
//! by the old one.

use super::super::rekey::{NewKey, Proof};
use super::Gateway;
use super::renewal::NextLink;
use super::session::Phase;
use crate::domain::Nanos;
use crate::venues::binance::request::RequestBuilder;
use crate::venues::binance::sign::{RestSigner, Signer};

/// A key on its way to being the one in use.
pub(super) struct KeySwap {
    key: NewKey,
    signer: Signer,
    pub builder: RequestBuilder,
}

impl KeySwap {
    fn new(key: NewKey, gateway: &Gateway) -> Option<KeySwap> {
        let config = &gateway.config;
        let Proof::Signature(signer) = &key.proof else {
            key.tell(Err("this venue's requests are signed, and the key given signs nothing".to_owned()));
            return None;
        };
        let signer = signer.clone();
        match RequestBuilder::new(&key.api_key, &signer, config.epoch, config.recv_window_ms) {
            Ok(builder) => Some(KeySwap { key, signer, builder }),
            Err(error) => {
                key.tell(Err(error.to_string()));
                None
            }
        }
    }

    pub fn fail(self, why: &str) {
        self.key.tell(Err(why.to_owned()));
    }

    pub fn claim(&self) -> bool {
        self.key.claim()
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
        let (api_key, signer) = (swap.key.api_key.clone(), swap.signer);
        self.calls.set_signer(RestSigner::new(&api_key, signer.clone()));
        (self.config.api_key, self.config.signer) = (api_key, signer);
        tracing::info!(venue = %self.name, "orders go by the new key");
        swap.key.tell(Ok(()));
    }
}
