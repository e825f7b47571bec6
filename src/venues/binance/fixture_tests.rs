//! Every file of the fixtures: the messages that are read come out with the right values, and those that are not read
//! are listed, so that a new file is noticed.

use super::account::{AccountDecoder, Names, server_time};
use super::decode::DecodeError;
use super::exchange_info::{self, InstrumentContext, Wanted};
use super::market::{Market, MarketDecoder};
use super::reference::{average_price, reference_price};
use super::response::{self, Answer};
use super::snapshot::{Snapshot, SnapshotDecoder};
use super::symbols::SymbolTable;
use super::testing::{fixture, squeeze};
use super::user::UserEvent;
use crate::domain::{AssetId, Balance, ExecReport, Instrument, InstrumentId, Text, VenueId, decimal};
use crate::venues::assets::AssetTable;
use serde_json::Value;
use std::collections::BTreeSet;

/// What reads a file.
#[derive(Debug, Clone, Copy)]
enum Reader {
    /// A frame of a market stream.
    Market,
    /// A REST snapshot of a book.
    Book,
    /// A frame of the private stream; a file may hold several.
    User,
    /// An answer of the WebSocket API, and its result as what stands behind.
    Answer(Body),
    /// A REST body.
    Rest(Body),
}

#[derive(Debug, Clone, Copy)]
enum Body {
    /// Nothing of it is asked for beyond the envelope.
    Bare,
    Order,
    OpenOrders,
    Trades,
    Account,
    Time,
    Info,
    Average,
    Reference,
    OwnFilters,
}

use Body::{Account, Average, Bare, Info, OpenOrders, Order, OwnFilters, Reference, Time, Trades};
use Reader::{Answer as Ws, Book, Rest, User};

