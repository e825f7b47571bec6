//! Each rule of the gate, shown to fire for a command and for a strategy, with its code, value and limit.

use super::*;

/// What the first denial among the effects says.
fn denied(effects: &[RecordedEffect]) -> Option<(StrategyId, DenyReason)> {
    effects.iter().find_map(|e| match e {
        EffectOf::Denied { strategy, reason, .. } => Some((*strategy, *reason)),
        _ => None,
    })
}

impl Rig {
    /// Ready, with some limits changed.
    fn with(change: impl FnOnce(&mut Limits)) -> Rig {
        let mut rig = Rig::ready();
        rig.set(change);
        rig
    }

    fn set(&mut self, change: impl FnOnce(&mut Limits)) {
        let mut limits = *self.core.limits();
        change(&mut limits);
        self.command(Action::SetLimits(limits));
    }

    /// Strategy 1 buys 0.001 at the ask, and sells what it holds, on every quote.
    fn probe(&mut self) {
        let kind = StrategyKind::Probe { every: 1, qty: Qty(E8 / 1000) };
        self.step(Body::Strategy(StrategyConfig { id: StrategyId(1), instrument: BTC, kind }));
    }

    fn spread(&mut self, bid: i64, ask: i64) -> Vec<RecordedEffect> {
        self.step(Body::Quote(Quote {
            instrument: BTC,
            bid_px: Price(bid * E8),
            ask_px: Price(ask * E8),
            ..Quote::default()
        }))
    }

    /// The probe's order on a quote is denied for this.
    fn probe_denied(&mut self, px: i64) -> DenyReason {
        let (strategy, reason) = denied(&self.quote(px)).expect("the probe wants an order on every quote");
        assert_eq!(strategy, StrategyId(1));
        reason
    }
}

fn dec(value: i64, scale: u8) -> Dec {
    Dec { value, scale }
}

#[test]
fn a_price_far_from_the_market_is_denied_either_way_and_for_exits() {
    let mut rig = Rig::with(|l| l.price_collar_ppm = 50_000);
    let small = E8 / 1000;
    for (side, px, passes) in [
        (Side::Buy, 63_000, true),
        (Side::Buy, 63_001, false),
        (Side::Buy, 57_000, true),
        (Side::Buy, 56_999, false),
        (Side::Sell, 56_999, false),
        (Side::Sell, 63_001, false),
    ] {
        let mut fresh = Rig::with(|l| l.price_collar_ppm = 50_000);
        assert_eq!(
            fresh.limit(side, small, px).map_err(|r| r.code()),
            if passes { Ok(OrderId(fresh.core.seq() * 64)) } else { Err("PRICE_COLLAR") },
            "{side:?} {px}"
        );
    }
    let order = rig.place(Side::Buy, small).unwrap();
    rig.fill(order, Side::Buy, small, 60_000);
    let want =
        DenyReason::PriceCollar { px: dec(50_000 * E8, 8), reference: dec(60_000 * E8, 8), max_pct: dec(50_000, 4) };
    assert_eq!(rig.limit(Side::Sell, small, 50_000).unwrap_err(), want, "an exit with a slipped digit too");
    // A strategy that takes the ask of a torn market.
    rig.probe();
    let (strategy, reason) = denied(&rig.spread(55_000, 65_000)).unwrap();
    assert_eq!((strategy, reason.code()), (StrategyId(1), "PRICE_COLLAR"));
}

#[test]
fn nothing_grows_while_the_price_has_jumped_and_exits_pass() {
    let mut rig = Rig::with(|l| (l.price_move_max_ppm, l.price_move_window_ns) = (50_000, 10 * SECOND));
    rig.quote(60_000);
    let order = rig.place(Side::Buy, E8 / 100).unwrap();
    rig.fill(order, Side::Buy, E8 / 100, 60_000);
    rig.quote(63_000);
    assert!(rig.place(Side::Buy, E8 / 1000).is_ok(), "five per cent are not more than five per cent");
    rig.quote(63_001);
    let reason = rig.place(Side::Buy, E8 / 1000).unwrap_err();
    assert_eq!(
        reason,
        DenyReason::PriceJumped { moved_pct: dec(50_017, 4), max_pct: dec(50_000, 4), window_ms: 10_000 }
    );
    rig.probe();
    assert_eq!(rig.probe_denied(63_001).code(), "PRICE_JUMPED");
    assert!(rig.place(Side::Sell, E8 / 100).is_ok(), "an exit");
    rig.now += 12 * SECOND;
    let effects = rig.quote(63_001);
    assert_eq!(sends(&effects), 1, "the jump is behind the window: {effects:?}");
}

#[test]
fn the_same_order_again_is_a_mistake_for_a_while() {
    let mut rig = Rig::with(|l| l.duplicate_window_ns = 250 * MS);
    let small = E8 / 1000;
    rig.limit(Side::Buy, small, 59_000).unwrap();
    rig.now += 200 * MS;
    let reason = rig.limit(Side::Buy, small, 59_000).unwrap_err();
    assert_eq!(reason, DenyReason::DuplicateOrder { age_ms: 200, window_ms: 250 });
    assert!(rig.limit(Side::Buy, small + 1_000, 59_000).is_ok(), "another quantity is another order");
    assert!(rig.limit(Side::Buy, small, 59_001).is_ok(), "another price too");
    rig.now += 50 * MS;
    assert!(rig.limit(Side::Buy, small, 59_000).is_ok(), "its time is over");
    rig.probe();
    assert_eq!(sends(&rig.quote(60_000)), 1, "another source");
    assert_eq!(rig.probe_denied(60_000).code(), "DUPLICATE_ORDER");
    // An exit may be repeated as long as it only reduces.
    let mut rig = Rig::with(|l| l.duplicate_window_ns = 250 * MS);
    let order = rig.place(Side::Buy, E8 / 100).unwrap();
    rig.fill(order, Side::Buy, E8 / 100, 60_000);
    assert!(rig.place(Side::Sell, small).is_ok() && rig.place(Side::Sell, small).is_ok());
}

