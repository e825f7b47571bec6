//! Orders, matching and balances.

use crate::sim::binance::account::Fees;
use crate::sim::binance::errors::ApiError;
use crate::sim::binance::orders::{Order, Status, Stp, Trade};
use crate::sim::binance::params::Params;
use crate::sim::binance::place::{Canceled, NewOrder, OrderRef};
use crate::sim::binance::signing::Key;
use crate::sim::binance::testing::*;
use crate::sim::binance::user::UserBody;
use crate::sim::binance::venue::{PublicTrade, Venue};
use crate::sim::decimal::ONE;
use crate::sim::market::{Side, SimInstrument};
use proptest::prelude::*;

/// A venue with one symbol, no fees unless given, and two accounts of 1,000,000 USDT and 10 BTC each.
pub(super) fn venue(fees: Fees) -> Venue {
    let mut venue = Venue::new(1);
    venue.list(SimInstrument { orders_max: 20, ..SimInstrument::btcusdt() }, Some(1_000), 1);
    for key in ["a", "b"] {
        let account = venue.open_account(key.into(), Key::Hmac("s".into()), fees, Default::default());
        venue.accounts[account].balances[0].free = i128::from(10 * ONE);
        venue.accounts[account].balances[1].free = i128::from(1_000_000 * ONE);
    }
    // Bids 99 x 1, 98 x 2; asks 101 x 1, 102 x 2, thousands of them.
    for (side, px, qty) in
        [(Side::Buy, 99_000, 1), (Side::Buy, 98_000, 2), (Side::Sell, 101_000, 1), (Side::Sell, 102_000, 2)]
    {
        venue.market_sets(0, side, px * ONE, qty * ONE);
    }
    venue.finish(0);
    venue.out = Default::default();
    venue
}

pub(super) const FREE: Fees = Fees { maker: 0, taker: 0 };

pub(super) fn order(venue: &mut Venue, account: usize, text: &str) -> Result<u64, ApiError> {
    let params = Params::new(crate::sim::http::form_pairs(&format!("symbol=BTCUSDT&{text}")).unwrap());
    let new = NewOrder::parse(venue, &params)?;
    params.check_all_read()?;
    venue.check_filters(account, &[&new])?;
    let placed = venue.place(account, &new, 7);
    venue.finish(7);
    placed
}

pub(super) fn limit(venue: &mut Venue, account: usize, side: &str, qty: &str, px: u32, more: &str) -> u64 {
    let text = format!("side={side}&type=LIMIT&timeInForce=GTC&quantity={qty}&price={px}{more}");
    order(venue, account, &text).unwrap()
}

pub(super) fn print(px: i64, qty: i64, buyer_is_maker: bool) -> PublicTrade {
    PublicTrade { symbol: 0, id: 1, px: px * ONE, qty, time_us: 8, buyer_is_maker, command: 0 }
}

/// `(x, X, l, L)` of every report since the last look, quantities in thousandths, prices in units.
pub(super) fn reports(venue: &mut Venue) -> Vec<String> {
    let events = std::mem::take(&mut venue.out.user);
    let mut out = Vec::new();
    for event in events {
        match event.body {
            UserBody::Report(report) => {
                let fill = report.fill.map_or(String::new(), |f| {
                    format!(" {}@{}{}", f.qty * 1_000 / ONE, f.px / ONE, if f.maker { " maker" } else { "" })
                });
                out.push(format!("{} {:?} {}{fill}", event.account, report.exec, report.order.status.text()));
            }
            UserBody::List(list, ..) => out.push(format!("{} list {}", event.account, list.status().1)),
            UserBody::Position(_) => out.push(format!("{} position", event.account)),
        }
    }
    out
}

