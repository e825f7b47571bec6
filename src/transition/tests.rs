use super::*;
use crate::domain::{Nanos, VenueId};
use proptest::prelude::*;
use std::collections::BTreeSet;

const HOUR: Nanos = 3_600_000_000_000;
const VENUE: VenueId = VenueId(0);

fn good() -> Evidence {
    Evidence {
        trades: 80,
        wins: 60,
        losses: 20,
        profit_factor: Some(2.0),
        sharpe: Some(2.5),
        returns: 31,
        drawdown: 0.04,
        days: 31.0,
        fills_without_order: 0,
        time_went_back: 0,
    }
}

fn verdict(evidence: &Evidence) -> Verdict {
    judge(&Criteria::default(), evidence)
}

#[test]
fn each_milestone_alone_can_refuse_and_names_itself() {
    assert!(verdict(&good()).is_eligible() && verdict(&good()).reasons().is_empty());
    let g = good();
    for (name, evidence) in [
        ("minSuccessRate", Evidence { wins: 47, losses: 33, ..g }),
        ("minProfitFactor", Evidence { profit_factor: Some(1.49), ..g }),
        ("minProfitFactor", Evidence { profit_factor: None, ..g }),
        ("minSharpeRatio", Evidence { sharpe: Some(0.99), ..g }),
        ("minSharpeRatio", Evidence { sharpe: None, ..g }),
        ("minSharpeRatio", Evidence { sharpe: Some(f64::NAN), ..g }),
        ("minTradeCount", Evidence { trades: 49, wins: 40, losses: 9, ..g }),
        ("maxDrawdown", Evidence { drawdown: 0.101, ..g }),
        ("evaluationPeriodDays", Evidence { days: 29.9, ..g }),
    ] {
        let verdict = verdict(&evidence);
        let reasons = verdict.reasons();
        assert!(!verdict.is_eligible() && reasons.len() == 1 && reasons[0].starts_with(name), "{name}: {reasons:?}");
    }
    let endless = Evidence { profit_factor: Some(f64::INFINITY), wins: 80, losses: 0, ..g };
    assert!(verdict(&endless).is_eligible(), "no loss at all is no fault");
}

#[test]
fn impossible_evidence_is_not_eligible_with_its_reason() {
    for (evidence, reason) in [
        (Evidence { fills_without_order: 1, ..good() }, "fills of orders that were never placed"),
        (Evidence { time_went_back: 2, ..good() }, "time went back 2 times"),
        (Evidence { trades: 60, ..good() }, "80 trades were won or lost, and only 60"),
        (Evidence { drawdown: f64::NAN, ..good() }, "no number"),
        (Evidence { days: f64::INFINITY, ..good() }, "no number"),
    ] {
        let verdict = verdict(&evidence);
        assert!(!verdict.is_eligible() && verdict.reasons()[0].contains(reason), "{:?}", verdict.reasons());
    }
}

#[test]
fn intervals_are_the_published_ones_and_may_be_demanded() {
    // Wilson's interval of 10 of 20 and of 0 of 10, as any table has them.
    let (low, high) = wilson(10, 20).unwrap();
    assert!((low - 0.299_298).abs() < 1e-6 && (high - 0.700_702).abs() < 1e-6, "{low} {high}");
    let (low, high) = wilson(0, 10).unwrap();
    assert!(low == 0.0 && (high - 0.277_533).abs() < 1e-6, "{low} {high}");
    assert_eq!((wilson(0, 0), wilson(2, 1), sharpe_interval(1.0, 1)), (None, None, None));
    // A year of nothing: ± 1.96 standard errors of 1/√365, times √365.
    let (low, high) = sharpe_interval(0.0, 365).unwrap();
    assert!((low + 1.959_964).abs() < 1e-5 && (high - 1.959_964).abs() < 1e-5);
    let strict = Criteria { lower_bound: true, ..Criteria::default() };
    let reasons = judge(&strict, &good()).reasons();
    assert!(reasons.iter().any(|r| r.starts_with("minSharpeRatio: the lower bound of ")), "{reasons:?}");
    let long = Evidence { trades: 4_000, wins: 3_000, losses: 1_000, returns: 2_000, sharpe: Some(3.0), ..good() };
    assert!(judge(&strict, &long).is_eligible(), "{:?}", judge(&strict, &long).reasons());
}

