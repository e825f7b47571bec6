//! Between paper and live, as an operator would tell it.

use super::*;
use crate::core::command::Ask;
use crate::core::standing::{
    Cause, Change, Measured, Needs, Policy, RevertRules, STAGES_MAX, StageRule, Standing, State, Step, StepRefusal,
    TABLE,
};
use proptest::prelude::*;

const LIVE: VenueId = VenueId(1);
const LIVE_BTC: InstrumentId = InstrumentId(1);
const HOUR: Nanos = 3_600 * SECOND;

fn policy() -> Policy {
    let mut stage = [StageRule::default(); STAGES_MAX];
    for (n, percent) in [10, 50].into_iter().enumerate() {
        let part = Usd::dollars(100 * percent);
        let caps = Caps {
            stage: n as u8 + 1,
            order_notional_max: Usd(part.0 / 2),
            position_notional_max: part,
            exposure_gross_max: part,
            orders_per_day_max: 1_000,
            open_orders_max: 4,
        };
        stage[n] = StageRule { capital_ppm: percent as u32 * 10_000, caps, observed_ns: HOUR, trades: 5 };
    }
    Policy {
        approvals: 2,
        expires_after_ns: 24 * HOUR,
        automatic_capital: Usd::ZERO,
        capital: Usd::dollars(10_000),
        needs: Needs {
            success_ppm: 600_000,
            profit_factor_ppm: 1_500_000,
            sharpe_ppm: 1_000_000,
            trades: 50,
            drawdown_ppm: 100_000,
            observed_ns: 30 * 24 * HOUR,
        },
        revert: RevertRules {
            drawdown_ppm: 20_000,
            daily_loss_ppm: 50_000,
            loss_streak: 4,
            on_difference: true,
            one_stage: false,
            flatten: true,
        },
        stages: 2,
        stage,
    }
}

fn good() -> Measured {
    Measured {
        trades: 80,
        wins: 60,
        losses: 20,
        profit_factor_ppm: Some(2_000_000),
        sharpe_ppm: Some(1_500_000),
        returns: 31,
        drawdown_ppm: 40_000,
        observed_ns: 31 * 24 * HOUR,
        impossible: 0,
        configuration: 0,
    }
}

impl Rig {
    /// A paper venue and a live one with 10,000 dollars each, quoted; on paper.
    fn twins(policy: Policy) -> Rig {
        let mut rig = Rig::ready();
        rig.step(Body::Venue { venue: LIVE, name: Text::new("live") });
        rig.step(Body::LiveVenue { venue: LIVE, paper: VENUE });
        rig.step(Body::Policy(policy));
        rig.step(Body::Instrument(Instrument { id: LIVE_BTC, venue: LIVE, ..btcusdt() }));
        rig.step(Body::VenueState { venue: LIVE, state: VenueState::Syncing });
        rig.step(Body::Balance(Balance { venue: LIVE, asset: USDT, free: 10_000 * E8, locked: 0, ts_event_ns: 0 }));
        rig.step(Body::Balance(Balance { venue: LIVE, asset: BTC_ASSET, free: 0, locked: 0, ts_event_ns: 0 }));
        rig.step(Body::Reconciled { venue: LIVE });
        rig.step(Body::VenueState { venue: LIVE, state: VenueState::Ready });
        rig.both(60_000);
        rig
    }

    fn both(&mut self, px: i64) -> Vec<RecordedEffect> {
        self.quote(px);
        self.live_quote(px)
    }

    fn live_quote(&mut self, px: i64) -> Vec<RecordedEffect> {
        self.step(Body::Quote(Quote {
            instrument: LIVE_BTC,
            bid_px: Price(px * E8 - E8 / 100),
            bid_qty: Qty(E8),
            ask_px: Price(px * E8 + E8 / 100),
            ask_qty: Qty(E8),
            update_id: 1,
            ts_event_ns: 0,
        }))
    }

    fn take(&mut self, change: Change, who: &str, evidence: Measured) -> Result<Standing, StepRefusal> {
        let from = self.core.road().standing();
        let (request, cause, who, why) = (RequestId(5), Cause::None, Text::new(who), Text::new("test"));
        let effects = self.step(Body::Step(Step { request, from, change, cause, who, why, evidence }));
        match effects.first() {
            Some(EffectOf::Moved(moved)) => Ok(moved.to),
            Some(EffectOf::StepRefused { refusal, .. }) => Err(*refusal),
            other => panic!("a step is answered, not {other:?}"),
        }
    }

