//! Orders to requests; answers and updates to reports.

use super::AlpacaGateway;
use super::ask::{Answer, Call};
use super::lanes::Job;
use super::session::Phase;
use crate::core::effect::{CancelOrder, QueryOrder};
use crate::core::event::{Body, Input};
use crate::domain::{
    AssetId, Balance, ExecReport, ExecType, InstrumentId, Nanos, NewOrder, OrderId, Qty, Round, Side, Text,
    VenueOrderId, num,
};
use crate::gateway::reports::Said;
use crate::venues::alpaca::account::Position;
use crate::venues::alpaca::errors::{ApiError, ErrorClass};
use crate::venues::alpaca::orders::{self, VenueOrder};
use crate::venues::alpaca::updates::{Event, Update};
use crate::venues::alpaca::{MONEY_SCALE, PX_SCALE, QTY_SCALE, request};

/// Of a fill, what a commission in the coin itself may be at most, as one part in so many: more, and the position
/// moved for another reason.
const COIN_FEE_MAX: i64 = 50;
/// A refusal in a report.
pub(super) fn said_of(error: &ApiError) -> Said<'_> {
    Said { code: error.code, text: &error.text, ..Said::default() }
}

/// Cancels that wait for the venue's id; one more is refused.
const PARKED_MAX: usize = 1024;

impl AlpacaGateway {
    /// Sends an order, a list or a replacement, or lets it wait for the one before it; or says that it never will be.
    pub(super) fn place(&mut self, job: Job, now: Nanos) {
        if self.lanes.is_free(job.first().instrument) {
            return self.send(&job, now, now);
        }
        if !self.lanes.wait(job, now) {
            self.job_not_sent(&job, "too many orders wait for the venue's answers");
        }
    }

    /// Sends what waited, where it may go now.
    pub(super) fn send_waiting(&mut self, now: Nanos) -> usize {
        let mut sent = 0;
        while let Some(job) = self.lanes.overdue(now) {
            self.job_not_sent(&job, "it waited too long for the order before it");
            sent += 1;
        }
        while let Some((since, job)) = self.lanes.next() {
            self.send(&job, since, now);
            sent += 1;
        }
        sent
    }

    fn send(&mut self, job: &Job, since: Nanos, now: Nanos) {
        if let Err(why) = self.try_send(job, now) {
            return self.job_not_sent(job, &why);
        }
        self.changed_ns = now;
        self.lanes.sent(job.first().instrument);
        let written_ns = self.clock.now();
        for order in job.orders() {
            self.reports.say(Body::Sent { order: order.order, encoded_ns: since.max(now), written_ns });
        }
    }

    fn try_send(&mut self, job: &Job, now: Nanos) -> Result<(), String> {
        if self.phase != Phase::Ready {
            return Err("the venue is not ready for orders".to_owned());
        }
        let NewOrder { order, instrument, side, .. } = *job.first();
        let (call, request) = match job {
            Job::Place(placed) => {
                let wanted = self.config.names.wanted(instrument).ok_or("the instrument is not one of this venue")?;
                let on = request::Ground {
                    symbol: &wanted.symbol,
                    crypto: wanted.is_crypto(),
                    held: Qty(self.held.get(instrument.index()).copied().flatten().unwrap_or(0)),
                    fractions_extended: self.standing.fractions_extended(&wanted.symbol),
                };
                let request = self.builder.place(placed, on);
                (Call::Place { order, instrument, side }, request.map_err(|error| error.to_string())?)
            }
            Job::List { kind, .. } => {
                let mut orders = [OrderId::FOREIGN; 3];
                orders.iter_mut().zip(job.orders()).for_each(|(place, made)| *place = made.order);
                (Call::List { orders, instrument, side }, self.list_request(*kind, job.orders())?)
            }
            Job::Replace { cancel, mode, new } => {
                let call = Call::Replace { old: cancel.order, order, instrument, side };
                (call, self.replace_request(cancel, *mode, new)?)
            }
        };
        self.submit(call, request, now).map_err(|exceeded| exceeded.to_string())
    }

    pub(super) fn not_sent(&mut self, order: OrderId, why: &str) {
        self.counters.not_sent.add(1);
        self.reports.say(Body::NotSent { order, text: Text::new(why) });
    }

    /// The venue's id of an order, by the core's word or by what was heard.
    pub(super) fn venue_id(&self, order: OrderId, told: VenueOrderId) -> Option<VenueOrderId> {
        if told.is_none() { self.known.venue_order_id(order) } else { Some(told) }
    }

