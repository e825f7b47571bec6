//! A request's JSON object, read field by field: every fault at once, by field, and numbers exactly as they were typed.

use crate::domain::Dec;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::fmt;
use zeroize::Zeroizing;

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldFault {
    pub field: String,
    pub message: String,
}

impl FieldFault {
    pub fn new(field: &str, message: impl Into<String>) -> FieldFault {
        FieldFault { field: field.to_owned(), message: message.into() }
    }
}

/// The fields of an object, none read yet. Each getter notes its faults; `finish` tells them.
pub struct Fields<'a> {
    fields: Vec<(String, &'a RawValue)>,
    read: RefCell<Vec<&'static str>>,
    faults: RefCell<Vec<FieldFault>>,
}

impl<'a> Fields<'a> {
    /// Takes an object apart, and leaves its values as their text. Anything else is an error in words.
    pub fn parse(body: &'a [u8]) -> Result<Fields<'a>, String> {
        let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
        let mut json = serde_json::Deserializer::from_str(text);
        let fields = json.deserialize_map(Object).and_then(|fields| json.end().map(|()| fields));
        let fields = fields.map_err(|error| format!("the body is not a JSON object: {error}"))?;
        let faults = fields
            .iter()
            .enumerate()
            .filter(|(i, (name, _))| fields[..*i].iter().any(|(other, _)| other == name))
            .map(|(_, (name, _))| FieldFault::new(name, "stands twice"))
            .collect();
        Ok(Fields { fields, read: RefCell::default(), faults: RefCell::new(faults) })
    }

    /// Notes a fault.
    pub fn fault(&self, field: &str, message: impl Into<String>) {
        self.faults.borrow_mut().push(FieldFault::new(field, message));
    }

    /// Whether the field is there, whatever its value; it counts as read.
    pub fn has(&self, field: &'static str) -> bool {
        self.find(field).is_some()
    }

    /// Whether the field is there, and `null`; it does not count as read.
    pub fn is_null(&self, field: &str) -> bool {
        self.fields.iter().any(|(name, value)| name == field && value.get() == "null")
    }

    /// Whether the field is this word, in any case of letters; it counts as read.
    pub fn is_word(&self, field: &'static str, word: &str) -> bool {
        let text = self.find(field).and_then(|text| serde_json::from_str::<String>(text).ok());
        text.is_some_and(|text| text.eq_ignore_ascii_case(word))
    }

    /// A field that holds an object, read like a request of its own; it counts as read.
    pub fn object_opt(&self, field: &'static str) -> Option<Fields<'a>> {
        let text = self.find(field)?;
        match Fields::parse(text.as_bytes()) {
            Ok(object) => Some(object),
            Err(_) => {
                self.fault(field, format!("must be an object, is {}", cut(text)));
                None
            }
        }
    }

    /// The value's text. `null` is as good as absent.
    fn find(&self, field: &'static str) -> Option<&'a str> {
        if !self.read.borrow().contains(&field) {
            self.read.borrow_mut().push(field);
        }
        self.fields.iter().find(|(name, _)| name == field).map(|(_, value)| value.get()).filter(|text| *text != "null")
    }

    fn missing<T>(&self, field: &str, value: Option<T>) -> Option<T> {
        let faulted = self.faults.borrow().iter().any(|fault| fault.field == field);
        if value.is_none() && !faulted {
            self.fault(field, "is missing");
        }
        value
    }

    /// A string that need not be there.
    pub fn text_opt(&self, field: &'static str) -> Option<String> {
        let text = self.find(field)?;
        match serde_json::from_str::<String>(text) {
            Ok(text) if !text.is_empty() => Some(text),
            Ok(_) => {
                self.fault(field, "must not be empty");
                None
            }
            Err(_) => {
                self.fault(field, format!("must be a string, is {}", cut(text)));
                None
            }
        }
    }

    /// A string that no fault may repeat.
    pub fn secret_opt(&self, field: &'static str) -> Option<Zeroizing<String>> {
        let text = serde_json::from_str::<String>(self.find(field)?).ok().filter(|text| !text.is_empty());
        if text.is_none() {
            self.fault(field, "must be a string that is not empty");
        }
        text.map(Zeroizing::new)
    }

    pub fn text(&self, field: &'static str) -> Option<String> {
        let text = self.text_opt(field);
        self.missing(field, text)
    }

    /// One of some words, in any case of letters.
    pub fn word_opt<T: Copy>(&self, field: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text_opt(field)?;
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text)).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.fault(field, format!("must be one of {}, is {:?}", known.join(", "), cut(&text)));
        }
        found
    }

    pub fn word<T: Copy>(&self, field: &'static str, words: &[(&str, T)]) -> Option<T> {
        let word = self.word_opt(field, words);
        self.missing(field, word)
    }

    /// False where it is absent.
    pub fn flag(&self, field: &'static str) -> bool {
        self.flag_opt(field).unwrap_or(false)
    }

