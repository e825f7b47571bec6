//! Protection that rests at the venue, and what has to make way for it or it for them.

use super::gate::alarms;
use super::order_types::ALL;
use super::*;
use crate::core::command::ListOrder;
use crate::core::native::{ProtectRules, Why};
use crate::core::protect::{Protection, Trigger};

const QTY: i64 = E8 / 100;
const RULES_HERE: ProtectRules = ProtectRules { at_venue: true, overdue_ns: SECOND, again_ns: 5 * SECOND };

/// What went to the venue: the target's order and the stop's, where they are one list; or what went alone.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Went {
    Oco(NewOrder, NewOrder),
    One(NewOrder),
}

fn went(effects: &[RecordedEffect]) -> Vec<Went> {
    let of = |e: &RecordedEffect| match e {
        EffectOf::PlaceList { kind: ListKind::Oco, first, second, .. } => Some(Went::Oco(*first, *second)),
        EffectOf::Place(order) => Some(Went::One(*order)),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

fn oco(effects: &[RecordedEffect]) -> [NewOrder; 2] {
    match went(effects)[..] {
        [Went::Oco(target, stop)] => [target, stop],
        ref other => panic!("{other:?} of {effects:?}"),
    }
}

fn one(effects: &[RecordedEffect]) -> NewOrder {
    match went(effects)[..] {
        [Went::One(order)] => order,
        ref other => panic!("{other:?} of {effects:?}"),
    }
}

fn cancels(effects: &[RecordedEffect]) -> Vec<OrderId> {
    effects.iter().filter_map(|e| if let EffectOf::Cancel(c) = e { Some(c.order) } else { None }).collect()
}

fn denied(effects: &[RecordedEffect]) -> Option<DenyReason> {
    effects.iter().find_map(|e| if let EffectOf::Denied { reason, .. } = e { Some(*reason) } else { None })
}

impl Rig {
    /// A stop at two per cent and a target at four, at the venue.
    fn at_venue() -> Rig {
        Rig::at_venue_that(|def| def.can = def.can.with(Feature::Oco))
    }

    fn at_venue_that(change: fn(&mut Instrument)) -> Rig {
        let mut rig = Rig::ready();
        let mut def = Instrument { can: ALL, ..btcusdt() };
        change(&mut def);
        rig.step(Body::Instrument(def));
        let limits = Limits { stop_loss_ppm: 20_000, take_profit_ppm: 40_000, ..*rig.core.limits() };
        rig.command(Action::SetLimits(limits));
        rig.step(Body::ProtectRules(RULES_HERE));
        rig
    }

    fn bought(&mut self, protect: Protect) -> OrderId {
        let order = PlaceOrder { protect, ..Rig::order(Side::Buy, QTY) };
        match self.command(Action::Place(order)).first() {
            Some(EffectOf::Place(order)) => order.order,
            other => panic!("{other:?}"),
        }
    }

    /// Bought and protected at the venue, which has said so: the target's order and the stop's.
    fn resting() -> (Rig, [OrderId; 2]) {
        let mut rig = Rig::at_venue();
        let entry = rig.bought(Protect::Default);
        let legs = oco(&rig.fill(entry, Side::Buy, QTY, 60_000)).map(|o| o.order);
        rig.acknowledge(legs);
        (rig, legs)
    }

    fn acknowledge(&mut self, legs: [OrderId; 2]) {
        for leg in legs {
            self.report(leg, ExecType::New);
        }
    }

    /// It is over at the venue, which counts so much of it as filled.
    fn ended_with(&mut self, order: OrderId, filled: i64) -> Vec<RecordedEffect> {
        self.step(Body::Exec(ExecReport {
            order,
            instrument: BTC,
            venue: VENUE,
            exec: ExecType::Canceled,
            venue_order_id: VenueOrderId::from_u64(order.0 + 1),
            cum_qty: Qty(filled),
            ..ExecReport::default()
        }))
    }

    /// The venue cancels both; what the second answer brings.
    fn cancelled(&mut self, legs: [OrderId; 2]) -> Vec<RecordedEffect> {
        let first = self.report(legs[0], ExecType::Canceled);
        assert_eq!(went(&first), [], "the other one may still fill");
        self.report(legs[1], ExecType::Canceled)
    }

    fn kept(&self) -> Protection {
        match self.core.protections().all() {
            [one] => *one,
            other => panic!("{other:?}"),
        }
    }

    /// More is never offered than is held.
    fn offers_no_more_than_is_held(&self) {
        let inst = self.core.portfolio().get(BTC).unwrap();
        assert!(inst.working.sell.0 <= inst.position.net.0.max(0), "{:?} of {:?}", inst.working, inst.position.net);
    }

    fn is_over(&mut self) {
        assert_eq!((self.net(), self.core.protections().all().len()), (0, 0));
        assert_eq!(self.core.orders().live_count(), 0);
        assert_eq!(self.core.account().get(VENUE, BTC_ASSET).reserved, 0);
        for px in [50_000, 70_000] {
            assert_eq!(went(&self.quote(px)), []);
            assert_eq!(went(&self.wait(10 * SECOND)), []);
        }
    }
}

#[test]
fn what_an_ended_entry_filled_rests_at_the_venue_as_its_levels_say() {
    let set = |stop, target| Protect::Set { stop, target };
    let px = |dollars: i64, cents: i64| Price(dollars * E8 + cents * E8 / 100);
    let odd = Price(59_500 * E8 + 1);
    for (protect, stop, target) in [
        (Protect::Default, Some(px(58_800, 0)), Some(px(62_400, 0))),
        (set(Guard::Default, Guard::Off), Some(px(58_800, 0)), None),
        (set(Guard::Off, Guard::Default), None, Some(px(62_400, 0))),
        // To the tick, towards the entry.
        (set(Guard::At(odd), Guard::At(Price(61_000 * E8 + 1))), Some(px(59_500, 1)), Some(px(61_000, 0))),
    ] {
        let mut rig = Rig::at_venue();
        let entry = rig.bought(protect);
        let effects = rig.fill(entry, Side::Buy, QTY / 4, 60_000);
        assert_eq!((went(&effects), rig.kept().native.why), (vec![], Why::EntryOpen), "{protect:?}");
        // What it did not fill ends: what it did is protected there.
        let effects = rig.report(entry, ExecType::Canceled);
        let (at_stop, at_target) = match went(&effects)[..] {
            [Went::Oco(target, stop)] => (Some(stop), Some(target)),
            [Went::One(order)] if order.kind == OrderType::Stop => (Some(order), None),
            [Went::One(order)] => (None, Some(order)),
            ref other => panic!("{protect:?}: {other:?}"),
        };
        assert_eq!((at_stop.map(|o| o.terms.stop_px), at_target.map(|o| o.px)), (stop, target), "{protect:?}");
        for (order, kind) in [(at_stop, OrderType::Stop), (at_target, OrderType::LimitMaker)] {
            let Some(order) = order else { continue };
            assert_eq!((order.side, order.kind, order.qty), (Side::Sell, kind, Qty(QTY / 4)), "{protect:?}");
        }
        assert!(rig.kept().native.is_placed());
        rig.offers_no_more_than_is_held();
    }
}

#[test]
fn what_the_venue_does_not_take_stays_with_the_core_and_says_why() {
    let trail = Protect::Set { stop: Guard::Trail(100), target: Guard::Off };
    type Change = fn(&mut Rig);
    type Define = fn(&mut Instrument);
    let no_change: Change = |_| {};
    let cases: [(&str, Define, Protect, Change, Why); 8] = [
        ("no OCO", |_| {}, Protect::Default, no_change, Why::Unsupported),
        ("trailing", |def| def.can = def.can.with(Feature::Oco), trail, no_change, Why::Trailing),
        (
            "no stop",
            |def| def.can = Abilities::default().with(Feature::Oco),
            Protect::Default,
            no_change,
            Why::Unsupported,
        ),
        (
            "one stop behind triggers too many",
            |def| {
                def.can = def.can.with(Feature::Oco);
                def.filters.algo_orders_max = 1;
            },
            Protect::Default,
            |rig| {
                let stop = PlaceOrder {
                    kind: OrderType::Stop,
                    terms: Terms { stop_px: Price(70_000 * E8), ..Terms::default() },
                    ..Rig::order(Side::Buy, QTY / 10)
                };
                let id = one(&rig.command(Action::Place(stop))).order;
                rig.report(id, ExecType::New);
            },
            Why::Denied(
                DenyReason::VenueFilter {
                    filter: FilterName::MaxNumAlgoOrders,
                    value: Dec { value: 2, scale: 0 },
                    limit: Dec { value: 1, scale: 0 },
                }
                .rank() as u8,
            ),
        ),
        (
            "open orders",
            |def| def.can = def.can.with(Feature::Oco),
            Protect::Default,
            |rig| drop(rig.command(Action::SetLimits(Limits { open_orders_max: 3, ..*rig.core.limits() }))),
            Why::Denied(DenyReason::OpenOrdersAboveMax { open: 0, max: 0 }.rank() as u8),
        ),
        (
            "orders of the day",
            |def| def.can = def.can.with(Feature::Oco),
            Protect::Default,
            |rig| drop(rig.command(Action::SetLimits(Limits { orders_per_day_max: 1, ..*rig.core.limits() }))),
            Why::Denied(DenyReason::OrdersPerDayAboveMax { orders: 0, max: 0 }.rank() as u8),
        ),
        (
            "as configured",
            |def| def.can = def.can.with(Feature::Oco),
            Protect::Default,
            |rig| drop(rig.step(Body::ProtectRules(ProtectRules { at_venue: false, ..RULES_HERE }))),
            Why::Configured,
        ),
        (
            "too far for the collar",
            |def| def.can = def.can.with(Feature::Oco),
            Protect::Default,
            |rig| drop(rig.command(Action::SetLimits(Limits { price_collar_ppm: 30_000, ..*rig.core.limits() }))),
            Why::Denied(
                DenyReason::PriceCollar { px: Dec::default(), reference: Dec::default(), max_pct: Dec::default() }
                    .rank() as u8,
            ),
        ),
    ];
    for (what, def, protect, change, why) in cases {
        let mut rig = Rig::at_venue_that(def);
        let entry = rig.bought(protect);
        change(&mut rig);
        assert_eq!(went(&rig.fill(entry, Side::Buy, QTY, 60_000)), [], "{what}");
        assert_eq!(rig.kept().native.why, why, "{what}");
        // Nothing is tried at the venue by waiting, and the core closes it as ever.
        assert_eq!(went(&rig.wait(10 * SECOND)), [], "{what}");
        let exit = one(&rig.quote(50_000));
        assert_eq!((exit.kind, exit.qty), (OrderType::Market, Qty(QTY)), "{what}");
    }
}

#[test]
fn a_stop_that_the_venue_takes_with_a_limit_alone_gets_one() {
    let mut rig = Rig::at_venue_that(|def| {
        def.can = Abilities::default().with_orders(&[OrderType::StopLimit], &[TimeInForce::Gtc]).with(Feature::Oco);
    });
    let entry = rig.bought(Protect::Default);
    let [_, stop] = oco(&rig.fill(entry, Side::Buy, QTY, 60_000));
    // The margin of a market order below the trigger: 0.5 % of 58,800.
    assert_eq!(
        (stop.kind, stop.terms.stop_px, stop.px),
        (OrderType::StopLimit, Price(58_800 * E8), Price(58_506 * E8))
    );
}

#[test]
fn where_fractions_go_with_day_alone_the_whole_units_rest_at_the_venue() {
    let mut rig = Rig::at_venue_that(|def| {
        def.qty_scale = 8;
        def.can = def.can.with_orders(&[OrderType::Market], &[TimeInForce::Day]).with(Feature::Oco);
    });
    let entry = rig.bought(Protect::Default);
    assert_eq!(went(&rig.fill(entry, Side::Buy, QTY, 60_000)), [], "a hundredth has no whole unit");
    assert_eq!(rig.kept().native.why, Why::TooSmall);
}

#[test]
fn the_venue_fills_the_target_or_the_stop_and_nothing_else_is_sent() {
    for (leg, trigger) in [(0, Trigger::Target), (1, Trigger::Stop)] {
        let (mut rig, legs) = Rig::resting();
        // In two parts: what is left is still the venue's.
        let effects = rig.fill(legs[leg], Side::Sell, QTY / 2, 60_000);
        assert_eq!((went(&effects), alarms(&effects)), (vec![], vec![AlarmKind::ProtectionTriggered]));
        rig.report(legs[1 - leg], ExecType::Expired);
        assert_eq!((rig.kept().qty, rig.kept().native.served), (Qty(QTY / 2), trigger));
        rig.offers_no_more_than_is_held();
        assert_eq!(went(&rig.fill(legs[leg], Side::Sell, QTY / 2, 60_000)), []);
        rig.is_over();
    }
}

#[test]
fn a_sale_waits_until_what_holds_the_coins_has_made_way() {
    for (what, qty) in [("all of it", QTY), ("a part", QTY / 2)] {
        let (mut rig, legs) = Rig::resting();
        let effects = rig.command(Action::Place(Rig::order(Side::Sell, qty)));
        assert_eq!((went(&effects), cancels(&effects), denied(&effects)), (vec![], vec![legs[0]], None), "{what}");
        assert_eq!(went(&rig.wait(SECOND)), [], "{what}");
        let effects = rig.cancelled(legs);
        let sold = one(&effects);
        assert_eq!((sold.kind, sold.qty), (OrderType::Market, Qty(qty)), "{what}");
        assert!(effects.contains(&EffectOf::Accepted { request: RequestId(9), order: sold.order }), "{effects:?}");
        rig.offers_no_more_than_is_held();
        assert_eq!(went(&rig.fill(sold.order, Side::Sell, qty, 60_000)), [], "{what}: not at once again");
        if qty == QTY {
            rig.is_over();
            continue;
        }
        assert_eq!(rig.kept().native.why, Why::Released);
        rig.quote(60_000);
        assert_eq!(went(&rig.wait(2 * SECOND)), []);
        rig.quote(60_000);
        rig.now += 3 * SECOND;
        rig.quote(60_000);
        let anew = oco(&rig.wait(MS));
        assert_eq!(anew.map(|o| o.qty), [Qty(QTY / 2); 2]);
        rig.offers_no_more_than_is_held();
    }
}

#[test]
fn a_fill_there_before_the_cancel_leaves_nothing_to_sell() {
    let (mut rig, legs) = Rig::resting();
    rig.command(Action::Place(Rig::order(Side::Sell, QTY)));
    // It is a sale of what the account held besides now, and a person's to decide: as asked, it goes through the gate.
    // Of a pair of which one has filled the other is over, whenever the venue says so.
    let effects = rig.fill(legs[0], Side::Sell, QTY, 62_400);
    assert_eq!(one(&effects).qty, Qty(QTY));
    assert_eq!(went(&rig.report(legs[1], ExecType::Expired)), []);

    let (mut rig, legs) = Rig::resting();
    rig.command(Action::Place(PlaceOrder { reduce_only: true, ..Rig::order(Side::Sell, QTY) }));
    let effects = rig.fill(legs[0], Side::Sell, QTY, 62_400);
    assert_eq!((went(&effects), denied(&effects)), (vec![], Some(DenyReason::NotReducing)));
    rig.report(legs[1], ExecType::Expired);
    rig.is_over();
}

#[test]
fn what_waits_too_long_is_denied_and_what_would_be_denied_releases_nothing() {
    let (mut rig, legs) = Rig::resting();
    let odd = rig.command(Action::Place(Rig::order(Side::Sell, QTY + 1)));
    assert_eq!(denied(&odd).map(|r| r.code()), Some("LOT_SIZE"));
    assert_eq!(cancels(&odd), []);
    rig.command(Action::Place(Rig::order(Side::Sell, QTY)));
    let told = rig.wait(6 * SECOND);
    assert_eq!(denied(&told), Some(DenyReason::CannotEvaluate(Unevaluable::NotReleased)), "{told:?}");
    assert_eq!(legs.map(|leg| rig.status(leg)), [OrdStatus::Unknown; 2]);
    // The venue has them after all: they go on their way out, and what is left goes back later.
    let effects = rig.report(legs[0], ExecType::Working);
    assert_eq!(cancels(&effects), [legs[0]]);
    rig.offers_no_more_than_is_held();
    assert_eq!(went(&rig.cancelled(legs)), []);
    rig.quote(60_000);
    oco(&rig.wait(6 * SECOND - 5 * SECOND));
}

#[test]
fn no_more_wait_than_there_is_room_for_and_a_cancel_answers_those_that_do() {
    let (mut rig, legs) = Rig::resting();
    let sell = |qty| Action::Place(Rig::order(Side::Sell, qty));
    for n in 0..crate::core::parked::PARKED_MAX as i64 {
        assert_eq!(denied(&rig.command(sell(QTY - n * 1_000))), None);
    }
    assert_eq!(denied(&rig.command(sell(QTY))), Some(DenyReason::CannotEvaluate(Unevaluable::TooManyWait)));
    let effects = rig.command(Action::CancelAll);
    let answered = effects.iter().filter(|e| {
        matches!(e, EffectOf::Denied { reason: DenyReason::CannotEvaluate(Unevaluable::CancelledWaiting), .. })
    });
    assert_eq!(answered.count(), crate::core::parked::PARKED_MAX);
    assert_eq!(went(&rig.cancelled(legs)), []);
}

#[test]
fn a_list_of_ones_own_waits_like_an_order() {
    let (mut rig, legs) = Rig::resting();
    let first = PlaceOrder { kind: OrderType::LimitMaker, px: Price(61_000 * E8), ..Rig::order(Side::Sell, QTY) };
    let second = crate::core::command::Leg {
        side: Side::Sell,
        kind: OrderType::Stop,
        qty: Qty(QTY),
        terms: Terms { stop_px: Price(59_000 * E8), ..Terms::default() },
        ..Default::default()
    };
    let list = ListOrder { kind: ListKind::Oco, first, second, third: Default::default() };
    assert_eq!(went(&rig.command(Action::PlaceList(list))), []);
    let [profit, _] = oco(&rig.cancelled(legs));
    assert_eq!(profit.px, Price(61_000 * E8));
    rig.offers_no_more_than_is_held();
    rig.wait(MS);
    assert_eq!(rig.kept().native.why, Why::Released);
    rig.now += 6 * SECOND;
    rig.quote(60_000);
    rig.wait(MS);
    assert_eq!(rig.kept().native.why, Why::Taken, "the operator's own list holds the coins");
}

#[test]
fn a_strategy_that_sells_is_answered_when_its_order_goes_out() {
    let mut rig = Rig::at_venue();
    let kind = StrategyKind::EmaCross { fast: 3, slow: 9, sample_ns: SECOND, order_notional: Usd::dollars(600) };
    rig.step(Body::Strategy(StrategyConfig { id: StrategyId(1), instrument: BTC, kind }));
    let (mut bought, mut sold, mut legs) = (0, 0, None);
    for n in 0..60 {
        rig.now += SECOND;
        let px = if n < 20 { 60_000 + n * 10 } else { 60_200 - (n - 20) * 20 };
        for effect in rig.quote(px) {
            match effect {
                EffectOf::Place(order) if order.side == Side::Buy => {
                    bought += 1;
                    let placed = oco(&rig.fill(order.order, order.side, order.qty.0, px)).map(|o| o.order);
                    rig.acknowledge(placed);
                    legs = Some(placed);
                }
                EffectOf::Cancel(_) => {
                    // The answer takes a while, and the strategy looks at quotes meanwhile.
                    assert_eq!(went(&rig.quote(px)), []);
                    let order = one(&rig.cancelled(legs.take().unwrap()));
                    assert_eq!((order.side, order.strategy), (Side::Sell, StrategyId(1)));
                    sold += 1;
                    rig.fill(order.order, order.side, order.qty.0, px);
                }
                _ => {}
            }
        }
        rig.offers_no_more_than_is_held();
    }
    assert_eq!((bought, sold, rig.net()), (1, 1, 0));
}

#[test]
fn a_level_that_the_venue_leaves_too_long_is_closed_by_the_core_once() {
    for (px, trigger) in [(58_700, Trigger::Stop), (62_500, Trigger::Target)] {
        let (mut rig, legs) = Rig::resting();
        let effects = rig.quote(px);
        assert_eq!((went(&effects), cancels(&effects)), (vec![], vec![]), "the venue's to fill");
        rig.now += 900 * MS;
        assert_eq!(cancels(&rig.wait(MS)), []);
        // It came back in time: it counts from the beginning.
        rig.quote(60_000);
        rig.now += 900 * MS;
        rig.quote(px);
        assert_eq!(cancels(&rig.wait(900 * MS)), []);
        rig.quote(px);
        let effects = rig.wait(200 * MS);
        assert_eq!((cancels(&effects), alarms(&effects)), (vec![legs[0]], vec![AlarmKind::ProtectionTriggered]));
        assert_eq!(rig.kept().triggered, trigger);
        rig.quote(px);
        let exit = one(&rig.cancelled(legs));
        assert_eq!((exit.kind, exit.qty), (OrderType::Market, Qty(QTY)));
        rig.offers_no_more_than_is_held();
        rig.fill(exit.order, Side::Sell, QTY, px);
        rig.is_over();
    }
}

#[test]
fn a_level_whose_order_is_gone_is_the_cores_at_once() {
    let (mut rig, legs) = Rig::resting();
    // The target began to fill, so the venue let the stop go; then the price fell.
    rig.fill(legs[0], Side::Sell, QTY / 4, 62_400);
    rig.report(legs[1], ExecType::Expired);
    let effects = rig.quote(58_700);
    assert_eq!(cancels(&effects), [legs[0]]);
    let exit = one(&rig.report(legs[0], ExecType::Canceled));
    assert_eq!(exit.qty, Qty(QTY / 4 * 3));
    rig.fill(exit.order, Side::Sell, QTY / 4 * 3, 58_700);
    rig.is_over();
}

#[test]
fn what_a_stop_leaves_is_closed_by_the_core() {
    let (mut rig, legs) = Rig::resting();
    rig.quote(58_700);
    rig.fill(legs[1], Side::Sell, QTY / 2, 58_700);
    rig.report(legs[0], ExecType::Expired);
    // The book was empty: the venue ends the rest.
    let exit = one(&rig.report(legs[1], ExecType::Expired));
    assert_eq!((exit.kind, exit.qty), (OrderType::Market, Qty(QTY / 2)));
}

#[test]
fn one_that_ends_unfilled_is_the_cores_and_goes_back_only_where_nobody_wanted_it_gone() {
    for (end, why) in [
        (ExecType::Rejected, Why::TurnedAway),
        (ExecType::Expired, Why::TurnedAway),
        (ExecType::Canceled, Why::Cancelled),
    ] {
        let (mut rig, legs) = Rig::resting();
        rig.report(legs[0], end);
        assert_eq!(went(&rig.report(legs[1], end)), [], "{end:?}");
        assert_eq!(rig.kept().native.why, why, "{end:?}");
        rig.quote(60_000);
        assert_eq!(went(&rig.wait(9 * SECOND)), [], "{end:?}");
        rig.now += 2 * SECOND;
        rig.quote(60_000);
        let later = went(&rig.wait(MS));
        assert_eq!(later.len(), usize::from(why == Why::TurnedAway), "{end:?}: {later:?}");
        if why == Why::Cancelled {
            assert_eq!(one(&rig.quote(58_000)).kind, OrderType::Market, "{end:?}");
        }
    }
    // The longer the oftener.
    let mut rig = Rig::at_venue();
    let entry = rig.bought(Protect::Default);
    let mut effects = rig.fill(entry, Side::Buy, QTY, 60_000);
    for wait in [10, 20, 40] {
        let legs = oco(&effects).map(|o| o.order);
        for leg in legs {
            rig.report(leg, ExecType::Rejected);
        }
        rig.now += wait * SECOND - SECOND;
        rig.quote(60_000);
        assert_eq!(went(&rig.wait(MS)), [], "{wait}");
        rig.now += 2 * SECOND;
        rig.quote(60_000);
        effects = rig.wait(MS);
    }
}

#[test]
fn an_unknown_answer_is_asked_for_and_nothing_is_placed_or_sold_before_it_is_known() {
    for lived in [true, false] {
        let mut rig = Rig::at_venue();
        let entry = rig.bought(Protect::Default);
        let legs = oco(&rig.fill(entry, Side::Buy, QTY, 60_000)).map(|o| o.order);
        for leg in legs {
            rig.report_plain(leg, ExecType::Unknown);
        }
        rig.quote(58_700);
        for _ in 0..10 {
            assert_eq!(went(&rig.wait(2 * SECOND)), []);
            assert_eq!(went(&rig.quote(58_700)), []);
        }
        if lived {
            assert_eq!(cancels(&rig.report(legs[0], ExecType::Working)), [legs[0]]);
            rig.report(legs[1], ExecType::Working);
            let exit = one(&rig.cancelled(legs));
            assert_eq!((exit.kind, exit.qty), (OrderType::Market, Qty(QTY)));
        } else {
            rig.report_plain(legs[0], ExecType::NotFound);
            let exit = one(&rig.report_plain(legs[1], ExecType::NotFound));
            assert_eq!((exit.kind, exit.qty), (OrderType::Market, Qty(QTY)));
        }
    }
}

#[test]
fn a_restart_comes_back_to_what_rests_there_and_places_nothing_twice() {
    let (mut rig, legs) = Rig::resting();
    rig.step(Body::Start { epoch: 7, run: 2 });
    rig.step(Body::ProtectRules(RULES_HERE));
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Syncing });
    for leg in legs {
        rig.report(leg, ExecType::Working);
    }
    rig.step(Body::Reconciled { venue: VENUE });
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Ready });
    rig.quote(60_000);
    assert_eq!(went(&rig.wait(30 * SECOND)), []);
    assert!(rig.kept().native.is_placed());
    rig.fill(legs[1], Side::Sell, QTY, 58_800);
    rig.report(legs[0], ExecType::Expired);
    rig.is_over();

    // It filled while nobody listened: the backfill says so before the rest.
    let (mut rig, legs) = Rig::resting();
    rig.step(Body::Start { epoch: 7, run: 2 });
    rig.step(Body::ProtectRules(RULES_HERE));
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Syncing });
    rig.fill(legs[1], Side::Sell, QTY, 58_800);
    rig.step(Body::Reconciled { venue: VENUE });
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Ready });
    assert_eq!(went(&rig.quote(50_000)), []);
    rig.report(legs[0], ExecType::Expired);
    rig.is_over();
}

