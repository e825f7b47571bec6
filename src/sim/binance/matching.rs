//! Price-time matching of our orders against the market and against each other.
//!
//! The market is one participant: its displayed levels stand before an order that joins them, and an order's place in
//! that queue only gets better by trades and by the level becoming smaller.

use super::orders::{Prevented, Status, Stp};
use super::user::Exec;
use super::venue::{Deal, PublicTrade, Venue};
use crate::sim::decimal;
use crate::sim::market::Side;

/// Who takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    Order(u64),
    Market,
}

/// Why a taker stopped with quantity left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Filled, or nothing more within its limit.
    Done,
    /// Its own account's order stood in the way and its mode says that the taker expires.
    Prevented,
}

impl Venue {
    /// Takes up to `qty` from the other side, not worse than `limit`. A taker that is an order is filled as it goes.
    pub fn take(
        &mut self,
        symbol: usize,
        taker: Taker,
        side: Side,
        limit: Option<i64>,
        qty: i64,
        now_us: i64,
    ) -> (i64, Stop) {
        let opposite = side.opposite();
        let mut left = qty;
        self.touch_symbol(symbol);
        while left > 0 {
            let book = &self.symbols[symbol];
            let own = book.own_best(opposite);
            let market = book.liquidity.best(opposite);
            let px = match (own, market) {
                (Some((own, _)), Some((market, _))) if opposite.key(own) <= opposite.key(market) => own,
                (_, Some((market, _))) => market,
                (Some((own, _)), None) => own,
                (None, None) => break,
            };
            if limit.is_some_and(|limit| !side.reaches(limit, px)) {
                break;
            }
            let available = market.filter(|(at, _)| *at == px).map_or(0, |(_, qty)| qty);
            let maker = own.filter(|(at, _)| *at == px).and_then(|(_, id)| self.orders.get(&id));
            // What stands before our first order at this price goes first; behind it stands the rest of the level.
            let (from_market, maker) = match maker {
                Some(order) if order.ahead > 0 && available > 0 => (order.ahead.min(available), None),
                Some(order) => (0, Some((order.id, order.leaves(), order.account, order.stp))),
                None => (available, None),
            };
            if let Some((maker_id, leaves, account, _)) = maker {
                if let Taker::Order(taker_id) = taker
                    && let Some(stop) = self.prevent(taker_id, maker_id, account, px, now_us)
                {
                    match stop {
                        Stop::Done => continue,
                        Stop::Prevented => return (left, Stop::Prevented),
                    }
                }
                let traded = self.affordable(taker, px, leaves.min(left));
                if traded == 0 {
                    break;
                }
                let trade_id = self.traded(symbol, px, traded, side == Side::Sell, now_us);
                let against_market = taker == Taker::Market;
                let deal = Deal { px, qty: traded, trade_id, maker: false, against_market };
                if let Taker::Order(taker_id) = taker {
                    self.fill(taker_id, deal, now_us);
                }
                self.fill_resting(maker_id, Deal { maker: true, ..deal }, now_us);
                left -= traded;
            } else {
                let traded = self.affordable(taker, px, from_market.min(left));
                if traded == 0 {
                    break;
                }
                self.consume(symbol, opposite, px, traded, taker == Taker::Market);
                let trade_id = self.traded(symbol, px, traded, side == Side::Sell, now_us);
                if let Taker::Order(taker_id) = taker {
                    let deal = Deal { px, qty: traded, trade_id, maker: false, against_market: true };
                    self.fill(taker_id, deal, now_us);
                }
                left -= traded;
            }
        }
        (left, Stop::Done)
    }

    /// How much of `qty` the taker can pay for. Only a market buy can run short: its cost is known when it is checked,
    /// but expired makers may leave worse prices than were counted.
    fn affordable(&self, taker: Taker, px: i64, qty: i64) -> i64 {
        let Taker::Order(id) = taker else { return qty };
        let Some(order) = self.orders.get(&id) else { return 0 };
        if order.px != 0 || order.side == Side::Sell {
            return qty;
        }
        let symbol = &self.symbols[order.symbol];
        let free = self.accounts[order.account].balances[symbol.quote].free;
        if decimal::notional(px, qty) <= free {
            return qty;
        }
        let lot = symbol.instrument.lot.max(1);
        let affordable = free * i128::from(decimal::ONE) / i128::from(px);
        i64::try_from(affordable).map_or(qty, |most| most.min(qty) / lot * lot)
    }

    /// Removes quantity from a displayed level. What our orders took is remembered as taken; what the market's own
    /// participants took is gone.
    fn consume(&mut self, symbol_index: usize, side: Side, px: i64, qty: i64, by_market: bool) {
        let symbol = &mut self.symbols[symbol_index];
        if by_market {
            let left = symbol.liquidity.book.qty(side, px) - qty;
            symbol.liquidity.book.set(side, px, left.max(0));
        } else {
            symbol.liquidity.take(side, px, qty);
        }
        if let Some(level) = symbol.own[side.index()].get(&side.key(px)) {
            for id in &level.orders {
                if let Some(order) = self.orders.get_mut(id) {
                    order.ahead = (order.ahead - qty).max(0);
                }
            }
        }
        symbol.touch(side, px);
    }

