//! What the control port makes go wrong here, and the orders that only this venue takes. Whatever this venue has not is
//! refused with a sentence: an order that was answered with 200 was carried out.
//!
//! | request | body | does |
//! |---|---|---|
//! | `POST /time` | `{"now": RFC 3339, "speed": 60}`, either | the venue's clock is set |
//! | `POST /market` | `{"symbol", "bid", "ask", "size", "trade", "halted", "correct", "bust", "low", "high"}` | a market is set, halted, corrected; with `low` and `high` its price band is told |
//! | `POST /reject` | `{"next": n}` | the exchange turns away the next orders, after they were taken |
//! | `POST /refuse` | `{"next": n, "status": 403, "code": 40310000, "message": "...", "members": {...}, "after": true}` | the next requests for an order are answered so; with `after` they took effect |
//! | `POST /close_stream` | `{"seconds": n}` | the private stream alone is away for that time |
//! | `POST /calendar` | `{"readable": false}` | the calendar's answer is a page that no client reads |
//! | `POST /account` | `{"trading_blocked", "account_blocked", "suspended", "shorting"}`, with `"account"` (a key of it) if wanted | the account's flags |
//! | `POST /ledger` | as everywhere; `"USD"`, or the symbol of a share or a pair | cash or a position changes, and nobody is told |

use super::errors::ApiError;
use super::hub::Role;
use super::market::Market;
use super::number::{self, ONE};
use super::tape::Shown;
use super::{AlpacaSim, parse_time};
use crate::domain::Nanos;
use crate::sim::control::{self, Order, Which};
use crate::sim::faults::Faults;
use crate::sim::http::{self, Request};
use serde_json::Value;
use std::time::Duration;

const SECOND_NS: Nanos = 1_000_000_000;
/// Requests that may be refused on order: a test wants a few.
const REFUSALS_MAX: u64 = 10_000;

impl AlpacaSim {
    /// Answers the control port.
    pub(super) fn serve_control(&mut self, now: Nanos) -> usize {
        let Some(mut control) = self.control.take() else { return 0 };
        let requests = control.requests(&mut self.scratch, now);
        for (at, request) in &requests {
            let (status, body) = match self.carry_out(request, now) {
                Ok(()) => (200, self.hub.faults.show()),
                Err((status, msg)) => (status, control::refusal(&msg)),
            };
            control.answer(*at, status, &body, request.keep_alive, now);
            self.settle();
        }
        control.tend(now);
        self.control = Some(control);
        requests.len()
    }

    /// Does what a request to the control port orders, or gives the status and sentence that refuse it.
    pub(super) fn carry_out(&mut self, request: &Request, now: Nanos) -> Result<(), (u16, String)> {
        let done = match self.own_order(request) {
            Some(done) => done,
            None => {
                let order = control::parse(request, &self.hub.faults)?;
                self.obey(order, now)
            }
        };
        done.map_err(|msg| (400, msg))
    }

    /// As a `POST` to the control port, by path and body.
    pub fn control(&mut self, path: &str, body: &str) -> Result<(), String> {
        let text = format!("POST {path} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let Ok(Some((request, _))) = http::parse(text.as_bytes()) else { return Err("no request".into()) };
        let done = self.carry_out(&request, self.hub.now).map_err(|(_, said)| said);
        self.settle();
        done
    }

    fn own_order(&mut self, request: &Request) -> Option<Result<(), String>> {
        let body = || serde_json::from_slice::<Value>(&request.body).map_err(|_| "the body must be JSON".to_owned());
        let order = match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/time") => AlpacaSim::order_time,
            ("POST", "/market") => AlpacaSim::order_market,
            ("POST", "/reject") => AlpacaSim::order_reject,
            ("POST", "/refuse") => AlpacaSim::order_refuse,
            ("POST", "/account") => AlpacaSim::order_account,
            ("POST", "/close_stream") => AlpacaSim::order_close_stream,
            ("POST", "/calendar") => AlpacaSim::order_calendar,
            _ => return None,
        };
        Some(body().and_then(|body| order(self, &body)))
    }

    /// So many orders are turned away by the exchange, after they were taken.
    pub fn reject_next(&mut self, orders: u32) {
        self.venue.reject_next = orders;
    }

    fn order_reject(&mut self, body: &Value) -> Result<(), String> {
        let next = body["next"].as_u64().and_then(|n| u32::try_from(n).ok());
        self.reject_next(next.ok_or("\"next\" must be a whole number")?);
        Ok(())
    }

