//! What the journal's tests share: small journals, events and effects of every kind, a core of a few lines.

use crate::core::alarm::{AlertChange, News, Severity};
use crate::core::alerts::{Act, AlertRules};
use crate::core::command::{
    Action, Ask, Command, Guard, Leg, ListOrder, PlaceOrder, Protect, Route, Scope, TradingState,
};
use crate::core::config::{HoursRule, Limits, StrategyConfig, StrategyKind};
use crate::core::effect::{
    AlarmKind, CancelOrder, EffectOf, Fill, OrderUpdate, Outbox, QueryOrder, RecordedEffect, Reply,
};
use crate::core::event::{Body, Event};
use crate::core::native::ProtectRules;
use crate::core::risk::{
    Allowed, Calendar, CalendarSource, Capped, Caps, DenyReason, NoShort, Permit, SESSIONS, Session, TermFault,
    Unevaluable,
};
use crate::core::routing::{LEGS_MAX, LegSeen, LegState, RouteConfig, RoutePolicy, Routed};
use crate::core::sizing::{SizedBy, Sizing};
use crate::core::standing::{
    Cause, Change, Measured, Moved, Needs, Policy, RevertRules, STAGES_MAX, StageRule, Standing, State, Step,
    StepRefusal, TABLE,
};
use crate::core::stop::{Left, LeftState, StopRules};
use crate::domain::*;
use crate::journal::{JournalConfig, Replayed, SEGMENT_BYTES_MIN};
use proptest::prelude::*;

/// The smallest segments, no compression, no waiting for the disk.
pub(in crate::journal) fn small() -> JournalConfig {
    JournalConfig {
        segment_bytes: SEGMENT_BYTES_MIN,
        touch_ahead_bytes: 64 * 1024,
        flush_interval_ns: 0,
        compress: false,
        ..JournalConfig::default()
    }
}

/// An event whose every number follows from its sequence.
pub(in crate::journal) fn quote(seq: u64) -> Event {
    let n = seq as i64;
    let quote = Quote {
        instrument: InstrumentId((seq % 7) as u16),
        bid_px: Price(6_400_000 + n % 100),
        bid_qty: Qty(n * 3),
        ask_px: Price(6_400_010 + n % 100),
        ask_qty: Qty(n * 5),
        update_id: seq * 2,
        ts_event_ns: 0,
    };
    event(seq, Body::Quote(quote))
}

pub(in crate::journal) fn event(seq: u64, body: Body) -> Event {
    let ts_ns = 1_723_075_200_000_000_000 + seq as i64 * 1_000;
    Event { seq, ts_ns, recv_ns: ts_ns - 300, decoded_ns: ts_ns - 100, body }
}

/// An effect that follows from `n`; such that a test's writer can hand it to `append`.
pub(in crate::journal) fn accepted<P>(n: u64) -> EffectOf<P> {
    EffectOf::Accepted { request: RequestId(n), order: OrderId(n * 64) }
}

/// Decides two things on every third event, and remembers all it saw.
#[derive(Default)]
pub(in crate::journal) struct Toy {
    pub seen: u64,
    /// An event at which it forgets the second.
    pub wrong_at: Option<u64>,
    /// Part of its state that no decision shows.
    pub hidden: u64,
}

impl Replayed for Toy {
    fn apply(&mut self, event: &Event, out: &mut Outbox) {
        self.seen = self.seen.wrapping_mul(31).wrapping_add(event.seq ^ event.ts_ns as u64);
        if event.seq.is_multiple_of(3) {
            out.push(accepted(event.seq));
            if self.wrong_at != Some(event.seq) {
                let order = OrderId(self.seen);
                out.push(EffectOf::Alarm {
                    kind: AlarmKind::Overflow,
                    instrument: InstrumentId(1),
                    order,
                    news: News::default(),
                });
            }
        }
    }

    fn state_hash(&self) -> u64 {
        self.seen ^ self.hidden
    }
}

// Generators. Each `prop_oneof` below names every variant; `every_variant_is_generated` in `log` counts them.

fn text<const N: usize>() -> BoxedStrategy<Text<N>> {
    "[ -~é]{0,60}".prop_map(|s| Text::new(&s)).boxed()
}

