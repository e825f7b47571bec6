//! What is kept for each source of orders (a strategy; 0 is people and programs), for each venue and for the day, that
//! the gate holds orders against.

use super::command::TradingState;
use super::portfolio::Working;
use super::risk::{Allowed, Bucket, DayCount, Run};
use crate::domain::{MAX_VENUES, Qty, StrategyId, VenueId};
use crate::wire_struct;

/// One source of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Desk {
    pub trading: TradingState,
    pub rate: Bucket,
    pub run: Run,
    /// A strategy's own fills, signed, and what of its orders works; in its instrument's scale.
    pub net: Qty,
    pub working: Working,
    /// What it may trade.
    pub allowed: Allowed,
}
wire_struct!(Desk { trading, rate, run, net, working, allowed });

impl Desk {
    /// The greatest absolute quantity that it can come to if its orders fill, with `buy` and `sell` more.
    #[inline]
    pub fn worst_qty(&self, buy: i64, sell: i64) -> Option<i64> {
        let long = self.net.0.checked_add(self.working.buy.0)?.checked_add(buy)?;
        let short = self.net.0.checked_sub(self.working.sell.0)?.checked_sub(sell)?;
        Some(long.checked_abs()?.max(short.checked_abs()?))
    }
}

pub struct Desks {
    /// One for every id there can be, so that none lacks.
    desks: Box<[Desk; 256]>,
    rates: [Bucket; MAX_VENUES],
    pub day: DayCount,
}

impl Desks {
    pub fn new() -> Desks {
        Desks { desks: Box::new([Desk::default(); 256]), rates: Default::default(), day: DayCount::default() }
    }

    #[inline]
    pub fn get(&self, strategy: StrategyId) -> &Desk {
        &self.desks[usize::from(strategy.0)]
    }

    #[inline]
    pub fn get_mut(&mut self, strategy: StrategyId) -> &mut Desk {
        &mut self.desks[usize::from(strategy.0)]
    }

    /// The messages to a venue. One that does not exist shares the first's: nothing is sent there.
    #[inline]
    pub fn rate(&self, venue: VenueId) -> &Bucket {
        self.rates.get(venue.index()).unwrap_or(&self.rates[0])
    }

    /// A message goes to a venue.
    #[inline]
    pub fn message(&mut self, venue: VenueId, strategy: StrategyId, now: i64, interval_ns: i64) {
        self.get_mut(strategy).rate.take(now, interval_ns);
        if let Some(rate) = self.rates.get_mut(venue.index()) {
            rate.take(now, interval_ns);
        }
    }

    /// Every source by its id.
    pub fn all(&self) -> impl Iterator<Item = (StrategyId, &Desk)> {
        self.desks.iter().enumerate().map(|(id, desk)| (StrategyId(id as u8), desk))
    }

    pub(super) fn rates(&self) -> &[Bucket; MAX_VENUES] {
        &self.rates
    }
}

impl Default for Desks {
    fn default() -> Self {
        Desks::new()
    }
}
