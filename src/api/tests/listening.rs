//! Listeners that are slower than what happens.

use super::super::events::{Kind, passing};
use super::*;
use serde_json::json;
use std::io::{BufRead, BufReader};

/// Listens; nothing is read yet.
fn listen_at(rig: &Rig, path: &str, headers: &str) -> TcpStream {
    let before = rig.app.listeners.count();
    let mut stream = TcpStream::connect(rig.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let request = format!("GET {PATH}/{path} HTTP/1.1\r\nHost: localhost:3000\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    while rig.app.listeners.count() == before {
        std::thread::sleep(Duration::from_millis(1));
    }
    stream
}

fn by_sse(rig: &Rig) -> TcpStream {
    listen_at(rig, "events", "Connection: close\r\n")
}

fn by_ws(rig: &Rig) -> TcpStream {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    listen_at(rig, "events/ws", upgrade)
}

/// All that comes until the server closes.
fn rest(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

/// Tells so many events of so many bytes, and wakes who listens.
fn tell(rig: &Rig, events: usize, bytes: usize) {
    let words = "x".repeat(bytes);
    let mut view = rig.view.lock();
    for n in 0..events {
        view.push_event(passing(Kind::Pnl, NOON, json!({ "n": n, "words": words })));
    }
    rig.clock.set(rig.clock.now() + 1_000_000_000);
}

#[test]
fn who_falls_behind_is_told_what_he_missed_and_cut_off() {
    let rig = Rig::start(Venue::Fills).opened();
    let both = [by_sse(&rig), by_ws(&rig)];
    // More than is kept, at once.
    tell(&rig, 70_000, 1);
    for stream in both {
        let text = rest(stream);
        let missed = text.split_once("\"missed\":").map(|(_, rest)| rest.split(',').next().unwrap().parse().unwrap());
        // Those, and the looks at what is now that came with them.
        let fits = |missed: u64| (70_000 - 65_536..70_000 - 65_536 + 10).contains(&missed);
        assert!(text.contains("\"code\":\"MISSED\"") && missed.is_some_and(fits), "{missed:?}");
    }
    while rig.app.listeners.count() > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn who_does_not_read_is_cut_off_and_who_reads_gets_all() {
    let rig = Rig::start(Venue::Fills).opened();
    let stuck = [by_sse(&rig), by_ws(&rig)];
    let reading = by_sse(&rig);
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(reading).lines().map_while(Result::ok);
        lines.filter(|line| line.contains("\"words\"")).take(50_000).count()
    });
    // Less than is kept, and more than any connection takes.
    tell(&rig, 50_000, 1_000);
    assert_eq!(reader.join().unwrap(), 50_000);
    while rig.app.listeners.count() > 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    for stream in stuck {
        let got = rest(stream).len();
        assert!(got > 0 && got < 45_000_000, "{got} of some 50 MB were taken in");
    }
}
