use super::*;
use crate::venues::binance::testing::{Recorded, fixture, recordings, squeeze, symbols_of};
use proptest::prelude::*;
use serde_json::Value;

const SYMBOLS: [&str; 5] = ["BTCUSDT", "ETHUSDT", "BNBUSDT", "BNBBTC", "这是测试币456"];

fn decoder() -> MarketDecoder {
    let symbols = SYMBOLS.iter().enumerate().map(|(i, s)| (InstrumentId(i as u16), *s));
    MarketDecoder::new(SymbolTable::new(symbols).unwrap())
}

fn level(px: i64, qty: i64) -> Level {
    Level { px: Price(px), qty: Qty(qty) }
}

const QUOTE: &str = r#"{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}"#;
const TRADE: &str = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}"#;
const AGG_TRADE: &str = r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1617566591315,"s":"BTCUSDT","a":665076760,"p":"58001.03000000","q":"0.08620500","f":745522877,"l":745522877,"T":1617566591314,"m":false,"M":true}}"#;
const DEPTH: &str = r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":50093239189,"u":50093239202,"b":[["61737.63000000","0.00000000"],["56854.58000000","12.5"]],"a":[["61837.64000000","1.54698000"]]}}"#;

#[test]
fn frames_become_the_values_that_they_show() {
    let quote = Market::Quote(Quote {
        instrument: InstrumentId(0),
        bid_px: Price(6_183_763_000_000),
        bid_qty: Qty(378_826_000),
        ask_px: Price(6_183_764_000_000),
        ask_qty: Qty(154_698_000),
        update_id: 50_093_239_212,
        ts_event_ns: 0,
    });
    let trade = Market::Trade(TradeTick {
        instrument: InstrumentId(0),
        px: Price(6_183_763_000_000),
        qty: Qty(2_000_000),
        aggressor: Side::Sell,
        trade_id: ExecId::from_u64(3_735_683_259),
        ts_event_ns: 1_723_161_255_342_000_000,
    });
    let agg_trade = Market::Trade(TradeTick {
        instrument: InstrumentId(0),
        px: Price(5_800_103_000_000),
        qty: Qty(8_620_500),
        aggressor: Side::Buy,
        trade_id: ExecId::from_u64(665_076_760),
        ts_event_ns: 1_617_566_591_314_000_000,
    });
    let depth = DepthUpdate {
        instrument: InstrumentId(0),
        first_id: 50_093_239_189,
        last_id: 50_093_239_202,
        ts_event_ns: 1_723_161_255_208_000_000,
        bids: vec![level(6_173_763_000_000, 0), level(5_685_458_000_000, 1_250_000_000)],
        asks: vec![level(6_183_764_000_000, 154_698_000)],
    };
    for (frame, want) in [(QUOTE, quote), (TRADE, trade), (AGG_TRADE, agg_trade), (DEPTH, Market::Depth)] {
        let (_, data) = frame.split_once("\"data\":").unwrap();
        let raw = &data[..data.len() - 1];
        let spaced = frame.replace(":{", " : {").replace(",\"s\"", ",\n\"s\"");
        let plain: Value = serde_json::from_str(frame).unwrap();
        let sorted = plain.to_string();
        for (form, by_hand) in [(frame, true), (raw, true), (&spaced, false), (&sorted, false)] {
            let mut decoder = decoder();
            assert_eq!(decoder.scan(form.as_bytes()), by_hand.then_some(want), "{form}");
            assert_eq!(decoder.decode(form.as_bytes()), Ok(want), "{form}");
            assert_eq!(decoder.parse(form.as_bytes()), Ok(want), "{form}");
            if want == Market::Depth {
                assert_eq!(*decoder.depth(), depth, "{form}");
            }
        }
    }
}

