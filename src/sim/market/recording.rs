//! Recordings of a real market: both layouts, merged by receive time, handed out frame by frame.
//!
//! Layouts (see the recordings' README): JSON lines `{"recv_us","kind","url"?,"raw"}`, and gzip text of
//! `<receive time in ns> <frame or snapshot>` lines. The files are held in memory, unpacked.
//!
//! Invariants: a frame is handed out verbatim, once, in the order of receive times (within a file in its own order).

use super::book::{Book, Top};
use super::{Side, SimInstrument, Speed};
use crate::sim::decimal::{self, ONE};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Why a recording cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("failed to read the recording {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path}, line {line}: {fault}")]
    Line { path: PathBuf, line: usize, fault: &'static str },
    #[error("the recordings hold no stream frames")]
    Empty,
}

/// A decoded frame, as far as the venue's own book needs it.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Depth {
        first_id: u64,
        last_id: u64,
        levels: Vec<(Side, i64, i64)>,
    },
    Top(Top),
    /// A trade, or an aggregate of trades where the recording has no single ones.
    Print {
        px: i64,
        qty: i64,
        id: u64,
        time: i64,
        buyer_is_maker: bool,
        aggregate: bool,
    },
    /// Sent on, but without meaning for the book.
    Other,
}

/// One line of a recording.
#[derive(Debug, Clone)]
struct Line {
    at_ns: i64,
    /// Index into `Recording::streams`, or `SNAPSHOT` with the symbol's index.
    what: What,
    from: usize,
    len: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Frame(usize),
    Snapshot(usize),
}

/// What is known of a recorded symbol.
#[derive(Debug)]
pub struct Recorded {
    pub instrument: SimInstrument,
    /// The first recorded snapshot, if there is one.
    pub snapshot: Option<Book>,
    /// The highest trade id in the recording.
    pub trade_id_max: u64,
    /// The first recorded price: of a trade, or a best bid.
    pub px_first: i64,
    /// Whether single trades were recorded; aggregates then say nothing new.
    single_trades: bool,
}

/// All files, merged.
#[derive(Debug)]
pub struct Recording {
    data: Vec<u8>,
    lines: Vec<Line>,
    /// Stream names as recorded, with the index of their symbol.
    pub streams: Vec<(String, usize)>,
    pub symbols: Vec<Recorded>,
}

/// Gathers what a symbol's numbers have in common while the files are read.
#[derive(Default)]
struct Seen {
    symbol: String,
    px_gcd: i64,
    qty_gcd: i64,
    px_first: i64,
    qty_typical: i64,
    trade_id_max: u64,
    single_trades: bool,
    id_range: Option<(u64, u64)>,
    snapshot: Option<Book>,
}

/// Reads and merges `files`.
pub fn load(files: &[PathBuf]) -> Result<Recording, RecordingError> {
    let mut data = Vec::new();
    let mut lines: Vec<Line> = Vec::new();
    let mut streams: Vec<(String, usize)> = Vec::new();
    let mut seen: Vec<Seen> = Vec::new();
    // Snapshots of the gzip layout do not name their symbol: it is found by the ids once all frames are known.
    let mut nameless: Vec<usize> = Vec::new();
    for path in files {
        let text = read(path)?;
        let mut at_ns = i64::MIN;
        for (number, line) in text.split(|&b| b == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let fault = |fault| RecordingError::Line { path: path.clone(), line: number + 1, fault };
            let (received, url, raw) = split_line(line).map_err(fault)?;
            at_ns = at_ns.max(received);
            let from = data.len();
            data.extend_from_slice(&raw);
            let frame: serde_json::Value =
                serde_json::from_slice(&raw).map_err(|_| fault("the recorded text is not JSON"))?;
            let what = match frame["stream"].as_str() {
                Some(stream) => {
                    let symbol = symbol_of(stream, &mut seen);
                    let index = streams.iter().position(|(name, _)| name == stream).unwrap_or_else(|| {
                        streams.push((stream.to_owned(), symbol));
                        streams.len() - 1
                    });
                    seen[symbol].frame(&frame["data"]);
                    What::Frame(index)
                }
                None => {
                    let named =
                        url.as_deref().and_then(|u| u.split("symbol=").nth(1)).and_then(|s| s.split('&').next());
                    match named {
                        Some(name) => What::Snapshot(symbol_index(name, &mut seen)),
                        None => {
                            nameless.push(lines.len());
                            What::Snapshot(usize::MAX)
                        }
                    }
                }
            };
            if let What::Snapshot(symbol) = what
                && symbol != usize::MAX
            {
                let book = snapshot(&frame).ok_or_else(|| fault("not a depth snapshot"))?;
                seen[symbol].snapshot(book);
            }
            lines.push(Line { at_ns, what, from, len: raw.len() });
        }
    }
    for index in nameless {
        let line = &lines[index];
        let book = serde_json::from_slice(&data[line.from..line.from + line.len]).ok().and_then(|v| snapshot(&v));
        let owner = book.as_ref().and_then(|book| {
            seen.iter().position(|s| s.id_range.is_some_and(|(low, high)| (low..=high).contains(&book.last_id)))
        });
        if let (Some(book), Some(symbol)) = (book, owner) {
            seen[symbol].snapshot(book);
            lines[index].what = What::Snapshot(symbol);
        }
    }
    lines.retain(|line| line.what != What::Snapshot(usize::MAX));
    lines.sort_by_key(|line| line.at_ns);
    if streams.is_empty() {
        return Err(RecordingError::Empty);
    }
    Ok(Recording { data, lines, streams, symbols: seen.into_iter().map(Seen::finish).collect() })
}

