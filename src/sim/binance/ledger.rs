//! An account's truth, for tests that compare a client's view with the venue's.

use super::BinanceSim;
use super::account::Balance;
use std::collections::BTreeMap;

/// One order as `ledger` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerOrder {
    pub id: u64,
    pub client_id: String,
    pub symbol: String,
    pub side: &'static str,
    pub status: &'static str,
    /// In 10^-8.
    pub px: i64,
    pub qty: i64,
    pub filled: i64,
    /// 0 for orders that are no stops and no icebergs.
    pub stop_px: i64,
    pub iceberg: i64,
    /// False while it waits for its trigger.
    pub working: bool,
}

/// One account's truth, for tests that compare a client's view with the venue's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// By asset, in 10^-8; assets of which nothing was ever held are left out.
    pub balances: BTreeMap<String, Balance>,
    pub open_orders: Vec<LedgerOrder>,
    /// `(symbol, trade id, buy, price, quantity)`, oldest first.
    pub trades: Vec<(String, u64, bool, i64, i64)>,
}

impl BinanceSim {
    /// An account's truth by its key.
    pub fn ledger(&self, api_key: &str) -> Option<Ledger> {
        let venue = &self.desk.venue;
        let account = &venue.accounts[*venue.by_key.get(api_key)?];
        let balances = venue.assets.iter().cloned().zip(account.balances.iter().copied());
        let open_orders = account.open.iter().filter_map(|id| venue.orders.get(id)).map(|order| LedgerOrder {
            id: order.id,
            client_id: order.client_id.to_string(),
            symbol: venue.symbol_name(order.symbol).to_owned(),
            side: order.side.text(),
            status: order.status.text(),
            px: order.px,
            qty: order.qty,
            filled: order.filled,
            stop_px: order.stop_px,
            iceberg: order.iceberg,
            working: order.working_us.is_some(),
        });
        let trades =
            account.trades.iter().map(|t| (venue.symbol_name(t.symbol).to_owned(), t.id, t.buyer, t.px, t.qty));
        Some(Ledger {
            balances: balances.filter(|(_, b)| *b != Balance::default()).collect(),
            open_orders: open_orders.collect(),
            trades: trades.collect(),
        })
    }
}
