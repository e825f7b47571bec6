//! Stop loss and take profit of what entries have filled.

use super::gate::alarms;
use super::*;
use crate::core::command::{Guard, Protect};
use crate::core::protect::Trigger;

const QTY: i64 = E8 / 100;

impl Rig {
    /// With a stop at two per cent and a target at four.
    fn guarded() -> Rig {
        let mut rig = Rig::ready();
        let limits = Limits { stop_loss_ppm: 20_000, take_profit_ppm: 40_000, ..*rig.core.limits() };
        rig.command(Action::SetLimits(limits));
        rig
    }

    fn buy(&mut self, protect: Protect) -> OrderId {
        let order = PlaceOrder { protect, ..Rig::order(Side::Buy, QTY) };
        match self.command(Action::Place(order)).first() {
            Some(EffectOf::Place(order)) => order.order,
            other => panic!("{other:?}"),
        }
    }

    fn protected(&self) -> i64 {
        self.core.protections().all().iter().map(|p| p.qty.0).sum()
    }
}

/// The exit that was sent, if one was.
fn exit(effects: &[RecordedEffect]) -> Option<NewOrder> {
    effects.iter().find_map(|e| if let EffectOf::Place(order) = e { Some(*order) } else { None })
}

#[test]
fn what_an_entry_filled_is_closed_at_its_stop_or_its_target() {
    let set = |stop, target| Protect::Set { stop, target };
    let dollars = |px: i64| Price(px * E8);
    for (protect, calm, reached, trigger) in [
        (Protect::Default, [58_801, 62_399], 58_799, Trigger::Stop),
        (Protect::Default, [58_801, 62_399], 62_401, Trigger::Target),
        (set(Guard::Away(50_000), Guard::Off), [57_001, 70_000], 56_999, Trigger::Stop),
        (set(Guard::At(dollars(59_500)), Guard::At(dollars(61_000))), [59_501, 60_999], 61_001, Trigger::Target),
        // One per cent below the best price, which is 62,000 by then.
        (set(Guard::Trail(100), Guard::Off), [62_000, 61_381], 61_379, Trigger::Stop),
    ] {
        let mut rig = Rig::guarded();
        let entry = rig.buy(protect);
        // It follows partial fills.
        rig.fill(entry, Side::Buy, QTY / 4, 60_000);
        assert_eq!(rig.protected(), QTY / 4);
        rig.fill(entry, Side::Buy, QTY / 4 * 3, 60_000);
        assert_eq!((rig.protected(), rig.core.protections().all().len()), (QTY, 1));
        for px in calm {
            assert_eq!(exit(&rig.quote(px)), None, "{protect:?} {px}");
        }
        let effects = rig.quote(reached);
        let exit = exit(&effects).unwrap_or_else(|| panic!("{protect:?}: {effects:?}"));
        assert_eq!((exit.side, exit.kind, exit.qty), (Side::Sell, OrderType::Market, Qty(QTY)));
        assert_eq!(rig.core.protections().all()[0].triggered, trigger, "{protect:?}");
        rig.fill(exit.order, Side::Sell, QTY, reached);
        assert_eq!((rig.net(), rig.protected()), (0, 0));
        assert_eq!(sends(&rig.quote(reached - 10_000)), 0, "it is over");
    }
    let mut rig = Rig::guarded();
    let entry = rig.buy(Protect::Off);
    rig.fill(entry, Side::Buy, QTY, 60_000);
    assert_eq!((rig.protected(), sends(&rig.quote(50_000))), (0, 0));
}

#[test]
fn an_exit_by_hand_takes_from_what_is_protected() {
    let mut rig = Rig::guarded();
    let entry = rig.buy(Protect::Default);
    rig.fill(entry, Side::Buy, QTY, 60_000);
    let sold = rig.place(Side::Sell, QTY / 2).unwrap();
    rig.fill(sold, Side::Sell, QTY / 2, 60_000);
    assert_eq!(rig.protected(), QTY / 2);
    let exit = exit(&rig.quote(58_000)).unwrap();
    assert_eq!(exit.qty, Qty(QTY / 2));
    // While its fate is unknown nothing else is sent, whatever the price does.
    rig.report(exit.order, ExecType::Unknown);
    for px in [57_000, 56_000, 55_000] {
        assert_eq!(sends(&rig.quote(px)) + sends(&rig.wait(3 * SECOND)), 0);
    }
    rig.quote(55_000);
    // It never was: the rest goes out again, once.
    rig.now += 60 * SECOND;
    rig.quote(55_000);
    let effects = rig.report(exit.order, ExecType::NotFound);
    assert_eq!(sends(&effects), 1, "{effects:?}");
    assert_eq!(sends(&rig.wait(10 * MS)), 0);
}

