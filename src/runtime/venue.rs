//! One venue's agents from its configuration: addresses and keys found, feed and gateway made, the way out kept ready.

use super::keys::Origin;
use super::names::Names;
use super::probe::{Manner, Probe, ProbeError};
use super::rescue::{Rescue, Way};
use crate::agent::Agent;
use crate::config::{Config, Credentials, DataForm, Environment, Stream, Venue, VenueKind};
use crate::core::effect::Effect;
use crate::core::event::Input;
use crate::credentials::{Credential, Secret};
use crate::domain::{PaperHosts, VenueId};
use crate::feed::alpaca::{AlpacaFeed, AlpacaFeedConfig};
use crate::feed::{Feed, FeedConfig, MarketData};
use crate::gateway::alpaca::{AlpacaConfig, AlpacaGateway, Ways};
use crate::gateway::live::Open;
use crate::gateway::{Gateway, GatewayConfig, Leave, LiveGateway, NewKey};
use crate::net::Network;
use crate::net::link::{Rx, Tx, Wake};
use crate::net::rest::UreqRest;
use crate::net::rest::ureq::{UreqTimeouts, tls_config};
use crate::net::url;
use crate::telemetry::{Clock, Counters};
use crate::transition::LivePermit;
use crate::venues::alpaca;
use crate::venues::assets::AssetTable;
use crate::venues::binance::exchange_info::Wanted;
use crate::venues::binance::sign::{RestSigner, Signer};
use crate::venues::pair::SharedPair;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use ureq::tls::TlsConfig;
use zeroize::{Zeroize, Zeroizing};

/// Commission of a taker of crypto at Alpaca, the lowest tier: 25 basis points.
const ALPACA_CRYPTO_FEE_PPM: u32 = 2_500;

/// Where a venue is and how it is spoken to.
pub struct VenueKeys {
    pub rest_url: String,
    pub stream_url: String,
    pub ws_api_url: String,
    /// Server of the books' snapshots, where it is not that of the orders.
    pub data_url: Option<String>,
    pub api_key: String,
    pub secret: String,
    /// Where the key came from, where the keeper of keys may exchange it.
    pub origin: Option<Origin>,
}

/// The signers made from the secret hold what they need; the text is wiped.
impl Drop for VenueKeys {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl VenueKeys {
    /// A simulated venue's, at `host:port`. `data`: servers of streams and snapshots, where they are not its own.
    pub fn simulated(
        addr: &str,
        orders_path: &str,
        data: Option<(&str, &str)>,
        api_key: String,
        secret: String,
    ) -> VenueKeys {
        VenueKeys {
            rest_url: format!("http://{addr}"),
            stream_url: data.map_or_else(|| format!("ws://{addr}"), |(streams, _)| streams.to_owned()),
            ws_api_url: format!("ws://{addr}{orders_path}"),
            data_url: data.map(|(_, rest)| rest.to_owned()),
            api_key,
            secret,
            origin: None,
        }
    }

