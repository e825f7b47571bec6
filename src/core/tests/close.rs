//! A close is over when the venue shows no position any more.

use super::*;

/// Buys and closes; the exit's fill is heard.
fn closed() -> Rig {
    let mut rig = Rig::ready();
    let order = rig.place(Side::Buy, E8 / 100).unwrap();
    rig.fill(order, Side::Buy, E8 / 100, 60_000);
    let effects = rig.command(Action::Close(BTC));
    let Some(EffectOf::Place(exit)) = effects.iter().find(|e| matches!(e, EffectOf::Place(_))) else {
        panic!("{effects:?}")
    };
    assert_eq!(rig.place(Side::Buy, E8 / 1000).unwrap_err().code(), "NOT_REDUCING", "opens are barred meanwhile");
    rig.fill(exit.order, Side::Sell, E8 / 100, 60_000);
    rig
}

fn unverified(rig: &Rig) -> bool {
    rig.core.portfolio().get(BTC).unwrap().closing.unverified
}

fn still_held(rig: &Rig) -> bool {
    rig.core.alerts().stands(AlarmKind::StillHeld, Scope::Instrument(BTC))
}

/// The venue, asked, has so much of the asset.
fn says(rig: &mut Rig, held: i64) {
    rig.step(Body::Balance(Balance { venue: VENUE, asset: BTC_ASSET, free: held, locked: 0, ts_event_ns: 0 }));
    rig.step(Body::Reconciled { venue: VENUE });
}

#[test]
fn the_venue_is_asked_after_a_close_and_its_word_ends_it() {
    let mut rig = closed();
    assert!(unverified(&rig));
    // One that was on its way before says nothing about it.
    let effects = rig.wait(10 * MS);
    assert!(effects.contains(&EffectOf::Reconcile { venue: VENUE }), "{effects:?}");
    says(&mut rig, E8);
    assert!(!unverified(&rig) && !still_held(&rig));
}

#[test]
fn a_position_that_the_venue_still_shows_is_told_until_it_is_gone() {
    let mut rig = closed();
    rig.wait(10 * MS);
    says(&mut rig, E8 + E8 / 100);
    assert!(unverified(&rig) && still_held(&rig));
    rig.step(Body::Start { epoch: 7, run: 2 });
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Syncing });
    says(&mut rig, E8 + E8 / 100);
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Ready });
    assert!(unverified(&rig) && still_held(&rig), "a restart asks anew");
    rig.quote(60_000);
    rig.command(Action::Reconcile(VENUE));
    says(&mut rig, E8);
    assert!(!unverified(&rig) && !still_held(&rig));
}

#[test]
fn an_answer_from_before_the_last_fill_verifies_nothing() {
    let mut rig = Rig::ready();
    let order = rig.place(Side::Buy, E8 / 100).unwrap();
    rig.fill(order, Side::Buy, E8 / 100, 60_000);
    let effects = rig.command(Action::Close(BTC));
    let Some(EffectOf::Place(exit)) = effects.iter().find(|e| matches!(e, EffectOf::Place(_))) else {
        panic!("{effects:?}")
    };
    rig.command(Action::Reconcile(VENUE));
    rig.fill(exit.order, Side::Sell, E8 / 100, 60_000);
    rig.step(Body::Reconciled { venue: VENUE });
    assert!(unverified(&rig));
    rig.wait(10 * MS);
    says(&mut rig, E8);
    assert!(!unverified(&rig));
}
