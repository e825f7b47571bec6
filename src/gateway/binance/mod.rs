//! Binance: one WebSocket API connection that carries requests, answers and the private stream; reconciliation over
//! REST; the venue's clock, which stamps every request.

mod calls;
mod clock_sync;
mod compound;
mod desk;
mod inflight;
mod reconcile;
mod references;
mod rekey;
mod renewal;
mod session;
#[cfg(test)]
mod tests;

use self::calls::Calls;
use self::desk::Desk;
use self::reconcile::{Backfill, Reconcile};
use self::references::References;
use self::rekey::KeySwap;
use self::renewal::{NextLink, OldLink, Twice};
use self::session::{Call, Phase};
use super::Leave;
use super::backoff::Backoff;
use super::live::LiveSession;
use super::rekey::NewKey;
use super::reports::Reports;
use crate::agent::Agent;
use crate::core::effect::Effect;
use crate::core::event::Input;
use crate::domain::{Instrument, Nanos, VenueId, VenueState};
use crate::net::link::{Rx, Tx};
use crate::net::url::{self, UrlError};
use crate::net::ws::{SendError, WebSocket, WsConfig};
use crate::net::{Endpoint, Network, Rest};
use crate::telemetry::clock::Clock;
use crate::telemetry::{Counter, Counters};
use crate::transition::LivePermit;
use crate::venues::assets::AssetTable;
use crate::venues::binance::SymbolTable;
use crate::venues::binance::account::{AccountDecoder, Names};
use crate::venues::binance::exchange_info::Wanted;
use crate::venues::binance::limits::Exceeded;
use crate::venues::binance::request::{PlaceError, RequestBuilder, RequestError};
use crate::venues::binance::sign::{RestSigner, Signer};
use crate::venues::binance::symbols::SymbolError;

/// What a gateway must know of its venue and account.
pub struct GatewayConfig {
    pub venue: VenueId,
    /// The venue's name; the agent's is `gateway-` and this.
    pub name: String,
    /// `https://api.binance.com`
    pub rest_url: String,
    /// `wss://ws-api.binance.com:443/ws-api/v3`
    pub ws_api_url: String,
    pub api_key: String,
    pub signer: Signer,
    /// The journal's: client order ids carry it.
    pub epoch: u32,
    pub recv_window_ms: u32,
    pub instruments: Vec<Wanted>,
    pub assets: AssetTable,
    /// Quote assets that count as dollars.
    pub usd_assets: Vec<String>,
    /// Until the account says its own.
    pub taker_fee_ppm: u32,
    pub connect_timeout_ns: Nanos,
    /// For an answer on the order link. The venue's own limit is ten seconds.
    pub request_timeout_ns: Nanos,
    /// A link that is silent for this long is dead; three pings go out in that time.
    pub read_timeout_ns: Nanos,
    pub reconnect_min_ns: Nanos,
    pub reconnect_max_ns: Nanos,
    /// Age at which the order link is replaced, below the venue's own limit (24 h, §17.2).
    pub renew_after_ns: Nanos,
    pub frame_max_bytes: usize,
    /// Between two measurements of the venue's clock.
    pub clock_check_ns: Nanos,
    /// Further from ours, or measured with a longer round trip: an alarm.
    pub clock_offset_alarm_ns: Nanos,
    /// Of back-off, masks and handshakes.
    pub seed: u64,
}

