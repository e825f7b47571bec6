//! What each rule found of an order, also where it held: for readers of the journal, who ask why an order went out.
//!
//! A replica of the core that is told to watch keeps it of every order that takes the gate; an engine's own core does
//! not watch, so nothing of this runs on the way of an order. No arithmetic is done twice: the rules are asked again
//! with one limit after another at its strictest, and then say themselves what they found.

use super::{Candidate, Caps, DenyReason, Scene, balance, every, only_reduces, permit, value};
use crate::core::command::{PlaceOrder, Scope, TradingState};
use crate::core::config::Limits;
use crate::core::standing::State;
use crate::domain::{Borrow, Nanos, OrderId, Price, Side, StrategyId, Text, Usd, VenueState};
use std::cell::RefCell;

/// An order as the gate weighed it.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighed {
    /// The id that it had, or would have had.
    pub id: OrderId,
    pub passed: bool,
    pub strategy: StrategyId,
    pub order: PlaceOrder,
    /// It only shrinks a position: what exists to stop growth was not asked.
    pub reduces: bool,
    /// What each rule with a limit found, with that limit at its strictest in place of the real one.
    pub found: Vec<DenyReason>,
    /// The strictest trading state that it fell under, and whose that is.
    pub trading: TradingState,
    pub scope: Scope,
    pub venue: VenueState,
    pub barred_from_live: Option<State>,
    /// Of the stage between paper and live that it fell under.
    pub caps: Caps,
    /// Messages that count against the rate of the venue and of the source.
    pub sent: (i64, i64),
    /// Our own best resting price on the other side.
    pub resting: Option<Price>,
    /// Orders open in the instrument, before this one.
    pub open_here: u32,
    pub short: bool,
    /// What it pays with, how much it needs and what there is, in units of 10^-8.
    pub pays: Option<(Text<12>, i64, i64)>,
}

/// Keeps what was weighed until it is taken.
#[derive(Default)]
pub(crate) struct Witness(RefCell<Vec<Weighed>>);

impl Witness {
    pub(crate) fn see(&self, scene: &Scene, order: &PlaceOrder, id: OrderId, passed: bool) {
        self.0.borrow_mut().push(weigh(scene, order, id, passed));
    }

    pub(crate) fn take(&self) -> Vec<Weighed> {
        std::mem::take(&mut self.0.borrow_mut())
    }
}

/// Every limit that an order is held against at its strictest. Those that value an order stay as they are.
fn strictest(limits: &Limits) -> Limits {
    Limits {
        order_notional_max: Usd::ZERO,
        position_notional_max: Usd::ZERO,
        leverage_max_ppm: 0,
        account_balance_min: Usd(i64::MAX),
        daily_loss_max: Usd(i64::MIN),
        quote_age_max_ns: -1,
        price_collar_ppm: 0,
        price_move_max_ppm: 0,
        duplicate_window_ns: Nanos::MAX,
        orders_per_day_max: 0,
        open_orders_max: 0,
        exposure_gross_max: Usd::ZERO,
        correlated_exposure_max: Usd::ZERO,
        // Worked out from the other limits: asked by itself.
        risk_score_max: 100,
        ..*limits
    }
}

fn weigh(scene: &Scene, order: &PlaceOrder, id: OrderId, passed: bool) -> Weighed {
    let all = strictest(scene.limits);
    // A rule with several limits says the first of them: the others are asked for with that one at its loosest.
    let to_trade = Limits { orders_per_day_max: u32::MAX, order_to_trade_max: 0, order_to_trade_orders_min: 0, ..all };
    let net = Limits { exposure_gross_max: Usd(i64::MAX), exposure_net_max: Usd(i64::MIN), ..all };
    let asset = Limits {
        exposure_net_max: Usd(i64::MAX),
        exposure_venue_max: Usd(i64::MAX),
        exposure_asset_max: Usd::ZERO,
        ..net
    };
    let score = Limits { risk_score_max: 0, ..*scene.limits };
    let mut found: Vec<DenyReason> = Vec::new();
    let caps = Caps { order_notional_max: Usd(-1), ..*scene.caps };
    for limits in [&all, &to_trade, &net, &asset, &score] {
        let scene = Scene { limits, caps: &caps, ..*scene };
        every(&scene, order, |reason| {
            if !found.iter().any(|known| known.rank() == reason.rank()) {
                found.push(reason);
            }
        });
    }
    let mut weighed = Weighed {
        id,
        passed,
        strategy: scene.strategy,
        order: *order,
        reduces: false,
        found,
        trading: scene.trading,
        scope: scene.scope,
        venue: scene.venue,
        barred_from_live: scene.barred_from_live,
        caps: *scene.caps,
        sent: (0, 0),
        resting: None,
        open_here: 0,
        short: false,
        pays: None,
    };
    let sent = |bucket: &super::Bucket| bucket.held(scene.now, scene.rate_interval_ns);
    weighed.sent = (sent(scene.venue_rate), sent(&scene.desk.rate));
    let Some(inst) = scene.inst else { return weighed };
    weighed.reduces = only_reduces(scene, inst, order);
    weighed.resting = scene.resting.best(inst.def.id, order.side.opposite());
    weighed.open_here = inst.open.orders;
    if let Ok((value_px, qty, notional)) = value::value(scene, inst, order) {
        let available = match (order.side, inst.def.borrow) {
            (Side::Buy, _) | (_, Borrow::Never) => 0,
            _ => scene.account.get(inst.def.venue, inst.def.base).available().max(0),
        };
        weighed.short = permit::is_short(inst, order.side, qty, available);
        let candidate = Candidate { order, inst, value_px, qty, notional, short: weighed.short, available };
        let paid = balance::payment(scene, &candidate).ok();
        weighed.pays = paid.map(|(purse, needed, available)| (balance::name(purse, inst), needed, available));
    }
    weighed
}
