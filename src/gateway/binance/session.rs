//! The session's life: clock and instruments, connection, private stream, reconciliation, and all of it again.

use super::calls::{self, Refusal, TRADES_PAGE};
use super::clock_sync::Measured;
use super::desk::Heard;
use super::reconcile::{Ask, Backfill, Reconcile};
use super::references::Question;
use super::renewal::By;
use super::{Gateway, GatewayError};
use crate::core::effect::EffectOf;
use crate::core::event::{Body, Input};
use crate::domain::{InstrumentId, Nanos, OrderId, Text, VenueState};
use crate::net::RestResponse;
use crate::net::ws::{WsError, WsState};
use crate::venues::binance::DecodeError;
use crate::venues::binance::account::server_time;
use crate::venues::binance::errors::ErrorClass;
use crate::venues::binance::exchange_info::{self, InstrumentContext};
use crate::venues::binance::limits::Cost;
use std::error::Error;

/// Frames and effects of one turn: a burst must not keep the other work of the thread waiting.
const FRAMES_MAX: usize = 256;
const EFFECTS_MAX: usize = 64;

/// Between two looks at a permit that does not hold.
const PERMIT_WAIT_NS: Nanos = 100_000_000;

/// The venue's code for a symbol that never had a reference price (§11.3).
const NO_REFERENCE_PRICE: i64 = -2043;

/// Where the session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The venue's clock or its instruments are not known yet.
    Starting,
    Waiting {
        until: Nanos,
    },
    Connecting,
    /// Connected; the key is one that can log the connection on, and has been told to.
    LoggingOn,
    /// The private stream is asked for.
    Subscribing,
    /// Both up; the core is told and asks for a reconciliation.
    Syncing,
    Ready,
}

impl Phase {
    /// Whether the order link and the private stream are up.
    fn is_up(self) -> bool {
        matches!(self, Phase::Syncing | Phase::Ready)
    }
}

/// What a REST request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Time,
    Info { all: bool },
    Step(Ask),
    Besides(InstrumentId, Question),
}

impl Call {
    /// What the venue counts for it (§10.1, §10.2).
    pub(super) fn cost(self) -> Cost {
        let weight = match self {
            Call::Time => 1,
            Call::Info { .. } => 20,
            Call::Step(Ask::Trades { .. } | Ask::Account) => 20,
            Call::Step(Ask::Order { .. }) => 4,
            Call::Step(Ask::OpenOrders) => 80,
            Call::Besides(_, Question::OwnFilters) => 40,
            Call::Besides(..) => 2,
        };
        // Nothing trades before it is reconciled, and no cancel is wanted for what is not known.
        Cost { weight, orders: 0, urgent: !matches!(self, Call::Besides(..)) }
    }
}

