//! What time brings: answers that did not come, closes that go on, the day boundary; and trading states.

use super::command::{PlaceOrder, Scope, TradingState};
use super::effect::{AlarmKind, EffectOf, Outbox};
use super::portfolio::Closing;
use super::stop::{ANSWER_MAX_NS, is_sellable};
use super::{Core, Source};
use crate::domain::{
    InstrumentId, OrdStatus, OrderId, OrderType, Qty, RequestId, Round, Side, StrategyId, Text, VenueId, VenueState,
};

/// Flattening orders of one close before it is given up and an alarm is raised.
const CLOSE_ATTEMPTS_MAX: u8 = 10;

const DAY_NS: i64 = 86_400_000_000_000;

impl Core {
    pub(super) fn on_tick(&mut self, out: &mut Outbox) {
        self.turn_day();
        if self.correlation.on_tick(self.now, &self.limits, self.portfolio.defined()) {
            self.portfolio.regroup(&self.correlation, self.limits.volatility_assumed_ppm);
        }
        self.chase_answers(out);
        self.go_on_closing(out);
        self.go_on_protecting(out);
        self.watch_stop(out);
        for n in 0..self.venues.len() {
            let venue = &self.venues[n];
            let due = venue.reconcile_due || self.now - venue.reconcile_ns > self.limits.reconcile_interval_ns;
            // What was missed while one is on its way may not be in it; the next is asked for when it has come.
            let waited = self.now - venue.reconcile_ns > ANSWER_MAX_NS;
            if due && venue.state == VenueState::Ready && (!venue.reconciling || waited) {
                self.reconcile(VenueId(n as u8), out);
            }
        }
        self.watch_loss(out);
        self.watch_configuration(out);
        self.watch_left(out);
        self.watch_road(out);
        self.watch_alerts(out);
        self.stirred = true;
    }

    fn turn_day(&mut self) {
        let day = (self.now - self.limits.day_offset_ns).div_euclid(DAY_NS);
        if day > self.portfolio.totals.day {
            self.portfolio.turn_day(day);
            self.desks.day = Default::default();
            self.losses.on_day();
        }
    }

    /// Orders and cancels without an answer become unknown, and unknown ones are asked for again.
    fn chase_answers(&mut self, out: &mut Outbox) {
        let mut n = 0;
        while let Some(id) = self.orders.live_id(n) {
            n += 1;
            let Some(order) = self.orders.get(id) else { continue };
            let waited = self.now - order.asked_ns;
            let instrument = order.instrument;
            let ready = self.venues.get(order.venue.index()).is_some_and(|v| v.state == VenueState::Ready);
            match order.status {
                OrdStatus::PendingNew | OrdStatus::PendingCancel | OrdStatus::PendingReplace
                    if waited > self.limits.ack_timeout_ns =>
                {
                    self.set_status(id, OrdStatus::Unknown);
                    self.tell(id, 0, Text::new("no answer in time"), out);
                    self.alarm(AlarmKind::OrderUnknown, instrument, id, out);
                    if ready {
                        self.ask(id, out);
                    }
                }
                // One that the venue must have finished by now, and of whose end nothing was heard.
                OrdStatus::New | OrdStatus::PartiallyFilled
                    if ready && order.is_immediate() && waited > self.limits.ack_timeout_ns =>
                {
                    self.ask(id, out);
                }
                OrdStatus::Unknown if ready && waited > self.limits.query_interval_ns => self.ask(id, out),
                _ => {}
            }
        }
    }

    /// Closes go on: when nothing works any more, the position is flattened; when it is flat, the close ends.
    pub(super) fn go_on_closing(&mut self, out: &mut Outbox) {
        let mut closing = false;
        for n in 0..self.books.len() {
            let id = InstrumentId(n as u16);
            let Some(inst) = self.portfolio.get(id).filter(|i| i.closing.active) else { continue };
            let works = !inst.working.buy.is_zero() || !inst.working.sell.is_zero();
            if works || self.orders.live().any(|o| o.instrument == id) {
                closing = true;
                self.cancel_again(id, out);
                continue;
            }
            if !is_sellable(inst) || inst.closing.attempts >= CLOSE_ATTEMPTS_MAX {
                if inst.closing.attempts >= CLOSE_ATTEMPTS_MAX {
                    self.alarm(AlarmKind::NotFlattened, id, OrderId::FOREIGN, out);
                }
                self.end_close(id);
                continue;
            }
            closing = true;
            self.flatten(id, out);
        }
        if !closing && self.halt_when_flat {
            self.halt_when_flat = false;
            self.set_trading(TradingState::Halted, out);
        }
    }

