//! One change of an alert, in words.

use crate::core::alarm::{AlarmKind, AlertChange, Severity};
use crate::core::command::Scope;
use crate::core::effect::{EffectOf, RecordedEffect};
use crate::domain::{InstrumentId, Nanos, OrderId};

/// A place in the journal: an event, and which of its effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mark {
    pub seq: u64,
    pub place: u16,
}

impl Mark {
    /// Behind everything that the event caused.
    pub fn behind(seq: u64) -> Mark {
        Mark { seq, place: u16::MAX }
    }
}

/// What the ids of a journal are called.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Of the engine.
    pub engine: String,
    /// `paper` or `live`, as configured.
    pub mode: &'static str,
    /// By their ids.
    pub venues: Vec<String>,
    pub instruments: Vec<(InstrumentId, String)>,
}

impl Names {
    fn symbol(&self, id: InstrumentId) -> Option<&str> {
        self.instruments.iter().find(|(known, _)| *known == id).map(|(_, symbol)| symbol.as_str())
    }

    fn scope(&self, scope: Scope) -> String {
        let known = match scope {
            Scope::Venue(venue) => self.venues.get(venue.index()).map(String::as_str),
            Scope::Instrument(id) => self.symbol(id),
            Scope::Account | Scope::Strategy(_) => None,
        };
        known.map_or_else(|| scope.to_string(), str::to_owned)
    }
}

/// What is told, and by what it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub at: Mark,
    /// The journal's own number: alerts are counted from 1 in each.
    pub epoch: u32,
    pub ts_ns: Nanos,
    pub alert: u64,
    pub kind: AlarmKind,
    pub severity: Severity,
    pub change: AlertChange,
    /// What it is about: `the account`, a venue's name, a symbol, a strategy.
    pub scope: String,
    pub symbol: Option<String>,
    pub order: Option<OrderId>,
    /// Who acknowledged it.
    pub who: Option<String>,
}

impl Notice {
    /// `None` where the effect changes no alert. One that is only raised again while it stands has not changed.
    pub fn of(names: &Names, epoch: u32, at: Mark, ts_ns: Nanos, effect: &RecordedEffect) -> Option<Notice> {
        let EffectOf::Alarm { kind, instrument, order, news } = effect else { return None };
        (news.change != AlertChange::Repeated).then(|| Notice {
            at,
            epoch,
            ts_ns,
            alert: news.alert,
            kind: *kind,
            severity: news.severity,
            change: news.change,
            scope: names.scope(news.scope),
            symbol: names.symbol(*instrument).map(str::to_owned),
            order: (*order != OrderId::FOREIGN).then_some(*order),
            who: (!news.who.is_empty()).then(|| news.who.as_str().to_owned()),
        })
    }

    /// One change of one alert: the same in every attempt and after a restart.
    pub fn id(&self) -> String {
        format!("{}-{}-{}", self.alert_id(), self.at.seq, self.at.place)
    }

    /// The alert that it is of, unlike that of any other journal.
    pub fn alert_id(&self) -> String {
        format!("{:08x}-{}", self.epoch, self.alert)
    }

    /// A sentence: `binance: the venue cannot be reached …`.
    pub fn message(&self) -> String {
        match self.scope.as_str() {
            "the account" => self.kind.words().to_owned(),
            scope => format!("{scope}: {}", self.kind.words()),
        }
    }

    /// As a headline: `EMERGENCY raised`, `WARNING cleared`.
    pub fn headline(&self) -> String {
        format!("{} {}", self.severity.as_str().to_uppercase(), self.change.as_str())
    }

    /// RFC 3339 in UTC with milliseconds.
    pub fn time(&self) -> String {
        // Every i64 of nanoseconds is a time between the years 1677 and 2262.
        format!("{:.3}", jiff::Timestamp::from_nanosecond(self.ts_ns.into()).unwrap_or_default())
    }
}