    fn go_live(&mut self) {
        self.take(Change::MilestonesMet, "engine", good()).unwrap();
        self.take(Change::Initiate, "ann", good()).unwrap();
        self.take(Change::Approval, "ann", good()).unwrap();
        self.take(Change::Approve, "bob", good()).unwrap();
        self.wait(SECOND);
        self.both(60_000);
    }

    fn live_place(&mut self, side: Side, qty: i64) -> Result<OrderId, DenyReason> {
        let order = PlaceOrder { instrument: LIVE_BTC, ..Rig::order(side, qty) };
        match self.command(Action::Place(order)).first() {
            Some(EffectOf::Place(order)) => Ok(order.order),
            Some(EffectOf::Denied { reason, .. }) => Err(*reason),
            other => panic!("a command to place is answered, not {other:?}"),
        }
    }

    fn live_report(&mut self, order: OrderId, report: ExecReport) -> Vec<RecordedEffect> {
        self.trades += 1;
        self.step(Body::Exec(ExecReport {
            order,
            instrument: LIVE_BTC,
            venue: LIVE,
            exec_id: ExecId::from_u64(self.trades),
            venue_order_id: VenueOrderId::from_u64(order.0 + 1),
            fee_asset: AssetId::NONE,
            ..report
        }))
    }

    fn live_fill(&mut self, order: OrderId, side: Side, qty: i64, px: i64) -> Vec<RecordedEffect> {
        let (exec, last_qty, last_px) = (ExecType::Trade, Qty(qty), Price(px * E8));
        self.live_report(order, ExecReport { exec, side, last_qty, last_px, ..ExecReport::default() })
    }

    fn state(&self) -> (State, u8) {
        let standing = self.core.road().standing();
        (standing.state, standing.stage)
    }

    /// Live orders of ours that would open or grow something if they filled, and that nobody has asked to end. One whose
    /// fate is unknown has been asked for; when it turns out to work, the next tick cancels it.
    fn opening(&self) -> usize {
        let net = self.core.portfolio().get(LIVE_BTC).unwrap().position.net.0;
        let open = |order: &&crate::core::orders::Order| {
            order.venue == LIVE
                && !matches!(order.status, OrdStatus::PendingCancel | OrdStatus::Unknown)
                && !order.status.is_closed()
                && match order.side {
                    Side::Sell => net <= 0 || order.leaves().0 > net,
                    Side::Buy => net >= 0 || order.leaves().0 > -net,
                }
        };
        self.core.orders().live().filter(open).count()
    }
}

fn causes(effects: &[RecordedEffect]) -> Vec<Cause> {
    effects.iter().filter_map(|e| if let EffectOf::Moved(moved) = e { Some(moved.cause) } else { None }).collect()
}

#[test]
fn on_paper_no_order_opens_at_the_live_venue_whoever_asks() {
    let mut rig = Rig::twins(policy());
    let denied = rig.live_place(Side::Buy, E8 / 1000).unwrap_err();
    assert_eq!(denied, DenyReason::NotLive { state: State::Paper });
    assert!(rig.place(Side::Buy, E8 / 1000).is_ok(), "paper trades on");
    rig.take(Change::MilestonesMet, "engine", good()).unwrap();
    rig.take(Change::Initiate, "ann", good()).unwrap();
    assert_eq!(
        rig.live_place(Side::Buy, E8 / 1000).unwrap_err(),
        DenyReason::NotLive { state: State::PendingApproval }
    );
}

