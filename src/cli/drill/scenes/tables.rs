//! Tables that are full, and an instrument that comes back with other scales.

use super::super::desk::{Desk, KeyIn, Setup, Told};
use super::super::house::{Base, Venues};
use super::crypto;
use crate::core::alarm::AlarmKind;
use crate::core::orders::LIVE_MAX;
use serde_json::json;
use toml::Value as Toml;

/// The venue takes this many open orders of one symbol.
const OPEN_MAX: usize = 200;
/// As many as the configuration lets be open at once; the rest of the table is for exits.
const OPENS: usize = 1_000;
const SYMBOLS: [&str; 6] = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "ADAUSDT", "DOTUSDT", "XRPUSDT"];

pub(super) fn setup() -> Setup {
    let of = SYMBOLS.map(|symbol| ("binance", symbol, symbol.trim_end_matches("USDT"), "USDT"));
    let mut setup = crypto(traded(&of));
    setup.venues.pairs = &["ADA/USDT=100", "DOT/USDT=100", "XRP/USDT=100"];
    setup
}

/// Fills the table of live orders: as many opens as may be, exits on top of them, and one more.
pub(super) fn play(desk: &mut Desk) -> Told<()> {
    desk.price("BTCUSDT", 100_000.0)?;
    desk.buy("BTCUSDT", "0.1")?;
    let rests = |symbol: &str, price: &str| json!({ "symbol": symbol, "side": "buy", "type": "limit", "quantity": "0.1", "price": price });
    let prices = [("ETHUSDT", "2000"), ("SOLUSDT", "100"), ("ADAUSDT", "60"), ("DOTUSDT", "60"), ("XRPUSDT", "60")];
    for (symbol, price) in prices {
        for _ in 0..OPEN_MAX {
            desk.place(&rests(symbol, price))?;
        }
    }
    let exit = json!({ "symbol": "BTCUSDT", "side": "sell", "type": "limit", "quantity": "0.0001", "price": "150000" });
    for _ in 0..LIVE_MAX - OPENS {
        desk.place(&exit)?;
    }
    desk.deny_as("CANNOT_EVALUATE", &format!("an exit beside {LIVE_MAX} open orders: the table is full"), &exit);
    desk.alert(AlarmKind::TableFull, &format!("an order beside {LIVE_MAX} that are open"));
    Ok(())
}

pub(super) fn setup_scales() -> Setup {
    let pairs = &["AAPL:AAPL/USD=230"];
    let balances = &["USDT=100000", "USD=100000", "BTC=1", "AAPL=10"];
    let venues = Venues { binance: true, alpaca: true, balances, pairs, strict: false };
    let config = traded(&[("binance", "BTCUSDT", "BTC", "USDT"), ("alpaca", "AAPL", "AAPL", "USD")]);
    Setup { base: Base::Loose, venues, config, key: KeyIn::Environment }
}

fn traded(all: &[(&str, &str, &str, &str)]) -> String {
    let one = |(venue, symbol, base, quote): &(&str, &str, &str, &str)| {
        format!(
            "[[instruments]]\nvenue = {venue:?}\nsymbol = {symbol:?}\nbase = {base:?}\nquote = {quote:?}\n\
             trading_hours = false\n"
        )
    };
    all.iter().map(one).collect()
}

/// Two venues count in different scales. What one of them has open comes back in the other's, where an operator
/// exchanges their sections and keeps their names.
pub(super) fn play_scales(desk: &mut Desk) -> Told<()> {
    desk.buy("AAPL", "5")?;
    desk.end_engine();
    let instruments = traded(&[("binance", "MSFT", "MSFT", "USD"), ("alpaca", "AAPL", "AAPL", "USD")]);
    let mut instruments: toml::Table = instruments.parse().map_err(|error| format!("{error}"))?;
    desk.configure(|table| {
        if let Some(venues) = table.get_mut("venues").and_then(Toml::as_array_mut)
            && let [Toml::Table(one), Toml::Table(other)] = &mut venues[..]
        {
            std::mem::swap(one, other);
            if let (Some(name), Some(was)) = (one.get_mut("name"), other.get_mut("name")) {
                std::mem::swap(name, was);
            }
        }
        table.extend(instruments.remove("instruments").map(|list| ("instruments".to_owned(), list)));
    })?;
    desk.start_changed()?;
    let hit = "5 AAPL held at alpaca, and its section exchanged for one of kind binance, which counts otherwise";
    desk.alert(AlarmKind::InstrumentChanged, hit);
    let buy = json!({ "symbol": "AAPL", "exchange": "alpaca", "side": "buy", "type": "market", "quantity": "1" });
    desk.deny_soon("INSTRUMENT_NOT_TRADING", "buy 1 AAPL in other scales than what is held", &buy);
    Ok(())
}
