//! Where an order goes when several venues have the same thing.
//!
//! Owns: the configured routes, and the orders that may still move to another leg.
//! An order is routed where its instrument is a leg of a route, whoever asked pinned no venue, and it does more than shrink a
//! position: what is held at a venue is closed there. A strategy's order stays on the strategy's instrument.
//!
//! The rule that everything here serves: an order moves to the next leg only once it is certain that it does not live at
//! the one before: denied at the gate, never written (`NotSent`), or definitely rejected before anything else was said of it,
//! for a reason that is the venue's and not the order's (`RejectReason::is_of_the_venue`). An order whose fate was unknown for a
//! moment, that was acknowledged, asked to be cancelled, or filled in part, stays; and so does one that is itself at fault.
//!
//! A key that the venue refuses (`RejectReason::Access`: 401, 403 without a code of an order's own) is such a reason. What
//! was not let in made no order, the request went out once, and so the next leg may have it. The same answer once the
//! order is unknown, or to a question about it, says nothing of where it lives, and the order stays. The gateway bars the
//! venue besides, until it takes the key again: later orders are not sent there first only to be refused.

use super::command::{PlaceOrder, Route};
use super::effect::{EffectOf, Outbox};
use super::risk::{DenyReason, Unevaluable};
use super::{Core, ORDERS_PER_EVENT, Source};
use crate::core::command::Scope;
use crate::domain::{
    FeedState, InstrumentId, InstrumentStatus, MAX_INSTRUMENTS, OrderId, Price, Qty, RequestId, Round, Side,
    StrategyId, Trail, VenueState, num,
};
use crate::{wire_enum, wire_struct};

/// Most venues that one thing is routed over, and most routes.
pub const LEGS_MAX: usize = 4;
pub const ROUTES_MAX: usize = 64;
/// Orders at a time that may still move; one above stays where it is sent.
const MOVABLE_MAX: usize = 256;
/// Prices of legs with other scales are compared in this one.
const PX_SCALE: u8 = 12;

/// Which leg comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoutePolicy {
    /// The first that can be used, in the order configured.
    #[default]
    PrimaryThenFallback,
    /// What the quantity would pay, after the taker's fee: over the book's levels where depth is known, else at the touch.
    BestPrice,
    /// The lowest taker's fee.
    LowestFee,
    /// In parts, to each by the size that it shows.
    Split,
}
wire_enum!(RoutePolicy { 0 => PrimaryThenFallback, 1 => BestPrice, 2 => LowestFee, 3 => Split });

impl RoutePolicy {
    pub fn as_str(self) -> &'static str {
        match self {
            RoutePolicy::PrimaryThenFallback => "primary-then-fallback",
            RoutePolicy::BestPrice => "best-price",
            RoutePolicy::LowestFee => "lowest-fee",
            RoutePolicy::Split => "split",
        }
    }
}

/// Instruments that are the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouteConfig {
    pub policy: RoutePolicy,
    pub count: u8,
    pub legs: [InstrumentId; LEGS_MAX],
}
wire_struct!(RouteConfig { policy, count, legs });

/// Whether a leg can be used now, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LegState {
    #[default]
    Usable,
    /// The venue is not ready: its link, its private stream or its reconciliation is missing.
    VenueNotReady,
    NotTrading,
    /// There is no quote, or an old one.
    Stale,
    /// The order was there already.
    Tried,
    /// The order does not fit the leg's scales.
    DoesNotFit,
    /// The gate denied it there.
    Denied,
}
wire_enum!(LegState {
    0 => Usable, 1 => VenueNotReady, 2 => NotTrading, 3 => Stale, 4 => Tried, 5 => DoesNotFit, 6 => Denied,
});

impl LegState {
    pub fn as_str(self) -> &'static str {
        match self {
            LegState::Usable => "usable",
            LegState::VenueNotReady => "venue not ready",
            LegState::NotTrading => "not trading",
            LegState::Stale => "stale",
            LegState::Tried => "tried",
            LegState::DoesNotFit => "does not fit",
            LegState::Denied => "denied",
        }
    }
}

/// What was known of a leg when the order was routed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LegSeen {
    pub instrument: InstrumentId,
    pub state: LegState,
    /// What the order would pay for each unit, in the instrument's scale: the average over the levels that it would take
    /// where depth is known, else the touch.
    pub px: Price,
    pub fee_ppm: u32,
    /// Of a split: what can be had there at the order's price, in the instrument's scale.
    pub size: Qty,
}
wire_struct!(LegSeen { instrument, state, px, fee_ppm, size });

