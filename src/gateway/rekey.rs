//! A key on its way to a gateway that trades, and what is heard of it.

use crate::venues::binance::sign::Signer;
use crossbeam::channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use zeroize::Zeroizing;

/// How a venue is shown that one has the secret.
#[derive(Clone)]
pub enum Proof {
    /// Requests are signed with it.
    Signature(Signer),
    /// It goes with each request.
    Secret(Zeroizing<String>),
}

/// A key of the same account, for a gateway. It is taken when the venue is ready and nothing else is being replaced.
pub struct NewKey {
    pub api_key: String,
    pub proof: Proof,
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
    pub fn new(api_key: String, proof: Proof) -> (NewKey, KeyTicket) {
        let (answer, answered) = bounded(1);
        let decided = Arc::new(AtomicBool::new(false));
        (NewKey { api_key, proof, answer, decided: decided.clone() }, KeyTicket { answered, decided })
    }

    pub(super) fn tell(&self, outcome: Result<(), String>) {
        // Who asked may have given up.
        let _ = self.answer.try_send(outcome);
    }

    /// Claims the key for good; false where nobody waits for it any more.
    pub(super) fn claim(&self) -> bool {
        !self.decided.swap(true, Ordering::AcqRel)
    }
}

impl KeyTicket {
    /// What was answered, if it was.
    #[cfg(test)]
    pub fn poll(&self) -> Option<Result<(), String>> {
        self.answered.try_recv().ok()
    }

    #[cfg(test)]
    pub fn is_answered(&self) -> bool {
        !self.answered.is_empty()
    }

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
