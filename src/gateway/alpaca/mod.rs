//! Alpaca: orders by REST over kept-alive connections, what becomes of them by the trade-update stream.
//!
//! Three ways go to the venue, so that nothing waits for what has nothing to do with it: one for what changes orders,
//! one for cancels, one for questions; each has connections of its own on threads of its own. New orders of one
//! instrument go one after the other, each once the one before it is answered (`lanes`): two connections may overtake
//! each other. A cancel goes at once.
//!
//! The venue takes cancels by its own id alone. Until that is known (by the answer, or by the stream, whichever is
//! first) a cancel waits here, and is refused if the order turns out not to be there.
//!
//! With money, all of it stands on a permit: while none holds nothing is asked, sent or kept open.
//!
//! The stream replays nothing (§16.1): after each break the account's orders, fills since the last reconciliation,
//! positions and worth are asked for before anything is sent again. Fills are counted by the stream's execution id,
//! which the account's activities carry too.

mod account;
mod ask;
mod compound;
mod desk;
mod lanes;
mod reconcile;
mod rekey;
mod session;
#[cfg(test)]
mod tests;

use self::account::Standing;
use self::ask::Call;
use self::compound::Compounds;
use self::lanes::Lanes;
use self::reconcile::{Backfill, Reconcile};
use self::rekey::{NextStream, OldStream};
use self::session::Phase;
use super::Leave;
use super::backoff::Backoff;
use super::known::KnownOrders;
use super::live::LiveSession;
use super::rekey::NewKey;
use super::reports::Reports;
use crate::agent::Agent;
use crate::core::effect::{CancelOrder, Effect};
use crate::core::event::Input;
use crate::domain::{AssetId, InstrumentId, MAX_INSTRUMENTS, Nanos, VenueState};
use crate::net::link::{Rx, Tx};
use crate::net::url::{self, UrlError};
use crate::net::ws::{WebSocket, WsConfig};
use crate::net::{Endpoint, Network, Rest};
use crate::telemetry::clock::Clock;
use crate::telemetry::{Counter, Counters};
use crate::transition::LivePermit;
use crate::venues::alpaca::limits::Limits;
use crate::venues::alpaca::names::{Names, Twice};
use crate::venues::alpaca::request::RequestBuilder;
use std::collections::VecDeque;
use zeroize::Zeroizing;

/// What a gateway must know of its venue and account.
pub struct AlpacaConfig {
    /// The venue's name; the agent's is `gateway-` and this.
    pub name: String,
    pub names: Names,
    /// `https://paper-api.alpaca.markets`
    pub rest_url: String,
    /// `wss://paper-api.alpaca.markets/stream`
    pub stream_url: String,
    pub api_key: String,
    pub secret: Zeroizing<String>,
    /// The asset that the account's cash is.
    pub cash: AssetId,
    /// Commission of a taker of crypto, parts per million: held on top of an order, and taken for what a sale paid
    /// until the account's cash says so.
    pub crypto_fee_ppm: u32,
    pub connect_timeout_ns: Nanos,
    /// A stream that is silent for this long is dead; three pings go out in that time.
    pub read_timeout_ns: Nanos,
    pub reconnect_min_ns: Nanos,
    pub reconnect_max_ns: Nanos,
    pub frame_max_bytes: usize,
    /// Of back-off, masks and handshakes.
    pub seed: u64,
}

/// The ways to the venue: see the module.
pub struct Ways {
    pub orders: Box<dyn Rest>,
    pub cancels: Box<dyn Rest>,
    pub questions: Box<dyn Rest>,
}

/// Why a gateway cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AlpacaError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error(transparent)]
    Symbols(#[from] Twice),
}

/// What a gateway counts.
pub(super) struct AlpacaCounters {
    reconnects: Counter,
    not_sent: Counter,
    unanswered: Counter,
    undecodable: Counter,
    foreign: Counter,
}

impl AlpacaCounters {
    fn new(counters: &Counters, venue: &str) -> AlpacaCounters {
        let counter = |what: &str| counters.counter(&format!("gateway_{}_{what}_total", venue.replace('-', "_")));
        AlpacaCounters {
            reconnects: counter("reconnects"),
            not_sent: counter("not_sent"),
            unanswered: counter("unanswered"),
            undecodable: counter("undecodable"),
            foreign: counter("foreign_reports"),
        }
    }
}

