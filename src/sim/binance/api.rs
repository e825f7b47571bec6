//! What carries out the venue's calls, the same over REST and the WebSocket API: who asks, and which handler answers.

use super::account_calls::write_discount;
use super::errors::ApiError;
use super::limits::Limits;
use super::market::Market;
use super::params::Params;
use super::place::{NewOrder, OrderRef};
use super::replace::parse_restriction;
use super::routes::Call;
use super::signing;
use super::venue::Venue;
use crate::sim::json::{Json, TimeUnit};

/// How a signature was brought.
pub enum Signed<'a> {
    /// Raw query and raw body.
    Rest { query: &'a str, body: &'a str },
    /// The parameters of a WebSocket API request, as text.
    WsApi(&'a [(String, String)]),
}

/// The venue with its market and limits: everything behind the two front ends.
pub struct Desk {
    pub venue: Venue,
    pub limits: Limits,
    pub market: Market,
    /// How far the venue's clock is off, as clients meet it: in `serverTime` and in the check of timestamps.
    pub clock_offset_us: i64,
}

/// Longest and default `recvWindow`, in microseconds.
const RECV_WINDOW_MAX_US: i64 = 60_000_000;
const RECV_WINDOW_US: i64 = 5_000_000;
const AHEAD_MAX_US: i64 = 1_000_000;

impl Desk {
    /// The account of a key.
    pub fn account_of(&self, key: Option<&str>) -> Result<usize, ApiError> {
        let key = key.filter(|k| !k.is_empty()).ok_or_else(ApiError::bad_key_format)?;
        self.venue.by_key.get(key).copied().ok_or_else(|| {
            let well_formed = key.len() == 64 && key.bytes().all(|b| b.is_ascii_alphanumeric());
            if well_formed { ApiError::bad_key() } else { ApiError::bad_key_format() }
        })
    }

    /// The retired listen keys, by the WebSocket API's names.
    pub fn listen_key(
        &mut self,
        method: &str,
        account: usize,
        p: &Params,
        unit: TimeUnit,
        now_us: i64,
    ) -> Result<Json, ApiError> {
        let mut j = Json::new(unit);
        let Venue { listen_keys, rng, .. } = &mut self.venue;
        match method {
            "userDataStream.start" => {
                let key = listen_keys.start(account, rng, now_us);
                j.object("", |j| j.str("listenKey", &key));
            }
            "userDataStream.ping" => {
                listen_keys.keep_alive(account, p.required("listenKey")?, now_us)?;
                j.object("", |_| {});
            }
            _ => {
                listen_keys.stop(account, p.required("listenKey")?, now_us)?;
                j.object("", |_| {});
            }
        }
        Ok(j)
    }

