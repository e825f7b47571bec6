//! An order's life after it was taken (reference §10): routed, filled, cancelled, replaced, ended with the day; and what
//! that does to the orders that belong to it.

use super::account::{Activity, FeeDue, What};
use super::calendar::{Boundary, utc_text};
use super::number::{self, ONE};
use super::orders::{Class, Kind, Order, Role, Side, Status, Tif};
use super::venue::{Execution, FillModel, Step, Venue};
use jiff::civil::Date;

/// Trading days that the old day-trade rule looks back.
const DAY_TRADE_WINDOW: usize = 5;

impl Venue {
    /// Does what has come due.
    pub fn run_due(&mut self) -> usize {
        let mut done = 0;
        while let Some(entry) = self.due.first_entry() {
            if entry.key().0 > self.real {
                break;
            }
            done += 1;
            match entry.remove() {
                Step::Route(key) => self.route(key),
                Step::Cancel(key) => self.cancel_now(key),
                Step::Replace { old, new } => self.replace_now(old, new),
            }
        }
        done
    }

    /// The exchange's answer to a new order.
    fn route(&mut self, key: u64) {
        let Some(order) = self.orders.get(&key).filter(|o| o.status == Status::PendingNew) else { return };
        let (asset, session) = (order.asset, self.in_session(order));
        if self.reject_next > 0 {
            self.reject_next -= 1;
            return self.finish(key, Status::Rejected, true);
        }
        if !session {
            // The session ended while it was on its way.
            return self.set_status(key, Status::Accepted);
        }
        self.go_live(key);
        self.work(asset);
    }

    /// An order begins to work.
    fn go_live(&mut self, key: u64) {
        let Some(order) = self.orders.get(&key) else { return };
        let status = if order.filled > 0 { Status::PartiallyFilled } else { Status::New };
        self.set_status(key, status);
        self.start_trailing(key);
        self.tell(key, "new", None);
    }

    /// A trailing stop's best price begins with the last trade.
    fn start_trailing(&mut self, key: u64) {
        let Some(order) = self.orders.get(&key) else { return };
        if order.kind == Kind::TrailingStop && order.hwm.is_none() {
            let px = self.price(order.asset);
            self.edit(key, |order| {
                order.hwm = Some(px);
                order.stop = Some(trailed(order, px));
            });
        }
    }

    // --- the market ---

    /// The market of an asset has changed: what can fill does.
    pub fn work(&mut self, asset: usize) {
        if self.markets[asset].halted {
            return;
        }
        let keys: Vec<u64> =
            self.open.iter().copied().filter(|key| self.orders.get(key).is_some_and(|o| o.asset == asset)).collect();
        for key in keys {
            self.work_order(key);
        }
    }

    fn work_order(&mut self, key: u64) {
        let Some(order) = self.orders.get(&key) else { return };
        let auction = matches!(order.tif, Tif::Opg | Tif::Cls);
        if !order.status.is_working() || order.waits_for_trigger() || auction || !self.in_session(order) {
            return;
        }
        let (asset, side, tif, limit) = (order.asset, order.side, order.tif, order.limit_now());
        match self.rules.fill {
            FillModel::Paper { partial_permille } => {
                let far =
                    self.best(asset, side.opposite()).filter(|px| limit.is_none_or(|limit| side.reaches(limit, *px)));
                if let Some(px) = far
                    && let Some(all) = self.wanted(key, px)
                {
                    let partial = tif != Tif::Fok && self.rng.u32(..1_000) < partial_permille;
                    let qty = if partial { self.part_of(key, all) } else { all };
                    self.fill(key, px, qty);
                }
            }
            FillModel::Depth => {
                let levels: Vec<(i64, i64)> = self.markets[asset]
                    .liquidity
                    .levels(side.opposite())
                    .take_while(|(px, _)| limit.is_none_or(|limit| side.reaches(limit, *px)))
                    .collect();
                let shown: i128 = levels.iter().map(|(_, qty)| i128::from(*qty)).sum();
                let enough = tif != Tif::Fok || shown >= i128::from(self.orders[&key].leaves());
                for (px, there) in levels.into_iter().filter(|_| enough) {
                    let Some(wanted) = self.wanted(key, px) else { break };
                    let qty = wanted.min(there);
                    self.markets[asset].liquidity.take(side.opposite(), px, qty);
                    self.fill(key, px, qty);
                }
            }
        }
        // What could not be had at once is given up.
        if matches!(tif, Tif::Ioc | Tif::Fok) && self.orders.get(&key).is_some_and(Order::is_open) {
            self.finish(key, Status::Canceled, true);
        }
    }

