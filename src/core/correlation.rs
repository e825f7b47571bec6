//! Which instruments move together, and how much each moves: rolling sums over samples of their returns.
//!
//! Every `correlation_sample_ns` the return of each instrument's mid since the sample before is taken, and of each
//! pair the sums over the window's common samples are brought up to date: what comes in is added, what leaves is
//! taken off. Returns are whole numbers of 10^-8 and the sums are exact, so nothing drifts however long it runs, and
//! no float is needed: `moves_with` compares squares. The work of a sample is spread: one instrument's row a tick.
//!
//! Two instruments are linked where their correlation (Pearson's, of simple returns, either sign) is at least the
//! threshold, or where they have too few samples in common to say. Groups are what links connect. An instrument that
//! has too few samples itself, or did not move at all, is of no known group.

use super::config::Limits;
use super::portfolio::Inst;
use crate::domain::wire::{Reader, Wire, Writer};
use crate::domain::{InstrumentId, MAX_INSTRUMENTS, Nanos};

/// Most samples in a window: as many as sums of squares of whole returns have room for in 64 bits.
pub const SAMPLES_MAX: usize = 512;
/// A return is kept in units of 10^-8 and cut to one whole either way.
const RETURN_ONE: i64 = 100_000_000;
/// No return: the instrument had no price at one of the two ends.
const NONE: i32 = i32::MIN;
/// Sums kept a pair: samples in common, x, y, xx, yy, xy.
const SUMS: usize = 6;
const DAY_NS: i128 = 86_400_000_000_000;
/// One bit an instrument.
type Set = [u64; MAX_INSTRUMENTS / 64];

/// A group of instruments that move together, by its number; 0: not known yet, or it does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Group(pub u16);

impl Wire for Group {
    fn put(&self, w: &mut Writer) {
        self.0.put(w);
    }
    fn get(r: &mut Reader) -> Option<Self> {
        u16::get(r).map(Group)
    }
}

impl Group {
    pub fn is_unknown(self) -> bool {
        self.0 == 0
    }
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The sums of one pair over the samples that both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PairSums {
    pub n: i64,
    pub x: i64,
    pub y: i64,
    pub xx: i64,
    pub yy: i64,
    pub xy: i64,
}

impl PairSums {
    fn add(&mut self, x: i32, y: i32, sign: i64) {
        let (x, y) = (i64::from(x), i64::from(y));
        self.n += sign;
        self.x += sign * x;
        self.y += sign * y;
        self.xx += sign * x * x;
        self.yy += sign * y * y;
        self.xy += sign * x * y;
    }

    /// `n² ×` covariance, and both variances.
    pub fn moments(&self) -> (i128, i128, i128) {
        let of =
            |product: i64, a: i64, b: i64| i128::from(self.n) * i128::from(product) - i128::from(a) * i128::from(b);
        (of(self.xy, self.x, self.y), of(self.xx, self.x, self.x), of(self.yy, self.y, self.y))
    }

