//! One world: clock, network, venue, feed, gateway, core; turned in one thread, a millisecond at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tollgate::agent::Agent;
use tollgate::api::View;
use tollgate::core::Core;
use tollgate::core::command::{Action, Command, PlaceOrder, Scope, TradingState};
use tollgate::core::config::{Limits, StrategyConfig, StrategyKind};
use tollgate::core::effect::{AlarmKind, Effect, EffectOf, Outbox, RecordedEffect};
use tollgate::core::event::{Body, Event, Input};
use tollgate::domain::*;
use tollgate::feed::{Feed, FeedConfig, MarketData};
use tollgate::gateway::{Gateway, GatewayConfig, Leave};
use tollgate::net::Endpoint;
use tollgate::net::link::{Tx, Wake, link};
use tollgate::net::mem::{LinkPlan, MemHub};
use tollgate::net::rest::StreamRest;
use tollgate::runtime::sequencer::{CoreAgent, CoreLinks, CoreShared, EventLog};
use tollgate::sim::binance::{BinanceSim, Ledger, SimAccount, SimConfig};
use tollgate::sim::{MarketSource, SyntheticConfig};
use tollgate::telemetry::{Clock, Counters};
use tollgate::venues::assets::AssetTable;
use tollgate::venues::binance::exchange_info::Wanted;
use tollgate::venues::binance::sign::Signer;

const MS: Nanos = 1_000_000;
const SECOND: Nanos = 1_000 * MS;
const START: Nanos = 1_780_000_000 * SECOND;
const VENUE: VenueId = VenueId(0);
const ADDR: &str = "venue:9000";
const KEY: &str = "simulationkey";
const SECRET: &str = "simulationsecret";
const EPOCH: u32 = 7;
const INSTRUMENTS: [(InstrumentId, &str, AssetId); 2] =
    [(InstrumentId(0), "BTCUSDT", AssetId(0)), (InstrumentId(1), "ETHUSDT", AssetId(1))];
const ASSETS: [(&str, AssetId); 4] =
    [("BTC", AssetId(0)), ("ETH", AssetId(1)), ("USDT", AssetId(2)), ("BNB", AssetId(3))];
const OPENING: [(&str, i64); 3] = [("BTC", 1), ("ETH", 10), ("USDT", 100_000)];

/// Events and decisions, as a journal would keep them.
#[derive(Clone, Default)]
pub struct Memory {
    records: Arc<Mutex<Vec<Record>>>,
    /// Shows them in place of keeping them, as the API's readers do.
    view: Option<Arc<Mutex<View>>>,
}

type Record = (Event, Vec<RecordedEffect>);

impl EventLog for Memory {
    fn has_room(&self) -> bool {
        true
    }
    fn append(&mut self, event: &Event, _: Nanos, effects: &[Effect]) -> Result<(), String> {
        let effects = effects.iter().map(|e| e.recorded());
        match &self.view {
            Some(view) => view.lock().unwrap().apply(event, event.ts_ns, effects),
            None => self.records.lock().unwrap().push((*event, effects.collect())),
        }
        Ok(())
    }
    fn checkpoint_due(&self) -> bool {
        false
    }
    fn checkpoint(&mut self, _: u64) {}
}

pub struct World {
    seed: u64,
    rng: fastrand::Rng,
    clock: Clock,
    hub: MemHub,
    sim: BinanceSim,
    feed: Feed,
    gateway: Gateway,
    pub core: CoreAgent<Memory>,
    log: Memory,
    commands: Tx<Input>,
    /// Of the last command: each is a request of its own.
    request: u64,
    counters: Counters,
    /// When a dead or refusing link comes back.
    freeze_until: Nanos,
    refuse_until: Nanos,
    market_until: Nanos,
}

impl World {
    pub fn new(seed: u64) -> World {
        World::with_connections(seed, 1)
    }

    /// As `new`, with so many connections to the market streams.
    pub fn with_connections(seed: u64, connections: usize) -> World {
        World::of(seed, connections, Memory::default())
    }

    /// As `new`, but what happens is shown and not kept, so that a run may be as long as one likes.
    pub fn that_shows(seed: u64) -> World {
        World::of(seed, 1, Memory { view: Some(Arc::new(Mutex::new(View::new()))), ..Memory::default() })
    }