fn read(path: &Path) -> Result<Vec<u8>, RecordingError> {
    let fault = |source| RecordingError::Read { path: path.to_path_buf(), source };
    let bytes = std::fs::read(path).map_err(fault)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text).map_err(fault)?;
    Ok(text)
}

type SplitLine = (i64, Option<String>, Vec<u8>);

/// Receive time in nanoseconds, the URL of a snapshot, and the text as received.
fn split_line(line: &[u8]) -> Result<SplitLine, &'static str> {
    if line.first() == Some(&b'{') {
        #[derive(serde::Deserialize)]
        struct Outer {
            recv_us: i64,
            url: Option<String>,
            raw: String,
        }
        let outer: Outer = serde_json::from_slice(line).map_err(|_| "not a line of `recv_us`, `kind`, `raw`")?;
        return Ok((outer.recv_us.saturating_mul(1_000), outer.url, outer.raw.into_bytes()));
    }
    let text = std::str::from_utf8(line).map_err(|_| "not UTF-8")?;
    let (time, raw) = text.split_once(' ').ok_or("no space after the receive time")?;
    let time = time.parse().map_err(|_| "no receive time in nanoseconds")?;
    Ok((time, None, raw.trim_end().as_bytes().to_vec()))
}

fn symbol_of(stream: &str, seen: &mut Vec<Seen>) -> usize {
    let symbol = stream.split('@').next().unwrap_or(stream).to_ascii_uppercase();
    symbol_index(&symbol, seen)
}

fn symbol_index(symbol: &str, seen: &mut Vec<Seen>) -> usize {
    seen.iter().position(|s| s.symbol == symbol).unwrap_or_else(|| {
        seen.push(Seen { symbol: symbol.to_owned(), ..Seen::default() });
        seen.len() - 1
    })
}

fn number(value: &serde_json::Value) -> Option<i64> {
    decimal::parse(value.as_str()?).ok()
}

fn levels(side: Side, value: &serde_json::Value, out: &mut Vec<(Side, i64, i64)>) -> Option<()> {
    for level in value.as_array()? {
        out.push((side, number(&level[0])?, number(&level[1])?));
    }
    Some(())
}

/// A depth snapshot as REST answers it.
pub(in crate::sim) fn snapshot(value: &serde_json::Value) -> Option<Book> {
    let mut all = Vec::new();
    levels(Side::Buy, &value["bids"], &mut all)?;
    levels(Side::Sell, &value["asks"], &mut all)?;
    let mut book = Book::at(value["lastUpdateId"].as_u64()?);
    for (side, px, qty) in all {
        book.set(side, px, qty);
    }
    Some(book)
}

/// What a stream's `data` means; anything unexpected is `Other`.
pub(in crate::sim) fn content(data: &serde_json::Value) -> Content {
    decode(data).unwrap_or(Content::Other)
}