    /// The one place where a correlation is held against the threshold: `|r| ≥ threshold`, squared and without the
    /// division, exact. `None` where one of the two did not move.
    fn moves_with(&self, threshold_ppm: u32) -> Option<bool> {
        let (cov, x, y) = self.moments();
        if x <= 0 || y <= 0 {
            return None;
        }
        let threshold = u128::from(threshold_ppm);
        let side = cov.unsigned_abs() * 1_000_000;
        Some(wide(side, side) >= wide(threshold * x.unsigned_abs(), threshold * y.unsigned_abs()))
    }
}

/// The whole product, upper half first.
fn wide(a: u128, b: u128) -> (u128, u128) {
    const HALF: u128 = (1 << 64) - 1;
    let (a1, a0, b1, b0) = (a >> 64, a & HALF, b >> 64, b & HALF);
    let (low, mid, other) = (a0 * b0, a1 * b0, a0 * b1);
    let carry = ((low >> 64) + (mid & HALF) + (other & HALF)) >> 64;
    let lower = low.wrapping_add(mid << 64).wrapping_add(other << 64);
    (a1 * b1 + (mid >> 64) + (other >> 64) + carry, lower)
}

pub struct Correlation {
    window: usize,
    interval_ns: Nanos,
    /// Number of the last sample's time, in intervals.
    sampled: i64,
    /// Instruments that are looked at: those defined so far.
    count: usize,
    /// The mid at the last sample; 0: none.
    mids: Box<[i64]>,
    /// The window's returns: of the sample in slot `s`, instrument `i` at `s × MAX_INSTRUMENTS + i`.
    returns: Box<[i32]>,
    slot: usize,
    /// What the last sample brought and what it displaced, until every row has them.
    new: Box<[i32]>,
    old: Box<[i32]>,
    /// The next row to bring up to date; `count` where all are.
    row: usize,
    /// Of pair (i, j), i ≤ j.
    sums: Box<[i64]>,
    links: Box<[Set]>,
    groups: Box<[Group]>,
    /// What it moves in a day of 24 hours, one standard deviation, parts per million; 0: not known.
    moves_ppm: Box<[u32]>,
}

/// Where the sums of a pair stand.
#[inline]
fn at(i: usize, j: usize) -> usize {
    (i * (2 * MAX_INSTRUMENTS - i + 1) / 2 + (j - i)) * SUMS
}

impl Correlation {
    pub fn new() -> Correlation {
        Correlation {
            window: 0,
            interval_ns: 0,
            sampled: 0,
            count: 0,
            mids: vec![0; MAX_INSTRUMENTS].into_boxed_slice(),
            returns: vec![NONE; SAMPLES_MAX * MAX_INSTRUMENTS].into_boxed_slice(),
            slot: 0,
            new: vec![NONE; MAX_INSTRUMENTS].into_boxed_slice(),
            old: vec![NONE; MAX_INSTRUMENTS].into_boxed_slice(),
            row: 0,
            sums: vec![0; at(MAX_INSTRUMENTS - 1, MAX_INSTRUMENTS - 1) + SUMS].into_boxed_slice(),
            links: vec![Set::default(); MAX_INSTRUMENTS].into_boxed_slice(),
            groups: vec![Group::default(); MAX_INSTRUMENTS].into_boxed_slice(),
            moves_ppm: vec![0; MAX_INSTRUMENTS].into_boxed_slice(),
        }
    }

    /// Takes the limits: another window or interval begins anew. True where groups are to be told again.
    pub fn configure(&mut self, limits: &Limits) -> bool {
        let window = (limits.correlation_window as usize).min(SAMPLES_MAX);
        if (window, limits.correlation_sample_ns) == (self.window, self.interval_ns) {
            return false;
        }
        (self.window, self.interval_ns) = (window, limits.correlation_sample_ns);
        self.forget();
        true
    }

    fn forget(&mut self) {
        self.mids.fill(0);
        self.returns.fill(NONE);
        self.sums.fill(0);
        self.new.fill(NONE);
        self.old.fill(NONE);
        self.groups.fill(Group::default());
        self.moves_ppm.fill(0);
        (self.slot, self.row, self.count, self.sampled) = (0, 0, 0, 0);
    }

    /// Links broke: what a price did meanwhile is not a move between two samples.
    pub fn interrupt(&mut self) {
        self.mids.fill(0);
    }

    /// Time passes. True where groups and moves have changed.
    pub fn on_tick<'a>(&mut self, now: Nanos, limits: &Limits, insts: impl Iterator<Item = &'a Inst>) -> bool {
        if self.window == 0 || self.interval_ns <= 0 {
            return false;
        }
        let sample = now.div_euclid(self.interval_ns);
        if sample == self.sampled {
            return self.row < self.count && self.bring_row(limits);
        }
        let mut changed = false;
        while self.row < self.count {
            changed |= self.bring_row(limits);
        }
        let passed = sample.saturating_sub(self.sampled);
        if passed < 0 || passed > self.window as i64 {
            changed = self.sampled != 0;
            self.forget();
        } else if passed > 1 {
            self.interrupt();
        }
        self.sampled = sample;
        self.take(insts);
        changed
    }

