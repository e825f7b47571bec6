//! The core: a deterministic state machine. An event goes in, effects come out.
//!
//! Owns: every decision. Orders, positions, balances, books, trading state, the gate, the strategies.
//! Must not know: all but `domain`; `std::{net, fs, thread, time}`; floats in money; randomly ordered maps. It reads no
//! clock, and allocates nothing after `Core::new` but the tables of an instrument when it is first defined.

pub mod account;
pub mod alarm;
pub mod alerts;
pub mod book;
mod close;
pub mod command;
mod commands;
pub mod config;
pub mod correlation;
pub mod desks;
pub mod effect;
pub mod event;
mod exec;
mod hash;
mod lists;
pub mod losses;
pub mod native;
pub mod orders;
mod parked;
pub mod portfolio;
pub mod positions;
pub mod protect;
pub mod risk;
pub mod routing;
pub mod sizing;
mod split;
pub mod standing;
pub mod stop;
pub mod strategy;
pub mod table;
#[cfg(test)]
mod tests;
mod tick;
mod transition;
mod venue;
mod window;

use account::{Account, Purse};
use alarm::AlarmKind;
use alerts::Alerts;
use book::Book;
use command::{PlaceOrder, Protect, Scope, TradingState};
use config::Limits;
use correlation::Correlation;
use desks::Desks;
use effect::{Effect, EffectOf, OrderUpdate, Outbox};
use event::{Body, Event};
use losses::Losses;
use native::ProtectRules;
use orders::{Order, Orders, open_counts};
use parked::{Parked, Placed};
use portfolio::Portfolio;
use protect::Protections;
use risk::{Caps, DenyReason, Hours, RULES, Recent, Resting, Scene, Unevaluable, Verdict, Weighed, Witness};
use routing::Routes;
use standing::Road;
use stop::Stop;
use strategy::{Intent, Intents, Strategies};
use table::{Key, RecentSet, mix};
use transition::Shadows;

use crate::domain::{
    AssetId, DepthChunk, ExecId, InstrumentId, MAX_INSTRUMENTS, MAX_VENUES, Nanos, OpenCounts, OrdStatus, OrderId, Qty,
    Quote, RequestId, Side, StrategyId, Text, TradeTick, VenueId, VenueState,
};

/// Fills remembered, so that one that comes twice counts once.
const FILLS_REMEMBERED: usize = 65_536;

/// Fills of a venue since it was last reconciled, at which that is done anew: a backfill begins there, and must not
/// bring more than are remembered.
const FILLS_UNSYNCED_MAX: u32 = (FILLS_REMEMBERED / 4) as u32;

const NOTHING_OPEN: OpenCounts = OpenCounts { orders: 0, algos: 0, icebergs: 0, lists: 0 };

/// Orders one event can make; an order id has room for this many.
pub const ORDERS_PER_EVENT: u64 = 64;

/// Who wants an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Source {
    request: RequestId,
    strategy: StrategyId,
}

/// What an order hangs on.
#[derive(Debug, Clone, Copy)]
struct Tie {
    list: OrderId,
    mate: OrderId,
    replaces: OrderId,
    counts: bool,
    waits: bool,
    protect: Protect,
}

impl Tie {
    const NONE: Tie = Tie {
        list: OrderId::FOREIGN,
        mate: OrderId::FOREIGN,
        replaces: OrderId::FOREIGN,
        counts: true,
        waits: false,
        protect: Protect::Off,
    };
}

/// A fill's identity: exec ids are unique within an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FillKey(InstrumentId, ExecId);

impl Key for FillKey {
    fn spread(self) -> u64 {
        mix(self.1.lo ^ self.1.hi.rotate_left(31) ^ u64::from(self.0.0) << 48)
    }
}

/// A configured venue, as the core knows it.
#[derive(Debug, Clone, Copy, Default)]
struct Venue {
    name: Text<16>,
    state: VenueState,
    /// Why the venue takes no new orders from the account; empty: it does.
    barred: Text<48>,
    trading: TradingState,
    /// Someone should ask the venue for everything again, at the next tick.
    reconcile_due: bool,
    /// When the last `Reconcile` was asked for.
    reconcile_ns: Nanos,
    /// When the last one that was answered had been asked for; 0: none ever was.
    synced_ns: Nanos,
    /// One was asked for and is not answered yet.
    reconciling: bool,
    /// Open orders that are not ours, in the answer that comes or came last.
    foreign: u32,
    /// In that answer a balance is not what our fills made of it.
    differs: bool,
    /// The venue has counted fills that did not reach us, and has not told them yet.
    fills_missing: bool,
    /// Since when.
    missing_ns: Nanos,
    /// Fills since then, and how many of them had been counted when the last one was asked for.
    fills: u32,
    marked_fills: u32,
    /// Orders of ours that are open there, as its filters count them.
    open: OpenCounts,
}

