//! Orders, and the order's life as one table.

use super::{ExecType, InstrumentId, OrderId, Price, Qty, StrategyId, Usd, VenueId};
use crate::{wire_enum, wire_struct};
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Side {
    #[default]
    Buy,
    Sell,
}
wire_enum!(Side { 0 => Buy, 1 => Sell });

impl Side {
    /// +1 for a buy, -1 for a sell.
    #[inline]
    pub fn sign(self) -> i64 {
        match self {
            Side::Buy => 1,
            Side::Sell => -1,
        }
    }
    pub fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Buy => "buy",
            Side::Sell => "sell",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrderType {
    #[default]
    Market,
    Limit,
    /// A limit that is rejected rather than take (Binance `LIMIT_MAKER`).
    LimitMaker,
    /// A market order once the price has gone through `stop_px` to the loss side: up for a buy, down for a sell
    /// (Binance `STOP_LOSS`, Alpaca `stop`).
    Stop,
    /// The same, and a limit order then (Binance `STOP_LOSS_LIMIT`, Alpaca `stop_limit`).
    StopLimit,
    /// A market order once the price has gone through `stop_px` to the profit side: down for a buy, up for a sell.
    TakeProfit,
    TakeProfitLimit,
    /// A stop that follows the price at the distance of its trail; with a `stop_px`, from there on.
    TrailingStop,
    TrailingStopLimit,
}
wire_enum!(OrderType {
    0 => Market, 1 => Limit, 2 => LimitMaker, 3 => Stop, 4 => StopLimit, 5 => TakeProfit, 6 => TakeProfitLimit,
    7 => TrailingStop, 8 => TrailingStopLimit,
});

impl OrderType {
    pub const ALL: [OrderType; 9] = [
        OrderType::Market,
        OrderType::Limit,
        OrderType::LimitMaker,
        OrderType::Stop,
        OrderType::StopLimit,
        OrderType::TakeProfit,
        OrderType::TakeProfitLimit,
        OrderType::TrailingStop,
        OrderType::TrailingStopLimit,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            OrderType::Market => "market",
            OrderType::Limit => "limit",
            OrderType::LimitMaker => "limit_maker",
            OrderType::Stop => "stop",
            OrderType::StopLimit => "stop_limit",
            OrderType::TakeProfit => "take_profit",
            OrderType::TakeProfitLimit => "take_profit_limit",
            OrderType::TrailingStop => "trailing_stop",
            OrderType::TrailingStopLimit => "trailing_stop_limit",
        }
    }

    /// It has a limit price.
    #[inline]
    pub fn is_limit(self) -> bool {
        use OrderType as T;
        matches!(self, T::Limit | T::LimitMaker | T::StopLimit | T::TakeProfitLimit | T::TrailingStopLimit)
    }

    /// It waits for a price before it goes to the book.
    #[inline]
    pub fn is_triggered(self) -> bool {
        !matches!(self, OrderType::Market | OrderType::Limit | OrderType::LimitMaker)
    }

    #[inline]
    pub fn is_trailing(self) -> bool {
        matches!(self, OrderType::TrailingStop | OrderType::TrailingStopLimit)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeInForce {
    /// To the end of the trading session.
    Day,
    #[default]
    Gtc,
    Ioc,
    Fok,
    /// In the opening auction only, and in the closing auction only.
    Opg,
    Cls,
}
wire_enum!(TimeInForce { 0 => Day, 1 => Gtc, 2 => Ioc, 3 => Fok, 4 => Opg, 5 => Cls });

impl TimeInForce {
    pub const ALL: [TimeInForce; 6] =
        [TimeInForce::Day, TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok, TimeInForce::Opg, TimeInForce::Cls];

    pub fn as_str(self) -> &'static str {
        match self {
            TimeInForce::Day => "day",
            TimeInForce::Gtc => "gtc",
            TimeInForce::Ioc => "ioc",
            TimeInForce::Fok => "fok",
            TimeInForce::Opg => "opg",
            TimeInForce::Cls => "cls",
        }
    }
}

/// How a stop follows the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trail {
    #[default]
    None,
    /// In hundredths of a percent of the best price seen.
    Bips(u32),
    /// At a fixed distance from it.
    Offset(Price),
}
wire_enum!(Trail { 0 => None, 1 => Bips(bips), 2 => Offset(px) });

