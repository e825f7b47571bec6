//! The emergency stop: whoever makes it, it halts, cancels, has the venues say what is left, and stays until a person
//! ends it.

use super::gate::OTHER;
use super::*;
use crate::core::stop::{Left, LeftState, StopCause, StopRules};

const ETH: InstrumentId = InstrumentId(1);
const ETH_ASSET: AssetId = AssetId(2);

impl Rig {
    /// Two venues, each with an instrument and a quote.
    fn two() -> Rig {
        let mut rig = Rig::ready();
        rig.step(Body::Venue { venue: OTHER, name: Text::new("other") });
        rig.step(Body::Instrument(Instrument {
            id: ETH,
            venue: OTHER,
            symbol: Text::new("ETHUSDT"),
            base: ETH_ASSET,
            ..btcusdt()
        }));
        rig.come_back(OTHER);
        rig.other_quote();
        rig
    }

    fn other_quote(&mut self) {
        let quote = self.core.portfolio().get(BTC).unwrap().quote;
        self.step(Body::Quote(Quote { instrument: ETH, ..quote }));
    }

    /// The venue's connection is back: what it is asked, and its balances.
    fn connect(&mut self, venue: VenueId) -> Vec<RecordedEffect> {
        let effects = self.step(Body::VenueState { venue, state: VenueState::Syncing });
        self.step(Body::Balance(Balance { venue, asset: USDT, free: 10_000 * E8, locked: 0, ts_event_ns: 0 }));
        effects
    }

    fn come_back(&mut self, venue: VenueId) -> Vec<RecordedEffect> {
        self.connect(venue);
        let effects = self.step(Body::Reconciled { venue });
        self.step(Body::VenueState { venue, state: VenueState::Ready });
        effects
    }

    fn order_at(&mut self, instrument: InstrumentId) -> OrderId {
        let order = PlaceOrder {
            instrument,
            kind: OrderType::Limit,
            px: Price(50_000 * E8),
            ..Rig::order(Side::Buy, E8 / 1000)
        };
        match self.command(Action::Place(order)).first() {
            Some(EffectOf::Place(order)) => order.order,
            other => panic!("{other:?}"),
        }
    }

    fn say(&mut self, order: OrderId, exec: ExecType) -> Vec<RecordedEffect> {
        let of = self.core.orders().get(order).copied().unwrap();
        self.step(Body::Exec(ExecReport {
            order,
            instrument: of.instrument,
            venue: of.venue,
            exec,
            venue_order_id: VenueOrderId::from_u64(order.0 + 1),
            ..ExecReport::default()
        }))
    }

    fn left(&self, venue: VenueId) -> (LeftState, u32, u32) {
        let left = self.core.stop().left(venue);
        (left.state, left.orders, left.foreign)
    }

    fn resume(&mut self) {
        self.command(Action::SetTradingState { scope: Scope::Account, state: TradingState::Active });
    }
}

fn asks(effects: &[RecordedEffect], of: VenueId) -> bool {
    effects.iter().any(|e| matches!(e, EffectOf::Reconcile { venue } if *venue == of))
}

fn cancels(effects: &[RecordedEffect]) -> Vec<OrderId> {
    effects.iter().filter_map(|e| if let EffectOf::Cancel(c) = e { Some(c.order) } else { None }).collect()
}

fn told(effects: &[RecordedEffect]) -> Vec<Left> {
    effects.iter().filter_map(|e| if let EffectOf::Left(left) = e { Some(*left) } else { None }).collect()
}

const STOP: Action = Action::EmergencyStop { flatten: false };

#[test]
fn a_venue_is_asked_after_the_stop_until_it_has_nothing_left() {
    let mut rig = Rig::two();
    let (here, there) = (rig.order_at(BTC), rig.order_at(ETH));
    rig.say(here, ExecType::New);
    rig.say(there, ExecType::New);
    // One that was asked for before the stop says nothing about it.
    rig.command(Action::Reconcile(VENUE));
    let effects = rig.command(STOP);
    assert_eq!(cancels(&effects), [here, there]);
    assert_eq!(rig.left(VENUE), (LeftState::Unconfirmed, 0, 0));
    rig.say(here, ExecType::Canceled);
    let effects = rig.wait(10 * MS);
    assert!(asks(&effects, OTHER) && !asks(&effects, VENUE), "the answer on its way is waited for: {effects:?}");
    rig.step(Body::Reconciled { venue: VENUE });
    assert_eq!(rig.left(VENUE), (LeftState::Unconfirmed, 0, 0), "it had been asked before the stop");
    assert!(asks(&rig.wait(10 * MS), VENUE));
    let effects = rig.step(Body::Reconciled { venue: VENUE });
    assert_eq!(rig.left(VENUE), (LeftState::Nothing, 0, 0));
    assert_eq!(told(&effects).len(), 1);
    // The other has one left: the venue names it.
    rig.say(there, ExecType::Working);
    let effects = rig.step(Body::Reconciled { venue: OTHER });
    assert_eq!((told(&effects)[0].orders, rig.left(OTHER)), (1, (LeftState::Left, 1, 0)));
    assert!(!asks(&rig.wait(100 * MS), OTHER), "not at once");
    let effects = rig.wait(SECOND);
    assert!(asks(&effects, OTHER) && !asks(&effects, VENUE));
    assert!(!asks(&rig.wait(5 * SECOND), OTHER), "one answer is waited for");
    assert!(rig.core.alerts().stands(AlarmKind::StopUnconfirmed, Scope::Venue(OTHER)));
    assert!(!rig.core.alerts().stands(AlarmKind::StopUnconfirmed, Scope::Venue(VENUE)));
    rig.say(there, ExecType::Canceled);
    rig.step(Body::Reconciled { venue: OTHER });
    assert_eq!(rig.left(OTHER).0, LeftState::Nothing);
    rig.wait(SECOND);
    assert!(!rig.core.alerts().stands(AlarmKind::StopUnconfirmed, Scope::Venue(OTHER)));
    assert!(!asks(&rig.wait(5 * SECOND), OTHER), "nothing is left to ask");
}