/// What happened, counted. Shown by status; part of no decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    pub quotes: u64,
    pub trades: u64,
    pub depth: u64,
    pub placed: u64,
    pub fills: u64,
    pub fills_doubled: u64,
    pub rejected: u64,
    pub unknown: u64,
    pub denied: [u64; RULES.len()],
}

impl Default for Counters {
    fn default() -> Self {
        let denied = [0; RULES.len()];
        Counters {
            quotes: 0,
            trades: 0,
            depth: 0,
            placed: 0,
            fills: 0,
            fills_doubled: 0,
            rejected: 0,
            unknown: 0,
            denied,
        }
    }
}

/// See the module.
pub struct Core {
    seq: u64,
    now: Nanos,
    epoch: u32,
    run: u32,
    made: u64,
    limits: Limits,
    limits_set: bool,
    /// Of the stage between paper and live.
    caps: Caps,
    /// Between paper and live.
    road: Road,
    shadows: Shadows,
    /// A second over `orders_per_second_max`.
    rate_interval_ns: Nanos,
    trading: TradingState,
    /// Going down: nothing opens until the next start.
    shutting_down: bool,
    /// An emergency stop flattens first and halts then.
    halt_when_flat: bool,
    stop: Stop,
    venues: [Venue; MAX_VENUES],
    account: Account,
    portfolio: Portfolio,
    orders: Orders,
    desks: Desks,
    hours: Hours,
    correlation: Correlation,
    losses: Losses,
    alerts: Alerts,
    /// Prices of our own resting orders.
    resting: Resting,
    /// Intents that became orders a moment ago.
    recent: Recent,
    /// Instruments that are the same thing at several venues.
    routes: Routes,
    fills_seen: RecentSet<FillKey>,
    books: Vec<Book>,
    strategies: Strategies,
    protections: Protections,
    protect_rules: ProtectRules,
    /// Orders that wait for protection at the venue to make way.
    parked: Parked,
    /// Something has ended in this event that protection, or what waits for it, may have waited for.
    stirred: bool,
    intents: Intents,
    counters: Counters,
    /// Of a replica whose reader asks why: what the gate found of each order.
    witness: Option<Box<Witness>>,
}

impl Core {
    /// From now on, what the gate finds of each order is kept until it is taken. For replicas: it allocates.
    pub fn watch(&mut self) {
        self.witness = Some(Box::default());
    }

    /// What was weighed since the last time, in its order.
    pub fn take_weighed(&mut self) -> Vec<Weighed> {
        self.witness.as_ref().map(|witness| witness.take()).unwrap_or_default()
    }

    /// A core that has seen nothing. Without limits it denies everything.
    pub fn new() -> Core {
        Core {
            seq: 0,
            now: 0,
            epoch: 0,
            run: 0,
            made: 0,
            limits: Limits::default(),
            limits_set: false,
            caps: Caps::NONE,
            road: Road::default(),
            shadows: Shadows::new(),
            rate_interval_ns: 0,
            trading: TradingState::Active,
            shutting_down: false,
            halt_when_flat: false,
            stop: Stop::default(),
            venues: [Venue::default(); MAX_VENUES],
            account: Account::new(),
            portfolio: Portfolio::new(),
            orders: Orders::new(),
            desks: Desks::new(),
            hours: Hours::new(),
            correlation: Correlation::new(),
            losses: Losses::default(),
            alerts: Alerts::new(),
            resting: Resting::new(MAX_INSTRUMENTS),
            recent: Recent::new(),
            routes: Routes::new(),
            fills_seen: RecentSet::new(FILLS_REMEMBERED),
            books: Vec::with_capacity(MAX_INSTRUMENTS),
            strategies: Strategies::new(),
            protections: Protections::new(),
            protect_rules: ProtectRules::default(),
            parked: Parked::new(),
            stirred: false,
            intents: Intents::new(),
            counters: Counters::default(),
            witness: None,
        }
    }

