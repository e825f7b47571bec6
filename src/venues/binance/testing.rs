//! What the tests of this folder share: fixtures and recordings, read in place.

use std::io::Read;
use std::path::PathBuf;

fn place() -> PathBuf {
    let shared = std::env::var_os("TOLLGATE_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
    shared.join("fixtures/binance")
}

/// The folder of the fixtures, or `None` where they are absent.
pub fn folder() -> Option<PathBuf> {
    Some(place()).filter(|folder| folder.is_dir())
}

/// A file under `fixtures/binance`, or `None` with a line on stderr where the fixtures are absent.
pub fn fixture(name: &str) -> Option<Vec<u8>> {
    let path = place().join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            eprintln!("fixture {} is absent, nothing was checked: {error}", path.display());
            None
        }
    }
}

/// A fixture as compact JSON in its own key order: the form that is seen on the wire.
pub fn compact(name: &str) -> Option<Vec<u8>> {
    fixture(name).map(|text| squeeze(&text))
}

/// Drops the blanks outside strings.
pub fn squeeze(text: &[u8]) -> Vec<u8> {
    let (mut out, mut in_text, mut escaped) = (Vec::new(), false, false);
    for &c in text {
        if !in_text && c.is_ascii_whitespace() {
            continue;
        }
        match c {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            _ => {}
        }
        out.push(c);
    }
    out
}

/// One line of a recording.
pub struct Recorded {
    /// A stream frame, or the body of a REST snapshot.
    pub text: Vec<u8>,
    /// The symbol, where the line is a snapshot.
    pub snapshot_of: Option<String>,
}

pub const CRYPTOFEED: [&str; 5] = [
    "cryptofeed_2021-04-05_10symbols.jsonl",
    "cryptofeed_2021-04-04_btc_eth_dot.jsonl",
    "cryptofeed_2021-10-12.jsonl",
    "cryptofeed_2021-08-14.jsonl",
    "cryptofeed_2021-04-17.jsonl",
];
pub const MICROS: &str = "bdp_2025-03-04_trxusdt_us.jsonl";
pub const HFT: [(&str, &str); 2] = [("hft_2024-08-08_btcusdt.gz", "BTCUSDT"), ("hft_2024-08-08_ethusdt.gz", "ETHUSDT")];

/// A recording in arrival order, or `None` where the fixtures are absent.
pub fn recording(name: &str) -> Option<Vec<Recorded>> {
    let bytes = fixture(&format!("recorded/{name}"))?;
    if let Some((_, symbol)) = HFT.iter().find(|(file, _)| *file == name) {
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        return Some(
            text.lines()
                .map(|line| {
                    let (_, frame) = line.split_once(' ').unwrap();
                    let snapshot_of = (!frame.contains("\"stream\"")).then(|| symbol.to_string());
                    Recorded { text: frame.as_bytes().to_vec(), snapshot_of }
                })
                .collect(),
        );
    }
    let lines = bytes.split(|c| *c == b'\n').filter(|line| !line.is_empty());
    Some(
        lines
            .map(|line| {
                let line: serde_json::Value = serde_json::from_slice(line).unwrap();
                let snapshot_of = line["url"].as_str().map(|url| {
                    let (_, rest) = url.split_once("symbol=").unwrap();
                    rest.split('&').next().unwrap().to_owned()
                });
                Recorded { text: line["raw"].as_str().unwrap().as_bytes().to_vec(), snapshot_of }
            })
            .collect(),
    )
}

/// Every recording there is.
pub fn recordings() -> Vec<(&'static str, Vec<Recorded>)> {
    let names = CRYPTOFEED.into_iter().chain([MICROS]).chain(HFT.map(|(name, _)| name));
    names.filter_map(|name| Some((name, recording(name)?))).collect()
}

/// The symbols named in a recording's frames, in order of appearance.
pub fn symbols_of(lines: &[Recorded]) -> Vec<String> {
    let mut symbols = Vec::new();
    for line in lines {
        let frame: serde_json::Value = serde_json::from_slice(&line.text).unwrap();
        let symbol = line.snapshot_of.as_deref().or(frame["data"]["s"].as_str()).map(str::to_owned);
        if let Some(symbol) = symbol
            && !symbols.contains(&symbol)
        {
            symbols.push(symbol);
        }
    }
    symbols
}