    /// One market order against the whole position. Through the gate, like every other. A balance that commissions
    /// have made smaller than the position bounds it.
    fn flatten(&mut self, id: InstrumentId, out: &mut Outbox) {
        let Some(inst) = self.portfolio.get(id) else { return };
        // A market that is closed is waited for: opens stay barred meanwhile. So are fills that were lost: what is sold is
        // what is left after them.
        let open = !inst.permit.keeps_hours || self.hours.venue_open(self.now, id);
        if !self.is_settled(inst) || inst.quote_ns == 0 || !open {
            return;
        }
        let net = inst.position.net;
        let side = if net.0 > 0 { Side::Sell } else { Side::Buy };
        let mut qty = Qty(self.against(inst, side).0);
        if net.0 > 0 {
            let available = self.account.get(inst.def.venue, inst.def.base).available();
            let scaled = crate::domain::num::rescale(i128::from(available), 8, inst.def.qty_scale, Round::Down);
            qty = qty.min(Qty(scaled.unwrap_or(0).max(0)));
        }
        let order = PlaceOrder {
            instrument: id,
            symbol: inst.def.symbol,
            side,
            kind: OrderType::Market,
            tif: inst.def.market_tif(),
            qty: inst.def.floor_to_lot(qty),
            reduce_only: true,
            ..PlaceOrder::default()
        };
        let request = inst.closing.request;
        if let Some(inst) = self.portfolio.get_mut(id) {
            inst.closing.attempts += 1;
        }
        // The request was answered when the close began; its orders carry it so that its asker can follow them.
        self.place(&order, Source { request, strategy: StrategyId(0) }, out);
    }

    pub(super) fn set_trading(&mut self, state: TradingState, out: &mut Outbox) {
        if self.trading != state {
            self.trading = state;
            out.push(EffectOf::Trading { scope: Scope::Account, state });
        }
    }

    /// A person sets what may be sent. False where there is no such venue, strategy or instrument.
    pub(super) fn set_trading_of(&mut self, scope: Scope, state: TradingState, out: &mut Outbox) -> bool {
        let slot = match scope {
            Scope::Account => {
                self.halt_when_flat = false;
                if state != TradingState::Halted {
                    self.stop.end(self.now);
                }
                if state == TradingState::Active {
                    self.losses.on_resume(self.portfolio.totals.pnl());
                }
                self.set_trading(state, out);
                return true;
            }
            Scope::Venue(venue) => {
                self.venues.get_mut(venue.index()).filter(|v| !v.name.is_empty()).map(|v| &mut v.trading)
            }
            Scope::Instrument(id) => self.portfolio.get_mut(id).map(|inst| &mut inst.trading),
            Scope::Strategy(id) if self.strategies.has(id) => {
                let desk = self.desks.get_mut(id);
                if state == TradingState::Active {
                    desk.run = Default::default();
                }
                Some(&mut desk.trading)
            }
            Scope::Strategy(_) => None,
        };
        let Some(slot) = slot else { return false };
        if std::mem::replace(slot, state) != state {
            out.push(EffectOf::Trading { scope, state });
        }
        true
    }

    /// A strategy's order was executed. Too many in one direction, and the strategy is halted and its orders cancelled.
    pub(super) fn watch_runaway(&mut self, strategy: StrategyId, side: Side, id: OrderId, out: &mut Outbox) {
        if strategy == StrategyId(0) {
            return;
        }
        let (now, limits) = (self.now, &self.limits);
        let desk = self.desks.get_mut(strategy);
        let executions = desk.run.see(now, limits.runaway_window_ns, side);
        if executions <= limits.runaway_executions_max || desk.trading == TradingState::Halted {
            return;
        }
        desk.trading = TradingState::Halted;
        self.alarm_runaway(strategy, id, out);
        out.push(EffectOf::Trading { scope: Scope::Strategy(strategy), state: TradingState::Halted });
        // What protects its positions stays.
        self.cancel_where(|o| o.strategy == strategy && !o.protects, out);
    }

    /// Begins to close an instrument: opens are barred, its orders cancelled, its position flattened when they are gone.
    /// Returns how many cancels went out and whether there is a position.
    pub(super) fn begin_close(&mut self, id: InstrumentId, request: RequestId, out: &mut Outbox) -> (u32, bool) {
        let Some(inst) = self.portfolio.get(id) else { return (0, false) };
        let open = !inst.position.net.is_zero();
        let apart = if open { self.held_apart(id) } else { None };
        let Some(inst) = self.portfolio.get_mut(id) else { return (0, false) };
        inst.closing = Closing { active: true, request, unverified: open, apart, ..Closing::default() };
        let dropped = self.drop_parked(|order| order.instrument == id, out);
        (self.cancel_where(|o| o.instrument == id, out) + dropped, open)
    }
}