#[test]
fn an_order_that_would_meet_our_own_is_denied() {
    let mut rig = Rig::ready();
    let small = E8 / 1000;
    let own = rig.limit(Side::Sell, small, 60_010).unwrap();
    rig.limit(Side::Sell, small, 60_020).unwrap();
    let bid = rig.limit(Side::Buy, small, 59_990).unwrap();
    assert_eq!(rig.limit(Side::Buy, small, 60_010).unwrap_err(), DenyReason::SelfMatch { own: dec(60_010 * E8, 8) });
    assert_eq!(rig.limit(Side::Sell, small, 59_990).unwrap_err(), DenyReason::SelfMatch { own: dec(59_990 * E8, 8) });
    assert_eq!(
        rig.place(Side::Buy, small).unwrap_err().code(),
        "SELF_MATCH",
        "a market order meets what rests near the touch"
    );
    assert!(rig.place(Side::Sell, small).is_err_and(|r| r.code() == "SELF_MATCH"), "0.5 % of margin reach 59,990");
    rig.quote(59_980);
    assert_eq!(rig.place(Side::Sell, small).unwrap_err().code(), "SELF_MATCH");
    rig.quote(60_000);
    assert!(rig.limit(Side::Buy, small, 60_009).is_ok());
    rig.probe();
    assert_eq!(rig.probe_denied(60_015).code(), "SELF_MATCH");
    // While the cancel is not confirmed the order may still be met; then the next one counts.
    rig.command(Action::Cancel(own));
    assert_eq!(rig.limit(Side::Buy, small, 60_015).unwrap_err().code(), "SELF_MATCH");
    rig.report(own, ExecType::Canceled);
    assert!(rig.limit(Side::Buy, small, 60_015).is_ok());
    assert_eq!(rig.limit(Side::Buy, small, 60_020).unwrap_err(), DenyReason::SelfMatch { own: dec(60_020 * E8, 8) });
    rig.report(bid, ExecType::New);
    rig.fill(bid, Side::Buy, small, 59_990);
    assert_eq!(rig.limit(Side::Sell, small, 60_015).unwrap_err(), DenyReason::SelfMatch { own: dec(60_015 * E8, 8) });
}

#[test]
fn messages_in_a_second_are_held_by_venue_and_by_strategy_and_cancels_always_pass() {
    let mut rig = Rig::with(|l| (l.orders_per_second_max, l.open_orders_max) = (4, 100));
    rig.now += 2 * SECOND;
    rig.quote(60_000);
    rig.probe();
    let orders: Vec<OrderId> = (0..4).map(|n| rig.limit(Side::Buy, E8 / 1000, 50_000 + n).unwrap()).collect();
    let reason = rig.limit(Side::Buy, E8 / 1000, 50_000).unwrap_err();
    let venue = Scope::Venue(VENUE);
    assert_eq!(reason, DenyReason::OrderRateAboveMax { scope: venue, max: 4, wait_ms: 250 });
    assert_eq!(rig.probe_denied(60_000).code(), "ORDER_RATE_ABOVE_MAX");
    // Cancels pass, are counted, and hold back what opens.
    for order in &orders {
        let effects = rig.command(Action::Cancel(*order));
        assert!(effects.iter().any(|e| matches!(e, EffectOf::Cancel(_))), "{effects:?}");
    }
    rig.now += 900 * MS;
    rig.quote(60_000);
    assert_eq!(rig.limit(Side::Buy, E8 / 1000, 50_000).unwrap_err().code(), "ORDER_RATE_ABOVE_MAX");
    rig.now += 400 * MS;
    assert_eq!(sends(&rig.quote(60_000)), 1, "there is room again");
    // Exits pass whatever the rate.
    let mut rig = Rig::with(|l| l.orders_per_second_max = 2);
    rig.now += 2 * SECOND;
    rig.quote(60_000);
    let order = rig.place(Side::Buy, E8 / 100).unwrap();
    rig.fill(order, Side::Buy, E8 / 100, 60_000);
    for _ in 0..5 {
        rig.place(Side::Sell, E8 / 1000).unwrap();
    }
}

#[test]
fn orders_of_a_day_and_orders_for_each_trade_are_held_until_the_day_boundary() {
    let mut rig = Rig::with(|l| l.orders_per_day_max = 3);
    rig.wait(0);
    rig.quote(60_000);
    for _ in 0..3 {
        rig.limit(Side::Buy, E8 / 1000, 59_000).unwrap();
    }
    let reason = rig.limit(Side::Buy, E8 / 1000, 59_000).unwrap_err();
    assert_eq!(reason, DenyReason::OrdersPerDayAboveMax { orders: 3, max: 3 });
    rig.probe();
    assert_eq!(rig.probe_denied(60_000).code(), "ORDERS_PER_DAY_ABOVE_MAX");
    rig.wait(86_400 * SECOND);
    assert_eq!(sends(&rig.quote(60_000)), 1, "a new day");

    let mut rig = Rig::with(|l| (l.order_to_trade_max, l.order_to_trade_orders_min) = (2, 4));
    let orders: Vec<OrderId> = (0..4).map(|_| rig.limit(Side::Buy, E8 / 1000, 59_000).unwrap()).collect();
    let reason = rig.limit(Side::Buy, E8 / 1000, 59_000).unwrap_err();
    assert_eq!(reason, DenyReason::OrderToTradeAboveMax { orders: 4, trades: 0, max: 2 });
    rig.probe();
    assert_eq!(rig.probe_denied(60_000).code(), "ORDER_TO_TRADE_ABOVE_MAX");
    for order in &orders[..3] {
        rig.fill(*order, Side::Buy, E8 / 1000, 59_000);
    }
    assert!(rig.limit(Side::Buy, E8 / 1000, 59_000).is_ok(), "four orders for three trades");
}

fn resume(scope: Scope) -> Action {
    Action::SetTradingState { scope, state: TradingState::Active }
}

#[test]
fn a_strategy_that_runs_away_is_halted_until_a_person_resumes_it() {
    let mut rig = Rig::with(|l| (l.runaway_executions_max, l.runaway_window_ns) = (3, 60 * SECOND));
    let kind = StrategyKind::Probe { every: 1, qty: Qty(E8 / 1000) };
    rig.step(Body::Strategy(StrategyConfig { id: StrategyId(1), instrument: BTC, kind }));
    let buys = |rig: &mut Rig, n: u32| {
        let mut effects = Vec::new();
        for _ in 0..n {
            let sent = rig.quote(60_000);
            let Some(EffectOf::Place(order)) = sent.iter().find(|e| matches!(e, EffectOf::Place(_))).copied() else {
                panic!("the probe sends on every quote: {sent:?}");
            };
            // It is told of sales of what it never bought, so it goes on buying.
            rig.core.strategies.on_fill(StrategyId(1), Side::Sell, order.qty, 0);
            effects = rig.fill(order.order, Side::Buy, order.qty.0 / 2, 60_000);
            effects.extend(rig.fill(order.order, Side::Buy, order.qty.0 / 2, 60_000));
        }
        effects
    };
    buys(&mut rig, 3);
    rig.now += 80 * SECOND;
    buys(&mut rig, 3);
    let effects = buys(&mut rig, 1);
    let strategy = Scope::Strategy(StrategyId(1));
    assert!(effects.iter().any(|e| matches!(e, EffectOf::Alarm { kind: AlarmKind::Runaway, .. })), "{effects:?}");
    assert!(
        effects.contains(&EffectOf::Trading { scope: strategy, state: TradingState::Halted }),
        "the fourth within the window: {effects:?}"
    );
    assert_eq!(sends(&rig.quote(60_000)), 0);
    assert!(rig.place(Side::Sell, E8 / 1000).is_ok(), "people go on");
    // It survives a restart, and nothing but a person brings it back.
    rig.step(Body::Start { epoch: 7, run: 2 });
    rig.step(Body::Strategy(StrategyConfig { id: StrategyId(1), instrument: BTC, kind }));
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Ready });
    assert_eq!(sends(&rig.quote(60_000)), 0);
    rig.command(resume(strategy));
    buys(&mut rig, 3);
}