    /// Applies one event and leaves in `out` what the outside must now do.
    ///
    /// Equal states given equal events leave equal effects. A bad order is an answer (`Denied`), not an error.
    pub fn on_event(&mut self, event: &Event, out: &mut Outbox) {
        assert!(event.seq == self.seq + 1, "events arrive without gaps");
        self.seq = event.seq;
        self.now = event.ts_ns;
        self.made = 0;
        match &event.body {
            Body::Quote(quote) => self.on_quote(quote, out),
            Body::Trade(trade) => self.on_trade(trade),
            Body::Depth(chunk) => self.on_depth(chunk),
            Body::Exec(report) => self.on_exec(report, out),
            Body::Balance(balance) => self.on_balance(balance),
            Body::Margin(margin) => {
                self.alerts.on_margin(margin);
                self.on_margin(margin);
            }
            Body::InstrumentStatus { instrument, status, text } => {
                self.on_instrument_status(*instrument, *status, *text);
            }
            Body::PriceBand { instrument, lower, upper } => self.on_price_band(*instrument, *lower, *upper),
            Body::Barred { venue, text } => self.on_barred(*venue, *text, out),
            Body::Sent { order, written_ns, .. } => self.on_sent(*order, *written_ns),
            Body::NotSent { order, text } => self.on_not_sent(*order, *text, out),
            Body::Command(command) => self.on_command(command, out),
            Body::Tick => self.on_tick(out),
            Body::Feed { instrument, state } => self.on_feed(*instrument, *state),
            Body::VenueState { venue, state } => self.on_venue_state(*venue, *state, out),
            Body::Reconciled { venue } => self.on_reconciled(*venue, out),
            Body::Start { epoch, run } => self.on_start(*epoch, *run, out),
            Body::Limits(limits) => self.set_limits(limits),
            Body::Strategy(config) => {
                self.strategies.configure(config);
                if config.id.is_live() && self.road.is_live() {
                    self.size_twins(self.road.standing().stage);
                }
                // One that was given another instrument holds nothing of it.
                self.desks.get_mut(config.id).net = self.strategies.net(config.id);
            }
            Body::Venue { venue, name } => self.on_venue(*venue, *name),
            Body::Instrument(def) => self.on_instrument(def, out),
            Body::Asset { asset, name } => self.portfolio.name_asset(*asset, *name),
            Body::Policy(policy) => self.set_policy(policy),
            Body::LiveVenue { venue, paper } => self.set_live_venue(*venue, *paper),
            Body::Step(step) => self.on_step(step, out),
            Body::Permit { instrument, permit } => {
                if let Some(inst) = self.portfolio.slot_mut(*instrument) {
                    inst.permit = *permit;
                }
            }
            Body::Allow { strategy, allowed } => self.desks.get_mut(*strategy).allowed = *allowed,
            Body::Calendar { instrument, source, calendar } => self.hours.set(*instrument, *source, calendar),
            Body::AlertRules(rules) => self.alerts.set_rules(rules),
            Body::StopRules(rules) => self.stop.rules = *rules,
            Body::ProtectRules(rules) => self.protect_rules = *rules,
            Body::Condition { kind, scope, is_so } => self.on_condition(*kind, *scope, *is_so, out),
            Body::Route(route) => self.routes.add(route),
            Body::Tested(_) => {}
            Body::VenuePx { instrument, px } => {
                if let Some(inst) = self.portfolio.get_mut(*instrument) {
                    (inst.venue_px, inst.venue_px_ns) = (*px, event.ts_ns);
                }
            }
        }
        if self.stirred {
            self.stirred = false;
            self.tend_natives(out);
            self.go_on_parked(out);
            self.go_on_protecting(out);
        }
        self.act_on_alerts(out);
        self.watch_difference(out);
    }

    fn on_quote(&mut self, quote: &Quote, out: &mut Outbox) {
        let now = self.now;
        let Some(inst) = self.portfolio.get_mut(quote.instrument) else { return };
        inst.quote = *quote;
        inst.quote_ns = now;
        inst.swing.see(now, self.limits.price_move_window_ns, quote.mid());
        self.counters.quotes += 1;
        self.portfolio.revalue(quote.instrument);
        self.watch_loss(out);
        self.watch_road(out);
        self.watch_protections(quote.instrument, out);
        self.run_strategies(quote.instrument, out);
    }

