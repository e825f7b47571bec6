//! Each rule with what it found of an order and what it allows, in words: for `explain`.

use super::denial::DenialReply;
use super::replies::{Names, usd};
use super::view::View;
use crate::core::config::Limits;
use crate::core::portfolio::Inst;
use crate::core::risk::{DenyReason, Weighed, stops_growth};
use crate::domain::{Dec, InstrumentStatus, Nanos, Round};

/// What is known of a decision: the limits of then, and what the rules found.
pub(super) struct Known<'a> {
    pub view: &'a View,
    pub limits: Option<&'a Limits>,
    /// `None` where it was longer ago than is remembered.
    pub weighed: Option<&'a Weighed>,
}

impl Known<'_> {
    /// Why a rule has no value, where it was not asked.
    pub fn not_asked(&self, code: &str) -> Option<&'static str> {
        let spared = self.weighed.is_some_and(|weighed| weighed.reduces) && stops_growth(code);
        spared.then_some("not asked of an order that only reduces a position")
    }

    pub fn value_and_limit(&self, code: &str) -> (Option<String>, Option<String>) {
        let limit = self.limits.and_then(|limits| of_limits(limits, code));
        let Some(weighed) = self.weighed.filter(|_| self.not_asked(code).is_none()) else { return (None, limit) };
        let inst = self.view.core().portfolio().get(weighed.order.instrument);
        if let Some(reason) = weighed.found.iter().find(|reason| reason.code() == code) {
            let around = match (reason, &limit) {
                (DenyReason::PriceCollar { reference, .. }, Some(pct)) => {
                    Some(format!("{reference} and {pct} % around it"))
                }
                _ => None,
            };
            // Of then, and not the one at its strictest that the rule was asked with.
            let limit = around.or(limit);
            let told = DenialReply::new(reason);
            let own = || self.limits.map(|_| told.limit);
            let cap = (code == "STAGE_CAP_REACHED").then(|| usd(weighed.caps.order_notional_max));
            return (Some(told.value), limit.or(cap).or_else(own));
        }
        let (value, allowed) = self.in_words(weighed, inst, code);
        (value, limit.or(allowed))
    }

    /// What is no number against a limit, or found nothing to count.
    fn in_words(&self, w: &Weighed, inst: Option<&Inst>, code: &str) -> (Option<String>, Option<String>) {
        let both = |value: &str, limit: &str| (Some(value.to_owned()), Some(limit.to_owned()));
        let either = |yes: bool, one: &str, other: &str| if yes { one.to_owned() } else { other.to_owned() };
        let (order, names) = (&w.order, Names::of(self.view, w.order.instrument));
        match code {
            "TRADING_NOT_ACTIVE" => (
                Some(format!("{} for {}", w.trading, w.scope)),
                Some("active, or reducing for what reduces".to_owned()),
            ),
            "UNKNOWN_INSTRUMENT" => both(order.symbol.as_str(), "configured"),
            "NOT_REDUCING" => {
                let must = either(order.reduce_only, "must reduce", "may grow");
                (Some(either(w.reduces, "reduces", "grows")), Some(must))
            }
            "NOT_LIVE" => match w.barred_from_live {
                Some(state) => both(&state.to_string(), "live, or a paper venue"),
                None => both("live, or a paper venue", "live, or a paper venue"),
            },
            "VENUE_NOT_READY" => both(w.venue.as_str(), "ready"),
            "ORDER_TYPE_UNSUPPORTED" => {
                let asked = format!("{} {}", order.kind.as_str(), order.tif.as_str());
                (Some(asked), Some("taken by the venue".to_owned()))
            }
            "TERMS_INVALID" => both("one with the order's type", "one with the order's type"),
            "CLIENT_ORDER_ID_REUSED" => {
                let own = order.client.as_str();
                both(if own.is_empty() { "none given" } else { own }, "not given before")
            }
            "CANNOT_EVALUATE" => both("every number is known", "every number is known"),
            "DUPLICATE_ORDER" => (Some("not sent before".to_owned()), None),
            "PRICE_JUMPED" | "RISK_SCORE_ABOVE_MAX" => (Some("0".to_owned()), None),
            "ORDER_RATE_ABOVE_MAX" => (Some(format!("{} at the venue, {} of the source", w.sent.0, w.sent.1)), None),
            "STAGE_CAP_REACHED" if w.caps.stage == 0 => both("no stage", "no stage"),
            "SELF_MATCH" => {
                let own = w.resting.map_or_else(|| "no own order".to_owned(), |px| names.px(px));
                let meets = if order.kind.is_limit() { names.px(order.px) } else { order.kind.as_str().to_owned() };
                (Some(meets), Some(own))
            }
            "BALANCE_TOO_LOW" => match &w.pays {
                Some((asset, needed, available)) => {
                    let dec = |value: i64| Dec { value, scale: 8 };
                    (Some(format!("{} {asset}", dec(*needed))), Some(format!("{} {asset}", dec(*available))))
                }
                None => (None, None),
            },
            _ => match inst {
                Some(inst) => of_instrument(w, inst, &names, code),
                None => (None, None),
            },
        }
    }
}

