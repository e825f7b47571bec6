//! A market, a core and a venue that fills what it is sent: a journal's records for tests, as many as wanted.

use crate::core::Core;
use crate::core::command::{Action, Command, PlaceOrder};
use crate::core::config::Limits;
use crate::core::effect::{EffectOf, Outbox, RecordedEffect};
use crate::core::event::{Body, Event};
use crate::domain::*;
use crate::journal::{Journal, JournalConfig, JournalFlusher};
use std::path::Path;

pub const E8: i64 = 100_000_000;
/// 2025-08-01, midnight UTC.
pub const START_NS: Nanos = 1_754_006_400_000_000_000;
pub const BTC: InstrumentId = InstrumentId(0);

fn limits() -> Limits {
    Limits {
        order_notional_max: Usd::dollars(5_000),
        position_notional_max: Usd::dollars(1_000_000),
        leverage_max_ppm: 100_000_000,
        account_balance_min: Usd::dollars(1),
        daily_loss_max: Usd::dollars(1_000_000),
        quote_age_max_ns: i64::MAX,
        market_order_margin_ppm: 5_000,
        open_orders_max: 20,
        ack_timeout_ns: i64::MAX,
        not_found_after_ns: i64::MAX,
        query_interval_ns: i64::MAX,
        reconcile_interval_ns: i64::MAX,
        day_offset_ns: 0,
        ..Limits::LOOSEST
    }
}

fn instrument() -> Instrument {
    Instrument {
        symbol: Text::new("BTCUSDT"),
        base: AssetId(1),
        quote: AssetId(0),
        base_name: Text::new("BTC"),
        quote_name: Text::new("USDT"),
        status: InstrumentStatus::Trading,
        px_scale: 8,
        qty_scale: 8,
        quote_is_usd: true,
        tick: Price(E8 / 100),
        lot: Qty(1_000),
        ..Instrument::default()
    }
}

/// Where records go.
pub type Sink<'a> = &'a mut dyn FnMut(&Event, &Outbox);

pub struct Market {
    pub core: Core,
    out: Outbox,
    pub ts_ns: Nanos,
    step_ns: Nanos,
    random: u64,
    px: i64,
    exec: u64,
}

impl Market {
    /// A core that is connected and has 100,000 USDT and 10 BTC; `step_ns` passes between two events.
    pub fn open(step_ns: Nanos, sink: Sink) -> Market {
        let mut market = Market {
            core: Core::new(),
            out: Outbox::new(),
            ts_ns: START_NS,
            step_ns,
            random: 88_172_645_463_325_252,
            px: 60_000 * E8,
            exec: 0,
        };
        let venue = VenueId(0);
        let balance = |asset, free| Balance { venue, asset: AssetId(asset), free, locked: 0, ts_event_ns: 0 };
        for body in [
            Body::Start { epoch: 1, run: 1 },
            Body::Limits(limits()),
            Body::Venue { venue, name: Text::new("binance") },
            Body::Instrument(instrument()),
            Body::Feed { instrument: BTC, state: FeedState::Live },
            Body::VenueState { venue, state: VenueState::Syncing },
            Body::Balance(balance(0, 100_000 * E8)),
            Body::Balance(balance(1, 10 * E8)),
            Body::Reconciled { venue },
            Body::VenueState { venue, state: VenueState::Ready },
        ] {
            market.step(body, sink);
        }
        market
    }

    pub fn step(&mut self, body: Body, sink: Sink) -> Vec<RecordedEffect> {
        self.ts_ns += self.step_ns;
        let event = Event { seq: self.core.seq() + 1, ts_ns: self.ts_ns, recv_ns: 0, decoded_ns: 0, body };
        self.out.clear();
        self.core.on_event(&event, &mut self.out);
        sink(&event, &self.out);
        self.out.effects().iter().map(|effect| effect.recorded()).collect()
    }

    /// The next random number below `n`.
    fn random(&mut self, n: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % n
    }

