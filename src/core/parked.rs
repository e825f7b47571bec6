//! Orders that sell what protection at the venue holds, which is released first, or what fills that are missing may have
//! sold already, which are fetched: they wait for that.
//!
//! Invariants:
//! - Nothing of it is sent while the orders that hold the quantity may still fill: more than the position is never
//!   offered, nor what the venue has counted as sold and not told yet.
//! - An order is parked only where it would pass the gate with the protection out of its way, and takes the whole gate
//!   once it is.
//! - Each is answered: sent, or denied when that takes longer than an answer may (`ack_timeout_ns`), when too many
//!   wait, or when trading stops meanwhile. A strategy that has one waiting is not asked for another on that side.

use super::account::Purse;
use super::command::{ListOrder, PlaceOrder, TradingState};
use super::effect::Outbox;
use super::portfolio::Inst;
use super::risk::{DenyReason, Unevaluable};
use super::routing::LEGS_MAX;
use super::{Core, Source};
use crate::domain::{InstrumentId, Nanos, OrderId, RequestId, Round, Side, StrategyId, num};
use crate::{wire_enum, wire_struct};

/// Most orders that wait at once.
pub const PARKED_MAX: usize = 64;

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // lives in a preallocated table
enum Wish {
    Order(PlaceOrder),
    List(ListOrder),
}
wire_enum!(Wish { 0 => Order(order), 1 => List(list) });

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    wish: Wish,
    request: RequestId,
    strategy: StrategyId,
    since_ns: Nanos,
    /// The live order that it shadows on paper; `FOREIGN` where it is none's.
    shadows: OrderId,
}
wire_struct!(Waiting { wish, request, strategy, since_ns, shadows });

impl Waiting {
    fn order(&self) -> &PlaceOrder {
        match &self.wish {
            Wish::Order(order) => order,
            Wish::List(list) => &list.first,
        }
    }
}

/// The orders that wait, oldest first.
pub struct Parked(Vec<Waiting>);

impl Parked {
    pub fn new() -> Parked {
        Parked(Vec::with_capacity(PARKED_MAX))
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= PARKED_MAX
    }

    /// One waits to sell (or buy back) the instrument.
    pub fn holds(&self, id: InstrumentId, side: Side) -> bool {
        self.0.iter().any(|w| w.order().instrument == id && w.order().side == side)
    }

    /// One of the strategy waits, on that side of the instrument.
    pub fn has(&self, strategy: StrategyId, id: InstrumentId, side: Side) -> bool {
        let of = |w: &Waiting| w.strategy == strategy && w.order().instrument == id && w.order().side == side;
        self.0.iter().any(of)
    }

    /// The last one that was parked is the shadow of a live order.
    pub(super) fn shadow_last(&mut self, live: OrderId) {
        if let Some(last) = self.0.last_mut() {
            last.shadows = live;
        }
    }

    /// The live order is cancelled: its shadow is not placed.
    pub(super) fn forget_shadow(&mut self, live: OrderId) {
        self.0.retain(|w| w.shadows != live);
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Waiting> {
        self.0.iter()
    }
}

impl Default for Parked {
    fn default() -> Self {
        Parked::new()
    }
}

/// What came of a wish for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    Sent(OrderId),
    Denied,
    /// It waits.
    Parked,
}

impl Placed {
    pub fn order(self) -> Option<OrderId> {
        if let Placed::Sent(order) = self { Some(order) } else { None }
    }
}

/// What protection at the venue would give back: quantity, and what it holds of what is paid with.
#[derive(Debug, Clone, Copy, Default)]
struct Freed {
    qty: i64,
    reserved: i64,
}

impl Core {
    /// Parks an order that protection at the venue or a missing fill is in the way of, or denies it. `None` where none is:
    /// it is the caller's to place.
    pub(super) fn park(&mut self, order: &PlaceOrder, source: Source, out: &mut Outbox) -> Option<Placed> {
        if self.held_up(order, source).is_empty() {
            return None;
        }
        // A routed order is weighed at the venues when it goes there.
        let routed = self.routes.takes(order, source);
        if !routed
            && let Err(reason) =
                self.as_if_released(order, |core| core.verdict(order, core.next_order(), source.strategy))
        {
            self.deny(order, source, reason, out);
            return Some(Placed::Denied);
        }
        Some(self.wait_for_release(Wish::Order(*order), source, out))
    }