const READ: &[(&str, Reader, &str)] = &[
    ("aggTrade", Reader::Market, "BNBBTC 12345 Sell 100@0.001 at 1672515782136000000"),
    ("bookTicker", Reader::Market, "BNBUSDT 400900217 31.21@25.3519 40.66@25.3652"),
    ("depthUpdate", Reader::Market, "BNBBTC (157, 160) [\"10@0.0024\"] [\"100@0.0026\"] at 1672515782136000000"),
    ("serverShutdown_combined", Reader::Market, "ServerShutdown"),
    ("serverShutdown_raw", Reader::Market, "ServerShutdown"),
    ("trade", Reader::Market, "BNBBTC 12345 Sell 100@0.001 at 1672515782136000000"),
    ("rest_depth", Book, "1027024 [\"431@4\"] [\"12@4.000002\"]"),
    ("executionReport_canceled", User, "Canceled Buy MATICUSDT 100@1 cum 0 v1644622962 at 1644385621882"),
    ("executionReport_expired", User, "Expired Buy LTCBNB 6@0 cum 4 v32 at 1719467634105"),
    ("executionReport_market_new", User, "New Buy LTCBNB 6@0 cum 0 v32 at 1719467634105"),
    ("executionReport_new", User, "New Buy ETHBTC 1@0.1026441 cum 0 v4293153 at 1499405658657"),
    (
        "executionReport_sequence_market_partial_then_expired",
        User,
        "New Buy LTCBNB 6@0 cum 0 v32 at 1719467634105 | Trade Buy LTCBNB 6@0 cum 2 last 2@1 fee 0.001 BNB t7 v32 at 1719467634105 | Trade Buy LTCBNB 6@0 cum 4 last 2@1 fee 0.001 BNB t8 v32 at 1719467634105 | Expired Buy LTCBNB 6@0 cum 4 v32 at 1719467634105 | LTC 3011.1174567+0, BNB 996.1186567+0",
    ),
    ("executionReport_trade", User, "Trade Buy LTCBNB 6@0 cum 2 last 2@1 fee 0.001 BNB t7 v32 at 1719467634105"),
    (
        "executionReport_trade_maker_filled_2025",
        User,
        "Trade Buy BNBUSDT 0.007@1125.22 cum 0.007 last 0.007@1125.22 fee 0.00000525 BNB t1251701408 v9639329831 at 1760946670456",
    ),
    (
        "executionReport_trade_taker_filled_2021",
        User,
        "Trade Buy BTCUSDT 0.000286@52436.85 cum 0.000286 last 0.000286@52436.85 fee 0.00000029 BTC t726946523 v5341783271 at 1616633041555",
    ),
    ("balanceUpdate", User, "BTC 100 at 1573200697068000000"),
    ("eventStreamTerminated", User, "StreamTerminated"),
    ("externalLockUpdate", User, "ExternalLock"),
    ("listStatus", User, "ListStatus"),
    ("outboundAccountPosition", User, "ETH 10000+0"),
    ("wsapi_event_envelope", User, "BTC 11818+182, USDT 10580+70"),
    ("wsapi_serverShutdown", User, "ServerShutdown"),
    ("account", Rest(Account), "BTC 4723846.89208129+0, LTC 4763368.68006011+0 trade true fee Some(1500)"),
    (
        "myTrades",
        Rest(Trades),
        "Trade Buy BNBBTC 0@0 cum 0 last 12@4.000001 fee 10.1 BNB t28457 v100234 at 1499865549590",
    ),
    ("openOrders", Rest(OpenOrders), "Working Buy LTCBTC 1@0.1 cum 0 v1 at 1499827319559"),
    ("order_query", Rest(Order), "Working Buy LTCBTC 1@0.1 cum 0 v1 at 1499827319559"),
    ("order_result", Rest(Order), "Working Sell BTCUSDT 10@0 cum 10 v28 at 1507725176595"),
    ("order_full", Rest(Order), "Working Sell BTCUSDT 10@0 cum 10 v28 at 1507725176595"),
    ("order_cancel", Rest(Order), "Canceled Buy LTCBTC 1@2 cum 0 v4 at 1684804350068"),
    ("order_market_expired_full", Rest(Order), "Expired Buy LTCBNB 6@0 cum 4 v32 at 1719467634105"),
    ("rest_time", Rest(Time), "1499827319559000000"),
    ("rest_avgPrice", Rest(Average), "9.35751834 over 5 min"),
    ("rest_tickerPrice", Rest(Average), "4.000002 over 0 min"),
    ("rest_referencePrice", Rest(Reference), "Some(Price(1000000000))"),
    ("rest_referencePrice_null", Rest(Reference), "None"),
    ("myFilters", Rest(OwnFilters), "1000 orders, 20 lists, 1000000 JPY"),
    (
        "rest_exchangeInfo_composed_BTCUSDT",
        Rest(Info),
        "BTCUSDT tick 0.01 0.01..1000000 lot 0.00001 0.00001..9000 [] 4 limits",
    ),
    (
        "rest_exchangeInfo_live_2026_TSLABUSDT",
        Rest(Info),
        "TSLABUSDT tick 0.01 0.01..100000 lot 0.001 0.001..922327 [] 0 limits",
    ),
    (
        "rest_exchangeInfo_recorded_2021-10-12_excerpt",
        Rest(Info),
        "ETHUSDT tick 0.01 0.01..1000000 lot 0.0001 0.0001..9000; BTCUSDT tick 0.01 0.01..1000000 lot 0.00001 0.00001..9000 [] 4 limits",
    ),
    ("wsapi_account_rateLimits_orders_response", Ws(Bare), "200  [RequestWeight 40/6000 in 60 s]"),
    (
        "wsapi_account_status_response",
        Ws(Account),
        "200 BNB 0+0, BTC 1.3447112+0.086, USDT 1021.21+0 trade true fee Some(1500) [RequestWeight 20/6000 in 60 s]",
    ),
    ("wsapi_amend_response", Ws(Bare), "200  [RequestWeight 1/6000 in 60 s]"),
    (
        "wsapi_cancelReplace_400_both",
        Ws(Bare),
        "400 ReplaceFailed -2022 None [Orders 1/50 in 10 s, Orders 1/160000 in 86400 s, RequestWeight 1/6000 in 60 s]",
    ),
    (
        "wsapi_cancelReplace_400_cancelFailed",
        Ws(Bare),
        "400 ReplaceFailed -2022 None [Orders 1/50 in 10 s, Orders 1/160000 in 86400 s, RequestWeight 1/6000 in 60 s]",
    ),
    (
        "wsapi_cancelReplace_409_a",
        Ws(Bare),
        "409 ReplaceHalfDone -2021 None [Orders 1/50 in 10 s, Orders 1/160000 in 86400 s, RequestWeight 1/6000 in 60 s]",
    ),
    (
        "wsapi_cancelReplace_409_b",
        Ws(Bare),
        "409 ReplaceHalfDone -2021 None [Orders 1/50 in 10 s, Orders 1/160000 in 86400 s, RequestWeight 1/6000 in 60 s]",
    ),
    (
        "wsapi_cancelReplace_409_cancelOnly",
        Ws(Bare),
        "409 ReplaceHalfDone -2021 None [Orders 50/50 in 10 s, Orders 50/160000 in 86400 s, RequestWeight 1/6000 in 60 s]",
    ),
    (
        "wsapi_cancelReplace_429",
        Ws(Bare),
        "429 RateLimited -1015 None [Orders 50/50 in 10 s, Orders 50/160000 in 86400 s, RequestWeight 1/6000 in 60 s]",
    ),
    (
        "wsapi_cancelReplace_ok",
        Ws(Bare),
        "200  [Orders 1/50 in 10 s, Orders 1/160000 in 86400 s, RequestWeight 1/6000 in 60 s]",
    ),
    ("wsapi_depth_response", Ws(Bare), "200  [RequestWeight 2/6000 in 60 s]"),
    ("wsapi_error_418_banned", Ws(Bare), "418 Banned -1003 Some(1659146400000) [RequestWeight 2411/6000 in 60 s]"),
    ("wsapi_exchangeInfo_response", Ws(Bare), "200  [RequestWeight 20/6000 in 60 s]"),
    (
        "wsapi_myTrades_response",
        Ws(Trades),
        "200 Trade Sell BTCUSDT 0@0 cum 0 last 0.00635@23416.1 fee 0 BNB t1650422481 v12569099453 at 1660801715793; Trade Sell BTCUSDT 0@0 cum 0 last 0.00212@23416.5 fee 0 BNB t1650422482 v12569099453 at 1660801715793 [RequestWeight 20/6000 in 60 s]",
    ),
    ("wsapi_openOrders_cancelAll_response", Ws(Bare), "200  [RequestWeight 1/6000 in 60 s]"),
    (
        "wsapi_openOrders_status_response",
        Ws(OpenOrders),
        "200 Working Sell BTCUSDT 0.00847@23416.1 cum 0.0072 v12569099453 at 1660801717945 [RequestWeight 6/6000 in 60 s]",
    ),
    ("wsapi_orderList_cancel_response", Ws(Bare), "200  [RequestWeight 1/6000 in 60 s]"),
    (
        "wsapi_orderList_oco_response",
        Ws(Bare),
        "200  [Orders 2/50 in 10 s, Orders 2/160000 in 86400 s, RequestWeight 1/6000 in 60 s]",
    ),
    ("wsapi_orderList_oto_response", Ws(Bare), "200  [Orders 10/10000000 in 60 s, RequestWeight 38/1000 in 60 s]"),
    ("wsapi_orderList_otoco_response", Ws(Bare), "200  [Orders 18/10000000 in 60 s, RequestWeight 65/1000 in 60 s]"),
    ("wsapi_order_cancel_list_response", Ws(Bare), "200  [RequestWeight 1/6000 in 60 s]"),
    (
        "wsapi_order_cancel_response",
        Ws(Order),
        "200 Canceled Sell BTCUSDT 0.00847@23416.1 cum 0.00001 v12569099453 at 1684804350068 [RequestWeight 1/6000 in 60 s]",
    ),
    (
        "wsapi_order_place_ack",
        Ws(Order),
        "200 New Buy BTCUSDT 0@0 cum 0 v12569099453 at 1660801715639 [Orders 1/50 in 10 s, Orders 1/160000 in 86400 s, RequestWeight 1/6000 in 60 s]",
    ),
    (
        "wsapi_order_place_full",
        Ws(Order),
        "200 Working Sell BTCUSDT 0.00847@23416.1 cum 0.00847 v12569099453 at 1660801715793 [Orders 1/50 in 10 s, Orders 1/160000 in 86400 s, RequestWeight 1/6000 in 60 s]",
    ),
    (
        "wsapi_order_place_result",
        Ws(Order),
        "200 Working Sell BTCUSDT 0.00847@23416.1 cum 0 v12569099453 at 1660801715639 [Orders 1/50 in 10 s, Orders 1/160000 in 86400 s, RequestWeight 1/6000 in 60 s]",
    ),
    (
        "wsapi_order_status_response",
        Ws(Order),
        "200 Working Sell BTCUSDT 0.00847@23416.1 cum 0.00847 v12569099453 at 1660801717945 [RequestWeight 4/6000 in 60 s]",
    ),
    ("wsapi_order_test_response", Ws(Bare), "200  [RequestWeight 1/6000 in 60 s]"),
    ("wsapi_ping_response", Ws(Bare), "200  [RequestWeight 1/6000 in 60 s]"),
    (
        "wsapi_response_error",
        Ws(Bare),
        "400 OrderRejected -2010 None [Orders 13/50 in 10 s, Orders 4044/160000 in 86400 s, RequestWeight 322/6000 in 60 s]",
    ),
    (
        "wsapi_response_ok",
        Ws(Bare),
        "200  [Orders 12/50 in 10 s, Orders 4043/160000 in 86400 s, RequestWeight 321/6000 in 60 s]",
    ),
    ("wsapi_session_logon_response", Ws(Bare), "200  []"),
    ("wsapi_session_logout_response", Ws(Bare), "200  []"),
    ("wsapi_session_revoked", Ws(Bare), "401 Auth -2015 None []"),
    ("wsapi_session_status_response", Ws(Bare), "200  []"),
    ("wsapi_session_subscriptions_response", Ws(Bare), "200  []"),
    ("wsapi_sor_order_place_response", Ws(Bare), "200  [RequestWeight 1/6000 in 60 s]"),
    ("wsapi_time_response", Ws(Time), "200 1656400526260000000 [RequestWeight 1/6000 in 60 s]"),
    ("wsapi_time_with_rateLimits", Ws(Time), "200 1656400526260000000 [RequestWeight 70/6000 in 60 s]"),
    ("wsapi_userDataStream_subscribe_response", Ws(Bare), "200  []"),
    ("wsapi_userDataStream_subscribe_signature_response", Ws(Bare), "200  []"),
    ("wsapi_userDataStream_unsubscribe_response", Ws(Bare), "200  []"),
];

