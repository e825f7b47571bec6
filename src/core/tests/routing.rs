//! Routes: which leg takes an order, when it moves on, and that it never fills more than was asked.

use super::gate::OTHER;
use super::*;
use crate::core::command::Route;
use crate::core::routing::{LegState, RouteConfig, RoutePolicy, Routed};

const TWIN: InstrumentId = InstrumentId(1);

/// Bitcoin at two venues: 10 bips and 25 bips of fee.
fn routed(policy: RoutePolicy) -> Rig {
    let mut rig = Rig::unconnected();
    rig.step(Body::Venue { venue: OTHER, name: Text::new("other") });
    rig.step(Body::Instrument(Instrument { taker_fee_ppm: 1_000, ..btcusdt() }));
    rig.step(Body::Instrument(Instrument {
        id: TWIN,
        venue: OTHER,
        symbol: Text::new("BTC/USD"),
        taker_fee_ppm: 2_500,
        qty_scale: 9,
        lot: Qty(10_000),
        qty_min: Qty(10_000),
        qty_max: Qty(900 * E8),
        ..btcusdt()
    }));
    rig.step(Body::Route(RouteConfig { policy, count: 2, legs: [BTC, TWIN, BTC, BTC] }));
    for venue in [VENUE, OTHER] {
        connect(&mut rig, venue);
    }
    rig.quote(60_000);
    quote_twin(&mut rig, 60_000);
    rig
}

fn connect(rig: &mut Rig, venue: VenueId) {
    rig.step(Body::VenueState { venue, state: VenueState::Syncing });
    for (asset, free) in [(USDT, 1_000_000 * E8), (BTC_ASSET, 100 * E8)] {
        rig.step(Body::Balance(Balance { venue, asset, free, locked: 0, ts_event_ns: 0 }));
    }
    rig.step(Body::Reconciled { venue });
    rig.step(Body::VenueState { venue, state: VenueState::Ready });
    let instrument = if venue == VENUE { BTC } else { TWIN };
    rig.step(Body::Feed { instrument, state: FeedState::Live });
}

fn quote_twin(rig: &mut Rig, px: i64) {
    rig.step(Body::Quote(Quote {
        instrument: TWIN,
        bid_px: Price(px * E8 - E8 / 100),
        bid_qty: Qty(10 * E8),
        ask_px: Price(px * E8 + E8 / 100),
        ask_qty: Qty(10 * E8),
        update_id: 1,
        ts_event_ns: 0,
    }));
}

fn sent(effects: &[RecordedEffect]) -> Vec<NewOrder> {
    effects.iter().filter_map(|e| if let EffectOf::Place(order) = e { Some(*order) } else { None }).collect()
}

fn decision(effects: &[RecordedEffect]) -> Option<Routed> {
    effects.iter().find_map(|e| if let EffectOf::Routed(routed) = e { Some(*routed) } else { None })
}

fn buy(rig: &mut Rig, order: PlaceOrder) -> (Vec<RecordedEffect>, Option<NewOrder>) {
    let effects = rig.command(Action::Place(order));
    let order = sent(&effects).first().copied();
    (effects, order)
}

fn answer(rig: &mut Rig, order: &NewOrder, exec: ExecType) -> Vec<RecordedEffect> {
    answer_with(rig, order, exec, RejectReason::MarketClosed)
}

fn answer_with(rig: &mut Rig, order: &NewOrder, exec: ExecType, reject: RejectReason) -> Vec<RecordedEffect> {
    rig.step(Body::Exec(ExecReport {
        order: order.order,
        instrument: order.instrument,
        venue: order.venue,
        exec,
        reject,
        ..ExecReport::default()
    }))
}

#[test]
fn each_policy_takes_its_leg_and_says_what_it_saw() {
    use RoutePolicy::{BestPrice, LowestFee, PrimaryThenFallback};
    // The twin's price, the policy, who takes it: fifteen bips of fee are 90 dollars of 60,000.
    for (twin, policy, leg) in [
        (50_000, PrimaryThenFallback, BTC),
        (50_000, LowestFee, BTC),
        (59_000, BestPrice, TWIN),
        (59_911, BestPrice, BTC),
        (59_909, BestPrice, TWIN),
    ] {
        let mut rig = routed(policy);
        quote_twin(&mut rig, twin);
        let (effects, order) = buy(&mut rig, Rig::order(Side::Buy, E8 / 100));
        assert_eq!(order.unwrap().instrument, leg, "{policy:?} at {twin}: {effects:?}");
        let seen = decision(&effects).unwrap();
        assert_eq!((seen.policy, seen.order, seen.count), (policy, order.unwrap().order, 2));
        assert_eq!(seen.legs[1].px, Price(twin * E8 + E8 / 100));
        assert_eq!(seen.legs[1].fee_ppm, 2_500);
    }
}

