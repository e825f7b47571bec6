//! What a client asks for: the body of `POST /v2/orders` read and checked for its form (reference §8.1).

use super::body::Body;
use super::errors::ApiError;
use super::number::ONE;
use super::orders::{Class, Intent, Kind, Side, Tif};

/// Longest client order id.
const CLIENT_ID_MAX: usize = 128;

/// A new order as asked for. Amounts in 10^-9.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    pub symbol: String,
    pub qty: Option<i64>,
    pub notional: Option<i64>,
    pub side: Side,
    pub kind: Kind,
    pub tif: Tif,
    pub limit: Option<i64>,
    pub stop: Option<i64>,
    pub trail_price: Option<i64>,
    pub trail_percent: Option<i64>,
    pub extended: bool,
    pub client_id: Option<String>,
    pub class: Class,
    pub take_profit: Option<i64>,
    pub stop_loss: Option<(i64, Option<i64>)>,
    pub intent: Option<Intent>,
}

impl Ask {
    /// A market order for a quantity, as a position is closed.
    pub fn market(symbol: String, side: Side, qty: i64, tif: Tif) -> Ask {
        Ask {
            symbol,
            qty: Some(qty),
            notional: None,
            side,
            kind: Kind::Market,
            tif,
            limit: None,
            stop: None,
            trail_price: None,
            trail_percent: None,
            extended: false,
            client_id: None,
            class: Class::Plain,
            take_profit: None,
            stop_loss: None,
            intent: None,
        }
    }

    pub fn parse(body: &Body) -> Result<Ask, ApiError> {
        let missing = |name: &str| ApiError::bad(format!("{name} is required"));
        let class = word(body, "order_class", Class::parse)?.unwrap_or(Class::Plain);
        if class == Class::Mleg {
            return Err(ApiError::rule("multi-leg orders are only for options, and no option is listed here"));
        }
        let symbol = body.text("symbol")?.ok_or_else(|| missing("symbol"))?;
        let side = word(body, "side", side)?.ok_or_else(|| missing("side"))?;
        let kind = word(body, "type", Kind::parse)?.ok_or_else(|| missing("type"))?;
        let tif = word(body, "time_in_force", Tif::parse)?.ok_or_else(|| missing("time_in_force"))?;
        let (qty, notional) = (body.number("qty")?, body.number("notional")?);
        let (mut limit, stop) = (body.number("limit_price")?, body.number("stop_price")?);
        let (trail_price, trail_percent) = (body.number("trail_price")?, body.number("trail_percent")?);
        let client_id = body.text("client_order_id")?;
        if client_id.as_ref().is_some_and(|id| id.chars().count() > CLIENT_ID_MAX) {
            return Err(ApiError::bad(format!("client_order_id must be no more than {CLIENT_ID_MAX} characters")));
        }
        match (qty, notional) {
            (None, None) => return Err(ApiError::bad("qty or notional is required")),
            (Some(_), Some(_)) => return Err(ApiError::bad("only one of qty or notional is accepted")),
            (Some(qty), None) if qty <= 0 => return Err(ApiError::bad("qty must be > 0")),
            (None, Some(notional)) if notional < ONE => return Err(ApiError::bad("notional must be >= 1.00")),
            _ => {}
        }
        let take_profit = match body.object("take_profit")? {
            Some(part) => Some(part.number("limit_price")?),
            None => None,
        };
        let stop_loss = match body.object("stop_loss")? {
            Some(part) => Some((part.number("stop_price")?, part.number("limit_price")?)),
            None => None,
        };
        let (take_profit, stop_loss) = exits(class, take_profit, stop_loss)?;
        if class == Class::Oco {
            if kind != Kind::Limit {
                return Err(ApiError::bad("oco orders must be limit orders"));
            }
            // The order itself is the one that takes the profit.
            limit = take_profit;
        }
        if matches!(kind, Kind::Limit | Kind::StopLimit) && limit.is_none() {
            return Err(ApiError::bad(format!("{} orders require limit_price", kind_name(kind))));
        }
        if matches!(kind, Kind::Market | Kind::Stop | Kind::TrailingStop) && limit.is_some() {
            return Err(ApiError::bad(format!("{} orders require no limit_price", kind_name(kind))));
        }
        if matches!(kind, Kind::Stop | Kind::StopLimit) && stop.is_none() {
            return Err(ApiError::bad(format!("{} orders require stop_price", kind_name(kind))));
        }
        if matches!(kind, Kind::Market | Kind::Limit | Kind::TrailingStop) && stop.is_some() {
            return Err(ApiError::bad(format!("{} orders require no stop_price", kind_name(kind))));
        }
        if kind == Kind::TrailingStop && (trail_price.is_some() == trail_percent.is_some()) {
            return Err(ApiError::bad("trailing stop orders must specify one of trail_price or trail_percent"));
        }
        if kind != Kind::TrailingStop && (trail_price.is_some() || trail_percent.is_some()) {
            return Err(ApiError::bad("only trailing stop orders may specify trail_price or trail_percent"));
        }
        let prices = [
            ("limit_price", limit),
            ("stop_price", stop),
            ("trail_price", trail_price),
            ("trail_percent", trail_percent),
        ];
        if let Some((name, _)) = prices.iter().find(|(_, px)| px.is_some_and(|px| px <= 0)) {
            return Err(ApiError::bad(format!("{name} must be > 0")));
        }
        Ok(Ask {
            symbol,
            qty,
            notional,
            side,
            kind,
            tif,
            limit,
            stop,
            trail_price,
            trail_percent,
            extended: body.bool("extended_hours")?.unwrap_or(false),
            client_id,
            class,
            take_profit,
            stop_loss,
            intent: word(body, "position_intent", Intent::parse)?,
        })
    }

