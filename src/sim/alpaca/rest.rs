//! REST v2 (reference §2 to §15): the routes of the trading host, what each takes and gives.

use super::account::What;
use super::ask::Ask;
use super::body::Body;
use super::calendar::{self, Phase};
use super::errors::ApiError;
use super::history;
use super::orders::{Order, Status};
use super::query::Query;
use super::show::{write_clock, write_day};
use super::venue::Venue;
use crate::sim::http::{self, Request};
use crate::sim::json::{Json, TimeUnit};
use std::collections::BTreeSet;

/// Orders on a page where none is asked for, and at most.
const ORDERS_PAGE: usize = 50;
const ORDERS_PAGE_MAX: usize = 500;
const ACTIVITIES_PAGE_MAX: usize = 100;

/// A status and a JSON body; no body where it is empty.
pub type Answer = Result<(u16, Vec<u8>), ApiError>;

/// The path's parts, each decoded by itself: a pair's slash comes encoded.
pub fn segments(path: &str) -> Option<Vec<String>> {
    path.split('/').filter(|part| !part.is_empty()).map(http::form_decode).collect()
}

/// Whether a request changes orders: those are what the faults of order requests befall.
pub fn changes_orders(request: &Request) -> bool {
    matches!(request.method.as_str(), "POST" | "PATCH" | "DELETE")
        && (request.path.starts_with("/v2/orders") || request.path.starts_with("/v2/positions"))
}

/// Whether a request would make an order.
pub fn makes_orders(request: &Request) -> bool {
    matches!(request.method.as_str(), "POST" | "PATCH") && request.path.starts_with("/v2/orders")
}

fn json(write: impl FnOnce(&mut Json)) -> Vec<u8> {
    let mut j = Json::new(TimeUnit::Milli);
    write(&mut j);
    j.into_bytes()
}