#[test]
fn documented_examples_are_read() {
    let quote = |q: Quote| (q.instrument, q.bid_px.0, q.bid_qty.0, q.ask_px.0, q.ask_qty.0, q.update_id);
    let mut decoder = decoder();
    let Some(text) = fixture("bookTicker.json") else { return };
    let Ok(Market::Quote(got)) = decoder.decode(&text) else { panic!() };
    assert_eq!(quote(got), (InstrumentId(2), 2_535_190_000, 3_121_000_000, 2_536_520_000, 4_066_000_000, 400_900_217));
    for (name, id) in [("trade.json", 12_345), ("aggTrade.json", 12_345)] {
        let Ok(Market::Trade(got)) = decoder.decode(&squeeze(&fixture(name).unwrap())) else { panic!("{name}") };
        let want = (InstrumentId(3), 100_000, 10_000_000_000, Side::Sell, id, 1_672_515_782_136_000_000);
        assert_eq!((got.instrument, got.px.0, got.qty.0, got.aggressor, got.trade_id.lo, got.ts_event_ns), want);
    }
    assert_eq!(decoder.decode(&fixture("depthUpdate.json").unwrap()), Ok(Market::Depth));
    assert_eq!((decoder.depth().first_id, decoder.depth().last_id), (157, 160));
    assert_eq!(decoder.depth().bids, [level(240_000, 1_000_000_000)]);
    for (name, want) in [
        ("serverShutdown_combined.json", Ok(Market::ServerShutdown)),
        ("serverShutdown_raw.json", Ok(Market::ServerShutdown)),
        ("partialDepth.json", Err(DecodeError::UnknownType)),
        ("kline.json", Err(DecodeError::UnknownType)),
        ("ticker24hr.json", Err(DecodeError::UnknownType)),
        ("miniTicker.json", Err(DecodeError::UnknownType)),
        ("avgPrice.json", Err(DecodeError::UnknownType)),
    ] {
        assert_eq!(decoder.decode(&fixture(name).unwrap()), want, "{name}");
    }
    let control: Value = serde_json::from_slice(&fixture("stream_control_messages.json").unwrap()).unwrap();
    for name in ["subscribe", "unsubscribe", "list_subscriptions", "set_property", "get_property"] {
        let answer = control[name]["response"].to_string();
        assert_eq!(decoder.decode(answer.as_bytes()), Ok(Market::ControlOk), "{name}");
    }
    for error in control["errors"].as_array().unwrap() {
        let code = error["code"].as_i64().unwrap();
        assert_eq!(decoder.decode(error.to_string().as_bytes()), Ok(Market::ControlError { code }));
    }
}

#[test]
fn a_frame_that_cannot_be_read_says_why() {
    use DecodeError::*;
    let many = format!("[{}]", "[\"1\",\"1\"],".repeat(5001).trim_end_matches(','));
    for (frame, want) in [
        ("".to_owned(), Truncated),
        ("hello".to_owned(), NotJson),
        ("[]".to_owned(), UnknownType),
        ("{}".to_owned(), UnknownType),
        ("{\"stream\":\"x\",\"data\":7}".to_owned(), UnknownType),
        ("{\"e\":7}".to_owned(), BadField("e")),
        (QUOTE.replace("\"BTCUSDT\"", "\"NOPE\""), UnknownSymbol),
        (QUOTE.replace("BTCUSDT", "NOPE").replace("btcusdt", "nope"), UnknownSymbol),
        (QUOTE.replace("\"61837.63000000\"", "\"-1.00000000\""), BadNumber("b")),
        (QUOTE.replace("\"61837.63000000\"", "\"1e5\""), BadNumber("b")),
        (QUOTE.replace("\"61837.63000000\"", "61837.63"), BadNumber("b")),
        (QUOTE.replace("\"61837.63000000\"", "\"0.000000001\""), BadNumber("b")),
        (QUOTE.replace("\"61837.63000000\"", "\"99999999999999.0\""), BadNumber("b")),
        (QUOTE.replace("50093239212", "-1"), BadNumber("u")),
        (QUOTE.replace("50093239212", "1.5"), BadNumber("u")),
        (QUOTE.replace("\"A\":", "\"Z\":"), MissingField("A")),
        (TRADE.replace("\"m\":true", "\"m\":1"), BadField("m")),
        (TRADE.replace("\"T\":1723161255342", "\"T\":9999999999999999999"), BadNumber("T")),
        (DEPTH.replace("\"b\":[[", "\"b\":[7,["), BadField("b")),
        (DEPTH.replace("\"b\":[", "\"b\":{\"x\":[").replace("]],\"a\"", "]]},\"a\""), BadField("b")),
        (DEPTH.replace("[[\"61837.64000000\",\"1.54698000\"]]", &many), TooManyLevels),
        (format!("{QUOTE}x"), NotJson),
        (format!("{QUOTE}}}"), NotJson),
    ] {
        assert_eq!(decoder().decode(frame.as_bytes()), Err(want), "{frame:.200}");
    }
    let mut bad_utf8 = QUOTE.as_bytes().to_vec();
    bad_utf8[13] = 0xff;
    assert_eq!(decoder().decode(&bad_utf8), Err(NotJson));
}

