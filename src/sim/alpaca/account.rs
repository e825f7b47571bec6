//! An account: cash, positions, settings, and what they allow (reference §5, §6, §11).
//!
//! Invariants:
//! - Cash changes by fills and fees alone, exactly: price × quantity has eighteen decimals and so has cash.
//! - A position is the sum of its fills, less the fees taken in the coin itself.
//! - What open orders hold is never stored: it is summed from the orders themselves.

use super::assets::Asset;
use super::number::{self, MONEY, ONE};
use super::orders::Side;
use crate::domain::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Activities kept of one account; older ones are forgotten.
const ACTIVITIES_MAX: usize = 50_000;
/// Samples of the equity kept for the portfolio history: a year of days and some weeks of minutes.
const EQUITY_MINUTES_MAX: usize = 30_000;
const EQUITY_DAYS_MAX: usize = 800;
/// Below this equity an account has no margin.
const MARGIN_EQUITY_MIN: i128 = 2_000 * MONEY;
/// Below this equity the old day-trade rule held.
pub const DAY_TRADER_EQUITY_MIN: i128 = 25_000 * MONEY;

/// What is held of one asset. `qty` is negative for a short; `cost` has its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    pub qty: i64,
    #[serde(with = "super::text_i128")]
    pub cost: i128,
    /// Of it, opened since the session began: for the profit of the day.
    pub today_qty: i64,
    #[serde(with = "super::text_i128")]
    pub today_cost: i128,
}

impl Position {
    pub fn avg_entry(&self) -> i64 {
        if self.qty == 0 { 0 } else { (self.cost / i128::from(self.qty)) as i64 }
    }

    /// Applies a fill; what crosses zero closes first and opens with the rest.
    fn fill(&mut self, side: Side, px: i64, qty: i64) {
        let signed = if side == Side::Buy { qty } else { -qty };
        let closing = if self.qty.signum() == -signed.signum() { signed.abs().min(self.qty.abs()) } else { 0 };
        if closing > 0 {
            let before = self.qty.abs();
            self.cost -= self.cost * i128::from(closing) / i128::from(before);
            self.qty += signed.signum() * closing;
            let today = self.today_qty.abs().min(closing);
            if today > 0 {
                self.today_cost -= self.today_cost * i128::from(today) / i128::from(self.today_qty.abs());
                self.today_qty -= self.today_qty.signum() * today;
            }
        }
        let opening = qty - closing;
        if opening > 0 {
            let cost = number::notional(px, signed.signum() * opening);
            self.qty += signed.signum() * opening;
            self.cost += cost;
            self.today_qty += signed.signum() * opening;
            self.today_cost += cost;
        }
    }
}

/// Settings that the user changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub suspend_trade: bool,
    pub no_shorting: bool,
    pub fractional_trading: bool,
    pub max_margin_multiplier: u8,
    pub max_options_trading_level: Option<u8>,
    pub disable_overnight_trading: bool,
    pub trade_confirm_email: String,
    pub ptp_no_exception_entry: bool,
    pub dtbp_check: String,
    pub pdt_check: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            suspend_trade: false,
            no_shorting: false,
            fractional_trading: true,
            max_margin_multiplier: 4,
            max_options_trading_level: None,
            disable_overnight_trading: false,
            trade_confirm_email: "all".into(),
            ptp_no_exception_entry: false,
            dtbp_check: "entry".into(),
            pdt_check: "entry".into(),
        }
    }
}

/// Something that happened to an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// `<timestamp digits>::<uuid>`.
    pub id: String,
    pub at: Nanos,
    pub asset: usize,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum What {
    Fill {
        order: u64,
        order_id: String,
        side: Side,
        short: bool,
        px: i64,
        qty: i64,
        cum: i64,
        leaves: i64,
        status: String,
    },
    /// A day's fee of one pair, booked at the day's end: in the coin, or in money where `qty` is 0.
    CryptoFee {
        date: String,
        qty: i64,
        px: i64,
        #[serde(with = "super::text_i128")]
        net: i128,
    },
}

impl What {
    pub fn kind(&self) -> &'static str {
        match self {
            What::Fill { .. } => "FILL",
            What::CryptoFee { .. } => "CFEE",
        }
    }
}

/// What was taken for the fills of one pair since the last booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FeeDue {
    pub qty: i64,
    #[serde(with = "super::text_i128")]
    pub money: i128,
    pub px: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    pub id: String,
    pub number: String,
    pub created: Nanos,
    #[serde(with = "super::text_i128")]
    pub cash: i128,
    /// 1, 2 or 4, before the account's own cap.
    pub multiplier: u8,
    pub shorting: bool,
    pub blocked: bool,
    pub trading_blocked: bool,
    pub settings: Settings,
    /// By the asset's place.
    pub positions: BTreeMap<usize, Position>,
    #[serde(with = "super::text_i128")]
    pub last_equity: i128,
    #[serde(with = "super::text_i128")]
    pub last_maintenance: i128,
    #[serde(with = "super::text_i128")]
    pub last_gross: i128,
    pub balance_as_of: String,
    pub fees_due: BTreeMap<usize, FeeDue>,
    /// `(trading date, asset)` of each day trade.
    pub day_trades: Vec<(String, usize)>,
    pub activities: VecDeque<Activity>,
    /// `(time, equity in ten-thousandths of a dollar)`: of each minute, and of each session's end.
    pub equity_minutes: VecDeque<(Nanos, i64)>,
    pub equity_days: VecDeque<(Nanos, i64)>,
}

