//! Where in the journal what was asked stands, and which limits held when: so that a decision is found again by the
//! request or the asker's own id, also after a restart. Bounded; the oldest goes first.

use crate::core::command::{Action, Command};
use crate::core::config::Limits;
use crate::core::event::{Body, Event};
use crate::domain::{RequestId, Text};
use std::collections::VecDeque;

/// Commands that are found by their request or the order's client id.
const COMMANDS_MAX: usize = 50_000;
/// Changes of limits that are remembered; every start is one.
const LIMITS_MAX: usize = 1_000;

#[derive(Debug, Clone, Copy)]
struct Asking {
    request: RequestId,
    client: Text<36>,
    seq: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Asked {
    commands: VecDeque<Asking>,
    limits: VecDeque<(u64, Limits)>,
}

impl Asked {
    pub fn on_event(&mut self, event: &Event) {
        match &event.body {
            Body::Limits(limits) => self.on_limits(event.seq, limits),
            Body::Command(command) => {
                if let Action::SetLimits(limits) = &command.action {
                    self.on_limits(event.seq, limits);
                }
                if self.commands.len() >= COMMANDS_MAX {
                    self.commands.pop_front();
                }
                self.commands.push_back(Asking {
                    request: command.request,
                    client: client_of(command),
                    seq: event.seq,
                });
            }
            _ => {}
        }
    }

    fn on_limits(&mut self, seq: u64, limits: &Limits) {
        if self.limits.len() >= LIMITS_MAX {
            self.limits.pop_front();
        }
        self.limits.push_back((seq, *limits));
    }

    /// The request that `text` is the id of, or whose order has it as its client id: where it stands, the latest first.
    pub fn find(&self, text: &str) -> Option<(RequestId, u64)> {
        let request = text.parse().ok().map(RequestId);
        let client = Some(Text::new(text)).filter(|_| !text.is_empty() && text.len() <= 36);
        let mut latest = self.commands.iter().rev();
        let found = latest.find(|asking| Some(asking.request) == request || Some(asking.client) == client);
        found.map(|asking| (asking.request, asking.seq))
    }

    /// Where a request's last command stands.
    pub fn seq_of(&self, request: RequestId) -> Option<u64> {
        self.commands.iter().rev().find(|asking| asking.request == request).map(|asking| asking.seq)
    }

    /// The limits that a decision at `seq` was held against; `None` where that was longer ago than is remembered.
    pub fn limits_at(&self, seq: u64) -> Option<&Limits> {
        let before = self.limits.partition_point(|(at, _)| *at < seq);
        before.checked_sub(1).and_then(|n| self.limits.get(n)).map(|(_, limits)| limits)
    }
}

/// The asker's own id of the order that a command is about.
pub(super) fn client_of(command: &Command) -> Text<36> {
    match &command.action {
        Action::Place(order)
        | Action::Validate(order)
        | Action::ValidateAtVenue(order)
        | Action::Replace { new: order, .. } => order.client,
        Action::PlaceList(list) => list.first.client,
        _ => Text::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::command::PlaceOrder;
    use crate::domain::Usd;

    #[test]
    fn what_was_asked_is_found_by_request_and_by_client_id() {
        let mut asked = Asked::default();
        let limits = |dollars| Limits { order_notional_max: Usd::dollars(dollars), ..Limits::LOOSEST };
        let place = |request, client: &str, seq| {
            let action = Action::Place(PlaceOrder { client: Text::new(client), ..PlaceOrder::default() });
            let command = Command {
                request: RequestId(request),
                who: Text::default(),
                from: Text::default(),
                why: Text::default(),
                action,
            };
            Event { seq, ts_ns: 0, recv_ns: 0, decoded_ns: 0, body: Body::Command(command) }
        };
        asked.on_event(&Event { seq: 2, ts_ns: 0, recv_ns: 0, decoded_ns: 0, body: Body::Limits(limits(1)) });
        asked.on_event(&place(7, "mine", 10));
        asked.on_event(&place(8, "", 11));
        asked.on_event(&Event { seq: 12, ts_ns: 0, recv_ns: 0, decoded_ns: 0, body: Body::Limits(limits(2)) });
        asked.on_event(&place(9, "mine", 13));
        assert_eq!(asked.find("8"), Some((RequestId(8), 11)));
        assert_eq!(asked.find("mine"), Some((RequestId(9), 13)), "the latest");
        assert_eq!((asked.find(""), asked.find("99")), (None, None));
        let at = |seq| asked.limits_at(seq).map(|limits| limits.order_notional_max);
        assert_eq!(
            (at(2), at(3), at(12), at(13)),
            (None, Some(Usd::dollars(1)), Some(Usd::dollars(1)), Some(Usd::dollars(2)))
        );
    }
}
