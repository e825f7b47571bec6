//! Orders that belong together: lists, replaces, amendments; and the ids that askers give.

use super::order_types::ALL;
use super::*;
use crate::core::command::{Leg, ListOrder};
use crate::core::risk::TermFault;

const QTY: i64 = E8 / 100;

fn full() -> Abilities {
    [Feature::Oco, Feature::Oto, Feature::Otoco, Feature::Replace, Feature::Amend]
        .into_iter()
        .fold(ALL, Abilities::with)
}

fn at(px: i64) -> Terms {
    Terms { stop_px: Price(px * E8), ..Terms::default() }
}

impl Rig {
    fn whole() -> Rig {
        let mut rig = Rig::ready();
        rig.step(Body::Instrument(Instrument { can: full(), ..btcusdt() }));
        rig
    }

    /// The ids of a list that went out, or why it did not.
    fn list(&mut self, list: ListOrder) -> Result<Vec<OrderId>, DenyReason> {
        let effects = self.command(Action::PlaceList(list));
        match effects.first() {
            Some(EffectOf::PlaceList { .. }) => Ok(effects[0].sends().iter().flatten().map(|o| o.order).collect()),
            Some(EffectOf::Denied { reason, .. }) => Err(*reason),
            other => panic!("a list is answered, not {other:?}"),
        }
    }

    fn working(&self) -> (i64, i64) {
        let working = self.core.portfolio().get(BTC).unwrap().working;
        (working.buy.0, working.sell.0)
    }

    fn reserved(&self) -> (i64, i64) {
        let held = |asset| self.core.account().get(VENUE, asset).reserved;
        (held(USDT), held(BTC_ASSET))
    }

    /// Nothing works, nothing is held, nothing is counted.
    fn is_clean(&self) {
        assert_eq!((self.working(), self.reserved()), ((0, 0), (0, 0)));
        assert_eq!(self.core.portfolio().get(BTC).unwrap().open, OpenCounts::default());
        assert_eq!(self.core.orders().live_count(), 0);
    }

    /// Buys a hundredth and has it filled.
    fn long(&mut self) {
        let order = self.place(Side::Buy, QTY).unwrap();
        self.fill(order, Side::Buy, QTY, 60_000);
    }
}

/// A profit at 62,000 and a stop at 58,000 for a hundredth.
fn exits(side: Side) -> [Leg; 2] {
    let leg = Leg { side, qty: Qty(QTY), ..Leg::default() };
    let (profit, stop) = if side == Side::Sell { (62_000, 58_000) } else { (58_000, 62_000) };
    [
        Leg { kind: OrderType::LimitMaker, px: Price(profit * E8), ..leg },
        Leg { kind: OrderType::Stop, terms: at(stop), ..leg },
    ]
}

#[test]
fn orders_of_a_list_that_grow_are_held_to_the_limits_together() {
    for (fits, first, second) in [(true, 2, 2), (false, 3, 3), (false, 1, 5), (true, 4, 1)] {
        let mut rig = Rig::whole();
        rig.core.limits.position_notional_max = Usd::dollars(3_200);
        let buy = |qty: i64, px: i64| Leg {
            side: Side::Buy,
            kind: OrderType::Limit,
            qty: Qty(qty * QTY),
            px: Price(px * E8),
            ..Leg::default()
        };
        let entry = PlaceOrder { kind: OrderType::Limit, px: Price(59_000 * E8), ..Rig::order(Side::Buy, first * QTY) };
        let list = ListOrder { kind: ListKind::Oto, first: entry, second: buy(second, 58_000), third: Leg::default() };
        let found = rig.list(list).map_err(|reason| reason.code());
        assert_eq!(found.is_ok(), fits, "{first} and {second} hundredths: {found:?}");
        if !fits {
            assert_eq!(found, Err("POSITION_NOTIONAL_ABOVE_MAX"));
            assert_eq!(rig.working(), (0, 0));
        }
    }
}