fn of_instrument(w: &Weighed, inst: &Inst, names: &Names, code: &str) -> (Option<String>, Option<String>) {
    let (def, order) = (&inst.def, &w.order);
    let both = |value: &str, limit: &str| (Some(value.to_owned()), Some(limit.to_owned()));
    match code {
        "INSTRUMENT_RESTRICTED" => {
            both(if inst.permit.restricted { "restricted" } else { "not restricted" }, "not restricted, or reducing")
        }
        "INSTRUMENT_NOT_ALLOWED" => {
            let who = match w.strategy.0 {
                0 => "a person or program".to_owned(),
                n => format!("strategy {n}"),
            };
            (Some(who), Some(format!("may trade {}", def.symbol)))
        }
        "OUTSIDE_TRADING_HOURS" => {
            both(if inst.permit.keeps_hours { "within hours" } else { "keeps no hours" }, "within hours")
        }
        "INSTRUMENT_NOT_TRADING" => {
            let trades = def.status == InstrumentStatus::Trading && !inst.paused;
            both(if trades || w.passed { "trading" } else { "not trading" }, "trading")
        }
        "SHORT_SALE_NOT_PERMITTED" => {
            both(if w.short { "sells short" } else { "sells nothing that is not held" }, "held, or lent and permitted")
        }
        "LOT_SIZE" if order.terms.quote_qty.is_zero() => (
            Some(names.qty(order.qty)),
            Some(format!("{} to {} by {}", names.qty(def.qty_min), names.qty(def.qty_max), names.qty(def.lot))),
        ),
        "LOT_SIZE" => both("by amount", "by amount"),
        "PRICE_FILTER" | "PRICE_COLLAR" if !order.kind.is_limit() => both("no limit price", "no limit price"),
        "PRICE_FILTER" => (
            Some(names.px(order.px)),
            Some(format!("{} to {} by {}", names.px(def.px_min), names.px(def.px_max), names.px(def.tick))),
        ),
        "PRICE_COLLAR" => (Some(names.px(order.px)), None),
        "VENUE_NOTIONAL" => {
            let at = match order.kind.is_limit() {
                true => inst.notional(order.px, order.qty, Round::Down),
                false => w.found.iter().find_map(|reason| match reason {
                    DenyReason::OrderNotionalAboveMax { notional, .. } => Some(*notional),
                    _ => None,
                }),
            };
            (at.map(usd), Some(format!("at least {}", usd(def.notional_min))))
        }
        "VENUE_FILTER" => {
            let most = def.filters.orders_max;
            let most = if most == 0 { "any number".to_owned() } else { most.to_string() };
            (Some(format!("{} open with this one", w.open_here + 1)), Some(format!("{most} open")))
        }
        _ => (None, None),
    }
}

/// A rule's limit, of those that are configured.
fn of_limits(limits: &Limits, code: &str) -> Option<String> {
    let pct = |ppm: u32| Dec { value: ppm.into(), scale: 4 }.to_string();
    let ms = |ns: Nanos| (ns / 1_000_000).to_string();
    let l = limits;
    Some(match code {
        "QUOTE_STALE" => ms(l.quote_age_max_ns),
        "PRICE_COLLAR" => pct(l.price_collar_ppm),
        "PRICE_JUMPED" => pct(l.price_move_max_ppm),
        "DUPLICATE_ORDER" => ms(l.duplicate_window_ns),
        "ORDER_RATE_ABOVE_MAX" => l.orders_per_second_max.to_string(),
        "ORDERS_PER_DAY_ABOVE_MAX" => l.orders_per_day_max.to_string(),
        "ORDER_TO_TRADE_ABOVE_MAX" => l.order_to_trade_max.to_string(),
        "OPEN_ORDERS_ABOVE_MAX" => l.open_orders_max.to_string(),
        "ACCOUNT_BELOW_MIN" => usd(l.account_balance_min),
        "ORDER_NOTIONAL_ABOVE_MAX" => usd(l.order_notional_max),
        "POSITION_NOTIONAL_ABOVE_MAX" => usd(l.position_notional_max),
        "LEVERAGE_ABOVE_MAX" => {
            Dec { value: i64::try_from(l.leverage_max_ppm).unwrap_or(i64::MAX), scale: 6 }.to_string()
        }
        "GROSS_EXPOSURE_ABOVE_MAX" => usd(l.exposure_gross_max),
        "NET_EXPOSURE_ABOVE_MAX" => usd(l.exposure_net_max),
        "ASSET_EXPOSURE_ABOVE_MAX" => usd(l.exposure_asset_max),
        "CORRELATED_EXPOSURE_ABOVE_MAX" => usd(l.correlated_exposure_max),
        "RISK_SCORE_ABOVE_MAX" => l.risk_score_max.to_string(),
        "DAILY_LOSS_REACHED" => usd(l.daily_loss_max),
        _ => return None,
    })
}