/// Messages that nothing here asks for, and files that tests of their own read whole (named behind). Of the answers above
/// with nothing behind them the envelope alone is read.
const UNREAD: &[&str] = &[
    "account_commission",
    "allOrderList",
    "allOrders",
    "avgPrice",
    "blockTrade",
    "cancelReplace_allowFailure_cancelFailed_newOk",
    "cancelReplace_bothFailed",
    "cancelReplace_cancelOk_newFailed",
    "cancelReplace_orderLimit_cancelOnly",
    "cancelReplace_orderLimit_doNothing",
    "cancelReplace_stopOnFailure_cancelFailed",
    "cancelReplace_success",
    "enums_rateLimits_examples",
    "filters_examples",
    "kline",
    "miniTicker",
    "myAllocations",
    "myPreventedMatches",
    "openOrderList",
    "openOrders_cancelAll",
    "orderList_cancel",
    "orderList_oco",
    "orderList_oco_legacy",
    "orderList_opo",
    "orderList_opoco",
    "orderList_oto",
    "orderList_otoco",
    "orderList_query",
    "orderTest_commissionRates",
    "order_ack",
    "order_amend_inList",
    "order_amend_single",
    "order_amendments",
    "order_pegged_full",
    "order_sor_full",
    "order_stp_expireMaker_makerQuery",
    "order_stp_expireMaker_taker",
    "order_stp_expireTaker_taker",
    "partialDepth",
    "rateLimit_order",
    "referencePrice_stream",
    "rest_aggTrades",
    "rest_bookTicker",
    "rest_bookTicker_array",
    "rest_executionRules",
    "rest_historicalBlockTrades",
    "rest_historicalTrades",
    "rest_klines",
    "rest_ping",
    "rest_referencePriceCalculation_external",
    "rest_referencePriceCalculation_mean",
    "rest_ticker24hr_full",
    "rest_ticker24hr_mini",
    "rest_tickerPrice_array",
    "rest_tickerTradingDay_full",
    "rest_tickerWindow_full",
    "rest_trades",
    "sbe_userdata_captured",
    "ticker24hr",
    "ticker_1h",
    // Placeholders in place of values.
    "rest_exchangeInfo_shape",
    // Requests: what is sent is held against the official clients in `request_tests`.
    "wsapi_amend_request",
    "wsapi_cancelReplace_request",
    "wsapi_depth_request",
    "wsapi_exchangeInfo_request",
    "wsapi_openOrders_cancelAll_request",
    "wsapi_orderList_cancel_request",
    "wsapi_orderList_oco_request",
    "wsapi_orderList_oto_request",
    "wsapi_orderList_otoco_request",
    "wsapi_order_cancel_request",
    "wsapi_order_place_request",
    "wsapi_order_status_request",
    "wsapi_ping_request",
    "wsapi_session_logon_request",
    "wsapi_session_logout_request",
    "wsapi_session_status_request",
    "wsapi_sor_order_place_request",
    "wsapi_time_request",
    "wsapi_userDataStream_subscribe_request",
    "wsapi_userDataStream_subscribe_signature_request",
    // Read whole elsewhere: `errors`, `sbe_tests`, `sign`, `market_tests`.
    "errors",
    "sbe_stream_synthetic",
    "signing_vectors",
    "stream_control_messages",
];

