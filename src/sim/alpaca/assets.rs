//! What is listed (reference §12): equities of all kinds that a rule tells apart, and crypto pairs.

use super::number::{self, ONE};
use crate::sim::json::Json;
use crate::sim::market::SimInstrument;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetClass {
    Equity,
    Crypto,
}

impl AssetClass {
    pub fn text(self) -> &'static str {
        match self {
            AssetClass::Equity => "us_equity",
            AssetClass::Crypto => "crypto",
        }
    }
}

/// One asset and the market it has. Amounts in 10^-9.
#[derive(Debug, Clone, PartialEq)]
pub struct Asset {
    pub id: String,
    pub class: AssetClass,
    pub exchange: &'static str,
    pub symbol: String,
    pub name: String,
    pub active: bool,
    pub tradable: bool,
    pub marginable: bool,
    pub shortable: bool,
    pub easy_to_borrow: bool,
    pub fractionable: bool,
    /// Margin in percent of the value, for longs and for shorts.
    pub margin_long: i64,
    pub margin_short: i64,
    pub attributes: &'static [&'static str],
    /// Crypto only.
    pub min_order_size: i64,
    pub min_trade_increment: i64,
    pub price_increment: i64,
    pub market: SimInstrument,
}

impl Asset {
    /// An equity whose shares can be had in every way. Its price is at least a thousand ticks: the model goes no lower.
    pub fn equity(id: &str, symbol: &str, name: &str, exchange: &'static str, px: i64, touch: i64) -> Asset {
        Asset {
            id: id.into(),
            class: AssetClass::Equity,
            exchange,
            symbol: symbol.into(),
            name: name.into(),
            active: true,
            tradable: true,
            marginable: true,
            shortable: true,
            easy_to_borrow: true,
            fractionable: true,
            margin_long: 30,
            margin_short: 30,
            attributes: &["fractional_eh_enabled", "has_options"],
            min_order_size: 0,
            min_trade_increment: 0,
            price_increment: 0,
            market: SimInstrument {
                symbol: symbol.into(),
                base: symbol.into(),
                quote: "USD".into(),
                tick: if px < ONE { ONE / 10_000 } else { ONE / 100 },
                px_min: ONE / 10_000,
                px_max: px.saturating_mul(100),
                lot: 100 * ONE,
                px_start: px,
                volatility: 0.9e-4,
                correlation: 0.6,
                touch_qty: touch * ONE,
                quotes_per_second: 12.0,
                trades_per_second: 3.0,
                levels: 20,
                ..SimInstrument::btcusdt()
            },
        }
    }

    /// A pair against the dollar.
    pub fn crypto(id: &str, base: &str, px: i64, least: i64, tick: i64) -> Asset {
        let symbol = format!("{base}/USD");
        Asset {
            id: id.into(),
            class: AssetClass::Crypto,
            exchange: "CRYPTO",
            name: format!("{base} / US Dollar"),
            active: true,
            tradable: true,
            marginable: false,
            shortable: false,
            easy_to_borrow: false,
            fractionable: true,
            margin_long: 100,
            margin_short: 0,
            attributes: &[],
            min_order_size: least,
            min_trade_increment: 1,
            price_increment: tick,
            market: SimInstrument {
                symbol: symbol.clone(),
                base: base.into(),
                quote: "USD".into(),
                tick,
                px_min: tick,
                px_max: px.saturating_mul(100),
                lot: (ONE / 100_000).max(least),
                px_start: px,
                touch_qty: (i128::from(40_000 * ONE) * i128::from(ONE) / i128::from(px)) as i64,
                quotes_per_second: 15.0,
                trades_per_second: 4.0,
                levels: 30,
                ..SimInstrument::btcusdt()
            },
            symbol,
        }
    }

    pub fn is_crypto(&self) -> bool {
        self.class == AssetClass::Crypto
    }

    /// The old form without a slash, in which positions are still listed.
    pub fn position_symbol(&self) -> String {
        self.symbol.replace('/', "")
    }

    /// The coin or share itself.
    pub fn base(&self) -> &str {
        &self.market.base
    }

    /// Whether a client means this asset: its symbol, the old form of a pair, `symbol:exchange...`, or the id.
    pub fn is_named(&self, name: &str) -> bool {
        let symbol = name.split(':').next().unwrap_or(name);
        self.symbol == symbol || self.id == name || (self.is_crypto() && self.position_symbol() == symbol)
    }

