//! The gate: every order of strategy, API, operator, stop, close-all is made by the core and approved here.
//!
//! Owns: the rules, one file each, in the order of `DenyReason`; the only constructor of `Approved`.
//! Must not know: who asks. A rule that cannot be evaluated denies.
//! Exits: an order that only reduces a position passes the rules that exist to stop growth, and none of the others.

mod ability;
mod balance;
mod band;
mod caps;
mod collar;
mod correlated;
mod daily_loss;
mod day_count;
mod deny;
mod duplicate;
mod exposure;
mod filters;
mod fresh;
mod hours;
mod jump;
mod leverage;
mod live;
mod open_orders;
mod order_notional;
mod permit;
mod position_notional;
mod rate;
mod ready;
mod runaway;
mod score;
mod self_match;
mod state;
mod value;
mod witness;

pub use ability::TermFault;
pub(crate) use balance::{purse, reserve};
pub use caps::{Capped, Caps};
pub use day_count::DayCount;
pub use deny::{DenyReason, RULES, Unevaluable, stops_growth};
pub use duplicate::Recent;
pub use hours::{Calendar, CalendarSource, Hours, Phase, SESSIONS, Session};
pub use jump::Swing;
pub use permit::{Allowed, NoShort, Permit};
pub use rate::Bucket;
pub(crate) use rate::interval_ns;
pub use runaway::Run;
pub(crate) use score::moving;
pub use score::{PARTS, Parts, Score};
pub use self_match::Resting;
pub use witness::Weighed;
pub(crate) use witness::Witness;

use crate::core::account::Account;
use crate::core::command::{PlaceOrder, Scope, TradingState};
use crate::core::config::Limits;
use crate::core::desks::Desk;
use crate::core::losses::Losses;
use crate::core::orders::Order;
use crate::core::portfolio::{Inst, Portfolio, Totals};
use crate::core::standing::State;
use crate::domain::{
    Borrow, Dec, FilterName, Nanos, NewOrder, OpenCounts, OrderId, Price, Qty, Side, StrategyId, Text, Usd, VenueState,
};
use std::ops::ControlFlow;

/// A value that the gate has passed. Made only here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approved<T>(T);

impl<T> Approved<T> {
    #[inline]
    pub fn get(&self) -> &T {
        &self.0
    }
}

/// What the rules may look at.
pub struct Scene<'a> {
    pub now: Nanos,
    pub limits: &'a Limits,
    /// Of the stage between paper and live.
    pub caps: &'a Caps,
    /// The state, where the order is for a live venue and the engine does not stand live.
    pub barred_from_live: Option<State>,
    /// The strictest trading state that the order falls under, and whose it is.
    pub scope: Scope,
    pub trading: TradingState,
    pub inst: Option<&'a Inst>,
    pub venue: VenueState,
    /// Why the venue takes no new orders from the account.
    pub barred: Option<&'a Text<48>>,
    pub account: &'a Account,
    pub portfolio: &'a Portfolio,
    pub totals: &'a Totals,
    pub hours: &'a Hours,
    pub losses: &'a Losses,
    /// Who wants the order; 0: a person or program.
    pub strategy: StrategyId,
    pub desk: &'a Desk,
    /// Messages to the venue.
    pub venue_rate: &'a Bucket,
    pub rate_interval_ns: Nanos,
    pub day: &'a DayCount,
    pub recent: &'a Recent,
    pub resting: &'a Resting,
    pub open_orders: usize,
    pub table_full: bool,
    /// What is open at the venue, as its filters count it.
    pub venue_open: &'a OpenCounts,
    /// Signed quantity of the entry that the order waits for: it works only once that has filled.
    pub covered: Qty,
    /// What is sent with the order, as the venue's filters count it.
    pub besides: OpenCounts,
    /// The order that has the asker's own id of this one already.
    pub namesake: Option<OrderId>,
}

/// The order under the rules, with what most of them need worked out once.
pub struct Candidate<'a> {
    pub order: &'a PlaceOrder,
    pub inst: &'a Inst,
    /// Price that the order is valued at: its limit, or the touch and the configured margin beyond it.
    pub value_px: Price,
    /// Its quantity; of an order for an amount of the quote asset, the most that it can come to.
    pub qty: Qty,
    pub notional: Usd,
    /// It sells what would have to be borrowed; `available` is what is held, where that can be.
    pub short: bool,
    pub available: i64,
}