impl Gateway {
    pub(super) fn take_effects(&mut self, now: Nanos) -> usize {
        let mut taken = 0;
        while taken < EFFECTS_MAX
            && let Some(effect) = self.effects.try_recv()
        {
            taken += 1;
            let venue = self.desk.venue;
            match &effect {
                EffectOf::Place(order) if order.get().venue == venue => {
                    self.desk.place(&mut self.ws, order.get(), self.phase == Phase::Ready);
                }
                EffectOf::PlaceList { kind, first, second, third } if first.get().venue == venue => {
                    let legs = [first.get(), second.get(), third.as_ref().unwrap_or(second).get()];
                    self.desk.place_list(&mut self.ws, *kind, legs, self.phase == Phase::Ready);
                }
                EffectOf::Replace { cancel, mode, new } if cancel.venue == venue => {
                    self.desk.replace(&mut self.ws, cancel, *mode, new.get(), self.phase == Phase::Ready);
                }
                EffectOf::Amend { order, qty } if order.venue == venue => self.desk.amend(&mut self.ws, order, *qty),
                EffectOf::Test { request, order } if order.get().venue == venue => {
                    self.desk.test(&mut self.ws, *request, order.get(), self.phase == Phase::Ready);
                }
                EffectOf::Cancel(cancel) if cancel.venue == venue => self.desk.cancel(&mut self.ws, cancel),
                EffectOf::CancelAll { venue: of, instrument } if *of == venue => {
                    self.desk.cancel_all(&mut self.ws, *instrument);
                }
                // One of a link that is gone is answered by the next reconciliation.
                EffectOf::Query(query) if query.venue == venue && self.phase.is_up() => {
                    self.desk.query(&mut self.ws, query);
                }
                EffectOf::Backfill { venue: of, instrument, from, since_ns } if *of == venue => {
                    self.backfills.retain(|b| b.instrument != *instrument);
                    self.backfills.push(Backfill { instrument: *instrument, from: *from, since_ns: *since_ns });
                }
                EffectOf::Reconcile { venue: of } if *of == venue => self.begin_reconcile(now),
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
        self.calls_out.retain(|(_, call)| !matches!(call, Call::Step(_)));
        self.reconcile = Some(Reconcile::new(&backfills, self.desk.sync.offset_ns()));
        self.on_reconcile_begun();
        self.step_after = now;
    }

    pub(super) fn read_link(&mut self, now: Nanos) -> usize {
        if matches!(self.phase, Phase::Starting | Phase::Waiting { .. }) {
            return 0;
        }
        let mut frames = 0;
        while frames < FRAMES_MAX && self.desk.reports.has_room() {
            let Gateway { ws, desk, twice, next, old, .. } = self;
            // While another link is subscribed, or about to be, this link's events may be heard there too.
            let by = match (next, old) {
                (_, Some(_)) => Some(By::Current),
                (Some(_), _) => Some(By::Old),
                _ => None,
            };
            let heard = match ws.poll(now) {
                Ok(Some(message)) if by.is_some_and(|by| twice.is_told(&desk.counters, by, message.payload)) => {
                    Heard::Nothing
                }
                Ok(Some(message)) => desk.on_frame(message.payload, message.recv_ns),
                Ok(None) => break,
                Err(error) => {
                    self.on_link_error(&error, now);
                    return frames + 1;
                }
            };
            frames += 1;
            self.on_heard(heard, now);
        }
        match (self.phase, self.ws.state()) {
            (Phase::Connecting, WsState::Open) => {
                self.next_ping = now + self.config.read_timeout_ns / 3;
                frames += 1;
                if self.desk.can_log_on() {
                    self.phase = Phase::LoggingOn;
                    if let Err(error) = self.desk.logon(&mut self.ws) {
                        self.lost(&error.to_string(), now);
                    }
                } else {
                    self.subscribe(false, now);
                }
            }
            // A write found the link broken.
            (
                Phase::Connecting | Phase::LoggingOn | Phase::Subscribing | Phase::Syncing | Phase::Ready,
                WsState::Closed,
            ) => {
                self.lost("the connection is broken", now);
                frames += 1;
            }
            _ => {}
        }
        frames
    }

    fn subscribe(&mut self, logged_on: bool, now: Nanos) {
        self.desk.set_session(logged_on);
        self.phase = Phase::Subscribing;
        if let Err(error) = self.desk.subscribe(&mut self.ws, logged_on) {
            self.lost(&error.to_string(), now);
        }
    }

    fn on_link_error(&mut self, error: &WsError, now: Nanos) {
        if let WsError::Refused { status: 418 | 429, retry_after_s, .. } = error {
            self.desk.pause(now + i64::from(retry_after_s.unwrap_or(10)) * 1_000_000_000);
        }
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        self.lost(&format!("{error}{cause}"), now);
    }

    pub(super) fn on_heard(&mut self, heard: Heard, now: Nanos) {
        match heard {
            Heard::Nothing => {}
            Heard::LoggedOn if self.phase == Phase::LoggingOn => self.subscribe(true, now),
            // The key signs all the same: slower by its signature, and nothing else is lost.
            Heard::LogonRefused(why) if self.phase == Phase::LoggingOn => {
                tracing::warn!(venue = %self.name, why, "the venue refuses the logon: requests are signed one by one");
                self.subscribe(false, now);
            }
            Heard::LoggedOn | Heard::LogonRefused(_) => {}
            Heard::Subscribed if self.phase == Phase::Subscribing => {
                self.phase = Phase::Syncing;
                self.renew_at = now + self.config.renew_after_ns;
                self.tell(VenueState::Syncing);
            }
            Heard::Subscribed => {}
            Heard::GoesDown if self.phase.is_up() => {
                tracing::info!(venue = %self.name, "the venue's server goes down: moving to another link");
                self.renew_at = now;
            }
            Heard::GoesDown => self.lost("the venue's server goes down", now),
            Heard::Closed(order) => {
                if let Some(reconcile) = &mut self.reconcile {
                    reconcile.on_closed(order);
                }
            }
            Heard::Missed if self.phase.is_up() => {
                self.phase = Phase::Syncing;
                self.reconcile = None;
                self.tell(VenueState::Syncing);
            }
            Heard::Missed => {}
            Heard::Over(why) => self.lost(&why, now),
        }
    }

    fn tell(&mut self, state: VenueState) {
        self.told = state;
        self.desk.reports.say(Body::VenueState { venue: self.desk.venue, state });
    }

    /// The link or the private stream is gone. The core hears that first, so that it sends nothing more, and then that
    /// whatever was in flight is unknown.
    fn lost(&mut self, why: &str, now: Nanos) {
        if matches!(self.phase, Phase::Starting | Phase::Waiting { .. }) {
            return;
        }
        if self.told != VenueState::Down {
            self.tell(VenueState::Down);
        }
        self.desk.link_lost();
        self.ws.abort();
        self.forget_next(why);
        self.old = None;
        self.reconcile = None;
        self.calls_out.retain(|(_, call)| !matches!(call, Call::Step(_)));
        let wait = self.backoff.fail();
        self.desk.counters.reconnects.add(1);
        tracing::warn!(venue = %self.name, why, wait_ms = wait / 1_000_000, "order link lost, connecting again");
        self.phase = Phase::Waiting { until: now + wait };
    }

    /// Everything that time brings.
    pub(super) fn keep_time(&mut self, now: Nanos) -> usize {
        // While the core is too slow for the reports the link is not read: its answers are not late, and it is not dead.
        let reading = self.desk.reports.has_room();
        if reading {
            match self.desk.expire(now) {
                // A link that is up has nothing of its own to be subscribed for.
                Heard::Over(why) if self.phase.is_up() => self.renewal_failed(&why, now),
                heard => self.on_heard(heard, now),
            }
        }
        let mut work = 0;
        if now >= self.desk.paused() {
            if self.desk.sync.due(now) {
                self.desk.sync.asked(now);
                let request = self.calls.time();
                work += self.submit(Call::Time, request);
            }
            if self.info_due(now) {
                let all = self.info_all;
                let symbols: Vec<&str> = self.config.instruments.iter().map(|wanted| wanted.symbol.as_str()).collect();
                let request = self.calls.exchange_info(if all { &[] } else { &symbols });
                work += self.submit(Call::Info { all }, request);
            }
            work += self.take_step(now) + self.ask_besides(now);
        }
        match self.phase {
            Phase::Starting if self.info_known && self.desk.sync.is_known() && now >= self.desk.paused() => {
                work + self.connect(now)
            }
            Phase::Waiting { until } if now >= until.max(self.desk.paused()) => work + self.connect(now),
            Phase::LoggingOn | Phase::Subscribing | Phase::Syncing | Phase::Ready => {
                if !self.leave.holds(now, self.config.venue) {
                    self.lost("the permit for live trading has ended", now);
                } else if reading && now - self.ws.last_recv() > self.config.read_timeout_ns {
                    self.lost("nothing was heard for too long", now);
                } else if now >= self.next_ping {
                    self.next_ping = now + self.config.read_timeout_ns / 3;
                    // Where it cannot be written the link is broken, and the next read says so.
                    let _ = self.ws.send_ping();
                }
                work
            }
            _ => work,
        }
    }

    fn info_due(&self, now: Nanos) -> bool {
        !self.info_known
            && now >= self.info_after
            && !self.calls_out.iter().any(|(_, call)| matches!(call, Call::Info { .. }))
    }

    fn connect(&mut self, now: Nanos) -> usize {
        if !self.leave.holds(now, self.config.venue) {
            // No permit, no session: looked at anew in a moment.
            self.phase = Phase::Waiting { until: now + PERMIT_WAIT_NS };
            return 0;
        }
        self.phase = Phase::Connecting;
        if let Err(error) = self.ws.connect(&mut *self.network, &self.endpoint, &self.target, &[], now) {
            self.on_link_error(&error, now);
        }
        // Filters and states of instruments may have changed while nobody listened.
        self.info_known &= self.desk.counters.reconnects.get() == 0;
        1
    }

    pub(super) fn submit(&mut self, call: Call, request: crate::net::RestRequest) -> usize {
        self.next_call += 1;
        let venue_ms = self.desk.sync.venue_ms(self.desk.clock.now());
        self.desk.limits.spent(call.cost(), venue_ms);
        self.calls_out.push((self.next_call, call));
        self.rest.submit(self.next_call, request);
        1
    }

    /// Asks the reconciliation's next question, where none is out.
    fn take_step(&mut self, now: Nanos) -> usize {
        let out = self.calls_out.iter().any(|(_, call)| matches!(call, Call::Step(_)));
        let Some(reconcile) = self.reconcile.as_ref().filter(|_| !out && now >= self.step_after) else { return 0 };
        let Some(ask) = reconcile.ask() else {
            return if self.references.is_swept() { self.reconciled() } else { 0 };
        };
        let now_ms = self.desk.sync.venue_ms(self.desk.clock.now());
        if let Err(exceeded) = self.desk.limits.admit(Call::Step(ask).cost(), now_ms) {
            tracing::warn!(venue = %self.name, %exceeded, "the reconciliation waits");
            self.step_after = now + Nanos::from(exceeded.wait_s) * 1_000_000_000;
            return 0;
        }
        let symbols = &self.desk.decoder.names().symbols;
        let request = match ask {
            Ask::Trades { instrument, from } => {
                symbols.symbol(instrument).map(|symbol| self.calls.my_trades(symbol, from, now_ms))
            }
            Ask::Order { instrument, venue_order_id } => {
                symbols.symbol(instrument).map(|symbol| self.calls.order(symbol, venue_order_id, now_ms))
            }
            Ask::OpenOrders => Some(self.calls.open_orders(now_ms)),
            Ask::Account => Some(self.calls.account(now_ms)),
        };
        match request {
            Some(request) => self.submit(Call::Step(ask), request),
            // The core knows an instrument of an earlier configuration: nobody can be asked about it.
            None => {
                tracing::warn!(?ask, "an instrument is configured no more, its fills are not asked for");
                self.step_taken(ask, b"[]", now)
            }
        }
    }

    fn reconciled(&mut self) -> usize {
        self.reconcile = None;
        self.on_reconcile_done();
        self.backoff.succeed();
        self.desk.reports.say(Body::Reconciled { venue: self.desk.venue });
        self.phase = Phase::Ready;
        if self.told != VenueState::Ready {
            self.tell(VenueState::Ready);
            tracing::info!(venue = %self.name, "reconciled, ready for orders");
        }
        1
    }

    pub(super) fn read_rest(&mut self, now: Nanos) -> usize {
        let mut answers = 0;
        while self.desk.reports.has_room()
            && let Some((id, outcome)) = self.rest.poll()
        {
            answers += 1;
            if let Ok(response) = &outcome {
                self.desk.heed_headers(&response.headers);
            }
            // One that is not waited for belonged to a reconciliation that was given up.
            if let Some(at) = self.calls_out.iter().position(|(out, _)| *out == id) {
                let call = self.calls_out.swap_remove(at).1;
                self.on_rest(call, outcome, now);
            }
        }
        answers
    }

    fn on_rest(&mut self, call: Call, outcome: Result<RestResponse, String>, now: Nanos) {
        let body = match calls::judge(outcome) {
            Ok(body) => body,
            Err(refusal) => return self.on_refusal(call, &refusal, now),
        };
        let read = match call {
            Call::Time => server_time(&body).map(|venue| {
                if let Some(measured) = self.desk.sync.answered(self.desk.clock.now(), venue) {
                    self.on_clock(measured);
                }
            }),
            Call::Info { .. } => self.on_info(&body, now),
            Call::Besides(instrument, question) => self.on_besides(instrument, question, &body, now),
            Call::Step(ask) => {
                self.step_taken(ask, &body, now);
                return;
            }
        };
        match read {
            Ok(()) => self.rest_backoff.succeed(),
            Err(error) => self.on_unreadable(call, error, now),
        }
    }

    /// A clock that runs away takes the orders' stamps with it: said before the venue refuses them.
    fn on_clock(&mut self, measured: Measured) {
        let Measured { offset_ns, round_trip_ns } = measured;
        let (offset_us, round_trip_us) = (offset_ns / 1_000, round_trip_ns / 1_000);
        let off = offset_ns.abs().max(round_trip_ns) > self.config.clock_offset_alarm_ns;
        self.desk.tell_clock(off);
        if off {
            self.desk.counters.clock_alarms.add(1);
            let alarm_us = self.config.clock_offset_alarm_ns / 1_000;
            tracing::error!(
                venue = %self.name, offset_us, round_trip_us, alarm_us,
                "this machine's clock is far from the venue's, or the way there is long: check NTP and the network"
            );
        } else {
            tracing::debug!(venue = %self.name, offset_us, round_trip_us, "the venue's clock is measured");
        }
    }

    fn on_unreadable(&mut self, call: Call, error: DecodeError, now: Nanos) {
        self.desk.counters.undecodable.add(1);
        let text = format!("the answer cannot be read: {error}");
        self.on_refusal(call, &Refusal { class: None, code: 0, text, retry_after_ns: None }, now);
    }

    /// The question is asked again, later.
    fn on_refusal(&mut self, call: Call, refusal: &Refusal, now: Nanos) {
        if let Some(wait) = refusal.retry_after_ns {
            self.desk.pause(now + wait);
        }
        if refusal.class == Some(ErrorClass::Clock) {
            self.desk.sync.resync();
        }
        // An order that the venue does not know is nobody's that we could serve.
        if let (Call::Step(Ask::Order { venue_order_id, .. }), Some(ErrorClass::NoSuchOrder | ErrorClass::Archived)) =
            (call, refusal.class)
        {
            self.desk.known.remember(venue_order_id, OrderId::FOREIGN);
            return self.tell_fills(|reconcile, known| reconcile.on_order(known), now);
        }
        // One symbol that the venue does not list refuses them all: ask for every symbol and say which is missing.
        let unlisted = matches!(refusal.class, Some(ErrorClass::Malformed | ErrorClass::NotTradable));
        if call == (Call::Info { all: false }) && unlisted {
            self.info_all = true;
            return;
        }
        if let Call::Besides(instrument, _) = call {
            if refusal.code == NO_REFERENCE_PRICE {
                self.references.no_reference(instrument);
            } else {
                tracing::warn!(?call, why = %refusal.text, "a question is not answered, asking in the next round");
            }
            return self.references.done(false, now);
        }
        let wait = self.rest_backoff.fail();
        tracing::warn!(?call, why = %refusal.text, wait_ms = wait / 1_000_000, "a question is not answered, asking again");
        match call {
            Call::Time => self.desk.sync.failed(now, wait),
            Call::Info { .. } => self.info_after = now + wait,
            Call::Step(_) | Call::Besides(..) => self.step_after = now + wait,
        }
    }

    fn on_info(&mut self, body: &[u8], now: Nanos) -> Result<(), DecodeError> {
        let context = InstrumentContext {
            venue: self.desk.venue,
            usd_assets: &self.config.usd_assets,
            taker_fee_ppm: self.taker_fee_ppm,
        };
        let assets = &self.desk.decoder.names().assets;
        let info = exchange_info::parse(body, &self.config.instruments, context, assets)?;
        for (symbol, refusal) in &info.refused {
            tracing::error!(%symbol, %refusal, "the symbol cannot be traded");
        }
        self.instruments = info.instruments;
        self.info_known = true;
        self.references.set(&self.instruments, now);
        self.desk.limits.set(&info.limits);
        self.say_instruments();
        Ok(())
    }

    fn say_instruments(&mut self) {
        for instrument in &self.instruments {
            self.desk.reports.say(Body::Instrument(*instrument));
        }
    }

    /// An answer to the reconciliation. Says 1.
    fn step_taken(&mut self, ask: Ask, body: &[u8], now: Nanos) -> usize {
        let read = match ask {
            Ask::Trades { .. } => self.desk.decoder.trades(body).map(|page| {
                let full = page.len() >= TRADES_PAGE;
                self.tell_fills(|reconcile, known| reconcile.on_trades(page, full, known), now);
            }),
            Ask::Order { venue_order_id, .. } => self.desk.decoder.order(body).map(|report| {
                self.desk.known.remember(venue_order_id, report.order);
                self.tell_fills(|reconcile, known| reconcile.on_order(known), now);
            }),
            Ask::OpenOrders => self.desk.decoder.open_orders(body).map(|orders| {
                let Some(reconcile) = &mut self.reconcile else { return };
                for report in reconcile.on_open_orders(orders) {
                    self.desk.known.remember(report.venue_order_id, report.order);
                    self.desk.reports.push(Input::at(now, Body::Exec(report)));
                }
            }),
            Ask::Account => self.desk.decoder.balances(body).map(|account| {
                for balance in account.balances {
                    self.desk.on_balance(balance, now, now);
                }
                if std::mem::replace(&mut self.barred, !account.can_trade) == account.can_trade {
                    let why = if account.can_trade { "" } else { "the account may not trade (canTrade is false)" };
                    tracing::warn!(venue = %self.name, can_trade = account.can_trade, "what the account may do has changed");
                    let (venue, text) = (self.desk.venue, Text::new(why));
                    self.desk.reports.say(Body::Barred { venue, text });
                }
                if let Some(fee) = account.taker_fee_ppm.filter(|fee| *fee != self.taker_fee_ppm) {
                    self.taker_fee_ppm = fee;
                    self.instruments.iter_mut().for_each(|instrument| instrument.taker_fee_ppm = fee);
                    self.say_instruments();
                }
                if let Some(reconcile) = &mut self.reconcile {
                    reconcile.on_account();
                }
            }),
        };
        match read {
            Ok(()) => self.rest_backoff.succeed(),
            Err(error) => self.on_unreadable(Call::Step(ask), error, now),
        }
        1
    }

    fn tell_fills(
        &mut self,
        told: impl FnOnce(&mut Reconcile, &crate::gateway::known::KnownOrders) -> Vec<crate::domain::ExecReport>,
        now: Nanos,
    ) {
        let Some(reconcile) = &mut self.reconcile else { return };
        for fill in told(reconcile, &self.desk.known) {
            self.desk.reports.push(Input::at(now, Body::Exec(fill)));
        }
    }
}

impl From<crate::net::url::UrlError> for GatewayError {
    fn from(error: crate::net::url::UrlError) -> GatewayError {
        GatewayError::Url(error)
    }
}
