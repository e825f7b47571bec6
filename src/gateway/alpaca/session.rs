//! The session's life: what the account and its assets are, the stream, reconciliation, and all of it again.

use super::AlpacaGateway;
use super::ask::{Answer, Call};
use super::lanes::Job;
use super::reconcile::{Ask, Backfill, Reconcile};
use crate::core::effect::EffectOf;
use crate::core::event::Body;
use crate::domain::{Nanos, OrderId, Tested, VenueState};
use crate::net::ws::{WsError, WsState};
use crate::venues::alpaca::errors::{ApiError, ErrorClass};
use crate::venues::alpaca::updates::{self, Frame};
use crate::venues::alpaca::{DecodeError, account, orders, request};
use std::error::Error;

/// Frames, effects and answers of one turn: a burst must not keep the other work of the thread waiting.
const FRAMES_MAX: usize = 256;
const EFFECTS_MAX: usize = 64;
/// Questions that may be out at once, so that one more slow answer does not hold up all others.
const QUESTIONS_MAX: usize = 2;
/// Assets are asked for again when a connection is made so long after they were.
const INFO_AGE_MAX_NS: Nanos = 3_600_000_000_000;
/// The account's worth is asked for this long after the last time at the earliest: each costs a request of the limit.
const WORTH_EVERY_NS: Nanos = 1_000_000_000;
/// An order that changes something about the account is waited for this long before its worth is asked for.
const WORTH_QUIET_NS: Nanos = 50_000_000;
/// What an order and a cancel are told that came without a permit.
const NO_PERMIT: &str = "no permit for live trading holds";
/// A venue that refuses the key will not change its mind soon.
const REFUSED_NS: Nanos = 30_000_000_000;

/// Where the session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The account or its assets are not known yet.
    Starting,
    Waiting {
        until: Nanos,
    },
    Connecting,
    Authorizing,
    Listening,
    /// The stream is up; the core is told and asks for a reconciliation.
    Syncing,
    Ready,
}

impl Phase {
    fn is_up(self) -> bool {
        matches!(self, Phase::Syncing | Phase::Ready)
    }
}

impl AlpacaGateway {
    pub(super) fn take_effects(&mut self, now: Nanos) -> usize {
        let mut taken = 0;
        while taken < EFFECTS_MAX
            && let Some(effect) = self.effects.try_recv()
        {
            taken += 1;
            let venue = self.config.names.venue;
            match &effect {
                EffectOf::Place(order) if order.get().venue == venue => self.place(Job::Place(*order.get()), now),
                EffectOf::PlaceList { kind, first, second, third } if first.get().venue == venue => {
                    // Two where there is no third.
                    let last = third.as_ref().unwrap_or(second);
                    let legs = [*first.get(), *second.get(), *last.get()];
                    self.place(Job::List { kind: *kind, legs }, now);
                }
                EffectOf::Replace { cancel, mode, new } if cancel.venue == venue => {
                    self.place(Job::Replace { cancel: *cancel, mode: *mode, new: *new.get() }, now);
                }
                EffectOf::Test { request, order } if order.get().venue == venue => {
                    let why = "Alpaca has no test of an order: only the gate's verdict can be had";
                    self.reports.say(Body::Tested(Tested::not_asked(*request, why)));
                }
                EffectOf::Cancel(cancel) if cancel.venue == venue => self.cancel(*cancel, now),
                EffectOf::CancelAll { venue: of, instrument } if *of == venue => self.cancel_all.push(*instrument),
                // One while the stream is down is answered by the next reconciliation.
                EffectOf::Query(query) if query.venue == venue && self.phase.is_up() => self.query(query),
                EffectOf::Backfill { venue: of, since_ns, .. } if *of == venue => {
                    self.backfills.push(Backfill { since_ns: *since_ns });
                }
                EffectOf::Reconcile { venue: of } if *of == venue => self.begin_reconcile(now),
                _ => {}
            }
        }
        self.cancel_everything(now);
        taken
    }

