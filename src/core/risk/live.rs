//! Whether money may be traded at all: on a live venue nothing opens or grows unless the engine stands live.

use super::{DenyReason, Scene};

#[inline(always)]
pub(super) fn check(scene: &Scene) -> Result<(), DenyReason> {
    match scene.barred_from_live {
        Some(state) => Err(DenyReason::NotLive { state }),
        None => Ok(()),
    }
}