/// A decision, with what it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Routed {
    pub request: RequestId,
    pub order: OrderId,
    /// The order whose place it takes at another venue; `FOREIGN` where it is the first.
    pub after: OrderId,
    pub policy: RoutePolicy,
    pub chosen: u8,
    pub count: u8,
    /// Of a split: how much of what was asked for this order is, in the scale of the instrument that was asked for.
    pub part: Qty,
    pub legs: [LegSeen; LEGS_MAX],
}
wire_struct!(Routed { request, order, after, policy, chosen, count, part, legs });

/// An order that nothing has been heard of yet, as it was asked for.
#[derive(Clone, Copy)]
struct Movable {
    id: OrderId,
    asked: PlaceOrder,
    source: Source,
    /// A bit for each leg where it was.
    tried: u8,
}

/// Routes, and the orders that may still move.
pub struct Routes {
    all: Vec<RouteConfig>,
    /// By instrument, the place in `all` plus one; 0: none.
    by_instrument: [u8; MAX_INSTRUMENTS],
    movable: Vec<Movable>,
}

impl Routes {
    pub fn new() -> Routes {
        let movable = Vec::with_capacity(MOVABLE_MAX);
        Routes { all: Vec::with_capacity(ROUTES_MAX), by_instrument: [0; MAX_INSTRUMENTS], movable }
    }

    /// A run begins: routes are told anew, and nothing of the run before moves.
    pub fn clear(&mut self) {
        self.all.clear();
        self.movable.clear();
        self.by_instrument = [0; MAX_INSTRUMENTS];
    }

    /// Takes a route; one too many, or with too few legs, is none.
    pub fn add(&mut self, route: &RouteConfig) {
        let count = usize::from(route.count);
        if self.all.len() >= ROUTES_MAX || !(2..=LEGS_MAX).contains(&count) {
            return;
        }
        self.all.push(*route);
        for leg in &route.legs[..count] {
            if let Some(place) = self.by_instrument.get_mut(leg.index()) {
                *place = self.all.len() as u8;
            }
        }
    }

    #[inline]
    pub(super) fn of(&self, instrument: InstrumentId) -> Option<&RouteConfig> {
        let place = *self.by_instrument.get(instrument.index())?;
        self.all.get(usize::from(place).checked_sub(1)?)
    }

    /// Whether an order goes where its route says.
    #[inline]
    pub(super) fn takes(&self, order: &PlaceOrder, source: Source) -> bool {
        order.route == Route::Auto
            && source.strategy == StrategyId(0)
            && !order.reduce_only
            && self.of(order.instrument).is_some()
    }

    /// Remembers an order that may still move. One above `MOVABLE_MAX` stays where it is sent.
    pub(super) fn remember(&mut self, id: OrderId, asked: PlaceOrder, source: Source, tried: u8) {
        if self.movable.len() < MOVABLE_MAX {
            self.movable.push(Movable { id, asked, source, tried });
        }
    }

    /// Whatever is heard of an order but that it is not there keeps it where it is.
    #[inline]
    pub fn settle(&mut self, id: OrderId) {
        if !self.movable.is_empty() {
            self.movable.retain(|order| order.id != id);
        }
    }

    fn take(&mut self, id: OrderId) -> Option<Movable> {
        let at = self.movable.iter().position(|order| order.id == id)?;
        Some(self.movable.remove(at))
    }
}

impl Default for Routes {
    fn default() -> Self {
        Routes::new()
    }
}

impl Core {
    /// Sends an order to the first of its legs that takes it. `None` where it was denied.
    pub(super) fn route(&mut self, order: &PlaceOrder, source: Source, out: &mut Outbox) -> Option<OrderId> {
        if self.routes.of(order.instrument).is_some_and(|route| route.policy == RoutePolicy::Split) {
            match self.split(order, source, out) {
                Ok(Some(first)) => return Some(first),
                // It cannot be cut, or nobody takes a part: all of it goes to one.
                Ok(None) => {}
                Err(reason) => {
                    self.deny(order, source, reason, out);
                    return None;
                }
            }
        }
        match self.try_legs(order, source, 0, OrderId::FOREIGN, out) {
            Ok(id) => Some(id),
            // Nowhere: what it meets on the instrument that was asked for is the answer.
            Err(None) => match self.verdict(order, OrderId::FOREIGN, source.strategy) {
                Ok(_) => None,
                Err(reason) => {
                    self.deny(order, source, reason, out);
                    None
                }
            },
            Err(Some(reason)) => {
                self.deny(order, source, reason, out);
                None
            }
        }
    }

