//! The real market that the simulated venue is opened on: its public data and nothing else. No key goes there, and no
//! address that takes orders is known here.

use crate::config::{Config, Credentials, Environment, Sim, SimSource, Venue, VenueKind};
use crate::domain::Nanos;
use crate::feed::tap::{Tap, TapConfig, Tapped, symbols_target};
use crate::net::Network;
use crate::net::link::Wake;
use crate::net::rest::UreqRest;
use crate::net::rest::ureq::{UreqTimeouts, tls_config};
use crate::net::url;
use crate::sim::binance::LIVE_STREAMS;
use crate::sim::market::live::{Listed, LiveNews, LiveSource, listed};
use std::time::Duration;

/// Levels of a snapshot, a side: as deep as the venue goes, since our orders may stand anywhere.
const SNAPSHOT_LEVELS: u32 = 5_000;

/// The symbols with the venue's filters as they are now, and the source of everything after.
pub struct LiveMarket {
    pub symbols: Vec<Listed>,
    pub source: Box<dyn LiveSource>,
}

struct Source(Tap);

impl LiveSource for Source {
    fn poll(&mut self, now: Nanos) -> Option<LiveNews> {
        self.0.poll(now).map(|tapped| match tapped {
            Tapped::Up => LiveNews::Up,
            Tapped::Down => LiveNews::Down,
            Tapped::Frame(frame) => LiveNews::Frame(frame),
            Tapped::Book { symbol, body } => LiveNews::Book { symbol, body },
            Tapped::Symbols(body) => LiveNews::Symbols(body),
        })
    }

    fn ask_book(&mut self, symbol: usize) {
        self.0.ask_book(symbol);
    }

    fn ask_symbols(&mut self) {
        self.0.ask_symbols();
    }
}

/// Where the market of a simulated venue is, if it is a real one: server of the streams, and of snapshots and symbols.
pub fn addresses(sim: &Sim) -> Option<(&str, &str)> {
    match &sim.source {
        SimSource::Live { stream_url, rest_url } => Some((stream_url, rest_url)),
        SimSource::Synthetic | SimSource::Recording { .. } => None,
    }
}

/// The venue that is simulated on it: the one that trades on paper.
pub fn venue(config: &Config) -> Option<&Venue> {
    config.venues.iter().find(|venue| {
        venue.credentials == Credentials::Sim
            && venue.kind == VenueKind::Binance
            && venue.environment == Environment::Paper
    })
}

/// Asks for the symbols, which blocks for as long as a request may take, and prepares the streams. `venue` is the one
/// that is simulated; `wake` belongs to the thread that turns it.
pub fn open(
    config: &Config,
    sim: &Sim,
    venue: &Venue,
    network: Box<dyn Network>,
    wake: &Wake,
) -> Result<Option<LiveMarket>, String> {
    let Some((stream_url, rest_url)) = addresses(sim) else { return Ok(None) };
    let mut wanted: Vec<String> = Vec::new();
    for instrument in &config.instruments {
        // The account that plays live trades the same symbols.
        if instrument.venue == venue.name && !wanted.contains(&instrument.symbol) {
            wanted.push(instrument.symbol.clone());
        }
    }
    let timeouts = UreqTimeouts {
        connect: Duration::from_nanos(venue.connect_timeout_ns.unsigned_abs()),
        total: Duration::from_nanos(venue.request_timeout_ns.unsigned_abs()),
    };
    let symbols = ask_symbols(rest_url, &wanted, timeouts, venue)?;
    let order = |listed: &Listed| wanted.iter().position(|symbol| *symbol == listed.instrument.symbol);
    let mut known: Vec<(usize, Listed)> = symbols.into_iter().filter_map(|s| Some((order(&s)?, s))).collect();
    known.sort_by_key(|(place, _)| *place);
    if known.len() < wanted.len() {
        return Err(format!("the live market at {rest_url} does not list all of {}", wanted.join(", ")));
    }
    let (stream, stream_path) = url::parse(stream_url).map_err(|cause| cause.to_string())?;
    let tap = TapConfig {
        venue: venue.name.clone(),
        stream,
        stream_path,
        rest_url: rest_url.to_owned(),
        symbols: wanted,
        streams: LIVE_STREAMS.map(str::to_owned).to_vec(),
        snapshot_levels: SNAPSHOT_LEVELS,
        connect_timeout_ns: venue.connect_timeout_ns,
        read_timeout_ns: venue.read_timeout_ns,
        reconnect_min_ns: venue.reconnect_min_ns,
        reconnect_max_ns: venue.reconnect_max_ns,
        frame_max_bytes: venue.frame_max_bytes,
    };
    let rest = UreqRest::new("rest-market", timeouts, venue.ca_file.as_deref(), wake).map_err(|e| e.to_string())?;
    tracing::info!("the market is live, from {stream_url}; orders are matched here, on paper");
    let source = Box::new(Source(Tap::new(tap, network, Box::new(rest), fastrand::u64(..))));
    Ok(Some(LiveMarket { symbols: known.into_iter().map(|(_, symbol)| symbol).collect(), source }))
}

fn ask_symbols(
    rest_url: &str,
    wanted: &[String],
    timeouts: UreqTimeouts,
    venue: &Venue,
) -> Result<Vec<Listed>, String> {
    let url = format!("{rest_url}{}", symbols_target(wanted));
    let failed = |cause: String| format!("the live market cannot be asked for its symbols at {rest_url}: {cause}");
    let tls = tls_config(venue.ca_file.as_deref()).map_err(|cause| failed(cause.to_string()))?;
    let agent = ureq::Agent::config_builder()
        .timeout_connect(Some(timeouts.connect))
        .timeout_global(Some(timeouts.total))
        .http_status_as_error(false)
        .max_redirects(0)
        .tls_config(tls)
        .build()
        .new_agent();
    let mut response = agent.get(&url).call().map_err(|cause| failed(cause.to_string()))?;
    let body = response.body_mut().read_to_vec().map_err(|cause| failed(cause.to_string()))?;
    if response.status().as_u16() != 200 {
        let text = String::from_utf8_lossy(&body);
        let said: String = text.chars().take(200).collect();
        return Err(failed(format!("{}: {said}", response.status())));
    }
    listed(&body).map_err(failed)
}
