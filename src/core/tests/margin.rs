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
    let text = Text::new("Trading Halt: News Pending");
    let status = |status| Body::InstrumentStatus { instrument: BTC, status, text };
    rig.step(status(InstrumentStatus::Halted));
    let denied = rig.place(Side::Buy, E8 / 1_000).unwrap_err();
    assert_eq!(denied.to_string(), "the venue does not take orders for the instrument now: Trading Halt: News Pending");
    rig.step(status(InstrumentStatus::Trading));
    assert!(rig.place(Side::Buy, E8 / 1_000).is_ok());
    // A halt that was told to an earlier run is not told again.
    rig.step(status(InstrumentStatus::Halted));
    rig.step(Body::Start { epoch: 7, run: 2 });
    assert!(!rig.core.portfolio().get(BTC).unwrap().paused);
}

/// Fifty thousand to seventy thousand, at a market of sixty thousand.
fn banded() -> Rig {
    let mut rig = Rig::ready();
    let limits = Limits { price_collar_ppm: 1_000_000, ..*rig.core.limits() };
    rig.step(Body::Limits(limits));
    rig.band(50_000, 70_000);
    rig
}

#[test]
fn beyond_the_exchanges_band_nothing_is_sent_and_a_way_out_at_the_market_is_kept() {
    let outside = |rig: &mut Rig, side, px| match rig.limit(side, E8 / 1_000, px) {
        Err(DenyReason::VenueFilter { filter: FilterName::LimitUpLimitDown, limit, .. }) => Some(limit.value / E8),
        Err(reason) => panic!("{reason}"),
        Ok(_) => None,
    };
    for (side, px, want) in [
        (Side::Buy, 70_000, None),
        (Side::Buy, 70_001, Some(70_000)),
        (Side::Buy, 49_000, None),
        (Side::Sell, 50_000, None),
        (Side::Sell, 49_999, Some(50_000)),
        (Side::Sell, 71_000, None),
    ] {
        assert_eq!(outside(&mut banded(), side, px), want, "{side:?} at {px}");
    }
    // At the market: a touch beyond the band is one that nobody may trade at.
    let mut rig = banded();
    let held = rig.place(Side::Buy, E8 / 100).unwrap();
    rig.fill(held, Side::Buy, E8 / 100, 60_000);
    rig.band(61_000, 62_000);
    let denied = rig.place(Side::Sell, E8).unwrap_err();
    assert!(matches!(denied, DenyReason::VenueFilter { filter: FilterName::LimitUpLimitDown, .. }), "{denied}");
    assert!(rig.place(Side::Sell, E8 / 200).is_ok(), "what only reduces is the exchange's to hold at the band");
    // A band of another day, of before a break, or without sense, is none.
    for forget in [0, 1, 2, 3] {
        let mut rig = banded();
        match forget {
            0 => {
                rig.now += 7 * 3_600 * SECOND + 1;
                rig.quote(60_000);
            }
            1 => {
                rig.step(Body::Feed { instrument: BTC, state: FeedState::Disconnected });
                rig.step(Body::Feed { instrument: BTC, state: FeedState::Live });
                rig.quote(60_000);
            }
            2 => rig.band(80_000, 70_000),
            _ => rig.band(0, 70_000),
        }
        assert_eq!(outside(&mut rig, Side::Buy, 70_001), None, "{forget}");
    }
}

#[test]
fn an_account_that_the_venue_bars_sends_nothing_and_says_why_until_it_is_let_again() {
    let mut rig = Rig::ready();
    let stands = |rig: &Rig| rig.core.alerts().stands(AlarmKind::AccountBarred, Scope::Venue(VENUE));
    let order = rig.limit(Side::Buy, E8 / 1_000, 59_000).unwrap();
    rig.step(Body::Barred { venue: VENUE, text: Text::new("suspend_trade is set at the venue") });
    assert!(stands(&rig));
    let denied = rig.place(Side::Buy, E8 / 1_000).unwrap_err();
    assert_eq!(
        denied.to_string(),
        "the venue does not take orders for the instrument now: suspend_trade is set at the venue"
    );
    // Cancels still go.
    let cancelled = rig.command(Action::Cancel(order));
    assert!(cancelled.iter().any(|effect| matches!(effect, EffectOf::Cancel(_))), "{cancelled:?}");
    rig.step(Body::Barred { venue: VENUE, text: Text::default() });
    assert!(!stands(&rig));
    assert!(rig.place(Side::Buy, E8 / 500).is_ok());
    // What was told to an earlier run is not known in this one.
    rig.step(Body::Barred { venue: VENUE, text: Text::new("blocked") });
    rig.step(Body::Start { epoch: 7, run: 2 });
    assert!(!stands(&rig));
}

#[test]
fn below_a_dollar_the_tick_is_finer() {
    let inst = Instrument { fine_tick: Price(10_000), fine_below: Price(E8), ..btcusdt() };
    assert_eq!((inst.tick_at(Price(E8)), inst.tick_at(Price(E8 - 1))), (Price(E8 / 100), Price(10_000)));
}