/// An account's value at the market's prices. All in 10^-18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Value {
    pub cash: i128,
    pub long: i128,
    /// Negative.
    pub short: i128,
    pub initial_margin: i128,
    pub maintenance_margin: i128,
}

impl Value {
    pub fn equity(&self) -> i128 {
        self.cash + self.long + self.short
    }

    pub fn gross(&self) -> i128 {
        self.long - self.short
    }
}

impl Account {
    pub fn new(id: String, number: String, cash: i128, multiplier: u8, created: Nanos) -> Account {
        Account {
            id,
            number,
            created,
            cash,
            multiplier,
            shorting: multiplier > 1,
            blocked: false,
            trading_blocked: false,
            settings: Settings::default(),
            positions: BTreeMap::new(),
            last_equity: cash,
            last_maintenance: 0,
            last_gross: 0,
            balance_as_of: String::new(),
            fees_due: BTreeMap::new(),
            day_trades: Vec::new(),
            activities: VecDeque::new(),
            equity_minutes: VecDeque::new(),
            equity_days: VecDeque::new(),
        }
    }

    pub fn position(&self, asset: usize) -> Position {
        self.positions.get(&asset).copied().unwrap_or_default()
    }

    /// A fill moves cash and position; the fee of a pair is taken from what is credited. Gives whether it closed
    /// something that was opened in this session.
    pub fn fill(&mut self, asset_at: usize, asset: &Asset, side: Side, px: i64, qty: i64, fee_bips: i64) -> bool {
        let value = number::notional(px, qty);
        let before = self.position(asset_at);
        let position = self.positions.entry(asset_at).or_default();
        let closes_today = before.today_qty != 0 && before.today_qty.signum() == if side == Side::Buy { -1 } else { 1 };
        match side {
            Side::Buy => {
                self.cash -= value;
                // Rounded up to the last of nine places: a fee is never less than it should be.
                let fee = if asset.is_crypto() { fee_up(qty.into(), fee_bips) as i64 } else { 0 };
                position.fill(side, px, qty - fee);
                if fee > 0 {
                    let due = self.fees_due.entry(asset_at).or_default();
                    (due.qty, due.px) = (due.qty + fee, px);
                }
            }
            Side::Sell => {
                position.fill(side, px, qty);
                let fee = if asset.is_crypto() { fee_up(value, fee_bips) } else { 0 };
                self.cash += value - fee;
                if fee > 0 {
                    let due = self.fees_due.entry(asset_at).or_default();
                    (due.money, due.px) = (due.money + fee, px);
                }
            }
        }
        if position.qty == 0 {
            self.positions.remove(&asset_at);
        }
        closes_today
    }

    pub fn note(&mut self, activity: Activity) {
        if self.activities.len() == ACTIVITIES_MAX {
            self.activities.pop_front();
        }
        self.activities.push_back(activity);
    }

    /// Keeps the equity of a minute that has ended, or of a session.
    pub fn note_equity(&mut self, at: Nanos, equity: i128, session: bool) {
        let (samples, max) = if session {
            (&mut self.equity_days, EQUITY_DAYS_MAX)
        } else {
            (&mut self.equity_minutes, EQUITY_MINUTES_MAX)
        };
        // A clock that was set back begins anew.
        while samples.back().is_some_and(|(last, _)| *last >= at) {
            samples.pop_back();
        }
        if samples.len() == max {
            samples.pop_front();
        }
        samples.push_back((at, (equity / (MONEY / 10_000)) as i64));
    }

    /// The account's value where `px` gives the price of an asset.
    pub fn value(&self, assets: &[Asset], px: impl Fn(usize) -> i64) -> Value {
        let mut value = Value { cash: self.cash, ..Value::default() };
        for (&at, position) in &self.positions {
            let (asset, px) = (&assets[at], px(at));
            let worth = number::notional(px, position.qty);
            let percent = |percent: i64| worth.abs() * i128::from(percent) / 100;
            let (initial, maintenance) = if asset.is_crypto() {
                // Never on margin: what is paid for in full needs none.
                (percent(100), percent(100))
            } else if worth >= 0 {
                let all = px < 5 * ONE / 2;
                (percent(if all { 100 } else { 50 }), percent(if all { 100 } else { asset.margin_long }))
            } else {
                let a_share = |dollars: i64| number::notional(dollars, position.qty.abs());
                let needed = match px {
                    px if px < 5 * ONE => percent(100).max(a_share(5 * ONE / 2)),
                    _ => percent(asset.margin_short).max(a_share(5 * ONE)),
                };
                (needed.max(percent(50)), needed)
            };
            value.initial_margin += initial;
            value.maintenance_margin += maintenance;
            if worth >= 0 { value.long += worth } else { value.short += worth }
        }
        value
    }