    pub fn flag_opt(&self, field: &'static str) -> Option<bool> {
        match self.find(field)? {
            "false" => Some(false),
            "true" => Some(true),
            text => {
                self.fault(field, format!("must be true or false, is {}", cut(text)));
                None
            }
        }
    }

    /// A decimal above 0: a JSON number, or a string that holds one. Exact, with no more places than it needs.
    pub fn decimal_opt(&self, field: &'static str) -> Option<Decimal> {
        self.decimal_from(field, false)
    }

    /// As `decimal_opt`, or 0.
    pub fn decimal_or_zero_opt(&self, field: &'static str) -> Option<Decimal> {
        self.decimal_from(field, true)
    }

    fn decimal_from(&self, field: &'static str, zero: bool) -> Option<Decimal> {
        let raw = self.find(field)?;
        let quoted = raw.starts_with('"').then(|| serde_json::from_str::<String>(raw).ok()).flatten();
        let text = quoted.as_deref().unwrap_or(raw);
        let parsed = parse(text);
        let message = match parsed {
            Some(decimal) if !decimal.negative && (zero || !decimal.digits.is_empty()) => return Some(decimal),
            Some(_) => format!("must be {} 0, is {}", if zero { "at least" } else { "above" }, cut(text)),
            None => format!("must be a decimal number, is {}", cut(raw)),
        };
        self.fault(field, message);
        None
    }

    pub fn decimal(&self, field: &'static str) -> Option<Decimal> {
        let decimal = self.decimal_opt(field);
        self.missing(field, decimal)
    }

    /// The text of a string or number that names something: an id may be typed either way.
    pub fn id(&self, field: &'static str) -> Option<String> {
        let raw = self.find(field);
        let id = raw.and_then(|raw| {
            let id = serde_json::from_str::<String>(raw).ok();
            let id = id.or_else(|| raw.bytes().all(|c| c.is_ascii_digit()).then(|| raw.to_owned()));
            // A whole number in another dress, such as 81.0, is that number.
            let whole = || parse(raw)?.units(0).ok().filter(|number| *number >= 0).map(|number| number.to_string());
            let id = id.or_else(whole);
            if id.is_none() {
                self.fault(field, format!("must be an id, is {}", cut(raw)));
            }
            id
        });
        self.missing(field, id)
    }

    /// A string or number that need not be there, as its text.
    pub fn id_opt(&self, field: &'static str) -> Option<String> {
        let raw = self.find(field)?;
        serde_json::from_str::<String>(raw).ok().or_else(|| Some(raw.to_owned()))
    }

    /// Every fault, unknown fields among them.
    pub fn finish(self) -> Result<(), Vec<FieldFault>> {
        let (read, mut faults) = (self.read.into_inner(), self.faults.into_inner());
        for (name, _) in self.fields.iter().filter(|(name, _)| !read.contains(&name.as_str())) {
            faults.push(FieldFault::new(&cut(name), format!("is not a field of this action ({})", read.join(", "))));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// A decimal as it was typed: `digits × 10^-places`, without leading or trailing zeros. Zero has no digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    digits: String,
    places: i64,
}

impl Decimal {
    /// A decimal in JSON's grammar of numbers.
    pub fn parse(text: &str) -> Option<Decimal> {
        parse(text)
    }

    /// In units of `10^-scale`, exact, or why it cannot be.
    pub fn units(&self, scale: u8) -> Result<i64, String> {
        let zeros = i64::from(scale) - self.places;
        if zeros < 0 {
            return Err(format!("has more decimal places than the {scale} that are kept"));
        }
        let too_large = || "is too large".to_owned();
        // An i64 has 19 digits; more cannot fit whatever they are.
        if self.digits.len() as i64 + zeros > 19 {
            return Err(too_large());
        }
        let value = format!("{}{}", self.digits, "0".repeat(zeros as usize)).parse::<i64>().map_err(|_| too_large())?;
        Ok(if self.negative { -value } else { value })
    }
}

/// JSON's grammar of numbers, exponent and all.
fn parse(text: &str) -> Option<Decimal> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            let size = all_digits(digits)?.parse::<i64>().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
            (mantissa, if exponent.starts_with('-') { -size } else { size })
        }
        None => (rest, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (all_digits(whole)?, all_digits(fraction)?),
        None => (all_digits(mantissa)?, ""),
    };
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    let places = fraction.len() as i64 - zeros as i64 - exponent;
    Some(Decimal { negative, digits: significant.to_owned(), places })
}

fn all_digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|c| c.is_ascii_digit())).then_some(text)
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u8::try_from(self.places.max(0)).ok().and_then(|scale| Some((self.units(scale).ok()?, scale))) {
            Some((value, scale)) if scale <= 18 => Dec { value, scale }.fmt(f),
            _ => write!(f, "{}{}e{}", if self.negative { "-" } else { "" }, self.digits, -self.places),
        }
    }
}

