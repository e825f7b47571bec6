//! Faults that show only when sections are compared. A name that is empty was faulted where it was read.

use super::reader::Doc;
use super::venues::{Credentials, DataForm, Environment, SimSource, Stream};
use super::webhooks::WEBHOOKS_MAX;
use super::{Config, Mode, StrategyKind, Venue, VenueKind};
use crate::domain::hosts::{is_paper, is_simulated};
use crate::domain::{MAX_INSTRUMENTS, MAX_VENUES, Usd};

/// Most strategies that one core runs.
const STRATEGIES_MAX: usize = 32;

pub(super) fn across(config: &Config, doc: &Doc) {
    venues(config, doc);
    live(config, doc);
    instruments(config, doc);
    routes(config, doc);
    threads(config, doc);
    risk(config, doc);
    strategies(config, doc);
    webhooks(config, doc);
}

fn webhooks(config: &Config, doc: &Doc) {
    if config.webhooks.len() > WEBHOOKS_MAX {
        doc.fault(
            "webhooks",
            format!("{} are more than the {WEBHOOKS_MAX} that one engine has", config.webhooks.len()),
        );
    }
    for (i, hook) in config.webhooks.iter().enumerate() {
        if !hook.name.is_empty() && config.webhooks[..i].iter().any(|other| other.name == hook.name) {
            doc.fault(&format!("webhooks[{i}].name"), format!("{:?} is used twice", hook.name));
        }
        if let (Some(name), None) = (hook.kept().next(), &config.credentials)
            && doc.sound(&["credentials"])
        {
            let key = format!("webhooks[{i}].name");
            doc.fault(&key, format!("the credential {name:?} is kept in a store: that needs a [credentials] section"));
        }
    }
}

fn venues(config: &Config, doc: &Doc) {
    count(doc, "venues", "venue", config.venues.len(), 1, MAX_VENUES);
    for (i, venue) in config.venues.iter().enumerate() {
        if !venue.name.is_empty() && config.venues[..i].iter().any(|other| other.name == venue.name) {
            doc.fault(&format!("venues[{i}].name"), format!("{:?} is used twice", venue.name));
        }
        let key = format!("venues[{i}].account");
        if venue.credentials == Credentials::Sim && config.sim.is_none() && doc.sound(&[&key, "sim.enabled"]) {
            doc.fault(&key, "\"sim\" needs a [sim] section with enabled = true");
        }
        if venue.kind == VenueKind::Alpaca {
            alpaca(config, doc, i);
        }
        let stored = matches!(venue.credentials, Credentials::Store { .. });
        if stored && config.credentials.is_none() && doc.sound(&[&key, "credentials"]) {
            doc.fault(&key, "\"store\" needs a [credentials] section");
        }
    }
    let simulated = |kind| config.venues.iter().filter(move |v| v.credentials == Credentials::Sim && v.kind == kind);
    let papers = |kind| simulated(kind).filter(|v| v.environment == Environment::Paper).count();
    let Some(sim) = &config.sim else { return };
    live_market(config, sim, doc);
    let (binance, alpaca) = (papers(VenueKind::Binance), papers(VenueKind::Alpaca));
    if (binance > 1 || binance + alpaca == 0) && !config.venues.is_empty() {
        let message = format!("the simulated venue serves one venue with account = \"sim\", {binance} have it");
        doc.fault("sim.enabled", message);
    }
    if simulated(VenueKind::Binance).count() > binance + 1 {
        doc.fault("sim.enabled", "the simulated venue plays one live venue, and more have account = \"sim\"");
    }
    if simulated(VenueKind::Alpaca).count() > alpaca + 1 {
        doc.fault("sim.alpaca", "the simulated Alpaca plays one live venue, and more have account = \"sim\"");
    }
    if alpaca > 1 || sim.alpaca.is_some() && alpaca == 0 && doc.sound(&["sim.alpaca"]) {
        let message = format!("the simulated Alpaca serves one venue with account = \"sim\", {alpaca} have it");
        doc.fault("sim.alpaca", message);
    }
}

/// A real market is looked at where no order can be taken: what is not such a host is taken for one of money.
fn live_market(config: &Config, sim: &super::Sim, doc: &Doc) {
    let SimSource::Live { rest_url, stream_url } = &sim.source else { return };
    for (key, url, known) in [
        ("sim.market_rest_url", rest_url, "https://data-api.binance.vision"),
        ("sim.market_stream_url", stream_url, "wss://data-stream.binance.vision"),
    ] {
        if !url.is_empty() && !is_paper(url) && doc.sound(&[key]) {
            doc.fault(key, format!("is not known to serve market data alone: take {known}, where no order is taken"));
        }
    }
    for (i, venue) in config.venues.iter().enumerate() {
        if venue.credentials == Credentials::Sim && venue.market_data == DataForm::Sbe {
            let key = format!("venues[{i}].market_data");
            doc.fault(&key, "\"sbe\" is not of a live market: binary streams want a key of the venue's own");
        }
    }
}