#[test]
fn a_close_and_a_stop_cancel_it_first_and_a_shutdown_leaves_it() {
    for action in [Action::Close(BTC), Action::CloseAll, Action::EmergencyStop { flatten: true }] {
        let (mut rig, legs) = Rig::resting();
        let effects = rig.command(action);
        assert_eq!((went(&effects), cancels(&effects)), (vec![], vec![legs[0]]), "{action:?}");
        rig.report(legs[0], ExecType::Canceled);
        rig.report(legs[1], ExecType::Canceled);
        rig.quote(60_000);
        let exit = one(&rig.wait(MS));
        assert_eq!((exit.kind, exit.qty), (OrderType::Market, Qty(QTY)), "{action:?}");
        rig.offers_no_more_than_is_held();
        rig.fill(exit.order, Side::Sell, QTY, 60_000);
        rig.wait(MS);
        assert_eq!((rig.net(), rig.core.protections().all().len()), (0, 0), "{action:?}");
    }
    let (mut rig, legs) = Rig::resting();
    let resting = rig.limit(Side::Buy, QTY / 10, 50_000).unwrap();
    rig.report(resting, ExecType::New);
    assert_eq!(cancels(&rig.command(Action::Shutdown)), [resting]);
    assert_eq!(legs.map(|leg| rig.status(leg)), [OrdStatus::New; 2]);
}

