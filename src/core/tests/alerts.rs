//! Alerts: raised once, counted, acknowledged, cleared, grown graver, and acting by themselves.

use super::*;
use crate::core::alarm::{AlertChange, News, Severity};
use crate::core::alerts::{ALERTS_MAX, Act, Alert, AlertRules};
use crate::core::orders::LIVE_MAX;
use crate::core::risk::Unevaluable;

/// What the effects say of alerts of a kind.
fn news(effects: &[RecordedEffect], of: AlarmKind) -> Vec<News> {
    let told = effects.iter().filter_map(|e| match e {
        EffectOf::Alarm { kind, news, .. } if *kind == of => Some(*news),
        _ => None,
    });
    told.collect()
}

fn changes(effects: &[RecordedEffect], of: AlarmKind) -> Vec<AlertChange> {
    news(effects, of).iter().map(|news| news.change).collect()
}

fn rules() -> AlertRules {
    AlertRules {
        acts: [Act::None, Act::None, Act::Halt],
        escalate_after_ns: 900 * SECOND,
        escalated: Act::Halt,
        exposure_high_ppm: 800_000,
        balance_low_ppm: 1_200_000,
        feed_stale_ns: 10 * SECOND,
        venue_down_ns: 10 * SECOND,
        risk_score_high: 80,
    }
}

impl Rig {
    fn alerting(change: impl FnOnce(&mut AlertRules)) -> Rig {
        let mut rig = Rig::ready();
        let mut rules = rules();
        change(&mut rules);
        rig.step(Body::AlertRules(rules));
        rig
    }

    fn foreign(&mut self) -> Vec<RecordedEffect> {
        self.step(Body::Exec(ExecReport {
            order: OrderId::FOREIGN,
            instrument: BTC,
            venue: VENUE,
            exec: ExecType::New,
            ..ExecReport::default()
        }))
    }

    fn alert(&self, kind: AlarmKind) -> Alert {
        *self.core.alerts().all().find(|alert| alert.kind == kind).expect("it was raised")
    }

    /// Time goes by with a quote every second, so that nothing is stale.
    fn quiet(&mut self, seconds: i64) -> Vec<RecordedEffect> {
        let mut all = Vec::new();
        for _ in 0..seconds {
            all.extend(self.quote(60_000));
            all.extend(self.wait(SECOND));
        }
        all
    }
}

#[test]
fn the_same_again_is_counted_and_whoever_acknowledges_what_happened_clears_it() {
    let mut rig = Rig::alerting(|_| {});
    let kind = AlarmKind::ForeignOrder;
    assert_eq!(changes(&rig.foreign(), kind), [AlertChange::Raised]);
    assert_eq!(changes(&rig.foreign(), kind), [AlertChange::Repeated]);
    let alert = rig.alert(kind);
    assert_eq!((alert.count, alert.severity, alert.scope), (2, Severity::Critical, Scope::Instrument(BTC)));
    assert!(alert.stands());
    let effects = rig.command(Action::Acknowledge { alert: alert.id });
    assert_eq!(changes(&effects, kind), [AlertChange::Acknowledged, AlertChange::Cleared]);
    assert!(matches!(effects.last(), Some(EffectOf::Reply { reply: Reply::Done, .. })));
    assert_eq!(rig.alert(kind).acknowledged_by, Text::new("test"));
    let effects = rig.command(Action::Acknowledge { alert: alert.id });
    assert!(matches!(effects[..], [EffectOf::Reply { reply: Reply::NotFound, .. }]), "it does not stand any more");
    assert_eq!(changes(&rig.foreign(), kind), [AlertChange::Reopened], "shortly after it is the same");
    rig.command(Action::Acknowledge { alert: alert.id });
    rig.quiet(61);
    assert_eq!(changes(&rig.foreign(), kind), [AlertChange::Raised], "later it is another");
}

