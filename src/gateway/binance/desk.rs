//! Orders to requests, answers and private events to reports. Knows no connection but the socket it writes to.

use super::clock_sync::ClockSync;
use super::inflight::{InFlight, Request};
use super::{GatewayCounters, GatewayError};
use crate::core::alarm::AlarmKind;
use crate::core::command::Scope;
use crate::core::effect::{CancelOrder, QueryOrder};
use crate::core::event::{Body, Input};
use crate::domain::{
    Balance, ExecReport, ExecType, InstrumentId, MAX_ASSETS, Nanos, NewOrder, OrderId, RejectReason, Side, TestOutcome,
    Text, VenueId, VenueOrderId,
};
use crate::gateway::known::KnownOrders;
use crate::gateway::reports::{Reports, Said};
use crate::net::ws::{SendError, WebSocket};
use crate::telemetry::clock::Clock;
use crate::venues::binance::DecodeError;
use crate::venues::binance::account::AccountDecoder;
use crate::venues::binance::errors::ErrorClass;
use crate::venues::binance::limits::{Cost, Limits, header_count};
use crate::venues::binance::request::{MAX_REQUEST_LEN, OrderRef, RequestBuilder, RequestKind, RequestTag};
use crate::venues::binance::response::{self, Answer, ApiError, RateCount};
use crate::venues::binance::user::UserEvent;

/// A wait that the venue asks for without saying how long.
const PAUSE_NS: Nanos = 10_000_000_000;

/// What a frame means for the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Nothing,
    /// The connection is logged on: requests go unsigned.
    LoggedOn,
    /// It is not, and the venue said why.
    LogonRefused(String),
    /// The private stream is open.
    Subscribed,
    /// The private stream has closed an order.
    Closed(OrderId),
    /// Something of ours may have been missed: the venue must be asked for everything.
    Missed,
    /// The venue's server is about to end the link.
    GoesDown,
    /// The link is of no more use.
    Over(String),
}

/// A refusal in a report. What leaves the outcome open is nobody's reject.
pub(super) fn said_of<'a>(error: &ApiError<'a>, exec: ExecType) -> Said<'a> {
    let rejected = exec == ExecType::Rejected;
    let reject = if rejected { error.class.reject_reason(error.text) } else { RejectReason::Other };
    Said { code: error.code, text: error.text, reject }
}

/// Whether the outcome of an order hangs on the answer.
pub(super) fn is_about_orders(kind: RequestKind) -> bool {
    use RequestKind as K;
    matches!(kind, K::Place | K::Cancel | K::PlaceList | K::Replace | K::Amend)
}

pub struct Desk {
    pub venue: VenueId,
    pub clock: Clock,
    pub reports: Reports,
    pub sync: ClockSync,
    pub limits: Limits,
    pub known: KnownOrders,
    pub decoder: AccountDecoder,
    pub counters: GatewayCounters,
    pub(super) builder: RequestBuilder,
    /// By instrument.
    pub(super) symbols: Vec<Option<Box<str>>>,
    pub(super) inflight: InFlight,
    pub(super) request_timeout_ns: Nanos,
    /// Counts requests that concern no single order.
    requests: u64,
    /// No new order before this (the venue's order limit), and nothing at all before that (its request limit).
    pub(super) orders_paused: Nanos,
    pub(super) paused: Nanos,
    /// What the core was told of the limits and of the clock: near, off.
    limits_near: bool,
    clock_off: bool,
    /// By asset, the time of the newest balance passed on over this link.
    balance_times: Vec<Nanos>,
}

/// So much of a limit of the venue is near to all of it, in hundredths.
const LIMITS_NEAR_PCT: u32 = 80;