#[test]
fn takers_take_the_displayed_levels_in_price_order() {
    for (text, want) in [
        (
            "side=BUY&type=MARKET&quantity=1.5",
            vec!["New NEW", "Trade PARTIALLY_FILLED 1000@101000", "Trade FILLED 500@102000", "position"],
        ),
        (
            "side=BUY&type=MARKET&quantity=4",
            vec![
                "New NEW",
                "Trade PARTIALLY_FILLED 1000@101000",
                "Trade PARTIALLY_FILLED 2000@102000",
                "Expired EXPIRED",
                "position",
            ],
        ),
        // 203,000 buys 1 at 101,000 and 1 at 102,000.
        (
            "side=BUY&type=MARKET&quoteOrderQty=203000",
            vec!["New NEW", "Trade PARTIALLY_FILLED 1000@101000", "Trade FILLED 1000@102000", "position"],
        ),
        ("side=SELL&type=MARKET&quoteOrderQty=49500", vec!["New NEW", "Trade FILLED 500@99000", "position"]),
        (
            "side=BUY&type=LIMIT&timeInForce=GTC&quantity=2&price=101000",
            vec!["New NEW", "Trade PARTIALLY_FILLED 1000@101000", "position"],
        ),
        (
            "side=BUY&type=LIMIT&timeInForce=IOC&quantity=2&price=101000",
            vec!["New NEW", "Trade PARTIALLY_FILLED 1000@101000", "Expired EXPIRED", "position"],
        ),
        ("side=BUY&type=LIMIT&timeInForce=FOK&quantity=2&price=101000", vec!["New NEW", "Expired EXPIRED", "position"]),
        (
            "side=BUY&type=LIMIT&timeInForce=FOK&quantity=2&price=102000",
            vec!["New NEW", "Trade PARTIALLY_FILLED 1000@101000", "Trade FILLED 1000@102000", "position"],
        ),
        ("side=BUY&type=LIMIT_MAKER&quantity=2&price=100000", vec!["New NEW", "position"]),
    ] {
        let mut venue = venue(FREE);
        order(&mut venue, 0, text).unwrap();
        let want: Vec<String> = want.iter().map(|w| format!("0 {w}")).collect();
        assert_eq!(reports(&mut venue), want, "{text}");
    }
}

