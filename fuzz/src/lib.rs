//! The bodies of the fuzz targets, and the seeds they start from.
//!
//! A body panics where the decoder panics, or where it took bytes that serde_json, which shares nothing with it,
//! reads as another number or not as JSON at all.

mod seeds;

pub use seeds::{HEADER_SEEDS, MARKET_SEEDS, REST_SEEDS, USER_SEEDS, WS_API_SEEDS};

use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tollgate::domain::{AssetId, InstrumentId, Side, VenueId, decimal};
use tollgate::venues::assets::AssetTable;
use tollgate::venues::binance::account::{self, AccountDecoder, Names};
use tollgate::venues::binance::exchange_info::{self, InstrumentContext, Wanted};
use tollgate::venues::binance::limits::header_count;
use tollgate::venues::binance::response::{self, Answer};
use tollgate::venues::binance::sbe::{SbeDecoder, SbeMarket};
use tollgate::venues::binance::snapshot::{Snapshot, SnapshotDecoder};
use tollgate::venues::binance::user::UserEvent;
use tollgate::venues::binance::{Market, MarketDecoder, SymbolTable};

/// Bodies of exchangeInfo.
pub const EXCHANGE_INFO_SEEDS: &[&str] = &[
    r#"{"timezone":"UTC","serverTime":1789567200000,"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":100}],"symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","baseAssetPrecision":8,"quoteAsset":"USDT","quoteAssetPrecision":8,"filters":[{"filterType":"PRICE_FILTER","minPrice":"0.01000000","maxPrice":"1000000.00000000","tickSize":"0.01000000"},{"filterType":"LOT_SIZE","minQty":"0.00001000","maxQty":"9000.00000000","stepSize":"0.00001000"},{"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true,"maxNotional":"9000000.00000000","applyMaxToMarket":false,"avgPriceMins":5},{"filterType":"NEW_ONE","limit":[1,{"a":null}]}]}]}"#,
];

/// Binary frames of market streams: best bid and ask, trades, diff, snapshot.
pub const SBE_SEEDS: &[&[u8]] = &[
    b"\x32\x00\x11\x27\x01\x00\x00\x00\x2b\x94\x36\xf4\x78\x2f\x06\x00\x06\xe4\xeaC\x01\x00\x00\x00\xfe\xfb\xd4\x11\x80\x00\x00\x00\x00\x00\xf0I\x02\x00\x00\x00\x00\x00\xd5\x11\x80\x00\x00\x00\x00\x00\x80\x38\x01\x00\x00\x00\x00\x00\x07BTCUSDT",
    b"\x12\x00\x10\x27\x01\x00\x00\x00\xa1\x08I\xf4\x78\x2f\x06\x00\xc9\x06I\xf4\x78\x2f\x06\x00\xf8\xf8\x19\x00\x02\x00\x00\x00\xe6\x14\xc8\x14\x00\x00\x00\x00\x80\xc8\x60\x01\x00\x00\x00\x00\x00\x35\xd7\xfc\x3c\x00\x00\x00\x01\xe7\x14\xc8\x14\x00\x00\x00\x00\x80\xc8\x60\x01\x00\x00\x00\x00\x80\x3d\x15\xf4\x01\x00\x00\x00\x01\x07ETHUSDT",
    b"\x1a\x00\x13\x27\x01\x00\x00\x00\x2b\x94\x36\xf4\x78\x2f\x06\x00\x02\xe4\xeaC\x01\x00\x00\x00\x06\xe4\xeaC\x01\x00\x00\x00\xfc\xff\x10\x00\x01\x00\x07\x09\x00\x00\x00\x00\x00\x00\xc5\xc6\x7a\x00\x00\x00\x00\x00\x10\x00\x02\x00\x09\x09\x00\x00\x00\x00\x00\x00\x22\xce\x27\x00\x00\x00\x00\x00\x0a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07ETHUSDT",
    b"\x12\x00\x12\x27\x01\x00\x00\x00\x2b\x94\x36\xf4\x78\x2f\x06\x00\x06\xe4\xeaC\x01\x00\x00\x00\xfc\xff\x10\x00\x02\x00\x07\x09\x00\x00\x00\x00\x00\x00\xc5\xc6\x7a\x00\x00\x00\x00\x00\x06\x09\x00\x00\x00\x00\x00\x00\x64\x00\x00\x00\x00\x00\x00\x00\x10\x00\x01\x00\x09\x09\x00\x00\x00\x00\x00\x00\x22\xce\x27\x00\x00\x00\x00\x00\x07ETHUSDT",
];

