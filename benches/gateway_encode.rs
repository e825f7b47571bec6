//! What one order costs before its socket: a `NewOrder` to the signed text of `order.place`, buffers warm.
//! Beside it the floor: HMAC-SHA256 of a payload of the same length with the key's state kept, and nothing else.
//! `rest_order_query`: the same order as a signed REST query, its parameters as text given: the cold path, which allocates.
//! `logged_on`: on a session, without key and signature. `ed25519_signed`: the same key where there is no session.
//! Left out: WebSocket framing and masking, TLS, the socket.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use tollgate::domain::{
    InstrumentId, NewOrder, OrderId, OrderType, Price, Qty, Side, StrategyId, Terms, TimeInForce, VenueId, VenueOrderId,
};
use tollgate::venues::binance::request::{MAX_REQUEST_LEN, OrderRef, RequestBuilder};
use tollgate::venues::binance::sign::{RestSigner, Signer};

const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
/// The private key that the venue prints in its documentation.
const ED25519: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n-----END PRIVATE KEY-----\n";

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("gateway_encode");
    let signer = Signer::hmac(SECRET.as_bytes());
    let mut builder = RequestBuilder::new(KEY, &signer, 7, 5000).unwrap();
    let mut out = Vec::with_capacity(MAX_REQUEST_LEN);
    let order = NewOrder {
        order: OrderId(123_456 * 64 + 3),
        venue: VenueId(0),
        instrument: InstrumentId(0),
        strategy: StrategyId(1),
        side: Side::Buy,
        kind: OrderType::Limit,
        tif: TimeInForce::Ioc,
        qty: Qty(123_000),
        px: Price(6_183_763_000_000),
        terms: Terms::default(),
    };
    group.bench_function("order_place_limit", |b| {
        b.iter(|| {
            out.clear();
            builder.place(&mut out, black_box(&order), "BTCUSDT", black_box(1_723_161_255_208))
        })
    });
    let market = NewOrder { kind: OrderType::Market, px: Price(0), ..order };
    group.bench_function("order_place_market", |b| {
        b.iter(|| {
            out.clear();
            builder.place(&mut out, black_box(&market), "BTCUSDT", black_box(1_723_161_255_208))
        })
    });
    let target = OrderRef { order: order.order, venue_order_id: VenueOrderId::from_u64(12_569_099_453) };
    group.bench_function("order_cancel", |b| {
        b.iter(|| {
            out.clear();
            builder.cancel(&mut out, black_box(target), "BTCUSDT", black_box(1_723_161_255_208))
        })
    });
    let mut session = builder.clone();
    session.set_session(true);
    group.bench_function("order_place_limit_logged_on", |b| {
        b.iter(|| {
            out.clear();
            session.place(&mut out, black_box(&order), "BTCUSDT", black_box(1_723_161_255_208))
        })
    });
    group.bench_function("order_cancel_logged_on", |b| {
        b.iter(|| {
            out.clear();
            session.cancel(&mut out, black_box(target), "BTCUSDT", black_box(1_723_161_255_208))
        })
    });
    let mut ed25519 = RequestBuilder::new(KEY, &Signer::from_secret(ED25519).unwrap(), 7, 5000).unwrap();
    group.bench_function("order_place_limit_ed25519_signed", |b| {
        b.iter(|| {
            out.clear();
            ed25519.place(&mut out, black_box(&order), "BTCUSDT", black_box(1_723_161_255_208))
        })
    });
    let rest = RestSigner::new(KEY, signer.clone());
    group.bench_function("rest_order_query_limit", |b| {
        b.iter(|| {
            let mut query = black_box(
                "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=IOC&quantity=0.00123&price=61837.63\
                 &newClientOrderId=tg000000070000000000789003&newOrderRespType=ACK",
            )
            .to_owned();
            rest.sign_query(&mut query, 5000, black_box(1_723_161_255_208));
            query
        })
    });
    let payload = format!(
        "apiKey={KEY}&newClientOrderId=tg000000070000000000789003&newOrderRespType=ACK&price=61837.63&quantity=0.00123\
         &side=BUY&symbol=BTCUSDT&timeInForce=IOC&timestamp=1723161255208&type=LIMIT"
    );
    group.bench_function("hmac_floor_whole_payload", |b| {
        b.iter(|| {
            out.clear();
            signer.sign(black_box(payload.as_bytes()), &mut out);
        })
    });
    let prefixed = signer.with_prefix(&payload.as_bytes()[..71]);
    group.bench_function("hmac_floor_key_hashed_ahead", |b| {
        b.iter(|| {
            out.clear();
            prefixed.sign(black_box(payload.as_bytes()), &mut out);
        })
    });
    group.finish();
}

criterion_group!(group, benches);
criterion_main!(group);