impl Desk {
    pub fn new(
        clock: &Clock,
        reports: Reports,
        decoder: AccountDecoder,
        builder: RequestBuilder,
        request_timeout_ns: Nanos,
        clock_check_ns: Nanos,
        counters: GatewayCounters,
    ) -> Desk {
        let names = decoder.names();
        let mut symbols = vec![None; names.symbols.iter().map(|(id, ..)| id.index() + 1).max().unwrap_or(0)];
        for (id, symbol, _) in names.symbols.iter() {
            symbols[id.index()] = Some(symbol.into());
        }
        Desk {
            venue: names.venue,
            clock: clock.clone(),
            reports,
            sync: ClockSync::new(clock_check_ns),
            limits: Limits::new(),
            known: KnownOrders::new(),
            decoder,
            counters,
            builder,
            symbols,
            inflight: InFlight::new(),
            request_timeout_ns,
            requests: 0,
            orders_paused: 0,
            paused: 0,
            limits_near: false,
            clock_off: false,
            balance_times: vec![0; MAX_ASSETS],
        }
    }

    /// Until when nothing may be sent.
    pub fn paused(&self) -> Nanos {
        self.paused
    }

    /// The venue wants to be left alone.
    pub fn pause(&mut self, until: Nanos) {
        self.paused = self.paused.max(until);
    }

    /// Writes and signs an order and says that it is sent, or that it never will be.
    pub fn place(&mut self, ws: &mut WebSocket, order: &NewOrder, ready: bool) {
        let now = self.clock.now();
        if let Err(error) = self.try_place(ws, order, ready, now) {
            self.counters.not_sent.add(1);
            let text = Text::new(&error.to_string());
            self.reports.say(Body::NotSent { order: order.order, text });
        }
    }

