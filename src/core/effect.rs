//! What comes out of the core: what the outside must do, and what was decided. Both are journaled with their event.

use crate::core::alarm::News;
use crate::core::command::{Scope, TradingState};
use crate::core::risk::{Approved, DenyReason};
use crate::core::routing::Routed;
use crate::core::sizing::Sizing;
use crate::core::standing::{Change, Moved, StepRefusal};
use crate::core::stop::Left;
use crate::domain::{
    ExecId, InstrumentId, ListKind, Nanos, NewOrder, OrdStatus, OrderId, Price, Qty, ReplaceMode, RequestId, Side,
    StrategyId, Text, Usd, VenueId, VenueOrderId,
};
use crate::{wire_enum, wire_struct};

pub use crate::core::alarm::AlarmKind;

/// Most effects of one event. The largest single cause is "cancel everything": a cancel and an order update for each
/// of `LIVE_MAX` orders, and then a flatten of each instrument, stay below it; `Outbox::push` counts what it would drop.
pub const OUTBOX_MAX: usize = 2560;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CancelOrder {
    pub order: OrderId,
    pub venue: VenueId,
    pub instrument: InstrumentId,
    /// `NONE` where the ack has not come: the venue is told the client order id instead.
    pub venue_order_id: VenueOrderId,
}
wire_struct!(CancelOrder { order, venue, instrument, venue_order_id });

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueryOrder {
    pub order: OrderId,
    pub venue: VenueId,
    pub instrument: InstrumentId,
    pub side: Side,
}
wire_struct!(QueryOrder { order, venue, instrument, side });

/// An order's state after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrderUpdate {
    pub order: OrderId,
    pub request: RequestId,
    pub strategy: StrategyId,
    pub venue: VenueId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub status: OrdStatus,
    pub order_qty: Qty,
    pub cum_qty: Qty,
    /// Sum of `last_qty × last_px` over the fills, in units of 10^-(px_scale + qty_scale): average price = this / cum.
    pub cum_value: i128,
    pub px: Price,
    pub venue_order_id: VenueOrderId,
    /// The venue's code and words where it rejected.
    pub code: i32,
    pub text: Text<48>,
}
wire_struct!(OrderUpdate {
    order,
    request,
    strategy,
    venue,
    instrument,
    side,
    status,
    order_qty,
    cum_qty,
    cum_value,
    px,
    venue_order_id,
    code,
    text,
});

/// A fill, counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fill {
    pub order: OrderId,
    pub strategy: StrategyId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub qty: Qty,
    pub px: Price,
    pub exec_id: ExecId,
    /// Commission valued in dollars.
    pub fee: Usd,
    /// Realised by this fill, before fees.
    pub realised: Usd,
    /// Net position after it.
    pub position: Qty,
}
wire_struct!(Fill { order, strategy, instrument, side, qty, px, exec_id, fee, realised, position });

/// The answer to a command that is not an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    Done,
    /// Orders being cancelled, and positions being flattened, by the command.
    Closing {
        cancels: u32,
        flattens: u32,
    },
    /// Nothing to do.
    NothingOpen,
    NotFound,
    /// `Validate` passed; the notional at which the order was valued.
    WouldPass {
        notional: Usd,
    },
    /// `Validate` did not: so many rules are broken, each told by `Broken`.
    WouldFail {
        rules: u32,
    },
}
wire_enum!(Reply { 0 => Done, 1 => Closing { cancels, flattens }, 2 => NothingOpen, 3 => NotFound, 4 => WouldPass { notional },
    5 => WouldFail { rules } });

/// `P` is `Approved<NewOrder>` where the core made it, and a plain `NewOrder` where it was read back from a journal:
/// a gateway takes only the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // lives in a preallocated outbox
pub enum EffectOf<P> {
    // For the gateways.
    Place(P),
    Cancel(CancelOrder),
    CancelAll {
        venue: VenueId,
        instrument: InstrumentId,
    },
    Query(QueryOrder),
    /// Load open orders, balances and, per `Backfill`, the fills since the last one known; then send `Reconciled`.
    Reconcile {
        venue: VenueId,
    },
    /// Part of the `Reconcile` that follows it: fills of the instrument with ids from `from` on, or, where `from` is
    /// `ExecId::NONE` (no fill of ours is known yet), those since `since_ns`.
    Backfill {
        venue: VenueId,
        instrument: InstrumentId,
        from: ExecId,
        since_ns: Nanos,
    },
    // Decisions, for readers of the journal.
    Denied {
        request: RequestId,
        strategy: StrategyId,
        instrument: InstrumentId,
        side: Side,
        qty: Qty,
        px: Price,
        reason: DenyReason,
    },
    /// A rule that an order broke which was only to be validated; then the reply.
    Broken {
        request: RequestId,
        reason: DenyReason,
    },
    /// A quantity that the core worked out, before the order takes the gate.
    Sized {
        request: RequestId,
        strategy: StrategyId,
        instrument: InstrumentId,
        sizing: Sizing,
    },
    Accepted {
        request: RequestId,
        order: OrderId,
    },
    Order(OrderUpdate),
    Fill(Fill),
    Trading {
        scope: Scope,
        state: TradingState,
    },
    Alarm {
        kind: AlarmKind,
        instrument: InstrumentId,
        order: OrderId,
        /// What it did to the alert of its kind and scope.
        news: News,
    },
    Reply {
        request: RequestId,
        reply: Reply,
    },
    /// A change between paper and live.
    Moved(Moved),
    /// A step that the core did not take.
    StepRefused {
        request: RequestId,
        change: Change,
        refusal: StepRefusal,
    },
    // For the gateways, like the first.
    /// A list, with one request. The list's id is its first order's.
    PlaceList {
        kind: ListKind,
        first: P,
        second: P,
        third: Option<P>,
    },
    /// Cancel an order and place another in its place, with one request.
    Replace {
        cancel: CancelOrder,
        mode: ReplaceMode,
        new: P,
    },
    /// Cut an order to this quantity, what has filled included.
    Amend {
        order: CancelOrder,
        qty: Qty,
    },
    /// Which venue an order goes to, and from what that was decided; the order follows.
    Routed(Routed),
    /// What a venue said is left after a stop, where that is news.
    Left(Left),
    /// For its gateway: have the venue test the order without placing it, and tell the answer by `Body::Tested`.
    Test {
        request: RequestId,
        order: P,
    },
}

