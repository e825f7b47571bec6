//! Orders and trades as the venue keeps them, and how they are written in answers (reference §7.5, §10.1).

use super::replace::Amendment;
use crate::sim::decimal;
use crate::sim::json::Json;
use crate::sim::market::Side;
use std::sync::Arc;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($variant),+ }
        impl $name {
            pub fn text(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
            pub fn parse(text: &str) -> Option<$name> {
                match text { $($text => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

words!(OrderKind {
    Limit = "LIMIT",
    LimitMaker = "LIMIT_MAKER",
    Market = "MARKET",
    StopLoss = "STOP_LOSS",
    StopLossLimit = "STOP_LOSS_LIMIT",
    TakeProfit = "TAKE_PROFIT",
    TakeProfitLimit = "TAKE_PROFIT_LIMIT",
});

impl OrderKind {
    pub const ALL: [OrderKind; 7] = [
        OrderKind::Limit,
        OrderKind::LimitMaker,
        OrderKind::Market,
        OrderKind::StopLoss,
        OrderKind::StopLossLimit,
        OrderKind::TakeProfit,
        OrderKind::TakeProfitLimit,
    ];

    /// Without a limit price once it works.
    pub fn is_market(self) -> bool {
        matches!(self, OrderKind::Market | OrderKind::StopLoss | OrderKind::TakeProfit)
    }

    /// Waits for the last price before it works; the venue counts these as algo orders.
    pub fn is_stop(self) -> bool {
        !matches!(self, OrderKind::Limit | OrderKind::LimitMaker | OrderKind::Market)
    }

    /// Whether a stop of this kind and side waits above the last price (§7.3).
    pub fn waits_above(self, side: Side) -> bool {
        let stop_loss = matches!(self, OrderKind::StopLoss | OrderKind::StopLossLimit);
        stop_loss == (side == Side::Buy)
    }
}

words!(Tif { Gtc = "GTC", Ioc = "IOC", Fok = "FOK" });

/// How much an answer to a new order tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RespType {
    Ack,
    Result,
    Full,
}

impl RespType {
    pub fn parse(text: &str) -> Option<RespType> {
        match text {
            "ACK" => Some(RespType::Ack),
            "RESULT" => Some(RespType::Result),
            "FULL" => Some(RespType::Full),
            _ => None,
        }
    }
}

words!(
    /// Self-trade prevention modes that this venue carries out; the taker's decides.
    Stp {
        None = "NONE",
        ExpireTaker = "EXPIRE_TAKER",
        ExpireMaker = "EXPIRE_MAKER",
        ExpireBoth = "EXPIRE_BOTH",
        Decrement = "DECREMENT",
        Transfer = "TRANSFER",
    }
);

impl Stp {
    pub const ALL: [Stp; 6] =
        [Stp::None, Stp::ExpireTaker, Stp::ExpireMaker, Stp::ExpireBoth, Stp::Decrement, Stp::Transfer];
}

words!(Status {
    New = "NEW",
    PartiallyFilled = "PARTIALLY_FILLED",
    Filled = "FILLED",
    Canceled = "CANCELED",
    Expired = "EXPIRED",
    PendingNew = "PENDING_NEW",
    ExpiredInMatch = "EXPIRED_IN_MATCH",
});
words!(
    /// Why an order expired.
    Expiry {
        Ioc = "UNFILLED_IOC_QUANTITY_EXPIRED",
        Fok = "UNFILLED_FOK_ORDER_EXPIRED",
        Liquidity = "INSUFFICIENT_LIQUIDITY",
        OcoTrigger = "OCO_TRIGGER",
        PhaseOne = "OTO_PHASE_ONE_EXPIRED",
        Rejected = "REJECTED",
        PriceRange = "EXECUTION_RULE_PRICE_RANGE_EXCEEDED",
    }
);
words!(
    /// Which best price a pegged order takes: its own side's or the other one's.
    #[derive(serde::Serialize, serde::Deserialize)]
    PegPrice {
        Primary = "PRIMARY_PEG",
        Market = "MARKET_PEG",
    }
);

/// How a pegged order gets its price (§7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Peg {
    pub price: PegPrice,
    /// Levels behind the best one, where it was sent.
    pub offset: Option<i64>,
    /// The price as sent, which bounds the pegged one; 0 where there was none.
    pub limit: i64,
    /// The price that the book gave; 0 until the order enters it.
    pub px: i64,
}

impl Status {
    pub fn open(self) -> bool {
        matches!(self, Status::New | Status::PartiallyFilled | Status::PendingNew)
    }
}

/// The last match that self-trade prevention stopped, as one of its two orders saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prevented {
    pub match_id: u64,
    pub qty: i64,
    pub px: i64,
    pub other_order: u64,
    /// Another symbol's than the order's own where one of the two was routed.
    pub other_symbol: usize,
}

/// A match that self-trade prevention stopped, as `myPreventedMatches` and a FULL answer list it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreventedMatch {
    pub id: u64,
    pub symbol: usize,
    /// The same but where the taker was routed to another book.
    pub maker_symbol: usize,
    pub taker: u64,
    pub maker: u64,
    pub stp: Stp,
    pub px: i64,
    /// What the maker lost, and what the taker lost; 0 for a side that went on.
    pub maker_qty: i64,
    pub taker_qty: i64,
    pub time_us: i64,
}

impl PreventedMatch {
    /// An item of `myPreventedMatches`. No account here belongs to a trade group, so there is none to name but -1.
    pub fn write(&self, j: &mut Json, symbol: &str, maker_symbol: &str) {
        j.object("", |j| {
            j.str("symbol", symbol);
            j.uint("preventedMatchId", self.id);
            j.uint("takerOrderId", self.taker);
            j.str("makerSymbol", maker_symbol);
            j.uint("makerOrderId", self.maker);
            j.int("tradeGroupId", -1);
            j.str("selfTradePreventionMode", self.stp.text());
            j.dec("price", self.px);
            self.write_quantities(j);
            j.time("transactTime", self.time_us);
        });
    }

    fn write_quantities(&self, j: &mut Json) {
        if self.taker_qty > 0 {
            j.dec("takerPreventedQuantity", self.taker_qty);
        }
        if self.maker_qty > 0 {
            j.dec("makerPreventedQuantity", self.maker_qty);
        }
    }
}

/// How a stop order follows the price (§7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Trailing {
    /// Basis points.
    pub delta: i64,
    /// The lowest trade price of a buy, the highest of a sell, since tracking began; 0 before.
    pub extreme: i64,
    pub since_us: i64,
}