/// Why a gateway cannot be made, or a request not be sent.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error(transparent)]
    Url(UrlError),
    #[error(transparent)]
    Symbols(#[from] SymbolError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the venue is not ready for orders")]
    NotReady,
    #[error("VENUE_RATE_LIMIT the venue wants a pause, {s} s")]
    Paused { s: i64 },
    #[error(transparent)]
    RateLimit(#[from] Exceeded),
    #[error("too many requests without an answer")]
    TooManyUnanswered,
    #[error("the instrument is not one of this venue")]
    NoSymbol,
    #[error(transparent)]
    Unsayable(PlaceError),
    #[error(transparent)]
    Unwritten(SendError),
}

/// What a gateway counts.
pub struct GatewayCounters {
    pub reconnects: Counter,
    /// Orders and cancels that were not written.
    pub not_sent: Counter,
    /// Requests without an answer: time-outs and lost links.
    pub unanswered: Counter,
    /// Frames and bodies that could not be read.
    pub undecodable: Counter,
    /// Reports about orders of others in instruments that are not configured.
    pub foreign: Counter,
    /// Measurements of the venue's clock beyond the limit.
    pub clock_alarms: Counter,
    /// Order links replaced without a break.
    pub renewals: Counter,
    /// Private events that came by two links, and were told once.
    pub doubled: Counter,
}

impl GatewayCounters {
    fn new(counters: &Counters, venue: &str) -> GatewayCounters {
        let counter = |what: &str| counters.counter(&format!("gateway_{}_{what}_total", venue.replace('-', "_")));
        GatewayCounters {
            reconnects: counter("reconnects"),
            not_sent: counter("not_sent"),
            unanswered: counter("unanswered"),
            undecodable: counter("undecodable"),
            foreign: counter("foreign_reports"),
            clock_alarms: counter("clock_alarms"),
            renewals: counter("renewals"),
            doubled: counter("doubled_events"),
        }
    }
}

/// The agent.
pub struct Gateway {
    name: String,
    leave: Leave,
    config: GatewayConfig,
    endpoint: Endpoint,
    target: String,
    ws: WebSocket,
    ws_config: WsConfig,
    /// A renewal under way, when the next is due, and the events heard while two links bring them.
    next: Option<NextLink>,
    old: Option<OldLink>,
    renew_at: Nanos,
    twice: Twice,
    /// Where new keys come from, and one that waits for its link.
    keys: Option<Rx<NewKey>>,
    swap: Option<KeySwap>,
    network: Box<dyn Network>,
    rest: Box<dyn Rest>,
    effects: Rx<Effect>,
    desk: Desk,
    calls: Calls,
    phase: Phase,
    /// What the core was told last.
    told: VenueState,
    backoff: Backoff,
    rest_backoff: Backoff,
    next_ping: Nanos,
    /// `exchangeInfo` has been read since the last connect; not asked for before `info_after`; for all symbols.
    info_known: bool,
    info_after: Nanos,
    info_all: bool,
    instruments: Vec<Instrument>,
    taker_fee_ppm: u32,
    /// The core was told that the venue takes no orders from the account.
    barred: bool,
    /// REST requests without an answer; at most one of each kind.
    calls_out: Vec<(u64, Call)>,
    next_call: u64,
    backfills: Vec<Backfill>,
    reconcile: Option<Reconcile>,
    step_after: Nanos,
    references: References,
}

impl Gateway {
    /// `leave` says on what a session is opened. `network` and `rest` belong to the thread that will turn the agent. `effects` come from the core, reports go
    /// to it through `core`.
    #[allow(clippy::too_many_arguments)] // what an agent touches of the world is handed to it, piece by piece
    pub fn new(
        config: GatewayConfig,
        leave: Leave,
        clock: &Clock,
        network: Box<dyn Network>,
        rest: Box<dyn Rest>,
        effects: Rx<Effect>,
        core: Tx<Input>,
        counters: &Counters,
    ) -> Result<Gateway, GatewayError> {
        let (endpoint, path) = url::parse(&config.ws_api_url)?;
        url::parse(&config.rest_url)?;
        let symbols = SymbolTable::new(config.instruments.iter().map(|wanted| (wanted.id, wanted.symbol.as_str())))?;
        let names = Names { venue: config.venue, epoch: config.epoch, symbols, assets: config.assets.clone() };
        let builder = RequestBuilder::new(&config.api_key, &config.signer, config.epoch, config.recv_window_ms)?;
        let rest_signer = RestSigner::new(&config.api_key, config.signer.clone());
        let ws_config = WsConfig {
            message_max: config.frame_max_bytes,
            connect_timeout_ns: config.connect_timeout_ns,
            handshake_timeout_ns: config.connect_timeout_ns,
            ..WsConfig::default()
        };
        let desk = Desk::new(
            clock,
            Reports::new(core),
            AccountDecoder::new(names),
            builder,
            config.request_timeout_ns,
            config.clock_check_ns,
            GatewayCounters::new(counters, &config.name),
        );
        Ok(Gateway {
            leave,
            name: format!("gateway-{}", config.name),
            endpoint,
            // Others may use the account and the address: only the answers know what is left of the limits.
            target: format!("{path}?returnRateLimits=true"),
            ws: WebSocket::new(ws_config, config.seed).stamped_by(clock),
            ws_config,
            next: None,
            old: None,
            renew_at: 0,
            twice: Twice::new(),
            keys: None,
            swap: None,
            network,
            rest,
            effects,
            desk,
            calls: Calls::new(&config.rest_url, rest_signer, config.recv_window_ms),
            phase: Phase::Starting,
            told: VenueState::Down,
            backoff: Backoff::new(config.reconnect_min_ns, config.reconnect_max_ns, config.seed),
            rest_backoff: Backoff::new(config.reconnect_min_ns, config.reconnect_max_ns, !config.seed),
            next_ping: 0,
            info_known: false,
            info_after: 0,
            info_all: false,
            instruments: Vec::new(),
            taker_fee_ppm: config.taker_fee_ppm,
            barred: false,
            calls_out: Vec::with_capacity(4),
            next_call: 0,
            backfills: Vec::new(),
            reconcile: None,
            step_after: 0,
            references: References::default(),
            config,
        })
    }

    /// Takes new keys from there, while it trades.
    pub fn with_keys(mut self, keys: Rx<NewKey>) -> Gateway {
        self.keys = Some(keys);
        self
    }
}

impl LiveSession for Gateway {
    fn renew_permit(&mut self, permit: LivePermit) {
        self.leave = Leave::Live(permit);
    }
}

impl Agent for Gateway {
    fn name(&self) -> &str {
        &self.name
    }

    /// Orders go out before anything is read: a turn with both should not make them wait.
    fn do_work(&mut self, now: Nanos) -> usize {
        let flushed = self.desk.reports.flush();
        flushed
            + self.take_effects(now)
            + self.read_link(now)
            + self.renew(now)
            + self.read_rest(now)
            + self.keep_time(now)
    }
}
