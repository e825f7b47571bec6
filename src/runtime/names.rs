//! Ids for what the configuration names. A journal's ids stay what they were: an instrument moved, added or removed
//! in the configuration must not turn one position into another.

use crate::config::{Config, Environment};
use crate::core::Core;
use crate::domain::{AssetId, InstrumentId, MAX_ASSETS, MAX_INSTRUMENTS, VenueId};

/// What could not be named.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NamesError {
    #[error(
        "{configured} instruments are configured, and {known} more stand in the journal: at most {MAX_INSTRUMENTS} fit"
    )]
    TooManyInstruments { configured: usize, known: usize },
    #[error("more than {MAX_ASSETS} assets are configured or stand in the journal")]
    TooManyAssets,
    #[error(
        "venue {name:?} stands in the journal as number {was}, and in the configuration as number {now}: \
         venues keep their order for the life of a journal; restore it, or set engine.data_dir to a new place"
    )]
    VenueMoved { name: String, was: u8, now: u8 },
    #[error(
        "venue {name:?} traded {was} in this journal, and the configuration says {now}: paper and live are never one \
         journal's same venue; give it its old environment or another name, or set engine.data_dir to a new place"
    )]
    EnvironmentChanged { name: String, was: &'static str, now: &'static str },
}

/// A configured instrument with its ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedInstrument {
    pub id: InstrumentId,
    pub venue: VenueId,
    pub symbol: String,
    pub base: AssetId,
    pub base_name: String,
    pub quote: AssetId,
    pub quote_name: String,
    pub quote_is_usd: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    pub instruments: Vec<NamedInstrument>,
    /// Every asset: those of the instruments, those counted as dollars, and those the journal knows.
    pub assets: Vec<(String, AssetId)>,
}

impl Names {
    /// Ids as the journal has them, and new ones behind them.
    pub fn new(config: &Config, core: &Core) -> Result<Names, NamesError> {
        for (id, name, _) in core.venues() {
            let now = config.venues.iter().position(|v| v.name == name).map(|at| at as u8);
            if let Some(now) = now
                && now != id.0
            {
                return Err(NamesError::VenueMoved { name: name.to_owned(), was: id.0, now });
            }
            let money = |live| if live { "real money" } else { "on paper" };
            let was = core.road().is_live_venue(id);
            let now = config.venues.iter().find(|v| v.name == name).map(|v| v.environment != Environment::Paper);
            if let Some(now) = now.filter(|now| *now != was) {
                let (was, now) = (money(was), money(now));
                return Err(NamesError::EnvironmentChanged { name: name.to_owned(), was, now });
            }
        }
        let mut assets: Vec<(String, AssetId)> = core.assets().map(|(id, name)| (name.to_owned(), id)).collect();
        let mut next_asset = assets.iter().map(|(_, id)| id.0 + 1).max().unwrap_or(0);
        let mut asset = |name: &str| -> Result<AssetId, NamesError> {
            if let Some((_, id)) = assets.iter().find(|(known, _)| known == name) {
                return Ok(*id);
            }
            if usize::from(next_asset) >= MAX_ASSETS {
                return Err(NamesError::TooManyAssets);
            }
            let id = AssetId(next_asset);
            next_asset += 1;
            assets.push((name.to_owned(), id));
            Ok(id)
        };
        let known: Vec<_> = core.portfolio().defined().map(|i| (i.def.venue, i.def.symbol, i.def.id)).collect();
        let mut next = known.iter().map(|(_, _, id)| id.0 + 1).max().unwrap_or(0);
        let mut instruments = Vec::with_capacity(config.instruments.len());
        for wanted in &config.instruments {
            // The configuration has been checked: every instrument's venue exists.
            let venue = VenueId(config.venues.iter().position(|v| v.name == wanted.venue).unwrap_or(0) as u8);
            let old = known.iter().find(|(v, symbol, _)| *v == venue && symbol.as_str() == wanted.symbol);
            let id = match old {
                Some((_, _, id)) => *id,
                None => {
                    next += 1;
                    InstrumentId(next - 1)
                }
            };
            if id.index() >= MAX_INSTRUMENTS {
                return Err(NamesError::TooManyInstruments {
                    configured: config.instruments.len(),
                    known: known.len(),
                });
            }
            instruments.push(NamedInstrument {
                id,
                venue,
                symbol: wanted.symbol.clone(),
                base: asset(&wanted.base)?,
                base_name: wanted.base.clone(),
                quote: asset(&wanted.quote)?,
                quote_name: wanted.quote.clone(),
                quote_is_usd: config.risk.usd_assets.contains(&wanted.quote),
            });
        }
        for name in &config.risk.usd_assets {
            asset(name)?;
        }
        // Binance takes commissions in it where the account says so.
        asset("BNB")?;
        Ok(Names { instruments, assets })
    }