#[test]
fn an_order_goes_round_what_cannot_be_used_and_a_pinned_one_does_not() {
    let policy = RoutePolicy::PrimaryThenFallback;
    let order = Rig::order(Side::Buy, E8 / 100);
    let mut rig = routed(policy);
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Down });
    let (effects, there) = buy(&mut rig, order);
    assert_eq!(there.unwrap().instrument, TWIN);
    assert_eq!(there.unwrap().qty, Qty(E8 / 10), "in the other venue's scale");
    assert_eq!(decision(&effects).unwrap().legs[0].state, LegState::VenueNotReady);
    let (pinned, none) = buy(&mut rig, PlaceOrder { route: Route::Venue(VENUE), ..order });
    assert!(none.is_none(), "{pinned:?}");

    let mut rig = routed(policy);
    rig.step(Body::Feed { instrument: BTC, state: FeedState::Gap });
    let (effects, there) = buy(&mut rig, order);
    assert_eq!(there.unwrap().instrument, TWIN, "{effects:?}");
    assert_eq!(decision(&effects).unwrap().legs[0].state, LegState::Stale);

    // Nowhere at all: the denial is that of the instrument asked for.
    rig.step(Body::VenueState { venue: VENUE, state: VenueState::Down });
    rig.step(Body::VenueState { venue: OTHER, state: VenueState::Down });
    let (effects, none) = buy(&mut rig, order);
    assert!(none.is_none());
    let reason =
        effects.iter().find_map(|e| if let EffectOf::Denied { reason, .. } = e { Some(*reason) } else { None });
    assert_eq!(reason, Some(DenyReason::VenueNotReady));
}

#[test]
fn it_moves_on_only_when_it_certainly_is_not_there() {
    let order = Rig::order(Side::Buy, E8 / 100);
    let policy = RoutePolicy::PrimaryThenFallback;
    let moved = |effects: &[RecordedEffect]| sent(effects).first().map(|o| o.instrument);

    let mut rig = routed(policy);
    let first = buy(&mut rig, order).1.unwrap();
    let effects = rig.step(Body::NotSent { order: first.order, text: Text::default() });
    assert_eq!(moved(&effects), Some(TWIN), "never written");
    assert_eq!(decision(&effects).unwrap().after, first.order);
    assert_eq!(decision(&effects).unwrap().legs[0].state, LegState::Tried);
    let second = sent(&effects)[0];
    let effects = answer(&mut rig, &second, ExecType::Rejected);
    assert_eq!(moved(&effects), None, "nobody is left");

    let mut rig = routed(policy);
    let first = buy(&mut rig, order).1.unwrap();
    let effects = answer(&mut rig, &first, ExecType::Rejected);
    assert_eq!(moved(&effects), Some(TWIN), "rejected at once");

    for reject in RejectReason::ALL {
        let mut rig = routed(policy);
        let first = buy(&mut rig, order).1.unwrap();
        let effects = answer_with(&mut rig, &first, ExecType::Rejected, reject);
        let there = reject.is_of_the_venue().then_some(TWIN);
        assert_eq!(moved(&effects), there, "{}", reject.as_str());
        // An answer that is told again moves nothing, whatever it says then.
        let again = answer_with(&mut rig, &first, ExecType::Rejected, RejectReason::MarketClosed);
        assert_eq!(moved(&again), None, "{}", reject.as_str());
    }

    for before in [ExecType::Unknown, ExecType::New] {
        let mut rig = routed(policy);
        let first = buy(&mut rig, order).1.unwrap();
        answer(&mut rig, &first, before);
        assert_eq!(moved(&answer(&mut rig, &first, ExecType::Rejected)), None, "after {before:?}");
    }
    let mut rig = routed(policy);
    let first = buy(&mut rig, order).1.unwrap();
    rig.command(Action::Cancel(first.order));
    assert_eq!(moved(&answer(&mut rig, &first, ExecType::Rejected)), None, "its end was asked for");

    let mut rig = routed(policy);
    let first = buy(&mut rig, order).1.unwrap();
    answer(&mut rig, &first, ExecType::Unknown);
    let effects = rig.step(Body::NotSent { order: first.order, text: Text::default() });
    assert_eq!(moved(&effects), None, "it was unknown for a moment");
}

