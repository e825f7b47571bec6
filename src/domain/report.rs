//! The venue speaking of an order.

use super::{AssetId, ExecId, InstrumentId, Nanos, OrderId, Price, Qty, Side, Text, VenueId, VenueOrderId};
use crate::{wire_enum, wire_struct};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum ExecType {
    #[default]
    New,
    /// A fill: `last_qty`, `last_px`, `exec_id`, fee and `liquidity` are set.
    Trade,
    Canceled,
    Expired,
    Rejected,
    Replaced,
    /// A cancel was refused: the order is not changed by it.
    CancelRejected,
    /// No answer settles the request (time-out, dropped connection, 5xx, the venue's own "status unknown").
    Unknown,
    /// Answer to a question: the venue has the order, `cum_qty` of it filled. One that is wholly filled answers this
    /// too, with `cum_qty = order_qty`: its fills come as `Trade`s, from the stream or a backfill.
    Working,
    /// Answer to a question: the venue knows no such order.
    NotFound,
}
wire_enum!(ExecType {
    0 => New, 1 => Trade, 2 => Canceled, 3 => Expired, 4 => Rejected, 5 => Replaced, 6 => CancelRejected,
    7 => Unknown, 8 => Working, 9 => NotFound,
});

impl ExecType {
    pub const ALL: [ExecType; 10] = [
        ExecType::New,
        ExecType::Trade,
        ExecType::Canceled,
        ExecType::Expired,
        ExecType::Rejected,
        ExecType::Replaced,
        ExecType::CancelRejected,
        ExecType::Unknown,
        ExecType::Working,
        ExecType::NotFound,
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Liquidity {
    #[default]
    None,
    Maker,
    Taker,
}
wire_enum!(Liquidity { 0 => None, 1 => Maker, 2 => Taker });

/// Whose doing a reject is (FIX: OrdRejReason). Each venue's own code says it; routing goes by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum RejectReason {
    /// The venue gives none, or none that is understood.
    #[default]
    Other,
    /// The order: its price, size, type or terms, or an id that is taken.
    OrderInvalid,
    /// Money, holdings, or what the account may do with them.
    Funds,
    /// The market takes no such order at this hour.
    MarketClosed,
    /// The instrument is halted there, not tradable, or not listed any more.
    NotTradable,
    /// Too many requests: this one was not looked at.
    RateLimited,
    /// The venue is too busy or broken, and says that nothing was done.
    VenueFault,
    /// The venue takes nothing from this key, address, clock or account.
    Access,
}
wire_enum!(RejectReason {
    0 => Other, 1 => OrderInvalid, 2 => Funds, 3 => MarketClosed, 4 => NotTradable, 5 => RateLimited, 6 => VenueFault,
    7 => Access,
});

impl RejectReason {
    pub const ALL: [RejectReason; 8] = [
        RejectReason::Other,
        RejectReason::OrderInvalid,
        RejectReason::Funds,
        RejectReason::MarketClosed,
        RejectReason::NotTradable,
        RejectReason::RateLimited,
        RejectReason::VenueFault,
        RejectReason::Access,
    ];

    /// Whether it says that the venue cannot take the order, whatever the order is: another venue may.
    #[inline]
    pub fn is_of_the_venue(self) -> bool {
        match self {
            RejectReason::MarketClosed
            | RejectReason::NotTradable
            | RejectReason::RateLimited
            | RejectReason::VenueFault
            | RejectReason::Access => true,
            RejectReason::Other | RejectReason::OrderInvalid | RejectReason::Funds => false,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            RejectReason::Other => "other",
            RejectReason::OrderInvalid => "order invalid",
            RejectReason::Funds => "funds",
            RejectReason::MarketClosed => "market closed",
            RejectReason::NotTradable => "not tradable",
            RejectReason::RateLimited => "rate limited",
            RejectReason::VenueFault => "venue fault",
            RejectReason::Access => "access",
        }
    }
}

/// An execution report. Also the form of an answer to "what became of this order" and, during reconciliation, of
/// each open order that the venue lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExecReport {
    pub venue: VenueId,
    pub instrument: InstrumentId,
    /// `OrderId::FOREIGN` where the client order id is not ours: shown, never adopted.
    pub order: OrderId,
    pub exec: ExecType,
    pub side: Side,
    pub venue_order_id: VenueOrderId,
    pub exec_id: ExecId,
    pub last_px: Price,
    pub last_qty: Qty,
    /// Filled so far, as the venue counts; zero where the venue does not say (rejects, unknowns).
    pub cum_qty: Qty,
    pub order_qty: Qty,
    pub order_px: Price,
    /// Commission in units of 10^-8 of `fee_asset`.
    pub fee: i64,
    pub fee_asset: AssetId,
    pub liquidity: Liquidity,
    /// Of a reject: whose doing it is.
    pub reject: RejectReason,
    /// The venue's error code, 0 where there is none.
    pub code: i32,
    pub text: Text<48>,
    pub ts_event_ns: Nanos,
}
wire_struct!(ExecReport {
    venue,
    instrument,
    order,
    exec,
    side,
    venue_order_id,
    exec_id,
    last_px,
    last_qty,
    cum_qty,
    order_qty,
    order_px,
    fee,
    fee_asset,
    liquidity,
    reject,
    code,
    text,
    ts_event_ns,
});
