//! What people and programs ask of the core. A command is journaled like any event and takes the same gate.

use crate::core::config::Limits;
use crate::core::risk::Caps;
use crate::domain::{
    InstrumentId, ListKind, OrderId, OrderType, Price, Qty, ReplaceMode, RequestId, Side, StrategyId, Terms, Text,
    TimeInForce, VenueId,
};
use crate::{wire_enum, wire_struct};
use std::fmt;

/// What may be sent, strictest last. Kept by the core, survives a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub enum TradingState {
    /// Anything the limits allow.
    #[default]
    Active,
    /// Only what shrinks a position.
    Reducing,
    /// Cancels only.
    Halted,
}
wire_enum!(TradingState { 0 => Active, 1 => Reducing, 2 => Halted });

impl TradingState {
    pub fn as_str(self) -> &'static str {
        match self {
            TradingState::Active => "active",
            TradingState::Reducing => "reducing",
            TradingState::Halted => "halted",
        }
    }
}

impl fmt::Display for TradingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a trading state is set for. An order meets the strictest of those that it falls under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    #[default]
    Account,
    Venue(VenueId),
    Strategy(StrategyId),
    Instrument(InstrumentId),
}
wire_enum!(Scope { 0 => Account, 1 => Venue(venue), 2 => Strategy(strategy), 3 => Instrument(instrument) });

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Account => f.write_str("the account"),
            Scope::Venue(venue) => write!(f, "venue {}", venue.0),
            // What people and programs ask for has no strategy.
            Scope::Strategy(StrategyId(0)) => f.write_str("the API"),
            Scope::Strategy(strategy) => write!(f, "strategy {}", strategy.0),
            Scope::Instrument(instrument) => write!(f, "instrument {}", instrument.0),
        }
    }
}

/// An order wanted, before the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlaceOrder {
    pub instrument: InstrumentId,
    /// As asked for, so that a denial can name what no instrument has.
    pub symbol: Text<24>,
    pub side: Side,
    pub kind: OrderType,
    pub tif: TimeInForce,
    pub qty: Qty,
    pub px: Price,
    pub terms: Terms,
    /// Denied where it would open or grow a position; its size is cut to the position.
    pub reduce_only: bool,
    /// The quantity is the core's to work out, from the risk of a trade.
    pub auto_qty: bool,
    pub protect: Protect,
    pub route: Route,
    /// The asker's own id of it, empty where there is none: no two live or lately closed orders share one.
    pub client: Text<36>,
}
wire_struct!(PlaceOrder {
    instrument,
    symbol,
    side,
    kind,
    tif,
    qty,
    px,
    terms,
    reduce_only,
    auto_qty,
    protect,
    route,
    client,
});

/// A leg of a list besides its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leg {
    pub side: Side,
    pub kind: OrderType,
    pub tif: TimeInForce,
    pub qty: Qty,
    pub px: Price,
    pub terms: Terms,
}
wire_struct!(Leg { side, kind, tif, qty, px, terms });

/// Orders that belong together, before the gate. The first of an OTO or OTOCO is the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListOrder {
    pub kind: ListKind,
    pub first: PlaceOrder,
    pub second: Leg,
    /// Of an OTOCO alone.
    pub third: Leg,
}
wire_struct!(ListOrder { kind, first, second, third });

/// The orders of a list, each in whole.
pub struct ListOrders {
    orders: [PlaceOrder; 3],
    len: usize,
}

impl ListOrders {
    pub fn as_slice(&self) -> &[PlaceOrder] {
        &self.orders[..self.len]
    }
}

impl ListOrder {
    pub fn orders(&self) -> ListOrders {
        let whole = |leg: &Leg| PlaceOrder {
            side: leg.side,
            kind: leg.kind,
            tif: leg.tif,
            qty: leg.qty,
            px: leg.px,
            terms: leg.terms,
            reduce_only: false,
            client: Text::default(),
            ..self.first
        };
        let len = if self.kind == ListKind::Otoco { 3 } else { 2 };
        ListOrders { orders: [self.first, whole(&self.second), whole(&self.third)], len }
    }

    /// The first order as a leg.
    pub fn first_leg(&self) -> Leg {
        let PlaceOrder { side, kind, tif, qty, px, terms, .. } = self.first;
        Leg { side, kind, tif, qty, px, terms }
    }
}

