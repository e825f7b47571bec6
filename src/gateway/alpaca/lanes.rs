//! The order of requests within one instrument.
//!
//! New orders of an instrument go one at a time: the next is sent when nothing that changes orders there is without its
//! answer. Cancels do not wait for it, and hold back the order behind them.

use crate::core::effect::CancelOrder;
use crate::domain::{InstrumentId, ListKind, MAX_INSTRUMENTS, Nanos, NewOrder, OrderId, ReplaceMode};
use std::collections::VecDeque;

/// Orders that wait, over all instruments; one more is not sent. The venue's limit lets through two hundred a minute.
pub const WAITING_MAX: usize = 256;
/// An order that waited longer is not sent: the price that it was decided at is gone.
pub const WAIT_MAX_NS: Nanos = 1_000_000_000;

/// One request that makes orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    Place(NewOrder),
    /// Of the three an OCO and an OTO use two.
    List {
        kind: ListKind,
        legs: [NewOrder; 3],
    },
    /// `new` in the place of the order that is told to go.
    Replace {
        cancel: CancelOrder,
        mode: ReplaceMode,
        new: NewOrder,
    },
}

impl Job {
    /// The orders that it makes.
    pub fn orders(&self) -> &[NewOrder] {
        match self {
            Job::Place(order) | Job::Replace { new: order, .. } => std::slice::from_ref(order),
            Job::List { kind: ListKind::Otoco, legs } => legs,
            Job::List { legs, .. } => &legs[..2],
        }
    }

    /// The one that names it: the order, the first of a list, the new one of two.
    pub fn first(&self) -> &NewOrder {
        match self {
            Job::Place(order) | Job::Replace { new: order, .. } => order,
            Job::List { legs, .. } => &legs[0],
        }
    }

    fn instrument(&self) -> InstrumentId {
        self.first().instrument
    }

    fn makes(&self, order: OrderId) -> bool {
        self.orders().iter().any(|made| made.order == order)
    }
}

pub struct Lanes {
    waiting: VecDeque<(Nanos, Job)>,
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
        !self.is_busy(instrument) && !self.waiting.iter().any(|(_, job)| job.instrument() == instrument)
    }

    /// False where too many wait.
    pub fn wait(&mut self, job: Job, now: Nanos) -> bool {
        let room = self.waiting.len() < WAITING_MAX;
        if room {
            self.waiting.push_back((now, job));
        }
        room
    }

    /// The first that may go now, with the time since when it waits.
    pub fn next(&mut self) -> Option<(Nanos, Job)> {
        let mut at = 0;
        while at < self.waiting.len() {
            let instrument = self.waiting[at].1.instrument();
            let first = !self.waiting.iter().take(at).any(|(_, job)| job.instrument() == instrument);
            if first && !self.is_busy(instrument) {
                return self.waiting.remove(at);
            }
            at += 1;
        }
        None
    }

    /// The first that has waited too long.
    pub fn overdue(&mut self, now: Nanos) -> Option<Job> {
        let at = self.waiting.iter().position(|(since, _)| now - since > WAIT_MAX_NS)?;
        self.waiting.remove(at).map(|(_, job)| job)
    }

    /// Takes out everything: nothing is sent any more.
    pub fn drain(&mut self) -> impl Iterator<Item = Job> + '_ {
        self.waiting.drain(..).map(|(_, job)| job)
    }

    /// Takes out what makes the order, where it still waits.
    pub fn withdraw(&mut self, order: OrderId) -> Option<Job> {
        let at = self.waiting.iter().position(|(_, waiting)| waiting.makes(order))?;
        self.waiting.remove(at).map(|(_, job)| job)
    }

    pub fn holds(&self, order: OrderId) -> bool {
        self.waiting.iter().any(|(_, waiting)| waiting.makes(order))
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

    fn order(instrument: u16, order: u64) -> NewOrder {
        NewOrder { instrument: InstrumentId(instrument), order: OrderId(order), ..NewOrder::default() }
    }

    fn place(instrument: u16, id: u64) -> Job {
        Job::Place(order(instrument, id))
    }

    #[test]
    fn a_list_waits_and_goes_as_one() {
        let mut lanes = Lanes::new();
        let legs = [order(0, 64), order(0, 65), order(0, 66)];
        let (pair, bracket) = (Job::List { kind: ListKind::Oco, legs }, Job::List { kind: ListKind::Otoco, legs });
        assert_eq!((pair.orders().len(), bracket.orders().len()), (2, 3));
        assert!(lanes.wait(pair, 0) && !lanes.holds(OrderId(66)) && lanes.holds(OrderId(65)));
        assert_eq!(lanes.withdraw(OrderId(65)), Some(pair));
        assert_eq!(lanes.next(), None);
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
