//! Every kind of alert through its life: counted when it comes again, grown graver when nobody looks, acknowledged by
//! name, over when it is over.

use super::*;
use crate::core::alarm::{AlertChange, Severity};
use crate::core::alerts::{Act, Alert, AlertRules};
use AlarmKind as K;
use Severity::{Critical, Emergency, Warning};

/// How an alert of a kind ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ends {
    /// The core sees at its next look that the condition is over.
    Watched,
    /// Whoever told of it says so, or a new run, or what the venue says next; a look alone does not end it.
    Told,
    /// Never by itself: by whoever acknowledges it.
    Seen,
}
use Ends::{Seen, Told, Watched};

const KINDS: [(AlarmKind, Severity, Ends); 41] = [
    (K::ImpossibleReport, Critical, Seen),
    (K::UnknownInstrument, Warning, Seen),
    (K::UnknownOrder, Critical, Seen),
    (K::ForeignOrder, Critical, Seen),
    (K::OrderUnknown, Critical, Watched),
    (K::FeeNotValued, Warning, Seen),
    (K::Overflow, Emergency, Told),
    (K::DailyLoss, Critical, Watched),
    (K::TableFull, Critical, Seen),
    (K::InstrumentChanged, Critical, Seen),
    (K::FillsMissing, Critical, Told),
    (K::NotFlattened, Critical, Watched),
    (K::Runaway, Critical, Watched),
    (K::DailyLossHalf, Warning, Watched),
    (K::DailyLossNear, Critical, Watched),
    (K::DailyLossHalt, Emergency, Watched),
    (K::Drawdown, Critical, Watched),
    (K::DrawdownHalt, Emergency, Watched),
    (K::LossStreak, Critical, Watched),
    (K::ExposureHigh, Warning, Watched),
    (K::BalanceLow, Critical, Watched),
    (K::MarginLow, Critical, Watched),
    (K::CorrelationExceeded, Critical, Watched),
    (K::FeedStale, Warning, Watched),
    (K::VenueDown, Critical, Watched),
    (K::ClockOff, Warning, Told),
    (K::RateLimitNear, Warning, Told),
    (K::CredentialExpiring, Warning, Told),
    (K::EmergencyStop, Emergency, Watched),
    (K::ProtectionTriggered, Warning, Seen),
    (K::NotProtected, Critical, Seen),
    (K::ProtectionBlocked, Critical, Seen),
    (K::StopUnconfirmed, Critical, Watched),
    (K::StoreBehind, Warning, Told),
    (K::RiskScoreHigh, Warning, Watched),
    (K::ReconcileDifference, Critical, Told),
    (K::StillHeld, Critical, Told),
    (K::VaultAway, Warning, Told),
    (K::PlaintextKeys, Warning, Told),
    (K::AccountBarred, Critical, Told),
    (K::LoginsRefused, Critical, Told),
];

/// What an operator is told of, and by which kind.
const TRIGGERS: [(&str, AlarmKind); 16] = [
    ("half of its limit", K::DailyLossHalf),
    ("four fifths of its limit", K::DailyLossNear),
    ("the loss of the day has reached its limit", K::DailyLoss),
    ("exposure is near its limit", K::ExposureHigh),
    ("maintenance margin", K::MarginLow),
    ("minimum of the account", K::BalanceLow),
    ("risk score is high", K::RiskScoreHigh),
    ("move together is above its limit", K::CorrelationExceeded),
    ("no fresh quote", K::FeedStale),
    ("venue cannot be reached", K::VenueDown),
    ("not what the engine's fills made of it", K::ReconcileDifference),
    ("clock is off", K::ClockOff),
    ("request limit is nearly used up", K::RateLimitNear),
    ("executed too often in one direction", K::Runaway),
    ("key is due to be exchanged", K::CredentialExpiring),
    ("emergency stop is set", K::EmergencyStop),
];

/// Where nothing but what a test raises is wrong, and no severity acts.
fn rig() -> Rig {
    let mut rig = Rig::ready();
    rig.step(Body::AlertRules(AlertRules {
        acts: [Act::None; 3],
        escalate_after_ns: 60 * SECOND,
        escalated: Act::None,
        exposure_high_ppm: 800_000,
        balance_low_ppm: 1_200_000,
        feed_stale_ns: 10 * SECOND,
        venue_down_ns: 10 * SECOND,
        risk_score_high: 80,
    }));
    rig.quote(60_000);
    rig
}

fn scope(kind: AlarmKind) -> Scope {
    match kind {
        K::VenueDown | K::MarginLow | K::StopUnconfirmed => Scope::Venue(VENUE),
        K::Runaway => Scope::Strategy(StrategyId(1)),
        K::ExposureHigh | K::BalanceLow | K::CorrelationExceeded | K::RiskScoreHigh => Scope::Account,
        _ => Scope::Instrument(BTC),
    }
}