#[test]
fn refusals_carry_the_venues_code_and_text() {
    let cases = [
        ("side=BUY&type=LIMIT_MAKER&quantity=1&price=101000", -2010, "Order would immediately match and take."),
        ("side=SELL&type=MARKET&quantity=11", -2010, "Account has insufficient balance for requested action."),
        (
            "side=BUY&type=LIMIT&timeInForce=GTC&quantity=10.1&price=99010",
            -2010,
            "Account has insufficient balance for requested action.",
        ),
        ("side=BUY&type=LIMIT&quantity=1&price=99000", -1102, "Mandatory parameter 'timeInForce' was not sent"),
        ("side=BUY&type=LIMIT&timeInForce=GTC&price=99000", -1102, "Mandatory parameter 'quantity'"),
        ("side=BUY&type=LIMIT&timeInForce=GTD&quantity=1&price=99000", -1115, "Invalid timeInForce."),
        ("side=BUY&type=MARKET&timeInForce=GTC&quantity=1", -1106, "Parameter 'timeInForce' sent when not required."),
        ("side=BUY&type=MARKET&price=1&quantity=1", -1106, "Parameter 'price' sent when not required."),
        ("side=BUY&type=LIMIT_MAKER&timeInForce=GTC&quantity=1&price=1", -1106, "Parameter 'timeInForce'"),
        ("side=BUY&type=MARKET", -1102, "Param 'quantity' or 'quoteOrderQty' must be sent"),
        ("side=UP&type=MARKET&quantity=1", -1117, "Invalid side."),
        ("side=BUY&type=NOPE&quantity=1", -1116, "Invalid orderType."),
        ("side=BUY&type=STOP_LOSS&quantity=1&stopPrice=100000", -2010, "Order would trigger immediately."),
        ("side=SELL&type=STOP_LOSS&quantity=1&stopPrice=100000", -2010, "Order would trigger immediately."),
        ("side=BUY&type=TAKE_PROFIT&quantity=1&stopPrice=100001", -2010, "Order would trigger immediately."),
        ("side=SELL&type=TAKE_PROFIT&quantity=1&stopPrice=99999", -2010, "Order would trigger immediately."),
        ("side=BUY&type=STOP_LOSS&quantity=1", -1102, "Param 'stopPrice' or 'trailingDelta' must be sent"),
        ("side=BUY&type=STOP_LOSS&quantity=1&stopPrice=0", -1013, "Filter failure: PRICE_FILTER"),
        ("side=BUY&type=STOP_LOSS&quantity=1&stopPrice=1&price=1", -1106, "Parameter 'price'"),
        ("side=BUY&type=STOP_LOSS&quantity=1&stopPrice=110000.001", -1013, "Filter failure: PRICE_FILTER"),
        ("side=BUY&type=STOP_LOSS&quantity=1&trailingDelta=9", -1013, "Filter failure: TRAILING_DELTA"),
        ("side=BUY&type=STOP_LOSS&quantity=10&stopPrice=110000", -2010, "insufficient balance"),
        ("side=BUY&type=STOP_LOSS_LIMIT&quantity=1&stopPrice=110000&price=110000", -1102, "'timeInForce'"),
        ("side=BUY&type=STOP_LOSS_LIMIT&timeInForce=GTC&quantity=1&stopPrice=110000", -1102, "'price'"),
        ("side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=99000&stopPrice=1", -1106, "Parameter 'stopPrice'"),
        ("side=BUY&type=LIMIT&timeInForce=IOC&quantity=1&price=99000&icebergQty=0.1", -2010, "Unsupported order"),
        ("side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=99000&icebergQty=1", -2010, "IcebergQty exceeds QTY."),
        ("side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=99000&icebergQty=0.009", -1013, "ICEBERG_PARTS"),
        ("side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=99000&quoteOrderQty=5", -1106, "'quoteOrderQty'"),
        ("side=BUY&type=MARKET&quantity=1&icebergQty=0.1", -1106, "Parameter 'icebergQty'"),
        ("side=BUY&type=LIMIT&timeInForce=GTC&quantity=1000&price=100", -1013, "PERCENT_PRICE_BY_SIDE"),
        ("side=BUY&type=MARKET&quantity=-1", -1100, "Illegal characters found in parameter 'quantity'"),
        ("side=BUY&type=MARKET&quantity=1&newClientOrderId=a.b", -1100, "Illegal characters"),
        ("side=BUY&type=MARKET&quantity=0.000001", -1013, "Filter failure: LOT_SIZE"),
        ("side=BUY&type=MARKET&quantity=90", -1013, "Filter failure: MARKET_LOT_SIZE"),
        ("side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=99000.001", -1013, "Filter failure: PRICE_FILTER"),
        ("side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.00004&price=99000", -1013, "Filter failure: NOTIONAL"),
        ("side=BUY&type=MARKET&quoteOrderQty=4", -1013, "Filter failure: NOTIONAL"),
        ("side=BUY&type=MARKET&quantity=1&selfTradePreventionMode=NOPE", -1013, "self-trade prevention"),
        ("side=BUY&type=MARKET&quantity=1&strategyType=5", -1134, "`strategyType` was less than 1000000."),
    ];
    for (text, code, msg) in cases {
        let mut venue = venue(FREE);
        venue.note_trade(print(100_000, ONE, true));
        let error = order(&mut venue, 0, text).unwrap_err();
        assert_eq!(error.code, code, "{text}: {error:?}");
        assert!(error.msg.contains(msg), "{text}: {error:?}");
        assert!(venue.orders.is_empty() && venue.out.user.is_empty(), "{text} left something behind");
    }
}