#[test]
fn two_people_take_it_live_and_the_stages_caps_hold_there_alone() {
    let mut rig = Rig::twins(policy());
    assert_eq!(rig.take(Change::Initiate, "ann", good()), Err(StepRefusal::NoWay));
    let poor = Measured { trades: 49, wins: 40, losses: 9, ..good() };
    assert_eq!(rig.take(Change::MilestonesMet, "engine", poor), Err(StepRefusal::NotEnough));
    rig.take(Change::MilestonesMet, "engine", good()).unwrap();
    assert_eq!(rig.take(Change::Initiate, "", good()), Err(StepRefusal::Nobody));
    rig.take(Change::Initiate, "ann", good()).unwrap();
    assert_eq!(rig.take(Change::Approve, "ann", good()), Err(StepRefusal::NotApproved));
    rig.take(Change::Approval, "ann", good()).unwrap();
    assert_eq!(rig.take(Change::Approve, "ann", good()), Err(StepRefusal::SamePerson));
    assert_eq!(rig.take(Change::Approve, "bob", poor), Err(StepRefusal::NotEnough));
    assert_eq!(rig.take(Change::Approve, "bob", good()), Ok(Standing { state: State::Live, stage: 1, approvals: 0 }));
    rig.wait(SECOND);
    rig.both(60_000);
    // Stage 1: orders up to 500 dollars, positions up to 1,000.
    let milli = E8 / 1000;
    assert_eq!(rig.live_place(Side::Buy, 9 * milli).unwrap_err().code(), "STAGE_CAP_REACHED");
    for _ in 0..2 {
        rig.live_place(Side::Buy, 8 * milli).unwrap();
    }
    assert_eq!(rig.live_place(Side::Buy, 8 * milli).unwrap_err().code(), "STAGE_CAP_REACHED", "1,440 of position");
    assert!(rig.place(Side::Buy, 9 * milli).is_ok(), "paper is not held by the stage");
    // The next stage takes as many names, on evidence of this one.
    let stage = Measured { trades: 5, wins: 4, losses: 1, observed_ns: HOUR, ..good() };
    assert_eq!(rig.take(Change::Promote, "ann", stage), Err(StepRefusal::NotApproved));
    rig.take(Change::Approval, "ann", stage).unwrap();
    let young = Measured { observed_ns: HOUR - 1, ..stage };
    assert_eq!(rig.take(Change::Promote, "bob", young), Err(StepRefusal::NotEnough));
    assert_eq!(rig.take(Change::PromoteLast, "bob", stage), Err(StepRefusal::NoWay));
    assert_eq!(rig.take(Change::Promote, "bob", stage), Ok(Standing { state: State::Live, stage: 2, approvals: 0 }));
    rig.both(60_000);
    assert!(rig.live_place(Side::Buy, 9 * milli).is_ok());
}

#[test]
fn a_request_that_nobody_approves_in_time_cannot_be_approved_any_more() {
    let mut rig = Rig::twins(policy());
    rig.take(Change::MilestonesMet, "engine", good()).unwrap();
    rig.take(Change::Initiate, "ann", good()).unwrap();
    rig.wait(24 * HOUR);
    assert_eq!(rig.take(Change::Approval, "ann", good()), Err(StepRefusal::Expired));
    assert_eq!(rig.take(Change::Expire, "engine", good()).unwrap().state, State::Eligible);
}

#[test]
fn a_live_fall_takes_everything_back_at_once_and_flattens() {
    let mut rig = Rig::twins(policy());
    rig.go_live();
    let order = rig.live_place(Side::Buy, E8 / 125).unwrap();
    rig.live_fill(order, Side::Buy, E8 / 125, 60_000);
    let works = {
        let order = PlaceOrder {
            instrument: LIVE_BTC,
            kind: OrderType::Limit,
            px: Price(50_000 * E8),
            ..Rig::order(Side::Buy, E8 / 1000)
        };
        rig.command(Action::Place(order));
        rig.core.orders().live().next().unwrap().id
    };
    assert!(causes(&rig.both(58_000)).is_empty(), "16 dollars of 1,000 are below 2 %");
    let effects = rig.live_quote(57_400);
    // 0.008 BTC at 57,399.99.
    assert!(
        matches!(causes(&effects)[..], [Cause::Drawdown { fall, max }]
        if fall == Usd(2_080_008_000) && max == Usd::dollars(20)),
        "{:?}",
        causes(&effects)
    );
    assert_eq!(rig.state(), (State::Reverted, 0));
    assert!(effects.iter().any(|e| matches!(e, EffectOf::Cancel(c) if c.order == works)));
    assert_eq!(rig.opening(), 0);
    assert_eq!(rig.live_place(Side::Buy, E8 / 1000).unwrap_err().code(), "NOT_REDUCING", "it is being closed");
    // The cancel is confirmed; what is held goes at the market.
    let effects = rig.live_report(works, ExecReport { exec: ExecType::Canceled, ..ExecReport::default() });
    assert_eq!(sends(&effects), 0);
    let effects = rig.wait(SECOND / 100);
    let Some(EffectOf::Place(exit)) = effects.iter().find(|e| matches!(e, EffectOf::Place(_))) else {
        panic!("{effects:?}")
    };
    assert_eq!((exit.side, exit.qty, exit.venue), (Side::Sell, Qty(E8 / 125), LIVE));
}

