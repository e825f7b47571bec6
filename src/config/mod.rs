//! The configuration: TOML in, plain values out, or every fault at once.
//!
//! Owns: the types of each section, their bounds, the checks between sections, and messages an operator can act on.
//! Must not know: the rest of the crate but `domain`. The runtime turns these values into what the rooms take.
//!
//! Every key is required unless its type says `Option`, and no limit has a default: an operator has always chosen it.
//! An unknown key is a refusal to start, because a mistyped limit is a missing one. `toml`'s syntax tree is walked by
//! hand and not through `serde`: serde stops at the first fault, and takes numbers through a binary float. Secrets
//! never stand in the text; it says only where they are.

mod alerts;
mod bounds;
mod check;
mod credentials;
mod emergency;
mod engine;
mod fault;
mod protection;
mod reader;
mod risk;
mod routes;
mod store;
mod strategies;
mod transition;
mod venues;
mod webhooks;

#[cfg(test)]
mod tests;

pub use alerts::{AlertAct, Alerts};
pub use bounds::{BOUNDS, Bound, bound};
pub use credentials::CredentialFiles;
pub use emergency::Emergency;
pub use engine::{Channels, Colour, Control, ControlTls, Engine, Journal, Log, Mode, Telemetry, Thread, Wait};
pub use fault::{ConfigError, Fault, Faults};
pub use protection::Protection;
pub use risk::{Holidays, Risk, TradingHours};
pub use routes::{Route, RoutePolicy};
pub use store::Store;
pub use strategies::{Strategy, StrategyKind};
pub use transition::{Revert, Stage, Transition};
pub use venues::{
    Credentials, DataForm, Environment, Instrument, SecretError, SecretSource, Sim, SimAlpaca, SimSource, Speed,
    Stream, Venue, VenueKind,
};
pub use webhooks::{HookSecret, LeastSeverity, Webhook, WebhookAddress, WebhookKind, fit};

use reader::{Doc, Section};
use std::path::Path;
use toml::de::DeTable;

/// A configuration without a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub engine: Engine,
    pub threads: Vec<Thread>,
    pub channels: Channels,
    pub journal: Journal,
    pub control: Control,
    /// At least one, names unique; a venue's id is its place here.
    pub venues: Vec<Venue>,
    /// At least one, each venue and symbol once; an instrument's id is its place here.
    pub instruments: Vec<Instrument>,
    /// May be empty: then every order goes to the venue of its instrument.
    pub routes: Vec<Route>,
    /// `None` where no simulated venue runs inside the daemon.
    pub sim: Option<Sim>,
    /// Needed where a venue's key is in the store.
    pub credentials: Option<CredentialFiles>,
    /// May be empty: then only people and programs trade. A strategy's id is its place here plus one.
    pub strategies: Vec<Strategy>,
    pub risk: Risk,
    pub alerts: Alerts,
    pub emergency: Emergency,
    pub protection: Protection,
    pub log: Log,
    pub telemetry: Telemetry,
    /// `None`: the shipped milestones are shown, and nothing can go live.
    pub transition: Option<Transition>,
    /// `None` where no trade store is kept.
    pub store: Option<Store>,
    /// May be empty: then alerts are told here alone.
    pub webhooks: Vec<Webhook>,
}

impl Config {
    /// A live venue is configured that is more than a simulation.
    pub fn may_trade_money(&self) -> bool {
        self.venues.iter().any(|v| v.environment != Environment::Paper && v.credentials != Credentials::Sim)
    }

    /// Reads and checks a file. Relative paths in it are left as they stand: they mean the working directory.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Config::parse(&text).map_err(|faults| ConfigError::Faulty { path: path.to_owned(), faults })
    }

    /// Checks a text; all its faults at once, in the order of the text. Where it is not TOML, only that is said.
    pub fn parse(text: &str) -> Result<Config, Faults> {
        let doc = Doc::new(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            for error in errors {
                doc.fault_at(error.span().unwrap_or(0..0), "", format!("not TOML: {}", error.message()));
            }
            return doc.finish().and(Err(Faults(Vec::new())));
        }
        let root = Section::root(&doc, &table);
        let config = Config {
            engine: Engine::read(root.section("engine")),
            threads: root.sections("threads").into_iter().map(Thread::read).collect(),
            channels: Channels::read(root.section("channels")),
            journal: Journal::read(root.section("journal")),
            control: Control::read(root.section("control")),
            venues: root.sections("venues").into_iter().map(Venue::read).collect(),
            instruments: root.sections("instruments").into_iter().map(Instrument::read).collect(),
            routes: if root.has("routes") {
                root.sections("routes").into_iter().map(Route::read).collect()
            } else {
                Vec::new()
            },
            sim: root.section_opt("sim").and_then(Sim::read),
            credentials: root.section_opt("credentials").map(CredentialFiles::read),
            strategies: root.sections("strategies").into_iter().map(Strategy::read).collect(),
            risk: Risk::read(root.section("risk")),
            alerts: root.section_opt("alerts").map_or_else(Alerts::default, Alerts::read),
            emergency: root.section_opt("emergency").map_or_else(Emergency::default, Emergency::read),
            protection: root.section_opt("protection").map_or_else(Protection::default, Protection::read),
            log: Log::read(root.section("log")),
            telemetry: Telemetry::read(root.section("telemetry")),
            transition: root.section_opt("transition").map(Transition::read),
            store: root.section_opt("store").and_then(Store::read),
            webhooks: root.sections("webhooks").into_iter().map(Webhook::read).collect(),
        };
        root.finish();
        check::across(&config, &doc);
        doc.finish().map(|()| config)
    }
}
