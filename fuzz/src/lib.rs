//! The bodies of the fuzz targets, and the seeds they start from.
//!
//! A body panics where the decoder panics, or where it took bytes that serde_json, which shares nothing with it,
//! reads as another number or not as JSON at all.

mod links;
mod pipes;
mod seeds;
mod sims;

pub use links::{HTTP_SEEDS, LINK_SEEDS};
pub use seeds::{MARKET_SEEDS, USER_SEEDS, WS_API_SEEDS};
pub use sims::{ALPACA_CALL_SEEDS, CALL_SEEDS, PORT_SEEDS, TEXT_SEEDS};

use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tollgate::domain::{AssetId, Instrument, InstrumentId, Side, Text, VenueId, decimal};
use tollgate::venues::alpaca::market::{Market as AlpacaMarket, MarketDecoder as AlpacaDecoder};
use tollgate::venues::alpaca::updates::Frame;
use tollgate::venues::alpaca::{
    Names as AlpacaNames, Wanted as AlpacaWanted, account, assets, errors, orders, updates,
};
use tollgate::venues::assets::AssetTable;
use tollgate::venues::binance::account::{AccountDecoder, Names, rest_error, server_time};
use tollgate::venues::binance::exchange_info::{self, InstrumentContext, Wanted};
use tollgate::venues::binance::limits::header_count;
use tollgate::venues::binance::orders::Half;
use tollgate::venues::binance::reference::{average_price, reference_price};
use tollgate::venues::binance::response::{self, Answer};
use tollgate::venues::binance::sbe::{SbeDecoder, SbeMarket};
use tollgate::venues::binance::snapshot::{Snapshot, SnapshotDecoder};
use tollgate::venues::binance::user::UserEvent;
use tollgate::venues::binance::{Market, MarketDecoder, SymbolTable};

/// Results of lists, cancel-replaces and amendments.
pub const COMPOUND_SEEDS: &[&str] = &[
    r#"{"orderListId":1,"contingencyType":"OCO","listStatusType":"EXEC_STARTED","listOrderStatus":"EXECUTING","listClientOrderId":"tl000000070000000000000040","transactionTime":1710485608839,"symbol":"BTCUSDT","orders":[{"symbol":"BTCUSDT","orderId":10,"clientOrderId":"tg000000070000000000000040"}],"orderReports":[{"symbol":"BTCUSDT","orderId":10,"orderListId":1,"clientOrderId":"tg000000070000000000000040","transactTime":1710485608839,"price":"1.00000000","origQty":"5.00000000","executedQty":"0.00000000","origQuoteOrderQty":"0.000000","cummulativeQuoteQty":"0.00000000","status":"NEW","timeInForce":"GTC","type":"STOP_LOSS_LIMIT","side":"SELL","stopPrice":"1.00000000","workingTime":-1,"icebergQty":"1.00000000","selfTradePreventionMode":"NONE"},{"symbol":"BTCUSDT","orderId":11,"orderListId":1,"clientOrderId":"tg000000070000000000000041","transactTime":1710485608839,"price":"3.00000000","origQty":"5.00000000","executedQty":"0.50000000","cummulativeQuoteQty":"0.00000000","status":"EXPIRED","timeInForce":"GTC","type":"LIMIT_MAKER","side":"SELL","workingTime":1710485608839,"preventedQuantity":"0.10000000","expiryReason":"OCO_TRIGGER"}]}"#,
    r#"{"cancelResult":"SUCCESS","newOrderResult":"FAILURE","cancelResponse":{"symbol":"BTCUSDT","origClientOrderId":"tg000000070000000000000040","orderId":3,"orderListId":-1,"clientOrderId":"tx000000070000000000000040","transactTime":1684804350068,"price":"0.006123","origQty":"10000.000000","executedQty":"0.000000","origQuoteOrderQty":"0.000000","cummulativeQuoteQty":"0.000000","status":"CANCELED","timeInForce":"GTC","type":"LIMIT_MAKER","side":"SELL","selfTradePreventionMode":"NONE"},"newOrderResponse":{"code":-2010,"msg":"Order would immediately match and take."}}"#,
    r#"{"cancelResult":"FAILURE","newOrderResult":"NOT_ATTEMPTED","cancelResponse":{"code":-2011,"msg":"Unknown order sent."},"newOrderResponse":null}"#,
    r#"{"transactTime":1741926410255,"executionId":75,"amendedOrder":{"symbol":"ETHUSDT","orderId":33,"orderListId":-1,"origClientOrderId":"5xrgbMyg6z36NzBn2pbT8H","clientOrderId":"tg000000070000000000000040","price":"6.00000000","qty":"5.00000000","executedQty":"0.00000000","preventedQty":"0.00000000","quoteOrderQty":"0.00000000","cumulativeQuoteQty":"0.00000000","status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"SELL","workingTime":1741926410242,"selfTradePreventionMode":"NONE"}}"#,
];