#[test]
fn orders_in_the_way_are_cancelled_first_and_awaited() {
    let mut rig = Rig::guarded();
    let entry = rig.buy(Protect::Default);
    rig.fill(entry, Side::Buy, QTY, 60_000);
    let resting = rig.limit(Side::Sell, QTY, 61_000).unwrap();
    rig.report(resting, ExecType::New);
    let effects = rig.quote(58_000);
    assert_eq!(sends(&effects), 0, "the coins would be sold twice");
    assert!(effects.iter().any(|e| matches!(e, EffectOf::Cancel(c) if c.order == resting)), "{effects:?}");
    // It fills in part before it is cancelled: the exit is for the rest.
    rig.fill(resting, Side::Sell, QTY / 4, 61_000);
    let effects = rig.report(resting, ExecType::Canceled);
    assert_eq!(exit(&effects).map(|o| o.qty), Some(Qty(QTY / 4 * 3)), "{effects:?}");
}

#[test]
fn protection_outlives_a_restart() {
    let mut rig = Rig::guarded();
    let entry = rig.buy(Protect::Default);
    rig.fill(entry, Side::Buy, QTY, 60_000);
    rig.step(Body::Start { epoch: 7, run: 2 });
    assert_eq!(rig.protected(), QTY);
    assert_eq!(sends(&rig.quote(58_000)), 0, "the venue is not ready: it is denied");
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Syncing });
    rig.step(Body::Reconciled { venue: VENUE });
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Ready });
    rig.quote(58_000);
    let effects = rig.wait(SECOND + MS);
    assert_eq!(exit(&effects).map(|o| o.qty), Some(Qty(QTY)), "{effects:?}");
}

#[test]
fn a_sale_out_of_what_is_held_is_no_entry_but_one_that_says_so_is_bought_back() {
    let mut rig = Rig::guarded();
    let sold = rig.place(Side::Sell, QTY).unwrap();
    rig.fill(sold, Side::Sell, QTY, 60_000);
    assert_eq!((rig.protected(), sends(&rig.quote(70_000))), (0, 0));

    let mut rig = Rig::guarded();
    let protect = Protect::Set { stop: Guard::Trail(100), target: Guard::Away(50_000) };
    let order = PlaceOrder { protect, ..Rig::order(Side::Sell, QTY) };
    let entry = exit(&rig.command(Action::Place(order))).unwrap();
    rig.fill(entry.order, Side::Sell, QTY, 60_000);
    // One per cent above the best price, which is 59,000 by then.
    for px in [59_000, 59_589] {
        assert_eq!(exit(&rig.quote(px)), None, "{px}");
    }
    let bought = exit(&rig.quote(59_591)).unwrap();
    assert_eq!((bought.side, bought.qty), (Side::Buy, Qty(QTY)));
}

#[test]
fn what_an_exit_leaves_goes_out_again_and_what_is_too_small_is_told() {
    let mut rig = Rig::guarded();
    let entry = rig.buy(Protect::Default);
    rig.fill(entry, Side::Buy, QTY, 60_000);
    let first = exit(&rig.quote(58_000)).unwrap();
    rig.fill(first.order, Side::Sell, QTY / 4, 58_000);
    assert_eq!(sends(&rig.quote(57_000)), 0, "the rest is reserved until the exit has ended");
    let second = exit(&rig.report(first.order, ExecType::Expired)).unwrap();
    assert_eq!(second.qty, Qty(QTY / 4 * 3));
    // All but two lots, worth a dollar: the venue takes that many, but no order of less than five dollars.
    rig.fill(second.order, Side::Sell, QTY / 4 * 3 - 2_000, 58_000);
    let effects = rig.report(second.order, ExecType::Expired);
    assert_eq!(sends(&effects), 0);
    assert_eq!(alarms(&effects), [AlarmKind::NotFlattened]);
    assert_eq!((rig.net(), rig.protected()), (2_000, 0));
}