#[test]
fn a_condition_is_raised_when_it_begins_and_cleared_when_it_ends() {
    let mut rig = Rig::alerting(|_| {});
    let (venue, instrument) = (Scope::Venue(VENUE), Scope::Instrument(BTC));
    rig.quiet(20);
    assert_eq!(rig.core.alerts().all().count(), 0, "all is well: {:?}", rig.core.alerts().all().collect::<Vec<_>>());
    // The feed and the venue go.
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Down });
    assert!(rig.wait(9 * SECOND).is_empty());
    let effects = rig.wait(3 * SECOND);
    assert_eq!(changes(&effects, AlarmKind::VenueDown), [AlertChange::Raised]);
    assert_eq!(changes(&effects, AlarmKind::FeedStale), [AlertChange::Raised]);
    assert!(rig.core.alerts().stands(AlarmKind::VenueDown, venue));
    assert!(rig.core.alerts().stands(AlarmKind::FeedStale, instrument));
    assert!(changes(&rig.wait(SECOND), AlarmKind::VenueDown).is_empty(), "it stands, and is not told again");
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Ready });
    rig.quote(60_000);
    let effects = rig.wait(SECOND);
    assert_eq!(changes(&effects, AlarmKind::VenueDown), [AlertChange::Cleared]);
    assert_eq!(changes(&effects, AlarmKind::FeedStale), [AlertChange::Cleared]);
    // Money.
    for (usd, low) in [(1_100, true), (5_000, false), (999, true)] {
        rig.step(Body::Balance(Balance { venue: VENUE, asset: BTC_ASSET, free: 0, locked: 0, ts_event_ns: 0 }));
        rig.step(Body::Balance(Balance { venue: VENUE, asset: USDT, free: usd * E8, locked: 0, ts_event_ns: 0 }));
        rig.quiet(1);
        assert_eq!(rig.core.alerts().stands(AlarmKind::BalanceLow, Scope::Account), low, "{usd}");
    }
    // What the outside sees.
    use AlarmKind::{ClockOff, CredentialExpiring, RateLimitNear, StoreBehind};
    use AlarmKind::{LoginsRefused, PlaintextKeys, VaultAway};
    for kind in [ClockOff, RateLimitNear, CredentialExpiring, StoreBehind, VaultAway, PlaintextKeys, LoginsRefused] {
        for (is_so, want) in [(true, vec![AlertChange::Raised]), (true, vec![]), (false, vec![AlertChange::Cleared])] {
            let effects = rig.step(Body::Condition { kind, scope: venue, is_so });
            assert_eq!(changes(&effects, kind), want, "{kind:?} {is_so}");
        }
    }
    let effects = rig.step(Body::Condition { kind: AlarmKind::DailyLoss, scope: venue, is_so: true });
    assert!(effects.is_empty(), "what the core sees for itself nobody tells it: {effects:?}");
}

#[test]
fn a_store_that_is_behind_touches_no_trading_however_grave_it_becomes() {
    let mut rig = Rig::alerting(|rules| {
        (rules.acts, rules.escalate_after_ns) = ([Act::Stop, Act::Stop, Act::Stop], SECOND);
        (rules.feed_stale_ns, rules.venue_down_ns) = (0, 0);
    });
    let account = Scope::Account;
    let effects = rig.step(Body::Condition { kind: AlarmKind::StoreBehind, scope: account, is_so: true });
    assert_eq!(changes(&effects, AlarmKind::StoreBehind), [AlertChange::Raised]);
    let effects = rig.wait(2 * SECOND);
    assert_eq!(changes(&effects, AlarmKind::StoreBehind), [AlertChange::Escalated]);
    assert_eq!(rig.core.trading(), TradingState::Active);
}

