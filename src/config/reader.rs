//! Reads tables of a parsed TOML text key by key, and remembers every fault instead of stopping at the first.
//!
//! A getter that meets a fault notes it and answers a neutral value, so that a section reads as a plain list of its
//! keys; the values are let out of this folder only where no fault was noted. Numbers are taken from their source
//! text (`toml` keeps it), so a limit never passes through a binary float.

use super::bounds::Bound;
use super::fault::{Fault, Faults, nearest, position};
use crate::domain::decimal::{self, DecimalError};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The text being read and the faults found so far.
pub(super) struct Doc<'a> {
    text: &'a str,
    faults: RefCell<Vec<Fault>>,
    /// Where each key that was read stands, for faults that show only when sections are compared.
    spans: RefCell<BTreeMap<String, Range<usize>>>,
}

impl<'a> Doc<'a> {
    pub fn new(text: &'a str) -> Doc<'a> {
        Doc { text, faults: RefCell::default(), spans: RefCell::default() }
    }

    pub fn fault_at(&self, span: Range<usize>, key: impl Into<String>, message: impl Into<String>) {
        let (line, column) = position(self.text, span.start);
        self.faults.borrow_mut().push(Fault { line, column, key: key.into(), message: message.into() });
    }

    /// A fault at a key that was read before, or at the table it belongs to.
    pub fn fault(&self, key: &str, message: impl Into<String>) {
        let spans = self.spans.borrow();
        let mut at = key;
        let span = loop {
            if let Some(span) = spans.get(at) {
                break span.clone();
            }
            match at.rsplit_once('.') {
                Some((parent, _)) => at = parent,
                None => break 0..0,
            }
        };
        drop(spans);
        self.fault_at(span, key, message);
    }

    /// Whether no fault was noted at any of these keys, nor at a table that they stand in.
    pub fn sound(&self, keys: &[&str]) -> bool {
        let faults = self.faults.borrow();
        let hits = |key: &str, fault: &Fault| {
            key == fault.key || key.strip_prefix(&fault.key).is_some_and(|rest| rest.starts_with('.'))
        };
        !keys.iter().any(|key| faults.iter().any(|fault| hits(key, fault)))
    }

    fn remember(&self, key: String, span: Range<usize>) {
        self.spans.borrow_mut().insert(key, span);
    }

    /// The faults in the order of the text.
    pub fn finish(self) -> Result<(), Faults> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| (fault.line, fault.column));
        if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
    }
}