    fn of(seed: u64, connections: usize, log: Memory) -> World {
        let clock = Clock::virtual_at(START);
        let hub = MemHub::new(&clock, seed);
        hub.set_default_plan(LinkPlan { latency_ns: MS / 5, jitter_ns: MS / 2, chunk_max: 700, ..LinkPlan::default() });
        let balances = OPENING.iter().map(|(asset, amount)| ((*asset).to_owned(), amount.to_string())).collect();
        let account = SimAccount::new(KEY, SECRET, balances);
        let market = MarketSource::Synthetic(SyntheticConfig::default());
        let config = SimConfig { seed, ..SimConfig::new(ADDR, vec![account], market) };
        let sim = BinanceSim::new(config, Box::new(hub.network()), clock.clone()).unwrap();

        let wake = Wake::default();
        let (market_tx, market_rx) = link(4_096, &wake);
        let (reports_tx, reports_rx) = link(4_096, &wake);
        let (orders_tx, orders_rx) = link(1_024, &wake);
        let (commands, commands_rx) = link(64, &wake);
        let counters = Counters::default();
        let feed = Feed::new(
            FeedConfig { connections, ..feed_config() },
            Box::new(hub.network()),
            Box::new(StreamRest::new(Box::new(hub.network()), &clock, 3 * SECOND)),
            clock.clone(),
            market_tx,
            &counters,
            seed,
        );
        let gateway = Gateway::new(
            gateway_config(seed),
            Leave::Paper(PaperHosts::of(["http://127.0.0.1"]).unwrap()),
            &clock,
            Box::new(hub.network()),
            Box::new(StreamRest::new(Box::new(hub.network()), &clock, 3 * SECOND)),
            orders_rx,
            reports_tx,
            &counters,
        );
        let links = CoreLinks {
            reports: vec![reports_rx],
            commands: commands_rx,
            market: vec![market_rx],
            gateways: vec![(VENUE, orders_tx)],
        };
        let shared = Arc::new(CoreShared::default());
        let mut core = CoreAgent::new(Core::new(), log.clone(), clock.clone(), links, 10 * MS, 0, shared);
        for body in opening() {
            core.take(body);
        }
        World {
            seed,
            rng: fastrand::Rng::with_seed(seed ^ 0xfa17),
            clock,
            hub,
            sim,
            feed: feed.unwrap(),
            gateway: gateway.unwrap(),
            core,
            log,
            commands,
            request: 0,
            counters,
            freeze_until: 0,
            refuse_until: 0,
            market_until: 0,
        }
    }

    fn turn(&mut self) {
        let now = self.clock.now() + MS;
        self.clock.set(now);
        self.sim.do_work(now);
        self.feed.do_work(now);
        self.core.do_work(now);
        self.gateway.do_work(now);
    }

    /// Trades for so many virtual seconds; nothing goes wrong.
    pub fn trade(&mut self, seconds: u32) {
        for _ in 0..seconds * 1_000 {
            self.turn();
        }
    }

    pub fn trade_under_faults(&mut self, seconds: u32) {
        let faults = self.sim.faults();
        faults.report_drop = 0.02;
        faults.report_delay = 0.1;
        faults.report_double = 0.05;
        faults.report_reorder = 0.05;
        faults.answer_reset = 0.01;
        faults.answer_unknown_before = 0.02;
        faults.answer_unknown_after = 0.02;
        faults.depth_skip = 0.02;
        for turn in 0..seconds * 1_000 {
            if turn % 50 == 0 {
                self.break_something();
            }
            self.turn();
        }
    }

    /// Every 50 ms, with small chances, something larger breaks; what was broken heals by itself after a while.
    fn break_something(&mut self) {
        let now = self.clock.now();
        self.hub.freeze(ADDR, now < self.freeze_until);
        self.hub.refuse(ADDR, now < self.refuse_until);
        self.sim.faults().market_frozen = now < self.market_until;
        match self.rng.u32(0..400) {
            0..=2 => {
                self.hub.reset(ADDR);
            }
            3..=4 => self.freeze_until = now + self.rng.i64(0..4 * SECOND),
            5..=6 => {
                self.hub.reset(ADDR);
                self.refuse_until = now + self.rng.i64(0..2 * SECOND);
            }
            7..=8 => self.market_until = now + self.rng.i64(0..4 * SECOND),
            9 => self.sim.faults().disconnect_all(),
            _ => {}
        }
    }

