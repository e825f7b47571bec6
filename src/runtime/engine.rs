//! The engine put together: journal, core, agents on their threads, control API; and the order in which they start.

use super::connections;
use super::control::{Control, ControlError, ControlParts, WayIn};
use super::hours;
use super::keeper::{KeeperThread, Place as KeyPlace};
use super::live_market::{self, LiveMarket};
use super::names::{Names, NamesError};
use super::rescue::Rescue;
use super::sequencer::{CoreAgent, CoreLinks, CoreShared};
use super::settings::journal_config;
use super::simulated;
use super::stop_mark::StopMark;
use super::store::StoreThread;
use super::thread::{Thread, ThreadEnd, ThreadError, ThreadPlan, spawn};
use super::transition::{self, LiveVenue, TransitionParts, TransitionThread};
use super::venue::{VenueKeys, VenueParts};
use super::webhooks::{Place as HookPlace, WebhookError, WebhookThreads};
use crate::agent::Agent;
use crate::api::{Gauges, Queue, SharedJudge, SharedView};
use crate::config::{self, Config};
use crate::core::Core;
use crate::core::alarm::AlarmKind;
use crate::core::alerts::{Act, AlertRules};
use crate::core::command::{Action, Command, Scope};
use crate::core::config::{Limits, StrategyConfig, StrategyKind};
use crate::core::event::{Body, Input};
use crate::core::native::ProtectRules;
use crate::core::risk::{Allowed, Permit};
use crate::core::routing::{RouteConfig, RoutePolicy};
use crate::core::stop::StopRules;
use crate::domain::{Nanos, Qty, RequestId, StrategyId, Text, VenueId, decimal};
use crate::journal::{Journal, JournalError, ReplayError, Tail, restore};
use crate::net::link::{Tx, Wake, link};
use crate::net::tcp::{Reactor, TcpNetwork};
use crate::net::tls::{TlsClient, TlsError};
use crate::telemetry::{Clock, Counters};
use crate::transition::Judge;
use crossbeam::channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Permits on their way to a gateway that does not take them: each is as good as the one before.
const PERMITS_MAX: usize = 4;

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the journal cannot bring the core back: {0}")]
    Restore(#[from] ReplayError),
    #[error(transparent)]
    Names(#[from] NamesError),
    #[error(transparent)]
    Thread(#[from] ThreadError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the simulated venue cannot start: {0}")]
    Sim(#[from] crate::sim::SimError),
    #[error("venue {venue:?}: {cause}")]
    Venue { venue: String, cause: String },
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("{what}: {cause}")]
    System { what: &'static str, cause: std::io::Error },
}

/// What runs, and what it takes to stop it.
pub struct Engine {
    pub clock: Clock,
    pub view: SharedView,
    pub control: Control,
    /// How far the journal has come.
    pub tail: Tail,
    pub commands: Tx<Input>,
    pub shared: Arc<CoreShared>,
    pub rescues: Vec<Rescue>,
    /// What feeds and gateways counted.
    pub counters: Counters,
    /// Threads with an agent that trades, and those that serve them: the second outlive the first.
    pub trading: ThreadGroup,
    pub service: ThreadGroup,
    pub ends: Receiver<ThreadEnd>,
    /// What threads report their end through.
    pub ends_tx: Sender<ThreadEnd>,
    pub started_ns: Nanos,
    /// `None` where none is configured.
    pub store: Option<StoreThread>,
    /// `None` where it could not be started.
    pub transition: Option<TransitionThread>,
    /// `None` where no credentials are configured.
    pub keeper: Option<KeeperThread>,
    /// `None` where none is configured.
    pub webhooks: Option<WebhookThreads>,
    pub stop_mark: StopMark,
    /// The start found the watchdog's mark: by this event of the journal the stop is set.
    pub marked_seq: Option<u64>,
}

/// Threads that stop together.
#[derive(Default)]
pub struct ThreadGroup {
    pub threads: Vec<Thread>,
    pub wakes: Vec<Wake>,
    pub stop: Arc<AtomicBool>,
}

impl ThreadGroup {
    /// Stops them and waits for their end, at most `patience`; false where one is left hanging.
    pub fn stop(&mut self, patience: Duration) -> bool {
        self.stop.store(true, Ordering::Relaxed);
        let deadline = std::time::Instant::now() + patience;
        while !self.threads.iter().all(Thread::is_finished) {
            if std::time::Instant::now() >= deadline {
                return false;
            }
            self.wakes.iter().for_each(Wake::wake);
            std::thread::sleep(Duration::from_millis(1));
        }
        self.threads.drain(..).for_each(Thread::join);
        true
    }
}

/// The place of one agent: the thread's wake for its channels, the thread's sockets.
struct Place {
    thread: usize,
    wake: Wake,
}

struct Threads {
    wakes: Vec<Wake>,
    reactors: Vec<Reactor>,
    places: BTreeMap<String, Place>,
    agents: Vec<Vec<(usize, Box<dyn Agent>)>>,
}

impl Threads {
    fn new(config: &Config) -> Result<Threads, StartError> {
        let mut threads =
            Threads { wakes: Vec::new(), reactors: Vec::new(), places: BTreeMap::new(), agents: Vec::new() };
        for (thread, plan) in config.threads.iter().enumerate() {
            let wake = Wake::default();
            let reactor =
                Reactor::new(&wake).map_err(|cause| StartError::System { what: "no poll for a thread", cause })?;
            threads.reactors.push(reactor);
            for agent in &plan.agents {
                threads.places.insert(agent.clone(), Place { thread, wake: wake.clone() });
            }
            threads.wakes.push(wake);
            threads.agents.push(Vec::new());
        }
        Ok(threads)
    }

    /// The wake of the thread that turns the agent. The configuration has been checked: every agent has a thread.
    fn wake(&self, agent: &str) -> Wake {
        self.places.get(agent).map(|p| p.wake.clone()).unwrap_or_default()
    }

    /// `ca_file` is believed besides the public authorities.
    fn network(&self, agent: &str, ca_file: Option<&Path>) -> Result<TcpNetwork, StartError> {
        let tls = TlsClient::new(ca_file)?;
        let thread = self.places.get(agent).map_or(0, |p| p.thread);
        self.reactors[thread]
            .network(&tls)
            .map_err(|cause| StartError::System { what: "no sockets for a thread", cause })
    }

    fn add(&mut self, config: &Config, name: &str, agent: Box<dyn Agent>) {
        let thread = self.places.get(name).map_or(0, |p| p.thread);
        // Agents of a thread take their turns in the order the configuration names them.
        let rank = config.threads[thread].agents.iter().position(|a| a == name).unwrap_or(usize::MAX);
        self.agents[thread].push((rank, agent));
    }
}

impl Engine {
    /// Starts everything. Nothing trades before the journal has been replayed and the venue reconciled.
    pub fn start(config: &Config) -> Result<Engine, StartError> {
        let clock = Clock::real();
        let counters = Counters::default();
        let way_in = WayIn::open(config, &counters, &clock)?;
        let dir = config.engine.data_dir.join("journal");
        let (journal, flusher, recovered) = Journal::open(&dir, journal_config(config))?;
        if let Some(reason) = recovered.reason {
            tracing::warn!("{} bytes of an unfinished end were cut from the journal: {reason}", recovered.cut_bytes);
        }
        let mut core = Core::new();
        let restored = restore(&dir, &recovered, &mut core, |at| tracing::info!("{} events replayed", at.events))?;
        if restored.events > 0 {
            tracing::info!(
                "the journal's {} events were replayed in {:.1} s, every decision the same; {} orders were open",
                restored.events,
                restored.elapsed.as_secs_f64(),
                core.orders().live_count(),
            );
        }
        let store_is_behind = core.alerts().stands(AlarmKind::StoreBehind, Scope::Account);
        let names = Names::new(config, &core)?;
        let (epoch, run) = (journal.epoch(), core.run() + 1);
        let mut threads = Threads::new(config)?;

        let sims = match &config.sim {
            Some(sim) => Simulated::start(config, sim, &threads, &clock)?,
            None => Simulated::default(),
        };
        let (market_tx, market_rx) = link(config.channels.market_data_max, &threads.wake("core"));
        let (commands_tx, commands_rx) = link(config.channels.commands_max, &threads.wake("core"));
        let mut queues = vec![
            Queue::new("market_data", None, config.channels.market_data_max, &market_tx),
            Queue::new("commands", None, config.channels.commands_max, &commands_tx),
        ];
        let mut links =
            CoreLinks { reports: Vec::new(), commands: commands_rx, market: vec![market_rx], gateways: Vec::new() };
        let (mut rescues, mut key_places) = (Vec::new(), Vec::new());
        let (mut live_venues, mut targets) = (Vec::new(), Vec::new());
        for (at, venue) in config.venues.iter().enumerate() {
            let id = VenueId(at as u8);
            let gateway_name = format!("gateway-{}", venue.name);
            let is_live = venue.environment != config::Environment::Paper;
            let mut keys = VenueKeys::find(config, venue, sims.keys(venue.kind, is_live))
                .map_err(|cause| StartError::Venue { venue: venue.name.clone(), cause })?;
            let (orders_tx, orders_rx) = link(config.channels.orders_max, &threads.wake(&gateway_name));
            // One rotation at a time.
            let (new_keys, new_keys_rx) = link(1, &threads.wake(&gateway_name));
            let (reports_tx, reports_rx) = link(config.channels.exec_reports_max, &threads.wake("core"));
            let name = Some(venue.name.as_str());
            queues.push(Queue::new("exec_reports", name, config.channels.exec_reports_max, &reports_tx));
            queues.push(Queue::new("orders", name, config.channels.orders_max, &orders_tx));
            let (permits_tx, permits) = link(PERMITS_MAX, &threads.wake(&gateway_name));
            if is_live {
                live_venues.push(LiveVenue { venue: id, permits: permits_tx });
            }
            let origin = keys.origin.take();
            let pair = keys.pair(venue.kind);
            let (names, keys) = (&names, &keys);
            let parts = VenueParts { id, epoch, config, venue, names, keys, pair, clock: &clock, counters: &counters };
            parts.refuse_withdrawals().map_err(|cause| StartError::Venue { venue: venue.name.clone(), cause })?;
            let gateway = parts
                .gateway(
                    Box::new(threads.network(&gateway_name, venue.ca_file.as_deref())?),
                    orders_rx,
                    reports_tx,
                    permits,
                    new_keys_rx,
                    &threads.wake(&gateway_name),
                )
                .map_err(|cause| StartError::Venue { venue: venue.name.clone(), cause })?;
            let feed = parts
                .feed(
                    Box::new(threads.network("feed", venue.ca_file.as_deref())?),
                    market_tx.clone(),
                    &threads.wake("feed"),
                )
                .map_err(|cause| StartError::Venue { venue: venue.name.clone(), cause })?;
            let rescue = parts.rescue().map_err(|cause| StartError::Venue { venue: venue.name.clone(), cause })?;
            targets.push(parts.target(&rescue));
            if let Some(origin) = origin {
                let probe = parts.probe().map_err(|cause| StartError::Venue { venue: venue.name.clone(), cause })?;
                let (kind, signer, venue) = (venue.kind, rescue.signer(), venue.name.clone());
                let pair = parts.pair.clone();
                key_places.push(KeyPlace { id, venue, kind, origin, probe, keys: new_keys, pair, signer });
            }
            rescues.push(rescue);
            links.reports.push(reports_rx);
            links.gateways.push((id, orders_tx));
            threads.add(config, &gateway_name, gateway);
            threads.add(config, "feed", feed);
        }
        for agent in sims.agents {
            threads.add(config, "sim", agent);
        }
        threads.add(config, "journal", Box::new(flusher));

        let shared = Arc::new(CoreShared::default());
        let started_ns = clock.now();
        let tail = journal.tail();
        let tick = config.engine.tick_interval_ns;
        let mut agent = CoreAgent::new(core, journal, clock.clone(), links, tick, restored.last_ts_ns, shared.clone());
        begin_run(&mut agent, config, &names, epoch, run);
        let stop_mark = StopMark::new(&config.engine.data_dir);
        let marked_seq = stop_mark.found().map(|why| come_back_stopped(&mut agent, config, &why));
        threads.add(config, "core", Box::new(agent));

        // Requests that wait for the keeper of keys: people make them, one by one.
        let (key_asks, key_asks_rx) = bounded(8);
        let keeper = match &config.credentials {
            Some(files) => Some(
                KeeperThread::start(config, files, key_places, commands_tx.clone(), &counters, key_asks_rx)
                    .map_err(|cause| StartError::System { what: "no thread for the keeper of keys", cause })?,
            ),
            None => None,
        };
        let (criteria, apart) =
            (transition::criteria(config.transition.as_ref()), transition::apart(config.transition.as_ref()));
        let judge = SharedJudge::new(Judge::new(criteria, apart, transition::PERMIT_NS, recovered.last_seq));
        // One that is under way, and one that waits for it.
        let (tests, tests_rx) = bounded(1);
        connections::start(targets, tests_rx)
            .map_err(|cause| StartError::System { what: "no thread that tests connections", cause })?;
        let webhooks = {
            let place = HookPlace { dir: &dir, epoch, last_seq: recovered.last_seq };
            WebhookThreads::start(config, &place, &names, &clock)?
        };
        let control = Control::start(ControlParts {
            config,
            webhooks: webhooks.as_ref().map(WebhookThreads::board).unwrap_or_default(),
            gauges: Gauges::new(queues, tail.clone()),
            judge: judge.clone(),
            keys: keeper.as_ref().map(|_| key_asks),
            tests: Some(tests),
            journal_dir: &dir,
            way_in,
            clock: &clock,
            commands: commands_tx.clone(),
            counters: counters.clone(),
            run,
            last_seq: recovered.last_seq,
        })?;

        let judging = TransitionParts {
            judge,
            view: control.view(),
            commands: commands_tx.clone(),
            clock: clock.clone(),
            venues: live_venues,
        };
        let transition = TransitionThread::start(&dir, judging);
        let store = config.store.as_ref().and_then(|store| {
            let file = config.engine.data_dir.join(&store.file);
            StoreThread::start(&dir, &file, &counters, commands_tx.clone(), store_is_behind)
        });
        let (ends_tx, ends) = bounded(config.threads.len() + 1);
        let (mut trading, mut service) = (ThreadGroup::default(), ThreadGroup::default());
        let parts = threads.agents.into_iter().zip(threads.reactors).zip(threads.wakes).zip(&config.threads);
        for (((mut agents, reactor), wake), plan) in parts {
            agents.sort_by_key(|(rank, _)| *rank);
            let serves = plan.agents.iter().all(|a| a == "sim" || a == "journal");
            let group = if serves { &mut service } else { &mut trading };
            let plan = ThreadPlan {
                name: plan.name.clone(),
                agents: agents.into_iter().map(|(_, agent)| agent).collect(),
                core: plan.core,
                wait: plan.wait.into(),
            };
            group.threads.push(spawn(plan, reactor, clock.clone(), group.stop.clone(), ends_tx.clone())?);
            group.wakes.push(wake);
        }
        Ok(Engine {
            clock,
            view: control.view(),
            control,
            tail,
            commands: commands_tx,
            shared,
            rescues,
            counters,
            trading,
            service,
            ends,
            ends_tx,
            started_ns,
            store,
            transition,
            keeper,
            webhooks,
            stop_mark,
            marked_seq,
        })
    }

    /// Orders that the journal holds for open, but for protection that rests at a venue: that outlives the engine.
    pub fn open_orders(&self) -> usize {
        self.view.lock().core().orders_to_end()
    }
}

/// The simulated venues, and what the engine needs to trade there.
#[derive(Default)]
struct Simulated {
    agents: Vec<Box<dyn Agent>>,
    /// Of the account on paper, and of the one that plays live.
    binance: Vec<VenueKeys>,
    alpaca: Vec<VenueKeys>,
}

impl Simulated {
    /// Those that a configured venue trades on.
    fn start(config: &Config, sim: &config::Sim, threads: &Threads, clock: &Clock) -> Result<Simulated, StartError> {
        let mut all = Simulated::default();
        let trades = |kind| config.venues.iter().any(|v| v.credentials == config::Credentials::Sim && v.kind == kind);
        if trades(config::VenueKind::Binance) {
            let live = config.venues.iter().any(|v| v.environment != config::Environment::Paper);
            let mut accounts = vec![simulated::account(sim.seed, "paper", &sim.balances)];
            if live {
                accounts.push(simulated::account(sim.seed, "live", &sim.live_balances));
            }
            let known = simulated::keys_of(config, &mut accounts)
                .map_err(|cause| StartError::Venue { venue: "sim".to_owned(), cause })?;
            let live = live_market(config, sim, threads)?;
            let network = Box::new(threads.network("sim", None)?);
            let venue = simulated::start(sim, accounts, live, network, clock.clone())?;
            let addr = venue.local_addr();
            let data = live_market::addresses(sim);
            let keys = |(api_key, secret)| VenueKeys::simulated(&addr, "/ws-api/v3", data, api_key, secret);
            all.binance = known.into_iter().map(keys).collect();
            all.agents.push(Box::new(venue));
        }
        if let Some(alpaca) = sim.alpaca.as_ref().filter(|_| trades(config::VenueKind::Alpaca)) {
            let plays_live =
                |v: &config::Venue| v.kind == config::VenueKind::Alpaca && v.environment != config::Environment::Paper;
            let mut accounts = vec![simulated::alpaca_account(sim.seed, false, alpaca.cash)];
            if config.venues.iter().any(plays_live) {
                accounts.push(simulated::alpaca_account(sim.seed, true, alpaca.live_cash));
            }
            let known: Vec<_> = accounts.iter().map(|a| (a.key.clone(), a.secret.clone())).collect();
            let network = Box::new(threads.network("sim", None)?);
            let venue = simulated::start_alpaca(alpaca, sim.seed, accounts, network, clock.clone())?;
            let addr = venue.local_addr();
            let keys = |(key, secret)| VenueKeys::simulated(&addr, "/stream", None, key, secret);
            all.alpaca = known.into_iter().map(keys).collect();
            all.agents.push(Box::new(venue));
        }
        Ok(all)
    }

    fn keys(&self, kind: config::VenueKind, live: bool) -> Option<&VenueKeys> {
        match kind {
            config::VenueKind::Binance => self.binance.get(usize::from(live)),
            config::VenueKind::Alpaca => self.alpaca.get(usize::from(live)),
        }
    }
}

/// The real market of the simulated Binance, where it has one.
fn live_market(config: &Config, sim: &config::Sim, threads: &Threads) -> Result<Option<LiveMarket>, StartError> {
    let Some(venue) = live_market::venue(config) else { return Ok(None) };
    let network = Box::new(threads.network("sim", venue.ca_file.as_deref())?);
    live_market::open(config, sim, venue, network, &threads.wake("sim"))
        .map_err(|cause| StartError::Venue { venue: venue.name.clone(), cause })
}

/// The run's first events: what the configuration says, so that the journal alone can repeat the run.
fn begin_run(agent: &mut CoreAgent<Journal>, config: &Config, names: &Names, epoch: u32, run: u32) {
    agent.take(Body::Start { epoch, run });
    agent.take(Body::Limits(limits(&config.risk)));
    agent.take(Body::AlertRules(alert_rules(&config.alerts)));
    agent.take(Body::StopRules(stop_rules(&config.emergency)));
    agent.take(Body::ProtectRules(protect_rules(&config.protection)));
    for (at, venue) in config.venues.iter().enumerate() {
        agent.take(Body::Venue { venue: VenueId(at as u8), name: Text::new(&venue.name) });
    }
    for (at, venue) in config.venues.iter().enumerate() {
        if let config::Environment::Live { paper } = &venue.environment {
            agent.take(Body::LiveVenue { venue: VenueId(at as u8), paper: venue_id(config, paper) });
        }
    }
    if let Some(wanted) = &config.transition {
        agent.take(Body::Policy(transition::policy(wanted)));
    }
    for (name, asset) in &names.assets {
        agent.take(Body::Asset { asset: *asset, name: Text::new(name) });
    }
    for (wanted, named) in config.instruments.iter().zip(&names.instruments) {
        let permit = Permit { restricted: wanted.restricted, keeps_hours: wanted.hours, short_sale: wanted.short_sale };
        agent.take(Body::Permit { instrument: named.id, permit });
    }
    for route in &config.routes {
        let mut wanted = RouteConfig { policy: route_policy(route.policy), ..RouteConfig::default() };
        // The configuration has been checked: each leg is an instrument, and there are not too many.
        let legs = route.legs.iter().filter_map(|(venue, symbol)| names.instrument(venue_id(config, venue), symbol));
        for (place, leg) in wanted.legs.iter_mut().zip(legs) {
            *place = leg.id;
            wanted.count += 1;
        }
        agent.take(Body::Route(wanted));
    }
    for (at, strategy) in config.strategies.iter().enumerate() {
        let venue = venue_id(config, &strategy.venue);
        // The configuration has been checked: a strategy's instrument is configured.
        let Some(instrument) = names.instrument(venue, &strategy.symbol) else { continue };
        let id = StrategyId(at as u8 + 1);
        let mut allowed = Allowed::default();
        // A list says all that there is: an instrument of its own that is not on it is denied.
        if strategy.allow.is_empty() {
            allowed.add(instrument.id);
        }
        strategy.allow.iter().filter_map(|symbol| names.instrument(venue, symbol)).for_each(|i| allowed.add(i.id));
        agent.take(Body::Allow { strategy: id, allowed });
        agent.take(Body::Strategy(StrategyConfig {
            id,
            instrument: instrument.id,
            kind: strategy_kind(&strategy.kind, config.venues[usize::from(venue.0)].kind),
        }));
        // Its twin trades live, where its instrument has one.
        let twin = config.venues.iter().position(
            |other| matches!(&other.environment, config::Environment::Live { paper } if *paper == strategy.venue),
        );
        let live = twin.and_then(|at| Some((at, names.instrument(VenueId(at as u8), &strategy.symbol)?)));
        if let Some(((at, instrument), id)) = live.zip(id.live()) {
            let mut allowed = Allowed::default();
            allowed.add(instrument.id);
            agent.take(Body::Allow { strategy: id, allowed });
            let kind = strategy_kind(&strategy.kind, config.venues[at].kind);
            agent.take(Body::Strategy(StrategyConfig { id, instrument: instrument.id, kind }));
        }
    }
}

/// The last run ended because its core hung or a thread panicked: the stop that it could not journal is the first thing of this one. One that
/// a person has not taken back yet stays as it is. Returns the event by which it is set.
fn come_back_stopped(agent: &mut CoreAgent<Journal>, config: &Config, why: &str) -> u64 {
    tracing::error!(record = "alert", "the last run was ended: {why}; nothing trades until a person resumes");
    if !agent.core().stop().is_set() {
        agent.take(Body::Command(Command {
            request: RequestId(0),
            who: Text::new("watchdog"),
            from: Text::default(),
            why: Text::new(why),
            action: Action::EmergencyStop { flatten: config.emergency.flatten },
        }));
    }
    agent.core().seq()
}

fn route_policy(policy: config::RoutePolicy) -> RoutePolicy {
    match policy {
        config::RoutePolicy::PrimaryThenFallback => RoutePolicy::PrimaryThenFallback,
        config::RoutePolicy::BestPrice => RoutePolicy::BestPrice,
        config::RoutePolicy::LowestFee => RoutePolicy::LowestFee,
        config::RoutePolicy::Split => RoutePolicy::Split,
    }
}

/// The configuration has been checked: a venue that is named exists.
fn venue_id(config: &Config, name: &str) -> VenueId {
    VenueId(config.venues.iter().position(|venue| venue.name == name).unwrap_or(0) as u8)
}

fn strategy_kind(kind: &config::StrategyKind, venue: config::VenueKind) -> StrategyKind {
    match *kind {
        config::StrategyKind::EmaCross { fast, slow, sample_ns, order_notional } => {
            StrategyKind::EmaCross { fast, slow, sample_ns, order_notional }
        }
        config::StrategyKind::Maker { offset_ppm, requote_ppm, order_notional, inventory_max } => {
            StrategyKind::Maker { offset_ppm, requote_ppm, order_notional, inventory_max }
        }
        config::StrategyKind::Probe { every, qty } => {
            // The venue's scale; a quantity with more places than that is no lot of any instrument and is denied as such.
            let scale = match venue {
                config::VenueKind::Binance => crate::venues::binance::SCALE,
                config::VenueKind::Alpaca => crate::venues::alpaca::QTY_SCALE,
            };
            let exact = decimal::from_decimal(decimal::to_decimal(qty.value, qty.scale), scale);
            StrategyKind::Probe { every, qty: Qty(exact.unwrap_or(1)) }
        }
    }
}

fn alert_rules(alerts: &config::Alerts) -> AlertRules {
    let act = |act| match act {
        config::AlertAct::None => Act::None,
        config::AlertAct::Reduce => Act::Reduce,
        config::AlertAct::Halt => Act::Halt,
        config::AlertAct::Stop => Act::Stop,
    };
    AlertRules {
        acts: alerts.acts.map(act),
        escalate_after_ns: alerts.escalate_after_ns,
        escalated: act(alerts.escalated),
        exposure_high_ppm: alerts.exposure_high_ppm,
        balance_low_ppm: alerts.balance_low_ppm,
        feed_stale_ns: alerts.feed_stale_ns,
        venue_down_ns: alerts.venue_down_ns,
        risk_score_high: alerts.risk_score_high,
    }
}

fn protect_rules(protection: &config::Protection) -> ProtectRules {
    ProtectRules { at_venue: protection.at_venue, overdue_ns: protection.overdue_ns, again_ns: protection.again_ns }
}

fn stop_rules(emergency: &config::Emergency) -> StopRules {
    StopRules {
        flatten: emergency.flatten,
        cancel_foreign: emergency.cancel_foreign,
        heartbeat_max_ns: emergency.heartbeat_max_ns,
    }
}

fn limits(risk: &config::Risk) -> Limits {
    Limits {
        order_notional_max: risk.order_notional_max,
        position_notional_max: risk.position_notional_max,
        leverage_max_ppm: risk.leverage_max_ppm,
        account_balance_min: risk.account_balance_min,
        daily_loss_max: risk.daily_loss_max,
        quote_age_max_ns: risk.quote_age_max_ns,
        market_order_margin_ppm: risk.market_order_margin_ppm,
        open_orders_max: risk.open_orders_max,
        ack_timeout_ns: risk.ack_timeout_ns,
        not_found_after_ns: risk.not_found_after_ns,
        query_interval_ns: risk.query_interval_ns,
        reconcile_interval_ns: risk.reconcile_interval_ns,
        day_offset_ns: risk.day_offset_ns,
        price_collar_ppm: risk.price_collar_ppm,
        price_move_max_ppm: risk.price_move_max_ppm,
        price_move_window_ns: risk.price_move_window_ns,
        duplicate_window_ns: risk.duplicate_window_ns,
        orders_per_second_max: risk.orders_per_second_max,
        orders_per_day_max: risk.orders_per_day_max,
        order_to_trade_max: risk.order_to_trade_max,
        order_to_trade_orders_min: risk.order_to_trade_orders_min,
        runaway_executions_max: risk.runaway_executions_max,
        runaway_window_ns: risk.runaway_window_ns,
        exposure_gross_max: risk.exposure_gross_max,
        exposure_net_max: risk.exposure_net_max,
        strategy_exposure_max: risk.strategy_exposure_max,
        daily_loss_halt_ppm: risk.daily_loss_halt_ppm,
        drawdown_reduce_ppm: risk.drawdown_reduce_ppm,
        drawdown_halt_ppm: risk.drawdown_halt_ppm,
        loss_streak_max: risk.loss_streak_max,
        exposure_venue_max: risk.exposure_venue_max,
        exposure_asset_max: risk.exposure_asset_max,
        correlated_exposure_max: risk.correlated_exposure_max,
        correlation_threshold_ppm: risk.correlation_threshold_ppm,
        correlation_window: risk.correlation_window,
        correlation_samples_min: risk.correlation_samples_min,
        correlation_sample_ns: risk.correlation_sample_ns,
        hours: hours::rule(&risk.trading_hours),
        stop_loss_ppm: risk.stop_loss_ppm,
        take_profit_ppm: risk.take_profit_ppm,
        risk_per_trade_ppm: risk.risk_per_trade_ppm,
        sizing_volatility_ppm: risk.sizing_volatility_ppm,
        volatility_assumed_ppm: risk.volatility_assumed_ppm,
        value_at_risk_max: risk.value_at_risk_max,
        risk_score_max: risk.risk_score_max,
    }
}