/// The decoders under test, with their buffers kept.
pub struct Bodies {
    market: MarketDecoder,
    sbe: SbeDecoder,
    snapshots: SnapshotDecoder,
    snapshot: Snapshot,
    account: AccountDecoder,
    assets: AssetTable,
    wanted: [Wanted; 2],
}

const SYMBOLS: [&str; 2] = ["BTCUSDT", "ETHUSDT"];

fn symbols() -> SymbolTable {
    let symbols = SYMBOLS.iter().enumerate().map(|(i, symbol)| (InstrumentId(i as u16), *symbol));
    SymbolTable::new(symbols).expect("two plain symbols make a table")
}

impl Default for Bodies {
    fn default() -> Self {
        Bodies::new()
    }
}

impl Bodies {
    pub fn new() -> Bodies {
        let assets =
            AssetTable::new([("BTC", AssetId(0)), ("ETH", AssetId(1)), ("USDT", AssetId(2)), ("BNB", AssetId(3))]);
        let wanted = SYMBOLS.map(str::to_owned);
        Bodies {
            market: MarketDecoder::new(symbols()),
            sbe: SbeDecoder::new(symbols()),
            snapshots: SnapshotDecoder::new(),
            snapshot: Snapshot::new(),
            account: AccountDecoder::new(Names {
                venue: VenueId(0),
                epoch: 7,
                symbols: symbols(),
                assets: assets.clone(),
            }),
            assets,
            wanted: [0, 1].map(|i| Wanted { id: InstrumentId(i as u16), symbol: wanted[i].clone() }),
        }
    }

    /// A binary frame of a market stream. What is taken has an instrument of the table and no number below zero.
    pub fn sbe(&mut self, frame: &[u8]) {
        match self.sbe.decode(frame) {
            Ok(SbeMarket::Quote(quote)) => {
                assert!(quote.instrument.index() < SYMBOLS.len() && quote.ts_event_ns >= 0);
                assert!(quote.bid_px.0.min(quote.ask_px.0).min(quote.bid_qty.0).min(quote.ask_qty.0) >= 0);
            }
            Ok(SbeMarket::Trades) => {
                let sound = |t: &tollgate::domain::TradeTick| t.px.0.min(t.qty.0) >= 0;
                assert!(self.sbe.trades().iter().all(sound));
            }
            Ok(SbeMarket::Snapshot | SbeMarket::Diff) => {
                let depth = self.sbe.depth();
                assert!(depth.instrument.index() < SYMBOLS.len());
                assert!(depth.bids.iter().chain(&depth.asks).all(|level| level.px.0.min(level.qty.0) >= 0));
            }
            // Whatever it was: the question which book it may have changed has an answer.
            Err(_) => drop(self.sbe.suspect(frame)),
        }
    }

    /// A body of a REST answer, through every reader of one but `exchange_info`'s.
    pub fn rest(&mut self, body: &[u8]) {
        if let Ok(state) = self.account.balances(body) {
            is_json(body);
            assert!(state.balances.iter().all(|balance| balance.free >= 0 && balance.locked >= 0));
        }
        if let Ok(fills) = self.account.trades(body) {
            is_json(body);
            let Ok(plain) = serde_json::from_slice::<Vec<FillJson>>(body) else { return };
            assert_eq!(plain.len(), fills.len());
            for (plain, fill) in plain.iter().zip(&fills) {
                let got = [fill.last_px.0, fill.last_qty.0, fill.fee];
                assert_eq!(got, [&plain.price, &plain.qty, &plain.commission].map(fixed));
                assert_eq!((fill.exec_id.lo, fill.venue_order_id.lo), (plain.id, plain.order_id));
                assert_eq!(fill.side == Side::Buy, plain.is_buyer);
            }
        }
        if let Ok(orders) = self.account.open_orders(body) {
            is_json(body);
            assert!(orders.iter().all(|order| order.order_qty.0 >= 0 && order.cum_qty.0 >= 0));
        }
        if let Ok(order) = self.account.order(body) {
            is_json(body);
            assert!(order.order_qty.0 >= 0 && order.cum_qty.0 >= 0 && order.order_px.0 >= 0);
        }
        if let Ok(time) = account::server_time(body) {
            is_json(body);
            assert!(time >= 0);
        }
        if account::rest_error(body).is_ok() {
            is_json(body);
        }
    }

