use super::*;
use crate::domain::{InstrumentId, OrderId, Side, VenueId};
use crate::venues::assets::AssetTable;
use crate::venues::binance::symbols::SymbolTable;
use crate::venues::binance::testing::{fixture, squeeze};
use proptest::prelude::*;
use serde_json::Value;

fn decoder() -> AccountDecoder {
    let assets = ["LTC", "BNB", "USDT", "BTC"].into_iter().zip((0..).map(AssetId));
    let assets = AssetTable::new(assets);
    let symbols = ["LTCBNB", "BNBUSDT", "BTCUSDT", "MATICUSDT", "ETHBTC"];
    let symbols = symbols.iter().enumerate().map(|(i, s)| (InstrumentId(i as u16), *s));
    AccountDecoder::new(Names { venue: VenueId(3), epoch: 7, symbols: SymbolTable::new(symbols).unwrap(), assets })
}

const REPORTS: [&str; 7] = [
    "executionReport_canceled",
    "executionReport_expired",
    "executionReport_market_new",
    "executionReport_new",
    "executionReport_trade",
    "executionReport_trade_maker_filled_2025",
    "executionReport_trade_taker_filled_2021",
];

/// The events of all fixtures as they look on the wire, bare ones put into the envelope of §16.1.
fn reports() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for name in REPORTS {
        let Some(text) = fixture(&format!("{name}.json")) else { return frames };
        let wire = String::from_utf8(squeeze(&text)).unwrap();
        frames.push(match wire.starts_with("{\"subscriptionId\"") {
            true => wire.into_bytes(),
            false => format!("{{\"subscriptionId\":0,\"event\":{wire}}}").into_bytes(),
        });
    }
    frames
}

#[test]
fn a_fill_says_what_was_traded_and_what_it_cost() {
    let Some(text) = fixture("executionReport_trade_maker_filled_2025.json") else { return };
    let ours = String::from_utf8(squeeze(&text))
        .unwrap()
        .replace("x-B3AUXNYV827cefbc0c9748448b195b", "tg000000070000000000000040");
    let want = ExecReport {
        venue: VenueId(3),
        instrument: InstrumentId(1),
        order: OrderId(0x40),
        exec: ExecType::Trade,
        side: Side::Buy,
        venue_order_id: VenueOrderId::from_u64(9_639_329_831),
        exec_id: ExecId::from_u64(1_251_701_408),
        last_px: Price(112_522_000_000),
        last_qty: Qty(700_000),
        cum_qty: Qty(700_000),
        order_qty: Qty(700_000),
        order_px: Price(112_522_000_000),
        fee: 525,
        fee_asset: AssetId(1),
        reject: RejectReason::Other,
        liquidity: Liquidity::Maker,
        code: 0,
        text: Text::default(),
        ts_event_ns: 1_760_946_670_456_000_000,
    };
    let mut decoder = decoder();
    assert_eq!(decoder.user_event(ours.as_bytes()), Ok(UserEvent::Exec(want)));
    assert_eq!(decoder.parse_user_event(ours.as_bytes()), Ok(UserEvent::Exec(want)));
    let unknown_asset = ours.replace("\"BNB\"", "\"XYZ\"");
    let want = ExecReport { fee_asset: AssetId::NONE, ..want };
    assert_eq!(decoder.user_event(unknown_asset.as_bytes()), Ok(UserEvent::Exec(want)));
    let rebate = ours.replace("\"0.00000525\"", "\"-0.00000525\"");
    let want = ExecReport { fee: -525, fee_asset: AssetId(1), ..want };
    assert_eq!(decoder.user_event(rebate.as_bytes()), Ok(UserEvent::Exec(want)));
}

