//! What a request was for, and how it goes out: by which way, and what of the limit it may use.

use super::AlpacaGateway;
use super::reconcile::Ask;
use crate::core::alarm::AlarmKind;
use crate::core::command::Scope;
use crate::core::event::Body;
use crate::domain::{InstrumentId, Nanos, OrderId, Side, VenueOrderId};
use crate::net::{RestRequest, RestResponse};
use crate::venues::alpaca::errors::{ApiError, refusal};
use crate::venues::alpaca::limits::{Exceeded, Urgency};
use crate::venues::alpaca::request::Request;

/// A request without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Place {
        order: OrderId,
        instrument: InstrumentId,
        side: Side,
    },
    /// A list: its orders, `FOREIGN` where it has two.
    List {
        orders: [OrderId; 3],
        instrument: InstrumentId,
        side: Side,
    },
    /// An order in the place of another.
    Replace {
        old: OrderId,
        order: OrderId,
        instrument: InstrumentId,
        side: Side,
    },
    Cancel {
        order: OrderId,
        instrument: InstrumentId,
    },
    /// Of every order on the account.
    CancelAll,
    /// The open orders of an instrument, each to be cancelled.
    ListToCancel {
        instrument: InstrumentId,
    },
    /// One of those, whosever it is.
    CancelListed,
    /// What became of an order; by the venue's id where that is known.
    Query {
        order: OrderId,
        instrument: InstrumentId,
        side: Side,
        id: VenueOrderId,
    },
    /// An order of the stream whose event says nothing that is understood.
    Look {
        id: VenueOrderId,
    },
    /// Before the first connection: the account, its settings, and one asset.
    Terms,
    Settings,
    Asset {
        at: usize,
    },
    /// The account again, because something was filled.
    Worth {
        asked_ns: Nanos,
    },
    /// The market's days.
    Calendar,
    /// Part of a reconciliation.
    Step(Ask),
}

/// Which connections a request goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Orders,
    Cancels,
    Questions,
}

impl Call {
    /// Whether its answer says what became of a new order.
    pub fn makes(&self, id: OrderId) -> bool {
        match self {
            Call::Place { order, .. } | Call::Replace { order, .. } => *order == id,
            Call::List { orders, .. } => orders.contains(&id),
            _ => false,
        }
    }

    /// Whether it changes orders, and asks for nothing.
    pub fn acts(&self) -> bool {
        matches!(
            self,
            Call::Place { .. }
                | Call::List { .. }
                | Call::Replace { .. }
                | Call::Cancel { .. }
                | Call::CancelAll
                | Call::CancelListed
                | Call::ListToCancel { .. }
        )
    }

    fn way(self) -> (Way, Urgency) {
        match self {
            Call::Place { .. } | Call::List { .. } | Call::Replace { .. } => (Way::Orders, Urgency::Order),
            Call::Cancel { .. } | Call::CancelAll | Call::CancelListed => (Way::Cancels, Urgency::Cancel),
            // They lead to cancels.
            Call::ListToCancel { .. } => (Way::Questions, Urgency::Cancel),
            _ => (Way::Questions, Urgency::Question),
        }
    }
}

/// An answer, or why there is none.
pub(super) enum Answer {
    Done(Vec<u8>),
    Refused(ApiError),
    /// Nothing came back: what the request did is not known.
    None(String),
}

/// The venue tells its time in an answer over REST: what is below this may be the way there and back.
const CLOCK_OFF_NS: Nanos = 2_000_000_000;

impl AlpacaGateway {
    /// Hands a request to its connections, unless the limit has no room for it.
    pub(super) fn submit(&mut self, call: Call, request: Request, now: Nanos) -> Result<(), Exceeded> {
        let (way, urgency) = call.way();
        self.limits.admit(urgency, now)?;
        self.next_call += 1;
        self.out.push((self.next_call, call));
        let mut headers = vec![
            ("APCA-API-KEY-ID", self.config.api_key.clone()),
            ("APCA-API-SECRET-KEY", self.config.secret.as_str().to_owned()),
        ];
        if !request.body.is_empty() {
            headers.push(("Content-Type", "application/json".to_owned()));
        }
        let rest = RestRequest {
            method: request.method,
            url: format!("{}{}", self.config.rest_url.trim_end_matches('/'), request.path),
            headers,
            body: request.body.into_bytes(),
        };
        let connections = match way {
            Way::Orders => &mut self.ways.orders,
            Way::Cancels => &mut self.ways.cancels,
            Way::Questions => &mut self.ways.questions,
        };
        connections.submit(self.next_call, rest);
        self.tell_limits(now);
        Ok(())
    }

    /// The next answer that is there, and what it is to.
    pub(super) fn next_answer(&mut self, now: Nanos) -> Option<(Call, Answer)> {
        loop {
            let ways = &mut self.ways;
            let (id, outcome) = ways.cancels.poll().or_else(|| ways.orders.poll()).or_else(|| ways.questions.poll())?;
            let headers = outcome.as_ref().map(|response| response.headers.as_slice()).unwrap_or_default();
            let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            self.limits.answered(headers, now, self.offset_ns);
            // One that is not waited for belonged to a reconciliation that was given up.
            if let Some(at) = self.out.iter().position(|(out, _)| *out == id) {
                let call = self.out.swap_remove(at).1;
                let answer = judge(outcome);
                if let Answer::Refused(error) = &answer
                    && error.class == crate::venues::alpaca::errors::ErrorClass::RateLimited
                {
                    tracing::error!(venue = %self.config.name, %error, "the venue wants fewer requests");
                    self.limits.refused(now);
                }
                self.tell_limits(now);
                return Some((call, answer));
            }
        }
    }

    /// Tells the core where the limit has become near, or is so no more.
    pub(super) fn tell_limits(&mut self, now: Nanos) {
        let near = self.limits.is_near(now);
        if std::mem::replace(&mut self.limits_near, near) != near {
            self.tell_condition(AlarmKind::RateLimitNear, near);
        }
    }

    /// The same of a clock that is off by what no round trip explains.
    pub(super) fn tell_clock(&mut self) {
        let off = self.offset_ns.saturating_abs() > CLOCK_OFF_NS;
        if std::mem::replace(&mut self.clock_off, off) != off {
            self.tell_condition(AlarmKind::ClockOff, off);
        }
    }

    fn tell_condition(&mut self, kind: AlarmKind, is_so: bool) {
        self.reports.say(Body::Condition { kind, scope: Scope::Venue(self.config.names.venue), is_so });
    }

    /// Whether a request of a kind is out.
    pub(super) fn is_out(&self, mut of: impl FnMut(&Call) -> bool) -> bool {
        self.out.iter().any(|(_, call)| of(call))
    }
}

fn judge(outcome: Result<RestResponse, String>) -> Answer {
    match outcome {
        Ok(response) if (200..300).contains(&response.status) => Answer::Done(response.body),
        Ok(response) => Answer::Refused(refusal(response.status, &response.body)),
        Err(why) => Answer::None(why),
    }
}
