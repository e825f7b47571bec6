//! The fuzz targets' bodies over seeded mutations of their seeds, on stable and in bounded time. `FUZZ_SEED` and
//! `FUZZ_RUNS` choose other mutations and more of them; a failure prints its input. The long run, as many as one
//! has the time for: `FUZZ_RUNS=20000000 FUZZ_SEED=$RANDOM cargo test --release --test fuzz`.

#[path = "../fuzz/src/lib.rs"]
mod bodies;

use bodies::Bodies;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Mutations of one target.
const RUNS: u64 = 50_000;
/// As above where one takes a millisecond.
const SLOW_RUNS: u64 = 10_000;

/// Pieces that tend to hurt: numbers at the edge, escapes, broken UTF-8, structure.
const PIECES: &[&[u8]] = &[
    b"0",
    b"-0",
    b"-1",
    b"00",
    b"1e5",
    b"1E400",
    b"1.5",
    b"0.000000001",
    b"92233720368.54775808",
    b"9223372036854775807",
    b"18446744073709551615",
    b"18446744073709551616",
    b"999999999999999999999",
    b"null",
    b"true",
    b"\"\"",
    b"\\u0041",
    b"\\",
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b" ",
    b"\n",
    b"\xff",
    b"\xf0\x9f\x98\x80",
    b"\0",
    b"[[[[[[[[[[[[[[[[[[[[",
];

fn mutate(text: &mut Vec<u8>, rng: &mut fastrand::Rng) {
    for _ in 0..rng.usize(1..5) {
        if text.is_empty() {
            return;
        }
        let at = rng.usize(..text.len());
        match rng.u8(..8) {
            0 => text[at] = rng.u8(..),
            1 => text[at] ^= 1 << rng.u8(..8),
            2 => text.truncate(at),
            3 => drop(text.remove(at)),
            4 => {
                let piece = PIECES[rng.usize(..PIECES.len())];
                text.splice(at..at, piece.iter().copied());
            }
            5 => {
                // A whole number replaced.
                let from = (0..=at).rev().find(|i| !text[*i].is_ascii_digit()).map_or(0, |i| i + 1);
                let to = (at..text.len()).find(|i| !text[*i].is_ascii_digit()).unwrap_or(text.len());
                if from < to {
                    text.splice(from..to, PIECES[rng.usize(..13)].iter().copied());
                }
            }
            6 => {
                let to = rng.usize(..text.len());
                let len = rng.usize(..24).min(text.len() - at.max(to));
                text.copy_within(at..at + len, to);
            }
            _ => {
                let to = (at + rng.usize(..48)).min(text.len());
                let run = text[at..to].to_vec();
                text.splice(to..to, run);
            }
        }
    }
}

fn run<S: AsRef<[u8]>>(name: &str, seeds: &[S], body: fn(&mut Bodies, &[u8])) {
    run_usually(name, seeds, body, RUNS);
}

/// As `run`, with so many mutations where nothing else is asked for.
fn run_usually<S: AsRef<[u8]>>(name: &str, seeds: &[S], body: fn(&mut Bodies, &[u8]), usual: u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let mut rng = fastrand::Rng::with_seed(number("FUZZ_SEED").unwrap_or(1));
    let mut bodies = Bodies::new();
    for seed in seeds {
        body(&mut bodies, seed.as_ref());
    }
    for at in 0..number("FUZZ_RUNS").unwrap_or(usual) {
        let mut text = seeds[rng.usize(..seeds.len())].as_ref().to_vec();
        mutate(&mut text, &mut rng);
        if catch_unwind(AssertUnwindSafe(|| body(&mut bodies, &text))).is_err() {
            panic!("{name}: mutation {at} fails: {:?}", String::from_utf8_lossy(&text));
        }
    }
}

#[test]
fn changed_market_frames_are_refused_or_read_as_they_stand() {
    run("market", bodies::MARKET_SEEDS, Bodies::market);
}

#[test]
fn changed_user_frames_are_refused_or_read_as_they_stand() {
    run("user", bodies::USER_SEEDS, Bodies::user);
}

#[test]
fn changed_answers_are_refused_or_read_as_they_stand() {
    run("ws_api", bodies::WS_API_SEEDS, Bodies::ws_api);
}

#[test]
fn changed_exchange_infos_are_refused_or_read_as_they_stand() {
    run("exchange_info", bodies::EXCHANGE_INFO_SEEDS, Bodies::exchange_info);
}

#[test]
fn changed_binary_frames_are_refused_or_hold_sound_numbers() {
    run("sbe", bodies::SBE_SEEDS, Bodies::sbe);
}

#[test]
fn changed_rest_bodies_are_refused_or_read_as_they_stand() {
    run("rest", bodies::REST_SEEDS, Bodies::rest);
}

#[test]
fn changed_headers_are_passed_over_or_counted_as_they_stand() {
    run("header", bodies::HEADER_SEEDS, Bodies::header);
}

#[test]
fn changed_alpaca_answers_and_updates_are_refused_or_hold_sound_numbers() {
    run("alpaca", bodies::ALPACA_SEEDS, Bodies::alpaca);
}

#[test]
fn changed_alpaca_market_frames_are_refused_or_hold_sound_numbers() {
    run("alpaca_market", bodies::ALPACA_MARKET_SEEDS, Bodies::alpaca_market);
}

#[test]
fn changed_compound_answers_are_refused_or_hold_sound_numbers() {
    run("compound", bodies::COMPOUND_SEEDS, Bodies::compound);
}

#[test]
fn changed_handshakes_and_frames_say_what_a_plain_reader_reads_however_they_are_cut() {
    run("link", bodies::LINK_SEEDS, Bodies::link);
}

#[test]
fn changed_http_answers_say_the_same_however_they_are_cut() {
    run("http", bodies::HTTP_SEEDS, Bodies::http);
}

#[test]
fn changed_calls_of_the_simulated_binance_get_its_own_answers() {
    run("sim_call", bodies::CALL_SEEDS, Bodies::sim_call);
}

#[test]
fn changed_texts_to_the_simulated_binance_get_its_own_answers() {
    run("sim_text", bodies::TEXT_SEEDS, Bodies::sim_text);
}

#[test]
fn changed_bytes_at_a_simulated_venues_port_do_it_no_harm() {
    run("sim_port", bodies::PORT_SEEDS, Bodies::sim_port);
}

#[test]
fn changed_calls_of_the_simulated_alpaca_get_its_own_answers() {
    run_usually("sim_alpaca", bodies::ALPACA_CALL_SEEDS, Bodies::sim_alpaca, SLOW_RUNS);
}

#[test]
fn changed_frames_of_a_live_market_do_the_venue_on_it_no_harm() {
    run("sim_live", bodies::MARKET_SEEDS, Bodies::sim_live);
    run("sim_live", bodies::EXCHANGE_INFO_SEEDS, Bodies::sim_live);
}