/// Carries out a request to the trading host by an account that is known.
pub fn answer(venue: &mut Venue, account: usize, request: &Request) -> Answer {
    let parts = segments(&request.path).ok_or_else(|| ApiError::bad("invalid path"))?;
    let query = Query::parse(&request.query)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let ok = |body: Vec<u8>| Ok((200, body));
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["v2", "account"]) => ok(json(|j| venue.write_account(j, account))),
        ("GET", ["v2", "account", "configurations"]) => ok(json(|j| venue.write_settings(j, account))),
        ("PATCH", ["v2", "account", "configurations"]) => {
            let next = venue.accounts[account].settings.patch(&Body::parse(&request.body)?)?;
            venue.accounts[account].settings = next;
            venue.changes.accounts.insert(account);
            ok(json(|j| venue.write_settings(j, account)))
        }
        ("GET", ["v2", "account", "portfolio", "history"]) => history::answer(venue, account, &query),
        ("GET", ["v2", "account", "activities"]) => activities(venue, account, &query, None),
        ("GET", ["v2", "account", "activities", kind]) => activities(venue, account, &query, Some(kind)),
        ("GET", ["v2", "clock"]) => ok(json(|j| write_clock(j, &venue.calendar, venue.now))),
        ("GET", ["v3", "clock"]) => ok(clock_by_market(venue, &query)),
        ("GET", ["v2", "calendar"]) | ("GET", ["v3", "calendar", _]) => trading_days(venue, &query),
        ("GET", ["v2", "assets"]) => ok(assets(venue, &query)),
        ("GET", ["v2", "assets", name @ ..]) if !name.is_empty() => {
            let name = name.join("/");
            let asset =
                venue.find_asset(&name).ok_or_else(|| ApiError::not_found(format!("asset not found for {name}")))?;
            ok(json(|j| venue.assets[asset].write(j, "")))
        }
        ("POST", ["v2", "orders"]) => {
            let key = venue.place(account, &Ask::parse(&Body::parse(&request.body)?)?)?;
            ok(json(|j| venue.write_order(j, "", &venue.orders[&key], true, false)))
        }
        ("GET", ["v2", "orders"]) => orders(venue, account, &query),
        ("GET", ["v2", "orders:by_client_order_id"]) => {
            let id = query.get("client_order_id").ok_or_else(|| ApiError::bad("client_order_id is required"))?;
            let key = venue.by_client.get(&(account, id.to_owned())).copied();
            let order = key
                .and_then(|key| venue.orders.get(&key))
                .ok_or_else(|| ApiError::not_found(format!("order not found for {id}")))?;
            ok(json(|j| venue.write_order(j, "", order, query.flag("nested"), false)))
        }
        ("GET", ["v2", "orders", id]) => {
            let key =
                venue.key_of(account, id).ok_or_else(|| ApiError::not_found(format!("order not found for {id}")))?;
            ok(json(|j| venue.write_order(j, "", &venue.orders[&key], query.flag("nested"), false)))
        }
        ("PATCH", ["v2", "orders", id]) => {
            let key = venue.key_of(account, id).ok_or_else(ApiError::no_such_order)?;
            let new = venue.replace(key, &Body::parse(&request.body)?)?;
            ok(json(|j| venue.write_order(j, "", &venue.orders[&new], true, false)))
        }
        ("DELETE", ["v2", "orders", id]) => {
            let key = venue.key_of(account, id).ok_or_else(ApiError::no_such_order)?;
            venue.cancel(key)?;
            Ok((204, Vec::new()))
        }
        ("DELETE", ["v2", "orders"]) => Ok((207, cancel_all(venue, account))),
        ("GET", ["v2", "positions"]) => {
            let held: Vec<usize> = venue.accounts[account].positions.keys().copied().collect();
            ok(json(|j| j.array("", |j| held.iter().for_each(|at| venue.write_position(j, "", account, *at)))))
        }
        ("DELETE", ["v2", "positions"]) => Ok((207, close_all(venue, account, query.flag("cancel_orders")))),
        ("GET", ["v2", "positions", name @ ..]) if !name.is_empty() => {
            let asset = held_asset(venue, account, &name.join("/"))?;
            ok(json(|j| venue.write_position(j, "", account, asset)))
        }
        ("DELETE", ["v2", "positions", name @ ..]) if !name.is_empty() => {
            let asset = held_asset(venue, account, &name.join("/"))?;
            let key = venue.close(account, asset, query.amount("qty")?, query.amount("percentage")?)?;
            ok(json(|j| venue.write_order(j, "", &venue.orders[&key], false, false)))
        }
        (_, ["v2", "account" | "clock" | "calendar" | "assets" | "orders" | "positions", ..]) => {
            Err(ApiError::new(405, 40_510_000, "method not allowed"))
        }
        _ => Err(ApiError::not_found("endpoint not found")),
    }
}

fn held_asset(venue: &Venue, account: usize, name: &str) -> Result<usize, ApiError> {
    let asset = venue.find_asset(name).ok_or_else(|| ApiError::not_found(format!("symbol not found: {name}")))?;
    if venue.position(account, asset).qty == 0 { Err(ApiError::no_position()) } else { Ok(asset) }
}

fn assets(venue: &Venue, query: &Query) -> Vec<u8> {
    let class = query.get("asset_class").unwrap_or("us_equity");
    let attributes = query.list("attributes");
    let wanted = venue.assets.iter().filter(|asset| {
        let status = query.get("status").is_none_or(|s| s == "all" || (s == "active") == asset.active);
        let exchange = query.get("exchange").is_none_or(|e| e == asset.exchange);
        let attribute = attributes.is_empty() || attributes.iter().any(|a| asset.attributes.contains(&a.as_str()));
        asset.class.text() == class && status && exchange && attribute
    });
    json(|j| j.array("", |j| wanted.for_each(|asset| asset.write(j, ""))))
}