/// Money is traded only where everything says so: the engine's mode, the venue's environment, a twin on paper.
fn live(config: &Config, doc: &Doc) {
    let mut lives = 0;
    for (i, venue) in config.venues.iter().enumerate() {
        let key = |name: &str| format!("venues[{i}].{name}");
        let urls = match &venue.credentials {
            Credentials::Sim => Vec::new(),
            Credentials::Keys { rest_url, ws_api_url, .. } | Credentials::Store { rest_url, ws_api_url, .. } => {
                vec![("rest_url", rest_url), ("ws_api_url", ws_api_url)]
            }
        };
        let Environment::Live { paper } = &venue.environment else {
            for (name, url) in urls {
                if !url.is_empty() && !is_paper(url) && doc.sound(&[&key(name)]) {
                    doc.fault(
                        &key(name),
                        "is not known to be a paper environment: real money needs environment = \"live\"",
                    );
                }
            }
            continue;
        };
        lives += 1;
        let twin = config.venues.iter().find(|other| other.name == *paper);
        match twin {
            Some(twin) if twin.environment != Environment::Paper => {
                doc.fault(&key("paper"), format!("{paper:?} is live itself"));
            }
            Some(twin) if twin.kind != venue.kind => {
                doc.fault(&key("paper"), format!("{paper:?} speaks another protocol"));
            }
            Some(_) => {}
            None if paper.is_empty() => {}
            None => doc.fault(&key("paper"), format!("{paper:?} is not a configured venue")),
        }
        if config.engine.mode != Mode::Live && doc.sound(&["engine.mode"]) {
            doc.fault(&key("environment"), "\"live\" needs engine.mode = \"live\"");
        }
        if config.transition.is_none() && doc.sound(&["transition"]) {
            doc.fault(&key("environment"), "\"live\" needs a [transition] section: the evidence and the stages");
        }
        if config.transition.as_ref().is_some_and(|t| !t.has_real_days())
            && !urls.iter().all(|(_, url)| is_simulated(url))
        {
            doc.fault("transition.day_seconds", "a day is 86400 seconds where anything but a simulated venue is live");
        }
        for instrument in config.instruments.iter().filter(|instrument| instrument.venue == venue.name) {
            let twin = |other: &&super::Instrument| other.venue == *paper && other.symbol == instrument.symbol;
            if !paper.is_empty() && config.instruments.iter().find(twin).is_none() {
                let message = format!("{} is not an instrument of {paper:?}, which plays its paper", instrument.symbol);
                doc.fault(&key("paper"), message);
            }
        }
        if let Some(n) = config.strategies.iter().position(|strategy| strategy.venue == venue.name) {
            let message = format!("a strategy is configured on {paper:?}; live it trades by a twin of its own");
            doc.fault(&format!("strategies[{n}].venue"), message);
        }
    }
    if config.engine.mode == Mode::Live && config.credentials.as_ref().is_some_and(|files| files.allow_plaintext) {
        doc.fault(
            "credentials.allow_plaintext",
            "must be false where engine.mode = \"live\": keys of real money are encrypted",
        );
    }
    if config.engine.mode == Mode::Live && config.protection.at_venue {
        doc.fault(
            "protection.place",
            "\"venue\" is not proven yet: on paper only; \"core\" where engine.mode = \"live\"",
        );
    }
    if config.engine.mode == Mode::Live && lives == 0 && doc.sound(&["engine.mode"]) {
        doc.fault("engine.mode", "\"live\" needs a venue with environment = \"live\"");
    }
}

/// Hosts of real money, and of the venue's own paper accounts.
const ALPACA_LIVE: &str = "//api.alpaca.markets";
const ALPACA_PAPER: &str = "//paper-api.alpaca.markets";

