//! The main recordings, played by the simulated venue as fast as they are read, through the real sockets and threads.
//! Every frame is accounted for, the book is the recorded one at every comparison, and the run can be proved.

use super::kill9::pointed_at;
use super::sim::Sim;
use super::support::{Daemon, free_port, tollgate, wait_until};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tollgate::core::Core;
use tollgate::core::effect::Outbox;
use tollgate::core::event::Body;
use tollgate::domain::{InstrumentId, Quote, Side};
use tollgate::journal::{Reader, tamper};

/// What the recordings' own notes say they hold.
const QUOTES: u64 = 28_040 + 24_077;
const DEPTH: u64 = 3_451 + 3_434;
const TRADES: u64 = 9_757 + 6_106;

/// The run that replay must prove is at least this long.
const EVENTS: u64 = 100_000;

fn recordings() -> Option<Vec<PathBuf>> {
    let shared =
        std::env::var("TOLLGATE_SHARED").unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").to_owned());
    let folder = PathBuf::from(shared).join("fixtures/binance/recorded");
    let files = ["btcusdt", "ethusdt"].map(|symbol| folder.join(format!("hft_2024-08-08_{symbol}.gz")));
    files.iter().all(|file| file.exists()).then(|| files.to_vec())
}

#[test]
fn every_frame_is_accounted_for_and_the_book_is_the_recorded_one() {
    let Some(files) = recordings() else {
        println!("the recordings are not here: nothing was played");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut arguments = vec!["--speed", "max"];
    for file in &files {
        arguments.extend(["--recording", file.to_str().unwrap()]);
    }
    let sim = Sim::start(dir.path(), &arguments);
    let (key, secret) = sim.key();
    let port = free_port();
    let path = pointed_at(&sim, dir.path(), port, false);
    let text = std::fs::read_to_string(&path).unwrap();
    // Room for the whole recording, so that nothing has to be conflated: every quote is then in the journal. A taker
    // on every hundredth quote gives the decisions that the proof is about.
    let text = text
        .replace("market_data_max = 8_192", "market_data_max = 262_144")
        .replace("checkpoint_events = 100_000", "checkpoint_events = 10_000")
        // Ticks fill the run up to the size that a proof is wanted for.
        .replace("tick_interval_ms = 10\n", "tick_interval_ms = 1\n");
    let probe = "[[strategies]]\nkind = \"probe\"\nvenue = \"binance\"\nsymbol = \"BTCUSDT\"\nevery = 100\nqty = \"0.001\"\n\n[risk]";
    std::fs::write(&path, text.replace("[risk]\n", &format!("{probe}\n"))).unwrap();
    let mut daemon = Daemon::start(&path, port, &[("KILL9_KEY", &key), ("KILL9_SECRET", &secret)]);
    let counters = wait_until(|| {
        let status = daemon.get("status").ok_or("the engine to answer")?;
        let count = |name: &str| status["counters"][format!("feed_binance_{name}_total")].as_u64().unwrap_or(0);
        let names = [
            "frames",
            "quotes",
            "trades",
            "depth_applied",
            "depth_held",
            "depth_stale",
            "depth_gaps",
            "quotes_conflated",
        ];
        let counts: BTreeMap<&str, u64> = names.into_iter().map(|name| (name, count(name))).collect();
        let whole = counts["frames"] == QUOTES + DEPTH + TRADES;
        if whole && status["journal"]["seq"].as_u64() >= Some(EVENTS) {
            return Ok(counts);
        }
        Err(format!("the whole recording: {counts:?}"))
    });
    let depth: u64 =
        ["depth_applied", "depth_held", "depth_stale", "depth_gaps"].iter().map(|name| counters[name]).sum();
    assert_eq!((counters["quotes"], counters["trades"], depth), (QUOTES, TRADES, DEPTH), "{counters:?}");
    assert_eq!((counters["depth_gaps"], counters["quotes_conflated"]), (0, 0), "{counters:?}");
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0), "{}", daemon.process.log());

    let journal = dir.path().join("data/journal");
    let compared = compare_books(&journal);
    println!("{compared} comparisons of the book's top with the recorded bookTicker");
    // A depth update that comes before the snapshot, or before any quote, has nothing to be compared with.
    assert!(compared > DEPTH - 100, "only {compared} of {DEPTH} depth updates could be compared");

    let proved = tollgate().arg("replay").arg(&journal).output().unwrap();
    assert_eq!(proved.status.code(), Some(0), "{}", String::from_utf8_lossy(&proved.stderr));
    let words = String::from_utf8_lossy(&proved.stdout).into_owned();
    let events =
        words.lines().find_map(|line| line.strip_prefix("events")?.split_whitespace().next()?.parse::<u64>().ok());
    assert!(events >= Some(EVENTS), "{words}");
    let altered = tamper::alter_decision(&journal, 1).unwrap();
    let refuted = tollgate().arg("replay").arg(&journal).output().unwrap();
    let words = String::from_utf8_lossy(&refuted.stderr).into_owned();
    assert_eq!(refuted.status.code(), Some(1), "event {} was altered: {words}", altered.seq);
    assert!(words.contains(&altered.seq.to_string()), "{words}");
}

/// Runs the journal's events through a core and holds the book's top, after each whole update, against the newest
/// quote that is not newer than the update. Panics at the first that differs; returns how many were compared.
fn compare_books(journal: &std::path::Path) -> u64 {
    let mut reader = Reader::open(journal, 1).unwrap();
    let (mut core, mut out) = (Core::new(), Outbox::new());
    let mut quotes: BTreeMap<InstrumentId, Vec<Quote>> = BTreeMap::new();
    let mut pending = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        out.clear();
        core.on_event(&record.event, &mut out);
        match &record.event.body {
            Body::Quote(quote) => quotes.entry(quote.instrument).or_default().push(*quote),
            Body::Depth(chunk) if chunk.last && core.book(chunk.instrument).is_some_and(|b| b.is_whole()) => {
                let book = core.book(chunk.instrument).unwrap();
                let top = [Side::Buy, Side::Sell].map(|side| book.best(side).map(|l| (l.px.0, l.qty.0)));
                pending.push((chunk.instrument, chunk.update_id, top));
            }
            _ => {}
        }
    }
    let mut compared = 0;
    for (instrument, update_id, top) in pending {
        let known = quotes.get(&instrument).map(Vec::as_slice).unwrap_or_default();
        let Some(quote) = known[..known.partition_point(|q| q.update_id <= update_id)].last() else { continue };
        let wanted = [Some((quote.bid_px.0, quote.bid_qty.0)), Some((quote.ask_px.0, quote.ask_qty.0))];
        assert_eq!(top, wanted, "{instrument} after update {update_id}, against the quote of {}", quote.update_id);
        compared += 1;
    }
    compared
}