#[test]
fn the_way_to_live_and_back_as_an_operator_would_tell_it() {
    let mut way = Transition::new(Policy { approvals: 2, ..Policy::default() });
    let (yes, no) = (verdict(&good()), verdict(&Evidence::default()));
    assert_eq!(way.evaluate(1, &no), None);
    assert_eq!(way.initiate(1, "ann", &yes).unwrap_err().to_string(), "Initiate is not possible in state paper");
    assert_eq!(way.evaluate(2, &yes), Some(State::Eligible));
    // No drawdown was a drawdown small enough from the first look on.
    assert_eq!(way.met_since(), &[Some(2), Some(2), Some(2), Some(2), Some(1), Some(2)]);
    assert!(matches!(way.initiate(3, "ann", &no), Err(Refusal::NotEligible(_))));
    assert_eq!(way.initiate(3, " ", &yes), Err(Refusal::Nobody));
    assert_eq!(way.initiate(3, "ann", &yes), Ok(State::PendingApproval));
    assert_eq!(way.approve(4, "ann", &yes), Ok(State::PendingApproval));
    assert_eq!(way.approve(5, "ann", &yes), Err(Refusal::SamePerson("ann".into())));
    assert_eq!(way.permit(5, VENUE, "live"), None);
    assert_eq!(way.approve(6, "bob", &yes), Ok(State::Live));
    let permit = way.permit(7, VENUE, "live").unwrap();
    assert_eq!((permit.stage(), permit.capital_ppm()), (1, 100_000));
    assert!(permit.holds(8, VENUE, "live") && !permit.holds(8, VENUE, "other") && !permit.holds(8, VenueId(1), "live"));
    assert!(!permit.holds(7 + Policy::default().permit_ns, VENUE, "live"), "it has an end");
    assert!(matches!(way.promote("bob", 6.9, 20, &yes), Err(Refusal::StageTooYoung { stage: 1, .. })));
    assert!(matches!(way.promote("bob", 7.0, 19, &yes), Err(Refusal::StageTooYoung { .. })));
    for capital in [250_000, 500_000, 1_000_000] {
        assert_eq!(way.promote("bob", 7.0, 20, &yes), Ok(State::Live));
        assert_eq!(way.permit(8, VENUE, "live").unwrap().capital_ppm(), capital);
    }
    assert_eq!(way.promote("bob", 7.0, 20, &yes), Ok(State::Full));
    assert_eq!(way.revert(), Ok(State::Reverted));
    assert_eq!((way.permit(9, VENUE, "live"), way.stage()), (None, 0));
    assert!(way.approve(9, "bob", &yes).is_err() && way.revert().is_err());
}

#[test]
fn a_request_expires_is_lost_with_its_evidence_and_may_be_rejected() {
    let yes = verdict(&good());
    let asked = || {
        let mut way = Transition::new(Policy::default());
        way.evaluate(HOUR, &yes);
        way.initiate(HOUR, "ann", &yes).unwrap();
        way
    };
    let mut late = asked();
    assert_eq!(late.approve(HOUR + 24 * HOUR, "bob", &yes), Err(Refusal::Expired));
    assert_eq!(late.state(), State::Eligible);
    let mut back = asked();
    assert_eq!(back.approve(HOUR - 1, "bob", &yes), Err(Refusal::Expired), "a clock that went back ends it");
    assert_eq!(asked().evaluate(26 * HOUR, &yes), Some(State::Eligible));
    let mut lost = asked();
    assert!(lost.approve(HOUR + 1, "bob", &verdict(&Evidence { drawdown: 0.2, ..good() })).is_err());
    assert_eq!(lost.state(), State::Paper);
    assert_eq!(asked().reject("bob"), Ok(State::Paper));
    assert_eq!(asked().new_configuration(), Ok(State::Paper));
}

#[test]
fn live_is_entered_by_approval_alone() {
    for (from, on, to) in TABLE {
        let live = |state| matches!(state, State::Live | State::Full);
        if live(to) && !live(from) {
            assert_eq!((from, on), (State::PendingApproval, Change::Approve));
        }
    }
    let mut ways: Vec<String> = TABLE.iter().map(|(from, on, _)| format!("{from} {on:?}")).collect();
    ways.sort();
    ways.dedup();
    assert_eq!(ways.len(), TABLE.len(), "no way leads to two places");
}