#[test]
fn a_sale_besides_shrinks_it_to_what_remains() {
    let mut rig = Rig::at_venue();
    let off = rig.bought(Protect::Off);
    rig.fill(off, Side::Buy, QTY, 60_000);
    let entry = rig.bought(Protect::Default);
    let legs = oco(&rig.fill(entry, Side::Buy, QTY, 60_000)).map(|o| o.order);
    rig.acknowledge(legs);
    // Half of what is held is free: nothing has to make way. The sale takes from what is protected all the same.
    let sold = one(&rig.command(Action::Place(Rig::order(Side::Sell, QTY / 2)))).order;
    let effects = rig.fill(sold, Side::Sell, QTY / 2, 60_000);
    assert_eq!((cancels(&effects), went(&effects)), (vec![legs[0]], vec![]));
    assert_eq!(went(&rig.cancelled(legs)), []);
    rig.now += 6 * SECOND;
    rig.quote(60_000);
    assert_eq!(oco(&rig.wait(MS)).map(|o| o.qty), [Qty(QTY / 2); 2]);
    rig.offers_no_more_than_is_held();
}

#[test]
fn fills_that_were_lost_come_before_anything_is_sold_again() {
    let (mut rig, legs) = Rig::resting();
    rig.report(legs[1], ExecType::Expired);
    // The target was cancelled, says the venue, after half of it had filled; that fill did not reach us.
    rig.ended_with(legs[0], QTY / 2);
    assert_eq!(went(&rig.quote(58_000)), [], "half of it is sold already");
    let effects = rig.wait(MS);
    assert!(effects.contains(&EffectOf::Reconcile { venue: VENUE }) && went(&effects).is_empty(), "{effects:?}");
    rig.fill(legs[0], Side::Sell, QTY / 2, 62_400);
    assert_eq!(went(&rig.quote(58_000)), []);
    rig.step(Body::Reconciled { venue: VENUE });
    let exit = one(&rig.quote(58_000));
    assert_eq!(exit.qty, Qty(QTY / 2));
}

