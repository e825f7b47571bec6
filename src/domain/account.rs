//! What a venue says of the account and of itself.

use super::{AssetId, Nanos, Usd, VenueId};
use crate::{wire_enum, wire_struct};

/// An asset's balance at one venue, absolute, in units of 10^-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    pub venue: VenueId,
    pub asset: AssetId,
    pub free: i64,
    /// Held by open orders, ours and foreign.
    pub locked: i64,
    pub ts_event_ns: Nanos,
}
wire_struct!(Balance { venue, asset, free, locked, ts_event_ns });

/// What a margin account is worth and may spend, by its venue's word. Open orders hold their part of both powers
/// already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Margin {
    pub venue: VenueId,
    pub equity: Usd,
    pub buying_power: Usd,
    /// For what cannot be bought on margin.
    pub cash_power: Usd,
    pub initial_margin: Usd,
    pub maintenance_margin: Usd,
    /// 1 for a cash account.
    pub multiplier: u8,
    pub ts_event_ns: Nanos,
}
wire_struct!(Margin {
    venue,
    equity,
    buying_power,
    cash_power,
    initial_margin,
    maintenance_margin,
    multiplier,
    ts_event_ns,
});

/// Whether orders may go to a venue. Only `Ready` takes orders; cancels go in any state but `Down`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum VenueState {
    /// No order connection, or no private stream.
    #[default]
    Down,
    /// Connected; open orders, balances and missed fills are being loaded.
    Syncing,
    /// Reconciled.
    Ready,
}
wire_enum!(VenueState { 0 => Down, 1 => Syncing, 2 => Ready });

impl VenueState {
    pub fn as_str(self) -> &'static str {
        match self {
            VenueState::Down => "down",
            VenueState::Syncing => "syncing",
            VenueState::Ready => "ready",
        }
    }
}

/// What the feed knows of one instrument's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum FeedState {
    /// No connection.
    #[default]
    Disconnected,
    /// Connected; the book is not built yet, or skipped an update and is being rebuilt.
    Gap,
    Live,
}
wire_enum!(FeedState { 0 => Disconnected, 1 => Gap, 2 => Live });

impl FeedState {
    pub fn as_str(self) -> &'static str {
        match self {
            FeedState::Disconnected => "disconnected",
            FeedState::Gap => "gap",
            FeedState::Live => "live",
        }
    }
}

/// What is traded with: money, or what looks like it. Records of the two never mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Mode {
    #[default]
    Paper,
    Live,
}

impl Mode {
    pub const ALL: [Mode; 2] = [Mode::Paper, Mode::Live];

    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Paper => "paper",
            Mode::Live => "live",
        }
    }
}
