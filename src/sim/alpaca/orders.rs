//! Orders (reference §9, §10): their words, their states, and how they are shown.

use super::assets::Asset;
use super::calendar::utc_text;
use super::number;
use crate::domain::Nanos;
use crate::sim::json::Json;
pub use crate::sim::market::Side;
use serde::{Deserialize, Serialize};

/// Words of the protocol as an enum; those that clients send are also read.
macro_rules! words {
    (read $name:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        words!($name { $($variant = $text),* });

        impl $name {
            pub fn parse(text: &str) -> Option<$name> {
                match text {
                    $($text => Some($name::$variant),)*
                    _ => None,
                }
            }
        }
    };
    ($name:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($variant),*
        }

        impl $name {
            pub fn text(self) -> &'static str {
                match self {
                    $($name::$variant => $text),*
                }
            }
        }
    };
}

words!(read Kind { Market = "market", Limit = "limit", Stop = "stop", StopLimit = "stop_limit", TrailingStop = "trailing_stop" });
words!(read Tif { Day = "day", Gtc = "gtc", Opg = "opg", Cls = "cls", Ioc = "ioc", Fok = "fok" });
words!(read Class { Plain = "", Simple = "simple", Bracket = "bracket", Oco = "oco", Oto = "oto", Mleg = "mleg" });
words!(read Intent {
    BuyToOpen = "buy_to_open",
    BuyToClose = "buy_to_close",
    SellToOpen = "sell_to_open",
    SellToClose = "sell_to_close",
});
words!(Status {
    Accepted = "accepted",
    PendingNew = "pending_new",
    New = "new",
    Held = "held",
    PartiallyFilled = "partially_filled",
    PendingCancel = "pending_cancel",
    PendingReplace = "pending_replace",
    DoneForDay = "done_for_day",
    Filled = "filled",
    Canceled = "canceled",
    Expired = "expired",
    Replaced = "replaced",
    Rejected = "rejected",
});

impl Status {
    /// Nothing follows.
    pub fn is_final(self) -> bool {
        use Status::*;
        matches!(self, Filled | Canceled | Expired | Replaced | Rejected)
    }

    /// At an exchange, where it may fill. A cancel or a replacement that is on its way does not stop a fill.
    pub fn is_working(self) -> bool {
        use Status::*;
        matches!(self, New | PartiallyFilled | PendingCancel | PendingReplace)
    }

    /// What may follow, by the order's life in the reference. Statuses may be skipped, never gone back to but for a
    /// cancel or a replacement that is refused, and a new day.
    #[rustfmt::skip]
    pub fn may_become(self, next: Status) -> bool {
        use Status::*;
        match self {
            Accepted => matches!(next, PendingNew | New | PartiallyFilled | Filled | PendingCancel | Canceled | Expired | Rejected),
            PendingNew => matches!(next, New | Held | PartiallyFilled | Filled | PendingCancel | Canceled | Expired | Rejected | Accepted | DoneForDay),
            Held => matches!(next, New | PendingCancel | Canceled | Expired | Rejected | PendingReplace),
            New => matches!(next, PartiallyFilled | Filled | PendingCancel | PendingReplace | DoneForDay | Canceled | Expired | Rejected),
            PartiallyFilled => matches!(next, PartiallyFilled | Filled | PendingCancel | PendingReplace | DoneForDay | Canceled | Expired),
            PendingCancel => matches!(next, PendingCancel | Filled | Canceled | Expired | New | PartiallyFilled),
            PendingReplace => matches!(next, PendingReplace | Filled | Replaced | New | PartiallyFilled | Held | Canceled | Expired),
            DoneForDay => matches!(next, New | PartiallyFilled | PendingNew | PendingCancel | Canceled | Expired),
            Filled | Canceled | Expired | Replaced | Rejected => false,
        }
    }
}

/// What an order is among those that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    Entry,
    TakeProfit,
    StopLoss,
}

/// An order. Amounts in 10^-9, times in nanoseconds of the venue's clock, value in 10^-18.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub key: u64,
    pub id: String,
    pub client_id: String,
    pub account: usize,
    /// Place in the list of assets.
    pub asset: usize,
    pub created: Nanos,
    pub updated: Nanos,
    pub submitted: Nanos,
    pub filled_at: Option<Nanos>,
    pub expired_at: Option<Nanos>,
    pub canceled_at: Option<Nanos>,
    pub failed_at: Option<Nanos>,
    pub replaced_at: Option<Nanos>,
    pub cancel_requested_at: Option<Nanos>,
    pub expires_at: Option<Nanos>,
    pub replaced_by: Option<u64>,
    pub replaces: Option<u64>,
    pub qty: Option<i64>,
    pub notional: Option<i64>,
    pub filled: i64,
    #[serde(with = "super::text_i128")]
    pub filled_value: i128,
    pub class: Class,
    pub kind: Kind,
    pub side: Side,
    pub tif: Tif,
    pub limit: Option<i64>,
    pub stop: Option<i64>,
    pub trail_price: Option<i64>,
    pub trail_percent: Option<i64>,
    pub hwm: Option<i64>,
    pub status: Status,
    pub extended: bool,
    pub intent: Intent,
    /// Orders that belong together share a number; the parent shows the others as its legs.
    pub group: Option<u64>,
    pub role: Role,
    pub parent: bool,
    /// A stop that has been touched.
    pub triggered: bool,
    /// What a triggered buy stop pays at most.
    pub collar: Option<i64>,
    /// What the order that it replaces had filled when this one was made: that much is not asked for again.
    pub replaced_filled: i64,
    /// Where it goes back to if a cancel or a replacement is refused.
    pub status_before: Status,
}

