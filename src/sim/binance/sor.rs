//! Smart order routing (reference §7.8): an order of one symbol trades with the books of its interchangeable symbols
//! too. What it gets there is no trade of its own symbol but an allocation: the venue stands between the two.

use super::account_calls::time_range;
use super::api::Desk;
use super::errors::ApiError;
use super::market_calls::limit;
use super::matching::Taker;
use super::orders::{OrderKind, Trade};
use super::params::Params;
use super::place::NewOrder;
use super::venue::Venue;
use crate::sim::SimError;
use crate::sim::json::Json;
use crate::sim::market::Side;

/// Prices and quantities that a taker finds, best first.
pub type Offers<'a> = Box<dyn Iterator<Item = (i64, i64)> + 'a>;

impl Venue {
    /// Opens routing between symbols of one base asset; the others of a group are each one's further books.
    pub fn open_sors(&mut self, groups: &[Vec<String>]) -> Result<(), SimError> {
        for names in groups {
            let index = |name: &String| {
                let found = self.symbol(name).ok();
                found.ok_or_else(|| SimError::Routing(format!("{name:?} is not listed")))
            };
            let group = names.iter().map(index).collect::<Result<Vec<usize>, _>>()?;
            let [first, rest @ ..] = group.as_slice() else { continue };
            if rest.is_empty() || rest.iter().any(|at| self.symbols[*at].base != self.symbols[*first].base) {
                return Err(SimError::Routing(format!("{names:?} are not several symbols of one base asset")));
            }
            if group.iter().any(|at| self.sors.iter().any(|known| known.contains(at))) {
                return Err(SimError::Routing(format!("{names:?} has a symbol that is routed already")));
            }
            self.sors.push(group);
        }
        Ok(())
    }

    /// The other books that an order of a symbol may be routed to; empty where it is not.
    pub fn routes(&self, symbol: usize, sor: bool) -> Vec<usize> {
        let group = self.sors.iter().find(|group| sor && group.contains(&symbol));
        let others = group.into_iter().flatten().copied();
        others.filter(|at| *at != symbol && !self.symbols[*at].closed).collect()
    }

    pub fn routes_of(&self, symbol: usize, taker: Taker) -> Vec<usize> {
        let Taker::Order(id) = taker else { return Vec::new() };
        self.routes(symbol, self.orders.get(&id).is_some_and(|order| order.sor))
    }

    /// What stands on a side of the symbol's book and of those that an order is routed to, best first.
    pub fn offers(&self, symbol: usize, sor: bool, side: Side) -> Offers<'_> {
        let others = self.routes(symbol, sor);
        if others.is_empty() {
            return Box::new(self.symbols[symbol].depth(side));
        }
        let books = std::iter::once(symbol).chain(others);
        let mut levels: Vec<(i64, i64)> = books.flat_map(|at| self.symbols[at].depth(side)).collect();
        levels.sort_by_key(|(px, _)| side.key(*px));
        Box::new(levels.into_iter())
    }

    /// The book with the best price on a side, the symbol's own before others, and that price.
    pub fn best_offer(&self, symbol: usize, others: &[usize], side: Side) -> Option<(usize, i64)> {
        let best = |at: usize| {
            let book = &self.symbols[at];
            let own = book.own_best(side).map(|(px, _)| px);
            let market = book.liquidity.best(side).map(|(px, _)| px);
            Some((at, own.into_iter().chain(market).min_by_key(|px| side.key(*px))?))
        };
        std::iter::once(symbol).chain(others.iter().copied()).filter_map(best).min_by_key(|(_, px)| side.key(*px))
    }

    /// The id of a symbol's next allocation.
    pub fn allocation_id(&mut self, symbol: usize) -> u64 {
        let next = &mut self.symbols[symbol].next_allocation_id;
        *next += 1;
        *next - 1
    }

    /// `sors` of `exchangeInfo`, where there are any.
    pub fn write_sors(&self, j: &mut Json) {
        if self.sors.is_empty() {
            return;
        }
        j.array("sors", |j| {
            for group in &self.sors {
                j.object("", |j| {
                    j.str("baseAsset", &self.symbols[group[0]].instrument.base);
                    j.array("symbols", |j| group.iter().for_each(|at| j.str("", self.symbol_name(*at))));
                });
            }
        });
    }
}

/// Reads a routed order: `LIMIT` and `MARKET` by the base quantity alone.
fn parse(venue: &Venue, p: &Params) -> Result<NewOrder, ApiError> {
    let symbol = venue.symbol(p.required("symbol")?)?;
    if venue.routes(symbol, true).is_empty() {
        return Err(ApiError::new(-1020, "This operation is not supported."));
    }
    for name in ["quoteOrderQty", "pegPriceType", "pegOffsetType", "pegOffsetValue"] {
        if p.get(name).is_some() {
            return Err(ApiError::not_required(name));
        }
    }
    let mut new = NewOrder::parse(venue, p)?;
    if !matches!(new.kind, OrderKind::Limit | OrderKind::Market) {
        return Err(ApiError::new(-1014, "Unsupported order combination."));
    }
    new.sor = true;
    Ok(new)
}

impl Desk {
    pub fn place_routed(&mut self, j: &mut Json, account: usize, p: &Params, now_us: i64) -> Result<(), ApiError> {
        let new = parse(&self.venue, p)?;
        p.check_all_read()?;
        self.place_parsed(j, account, &new, now_us)
    }

    pub fn test_routed(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let new = parse(&self.venue, p)?;
        self.test_parsed(j, account, &new, p)
    }

    pub fn allocations(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let symbol = self.venue.symbol(p.required("symbol")?)?;
        let (start, end) = time_range(p)?;
        let from = p.integer("fromAllocationId")?.map(|id| id as u64);
        let order = p.integer("orderId")?.map(|id| id as u64);
        let limit = limit(p)?;
        p.check_all_read()?;
        if (from.is_some() || order.is_some()) && (start.is_some() || end.is_some()) {
            return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
        }
        let matching = |a: &&Trade| {
            a.symbol == symbol
                && order.is_none_or(|id| a.order_id == id)
                && from.is_none_or(|id| a.id >= id)
                && start.is_none_or(|s| a.time_us >= s)
                && end.is_none_or(|e| a.time_us <= e)
        };
        let found: Vec<&Trade> = self.venue.accounts[account].allocations.iter().filter(matching).collect();
        let newest = if from.is_none() && start.is_none() { found.len().saturating_sub(limit) } else { 0 };
        let name = self.venue.symbol_name(symbol);
        j.array("", |j| {
            found.iter().skip(newest).take(limit).for_each(|a| a.write_allocation(j, name, &self.venue.assets));
        });
        Ok(())
    }
}
