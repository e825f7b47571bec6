//! A slow second opinion on the gate, in `rust_decimal`: fed the same events as the core, it keeps books of its own and
//! works every limit out anew for each order that the core sends. It shares no arithmetic with the gate.
//!
//! Taken from the core, and held elsewhere: which instruments move together and how much (`core::correlation` against
//! a plain calculation), and which orders are the exits of protected entries. That trading is reduced or halted for
//! losses, and a strategy for running away, is held here: by when the core must have done so.

use super::gate::OTHER;
use super::*;
use crate::core::risk::{PARTS, Score};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};

fn dec8(value: i64) -> Decimal {
    Decimal::new(value, 8)
}

fn ppm(value: u32) -> Decimal {
    Decimal::new(value.into(), 6)
}

/// One order that may still fill, as far as the core has been told.
struct Live {
    order: NewOrder,
    filled: Decimal,
    /// Price it is valued at.
    px: Decimal,
}

impl Live {
    fn leaves(&self) -> Decimal {
        (dec8(self.order.qty.0) - self.filled).max(Decimal::ZERO)
    }
}

#[derive(Default)]
struct Book {
    def: Instrument,
    bid: Decimal,
    ask: Decimal,
    at: Nanos,
    connected: bool,
    /// Fills, signed; what they cost; commissions.
    net: Decimal,
    cash: Decimal,
    fees: Decimal,
    closing: bool,
    restricted: bool,
    /// The venue has halted it.
    paused: bool,
    keeps_hours: bool,
    /// Sessions, and until when they are known: those configured, and the venue's own.
    sessions: [Option<Calendar>; 2],
    trading: TradingState,
    /// Mids of the window over which a price may jump.
    mids: VecDeque<(Nanos, Decimal)>,
}

/// Messages as time that is spoken for: each takes a second over the limit, and a second's worth fits.
#[derive(Default, Clone, Copy)]
struct Spoken {
    until: Decimal,
}

impl Spoken {
    fn left(&self, now: Nanos) -> Decimal {
        (self.until - seconds(now)).max(Decimal::ZERO)
    }

    fn take(&mut self, now: Nanos, one: Decimal) {
        // What passes without room is remembered for a second beyond the bucket.
        self.until = (seconds(now) + self.left(now) + one).min(seconds(now) + Decimal::TWO);
    }
}

fn seconds(ns: Nanos) -> Decimal {
    Decimal::new(ns, 9)
}

#[derive(Default)]
pub struct Oracle {
    limits: Limits,
    caps: Caps,
    now: Nanos,
    trading: TradingState,
    venues: [(VenueState, TradingState); 2],
    strategies: BTreeMap<u8, TradingState>,
    books: BTreeMap<u16, Book>,
    live: BTreeMap<u64, Live>,
    /// Who sent each order, and what each strategy's own orders brought.
    who: BTreeMap<u64, u8>,
    own: BTreeMap<(u8, u16), Decimal>,
    balances: BTreeMap<(u8, u16), Decimal>,
    seen: BTreeMap<(u16, u64), ()>,
    fills: u64,
    sent: Vec<(Nanos, u8, NewOrder)>,
    day: i64,
    day_start: Decimal,
    orders_today: u32,
    trades_today: u32,
    /// Highest profit since the last resumption, and whether the halt of the day is behind us.
    high: Decimal,
    day_halted: bool,
    /// Each strategy's executions in one direction, and the one that must be halted by what happened last.
    runs: BTreeMap<u8, (Side, VecDeque<Nanos>)>,
    ran_away: Option<u8>,
    /// Instruments that a strategy may trade, where it has a list.
    allowed: BTreeMap<u8, Vec<u16>>,
    /// What was asked for last was to reduce; and what was told last was a fill that counts.
    reduce_only: bool,
    filled: bool,
    venue_spoken: [Spoken; 2],
    strategy_spoken: BTreeMap<u8, Spoken>,
    pub checked: u64,
}

