//! The synthetic market: correlated random walks with switching trends, and a book that follows them.
//!
//! Invariants:
//! - Everything follows from the seed and the times of the turns.
//! - The model sees the market's own book only and never crosses it.

use super::book::Book;
use super::{Side, SimInstrument, SyntheticConfig};

/// What the market does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarketOp {
    /// A level's new absolute quantity; zero removes it.
    Set { side: Side, px: i64, qty: i64 },
    /// Somebody takes up to `qty` not worse than `limit`.
    Take { side: Side, qty: i64, limit: i64 },
}

const NS: f64 = 1e9;
/// A turn that comes later than this finds the market where it was: time that nobody saw is not made up for.
const LAG_MAX_NS: i64 = 1_000_000_000;

struct State {
    instrument: SimInstrument,
    fair: f64,
    stepped_ns: i64,
    next_ns: i64,
    common_seen: f64,
    /// -1, 0 or 1 times the configured drift.
    trend: f64,
    trend_until_ns: i64,
    /// The price stays where it is.
    still: bool,
    /// It was put elsewhere: nothing of the book holds any more.
    put: bool,
}

/// The process behind all instruments.
pub struct Synthetic {
    config: SyntheticConfig,
    rng: fastrand::Rng,
    common: f64,
    common_ns: i64,
    states: Vec<State>,
}

impl Synthetic {
    pub fn new(config: SyntheticConfig, seed: u64, now: i64) -> Synthetic {
        let states = config
            .instruments
            .iter()
            .map(|instrument| State {
                fair: instrument.px_start as f64,
                instrument: instrument.clone(),
                stepped_ns: now,
                next_ns: now,
                common_seen: 0.0,
                trend: 0.0,
                trend_until_ns: now,
                still: false,
                put: false,
            })
            .collect();
        Synthetic { config, rng: fastrand::Rng::with_seed(seed), common: 0.0, common_ns: now, states }
    }

    /// Goes on from a price known from before a restart.
    pub fn resume_at(&mut self, instrument: usize, px: i64) {
        self.states[instrument].fair = px as f64;
    }

    /// The price jumps there at the next step, within what the filters let it be; still, it stays.
    pub fn put(&mut self, instrument: usize, px: i64, still: bool) {
        let state = &mut self.states[instrument];
        (state.fair, state.still, state.put) = (px as f64, still, true);
    }

    /// The instrument and time of the next change that is due by `now`.
    pub fn due(&mut self, now: i64) -> Option<(usize, i64)> {
        let (index, state) = self.states.iter_mut().enumerate().min_by_key(|(_, s)| s.next_ns)?;
        if state.next_ns > now {
            return None;
        }
        if now - state.next_ns > LAG_MAX_NS {
            state.next_ns = now;
            state.stepped_ns = state.stepped_ns.max(now - LAG_MAX_NS);
        }
        Some((index, state.next_ns))
    }

    /// The first book of an instrument.
    pub fn open(&mut self, index: usize, ops: &mut Vec<MarketOp>) {
        let (bid, ask) = self.quote(index);
        for (side, touch) in [(Side::Buy, bid), (Side::Sell, ask)] {
            let mut px = touch;
            for depth in 0..self.states[index].instrument.levels {
                let qty = self.level_qty(index, depth);
                ops.push(MarketOp::Set { side, px, qty });
                px = self.away(index, side, px, depth);
                if px <= 0 {
                    break;
                }
            }
        }
    }

