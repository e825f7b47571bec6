//! Alpaca, simulated: trading REST v2, the trade-update stream, market data by REST and by stream, on one port
//! (`reference/alpaca.md`).
//!
//! `venue` keeps assets, accounts and orders; `ask` and `checks` say what is taken, `place` and `life` what becomes of it;
//! `calendar` has the exchange's days and the clock that can be set; `market` joins the market model, `tape` keeps what it
//! has shown. `rest`, `show` and `history` are the trading routes, `stream` the account's events; `data_rest` and `data`
//! are the market's, in the records of `record` and the form of `msgpack`. `door` decides who may ask, `hub` sends;
//! `state` remembers across a kill, `port` makes things go wrong.
//!
//! Two clocks: delays, pings and limits run on the process's time; everything that the venue says is in its own, which
//! can be set and run faster.

mod account;
mod ask;
mod assets;
mod body;
mod calendar;
mod checks;
mod data;
mod data_rest;
mod door;
mod errors;
mod history;
mod hub;
mod life;
mod limits;
mod market;
mod msgpack;
mod number;
mod orders;
mod place;
mod port;
mod query;
mod record;
mod rest;
mod show;
mod state;
mod stream;
mod tape;
mod venue;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use assets::{Asset, AssetClass, defaults as default_assets};
pub use calendar::{Hours, parse_time};
pub use hub::ClientCounts;
pub use venue::{FillModel, Rules};

use super::conn::{BadBytes, Conn, Message};
use super::control::ControlServer;
use super::faults::Faults;
use super::{SimError, http};
use crate::agent::Agent;
use crate::domain::Nanos;
use crate::net::{Listener, Network};
use crate::telemetry::Clock;
use account::Account;
use calendar::{Calendar, VenueClock};
use data::{DataSession, Said};
use door::{After, Door};
use hub::{Hub, Role, Slot};
use market::Market;
use number::MONEY;
use state::StateLog;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tape::Tape;
use venue::Venue;

/// An HTTP connection without a request for this long is closed.
const HTTP_IDLE_NS: Nanos = 300_000_000_000;
const MINUTE_NS: Nanos = 60_000_000_000;

/// An account with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlpacaAccount {
    pub key: String,
    pub secret: String,
    /// Dollars as decimal text.
    pub cash: String,
    /// 1 is a cash account, 2 Reg T margin, 4 intraday margin.
    pub multiplier: u8,
}

/// Where the venue's clock begins, and how fast it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockStart {
    /// Nanoseconds since the epoch; without it the process's time.
    pub at: Option<Nanos>,
    /// Thousandths of real time.
    pub speed_permille: i64,
}

/// How a simulated Alpaca starts.
#[derive(Debug, Clone)]
pub struct AlpacaConfig {
    /// `host:port`; port 0 takes a free one.
    pub addr: String,
    pub accounts: Vec<AlpacaAccount>,
    pub assets: Vec<Asset>,
    pub seed: u64,
    /// Multiplies the volatility of every asset.
    pub volatility: f64,
    pub rules: Rules,
    pub hours: Hours,
    pub clock: ClockStart,
    /// Trading requests a minute and account; market-data requests have a budget of the same size.
    pub requests_per_minute: u32,
    /// The paper service sends its trade updates in binary frames, the live one in text frames.
    pub binary_updates: bool,
    /// Connections at one time; further ones are closed at once.
    pub connections_max: usize,
    /// Bytes that a client may leave unread before it is closed.
    pub backlog_max: usize,
    /// Where the control port listens; without it there is none.
    pub control: Option<String>,
    /// The accounts and orders, that survive a restart; without it each start begins anew.
    pub state_file: Option<PathBuf>,
}

impl AlpacaConfig {
    /// A venue on `addr` that is always open, everything else as shipped.
    pub fn new(addr: &str, accounts: Vec<AlpacaAccount>) -> AlpacaConfig {
        AlpacaConfig {
            addr: addr.to_owned(),
            accounts,
            assets: assets::defaults(),
            seed: 1,
            volatility: 1.0,
            rules: Rules::default(),
            hours: Hours::Always,
            clock: ClockStart { at: None, speed_permille: 1_000 },
            requests_per_minute: 200,
            binary_updates: true,
            connections_max: 256,
            backlog_max: 8 << 20,
            control: None,
            state_file: None,
        }
    }
}