    /// No permit holds: the session ends, nothing leaves by any way, and what is wanted is refused. Answers to what went
    /// out before wait, since some of them lead to more.
    pub(super) fn bar(&mut self, now: Nanos) -> usize {
        self.lost("the permit for live trading has ended", 0, now);
        let mut taken = 0;
        while taken < EFFECTS_MAX
            && let Some(effect) = self.effects.try_recv()
        {
            taken += 1;
            let venue = self.config.names.venue;
            match &effect {
                EffectOf::Place(order) if order.get().venue == venue => self.not_sent(order.get().order, NO_PERMIT),
                EffectOf::Cancel(cancel) if cancel.venue == venue => self.refuse_cancel(cancel, NO_PERMIT),
                // What was not told is asked for when the session is back.
                _ => {}
            }
        }
        taken
    }

    /// A second one while one is under way starts it anew: what was told so far is told again, and does no harm.
    fn begin_reconcile(&mut self, now: Nanos) {
        let backfills = std::mem::take(&mut self.backfills);
        if !self.phase.is_up() {
            return;
        }
        self.out.retain(|(_, call)| !matches!(call, Call::Step(_)));
        self.asks.retain(|call| !matches!(call, Call::Step(_)));
        self.reconcile = Some(Reconcile::new(&backfills));
        self.ask_after = self.ask_after.min(now);
    }

    pub(super) fn read_stream(&mut self, now: Nanos) -> usize {
        if matches!(self.phase, Phase::Starting | Phase::Waiting { .. }) {
            return 0;
        }
        let mut frames = 0;
        while frames < FRAMES_MAX && self.reports.has_room() {
            let frame = match self.ws.poll(now) {
                // Paper sends its JSON in binary frames, live in text ones (§16.2).
                Ok(Some(message)) => updates::frame(message.payload, &self.config.names),
                Ok(None) => break,
                Err(error) => {
                    self.on_stream_error(&error, now);
                    return frames + 1;
                }
            };
            frames += 1;
            let recv_ns = self.clock.now();
            self.on_frame(frame, recv_ns, now);
            if matches!(self.phase, Phase::Waiting { .. }) {
                return frames;
            }
        }
        match (self.phase, self.ws.state()) {
            (Phase::Connecting, WsState::Open) => {
                self.next_ping = now + self.config.read_timeout_ns / 3;
                self.phase = Phase::Authorizing;
                let logon = request::authenticate(&self.config.api_key, &self.config.secret);
                self.say(&logon, now);
                frames + 1
            }
            // A write found the connection broken.
            (_, WsState::Closed) => {
                self.lost("the connection is broken", 0, now);
                frames + 1
            }
            _ => frames,
        }
    }

    fn say(&mut self, text: &str, now: Nanos) {
        if let Err(error) = self.ws.send_text(text.as_bytes()) {
            self.lost(&error.to_string(), 0, now);
        }
    }

    fn on_frame(&mut self, frame: Result<Frame, DecodeError>, recv_ns: Nanos, now: Nanos) {
        match frame {
            Ok(Frame::Update(update)) => {
                if self.on_update(*update, recv_ns) {
                    self.missed();
                }
            }
            Ok(Frame::Authorized) if self.phase == Phase::Authorizing => {
                self.phase = Phase::Listening;
                self.say(request::LISTEN, now);
            }
            Ok(Frame::Listening(true)) if self.phase == Phase::Listening => {
                self.phase = Phase::Syncing;
                self.tell(VenueState::Syncing);
            }
            Ok(Frame::Listening(false)) => self.lost("the trade updates are not granted", REFUSED_NS, now),
            Ok(Frame::Unauthorized(text)) => {
                tracing::error!(
                    venue = %self.config.name, text,
                    "the venue refuses the key: is it one of this host? paper and live have keys of their own"
                );
                self.lost("the venue refuses the key", REFUSED_NS, now);
            }
            Ok(Frame::Error(text)) => self.lost(&format!("the venue's stream fails: {text}"), 0, now),
            Ok(Frame::Authorized | Frame::Listening(true) | Frame::Nothing) => {}
            Err(error) => {
                self.undecodable("an event of the private stream", &error.to_string());
                self.missed();
            }
        }
    }

    /// Something of ours may have been missed: the venue is asked for everything, and takes no order meanwhile.
    pub(super) fn missed(&mut self) {
        if self.phase.is_up() {
            self.phase = Phase::Syncing;
            self.reconcile = None;
            self.tell(VenueState::Syncing);
        }
    }