#[test]
fn the_best_price_is_what_the_quantity_would_pay_and_not_the_touch() {
    let mut rig = routed(RoutePolicy::BestPrice);
    quote_twin(&mut rig, 60_000);
    // A cent above the touch for a hundredth, two hundred dollars more for the rest: fifteen bips are 90.
    deep(&mut rig, BTC, &[(60_000 * E8 + E8 / 100, E8 / 100), (60_200 * E8, E8)]);
    for (qty, leg) in [(E8 / 100, BTC), (E8 / 50, TWIN), (E8 / 75, BTC)] {
        let (effects, there) = buy(&mut rig, Rig::order(Side::Buy, qty / 1_000 * 1_000));
        assert_eq!(there.unwrap().instrument, leg, "{qty}: {effects:?}");
    }
}

/// A book with these asks and one far bid.
fn deep(rig: &mut Rig, instrument: InstrumentId, asks: &[(i64, i64)]) {
    let kind = DepthKind::Snapshot;
    let mut chunk =
        DepthChunk { instrument, kind, first: true, last: true, bids: 1, update_id: 7, ..DepthChunk::default() };
    chunk.asks = asks.len() as u8;
    chunk.levels[0] = Level { px: Price(50_000 * E8), qty: Qty(E8) };
    for (level, (px, qty)) in chunk.levels[1..].iter_mut().zip(asks) {
        *level = Level { px: Price(*px), qty: Qty(*qty) };
    }
    rig.step(Body::Depth(chunk));
}

#[test]
fn a_split_order_goes_to_each_by_what_it_shows_and_never_beyond_what_was_asked() {
    // Asked in 10^-8 of a coin; what each shows; what each gets. The lots are 10^-5 of a coin at both.
    for (asked, here, there, parts) in [
        (4_000_000, 3 * E8, E8, vec![(BTC, 3_000_000), (TWIN, 1_000_000)]),
        (4_000_000, E8, 3 * E8, vec![(TWIN, 3_000_000), (BTC, 1_000_000)]),
        (1_000_000, 2 * E8, E8, vec![(BTC, 667_000), (TWIN, 333_000)]),
        (4_000_000, E8, 0, vec![(BTC, 4_000_000)]),
    ] {
        let mut rig = routed(RoutePolicy::Split);
        deep(&mut rig, BTC, &[(60_000 * E8 + E8 / 100, here)]);
        rig.step(Body::Quote(Quote {
            instrument: TWIN,
            bid_px: Price(59_999 * E8),
            bid_qty: Qty(10 * E8),
            ask_px: Price(60_000 * E8),
            ask_qty: Qty(there * 10),
            update_id: 2,
            ts_event_ns: 0,
        }));
        let order = PlaceOrder { client: Text::new("mine"), ..Rig::order(Side::Buy, asked) };
        let effects = rig.command(Action::Place(order));
        let scale = |order: &NewOrder| if order.instrument == TWIN { 10 } else { 1 };
        let got: Vec<_> = sent(&effects).iter().map(|o| (o.instrument, o.qty.0 / scale(o))).collect();
        assert_eq!(got, parts, "{effects:?}");
        let told: Vec<Routed> =
            effects.iter().filter_map(|e| if let EffectOf::Routed(r) = e { Some(*r) } else { None }).collect();
        assert_eq!(told.iter().map(|r| r.part.0).sum::<i64>(), asked, "{told:?}");
        assert_eq!((told[0].policy, told[0].legs[0].size), (RoutePolicy::Split, Qty(here)));
        let named = rig.core.orders().by_client(Text::new("mine"));
        assert_eq!(named, Some(sent(&effects)[0].order), "the first part has the asker's name");
    }
}

#[test]
fn what_one_order_may_not_be_its_parts_may_not_be_together() {
    let mut rig = routed(RoutePolicy::Split);
    let whole = rig.core.limits().order_notional_max;
    // A little above the limit at 60,000 dollars; each half is below it.
    let qty = (i128::from(whole.0) * 11 / 10 / 60_000) as i64 / 1_000 * 1_000;
    let effects = rig.command(Action::Place(Rig::order(Side::Buy, qty)));
    assert!(sent(&effects).is_empty(), "{effects:?}");
    let denied = effects.iter().any(|e| matches!(e, EffectOf::Denied { .. }));
    assert!(denied, "{effects:?}");
}