    /// A line of a REST answer's head, `name: value`.
    pub fn header(&mut self, line: &[u8]) {
        let Ok(line) = std::str::from_utf8(line) else { return };
        let Some((name, value)) = line.split_once(':') else { return };
        if let Some(count) = header_count(name, value) {
            assert_eq!(value.trim().parse(), Ok(count.count));
            assert!(count.interval_s > 0 && count.limit == 0);
        }
    }

    /// A frame of a market stream, or a snapshot.
    pub fn market(&mut self, frame: &[u8]) {
        if self.snapshots.decode(frame, &mut self.snapshot).is_ok() {
            is_json(frame);
            if let Ok(plain) = serde_json::from_slice::<SnapshotJson>(frame) {
                assert_eq!(plain.last_update_id, self.snapshot.last_id);
                same_levels(&plain.bids, &self.snapshot.bids);
                same_levels(&plain.asks, &self.snapshot.asks);
            }
        }
        let Ok(market) = self.market.decode(frame) else {
            // Whatever it was: the question which book it may have changed has an answer.
            self.market.suspect(frame);
            return;
        };
        is_json(frame);
        match market {
            Market::Quote(quote) => {
                let Some(plain) = data::<QuoteJson>(frame) else { return };
                let got = [quote.bid_px.0, quote.bid_qty.0, quote.ask_px.0, quote.ask_qty.0];
                assert_eq!(got, [plain.b, plain.bid_qty, plain.a, plain.ask_qty].map(fixed));
                assert_eq!((symbol(quote.instrument), quote.update_id), (plain.s.as_str(), plain.u));
            }
            Market::Trade(trade) => {
                let Some(plain) = data::<TradeJson>(frame) else { return };
                let id = if plain.e == "trade" { plain.t } else { plain.a };
                assert_eq!([trade.px.0, trade.qty.0], [fixed(plain.p), fixed(plain.q)]);
                assert_eq!((symbol(trade.instrument), Some(trade.trade_id.lo)), (plain.s.as_str(), id));
                assert_eq!(trade.aggressor == Side::Sell, plain.m);
            }
            Market::Depth => {
                let Some(plain) = data::<DepthJson>(frame) else { return };
                let depth = self.market.depth();
                assert_eq!((depth.first_id, depth.last_id), (plain.first, plain.u));
                assert_eq!(symbol(depth.instrument), plain.s);
                same_levels(&plain.b, &depth.bids);
                same_levels(&plain.a, &depth.asks);
            }
            Market::ControlOk | Market::ControlError { .. } | Market::ServerShutdown => {}
        }
    }

    /// A frame of the private stream.
    pub fn user(&mut self, frame: &[u8]) {
        match self.account.user_event(frame) {
            Ok(UserEvent::Exec(report)) => {
                is_json(frame);
                let plain = match serde_json::from_slice::<Wrapped>(frame) {
                    Ok(wrapped) => wrapped.event,
                    Err(_) => return,
                };
                let got = [
                    report.last_qty.0,
                    report.last_px.0,
                    report.cum_qty.0,
                    report.order_qty.0,
                    report.order_px.0,
                    report.fee,
                ];
                assert_eq!(got, [plain.l, plain.last_px, plain.z, plain.q, plain.p, plain.n].map(fixed));
                assert_eq!(report.venue_order_id.lo, plain.i);
                assert_eq!((report.side == Side::Sell, report.venue_order_id.hi), (plain.side == "SELL", 0));
            }
            Ok(UserEvent::Position) => {
                is_json(frame);
                assert!(self.account.position().iter().all(|balance| balance.free >= 0 && balance.locked >= 0));
            }
            Ok(_) => is_json(frame),
            Err(_) => {}
        }
    }

    /// An answer of the WebSocket API, and its result through every reader of results.
    pub fn ws_api(&mut self, frame: &[u8]) {
        if response::is_event(frame) {
            return self.user(frame);
        }
        let Ok(got) = response::decode(frame) else { return };
        is_json(frame);
        if let Ok(plain) = serde_json::from_slice::<AnswerJson>(frame) {
            assert_eq!(plain.status, got.status);
            if let Answer::Error(error) = got.answer {
                assert_eq!(plain.error.map(|error| error.code), Some(error.code));
            }
        }
        if let Answer::Result(result) = got.answer {
            is_json(result);
            if let Ok(report) = self.account.order(result) {
                assert!(report.order_qty.0 >= 0 && report.cum_qty.0 >= 0 && report.order_px.0 >= 0);
            }
            for reports in [self.account.trades(result), self.account.open_orders(result)].into_iter().flatten() {
                assert!(reports.iter().all(|report| report.last_qty.0 >= 0 && report.last_px.0 >= 0));
            }
            if let Ok(state) = self.account.balances(result) {
                assert!(state.balances.iter().all(|balance| balance.free >= 0 && balance.locked >= 0));
            }
        }
    }

