//! What Binance Spot is asked: `/api/v3/time` twice (the second on the kept-alive connection), `/api/v3/account`, with
//! real money `/sapi/v1/account/apiRestrictions`, and `userDataStream.subscribe.signature` on the WebSocket API. Weight
//! in all: below 30 of the 6000 a minute.

use super::ask::{Answered, Way};
use super::stream::Talk;
use super::{CLOCK, Checks, KEY, PERMISSIONS, PRIVATE_STREAM, REACHABLE, Target};
use crate::runtime::keeper::SharedSigner;
use crate::venues::binance::request::RequestBuilder;
use serde_json::Value;
use std::sync::PoisonError;

pub fn test(target: &Target, way: &Way, signer: &SharedSigner, recv_window_ms: u32, checks: &mut Checks) {
    let first = match way.get("/api/v3/time", &[]) {
        Ok(first) => first,
        Err(fault) => return target.not_reached(checks, &fault),
    };
    if !reached(&first, checks) {
        return;
    }
    let offset_ms = clock(target, way, &first, checks);
    let signer = {
        // Exchanged in one step, so a panic of another holder did no harm.
        signer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    };
    let signed = |path: &str, mut query: String| {
        let (name, key) = signer.header();
        signer.sign_query(&mut query, recv_window_ms, super::ask::now_ns() / 1_000_000 + offset_ms);
        way.get(&format!("{path}?{query}"), &[(name, &key)])
    };
    match signed("/api/v3/account", "omitZeroBalances=true".to_owned()) {
        Ok(answer) if answer.status == 200 => {
            let account = answer.json();
            let uid = account["uid"].as_u64().map(|uid| format!(" of account {uid}")).unwrap_or_default();
            let kind = signer.parts().1.kind();
            let message = format!("the venue takes the {kind} key{uid}");
            checks.good(KEY, Some(answer.round_trip), message);
            let rights = target.live.then(|| signed("/sapi/v1/account/apiRestrictions", String::new()));
            permissions(&account, rights.map(|rights| rights.map(|rights| rights.json()).unwrap_or_default()), checks);
        }
        Ok(answer) => {
            checks.bad(KEY, Some(answer.round_trip), refused(&answer));
            checks.skipped(PERMISSIONS, "the key is not taken");
            return checks.skipped(PRIVATE_STREAM, "the key is not taken");
        }
        Err(fault) => {
            checks.bad(KEY, None, format!("the question about the account is not answered: {fault}; try again"));
            checks.skipped(PERMISSIONS, "nothing is known of the key");
            return checks.skipped(PRIVATE_STREAM, "nothing is known of the key");
        }
    }
    let (key, signer) = signer.parts();
    match RequestBuilder::new(key, signer, 0, recv_window_ms) {
        Ok(builder) => private_stream(target, way, builder, offset_ms, checks),
        Err(error) => checks.bad(PRIVATE_STREAM, None, format!("nothing can be signed with this key: {error}")),
    }
}

/// Says whether the venue answers like one.
fn reached(first: &Answered, checks: &mut Checks) -> bool {
    let message = match first.status {
        200 if first.json()["serverTime"].is_i64() => {
            let message = "the venue answers; name, connection and TLS are in the time".to_owned();
            checks.good(REACHABLE, Some(first.round_trip), message);
            return true;
        }
        418 | 429 => {
            let status = first.status;
            format!(
                "the venue answers {status}: this address sends too much; wait, and look for what else asks from here"
            )
        }
        403 | 451 => {
            let status = first.status;
            format!("the venue answers {status}: it does not serve this address; check where the request leaves from")
        }
        500.. => format!("the venue answers {}: look at its status page, try again", first.status),
        status => format!("something answers {status}, but not Binance: check rest_url in [[venues]]"),
    };
    checks.bad(REACHABLE, Some(first.round_trip), message);
    for name in [CLOCK, KEY, PERMISSIONS, PRIVATE_STREAM] {
        checks.skipped(name, "the venue does not serve us");
    }
    false
}