    /// Self-trade prevention between a taker and a resting order of the same account. `None`: they may trade.
    fn prevent(&mut self, taker: u64, maker: u64, maker_account: usize, px: i64, now_us: i64) -> Option<Stop> {
        let order = self.orders.get(&taker)?;
        if order.account != maker_account || order.stp == Stp::None {
            return None;
        }
        let stp = order.stp;
        let match_id = self.next_prevented_id;
        self.next_prevented_id += 1;
        let mark = |venue: &mut Venue, id: u64, other: u64| {
            if let Some(order) = venue.orders.get_mut(&id) {
                let qty = order.leaves();
                order.prevented = Some(Prevented { match_id, qty, px, other_order: other });
            }
        };
        if stp != Stp::ExpireTaker {
            mark(self, maker, taker);
            self.unrest(maker);
            self.close(maker, Status::ExpiredInMatch, Exec::Prevented, None, now_us);
        }
        if stp == Stp::ExpireMaker {
            return Some(Stop::Done);
        }
        mark(self, taker, maker);
        Some(Stop::Prevented)
    }

    /// Fills a resting order and takes it off the book once it is done.
    fn fill_resting(&mut self, id: u64, deal: Deal, now_us: i64) {
        let Some(order) = self.orders.get(&id) else { return };
        let (symbol, side, at) = (order.symbol, order.side, order.px);
        let done = order.leaves() == deal.qty;
        if done {
            self.unrest(id);
        } else if let Some(level) = self.symbols[symbol].own[side.index()].get_mut(&side.key(at)) {
            level.qty -= deal.qty;
        }
        self.fill(id, deal, now_us);
        self.symbols[symbol].touch(side, at);
        self.touch_symbol(symbol);
    }

    /// Puts an order on the book, behind what is displayed at its price.
    pub fn rest(&mut self, id: u64) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        let (side, px, leaves) = (order.side, order.px, order.leaves());
        let symbol = &mut self.symbols[order.symbol];
        order.ahead = symbol.liquidity.available(side, px);
        let level = symbol.own[side.index()].entry(side.key(px)).or_default();
        level.orders.push_back(id);
        level.qty += leaves;
        symbol.touch(side, px);
        let index = order.symbol;
        self.touch_symbol(index);
    }

    /// Takes an order off the book.
    pub fn unrest(&mut self, id: u64) {
        let Some(order) = self.orders.get(&id) else { return };
        let (index, side, px, leaves) = (order.symbol, order.side, order.px, order.leaves());
        let symbol = &mut self.symbols[index];
        let levels = &mut symbol.own[side.index()];
        if let Some(level) = levels.get_mut(&side.key(px))
            && let Some(at) = level.orders.iter().position(|o| *o == id)
        {
            level.orders.remove(at);
            level.qty -= leaves;
            if level.orders.is_empty() {
                levels.remove(&side.key(px));
            }
        }
        symbol.touch(side, px);
        self.touch_symbol(index);
    }

    // --- what the market does ---

    /// The market shows a level's new quantity.
    pub fn market_sets(&mut self, index: usize, side: Side, px: i64, qty: i64) {
        self.symbols[index].liquidity.set(side, px, qty);
        self.clamp_queue(index, side, px);
        self.symbols[index].touch(side, px);
        self.touch_symbol(index);
    }

    /// No more can stand before an order than is displayed at its price.
    pub fn clamp_queue(&mut self, index: usize, side: Side, px: i64) {
        let symbol = &self.symbols[index];
        if let Some(level) = symbol.own[side.index()].get(&side.key(px)) {
            let displayed = symbol.liquidity.available(side, px);
            for id in &level.orders {
                if let Some(order) = self.orders.get_mut(id) {
                    order.ahead = order.ahead.min(displayed);
                }
            }
        }
    }

    /// Our resting orders that the opposite side of the market has come to meet are filled at their own price.
    pub fn uncross(&mut self, index: usize, now_us: i64) {
        for side in Side::BOTH {
            loop {
                let symbol = &self.symbols[index];
                let (Some((px, id)), Some((market_px, available))) =
                    (symbol.own_best(side), symbol.liquidity.best(side.opposite()))
                else {
                    break;
                };
                let Some(leaves) = self.orders.get(&id).map(|o| o.leaves()) else { break };
                if !side.reaches(px, market_px) {
                    break;
                }
                let qty = leaves.min(available);
                self.consume(index, side.opposite(), market_px, qty, false);
                let trade_id = self.traded(index, px, qty, side == Side::Buy, now_us);
                self.fill_resting(id, Deal { px, qty, trade_id, maker: true, against_market: true }, now_us);
            }
        }
    }

    /// A recorded market traded at `px`: our orders at better prices were passed through, those at the price wait
    /// for what stands before them.
    pub fn market_printed(&mut self, print: PublicTrade) {
        let side = if print.buyer_is_maker { Side::Buy } else { Side::Sell };
        let index = print.symbol;
        let mut left = print.qty;
        while let Some((px, id)) = self.symbols[index].own_best(side) {
            let through = side.key(px) < side.key(print.px);
            let Some(order) = self.orders.get_mut(&id) else { break };
            let leaves = order.leaves();
            let qty = if through {
                leaves
            } else if px == print.px {
                let before = order.ahead.min(left);
                left -= before;
                self.pass_queue(index, side, px, before);
                leaves.min(left)
            } else {
                break;
            };
            if qty == 0 {
                break;
            }
            if !through {
                left -= qty;
            }
            let trade_id = self.trade_id(index);
            self.fill_resting(id, Deal { px, qty, trade_id, maker: true, against_market: true }, print.time_us);
        }
    }

    fn pass_queue(&mut self, index: usize, side: Side, px: i64, qty: i64) {
        if let Some(level) = self.symbols[index].own[side.index()].get(&side.key(px)) {
            for id in &level.orders {
                if let Some(order) = self.orders.get_mut(id) {
                    order.ahead = (order.ahead - qty).max(0);
                }
            }
        }
    }
}
