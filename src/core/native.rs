//! Protection that rests at the venue: an OCO of both levels, or a single stop or limit where one level is set.
//!
//! With `ProtectRules::at_venue`, what an entry has filled is protected there once the entry has ended; before, and
//! wherever the venue, a filter, a limit or the balance does not take it, the core keeps it (`protect`) and says why.
//! Invariants:
//! - The orders of a protection at the venue are never for more than what it protects; where they come to be, they are
//!   cancelled and placed anew for what remains.
//! - What sells in their place waits for their end: the core's own exit here, everybody else's orders in `parked`.
//! - One whose fate is not known is not placed again before it is: its client order id is asked for, like any order's.
//! - The core goes on watching. A level that the price has passed for `overdue_ns` without a fill, or whose order there
//!   is gone, is closed in the core's way: cancelled there, its end awaited, then sold once.

use super::command::{ListOrder, PlaceOrder, Protect, Route, TradingState};
use super::effect::{AlarmKind, Outbox};
use super::orders::Order;
use super::portfolio::Inst;
use super::protect::{Protection, Trigger};
use super::risk::{self, DenyReason, RULES, Verdict};
use super::{Core, ORDERS_PER_EVENT, Source};
use crate::domain::{
    Feature, Instrument, InstrumentId, ListKind, Nanos, OrdStatus, OrderId, OrderType, Price, Qty, RequestId, Round,
    Side, StrategyId, TimeInForce, VenueId, VenueState, num,
};
use crate::{wire_enum, wire_struct};

/// Time between two tries of what a rule denied: it costs no message.
const TRY_AGAIN_NS: Nanos = 1_000_000_000;
/// Fills that are missing are waited for so long: a venue that does not tell them by then is not going to, and what it
/// has counted is taken off what is left to sell.
const FILLS_AWAITED_NS: Nanos = 30_000_000_000;
/// How often the time between two orders that the venue turned away doubles.
const DOUBLINGS_MAX: u8 = 6;

/// Where protections are kept, in this run's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProtectRules {
    /// At the venue, where it takes them; otherwise by the core alone.
    pub at_venue: bool,
    /// A level that the price has passed for so long without a fill there is closed by the core.
    pub overdue_ns: Nanos,
    /// Least time between an end of a protection's orders at the venue and their next.
    pub again_ns: Nanos,
}
wire_struct!(ProtectRules { at_venue, overdue_ns, again_ns });

/// Why the core keeps a protection that could rest at the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Why {
    /// It rests there, or nothing was tried yet.
    #[default]
    None,
    Configured,
    EntryOpen,
    Trailing,
    Unsupported,
    TooSmall,
    /// Other orders of ours hold the quantity, or wait for it.
    Taken,
    /// The rule of that rank denies it.
    Denied(u8),
    /// The venue did, or ended it.
    TurnedAway,
    /// Somebody cancelled it there.
    Cancelled,
    Released,
    /// The venue is not ready, or its fills are being fetched.
    VenueNotReady,
    Halted,
    Closing,
    Reached,
}
wire_enum!(Why {
    0 => None, 1 => Configured, 2 => EntryOpen, 3 => Trailing, 4 => Unsupported, 5 => TooSmall, 6 => Taken,
    7 => Denied(rank), 8 => TurnedAway, 9 => Cancelled, 10 => Released, 11 => VenueNotReady, 12 => Halted,
    13 => Closing, 14 => Reached,
});

impl Why {
    /// As a sentence; empty where there is nothing to say.
    pub fn words(self) -> &'static str {
        match self {
            Why::None => "",
            Why::Configured => "the configuration has the engine keep it",
            Why::EntryOpen => "the entry still fills",
            Why::Trailing => "its stop follows the price, and the venue's would follow another one",
            Why::Unsupported => "the venue has no such order for the instrument",
            Why::TooSmall => "it is below the venue's smallest order",
            Why::Taken => "other orders hold the quantity",
            Why::Denied(_) => "a rule of the gate denies it at the venue",
            Why::TurnedAway => "the venue turned it away or ended it; it is tried again",
            Why::Cancelled => "its orders at the venue were cancelled; it stays with the engine",
            Why::Released => "it made way for another order; it goes back to the venue in a moment",
            Why::VenueNotReady => "the venue is not ready, or fills are being fetched",
            Why::Halted => "trading is halted",
            Why::Closing => "the position is being closed",
            Why::Reached => "a level is reached",
        }
    }

    /// The code of the rule that denied it.
    pub fn rule(self) -> Option<&'static str> {
        if let Why::Denied(rank) = self { RULES.get(usize::from(rank)).copied() } else { None }
    }
}

