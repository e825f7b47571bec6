use super::*;
use crate::venues::binance::testing::fixture;
use crate::venues::binance::{Market, MarketDecoder};
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::Value;

fn symbols() -> SymbolTable {
    SymbolTable::new([(InstrumentId(0), "BTCUSDT"), (InstrumentId(1), "TRXUSDT")]).unwrap()
}

fn decoder() -> SbeDecoder {
    SbeDecoder::new(symbols())
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// The fixture's frames: kind, bytes, decoded fields.
fn frames() -> Vec<(String, Vec<u8>, Value)> {
    let Some(text) = fixture("sbe_stream_synthetic.json") else { return Vec::new() };
    let file: Value = serde_json::from_slice(&text).unwrap();
    let of = |frame: &Value| {
        let kind = frame["stream_kind"].as_str().unwrap().to_owned();
        (kind, unhex(frame["hex"].as_str().unwrap()), frame["decoded"]["fields"].clone())
    };
    file["frames"].as_array().unwrap().iter().map(of).collect()
}

/// A mantissa with its exponent as text: what the JSON streams send.
fn text(mantissa: &Value, exponent: &Value) -> String {
    let exponent = exponent.as_i64().unwrap();
    Decimal::new(mantissa.as_i64().unwrap(), u32::try_from(-exponent).unwrap()).to_string()
}

fn json_levels(side: &Value, fields: &Value) -> String {
    let level = |level: &Value| {
        let (px, qty) = (text(&level["price"], &fields["priceExponent"]), text(&level["qty"], &fields["qtyExponent"]));
        format!("[\"{px}\",\"{qty}\"]")
    };
    side.as_array().unwrap().iter().map(level).collect::<Vec<_>>().join(",")
}

/// Every field of every frame, by way of the JSON stream that carries the same.
#[test]
fn every_frame_says_what_its_json_twin_says() {
    let mut json = MarketDecoder::new(symbols());
    let mut sbe = decoder();
    for (kind, frame, f) in frames() {
        let (symbol, lower) = (f["symbol"].as_str().unwrap(), f["symbol"].as_str().unwrap().to_lowercase());
        let (px, qty) = (&f["priceExponent"], &f["qtyExponent"]);
        let got = sbe.decode(&frame).unwrap();
        let time_ns = f["eventTime"].as_i64().unwrap() * 1_000;
        match (kind.as_str(), got) {
            ("bestBidAsk", SbeMarket::Quote(quote)) => {
                let twin = format!(
                    r#"{{"stream":"{lower}@bookTicker","data":{{"u":{},"s":"{symbol}","b":"{}","B":"{}","a":"{}","A":"{}"}}}}"#,
                    f["bookUpdateId"],
                    text(&f["bidPrice"], px),
                    text(&f["bidQty"], qty),
                    text(&f["askPrice"], px),
                    text(&f["askQty"], qty)
                );
                let Ok(Market::Quote(twin)) = json.decode(twin.as_bytes()) else { panic!("no quote") };
                // The JSON stream has no time.
                assert_eq!(quote, Quote { ts_event_ns: time_ns, ..twin });
                assert_eq!((quote.bid_px, quote.ask_qty), (Price(8_393_172_000_000), Qty(80_000_000)));
            }
            ("trade", SbeMarket::Trades) => {
                let trades = f["trades"].as_array().unwrap();
                assert_eq!(sbe.trades().len(), trades.len());
                for (got, want) in sbe.trades().iter().zip(trades) {
                    let twin = format!(
                        r#"{{"stream":"{lower}@trade","data":{{"e":"trade","E":{},"s":"{symbol}","t":{},"p":"{}","q":"{}","T":{},"m":{},"M":true}}}}"#,
                        f["eventTime"],
                        want["id"],
                        text(&want["price"], px),
                        text(&want["qty"], qty),
                        f["transactTime"],
                        want["isBuyerMaker"] == "True"
                    );
                    assert_eq!(json.decode(twin.as_bytes()), Ok(Market::Trade(*got)));
                }
            }
            ("depth" | "depth20", SbeMarket::Diff | SbeMarket::Snapshot) => {
                assert_eq!(got == SbeMarket::Diff, kind == "depth");
                let ids = ["firstBookUpdateId", "lastBookUpdateId"];
                let [first, last] = ids.map(|id| f[id].as_u64().or(f["bookUpdateId"].as_u64()).unwrap());
                let twin = format!(
                    r#"{{"stream":"{lower}@depth@100ms","data":{{"e":"depthUpdate","E":{},"s":"{symbol}","U":{first},"u":{last},"b":[{}],"a":[{}]}}}}"#,
                    f["eventTime"],
                    json_levels(&f["bids"], &f),
                    json_levels(&f["asks"], &f)
                );
                assert_eq!(json.decode(twin.as_bytes()), Ok(Market::Depth));
                assert_eq!(sbe.depth(), json.depth());
            }
            (kind, got) => panic!("{kind} was read as {got:?}"),
        }
    }
}

/// Length of what the schema calls a type.
fn length_of(kind: &str) -> usize {
    match kind {
        "utcTimestampUs" | "tradeId" | "updateId" | "mantissa64" => 8,
        "exponent8" | "boolEnum" => 1,
        other => panic!("{other} is not in the reader's table"),
    }
}

fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split_once('"')).map(|(value, _)| value)
}

