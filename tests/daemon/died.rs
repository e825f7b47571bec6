//! A trading thread dies: what was open is cancelled, without the threads that may have died with it, and whoever restarts
//! the engine finds it stopped.

use super::kill9::pointed_at;
use super::sim::Sim;
use super::support::{free_port, wait_for};
use tollgate::config::Config;
use tollgate::core::command::{Action, Command, PlaceOrder, TradingState};
use tollgate::core::event::{Body, Input};
use tollgate::domain::*;
use tollgate::runtime::engine::Engine;
use tollgate::runtime::signals::Signals;
use tollgate::runtime::supervise::{self, RunEnd};
use tollgate::runtime::thread::ThreadEnd;

#[test]
fn open_orders_are_cancelled_over_rest_the_exit_code_says_so_and_the_next_start_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let sim = Sim::start(dir.path(), &["--seed", "4"]);
    let (key, secret) = sim.key();
    let path = pointed_at(&sim, dir.path(), free_port(), false);
    let text = std::fs::read_to_string(&path).unwrap();
    // Files instead of variables: this process is shared by other tests.
    let (key_file, secret_file) = (dir.path().join("key"), dir.path().join("secret"));
    std::fs::write(&key_file, key).unwrap();
    std::fs::write(&secret_file, secret).unwrap();
    let text = text
        .replace("api_key_env = \"KILL9_KEY\"", &format!("api_key_file = {key_file:?}"))
        .replace("secret_env = \"KILL9_SECRET\"", &format!("secret_file = {secret_file:?}"))
        .replace("allow_plaintext = false", "allow_plaintext = true");
    let config = Config::parse(&text).unwrap_or_else(|faults| panic!("{faults}"));
    let engine = Engine::start(&config).unwrap();
    let quote = wait_for("a quote and a venue that is ready", || {
        let view = engine.view.lock();
        let ready = view.core().venues().any(|(_, _, state)| state == VenueState::Ready);
        let inst = view.core().find_instrument("BTCUSDT", None).and_then(|id| view.core().portfolio().get(id).copied());
        inst.filter(|i| ready && i.quote_ns != 0)
    });
    for step in 1..=3 {
        let px = quote.def.floor_to_tick(Price(quote.quote.bid_px.0 / 100 * (90 + step)));
        let order = PlaceOrder {
            instrument: quote.def.id,
            symbol: quote.def.symbol,
            kind: OrderType::Limit,
            qty: Qty(100_000),
            px,
            ..PlaceOrder::default()
        };
        let action = Action::Place(order);
        let command = Command {
            request: RequestId(1),
            who: Text::new("test"),
            from: Text::default(),
            why: Text::default(),
            action,
        };
        engine.commands.try_send(Input::new(Body::Command(command))).unwrap();
    }
    let open = || sim.signed("/api/v3/openOrders").as_array().unwrap().len();
    wait_for("three orders at the venue", || (open() == 3).then_some(()));
    let end = ThreadEnd::Panicked { name: "core".to_owned(), message: "as a test wants it".to_owned() };
    engine.ends_tx.send(end).unwrap();
    let ended = supervise::run(engine, &config, &Signals::listen().unwrap());
    assert_eq!((ended, ended.code()), (RunEnd::Died, 70));
    assert_eq!(open(), 0);
    // However often it breaks again: no start trades before a person has resumed.
    let mark = config.engine.data_dir.join("watchdog-stop");
    for message in ["as it breaks again", "and again"] {
        assert!(mark.exists());
        let engine = Engine::start(&config).unwrap();
        {
            let view = engine.view.lock();
            let (stop, trading) = (view.core().stop(), view.core().trading());
            assert_eq!(trading, TradingState::Halted);
            assert_eq!((stop.who.as_str(), stop.why.as_str()), ("watchdog", "thread core died: as a test wants it"));
        }
        let end = ThreadEnd::Panicked { name: "gateway-binance".to_owned(), message: message.to_owned() };
        engine.ends_tx.send(end).unwrap();
        assert_eq!(supervise::run(engine, &config, &Signals::listen().unwrap()), RunEnd::Died);
    }
    let said = std::fs::read_to_string(&mark).unwrap();
    assert!(said.starts_with("thread gateway-binance died: and again\n"), "{said}");
}