/// The part of a protection that rests at the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Native {
    /// Its orders there; `FOREIGN` where there is none.
    pub stop: OrderId,
    pub target: OrderId,
    /// For how much they were placed.
    pub qty: Qty,
    /// They are being cancelled, to make way or to be placed anew.
    pub releasing: bool,
    /// Which of them has begun to fill.
    pub served: Trigger,
    /// What the price has passed and the venue has not filled, and since when.
    pub passed: Trigger,
    pub passed_ns: Nanos,
    /// Not placed before.
    pub again_ns: Nanos,
    /// Times in a row that the venue turned them away.
    pub turned_away: u8,
    pub why: Why,
}
wire_struct!(Native { stop, target, qty, releasing, served, passed, passed_ns, again_ns, turned_away, why });

impl Native {
    /// Orders of it were placed, and their end is not settled.
    #[inline]
    pub fn is_placed(&self) -> bool {
        self.stop != OrderId::FOREIGN || self.target != OrderId::FOREIGN
    }

    #[inline]
    pub fn owns(&self, id: OrderId) -> bool {
        id != OrderId::FOREIGN && (self.stop == id || self.target == id)
    }

    fn legs(&self) -> impl Iterator<Item = OrderId> {
        [self.target, self.stop].into_iter().filter(|leg| *leg != OrderId::FOREIGN)
    }

    /// The order that fills at a level.
    fn serves(&self, trigger: Trigger) -> OrderId {
        match trigger {
            Trigger::None => OrderId::FOREIGN,
            Trigger::Stop => self.stop,
            Trigger::Target => self.target,
        }
    }
}

impl Order {
    /// It is part of a protection that rests at the venue, and outlives the engine.
    pub fn is_native_protection(&self) -> bool {
        self.protects && self.kind != OrderType::Market
    }
}

impl Core {
    /// Open orders that an orderly stop ends, and waits for. Protection that rests at a venue outlives the engine.
    pub fn orders_to_end(&self) -> usize {
        self.orders.live().filter(|order| !order.is_native_protection()).count()
    }

    /// Open orders at a venue that are cancelled when the engine can go on no more. Protection stays there: it only
    /// reduces, and nothing else watches the position until the next start. Of an account that is halted nothing stays.
    pub fn orders_to_rescue(&self, venue: VenueId) -> impl Iterator<Item = &Order> {
        let halted = self.trading == TradingState::Halted;
        self.orders.live().filter(move |o| o.venue == venue && (halted || !o.is_native_protection()))
    }

    /// Follows what rests at the venues, and places what can. Called when something has ended, and by each tick.
    pub(super) fn tend_natives(&mut self, out: &mut Outbox) {
        for n in 0..self.protections.all().len() {
            let Some(p) = self.protections.all().get(n).copied() else { break };
            if p.native.is_placed() {
                self.follow_native(n, &p, out);
            } else if p.triggered == Trigger::None && !p.qty.is_zero() {
                self.place_native(n, &p, out);
            }
        }
        self.protections.sweep();
    }

    #[inline]
    fn lives(&self, id: OrderId) -> bool {
        self.orders.get(id).is_some_and(|o| !o.status.is_closed())
    }

    /// What of the orders at the venue can still fill.
    fn native_left(&self, native: &Native) -> i64 {
        let (mut qty, mut filled) = (native.qty.0, 0i64);
        for order in native.legs().filter_map(|leg| self.orders.get(leg)) {
            // The venue's own word may have made it smaller.
            qty = qty.min(order.qty.0);
            filled = filled.saturating_add(order.cum.0);
        }
        (qty - filled).max(0)
    }

    /// The venue can be asked for something, and has told all that it has, or had the time to.
    pub(super) fn is_settled(&self, inst: &Inst) -> bool {
        let venue = self.venues.get(inst.def.venue.index());
        let told = |v: &super::Venue| !v.fills_missing || self.now - v.missing_ns > FILLS_AWAITED_NS;
        venue.is_some_and(|v| v.state == VenueState::Ready && told(v))
    }

    /// What of an instrument the venue has counted as sold (or bought), in orders that are over, and has not told yet.
    pub(super) fn untold(&self, inst: &Inst, side: Side) -> i64 {
        if !self.venues.get(inst.def.venue.index()).is_some_and(|v| v.fills_missing) {
            return 0;
        }
        let of = |o: &&Order| o.instrument == inst.def.id && o.side == side;
        let untold = |o: &Order| (o.counted.0 - o.cum.0).max(0);
        self.orders.closed().filter(of).map(untold).fold(0, i64::saturating_add)
    }