#[test]
fn a_close_and_a_sale_that_waits_sell_what_is_left_once_lost_fills_have_come() {
    let half = PlaceOrder { reduce_only: true, ..Rig::order(Side::Sell, QTY / 2) };
    for action in [Action::Close(BTC), Action::EmergencyStop { flatten: true }, Action::Place(half)] {
        let (mut rig, legs) = Rig::resting();
        rig.command(action);
        assert_eq!(went(&rig.ended_with(legs[1], 0)), [], "{action:?}");
        // Half of the target filled before its cancel; that fill did not reach us.
        assert_eq!(went(&rig.ended_with(legs[0], QTY / 2)), [], "{action:?}");
        rig.quote(60_000);
        let effects = rig.wait(MS);
        assert!(effects.contains(&EffectOf::Reconcile { venue: VENUE }), "{action:?}: {effects:?}");
        assert_eq!(went(&effects), [], "{action:?}");
        assert_eq!(went(&rig.fill(legs[0], Side::Sell, QTY / 2, 62_400)), [], "{action:?}: there may be more");
        rig.quote(60_000);
        assert_eq!(went(&rig.wait(MS)), [], "{action:?}");
        let mut effects = rig.step(Body::Reconciled { venue: VENUE });
        effects.extend(rig.wait(MS));
        assert_eq!(one(&effects).qty, Qty(QTY / 2), "{action:?}");
        rig.offers_no_more_than_is_held();
    }
    // The fills do not come: the sale is answered all the same.
    let (mut rig, legs) = Rig::resting();
    rig.command(Action::Place(half));
    rig.ended_with(legs[1], 0);
    rig.ended_with(legs[0], QTY / 2);
    rig.quote(60_000);
    let told = rig.wait(6 * SECOND);
    assert_eq!(denied(&told), Some(DenyReason::CannotEvaluate(Unevaluable::NotReleased)), "{told:?}");
}

