//! The venue's state: assets and their markets, accounts, orders; and what every command needs of it.

use super::account::{Account, Position, Value};
use super::assets::Asset;
use super::calendar::{Calendar, Phase};
use super::number;
use super::orders::{Class, Kind, Order, Role, Side, Status};
use crate::domain::Nanos;
use crate::sim::market::book::Liquidity;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// Closed orders kept; older ones are forgotten, their client order ids are not.
const CLOSED_MAX: usize = 50_000;

/// How an order meets the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FillModel {
    /// As the venue's paper service: the best quote fills any size, and this many in a thousand fills are partial first.
    Paper { partial_permille: u32 },
    /// What the book shows, level by level; what was taken is gone until the market changes the level.
    Depth,
}

/// What can be told apart between one set-up and another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub fill: FillModel,
    /// From acceptance to the exchange's answer, for orders, cancels and replacements.
    pub exchange_delay_ns: Nanos,
    pub crypto_maker_bips: i64,
    pub crypto_taker_bips: i64,
    /// The day-trade rule and its members as they were until July 2026.
    pub legacy_pdt: bool,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            fill: FillModel::Paper { partial_permille: 100 },
            exchange_delay_ns: 1_000_000,
            crypto_maker_bips: 15,
            crypto_taker_bips: 25,
            legacy_pdt: false,
        }
    }
}

/// One asset's market as orders meet it.
#[derive(Debug, Clone, Default)]
pub struct AssetMarket {
    pub liquidity: Liquidity,
    pub last: i64,
    /// The last price of the session before.
    pub last_day: i64,
    pub halted: bool,
}

/// Something that is to happen when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Route(u64),
    Cancel(u64),
    Replace { old: u64, new: u64 },
}

/// A fill as the stream tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    pub px: i64,
    pub qty: i64,
    pub position: i64,
}

/// An event of the trade-update stream: the order as it is after it.
#[derive(Debug, Clone)]
pub struct Update {
    pub event: &'static str,
    pub order: Order,
    pub at: Nanos,
    pub execution_id: String,
    pub execution: Option<Execution>,
}

/// What a command changed, for the state file.
#[derive(Debug, Default)]
pub struct Changes {
    pub orders: BTreeSet<u64>,
    pub accounts: BTreeSet<usize>,
}

pub struct Venue {
    pub assets: Vec<Asset>,
    pub markets: Vec<AssetMarket>,
    pub accounts: Vec<Account>,
    pub orders: BTreeMap<u64, Order>,
    pub by_id: BTreeMap<String, u64>,
    /// `(account, client order id)`; an id is never free again.
    pub by_client: BTreeMap<(usize, String), u64>,
    pub open: BTreeSet<u64>,
    closed: std::collections::VecDeque<u64>,
    pub calendar: Calendar,
    pub phase: Phase,
    pub today: Date,
    /// The venue's time.
    pub now: Nanos,
    /// The process's time, under which delays run.
    pub real: Nanos,
    pub rng: fastrand::Rng,
    pub rules: Rules,
    pub next_key: u64,
    pub due: BTreeMap<(Nanos, u64), Step>,
    next_step: u64,
    pub updates: Vec<Update>,
    pub changes: Changes,
    /// The next orders that the exchange rejects, for tests of what follows.
    pub reject_next: u32,
    /// Orders asked for under a client order id that was taken.
    pub repeated: usize,
}

impl Venue {
    pub fn new(assets: Vec<Asset>, calendar: Calendar, rules: Rules, seed: u64) -> Venue {
        let markets = assets.iter().map(|_| AssetMarket::default()).collect();
        Venue {
            assets,
            markets,
            accounts: Vec::new(),
            orders: BTreeMap::new(),
            by_id: BTreeMap::new(),
            by_client: BTreeMap::new(),
            open: BTreeSet::new(),
            closed: std::collections::VecDeque::new(),
            calendar,
            phase: Phase::Closed,
            today: Date::ZERO,
            now: 0,
            real: 0,
            rng: fastrand::Rng::with_seed(seed),
            rules,
            next_key: 1,
            due: BTreeMap::new(),
            next_step: 0,
            updates: Vec::new(),
            changes: Changes::default(),
            reject_next: 0,
            repeated: 0,
        }
    }

