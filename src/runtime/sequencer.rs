//! The core's agent: numbers and stamps every input, lets the core decide, journals event and decisions, and only
//! then hands the effects on.
//!
//! Execution reports and commands go before market data, and are never dropped. While the journal has no room for
//! the largest record, nothing is taken: reports wait in their channel, market data conflates at the feed.

use crate::agent::Agent;
use crate::core::Core;
use crate::core::effect::{Effect, EffectOf, Outbox};
use crate::core::event::{Body, Event, Input};
use crate::domain::{MAX_VENUES, Nanos, Tested, Text, VenueId};
use crate::net::link::{Rx, Tx};
use crate::telemetry::Clock;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Reports or commands taken before market data gets its turn: enough for a burst, little enough that quotes stay fresh.
const URGENT_BATCH: usize = 64;
/// Market data taken before reports get their turn again: a report waits for at most this many quotes.
const MARKET_BATCH: usize = 16;
/// Room for what the gateways' channels could not take at once. It holds the largest outbox twice.
const BACKLOG: usize = 8_192;

/// Where events and decisions are kept before anything acts on them: the journal, seen from here.
pub trait EventLog: Send {
    /// Whether any one record certainly fits.
    fn has_room(&self) -> bool;
    /// Keeps an event and its decisions. Called only after `has_room`; an error is a defect and stops the engine.
    fn append(&mut self, event: &Event, decided_ns: Nanos, effects: &[Effect]) -> Result<(), String>;
    /// Whether the core's state should be noted now.
    fn checkpoint_due(&self) -> bool;
    fn checkpoint(&mut self, state_hash: u64);
}

/// What the supervisor shares with the core's agent.
#[derive(Default)]
pub struct CoreShared {
    /// Set by the supervisor when the last orders are settled: note the state and say so.
    pub finish: AtomicBool,
    /// Set by the agent when it has.
    pub finished: AtomicBool,
    /// The journal has no room; nothing is taken.
    pub stalled: AtomicBool,
    pub events: AtomicU64,
}

/// Channels in and out of the core's agent.
pub struct CoreLinks {
    /// One a gateway.
    pub reports: Vec<Rx<Input>>,
    pub commands: Rx<Input>,
    /// One a feed.
    pub market: Vec<Rx<Input>>,
    /// By venue.
    pub gateways: Vec<(VenueId, Tx<Effect>)>,
}

pub struct CoreAgent<L> {
    core: Core,
    out: Outbox,
    log: L,
    clock: Clock,
    links: CoreLinks,
    gateway_of: [Option<usize>; MAX_VENUES],
    /// What a full channel could not take, by gateway. Orders never wait here: they are said to be not sent.
    backlog: Vec<VecDeque<Effect>>,
    /// Events that the handing on of effects caused; taken before anything else.
    feedback: VecDeque<Body>,
    tick_interval: Nanos,
    next_tick: Nanos,
    last_ts: Nanos,
    shared: Arc<CoreShared>,
}

impl<L: EventLog> CoreAgent<L> {
    /// `core` as restored from the journal, whose last event was stamped `last_ts`.
    pub fn new(
        core: Core,
        log: L,
        clock: Clock,
        links: CoreLinks,
        tick_interval: Nanos,
        last_ts: Nanos,
        shared: Arc<CoreShared>,
    ) -> Self {
        let mut gateway_of = [None; MAX_VENUES];
        for (at, (venue, _)) in links.gateways.iter().enumerate() {
            gateway_of[venue.index()] = Some(at);
        }
        CoreAgent {
            core,
            out: Outbox::new(),
            log,
            clock,
            backlog: links.gateways.iter().map(|_| VecDeque::with_capacity(BACKLOG)).collect(),
            links,
            gateway_of,
            feedback: VecDeque::with_capacity(BACKLOG),
            tick_interval,
            next_tick: 0,
            last_ts,
            shared,
        }
    }

    /// Takes an event that comes from nobody's channel: the configuration, at the start.
    pub fn take(&mut self, body: Body) {
        self.apply(&Input::new(body));
    }

    pub fn core(&self) -> &Core {
        &self.core
    }

    pub fn log(&self) -> &L {
        &self.log
    }

    #[inline]
    fn apply(&mut self, input: &Input) {
        // The clock is monotonic, but a journal of the run before may end later than this machine's clock stands.
        let ts_ns = self.clock.now().max(self.last_ts);
        self.last_ts = ts_ns;
        let event = Event {
            seq: self.core.seq() + 1,
            ts_ns,
            recv_ns: input.recv_ns,
            decoded_ns: input.decoded_ns,
            body: input.body,
        };
        self.out.clear();
        self.core.on_event(&event, &mut self.out);
        let decided_ns = self.clock.now();
        if let Err(cause) = self.log.append(&event, decided_ns, self.out.effects()) {
            panic!("event {} could not be journaled, so nothing may act on it: {cause}", event.seq);
        }
        for at in 0..self.out.effects().len() {
            let effect = self.out.effects()[at];
            self.hand_on(effect);
        }
        self.shared.events.store(event.seq, Ordering::Relaxed);
        if self.log.checkpoint_due() {
            self.log.checkpoint(self.core.state_hash());
        }
    }

