//! The table of the venue's calls: their two names, whether they are signed, what they weigh.

use super::list_calls::ListCall;
use super::market_calls::Ticker;
use super::params::Params;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Ping,
    Time,
    ExchangeInfo,
    ExecutionRules,
    Depth,
    Trades,
    HistoricalTrades,
    BlockTrades,
    Aggregates,
    Klines,
    AvgPrice,
    Ticker(Ticker),
    ReferencePrice,
    ReferenceCalculation,
    Account,
    Commission,
    MyFilters,
    TradeFee,
    KeyRights,
    OrderLimits,
    Place,
    TestPlace,
    Cancel,
    CancelAll,
    QueryOrder,
    OpenOrders,
    AllOrders,
    MyTrades,
    PreventedMatches,
    Allocations,
    CancelReplace,
    Amend,
    Amendments,
    PlaceList(ListCall),
    /// By smart order routing.
    PlaceRouted,
    TestRouted,
    CancelList,
    QueryList,
    OpenLists,
    AllLists,
}

/// A call's two names: REST method and path, and the WebSocket API's method (empty where it has none).
pub struct Route {
    pub call: Call,
    pub rest: (&'static str, &'static str),
    pub ws: &'static str,
}

const fn route(call: Call, method: &'static str, path: &'static str, ws: &'static str) -> Route {
    Route { call, rest: (method, path), ws }
}

pub const ROUTES: &[Route] = &[
    route(Call::Ping, "GET", "/api/v3/ping", "ping"),
    route(Call::Time, "GET", "/api/v3/time", "time"),
    route(Call::ExchangeInfo, "GET", "/api/v3/exchangeInfo", "exchangeInfo"),
    route(Call::ExecutionRules, "GET", "/api/v3/executionRules", "executionRules"),
    route(Call::Depth, "GET", "/api/v3/depth", "depth"),
    route(Call::Trades, "GET", "/api/v3/trades", "trades.recent"),
    route(Call::HistoricalTrades, "GET", "/api/v3/historicalTrades", "trades.historical"),
    route(Call::BlockTrades, "GET", "/api/v3/historicalBlockTrades", "blockTrades.historical"),
    route(Call::Aggregates, "GET", "/api/v3/aggTrades", "trades.aggregate"),
    route(Call::Klines, "GET", "/api/v3/klines", "klines"),
    route(Call::Klines, "GET", "/api/v3/uiKlines", "uiKlines"),
    route(Call::AvgPrice, "GET", "/api/v3/avgPrice", "avgPrice"),
    route(Call::Ticker(Ticker::Day), "GET", "/api/v3/ticker/24hr", "ticker.24hr"),
    route(Call::Ticker(Ticker::TradingDay), "GET", "/api/v3/ticker/tradingDay", "ticker.tradingDay"),
    route(Call::Ticker(Ticker::Window), "GET", "/api/v3/ticker", "ticker"),
    route(Call::Ticker(Ticker::Price), "GET", "/api/v3/ticker/price", "ticker.price"),
    route(Call::Ticker(Ticker::Book), "GET", "/api/v3/ticker/bookTicker", "ticker.book"),
    route(Call::ReferencePrice, "GET", "/api/v3/referencePrice", "referencePrice"),
    route(Call::ReferenceCalculation, "GET", "/api/v3/referencePrice/calculation", "referencePrice.calculation"),
    route(Call::Account, "GET", "/api/v3/account", "account.status"),
    route(Call::Commission, "GET", "/api/v3/account/commission", "account.commission"),
    route(Call::MyFilters, "GET", "/api/v3/myFilters", "myFilters"),
    route(Call::TradeFee, "GET", "/sapi/v1/asset/tradeFee", ""),
    route(Call::KeyRights, "GET", "/sapi/v1/account/apiRestrictions", ""),
    route(Call::OrderLimits, "GET", "/api/v3/rateLimit/order", "account.rateLimits.orders"),
    route(Call::Place, "POST", "/api/v3/order", "order.place"),
    route(Call::TestPlace, "POST", "/api/v3/order/test", "order.test"),
    route(Call::Cancel, "DELETE", "/api/v3/order", "order.cancel"),
    route(Call::CancelAll, "DELETE", "/api/v3/openOrders", "openOrders.cancelAll"),
    route(Call::QueryOrder, "GET", "/api/v3/order", "order.status"),
    route(Call::OpenOrders, "GET", "/api/v3/openOrders", "openOrders.status"),
    route(Call::AllOrders, "GET", "/api/v3/allOrders", "allOrders"),
    route(Call::MyTrades, "GET", "/api/v3/myTrades", "myTrades"),
    route(Call::Allocations, "GET", "/api/v3/myAllocations", "myAllocations"),
    route(Call::CancelReplace, "POST", "/api/v3/order/cancelReplace", "order.cancelReplace"),
    route(Call::Amend, "PUT", "/api/v3/order/amend/keepPriority", "order.amend.keepPriority"),
    route(Call::Amendments, "GET", "/api/v3/order/amendments", "order.amendments"),
    route(Call::PlaceList(ListCall::Oco), "POST", "/api/v3/orderList/oco", "orderList.place.oco"),
    route(Call::PlaceList(ListCall::OldOco), "POST", "/api/v3/order/oco", "orderList.place"),
    route(Call::PlaceList(ListCall::Oto), "POST", "/api/v3/orderList/oto", "orderList.place.oto"),
    route(Call::PlaceList(ListCall::Otoco), "POST", "/api/v3/orderList/otoco", "orderList.place.otoco"),
    route(Call::PlaceList(ListCall::Opo), "POST", "/api/v3/orderList/opo", "orderList.place.opo"),
    route(Call::PlaceList(ListCall::Opoco), "POST", "/api/v3/orderList/opoco", "orderList.place.opoco"),
    route(Call::PlaceRouted, "POST", "/api/v3/sor/order", "sor.order.place"),
    route(Call::TestRouted, "POST", "/api/v3/sor/order/test", "sor.order.test"),
    route(Call::CancelList, "DELETE", "/api/v3/orderList", "orderList.cancel"),
    route(Call::QueryList, "GET", "/api/v3/orderList", "orderList.status"),
    route(Call::OpenLists, "GET", "/api/v3/openOrderList", "openOrderLists.status"),
    route(Call::AllLists, "GET", "/api/v3/allOrderList", "allOrderLists"),
    route(Call::PreventedMatches, "GET", "/api/v3/myPreventedMatches", "myPreventedMatches"),
];