    /// One step of one instrument at `at`, as changes to its `book`.
    pub fn step(&mut self, index: usize, at: i64, book: &Book, ops: &mut Vec<MarketOp>) {
        let elapsed = self.advance(index, at);
        let put = std::mem::take(&mut self.states[index].put);
        let touch = (book.best(Side::Buy), book.best(Side::Sell));
        let (false, (Some((bid, _)), Some((ask, _)))) = (put, touch) else {
            for side in Side::BOTH {
                ops.extend(book.levels(side).map(|(px, _)| MarketOp::Set { side, px, qty: 0 }));
            }
            return self.open(index, ops);
        };
        let (new_bid, new_ask) = self.quote(index);
        // A touch holds until the fair price has left it by a fraction of a basis point, as real ones do.
        let hold = (bid as f64 * 0.3e-4 * self.rng.f64()) as i64;
        if new_bid > bid + hold {
            self.lift(index, Side::Buy, new_bid, new_ask, book, ops);
        } else if new_ask < ask - hold {
            self.lift(index, Side::Sell, new_ask, new_bid, book, ops);
        } else {
            self.flicker(index, (bid, ask), book, ops);
            let instrument = &self.states[index].instrument;
            if self.rng.f64() < instrument.trades_per_second * elapsed {
                self.trade(index, (bid, ask), book, ops);
            }
        }
        for side in Side::BOTH {
            self.keep_depth(index, side, book, ops);
        }
    }

    /// Moves the fair price to `at` and draws the time of the next step; gives the seconds passed.
    fn advance(&mut self, index: usize, at: i64) -> f64 {
        let common_dt = (at - self.common_ns).max(0) as f64 / NS;
        self.common += common_dt.sqrt() * normal(&mut self.rng);
        self.common_ns = self.common_ns.max(at);
        let state = &mut self.states[index];
        if at >= state.trend_until_ns {
            state.trend = f64::from(self.rng.i8(-1..=1));
            let length = exponential(&mut self.rng) * self.config.trend_seconds.max(0.1);
            state.trend_until_ns = at + (length * NS) as i64;
        }
        let dt = (at - state.stepped_ns).max(0) as f64 / NS;
        let own = (1.0 - state.instrument.correlation.powi(2)).max(0.0).sqrt() * dt.sqrt() * normal(&mut self.rng);
        let shared = state.instrument.correlation * (self.common - state.common_seen);
        let volatility = state.instrument.volatility * self.config.volatility;
        let mut moved = volatility * (shared + own + state.trend * self.config.trend * dt);
        // A weak pull to the start keeps a long run within the price filter.
        let mut pull = 1e-4 * dt * (state.instrument.px_start as f64 / state.fair).ln();
        if state.still {
            (moved, pull) = (0.0, 0.0);
        }
        state.fair = (state.fair * (moved + pull).exp())
            .clamp(state.instrument.tick as f64 * 1_000.0, state.instrument.px_max as f64 / 2.0);
        state.common_seen = self.common;
        state.stepped_ns = at;
        let wait = exponential(&mut self.rng) / state.instrument.quotes_per_second.max(0.01);
        state.next_ns = at + (wait * NS) as i64 + 1;
        dt
    }

    /// Bid and ask around the fair price: mostly one tick apart.
    fn quote(&mut self, index: usize) -> (i64, i64) {
        let spread = match self.rng.u8(..) {
            0..=229 => 1,
            230..=245 => 2,
            246..=252 => 4,
            _ => 9,
        };
        let state = &self.states[index];
        let tick = state.instrument.tick;
        let bid = (state.fair as i64 / tick - spread / 2).max(1) * tick;
        (bid, bid + spread * tick)
    }

    /// The market moves over the opposite side: what is in the way is partly traded, partly withdrawn.
    fn lift(&mut self, index: usize, side: Side, touch: i64, other: i64, book: &Book, ops: &mut Vec<MarketOp>) {
        let opposite = side.opposite();
        let in_the_way: Vec<(i64, i64)> =
            book.levels(opposite).take_while(|(px, _)| !opposite.key(*px).ge(&opposite.key(other))).collect();
        if let Some(&(px, qty)) = in_the_way.first()
            && self.rng.bool()
        {
            ops.push(MarketOp::Take { side, qty, limit: px });
        }
        ops.extend(in_the_way.iter().map(|&(px, _)| MarketOp::Set { side: opposite, px, qty: 0 }));
        ops.push(MarketOp::Set { side, px: touch, qty: self.level_qty(index, 0) });
        let qty = self.level_qty(index, 0);
        ops.push(MarketOp::Set { side: opposite, px: other, qty });
        let mut px = touch;
        for depth in 0..self.rng.usize(1..5) {
            px = self.away(index, side, px, depth);
            let qty = self.level_qty(index, depth + 1);
            if px > 0 {
                ops.push(MarketOp::Set { side, px, qty });
            }
        }
    }

