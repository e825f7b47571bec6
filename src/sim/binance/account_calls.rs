//! The calls about an account (reference §10.1): orders, trades, rates and filters, as they are asked for.

use super::api::Desk;
use super::errors::ApiError;
use super::filters;
use super::market_calls::limit;
use super::orders::{Order, Trade};
use super::params::Params;
use super::place::OrderRef;
use crate::sim::json::Json;

const DAY_US: i64 = 86_400_000_000;

/// `startTime` and `endTime`, at most a day apart.
pub fn time_range(p: &Params) -> Result<(Option<i64>, Option<i64>), ApiError> {
    let (start, end) = (p.time_us("startTime")?, p.time_us("endTime")?);
    if let (Some(start), Some(end)) = (start, end)
        && end - start > DAY_US
    {
        return Err(ApiError::new(-1127, "More than 24 hours between startTime and endTime."));
    }
    Ok((start, end))
}

impl Desk {
    pub fn query_order(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let of = OrderRef::parse(&self.venue, p)?;
        p.check_all_read()?;
        let order = self.venue.find(account, &of).ok_or_else(ApiError::no_such_order)?;
        if of.client_id.as_deref().is_some_and(|c| *order.client_id != *c) {
            return Err(ApiError::new(-2039, "Client order ID is not correct for this order ID."));
        }
        order.write_query(j, self.venue.symbol_name(order.symbol));
        Ok(())
    }

    pub fn open_orders(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let symbol = p.text("symbol")?.map(|s| self.venue.symbol(s)).transpose()?;
        p.check_all_read()?;
        let venue = &self.venue;
        j.array("", |j| {
            let open = venue.accounts[account].open.iter().filter_map(|id| venue.orders.get(id));
            for order in open.filter(|o| symbol.is_none_or(|s| s == o.symbol)) {
                order.write_query(j, venue.symbol_name(order.symbol));
            }
        });
        Ok(())
    }

    pub fn all_orders(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let symbol = self.venue.symbol(p.required("symbol")?)?;
        let from = p.integer("orderId")?.map(|id| id as u64);
        let (start, end) = time_range(p)?;
        let limit = limit(p)?;
        p.check_all_read()?;
        let matching = |order: &&Order| {
            order.account == account
                && order.symbol == symbol
                && start.is_none_or(|s| order.created_us >= s)
                && end.is_none_or(|e| order.created_us <= e)
        };
        let orders = &self.venue.orders;
        // From a start: the oldest from there. Without one: the newest, oldest first.
        let chosen: Vec<_> = match (from, start) {
            (Some(from), _) => orders.range(from..).map(|(_, o)| o).filter(matching).take(limit).collect(),
            (None, Some(_)) => orders.values().filter(matching).take(limit).collect(),
            (None, None) => {
                let mut newest: Vec<_> = orders.values().rev().filter(matching).take(limit).collect();
                newest.reverse();
                newest
            }
        };
        j.array("", |j| chosen.iter().for_each(|o| o.write_query(j, self.venue.symbol_name(symbol))));
        Ok(())
    }

    pub fn my_trades(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let symbol = self.venue.symbol(p.required("symbol")?)?;
        let order = p.integer("orderId")?.map(|id| id as u64);
        let from = p.integer("fromId")?.map(|id| id as u64);
        let (start, end) = time_range(p)?;
        let limit = limit(p)?;
        p.check_all_read()?;
        if (from.is_some() || order.is_some()) && (start.is_some() || end.is_some()) {
            return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
        }
        let matching = |trade: &&Trade| {
            trade.symbol == symbol
                && order.is_none_or(|id| trade.order_id == id)
                && from.is_none_or(|id| trade.id >= id)
                && start.is_none_or(|s| trade.time_us >= s)
                && end.is_none_or(|e| trade.time_us <= e)
        };
        let trades = &self.venue.accounts[account].trades;
        let chosen: Vec<_> = if from.is_some() || start.is_some() {
            trades.iter().filter(matching).take(limit).collect()
        } else {
            let mut newest: Vec<_> = trades.iter().rev().filter(matching).take(limit).collect();
            newest.reverse();
            newest
        };
        let venue = &self.venue;
        let list_of = |id| venue.orders.get(id).map_or(-1, Order::list_id);
        j.array("", |j| {
            chosen.iter().for_each(|t| t.write(j, venue.symbol_name(symbol), list_of(&t.order_id), &venue.assets));
        });
        Ok(())
    }

