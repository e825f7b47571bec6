//! Every published payload is read, and what it says is what is understood.

use super::market::{Market, MarketDecoder};
use super::orders::Status;
use super::testing::{BTC, fixture, names, names_of_fixtures};
use super::updates::{Event, Frame};
use super::*;
use crate::domain::{ExecId, ExecType, OrderId, OrderType, Price, Qty, Side, Usd, VenueOrderId};

const E9: i64 = 1_000_000_000;

fn id(text: &str) -> VenueOrderId {
    let (hi, lo) = value::uuid(text).unwrap();
    VenueOrderId { hi, lo }
}

#[test]
fn every_order_is_read() {
    let mut read = 0;
    for name in names_of_fixtures("order_").into_iter().chain(names_of_fixtures("constructed/order_")) {
        let Some(bytes) = fixture(&name) else { return };
        if name.ends_with("_request.json") {
            continue;
        }
        let found = if name.ends_with("list.json") {
            orders::orders(&bytes, &names())
        } else {
            orders::order(&bytes, &names()).map(|order| vec![order])
        };
        let plain: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let plain = if plain.is_array() { plain.as_array().unwrap().clone() } else { vec![plain] };
        let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found.len(), plain.len());
        for (order, plain) in found.iter().zip(&plain) {
            assert_eq!(order.id, id(plain["id"].as_str().unwrap()), "{name}");
            assert_eq!(Some(order.status), Status::from_text(plain["status"].as_str().unwrap()), "{name}");
            assert_eq!(order.legs.len(), plain["legs"].as_array().map_or(0, Vec::len), "{name}");
            assert_eq!(order.order, OrderId::FOREIGN, "{name}");
            read += 1;
        }
    }
    assert!(read == 0 || read > 10, "{read}");
}

#[test]
fn an_order_says_what_it_says() {
    let Some(bytes) = fixture("order_new.json") else { return };
    let order = orders::order(&bytes, &names()).unwrap();
    assert_eq!((order.instrument.0, order.side, order.kind), (0, Side::Buy, OrderType::Limit));
    assert_eq!((order.qty, order.filled_qty, order.limit_px), (Qty(2 * E9), Qty(0), Price(150 * E9)));
    assert_eq!(order.ts_event_ns, value::nanos("2023-12-12T22:31:24.668464435Z").unwrap());
    assert_eq!(order.report(&names()).exec, ExecType::Working);

    let Some(bytes) = fixture("constructed/order_bracket.json") else { return };
    let mut text = String::from_utf8(bytes).unwrap();
    let own = names::client_text(OrderId(640), names::Exits { profit: 1, stop: 2 }, 7);
    let plain: serde_json::Value = serde_json::from_str(&text).unwrap();
    text = text.replace(plain["client_order_id"].as_str().unwrap(), &own);
    let bracket = orders::order(text.as_bytes(), &names()).unwrap();
    let family: Vec<_> = bracket.family().map(|o| (o.order.0, o.kind.is_triggered(), o.status)).collect();
    let entry = family[0];
    assert_eq!((entry.0, entry.1), (640, false));
    assert!(family.contains(&(641, false, Status::Held)), "{family:?}");
    assert!(family.contains(&(642, true, Status::Held)), "{family:?}");
}

#[test]
fn of_an_order_that_replaced_another_only_its_own_executions_are_believed() {
    let Some(bytes) = fixture("constructed/order_replace_new_order.json") else { return };
    let order = orders::order(&bytes, &names()).unwrap();
    assert!(!order.replaces.is_none());
    assert_eq!(order.report(&names()).cum_qty, Qty::ZERO);
    let Some(bytes) = fixture("constructed/order_replaced_old_order.json") else { return };
    let old = orders::order(&bytes, &names()).unwrap();
    assert_eq!((old.report(&names()).exec, old.replaced_by.is_none()), (ExecType::Canceled, false));
}

#[test]
fn what_an_amount_of_money_bought_is_its_quantity_once_it_is_spent() {
    let part =
        orders::VenueOrder { filled_qty: Qty(7), status: Status::PartiallyFilled, ..orders::VenueOrder::default() };
    assert_eq!(part.report(&names()).order_qty, Qty::ZERO);
    let spent = orders::VenueOrder { status: Status::Filled, ..part };
    assert_eq!(spent.report(&names()).order_qty, Qty(7));
}

