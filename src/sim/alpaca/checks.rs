//! What an order must keep to before it is taken, in the venue's order of checks (reference §8.10).

use super::account::DAY_TRADER_EQUITY_MIN;
use super::ask::{Ask, kind_name};
use super::assets::Asset;
use super::calendar::Phase;
use super::errors::ApiError;
use super::number::{self, MONEY, ONE};
use super::orders::{Class, Intent, Kind, Order, Role, Side, Tif};
use super::venue::Venue;

/// Smallest value of an order, in money: of shares in fractions, and of a pair.
const FRACTION_MIN: i128 = MONEY;
const CRYPTO_MIN: i128 = 10 * MONEY;
/// Largest value of an order in a pair.
const CRYPTO_MAX: i128 = 200_000 * MONEY;
/// Equity that short sales need.
const SHORT_EQUITY_MIN: i128 = 2_000 * MONEY;
/// Day trades within five days that an account below 25,000 dollars had.
const DAY_TRADES_MAX: usize = 3;

impl Venue {
    /// Everything that can refuse a new order. `replacing` is the order that it is to replace, whose holds it takes over.
    pub fn check(&self, account: usize, asset: usize, ask: &Ask, replacing: Option<u64>) -> Result<(), ApiError> {
        let listed = &self.assets[asset];
        if !listed.active {
            return Err(ApiError::bad(format!("asset {} is not active", listed.symbol)));
        }
        if !listed.tradable {
            return Err(ApiError::bad(format!("asset {} is not tradable", listed.symbol)));
        }
        if listed.is_crypto() {
            crypto_rules(listed, ask)?
        } else {
            self.equity_rules(listed, ask)?
        }
        self.exit_rules(asset, ask)?;
        increments(listed, ask)?;
        if let Some(id) = &ask.client_id
            && self.by_client.contains_key(&(account, id.clone()))
        {
            return Err(ApiError::bad("client_order_id must be unique"));
        }
        self.account_state(account, ask, listed)?;
        self.wash_trade(account, asset, ask, replacing)?;
        self.day_trade_rule(account, asset, ask)?;
        self.coverage(account, asset, ask, replacing)
    }

    fn equity_rules(&self, asset: &Asset, ask: &Ask) -> Result<(), ApiError> {
        let simple = matches!(ask.class, Class::Plain | Class::Simple);
        if ask.is_fractional() {
            if !simple {
                return Err(ApiError::rule("fractional orders must be simple orders"));
            }
            if ask.tif != Tif::Day {
                return Err(ApiError::rule("fractional orders must be DAY orders"));
            }
            if ask.kind == Kind::TrailingStop {
                return Err(ApiError::rule("fractional orders must be market, limit, stop or stop limit orders"));
            }
            if !asset.fractionable {
                return Err(ApiError::forbidden(format!("asset \"{}\" is not fractionable", asset.symbol)));
            }
            if ask.extended && !asset.attributes.contains(&"fractional_eh_enabled") {
                return Err(ApiError::rule("fractional orders are not allowed in extended hours for this asset"));
            }
        }
        if matches!(ask.kind, Kind::Stop | Kind::StopLimit | Kind::TrailingStop)
            && !matches!(ask.tif, Tif::Day | Tif::Gtc)
        {
            return Err(ApiError::rule(format!(
                "invalid time_in_force {} for {} orders",
                ask.tif.text(),
                kind_name(ask.kind)
            )));
        }
        if !simple {
            if !matches!(ask.tif, Tif::Day | Tif::Gtc) {
                return Err(ApiError::rule(format!("{} orders must be DAY or GTC orders", ask.class.text())));
            }
            if !matches!(ask.kind, Kind::Market | Kind::Limit) {
                return Err(ApiError::rule(format!(
                    "{} orders must be entered with market or limit orders",
                    ask.class.text()
                )));
            }
        }
        if ask.extended && (ask.kind != Kind::Limit || !matches!(ask.tif, Tif::Day | Tif::Gtc) || !simple) {
            return Err(ApiError::rule("extended hours order must be DAY or GTC limit orders"));
        }
        let minute = self.calendar.minute_of_day(self.now);
        let evening = 19 * 60;
        let refused = match ask.tif {
            Tif::Opg => (9 * 60 + 28..evening).contains(&minute),
            Tif::Cls => (15 * 60 + 50..evening).contains(&minute),
            _ => false,
        };
        if refused {
            return Err(ApiError::rule(format!("{} orders are not accepted at this time", ask.tif.text())));
        }
        Ok(())
    }