impl Oracle {
    /// What happened, before the core's answer to it is looked at.
    pub fn apply(&mut self, now: Nanos, body: &Body) {
        self.now = now;
        (self.reduce_only, self.filled, self.ran_away) = (false, false, None);
        match body {
            Body::Limits(limits) => self.limits = *limits,
            Body::Instrument(def) => self.books.entry(def.id.0).or_default().def = *def,
            Body::Permit { instrument, permit } => {
                let book = self.books.entry(instrument.0).or_default();
                (book.restricted, book.keeps_hours) = (permit.restricted, permit.keeps_hours);
            }
            Body::Calendar { instrument, source, calendar } => {
                let at = usize::from(*source == CalendarSource::Venue);
                self.books.entry(instrument.0).or_default().sessions[at] = Some(*calendar);
            }
            Body::InstrumentStatus { instrument, status } => {
                self.books.entry(instrument.0).or_default().paused = *status != InstrumentStatus::Trading;
            }
            Body::Allow { strategy, allowed } => {
                let has = |id: &u16| allowed.instruments[usize::from(*id) / 64] >> (id % 64) & 1 == 1;
                self.allowed.remove(&strategy.0);
                if allowed.listed {
                    self.allowed.insert(strategy.0, (0..MAX_INSTRUMENTS as u16).filter(has).collect());
                }
            }
            Body::Quote(quote) => {
                let book = self.books.entry(quote.instrument.0).or_default();
                (book.bid, book.ask, book.at, book.connected) = (dec8(quote.bid_px.0), dec8(quote.ask_px.0), now, true);
                book.mids.push_back((now, (book.bid + book.ask) / Decimal::TWO));
                while book.mids.front().is_some_and(|(at, _)| now - at >= self.limits.price_move_window_ns) {
                    book.mids.pop_front();
                }
            }
            Body::Feed { instrument, state: FeedState::Disconnected } => {
                self.books.entry(instrument.0).or_default().connected = false;
            }
            Body::VenueState { venue, state } => self.venues[venue.index()].0 = *state,
            Body::Start { .. } => {
                // A start goes by the journaled road, which is on paper here, and by no command.
                self.caps = Caps::NONE;
                self.venues.iter_mut().for_each(|venue| venue.0 = VenueState::Down);
                self.books.values_mut().for_each(|book| {
                    book.connected = false;
                    book.paused = false;
                    // What was before a break says nothing of what comes after it.
                    book.mids.clear();
                });
            }
            Body::Balance(balance) => {
                self.balances.insert((balance.venue.0, balance.asset.0), dec8(balance.free) + dec8(balance.locked));
            }
            Body::Exec(report) if report.exec == ExecType::Trade => self.fill(report),
            Body::Command(command) => match command.action {
                Action::SetLimits(limits) => self.limits = limits,
                Action::SetCaps(caps) => self.caps = caps,
                Action::Close(id) => self.books.entry(id.0).or_default().closing = true,
                Action::SetTradingState { scope: Scope::Account, state } => {
                    self.trading = state;
                    if state == TradingState::Active {
                        self.high = self.pnl();
                    }
                }
                // Let loose by a person, it begins anew.
                Action::SetTradingState { scope: Scope::Strategy(id), state: TradingState::Active } => {
                    self.runs.remove(&id.0);
                }
                Action::Place(order) => self.reduce_only = order.reduce_only,
                _ => {}
            },
            Body::Tick => {
                let day = (now - self.limits.day_offset_ns).div_euclid(86_400 * SECOND);
                if day > self.day {
                    self.day = day;
                    self.day_start = self.pnl();
                    (self.orders_today, self.trades_today) = (0, 0);
                    self.day_halted = false;
                }
            }
            _ => {}
        }
    }