    /// What can be sold (or bought back) of the position, and what works on that side.
    pub(super) fn against(&self, inst: &Inst, side: Side) -> (i64, i64) {
        let net = inst.position.net.0;
        let (held, working) = match side {
            Side::Sell => (net, inst.working.sell.0),
            Side::Buy => (net.saturating_neg(), inst.working.buy.0),
        };
        (held.saturating_sub(self.untold(inst, side)).max(0), working)
    }

    fn follow_native(&mut self, n: usize, p: &Protection, out: &mut Outbox) {
        let Some(inst) = self.portfolio.get(p.instrument) else { return };
        let native = p.native;
        let settled = self.is_settled(inst);
        if !native.legs().any(|leg| self.lives(leg)) {
            // Fills of it that were lost must come before it is over.
            if settled {
                self.end_native(n, p);
            }
            return;
        }
        if !settled {
            return;
        }
        let left = self.native_left(&native);
        let more = native_lot(&inst.def, Qty(p.qty.0.saturating_sub(left)));
        let grown = !more.is_zero() && more >= inst.def.qty_min && self.now >= native.again_ns;
        let gone = native.passed != Trigger::None && !self.lives(native.serves(native.passed));
        let overdue = self.now - native.passed_ns >= self.protect_rules.overdue_ns;
        let mut over = p.triggered != Trigger::None;
        if native.passed != Trigger::None && (gone || overdue) && !over {
            over = true;
            self.protections.trigger(n, native.passed);
            self.alarm(AlarmKind::ProtectionTriggered, p.instrument, p.entry, out);
        }
        if over || left > p.qty.0 || grown || native.releasing || !self.protect_rules.at_venue {
            self.release_native(n, out);
        }
    }

    /// Cancels a protection's orders at the venue. One whose fate is not known yet is cancelled once it is.
    pub(super) fn release_native(&mut self, n: usize, out: &mut Outbox) {
        let Some(mut native) = self.protections.all().get(n).map(|p| p.native) else { return };
        if !native.releasing {
            (native.releasing, native.again_ns) = (true, self.now + self.protect_rules.again_ns);
            self.protections.set_native(n, native);
        }
        for leg in native.legs() {
            let works =
                |o: &Order| matches!(o.status, OrdStatus::New | OrdStatus::PartiallyFilled | OrdStatus::PendingReplace);
            if self.orders.get(leg).is_some_and(works) {
                self.cancel(leg, out);
            }
        }
    }

    /// None of the orders at the venue works any more: what that means for what is left.
    fn end_native(&mut self, n: usize, p: &Protection) {
        let native = p.native;
        let ended = |status| native.legs().filter_map(|leg| self.orders.get(leg)).any(|o| o.status == status);
        let (cancelled, filled) = (ended(OrdStatus::Canceled), ended(OrdStatus::Filled));
        let small = self.portfolio.get(p.instrument).is_none_or(|inst| is_too_small(inst, p.qty));
        let mut next = Native { again_ns: native.again_ns, why: Why::Released, ..Native::default() };
        let mut trigger = p.triggered;
        if native.served == Trigger::Stop || (native.served == Trigger::Target && small) {
            // What it left is closed by the core, or told to be too small.
            trigger = native.served;
        } else if native.releasing || p.triggered != Trigger::None || filled || self.ends_orders(p.instrument) {
            // As it was wanted, or it filled and the position had grown.
        } else if cancelled {
            next.why = Why::Cancelled;
        } else {
            next.turned_away = native.turned_away.saturating_add(1);
            let wait_ns = self.protect_rules.again_ns.max(TRY_AGAIN_NS) << next.turned_away.min(DOUBLINGS_MAX);
            (next.why, next.again_ns) = (Why::TurnedAway, self.now + wait_ns);
        }
        self.protections.set_native(n, next);
        self.protections.trigger(n, trigger);
    }

    /// Places a protection at the venue, or notes why not.
    fn place_native(&mut self, n: usize, p: &Protection, out: &mut Outbox) {
        let before = p.native;
        if self.now < before.again_ns && self.protect_rules.at_venue {
            return;
        }
        let native = match self.try_native(p, out) {
            Ok((stop, target, qty)) => {
                Native { stop, target, qty, turned_away: before.turned_away, ..Native::default() }
            }
            Err(why) => {
                let again_ns = if matches!(why, Why::Denied(_)) { self.now + TRY_AGAIN_NS } else { before.again_ns };
                Native { why: if before.why == Why::Cancelled { before.why } else { why }, again_ns, ..before }
            }
        };
        self.protections.set_native(n, native);
    }