fn decode(data: &serde_json::Value) -> Option<Content> {
    match data["e"].as_str() {
        Some("depthUpdate") => {
            let mut all = Vec::new();
            levels(Side::Buy, &data["b"], &mut all)?;
            levels(Side::Sell, &data["a"], &mut all)?;
            Some(Content::Depth { first_id: data["U"].as_u64()?, last_id: data["u"].as_u64()?, levels: all })
        }
        Some("trade" | "aggTrade") => Some(Content::Print {
            px: number(&data["p"])?,
            qty: number(&data["q"])?,
            id: data["t"].as_u64().or(data["l"].as_u64())?,
            time: data["T"].as_i64()?,
            buyer_is_maker: data["m"].as_bool()?,
            aggregate: data["t"].is_null(),
        }),
        None if data["B"].is_string() => Some(Content::Top(Top {
            id: data["u"].as_u64()?,
            sides: [(number(&data["b"])?, number(&data["B"])?), (number(&data["a"])?, number(&data["A"])?)],
        })),
        _ => None,
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The largest power of ten that divides `gcd`: ticks and lots are powers of ten, and few numbers share more.
fn step(gcd: i64) -> i64 {
    let mut step = 1;
    while gcd > 0 && gcd % (step * 10) == 0 && step < ONE * 1_000 {
        step *= 10;
    }
    step
}

impl Seen {
    fn number(&mut self, px: i64, qty: i64) {
        self.px_gcd = gcd(self.px_gcd, px);
        if qty > 0 {
            self.qty_gcd = gcd(self.qty_gcd, qty);
            self.qty_typical = qty;
        }
    }

    fn price(&mut self, px: i64) {
        if self.px_first == 0 {
            self.px_first = px;
        }
    }

    fn frame(&mut self, data: &serde_json::Value) {
        match content(data) {
            Content::Depth { first_id, last_id, levels } => {
                let (low, high) = self.id_range.unwrap_or((first_id, last_id));
                self.id_range = Some((low.min(first_id), high.max(last_id)));
                for (_, px, qty) in levels {
                    self.number(px, qty);
                }
            }
            Content::Top(top) => {
                for (px, qty) in top.sides {
                    self.number(px, qty);
                }
                self.price(top.sides[0].0);
            }
            Content::Print { px, qty, id, aggregate, .. } => {
                self.number(px, qty);
                self.price(px);
                self.single_trades |= !aggregate;
                self.trade_id_max = self.trade_id_max.max(id);
            }
            Content::Other => {}
        }
    }

    fn snapshot(&mut self, book: Book) {
        for side in Side::BOTH {
            for (px, qty) in book.levels(side) {
                self.px_gcd = gcd(self.px_gcd, px);
                self.qty_gcd = gcd(self.qty_gcd, qty);
            }
        }
        self.price(book.best(Side::Buy).map_or(0, |(px, _)| px));
        self.snapshot.get_or_insert(book);
    }

    fn finish(self) -> Recorded {
        let (base, quote) = split_symbol(&self.symbol);
        let lot = step(self.qty_gcd);
        // The smallest order in the quote asset: about five dollars, as the venue asks for.
        let notional_min = match quote {
            "BTC" => ONE / 10_000,
            "ETH" => ONE / 1_000,
            "BNB" => ONE / 100,
            _ => 5 * ONE,
        };
        let instrument = SimInstrument {
            symbol: self.symbol.clone(),
            base: base.to_owned(),
            quote: quote.to_owned(),
            tick: step(self.px_gcd),
            px_min: step(self.px_gcd),
            px_max: 1_000_000 * ONE,
            lot,
            qty_min: lot,
            qty_max: 9_000_000_000 * ONE,
            market_qty_max: 0,
            notional_min,
            notional_max: 9_000_000 * ONE,
            px_start: self.px_first,
            touch_qty: self.qty_typical,
            ..SimInstrument::btcusdt()
        };
        Recorded {
            instrument,
            snapshot: self.snapshot,
            trade_id_max: self.trade_id_max,
            px_first: self.px_first,
            single_trades: self.single_trades,
        }
    }
}

/// Base and quote asset of a symbol; the longest known quote asset that it ends in wins.
fn split_symbol(symbol: &str) -> (&str, &str) {
    const QUOTES: [&str; 17] = [
        "FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USDP", "BTC", "ETH", "BNB", "EUR", "TRY", "BRL", "AUD", "GBP", "RUB",
        "DAI", "TRX",
    ];
    QUOTES
        .iter()
        .find_map(|quote| symbol.strip_suffix(quote).filter(|base| !base.is_empty()))
        .map_or((symbol, "USDT"), |base| (base, &symbol[base.len()..]))
}

/// What the player hands out next.
#[derive(Debug)]
pub enum Played<'a> {
    Frame {
        stream: usize,
        symbol: usize,
        raw: &'a [u8],
        content: Content,
    },
    /// The place in the recording where the recorder received this symbol's snapshot.
    Snapshot {
        symbol: usize,
        book: Option<Book>,
    },
}

/// Walks through a recording as time goes on.
pub struct Player {
    pub recording: Recording,
    speed: Speed,
    next: usize,
    started_ns: Option<i64>,
    /// Frames handed out, by the stream's kind (`trade`, `depth@100ms`, ...).
    played: BTreeMap<String, u64>,
}

impl Player {
    pub fn new(recording: Recording, speed: Speed) -> Player {
        Player { recording, speed, next: 0, started_ns: None, played: BTreeMap::new() }
    }

    /// Starts the clock of the recording; later calls change nothing.
    pub fn start(&mut self, now: i64) {
        self.started_ns.get_or_insert(now);
    }

    pub fn started(&self) -> bool {
        self.started_ns.is_some()
    }

    pub fn finished(&self) -> bool {
        self.next == self.recording.lines.len()
    }

    pub fn at_max_speed(&self) -> bool {
        self.speed == Speed::Max
    }

    /// Frames handed out so far, by kind.
    pub fn played(&self) -> &BTreeMap<String, u64> {
        &self.played
    }

    /// The symbol whose snapshot comes next, if that is what comes next.
    pub fn next_is_snapshot_of(&self) -> Option<usize> {
        match self.recording.lines.get(self.next)?.what {
            What::Snapshot(symbol) => Some(symbol),
            What::Frame(_) => None,
        }
    }

    /// The next line that is due by `now`.
    pub fn next(&mut self, now: i64) -> Option<Played<'_>> {
        let started = self.started_ns?;
        let line = self.recording.lines.get(self.next)?;
        if let Speed::Times(times) = self.speed {
            let offset = (line.at_ns - self.recording.lines[0].at_ns) as f64 / times.max(1e-9);
            if (now - started) < offset as i64 {
                return None;
            }
        }
        self.next += 1;
        let raw = &self.recording.data[line.from..line.from + line.len];
        let value: serde_json::Value = serde_json::from_slice(raw).unwrap_or_default();
        Some(match line.what {
            What::Snapshot(symbol) => Played::Snapshot { symbol, book: snapshot(&value) },
            What::Frame(stream) => {
                let (name, symbol) = &self.recording.streams[stream];
                let kind = name.split_once('@').map_or(name.as_str(), |(_, kind)| kind);
                match self.played.get_mut(kind) {
                    Some(count) => *count += 1,
                    None => {
                        self.played.insert(kind.to_owned(), 1);
                    }
                }
                let content = match content(&value["data"]) {
                    Content::Print { aggregate: true, .. } if self.recording.symbols[*symbol].single_trades => {
                        Content::Other
                    }
                    content => content,
                };
                Played::Frame { stream, symbol: *symbol, raw, content }
            }
        })
    }
}