    fn on_stream_error(&mut self, error: &WsError, now: Nanos) {
        let wait = match error {
            WsError::Refused { status: 401 | 403, .. } => REFUSED_NS,
            WsError::Refused { retry_after_s: Some(seconds), .. } => i64::from(*seconds) * 1_000_000_000,
            _ => 0,
        };
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        self.lost(&format!("{error}{cause}"), wait, now);
    }

    fn tell(&mut self, state: VenueState) {
        self.told = state;
        self.reports.say(Body::VenueState { venue: self.config.names.venue, state });
    }

    /// The stream is gone. The core hears that first, so that it sends nothing more. Answers of requests that are out
    /// still come: those connections are others.
    fn lost(&mut self, why: &str, at_least: Nanos, now: Nanos) {
        if matches!(self.phase, Phase::Starting | Phase::Waiting { .. }) {
            return;
        }
        if self.told != VenueState::Down {
            self.tell(VenueState::Down);
        }
        self.rekey_lost();
        let waiting: Vec<Job> = self.lanes.drain().collect();
        for job in waiting {
            self.job_not_sent(&job, "the private stream was lost before it was sent");
        }
        self.ws.abort();
        self.reconcile = None;
        self.asks.retain(|call| !matches!(call, Call::Step(_) | Call::Worth { .. }));
        self.out.retain(|(_, call)| !matches!(call, Call::Step(_) | Call::Worth { .. }));
        self.account_due = false;
        let wait = self.backoff.fail().max(at_least);
        self.counters.reconnects.add(1);
        tracing::warn!(venue = %self.config.name, why, wait_ms = wait / 1_000_000, "private stream lost, connecting again");
        self.phase = Phase::Waiting { until: now + wait };
    }

    /// Everything that time brings.
    pub(super) fn keep_time(&mut self, now: Nanos) -> usize {
        let mut work = self.ask_next(now);
        match self.phase {
            Phase::Starting if self.is_informed() => work += self.connect(now),
            Phase::Waiting { until } if now >= until => {
                if now - self.info_ns > INFO_AGE_MAX_NS {
                    self.phase = Phase::Starting;
                    self.standing.forget();
                } else {
                    work += self.connect(now);
                }
            }
            Phase::Starting | Phase::Waiting { .. } => {}
            _ if self.reports.has_room() && now - self.ws.last_recv() > self.config.read_timeout_ns => {
                self.lost("nothing was heard for too long", 0, now);
            }
            _ if now >= self.next_ping => {
                self.next_ping = now + self.config.read_timeout_ns / 3;
                // Where it cannot be written the link is broken, and the next read says so.
                let _ = self.ws.send_ping();
            }
            _ => {}
        }
        work
    }

    fn connect(&mut self, now: Nanos) -> usize {
        self.phase = Phase::Connecting;
        if let Err(error) = self.ws.connect(&mut *self.network, &self.endpoint, &self.target, &[], now) {
            self.on_stream_error(&error, now);
        }
        1
    }

    /// The next question that may be asked: of the start, of the reconciliation, of what waits, of the account.
    fn ask_next(&mut self, now: Nanos) -> usize {
        if now < self.ask_after || self.questions_out() >= QUESTIONS_MAX {
            return 0;
        }
        let Some(call) = self.next_question(now) else { return 0 };
        let Some(request) = self.question(call, now) else { return 0 };
        if let Err(exceeded) = self.submit(call, request, now) {
            tracing::warn!(venue = %self.config.name, %exceeded, "a question waits");
            self.ask_after = now + exceeded.wait_s.clamp(1, 60) * 1_000_000_000;
            if !matches!(
                call,
                Call::Step(_) | Call::Terms | Call::Settings | Call::Calendar | Call::Asset { .. } | Call::Worth { .. }
            ) {
                self.asks.push_front(call);
            }
            return 0;
        }
        if let Call::Worth { .. } = call {
            self.account_due = false;
            self.account_after = now + WORTH_EVERY_NS;
        }
        1
    }

    fn questions_out(&self) -> usize {
        self.out.iter().filter(|(_, call)| !call.acts()).count()
    }