    /// Lets an account that is never short of either asset place this many orders, some three hundred a second: one that
    /// rests far from the market and is cancelled, one that takes, in turn.
    pub fn place(&mut self, orders: u64) {
        let (instrument, symbol) = (InstrumentId(0), Text::new("BTCUSDT"));
        // Small enough that the fees of a million do not eat the account.
        let order = PlaceOrder { instrument, symbol, qty: Qty(10_000), ..PlaceOrder::default() };
        let (mut turns, goal) = (0, self.core.core().counters().placed + orders);
        while self.core.core().counters().placed < goal {
            turns += 1;
            assert!(turns < 10_000 + 10 * orders, "seed {}: orders do not go out any more", self.seed);
            let ready = self.core.core().venues().all(|(_, _, state)| state == VenueState::Ready);
            for n in 0..if ready { 4 } else { 0 } {
                let side = if self.core.core().portfolio().get(instrument).is_some_and(|i| i.position.net.0 > 0) {
                    Side::Sell
                } else {
                    Side::Buy
                };
                let far = PlaceOrder { kind: OrderType::Limit, px: Price(60_000 * 100_000_000), ..order };
                self.command(Action::Place(if n % 2 == 0 { far } else { PlaceOrder { side, ..order } }));
            }
            self.turn();
            let resting = self.core.core().orders().live().filter(|o| o.status == OrdStatus::New);
            for id in resting.map(|o| o.id).collect::<Vec<_>>() {
                self.command(Action::Cancel(id));
            }
            // What is kept by time and not by number, such as the trades behind an average, is full before long too.
            (0..13).for_each(|_| self.turn());
        }
    }

    fn command(&mut self, action: Action) {
        self.request += 1;
        let command = Command {
            request: RequestId(self.request),
            who: Text::new("test"),
            from: Text::default(),
            why: Text::default(),
            action,
        };
        self.commands.try_send(Input::new(Body::Command(command))).unwrap();
    }

    /// From now on every entry has a stop and a target so far from it, in parts per million.
    pub fn guard(&mut self, stop_loss_ppm: u32, take_profit_ppm: u32) {
        let limits = Limits { stop_loss_ppm, take_profit_ppm, ..*self.core.core().limits() };
        self.command(Action::SetLimits(limits));
    }

    /// What is protected is never more than the position. Returns how much is.
    pub fn assert_no_more_is_protected_than_held(&self) -> i64 {
        let core = self.core.core();
        let mut all = 0;
        for (id, symbol, _) in INSTRUMENTS {
            let net = core.portfolio().get(id).map_or(0, |inst| inst.position.net.0);
            let of = |side| core.protections().all().iter().filter(move |p| p.instrument == id && p.side == side);
            let (long, short): (i64, i64) =
                (of(Side::Sell).map(|p| p.qty.0).sum(), of(Side::Buy).map(|p| p.qty.0).sum());
            let held = long <= net.max(0) && short <= -net.min(0);
            assert!(held, "seed {}: {symbol} {net}, protected {long} and {short}", self.seed);
            all += long + short;
        }
        all
    }

    /// Alarms of a kind.
    pub fn told(&self, kind: AlarmKind) -> usize {
        let log = self.log.records.lock().unwrap();
        let effects = log.iter().flat_map(|(_, effects)| effects);
        effects.filter(|e| matches!(e, EffectOf::Alarm { kind: told, .. } if *told == kind)).count()
    }

    fn is_settled(&self) -> bool {
        let core = self.core.core();
        let ready = core.venues().all(|(_, _, state)| state == VenueState::Ready);
        ready && core.orders().live_count() == 0
    }

