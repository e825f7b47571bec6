//! What people and programs ask. Every command is answered, every order among them takes the gate.

use super::alarm::AlarmKind;
use super::command::{Action, Ask, Command, PlaceOrder, Scope};
use super::effect::{CancelOrder, Effect, EffectOf, Outbox, Reply};
use super::orders::Order;
use super::risk::{self, DenyReason, Unevaluable, Verdict};
use super::{Core, Source};
use crate::domain::{InstrumentId, OrdStatus, OrderId, RequestId, StrategyId, Text, VenueState};

impl Core {
    pub(super) fn on_command(&mut self, command: &Command, out: &mut Outbox) {
        let request = command.request;
        let reply = match command.action {
            Action::Place(ref order) => {
                // Answered by `Accepted` or `Denied`.
                self.place(order, Source { request, strategy: StrategyId(0) }, out);
                return;
            }
            Action::Validate(ref order) => return self.validate(order, request, false, out),
            Action::ValidateAtVenue(ref order) => return self.validate(order, request, true, out),
            Action::PlaceList(ref list) => {
                // Answered by `Accepted` or `Denied`, like the others that make orders.
                self.place_list(list, Source { request, strategy: StrategyId(0) }, out);
                return;
            }
            Action::Replace { order, mode, ref new } => match self.replace(order, mode, new, request, out) {
                Some(reply) => reply,
                None => return,
            },
            Action::Amend { order, qty } => match self.amend(order, qty, request, out) {
                Some(reply) => reply,
                None => return,
            },
            Action::Cancel(order) => {
                if self.cancel(order, out) {
                    Reply::Done
                } else {
                    Reply::NotFound
                }
            }
            Action::CancelAll => {
                let dropped = self.drop_parked(|_| true, out);
                closing(self.cancel_where(|_| true, out) + dropped, 0)
            }
            Action::Close(instrument) => {
                if self.portfolio.get(instrument).is_none() {
                    Reply::NotFound
                } else {
                    let (cancels, open) = self.begin_close(instrument, request, out);
                    closing(cancels, u32::from(open))
                }
            }
            Action::CloseAll => self.close_all(request, out),
            Action::EmergencyStop { flatten } => self.emergency_stop((command.who, command.why), flatten, request, out),
            Action::SetTradingState { scope, state } => {
                if self.set_trading_of(scope, state, out) {
                    Reply::Done
                } else {
                    Reply::NotFound
                }
            }
            Action::Shutdown => {
                self.shutting_down = true;
                // What protects positions at the venue goes on without the engine.
                closing(self.cancel_where(|o| !o.is_native_protection(), out), 0)
            }
            Action::SetLimits(ref limits) => {
                self.set_limits(limits);
                Reply::Done
            }
            // Live, the stage's own hold.
            Action::SetCaps(_) if self.road.is_live() => Reply::NotFound,
            Action::SetCaps(caps) => {
                self.caps = caps;
                Reply::Done
            }
            Action::Transition(Ask::Revert) => {
                if self.road.standing().state.is_live() {
                    self.revert_by(command, out);
                    Reply::Done
                } else {
                    Reply::NotFound
                }
            }
            // Judged on the journal; the answer is the step that comes of it.
            Action::Transition(_) => return,
            Action::Acknowledge { alert } => {
                if self.acknowledge(alert, command.who, out) {
                    Reply::Done
                } else {
                    Reply::NotFound
                }
            }
            Action::Heartbeat => {
                self.on_heartbeat();
                Reply::Done
            }
            // The journal has it; that is all that was wanted.
            Action::Note { .. } => Reply::Done,
            Action::Reconcile(venue) => {
                if self.venues.get(venue.index()).is_some_and(|v| v.state == VenueState::Ready) {
                    self.reconcile(venue, out);
                    Reply::Done
                } else {
                    Reply::NotFound
                }
            }
        };
        out.push(EffectOf::Reply { request, reply });
        if matches!(command.action, Action::EmergencyStop { .. }) {
            self.condition(AlarmKind::EmergencyStop, Scope::Account, true, out);
        }
        // What has nothing to wait for goes on at once.
        self.go_on_closing(out);
    }