#[test]
fn every_reason_to_go_back_goes_back() {
    type Induce = fn(&mut Rig) -> Vec<RecordedEffect>;
    let lose = |rig: &mut Rig| {
        let mut all = Vec::new();
        for _ in 0..4 {
            let order = rig.live_place(Side::Buy, E8 / 1000).unwrap();
            rig.live_fill(order, Side::Buy, E8 / 1000, 60_001);
            let order = rig.live_place(Side::Sell, E8 / 1000).unwrap();
            all.extend(rig.live_fill(order, Side::Sell, E8 / 1000, 60_000));
            all.extend(rig.wait(SECOND));
            rig.both(60_000);
        }
        all
    };
    let cases: [(&str, Induce); 5] = [
        ("4 losing live orders in a row, 4 is the limit", lose),
        ("the live account is not what the engine knows of it", |rig| {
            let foreign = ExecReport { exec: ExecType::New, ..ExecReport::default() };
            rig.live_report(OrderId::FOREIGN, foreign)
        }),
        ("emergency stop", |rig| rig.command(Action::EmergencyStop { flatten: true })),
        ("the live venue has other filters or fees than paper had", |rig| {
            rig.step(Body::Instrument(Instrument { id: LIVE_BTC, venue: LIVE, lot: Qty(2_000), ..btcusdt() }))
        }),
        ("this run's configuration does not allow live trading", |rig| {
            rig.step(Body::Start { epoch: 7, run: 2 });
            rig.wait(SECOND)
        }),
    ];
    for (told, induce) in cases {
        let mut rig = Rig::twins(policy());
        rig.go_live();
        let causes: Vec<String> = causes(&induce(&mut rig)).iter().map(Cause::to_string).collect();
        assert_eq!(causes, [told]);
        assert_eq!((rig.state(), rig.opening()), ((State::Reverted, 0), 0), "{told}");
    }
    let mut rig = Rig::twins(policy());
    rig.go_live();
    let effects = rig.command(Action::Transition(Ask::Revert));
    assert!(matches!(effects.first(), Some(EffectOf::Moved(moved)) if moved.who.as_str() == "test"), "{effects:?}");
    assert_eq!(rig.state(), (State::Reverted, 0));
    assert!(matches!(
        rig.command(Action::Transition(Ask::Revert))[..],
        [EffectOf::Reply { reply: Reply::NotFound, .. }]
    ));
}

#[test]
fn the_days_loss_goes_back_before_the_fall_does() {
    let mut policy = policy();
    policy.revert = RevertRules { drawdown_ppm: 900_000, daily_loss_ppm: 10_000, ..policy.revert };
    let mut rig = Rig::twins(policy);
    rig.go_live();
    let order = rig.live_place(Side::Buy, E8 / 125).unwrap();
    rig.live_fill(order, Side::Buy, E8 / 125, 60_000);
    assert!(causes(&rig.both(59_000)).is_empty(), "8 dollars of 1,000 are below 1 %");
    let causes = causes(&rig.both(58_600));
    assert!(matches!(causes[..], [Cause::DailyLoss { max, .. }] if max == Usd::dollars(10)), "{causes:?}");
    assert_eq!((rig.state(), rig.opening()), ((State::Reverted, 0), 0));
}