/// The milestones in the plainest words, knowing nothing of the code.
fn plainly_enough(e: &Evidence) -> bool {
    e.trades >= 50
        && e.wins * 10 >= (e.wins + e.losses) * 6
        && e.wins + e.losses > 0
        && e.profit_factor.unwrap_or(0.0) >= 1.5
        && e.sharpe.unwrap_or(0.0) >= 1.0
        && e.drawdown <= 0.1
        && e.days >= 30.0
        && e.fills_without_order == 0
        && e.time_went_back == 0
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let nearly = |low: f64, high: f64| low..high;
    let measured = (40u64..70, 0u64..100, nearly(1.3, 2.0), nearly(0.8, 2.0), nearly(0.05, 0.12), nearly(28.0, 40.0));
    let made = (measured, 0u64..20).prop_map(|((trades, share, factor, sharpe, drawdown, days), odd)| {
        let wins = trades * (50 + share / 2) / 100;
        Evidence {
            trades,
            wins,
            losses: trades - wins,
            profit_factor: Some(factor),
            sharpe: Some(sharpe),
            returns: 31,
            drawdown,
            days,
            fills_without_order: u64::from(odd == 0),
            time_went_back: u64::from(odd == 1),
        }
    });
    prop_oneof![2 => Just(good()), 3 => made]
}

#[derive(Debug, Clone)]
enum Do {
    Evaluate,
    Initiate(u8),
    Approve(u8),
    Reject,
    Promote(u8),
    Revert,
    Configure,
}

fn what() -> impl Strategy<Value = Do> {
    prop_oneof![
        6 => Just(Do::Evaluate),
        6 => (0u8..3).prop_map(Do::Initiate),
        8 => (0u8..3).prop_map(Do::Approve),
        1 => Just(Do::Reject),
        3 => (0u8..3).prop_map(Do::Promote),
        1 => Just(Do::Revert),
        1 => Just(Do::Configure),
    ]
}

proptest! {
    /// Whatever is asked, in whatever order, with whatever evidence: a permit stands on a request and on approvals of
    /// enough different people, all with evidence that is plainly enough, in time, and with nothing against it since.
    #[test]
    fn no_permit_without_evidence_and_approval(
        needed in 1u8..3, steps in prop::collection::vec((what(), evidence(), 1i64..15 * HOUR), 1..60),
    ) {
        let policy = Policy { approvals: needed, ..Policy::default() };
        let mut way = Transition::new(policy.clone());
        let (mut now, mut asked, mut people, mut live) = (0, None::<Nanos>, BTreeSet::new(), false);
        for (what, evidence, later) in steps {
            now += later;
            let verdict = verdict(&evidence);
            let enough = plainly_enough(&evidence);
            match what {
                Do::Evaluate => {
                    way.evaluate(now, &verdict);
                    if !enough && !live {
                        asked = None;
                    }
                }
                Do::Initiate(n) => {
                    if way.initiate(now, &format!("p{n}"), &verdict).is_ok() {
                        prop_assert!(enough);
                        (asked, people) = (Some(now), BTreeSet::new());
                    }
                }
                Do::Approve(n) => {
                    if way.approve(now, &format!("p{n}"), &verdict).is_ok() {
                        prop_assert!(enough, "approved with too little: {:?}", evidence);
                        prop_assert!(asked.is_some_and(|at| now - at < policy.expires_after_ns));
                        prop_assert!(people.insert(n), "the same person twice");
                        live = people.len() >= usize::from(needed);
                    }
                }
                Do::Reject => { if way.reject("p0").is_ok() { asked = None; } }
                Do::Promote(n) => {
                    let before = way.stage();
                    if way.promote("p0", f64::from(n) * 7.0, 30, &verdict).is_ok() {
                        prop_assert!(enough && live && n > 0 && way.stage() <= before + 1);
                    }
                }
                Do::Revert => if way.revert().is_ok() { (live, asked) = (false, None); },
                Do::Configure => if way.new_configuration().is_ok() { (live, asked) = (false, None); },
            }
            prop_assert_eq!(way.permit(now, VENUE, "live").is_some(), live, "{:?} in {}", what, way.state());
        }
    }

    /// Running time with steps of the clock in it is never more than what really passed, but for what a step can hide
    /// in one look.
    #[test]
    fn a_clock_step_cannot_shorten_a_period(
        looks in prop::collection::vec((1i64..STEP_MAX_NS, prop::option::weighted(0.1, -90 * 24 * HOUR..90 * 24 * HOUR)), 1..200),
    ) {
        let (mut observed, mut wall, mut passed, mut steps) = (Observed::default(), 1_800_000_000_000_000_000i64, 0, 0);
        observed.see(wall);
        for (later, step) in looks {
            passed += later;
            wall += later + step.unwrap_or(0);
            steps += i64::from(step.is_some());
            observed.see(wall);
        }
        prop_assert!(observed.total_ns() <= passed + steps * STEP_MAX_NS);
        prop_assert!(steps > 0 || observed.total_ns() == passed);
    }
}
