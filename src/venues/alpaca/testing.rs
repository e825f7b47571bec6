//! What the tests of this folder share: two instruments, and fixtures read in place.

use super::names::{Names, Wanted};
use crate::domain::{AssetId, InstrumentId, VenueId};
use std::path::PathBuf;

pub const AAPL: InstrumentId = InstrumentId(0);
pub const BTC: InstrumentId = InstrumentId(1);

pub fn wanted() -> Vec<Wanted> {
    let one = |id: u16, symbol: &str, base: &str| Wanted {
        id: InstrumentId(id),
        symbol: symbol.to_owned(),
        base: AssetId(id + 1),
        base_name: base.to_owned(),
        quote: AssetId(0),
        quote_name: "USD".to_owned(),
        quote_is_usd: true,
    };
    vec![one(0, "AAPL", "AAPL"), one(1, "BTC/USD", "BTC")]
}

pub fn names() -> Names {
    Names::new(VenueId(0), 7, wanted()).unwrap()
}

fn folder() -> PathBuf {
    let shared = std::env::var_os("TOLLGATE_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
    shared.join("fixtures")
}

/// A file under `fixtures/alpaca`, or `None` with a line on stderr where the fixtures are absent.
pub fn fixture(name: &str) -> Option<Vec<u8>> {
    read(folder().join("alpaca").join(name))
}

/// Requests that another client makes.
pub fn ccxt() -> Option<serde_json::Value> {
    let bytes = read(folder().join("ccxt/alpaca_requests.json"))?;
    Some(serde_json::from_slice(&bytes).unwrap())
}

fn read(path: PathBuf) -> Option<Vec<u8>> {
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            eprintln!("fixture {} is absent, nothing was checked: {error}", path.display());
            None
        }
    }
}

/// Every JSON fixture whose name begins so, folder included; none where the fixtures are absent.
pub fn names_of_fixtures(prefix: &str) -> Vec<String> {
    let (sub, prefix) = prefix.rsplit_once('/').map_or(("", prefix), |(sub, prefix)| (sub, prefix));
    let Ok(entries) = std::fs::read_dir(folder().join("alpaca").join(sub)) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix) && name.ends_with(".json"))
        .map(|name| if sub.is_empty() { name } else { format!("{sub}/{name}") })
        .collect();
    names.sort();
    names
}