fn side() -> impl Strategy<Value = Side> + Clone {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn instrument_id() -> impl Strategy<Value = InstrumentId> + Clone {
    any::<u16>().prop_map(InstrumentId)
}

fn venue_id() -> impl Strategy<Value = VenueId> + Clone {
    any::<u8>().prop_map(VenueId)
}

fn order_id() -> impl Strategy<Value = OrderId> + Clone {
    any::<u64>().prop_map(OrderId)
}

fn px() -> impl Strategy<Value = Price> + Clone {
    any::<i64>().prop_map(Price)
}

fn qty() -> impl Strategy<Value = Qty> + Clone {
    any::<i64>().prop_map(Qty)
}

fn usd() -> impl Strategy<Value = Usd> + Clone {
    any::<i64>().prop_map(Usd)
}

fn exec_id() -> impl Strategy<Value = ExecId> + Clone {
    any::<(u64, u64)>().prop_map(|(hi, lo)| ExecId { hi, lo })
}

fn venue_order_id() -> impl Strategy<Value = VenueOrderId> + Clone {
    any::<(u64, u64)>().prop_map(|(hi, lo)| VenueOrderId { hi, lo })
}

fn dec() -> impl Strategy<Value = Dec> + Clone {
    any::<(i64, u8)>().prop_map(|(value, scale)| Dec { value, scale })
}

fn status() -> impl Strategy<Value = OrdStatus> {
    prop::sample::select(OrdStatus::ALL.to_vec())
}

fn trading_state() -> impl Strategy<Value = TradingState> {
    prop_oneof![Just(TradingState::Active), Just(TradingState::Reducing), Just(TradingState::Halted)]
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::Account),
        venue_id().prop_map(Scope::Venue),
        any::<u8>().prop_map(|id| Scope::Strategy(StrategyId(id))),
        instrument_id().prop_map(Scope::Instrument),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    (usd(), usd(), any::<u64>(), usd(), usd(), any::<([i64; 17], [u32; 22], [u16; 4])>(), text()).prop_map(
        |(order, position, leverage_max_ppm, balance, loss, (ns, n, hm), zone)| Limits {
            order_notional_max: order,
            position_notional_max: position,
            leverage_max_ppm,
            account_balance_min: balance,
            daily_loss_max: loss,
            quote_age_max_ns: ns[0],
            market_order_margin_ppm: n[0],
            open_orders_max: n[1],
            ack_timeout_ns: ns[1],
            not_found_after_ns: ns[2],
            query_interval_ns: ns[3],
            reconcile_interval_ns: ns[4],
            day_offset_ns: ns[5],
            price_collar_ppm: n[2],
            price_move_max_ppm: n[3],
            price_move_window_ns: ns[6],
            duplicate_window_ns: ns[7],
            orders_per_second_max: n[4],
            orders_per_day_max: n[5],
            order_to_trade_max: n[6],
            order_to_trade_orders_min: n[7],
            runaway_executions_max: n[8],
            runaway_window_ns: ns[8],
            exposure_gross_max: Usd(ns[9]),
            exposure_net_max: Usd(ns[10]),
            strategy_exposure_max: Usd(ns[11]),
            daily_loss_halt_ppm: n[9],
            drawdown_reduce_ppm: n[10],
            drawdown_halt_ppm: n[11],
            loss_streak_max: n[12],
            exposure_venue_max: Usd(ns[12]),
            exposure_asset_max: Usd(ns[13]),
            correlated_exposure_max: Usd(ns[14]),
            correlation_threshold_ppm: n[13],
            correlation_window: n[14],
            correlation_samples_min: n[15],
            correlation_sample_ns: ns[15],
            hours: HoursRule {
                start_min: hm[0],
                end_min: hm[1],
                extended_start_min: hm[2],
                extended_end_min: hm[3],
                zone,
            },
            stop_loss_ppm: n[16],
            take_profit_ppm: n[17],
            risk_per_trade_ppm: n[18],
            sizing_volatility_ppm: n[19],
            volatility_assumed_ppm: n[20],
            value_at_risk_max: Usd(ns[16]),
            risk_score_max: n[21],
        },
    )
}

fn strategy_config() -> impl Strategy<Value = StrategyConfig> {
    let kind = prop_oneof![
        (any::<(u32, u32, i64)>(), usd()).prop_map(|((fast, slow, sample_ns), order_notional)| {
            StrategyKind::EmaCross { fast, slow, sample_ns, order_notional }
        }),
        (any::<(u32, u32)>(), usd(), usd()).prop_map(|((offset_ppm, requote_ppm), order_notional, inventory_max)| {
            StrategyKind::Maker { offset_ppm, requote_ppm, order_notional, inventory_max }
        }),
        (any::<u32>(), qty()).prop_map(|(every, qty)| StrategyKind::Probe { every, qty }),
    ];
    (any::<u8>(), instrument_id(), kind).prop_map(|(id, instrument, kind)| StrategyConfig {
        id: StrategyId(id),
        instrument,
        kind,
    })
}

fn instrument() -> impl Strategy<Value = Instrument> {
    let names = (text::<24>(), text::<12>(), text::<12>());
    let prices = (px(), px(), px(), qty(), qty(), qty(), qty(), qty(), qty(), usd(), usd());
    let status = prop_oneof![
        Just(InstrumentStatus::Trading),
        Just(InstrumentStatus::CancelOnly),
        Just(InstrumentStatus::Halted)
    ];
    let numbers = any::<(u16, u16, u8, u8, bool, bool, bool, u32)>();
    let funding = prop_oneof![Just(Funding::Balances), Just(Funding::BuyingPower), Just(Funding::CashPower)];
    let us = (px(), px(), funding);
    (instrument_id(), venue_id(), names, numbers, prices, status, (abilities(), filters()), us).prop_map(
        |(id, venue, names, n, p, status, (can, filters), us)| Instrument {
            id,
            venue,
            symbol: names.0,
            base: AssetId(n.0),
            quote: AssetId(n.1),
            base_name: names.1,
            quote_name: names.2,
            status,
            px_scale: n.2,
            qty_scale: n.3,
            quote_is_usd: n.4,
            tick: p.0,
            px_min: p.1,
            px_max: p.2,
            lot: p.3,
            qty_min: p.4,
            qty_max: p.5,
            market_lot: p.6,
            market_qty_min: p.7,
            market_qty_max: p.8,
            notional_min: p.9,
            notional_max: p.10,
            notional_min_applies_to_market: n.5,
            notional_max_applies_to_market: n.6,
            taker_fee_ppm: n.7,
            borrow: [Borrow::Never, Borrow::NotShortable, Borrow::Hard, Borrow::Easy][usize::from(n.0 % 4)],
            can,
            filters,
            fine_tick: us.0,
            fine_below: us.1,
            funding: us.2,
        },
    )
}

fn margin() -> impl Strategy<Value = Margin> {
    let powers = (usd(), usd(), usd(), usd(), usd());
    (venue_id(), powers, any::<(u8, i64)>()).prop_map(|(venue, p, n)| Margin {
        venue,
        equity: p.0,
        buying_power: p.1,
        cash_power: p.2,
        initial_margin: p.3,
        maintenance_margin: p.4,
        multiplier: n.0,
        ts_event_ns: n.1,
    })
}

