//! Connections and what goes out to them: market frames, account events, in the form each client asked for.
//!
//! Invariants:
//! - What a command changed is in the state file before anybody is told.
//! - Nothing waits for a slow client: it is closed once its backlog is above the bound. Only the player of recordings,
//!   at full speed, waits for its subscribers.

use super::state::StateLog;
use super::streams::{self, StreamSession, Streams};
use super::user::UserEvent;
use super::venue::{PublicTrade, Venue};
use crate::domain::Nanos;
use crate::sim::conn::{Conn, Message};
use crate::sim::faults::{Faults, ReportFault};
use crate::sim::json::{Json, TimeUnit};
use std::collections::{BTreeSet, VecDeque};

/// A player at full speed goes on while every subscriber's backlog is below this.
const ROOM: usize = 256 * 1024;
/// Delayed and held execution reports; more than these are sent at once.
const HELD_MAX: usize = 100_000;

/// A session of the WebSocket API.
#[derive(Debug, Clone, Default)]
pub struct ApiSession {
    pub unit: TimeUnit,
    pub return_rate_limits: bool,
    pub connected_us: i64,
    /// The account that has logged on, and since when.
    pub logged_on: Option<(usize, i64)>,
    /// The subscription that `userDataStream.subscribe` made; it ends with the log-on.
    pub own_subscription: Option<u64>,
    /// `(subscription id, account)`.
    pub subscriptions: Vec<(u64, usize)>,
    pub next_subscription: u64,
}

/// What a connection has become.
pub enum Role {
    Http,
    Streams(StreamSession),
    /// As above, in SBE.
    Sbe(StreamSession),
    Api(ApiSession),
}

pub struct Slot {
    pub conn: Conn,
    pub role: Role,
    /// Requests on their way to the venue, and when they arrive.
    pub underway: VecDeque<(Nanos, Message)>,
    /// When a shutdown that was announced closes it.
    pub shut_at: Option<Nanos>,
}

/// A frame for the subscribers of one stream.
pub enum Outgoing<'a> {
    /// Written for each time unit that is asked for.
    Written { stream: usize, write: &'a dyn Fn(&mut Json) },
    /// Sent as it was recorded; `data` is the inner object, for raw connections.
    Verbatim { stream: usize, frame: &'a [u8], data: &'a [u8] },
}

/// Counts of what went wrong with clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientCounts {
    pub refused_connections: u64,
    pub bad_http: u64,
    pub bad_frames: u64,
    pub slow_clients: u64,
    pub silent_clients: u64,
    pub talkative_clients: u64,
}

/// An event that a fault keeps back.
struct Held {
    conn: u64,
    slot: usize,
    due_ns: Nanos,
    /// Goes out right after the next event of its connection, at the latest when due.
    after_next: bool,
    frame: Vec<u8>,
}

pub struct Hub {
    pub slots: Vec<Option<Slot>>,
    pub streams: Streams,
    pub sbe_streams: Streams,
    pub faults: Faults,
    pub state: Option<StateLog>,
    pub counts: ClientCounts,
    pub backlog_max: usize,
    /// The time of this turn.
    pub now: Nanos,
    held: Vec<Held>,
}

impl Hub {
    pub fn new(
        streams: Streams,
        sbe_streams: Streams,
        faults: Faults,
        state: Option<StateLog>,
        backlog_max: usize,
    ) -> Hub {
        Hub {
            slots: Vec::new(),
            streams,
            sbe_streams,
            faults,
            state,
            counts: ClientCounts::default(),
            backlog_max,
            now: 0,
            held: Vec::new(),
        }
    }

    /// Ends a command: kept, then told.
    pub fn settle(&mut self, venue: &mut Venue, now_us: i64) {
        venue.finish(now_us);
        if !venue.changes.is_empty() {
            let changes = std::mem::take(&mut venue.changes);
            if let Some(state) = &mut self.state {
                state.append(venue, &changes);
            }
        }
        if venue.out.trades.is_empty() && venue.out.tops.is_empty() && venue.out.user.is_empty() {
            return;
        }
        let out = std::mem::take(&mut venue.out);
        self.publish_market(venue, &out.trades, &out.tops);
        self.publish_sbe(venue, &out.trades, &out.tops, now_us);
        for event in &out.user {
            self.tell(venue, event);
        }
    }

