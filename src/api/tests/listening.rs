//! Listeners that are slower than what happens.

use super::super::events::{Kind, passing};
use super::*;

/// A listener over server-sent events and one over WebSocket, which have said nothing more than that they listen.
fn listeners(rig: &Rig) -> [TcpStream; 2] {
    let ask = |path: &str, upgrade: &str| {
        let mut stream = TcpStream::connect(rig.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request = format!("GET {PATH}/{path} HTTP/1.1\r\nHost: localhost:3000\r\n{upgrade}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let both = [ask("events", ""), ask("events/ws", upgrade)];
    while rig.app.listeners.count() < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    both
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
        view.push_event(super::events::passing(
            super::events::Kind::Pnl,
            NOON,
            serde_json::json!({ "n": n, "words": words }),
        ));
    }
    rig.clock.set(rig.clock.now() + 1_000_000_000);
}

#[test]
fn who_falls_behind_is_told_what_he_missed_and_cut_off() {
    let rig = Rig::start(Venue::Fills).opened();
    let both = listeners(&rig);
    // More than is kept, at once.
    tell(&rig, 70_000, 1);
    for stream in both {
        let text = rest(stream);
        assert!(
            text.contains("\"code\":\"MISSED\"") && text.contains("\"missed\":4464,"),
            "{}",
            &text[..text.len().min(600)]
        );
    }
    assert_eq!(rig.app.listeners.count(), 0);
}

#[test]
fn who_does_not_read_is_cut_off_and_others_are_not() {
    let rig = Rig::start(Venue::Fills).opened();
    let both = listeners(&rig);
    // Less than is kept, and more than any connection takes.
    tell(&rig, 50_000, 1_000);
    while rig.app.listeners.count() > 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    for stream in both {
        let got = rest(stream).len();
        assert!(got > 0 && got < 50_000_000, "{got} of some 50 MB were buffered");
    }
    // Who reads gets all of it.
    let request =
        format!("GET {PATH}/events?from=1&follow=false HTTP/1.1\r\nHost: localhost:3000\r\nConnection: close\r\n\r\n");
    let mut stream = TcpStream::connect(rig.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    assert!(rest(stream).starts_with("HTTP/1.1 200"));
}