#[test]
fn a_stop_works_while_a_venue_is_down_and_goes_on_after_a_restart() {
    let mut rig = Rig::two();
    let (here, there) = (rig.order_at(BTC), rig.order_at(ETH));
    rig.say(here, ExecType::New);
    rig.say(there, ExecType::New);
    rig.step(Body::VenueState { venue: OTHER, state: VenueState::Down });
    let effects = rig.command(STOP);
    assert_eq!(cancels(&effects), [here, there], "the gateway may still have a way");
    rig.say(here, ExecType::Canceled);
    rig.wait(10 * MS);
    rig.step(Body::Reconciled { venue: VENUE });
    assert_eq!((rig.left(VENUE).0, rig.left(OTHER).0), (LeftState::Nothing, LeftState::Unconfirmed));
    rig.wait(6 * SECOND);
    assert!(rig.core.alerts().stands(AlarmKind::StopUnconfirmed, Scope::Venue(OTHER)));
    // The engine dies and starts again.
    rig.step(Body::Start { epoch: 7, run: 2 });
    assert!(rig.core.stop().is_set());
    assert_eq!(rig.core.trading(), TradingState::Halted);
    assert_eq!((rig.left(VENUE).0, rig.left(OTHER).0), (LeftState::Unconfirmed, LeftState::Unconfirmed), "asked anew");
    rig.come_back(VENUE);
    assert_eq!((rig.left(VENUE).0, rig.left(OTHER).0), (LeftState::Nothing, LeftState::Unconfirmed));
    // The other is back, and the order works there: it never heard of the cancel.
    rig.connect(OTHER);
    rig.say(there, ExecType::Working);
    rig.step(Body::Reconciled { venue: OTHER });
    rig.step(Body::VenueState { venue: OTHER, state: VenueState::Ready });
    assert_eq!(rig.left(OTHER), (LeftState::Left, 1, 0));
    assert_eq!(cancels(&rig.wait(10 * MS)), [there], "it is cancelled again");
    rig.say(there, ExecType::Canceled);
    assert!(asks(&rig.wait(SECOND), OTHER));
    rig.step(Body::Reconciled { venue: OTHER });
    assert_eq!(rig.left(OTHER).0, LeftState::Nothing);
    assert_eq!(rig.place(Side::Buy, E8 / 1000).unwrap_err().code(), "TRADING_NOT_ACTIVE");
    rig.resume();
    assert!(!rig.core.stop().is_set());
    assert_eq!(rig.core.trading(), TradingState::Active);
}

#[test]
fn orders_of_others_are_left_and_are_cancelled_where_the_configuration_says_so() {
    for cancel_foreign in [true, false] {
        let mut rig = Rig::two();
        rig.step(Body::StopRules(StopRules { cancel_foreign, ..StopRules::default() }));
        rig.command(STOP);
        rig.wait(10 * MS);
        let foreign = ExecReport {
            order: OrderId::FOREIGN,
            instrument: BTC,
            venue: VENUE,
            exec: ExecType::Working,
            ..ExecReport::default()
        };
        rig.step(Body::Exec(foreign));
        let effects = rig.step(Body::Reconciled { venue: VENUE });
        assert_eq!(rig.left(VENUE), (LeftState::Left, 0, 1));
        let cancel = EffectOf::CancelAll { venue: VENUE, instrument: BTC };
        assert_eq!(effects.contains(&cancel), cancel_foreign);
        assert!(asks(&rig.wait(2 * SECOND), VENUE));
        rig.step(Body::Reconciled { venue: VENUE });
        assert_eq!(rig.left(VENUE), (LeftState::Nothing, 0, 0));
    }
}