#[test]
fn a_loss_goes_one_stage_down_where_that_is_configured_and_a_difference_never() {
    let one_stage = |stage| {
        let mut policy = policy();
        policy.revert = RevertRules { one_stage: true, flatten: false, ..policy.revert };
        let mut rig = Rig::twins(policy);
        rig.go_live();
        if stage == 2 {
            let evidence = Measured { trades: 5, wins: 4, losses: 1, observed_ns: HOUR, ..good() };
            rig.take(Change::Approval, "ann", evidence).unwrap();
            rig.take(Change::Promote, "bob", evidence).unwrap();
            rig.both(60_000);
        }
        rig
    };
    for (stage, back) in [(2, (State::Live, 1)), (1, (State::Reverted, 0))] {
        let mut rig = one_stage(stage);
        let order = rig.live_place(Side::Buy, E8 / 125).unwrap();
        rig.live_fill(order, Side::Buy, E8 / 125, 60_000);
        rig.both(45_000);
        assert_eq!((rig.state(), rig.opening()), (back, 0));
        let held = rig.core.portfolio().get(LIVE_BTC).unwrap();
        assert!(!held.closing.active && held.position.net == Qty(E8 / 125), "kept, as configured");
        rig.wait(SECOND);
        assert_eq!(rig.state(), back, "one loss is one step back");
    }
    let mut rig = one_stage(2);
    rig.live_report(OrderId::FOREIGN, ExecReport { exec: ExecType::New, ..ExecReport::default() });
    assert_eq!(rig.state(), (State::Reverted, 0));
}

#[test]
fn a_restart_comes_back_to_what_the_journal_says_and_never_higher() {
    let mut rig = Rig::twins(policy());
    rig.go_live();
    rig.step(Body::Start { epoch: 7, run: 2 });
    assert_eq!(
        rig.live_place(Side::Buy, E8 / 1000).unwrap_err().code(),
        "NOT_LIVE",
        "nothing of this run allows it yet"
    );
    rig.step(Body::LiveVenue { venue: LIVE, paper: VENUE });
    rig.step(Body::Policy(policy()));
    assert_eq!(rig.state(), (State::Live, 1));
    assert_eq!(rig.core.caps().stage, 1);
    // A policy with fewer stages takes their capital away.
    let mut rig = Rig::twins(policy());
    rig.go_live();
    let evidence = Measured { trades: 5, wins: 4, losses: 1, observed_ns: HOUR, ..good() };
    rig.take(Change::Approval, "ann", evidence).unwrap();
    rig.take(Change::Promote, "bob", evidence).unwrap();
    rig.step(Body::Policy(Policy { stages: 1, ..policy() }));
    assert_eq!((rig.state(), rig.core.caps().stage), ((State::Live, 1), 1));
}

#[test]
fn live_and_paper_money_are_counted_apart() {
    let mut rig = Rig::twins(policy());
    let equity = |rig: &Rig| rig.core.portfolio().totals.equity.0 / E8;
    assert_eq!(equity(&rig), 69_999, "10,000 dollars and 1 BTC of paper");
    let order = rig.place(Side::Buy, E8 / 100).unwrap();
    rig.fill(order, Side::Buy, E8 / 100, 61_000);
    rig.both(60_000);
    let paper_pnl = rig.core.portfolio().totals.pnl();
    assert!(paper_pnl < Usd::ZERO);
    rig.go_live();
    assert_eq!((equity(&rig), rig.core.portfolio().totals.pnl()), (10_000, Usd::ZERO));
    assert_eq!(rig.core.portfolio().totals_of(false).pnl(), paper_pnl);
    let order = rig.live_place(Side::Buy, E8 / 1000).unwrap();
    rig.live_fill(order, Side::Buy, E8 / 1000, 60_000);
    rig.both(59_000);
    assert!(rig.core.portfolio().totals.pnl().0 < -99 * E8 / 100);
    rig.command(Action::Transition(Ask::Revert));
    assert_eq!(equity(&rig), 68_979, "paper again: 9,390 dollars and 1.01 BTC at 58,999.99");
}

#[test]
fn a_strategy_trades_live_by_its_twin_in_the_stages_size_and_is_shadowed_on_paper() {
    let mut rig = Rig::twins(policy());
    let kind = StrategyKind::EmaCross { fast: 2, slow: 4, sample_ns: 1, order_notional: Usd::dollars(1_200) };
    for (id, instrument) in [(1, BTC), (129, LIVE_BTC)] {
        rig.step(Body::Strategy(StrategyConfig { id: StrategyId(id), instrument, kind }));
    }
    for px in 0..8 {
        let effects = rig.live_quote(60_000 + px);
        assert!(effects.is_empty(), "on paper the twin rests: {effects:?}");
    }
    rig.go_live();
    let mut placed = Vec::new();
    for px in 1..9 {
        for effect in rig.quote(60_000 + px).into_iter().chain(rig.live_quote(60_000 + px)) {
            if let EffectOf::Place(order) = effect {
                placed.push((order.venue, order.strategy, order.side, order.qty));
            }
        }
    }
    // A tenth of 1,200 dollars, at the live venue and, as its shadow, on paper.
    let [(LIVE, StrategyId(129), Side::Buy, qty), (VENUE, StrategyId(1), Side::Buy, shadow)] = placed[..] else {
        panic!("{placed:?}")
    };
    assert_eq!(qty, shadow);
    assert!((119 * E8 / 100..=120 * E8 / 100).contains(&(qty.0 * 600)), "{qty:?}");
}

