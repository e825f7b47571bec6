//! Whether the evidence is still of the engine that gathered it.

use crate::core::config::{Limits, StrategyConfig};
use crate::core::event::Body;
use crate::domain::StrategyId;
use std::collections::BTreeMap;

/// What of the configuration evidence depends on: the strategies' parameters, and the limits, which may be tightened.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    strategies: BTreeMap<StrategyId, StrategyConfig>,
    /// Those that the run which begins has named so far; `None` once it is on.
    named: Option<BTreeMap<StrategyId, StrategyConfig>>,
    limits: Option<Limits>,
    /// Rises with every change that begins the evidence anew.
    number: u64,
}

impl Configuration {
    /// Names it among the configurations of this journal.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Takes an event; what changed, where that begins the evidence anew.
    pub fn on_event(&mut self, body: &Body) -> Option<String> {
        let changed = match body {
            Body::Start { .. } => {
                self.named = Some(BTreeMap::new());
                None
            }
            // Twins follow their strategies.
            Body::Strategy(config) if !config.id.is_live() => {
                match &mut self.named {
                    Some(named) => named.insert(config.id, *config),
                    None => self.strategies.insert(config.id, *config),
                };
                None
            }
            Body::Limits(limits) => self.on_limits(limits),
            Body::Command(command) => match command.action {
                crate::core::command::Action::SetLimits(limits) => self.on_limits(&limits),
                _ => None,
            },
            // The first that is no configuration: the run has named all it has.
            Body::Tick | Body::VenueState { .. } | Body::Quote(_) => self.on_running(),
            _ => None,
        };
        self.number += u64::from(changed.is_some());
        changed
    }

    fn on_running(&mut self) -> Option<String> {
        let named = self.named.take()?;
        let before = std::mem::replace(&mut self.strategies, named);
        // The first run of a journal has nothing to differ from.
        if before.is_empty() || before == self.strategies {
            return None;
        }
        let differs = |id: &StrategyId| before.get(id) != self.strategies.get(id);
        let id = before.keys().chain(self.strategies.keys()).find(|id| differs(id))?;
        Some(match (before.contains_key(id), self.strategies.contains_key(id)) {
            (true, true) => format!("strategy {id} has other parameters"),
            (false, _) => format!("strategy {id} is new"),
            (_, false) => format!("strategy {id} is gone"),
        })
    }

    fn on_limits(&mut self, limits: &Limits) -> Option<String> {
        let old = self.limits.replace(*limits)?;
        loosened(&old, limits).map(|name| format!("{name} was loosened"))
    }
}

/// The first limit that `new` holds looser than `old`. One that is not known to be tighter counts as loosened.
fn loosened(old: &Limits, new: &Limits) -> Option<&'static str> {
    // What remains of `new` where all that is tighter is taken back.
    let mut rest = *new;
    macro_rules! held {
        ($($field:ident $looser:tt),* $(,)?) => {$(
            if new.$field $looser old.$field {
                return Some(stringify!($field));
            }
            rest.$field = old.$field;
        )*};
    }
    held!(
        order_notional_max >, position_notional_max >, leverage_max_ppm >, account_balance_min <, daily_loss_max >,
        quote_age_max_ns >, market_order_margin_ppm <, open_orders_max >, price_collar_ppm >, price_move_max_ppm >,
        price_move_window_ns <, duplicate_window_ns <, orders_per_second_max >, orders_per_day_max >,
        order_to_trade_max >, order_to_trade_orders_min >, runaway_executions_max >, runaway_window_ns <,
        exposure_gross_max >, exposure_net_max >, strategy_exposure_max >, daily_loss_halt_ppm >, exposure_venue_max >, exposure_asset_max >,
        correlated_exposure_max >, correlation_threshold_ppm >,
        drawdown_reduce_ppm >, drawdown_halt_ppm >, loss_streak_max >,
    );
    // How long answers are waited for bounds no risk.
    rest.ack_timeout_ns = old.ack_timeout_ns;
    rest.not_found_after_ns = old.not_found_after_ns;
    rest.query_interval_ns = old.query_interval_ns;
    rest.reconcile_interval_ns = old.reconcile_interval_ns;
    (rest != *old).then_some("a limit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::StrategyKind;
    use crate::domain::Usd;

    fn ema(id: u8, fast: u32) -> Body {
        let kind = StrategyKind::EmaCross { fast, slow: 20, sample_ns: 1, order_notional: Usd::dollars(500) };
        Body::Strategy(StrategyConfig { id: StrategyId(id), kind, ..StrategyConfig::default() })
    }

    fn run(configuration: &mut Configuration, bodies: &[Body]) -> Option<String> {
        let start = Body::Start { epoch: 1, run: 1 };
        let all = std::iter::once(&start).chain(bodies).chain(std::iter::once(&Body::Tick));
        all.filter_map(|body| configuration.on_event(body)).next()
    }

    #[test]
    fn other_parameters_and_looser_limits_are_another_engine_and_tighter_ones_are_not() {
        let mut configuration = Configuration::default();
        let limits = |dollars| Body::Limits(Limits { daily_loss_max: Usd::dollars(dollars), ..Limits::LOOSEST });
        let mut next = |bodies: &[Body]| run(&mut configuration, bodies);
        assert_eq!(next(&[limits(100), ema(1, 5), ema(129, 5)]), None, "the first");
        assert_eq!(next(&[limits(100), ema(1, 5), ema(129, 7)]), None, "a twin is sized by its stage");
        assert_eq!(next(&[limits(90), ema(1, 5)]), None, "tighter");
        assert_eq!(next(&[limits(91), ema(1, 5)]).unwrap(), "daily_loss_max was loosened");
        assert_eq!(next(&[limits(91), ema(1, 6)]).unwrap(), "strategy 1 has other parameters");
        assert_eq!(next(&[limits(91), ema(1, 6), ema(2, 6)]).unwrap(), "strategy 2 is new");
        assert_eq!(next(&[limits(91), ema(2, 6)]).unwrap(), "strategy 1 is gone");
        assert_eq!(next(&[limits(91)]).unwrap(), "strategy 2 is gone");
        assert_eq!(configuration.number(), 5);
        let odd = Limits { day_offset_ns: 1, ..Limits::LOOSEST };
        assert_eq!(loosened(&Limits::LOOSEST, &odd), Some("a limit"), "what is not known to be tighter");
    }
}