    /// The exits of a bracket, a pair or an OTO stand on their sides of the price.
    fn exit_rules(&self, asset: usize, ask: &Ask) -> Result<(), ApiError> {
        if !Venue::in_group(ask.class) {
            return Ok(());
        }
        // A pair is given with the side of the exits.
        let long = (ask.side == Side::Buy) != (ask.class == Class::Oco);
        let above = |a: i64, b: i64| if long { a > b } else { a < b };
        let word = if long { ">" } else { "<" };
        if let (Some(profit), Some((stop, _))) = (ask.take_profit, ask.stop_loss)
            && !above(profit, stop)
        {
            return Err(ApiError::rule(format!("take_profit.limit_price must be {word} stop_loss.stop_price")));
        }
        let base = match ask.class {
            Class::Oco => self.price(asset),
            _ => ask.limit.unwrap_or_else(|| self.reckoned_px(asset, ask.side)),
        };
        let cent = ONE / 100;
        let (least, most) = if long { (base + cent, base - cent) } else { (base - cent, base + cent) };
        let at_least = |px: i64| if long { px >= least } else { px <= least };
        let at_most = |px: i64| if long { px <= most } else { px >= most };
        if ask.class != Class::Oco && ask.take_profit.is_some_and(|px| !at_least(px)) {
            return Err(ApiError::rule(format!(
                "take_profit.limit_price must be {word}= base_price {} 0.01",
                if long { '+' } else { '-' }
            )));
        }
        if ask.stop_loss.is_some_and(|(px, _)| !at_most(px)) {
            let (word, sign) = if long { ("<=", '-') } else { (">=", '+') };
            return Err(ApiError::rule(format!("stop_loss.stop_price must be {word} base_price {sign} 0.01")));
        }
        Ok(())
    }

    fn account_state(&self, account: usize, ask: &Ask, asset: &Asset) -> Result<(), ApiError> {
        let account = &self.accounts[account];
        if account.blocked || account.trading_blocked {
            return Err(ApiError::forbidden("account is blocked from trading"));
        }
        if account.settings.suspend_trade {
            return Err(ApiError::forbidden("new orders are rejected by user request"));
        }
        if !asset.is_crypto() && ask.is_fractional() && !account.settings.fractional_trading {
            return Err(ApiError::forbidden("account is not allowed to trade fractional shares"));
        }
        Ok(())
    }

    /// An open order of the other side with which this one could trade.
    fn wash_trade(&self, account: usize, asset: usize, ask: &Ask, replacing: Option<u64>) -> Result<(), ApiError> {
        if ask.kind == Kind::TrailingStop {
            return Ok(());
        }
        let limited = |kind: Kind| matches!(kind, Kind::Limit | Kind::StopLimit);
        let replaced = |order: &Order| {
            replacing
                .and_then(|key| self.orders.get(&key))
                .is_some_and(|old| old.group.is_some() && old.group == order.group)
        };
        let clash = self.open_of(account).find(|order| {
            let other = order.asset == asset && order.side != ask.side && order.kind != Kind::TrailingStop;
            if !other || replaced(order) || self.waits_for_entry(order) {
                return false;
            }
            if !(limited(order.kind) && limited(ask.kind)) {
                return true;
            }
            let (buy, sell) = if ask.side == Side::Buy { (ask.limit, order.limit) } else { (order.limit, ask.limit) };
            buy >= sell
        });
        let Some(order) = clash else { return Ok(()) };
        let reason = if limited(order.kind) {
            "opposite side limit order exists"
        } else {
            "opposite side market/stop order exists"
        };
        Err(ApiError::forbidden("potential wash trade detected. use complex orders")
            .with("existing_order_id", &order.id)
            .with("reject_reason", reason))
    }

    /// The rule that ended in July 2026: no fourth day trade within five days below 25,000 dollars.
    fn day_trade_rule(&self, account: usize, asset: usize, ask: &Ask) -> Result<(), ApiError> {
        if !self.rules.legacy_pdt || self.assets[asset].is_crypto() {
            return Ok(());
        }
        let position = self.position(account, asset);
        let closes_today = position.today_qty != 0 && (position.today_qty > 0) == (ask.side == Side::Sell);
        let poor = self.value(account).equity() < DAY_TRADER_EQUITY_MIN;
        if closes_today && poor && self.day_trade_count(account) >= DAY_TRADES_MAX {
            return Err(ApiError::new(403, 40_310_100, "trade denied due to pattern day trading protection"));
        }
        Ok(())
    }