    #[inline]
    fn try_place(&mut self, ws: &mut WebSocket, order: &NewOrder, ready: bool, now: Nanos) -> Result<(), GatewayError> {
        if !ready {
            return Err(GatewayError::NotReady);
        }
        if now < self.paused.max(self.orders_paused) {
            return Err(GatewayError::Paused { s: (self.paused.max(self.orders_paused) - now) / 1_000_000_000 + 1 });
        }
        if self.inflight.is_full() {
            return Err(GatewayError::TooManyUnanswered);
        }
        let symbol = self.symbols.get(order.instrument.index()).and_then(Option::as_deref);
        let symbol = symbol.ok_or(GatewayError::NoSymbol)?;
        let venue_ms = self.sync.venue_ms(now);
        self.limits.admit(Cost::of(RequestKind::Place), venue_ms)?;
        let (mut encoded_ns, mut refused) = (0, None);
        let (builder, clock) = (&mut self.builder, &self.clock);
        ws.send_text_with(MAX_REQUEST_LEN, |out| match builder.place(out, order, symbol, venue_ms) {
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
        let tag = RequestTag::new(RequestKind::Place, order.order.0);
        self.sent(tag, order.instrument, order.side, written_ns);
        self.reports.say(Body::Sent { order: order.order, encoded_ns, written_ns });
        Ok(())
    }

    fn sent(&mut self, tag: RequestTag, instrument: InstrumentId, side: Side, now: Nanos) {
        self.limits.sent(Cost::of(tag.kind));
        let (deadline, others) = (now + self.request_timeout_ns, Default::default());
        self.inflight.push(Request { tag, instrument, side, deadline, others });
    }

    /// Sends a request that `encode` writes. Such a request is never lost without a word: an error is the caller's to
    /// tell.
    fn send(
        &mut self,
        ws: &mut WebSocket,
        tag: RequestTag,
        instrument: InstrumentId,
        side: Side,
        encode: impl FnOnce(&mut RequestBuilder, &mut Vec<u8>, &str, i64),
    ) -> Result<(), GatewayError> {
        let now = self.clock.now();
        if now < self.paused {
            return Err(GatewayError::Paused { s: (self.paused - now) / 1_000_000_000 + 1 });
        }
        if self.inflight.is_full() {
            return Err(GatewayError::TooManyUnanswered);
        }
        let symbol = self.symbols.get(instrument.index()).and_then(Option::as_deref);
        let symbol = match (symbol, tag.kind) {
            (Some(symbol), _) => symbol,
            (None, RequestKind::Subscribe | RequestKind::Logon) => "",
            (None, _) => return Err(GatewayError::NoSymbol),
        };
        let venue_ms = self.sync.venue_ms(now);
        self.limits.admit(Cost::of(tag.kind), venue_ms)?;
        let builder = &mut self.builder;
        ws.send_text_with(MAX_REQUEST_LEN, |out| {
            encode(builder, out, symbol, venue_ms);
            true
        })?;
        self.sent(tag, instrument, side, now);
        Ok(())
    }

    /// One that cannot be sent is a refused cancel: the order stands as it stood.
    pub fn cancel(&mut self, ws: &mut WebSocket, cancel: &CancelOrder) {
        let tag = RequestTag::new(RequestKind::Cancel, cancel.order.0);
        let target = OrderRef { order: cancel.order, venue_order_id: cancel.venue_order_id };
        let sent = self.send(ws, tag, cancel.instrument, Side::default(), |builder, out, symbol, now_ms| {
            builder.cancel(out, target, symbol, now_ms);
        });
        if let Err(error) = sent {
            self.counters.not_sent.add(1);
            self.report(
                cancel.order,
                cancel.instrument,
                Side::default(),
                ExecType::CancelRejected,
                Said::own(&error.to_string()),
                0,
            );
        }
    }

    /// The cancels arrive as events of the orders.
    pub fn cancel_all(&mut self, ws: &mut WebSocket, instrument: InstrumentId) {
        self.requests += 1;
        let value = self.requests;
        let tag = RequestTag::new(RequestKind::CancelAll, value);
        let sent = self.send(ws, tag, instrument, Side::default(), |builder, out, symbol, now_ms| {
            builder.cancel_all(out, value, symbol, now_ms);
        });
        if let Err(error) = sent {
            tracing::error!(%error, %instrument, "cancel of all orders is not sent");
        }
    }

    /// A question that cannot be sent is asked again by the core.
    pub fn query(&mut self, ws: &mut WebSocket, query: &QueryOrder) {
        let tag = RequestTag::new(RequestKind::OrderStatus, query.order.0);
        let venue_order_id = self.known.venue_order_id(query.order).unwrap_or(VenueOrderId::NONE);
        let target = OrderRef { order: query.order, venue_order_id };
        let sent = self.send(ws, tag, query.instrument, query.side, |builder, out, symbol, now_ms| {
            builder.order_status(out, target, symbol, now_ms);
        });
        if let Err(error) = sent {
            tracing::warn!(%error, order = query.order.0, "question about an order is not sent");
        }
    }

    /// What writes and signs the requests: it is exchanged with the key.
    pub fn builder_mut(&mut self) -> &mut RequestBuilder {
        &mut self.builder
    }

    /// Whether the key can log a connection on.
    pub fn can_log_on(&self) -> bool {
        self.builder.can_log_on()
    }

    /// Whether orders go unsigned.
    pub fn is_session(&self) -> bool {
        self.builder.is_session()
    }

    /// Whether orders go by a link that is logged on, and so unsigned.
    pub fn set_session(&mut self, logged_on: bool) {
        self.builder.set_session(logged_on);
    }

    /// Logs the link on.
    pub fn logon(&mut self, ws: &mut WebSocket) -> Result<(), GatewayError> {
        self.requests += 1;
        let value = self.requests;
        let tag = RequestTag::new(RequestKind::Logon, value);
        self.send(ws, tag, InstrumentId::UNKNOWN, Side::default(), |builder, out, _, now_ms| {
            builder.logon(out, value, now_ms);
        })
    }

    /// Opens the private stream on a link that is logged on, or is not.
    pub fn subscribe(&mut self, ws: &mut WebSocket, logged_on: bool) -> Result<(), GatewayError> {
        self.requests += 1;
        let value = self.requests;
        let tag = RequestTag::new(RequestKind::Subscribe, value);
        self.send(ws, tag, InstrumentId::UNKNOWN, Side::default(), |builder, out, _, now_ms| {
            // The link need not be the one that orders go by.
            let orders = builder.is_session();
            builder.set_session(logged_on);
            builder.subscribe(out, value, now_ms);
            builder.set_session(orders);
        })
    }

    /// The link is gone: nothing in flight will be answered, and what it did is not known.
    pub fn link_lost(&mut self) {
        self.builder.set_session(false);
        self.balance_times.fill(0);
        while let Some(request) = self.inflight.lost() {
            self.settle(&request, &[], self.clock.now());
            self.unanswered(&request, "the link was lost before the answer");
        }
    }

    /// Requests whose time is over.
    pub fn expire(&mut self, now: Nanos) -> Heard {
        let mut heard = Heard::Nothing;
        while let Some(request) = self.inflight.expired(now) {
            self.settle(&request, &[], now);
            self.unanswered(&request, "no answer within the time limit");
            match request.tag.kind {
                RequestKind::Subscribe => {
                    heard = Heard::Over("no answer to the subscription of the private stream".to_owned());
                }
                RequestKind::Logon => heard = Heard::Over("no answer to the logon".to_owned()),
                _ => {}
            }
        }
        heard
    }

    /// Nothing more comes of a request: what it used of the limits is what its answer says.
    #[inline]
    fn settle(&mut self, request: &Request, heard: &[RateCount], now: Nanos) {
        let venue_ms = self.sync.venue_ms(now);
        self.limits.answered(Cost::of(request.tag.kind), heard, venue_ms);
        let near = self.limits.is_near(LIMITS_NEAR_PCT, venue_ms);
        if std::mem::replace(&mut self.limits_near, near) != near {
            self.tell_condition(AlarmKind::RateLimitNear, near);
        }
    }

    /// The venue's clock has been measured.
    pub fn tell_clock(&mut self, off: bool) {
        if std::mem::replace(&mut self.clock_off, off) != off {
            self.tell_condition(AlarmKind::ClockOff, off);
        }
    }

    fn tell_condition(&mut self, kind: AlarmKind, is_so: bool) {
        self.reports.say(Body::Condition { kind, scope: Scope::Venue(self.venue), is_so });
    }

    pub(super) fn unanswered(&mut self, request: &Request, why: &str) {
        self.counters.unanswered.add(1);
        match request.tag.kind {
            kind if is_about_orders(kind) => {
                for order in request.orders() {
                    self.report(order, request.instrument, request.side, ExecType::Unknown, Said::own(why), 0);
                }
            }
            RequestKind::Test => self.tested(request.tag.value, TestOutcome::NoAnswer, 0, why, 0),
            // The core asks again, and the session looks after itself.
            _ => tracing::warn!(kind = ?request.tag.kind, why, "a request has no answer"),
        }
    }

    /// A report that the gateway makes itself, about an order that a request was for.
    #[allow(clippy::too_many_arguments)] // what a report says, no more
    pub(super) fn report(
        &mut self,
        order: OrderId,
        instrument: InstrumentId,
        side: Side,
        exec: ExecType,
        said: Said<'_>,
        recv_ns: Nanos,
    ) {
        let report = ExecReport {
            venue: self.venue,
            instrument,
            order,
            exec,
            side,
            reject: said.reject,
            code: said.code as i32,
            text: Text::new(said.text),
            ts_event_ns: recv_ns,
            ..ExecReport::default()
        };
        self.reports.push(Input::at(recv_ns, Body::Exec(report)));
    }

    /// One frame of the order link.
    pub fn on_frame(&mut self, frame: &[u8], recv_ns: Nanos) -> Heard {
        if response::is_event(frame) { self.on_event(frame, recv_ns) } else { self.on_answer(frame, recv_ns) }
    }

    fn on_event(&mut self, frame: &[u8], recv_ns: Nanos) -> Heard {
        match self.decoder.user_event(frame) {
            Ok(UserEvent::Exec(report)) => self.on_report(report, recv_ns),
            Ok(UserEvent::Position) => {
                let decoded_ns = self.clock.now();
                for at in 0..self.decoder.position().len() {
                    let balance = self.decoder.position()[at];
                    self.on_balance(balance, recv_ns, decoded_ns);
                }
                Heard::Nothing
            }
            // The position that these change follows in an event of its own.
            Ok(UserEvent::BalanceChange { .. } | UserEvent::ListStatus | UserEvent::ExternalLock) => Heard::Nothing,
            Ok(UserEvent::StreamTerminated) => Heard::Over("the venue ended the private stream".to_owned()),
            Ok(UserEvent::ServerShutdown) => Heard::GoesDown,
            Err(error) => {
                self.counters.undecodable.add(1);
                tracing::warn!(%error, "an event of the private stream cannot be read");
                // One of a new kind is none of the kinds that matter; any other may have been a fill.
                if error == DecodeError::UnknownType { Heard::Nothing } else { Heard::Missed }
            }
        }
    }

    pub(super) fn on_report(&mut self, report: ExecReport, recv_ns: Nanos) -> Heard {
        let ours = report.order != OrderId::FOREIGN;
        if !ours && report.instrument == InstrumentId::UNKNOWN {
            self.counters.foreign.add(1);
            return Heard::Nothing;
        }
        if ours {
            self.known.remember(report.venue_order_id, report.order);
        }
        let decoded_ns = self.clock.now();
        self.reports.push(Input { recv_ns, decoded_ns, body: Body::Exec(report) });
        let filled = report.exec == ExecType::Trade && report.cum_qty >= report.order_qty;
        if ours && (filled || matches!(report.exec, ExecType::Canceled | ExecType::Expired | ExecType::Rejected)) {
            Heard::Closed(report.order)
        } else {
            Heard::Nothing
        }
    }

    /// Passes a balance on, unless a newer one has been: what REST answers may be older than what the stream said.
    pub fn on_balance(&mut self, balance: Balance, recv_ns: Nanos, decoded_ns: Nanos) {
        let Some(newest) = self.balance_times.get_mut(balance.asset.index()) else { return };
        if balance.ts_event_ns >= *newest {
            *newest = balance.ts_event_ns;
            self.reports.push(Input { recv_ns, decoded_ns, body: Body::Balance(balance) });
        }
    }

    fn on_answer(&mut self, frame: &[u8], recv_ns: Nanos) -> Heard {
        let answer = match response::decode(frame) {
            Ok(answer) => answer,
            Err(error) => {
                // Whatever it answered runs into its time limit and is then unknown.
                self.counters.undecodable.add(1);
                tracing::warn!(%error, "an answer cannot be read");
                return Heard::Nothing;
            }
        };
        let request = answer.tag.and_then(|tag| self.inflight.answered(tag));
        match &request {
            Some(request) => self.settle(request, answer.limits.as_slice(), recv_ns),
            None => self.limits.heard(answer.limits.as_slice(), self.sync.venue_ms(recv_ns)),
        }
        if let Answer::Error(error) = &answer.answer {
            self.heed(error, recv_ns);
        }
        match (answer.tag, answer.answer) {
            (None, Answer::Error(error)) => Heard::Over(format!("{} (code {})", error.text, error.code)),
            (None, Answer::Result(_)) => Heard::Nothing,
            (Some(tag), Answer::Result(result)) => self.on_result(tag, result, request, recv_ns),
            (Some(tag), Answer::Error(error)) => match request {
                Some(request) => {
                    let heard = self.on_error(&request, &error, recv_ns);
                    if error.class == ErrorClass::Auth && self.is_session() {
                        return Heard::Over(format!("the session is void: {} (code {})", error.text, error.code));
                    }
                    heard
                }
                None => {
                    tracing::warn!(kind = ?tag.kind, code = error.code, text = error.text, "an answer came too late");
                    Heard::Nothing
                }
            },
        }
    }

    /// An answer to a request that may have been given up: what it says of an order counts all the same.
    fn on_result(&mut self, tag: RequestTag, result: &[u8], request: Option<Request>, recv_ns: Nanos) -> Heard {
        match tag.kind {
            RequestKind::Subscribe => return Heard::Subscribed,
            RequestKind::Logon => return Heard::LoggedOn,
            RequestKind::Place | RequestKind::Cancel | RequestKind::OrderStatus => {}
            RequestKind::Test => {
                self.tested(tag.value, TestOutcome::Accepted, 0, "", recv_ns);
                return Heard::Nothing;
            }
            RequestKind::PlaceList | RequestKind::Amend | RequestKind::Replace => {
                return self.on_compound(tag, result, request, recv_ns);
            }
            _ => return Heard::Nothing,
        }
        match self.decoder.order(result) {
            Ok(mut report) => {
                // The venue may show a cancelled order under its cancel's id; the question knew whose it was.
                report.order = tag.order();
                if let Some(request) = request
                    && tag.kind == RequestKind::Place
                {
                    report.side = request.side;
                }
                self.on_report(report, recv_ns)
            }
            // A cancel that took a list with it is answered with the list.
            Err(_) if tag.kind == RequestKind::Cancel && self.decoder.list(result).is_ok() => {
                self.on_compound(tag, result, request, recv_ns)
            }
            Err(error) => {
                self.counters.undecodable.add(1);
                tracing::warn!(%error, kind = ?tag.kind, "an answer cannot be read");
                if let Some(request) = request {
                    self.unanswered(&request, "the answer cannot be read");
                }
                Heard::Nothing
            }
        }
    }

    fn on_error(&mut self, request: &Request, error: &ApiError, recv_ns: Nanos) -> Heard {
        use ErrorClass as E;
        let done = match request.tag.kind {
            RequestKind::Replace => {
                self.on_replace_error(request, error, recv_ns);
                return Heard::Nothing;
            }
            RequestKind::Place | RequestKind::PlaceList if error.class.is_not_executed() => ExecType::Rejected,
            RequestKind::Cancel | RequestKind::Amend if error.class.is_not_executed() => ExecType::CancelRejected,
            RequestKind::Place | RequestKind::PlaceList | RequestKind::Cancel | RequestKind::Amend => ExecType::Unknown,
            RequestKind::OrderStatus => match error.class {
                E::NoSuchOrder => ExecType::NotFound,
                // Closed without a fill, long ago.
                E::Archived => ExecType::Canceled,
                // Says nothing of the order; the core asks again.
                _ => {
                    tracing::warn!(code = error.code, text = error.text, "a question about an order is refused");
                    return Heard::Nothing;
                }
            },
            RequestKind::Subscribe => {
                return Heard::Over(format!("the private stream is refused: {} (code {})", error.text, error.code));
            }
            RequestKind::Logon => return Heard::LogonRefused(format!("{} (code {})", error.text, error.code)),
            RequestKind::Test => {
                // A test changes nothing, so whether it ran is no question: a verdict is what is about the order.
                let outcome =
                    if error.class.is_about_the_order() { TestOutcome::Refused } else { TestOutcome::NoAnswer };
                self.tested(request.tag.value, outcome, error.code, error.text, recv_ns);
                return Heard::Nothing;
            }
            _ => {
                tracing::warn!(kind = ?request.tag.kind, code = error.code, text = error.text, "a request is refused");
                return Heard::Nothing;
            }
        };
        for order in request.orders() {
            self.report(order, request.instrument, request.side, done, said_of(error, done), recv_ns);
        }
        Heard::Nothing
    }

    /// What the headers of a REST answer say about the limits.
    pub fn heed_headers(&mut self, headers: &[(String, String)]) {
        let venue_ms = self.sync.venue_ms(self.clock.now());
        for count in headers.iter().filter_map(|(name, value)| header_count(name, value)) {
            self.limits.heard(&[count], venue_ms);
        }
    }

    /// What an error means for the requests after it.
    fn heed(&mut self, error: &ApiError, now: Nanos) {
        match error.class {
            ErrorClass::Clock => self.sync.resync(),
            ErrorClass::RateLimited | ErrorClass::Banned => {
                let until = error.retry_after_ms.map_or(now + PAUSE_NS, |ms| self.sync.local_ns(ms));
                tracing::error!(code = error.code, text = error.text, "the venue wants fewer requests");
                // -1015 is the limit of new orders alone: cancels pass.
                if error.code == -1015 {
                    self.orders_paused = self.orders_paused.max(until);
                } else {
                    self.pause(until);
                }
            }
            ErrorClass::Auth => tracing::error!(code = error.code, text = error.text, "the venue refuses the key"),
            _ => {}
        }
    }
}

impl From<SendError> for GatewayError {
    fn from(error: SendError) -> GatewayError {
        GatewayError::Unwritten(error)
    }
}