/// A table of the text. Each key is read once; what was never read is unknown, and `finish` says so.
pub(super) struct Section<'a> {
    doc: &'a Doc<'a>,
    path: String,
    span: Range<usize>,
    /// `None` where the section is missing: its faults are said once, for the section.
    table: Option<&'a DeTable<'a>>,
    read: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Section<'a> {
    pub fn root(doc: &'a Doc<'a>, table: &'a Spanned<DeTable<'a>>) -> Section<'a> {
        Section { doc, path: String::new(), span: 0..0, table: Some(table.get_ref()), read: RefCell::default() }
    }

    /// The dotted path of a key in this section.
    pub fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Whether no fault was noted at these keys of this section.
    pub fn sound(&self, keys: &[&str]) -> bool {
        keys.iter().all(|key| self.doc.sound(&[&self.key(key)]))
    }

    /// Notes a fault at a key of this section.
    pub fn fault(&self, key: &str, message: impl Into<String>) {
        self.doc.fault(&self.key(key), message);
    }

    fn find(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.read.borrow_mut().insert(key);
        let (name, value) = self.table?.get_key_value(key)?;
        self.doc.remember(self.key(key), name.span());
        Some(value)
    }

    fn need(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        let found = self.find(key);
        if found.is_none() && self.table.is_some() {
            self.doc.fault_at(self.span.clone(), self.key(key), "is missing and has no default");
        }
        found
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue>, wanted: &str) {
        self.doc.fault_at(value.span(), self.key(key), format!("must be {wanted}, is {}", kind(value.get_ref())));
    }

    /// A table that must be there.
    pub fn section(&self, key: &'static str) -> Section<'a> {
        let value = self.need(key);
        self.sub(key, self.key(key), value)
    }

    /// A table that may be there.
    pub fn section_opt(&self, key: &'static str) -> Option<Section<'a>> {
        let value = self.find(key)?;
        Some(self.sub(key, self.key(key), Some(value)))
    }

    fn sub(&self, key: &str, path: String, value: Option<&'a Spanned<DeValue<'a>>>) -> Section<'a> {
        let table = value.and_then(|value| {
            let table = value.get_ref().as_table();
            if table.is_none() {
                self.wrong(key, value, "a table");
            }
            table
        });
        let span = value.map_or(0..0, Spanned::span);
        self.doc.remember(path.clone(), span.clone());
        Section { doc: self.doc, path, span, table, read: RefCell::default() }
    }

    /// The elements of an array of tables; none where the key is absent.
    pub fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.find(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, value, &format!("an array of tables, each begun by [[{key}]]"));
            return Vec::new();
        };
        array.iter().enumerate().map(|(i, item)| self.sub(key, format!("{}[{i}]", self.key(key)), Some(item))).collect()
    }

    pub fn text(&self, key: &'static str) -> String {
        self.need(key).map_or_else(String::new, |value| self.text_of(key, value))
    }

    pub fn text_opt(&self, key: &'static str) -> Option<String> {
        self.find(key).map(|value| self.text_of(key, value))
    }

    fn text_of(&self, key: &str, value: &Spanned<DeValue>) -> String {
        match value.get_ref() {
            DeValue::String(text) if !text.trim().is_empty() => text.to_string(),
            DeValue::String(_) => {
                self.doc.fault_at(value.span(), self.key(key), "must not be empty");
                String::new()
            }
            _ => {
                self.wrong(key, value, "a string in quotes");
                String::new()
            }
        }
    }

    /// A list of strings that must be there; it may be empty.
    pub fn texts(&self, key: &'static str) -> Vec<String> {
        self.need(key).map_or_else(Vec::new, |value| self.texts_of(key, value))
    }

    fn texts_of(&self, key: &str, value: &Spanned<DeValue>) -> Vec<String> {
        match value.get_ref().as_array() {
            Some(array) => array.iter().map(|item| self.text_of(key, item)).collect(),
            None => {
                self.wrong(key, value, "a list of strings");
                Vec::new()
            }
        }
    }

    pub fn flag(&self, key: &'static str) -> bool {
        self.need(key).is_some_and(|value| match value.get_ref() {
            DeValue::Boolean(flag) => *flag,
            _ => {
                self.wrong(key, value, "true or false");
                false
            }
        })
    }

    /// One of some words, each with its value; `None` after a fault.
    pub fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let value = self.need(key)?;
        self.word_of(key, value, words)
    }

    /// As `word`, where the key is there.
    pub fn word_opt<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        if self.has(key) { self.word(key, words) } else { None }
    }

    /// Each element of a list as one of some words.
    pub fn words<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Vec<T> {
        let Some(value) = self.need(key) else { return Vec::new() };
        match value.get_ref().as_array() {
            Some(array) => array.iter().filter_map(|item| self.word_of(key, item, words)).collect(),
            None => {
                self.wrong(key, value, "a list of strings");
                Vec::new()
            }
        }
    }

    fn word_of<T: Copy>(&self, key: &str, value: &Spanned<DeValue>, words: &[(&str, T)]) -> Option<T> {
        let text = self.text_of(key, value);
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() && !text.is_empty() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let hint =
                nearest(&text, known.iter().copied()).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            let known = known.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
            self.doc.fault_at(value.span(), self.key(key), format!("{text:?} is none of {known}{hint}"));
        }
        found
    }

    /// A whole number within bounds.
    pub fn whole(&self, key: &'static str, bounds: RangeInclusive<u64>) -> u64 {
        let fallback = *bounds.start();
        self.need(key).map_or(fallback, |value| self.whole_of(key, value, bounds))
    }

    pub fn whole_opt(&self, key: &'static str, bounds: RangeInclusive<u64>) -> Option<u64> {
        self.find(key).map(|value| self.whole_of(key, value, bounds))
    }

    fn whole_of(&self, key: &str, value: &Spanned<DeValue>, bounds: RangeInclusive<u64>) -> u64 {
        let (min, max) = bounds.into_inner();
        let DeValue::Integer(number) = value.get_ref() else {
            self.wrong(key, value, &format!("a whole number from {min} to {max}"));
            return min;
        };
        match u64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if (min..=max).contains(&number) => number,
            _ => {
                self.doc.fault_at(value.span(), self.key(key), format!("{number} is outside {min} to {max}"));
                min
            }
        }
    }

    /// A limit that is a whole number.
    pub fn bounded_whole(&self, bound: &'static Bound) -> i64 {
        let bounds = bound.least.unsigned_abs()..=bound.max.unsigned_abs();
        i64::try_from(self.whole(bound.key, bounds)).unwrap_or(i64::MAX)
    }

    /// A limit that is a decimal, in units of its scale.
    pub fn bounded_decimal(&self, bound: &'static Bound) -> i64 {
        self.need(bound.key).map_or(0, |value| self.bounded_of(bound.key, value, bound))
    }

    /// A whole number of milliseconds within bounds, in nanoseconds.
    pub fn millis(&self, key: &'static str, bounds: RangeInclusive<u64>) -> i64 {
        nanos(self.whole(key, bounds), 1_000_000)
    }

    /// A whole number of microseconds within bounds, in nanoseconds.
    pub fn micros(&self, key: &'static str, bounds: RangeInclusive<u64>) -> i64 {
        nanos(self.whole(key, bounds), 1_000)
    }

    /// A decimal from 0 to `max`, in units of `10^-scale`: a TOML number, or a decimal in quotes.
    pub fn decimal(&self, key: &'static str, scale: u8, max: i64) -> i64 {
        self.need(key).map_or(0, |value| self.decimal_of(key, value, scale, 0, max))
    }

    /// As `decimal`, but above 0.
    pub fn decimal_above_zero(&self, key: &'static str, scale: u8, max: i64) -> i64 {
        self.need(key).map_or(0, |value| self.decimal_of(key, value, scale, 1, max))
    }

    /// A percentage from 0 to `max` in parts per million, to a ten-thousandth of a percent.
    pub fn percent(&self, key: &'static str, max: u32) -> u32 {
        ppm(self.decimal(key, 4, max.into()))
    }

    /// As `percent`, but above 0.
    pub fn percent_above_zero(&self, key: &'static str, max: u32) -> u32 {
        ppm(self.decimal_above_zero(key, 4, max.into()))
    }

    /// `least` is 0 or one unit of the scale.
    fn decimal_of(&self, key: &str, value: &Spanned<DeValue>, scale: u8, least: i64, max: i64) -> i64 {
        self.bounded_of(key, value, &Bound { key: "", scale, least, max })
    }

    fn bounded_of(&self, key: &str, value: &Spanned<DeValue>, bound: &Bound) -> i64 {
        let Some((shown, parsed)) = self.number(key, value, |text| decimal::parse(text.as_bytes(), bound.scale)) else {
            return 0;
        };
        let message = match parsed {
            Ok(number) if bound.holds(number) => return number,
            Ok(_) | Err(DecimalError::TooLarge) => bound.refusal(&shown),
            Err(error) => format!("{shown}: {error}"),
        };
        self.doc.fault_at(value.span(), self.key(key), message);
        0
    }

    /// In units of 10^-`scale`, from minus to plus `max`.
    pub fn decimal_signed(&self, key: &'static str, scale: u8, max: i64) -> i64 {
        let Some(value) = self.need(key) else { return 0 };
        let Some((shown, parsed)) = self.number(key, value, |text| match text.strip_prefix('-') {
            Some(text) => decimal::parse(text.as_bytes(), scale).map(|value| -value),
            None => decimal::parse(text.as_bytes(), scale),
        }) else {
            return 0;
        };
        let most = i128::from(max) * 10i128.pow(scale.into());
        let message = match parsed {
            Ok(number) if i128::from(number).abs() <= most => return number,
            Ok(_) => format!("{shown} is outside -{max} to {max}"),
            Err(error) => format!("{shown}: {error}"),
        };
        self.doc.fault_at(value.span(), self.key(key), message);
        0
    }

    /// A decimal above 0 with the places its writer gave it.
    pub fn decimal_as_written(&self, key: &'static str) -> crate::domain::Dec {
        let none = crate::domain::Dec::default();
        let Some(value) = self.need(key) else { return none };
        let places = |text: &str| text.split_once('.').map_or(0, |(_, places)| places.trim_end_matches('0').len());
        let read = |text: &str| {
            let scale = u8::try_from(places(text)).ok().filter(|scale| *scale <= 18).unwrap_or(18);
            decimal::parse(text.as_bytes(), scale).map(|value| crate::domain::Dec { value, scale })
        };
        match self.number(key, value, read) {
            Some((_, Ok(number))) if number.value > 0 => number,
            Some((shown, Ok(_))) => {
                self.doc.fault_at(value.span(), self.key(key), format!("{shown} must be above 0"));
                none
            }
            Some((shown, Err(error))) => {
                self.doc.fault_at(value.span(), self.key(key), format!("{shown}: {error}"));
                none
            }
            None => none,
        }
    }

    /// The source text of a number (or of a string that holds one), and what `parse` makes of it.
    fn number<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue>,
        parse: impl Fn(&str) -> Result<T, DecimalError>,
    ) -> Option<(String, Result<T, DecimalError>)> {
        let text = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            DeValue::String(text) => text,
            _ => {
                self.wrong(key, value, "a decimal number");
                return None;
            }
        };
        Some((text.to_owned(), parse(text)))
    }

    /// Every key with a decimal from 0 to `max`, in the order of the keys: for tables whose keys the operator names.
    pub fn decimals(&self, scale: u8, max: i64) -> Vec<(String, i64)> {
        let Some(table) = self.table else { return Vec::new() };
        let entries = table.iter().map(|(key, value)| {
            let name = key.get_ref();
            self.doc.remember(self.key(name), key.span());
            (name.to_string(), self.decimal_of(name, value, scale, 0, max))
        });
        entries.collect()
    }

    /// Notes a fault where the key is there at all, and says why it must not be.
    pub fn forbid(&self, key: &'static str, why: &str) {
        if self.find(key).is_some() {
            self.fault(key, why);
        }
    }

    /// Whether the key is there and is this very string; any other value is for another getter to read.
    pub fn is_text(&self, key: &'static str, text: &str) -> bool {
        self.find(key).is_some_and(|value| value.get_ref().as_str() == Some(text))
    }

    /// Says which keys no getter asked for, each with the nearest known key.
    pub fn finish(self) {
        let Some(table) = self.table else { return };
        let read = self.read.into_inner();
        for key in table.keys().filter(|key| !read.contains(key.get_ref().as_ref())) {
            let path = if self.path.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{}.{}", self.path, key.get_ref())
            };
            let hint = match nearest(key.get_ref(), read.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known here: {}", read.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            self.doc.fault_at(key.span(), path, format!("no such key; {hint}"));
        }
    }
}

/// `count` units of `unit` nanoseconds. Callers' bounds keep the product far below the limit.
fn nanos(count: u64, unit: i64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(unit)
}

fn ppm(units: i64) -> u32 {
    u32::try_from(units).unwrap_or(u32::MAX)
}

fn kind(value: &DeValue) -> String {
    match value {
        DeValue::String(text) => format!("the string {text:?}"),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(flag) => format!("{flag}"),
        DeValue::Datetime(time) => format!("the time {time}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