    pub fn prevented_matches(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let symbol = self.venue.symbol(p.required("symbol")?)?;
        let id = p.integer("preventedMatchId")?.map(|id| id as u64);
        let order = p.integer("orderId")?.map(|id| id as u64);
        let from = p.integer("fromPreventedMatchId")?.map(|id| id as u64);
        let limit = limit(p)?;
        p.check_all_read()?;
        if id.is_none() && order.is_none() {
            return Err(ApiError::either_missing("preventedMatchId", "orderId"));
        }
        let name = |at: usize| self.venue.symbol_name(at);
        let found = self.venue.accounts[account].prevented.iter().filter(|m| {
            m.symbol == symbol
                && id.is_none_or(|id| m.id == id)
                && order.is_none_or(|order| m.taker == order || m.maker == order)
                && from.is_none_or(|from| m.id >= from)
        });
        j.array("", |j| found.take(limit).for_each(|m| m.write(j, name(m.symbol), name(m.maker_symbol))));
        Ok(())
    }

    pub fn commission(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let symbol = self.venue.symbol(p.required("symbol")?)?;
        p.check_all_read()?;
        let fees = self.venue.accounts[account].fees;
        j.object("", |j| {
            j.str("symbol", self.venue.symbol_name(symbol));
            for (key, maker, taker) in
                [("standardCommission", fees.maker, fees.taker), ("specialCommission", 0, 0), ("taxCommission", 0, 0)]
            {
                j.object(key, |j| {
                    j.dec("maker", maker);
                    j.dec("taker", taker);
                    j.dec("buyer", 0);
                    j.dec("seller", 0);
                });
            }
            write_discount(j);
        });
        Ok(())
    }

    /// The filters that bind the account: the symbol's that count what it has open.
    pub fn my_filters(&self, j: &mut Json, p: &Params) -> Result<(), ApiError> {
        let symbol = self.venue.symbol(p.required("symbol")?)?;
        p.check_all_read()?;
        j.object("", |j| {
            j.array("exchangeFilters", |j| filters::write_exchange(&self.venue.exchange, j));
            j.array("symbolFilters", |j| filters::write_filters(&self.venue.symbols[symbol].instrument, j));
            j.array("assetFilters", |j| filters::write_assets(&self.venue.symbols[symbol].instrument, j));
        });
        Ok(())
    }

    /// What the account's keys may do; the keys of one account may all do the same here.
    pub fn key_rights(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        p.check_all_read()?;
        let may = self.venue.accounts[account].may;
        j.object("", |j| {
            j.bool("ipRestrict", false);
            j.bool("enableReading", true);
            j.bool("enableWithdrawals", may.withdraw);
            j.bool("enableInternalTransfer", may.withdraw);
            j.bool("enableSpotAndMarginTrading", may.trade);
        });
        Ok(())
    }

    /// Rates as the wallet's call tells them.
    pub fn trade_fee(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let asked = p.text("symbol")?.map(|s| self.venue.symbol(s)).transpose()?;
        p.check_all_read()?;
        let fees = self.venue.accounts[account].fees;
        j.array("", |j| {
            for index in (0..self.venue.symbols.len()).filter(|index| asked.is_none_or(|asked| asked == *index)) {
                j.object("", |j| {
                    j.str("symbol", self.venue.symbol_name(index));
                    j.dec("makerCommission", fees.maker);
                    j.dec("takerCommission", fees.taker);
                });
            }
        });
        Ok(())
    }
}

/// Nobody here pays in the venue's own coin.
pub fn write_discount(j: &mut Json) {
    j.object("discount", |j| {
        j.bool("enabledForAccount", false);
        j.bool("enabledForSymbol", false);
        j.str("discountAsset", "BNB");
        j.dec("discount", 0);
    });
}
