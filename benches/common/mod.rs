//! A core that trades one of 64 instruments, for the benches.
#![allow(dead_code)] // each of its users needs another part of it

use tollgate::core::Core;
use tollgate::core::command::{Action, Command, PlaceOrder};
use tollgate::core::config::Limits;
use tollgate::core::effect::{EffectOf, Outbox};
use tollgate::core::event::{Body, Event};
use tollgate::core::risk::Caps;
use tollgate::domain::*;

pub const E8: i64 = 100_000_000;
pub const BTC: InstrumentId = InstrumentId(0);

pub struct Bench {
    pub core: Core,
    pub out: Outbox,
    now: Nanos,
    px: i64,
}

impl Bench {
    pub fn new() -> Bench {
        let mut bench = Bench { core: Core::new(), out: Outbox::new(), now: 1_700_000_000_000_000_000, px: 60_000 };
        bench.step(Body::Start { epoch: 1, run: 1 });
        bench.step(Body::Limits(Limits {
            order_notional_max: Usd::dollars(5_000),
            position_notional_max: Usd::dollars(10_000),
            leverage_max_ppm: 3_000_000,
            account_balance_min: Usd::dollars(1_000),
            daily_loss_max: Usd::dollars(1_000_000),
            quote_age_max_ns: 1_500_000_000,
            market_order_margin_ppm: 10_000,
            open_orders_max: 64,
            ack_timeout_ns: i64::MAX,
            not_found_after_ns: i64::MAX,
            query_interval_ns: i64::MAX,
            reconcile_interval_ns: i64::MAX,
            day_offset_ns: 0,
            ..Limits::LOOSEST
        }));
        let venue = VenueId(0);
        bench.step(Body::Venue { venue, name: Text::new("binance") });
        for id in 0..64 {
            bench.step(Body::Instrument(Instrument {
                id: InstrumentId(id),
                symbol: Text::new("BTCUSDT"),
                base: AssetId(id + 1),
                quote: AssetId(0),
                base_name: Text::new("BTC"),
                quote_name: Text::new("USDT"),
                status: InstrumentStatus::Trading,
                px_scale: 8,
                qty_scale: 8,
                quote_is_usd: true,
                tick: Price(E8 / 100),
                lot: Qty(1_000),
                qty_min: Qty(1_000),
                qty_max: Qty(9_000 * E8),
                notional_min: Usd::dollars(5),
                notional_max: Usd::dollars(9_000_000),
                notional_min_applies_to_market: true,
                ..Instrument::default()
            }));
            bench.step(Body::Balance(Balance { venue, asset: AssetId(id + 1), free: E8, locked: 0, ts_event_ns: 0 }));
        }
        bench.step(Body::Balance(Balance {
            venue,
            asset: AssetId(0),
            free: 1_000_000 * E8,
            locked: 0,
            ts_event_ns: 0,
        }));
        bench.step(Body::VenueState { venue, state: VenueState::Ready });
        bench.quote();
        // A position, so that every quote has something to value.
        bench.place(E8 / 100);
        let order = bench.placed();
        bench.step(Body::Exec(ExecReport {
            order,
            exec: ExecType::Trade,
            last_qty: Qty(E8 / 100),
            last_px: Price(60_000 * E8),
            exec_id: ExecId::from_u64(1),
            ..ExecReport::default()
        }));
        bench
    }

