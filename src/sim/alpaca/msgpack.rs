//! MessagePack, as much of it as the data streams speak: written for what goes out, read for what clients ask.

use crate::domain::Nanos;
use serde_json::{Map, Value};

/// Deepest nesting of a client's message.
const DEPTH_MAX: u8 = 8;

pub fn push_map(out: &mut Vec<u8>, len: usize) {
    push_head(out, len, 0x80, 15, 0xde);
}

pub fn push_array(out: &mut Vec<u8>, len: usize) {
    push_head(out, len, 0x90, 15, 0xdc);
}

/// A short head with the length in it, or one with 16 bits of length.
fn push_head(out: &mut Vec<u8>, len: usize, fix: u8, fix_max: usize, wide: u8) {
    if len <= fix_max {
        out.push(fix | len as u8);
    } else {
        out.push(wide);
        out.extend_from_slice(&(len.min(u16::MAX.into()) as u16).to_be_bytes());
    }
}

pub fn push_str(out: &mut Vec<u8>, text: &str) {
    let len = text.len();
    if len <= 31 {
        out.push(0xa0 | len as u8);
    } else {
        out.push(0xda);
        out.extend_from_slice(&(len.min(u16::MAX.into()) as u16).to_be_bytes());
    }
    out.extend_from_slice(&text.as_bytes()[..len.min(u16::MAX.into())]);
}

pub fn push_int(out: &mut Vec<u8>, value: i64) {
    match value {
        0..=127 => out.push(value as u8),
        _ => {
            out.push(0xd3);
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

pub fn push_float(out: &mut Vec<u8>, value: f64) {
    out.push(0xcb);
    out.extend_from_slice(&value.to_be_bytes());
}

pub fn push_bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { 0xc3 } else { 0xc2 });
}

/// The timestamp extension: 30 bits of nanoseconds and 34 of seconds.
pub fn push_time(out: &mut Vec<u8>, at: Nanos) {
    let (seconds, nanos) = (at.div_euclid(1_000_000_000), at.rem_euclid(1_000_000_000));
    out.extend_from_slice(&[0xd7, 0xff]);
    out.extend_from_slice(&(((nanos as u64) << 34) | (seconds as u64 & 0x3_ffff_ffff)).to_be_bytes());
}

/// Reads one value as JSON; `None` where the bytes are none, or go on after it.
pub fn parse(bytes: &[u8]) -> Option<Value> {
    let mut rest = bytes;
    let value = value(&mut rest, 0)?;
    rest.is_empty().then_some(value)
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

fn uint(rest: &mut &[u8], len: usize) -> Option<u64> {
    Some(take(rest, len)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn value(rest: &mut &[u8], depth: u8) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    let head = take(rest, 1)?[0];
    let text = |rest: &mut &[u8], len: u64| {
        let bytes = take(rest, usize::try_from(len).ok()?)?;
        Some(Value::from(String::from_utf8(bytes.to_vec()).ok()?))
    };
    Some(match head {
        0x00..=0x7f => head.into(),
        0xe0..=0xff => (head as i8).into(),
        0xa0..=0xbf => text(rest, u64::from(head & 0x1f))?,
        0xd9..=0xdb => {
            let len = uint(rest, 1 << (head - 0xd9))?;
            text(rest, len)?
        }
        // Binary: some clients send their texts so.
        0xc4..=0xc6 => {
            let len = uint(rest, 1 << (head - 0xc4))?;
            text(rest, len)?
        }
        0x80..=0x8f => map(rest, u64::from(head & 0x0f), depth)?,
        0xde | 0xdf => {
            let len = uint(rest, 2 << (head - 0xde))?;
            map(rest, len, depth)?
        }
        0x90..=0x9f => array(rest, u64::from(head & 0x0f), depth)?,
        0xdc | 0xdd => {
            let len = uint(rest, 2 << (head - 0xdc))?;
            array(rest, len, depth)?
        }
        0xc0 => Value::Null,
        0xc2 => false.into(),
        0xc3 => true.into(),
        0xcc..=0xcf => uint(rest, 1 << (head - 0xcc))?.into(),
        0xd0..=0xd3 => {
            let bytes = 1usize << (head - 0xd0);
            let unused = 64 - 8 * bytes as u32;
            (((uint(rest, bytes)? << unused) as i64) >> unused).into()
        }
        0xcb => f64::from_bits(uint(rest, 8)?).into(),
        _ => return None,
    })
}

fn map(rest: &mut &[u8], len: u64, depth: u8) -> Option<Value> {
    let mut members = Map::new();
    for _ in 0..len {
        let Value::String(name) = value(rest, depth + 1)? else { return None };
        members.insert(name, value(rest, depth + 1)?);
    }
    Some(members.into())
}

fn array(rest: &mut &[u8], len: u64, depth: u8) -> Option<Value> {
    let mut items = Vec::new();
    for _ in 0..len {
        items.push(value(rest, depth + 1)?);
    }
    Some(items.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_clients_message_is_read() {
        // {"trades":["AAPL"],"action":"subscribe"}, as the official client packs it.
        let bytes = b"\x82\xa6trades\x91\xa4AAPL\xa6action\xa9subscribe";
        assert_eq!(parse(bytes), Some(json!({"trades": ["AAPL"], "action": "subscribe"})));
        assert_eq!(parse(&bytes[..bytes.len() - 1]), None);
        assert_eq!(parse(b"\xd0\xff"), Some(json!(-1)));
        assert_eq!(parse(b"\xd9\x03abc"), Some(json!("abc")));
        assert_eq!(parse(b"\xcd\x01\x00"), Some(json!(256)));
        assert_eq!(parse(&[0x91; 40]), None, "nested too deep");
    }

    #[test]
    fn a_time_is_the_extension_of_eight_bytes() {
        let mut out = Vec::new();
        push_time(&mut out, 1_614_009_104_208_000_000);
        assert_eq!(out[..2], [0xd7, 0xff]);
        let word = u64::from_be_bytes(out[2..].try_into().unwrap());
        assert_eq!((word & 0x3_ffff_ffff, word >> 34), (1_614_009_104, 208_000_000));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in "\\PC{0,60}", int in any::<i64>(), len in 0usize..40) {
            let mut out = Vec::new();
            push_map(&mut out, 2);
            push_str(&mut out, &text);
            push_int(&mut out, int);
            push_str(&mut out, "list of many");
            push_array(&mut out, len);
            (0..len).for_each(|_| push_bool(&mut out, true));
            let read = parse(&out).unwrap();
            prop_assert_eq!(read["list of many"].as_array().unwrap().len(), len);
            if text != "list of many" {
                prop_assert_eq!(read[&text].as_i64(), Some(int));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