#[test]
fn a_client_order_id_is_unique_among_open_orders_only() {
    let mut venue = venue(FREE);
    let id = limit(&mut venue, 0, "BUY", "0.01", 90_000, "&newClientOrderId=x");
    let text = "side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=90000&newClientOrderId=x";
    let error = order(&mut venue, 0, text).unwrap_err();
    assert_eq!((error.code, error.msg.as_ref()), (-2010, "Duplicate order sent."));
    assert!(order(&mut venue, 1, text).is_ok(), "another account's id is its own");
    let of = OrderRef { symbol: 0, id: None, client_id: Some("x".into()) };
    assert_eq!(venue.cancel(0, &of, None, None, 8).unwrap().0, Canceled::Order(id));
    assert!(order(&mut venue, 0, text).is_ok());
    assert_ne!(venue.find(0, &of).unwrap().id, id, "the newest order has the id");
}

#[test]
fn the_number_of_open_orders_is_limited() {
    let mut venue = venue(FREE);
    for _ in 0..20 {
        limit(&mut venue, 0, "BUY", "0.01", 90_000, "");
    }
    let text = "side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=90000";
    assert_eq!(order(&mut venue, 0, text).unwrap_err(), ApiError::filter("MAX_NUM_ORDERS"));
    assert!(order(&mut venue, 1, text).is_ok());
}

#[test]
fn a_resting_order_waits_behind_the_displayed_quantity() {
    let mut venue = venue(FREE);
    let id = limit(&mut venue, 0, "BUY", "0.5", 99_000, "");
    reports(&mut venue);
    // 1 BTC stands before it: a print of 0.7 does not reach it, one of 0.5 fills 0.2 of it.
    venue.market_printed(print(99_000, ONE * 7 / 10, true));
    assert_eq!(reports(&mut venue), [""; 0]);
    venue.market_printed(print(99_000, ONE / 2, true));
    assert_eq!(reports(&mut venue), ["0 Trade PARTIALLY_FILLED 200@99000 maker"]);
    // The level shrinks: less can stand before the second order than is displayed.
    let second = limit(&mut venue, 0, "BUY", "0.5", 98_000, "");
    venue.market_sets(0, Side::Buy, 98_000 * ONE, ONE / 10);
    assert_eq!(venue.orders[&second].ahead, ONE / 10);
    reports(&mut venue);
    // A print below its price passed through it.
    venue.market_printed(print(98_500, 1, true));
    assert_eq!(reports(&mut venue), ["0 Trade FILLED 300@99000 maker"]);
    assert_eq!(venue.orders[&id].status, Status::Filled);
    // Aggressive buys do not touch bids.
    venue.market_printed(print(90_000, ONE, false));
    assert_eq!(reports(&mut venue), [""; 0]);
}

#[test]
fn the_opposite_side_coming_over_fills_at_the_resting_price() {
    let mut venue = venue(FREE);
    limit(&mut venue, 0, "BUY", "0.5", 100_000, "");
    reports(&mut venue);
    venue.market_sets(0, Side::Sell, 99_500 * ONE, ONE / 5);
    venue.uncross(0, 9);
    venue.finish(9);
    assert_eq!(reports(&mut venue), ["0 Trade PARTIALLY_FILLED 200@100000 maker", "0 position"]);
    assert_eq!(venue.symbols[0].public_book().best(Side::Sell), Some((101_000 * ONE, ONE)), "what met it is gone");
    assert_eq!(venue.symbols[0].public_book().best(Side::Buy), Some((100_000 * ONE, ONE * 3 / 10)));
}