    pub fn instrument(&self, venue: VenueId, symbol: &str) -> Option<&NamedInstrument> {
        self.instruments.iter().find(|i| i.venue == venue && i.symbol == symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::effect::Outbox;
    use crate::core::event::{Body, Event};
    use crate::domain::{Instrument, Text};

    fn config() -> Config {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/tollgate.toml");
        Config::load(std::path::Path::new(path)).unwrap()
    }

    fn core_with(bodies: Vec<Body>) -> Core {
        let mut core = Core::new();
        let mut out = Outbox::new();
        for (n, body) in bodies.into_iter().enumerate() {
            core.on_event(&Event { seq: n as u64 + 1, ts_ns: 1, recv_ns: 0, decoded_ns: 0, body }, &mut out);
        }
        core
    }

    #[test]
    fn ids_of_a_journal_stay_and_new_ones_come_behind() {
        let fresh = Names::new(&config(), &Core::new()).unwrap();
        let ids: Vec<u16> = fresh.instruments.iter().map(|i| i.id.0).collect();
        assert_eq!(ids, [0, 1, 2]);
        let old = Instrument { id: InstrumentId(4), symbol: Text::new("ETHUSDT"), ..Instrument::default() };
        let core = core_with(vec![Body::Asset { asset: AssetId(7), name: Text::new("ETH") }, Body::Instrument(old)]);
        let names = Names::new(&config(), &core).unwrap();
        let find = |symbol| names.instrument(VenueId(0), symbol).unwrap();
        assert_eq!((find("ETHUSDT").id, find("BTCUSDT").id), (InstrumentId(4), InstrumentId(5)));
        assert_eq!((find("ETHUSDT").base, find("BTCUSDT").base), (AssetId(7), AssetId(8)));
    }

    #[test]
    fn a_journal_of_paper_is_not_gone_on_with_for_money_nor_the_other_way() {
        let named = |name: &str, at| Body::Venue { venue: VenueId(at), name: Text::new(name) };
        let paper = || core_with(vec![named("binance", 0), named("alpaca", 1)]);
        let mut wanted = config();
        assert!(Names::new(&wanted, &paper()).is_ok());
        wanted.venues[1].environment = Environment::Live { paper: "binance".to_owned() };
        let refused = Names::new(&wanted, &paper()).unwrap_err();
        let want = NamesError::EnvironmentChanged { name: "alpaca".to_owned(), was: "on paper", now: "real money" };
        assert_eq!(refused, want);
        assert!(refused.to_string().contains("engine.data_dir"), "{refused}");
        // Back from live: what was traded for money is not taken for paper.
        let live = Body::LiveVenue { venue: VenueId(1), paper: VenueId(0) };
        let core = core_with(vec![named("binance", 0), named("alpaca", 1), live]);
        assert!(Names::new(&wanted, &core).is_ok());
        assert!(matches!(Names::new(&config(), &core), Err(NamesError::EnvironmentChanged { now: "on paper", .. })));
    }

    #[test]
    fn a_venue_that_moved_is_refused() {
        let core = core_with(vec![Body::Venue { venue: VenueId(3), name: Text::new("binance") }]);
        assert!(matches!(Names::new(&config(), &core), Err(NamesError::VenueMoved { was: 3, now: 0, .. })));
    }
}
