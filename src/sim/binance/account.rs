//! Accounts: keys, balances, open orders, trades.

use super::limits::OrderCount;
use super::orders::{PreventedMatch, Trade};
use super::signing::Key;
use crate::sim::json::Json;
use std::collections::{BTreeSet, VecDeque};

/// Trades kept for `myTrades`, newest last; older ones are forgotten.
const TRADES_MAX: usize = 50_000;
/// Allocations kept for `myAllocations`.
const ALLOCATIONS_MAX: usize = 10_000;
/// Prevented matches kept for `myPreventedMatches`.
const PREVENTED_MAX: usize = 10_000;

/// An asset's balance in 10^-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    pub free: i128,
    pub locked: i128,
}

#[derive(Debug, Clone)]
pub struct Account {
    pub api_key: String,
    pub key: Key,
    /// By the venue's index of assets.
    pub balances: Vec<Balance>,
    pub open: BTreeSet<u64>,
    /// Oldest first.
    pub trades: VecDeque<Trade>,
    /// What routed orders got from other books, oldest first.
    pub allocations: VecDeque<Trade>,
    /// Oldest first; not in the state file.
    pub prevented: VecDeque<PreventedMatch>,
    pub order_count: OrderCount,
    pub updated_us: i64,
    pub fees: Fees,
    pub may: Permissions,
}

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions {
    pub trade: bool,
    /// Told to clients, who should refuse a key that can empty the account; nothing here withdraws.
    pub withdraw: bool,
    pub deposit: bool,
}

impl Default for Permissions {
    fn default() -> Self {
        Permissions { trade: true, withdraw: false, deposit: false }
    }
}

impl Account {
    pub fn new(api_key: String, key: Key, fees: Fees, may: Permissions) -> Account {
        Account {
            api_key,
            key,
            balances: Vec::new(),
            open: BTreeSet::new(),
            trades: VecDeque::new(),
            allocations: VecDeque::new(),
            prevented: VecDeque::new(),
            order_count: OrderCount::default(),
            updated_us: 0,
            fees,
            may,
        }
    }

    pub fn push_trade(&mut self, trade: Trade) {
        let (kept, max) = match trade.allocated {
            true => (&mut self.allocations, ALLOCATIONS_MAX),
            false => (&mut self.trades, TRADES_MAX),
        };
        if kept.len() == max {
            kept.pop_front();
        }
        kept.push_back(trade);
    }

    pub fn push_prevented(&mut self, prevented: PreventedMatch) {
        if self.prevented.len() == PREVENTED_MAX {
            self.prevented.pop_front();
        }
        self.prevented.push_back(prevented);
    }

    /// The answer to `account`. `uid` is the account's number.
    pub fn write(&self, j: &mut Json, uid: usize, assets: &[String], omit_zero: bool) {
        let fees = self.fees;
        // The legacy integers are in units of 0.01 %.
        let legacy = |rate: i64| rate / 10_000;
        j.object("", |j| {
            j.int("makerCommission", legacy(fees.maker));
            j.int("takerCommission", legacy(fees.taker));
            j.int("buyerCommission", 0);
            j.int("sellerCommission", 0);
            j.object("commissionRates", |j| {
                j.dec("maker", fees.maker);
                j.dec("taker", fees.taker);
                j.dec("buyer", 0);
                j.dec("seller", 0);
            });
            j.bool("canTrade", self.may.trade);
            j.bool("canWithdraw", self.may.withdraw);
            j.bool("canDeposit", self.may.deposit);
            j.bool("brokered", false);
            j.bool("requireSelfTradePrevention", false);
            j.bool("preventSor", false);
            j.time("updateTime", self.updated_us);
            j.str("accountType", "SPOT");
            j.array("balances", |j| {
                for (asset, balance) in assets.iter().zip(&self.balances) {
                    if omit_zero && *balance == Balance::default() {
                        continue;
                    }
                    j.object("", |j| {
                        j.str("asset", asset);
                        j.dec("free", balance.free);
                        j.dec("locked", balance.locked);
                    });
                }
            });
            j.array("permissions", |j| j.str("", "SPOT"));
            j.uint("uid", 350_000_000 + uid as u64);
        });
    }
}

/// Commission rates in 10^-8 of what is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    pub maker: i64,
    pub taker: i64,
}

impl Default for Fees {
    /// 0.1 % each, as the venue charges who has no discount.
    fn default() -> Self {
        Fees { maker: 100_000, taker: 100_000 }
    }
}
