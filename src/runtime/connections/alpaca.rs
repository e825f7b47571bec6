//! What Alpaca is asked: `/v2/clock`, `/v2/account` (on the kept-alive connection) and the trade updates: two of the 200
//! requests a minute.

use super::ask::{Answered, Way};
use super::stream::Talk;
use super::{CLOCK, Checks, KEY, PERMISSIONS, PRIVATE_STREAM, REACHABLE, Target};
use crate::domain::VenueId;
use crate::venues::alpaca::updates::{self, Frame};
use crate::venues::alpaca::{Names, account, errors, request};

pub fn test(target: &Target, way: &Way, api_key: &str, secret: &str, checks: &mut Checks) {
    let headers = [("APCA-API-KEY-ID", api_key), ("APCA-API-SECRET-KEY", secret)];
    let first = match way.get(&request::clock().path, &headers) {
        Ok(first) => first,
        Err(fault) => return target.not_reached(checks, &fault),
    };
    if !reached(&first, checks) {
        return;
    }
    match way.get(&request::account().path, &headers) {
        Ok(answer) => {
            // The venue's clock is told to those with a key alone.
            match account::clock(&first.body) {
                Ok(clock) if first.status == 200 => {
                    let offset_ns = clock.now_ns.saturating_sub(first.middle_ns);
                    checks.clock(offset_ns, first.round_trip, clock.grain_ns, target.clock_offset_max_ns);
                }
                _ => checks.skipped(CLOCK, "the venue tells its clock to those with a key alone"),
            }
            if !account_is_told(target, &answer, checks) {
                return checks.skipped(PRIVATE_STREAM, "the key is not taken");
            }
        }
        Err(fault) => {
            checks.skipped(CLOCK, "the connection broke");
            checks.bad(KEY, None, format!("the question about the account is not answered: {fault}; try again"));
            checks.skipped(PERMISSIONS, "nothing is known of the key");
            return checks.skipped(PRIVATE_STREAM, "nothing is known of the key");
        }
    }
    private_stream(target, way, api_key, secret, checks);
}

/// A refusal of the key is an answer too: the venue is reached.
fn reached(first: &Answered, checks: &mut Checks) -> bool {
    let message = match first.status {
        200 | 401 | 403 => {
            let message = "the venue answers; name, connection and TLS are in the time".to_owned();
            checks.good(REACHABLE, Some(first.round_trip), message);
            return true;
        }
        429 => "the venue answers 429: more than 200 requests a minute; look for what else uses this key".to_owned(),
        500.. => format!("the venue answers {}: look at its status page, try again", first.status),
        status => format!("something answers {status}, but not Alpaca: check rest_url in [[venues]] (without /v2)"),
    };
    checks.bad(REACHABLE, Some(first.round_trip), message);
    for name in [CLOCK, KEY, PERMISSIONS, PRIVATE_STREAM] {
        checks.skipped(name, "the venue does not serve us");
    }
    false
}

/// Key and permissions. False where the key is not taken.
fn account_is_told(target: &Target, answer: &Answered, checks: &mut Checks) -> bool {
    if answer.status != 200 {
        let error = errors::refusal(answer.status, &answer.body);
        let what = match answer.status {
            401 => {
                "is it one of this host? Paper and live have keys of their own (PK..., AK...); a reset of the paper \
                 account ends its keys: make and store a new one"
            }
            403 => "the key is disabled, or the account is restricted: look at it at the venue",
            429 => "too many requests: wait",
            500.. => "the venue has a fault: look at its status page, try again",
            _ => "look at the key at the venue",
        };
        checks.bad(KEY, Some(answer.round_trip), format!("the venue refuses the key: {error}; {what}"));
        checks.skipped(PERMISSIONS, "the key is not taken");
        return false;
    }
    match account::account(&answer.body) {
        Ok(account) => {
            let kind = if target.live { "an account with real money" } else { "a paper account" };
            let message = format!("the venue takes the key of account {} ({kind})", account.number);
            checks.good(KEY, Some(answer.round_trip), message);
            match account.can_trade() {
                Ok(()) => {
                    let short = if account.shorting_enabled { "may" } else { "may not" };
                    let message = format!("may trade, {short} sell short; margin multiplier {}", account.multiplier);
                    checks.good(PERMISSIONS, None, message);
                }
                Err(why) => {
                    let what = "see the account's page at the venue";
                    checks.bad(PERMISSIONS, None, format!("the venue would refuse orders: {why}; {what}"));
                }
            }
            true
        }
        Err(error) => {
            checks.bad(KEY, Some(answer.round_trip), format!("the account's answer cannot be read: {error}"));
            checks.skipped(PERMISSIONS, "nothing is known of the account");
            false
        }
    }
}

fn private_stream(target: &Target, way: &Way, api_key: &str, secret: &str, checks: &mut Checks) {
    let what = "check ws_api_url in [[venues]] (wss://HOST/stream) and that WebSockets get through a proxy";
    let path_is_missing = crate::net::url::parse(&target.private_url).is_ok_and(|(_, path)| path.is_empty());
    let url = format!("{}{}", target.private_url, if path_is_missing { "/stream" } else { "" });
    let (mut talk, opened) = match Talk::open(&url, target.ca_file.as_deref(), way.deadline) {
        Ok(opened) => opened,
        Err(fault) => return checks.bad(PRIVATE_STREAM, None, format!("not connected: {fault}; {what}")),
    };
    let names = match Names::new(VenueId(0), 0, Vec::new()) {
        Ok(names) => names,
        // No symbol can be there twice where there is none.
        Err(error) => return checks.bad(PRIVATE_STREAM, None, error.to_string()),
    };
    let logon = request::authenticate(api_key, secret);
    let granted = talk
        .ask(logon.as_bytes(), |message| match updates::frame(message, &names) {
            Ok(Frame::Authorized) => Some(Ok(())),
            Ok(Frame::Unauthorized(text) | Frame::Error(text)) => Some(Err(text.to_string())),
            _ => None,
        })
        .and_then(|(logon, _)| {
            if let Err(text) = logon {
                return Ok((Err(text), opened));
            }
            talk.ask(request::LISTEN.as_bytes(), |message| match updates::frame(message, &names) {
                Ok(Frame::Listening(true)) => Some(Ok(())),
                Ok(Frame::Listening(false)) => Some(Err("the trade updates are not granted".to_owned())),
                Ok(Frame::Error(text)) => Some(Err(text.to_string())),
                _ => None,
            })
        });
    match granted {
        Ok((Ok(()), round_trip)) => {
            let opened = super::millis(opened);
            let message = format!("the account's trade updates are granted; the connection took {opened} ms");
            checks.good(PRIVATE_STREAM, Some(round_trip), message);
        }
        Ok((Err(text), _)) => {
            checks.bad(PRIVATE_STREAM, None, format!("the venue refuses the account's trade updates: {text}"));
        }
        Err(fault) => checks.bad(PRIVATE_STREAM, None, format!("no answer on the stream: {fault}; {what}")),
    }
    talk.end();
}