    pub(super) fn cancel(&mut self, cancel: CancelOrder, now: Nanos) {
        if let Some(job) = self.lanes.withdraw(cancel.order) {
            // It has not gone yet, and now it never will.
            return self.job_not_sent(&job, "cancelled before it was sent");
        }
        let Some(id) = self.venue_id(cancel.order, cancel.venue_order_id) else {
            if self.parked.len() >= PARKED_MAX {
                return self.refuse_cancel(&cancel, "too many cancels wait for the venue's ids");
            }
            self.parked.push(cancel);
            // Where its own answer is not on the way, somebody must ask.
            if !self.is_out(|call| call.makes(cancel.order)) {
                let (order, instrument) = (cancel.order, cancel.instrument);
                let call = Call::Query { order, instrument, side: Side::default(), id: VenueOrderId::NONE };
                self.asks.push_back(call);
            }
            return;
        };
        let call = Call::Cancel { order: cancel.order, instrument: cancel.instrument };
        match self.submit(call, request::cancel(id), now) {
            Ok(()) => self.lanes.sent(cancel.instrument),
            Err(exceeded) => self.refuse_cancel(&cancel, &exceeded.to_string()),
        }
    }

    /// The order stands as it stood.
    pub(super) fn refuse_cancel(&mut self, cancel: &CancelOrder, why: &str) {
        self.counters.not_sent.add(1);
        self.report(cancel.order, cancel.instrument, Side::default(), ExecType::CancelRejected, Said::own(why), 0);
    }

    /// Cancels whose orders the venue has named meanwhile go; those whose orders it does not have are refused.
    fn unpark(&mut self, order: OrderId, lost: Option<&str>, now: Nanos) {
        while let Some(at) = self.parked.iter().position(|cancel| cancel.order == order) {
            let cancel = self.parked.swap_remove(at);
            match lost {
                Some(why) => self.refuse_cancel(&cancel, why),
                None => self.cancel(cancel, now),
            }
        }
    }

    /// The cancels of this turn: of all there is in one request, or instrument by instrument.
    pub(super) fn cancel_everything(&mut self, now: Nanos) {
        let asked = std::mem::take(&mut self.cancel_all);
        if asked.is_empty() {
            return;
        }
        let all = self.config.names.wanted.iter().all(|wanted| asked.contains(&wanted.id));
        if all {
            if let Err(exceeded) = self.submit(Call::CancelAll, request::cancel_all(), now) {
                tracing::error!(venue = %self.config.name, %exceeded, "cancel of all orders is not sent");
            }
            return;
        }
        for instrument in asked {
            let Some(symbol) = self.config.names.wanted(instrument).map(|wanted| wanted.symbol.clone()) else {
                continue;
            };
            let symbols = [symbol.as_str()];
            let listing = request::Listing {
                status: "open",
                symbols: &symbols,
                limit: request::ORDERS_PAGE,
                ..Default::default()
            };
            if let Err(exceeded) = self.submit(Call::ListToCancel { instrument }, request::orders(listing), now) {
                tracing::error!(venue = %self.config.name, %exceeded, symbol, "cancel of all orders is not sent");
            }
        }
    }

    /// A question that cannot be sent, or that concerns an order which has not gone yet, is asked again by the core.
    pub(super) fn query(&mut self, query: &QueryOrder) {
        if self.lanes.holds(query.order) {
            return;
        }
        let same = |call: &Call| matches!(call, Call::Query { order, .. } if *order == query.order);
        if self.is_out(same) || self.asks.iter().any(same) {
            return;
        }
        let id = self.venue_id(query.order, VenueOrderId::NONE).unwrap_or(VenueOrderId::NONE);
        let (order, instrument, side) = (query.order, query.instrument, query.side);
        self.asks.push_back(Call::Query { order, instrument, side, id });
    }