    /// As `park`, of a list. `None` where nothing is in its way.
    pub(super) fn park_list(&mut self, list: &ListOrder, source: Source, out: &mut Outbox) -> Option<Placed> {
        if self.held_up(&list.first, source).is_empty() {
            return None;
        }
        if let Err((leg, reason)) =
            self.as_if_released(&list.first, |core| core.approve_list(list, source.strategy, None))
        {
            let legs = list.orders();
            self.deny(legs.as_slice().get(leg).unwrap_or(&list.first), source, reason, out);
            return Some(Placed::Denied);
        }
        Some(self.wait_for_release(Wish::List(*list), source, out))
    }

    /// Placed now, the order would be parked; and it is weighed here, not at the venues of its route.
    pub(super) fn would_wait(&self, order: &PlaceOrder, source: Source) -> bool {
        !self.routes.takes(order, source) && !self.held_up(order, source).is_empty()
    }

    fn wait_for_release(&mut self, wish: Wish, source: Source, out: &mut Outbox) -> Placed {
        let Source { request, strategy } = source;
        let waiting = Waiting { wish, request, strategy, since_ns: self.now, shadows: OrderId::FOREIGN };
        if self.parked.is_full() {
            let reason = DenyReason::CannotEvaluate(Unevaluable::TooManyWait);
            self.deny(waiting.order(), source, reason, out);
            return Placed::Denied;
        }
        self.release_for(waiting.order(), source, out);
        self.parked.0.push(waiting);
        Placed::Parked
    }

    /// What waits goes on: placed when nothing holds what it sells any more, denied when that takes too long.
    pub(super) fn go_on_parked(&mut self, out: &mut Outbox) {
        let mut at = 0;
        while let Some(waiting) = self.parked.0.get(at).copied() {
            let source = Source { request: waiting.request, strategy: waiting.strategy };
            let order = *waiting.order();
            let halted =
                self.strictest(self.portfolio.get(order.instrument), waiting.strategy).1 == TradingState::Halted;
            let free = self.held_up(&order, source).is_empty();
            if free || halted {
                self.parked.0.remove(at);
                self.place_parked(&waiting, source, out);
            } else if self.now - waiting.since_ns > self.limits.ack_timeout_ns {
                self.parked.0.remove(at);
                let why = if self.protections.any_placed() && self.native_holds(order.instrument, order.side) {
                    Unevaluable::NotReleased
                } else {
                    Unevaluable::FillsMissing
                };
                self.deny(&order, source, DenyReason::CannotEvaluate(why), out);
                self.answer_parked(&waiting, None);
            } else {
                self.release_for(&order, source, out);
                at += 1;
            }
        }
    }

    fn place_parked(&mut self, waiting: &Waiting, source: Source, out: &mut Outbox) {
        match &waiting.wish {
            Wish::List(list) => {
                self.place_free_list(list, source, out);
            }
            Wish::Order(order) => {
                let placed = self.place_free(order, source, out);
                self.answer_parked(waiting, placed);
                let Some(id) = placed else { return };
                if waiting.shadows != OrderId::FOREIGN {
                    self.shadows.add(waiting.shadows, id);
                }
                let on_live =
                    self.portfolio.get(order.instrument).is_some_and(|i| self.road.is_live_venue(i.def.venue));
                if on_live && waiting.strategy != StrategyId(0) {
                    self.shadow(id, order, waiting.strategy, out);
                }
            }
        }
    }

    fn answer_parked(&mut self, waiting: &Waiting, placed: Option<OrderId>) {
        if waiting.strategy != StrategyId(0) && waiting.shadows == OrderId::FOREIGN {
            self.strategies.on_answer(waiting.strategy, waiting.order().side, placed, self.now);
        }
    }

    /// Everything that waits is denied: a person or a stop wants nothing sent.
    pub(super) fn drop_parked(&mut self, which: impl Fn(&PlaceOrder) -> bool, out: &mut Outbox) -> u32 {
        let (mut at, mut dropped) = (0, 0);
        while let Some(waiting) = self.parked.0.get(at).copied() {
            if !which(waiting.order()) {
                at += 1;
                continue;
            }
            self.parked.0.remove(at);
            dropped += 1;
            let source = Source { request: waiting.request, strategy: waiting.strategy };
            self.deny(waiting.order(), source, DenyReason::CannotEvaluate(Unevaluable::CancelledWaiting), out);
            self.answer_parked(&waiting, None);
        }
        dropped
    }

    /// The instruments of an order, or of its route's legs, where it has to wait.
    fn held_up(&self, order: &PlaceOrder, source: Source) -> Held {
        let mut held = Held::default();
        if !self.routes.takes(order, source) {
            if self.is_short_of(order) {
                held.add(order.instrument);
            }
            return held;
        }
        let Some(route) = self.routes.of(order.instrument) else { return held };
        for leg in &route.legs[..usize::from(route.count).min(LEGS_MAX)] {
            if self.on_leg(order, *leg).is_some_and(|there| self.is_short_of(&there)) {
                held.add(*leg);
            }
        }
        held
    }