fn oco(side: Side) -> ListOrder {
    let [profit, stop] = exits(side);
    let first = PlaceOrder { kind: profit.kind, px: profit.px, ..Rig::order(side, QTY) };
    ListOrder { kind: ListKind::Oco, first, second: stop, third: Leg::default() }
}

fn bracket() -> ListOrder {
    let [profit, stop] = exits(Side::Sell);
    let first = PlaceOrder { kind: OrderType::Limit, px: Price(59_000 * E8), ..Rig::order(Side::Buy, QTY) };
    ListOrder { kind: ListKind::Otoco, first, second: profit, third: stop }
}

#[test]
fn of_an_oco_one_leg_counts_and_the_one_that_fills_takes_its_place() {
    for fills in [0, 1] {
        let mut rig = Rig::whole();
        rig.long();
        let legs = rig.list(oco(Side::Sell)).unwrap();
        assert_eq!((rig.working(), rig.reserved().1), ((0, QTY), QTY), "both legs sell the same coins");
        for leg in &legs {
            rig.report(*leg, ExecType::New);
        }
        rig.fill(legs[fills], Side::Sell, QTY, 60_000);
        assert_eq!((rig.working(), rig.net()), ((0, 0), 0), "leg {fills}");
        rig.report(legs[1 - fills], ExecType::Expired);
        assert_eq!(rig.status(legs[fills]), OrdStatus::Filled);
        rig.is_clean();
    }
}

#[test]
fn the_exits_of_a_bracket_count_once_its_entry_has_filled() {
    let mut rig = Rig::whole();
    let legs = rig.list(bracket()).unwrap();
    assert_eq!(rig.working(), (QTY, 0));
    for leg in &legs {
        rig.report(*leg, ExecType::New);
    }
    rig.fill(legs[0], Side::Buy, QTY / 2, 59_000);
    assert_eq!(rig.working(), (QTY / 2, 0));
    rig.fill(legs[0], Side::Buy, QTY / 2, 59_000);
    assert_eq!((rig.working(), rig.reserved()), ((0, QTY), (0, QTY)));
    // The stop fills in two; the profit ends.
    rig.fill(legs[2], Side::Sell, QTY / 2, 58_000);
    assert_eq!((rig.working(), rig.reserved()), ((0, QTY / 2), (0, QTY / 2)));
    rig.report(legs[1], ExecType::Expired);
    rig.fill(legs[2], Side::Sell, QTY / 2, 58_000);
    assert_eq!(rig.net(), 0);
    rig.is_clean();
    // One whose entry is cancelled takes its exits with it, with one request.
    let legs = rig.list(bracket()).unwrap();
    for leg in &legs {
        rig.report(*leg, ExecType::New);
    }
    let effects = rig.command(Action::Cancel(legs[0]));
    assert_eq!(effects.iter().filter(|e| matches!(e, EffectOf::Cancel(_))).count(), 1, "{effects:?}");
    for leg in &legs {
        assert_eq!(rig.status(*leg), OrdStatus::PendingCancel);
        rig.report(*leg, ExecType::Canceled);
    }
    rig.is_clean();
}