fn trading_days(venue: &Venue, query: &Query) -> Answer {
    let date = |name: &str, usual: jiff::civil::Date| match query.get(name) {
        None => Ok(usual),
        // A full time counts by its date.
        Some(text) => text.get(..10).unwrap_or(text).parse().map_err(|_| ApiError::bad(format!("invalid {name}"))),
    };
    let from = date("start", jiff::civil::date(calendar::FIRST_YEAR, 1, 1))?;
    let to = date("end", jiff::civil::date(calendar::LAST_YEAR, 12, 31))?;
    let days = venue.calendar.days(from, to);
    Ok((200, json(|j| j.array("", |j| days.iter().for_each(|day| write_day(j, &venue.calendar, day))))))
}

fn clock_by_market(venue: &Venue, query: &Query) -> Vec<u8> {
    let mut markets = query.list("markets");
    if markets.is_empty() {
        markets.push("NYSE".into());
    }
    json(|j| {
        j.object("", |j| {
            j.array("clocks", |j| {
                for market in &markets {
                    j.object("", |j| {
                        j.object("market", |j| {
                            j.str("acronym", market);
                            j.str("timezone", "America/New_York");
                        });
                        j.str("timestamp", &venue.calendar.local_text(venue.now));
                        j.str("phase", venue.phase.text());
                        j.bool("is_market_day", venue.calendar.day(venue.today).is_some());
                        j.str("next_market_open", &venue.calendar.local_text(venue.calendar.next_open(venue.now)));
                        j.str("next_market_close", &venue.calendar.local_text(venue.calendar.next_close(venue.now)));
                        j.bool("is_open", venue.phase == Phase::Core);
                    });
                }
            });
        });
    })
}

/// The list of orders (reference §7.2).
fn orders(venue: &Venue, account: usize, query: &Query) -> Answer {
    let status = query.get("status").unwrap_or("open");
    if !matches!(status, "open" | "closed" | "all") {
        return Err(ApiError::bad("invalid status"));
    }
    let limit = query.int("limit", ORDERS_PAGE, ORDERS_PAGE_MAX)?;
    let (after, until) = (query.time("after")?, query.time("until")?);
    let nested = query.flag("nested");
    let symbols: BTreeSet<usize> = query.list("symbols").iter().filter_map(|name| venue.find_asset(name)).collect();
    let by_symbol = !query.list("symbols").is_empty();
    let classes = query.list("asset_class");
    let side = query.get("side").and_then(super::ask::side);
    let place = |name: &str| match query.get(name) {
        Some(id) => venue.key_of(account, id).map(Some).ok_or_else(ApiError::no_such_order),
        None => Ok(None),
    };
    let (before_order, after_order) = (place("before_order_id")?, place("after_order_id")?);
    if (before_order.is_some() || after_order.is_some())
        && (after.is_some() || until.is_some() || (before_order.is_some() && after_order.is_some()))
    {
        return Err(ApiError::bad("before_order_id and after_order_id exclude each other, after and until"));
    }
    let is_leg = |order: &Order| order.group.is_some() && !order.parent;
    let fits = |order: &&Order| {
        // A parent stands for its legs: it is open while one of them is.
        let open = order.is_open() || (nested && order.parent && venue.legs(order).iter().any(|leg| leg.is_open()));
        order.account == account
            && (status == "all" || (status == "open") == open)
            && !(nested && is_leg(order))
            && after.is_none_or(|at| order.submitted > at)
            && until.is_none_or(|at| order.submitted < at)
            && (!by_symbol || symbols.contains(&order.asset))
            && side.is_none_or(|side| order.side == side)
            && (classes.is_empty() || classes.iter().any(|c| c == venue.assets[order.asset].class.text()))
            && before_order.is_none_or(|key| order.key < key)
            && after_order.is_none_or(|key| order.key > key)
    };
    let ascending = query.get("direction") == Some("asc");
    let page: Vec<&Order> = if ascending {
        venue.orders.values().filter(fits).take(limit).collect()
    } else {
        venue.orders.values().rev().filter(fits).take(limit).collect()
    };
    Ok((200, json(|j| j.array("", |j| page.iter().for_each(|order| venue.write_order(j, "", order, nested, false))))))
}