    /// Whether protection at the venue is in an order's way, or fills that are missing.
    fn is_short_of(&self, order: &PlaceOrder) -> bool {
        let Some(inst) = self.portfolio.get(order.instrument) else { return false };
        let missing = self.venues.get(inst.def.venue.index()).is_some_and(|v| v.fills_missing);
        if missing && self.sells_untold(inst, order) {
            return true;
        }
        // What fills are still to come of protection that has ended is not known: until then it holds everything.
        self.protections.any_placed()
            && (!self.is_settled(inst) || self.shortage(order) > 0)
            && self.native_holds(order.instrument, order.side)
    }

    /// The order would sell what the venue has counted as sold already.
    fn sells_untold(&self, inst: &Inst, order: &PlaceOrder) -> bool {
        let untold = self.untold(inst, order.side);
        let (against, working) = self.against(inst, order.side);
        let most = against.saturating_add(untold);
        untold > 0 && most > 0 && (!order.terms.quote_qty.is_zero() || working.saturating_add(order.qty.0) > against)
    }

    /// How much of what works on an order's side would have to go for it to sell nothing twice.
    fn shortage(&self, order: &PlaceOrder) -> i64 {
        let Some(inst) = self.portfolio.get(order.instrument) else { return 0 };
        let (against, working) = self.against(inst, order.side);
        if !order.terms.quote_qty.is_zero() {
            // How much it sells is not known before.
            return working;
        }
        let twice = working.saturating_add(order.qty.0).saturating_sub(against);
        let lacks = match order.side {
            Side::Buy => 0,
            Side::Sell => {
                let available = self.account.get(inst.def.venue, inst.def.base).available();
                let available = num::rescale(i128::from(available), 8, inst.def.qty_scale, Round::Down).unwrap_or(0);
                order.qty.0.saturating_sub(available)
            }
        };
        twice.max(lacks).min(working)
    }

    /// Has so much protection released as an order needs: of its own source first, then the oldest.
    fn release_for(&mut self, order: &PlaceOrder, source: Source, out: &mut Outbox) {
        for id in self.held_up(order, source).into_iter() {
            let Some(there) = self.on_leg(order, id) else { continue };
            let mut need = self.shortage(&there);
            for pass in 0..3 {
                for n in 0..self.protections.all().len() {
                    let Some(p) = self.protections.all().get(n).copied() else { break };
                    let of = p.instrument == id && p.side == order.side && p.native.is_placed() && need > 0;
                    // What is on its way out already counts first.
                    let meant = match pass {
                        0 => p.native.releasing,
                        1 => !p.native.releasing && p.strategy == source.strategy,
                        _ => !p.native.releasing,
                    };
                    if of && meant {
                        self.release_native(n, out);
                        need -= p.native.qty.0;
                    }
                }
            }
        }
    }

    /// What `look` finds with all protection at the venue on an order's side out of its way.
    pub(super) fn as_if_released<R>(&mut self, order: &PlaceOrder, look: impl FnOnce(&Core) -> R) -> R {
        let (id, side) = (order.instrument, order.side);
        let mut freed = Freed::default();
        let of = |p: &&super::protect::Protection| p.instrument == id && p.side == side;
        for p in self.protections.all().iter().filter(of) {
            for leg in [p.native.stop, p.native.target] {
                if let Some(order) = self.orders.get(leg).filter(|o| !o.status.is_closed()) {
                    freed.qty = freed.qty.saturating_add(order.working().0);
                    freed.reserved = freed.reserved.saturating_add(order.reserved);
                }
            }
        }
        let purse = self.portfolio.get(id).map(|inst| (inst.def.venue, super::risk::purse(side, false, inst)));
        self.lift(id, side, purse, freed, -1);
        let found = look(self);
        self.lift(id, side, purse, freed, 1);
        found
    }

    fn lift(
        &mut self,
        id: InstrumentId,
        side: Side,
        purse: Option<(crate::domain::VenueId, Purse)>,
        freed: Freed,
        sign: i64,
    ) {
        self.portfolio.work(id, side, sign * freed.qty);
        if let Some((venue, purse)) = purse {
            self.account.reserve(venue, purse, sign * freed.reserved);
        }
    }
}

/// A few instruments.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    ids: [InstrumentId; LEGS_MAX],
    len: usize,
}

impl Held {
    fn add(&mut self, id: InstrumentId) {
        if let Some(slot) = self.ids.get_mut(self.len) {
            *slot = id;
            self.len += 1;
        }
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn into_iter(self) -> impl Iterator<Item = InstrumentId> {
        self.ids.into_iter().take(self.len)
    }
}