#[test]
fn trading_is_restrained_by_venue_strategy_and_instrument_and_stays_so_after_a_restart() {
    let (halted, reducing) = (TradingState::Halted, TradingState::Reducing);
    let one = Scope::Strategy(StrategyId(1));
    for (scope, people, probe) in [
        (Scope::Venue(VENUE), true, true),
        (Scope::Instrument(BTC), true, true),
        (one, false, true),
        (Scope::Account, true, true),
    ] {
        let mut rig = Rig::ready();
        rig.probe();
        let order = rig.place(Side::Buy, E8 / 100).unwrap();
        rig.fill(order, Side::Buy, E8 / 100, 60_000);
        let effects = rig.command(Action::SetTradingState { scope, state: reducing });
        assert!(effects.contains(&EffectOf::Trading { scope, state: reducing }), "{effects:?}");
        let reason = DenyReason::TradingNotActive { state: reducing, scope };
        assert_eq!(rig.place(Side::Buy, E8 / 1000).err(), people.then_some(reason), "{scope}");
        assert!(rig.place(Side::Sell, E8 / 1000).is_ok(), "{scope}: an exit");
        assert_eq!(denied(&rig.quote(60_000)), probe.then_some((StrategyId(1), reason)), "{scope}");
        rig.command(Action::SetTradingState { scope, state: halted });
        assert_eq!(rig.place(Side::Sell, E8 / 1000).is_err(), people, "{scope}");
        assert_eq!(rig.core.restrained().collect::<Vec<_>>(), [(scope, halted)]);
        rig.step(Body::Start { epoch: 7, run: 2 });
        assert_eq!(rig.core.restrained().collect::<Vec<_>>(), [(scope, halted)], "it stays set after a restart");
        rig.step(Body::VenueState { venue: VENUE, state: VenueState::Ready });
        rig.quote(60_000);
        rig.command(resume(scope));
        assert_eq!(rig.core.restrained().count(), 0);
        assert!(rig.place(Side::Buy, E8 / 1000).is_ok(), "{scope}");
    }
    let mut rig = Rig::ready();
    for scope in [one, Scope::Venue(VenueId(3)), Scope::Instrument(InstrumentId(9)), Scope::Strategy(StrategyId(0))] {
        let effects = rig.command(Action::SetTradingState { scope, state: halted });
        assert!(matches!(effects[..], [EffectOf::Reply { reply: Reply::NotFound, .. }]), "{scope}: {effects:?}");
    }
    // The strictest of those that an order falls under counts.
    rig.command(Action::SetTradingState { scope: Scope::Instrument(BTC), state: halted });
    rig.command(Action::SetTradingState { scope: Scope::Account, state: reducing });
    let reason = DenyReason::TradingNotActive { state: halted, scope: Scope::Instrument(BTC) };
    assert_eq!(rig.place(Side::Buy, E8 / 1000).unwrap_err(), reason);
}

#[test]
fn gross_net_and_a_strategys_own_exposure_are_held_with_working_orders_counted() {
    let rich = |rig: &mut Rig| {
        rig.step(Body::Balance(Balance { venue: VENUE, asset: USDT, free: 90_000 * E8, locked: 0, ts_event_ns: 0 }))
    };
    let cent = E8 / 100;
    let mut rig = Rig::with(|l| l.exposure_gross_max = Usd::dollars(1_000));
    rich(&mut rig);
    rig.limit(Side::Buy, cent, 59_000).unwrap();
    // What works is valued at the ask, the order at its own price.
    let want = DenyReason::GrossExposureAboveMax {
        scope: Scope::Account,
        exposure: Usd(600 * E8 + E8 / 10_000 + 590 * E8),
        max: Usd::dollars(1_000),
    };
    assert_eq!(rig.limit(Side::Buy, cent, 59_000).unwrap_err(), want);
    rig.probe();
    rig.set(|l| l.exposure_gross_max = Usd::dollars(650));
    assert_eq!(rig.probe_denied(60_000).code(), "GROSS_EXPOSURE_ABOVE_MAX");

    let mut rig = Rig::with(|l| l.exposure_net_max = Usd::dollars(1_000));
    rich(&mut rig);
    let order = rig.place(Side::Buy, cent).unwrap();
    rig.fill(order, Side::Buy, cent, 60_000);
    assert_eq!(rig.limit(Side::Buy, cent, 59_000).unwrap_err().code(), "NET_EXPOSURE_ABOVE_MAX");
    assert!(rig.limit(Side::Sell, 2 * cent, 61_000).is_ok(), "to 620 short");
    assert_eq!(rig.limit(Side::Sell, 2 * cent, 61_000).unwrap_err().code(), "NET_EXPOSURE_ABOVE_MAX");
    rig.probe();
    rig.set(|l| l.exposure_net_max = Usd::dollars(650));
    assert_eq!(rig.probe_denied(60_000).code(), "NET_EXPOSURE_ABOVE_MAX");
    rig.place(Side::Sell, cent).expect_err("the working sale counts: this is no exit");

    let mut rig = Rig::with(|l| l.strategy_exposure_max = Usd::dollars(100));
    rig.probe();
    assert_eq!(sends(&rig.quote(60_000)), 1);
    let reason = rig.probe_denied(60_000);
    let own = Usd(120 * E8 + E8 / 50_000);
    let scope = Scope::Strategy(StrategyId(1));
    assert_eq!(reason, DenyReason::GrossExposureAboveMax { scope, exposure: own, max: Usd::dollars(100) });
    assert!(rig.place(Side::Buy, cent).is_ok(), "people have the account's limits");
}

