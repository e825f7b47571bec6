//! How each venue has been: connecting, syncing, healthy, degraded or down, since when and why, how often it came and went,
//! and what changed lately. Made from the journal's events alone, so a restart of the readers finds the same.

use super::answer::time;
use crate::core::Core;
use crate::core::event::{Body, Event};
use crate::domain::{FeedState, InstrumentId, MAX_VENUES, Nanos, VenueId, VenueState};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Changes remembered of each venue; the oldest is forgotten first.
const CHANGES_MAX: usize = 64;

/// How a venue is, as an operator would say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It has not been reached in this run yet.
    Connecting,
    /// Connected: orders, balances and fills are being asked for.
    Syncing,
    Healthy,
    /// Orders may go, but the market data of this instrument is not whole.
    Degraded(InstrumentId, FeedState),
    /// It was reached, and is not any more.
    Down,
}

impl Health {
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Connecting => "connecting",
            Health::Syncing => "syncing",
            Health::Healthy => "healthy",
            Health::Degraded(..) => "degraded",
            Health::Down => "down",
        }
    }

    fn reason(self, core: &Core) -> String {
        match self {
            Health::Connecting => "no order connection or private stream yet: it is tried again with back-off".to_owned(),
            Health::Syncing => "connected: orders, balances and fills are asked for before orders may go".to_owned(),
            Health::Healthy => "connected and reconciled, market data flows".to_owned(),
            Health::Degraded(instrument, feed) => {
                let symbol = core.portfolio().get(instrument).map(|inst| inst.def.symbol).unwrap_or_default();
                format!("market data of {} is {}", symbol.as_str(), feed.as_str())
            }
            Health::Down => {
                "the order connection or the private stream was lost: it is tried again with back-off, and the log says \
                 why it failed"
                    .to_owned()
            }
        }
    }
}

#[derive(Debug, Default)]
struct Past {
    /// The latest last.
    changes: VecDeque<(Nanos, Health)>,
    was_up: bool,
    /// Of this run.
    connected: u32,
    lost: u32,
    degraded: u32,
}

/// Every venue's.
#[derive(Debug)]
pub struct Healths {
    venues: Vec<Past>,
}

impl Healths {
    pub fn new() -> Healths {
        Healths { venues: (0..MAX_VENUES).map(|_| Past::default()).collect() }
    }

    /// After the core has taken the event.
    pub fn on_event(&mut self, core: &Core, event: &Event) {
        let venue = match &event.body {
            Body::Start { .. } => {
                for past in &mut self.venues {
                    // What was, is remembered; what is counted is counted by run.
                    (past.was_up, past.connected, past.lost, past.degraded) = (false, 0, 0, 0);
                }
                return;
            }
            Body::Venue { venue, .. } | Body::VenueState { venue, .. } => *venue,
            Body::Feed { instrument, .. } => match core.portfolio().get(*instrument) {
                Some(inst) => inst.def.venue,
                None => return,
            },
            _ => return,
        };
        let Some(past) = self.venues.get_mut(venue.index()) else { return };
        let state = core.venues().find(|(id, ..)| *id == venue).map(|(_, _, state)| state).unwrap_or_default();
        past.was_up |= state != VenueState::Down;
        let now = health(core, venue, state, past.was_up);
        let before = past.changes.back().map(|(_, health)| *health);
        if before == Some(now) {
            return;
        }
        match now {
            Health::Syncing if !matches!(before, Some(Health::Healthy | Health::Degraded(..))) => past.connected += 1,
            Health::Down => past.lost += 1,
            Health::Degraded(..) if !matches!(before, Some(Health::Degraded(..))) => past.degraded += 1,
            _ => {}
        }
        if past.changes.len() == CHANGES_MAX {
            past.changes.pop_front();
        }
        past.changes.push_back((event.ts_ns, now));
    }

