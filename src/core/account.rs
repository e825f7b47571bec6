//! Balances by venue and asset, and what our own working orders hold of them.
//!
//! Invariant: `reserved` is the sum of `Order::reserved` over the live orders that pay with the asset at the venue.

use crate::domain::{AssetId, Balance, MAX_ASSETS, MAX_VENUES, Margin, VenueId};
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

/// What an order pays with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purse {
    Asset(AssetId),
    BuyingPower,
    CashPower,
}

/// The powers of a margin account, which are one purse seen twice: what is bought on margin leaves less for what is
/// not, and what is paid in cash costs a multiple of buying power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Powers {
    pub known: bool,
    pub multiplier: u8,
    /// The venue's last word, what our orders held in it, and the fills since. Dollars, eight decimals.
    margin: i64,
    cash: i64,
    /// Held by our live orders.
    margin_held: i64,
    cash_held: i64,
}
wire_struct!(Powers { known, multiplier, margin, cash, margin_held, cash_held });

impl Powers {
    /// What money paid in cash takes of the buying power.
    #[inline]
    fn levered(&self, cash: i64) -> i64 {
        cash.saturating_mul(i64::from(self.multiplier.max(1)))
    }

    #[inline]
    pub fn buying_power(&self) -> i64 {
        self.margin.saturating_sub(self.margin_held).saturating_sub(self.levered(self.cash_held))
    }

    /// Each dollar on margin is taken for a dollar in cash: more than the venue takes, until it says so itself.
    #[inline]
    pub fn cash_power(&self) -> i64 {
        self.cash.saturating_sub(self.cash_held).saturating_sub(self.margin_held)
    }
}

pub struct Account {
    holdings: Box<[Holding]>,
    powers: [Powers; MAX_VENUES],
    /// Venues that have stated their balances at least once.
    stated: [bool; MAX_VENUES],
}

impl Account {
    pub fn new() -> Account {
        Account {
            holdings: vec![Holding::default(); MAX_VENUES * MAX_ASSETS].into_boxed_slice(),
            powers: [Powers::default(); MAX_VENUES],
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

    /// What an order holds changed.
    #[inline]
    pub fn reserve(&mut self, venue: VenueId, purse: Purse, change: i64) {
        let held = match purse {
            Purse::Asset(asset) => match Account::at(venue, asset) {
                Some(at) => &mut self.holdings[at].reserved,
                None => return,
            },
            Purse::BuyingPower => match self.powers.get_mut(venue.index()) {
                Some(powers) => &mut powers.margin_held,
                None => return,
            },
            Purse::CashPower => match self.powers.get_mut(venue.index()) {
                Some(powers) => &mut powers.cash_held,
                None => return,
            },
        };
        *held = held.saturating_add(change);
    }

    /// What an order held of a power became a position: it is spent, until the venue says otherwise.
    pub fn spend(&mut self, venue: VenueId, purse: Purse, amount: i64) {
        let Some(powers) = self.powers.get_mut(venue.index()) else { return };
        match purse {
            Purse::Asset(_) => {}
            Purse::BuyingPower => {
                powers.margin = powers.margin.saturating_sub(amount);
                powers.cash = powers.cash.saturating_sub(amount);
            }
            Purse::CashPower => {
                powers.margin = powers.margin.saturating_sub(powers.levered(amount));
                powers.cash = powers.cash.saturating_sub(amount);
            }
        }
    }

    /// The venue's word on its powers. `held` is what those of our orders hold that the venue knows: buying power,
    /// and cash. Orders that it may not have counted yet stay held on top.
    pub fn state_margin(&mut self, margin: &Margin, held: (i64, i64)) {
        let Some(powers) = self.powers.get_mut(margin.venue.index()) else { return };
        powers.known = true;
        powers.multiplier = margin.multiplier;
        powers.margin = margin.buying_power.0.saturating_add(held.0).saturating_add(powers.levered(held.1));
        powers.cash = margin.cash_power.0.saturating_add(held.1).saturating_add(held.0);
    }

    #[inline]
    pub fn powers(&self, venue: VenueId) -> Powers {
        self.powers.get(venue.index()).copied().unwrap_or_default()
    }

    pub fn all_powers(&self) -> &[Powers] {
        &self.powers
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