/// One account's truth, for tests that compare a client's view with the venue's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlpacaLedger {
    /// In 10^-18 of a dollar; with it what may be bought on margin and without, open orders taken off.
    pub cash: i128,
    pub buying_power: i128,
    pub cash_power: i128,
    /// By symbol, in 10^-9; negative is short.
    pub positions: BTreeMap<String, i64>,
    /// `(client order id, status, filled quantity)`, oldest first.
    pub open_orders: Vec<(String, &'static str, i64)>,
    /// Fills so far.
    pub fills: usize,
    /// Of every order that there ever was, and how often one was used again.
    pub client_ids: Vec<String>,
    pub repeated: usize,
}

/// The simulated venue. An agent: it does nothing but in `do_work`.
pub struct AlpacaSim {
    config: AlpacaConfig,
    listener: Box<dyn Listener>,
    control: Option<ControlServer>,
    // Sockets are made by it; it must outlive them.
    _network: Box<dyn Network>,
    venue: Venue,
    clock: VenueClock,
    market: Market,
    tape: Tape,
    door: Door,
    hub: Hub,
    scratch: Vec<u8>,
    next_conn_id: u64,
    /// Until when boundaries have been seen, and when the next one is.
    seen: Nanos,
    next_boundary: Nanos,
    minute: Nanos,
    /// By how much the control port has put the clock wrong.
    clock_offset: Nanos,
    /// Whether this minute's late trades have been told.
    told_late: bool,
    state: Option<StateLog>,
}

impl AlpacaSim {
    /// Opens the market and listens.
    pub fn new(config: AlpacaConfig, mut network: Box<dyn Network>, clock: Clock) -> Result<AlpacaSim, SimError> {
        let now = clock.now();
        if config.assets.is_empty() {
            return Err(SimError::NoInstruments);
        }
        let venue_clock = VenueClock::set(now, config.clock.at.unwrap_or(now), config.clock.speed_permille);
        let calendar = Calendar::new(config.hours);
        let mut venue = Venue::new(config.assets.clone(), calendar, config.rules.clone(), config.seed);
        (venue.real, venue.now) = (now, venue_clock.at(now));
        venue.phase = venue.calendar.phase(venue.now);
        venue.today = venue.calendar.date_of(venue.now);
        let mut keys = Vec::new();
        for account in &config.accounts {
            keys.push((account.key.clone(), account.secret.clone(), open_account(&mut venue, account)?));
        }
        let (mut state, mut left_at) = (None, None);
        if let Some(path) = &config.state_file {
            let names = keys.iter().map(|(key, _, _)| key.clone()).collect();
            let (log, restored) = StateLog::open(path, names, config.seed, &mut venue)?;
            (state, left_at) = (Some(log), restored.at);
        }
        let market = Market::new(&mut venue, config.volatility, config.seed, now);
        let mut tape = Tape::new(&venue.assets, (now / 1_000_000).max(1) as u64);
        for asset in 0..venue.assets.len() {
            tape.quoted(&venue, asset);
        }
        let listen = |network: &mut Box<dyn Network>, addr: &str| {
            network.listen(addr).map_err(|source| SimError::Listen { addr: addr.to_owned(), source })
        };
        let listener = listen(&mut network, &config.addr)?;
        let control = match &config.control {
            Some(addr) => Some(ControlServer::new(listen(&mut network, addr)?)),
            None => None,
        };
        tracing::info!(addr = %listener.local_addr(), assets = venue.assets.len(), "the simulated Alpaca listens");
        let hub = Hub::new(Faults::new(config.seed), config.backlog_max, config.binary_updates);
        let door = Door::new(keys, config.requests_per_minute);
        // What the trading days did meanwhile happens at the first turn.
        let seen = left_at.filter(|at| *at < venue.now && config.clock.at.is_none()).unwrap_or(venue.now);
        let scratch = vec![0; 16 * 1024];
        let next_boundary = venue.calendar.next_boundary(seen);
        let mut sim = AlpacaSim {
            config,
            listener,
            control,
            _network: network,
            venue,
            clock: venue_clock,
            market,
            tape,
            door,
            hub,
            scratch,
            next_conn_id: 1,
            seen,
            next_boundary,
            minute: 0,
            clock_offset: 0,
            told_late: false,
            state,
        };
        sim.tape.shown.clear();
        Ok(sim)
    }

    /// `host:port` as bound.
    pub fn local_addr(&self) -> String {
        self.listener.local_addr()
    }

