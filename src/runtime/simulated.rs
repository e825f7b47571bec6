//! The simulated venue, as the daemon's configuration and `tollgate sim` want it.

use super::live_market::LiveMarket;
use crate::config::{self, Config};
use crate::domain::decimal;
use crate::net::Network;
use crate::sim::alpaca::{AlpacaAccount, AlpacaConfig, AlpacaSim, Hours};
use crate::sim::binance::{BinanceSim, Fees, LimitsConfig, SimAccount, SimConfig};
use crate::sim::{MarketSource, SimError, Speed, SyntheticConfig};
use crate::telemetry::Clock;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// Digits of a made-up key or secret.
const KEY_HEX: usize = 64;

/// A key or secret for an account that is made up: worth nothing, and different each time.
pub fn made_up_key() -> String {
    let mut rng = fastrand::Rng::new();
    (0..KEY_HEX).map(|_| char::from_digit(rng.u32(0..16), 16).unwrap_or('0')).collect()
}

/// The simulated venue of a daemon; `live` is its market where that is a real one.
pub fn start(
    sim: &config::Sim,
    accounts: Vec<SimAccount>,
    live: Option<LiveMarket>,
    network: Box<dyn Network>,
    clock: Clock,
) -> Result<BinanceSim, SimError> {
    let (market, source) = match (&sim.source, live) {
        (_, Some(live)) => (MarketSource::Live(live.symbols), Some(live.source)),
        (config::SimSource::Live { .. }, None) => return Err(SimError::NoLiveSource),
        (config::SimSource::Synthetic, None) => (MarketSource::Synthetic(SyntheticConfig::default()), None),
        (config::SimSource::Recording { files, speed }, None) => {
            let speed = match speed {
                config::Speed::Max => Speed::Max,
                config::Speed::Permille(permille) => Speed::Times(*permille as f64 / 1_000.0),
            };
            (MarketSource::Recording { files: files.clone(), speed }, None)
        }
    };
    let limits = if source.is_some() { LimitsConfig::live() } else { LimitsConfig::default() };
    let config = SimConfig {
        limits,
        order_latency_ns: sim.order_latency_ns,
        report_latency_ns: sim.report_latency_ns,
        control: sim.control.map(|addr| addr.to_string()),
        state_file: sim.state_file.clone(),
        seed: sim.seed,
        // Parts per million of the received amount, in units of 10^-8.
        fees: Fees { maker: i64::from(sim.maker_fee_ppm) * 100, taker: i64::from(sim.taker_fee_ppm) * 100 },
        ..SimConfig::new(&sim.listen.to_string(), accounts, market)
    };
    match source {
        Some(source) => BinanceSim::on_live(config, source, network, clock),
        None => BinanceSim::new(config, network, clock),
    }
}

/// An account with these balances, in units of 10^-8. Its key follows from the market's seed and its name: the ledger
/// that outlives a restart knows it by that, and it is worth nothing.
pub fn account(seed: u64, name: &str, balances: &[(String, i64)]) -> SimAccount {
    let seed = name.bytes().fold(seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut key = || (0..KEY_HEX).map(|_| char::from_digit(rng.u32(0..16), 16).unwrap_or('0')).collect();
    let text = |value| decimal::to_decimal(value, 8).to_string();
    let balances = balances.iter().map(|(asset, value)| (asset.clone(), text(*value))).collect();
    let (api_key, secret): (String, String) = (key(), key());
    SimAccount::new(&api_key, &secret, balances)
}

/// Gives the account an Ed25519 key in place of its secret, and hands back the private half, a PEM. It follows from the
/// secret, and is worth as much.
pub fn with_ed25519(account: &mut SimAccount) -> Result<String, String> {
    const PRIVATE: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    const PUBLIC: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let seed = digest(&SHA256, account.secret.as_bytes());
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).map_err(|cause| cause.to_string())?;
    let pem = |label: &str, head: &[u8], key: &[u8]| {
        let body = BASE64_STANDARD.encode([head, key].concat());
        format!("-----BEGIN {label} KEY-----\n{body}\n-----END {label} KEY-----\n")
    };
    account.secret = pem("PUBLIC", &PUBLIC, pair.public_key().as_ref());
    Ok(pem("PRIVATE", &PRIVATE, seed.as_ref()))
}

/// Key and secret of each account. Binary streams are for Ed25519 keys alone, here as there.
pub fn keys_of(config: &Config, accounts: &mut [SimAccount]) -> Result<Vec<(String, String)>, String> {
    let sbe = |v: &config::Venue| v.credentials == config::Credentials::Sim && v.market_data == config::DataForm::Sbe;
    let sbe = config.venues.iter().any(sbe);
    let mut keys = Vec::with_capacity(accounts.len());
    for account in accounts {
        let secret = if sbe { with_ed25519(account)? } else { account.secret.clone() };
        keys.push((account.api_key.clone(), secret));
    }
    Ok(keys)
}

/// The simulated Alpaca of a daemon.
pub fn start_alpaca(
    sim: &config::SimAlpaca,
    seed: u64,
    accounts: Vec<AlpacaAccount>,
    network: Box<dyn Network>,
    clock: Clock,
) -> Result<AlpacaSim, SimError> {
    let config = AlpacaConfig {
        seed,
        hours: if sim.always_open { Hours::Always } else { Hours::Exchange },
        state_file: sim.state_file.clone(),
        ..AlpacaConfig::new(&sim.listen.to_string(), accounts)
    };
    AlpacaSim::new(config, network, clock)
}

/// A margin account of the simulated Alpaca with this much cash, in units of 10^-8 of a dollar; its key follows from the
/// seed, as that of `account` does. `live`: the account that plays one with money.
pub fn alpaca_account(seed: u64, live: bool, cash: i64) -> AlpacaAccount {
    let own = if live { 0xA1_9ACB } else { 0xA1_9ACA };
    let mut rng = fastrand::Rng::with_seed(seed.wrapping_add(own));
    let mut key = || (0..KEY_HEX).map(|_| char::from_digit(rng.u32(0..16), 16).unwrap_or('0')).collect();
    let (key, secret): (String, String) = (key(), key());
    AlpacaAccount { key, secret, cash: decimal::to_decimal(cash, 8).to_string(), multiplier: 2 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues::binance::sign::Signer;

    #[test]
    fn an_account_with_an_ed25519_key_is_the_same_at_each_start() {
        let make = |seed| {
            let mut account = account(seed, "paper", &[]);
            let private = with_ed25519(&mut account).unwrap();
            (account.api_key, account.secret, private)
        };
        let (key, public, private) = make(7);
        assert_eq!((key.clone(), public.clone(), private.clone()), make(7));
        assert_ne!(private, make(8).2);
        assert_eq!(key, account(7, "paper", &[]).api_key, "the ledger knows the account by it");
        assert!(Signer::from_secret(&private).unwrap().can_log_on());
        assert!(public.contains("BEGIN PUBLIC KEY"));
    }
}