    /// The stop's order, the target's and their quantity.
    fn try_native(&mut self, p: &Protection, out: &mut Outbox) -> Result<(OrderId, OrderId, Qty), Why> {
        if !self.protect_rules.at_venue {
            return Err(Why::Configured);
        }
        if p.native.why == Why::Cancelled {
            return Err(Why::Cancelled);
        }
        if self.lives(p.entry) {
            return Err(Why::EntryOpen);
        }
        if p.trail_bips > 0 {
            return Err(Why::Trailing);
        }
        let inst = self.portfolio.get(p.instrument).ok_or(Why::VenueNotReady)?;
        if inst.closing.active {
            return Err(Why::Closing);
        }
        if !self.is_settled(inst) || inst.quote_ns == 0 || self.made + 2 >= ORDERS_PER_EVENT {
            return Err(Why::VenueNotReady);
        }
        // Of a strategy that is halted the position is still protected; of everything else that is halted nothing is.
        let trading = self.strictest(Some(inst), StrategyId(0));
        if trading.1 == TradingState::Halted || self.halt_when_flat {
            return Err(Why::Halted);
        }
        let qty = native_lot(&inst.def, p.qty);
        if is_too_small(inst, qty) {
            return Err(Why::TooSmall);
        }
        if p.reached(inst) != Trigger::None {
            return Err(Why::Reached);
        }
        let (against, working) = self.against(inst, p.side);
        if working.saturating_add(qty.0) > against || self.parked.holds(p.instrument, p.side) {
            return Err(Why::Taken);
        }
        let (stop, target) = self.native_orders(inst, p, qty)?;
        let source = Source { request: RequestId(0), strategy: p.strategy };
        let legs = usize::from(stop.is_some()) + usize::from(target.is_some());
        self.native_room(p, legs).map_err(denied)?;
        let first = self.next_order();
        let ids = match (stop, target) {
            (Some(stop), Some(target)) => {
                let list =
                    ListOrder { kind: ListKind::Oco, first: target, second: leg(&stop), third: Default::default() };
                let legs = self.approve_list(&list, p.strategy, Some(trading)).map_err(|(_, reason)| denied(reason))?;
                self.send_list(&list, &legs, source, out);
                (OrderId(first.0 + 1), first)
            }
            (Some(stop), None) => {
                self.send_native(&stop, source, trading, out)?;
                (first, OrderId::FOREIGN)
            }
            (None, Some(target)) => {
                self.send_native(&target, source, trading, out)?;
                (OrderId::FOREIGN, first)
            }
            (None, None) => return Err(Why::Unsupported),
        };
        for id in [ids.0, ids.1] {
            if let Some(order) = self.orders.get_mut(id) {
                order.protects = true;
            }
        }
        Ok((ids.0, ids.1, qty))
    }

    /// The engine itself cancels what is open in an instrument.
    fn ends_orders(&self, id: InstrumentId) -> bool {
        let inst = self.portfolio.get(id);
        inst.is_some_and(|inst| inst.closing.active) || self.strictest(inst, StrategyId(0)).1 == TradingState::Halted
    }

    fn send_native(
        &mut self,
        order: &PlaceOrder,
        source: Source,
        trading: (super::Scope, TradingState),
        out: &mut Outbox,
    ) -> Result<(), Why> {
        let id = self.next_order();
        let mut scene = self.scene(order, source.strategy);
        (scene.scope, scene.trading) = trading;
        let verdict: Verdict = self.gate(&scene, order, id).map_err(denied)?;
        self.made += 1;
        self.send(&verdict, order, source, out);
        Ok(())
    }

    /// Whether there is room for what can be done without: no rule that stops growth binds an exit, but these orders
    /// rest, and take at most half of the open orders.
    fn native_room(&self, p: &Protection, legs: usize) -> Result<(), DenyReason> {
        let order = PlaceOrder { instrument: p.instrument, side: p.side, ..PlaceOrder::default() };
        let mut scene = self.scene(&order, p.strategy);
        let resting = self.orders.live().filter(|o| o.is_native_protection()).count();
        // So that the rule's own count answers.
        let half = (scene.limits.open_orders_max / 2) as usize;
        if resting + legs > half {
            return Err(DenyReason::OpenOrdersAboveMax { open: resting as u32, max: half as u32 });
        }
        scene.open_orders += legs - 1;
        risk::room(&scene)
    }

