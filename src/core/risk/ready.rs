//! The venue takes orders: instrument trading, connection up, private stream up, reconciled.

use super::{DenyReason, Scene};
use crate::core::portfolio::Inst;
use crate::domain::{InstrumentStatus, VenueState};

#[inline]
pub(super) fn check(scene: &Scene, inst: &Inst) -> Result<(), DenyReason> {
    if inst.def.status != InstrumentStatus::Trading || inst.paused {
        return Err(DenyReason::InstrumentNotTrading);
    }
    if scene.venue != VenueState::Ready {
        return Err(DenyReason::VenueNotReady);
    }
    Ok(())
}
