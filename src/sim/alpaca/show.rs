//! What the account routes show (reference §5, §6, §11, §13 to §15), member by member.

use super::account::{Account, Activity, Settings, What};
use super::body::Body;
use super::calendar::{Calendar, Day, Phase, utc_text};
use super::errors::ApiError;
use super::number;
use super::orders::{Order, Shown, Side};
use super::venue::Venue;
use crate::domain::Nanos;
use crate::sim::json::Json;

impl Venue {
    /// Writes an order; with its legs where asked.
    pub fn write_order(&self, j: &mut Json, key: &str, order: &Order, nested: bool, on_stream: bool) {
        let id_of = |key: u64| self.orders.get(&key).map(|o| o.id.clone());
        let legs = nested.then(|| self.legs(order));
        order.write(j, key, &Shown { assets: &self.assets, id_of: &id_of, legs, on_stream });
    }

    pub fn write_account(&self, j: &mut Json, at: usize) {
        let account = &self.accounts[at];
        let value = self.value(at);
        let reserved = self.reserved(at);
        let multiplier = account.multiplier_now(&value);
        let money = |amount: i128| number::money_cut(amount, 9);
        let cents = |amount: i128| number::money_cut(amount, 2);
        let power = account.buying_power(&value, reserved);
        let regt = ((value.equity() - value.initial_margin).max(0) * i128::from(multiplier.min(2)) - reserved).max(0);
        let plain = account.non_marginable(&value, reserved);
        let fees: i128 = account.fees_due.values().map(|due| due.money + number::notional(due.px, due.qty)).sum();
        j.object("", |j| {
            j.str("id", &account.id);
            j.str("account_number", &account.number);
            j.str("status", "ACTIVE");
            j.str("crypto_status", "ACTIVE");
            j.str("currency", "USD");
            j.str("cash", &money(account.cash));
            j.str("portfolio_value", &money(value.equity()));
            j.str("equity", &money(value.equity()));
            j.str("last_equity", &money(account.last_equity));
            j.str("long_market_value", &money(value.long));
            j.str("short_market_value", &money(value.short));
            j.str("position_market_value", &money(value.gross()));
            j.str("multiplier", &multiplier.to_string());
            j.str("buying_power", &cents(power));
            j.str("effective_buying_power", &cents(power));
            j.str("regt_buying_power", &cents(regt));
            j.str("non_marginable_buying_power", &cents(plain));
            j.str("options_buying_power", &cents(plain));
            j.int("options_approved_level", 0);
            j.int("options_trading_level", 0);
            j.str("initial_margin", &cents(value.initial_margin));
            j.str("maintenance_margin", &cents(value.maintenance_margin));
            j.str("last_maintenance_margin", &cents(account.last_maintenance));
            j.str("sma", &cents(value.equity() - value.initial_margin));
            j.str("accrued_fees", &money(fees));
            j.str("pending_transfer_in", "0");
            j.str("pending_reg_taf_fees", "0");
            j.str("intraday_adjustments", "0");
            j.str("balance_asof", &self.balance_as_of(account));
            j.str("created_at", &utc_text(account.created));
            j.bool("trading_blocked", account.trading_blocked);
            j.bool("transfers_blocked", false);
            j.bool("account_blocked", account.blocked);
            j.bool("trade_suspended_by_user", account.settings.suspend_trade);
            j.bool("shorting_enabled", account.shorting && !account.settings.no_shorting);
            j.int("crypto_tier", 1);
            j.object("admin_configurations", |_| {});
            j.null("user_configurations");
            if self.rules.legacy_pdt {
                let count = self.day_trade_count(at);
                j.bool("pattern_day_trader", count > 3);
                j.int("daytrade_count", count as i64);
                let four = (account.last_equity - account.last_maintenance).max(0) * 4;
                j.str("daytrading_buying_power", &cents(if multiplier == 4 { four } else { 0 }));
            }
        });
    }

    fn balance_as_of(&self, account: &Account) -> String {
        if account.balance_as_of.is_empty() {
            return self.calendar.date_of(self.now).yesterday().map_or(String::new(), |date| date.to_string());
        }
        account.balance_as_of.clone()
    }

    /// Settings as they are; the day-trade members only where the old rule is kept.
    pub fn write_settings(&self, j: &mut Json, at: usize) {
        let s = &self.accounts[at].settings;
        j.object("", |j| {
            j.bool("suspend_trade", s.suspend_trade);
            j.bool("no_shorting", s.no_shorting);
            j.bool("fractional_trading", s.fractional_trading);
            j.str("max_margin_multiplier", &s.max_margin_multiplier.to_string());
            match s.max_options_trading_level {
                Some(level) => j.int("max_options_trading_level", level.into()),
                None => j.null("max_options_trading_level"),
            }
            j.bool("disable_overnight_trading", s.disable_overnight_trading);
            j.str("trade_confirm_email", &s.trade_confirm_email);
            j.bool("ptp_no_exception_entry", s.ptp_no_exception_entry);
            if self.rules.legacy_pdt {
                j.str("dtbp_check", &s.dtbp_check);
                j.str("pdt_check", &s.pdt_check);
            }
        });
    }