fn depth() -> impl Strategy<Value = DepthChunk> {
    let levels = prop::collection::vec((px(), qty()), 0..=LEVELS_PER_CHUNK);
    (instrument_id(), any::<(bool, bool, bool, u64, i64)>(), levels, any::<prop::sample::Index>()).prop_map(
        |(instrument, n, filled, split)| {
            let bids = split.index(filled.len() + 1);
            let mut levels = [Level::default(); LEVELS_PER_CHUNK];
            for (level, (px, qty)) in levels.iter_mut().zip(&filled) {
                *level = Level { px: *px, qty: *qty };
            }
            DepthChunk {
                instrument,
                kind: if n.0 { DepthKind::Snapshot } else { DepthKind::Delta },
                first: n.1,
                last: n.2,
                bids: bids as u8,
                asks: (filled.len() - bids) as u8,
                levels,
                update_id: n.3,
                ts_event_ns: n.4,
            }
        },
    )
}

fn report() -> impl Strategy<Value = ExecReport> {
    let ids = (venue_id(), instrument_id(), order_id(), venue_order_id(), exec_id(), side());
    let numbers = (px(), qty(), qty(), qty(), px());
    let exec = prop::sample::select(ExecType::ALL.to_vec());
    let liquidity = prop_oneof![Just(Liquidity::None), Just(Liquidity::Maker), Just(Liquidity::Taker)];
    let reject = prop::sample::select(RejectReason::ALL.to_vec());
    (ids, numbers, exec, (liquidity, reject), any::<(i64, u16, i32, i64)>(), text()).prop_map(
        |(id, p, exec, (liquidity, reject), n, text)| ExecReport {
            venue: id.0,
            instrument: id.1,
            order: id.2,
            exec,
            side: id.5,
            venue_order_id: id.3,
            exec_id: id.4,
            last_px: p.0,
            last_qty: p.1,
            cum_qty: p.2,
            order_qty: p.3,
            order_px: p.4,
            fee: n.0,
            fee_asset: AssetId(n.1),
            liquidity,
            reject,
            code: n.2,
            text,
            ts_event_ns: n.3,
        },
    )
}

fn route_policy() -> impl Strategy<Value = RoutePolicy> {
    prop_oneof![
        Just(RoutePolicy::PrimaryThenFallback),
        Just(RoutePolicy::BestPrice),
        Just(RoutePolicy::LowestFee),
        Just(RoutePolicy::Split)
    ]
}

fn route() -> impl Strategy<Value = RouteConfig> {
    (route_policy(), any::<u8>(), any::<[u16; LEGS_MAX]>()).prop_map(|(policy, count, legs)| RouteConfig {
        policy,
        count,
        legs: legs.map(InstrumentId),
    })
}

fn routed() -> impl Strategy<Value = Routed> {
    let states = prop::sample::select(vec![
        LegState::Usable,
        LegState::VenueNotReady,
        LegState::NotTrading,
        LegState::Stale,
        LegState::Tried,
        LegState::DoesNotFit,
        LegState::Denied,
    ]);
    let leg = (instrument_id(), states, px(), any::<u32>(), qty());
    let leg = leg.prop_map(|(instrument, state, px, fee_ppm, size)| LegSeen { instrument, state, px, fee_ppm, size });
    let legs = prop::array::uniform4(leg);
    (any::<u64>(), order_id(), order_id(), route_policy(), any::<(u8, u8)>(), qty(), legs).prop_map(
        |(request, order, after, policy, (chosen, count), part, legs)| Routed {
            request: RequestId(request),
            order,
            after,
            policy,
            chosen,
            count,
            part,
            legs,
        },
    )
}

fn place_order() -> impl Strategy<Value = PlaceOrder> {
    let what = (instrument_id(), text(), side(), order_type(), time_in_force(), qty(), px());
    let route = prop_oneof![Just(Route::Auto), venue_id().prop_map(Route::Venue)];
    (what, terms(), any::<(bool, bool)>(), protect(), route, text()).prop_map(
        |((instrument, symbol, side, kind, tif, qty, px), terms, (reduce_only, auto_qty), protect, route, client)| {
            PlaceOrder {
                instrument,
                symbol,
                side,
                kind,
                tif,
                qty,
                px,
                terms,
                reduce_only,
                auto_qty,
                protect,
                route,
                client,
            }
        },
    )
}

fn order_type() -> impl Strategy<Value = OrderType> + Clone {
    prop::sample::select(OrderType::ALL.to_vec())
}

fn time_in_force() -> impl Strategy<Value = TimeInForce> + Clone {
    prop::sample::select(TimeInForce::ALL.to_vec())
}

fn stp() -> impl Strategy<Value = StpMode> + Clone {
    prop::sample::select(StpMode::ALL.to_vec())
}

fn terms() -> impl Strategy<Value = Terms> + Clone {
    let trail = prop_oneof![Just(Trail::None), any::<u32>().prop_map(Trail::Bips), px().prop_map(Trail::Offset)];
    (px(), trail, qty(), usd(), stp(), any::<bool>()).prop_map(
        |(stop_px, trail, display_qty, quote_qty, stp, extended_hours)| Terms {
            stop_px,
            trail,
            display_qty,
            quote_qty,
            stp,
            extended_hours,
        },
    )
}

