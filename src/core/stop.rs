//! The emergency stop, and every other halt of the account: who or what set it, and what the venues say is left.
//!
//! Invariants:
//! - A venue is confirmed by a reconciliation alone that was asked for after the stop and showed no open order, ours or
//!   not, and, where the stop closes positions, none that could still be sold.
//! - Until then it is asked again and again, and what works there is cancelled again; a venue that is down is asked when
//!   it is back. A start of the engine asks every venue anew.
//! - Only a person ends it, by setting another trading state.

use super::Core;
use super::alarm::AlarmKind;
use super::command::{Scope, TradingState};
use super::effect::{EffectOf, Outbox, Reply};
use super::portfolio::Inst;
use super::standing::Cause;
use crate::domain::{InstrumentId, MAX_VENUES, Nanos, OrdStatus, RequestId, Round, Text, Usd, VenueId, VenueState};
use crate::{wire_enum, wire_struct};

/// Time between two questions to a venue that has something left.
const ASK_AGAIN_NS: Nanos = 1_000_000_000;
/// A question without an answer for this long, from a venue that is ready, is asked anew.
pub(super) const ANSWER_MAX_NS: Nanos = 30_000_000_000;
/// A venue that has not confirmed within this after the stop is told of.
const UNCONFIRMED_TOLD_NS: Nanos = 5_000_000_000;

/// The part of the configuration that stops depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StopRules {
    /// Stops that the engine makes close every position; so does one by request that does not say.
    pub flatten: bool,
    /// Orders on the accounts that are not this engine's are cancelled too.
    pub cancel_foreign: bool,
    /// The longest time between two heartbeats. 0: none are expected.
    pub heartbeat_max_ns: Nanos,
}
wire_struct!(StopRules { flatten, cancel_foreign, heartbeat_max_ns });

/// What set a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StopCause {
    /// None is set.
    #[default]
    None,
    /// Whoever the stop names: a person, the stop file, the watchdog.
    Command,
    /// No heartbeat came in time.
    Heartbeat,
    /// An alert of this kind, which the configuration or a limit lets act.
    Alert(AlarmKind),
}
wire_enum!(StopCause { 0 => None, 1 => Command, 2 => Heartbeat, 3 => Alert(kind) });

/// What is known of a venue since the stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeftState {
    /// It has not answered since.
    #[default]
    Unconfirmed,
    /// It has, and something is left.
    Left,
    /// Nothing is left.
    Nothing,
}
wire_enum!(LeftState { 0 => Unconfirmed, 1 => Left, 2 => Nothing });

impl LeftState {
    pub fn as_str(self) -> &'static str {
        match self {
            LeftState::Unconfirmed => "unconfirmed",
            LeftState::Left => "left",
            LeftState::Nothing => "nothing_left",
        }
    }
}

/// What a venue has left since the stop, by its last answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    pub venue: VenueId,
    pub state: LeftState,
    /// Open orders: this engine's, and others.
    pub orders: u32,
    pub foreign: u32,
    /// Positions, of whatever size. Where the stop does not close them they are no reason to ask again.
    pub positions: u32,
    /// When it was answered; 0: not yet.
    pub answered_ns: Nanos,
    /// It was asked since the stop, or since the start of the run: its next answer counts.
    pub asked: bool,
}
wire_struct!(Left { venue, state, orders, foreign, positions, answered_ns, asked });

/// The stop as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stop {
    pub rules: StopRules,
    pub cause: StopCause,
    /// Of a command.
    pub who: Text<24>,
    pub why: Text<48>,
    pub since_ns: Nanos,
    /// Positions are closed too.
    pub flatten: bool,
    /// When the last heartbeat came, or the time began to run.
    pub heartbeat_ns: Nanos,
    left: [Left; MAX_VENUES],
}
wire_struct!(Stop { rules, cause, who, why, since_ns, flatten, heartbeat_ns, left });

impl Stop {
    pub fn is_set(&self) -> bool {
        self.cause != StopCause::None
    }

    /// What is known of a venue. Means nothing where no stop is set.
    pub fn left(&self, venue: VenueId) -> Left {
        self.left.get(venue.index()).copied().unwrap_or_default()
    }

    fn begin(&mut self, cause: StopCause, who: Text<24>, why: Text<48>, flatten: bool, now: Nanos) {
        (self.cause, self.who, self.why) = (cause, who, why);
        (self.flatten, self.since_ns) = (flatten, now);
        self.ask_anew();
    }

    fn ask_anew(&mut self) {
        for (n, left) in self.left.iter_mut().enumerate() {
            *left = Left { venue: VenueId(n as u8), ..Left::default() };
        }
    }

    pub(super) fn on_start(&mut self, now: Nanos) {
        self.heartbeat_ns = now;
        self.ask_anew();
    }

    /// The venue is asked for everything.
    pub(super) fn on_asked(&mut self, venue: VenueId) {
        if let Some(left) = self.left.get_mut(venue.index()) {
            left.asked = true;
        }
    }

    /// A person lets trading go on. Heartbeats are due from now on.
    pub(super) fn end(&mut self, now: Nanos) {
        *self = Stop { rules: self.rules, heartbeat_ns: now, ..Stop::default() };
    }
}

impl Core {
    /// Halts, cancels everything, closes positions where `flatten` says so, and has every venue asked what is left.
    pub(super) fn emergency_stop(
        &mut self,
        (who, why): (Text<24>, Text<48>),
        flatten: bool,
        request: RequestId,
        out: &mut Outbox,
    ) -> Reply {
        self.stop_all(StopCause::Command, (who, why), flatten, request, out)
    }

