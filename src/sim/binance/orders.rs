//! Orders and trades as the venue keeps them, and how they are written in answers (reference §7.5, §10.1).

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

words!(OrderKind { Market = "MARKET", Limit = "LIMIT", LimitMaker = "LIMIT_MAKER" });
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
    Stp { None = "NONE", ExpireTaker = "EXPIRE_TAKER", ExpireMaker = "EXPIRE_MAKER", ExpireBoth = "EXPIRE_BOTH" }
);
words!(Status {
    New = "NEW",
    PartiallyFilled = "PARTIALLY_FILLED",
    Filled = "FILLED",
    Canceled = "CANCELED",
    Expired = "EXPIRED",
    ExpiredInMatch = "EXPIRED_IN_MATCH",
});
words!(
    /// Why an order expired.
    Expiry {
        Ioc = "UNFILLED_IOC_QUANTITY_EXPIRED",
        Fok = "UNFILLED_FOK_ORDER_EXPIRED",
        Liquidity = "INSUFFICIENT_LIQUIDITY",
    }
);

impl Status {
    pub fn open(self) -> bool {
        matches!(self, Status::New | Status::PartiallyFilled)
    }
}

/// The last match that self-trade prevention stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prevented {
    pub match_id: u64,
    pub qty: i64,
    pub px: i64,
    pub other_order: u64,
}

/// An order, open or closed. Quantities and prices in 10^-8, times in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub id: u64,
    pub account: usize,
    pub symbol: usize,
    pub client_id: Arc<str>,
    pub side: Side,
    pub kind: OrderKind,
    pub tif: Tif,
    /// 0 for market orders.
    pub px: i64,
    pub qty: i64,
    /// As asked for, 0 where the order was given in the base asset.
    pub quote_qty: i64,
    pub filled: i64,
    pub quote_filled: i128,
    pub status: Status,
    pub expiry: Option<Expiry>,
    pub stp: Stp,
    pub prevented: Option<Prevented>,
    pub strategy_id: Option<i64>,
    pub strategy_type: Option<i64>,
    pub created_us: i64,
    pub updated_us: i64,
    /// Set aside from the account's free balance for what is still working.
    pub locked: i128,
    /// Displayed quantity that stood at the price before this order did.
    pub ahead: i64,
}

impl Order {
    pub fn leaves(&self) -> i64 {
        self.qty - self.filled
    }

    /// Whether it stands on the book.
    pub fn resting(&self) -> bool {
        self.status.open() && self.kind != OrderKind::Market
    }

    /// What has to be set aside for the rest: quote for a buy, base for a sell.
    pub fn lock_needed(&self) -> i128 {
        match (self.status.open() && self.kind != OrderKind::Market, self.side) {
            (false, _) => 0,
            (true, Side::Buy) => decimal::notional_up(self.px, self.leaves()),
            (true, Side::Sell) => self.leaves().into(),
        }
    }

    fn write_conditional(&self, j: &mut Json) {
        if let Some(id) = self.strategy_id {
            j.int("strategyId", id);
        }
        if let Some(kind) = self.strategy_type {
            j.int("strategyType", kind);
        }
    }

    fn write_last(&self, j: &mut Json) {
        j.str("selfTradePreventionMode", self.stp.text());
        if let Some(prevented) = &self.prevented {
            j.uint("preventedMatchId", prevented.match_id);
            j.dec("preventedQuantity", prevented.qty);
        }
        if let Some(expiry) = self.expiry {
            j.str("expiryReason", expiry.text());
        }
    }

    /// The answer to a new order, in the asked-for detail.
    pub fn write_new(&self, j: &mut Json, symbol: &str, resp: RespType, fills: &[Trade], assets: &[String]) {
        j.object("", |j| {
            j.str("symbol", symbol);
            j.uint("orderId", self.id);
            j.int("orderListId", -1);
            j.str("clientOrderId", &self.client_id);
            j.time("transactTime", self.updated_us);
            if resp == RespType::Ack {
                return;
            }
            j.dec("price", self.px);
            j.dec("origQty", self.qty);
            j.dec("executedQty", self.filled);
            j.dec("origQuoteOrderQty", self.quote_qty);
            j.dec("cummulativeQuoteQty", self.quote_filled);
            j.str("status", self.status.text());
            j.str("timeInForce", self.tif.text());
            j.str("type", self.kind.text());
            j.str("side", self.side.text());
            self.write_conditional(j);
            j.time("workingTime", self.created_us);
            if resp == RespType::Full {
                j.array("fills", |j| {
                    for fill in fills {
                        j.object("", |j| {
                            j.dec("price", fill.px);
                            j.dec("qty", fill.qty);
                            j.dec("commission", fill.commission);
                            j.str("commissionAsset", &assets[fill.commission_asset]);
                            j.uint("tradeId", fill.id);
                        });
                    }
                });
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
            j.int("orderListId", -1);
            j.str("clientOrderId", cancel_id);
            j.time("transactTime", self.updated_us);
            j.dec("price", self.px);
            j.dec("origQty", self.qty);
            j.dec("executedQty", self.filled);
            j.dec("origQuoteOrderQty", self.quote_qty);
            j.dec("cummulativeQuoteQty", self.quote_filled);
            j.str("status", self.status.text());
            j.str("timeInForce", self.tif.text());
            j.str("type", self.kind.text());
            j.str("side", self.side.text());
            self.write_conditional(j);
            self.write_last(j);
        });
    }

    /// The answer to a query.
    pub fn write_query(&self, j: &mut Json, symbol: &str) {
        j.object("", |j| {
            j.str("symbol", symbol);
            j.uint("orderId", self.id);
            j.int("orderListId", -1);
            j.str("clientOrderId", &self.client_id);
            j.dec("price", self.px);
            j.dec("origQty", self.qty);
            j.dec("executedQty", self.filled);
            j.dec("cummulativeQuoteQty", self.quote_filled);
            j.str("status", self.status.text());
            j.str("timeInForce", self.tif.text());
            j.str("type", self.kind.text());
            j.str("side", self.side.text());
            j.dec("stopPrice", 0);
            j.dec("icebergQty", 0);
            j.time("time", self.created_us);
            j.time("updateTime", self.updated_us);
            j.bool("isWorking", true);
            j.time("workingTime", self.created_us);
            j.dec("origQuoteOrderQty", self.quote_qty);
            self.write_conditional(j);
            self.write_last(j);
        });
    }
}

/// One fill of one of our accounts.
#[derive(Debug, Clone, PartialEq)]
pub struct Trade {
    pub id: u64,
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
    /// An item of `myTrades`.
    pub fn write(&self, j: &mut Json, symbol: &str, assets: &[String]) {
        j.object("", |j| {
            j.str("symbol", symbol);
            j.uint("id", self.id);
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
            j.bool("isBestMatch", true);
        });
    }
}