fn protect() -> impl Strategy<Value = Protect> {
    let guard = || {
        prop_oneof![
            Just(Guard::Default),
            Just(Guard::Off),
            any::<u32>().prop_map(Guard::Away),
            px().prop_map(Guard::At),
            any::<u32>().prop_map(Guard::Trail),
        ]
    };
    prop_oneof![
        Just(Protect::Default),
        Just(Protect::Off),
        (guard(), guard()).prop_map(|(stop, target)| Protect::Set { stop, target }),
    ]
}

fn filters() -> impl Strategy<Value = Filters> {
    any::<([i64; 7], [u32; 15], bool)>().prop_map(|(px, n, px_by_side)| Filters {
        buy_px_up: px[0],
        buy_px_down: px[1],
        sell_px_up: px[2],
        sell_px_down: px[3],
        px_by_side,
        trail_above_min: n[0],
        trail_above_max: n[1],
        trail_below_min: n[2],
        trail_below_max: n[3],
        iceberg_parts_max: n[4],
        orders_max: n[5],
        algo_orders_max: n[6],
        iceberg_orders_max: n[7],
        lists_max: n[8],
        venue_orders_max: n[9],
        venue_algo_orders_max: n[10],
        venue_iceberg_orders_max: n[11],
        venue_lists_max: n[12],
        amends_max: n[13],
        position_max: Qty(px[4]),
        px_mins: n[14],
        base_max: Qty(px[5]),
        quote_max: Usd(px[6]),
    })
}

fn ability() -> impl Strategy<Value = Ability> {
    prop_oneof![
        (order_type(), time_in_force()).prop_map(|(kind, tif)| Ability::Order(kind, tif)),
        stp().prop_map(Ability::Stp),
        prop::sample::select(Feature::ALL.to_vec()).prop_map(Ability::Feature),
    ]
}

fn abilities() -> impl Strategy<Value = Abilities> {
    let some = prop::collection::vec(ability(), 0..9);
    some.prop_map(|some| {
        some.into_iter().fold(Abilities::NONE, |set, what| match what {
            Ability::Order(kind, tif) => set.with_orders(&[kind], &[tif]),
            Ability::Stp(mode) => set.with_stp(mode),
            Ability::Feature(feature) => set.with(feature),
        })
    })
}

fn caps() -> impl Strategy<Value = Caps> {
    (any::<(u8, u32, u32)>(), usd(), usd(), usd()).prop_map(|(n, order, position, gross)| Caps {
        stage: n.0,
        order_notional_max: order,
        position_notional_max: position,
        exposure_gross_max: gross,
        orders_per_day_max: n.1,
        open_orders_max: n.2,
    })
}

fn state() -> impl Strategy<Value = State> {
    prop::sample::select(TABLE.map(|(from, _, _)| from).to_vec())
}

fn change() -> impl Strategy<Value = Change> {
    prop::sample::select(TABLE.map(|(_, change, _)| change).to_vec())
}

fn standing() -> impl Strategy<Value = Standing> {
    (state(), any::<(u8, u8)>()).prop_map(|(state, (stage, approvals))| Standing { state, stage, approvals })
}

fn refusal() -> impl Strategy<Value = StepRefusal> {
    use StepRefusal as R;
    prop::sample::select(vec![
        R::Stale,
        R::NoWay,
        R::NotConfigured,
        R::NotEnough,
        R::NotApproved,
        R::SamePerson,
        R::Nobody,
        R::Expired,
    ])
}

