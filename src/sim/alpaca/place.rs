//! Orders made and changed by a client's request: placed with their exits, replaced, cancelled, positions closed.

use super::ask::Ask;
use super::body::Body;
use super::checks::price_step;
use super::errors::ApiError;
use super::number::{self, ONE};
use super::orders::{Class, Intent, Kind, Order, Role, Side, Status, Tif};
use super::venue::{Step, Venue};

/// Days that an order until cancelled lives.
const GTC_DAYS: i64 = 90;

impl Venue {
    /// Takes a new order: its key, or why not.
    pub fn place(&mut self, account: usize, ask: &Ask) -> Result<u64, ApiError> {
        let Some(asset) = self.find_asset(&ask.symbol) else {
            return Err(ApiError::bad(format!("asset \"{}\" not found", ask.symbol)));
        };
        self.note_repeat(account, ask);
        self.check(account, asset, ask, None)?;
        let grouped = Venue::in_group(ask.class);
        let key = self.next_key;
        let order = self.make(account, asset, ask, key);
        let order = Order { group: grouped.then_some(key), role: Venue::own_role(ask.class), parent: grouped, ..order };
        let at_once = self.goes_at_once(asset, ask.tif, ask.extended);
        self.insert(order);
        self.place_exits(key, ask);
        self.tell(key, if at_once { "pending_new" } else { "accepted" }, None);
        if at_once {
            self.after(self.rules.exchange_delay_ns, Step::Route(key));
        }
        for leg in self.siblings(key) {
            self.tell(leg, "held", None);
        }
        Ok(key)
    }

    /// Counts an order under an id that is taken: a client that sends again what it does not know the fate of.
    fn note_repeat(&mut self, account: usize, ask: &Ask) {
        let taken = |id: &String| self.by_client.contains_key(&(account, id.clone()));
        self.repeated += usize::from(ask.client_id.as_ref().is_some_and(taken));
    }

    fn make(&mut self, account: usize, asset: usize, ask: &Ask, key: u64) -> Order {
        let id = self.uuid();
        let client_id = ask.client_id.clone().unwrap_or_else(|| self.uuid());
        let at_once = self.goes_at_once(asset, ask.tif, ask.extended);
        let status = if at_once { Status::PendingNew } else { Status::Accepted };
        Order {
            key,
            id,
            client_id,
            account,
            asset,
            created: self.now,
            updated: self.now,
            submitted: self.now,
            filled_at: None,
            expired_at: None,
            canceled_at: None,
            failed_at: None,
            replaced_at: None,
            cancel_requested_at: None,
            expires_at: self.expiry(asset, ask.tif, ask.extended),
            replaced_by: None,
            replaces: None,
            qty: ask.qty,
            notional: ask.notional,
            filled: 0,
            filled_value: 0,
            class: ask.class,
            kind: ask.kind,
            side: ask.side,
            tif: ask.tif,
            limit: ask.limit,
            stop: ask.stop,
            trail_price: ask.trail_price,
            trail_percent: ask.trail_percent,
            hwm: None,
            status,
            extended: ask.extended,
            intent: self.intent(account, asset, ask),
            group: None,
            role: Role::Entry,
            parent: false,
            triggered: false,
            collar: None,
            replaced_filled: 0,
            status_before: status,
        }
    }

    /// When a time in force ends; what is given up at once has no such time.
    fn expiry(&self, asset: usize, tif: Tif, extended: bool) -> Option<i64> {
        match tif {
            Tif::Gtc => {
                let date = self.calendar.date_of(self.now).checked_add(jiff::Span::new().days(GTC_DAYS)).ok()?;
                Some(self.calendar.at(date, 16, 15))
            }
            _ if self.assets[asset].is_crypto() => None,
            Tif::Day if extended => Some(self.calendar.next_post(self.now)),
            Tif::Day | Tif::Cls => Some(self.calendar.next_close(self.now)),
            Tif::Opg => Some(self.calendar.next_open(self.now)),
            Tif::Ioc | Tif::Fok => None,
        }
    }

