//! What trades came to.

use super::trades::ClosedTrade;
use crate::domain::Usd;
use crate::domain::decimal::to_decimal;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Statistics of closed trades. Everything is after fees: a trade that won less than its fees is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TradeStats {
    pub trades: u64,
    pub wins: u64,
    pub losses: u64,
    /// Sums in dollars: of the winning trades, of the losing ones (positive), of fees and of slippage.
    pub profit: Decimal,
    pub loss: Decimal,
    pub fees: Decimal,
    pub slippage: Decimal,
    held_ns: i128,
}

impl TradeStats {
    pub fn of<'a>(trades: impl IntoIterator<Item = &'a ClosedTrade>) -> TradeStats {
        let mut stats = TradeStats::default();
        trades.into_iter().for_each(|trade| stats.add(trade));
        stats
    }

    pub fn add(&mut self, trade: &ClosedTrade) {
        self.trades += 1;
        let net = decimal(trade.net());
        if trade.net() > Usd::ZERO {
            self.wins += 1;
            self.profit = self.profit.saturating_add(net);
        } else if trade.net() < Usd::ZERO {
            self.losses += 1;
            self.loss = self.loss.saturating_sub(net);
        }
        self.fees = self.fees.saturating_add(decimal(trade.fees));
        self.slippage = self.slippage.saturating_add(decimal(trade.slippage));
        self.held_ns += i128::from(trade.held_ns());
    }

    pub fn net(&self) -> Decimal {
        self.profit.saturating_sub(self.loss)
    }

    /// Wins over wins and losses, 0 to 1: a trade that came to nothing is neither. `None` without either.
    pub fn success_rate(&self) -> Option<f64> {
        let decided = self.wins + self.losses;
        (decided > 0).then(|| self.wins as f64 / decided as f64)
    }

    /// Sum of wins over sum of losses: infinite where there are wins alone, `None` where there is neither.
    pub fn profit_factor(&self) -> Option<f64> {
        match (self.profit.is_zero(), self.loss.is_zero()) {
            (true, true) => None,
            (false, true) => Some(f64::INFINITY),
            _ => Some(float(self.profit) / float(self.loss)),
        }
    }

    /// Mean result of a trade, dollars.
    pub fn expectancy(&self) -> Option<Decimal> {
        over(self.net(), self.trades)
    }

    pub fn average_win(&self) -> Option<Decimal> {
        over(self.profit, self.wins)
    }

    /// Positive.
    pub fn average_loss(&self) -> Option<Decimal> {
        over(self.loss, self.losses)
    }

    pub fn average_held_ns(&self) -> Option<i64> {
        (self.trades > 0).then(|| (self.held_ns / i128::from(self.trades)) as i64)
    }
}

fn over(sum: Decimal, n: u64) -> Option<Decimal> {
    sum.checked_div(Decimal::from(n))
}

pub(super) fn decimal(usd: Usd) -> Decimal {
    to_decimal(usd.0, Usd::SCALE)
}

fn float(value: Decimal) -> f64 {
    f64::try_from(value).unwrap_or(f64::NAN)
}

/// Statistics by a key of the trade: instrument, strategy, hour of the day it was opened in.
pub fn by<'a, K: Ord>(
    trades: impl IntoIterator<Item = &'a ClosedTrade>,
    key: impl Fn(&ClosedTrade) -> K,
) -> BTreeMap<K, TradeStats> {
    let mut map: BTreeMap<K, TradeStats> = BTreeMap::new();
    for trade in trades {
        map.entry(key(trade)).or_default().add(trade);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{InstrumentId, OrderId, Qty, Side, StrategyId};

    fn trade(gross: i64, fees: i64, strategy: u8) -> ClosedTrade {
        ClosedTrade {
            instrument: InstrumentId(0),
            strategy: StrategyId(strategy),
            order: OrderId(1),
            side: Side::Buy,
            qty: Qty(1),
            opened_ns: 10,
            closed_ns: 30,
            closed_seq: 1,
            entry_value: 0,
            exit_value: 0,
            gross: Usd::dollars(gross),
            fees: Usd::dollars(fees),
            slippage: Usd::ZERO,
            worst: Usd::ZERO,
            best: Usd::ZERO,
        }
    }

    #[test]
    fn no_trade_one_trade_no_loss_and_none_that_counts() {
        let none = TradeStats::default();
        assert_eq!((none.success_rate(), none.profit_factor(), none.expectancy()), (None, None, None));
        assert_eq!((none.average_win(), none.average_loss(), none.average_held_ns()), (None, None, None));
        let won = TradeStats::of(&[trade(3, 1, 0)]);
        assert_eq!((won.success_rate(), won.profit_factor()), (Some(1.0), Some(f64::INFINITY)));
        assert_eq!((won.expectancy(), won.average_loss()), (Some(Decimal::from(2)), None));
        let even = TradeStats::of(&[trade(1, 1, 0)]);
        assert_eq!((even.trades, even.success_rate(), even.profit_factor()), (1, None, None));
    }

    #[test]
    fn a_win_below_its_fees_is_a_loss_and_keys_split() {
        let trades = [trade(3, 1, 1), trade(1, 2, 1), trade(5, 1, 2)];
        let all = TradeStats::of(&trades);
        assert_eq!((all.wins, all.losses, all.net(), all.fees), (2, 1, Decimal::from(5), Decimal::from(4)));
        assert_eq!((all.profit_factor(), all.average_held_ns()), (Some(6.0), Some(20)));
        let split = by(&trades, |t| t.strategy);
        assert_eq!(split[&StrategyId(1)].net() + split[&StrategyId(2)].net(), all.net());
        assert_eq!(split[&StrategyId(1)].trades, 2);
    }
}