    pub fn quote(&mut self, sink: Sink) {
        self.px += (self.random(41) as i64 - 20) * E8;
        let (bid_px, ask_px) = (Price(self.px), Price(self.px + E8 / 100));
        let qty = Qty(E8);
        let update_id = self.core.seq();
        self.step(
            Body::Quote(Quote { bid_px, ask_px, bid_qty: qty, ask_qty: qty, update_id, ..Quote::default() }),
            sink,
        );
    }

    /// A market order through the gate, and the venue's answers: an ack, and the whole of it in one or two fills.
    pub fn trade(&mut self, side: Side, qty: i64, sink: Sink) {
        let order = PlaceOrder { symbol: Text::new("BTCUSDT"), side, qty: Qty(qty), ..PlaceOrder::default() };
        let request = RequestId(self.core.seq());
        let (who, why) = (Text::new("test"), Text::new("because"));
        let effects = self.step(
            Body::Command(Command { request, who, from: Text::default(), why, action: Action::Place(order) }),
            sink,
        );
        let Some(EffectOf::Place(placed)) = effects.first() else { return };
        let placed = *placed;
        let report = ExecReport {
            order: placed.order,
            side,
            venue_order_id: VenueOrderId::from_u64(placed.order.0),
            order_qty: placed.qty,
            ..ExecReport::default()
        };
        self.step(Body::Exec(ExecReport { exec: ExecType::New, ..report }), sink);
        let halves = if self.random(3) == 0 {
            vec![placed.qty.0 / 2, placed.qty.0 - placed.qty.0 / 2]
        } else {
            vec![placed.qty.0]
        };
        let mut cum_qty = 0;
        for last_qty in halves {
            self.exec += 1;
            cum_qty += last_qty;
            let slip = self.random(3) as i64 * E8 / 100 * side.sign();
            let px = if side == Side::Buy { self.px + E8 / 100 } else { self.px } + slip;
            self.step(
                Body::Exec(ExecReport {
                    exec: ExecType::Trade,
                    exec_id: ExecId::from_u64(self.exec),
                    last_qty: Qty(last_qty),
                    last_px: Price(px),
                    cum_qty: Qty(cum_qty),
                    fee: last_qty / 10_000 * (px / E8) / 10,
                    fee_asset: AssetId(0),
                    liquidity: Liquidity::Taker,
                    ..report
                }),
                sink,
            );
        }
    }

    /// Trades until there were `fills`, now and then wanting more than the limits allow.
    pub fn run(&mut self, fills: u64, sink: Sink) {
        while self.exec < fills {
            self.quote(sink);
            let side = match self.core.portfolio().get(BTC).map_or(0, |inst| inst.position.net.0) {
                net if net > 5_000_000 => Side::Sell,
                net if net < -5_000_000 => Side::Buy,
                _ if self.random(2) == 0 => Side::Buy,
                _ => Side::Sell,
            };
            let qty = if self.random(25) == 0 { E8 } else { (1 + self.random(20) as i64) * 100_000 };
            self.trade(side, qty, sink);
            if self.random(4) == 0 {
                self.step(Body::Tick, sink);
            }
        }
    }
}

/// A journal in `dir` with `fills` fills, and the journal to go on with.
pub fn journal(dir: &Path, fills: u64, step_ns: Nanos) -> (Journal, JournalFlusher, Market) {
    let config = JournalConfig { flush_interval_ns: 0, ..JournalConfig::default() };
    let (mut journal, flusher, _) = Journal::open(dir, config).expect("a new journal");
    let mut flusher = flusher;
    let mut sink = |event: &Event, out: &Outbox| append(&mut journal, &mut flusher, event, out);
    let mut market = Market::open(step_ns, &mut sink);
    market.run(fills, &mut sink);
    (journal, flusher, market)
}

/// Appends a record, letting the flusher prepare segments on the way.
pub fn append(journal: &mut Journal, flusher: &mut JournalFlusher, event: &Event, out: &Outbox) {
    while journal.append(event, event.ts_ns, out.effects()).is_err() {
        crate::agent::Agent::do_work(flusher, event.ts_ns);
    }
    if event.seq.is_multiple_of(1_000) {
        crate::agent::Agent::do_work(flusher, event.ts_ns);
    }
}
