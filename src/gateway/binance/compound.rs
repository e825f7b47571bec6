//! Requests about more than one order, and their answers: lists, cancel-replace, amendments.
//!
//! One that cannot be sent says so of each order that it was to make. One without an answer makes each of its orders
//! unknown; none is ever sent again.

use super::GatewayError;
use super::desk::{Desk, Heard, said_of};
use super::inflight::Request;
use crate::core::effect::CancelOrder;
use crate::core::event::{Body, Input};
use crate::domain::{
    ExecType, InstrumentId, ListKind, NewOrder, OrderId, Qty, ReplaceMode, RequestId, Side, TestOutcome, Tested, Text,
};
use crate::gateway::reports::Said;
use crate::net::ws::WebSocket;
use crate::venues::binance::DecodeError;
use crate::venues::binance::errors::classify;
use crate::venues::binance::limits::Cost;
use crate::venues::binance::orders::{Half, Replaced};
use crate::venues::binance::request::{MAX_REQUEST_LEN, OrderRef, PlaceError, RequestBuilder, RequestKind, RequestTag};
use crate::venues::binance::response::ApiError;

/// A request about several orders: what it is, and which they are.
struct About {
    tag: RequestTag,
    instrument: InstrumentId,
    side: Side,
    others: [OrderId; 2],
    /// It makes new orders, which go out only while the session is ready and their limit is open.
    places: bool,
}

impl Desk {
    /// Sends a list, or says of each of its orders that it never will be. `legs` has three, of which an OCO and an OTO
    /// use two.
    pub fn place_list(&mut self, ws: &mut WebSocket, kind: ListKind, legs: [&NewOrder; 3], ready: bool) {
        let [first, second, third] = legs;
        let third_id = if kind == ListKind::Otoco { third.order } else { OrderId::FOREIGN };
        let about = About {
            tag: RequestTag::new(RequestKind::PlaceList, first.order.0),
            instrument: first.instrument,
            side: first.side,
            others: [second.order, third_id],
            places: true,
        };
        let orders = [first.order, second.order, third_id];
        let sent = self.send_about(ws, &about, ready, |builder, out, symbol, now_ms| {
            builder.place_list(out, kind, legs, symbol, now_ms)
        });
        match sent {
            Ok((encoded_ns, written_ns)) => {
                for order in orders.into_iter().filter(|order| *order != OrderId::FOREIGN) {
                    self.reports.say(Body::Sent { order, encoded_ns, written_ns });
                }
            }
            Err(error) => {
                for order in orders.into_iter().filter(|order| *order != OrderId::FOREIGN) {
                    self.not_sent(order, &error);
                }
            }
        }
    }

    /// Sends a cancel-replace. One that cannot be sent leaves the old order as it stands.
    pub fn replace(
        &mut self,
        ws: &mut WebSocket,
        cancel: &CancelOrder,
        mode: ReplaceMode,
        new: &NewOrder,
        ready: bool,
    ) {
        let about = About {
            tag: RequestTag::new(RequestKind::Replace, new.order.0),
            instrument: new.instrument,
            side: new.side,
            others: [cancel.order, OrderId::FOREIGN],
            places: true,
        };
        let old = OrderRef { order: cancel.order, venue_order_id: cancel.venue_order_id };
        let sent = self.send_about(ws, &about, ready, |builder, out, symbol, now_ms| {
            builder.replace(out, old, mode, new, symbol, now_ms)
        });
        match sent {
            Ok((encoded_ns, written_ns)) => self.reports.say(Body::Sent { order: new.order, encoded_ns, written_ns }),
            Err(error) => {
                self.not_sent(new.order, &error);
                self.refused(cancel, &error);
            }
        }
    }

    /// Sends an amendment. One that cannot be sent leaves the order as it stands.
    pub fn amend(&mut self, ws: &mut WebSocket, order: &CancelOrder, qty: Qty) {
        let about = About {
            tag: RequestTag::new(RequestKind::Amend, order.order.0),
            instrument: order.instrument,
            side: Side::default(),
            others: [OrderId::FOREIGN; 2],
            places: false,
        };
        let target = OrderRef { order: order.order, venue_order_id: order.venue_order_id };
        let sent = self.send_about(ws, &about, true, |builder, out, symbol, now_ms| {
            builder.amend(out, target, qty, symbol, now_ms);
            Ok(())
        });
        if let Err(error) = sent {
            self.refused(order, &error);
        }
    }

    /// Has the venue test an order. It counts as a request, and as no order.
    pub fn test(&mut self, ws: &mut WebSocket, request: RequestId, order: &NewOrder, ready: bool) {
        let about = About {
            tag: RequestTag::new(RequestKind::Test, request.0),
            instrument: order.instrument,
            side: order.side,
            others: [OrderId::FOREIGN; 2],
            places: false,
        };
        let sent = self.send_about(ws, &about, ready, |builder, out, symbol, now_ms| {
            builder.test(out, request.0, order, symbol, now_ms)
        });
        if let Err(error) = sent {
            self.reports.say(Body::Tested(Tested::not_asked(request, &error.to_string())));
        }
    }

    /// What came of a test: an error is the verdict only where the venue certainly looked at the order.
    pub(super) fn tested(&mut self, request: u64, outcome: TestOutcome, code: i64, text: &str, recv_ns: i64) {
        let tested = Tested { request: RequestId(request), outcome, code: code as i32, text: Text::new(text) };
        self.reports.push(Input::at(recv_ns, Body::Tested(tested)));
    }

    fn not_sent(&mut self, order: OrderId, error: &GatewayError) {
        self.counters.not_sent.add(1);
        self.reports.say(Body::NotSent { order, text: Text::new(&error.to_string()) });
    }

