//! Strategies: deterministic, no I/O. They look at quotes and their own orders and say what they want; the core puts
//! every wish through the gate.
//!
//! Owns: the reference strategies and the trait a new one implements: one file, one row in `StrategyKind`, one in
//! `Slot`.

mod ema_cross;
mod maker;
mod probe;

use super::command::PlaceOrder;
use super::config::{StrategyConfig, StrategyKind};
use super::orders::Orders;
use super::portfolio::Inst;
use crate::domain::wire::{Wire, Writer};
use crate::domain::{InstrumentId, Nanos, OrderId, OrderType, Price, Qty, Side, StrategyId, TimeInForce, Usd};
use crate::wire_struct;

pub use ema_cross::EmaCross;
pub use maker::Maker;
pub use probe::Probe;

/// Most strategies of one engine, twins that trade live among them.
pub const STRATEGIES_MAX: usize = 64;
/// Most wishes of one quote; a strategy has at most four.
const INTENTS_MAX: usize = STRATEGIES_MAX * 4;

/// What a strategy wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    Place(PlaceOrder),
    Cancel(OrderId),
}

/// Wishes of one event, in the order they were made. Allocated once.
pub struct Intents(Vec<(StrategyId, Intent)>);

impl Intents {
    pub fn new() -> Intents {
        Intents(Vec::with_capacity(INTENTS_MAX))
    }
    /// A wish beyond the room is not kept: a strategy that floods is a strategy that waits.
    #[inline]
    pub fn push(&mut self, strategy: StrategyId, intent: Intent) {
        if self.0.len() < INTENTS_MAX {
            self.0.push((strategy, intent));
        }
    }
    pub fn clear(&mut self) {
        self.0.clear();
    }
    pub fn len(&self) -> usize {
        self.0.len()
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn get(&self, n: usize) -> Option<(StrategyId, Intent)> {
        self.0.get(n).copied()
    }
}

impl Default for Intents {
    fn default() -> Self {
        Intents::new()
    }
}

/// What a strategy sees when its instrument's quote has changed.
pub struct View<'a> {
    pub now: Nanos,
    pub inst: &'a Inst,
    pub orders: &'a Orders,
    /// Signed sum of the strategy's own fills.
    pub net: Qty,
    pub id: StrategyId,
}

impl View<'_> {
    /// Whether an order of ours may still fill.
    #[inline]
    pub fn is_live(&self, order: OrderId) -> bool {
        self.orders.get(order).is_some_and(|o| !o.status.is_closed())
    }

    /// The lots that `notional` dollars buy at `px`, rounded down.
    pub fn lots_for(&self, notional: Usd, px: Price) -> Qty {
        let def = &self.inst.def;
        let scale = i32::from(def.px_scale) + i32::from(def.qty_scale) - i32::from(Usd::SCALE);
        let value = i128::from(notional.0) * 10i128.pow(scale.max(0) as u32);
        let qty = crate::domain::num::div(value, i128::from(px.0), crate::domain::Round::Down);
        def.floor_to_lot(Qty(qty.unwrap_or(0)))
    }

    /// An order of this instrument.
    pub fn order(&self, side: Side, kind: OrderType, tif: TimeInForce, qty: Qty, px: Price) -> Intent {
        Intent::Place(PlaceOrder {
            instrument: self.inst.def.id,
            symbol: self.inst.def.symbol,
            side,
            kind,
            tif,
            qty,
            px,
            ..PlaceOrder::default()
        })
    }
}

/// One strategy on one instrument.
pub trait Strategy {
    /// The instrument's quote has changed.
    fn on_quote(&mut self, view: &View, intents: &mut Intents);
    /// The wish became an order, or was denied.
    fn on_answer(&mut self, side: Side, order: Option<OrderId>, now: Nanos);
    /// A new run begins: what was seen is old.
    fn reset(&mut self);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    EmaCross(EmaCross),
    Maker(Maker),
    Probe(Probe),
}
crate::wire_enum!(Slot { 0 => EmaCross(s), 1 => Maker(s), 2 => Probe(s) });

impl Slot {
    #[inline]
    fn get(&mut self) -> &mut dyn Strategy {
        match self {
            Slot::EmaCross(s) => s,
            Slot::Maker(s) => s,
            Slot::Probe(s) => s,
        }
    }
}

/// A configured strategy and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    config: StrategyConfig,
    /// The run that is on has it in its configuration. One that was taken out keeps what it holds, and rests.
    active: bool,
    net: Qty,
    slot: Slot,
}
wire_struct!(Entry { config, active, net, slot });