    /// What the configuration names, or what the simulated venue handed over.
    pub fn find(config: &Config, venue: &Venue, sim: Option<&VenueKeys>) -> Result<VenueKeys, String> {
        match (&venue.credentials, sim) {
            (Credentials::Store { rest_url, stream_url, ws_api_url, credential }, _) => {
                let origin = super::keys::find(config, venue, credential)?;
                let (rest_url, stream_url, ws_api_url) = (rest_url.clone(), stream_url.clone(), ws_api_url.clone());
                let (api_key, secret) = super::keeper::texts(&origin.opened)?;
                let secret = secret.as_str().to_owned();
                Ok(VenueKeys {
                    rest_url,
                    stream_url,
                    ws_api_url,
                    data_url: None,
                    api_key,
                    secret,
                    origin: Some(origin),
                })
            }
            (Credentials::Keys { rest_url, stream_url, ws_api_url, api_key, secret }, _) => {
                let plaintext = config.credentials.as_ref().is_some_and(|files| files.allow_plaintext);
                let secret = secret.read_key(plaintext).map_err(|cause| cause.to_string())?;
                Ok(VenueKeys {
                    rest_url: rest_url.clone(),
                    stream_url: stream_url.clone(),
                    ws_api_url: ws_api_url.clone(),
                    data_url: None,
                    api_key: api_key.read_key(plaintext).map_err(|cause| cause.to_string())?,
                    secret: super::keys::unlock(config, venue, &venue.name, secret)?,
                    origin: None,
                })
            }
            (Credentials::Sim, Some(keys)) => Ok(VenueKeys {
                rest_url: keys.rest_url.clone(),
                stream_url: match venue.market_data {
                    DataForm::Sbe => format!("{}/sbe", keys.stream_url),
                    DataForm::Json | DataForm::MsgPack => keys.stream_url.clone(),
                },
                ws_api_url: keys.ws_api_url.clone(),
                data_url: keys.data_url.clone(),
                api_key: keys.api_key.clone(),
                secret: keys.secret.clone(),
                origin: None,
            }),
            // The configuration has been checked: account = "sim" has a simulated venue.
            (Credentials::Sim, None) => Err("there is no simulated venue".to_owned()),
        }
    }
}

impl VenueKeys {
    /// What agents share of them. A secret that signs stays with what signs.
    pub fn pair(&self, kind: VenueKind) -> SharedPair {
        match kind {
            VenueKind::Binance => SharedPair::new(&self.api_key, ""),
            VenueKind::Alpaca => SharedPair::new(&self.api_key, &self.secret),
        }
    }
}

/// What a venue's agents are made of.
pub struct VenueParts<'a> {
    pub id: VenueId,
    pub epoch: u32,
    pub config: &'a Config,
    pub venue: &'a Venue,
    pub names: &'a Names,
    pub keys: &'a VenueKeys,
    /// What a rotation of keys exchanges for all that read it when they connect.
    pub pair: SharedPair,
    pub clock: &'a Clock,
    pub counters: &'a Counters,
}