const SYMBOLS: [&str; 11] = [
    "LTCBNB",
    "ETHUSDT",
    "LTCUSDT",
    "BTCUSDT",
    "BNBUSDT",
    "BNBBTC",
    "ETHBTC",
    "LTCBTC",
    "MATICUSDT",
    "TSLABUSDT",
    "BTCUSDC",
];
const ASSETS: [&str; 9] = ["BTC", "USDT", "BNB", "ETH", "LTC", "NEO", "MATIC", "TSLAB", "USDC"];

struct Readers {
    market: MarketDecoder,
    account: AccountDecoder,
}

impl Readers {
    fn new() -> Readers {
        let symbols =
            || SymbolTable::new(SYMBOLS.iter().enumerate().map(|(i, s)| (InstrumentId(i as u16), *s))).unwrap();
        let assets = AssetTable::new(ASSETS.iter().enumerate().map(|(i, a)| (*a, AssetId(i as u16))));
        let names = Names { venue: VenueId(0), epoch: 7, symbols: symbols(), assets };
        Readers { market: MarketDecoder::new(symbols()), account: AccountDecoder::new(names) }
    }

    fn read(&mut self, reader: Reader, text: &[u8]) -> Result<String, DecodeError> {
        match reader {
            Reader::Market => self.market(text),
            Reader::Book => {
                let mut book = Snapshot::new();
                SnapshotDecoder::new().decode(text, &mut book)?;
                Ok(format!("{} {:?} {:?}", book.last_id, levels(&book.bids), levels(&book.asks)))
            }
            Reader::User => self.user(text),
            Reader::Answer(body) => {
                let answer = response::decode(text)?;
                let limits: Vec<String> = answer
                    .limits
                    .as_slice()
                    .iter()
                    .map(|limit| format!("{:?} {}/{} in {} s", limit.kind, limit.count, limit.limit, limit.interval_s))
                    .collect();
                let what = match answer.answer {
                    Answer::Result(result) => self.body(body, result)?,
                    Answer::Error(error) => format!("{:?} {} {:?}", error.class, error.code, error.retry_after_ms),
                };
                Ok(format!("{} {what} [{}]", answer.status, limits.join(", ")))
            }
            Reader::Rest(body) => self.body(body, text),
        }
    }

