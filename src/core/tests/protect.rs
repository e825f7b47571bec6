//! Stop loss and take profit of what entries have filled.

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