#[test]
fn every_trade_update_is_read() {
    for name in names_of_fixtures("trade_update_").into_iter().chain(names_of_fixtures("constructed/trade_update_")) {
        let Some(bytes) = fixture(&name) else { return };
        let update = if name.contains("sse") {
            json::body(&bytes, |json| updates::update(json, &names())).unwrap()
        } else {
            match updates::frame(&bytes, &names()).unwrap_or_else(|error| panic!("{name}: {error}")) {
                Frame::Update(update) => *update,
                other => panic!("{name}: {other:?}"),
            }
        };
        let plain: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let data = plain.get("data").unwrap_or(&plain);
        let exec = update.report(&names()).map(|report| report.exec);
        let want = match data["event"].as_str().unwrap() {
            "new" | "pending_new" | "accepted" | "held" => ExecType::New,
            "fill" | "partial_fill" => ExecType::Trade,
            "canceled" | "replaced" => ExecType::Canceled,
            "expired" => ExecType::Expired,
            "rejected" => ExecType::Rejected,
            "order_cancel_rejected" | "order_replace_rejected" => ExecType::CancelRejected,
            _ => ExecType::Working,
        };
        assert_eq!(exec, Some(want), "{name}");
        assert_ne!(update.event, Event::Other, "{name}");
        assert!(update.ts_event_ns > 1_600_000_000 * E9, "{name}");
    }
}

#[test]
fn a_fill_carries_its_own_price_size_and_id() {
    let Some(bytes) = fixture("constructed/trade_update_fill_after_partial.json") else { return };
    let Frame::Update(update) = updates::frame(&bytes, &names()).unwrap() else { panic!() };
    let report = update.report(&names()).unwrap();
    assert_eq!((report.last_px, report.last_qty), (Price(150 * E9), Qty(6 * E9)));
    assert_eq!((report.cum_qty, report.order_qty), (Qty(10 * E9), Qty(10 * E9)));
    assert_ne!(report.exec_id, ExecId::NONE);
    // The members may come in any order, and the stream's name last.
    let plain: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let turned = format!("{{\"data\":{},\"stream\":\"trade_updates\"}}", plain["data"]);
    let Frame::Update(again) = updates::frame(turned.as_bytes(), &names()).unwrap() else { panic!() };
    assert_eq!(again, update);
    // Without its id it could be counted twice: it is not taken.
    let Some(cut) = String::from_utf8(bytes).ok().map(|text| text.replace("execution_id", "execution")) else { return };
    let refused = updates::frame(cut.as_bytes(), &names());
    assert_eq!(refused, Err(DecodeError::MissingField("execution_id")));
}

#[test]
fn the_session_of_the_trade_updates() {
    for (file, want) in [
        ("trade_stream_authorized.json", Frame::Authorized),
        ("trade_stream_unauthorized.json", Frame::Unauthorized(String::new())),
        ("trade_stream_listen_before_auth.json", Frame::Unauthorized(String::new())),
        ("trade_stream_listening.json", Frame::Listening(true)),
    ] {
        let Some(bytes) = fixture(file) else { return };
        assert_eq!(updates::frame(&bytes, &names()), Ok(want), "{file}");
    }
    let Some(bytes) = fixture("trade_stream_unauthorized_message.json") else { return };
    let Ok(Frame::Unauthorized(text)) = updates::frame(&bytes, &names()) else { panic!() };
    assert!(!text.is_empty());
    for (frame, want) in [
        (&b"\x01"[..], Frame::Nothing),
        (b"{\"stream\":\"listening\",\"data\":{\"streams\":[]}}", Frame::Listening(false)),
        (b"{\"stream\":\"account_updates\",\"data\":{}}", Frame::Nothing),
        (
            b"{\"action\":\"error\",\"data\":{\"error_message\":\"internal server error\"}}",
            Frame::Error("internal server error".to_owned()),
        ),
    ] {
        assert_eq!(updates::frame(frame, &names()), Ok(want));
    }
}