    /// Every rule on, every instrument sampled, and so many orders open over all of them.
    pub fn strict(open: u64) -> Bench {
        let mut bench = Bench::new();
        let limits = *bench.core.limits();
        bench.limit(Limits {
            open_orders_max: 2_000,
            price_collar_ppm: 500_000,
            price_move_max_ppm: 50_000,
            price_move_window_ns: 60_000_000_000,
            duplicate_window_ns: 1_000,
            orders_per_second_max: 1_000_000,
            orders_per_day_max: 1_000_000_000,
            order_to_trade_max: 1_000_000,
            order_to_trade_orders_min: 1_000_000,
            exposure_gross_max: Usd::dollars(100_000),
            exposure_net_max: Usd::dollars(100_000),
            exposure_venue_max: Usd::dollars(100_000),
            exposure_asset_max: Usd::dollars(50_000),
            strategy_exposure_max: Usd::dollars(10_000),
            correlated_exposure_max: Usd::dollars(50_000),
            correlation_threshold_ppm: 700_000,
            correlation_window: 100,
            correlation_samples_min: 20,
            correlation_sample_ns: 1_000_000_000,
            volatility_assumed_ppm: 50_000,
            value_at_risk_max: Usd::dollars(100_000),
            risk_score_max: 90,
            ..limits
        });
        // Fifty samples of sixty-four instruments that move each in its own way.
        for n in 0..50i64 {
            for id in 0..64 {
                let px = Price((60_000 + (n * (id + 3) * 7_919) % 97) * E8);
                let instrument = InstrumentId(id as u16);
                let ask_px = Price(px.0 + E8 / 100);
                bench.step(Body::Quote(Quote { instrument, bid_px: px, ask_px, ..Quote::default() }));
            }
            bench.now += 1_000_000_000;
            (0..66).for_each(|_| bench.step(Body::Tick));
        }
        for n in 0..open {
            let order = PlaceOrder {
                instrument: InstrumentId((n % 64) as u16),
                kind: OrderType::Limit,
                // Each at a price of its own, so that none is taken for the one before.
                px: Price((40_000 + n as i64) * E8),
                qty: Qty(13_000),
                ..PlaceOrder::default()
            };
            bench.command(Action::Place(order));
            let order = bench.placed();
            bench.step(Body::Exec(ExecReport { order, exec: ExecType::New, ..ExecReport::default() }));
        }
        bench.quote();
        bench
    }

    /// The last rule of growth denies.
    pub fn tighten(&mut self) {
        let limits = *self.core.limits();
        self.limit(Limits { order_notional_max: Usd::dollars(50_000), ..limits });
        let caps = Caps { stage: 1, order_notional_max: Usd::dollars(1_000), ..Caps::NONE };
        self.command(Action::SetCaps(caps));
    }

    fn limit(&mut self, limits: Limits) {
        self.command(Action::SetLimits(limits));
    }

    fn command(&mut self, action: Action) {
        self.step(Body::Command(Command {
            request: RequestId(1),
            who: Text::new("bench"),
            from: Text::default(),
            why: Text::default(),
            action,
        }));
    }

    pub fn wait(&mut self, ns: Nanos) {
        self.now += ns;
        self.step(Body::Tick);
    }

    pub fn event(&mut self, body: Body) -> Event {
        self.now += 1_000;
        Event { seq: self.core.seq() + 1, ts_ns: self.now, recv_ns: 0, decoded_ns: 0, body }
    }

    pub fn step(&mut self, body: Body) {
        let event = self.event(body);
        self.out.clear();
        self.core.on_event(&event, &mut self.out);
    }

    pub fn quote_body(&mut self) -> Body {
        // The price moves a cent each time, so that nothing is valued twice at the same price.
        self.px = 6_000_000 + (self.px + 1) % 1_000;
        Body::Quote(Quote {
            instrument: BTC,
            bid_px: Price(self.px * E8 / 100),
            bid_qty: Qty(E8),
            ask_px: Price((self.px + 1) * E8 / 100),
            ask_qty: Qty(E8),
            update_id: 1,
            ts_event_ns: 0,
        })
    }

    pub fn quote(&mut self) {
        let body = self.quote_body();
        self.step(body);
    }

    pub fn place_body(qty: i64) -> Body {
        Body::Command(Command {
            request: RequestId(1),
            who: Text::new("bench"),
            from: Text::default(),
            why: Text::default(),
            action: Action::Place(PlaceOrder { instrument: BTC, qty: Qty(qty), ..PlaceOrder::default() }),
        })
    }

    pub fn place(&mut self, qty: i64) {
        self.step(Bench::place_body(qty));
    }

    pub fn placed(&self) -> OrderId {
        match self.out.effects().first() {
            Some(EffectOf::Place(order)) => order.get().order,
            other => panic!("an order was wanted, not {other:?}"),
        }
    }

    pub fn reject(&mut self, order: OrderId) {
        self.step(Body::Exec(ExecReport { order, exec: ExecType::Rejected, ..ExecReport::default() }));
    }
}
