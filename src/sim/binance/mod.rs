//! Binance Spot, simulated: REST, market streams, WebSocket API and user data on one port (`reference/binance-spot.md`).
//!
//! `venue` keeps symbols, accounts and orders; `place` and `matching` change them; `api` is the table of calls that
//! `rest` and `wsapi` are two front ends of; `pegs`, `sor` and `reference` are prices from the book, routing to other
//! books and the prices that takers are held to; `streams` and `user` write what goes out, `hub` sends it; `market` joins
//! the market models, `live` a real market; `state` survives a kill.

mod account;
mod account_calls;
mod api;
mod config;
mod errors;
mod filters;
mod history;
mod hub;
mod ledger;
mod limits;
mod list_calls;
mod listen_keys;
mod lists;
mod live;
mod market;
mod market_calls;
mod matching;
mod orders;
mod params;
mod pegs;
mod place;
mod reference;
mod replace;
mod rest;
mod routes;
mod sbe;
mod signing;
mod sor;
mod state;
mod statistics;
mod streams;
mod trigger;
mod user;
mod venue;
mod wsapi;

#[cfg(test)]
pub(in crate::sim) mod testing;
#[cfg(test)]
mod tests;

pub use account::{Balance, Fees, Permissions};
pub use config::{SimAccount, SimConfig};
pub use hub::ClientCounts;
pub use ledger::{Ledger, LedgerOrder};
pub use limits::LimitsConfig;
pub use live::STREAMS as LIVE_STREAMS;

use super::conn::{BadBytes, Conn, Message};
use super::control::{self, ControlServer, Which};
use super::faults::Faults;
use super::market::live::{Listed, LiveSource};
use super::market::recording::{self, Player};
use super::market::synthetic::Synthetic;
use super::{MarketSource, SimError, http};
use crate::agent::Agent;
use crate::domain::Nanos;
use crate::net::tls::TlsListener;
use crate::net::{Listener, Network};
use crate::telemetry::Clock;
use api::Desk;
use hub::{Hub, Role, Slot};
use limits::Limits;
use live::LiveMarket;
use market::Market;
use rest::After;
use state::StateLog;
use std::collections::BTreeMap;
use std::time::Duration;
use streams::Streams;
use venue::Venue;

/// An HTTP connection without a request for this long is closed.
const HTTP_IDLE_NS: Nanos = 300_000_000_000;
/// Requests of one connection on their way; with more it is not read, so that its client waits.
const UNDERWAY_MAX: usize = 4_096;

/// The simulated venue. An agent: it does nothing but in `do_work`.
pub struct BinanceSim {
    config: SimConfig,
    listener: Box<dyn Listener>,
    control: Option<ControlServer>,
    // Sockets are made by it; it must outlive them.
    _network: Box<dyn Network>,
    desk: Desk,
    hub: Hub,
    scratch: Vec<u8>,
    next_conn_id: u64,
}

impl BinanceSim {
    /// Opens the market, restores the ledger and listens.
    pub fn new(config: SimConfig, network: Box<dyn Network>, clock: Clock) -> Result<BinanceSim, SimError> {
        BinanceSim::open(config, None, network, clock)
    }

    /// As `new`, of a live market, which `source` brings.
    pub fn on_live(
        config: SimConfig,
        source: Box<dyn LiveSource>,
        network: Box<dyn Network>,
        clock: Clock,
    ) -> Result<BinanceSim, SimError> {
        BinanceSim::open(config, Some(source), network, clock)
    }