    /// What an order still wants at a price; a notional order buys as much as its money gives.
    fn wanted(&self, key: u64, px: i64) -> Option<i64> {
        let order = self.orders.get(&key).filter(|o| o.status.is_working())?;
        let qty = match order.notional {
            Some(_) => (order.money_left() / i128::from(px)) as i64,
            None => order.leaves(),
        };
        (qty > 0).then_some(qty)
    }

    /// A random part of a quantity: whole shares of whole orders.
    fn part_of(&mut self, key: u64, qty: i64) -> i64 {
        let unit = if self.orders[&key].qty.is_some_and(|qty| qty % ONE == 0) { ONE } else { 1 };
        let units = qty / unit;
        if units < 2 { qty } else { self.rng.i64(1..units) * unit }
    }

    /// One execution.
    fn fill(&mut self, key: u64, px: i64, qty: i64) {
        let Some(order) = self.orders.get(&key) else { return };
        let (account, asset, side, replacing) =
            (order.account, order.asset, order.side, order.status == Status::PendingReplace);
        // An order that was marketable when it came takes; one that waited makes.
        let taker = order.kind != Kind::Limit
            || matches!(order.tif, Tif::Ioc | Tif::Fok)
            || self.now - order.submitted <= self.rules.exchange_delay_ns;
        let fee = if taker { self.rules.crypto_taker_bips } else { self.rules.crypto_maker_bips };
        let before = self.position(account, asset).qty;
        let closes_today = self.accounts[account].fill(asset, &self.assets[asset], side, px, qty, fee);
        if closes_today && !self.assets[asset].is_crypto() {
            self.note_day_trade(account, asset);
        }
        let now = self.now;
        self.edit(key, |order| {
            order.filled += qty;
            order.filled_value += number::notional(px, qty);
            order.filled_at = Some(now);
        });
        self.changes.accounts.insert(account);
        let order = &self.orders[&key];
        let done = match order.notional {
            Some(_) => order.money_left() < i128::from(px),
            None => order.leaves() == 0,
        };
        // A cancel or a replacement on its way keeps its name until it is decided.
        let status = if done {
            Status::Filled
        } else if matches!(order.status, Status::PendingCancel | Status::PendingReplace) {
            order.status
        } else {
            Status::PartiallyFilled
        };
        let (cum, order_id) = (order.filled, order.id.clone());
        self.set_status(key, status);
        let leaves = self.orders.get(&key).map_or(0, |o| o.qty.map_or(0, |qty| qty - o.filled));
        let execution_id = self.uuid();
        let position = self.position(account, asset).qty;
        let what = What::Fill {
            order: key,
            order_id,
            side,
            short: side == Side::Sell && before <= 0,
            px,
            qty,
            cum,
            leaves,
            status: if done { "filled" } else { "partially_filled" }.into(),
        };
        let id = format!("{}::{execution_id}", activity_digits(now));
        self.accounts[account].note(Activity { id, at: now, asset, what });
        let event = if done { "fill" } else { "partial_fill" };
        self.tell(key, event, Some((Execution { px, qty, position }, execution_id)));
        if done && replacing {
            self.refuse_replacement(key);
        }
        self.after_fill(key, qty, done);
    }

    /// What a fill means to the orders that belong to it.
    fn after_fill(&mut self, key: u64, qty: i64, done: bool) {
        let Some(order) = self.orders.get(&key) else { return };
        let (role, class) = (order.role, order.class);
        for other in self.siblings(key) {
            let Some(sibling) = self.orders.get(&other).filter(|o| o.is_open()) else { continue };
            match (role, sibling.role) {
                // The whole entry is there: its exits come alive. Of a pair the stop is watched by the venue.
                (Role::Entry, Role::TakeProfit) if done => self.go_live(other),
                (Role::Entry, Role::StopLoss) if done && class == Class::Oto => self.go_live(other),
                (Role::TakeProfit, Role::StopLoss) if done => self.finish(other, Status::Canceled, false),
                (Role::TakeProfit, Role::StopLoss) => {
                    self.edit(other, |order| order.qty = order.qty.map(|all| all - qty));
                }
                (Role::StopLoss, Role::TakeProfit) => self.finish(other, Status::Canceled, false),
                _ => {}
            }
        }
    }