/// Asked again on the connection that is open now: that round trip is the network's and the venue's alone.
fn clock(target: &Target, way: &Way, first: &Answered, checks: &mut Checks) -> i64 {
    let again = way.get("/api/v3/time", &[]).ok().filter(|again| again.json()["serverTime"].is_i64());
    let best = again.as_ref().unwrap_or(first);
    let venue_ns = best.json()["serverTime"].as_i64().unwrap_or(0).saturating_mul(1_000_000);
    let offset_ns = venue_ns.saturating_sub(best.middle_ns);
    // Told in whole milliseconds: the middle of the one that it names.
    checks.clock(offset_ns + 500_000, best.round_trip, 1_000_000, target.clock_offset_max_ns);
    offset_ns / 1_000_000
}

fn permissions(account: &Value, rights: Option<Value>, checks: &mut Checks) {
    let may: Vec<&str> = account["permissions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if account["canTrade"] != true {
        let message = "the account may not trade: enable spot trading for it at the venue".to_owned();
        return checks.bad(PERMISSIONS, None, message);
    }
    match rights {
        None => checks.good(PERMISSIONS, None, format!("may trade ({})", may.join(", "))),
        Some(rights) if rights["enableSpotAndMarginTrading"] == false => {
            let message = "the key may not trade: tick \"Enable Spot & Margin Trading\" for it".to_owned();
            checks.bad(PERMISSIONS, None, message);
        }
        Some(rights) if rights["enableWithdrawals"] != false => {
            let message = "the key can withdraw, or does not say that it cannot: make one that can only read and trade";
            checks.bad(PERMISSIONS, None, message.to_owned());
        }
        Some(rights) => {
            let bound = if rights["ipRestrict"] == true { "" } else { "; it works from any address: bind it to yours" };
            checks.good(PERMISSIONS, None, format!("may trade, may not withdraw{bound}"));
        }
    }
}

fn private_stream(target: &Target, way: &Way, mut builder: RequestBuilder, offset_ms: i64, checks: &mut Checks) {
    let what = "check ws_api_url in [[venues]] and that WebSockets get through a proxy";
    let (mut talk, opened) = match Talk::open(&target.private_url, target.ca_file.as_deref(), way.deadline) {
        Ok(opened) => opened,
        Err(fault) => return checks.bad(PRIVATE_STREAM, None, format!("not connected: {fault}; {what}")),
    };
    let mut request = Vec::new();
    builder.subscribe(&mut request, 1, super::ask::now_ns() / 1_000_000 + offset_ms);
    let answer = talk.ask(&request, |message| {
        let reply: Value = serde_json::from_slice(message).unwrap_or_default();
        reply["status"].is_i64().then_some(reply)
    });
    match answer {
        Ok((reply, round_trip)) if reply["status"] == 200 => {
            let opened = super::millis(opened);
            let message = format!("the account's events are granted; the connection took {opened} ms");
            checks.good(PRIVATE_STREAM, Some(round_trip), message);
        }
        Ok((reply, round_trip)) => {
            let (code, text) = (&reply["error"]["code"], reply["error"]["msg"].as_str().unwrap_or("without a word"));
            let message = format!("the venue refuses the account's events: {text} ({code})");
            checks.bad(PRIVATE_STREAM, Some(round_trip), message);
        }
        Err(fault) => checks.bad(PRIVATE_STREAM, None, format!("no answer to the subscription: {fault}; {what}")),
    }
    talk.end();
}

/// What a refusal of the key means and what to do about it (§5.5).
fn refused(answer: &Answered) -> String {
    let body = answer.json();
    let code = body["code"].as_i64().unwrap_or(0);
    let text = body["msg"].as_str().unwrap_or("without a word");
    let what = match code {
        -1021 => "the clock is outside recv_window_ms: see the clock above",
        -1022 => "the secret does not belong to this key: store both anew",
        -2014 => "this is no API key: it may have been cut when it was copied; store it anew",
        -2015 => {
            "the key is of the other environment, revoked, bound to another address, or may not trade: look at it at \
             the venue, then store a good one"
        }
        _ if answer.status == 429 || answer.status == 418 => "too many requests: wait",
        _ if answer.status >= 500 => "the venue has a fault: look at its status page, try again",
        _ => "look at the key at the venue",
    };
    format!("the venue refuses the key: {text} ({}, {code}); {what}", answer.status)
}
