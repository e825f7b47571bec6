//! A year of trading in virtual time, core and judge together: 365 days of evidence, each of 864 seconds, on a market
//! that a moving average can win on, with a fall in the middle.

use super::*;
use crate::core::Core;
use crate::core::command::{Action, Ask, Command};
use crate::core::config::{Limits, StrategyConfig, StrategyKind};
use crate::core::effect::{EffectOf, Fill, Outbox, RecordedEffect};
use crate::core::event::{Body, Event};
use crate::core::risk::Caps;
use crate::core::standing::{Cause, Policy, RevertRules, STAGES_MAX, StageRule};
use crate::domain::*;

const E8: i64 = 100_000_000;
const SECOND: Nanos = 1_000_000_000;
const DAY: Nanos = 864 * SECOND;
const PAPER: VenueId = VenueId(0);
const LIVE: VenueId = VenueId(1);

fn criteria() -> Criteria {
    Criteria { day_ns: DAY, ..Criteria::default() }
}

fn policy() -> Policy {
    let mut stage = [StageRule::default(); STAGES_MAX];
    for (n, (slot, percent)) in stage.iter_mut().zip([10i64, 25, 50, 100]).enumerate() {
        let part = Usd::dollars(100 * percent);
        let caps = Caps { stage: n as u8 + 1, position_notional_max: part, exposure_gross_max: part, ..Caps::NONE };
        let caps = Caps { order_notional_max: Usd(part.0 / 2), ..caps };
        *slot = StageRule { capital_ppm: percent as u32 * 10_000, caps, observed_ns: 7 * DAY, trades: 20 };
    }
    Policy {
        approvals: 2,
        expires_after_ns: DAY,
        capital: Usd::dollars(10_000),
        needs: needs(&criteria()),
        revert: RevertRules {
            drawdown_ppm: 20_000,
            daily_loss_ppm: 50_000,
            loss_streak: 100,
            on_difference: true,
            one_stage: false,
            flatten: true,
        },
        stages: 4,
        stage,
        ..Policy::default()
    }
}

fn instrument(id: u16, venue: VenueId) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        venue,
        symbol: Text::new("BTCUSDT"),
        base: AssetId(1),
        quote: AssetId(0),
        status: InstrumentStatus::Trading,
        px_scale: 8,
        qty_scale: 8,
        quote_is_usd: true,
        tick: Price(E8 / 100),
        lot: Qty(1_000),
        ..Instrument::default()
    }
}

struct World {
    core: Core,
    out: Outbox,
    judge: Judge,
    now: Nanos,
    execs: u64,
    quotes: [Quote; 2],
    /// How much worse than the touch live orders are filled, parts per million of the price.
    live_worse_ppm: i64,
}

impl World {
    fn open() -> World {
        let judge = Judge::new(criteria(), Apart::default(), SECOND, 0);
        let now = 1_700_000_000 * SECOND;
        let mut world = World {
            core: Core::new(),
            out: Outbox::new(),
            judge,
            now,
            execs: 0,
            quotes: [Quote::default(); 2],
            live_worse_ppm: 0,
        };
        world.begin(1, 2);
        world
    }

    /// What a run says of itself at its start; `fast` is a parameter of its strategy.
    fn begin(&mut self, run: u32, fast: u32) {
        let kind = StrategyKind::EmaCross { fast, slow: 5, sample_ns: 1, order_notional: Usd::dollars(4_000) };
        for body in [
            Body::Start { epoch: 1, run },
            Body::Limits(Limits { quote_age_max_ns: 10 * SECOND, ..Limits::LOOSEST }),
            Body::Venue { venue: PAPER, name: Text::new("paper") },
            Body::Venue { venue: LIVE, name: Text::new("live") },
            Body::LiveVenue { venue: LIVE, paper: PAPER },
            Body::Policy(policy()),
        ] {
            self.step(body);
        }
        for (n, id) in [1, 129].into_iter().enumerate() {
            let (id, instrument) = (StrategyId(id), InstrumentId(n as u16));
            self.step(Body::Strategy(StrategyConfig { id, instrument, kind }));
        }
        for (n, venue) in [PAPER, LIVE].into_iter().enumerate() {
            self.step(Body::Instrument(instrument(n as u16, venue)));
            self.step(Body::VenueState { venue, state: VenueState::Syncing });
            let balance = Balance { venue, asset: AssetId(0), free: 10_000 * E8, locked: 0, ts_event_ns: 0 };
            self.step(Body::Balance(balance));
            self.step(Body::Reconciled { venue });
            self.step(Body::VenueState { venue, state: VenueState::Ready });
        }
    }

