//! The simulated venue, as the daemon's configuration and `tollgate sim` want it.

use super::live_market::LiveMarket;
use crate::config;
use crate::domain::decimal;
use crate::net::Network;
use crate::sim::alpaca::{AlpacaAccount, AlpacaConfig, AlpacaSim, Hours};
use crate::sim::binance::{BinanceSim, Fees, LimitsConfig, SimAccount, SimConfig};
use crate::sim::{MarketSource, SimError, Speed, SyntheticConfig};
use crate::telemetry::Clock;

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