    pub fn write(&self, j: &mut Json, key: &str) {
        j.object(key, |j| {
            j.str("id", &self.id);
            j.str("class", self.class.text());
            j.str("exchange", self.exchange);
            j.str("symbol", &self.symbol);
            j.str("name", &self.name);
            j.str("status", if self.active { "active" } else { "inactive" });
            j.bool("tradable", self.tradable);
            j.bool("marginable", self.marginable);
            j.int("maintenance_margin_requirement", self.margin_long);
            j.str("margin_requirement_long", &self.margin_long.to_string());
            j.str("margin_requirement_short", &self.margin_short.to_string());
            j.bool("shortable", self.shortable);
            j.bool("easy_to_borrow", self.easy_to_borrow);
            if !self.is_crypto() {
                j.str("borrow_status", if self.easy_to_borrow { "easy_to_borrow" } else { "hard_to_borrow" });
            }
            j.bool("fractionable", self.fractionable);
            if self.is_crypto() {
                j.str("min_order_size", &number::text(self.min_order_size));
                j.str("min_trade_increment", &number::text(self.min_trade_increment));
                j.str("price_increment", &number::text(self.price_increment));
            }
            j.array("attributes", |j| self.attributes.iter().for_each(|a| j.str("", a)));
        });
    }
}

/// The symbol of the test stream: quoted round the clock, never traded.
pub const TEST_SYMBOL: &str = "FAKEPACA";

/// What is listed where nothing else is asked for: large and small prices, and one asset for each thing that can be
/// missing.
pub fn defaults() -> Vec<Asset> {
    let cents = |cents: i64| cents * (ONE / 100);
    let equity = Asset::equity;
    vec![
        equity("b0b6dd9d-8b9b-48a9-ba46-b9d54906e415", "AAPL", "Apple Inc. Common Stock", "NASDAQ", cents(22_840), 600),
        equity(
            "b6d1aa75-5c9c-4353-a305-9e2caa1925ab",
            "MSFT",
            "Microsoft Corporation Common Stock",
            "NASDAQ",
            cents(43_120),
            300,
        ),
        equity("b28f4066-5c6d-479b-a2af-85dc1a8f16fb", "SPY", "SPDR S&P 500 ETF Trust", "ARCA", cents(59_875), 1_200),
        equity(
            "8ccae427-5dd0-45b3-b5fe-7ba5e422c766",
            "TSLA",
            "Tesla, Inc. Common Stock",
            "NASDAQ",
            cents(34_260),
            400,
        ),
        equity(
            "4ce9353c-66d1-46c2-898f-fce867ab0247",
            "NVDA",
            "NVIDIA Corporation Common Stock",
            "NASDAQ",
            cents(14_205),
            900,
        ),
        equity(
            "03fb07bb-5db1-4077-8dea-5d711b272625",
            "AMD",
            "Advanced Micro Devices, Inc. Common Stock",
            "NASDAQ",
            cents(13_790),
            700,
        ),
        equity(
            "c2f1b1f0-6a9a-4f0e-9f0b-0c5b6e8f2a11",
            "SOFI",
            "SoFi Technologies, Inc. Common Stock",
            "NASDAQ",
            cents(1_452),
            4_000,
        ),
        // Below a dollar: four decimals.
        equity(
            "5e0c1b0a-2d57-4d1b-8a0e-64b7a1a1c001",
            "PENY",
            "Pennyworth Mining Corp. Common Stock",
            "AMEX",
            cents(42),
            9_000,
        ),
        Asset {
            fractionable: false,
            ..equity(
                "cf4d9b36-6f8a-4a5c-90a7-5a7f0c8b1002",
                "BRK.A",
                "Berkshire Hathaway Inc. Class A",
                "NYSE",
                cents(68_000_000),
                100,
            )
        },
        Asset {
            shortable: false,
            easy_to_borrow: false,
            ..equity(
                "d6f3b0de-0a76-4e8e-b0b8-7e3a0f2d1003",
                "HTBX",
                "Hard To Borrow Holdings Inc.",
                "NYSE",
                cents(2_815),
                800,
            )
        },
        Asset {
            tradable: false,
            ..equity("0d1f0a4b-9a3f-4f57-bd7a-31f2c52e1004", "NOTR", "Not Tradable Corp.", "NYSE", cents(2_500), 500)
        },
        Asset {
            active: false,
            tradable: false,
            ..equity("1a2c7b85-38de-45f1-9b0c-94f4f5f31005", "GONE", "Gone Private Inc.", "NYSE", cents(5_400), 500)
        },
        Asset {
            tradable: false,
            ..equity(
                "2b9e0a66-5c1e-4d0f-9a45-1f1e2d3c1006",
                TEST_SYMBOL,
                "Test Stream Symbol",
                "NASDAQ",
                cents(13_400),
                300,
            )
        },
        Asset::crypto("276e2673-764b-4ab6-a611-caf665ca6340", "BTC", 97_400 * ONE, 10_000, ONE / 1_000),
        Asset::crypto("a1733398-6acc-4e92-af24-0d0667f78713", "ETH", 3_420 * ONE, 100_000, ONE / 1_000),
        Asset::crypto("64bbff51-59d6-4b3c-9351-13ad85e3c752", "SOL", 168 * ONE, 10_000_000, ONE / 10_000),
    ]
}