#[test]
fn a_doubtful_frame_names_the_book_it_may_have_changed() {
    let decoder = decoder();
    for (frame, want) in [
        (DEPTH, Suspect::One(InstrumentId(0))),
        (&DEPTH[..60], Suspect::One(InstrumentId(0))),
        (&QUOTE[..60], Suspect::None),
        (&TRADE[..60], Suspect::None),
        (&DEPTH[..22], Suspect::One(InstrumentId(0))),
        (&DEPTH.replace("depth", "kline"), Suspect::None),
        (&DEPTH.replace("btcusdt", "nope"), Suspect::None),
        ("{\"strea", Suspect::All),
        ("", Suspect::All),
        ("{\"e\":\"depthUpdate\"", Suspect::All),
    ] {
        assert_eq!(decoder.suspect(frame.as_bytes()), want, "{frame}");
    }
}

#[test]
fn symbols_beyond_ascii_are_read_by_hand() {
    for frame in [QUOTE, TRADE, DEPTH] {
        let frame = frame.replace("btcusdt", SYMBOLS[4]).replace("BTCUSDT", SYMBOLS[4]);
        let mut decoder = decoder();
        let got = decoder.scan(frame.as_bytes());
        let instrument = match got {
            Some(Market::Quote(quote)) => quote.instrument,
            Some(Market::Trade(trade)) => trade.instrument,
            Some(Market::Depth) => decoder.depth().instrument,
            other => panic!("{other:?}"),
        };
        assert_eq!(instrument, InstrumentId(4));
    }
}