    fn open(
        config: SimConfig,
        source: Option<Box<dyn LiveSource>>,
        mut network: Box<dyn Network>,
        clock: Clock,
    ) -> Result<BinanceSim, SimError> {
        let now = clock.now();
        let mut venue = Venue::new(config.seed);
        venue.exchange = config.exchange;
        venue.listen_keys.on = config.listen_keys;
        // Ids grow by less than 10,000 a second: starting at the time, none comes twice after a restart.
        let first_id = (now / 100_000).max(1) as u64;
        let player = match &config.market {
            MarketSource::Synthetic(synthetic) => {
                for instrument in &synthetic.instruments {
                    venue.list(instrument.clone(), Some(first_id), 1);
                }
                None
            }
            MarketSource::Recording { files, speed } => {
                let recording = recording::load(files)?;
                for symbol in &recording.symbols {
                    venue.list(symbol.instrument.clone(), None, symbol.trade_id_max + 1);
                }
                Some(Player::new(recording, *speed))
            }
            MarketSource::Live(symbols) => {
                for symbol in symbols {
                    venue.list(symbol.instrument.clone(), None, first_id);
                }
                None
            }
        };
        if venue.symbols.is_empty() {
            return Err(SimError::NoInstruments);
        }
        venue.open_sors(&config.sors)?;
        for account in &config.accounts {
            config::open_account(&mut venue, account, config.fees)?;
        }
        let state = match &config.state_file {
            Some(path) => Some(StateLog::open(path, &mut venue)?),
            None => None,
        };
        let (streams, market) = match (player, &config.market) {
            (Some(player), _) => {
                let names: Vec<String> = player.recording.streams.iter().map(|(name, _)| name.clone()).collect();
                (Streams::named(names.into_iter()), Market::recorded(player, &mut venue))
            }
            (None, MarketSource::Synthetic(synthetic)) => {
                let mut model = Synthetic::new(synthetic.clone(), config.seed, now);
                for (index, symbol) in venue.symbols.iter().enumerate() {
                    if let Some(px) = symbol.px_last {
                        model.resume_at(index, px);
                    }
                }
                (Streams::synthetic(&venue), Market::synthetic(model, &mut venue, now))
            }
            (None, MarketSource::Live(symbols)) => {
                let Some(source) = source else { return Err(SimError::NoLiveSource) };
                let names = |listed: &Listed| {
                    let symbol = listed.instrument.symbol.to_lowercase();
                    live::STREAMS.map(|kind| format!("{symbol}@{kind}"))
                };
                let streams = Streams::named(symbols.iter().flat_map(names));
                (streams, Market::Live(Box::new(LiveMarket::new(source, symbols, &mut venue))))
            }
            // A recording always has a player.
            (None, MarketSource::Recording { .. }) => return Err(SimError::NoInstruments),
        };
        venue.rest_restored(now / 1_000);
        let faults = Faults::new(config.seed);
        // A real market's frames are sent as they were, and they are JSON.
        let sbe_streams = match &config.market {
            MarketSource::Synthetic(_) => Streams::named(sbe::names(&venue)),
            MarketSource::Recording { .. } | MarketSource::Live(_) => Streams::default(),
        };
        let mut hub = Hub::new(streams, sbe_streams, faults, state, config.backlog_max);
        hub.settle(&mut venue, now / 1_000);
        let listener =
            network.listen(&config.addr).map_err(|source| SimError::Listen { addr: config.addr.clone(), source })?;
        let listener: Box<dyn Listener> = match config.tls.clone() {
            Some(tls) => Box::new(TlsListener { inner: listener, tls }),
            None => listener,
        };
        let control = match &config.control {
            Some(addr) => {
                let listener =
                    network.listen(addr).map_err(|source| SimError::Listen { addr: addr.clone(), source })?;
                Some(ControlServer::new(listener))
            }
            None => None,
        };
        tracing::info!(addr = %listener.local_addr(), symbols = venue.symbols.len(), "the simulated Binance listens");
        let desk = Desk { venue, limits: Limits::new(config.limits.clone()), market, clock_offset_us: 0 };
        let scratch = vec![0; 16 * 1024];
        Ok(BinanceSim { config, listener, control, _network: network, desk, hub, scratch, next_conn_id: 1 })
    }

    /// `host:port` as bound.
    pub fn local_addr(&self) -> String {
        self.listener.local_addr()
    }

    /// What a client needs to know: URLs, keys and secrets, seed and symbols.
    pub fn ready(&self) -> serde_json::Value {
        let addr = self.local_addr();
        let s = if self.config.tls.is_some() { "s" } else { "" };
        let accounts: Vec<_> = self
            .config
            .accounts
            .iter()
            .map(|a| serde_json::json!({ "api_key": a.api_key, "secret": a.secret }))
            .collect();
        let symbols: Vec<_> = self.desk.venue.symbols.iter().map(|s| s.instrument.symbol.clone()).collect();
        let mut ready = serde_json::json!({
            "venue": "binance",
            "rest_url": format!("http{s}://{addr}"),
            "stream_url": format!("ws{s}://{addr}"),
            "sbe_url": format!("ws{s}://{addr}/sbe"),
            "ws_api_url": format!("ws{s}://{addr}/ws-api/v3"),
            "accounts": accounts,
            "seed": self.config.seed,
            "symbols": symbols,
        });
        if let Some(control) = &self.control {
            ready["control_url"] = format!("http://{}", control.local_addr()).into();
        }
        ready
    }