pub type Effect = EffectOf<Approved<NewOrder>>;
/// An effect read back from a journal.
pub type RecordedEffect = EffectOf<NewOrder>;

wire_enum!(RecordedEffect {
    0 => Place(order), 1 => Cancel(cancel), 2 => CancelAll { venue, instrument }, 3 => Query(query),
    4 => Reconcile { venue }, 5 => Backfill { venue, instrument, from, since_ns },
    6 => Denied { request, strategy, instrument, side, qty, px, reason },
    7 => Accepted { request, order }, 8 => Order(update), 9 => Fill(fill), 10 => Trading { scope, state },
    11 => Alarm { kind, instrument, order, news }, 12 => Reply { request, reply },
    13 => Broken { request, reason },
    14 => Moved(moved), 15 => StepRefused { request, change, refusal },
    16 => PlaceList { kind, first, second, third }, 17 => Replace { cancel, mode, new },
    18 => Amend { order, qty },
    19 => Sized { request, strategy, instrument, sizing },
    20 => Routed(routed),
    21 => Left(left),
    22 => Test { request, order },
});

impl<P: Copy> EffectOf<P> {
    /// The orders that it sends: three at most.
    #[inline]
    pub fn sends(&self) -> [Option<P>; 3] {
        match *self {
            EffectOf::Place(order) => [Some(order), None, None],
            EffectOf::PlaceList { first, second, third, .. } => [Some(first), Some(second), third],
            EffectOf::Replace { new, .. } => [Some(new), None, None],
            _ => [None; 3],
        }
    }
}

impl Effect {
    /// The same effect as a journal keeps it.
    #[inline]
    pub fn recorded(&self) -> RecordedEffect {
        match *self {
            EffectOf::Place(order) => EffectOf::Place(*order.get()),
            EffectOf::Cancel(x) => EffectOf::Cancel(x),
            EffectOf::CancelAll { venue, instrument } => EffectOf::CancelAll { venue, instrument },
            EffectOf::Query(x) => EffectOf::Query(x),
            EffectOf::Reconcile { venue } => EffectOf::Reconcile { venue },
            EffectOf::Backfill { venue, instrument, from, since_ns } => {
                EffectOf::Backfill { venue, instrument, from, since_ns }
            }
            EffectOf::Denied { request, strategy, instrument, side, qty, px, reason } => {
                EffectOf::Denied { request, strategy, instrument, side, qty, px, reason }
            }
            EffectOf::Broken { request, reason } => EffectOf::Broken { request, reason },
            EffectOf::Sized { request, strategy, instrument, sizing } => {
                EffectOf::Sized { request, strategy, instrument, sizing }
            }
            EffectOf::Accepted { request, order } => EffectOf::Accepted { request, order },
            EffectOf::Order(x) => EffectOf::Order(x),
            EffectOf::Fill(x) => EffectOf::Fill(x),
            EffectOf::Trading { scope, state } => EffectOf::Trading { scope, state },
            EffectOf::Alarm { kind, instrument, order, news } => EffectOf::Alarm { kind, instrument, order, news },
            EffectOf::Reply { request, reply } => EffectOf::Reply { request, reply },
            EffectOf::Moved(x) => EffectOf::Moved(x),
            EffectOf::StepRefused { request, change, refusal } => EffectOf::StepRefused { request, change, refusal },
            EffectOf::PlaceList { kind, first, second, third } => EffectOf::PlaceList {
                kind,
                first: *first.get(),
                second: *second.get(),
                third: third.map(|leg| *leg.get()),
            },
            EffectOf::Replace { cancel, mode, new } => EffectOf::Replace { cancel, mode, new: *new.get() },
            EffectOf::Amend { order, qty } => EffectOf::Amend { order, qty },
            EffectOf::Routed(x) => EffectOf::Routed(x),
            EffectOf::Left(x) => EffectOf::Left(x),
            EffectOf::Test { request, order } => EffectOf::Test { request, order: *order.get() },
        }
    }
}

/// Where the core leaves its effects. Allocated once.
pub struct Outbox {
    effects: Vec<Effect>,
    dropped: u64,
}

impl Outbox {
    pub fn new() -> Outbox {
        Outbox { effects: Vec::with_capacity(OUTBOX_MAX), dropped: 0 }
    }

    #[inline]
    pub fn push(&mut self, effect: Effect) {
        if self.effects.len() < OUTBOX_MAX {
            self.effects.push(effect);
        } else {
            self.dropped += 1;
        }
    }

    #[inline]
    pub fn clear(&mut self) {
        self.effects.clear();
    }

    #[inline]
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// Effects that did not fit since the start; anything but zero is a defect.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Outbox::new()
    }
}