    /// The next requests for an order are refused as `POST /refuse` of the control port says.
    pub fn order_refuse(&mut self, body: &Value) -> Result<(), String> {
        let next = body["next"].as_u64().filter(|n| *n <= REFUSALS_MAX);
        let next = next.ok_or_else(|| format!("\"next\" must be a whole number within 0 and {REFUSALS_MAX}"))?;
        let status = body["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        let status =
            status.filter(|status| (400..600).contains(status)).ok_or("\"status\" must be one of 400 to 599")?;
        let code = body.get("code").map_or(Some(0), Value::as_i64).ok_or("\"code\" must be a whole number")?;
        let message = body["message"].as_str().ok_or("\"message\" is missing")?;
        let mut error = ApiError::new(status, code, message);
        if let Some(members) = body.get("members") {
            let members = members.as_object().ok_or("\"members\" must be an object")?;
            error.members =
                members.iter().map(|(name, value)| (name.clone(), value.to_string().into_bytes())).collect();
        }
        let after = body.get("after").map_or(Some(false), Value::as_bool).ok_or("\"after\" must be true or false")?;
        self.door.refuse_next(next, error, after);
        Ok(())
    }

    /// An account's flags as `POST /account` of the control port sets them.
    pub fn order_account(&mut self, body: &Value) -> Result<(), String> {
        let members = body.as_object().ok_or("the body must be a JSON object")?;
        let at = self.account_named(members.get("account").and_then(Value::as_str))?;
        for (name, value) in members.iter().filter(|(name, _)| *name != "account") {
            let flag = value.as_bool().ok_or_else(|| format!("{name:?} must be true or false"))?;
            let account = &mut self.venue.accounts[at];
            match name.as_str() {
                "trading_blocked" => account.trading_blocked = flag,
                "account_blocked" => account.blocked = flag,
                "shorting" => account.shorting = flag,
                "suspended" => account.settings.suspend_trade = flag,
                _ => return Err(format!("{name:?} is no flag: trading_blocked, account_blocked, suspended, shorting")),
            }
        }
        self.venue.changes.accounts.insert(at);
        Ok(())
    }

    /// The private stream is away for so many seconds, and everything else goes on.
    fn order_close_stream(&mut self, body: &Value) -> Result<(), String> {
        let seconds = body["seconds"].as_u64().and_then(|n| u32::try_from(n).ok());
        let seconds = seconds.ok_or("\"seconds\" must be a whole number")?;
        self.door.close_stream_until(self.hub.now + Nanos::from(seconds) * SECOND_NS);
        let trades = self.hub.slots.iter_mut().flatten().filter(|slot| matches!(slot.role, Role::Trades(_)));
        trades.for_each(|slot| slot.conn.reset());
        Ok(())
    }

    fn order_calendar(&mut self, body: &Value) -> Result<(), String> {
        let readable = body["readable"].as_bool().ok_or("\"readable\" must be true or false")?;
        self.door.calendar_readable(readable);
        Ok(())
    }

    /// The account of a key, or the first.
    fn account_named(&self, key: Option<&str>) -> Result<usize, String> {
        match key {
            Some(key) => self.door.account_of(key).ok_or_else(|| format!("no account has the key {key:?}")),
            None if self.venue.accounts.is_empty() => Err("there is no account".into()),
            None => Ok(0),
        }
    }

    pub(super) fn order_time(&mut self, body: &Value) -> Result<(), String> {
        let at = match body.get("now") {
            None => self.venue.now,
            Some(text) => {
                let at = text.as_str().and_then(parse_time);
                at.ok_or_else(|| format!("\"now\" = {text} is no time such as 2026-11-27T09:29:50-05:00"))?
            }
        };
        let speed = match body.get("speed") {
            None => self.clock.speed_permille(),
            Some(speed) => {
                let fits = speed.as_f64().filter(|speed| (0.0..=100_000.0).contains(speed));
                (fits.ok_or_else(|| format!("\"speed\" = {speed} is not within 0 and 100000"))? * 1_000.0) as i64
            }
        };
        tracing::info!(at, speed, "the control port sets the clock");
        self.set_clock(at, speed);
        Ok(())
    }

    /// The market as `POST /market` of the control port sets it.
    pub fn order_market(&mut self, body: &Value) -> Result<(), String> {
        let symbol = body["symbol"].as_str().ok_or("\"symbol\" is missing")?;
        let asset = self.venue.find_asset(symbol).ok_or_else(|| format!("{symbol} is not listed"))?;
        let amount = |name: &str| -> Result<Option<i64>, String> {
            let Some(value) = body.get(name) else { return Ok(None) };
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let read = number::parse(&text).ok().filter(|value| *value > 0);
            read.map(Some).ok_or_else(|| format!("{name:?} = {value} is no amount above 0"))
        };
        let pair = |low: &str, high: &str| match (amount(low)?, amount(high)?) {
            (Some(lower), Some(upper)) if lower < upper => Ok(Some((lower, upper))),
            (None, None) => Ok(None),
            _ => Err(format!("{low:?} and {high:?} come together, the first below the second")),
        };
        let (quote, band) = (pair("bid", "ask")?, pair("low", "high")?);
        if let Some(halted) = body.get("halted") {
            let halted = halted.as_bool().ok_or("\"halted\" must be true or false")?;
            self.venue.markets[asset].halted = halted;
            self.tape.shown.push(Shown::Status { asset, halted, at: self.venue.now });
        }
        if let Some((low, high)) = band {
            self.tape.shown.push(Shown::Band { asset, low, high, at: self.venue.now });
        }
        // The last trade is told anew at another price, or taken back.
        let amended = match (amount("correct")?, body["bust"] == true) {
            (Some(px), _) => self.tape.amend_last(asset, Some(px), self.venue.now),
            (None, true) => self.tape.amend_last(asset, None, self.venue.now),
            (None, false) => true,
        };
        if !amended {
            return Err(format!("{symbol} has not traded"));
        }
        let size = amount("size")?.unwrap_or(1_000 * ONE);
        Market::script(&mut self.venue, &mut self.tape, asset, quote, size, amount("trade")?);
        Ok(())
    }

    /// Carries out an order of the control port that every venue knows, or says why this one cannot.
    fn obey(&mut self, order: Order, now: Nanos) -> Result<(), String> {
        match &order {
            // A key's secret is not for the log, though the venue is a made up one.
            Order::AddKey { .. } => tracing::info!("the control port gives an account another key"),
            other => tracing::info!(order = ?other, "the control port orders"),
        }
        match order {
            Order::Show => {}
            Order::AddKey { api_key, secret, account } => {
                if !self.door.add_key(api_key, secret, account.as_deref()) {
                    return Err("there is no such account".into());
                }
            }
            Order::RevokeKey(api_key) => self.revoke_key(&api_key),
            Order::Faults(faults) => self.set_faults(*faults)?,
            Order::Clear => {
                self.hub.faults.clear();
                self.door.clear();
                self.offset_clock(0);
            }
            Order::Disconnect(Which::All) => self.hub.faults.disconnect_all(),
            Order::Disconnect(which) => {
                let meant = |role: &Role| match role {
                    Role::Http => false,
                    Role::Trades(_) => which == Which::Api,
                    Role::Data(_) => which == Which::Streams,
                };
                self.hub.slots.iter_mut().flatten().filter(|s| meant(&s.role)).for_each(|s| s.conn.reset());
            }
            // This venue announces nothing: it closes.
            Order::ServerShutdown(seconds) => self.hub.shut_at = Some(now + Nanos::from(seconds) * SECOND_NS),
            Order::Clock(offset_ms) => self.offset_clock(offset_ms * 1_000_000),
            Order::RateLimit { seconds, refusals: None, ban_seconds: None } => {
                self.door.throttle_until(now + Nanos::from(seconds) * SECOND_NS);
            }
            Order::RateLimit { .. } | Order::Ban(_) => {
                return Err("Alpaca bans nobody: POST /rate_limit {\"seconds\": n} answers 429 for that time".into());
            }
            Order::Price { .. } => {
                return Err(
                    "at Alpaca a market is set by POST /market {\"symbol\", \"bid\", \"ask\", \"trade\"}".into()
                );
            }
            Order::Ledger { asset, change, account } => self.order_ledger(&asset, change, account.as_deref())?,
            Order::Report(event) => self.hub.tell_untrue(&event),
            Order::Hang(ms) => self.hub.faults.hang(Duration::from_millis(ms.into())),
            Order::DropAfter(bytes) => {
                self.hub.slots.iter_mut().flatten().for_each(|slot| slot.conn.cut_after(bytes));
            }
        }
        Ok(())
    }

    /// Switches of what this venue does not have stay as they are.
    fn set_faults(&mut self, faults: Faults) -> Result<(), String> {
        let before = &self.hub.faults;
        if faults.depth_skip != before.depth_skip {
            return Err("\"depth_skip\" is Binance's: nothing in Alpaca's market data is numbered".into());
        }
        if faults.answer_unknown_code != before.answer_unknown_code {
            return Err("\"answer_unknown_code\" is Binance's: Alpaca answers 500 with code 50010000".into());
        }
        self.hub.faults = faults;
        Ok(())
    }

    /// Cash or a position changes by so many 10^-8, as by somebody else's doing.
    fn order_ledger(&mut self, name: &str, change: i64, account: Option<&str>) -> Result<(), String> {
        let at = self.account_named(account)?;
        if name == "USD" {
            self.venue.accounts[at].cash += i128::from(change) * 10_000_000_000;
        } else {
            let asset = self.venue.find_asset(name).ok_or_else(|| format!("{name} is neither USD nor listed"))?;
            let px = self.venue.price(asset);
            let positions = &mut self.venue.accounts[at].positions;
            let mut position = positions.get(&asset).copied().unwrap_or_default();
            let qty = change.checked_mul(10).and_then(|change| position.qty.checked_add(change));
            position.qty = qty.ok_or("that is more than a position can be")?;
            position.cost = number::notional(px, position.qty);
            if position.qty == 0 {
                positions.remove(&asset)
            } else {
                positions.insert(asset, position)
            };
        }
        self.venue.changes.accounts.insert(at);
        Ok(())
    }
}
