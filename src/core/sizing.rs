//! A quantity that the core works out: what a trade may lose, over the distance of its stop.
//!
//! A stop at that distance from the price the order is valued at loses at most `risk_per_trade` of the equity. Where
//! `sizing_volatility` is set, an instrument that moves more than that in a day gets as much less. The result is cut to
//! what every limit has room for, and rounded down to the lot; then it takes the gate like any other order. The limit
//! that cut it below the smallest order is left to the gate to name.

use super::command::{Guard, PlaceOrder, Protect};
use super::effect::{EffectOf, Outbox};
use super::portfolio::Inst;
use super::risk;
use super::{Core, Source};
use crate::domain::{OrderType, POW10, Price, Qty, Round, Side, StrategyId, Usd, num};
use crate::{wire_enum, wire_struct};

/// What bounded a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SizedBy {
    /// The risk of the trade.
    #[default]
    Risk,
    OrderNotional,
    PositionNotional,
    Leverage,
    GrossExposure,
    NetExposure,
    VenueExposure,
    AssetExposure,
    StrategyExposure,
    CorrelatedExposure,
    Balance,
    StageCap,
    /// The venue's largest order.
    VenueMax,
}
wire_enum!(SizedBy {
    0 => Risk, 1 => OrderNotional, 2 => PositionNotional, 3 => Leverage, 4 => GrossExposure, 5 => NetExposure,
    6 => VenueExposure, 7 => AssetExposure, 8 => StrategyExposure, 9 => CorrelatedExposure, 10 => Balance,
    11 => StageCap, 12 => VenueMax,
});

impl SizedBy {
    pub const ALL: [SizedBy; 13] = [
        SizedBy::Risk,
        SizedBy::OrderNotional,
        SizedBy::PositionNotional,
        SizedBy::Leverage,
        SizedBy::GrossExposure,
        SizedBy::NetExposure,
        SizedBy::VenueExposure,
        SizedBy::AssetExposure,
        SizedBy::StrategyExposure,
        SizedBy::CorrelatedExposure,
        SizedBy::Balance,
        SizedBy::StageCap,
        SizedBy::VenueMax,
    ];

    /// The limit's key in the configuration, where it has one.
    pub fn as_str(self) -> &'static str {
        match self {
            SizedBy::Risk => "risk_per_trade_pct",
            SizedBy::OrderNotional => "order_notional_max_usd",
            SizedBy::PositionNotional => "position_notional_max_usd",
            SizedBy::Leverage => "leverage_max",
            SizedBy::GrossExposure => "exposure_gross_max_usd",
            SizedBy::NetExposure => "exposure_net_max_usd",
            SizedBy::VenueExposure => "exposure_venue_max_usd",
            SizedBy::AssetExposure => "exposure_asset_max_usd",
            SizedBy::StrategyExposure => "strategy_exposure_max_usd",
            SizedBy::CorrelatedExposure => "correlated_exposure_max_usd",
            SizedBy::Balance => "balance",
            SizedBy::StageCap => "stage cap",
            SizedBy::VenueMax => "the venue's largest order",
        }
    }
}

/// The arithmetic of one quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizing {
    pub equity: Usd,
    /// Most that the trade may lose.
    pub risk: Usd,
    /// The price that the order is valued at, and the stop's distance from it.
    pub px: Price,
    pub stop_ppm: u32,
    /// What the instrument moves in a day, known or assumed, and what the quantity was scaled to for it; parts per
    /// million.
    pub moves_ppm: u32,
    pub scale_ppm: u32,
    /// Risk over distance, scaled; before limits and lot.
    pub wanted: Qty,
    pub by: SizedBy,
    pub qty: Qty,
}
wire_struct!(Sizing { equity, risk, px, stop_ppm, moves_ppm, scale_ppm, wanted, by, qty });

const ONE: i128 = 1_000_000;

/// Parts per million of a value, rounded down.
fn part(value: Usd, ppm: u32) -> Usd {
    Usd((i128::from(value.0.max(0)) * i128::from(ppm) / ONE) as i64)
}

