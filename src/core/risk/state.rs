//! Trading state: halted sends nothing, reducing sends only what shrinks a position. A position being closed takes
//! no opens either.

use super::{DenyReason, Scene};
use crate::core::command::{PlaceOrder, TradingState};
use crate::core::portfolio::Inst;

#[inline(always)]
pub(super) fn halted(scene: &Scene) -> Result<(), DenyReason> {
    if scene.trading == TradingState::Halted {
        return Err(DenyReason::TradingNotActive { state: scene.trading, scope: scene.scope });
    }
    Ok(())
}

#[inline(always)]
pub(super) fn reducing(scene: &Scene, inst: &Inst, order: &PlaceOrder, reduces: bool) -> Result<(), DenyReason> {
    if reduces {
        return Ok(());
    }
    if scene.trading == TradingState::Reducing {
        return Err(DenyReason::TradingNotActive { state: scene.trading, scope: scene.scope });
    }
    if order.reduce_only || inst.closing.active {
        return Err(DenyReason::NotReducing);
    }
    Ok(())
}