    /// Everything works again, strategies rest, what is open is cancelled; then what is unknown is found out.
    pub fn heal_and_settle(&mut self) {
        let faults = self.sim.faults();
        *faults = tollgate::sim::Faults::new(self.seed);
        self.hub.freeze(ADDR, false);
        self.hub.refuse(ADDR, false);
        self.command(Action::SetTradingState { scope: Scope::Account, state: TradingState::Halted });
        for round in 0..120 {
            // A cancel may meet an order that is not yet known to be open, so it is said again.
            self.command(Action::CancelAll);
            self.trade(1);
            if round > 5 && self.is_settled() {
                break;
            }
        }
        assert!(self.is_settled(), "seed {}: not settled:\n{}", self.seed, self.story());
        // One more comparison with nothing on its way: what it finds is what the venue has.
        self.command(Action::Reconcile(VENUE));
        self.trade(2);
        assert!(self.is_settled(), "seed {}: {:?}", self.seed, self.open());
    }

    fn open(&self) -> Vec<(OrderId, OrdStatus)> {
        self.core.core().orders().live().map(|o| (o.id, o.status)).collect()
    }

    /// What the journal has of the orders that are still open, at most the last hundred lines.
    fn story(&self) -> String {
        let open: Vec<OrderId> = self.open().iter().map(|(order, _)| *order).collect();
        let log = self.log.records.lock().unwrap();
        let mut lines = Vec::new();
        for (event, effects) in log.iter() {
            let about = match &event.body {
                Body::Exec(report) => open.contains(&report.order),
                Body::Sent { order, .. } | Body::NotSent { order, .. } => open.contains(order),
                Body::VenueState { .. } | Body::Reconciled { .. } => true,
                _ => false,
            };
            let decided = effects.iter().filter(|e| match e {
                EffectOf::Place(order) => open.contains(&order.order),
                EffectOf::Cancel(cancel) => open.contains(&cancel.order),
                EffectOf::Query(query) => open.contains(&query.order),
                EffectOf::Order(update) => open.contains(&update.order),
                _ => false,
            });
            let decided: Vec<String> = decided.map(|e| format!("    {e:?}")).collect();
            if about || !decided.is_empty() {
                let ms = (event.ts_ns - START) / MS;
                lines.push(format!("{ms} ms: {:?}\n{}", event.body, decided.join("\n")));
            }
        }
        lines.split_off(lines.len().saturating_sub(100)).join("\n")
    }

    fn ledger(&self) -> Ledger {
        self.sim.ledger(KEY).unwrap()
    }

    pub fn assert_equal_to_the_venue(&self) {
        let (core, ledger, seed) = (self.core.core(), self.ledger(), self.seed);
        assert_eq!(ledger.open_orders, [], "seed {seed}: open at the venue");
        assert!(!ledger.trades.is_empty(), "seed {seed}: nothing was traded, so nothing is proved");
        let mut engine: BTreeMap<String, i64> = BTreeMap::new();
        for (_, asset, holding) in core.account().known() {
            let name = ASSETS.iter().find(|(_, id)| *id == asset).unwrap().0;
            engine.insert(name.to_owned(), holding.total);
            assert_eq!(holding.reserved, 0, "seed {seed}: {name} is held for orders that are gone");
        }
        engine.retain(|_, total| *total != 0);
        let venue: BTreeMap<String, i64> = ledger
            .balances
            .iter()
            .map(|(asset, b)| (asset.clone(), (b.free + b.locked) as i64))
            .filter(|(_, t)| *t != 0)
            .collect();
        assert_eq!(engine, venue, "seed {seed}: balances");
        for (id, symbol, _) in INSTRUMENTS {
            let base = symbol.trim_end_matches("USDT");
            let opening = OPENING.iter().find(|(asset, _)| *asset == base).unwrap().1 * 100_000_000;
            let inst = core.portfolio().get(id).unwrap();
            let more = venue.get(base).copied().unwrap_or(0) - opening;
            assert_eq!(inst.position.net.0, more, "seed {seed}: position in {symbol}");
            assert_eq!(inst.working, Default::default(), "seed {seed}: working in {symbol}");
        }
        assert_eq!(core.counters().fills as usize, ledger.trades.len(), "seed {seed}: fills");
    }