    fn next_question(&mut self, now: Nanos) -> Option<Call> {
        if self.phase == Phase::Starting {
            let alone = |call: Call| (!self.is_out(|out| *out == call)).then_some(call);
            if !self.standing.knows_account() {
                return alone(Call::Terms);
            }
            if !self.standing.knows_settings() {
                return alone(Call::Settings);
            }
            let at = self.standing.instruments.len();
            let wanted = at < self.config.names.wanted.len();
            let out = self.is_out(|call| matches!(call, Call::Asset { .. }));
            return (wanted && !out).then_some(Call::Asset { at });
        }
        if let Some(call) = self.asks.pop_front() {
            return Some(call);
        }
        if let Some(reconcile) = &mut self.reconcile {
            let told = reconcile.take_orders();
            let ask = reconcile.ask();
            for report in told {
                self.known.remember(report.venue_order_id, report.order);
                self.push(report, now);
            }
            if self.is_out(|call| matches!(call, Call::Step(_))) {
                return None;
            }
            let Some(ask) = ask else {
                self.reconciled();
                return None;
            };
            return Some(Call::Step(ask));
        }
        if self.wants_calendar(now) && !self.is_out(|call| *call == Call::Calendar) {
            return Some(Call::Calendar);
        }
        let quiet = now - self.changed_ns >= WORTH_QUIET_NS
            && !self.is_out(|call| matches!(call, Call::Place { .. } | Call::List { .. } | Call::Replace { .. }));
        let due = self.account_due && self.phase == Phase::Ready && now >= self.account_after && quiet;
        (due && !self.is_out(|call| matches!(call, Call::Worth { .. }))).then_some(Call::Worth { asked_ns: now })
    }

    /// The request that asks a question. `None` where it cannot be asked.
    fn question(&self, call: Call, now: Nanos) -> Option<request::Request> {
        Some(match call {
            Call::Terms | Call::Worth { .. } | Call::Step(Ask::Account) => request::account(),
            Call::Settings | Call::Step(Ask::Settings) => request::configurations(),
            Call::Calendar => self.calendar_request(now)?,
            Call::Asset { at } => request::asset(&self.config.names.wanted.get(at)?.symbol),
            Call::Query { order, id, .. } if id.is_none() => self.by_own_id(order),
            Call::Query { id, .. } | Call::Look { id } | Call::Step(Ask::Order { id }) => request::order(id),
            Call::Step(Ask::Clock) => request::clock(),
            Call::Step(Ask::Open { before }) => {
                let mut request = request::orders(request::Listing {
                    status: "open",
                    limit: request::ORDERS_PAGE,
                    nested: true,
                    ..Default::default()
                });
                if !before.is_none() {
                    let id = crate::venues::alpaca::value::uuid_text(before.hi, before.lo);
                    request.path.push_str("&before_order_id=");
                    request.path.push_str(&id);
                }
                request
            }
            Call::Step(Ask::Closed { since_ns }) => request::orders(request::Listing {
                status: "closed",
                limit: request::ORDERS_PAGE,
                nested: true,
                after_ns: Some(since_ns),
                ..Default::default()
            }),
            Call::Step(Ask::Fills { since_ns }) => {
                request::fills(since_ns, self.reconcile.as_ref().map_or("", |reconcile| &reconcile.token))
            }
            Call::Step(Ask::Positions) => request::positions(),
            Call::Place { .. }
            | Call::List { .. }
            | Call::Replace { .. }
            | Call::Cancel { .. }
            | Call::CancelAll
            | Call::CancelListed
            | Call::ListToCancel { .. } => return None,
        })
    }

