//! The price band of the exchange (limit up, limit down): nothing executes outside it.
//!
//! A limit price beyond the band would rest where it cannot trade; at the market, a touch beyond the band is a quote that
//! nobody may execute against, and an order that opens there is sent into a market that stands still. A market order that
//! reduces passes: the exchange holds it at the band. Behind a trigger the band will be another one.
//!
//! Bands hold within the core session. One that was told longer ago than a session lasts is of another day, and so is one
//! from before a break of the feed: the core forgets those.

use super::{Candidate, DenyReason, Phase, Scene};
use crate::core::portfolio::Band;
use crate::domain::{Dec, FilterName, Nanos, Price, Side};

/// A core session, and half an hour.
const AGE_MAX_NS: Nanos = 7 * 3_600_000_000_000;

#[inline(always)]
pub(super) fn check(scene: &Scene, c: &Candidate, reduces: bool) -> Result<(), DenyReason> {
    if c.inst.band.told_ns == 0 {
        return Ok(());
    }
    within(scene, c, &c.inst.band, reduces)
}

fn within(scene: &Scene, c: &Candidate, band: &Band, reduces: bool) -> Result<(), DenyReason> {
    let calendar = scene.hours.venue(c.order.instrument);
    let closed = calendar.known_until_ns != 0 && calendar.phase(scene.now, false) != Phase::Open;
    if closed || scene.now - band.told_ns > AGE_MAX_NS || c.order.kind.is_triggered() {
        return Ok(());
    }
    let px = match (c.order.kind.is_limit(), c.order.side) {
        (true, _) => c.order.px,
        (false, _) if reduces => return Ok(()),
        (false, Side::Buy) => c.inst.quote.ask_px,
        (false, Side::Sell) => c.inst.quote.bid_px,
    };
    let limit = match c.order.side {
        Side::Buy if px > band.upper => band.upper,
        Side::Sell if px < band.lower => band.lower,
        _ => return Ok(()),
    };
    let dec = |px: Price| Dec { value: px.0, scale: c.inst.def.px_scale };
    Err(DenyReason::VenueFilter { filter: FilterName::LimitUpLimitDown, value: dec(px), limit: dec(limit) })
}