impl Order {
    pub fn is_open(&self) -> bool {
        !self.status.is_final()
    }

    /// What is still to be done, where that is known as a quantity.
    pub fn leaves(&self) -> i64 {
        if self.is_open() { self.qty.map_or(0, |qty| qty - self.filled) } else { 0 }
    }

    /// What is still to be spent of a notional order, in 10^-18.
    pub fn money_left(&self) -> i128 {
        self.notional.map_or(0, |notional| (number::as_money(notional) - self.filled_value).max(0))
    }

    pub fn average(&self) -> Option<i64> {
        (self.filled > 0).then(|| (self.filled_value / i128::from(self.filled)) as i64)
    }

    /// A stop that waits for its price.
    pub fn waits_for_trigger(&self) -> bool {
        matches!(self.kind, Kind::Stop | Kind::StopLimit | Kind::TrailingStop) && !self.triggered
    }

    /// The worst price at which it may fill now.
    pub fn limit_now(&self) -> Option<i64> {
        match self.kind {
            Kind::Limit | Kind::StopLimit => self.limit,
            Kind::Market | Kind::TrailingStop => None,
            Kind::Stop => self.collar,
        }
    }

    /// The object. `legs` are shown where given; the stream adds when a cancel was asked for.
    pub fn write(&self, j: &mut Json, key: &str, shown: &Shown) {
        let time = |j: &mut Json, name: &str, at: Option<Nanos>| match at {
            Some(at) => j.str(name, &utc_text(at)),
            None => j.null(name),
        };
        let amount = |j: &mut Json, name: &str, value: Option<i64>| match value {
            Some(value) => j.str(name, &number::text(value)),
            None => j.null(name),
        };
        let asset = &shown.assets[self.asset];
        j.object(key, |j| {
            j.str("id", &self.id);
            j.str("client_order_id", &self.client_id);
            time(j, "created_at", Some(self.created));
            time(j, "updated_at", Some(self.updated));
            time(j, "submitted_at", Some(self.submitted));
            time(j, "filled_at", self.filled_at);
            time(j, "expired_at", self.expired_at);
            if shown.on_stream {
                time(j, "cancel_requested_at", self.cancel_requested_at);
            }
            time(j, "canceled_at", self.canceled_at);
            time(j, "failed_at", self.failed_at);
            time(j, "replaced_at", self.replaced_at);
            for (name, other) in [("replaced_by", self.replaced_by), ("replaces", self.replaces)] {
                match other.and_then(|key| (shown.id_of)(key)) {
                    Some(id) => j.str(name, &id),
                    None => j.null(name),
                }
            }
            j.str("asset_id", &asset.id);
            j.str("symbol", &asset.symbol);
            j.str("asset_class", asset.class.text());
            amount(j, "notional", self.notional);
            amount(j, "qty", self.qty);
            j.str("filled_qty", &number::text(self.filled));
            amount(j, "filled_avg_price", self.average());
            j.str("order_class", self.class.text());
            j.str("order_type", self.kind.text());
            j.str("type", self.kind.text());
            j.str("side", if self.side == Side::Buy { "buy" } else { "sell" });
            j.str("position_intent", self.intent.text());
            j.str("time_in_force", self.tif.text());
            amount(j, "limit_price", self.limit);
            amount(j, "stop_price", self.stop);
            j.str("status", self.status.text());
            j.bool("extended_hours", self.extended);
            match &shown.legs {
                Some(legs) if !legs.is_empty() => j.array("legs", |j| {
                    let inner = Shown { legs: None, ..*shown };
                    legs.iter().for_each(|leg| leg.write(j, "", &inner));
                }),
                _ => j.null("legs"),
            }
            amount(j, "trail_percent", self.trail_percent);
            amount(j, "trail_price", self.trail_price);
            amount(j, "hwm", self.hwm);
            j.null("subtag");
            j.null("source");
            time(j, "expires_at", self.expires_at);
        });
    }
}

/// What an order's object needs besides the order.
pub struct Shown<'a> {
    pub assets: &'a [Asset],
    pub id_of: &'a dyn Fn(u64) -> Option<String>,
    pub legs: Option<Vec<&'a Order>>,
    pub on_stream: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::*;

    const ALL: [Status; 13] = [
        Accepted,
        PendingNew,
        New,
        Held,
        PartiallyFilled,
        PendingCancel,
        PendingReplace,
        DoneForDay,
        Filled,
        Canceled,
        Expired,
        Replaced,
        Rejected,
    ];

    #[test]
    fn nothing_follows_a_final_state_and_every_open_one_can_end() {
        for from in ALL {
            let follows: Vec<Status> = ALL.into_iter().filter(|to| from.may_become(*to)).collect();
            assert_eq!(follows.is_empty(), from.is_final(), "{from:?} -> {follows:?}");
            assert!(from.is_final() || follows.contains(&Canceled), "{from:?} cannot be cancelled");
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        assert_eq!(
            (Kind::parse("stop_limit"), Tif::parse("gtd"), Class::parse("")),
            (Some(Kind::StopLimit), None, Some(Class::Plain))
        );
    }
}