    /// The switches of what goes wrong on purpose; they may be changed between turns.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.hub.faults
    }

    /// Whether a recording has been played to its end; it stays false for a synthetic market.
    pub fn finished(&self) -> bool {
        self.desk.market.finished()
    }

    /// Frames of a recording that were sent, by stream kind (`bookTicker`, `depth@100ms`, ...).
    pub fn frames_sent(&self) -> BTreeMap<String, u64> {
        self.desk.market.sent()
    }

    /// What went wrong with clients so far.
    pub fn client_counts(&self) -> ClientCounts {
        self.hub.counts
    }

    /// Answers the control port.
    fn serve_control(&mut self, now: Nanos) -> usize {
        let Some(mut control) = self.control.take() else { return 0 };
        let requests = control.requests(&mut self.scratch, now);
        for (at, request) in &requests {
            let (status, body) = match control::parse(request, &self.hub.faults) {
                Ok(order) => (200, self.obey(order, now)),
                Err((status, msg)) => (status, control::refusal(&msg)),
            };
            control.answer(*at, status, &body, request.keep_alive, now);
        }
        control.tend(now);
        self.control = Some(control);
        requests.len()
    }

    /// Carries out an order of the control port; the answer is every switch as it is now.
    fn obey(&mut self, order: control::Order, now: Nanos) -> serde_json::Value {
        // A key's secret is not for the log, though the venue is a made up one.
        match &order {
            control::Order::AddKey { .. } => tracing::info!("the control port gives an account another key"),
            other => tracing::info!(order = ?other, "the control port orders"),
        }
        match order {
            control::Order::Show => {}
            control::Order::Faults(faults) => self.hub.faults = *faults,
            control::Order::Clear => {
                self.hub.faults.clear();
                self.desk.limits.pardon();
                self.desk.clock_offset_us = 0;
            }
            control::Order::Disconnect(Which::All) => self.hub.faults.disconnect_all(),
            control::Order::Disconnect(which) => {
                let meant = |role: &Role| match role {
                    Role::Http => false,
                    Role::Streams(_) | Role::Sbe(_) => which == Which::Streams,
                    Role::Api(_) => which == Which::Api,
                };
                self.hub.slots.iter_mut().flatten().filter(|s| meant(&s.role)).for_each(|s| s.conn.reset());
            }
            control::Order::ServerShutdown(seconds) => self.hub.shut_down(now + i64::from(seconds) * 1_000_000_000),
            control::Order::Clock(offset_ms) => self.desk.clock_offset_us = offset_ms * 1_000,
            control::Order::Ban(seconds) => {
                self.desk.limits.ban(seconds, now / 1_000);
                for slot in self.hub.slots.iter_mut().flatten().filter(|s| matches!(s.role, Role::Api(_))) {
                    slot.conn.close_ws(now, 1008, "banned");
                }
            }
            control::Order::RateLimit { seconds, refusals, ban_seconds } => {
                self.desk.limits.exhaust(seconds, refusals, ban_seconds, now / 1_000);
            }
            control::Order::AddKey { api_key, secret, account } => {
                let venue = &mut self.desk.venue;
                let account = match &account {
                    Some(known) => venue.by_key.get(known).copied(),
                    None => (!venue.accounts.is_empty()).then_some(0),
                };
                match (signing::Key::parse(&secret), account) {
                    (Ok(key), Some(account)) => {
                        venue.by_key.insert(api_key.clone(), account);
                        venue.more_keys.insert(api_key, key);
                    }
                    (Err(fault), _) => tracing::error!(%fault, "the key is not taken"),
                    (_, None) => tracing::error!("there is no such account"),
                }
            }
            control::Order::RevokeKey(api_key) => {
                self.desk.venue.by_key.remove(&api_key);
                self.desk.venue.more_keys.remove(&api_key);
            }
            control::Order::Price { symbol, px, still } => {
                match self.desk.venue.symbols.iter().position(|listed| listed.instrument.symbol == symbol) {
                    Some(at) => self.desk.market.put(at, px, still),
                    None => tracing::error!(symbol, "is not listed"),
                }
            }
            control::Order::Ledger { asset, change, account } => {
                if !self.desk.venue.change_ledger(account.as_deref(), &asset, change) {
                    tracing::error!(asset, "no such account has so much of it");
                }
            }
            control::Order::Hang(ms) => self.hub.faults.hang(Duration::from_millis(ms.into())),
            control::Order::Report(event) => self.hub.tell_all(&event),
            control::Order::DropAfter(bytes) => {
                self.hub.slots.iter_mut().flatten().for_each(|slot| slot.conn.cut_after(bytes));
            }
        }
        self.hub.faults.show()
    }

    /// Takes in new connections.
    fn accept(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        while let Ok(Some(mut stream)) = self.listener.accept() {
            work += 1;
            if self.hub.connections() >= self.config.connections_max {
                self.hub.counts.refused_connections += 1;
                tracing::warn!(max = self.config.connections_max, "a connection above the limit was closed");
                stream.close();
                continue;
            }
            self.hub.accept(Conn::new(self.next_conn_id, stream, now));
            self.next_conn_id += 1;
        }
        work
    }

    /// Reads one connection and carries out what it asks for, once it has arrived.
    fn serve(&mut self, slot: usize, now: Nanos) -> usize {
        let Some(mut entry) = self.hub.slots[slot].as_mut() else { return 0 };
        let mut work = 0;
        while let Some((_, message)) = entry.underway.pop_front_if(|(arrives, _)| *arrives <= now) {
            work += 1;
            self.on_message(slot, message, now);
            self.hub.settle(&mut self.desk.venue, now / 1_000);
            let Some(again) = self.hub.slots[slot].as_mut() else { return work };
            entry = again;
        }
        work += usize::from(entry.underway.len() < UNDERWAY_MAX && entry.conn.read(&mut self.scratch, now) > 0);
        loop {
            let Some(entry) = &mut self.hub.slots[slot] else { return work };
            match entry.conn.next(now) {
                Ok(None) => return work,
                Ok(Some(message)) if self.config.order_latency_ns > 0 => {
                    entry.underway.push_back((now + self.config.order_latency_ns, message));
                }
                Ok(Some(message)) => {
                    work += 1;
                    self.on_message(slot, message, now);
                    self.hub.settle(&mut self.desk.venue, now / 1_000);
                }
                Err(bad) => {
                    self.on_bad_bytes(slot, bad, now);
                    return work + 1;
                }
            }
        }
    }

    fn on_bad_bytes(&mut self, slot: usize, bad: BadBytes, now: Nanos) {
        let Some(Slot { conn, .. }) = &mut self.hub.slots[slot] else { return };
        match bad {
            BadBytes::Http(fault) => {
                self.hub.counts.bad_http += 1;
                tracing::warn!(%fault, "a connection was answered and closed");
                http::respond(conn.out(), fault.status(), "text/plain", &[], fault.to_string().as_bytes(), false);
                conn.close(now);
            }
            BadBytes::Ws(fault) => {
                self.hub.counts.bad_frames += 1;
                tracing::warn!(%fault, "a WebSocket connection was closed");
                conn.close_ws(now, fault.close_code(), &fault.to_string());
            }
        }
    }

    fn on_message(&mut self, slot: usize, message: Message, now: Nanos) {
        let Some(Slot { conn, role, .. }) = &mut self.hub.slots[slot] else { return };
        let now_us = now / 1_000;
        match (message, &mut *role) {
            (Message::Http(request), _) => {
                let before = conn.backlog() as u64;
                let mut out = std::mem::take(conn.out());
                let after = rest::handle(&mut self.desk, &mut self.hub.faults, &request, &mut out, now_us);
                *conn.out() = out;
                match after {
                    After::Answered { keep_alive: true } => {}
                    After::Answered { keep_alive: false } => conn.close(now),
                    After::Cut(bytes) => conn.cut_after(before + bytes),
                    After::Reset => conn.reset(),
                    After::Upgraded(mut new_role, names) => {
                        conn.upgrade(now);
                        let (streams, session) = match &mut new_role {
                            Role::Streams(session) => (&mut self.hub.streams, Some(session)),
                            Role::Sbe(session) => (&mut self.hub.sbe_streams, Some(session)),
                            Role::Http | Role::Api(_) => (&mut self.hub.streams, None),
                        };
                        if session.is_some_and(|session| !streams.subscribe_all(slot, session, names)) {
                            conn.close_ws(now, 1008, "too many streams on one connection");
                        }
                        *role = new_role;
                    }
                }
            }
            (Message::Text(text), Role::Sbe(session)) => {
                if talks_too_much(session, self.config.stream_messages_per_second, now) {
                    self.hub.counts.talkative_clients += 1;
                    conn.close_ws(now, 1008, "Too many requests");
                    return;
                }
                match self.hub.sbe_streams.control(slot, session, &text) {
                    Some(answer) => conn.send_text(&[&answer]),
                    None => conn.close_ws(now, 1008, "too many streams on one connection"),
                }
            }
            (Message::Text(text), Role::Streams(session)) => {
                if talks_too_much(session, self.config.stream_messages_per_second, now) {
                    self.hub.counts.talkative_clients += 1;
                    conn.close_ws(now, 1008, "Too many requests");
                    return;
                }
                match self.hub.streams.control(slot, session, &text) {
                    Some(answer) => conn.send_text(&[&answer]),
                    None => conn.close_ws(now, 1008, "too many streams on one connection"),
                }
            }
            (Message::Control | Message::Binary(_), Role::Streams(session) | Role::Sbe(session)) => {
                if talks_too_much(session, self.config.stream_messages_per_second, now) {
                    self.hub.counts.talkative_clients += 1;
                    conn.close_ws(now, 1008, "Too many requests");
                }
            }
            (Message::Text(text), Role::Api(session)) => {
                let reply = wsapi::handle(&mut self.desk, &mut self.hub.faults, session, &text, now_us);
                if let Some(bytes) = reply.cut {
                    conn.cut_after(conn.backlog() as u64 + bytes);
                }
                match reply.text {
                    Some(text) => conn.send_text(&[&text]),
                    None => conn.reset(),
                }
                for event in &reply.events {
                    conn.send_text(&[event]);
                }
                if reply.close {
                    conn.close_ws(now, 1008, "banned");
                }
            }
            (Message::Control | Message::Binary(_), _) | (Message::Text(_), Role::Http) => {}
        }
        if self.hub.streams.has_subscribers() {
            self.desk.market.subscribed(now);
        }
    }

    /// Pings, ages, bounds and writes every connection; drops those that are done.
    fn tend(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        let back_ns = self.config.report_latency_ns;
        let Hub { slots, streams, sbe_streams, counts, backlog_max, faults, .. } = &mut self.hub;
        for (index, entry) in slots.iter_mut().enumerate() {
            let Some(Slot { conn, role, shut_at, .. }) = entry else { continue };
            if conn.open() && !conn.keep_alive(now) {
                counts.silent_clients += 1;
                tracing::warn!(conn = conn.id, "a client that answered no ping was closed");
                conn.close_ws(now, 1008, "no pong");
            }
            if !conn.is_ws() && now - conn.heard_ns >= HTTP_IDLE_NS {
                conn.close(now);
            }
            if conn.is_ws() && now - conn.opened_ns >= self.config.connection_lifetime_ns {
                conn.close_ws(now, 1001, "the connection has reached its age limit");
            }
            if shut_at.is_some_and(|at| now >= at) {
                conn.close_ws(now, 1001, "the server shuts down");
            }
            // A market that is made up is as far away as its frames say.
            let way_ns = if matches!(role, Role::Streams(_) | Role::Sbe(_)) { 0 } else { back_ns };
            work += usize::from(conn.flush(faults.lateness_ns() + way_ns, now) > 0);
            if conn.backlog() > *backlog_max {
                counts.slow_clients += 1;
                tracing::warn!(conn = conn.id, backlog = conn.backlog(), "a client that reads too slowly was closed");
                conn.reset();
            }
            if conn.finished(now) {
                *entry = None;
                streams.forget(index);
                sbe_streams.forget(index);
            }
        }
        work
    }
}

impl Agent for BinanceSim {
    fn name(&self) -> &str {
        "sim-binance"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        self.hub.now = now;
        self.hub.faults.stand_still();
        let controlled = self.serve_control(now);
        if self.hub.faults.take_disconnect_all() {
            self.hub.slots.iter_mut().flatten().for_each(|slot| slot.conn.reset());
        }
        let mut work = controlled + self.accept(now);
        for slot in 0..self.hub.slots.len() {
            work += self.serve(slot, now);
        }
        work += self.hub.release_due();
        work += self.desk.market.turn(&mut self.desk.venue, &mut self.hub, now);
        self.hub.settle(&mut self.desk.venue, now / 1_000);
        work + self.tend(now)
    }
}

/// Counts one message of a stream connection against its second.
fn talks_too_much(session: &mut streams::StreamSession, max: u32, now: Nanos) -> bool {
    let second = now / 1_000_000_000;
    if session.messages.0 != second {
        session.messages = (second, 0);
    }
    session.messages.1 += 1;
    session.messages.1 > max
}