#[test]
fn a_list_is_denied_as_a_whole() {
    let list = oco(Side::Sell);
    let second = |change: fn(&mut Leg)| {
        let mut list = list;
        change(&mut list.second);
        list
    };
    for (list, want) in [
        (second(|leg| leg.side = Side::Buy), TermFault::List),
        (second(|leg| leg.qty = Qty(1_000)), TermFault::List),
        (second(|leg| leg.kind = OrderType::LimitMaker), TermFault::List),
        (second(|leg| leg.terms = at(63_000)), TermFault::ListPrices),
        (ListOrder { kind: ListKind::Otoco, ..list }, TermFault::List),
    ] {
        assert_eq!(Rig::whole().list(list), Err(DenyReason::TermsInvalid(want)));
    }
    let mut rig = Rig::whole();
    let tick = second(|leg| leg.terms = Terms { stop_px: Price(58_000 * E8 + 1), ..Terms::default() });
    assert_eq!(rig.list(tick).unwrap_err().code(), "PRICE_FILTER");
    assert_eq!(Rig::ready().list(list).unwrap_err().code(), "ORDER_TYPE_UNSUPPORTED");
    // Room for one list, and for one order behind a trigger.
    let filters = Filters { lists_max: 1, algo_orders_max: 1, ..Filters::default() };
    rig.step(Body::Instrument(Instrument { can: full(), filters, ..btcusdt() }));
    rig.list(bracket()).unwrap();
    assert_eq!(rig.list(bracket()).unwrap_err().code(), "VENUE_FILTER");
    let count = rig.core.orders().live_count();
    assert_eq!(count, 3, "nothing of what was denied is left");
    // An exit of a list that is larger than its entry would open the other way: it meets the limits by itself.
    let mut large = bracket();
    (large.second.qty, large.third.qty) = (Qty(E8 / 2), Qty(E8 / 2));
    assert_eq!(Rig::whole().list(large).unwrap_err().code(), "ORDER_NOTIONAL_ABOVE_MAX");
}

#[test]
fn a_list_without_an_answer_is_asked_for_leg_by_leg_also_after_a_restart() {
    let mut rig = Rig::whole();
    let legs = rig.list(bracket()).unwrap();
    let effects = rig.wait(6 * SECOND);
    let asked: Vec<OrderId> =
        effects.iter().filter_map(|e| if let EffectOf::Query(q) = e { Some(q.order) } else { None }).collect();
    assert_eq!(asked, legs);
    assert_eq!(rig.working(), (QTY, 0), "what may live at the venue counts");
    rig.step(Body::Start { epoch: 7, run: 2 });
    assert!(legs.iter().all(|leg| rig.status(*leg) == OrdStatus::Unknown));
    assert_eq!(rig.working(), (QTY, 0));
    rig.now += 60 * SECOND;
    for leg in &legs {
        rig.report(*leg, ExecType::NotFound);
    }
    rig.is_clean();
}

#[test]
fn a_replaced_order_counts_until_the_venue_has_spoken_of_it() {
    let mut rig = Rig::whole();
    let old = rig.limit(Side::Buy, QTY, 59_000).unwrap();
    let new = PlaceOrder { kind: OrderType::Limit, px: Price(58_000 * E8), ..Rig::order(Side::Buy, QTY) };
    let replace = |order| Action::Replace { order, mode: ReplaceMode::StopOnFailure, new };
    let denied = |effects: &[RecordedEffect]| match effects.first() {
        Some(EffectOf::Denied { reason, .. }) => *reason,
        other => panic!("{other:?}"),
    };
    // Not before it is acknowledged.
    assert_eq!(denied(&rig.command(replace(old))), DenyReason::TermsInvalid(TermFault::NotReplaceable));
    rig.report(old, ExecType::New);
    let effects = rig.command(replace(old));
    let EffectOf::Replace { cancel, new: placed, .. } = effects[0] else { panic!("{effects:?}") };
    assert_eq!((cancel.order, cancel.venue_order_id), (old, VenueOrderId::from_u64(old.0 + 1)));
    assert_eq!(rig.working(), (2 * QTY, 0), "the old one may still fill");
    assert_eq!(rig.core.orders().get(placed.order).unwrap().replaces, old);
    rig.report(old, ExecType::Canceled);
    rig.report(placed.order, ExecType::New);
    assert_eq!((rig.working(), rig.reserved().0), ((QTY, 0), 580 * E8));
    // The second: cancelled, and the new one refused.
    let effects = rig.command(replace(placed.order));
    let third = effects[0].sends()[0].unwrap().order;
    rig.report(placed.order, ExecType::Canceled);
    rig.report(third, ExecType::Rejected);
    rig.is_clean();
    // One that filled before it could be cancelled: the venue did not attempt the new one.
    let old = rig.limit(Side::Buy, QTY, 57_000).unwrap();
    rig.report(old, ExecType::New);
    let new = rig.command(replace(old))[0].sends()[0].unwrap().order;
    rig.fill(old, Side::Buy, QTY, 57_000);
    rig.report(old, ExecType::CancelRejected);
    rig.report(new, ExecType::Rejected);
    assert_eq!((rig.status(old), rig.net()), (OrdStatus::Filled, QTY));
    rig.is_clean();
}

