//! Trading hours of an instrument: those configured, and those of the venue's own calendar.
//!
//! The core reads no clock zone: sessions enter as events, worked out in their zone outside (`runtime::hours`, or from
//! what the venue publishes), days ahead. An order is held to the regular session, one that asks for extended hours to
//! the extended one. Exits pass the configured hours and meet only a venue that is closed. What lies beyond the end of
//! what is known cannot be evaluated, and is denied.
//!
//! Where the configured hours and the venue's differ (a holiday, a half day), both must be open: the order is denied by
//! whichever is closed, and the denial says which of the two that is.

use super::{DenyReason, Scene, Unevaluable};
use crate::core::portfolio::Inst;
use crate::domain::{InstrumentId, MAX_INSTRUMENTS, Nanos};
use crate::{wire_enum, wire_struct};

/// Sessions known ahead: a week, and the longest run of holidays.
pub const SESSIONS: usize = 6;

/// One trading day; each end is the first moment that is outside. Where there are no extended hours both are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Session {
    pub open_ns: Nanos,
    pub close_ns: Nanos,
    pub extended_open_ns: Nanos,
    pub extended_close_ns: Nanos,
}
wire_struct!(Session { open_ns, close_ns, extended_open_ns, extended_close_ns });

impl Session {
    fn bounds(&self, extended: bool) -> (Nanos, Nanos) {
        if extended { (self.extended_open_ns, self.extended_close_ns) } else { (self.open_ns, self.close_ns) }
    }
}

/// Who says when there is trading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CalendarSource {
    /// `risk.trading_hours`.
    #[default]
    Configured,
    /// The venue's published calendar.
    Venue,
}
wire_enum!(CalendarSource { 0 => Configured, 1 => Venue });

/// The next sessions of an instrument, in order, and until when they are all there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calendar {
    pub known_until_ns: Nanos,
    /// Unused places at the end are zero.
    pub sessions: [Session; SESSIONS],
}
wire_struct!(Calendar { known_until_ns, sessions });

/// What a calendar says of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Open,
    /// And when it opens next, as far as that is known.
    Closed {
        opens_ns: Option<Nanos>,
    },
    Unknown,
}

impl Calendar {
    pub fn phase(&self, now: Nanos, extended: bool) -> Phase {
        if now >= self.known_until_ns {
            return Phase::Unknown;
        }
        let mut opens_ns = None;
        for session in &self.sessions {
            let (open, close) = session.bounds(extended);
            if (open..close).contains(&now) {
                return Phase::Open;
            }
            if open > now && opens_ns.is_none() {
                opens_ns = Some(open);
            }
        }
        Phase::Closed { opens_ns }
    }
}

/// The calendars of every instrument.
pub struct Hours {
    configured: Box<[Calendar]>,
    venue: Box<[Calendar]>,
}

impl Hours {
    pub(crate) fn new() -> Hours {
        let none = || vec![Calendar::default(); MAX_INSTRUMENTS].into_boxed_slice();
        Hours { configured: none(), venue: none() }
    }

    pub(crate) fn set(&mut self, id: InstrumentId, source: CalendarSource, calendar: &Calendar) {
        let all = match source {
            CalendarSource::Configured => &mut self.configured,
            CalendarSource::Venue => &mut self.venue,
        };
        if let Some(slot) = all.get_mut(id.index()) {
            *slot = *calendar;
        }
    }

    /// Other hours were configured: nothing is known of them yet.
    pub(crate) fn forget_configured(&mut self) {
        self.configured.fill(Calendar::default());
    }

    pub fn configured(&self, id: InstrumentId) -> Calendar {
        self.configured.get(id.index()).copied().unwrap_or_default()
    }

    /// The venue's calendar; `known_until_ns` is 0 where it never spoke of one.
    pub fn venue(&self, id: InstrumentId) -> Calendar {
        self.venue.get(id.index()).copied().unwrap_or_default()
    }

    /// The venue takes and executes orders now, as far as its calendar says.
    pub(crate) fn venue_open(&self, now: Nanos, id: InstrumentId) -> bool {
        let calendar = self.venue(id);
        calendar.known_until_ns == 0 || calendar.phase(now, false) == Phase::Open
    }
}

#[inline(always)]
pub(super) fn check(scene: &Scene, inst: &Inst, extended: bool, reduces: bool) -> Result<(), DenyReason> {
    if !inst.permit.keeps_hours {
        return Ok(());
    }
    check_calendars(scene, inst, extended, reduces)
}

fn check_calendars(scene: &Scene, inst: &Inst, extended: bool, reduces: bool) -> Result<(), DenyReason> {
    let id = inst.def.id.index();
    let venue = scene.hours.venue.get(id).filter(|calendar| calendar.known_until_ns != 0);
    let configured = scene.hours.configured.get(id).filter(|_| !reduces);
    for (calendar, is_venue) in [(configured, false), (venue, true)] {
        let Some(calendar) = calendar else { continue };
        match calendar.phase(scene.now, extended) {
            Phase::Open => {}
            Phase::Unknown => return Err(DenyReason::CannotEvaluate(Unevaluable::NoCalendar)),
            Phase::Closed { opens_ns } => {
                let wait_s = opens_ns.map(|at| (at - scene.now).div_euclid(1_000_000_000) as u64 + 1);
                return Err(DenyReason::OutsideTradingHours { venue: is_venue, extended, wait_s: wait_s.unwrap_or(0) });
            }
        }
    }
    Ok(())
}
