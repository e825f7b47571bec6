//! The venue itself: symbols, accounts, orders, and what each command changed.
//!
//! Invariants:
//! - Over all accounts, the fees and the market's own account, every asset's sum stays what it was at the start.
//! - A free or locked balance is never below zero.
//! - Every command ends with `finish`, which tells the accounts, the streams and the state file in that order.

use super::account::{Account, Balance, Fees, Permissions};
use super::errors::ApiError;
use super::filters::ExchangeLimits;
use super::history::History;
use super::listen_keys::ListenKeys;
use super::lists::OrderList;
use super::orders::{Did, Order, Status, Trade};
use super::reference::Reference;
use super::signing::Key;
use super::streams::Aggregate;
use super::user::{Exec, LastFill, Report, UserBody, UserEvent};
use crate::sim::decimal;
use crate::sim::market::book::{Book, Liquidity};
use crate::sim::market::{Side, SimInstrument};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// Closed orders kept for queries; the oldest are forgotten, so that memory stays flat.
const CLOSED_MAX: usize = 50_000;
/// Public trades kept for `trades`.
const PUBLIC_TRADES_MAX: usize = 1_000;
/// Trade ids set aside ahead of use, so that a restart repeats none without the file being written at every trade.
const TRADE_IDS_AHEAD: u64 = 1_000;

/// A trade as everybody sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicTrade {
    pub symbol: usize,
    pub id: u64,
    pub px: i64,
    pub qty: i64,
    pub time_us: i64,
    pub buyer_is_maker: bool,
    /// Trades of one taker's order share it: an aggregate holds those at one price.
    pub command: u64,
}

/// Our resting orders at one price, oldest first.
#[derive(Debug, Clone, Default)]
pub struct OwnLevel {
    pub orders: VecDeque<u64>,
    /// On display, and what icebergs keep behind it.
    pub qty: i64,
    pub hidden: i64,
}

/// The book as the synthetic market publishes it: the market's levels and our own orders together.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    pub book: Book,
    /// Levels changed since the last 100 ms, 1000 ms and SBE events, with the id each event will start at.
    pub dirty: [BTreeSet<(Side, i64)>; 3],
    pub flushed_id: [u64; 3],
    pub top: [Option<(i64, i64)>; 2],
}

/// A symbol and its market.
pub struct Symbol {
    pub instrument: SimInstrument,
    pub base: usize,
    pub quote: usize,
    pub liquidity: Liquidity,
    pub own: [BTreeMap<i64, OwnLevel>; 2],
    /// Absent where the market is recorded or live: its streams are sent as they were.
    pub shown: Option<Shown>,
    pub trades: VecDeque<PublicTrade>,
    pub aggregates: VecDeque<Aggregate>,
    pub history: History,
    pub next_trade_id: u64,
    pub trade_ids_reserved: u64,
    pub px_last: Option<i64>,
    /// Absent where the symbol has none, and until it is first worked out.
    pub reference: Option<Reference>,
    pub next_allocation_id: u64,
    /// No order is taken: the venue has halted it, or a live market is not seen.
    pub closed: bool,
    /// The book is not known: how much stands before an order cannot be said.
    pub unseen: bool,
    /// Orders that wait for a trigger.
    pub stops: BTreeSet<u64>,
    pub px_logged_us: i64,
    /// `(second, notional, quantity)` of the last five minutes.
    traded: VecDeque<(i64, i128, i128)>,
}

impl Symbol {
    /// The volume-weighted average price of the last five minutes, else the last price: the filters' reference. Before the
    /// first trade the middle of the book, so that limits can be held from the start, as at a venue that never begins.
    pub fn average_px(&self) -> Option<i64> {
        let (notional, qty) = self.traded.iter().fold((0, 0), |(n, q), t| (n + t.1, q + t.2));
        if qty > 0 {
            return i64::try_from(notional * i128::from(decimal::ONE) / qty).ok();
        }
        let best = |side| self.depth(side).next().map(|(px, _)| px);
        self.px_last.or_else(|| Some(best(Side::Buy)?.midpoint(best(Side::Sell)?)))
    }

