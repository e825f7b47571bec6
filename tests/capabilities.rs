//! What the pages say of the venues is held to the code: `src/venues/CAPABILITIES.md` to what the adapters make of a
//! full listing, `src/venues/alpaca/RULES.md` to files and tests that exist, and the page on adding a venue to functions.

#[path = "common/pages.rs"]
mod pages;

use pages::{quoted, root, rows, rust_files, tests};
use tollgate::domain::{
    Abilities, AssetId, Borrow, Feature, InstrumentId, OrderType, Price, Qty, TimeInForce, VenueId,
};
use tollgate::venues::alpaca::Wanted as AlpacaWanted;
use tollgate::venues::alpaca::assets::{Asset, Terms};
use tollgate::venues::assets::AssetTable;
use tollgate::venues::binance::exchange_info::{InstrumentContext, Wanted, parse};

const CAPABILITIES: &str = include_str!("../src/venues/CAPABILITIES.md");
const RULES: &str = include_str!("../src/venues/alpaca/RULES.md");
const ADDING: &str = include_str!("../src/venues/mod.rs");

/// A symbol with every type and every permission that the venue's documentation knows of.
const LISTING: &str = r#"{"serverTime": 1, "symbols": [{
    "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
    "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"],
    "icebergAllowed": true, "ocoAllowed": true, "otoAllowed": true, "quoteOrderQtyMarketAllowed": true,
    "allowTrailingStop": true, "cancelReplaceAllowed": true, "amendAllowed": true,
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"}
    ]}]}"#;

fn binance() -> Abilities {
    let wanted = [Wanted { id: InstrumentId(0), symbol: "BTCUSDT".to_owned() }];
    let usd = ["USDT".to_owned()];
    let context = InstrumentContext { venue: VenueId(0), usd_assets: &usd, taker_fee_ppm: 0 };
    let assets = AssetTable::new([("BTC", AssetId(0)), ("USDT", AssetId(1))]);
    let info = parse(LISTING.as_bytes(), &wanted, context, &assets).unwrap();
    assert!(info.refused.is_empty(), "{:?}", info.refused);
    info.instruments[0].can
}

fn alpaca(symbol: &str, class: &str) -> Abilities {
    let base = symbol.split('/').next().unwrap();
    let wanted = AlpacaWanted {
        id: InstrumentId(0),
        symbol: symbol.to_owned(),
        base: AssetId(0),
        base_name: base.to_owned(),
        quote: AssetId(1),
        quote_name: "USD".to_owned(),
        quote_is_usd: true,
    };
    let asset = Asset {
        symbol: symbol.to_owned(),
        class: class.to_owned(),
        exchange: "NASDAQ".to_owned(),
        active: true,
        tradable: true,
        marginable: true,
        borrow: if class == "crypto" { Borrow::NotShortable } else { Borrow::Easy },
        fractionable: true,
        fractional_extended: true,
        qty_min: Qty(1),
        lot: Qty(1),
        tick: Price(1),
    };
    let terms = Terms { venue: VenueId(0), shorting: true, fractions: true, crypto: true, crypto_fee_ppm: 0 };
    asset.instrument(&wanted, terms).unwrap().can
}

/// A table of a page, by its head.
fn table<'a>(page: &'a str, head: &str) -> Vec<Vec<&'a str>> {
    let from = page.find(head).unwrap_or_else(|| panic!("no table begins with {head:?}"));
    rows(&page[from..]).collect()
}

