//! Assets (§12) into instruments, and what the venue takes of their orders (§8).

use super::decode::DecodeError;
use super::json::{self, Source, unescaped};
use super::names::Wanted;
use super::value::Extra;
use super::{PX_SCALE, QTY_SCALE};
use crate::domain::{
    Abilities, Borrow, Feature, Funding, Instrument, InstrumentStatus, OrderType, Price, Qty, StpMode, Text,
    TimeInForce, Usd, VenueId,
};

/// The class of an asset; others than these two are not traded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetClass {
    Equity,
    Crypto,
}

/// One asset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asset {
    pub symbol: String,
    pub class: String,
    pub exchange: String,
    pub active: bool,
    pub tradable: bool,
    pub marginable: bool,
    /// Whether it can be sold short, and whether it is lent without being asked for (§8.8).
    pub borrow: Borrow,
    pub fractionable: bool,
    /// Fractions also outside the core session.
    pub fractional_extended: bool,
    /// Crypto only; zero elsewhere.
    pub qty_min: Qty,
    pub lot: Qty,
    pub tick: Price,
}

fn read<'a, S: Source<'a>>(source: &mut S) -> Result<Asset, DecodeError> {
    let mut asset = Asset::default();
    let (mut shortable, mut easy, mut borrow) = (false, None, None);
    source.map(|source, name| {
        if name == "attributes" && source.is_list() {
            return source.list(|source| {
                asset.fractional_extended |= source.value()?.text("attributes")? == "fractional_eh_enabled";
                Ok(())
            });
        }
        let value = source.value()?;
        if value.is_unset() {
            return Ok(());
        }
        match name {
            "symbol" => asset.symbol = unescaped(value.text("symbol")?),
            "class" => asset.class = unescaped(value.text("class")?),
            "exchange" => asset.exchange = unescaped(value.text("exchange")?),
            "status" => asset.active = value.text("status")? == "active",
            "tradable" => asset.tradable = value.flag("tradable")?,
            "marginable" => asset.marginable = value.flag("marginable")?,
            "shortable" => shortable = value.flag("shortable")?,
            "easy_to_borrow" => easy = Some(value.flag("easy_to_borrow")?),
            "borrow_status" => borrow = Some(value.text("borrow_status")? == "easy_to_borrow"),
            "fractionable" => asset.fractionable = value.flag("fractionable")?,
            "min_order_size" => asset.qty_min = Qty(value.amount(QTY_SCALE, "min_order_size")?),
            "min_trade_increment" => asset.lot = Qty(value.amount(QTY_SCALE, "min_trade_increment")?),
            "price_increment" => {
                let tick = value.fixed(PX_SCALE, Extra::Refuse, "price_increment")?;
                asset.tick = Price(tick.max(0));
            }
            _ => {}
        }
        Ok(())
    })?;
    if asset.symbol.is_empty() {
        return Err(DecodeError::MissingField("symbol"));
    }
    // Hard-to-borrow shares need a locate, which nothing here asks for.
    asset.borrow = match (shortable, borrow.or(easy)) {
        (false, _) => Borrow::NotShortable,
        (true, Some(true)) => Borrow::Easy,
        (true, _) => Borrow::Hard,
    };
    Ok(asset)
}

pub fn asset(body: &[u8]) -> Result<Asset, DecodeError> {
    json::body(body, read)
}

/// Why an asset makes no instrument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("assets of class {0:?} are not traded here")]
    Class(String),
    #[error("the configuration says {configured}, and the venue trades it in {venue}")]
    Assets { configured: String, venue: String },
}

/// What the venue's account adds to an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub venue: VenueId,
    /// The account may short, and is on margin.
    pub shorting: bool,
    /// Its owner lets it trade fractions of a share.
    pub fractions: bool,
    /// It is let trade crypto.
    pub crypto: bool,
    /// Commission of a taker of crypto, parts per million. Equities have none.
    pub crypto_fee_ppm: u32,
}

impl Asset {
    pub fn class(&self) -> Result<AssetClass, Refusal> {
        match self.class.as_str() {
            "us_equity" => Ok(AssetClass::Equity),
            "crypto" => Ok(AssetClass::Crypto),
            other => Err(Refusal::Class(other.to_owned())),
        }
    }