    /// What the order would do to the position.
    pub fn intent(&self, account: usize, asset: usize, ask: &Ask) -> Intent {
        let held = self.position(account, asset).qty;
        match ask.side {
            Side::Buy if held < 0 => Intent::BuyToClose,
            Side::Buy => Intent::BuyToOpen,
            Side::Sell if held > 0 || ask.class == Class::Oco => Intent::SellToClose,
            Side::Sell => Intent::SellToOpen,
        }
    }

    /// Shares to close with, permission to short, money to buy with.
    fn coverage(&self, account: usize, asset: usize, ask: &Ask, replacing: Option<u64>) -> Result<(), ApiError> {
        let listed = &self.assets[asset];
        let intent = self.intent(account, asset, ask);
        let wanted = |px: i64| {
            ask.qty.unwrap_or_else(|| (number::as_money(ask.notional.unwrap_or(0)) / i128::from(px.max(1))) as i64)
        };
        let market = self.reckoned_px(asset, ask.side);
        let cost = match ask.notional {
            Some(notional) => number::as_money(notional),
            None => {
                number::notional(self.reserved_px(asset, ask.side, ask.kind, ask.limit, ask.stop), ask.qty.unwrap_or(0))
            }
        };
        let least = if listed.is_crypto() {
            CRYPTO_MIN
        } else if ask.is_fractional() {
            FRACTION_MIN
        } else {
            0
        };
        if cost < least {
            return Err(ApiError::forbidden(format!(
                "cost basis must be >= minimal amount of order {}",
                number::money(least)
            )));
        }
        if listed.is_crypto() && cost > CRYPTO_MAX {
            return Err(ApiError::forbidden(format!(
                "cost basis must be <= maximal amount of order {}",
                number::money(CRYPTO_MAX)
            )));
        }
        let replaced = replacing.and_then(|key| self.orders.get(&key));
        let closes = matches!(intent, Intent::BuyToClose | Intent::SellToClose)
            || (listed.is_crypto() && ask.side == Side::Sell);
        if closes {
            let existing = self.position(account, asset).qty.abs();
            let (held, related) = self.held(account, asset, ask.side);
            let given_back = replaced.map_or(0, Order::leaves).min(held);
            let available = (existing - (held - given_back)).max(0);
            let wanted = wanted(market);
            if wanted > available {
                return Err(self.not_enough(listed, wanted, available, existing, held, &related));
            }
            return Ok(());
        }
        if ask.side == Side::Sell {
            self.may_short(account, listed, ask)?;
        }
        let value = self.value(account);
        let given_back = replaced.map_or(0, |old| number::notional(old.limit.unwrap_or(market), old.leaves()));
        let reserved = self.reserved(account) - given_back.min(self.reserved(account));
        if listed.is_crypto() {
            let available = self.accounts[account].non_marginable(&value, reserved);
            if cost > available {
                let (asked, there) = (number::money_cut(cost, 9), number::money_cut(available, 9));
                return Err(ApiError::forbidden(format!(
                    "insufficient balance for USD (requested: {asked}, available: {there})"
                ))
                .with("available", &there)
                .with("balance", &number::money_cut(value.cash, 9))
                .with("symbol", "USD"));
            }
            return Ok(());
        }
        let power = self.accounts[account].buying_power(&value, reserved);
        if cost > power {
            return Err(ApiError::forbidden("insufficient buying power")
                .with("buying_power", &number::money_cut(power, 2))
                .with("cost_basis", &number::money_cut(cost, 9)));
        }
        Ok(())
    }

    fn not_enough(
        &self,
        asset: &Asset,
        wanted: i64,
        available: i64,
        existing: i64,
        held: i64,
        related: &[u64],
    ) -> ApiError {
        let (asked, there) = (number::text(wanted), number::text(available));
        if asset.is_crypto() {
            let text = format!("insufficient balance for {} (requested: {asked}, available: {there})", asset.base());
            return ApiError::forbidden(text)
                .with("available", &there)
                .with("balance", &number::text(existing))
                .with("symbol", asset.base());
        }
        let related: Vec<String> =
            related.iter().filter_map(|key| self.orders.get(key)).map(|o| o.id.clone()).collect();
        ApiError::forbidden(format!("insufficient qty available for order (requested: {asked}, available: {there})"))
            .with("available", &there)
            .with("existing_qty", &number::text(existing))
            .with("held_for_orders", &number::text(held))
            .with_list("related_orders", &related)
            .with("symbol", &asset.symbol)
    }

