//! Price-time matching of our orders against the market and against each other.
//!
//! The market is one participant: its displayed levels stand before an order that joins them, and an order's place in
//! that queue only gets better by trades and by the level becoming smaller.

use super::orders::{Prevented, PreventedMatch, Status, Stp};
use super::user::Exec;
use super::venue::{Deal, PublicTrade, Venue};
use crate::sim::decimal;
use crate::sim::market::Side;
use crate::sim::market::book::{Book, Liquidity};

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
    /// The next price lies beyond what an execution rule lets it trade at.
    OutOfRange,
}

/// What self-trade prevention makes of a match.
enum Prevention {
    TradeOn,
    /// The taker goes on, with this much less to do.
    Lost(i64),
    TakerEnds,
}

impl Venue {
    /// Takes up to `qty` from the other side, not worse than `limit`. A taker that is an order is filled as it goes; a
    /// routed one from whichever of its books has the best price.
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
        let others = self.routes_of(symbol, taker);
        let range = self.range_of(symbol, taker, side);
        self.touch_symbol(symbol);
        others.iter().for_each(|other| self.touch_symbol(*other));
        while left > 0 {
            let Some((at, px)) = self.best_offer(symbol, &others, opposite) else { break };
            if limit.is_some_and(|limit| !side.reaches(limit, px)) {
                break;
            }
            if range.is_some_and(|(least, most)| !(least..=most).contains(&px)) {
                return (left, Stop::OutOfRange);
            }
            let book = &self.symbols[at];
            let own = book.own_best(opposite);
            let market = book.liquidity.best(opposite);
            let available = market.filter(|(best, _)| *best == px).map_or(0, |(_, qty)| qty);
            let maker = own.filter(|(best, _)| *best == px).and_then(|(_, id)| self.orders.get(&id));
            // What stands before our first order at this price goes first; behind it stands the rest of the level.
            let (from_market, maker) = match maker {
                Some(order) if order.ahead > 0 && available > 0 => (order.ahead.min(available), None),
                Some(order) => (0, Some((order.id, order.display(), order.account))),
                None => (available, None),
            };
            if let Some((maker_id, shown, account)) = maker {
                if let Taker::Order(taker_id) = taker {
                    match self.prevent(taker_id, maker_id, account, px, shown.min(left), now_us) {
                        Prevention::TradeOn => {}
                        Prevention::Lost(qty) => {
                            left -= qty;
                            continue;
                        }
                        Prevention::TakerEnds => return (left, Stop::Prevented),
                    }
                }
                let traded = self.affordable(taker, px, shown.min(left));
                if traded == 0 {
                    break;
                }
                let trade_id = self.traded(at, px, traded, side == Side::Sell, now_us);
                // Between two symbols the venue stands: it takes the one quote asset and gives the other.
                let against_market = taker == Taker::Market || at != symbol;
                let deal = Deal { px, qty: traded, trade_id, maker: false, against_market, allocation: None };
                if let Taker::Order(taker_id) = taker {
                    let allocation = (at != symbol).then(|| self.allocation_id(symbol));
                    self.fill(taker_id, Deal { allocation, ..deal }, now_us);
                }
                self.fill_resting(maker_id, Deal { maker: true, ..deal }, now_us);
                left -= traded;
            } else {
                let traded = self.affordable(taker, px, from_market.min(left));
                if traded == 0 {
                    break;
                }
                self.consume(at, opposite, px, traded, taker == Taker::Market);
                let trade_id = self.traded(at, px, traded, side == Side::Sell, now_us);
                if let Taker::Order(taker_id) = taker {
                    let allocation = (at != symbol).then(|| self.allocation_id(symbol));
                    let deal = Deal { px, qty: traded, trade_id, maker: false, against_market: true, allocation };
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

    /// Self-trade prevention between a taker and a resting order of the same account, that would trade `qty` (§7.4).
    fn prevent(&mut self, taker: u64, maker: u64, maker_account: usize, px: i64, qty: i64, now_us: i64) -> Prevention {
        let (Some(order), Some(resting)) = (self.orders.get(&taker), self.orders.get(&maker)) else {
            return Prevention::TradeOn;
        };
        if order.account != maker_account || order.stp == Stp::None {
            return Prevention::TradeOn;
        }
        let (symbol, maker_symbol) = (order.symbol, resting.symbol);
        let (stp, taker_left, maker_left) = (order.stp, order.leaves(), resting.leaves());
        let id = self.next_prevented_id;
        self.next_prevented_id += 1;
        // No two accounts here share a trade group, so TRANSFER has nothing to move and acts as DECREMENT.
        let decrements = matches!(stp, Stp::Decrement | Stp::Transfer);
        let taker_loses = if decrements {
            qty
        } else if stp == Stp::ExpireMaker {
            0
        } else {
            taker_left
        };
        let maker_loses = if decrements {
            qty
        } else if stp == Stp::ExpireTaker {
            0
        } else {
            maker_left
        };
        let (taker_qty, maker_qty) = (taker_loses, maker_loses);
        let lost =
            PreventedMatch { id, symbol, maker_symbol, taker, maker, stp, px, maker_qty, taker_qty, time_us: now_us };
        self.accounts[maker_account].push_prevented(lost);
        self.did.prevented.push(lost);
        let mark = |qty, other_order, other_symbol| Prevented { match_id: id, qty, px, other_order, other_symbol };
        if maker_loses > 0 {
            self.lose(maker, mark(maker_loses, taker, symbol), true, now_us);
        }
        // A taker that is to expire does so in `enter`, which knows what else became of it.
        if taker_loses > 0 && decrements {
            self.lose(taker, mark(taker_loses, maker, maker_symbol), false, now_us);
        } else if taker_loses > 0 {
            self.mark_prevented(taker, mark(taker_loses, maker, maker_symbol));
        }
        if decrements || stp == Stp::ExpireMaker { Prevention::Lost(taker_loses) } else { Prevention::TakerEnds }
    }

    fn mark_prevented(&mut self, id: u64, prevented: Prevented) {
        if let Some(order) = self.orders.get_mut(&id) {
            order.prevented = Some(prevented);
            order.prevented_qty += prevented.qty;
            order.slice = order.slice.min(order.leaves());
        }
    }

    /// Self-trade prevention takes quantity off an order; without any left it is done.
    fn lose(&mut self, id: u64, prevented: Prevented, resting: bool, now_us: i64) {
        if resting {
            self.unrest(id);
        }
        let ahead = self.orders.get(&id).map_or(0, |o| o.ahead);
        let all = self.orders.get(&id).is_none_or(|o| o.leaves() == prevented.qty);
        self.mark_prevented(id, prevented);
        if all {
            self.close(id, Status::ExpiredInMatch, Exec::Prevented, None, now_us);
            return;
        }
        if resting {
            self.stand(id, ahead, true);
        }
        self.lost(id, now_us);
    }

    /// Fills a resting order and takes it off the book once it is done. An iceberg whose slice is used up shows the
    /// next one, behind everything that stands at its price.
    fn fill_resting(&mut self, id: u64, deal: Deal, now_us: i64) {
        let Some(order) = self.orders.get(&id) else { return };
        let (symbol, side, at) = (order.symbol, order.side, order.px);
        let (done, slice_done) = (order.leaves() == deal.qty, order.display() == deal.qty);
        if done || slice_done {
            self.unrest(id);
        } else if let Some(level) = self.symbols[symbol].own[side.index()].get_mut(&side.key(at)) {
            level.qty -= deal.qty;
        }
        self.fill(id, deal, now_us);
        if slice_done && !done {
            self.rest(id);
        }
        self.symbols[symbol].touch(side, at);
        self.touch_symbol(symbol);
    }

    /// Puts an order on the book, behind what is displayed at its price.
    pub fn rest(&mut self, id: u64) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.slice = if order.iceberg == 0 { 0 } else { order.iceberg.min(order.leaves()) };
        let symbol = &self.symbols[order.symbol];
        // Where the book is not known everything may stand before it, until a book says what does.
        let ahead = if symbol.unseen { i64::MAX } else { symbol.liquidity.available(order.side, order.px) };
        self.stand(id, ahead, false);
    }

    /// Gives an order a place at its price, with `ahead` of the market's quantity before it.
    pub fn stand(&mut self, id: u64, ahead: i64, first: bool) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.ahead = ahead;
        let (index, side, px) = (order.symbol, order.side, order.px);
        let (shown, hidden) = (order.display(), order.leaves() - order.display());
        let symbol = &mut self.symbols[index];
        let level = symbol.own[side.index()].entry(side.key(px)).or_default();
        if first {
            level.orders.push_front(id)
        } else {
            level.orders.push_back(id)
        }
        level.qty += shown;
        level.hidden += hidden;
        symbol.touch(side, px);
        self.touch_symbol(index);
    }

    /// Takes an order off the book.
    pub fn unrest(&mut self, id: u64) {
        let Some(order) = self.orders.get(&id) else { return };
        let (index, side, px) = (order.symbol, order.side, order.px);
        let (shown, hidden) = (order.display(), order.leaves() - order.display());
        let symbol = &mut self.symbols[index];
        let levels = &mut symbol.own[side.index()];
        if let Some(level) = levels.get_mut(&side.key(px))
            && let Some(at) = level.orders.iter().position(|o| *o == id)
        {
            level.orders.remove(at);
            level.qty -= shown;
            level.hidden -= hidden;
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

    /// A whole book takes the place of what was known: what stands before our orders is at most what it shows.
    pub fn market_replaced(&mut self, index: usize, book: Book, now_us: i64) {
        let symbol = &mut self.symbols[index];
        symbol.liquidity = Liquidity::default();
        symbol.liquidity.book = book;
        symbol.unseen = false;
        for side in Side::BOTH {
            let own: Vec<i64> = self.symbols[index].own[side.index()].keys().map(|key| key.abs()).collect();
            own.into_iter().for_each(|px| self.clamp_queue(index, side, px));
        }
        self.touch_symbol(index);
        self.uncross(index, now_us);
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
                let Some(shown) = self.orders.get(&id).map(|o| o.display()) else { break };
                if !side.reaches(px, market_px) {
                    break;
                }
                let qty = shown.min(available);
                self.consume(index, side.opposite(), market_px, qty, false);
                let trade_id = self.traded(index, px, qty, side == Side::Buy, now_us);
                self.fill_resting(
                    id,
                    Deal { px, qty, trade_id, maker: true, against_market: true, allocation: None },
                    now_us,
                );
            }
        }
    }

    /// A real market traded at `px`: our orders at better prices were passed through, those at the price wait
    /// for what stands before them.
    pub fn market_printed(&mut self, print: PublicTrade) {
        let side = if print.buyer_is_maker { Side::Buy } else { Side::Sell };
        let index = print.symbol;
        let mut left = print.qty;
        while let Some((px, id)) = self.symbols[index].own_best(side) {
            let through = side.key(px) < side.key(print.px);
            let Some(order) = self.orders.get_mut(&id) else { break };
            let (leaves, shown) = (order.leaves(), order.display());
            let qty = if through {
                leaves
            } else if px == print.px {
                let before = order.ahead.min(left);
                left -= before;
                self.pass_queue(index, side, px, before);
                shown.min(left)
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
            self.fill_resting(
                id,
                Deal { px, qty, trade_id, maker: true, against_market: true, allocation: None },
                print.time_us,
            );
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