#[test]
fn a_synthetic_taker_meets_our_better_order_before_the_market() {
    let mut venue = venue(FREE);
    limit(&mut venue, 0, "SELL", "0.5", 100_500, "");
    limit(&mut venue, 0, "SELL", "0.5", 101_000, "");
    reports(&mut venue);
    let taker = crate::sim::binance::matching::Taker::Market;
    venue.take(0, taker, Side::Buy, Some(101_000 * ONE), ONE * 17 / 10, 9);
    // 0.5 at 100,500; then 1 of the market before our second order, of which 0.2 are reached.
    assert_eq!(reports(&mut venue), ["0 Trade FILLED 500@100500 maker", "0 Trade PARTIALLY_FILLED 200@101000 maker"]);
    let prices: Vec<_> = venue.out.trades.iter().map(|t| (t.id, t.px / ONE, t.qty * 10 / ONE)).collect();
    assert_eq!(prices, [(1, 100_500, 5), (2, 101_000, 10), (3, 101_000, 2)]);
}

#[test]
fn two_accounts_trade_with_each_other_and_one_does_not_with_itself() {
    let mut venue = venue(FREE);
    let maker = limit(&mut venue, 0, "SELL", "0.5", 100_000, "");
    limit(&mut venue, 1, "BUY", "0.2", 100_000, "");
    assert_eq!(
        reports(&mut venue)[2..],
        [
            "1 New NEW",
            "1 Trade FILLED 200@100000",
            "0 Trade PARTIALLY_FILLED 200@100000 maker",
            "0 position",
            "1 position"
        ]
    );
    for (mode, want, maker_status) in [
        ("EXPIRE_TAKER", vec!["New NEW", "Prevented EXPIRED_IN_MATCH", "position"], Status::PartiallyFilled),
        (
            "NONE",
            vec!["New NEW", "Trade FILLED 100@100000", "Trade PARTIALLY_FILLED 100@100000 maker", "position"],
            Status::PartiallyFilled,
        ),
        ("EXPIRE_MAKER", vec!["New NEW", "Prevented EXPIRED_IN_MATCH", "position"], Status::ExpiredInMatch),
    ] {
        limit(&mut venue, 0, "BUY", "0.1", 100_000, &format!("&selfTradePreventionMode={mode}"));
        let want: Vec<String> = want.iter().map(|w| format!("0 {w}")).collect();
        assert_eq!(reports(&mut venue), want, "{mode}");
        assert_eq!(venue.orders[&maker].status, maker_status, "{mode}");
    }
}

#[test]
fn commission_comes_out_of_what_is_received() {
    let mut venue = venue(Fees { maker: 100_000, taker: 200_000 });
    order(&mut venue, 0, "side=BUY&type=MARKET&quantity=1").unwrap();
    let btc = venue.accounts[0].balances[0].free;
    assert_eq!(btc, i128::from(11 * ONE - ONE / 500), "0.2 % of one BTC");
    order(&mut venue, 0, "side=SELL&type=MARKET&quantity=1").unwrap();
    let usdt = venue.accounts[0].balances[1].free;
    assert_eq!(usdt, i128::from((1_000_000 - 101_000 + 99_000 - 198) * ONE));
    let trade: &Trade = venue.accounts[0].trades.back().unwrap();
    assert_eq!((trade.commission, trade.commission_asset), (i128::from(198 * ONE), 1));
}

#[test]
fn cancels_find_their_order_or_say_why_not() {
    let mut venue = venue(FREE);
    let id = limit(&mut venue, 0, "BUY", "0.5", 90_000, "&newClientOrderId=mine");
    let of = |id: Option<u64>, client: Option<&str>| OrderRef { symbol: 0, id, client_id: client.map(str::to_owned) };
    for (account, of, restriction, code) in [
        (1, of(Some(id), None), None, -2011),
        (0, of(Some(id), Some("other")), None, -2011),
        (0, of(Some(id + 1), None), None, -2011),
        (0, of(None, Some("other")), None, -2011),
        (0, of(Some(id), None), Some(Status::PartiallyFilled), -2011),
    ] {
        assert_eq!(venue.cancel(account, &of, None, restriction, 8).unwrap_err().code, code, "{of:?}");
    }
    assert!(venue.cancel(0, &of(Some(id), Some("mine")), Some("c1".into()), Some(Status::New), 8).is_ok());
    assert_eq!(venue.cancel(0, &of(Some(id), None), None, None, 9).unwrap_err(), ApiError::unknown_cancel());
    assert_eq!(venue.accounts[0].balances[1].locked, 0);
    assert_eq!(venue.cancel_all(0, 0, 9).unwrap_err(), ApiError::unknown_cancel());
}