#[test]
fn net_exposure_never_drifts_from_positions_and_orders() {
    let mut rig = Rig::ready();
    rig.step(Body::Balance(Balance { venue: VENUE, asset: USDT, free: 90_000 * E8, locked: 0, ts_event_ns: 0 }));
    let cent = E8 / 100;
    for n in 0..40i64 {
        let side = if n % 3 == 0 { Side::Sell } else { Side::Buy };
        let px = 60_000 - side.sign() * (50 + n);
        if let Ok(order) = rig.limit(side, cent + n * 1_000, px) {
            match n % 4 {
                0 => drop(rig.fill(order, side, cent / 2, px)),
                1 => drop(rig.report(order, ExecType::Canceled)),
                2 => drop(rig.fill(order, side, cent + n * 1_000, px)),
                _ => {}
            }
        }
        rig.quote(60_000 + n % 7);
        let inst = rig.core.portfolio().get(BTC).unwrap();
        let live = |side| rig.core.orders().live().filter(|o| o.side == side).map(|o| o.leaves().0).sum::<i64>();
        let value = |qty: i64, up| {
            let round = if up { Round::Up } else { Round::Down };
            inst.notional(inst.quote.ask_px, Qty(qty), round).unwrap()
        };
        let totals = &rig.core.portfolio().totals;
        let net = inst.position.net.0;
        assert_eq!(totals.net_up, value(net + live(Side::Buy), true), "{n}");
        assert_eq!(totals.net_down, value(net - live(Side::Sell), false), "{n}");
        let people = rig.core.desks.get(StrategyId(0));
        assert_eq!((people.net.0, people.working), (net, inst.working), "{n}");
    }
}

pub(super) fn alarms(effects: &[RecordedEffect]) -> Vec<AlarmKind> {
    effects.iter().filter_map(|e| if let EffectOf::Alarm { kind, .. } = e { Some(*kind) } else { None }).collect()
}

/// 0.08 BTC bought at 60,000: a dollar of price is eight cents.
fn holding(change: impl FnOnce(&mut Limits)) -> Rig {
    let mut rig = Rig::with(change);
    let order = rig.place(Side::Buy, E8 / 100 * 8).unwrap();
    rig.fill(order, Side::Buy, E8 / 100 * 8, 60_000);
    rig
}

#[test]
fn the_loss_of_the_day_is_told_at_its_levels_once_and_halts_beyond_its_limit() {
    use AlarmKind::{DailyLoss, DailyLossHalf, DailyLossHalt, DailyLossNear};
    let mut rig = holding(|l| l.daily_loss_halt_ppm = 1_500_000);
    let working = rig.limit(Side::Buy, E8 / 1000, 30_000).unwrap();
    assert_eq!(alarms(&rig.quote(54_000)), []);
    assert_eq!(alarms(&rig.quote(53_700)), [DailyLossHalf]);
    assert_eq!(alarms(&rig.quote(53_600)), [], "told once");
    assert_eq!(alarms(&rig.quote(50_000)), [DailyLossNear]);
    assert_eq!((alarms(&rig.quote(47_500)), rig.core.trading()), (vec![DailyLoss], TradingState::Reducing));
    assert_eq!(rig.place(Side::Buy, E8 / 1000).unwrap_err().code(), "TRADING_NOT_ACTIVE");
    let effects = rig.quote(41_000);
    assert_eq!((alarms(&effects), rig.core.trading()), (vec![DailyLossHalt], TradingState::Halted));
    assert!(effects.iter().any(|e| matches!(e, EffectOf::Cancel(c) if c.order == working)), "{effects:?}");
    // A person may let the position be sold: it is not halted a second time on the same day.
    rig.command(Action::SetTradingState { scope: Scope::Account, state: TradingState::Reducing });
    assert_eq!((alarms(&rig.quote(40_900)), rig.core.trading()), (vec![], TradingState::Reducing));
    assert!(rig.place(Side::Sell, E8 / 100).is_ok());
    // Armed again at the day boundary.
    rig.wait(86_400 * SECOND);
    assert_eq!(alarms(&rig.quote(34_000)), [DailyLossHalf]);
}

#[test]
fn a_fall_from_the_high_water_mark_reduces_then_halts_until_a_person_sets_a_new_mark() {
    // Equity is 10,000 dollars and 1 BTC of inventory; the position is 0.08 of 60,000.
    let mut rig = holding(|l| {
        (l.daily_loss_max, l.drawdown_reduce_ppm, l.drawdown_halt_ppm) = (Usd::dollars(90_000), 10_000, 20_000);
    });
    rig.quote(65_000);
    let (high, equity) = (rig.core.losses().high, rig.core.portfolio().totals.equity);
    assert!(high > Usd::dollars(399) && equity > Usd::dollars(74_000));
    // One per cent of about 60,000 at the mark is 600 dollars: 7,500 of price; the inventory's fall is no loss.
    assert_eq!(alarms(&rig.quote(58_500)), []);
    assert_eq!(alarms(&rig.quote(55_000)), [AlarmKind::Drawdown]);
    assert_eq!(rig.core.trading(), TradingState::Reducing);
    assert_eq!(alarms(&rig.quote(54_990)), [], "told once");
    let effects = rig.quote(48_000);
    assert_eq!((alarms(&effects), rig.core.trading()), (vec![AlarmKind::DrawdownHalt], TradingState::Halted));
    rig.step(Body::Start { epoch: 7, run: 2 });
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Ready });
    rig.quote(48_000);
    assert_eq!(rig.core.trading(), TradingState::Halted);
    rig.command(resume(Scope::Account));
    assert_eq!((alarms(&rig.quote(47_900)), rig.core.trading()), (vec![], TradingState::Active), "a new mark");
}

#[test]
fn losing_orders_in_a_row_reduce_trading_and_each_counts_once() {
    let mut rig = Rig::with(|l| l.loss_streak_max = 2);
    let cent = E8 / 100;
    let round = |rig: &mut Rig, out: i64| {
        let order = rig.place(Side::Buy, cent).unwrap();
        rig.fill(order, Side::Buy, cent, 60_000);
        let order = rig.place(Side::Sell, cent).unwrap();
        rig.fill(order, Side::Sell, cent / 2, out);
        alarms(&rig.fill(order, Side::Sell, cent / 2, out))
    };
    assert_eq!(round(&mut rig, 59_990), []);
    assert_eq!(round(&mut rig, 60_010), [], "a win ends the row");
    assert_eq!(round(&mut rig, 59_990), [], "two fills of one order are one loss");
    let order = rig.place(Side::Buy, cent).unwrap();
    rig.fill(order, Side::Buy, cent, 60_000);
    let order = rig.place(Side::Sell, cent).unwrap();
    assert_eq!(alarms(&rig.fill(order, Side::Sell, cent / 2, 59_990)), [AlarmKind::LossStreak]);
    assert_eq!(rig.core.trading(), TradingState::Reducing);
    rig.probe();
    assert_eq!(rig.probe_denied(60_000).code(), "TRADING_NOT_ACTIVE");
    rig.command(resume(Scope::Account));
    assert_eq!(rig.core.losses().streak, 0);
}