    /// The instrument that the configuration wants of it.
    pub fn instrument(&self, wanted: &Wanted, terms: Terms) -> Result<Instrument, Refusal> {
        let class = self.class()?;
        let named = match (class, self.symbol.split_once('/')) {
            (AssetClass::Crypto, Some((base, quote))) => (base, quote),
            // All of them are paid for in dollars.
            _ => (self.symbol.as_str(), "USD"),
        };
        if named != (wanted.base_name.as_str(), wanted.quote_name.as_str()) {
            let configured = format!("{} in {}", wanted.base_name, wanted.quote_name);
            return Err(Refusal::Assets { configured, venue: format!("{} in {}", named.0, named.1) });
        }
        let let_trade = class == AssetClass::Equity || terms.crypto;
        let status = if self.active && self.tradable && let_trade {
            InstrumentStatus::Trading
        } else {
            InstrumentStatus::Halted
        };
        let plain = Instrument {
            id: wanted.id,
            venue: terms.venue,
            symbol: Text::new(&wanted.symbol),
            base: wanted.base,
            quote: wanted.quote,
            base_name: Text::new(&wanted.base_name),
            quote_name: Text::new(&wanted.quote_name),
            status,
            px_scale: PX_SCALE,
            qty_scale: QTY_SCALE,
            quote_is_usd: wanted.quote_is_usd,
            can: self.abilities(class, terms),
            ..Instrument::default()
        };
        Ok(match class {
            AssetClass::Equity => {
                let fractionable = self.fractionable && terms.fractions;
                let lot = if fractionable { Qty(1) } else { ONE_SHARE };
                Instrument {
                    // Two decimals from a dollar up, four below it (§8.4).
                    tick: Price(10_000_000),
                    fine_tick: Price(100_000),
                    fine_below: ONE_DOLLAR,
                    lot,
                    qty_min: lot,
                    market_lot: lot,
                    notional_min: if fractionable { Usd::ONE } else { Usd::ZERO },
                    notional_min_applies_to_market: true,
                    borrow: if terms.shorting { self.borrow } else { Borrow::NotShortable },
                    funding: if self.marginable { Funding::BuyingPower } else { Funding::CashPower },
                    ..plain
                }
            }
            AssetClass::Crypto => Instrument {
                tick: self.tick,
                lot: self.lot,
                qty_min: self.qty_min,
                market_lot: self.lot,
                // Ten units of the quote asset at least (§8.7).
                notional_min: Usd(10 * Usd::ONE.0),
                notional_max: Usd(200_000 * Usd::ONE.0),
                notional_min_applies_to_market: true,
                notional_max_applies_to_market: true,
                taker_fee_ppm: terms.crypto_fee_ppm,
                funding: Funding::CashPower,
                ..plain
            },
        })
    }

    /// The matrix of §8.2, and which features the asset takes. What it cannot say (a fraction goes with `day` alone,
    /// extended hours with a limit, a replacement keeps type and side) the request builder refuses, order by order.
    fn abilities(&self, class: AssetClass, terms: Terms) -> Abilities {
        use OrderType as T;
        use TimeInForce as I;
        let can = Abilities::NONE.with_stp(StpMode::Venue).with(Feature::QuoteQty).with(Feature::Replace);
        match class {
            AssetClass::Equity => {
                let mut can = can
                    .with_orders(&[T::Market, T::Limit], &[I::Day, I::Gtc, I::Opg, I::Cls, I::Ioc, I::Fok])
                    .with_orders(&[T::Stop, T::StopLimit, T::TrailingStop], &[I::Day, I::Gtc])
                    .with(Feature::TrailBips)
                    .with(Feature::TrailOffset)
                    .with(Feature::ExtendedHours)
                    .with(Feature::Oco)
                    .with(Feature::Oto)
                    .with(Feature::Otoco)
                    .with(Feature::ListMarket);
                if self.exchange == "OTC" {
                    can = Abilities::NONE
                        .with_stp(StpMode::Venue)
                        .with_orders(&[T::Market, T::Limit, T::Stop, T::StopLimit], &[I::Day, I::Gtc]);
                }
                if self.borrow == Borrow::Easy && terms.shorting { can.with(Feature::ShortSale) } else { can }
            }
            AssetClass::Crypto => can.with_orders(&[T::Market, T::Limit, T::StopLimit], &[I::Gtc, I::Ioc]),
        }
    }
}

/// One share, and one dollar of price, in this venue's scales.
pub const ONE_SHARE: Qty = Qty(1_000_000_000);
pub const ONE_DOLLAR: Price = Price(1_000_000_000);