    /// A trade of the market at a price: stops are touched by it, trailing stops follow it.
    pub fn market_traded(&mut self, asset: usize, px: i64) {
        self.markets[asset].last = px;
        let crypto = self.assets[asset].is_crypto();
        if self.markets[asset].halted || (!crypto && self.phase != super::calendar::Phase::Core) {
            return;
        }
        // Only prints within the quotes count.
        if self.best(asset, Side::Buy).is_some_and(|bid| px < bid)
            || self.best(asset, Side::Sell).is_some_and(|ask| px > ask)
        {
            return;
        }
        let keys: Vec<u64> =
            self.open.iter().copied().filter(|key| self.orders.get(key).is_some_and(|o| o.asset == asset)).collect();
        for key in keys {
            let Some(order) = self.orders.get(&key).filter(|o| o.waits_for_trigger()) else { continue };
            let watched = order.status == Status::Held && !self.waits_for_entry(order);
            if !(order.status.is_working() || watched) {
                continue;
            }
            if order.kind == Kind::TrailingStop {
                self.trail(key, px);
            }
            let Some(order) = self.orders.get(&key) else { continue };
            let touched = order.stop.is_some_and(|stop| match order.side {
                Side::Buy => px >= stop,
                Side::Sell => px <= stop,
            });
            if touched {
                self.trigger(key);
            }
        }
    }

    fn trail(&mut self, key: u64, px: i64) {
        let order = &self.orders[&key];
        let better = order.hwm.is_none_or(|hwm| if order.side == Side::Sell { px > hwm } else { px < hwm });
        if better {
            self.edit(key, |order| {
                order.hwm = Some(px);
                order.stop = Some(trailed(order, px));
            });
        }
    }

    fn trigger(&mut self, key: u64) {
        self.edit(key, |order| {
            order.triggered = true;
            if order.kind == Kind::Stop && order.side == Side::Buy {
                // The venue turns a buy stop into a stop-limit: 4 % above, 2.5 % from 50 dollars up.
                let stop = order.stop.unwrap_or(0);
                let permille = if stop < 50 * ONE { 40 } else { 25 };
                order.collar = Some(stop + (i128::from(stop) * permille / 1_000) as i64);
            }
        });
        for other in self.siblings(key) {
            if self.orders.get(&other).is_some_and(|o| o.is_open() && o.role == Role::TakeProfit) {
                self.finish(other, Status::Canceled, false);
            }
        }
        if self.orders[&key].status == Status::Held {
            self.set_status(key, Status::New);
            self.tell(key, "new", None);
        }
        self.work_order(key);
    }

    // --- ends ---

    /// Ends an order otherwise than by a fill; with it, where asked, those that belong to it.
    pub fn finish(&mut self, key: u64, status: Status, with_group: bool) {
        let now = self.now;
        self.edit(key, |order| match status {
            Status::Canceled => order.canceled_at = Some(now),
            Status::Expired => order.expired_at = Some(now),
            Status::Rejected => order.failed_at = Some(now),
            _ => {}
        });
        let replacing = self.orders.get(&key).is_some_and(|o| o.status == Status::PendingReplace);
        self.set_status(key, status);
        self.tell(key, status.text(), None);
        if replacing {
            self.refuse_replacement(key);
        }
        if with_group {
            let status = if status == Status::Expired { status } else { Status::Canceled };
            for other in self.siblings(key) {
                if self.orders.get(&other).is_some_and(Order::is_open) {
                    self.finish(other, status, false);
                }
            }
        }
    }