    fn fill(&mut self, report: &ExecReport) {
        if self.seen.insert((report.instrument.0, report.exec_id.lo), ()).is_some() {
            return;
        }
        self.filled = true;
        self.trades_today += 1;
        self.fills += 1;
        let (qty, px, fee) = (dec8(report.last_qty.0), dec8(report.last_px.0), dec8(report.fee));
        let sign = Decimal::from(report.side.sign());
        let book = self.books.get_mut(&report.instrument.0).unwrap();
        let in_base = report.fee_asset == book.def.base;
        book.net += sign * qty;
        book.cash -= sign * qty * px;
        if in_base {
            // Kept out of what was bought: sold, as it were, for the commission.
            book.net -= fee;
            book.cash += fee * px;
            book.fees += fee * px;
        } else {
            book.fees += fee;
        }
        let who = self.who.get(&report.order.0).copied().unwrap_or_default();
        *self.own.entry((who, report.instrument.0)).or_default() +=
            sign * qty - if in_base { fee } else { Decimal::ZERO };
        let (venue, base, quote) = (report.venue.0, book.def.base.0, book.def.quote.0);
        if self.venues[usize::from(venue)].0 == VenueState::Ready {
            *self.balances.entry((venue, base)).or_default() += sign * qty;
            *self.balances.entry((venue, quote)).or_default() -= sign * qty * px;
            if report.fee != 0 {
                *self.balances.entry((venue, report.fee_asset.0)).or_default() -= fee;
            }
        }
        if self.live.get(&report.order.0).is_some_and(|live| live.filled.is_zero()) && who != 0 {
            self.executed(who, report.side);
        }
        if let Some(live) = self.live.get_mut(&report.order.0) {
            live.filled += qty;
            if live.leaves().is_zero() {
                self.live.remove(&report.order.0);
            }
        }
    }

    /// A strategy's order fills for the first time.
    fn executed(&mut self, who: u8, side: Side) {
        let (toward, times) = self.runs.entry(who).or_insert((side, VecDeque::new()));
        if *toward != side {
            (*toward, *times) = (side, VecDeque::new());
        }
        times.push_back(self.now);
        let window = self.limits.runaway_window_ns;
        times.retain(|at| self.now - at < window);
        if times.len() as u64 > u64::from(self.limits.runaway_executions_max) {
            self.ran_away = Some(who);
        }
    }

    /// What losses and runaways must have restrained by now. Asked after what the core looks at them for: a quote, a fill, a
    /// tick.
    fn restrained(&mut self, core: &Core, body: &Body) -> Result<(), String> {
        if let Some(who) = self.ran_away
            && self.strategies.get(&who) != Some(&TradingState::Halted)
        {
            return Err(format!("strategy {who} ran away, and is not halted"));
        }
        if !self.filled && !matches!(body, Body::Quote(_) | Body::Tick) {
            return Ok(());
        }
        let (pnl, grain) = (self.pnl(), self.grain());
        self.high = self.high.max(pnl);
        let (fall, loss) = (self.high - pnl, self.day_start - pnl);
        let free = self.trading == TradingState::Active;
        if free && fall - grain >= (self.equity() + fall + grain) * ppm(self.limits.drawdown_reduce_ppm) {
            return Err(format!("a fall of {fall}, and trading is not reduced"));
        }
        let max = dec8(self.limits.daily_loss_max.0);
        if free && loss - grain >= max {
            return Err(format!("a loss of {loss} in the day, and trading is not reduced"));
        }
        // It halts once a day; then a person may let exits pass.
        let halt = max * ppm(self.limits.daily_loss_halt_ppm);
        if loss + grain >= halt && !self.day_halted {
            self.day_halted = true;
            let flattens = core.halt_when_flat && self.trading == TradingState::Reducing;
            if loss - grain >= halt && self.trading != TradingState::Halted && !flattens {
                return Err(format!("a loss of {loss} in the day, and trading is not halted"));
            }
        }
        Ok(())
    }

    /// Profit since the beginning: what came in, and what is held at the price it could be sold or bought back at.
    fn pnl(&self) -> Decimal {
        let of = |book: &Book| book.cash + book.net * (if book.net.is_sign_negative() { book.ask } else { book.bid });
        self.books.values().map(|book| of(book) - book.fees).sum()
    }

    fn equity(&self) -> Decimal {
        let value = |asset: u16| {
            let first = self.books.values().find(|book| book.def.base.0 == asset);
            if asset == USDT.0 { Decimal::ONE } else { first.map_or(Decimal::ZERO, |book| book.bid) }
        };
        self.balances.iter().map(|((_, asset), amount)| amount * value(*asset)).sum()
    }