    /// A command's trades and new tops of book.
    fn publish_market(&mut self, venue: &Venue, trades: &[PublicTrade], tops: &[usize]) {
        for trade in trades {
            let name = venue.symbol_name(trade.symbol);
            let stream = streams::trade_stream(trade.symbol);
            self.publish(&Outgoing::Written { stream, write: &|j| streams::write_trade(j, name, trade) });
        }
        for &index in &trades.iter().map(|trade| trade.symbol).collect::<BTreeSet<_>>() {
            let symbol = &venue.symbols[index];
            let from = trades.iter().find(|trade| trade.symbol == index).map_or(0, |trade| trade.id);
            let at = symbol.aggregates.partition_point(|aggregate| aggregate.first.id < from);
            for aggregate in symbol.aggregates.range(at..) {
                let stream = streams::agg_trade_stream(index);
                let name = &symbol.instrument.symbol;
                self.publish(&Outgoing::Written { stream, write: &|j| streams::write_aggregate(j, name, aggregate) });
            }
        }
        for &symbol in tops {
            let stream = streams::book_ticker_stream(symbol);
            let symbol = &venue.symbols[symbol];
            self.publish(&Outgoing::Written { stream, write: &|j| streams::write_book_ticker(j, symbol) });
        }
    }

    /// Sends a frame to a stream's subscribers; says to how many.
    pub fn publish(&mut self, frame: &Outgoing) -> u64 {
        let (Outgoing::Written { stream, .. } | Outgoing::Verbatim { stream, .. }) = frame;
        let subscribers = self.streams.subscribers(*stream);
        if subscribers.is_empty() || self.faults.market_frozen {
            return 0;
        }
        let name = self.streams.name(*stream);
        let mut written: [Option<Vec<u8>>; 2] = [None, None];
        let mut sent = 0;
        for &slot in subscribers {
            let Some(Slot { conn, role: Role::Streams(session), .. }) = self.slots[slot].as_mut() else { continue };
            let data: &[u8] = match frame {
                Outgoing::Verbatim { frame, .. } if session.combined => {
                    conn.send_text(&[frame]);
                    sent += 1;
                    continue;
                }
                Outgoing::Verbatim { data, .. } => data,
                Outgoing::Written { write, .. } => written[session.unit as usize].get_or_insert_with(|| {
                    let mut j = Json::new(session.unit);
                    write(&mut j);
                    j.into_bytes()
                }),
            };
            if session.combined {
                conn.send_text(&[b"{\"stream\":\"", name.as_bytes(), b"\",\"data\":", data, b"}"]);
            } else {
                conn.send_text(&[data]);
            }
            sent += 1;
        }
        sent
    }

    /// Whether every subscriber has taken enough for a player at full speed to go on.
    pub fn has_room(&self) -> bool {
        !self.faults.market_frozen
            && self
                .streams
                .all_subscribers()
                .all(|slot| self.slots[slot].as_ref().is_none_or(|s| !s.conn.open() || s.conn.backlog() < ROOM))
    }