/// An order, open or closed. Quantities and prices in 10^-8, times in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub id: u64,
    pub account: usize,
    pub symbol: usize,
    pub client_id: Arc<str>,
    pub list: Option<u64>,
    pub side: Side,
    pub kind: OrderKind,
    pub tif: Tif,
    /// 0 for orders that take any price, and for pegged ones that have none yet.
    pub px: i64,
    pub peg: Option<Peg>,
    /// Routed to the books of interchangeable symbols too.
    pub sor: bool,
    /// 0 where there is none.
    pub stop_px: i64,
    pub trailing: Option<Trailing>,
    /// The size of an iceberg's slices, 0 for a plain order, and what is left of the slice on display.
    pub iceberg: i64,
    pub slice: i64,
    pub qty: i64,
    /// As asked for, 0 where the order was given in the base asset.
    pub quote_qty: i64,
    pub filled: i64,
    pub quote_filled: i128,
    pub status: Status,
    pub expiry: Option<Expiry>,
    pub stp: Stp,
    pub prevented: Option<Prevented>,
    /// What self-trade prevention took off the order while it stayed open, or what was left when it ended the order.
    pub prevented_qty: i64,
    pub strategy_id: Option<i64>,
    pub strategy_type: Option<i64>,
    pub amendments: Vec<Amendment>,
    pub created_us: i64,
    pub updated_us: i64,
    /// When it began to work; absent while a stop waits for its trigger.
    pub working_us: Option<i64>,
    /// The price at which a buy's balance is set aside: its limit, or where a stop without one is expected to trade.
    pub lock_px: i64,
    /// Set aside from the account's free balance for what is still working.
    pub locked: i128,
    /// Displayed quantity that stood at the price before this order did.
    pub ahead: i64,
}

impl Order {
    /// As clients see it: -1 where it belongs to none.
    pub fn list_id(&self) -> i64 {
        self.list.map_or(-1, |id| id as i64)
    }

    /// What is still to be traded.
    pub fn leaves(&self) -> i64 {
        self.qty - self.filled - self.prevented_qty
    }

    /// Whether it stands on the book.
    pub fn resting(&self) -> bool {
        self.status.open() && self.working_us.is_some() && !self.kind.is_market()
    }

    /// Whether it waits for the price to reach it.
    pub fn waiting(&self) -> bool {
        self.status.open() && self.status != Status::PendingNew && self.working_us.is_none()
    }

    /// What the book shows of it.
    pub fn display(&self) -> i64 {
        if self.iceberg == 0 { self.leaves() } else { self.slice }
    }

    /// What has to be set aside for the rest: quote for a buy, base for a sell. An order without a limit takes from
    /// the free balance as it trades.
    pub fn lock_needed(&self) -> i128 {
        match (self.resting() || self.waiting(), self.side) {
            (false, _) => 0,
            (true, Side::Buy) => decimal::notional_up(self.lock_px, self.leaves()),
            (true, Side::Sell) => self.leaves().into(),
        }
    }