    /// A body of exchangeInfo.
    pub fn exchange_info(&mut self, body: &[u8]) {
        let usd = ["USDT".to_owned()];
        let context = InstrumentContext { venue: VenueId(0), usd_assets: &usd, taker_fee_ppm: 1000 };
        let Ok(info) = exchange_info::parse(body, &self.wanted, context, &self.assets) else { return };
        is_json(body);
        assert_eq!(info.instruments.len() + info.refused.len(), self.wanted.len());
        for made in &info.instruments {
            let bounds = [made.px_min.0, made.px_max.0, made.tick.0, made.qty_min.0, made.qty_max.0, made.lot.0];
            assert!(bounds.iter().all(|bound| *bound >= 0) && made.notional_min.0 >= 0, "{made:?}");
        }
    }
}

#[track_caller]
fn is_json(text: &[u8]) {
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(text) {
        // Numbers that only serde_json finds too large for a float are JSON all the same.
        assert!(error.to_string().contains("out of range"), "{error} in {}", String::from_utf8_lossy(text));
    }
}

/// A text that the decoder took, read by another library.
#[track_caller]
fn fixed(text: impl AsRef<str>) -> i64 {
    let value: Decimal = text.as_ref().parse().expect("a decimal that was taken is one");
    decimal::from_decimal(value, 8).expect("a decimal that was taken fits")
}

fn symbol(id: InstrumentId) -> &'static str {
    SYMBOLS[id.index()]
}

#[track_caller]
fn same_levels(plain: &[[String; 2]], got: &[tollgate::domain::Level]) {
    let plain: Vec<[i64; 2]> = plain.iter().map(|[px, qty]| [fixed(px), fixed(qty)]).collect();
    let got: Vec<[i64; 2]> = got.iter().map(|level| [level.px.0, level.qty.0]).collect();
    assert_eq!(plain, got);
}

/// The payload of a combined or raw frame; `None` where a key stands twice, which the two may read differently.
fn data<T: for<'de> Deserialize<'de>>(frame: &[u8]) -> Option<T> {
    match serde_json::from_slice::<Combined<T>>(frame) {
        Ok(combined) => Some(combined.data),
        Err(_) => serde_json::from_slice(frame).ok(),
    }
}

#[derive(Deserialize)]
struct Combined<T> {
    #[serde(rename = "stream")]
    _stream: IgnoredAny,
    data: T,
}

#[derive(Deserialize)]
struct QuoteJson {
    u: u64,
    s: String,
    b: String,
    #[serde(rename = "B")]
    bid_qty: String,
    a: String,
    #[serde(rename = "A")]
    ask_qty: String,
}

#[derive(Deserialize)]
struct TradeJson {
    e: String,
    s: String,
    t: Option<u64>,
    a: Option<u64>,
    p: String,
    q: String,
    m: bool,
}

#[derive(Deserialize)]
struct DepthJson {
    s: String,
    #[serde(rename = "U")]
    first: u64,
    u: u64,
    b: Vec<[String; 2]>,
    a: Vec<[String; 2]>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotJson {
    last_update_id: u64,
    bids: Vec<[String; 2]>,
    asks: Vec<[String; 2]>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FillJson {
    id: u64,
    order_id: u64,
    price: String,
    qty: String,
    commission: String,
    is_buyer: bool,
}

#[derive(Deserialize)]
struct Wrapped {
    event: ReportJson,
}

#[derive(Deserialize)]
struct ReportJson {
    #[serde(rename = "S")]
    side: String,
    q: String,
    p: String,
    i: u64,
    l: String,
    z: String,
    #[serde(rename = "L")]
    last_px: String,
    n: String,
}

#[derive(Deserialize)]
struct AnswerJson {
    status: u16,
    error: Option<ErrorJson>,
}

#[derive(Deserialize)]
struct ErrorJson {
    code: i64,
}