    /// The user asks for an order's end.
    pub fn request_cancel(&mut self, key: u64) {
        let now = self.now;
        let members = std::iter::once(key).chain(self.siblings(key));
        for key in members.collect::<Vec<_>>() {
            let Some(order) = self.orders.get(&key).filter(|o| o.is_open() && o.status != Status::PendingCancel) else {
                continue;
            };
            let before = order.status;
            self.edit(key, |order| {
                order.cancel_requested_at = Some(now);
                order.status_before = before;
            });
            self.set_status(key, Status::PendingCancel);
            self.tell(key, "pending_cancel", None);
            self.after(self.rules.exchange_delay_ns, Step::Cancel(key));
        }
    }

    fn cancel_now(&mut self, key: u64) {
        if self.orders.get(&key).is_some_and(|o| o.status == Status::PendingCancel) {
            self.finish(key, Status::Canceled, false);
        }
    }

    /// The exchange's answer to a replacement.
    fn replace_now(&mut self, old: u64, new: u64) {
        let Some(before) = self.orders.get(&old).filter(|o| o.status == Status::PendingReplace).cloned() else {
            return;
        };
        let Some(after) = self.orders.get(&new).cloned() else { return };
        // What filled on the way is no longer to be done by the new order.
        let filled_since = before.filled - after.replaced_filled;
        let left = after.qty.map(|qty| qty - filled_since);
        let rejected = self.reject_next > 0;
        if !after.is_open() || left.is_some_and(|left| left <= 0) || rejected {
            self.reject_next -= u32::from(rejected);
            self.set_status(
                old,
                if before.filled > 0 && before.status_before != Status::Held {
                    Status::PartiallyFilled
                } else {
                    before.status_before
                },
            );
            return self.refuse_replacement(old);
        }
        let now = self.now;
        self.edit(old, |order| order.replaced_at = Some(now));
        self.set_status(old, Status::Replaced);
        self.tell(old, "replaced", None);
        self.edit(new, |order| order.qty = left);
        if before.status_before == Status::Held {
            return self.set_status(new, Status::Held);
        }
        self.go_live(new);
        self.work(after.asset);
    }

    /// A replacement that the exchange did not take: the old order is as it was, or closed; the new one never lived.
    fn refuse_replacement(&mut self, old: u64) {
        let Some(new) = self.orders.get(&old).and_then(|o| o.replaced_by) else { return };
        self.edit(old, |order| order.replaced_by = None);
        self.tell(old, "order_replace_rejected", None);
        if self.orders.get(&new).is_some_and(Order::is_open) {
            self.finish(new, Status::Rejected, false);
        }
    }

    // --- the day ---

    /// What a moment of the trading day does.
    pub fn on_boundary(&mut self, boundary: Boundary, date: Date) {
        self.phase = self.calendar.phase(self.now);
        self.today = date;
        match boundary {
            Boundary::Open => {
                for account in 0..self.accounts.len() {
                    self.accounts[account].positions.values_mut().for_each(|p| (p.today_qty, p.today_cost) = (0, 0));
                    self.changes.accounts.insert(account);
                }
                self.auction(Tif::Opg);
                self.wake();
            }
            Boundary::Pre => self.wake(),
            Boundary::Close => {
                self.auction(Tif::Cls);
                self.end_of_session(date);
                self.expire();
                self.rest_orders(false);
            }
            Boundary::Post => {
                self.expire();
                self.rest_orders(true);
            }
        }
    }

    fn open_equities(&self) -> Vec<u64> {
        let equity = |o: &Order| !self.assets[o.asset].is_crypto();
        self.open.iter().copied().filter(|key| self.orders.get(key).is_some_and(equity)).collect()
    }

    /// Orders that waited for the session are sent.
    fn wake(&mut self) {
        for key in self.open_equities() {
            let order = &self.orders[&key];
            let waits = matches!(order.status, Status::Accepted | Status::DoneForDay);
            if waits && self.in_session(order) && order.tif != Tif::Opg {
                self.set_status(key, Status::PendingNew);
                self.tell(key, "pending_new", None);
                self.after(self.rules.exchange_delay_ns, Step::Route(key));
            }
        }
    }

