//! Instruments that are paid with a margin account's powers, and halts by an instrument's own market.

use super::*;

/// Dollars of buying power; half of it is no loan.
const POWER: i64 = 20_000;

/// Ready, with an instrument at 60,000 that is paid so, none of it held, and no limit of ours in the way.
fn rig(funding: Funding) -> Rig {
    let mut rig = Rig::ready();
    let can = Abilities::default().with(Feature::ShortSale);
    rig.step(Body::Instrument(Instrument { funding, borrow: Borrow::Easy, can, ..btcusdt() }));
    let permit = Permit { short_sale: true, ..Permit::default() };
    rig.step(Body::Permit { instrument: BTC, permit });
    rig.step(Body::Balance(Balance { venue: VENUE, asset: BTC_ASSET, free: 0, locked: 0, ts_event_ns: 0 }));
    let mut limits = *rig.core.limits();
    limits.order_notional_max = Usd::dollars(1_000_000);
    limits.position_notional_max = Usd::dollars(1_000_000);
    limits.leverage_max_ppm = 100_000_000;
    limits.account_balance_min = Usd::ZERO;
    rig.command(Action::SetLimits(limits));
    rig
}

fn stated(funding: Funding) -> Rig {
    let mut rig = rig(funding);
    rig.state_power(POWER);
    rig
}

impl Rig {
    fn state_power(&mut self, dollars: i64) {
        self.step(Body::Margin(Margin {
            venue: VENUE,
            equity: Usd::dollars(10_000),
            buying_power: Usd::dollars(dollars),
            cash_power: Usd::dollars(dollars / 2),
            multiplier: 2,
            ..Margin::default()
        }));
    }

    fn power(&self) -> i64 {
        self.core.account().powers(VENUE).buying_power() / E8
    }

    fn cash_power(&self) -> i64 {
        self.core.account().powers(VENUE).cash_power() / E8
    }
}

#[test]
fn what_the_venue_has_not_stated_is_denied() {
    for funding in [Funding::BuyingPower, Funding::CashPower] {
        let denied = rig(funding).limit(Side::Buy, E8 / 10, 60_000);
        assert_eq!(denied, Err(DenyReason::CannotEvaluate(Unevaluable::NoAccount)), "{funding:?}");
    }
}

#[test]
fn a_purchase_holds_its_power_until_it_ends_and_spends_it_where_it_fills() {
    let mut rig = stated(Funding::BuyingPower);
    let order = rig.limit(Side::Buy, E8 / 10, 60_000).unwrap();
    assert_eq!((rig.power(), rig.cash_power()), (14_000, 4_000));
    assert!(matches!(rig.limit(Side::Buy, E8 / 4, 60_000), Err(DenyReason::BalanceTooLow { .. })));
    rig.report(order, ExecType::New);
    rig.fill(order, Side::Buy, E8 / 20, 60_000);
    assert_eq!(rig.power(), 14_000, "what filled is spent, the rest is held");
    rig.report(order, ExecType::Canceled);
    assert_eq!(rig.power(), 17_000);
    // The venue's word takes its place.
    rig.state_power(17_100);
    assert_eq!(rig.power(), 17_100);
}

#[test]
fn of_the_venues_word_only_orders_that_it_can_know_are_part() {
    let mut rig = stated(Funding::BuyingPower);
    let known = rig.limit(Side::Buy, E8 / 10, 60_000).unwrap();
    rig.report(known, ExecType::New);
    rig.limit(Side::Buy, E8 / 20, 60_000).unwrap();
    // It has counted the first, and may not have seen the second.
    rig.state_power(14_000);
    assert_eq!(rig.power(), 11_000);
    rig.report(known, ExecType::Canceled);
    assert_eq!(rig.power(), 17_000);
}

#[test]
fn a_short_sale_holds_more_than_its_price_and_covering_holds_nothing() {
    let mut rig = rig(Funding::BuyingPower);
    rig.state_power(100_000);
    // Whole ones alone are lent.
    let short = rig.limit(Side::Sell, E8, 60_000).unwrap();
    // Three percent above the ask of 60,000.01.
    assert_eq!(rig.core.account().powers(VENUE).buying_power(), 100_000 * E8 - 6_180_001_030_000);
    rig.report(short, ExecType::New);
    rig.fill(short, Side::Sell, E8, 60_000);
    rig.step(Body::Balance(Balance { venue: VENUE, asset: BTC_ASSET, free: -E8, locked: 0, ts_event_ns: 0 }));
    rig.state_power(0);
    let cover = rig.limit(Side::Buy, E8, 60_000);
    assert!(cover.is_ok(), "{cover:?}");
    // One more would grow a long position.
    assert!(matches!(rig.limit(Side::Buy, E8 / 100, 60_000), Err(DenyReason::BalanceTooLow { .. })));
}

#[test]
fn what_is_paid_in_cash_takes_a_multiple_of_the_buying_power() {
    let mut rig = stated(Funding::CashPower);
    rig.limit(Side::Buy, E8 / 10, 60_000).unwrap();
    assert_eq!((rig.cash_power(), rig.power()), (4_000, 8_000));
    assert!(matches!(rig.limit(Side::Buy, E8 / 10, 60_000), Err(DenyReason::BalanceTooLow { .. })));
}

#[test]
fn a_halted_instrument_is_not_traded_until_its_market_says_so() {
    let mut rig = Rig::ready();
    let status = |status| Body::InstrumentStatus { instrument: BTC, status };
    rig.step(status(InstrumentStatus::Halted));
    assert_eq!(rig.place(Side::Buy, E8 / 1_000), Err(DenyReason::InstrumentNotTrading));
    rig.step(status(InstrumentStatus::Trading));
    assert!(rig.place(Side::Buy, E8 / 1_000).is_ok());
    // A halt that was told to an earlier run is not told again.
    rig.step(status(InstrumentStatus::Halted));
    rig.step(Body::Start { epoch: 7, run: 2 });
    assert!(!rig.core.portfolio().get(BTC).unwrap().paused);
}

#[test]
fn below_a_dollar_the_tick_is_finer() {
    let inst = Instrument { fine_tick: Price(10_000), fine_below: Price(E8), ..btcusdt() };
    assert_eq!((inst.tick_at(Price(E8)), inst.tick_at(Price(E8 - 1))), (Price(E8 / 100), Price(10_000)));
}