/// Offsets and lengths in this file against the schema: message by message, field by field.
#[test]
fn places_and_lengths_are_the_schemas() {
    let Some(xml) = fixture("sbe_schemas/stream_1_0.xml") else { return };
    let xml = String::from_utf8(xml).unwrap();
    let (mut message, mut part, mut at) = (String::new(), String::new(), 0);
    let mut found = Vec::new();
    for line in xml.lines().map(str::trim) {
        if line.starts_with("<sbe:message ") {
            (message, part, at) = (attribute(line, "id").unwrap().to_owned(), "root".to_owned(), 0);
        } else if line.starts_with("<field ") && attribute(line, "presence") != Some("constant") {
            found.push(format!("{message} {part} {} {at}", attribute(line, "name").unwrap()));
            at += length_of(attribute(line, "type").unwrap());
        } else if line.starts_with("<group ") || line.starts_with("</group>") || line.starts_with("<data ") {
            if at > 0 {
                found.push(format!("{message} {part} = {at}"));
            }
            (part, at) = (attribute(line, "name").unwrap_or("end").to_owned(), 0);
        }
    }
    let mut want: Vec<String> = Vec::new();
    let mut say = |message: u16, part: &str, fields: &[(&str, usize)], length: usize| {
        want.extend(fields.iter().map(|(name, at)| format!("{message} {part} {name} {at}")));
        want.push(format!("{message} {part} = {length}"));
    };
    let heads = [("eventTime", 0), ("bookUpdateId", 8), ("priceExponent", 16), ("qtyExponent", 17)];
    let level = [("price", 0), ("qty", 8)];
    let root = [("eventTime", 0), ("transactTime", 8), ("priceExponent", 16), ("qtyExponent", 17)];
    say(TRADES, "root", &root, TRADES_ROOT);
    say(TRADES, "trades", &[("id", 0), ("price", 8), ("qty", 16), ("isBuyerMaker", 24)], TRADE_ENTRY);
    let best = [("bidPrice", 18), ("bidQty", 26), ("askPrice", 34), ("askQty", 42)];
    say(BEST_BID_ASK, "root", &[&heads[..], &best[..]].concat(), BEST_BID_ASK_ROOT);
    say(DEPTH_SNAPSHOT, "root", &heads, DEPTH_SNAPSHOT_ROOT);
    say(DEPTH_SNAPSHOT, "bids", &level, LEVEL_ENTRY);
    say(DEPTH_SNAPSHOT, "asks", &level, LEVEL_ENTRY);
    let ids = [("eventTime", 0), ("firstBookUpdateId", 8), ("lastBookUpdateId", 16)];
    say(DEPTH_DIFF, "root", &[&ids[..], &[("priceExponent", 24), ("qtyExponent", 25)]].concat(), DEPTH_DIFF_ROOT);
    say(DEPTH_DIFF, "bids", &level, LEVEL_ENTRY);
    say(DEPTH_DIFF, "asks", &level, LEVEL_ENTRY);
    assert_eq!(found, want);
}

/// A `bestBidAsk` of BTCUSDT.
fn quote_frame(exponents: (i8, i8), numbers: [i64; 4]) -> Vec<u8> {
    let mut frame = Vec::new();
    for word in [BEST_BID_ASK_ROOT as u16, BEST_BID_ASK, SCHEMA, 0] {
        frame.extend(word.to_le_bytes());
    }
    frame.extend(1_741_046_400_062_507i64.to_le_bytes());
    frame.extend(77i64.to_le_bytes());
    frame.extend([exponents.0.to_le_bytes()[0], exponents.1.to_le_bytes()[0]]);
    frame.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    frame.extend(b"\x07BTCUSDT");
    frame
}

#[test]
fn an_exponent_is_honoured_exactly_or_the_frame_is_refused() {
    let bad = |name| Err(DecodeError::BadNumber(name));
    for (exponent, mantissa, want) in [
        (-8, 6_000_000_000_000, Ok(6_000_000_000_000)),
        (-2, 8_393_172, Ok(8_393_172_000_000)),
        (0, 5, Ok(500_000_000)),
        (2, 5, Ok(50_000_000_000)),
        (-10, 500, Ok(5)),
        (-10, 501, bad("bidPrice")),
        (-26, 0, Ok(0)),
        (-27, 0, bad("priceExponent")),
        (11, 0, bad("priceExponent")),
        (-128, 1, bad("priceExponent")),
        (0, 92_233_720_368, Ok(9_223_372_036_800_000_000)),
        (0, 92_233_720_369, bad("bidPrice")),
        (-8, -1, bad("bidPrice")),
        (-8, i64::MIN, bad("bidPrice")),
        (-26, i64::MIN, bad("bidPrice")),
    ] {
        let frame = quote_frame((exponent, -8), [mantissa, 1, 0, 1]);
        let got = decoder().decode(&frame).map(|market| match market {
            SbeMarket::Quote(quote) => quote.bid_px.0,
            other => panic!("{other:?}"),
        });
        assert_eq!(got, want, "{mantissa} * 10^{exponent}");
    }
}