#[test]
fn a_part_that_is_turned_away_moves_and_takes_the_name_with_it() {
    let mut rig = routed(RoutePolicy::Split);
    let order = PlaceOrder { client: Text::new("mine"), ..Rig::order(Side::Buy, E8 / 50) };
    let effects = rig.command(Action::Place(order));
    let parts = sent(&effects);
    assert_eq!(parts.len(), 2, "{effects:?}");
    let moved = answer(&mut rig, &parts[0], ExecType::Rejected);
    let again = sent(&moved)[0];
    assert_eq!(again.instrument, parts[1].instrument);
    assert_eq!(decision(&moved).unwrap().after, parts[0].order);
    assert_eq!(rig.core.orders().by_client(Text::new("mine")), Some(again.order));
}

/// SplitMix64: small, and the same everywhere.
fn dice(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % below
}

/// Whether an order lives at its venue, whatever the core has heard, and what the venue still fills of it.
struct AtVenue {
    order: NewOrder,
    lives: bool,
    left: i64,
    /// Whose it is: a place in `Asks`.
    ask: usize,
    /// The order whose place it takes, which the venue ends before this one lives.
    replaces: Option<OrderId>,
    /// The venue has put another in its place; the word of that may still be on its way.
    gone: bool,
}

/// What was asked for, each with what has filled of it, and which order is for which. A replacement asks anew.
#[derive(Default)]
struct Asks {
    all: Vec<(i64, i64)>,
    orders: Vec<(OrderId, usize)>,
    replaced: Vec<OrderId>,
    moves: u64,
}

impl Asks {
    fn of(&self, order: OrderId) -> usize {
        self.orders.iter().find(|(id, _)| *id == order).expect("an order that was asked for").1
    }

    /// New orders that go out: the first, parts, and those that took another's place at another venue.
    fn take(&mut self, effects: &[RecordedEffect], there: &mut Vec<AtVenue>) {
        for effect in effects {
            let EffectOf::Place(order) = effect else { continue };
            let after = effects.iter().find_map(|e| match e {
                EffectOf::Routed(r) if r.order == order.order && r.after != OrderId::FOREIGN => Some(r.after),
                _ => None,
            });
            if let Some(after) = after {
                self.moves += 1;
                assert!(!self.replaced.contains(&after), "{after} was replaced, or replaced another, and moved");
            }
            let ask = after.map_or(0, |after| self.of(after));
            self.add(order, ask, None, there);
        }
    }

    fn add(&mut self, order: &NewOrder, ask: usize, replaces: Option<OrderId>, there: &mut Vec<AtVenue>) {
        self.orders.push((order.order, ask));
        let left = order.qty.0 / scale(order);
        there.push(AtVenue { order: *order, lives: false, left, ask, replaces, gone: false });
    }
}

fn scale(order: &NewOrder) -> i64 {
    if order.instrument == TWIN { 10 } else { 1 }
}

/// The order lives: what it replaced does not any more.
fn comes_to_life(there: &mut [AtVenue], at: usize) {
    there[at].lives = true;
    if let Some(old) = there[at].replaces
        && let Some(old) = there.iter_mut().find(|order| order.order.order == old)
    {
        (old.lives, old.left, old.gone) = (false, 0, true);
    }
}