/// The greatest quantity whose notional at `px` is at most `room`.
fn within(room: Usd, px: Price, inst: &Inst) -> Option<i64> {
    let scale = usize::from(inst.def.px_scale + inst.def.qty_scale).checked_sub(usize::from(Usd::SCALE))?;
    num::div(i128::from(room.0.max(0)) * i128::from(*POW10.get(scale)?), px.0.into(), Round::Down)
}

impl Core {
    /// The order with the quantity that is worked out for it, and the arithmetic told. Where there is nothing to work
    /// it out from the quantity stays zero, and the gate says what is missing.
    pub(super) fn sized(&self, order: &PlaceOrder, source: Source, out: &mut Outbox) -> PlaceOrder {
        let sizing = self.size(order, source.strategy);
        if let Some(sizing) = sizing {
            let Source { request, strategy } = source;
            out.push(EffectOf::Sized { request, strategy, instrument: order.instrument, sizing });
        }
        PlaceOrder { qty: sizing.map_or(Qty::ZERO, |sizing| sizing.qty), ..*order }
    }

    /// Works out the quantity of an order. `None` where there is nothing to work it out from; the gate says what.
    fn size(&self, order: &PlaceOrder, strategy: StrategyId) -> Option<Sizing> {
        let inst = self.portfolio.get(order.instrument)?;
        let scene = self.scene(order, strategy);
        let px = risk::valued_at(&scene, order).filter(|px| px.0 > 0)?;
        let (limits, equity) = (&self.limits, self.portfolio.totals_of(inst.live).equity);
        let stop_ppm = stop_distance(order, px, limits.stop_loss_ppm)?;
        let moves_ppm = if inst.moves_ppm == 0 { limits.volatility_assumed_ppm } else { inst.moves_ppm };
        let target = limits.sizing_volatility_ppm;
        let scale_ppm = if target == 0 || moves_ppm <= target {
            1_000_000
        } else {
            (i128::from(target) * ONE / i128::from(moves_ppm)) as u32
        };
        let risked = part(equity, limits.risk_per_trade_ppm);
        // What may be bought for it: the risk over the distance.
        let value = i128::from(part(risked, scale_ppm).0) * ONE / i128::from(stop_ppm.max(1));
        let wanted = within(Usd(i64::try_from(value).unwrap_or(i64::MAX)), px, inst)?;
        let (mut by, mut qty) = (SizedBy::Risk, wanted);
        self.rooms(order, strategy, inst, px, |limit, room| {
            if room < qty {
                (by, qty) = (limit, room);
            }
        })?;
        let floor = |qty: i64| inst.def.floor_to_lot(Qty(qty.max(0)));
        let mut qty = floor(qty);
        // Cut below the smallest order by a limit, and not by its risk: the gate names the limit.
        let smallest = smallest(order, inst, px)?;
        if qty < smallest && floor(wanted) >= smallest {
            qty = smallest;
        }
        let wanted = Qty(wanted);
        Some(Sizing { equity, risk: risked, px, stop_ppm, moves_ppm, scale_ppm, wanted, by, qty })
    }