    /// Quantities change, levels come and go near the touch, the spread closes again.
    fn flicker(&mut self, index: usize, (bid, ask): (i64, i64), book: &Book, ops: &mut Vec<MarketOp>) {
        let tick = self.states[index].instrument.tick;
        if ask - bid > tick && self.rng.u8(..) < 180 {
            let (side, px) = if self.rng.bool() { (Side::Buy, ask - tick) } else { (Side::Sell, bid + tick) };
            let qty = self.level_qty(index, 0);
            ops.push(MarketOp::Set { side, px, qty });
        } else {
            let (side, px) = if self.rng.bool() { (Side::Buy, bid) } else { (Side::Sell, ask) };
            let qty = self.level_qty(index, 0);
            ops.push(MarketOp::Set { side, px, qty });
        }
        for _ in 0..self.rng.usize(1..4) {
            let side = if self.rng.bool() { Side::Buy } else { Side::Sell };
            let touch = if side == Side::Buy { bid } else { ask };
            let depth = self.rng.usize(1..12);
            let mut px = touch;
            for step in 0..depth {
                px = self.away(index, side, px, step);
            }
            if px <= 0 {
                continue;
            }
            let gone = book.qty(side, px) > 0 && self.rng.bool();
            let qty = if gone { 0 } else { self.level_qty(index, depth) };
            ops.push(MarketOp::Set { side, px, qty });
        }
    }

    /// Somebody trades at the touch, rarely with more than stands there.
    fn trade(&mut self, index: usize, (bid, ask): (i64, i64), book: &Book, ops: &mut Vec<MarketOp>) {
        let state = &self.states[index];
        let side = if self.rng.f64() < 0.5 + 0.2 * state.trend { Side::Buy } else { Side::Sell };
        let limit = if side == Side::Buy { ask } else { bid };
        let shown = book.qty(side.opposite(), limit);
        let lot = state.instrument.lot;
        let wanted = (shown as f64 * 0.08 * (1.1 * normal(&mut self.rng)).exp()) as i64;
        let qty = (wanted / lot * lot).clamp(lot, shown.max(lot));
        ops.push(MarketOp::Take { side, qty, limit });
    }

    /// Adds levels where a side has become thin, drops the farthest where it has become long.
    fn keep_depth(&mut self, index: usize, side: Side, book: &Book, ops: &mut Vec<MarketOp>) {
        let levels = self.states[index].instrument.levels;
        let len = book.len(side);
        if len < levels {
            if let Some((mut px, _)) = book.levels_from_the_far_end(side).next() {
                for depth in len..levels.min(len + 4) {
                    px = self.away(index, side, px, depth);
                    let qty = self.level_qty(index, depth);
                    if px > 0 {
                        ops.push(MarketOp::Set { side, px, qty });
                    }
                }
            }
        } else if len > levels + levels / 2 {
            let far = book.levels_from_the_far_end(side).take(4);
            ops.extend(far.map(|(px, _)| MarketOp::Set { side, px, qty: 0 }));
        }
    }

    /// The next price away from the touch, gaps widening with depth.
    fn away(&mut self, index: usize, side: Side, px: i64, depth: usize) -> i64 {
        let tick = self.states[index].instrument.tick;
        let gap_max = 2 + depth as i64 * 2;
        let gap = self.rng.i64(1..=gap_max) * tick;
        if side == Side::Buy { px - gap } else { px + gap }
    }

    /// A quantity around the instrument's usual one, in whole lots, at least one.
    fn level_qty(&mut self, index: usize, depth: usize) -> i64 {
        let instrument = &self.states[index].instrument;
        let share = if depth == 0 { 1.0 } else { 0.35 + 0.01 * depth as f64 };
        let drawn = instrument.touch_qty as f64 * share * (0.9 * normal(&mut self.rng) - 0.4).exp();
        (drawn as i64 / instrument.lot).max(1) * instrument.lot
    }
}