    /// One venue as `health` tells it, the latest change first.
    pub fn told(&self, core: &Core, venue: VenueId) -> Value {
        let Some(past) = self.venues.get(venue.index()) else { return Value::Null };
        let last = past.changes.back().copied();
        let history: Vec<Value> = past
            .changes
            .iter()
            .rev()
            .map(|(at, health)| json!({ "time": time(*at), "health": health.as_str(), "reason": health.reason(core) }))
            .collect();
        json!({
            "health": last.map_or("connecting", |(_, health)| health.as_str()),
            "since": last.map(|(at, _)| time(at)),
            "reason": last.map_or_else(|| Health::Connecting.reason(core), |(_, health)| health.reason(core)),
            "connected_times": past.connected,
            "lost_times": past.lost,
            "degraded_times": past.degraded,
            "history": history,
        })
    }
}

fn health(core: &Core, venue: VenueId, state: VenueState, was_up: bool) -> Health {
    match state {
        VenueState::Down if was_up => Health::Down,
        VenueState::Down => Health::Connecting,
        VenueState::Syncing => Health::Syncing,
        VenueState::Ready => {
            let mut of_venue = core.portfolio().defined().filter(|inst| inst.def.venue == venue);
            let broken = of_venue.find(|inst| inst.feed != FeedState::Live);
            broken.map_or(Health::Healthy, |inst| Health::Degraded(inst.def.id, inst.feed))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::effect::Outbox;
    use crate::domain::{Instrument, Text};

    const VENUE: VenueId = VenueId(0);

    fn healths(bodies: &[Body]) -> (Core, Healths) {
        let (mut core, mut out, mut healths) = (Core::new(), Outbox::new(), Healths::new());
        for (n, body) in bodies.iter().enumerate() {
            let event =
                Event { seq: n as u64 + 1, ts_ns: n as i64 * 1_000_000_000, recv_ns: 0, decoded_ns: 0, body: *body };
            out.clear();
            core.on_event(&event, &mut out);
            healths.on_event(&core, &event);
        }
        (core, healths)
    }

    #[test]
    fn a_venues_life_is_told_with_times_reasons_and_counts_and_is_bounded() {
        let state = |state| Body::VenueState { venue: VENUE, state };
        let feed = |state| Body::Feed { instrument: InstrumentId(0), state };
        let instrument = Instrument { symbol: Text::new("BTCUSDT"), ..Instrument::default() };
        let mut bodies = vec![
            Body::Start { epoch: 1, run: 1 },
            Body::Venue { venue: VENUE, name: Text::new("binance") },
            Body::Instrument(instrument),
            state(VenueState::Syncing),
            feed(FeedState::Live),
            state(VenueState::Ready),
            feed(FeedState::Gap),
            feed(FeedState::Live),
            state(VenueState::Down),
        ];
        let (core, past) = healths(&bodies);
        let told = past.told(&core, VENUE);
        let rows: Vec<&str> =
            told["history"].as_array().unwrap().iter().map(|row| row["health"].as_str().unwrap()).collect();
        assert_eq!(rows, ["down", "healthy", "degraded", "healthy", "syncing", "connecting"], "{told}");
        assert_eq!((&told["connected_times"], &told["lost_times"]), (&json!(1), &json!(1)), "{told}");
        assert_eq!(
            (&told["degraded_times"], &told["since"]),
            (&json!(1), &json!("1970-01-01T00:00:08.000000000Z")),
            "{told}"
        );
        assert!(told["history"][2]["reason"].as_str().unwrap().contains("BTCUSDT is"), "{told}");
        for _ in 0..CHANGES_MAX {
            bodies.extend([state(VenueState::Syncing), state(VenueState::Down)]);
        }
        let (core, past) = healths(&bodies);
        let told = past.told(&core, VENUE);
        assert_eq!(told["history"].as_array().unwrap().len(), CHANGES_MAX);
        assert_eq!(told["lost_times"], 1 + CHANGES_MAX);
    }
}
