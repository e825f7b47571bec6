//! The venue takes orders: instrument trading, account not barred, connection up, private stream up, reconciled.

use super::{DenyReason, Scene};
use crate::core::portfolio::Inst;
use crate::domain::{InstrumentStatus, Text, VenueState};

#[inline(always)]
pub(super) fn check(scene: &Scene, inst: &Inst) -> Result<(), DenyReason> {
    if inst.paused {
        return Err(DenyReason::InstrumentNotTrading { why: inst.pause });
    }
    if inst.def.status != InstrumentStatus::Trading {
        return Err(DenyReason::InstrumentNotTrading { why: Text::new("it is not listed as trading") });
    }
    if let Some(why) = scene.barred {
        return Err(DenyReason::InstrumentNotTrading { why: *why });
    }
    if scene.venue != VenueState::Ready {
        return Err(DenyReason::VenueNotReady);
    }
    Ok(())
}