#[test]
fn the_whole_balance_can_be_replaced_and_a_lost_answer_makes_both_unknown() {
    let mut rig = Rig::whole();
    rig.step(Body::Balance(Balance { venue: VENUE, asset: USDT, free: 600 * E8, locked: 0, ts_event_ns: 0 }));
    let old = rig.limit(Side::Buy, QTY, 59_000).unwrap();
    rig.report(old, ExecType::New);
    let new = PlaceOrder { kind: OrderType::Limit, px: Price(60_000 * E8), ..Rig::order(Side::Buy, QTY) };
    let effects = rig.command(Action::Replace { order: old, mode: ReplaceMode::AllowFailure, new });
    let new = effects[0].sends()[0].expect("the balance that the old one holds pays for the new one").order;
    let effects = rig.wait(6 * SECOND);
    let asked = effects.iter().filter(|e| matches!(e, EffectOf::Query(_))).count();
    assert_eq!((asked, rig.status(old), rig.status(new)), (2, OrdStatus::Unknown, OrdStatus::Unknown));
    rig.report(old, ExecType::Canceled);
    rig.report(new, ExecType::Working);
    assert_eq!((rig.status(old), rig.status(new), rig.working()), (OrdStatus::Canceled, OrdStatus::New, (QTY, 0)));
}

#[test]
fn an_amendment_shrinks_by_the_venues_word_and_keeps_the_order() {
    let mut rig = Rig::whole();
    let filters = Filters { amends_max: 2, ..Filters::default() };
    rig.step(Body::Instrument(Instrument { can: full(), filters, ..btcusdt() }));
    let order = rig.limit(Side::Buy, QTY, 59_000).unwrap();
    rig.report(order, ExecType::New);
    rig.fill(order, Side::Buy, QTY / 4, 59_000);
    let amend = |qty| Action::Amend { order, qty: Qty(qty) };
    for (qty, code) in [(QTY, "TERMS_INVALID"), (QTY / 4, "TERMS_INVALID"), (QTY / 2 + 1, "LOT_SIZE")] {
        match rig.command(amend(qty)).first() {
            Some(EffectOf::Denied { reason, .. }) => assert_eq!(reason.code(), code, "{qty}"),
            other => panic!("{other:?}"),
        }
    }
    let effects = rig.command(amend(QTY / 2));
    assert!(matches!(effects[0], EffectOf::Amend { qty, .. } if qty == Qty(QTY / 2)), "{effects:?}");
    assert_eq!((rig.status(order), rig.working()), (OrdStatus::PendingReplace, (QTY / 4 * 3, 0)));
    let report = |exec, qty| {
        let venue_order_id = VenueOrderId::from_u64(order.0 + 1);
        let base = ExecReport { order, instrument: BTC, venue: VENUE, exec, venue_order_id, ..ExecReport::default() };
        Body::Exec(ExecReport { order_qty: Qty(qty), cum_qty: Qty(QTY / 4), ..base })
    };
    rig.step(report(ExecType::Replaced, QTY / 2));
    assert_eq!((rig.status(order), rig.working()), (OrdStatus::PartiallyFilled, (QTY / 4, 0)));
    // Refused: it stands as it stood, which the venue is asked to say.
    rig.command(amend(QTY / 8 * 3));
    let effects = rig.step(report(ExecType::CancelRejected, 0));
    assert!(effects.iter().any(|e| matches!(e, EffectOf::Query(_))), "{effects:?}");
    rig.step(report(ExecType::Working, QTY / 2));
    assert_eq!((rig.status(order), rig.working()), (OrdStatus::PartiallyFilled, (QTY / 4, 0)));
    match rig.command(amend(QTY / 8 * 3)).first() {
        Some(EffectOf::Denied { reason, .. }) => {
            assert_eq!(reason.to_string(), "the venue's filter MAX_NUM_ORDER_AMENDS allows 2, and this comes to 3");
        }
        other => panic!("{other:?}"),
    }
}