#[test]
fn every_message_of_the_data_streams_is_read() {
    let wanted: Vec<Wanted> = ["AAPL", "SPY", "AMD", "BTC/USD", "AVAX/USD", "IONM", "GOOGL", "EEM", "INAQU"]
        .iter()
        .enumerate()
        .map(|(n, symbol)| Wanted {
            id: crate::domain::InstrumentId(n as u16),
            symbol: (*symbol).to_owned(),
            ..testing::wanted()[0].clone()
        })
        .collect();
    let decoder = MarketDecoder::new(Names::new(crate::domain::VenueId(0), 7, wanted).unwrap());
    for name in names_of_fixtures("data_stream_") {
        if name.ends_with("_request.json") {
            continue;
        }
        let Some(bytes) = fixture(&name) else { return };
        let mut found = Vec::new();
        decoder.decode(&bytes, false, |market| found.push(market)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let kind = name.trim_start_matches("data_stream_").trim_end_matches(".json");
        for market in &found {
            let market = market.as_ref().unwrap_or_else(|error| panic!("{name}: {error}"));
            let fits = match kind {
                "connected" => matches!(market, Market::Connected),
                "authenticated" => matches!(market, Market::Authenticated),
                "subscription" | "subscription_crypto" => matches!(market, Market::Subscribed { .. }),
                "errors" => matches!(market, Market::Error { .. }),
                "quote" => matches!(market, Market::Quote(_)),
                "trade" | "trade_crypto" => matches!(market, Market::Trade { .. }),
                "bar" | "bar_full" => matches!(market, Market::Bar(_)),
                "updated_bar" => matches!(market, Market::UpdatedBar(_)),
                "daily_bar" => matches!(market, Market::DailyBar(_)),
                "status" => matches!(market, Market::Status { status: Some(_), .. }),
                "luld" => matches!(market, Market::Band(_)),
                "orderbook_crypto" => matches!(market, Market::Book(_)),
                _ => matches!(market, Market::Other),
            };
            assert!(fits, "{name}: {market:?}");
        }
        assert!(!found.is_empty(), "{name}");
    }
}

#[test]
fn the_account_its_settings_and_positions_are_read() {
    for name in ["account.json", "account_schema_example.json", "account_classic.json"] {
        let Some(bytes) = fixture(name) else { return };
        let account = account::account(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(account.multiplier >= 1, "{name}");
    }
    let Some(bytes) = fixture("account.json") else { return };
    let account = account::account(&bytes).unwrap();
    assert_eq!((account.buying_power, account.cash), (Usd(24_543_261_000_000), Usd(12_208_650_000_000)));
    assert_eq!((account.can_trade(), account.shorting_enabled, account.multiplier), (Ok(()), true, 2));
    for name in names_of_fixtures("account_configurations") {
        let Some(bytes) = fixture(&name) else { return };
        assert!(account::configuration(&bytes).unwrap().max_margin_multiplier > 0, "{name}");
    }
    for name in ["position.json", "position_2.json"] {
        let Some(bytes) = fixture(name) else { return };
        let listed = [b"[", &bytes[..], b"]"].concat();
        account::positions(&listed, &names()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let Some(bytes) = fixture("position_list.json") else { return };
    assert!(!account::positions(&bytes, &names()).unwrap().is_empty());
    let short = br#"[{"symbol":"AAPL","qty":"-3","qty_available":"-3","side":"short"},
        {"symbol":"BTCUSD","qty":"0.123456789","qty_available":"0","side":"long"},
        {"symbol":"AAPL","qty":"3","side":"short"}]"#;
    let positions = account::positions(short, &names()).unwrap();
    let held: Vec<_> = positions.iter().map(|p| (p.instrument, p.qty.0, p.available.0)).collect();
    let aapl = testing::AAPL;
    assert_eq!(held, [(aapl, -3 * E9, -3 * E9), (BTC, 123_456_789, 0), (aapl, -3 * E9, -3 * E9)]);
}

#[test]
fn activities_are_the_fills_that_the_stream_would_have_told() {
    let (Some(fill), Some(dividend), Some(fee)) =
        (fixture("activity_fill.json"), fixture("activity_dividend.json"), fixture("activity_crypto_fee.json"))
    else {
        return;
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let unlist = |text: String| text.trim().trim_start_matches('[').trim_end_matches(']').to_owned();
    let page = format!("[{},{},{}]", unlist(text(&dividend)), unlist(text(&fee)), text(&fill));
    let page = account::activities(page.as_bytes(), &names()).unwrap();
    assert_eq!(page.items, 3);
    assert_eq!(page.last, "20220202135509981::2d7be4ff-d1f3-43e9-856a-0f5cf5c5088e");
    let [report] = &page.fills[..] else { panic!("{page:?}") };
    assert_eq!((report.last_px, report.last_qty), (Price(174_780_000_000), Qty(2 * E9)));
    let exec = id("2d7be4ff-d1f3-43e9-856a-0f5cf5c5088e");
    assert_eq!((report.exec_id.hi, report.exec_id.lo), (exec.hi, exec.lo));
    assert_eq!(report.venue_order_id, id("b5abe576-6a8a-49f3-a353-46b72c1ccae9"));
}

#[test]
fn clock_calendar_and_bulk_answers_are_read() {
    for name in ["clock.json", "clock_legacy.json"] {
        let Some(bytes) = fixture(name) else { return };
        let clock = account::clock(&bytes).unwrap();
        assert!(clock.now_ns > 0 && clock.next_open_ns + clock.grain_ns >= clock.now_ns, "{name}");
    }
    let Some(bytes) = fixture("calendar.json") else { return };
    let days = account::calendar(&bytes).unwrap();
    assert_eq!(days[0].open_ns, value::nanos("2018-01-03T14:30:00Z").unwrap());
    let Some(bytes) = fixture("calendar_day.json") else { return };
    let day = account::calendar(&[b"[", &bytes[..], b"]"].concat()).unwrap()[0];
    assert!(day.session_open_ns < day.open_ns && day.close_ns < day.session_close_ns);
    let Some(bytes) = fixture("cancel_all_207.json") else { return };
    let items = orders::bulk(&bytes).unwrap();
    let told: Vec<_> = items.iter().map(|item| (item.is_done(), item.status, item.code)).collect();
    assert_eq!(told, [(true, 200, 0), (false, 404, 40_410_000)]);
    assert_eq!(orders::bulk(b"[]").unwrap(), []);
}

mod instruments {
    use super::*;
    use crate::domain::{Borrow, Feature, Funding, InstrumentStatus, TimeInForce, VenueId};
    use crate::venues::alpaca::assets::{Asset, Refusal, Terms, asset};

    const TERMS: Terms =
        Terms { venue: VenueId(0), shorting: true, fractions: true, crypto: true, crypto_fee_ppm: 2_500 };

    #[test]
    fn a_share_has_two_ticks_and_may_be_sold_short_where_account_and_asset_let_it() {
        let Some(bytes) = fixture("asset.json") else { return };
        let aapl = asset(&bytes).unwrap();
        let wanted = &testing::wanted()[0];
        let inst = aapl.instrument(wanted, TERMS).unwrap();
        assert_eq!((inst.status, inst.funding), (InstrumentStatus::Trading, Funding::BuyingPower));
        for (px, floor) in [(150_259_900_000, 150_250_000_000), (999_999_999, 999_900_000), (E9, E9)] {
            assert_eq!(inst.floor_to_tick(Price(px)), Price(floor), "{px}");
        }
        assert_eq!((inst.lot, inst.notional_min), (Qty(1), Usd::ONE));
        assert!(inst.can.has(Feature::ShortSale) && inst.can.has(Feature::TrailOffset));
        assert_eq!(inst.borrow, Borrow::Easy);
        assert!(!aapl.instrument(wanted, Terms { shorting: false, ..TERMS }).unwrap().can.has(Feature::ShortSale));
        let whole = Asset { fractionable: false, ..aapl.clone() }.instrument(wanted, TERMS).unwrap();
        assert_eq!(whole.lot, Qty(E9));
        let hard = String::from_utf8(bytes).unwrap().replace("\"easy_to_borrow\",", "\"hard_to_borrow\",");
        assert_eq!(asset(hard.as_bytes()).unwrap().borrow, Borrow::Hard);
        let halted = Asset { tradable: false, ..aapl }.instrument(wanted, TERMS).unwrap();
        assert_eq!(halted.status, InstrumentStatus::Halted);
    }

    #[test]
    fn a_pair_has_its_own_increments_and_is_paid_in_full() {
        let Some(bytes) = fixture("asset_crypto.json") else { return };
        let btc = asset(&bytes).unwrap();
        let inst = btc.instrument(&testing::wanted()[1], TERMS).unwrap();
        assert_eq!((inst.tick, inst.lot, inst.qty_min), (Price(E9), Qty(100_000), Qty(100_000)));
        assert_eq!((inst.funding, inst.taker_fee_ppm), (Funding::CashPower, 2_500));
        assert!(inst.can.takes(OrderType::StopLimit, TimeInForce::Gtc));
        assert!(!inst.can.takes(OrderType::Stop, TimeInForce::Gtc) && !inst.can.has(Feature::Otoco));
        let other = Wanted { quote_name: "USDT".to_owned(), ..testing::wanted()[1].clone() };
        assert!(matches!(btc.instrument(&other, TERMS), Err(Refusal::Assets { .. })));
    }
}
