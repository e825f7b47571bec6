//! What the gateway says to the core. Nothing of it is ever dropped.

use crate::core::event::{Body, Input};
use crate::domain::RejectReason;
use crate::net::link::Tx;
use std::collections::VecDeque;

/// Reports that wait for a slow core before the gateway stops reading its sockets; what one frame or body brings (a
/// page of a thousand fills, every request of a lost link) may still come on top.
const WAITING_MAX: usize = 4096;
const ROOM: usize = 4 * WAITING_MAX;

/// What stands in a report that is no execution: the venue's words, or the gateway's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Said<'a> {
    /// The venue's, 0 where it gives none.
    pub code: i64,
    pub text: &'a str,
    /// Of a reject: whose doing it is.
    pub reject: RejectReason,
}

impl<'a> Said<'a> {
    /// The gateway's own words.
    pub fn own(text: &'a str) -> Said<'a> {
        Said { text, ..Said::default() }
    }
}

pub struct Reports {
    core: Tx<Input>,
    waiting: VecDeque<Input>,
}

impl Reports {
    pub fn new(core: Tx<Input>) -> Reports {
        Reports { core, waiting: VecDeque::with_capacity(ROOM) }
    }

    /// Sends, behind whatever waits.
    #[inline]
    pub fn push(&mut self, input: Input) {
        if self.waiting.is_empty() {
            if let Err(input) = self.core.try_send(input) {
                self.waiting.push_back(input);
            }
        } else {
            self.waiting.push_back(input);
        }
    }

    #[inline]
    pub fn say(&mut self, body: Body) {
        self.push(Input::new(body));
    }

    /// Hands on what waits, as far as the core takes it; says how much that was.
    #[inline]
    pub fn flush(&mut self) -> usize {
        let mut sent = 0;
        while let Some(input) = self.waiting.pop_front() {
            if let Err(input) = self.core.try_send(input) {
                self.waiting.push_front(input);
                break;
            }
            sent += 1;
        }
        sent
    }

    /// Whether more may be read from the venue.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.waiting.len() < WAITING_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::VenueId;
    use crate::net::link::{Wake, link};

    #[test]
    fn a_slow_core_gets_every_report_in_order_and_reading_stops_meanwhile() {
        let (tx, rx) = link(3, &Wake::default());
        let mut reports = Reports::new(tx);
        let body = |n: usize| Body::Reconciled { venue: VenueId((n % 251) as u8) };
        let mut got = Vec::new();
        for n in 0..WAITING_MAX + 3 {
            assert!(reports.has_room(), "{n}");
            reports.say(body(n));
        }
        assert!(!reports.has_room());
        while got.len() < WAITING_MAX + 3 {
            while let Some(input) = rx.try_recv() {
                got.push(input.body);
            }
            reports.flush();
        }
        let want: Vec<Body> = (0..WAITING_MAX + 3).map(body).collect();
        assert_eq!(got, want);
        assert!(reports.has_room());
    }
}