/// The agent.
pub struct AlpacaGateway {
    agent: String,
    config: AlpacaConfig,
    /// What every connection stands on.
    leave: Leave,
    clock: Clock,
    endpoint: Endpoint,
    target: String,
    ws: WebSocket,
    ws_config: WsConfig,
    network: Box<dyn Network>,
    ways: Ways,
    effects: Rx<Effect>,
    reports: Reports,
    builder: RequestBuilder,
    limits: Limits,
    known: KnownOrders,
    compounds: Compounds,
    counters: AlpacaCounters,
    phase: Phase,
    /// What the core was told last.
    told: VenueState,
    backoff: Backoff,
    next_ping: Nanos,
    lanes: Lanes,
    /// Cancels of orders whose venue id is not known yet.
    parked: Vec<CancelOrder>,
    /// Cancels of everything in an instrument, of this turn.
    cancel_all: Vec<InstrumentId>,
    /// Requests without an answer.
    out: Vec<(u64, Call)>,
    next_call: u64,
    /// Questions that wait for their turn.
    asks: VecDeque<Call>,
    ask_after: Nanos,
    ask_backoff: Backoff,
    /// What the account may do, and what is traded.
    standing: Standing,
    info_ns: Nanos,
    backfills: Vec<Backfill>,
    reconcile: Option<Reconcile>,
    /// The venue's clock minus ours, by its own coarse word.
    offset_ns: Nanos,
    /// What the core was told of the limit and of the clock.
    limits_near: bool,
    clock_off: bool,
    /// The account's worth is to be asked for; no order was sent or answered since this time.
    account_due: bool,
    changed_ns: Nanos,
    account_after: Nanos,
    /// By instrument: what the venue says is held.
    held: Vec<Option<i64>>,
    /// New keys, and what the exchange of one has come to.
    keys: Option<Rx<NewKey>>,
    next: Option<NextStream>,
    old: Option<OldStream>,
}

impl AlpacaGateway {
    /// `network` and `ways` belong to the thread that will turn the agent. `effects` come from the core, reports go to
    /// it through `core`. `epoch` is in `config.names`.
    #[allow(clippy::too_many_arguments)] // each is one thing that its thread alone has
    pub fn new(
        config: AlpacaConfig,
        leave: Leave,
        clock: &Clock,
        network: Box<dyn Network>,
        ways: Ways,
        effects: Rx<Effect>,
        core: Tx<Input>,
        counters: &Counters,
    ) -> Result<AlpacaGateway, AlpacaError> {
        let (endpoint, path) = url::parse(&config.stream_url)?;
        url::parse(&config.rest_url)?;
        let ws = WsConfig {
            message_max: config.frame_max_bytes,
            connect_timeout_ns: config.connect_timeout_ns,
            handshake_timeout_ns: config.connect_timeout_ns,
            ..WsConfig::default()
        };
        let back_off = |seed| Backoff::new(config.reconnect_min_ns, config.reconnect_max_ns, seed);
        Ok(AlpacaGateway {
            agent: format!("gateway-{}", config.name),
            endpoint,
            target: if path.is_empty() { "/stream".to_owned() } else { path },
            ws: WebSocket::new(ws, config.seed),
            ws_config: ws,
            network,
            ways,
            effects,
            reports: Reports::new(core),
            builder: RequestBuilder::new(config.names.epoch),
            limits: Limits::default(),
            known: KnownOrders::new(),
            compounds: Compounds::default(),
            counters: AlpacaCounters::new(counters, &config.name),
            phase: Phase::Starting,
            told: VenueState::Down,
            backoff: back_off(config.seed),
            next_ping: 0,
            lanes: Lanes::new(),
            parked: Vec::new(),
            cancel_all: Vec::new(),
            out: Vec::with_capacity(64),
            next_call: 0,
            asks: VecDeque::new(),
            ask_after: 0,
            ask_backoff: back_off(!config.seed),
            standing: Standing::default(),
            info_ns: 0,
            backfills: Vec::new(),
            reconcile: None,
            offset_ns: 0,
            limits_near: false,
            clock_off: false,
            account_due: false,
            changed_ns: 0,
            account_after: 0,
            held: vec![None; MAX_INSTRUMENTS],
            keys: None,
            next: None,
            old: None,
            clock: clock.clone(),
            leave,
            config,
        })
    }

    /// Takes new keys from there, while it trades.
    pub fn with_keys(mut self, keys: Rx<NewKey>) -> AlpacaGateway {
        self.keys = Some(keys);
        self
    }
}

impl LiveSession for AlpacaGateway {
    fn renew_permit(&mut self, permit: LivePermit) {
        self.leave = Leave::Live(permit);
    }
}

impl Agent for AlpacaGateway {
    fn name(&self) -> &str {
        &self.agent
    }

    /// Orders go out before anything is read: a turn with both should not make them wait.
    fn do_work(&mut self, now: Nanos) -> usize {
        let flushed = self.reports.flush();
        if !self.leave.holds(now, self.config.names.venue) {
            return flushed + self.bar(now);
        }
        flushed
            + self.take_effects(now)
            + self.rekey(now)
            + self.read_stream(now)
            + self.read_answers(now)
            + self.send_waiting(now)
            + self.keep_time(now)
    }
}