    pub(super) fn read_answers(&mut self, now: Nanos) -> usize {
        let mut answers = 0;
        while answers < FRAMES_MAX
            && self.reports.has_room()
            && let Some((call, answer)) = self.next_answer(now)
        {
            answers += 1;
            let recv_ns = self.clock.now();
            match call {
                Call::Place { order, instrument, side } => self.on_place(order, instrument, side, answer, recv_ns),
                Call::List { orders, instrument, side } => self.on_list(orders, instrument, side, answer, recv_ns),
                Call::Replace { old, order, instrument, side } => {
                    self.on_replace(old, order, instrument, side, answer, recv_ns);
                }
                Call::Cancel { order, instrument } => self.on_cancel(order, instrument, answer, recv_ns),
                Call::CancelAll => self.on_cancel_all(answer),
                Call::ListToCancel { .. } => self.on_list_to_cancel(answer, now),
                Call::CancelListed => {
                    if let Answer::Refused(error) = answer
                        && !matches!(error.class, ErrorClass::NotFound | ErrorClass::WrongState)
                    {
                        tracing::error!(venue = %self.config.name, %error, "an order is NOT cancelled");
                    }
                }
                Call::Query { .. } => self.on_query(call, answer, recv_ns),
                Call::Look { .. } => self.on_look(answer, recv_ns),
                Call::Terms
                | Call::Settings
                | Call::Calendar
                | Call::Asset { .. }
                | Call::Worth { .. }
                | Call::Step(_) => {
                    self.on_question(call, answer, recv_ns, now);
                }
            }
        }
        answers
    }

    fn on_question(&mut self, call: Call, answer: Answer, recv_ns: Nanos, now: Nanos) {
        let why = match answer {
            Answer::Done(body) => match self.on_answer(call, &body, recv_ns) {
                Ok(()) => return self.ask_backoff.succeed(),
                Err(error) => {
                    self.counters.undecodable.add(1);
                    format!("the answer cannot be read: {error}")
                }
            },
            // A refusal for good, where what is asked for can be done without.
            Answer::Refused(error) if is_for_good(&error) && can_do_without(call) => match call {
                Call::Settings => return self.without_settings(&error.to_string()),
                Call::Step(Ask::Settings) => {
                    self.without_settings(&error.to_string());
                    return self.step(Reconcile::on_settings);
                }
                Call::Calendar => return self.without_calendar(now),
                _ => error.to_string(),
            },
            // An order that the venue does not know is nobody's that we could serve.
            Answer::Refused(error) if error.class == ErrorClass::NotFound => match call {
                Call::Step(Ask::Order { id }) => {
                    self.known.remember(id, OrderId::FOREIGN);
                    return self.on_owner(recv_ns);
                }
                Call::Asset { at } => {
                    let symbol = self.config.names.wanted.get(at).map(|wanted| wanted.symbol.as_str());
                    format!("the venue lists no {}", symbol.unwrap_or_default())
                }
                _ => error.to_string(),
            },
            Answer::Refused(error) if error.class == ErrorClass::Auth => {
                self.ask_after = now + REFUSED_NS;
                self.key_refused();
                format!("{error}; is the key one of this host? paper and live have keys of their own")
            }
            Answer::Refused(error) => error.to_string(),
            Answer::None(why) => why,
        };
        if call == Call::Calendar {
            return self.calendar_failed(&why, now);
        }
        let wait = self.ask_backoff.fail();
        self.ask_after = self.ask_after.max(now + wait);
        self.account_due |= matches!(call, Call::Worth { .. });
        tracing::warn!(venue = %self.config.name, ?call, why, wait_ms = wait / 1_000_000, "a question is not answered, asking again");
    }

    fn on_answer(&mut self, call: Call, body: &[u8], recv_ns: Nanos) -> Result<(), DecodeError> {
        match call {
            Call::Terms => {
                let account = account::account(body)?;
                self.judge(&account);
            }
            Call::Settings => {
                let settings = account::configuration(body)?;
                self.on_settings(settings);
            }
            Call::Calendar => self.on_calendar(body, recv_ns)?,
            Call::Asset { at } => self.on_asset(at, body)?,
            Call::Worth { asked_ns } => {
                let account = account::account(body)?;
                if asked_ns > self.changed_ns {
                    self.on_account(&account, recv_ns);
                } else {
                    // Orders came and went meanwhile: what of them it has counted is not known.
                    self.account_due = true;
                }
            }
            Call::Step(ask) => self.on_step(ask, body, recv_ns)?,
            _ => {}
        }
        Ok(())
    }