fn cause() -> impl Strategy<Value = Cause> {
    prop_oneof![
        Just(Cause::None),
        (usd(), usd()).prop_map(|(fall, max)| Cause::Drawdown { fall, max }),
        (usd(), usd()).prop_map(|(loss, max)| Cause::DailyLoss { loss, max }),
        any::<(u32, u32)>().prop_map(|(orders, max)| Cause::LossStreak { orders, max }),
        (usd(), usd()).prop_map(|(mean, bound)| Cause::BelowPaper { mean, bound }),
        any::<(i64, i64)>().prop_map(|(live_ppm, paper_ppm)| Cause::Slippage { live_ppm, paper_ppm }),
        Just(Cause::Difference),
        Just(Cause::EmergencyStop),
        Just(Cause::OtherFilters),
        Just(Cause::NotConfigured),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let measured = (any::<(u64, u64, u64, u64, u64, i64)>(), any::<(Option<i64>, Option<i64>, u64, u64)>());
    let measured = measured.prop_map(|((trades, wins, losses, returns, drawdown_ppm, observed_ns), n)| Measured {
        trades,
        wins,
        losses,
        profit_factor_ppm: n.0,
        sharpe_ppm: n.1,
        returns,
        drawdown_ppm,
        observed_ns,
        impossible: n.2,
        configuration: n.3,
    });
    (any::<u64>(), standing(), change(), cause(), text(), text(), measured).prop_map(
        |(request, from, change, cause, who, why, evidence)| Step {
            request: RequestId(request),
            from,
            change,
            cause,
            who,
            why,
            evidence,
        },
    )
}

fn policy() -> impl Strategy<Value = Policy> {
    let needs = any::<(u32, i64, i64, u64, u64, i64)>().prop_map(|n| Needs {
        success_ppm: n.0,
        profit_factor_ppm: n.1,
        sharpe_ppm: n.2,
        trades: n.3,
        drawdown_ppm: n.4,
        observed_ns: n.5,
    });
    let revert = any::<(u32, u32, u32, bool, bool, bool)>().prop_map(|n| RevertRules {
        drawdown_ppm: n.0,
        daily_loss_ppm: n.1,
        loss_streak: n.2,
        on_difference: n.3,
        one_stage: n.4,
        flatten: n.5,
    });
    let stage = (any::<(u32, i64, u64)>(), caps()).prop_map(|((capital_ppm, observed_ns, trades), caps)| StageRule {
        capital_ppm,
        caps,
        observed_ns,
        trades,
    });
    (any::<(u8, u8, i64)>(), usd(), usd(), needs, revert, prop::collection::vec(stage, STAGES_MAX)).prop_map(
        |(n, automatic_capital, capital, needs, revert, stages)| {
            let mut stage = [StageRule::default(); STAGES_MAX];
            stage.copy_from_slice(&stages);
            let (approvals, stages, expires_after_ns) = n;
            Policy { approvals, expires_after_ns, automatic_capital, capital, needs, revert, stages, stage }
        },
    )
}

fn list_kind() -> impl Strategy<Value = ListKind> + Clone {
    prop_oneof![Just(ListKind::Oco), Just(ListKind::Oto), Just(ListKind::Otoco)]
}

fn replace_mode() -> impl Strategy<Value = ReplaceMode> + Clone {
    prop_oneof![Just(ReplaceMode::StopOnFailure), Just(ReplaceMode::AllowFailure)]
}

fn list_order() -> impl Strategy<Value = ListOrder> {
    let leg = || {
        (side(), order_type(), time_in_force(), qty(), px(), terms())
            .prop_map(|(side, kind, tif, qty, px, terms)| Leg { side, kind, tif, qty, px, terms })
    };
    (list_kind(), place_order(), leg(), leg()).prop_map(|(kind, first, second, third)| ListOrder {
        kind,
        first,
        second,
        third,
    })
}

fn new_order() -> impl Strategy<Value = NewOrder> + Clone {
    let ids = (order_id(), venue_id(), instrument_id(), any::<u8>());
    (ids, (side(), order_type(), time_in_force(), qty(), px(), terms())).prop_map(
        |((order, venue, instrument, strategy), (side, kind, tif, qty, px, terms))| {
            let strategy = StrategyId(strategy);
            NewOrder { order, venue, instrument, strategy, side, kind, tif, qty, px, terms }
        },
    )
}

fn cancel_order() -> impl Strategy<Value = CancelOrder> {
    (order_id(), venue_id(), instrument_id(), venue_order_id(), qty()).prop_map(
        |(order, venue, instrument, venue_order_id, filled)| CancelOrder {
            order,
            venue,
            instrument,
            venue_order_id,
            filled,
        },
    )
}

fn tested() -> impl Strategy<Value = Tested> {
    let outcome = prop::sample::select(vec![
        TestOutcome::Accepted,
        TestOutcome::Refused,
        TestOutcome::NoAnswer,
        TestOutcome::NotAsked,
    ]);
    (any::<u64>(), outcome, any::<i32>(), text()).prop_map(|(request, outcome, code, text)| Tested {
        request: RequestId(request),
        outcome,
        code,
        text,
    })
}

fn command() -> impl Strategy<Value = Command> {
    let action = prop_oneof![
        place_order().prop_map(Action::Place),
        place_order().prop_map(Action::Validate),
        place_order().prop_map(Action::ValidateAtVenue),
        order_id().prop_map(Action::Cancel),
        Just(Action::CancelAll),
        instrument_id().prop_map(Action::Close),
        Just(Action::CloseAll),
        any::<bool>().prop_map(|flatten| Action::EmergencyStop { flatten }),
        (scope(), trading_state()).prop_map(|(scope, state)| Action::SetTradingState { scope, state }),
        Just(Action::Shutdown),
        limits().prop_map(Action::SetLimits),
        venue_id().prop_map(Action::Reconcile),
        list_order().prop_map(Action::PlaceList),
        (order_id(), replace_mode(), place_order()).prop_map(|(order, mode, new)| Action::Replace { order, mode, new }),
        (order_id(), qty()).prop_map(|(order, qty)| Action::Amend { order, qty }),
        caps().prop_map(Action::SetCaps),
        (text(), text(), any::<bool>()).prop_map(|(what, about, done)| Action::Note { what, about, done }),
        any::<u64>().prop_map(|alert| Action::Acknowledge { alert }),
        Just(Action::Heartbeat),
        prop::sample::select(vec![Ask::Initiate, Ask::Approve, Ask::Reject, Ask::Revert]).prop_map(Action::Transition),
    ];
    (any::<u64>(), text(), text(), text(), action).prop_map(|(request, who, from, why, action)| Command {
        request: RequestId(request),
        who,
        from,
        why,
        action,
    })
}

pub(in crate::journal) fn arb_body() -> impl Strategy<Value = Body> {
    let feed_state = prop_oneof![Just(FeedState::Disconnected), Just(FeedState::Gap), Just(FeedState::Live)];
    let venue_state = prop_oneof![Just(VenueState::Down), Just(VenueState::Syncing), Just(VenueState::Ready)];
    prop_oneof![
        any::<(u32, u32)>().prop_map(|(epoch, run)| Body::Start { epoch, run }),
        limits().prop_map(Body::Limits),
        strategy_config().prop_map(Body::Strategy),
        (venue_id(), text()).prop_map(|(venue, name)| Body::Venue { venue, name }),
        (any::<u16>(), text()).prop_map(|(asset, name)| Body::Asset { asset: AssetId(asset), name }),
        margin().prop_map(Body::Margin),
        (instrument_id(), any::<bool>(), text()).prop_map(|(instrument, halted, text)| Body::InstrumentStatus {
            instrument,
            status: if halted { InstrumentStatus::Halted } else { InstrumentStatus::Trading },
            text,
        }),
        (instrument_id(), px(), px()).prop_map(|(instrument, lower, upper)| Body::PriceBand {
            instrument,
            lower,
            upper
        }),
        (venue_id(), text()).prop_map(|(venue, text)| Body::Barred { venue, text }),
        instrument().prop_map(Body::Instrument),
        (instrument_id(), px(), qty(), px(), qty(), any::<(u64, i64)>()).prop_map(|(instrument, b, bq, a, aq, n)| {
            Body::Quote(Quote {
                instrument,
                bid_px: b,
                bid_qty: bq,
                ask_px: a,
                ask_qty: aq,
                update_id: n.0,
                ts_event_ns: n.1,
            })
        }),
        (instrument_id(), px(), qty(), side(), exec_id(), any::<i64>()).prop_map(
            |(instrument, px, qty, aggressor, trade_id, ts_event_ns)| {
                Body::Trade(TradeTick { instrument, px, qty, aggressor, trade_id, ts_event_ns })
            }
        ),
        depth().prop_map(Body::Depth),
        (instrument_id(), feed_state).prop_map(|(instrument, state)| Body::Feed { instrument, state }),
        (venue_id(), venue_state).prop_map(|(venue, state)| Body::VenueState { venue, state }),
        report().prop_map(Body::Exec),
        (venue_id(), any::<(u16, i64, i64, i64)>()).prop_map(|(venue, n)| {
            Body::Balance(Balance { venue, asset: AssetId(n.0), free: n.1, locked: n.2, ts_event_ns: n.3 })
        }),
        venue_id().prop_map(|venue| Body::Reconciled { venue }),
        (order_id(), any::<(i64, i64)>()).prop_map(|(order, (encoded_ns, written_ns))| Body::Sent {
            order,
            encoded_ns,
            written_ns
        }),
        (order_id(), text()).prop_map(|(order, text)| Body::NotSent { order, text }),
        command().prop_map(Body::Command),
        Just(Body::Tick),
        route().prop_map(Body::Route),
        tested().prop_map(Body::Tested),
        (instrument_id(), px()).prop_map(|(instrument, px)| Body::VenuePx { instrument, px }),
        policy().prop_map(Body::Policy),
        (venue_id(), venue_id()).prop_map(|(venue, paper)| Body::LiveVenue { venue, paper }),
        step().prop_map(Body::Step),
        alert_rules().prop_map(Body::AlertRules),
        any::<(bool, bool, i64)>().prop_map(|(flatten, cancel_foreign, heartbeat_max_ns)| {
            Body::StopRules(StopRules { flatten, cancel_foreign, heartbeat_max_ns })
        }),
        any::<(bool, i64, i64)>().prop_map(|(at_venue, overdue_ns, again_ns)| {
            Body::ProtectRules(ProtectRules { at_venue, overdue_ns, again_ns })
        }),
        (alarm_kind(), scope(), any::<bool>()).prop_map(|(kind, scope, is_so)| Body::Condition { kind, scope, is_so }),
        (instrument_id(), any::<(bool, bool, bool)>()).prop_map(|(instrument, n)| {
            let permit = Permit { restricted: n.0, keeps_hours: n.1, short_sale: n.2 };
            Body::Permit { instrument, permit }
        }),
        any::<(u8, bool, [u64; MAX_INSTRUMENTS / 64])>().prop_map(|(strategy, listed, instruments)| Body::Allow {
            strategy: StrategyId(strategy),
            allowed: Allowed { listed, instruments },
        }),
        (instrument_id(), any::<(bool, i64, [[i64; 4]; SESSIONS])>()).prop_map(|(instrument, n)| {
            let source = if n.0 { CalendarSource::Venue } else { CalendarSource::Configured };
            let sessions =
                n.2.map(|s| Session { open_ns: s[0], close_ns: s[1], extended_open_ns: s[2], extended_close_ns: s[3] });
            Body::Calendar { instrument, source, calendar: Calendar { known_until_ns: n.1, sessions } }
        }),
    ]
}

/// An event of any kind; its sequence is for the caller to set.
pub(in crate::journal) fn arb_event() -> impl Strategy<Value = Event> {
    (any::<(i64, i64, i64)>(), arb_body()).prop_map(|((ts_ns, recv_ns, decoded_ns), body)| Event {
        seq: 0,
        ts_ns,
        recv_ns,
        decoded_ns,
        body,
    })
}

fn deny_reason() -> impl Strategy<Value = DenyReason> {
    use DenyReason as D;
    let what = prop_oneof![
        Just(Unevaluable::Overflow),
        Just(Unevaluable::NoPrice),
        Just(Unevaluable::NoAccount),
        Just(Unevaluable::QuoteAssetNotUsd),
        Just(Unevaluable::OrderTableFull),
        Just(Unevaluable::NoCalendar),
        Just(Unevaluable::NoVenuePrice),
        Just(Unevaluable::NotReleased),
        Just(Unevaluable::TooManyWait),
        Just(Unevaluable::CancelledWaiting),
        Just(Unevaluable::FillsMissing),
    ];
    let no_short = prop::sample::select(vec![
        NoShort::NotConfigured,
        NoShort::NotShortable,
        NoShort::HardToBorrow,
        NoShort::PartlyHeld,
        NoShort::Fraction,
    ]);
    let capped = prop::sample::select(vec![
        Capped::OrderNotional,
        Capped::PositionNotional,
        Capped::GrossExposure,
        Capped::OrdersPerDay,
        Capped::OpenOrders,
    ]);
    prop_oneof![
        (scope(), trading_state()).prop_map(|(scope, state)| D::TradingNotActive { state, scope }),
        Just(D::UnknownInstrument),
        text().prop_map(|why| D::InstrumentNotTrading { why }),
        Just(D::VenueNotReady),
        any::<(u64, u64)>().prop_map(|(age_ms, age_max_ms)| D::QuoteStale { age_ms, age_max_ms }),
        (dec(), dec(), dec(), dec()).prop_map(|(qty, min, max, step)| D::LotSize { qty, min, max, step }),
        (dec(), dec(), dec(), dec()).prop_map(|(px, min, max, tick)| D::PriceFilter { px, min, max, tick }),
        (usd(), usd(), usd()).prop_map(|(notional, min, max)| D::VenueNotional { notional, min, max }),
        (usd(), usd()).prop_map(|(notional, max)| D::OrderNotionalAboveMax { notional, max }),
        any::<(u32, u32)>().prop_map(|(open, max)| D::OpenOrdersAboveMax { open, max }),
        (text(), dec(), dec()).prop_map(|(asset, needed, available)| D::BalanceTooLow { asset, needed, available }),
        (usd(), usd()).prop_map(|(equity, min)| D::AccountBelowMin { equity, min }),
        (usd(), usd()).prop_map(|(notional, max)| D::PositionNotionalAboveMax { notional, max }),
        (dec(), dec()).prop_map(|(leverage, max)| D::LeverageAboveMax { leverage, max }),
        (usd(), usd()).prop_map(|(loss, max)| D::DailyLossReached { loss, max }),
        (dec(), dec(), dec()).prop_map(|(px, reference, max_pct)| D::PriceCollar { px, reference, max_pct }),
        (dec(), dec(), any::<u64>()).prop_map(|(moved_pct, max_pct, window_ms)| D::PriceJumped {
            moved_pct,
            max_pct,
            window_ms
        }),
        any::<(u64, u64)>().prop_map(|(age_ms, window_ms)| D::DuplicateOrder { age_ms, window_ms }),
        dec().prop_map(|own| D::SelfMatch { own }),
        (scope(), any::<(u32, u64)>()).prop_map(|(scope, (max, wait_ms))| D::OrderRateAboveMax { scope, max, wait_ms }),
        (scope(), usd(), usd()).prop_map(|(scope, exposure, max)| D::GrossExposureAboveMax { scope, exposure, max }),
        (usd(), usd()).prop_map(|(exposure, max)| D::NetExposureAboveMax { exposure, max }),
        any::<(u32, u32)>().prop_map(|(orders, max)| D::OrdersPerDayAboveMax { orders, max }),
        any::<(u32, u32, u32)>().prop_map(|(orders, trades, max)| D::OrderToTradeAboveMax { orders, trades, max }),
        (any::<u8>(), capped, dec(), dec()).prop_map(|(stage, cap, value, max)| D::StageCapReached {
            stage,
            cap,
            value,
            max
        }),
        Just(D::InstrumentRestricted),
        any::<u8>().prop_map(|id| D::InstrumentNotAllowed { strategy: StrategyId(id) }),
        any::<(bool, bool, u64)>().prop_map(|(venue, extended, wait_s)| D::OutsideTradingHours {
            venue,
            extended,
            wait_s
        }),
        no_short.prop_map(|why| D::ShortSaleNotPermitted { why }),
        (text(), usd(), usd()).prop_map(|(asset, exposure, max)| D::AssetExposureAboveMax { asset, exposure, max }),
        (usd(), usd(), any::<bool>()).prop_map(|(exposure, max, known)| D::CorrelatedExposureAboveMax {
            exposure,
            max,
            known
        }),
        (any::<(u32, u32)>(), usd()).prop_map(|((score, max), value_at_risk)| D::RiskScoreAboveMax {
            score,
            max,
            value_at_risk
        }),
        Just(D::NotReducing),
        state().prop_map(|state| D::NotLive { state }),
        ability().prop_map(|what| D::OrderTypeUnsupported { what }),
        order_id().prop_map(|order| D::ClientIdReused { order }),
        (prop::sample::select(FilterName::ALL.to_vec()), dec(), dec())
            .prop_map(|(filter, value, limit)| D::VenueFilter { filter, value, limit }),
        prop::sample::select(vec![
            TermFault::NoStopPrice,
            TermFault::StopPrice,
            TermFault::LimitPrice,
            TermFault::NoTrail,
            TermFault::Trail,
            TermFault::Iceberg,
            TermFault::QuoteQty,
            TermFault::List,
            TermFault::ListPrices,
            TermFault::NotReplaceable,
            TermFault::LegOfList,
            TermFault::EntryOfList,
            TermFault::AmendQty,
        ])
        .prop_map(D::TermsInvalid),
        what.prop_map(D::CannotEvaluate),
    ]
}

fn order_update() -> impl Strategy<Value = OrderUpdate> {
    let ids = (order_id(), any::<(u64, u8)>(), venue_id(), instrument_id(), side(), status(), venue_order_id());
    (ids, qty(), qty(), any::<i128>(), px(), any::<i32>(), text()).prop_map(
        |(id, order_qty, cum_qty, cum_value, px, code, text)| OrderUpdate {
            order: id.0,
            request: RequestId(id.1.0),
            strategy: StrategyId(id.1.1),
            venue: id.2,
            instrument: id.3,
            side: id.4,
            status: id.5,
            order_qty,
            cum_qty,
            cum_value,
            px,
            venue_order_id: id.6,
            code,
            text,
        },
    )
}

fn alarm_kind() -> impl Strategy<Value = AlarmKind> {
    prop::sample::select(AlarmKind::ALL.to_vec())
}

fn news() -> impl Strategy<Value = News> {
    let severity = prop::sample::select(Severity::ALL.to_vec());
    let change = prop::sample::select(vec![
        AlertChange::Raised,
        AlertChange::Repeated,
        AlertChange::Reopened,
        AlertChange::Escalated,
        AlertChange::Acknowledged,
        AlertChange::Cleared,
    ]);
    (any::<u64>(), scope(), severity, change, text()).prop_map(|(alert, scope, severity, change, who)| News {
        alert,
        scope,
        severity,
        change,
        who,
    })
}

fn alert_rules() -> impl Strategy<Value = AlertRules> {
    let act = || prop::sample::select(vec![Act::None, Act::Reduce, Act::Halt, Act::Stop]);
    ((act(), act(), act(), act()), any::<(i64, u32, u32, i64, i64, u32)>()).prop_map(|(acts, n)| AlertRules {
        acts: [acts.0, acts.1, acts.2],
        escalated: acts.3,
        escalate_after_ns: n.0,
        exposure_high_ppm: n.1,
        balance_low_ppm: n.2,
        feed_stale_ns: n.3,
        venue_down_ns: n.4,
        risk_score_high: n.5,
    })
}

fn left() -> impl Strategy<Value = Left> {
    let state = prop::sample::select(vec![LeftState::Unconfirmed, LeftState::Left, LeftState::Nothing]);
    (venue_id(), state, any::<(u32, u32, u32, i64)>()).prop_map(|(venue, state, n)| Left {
        venue,
        state,
        orders: n.0,
        foreign: n.1,
        positions: n.2,
        answered_ns: n.3,
        ..Left::default()
    })
}

fn sizing() -> impl Strategy<Value = Sizing> {
    let by = prop::sample::select(SizedBy::ALL.to_vec());
    (usd(), usd(), px(), any::<[u32; 3]>(), qty(), by, qty()).prop_map(|(equity, risk, px, n, wanted, by, qty)| {
        Sizing { equity, risk, px, stop_ppm: n[0], moves_ppm: n[1], scale_ppm: n[2], wanted, by, qty }
    })
}

/// An effect of any kind, orders included.
pub(in crate::journal) fn arb_effect() -> impl Strategy<Value = RecordedEffect> {
    use EffectOf as E;
    let reply = prop_oneof![
        Just(Reply::Done),
        any::<(u32, u32)>().prop_map(|(cancels, flattens)| Reply::Closing { cancels, flattens }),
        Just(Reply::NothingOpen),
        Just(Reply::NotFound),
        usd().prop_map(|notional| Reply::WouldPass { notional }),
        any::<u32>().prop_map(|rules| Reply::WouldFail { rules }),
    ];
    prop_oneof![
        new_order().prop_map(E::Place),
        (list_kind(), new_order(), new_order(), prop::option::of(new_order()))
            .prop_map(|(kind, first, second, third)| E::PlaceList { kind, first, second, third }),
        (cancel_order(), replace_mode(), new_order()).prop_map(|(cancel, mode, new)| E::Replace { cancel, mode, new }),
        (cancel_order(), qty()).prop_map(|(order, qty)| E::Amend { order, qty }),
        cancel_order().prop_map(E::Cancel),
        (venue_id(), instrument_id()).prop_map(|(venue, instrument)| E::CancelAll { venue, instrument }),
        (order_id(), venue_id(), instrument_id(), side())
            .prop_map(|(order, venue, instrument, side)| E::Query(QueryOrder { order, venue, instrument, side })),
        venue_id().prop_map(|venue| E::Reconcile { venue }),
        left().prop_map(E::Left),
        (venue_id(), instrument_id(), exec_id(), any::<i64>())
            .prop_map(|(venue, instrument, from, since_ns)| E::Backfill { venue, instrument, from, since_ns }),
        (any::<(u64, u8)>(), instrument_id(), side(), qty(), px(), deny_reason()).prop_map(
            |(n, instrument, side, qty, px, reason)| {
                let (request, strategy) = (RequestId(n.0), StrategyId(n.1));
                E::Denied { request, strategy, instrument, side, qty, px, reason }
            }
        ),
        (any::<u64>(), deny_reason()).prop_map(|(request, reason)| E::Broken { request: RequestId(request), reason }),
        (any::<(u64, u8)>(), instrument_id(), sizing()).prop_map(|(n, instrument, sizing)| {
            let (request, strategy) = (RequestId(n.0), StrategyId(n.1));
            E::Sized { request, strategy, instrument, sizing }
        }),
        (any::<u64>(), order_id()).prop_map(|(request, order)| E::Accepted { request: RequestId(request), order }),
        order_update().prop_map(E::Order),
        (order_id(), any::<u8>(), instrument_id(), side(), (qty(), qty()), px(), exec_id(), (usd(), usd())).prop_map(
            |(order, strategy, instrument, side, (qty, position), px, exec_id, (fee, realised))| {
                let strategy = StrategyId(strategy);
                E::Fill(Fill { order, strategy, instrument, side, qty, px, exec_id, fee, realised, position })
            }
        ),
        (scope(), trading_state()).prop_map(|(scope, state)| E::Trading { scope, state }),
        (alarm_kind(), instrument_id(), order_id(), news()).prop_map(|(kind, instrument, order, news)| E::Alarm {
            kind,
            instrument,
            order,
            news
        }),
        (any::<u64>(), reply).prop_map(|(request, reply)| E::Reply { request: RequestId(request), reply }),
        (step(), standing()).prop_map(|(step, to)| {
            let Step { request, from, change, cause, who, why, .. } = step;
            E::Moved(Moved { request, from, to, change, cause, who, why })
        }),
        routed().prop_map(E::Routed),
        (any::<u64>(), new_order()).prop_map(|(request, order)| E::Test { request: RequestId(request), order }),
        (any::<u64>(), change(), refusal()).prop_map(|(request, change, refusal)| E::StepRefused {
            request: RequestId(request),
            change,
            refusal
        }),
    ]
}