/// A standard normal number (Box and Muller).
fn normal(rng: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

/// An exponential number with mean 1.
fn exponential(rng: &mut fastrand::Rng) -> f64 {
    -(1.0 - rng.f64()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, seconds: i64) -> (Book, Vec<f64>, usize) {
        let config = SyntheticConfig { instruments: vec![SimInstrument::btcusdt()], ..Default::default() };
        let mut market = Synthetic::new(config, seed, 0);
        let mut book = Book::default();
        let mut ops = Vec::new();
        let mut steps = 0;
        market.open(0, &mut ops);
        let mut mids = Vec::new();
        for second in 1..=seconds {
            while let Some((index, at)) = market.due(second * 1_000_000_000) {
                market.step(index, at, &book, &mut ops);
                steps += 1;
                for op in ops.drain(..) {
                    match op {
                        MarketOp::Set { side, px, qty } => book.set(side, px, qty),
                        MarketOp::Take { side, qty, limit } => {
                            let left = book.qty(side.opposite(), limit) - qty;
                            book.set(side.opposite(), limit, left.max(0));
                        }
                    }
                }
                let (bid, ask) = (book.best(Side::Buy).unwrap(), book.best(Side::Sell).unwrap());
                assert!(bid.0 < ask.0, "crossed after step {steps} with seed {seed}: {bid:?} {ask:?}");
            }
            let mid = (book.best(Side::Buy).unwrap().0 + book.best(Side::Sell).unwrap().0) as f64 / 2.0;
            mids.push(mid);
        }
        (book, mids, steps)
    }

    #[test]
    fn the_book_never_crosses_and_keeps_its_depth() {
        for seed in 0..5 {
            let (book, mids, steps) = run(seed, 120);
            for side in Side::BOTH {
                assert!((40..=200).contains(&book.len(side)), "{} levels with seed {seed}", book.len(side));
            }
            assert!((2_400..9_600).contains(&steps), "{steps} steps in two minutes");
            let moved = (mids.last().unwrap() / mids[0]).ln().abs();
            assert!(moved < 0.05, "moved by {moved} with seed {seed}");
        }
    }

    #[test]
    fn an_average_cross_sampled_each_second_trades_a_few_times_a_minute() {
        let (_, mids, _) = run(7, 600);
        let (mut fast, mut slow) = (mids[0], mids[0]);
        let mut crosses = 0;
        let mut above = None;
        for mid in mids {
            fast += (mid - fast) * 2.0 / 6.0;
            slow += (mid - slow) * 2.0 / 21.0;
            let now = fast > slow;
            crosses += usize::from(above.is_some_and(|was| was != now));
            above = Some(now);
        }
        assert!((15..200).contains(&crosses), "{crosses} crosses in ten minutes");
    }

    #[test]
    fn a_price_that_is_put_is_where_the_market_goes_and_stays_while_still() {
        let config = SyntheticConfig { instruments: vec![SimInstrument::btcusdt()], ..Default::default() };
        let mut market = Synthetic::new(config, 3, 0);
        let (mut book, mut ops) = (Book::default(), Vec::new());
        market.open(0, &mut ops);
        let mut until = 0;
        for px in [90_000, 105_000, 20_000] {
            market.put(0, px * 100_000_000, true);
            until += 5_000_000_000;
            loop {
                for op in ops.drain(..) {
                    if let MarketOp::Set { side, px, qty } = op {
                        book.set(side, px, qty);
                    }
                }
                let Some((index, at)) = market.due(until) else { break };
                market.step(index, at, &book, &mut ops);
            }
            for side in Side::BOTH {
                let off = (book.best(side).unwrap().0 - px * 100_000_000).abs();
                assert!(off < px * 100_000_000 / 10_000, "{side:?} is {off} away from {px}");
            }
        }
    }

    #[test]
    fn the_seed_decides_everything() {
        assert_eq!(run(3, 20).0, run(3, 20).0);
        assert_ne!(run(3, 20).0, run(4, 20).0);
    }
}