    /// Sends an account's event to every connection that subscribed to the account, through the faults.
    fn tell(&mut self, venue: &Venue, event: &UserEvent) {
        for slot in 0..self.slots.len() {
            let Some(Slot { conn, role, .. }) = &self.slots[slot] else { continue };
            let symbol = |index| venue.symbol_name(index).to_owned();
            let j = match role {
                Role::Api(session) => {
                    let Some((id, _)) = session.subscriptions.iter().find(|(_, a)| *a == event.account) else {
                        continue;
                    };
                    let mut j = Json::new(session.unit);
                    j.object("", |j| {
                        j.uint("subscriptionId", *id);
                        event.write(j, "event", symbol, &venue.assets);
                    });
                    j
                }
                Role::Streams(session) if venue.listen_keys.on => {
                    let owner = |name: &&String| venue.listen_keys.account_of(name, event.time_us);
                    let Some(name) = session.subscribed.iter().find(|name| owner(name) == Some(event.account)) else {
                        continue;
                    };
                    let mut j = Json::new(session.unit);
                    if session.combined {
                        j.object("", |j| {
                            j.str("stream", name);
                            event.write(j, "data", symbol, &venue.assets);
                        });
                    } else {
                        event.write(&mut j, "", symbol, &venue.assets);
                    }
                    j
                }
                _ => continue,
            };
            let (conn, frame) = (conn.id, j.into_bytes());
            let fault = if event.is_report() { self.faults.of_report() } else { ReportFault::None };
            match fault {
                ReportFault::Drop => {}
                ReportFault::Delay(wait_ns) if self.held.len() < HELD_MAX => {
                    self.held.push(Held { conn, slot, due_ns: self.now + wait_ns, after_next: false, frame });
                }
                ReportFault::Reorder(wait_ns) if self.held.len() < HELD_MAX => {
                    self.held.push(Held { conn, slot, due_ns: self.now + wait_ns, after_next: true, frame });
                }
                ReportFault::Double => {
                    self.send(slot, conn, &frame);
                    self.send(slot, conn, &frame);
                }
                _ => {
                    self.send(slot, conn, &frame);
                    self.release(|held| held.after_next && held.conn == conn);
                }
            }
        }
    }

    /// Says an event that was made up to every session of the WebSocket API with a private stream.
    pub fn tell_all(&mut self, event: &serde_json::Value) {
        for slot in self.slots.iter_mut().flatten() {
            let Role::Api(session) = &slot.role else { continue };
            for (id, _) in &session.subscriptions {
                let frame = serde_json::json!({ "subscriptionId": id, "event": event }).to_string();
                slot.conn.send_text(&[frame.as_bytes()]);
            }
        }
    }

    /// Sends a text frame, unless the slot belongs to another connection by now.
    fn send(&mut self, slot: usize, conn: u64, frame: &[u8]) {
        if let Some(Some(slot)) = self.slots.get_mut(slot)
            && slot.conn.id == conn
        {
            slot.conn.send_text(&[frame]);
        }
    }

    fn release(&mut self, due: impl Fn(&Held) -> bool) -> usize {
        if !self.held.iter().any(&due) {
            return 0;
        }
        let (mut out, keep): (Vec<Held>, Vec<Held>) = std::mem::take(&mut self.held).into_iter().partition(due);
        self.held = keep;
        out.sort_by_key(|held| held.due_ns);
        for held in &out {
            self.send(held.slot, held.conn, &held.frame);
        }
        out.len()
    }

    /// Sends what faults have kept back until now.
    pub fn release_due(&mut self) -> usize {
        let now = self.now;
        self.release(|held| held.due_ns <= now)
    }

    /// Tells every WebSocket client that the server shuts down (reference §14.1, §16.1), and closes it at `at`.
    pub fn shut_down(&mut self, at: Nanos) {
        let now_us = self.now / 1_000;
        for Slot { conn, role, shut_at, .. } in self.slots.iter_mut().flatten() {
            let (unit, wrap) = match role {
                Role::Http => continue,
                Role::Streams(session) if session.combined => {
                    (session.unit, ("{\"stream\":\"!serverShutdown\",\"data\":", "}"))
                }
                Role::Streams(session) | Role::Sbe(session) => (session.unit, ("", "")),
                Role::Api(session) => (session.unit, ("{\"event\":", "}")),
            };
            let mut j = Json::new(unit);
            j.object("", |j| {
                j.str("e", "serverShutdown");
                j.time("E", now_us);
            });
            conn.send_text(&[wrap.0.as_bytes(), j.bytes(), wrap.1.as_bytes()]);
            *shut_at = Some(at);
        }
    }

    /// Takes a connection into a free slot.
    pub fn accept(&mut self, conn: Conn) {
        let slot = Slot { conn, role: Role::Http, underway: VecDeque::new(), shut_at: None };
        match self.slots.iter_mut().find(|s| s.is_none()) {
            Some(free) => *free = Some(slot),
            None => self.slots.push(Some(slot)),
        }
    }

    pub fn connections(&self) -> usize {
        self.slots.iter().flatten().count()
    }
}