    /// Takes a sample of every instrument into the slot of the oldest.
    fn take<'a>(&mut self, insts: impl Iterator<Item = &'a Inst>) {
        let slot = self.slot * MAX_INSTRUMENTS;
        self.slot = (self.slot + 1) % self.window;
        self.row = 0;
        let returns = &mut self.returns[slot..slot + MAX_INSTRUMENTS];
        self.old.copy_from_slice(returns);
        self.new.fill(NONE);
        for inst in insts {
            let n = inst.def.id.index();
            self.count = self.count.max(n + 1);
            let (quote, before) = (&inst.quote, self.mids[n]);
            let priced = inst.quote_ns != 0 && quote.bid_px.0 > 0 && quote.bid_px < quote.ask_px;
            let mid = if priced { quote.mid().0 } else { 0 };
            self.mids[n] = mid;
            if mid > 0 && before > 0 {
                let change = i128::from(mid - before) * i128::from(RETURN_ONE) / i128::from(before);
                let one = i128::from(RETURN_ONE);
                self.new[n] = change.clamp(-one, one) as i32;
            }
        }
        returns.copy_from_slice(&self.new);
    }

    /// Brings the pairs of one instrument with those behind it up to the last sample. True where it was the last row.
    fn bring_row(&mut self, limits: &Limits) -> bool {
        let i = self.row;
        let (new_x, old_x) = (self.new[i], self.old[i]);
        let (samples_min, threshold) = (i64::from(limits.correlation_samples_min), limits.correlation_threshold_ppm);
        let mut links = Set::default();
        for j in i..self.count {
            let sums = &mut self.sums[at(i, j)..at(i, j) + SUMS];
            let mut pair = PairSums { n: sums[0], x: sums[1], y: sums[2], xx: sums[3], yy: sums[4], xy: sums[5] };
            if old_x != NONE && self.old[j] != NONE {
                pair.add(old_x, self.old[j], -1);
            }
            if new_x != NONE && self.new[j] != NONE {
                pair.add(new_x, self.new[j], 1);
            }
            sums.copy_from_slice(&[pair.n, pair.x, pair.y, pair.xx, pair.yy, pair.xy]);
            let linked = if pair.n < samples_min { None } else { pair.moves_with(threshold) };
            if i == j {
                self.moves_ppm[i] = match linked {
                    Some(_) => moves_a_day(&pair, self.interval_ns),
                    None => 0,
                };
            }
            if linked.unwrap_or(i != j) {
                links[j / 64] |= 1 << (j % 64);
            }
        }
        self.links[i] = links;
        self.row += 1;
        if self.row == self.count {
            self.group();
        }
        self.row == self.count
    }

    /// What links connect is a group. Instruments that are not known are left out.
    fn group(&mut self) {
        let mut known = Set::default();
        for n in 0..self.count {
            known[n / 64] |= self.links[n][n / 64] & 1 << (n % 64);
        }
        self.groups.fill(Group::default());
        let mut next = 1;
        for i in 0..self.count {
            if known[i / 64] >> (i % 64) & 1 == 0 {
                continue;
            }
            if self.groups[i].is_unknown() {
                self.groups[i] = Group(next);
                next += 1;
            }
            // Links point to greater numbers only; where one leads to another group, both become one.
            for (word, known) in known.iter().enumerate().skip(i / 64) {
                let mut bits = self.links[i][word] & known;
                while bits != 0 {
                    let j = word * 64 + bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    let (mine, other) = (self.groups[i], self.groups[j]);
                    if other.is_unknown() {
                        self.groups[j] = mine;
                    } else if other != mine {
                        let (keep, give) = (mine.0.min(other.0), mine.0.max(other.0));
                        for group in self.groups.iter_mut().filter(|group| group.0 == give) {
                            group.0 = keep;
                        }
                    }
                }
            }
        }
    }

    pub fn group_of(&self, id: InstrumentId) -> Group {
        self.groups.get(id.index()).copied().unwrap_or_default()
    }

    /// What it moves in a day, one standard deviation, parts per million; 0: not known.
    pub fn moves_ppm(&self, id: InstrumentId) -> u32 {
        self.moves_ppm.get(id.index()).copied().unwrap_or_default()
    }

    /// The sums of two instruments: what people are shown a correlation from.
    pub fn pair(&self, a: InstrumentId, b: InstrumentId) -> PairSums {
        let (i, j) = (a.index().min(b.index()), a.index().max(b.index()));
        if j >= MAX_INSTRUMENTS {
            return PairSums::default();
        }
        let sums = &self.sums[at(i, j)..at(i, j) + SUMS];
        PairSums { n: sums[0], x: sums[1], y: sums[2], xx: sums[3], yy: sums[4], xy: sums[5] }
    }

    /// What a state hash needs: everything follows from the samples, and from how far they have been taken in.
    pub(super) fn each_state(&self, mut see: impl FnMut(i64)) {
        for n in [self.sampled, self.slot as i64, self.row as i64, self.count as i64] {
            see(n);
        }
        for n in 0..self.count {
            see(self.mids[n]);
            see(i64::from(self.groups[n].0) << 32 | i64::from(self.moves_ppm[n]));
            for slot in 0..self.window {
                see(self.returns[slot * MAX_INSTRUMENTS + n].into());
            }
        }
    }
}

impl Default for Correlation {
    fn default() -> Self {
        Correlation::new()
    }
}