#[test]
fn a_heartbeat_that_is_late_stops_everything() {
    let mut rig = Rig::two();
    rig.wait(3_600 * SECOND);
    assert!(!rig.core.stop().is_set(), "none is expected");
    rig.quote(60_000);
    let order = rig.order_at(BTC);
    rig.say(order, ExecType::New);
    rig.command(Action::Heartbeat);
    rig.step(Body::StopRules(StopRules { heartbeat_max_ns: 10 * SECOND, ..StopRules::default() }));
    for _ in 0..5 {
        rig.wait(9 * SECOND);
        rig.command(Action::Heartbeat);
    }
    assert!(!rig.core.stop().is_set());
    rig.wait(10 * SECOND - MS);
    let effects = rig.wait(2 * MS);
    assert_eq!((rig.core.stop().cause, rig.core.trading()), (StopCause::Heartbeat, TradingState::Halted));
    assert_eq!(cancels(&effects), [order]);
    assert!(rig.core.alerts().stands(AlarmKind::EmergencyStop, Scope::Account));
    rig.command(Action::Heartbeat);
    rig.wait(SECOND);
    assert!(rig.core.stop().is_set(), "one that comes late resumes nothing");
    rig.resume();
    rig.wait(9 * SECOND);
    assert!(!rig.core.stop().is_set(), "the time runs from the resumption");
    rig.step(Body::Start { epoch: 7, run: 2 });
    rig.step(Body::StopRules(StopRules { heartbeat_max_ns: 10 * SECOND, flatten: true, ..StopRules::default() }));
    rig.wait(9 * SECOND);
    assert!(!rig.core.stop().is_set(), "and from a start");
    rig.wait(2 * SECOND);
    assert_eq!((rig.core.stop().cause, rig.core.stop().flatten), (StopCause::Heartbeat, true));
}

#[test]
fn a_stop_that_closes_positions_is_not_cut_short_by_what_it_loses() {
    let mut rig = Rig::ready();
    let mut limits = limits();
    limits.daily_loss_halt_ppm = 1_000_000;
    rig.step(Body::Limits(limits));
    let order = rig.place(Side::Buy, E8 / 100 * 8).unwrap();
    rig.fill(order, Side::Buy, E8 / 100 * 8, 60_000);
    let far = rig.limit(Side::Buy, E8 / 1000, 55_000).unwrap();
    rig.say(far, ExecType::New);
    rig.command(Action::EmergencyStop { flatten: true });
    assert_eq!(rig.core.trading(), TradingState::Reducing);
    // Its cancel is lost with the link, and the order works on.
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Down });
    rig.connect(VENUE);
    rig.step(Body::Balance(Balance { venue: VENUE, asset: BTC_ASSET, free: E8, locked: 0, ts_event_ns: 0 }));
    rig.say(far, ExecType::CancelRejected);
    rig.say(far, ExecType::Working);
    rig.step(Body::Reconciled { venue: VENUE });
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Ready });
    assert_eq!(cancels(&rig.wait(10 * MS)), [far], "it is cancelled again");
    // Meanwhile the position loses more than the day may.
    rig.quote(45_000);
    assert_eq!(rig.core.trading(), TradingState::Reducing, "the position is still to be closed");
    let effects = rig.say(far, ExecType::Canceled);
    let effects = if sends(&effects) == 1 { effects } else { rig.wait(10 * MS) };
    let Some(EffectOf::Place(exit)) = effects.iter().find(|e| matches!(e, EffectOf::Place(_))) else {
        panic!("{effects:?}")
    };
    rig.fill(exit.order, Side::Sell, exit.qty.0, 45_000);
    rig.wait(10 * MS);
    assert_eq!((rig.net(), rig.core.trading()), (0, TradingState::Halted));
    assert_ne!(rig.left(VENUE).0, LeftState::Nothing);
    rig.wait(2 * SECOND);
    rig.step(Body::Reconciled { venue: VENUE });
    assert_eq!(rig.left(VENUE).0, LeftState::Nothing);
}

#[test]
fn every_halt_that_a_rule_makes_has_the_venues_asked() {
    let mut rig = Rig::ready();
    let order = rig.place(Side::Buy, E8 / 100 * 8).unwrap();
    rig.fill(order, Side::Buy, E8 / 100 * 8, 60_000);
    let mut limits = limits();
    limits.daily_loss_halt_ppm = 1_000_000;
    rig.step(Body::Limits(limits));
    rig.quote(45_000);
    assert_eq!(rig.core.stop().cause, StopCause::Alert(AlarmKind::DailyLossHalt));
    assert!(!rig.core.alerts().stands(AlarmKind::EmergencyStop, Scope::Account), "a halt is no emergency stop");
    assert!(asks(&rig.wait(10 * MS), VENUE));
    rig.step(Body::Reconciled { venue: VENUE });
    let left = rig.core.stop().left(VENUE);
    assert_eq!((left.state, left.positions), (LeftState::Nothing, 1), "it was to be kept");
}