    pub fn own_best(&self, side: Side) -> Option<(i64, u64)> {
        let (key, level) = self.own[side.index()].first_key_value()?;
        level.orders.front().map(|id| (key.abs(), *id))
    }

    fn own_qty(&self, side: Side, px: i64) -> i64 {
        self.own[side.index()].get(&side.key(px)).map_or(0, |level| level.qty)
    }

    /// What a taker finds on `side`, the market's and our own together, best first.
    pub fn depth(&self, side: Side) -> impl Iterator<Item = (i64, i64)> {
        let mut market = self.liquidity.levels(side).peekable();
        let mut own =
            self.own[side.index()].iter().map(|(key, level)| (key.abs(), level.qty + level.hidden)).peekable();
        std::iter::from_fn(move || match (market.peek().copied(), own.peek().copied()) {
            (Some(m), Some(o)) if m.0 == o.0 => {
                market.next();
                own.next();
                Some((m.0, m.1 + o.1))
            }
            (Some(m), Some(o)) if side.key(m.0) < side.key(o.0) => {
                market.next();
                Some(m)
            }
            (Some(m), None) => {
                market.next();
                Some(m)
            }
            (_, own_next) => {
                own.next();
                own_next
            }
        })
    }

    /// A level changed: shows its new quantity under a new id.
    pub fn touch(&mut self, side: Side, px: i64) {
        let qty = self.liquidity.available(side, px) + self.own_qty(side, px);
        let Some(shown) = &mut self.shown else { return };
        if shown.book.qty(side, px) == qty {
            return;
        }
        shown.book.set(side, px, qty);
        shown.book.last_id += 1;
        for dirty in &mut shown.dirty {
            dirty.insert((side, px));
        }
    }

    /// The book that REST `depth` and the tickers answer from.
    pub fn public_book(&self) -> &Book {
        self.shown.as_ref().map_or(&self.liquidity.book, |shown| &shown.book)
    }
}

/// One side of a trade between an order and somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deal {
    pub px: i64,
    pub qty: i64,
    pub trade_id: u64,
    pub maker: bool,
    /// The other side is nobody's account, or the venue stands between the two.
    pub against_market: bool,
    /// The allocation that this is for a routed order, of another book's trade.
    pub allocation: Option<u64>,
}

/// What a command changed, for the state file.
#[derive(Debug, Default)]
pub struct Changes {
    pub orders: BTreeSet<u64>,
    /// `(account, trade)`.
    pub trades: Vec<(usize, Trade)>,
    /// `(account, asset)`.
    pub balances: BTreeSet<(usize, usize)>,
    pub symbols: BTreeSet<usize>,
    pub lists: BTreeSet<u64>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
            && self.trades.is_empty()
            && self.balances.is_empty()
            && self.symbols.is_empty()
            && self.lists.is_empty()
    }
}

/// What a command wants told.
#[derive(Debug, Default)]
pub struct Out {
    pub user: Vec<UserEvent>,
    pub trades: Vec<PublicTrade>,
    /// Symbols whose best bid or ask changed.
    pub tops: Vec<usize>,
}

/// Everything the venue knows. Times are microseconds since the epoch.
pub struct Venue {
    pub symbols: Vec<Symbol>,
    by_name: HashMap<String, usize>,
    pub assets: Vec<String>,
    pub accounts: Vec<Account>,
    pub by_key: HashMap<String, usize>,
    /// Keys that an account was given besides its first.
    pub more_keys: HashMap<String, Key>,
    pub orders: BTreeMap<u64, Order>,
    closed: VecDeque<u64>,
    pub lists: BTreeMap<u64, OrderList>,
    pub done_lists: VecDeque<u64>,
    client_ids: HashMap<(usize, usize, Arc<str>), u64>,
    pub next_order_id: u64,
    pub next_list_id: u64,
    pub next_exec_id: u64,
    pub next_prevented_id: u64,
    pub command: u64,
    /// Fees taken, and what the market gained from our accounts, by asset.
    pub fees_taken: Vec<i128>,
    pub market_gained: Vec<i128>,
    pub did: Did,
    /// Stops that a trade has reached and that begin to work when the command ends.
    pub triggered: VecDeque<u64>,
    /// Orders of lists that traded or ended: what follows for the other orders is due when the command ends.
    pub list_moved: VecDeque<u64>,
    pub exchange: ExchangeLimits,
    /// Groups of symbols that orders are routed between.
    pub sors: Vec<Vec<usize>>,
    pub rng: fastrand::Rng,
    pub listen_keys: ListenKeys,
    pub out: Out,
    pub changes: Changes,
    touched: BTreeSet<(usize, usize)>,
    touched_symbols: BTreeSet<usize>,
}