#[test]
fn no_sequence_of_faults_fills_more_than_was_asked() {
    let (mut moves, mut filled_whole, mut sequences, mut cut, mut replaced) = (0, 0, 0, 0, 0);
    for seed in 0..120u64 {
        let mut seed = seed;
        use RoutePolicy::{BestPrice, PrimaryThenFallback, Split};
        let mut rig = routed([PrimaryThenFallback, Split, BestPrice][(seed % 3) as usize]);
        for inst in [BTC, TWIN] {
            let def = rig.core.portfolio().get(inst).unwrap().def;
            rig.step(Body::Instrument(Instrument { can: def.can.with(Feature::Replace), ..def }));
        }
        for _ in 0..100 {
            sequences += 1;
            for venue in [VENUE, OTHER] {
                connect(&mut rig, venue);
            }
            rig.wait(2 * SECOND);
            rig.quote(60_000);
            quote_twin(&mut rig, 60_000);
            // Buys and sells in turn keep the position small; the quantity differs, so none is a duplicate.
            let side = if sequences % 2 == 0 { Side::Buy } else { Side::Sell };
            let asked = E8 / 1_000 + dice(&mut seed, 50) as i64 * 1_000;
            let effects = rig.command(Action::Place(Rig::order(side, asked)));
            let mut there: Vec<AtVenue> = Vec::new();
            let mut asks = Asks { all: vec![(asked, 0)], ..Asks::default() };
            asks.take(&effects, &mut there);
            cut += u64::from(there.len() > 1);
            for _ in 0..14 {
                if there.is_empty() {
                    break;
                }
                let at = dice(&mut seed, there.len() as u64) as usize;
                let order = there[at].order;
                let effects = match dice(&mut seed, 12) {
                    _ if there[at].gone => {
                        there.remove(at);
                        answer(&mut rig, &order, ExecType::Canceled)
                    }
                    // The venue's word is true: what it rejects, and what was never written, does not live there.
                    0 if !there[at].lives => {
                        there.remove(at);
                        rig.step(Body::NotSent { order: order.order, text: Text::default() })
                    }
                    1 | 2 if !there[at].lives => {
                        there.remove(at);
                        let why = RejectReason::ALL[dice(&mut seed, 8) as usize];
                        answer_with(&mut rig, &order, ExecType::Rejected, why)
                    }
                    3 => {
                        // No answer: it may live or not, and the venue alone knows.
                        if dice(&mut seed, 2) == 0 {
                            comes_to_life(&mut there, at);
                        }
                        answer(&mut rig, &order, ExecType::Unknown)
                    }
                    4 => {
                        comes_to_life(&mut there, at);
                        answer(&mut rig, &order, ExecType::New)
                    }
                    5 | 6 if there[at].left > 0 => {
                        comes_to_life(&mut there, at);
                        let part = if dice(&mut seed, 2) == 0 { there[at].left } else { (there[at].left / 2).max(1) };
                        there[at].left -= part;
                        asks.all[there[at].ask].1 += part;
                        rig.trades += 1;
                        let exec_id = ExecId::from_u64(rig.trades);
                        rig.step(Body::Exec(ExecReport {
                            order: order.order,
                            instrument: order.instrument,
                            venue: order.venue,
                            exec: ExecType::Trade,
                            side,
                            exec_id,
                            last_qty: Qty(part * scale(&order)),
                            last_px: Price(60_000 * E8),
                            ..ExecReport::default()
                        }))
                    }
                    7 => rig.step(Body::VenueState { venue: order.venue, state: VenueState::Down }),
                    8 | 9 if there[at].lives && there[at].left > 0 => {
                        // Another of the same size or less is to take its place; the gate may say no.
                        let qty = E8 / 1_000 + dice(&mut seed, 90) as i64 * 1_000;
                        let px = Price((59_000 + dice(&mut seed, 900) as i64) * E8);
                        let symbol = if order.instrument == TWIN { "BTC/USD" } else { "BTCUSDT" };
                        let new = PlaceOrder {
                            instrument: order.instrument,
                            symbol: Text::new(symbol),
                            kind: OrderType::Limit,
                            px,
                            ..Rig::order(side, qty * scale(&order))
                        };
                        let mode = ReplaceMode::StopOnFailure;
                        let effects = rig.command(Action::Replace { order: order.order, mode, new });
                        if let Some(EffectOf::Replace { new, .. }) = effects.first() {
                            replaced += 1;
                            asks.all.push((qty, 0));
                            let ask = asks.all.len() - 1;
                            asks.replaced.extend([order.order, new.order]);
                            asks.add(new, ask, Some(order.order), &mut there);
                        }
                        effects
                    }
                    // The replacement is refused: the old one stands as it stood.
                    10 if there[at].replaces.is_some() && !there[at].lives => {
                        let new = there.remove(at);
                        let why = RejectReason::ALL[dice(&mut seed, 8) as usize];
                        let mut effects = answer_with(&mut rig, &new.order, ExecType::Rejected, why);
                        if let Some(old) = there.iter().find(|o| Some(o.order.order) == new.replaces && o.lives) {
                            effects.extend(answer(&mut rig, &old.order, ExecType::CancelRejected));
                        }
                        effects
                    }
                    _ => rig.step(Body::Feed { instrument: order.instrument, state: FeedState::Gap }),
                };
                asks.take(&effects, &mut there);
                for (ask, (asked, filled)) in asks.all.iter().enumerate() {
                    // Whatever lives may still fill in full.
                    let alive = there.iter().filter(|order| order.lives && order.ask == ask);
                    let may: i64 = alive.map(|order| order.left).sum();
                    assert!(filled + may <= *asked, "{filled} filled, {may} alive of {asked} in sequence {sequences}");
                }
            }
            moves += asks.moves;
            filled_whole += u64::from(asks.all[0].1 == asked);
            // What is left ends before the next, so that the table and the limits stay clear.
            for left in there {
                answer(&mut rig, &left.order, ExecType::Canceled);
            }
        }
    }
    let counts = (sequences, moves, cut, replaced, filled_whole);
    let enough = moves > 500 && cut > 500 && replaced > 500 && filled_whole > 500;
    assert!(sequences >= 10_000 && enough, "{counts:?}");
}
