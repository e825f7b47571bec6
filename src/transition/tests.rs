use super::*;
use crate::core::command::Ask;
use crate::core::standing::{Cause, Policy, STAGES_MAX, StageRule, StepRefusal};
use crate::domain::{Nanos, RequestId, Usd, VenueId};
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

/// The shipped stages: 10, 25, 50 and 100 %, a week and 20 trades each.
fn policy(approvals: u8) -> Policy {
    let mut stage = [StageRule::default(); STAGES_MAX];
    for (slot, percent) in stage.iter_mut().zip([10u32, 25, 50, 100]) {
        *slot =
            StageRule { capital_ppm: percent * 10_000, observed_ns: 7 * 24 * HOUR, trades: 20, ..StageRule::default() };
    }
    let needs = needs(&Criteria::default());
    let capital = Usd::dollars(10_000);
    Policy { approvals, expires_after_ns: 24 * HOUR, capital, needs, stages: 4, stage, ..Policy::default() }
}

const PERMIT_NS: Nanos = 60_000_000_000;

/// A judge's way beside the core's: every step that the one proposes is put to the other, and its answer followed.
struct Both {
    way: Transition,
    core: crate::core::standing::Road,
}

impl Both {
    fn new(policy: &Policy) -> Both {
        let mut both = Both { way: Transition::new(Criteria::default(), PERMIT_NS), core: Default::default() };
        for road in [both.way.road_mut(), &mut both.core] {
            road.set_live_venue(VENUE, VenueId(1));
            road.set_policy(policy);
        }
        both
    }

    fn put(&mut self, step: crate::core::standing::Step, now: Nanos) -> State {
        let to = self.core.take(&step, now).expect("the core takes what was judged on where it stands");
        let crate::core::standing::Step { request, from, change, cause, who, why, .. } = step;
        self.way.follow(&crate::core::standing::Moved { request, from, to, change, cause, who, why }, now);
        assert_eq!(self.way.road(), &self.core);
        to.state
    }

    fn evaluate(&mut self, now: Nanos, evidence: &Evidence) -> Option<State> {
        let (verdict, measured) = (self.way.judge(evidence), measured(evidence, Criteria::default().day_ns, 0));
        let step = self.way.evaluate(now, &verdict, &measured)?;
        Some(self.put(step, now))
    }

    fn ask(&mut self, now: Nanos, ask: Ask, who: &str, evidence: &Evidence) -> Result<State, Refusal> {
        let (verdict, measured) = (self.way.judge(evidence), measured(evidence, Criteria::default().day_ns, 0));
        let asked = Asked { request: RequestId(1), ask, who, why: "test" };
        let step = self.way.ask(now, &asked, &verdict, &measured)?;
        Ok(self.put(step, now))
    }

    fn back(&mut self, now: Nanos, cause: Cause) -> Option<State> {
        let step = self.way.take_back(now, cause, &Default::default())?;
        Some(self.put(step, now))
    }

    fn configure(&mut self, now: Nanos) -> Option<State> {
        let step = self.way.new_configuration(now, "another", &Default::default())?;
        Some(self.put(step, now))
    }
}

/// What a stage of a week came to.
fn week() -> Evidence {
    Evidence { trades: 20, wins: 15, losses: 5, days: 7.0, ..good() }
}