/// What serde_json and rust_decimal, which share nothing with the decoder, find in a frame.
fn plain_reading(frame: &[u8], decoder: &MarketDecoder, got: Result<Market, DecodeError>) {
    let root: Value = serde_json::from_slice(frame).unwrap();
    let data = &root["data"];
    let fixed = |value: &Value| {
        let decimal: rust_decimal::Decimal = value.as_str().unwrap().parse().unwrap();
        crate::domain::decimal::from_decimal(decimal, 8).unwrap()
    };
    let time = |value: &Value| {
        let time = value.as_i64().unwrap();
        if time > 10_000_000_000_000 { time * 1000 } else { time * 1_000_000 }
    };
    let id = decoder.symbols().find(data["s"].as_str().unwrap().as_bytes()).unwrap();
    match got {
        Ok(Market::Quote(quote)) => {
            assert!(data.get("e").is_none());
            let want =
                (id, fixed(&data["b"]), fixed(&data["B"]), fixed(&data["a"]), fixed(&data["A"]), data["u"].as_u64());
            let got = (
                quote.instrument,
                quote.bid_px.0,
                quote.bid_qty.0,
                quote.ask_px.0,
                quote.ask_qty.0,
                Some(quote.update_id),
            );
            assert_eq!(got, want);
        }
        Ok(Market::Trade(trade)) => {
            let trade_id = if data["e"] == "trade" { &data["t"] } else { &data["a"] };
            let side = if data["m"] == true { Side::Sell } else { Side::Buy };
            let want = (id, fixed(&data["p"]), fixed(&data["q"]), side, trade_id.as_u64(), time(&data["T"]));
            let got = (
                trade.instrument,
                trade.px.0,
                trade.qty.0,
                trade.aggressor,
                Some(trade.trade_id.lo),
                trade.ts_event_ns,
            );
            assert_eq!(got, want);
        }
        Ok(Market::Depth) => {
            let depth = decoder.depth();
            let levels = |name: &str| -> Vec<Level> {
                data[name].as_array().unwrap().iter().map(|l| level(fixed(&l[0]), fixed(&l[1]))).collect()
            };
            assert_eq!((&depth.bids, &depth.asks), (&levels("b"), &levels("a")));
            let want = (id, data["U"].as_u64(), data["u"].as_u64(), time(&data["E"]));
            assert_eq!((depth.instrument, Some(depth.first_id), Some(depth.last_id), depth.ts_event_ns), want);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_recorded_frame_is_read_by_hand_as_the_parser_and_a_plain_reading_read_it() {
    let mut seen = 0;
    for (name, lines) in recordings() {
        let mut decoder = recorded_decoder(&lines);
        for line in lines.iter().filter(|line| line.snapshot_of.is_none()) {
            let shown = || format!("{name}: {}", String::from_utf8_lossy(&line.text));
            let by_hand = decoder.scan(&line.text);
            if by_hand == Some(Market::Depth) {
                let update = decoder.depth().clone();
                assert_eq!(decoder.parse(&line.text), Ok(Market::Depth), "{}", shown());
                assert_eq!(*decoder.depth(), update, "{}", shown());
            } else if let Some(market) = by_hand {
                assert_eq!(decoder.parse(&line.text), Ok(market), "{}", shown());
            }
            let got = decoder.decode(&line.text);
            if got == Err(DecodeError::UnknownType) {
                assert!(line.text.windows(6).any(|w| w == b"@kline"), "{}", shown());
            } else {
                assert!(by_hand.is_some(), "not taken by hand: {}", shown());
                plain_reading(&line.text, &decoder, got);
            }
            seen += 1;
        }
    }
    assert!(seen == 0 || seen == 106_266, "{seen} frames");
}

fn recorded_decoder(lines: &[Recorded]) -> MarketDecoder {
    let symbols = symbols_of(lines);
    MarketDecoder::new(
        SymbolTable::new(symbols.iter().enumerate().map(|(i, s)| (InstrumentId(i as u16), s.as_str()))).unwrap(),
    )
}

#[test]
fn a_cut_frame_is_an_error_at_every_byte() {
    let mut decoder = decoder();
    for frame in [QUOTE, TRADE, AGG_TRADE, DEPTH] {
        for cut in 0..frame.len() {
            assert_eq!(decoder.decode(&frame.as_bytes()[..cut]), Err(DecodeError::Truncated), "{}", &frame[..cut]);
        }
    }
}

proptest! {
    #[test]
    fn a_changed_frame_is_the_same_to_both_readers(
        pick in 0usize..8, at: prop::sample::Index, byte: u8, from: prop::sample::Index, to: prop::sample::Index, len in 0usize..12,
    ) {
        let frame = [QUOTE, TRADE, AGG_TRADE, DEPTH][pick % 4];
        let frame = if pick < 4 { frame } else { frame.split_once("\"data\":").unwrap().1 };
        let mut frame = frame.as_bytes().to_vec();
        // One byte changed, and one run copied over another.
        let at = at.index(frame.len());
        frame[at] = byte;
        let (from, to) = (from.index(frame.len()), to.index(frame.len()));
        let len = len.min(frame.len() - from.max(to));
        frame.copy_within(from..from + len, to);
        let mut decoder = decoder();
        if let Some(by_hand) = decoder.scan(&frame) {
            let update = decoder.depth().clone();
            prop_assert_eq!(decoder.parse(&frame), Ok(by_hand));
            if by_hand == Market::Depth {
                prop_assert_eq!(decoder.depth(), &update);
            }
        }
    }
}