    fn works(&self, id: u16, side: Side, strategy: Option<u8>) -> Decimal {
        let of = |live: &&Live| live.order.instrument.0 == id && live.order.side == side;
        let by = |live: &&Live| strategy.is_none_or(|id| live.order.strategy.0 == id);
        self.live.values().filter(of).filter(by).map(Live::leaves).sum()
    }

    /// The most that the position can come to either way, with so much more.
    fn worst(&self, id: u16, buy: Decimal, sell: Decimal) -> Decimal {
        let net = self.books[&id].net;
        let (up, down) = (net + self.works(id, Side::Buy, None) + buy, net - self.works(id, Side::Sell, None) - sell);
        up.abs().max(down.abs())
    }

    fn exposure(&self, which: impl Fn(u16, &Book) -> bool) -> Decimal {
        let zero = Decimal::ZERO;
        self.books.iter().filter(|(id, b)| which(**id, b)).map(|(id, b)| self.worst(*id, zero, zero) * b.ask).sum()
    }

    /// Opposite to the position, and with what works on that side no more than it.
    pub fn only_reduces(&self, id: u16, side: Side, qty: i64) -> bool {
        let Some(book) = self.books.get(&id) else { return false };
        let against = if side == Side::Sell { book.net > Decimal::ZERO } else { book.net < Decimal::ZERO };
        against && dec8(qty) + self.works(id, side, None) <= book.net.abs()
    }

    /// What the core said, in its order.
    pub fn hear(&mut self, core: &Core, body: &Body, effects: &[RecordedEffect]) -> Result<(), String> {
        let ended = match body {
            Body::Exec(report) => Some(report.order.0),
            Body::NotSent { order, .. } => Some(order.0),
            _ => None,
        };
        for effect in effects {
            match effect {
                EffectOf::Place(order) => {
                    self.check(core, order)?;
                    self.message(order.venue, order.strategy.0);
                }
                EffectOf::Cancel(cancel) => {
                    let who = self.who.get(&cancel.order.0).copied().unwrap_or_default();
                    self.message(cancel.venue, who);
                }
                EffectOf::Order(update) if update.status.is_closed() => {
                    if self.live.contains_key(&update.order.0) && ended != Some(update.order.0) {
                        return Err(format!("order {} ended, and nobody said so", update.order.0));
                    }
                    self.live.remove(&update.order.0);
                }
                EffectOf::Trading { scope, state } => match scope {
                    Scope::Account => self.trading = *state,
                    Scope::Venue(venue) => self.venues[venue.index()].1 = *state,
                    Scope::Strategy(id) => {
                        self.strategies.insert(id.0, *state);
                    }
                    Scope::Instrument(id) => self.books.entry(id.0).or_default().trading = *state,
                },
                EffectOf::Denied { instrument, side, qty, reason, .. }
                    if self.only_reduces(instrument.0, *side, qty.0) && GROWTH.contains(&reason.code()) =>
                {
                    return Err(format!("an exit of {} was denied: {reason}", dec8(qty.0)));
                }
                _ => {}
            }
        }
        self.restrained(core, body)?;
        for (id, book) in &mut self.books {
            book.closing = core.portfolio().get(InstrumentId(*id)).is_some_and(|inst| inst.closing.active);
        }
        Ok(())
    }

    /// What one message takes of a second.
    fn one(&self) -> Decimal {
        Decimal::ONE / Decimal::from(self.limits.orders_per_second_max.max(1))
    }

    fn message(&mut self, venue: VenueId, strategy: u8) {
        let (now, one) = (self.now, self.one());
        self.venue_spoken[venue.index()].take(now, one);
        self.strategy_spoken.entry(strategy).or_default().take(now, one);
    }

