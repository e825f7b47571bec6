//! simd-json with kept buffers: the reader for whatever the hand scanners do not take.

use super::SCALE;
use super::decode::{DecodeError, nanos, not_json};
use crate::domain::decimal;
use serde::Deserialize;
use simd_json::Buffers;
use simd_json::prelude::*;
use simd_json::tape::{Object, Tape, Value};

/// Room that is kept for one text; a longer one grows it once.
const KEPT_LEN: usize = 64 * 1024;

/// Buffers of one parser, kept so that parsing does not allocate once they have grown.
pub(super) struct JsonScratch {
    text: Vec<u8>,
    buffers: Buffers,
    /// Always empty between calls; holds only its allocation.
    tape: Tape<'static>,
}

impl JsonScratch {
    pub fn new() -> JsonScratch {
        JsonScratch {
            text: Vec::with_capacity(KEPT_LEN),
            buffers: Buffers::new(KEPT_LEN),
            tape: Tape(Vec::with_capacity(KEPT_LEN / 8)),
        }
    }

    /// Parses `text` and hands its root to `read`.
    pub fn with<R>(
        &mut self,
        text: &[u8],
        read: impl FnOnce(Value<'_, '_>) -> Result<R, DecodeError>,
    ) -> Result<R, DecodeError> {
        self.text.clear();
        self.text.extend_from_slice(text);
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let result = match simd_json::fill_tape(&mut self.text, &mut self.buffers, &mut tape) {
            Ok(()) => read(tape.as_value()),
            Err(_) => Err(not_json(text)),
        };
        self.tape = tape.reset();
        result
    }
}

/// Parses a whole body into a typed value that owns what it keeps. For cold answers.
pub(super) fn parse<T>(text: &[u8]) -> Result<T, DecodeError>
where
    T: for<'de> Deserialize<'de>,
{
    let mut copy = text.to_vec();
    match simd_json::to_tape(&mut copy) {
        Ok(tape) => tape.deserialize().map_err(|_| DecodeError::BadField("body")),
        Err(_) => Err(not_json(text)),
    }
}

/// An object's field.
pub(super) fn field<'t, 'i>(object: &Object<'t, 'i>, name: &'static str) -> Result<Value<'t, 'i>, DecodeError> {
    object.get(name).ok_or(DecodeError::MissingField(name))
}

pub(super) fn text<'t, 'i>(object: &Object<'t, 'i>, name: &'static str) -> Result<&'i str, DecodeError> {
    field(object, name)?.into_string().ok_or(DecodeError::BadField(name))
}

pub(super) fn uint(object: &Object, name: &'static str) -> Result<u64, DecodeError> {
    field(object, name)?.as_u64().ok_or(DecodeError::BadNumber(name))
}

pub(super) fn int(object: &Object, name: &'static str) -> Result<i64, DecodeError> {
    field(object, name)?.as_i64().ok_or(DecodeError::BadNumber(name))
}

pub(super) fn boolean(object: &Object, name: &'static str) -> Result<bool, DecodeError> {
    field(object, name)?.as_bool().ok_or(DecodeError::BadField(name))
}

/// A decimal in quotes, not negative, in units of 10^-8.
pub(super) fn fixed(object: &Object, name: &'static str) -> Result<i64, DecodeError> {
    fixed_value(field(object, name)?, name)
}

pub(super) fn fixed_value(value: Value, name: &'static str) -> Result<i64, DecodeError> {
    let text = value.as_str().ok_or(DecodeError::BadNumber(name))?;
    fixed_text(text, name)
}

/// As `fixed`, from the text within the quotes.
pub(super) fn fixed_text(text: &str, name: &'static str) -> Result<i64, DecodeError> {
    match decimal::parse(text.as_bytes(), SCALE) {
        Ok(value) if value >= 0 && !text.starts_with('-') => Ok(value),
        _ => Err(DecodeError::BadNumber(name)),
    }
}

/// A venue time in nanoseconds.
pub(super) fn time(object: &Object, name: &'static str) -> Result<i64, DecodeError> {
    nanos(uint(object, name)?).ok_or(DecodeError::BadNumber(name))
}

/// As `fixed_text`, but a minus is taken: a commission below zero is a rebate.
pub(super) fn signed_text(text: &str, name: &'static str) -> Result<i64, DecodeError> {
    decimal::parse(text.as_bytes(), SCALE).map_err(|_| DecodeError::BadNumber(name))
}