/// What the venue does where an order would meet one of the same account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StpMode {
    /// The venue's own default.
    #[default]
    Venue,
    None,
    ExpireTaker,
    ExpireMaker,
    ExpireBoth,
    Decrement,
    Transfer,
}
wire_enum!(StpMode {
    0 => Venue, 1 => None, 2 => ExpireTaker, 3 => ExpireMaker, 4 => ExpireBoth, 5 => Decrement, 6 => Transfer,
});

impl StpMode {
    pub const ALL: [StpMode; 7] = [
        StpMode::Venue,
        StpMode::None,
        StpMode::ExpireTaker,
        StpMode::ExpireMaker,
        StpMode::ExpireBoth,
        StpMode::Decrement,
        StpMode::Transfer,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            StpMode::Venue => "venue",
            StpMode::None => "none",
            StpMode::ExpireTaker => "expire_taker",
            StpMode::ExpireMaker => "expire_maker",
            StpMode::ExpireBoth => "expire_both",
            StpMode::Decrement => "decrement",
            StpMode::Transfer => "transfer",
        }
    }
}

/// What an order says besides side, type, time in force, quantity and limit price. A plain order says nothing of it:
/// `Terms::default()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// Where a stop or take profit triggers, and a trailing stop begins to follow; zero: nowhere.
    pub stop_px: Price,
    pub trail: Trail,
    /// The part of an iceberg that is shown; zero: all of it.
    pub display_qty: Qty,
    /// A market order for so much of the quote asset (eight decimals) in place of a quantity; zero: by quantity.
    pub quote_qty: Usd,
    pub stp: StpMode,
    /// May trade outside the venue's regular session.
    pub extended_hours: bool,
}
wire_struct!(Terms { stop_px, trail, display_qty, quote_qty, stp, extended_hours });

impl Terms {
    #[inline]
    pub fn is_plain(&self) -> bool {
        *self == Terms::default()
    }
}

/// How the orders of a list hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListKind {
    /// Two exits: what fills or triggers first cancels the other.
    #[default]
    Oco,
    /// An entry, and an order that is placed when it has filled in full.
    Oto,
    /// An entry, and an OCO that is placed when it has filled in full (Alpaca: bracket).
    Otoco,
}
wire_enum!(ListKind { 0 => Oco, 1 => Oto, 2 => Otoco });

impl ListKind {
    pub fn as_str(self) -> &'static str {
        match self {
            ListKind::Oco => "oco",
            ListKind::Oto => "oto",
            ListKind::Otoco => "otoco",
        }
    }
}

/// Whether an order is placed in another's place even where that one could not be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplaceMode {
    #[default]
    StopOnFailure,
    AllowFailure,
}
wire_enum!(ReplaceMode { 0 => StopOnFailure, 1 => AllowFailure });

/// An order as the core decided it. Only `core::risk` can approve one, and only approved ones reach a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NewOrder {
    pub order: OrderId,
    pub venue: VenueId,
    pub instrument: InstrumentId,
    pub strategy: StrategyId,
    pub side: Side,
    pub kind: OrderType,
    pub tif: TimeInForce,
    pub qty: Qty,
    /// Zero where the type has no limit price.
    pub px: Price,
    pub terms: Terms,
}
wire_struct!(NewOrder { order, venue, instrument, strategy, side, kind, tif, qty, px, terms });