    #[inline]
    fn hand_on(&mut self, effect: Effect) {
        let venue = match &effect {
            EffectOf::Place(order)
            | EffectOf::PlaceList { first: order, .. }
            | EffectOf::Replace { new: order, .. }
            | EffectOf::Test { order, .. } => order.get().venue,
            EffectOf::Amend { order, .. } => order.venue,
            EffectOf::Cancel(cancel) => cancel.venue,
            EffectOf::Query(query) => query.venue,
            EffectOf::CancelAll { venue, .. } | EffectOf::Reconcile { venue } | EffectOf::Backfill { venue, .. } => {
                *venue
            }
            _ => return,
        };
        let Some(at) = self.gateway_of.get(venue.index()).copied().flatten() else {
            return self.refuse(&effect, "no gateway serves the venue");
        };
        if !self.backlog[at].is_empty() {
            return self.postpone(at, effect);
        }
        if let Err(effect) = self.links.gateways[at].1.try_send(effect) {
            self.postpone(at, effect);
        }
    }

    /// An order that its gateway has no room for is not sent, and the core is told; everything else waits its turn.
    fn postpone(&mut self, at: usize, effect: Effect) {
        if effect.sends()[0].is_some() || matches!(effect, EffectOf::Test { .. }) {
            self.refuse(&effect, "the gateway's queue is full");
        } else {
            self.backlog[at].push_back(effect);
        }
    }

    fn refuse(&mut self, effect: &Effect, why: &str) {
        if let EffectOf::Test { request, .. } = effect {
            self.feedback.push_back(Body::Tested(Tested::not_asked(*request, why)));
        }
        // An order that was to be replaced stands as it stood: its own answer does not come, and it is asked for.
        for order in effect.sends().into_iter().flatten() {
            self.feedback.push_back(Body::NotSent { order: order.get().order, text: Text::new(why) });
        }
    }

    fn flush_backlog(&mut self) -> usize {
        let mut moved = 0;
        for (backlog, (_, gateway)) in self.backlog.iter_mut().zip(&self.links.gateways) {
            while let Some(effect) = backlog.front() {
                if gateway.try_send(*effect).is_err() {
                    break;
                }
                backlog.pop_front();
                moved += 1;
            }
        }
        moved
    }

    /// What may not wait behind market data.
    fn urgent(&mut self) -> usize {
        let mut work = 0;
        while let Some(body) = self.feedback.pop_front() {
            self.apply(&Input::new(body));
            work += 1;
        }
        for at in 0..self.links.reports.len() {
            for _ in 0..URGENT_BATCH {
                if !self.log.has_room() {
                    return work;
                }
                let Some(input) = self.links.reports[at].try_recv() else { break };
                self.apply(&input);
                work += 1;
            }
        }
        for _ in 0..URGENT_BATCH {
            if !self.log.has_room() {
                return work;
            }
            let Some(input) = self.links.commands.try_recv() else { break };
            self.apply(&input);
            work += 1;
        }
        work
    }

    fn market(&mut self) -> usize {
        let mut work = 0;
        for at in 0..self.links.market.len() {
            for _ in 0..MARKET_BATCH {
                if !self.log.has_room() {
                    return work;
                }
                let Some(input) = self.links.market[at].try_recv() else { break };
                self.apply(&input);
                work += 1;
            }
        }
        work
    }

    fn is_idle(&self) -> bool {
        self.feedback.is_empty()
            && self.links.commands.is_empty()
            && self.links.reports.iter().all(Rx::is_empty)
            && self.backlog.iter().all(VecDeque::is_empty)
    }
}

impl<L: EventLog> Agent for CoreAgent<L> {
    fn name(&self) -> &str {
        "core"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        if self.shared.finished.load(Ordering::Relaxed) {
            return 0;
        }
        if !self.log.has_room() {
            self.shared.stalled.store(true, Ordering::Relaxed);
            return 0;
        }
        self.shared.stalled.store(false, Ordering::Relaxed);
        let mut work = self.flush_backlog() + self.urgent() + self.market();
        if now >= self.next_tick && self.log.has_room() {
            self.next_tick = now + self.tick_interval;
            self.apply(&Input::new(Body::Tick));
            work += 1;
        }
        if self.shared.finish.load(Ordering::Acquire) && self.is_idle() {
            self.log.checkpoint(self.core.state_hash());
            self.shared.finished.store(true, Ordering::Release);
        }
        work
    }
}
