//! What a venue takes of an instrument's orders: said by its adapter, held against each order by the gate.

use super::wire::{Reader, Wire, Writer};
use super::{OrderType, StpMode, TimeInForce};
use crate::wire_struct;
use std::fmt;

/// One thing that a venue may or may not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// The order type with the time in force.
    Order(OrderType, TimeInForce),
    Stp(StpMode),
    Feature(Feature),
}

/// What an order or a request about one may ask for besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Only a part of the quantity is shown.
    Iceberg,
    /// A market order for an amount of the quote asset.
    QuoteQty,
    /// A trail in bips, and at a fixed offset.
    TrailBips,
    TrailOffset,
    ExtendedHours,
    Oco,
    Oto,
    /// An entry, and the two exits of which one cancels the other (Binance OTOCO, Alpaca bracket).
    Otoco,
    /// One request that cancels an order and places another.
    Replace,
    /// An order's quantity cut in its place in the queue.
    Amend,
    /// An iceberg that waits for a trigger.
    StopIceberg,
    /// Selling what is not held.
    ShortSale,
    /// A market order as the entry of a list.
    ListMarket,
}

impl Feature {
    pub const ALL: [Feature; 13] = [
        Feature::Iceberg,
        Feature::QuoteQty,
        Feature::TrailBips,
        Feature::TrailOffset,
        Feature::ExtendedHours,
        Feature::Oco,
        Feature::Oto,
        Feature::Otoco,
        Feature::Replace,
        Feature::Amend,
        Feature::StopIceberg,
        Feature::ShortSale,
        Feature::ListMarket,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Feature::Iceberg => "iceberg",
            Feature::QuoteQty => "market by quote quantity",
            Feature::TrailBips => "trail in bips",
            Feature::TrailOffset => "trail at an offset",
            Feature::ExtendedHours => "extended hours",
            Feature::Oco => "OCO list",
            Feature::Oto => "OTO list",
            Feature::Otoco => "OTOCO list",
            Feature::Replace => "cancel-replace",
            Feature::Amend => "amend",
            Feature::StopIceberg => "iceberg behind a trigger",
            Feature::ShortSale => "short sale",
            Feature::ListMarket => "list with a market entry",
        }
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ability::Order(kind, tif) => write!(f, "{} with time in force {}", kind.as_str(), tif.as_str()),
            Ability::Stp(mode) => write!(f, "self-trade prevention {}", mode.as_str()),
            Ability::Feature(feature) => f.write_str(feature.as_str()),
        }
    }
}

// Kept as one byte of kind and two of what is meant: a denial names it in the journal.
impl Wire for Ability {
    fn put(&self, w: &mut Writer) {
        match self {
            Ability::Order(kind, tif) => [0, *kind as u8, *tif as u8].put(w),
            Ability::Stp(mode) => [1, *mode as u8, 0].put(w),
            Ability::Feature(feature) => [2, *feature as u8, 0].put(w),
        }
    }
    fn get(r: &mut Reader) -> Option<Self> {
        let [kind, a, b] = <[u8; 3]>::get(r)?;
        Some(match kind {
            0 => Ability::Order(*OrderType::ALL.get(usize::from(a))?, *TimeInForce::ALL.get(usize::from(b))?),
            1 if b == 0 => Ability::Stp(*StpMode::ALL.get(usize::from(a))?),
            2 if b == 0 => Ability::Feature(*Feature::ALL.get(usize::from(a))?),
            _ => return None,
        })
    }
}

/// The set of them. The default is what every venue takes: market, limit and limit maker; good till cancelled,
/// immediate or cancel, fill or kill; the venue's own self-trade prevention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// By order type, a bit for each time in force that it may have.
    orders: [u8; OrderType::ALL.len()],
    stp: u8,
    features: u16,
}
wire_struct!(Abilities { orders, stp, features });

impl Abilities {
    pub const NONE: Abilities = Abilities { orders: [0; OrderType::ALL.len()], stp: 0, features: 0 };

    /// The set with order types added, each with these times in force.
    pub const fn with_orders(mut self, kinds: &[OrderType], tifs: &[TimeInForce]) -> Abilities {
        let mut k = 0;
        while k < kinds.len() {
            let mut t = 0;
            while t < tifs.len() {
                self.orders[kinds[k] as usize] |= 1 << tifs[t] as u8;
                t += 1;
            }
            k += 1;
        }
        self
    }

    pub const fn with_stp(mut self, mode: StpMode) -> Abilities {
        self.stp |= 1 << mode as u8;
        self
    }

    pub const fn with(mut self, feature: Feature) -> Abilities {
        self.features |= 1 << feature as u16;
        self
    }

    #[inline]
    pub fn takes(&self, kind: OrderType, tif: TimeInForce) -> bool {
        self.orders[kind as usize] & 1 << tif as u8 != 0
    }

    /// The order type, whatever its time in force.
    #[inline]
    pub fn takes_kind(&self, kind: OrderType) -> bool {
        self.orders[kind as usize] != 0
    }

    #[inline]
    pub fn takes_stp(&self, mode: StpMode) -> bool {
        self.stp & 1 << mode as u8 != 0
    }

    #[inline]
    pub fn has(&self, feature: Feature) -> bool {
        self.features & 1 << feature as u16 != 0
    }
}

impl Default for Abilities {
    fn default() -> Self {
        use OrderType::{Limit, LimitMaker, Market};
        use TimeInForce::{Fok, Gtc, Ioc};
        const PLAIN: Abilities =
            Abilities::NONE.with_orders(&[Market, Limit, LimitMaker], &[Gtc, Ioc, Fok]).with_stp(StpMode::Venue);
        PLAIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let set = Abilities::default()
            .with_orders(&[OrderType::Stop], &[TimeInForce::Day])
            .with_stp(StpMode::Decrement)
            .with(Feature::Amend);
        for kind in OrderType::ALL {
            for tif in TimeInForce::ALL {
                let plain =
                    !kind.is_triggered() && !matches!(tif, TimeInForce::Day | TimeInForce::Opg | TimeInForce::Cls);
                let stop = kind == OrderType::Stop && tif == TimeInForce::Day;
                assert_eq!(set.takes(kind, tif), plain || stop, "{kind:?} {tif:?}");
            }
        }
        for mode in StpMode::ALL {
            assert_eq!(set.takes_stp(mode), matches!(mode, StpMode::Venue | StpMode::Decrement), "{mode:?}");
        }
        for (n, feature) in Feature::ALL.into_iter().enumerate() {
            assert_eq!(set.has(feature), feature == Feature::Amend);
            assert_eq!(feature as usize, n, "the byte form counts on it");
        }
        assert!(OrderType::ALL.iter().enumerate().all(|(n, kind)| *kind as usize == n));
        assert!(TimeInForce::ALL.iter().enumerate().all(|(n, tif)| *tif as usize == n));
        assert!(StpMode::ALL.iter().enumerate().all(|(n, mode)| *mode as usize == n));
    }
}