    /// Every limit, for an order that was sent.
    fn check(&mut self, core: &Core, order: &NewOrder) -> Result<(), String> {
        self.checked += 1;
        let id = order.instrument.0;
        let (limits, book) = (&self.limits, &self.books[&id]);
        let reduces = self.only_reduces(id, order.side, order.qty.0);
        let market = order.kind == OrderType::Market;
        let (qty, limit_px) = (dec8(order.qty.0), dec8(order.px.0));
        let px = if market { book.ask * (Decimal::ONE + ppm(limits.market_order_margin_ppm)) } else { limit_px };
        let notional = qty * px;
        let mut faults = Vec::new();
        let mut at_most = |what: &str, value: Decimal, max: Decimal| {
            if value > max {
                faults.push(format!("{what} {value} above {max}"));
            }
        };
        let usd = |usd: Usd| dec8(usd.0);
        let count = |n: u32| Decimal::from(n);
        // Held for exits too.
        let protects = core.orders().get(order.order).is_some_and(|o| o.protects);
        let of_strategy = self.strategies.get(&order.strategy.0).copied().unwrap_or_default();
        let strictest = [
            self.trading,
            self.venues[order.venue.index()].1,
            book.trading,
            // What a halted strategy holds is still protected.
            if protects { TradingState::Active } else { of_strategy },
        ];
        let strictest = strictest.into_iter().max().unwrap();
        at_most("trading state", Decimal::from(strictest as u8), Decimal::from(u8::from(reduces)));
        at_most("halted by the venue", Decimal::from(u8::from(book.paused)), Decimal::ZERO);
        let foreign = self.allowed.get(&order.strategy.0).is_some_and(|list| !list.contains(&id));
        at_most("not on the strategy's list", Decimal::from(u8::from(foreign)), Decimal::ZERO);
        let grows = self.reduce_only && order.strategy.0 == 0 && !reduces;
        at_most("growth by an order that is to reduce", Decimal::from(u8::from(grows)), Decimal::ZERO);
        // What was configured does not hold exits; the venue's own hours do. Beyond what is known nothing is sent.
        let [configured, venue] = &book.sessions;
        for (calendar, asked) in [(configured, !reduces), (venue, venue.is_some())] {
            let open = |calendar: &Calendar| {
                let within = |s: &Session| s.open_ns <= self.now && self.now < s.close_ns;
                self.now < calendar.known_until_ns && calendar.sessions.iter().any(within)
            };
            let shut = book.keeps_hours && asked && !calendar.as_ref().is_some_and(open);
            at_most("outside its hours", Decimal::from(u8::from(shut)), Decimal::ZERO);
        }
        let ready = self.venues[order.venue.index()].0 == VenueState::Ready;
        at_most("venue not ready", Decimal::from(u8::from(!ready)), Decimal::ZERO);
        let priced = book.connected && book.bid > Decimal::ZERO && book.bid < book.ask;
        at_most("no price", Decimal::from(u8::from(!priced)), Decimal::ZERO);
        at_most("age of the quote", Decimal::from(self.now - book.at), Decimal::from(limits.quote_age_max_ns));
        at_most("rest of the lot", qty % dec8(book.def.lot.0), Decimal::ZERO);
        at_most("smallest quantity", dec8(book.def.qty_min.0), qty);
        at_most("quantity", qty, dec8(book.def.qty_max.0));
        if !market {
            at_most("rest of the tick", limit_px % dec8(book.def.tick.0), Decimal::ZERO);
            at_most("smallest notional", usd(book.def.notional_min), notional);
            // The mid as a price of the instrument, rounded down.
            let mid = ((book.bid + book.ask) / Decimal::TWO).trunc_with_scale(8);
            at_most("distance from the mid", (limit_px - mid).abs(), mid * ppm(limits.price_collar_ppm));
        }
        let rests = |live: &&Live| {
            live.order.instrument.0 == id
                && live.order.side != order.side
                && live.order.kind != OrderType::Market
                && !matches!(live.order.tif, TimeInForce::Ioc | TimeInForce::Fok)
        };
        for own in self.live.values().filter(rests) {
            let own = dec8(own.order.px.0);
            let (reach, sign) = match order.side {
                Side::Buy => (px, Decimal::ONE),
                Side::Sell if market => {
                    (book.bid * (Decimal::ONE - ppm(limits.market_order_margin_ppm)), Decimal::NEGATIVE_ONE)
                }
                Side::Sell => (limit_px, Decimal::NEGATIVE_ONE),
            };
            // Strictly apart.
            at_most("distance to our own", sign * (reach - own), Decimal::new(-1, 9));
        }
        let (asset, needed) =
            if order.side == Side::Buy { (book.def.quote.0, notional) } else { (book.def.base.0, qty) };
        let holds = |live: &Live| match (live.order.venue == order.venue, live.order.side) {
            (false, _) => Decimal::ZERO,
            (_, Side::Buy) if asset == USDT.0 => live.leaves() * live.px,
            (_, Side::Sell) if asset == self.books[&live.order.instrument.0].def.base.0 => live.leaves(),
            _ => Decimal::ZERO,
        };
        let held: Decimal = self.live.values().map(holds).sum();
        let balance = self.balances.get(&(order.venue.0, asset)).copied().unwrap_or_default();
        at_most("balance", needed + held, balance);
        if !reduces {
            at_most("restricted or closing", Decimal::from(u8::from(book.restricted || book.closing)), Decimal::ZERO);
            at_most("order notional", notional, usd(limits.order_notional_max));
            let (buy, sell) = if order.side == Side::Buy { (qty, Decimal::ZERO) } else { (Decimal::ZERO, qty) };
            let position = self.worst(id, buy, sell) * px.max(book.ask);
            at_most("position notional", position, usd(limits.position_notional_max));
            let gross = self.exposure(|_, _| true) + notional;
            let equity = self.equity() + self.grain();
            at_most("leverage", gross, equity * Decimal::new(limits.leverage_max_ppm as i64, 6));
            at_most("least equity", usd(limits.account_balance_min), equity);
            at_most("gross exposure", gross, usd(limits.exposure_gross_max));
            let there = |venue: VenueId| self.exposure(|_, b| b.def.venue == venue) + notional;
            at_most("exposure at the venue", there(order.venue), usd(limits.exposure_venue_max));
            let in_it = self.exposure(|_, b| b.def.base == book.def.base) + notional;
            at_most("exposure in the asset", in_it, usd(limits.exposure_asset_max));
            let group = |id: u16| core.portfolio().get(InstrumentId(id)).unwrap().group;
            let own = group(id);
            let alike = self.exposure(|other, _| own.is_unknown() || group(other).is_unknown() || group(other) == own);
            at_most("correlated exposure", alike + notional, usd(limits.correlated_exposure_max));
            let toward = |b: &Book, id: u16| match order.side {
                Side::Buy => (b.net + self.works(id, Side::Buy, None)) * b.ask,
                Side::Sell => -(b.net - self.works(id, Side::Sell, None)) * b.ask,
            };
            let net: Decimal = self.books.iter().map(|(id, b)| toward(b, *id)).sum();
            at_most("net exposure", net + notional, usd(limits.exposure_net_max));
            let strategy = order.strategy.0;
            if strategy != 0 {
                let mine = self.own.get(&(strategy, id)).copied().unwrap_or_default();
                let up = mine + self.works(id, Side::Buy, Some(strategy)) + buy;
                let down = mine - self.works(id, Side::Sell, Some(strategy)) - sell;
                let worst = up.abs().max(down.abs()) * px.max(book.ask);
                at_most("strategy exposure", worst, usd(limits.strategy_exposure_max));
            }
            // The core counts in whole nanoseconds, and cuts what a message takes to them.
            let room = Decimal::ONE - self.one() + Decimal::new(10, 6);
            let spoken = self.strategy_spoken.get(&strategy).copied().unwrap_or_default();
            at_most("messages to the venue", self.venue_spoken[order.venue.index()].left(self.now), room);
            at_most("messages of the strategy", spoken.left(self.now), room);
            let within = book.mids.iter().filter(|(at, _)| self.now - at < limits.price_move_window_ns);
            let (low, high) =
                within.fold((Decimal::MAX, Decimal::ZERO), |(low, high), (_, mid)| (low.min(*mid), high.max(*mid)));
            if high > Decimal::ZERO {
                // The core cuts each mid to the instrument's scale.
                at_most("move of the price", high - low, low * ppm(limits.price_move_max_ppm) + Decimal::new(2, 8));
            }
            let open = self.live.len() as u32;
            at_most("open orders", count(open) + Decimal::ONE, count(limits.open_orders_max));
            at_most("orders of the day", count(self.orders_today) + Decimal::ONE, count(limits.orders_per_day_max));
            if self.orders_today >= limits.order_to_trade_orders_min {
                let most = count(limits.order_to_trade_max) * count(self.trades_today.max(1));
                at_most("orders for each trade", count(self.orders_today) + Decimal::ONE, most);
            }
            let loss = self.day_start - self.pnl();
            at_most("loss of the day", loss, usd(limits.daily_loss_max) + self.grain());
            let same = |(at, by, other): &&(Nanos, u8, NewOrder)| {
                self.now - at < limits.duplicate_window_ns
                    && *by == strategy
                    && (other.instrument, other.side, other.kind, other.qty, other.px)
                        == (order.instrument, order.side, order.kind, order.qty, order.px)
            };
            let twins = self.sent.iter().rev().take(400).filter(same).count();
            at_most("the same order", Decimal::from(twins as u64), Decimal::ZERO);
            if self.caps.stage > 0 {
                at_most("cap of an order", notional, usd(self.caps.order_notional_max));
                at_most("cap of a position", position, usd(self.caps.position_notional_max));
                at_most("cap of exposure", gross, usd(self.caps.exposure_gross_max));
                at_most("cap of orders", count(self.orders_today) + Decimal::ONE, count(self.caps.orders_per_day_max));
                at_most("cap of open orders", count(open) + Decimal::ONE, count(self.caps.open_orders_max));
            }
            at_most("risk score", self.score(core, id, notional), count(limits.risk_score_max));
        }
        let live = Live { order: *order, filled: Decimal::ZERO, px };
        if !faults.is_empty() {
            return Err(format!("{order:?} was sent against: {}", faults.join("; ")));
        }
        self.live.insert(order.order.0, live);
        self.who.insert(order.order.0, order.strategy.0);
        self.orders_today += 1;
        self.sent.push((self.now, order.strategy.0, *order));
        if self.sent.len() > 4_000 {
            self.sent.drain(..2_000);
        }
        Ok(())
    }