    /// The exits of an order exist with it and are held.
    fn place_exits(&mut self, parent: u64, ask: &Ask) {
        if !Venue::in_group(ask.class) {
            return;
        }
        let base = self.orders[&parent].clone();
        let side = if ask.class == Class::Oco { ask.side } else { ask.side.opposite() };
        let profit = ask.take_profit.filter(|_| ask.class != Class::Oco);
        let profit = profit.map(|px| (Role::TakeProfit, Kind::Limit, Some(px), None));
        let stop = ask.stop_loss.map(|(stop, limit)| {
            (Role::StopLoss, if limit.is_some() { Kind::StopLimit } else { Kind::Stop }, limit, Some(stop))
        });
        for (role, kind, limit, stop) in profit.into_iter().chain(stop) {
            let key = self.next_key;
            let (id, client_id) = (self.uuid(), self.uuid());
            let intent = if side == Side::Sell { Intent::SellToClose } else { Intent::BuyToClose };
            let status = Status::Held;
            let leg = Order {
                key,
                id,
                client_id,
                side,
                kind,
                limit,
                stop,
                role,
                intent,
                status,
                parent: false,
                ..base.clone()
            };
            self.insert(leg);
        }
    }

    /// `PATCH /v2/orders/{id}`: the new order that is to take the old one's place.
    pub fn replace(&mut self, key: u64, body: &Body) -> Result<u64, ApiError> {
        let old = self.orders.get(&key).cloned().ok_or_else(ApiError::no_such_order)?;
        match old.status {
            Status::New | Status::PartiallyFilled => {}
            // The watched stop of a pair can be moved; other exits only once they live.
            Status::Held if !self.waits_for_entry(&old) => {}
            status if status.is_final() => return Err(final_state(status)),
            _ => return Err(ApiError::rule("unable to replace order, order isn't sent to exchange yet")),
        }
        if old.notional.is_some() {
            return Err(ApiError::rule("notional orders cannot be replaced"));
        }
        let (qty, limit, stop, trail) =
            (body.number("qty")?, body.number("limit_price")?, body.number("stop_price")?, body.number("trail")?);
        let tif = match body.text("time_in_force")? {
            Some(text) => Some(Tif::parse(&text).ok_or_else(|| ApiError::bad("invalid time_in_force"))?),
            None => None,
        };
        if qty.is_some_and(|qty| qty % ONE != 0) && !self.assets[old.asset].is_crypto() {
            return Err(ApiError::bad("qty must be integer"));
        }
        if qty.is_some_and(|qty| qty <= 0) {
            return Err(ApiError::bad("qty must be > 0"));
        }
        // The size asked for includes what has filled; the new order has the rest to do.
        let total = qty.or(old.qty).unwrap_or(0);
        let left = total - old.filled;
        if left <= 0 {
            return Err(ApiError::rule("qty must be > filled_qty"));
        }
        let limited = matches!(old.kind, Kind::Limit | Kind::StopLimit);
        if limit.is_some() && !limited {
            return Err(ApiError::rule(format!("limit_price may not be set on {} orders", old.kind.text())));
        }
        if stop.is_some() && !matches!(old.kind, Kind::Stop | Kind::StopLimit) {
            return Err(ApiError::rule(format!("stop_price may not be set on {} orders", old.kind.text())));
        }
        if trail.is_some() && old.kind != Kind::TrailingStop {
            return Err(ApiError::rule(format!("trail may not be set on {} orders", old.kind.text())));
        }
        let by_price = old.trail_price.is_some();
        let next = Ask {
            symbol: String::new(),
            qty: Some(left),
            notional: None,
            side: old.side,
            kind: old.kind,
            tif: tif.unwrap_or(old.tif),
            limit: limit.or(old.limit),
            stop: if old.kind == Kind::TrailingStop { None } else { stop.or(old.stop) },
            trail_price: trail.filter(|_| by_price).or(old.trail_price),
            trail_percent: trail.filter(|_| !by_price).or(old.trail_percent),
            extended: old.extended,
            client_id: body.text("client_order_id")?,
            // Its exits, if it has any, stay as they are.
            class: Class::Plain,
            take_profit: None,
            stop_loss: None,
            intent: None,
        };
        let same = Some(total) == old.qty
            && (next.limit, next.tif) == (old.limit, old.tif)
            && stop.is_none_or(|stop| Some(stop) == old.stop)
            && (next.trail_price, next.trail_percent) == (old.trail_price, old.trail_percent);
        if same {
            return Err(ApiError::forbidden("order parameters are not changed"));
        }
        for (name, px) in [("limit_price", limit), ("stop_price", stop)] {
            if let Some(px) = px {
                if px <= 0 {
                    return Err(ApiError::bad(format!("{name} must be > 0")));
                }
                price_step(&self.assets[old.asset], name, px)?;
            }
        }
        self.note_repeat(old.account, &next);
        self.check(old.account, old.asset, &next, Some(key))?;
        let new = self.next_key;
        let made = self.make(old.account, old.asset, &next, new);
        let made = Order {
            class: old.class,
            group: old.group,
            role: old.role,
            parent: old.parent,
            intent: old.intent,
            replaces: Some(key),
            replaced_filled: old.filled,
            hwm: if trail.is_some() { None } else { old.hwm },
            stop: if old.kind == Kind::TrailingStop && trail.is_none() { old.stop } else { next.stop },
            status: Status::PendingNew,
            ..made
        };
        self.insert(made);
        self.edit(key, |order| {
            order.status_before = order.status;
            order.replaced_by = Some(new);
        });
        self.set_status(key, Status::PendingReplace);
        self.tell(key, "pending_replace", None);
        self.tell(new, "pending_new", None);
        self.after(self.rules.exchange_delay_ns, Step::Replace { old: key, new });
        Ok(new)
    }