    fn write_working_time(&self, j: &mut Json) {
        match self.working_us {
            Some(since) => j.time("workingTime", since),
            None => j.int("workingTime", -1),
        }
    }

    fn write_conditional(&self, j: &mut Json) {
        if let Some(trailing) = &self.trailing {
            j.int("trailingDelta", trailing.delta);
            if trailing.extreme > 0 { j.time("trailingTime", trailing.since_us) } else { j.int("trailingTime", -1) }
        }
        if let Some(id) = self.strategy_id {
            j.int("strategyId", id);
        }
        if let Some(kind) = self.strategy_type {
            j.int("strategyType", kind);
        }
    }

    /// Members that answers have for the kinds that use them; a query has them always.
    fn write_stop_and_iceberg(&self, j: &mut Json) {
        if self.stop_px > 0 {
            j.dec("stopPrice", self.stop_px);
        }
        if self.iceberg > 0 {
            j.dec("icebergQty", self.iceberg);
        }
    }

    /// The price as the client sent it; a pegged one stands beside it.
    pub fn px_sent(&self) -> i64 {
        self.peg.map_or(self.px, |peg| peg.limit)
    }

    fn write_px(&self, j: &mut Json) {
        j.dec("price", self.px_sent());
        if let Some(peg) = &self.peg {
            j.str("pegPriceType", peg.price.text());
            if let Some(levels) = peg.offset {
                j.str("pegOffsetType", "PRICE_LEVEL");
                j.int("pegOffsetValue", levels);
            }
            j.dec("peggedPrice", peg.px);
        }
    }

    fn write_last(&self, j: &mut Json) {
        if self.sor {
            j.str("workingFloor", "SOR");
        }
        j.str("selfTradePreventionMode", self.stp.text());
        if let Some(prevented) = &self.prevented {
            j.uint("preventedMatchId", prevented.match_id);
            j.dec("preventedQuantity", self.prevented_qty);
        }
        if let Some(expiry) = self.expiry {
            j.str("expiryReason", expiry.text());
        }
        if self.sor {
            j.bool("usedSor", true);
        }
    }

    /// Members that every answer has, in their order.
    fn write_words(&self, j: &mut Json) {
        j.str("status", self.status.text());
        j.str("timeInForce", self.tif.text());
        j.str("type", self.kind.text());
        j.str("side", self.side.text());
    }

    /// How an order stands, as the answers to a new one and to a cancel tell it alike.
    fn write_state(&self, j: &mut Json) {
        self.write_px(j);
        // One that waits for what is yet to be bought has no quantity.
        if self.qty > 0 {
            j.dec("origQty", self.qty);
        }
        j.dec("executedQty", self.filled);
        j.dec("origQuoteOrderQty", self.quote_qty);
        j.dec("cummulativeQuoteQty", self.quote_filled);
        self.write_words(j);
        self.write_stop_and_iceberg(j);
        self.write_conditional(j);
    }

    /// The answer to a new order, in the asked-for detail.
    pub fn write_new(&self, j: &mut Json, symbol: &str, resp: RespType, did: &Did, assets: &[String]) {
        j.object("", |j| {
            j.str("symbol", symbol);
            j.uint("orderId", self.id);
            j.int("orderListId", self.list_id());
            j.str("clientOrderId", &self.client_id);
            j.time("transactTime", self.updated_us);
            if resp == RespType::Ack {
                return;
            }
            self.write_state(j);
            self.write_working_time(j);
            if resp == RespType::Full {
                j.array("fills", |j| {
                    for fill in did.fills.iter().filter(|fill| fill.order_id == self.id) {
                        j.object("", |j| {
                            if fill.allocated {
                                j.str("matchType", ALLOCATION_MATCH);
                            }
                            j.dec("price", fill.px);
                            j.dec("qty", fill.qty);
                            j.dec("commission", fill.commission);
                            j.str("commissionAsset", &assets[fill.commission_asset]);
                            if fill.allocated {
                                j.int("tradeId", -1);
                                j.uint("allocId", fill.id);
                            } else {
                                j.uint("tradeId", fill.id);
                            }
                        });
                    }
                });
                let prevented = || did.prevented.iter().filter(|m| m.taker == self.id);
                if prevented().next().is_some() {
                    j.array("preventedMatches", |j| {
                        for m in prevented() {
                            j.object("", |j| {
                                j.uint("preventedMatchId", m.id);
                                j.uint("makerOrderId", m.maker);
                                j.dec("price", m.px);
                                m.write_quantities(j);
                            });
                        }
                    });
                }
            }
            self.write_last(j);
        });
    }

