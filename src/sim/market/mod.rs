//! Where the simulated market comes from: a seeded process, recordings of a real one, or a real one as it happens.
//!
//! Owns: instruments with their filters, the displayed book, the market models. Must not know accounts, orders or
//! protocols: a model says how the displayed book changes, the venue decides whose orders that touches.

pub mod book;
pub mod live;
pub mod recording;
pub mod synthetic;

use super::decimal::ONE;
use std::path::PathBuf;

/// `Buy` is the bid side of a book, `Sell` its ask side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Side {
    Buy,
    Sell,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Buy, Side::Sell];

    pub fn index(self) -> usize {
        self as usize
    }

    pub fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Side::Buy => "BUY",
            Side::Sell => "SELL",
        }
    }

    /// A price as a sort key: the best price of this side comes first.
    pub fn key(self, px: i64) -> i64 {
        match self {
            Side::Buy => -px,
            Side::Sell => px,
        }
    }

    /// Whether an order of this side with limit `px` reaches `other` on the opposite side.
    pub fn reaches(self, px: i64, other: i64) -> bool {
        match self {
            Side::Buy => px >= other,
            Side::Sell => px <= other,
        }
    }
}

/// An instrument of the simulated venue. Prices and quantities in 10^-8; a bound of 0 is off.
#[derive(Debug, Clone, PartialEq)]
pub struct SimInstrument {
    pub symbol: String,
    pub base: String,
    pub quote: String,
    pub tick: i64,
    pub px_min: i64,
    pub px_max: i64,
    /// By side: how many times the average price a limit may be at most and at least, in 10^-8.
    pub px_times: [(i64, i64); 2],
    pub lot: i64,
    pub qty_min: i64,
    pub qty_max: i64,
    pub market_qty_max: i64,
    pub notional_min: i64,
    pub notional_max: i64,
    pub orders_max: u32,
    /// Open stop and take-profit orders of one account, and open icebergs.
    pub algo_orders_max: u32,
    pub iceberg_orders_max: u32,
    /// Slices that an iceberg may have.
    pub iceberg_parts_max: u32,
    /// Open order lists of one account, and amendments of one order.
    pub order_lists_max: u32,
    pub amends_max: u32,
    /// What an account may hold of the base asset, its open buys counted as filled.
    pub position_max: i64,
    /// What one order may come to of either asset (`MAX_ASSET`).
    pub base_order_max: i64,
    pub quote_order_max: i64,
    /// By side: how many times the reference price a taker may trade at, at most and at least, in 10^-8; 0 is off.
    pub price_range: Option<[(i64, i64); 2]>,
    /// The reference price is the mean of the last price of so many seconds; 0 where there is none.
    pub reference_seconds: u32,
    /// Trailing deltas in basis points.
    pub trailing_min: u32,
    pub trailing_max: u32,
    /// Where the synthetic process starts.
    pub px_start: i64,
    /// Standard deviation of the logarithm of the price over one second.
    pub volatility: f64,
    /// Share of the common factor in the moves, 0..=1: the correlation with it.
    pub correlation: f64,
    /// Typical quantity at the touch.
    pub touch_qty: i64,
    /// Book changes a second, on average.
    pub quotes_per_second: f64,
    /// Market trades a second, on average.
    pub trades_per_second: f64,
    /// Levels kept on each side.
    pub levels: usize,
}

