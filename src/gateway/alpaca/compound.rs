//! Requests about more than one order, and their answers: lists (OCO, OTO, bracket) and replacements.
//!
//! A list's exits have client order ids of the venue's making: the parent's says which of our orders they are
//! (`names::Exits`), and from its answer on they are known by the venue's ids. A replacement keeps instrument, side and
//! type (§7.4): those of the old one are known here from what the venue said last of it. The venue is told the whole
//! quantity, what had filled included, so that what fills meanwhile comes off the rest. Until the venue has spoken of the
//! old one, both may fill.

use super::AlpacaGateway;
use super::ask::{Answer, Call};
use super::desk::said_of;
use super::lanes::Job;
use crate::core::effect::CancelOrder;
use crate::domain::{
    ExecType, InstrumentId, ListKind, Nanos, NewOrder, OrderId, OrderType, Qty, ReplaceMode, Side, VenueOrderId,
};
use crate::venues::alpaca::names::Exits;
use crate::venues::alpaca::orders::{self, VenueOrder};
use crate::venues::alpaca::request::{self, PlaceError, Request};
use std::collections::VecDeque;

/// Orders and lists that are remembered; the oldest is forgotten first, and can then not be replaced.
const SHAPES_MAX: usize = 4096;
const LISTS_MAX: usize = 1024;

/// What a replacement must know of the order whose place it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    order: OrderId,
    side: Side,
    kind: OrderType,
    qty: Qty,
}

/// What was said of our orders.
#[derive(Debug, Default)]
pub struct Compounds {
    shapes: VecDeque<Shape>,
    /// By the parent's id.
    lists: VecDeque<(OrderId, Exits)>,
}

impl Compounds {
    /// The venue has told an order of ours.
    pub fn told(&mut self, order: &VenueOrder) {
        let shape = Shape { order: order.order, side: order.side, kind: order.kind, qty: order.qty };
        // What was told last stands at the end, where it is looked for first.
        match self.shapes.iter_mut().rev().find(|known| known.order == order.order) {
            Some(known) => *known = shape,
            None => {
                if self.shapes.len() == SHAPES_MAX {
                    self.shapes.pop_front();
                }
                self.shapes.push_back(shape);
            }
        }
    }

    fn shape(&self, order: OrderId) -> Option<Shape> {
        self.shapes.iter().rev().find(|known| known.order == order).copied()
    }

    fn remember(&mut self, parent: OrderId, exits: Exits) {
        if self.lists.len() == LISTS_MAX {
            self.lists.pop_front();
        }
        self.lists.push_back((parent, exits));
    }

    /// The list that the order is of.
    pub fn list(&self, order: OrderId) -> Option<(OrderId, Exits)> {
        let is_of = |(parent, exits): &&(OrderId, Exits)| {
            [0, exits.profit, exits.stop].iter().any(|behind| parent.0 + u64::from(*behind) == order.0)
        };
        self.lists.iter().rev().find(is_of).copied()
    }
}

impl AlpacaGateway {
    /// The request for a list.
    pub(super) fn list_request(&mut self, kind: ListKind, legs: &[NewOrder]) -> Result<Request, String> {
        let [first, exits @ ..] = legs else { return Err("a list without orders".to_owned()) };
        let wanted = self.config.names.wanted(first.instrument).ok_or("the instrument is not one of this venue")?;
        let (symbol, crypto) = (wanted.symbol.as_str(), wanted.is_crypto());
        let request = match (kind, exits) {
            (ListKind::Oco, [stop]) => self.builder.oco(first, stop, symbol, crypto),
            (ListKind::Oco, _) => Err(PlaceError::ListTerms),
            (ListKind::Oto | ListKind::Otoco, exits) => self.builder.entry(first, exits, symbol, crypto),
        };
        let request = request.map_err(|error| error.to_string())?;
        let exits = request::exits(first, exits).map_err(|error| error.to_string())?;
        self.compounds.remember(first.order, exits);
        Ok(request)
    }