    /// Orders for the auction that is now: filled at its price, or gone.
    fn auction(&mut self, tif: Tif) {
        for key in self.open_equities() {
            let order = &self.orders[&key];
            if order.tif != tif || order.status == Status::PendingCancel {
                continue;
            }
            if matches!(order.status, Status::Accepted | Status::PendingNew) {
                self.go_live(key);
            }
            let order = &self.orders[&key];
            let px = match tif {
                Tif::Opg => self.reckoned_px(order.asset, order.side),
                _ => self.price(order.asset),
            };
            let fits = order.limit_now().is_none_or(|limit| order.side.reaches(limit, px));
            match self.wanted(key, px).filter(|_| fits && px > 0) {
                Some(qty) => self.fill(key, px, qty),
                None => self.finish(key, Status::Canceled, true),
            }
        }
    }

    /// Orders whose time has ended.
    pub fn expire(&mut self) {
        let ended = |o: &Order| o.expires_at.is_some_and(|at| at <= self.now);
        let keys: Vec<u64> = self.open.iter().copied().filter(|key| self.orders.get(key).is_some_and(ended)).collect();
        for key in keys {
            if self.orders.get(&key).is_some_and(Order::is_open) {
                self.finish(key, Status::Expired, true);
            }
        }
    }

    /// Orders that live on rest until the next session.
    fn rest_orders(&mut self, extended: bool) {
        for key in self.open_equities() {
            let order = &self.orders[&key];
            let worked = matches!(order.status, Status::New | Status::PartiallyFilled);
            if worked && order.extended == extended {
                self.set_status(key, Status::DoneForDay);
                self.tell(key, "done_for_day", None);
            }
        }
    }

    fn end_of_session(&mut self, date: Date) {
        for asset in 0..self.assets.len() {
            self.markets[asset].last_day = self.markets[asset].last;
        }
        for account in 0..self.accounts.len() {
            let value = self.value(account);
            let now = self.now;
            let entry = &mut self.accounts[account];
            entry.last_equity = value.equity();
            entry.last_maintenance = value.maintenance_margin;
            entry.last_gross = value.gross();
            entry.balance_as_of = date.to_string();
            entry.note_equity(now, value.equity(), true);
            self.changes.accounts.insert(account);
        }
    }

    /// The fees of a day are booked at its end.
    pub fn book_fees(&mut self, date: &str) {
        for account in 0..self.accounts.len() {
            let due = std::mem::take(&mut self.accounts[account].fees_due);
            for (asset, FeeDue { qty, money, px }) in due {
                let id = format!("{}::{}", activity_digits(self.now), self.uuid());
                let what = What::CryptoFee { date: date.into(), qty: -qty, px, net: -money };
                self.accounts[account].note(Activity { id, at: self.now, asset, what });
                self.changes.accounts.insert(account);
            }
        }
    }

    fn note_day_trade(&mut self, account: usize, asset: usize) {
        let trade = (self.today.to_string(), asset);
        let trades = &mut self.accounts[account].day_trades;
        if !trades.contains(&trade) {
            trades.push(trade);
        }
    }

    /// Day trades within the last five trading days.
    pub fn day_trade_count(&self, account: usize) -> usize {
        let mut date = self.today;
        let mut seen = 0;
        let mut oldest = date;
        // A week and its holidays hold five trading days.
        for _ in 0..14 {
            if self.calendar.day(date).is_some() {
                (oldest, seen) = (date, seen + 1);
            }
            if seen == DAY_TRADE_WINDOW {
                break;
            }
            date = date.yesterday().unwrap_or(date);
        }
        let oldest = oldest.to_string();
        self.accounts[account].day_trades.iter().filter(|(date, _)| *date >= oldest).count()
    }
}

/// Where a trailing stop stands when the best price is `hwm`.
fn trailed(order: &Order, hwm: i64) -> i64 {
    let trail = match (order.trail_price, order.trail_percent) {
        (Some(trail), _) => trail,
        (None, Some(percent)) => (i128::from(hwm) * i128::from(percent) / (100 * i128::from(ONE))) as i64,
        (None, None) => 0,
    };
    // On the cent, away from the market.
    let cent = ONE / 100;
    if order.side == Side::Sell {
        (hwm - trail).div_euclid(cent) * cent
    } else {
        (hwm + trail + cent - 1).div_euclid(cent) * cent
    }
}

/// The time of an activity's id: `20220202135509981`.
fn activity_digits(at: i64) -> String {
    let digits: String = utc_text(at).chars().filter(char::is_ascii_digit).collect();
    format!("{digits:0<17}")[..17].to_owned()
}
