//! What may be traded at all: the restricted list, the instruments a strategy may trade, and short sales.

use super::{Candidate, DenyReason, Scene};
use crate::core::portfolio::Inst;
use crate::domain::{Borrow, InstrumentId, MAX_INSTRUMENTS, POW10, Qty, Side};
use crate::{wire_enum, wire_struct};
use std::fmt;

/// What the configuration says of an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permit {
    /// On the restricted list: only exits.
    pub restricted: bool,
    /// Held to `risk.trading_hours` and the venue's calendar.
    pub keeps_hours: bool,
    /// May be sold without being held, where the venue lends it.
    pub short_sale: bool,
}
wire_struct!(Permit { restricted, keeps_hours, short_sale });

/// The instruments that one source of orders may trade, a bit each. A source that was never given any may trade all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowed {
    pub listed: bool,
    pub instruments: [u64; MAX_INSTRUMENTS / 64],
}
wire_struct!(Allowed { listed, instruments });

impl Allowed {
    pub fn add(&mut self, id: InstrumentId) {
        self.listed = true;
        if let Some(word) = self.instruments.get_mut(id.index() / 64) {
            *word |= 1 << (id.index() % 64);
        }
    }

    #[inline]
    pub fn has(&self, id: InstrumentId) -> bool {
        !self.listed || self.instruments.get(id.index() / 64).is_some_and(|word| word >> (id.index() % 64) & 1 == 1)
    }
}

#[inline(always)]
pub(super) fn check(scene: &Scene, inst: &Inst, reduces: bool) -> Result<(), DenyReason> {
    if inst.permit.restricted && !reduces {
        return Err(DenyReason::InstrumentRestricted);
    }
    if !scene.desk.allowed.has(inst.def.id) {
        return Err(DenyReason::InstrumentNotAllowed { strategy: scene.strategy });
    }
    Ok(())
}

/// Why a short sale is not let out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoShort {
    NotConfigured,
    NotShortable,
    HardToBorrow,
    /// Part of it is held: the venue takes no order that sells what is held and more.
    PartlyHeld,
    /// Only whole shares are lent.
    Fraction,
}
wire_enum!(NoShort { 0 => NotConfigured, 1 => NotShortable, 2 => HardToBorrow, 3 => PartlyHeld, 4 => Fraction });

impl fmt::Display for NoShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoShort::NotConfigured => "short sales are not allowed for the instrument in the configuration",
            NoShort::NotShortable => "the venue does not lend it",
            NoShort::HardToBorrow => "it is hard to borrow",
            NoShort::PartlyHeld => "part of it is held: sell that first, in an order of its own",
            NoShort::Fraction => "only whole shares are lent",
        })
    }
}

/// The order sells more than is held, of what can be borrowed: it pays with the quote asset then, not with the base.
/// Of what cannot (`Borrow::Never`), the balance is the rule.
#[inline]
pub(super) fn is_short(inst: &Inst, side: Side, qty: Qty, available: i64) -> bool {
    if side == Side::Buy || inst.def.borrow == Borrow::Never {
        return false;
    }
    let factor = |scale: u8| i128::from(POW10.get(usize::from(scale)).copied().unwrap_or(1));
    i128::from(qty.0) * factor(8) > i128::from(available) * factor(inst.def.qty_scale)
}

#[inline(always)]
pub(super) fn short_sale(c: &Candidate) -> Result<(), DenyReason> {
    if !c.short {
        return Ok(());
    }
    let whole = POW10.get(usize::from(c.inst.def.qty_scale)).map_or(1, |one| *one as i64);
    let why = match c.inst.def.borrow {
        Borrow::Never | Borrow::NotShortable => NoShort::NotShortable,
        Borrow::Hard => NoShort::HardToBorrow,
        Borrow::Easy if !c.inst.permit.short_sale => NoShort::NotConfigured,
        Borrow::Easy if c.available > 0 => NoShort::PartlyHeld,
        Borrow::Easy if c.qty.0 % whole != 0 => NoShort::Fraction,
        Borrow::Easy => return Ok(()),
    };
    Err(DenyReason::ShortSaleNotPermitted { why })
}