impl Call {
    /// Whether a key and a signature are needed.
    pub fn signed(self) -> bool {
        !matches!(
            self,
            Call::Ping
                | Call::Time
                | Call::ExchangeInfo
                | Call::ExecutionRules
                | Call::Depth
                | Call::Trades
                | Call::HistoricalTrades
                | Call::BlockTrades
                | Call::Aggregates
                | Call::Klines
                | Call::AvgPrice
                | Call::Ticker(_)
                | Call::ReferencePrice
                | Call::ReferenceCalculation
        )
    }

    /// Whether the key must be allowed to trade.
    pub fn trades(self) -> bool {
        matches!(self, Call::TestPlace | Call::TestRouted) || self.changes_orders()
    }

    /// Whether it changes orders: such calls meet the faults of the order path.
    pub fn changes_orders(self) -> bool {
        matches!(self, Call::Cancel | Call::CancelAll | Call::CancelList | Call::Amend) || self.places_orders()
    }

    /// Whether it adds to the unfilled order count, which its answer then shows.
    pub fn places_orders(self) -> bool {
        matches!(self, Call::Place | Call::PlaceList(_) | Call::CancelReplace | Call::PlaceRouted)
    }

    /// Request weight (§7.1, §10). Calls that change orders weigh only when they fail.
    pub fn weight(self, p: &Params, failed: bool) -> u32 {
        let if_sent = |name, sent, absent| if p.get(name).is_some() { sent } else { absent };
        // Symbols in a list, told by its commas.
        let listed = || p.get("symbols").map(|list| list.bytes().filter(|b| *b == b',').count() as u32 + 1);
        match self {
            Call::Cancel | Call::CancelAll | Call::CancelList => u32::from(failed),
            Call::Place | Call::PlaceList(_) | Call::CancelReplace | Call::PlaceRouted => u32::from(failed),
            Call::Ping | Call::Time | Call::TradeFee | Call::KeyRights => 1,
            Call::TestPlace | Call::TestRouted if p.get("computeCommissionRates") == Some("true") => 20,
            Call::TestPlace | Call::TestRouted => 1,
            Call::AvgPrice | Call::Klines | Call::ReferencePrice | Call::ReferenceCalculation => 2,
            Call::Amend | Call::Amendments | Call::QueryOrder | Call::QueryList | Call::Aggregates => 4,
            Call::Ticker(Ticker::Price | Ticker::Book) => if_sent("symbol", 2, 4),
            Call::Ticker(Ticker::Day) => match (p.get("symbol"), listed()) {
                (Some(_), _) | (None, Some(0..=20)) => 2,
                (None, Some(21..=100)) => 40,
                _ => 80,
            },
            Call::Ticker(Ticker::TradingDay | Ticker::Window) => (4 * listed().unwrap_or(1)).min(200),
            Call::ExecutionRules => if_sent("symbol", 2, (2 * listed().unwrap_or(20)).min(40)),
            Call::OpenLists => 6,
            Call::OpenOrders => if_sent("symbol", 6, 80),
            Call::MyTrades => if_sent("orderId", 5, 20),
            Call::PreventedMatches => if_sent("preventedMatchId", 2, 20),
            Call::ExchangeInfo | Call::Account | Call::AllOrders | Call::AllLists => 20,
            Call::Commission | Call::Allocations => 20,
            Call::Trades | Call::HistoricalTrades | Call::BlockTrades => 25,
            Call::OrderLimits | Call::MyFilters => 40,
            Call::Depth => match p.get("limit").and_then(|l| l.parse().ok()).unwrap_or(100u32) {
                0..=100 => 5,
                101..=500 => 25,
                501..=1000 => 50,
                _ => 250,
            },
        }
    }
}