#[test]
fn the_orders_own_id_is_found_where_the_venue_moved_it() {
    let Some(text) = fixture("executionReport_canceled.json") else { return };
    let base = String::from_utf8(squeeze(&text)).unwrap();
    let (c, big_c) = ("and_41bc800bf5c1483f87322e6cc4593d48", "android_347fe920b39b4d6a98dbe2725b28");
    let (ours, cancel) = ("tg000000070000000000000040", "tx000000070000000000000040");
    for (exec, c_text, big_c_text, want_order, want_exec) in [
        ("CANCELED", cancel, ours, OrderId(0x40), ExecType::Canceled),
        ("CANCELED", ours, "", OrderId(0x40), ExecType::Canceled),
        ("CANCELED", cancel, "foreign", OrderId::FOREIGN, ExecType::Canceled),
        ("REPLACED", "random", ours, OrderId(0x40), ExecType::Replaced),
        ("NEW", ours, "", OrderId(0x40), ExecType::New),
        ("EXPIRED", ours, "", OrderId(0x40), ExecType::Expired),
        ("REJECTED", ours, "", OrderId(0x40), ExecType::Rejected),
        ("NEW", "tg000000080000000000000040", "", OrderId::FOREIGN, ExecType::New),
    ] {
        let frame = base
            .replace(&format!("\"{c}\""), &format!("\"{c_text}\""))
            .replace(&format!("\"{big_c}\""), &format!("\"{big_c_text}\""))
            .replace("\"x\":\"CANCELED\"", &format!("\"x\":\"{exec}\""));
        let Ok(UserEvent::Exec(report)) = decoder().user_event(frame.as_bytes()) else { panic!("{frame}") };
        assert_eq!((report.order, report.exec), (want_order, want_exec), "{exec} c={c_text} C={big_c_text}");
    }
}

#[test]
fn reasons_are_kept_and_prevention_ends_an_order_only_where_it_says_so() {
    let Some(text) = fixture("executionReport_expired.json") else { return };
    let base = String::from_utf8(squeeze(&text)).unwrap();
    let report = |frame: &str| match decoder().user_event(frame.as_bytes()) {
        Ok(UserEvent::Exec(report)) => (report.exec, report.text.as_str().to_owned()),
        other => panic!("{other:?}"),
    };
    let reason = base.replace(",\"V\":", ",\"eR\":\"UNFILLED_IOC_QUANTITY_EXPIRED\",\"V\":");
    assert_eq!(report(&reason), (ExecType::Expired, "UNFILLED_IOC_QUANTITY_EXPIRED".to_owned()));
    let rejected = base
        .replace("\"x\":\"EXPIRED\"", "\"x\":\"REJECTED\"")
        .replace("\"NONE\",\"i\"", "\"INSUFFICIENT_BALANCES\",\"i\"");
    assert_eq!(report(&rejected), (ExecType::Rejected, "INSUFFICIENT_BALANCES".to_owned()));
    let prevention = base.replace("\"x\":\"EXPIRED\"", "\"x\":\"TRADE_PREVENTION\"");
    assert_eq!(report(&prevention).0, ExecType::Working);
    assert_eq!(report(&prevention.replace("\"X\":\"EXPIRED\"", "\"X\":\"EXPIRED_IN_MATCH\"")).0, ExecType::Expired);
    let odd = base.replace("\"x\":\"EXPIRED\"", "\"x\":\"ODD\"");
    assert_eq!(decoder().user_event(odd.as_bytes()), Err(DecodeError::BadField("x")));
    let no_id = base.replace("\"x\":\"EXPIRED\"", "\"x\":\"TRADE\"");
    assert_eq!(decoder().user_event(no_id.as_bytes()), Err(DecodeError::BadNumber("t")));
}