/// Paper and live cannot be mixed: each has hosts, keys and journals of its own.
fn alpaca(config: &Config, doc: &Doc, at: usize) {
    let venue = &config.venues[at];
    let (Credentials::Keys { rest_url, ws_api_url, .. } | Credentials::Store { rest_url, ws_api_url, .. }) =
        &venue.credentials
    else {
        if config.sim.as_ref().is_some_and(|sim| sim.alpaca.is_none()) && doc.sound(&["sim.alpaca"]) {
            let text = "\"sim\" needs a [sim.alpaca] section: the simulated Alpaca's account";
            doc.fault(&format!("venues[{at}].account"), text);
        }
        return streams(venue, doc, at);
    };
    let paper = venue.environment == Environment::Paper;
    for (key, url) in [("rest_url", rest_url), ("ws_api_url", ws_api_url)] {
        let key = format!("venues[{at}].{key}");
        if paper && url.contains(ALPACA_LIVE) {
            doc.fault(&key, "is the host of real money, and the venue is not live: take paper-api.alpaca.markets");
        }
        if !paper && url.contains(ALPACA_PAPER) {
            doc.fault(&key, "is the host of paper accounts, and the venue is live: take api.alpaca.markets");
        }
    }
    streams(venue, doc, at);
}

fn streams(venue: &Venue, doc: &Doc, at: usize) {
    if venue.streams.contains(&Stream::Depth) {
        doc.fault(&format!("venues[{at}].streams"), "\"depth\" is not of kind = \"alpaca\"");
    }
}

fn instruments(config: &Config, doc: &Doc) {
    count(doc, "instruments", "instrument", config.instruments.len(), 1, MAX_INSTRUMENTS);
    for (i, instrument) in config.instruments.iter().enumerate() {
        known_venue(config, doc, &format!("instruments[{i}].venue"), &instrument.venue);
        let same = |other: &&super::Instrument| other.venue == instrument.venue && other.symbol == instrument.symbol;
        if !instrument.symbol.is_empty() && config.instruments[..i].iter().find(same).is_some() {
            doc.fault(
                &format!("instruments[{i}].symbol"),
                format!("{:?} stands twice for {:?}", instrument.symbol, instrument.venue),
            );
        }
    }
}

/// Most routes that one core keeps.
const ROUTES_MAX: usize = 64;

fn routes(config: &Config, doc: &Doc) {
    count(doc, "routes", "route", config.routes.len(), 0, ROUTES_MAX);
    let mut seen: Vec<&(String, String)> = Vec::new();
    for (i, route) in config.routes.iter().enumerate() {
        let key = format!("routes[{i}].legs");
        for leg in route.legs.iter().filter(|(venue, _)| !venue.is_empty()) {
            let (venue, symbol) = leg;
            let found = config.instruments.iter().find(|known| known.venue == *venue && known.symbol == *symbol);
            if found.is_none() {
                doc.fault(&key, format!("{symbol:?} is not an instrument of {venue:?}"));
            }
            let live = config.venues.iter().any(|v| v.name == *venue && v.environment != Environment::Paper);
            let first_live = route.legs.first().is_some_and(|(first, _)| {
                config.venues.iter().any(|v| v.name == *first && v.environment != Environment::Paper)
            });
            if live != first_live {
                doc.fault(&key, "live and paper venues are never on one route");
            }
            if seen.contains(&leg) {
                doc.fault(&key, format!("{venue}/{symbol} is a leg already"));
            }
            seen.push(leg);
        }
    }
}

fn known_venue(config: &Config, doc: &Doc, key: &str, name: &str) {
    if !name.is_empty() && !config.venues.iter().any(|venue| venue.name == name) {
        let names: Vec<&str> = config.venues.iter().map(|venue| venue.name.as_str()).collect();
        doc.fault(key, format!("{name:?} is not a configured venue ({})", names.join(", ")));
    }
}

/// Every agent stands on exactly one thread.
fn threads(config: &Config, doc: &Doc) {
    let mut wanted = vec!["feed".to_owned(), "core".to_owned(), "journal".to_owned()];
    wanted.extend(
        config.venues.iter().filter(|venue| !venue.name.is_empty()).map(|venue| format!("gateway-{}", venue.name)),
    );
    if config.sim.is_some() {
        wanted.push("sim".to_owned());
    }
    let mut placed: Vec<&str> = Vec::new();
    let mut cores: Vec<usize> = Vec::new();
    for (i, thread) in config.threads.iter().enumerate() {
        if !thread.name.is_empty() && config.threads[..i].iter().any(|other| other.name == thread.name) {
            doc.fault(&format!("threads[{i}].name"), format!("{:?} is used twice", thread.name));
        }
        if let Some(core) = thread.core {
            if cores.contains(&core) {
                doc.fault(&format!("threads[{i}].core"), format!("core {core} has another thread already"));
            }
            cores.push(core);
        }
        for agent in thread.agents.iter().filter(|agent| !agent.is_empty()) {
            if !wanted.contains(agent) {
                doc.fault(
                    &format!("threads[{i}].agents"),
                    format!("{agent:?} is not an agent here ({})", wanted.join(", ")),
                );
            } else if placed.contains(&agent.as_str()) {
                doc.fault(&format!("threads[{i}].agents"), format!("{agent:?} is on a thread already"));
            }
            placed.push(agent);
        }
    }
    for agent in wanted.iter().filter(|agent| !placed.contains(&agent.as_str())) {
        doc.fault("threads", format!("no thread turns {agent:?}"));
    }
}

