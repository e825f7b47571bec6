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