/// What is kept out of a purchase for its commission is sold, as it were, and realises a little; it opens all the same.
#[test]
fn a_purchase_whose_commission_is_taken_from_it_is_no_losing_order() {
    let mut rig = Rig::with(|l| l.loss_streak_max = 2);
    for (trade, px) in [(1, 60_000), (2, 59_990), (3, 59_980)] {
        let order = rig.place(Side::Buy, E8 / 100).unwrap();
        let effects = rig.step(Body::Exec(ExecReport {
            order,
            instrument: BTC,
            exec: ExecType::Trade,
            side: Side::Buy,
            last_qty: Qty(E8 / 100),
            last_px: Price(px * E8),
            exec_id: ExecId::from_u64(trade),
            fee: 1_000,
            fee_asset: BTC_ASSET,
            ..ExecReport::default()
        }));
        assert_eq!((alarms(&effects), rig.core.losses().streak), (vec![], 0), "purchase {trade}");
    }
    assert!(!rig.core.portfolio().get(BTC).unwrap().realised().is_zero(), "the commission realised something");
}

#[test]
fn a_validation_tells_every_rule_that_is_broken_and_counts_none() {
    let mut rig = Rig::with(|l| (l.price_collar_ppm, l.exposure_gross_max) = (10_000, Usd::dollars(1_000)));
    rig.command(Action::SetTradingState { scope: Scope::Instrument(BTC), state: TradingState::Halted });
    let counted = rig.core.counters().denied;
    let order = PlaceOrder { kind: OrderType::Limit, px: Price(50_000 * E8), ..Rig::order(Side::Buy, E8) };
    let effects = rig.command(Action::Validate(order));
    let broken: Vec<&str> = effects
        .iter()
        .filter_map(|e| if let EffectOf::Broken { reason, .. } = e { Some(reason.code()) } else { None })
        .collect();
    let want = [
        "TRADING_NOT_ACTIVE",
        "PRICE_COLLAR",
        "ORDER_NOTIONAL_ABOVE_MAX",
        "POSITION_NOTIONAL_ABOVE_MAX",
        "GROSS_EXPOSURE_ABOVE_MAX",
        "BALANCE_TOO_LOW",
    ];
    assert_eq!(broken, want);
    assert!(
        matches!(effects.last(), Some(EffectOf::Reply { reply: Reply::WouldFail { rules: 6 }, .. })),
        "{effects:?}"
    );
    assert_eq!(rig.core.counters().denied, counted);
    // The first of them is what the gate answers.
    let ranks = want.map(|code| super::super::risk::RULES.iter().position(|rule| *rule == code));
    assert!(ranks.is_sorted(), "{ranks:?}");
    match rig.command(Action::Place(order)).first() {
        Some(EffectOf::Denied { reason, .. }) => assert_eq!(reason.code(), want[0]),
        other => panic!("{other:?}"),
    }
    // Without an instrument nothing more can be said.
    let effects = rig.command(Action::Validate(PlaceOrder { instrument: InstrumentId::UNKNOWN, ..order }));
    assert!(
        matches!(effects.last(), Some(EffectOf::Reply { reply: Reply::WouldFail { rules: 1 }, .. })),
        "{effects:?}"
    );
}

#[test]
fn a_stages_caps_hold_besides_the_limits_and_exits_pass_them() {
    let milli = E8 / 1000;
    let roomy = Caps { stage: 2, ..Caps::NONE };
    for (caps, cap, value, max) in [
        (Caps { order_notional_max: Usd::dollars(100), ..roomy }, Capped::OrderNotional, dec(120 * E8, 8), 100 * E8),
        (Caps { position_notional_max: Usd::dollars(100), ..roomy }, Capped::PositionNotional, dec(0, 8), 100 * E8),
        (Caps { exposure_gross_max: Usd::dollars(100), ..roomy }, Capped::GrossExposure, dec(180 * E8, 8), 100 * E8),
        (Caps { orders_per_day_max: 1, ..roomy }, Capped::OrdersPerDay, dec(2, 0), 1),
        (Caps { open_orders_max: 0, ..roomy }, Capped::OpenOrders, dec(1, 0), 0),
    ] {
        let mut rig = Rig::ready();
        let held = rig.place(Side::Buy, milli).unwrap();
        rig.fill(held, Side::Buy, milli, 60_000);
        rig.command(Action::SetCaps(caps));
        match rig.limit(Side::Buy, 2 * milli, 60_000).unwrap_err() {
            DenyReason::StageCapReached { stage: 2, cap: met, value: found, max: most } => {
                assert_eq!((met, most.value), (cap, max));
                // What is held is valued at the ask, a cent above.
                assert!(value.value == 0 || found.value - value.value <= 100 * E8 / 100, "{cap}: {found}");
            }
            other => panic!("{cap}: {other:?}"),
        }
        rig.probe();
        let denied = denied(&rig.quote(60_000));
        if !matches!(cap, Capped::OrderNotional) {
            let (strategy, reason) = denied.expect("60 dollars more are too much for every other cap");
            assert_eq!((strategy, reason.code()), (StrategyId(1), "STAGE_CAP_REACHED"));
        }
        rig.command(Action::SetTradingState { scope: Scope::Strategy(StrategyId(1)), state: TradingState::Halted });
        assert!(rig.limit(Side::Sell, milli, 60_000).is_ok(), "{cap}: an exit passes");
        rig.command(Action::SetCaps(Caps::NONE));
        assert!(rig.limit(Side::Buy, 2 * milli, 59_000).is_ok(), "{cap}: lifted");
    }
}

pub(super) const ETH: InstrumentId = InstrumentId(1);
pub(super) const SOL: InstrumentId = InstrumentId(2);
pub(super) const OTHER: VenueId = VenueId(1);

/// A second and a third instrument: ether where bitcoin is, and bitcoin once more at another venue.
fn two_more(rig: &mut Rig) {
    rig.step(Body::Venue { venue: OTHER, name: Text::new("other") });
    let ether = Instrument { id: ETH, symbol: Text::new("ETHUSDT"), base: AssetId(2), ..btcusdt() };
    rig.step(Body::Instrument(ether));
    rig.step(Body::Instrument(Instrument { id: SOL, venue: OTHER, ..btcusdt() }));
    rig.step(Body::VenueState { venue: OTHER, state: VenueState::Ready });
    rig.step(Body::Balance(Balance { venue: OTHER, asset: USDT, free: 10_000 * E8, locked: 0, ts_event_ns: 0 }));
    for id in [ETH, SOL] {
        rig.quote_of(id, 60_000 * E8);
    }
}