/// Bodies of exchangeInfo.
pub const EXCHANGE_INFO_SEEDS: &[&str] = &[
    r#"{"timezone":"UTC","serverTime":1789567200000,"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":100}],"symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","baseAssetPrecision":8,"quoteAsset":"USDT","quoteAssetPrecision":8,"filters":[{"filterType":"PRICE_FILTER","minPrice":"0.01000000","maxPrice":"1000000.00000000","tickSize":"0.01000000"},{"filterType":"LOT_SIZE","minQty":"0.00001000","maxQty":"9000.00000000","stepSize":"0.00001000"},{"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true,"maxNotional":"9000000.00000000","applyMaxToMarket":false,"avgPriceMins":5},{"filterType":"NEW_ONE","limit":[1,{"a":null}]}]}]}"#,
];

/// Bodies of REST answers: an account, fills, open orders, an order, the time, a refusal.
pub const REST_SEEDS: &[&str] = &[
    r#"{"makerCommission":15,"commissionRates":{"maker":"0.00150000","taker":"0.00150000","buyer":"0.00000000","seller":"0.00000000"},"canTrade":true,"canWithdraw":true,"updateTime":1660801833000,"accountType":"SPOT","balances":[{"asset":"BTC","free":"4723846.89208129","locked":"0.00000000"},{"asset":"BNB","free":"4763368.68006011","locked":"1.00000000"}],"permissions":["SPOT"],"uid":354937868}"#,
    r#"[{"symbol":"BTCUSDT","id":28457,"orderId":100234,"orderListId":-1,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.000012","commission":"10.10000000","commissionAsset":"BNB","time":1499865549590,"isBuyer":true,"isMaker":false,"isBestMatch":true},{"symbol":"ETHUSDT","id":28458,"orderId":100235,"orderListId":-1,"price":"4.1","qty":"1","quoteQty":"4.1","commission":"-0.00000001","commissionAsset":"ETH","time":1499865549591,"isBuyer":false,"isMaker":true,"isBestMatch":true}]"#,
    r#"[{"symbol":"BTCUSDT","orderId":1,"orderListId":-1,"clientOrderId":"tg000000070000000000000040","price":"0.1","origQty":"1.0","executedQty":"0.0","origQuoteOrderQty":"0.000000","cummulativeQuoteQty":"0.0","status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"BUY","stopPrice":"0.0","icebergQty":"0.0","time":1499827319559,"updateTime":1499827319559,"isWorking":true,"workingTime":1499827319559,"selfTradePreventionMode":"NONE"}]"#,
    r#"{"symbol":"ETHUSDT","orderId":28,"orderListId":-1,"clientOrderId":"6gCrw2kRUAF9CvJDGP16IP","transactTime":1507725176595,"price":"1.00000000","origQty":"10.00000000","executedQty":"10.00000000","cummulativeQuoteQty":"10.00000000","status":"FILLED","timeInForce":"GTC","type":"MARKET","side":"SELL"}"#,
    r#"{"serverTime":1499827319559}"#,
    r#"{"mins":5,"price":"9.35751834","closeTime":1694061154503}"#,
    r#"{"symbol":"BTCUSDT","referencePrice":"10.00","timestamp":1770736694138}"#,
    r#"{"exchangeFilters":[{"filterType":"EXCHANGE_MAX_NUM_ORDERS","maxNumOrders":1000}],"symbolFilters":[{"filterType":"MAX_POSITION","maxPosition":"10.00000000"}],"assetFilters":[{"filterType":"MAX_ASSET","asset":"USDT","limit":"1000000.00000000"}]}"#,
    r#"{"code":-1121,"msg":"Invalid symbol."}"#,
];