#[test]
fn the_way_to_live_and_back_as_an_operator_would_tell_it() {
    use Ask::{Approve, Initiate};
    let mut both = Both::new(&policy(2));
    let (yes, no) = (good(), Evidence::default());
    assert_eq!(both.evaluate(1, &no), None);
    let refused = both.ask(1, Initiate, "ann", &no).unwrap_err().to_string();
    assert!(refused.starts_with("not eligible: minSuccessRate: there is no value yet, 0.6 is needed; "), "{refused}");
    assert_eq!(both.evaluate(2, &yes), Some(State::Eligible));
    // No drawdown was a drawdown small enough from the first look on.
    assert_eq!(both.way.met_since(), &[Some(2), Some(2), Some(2), Some(2), Some(1), Some(2)]);
    assert!(matches!(both.ask(3, Initiate, "ann", &no), Err(Refusal::NotEligible(_))));
    assert_eq!(both.ask(3, Initiate, " ", &yes), Err(Refusal::Step(StepRefusal::Nobody)));
    assert_eq!(
        both.ask(3, Approve, "ann", &yes).unwrap_err().to_string(),
        "approve-transition is not possible in state eligible"
    );
    assert_eq!(both.ask(3, Initiate, "ann", &yes), Ok(State::PendingApproval));
    assert_eq!(both.ask(4, Approve, "ann", &yes), Ok(State::PendingApproval));
    assert_eq!(both.ask(5, Approve, "ann", &yes), Err(Refusal::Step(StepRefusal::SamePerson)));
    assert_eq!((both.way.permit(5, VENUE, "live"), both.way.permit_to_end(5, VENUE, "live")), (None, None));
    assert_eq!(both.ask(6, Approve, "bob", &yes), Ok(State::Live));
    let permit = both.way.permit(7, VENUE, "live").unwrap();
    assert_eq!((permit.stage(), permit.capital_ppm()), (1, 100_000));
    assert!(permit.holds(8, VENUE, "live") && !permit.holds(8, VENUE, "other") && !permit.holds(8, VenueId(1), "live"));
    assert!(!permit.holds(7 + PERMIT_NS, VENUE, "live"), "it has an end");
    assert_eq!(both.way.permit(7, VenueId(1), "live"), None, "the venue that plays paper is not live");
    for young in [Evidence { days: 6.9, ..week() }, Evidence { trades: 19, wins: 15, losses: 4, ..week() }] {
        assert!(matches!(both.ask(8, Approve, "bob", &young), Err(Refusal::NotEligible(_))));
    }
    for capital in [250_000, 500_000, 1_000_000] {
        assert_eq!(both.ask(8, Approve, "ann", &week()), Ok(State::Live));
        assert_eq!(both.ask(8, Approve, "bob", &week()), Ok(State::Live));
        assert_eq!(both.way.permit(8, VENUE, "live").unwrap().capital_ppm(), capital);
    }
    assert_eq!(both.ask(8, Approve, "ann", &week()), Ok(State::Live));
    assert_eq!(both.ask(8, Approve, "bob", &week()), Ok(State::Full));
    assert_eq!(both.back(9, Cause::Difference), Some(State::Reverted));
    assert_eq!((both.way.permit(9, VENUE, "live"), both.way.stage()), (None, 0));
    assert_eq!(both.way.permit_to_end(9, VENUE, "live").unwrap().stage(), 0, "what is left may be ended");
    assert!(both.ask(9, Approve, "bob", &yes).is_err() && both.back(9, Cause::Difference).is_none());
    assert_eq!(both.evaluate(9, &no), None, "reverted is told until the milestones are met anew");
    assert_eq!(both.evaluate(10, &yes), Some(State::Eligible));
}

#[test]
fn a_request_expires_is_lost_with_its_evidence_and_may_be_rejected() {
    let yes = good();
    let asked = || {
        let mut both = Both::new(&policy(1));
        both.evaluate(HOUR, &yes);
        both.ask(HOUR, Ask::Initiate, "ann", &yes).unwrap();
        both
    };
    let expired = Err(Refusal::Step(StepRefusal::Expired));
    assert_eq!(asked().ask(HOUR + 24 * HOUR, Ask::Approve, "bob", &yes), expired);
    assert_eq!(asked().ask(HOUR - 1, Ask::Approve, "bob", &yes), expired, "a clock that went back ends it");
    assert_eq!(asked().evaluate(26 * HOUR, &yes), Some(State::Eligible));
    let mut lost = asked();
    let fallen = Evidence { drawdown: 0.2, ..good() };
    assert!(lost.ask(HOUR + 1, Ask::Approve, "bob", &fallen).is_err());
    assert_eq!(lost.evaluate(HOUR + 1, &fallen), Some(State::Paper));
    assert_eq!(asked().ask(HOUR + 1, Ask::Reject, "bob", &yes), Ok(State::Paper));
    assert_eq!(asked().configure(HOUR + 1), Some(State::Paper));
}

#[test]
fn little_capital_may_go_live_by_itself_where_the_configuration_names_it() {
    let mut both = Both::new(&Policy { automatic_capital: Usd::dollars(2_500), ..policy(2) });
    let states = [1, 2].map(|now| both.evaluate(now, &good()));
    assert_eq!(states, [Some(State::Eligible), None], "somebody still has to want it");
    both.ask(3, Ask::Initiate, "ann", &good()).unwrap();
    assert_eq!(both.evaluate(4, &good()), Some(State::Live));
    assert_eq!((both.evaluate(5, &week()), both.way.stage()), (Some(State::Live), 2));
    assert_eq!((both.evaluate(6, &week()), both.way.stage()), (None, 2), "5,000 dollars need names");
}