/// How an entry is protected once it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protect {
    /// As the limits say.
    #[default]
    Default,
    Off,
    Set {
        stop: Guard,
        target: Guard,
    },
}
wire_enum!(Protect { 0 => Default, 1 => Off, 2 => Set { stop, target } });

/// Where one of the two exits that protect a position stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guard {
    /// As the limits say.
    #[default]
    Default,
    Off,
    /// So far from the price of entry, parts per million.
    Away(u32),
    At(Price),
    /// A stop that follows the price, in bips.
    Trail(u32),
}
wire_enum!(Guard { 0 => Default, 1 => Off, 2 => Away(ppm), 3 => At(px), 4 => Trail(bips) });

/// Where an order goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Route {
    /// Where the instrument's routing sends it.
    #[default]
    Auto,
    /// To this venue and no other.
    Venue(VenueId),
}
wire_enum!(Route { 0 => Auto, 1 => Venue(venue) });

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Place(PlaceOrder),
    /// The whole verdict, nothing sent.
    Validate(PlaceOrder),
    /// The same, and where the order passes, the venue is asked what it would say; nothing is placed.
    ValidateAtVenue(PlaceOrder),
    Cancel(OrderId),
    CancelAll,
    /// Cancel the instrument's orders, then flatten its position with a market order.
    Close(InstrumentId),
    CloseAll,
    /// Halt, cancel everything on every venue; flatten too where asked; have the venues say what is left.
    EmergencyStop {
        flatten: bool,
    },
    /// Also the way back from a halt.
    SetTradingState {
        scope: Scope,
        state: TradingState,
    },
    /// The engine is going down: no opens, cancel all.
    Shutdown,
    SetLimits(Limits),
    /// Ask the venue what is open, and compare.
    Reconcile(VenueId),
    /// The caps of a stage between paper and live; `Caps::NONE` lifts them.
    SetCaps(Caps),
    /// The way between paper and live: answered by a `Step` of whoever judges it.
    Transition(Ask),
    /// Something was changed outside of the core (a credential stored, a token revoked): kept beside the commands, so
    /// that the journal tells of every change, whoever made it. Changes nothing here.
    Note {
        what: Text<24>,
        about: Text<48>,
        /// Whether it was done.
        done: bool,
    },
    /// Somebody has seen an alert.
    Acknowledge {
        alert: u64,
    },
    /// Whoever must say so from time to time, where heartbeats are expected.
    Heartbeat,
    PlaceList(ListOrder),
    /// Cancels an order and places another in its place, with one request.
    Replace {
        order: OrderId,
        mode: ReplaceMode,
        new: PlaceOrder,
    },
    /// Cuts an order's quantity in its place in the queue.
    Amend {
        order: OrderId,
        qty: Qty,
    },
}
wire_enum!(Action {
    0 => Place(order), 1 => Validate(order), 2 => Cancel(order), 3 => CancelAll, 4 => Close(instrument),
    5 => CloseAll, 6 => EmergencyStop { flatten }, 7 => SetTradingState { scope, state }, 8 => Shutdown,
    9 => SetLimits(limits), 10 => Reconcile(venue), 11 => SetCaps(caps), 12 => Note { what, about, done },
    13 => Transition(ask),
    14 => PlaceList(list), 15 => Replace { order, mode, new }, 16 => Amend { order, qty }, 17 => Acknowledge { alert },
    18 => Heartbeat,
    19 => ValidateAtVenue(order),
});

/// What a person asks for between paper and live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Initiate,
    /// Of the request to go live, or of the next stage.
    Approve,
    Reject,
    /// Back to paper, from any live state.
    Revert,
}
wire_enum!(Ask { 0 => Initiate, 1 => Approve, 2 => Reject, 3 => Revert });

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    pub request: RequestId,
    /// Who asked: `api`, `signal`, a person's or a token's name.
    pub who: Text<24>,
    /// The address that the request came from; empty where it came from the process itself.
    pub from: Text<40>,
    /// Why, where it was said.
    pub why: Text<48>,
    pub action: Action,
}
wire_struct!(Command { request, who, from, why, action });