    /// What a client needs to know: URLs, keys and secrets, seed and symbols.
    pub fn ready(&self) -> serde_json::Value {
        let addr = self.local_addr();
        let accounts: Vec<_> =
            self.config.accounts.iter().map(|a| serde_json::json!({ "api_key": a.key, "secret": a.secret })).collect();
        let symbols: Vec<_> = self.venue.assets.iter().filter(|a| a.tradable).map(|a| a.symbol.clone()).collect();
        let mut ready = serde_json::json!({
            "rest_url": format!("http://{addr}"),
            "stream_url": format!("ws://{addr}/stream"),
            "data_url": format!("http://{addr}"),
            "data_stream_url": format!("ws://{addr}"),
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

    /// What went wrong with clients so far.
    pub fn client_counts(&self) -> ClientCounts {
        self.hub.counts
    }

    /// An account's truth by its key.
    pub fn ledger(&self, key: &str) -> Option<AlpacaLedger> {
        let at = self.door.account_of(key)?;
        let account = &self.venue.accounts[at];
        let symbol = |at: &usize| self.venue.assets[*at].symbol.clone();
        let (value, reserved) = (self.venue.value(at), self.venue.reserved(at));
        Some(AlpacaLedger {
            cash: account.cash,
            buying_power: account.buying_power(&value, reserved),
            cash_power: account.non_marginable(&value, reserved),
            positions: account.positions.iter().map(|(at, p)| (symbol(at), p.qty)).collect(),
            open_orders: self.venue.open_of(at).map(|o| (o.client_id.clone(), o.status.text(), o.filled)).collect(),
            fills: account.activities.iter().filter(|a| a.what.kind() == "FILL").count(),
            repeated: self.venue.repeated,
            client_ids: self.venue.by_client.keys().filter(|(of, _)| *of == at).map(|(_, id)| id.clone()).collect(),
        })
    }

    /// How often the calendar was asked for.
    pub fn calendar_asked(&self) -> usize {
        self.door.calendar_asked
    }

    /// Another key for the first account. False where there is none.
    pub fn add_key(&mut self, key: &str, secret: &str) -> bool {
        self.door.add_key(key.to_owned(), secret.to_owned(), None)
    }

    /// That key is known no more. Streams that are open go on: the venue asks for the key when they begin.
    pub fn revoke_key(&mut self, key: &str) {
        self.door.revoke_key(key);
    }

    /// Sets the venue's clock; days that are passed over pass, and a clock set back does not undo anything.
    pub fn set_clock(&mut self, at: Nanos, speed_permille: i64) {
        self.clock = VenueClock::set(self.venue.real, at, speed_permille);
        if at < self.seen {
            self.seen = at;
            self.venue.now = at;
            self.venue.phase = self.venue.calendar.phase(at);
            self.venue.today = self.venue.calendar.date_of(at);
            self.next_boundary = self.venue.calendar.next_boundary(at);
        }
        self.pass_time(self.venue.real);
    }

    /// Lets the venue's clock run ahead by this, or behind.
    fn offset_clock(&mut self, offset: Nanos) {
        let at = self.clock.at(self.venue.real) - self.clock_offset + offset;
        self.clock_offset = offset;
        self.set_clock(at, self.clock.speed_permille());
    }

    /// Moves the venue's time on, through every boundary of the trading days in between.
    fn pass_time(&mut self, now: Nanos) {
        let (from, to) = (self.seen, self.clock.at(now));
        if to >= self.next_boundary {
            for (at, boundary, date) in self.venue.calendar.boundaries(from, to) {
                self.venue.now = at;
                self.venue.on_boundary(boundary, date);
            }
            self.next_boundary = self.venue.calendar.next_boundary(to);
        }
        let midnight = 86_400_000_000_000;
        if from.div_euclid(midnight) != to.div_euclid(midnight) {
            let date = calendar::utc_text(to.div_euclid(midnight) * midnight - 1);
            self.venue.book_fees(date.get(..10).unwrap_or_default());
        }
        self.venue.now = to;
        self.seen = to;
        self.venue.phase = self.venue.calendar.phase(to);
        self.venue.today = self.venue.calendar.date_of(to);
        let minute = to.div_euclid(MINUTE_NS);
        if minute == self.minute && !self.told_late && to.rem_euclid(MINUTE_NS) >= MINUTE_NS / 2 {
            self.told_late = true;
            for asset in 0..self.venue.assets.len() {
                // One minute in five has a trade that is reported late.
                if self.venue.rng.u32(..5) == 0 {
                    self.tape.late(asset);
                }
            }
        }
        if minute != self.minute {
            self.told_late = false;
            self.minute = minute;
            self.venue.expire();
            self.tape.advance(to);
            for asset in (0..self.venue.assets.len()).filter(|at| !self.venue.assets[*at].is_crypto()) {
                if self.venue.phase == calendar::Phase::Core {
                    self.tape.band(asset, to);
                }
            }
            for account in 0..self.venue.accounts.len() {
                let equity = self.venue.value(account).equity();
                self.venue.accounts[account].note_equity(minute * MINUTE_NS, equity, false);
            }
        }
    }

    /// Tells what a command has changed.
    fn settle(&mut self) {
        if let Some(state) = &mut self.state {
            state.append(&self.venue, &self.venue.changes);
        }
        self.hub.settle(&mut self.venue, &mut self.tape);
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

    /// Reads one connection and carries out what it asks for.
    fn serve(&mut self, slot: usize, now: Nanos) -> usize {
        let Some(entry) = &mut self.hub.slots[slot] else { return 0 };
        let mut work = usize::from(entry.conn.read(&mut self.scratch, now) > 0);
        loop {
            let Some(entry) = &mut self.hub.slots[slot] else { return work };
            match entry.conn.next(now) {
                Ok(None) => return work,
                Ok(Some(message)) => {
                    work += 1;
                    self.on_message(slot, message, now);
                    self.settle();
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
                let body = errors::ApiError::new(fault.status(), 40_010_000, fault.to_string()).body();
                http::respond(conn.out(), fault.status(), "application/json", &[], &body, false);
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
        let Some(Slot { conn, role }) = &mut self.hub.slots[slot] else { return };
        match (message, &mut *role) {
            (Message::Http(request), _) => {
                let before = conn.backlog() as u64;
                let mut out = std::mem::take(conn.out());
                let after =
                    self.door.handle(&mut self.venue, &self.tape, &mut self.hub.faults, &request, &mut out, now);
                *conn.out() = out;
                match after {
                    After::Answered { keep_alive: true } => {}
                    After::Answered { keep_alive: false } => conn.close(now),
                    After::Cut(bytes) => conn.cut_after(before + bytes),
                    After::Reset => conn.reset(),
                    After::Upgraded(new_role) => {
                        conn.upgrade(now);
                        *role = new_role;
                        let account = self.door.authenticate(&request);
                        self.welcome(slot, account, now);
                    }
                }
            }
            (Message::Text(text), Role::Trades(session)) => {
                let reply = session.on_message(text.as_bytes(), |key, secret| self.door.find(key, secret));
                self.hub.answer_trades(slot, reply, now);
            }
            (Message::Binary(bytes), Role::Trades(session)) => {
                let reply = session.on_message(&bytes, |key, secret| self.door.find(key, secret));
                self.hub.answer_trades(slot, reply, now);
            }
            (Message::Text(text), Role::Data(_)) => self.on_data(slot, text.as_bytes(), now),
            (Message::Binary(bytes), Role::Data(_)) => self.on_data(slot, &bytes, now),
            (Message::Control | Message::Text(_) | Message::Binary(_), _) => {}
        }
    }

    /// A data stream greets, and takes the key of the handshake where there is one.
    fn welcome(&mut self, slot: usize, account: Option<usize>, now: Nanos) {
        let Some(Slot { role: Role::Data(session), .. }) = &self.hub.slots[slot] else { return };
        let greeting = Said { frames: vec![session.welcome()], close: false };
        self.hub.say(slot, greeting, now);
        if account.is_some() {
            self.admit(slot, account, now);
        }
    }

    fn admit(&mut self, slot: usize, account: Option<usize>, now: Nanos) {
        let Some(Slot { role: Role::Data(session), .. }) = &self.hub.slots[slot] else { return };
        let taken = account.is_some_and(|account| self.hub.has_data(account, session.feed, slot));
        let Some(Slot { role: Role::Data(session), .. }) = &mut self.hub.slots[slot] else { return };
        let said = session.admit(account, taken);
        self.hub.say(slot, said, now);
    }

    fn on_data(&mut self, slot: usize, bytes: &[u8], now: Nanos) {
        let Some(Slot { role: Role::Data(session), .. }) = &mut self.hub.slots[slot] else { return };
        let message = session.read(bytes);
        let credentials = message.as_ref().and_then(DataSession::credentials);
        match credentials.filter(|_| session.account.is_none()) {
            Some((key, secret)) => self.admit(slot, self.door.find(&key, &secret), now),
            None => {
                let said = session.on_message(message.as_ref(), &self.venue);
                self.hub.say(slot, said, now);
            }
        }
    }

    /// Data sessions that have not said who they are in time.
    fn close_strangers(&mut self, now: Nanos) {
        for slot in 0..self.hub.slots.len() {
            let late = match &self.hub.slots[slot] {
                Some(Slot { conn, role: Role::Data(session) }) if conn.open() => session.late(now),
                _ => None,
            };
            if let Some(said) = late {
                self.hub.say(slot, said, now);
            }
        }
    }

    /// Pings, bounds and writes every connection; drops those that are done.
    fn tend(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        let Hub { slots, counts, backlog_max, faults, shut_at, .. } = &mut self.hub;
        let shuts = shut_at.take_if(|at| now >= *at).is_some();
        for entry in slots.iter_mut() {
            let Some(Slot { conn, .. }) = entry else { continue };
            if conn.open() && !conn.keep_alive(now) {
                counts.silent_clients += 1;
                tracing::warn!(conn = conn.id, "a client that answered no ping was closed");
                conn.close_ws(now, 1008, "no pong");
            }
            if !conn.is_ws() && now - conn.heard_ns >= HTTP_IDLE_NS {
                conn.close(now);
            }
            if shuts && conn.is_ws() {
                conn.close_ws(now, 1001, "the server shuts down");
            }
            work += usize::from(conn.flush(faults.lateness_ns(), now) > 0);
            if conn.backlog() > *backlog_max {
                counts.slow_clients += 1;
                tracing::warn!(conn = conn.id, backlog = conn.backlog(), "a client that reads too slowly was closed");
                conn.reset();
            }
            if conn.finished(now) {
                *entry = None;
            }
        }
        work
    }
}

impl Agent for AlpacaSim {
    fn name(&self) -> &str {
        "sim-alpaca"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        self.venue.real = now;
        self.hub.now = now;
        self.hub.faults.stand_still();
        self.pass_time(now);
        let controlled = self.serve_control(now);
        if self.hub.faults.take_disconnect_all() {
            self.hub.slots.iter_mut().flatten().for_each(|slot| slot.conn.reset());
        }
        let mut work = controlled + self.accept(now);
        for slot in 0..self.hub.slots.len() {
            work += self.serve(slot, now);
        }
        work += self.venue.run_due();
        work += self.hub.release_due();
        work += self.market.turn(&mut self.venue, &mut self.tape, now);
        self.settle();
        self.close_strangers(now);
        work + self.tend(now)
    }
}

fn open_account(venue: &mut Venue, account: &AlpacaAccount) -> Result<usize, SimError> {
    let fault = |fault: String| SimError::Account { api_key: account.key.clone(), fault };
    if account.key.is_empty() || account.secret.is_empty() {
        return Err(fault("key and secret must not be empty".into()));
    }
    if !matches!(account.multiplier, 1 | 2 | 4) {
        return Err(fault(format!("its multiplier {} is none of 1, 2 and 4", account.multiplier)));
    }
    let cash = account.cash.parse::<rust_decimal::Decimal>().ok().filter(|cash| !cash.is_sign_negative());
    let cash = cash.and_then(|cash| {
        cash.to_string().split_once('.').map_or_else(
            || cash.to_string().parse::<i128>().ok()?.checked_mul(MONEY),
            |(whole, fraction)| {
                let digits: String = format!("{fraction:0<18}").chars().take(18).collect();
                whole.parse::<i128>().ok()?.checked_mul(MONEY)?.checked_add(digits.parse().ok()?)
            },
        )
    });
    let cash = cash.ok_or_else(|| fault(format!("cash {:?} is no amount of dollars", account.cash)))?;
    let id = venue.uuid();
    let number = format!("PA{:010}", venue.rng.u64(..10_000_000_000));
    let at = venue.accounts.len();
    venue.accounts.push(Account::new(id, number, cash, account.multiplier, venue.now));
    Ok(at)
}

/// Sums of 10^-18 are wider than JSON's numbers: they are kept as text.
mod text_i128 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &i128, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&value.to_string())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i128, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