    fn market(&mut self, text: &[u8]) -> Result<String, DecodeError> {
        Ok(match self.market.decode(text)? {
            Market::Quote(q) => {
                let [bid, bid_qty, ask, ask_qty] = [q.bid_px.0, q.bid_qty.0, q.ask_px.0, q.ask_qty.0].map(number);
                format!("{} {} {bid_qty}@{bid} {ask_qty}@{ask}", symbol(q.instrument), q.update_id)
            }
            Market::Trade(t) => {
                let (qty, px) = (number(t.qty.0), number(t.px.0));
                format!("{} {} {:?} {qty}@{px} at {}", symbol(t.instrument), t.trade_id.lo, t.aggressor, t.ts_event_ns)
            }
            Market::Depth => {
                let depth = self.market.depth();
                let (bids, asks) = (levels(&depth.bids), levels(&depth.asks));
                let ids = (depth.first_id, depth.last_id);
                format!("{} {ids:?} {bids:?} {asks:?} at {}", symbol(depth.instrument), depth.ts_event_ns)
            }
            other => format!("{other:?}"),
        })
    }

    fn user(&mut self, text: &[u8]) -> Result<String, DecodeError> {
        Ok(match self.account.user_event(text)? {
            UserEvent::Exec(report) => shown(&report),
            UserEvent::Position => self.account.position().iter().map(balance).collect::<Vec<_>>().join(", "),
            UserEvent::BalanceChange { asset, delta, ts_event_ns } => {
                format!("{} {} at {ts_event_ns}", ASSETS[asset.index()], number(delta))
            }
            other => format!("{other:?}"),
        })
    }