    /// The order certainly does not live where it was sent: the next leg has it, if there is one that takes it.
    pub(super) fn move_on(&mut self, id: OrderId, out: &mut Outbox) {
        let Some(moved) = self.routes.take(id) else { return };
        // The asker's own id is taken until the order that had it first passes it on.
        let order = PlaceOrder { client: Default::default(), ..moved.asked };
        // Nobody left to take it: the reject that was told is the answer.
        if let Ok(next) = self.try_legs(&order, moved.source, moved.tried, id, out) {
            self.orders.pass_name(id, next);
        }
    }

    fn try_legs(
        &mut self,
        order: &PlaceOrder,
        source: Source,
        tried: u8,
        after: OrderId,
        out: &mut Outbox,
    ) -> Result<OrderId, Option<DenyReason>> {
        let Some(route) = self.routes.of(order.instrument).copied() else { return Err(None) };
        let count = usize::from(route.count);
        let (mut legs, ranks) = self.see(&route, order, tried);
        let mut places = [0usize, 1, 2, 3];
        places[..count].sort_unstable_by_key(|at| (ranks[*at], *at));
        let mut denied = None;
        for at in places[..count].iter().copied() {
            if legs[at].state != LegState::Usable {
                continue;
            }
            let Some(there) = self.on_leg(order, legs[at].instrument) else {
                legs[at].state = LegState::DoesNotFit;
                continue;
            };
            let id = OrderId(self.seq * ORDERS_PER_EVENT + self.made);
            match self.verdict(&there, id, source.strategy) {
                Ok(verdict) => {
                    self.made += 1;
                    self.recent.add(&there, source.strategy, self.now);
                    let routed = Routed {
                        request: source.request,
                        order: id,
                        after,
                        policy: route.policy,
                        chosen: at as u8,
                        count: route.count,
                        part: order.qty,
                        legs,
                    };
                    out.push(EffectOf::Routed(routed));
                    self.send(&verdict, &there, source, out);
                    self.routes.remember(id, *order, source, tried | 1 << at);
                    return Ok(id);
                }
                Err(reason) => {
                    legs[at].state = LegState::Denied;
                    let elsewhere = is_of_the_venue(&reason);
                    denied.get_or_insert(reason);
                    if !elsewhere {
                        break;
                    }
                }
            }
        }
        Err(denied)
    }

    /// The order as the leg has it that a routed order would go to now; `None` where it is not routed, or where no leg
    /// takes it.
    pub(super) fn first_leg(&self, order: &PlaceOrder, source: Source) -> Option<PlaceOrder> {
        let route = self.routes.of(order.instrument).filter(|_| self.routes.takes(order, source))?;
        let count = usize::from(route.count);
        let (legs, ranks) = self.see(route, order, 0);
        let mut places = [0usize, 1, 2, 3];
        places[..count].sort_unstable_by_key(|at| (ranks[*at], *at));
        let mut usable = places[..count].iter().filter(|at| legs[**at].state == LegState::Usable);
        usable.find_map(|at| {
            let there = self.on_leg(order, legs[*at].instrument)?;
            self.verdict(&there, OrderId::FOREIGN, source.strategy).is_ok().then_some(there)
        })
    }