    pub(super) fn close_all(&mut self, request: RequestId, out: &mut Outbox) -> Reply {
        let (mut cancels, mut flattens) = (0, 0);
        for n in 0..self.books.len() {
            let (cancelled, open) = self.begin_close(InstrumentId(n as u16), request, out);
            cancels += cancelled;
            flattens += u32::from(open);
        }
        closing(cancels, flattens)
    }

    /// The verdict of every rule, nothing placed and nothing counted; of an order that would wait for protection at the
    /// venue to make way, with that out of its way. Where the order passes and the venue is to be
    /// asked too, it is handed on as it would be sent.
    fn validate(&mut self, order: &PlaceOrder, request: RequestId, at_venue: bool, out: &mut Outbox) {
        let sized;
        let order = if order.auto_qty {
            sized = self.sized(order, Source { request, strategy: StrategyId(0) }, out);
            &sized
        } else {
            order
        };
        let source = Source { request, strategy: StrategyId(0) };
        let leg = if at_venue { self.first_leg(order, source) } else { None };
        let order = leg.as_ref().unwrap_or(order);
        let found = if self.would_wait(order, source) {
            self.as_if_released(order, |core| core.found(order, request, out))
        } else {
            self.found(order, request, out)
        };
        let reply = match found {
            Ok(_) if self.would_wait(order, source) && self.parked.is_full() => {
                let reason = DenyReason::CannotEvaluate(Unevaluable::TooManyWait);
                out.push(EffectOf::Broken { request, reason });
                Reply::WouldFail { rules: 1 }
            }
            Ok(verdict) => {
                if at_venue {
                    out.push(Effect::Test { request, order: verdict.order });
                }
                Reply::WouldPass { notional: verdict.notional }
            }
            Err(rules) => Reply::WouldFail { rules },
        };
        out.push(EffectOf::Reply { request, reply });
    }

    /// The verdict on an order that a person asks about, or how many rules it breaks, each of which is told.
    fn found(&self, order: &PlaceOrder, request: RequestId, out: &mut Outbox) -> Result<Verdict, u32> {
        self.verdict(order, self.next_order(), StrategyId(0)).map_err(|_| {
            let scene = self.scene(order, StrategyId(0));
            risk::every(&scene, order, |reason| out.push(EffectOf::Broken { request, reason }))
        })
    }

    /// Cancels an order. False where there is none to cancel. Cancels pass every trading state.
    pub(super) fn cancel(&mut self, id: OrderId, out: &mut Outbox) -> bool {
        let now = self.now;
        let Some(order) = self.orders.get_mut(id).filter(|o| !o.status.is_closed()) else { return false };
        if order.status == OrdStatus::PendingCancel {
            return true;
        }
        order.asked_ns = now;
        let (strategy, list) = (order.strategy, order.list);
        let cancel = CancelOrder {
            order: id,
            venue: order.venue,
            instrument: order.instrument,
            venue_order_id: order.venue_order_id,
            filled: order.cum,
        };
        self.desks.message(cancel.venue, strategy, now, self.rate_interval_ns);
        out.push(EffectOf::Cancel(cancel));
        // An unknown order stays unknown until the venue has spoken of it; the cancel may well settle it.
        if order.status != OrdStatus::Unknown {
            self.set_status(id, OrdStatus::PendingCancel);
            self.tell(id, 0, Text::default(), out);
        }
        if list != OrderId::FOREIGN {
            self.cancel_with_list(id, list, out);
        }
        true
    }

    /// Cancels our orders that `which` names. Foreign orders are not ours to cancel.
    pub(super) fn cancel_where(&mut self, which: impl Fn(&Order) -> bool, out: &mut Outbox) -> u32 {
        let (mut n, mut cancelled) = (0, 0);
        while let Some(id) = self.orders.live_id(n) {
            n += 1;
            if self.orders.get(id).is_some_and(&which) && self.cancel(id, out) {
                cancelled += 1;
            }
        }
        cancelled
    }
}

pub(super) fn closing(cancels: u32, flattens: u32) -> Reply {
    if cancels == 0 && flattens == 0 { Reply::NothingOpen } else { Reply::Closing { cancels, flattens } }
}