    fn body(&mut self, body: Body, text: &[u8]) -> Result<String, DecodeError> {
        let all = |reports: Vec<ExecReport>| reports.iter().map(shown).collect::<Vec<_>>().join("; ");
        Ok(match body {
            Bare => String::new(),
            Order => shown(&self.account.order(text)?),
            OpenOrders => all(self.account.open_orders(text)?),
            Trades => all(self.account.trades(text)?),
            Account => {
                let state = self.account.balances(text)?;
                let lines: Vec<String> = state.balances.iter().map(balance).collect();
                format!("{} trade {} fee {:?}", lines.join(", "), state.can_trade, state.taker_fee_ppm)
            }
            Time => server_time(text)?.to_string(),
            Info => info(text, &self.account.names().assets)?,
            Average => {
                let (mins, px) = average_price(text)?;
                format!("{} over {mins} min", number(px.unwrap_or_default().0))
            }
            Reference => format!("{:?}", reference_price(text)?),
            OwnFilters => {
                let mut made = Instrument { quote_name: Text::new("JPY"), ..Instrument::default() };
                exchange_info::own_filters(text, &mut made)?;
                let filters = made.filters;
                let max = number(filters.quote_max.0);
                format!("{} orders, {} lists, {max} JPY", filters.venue_orders_max, filters.lists_max)
            }
        })
    }
}

/// The instruments of a body, all that it lists.
fn info(text: &[u8], assets: &AssetTable) -> Result<String, DecodeError> {
    let listed: Value = serde_json::from_slice(text).unwrap();
    let wanted: Vec<Wanted> = SYMBOLS
        .iter()
        .enumerate()
        .filter(|(_, symbol)| listed["symbols"].as_array().unwrap().iter().any(|s| s["symbol"] == **symbol))
        .map(|(i, symbol)| Wanted { id: InstrumentId(i as u16), symbol: symbol.to_string() })
        .collect();
    let usd = ["USDT".to_owned(), "USDC".to_owned()];
    let context = InstrumentContext { venue: VenueId(0), usd_assets: &usd, taker_fee_ppm: 1_000 };
    let info = exchange_info::parse(text, &wanted, context, assets)?;
    let line = |made: &crate::domain::Instrument| {
        let px = [made.tick.0, made.px_min.0, made.px_max.0].map(number);
        let qty = [made.lot.0, made.qty_min.0, made.qty_max.0].map(number);
        let [tick, px_min, px_max] = px;
        let [lot, qty_min, qty_max] = qty;
        format!("{} tick {tick} {px_min}..{px_max} lot {lot} {qty_min}..{qty_max}", symbol(made.id))
    };
    let made: Vec<String> = info.instruments.iter().map(line).collect();
    let refused: Vec<String> = info.refused.iter().map(|(symbol, why)| format!("{symbol}: {why}")).collect();
    Ok(format!("{} [{}] {} limits", made.join("; "), refused.join(", "), info.limits.len()))
}