/// Lines of a REST answer's head.
pub const HEADER_SEEDS: &[&str] = &[
    "X-MBX-USED-WEIGHT-1M: 27",
    "x-mbx-order-count-10s: 3",
    "X-MBX-ORDER-COUNT-1D: 160000",
    "x-mbx-used-weight: 1",
    "Retry-After: 17",
];

/// Binary frames of market streams: best bid and ask, trades, diff, snapshot.
pub const SBE_SEEDS: &[&[u8]] = &[
    b"\x32\x00\x11\x27\x01\x00\x00\x00\x2b\x94\x36\xf4\x78\x2f\x06\x00\x06\xe4\xeaC\x01\x00\x00\x00\xfe\xfb\xd4\x11\x80\x00\x00\x00\x00\x00\xf0I\x02\x00\x00\x00\x00\x00\xd5\x11\x80\x00\x00\x00\x00\x00\x80\x38\x01\x00\x00\x00\x00\x00\x07BTCUSDT",
    b"\x12\x00\x10\x27\x01\x00\x00\x00\xa1\x08I\xf4\x78\x2f\x06\x00\xc9\x06I\xf4\x78\x2f\x06\x00\xf8\xf8\x19\x00\x02\x00\x00\x00\xe6\x14\xc8\x14\x00\x00\x00\x00\x80\xc8\x60\x01\x00\x00\x00\x00\x00\x35\xd7\xfc\x3c\x00\x00\x00\x01\xe7\x14\xc8\x14\x00\x00\x00\x00\x80\xc8\x60\x01\x00\x00\x00\x00\x80\x3d\x15\xf4\x01\x00\x00\x00\x01\x07ETHUSDT",
    b"\x1a\x00\x13\x27\x01\x00\x00\x00\x2b\x94\x36\xf4\x78\x2f\x06\x00\x02\xe4\xeaC\x01\x00\x00\x00\x06\xe4\xeaC\x01\x00\x00\x00\xfc\xff\x10\x00\x01\x00\x07\x09\x00\x00\x00\x00\x00\x00\xc5\xc6\x7a\x00\x00\x00\x00\x00\x10\x00\x02\x00\x09\x09\x00\x00\x00\x00\x00\x00\x22\xce\x27\x00\x00\x00\x00\x00\x0a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07ETHUSDT",
    b"\x12\x00\x12\x27\x01\x00\x00\x00\x2b\x94\x36\xf4\x78\x2f\x06\x00\x06\xe4\xeaC\x01\x00\x00\x00\xfc\xff\x10\x00\x02\x00\x07\x09\x00\x00\x00\x00\x00\x00\xc5\xc6\x7a\x00\x00\x00\x00\x00\x06\x09\x00\x00\x00\x00\x00\x00\x64\x00\x00\x00\x00\x00\x00\x00\x10\x00\x01\x00\x09\x09\x00\x00\x00\x00\x00\x00\x22\xce\x27\x00\x00\x00\x00\x00\x07ETHUSDT",
];