    fn on_trade(&mut self, trade: &TradeTick) {
        if self.portfolio.get(trade.instrument).is_some() {
            self.counters.trades += 1;
        }
    }

    fn on_depth(&mut self, chunk: &DepthChunk) {
        // The feed does not wait for the gateway: a snapshot may come before the instrument's definition, and would
        // not come again.
        self.make_books(chunk.instrument);
        if let Some(book) = self.books.get_mut(chunk.instrument.index()) {
            book.apply(chunk);
            self.counters.depth += u64::from(chunk.last);
        }
    }

    /// Makes the books up to an instrument's. They are large tables: made when the instrument is first heard of, which
    /// is before anything trades.
    #[inline]
    fn make_books(&mut self, instrument: InstrumentId) {
        while self.books.len() <= instrument.index() && instrument.index() < MAX_INSTRUMENTS {
            self.books.push(Book::new());
        }
    }

    /// Lets the strategies of an instrument look at its quote, and puts what they want through the gate.
    #[inline]
    fn run_strategies(&mut self, instrument: InstrumentId, out: &mut Outbox) {
        let stopped = self.trading == TradingState::Halted || self.halt_when_flat;
        if self.strategies.is_empty() || self.shutting_down || stopped {
            return;
        }
        let Some(inst) = self.portfolio.get(instrument) else { return };
        let (live, on_live) = (self.road.is_live(), self.road.is_live_venue(inst.def.venue));
        if on_live && !live {
            return;
        }
        self.intents.clear();
        self.strategies.on_quote(self.now, inst, &self.orders, live && !on_live, &mut self.intents);
        for n in 0..self.intents.len() {
            let Some((strategy, intent)) = self.intents.get(n) else { break };
            match intent {
                // A halted strategy may still cancel.
                Intent::Place(_) if self.desks.get(strategy).trading == TradingState::Halted => {}
                // It is answered when the one that waits is.
                Intent::Place(order) if self.parked.has(strategy, order.instrument, order.side) => {}
                Intent::Place(order) => {
                    let source = Source { request: RequestId(0), strategy };
                    let placed = self.place(&order, source, out);
                    if placed == Placed::Parked {
                        continue;
                    }
                    self.strategies.on_answer(strategy, order.side, placed.order(), self.now);
                    if let Some(live) = placed.order().filter(|_| on_live) {
                        self.shadow(live, &order, strategy, out);
                    }
                }
                Intent::Cancel(order) => {
                    self.cancel(order, out);
                    if on_live {
                        self.cancel_shadow(order, out);
                    }
                }
            }
        }
    }

    /// The one way an order comes to be: the gate, the table, the effects; after protection at the venue has made way,
    /// where that holds what it sells.
    fn place(&mut self, order: &PlaceOrder, source: Source, out: &mut Outbox) -> Placed {
        let sized;
        let order = if order.auto_qty {
            sized = self.sized(order, source, out);
            &sized
        } else {
            order
        };
        if let Some(parked) = self.park(order, source, out) {
            return parked;
        }
        self.place_free(order, source, out).map_or(Placed::Denied, Placed::Sent)
    }

    /// Places an order that nothing is in the way of. `None` where it was denied.
    fn place_free(&mut self, order: &PlaceOrder, source: Source, out: &mut Outbox) -> Option<OrderId> {
        if self.routes.takes(order, source) {
            return self.route(order, source, out);
        }
        let id = self.next_order();
        match self.verdict(order, id, source.strategy) {
            Ok(verdict) => {
                self.made += 1;
                self.recent.add(order, source.strategy, self.now);
                self.send(&verdict, order, source, out);
                Some(id)
            }
            Err(reason) => {
                self.deny(order, source, reason, out);
                None
            }
        }
    }

    /// The id of the next order that this event makes.
    #[inline]
    fn next_order(&self) -> OrderId {
        OrderId(self.seq * ORDERS_PER_EVENT + self.made)
    }