impl Rig {
    fn quote_of(&mut self, instrument: InstrumentId, mid: i64) -> Vec<RecordedEffect> {
        let quote =
            Quote { instrument, bid_px: Price(mid - E8 / 100), ask_px: Price(mid + E8 / 100), ..Quote::default() };
        self.step(Body::Quote(quote))
    }

    fn buy_of(&mut self, instrument: InstrumentId, qty: i64) -> Result<OrderId, DenyReason> {
        let px = Price(60_000 * E8);
        let order = PlaceOrder { instrument, kind: OrderType::Limit, px, ..Rig::order(Side::Buy, qty) };
        match self.command(Action::Place(order)).first() {
            Some(EffectOf::Place(order)) => Ok(order.order),
            Some(EffectOf::Denied { reason, .. }) => Err(*reason),
            other => panic!("a command to place is answered, not {other:?}"),
        }
    }
}

#[test]
fn exposure_is_held_by_venue_and_by_asset_over_venues() {
    let mut rig = Rig::with(|l| l.exposure_venue_max = Usd::dollars(1_000));
    two_more(&mut rig);
    rig.limit(Side::Buy, E8 / 100, 60_000).unwrap();
    let reason = rig.buy_of(ETH, E8 / 100).unwrap_err();
    match reason {
        DenyReason::GrossExposureAboveMax { scope: Scope::Venue(VENUE), exposure, .. } => {
            assert_eq!(exposure.0 / E8, 1_200);
        }
        other => panic!("{other:?}"),
    }
    assert!(rig.buy_of(SOL, E8 / 100).is_ok(), "another venue");
    rig.set(|l| (l.exposure_venue_max, l.exposure_asset_max) = (Usd::dollars(9_000), Usd::dollars(1_500)));
    match rig.buy_of(SOL, E8 / 100).unwrap_err() {
        DenyReason::AssetExposureAboveMax { asset, exposure, .. } => {
            assert_eq!((asset.as_str(), exposure.0 / E8), ("BTC", 1_800), "bitcoin at both venues");
        }
        other => panic!("{other:?}"),
    }
    assert!(rig.buy_of(ETH, E8 / 100).is_ok(), "another asset");
    rig.probe();
    rig.set(|l| l.exposure_asset_max = Usd::dollars(1_200));
    assert_eq!(rig.probe_denied(60_000).code(), "ASSET_EXPOSURE_ABOVE_MAX");
}

#[test]
fn what_moves_together_is_held_together_and_what_is_not_known_yet_with_all() {
    let mut rig = Rig::with(|l| {
        l.correlated_exposure_max = Usd::dollars(1_000);
        (l.correlation_threshold_ppm, l.correlation_window, l.correlation_samples_min) = (700_000, 100, 20);
        l.correlation_sample_ns = SECOND;
        l.quote_age_max_ns = i64::MAX;
    });
    two_more(&mut rig);
    rig.limit(Side::Buy, E8 / 100, 60_000).unwrap();
    let reason = rig.buy_of(ETH, E8 / 100).unwrap_err();
    assert!(matches!(reason, DenyReason::CorrelatedExposureAboveMax { known: false, .. }), "no samples: {reason}");
    rig.probe();
    assert!(rig.place(Side::Buy, E8 / 100).is_err());
    rig.command(Action::SetTradingState { scope: Scope::Strategy(StrategyId(1)), state: TradingState::Halted });
    // Bitcoin at both venues moves alike, ether by itself.
    for n in 0..40i64 {
        let (one, other) = (n * n % 7, n * 37 % 11);
        rig.quote(60_000 + one);
        rig.quote_of(SOL, (60_000 + one) * E8);
        rig.quote_of(ETH, (60_000 + other * 3) * E8);
        rig.wait(SECOND);
        for _ in 0..4 {
            rig.wait(MS);
        }
    }
    rig.quote(60_000);
    rig.quote_of(SOL, 60_000 * E8);
    assert!(rig.buy_of(ETH, E8 / 100).is_ok(), "it is known to move by itself");
    let reason = rig.buy_of(SOL, E8 / 100).unwrap_err();
    match reason {
        DenyReason::CorrelatedExposureAboveMax { exposure, known: true, .. } => assert_eq!(exposure.0 / E8, 1_200),
        other => panic!("{other:?}"),
    }
    rig.command(Action::SetTradingState { scope: Scope::Strategy(StrategyId(1)), state: TradingState::Active });
    rig.set(|l| l.correlated_exposure_max = Usd::dollars(600));
    assert_eq!(rig.probe_denied(60_000).code(), "CORRELATED_EXPOSURE_ABOVE_MAX");
    // The sums that this is held against are those of the parts.
    let portfolio = rig.core.portfolio();
    let sum: i64 = portfolio.defined().map(|inst| inst.exposure().0).sum();
    assert_eq!(sum, portfolio.totals.exposure.0);
    assert_eq!(portfolio.venue_exposure(VENUE).0 + portfolio.venue_exposure(OTHER).0, sum);
    assert_eq!(portfolio.asset_exposure(BTC_ASSET, false).0 + portfolio.asset_exposure(AssetId(2), false).0, sum);
    let bitcoin = portfolio.moving_with(portfolio.get(BTC).unwrap()).0;
    assert_eq!(bitcoin, portfolio.asset_exposure(BTC_ASSET, false).0);
}

#[test]
fn a_restricted_instrument_lets_exits_pass_and_a_strategy_keeps_to_its_list() {
    let small = E8 / 1000;
    let mut rig = Rig::ready();
    let held = rig.place(Side::Buy, 4 * small).unwrap();
    rig.fill(held, Side::Buy, 4 * small, 60_000);
    rig.step(Body::Permit { instrument: BTC, permit: Permit { restricted: true, ..Permit::default() } });
    assert_eq!(rig.place(Side::Buy, small).unwrap_err(), DenyReason::InstrumentRestricted);
    assert!(rig.place(Side::Sell, small).is_ok(), "an exit");
    rig.probe();
    assert_eq!(rig.probe_denied(60_000), DenyReason::InstrumentRestricted);
    rig.step(Body::Permit { instrument: BTC, permit: Permit::default() });
    let mut allowed = Allowed::default();
    allowed.add(ETH);
    rig.step(Body::Allow { strategy: StrategyId(1), allowed });
    assert_eq!(rig.probe_denied(60_000), DenyReason::InstrumentNotAllowed { strategy: StrategyId(1) });
    assert!(rig.place(Side::Buy, small).is_ok(), "the list is the strategy's own");
    allowed.add(BTC);
    rig.step(Body::Allow { strategy: StrategyId(1), allowed });
    assert_eq!(sends(&rig.quote(60_000)), 1);
}