fn told(effects: &[RecordedEffect], of: AlarmKind) -> Vec<AlertChange> {
    let of_it = effects.iter().filter_map(|effect| match effect {
        EffectOf::Alarm { kind, news, .. } if *kind == of => Some(news.change),
        _ => None,
    });
    of_it.collect()
}

impl Rig {
    fn raise(&mut self, kind: AlarmKind) -> Vec<AlertChange> {
        self.out.clear();
        self.core.alarm_for(kind, scope(kind), BTC, OrderId::FOREIGN, &mut self.out);
        let effects: Vec<RecordedEffect> = self.out.effects().iter().map(|effect| effect.recorded()).collect();
        told(&effects, kind)
    }

    /// Nobody has acknowledged anything for so long. The conditions are not looked at.
    fn unattended(&mut self, kind: AlarmKind, ns: Nanos) -> Vec<AlertChange> {
        self.now += ns;
        self.core.now = self.now;
        self.out.clear();
        for at in 0..self.core.alerts().all().count() {
            self.core.escalate(at, &mut self.out);
        }
        let effects: Vec<RecordedEffect> = self.out.effects().iter().map(|effect| effect.recorded()).collect();
        told(&effects, kind)
    }

    fn only(&self, kind: AlarmKind) -> Alert {
        let mut of_it = self.core.alerts().all().filter(|alert| alert.kind == kind);
        let alert = *of_it.next().expect("it was raised");
        assert!(of_it.next().is_none(), "{kind:?} is one alert");
        alert
    }
}

#[test]
fn every_kind_is_counted_grows_graver_once_and_ends_as_it_says() {
    assert_eq!(KINDS.map(|(kind, ..)| kind as usize), AlarmKind::ALL.map(|kind| kind as usize), "one row a kind");
    for (kind, severity, ends) in KINDS {
        assert_eq!((kind.severity(), kind.lasts()), (severity, ends != Seen), "{kind:?}");
        // The same again is counted.
        let mut rig = rig();
        assert_eq!(rig.raise(kind), [AlertChange::Raised], "{kind:?}");
        assert_eq!(rig.raise(kind), [AlertChange::Repeated], "{kind:?}");
        let alert = rig.only(kind);
        assert_eq!((alert.count, alert.severity, alert.stands()), (2, severity, true), "{kind:?}");
        // Nobody looks: one severity graver, once; what only happened becomes no emergency.
        let graver = match (severity, ends) {
            (Warning, _) => Some(Critical),
            (Critical, Watched | Told) => Some(Emergency),
            (Critical, Seen) | (Emergency, _) => None,
        };
        assert_eq!(rig.unattended(kind, 59 * SECOND), [], "{kind:?} too soon");
        let want = if graver.is_some() { vec![AlertChange::Escalated] } else { vec![] };
        assert_eq!(rig.unattended(kind, 2 * SECOND), want, "{kind:?}");
        assert_eq!(rig.unattended(kind, 600 * SECOND), [], "{kind:?} once");
        assert_eq!(rig.only(kind).severity, graver.unwrap_or(severity), "{kind:?}");
        // Acknowledged in somebody's name: then what only happened is over, and what lasts is not.
        let effects = rig.command(Action::Acknowledge { alert: alert.id });
        let seen: &[AlertChange] = match ends {
            Seen => &[AlertChange::Acknowledged, AlertChange::Cleared],
            _ => &[AlertChange::Acknowledged],
        };
        assert_eq!(told(&effects, kind), seen, "{kind:?}");
        assert_eq!(
            (rig.only(kind).acknowledged_by.as_str(), rig.only(kind).stands()),
            ("test", ends != Seen),
            "{kind:?}"
        );
        // One that somebody has seen in time does not grow graver.
        let mut rig = self::rig();
        rig.raise(kind);
        let id = rig.only(kind).id;
        rig.command(Action::Acknowledge { alert: id });
        assert_eq!(rig.unattended(kind, 600 * SECOND), [], "{kind:?} was seen");
        // Its condition is not there: a look ends what the core watches, and nothing else.
        let mut rig = self::rig();
        rig.raise(kind);
        let effects = rig.wait(SECOND);
        let over: &[AlertChange] = if ends == Watched { &[AlertChange::Cleared] } else { &[] };
        assert_eq!(told(&effects, kind), over, "{kind:?}");
        assert_eq!(rig.only(kind).stands(), ends != Watched, "{kind:?}");
        // Again shortly after, it is the same alert.
        if ends == Watched {
            assert_eq!(rig.raise(kind), [AlertChange::Reopened], "{kind:?}");
        }
    }
}

#[test]
fn everything_that_an_operator_must_hear_of_has_a_kind_that_says_so() {
    for (words, kind) in TRIGGERS {
        assert!(kind.words().contains(words), "{kind:?} says {:?}, not {words:?}", kind.words());
        assert!(kind.lasts(), "{kind:?} is cleared when it is over");
    }
}