#[test]
fn exposure_margin_and_correlation_are_watched() {
    let mut rig = Rig::alerting(|_| {});
    let mut limits = *rig.core.limits();
    (limits.exposure_gross_max, limits.correlated_exposure_max) = (Usd::dollars(1_000), Usd::dollars(100_000));
    rig.command(Action::SetLimits(limits));
    let order = rig.place(Side::Buy, E8 / 100).unwrap();
    rig.fill(order, Side::Buy, E8 / 100, 60_000);
    rig.quiet(1);
    assert!(!rig.core.alerts().stands(AlarmKind::ExposureHigh, Scope::Account), "600 of 1,000 dollars");
    limits.exposure_gross_max = Usd::dollars(700);
    limits.correlated_exposure_max = Usd::dollars(500);
    rig.command(Action::SetLimits(limits));
    rig.quiet(1);
    assert!(rig.core.alerts().stands(AlarmKind::ExposureHigh, Scope::Account), "600 of 700 dollars");
    assert!(rig.core.alerts().stands(AlarmKind::CorrelationExceeded, Scope::Account));
    let margin = |equity| Margin {
        venue: VENUE,
        equity: Usd::dollars(equity),
        maintenance_margin: Usd::dollars(1_000),
        multiplier: 2,
        ..Margin::default()
    };
    rig.step(Body::Margin(margin(1_199)));
    rig.quiet(1);
    assert!(rig.core.alerts().stands(AlarmKind::MarginLow, Scope::Venue(VENUE)));
    rig.step(Body::Margin(margin(1_200)));
    rig.quiet(1);
    assert!(!rig.core.alerts().stands(AlarmKind::MarginLow, Scope::Venue(VENUE)));
}

#[test]
fn losses_of_the_day_are_told_at_each_level_and_cleared_at_the_day_boundary() {
    let mut rig = Rig::alerting(|r| r.acts = [Act::None; 3]);
    let order = rig.place(Side::Buy, E8 / 100 * 8).unwrap();
    rig.fill(order, Side::Buy, E8 / 100 * 8, 60_000);
    let mut limits = *rig.core.limits();
    limits.daily_loss_halt_ppm = 1_500_000;
    rig.command(Action::SetLimits(limits));
    rig.quote(60_000 - 100_000 / 8);
    for (kind, severity) in [
        (AlarmKind::DailyLossHalf, Severity::Warning),
        (AlarmKind::DailyLossNear, Severity::Critical),
        (AlarmKind::DailyLoss, Severity::Critical),
    ] {
        assert_eq!((rig.alert(kind).severity, rig.alert(kind).stands()), (severity, true), "{kind:?}");
    }
    rig.now += 86_400 * SECOND;
    rig.wait(SECOND);
    rig.quote(60_000 - 100_000 / 8);
    rig.wait(SECOND);
    assert!(!rig.alert(AlarmKind::DailyLossHalf).stands() && !rig.alert(AlarmKind::DailyLoss).stands());
}

#[test]
fn what_nobody_acknowledges_grows_graver_once_and_then_acts() {
    let mut rig = Rig::alerting(|r| r.escalate_after_ns = 60 * SECOND);
    rig.foreign();
    rig.step(Body::Condition { kind: AlarmKind::ClockOff, scope: Scope::Venue(VENUE), is_so: true });
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Down });
    rig.quiet(12);
    let seen = rig.alert(AlarmKind::ClockOff).id;
    let effects = rig.quiet(62);
    assert_eq!(changes(&effects, AlarmKind::ClockOff), [AlertChange::Escalated]);
    assert_eq!(rig.alert(AlarmKind::ClockOff).severity, Severity::Critical, "a warning becomes critical");
    assert!(changes(&effects, AlarmKind::ForeignOrder).is_empty(), "what only happened becomes no emergency");
    assert_eq!(rig.alert(AlarmKind::VenueDown).severity, Severity::Emergency);
    assert_eq!(rig.core.trading(), TradingState::Halted, "and an emergency halts here");
    let effects = rig.quiet(130);
    assert!(changes(&effects, AlarmKind::ClockOff).is_empty(), "once");
    // One that somebody has seen does not.
    let mut rig = Rig::alerting(|r| r.escalate_after_ns = 60 * SECOND);
    rig.step(Body::Condition { kind: AlarmKind::ClockOff, scope: Scope::Venue(VENUE), is_so: true });
    rig.command(Action::Acknowledge { alert: seen });
    let alert = rig.alert(AlarmKind::ClockOff).id;
    rig.command(Action::Acknowledge { alert });
    assert!(changes(&rig.quiet(70), AlarmKind::ClockOff).is_empty());
    assert!(rig.alert(AlarmKind::ClockOff).stands(), "seen is not over");
}