    fn may_short(&self, account: usize, asset: &Asset, ask: &Ask) -> Result<(), ApiError> {
        if ask.is_fractional() {
            return Err(ApiError::rule("fractional orders cannot be sold short"));
        }
        let entry = &self.accounts[account];
        let value = self.value(account);
        let poor = value.equity() < SHORT_EQUITY_MIN;
        if !entry.shorting || entry.settings.no_shorting || entry.multiplier_now(&value) < 2 || poor {
            return Err(ApiError::forbidden("account is not allowed to short"));
        }
        if !asset.shortable || !asset.easy_to_borrow {
            return Err(ApiError::rule(format!("asset \"{}\" cannot be sold short", asset.symbol)));
        }
        Ok(())
    }

    /// Whether an order goes to an exchange at once.
    pub fn goes_at_once(&self, asset: usize, tif: Tif, extended: bool) -> bool {
        if self.assets[asset].is_crypto() {
            return true;
        }
        match self.phase {
            Phase::Core => tif != Tif::Opg,
            Phase::Pre | Phase::Post => extended,
            Phase::Closed => false,
        }
    }

    /// Roles of an order and its exits, by class.
    pub fn own_role(class: Class) -> Role {
        if class == Class::Oco { Role::TakeProfit } else { Role::Entry }
    }
}

fn crypto_rules(asset: &Asset, ask: &Ask) -> Result<(), ApiError> {
    if !matches!(ask.kind, Kind::Market | Kind::Limit | Kind::StopLimit) {
        return Err(ApiError::bad("invalid order type for crypto order"));
    }
    if !matches!(ask.class, Class::Plain | Class::Simple) {
        // The venue calls a bracket one-triggers-one-cancels-other.
        let class = if ask.class == Class::Bracket { "otoco" } else { ask.class.text() };
        return Err(ApiError::rule(format!("crypto orders not allowed for advanced order_class: {class}")));
    }
    if !matches!(ask.tif, Tif::Gtc | Tif::Ioc) {
        return Err(ApiError::rule("invalid crypto time_in_force"));
    }
    if ask.extended {
        return Err(ApiError::rule("extended hours is not supported for crypto orders"));
    }
    if let Some(qty) = ask.qty {
        if qty < asset.min_order_size {
            return Err(ApiError::bad(format!("qty must be >= {}", number::text(asset.min_order_size))));
        }
        if qty % asset.min_trade_increment != 0 {
            return Err(ApiError::bad(format!(
                "qty must be a multiple of {}",
                number::text(asset.min_trade_increment)
            )));
        }
    }
    Ok(())
}

/// Prices stand on the asset's steps.
fn increments(asset: &Asset, ask: &Ask) -> Result<(), ApiError> {
    let (stop, stop_limit) = ask.stop_loss.map_or((None, None), |(stop, limit)| (Some(stop), limit));
    for (name, px) in [
        ("limit_price", ask.limit.filter(|_| ask.class != Class::Oco)),
        ("stop_price", ask.stop),
        ("take_profit.limit_price", ask.take_profit),
        ("stop_loss.stop_price", stop),
        ("stop_loss.limit_price", stop_limit),
        ("trail_price", ask.trail_price),
    ] {
        if let Some(px) = px {
            price_step(asset, name, px)?;
        }
    }
    Ok(())
}

/// Whole cents from a dollar up, hundredths of a cent below; of a pair its own increment.
pub fn price_step(asset: &Asset, name: &str, px: i64) -> Result<(), ApiError> {
    if asset.is_crypto() {
        if px % asset.price_increment != 0 {
            let step = number::text(asset.price_increment);
            return Err(ApiError::rule(format!(
                "invalid {name} {}. price must be a multiple of {step}",
                number::text(px)
            )));
        }
        return Ok(());
    }
    let step = if px >= ONE { ONE / 100 } else { ONE / 10_000 };
    if px % step != 0 {
        let px = number::text(px);
        return Err(ApiError::rule(format!(
            "invalid {name} {px}. sub-penny increment does not fulfill minimum pricing criteria"
        )));
    }
    Ok(())
}