    /// The answer to a cancel: the cancel's own id stands as `clientOrderId`.
    pub fn write_canceled(&self, j: &mut Json, symbol: &str, cancel_id: &str) {
        j.object("", |j| {
            j.str("symbol", symbol);
            j.str("origClientOrderId", &self.client_id);
            j.uint("orderId", self.id);
            j.int("orderListId", self.list_id());
            j.str("clientOrderId", cancel_id);
            j.time("transactTime", self.updated_us);
            self.write_state(j);
            self.write_last(j);
        });
    }

    /// The order in the answer to an amendment, whose members have names of their own.
    pub fn write_amended(&self, j: &mut Json, symbol: &str, old_client_id: &str) {
        j.object("amendedOrder", |j| {
            j.str("symbol", symbol);
            j.uint("orderId", self.id);
            j.int("orderListId", self.list_id());
            j.str("origClientOrderId", old_client_id);
            j.str("clientOrderId", &self.client_id);
            self.write_px(j);
            j.dec("qty", self.qty);
            j.dec("executedQty", self.filled);
            j.dec("preventedQty", self.prevented_qty);
            j.dec("quoteOrderQty", self.quote_qty);
            j.dec("cumulativeQuoteQty", self.quote_filled);
            self.write_words(j);
            self.write_stop_and_iceberg(j);
            self.write_conditional(j);
            if let Some(since) = self.working_us {
                j.time("workingTime", since);
            }
            j.str("selfTradePreventionMode", self.stp.text());
        });
    }

    /// The answer to a query.
    pub fn write_query(&self, j: &mut Json, symbol: &str) {
        j.object("", |j| {
            j.str("symbol", symbol);
            j.uint("orderId", self.id);
            j.int("orderListId", self.list_id());
            j.str("clientOrderId", &self.client_id);
            self.write_px(j);
            j.dec("origQty", self.qty);
            j.dec("executedQty", self.filled);
            j.dec("cummulativeQuoteQty", self.quote_filled);
            self.write_words(j);
            j.dec("stopPrice", self.stop_px);
            j.dec("icebergQty", self.iceberg);
            j.time("time", self.created_us);
            j.time("updateTime", self.updated_us);
            j.bool("isWorking", self.working_us.is_some());
            self.write_working_time(j);
            j.dec("origQuoteOrderQty", self.quote_qty);
            self.write_conditional(j);
            self.write_last(j);
        });
    }
}

/// What a command has traded and what it was kept from trading, until `finish`.
#[derive(Debug, Default)]
pub struct Did {
    pub fills: Vec<Trade>,
    pub prevented: Vec<PreventedMatch>,
}

/// How the venue calls what a routed order got from another book.
pub const ALLOCATION_MATCH: &str = "ONE_PARTY_TRADE_REPORT";

/// One fill of one of our accounts.
#[derive(Debug, Clone, PartialEq)]
pub struct Trade {
    /// A trade's id, or an allocation's.
    pub id: u64,
    /// It came from another book by smart order routing: no trade of this symbol, but an allocation.
    pub allocated: bool,
    pub order_id: u64,
    pub symbol: usize,
    pub px: i64,
    pub qty: i64,
    pub quote: i128,
    pub commission: i128,
    pub commission_asset: usize,
    pub time_us: i64,
    pub buyer: bool,
    pub maker: bool,
}

impl Trade {
    /// An item of `myAllocations`.
    pub fn write_allocation(&self, j: &mut Json, symbol: &str, assets: &[String]) {
        j.object("", |j| {
            j.str("symbol", symbol);
            j.uint("allocationId", self.id);
            j.str("allocationType", "SOR");
            j.uint("orderId", self.order_id);
            j.int("orderListId", -1);
            j.dec("price", self.px);
            j.dec("qty", self.qty);
            j.dec("quoteQty", self.quote);
            j.dec("commission", self.commission);
            j.str("commissionAsset", &assets[self.commission_asset]);
            j.time("time", self.time_us);
            j.bool("isBuyer", self.buyer);
            j.bool("isMaker", self.maker);
            j.bool("isAllocator", false);
        });
    }

    /// An item of `myTrades`.
    pub fn write(&self, j: &mut Json, symbol: &str, list_id: i64, assets: &[String]) {
        j.object("", |j| {
            j.str("symbol", symbol);
            j.uint("id", self.id);
            j.uint("orderId", self.order_id);
            j.int("orderListId", list_id);
            j.dec("price", self.px);
            j.dec("qty", self.qty);
            j.dec("quoteQty", self.quote);
            j.dec("commission", self.commission);
            j.str("commissionAsset", &assets[self.commission_asset]);
            j.time("time", self.time_us);
            j.bool("isBuyer", self.buyer);
            j.bool("isMaker", self.maker);
            j.bool("isBestMatch", true);
        });
    }
}
