//! What the account may do, what a refused key means, and a calendar that is not to be had.

use super::stories::still;
use super::*;
use crate::core::risk::DenyReason;
use crate::sim::alpaca::Rules;

impl Rig {
    /// Why an order is denied at the gate.
    fn denial(&mut self, order: PlaceOrder) -> DenyReason {
        assert!(self.try_place(order).is_none(), "it went out");
        let denied = self.out.effects().iter().find_map(|effect| match effect {
            EffectOf::Denied { reason, .. } => Some(*reason),
            _ => None,
        });
        denied.unwrap_or_else(|| panic!("{:?}", self.out.effects()))
    }
}

/// Each flag bars orders at the gate with its sentence, is an alert while it lasts, and lets orders go once it is gone.
#[test]
fn flags_of_the_account_bar_orders_with_a_reason_until_they_are_gone() {
    for (flag, said) in [
        ("trading_blocked", "the account is blocked by the venue"),
        ("account_blocked", "the account is blocked by the venue"),
        ("suspended", "suspend_trade is set in the account"),
    ] {
        let mut rig = still(500);
        let stands = |rig: &Rig| rig.core.alerts().stands(AlarmKind::AccountBarred, Scope::Venue(VENUE));
        rig.control("/account", &format!("{{{flag:?}:true}}"));
        rig.command(Action::Reconcile(VENUE));
        rig.until("barred", stands);
        let order = rig.order(AAPL, Side::Buy, OrderType::Limit, E9, 100 * E9);
        let reason = rig.denial(order).to_string();
        assert!(reason.contains(said), "{flag}: {reason}");
        rig.control("/account", &format!("{{{flag:?}:false}}"));
        rig.command(Action::Reconcile(VENUE));
        rig.until("open again", |rig| !stands(rig));
        let order = rig.resting();
        rig.until_status(order, OrdStatus::New);
    }
}

#[test]
fn an_account_that_may_not_short_sells_only_what_it_holds() {
    let mut rig = still(501);
    rig.control("/account", r#"{"shorting":false}"#);
    rig.command(Action::Reconcile(VENUE));
    rig.until("told", |rig| !rig.core.portfolio().get(AAPL).unwrap().def.can.has(Feature::ShortSale));
    let sale = rig.order(AAPL, Side::Sell, OrderType::Limit, E9, 240 * E9);
    assert!(matches!(rig.denial(sale), DenyReason::ShortSaleNotPermitted { .. }));
    let bought = rig.market(Side::Buy, 2 * E9);
    rig.until_status(bought, OrdStatus::Filled);
    let sold = rig.place(rig.order(AAPL, Side::Sell, OrderType::Limit, 2 * E9, 229 * E9));
    rig.until_status(sold, OrdStatus::Filled);
}

/// Its members are passed over; that the venue's own refusal is the answer is a row of the refusals in `stories`.
#[test]
fn an_account_that_still_tells_the_old_day_trade_members_trades() {
    let mut rig = rig_at(502, "secret", paper(), |sim| SimConfig {
        rules: Rules { legacy_pdt: true, ..Rules::default() },
        ..sim
    });
    rig.ready();
    let bought = rig.market(Side::Buy, 3 * E9);
    rig.until_status(bought, OrdStatus::Filled);
    rig.compare("three bought");
    assert!(!rig.core.alerts().stands(AlarmKind::AccountBarred, Scope::Venue(VENUE)));
}

/// Certain: a request that was not let in made nothing. The venue is barred until it knows the key again, so that the next
/// orders do not go there to be refused one by one.
#[test]
fn a_key_that_is_refused_rejects_the_order_bars_the_venue_and_is_forgiven_when_it_is_known_again() {
    let mut rig = still(503);
    rig.control("/revoke_key", r#"{"api_key":"key"}"#);
    let order = rig.resting();
    rig.until_status(order, OrdStatus::Rejected);
    let said = |body: &Body| matches!(body, Body::Exec(report) if report.exec == ExecType::Rejected && report.reject == RejectReason::Access);
    assert!(rig.told.iter().any(said));
    let next = rig.order(AAPL, Side::Buy, OrderType::Limit, E9, 100 * E9);
    assert!(rig.denial(next).to_string().contains("the venue refuses the key"));
    assert!(rig.core.alerts().stands(AlarmKind::AccountBarred, Scope::Venue(VENUE)));
    rig.control("/key", r#"{"api_key":"key","secret":"secret"}"#);
    rig.until("open again", |rig| !rig.core.alerts().stands(AlarmKind::AccountBarred, Scope::Venue(VENUE)));
    rig.until("ready", |rig| rig.state() == VenueState::Ready);
    let order = rig.resting();
    rig.until_status(order, OrdStatus::New);
    rig.agree("the key is known again");
    assert_eq!(rig.ledger().client_ids.len(), 1, "the refused one is not at the venue");
}

#[test]
fn a_calendar_that_cannot_be_read_is_asked_for_ever_more_seldom_and_holds_up_nothing() {
    let mut rig = rig(504);
    rig.control("/calendar", r#"{"readable":false}"#);
    rig.ready();
    rig.pass(60 * SECOND);
    let begin = rig.sim.calendar_asked();
    for _ in 0..10 {
        rig.pass(110 * SECOND);
    }
    let asked = rig.sim.calendar_asked() - begin;
    assert!((1..=5).contains(&asked), "asked {asked} times in eighteen minutes");
    let order = rig.resting();
    rig.until_status(order, OrdStatus::New);
    assert_eq!(rig.state(), VenueState::Ready);
    // Once it can be read again it is told.
    let told = |rig: &Rig| rig.told.iter().any(|body| matches!(body, Body::Calendar { .. }));
    assert!(!told(&rig));
    rig.control("/calendar", r#"{"readable":true}"#);
    for _ in 0..20 {
        rig.pass(110 * SECOND);
    }
    assert!(told(&rig));
}

#[test]
fn a_rejection_after_the_order_was_accepted_says_that_the_venue_gave_no_reason() {
    let mut rig = still(505);
    rig.sim.reject_next(1);
    let order = rig.resting();
    rig.until_status(order, OrdStatus::Rejected);
    let said =
        |body: &Body| matches!(body, Body::Exec(r) if r.order == order && r.text.as_str().contains("gave no reason"));
    assert!(rig.told.iter().any(said));
}
