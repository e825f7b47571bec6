//! Joins the market model with the venue: its changes move quotes, print trades, and fill orders.
//!
//! The model runs on the process's time, so that a venue clock that is set back or runs faster neither stops the market
//! nor shakes it; what it does is stamped with the venue's time.

use super::calendar::Phase;
use super::number::ONE;
use super::tape::{Print, Tape};
use super::venue::Venue;
use crate::domain::Nanos;
use crate::sim::SyntheticConfig;
use crate::sim::market::Side;
use crate::sim::market::synthetic::{MarketOp, Synthetic};

/// Steps in one turn, so that requests are answered in between.
const PER_TURN: usize = 256;

pub struct Market {
    model: Synthetic,
    ops: Vec<MarketOp>,
}

impl Market {
    /// Every asset gets its first book.
    pub fn new(venue: &mut Venue, volatility: f64, seed: u64, now: Nanos) -> Market {
        let instruments = venue.assets.iter().map(|asset| asset.market.clone()).collect();
        let config = SyntheticConfig { instruments, volatility, ..SyntheticConfig::default() };
        let mut market = Market { model: Synthetic::new(config, seed, now), ops: Vec::new() };
        for asset in 0..venue.assets.len() {
            market.model.open(asset, &mut market.ops);
            for op in market.ops.drain(..) {
                if let MarketOp::Set { side, px, qty } = op {
                    venue.markets[asset].liquidity.set(side, px, qty);
                }
            }
            let bid = venue.best(asset, Side::Buy).unwrap_or(ONE);
            let entry = &mut venue.markets[asset];
            (entry.last, entry.last_day) = (bid, bid);
        }
        market
    }

    /// Lets the market go on until `now`; gives the steps done.
    pub fn turn(&mut self, venue: &mut Venue, tape: &mut Tape, now: Nanos) -> usize {
        let mut work = 0;
        while work < PER_TURN {
            let Some((asset, at)) = self.model.due(now) else { break };
            work += 1;
            self.model.step(asset, at, &venue.markets[asset].liquidity.book, &mut self.ops);
            let open = venue.assets[asset].is_crypto()
                || venue.phase != Phase::Closed
                || venue.assets[asset].symbol == super::assets::TEST_SYMBOL;
            if !open || venue.markets[asset].halted {
                // Nobody quotes: the model's price goes on unseen, and the market opens where it then is.
                self.ops.clear();
                continue;
            }
            let mut ops = std::mem::take(&mut self.ops);
            for op in ops.drain(..) {
                apply(venue, tape, asset, op);
            }
            self.ops = ops;
            tape.quoted(venue, asset);
            venue.work(asset);
        }
        work
    }

    /// Sets a market by hand: a scripted quote with nothing else in the book, and perhaps a trade.
    pub fn script(
        venue: &mut Venue,
        tape: &mut Tape,
        asset: usize,
        quote: Option<(i64, i64)>,
        size: i64,
        trade: Option<i64>,
    ) {
        if let Some((bid, ask)) = quote {
            for side in Side::BOTH {
                let levels: Vec<i64> = venue.markets[asset].liquidity.book.levels(side).map(|(px, _)| px).collect();
                for px in levels {
                    apply(venue, tape, asset, MarketOp::Set { side, px, qty: 0 });
                }
            }
            apply(venue, tape, asset, MarketOp::Set { side: Side::Buy, px: bid, qty: size });
            apply(venue, tape, asset, MarketOp::Set { side: Side::Sell, px: ask, qty: size });
            tape.quoted(venue, asset);
        }
        if let Some(px) = trade {
            tape.printed(venue, asset, Print { px, qty: size.max(ONE), taker: Side::Buy });
            venue.market_traded(asset, px);
        }
        venue.work(asset);
    }
}

fn apply(venue: &mut Venue, tape: &mut Tape, asset: usize, op: MarketOp) {
    match op {
        MarketOp::Set { side, px, qty } => {
            // Depth that the model adds behind a thin book may lie beyond a touch that has just moved: it is left out.
            let other = venue.markets[asset].liquidity.book.best(side.opposite());
            if qty > 0 && other.is_some_and(|(other, _)| side.reaches(px, other)) {
                return;
            }
            venue.markets[asset].liquidity.set(side, px, qty);
            tape.level(asset, side, px, qty);
        }
        MarketOp::Take { side, qty, limit } => {
            let Some((px, there)) = venue.markets[asset].liquidity.best(side.opposite()) else { return };
            if !side.reaches(limit, px) {
                return;
            }
            let qty = qty.min(there);
            let opposite = side.opposite();
            let left = venue.markets[asset].liquidity.book.qty(opposite, px) - qty;
            // The touch never empties by a trade alone: the model withdraws it.
            if left > 0 {
                venue.markets[asset].liquidity.set(opposite, px, left);
                tape.level(asset, opposite, px, left);
            }
            tape.printed(venue, asset, Print { px, qty, taker: side });
            venue.market_traded(asset, px);
        }
    }
}