    /// The orders of the levels: stop and target, rounded to the tick, each towards the entry.
    fn native_orders(
        &self,
        inst: &Inst,
        p: &Protection,
        qty: Qty,
    ) -> Result<(Option<PlaceOrder>, Option<PlaceOrder>), Why> {
        let def = &inst.def;
        if !p.stop_px.is_zero() && !p.target_px.is_zero() && !def.can.has(Feature::Oco) {
            return Err(Why::Unsupported);
        }
        let order = PlaceOrder {
            instrument: p.instrument,
            symbol: def.symbol,
            side: p.side,
            tif: TimeInForce::Gtc,
            qty,
            reduce_only: true,
            protect: Protect::Off,
            route: Route::Venue(def.venue),
            ..PlaceOrder::default()
        };
        let takes = |kind| def.can.takes(kind, TimeInForce::Gtc);
        let long = p.side == Side::Sell;
        let to_tick = |px: Price, up: bool| if up { def.ceil_to_tick(px) } else { def.floor_to_tick(px) };
        let stop = if p.stop_px.is_zero() {
            None
        } else {
            let mut stop = order;
            stop.terms.stop_px = to_tick(p.stop_px, long);
            if takes(OrderType::Stop) {
                stop.kind = OrderType::Stop;
            } else if takes(OrderType::StopLimit) {
                // As far as a market order is taken to reach.
                let margin = i64::from(self.limits.market_order_margin_ppm) * p.side.sign();
                let (px, round) = (stop.terms.stop_px.0, if long { Round::Down } else { Round::Up });
                let reach = num::mul_div(px, 1_000_000 + margin, 1_000_000, round).ok_or(Why::Unsupported)?;
                (stop.kind, stop.px) = (OrderType::StopLimit, to_tick(Price(reach), !long));
            } else {
                return Err(Why::Unsupported);
            }
            Some(stop)
        };
        let target = if p.target_px.is_zero() {
            None
        } else {
            let rests = def.can.takes_kind(OrderType::LimitMaker);
            let kind = if rests { OrderType::LimitMaker } else { OrderType::Limit };
            if !takes(kind) {
                return Err(Why::Unsupported);
            }
            Some(PlaceOrder { kind, px: to_tick(p.target_px, !long), ..order })
        };
        Ok((stop, target))
    }

    /// A quantity of the instrument is held by protection at the venue, on that side.
    pub(super) fn native_holds(&self, id: InstrumentId, side: Side) -> bool {
        let of = |p: &&Protection| p.instrument == id && p.side == side && p.native.is_placed();
        self.protections.all().iter().any(|p| of(&p))
    }

    /// Orders of protections that rest at the venue in an instrument and are not expected to fill now.
    pub(super) fn natives_at_rest(&self, id: InstrumentId) -> u32 {
        let of = |p: &&Protection| p.instrument == id && p.native.passed == Trigger::None && !p.native.releasing;
        let legs = self.protections.all().iter().filter(of).flat_map(|p| p.native.legs());
        legs.filter(|leg| self.orders.get(*leg).is_some_and(|o| o.status == OrdStatus::New)).count() as u32
    }
}

/// What the venue takes of a quantity in an order that rests: where it knows `Day`, fractions go with that alone.
fn native_lot(def: &Instrument, qty: Qty) -> Qty {
    let qty = def.floor_to_lot(qty);
    if !def.can.takes(OrderType::Market, TimeInForce::Day) {
        return qty;
    }
    let whole = 10i64.checked_pow(def.qty_scale.into()).unwrap_or(i64::MAX);
    Qty(qty.0 - qty.0 % whole)
}

/// The venue takes no order for so little at the present price.
pub(super) fn is_too_small(inst: &Inst, qty: Qty) -> bool {
    let lot = inst.def.floor_to_lot(qty);
    let worth = inst.notional(inst.exit_px(), lot, Round::Down);
    lot.is_zero() || lot < inst.def.qty_min || worth.is_none_or(|value| value < inst.def.notional_min)
}

fn denied(reason: DenyReason) -> Why {
    Why::Denied(reason.rank() as u8)
}

fn leg(order: &PlaceOrder) -> super::command::Leg {
    let PlaceOrder { side, kind, tif, qty, px, terms, .. } = *order;
    super::command::Leg { side, kind, tif, qty, px, terms }
}