#[test]
fn an_order_that_turns_out_to_work_after_live_trading_has_ended_is_cancelled() {
    let mut rig = Rig::twins(policy());
    rig.go_live();
    let price = Price(59_000 * E8);
    let order =
        PlaceOrder { instrument: LIVE_BTC, kind: OrderType::Limit, px: price, ..Rig::order(Side::Buy, E8 / 1000) };
    rig.command(Action::Place(order));
    let id = rig.core.orders().live().next().unwrap().id;
    rig.step(Body::Start { epoch: 7, run: 2 });
    rig.step(Body::LiveVenue { venue: LIVE, paper: VENUE });
    rig.step(Body::Policy(policy()));
    rig.command(Action::Transition(Ask::Revert));
    assert_eq!(rig.status(id), OrdStatus::Unknown);
    rig.live_report(id, ExecReport { exec: ExecType::Working, order_qty: Qty(E8 / 1000), ..ExecReport::default() });
    assert_eq!(rig.status(id), OrdStatus::New);
    let effects = rig.wait(SECOND / 100);
    assert!(effects.iter().any(|e| matches!(e, EffectOf::Cancel(c) if c.order == id)), "{effects:?}");
}

/// What an operator, the market or a defective judge might do.
#[derive(Debug, Clone)]
enum Do {
    Step(Change, u8, bool),
    Place(Side, i64, bool),
    Fill,
    Quote(i64),
    Revert,
    Stop,
    Resume,
    Restart,
    Day,
}

fn what() -> impl Strategy<Value = Do> {
    let change = prop_oneof![
        4 => Just(Change::MilestonesMet),
        4 => Just(Change::Initiate),
        6 => Just(Change::Approval),
        6 => Just(Change::Approve),
        3 => Just(Change::Promote),
        1 => Just(Change::PromoteLast),
        1 => prop::sample::select(TABLE.map(|(_, change, _)| change).to_vec()),
    ];
    prop_oneof![
        16 => (change, 0u8..3, prop::bool::weighted(0.85)).prop_map(|(c, who, enough)| Do::Step(c, who, enough)),
        10 => (prop_oneof![Just(Side::Buy), Just(Side::Sell)], 1i64..40, any::<bool>())
            .prop_map(|(side, milli, limit)| Do::Place(side, milli, limit)),
        8 => Just(Do::Fill),
        8 => (58_500i64..61_500).prop_map(Do::Quote),
        1 => Just(Do::Revert),
        1 => Just(Do::Stop),
        1 => Just(Do::Resume),
        1 => Just(Do::Restart),
        1 => Just(Do::Day),
    ]
}