    /// `DELETE /v2/orders/{id}`.
    pub fn cancel(&mut self, key: u64) -> Result<(), ApiError> {
        let order = self.orders.get(&key).ok_or_else(ApiError::no_such_order)?;
        match order.status {
            Status::PendingCancel => return Err(ApiError::rule("order pending cancel")),
            status if status.is_final() => return Err(final_state(status)),
            _ => {}
        }
        let group = self.siblings(key);
        let replacing = |key: &u64| self.orders.get(key).is_some_and(|o| o.status == Status::PendingReplace);
        if replacing(&key) || group.iter().any(replacing) {
            return Err(ApiError::rule("order pending replace"));
        }
        self.request_cancel(key);
        Ok(())
    }

    /// Closes a position, all of it or a part, with a market order.
    pub fn close(
        &mut self,
        account: usize,
        asset: usize,
        qty: Option<i64>,
        percentage: Option<i64>,
    ) -> Result<u64, ApiError> {
        let position = self.position(account, asset);
        if position.qty == 0 {
            return Err(ApiError::no_position());
        }
        let listed = &self.assets[asset];
        let whole = !listed.is_crypto() && position.qty % ONE == 0;
        let wanted = match (qty, percentage) {
            (Some(_), Some(_)) => return Err(ApiError::bad("only one of qty or percentage is accepted")),
            (Some(qty), None) => qty,
            (None, Some(percent)) if (1..=100 * ONE).contains(&percent) => {
                let part = i128::from(position.qty.abs()) * i128::from(percent) / (100 * i128::from(ONE));
                // A fraction only of what is a fraction already.
                if whole { part as i64 / ONE * ONE } else { part as i64 }
            }
            (None, Some(_)) => return Err(ApiError::bad("percentage must be within 0 and 100")),
            (None, None) => position.qty.abs(),
        };
        if wanted <= 0 {
            return Err(ApiError::bad("qty must be > 0"));
        }
        if wanted > position.qty.abs() {
            let (asked, there) = (number::text(wanted), number::text(position.qty.abs()));
            return Err(ApiError::forbidden(format!(
                "insufficient qty available for order (requested: {asked}, available: {there})"
            ))
            .with("available", &there)
            .with("existing_qty", &there)
            .with("held_for_orders", "0")
            .with("symbol", &listed.symbol));
        }
        let side = if position.qty > 0 { Side::Sell } else { Side::Buy };
        let tif = if listed.is_crypto() { Tif::Gtc } else { Tif::Day };
        let ask = Ask::market(listed.symbol.clone(), side, wanted, tif);
        self.place(account, &ask)
    }
}

fn final_state(status: Status) -> ApiError {
    ApiError::rule(format!("order is already in \"{}\" state", status.text()))
}