    /// Each order was handed to the gateway once, and filled no more than it asked for.
    pub fn assert_nothing_was_sent_twice(&self) {
        let log = self.log.records.lock().unwrap();
        let (mut placed, mut sent) = (BTreeSet::new(), BTreeSet::new());
        let mut filled: BTreeMap<OrderId, (i64, i64)> = BTreeMap::new();
        for (event, effects) in log.iter() {
            if let Body::Sent { order, .. } = event.body {
                assert!(sent.insert(order), "seed {}: {order} was written twice", self.seed);
            }
            for effect in effects {
                match effect {
                    EffectOf::Place(order) => {
                        assert!(placed.insert(order.order), "seed {}: {} was placed twice", self.seed, order.order);
                        filled.insert(order.order, (0, order.qty.0));
                    }
                    EffectOf::Fill(fill) => filled.get_mut(&fill.order).unwrap().0 += fill.qty.0,
                    _ => {}
                }
            }
        }
        for (order, (got, asked)) in filled {
            assert!(got <= asked, "seed {}: {order} filled {got} of {asked}", self.seed);
        }
    }

    pub fn assert_replay_decides_alike(&self) {
        let log = self.log.records.lock().unwrap();
        let (mut core, mut out) = (Core::new(), Outbox::new());
        for (event, effects) in log.iter() {
            out.clear();
            core.on_event(event, &mut out);
            let again: Vec<RecordedEffect> = out.effects().iter().map(|e| e.recorded()).collect();
            assert_eq!(&again, effects, "seed {}: event {}", self.seed, event.seq);
        }
        assert_eq!(core.state_hash(), self.core.core().state_hash(), "seed {}", self.seed);
    }

    /// A counter of feed or gateway.
    pub fn count(&self, name: &str) -> u64 {
        self.counters.counter(name).get()
    }

    /// No trade came twice, and between two breaks the ids of quotes and book updates only grow.
    pub fn assert_market_data_counts_once(&self) {
        let log = self.log.records.lock().unwrap();
        let mut trades = BTreeSet::new();
        let mut last: BTreeMap<(InstrumentId, bool), u64> = BTreeMap::new();
        for (event, _) in log.iter() {
            match &event.body {
                Body::Trade(trade) => {
                    let id = trade.trade_id.lo;
                    assert!(trades.insert((trade.instrument, id)), "seed {}: trade {id} came twice", self.seed);
                }
                Body::Quote(quote) => {
                    let before = last.insert((quote.instrument, false), quote.update_id);
                    assert!(
                        before.is_none_or(|id| id < quote.update_id),
                        "seed {}: {quote:?} after {before:?}",
                        self.seed
                    );
                }
                Body::Depth(chunk) if chunk.first && chunk.kind == DepthKind::Delta => {
                    let before = last.insert((chunk.instrument, true), chunk.update_id);
                    let id = chunk.update_id;
                    assert!(before.is_none_or(|last| last < id), "seed {}: diff {id} after {before:?}", self.seed);
                }
                Body::Feed { instrument, state: FeedState::Disconnected } => {
                    last.remove(&(*instrument, false));
                    last.remove(&(*instrument, true));
                }
                Body::Feed { instrument, state: FeedState::Gap } => drop(last.remove(&(*instrument, true))),
                _ => {}
            }
        }
        assert!(!trades.is_empty() && !last.is_empty(), "seed {}: nothing came", self.seed);
    }

    /// How often the core was told that an instrument's data is not whole, after it first was.
    pub fn breaks(&self) -> usize {
        let log = self.log.records.lock().unwrap();
        let mut live = BTreeSet::new();
        let broke = log.iter().filter(|(event, _)| match event.body {
            Body::Feed { instrument, state: FeedState::Live } => {
                live.insert(instrument);
                false
            }
            Body::Feed { instrument, .. } => live.contains(&instrument),
            _ => false,
        });
        broke.count()
    }

    pub fn alarms(&self) -> Vec<String> {
        let log = self.log.records.lock().unwrap();
        let effects = log.iter().flat_map(|(event, effects)| effects.iter().map(move |e| (event.seq, e)));
        effects
            .filter(|(_, e)| matches!(e, EffectOf::Alarm { news, .. } if news.change.is_alarm()))
            .map(|(seq, e)| format!("{seq} {e:?}"))
            .collect()
    }
}

