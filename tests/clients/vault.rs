//! The Vault of our own that the engine's tests ask, and a control port by which a script turns what it does.

#[path = "../../src/credentials/vault/tests/fake/mod.rs"]
mod fake;

use fake::{Fake, Fault, State};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// Serves both until the process ends; where they are.
pub fn start() -> Value {
    let fake = Fake::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ready = json!({ "url": fake.url, "control": format!("http://{}", listener.local_addr().unwrap()) });
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let Some(switches) = body(&mut stream) else { continue };
            for (name, value) in switches.as_object().unwrap() {
                turn(&mut fake.state(), name, value);
            }
            let told = json!({ "asked": fake.count("") }).to_string();
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", told.len());
            // A script that has gone is no fault of the server.
            let _ = stream.write_all((head + &told).as_bytes());
        }
    });
    ready
}

fn turn(state: &mut State, name: &str, value: &Value) {
    match name {
        "kv" => state.kv = value.as_u64().unwrap() as u8,
        "advance" => state.now_s += value.as_u64().unwrap(),
        "sealed" => state.sealed = value == true,
        "standby" => state.standby = value == true,
        "away" => state.away = value == true,
        "namespace" => state.namespace = value.as_str().map(str::to_owned),
        "fault" => state.faults.push_back(value.as_u64().map_or(Fault::Drop, |status| Fault::Status(status as u16))),
        other => panic!("{other} is no switch"),
    }
}

fn body(stream: &mut TcpStream) -> Option<Value> {
    let (mut bytes, mut buf) = (Vec::new(), [0; 4_096]);
    loop {
        let read = stream.read(&mut buf).ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buf[..read]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some(body) = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok()) {
            return Some(body);
        }
    }
}
