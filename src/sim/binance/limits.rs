//! Request weight and unfilled order counts (reference §12): counted in clock-aligned intervals, shown, enforced.

use super::errors::ApiError;
use crate::sim::json::Json;

/// What the venue allows. The defaults are generous, so that a load test meets the engine and not the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Request weight a minute, over all connections: the venue counts by IP, and on loopback there is one.
    pub weight_per_minute: u32,
    /// New orders of one account in ten seconds, and in a day.
    pub orders_per_10s: u32,
    pub orders_per_day: u32,
    /// Refused requests within one minute before the caller is banned (418).
    pub refusals_before_ban: u32,
    /// Length of the first ban; each further one is twice as long, up to three days.
    pub ban_seconds: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        LimitsConfig {
            weight_per_minute: 1_200_000,
            orders_per_10s: 200_000,
            orders_per_day: 200_000_000,
            refusals_before_ban: 1_000,
            ban_seconds: 120,
        }
    }
}

impl LimitsConfig {
    /// The limits seen on the live venue in 2026.
    pub fn live() -> LimitsConfig {
        LimitsConfig {
            weight_per_minute: 6_000,
            orders_per_10s: 100,
            orders_per_day: 200_000,
            ..LimitsConfig::default()
        }
    }
}

const US: i64 = 1_000_000;
const MINUTE: i64 = 60 * US;
const TEN_SECONDS: i64 = 10 * US;
const DAY: i64 = 86_400 * US;
const BAN_MAX_US: i64 = 3 * DAY;

/// A count that starts anew with each interval of the clock.
#[derive(Debug, Clone, Copy)]
struct Window {
    length_us: i64,
    start_us: i64,
    count: u32,
}

impl Window {
    fn new(length_us: i64) -> Window {
        Window { length_us, start_us: 0, count: 0 }
    }

    fn at(&mut self, now_us: i64) -> &mut Window {
        let start = now_us - now_us.rem_euclid(self.length_us);
        if start != self.start_us {
            self.start_us = start;
            self.count = 0;
        }
        self
    }

    fn end_us(&self) -> i64 {
        self.start_us + self.length_us
    }
}

/// One account's unfilled orders.
#[derive(Debug, Clone, Copy)]
pub struct OrderCount {
    ten_seconds: Window,
    day: Window,
}

impl Default for OrderCount {
    fn default() -> Self {
        OrderCount { ten_seconds: Window::new(TEN_SECONDS), day: Window::new(DAY) }
    }
}

/// The counts of the venue.
#[derive(Debug)]
pub struct Limits {
    pub config: LimitsConfig,
    weight: Window,
    refusals: Window,
    banned_until_us: i64,
    next_ban_us: i64,
    forced: Option<Forced>,
}

/// A limit that a fault says is used up.
#[derive(Debug, Clone, Copy)]
struct Forced {
    until_us: i64,
    refusals_left: u32,
    ban_us: i64,
}

impl Limits {
    pub fn new(config: LimitsConfig) -> Limits {
        let next_ban_us = i64::from(config.ban_seconds) * US;
        Limits {
            config,
            weight: Window::new(MINUTE),
            refusals: Window::new(MINUTE),
            banned_until_us: 0,
            next_ban_us,
            forced: None,
        }
    }

    /// Refuses a caller who is banned or has no weight left. Called before a request is looked at.
    pub fn admit(&mut self, now_us: i64) -> Result<(), ApiError> {
        if now_us < self.banned_until_us {
            return Err(self.banned());
        }
        if let Some(forced) = self.forced.as_mut().filter(|forced| now_us < forced.until_us) {
            if forced.refusals_left == 0 {
                self.banned_until_us = now_us + forced.ban_us;
                self.forced = None;
                return Err(self.banned());
            }
            forced.refusals_left -= 1;
            let until_us = forced.until_us;
            return Err(self.too_much(until_us));
        }
        let weight = *self.weight.at(now_us);
        if weight.count < self.config.weight_per_minute {
            return Ok(());
        }
        let refusals = self.refusals.at(now_us);
        refusals.count += 1;
        if refusals.count > self.config.refusals_before_ban {
            refusals.count = 0;
            self.banned_until_us = now_us + self.next_ban_us;
            self.next_ban_us = (self.next_ban_us * 2).min(BAN_MAX_US);
            return Err(self.banned());
        }
        Err(self.too_much(weight.end_us()))
    }