    /// The score with so much more of an instrument, from below: each part without what the core rounds up.
    fn score(&self, core: &Core, id: u16, more: Decimal) -> Decimal {
        let limits = &self.limits;
        let moves = |id: u16| match core.portfolio().get(InstrumentId(id)).unwrap().moves_ppm {
            0 => ppm(limits.volatility_assumed_ppm),
            known => ppm(known),
        };
        let zero = Decimal::ZERO;
        let moving: Decimal = self.books.iter().map(|(id, b)| self.worst(*id, zero, zero) * b.ask * moves(*id)).sum();
        let gross = self.exposure(|_, _| true) + more;
        let (pnl, equity) = (self.pnl(), self.equity());
        let fall = self.high - pnl - self.grain();
        // The core cuts what it multiplies: a dollar's millionth is given to each part.
        let grain = Decimal::new(1, 5);
        let used = |part: Decimal, whole: Decimal| {
            if part <= grain {
                Decimal::ZERO
            } else if whole <= Decimal::ZERO || part >= whole {
                Decimal::ONE
            } else {
                (part - grain) / whole
            }
        };
        let whole = |usd: Usd| dec8(usd.0);
        let parts = [
            used((moving + more * moves(id)) * Decimal::new(233, 2), whole(limits.value_at_risk_max)),
            used(gross, equity * Decimal::new(limits.leverage_max_ppm as i64, 6)),
            used(gross, whole(limits.exposure_gross_max)),
            used(self.day_start - pnl, whole(limits.daily_loss_max)),
            used(fall, (equity + fall) * ppm(limits.drawdown_halt_ppm)),
        ];
        parts.iter().zip(PARTS).map(|(part, (_, weight))| part * Decimal::from(weight)).sum()
    }