impl Venue {
    pub fn new(seed: u64) -> Venue {
        Venue {
            symbols: Vec::new(),
            by_name: HashMap::new(),
            assets: Vec::new(),
            accounts: Vec::new(),
            by_key: HashMap::new(),
            more_keys: HashMap::new(),
            orders: BTreeMap::new(),
            closed: VecDeque::new(),
            lists: BTreeMap::new(),
            done_lists: VecDeque::new(),
            client_ids: HashMap::new(),
            next_order_id: 1,
            next_list_id: 1,
            next_exec_id: 1,
            next_prevented_id: 0,
            command: 0,
            fees_taken: Vec::new(),
            market_gained: Vec::new(),
            did: Did::default(),
            triggered: VecDeque::new(),
            list_moved: VecDeque::new(),
            exchange: ExchangeLimits::default(),
            sors: Vec::new(),
            rng: fastrand::Rng::with_seed(seed),
            listen_keys: ListenKeys::default(),
            out: Out::default(),
            changes: Changes::default(),
            touched: BTreeSet::new(),
            touched_symbols: BTreeSet::new(),
        }
    }

    /// Lists a symbol. `shown_from` is the id its published book starts at; absent for recorded markets.
    pub fn list(&mut self, instrument: SimInstrument, shown_from: Option<u64>, first_trade_id: u64) -> usize {
        let (base, quote) = (self.asset(&instrument.base), self.asset(&instrument.quote));
        let shown = shown_from.map(|id| Shown { book: Book::at(id), flushed_id: [id; 3], ..Shown::default() });
        let index = self.symbols.len();
        self.by_name.insert(instrument.symbol.clone(), index);
        self.symbols.push(Symbol {
            instrument,
            base,
            quote,
            liquidity: Liquidity::default(),
            own: Default::default(),
            shown,
            trades: VecDeque::new(),
            aggregates: VecDeque::new(),
            history: History::default(),
            next_trade_id: first_trade_id,
            trade_ids_reserved: first_trade_id,
            px_last: None,
            reference: None,
            next_allocation_id: 0,
            closed: false,
            unseen: false,
            stops: BTreeSet::new(),
            px_logged_us: 0,
            traded: VecDeque::new(),
        });
        index
    }

    /// The index of an asset, new or known.
    pub fn asset(&mut self, name: &str) -> usize {
        if let Some(index) = self.assets.iter().position(|a| a == name) {
            return index;
        }
        self.assets.push(name.to_owned());
        self.fees_taken.push(0);
        self.market_gained.push(0);
        for account in &mut self.accounts {
            account.balances.push(Balance::default());
        }
        self.assets.len() - 1
    }

    /// Changes what an account (of that key, or the first) has free of an asset, in 10^-8. Nobody is told; the state file
    /// has it. False where there is no such account or asset, or not so much to take.
    pub fn change_ledger(&mut self, key: Option<&str>, asset: &str, change: i64) -> bool {
        let account = key.map_or(Some(0), |key| self.by_key.get(key).copied());
        let asset = self.assets.iter().position(|known| known == asset);
        let Some((account, asset)) = account.zip(asset) else { return false };
        let balance = self.accounts.get_mut(account).and_then(|account| account.balances.get_mut(asset));
        let Some(balance) = balance.filter(|balance| balance.free + i128::from(change) >= 0) else { return false };
        balance.free += i128::from(change);
        self.changes.balances.insert((account, asset));
        true
    }