fn risk(config: &Config, doc: &Doc) {
    let risk = &config.risk;
    let ordered = |low: (&str, Usd), high: (&str, Usd)| {
        let (low_key, high_key) = (format!("risk.{}", low.0), format!("risk.{}", high.0));
        if low.1 > high.1 && doc.sound(&[&low_key, &high_key]) {
            doc.fault(&low_key, format!("{} is above {} = {}", low.1, high.0, high.1));
        }
    };
    let position = ("position_notional_max_usd", risk.position_notional_max);
    ordered(("order_notional_max_usd", risk.order_notional_max), position);
    ordered(position, ("correlated_exposure_max_usd", risk.correlated_exposure_max));
    let gross = ("exposure_gross_max_usd", risk.exposure_gross_max);
    ordered(("exposure_venue_max_usd", risk.exposure_venue_max), gross);
    ordered(("exposure_asset_max_usd", risk.exposure_asset_max), gross);
    ordered(("exposure_net_max_usd", risk.exposure_net_max), ("exposure_gross_max_usd", risk.exposure_gross_max));
    let not_found = "risk.not_found_after_ms";
    if risk.not_found_after_ns < risk.ack_timeout_ns && doc.sound(&[not_found, "risk.ack_timeout_ms"]) {
        doc.fault(not_found, "is below ack_timeout_ms: a late order would be taken for one that never arrived");
    }
    for (i, venue) in config.venues.iter().enumerate() {
        let key = format!("venues[{i}].recv_window_ms");
        if risk.not_found_after_ns <= venue.recv_window_ns && doc.sound(&[not_found, &key]) {
            doc.fault(
                &key,
                "must be below risk.not_found_after_ms: until then a late order may still be taken by the venue",
            );
        }
    }
}

fn strategies(config: &Config, doc: &Doc) {
    count(doc, "strategies", "strategy", config.strategies.len(), 0, STRATEGIES_MAX);
    for (i, strategy) in config.strategies.iter().enumerate() {
        known_venue(config, doc, &format!("strategies[{i}].venue"), &strategy.venue);
        let on_it = |instrument: &&super::Instrument| {
            instrument.venue == strategy.venue && instrument.symbol == strategy.symbol
        };
        if !strategy.symbol.is_empty() && config.instruments.iter().find(on_it).is_none() {
            doc.fault(
                &format!("strategies[{i}].symbol"),
                format!("{:?} is not an instrument of {:?}", strategy.symbol, strategy.venue),
            );
        }
        for symbol in strategy.allow.iter().filter(|symbol| !symbol.is_empty()) {
            if !config.instruments.iter().any(|known| known.venue == strategy.venue && known.symbol == *symbol) {
                let message = format!("{symbol:?} is not an instrument of {:?}", strategy.venue);
                doc.fault(&format!("strategies[{i}].allow"), message);
            }
        }
        let (key, limit) = (format!("strategies[{i}].order_notional_usd"), "risk.order_notional_max_usd");
        if strategy.order_notional().is_some_and(|notional| notional > config.risk.order_notional_max)
            && doc.sound(&[&key, limit])
        {
            doc.fault(&key, "is above risk.order_notional_max_usd: every order would be denied");
        }
        let (key, limit) = (format!("strategies[{i}].inventory_max_usd"), "risk.position_notional_max_usd");
        if let StrategyKind::Maker { inventory_max, .. } = strategy.kind
            && inventory_max > config.risk.position_notional_max
            && doc.sound(&[&key, limit])
        {
            doc.fault(&key, "is above risk.position_notional_max_usd");
        }
    }
}

fn count(doc: &Doc, key: &str, what: &str, count: usize, min: usize, max: usize) {
    if count < min {
        doc.fault(key, format!("at least one {what} is needed"));
    } else if count > max {
        doc.fault(key, format!("{count} are more than the {max} that one engine trades"));
    }
}