    fn stop_all(
        &mut self,
        cause: StopCause,
        (who, why): (Text<24>, Text<48>),
        flatten: bool,
        request: RequestId,
        out: &mut Outbox,
    ) -> Reply {
        self.stop.begin(cause, who, why, flatten, self.now);
        self.halt_when_flat = flatten;
        let reply = if flatten {
            self.set_trading(TradingState::Reducing, out);
            self.close_all(request, out)
        } else {
            self.set_trading(TradingState::Halted, out);
            super::commands::closing(self.cancel_where(|_| true, out), 0)
        };
        self.take_back(Cause::EmergencyStop, out);
        reply
    }

    /// The emergency stop that the engine makes by itself.
    pub(super) fn stop_by(&mut self, cause: StopCause, out: &mut Outbox) {
        if self.stop.is_set() && (self.halt_when_flat || self.trading == TradingState::Halted) {
            // One of before goes on; what an emergency stop does besides is done.
            self.take_back(Cause::EmergencyStop, out);
        } else {
            let flatten = self.stop.rules.flatten;
            self.stop_all(cause, (Text::new("engine"), Text::default()), flatten, RequestId(0), out);
        }
        self.condition(AlarmKind::EmergencyStop, Scope::Account, true, out);
        self.go_on_closing(out);
    }

    /// Cancels only, from here on, and everything is cancelled. A stop that closes positions is left to do so.
    pub(super) fn halt_at_once(&mut self, kind: AlarmKind, out: &mut Outbox) {
        if self.halt_when_flat || (self.stop.is_set() && self.trading == TradingState::Halted) {
            return;
        }
        self.stop.begin(StopCause::Alert(kind), Text::new("engine"), Text::default(), false, self.now);
        self.set_trading(TradingState::Halted, out);
        self.cancel_where(|_| true, out);
    }

    /// The one who must say so from time to time lives.
    pub(super) fn on_heartbeat(&mut self) {
        self.stop.heartbeat_ns = self.now;
    }

    /// Stops where no heartbeat came in time; has venues asked that have not confirmed yet.
    pub(super) fn watch_stop(&mut self, out: &mut Outbox) {
        let now = self.now;
        let max = self.stop.rules.heartbeat_max_ns;
        if max > 0 && now - self.stop.heartbeat_ns > max && !self.stop.is_set() && !self.shutting_down {
            self.stop_by(StopCause::Heartbeat, out);
        }
        if !self.stop.is_set() {
            return;
        }
        for n in 0..MAX_VENUES {
            let venue = VenueId(n as u8);
            if self.venues[n].name.is_empty() {
                continue;
            }
            if self.stop.left[n].state == LeftState::Nothing && self.orders.live().any(|o| o.venue == venue) {
                // It turned out to work after all.
                self.stop.left[n].state = LeftState::Left;
            }
            let waits = self.stop.left[n].state != LeftState::Nothing;
            let (slot, asked) = (&mut self.venues[n], self.stop.left[n].asked);
            let waited = now - slot.reconcile_ns;
            let again = !asked || waited > ASK_AGAIN_NS;
            if waits && slot.state == VenueState::Ready && again && (!slot.reconciling || waited > ANSWER_MAX_NS) {
                slot.reconcile_due = true;
            }
            let late = waits && now - self.stop.since_ns > UNCONFIRMED_TOLD_NS;
            self.condition(AlarmKind::StopUnconfirmed, Scope::Venue(venue), late, out);
        }
    }

    /// A venue has said all it has: what is left there.
    pub(super) fn confirm_stop(&mut self, venue: VenueId, out: &mut Outbox) {
        if !self.stop.is_set() || !self.stop.left.get(venue.index()).is_some_and(|left| left.asked) {
            return;
        }
        let Some(foreign) = self.venues.get(venue.index()).map(|v| v.foreign) else { return };
        let orders = self.orders.live().filter(|o| o.venue == venue).count() as u32;
        let held = self.portfolio.defined().filter(|inst| inst.def.venue == venue && !inst.position.net.is_zero());
        let (mut positions, mut open) = (0, false);
        for inst in held {
            positions += 1;
            open |= self.stop.flatten && is_sellable(inst);
        }
        let nothing = orders == 0 && foreign == 0 && !open;
        let state = if nothing { LeftState::Nothing } else { LeftState::Left };
        let found = Left { venue, state, orders, foreign, positions, answered_ns: self.now, asked: true };
        let before = std::mem::replace(&mut self.stop.left[venue.index()], found);
        if (Left { answered_ns: before.answered_ns, ..found }) != before {
            out.push(EffectOf::Left(found));
        }
        if foreign > 0 && self.stop.rules.cancel_foreign {
            for inst in self.portfolio.defined().filter(|inst| inst.def.venue == venue && inst.foreign) {
                out.push(EffectOf::CancelAll { venue, instrument: inst.def.id });
            }
        }
    }

    /// Orders of instruments that are being closed, and that were found to work after their cancel was lost.
    pub(super) fn cancel_again(&mut self, id: InstrumentId, out: &mut Outbox) {
        let Some(venue) = self.portfolio.get(id).map(|inst| inst.def.venue) else { return };
        if self.venues.get(venue.index()).is_some_and(|v| v.state == VenueState::Ready) {
            let works = |status| matches!(status, OrdStatus::New | OrdStatus::PartiallyFilled);
            self.cancel_where(|o| o.instrument == id && works(o.status) && !o.is_immediate(), out);
        }
    }
}

/// Whether the venue would take an order against the position. One without a quote is taken for it.
pub(super) fn is_sellable(inst: &Inst) -> bool {
    let qty = inst.def.floor_to_lot(inst.position.net.abs());
    let value = inst.notional(inst.exit_px(), qty, Round::Down).unwrap_or(Usd::ZERO);
    let small = qty.is_zero() || qty < inst.def.qty_min || (inst.quote_ns != 0 && value < inst.def.notional_min);
    !small
}