    pub fn open_account(&mut self, api_key: String, key: Key, fees: Fees, may: Permissions) -> usize {
        let mut account = Account::new(api_key.clone(), key, fees, may);
        account.balances = vec![Balance::default(); self.assets.len()];
        self.accounts.push(account);
        self.by_key.insert(api_key, self.accounts.len() - 1);
        self.accounts.len() - 1
    }

    /// The key of that name, which is one of this account.
    pub fn key(&self, api_key: &str, account: usize) -> &Key {
        self.more_keys.get(api_key).unwrap_or(&self.accounts[account].key)
    }

    pub fn symbol(&self, name: &str) -> Result<usize, ApiError> {
        self.by_name.get(name).copied().ok_or_else(ApiError::bad_symbol)
    }

    pub fn symbol_name(&self, index: usize) -> &str {
        &self.symbols[index].instrument.symbol
    }

    // --- orders ---

    /// The newest order of an account on a symbol with this client order id.
    pub fn by_client_id(&self, account: usize, symbol: usize, client_id: &str) -> Option<u64> {
        self.client_ids.get(&(account, symbol, Arc::from(client_id))).copied()
    }

    /// An order goes on under another client order id.
    pub fn rename_order(&mut self, account: usize, symbol: usize, old_id: &Arc<str>, new_id: Arc<str>, id: u64) {
        if self.client_ids.get(&(account, symbol, old_id.clone())) == Some(&id) {
            self.client_ids.remove(&(account, symbol, old_id.clone()));
        }
        self.client_ids.insert((account, symbol, new_id), id);
    }

    /// Takes an order into the tables; its balance is locked by the caller.
    pub fn insert_order(&mut self, order: Order) {
        let key = (order.account, order.symbol, order.client_id.clone());
        self.client_ids.insert(key, order.id);
        if order.status.open() {
            self.accounts[order.account].open.insert(order.id);
        } else {
            self.remember_closed(order.id);
        }
        self.orders.insert(order.id, order);
    }

    /// Takes an order from the state file, in place of what was known of it.
    pub fn restore_order(&mut self, order: Order) {
        if !order.status.open() {
            self.accounts[order.account].open.remove(&order.id);
        }
        self.insert_order(order);
    }

    fn remember_closed(&mut self, id: u64) {
        self.closed.push_back(id);
        while self.closed.len() > CLOSED_MAX
            && let Some(old) = self.closed.pop_front()
            && let Some(order) = self.orders.remove(&old)
        {
            let key = (order.account, order.symbol, order.client_id);
            if self.client_ids.get(&key) == Some(&old) {
                self.client_ids.remove(&key);
            }
        }
    }

    /// A client order id for an order or a cancel that brought none: 22 letters and digits, as the venue makes them.
    pub fn random_client_id(&mut self) -> Arc<str> {
        (0..22).map(|_| self.rng.alphanumeric()).collect::<String>().into()
    }

    /// Makes the account's locked amount follow what the order still needs; the difference becomes free.
    pub fn relock(&mut self, id: u64) {
        let Some(order) = self.orders.get(&id) else { return };
        let needed = self.lock_of(order);
        let Some(order) = self.orders.get_mut(&id) else { return };
        let change = needed - order.locked;
        order.locked = needed;
        let symbol = &self.symbols[order.symbol];
        let asset = if order.side == Side::Buy { symbol.quote } else { symbol.base };
        let (account, symbol) = (order.account, order.symbol);
        let balance = &mut self.accounts[account].balances[asset];
        balance.free -= change;
        balance.locked += change;
        self.touch_account(account, symbol);
    }

    fn touch_account(&mut self, account: usize, symbol: usize) {
        let symbol = &self.symbols[symbol];
        self.touched.insert((account, symbol.base));
        self.touched.insert((account, symbol.quote));
    }

    /// Tells the account what happened to an order.
    pub fn report(&mut self, id: u64, exec: Exec, fill: Option<LastFill>, other_id: Option<Arc<str>>, now_us: i64) {
        let Some(order) = self.orders.get(&id) else { return };
        let report = Report { order: order.clone(), exec, exec_id: self.next_exec_id, fill, other_id };
        let account = order.account;
        self.next_exec_id += 1;
        self.changes.orders.insert(id);
        self.out.user.push(UserEvent { account, time_us: now_us, body: UserBody::Report(Box::new(report)) });
    }