    /// What profits and balances may be apart: the core rounds each fill's payment and commission up to a 10^-8, and
    /// each instrument's profit down.
    fn grain(&self) -> Decimal {
        Decimal::new(2 * self.fills as i64 + 20, 8)
    }

    /// The core's sums against these books, to the rounding of each instrument.
    pub fn compare(&self, core: &Core) -> Result<(), String> {
        let portfolio = core.portfolio();
        let grain = Decimal::new(10, 8);
        let near = |what: &str, got: i64, want: Decimal| {
            let off = (dec8(got) - want).abs();
            if off > grain { Err(format!("{what}: the core has {}, the fills say {want}", dec8(got))) } else { Ok(()) }
        };
        for (id, book) in &self.books {
            let inst = portfolio.get(InstrumentId(*id)).unwrap();
            near("net", inst.position.net.0, book.net)?;
            near("working buys", inst.working.buy.0, self.works(*id, Side::Buy, None))?;
            near("working sells", inst.working.sell.0, self.works(*id, Side::Sell, None))?;
        }
        near("exposure", portfolio.totals.exposure.0, self.exposure(|_, _| true))?;
        for (what, got, want) in
            [("equity", portfolio.totals.equity, self.equity()), ("profit", portfolio.totals.pnl(), self.pnl())]
        {
            if (dec8(got.0) - want).abs() > self.grain() {
                return Err(format!("{what}: the core has {got}, the fills say {want}"));
            }
        }
        for venue in [VENUE, OTHER] {
            near("venue", portfolio.venue_exposure(venue).0, self.exposure(|_, b| b.def.venue == venue))?;
        }
        for asset in [BTC_ASSET, AssetId(2)] {
            near("asset", portfolio.asset_exposure(asset, false).0, self.exposure(|_, b| b.def.base == asset))?;
        }
        if core.orders().live_count() != self.live.len() {
            return Err(format!("{} orders are open, {} should be", core.orders().live_count(), self.live.len()));
        }
        let shown = Score::of(&portfolio.totals, core.losses(), core.limits(), Usd::ZERO, Usd::ZERO);
        let want = self.score(core, 0, Decimal::ZERO);
        if Decimal::from(shown.score) < want.floor() || Decimal::from(shown.score) > want + Decimal::TWO {
            return Err(format!("the score is {}, not {want}", shown.score));
        }
        Ok(())
    }
}

