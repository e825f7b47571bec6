//! Bounded channels between agents, joined with the waker of the receiver's thread.
//!
//! A sender never blocks: a full channel hands the value back and the agent gives its named answer. A receiver that
//! spins costs the sender one relaxed load; only a parked one is woken (`latency.md`: a wake costs the sender 7 µs).

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// One a thread: whether it is parked, and how to wake it.
#[derive(Default)]
pub struct WakeState {
    parked: AtomicBool,
    waker: OnceLock<mio::Waker>,
}

/// Shared by a thread and all that send to its agents.
#[derive(Clone, Default)]
pub struct Wake(Arc<WakeState>);

impl Wake {
    /// The thread's own poll registers its waker once, before it first parks.
    pub fn set_waker(&self, waker: mio::Waker) {
        // A second registration would be a second poll on one thread: the first stays.
        let _ = self.0.waker.set(waker);
    }

    /// The thread says that it is about to sleep. It must look at its channels once more before it does.
    pub fn park(&self) {
        self.0.parked.store(true, Ordering::Relaxed);
        // Against the fence of `wake`: either the sender sees the mark, or we see its value.
        std::sync::atomic::fence(Ordering::SeqCst);
    }

    /// The thread is awake again.
    pub fn unpark(&self) {
        self.0.parked.store(false, Ordering::Relaxed);
    }

    /// Wakes the thread if it sleeps.
    #[inline]
    pub fn wake(&self) {
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.0.parked.load(Ordering::Relaxed)
            && self.0.parked.swap(false, Ordering::AcqRel)
            && let Some(waker) = self.0.waker.get()
        {
            // An eventfd write fails only where its counter is full, and then the thread is awake already.
            let _ = waker.wake();
        }
    }
}

/// Sends into a bounded channel.
pub struct Tx<T> {
    sender: Sender<T>,
    wake: Wake,
}

impl<T> Clone for Tx<T> {
    fn clone(&self) -> Self {
        Tx { sender: self.sender.clone(), wake: self.wake.clone() }
    }
}

/// Receives from a bounded channel.
pub struct Rx<T> {
    receiver: Receiver<T>,
}

/// A channel of `capacity` values to an agent on the thread that `wake` belongs to.
pub fn link<T>(capacity: usize, wake: &Wake) -> (Tx<T>, Rx<T>) {
    let (sender, receiver) = bounded(capacity);
    (Tx { sender, wake: wake.clone() }, Rx { receiver })
}

impl<T> Tx<T> {
    /// Gives the value back where the channel is full or its receiver is gone.
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), T> {
        match self.sender.try_send(value) {
            Ok(()) => {
                self.wake.wake();
                Ok(())
            }
            Err(TrySendError::Full(value) | TrySendError::Disconnected(value)) => Err(value),
        }
    }

    pub fn len(&self) -> usize {
        self.sender.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sender.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.sender.is_full()
    }
}

impl<T> Rx<T> {
    #[inline]
    pub fn try_recv(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    pub fn len(&self) -> usize {
        self.receiver.len()
    }

    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_link_hands_the_value_back() {
        let (tx, rx) = link(1, &Wake::default());
        assert_eq!(tx.try_send(1), Ok(()));
        assert_eq!(tx.try_send(2), Err(2));
        assert_eq!((rx.try_recv(), rx.try_recv()), (Some(1), None));
        drop(rx);
        assert_eq!(tx.try_send(3), Err(3));
    }
}
