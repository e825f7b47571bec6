//! What goes into the core. Everything that can change a decision is an event: market data, the venue speaking,
//! commands, time, and the configuration itself, so that the journal alone replays a day.

use crate::core::alarm::AlarmKind;
use crate::core::alerts::AlertRules;
use crate::core::command::{Command, Scope};
use crate::core::config::{Limits, StrategyConfig};
use crate::core::native::ProtectRules;
use crate::core::risk::{Allowed, Calendar, CalendarSource, Permit};
use crate::core::routing::RouteConfig;
use crate::core::standing::{Policy, Step};
use crate::core::stop::StopRules;
use crate::domain::{
    AssetId, Balance, DepthChunk, ExecReport, FeedState, Instrument, InstrumentId, InstrumentStatus, Margin, Nanos,
    OrderId, Price, Quote, StrategyId, Tested, Text, TradeTick, VenueId, VenueState,
};
use crate::{wire_enum, wire_struct};

/// One event. The sequencer sets `seq` and `ts_ns`; `recv_ns` and `decoded_ns` are the edge's stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// 1, 2, 3, … without gaps, for the life of a journal.
    pub seq: u64,
    /// When the core took it: UTC nanoseconds, never going back.
    pub ts_ns: Nanos,
    /// When its bytes had been read from the socket (0: not from a socket).
    pub recv_ns: Nanos,
    /// When those bytes had been decoded (0: not from a socket).
    pub decoded_ns: Nanos,
    pub body: Body,
}
wire_struct!(Event { seq, ts_ns, recv_ns, decoded_ns, body });

/// An event before the sequencer numbered it: what feed, gateway and control send to the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    pub recv_ns: Nanos,
    pub decoded_ns: Nanos,
    pub body: Body,
}

impl Input {
    pub fn new(body: Body) -> Input {
        Input { recv_ns: 0, decoded_ns: 0, body }
    }
    pub fn at(recv_ns: Nanos, body: Body) -> Input {
        Input { recv_ns, decoded_ns: recv_ns, body }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // every variant is copied into a preallocated ring; boxing would allocate
pub enum Body {
    /// A run of the engine begins: links are down, data is stale, unanswered orders are unknown.
    Start {
        epoch: u32,
        run: u32,
    },
    Limits(Limits),
    Strategy(StrategyConfig),
    Venue {
        venue: VenueId,
        name: Text<16>,
    },
    /// A margin account's worth and powers. Answers that the venue gave before it knew of an order are not told.
    Margin(Margin),
    /// Whether the instrument trades now, by its market's own word: a halt, a pause for volatility, and their end.
    InstrumentStatus {
        instrument: InstrumentId,
        status: InstrumentStatus,
        /// The market's own reason, where it gives one.
        text: Text<48>,
    },
    /// An asset's id and name; ids stay the same for the life of a journal.
    Asset {
        asset: AssetId,
        name: Text<12>,
    },
    Instrument(Instrument),
    Quote(Quote),
    Trade(TradeTick),
    Depth(DepthChunk),
    Feed {
        instrument: InstrumentId,
        state: FeedState,
    },
    VenueState {
        venue: VenueId,
        state: VenueState,
    },
    Exec(ExecReport),
    Balance(Balance),
    /// All open orders, balances and missed fills asked for by `Effect::Reconcile` have been sent as events.
    Reconciled {
        venue: VenueId,
    },
    /// The gateway has written the order to its socket.
    Sent {
        order: OrderId,
        encoded_ns: Nanos,
        written_ns: Nanos,
    },
    /// The gateway did not write the order and never will (link lost, queue full): it does not live at the venue.
    NotSent {
        order: OrderId,
        text: Text<48>,
    },
    Command(Command),
    Tick,
    /// What going live takes, in this run's configuration.
    Policy(Policy),
    /// The venue trades money, and `paper` plays its paper.
    LiveVenue {
        venue: VenueId,
        paper: VenueId,
    },
    /// A step between paper and live, judged on the journal.
    Step(Step),
    /// What the configuration lets be done with an instrument, and what a source of orders may trade.
    Permit {
        instrument: InstrumentId,
        permit: Permit,
    },
    Allow {
        strategy: StrategyId,
        allowed: Allowed,
    },
    /// The next sessions of an instrument that keeps trading hours; they replace those that were known.
    Calendar {
        instrument: InstrumentId,
        source: CalendarSource,
        calendar: Calendar,
    },
    /// What alerts do, in this run's configuration.
    AlertRules(AlertRules),
    /// What the outside sees of itself, and the core cannot: a clock that is off, a rate limit that is near, a credential
    /// that expires; and that it is so no more.
    Condition {
        kind: AlarmKind,
        scope: Scope,
        is_so: bool,
    },
    /// Instruments that are the same thing at several venues; those of a run are told after its start.
    Route(RouteConfig),
    /// What stops do, in this run's configuration.
    StopRules(StopRules),
    /// The price that the venue's filters hold orders against (Binance: the reference price, else the average).
    VenuePx {
        instrument: InstrumentId,
        px: Price,
    },
    /// The band that the exchange lets the instrument trade within (limit up, limit down); it replaces the one before.
    PriceBand {
        instrument: InstrumentId,
        lower: Price,
        upper: Price,
    },
    /// The venue takes no new orders from the account, and why; empty: it does.
    Barred {
        venue: VenueId,
        text: Text<48>,
    },
    /// What came of `Effect::Test`. Read by those who asked; it changes nothing here.
    Tested(Tested),
    /// Where protections are kept, in this run's configuration.
    ProtectRules(ProtectRules),
}
wire_enum!(Body {
    0 => Start { epoch, run },
    1 => Limits(limits),
    2 => Strategy(strategy),
    3 => Venue { venue, name },
    4 => Instrument(instrument),
    5 => Quote(quote),
    6 => Trade(trade),
    7 => Depth(depth),
    8 => Feed { instrument, state },
    9 => VenueState { venue, state },
    10 => Exec(report),
    11 => Balance(balance),
    12 => Reconciled { venue },
    13 => Sent { order, encoded_ns, written_ns },
    14 => NotSent { order, text },
    15 => Command(command),
    16 => Tick,
    17 => Asset { asset, name },
    18 => Permit { instrument, permit },
    19 => Allow { strategy, allowed },
    20 => Calendar { instrument, source, calendar },
    21 => Policy(policy),
    22 => LiveVenue { venue, paper },
    23 => Step(step),
    24 => Margin(margin),
    25 => InstrumentStatus { instrument, status, text },
    26 => AlertRules(rules),
    27 => Condition { kind, scope, is_so },
    28 => Route(route),
    29 => StopRules(rules),
    30 => Tested(tested),
    31 => VenuePx { instrument, px },
    32 => PriceBand { instrument, lower, upper },
    33 => Barred { venue, text },
    34 => ProtectRules(rules),
});