#[test]
fn an_orderly_stop_has_nothing_left_when_protection_alone_works() {
    let (mut rig, legs) = Rig::resting();
    let stop = PlaceOrder {
        kind: OrderType::Stop,
        terms: Terms { stop_px: Price(70_000 * E8), ..Terms::default() },
        ..Rig::order(Side::Buy, QTY / 10)
    };
    let own = one(&rig.command(Action::Place(stop))).order;
    rig.report(own, ExecType::New);
    assert_eq!(rig.core.orders_to_end(), 1, "a stop of one's own is not protection");
    assert_eq!(cancels(&rig.command(Action::Shutdown)), [own]);
    assert_eq!(rig.core.orders_to_end(), 1, "until the venue has said that it is gone");
    rig.report(own, ExecType::Canceled);
    assert_eq!((rig.core.orders_to_end(), rig.core.orders().live_count()), (0, 2));
    assert_eq!(legs.map(|leg| rig.status(leg)), [OrdStatus::New; 2]);

    // The core's own exit is at the market now, and its end is awaited.
    let (mut rig, legs) = Rig::resting();
    rig.quote(58_700);
    rig.now += SECOND;
    rig.quote(58_700);
    rig.wait(MS);
    one(&rig.cancelled(legs));
    rig.command(Action::Shutdown);
    assert_eq!(rig.core.orders_to_end(), 1);
}