/// The inner object of a combined frame `{"stream":"...","data":{...}}`, or the frame itself where it is none.
pub fn inner(frame: &[u8]) -> &[u8] {
    const DATA: &[u8] = b"\"data\":";
    frame
        .windows(DATA.len())
        .position(|w| w == DATA)
        .and_then(|at| frame[at + DATA.len()..].strip_suffix(b"}"))
        .unwrap_or(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn both_layouts_are_merged_by_time_and_handed_out_verbatim() {
        let dir = tempfile::tempdir().unwrap();
        let lines = concat!(
            r#"{"recv_us":1000,"kind":"ws","raw":"{\"stream\":\"abcusdt@bookTicker\",\"data\":{\"u\":5,\"s\":\"ABCUSDT\",\"b\":\"1.20\",\"B\":\"3.0\",\"a\":\"1.30\",\"A\":\"4.5\"}}"}"#,
            "\n",
            r#"{"recv_us":3000,"kind":"http","url":"https://x/depth?symbol=ABCUSDT&limit=5","raw":"{\"lastUpdateId\":6,\"bids\":[[\"1.20\",\"3.0\"]],\"asks\":[]}"}"#,
            "\n"
        );
        let trade = r#"{"stream":"xyzbtc@trade","data":{"e":"trade","E":1,"s":"XYZBTC","t":77,"p":"0.00012","q":"7","T":1,"m":true,"M":true}}"#;
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writeln!(gz, "2000000 {trade}").unwrap();
        let paths = [file(&dir, "a.jsonl", lines.as_bytes()), file(&dir, "b.gz", &gz.finish().unwrap())];
        let mut player = Player::new(load(&paths).unwrap(), Speed::Times(2.0));
        assert!(player.next(i64::MAX).is_none(), "does not play before it is started");
        player.start(0);
        assert!(matches!(player.next(0), Some(Played::Frame { content: Content::Top(_), .. })));
        assert!(player.next(499_999).is_none(), "the second frame is due after half its time");
        match player.next(500_000) {
            Some(Played::Frame { raw, content: Content::Print { qty, id: 77, .. }, .. }) => {
                assert_eq!((raw, qty), (trade.as_bytes(), 7 * ONE));
                assert!(inner(raw).starts_with(b"{\"e\":\"trade\"") && inner(raw).ends_with(b"true}"));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(player.next_is_snapshot_of(), Some(0));
        assert!(matches!(player.next(1_000_000), Some(Played::Snapshot { symbol: 0, .. })));
        assert!(player.finished());
        let instrument = &player.recording.symbols[0].instrument;
        assert_eq!((instrument.tick, instrument.lot), (ONE / 10, ONE / 10));
        assert_eq!(player.recording.symbols[1].instrument.quote, "BTC");
        assert_eq!(player.played().get("trade"), Some(&1));
    }

    #[test]
    fn a_bad_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(&dir, "bad.jsonl", b"{\"recv_us\":1,\"kind\":\"ws\",\"raw\":\"{}\"}\nnonsense\n");
        let error = load(&[path]).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }
}