#[test]
fn what_is_on_our_book_is_published_with_the_market() {
    let mut venue = venue(FREE);
    let before = venue.symbols[0].public_book().last_id;
    limit(&mut venue, 0, "BUY", "0.5", 99_000, "");
    let book = venue.symbols[0].public_book();
    assert_eq!(book.best(Side::Buy), Some((99_000 * ONE, ONE * 3 / 2)));
    assert_eq!(book.last_id, before + 1);
    venue.cancel_all(0, 0, 9).unwrap();
    assert_eq!(venue.symbols[0].public_book().best(Side::Buy), Some((99_000 * ONE, ONE)));
}

/// One step of a random life of the venue.
#[derive(Debug, Clone)]
enum Step {
    Order { account: usize, text: String },
    CancelAll { account: usize },
    Market { side: Side, px: i64, qty: i64 },
    Print { px: i64, qty: i64, sell: bool },
    Take { side: Side, qty: i64, px: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let px = 95_000i64..105_000;
    let kind = prop_oneof![
        (px.clone(), prop_oneof![Just("GTC"), Just("IOC"), Just("FOK")])
            .prop_map(|(px, tif)| format!("type=LIMIT&timeInForce={tif}&price={px}.01")),
        px.clone().prop_map(|px| format!("type=LIMIT_MAKER&price={px}")),
        px.clone().prop_map(|px| format!("type=LIMIT&timeInForce=GTC&price={px}&icebergQty=0.1")),
        (px.clone(), prop_oneof![Just("STOP_LOSS"), Just("TAKE_PROFIT")])
            .prop_map(|(px, kind)| format!("type={kind}&stopPrice={px}")),
        (px.clone(), px.clone(), prop_oneof![Just("STOP_LOSS_LIMIT"), Just("TAKE_PROFIT_LIMIT")])
            .prop_map(|(px, stop, kind)| format!("type={kind}&timeInForce=GTC&price={px}&stopPrice={stop}")),
        (10u32..300).prop_map(|delta| format!("type=STOP_LOSS&trailingDelta={delta}")),
        Just("type=MARKET".to_owned()),
    ];
    let stp = proptest::sample::select(Stp::ALL.map(Stp::text).to_vec());
    prop_oneof![
        4 => (0usize..2, side.clone(), kind, 1u32..300_000, stp).prop_map(|(account, side, kind, qty, stp)| {
            let qty = format!("{}.{:05}", qty / 100_000, qty % 100_000);
            let text = format!("side={}&{kind}&quantity={qty}&selfTradePreventionMode={stp}", side.text());
            Step::Order { account, text }
        }),
        1 => (0usize..2, side.clone(), 5u32..300_000).prop_map(|(account, side, quote)| Step::Order {
            account,
            text: format!("side={}&type=MARKET&quoteOrderQty={quote}.37", side.text()),
        }),
        1 => (0usize..2).prop_map(|account| Step::CancelAll { account }),
        4 => (side.clone(), px.clone(), 0i64..3_000).prop_map(|(side, px, qty)| {
            // Bids below and asks above the middle, so that the market does not cross itself.
            let px = if side == Side::Buy { px.min(99_990) } else { px.max(100_010) };
            Step::Market { side, px: px * ONE, qty: qty * ONE / 1_000 }
        }),
        1 => (px.clone(), 1i64..2_000, any::<bool>())
            .prop_map(|(px, qty, sell)| Step::Print { px, qty: qty * ONE / 1_000, sell }),
        1 => (side, 1i64..2_000, px)
            .prop_map(|(side, qty, px)| Step::Take { side, qty: qty * ONE / 1_000, px: px * ONE }),
    ]
}

fn sums(venue: &Venue) -> Vec<i128> {
    (0..venue.assets.len())
        .map(|asset| {
            let held: i128 = venue.accounts.iter().map(|a| a.balances[asset].free + a.balances[asset].locked).sum();
            held + venue.fees_taken[asset] + venue.market_gained[asset]
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Nothing is made or lost, nothing is below zero, and every locked amount is what the open orders need.
    #[test]
    fn value_is_conserved(steps in proptest::collection::vec(step(), 1..80)) {
        let mut venue = venue(Fees::default());
        let start = sums(&venue);
        for step in steps {
            let said = format!("{step:?}");
            match step {
                Step::Order { account, text } => {
                    let _ = order(&mut venue, account, &text);
                }
                Step::CancelAll { account } => {
                    let _ = venue.cancel_all(account, 0, 7);
                }
                Step::Market { side, px, qty } => {
                    venue.market_sets(0, side, px, qty);
                    venue.uncross(0, 7);
                }
                Step::Print { px, qty, sell } => {
                    venue.note_trade(print(px, qty, sell));
                    venue.market_printed(print(px, qty, sell));
                }
                Step::Take { side, qty, px } => {
                    venue.take(0, crate::sim::binance::matching::Taker::Market, side, Some(px), qty, 7);
                }
            }
            venue.finish(7);
            prop_assert_eq!(sums(&venue), start.clone(), "after {}", said);
            for (index, account) in venue.accounts.iter().enumerate() {
                let mut needed = [0i128; 2];
                for id in &account.open {
                    let order = &venue.orders[id];
                    prop_assert!(order.status.open() && order.leaves() > 0);
                    needed[if order.side == Side::Buy { 1 } else { 0 }] += venue.lock_of(order);
                }
                for (balance, needed) in account.balances.iter().zip(needed) {
                    prop_assert!(balance.free >= 0, "account {} after {}: {:?}", index, said, balance);
                    prop_assert_eq!(balance.locked, needed, "account {} after {}", index, said);
                }
            }
            for side in Side::BOTH {
                for (key, level) in &venue.symbols[0].own[side.index()] {
                    let sum = |of: fn(&Order) -> i64| level.orders.iter().map(|id| of(&venue.orders[id])).sum::<i64>();
                    let (shown, resting) = (sum(Order::display), sum(Order::leaves));
                    let kept = (level.qty, level.qty + level.hidden);
                    prop_assert_eq!(kept, (shown, resting), "level {} after {}", key, said);
                    prop_assert!(level.orders.iter().all(|id| venue.orders[id].display() > 0), "empty slice");
                }
            }
            let book = venue.symbols[0].public_book();
            if let (Some(bid), Some(ask)) = (book.best(Side::Buy), book.best(Side::Sell)) {
                prop_assert!(bid.0 < ask.0, "crossed after {}: {:?} {:?}", said, bid, ask);
            }
        }
    }
}

#[test]
fn a_rig_shows_the_same_ledger_to_clients_and_tests() {
    let mut rig = Rig::still();
    let (status, answer) = rig.signed("POST", "/api/v3/order", "symbol=ETHUSDT&side=BUY&type=MARKET&quantity=1");
    assert_eq!((status, answer["status"].as_str()), (200, Some("FILLED")));
    let (_, account) = rig.signed("GET", "/api/v3/account", "omitZeroBalances=true");
    let ledger = rig.sim.ledger(KEY).unwrap();
    for balance in account["balances"].as_array().unwrap() {
        let truth = ledger.balances[balance["asset"].as_str().unwrap()];
        assert_eq!(balance["free"], crate::sim::decimal::text(truth.free));
    }
    assert_eq!(ledger.trades.len(), answer["fills"].as_array().unwrap().len());
    assert!(rig.sim.ledger("nobody").is_none());
}