    /// One event through core and judge; the venue fills what is sent at the touch, at once.
    fn step(&mut self, body: Body) {
        let event = Event { seq: self.core.seq() + 1, ts_ns: self.now, recv_ns: 0, decoded_ns: 0, body };
        self.out.clear();
        let stage = self.core.road().standing();
        self.core.on_event(&event, &mut self.out);
        let effects: Vec<RecordedEffect> = self.out.effects().iter().map(|effect| effect.recorded()).collect();
        self.judge.apply(&event, effects.iter().copied());
        for effect in effects {
            let EffectOf::Place(order) = effect else { continue };
            let quote = self.quotes[order.instrument.index()];
            let touch = if order.side == Side::Buy { quote.ask_px } else { quote.bid_px };
            let worse = if order.venue == LIVE { touch.0 / 1_000_000 * self.live_worse_ppm } else { 0 };
            let last_px = Price(touch.0 + if order.side == Side::Buy { worse } else { -worse });
            if order.venue == LIVE && order.side == Side::Buy {
                let cap = policy().rule(stage.stage).caps.order_notional_max;
                let value = i128::from(touch.0) * i128::from(order.qty.0) / i128::from(E8);
                assert!(stage.state.is_live() && value <= i128::from(cap.0), "{value} in {stage:?}");
            }
            self.execs += 1;
            self.step(Body::Exec(ExecReport {
                order: order.order,
                instrument: order.instrument,
                venue: order.venue,
                exec: ExecType::Trade,
                side: order.side,
                order_qty: order.qty,
                last_qty: order.qty,
                last_px,
                exec_id: ExecId::from_u64(self.execs),
                venue_order_id: VenueOrderId::from_u64(order.order.0),
                fee_asset: AssetId::NONE,
                ..ExecReport::default()
            }));
        }
    }

    fn ask(&mut self, who: &str, ask: Ask) {
        let (request, who, from, why) = (RequestId(1), Text::new(who), Text::default(), Text::new("year"));
        self.step(Body::Command(Command { request, who, from, why, action: Action::Transition(ask) }));
        self.judged();
    }

    fn judged(&mut self) {
        while let Some(step) = self.judge.turn() {
            self.step(Body::Step(step));
        }
    }

    /// A day of the market's triangles around a price in cents.
    fn day(&mut self, cents: i64) {
        for tick in 0..432 {
            self.pass(cents + triangle(tick) * cents / 10_000);
        }
    }

    /// Two seconds at a price in cents.
    fn pass(&mut self, cents: i64) {
        self.now += 2 * SECOND;
        for n in 0..2u16 {
            let (bid_px, ask_px) = (Price(cents * E8 / 100), Price((cents + 1) * E8 / 100));
            let quote = Quote {
                instrument: InstrumentId(n),
                bid_px,
                ask_px,
                bid_qty: Qty(E8),
                ask_qty: Qty(E8),
                ..Quote::default()
            };
            self.quotes[usize::from(n)] = quote;
            self.step(Body::Quote(quote));
        }
        self.step(Body::Tick);
        self.judged();
    }
}

/// A triangle of a fifth of a percent, eighty seconds long, in hundredths of a percent.
fn triangle(tick: i64) -> i64 {
    let phase = tick % 40;
    if phase < 20 { phase } else { 40 - phase }
}

#[test]
fn a_year_goes_live_by_stages_back_after_a_fall_and_live_again() {
    let mut world = World::open();
    let (mut told, mut base) = (Vec::new(), 6_000_000i64);
    for tick in 0..365 * 432i64 {
        let day = tick / 432;
        if tick == 200 * 432 + 10 {
            base = base * 85 / 100;
        }
        world.pass(base + triangle(tick) * base / 10_000);
        let before = told.last().map(|(_, state, stage)| (*state, *stage));
        let now = (world.judge.state(), world.judge.way().stage());
        if before != Some(now) {
            told.push((day, now.0, now.1));
        }
        match now.0 {
            State::Eligible => {
                world.ask("ann", Ask::Initiate);
                world.ask("ann", Ask::Approve);
                world.ask("ann", Ask::Approve);
                world.ask("bob", Ask::Approve);
            }
            State::Live if tick % 432 == 0 => {
                world.ask("ann", Ask::Approve);
                world.ask("bob", Ask::Approve);
            }
            _ => {}
        }
    }
    let states: Vec<String> = told.iter().map(|(_, state, stage)| format!("{state} {stage}")).collect();
    let way = ["paper 0", "eligible 0", "live 1", "live 2", "live 3", "live 4", "full 4", "reverted 0"];
    assert_eq!(states[..8], way, "{told:?}");
    assert_eq!(states[8..10], ["eligible 0", "live 1"], "{told:?}");
    let day = |n: usize| told[n].0;
    assert!((30..=31).contains(&day(1)) && day(7) == 200, "{told:?}");
    assert!(day(8) >= 230, "the evidence began anew with the fall: {told:?}");
    for n in 3..=6 {
        assert!(day(n) - day(n - 1) >= 7, "a week in each stage: {told:?}");
    }
    let (paper, live) = (world.judge.performance(Mode::Paper), world.judge.performance(Mode::Live));
    assert!(paper.whole.trades().trades > live.whole.trades().trades && live.whole.trades().trades > 1_000);
    let moved = world.judge.history().filter(|row| row.moved.change == Change::Revert).count();
    assert_eq!(moved, 1);
    assert_eq!(world.judge.verdict().reasons().iter().filter(|reason| reason.contains("never placed")).count(), 0);
}