#[test]
fn without_a_live_venue_or_a_policy_nothing_is_asked_for() {
    let mut way = Transition::new(Criteria::default(), PERMIT_NS);
    let asked = Asked { request: RequestId(1), ask: Ask::Initiate, who: "ann", why: "" };
    let (verdict, measured) = (way.judge(&good()), measured(&good(), Criteria::default().day_ns, 0));
    assert_eq!(way.ask(1, &asked, &verdict, &measured), Err(Refusal::NoLive));
    assert_eq!(way.evaluate(1, &verdict, &measured), None);
    assert_eq!((way.permit(1, VENUE, "live"), way.permit_to_end(1, VENUE, "live")), (None, None));
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
    Revert,
    Configure,
}

fn what() -> impl Strategy<Value = Do> {
    prop_oneof![
        6 => Just(Do::Evaluate),
        6 => (0u8..3).prop_map(Do::Initiate),
        8 => (0u8..3).prop_map(Do::Approve),
        1 => Just(Do::Reject),
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
        let policy = policy(needed);
        let mut both = Both::new(&policy);
        let (mut now, mut asked, mut people, mut live) = (0, None::<Nanos>, BTreeSet::new(), false);
        for (what, evidence, later) in steps {
            now += later;
            let enough = plainly_enough(&evidence);
            match what {
                Do::Evaluate => {
                    both.evaluate(now, &evidence);
                    if !enough && !live {
                        asked = None;
                    }
                }
                Do::Initiate(n) => {
                    if both.ask(now, Ask::Initiate, &format!("p{n}"), &evidence).is_ok() {
                        prop_assert!(enough);
                        (asked, people) = (Some(now), BTreeSet::new());
                    }
                }
                Do::Approve(n) => {
                    let stage = both.way.stage();
                    if both.ask(now, Ask::Approve, &format!("p{n}"), &evidence).is_ok() {
                        let plainly = if live { evidence.trades >= 20 && evidence.days >= 7.0 } else { enough };
                        prop_assert!(plainly, "approved with too little: {:?}", evidence);
                        prop_assert!(live || asked.is_some_and(|at| now - at < policy.expires_after_ns));
                        prop_assert!(people.insert(n), "the same person twice");
                        prop_assert!(both.way.stage() <= stage + 1);
                        if people.len() >= usize::from(needed) {
                            live = true;
                            people = BTreeSet::new();
                        }
                    }
                }
                Do::Reject => { if both.ask(now, Ask::Reject, "p0", &evidence).is_ok() { asked = None; } }
                Do::Revert => if both.back(now, Cause::Difference).is_some() { (live, asked) = (false, None); },
                Do::Configure => if both.configure(now).is_some() { (live, asked) = (false, None); },
            }
            let state = both.way.state();
            prop_assert_eq!(both.way.permit(now, VENUE, "live").is_some(), live, "{:?} in {}", what, state);
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

/// Every record of a journal, and what of it the metrics cost; more with TOLLGATE_FILLS, to measure.
#[test]
fn each_fill_is_in_the_metrics_once() {
    use crate::analytics::testing::Market;
    use crate::core::effect::RecordedEffect;
    use crate::core::event::Event;
    let fills: u64 = std::env::var("TOLLGATE_FILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(500);
    let mut records: Vec<(Event, Vec<RecordedEffect>)> = Vec::new();
    let mut sink = |event: &Event, out: &crate::core::effect::Outbox| {
        records.push((*event, out.effects().iter().map(|effect| effect.recorded()).collect()));
    };
    let mut market = Market::open(1_000_000_000, &mut sink);
    market.run(fills, &mut sink);
    let mut judge = Judge::new(Criteria::default(), Apart::default(), PERMIT_NS, 0);
    let started = std::time::Instant::now();
    for (event, effects) in &records {
        judge.apply(event, effects.iter().copied());
    }
    let per_fill = started.elapsed().as_nanos() / u128::from(fills.max(1));
    println!("{fills} fills in {} records: {per_fill} ns a fill, with the records around it", records.len());
    let found = judge.performance(crate::domain::Mode::Paper);
    let trades = found.whole.trades();
    assert!(trades.trades > 10);
    let split = |parts: Vec<u64>| assert_eq!(parts.into_iter().sum::<u64>(), trades.trades);
    split(found.by_instrument.values().map(|stats| stats.trades).collect());
    split(found.by_venue.values().map(|stats| stats.trades).collect());
    split(found.by_strategy.values().map(|stats| stats.trades).collect());
    split(found.by_hour.values().map(|stats| stats.trades).collect());
    let (first, last) = found.samples.unwrap();
    assert!(last.turnover > first.turnover && last.exposed_ns > first.exposed_ns);
}