    /// What is known of each leg, and how it ranks: the lowest first.
    pub(super) fn see(
        &self,
        route: &RouteConfig,
        order: &PlaceOrder,
        tried: u8,
    ) -> ([LegSeen; LEGS_MAX], [i64; LEGS_MAX]) {
        let side = order.side;
        let asked_scale = self.portfolio.get(order.instrument).map_or(0, |inst| inst.def.qty_scale);
        let (mut legs, mut ranks) = ([LegSeen::default(); LEGS_MAX], [i64::MAX; LEGS_MAX]);
        for at in 0..usize::from(route.count) {
            let instrument = route.legs[at];
            legs[at].instrument = instrument;
            let Some(inst) = self.portfolio.get(instrument) else {
                legs[at].state = LegState::NotTrading;
                continue;
            };
            let venue = self.venues.get(inst.def.venue.index());
            let ready = venue.is_some_and(|v| v.state == VenueState::Ready);
            let barred = venue.is_some_and(|v| !v.barred.is_empty());
            let fresh = inst.quote_ns != 0 && self.now - inst.quote_ns <= self.limits.quote_age_max_ns;
            let touch = if side == Side::Buy { inst.quote.ask_px } else { inst.quote.bid_px };
            let px = match route.policy {
                RoutePolicy::BestPrice => {
                    let there = num::rescale(order.qty.0.into(), asked_scale, inst.def.qty_scale, Round::Up);
                    self.pays(instrument, side, there.unwrap_or(0), touch)
                }
                _ => touch,
            };
            let size = if route.policy == RoutePolicy::Split { self.shown(inst, order) } else { Qty::ZERO };
            let fee = i128::from(inst.def.taker_fee_ppm);
            let net = 1_000_000 + if side == Side::Buy { fee } else { -fee };
            let net = num::rescale(i128::from(px.0) * net, inst.def.px_scale + 6, PX_SCALE, Round::Up);
            legs[at] = LegSeen {
                instrument,
                state: if tried & (1 << at) != 0 {
                    LegState::Tried
                } else if !ready {
                    LegState::VenueNotReady
                } else if inst.def.status != InstrumentStatus::Trading || inst.paused || barred {
                    LegState::NotTrading
                } else if !fresh || px.0 <= 0 || inst.feed != FeedState::Live || net.is_none() {
                    LegState::Stale
                } else {
                    LegState::Usable
                },
                px,
                fee_ppm: inst.def.taker_fee_ppm,
                size,
            };
            ranks[at] = match (route.policy, side) {
                (RoutePolicy::PrimaryThenFallback, _) => 0,
                (RoutePolicy::LowestFee, _) => i64::from(inst.def.taker_fee_ppm),
                (RoutePolicy::Split, _) => {
                    let there = num::rescale(size.0.into(), inst.def.qty_scale, PX_SCALE, Round::Down);
                    -there.unwrap_or(i64::MAX)
                }
                (RoutePolicy::BestPrice, Side::Buy) => net.unwrap_or(i64::MAX),
                (RoutePolicy::BestPrice, Side::Sell) => net.map_or(i64::MAX, |net| -net),
            };
        }
        (legs, ranks)
    }

    /// The order as another instrument has it, where its numbers are exact there.
    pub(super) fn on_leg(&self, order: &PlaceOrder, instrument: InstrumentId) -> Option<PlaceOrder> {
        if order.instrument == instrument {
            return Some(*order);
        }
        let (from, to) = (&self.portfolio.get(order.instrument)?.def, &self.portfolio.get(instrument)?.def);
        let exact = |value: i64, from: u8, to: u8| {
            let there = num::rescale(value.into(), from, to, Round::Down)?;
            (num::rescale(there.into(), to, from, Round::Down)? == value).then_some(there)
        };
        let px = |px: Price| exact(px.0, from.px_scale, to.px_scale).map(Price);
        let qty = |qty: Qty| exact(qty.0, from.qty_scale, to.qty_scale).map(Qty);
        let mut there = PlaceOrder { instrument, symbol: to.symbol, qty: qty(order.qty)?, px: px(order.px)?, ..*order };
        there.terms.stop_px = px(order.terms.stop_px)?;
        there.terms.display_qty = qty(order.terms.display_qty)?;
        if let Trail::Offset(offset) = order.terms.trail {
            there.terms.trail = Trail::Offset(px(offset)?);
        }
        Some(there)
    }
}

/// Whether another venue may well take what the gate denied here.
pub(super) fn is_of_the_venue(reason: &DenyReason) -> bool {
    match reason {
        DenyReason::InstrumentNotTrading { .. }
        | DenyReason::VenueNotReady
        | DenyReason::OrderTypeUnsupported { .. }
        | DenyReason::QuoteStale { .. }
        | DenyReason::ShortSaleNotPermitted { .. }
        | DenyReason::LotSize { .. }
        | DenyReason::PriceFilter { .. }
        | DenyReason::VenueNotional { .. }
        | DenyReason::VenueFilter { .. }
        | DenyReason::BalanceTooLow { .. }
        | DenyReason::OutsideTradingHours { .. }
        | DenyReason::CannotEvaluate(Unevaluable::NoAccount | Unevaluable::NoPrice) => true,
        DenyReason::OrderRateAboveMax { scope, .. } => matches!(scope, Scope::Venue(_)),
        _ => false,
    }
}