#[test]
fn an_order_in_the_way_whose_fate_is_unknown_is_awaited_and_cancelled_once_it_works() {
    for lives in [true, false] {
        let mut rig = Rig::guarded();
        let entry = rig.buy(Protect::Default);
        rig.fill(entry, Side::Buy, QTY, 60_000);
        let resting = rig.limit(Side::Sell, QTY, 61_000).unwrap();
        rig.report_plain(resting, ExecType::Unknown);
        let cancels = |effects: &[RecordedEffect]| {
            effects.iter().filter(|e| matches!(e, EffectOf::Cancel(c) if c.order == resting)).count()
        };
        let mut effects = rig.quote(58_000);
        for _ in 0..10 {
            effects.extend(rig.wait(2 * SECOND));
            effects.extend(rig.quote(58_000));
        }
        assert_eq!((sends(&effects), cancels(&effects)), (0, 0), "what it is doing is asked for: {effects:?}");
        assert!(effects.iter().any(|e| matches!(e, EffectOf::Query(q) if q.order == resting)));
        let effects = if lives {
            assert_eq!(cancels(&rig.report(resting, ExecType::Working)), 1);
            rig.report(resting, ExecType::Canceled)
        } else {
            rig.report_plain(resting, ExecType::NotFound)
        };
        assert_eq!(exit(&effects).map(|o| o.qty), Some(Qty(QTY)), "{effects:?}");
    }
}

#[test]
fn our_own_order_that_an_exit_would_meet_goes_first() {
    let mut rig = Rig::guarded();
    let entry = rig.buy(Protect::Default);
    rig.fill(entry, Side::Buy, QTY, 60_000);
    let near = rig.limit(Side::Buy, QTY / 10, 57_990).unwrap();
    let far = rig.limit(Side::Buy, QTY / 10, 50_000).unwrap();
    for order in [near, far] {
        rig.report(order, ExecType::New);
    }
    let effects = rig.quote(58_000);
    assert_eq!(sends(&effects), 0, "{effects:?}");
    let cancelled = |id| effects.iter().any(|e| matches!(e, EffectOf::Cancel(c) if c.order == id));
    assert!(cancelled(near) && !cancelled(far), "{effects:?}");
    assert_eq!(exit(&rig.report(near, ExecType::Canceled)).map(|o| o.qty), Some(Qty(QTY)));
}

#[test]
fn an_exit_that_cannot_go_out_is_told_and_goes_out_when_it_can() {
    let mut rig = Rig::guarded();
    let entry = rig.buy(Protect::Default);
    rig.fill(entry, Side::Buy, QTY, 60_000);
    rig.command(Action::SetTradingState { scope: Scope::Account, state: TradingState::Halted });
    let mut told = alarms(&rig.quote(58_000));
    for _ in 0..10 {
        let effects = rig.wait(SECOND + MS);
        assert_eq!(sends(&effects), 0, "halted: nothing is sent");
        told.extend(alarms(&effects));
    }
    assert_eq!(told, [AlarmKind::ProtectionTriggered, AlarmKind::ProtectionBlocked]);
    rig.command(Action::SetTradingState { scope: Scope::Account, state: TradingState::Reducing });
    rig.quote(61_000);
    let effects = rig.wait(SECOND + MS);
    assert_eq!(exit(&effects).map(|o| o.qty), Some(Qty(QTY)), "what was reached stays reached: {effects:?}");
    assert_eq!(sends(&rig.wait(SECOND + MS)), 0, "once");
}

#[test]
fn a_stop_on_the_wrong_side_of_the_price_is_denied() {
    let at = |px: i64| Guard::At(Price(px * E8));
    for (side, stop, target, fine) in [
        (Side::Buy, at(59_000), at(61_000), true),
        (Side::Buy, at(60_500), Guard::Default, false),
        (Side::Buy, Guard::Default, at(59_000), false),
        (Side::Sell, at(61_000), at(59_000), true),
        (Side::Sell, at(59_000), Guard::Default, false),
    ] {
        let mut rig = Rig::guarded();
        let order = PlaceOrder { protect: Protect::Set { stop, target }, ..Rig::order(side, QTY) };
        let effects = rig.command(Action::Place(order));
        let denied = effects.iter().find_map(|e| match e {
            EffectOf::Denied { reason, .. } => Some(reason.code()),
            _ => None,
        });
        assert_eq!(denied, (!fine).then_some("TERMS_INVALID"), "{side:?} {stop:?} {target:?}");
    }
}