    /// An order is denied, and counted as such.
    fn deny(&mut self, order: &PlaceOrder, source: Source, reason: DenyReason, out: &mut Outbox) {
        self.counters.denied[reason.rank()] += 1;
        // Exits are held back by it too: an operator must know, once.
        if reason == DenyReason::CannotEvaluate(Unevaluable::OrderTableFull)
            && !self.alerts.stands(AlarmKind::TableFull, Scope::Account)
        {
            self.alarm(AlarmKind::TableFull, InstrumentId::UNKNOWN, OrderId::FOREIGN, out);
        }
        out.push(EffectOf::Denied {
            request: source.request,
            strategy: source.strategy,
            instrument: order.instrument,
            side: order.side,
            qty: order.qty,
            px: order.px,
            reason,
        });
    }

    #[inline]
    fn verdict(&self, order: &PlaceOrder, id: OrderId, strategy: StrategyId) -> Result<Verdict, DenyReason> {
        self.gate(&self.scene(order, strategy), order, id)
    }

    /// The gate, and whoever watches it.
    #[inline]
    fn gate(&self, scene: &Scene, order: &PlaceOrder, id: OrderId) -> Result<Verdict, DenyReason> {
        let verdict = risk::gate(scene, order, id);
        if let Some(witness) = &self.witness {
            witness.see(scene, order, id, verdict.is_ok());
        }
        verdict
    }