    /// Part of a share: the amount is money, or no whole number.
    pub fn is_fractional(&self) -> bool {
        self.notional.is_some() || self.qty.is_some_and(|qty| qty % ONE != 0)
    }
}

type Exits = (Option<i64>, Option<(i64, Option<i64>)>);

/// The exits that a class has, each with the prices that it needs.
fn exits(
    class: Class,
    take_profit: Option<Option<i64>>,
    stop_loss: Option<(Option<i64>, Option<i64>)>,
) -> Result<Exits, ApiError> {
    let name = class.text();
    let profit = take_profit.flatten();
    let stop = stop_loss.and_then(|(stop, limit)| stop.map(|stop| (stop, limit)));
    match class {
        Class::Plain | Class::Simple if take_profit.is_some() || stop_loss.is_some() => {
            Err(ApiError::bad("simple orders may not have take_profit or stop_loss: set order_class"))
        }
        Class::Bracket | Class::Oco if profit.is_none() => {
            Err(ApiError::bad(format!("{name} orders require take_profit.limit_price")))
        }
        Class::Bracket | Class::Oco if stop.is_none() => {
            Err(ApiError::bad(format!("{name} orders require stop_loss.stop_price")))
        }
        Class::Oto if take_profit.is_some() == stop_loss.is_some() => {
            Err(ApiError::bad("oto orders require one of take_profit or stop_loss"))
        }
        Class::Oto if take_profit.is_some() && profit.is_none() => {
            Err(ApiError::bad("oto orders require take_profit.limit_price"))
        }
        Class::Oto if stop_loss.is_some() && stop.is_none() => {
            Err(ApiError::bad("oto orders require stop_loss.stop_price"))
        }
        _ => Ok((profit, stop)),
    }
}

pub fn side(text: &str) -> Option<Side> {
    match text {
        "buy" => Some(Side::Buy),
        "sell" => Some(Side::Sell),
        _ => None,
    }
}

/// `stop_limit` as the venue's texts have it.
pub fn kind_name(kind: Kind) -> String {
    kind.text().replace('_', " ")
}

/// One of the protocol's words.
fn word<T>(body: &Body, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, ApiError> {
    match body.text(name)? {
        Some(text) => parse(&text).map(Some).ok_or_else(|| ApiError::bad(format!("invalid {name}"))),
        None => Ok(None),
    }
}