/// Where an order stands. `Unknown`: sent, and no answer settles it; its exposure and id stay reserved, it is never
/// sent again, and asking the venue for its client order id resolves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OrdStatus {
    #[default]
    PendingNew,
    New,
    PartiallyFilled,
    Filled,
    PendingCancel,
    PendingReplace,
    Canceled,
    Expired,
    Rejected,
    Unknown,
}
wire_enum!(OrdStatus {
    0 => PendingNew, 1 => New, 2 => PartiallyFilled, 3 => Filled, 4 => PendingCancel, 5 => PendingReplace,
    6 => Canceled, 7 => Expired, 8 => Rejected, 9 => Unknown,
});

impl OrdStatus {
    pub const ALL: [OrdStatus; 10] = [
        OrdStatus::PendingNew,
        OrdStatus::New,
        OrdStatus::PartiallyFilled,
        OrdStatus::Filled,
        OrdStatus::PendingCancel,
        OrdStatus::PendingReplace,
        OrdStatus::Canceled,
        OrdStatus::Expired,
        OrdStatus::Rejected,
        OrdStatus::Unknown,
    ];

    /// Nothing works at the venue any more.
    #[inline]
    pub fn is_closed(self) -> bool {
        matches!(self, OrdStatus::Filled | OrdStatus::Canceled | OrdStatus::Expired | OrdStatus::Rejected)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            OrdStatus::PendingNew => "pending_new",
            OrdStatus::New => "new",
            OrdStatus::PartiallyFilled => "partially_filled",
            OrdStatus::Filled => "filled",
            OrdStatus::PendingCancel => "pending_cancel",
            OrdStatus::PendingReplace => "pending_replace",
            OrdStatus::Canceled => "canceled",
            OrdStatus::Expired => "expired",
            OrdStatus::Rejected => "rejected",
            OrdStatus::Unknown => "unknown",
        }
    }

    /// The status after an execution report, or `None` where it cannot follow: alarm, then ask the venue.
    /// `cum` and `leaves` are the order's quantities after the report. Positions do not ask this table: they take
    /// every fill, each exec id once.
    #[rustfmt::skip]
    pub fn after(self, exec: ExecType, cum: Qty, leaves: Qty) -> Option<OrdStatus> {
        use {ExecType as E, OrdStatus as S};
        let working = if cum.is_zero() { S::New } else { S::PartiallyFilled };
        Some(match (self, exec) {
            // Fills may overtake the ack, arrive in any live state, and complete an order whatever we thought of it.
            (S::Filled,                                                       E::Trade)          => return None,
            (S::Canceled | S::Expired | S::Rejected,                          E::Trade)          => if leaves.is_zero() { S::Filled } else { self },
            (_,                                                               E::Trade) if leaves.is_zero() => S::Filled,
            (S::PendingCancel | S::PendingReplace,                            E::Trade)          => self,
            (_,                                                               E::Trade)          => S::PartiallyFilled,
            // Acks.
            (S::PendingNew | S::Unknown,                                      E::New)            => working,
            (S::New | S::PartiallyFilled | S::PendingCancel | S::PendingReplace, E::New)         => self, // doubled, or overtaken by a fill
            (S::PendingNew | S::Unknown,                                      E::Rejected)       => S::Rejected,
            (S::New,                                                          E::Rejected)       => S::Rejected, // taken by the venue, turned away by the exchange behind it
            (S::PendingCancel | S::PendingReplace,                            E::Rejected)       => S::Rejected, // asked to go before its own answer came
            (S::PendingReplace | S::New | S::PartiallyFilled | S::PendingCancel, E::Replaced)    => working,
            // The end.
            (S::Canceled | S::Expired | S::Rejected | S::Filled, E::Canceled | E::Expired | E::Rejected) => return None,
            (_,                                                               E::Canceled)       => S::Canceled,
            (_,                                                               E::Expired)        => S::Expired,
            // A cancel that failed: the order stands as it stood, or is already gone and the venue is asked.
            (S::PendingCancel | S::PendingReplace,                            E::CancelRejected) => S::Unknown,
            // No answer that settles it.
            (S::PendingNew | S::New | S::PartiallyFilled | S::PendingCancel | S::PendingReplace | S::Unknown, E::Unknown) => S::Unknown,
            // The venue's own word on an order it has: it works.
            (S::PendingNew | S::Unknown | S::New | S::PartiallyFilled,        E::Working)        => working,
            (S::PendingCancel | S::PendingReplace,                            E::Working)        => self,
            // The venue has never heard of it: definite only after its own time limits, which the core waits for.
            (S::Unknown,                                                      E::NotFound)       => S::Rejected,
            _ => return None,
        })
    }
}