/// At most so much of what a stranger sent is said back.
pub(super) fn cut(text: &str) -> String {
    const MAX: usize = 40;
    if text.chars().count() <= MAX {
        return text.to_owned();
    }
    format!("{}...", text.chars().take(MAX).collect::<String>())
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn units(text: &str, scale: u8) -> Result<i64, String> {
        let body = format!("{{\"q\":{text}}}");
        let fields = Fields::parse(body.as_bytes())?;
        let units = fields.decimal("q").map(|decimal| decimal.units(scale));
        fields.finish().map_err(|faults| faults[0].message.clone())?;
        units.unwrap_or_else(|| Err("nothing was read and no fault was told".to_owned()))
    }

    #[test]
    fn numbers_are_taken_as_typed() {
        let places = "has more decimal places than the 8 that are kept";
        for (text, want) in [
            ("0.001", Ok(100_000)),
            ("\"0.001\"", Ok(100_000)),
            ("1e-3", Ok(100_000)),
            ("1E+1", Ok(1_000_000_000)),
            ("100", Ok(10_000_000_000)),
            ("0.10000000000000000000", Ok(10_000_000)),
            // No binary float holds these.
            ("0.00000001", Ok(1)),
            ("90071992547.40993001", Ok(9_007_199_254_740_993_001)),
            ("0.000000001", Err(places)),
            ("0.1234567890123456789", Err(places)),
            ("1e-400", Err(places)),
            ("1e400", Err("is too large")),
            ("1e99999999999999999999", Err("is too large")),
            ("92233720368.54775808", Err("is too large")),
            ("0", Err("must be above 0, is 0")),
            ("-0", Err("must be above 0, is -0")),
            ("0e5", Err("must be above 0, is 0e5")),
            ("-1", Err("must be above 0, is -1")),
            ("\"NaN\"", Err("must be a decimal number, is \"NaN\"")),
            ("\"\"", Err("must be a decimal number, is \"\"")),
            ("\"1.\"", Err("must be a decimal number, is \"1.\"")),
            ("\" 1\"", Err("must be a decimal number, is \" 1\"")),
            ("true", Err("must be a decimal number, is true")),
            ("[1]", Err("must be a decimal number, is [1]")),
            ("null", Err("is missing")),
        ] {
            assert_eq!(units(text, 8), want.map_err(str::to_owned), "{text}");
        }
        assert!(units("NaN", 8).unwrap_err().starts_with("the body is not a JSON object: "));
    }

    #[test]
    fn every_fault_is_told_at_once_by_field() {
        let body = br#"{"symbol":7,"side":"hold","a":1,"flag":"yes","id":[],"symbol":"B"}"#;
        let fields = Fields::parse(body).unwrap();
        assert_eq!(fields.text("symbol"), None);
        assert_eq!(fields.word("side", &[("buy", 1), ("sell", 2)]), None);
        assert_eq!(fields.decimal("quantity"), None);
        assert!(!fields.flag("flag"));
        assert_eq!(fields.id("id"), None);
        let told: Vec<String> = fields
            .finish()
            .unwrap_err()
            .into_iter()
            .map(|fault| format!("{} {}", fault.field, fault.message))
            .collect();
        assert_eq!(
            told,
            [
                "symbol stands twice",
                "symbol must be a string, is 7",
                "side must be one of buy, sell, is \"hold\"",
                "quantity is missing",
                "flag must be true or false, is \"yes\"",
                "id must be an id, is []",
                "a is not a field of this action (symbol, side, quantity, flag, id)",
            ]
        );
    }

    #[test]
    fn what_is_not_an_object_is_said() {
        let deep = "[".repeat(100_000);
        for body in ["", "[]", "7", "{\"a\":1", "{\"a\":1}x", "{\"a\":}", deep.as_str(), &format!("{{\"a\":{deep}")] {
            let error = Fields::parse(body.as_bytes()).err().unwrap_or_else(|| panic!("{body:.20} was taken"));
            assert!(error.starts_with("the body is not a JSON object: "), "{error}");
        }
        assert_eq!(Fields::parse(b"\xff").err().unwrap(), "the body is not UTF-8");
    }

    proptest! {
        #[test]
        fn any_decimal_comes_out_as_it_went_in(value in 1i64.., scale in 0u8..=18, shift in -20i64..20) {
            let plain = rust_decimal::Decimal::new(value, scale.into()).to_string();
            prop_assert_eq!(units(&plain, 18), value.checked_mul(10i64.pow(18 - u32::from(scale))).ok_or("is too large".to_owned()));
            // The same number with its exponent moved.
            let moved = format!("{value}e{}", shift - i64::from(scale));
            let back = Decimal { negative: false, digits: value.to_string().trim_end_matches('0').to_owned(),
                places: i64::from(scale) - shift - (value.to_string().len() - value.to_string().trim_end_matches('0').len()) as i64 };
            prop_assert_eq!(parse(&moved), Some(back));
        }

        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            if let Ok(fields) = Fields::parse(&body) {
                fields.decimal("a");
                fields.text("b");
                let _ = fields.finish();
            }
        }
    }
}