/// Asks for the end of every open order: an item for each, whatever becomes of it.
fn cancel_all(venue: &mut Venue, account: usize) -> Vec<u8> {
    let keys: Vec<u64> = venue.open_of(account).map(|order| order.key).collect();
    let mut items = Vec::new();
    for key in keys {
        let before = venue.orders[&key].status;
        // One of a group takes the others with it: those are asked for already.
        let result = match venue.cancel(key) {
            Err(_) if before != Status::PendingCancel && venue.orders[&key].status == Status::PendingCancel => Ok(()),
            result => result,
        };
        items.push((venue.orders[&key].id.clone(), result));
    }
    json(|j| {
        j.array("", |j| {
            for (id, result) in &items {
                j.object("", |j| {
                    j.str("id", id);
                    match result {
                        Ok(()) => j.int("status", 200),
                        Err(error) => {
                            j.int("status", error.status.into());
                            error.write(j, "body");
                        }
                    }
                });
            }
        });
    })
}

fn close_all(venue: &mut Venue, account: usize, cancel_orders: bool) -> Vec<u8> {
    if cancel_orders {
        let keys: Vec<u64> = venue.open_of(account).map(|order| order.key).collect();
        for key in keys {
            // At once: the positions are free before they are closed.
            if venue.orders[&key].status == Status::PendingReplace || !venue.orders[&key].is_open() {
                continue;
            }
            venue.finish(key, Status::Canceled, false);
        }
    }
    let held: Vec<usize> = venue.accounts[account].positions.keys().copied().collect();
    let items: Vec<(usize, Result<u64, ApiError>)> =
        held.into_iter().map(|at| (at, venue.close(account, at, None, None))).collect();
    json(|j| {
        j.array("", |j| {
            for (at, result) in &items {
                j.object("", |j| {
                    j.str("symbol", &venue.assets[*at].position_symbol());
                    match result {
                        Ok(key) => {
                            j.int("status", 200);
                            venue.write_order(j, "body", &venue.orders[key], false, false);
                        }
                        Err(error) => {
                            j.int("status", error.status.into());
                            error.write(j, "body");
                        }
                    }
                });
            }
        });
    })
}

/// Fills and fees (reference §15), newest first unless asked otherwise; a page goes on after the id of the last.
fn activities(venue: &Venue, account: usize, query: &Query, kind: Option<&str>) -> Answer {
    let mut kinds = query.list("activity_types");
    if kind.is_some() && !kinds.is_empty() {
        return Err(ApiError::bad("activity_types may not be given with a type in the path"));
    }
    kinds.extend(kind.map(str::to_owned));
    let category = query.get("category");
    if category.is_some() && !kinds.is_empty() {
        return Err(ApiError::bad("category and activity_types exclude each other"));
    }
    let (after, until) = (query.time("after")?, query.time("until")?);
    let date = query.get("date");
    let all_of_a_day = date.is_some() && query.get("page_size").is_none();
    let size =
        if all_of_a_day { usize::MAX } else { query.int("page_size", ACTIVITIES_PAGE_MAX, ACTIVITIES_PAGE_MAX)? };
    let fits = |activity: &&super::account::Activity| {
        let kind = activity.what.kind();
        let trade = matches!(activity.what, What::Fill { .. });
        (kinds.is_empty() || kinds.iter().any(|k| k == kind))
            && category.is_none_or(|c| (c == "trade_activity") == trade)
            && after.is_none_or(|at| activity.at > at)
            && until.is_none_or(|at| activity.at < at)
            && date.is_none_or(|d| venue.calendar.date_of(activity.at).to_string() == d.get(..10).unwrap_or(d))
    };
    let mut found: Vec<_> = venue.accounts[account].activities.iter().filter(fits).collect();
    if query.get("direction") != Some("asc") {
        found.reverse();
    }
    let from = match query.get("page_token") {
        Some(token) => found.iter().position(|a| a.id == token).map_or(found.len(), |at| at + 1),
        None => 0,
    };
    Ok((200, json(|j| j.array("", |j| found.iter().skip(from).take(size).for_each(|a| venue.write_activity(j, a))))))
}