fn feed_config() -> FeedConfig {
    FeedConfig {
        name: "feed".to_owned(),
        venue: "binance".to_owned(),
        stream: Endpoint { host: "venue".to_owned(), port: 9000, tls: false },
        stream_path: String::new(),
        market_data: MarketData::Json,
        connections: 1,
        rest_url: format!("http://{ADDR}"),
        instruments: INSTRUMENTS.iter().map(|(id, symbol, _)| (*id, (*symbol).to_owned())).collect(),
        quotes: true,
        trades: true,
        depth: true,
        snapshot_levels: 100,
        connect_timeout_ns: SECOND,
        read_timeout_ns: 3 * SECOND,
        reconnect_min_ns: 50 * MS,
        reconnect_max_ns: SECOND,
        renew_after_ns: 15 * SECOND,
        frame_max_bytes: 1 << 20,
    }
}

fn gateway_config(seed: u64) -> GatewayConfig {
    GatewayConfig {
        venue: VENUE,
        name: "binance".to_owned(),
        rest_url: format!("http://{ADDR}"),
        ws_api_url: format!("ws://{ADDR}/ws-api/v3"),
        api_key: KEY.to_owned(),
        signer: Signer::hmac(SECRET.as_bytes()),
        epoch: EPOCH,
        recv_window_ms: 5_000,
        instruments: INSTRUMENTS
            .iter()
            .map(|(id, symbol, _)| Wanted { id: *id, symbol: (*symbol).to_owned() })
            .collect(),
        assets: AssetTable::new(ASSETS),
        usd_assets: vec!["USDT".to_owned()],
        taker_fee_ppm: 1_000,
        connect_timeout_ns: SECOND,
        request_timeout_ns: 3 * SECOND,
        read_timeout_ns: 3 * SECOND,
        reconnect_min_ns: 50 * MS,
        reconnect_max_ns: SECOND,
        renew_after_ns: 15 * SECOND,
        frame_max_bytes: 1 << 20,
        clock_check_ns: 60 * SECOND,
        clock_offset_alarm_ns: 500 * MS,
        seed,
    }
}

/// What the runtime would say at a start. Strategies that trade a lot: takers, makers, both instruments.
fn opening() -> Vec<Body> {
    let strategy = |id, instrument, kind| {
        Body::Strategy(StrategyConfig { id: StrategyId(id), instrument: InstrumentId(instrument), kind })
    };
    let limits = Limits {
        order_notional_max: Usd::dollars(5_000),
        position_notional_max: Usd::dollars(20_000),
        leverage_max_ppm: 3_000_000,
        account_balance_min: Usd::dollars(1_000),
        daily_loss_max: Usd::dollars(50_000),
        quote_age_max_ns: 1_500 * MS,
        market_order_margin_ppm: 10_000,
        open_orders_max: 64,
        ack_timeout_ns: SECOND,
        not_found_after_ns: 12 * SECOND,
        query_interval_ns: SECOND / 2,
        reconcile_interval_ns: 10 * SECOND,
        day_offset_ns: 0,
        ..Limits::LOOSEST
    };
    let mut bodies = vec![
        Body::Start { epoch: EPOCH, run: 1 },
        Body::Limits(limits),
        Body::Venue { venue: VENUE, name: Text::new("binance") },
    ];
    bodies.extend(ASSETS.map(|(name, asset)| Body::Asset { asset, name: Text::new(name) }));
    bodies.push(strategy(1, 0, StrategyKind::Probe { every: 7, qty: Qty(100_000) }));
    let maker = StrategyKind::Maker {
        offset_ppm: 20,
        requote_ppm: 30,
        order_notional: Usd::dollars(300),
        inventory_max: Usd::dollars(2_000),
    };
    bodies.push(strategy(2, 1, maker));
    let cross = StrategyKind::EmaCross { fast: 3, slow: 8, sample_ns: 100 * MS, order_notional: Usd::dollars(500) };
    bodies.push(strategy(3, 0, cross));
    bodies
}