    /// Finds the account of a signed request (§3-§5): key, signature, then time.
    pub fn authenticate(&self, key: Option<&str>, p: &Params, signed: &Signed, now_us: i64) -> Result<usize, ApiError> {
        let account = self.account_of(key)?;
        p.required("timestamp")?;
        let signature = p.required("signature")?;
        let key = self.venue.key(key.unwrap_or_default(), account);
        let valid = match signed {
            Signed::Rest { query, body } => signing::verify_rest(key, query, body, signature),
            Signed::WsApi(pairs) => {
                signing::verify_ws_api(key, pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())), signature)
            }
        };
        if !valid {
            return Err(ApiError::bad_signature());
        }
        self.check_time(p, now_us)?;
        Ok(account)
    }

    /// A key that may not trade asks only.
    pub fn check_permission(&self, account: usize, call: Call) -> Result<(), ApiError> {
        let may = self.venue.accounts[account].may.trade || !call.trades();
        if may { Ok(()) } else { Err(ApiError::bad_key()) }
    }

    /// `timestamp` and `recvWindow` against the venue's clock (§4).
    pub fn check_time(&self, p: &Params, now_us: i64) -> Result<(), ApiError> {
        let now_us = now_us + self.clock_offset_us;
        // In milliseconds with up to three places: 10^-8 of a millisecond are 10^-5 microseconds.
        let window_us = match p.decimal("recvWindow")? {
            None => RECV_WINDOW_US,
            Some(ms) => ms / 100_000,
        };
        if window_us > RECV_WINDOW_MAX_US {
            let msg = "'recvWindow' contains unexpected value. Cannot be greater than 60000.";
            return Err(ApiError::new(-1102, msg));
        }
        let time = p.time_us("timestamp")?.ok_or_else(|| ApiError::missing("timestamp"))?;
        if time >= now_us + AHEAD_MAX_US {
            return Err(ApiError::ahead_of_server());
        }
        if now_us - time > window_us {
            return Err(ApiError::outside_recv_window());
        }
        Ok(())
    }

    /// Carries a call out and writes its result. `account` is known where the call is signed.
    pub fn answer(
        &mut self,
        call: Call,
        account: usize,
        p: &Params,
        unit: TimeUnit,
        now_us: i64,
    ) -> Result<Json, ApiError> {
        let mut j = Json::new(unit);
        match call {
            Call::Ping => j.object("", |_| {}),
            Call::Time => j.object("", |j| j.time("serverTime", now_us + self.clock_offset_us)),
            Call::ExchangeInfo => self.exchange_info(&mut j, p, now_us)?,
            Call::ExecutionRules => self.execution_rules(&mut j, p)?,
            Call::Depth => self.depth(&mut j, p)?,
            Call::Trades => self.trades(&mut j, p, false)?,
            Call::HistoricalTrades => self.trades(&mut j, p, true)?,
            Call::BlockTrades => self.block_trades(&mut j, p)?,
            Call::Aggregates => self.aggregates(&mut j, p)?,
            Call::Klines => self.klines(&mut j, p, now_us)?,
            Call::AvgPrice => self.average_price(&mut j, p, now_us)?,
            Call::Ticker(kind) => self.ticker(&mut j, kind, p, now_us)?,
            Call::ReferencePrice => self.reference_price(&mut j, p)?,
            Call::ReferenceCalculation => self.reference_calculation(&mut j, p)?,
            Call::Account => {
                let omit_zero = p.boolean("omitZeroBalances")?.unwrap_or(false);
                p.check_all_read()?;
                let venue = &self.venue;
                venue.accounts[account].write(&mut j, account, &venue.assets, omit_zero);
            }
            Call::OrderLimits => {
                p.check_all_read()?;
                let count = &mut self.venue.accounts[account].order_count;
                let limits = &self.limits;
                j.array("", |j| limits.write_orders(j, count, now_us));
            }
            Call::Place => self.place(&mut j, account, p, now_us)?,
            Call::TestPlace => self.test_place(&mut j, account, p)?,
            Call::PlaceRouted => self.place_routed(&mut j, account, p, now_us)?,
            Call::TestRouted => self.test_routed(&mut j, account, p)?,
            Call::Cancel => self.cancel(&mut j, account, p, now_us)?,
            Call::CancelAll => {
                let symbol = self.venue.symbol(p.required("symbol")?)?;
                p.check_all_read()?;
                let (canceled, cancel_id) = self.venue.cancel_all(account, symbol, now_us)?;
                j.array("", |j| canceled.into_iter().for_each(|c| self.venue.write_canceled(j, c, &cancel_id)));
            }
            Call::Commission => self.commission(&mut j, account, p)?,
            Call::MyFilters => self.my_filters(&mut j, p)?,
            Call::TradeFee => self.trade_fee(&mut j, account, p)?,
            Call::KeyRights => self.key_rights(&mut j, account, p)?,
            Call::Allocations => self.allocations(&mut j, account, p)?,
            Call::QueryOrder => self.query_order(&mut j, account, p)?,
            Call::OpenOrders => self.open_orders(&mut j, account, p)?,
            Call::AllOrders => self.all_orders(&mut j, account, p)?,
            Call::MyTrades => self.my_trades(&mut j, account, p)?,
            Call::CancelReplace => self.cancel_replace(&mut j, account, p, now_us)?,
            Call::Amend => self.amend(&mut j, account, p, now_us)?,
            Call::Amendments => self.amendments(&mut j, account, p)?,
            Call::PlaceList(list) => self.place_list(&mut j, list, account, p, now_us)?,
            Call::CancelList => self.cancel_list(&mut j, account, p, now_us)?,
            Call::QueryList => self.query_list(&mut j, account, p)?,
            Call::OpenLists => self.open_lists(&mut j, account, p)?,
            Call::AllLists => self.all_lists(&mut j, account, p)?,
            Call::PreventedMatches => self.prevented_matches(&mut j, account, p)?,
        }
        Ok(j)
    }

    fn place(&mut self, j: &mut Json, account: usize, p: &Params, now_us: i64) -> Result<(), ApiError> {
        let new = NewOrder::parse(&self.venue, p)?;
        p.check_all_read()?;
        self.place_parsed(j, account, &new, now_us)
    }

    /// Checks and places an order whose parameters are read.
    pub fn place_parsed(&mut self, j: &mut Json, account: usize, new: &NewOrder, now_us: i64) -> Result<(), ApiError> {
        let new = self.venue.pegged(new)?;
        self.venue.check_filters(account, &[&new])?;
        self.limits.add_orders(&mut self.venue.accounts[account].order_count, 1, now_us)?;
        let id = self.venue.place(account, &new, now_us)?;
        let venue = &self.venue;
        if let Some(order) = venue.orders.get(&id) {
            order.write_new(j, venue.symbol_name(new.symbol), new.resp, &venue.did, &venue.assets);
        }
        Ok(())
    }

    fn test_place(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let new = NewOrder::parse(&self.venue, p)?;
        self.test_parsed(j, account, &new, p)
    }

    /// What a test answers of an order whose own parameters are read.
    pub fn test_parsed(&self, j: &mut Json, account: usize, new: &NewOrder, p: &Params) -> Result<(), ApiError> {
        let rates = p.boolean("computeCommissionRates")?.unwrap_or(false);
        p.check_all_read()?;
        let new = self.venue.pegged(new)?;
        self.venue.check_filters(account, &[&new])?;
        let fees = self.venue.accounts[account].fees;
        j.object("", |j| {
            if !rates {
                return;
            }
            for (key, maker, taker) in [
                ("standardCommissionForOrder", fees.maker, fees.taker),
                ("specialCommissionForOrder", 0, 0),
                ("taxCommissionForOrder", 0, 0),
            ] {
                j.object(key, |j| {
                    j.dec("maker", maker);
                    j.dec("taker", taker);
                });
            }
            write_discount(j);
        });
        Ok(())
    }

    fn cancel(&mut self, j: &mut Json, account: usize, p: &Params, now_us: i64) -> Result<(), ApiError> {
        let of = OrderRef::parse(&self.venue, p)?;
        let cancel_id = p.client_id("newClientOrderId")?.map(std::sync::Arc::from);
        let restriction = parse_restriction(p)?;
        p.check_all_read()?;
        let (canceled, cancel_id) = self.venue.cancel(account, &of, cancel_id, restriction, now_us)?;
        self.venue.write_canceled(j, canceled, &cancel_id);
        Ok(())
    }
}