/// What the gate found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub order: Approved<NewOrder>,
    pub value_px: Price,
    /// See `Candidate::qty`.
    pub qty: Qty,
    pub notional: Usd,
    pub short: bool,
}

/// Holds an order against every rule, in rank. The first that holds is the answer.
#[inline]
pub fn gate(scene: &Scene, order: &PlaceOrder, id: OrderId) -> Result<Verdict, DenyReason> {
    let mut first = None;
    let walked = walk(scene, order, &mut |reason| {
        first = Some(reason);
        ControlFlow::Break(())
    });
    let Valued { inst, value_px, qty, notional, short } = match (walked, first) {
        (ControlFlow::Continue(valued), None) => valued,
        (_, Some(reason)) => return Err(reason),
        // A walk breaks off only by a reason.
        (ControlFlow::Break(()), None) => return Err(DenyReason::CannotEvaluate(Unevaluable::Overflow)),
    };
    let order = Approved(NewOrder {
        order: id,
        venue: inst.def.venue,
        instrument: order.instrument,
        strategy: scene.strategy,
        side: order.side,
        kind: order.kind,
        tif: order.tif,
        qty: order.qty,
        px: order.px,
        terms: order.terms,
    });
    Ok(Verdict { order, value_px, qty, notional, short })
}

/// Whether an order may be cut to the quantity of `wanted`: what only shrinks meets the venue's filters and no more.
pub(crate) fn amend(scene: &Scene, order: &Order, wanted: &PlaceOrder) -> Result<(), DenyReason> {
    let Some(inst) = scene.inst else { return Err(DenyReason::UnknownInstrument) };
    ready::check(scene, inst)?;
    if wanted.qty >= order.qty || wanted.qty <= order.cum {
        return Err(DenyReason::TermsInvalid(TermFault::AmendQty));
    }
    let max = inst.def.filters.amends_max;
    if max > 0 && u32::from(order.amends) >= max {
        let dec = |value: u32| Dec { value: value.into(), scale: 0 };
        let (value, limit) = (dec(u32::from(order.amends) + 1), dec(max));
        return Err(DenyReason::VenueFilter { filter: FilterName::MaxNumOrderAmends, value, limit });
    }
    let (value_px, qty, notional) = value::value(scene, inst, wanted)?;
    let candidate = Candidate { order: wanted, inst, value_px, qty, notional, short: order.short, available: 0 };
    filters::own(scene, &candidate)
}

/// Tells every rule that an order breaks, in rank; how many they are. What follows a rule without which nothing can be
/// valued is not known, and ends the walk.
pub fn every(scene: &Scene, order: &PlaceOrder, mut tell: impl FnMut(DenyReason)) -> u32 {
    let mut broken = 0;
    let _ = walk(scene, order, &mut |reason| {
        broken += 1;
        tell(reason);
        ControlFlow::Continue(())
    });
    broken
}

/// An order that has passed, with what it was valued at.
struct Valued<'a> {
    inst: &'a Inst,
    value_px: Price,
    qty: Qty,
    notional: Usd,
    short: bool,
}