    /// The quantity that each limit has room for. `None` where one cannot be told.
    fn rooms(
        &self,
        order: &PlaceOrder,
        strategy: StrategyId,
        inst: &Inst,
        px: Price,
        mut each: impl FnMut(SizedBy, i64),
    ) -> Option<()> {
        let (limits, caps, def) = (&self.limits, &self.caps, &inst.def);
        let (portfolio, totals) = (&self.portfolio, self.portfolio.totals_of(inst.live));
        let left = |max: Usd, used: Usd| max.saturating_sub(used);
        let buys = order.side == Side::Buy;
        let lever = i128::from(totals.equity.0.max(0)) * i128::from(limits.leverage_max_ppm) / ONE;
        let lever = Usd(i64::try_from(lever).unwrap_or(i64::MAX));
        let net = if buys { totals.net_up } else { Usd(totals.net_down.0.saturating_neg()) };
        for (limit, room) in [
            (SizedBy::OrderNotional, limits.order_notional_max),
            (SizedBy::Leverage, left(lever, totals.exposure)),
            (SizedBy::GrossExposure, left(limits.exposure_gross_max, totals.exposure)),
            (SizedBy::NetExposure, left(limits.exposure_net_max, net)),
            (SizedBy::VenueExposure, left(limits.exposure_venue_max, portfolio.venue_exposure(def.venue))),
            (SizedBy::AssetExposure, left(limits.exposure_asset_max, portfolio.asset_exposure(def.base, inst.live))),
            (SizedBy::CorrelatedExposure, left(limits.correlated_exposure_max, portfolio.moving_with(inst))),
            (SizedBy::StageCap, caps.order_notional_max),
            (SizedBy::StageCap, left(caps.exposure_gross_max, totals.exposure)),
        ] {
            each(limit, within(room, px, inst).unwrap_or(i64::MAX));
        }
        // Positions are valued at the dearer of the order's price and the ask.
        let dear = px.max(inst.quote.ask_px);
        let side = |net: i64, working: super::portfolio::Working| {
            if buys { net.saturating_add(working.buy.0) } else { working.sell.0.saturating_sub(net) }
        };
        let held = side(inst.position.net.0, inst.working);
        for (limit, max) in
            [(SizedBy::PositionNotional, limits.position_notional_max), (SizedBy::StageCap, caps.position_notional_max)]
        {
            each(limit, within(max, dear, inst).unwrap_or(i64::MAX).saturating_sub(held));
        }
        if strategy != StrategyId(0) {
            let desk = self.desks.get(strategy);
            let room = within(limits.strategy_exposure_max, dear, inst).unwrap_or(i64::MAX);
            each(SizedBy::StrategyExposure, room.saturating_sub(side(desk.net.0, desk.working)));
        }
        let available = |asset| self.account.get(def.venue, asset).available().max(0);
        let base = num::rescale(available(def.base).into(), 8, def.qty_scale, Round::Down)?;
        if buys || (base == 0 && def.borrow != crate::domain::Borrow::Never) {
            each(SizedBy::Balance, within(Usd(available(def.quote)), dear, inst).unwrap_or(i64::MAX));
        } else {
            each(SizedBy::Balance, base);
        }
        for max in [def.qty_max, def.market_qty_max] {
            let holds = max.0 > 0 && (max == def.qty_max || order.kind == OrderType::Market);
            each(SizedBy::VenueMax, if holds { max.0 } else { i64::MAX });
        }
        if def.notional_max > Usd::ZERO {
            each(SizedBy::VenueMax, within(def.notional_max, px, inst).unwrap_or(i64::MAX));
        }
        Some(())
    }
}

/// The venue's smallest order.
fn smallest(order: &PlaceOrder, inst: &Inst, px: Price) -> Option<Qty> {
    let def = &inst.def;
    let market = order.kind == OrderType::Market;
    let low = if market { inst.quote.bid_px } else { px };
    let scale = usize::from(def.px_scale + def.qty_scale).checked_sub(usize::from(Usd::SCALE))?;
    let min = if market && !def.notional_min_applies_to_market { Usd::ZERO } else { def.notional_min };
    let qty = num::div(i128::from(min.0) * i128::from(*POW10.get(scale)?), low.0.into(), Round::Up)?;
    let lot = def.lot.0.max(1);
    Some(Qty((qty.checked_add(lot - 1)? / lot * lot).max(def.qty_min.0)))
}

/// How far the stop stands from the price, parts per million, rounded up; as configured where the order names none.
fn stop_distance(order: &PlaceOrder, px: Price, configured_ppm: u32) -> Option<u32> {
    let Protect::Set { stop, .. } = order.protect else { return Some(configured_ppm) };
    let ppm = match stop {
        Guard::Default | Guard::Off => configured_ppm,
        Guard::Away(ppm) => ppm,
        Guard::Trail(bips) => bips.checked_mul(100)?,
        Guard::At(at) => {
            let away = i128::from(px.0.abs_diff(at.0)) * ONE;
            u32::try_from(num::div(away, px.0.into(), Round::Up)?).ok()?
        }
    };
    (ppm > 0).then_some(ppm)
}