/// Standard deviation (of a sample) over a day of 24 hours, parts per million, of returns `interval_ns` apart.
fn moves_a_day(own: &PairSums, interval_ns: Nanos) -> u32 {
    if own.n < 2 {
        return 0;
    }
    let (_, variance, _) = own.moments();
    // The largest product, 512² × 10^16 × 10^14, has room.
    let a_day = variance * DAY_NS / (i128::from(own.n) * i128::from(own.n - 1) * i128::from(interval_ns));
    let e8 = a_day.max(0).unsigned_abs().isqrt();
    // At least one: it is known to move.
    u32::try_from(e8 / 100).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Price, Quote};
    use proptest::prelude::*;

    const SECOND: Nanos = 1_000_000_000;

    fn limits(window: u32, samples_min: u32) -> Limits {
        Limits {
            correlation_window: window,
            correlation_samples_min: samples_min,
            correlation_sample_ns: SECOND,
            correlation_threshold_ppm: 700_000,
            ..Limits::LOOSEST
        }
    }

    fn inst(n: usize, mid: Option<i64>) -> Inst {
        let id = InstrumentId(n as u16);
        let mut inst = Inst::default();
        inst.def.id = id;
        if let Some(mid) = mid {
            inst.quote = Quote { bid_px: Price(mid - 1), ask_px: Price(mid + 1), ..Quote::default() };
            inst.quote_ns = 1;
        }
        inst
    }

    /// Runs mids, a row a sample, through it; every tick a row, so that a sample is taken in before the next.
    fn run(limits: &Limits, rows: &[Vec<Option<i64>>]) -> Correlation {
        let mut all = Correlation::new();
        all.configure(limits);
        for (n, mids) in rows.iter().enumerate() {
            let insts: Vec<Inst> = mids.iter().enumerate().map(|(i, mid)| inst(i, *mid)).collect();
            for tick in 0..mids.len() as i64 + 2 {
                all.on_tick((n as i64 + 100) * SECOND + tick, limits, insts.iter());
            }
        }
        all
    }

    /// The plain way, over the whole window anew: means first, then deviations.
    fn naive(xs: &[Option<f64>], ys: &[Option<f64>]) -> (usize, f64) {
        let both: Vec<(f64, f64)> = xs.iter().zip(ys).filter_map(|(x, y)| Some(((*x)?, (*y)?))).collect();
        let n = both.len() as f64;
        let (mx, my) = (both.iter().map(|b| b.0).sum::<f64>() / n, both.iter().map(|b| b.1).sum::<f64>() / n);
        let cov: f64 = both.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
        let var = |of: fn(&(f64, f64)) -> f64, mean: f64| both.iter().map(|b| (of(b) - mean).powi(2)).sum::<f64>();
        (both.len(), cov / (var(|b| b.0, mx) * var(|b| b.1, my)).sqrt())
    }

    fn returns(rows: &[Vec<Option<i64>>], window: usize, of: usize) -> Vec<Option<f64>> {
        let all = rows.windows(2).map(|pair| {
            let (before, after) = (pair[0][of]?, pair[1][of]?);
            Some(((after - before) * 100_000_000 / before) as f64)
        });
        let all: Vec<Option<f64>> = all.collect();
        all[all.len().saturating_sub(window)..].to_vec()
    }

    proptest! {
        /// However long it ran and whatever was missing, the rolling sums are those of the window worked out anew, and
        /// links are made where that says so.
        #[test]
        fn rolling_sums_are_those_of_the_window(
            rows in prop::collection::vec(prop::collection::vec(prop::option::weighted(0.9, 900i64..1_100), 4), 2..120),
            window in 3u32..40,
        ) {
            let rows: Vec<Vec<Option<i64>>> =
                rows.into_iter().map(|row| row.into_iter().map(|px| px.map(|px| px * 1_000)).collect()).collect();
            let limits = limits(window, 3);
            let all = run(&limits, &rows);
            let mut linked = [[false; 4]; 4];
            let mut known = [false; 4];
            let pairs = || (0..4usize).flat_map(|i| (i..4).map(move |j| (i, j)));
            for (i, j) in pairs() {
                let (xs, ys) = (returns(&rows, window as usize, i), returns(&rows, window as usize, j));
                let (n, want) = naive(&xs, &ys);
                let pair = all.pair(InstrumentId(i as u16), InstrumentId(j as u16));
                prop_assert_eq!(pair.n as usize, n, "{} {}", i, j);
                let (cov, x, y) = pair.moments();
                let got = cov as f64 / ((x as f64) * (y as f64)).sqrt();
                if x > 0 && y > 0 {
                    prop_assert!((got - want).abs() < 1e-9, "{got} {want}");
                    prop_assume!((got.abs() - 0.7).abs() > 1e-9);
                }
                if i == j {
                    known[i] = n >= 3 && x > 0;
                } else {
                    linked[i][j] = n < 3 || x == 0 || y == 0 || got.abs() >= 0.7;
                }
            }
            // Groups are what links connect among the known.
            let mut want: Vec<usize> = (0..4).collect();
            for _ in 0..4 {
                for (i, j) in pairs() {
                    if i != j && linked[i][j] && known[i] && known[j] {
                        let low = want[i].min(want[j]);
                        (want[i], want[j]) = (low, low);
                    }
                }
            }
            for i in 0..4 {
                let group = |n: usize| all.group_of(InstrumentId(n as u16));
                prop_assert_eq!(group(i).is_unknown(), !known[i]);
                for j in i + 1..4 {
                    if known[i] && known[j] {
                        prop_assert_eq!(group(i) == group(j), want[i] == want[j], "{} {}", i, j);
                    }
                }
            }
        }

        #[test]
        fn a_wide_product_is_whole(a: u64, b: u64, c: u64, d: u64) {
            let (x, y) = (u128::from(a) << 40 | u128::from(b) >> 20, u128::from(c) << 40 | u128::from(d) >> 20);
            let (high, low) = wide(x, y);
            // Against the product modulo two primes and the lower half.
            prop_assert_eq!(low, x.wrapping_mul(y));
            for prime in [4_294_967_291u128, 4_294_967_279] {
                let two128 = (u128::MAX % prime + 1) % prime;
                let got = (high % prime * two128 + low % prime) % prime;
                prop_assert_eq!(got, (x % prime) * (y % prime) % prime);
            }
        }
    }

    #[test]
    fn what_moves_alike_or_against_each_other_is_one_group_and_what_does_not_is_not() {
        // 0 and 1 alike, 2 against them, 3 by itself, 4 has just come, 5 stands still.
        let step = |n: usize| if n * n % 7 < 3 { 1_000_000 + 1_000 * (n as i64 % 5) } else { 1_000_000 };
        let alone = |n: usize| if n.is_multiple_of(2) { 1_000_000 } else { 1_002_000 + (n as i64 * 37) % 900 };
        let rows: Vec<Vec<Option<i64>>> = (0..60)
            .map(|n| {
                let late = (n > 55).then_some(step(n));
                vec![Some(step(n)), Some(2 * step(n)), Some(4_000_000 - step(n)), Some(alone(n)), late, Some(500)]
            })
            .collect();
        let all = run(&limits(50, 20), &rows);
        let group = |n: u16| all.group_of(InstrumentId(n));
        assert_eq!((group(0), group(1)), (group(2), group(2)));
        assert!(!group(0).is_unknown() && !group(3).is_unknown() && group(3) != group(0));
        assert!(group(4).is_unknown() && group(5).is_unknown());
        assert_eq!((all.moves_ppm(InstrumentId(4)), all.moves_ppm(InstrumentId(5))), (0, 0));
    }

    #[test]
    fn a_day_of_moves_is_the_root_of_its_seconds() {
        // One per mille up and down in turn: the deviation of a second is about one per mille.
        let rows: Vec<Vec<Option<i64>>> =
            (0..101).map(|n| vec![Some(if n % 2 == 0 { 1_000_000 } else { 1_001_000 })]).collect();
        let all = run(&limits(100, 10), &rows);
        let (moves, want) = (all.moves_ppm(InstrumentId(0)) as f64, 1_000.0 * 86_400f64.sqrt());
        assert!((moves / want - 1.0).abs() < 0.01, "{moves} {want}");
    }

    #[test]
    fn a_break_is_no_move_and_one_longer_than_the_window_forgets() {
        let limits = limits(10, 2);
        let mut all = Correlation::new();
        all.configure(&limits);
        let tick = |all: &mut Correlation, second: i64, mid: i64| {
            all.on_tick(second * SECOND, &limits, [inst(0, Some(mid))].iter());
            all.on_tick(second * SECOND + 1, &limits, [inst(0, Some(mid))].iter())
        };
        for (second, mid) in [(100, 1_000), (101, 1_010), (102, 1_005), (103, 1_020)] {
            tick(&mut all, second, mid);
        }
        assert_eq!(all.pair(InstrumentId(0), InstrumentId(0)).n, 3);
        tick(&mut all, 106, 5_000);
        assert_eq!(all.pair(InstrumentId(0), InstrumentId(0)).n, 3, "nobody knows what it did within a second");
        tick(&mut all, 107, 5_050);
        assert_eq!(all.pair(InstrumentId(0), InstrumentId(0)).n, 4);
        tick(&mut all, 130, 5_050);
        assert_eq!(all.pair(InstrumentId(0), InstrumentId(0)).n, 0);
        assert!(all.group_of(InstrumentId(0)).is_unknown());
    }
}