    /// An order was accepted: its balance is locked and its NEW is told.
    pub fn accept(&mut self, order: Order, now_us: i64) {
        let id = order.id;
        self.insert_order(order);
        self.relock(id);
        self.report(id, Exec::New, None, None, now_us);
    }

    /// An order trades.
    pub fn fill(&mut self, id: u64, deal: Deal, now_us: i64) {
        let Deal { px, qty, trade_id, maker, against_market, allocation } = deal;
        let Some(order) = self.orders.get_mut(&id) else { return };
        let quote_amount = decimal::notional(px, qty);
        let first = order.filled == 0;
        order.filled += qty;
        order.slice = (order.slice - qty).max(0);
        order.quote_filled += quote_amount;
        order.updated_us = now_us;
        order.status = if order.leaves() == 0 { Status::Filled } else { Status::PartiallyFilled };
        let (account, symbol_index, side, done) = (order.account, order.symbol, order.side, order.leaves() == 0);
        let symbol = &self.symbols[symbol_index];
        let ((give, given), (get, got)) = match side {
            Side::Buy => ((symbol.quote, quote_amount), (symbol.base, i128::from(qty))),
            Side::Sell => ((symbol.base, i128::from(qty)), (symbol.quote, quote_amount)),
        };
        self.relock(id);
        let entry = &mut self.accounts[account];
        let rate = if maker { entry.fees.maker } else { entry.fees.taker };
        let commission = decimal::share(got, rate);
        entry.balances[give].free -= given;
        entry.balances[get].free += got - commission;
        entry.updated_us = now_us;
        self.fees_taken[get] += commission;
        if against_market {
            self.market_gained[give] += given;
            self.market_gained[get] -= got;
        }
        if first {
            super::limits::Limits::first_fill(&mut entry.order_count, maker);
        }
        let trade = Trade {
            id: allocation.unwrap_or(trade_id),
            allocated: allocation.is_some(),
            order_id: id,
            symbol: symbol_index,
            px,
            qty,
            quote: quote_amount,
            commission,
            commission_asset: get,
            time_us: now_us,
            buyer: side == Side::Buy,
            maker,
        };
        entry.push_trade(trade.clone());
        self.changes.trades.push((account, trade.clone()));
        self.did.fills.push(trade);
        let quote = quote_amount;
        let fill = LastFill { trade_id, px, qty, quote, commission, commission_asset: get, maker, allocation };
        self.report(id, Exec::Trade, Some(fill), None, now_us);
        self.note_list_moved(id);
        if done {
            self.accounts[account].open.remove(&id);
            self.remember_closed(id);
        }
    }

    /// Self-trade prevention took something off an order that goes on.
    pub fn lost(&mut self, id: u64, now_us: i64) {
        if let Some(order) = self.orders.get_mut(&id) {
            order.updated_us = now_us;
        }
        self.relock(id);
        self.report(id, Exec::Prevented, None, None, now_us);
    }

