//! The gate: every order of strategy, API, operator, stop, close-all is made by the core and approved here.
//!
//! Owns: the rules, one file each, in the order of `DenyReason`; the only constructor of `Approved`.
//! Must not know: who asks. A rule that cannot be evaluated denies.
//! Exits: an order that only reduces a position passes the rules that exist to stop growth, and none of the others.

mod balance;
mod collar;
mod daily_loss;
mod day_count;
mod deny;
mod duplicate;
mod filters;
mod fresh;
mod jump;
mod leverage;
mod open_orders;
mod order_notional;
mod position_notional;
mod rate;
mod ready;
mod runaway;
mod self_match;
mod state;

pub(crate) use balance::reserve;
pub use day_count::DayCount;
pub use deny::{DenyReason, RULES, Unevaluable};
pub use duplicate::Recent;
pub use jump::Swing;
pub use rate::Bucket;
pub(crate) use rate::interval_ns;
pub use runaway::Run;
pub use self_match::Resting;

use crate::core::account::Account;
use crate::core::command::{PlaceOrder, Scope, TradingState};
use crate::core::config::Limits;
use crate::core::desks::Desk;
use crate::core::portfolio::{Inst, Totals};
use crate::domain::{Dec, Nanos, NewOrder, OrderId, OrderType, Price, Round, Side, StrategyId, Usd, VenueState};

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
    /// The strictest trading state that the order falls under, and whose it is.
    pub scope: Scope,
    pub trading: TradingState,
    pub inst: Option<&'a Inst>,
    pub venue: VenueState,
    pub account: &'a Account,
    pub totals: &'a Totals,
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
}

/// The order under the rules, with what most of them need worked out once.
pub struct Candidate<'a> {
    pub order: &'a PlaceOrder,
    pub inst: &'a Inst,
    /// Price that the order is valued at: its limit, or the touch and the configured margin beyond it.
    pub value_px: Price,
    pub notional: Usd,
    /// It can only shrink the position, working orders counted.
    pub reduces: bool,
}

/// What the gate found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub order: Approved<NewOrder>,
    pub value_px: Price,
    pub notional: Usd,
}

/// Holds an order against every rule, in rank. The first that holds is the answer.
#[inline]
pub fn gate(scene: &Scene, order: &PlaceOrder, id: OrderId) -> Result<Verdict, DenyReason> {
    state::halted(scene)?;
    let inst = scene.inst.ok_or(DenyReason::UnknownInstrument)?;
    let reduces = only_reduces(inst, order);
    state::reducing(scene, inst, order, reduces)?;
    ready::check(scene, inst)?;
    fresh::check(scene, inst)?;
    let value_px = value_px(scene, inst, order)?;
    let notional =
        inst.notional(value_px, order.qty, Round::Up).ok_or(DenyReason::CannotEvaluate(Unevaluable::Overflow))?;
    let candidate = Candidate { order, inst, value_px, notional, reduces };
    filters::check(&candidate)?;
    collar::check(scene, &candidate)?;
    if !reduces {
        growth(scene, &candidate)?;
    }
    balance::check(scene, &candidate)?;
    self_match::check(scene, &candidate)?;
    if scene.table_full {
        return Err(DenyReason::CannotEvaluate(Unevaluable::OrderTableFull));
    }
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
    });
    Ok(Verdict { order, value_px, notional })
}

/// The rules that exist to stop growth; an order that only reduces does not meet them.
#[inline]
fn growth(scene: &Scene, candidate: &Candidate) -> Result<(), DenyReason> {
    if scene.totals.broken {
        return Err(DenyReason::CannotEvaluate(Unevaluable::Overflow));
    }
    order_notional::check(scene, candidate)?;
    jump::check(scene, candidate)?;
    duplicate::check(scene, candidate)?;
    rate::check(scene)?;
    day_count::check(scene)?;
    open_orders::check(scene)?;
    balance::account_min(scene)?;
    position_notional::check(scene, candidate)?;
    leverage::check(scene, candidate)?;
    daily_loss::check(scene)
}

/// Opposite to the position, and with the orders already working on that side not more than it.
#[inline]
fn only_reduces(inst: &Inst, order: &PlaceOrder) -> bool {
    let net = inst.position.net.0;
    let (against, working) = match order.side {
        Side::Sell => (net > 0, inst.working.sell.0),
        Side::Buy => (net < 0, inst.working.buy.0),
    };
    against && order.qty.0.checked_add(working).is_some_and(|sum| sum <= net.saturating_abs())
}

/// Parts per million as a percentage.
fn percent(ppm: i64) -> Dec {
    Dec { value: ppm, scale: 4 }
}

/// Market orders are valued beyond the touch by the configured margin, both sides at the dearer price.
#[inline]
fn value_px(scene: &Scene, inst: &Inst, order: &PlaceOrder) -> Result<Price, DenyReason> {
    if order.kind != OrderType::Market {
        return Ok(order.px);
    }
    let margin = i64::from(scene.limits.market_order_margin_ppm);
    crate::domain::num::mul_div(inst.quote.ask_px.0, 1_000_000 + margin, 1_000_000, Round::Up)
        .map(Price)
        .ok_or(DenyReason::CannotEvaluate(Unevaluable::Overflow))
}