/// Frames of Alpaca's trade updates, and bodies of its REST answers.
pub const ALPACA_SEEDS: &[&str] = &[
    r#"{"stream":"authorization","data":{"status":"authorized","action":"authenticate"}}"#,
    r#"{"stream":"listening","data":{"streams":["trade_updates"]}}"#,
    r#"{"stream":"trade_updates","data":{"event":"partial_fill","execution_id":"11111111-0000-4000-8000-000000000012","order":{"id":"00000000-0000-4000-8000-000000000009","client_order_id":"tg000000070000000000000280-p1s2","created_at":"2026-01-05T15:00:00.000000001Z","updated_at":"2026-01-05T10:00:02-05:00","replaces":null,"symbol":"AAPL","qty":"10","filled_qty":"4.5","filled_avg_price":"149.992","order_class":"bracket","type":"limit","side":"buy","limit_price":"150","stop_price":null,"status":"partially_filled","legs":[{"id":"00000000-0000-4000-8000-000000000010","client_order_id":"x","symbol":"AAPL","type":"stop","side":"sell","status":"held","qty":10,"filled_qty":0,"stop_price":140.5}]},"timestamp":"2026-01-05T15:00:02.000Z","price":"149.98","qty":"4.5","position_qty":"4.5"}}"#,
    r#"{"id":"1d9eed04-be39-4e01-9b84-a48ac5bbafcf","account_number":"PA1","status":"ACTIVE","cash":"122086.5","equity":"123346.11","buying_power":"245432.61","non_marginable_buying_power":"122086.5","multiplier":"2","shorting_enabled":true,"trading_blocked":false}"#,
    r#"[{"symbol":"BTCUSD","qty":"0.123456789","qty_available":"0","side":"long","avg_entry_price":"65000.12345678912"},{"symbol":"AAPL","qty":"-3","side":"short"}]"#,
    r#"[{"id":"20220202135509981::2d7be4ff-d1f3-43e9-856a-0f5cf5c5088e","activity_type":"FILL","order_id":"b5abe576-6a8a-49f3-a353-46b72c1ccae9","symbol":"AAPL","side":"buy","price":"174.78","qty":"2","transaction_time":"2022-02-02T18:55:09.981482Z"},{"id":"x","activity_type":"DIV","qty":"y"}]"#,
    r#"{"timestamp":"2025-06-24T14:15:22-04:00","is_open":true,"next_open":"2025-06-25T09:30:00-04:00","next_close":"2025-06-24T16:00:00-04:00"}"#,
    r#"[{"date":"2026-11-27","open":"09:30","close":"13:00","session_open":"0400","session_close":"1700"}]"#,
    r#"[{"id":"497f6eca-6276-4993-bfeb-53cbbbba6f08","status":404,"body":{"code":40410000,"message":"order not found"}}]"#,
    r#"{"code":40310000,"message":"insufficient buying power","buying_power":"1000","cost_basis":"1500"}"#,
    r#"{"dtbp_check":"entry","trade_confirm_email":"all","suspend_trade":false,"no_shorting":false,"fractional_trading":true,"max_margin_multiplier":"4"}"#,
    r#"{"timestamp":[1580826600,1580827500],"equity":[27423.73,27408.19],"profit_loss":[11.8,-3.74],"profit_loss_pct":[0.0004,-0.0001],"base_value":27411.93,"timeframe":"15Min"}"#,
    r#"[{"id":"904837e3-3b76-47ec-b432-046db621571b","class":"us_equity","exchange":"NASDAQ","symbol":"AAPL","name":"Apple Inc.","status":"active","tradable":true,"marginable":true,"shortable":true,"easy_to_borrow":true,"fractionable":true},{"id":"x","class":"crypto","exchange":"CRYPTO","symbol":"BTC/USD","status":"active","tradable":true,"min_order_size":"0.0001","min_trade_increment":"0.000000001","price_increment":"0.01"}]"#,
];

/// Frames of Alpaca's market data, in both encodings.
pub const ALPACA_MARKET_SEEDS: &[&[u8]] = &[
    br#"[{"T":"success","msg":"connected"}]"#,
    br#"[{"T":"q","S":"AAPL","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.68,"as":4,"t":"2021-02-22T15:51:45.335689322Z","c":["R"],"z":"C"},{"T":"t","i":96921,"S":"BTC/USD","p":47.299,"s":29.205707815,"tks":"S","t":"2024-03-12T10:27:48.858228144Z"}]"#,
    br#"[{"T":"b","S":"AAPL","o":127.82,"h":128.32,"l":126.32,"c":126.9,"v":72015712,"t":"2021-05-25T04:00:00Z","vw":127.07392,"n":462915},{"T":"s","S":"AAPL","sc":"H","sm":"Trading Halt","rc":"T12","t":"2021-02-22T19:15:00Z","z":"C"},{"T":"l","S":"AAPL","u":3.24,"d":2.65,"i":"B","t":"2023-04-06T13:34:45.565004401Z","z":"C"}]"#,
    br#"[{"T":"o","S":"BTC/USD","t":"2024-03-12T10:38:50.79613221Z","b":[{"p":71859.53,"s":0.27994}],"a":[{"p":71939.7,"s":0}],"r":true},{"T":"error","code":406,"msg":"connection limit exceeded"}]"#,
    b"\x91\x87\xa1T\xa1q\xa1S\xa4AAPL\xa2bp\xcb\x40\x59\x10\x00\x00\x00\x00\x00\xa2bs\x02\xa2ap\xcd\x01\x2c\xa2as\x01\xa1t\xd7\xff\x50\x08\xf8\xa8\x60\x33\xd3\x11",
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
    alpaca: AlpacaDecoder,
    sims: sims::Sims,
}