fn symbol(id: InstrumentId) -> &'static str {
    SYMBOLS.get(id.index()).copied().unwrap_or("?")
}

fn number(value: i64) -> String {
    decimal::to_decimal(value, 8).normalize().to_string()
}

fn levels(side: &[crate::domain::Level]) -> Vec<String> {
    side.iter().map(|level| format!("{}@{}", number(level.qty.0), number(level.px.0))).collect()
}

fn balance(line: &Balance) -> String {
    format!("{} {}+{}", ASSETS[line.asset.index()], number(line.free), number(line.locked))
}

/// What counts of a report: `New Buy ETHBTC 1@0.1 cum 0 v4293153` and, of a fill, what was traded and what it cost.
fn shown(report: &ExecReport) -> String {
    let [qty, px, cum, last, last_px, fee] =
        [report.order_qty.0, report.order_px.0, report.cum_qty.0, report.last_qty.0, report.last_px.0, report.fee]
            .map(number);
    let order = format!("{:?} {:?} {} {qty}@{px} cum {cum}", report.exec, report.side, symbol(report.instrument));
    let asset = ASSETS.get(report.fee_asset.index()).copied().unwrap_or("-");
    let fill = if report.last_qty.is_zero() {
        String::new()
    } else {
        format!(" last {last}@{last_px} fee {fee} {asset} t{}", report.exec_id.lo)
    };
    format!("{order}{fill} v{} at {}", report.venue_order_id.lo, report.ts_event_ns / 1_000_000)
}

/// A file's messages, without blanks.
fn messages(name: &str) -> Option<Vec<Vec<u8>>> {
    let text = fixture(&format!("{name}.json"))?;
    let several = name.contains("_sequence_");
    if !several {
        return Some(vec![squeeze(&text)]);
    }
    let list: Vec<Box<serde_json::value::RawValue>> = serde_json::from_slice(&text).unwrap();
    Some(list.iter().map(|message| squeeze(message.get().as_bytes())).collect())
}

#[test]
fn every_message_that_is_read_comes_out_with_its_values() {
    let mut readers = Readers::new();
    let mut wrong = Vec::new();
    for (name, reader, want) in READ {
        let Some(texts) = messages(name) else { return };
        let got: Vec<String> = texts
            .iter()
            .map(|text| readers.read(*reader, text).unwrap_or_else(|error| format!("refused: {error}")))
            .collect();
        if got.join(" | ") != *want {
            wrong.push(format!("    (\"{name}\", {reader:?}, {:?}),", got.join(" | ")));
        }
    }
    assert!(wrong.is_empty(), "these are read otherwise:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_is_read_or_listed_as_unread() {
    let Some(folder) = super::testing::folder() else { return };
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let files: BTreeSet<String> = std::fs::read_dir(folder).unwrap().map(name).collect();
    let found: BTreeSet<&str> = files.iter().filter_map(|file| file.strip_suffix(".json")).collect();
    let known: Vec<&str> = READ.iter().map(|(name, ..)| *name).chain(UNREAD.iter().copied()).collect();
    assert_eq!(known.iter().collect::<BTreeSet<_>>().len(), known.len(), "a file is listed twice");
    let known: BTreeSet<&str> = known.into_iter().collect();
    assert_eq!(found.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new(), "files that nobody thought of");
    assert_eq!(known.difference(&found).collect::<Vec<_>>(), Vec::<&&str>::new(), "files that are gone");
}