    /// A random UUID from the venue's seed.
    pub fn uuid(&mut self) -> String {
        let bits = self.rng.u128(..);
        let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    pub fn after(&mut self, delay: Nanos, step: Step) {
        self.next_step += 1;
        self.due.insert((self.real + delay, self.next_step), step);
    }

    /// The asset that a client names, by symbol in any form or by id.
    pub fn find_asset(&self, name: &str) -> Option<usize> {
        self.assets.iter().position(|asset| asset.is_named(name))
    }

    // --- prices ---

    /// The best price of a side of the book.
    pub fn best(&self, asset: usize, side: Side) -> Option<i64> {
        self.markets[asset].liquidity.best(side).map(|(px, _)| px)
    }

    /// What a position is worth now: the last trade.
    pub fn price(&self, asset: usize) -> i64 {
        self.markets[asset].last
    }

    /// What a market order is reckoned at: the far side, the midpoint in extended hours, the last trade while closed.
    pub fn reckoned_px(&self, asset: usize, side: Side) -> i64 {
        let (Some(bid), Some(ask)) = (self.best(asset, Side::Buy), self.best(asset, Side::Sell)) else {
            return self.price(asset);
        };
        let phase = if self.assets[asset].is_crypto() { Phase::Core } else { self.phase };
        match phase {
            Phase::Core if side == Side::Buy => ask,
            Phase::Core => bid,
            Phase::Pre | Phase::Post => (bid + ask) / 2,
            Phase::Closed => self.price(asset),
        }
    }

    /// Whether an order may be at an exchange in this phase of the day.
    pub fn in_session(&self, order: &Order) -> bool {
        match self.phase {
            _ if self.assets[order.asset].is_crypto() => true,
            Phase::Core => true,
            Phase::Pre | Phase::Post => order.extended,
            Phase::Closed => false,
        }
    }

    // --- accounts ---

    pub fn value(&self, account: usize) -> Value {
        self.accounts[account].value(&self.assets, |asset| self.price(asset))
    }

    pub fn position(&self, account: usize, asset: usize) -> Position {
        self.accounts[account].position(asset)
    }

    pub fn open_of(&self, account: usize) -> impl Iterator<Item = &Order> {
        self.open.iter().filter_map(|key| self.orders.get(key)).filter(move |order| order.account == account)
    }

    /// Orders of which only one can fill count once: those of a group, and an order with the one that is to replace it.
    fn unit(&self, order: &Order) -> u64 {
        let replaced = order.replaces.filter(|old| self.orders.get(old).is_some_and(Order::is_open));
        order.group.or(replaced).unwrap_or(order.key)
    }

    /// Whether an exit waits for an entry that has not been filled.
    pub fn waits_for_entry(&self, order: &Order) -> bool {
        order.role != Role::Entry
            && order.group.is_some_and(|group| {
                self.open
                    .iter()
                    .filter_map(|key| self.orders.get(key))
                    .any(|o| o.group == Some(group) && o.role == Role::Entry)
            })
    }

    /// What open orders hold of a position, and which they are.
    pub fn held(&self, account: usize, asset: usize, side: Side) -> (i64, Vec<u64>) {
        let mut units: BTreeMap<u64, i64> = BTreeMap::new();
        let mut keys = Vec::new();
        for order in self.open_of(account).filter(|o| o.asset == asset && o.side == side) {
            let closes = order.intent.text().ends_with("to_close");
            if !closes || self.waits_for_entry(order) {
                continue;
            }
            let held = units.entry(self.unit(order)).or_default();
            *held = (*held).max(order.leaves());
            keys.push(order.key);
        }
        (units.values().sum(), keys)
    }

    /// What an order reserves of the buying power.
    fn reserves(&self, order: &Order) -> i128 {
        if order.intent.text().ends_with("to_close") {
            return 0;
        }
        if order.notional.is_some() {
            return order.money_left();
        }
        number::notional(self.reserved_px(order.asset, order.side, order.kind, order.limit, order.stop), order.leaves())
    }

    /// The price at which an order to open is reckoned.
    pub fn reserved_px(&self, asset: usize, side: Side, kind: Kind, limit: Option<i64>, stop: Option<i64>) -> i64 {
        let market = self.reckoned_px(asset, side);
        match side {
            Side::Buy => match kind {
                Kind::Limit | Kind::StopLimit => limit.unwrap_or(market),
                Kind::Stop => stop.map_or(market, |stop| stop.max(market)),
                Kind::Market | Kind::TrailingStop => market,
            },
            // A short sale is reckoned at what it may cost to undo.
            Side::Sell => {
                let ask = self.best(asset, Side::Sell).unwrap_or(market);
                limit.unwrap_or(0).max((i128::from(ask) * 103 / 100) as i64)
            }
        }
    }

    /// What all open orders of an account reserve.
    pub fn reserved(&self, account: usize) -> i128 {
        let mut units: BTreeMap<u64, i128> = BTreeMap::new();
        for order in self.open_of(account) {
            let reserved = self.reserves(order);
            let unit = units.entry(self.unit(order)).or_default();
            *unit = (*unit).max(reserved);
        }
        units.values().sum()
    }

    // --- orders ---

    pub fn key_of(&self, account: usize, id: &str) -> Option<u64> {
        self.by_id.get(id).copied().filter(|key| self.orders[key].account == account)
    }

    /// The orders of a group, but for one.
    pub fn siblings(&self, key: u64) -> Vec<u64> {
        let Some(group) = self.orders.get(&key).and_then(|order| order.group) else { return Vec::new() };
        let all = self.orders.range(group..);
        all.filter(|(_, o)| o.group == Some(group) && o.key != key).map(|(key, _)| *key).collect()
    }

    /// The legs that a parent shows: those of its group that were not replaced.
    pub fn legs(&self, parent: &Order) -> Vec<&Order> {
        let Some(group) = parent.group.filter(|_| parent.parent) else { return Vec::new() };
        self.orders
            .range(group..)
            .map(|(_, o)| o)
            .filter(|o| o.group == Some(group) && !o.parent && o.status != Status::Replaced)
            .collect()
    }

    pub fn insert(&mut self, order: Order) {
        self.by_id.insert(order.id.clone(), order.key);
        self.by_client.insert((order.account, order.client_id.clone()), order.key);
        if order.is_open() {
            self.open.insert(order.key);
        }
        self.next_key = self.next_key.max(order.key + 1);
        self.changes.orders.insert(order.key);
        self.orders.insert(order.key, order);
    }

    /// Takes in an order of the state file.
    pub fn restore(&mut self, order: Order) {
        if !order.is_open() {
            self.closed.push_back(order.key);
        }
        self.insert(order);
    }

    /// Changes an order; what was changed goes to the state file.
    pub fn edit(&mut self, key: u64, change: impl FnOnce(&mut Order)) {
        if let Some(order) = self.orders.get_mut(&key) {
            change(order);
            order.updated = self.now;
            self.changes.orders.insert(key);
        }
    }

    /// Moves an order on. A step that its life does not have would be a fault of this venue.
    pub fn set_status(&mut self, key: u64, status: Status) {
        let Some(order) = self.orders.get(&key) else { return };
        debug_assert!(order.status.may_become(status), "{:?} cannot become {status:?}: {order:?}", order.status);
        self.edit(key, |order| order.status = status);
        if status.is_final() {
            self.open.remove(&key);
            self.closed.push_back(key);
            if self.closed.len() > CLOSED_MAX
                && let Some(old) = self.closed.pop_front()
                && let Some(order) = self.orders.remove(&old)
            {
                self.by_id.remove(&order.id);
            }
        }
    }

    /// Tells the stream.
    pub fn tell(&mut self, key: u64, event: &'static str, execution: Option<(Execution, String)>) {
        let Some(order) = self.orders.get(&key).cloned() else { return };
        let (execution, execution_id) = match execution {
            Some((execution, id)) => (Some(execution), id),
            None => (None, self.uuid()),
        };
        self.updates.push(Update { event, order, at: self.now, execution_id, execution });
    }

    /// An order's parent class is a list of several.
    pub fn in_group(class: Class) -> bool {
        matches!(class, Class::Bracket | Class::Oco | Class::Oto)
    }
}
