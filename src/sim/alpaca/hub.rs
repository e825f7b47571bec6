//! Connections and what goes out to them: the account's events and the market's, in the form each client asked for.
//!
//! Nothing waits for a slow client: it is closed once its backlog is above the bound.

use super::data::{DataSession, Feed, Said};
use super::stream::{Reply, TradeSession};
use super::tape::{Shown, Tape};
use super::venue::{Update, Venue};
use crate::domain::Nanos;
use crate::sim::conn::Conn;
use crate::sim::faults::{Faults, ReportFault};

/// Delayed and held events; more than these are sent at once.
const HELD_MAX: usize = 100_000;

/// What a connection has become.
pub enum Role {
    Http,
    Trades(TradeSession),
    Data(DataSession),
}

pub struct Slot {
    pub conn: Conn,
    pub role: Role,
}

/// Counts of what went wrong with clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientCounts {
    pub refused_connections: u64,
    pub bad_http: u64,
    pub bad_frames: u64,
    pub slow_clients: u64,
    pub silent_clients: u64,
}

/// An event that a fault keeps back.
struct Held {
    conn: u64,
    slot: usize,
    due: Nanos,
    /// Goes out right after the next event of its connection, at the latest when due.
    after_next: bool,
    frame: Vec<u8>,
}

pub struct Hub {
    pub slots: Vec<Option<Slot>>,
    pub faults: Faults,
    pub counts: ClientCounts,
    pub backlog_max: usize,
    /// The process's time of this turn.
    pub now: Nanos,
    /// When a shutdown closes every WebSocket connection.
    pub shut_at: Option<Nanos>,
    binary_updates: bool,
    held: Vec<Held>,
}

impl Hub {
    pub fn new(faults: Faults, backlog_max: usize, binary_updates: bool) -> Hub {
        let counts = ClientCounts::default();
        Hub { slots: Vec::new(), faults, counts, backlog_max, now: 0, shut_at: None, binary_updates, held: Vec::new() }
    }

    /// Ends a command: what it changed is told.
    pub fn settle(&mut self, venue: &mut Venue, tape: &mut Tape) {
        venue.changes = Default::default();
        let shown = std::mem::take(&mut tape.shown);
        if !shown.is_empty() && !self.faults.market_frozen {
            self.publish(venue, &shown);
        }
        for update in std::mem::take(&mut venue.updates) {
            self.tell(venue, &update);
        }
    }

    /// What the market has shown goes to every session that asked for it.
    fn publish(&mut self, venue: &Venue, shown: &[Shown]) {
        for Slot { conn, role } in self.slots.iter_mut().flatten() {
            if let Role::Data(session) = role
                && let Some(frame) = session.news(venue, shown)
            {
                send_data(conn, session.msgpack, &frame);
            }
        }
    }

    /// Whether another connection of the account is on the same feed.
    pub fn has_data(&self, account: usize, feed: Feed, but: usize) -> bool {
        self.slots.iter().enumerate().any(|(at, slot)| match slot {
            Some(Slot { conn, role: Role::Data(session) }) => {
                at != but && conn.open() && session.account == Some(account) && session.feed == feed
            }
            _ => false,
        })
    }

    /// What a data session has to say.
    pub fn say(&mut self, slot: usize, said: Said, now: Nanos) {
        let Some(Slot { conn, role: Role::Data(session) }) = &mut self.slots[slot] else { return };
        for frame in &said.frames {
            send_data(conn, session.msgpack, frame);
        }
        if said.close {
            conn.close_ws(now, 1000, "");
        }
    }

    /// Sends an event to every connection that listens to its account, through the faults.
    fn tell(&mut self, venue: &Venue, update: &Update) {
        let mut frame: Option<Vec<u8>> = None;
        for slot in 0..self.slots.len() {
            let Some(Slot { conn, role: Role::Trades(session) }) = &self.slots[slot] else { continue };
            if !session.listens || session.account != Some(update.order.account) {
                continue;
            }
            let conn = conn.id;
            let frame = frame.get_or_insert_with(|| venue.update_frame(update));
            match self.faults.of_report() {
                ReportFault::Drop => {}
                ReportFault::Delay(wait) if self.held.len() < HELD_MAX => {
                    self.held.push(Held { conn, slot, due: self.now + wait, after_next: false, frame: frame.clone() });
                }
                ReportFault::Reorder(wait) if self.held.len() < HELD_MAX => {
                    self.held.push(Held { conn, slot, due: self.now + wait, after_next: true, frame: frame.clone() });
                }
                fault => {
                    for _ in 0..if fault == ReportFault::Double { 2 } else { 1 } {
                        send(&mut self.slots, slot, conn, frame, self.binary_updates);
                    }
                    self.release(|held| held.after_next && held.conn == conn);
                }
            }
        }
    }

    /// Every session that listens is told this event, whatever the truth is.
    pub fn tell_untrue(&mut self, event: &serde_json::Value) {
        let frame = serde_json::json!({ "stream": "trade_updates", "data": event }).to_string();
        let binary = self.binary_updates;
        for Slot { conn, role } in self.slots.iter_mut().flatten() {
            if matches!(role, Role::Trades(session) if session.listens) {
                send_data(conn, binary, frame.as_bytes());
            }
        }
    }

    /// The answer to a message on the trade-update stream.
    pub fn answer_trades(&mut self, slot: usize, reply: Reply, now: Nanos) {
        let Some(Slot { conn, .. }) = &mut self.slots[slot] else { return };
        let id = conn.id;
        if let Some(text) = &reply.text {
            send(&mut self.slots, slot, id, text, self.binary_updates);
        }
        if reply.close
            && let Some(Slot { conn, .. }) = &mut self.slots[slot]
        {
            conn.close_ws(now, 1000, "");
        }
    }

    fn release(&mut self, due: impl Fn(&Held) -> bool) -> usize {
        if !self.held.iter().any(&due) {
            return 0;
        }
        let (mut out, keep): (Vec<Held>, Vec<Held>) = std::mem::take(&mut self.held).into_iter().partition(due);
        self.held = keep;
        out.sort_by_key(|held| held.due);
        for held in &out {
            send(&mut self.slots, held.slot, held.conn, &held.frame, self.binary_updates);
        }
        out.len()
    }

    /// Sends what faults have kept back until now.
    pub fn release_due(&mut self) -> usize {
        let now = self.now;
        self.release(|held| held.due <= now)
    }

    /// Takes a connection into a free slot.
    pub fn accept(&mut self, conn: Conn) {
        let slot = Slot { conn, role: Role::Http };
        match self.slots.iter_mut().find(|s| s.is_none()) {
            Some(free) => *free = Some(slot),
            None => self.slots.push(Some(slot)),
        }
    }

    pub fn connections(&self) -> usize {
        self.slots.iter().flatten().count()
    }
}

/// Sends a frame, unless the slot belongs to another connection by now.
fn send(slots: &mut [Option<Slot>], slot: usize, conn: u64, frame: &[u8], binary: bool) {
    if let Some(Some(slot)) = slots.get_mut(slot)
        && slot.conn.id == conn
    {
        if binary { slot.conn.send_binary(&[frame]) } else { slot.conn.send_text(&[frame]) }
    }
}

fn send_data(conn: &mut Conn, binary: bool, frame: &[u8]) {
    if binary { conn.send_binary(&[frame]) } else { conn.send_text(&[frame]) }
}