proptest! {
    /// Whatever happens in whatever order: live is reached with enough evidence and enough different names since the
    /// request alone; each live order that opens is within the caps of its stage; and where live trading has just
    /// ended no opening order is alive. The oracle counts names and money by itself.
    #[test]
    fn no_way_round_evidence_approval_and_caps(steps in prop::collection::vec(what(), 1..120)) {
        let mut policy = policy();
        policy.stage.iter_mut().for_each(|rule| rule.caps.orders_per_day_max = 6);
        let mut rig = Rig::twins(policy);
        rig.core.limits.loss_streak_max = u32::MAX;
        let (mut names, mut asked, mut was_live) = (std::collections::BTreeSet::new(), false, false);
        // Opening orders since the day began.
        let mut of_day = 0;
        let poor = Measured { drawdown_ppm: 100_001, ..good() };
        for step in steps {
            let before = rig.state();
            let effects = match &step {
                Do::Step(change, who, enough) => {
                    let evidence = if *enough { good() } else { poor };
                    let from = rig.core.road().standing();
                    let step = Step {
                        request: RequestId(1), from, change: *change, cause: Cause::None,
                        who: Text::new(&format!("p{who}")), why: Text::default(), evidence,
                    };
                    let effects = rig.step(Body::Step(step));
                    if matches!(effects.first(), Some(EffectOf::Moved(_))) {
                        match change {
                            Change::Initiate => { prop_assert!(enough); asked = true; names.clear(); }
                            // What was approved there was the way up from another stage.
                            Change::Demote => names.clear(),
                            Change::Approval | Change::Approve | Change::Promote | Change::PromoteLast => {
                                prop_assert!(enough, "{:?} with too little", change);
                                prop_assert!(names.insert(*who), "the same name twice");
                            }
                            _ => {}
                        }
                        if matches!(change, Change::Approve | Change::Promote | Change::PromoteLast) {
                            prop_assert!(asked && names.len() >= 2, "{:?} of {:?}", change, names);
                            names.clear();
                        }
                        if matches!(rig.state().0, State::Paper | State::Reverted | State::Eligible) { asked = false; }
                    }
                    effects
                }
                Do::Place(side, milli, limit) => {
                    let kind = if *limit { OrderType::Limit } else { OrderType::Market };
                    let px = if *limit { Price(rig.core.portfolio().get(LIVE_BTC).unwrap().quote.bid_px.0) } else { Price::ZERO };
                    let order = PlaceOrder { instrument: LIVE_BTC, kind, px, ..Rig::order(*side, milli * E8 / 1000) };
                    rig.command(Action::Place(order))
                }
                Do::Fill => {
                    let order = rig.core.orders().live().find(|o| o.venue == LIVE).copied();
                    match order {
                        Some(o) => {
                            let px = rig.core.portfolio().get(LIVE_BTC).unwrap().quote.bid_px.0 / E8;
                            rig.live_fill(o.id, o.side, o.leaves().0, px)
                        }
                        None => Vec::new(),
                    }
                }
                Do::Quote(px) => rig.both(*px),
                Do::Revert => rig.command(Action::Transition(Ask::Revert)),
                Do::Stop => rig.command(Action::EmergencyStop { flatten: true }),
                Do::Resume => {
                    rig.command(Action::SetTradingState { scope: Scope::Account, state: TradingState::Active })
                }
                Do::Restart => {
                    let run = rig.core.run() + 1;
                    rig.step(Body::Start { epoch: 7, run });
                    rig.step(Body::LiveVenue { venue: LIVE, paper: VENUE });
                    rig.step(Body::Policy(policy));
                    for venue in [VENUE, LIVE] {
                        rig.step(Body::VenueState { venue, state: VenueState::Syncing });
                        rig.step(Body::Reconciled { venue });
                        rig.step(Body::VenueState { venue, state: VenueState::Ready });
                    }
                    rig.both(60_000)
                }
                Do::Day => rig.wait(24 * HOUR),
            };
            if matches!(step, Do::Day) {
                of_day = 0;
            }
            let (state, stage) = rig.state();
            if matches!(step, Do::Restart) {
                prop_assert!(!state.is_live() || before.0.is_live() && stage <= before.1, "a restart went up");
            }
            for effect in &effects {
                let EffectOf::Place(order) = effect else { continue };
                if order.venue != LIVE { continue; }
                let inst = rig.core.portfolio().get(LIVE_BTC).unwrap();
                let exits = order.side == Side::Sell && order.qty.0 <= inst.position.net.0;
                let capital = [0, 1_000, 5_000][usize::from(before.1.max(stage)).min(2)];
                let dear = |qty: i64| qty as i128 * i128::from(inst.quote.ask_px.0) / i128::from(E8) / i128::from(E8);
                prop_assert!(exits || before.0.is_live(), "opened in {:?}", before);
                of_day += u32::from(!exits);
                let working = rig.core.orders().live().filter(|o| o.venue == LIVE).count();
                prop_assert!(exits || of_day <= 6 && working <= 4, "{} of the day, {} at once", of_day, working);
                prop_assert!(exits || dear(order.qty.0) <= capital / 2, "{} dollars in stage {}", dear(order.qty.0), stage);
                prop_assert!(exits || dear(inst.worst_qty(0, 0).unwrap().0) <= capital, "position in stage {}", stage);
            }
            if was_live && !state.is_live() {
                prop_assert_eq!(rig.opening(), 0, "after {:?}", step);
                asked = false;
            }
            was_live = state.is_live();
        }
    }
}