#[test]
fn a_rescue_leaves_what_protects_positions_but_of_a_halted_account_nothing() {
    let (mut rig, legs) = Rig::resting();
    let own = rig.limit(Side::Buy, QTY / 10, 50_000).unwrap();
    rig.report(own, ExecType::New);
    let rescued = |rig: &Rig, venue| rig.core.orders_to_rescue(venue).map(|o| o.id).collect::<Vec<_>>();
    assert_eq!((rescued(&rig, VENUE), rescued(&rig, VenueId(1))), (vec![own], vec![]));
    // It closes the position, and is not there yet: until it is, what protects it may go on.
    rig.command(Action::EmergencyStop { flatten: true });
    assert_eq!(rescued(&rig, VENUE), [own]);
    rig.command(Action::EmergencyStop { flatten: false });
    let mut all = rescued(&rig, VENUE);
    all.sort_unstable();
    assert_eq!(all, [legs[0], legs[1], own]);
}

#[test]
fn a_validation_looks_through_what_would_make_way_and_agrees_with_the_order() {
    let (mut rig, legs) = Rig::resting();
    let out = PlaceOrder { reduce_only: true, ..Rig::order(Side::Sell, QTY) };
    for (what, order, passes) in [
        ("all of it", out, true),
        ("more than is held", PlaceOrder { qty: Qty(2 * QTY), ..out }, false),
        ("an odd lot", PlaceOrder { qty: Qty(QTY + 1), ..out }, false),
        ("what it does not hold back", PlaceOrder { qty: Qty(QTY / 10), ..Rig::order(Side::Buy, 0) }, true),
    ] {
        let before = rig.core.state_hash();
        let effects = rig.command(Action::Validate(order));
        let broken: Vec<DenyReason> = effects
            .iter()
            .filter_map(|e| if let EffectOf::Broken { reason, .. } = e { Some(*reason) } else { None })
            .collect();
        assert_eq!(broken.is_empty(), passes, "{what}: {effects:?}");
        assert_eq!((went(&effects), cancels(&effects)), (vec![], vec![]), "{what}: nothing happens by it");
        assert_ne!(before, rig.core.state_hash(), "but that it was asked");
        assert_eq!(legs.map(|leg| rig.status(leg)), [OrdStatus::New; 2], "{what}");
        if !passes {
            assert_eq!(denied(&rig.command(Action::Place(order))), Some(broken[0]), "{what}");
        }
    }
    assert_eq!(denied(&rig.command(Action::Place(out))), None, "it waits, as was said");
    assert_eq!(cancels(&rig.command(Action::Validate(out))), []);
    // Where the balance is all in protection, too.
    let (mut rig, _) = Rig::resting();
    rig.step(Body::Balance(Balance { venue: VENUE, asset: BTC_ASSET, free: QTY, locked: 0, ts_event_ns: 0 }));
    let told = rig.command(Action::Validate(out));
    assert!(matches!(told[..], [EffectOf::Reply { reply: Reply::WouldPass { .. }, .. }]), "{told:?}");
    // One more than may wait is told so.
    for n in 0..crate::core::parked::PARKED_MAX as i64 {
        let order = PlaceOrder { qty: Qty(QTY - n * 1_000), ..out };
        assert_eq!(denied(&rig.command(Action::Place(order))), None);
    }
    let told = rig.command(Action::Validate(out));
    let full = DenyReason::CannotEvaluate(Unevaluable::TooManyWait);
    assert_eq!(told[0], EffectOf::Broken { request: RequestId(9), reason: full });
    assert_eq!(denied(&rig.command(Action::Place(out))), Some(full));
}

