//! A request's query: each parameter is read once, and what nobody read is unknown.

use super::answer::Failure;
use super::fields::FieldFault;
use crate::domain::{Mode, Nanos};
use axum::http::{StatusCode, Uri};
use std::cell::RefCell;

/// Rows of a list where no `limit` is given, and the most there are.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// The query's parameters; each is read once, and what nobody read is unknown.
pub struct Query {
    parameters: Vec<(String, String)>,
    read: RefCell<Vec<&'static str>>,
    faults: RefCell<Vec<FieldFault>>,
}

impl Query {
    /// The parameters of an address.
    pub fn of(uri: &Uri) -> Result<Query, Failure> {
        axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map(|parameters| Query::new(parameters.0))
            .map_err(|error| Failure::new(StatusCode::BAD_REQUEST, "INVALID_QUERY", error.body_text()))
    }

    pub fn new(parameters: Vec<(String, String)>) -> Query {
        let query = Query { parameters, read: RefCell::default(), faults: RefCell::default() };
        for (i, (name, _)) in query.parameters.iter().enumerate() {
            if query.parameters[..i].iter().any(|(other, _)| other == name) {
                query.fault(name, "stands twice");
            }
        }
        query
    }

    pub fn fault(&self, name: &str, message: impl Into<String>) {
        self.faults.borrow_mut().push(FieldFault::new(name, message));
    }

    pub fn get(&self, name: &'static str) -> Option<String> {
        self.read.borrow_mut().push(name);
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// `mode=paper` or `mode=live`; `None` where it is not said, or a fault.
    pub fn mode(&self) -> Option<Mode> {
        let text = self.get("mode")?;
        let found = Mode::ALL.into_iter().find(|mode| mode.as_str() == text);
        if found.is_none() {
            self.fault("mode", format!("must be paper or live, is {text:?}"));
        }
        found
    }

    /// One that must be there; empty after a fault.
    pub fn required(&self, name: &'static str) -> String {
        self.get(name).unwrap_or_else(|| {
            self.fault(name, "is missing");
            String::new()
        })
    }

    pub fn whole(&self, name: &'static str, default: u64) -> u64 {
        let Some(text) = self.get(name) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.fault(name, format!("must be a whole number, is {text:?}"));
            default
        })
    }

    /// A time of RFC 3339, in nanoseconds; what is beyond the clock's range is its end.
    pub fn time(&self, name: &'static str) -> Option<Nanos> {
        let text = self.get(name)?;
        match text.parse::<jiff::Timestamp>() {
            Ok(at) => Some(at.as_nanosecond().clamp(Nanos::MIN.into(), Nanos::MAX.into()) as Nanos),
            Err(_) => {
                self.fault(name, format!("{text:?} is not a time such as 2026-01-31T09:00:00Z"));
                None
            }
        }
    }

    pub fn limit(&self) -> usize {
        let limit = self.whole("limit", LIMIT_DEFAULT as u64);
        if !(1..=LIMIT_MAX as u64).contains(&limit) {
            self.fault("limit", format!("{limit} is outside 1 to {LIMIT_MAX}"));
        }
        limit as usize
    }

    pub fn finish(self) -> Result<(), Failure> {
        let (read, mut faults) = (self.read.into_inner(), self.faults.into_inner());
        for (name, _) in self.parameters.iter().filter(|(name, _)| !read.contains(&name.as_str())) {
            let shown: String = name.chars().take(40).collect();
            faults.push(FieldFault::new(&shown, format!("is not a parameter of this action ({})", read.join(", "))));
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::fields(faults)) }
    }
}
