//! Market data is fresh and makes sense: no order is valued at a price that may be gone.

use super::{DenyReason, Scene, Unevaluable};
use crate::core::portfolio::Inst;

/// There is a price to value an order at.
#[inline(always)]
pub(super) fn priced(inst: &Inst) -> Result<(), DenyReason> {
    let quote = &inst.quote;
    if inst.quote_ns == 0 || quote.bid_px.0 <= 0 || quote.ask_px.0 <= 0 || quote.bid_px >= quote.ask_px {
        return Err(DenyReason::CannotEvaluate(Unevaluable::NoPrice));
    }
    if !inst.def.quote_is_usd {
        return Err(DenyReason::CannotEvaluate(Unevaluable::QuoteAssetNotUsd));
    }
    Ok(())
}

/// And it is young.
#[inline(always)]
pub(super) fn young(scene: &Scene, inst: &Inst) -> Result<(), DenyReason> {
    let age = scene.now - inst.quote_ns;
    if age > scene.limits.quote_age_max_ns {
        return Err(DenyReason::QuoteStale {
            age_ms: (age / 1_000_000) as u64,
            age_max_ms: (scene.limits.quote_age_max_ns / 1_000_000) as u64,
        });
    }
    Ok(())
}