/// A hundredth was bought, and a quarter of it sold by an order that is over: the venue has counted that, and its fill did
/// not arrive.
fn untold() -> Rig {
    let mut rig = Rig::ready();
    let entry = rig.place(Side::Buy, QTY).unwrap();
    rig.fill(entry, Side::Buy, QTY, 60_000);
    let sold = rig.limit(Side::Sell, QTY / 2, 61_000).unwrap();
    rig.report(sold, ExecType::New);
    rig.ended_with(sold, QTY / 4);
    rig
}

#[test]
fn a_sale_of_what_may_be_sold_already_waits_for_the_fills_and_others_do_not() {
    let sale = |qty| PlaceOrder { reduce_only: true, ..Rig::order(Side::Sell, qty) };
    // What is left beyond doubt may go, and what is bought.
    let mut rig = untold();
    assert_eq!(one(&rig.command(Action::Place(sale(QTY / 4 * 3)))).qty, Qty(QTY / 4 * 3));
    let mut rig = untold();
    one(&rig.command(Action::Place(Rig::order(Side::Buy, QTY / 10))));

    let mut rig = untold();
    let effects = rig.command(Action::Place(sale(QTY)));
    assert_eq!((went(&effects), denied(&effects)), (vec![], None));
    let told = rig.command(Action::Validate(sale(QTY)));
    assert!(matches!(told[..], [EffectOf::Reply { reply: Reply::WouldPass { .. }, .. }]), "{told:?}");
    let effects = rig.wait(MS);
    assert!(effects.contains(&EffectOf::Reconcile { venue: VENUE }) && went(&effects).is_empty(), "{effects:?}");
    rig.trades += 1;
    // All of it is there no more, so nothing is sold.
    let order = rig.core.orders().closed().find(|o| o.side == Side::Sell).map(|o| o.id).unwrap();
    let effects = rig.fill(order, Side::Sell, QTY / 4, 61_000);
    assert_eq!((went(&effects), denied(&effects)), (vec![], Some(DenyReason::NotReducing)));

    // Fills that do not come are a reason, and it has a name.
    let mut rig = untold();
    rig.command(Action::Place(sale(QTY)));
    rig.wait(MS);
    rig.quote(60_000);
    let told = rig.wait(6 * SECOND);
    assert_eq!(denied(&told), Some(DenyReason::CannotEvaluate(Unevaluable::FillsMissing)), "{told:?}");
}

