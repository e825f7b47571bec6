//! The simulated venue, as the daemon's configuration and `tollgate sim` want it.

use crate::config;
use crate::domain::decimal;
use crate::net::Network;
use crate::sim::alpaca::{AlpacaAccount, AlpacaConfig, AlpacaSim, Hours};
use crate::sim::binance::{BinanceSim, Fees, SimAccount, SimConfig};
use crate::sim::{MarketSource, SimError, Speed, SyntheticConfig};
use crate::telemetry::Clock;

/// Digits of a made-up key or secret.
const KEY_HEX: usize = 64;

/// A key or secret for an account that is made up: worth nothing, and different each time.
pub fn made_up_key() -> String {
    let mut rng = fastrand::Rng::new();
    (0..KEY_HEX).map(|_| char::from_digit(rng.u32(0..16), 16).unwrap_or('0')).collect()
}

/// The simulated venue of a daemon.
pub fn start(
    sim: &config::Sim,
    accounts: Vec<SimAccount>,
    network: Box<dyn Network>,
    clock: Clock,
) -> Result<BinanceSim, SimError> {
    let market = match &sim.source {
        config::SimSource::Synthetic => MarketSource::Synthetic(SyntheticConfig::default()),
        config::SimSource::Recording { files, speed } => {
            let speed = match speed {
                config::Speed::Max => Speed::Max,
                config::Speed::Permille(permille) => Speed::Times(*permille as f64 / 1_000.0),
            };
            MarketSource::Recording { files: files.clone(), speed }
        }
    };
    let config = SimConfig {
        state_file: sim.state_file.clone(),
        seed: sim.seed,
        // Parts per million of the received amount, in units of 10^-8.
        fees: Fees { maker: i64::from(sim.maker_fee_ppm) * 100, taker: i64::from(sim.taker_fee_ppm) * 100 },
        ..SimConfig::new(&sim.listen.to_string(), accounts, market)
    };
    BinanceSim::new(config, network, clock)
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
    account: AlpacaAccount,
    network: Box<dyn Network>,
    clock: Clock,
) -> Result<AlpacaSim, SimError> {
    let config = AlpacaConfig {
        seed,
        hours: if sim.always_open { Hours::Always } else { Hours::Exchange },
        state_file: sim.state_file.clone(),
        ..AlpacaConfig::new(&sim.listen.to_string(), vec![account])
    };
    AlpacaSim::new(config, network, clock)
}

/// A margin account of the simulated Alpaca with this much cash, in units of 10^-8 of a dollar; its key follows from the
/// seed, as that of `account` does.
pub fn alpaca_account(seed: u64, cash: i64) -> AlpacaAccount {
    let mut rng = fastrand::Rng::with_seed(seed.wrapping_add(0xA1_9ACA));
    let mut key = || (0..KEY_HEX).map(|_| char::from_digit(rng.u32(0..16), 16).unwrap_or('0')).collect();
    let (key, secret): (String, String) = (key(), key());
    AlpacaAccount { key, secret, cash: decimal::to_decimal(cash, 8).to_string(), multiplier: 2 }
}
