//! Requests on the order link that have no answer yet.

use crate::domain::{InstrumentId, Nanos, OrderId, Side};
use crate::venues::binance::request::RequestTag;
use std::collections::VecDeque;

/// Most requests without an answer; one more is not sent. Far above what the venue's own limit (100 new orders in ten
/// seconds) lets through within a time-out.
pub const INFLIGHT_MAX: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    pub tag: RequestTag,
    pub instrument: InstrumentId,
    pub side: Side,
    pub deadline: Nanos,
    /// The other orders that it is about: legs of a list, the order to be replaced. `FOREIGN` where there is none.
    pub others: [OrderId; 2],
}

impl Request {
    /// Every order that it is about.
    pub fn orders(&self) -> impl Iterator<Item = OrderId> + use<> {
        let others = self.others.into_iter().filter(|order| *order != OrderId::FOREIGN);
        std::iter::once(self.tag.order()).chain(others)
    }
}

/// In the order they were sent, which is the order of their deadlines: every request has the same time limit.
pub struct InFlight {
    requests: VecDeque<Request>,
}

impl InFlight {
    pub fn new() -> InFlight {
        InFlight { requests: VecDeque::with_capacity(INFLIGHT_MAX) }
    }

    pub fn is_full(&self) -> bool {
        self.requests.len() >= INFLIGHT_MAX
    }

    pub fn push(&mut self, request: Request) {
        self.requests.push_back(request);
    }

    /// Takes out the request that an answer names. Answers mostly come in order, so it stands near the front.
    pub fn answered(&mut self, tag: RequestTag) -> Option<Request> {
        let at = self.requests.iter().position(|request| request.tag == tag)?;
        self.requests.remove(at)
    }

    /// Takes out the oldest request whose time is over.
    pub fn expired(&mut self, now: Nanos) -> Option<Request> {
        if self.requests.front()?.deadline <= now { self.requests.pop_front() } else { None }
    }

    /// Takes out the oldest: the link is gone, nothing will answer it.
    pub fn lost(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues::binance::request::RequestKind;

    #[test]
    fn each_request_leaves_once_by_its_answer_its_deadline_or_the_links_end() {
        let mut inflight = InFlight::new();
        let tag = |value| RequestTag::new(RequestKind::Place, value);
        for value in 0..5u64 {
            let (instrument, side) = (InstrumentId(0), Side::Buy);
            inflight.push(Request {
                tag: tag(value),
                instrument,
                side,
                deadline: 10 * value as i64,
                others: Default::default(),
            });
        }
        assert_eq!(inflight.answered(tag(3)).map(|r| r.tag), Some(tag(3)));
        assert_eq!(inflight.answered(tag(3)), None);
        assert_eq!(inflight.answered(RequestTag::new(RequestKind::Cancel, 2)), None);
        assert_eq!(inflight.expired(9).map(|r| r.tag), Some(tag(0)));
        assert_eq!(inflight.expired(9), None);
        let rest: Vec<_> = std::iter::from_fn(|| inflight.lost()).map(|r| r.tag).collect();
        assert_eq!(rest, [tag(1), tag(2), tag(4)]);
    }
}