#[test]
fn a_close_does_not_wait_for_ever_and_takes_off_what_was_counted() {
    for action in [Action::Close(BTC), Action::EmergencyStop { flatten: true }] {
        let mut rig = untold();
        rig.command(action);
        for _ in 0..29 {
            rig.quote(60_000);
            assert_eq!(went(&rig.wait(SECOND)), [], "{action:?}");
        }
        rig.quote(60_000);
        let exit = went(&rig.wait(SECOND));
        assert!(matches!(exit[..], [Went::One(order)] if order.qty == Qty(QTY / 4 * 3)), "{action:?}: {exit:?}");
    }
}

#[test]
fn an_answer_that_was_on_its_way_before_a_fill_was_missed_settles_nothing() {
    let mut rig = Rig::ready();
    let entry = rig.place(Side::Buy, QTY).unwrap();
    rig.fill(entry, Side::Buy, QTY, 60_000);
    let sold = rig.limit(Side::Sell, QTY / 2, 61_000).unwrap();
    rig.report(sold, ExecType::New);
    rig.command(Action::Reconcile(VENUE));
    rig.ended_with(sold, QTY / 4);
    let asked = |effects: &[RecordedEffect]| effects.contains(&EffectOf::Reconcile { venue: VENUE });
    assert!(!asked(&rig.wait(MS)), "one is on its way");
    rig.step(Body::Reconciled { venue: VENUE });
    let all = PlaceOrder { reduce_only: true, ..Rig::order(Side::Sell, QTY) };
    assert_eq!(went(&rig.command(Action::Place(all))), []);
    assert!(asked(&rig.wait(MS)), "the next one brings it");
    rig.step(Body::Reconciled { venue: VENUE });
    // Of one that is never answered another is asked for.
    rig.command(Action::Reconcile(VENUE));
    rig.ended_with(sold, QTY / 2);
    assert!(!asked(&rig.wait(29 * SECOND)) && asked(&rig.wait(2 * SECOND)));
}

#[test]
fn what_a_commission_leaves_below_the_least_order_is_told_and_left() {
    let mut rig = Rig::at_venue();
    let entry = rig.bought(Protect::Default);
    rig.trades += 1;
    let effects = rig.step(Body::Exec(ExecReport {
        order: entry,
        instrument: BTC,
        venue: VENUE,
        exec: ExecType::Trade,
        side: Side::Buy,
        last_qty: Qty(QTY),
        last_px: Price(60_000 * E8),
        exec_id: ExecId::from_u64(rig.trades),
        fee: 1_500,
        fee_asset: BTC_ASSET,
        ..ExecReport::default()
    }));
    let legs = oco(&effects);
    assert_eq!(legs.map(|o| o.qty), [Qty(QTY - 2_000); 2], "to the lot, net of the commission");
    rig.acknowledge(legs.map(|o| o.order));
    rig.fill(legs[0].order, Side::Sell, QTY - 2_000, 62_400);
    let told = rig.report(legs[1].order, ExecType::Expired);
    assert_eq!(alarms(&told), [AlarmKind::NotFlattened]);
    assert_eq!((rig.net(), rig.core.protections().all().len()), (500, 0));
}