pub struct Strategies(Vec<Entry>);

impl Strategies {
    pub fn new() -> Strategies {
        Strategies(Vec::with_capacity(STRATEGIES_MAX))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a strategy, or changes the parameters of the one that has the id: what it holds stays with it.
    pub fn configure(&mut self, config: &StrategyConfig) {
        let slot = match config.kind {
            StrategyKind::EmaCross { fast, slow, sample_ns, order_notional } => {
                Slot::EmaCross(EmaCross::new(fast, slow, sample_ns, order_notional))
            }
            StrategyKind::Maker { offset_ppm, requote_ppm, order_notional, inventory_max } => {
                Slot::Maker(Maker::new(offset_ppm, requote_ppm, order_notional, inventory_max))
            }
            StrategyKind::Probe { every, qty } => Slot::Probe(Probe::new(every, qty)),
        };
        match self.0.iter().position(|e| e.config.id == config.id) {
            Some(at) if self.0[at].config == *config => self.0[at].active = true,
            Some(at) => {
                let same = self.0[at].config.instrument == config.instrument;
                let net = if same { self.0[at].net } else { Qty::ZERO };
                self.0[at] = Entry { config: *config, active: true, net, slot };
            }
            None if self.0.len() < STRATEGIES_MAX => {
                self.0.push(Entry { config: *config, active: true, net: Qty::ZERO, slot });
            }
            None => {}
        }
    }

    /// `shadowing`: one whose twin trades live rests.
    #[inline]
    pub fn on_quote(&mut self, now: Nanos, inst: &Inst, orders: &Orders, shadowing: bool, intents: &mut Intents) {
        for n in 0..self.0.len() {
            let config = &self.0[n].config;
            if !self.0[n].active || config.instrument != inst.def.id {
                continue;
            }
            let twin = config.id.live();
            if shadowing && self.0.iter().any(|e| e.active && Some(e.config.id) == twin) {
                continue;
            }
            let entry = &mut self.0[n];
            let view = View { now, inst, orders, net: entry.net, id: entry.config.id };
            entry.slot.get().on_quote(&view, intents);
        }
    }

    pub fn on_answer(&mut self, id: StrategyId, side: Side, order: Option<OrderId>, now: Nanos) {
        if let Some(entry) = self.0.iter_mut().find(|e| e.config.id == id) {
            entry.slot.get().on_answer(side, order, now);
        }
    }

    pub fn on_fill(&mut self, id: StrategyId, side: Side, qty: Qty, base_fee: i64) {
        if let Some(entry) = self.0.iter_mut().find(|e| e.config.id == id) {
            entry.net.0 = entry.net.0.saturating_add(side.sign() * qty.0).saturating_sub(base_fee);
        }
    }

    /// What is held of the instrument is closed by the engine: it is nobody's any more.
    pub fn forget(&mut self, instrument: InstrumentId, mut told: impl FnMut(StrategyId)) {
        for entry in self.0.iter_mut().filter(|e| e.config.instrument == instrument) {
            entry.net = Qty::ZERO;
            told(entry.config.id);
        }
    }

    /// What the strategy's own fills come to.
    pub fn net(&self, id: StrategyId) -> Qty {
        self.0.iter().find(|e| e.config.id == id).map_or(Qty::ZERO, |e| e.net)
    }

    pub fn has(&self, id: StrategyId) -> bool {
        self.0.iter().any(|e| e.config.id == id)
    }

    /// A new run begins: its configuration says anew which strategies trade.
    pub fn reset(&mut self) {
        for entry in &mut self.0 {
            entry.active = false;
            entry.slot.get().reset();
        }
    }

    /// The strategies that trade, and their net quantities.
    pub fn all(&self) -> impl Iterator<Item = (&StrategyConfig, Qty)> {
        self.0.iter().filter(|e| e.active).map(|e| (&e.config, e.net))
    }

    pub(super) fn each_state(&self, mut see: impl FnMut(&StateOf)) {
        for entry in &self.0 {
            see(&StateOf(entry));
        }
    }
}

impl Default for Strategies {
    fn default() -> Self {
        Strategies::new()
    }
}

/// A strategy's state in its byte form, for the state hash.
pub(super) struct StateOf<'a>(&'a Entry);

impl Wire for StateOf<'_> {
    fn put(&self, w: &mut Writer) {
        self.0.put(w);
    }
    fn get(_: &mut crate::domain::wire::Reader) -> Option<Self> {
        None
    }
}