#[test]
fn a_frame_that_is_not_what_it_says_is_refused_by_kind() {
    let good = quote_frame((-8, -8), [1, 2, 3, 4]);
    let with = |at: usize, byte: u8| {
        let mut frame = good.clone();
        frame[at] = byte;
        decoder().decode(&frame)
    };
    assert!(decoder().decode(&good).is_ok());
    for (got, want) in [
        (with(4, 3), DecodeError::UnknownType),
        (with(2, 0x15), DecodeError::UnknownType),
        (with(0, 49), DecodeError::MissingField("a block is too short")),
        (with(0, 255), DecodeError::Truncated),
        (with(15, 0x80), DecodeError::BadNumber("eventTime")),
        (with(23, 0x80), DecodeError::BadNumber("bookUpdateId")),
        (with(58, 8), DecodeError::Truncated),
        (with(58, 6), DecodeError::UnknownSymbol),
    ] {
        assert_eq!(got, Err(want));
    }
    for (kind, frame, _) in frames() {
        for end in 0..frame.len() {
            assert!(decoder().decode(&frame[..end]).is_err(), "{kind} cut at {end}");
        }
    }
}

/// Reads a frame, and everything that it left in the decoder.
fn all(frame: &[u8]) -> Result<(SbeMarket, Vec<TradeTick>, DepthUpdate), DecodeError> {
    let mut decoder = decoder();
    decoder.decode(frame).map(|market| (market, decoder.trades().to_vec(), decoder.depth().clone()))
}

/// The frame as a later version might send it: longer blocks, longer entries, more behind the symbol.
fn extended(frame: &[u8], by: usize) -> Vec<u8> {
    let (root, template) = (usize::from(u16_at(frame, 0)), u16_at(frame, 2));
    let mut out = ((root + by) as u16).to_le_bytes().to_vec();
    out.extend([frame[2], frame[3], frame[4], frame[5], 1, 0]);
    out.extend(&frame[8..8 + root]);
    out.extend(vec![0xab; by]);
    let mut at = 8 + root;
    let groups: &[usize] = match template {
        TRADES => &[6],
        BEST_BID_ASK => &[],
        _ => &[4, 4],
    };
    for dimension in groups {
        let (len, count) = (usize::from(u16_at(frame, at)), usize::from(u16_at(frame, at + 2)));
        out.extend(((len + by) as u16).to_le_bytes());
        out.extend(&frame[at + 2..at + dimension]);
        at += dimension;
        for _ in 0..count {
            out.extend(&frame[at..at + len]);
            out.extend(vec![0xcd; by]);
            at += len;
        }
    }
    out.extend(&frame[at..]);
    out.extend(vec![0xef; by]);
    out
}

#[test]
fn what_a_later_version_appends_is_stepped_over() {
    for (kind, frame, _) in frames() {
        for by in [0, 1, 9] {
            assert_eq!(all(&extended(&frame, by)), all(&frame), "{kind} longer by {by}");
        }
        assert!(all(&frame).is_ok());
    }
}

#[test]
fn more_levels_than_there_is_room_for_are_refused() {
    let mut frame = vec![26, 0, 0x13, 0x27, 1, 0, 0, 0];
    frame.extend([0; 24]);
    frame.extend([0xf8, 0xf8, 16, 0]);
    frame.extend(5_001u16.to_le_bytes());
    frame.extend(vec![0; 5_001 * 16]);
    assert_eq!(decoder().decode(&frame), Err(DecodeError::TooManyLevels));
}

proptest! {
    #[test]
    fn a_number_is_its_mantissa_times_its_exponent(exponent in -12i8..6, mantissa in 0i64..1_000_000_000_000) {
        let got = decoder().decode(&quote_frame((-8, exponent), [1, mantissa, 1, 0]));
        // The oracle multiplies in 128 bits.
        let shift = i32::from(exponent) + 8;
        let power = 10i128.pow(shift.unsigned_abs());
        let exact = if shift >= 0 {
            Some(i128::from(mantissa) * power)
        } else {
            (i128::from(mantissa) % power == 0).then(|| i128::from(mantissa) / power)
        };
        let want = exact.and_then(|value| i64::try_from(value).ok());
        match got {
            Ok(SbeMarket::Quote(quote)) => prop_assert_eq!(Some(quote.bid_qty.0), want),
            other => prop_assert!(want.is_none(), "{:?}", other),
        }
    }

    #[test]
    fn changed_bytes_never_panic(pick in 0usize..4, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let frames = frames();
        let Some((_, frame, _)) = frames.get(pick) else { return Ok(()) };
        let mut frame = frame.clone();
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        let _ = all(&frame);
    }
}