    /// The request for a replacement.
    pub(super) fn replace_request(
        &self,
        cancel: &CancelOrder,
        mode: ReplaceMode,
        new: &NewOrder,
    ) -> Result<Request, String> {
        if mode == ReplaceMode::AllowFailure {
            return Err("here a replacement goes only where the old order does".to_owned());
        }
        let id =
            self.venue_id(cancel.order, cancel.venue_order_id).ok_or("the venue has not named the old order yet")?;
        let old = self.compounds.shape(cancel.order).ok_or("too little is known of the old order to replace it")?;
        if (old.side, old.kind) != (new.side, new.kind) {
            return Err("a replacement keeps side and type".to_owned());
        }
        // What has filled since it was decided comes off what is left, as the venue is told the whole. A whole that stays
        // as it is need not be said: a fraction could not be.
        let same = old.qty.0 == new.qty.0.saturating_add(cancel.filled.0);
        let new = NewOrder { qty: if same { Qty::ZERO } else { new.qty }, ..*new };
        self.builder.replace(id, &new, cancel.filled).map_err(|error| error.to_string())
    }

    /// What is asked of an order whose id at the venue is not known: of a list by its parent.
    pub(super) fn by_own_id(&self, order: OrderId) -> Request {
        match self.compounds.list(order) {
            Some((parent, exits)) => self.builder.by_list_id(parent, exits),
            None => self.builder.by_client_id(order),
        }
    }

    pub(super) fn on_list(
        &mut self,
        orders: [OrderId; 3],
        instrument: InstrumentId,
        side: Side,
        answer: Answer,
        recv_ns: Nanos,
    ) {
        let made = orders.into_iter().filter(|order| *order != OrderId::FOREIGN);
        match answer {
            Answer::Done(body) => match orders::order(&body, &self.config.names) {
                Ok(placed) => {
                    self.lanes.answered(instrument);
                    self.changed_ns = recv_ns;
                    self.tell_placed(&placed, recv_ns);
                    // An exit that the answer does not name is asked for by its parent.
                    for order in made.filter(|order| !placed.family().any(|member| member.order == *order)) {
                        self.asks.push_back(Call::Query { order, instrument, side, id: VenueOrderId::NONE });
                    }
                }
                Err(error) => {
                    self.lanes.answered(instrument);
                    self.counters.undecodable.add(1);
                    for order in made {
                        self.unknown(order, instrument, side, &format!("the answer cannot be read: {error}"), recv_ns);
                    }
                }
            },
            Answer::Refused(error) => {
                self.lanes.answered(instrument);
                for order in made {
                    self.refused(order, instrument, side, &error, recv_ns);
                }
            }
            Answer::None(why) => {
                self.lanes.answered(instrument);
                tracing::warn!(venue = %self.config.name, order = orders[0].0, why, "a list has no answer");
                for order in made {
                    self.unknown(order, instrument, side, "no answer from the venue", recv_ns);
                }
            }
        }
    }

    /// The answer says only that the replacement was taken (§7.4): what becomes of both is the stream's to say.
    pub(super) fn on_replace(
        &mut self,
        old: OrderId,
        order: OrderId,
        instrument: InstrumentId,
        side: Side,
        answer: Answer,
        recv_ns: Nanos,
    ) {
        let refusal = match &answer {
            Answer::Refused(error) if error.class.is_not_executed() => Some(error.clone()),
            _ => None,
        };
        let taken = matches!(answer, Answer::Done(_));
        self.on_place(order, instrument, side, answer, recv_ns);
        match refusal {
            Some(error) => {
                self.report(old, instrument, side, ExecType::CancelRejected, said_of(&error), recv_ns);
            }
            None if taken => {}
            None => self.unknown(old, instrument, side, "the replacement has no answer", recv_ns),
        }
    }

    /// Says of everything that a job was to do that it will not be done.
    pub(super) fn job_not_sent(&mut self, job: &Job, why: &str) {
        for order in job.orders() {
            self.not_sent(order.order, why);
        }
        if let Job::Replace { cancel, .. } = job {
            self.refuse_cancel(cancel, why);
        }
    }
}