#[test]
fn each_severity_does_what_is_configured() {
    for (act, want) in
        [(Act::None, TradingState::Active), (Act::Reduce, TradingState::Reducing), (Act::Halt, TradingState::Halted)]
    {
        let mut rig = Rig::alerting(|r| r.acts = [Act::None, act, Act::None]);
        let working = rig.limit(Side::Buy, E8 / 1000, 50_000).unwrap();
        let effects = rig.foreign();
        assert_eq!(rig.core.trading(), want, "{act:?}");
        let cancelled = effects.iter().any(|e| matches!(e, EffectOf::Cancel(c) if c.order == working));
        assert_eq!(cancelled, act == Act::Halt, "{act:?}");
        rig.command(Action::SetTradingState { scope: Scope::Account, state: TradingState::Active });
        rig.foreign();
        assert_eq!(rig.core.trading(), TradingState::Active, "a person has resumed: what stands does not act again");
    }
}

#[test]
fn an_emergency_stop_is_an_alert_until_a_person_resumes() {
    let mut rig = Rig::alerting(|_| {});
    rig.command(Action::EmergencyStop { flatten: false });
    assert!(rig.core.alerts().stands(AlarmKind::EmergencyStop, Scope::Account));
    rig.step(Body::Start { epoch: 7, run: 2 });
    rig.wait(SECOND);
    assert!(rig.core.alerts().stands(AlarmKind::EmergencyStop, Scope::Account), "it stays set after a restart");
    rig.command(Action::SetTradingState { scope: Scope::Account, state: TradingState::Active });
    rig.wait(SECOND);
    assert!(!rig.core.alerts().stands(AlarmKind::EmergencyStop, Scope::Account));
    // One of which the configuration says so.
    let mut rig = Rig::alerting(|r| r.acts = [Act::None, Act::Stop, Act::None]);
    rig.foreign();
    assert!(rig.core.alerts().stands(AlarmKind::EmergencyStop, Scope::Account));
    assert_eq!(rig.core.trading(), TradingState::Halted);
}

#[test]
fn the_table_is_bounded_and_says_what_it_dropped() {
    let mut rig = Rig::alerting(|_| {});
    rig.foreign();
    for n in 0..ALERTS_MAX as u16 + 9 {
        let report = ExecReport { instrument: InstrumentId(n + 1), venue: VENUE, ..ExecReport::default() };
        rig.step(Body::Exec(report));
    }
    assert_eq!((rig.core.alerts().all().count(), rig.core.alerts().dropped()), (ALERTS_MAX, 10));
    assert!(rig.alert(AlarmKind::ForeignOrder).stands(), "the graver one stays");
}

#[test]
fn one_that_only_grew_grave_does_no_more_than_is_configured_for_that() {
    for (most, want) in
        [(Act::None, TradingState::Active), (Act::Reduce, TradingState::Reducing), (Act::Stop, TradingState::Halted)]
    {
        let mut rig = Rig::alerting(|r| (r.escalate_after_ns, r.escalated) = (60 * SECOND, most));
        rig.step(Body::VenueState { venue: VENUE, state: VenueState::Down });
        rig.quiet(75);
        assert_eq!(rig.alert(AlarmKind::VenueDown).severity, Severity::Emergency);
        assert_eq!(rig.core.trading(), want, "{most:?}");
    }
}

#[test]
fn what_the_outside_said_is_said_anew_after_a_restart() {
    let mut rig = Rig::alerting(|_| {});
    let kinds = [AlarmKind::ClockOff, AlarmKind::RateLimitNear, AlarmKind::CredentialExpiring];
    let scope = Scope::Venue(VENUE);
    for kind in kinds {
        rig.step(Body::Condition { kind, scope, is_so: true });
    }
    let effects = rig.step(Body::Start { epoch: 7, run: 2 });
    for kind in kinds {
        assert_eq!(changes(&effects, kind), [AlertChange::Cleared]);
    }
    let effects = rig.step(Body::Condition { kind: kinds[0], scope, is_so: true });
    assert_eq!(changes(&effects, kinds[0]), [AlertChange::Reopened], "it is still so, and the same alert");
    rig.wait(SECOND);
    assert!(!rig.core.alerts().stands(kinds[1], scope));
}