    fn refused(&mut self, order: &CancelOrder, error: &GatewayError) {
        let (side, exec) = (Side::default(), ExecType::CancelRejected);
        self.report(order.order, order.instrument, side, exec, Said::own(&error.to_string()), 0);
    }

    /// When it was encoded and written.
    fn send_about(
        &mut self,
        ws: &mut WebSocket,
        about: &About,
        ready: bool,
        encode: impl FnOnce(&mut RequestBuilder, &mut Vec<u8>, &str, i64) -> Result<(), PlaceError>,
    ) -> Result<(i64, i64), GatewayError> {
        let now = self.clock.now();
        if !ready {
            return Err(GatewayError::NotReady);
        }
        let until = if about.places { self.paused.max(self.orders_paused) } else { self.paused };
        if now < until {
            return Err(GatewayError::Paused { s: (until - now) / 1_000_000_000 + 1 });
        }
        if self.inflight.is_full() {
            return Err(GatewayError::TooManyUnanswered);
        }
        let symbol = self.symbols.get(about.instrument.index()).and_then(Option::as_deref);
        let symbol = symbol.ok_or(GatewayError::NoSymbol)?;
        let venue_ms = self.sync.venue_ms(now);
        self.limits.admit(Cost::of(about.tag.kind), venue_ms)?;
        let (mut encoded_ns, mut refused) = (0, None);
        let (builder, clock) = (&mut self.builder, &self.clock);
        ws.send_text_with(MAX_REQUEST_LEN, |out| match encode(builder, out, symbol, venue_ms) {
            Ok(()) => {
                encoded_ns = clock.now();
                true
            }
            Err(error) => {
                refused = Some(error);
                false
            }
        })?;
        if let Some(error) = refused {
            return Err(GatewayError::Unsayable(error));
        }
        let written_ns = self.clock.now();
        self.limits.sent(Cost::of(about.tag.kind));
        self.inflight.push(Request {
            tag: about.tag,
            instrument: about.instrument,
            side: about.side,
            deadline: written_ns + self.request_timeout_ns,
            others: about.others,
        });
        Ok((encoded_ns, written_ns))
    }

    /// The answer to a list, a cancel-replace or an amendment, or to a cancel that took a list with it.
    pub(super) fn on_compound(
        &mut self,
        tag: RequestTag,
        result: &[u8],
        request: Option<Request>,
        recv_ns: i64,
    ) -> Heard {
        let read = match tag.kind {
            RequestKind::Replace => match self.decoder.replaced(result) {
                Ok(replaced) => {
                    self.on_replaced(tag, &replaced, request.as_ref(), recv_ns);
                    return Heard::Nothing;
                }
                Err(error) => Err(error),
            },
            RequestKind::Amend => self.decoder.amended(result).map(|report| vec![report]),
            _ => self.decoder.list(result),
        };
        match read {
            Ok(reports) => {
                let mut heard = Heard::Nothing;
                for report in reports {
                    match self.on_report(report, recv_ns) {
                        Heard::Nothing => {}
                        other => heard = other,
                    }
                }
                heard
            }
            Err(error) => {
                self.unreadable(tag, &error, request.as_ref());
                Heard::Nothing
            }
        }
    }

    fn unreadable(&mut self, tag: RequestTag, error: &DecodeError, request: Option<&Request>) {
        self.counters.undecodable.add(1);
        tracing::warn!(%error, kind = ?tag.kind, "an answer cannot be read");
        if let Some(request) = request {
            self.unanswered(request, "the answer cannot be read");
        }
    }

    /// Each half of a cancel-replace by itself (§9.2): an error status is not "nothing happened".
    fn on_replaced(&mut self, tag: RequestTag, replaced: &Replaced, request: Option<&Request>, recv_ns: i64) {
        match replaced.cancel {
            Half::Done(report) => {
                self.on_report(report, recv_ns);
            }
            Half::Failed { code, text } => {
                // Whose it was is known from the request alone; one that was given up is asked for anyway.
                if let Some(request) = request {
                    let [old, _] = request.others;
                    let exec = ExecType::CancelRejected;
                    self.report(
                        old,
                        request.instrument,
                        request.side,
                        exec,
                        Said { code, text: text.as_str(), ..Said::default() },
                        recv_ns,
                    );
                }
            }
            Half::NotAttempted => {}
        }
        let (instrument, side) = request.map(|r| (r.instrument, r.side)).unwrap_or_default();
        match replaced.new {
            Half::Done(mut report) => {
                report.order = tag.order();
                if request.is_some() {
                    report.side = side;
                }
                self.on_report(report, recv_ns);
            }
            Half::Failed { code, text } if request.is_some() => {
                let text = text.as_str();
                let said = Said { code, text, reject: classify(400, code, text).reject_reason(text) };
                self.report(tag.order(), instrument, side, ExecType::Rejected, said, recv_ns);
            }
            Half::NotAttempted if request.is_some() => {
                let said = Said::own("not attempted: the other could not be cancelled");
                self.report(tag.order(), instrument, side, ExecType::Rejected, said, recv_ns);
            }
            _ => {}
        }
    }

    pub(super) fn on_replace_error(&mut self, request: &Request, error: &ApiError, recv_ns: i64) {
        if let Some(Ok(replaced)) = error.data.map(|data| self.decoder.replaced(data)) {
            return self.on_replaced(request.tag, &replaced, Some(request), recv_ns);
        }
        let (new, old) = if error.class.is_not_executed() {
            (ExecType::Rejected, ExecType::CancelRejected)
        } else {
            (ExecType::Unknown, ExecType::Unknown)
        };
        let (instrument, side) = (request.instrument, request.side);
        self.report(request.tag.order(), instrument, side, new, said_of(error, new), recv_ns);
        self.report(request.others[0], instrument, side, old, said_of(error, old), recv_ns);
    }
}
