//! A storm of orders, fills, quotes, faults and changed limits, against the oracle.
//!
//! A million random steps in every run of the tests; `TOLLGATE_RISK_STEPS=10000000` for as many as wanted. A failure
//! names its seed and step: the same seed makes the same storm.

use super::gate::{ETH, OTHER, SOL};
use super::oracle::Oracle;
use super::*;
use crate::core::alerts::{Act, AlertRules};

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn within(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

/// An order as its venue has it, whatever the core has heard.
#[derive(Clone, Copy)]
struct AtVenue {
    order: NewOrder,
    filled: i64,
    over: bool,
}

struct Storm {
    core: Core,
    out: Outbox,
    oracle: Oracle,
    dice: Dice,
    now: Nanos,
    mids: [i64; 3],
    orders: Vec<AtVenue>,
    trade: u64,
    last_fill: Option<ExecReport>,
    /// What each rule answered, and how many orders went out.
    sent: u64,
    step: u64,
}

const IDS: [InstrumentId; 3] = [BTC, ETH, SOL];

impl Storm {
    fn new(seed: u64) -> Storm {
        let mut storm = Storm {
            core: Core::new(),
            out: Outbox::new(),
            oracle: Oracle::default(),
            dice: Dice(seed),
            now: 1_700_000_000 * SECOND,
            mids: [60_000 * E8, 3_000 * E8, 60_000 * E8],
            orders: Vec::new(),
            trade: 0,
            last_fill: None,
            sent: 0,
            step: 0,
        };
        storm.must(Body::Start { epoch: 1, run: 1 });
        let limits = storm.limits();
        storm.must(Body::Limits(limits));
        for (venue, name) in [(VENUE, "one"), (OTHER, "other")] {
            storm.must(Body::Venue { venue, name: Text::new(name) });
        }
        storm.must(Body::Instrument(btcusdt()));
        let ether = Instrument { id: ETH, symbol: Text::new("ETHUSDT"), base: AssetId(2), ..btcusdt() };
        storm.must(Body::Instrument(ether));
        storm.must(Body::Instrument(Instrument { id: SOL, venue: OTHER, ..btcusdt() }));
        for (id, instrument) in [(1, BTC), (2, ETH)] {
            let kind = StrategyKind::Probe { every: 5, qty: Qty(E8 / 500) };
            storm.must(Body::Strategy(StrategyConfig { id: StrategyId(id), instrument, kind }));
        }
        for venue in [VENUE, OTHER] {
            storm.connect(venue);
        }
        storm
    }

    /// Limits that bind now and then, each by another factor.
    fn limits(&mut self) -> Limits {
        let d = &mut self.dice;
        let mut usd = |low, high| Usd::dollars(d.within(low, high));
        let (order, position) = (usd(100, 5_000), usd(1_000, 20_000));
        let (gross, net, venue, asset) =
            (usd(5_000, 60_000), usd(3_000, 30_000), usd(3_000, 40_000), usd(3_000, 40_000));
        let (correlated, strategy, at_risk) = (usd(5_000, 60_000), usd(500, 10_000), usd(500, 10_000));
        let (least, loss) = (usd(100, 60_000), usd(50, 3_000));
        Limits {
            order_notional_max: order,
            position_notional_max: position,
            exposure_gross_max: gross,
            exposure_net_max: net,
            exposure_venue_max: venue,
            exposure_asset_max: asset,
            correlated_exposure_max: correlated,
            strategy_exposure_max: strategy,
            value_at_risk_max: at_risk,
            account_balance_min: least,
            daily_loss_max: loss,
            daily_loss_halt_ppm: 2_000_000,
            drawdown_reduce_ppm: 50_000,
            drawdown_halt_ppm: 100_000,
            leverage_max_ppm: d.within(50_000, 1_500_000) as u64,
            risk_score_max: d.within(30, 100) as u32,
            volatility_assumed_ppm: d.within(10_000, 80_000) as u32,
            quote_age_max_ns: d.within(1, 60) * SECOND,
            market_order_margin_ppm: d.within(0, 10_000) as u32,
            open_orders_max: d.within(5, 200) as u32,
            ack_timeout_ns: 5 * SECOND,
            not_found_after_ns: 15 * SECOND,
            query_interval_ns: 2 * SECOND,
            reconcile_interval_ns: 60 * SECOND,
            price_collar_ppm: d.within(1_000, 100_000) as u32,
            price_move_max_ppm: d.within(10_000, 80_000) as u32,
            stop_loss_ppm: d.pick(&[0, 5_000, 20_000]),
            take_profit_ppm: d.pick(&[0, 10_000, 40_000]),
            price_move_window_ns: 10 * SECOND,
            duplicate_window_ns: d.within(0, 500) * MS,
            orders_per_second_max: d.within(10, 2_000) as u32,
            orders_per_day_max: d.within(1_000, 100_000) as u32,
            order_to_trade_max: d.within(5, 100) as u32,
            order_to_trade_orders_min: d.within(100, 10_000) as u32,
            runaway_executions_max: d.within(20, 500) as u32,
            runaway_window_ns: 60 * SECOND,
            loss_streak_max: d.within(20, 500) as u32,
            correlation_threshold_ppm: 700_000,
            correlation_window: 50,
            correlation_samples_min: 20,
            correlation_sample_ns: SECOND,
            ..Limits::LOOSEST
        }
    }

    fn must(&mut self, body: Body) -> Vec<RecordedEffect> {
        match self.take(body) {
            Ok(effects) => effects,
            Err(fault) => panic!("{fault}"),
        }
    }

    fn take(&mut self, body: Body) -> Result<Vec<RecordedEffect>, String> {
        let event = Event { seq: self.core.seq() + 1, ts_ns: self.now, recv_ns: 0, decoded_ns: 0, body };
        self.out.clear();
        self.core.on_event(&event, &mut self.out);
        let effects: Vec<RecordedEffect> = self.out.effects().iter().map(|e| e.recorded()).collect();
        self.oracle.apply(self.now, &body);
        self.oracle.hear(&self.core, &body, &effects)?;
        for effect in &effects {
            if let EffectOf::Place(order) = effect {
                self.sent += 1;
                self.orders.push(AtVenue { order: *order, filled: 0, over: false });
            }
        }
        Ok(effects)
    }

    fn connect(&mut self, venue: VenueId) {
        self.must(Body::VenueState { venue, state: VenueState::Syncing });
        for (asset, free) in [(USDT, 60_000 * E8), (BTC_ASSET, E8), (AssetId(2), 10 * E8)] {
            let free = if self.step == 0 { free } else { self.core.account().get(venue, asset).total };
            self.must(Body::Balance(Balance { venue, asset, free, locked: 0, ts_event_ns: 0 }));
        }
        self.must(Body::Reconciled { venue });
        self.must(Body::VenueState { venue, state: VenueState::Ready });
    }

    fn quote(&mut self) -> Body {
        let n = self.dice.below(3) as usize;
        let far = if self.dice.one_in(500) { 30_000 } else { 1_000 };
        let mid = &mut self.mids[n];
        let pull = if *mid > 70_000 * E8 || (n == 1 && *mid > 4_000 * E8) { far } else { 0 };
        let push = if *mid < 2_000 * E8 || (n != 1 && *mid < 40_000 * E8) { far } else { 0 };
        let change = self.dice.within(-far - pull, far + push);
        *mid = (i128::from(*mid) * i128::from(1_000_000 + change) / 1_000_000) as i64;
        let half = self.dice.within(if self.dice.0.is_multiple_of(300) { -1 } else { 1 }, 50) * E8 / 100;
        let px = |px: i64| Price(px - px % (E8 / 100));
        Body::Quote(Quote { instrument: IDS[n], bid_px: px(*mid - half), ask_px: px(*mid + half), ..Quote::default() })
    }

    fn wanted(&mut self) -> PlaceOrder {
        let n = self.dice.below(3) as usize;
        let d = &mut self.dice;
        let side = d.pick(&[Side::Buy, Side::Sell]);
        let kind = d.pick(&[OrderType::Market, OrderType::Limit, OrderType::Limit, OrderType::LimitMaker]);
        let tif =
            if kind == OrderType::Limit { d.pick(&[TimeInForce::Gtc, TimeInForce::Ioc]) } else { TimeInForce::Gtc };
        let away = d.within(-20_000, 20_000) * if d.one_in(20) { 6 } else { 1 };
        let px = (i128::from(self.mids[n]) * i128::from(1_000_000 + away) / 1_000_000) as i64;
        let px = if kind == OrderType::Market { 0 } else { px - px % (E8 / 100) };
        let dollars = d.within(1, 3_000);
        let qty = (i128::from(dollars) * i128::from(E8) * i128::from(E8) / i128::from(self.mids[n])) as i64;
        let net = self.core.portfolio().get(IDS[n]).map_or(0, |inst| inst.position.net.0.abs());
        let qty = if d.one_in(4) && net > 0 { d.within(1, net) } else { qty };
        let qty = if d.one_in(50) { qty } else { qty - qty % 1_000 };
        let symbol = Text::new("X");
        let instrument = IDS[n];
        let reduce_only = d.one_in(20);
        let auto_qty = d.one_in(30);
        PlaceOrder {
            instrument,
            symbol,
            side,
            kind,
            tif,
            qty: Qty(qty),
            px: Price(px),
            reduce_only,
            auto_qty,
            ..PlaceOrder::default()
        }
    }

    /// Something happens to an order at its venue, and the core may hear of it.
    fn venue_speaks(&mut self) -> Option<Body> {
        if self.orders.is_empty() {
            return None;
        }
        let d = &mut self.dice;
        // One that is open mostly, and now and then one that is long over.
        let live = self.core.orders().live_count() as u64;
        let wanted = if live > 0 && !d.one_in(6) { self.core.orders().live_id(d.below(live) as usize) } else { None };
        let found = wanted.and_then(|id| self.orders.binary_search_by_key(&id, |at| at.order.order).ok());
        let at = found.unwrap_or_else(|| d.below(self.orders.len() as u64) as usize);
        let AtVenue { order, filled, over } = self.orders[at];
        let mut report = ExecReport {
            venue: order.venue,
            instrument: order.instrument,
            order: order.order,
            side: order.side,
            venue_order_id: VenueOrderId::from_u64(order.order.0),
            fee_asset: AssetId::NONE,
            ..ExecReport::default()
        };
        let left = order.qty.0 - filled;
        match d.below(20) {
            0..=3 if !over => report.exec = ExecType::New,
            4..=12 if left > 0 && (!over || d.one_in(4)) => {
                let qty = if d.one_in(2) { left } else { d.within(1, left) };
                self.trade += 1;
                let mid = self.mids[order.instrument.index()];
                report.exec = ExecType::Trade;
                report.last_qty = Qty(qty);
                report.last_px = if order.px.is_zero() { Price(mid) } else { order.px };
                report.exec_id = ExecId::from_u64(self.trade);
                if d.one_in(2) {
                    let inst = self.core.portfolio().get(order.instrument)?;
                    let (asset, worth) = match order.side {
                        Side::Buy => (inst.def.base, qty),
                        Side::Sell => (inst.def.quote, (i128::from(qty) * i128::from(mid) / i128::from(E8)) as i64),
                    };
                    (report.fee_asset, report.fee) = (asset, worth / 1_000);
                }
                self.orders[at].filled += qty;
                self.orders[at].over |= qty == left;
                if d.one_in(20) {
                    // Lost on the way, and told later by nobody: the venue's balances will say.
                    self.orders[at].filled -= qty;
                    return None;
                }
                self.last_fill = Some(report);
            }
            13 => {
                // The same fill once more.
                return self.last_fill.map(Body::Exec);
            }
            14 | 15 if !over => {
                report.exec = d.pick(&[ExecType::Canceled, ExecType::Expired, ExecType::Rejected]);
                self.orders[at].over = true;
            }
            16 => report.exec = ExecType::Unknown,
            17 if !over => report.exec = ExecType::Working,
            18 if over => report.exec = d.pick(&[ExecType::NotFound, ExecType::CancelRejected, ExecType::Canceled]),
            19 if !over && filled == 0 && d.one_in(4) => {
                self.orders[at].over = true;
                return Some(Body::NotSent { order: order.order, text: Text::default() });
            }
            _ => return None,
        }
        Some(Body::Exec(report))
    }

    /// Sessions of a minute or so, some of which are on now.
    fn calendar(&mut self) -> Body {
        let source = self.dice.pick(&[CalendarSource::Configured, CalendarSource::Venue]);
        let mut at = self.now - self.dice.within(0, 60) * SECOND;
        let mut calendar = Calendar::default();
        for session in &mut calendar.sessions {
            let open_ns = at + self.dice.within(0, 30) * SECOND;
            let close_ns = open_ns + self.dice.within(10, 120) * SECOND;
            *session = Session { open_ns, close_ns, extended_open_ns: open_ns, extended_close_ns: close_ns };
            at = close_ns;
        }
        calendar.known_until_ns = at + self.dice.within(-60, 600) * SECOND;
        Body::Calendar { instrument: self.dice.pick(&IDS), source, calendar }
    }

    fn step(&mut self) -> Result<(), String> {
        self.step += 1;
        self.now += self.dice.within(0, 40) * MS;
        let command = |action| {
            Body::Command(Command {
                request: RequestId(1),
                who: Text::EMPTY,
                from: Text::EMPTY,
                why: Text::EMPTY,
                action,
            })
        };
        let body = match self.dice.below(1_000) {
            0..=299 => self.quote(),
            300..=579 => command(Action::Place(self.wanted())),
            580..=899 => match self.venue_speaks() {
                Some(body) => body,
                None => return Ok(()),
            },
            900..=929 => Body::Tick,
            930..=949 => {
                // What is restrained is let go again soon, or there would be no storm.
                let parts = [Scope::Account, Scope::Account, Scope::Venue(VENUE), Scope::Instrument(ETH)];
                let strategies = [Scope::Strategy(StrategyId(1)), Scope::Strategy(StrategyId(2))];
                let scope = if self.dice.one_in(4) { self.dice.pick(&strategies) } else { self.dice.pick(&parts) };
                command(Action::SetTradingState { scope, state: TradingState::Active })
            }
            950..=969 => {
                let Some(order) = self.orders.last().map(|o| o.order.order) else { return Ok(()) };
                command(Action::Cancel(order))
            }
            970..=972 => command(Action::CancelAll),
            973..=979 => {
                let limits = self.limits();
                command(Action::SetLimits(limits))
            }
            980..=987 => {
                let states = [TradingState::Active, TradingState::Active, TradingState::Reducing, TradingState::Halted];
                let state = self.dice.pick(&states);
                let scopes = [
                    Scope::Account,
                    Scope::Account,
                    Scope::Venue(VENUE),
                    Scope::Strategy(StrategyId(1)),
                    Scope::Instrument(ETH),
                ];
                let scope = self.dice.pick(&scopes);
                command(Action::SetTradingState { scope, state })
            }
            988 => Body::Feed { instrument: self.dice.pick(&IDS), state: FeedState::Disconnected },
            989 => {
                let venue = self.dice.pick(&[VENUE, OTHER]);
                self.take(Body::VenueState { venue, state: VenueState::Down })?;
                let down = self.wanted();
                self.take(command(Action::Place(down)))?;
                self.connect(venue);
                return Ok(());
            }
            990 => {
                let run = self.core.run() + 1;
                self.take(Body::Start { epoch: 1, run })?;
                self.connect(VENUE);
                self.connect(OTHER);
                return Ok(());
            }
            991 if self.dice.one_in(4) => command(Action::Close(self.dice.pick(&IDS))),
            991 if self.dice.one_in(6) => command(Action::EmergencyStop { flatten: self.dice.one_in(2) }),
            991 if self.dice.one_in(6) => {
                let acts = [Act::None, Act::None, Act::Reduce, Act::Halt, Act::Stop];
                Body::AlertRules(AlertRules {
                    acts: [Act::None, self.dice.pick(&acts), self.dice.pick(&acts)],
                    escalate_after_ns: 30 * SECOND,
                    exposure_high_ppm: 900_000,
                    balance_low_ppm: 1_100_000,
                    feed_stale_ns: 20 * SECOND,
                    venue_down_ns: 20 * SECOND,
                    ..AlertRules::default()
                })
            }
            992 => {
                let mut caps = Caps::NONE;
                if self.dice.one_in(5) {
                    caps.stage = 1;
                    caps.order_notional_max = Usd::dollars(self.dice.within(50, 2_000));
                    caps.position_notional_max = Usd::dollars(self.dice.within(500, 9_000));
                    caps.open_orders_max = self.dice.within(1, 50) as u32;
                }
                command(Action::SetCaps(caps))
            }
            993 => {
                let (restricted, keeps_hours) = (self.dice.one_in(6), self.dice.one_in(3));
                let permit = Permit { restricted, keeps_hours, ..Permit::default() };
                Body::Permit { instrument: self.dice.pick(&IDS), permit }
            }
            994 => {
                // Money comes in or goes out.
                let (venue, asset) = (self.dice.pick(&[VENUE, OTHER]), self.dice.pick(&[USDT, BTC_ASSET]));
                let most = if asset == USDT { 80_000 * E8 } else { 2 * E8 };
                let free = self.dice.within(most / 2, most);
                Body::Balance(Balance { venue, asset, free, locked: 0, ts_event_ns: 0 })
            }
            995 => {
                self.now += self.dice.within(1, 40) * SECOND;
                Body::Tick
            }
            997 => self.calendar(),
            998 if self.dice.one_in(2) => {
                let mut allowed = Allowed::default();
                for id in IDS {
                    if !self.dice.one_in(4) {
                        allowed.add(id);
                    }
                }
                allowed.listed = self.dice.one_in(2);
                Body::Allow { strategy: StrategyId(self.dice.within(0, 2) as u8), allowed }
            }
            998 => {
                let all = [InstrumentStatus::Trading, InstrumentStatus::Trading, InstrumentStatus::Halted];
                Body::InstrumentStatus { instrument: self.dice.pick(&IDS), status: self.dice.pick(&all) }
            }
            996 if self.dice.one_in(10) => {
                self.now += 86_400 * SECOND;
                Body::Tick
            }
            _ => return Ok(()),
        };
        self.take(body)?;
        if self.orders.len() > 4_000 {
            self.orders.drain(..2_000);
        }
        if self.step.is_multiple_of(32) { self.oracle.compare(&self.core) } else { Ok(()) }
    }
}

fn steps() -> u64 {
    std::env::var("TOLLGATE_RISK_STEPS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000)
}

/// Seeds from `first`, until `steps` are made.
fn storms(first: u64, steps: u64) -> (u64, u64) {
    const EACH: u64 = 20_000;
    let (mut sent, mut checked, mut made, mut seed) = (0, 0, 0, first);
    while made < steps {
        let mut storm = Storm::new(seed);
        for _ in 0..EACH.min(steps - made) {
            if let Err(fault) = storm.step() {
                panic!("seed {seed}, step {}: {fault}", storm.step);
            }
        }
        made += EACH;
        seed += 1;
        sent += storm.sent;
        checked += storm.oracle.checked;
    }
    (sent, checked)
}

#[test]
fn no_order_is_sent_that_breaks_a_limit_no_exit_is_held_back_and_no_sum_drifts() {
    let steps = steps();
    let halves = [1, 1_000_000].map(|first| std::thread::spawn(move || storms(first, steps.div_ceil(2))));
    for half in halves {
        let (sent, checked) = half.join().unwrap();
        assert_eq!(sent, checked, "every order was held against the oracle");
        assert!(sent * 50 > steps / 2, "a storm that sends too little proves nothing: {sent} of {steps}");
    }
}

/// The same sums from one order or from a thousand: the gate cannot tell them apart, and so answers alike.
#[test]
fn the_gates_answer_does_not_depend_on_the_number_of_open_orders() {
    let mut dice = Dice(7);
    for round in 0..20 {
        let mut rigs = [1, 1_000].map(|orders: i64| {
            let mut rig = Rig::ready();
            rig.command(Action::SetLimits(Limits {
                market_order_margin_ppm: 5_000,
                quote_age_max_ns: i64::MAX,
                ..Limits::LOOSEST
            }));
            let order = PlaceOrder {
                kind: OrderType::Limit,
                px: Price(50_000 * E8),
                ..Rig::order(Side::Buy, E8 / 10 / orders)
            };
            for _ in 0..orders {
                rig.command(Action::Place(order));
            }
            assert_eq!(rig.core.orders().live_count() as i64, orders);
            rig
        });
        let limits =
            Limits { open_orders_max: u32::MAX, orders_per_second_max: 1_000_000_000, ..Storm::new(round).limits() };
        let limits = Limits { orders_per_day_max: u32::MAX, order_to_trade_orders_min: u32::MAX, ..limits };
        rigs.iter_mut().for_each(|rig| drop(rig.command(Action::SetLimits(limits))));
        for _ in 0..50 {
            let kind = dice.pick(&[OrderType::Market, OrderType::Limit]);
            let px = if kind == OrderType::Market { 0 } else { dice.within(48_000, 62_000) * E8 };
            let side = dice.pick(&[Side::Buy, Side::Sell]);
            let order = PlaceOrder { kind, px: Price(px), ..Rig::order(side, dice.within(1, 20_000) * 1_000) };
            let [one, many] = rigs.each_mut().map(|rig| rig.command(Action::Validate(order)));
            assert_eq!(one, many, "{order:?}");
        }
    }
}