#[test]
fn a_market_order_that_empties_the_book_is_a_sequence_of_events() {
    let Some(text) = fixture("executionReport_sequence_market_partial_then_expired.json") else { return };
    let events: Value = serde_json::from_slice(&text).unwrap();
    let mut decoder = decoder();
    let mut seen = Vec::new();
    for event in events.as_array().unwrap() {
        match decoder.user_event(event.to_string().as_bytes()).unwrap() {
            UserEvent::Exec(r) => seen.push((r.exec, r.exec_id.lo, r.last_qty.0, r.cum_qty.0, r.fee)),
            UserEvent::Position => {
                let balance = |asset, free| Balance {
                    venue: VenueId(3),
                    asset: AssetId(asset),
                    free,
                    locked: 0,
                    ts_event_ns: 1_719_467_634_105_000_000,
                };
                assert_eq!(decoder.position(), [balance(0, 301_111_745_670), balance(1, 99_611_865_670)]);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        seen,
        [
            (ExecType::New, 0, 0, 0, 0),
            (ExecType::Trade, 7, 200_000_000, 200_000_000, 100_000),
            (ExecType::Trade, 8, 200_000_000, 400_000_000, 100_000),
            (ExecType::Expired, 0, 0, 400_000_000, 0),
        ]
    );
}

#[test]
fn every_other_event_is_known_for_what_it_is() {
    let change =
        UserEvent::BalanceChange { asset: AssetId(3), delta: 10_000_000_000, ts_event_ns: 1_573_200_697_068_000_000 };
    for (name, want) in [
        ("balanceUpdate", Ok(change)),
        ("outboundAccountPosition", Ok(UserEvent::Position)),
        ("wsapi_event_envelope", Ok(UserEvent::Position)),
        ("listStatus", Ok(UserEvent::ListStatus)),
        ("externalLockUpdate", Ok(UserEvent::ExternalLock)),
        ("eventStreamTerminated", Ok(UserEvent::StreamTerminated)),
        ("wsapi_serverShutdown", Ok(UserEvent::ServerShutdown)),
        ("serverShutdown_raw", Ok(UserEvent::ServerShutdown)),
        ("wsapi_response_ok", Err(DecodeError::UnknownType)),
        ("trade", Err(DecodeError::UnknownType)),
    ] {
        let Some(text) = fixture(&format!("{name}.json")) else { return };
        assert_eq!(decoder().user_event(&text), want, "{name}");
        assert_eq!(decoder().user_event(&squeeze(&text)), want, "{name}");
    }
}

#[test]
fn both_readers_agree_on_every_documented_report() {
    let mut decoder = decoder();
    for frame in reports() {
        let shown = String::from_utf8_lossy(&frame).into_owned();
        let by_hand = scan(&shown).unwrap_or_else(|| panic!("not taken: {shown}")).report(&decoder.names);
        assert!(by_hand.is_ok(), "{shown}");
        assert_eq!(by_hand.map(UserEvent::Exec), decoder.parse_user_event(&frame), "{shown}");
    }
}

#[test]
fn a_key_that_stands_twice_or_not_at_all_is_left_to_the_parser() {
    let mut decoder = decoder();
    for frame in reports() {
        let frame = String::from_utf8(frame).unwrap();
        for key in ["z", "eR", "O", "n"] {
            let twice =
                frame.replacen(",\"X\":", &format!(",\"{key}\":\"5.00000000\",\"{key}\":\"6.00000000\",\"X\":"), 1);
            assert_eq!(scan(&twice), None, "{twice}");
        }
        let missing = frame.replacen("\"z\":", "\"y\":", 1);
        assert_eq!(scan(&missing), None, "{missing}");
        assert_eq!(decoder.user_event(missing.as_bytes()), Err(DecodeError::MissingField("z")));
    }
}

#[test]
fn a_cut_report_is_an_error_at_every_byte() {
    let mut decoder = decoder();
    for frame in reports() {
        for cut in 0..frame.len() {
            assert_eq!(decoder.user_event(&frame[..cut]), Err(DecodeError::Truncated), "at {cut}");
        }
    }
}

proptest! {
    #[test]
    fn a_changed_report_is_the_same_to_both_readers(pick: prop::sample::Index, at: prop::sample::Index, byte: u8, second: prop::sample::Index, other: u8) {
        let frames = reports();
        if frames.is_empty() {
            return Ok(());
        }
        let mut frame = frames[pick.index(frames.len())].clone();
        let (at, second) = (at.index(frame.len()), second.index(frame.len()));
        frame[at] = byte;
        frame[second] = frame[other as usize % frame.len()];
        let mut decoder = decoder();
        if let Some(report) = std::str::from_utf8(&frame).ok().and_then(scan) {
            let by_hand = report.report(&decoder.names).map(UserEvent::Exec);
            prop_assert_eq!(by_hand, decoder.parse_user_event(&frame), "{}", String::from_utf8_lossy(&frame));
        }
    }
}