    fn too_much(&self, until_us: i64) -> ApiError {
        let limit = self.config.weight_per_minute;
        let msg = format!(
            "Too much request weight used; current limit is {limit} request weight per 1 MINUTE. \
             Please use WebSocket Streams for live updates to avoid polling the API."
        );
        ApiError { status: 429, code: -1003, msg: msg.into(), retry_at_us: Some(until_us), data: None }
    }

    /// Refuses everything for a time, and bans who goes on asking: after so many refusals, for so long.
    pub fn exhaust(&mut self, seconds: u32, refusals: Option<u32>, ban_seconds: Option<u32>, now_us: i64) {
        let ban_us = i64::from(ban_seconds.unwrap_or(self.config.ban_seconds)) * US;
        let refusals_left = refusals.unwrap_or(self.config.refusals_before_ban);
        self.forced = Some(Forced { until_us: now_us + i64::from(seconds) * US, refusals_left, ban_us });
    }

    /// Ends a ban and what a fault has used up.
    pub fn pardon(&mut self) {
        self.banned_until_us = 0;
        self.forced = None;
    }

    /// Bans the caller from now on.
    pub fn ban(&mut self, seconds: u32, now_us: i64) {
        self.banned_until_us = now_us + i64::from(seconds) * US;
    }

    fn banned(&self) -> ApiError {
        let until = self.banned_until_us / 1_000;
        let msg = format!(
            "Way too much request weight used; IP banned until {until}. \
             Please use WebSocket Streams for live updates to avoid bans."
        );
        ApiError { status: 418, code: -1003, msg: msg.into(), retry_at_us: Some(self.banned_until_us), data: None }
    }

    pub fn add_weight(&mut self, weight: u32, now_us: i64) {
        let window = self.weight.at(now_us);
        window.count = window.count.saturating_add(weight);
    }

    /// Counts more unfilled orders, or refuses them (-1015).
    pub fn add_orders(&self, count: &mut OrderCount, orders: u32, now_us: i64) -> Result<(), ApiError> {
        let day = *count.day.at(now_us);
        let ten_seconds = *count.ten_seconds.at(now_us);
        let refuse = |limit: u32, interval: &str, window: Window| {
            let msg = format!("Too many new orders; current limit is {limit} orders per {interval}.");
            Err(ApiError { status: 429, code: -1015, msg: msg.into(), retry_at_us: Some(window.end_us()), data: None })
        };
        if day.count >= self.config.orders_per_day {
            return refuse(self.config.orders_per_day, "1 DAY", day);
        }
        if ten_seconds.count >= self.config.orders_per_10s {
            return refuse(self.config.orders_per_10s, "10 SECOND", ten_seconds);
        }
        count.day.count += orders;
        count.ten_seconds.count += orders;
        Ok(())
    }

    /// An order had its first fill: one less for a taker, five for a maker (the venue's own illustration).
    pub fn first_fill(count: &mut OrderCount, maker: bool) {
        let less = if maker { 5 } else { 1 };
        count.day.count = count.day.count.saturating_sub(less);
        count.ten_seconds.count = count.ten_seconds.count.saturating_sub(less);
    }

    /// `X-MBX-USED-WEIGHT` of every response.
    pub fn weight_headers(&mut self, now_us: i64) -> Vec<(String, String)> {
        let used = self.weight.at(now_us).count.to_string();
        vec![("x-mbx-used-weight".into(), used.clone()), ("x-mbx-used-weight-1m".into(), used)]
    }

