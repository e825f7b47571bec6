//! The order of requests within one instrument.
//!
//! New orders of an instrument go one at a time: the next is sent when nothing that changes orders there is without its
//! answer. Cancels do not wait for it, and hold back the order behind them.

use crate::domain::{InstrumentId, MAX_INSTRUMENTS, Nanos, NewOrder, OrderId};
use std::collections::VecDeque;

/// Orders that wait, over all instruments; one more is not sent. The venue's limit lets through two hundred a minute.
pub const WAITING_MAX: usize = 256;
/// An order that waited longer is not sent: the price that it was decided at is gone.
pub const WAIT_MAX_NS: Nanos = 1_000_000_000;

pub struct Lanes {
    waiting: VecDeque<(Nanos, NewOrder)>,
    /// By instrument: requests that change orders and have no answer.
    busy: Vec<u32>,
}

impl Lanes {
    pub fn new() -> Lanes {
        Lanes { waiting: VecDeque::with_capacity(WAITING_MAX), busy: vec![0; MAX_INSTRUMENTS] }
    }

    fn is_busy(&self, instrument: InstrumentId) -> bool {
        self.busy.get(instrument.index()).is_some_and(|busy| *busy > 0)
    }

    /// Whether it may go now; nothing of the instrument is out, and nothing waits before it.
    pub fn is_free(&self, instrument: InstrumentId) -> bool {
        !self.is_busy(instrument) && !self.waiting.iter().any(|(_, order)| order.instrument == instrument)
    }

    /// False where too many wait.
    pub fn wait(&mut self, order: NewOrder, now: Nanos) -> bool {
        let room = self.waiting.len() < WAITING_MAX;
        if room {
            self.waiting.push_back((now, order));
        }
        room
    }

    /// The first that may go now, with the time since when it waits.
    pub fn next(&mut self) -> Option<(Nanos, NewOrder)> {
        let mut at = 0;
        while at < self.waiting.len() {
            let instrument = self.waiting[at].1.instrument;
            let first = !self.waiting.iter().take(at).any(|(_, order)| order.instrument == instrument);
            if first && !self.is_busy(instrument) {
                return self.waiting.remove(at);
            }
            at += 1;
        }
        None
    }

    /// The first that has waited too long.
    pub fn overdue(&mut self, now: Nanos) -> Option<NewOrder> {
        let at = self.waiting.iter().position(|(since, _)| now - since > WAIT_MAX_NS)?;
        self.waiting.remove(at).map(|(_, order)| order)
    }

    /// Takes out everything: nothing is sent any more.
    pub fn drain(&mut self) -> impl Iterator<Item = NewOrder> + '_ {
        self.waiting.drain(..).map(|(_, order)| order)
    }

    /// Takes out the order where it still waits.
    pub fn withdraw(&mut self, order: OrderId) -> Option<NewOrder> {
        let at = self.waiting.iter().position(|(_, waiting)| waiting.order == order)?;
        self.waiting.remove(at).map(|(_, order)| order)
    }

    pub fn holds(&self, order: OrderId) -> bool {
        self.waiting.iter().any(|(_, waiting)| waiting.order == order)
    }

    pub fn sent(&mut self, instrument: InstrumentId) {
        if let Some(busy) = self.busy.get_mut(instrument.index()) {
            *busy += 1;
        }
    }

    pub fn answered(&mut self, instrument: InstrumentId) {
        if let Some(busy) = self.busy.get_mut(instrument.index()) {
            *busy = busy.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(instrument: u16, order: u64) -> NewOrder {
        NewOrder { instrument: InstrumentId(instrument), order: OrderId(order), ..NewOrder::default() }
    }

    #[test]
    fn orders_of_one_instrument_go_one_by_one_and_others_do_not_wait() {
        let mut lanes = Lanes::new();
        let (a, b) = (InstrumentId(0), InstrumentId(1));
        assert!(lanes.is_free(a));
        lanes.sent(a);
        assert!(!lanes.is_free(a) && lanes.is_free(b));
        assert!(lanes.wait(place(0, 1), 10) && lanes.wait(place(0, 2), 11) && lanes.wait(place(1, 3), 12));
        assert_eq!(lanes.next(), Some((12, place(1, 3))));
        assert_eq!(lanes.next(), None);
        lanes.answered(a);
        assert!(!lanes.is_free(a), "two wait");
        assert_eq!(lanes.next(), Some((10, place(0, 1))));
        lanes.sent(a);
        assert_eq!(lanes.next(), None);
        assert_eq!(lanes.withdraw(OrderId(2)), Some(place(0, 2)));
        assert!(!lanes.holds(OrderId(2)));
    }

    #[test]
    fn what_waited_too_long_does_not_go() {
        let mut lanes = Lanes::new();
        lanes.wait(place(0, 1), 0);
        assert_eq!(lanes.overdue(WAIT_MAX_NS), None);
        assert_eq!(lanes.overdue(WAIT_MAX_NS + 1), Some(place(0, 1)));
        for n in 0..WAITING_MAX as u64 {
            assert!(lanes.wait(place(0, n), 0));
        }
        assert!(!lanes.wait(place(0, 9), 0));
        assert_eq!(lanes.drain().count(), WAITING_MAX);
    }
}
