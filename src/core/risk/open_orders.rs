//! Number of orders working at once.

use super::{DenyReason, Scene};

#[inline(always)]
pub(super) fn check(scene: &Scene) -> Result<(), DenyReason> {
    let max = scene.limits.open_orders_max;
    if scene.open_orders >= max as usize {
        return Err(DenyReason::OpenOrdersAboveMax { open: scene.open_orders as u32, max });
    }
    Ok(())
}
