//! Market data in binary and in text from one venue over real sockets, to two engines: their books are the same.

use super::kill9::pointed_at;
use super::sim::Sim;
use super::support::{Daemon, config, config_edit, free_port, wait_until};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tollgate::core::event::Body;
use tollgate::domain::{DepthKind, InstrumentId, Quote};
use tollgate::journal::Reader;

const SECRET: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n-----END PRIVATE KEY-----\n";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGUIKv9dSpWXBViXp2m6vAIb8QMFJYBgyFEQsFJlqgA0=\n-----END PUBLIC KEY-----\n";

/// Books, quotes and trades by their ids that both engines must have in common.
const COMMON: usize = 20;

type Sides = [BTreeMap<i64, i64>; 2];

/// What an engine's journal says of the market: books after each update, quotes and trades, by instrument and id.
#[derive(Default)]
struct Heard {
    books: BTreeMap<(InstrumentId, u64), Sides>,
    quotes: BTreeMap<(InstrumentId, u64), Quote>,
    trades: BTreeMap<(InstrumentId, u64), [i64; 2]>,
}

fn heard(journal: &Path) -> Heard {
    let mut heard = Heard::default();
    let mut books: BTreeMap<InstrumentId, Sides> = BTreeMap::new();
    let mut reader = Reader::open(journal, 0).unwrap();
    while let Some(record) = reader.next().unwrap() {
        match record.event.body {
            Body::Depth(chunk) => {
                let book = books.entry(chunk.instrument).or_default();
                if chunk.kind == DepthKind::Snapshot && chunk.first {
                    *book = Sides::default();
                }
                let levels = &chunk.levels[..usize::from(chunk.bids) + usize::from(chunk.asks)];
                for (at, level) in levels.iter().enumerate() {
                    let side = &mut book[usize::from(at >= usize::from(chunk.bids))];
                    if level.qty.0 == 0 {
                        side.remove(&level.px.0)
                    } else {
                        side.insert(level.px.0, level.qty.0)
                    };
                }
                if chunk.last {
                    heard.books.insert((chunk.instrument, chunk.update_id), book.clone());
                }
            }
            Body::Quote(quote) => {
                heard.quotes.insert((quote.instrument, quote.update_id), Quote { ts_event_ns: 0, ..quote });
            }
            Body::Trade(trade) => {
                let before = heard.trades.insert((trade.instrument, trade.trade_id.lo), [trade.px.0, trade.qty.0]);
                assert_eq!(before, None, "trade {} came twice", trade.trade_id.lo);
            }
            _ => {}
        }
    }
    heard
}

fn same<V: PartialEq + std::fmt::Debug>(
    what: &str,
    text: &BTreeMap<(InstrumentId, u64), V>,
    binary: &BTreeMap<(InstrumentId, u64), V>,
) -> Result<(), String> {
    let both: BTreeSet<_> = text.keys().filter(|key| binary.contains_key(key)).collect();
    for key in &both {
        assert_eq!(text[key], binary[key], "{what} {key:?}");
    }
    if both.len() < COMMON { Err(format!("{COMMON} {what} that both have: {}", both.len())) } else { Ok(()) }
}

#[test]
fn books_quotes_and_trades_in_binary_are_those_in_text() {
    let dir = tempfile::tempdir().unwrap();
    let public = dir.path().join("public.pem");
    std::fs::write(&public, PUBLIC).unwrap();
    let sim = Sim::start(dir.path(), &["--key", "fast", "--public-key", public.to_str().unwrap()]);
    let mut journals = Vec::new();
    let mut engines: Vec<Daemon> = ["json", "sbe"]
        .iter()
        .map(|form| {
            let folder = dir.path().join(form);
            std::fs::create_dir(&folder).unwrap();
            let port = free_port();
            let path = pointed_at(&sim, &folder, port, false);
            if *form == "sbe" {
                let (stream, binary) = (sim.text("stream_url"), sim.text("sbe_url"));
                config_edit(
                    &path,
                    &[
                        ("market_data = \"json\"", "market_data = \"sbe\""),
                        ("connections = 1", "connections = 2"),
                        (&format!("stream_url = \"{stream}\""), &format!("stream_url = \"{binary}\"")),
                    ],
                );
            }
            journals.push(folder.join("data/journal"));
            Daemon::start(&path, port, &[("KILL9_KEY", "fast"), ("KILL9_SECRET", SECRET)])
        })
        .collect();
    engines.iter_mut().for_each(|engine| drop(engine.ready()));
    wait_until(|| {
        let (text, binary) = (heard(&journals[0]), heard(&journals[1]));
        same("books", &text.books, &binary.books)?;
        same("quotes", &text.quotes, &binary.quotes)?;
        same("trades", &text.trades, &binary.trades)
    });
    let counters = engines[1].get("status").unwrap()["counters"].clone();
    let count = |name: &str| counters[format!("feed_binance_{name}_total")].as_u64().unwrap();
    assert_eq!([count("resyncs"), count("binary"), count("reconnects")], [0; 3]);
    assert!(count("doubled") > 0 && count("depth_applied") > 0, "{counters}");
}

/// With `account = "sim"` the venue in the daemon has the key and the streams that binary data need.
#[test]
fn a_daemon_alone_trades_on_binary_market_data() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let path =
        config(dir.path(), port, &[("seen to. Absent: \"json\".\nmarket_data = \"json\"", "\nmarket_data = \"sbe\"")]);
    let mut engine = Daemon::start(&path, port, &[]);
    engine.ready();
    let count = |name: &str| {
        let status = engine.get("status").ok_or("the engine to answer")?;
        let count = status["run_counts"][name].as_u64().or(status["counters"][name].as_u64());
        count.ok_or_else(|| format!("a counter {name}"))
    };
    wait_until(|| match (count("feed_binance_depth_applied_total")?, count("feed_binance_quotes_total")?) {
        (1.., 1..) => Ok(()),
        counts => Err(format!("binary data, not {counts:?}")),
    });
    let order = r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"type":"market","exchange":"binance"}"#;
    let (status, placed) = engine.post(order);
    assert_eq!((status, &placed["data"]["status"]), (200, &"filled".into()), "{placed}");
}