    /// An order ends otherwise than by being filled. The caller has taken it off the book.
    pub fn close(&mut self, id: u64, status: Status, exec: Exec, cancel_id: Option<Arc<str>>, now_us: i64) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.status = status;
        order.updated_us = now_us;
        let (account, symbol) = (order.account, order.symbol);
        self.symbols[symbol].stops.remove(&id);
        self.relock(id);
        self.accounts[account].open.remove(&id);
        self.accounts[account].updated_us = now_us;
        self.report(id, exec, None, cancel_id, now_us);
        self.note_list_moved(id);
        self.remember_closed(id);
    }

    fn note_list_moved(&mut self, id: u64) {
        if self.orders.get(&id).is_some_and(|order| order.list.is_some()) {
            self.list_moved.push_back(id);
        }
    }

    // --- the market ---

    /// The next trade id of a symbol.
    pub fn trade_id(&mut self, symbol_index: usize) -> u64 {
        let symbol = &mut self.symbols[symbol_index];
        let id = symbol.next_trade_id;
        symbol.next_trade_id += 1;
        if symbol.next_trade_id > symbol.trade_ids_reserved {
            symbol.trade_ids_reserved = symbol.next_trade_id + TRADE_IDS_AHEAD;
            self.changes.symbols.insert(symbol_index);
        }
        id
    }

    /// A trade in which one of our orders or the synthetic market took. In a real market only its own trades are
    /// public: ours did not happen there.
    pub fn traded(&mut self, symbol: usize, px: i64, qty: i64, buyer_is_maker: bool, now_us: i64) -> u64 {
        let id = self.trade_id(symbol);
        if self.symbols[symbol].shown.is_some() {
            let command = self.command;
            let trade = PublicTrade { symbol, id, px, qty, time_us: now_us, buyer_is_maker, command };
            self.note_trade(trade);
            self.out.trades.push(trade);
        }
        id
    }

    /// Keeps a trade for `trades`, the last price and the average.
    pub fn note_trade(&mut self, trade: PublicTrade) {
        let symbol = &mut self.symbols[trade.symbol];
        if symbol.trades.len() == PUBLIC_TRADES_MAX {
            symbol.trades.pop_front();
        }
        symbol.trades.push_back(trade);
        symbol.history.note(&trade);
        // An aggregate holds one trade or more, so its id is never above its first trade's: starting at that, no id
        // comes twice after a restart.
        let id = symbol.aggregates.back().map_or(trade.id, |last| last.id + 1);
        if !symbol.aggregates.back_mut().is_some_and(|last| last.join(&trade)) {
            symbol.aggregates.push_back(Aggregate { id, first: trade, last_id: trade.id, qty: trade.qty });
        }
        if symbol.aggregates.len() > PUBLIC_TRADES_MAX {
            symbol.aggregates.pop_front();
        }
        symbol.px_last = Some(trade.px);
        self.watch_stops(trade.symbol, trade.px, trade.time_us);
        let symbol = &mut self.symbols[trade.symbol];
        let second = trade.time_us.div_euclid(1_000_000);
        let (notional, qty) = (decimal::notional(trade.px, trade.qty), i128::from(trade.qty));
        match symbol.traded.back_mut() {
            Some(last) if last.0 == second => {
                last.1 += notional;
                last.2 += qty;
            }
            _ => symbol.traded.push_back((second, notional, qty)),
        }
        while symbol.traded.front().is_some_and(|t| t.0 < second - 60 * super::filters::AVERAGE_MINUTES) {
            symbol.traded.pop_front();
        }
        // The last price goes to the state file once a second: a restart continues near it.
        if trade.time_us - symbol.px_logged_us >= 1_000_000 {
            symbol.px_logged_us = trade.time_us;
            self.changes.symbols.insert(trade.symbol);
        }
    }

    /// Marks a symbol whose book a command may have changed.
    pub fn touch_symbol(&mut self, symbol: usize) {
        self.touched_symbols.insert(symbol);
    }

    /// Ends a command: what it triggered, positions after its reports, and which tops of book have changed.
    pub fn finish(&mut self, now_us: i64) {
        self.work_triggered(now_us);
        let touched = std::mem::take(&mut self.touched);
        let mut by_account: BTreeMap<usize, Vec<(usize, i128, i128)>> = BTreeMap::new();
        for &(account, asset) in &touched {
            let balance = self.accounts[account].balances[asset];
            by_account.entry(account).or_default().push((asset, balance.free, balance.locked));
        }
        for (account, balances) in by_account {
            self.out.user.push(UserEvent { account, time_us: now_us, body: UserBody::Position(balances) });
        }
        self.changes.balances.extend(touched);
        for index in std::mem::take(&mut self.touched_symbols) {
            if let Some(shown) = &mut self.symbols[index].shown {
                let top = [shown.book.best(Side::Buy), shown.book.best(Side::Sell)];
                if top != shown.top {
                    shown.top = top;
                    self.out.tops.push(index);
                }
            }
        }
        self.did.fills.clear();
        self.did.prevented.clear();
    }
}
