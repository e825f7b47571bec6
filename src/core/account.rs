//! Balances by venue and asset, and what our own working orders hold of them.
//!
//! Invariant: `reserved` is the sum of `Order::reserved` over the live orders that pay with the asset at the venue.

use crate::domain::{AssetId, Balance, MAX_ASSETS, MAX_VENUES, VenueId};
use crate::wire_struct;

/// All in units of 10^-8 of the asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holding {
    /// Free and locked together: the venue's last word, and the fills since.
    pub total: i64,
    /// Held by our live orders.
    pub reserved: i64,
    /// Locked at the venue by orders that are not ours, as of its last word.
    pub foreign: i64,
    /// The venue has spoken of it.
    pub known: bool,
}
wire_struct!(Holding { total, reserved, foreign, known });

impl Holding {
    #[inline]
    pub fn available(&self) -> i64 {
        self.total.saturating_sub(self.reserved).saturating_sub(self.foreign)
    }
}

pub struct Account {
    holdings: Box<[Holding]>,
    /// Venues that have stated their balances at least once.
    stated: [bool; MAX_VENUES],
}

impl Account {
    pub fn new() -> Account {
        Account {
            holdings: vec![Holding::default(); MAX_VENUES * MAX_ASSETS].into_boxed_slice(),
            stated: [false; MAX_VENUES],
        }
    }

    #[inline]
    fn at(venue: VenueId, asset: AssetId) -> Option<usize> {
        (venue.index() < MAX_VENUES && asset.index() < MAX_ASSETS).then(|| venue.index() * MAX_ASSETS + asset.index())
    }

    #[inline]
    pub fn get(&self, venue: VenueId, asset: AssetId) -> Holding {
        Account::at(venue, asset).map(|at| self.holdings[at]).unwrap_or_default()
    }

    /// Whether the venue's balances are known; an asset it did not name is then zero.
    #[inline]
    pub fn is_stated(&self, venue: VenueId) -> bool {
        self.stated.get(venue.index()).copied().unwrap_or(false)
    }

    /// The venue's word, absolute. Returns the change of the total.
    pub fn state(&mut self, balance: &Balance) -> Option<i64> {
        let holding = &mut self.holdings[Account::at(balance.venue, balance.asset)?];
        let total = balance.free.checked_add(balance.locked)?;
        let change = total.checked_sub(holding.total)?;
        holding.total = total;
        holding.foreign = balance.locked.saturating_sub(holding.reserved).max(0);
        holding.known = true;
        self.stated[balance.venue.index()] = true;
        Some(change)
    }

    /// What a fill moved, before the venue's own word on it.
    #[inline]
    pub fn shift(&mut self, venue: VenueId, asset: AssetId, change: i64) -> Option<()> {
        let holding = &mut self.holdings[Account::at(venue, asset)?];
        holding.total = holding.total.checked_add(change)?;
        Some(())
    }

    #[inline]
    pub fn reserve(&mut self, venue: VenueId, asset: AssetId, change: i64) {
        if let Some(at) = Account::at(venue, asset) {
            let holding = &mut self.holdings[at];
            holding.reserved = holding.reserved.saturating_add(change);
        }
    }

    /// Every holding the venues have spoken of.
    pub fn known(&self) -> impl Iterator<Item = (VenueId, AssetId, &Holding)> {
        self.holdings
            .iter()
            .enumerate()
            .filter(|(_, h)| h.known)
            .map(|(at, h)| (VenueId((at / MAX_ASSETS) as u8), AssetId((at % MAX_ASSETS) as u16), h))
    }
}

impl Default for Account {
    fn default() -> Self {
        Account::new()
    }
}