#[test]
fn what_is_not_held_is_sold_only_where_it_is_lent_and_the_configuration_lets_it() {
    let share = E8;
    for (borrow, short_sale, held, qty, want) in [
        (Borrow::Never, true, 0, share, Some("BALANCE_TOO_LOW")),
        (Borrow::NotShortable, true, 0, share, Some("SHORT_SALE_NOT_PERMITTED")),
        (Borrow::Hard, true, 0, share, Some("SHORT_SALE_NOT_PERMITTED")),
        (Borrow::Easy, false, 0, share, Some("SHORT_SALE_NOT_PERMITTED")),
        (Borrow::Easy, true, share, 2 * share, Some("SHORT_SALE_NOT_PERMITTED")),
        (Borrow::Easy, true, 0, share / 2, Some("SHORT_SALE_NOT_PERMITTED")),
        (Borrow::Easy, true, 0, share, None),
        (Borrow::Easy, false, 2 * share, 2 * share, None),
        // Buying power is held like a purchase's.
        (Borrow::Easy, true, 0, 120 * share, Some("BALANCE_TOO_LOW")),
    ] {
        let mut rig = Rig::with(|l| (l.order_notional_max, l.position_notional_max) = (Usd(i64::MAX), Usd(i64::MAX)));
        rig.step(Body::Instrument(Instrument { borrow, ..btcusdt() }));
        rig.step(Body::Permit { instrument: BTC, permit: Permit { short_sale, ..Permit::default() } });
        rig.step(Body::Balance(Balance { venue: VENUE, asset: BTC_ASSET, free: held, locked: 0, ts_event_ns: 0 }));
        rig.quote(100);
        let order = PlaceOrder { kind: OrderType::Limit, px: Price(100 * E8), ..Rig::order(Side::Sell, qty) };
        let (free, effects) = (rig.core.account().get(VENUE, USDT).available(), rig.command(Action::Place(order)));
        assert_eq!(denied(&effects).map(|(_, reason)| reason.code()), want, "{borrow:?} {short_sale} {held} {qty}");
        if want.is_none() && held == 0 {
            let id = OrderId(rig.core.seq() * 64);
            assert!(free - rig.core.account().get(VENUE, USDT).available() >= 100 * E8, "it holds buying power");
            rig.fill(id, Side::Sell, qty, 100);
            assert_eq!(rig.core.account().get(VENUE, USDT).reserved, 0);
            assert_eq!(rig.net(), -qty);
            assert!(rig.place(Side::Buy, qty).is_ok(), "and is bought back");
        }
    }
}

#[test]
fn an_instrument_that_keeps_hours_is_traded_within_them_and_exits_meet_only_a_closed_venue() {
    let small = E8 / 1000;
    let mut rig = Rig::with(|l| l.quote_age_max_ns = i64::MAX);
    let held = rig.place(Side::Buy, 4 * small).unwrap();
    rig.fill(held, Side::Buy, 4 * small, 60_000);
    let keeps_hours = Permit { keeps_hours: true, ..Permit::default() };
    rig.step(Body::Permit { instrument: BTC, permit: keeps_hours });
    let unknown = DenyReason::CannotEvaluate(Unevaluable::NoCalendar);
    assert_eq!(rig.place(Side::Buy, small).unwrap_err(), unknown, "no session is known");
    rig.probe();
    assert_eq!(rig.probe_denied(60_000), unknown);
    rig.command(Action::SetTradingState { scope: Scope::Strategy(StrategyId(1)), state: TradingState::Halted });
    let hour = 3_600 * SECOND;
    let start = rig.now;
    let mut calendar = Calendar { known_until_ns: start + 40 * hour, ..Calendar::default() };
    for (n, open) in [(0, start + hour), (1, start + 25 * hour)] {
        let (extended_open_ns, extended_close_ns) = (open - hour / 2, open + 8 * hour);
        calendar.sessions[n] =
            Session { open_ns: open, close_ns: open + 7 * hour, extended_open_ns, extended_close_ns };
    }
    let tell = |source, calendar| Body::Calendar { instrument: BTC, source, calendar };
    rig.step(tell(CalendarSource::Configured, calendar));
    let closed = |reason: DenyReason| match reason {
        DenyReason::OutsideTradingHours { venue, extended, wait_s } => (venue, extended, wait_s),
        other => panic!("{other:?}"),
    };
    assert_eq!(closed(rig.place(Side::Buy, small).unwrap_err()), (false, false, 3_600));
    assert!(rig.place(Side::Sell, small).is_ok(), "an exit passes the configured hours");
    rig.now = start + hour - 2_000;
    assert!(rig.place(Side::Buy, small).is_err());
    rig.now = start + hour;
    assert!(rig.place(Side::Buy, small).is_ok());
    rig.now = start + 8 * hour;
    assert_eq!(closed(rig.place(Side::Buy, small).unwrap_err()).2, 17 * 3_600);
    // The venue is shut while the configured hours are open: a holiday that only it knows.
    let shut = Calendar { known_until_ns: start + 80 * hour, ..Calendar::default() };
    rig.step(tell(CalendarSource::Venue, shut));
    rig.now = start + 26 * hour;
    assert_eq!(closed(rig.place(Side::Buy, small).unwrap_err()), (true, false, 0));
    assert_eq!(closed(rig.place(Side::Sell, small).unwrap_err()), (true, false, 0), "nobody would take it");
    // A close waits for the venue and does not give up.
    rig.command(Action::Close(BTC));
    let live: Vec<OrderId> = rig.core.orders().live().map(|o| o.id).collect();
    live.into_iter().for_each(|id| drop(rig.report(id, ExecType::Canceled)));
    for _ in 0..50 {
        assert_eq!(sends(&rig.wait(SECOND)), 0);
    }
    rig.step(tell(CalendarSource::Venue, calendar));
    assert_eq!(sends(&rig.wait(SECOND)), 1, "it opens, and the position is sold");
    // Other hours: what was known is forgotten with them.
    let mut rig = Rig::with(|l| l.quote_age_max_ns = i64::MAX);
    rig.step(Body::Permit { instrument: BTC, permit: keeps_hours });
    rig.step(tell(CalendarSource::Configured, Calendar { known_until_ns: i64::MAX, ..Calendar::default() }));
    assert_eq!(rig.place(Side::Buy, small).unwrap_err().code(), "OUTSIDE_TRADING_HOURS");
    rig.set(|l| l.hours.zone = Text::new("Europe/London"));
    assert_eq!(rig.place(Side::Buy, small).unwrap_err(), unknown);
}