/// The rules, in rank. `tell` hears of each that is broken, and says whether to go on: the gate stops at the first, and
/// a validation hears them all, over the one list.
#[inline]
fn walk<'a>(
    scene: &Scene<'a>,
    order: &PlaceOrder,
    tell: &mut impl FnMut(DenyReason) -> ControlFlow<()>,
) -> ControlFlow<(), Valued<'a>> {
    let mut hold = |rule: Result<(), DenyReason>| match rule {
        Ok(()) => ControlFlow::Continue(()),
        Err(reason) => tell(reason),
    };
    hold(state::halted(scene))?;
    let Some(inst) = scene.inst else {
        hold(Err(DenyReason::UnknownInstrument))?;
        return ControlFlow::Break(());
    };
    let reduces = only_reduces(scene, inst, order);
    hold(permit::check(scene, inst, reduces))?;
    hold(state::reducing(scene, inst, order, reduces))?;
    if !reduces {
        hold(live::check(scene))?;
    }
    hold(hours::check(scene, inst, order.terms.extended_hours, reduces))?;
    hold(ready::check(scene, inst))?;
    hold(ability::check(inst, order))?;
    if let Some(order) = scene.namesake {
        hold(Err(DenyReason::ClientIdReused { order }))?;
    }
    if let Err(reason) = fresh::priced(inst) {
        hold(Err(reason))?;
        return ControlFlow::Break(());
    }
    hold(fresh::young(scene, inst))?;
    let (value_px, qty, notional) = match value::value(scene, inst, order) {
        Ok(valued) => valued,
        Err(reason) => {
            hold(Err(reason))?;
            return ControlFlow::Break(());
        }
    };
    let available = match (order.side, inst.def.borrow) {
        (Side::Buy, _) | (_, Borrow::Never) => 0,
        _ => scene.account.get(inst.def.venue, inst.def.base).available().max(0),
    };
    let short = permit::is_short(inst, order.side, qty, available);
    let candidate = Candidate { order, inst, value_px, qty, notional, short, available };
    hold(permit::short_sale(&candidate))?;
    hold(filters::check(scene, &candidate))?;
    hold(collar::check(scene, &candidate))?;
    hold(band::check(scene, &candidate, reduces))?;
    // What exists to stop growth; an order that only reduces does not meet it.
    if !reduces {
        hold(broken_sums(scene))?;
        hold(order_notional::check(scene, &candidate))?;
        hold(jump::check(scene, &candidate))?;
        hold(duplicate::check(scene, &candidate))?;
        hold(rate::check(scene))?;
        hold(day_count::check(scene))?;
        hold(open_orders::check(scene))?;
        hold(balance::account_min(scene))?;
        hold(position_notional::check(scene, &candidate))?;
        hold(leverage::check(scene, &candidate))?;
        hold(exposure::check(scene, &candidate))?;
        hold(correlated::check(scene, &candidate))?;
        hold(score::check(scene, &candidate))?;
        hold(daily_loss::check(scene))?;
        hold(caps::check(scene, &candidate))?;
    }
    hold(balance::check(scene, &candidate))?;
    hold(self_match::check(scene, &candidate))?;
    if scene.table_full {
        hold(Err(DenyReason::CannotEvaluate(Unevaluable::OrderTableFull)))?;
    }
    ControlFlow::Continue(Valued { inst, value_px, qty, notional, short })
}

/// What limits how much is sent and rests, for orders that only reduce and can be done without: those that protect a
/// position at the venue.
pub(crate) fn room(scene: &Scene) -> Result<(), DenyReason> {
    rate::check(scene)?;
    day_count::check(scene)?;
    open_orders::check(scene)?;
    caps::room(scene)
}

/// A sum that did not fit once is not to be relied on.
#[inline]
fn broken_sums(scene: &Scene) -> Result<(), DenyReason> {
    if scene.totals.broken { Err(DenyReason::CannotEvaluate(Unevaluable::Overflow)) } else { Ok(()) }
}

/// Opposite to the position, and with the orders already working on that side not more than it.
#[inline]
fn only_reduces(scene: &Scene, inst: &Inst, order: &PlaceOrder) -> bool {
    let net = inst.position.net.0.saturating_add(scene.covered.0);
    let (against, working) = match order.side {
        Side::Sell => (net > 0, inst.working.sell.0),
        Side::Buy => (net < 0, inst.working.buy.0),
    };
    // How much an amount of the quote asset comes to is not known before it has traded.
    against
        && order.terms.quote_qty.is_zero()
        && order.qty.0.checked_add(working).is_some_and(|sum| sum <= net.saturating_abs())
}

/// Parts per million as a percentage.
fn percent(ppm: i64) -> Dec {
    Dec { value: ppm, scale: 4 }
}

/// The price that an order is valued at; `None` where there is none.
pub(crate) fn valued_at(scene: &Scene, order: &PlaceOrder) -> Option<Price> {
    let inst = scene.inst?;
    fresh::priced(inst).ok()?;
    value::value(scene, inst, order).ok().map(|(px, _, _)| px)
}