    fn on_step(&mut self, ask: Ask, body: &[u8], recv_ns: Nanos) -> Result<(), DecodeError> {
        match ask {
            Ask::Clock => {
                self.offset_ns = account::clock(body)?.now_ns - recv_ns;
                let offset = self.offset_ns;
                self.tell_clock();
                self.move_calendar(recv_ns);
                self.step(|reconcile| reconcile.on_clock(offset));
            }
            Ask::Open { .. } | Ask::Closed { .. } => {
                let mut listed = orders::orders(body, &self.config.names)?;
                for order in &mut listed {
                    if let Some(known) = self.known.order(order.id).filter(|known| *known != OrderId::FOREIGN) {
                        order.order = known;
                    }
                    for leg in &mut order.legs {
                        if let Some(known) = self.known.order(leg.id).filter(|known| *known != OrderId::FOREIGN) {
                            leg.order = known;
                        }
                    }
                }
                listed.iter().for_each(|order| self.learn(order));
                let names = &self.config.names;
                if let Some(reconcile) = &mut self.reconcile {
                    match ask {
                        Ask::Open { .. } => reconcile.on_open(&listed, names),
                        _ => reconcile.on_closed_list(&listed, names),
                    }
                }
            }
            Ask::Fills { .. } => {
                let page = account::activities(body, &self.config.names)?;
                let Some(reconcile) = &mut self.reconcile else { return Ok(()) };
                let told = reconcile.on_fills(page, &self.known);
                self.tell_fills(told, recv_ns);
            }
            Ask::Order { id } => {
                let order = orders::order(body, &self.config.names)?;
                self.learn(&order);
                // One that is not ours must be known as such, or it would be asked for without end.
                if self.known.order(id).is_none() {
                    self.known.remember(id, order.order);
                }
                self.on_owner(recv_ns);
            }
            Ask::Positions => {
                let positions = account::positions(body, &self.config.names)?;
                self.on_positions(&positions, recv_ns);
                self.step(Reconcile::on_positions);
            }
            Ask::Account => {
                let account = account::account(body)?;
                self.on_account(&account, recv_ns);
                self.step(Reconcile::on_account);
            }
            Ask::Settings => {
                let settings = account::configuration(body)?;
                self.on_settings(settings);
                self.step(Reconcile::on_settings);
            }
        }
        Ok(())
    }

    fn on_owner(&mut self, recv_ns: Nanos) {
        let Some(reconcile) = &mut self.reconcile else { return };
        let told = reconcile.on_order(&self.known);
        self.tell_fills(told, recv_ns);
    }

    fn step(&mut self, step: impl FnOnce(&mut Reconcile)) {
        if let Some(reconcile) = &mut self.reconcile {
            step(reconcile);
        }
    }

    fn reconciled(&mut self) {
        self.reconcile = None;
        self.backoff.succeed();
        self.reports.say(Body::Reconciled { venue: self.config.names.venue });
        self.phase = Phase::Ready;
        if self.told != VenueState::Ready {
            self.tell(VenueState::Ready);
            tracing::info!(venue = %self.config.name, "reconciled, ready for orders");
        }
    }
}

/// Whether asking again would be refused again. A key that is not known (401) is told as such by every call.
fn is_for_good(error: &ApiError) -> bool {
    error.status != 401 && !matches!(error.class, ErrorClass::UnknownOutcome | ErrorClass::RateLimited)
}

/// What a key may be refused and the venue still be traded at: the account's own flags and the configured hours hold.
fn can_do_without(call: Call) -> bool {
    matches!(call, Call::Settings | Call::Step(Ask::Settings) | Call::Calendar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_may_not_ask_for_settings_or_calendar_trades_without_them() {
        let refused = |status, class| ApiError { status, code: 0, text: String::new(), class };
        for (error, for_good) in [
            (refused(403, ErrorClass::Auth), true),
            (refused(404, ErrorClass::NotFound), true),
            (refused(401, ErrorClass::Auth), false),
            (refused(429, ErrorClass::RateLimited), false),
            (refused(500, ErrorClass::UnknownOutcome), false),
        ] {
            assert_eq!(is_for_good(&error), for_good, "{error}");
        }
        assert!(can_do_without(Call::Settings) && can_do_without(Call::Calendar));
        assert!(can_do_without(Call::Step(Ask::Settings)) && !can_do_without(Call::Asset { at: 0 }));
    }
}