#[test]
fn the_table_of_capabilities_is_what_the_adapters_say() {
    let venues = [binance(), alpaca("AAPL", "us_equity"), alpaca("BTC/USD", "crypto")];
    let table = table(CAPABILITIES, "| what | Binance Spot | Alpaca, shares");
    let row = |name: &str| {
        let mut found = table.iter().filter(|row| row[0].trim_matches('`') == name);
        let row = found.next().unwrap_or_else(|| panic!("{name} has no row"));
        assert!(found.next().is_none(), "{name} has two rows");
        &row[1..]
    };
    let mut wrong = Vec::new();
    for kind in OrderType::ALL {
        for (can, cell) in venues.iter().zip(row(kind.as_str())) {
            let takes = TimeInForce::ALL.into_iter().filter(|tif| can.takes(kind, *tif)).map(TimeInForce::as_str);
            let takes: Vec<&str> = takes.collect();
            let want = if takes.is_empty() { "denied: ".to_owned() } else { format!("native: {}", takes.join(" ")) };
            let holds = if takes.is_empty() { cell.starts_with(&want) } else { **cell == want };
            if !holds {
                wrong.push(format!("{}: {cell:?}, and the adapter says {want:?}", kind.as_str()));
            }
        }
    }
    for feature in Feature::ALL {
        for (can, cell) in venues.iter().zip(row(feature.as_str())) {
            let holds = if can.has(feature) { *cell == "native" } else { cell.starts_with("denied: ") };
            if !holds {
                wrong.push(format!("{}: {cell:?}, and the adapter says {}", feature.as_str(), can.has(feature)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(table.len(), OrderType::ALL.len() + Feature::ALL.len(), "a row is of no type and no feature");
}

/// Every row's last cell names tests, all of which exist.
fn names_tests(table: &[Vec<&str>]) -> Vec<String> {
    let tests = tests();
    let mut wrong = Vec::new();
    for row in table {
        let names: Vec<&str> = quoted(row[row.len() - 1]).collect();
        if names.is_empty() {
            wrong.push(format!("{:?} names no test", row[0]));
        }
        let missing = names.iter().filter(|name| !tests.contains(**name));
        wrong.extend(missing.map(|name| format!("{:?} names {name}, which is not there", row[0])));
    }
    wrong
}

#[test]
fn every_capability_of_the_engine_names_a_test_that_is_there() {
    let table = table(CAPABILITIES, "| what | Binance Spot | Alpaca | test");
    let wrong = names_tests(&table);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(table.len() > 10);
}

#[test]
fn every_rule_of_alpaca_names_its_file_and_a_test_that_is_there() {
    let table = table(RULES, "| § | rule | where | test");
    let mut wrong = names_tests(&table);
    for row in &table {
        assert_eq!(row.len(), 4, "{row:?}");
        let files: Vec<&str> = quoted(row[2]).collect();
        if files.is_empty() {
            wrong.push(format!("{:?} names no file", row[1]));
        }
        let missing = files.iter().filter(|file| !root().join("src").join(file).is_file());
        wrong.extend(missing.map(|file| format!("{:?} names {file}, which is not there", row[1])));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(table.len() > 45);
}

/// The page on adding a venue names functions as they are in a venue that was added: each of them is there.
#[test]
fn adding_a_venue_names_functions_that_are_there() {
    let page: String =
        ADDING.lines().filter_map(|line| line.strip_prefix("//!")).fold(String::new(), |mut page, line| {
            page.push_str(line.strip_prefix(' ').unwrap_or(line));
            page.push('\n');
            page
        });
    let heads = ["| write | for | as in `alpaca/`", "| write | for | as in the venues"];
    let table: Vec<_> = heads.iter().flat_map(|head| table(&page, head)).collect();
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    let source: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let is_there = |name: &str| {
        let defined =
            |what: &str| ["(", "<", " ", ";"].iter().any(|end| source.contains(&format!("{what} {name}{end}")));
        defined("fn") || defined("struct") || defined("enum") || defined("mod") || defined("const")
    };
    let (mut wrong, mut named) = (Vec::new(), 0);
    for row in &table {
        for path in quoted(row[2]) {
            if path.contains('/') {
                named += 1;
                if !root().join("src").join(path).exists() {
                    wrong.push(format!("{path} is not there"));
                }
                continue;
            }
            for name in path.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty()) {
                named += 1;
                if !is_there(name) {
                    wrong.push(format!("{name} (in {path}) is not there"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(named > 40, "{named}");
}