#[test]
fn a_risk_score_that_is_high_is_told_until_it_is_not() {
    let mut rig = Rig::alerting(|r| r.risk_score_high = 40);
    let mut limits = *rig.core.limits();
    (limits.value_at_risk_max, limits.volatility_assumed_ppm) = (Usd::dollars(10), 50_000);
    let order = rig.place(Side::Buy, E8 / 100).unwrap();
    rig.fill(order, Side::Buy, E8 / 100, 60_000);
    rig.quiet(1);
    assert!(!rig.core.alerts().stands(AlarmKind::RiskScoreHigh, Scope::Account));
    rig.command(Action::SetLimits(limits));
    rig.quiet(1);
    assert!(rig.core.alerts().stands(AlarmKind::RiskScoreHigh, Scope::Account), "70 dollars at risk, 10 may be");
    limits.value_at_risk_max = Usd::dollars(10_000);
    rig.command(Action::SetLimits(limits));
    rig.quiet(1);
    assert!(!rig.core.alerts().stands(AlarmKind::RiskScoreHigh, Scope::Account));
}

#[test]
fn a_balance_that_our_fills_do_not_explain_is_told_until_the_next_comparison() {
    let mut rig = Rig::alerting(|_| {});
    let state = |rig: &mut Rig, usdt: i64| {
        rig.command(Action::Reconcile(VENUE));
        rig.step(Body::Balance(Balance { venue: VENUE, asset: USDT, free: usdt, locked: 0, ts_event_ns: 0 }));
        changes(&rig.step(Body::Reconciled { venue: VENUE }), AlarmKind::ReconcileDifference)
    };
    assert_eq!(state(&mut rig, 10_000 * E8), []);
    assert_eq!(state(&mut rig, 9_000 * E8), [AlertChange::Raised], "a thousand dollars went");
    assert_eq!(state(&mut rig, 9_000 * E8), [AlertChange::Cleared]);
    assert_eq!(state(&mut rig, 9_000 * E8 + 9), [], "rounding");
    // What a stream tells unasked, and what an order of ours may be moving, is no difference.
    rig.step(Body::Balance(Balance { venue: VENUE, asset: USDT, free: 8_000 * E8, locked: 0, ts_event_ns: 0 }));
    assert_eq!(state(&mut rig, 8_000 * E8), []);
    rig.limit(Side::Buy, E8 / 1000, 59_000).unwrap();
    assert_eq!(state(&mut rig, 7_900 * E8), []);
}

#[test]
fn alerts_survive_a_restart() {
    let mut rig = Rig::alerting(|_| {});
    rig.foreign();
    rig.step(Body::Start { epoch: 7, run: 2 });
    assert!(rig.alert(AlarmKind::ForeignOrder).stands());
}

#[test]
fn an_order_that_the_table_has_no_room_for_is_an_alert_told_once() {
    let mut rig = Rig::alerting(|_| {});
    rig.command(Action::SetLimits(Limits {
        quote_age_max_ns: i64::MAX,
        market_order_margin_ppm: 5_000,
        ..Limits::LOOSEST
    }));
    for n in 0..LIVE_MAX as i64 {
        rig.limit(Side::Buy, 10_000, 58_000 - n).unwrap();
    }
    let order = PlaceOrder { kind: OrderType::Limit, px: Price(56_000 * E8), ..Rig::order(Side::Buy, 10_000) };
    let effects = rig.command(Action::Place(order));
    assert_eq!(changes(&effects, AlarmKind::TableFull), [AlertChange::Raised]);
    let full = DenyReason::CannotEvaluate(Unevaluable::OrderTableFull);
    assert!(effects.iter().any(|e| matches!(e, EffectOf::Denied { reason, .. } if *reason == full)), "{effects:?}");
    assert_eq!(changes(&rig.command(Action::Place(order)), AlarmKind::TableFull), []);
    let alert = rig.alert(AlarmKind::TableFull).id;
    rig.command(Action::Acknowledge { alert });
    assert_eq!(changes(&rig.command(Action::Place(order)), AlarmKind::TableFull), [AlertChange::Reopened]);
}