impl SimInstrument {
    /// BTCUSDT as of 2026: tick 0.01, lot 0.00001, at least 5 USDT.
    pub fn btcusdt() -> SimInstrument {
        SimInstrument {
            symbol: "BTCUSDT".into(),
            base: "BTC".into(),
            quote: "USDT".into(),
            tick: ONE / 100,
            px_min: ONE / 100,
            px_max: 1_000_000 * ONE,
            px_times: [(5 * ONE, ONE / 5); 2],
            lot: ONE / 100_000,
            qty_min: ONE / 100_000,
            qty_max: 9_000 * ONE,
            market_qty_max: 8_376_572_430,
            notional_min: 5 * ONE,
            notional_max: 9_000_000 * ONE,
            orders_max: 200,
            algo_orders_max: 5,
            iceberg_orders_max: 10,
            iceberg_parts_max: 100,
            order_lists_max: 20,
            amends_max: 10,
            position_max: 90_000 * ONE,
            base_order_max: 0,
            quote_order_max: 0,
            price_range: None,
            reference_seconds: 0,
            trailing_min: 10,
            trailing_max: 2_000,
            px_start: 97_400 * ONE,
            volatility: 1.1e-4,
            correlation: 0.9,
            touch_qty: ONE * 3 / 2,
            quotes_per_second: 40.0,
            trades_per_second: 9.0,
            levels: 80,
        }
    }

    /// BTC against the other dollar, as BTCUSDT: what orders of the one may be routed to.
    pub fn btcusdc() -> SimInstrument {
        SimInstrument { symbol: "BTCUSDC".into(), quote: "USDC".into(), ..SimInstrument::btcusdt() }
    }

    /// ETHUSDT as of 2026: tick 0.01, lot 0.0001.
    pub fn ethusdt() -> SimInstrument {
        SimInstrument {
            symbol: "ETHUSDT".into(),
            base: "ETH".into(),
            lot: ONE / 10_000,
            qty_min: ONE / 10_000,
            market_qty_max: 172_914_061_916,
            px_start: 3_420 * ONE,
            volatility: 1.4e-4,
            correlation: 0.85,
            touch_qty: 22 * ONE,
            quotes_per_second: 35.0,
            trades_per_second: 7.0,
            ..SimInstrument::btcusdt()
        }
    }

    /// SOLUSDT as of 2026: tick 0.01, lot 0.001.
    pub fn solusdt() -> SimInstrument {
        SimInstrument {
            symbol: "SOLUSDT".into(),
            base: "SOL".into(),
            px_max: 10_000 * ONE,
            position_max: 900_000 * ONE,
            lot: ONE / 1_000,
            qty_min: ONE / 1_000,
            qty_max: 90_000 * ONE,
            market_qty_max: 1_327_640_000_000,
            px_start: 168 * ONE,
            volatility: 1.8e-4,
            correlation: 0.75,
            touch_qty: 260 * ONE,
            quotes_per_second: 25.0,
            trades_per_second: 5.0,
            levels: 60,
            ..SimInstrument::btcusdt()
        }
    }

    /// What the synthetic market lists where nothing else is asked for.
    pub fn defaults() -> Vec<SimInstrument> {
        vec![SimInstrument::btcusdt(), SimInstrument::ethusdt(), SimInstrument::solusdt()]
    }
}

/// How fast a recording is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// Times the original speed; 1 is as recorded.
    Times(f64),
    /// As fast as every subscriber takes it; nothing is dropped.
    Max,
}

/// The synthetic market's character.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntheticConfig {
    pub instruments: Vec<SimInstrument>,
    /// Multiplies every instrument's volatility; 1 is a usual day.
    pub volatility: f64,
    /// Drift of the logarithm of the price a second while a trend holds, in units of the instrument's volatility.
    pub trend: f64,
    /// Mean length of a trend, up, down or flat, in seconds.
    pub trend_seconds: f64,
}

impl Default for SyntheticConfig {
    fn default() -> Self {
        SyntheticConfig { instruments: SimInstrument::defaults(), volatility: 1.0, trend: 0.35, trend_seconds: 15.0 }
    }
}

/// Where the venue's market data comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum MarketSource {
    Synthetic(SyntheticConfig),
    /// Files of either recorded layout, merged by receive time.
    Recording {
        files: Vec<PathBuf>,
        speed: Speed,
    },
    /// A real market as it happens; its frames come from a `live::LiveSource`.
    Live(Vec<live::Listed>),
}