    pub fn write_position(&self, j: &mut Json, key: &str, account: usize, at: usize) {
        let position = self.position(account, at);
        let (asset, market) = (&self.assets[at], &self.markets[at]);
        let px = self.price(at);
        let worth = number::notional(px, position.qty);
        let gain = worth - position.cost;
        // What was there before today is reckoned from the last close, the rest from what it cost.
        let before = position.qty - position.today_qty;
        let today = worth - number::notional(market.last_day, before) - position.today_cost;
        let today_base = number::notional(market.last_day, before) + position.today_cost;
        let side = if position.qty < 0 { Side::Buy } else { Side::Sell };
        let (held, _) = self.held(account, at, side);
        let left = (position.qty.abs() - held) * position.qty.signum();
        let money = |amount: i128| number::money_cut(amount, 9);
        let ratio = |part: i128, whole: i128| number::text(number::ratio(part, whole.abs()));
        j.object(key, |j| {
            j.str("asset_id", &asset.id);
            j.str("symbol", &asset.position_symbol());
            j.str("exchange", asset.exchange);
            j.str("asset_class", asset.class.text());
            j.bool("asset_marginable", asset.marginable);
            j.str("qty", &number::text(position.qty));
            j.str("qty_available", &number::text(left));
            j.str("avg_entry_price", &number::text(position.avg_entry()));
            j.str("side", if position.qty < 0 { "short" } else { "long" });
            j.str("market_value", &money(worth));
            j.str("cost_basis", &money(position.cost));
            j.str("unrealized_pl", &money(gain));
            j.str("unrealized_plpc", &ratio(gain, position.cost));
            j.str("unrealized_intraday_pl", &money(today));
            j.str("unrealized_intraday_plpc", &ratio(today, today_base));
            j.str("current_price", &number::text(px));
            j.str("lastday_price", &number::text(market.last_day));
            j.str("change_today", &ratio((px - market.last_day).into(), market.last_day.into()));
        });
    }

    pub fn write_activity(&self, j: &mut Json, activity: &Activity) {
        let asset = &self.assets[activity.asset];
        j.object("", |j| {
            j.str("id", &activity.id);
            j.str("activity_type", activity.what.kind());
            match &activity.what {
                What::Fill { order_id, side, short, px, qty, cum, leaves, status, .. } => {
                    j.str("transaction_time", &utc_text(activity.at));
                    j.str("type", if status == "filled" { "fill" } else { "partial_fill" });
                    j.str("price", &number::text(*px));
                    j.str("qty", &number::text(*qty));
                    let word = match side {
                        Side::Buy => "buy",
                        Side::Sell if *short => "sell_short",
                        Side::Sell => "sell",
                    };
                    j.str("side", word);
                    j.str("symbol", &asset.symbol);
                    j.str("leaves_qty", &number::text((*leaves).max(0)));
                    j.str("order_id", order_id);
                    j.str("cum_qty", &number::text(*cum));
                    j.str("order_status", status);
                }
                What::CryptoFee { date, qty, px, net } => {
                    j.str("date", date);
                    j.str("created_at", &utc_text(activity.at));
                    j.str("net_amount", &number::money_cut(*net, 9));
                    j.str("description", "Coin Pair Transaction Fee");
                    j.str("symbol", &asset.position_symbol());
                    j.str("qty", &number::text(*qty));
                    j.str("price", &number::text(*px));
                    j.str("status", "executed");
                }
            }
        });
    }
}

impl Settings {
    /// Takes the members that are given; the whole body is refused where one of them is wrong.
    pub fn patch(&self, body: &Body) -> Result<Settings, ApiError> {
        let mut next = self.clone();
        let invalid = |name: &str| ApiError::bad(format!("invalid {name}"));
        for (name, value) in [
            ("suspend_trade", &mut next.suspend_trade),
            ("no_shorting", &mut next.no_shorting),
            ("fractional_trading", &mut next.fractional_trading),
            ("disable_overnight_trading", &mut next.disable_overnight_trading),
            ("ptp_no_exception_entry", &mut next.ptp_no_exception_entry),
        ] {
            if let Some(given) = body.bool(name)? {
                *value = given;
            }
        }
        if let Some(given) = body.number("max_margin_multiplier")? {
            next.max_margin_multiplier = match given / number::ONE {
                whole @ (1 | 2 | 4) if given % number::ONE == 0 => whole as u8,
                _ => return Err(invalid("max_margin_multiplier")),
            };
        }
        if let Some(given) = body.number("max_options_trading_level")? {
            let level = u8::try_from(given / number::ONE).ok().filter(|level| *level <= 3);
            next.max_options_trading_level = Some(level.ok_or_else(|| invalid("max_options_trading_level"))?);
        }
        for (name, value, words) in [
            ("trade_confirm_email", &mut next.trade_confirm_email, ["all", "none", "none"]),
            ("dtbp_check", &mut next.dtbp_check, ["both", "entry", "exit"]),
            ("pdt_check", &mut next.pdt_check, ["both", "entry", "exit"]),
        ] {
            if let Some(given) = body.text(name)? {
                if !words.contains(&given.as_str()) {
                    return Err(invalid(name));
                }
                *value = given;
            }
        }
        Ok(next)
    }
}

pub fn write_clock(j: &mut Json, calendar: &Calendar, now: Nanos) {
    j.object("", |j| {
        j.str("timestamp", &calendar.local_text(now));
        j.bool("is_open", calendar.phase(now) == Phase::Core);
        j.str("next_open", &calendar.local_text(calendar.next_open(now)));
        j.str("next_close", &calendar.local_text(calendar.next_close(now)));
    });
}

pub fn write_day(j: &mut Json, calendar: &Calendar, day: &Day) {
    let compact = |at: Nanos| calendar.hh_mm(day, at).replace(':', "");
    j.object("", |j| {
        j.str("date", &day.date.to_string());
        j.str("open", &calendar.hh_mm(day, day.open));
        j.str("close", &calendar.hh_mm(day, day.close));
        j.str("session_open", &compact(day.pre));
        j.str("session_close", &compact(day.post));
        j.str("settlement_date", &calendar.next_trading_date(day.date).to_string());
    });
}
