//! The trade-update stream (reference §16): `authenticate` or `auth`, `listen`, then every event of the account's orders.

use super::calendar::utc_text;
use super::number;
use super::venue::{Update, Venue};
use crate::sim::json::{Json, TimeUnit};
use serde_json::Value;

/// The one stream that there is.
const TRADE_UPDATES: &str = "trade_updates";

/// A connection to `/stream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TradeSession {
    pub account: Option<usize>,
    pub listens: bool,
}

/// What a client's message is answered with, and whether the connection goes on.
pub struct Reply {
    pub text: Option<Vec<u8>>,
    pub close: bool,
}

fn reply(write: impl FnOnce(&mut Json), close: bool) -> Reply {
    let mut j = Json::new(TimeUnit::Milli);
    j.object("", write);
    Reply { text: Some(j.into_bytes()), close }
}

fn authorization(status: &str, action: &str, message: Option<&str>, close: bool) -> Reply {
    reply(
        |j| {
            j.str("stream", "authorization");
            j.object("data", |j| {
                j.str("status", status);
                j.str("action", action);
                if let Some(message) = message {
                    j.str("message", message);
                }
            });
        },
        close,
    )
}

impl TradeSession {
    /// Takes a message, JSON in a text or a binary frame. `find` gives the account of a key and its secret.
    pub fn on_message(&mut self, bytes: &[u8], find: impl Fn(&str, &str) -> Option<usize>) -> Reply {
        let Ok(message) = serde_json::from_slice::<Value>(bytes) else {
            return reply(
                |j| {
                    j.str("action", "error");
                    j.object("data", |j| j.str("error_message", "invalid message: not JSON"));
                },
                true,
            );
        };
        match message["action"].as_str() {
            // Form A carries key and secret beside the action, form B within `data`.
            Some("auth" | "authenticate") => {
                let (a, b) = (&message, &message["data"]);
                let pick = |names: [&str; 2]| {
                    let found = [&a[names[0]], &b[names[1]], &b[names[0]]].into_iter().find_map(Value::as_str);
                    found.unwrap_or_default().to_owned()
                };
                match find(&pick(["key", "key_id"]), &pick(["secret", "secret_key"])) {
                    Some(account) => {
                        self.account = Some(account);
                        authorization("authorized", "authenticate", None, false)
                    }
                    None => authorization("unauthorized", "authenticate", Some("access key verification failed"), true),
                }
            }
            Some("listen") if self.account.is_none() => authorization("unauthorized", "listen", None, false),
            Some("listen") => {
                let asked = message["data"]["streams"].as_array().cloned().unwrap_or_default();
                // The set is replaced; names that are unknown are left out of the answer.
                self.listens = asked.iter().any(|name| name == TRADE_UPDATES);
                let listens = self.listens;
                reply(
                    |j| {
                        j.str("stream", "listening");
                        j.object("data", |j| {
                            j.array("streams", |j| {
                                if listens {
                                    j.str("", TRADE_UPDATES)
                                }
                            })
                        });
                    },
                    false,
                )
            }
            _ => reply(
                |j| {
                    j.str("action", "error");
                    j.object("data", |j| j.str("error_message", "invalid action"));
                },
                false,
            ),
        }
    }
}

impl Venue {
    /// The members of an event's `data`.
    pub fn write_update(&self, j: &mut Json, key: &str, update: &Update) {
        j.object(key, |j| {
            j.str("event", update.event);
            j.str("execution_id", &update.execution_id);
            self.write_order(j, "order", &update.order, true, true);
            j.str("timestamp", &utc_text(update.at));
            if let Some(execution) = update.execution {
                j.str("price", &number::text(execution.px));
                j.str("qty", &number::text(execution.qty));
                j.str("position_qty", &number::text(execution.position));
            }
        });
    }

    /// A whole frame.
    pub fn update_frame(&self, update: &Update) -> Vec<u8> {
        let mut j = Json::new(TimeUnit::Milli);
        j.object("", |j| {
            j.str("stream", TRADE_UPDATES);
            self.write_update(j, "data", update);
        });
        j.into_bytes()
    }
}