    /// The leverage class in force.
    pub fn multiplier_now(&self, value: &Value) -> u8 {
        let capped = self.multiplier.min(self.settings.max_margin_multiplier);
        if value.equity() < MARGIN_EQUITY_MIN { 1 } else { capped }
    }

    /// What may still be bought, after what open orders have reserved.
    pub fn buying_power(&self, value: &Value, reserved: i128) -> i128 {
        let power = match self.multiplier_now(value) {
            1 => value.cash + value.short.min(0),
            2 => (value.equity() - value.initial_margin).max(0) * 2,
            _ => (self.last_equity - self.last_maintenance) * 4 - (value.gross() - self.last_gross).max(0),
        };
        (power - reserved).max(0)
    }

    /// What may be spent on assets that cannot be bought on margin.
    pub fn non_marginable(&self, value: &Value, reserved: i128) -> i128 {
        (value.cash + value.short - reserved).max(0)
    }
}

fn fee_up(amount: i128, bips: i64) -> i128 {
    (amount * i128::from(bips) + 9_999) / 10_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::alpaca::assets;
    use proptest::prelude::*;

    fn account() -> Account {
        Account::new("a".into(), "PA1".into(), 100_000 * MONEY, 2, 0)
    }

    #[test]
    fn buying_power_follows_the_leverage_class() {
        let assets = assets::defaults();
        let px = |_: usize| 100 * ONE;
        for (multiplier, bought, want) in [
            (1u8, 0, 100_000),
            (1, 200, 80_000),
            (2, 0, 200_000),
            (2, 200, 180_000),
            (4, 0, 400_000),
            (4, 200, 380_000),
        ] {
            let mut account = Account { multiplier, ..account() };
            if bought > 0 {
                account.fill(0, &assets[0], Side::Buy, 100 * ONE, bought * ONE, 0);
            }
            let value = account.value(&assets, px);
            assert_eq!(account.buying_power(&value, 0), want * MONEY, "multiplier {multiplier}, {bought} bought");
            assert_eq!(account.buying_power(&value, want * MONEY + 1), 0);
        }
    }

    #[test]
    fn a_short_is_worth_less_than_nothing_and_needs_margin() {
        let assets = assets::defaults();
        let mut account = account();
        account.fill(0, &assets[0], Side::Sell, 100 * ONE, 10 * ONE, 0);
        let value = account.value(&assets, |_| 110 * ONE);
        assert_eq!((value.cash, value.short), (101_000 * MONEY, -1_100 * MONEY));
        assert_eq!((value.equity(), value.maintenance_margin), (99_900 * MONEY, 330 * MONEY));
        assert_eq!(account.position(0).avg_entry(), 100 * ONE);
    }

    #[test]
    fn a_pair_is_credited_less_its_fee() {
        let assets = assets::defaults();
        let btc = assets.iter().position(|a| a.symbol == "BTC/USD").unwrap();
        let mut account = account();
        account.fill(btc, &assets[btc], Side::Buy, 50_000 * ONE, ONE, 25);
        assert_eq!(account.position(btc).qty, 997_500_000);
        account.fill(btc, &assets[btc], Side::Sell, 50_000 * ONE, 997_500_000, 25);
        assert_eq!(account.cash, 50_000 * MONEY + 49_875 * MONEY - 49_875 * MONEY * 25 / 10_000);
        assert!(account.positions.is_empty());
    }

    proptest! {
        #[test]
        fn cash_and_positions_are_the_sum_of_the_fills(fills in proptest::collection::vec((any::<bool>(), 1i64..400 * ONE, 1i64..50 * ONE), 1..60)) {
            let assets = assets::defaults();
            let mut account = account();
            let (mut cash, mut qty) = (100_000 * MONEY, 0i64);
            for (buy, px, size) in fills {
                let side = if buy { Side::Buy } else { Side::Sell };
                account.fill(0, &assets[0], side, px, size, 0);
                let sign = if buy { 1 } else { -1 };
                cash -= i128::from(sign) * i128::from(px) * i128::from(size);
                qty += sign * size;
                prop_assert_eq!((account.cash, account.position(0).qty), (cash, qty));
                let position = account.position(0);
                prop_assert!(position.cost.signum() as i64 * position.qty.signum() >= 0);
                prop_assert!(position.today_qty.abs() <= position.qty.abs());
            }
        }
    }
}
