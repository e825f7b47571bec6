//! A close is over when the venue says so: by our fills the position is gone, then the venue is asked for everything,
//! and what it states of the asset must be what the account held besides the position.

use super::Core;
use super::alarm::AlarmKind;
use super::command::Scope;
use super::effect::Outbox;
use super::stop::is_sellable;
use crate::domain::{InstrumentId, Qty, Round, VenueId, num};

impl Core {
    /// No order works any more and the position is gone, or was given up: the venue is asked.
    pub(super) fn end_close(&mut self, id: InstrumentId) {
        let Some(inst) = self.portfolio.get_mut(id) else { return };
        (inst.closing.active, inst.closing.asked) = (false, false);
        let (venue, unverified) = (inst.def.venue, inst.closing.unverified);
        if let Some(venue) = self.venues.get_mut(venue.index()) {
            venue.reconcile_due |= unverified;
        }
    }

    /// What the account holds of an instrument's base asset besides what its positions are, 10^-8. `None` where the
    /// asset also pays for something there, or is not known: then only our fills can tell.
    pub(super) fn held_apart(&self, id: InstrumentId) -> Option<i64> {
        let inst = self.portfolio.get(id)?;
        let (venue, asset) = (inst.def.venue, inst.def.base);
        let holding = self.account.get(venue, asset);
        let mut apart = Some(holding.total).filter(|_| holding.known)?;
        for other in self.portfolio.defined().filter(|other| other.def.venue == venue) {
            if other.def.quote == asset {
                return None;
            }
            if other.def.base == asset {
                let net = num::rescale(i128::from(other.position.net.0), other.def.qty_scale, 8, Round::Down)?;
                apart = apart.checked_sub(net)?;
            }
        }
        Some(apart)
    }

    /// The venue has said all it has: it holds no more of what was closed than our fills say, or an operator is told.
    /// What trades again meanwhile is looked at when it rests.
    pub(super) fn verify_closed(&mut self, venue: VenueId, out: &mut Outbox) {
        for n in 0..self.books.len() {
            let id = InstrumentId(n as u16);
            let Some(inst) = self.portfolio.get(id) else { continue };
            let closing = inst.closing;
            let due = inst.def.venue == venue && closing.unverified && closing.asked && !closing.active;
            let moved = inst.last_exec != inst.marked_exec;
            if !due || moved || self.orders.live().any(|o| o.instrument == id) {
                continue;
            }
            let shown = closing.apart.zip(self.held_apart(id)).map_or(0, |(then, now)| now.saturating_sub(then));
            let mut seen = *inst;
            let more = num::rescale(i128::from(shown), 8, inst.def.qty_scale, Round::Down).unwrap_or(0);
            seen.position.net = Qty(more);
            let held = is_sellable(&seen);
            self.condition(AlarmKind::StillHeld, Scope::Instrument(id), held, out);
            if let Some(inst) = self.portfolio.get_mut(id) {
                inst.closing.unverified = held;
            }
        }
    }
}