/// Rules that exist to stop growth.
const GROWTH: [&str; 20] = [
    "NOT_LIVE",
    "INSTRUMENT_RESTRICTED",
    "ORDER_NOTIONAL_ABOVE_MAX",
    "PRICE_JUMPED",
    "DUPLICATE_ORDER",
    "ORDER_RATE_ABOVE_MAX",
    "ORDERS_PER_DAY_ABOVE_MAX",
    "ORDER_TO_TRADE_ABOVE_MAX",
    "OPEN_ORDERS_ABOVE_MAX",
    "ACCOUNT_BELOW_MIN",
    "POSITION_NOTIONAL_ABOVE_MAX",
    "LEVERAGE_ABOVE_MAX",
    "GROSS_EXPOSURE_ABOVE_MAX",
    "NET_EXPOSURE_ABOVE_MAX",
    "ASSET_EXPOSURE_ABOVE_MAX",
    "CORRELATED_EXPOSURE_ABOVE_MAX",
    "RISK_SCORE_ABOVE_MAX",
    "DAILY_LOSS_REACHED",
    "STAGE_CAP_REACHED",
    "NOT_REDUCING",
];

/// Two more ask an order whether it reduces, and hold then.
#[test]
fn the_core_tells_of_the_same_rules_that_they_only_stop_growth() {
    let told: Vec<&str> = RULES.into_iter().filter(|code| crate::core::risk::stops_growth(code)).collect();
    let asked = ["INSTRUMENT_RESTRICTED", "NOT_REDUCING"];
    let mut held: Vec<&str> = GROWTH.into_iter().filter(|code| !asked.contains(code)).collect();
    held.sort_by_key(|code| RULES.iter().position(|rule| rule == code));
    assert_eq!(told, held);
    assert!(!crate::core::risk::stops_growth("NO_SUCH_RULE"));
}