    /// What the rules may look at.
    #[inline]
    fn scene(&self, order: &PlaceOrder, strategy: StrategyId) -> Scene<'_> {
        let inst = self.portfolio.get(order.instrument);
        let venue = inst.map(|i| i.def.venue).unwrap_or_default();
        let desk = self.desks.get(strategy);
        let (scope, trading) = self.strictest(inst, strategy);
        let on_live = inst.is_some() && self.road.is_live_venue(venue);
        let barred = on_live && !self.road.is_live();
        Scene {
            now: self.now,
            limits: &self.limits,
            // Live, a stage holds what trades money, and not its shadows.
            caps: if on_live || !self.road.is_live() { &self.caps } else { &Caps::NONE },
            barred_from_live: barred.then(|| self.road.standing().state),
            scope,
            trading,
            inst,
            venue: inst.and(self.venues.get(venue.index())).map(|v| v.state).unwrap_or_default(),
            barred: self.venues.get(venue.index()).map(|v| &v.barred).filter(|why| !why.is_empty()),
            account: &self.account,
            portfolio: &self.portfolio,
            totals: self.portfolio.totals_of(on_live),
            hours: &self.hours,
            losses: &self.losses,
            open_orders: self.orders.live_count(),
            strategy,
            desk,
            venue_rate: self.desks.rate(venue),
            rate_interval_ns: self.rate_interval_ns,
            day: &self.desks.day,
            recent: &self.recent,
            resting: &self.resting,
            venue_open: self.venues.get(venue.index()).map_or(&NOTHING_OPEN, |v| &v.open),
            covered: Qty::ZERO,
            besides: NOTHING_OPEN,
            namesake: self.orders.by_client(order.client),
            table_full: self.orders.is_full() || self.made + 1 >= ORDERS_PER_EVENT,
        }
    }

    /// The strictest trading state that an order falls under, and whose it is.
    #[inline]
    fn strictest(&self, inst: Option<&portfolio::Inst>, strategy: StrategyId) -> (Scope, TradingState) {
        if self.shutting_down || !self.limits_set {
            return (Scope::Account, TradingState::Halted);
        }
        let mut found = (Scope::Account, self.trading);
        let mut meet = |scope, state| {
            if state > found.1 {
                found = (scope, state);
            }
        };
        if let Some(inst) = inst {
            if let Some(venue) = self.venues.get(inst.def.venue.index()) {
                meet(Scope::Venue(inst.def.venue), venue.trading);
            }
            meet(Scope::Instrument(inst.def.id), inst.trading);
        }
        meet(Scope::Strategy(strategy), self.desks.get(strategy).trading);
        found
    }

    fn send(&mut self, verdict: &Verdict, order: &PlaceOrder, source: Source, out: &mut Outbox) {
        self.admit(verdict, order.client, source, Tie { protect: order.protect, ..Tie::NONE });
        let id = verdict.order.get().order;
        out.push(Effect::Place(verdict.order));
        out.push(EffectOf::Accepted { request: source.request, order: id });
        self.tell(id, 0, Text::default(), out);
    }

    /// Takes an approved order into the table and counts it; what sends it is the caller's to say.
    fn admit(&mut self, verdict: &Verdict, client: Text<36>, source: Source, tie: Tie) {
        let new = *verdict.order.get();
        let order = Order {
            id: new.order,
            request: source.request,
            strategy: source.strategy,
            venue: new.venue,
            instrument: new.instrument,
            side: new.side,
            kind: new.kind,
            tif: new.tif,
            qty: verdict.qty,
            px: new.px,
            terms: new.terms,
            client,
            value_px: verdict.value_px,
            short: verdict.short,
            decided_ns: self.now,
            asked_ns: self.now,
            list: tie.list,
            mate: tie.mate,
            replaces: tie.replaces,
            counts: tie.counts,
            waits: tie.waits,
            protect: tie.protect,
            ..Order::default()
        };
        self.orders.insert(order);
        self.resting.add(&order);
        self.work(new.instrument, new.strategy, new.side, order.working().0);
        self.count_open(&order, true);
        if let Some(inst) = self.portfolio.get_mut(new.instrument) {
            inst.traded = true;
        }
        self.hold(new.order);
        self.portfolio.revalue(new.instrument);
        self.counters.placed += 1;
        self.desks.message(new.venue, source.strategy, self.now, self.rate_interval_ns);
        self.desks.day.orders = self.desks.day.orders.saturating_add(1);
    }

    /// Brings what the order holds in line with what of it still works. Returns the change, and of what.
    fn hold(&mut self, id: OrderId) -> Option<(VenueId, Purse, i64)> {
        let order = self.orders.get_mut(id)?;
        let inst = self.portfolio.get(order.instrument)?;
        let leaves = order.working();
        let value_px = if order.value_px.is_zero() { inst.quote.ask_px } else { order.value_px };
        // It works already, so its own quantity is among what works.
        let held =
            if leaves.is_zero() { Some(0) } else { risk::reserve(order.side, order.short, value_px, leaves, inst, 0) };
        let purse = risk::purse(order.side, order.short, inst);
        // The gate has valued the whole order in the same way, so a part of it fits.
        let held = held.unwrap_or(order.reserved);
        let change = held - std::mem::replace(&mut order.reserved, held);
        self.account.reserve(order.venue, purse, change);
        Some((order.venue, purse, change))
    }

    /// Leaves the order's present state for the readers of the journal.
    fn tell(&self, id: OrderId, code: i32, text: Text<48>, out: &mut Outbox) {
        if let Some(o) = self.orders.get(id) {
            out.push(EffectOf::Order(OrderUpdate {
                order: o.id,
                request: o.request,
                strategy: o.strategy,
                venue: o.venue,
                instrument: o.instrument,
                side: o.side,
                status: o.status,
                order_qty: o.qty,
                cum_qty: o.cum,
                cum_value: o.cum_value,
                px: o.px,
                venue_order_id: o.venue_order_id,
                code,
                text,
            }));
        }
    }

    /// Moves an order to a new status; what no longer works is given back.
    fn set_status(&mut self, id: OrderId, status: OrdStatus) {
        let Some(order) = self.orders.get_mut(id) else { return };
        if order.status == status {
            return;
        }
        if status != OrdStatus::Rejected {
            self.routes.settle(id);
        }
        let before = order.working();
        order.status = status;
        let (instrument, strategy, side, after) = (order.instrument, order.strategy, order.side, order.working());
        if before != after {
            self.work(instrument, strategy, side, after.0 - before.0);
        }
        if status.is_closed() {
            self.retire(id);
            self.portfolio.revalue(instrument);
        }
        if status == OrdStatus::Unknown {
            self.counters.unknown += 1;
        }
    }

    /// An order has come or gone, as the venue's filters count.
    fn count_open(&mut self, order: &Order, comes: bool) {
        let mut counts = open_counts(order.kind, &order.terms);
        // A list lives as long as its second leg does: the first may have filled long before.
        counts.lists = u32::from(order.list != OrderId::FOREIGN && order.id.0 == order.list.0 + 1);
        let inst = self.portfolio.get_mut(order.instrument).map(|inst| &mut inst.open);
        let venue = self.venues.get_mut(order.venue.index()).map(|venue| &mut venue.open);
        for open in [inst, venue].into_iter().flatten() {
            if comes {
                open.add(counts);
            } else {
                open.take(counts);
            }
        }
    }

    /// Changes what works, of the instrument and of the strategy.
    #[inline]
    fn work(&mut self, instrument: InstrumentId, strategy: StrategyId, side: Side, change: i64) {
        self.portfolio.work(instrument, side, change);
        self.desks.get_mut(strategy).working.change(side, change);
    }

    /// An order has ended: what it held is free, and it stands in nobody's way.
    fn retire(&mut self, id: OrderId) {
        self.hold(id);
        if let Some(order) = self.orders.get(id).copied() {
            self.resting.remove(&order);
            self.count_open(&order, false);
        }
        self.orders.retire(id);
        self.follow_list(id);
        self.stirred = true;
    }

    // What readers of the state may see.

    pub fn seq(&self) -> u64 {
        self.seq
    }
    pub fn now(&self) -> Nanos {
        self.now
    }
    pub fn epoch(&self) -> u32 {
        self.epoch
    }
    /// Which start of this journal it is, from 1.
    pub fn run(&self) -> u32 {
        self.run
    }
    pub fn trading(&self) -> TradingState {
        self.trading
    }
    /// What is not active: the account, venues, instruments and strategies, each with its state.
    pub fn restrained(&self) -> impl Iterator<Item = (Scope, TradingState)> {
        let account = std::iter::once((Scope::Account, self.trading));
        let venues = self.venues.iter().enumerate().map(|(id, v)| (Scope::Venue(VenueId(id as u8)), v.trading));
        let instruments = self.portfolio.defined().map(|i| (Scope::Instrument(i.def.id), i.trading));
        let strategies = self.desks.all().map(|(id, desk)| (Scope::Strategy(id), desk.trading));
        let all = account.chain(venues).chain(instruments).chain(strategies);
        all.filter(|(_, state)| *state != TradingState::Active)
    }
    /// The emergency stop, or what else halted the account.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }
    pub fn is_shutting_down(&self) -> bool {
        self.shutting_down
    }
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
    pub fn caps(&self) -> &Caps {
        &self.caps
    }
    /// Where the engine stands between paper and live.
    pub fn road(&self) -> &Road {
        &self.road
    }
    pub fn portfolio(&self) -> &Portfolio {
        &self.portfolio
    }
    pub fn account(&self) -> &Account {
        &self.account
    }
    pub fn orders(&self) -> &Orders {
        &self.orders
    }
    pub fn hours(&self) -> &Hours {
        &self.hours
    }
    pub fn correlation(&self) -> &Correlation {
        &self.correlation
    }
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }
    pub fn losses(&self) -> &Losses {
        &self.losses
    }
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
    pub fn book(&self, instrument: InstrumentId) -> Option<&Book> {
        self.books.get(instrument.index())
    }
    /// What protects the entries that are open.
    pub fn protections(&self) -> &Protections {
        &self.protections
    }
    /// Where they are kept, in this run's configuration.
    pub fn protect_rules(&self) -> &ProtectRules {
        &self.protect_rules
    }
    pub fn strategies(&self) -> &Strategies {
        &self.strategies
    }
    /// The configured venues: id, name, state.
    pub fn venues(&self) -> impl Iterator<Item = (VenueId, &str, VenueState)> {
        let named = self.venues.iter().enumerate().filter(|(_, v)| !v.name.is_empty());
        named.map(|(id, v)| (VenueId(id as u8), v.name.as_str(), v.state))
    }
    /// The named assets: id and name.
    pub fn assets(&self) -> impl Iterator<Item = (AssetId, &str)> {
        let named = self.portfolio.assets().iter().enumerate().filter(|(_, a)| !a.name.is_empty());
        named.map(|(id, a)| (AssetId(id as u16), a.name.as_str()))
    }
    /// The instrument of a symbol at a venue, or at the first venue that has it.
    pub fn find_instrument(&self, symbol: &str, venue: Option<VenueId>) -> Option<InstrumentId> {
        let mut found = self.portfolio.defined().filter(|i| i.def.symbol.as_str() == symbol);
        found.find(|i| venue.is_none_or(|v| v == i.def.venue)).map(|i| i.def.id)
    }
}

impl Default for Core {
    fn default() -> Self {
        Core::new()
    }
}