    /// `X-MBX-ORDER-COUNT` of a response to a new order.
    pub fn order_headers(count: &mut OrderCount, now_us: i64) -> Vec<(String, String)> {
        let ten_seconds = count.ten_seconds.at(now_us).count.to_string();
        let day = count.day.at(now_us).count.to_string();
        vec![("x-mbx-order-count-10s".into(), ten_seconds), ("x-mbx-order-count-1d".into(), day)]
    }

    /// The items of `rateLimits` that an answer of the WebSocket API carries.
    pub fn write_used(&mut self, j: &mut Json, orders: Option<&mut OrderCount>, now_us: i64) {
        if let Some(count) = orders {
            self.write_orders(j, count, now_us);
        }
        let used = self.weight.at(now_us).count;
        write_limit(j, "REQUEST_WEIGHT", "MINUTE", 1, self.config.weight_per_minute, Some(used));
    }

    /// One account's order counts, as `rateLimit/order` answers.
    pub fn write_orders(&self, j: &mut Json, count: &mut OrderCount, now_us: i64) {
        let (ten_seconds, day) = (count.ten_seconds.at(now_us).count, count.day.at(now_us).count);
        write_limit(j, "ORDERS", "SECOND", 10, self.config.orders_per_10s, Some(ten_seconds));
        write_limit(j, "ORDERS", "DAY", 1, self.config.orders_per_day, Some(day));
    }

    /// The items of `rateLimits` in `exchangeInfo`.
    pub fn write_all(&self, j: &mut Json) {
        write_limit(j, "REQUEST_WEIGHT", "MINUTE", 1, self.config.weight_per_minute, None);
        write_limit(j, "ORDERS", "SECOND", 10, self.config.orders_per_10s, None);
        write_limit(j, "ORDERS", "DAY", 1, self.config.orders_per_day, None);
    }
}

fn write_limit(j: &mut Json, kind: &str, interval: &str, num: u64, limit: u32, count: Option<u32>) {
    j.object("", |j| {
        j.str("rateLimitType", kind);
        j.str("interval", interval);
        j.uint("intervalNum", num);
        j.uint("limit", limit.into());
        if let Some(count) = count {
            j.uint("count", count.into());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_weight_is_429_then_418_and_each_minute_starts_anew() {
        let config = LimitsConfig { weight_per_minute: 10, refusals_before_ban: 2, ..Default::default() };
        let mut limits = Limits::new(config);
        let now = 90 * US;
        limits.add_weight(10, now);
        for _ in 0..2 {
            let error = limits.admit(now).unwrap_err();
            assert_eq!((error.status, error.code, error.retry_at_us), (429, -1003, Some(120 * US)));
        }
        let ban = limits.admit(now).unwrap_err();
        assert_eq!((ban.status, ban.retry_at_us), (418, Some(now + 120 * US)));
        assert_eq!(limits.admit(now + 119 * US).unwrap_err().status, 418);
        assert!(limits.admit(now + 120 * US).is_ok());
    }

    #[test]
    fn fills_give_order_count_back_but_never_below_zero() {
        let limits = Limits::new(LimitsConfig { orders_per_10s: 2, ..Default::default() });
        let mut count = OrderCount::default();
        assert!(limits.add_orders(&mut count, 1, 0).is_ok() && limits.add_orders(&mut count, 1, 0).is_ok());
        let error = limits.add_orders(&mut count, 1, 5 * US).unwrap_err();
        assert_eq!((error.status, error.code, error.retry_at_us), (429, -1015, Some(10 * US)));
        Limits::first_fill(&mut count, true);
        assert!(limits.add_orders(&mut count, 1, 5 * US).is_ok() && limits.add_orders(&mut count, 1, 5 * US).is_ok());
        assert!(limits.add_orders(&mut count, 1, 5 * US).is_err());
        assert!(limits.add_orders(&mut count, 1, 10 * US).is_ok());
    }
}
