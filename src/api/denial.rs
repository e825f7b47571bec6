//! What a denial answers: the rule's code, what it found, what it allows, the sentence, and what lets such an order pass.

use super::replies::usd;
use crate::core::risk::DenyReason;
use serde::Serialize;

/// A rule that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DenialReply {
    pub code: &'static str,
    /// What was found and what is allowed, in one unit: numbers where the rule has them, else states by name.
    pub value: String,
    pub limit: String,
    pub message: String,
    /// What lets such an order pass again.
    pub clear: &'static str,
}

impl DenialReply {
    pub fn new(reason: &DenyReason) -> DenialReply {
        let (value, limit) = value_and_limit(reason);
        DenialReply { code: reason.code(), value, limit, message: reason.to_string(), clear: reason.how_to_clear() }
    }
}

fn value_and_limit(reason: &DenyReason) -> (String, String) {
    use DenyReason as R;
    let against = |value: String, limit: &str| (value, limit.to_owned());
    match *reason {
        R::TradingNotActive { state, scope } => {
            against(format!("{state} for {scope}"), "active, or reducing for what reduces")
        }
        R::UnknownInstrument => against("not configured".to_owned(), "configured"),
        R::InstrumentRestricted => against("restricted".to_owned(), "not restricted, or reducing"),
        R::InstrumentNotAllowed { strategy } => against(format!("strategy {strategy}"), "strategies that may trade it"),
        R::NotReducing => against("grows".to_owned(), "reduces"),
        R::NotLive { state } => against(state.to_string(), "live, or a paper venue"),
        R::OutsideTradingHours { wait_s: 0, .. } => against("closed".to_owned(), "within hours"),
        R::OutsideTradingHours { wait_s, .. } => against(format!("closed for {wait_s} s"), "within hours"),
        R::InstrumentNotTrading { why } => against(why.to_string(), "trading"),
        R::VenueNotReady => against("not ready".to_owned(), "ready"),
        R::OrderTypeUnsupported { what } => against(what.to_string(), "taken by the venue"),
        R::TermsInvalid(fault) => against(fault.to_string(), "one with the order's type"),
        R::ClientIdReused { order } => against(format!("given to order {order}"), "not given before"),
        R::QuoteStale { age_ms, age_max_ms } => (age_ms.to_string(), age_max_ms.to_string()),
        R::ShortSaleNotPermitted { why } => against(why.to_string(), "held, or lent and permitted"),
        R::LotSize { qty, min, max, step } => (qty.to_string(), format!("{min} to {max} by {step}")),
        R::PriceFilter { px, min, max, tick } => (px.to_string(), format!("{min} to {max} by {tick}")),
        R::VenueNotional { notional, min, max } => (usd(notional), format!("{} to {}", usd(min), usd(max))),
        R::VenueFilter { value, limit, .. } => (value.to_string(), limit.to_string()),
        R::OrderNotionalAboveMax { notional, max } | R::PositionNotionalAboveMax { notional, max } => {
            (usd(notional), usd(max))
        }
        R::PriceCollar { px, reference, max_pct } => (px.to_string(), format!("{reference} and {max_pct} % around it")),
        R::PriceJumped { moved_pct, max_pct, .. } => (moved_pct.to_string(), max_pct.to_string()),
        R::DuplicateOrder { age_ms, window_ms } => (age_ms.to_string(), window_ms.to_string()),
        // With this one. Cancels and exits pass the rate and are counted, so it can be more.
        R::OrderRateAboveMax { max, .. } => (format!("at least {}", u64::from(max) + 1), max.to_string()),
        R::OrdersPerDayAboveMax { orders, max } => (orders.to_string(), max.to_string()),
        R::OrderToTradeAboveMax { orders, trades, max } => (format!("{orders} for {trades}"), max.to_string()),
        R::OpenOrdersAboveMax { open, max } => (open.to_string(), max.to_string()),
        R::AccountBelowMin { equity, min } => (usd(equity), usd(min)),
        R::LeverageAboveMax { leverage, max } => (leverage.to_string(), max.to_string()),
        R::GrossExposureAboveMax { exposure, max, .. }
        | R::NetExposureAboveMax { exposure, max }
        | R::AssetExposureAboveMax { exposure, max, .. }
        | R::CorrelatedExposureAboveMax { exposure, max, .. } => (usd(exposure), usd(max)),
        R::RiskScoreAboveMax { score, max, .. } => (score.to_string(), max.to_string()),
        R::DailyLossReached { loss, max } => (usd(loss), usd(max)),
        R::StageCapReached { value, max, .. } => (value.to_string(), max.to_string()),
        R::BalanceTooLow { needed, available, .. } => (needed.to_string(), available.to_string()),
        R::SelfMatch { own } => ("would meet it".to_owned(), own.to_string()),
        R::CannotEvaluate(what) => against(what.to_string(), "every number is known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::command::{Scope, TradingState};
    use crate::core::risk::{Capped, NoShort, RULES, TermFault, Unevaluable};
    use crate::core::standing::State;
    use crate::domain::wire::{Reader, Wire, Writer};
    use crate::domain::{Ability, Dec, Feature, FilterName, OrderId, StrategyId, Text, Usd, VenueId};
    use std::collections::BTreeSet;

    fn dec(value: i64, scale: u8) -> Dec {
        Dec { value, scale }
    }

    /// A denial by each rule, in rank, with its value and its limit.
    fn every() -> Vec<(DenyReason, &'static str, &'static str)> {
        use DenyReason as R;
        let (usd, asset) = (Usd::dollars, Text::new("BTC"));
        vec![
            (
                R::TradingNotActive { state: TradingState::Halted, scope: Scope::Account },
                "halted for the account",
                "active, or reducing for what reduces",
            ),
            (R::UnknownInstrument, "not configured", "configured"),
            (R::InstrumentRestricted, "restricted", "not restricted, or reducing"),
            (R::InstrumentNotAllowed { strategy: StrategyId(3) }, "strategy 3", "strategies that may trade it"),
            (R::NotReducing, "grows", "reduces"),
            (R::NotLive { state: State::PendingApproval }, "pending_approval", "live, or a paper venue"),
            (
                R::OutsideTradingHours { venue: true, extended: false, wait_s: 3_600 },
                "closed for 3600 s",
                "within hours",
            ),
            (R::InstrumentNotTrading { why: Text::new("BREAK") }, "BREAK", "trading"),
            (R::VenueNotReady, "not ready", "ready"),
            (R::OrderTypeUnsupported { what: Ability::Feature(Feature::Iceberg) }, "iceberg", "taken by the venue"),
            (R::TermsInvalid(TermFault::NoStopPrice), "the order type needs a stop price", "one with the order's type"),
            (R::ClientIdReused { order: OrderId(0x1_0007) }, "given to order 65543", "not given before"),
            (R::QuoteStale { age_ms: 1_900, age_max_ms: 1_500 }, "1900", "1500"),
            (
                R::ShortSaleNotPermitted { why: NoShort::HardToBorrow },
                "it is hard to borrow",
                "held, or lent and permitted",
            ),
            (
                R::LotSize { qty: dec(15, 4), min: dec(1, 3), max: dec(9, 0), step: dec(1, 3) },
                "0.0015",
                "0.001 to 9 by 0.001",
            ),
            (
                R::PriceFilter { px: dec(10_005, 3), min: dec(1, 2), max: dec(100, 0), tick: dec(1, 2) },
                "10.005",
                "0.01 to 100 by 0.01",
            ),
            (R::VenueNotional { notional: usd(4), min: usd(5), max: usd(9_000) }, "4", "5 to 9000"),
            (R::VenueFilter { filter: FilterName::MaxNumOrders, value: dec(201, 0), limit: dec(200, 0) }, "201", "200"),
            (
                R::PriceCollar { px: dec(70, 0), reference: dec(60, 0), max_pct: dec(10, 0) },
                "70",
                "60 and 10 % around it",
            ),
            (R::OrderNotionalAboveMax { notional: Usd(512_350_000_000), max: usd(5_000) }, "5123.5", "5000"),
            (R::PriceJumped { moved_pct: dec(61, 1), max_pct: dec(5, 0), window_ms: 60_000 }, "6.1", "5"),
            (R::DuplicateOrder { age_ms: 40, window_ms: 250 }, "40", "250"),
            (R::OrderRateAboveMax { scope: Scope::Venue(VenueId(0)), max: 50, wait_ms: 12 }, "at least 51", "50"),
            (R::OrdersPerDayAboveMax { orders: 1_000, max: 1_000 }, "1000", "1000"),
            (R::OrderToTradeAboveMax { orders: 5_001, trades: 10, max: 500 }, "5001 for 10", "500"),
            (R::OpenOrdersAboveMax { open: 64, max: 64 }, "64", "64"),
            (R::AccountBelowMin { equity: usd(999), min: usd(1_000) }, "999", "1000"),
            (R::PositionNotionalAboveMax { notional: usd(10_001), max: usd(10_000) }, "10001", "10000"),
            (R::LeverageAboveMax { leverage: dec(31, 1), max: dec(3, 0) }, "3.1", "3"),
            (R::GrossExposureAboveMax { scope: Scope::Account, exposure: usd(101), max: usd(100) }, "101", "100"),
            (R::NetExposureAboveMax { exposure: usd(51), max: usd(50) }, "51", "50"),
            (R::AssetExposureAboveMax { asset, exposure: usd(51), max: usd(50) }, "51", "50"),
            (R::CorrelatedExposureAboveMax { exposure: usd(51), max: usd(50), known: false }, "51", "50"),
            (R::RiskScoreAboveMax { score: 91, max: 90, value_at_risk: usd(7) }, "91", "90"),
            (R::DailyLossReached { loss: usd(1_001), max: usd(1_000) }, "1001", "1000"),
            (R::StageCapReached { stage: 1, cap: Capped::OpenOrders, value: dec(9, 0), max: dec(8, 0) }, "9", "8"),
            (R::BalanceTooLow { asset, needed: dec(2, 0), available: dec(15, 1) }, "2", "1.5"),
            (R::SelfMatch { own: dec(600, 1) }, "would meet it", "60"),
            (R::CannotEvaluate(Unevaluable::NoPrice), "there is no usable price", "every number is known"),
        ]
    }

    #[test]
    fn every_rule_tells_code_value_limit_sentence_and_what_clears_it_and_the_journal_keeps_it() {
        let all = every();
        let codes: Vec<&str> = all.iter().map(|(reason, ..)| reason.code()).collect();
        assert_eq!(codes, RULES, "one row a rule, in rank");
        assert_eq!(
            codes.iter().collect::<BTreeSet<_>>().len(),
            RULES.len(),
            "each code, and its counter, is one rule's"
        );
        for (reason, value, limit) in &all {
            let told = DenialReply::new(reason);
            assert_eq!((told.value.as_str(), told.limit.as_str()), (*value, *limit), "{}", told.code);
            assert!(told.clear.split(' ').count() >= 2 && told.clear != told.message, "{}: {}", told.code, told.clear);
            assert!(told.message.split(' ').count() > 3, "{}: {}", told.code, told.message);
            let mut buf = [0; 512];
            let mut writer = Writer::new(&mut buf);
            reason.put(&mut writer);
            let len = writer.finish().unwrap();
            assert_eq!(DenyReason::get(&mut Reader::new(&buf[..len])).as_ref(), Some(reason));
        }
        // Values and limits of one rule are of one unit: where one is a number, so is the other's first.
        let number = |text: &str| text.chars().any(|c| c.is_ascii_digit());
        for (reason, value, limit) in &all {
            let named = matches!(reason.code(), "INSTRUMENT_NOT_ALLOWED" | "OUTSIDE_TRADING_HOURS" | "SELF_MATCH")
                || reason.code() == "CLIENT_ORDER_ID_REUSED";
            assert!(named || number(value) == number(limit), "{}: {value} against {limit}", reason.code());
        }
    }
}