/// Live in stage 1, after a month on paper.
fn live() -> World {
    let mut world = World::open();
    while world.judge.state() != State::Eligible {
        world.day(6_000_000);
    }
    world.ask("ann", Ask::Initiate);
    world.ask("ann", Ask::Approve);
    world.ask("bob", Ask::Approve);
    assert_eq!((world.judge.state(), world.judge.way().stage()), (State::Live, 1));
    world
}

#[test]
fn live_fills_that_are_worse_than_their_shadows_take_it_back_and_equal_ones_do_not() {
    for (worse_ppm, told) in [
        (0, None),
        // Less than half a tenth of a percent is no matter of slippage; that it costs money is seen in the results.
        (400, Some("live trades came to less than their shadows on paper")),
        (1_000, Some("slippage")),
    ] {
        let mut world = live();
        world.live_worse_ppm = worse_ppm;
        for _ in 0..20 {
            world.day(6_000_000);
            if !world.judge.state().is_live() {
                break;
            }
        }
        let revert = world.judge.history().rev().find(|row| row.moved.change == Change::Revert).map(|row| row.moved);
        let Some(told) = told else {
            let comparison = world.judge.comparison();
            assert!(comparison.live.n >= 20 && comparison.paper.n >= 20, "{comparison:?}");
            assert_eq!((revert, world.judge.state()), (None, State::Live));
            continue;
        };
        let cause = revert.unwrap_or_else(|| panic!("{worse_ppm}: {:?}", world.judge.comparison())).cause;
        let is_it = match cause {
            Cause::BelowPaper { mean, bound } => worse_ppm == 400 && mean < bound && bound < Usd::ZERO,
            Cause::Slippage { live_ppm, paper_ppm } => worse_ppm == 1_000 && live_ppm > 900 && paper_ppm < 100,
            _ => false,
        };
        assert!(is_it, "{worse_ppm}: {cause}, where {told} is meant");
        // Nothing of it is left: no order, and what was held is sold.
        world.pass(6_000_000);
        assert_eq!(world.core.orders().live().filter(|order| order.venue == LIVE).count(), 0);
        assert!(world.core.portfolio().get(InstrumentId(1)).is_some_and(|inst| inst.position.net.is_zero()));
    }
}

#[test]
fn another_configuration_begins_the_evidence_anew_and_says_so() {
    let mut world = World::open();
    (0..20).for_each(|_| world.day(6_000_000));
    world.begin(2, 2);
    world.day(6_000_000);
    let (period, ..) = world.judge.paper();
    assert!(period.observed_ns() > 20 * DAY, "a restart with the same goes on: {}", period.observed_ns() / DAY);
    world.begin(3, 3);
    (0..15).for_each(|_| world.day(6_000_000));
    let (period, what, why) = world.judge.paper();
    assert_eq!((what, why), ("another configuration", "strategy 1 has other parameters"));
    assert!(period.observed_ns() <= 15 * DAY);
    assert_eq!(world.judge.state(), State::Paper, "36 days, of which 15 count");
    assert!(world.judge.verdict().reasons().iter().any(|reason| reason.starts_with("evaluationPeriodDays")));
}

#[test]
fn what_cannot_be_is_not_eligible_with_its_reason_and_a_clocks_step_is_no_day() {
    let after = |spoil: fn(&mut World)| {
        let mut world = World::open();
        (0..15).for_each(|_| world.day(6_000_000));
        spoil(&mut world);
        (0..17).for_each(|_| world.day(6_000_000));
        (world.judge.state(), world.judge.verdict().reasons().join("; "))
    };
    assert_eq!(after(|_| {}).0, State::Eligible);
    let (state, reasons) = after(|world| {
        let fill = Fill { order: OrderId(77_777), side: Side::Buy, qty: Qty(E8), px: Price(E8), ..Fill::default() };
        let event = Event { seq: world.core.seq(), ts_ns: world.now, recv_ns: 0, decoded_ns: 0, body: Body::Tick };
        world.judge.apply(&event, std::iter::once(EffectOf::Fill(fill)));
    });
    assert!(state == State::Paper && reasons.contains("fills of orders that were never placed"), "{reasons}");
    let (state, reasons) = after(|world| world.now -= 3 * DAY);
    assert!(state == State::Paper && reasons.contains("time went back"), "{reasons}");
    // Forty days ahead at one step: nobody saw them pass.
    let mut world = World::open();
    (0..5).for_each(|_| world.day(6_000_000));
    world.now += 40 * DAY;
    world.day(6_000_000);
    assert_eq!(world.judge.state(), State::Paper);
    assert!(world.judge.paper().0.observed_ns() <= 6 * DAY);
}