    /// A report that the gateway makes itself.
    #[allow(clippy::too_many_arguments)] // the members of one report
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
            venue: self.config.names.venue,
            instrument,
            order,
            exec,
            side,
            reject: said.reject,
            // The venue's codes have eight digits.
            code: i32::try_from(said.code).unwrap_or(0),
            text: Text::new(said.text),
            ts_event_ns: recv_ns,
            ..ExecReport::default()
        };
        self.reports.push(Input::at(recv_ns, Body::Exec(report)));
    }

    pub(super) fn push(&mut self, report: ExecReport, recv_ns: Nanos) {
        let decoded_ns = self.clock.now();
        self.reports.push(Input { recv_ns, decoded_ns, body: Body::Exec(report) });
    }

    /// An order and its exits are known by the venue's ids from now on.
    pub(super) fn learn(&mut self, order: &VenueOrder) {
        for member in order.family() {
            if member.order != OrderId::FOREIGN {
                self.known.remember(member.id, member.order);
                self.compounds.told(member);
            }
        }
    }

    /// An order that the venue has taken, and its exits.
    pub(super) fn tell_placed(&mut self, placed: &VenueOrder, recv_ns: Nanos) {
        self.learn(placed);
        for member in placed.family().filter(|member| member.order != OrderId::FOREIGN) {
            // Accepted: what has become of it since then comes by the stream, fills with it.
            let exec = match member.status.exec() {
                ExecType::Rejected => ExecType::Rejected,
                _ => ExecType::New,
            };
            let report = member.report_as(&self.config.names, exec);
            self.push(report, recv_ns);
            self.unpark(member.order, None, recv_ns);
        }
    }

    /// An order that the venue did not take, or about which it is not clear whether it did.
    pub(super) fn refused(
        &mut self,
        order: OrderId,
        instrument: InstrumentId,
        side: Side,
        error: &ApiError,
        recv_ns: Nanos,
    ) {
        if error.class.is_not_executed() {
            let said = Said { reject: error.class.reject_reason(), ..said_of(error) };
            self.report(order, instrument, side, ExecType::Rejected, said, recv_ns);
            self.unpark(order, Some("the venue refused the order"), recv_ns);
            self.note(error);
        } else {
            // The id is taken: this very order arrived before, or nothing of ours is what it seems. Ask.
            self.unknown(order, instrument, side, &error.text, recv_ns);
        }
    }

    pub(super) fn on_place(
        &mut self,
        order: OrderId,
        instrument: InstrumentId,
        side: Side,
        answer: Answer,
        recv_ns: Nanos,
    ) {
        self.lanes.answered(instrument);
        self.changed_ns = recv_ns;
        match answer {
            Answer::Done(body) => match orders::order(&body, &self.config.names) {
                Ok(mut placed) => {
                    placed.order = order;
                    self.tell_placed(&placed, recv_ns);
                }
                Err(error) => {
                    self.counters.undecodable.add(1);
                    self.unknown(order, instrument, side, &format!("the answer cannot be read: {error}"), recv_ns);
                }
            },
            Answer::Refused(error) => self.refused(order, instrument, side, &error, recv_ns),
            Answer::None(why) => {
                tracing::warn!(venue = %self.config.name, order = order.0, why, "an order has no answer");
                self.unknown(order, instrument, side, "no answer from the venue", recv_ns);
            }
        }
    }

    pub(super) fn unknown(&mut self, order: OrderId, instrument: InstrumentId, side: Side, why: &str, recv_ns: Nanos) {
        self.counters.unanswered.add(1);
        // By the stream it may have come to be known before.
        match self.known.venue_order_id(order) {
            Some(_) => self.unpark(order, None, recv_ns),
            None => self.unpark(order, Some("what became of the order is not known"), recv_ns),
        }
        self.report(order, instrument, side, ExecType::Unknown, Said::own(why), recv_ns);
    }

    pub(super) fn on_cancel(&mut self, order: OrderId, instrument: InstrumentId, answer: Answer, recv_ns: Nanos) {
        self.lanes.answered(instrument);
        let side = Side::default();
        match answer {
            // Asked for, and no more than that: the stream says when it is over (§7.5).
            Answer::Done(_) => {}
            Answer::Refused(error) if error.class.is_not_executed() => {
                self.report(order, instrument, side, ExecType::CancelRejected, said_of(&error), recv_ns);
                self.note(&error);
            }
            Answer::Refused(error) => self.unknown(order, instrument, side, &error.text, recv_ns),
            Answer::None(why) => self.unknown(order, instrument, side, &why, recv_ns),
        }
    }

    pub(super) fn on_cancel_all(&mut self, answer: Answer) {
        let items = match answer {
            Answer::Done(body) => orders::bulk(&body).map_err(|error| error.to_string()),
            Answer::Refused(error) => Err(error.to_string()),
            Answer::None(why) => Err(why),
        };
        match items {
            Ok(items) => {
                for item in items.iter().filter(|item| !item.is_done()) {
                    let (status, code, text) = (item.status, item.code, item.text.as_str());
                    tracing::error!(venue = %self.config.name, status, code, text, "an order is NOT cancelled");
                }
            }
            Err(why) => tracing::error!(venue = %self.config.name, why, "cancel of all orders failed"),
        }
    }

    /// The open orders of an instrument, to be cancelled one by one: there is no such request for an instrument.
    pub(super) fn on_list_to_cancel(&mut self, answer: Answer, now: Nanos) {
        let listed = match answer {
            Answer::Done(body) => orders::orders(&body, &self.config.names).map_err(|error| error.to_string()),
            Answer::Refused(error) => Err(error.to_string()),
            Answer::None(why) => Err(why),
        };
        match listed {
            Ok(listed) => {
                for order in listed {
                    if let Err(exceeded) = self.submit(Call::CancelListed, request::cancel(order.id), now) {
                        tracing::error!(venue = %self.config.name, %exceeded, "an order is NOT cancelled");
                    }
                }
            }
            Err(why) => tracing::error!(venue = %self.config.name, why, "cancel of all orders failed"),
        }
    }

    pub(super) fn on_query(&mut self, call: Call, answer: Answer, recv_ns: Nanos) {
        let Call::Query { order, instrument, side, .. } = call else { return };
        match answer {
            Answer::Done(body) => match orders::order(&body, &self.config.names) {
                Ok(mut found) => {
                    // By the venue's id, of an exit: its own client order id is not ours.
                    if found.order == OrderId::FOREIGN {
                        found.order = order;
                    }
                    self.learn(&found);
                    for member in found.family().filter(|member| member.order != OrderId::FOREIGN) {
                        let report = member.report(&self.config.names);
                        self.push(report, recv_ns);
                    }
                    self.unpark(order, None, recv_ns);
                }
                Err(error) => self.undecodable("an answer", &error.to_string()),
            },
            Answer::Refused(error) if error.class == ErrorClass::NotFound => {
                self.report(order, instrument, side, ExecType::NotFound, said_of(&error), recv_ns);
                self.unpark(order, Some("the venue knows no such order"), recv_ns);
            }
            // Says nothing of the order; the core asks again.
            Answer::Refused(error) => {
                tracing::warn!(venue = %self.config.name, %error, "a question about an order is refused");
            }
            Answer::None(why) => {
                tracing::warn!(venue = %self.config.name, why, "a question about an order has no answer");
            }
        }
    }

    pub(super) fn on_look(&mut self, answer: Answer, recv_ns: Nanos) {
        if let Answer::Done(body) = answer {
            match orders::order(&body, &self.config.names) {
                Ok(mut found) => {
                    found.order = self.known.order(found.id).unwrap_or(found.order);
                    if found.order != OrderId::FOREIGN {
                        let report = found.report(&self.config.names);
                        self.push(report, recv_ns);
                    }
                }
                Err(error) => self.undecodable("an answer", &error.to_string()),
            }
        }
    }

    pub(super) fn undecodable(&self, what: &str, why: &str) {
        self.counters.undecodable.add(1);
        tracing::warn!(venue = %self.config.name, why, "{what} cannot be read");
    }

    /// What a refusal says of more than its order.
    fn note(&mut self, error: &ApiError) {
        if error.class == ErrorClass::Auth {
            self.key_refused();
        }
        if matches!(error.class, ErrorClass::Auth | ErrorClass::Suspended | ErrorClass::Account | ErrorClass::Forbidden)
        {
            tracing::error!(venue = %self.config.name, %error, "the venue refuses the account");
            // Its flags say whether that is so for all orders.
            self.account_due = true;
        }
    }

    /// One event of the stream. True where something may have been missed.
    pub(super) fn on_update(&mut self, mut update: Update, recv_ns: Nanos) -> bool {
        if update.order.order == OrderId::FOREIGN {
            update.order.order = self.known.order(update.order.id).unwrap_or(OrderId::FOREIGN);
        }
        let (id, order, instrument) = (update.order.id, update.order.order, update.order.instrument);
        let ours = order != OrderId::FOREIGN;
        if ours {
            self.learn(&update.order);
        } else if instrument == InstrumentId::UNKNOWN {
            self.counters.foreign.add(1);
            return false;
        }
        match update.event {
            Event::Restated => {
                tracing::error!(
                    venue = %self.config.name, order = order.0,
                    "the venue changed an order or took an execution back: everything is asked for again"
                );
                return true;
            }
            Event::Other => self.asks.push_back(Call::Look { id }),
            _ => {}
        }
        let Some(mut report) = update.report(&self.config.names) else { return false };
        // An exit whose list has no answer yet: that answer says whose it is.
        let named_soon = |call: &Call| matches!(call, Call::List { instrument: of, .. } if *of == instrument);
        if !ours && report.exec == ExecType::New && self.is_out(named_soon) {
            return false;
        }
        if report.exec == ExecType::Trade {
            self.add_fee(&mut report, update.position_qty);
            self.account_due = true;
        }
        let ended = update.order.status.is_final();
        self.push(report, recv_ns);
        // What the order that it replaced filled meanwhile is not among its own fills, and does not work any more.
        if ours && report.exec == ExecType::Trade && ended && !update.order.replaces.is_none() {
            let rest = update.order.report_as(&self.config.names, ExecType::Canceled);
            self.push(rest, recv_ns);
        }
        if ours {
            self.unpark(order, None, recv_ns);
            if ended && let Some(reconcile) = &mut self.reconcile {
                reconcile.on_closed(order);
            }
        }
        false
    }

    /// Commissions are not told with a fill. Of a bought coin it is what the position lacks; of a sold one it comes
    /// out of the money, and is taken for the account's rate until the account's cash says what it was. Equities have
    /// none.
    fn add_fee(&mut self, report: &mut ExecReport, position: Option<i64>) {
        let Some(held) = self.held.get_mut(report.instrument.index()) else { return };
        let before = std::mem::replace(held, position.or(*held));
        let Some(wanted) = self.config.names.wanted(report.instrument).filter(|wanted| wanted.is_crypto()) else {
            return;
        };
        match report.side {
            Side::Buy => {
                let (Some(before), Some(after)) = (before, position) else { return };
                let fee = before.saturating_add(report.last_qty.0).saturating_sub(after);
                if (1..=report.last_qty.0 / COIN_FEE_MAX).contains(&fee) {
                    report.fee = num::rescale(i128::from(fee), QTY_SCALE, MONEY_SCALE, Round::Up).unwrap_or(0);
                    report.fee_asset = wanted.base;
                }
            }
            Side::Sell => {
                let value = num::notional(report.last_px, report.last_qty, PX_SCALE, QTY_SCALE, Round::Up);
                let rate = i64::from(self.config.crypto_fee_ppm);
                let fee = value.and_then(|usd| num::mul_div(usd.0, rate, 1_000_000, Round::Up));
                report.fee = fee.unwrap_or(0);
                report.fee_asset = wanted.quote;
            }
        }
    }

    /// Executions that were asked for: their fees cannot be seen from a position any more, and are taken for the
    /// account's rate.
    pub(super) fn tell_fills(&mut self, fills: Vec<ExecReport>, now: Nanos) {
        for mut fill in fills {
            self.add_fee(&mut fill, None);
            if fill.side == Side::Buy
                && let Some(wanted) = self.config.names.wanted(fill.instrument).filter(|wanted| wanted.is_crypto())
            {
                let rate = i64::from(self.config.crypto_fee_ppm);
                let fee = num::mul_div(fill.last_qty.0, rate, 1_000_000, Round::Up).unwrap_or(0);
                fill.fee = num::rescale(i128::from(fee), QTY_SCALE, MONEY_SCALE, Round::Up).unwrap_or(0);
                fill.fee_asset = wanted.base;
            }
            self.reports.push(Input::at(now, Body::Exec(fill)));
        }
    }

    pub(super) fn balance(&mut self, asset: AssetId, free: i64, locked: i64, now: Nanos) {
        let balance = Balance { venue: self.config.names.venue, asset, free, locked, ts_event_ns: now };
        self.reports.push(Input::at(now, Body::Balance(balance)));
    }

    /// Everything that is held; what is not named is not held. A short holding is below zero.
    pub(super) fn on_positions(&mut self, positions: &[Position], now: Nanos) {
        for at in 0..self.config.names.wanted.len() {
            let wanted = &self.config.names.wanted[at];
            let (id, base) = (wanted.id, wanted.base);
            let found = positions.iter().find(|position| position.instrument == id);
            let (qty, available) = found.map_or((0, 0), |position| (position.qty.0, position.available.0));
            if let Some(held) = self.held.get_mut(id.index()) {
                *held = Some(qty);
            }
            let eighth = |value: i64| num::rescale(i128::from(value), QTY_SCALE, MONEY_SCALE, Round::Down).unwrap_or(0);
            let (total, free) = (eighth(qty), eighth(available));
            // Below zero nothing is locked: what is owed is owed.
            let free = if total < 0 { total } else { free.clamp(0, total) };
            self.balance(base, free, total - free, now);
        }
        for position in positions.iter().filter(|position| position.instrument == InstrumentId::UNKNOWN) {
            tracing::info!(venue = %self.config.name, symbol = position.symbol, "the account holds what is not configured");
        }
    }
}