impl fmt::Display for OrdStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExecType as E;
    use OrdStatus as S;

    const NONE: Qty = Qty(0);
    const SOME: Qty = Qty(1);

    #[test]
    fn what_is_over_stays_over() {
        for status in S::ALL.into_iter().filter(|s| s.is_closed()) {
            for exec in E::ALL {
                for (cum, leaves) in [(NONE, SOME), (SOME, SOME), (SOME, NONE)] {
                    if let Some(next) = status.after(exec, cum, leaves) {
                        assert!(next.is_closed(), "{status} became {next} after {exec:?}");
                        assert_eq!(exec, E::Trade, "only a late fill says anything of an order that is over");
                    }
                }
            }
        }
    }

    #[test]
    fn a_fill_is_taken_in_every_live_state_and_the_last_one_completes() {
        for status in S::ALL.into_iter().filter(|s| !s.is_closed()) {
            assert_eq!(status.after(E::Trade, SOME, NONE), Some(S::Filled), "{status}");
            let partly = status.after(E::Trade, SOME, SOME).unwrap();
            assert!(!partly.is_closed(), "{status} became {partly} with something left");
        }
    }

    #[test]
    fn no_answer_makes_every_live_order_unknown_and_only_the_venues_word_ends_that() {
        for status in S::ALL.into_iter().filter(|s| !s.is_closed()) {
            assert_eq!(status.after(E::Unknown, NONE, SOME), Some(S::Unknown), "{status}");
        }
        for (exec, next) in [
            (E::New, Some(S::New)),
            (E::Working, Some(S::New)),
            (E::Canceled, Some(S::Canceled)),
            (E::Expired, Some(S::Expired)),
            (E::Rejected, Some(S::Rejected)),
            (E::NotFound, Some(S::Rejected)),
            (E::CancelRejected, None),
            (E::Replaced, None),
        ] {
            assert_eq!(S::Unknown.after(exec, NONE, SOME), next, "{exec:?}");
        }
    }

    #[test]
    fn the_ordinary_life() {
        for (from, exec, cum, leaves, to) in [
            (S::PendingNew, E::New, NONE, SOME, Some(S::New)),
            (S::PendingNew, E::Rejected, NONE, SOME, Some(S::Rejected)),
            (S::PartiallyFilled, E::New, SOME, SOME, Some(S::PartiallyFilled)),
            (S::New, E::Canceled, NONE, SOME, Some(S::Canceled)),
            (S::PartiallyFilled, E::Expired, SOME, SOME, Some(S::Expired)),
            (S::PendingCancel, E::Trade, SOME, SOME, Some(S::PendingCancel)),
            (S::PendingCancel, E::Rejected, NONE, SOME, Some(S::Rejected)),
            (S::PendingCancel, E::CancelRejected, NONE, SOME, Some(S::Unknown)),
            (S::PendingCancel, E::Working, NONE, SOME, Some(S::PendingCancel)),
            // Turned away by the exchange behind the venue.
            (S::New, E::Rejected, NONE, SOME, Some(S::Rejected)),
            (S::PartiallyFilled, E::Rejected, SOME, SOME, None),
            (S::New, E::NotFound, NONE, SOME, None),
        ] {
            assert_eq!(from.after(exec, cum, leaves), to, "{from} after {exec:?}");
        }
    }
}