fn alpaca_names() -> AlpacaNames {
    let wanted =
        [("AAPL", "AAPL"), ("BTC/USD", "BTC")].into_iter().enumerate().map(|(i, (symbol, base))| AlpacaWanted {
            id: InstrumentId(i as u16),
            symbol: symbol.to_owned(),
            base: AssetId(i as u16 + 1),
            base_name: base.to_owned(),
            quote: AssetId(0),
            quote_name: "USD".to_owned(),
            quote_is_usd: true,
        });
    AlpacaNames::new(VenueId(0), 7, wanted.collect()).expect("two plain symbols make a table")
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
            alpaca: AlpacaDecoder::new(alpaca_names()),
            sims: sims::Sims::default(),
        }
    }

    /// A server's answer to a WebSocket's handshake, and the frames behind it.
    pub fn link(&mut self, bytes: &[u8]) {
        links::link(bytes);
    }

    /// A whole HTTP answer.
    pub fn http(&mut self, bytes: &[u8]) {
        links::http(bytes);
    }

    /// A call of the simulated Binance's REST API.
    pub fn sim_call(&mut self, text: &[u8]) {
        self.sims.call(text);
    }

    /// A text to the simulated Binance's WebSocket API or its market streams.
    pub fn sim_text(&mut self, text: &[u8]) {
        self.sims.text(text);
    }

    /// Whatever comes to a simulated venue's port.
    pub fn sim_port(&mut self, bytes: &[u8]) {
        self.sims.port(bytes);
    }

    /// A call of the simulated Alpaca, or a text to one of its streams.
    pub fn sim_alpaca(&mut self, text: &[u8]) {
        self.sims.alpaca(text);
    }

    /// What a real market brings to the simulated venue that stands on it.
    pub fn sim_live(&mut self, frame: &[u8]) {
        self.sims.live(frame);
    }

    /// The answer to a list, a cancel-replace or an amendment.
    pub fn compound(&mut self, body: &[u8]) {
        if let Ok(legs) = self.account.list(body) {
            is_json(body);
            assert!(legs.iter().all(|leg| leg.order_qty.0 >= 0 && leg.cum_qty.0 >= 0 && leg.order_px.0 >= 0));
        }
        if let Ok(both) = self.account.replaced(body) {
            is_json(body);
            for half in [both.cancel, both.new] {
                if let Half::Done(report) = half {
                    assert!(report.order_qty.0 >= 0 && report.cum_qty.0 >= 0 && report.order_px.0 >= 0);
                }
            }
        }
        if let Ok(report) = self.account.amended(body) {
            is_json(body);
            assert!(report.cum_qty.0 >= 0 && report.ts_event_ns >= 0);
        }
    }

    /// A frame of Alpaca's trade updates, or a body of its REST answers: what is taken by any reader is JSON, and has
    /// no quantity below zero.
    pub fn alpaca(&mut self, text: &[u8]) {
        let names = self.alpaca.names();
        let mut taken = false;
        match updates::frame(text, names) {
            Ok(Frame::Update(update)) => {
                assert!(update.last_qty.0 >= 0 && update.last_px.0 >= 0 && update.order.qty.0 >= 0);
                taken = true;
            }
            Ok(_) => taken = text != [1],
            Err(_) => {}
        }
        taken |= orders::order(text, names).is_ok() | orders::orders(text, names).is_ok() | orders::bulk(text).is_ok();
        taken |= account::account(text).is_ok() | account::positions(text, names).is_ok();
        taken |= account::clock(text).is_ok() | account::calendar(text).is_ok();
        taken |= account::configuration(text).is_ok() | assets::asset(text).is_ok();
        if let Ok(page) = account::activities(text, names) {
            assert!(page.fills.iter().all(|fill| fill.last_qty.0 >= 0 && fill.last_px.0 >= 0));
            taken = true;
        }
        if taken {
            is_json(text);
        }
        // A refusal is read from any bytes whatever.
        let error = errors::refusal(422, text);
        assert!(error.class.is_not_executed() || error.class == errors::ErrorClass::Duplicate);
    }

    /// A frame of Alpaca's market data, as JSON and as MessagePack.
    pub fn alpaca_market(&mut self, frame: &[u8]) {
        for msgpack in [false, true] {
            let sound = |market| match market {
                Ok(AlpacaMarket::Quote(quote)) => {
                    assert!(quote.instrument.index() < 2);
                    assert!(quote.bid_px.0.min(quote.ask_px.0).min(quote.bid_qty.0).min(quote.ask_qty.0) >= 0);
                }
                Ok(AlpacaMarket::Trade { trade, .. }) => assert!(trade.px.0.min(trade.qty.0) >= 0),
                _ => {}
            };
            if self.alpaca.decode(frame, msgpack, sound).is_ok() && !msgpack {
                is_json(frame);
            }
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
        if let Ok((_, px)) = average_price(body) {
            is_json(body);
            let plain: PriceJson = serde_json::from_slice(body).expect("its fields are there");
            assert_eq!(px.map_or(0, |px| px.0), fixed(&plain.price));
        }
        if let Ok(Some(px)) = reference_price(body) {
            is_json(body);
            assert!(px.0 > 0);
        }
        let mut own =
            Instrument { base_name: Text::new("BTC"), quote_name: Text::new("USDT"), ..Instrument::default() };
        if exchange_info::own_filters(body, &mut own).is_ok() {
            is_json(body);
            assert!(own.filters.base_max.0 >= 0 && own.filters.quote_max.0 >= 0 && own.filters.position_max.0 >= 0);
        }
        if let Ok(time) = server_time(body) {
            is_json(body);
            assert!(time >= 0);
        }
        if rest_error(body).is_ok() {
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
                assert_eq!(quote.update_id, plain.u);
                same_symbol(quote.instrument, &plain.s);
            }
            Market::Trade(trade) => {
                let Some(plain) = data::<TradeJson>(frame) else { return };
                let id = if plain.e == "trade" { plain.t } else { plain.a };
                assert_eq!([trade.px.0, trade.qty.0], [fixed(plain.p), fixed(plain.q)]);
                assert_eq!(Some(trade.trade_id.lo), id);
                same_symbol(trade.instrument, &plain.s);
                assert_eq!(trade.aggressor == Side::Sell, plain.m);
            }
            Market::Depth => {
                let Some(plain) = data::<DepthJson>(frame) else { return };
                let depth = self.market.depth();
                assert_eq!((depth.first_id, depth.last_id), (plain.first, plain.u));
                same_symbol(depth.instrument, &plain.s);
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
                let [l, px, z, q, p, n] = [plain.l, plain.last_px, plain.z, plain.q, plain.p, plain.n].map(fixed);
                // What self-trade prevention took is no longer asked for; what has filled was.
                let q = (q - plain.prevented.map_or(0, fixed)).max(z);
                assert_eq!(got, [l, px, z, q, p, n]);
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

/// A symbol is taken in either spelling that the venue has for it, the payloads' and the streams'.
#[track_caller]
fn same_symbol(id: InstrumentId, text: &str) {
    let symbol = SYMBOLS[id.index()];
    assert!(text == symbol || text == symbol.to_lowercase(), "{text} was read as {symbol}");
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
struct PriceJson {
    price: String,
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
    #[serde(rename = "A")]
    prevented: Option<String>,
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