impl VenueParts<'_> {
    fn instruments(&self) -> impl Iterator<Item = &super::names::NamedInstrument> {
        self.names.instruments.iter().filter(|i| i.venue == self.id)
    }

    fn rest(&self, thread: &str, threads: usize, wake: &Wake) -> Result<Box<UreqRest>, String> {
        let timeouts = UreqTimeouts {
            connect: Duration::from_nanos(self.venue.connect_timeout_ns.unsigned_abs()),
            total: Duration::from_nanos(self.venue.request_timeout_ns.unsigned_abs()),
        };
        UreqRest::pool(thread, threads, timeouts, self.venue.ca_file.as_deref(), wake)
            .map(Box::new)
            .map_err(|cause| cause.to_string())
    }

    fn alpaca_names(&self) -> Result<alpaca::Names, String> {
        let wanted = self.instruments().map(|i| alpaca::Wanted {
            id: i.id,
            symbol: i.symbol.clone(),
            base: i.base,
            base_name: i.base_name.clone(),
            quote: i.quote,
            quote_name: i.quote_name.clone(),
            quote_is_usd: i.quote_is_usd,
        });
        alpaca::Names::new(self.id, self.epoch, wanted.collect()).map_err(|cause| cause.to_string())
    }

    /// A key that says by its first letters that it is of the other host: said now, and not by a venue that refuses it.
    fn alpaca_key(&self) -> Result<(), String> {
        let live = self.keys.rest_url.contains("//api.alpaca.markets");
        let paper = self.keys.rest_url.contains("//paper-api.alpaca.markets");
        let key = self.keys.api_key.as_str();
        if live && key.starts_with("PK") {
            Err("the key is one of a paper account (PK...), and rest_url is the host of real money: \
                 paper and live have keys of their own"
                .to_owned())
        } else if paper && key.starts_with("AK") {
            Err("the key is one of an account with real money (AK...), and rest_url is the host of paper accounts: \
                 paper and live have keys of their own"
                .to_owned())
        } else {
            Ok(())
        }
    }

    fn alpaca_feed(&self, network: Box<dyn Network>, tx: Tx<Input>) -> Result<Box<dyn Agent>, String> {
        let (stream, stream_path) = url::parse(&self.keys.stream_url).map_err(|cause| cause.to_string())?;
        let config = AlpacaFeedConfig {
            name: "feed".to_owned(),
            venue: self.venue.name.clone(),
            stream,
            stream_path,
            equities: self.venue.equity_feed.to_owned(),
            msgpack: self.venue.market_data == DataForm::MsgPack,
            quotes: self.venue.streams.contains(&Stream::Quote),
            trades: self.venue.streams.contains(&Stream::Trade),
            keys: self.pair.clone(),
            connect_timeout_ns: self.venue.connect_timeout_ns,
            read_timeout_ns: self.venue.read_timeout_ns,
            reconnect_min_ns: self.venue.reconnect_min_ns,
            reconnect_max_ns: self.venue.reconnect_max_ns,
            frame_max_bytes: self.venue.frame_max_bytes,
        };
        let names = self.alpaca_names()?;
        let clock = self.clock.clone();
        Ok(Box::new(AlpacaFeed::new(config, names, network, clock, tx, self.counters, fastrand::u64(..))))
    }

    fn alpaca_gateway(
        &self,
        network: Box<dyn Network>,
        orders: Rx<Effect>,
        reports: Tx<Input>,
        permits: Rx<LivePermit>,
        new_keys: Rx<NewKey>,
        wake: &Wake,
    ) -> Result<Box<dyn Agent>, String> {
        self.alpaca_key()?;
        let cash = self.names.assets.iter().find(|(name, _)| name == "USD").map(|(_, id)| *id);
        let config = AlpacaConfig {
            name: self.venue.name.clone(),
            names: self.alpaca_names()?,
            rest_url: self.keys.rest_url.clone(),
            stream_url: self.keys.ws_api_url.clone(),
            api_key: self.keys.api_key.clone(),
            secret: Zeroizing::new(self.keys.secret.clone()),
            cash: cash.ok_or("risk.usd_assets must name \"USD\": it is the account's cash")?,
            crypto_fee_ppm: ALPACA_CRYPTO_FEE_PPM,
            connect_timeout_ns: self.venue.connect_timeout_ns,
            read_timeout_ns: self.venue.read_timeout_ns,
            reconnect_min_ns: self.venue.reconnect_min_ns,
            reconnect_max_ns: self.venue.reconnect_max_ns,
            frame_max_bytes: self.venue.frame_max_bytes,
            seed: fastrand::u64(..),
        };
        let ways = Ways {
            orders: self.rest("rest-orders", 3, wake)?,
            cancels: self.rest("rest-cancels", 2, wake)?,
            questions: self.rest("rest-asks", 2, wake)?,
        };
        if self.venue.environment == Environment::Paper {
            let leave = Leave::Paper(paper_hosts([&config.rest_url, &config.stream_url])?);
            let gateway = AlpacaGateway::new(config, leave, self.clock, network, ways, orders, reports, self.counters);
            return Ok(Box::new(gateway.map_err(|cause| cause.to_string())?.with_keys(new_keys)));
        }
        let (clock, counters) = (self.clock.clone(), self.counters.clone());
        let open: Open = Box::new(move |permit| {
            let leave = Leave::Live(permit);
            match AlpacaGateway::new(config, leave, &clock, network, ways, orders, reports, &counters) {
                Ok(gateway) => Ok(Box::new(gateway.with_keys(new_keys))),
                Err(cause) => Err(cause.to_string()),
            }
        });
        Ok(Box::new(LiveGateway::new(&self.venue.name, permits, open)))
    }

    fn recv_window_ms(&self) -> u32 {
        // The configuration has been checked: at most 60 s.
        (self.venue.recv_window_ns / 1_000_000) as u32
    }

    pub fn feed(&self, network: Box<dyn Network>, tx: Tx<Input>, wake: &Wake) -> Result<Box<dyn Agent>, String> {
        if self.venue.kind == VenueKind::Alpaca {
            return self.alpaca_feed(network, tx);
        }
        let (stream, stream_path) = url::parse(&self.keys.stream_url).map_err(|cause| cause.to_string())?;
        let wants = |stream| self.venue.streams.contains(&stream);
        let config = FeedConfig {
            name: "feed".to_owned(),
            venue: self.venue.name.clone(),
            stream,
            stream_path,
            market_data: self.market_data()?,
            connections: self.venue.connections,
            rest_url: self.keys.data_url.as_ref().unwrap_or(&self.keys.rest_url).clone(),
            instruments: self.instruments().map(|i| (i.id, i.symbol.clone())).collect(),
            quotes: wants(Stream::Quote),
            trades: wants(Stream::Trade),
            depth: wants(Stream::Depth),
            snapshot_levels: self.venue.depth_snapshot_levels,
            connect_timeout_ns: self.venue.connect_timeout_ns,
            read_timeout_ns: self.venue.read_timeout_ns,
            reconnect_min_ns: self.venue.reconnect_min_ns,
            reconnect_max_ns: self.venue.reconnect_max_ns,
            renew_after_ns: self.venue.renew_after_ns,
            frame_max_bytes: self.venue.frame_max_bytes,
        };
        let rest = self.rest("rest-feed", 1, wake)?;
        let feed = Feed::new(config, network, rest, self.clock.clone(), tx, self.counters, fastrand::u64(..))
            .map_err(|cause| cause.to_string())?;
        Ok(Box::new(feed))
    }

    /// Binary streams are given to Ed25519 keys alone (§18.2): said now, and not by a venue that refuses connections.
    fn market_data(&self) -> Result<MarketData, String> {
        match self.venue.market_data {
            DataForm::Json | DataForm::MsgPack => Ok(MarketData::Json),
            DataForm::Sbe if self.signer()?.can_log_on() => Ok(MarketData::Sbe { keys: self.pair.clone() }),
            DataForm::Sbe => Err("market_data = \"sbe\" needs an Ed25519 API key, and this one is of another kind: \
                                  make an Ed25519 key at the venue, or set market_data = \"json\""
                .to_owned()),
        }
    }

    pub fn gateway(
        &self,
        network: Box<dyn Network>,
        orders: Rx<Effect>,
        reports: Tx<Input>,
        permits: Rx<LivePermit>,
        new_keys: Rx<NewKey>,
        wake: &Wake,
    ) -> Result<Box<dyn Agent>, String> {
        if self.venue.kind == VenueKind::Alpaca {
            return self.alpaca_gateway(network, orders, reports, permits, new_keys, wake);
        }
        let taker_fee_ppm = match (&self.venue.credentials, &self.config.sim) {
            (Credentials::Sim, Some(sim)) => sim.taker_fee_ppm,
            // The account itself says it at the first reconciliation.
            _ => 1_000,
        };
        let config = GatewayConfig {
            venue: self.id,
            name: self.venue.name.clone(),
            rest_url: self.keys.rest_url.clone(),
            ws_api_url: self.keys.ws_api_url.clone(),
            api_key: self.keys.api_key.clone(),
            signer: self.signer()?,
            epoch: self.epoch,
            recv_window_ms: self.recv_window_ms(),
            instruments: self.instruments().map(|i| Wanted { id: i.id, symbol: i.symbol.clone() }).collect(),
            assets: AssetTable::new(self.names.assets.iter().map(|(name, id)| (name.as_str(), *id))),
            usd_assets: self.config.risk.usd_assets.clone(),
            taker_fee_ppm,
            connect_timeout_ns: self.venue.connect_timeout_ns,
            request_timeout_ns: self.venue.request_timeout_ns,
            read_timeout_ns: self.venue.read_timeout_ns,
            reconnect_min_ns: self.venue.reconnect_min_ns,
            reconnect_max_ns: self.venue.reconnect_max_ns,
            renew_after_ns: self.venue.renew_after_ns,
            frame_max_bytes: self.venue.frame_max_bytes,
            clock_check_ns: self.venue.clock_check_ns,
            clock_offset_alarm_ns: self.venue.clock_offset_alarm_ns,
            seed: fastrand::u64(..),
        };
        let rest = self.rest("rest-gateway", 1, wake)?;
        if self.venue.environment == Environment::Paper {
            let leave = Leave::Paper(paper_hosts([&config.rest_url, &config.ws_api_url])?);
            let gateway = Gateway::new(config, leave, self.clock, network, rest, orders, reports, self.counters)
                .map_err(|cause| cause.to_string())?;
            return Ok(Box::new(gateway.with_keys(new_keys)));
        }
        let (clock, counters) = (self.clock.clone(), self.counters.clone());
        let open: Open = Box::new(move |permit| {
            match Gateway::new(config, Leave::Live(permit), &clock, network, rest, orders, reports, &counters) {
                Ok(gateway) => Ok(Box::new(gateway.with_keys(new_keys))),
                Err(cause) => Err(cause.to_string()),
            }
        });
        Ok(Box::new(LiveGateway::new(&self.venue.name, permits, open)))
    }

    /// The kind of key is found from the secret itself.
    fn signer(&self) -> Result<Signer, String> {
        Signer::from_secret(&self.keys.secret).map_err(|cause| cause.to_string())
    }

    /// How the keeper of keys asks the venue.
    pub fn probe(&self) -> Result<Probe, String> {
        let manner = match self.venue.kind {
            VenueKind::Binance => Manner::Binance { recv_window_ms: self.recv_window_ms() },
            VenueKind::Alpaca => Manner::Alpaca,
        };
        Ok(Probe { rest_url: self.keys.rest_url.clone(), manner, tls: self.tls()? })
    }

    /// With real money a key that can withdraw is not used, and neither is one of which that is not known.
    pub fn refuse_withdrawals(&self) -> Result<(), String> {
        if self.venue.environment == Environment::Paper || self.venue.credentials == Credentials::Sim {
            return Ok(());
        }
        let part = |text: &str| Secret::copy(text.as_bytes());
        let credential = Credential::new(part(&self.keys.api_key), part(&self.keys.secret));
        let credential = credential.map_err(|error| error.to_string())?;
        match self.probe()?.ask(&credential, true) {
            Ok(probed) if probed.rights_told => Ok(()),
            Ok(_) => {
                tracing::warn!(
                    "venue {}: it does not say what a key may do; look there that this one cannot withdraw",
                    self.venue.name
                );
                Ok(())
            }
            Err(ProbeError::Refused(why)) => Err(why),
            Err(ProbeError::NotThere(why)) => Err(format!("whether its key can withdraw is not known: {why}")),
        }
    }

    /// What the cold requests outside the gateway believe.
    fn tls(&self) -> Result<TlsConfig, String> {
        tls_config(self.venue.ca_file.as_deref()).map_err(|cause| cause.to_string())
    }

    pub fn rescue(&self) -> Result<Rescue, String> {
        Ok(Rescue {
            venue: self.id,
            name: self.venue.name.clone(),
            rest_url: self.keys.rest_url.clone(),
            tls: self.tls()?,
            way: match self.venue.kind {
                VenueKind::Binance => Way::Binance {
                    signer: Arc::new(Mutex::new(RestSigner::new(&self.keys.api_key, self.signer()?))),
                    recv_window_ms: self.recv_window_ms(),
                },
                VenueKind::Alpaca => Way::Alpaca { keys: self.pair.clone() },
            },
        })
    }
}

/// The configuration has been checked; the type asks once more.
fn paper_hosts(urls: [&String; 2]) -> Result<PaperHosts, String> {
    PaperHosts::of(urls.map(String::as_str)).map_err(|url| format!("{url} is not known to be a paper environment"))
}