#[test]
fn a_quantity_is_worked_out_from_what_a_trade_may_lose_and_cut_to_every_limit() {
    let roomy = |l: &mut Limits| {
        (l.order_notional_max, l.position_notional_max) = (Usd::dollars(9_000), Usd::dollars(9_000));
        // 70,000 of equity: 70 dollars, over 2 % of 60,300 (half a per cent beyond the ask).
        (l.risk_per_trade_ppm, l.stop_loss_ppm, l.volatility_assumed_ppm) = (1_000, 20_000, 50_000);
    };
    let wanted = 70 * E8 as i128 * E8 as i128 / (1_206 * E8 as i128);
    let auto = |side| PlaceOrder { auto_qty: true, ..Rig::order(side, 0) };
    type Change = fn(&mut Limits);
    let cases: [(Change, SizedBy); 7] = [
        (|_| {}, SizedBy::Risk),
        (|l| l.order_notional_max = Usd::dollars(100), SizedBy::OrderNotional),
        (|l| l.position_notional_max = Usd::dollars(101), SizedBy::PositionNotional),
        (|l| l.exposure_gross_max = Usd::dollars(102), SizedBy::GrossExposure),
        (|l| l.exposure_net_max = Usd::dollars(103), SizedBy::NetExposure),
        (|l| l.correlated_exposure_max = Usd::dollars(104), SizedBy::CorrelatedExposure),
        (|l| l.leverage_max_ppm = 1_500, SizedBy::Leverage),
    ];
    for (change, by) in cases {
        let mut rig = Rig::with(|l| {
            roomy(l);
            change(l);
        });
        let effects = rig.command(Action::Place(auto(Side::Buy)));
        let Some(EffectOf::Sized { sizing, .. }) = effects.first() else { panic!("{effects:?}") };
        assert_eq!(sizing.by, by);
        assert_eq!((sizing.stop_ppm, sizing.scale_ppm, sizing.moves_ppm), (20_000, 1_000_000, 50_000));
        assert!((i128::from(sizing.wanted.0) - wanted).abs() < 100_000, "{sizing:?}");
        assert_eq!(sizing.qty.0 % 1_000, 0, "whole lots");
        match effects.get(1) {
            Some(EffectOf::Place(order)) => assert_eq!(order.qty, sizing.qty),
            other => panic!("cut to every limit, it passes: {other:?}"),
        }
        // One lot more would not have passed, where a limit bounds it.
        if by != SizedBy::Risk {
            let mut rig = Rig::with(|l| {
                roomy(l);
                change(l);
            });
            assert!(rig.place(Side::Buy, sizing.qty.0 + 1_000).is_err(), "{by:?}");
        }
    }
    // Twice as far a stop is half as much; an instrument that moves more than the target gets less.
    let mut rig = Rig::with(roomy);
    let sized = |rig: &mut Rig, order: PlaceOrder| match rig.command(Action::Validate(order)).first() {
        Some(EffectOf::Sized { sizing, .. }) => *sizing,
        other => panic!("{other:?}"),
    };
    let plain = sized(&mut rig, auto(Side::Buy));
    let stop = Guard::Away(40_000);
    let far = sized(&mut rig, PlaceOrder { protect: Protect::Set { stop, target: Guard::Off }, ..auto(Side::Buy) });
    assert!((far.wanted.0 * 2 - plain.wanted.0).abs() <= 2);
    rig.set(|l| l.sizing_volatility_ppm = 10_000);
    let calm = sized(&mut rig, auto(Side::Buy));
    assert_eq!(calm.scale_ppm, 200_000);
    assert!((calm.wanted.0 * 5 - plain.wanted.0).abs() <= 10);
    // A limit without room is the gate's answer, by name; so is what cannot be worked out.
    rig.set(|l| l.exposure_gross_max = Usd::dollars(1));
    let reason = denied(&rig.command(Action::Place(auto(Side::Buy)))).unwrap().1;
    assert_eq!(reason.code(), "GROSS_EXPOSURE_ABOVE_MAX");
    rig.step(Body::Feed { instrument: BTC, state: FeedState::Disconnected });
    let reason = denied(&rig.command(Action::Place(auto(Side::Buy)))).unwrap().1;
    assert_eq!(reason, DenyReason::CannotEvaluate(Unevaluable::NoPrice));
}

#[test]
fn above_the_risk_score_nothing_grows() {
    let mut rig = Rig::with(|l| {
        (l.value_at_risk_max, l.volatility_assumed_ppm, l.risk_score_max) = (Usd::dollars(100), 50_000, 30);
    });
    // 600 dollars at 5 % a day are 69.90 at risk: 70 % of 40, and a little of the leverage.
    assert!(rig.limit(Side::Buy, E8 / 100, 60_000).is_ok());
    match rig.limit(Side::Buy, E8 / 200, 60_000).unwrap_err() {
        DenyReason::RiskScoreAboveMax { score, max: 30, value_at_risk } => {
            assert!(score > 30 && value_at_risk.0 / E8 == 104, "{score} {value_at_risk}");
        }
        other => panic!("{other:?}"),
    }
    rig.probe();
    rig.set(|l| l.risk_score_max = 20);
    assert_eq!(rig.probe_denied(60_000).code(), "RISK_SCORE_ABOVE_MAX");
    rig.set(|l| l.risk_score_max = 100);
    assert!(rig.limit(Side::Buy, E8 / 200, 60_000).is_ok(), "off");
}

/// The table of controls is true: every rule has a row, and every row names tests that there are.
#[test]
fn every_rule_has_a_row_in_the_table_of_controls_and_every_row_its_test() {
    fn sources(dir: &std::path::Path, text: &mut String) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    sources(&root.join("src"), &mut code);
    sources(&root.join("tests"), &mut code);
    let table = include_str!("../risk/CONTROLS.md");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| control "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    for rule in RULES {
        assert!(rows.iter().any(|row| quoted(row[2]).contains(&rule.to_owned())), "{rule} has no row");
    }
    for row in &rows {
        assert_eq!(row.len(), 4, "{row:?}");
        let tests = quoted(row[3]);
        assert!(
            !tests.is_empty() || row[2].starts_with("not yet") || row[2].starts_with("there is no"),
            "{} names no test",
            row[0]
        );
        for test in tests {
            let there =
                if test.contains('/') { root.join(&test).exists() } else { code.contains(&format!("fn {test}(")) };
            assert!(there, "{}: there is no {test}", row[0]);
        }
    }
}
