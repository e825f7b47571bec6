//! One venue's agents from its configuration: addresses and keys found, feed and gateway made, the way out kept ready.

use super::names::Names;
use super::rescue::Rescue;
use crate::agent::Agent;
use crate::config::{Config, Credentials, DataForm, Stream, Venue};
use crate::core::effect::Effect;
use crate::core::event::Input;
use crate::domain::VenueId;
use crate::feed::{Feed, FeedConfig, MarketData};
use crate::gateway::{Gateway, GatewayConfig};
use crate::net::Network;
use crate::net::link::{Rx, Tx, Wake};
use crate::net::rest::UreqRest;
use crate::net::rest::ureq::UreqTimeouts;
use crate::net::url;
use crate::telemetry::{Clock, Counters};
use crate::venues::assets::AssetTable;
use crate::venues::binance::exchange_info::Wanted;
use crate::venues::binance::sign::{RestSigner, Signer};
use std::time::Duration;
use zeroize::Zeroize;

/// Where a venue is and how it is spoken to.
pub struct VenueKeys {
    pub rest_url: String,
    pub stream_url: String,
    pub ws_api_url: String,
    pub api_key: String,
    pub secret: String,
}

/// The signers made from the secret hold what they need; the text is wiped.
impl Drop for VenueKeys {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl VenueKeys {
    /// What the configuration names, or what the simulated venue handed over.
    pub fn find(config: &Config, venue: &Venue, sim: Option<&VenueKeys>) -> Result<VenueKeys, String> {
        match (&venue.credentials, sim) {
            (Credentials::Store { rest_url, stream_url, ws_api_url, credential }, _) => {
                let (api_key, secret) = super::keys::find(config, venue, credential)?;
                let (rest_url, stream_url, ws_api_url) = (rest_url.clone(), stream_url.clone(), ws_api_url.clone());
                Ok(VenueKeys { rest_url, stream_url, ws_api_url, api_key, secret })
            }
            (Credentials::Keys { rest_url, stream_url, ws_api_url, api_key, secret }, _) => Ok(VenueKeys {
                rest_url: rest_url.clone(),
                stream_url: stream_url.clone(),
                ws_api_url: ws_api_url.clone(),
                api_key: api_key.read().map_err(|cause| cause.to_string())?,
                secret: secret.read().map_err(|cause| cause.to_string())?,
            }),
            (Credentials::Sim, Some(keys)) => Ok(VenueKeys {
                rest_url: keys.rest_url.clone(),
                stream_url: keys.stream_url.clone(),
                ws_api_url: keys.ws_api_url.clone(),
                api_key: keys.api_key.clone(),
                secret: keys.secret.clone(),
            }),
            // The configuration has been checked: account = "sim" has a simulated venue.
            (Credentials::Sim, None) => Err("there is no simulated venue".to_owned()),
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
    pub clock: &'a Clock,
    pub counters: &'a Counters,
}

impl VenueParts<'_> {
    fn instruments(&self) -> impl Iterator<Item = &super::names::NamedInstrument> {
        self.names.instruments.iter().filter(|i| i.venue == self.id)
    }

    fn rest(&self, thread: &str, wake: &Wake) -> Result<Box<UreqRest>, String> {
        let timeouts = UreqTimeouts {
            connect: Duration::from_nanos(self.venue.connect_timeout_ns.unsigned_abs()),
            total: Duration::from_nanos(self.venue.request_timeout_ns.unsigned_abs()),
        };
        UreqRest::new(thread, timeouts, None, wake).map(Box::new).map_err(|cause| cause.to_string())
    }

    fn recv_window_ms(&self) -> u32 {
        // The configuration has been checked: at most 60 s.
        (self.venue.recv_window_ns / 1_000_000) as u32
    }

    pub fn feed(&self, network: Box<dyn Network>, tx: Tx<Input>, wake: &Wake) -> Result<Box<dyn Agent>, String> {
        let (stream, stream_path) = url::parse(&self.keys.stream_url).map_err(|cause| cause.to_string())?;
        let wants = |stream| self.venue.streams.contains(&stream);
        let config = FeedConfig {
            name: "feed".to_owned(),
            venue: self.venue.name.clone(),
            stream,
            stream_path,
            market_data: self.market_data()?,
            connections: self.venue.connections,
            rest_url: self.keys.rest_url.clone(),
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
        let rest = self.rest("rest-feed", wake)?;
        let feed = Feed::new(config, network, rest, self.clock.clone(), tx, self.counters, fastrand::u64(..))
            .map_err(|cause| cause.to_string())?;
        Ok(Box::new(feed))
    }

    /// Binary streams are given to Ed25519 keys alone (§18.2): said now, and not by a venue that refuses connections.
    fn market_data(&self) -> Result<MarketData, String> {
        match self.venue.market_data {
            DataForm::Json => Ok(MarketData::Json),
            DataForm::Sbe if self.signer()?.can_log_on() => Ok(MarketData::Sbe { api_key: self.keys.api_key.clone() }),
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
        wake: &Wake,
    ) -> Result<Box<dyn Agent>, String> {
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
        let rest = self.rest("rest-gateway", wake)?;
        let gateway = Gateway::new(config, self.clock, network, rest, orders, reports, self.counters)
            .map_err(|cause| cause.to_string())?;
        Ok(Box::new(gateway))
    }

    /// The kind of key is found from the secret itself.
    fn signer(&self) -> Result<Signer, String> {
        Signer::from_secret(&self.keys.secret).map_err(|cause| cause.to_string())
    }

    pub fn rescue(&self) -> Result<Rescue, String> {
        Ok(Rescue {
            venue: self.id,
            name: self.venue.name.clone(),
            rest_url: self.keys.rest_url.clone(),
            signer: RestSigner::new(&self.keys.api_key, self.signer()?),
            recv_window_ms: self.recv_window_ms(),
        })
    }
}