/// The venue cuts both legs of a pair; what it would make of the others is refused by name.
#[test]
fn a_leg_is_amended_with_its_mate_and_never_replaced() {
    let mut rig = Rig::whole();
    rig.step(Body::Instrument(Instrument { can: full(), ..btcusdt() }));
    rig.long();
    let legs = rig.list(oco(Side::Sell)).unwrap();
    for leg in &legs {
        rig.report(*leg, ExecType::New);
    }
    let denied = |effects: &[RecordedEffect]| match effects.first() {
        Some(EffectOf::Denied { reason, .. }) => *reason,
        other => panic!("{other:?}"),
    };
    let new = PlaceOrder { kind: OrderType::Limit, px: Price(62_000 * E8), ..Rig::order(Side::Sell, QTY) };
    let replace = Action::Replace { order: legs[0], mode: ReplaceMode::StopOnFailure, new };
    assert_eq!(denied(&rig.command(replace)), DenyReason::TermsInvalid(TermFault::LegOfList));
    for cut in [1, 0] {
        let qty = Qty(QTY / 4 * (2 + cut as i64));
        let effects = rig.command(Action::Amend { order: legs[cut], qty });
        assert!(matches!(effects[0], EffectOf::Amend { qty: wanted, .. } if wanted == qty), "{effects:?}");
        for leg in [legs[cut], legs[1 - cut]] {
            let venue_order_id = VenueOrderId::from_u64(leg.0 + 1);
            let report =
                ExecReport { order: leg, instrument: BTC, venue: VENUE, venue_order_id, ..ExecReport::default() };
            rig.step(Body::Exec(ExecReport { exec: ExecType::Replaced, order_qty: qty, ..report }));
        }
        assert_eq!((rig.status(legs[0]), rig.status(legs[1])), (OrdStatus::New, OrdStatus::New));
        assert_eq!((rig.working(), rig.reserved().1), ((0, qty.0), qty.0), "both sell the same coins");
    }
    for leg in &legs {
        rig.report(*leg, ExecType::Canceled);
    }
    // The entry of a bracket would be smaller than its exits.
    let legs = rig.list(bracket()).unwrap();
    for leg in &legs {
        rig.report(*leg, ExecType::New);
    }
    let amend = |order| Action::Amend { order, qty: Qty(QTY / 2) };
    assert_eq!(denied(&rig.command(amend(legs[0]))), DenyReason::TermsInvalid(TermFault::EntryOfList));
    let effects = rig.command(amend(legs[1]));
    assert!(matches!(effects[0], EffectOf::Amend { .. }), "{effects:?}");
}

#[test]
fn an_askers_own_id_names_one_order_live_or_lately_closed() {
    let mut rig = Rig::ready();
    let mine = PlaceOrder { client: Text::new("mine-1"), ..Rig::order(Side::Buy, E8 / 1000) };
    let order = match rig.command(Action::Place(mine)).first() {
        Some(EffectOf::Place(order)) => order.order,
        other => panic!("{other:?}"),
    };
    assert_eq!(rig.core.orders().by_client(Text::new("mine-1")), Some(order));
    for _ in 0..2 {
        match rig.command(Action::Place(mine)).first() {
            Some(EffectOf::Denied { reason, .. }) => assert_eq!(*reason, DenyReason::ClientIdReused { order }),
            other => panic!("{other:?}"),
        }
        rig.report(order, ExecType::Canceled);
    }
    let other = PlaceOrder { client: Text::new("mine-2"), ..mine };
    assert!(matches!(rig.command(Action::Place(other)).first(), Some(EffectOf::Place(_))));
}
