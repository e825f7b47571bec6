//! `tollgate sim --alpaca`: what a simulated Alpaca is told on the command line.

use crate::runtime::simulated::made_up_key;
use crate::sim::alpaca::{AlpacaAccount, AlpacaConfig, ClockStart, FillModel, Hours, Rules, parse_time};
use clap::Args;

#[derive(Args)]
pub(super) struct AlpacaArguments {
    /// Serve Alpaca (trading and market-data REST, /stream and the data streams) on this address; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) alpaca: Option<String>,
    /// The account's API key at Alpaca; made up where not given.
    #[arg(long, value_name = "KEY", requires = "alpaca_secret")]
    alpaca_key: Option<String>,
    /// The key's secret.
    #[arg(long, value_name = "SECRET", requires = "alpaca_key")]
    alpaca_secret: Option<String>,
    /// Dollars that the account begins with.
    #[arg(long, value_name = "DOLLARS", default_value = "100000")]
    alpaca_cash: String,
    /// Its leverage class: 1, 2 or 4.
    #[arg(long, default_value_t = 2)]
    alpaca_multiplier: u8,
    /// When equities trade: `open` at any hour, `exchange` as New York does now, or New York as it is from a time such as
    /// 2026-11-27T09:29:50-05:00.
    #[arg(long, default_value = "open")]
    alpaca_clock: String,
    /// How many times faster than real time the venue's clock runs.
    #[arg(long, value_name = "TIMES", default_value_t = 1.0)]
    alpaca_speed: f64,
    /// Fill from the displayed book, level by level, and not as the paper service does: any size at the best quote, one
    /// fill in ten in parts.
    #[arg(long)]
    alpaca_depth: bool,
    /// Requests a minute that the account may make.
    #[arg(long, value_name = "N", default_value_t = 200)]
    alpaca_rate_limit: u32,
    /// The day-trade rule and its members, as they were until July 2026.
    #[arg(long)]
    alpaca_legacy_pdt: bool,
    /// Send trade updates in text frames, as the live service does, and not in binary ones.
    #[arg(long)]
    alpaca_text_updates: bool,
    /// Listen here for orders to make things go wrong at Alpaca, or to set its clock and its market: POST /time,
    /// /market, /reject beside what every control port has.
    #[arg(long, value_name = "HOST:PORT")]
    alpaca_control: Option<String>,
}

impl AlpacaArguments {
    /// The venue as asked for, if it is.
    pub(super) fn config(&self, seed: u64) -> Result<Option<AlpacaConfig>, String> {
        let Some(address) = &self.alpaca else { return Ok(None) };
        let (hours, at) = match self.alpaca_clock.as_str() {
            "open" => (Hours::Always, None),
            "exchange" => (Hours::Exchange, None),
            text => {
                let at = parse_time(text).ok_or_else(|| {
                    format!(
                        "--alpaca-clock {text} is neither open, exchange nor a time such as 2026-11-27T09:29:50-05:00"
                    )
                })?;
                (Hours::Exchange, Some(at))
            }
        };
        if !(0.0..=100_000.0).contains(&self.alpaca_speed) {
            return Err(format!("--alpaca-speed {} is not within 0 and 100000", self.alpaca_speed));
        }
        let account = AlpacaAccount {
            key: self.alpaca_key.clone().unwrap_or_else(made_up_key),
            secret: self.alpaca_secret.clone().unwrap_or_else(made_up_key),
            cash: self.alpaca_cash.clone(),
            multiplier: self.alpaca_multiplier,
        };
        let fill = if self.alpaca_depth { FillModel::Depth } else { Rules::default().fill };
        Ok(Some(AlpacaConfig {
            seed,
            hours,
            clock: ClockStart { at, speed_permille: (self.alpaca_speed * 1_000.0) as i64 },
            rules: Rules { fill, legacy_pdt: self.alpaca_legacy_pdt, ..Rules::default() },
            requests_per_minute: self.alpaca_rate_limit,
            binary_updates: !self.alpaca_text_updates,
            control: self.alpaca_control.clone(),
            ..AlpacaConfig::new(address, vec![account])
        }))
    }
}
