//! Writes JSON with the venue's own order of keys, straight into bytes.

use super::decimal;

/// The unit in which a client wants its times; the venue's default is milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeUnit {
    #[default]
    Milli,
    Micro,
}

impl TimeUnit {
    /// `MICROSECOND` or `MILLISECOND`, upper or lower case; anything else is `None` and the venue's -1194.
    pub fn parse(text: &str) -> Option<TimeUnit> {
        match text {
            "MICROSECOND" | "microsecond" => Some(TimeUnit::Micro),
            "MILLISECOND" | "millisecond" => Some(TimeUnit::Milli),
            _ => None,
        }
    }

    /// Microseconds since the epoch in this unit.
    pub fn of(self, us: i64) -> i64 {
        match self {
            TimeUnit::Milli => us.div_euclid(1_000),
            TimeUnit::Micro => us,
        }
    }
}

/// A JSON text under construction. Commas come by themselves.
#[derive(Debug, Default)]
pub struct Json {
    buf: Vec<u8>,
    unit: TimeUnit,
}

impl Json {
    pub fn new(unit: TimeUnit) -> Json {
        Json { buf: Vec::with_capacity(256), unit }
    }

    /// An empty one with the same time unit, for a part that is written first.
    pub fn nested(&self) -> Json {
        Json::new(self.unit)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.buf
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.buf
    }

    fn comma(&mut self) {
        if !matches!(self.buf.last(), None | Some(b'{' | b'[' | b':')) {
            self.buf.push(b',');
        }
    }

    fn key(&mut self, key: &str) {
        self.comma();
        self.quoted(key);
        self.buf.push(b':');
    }

    fn quoted(&mut self, text: &str) {
        self.buf.push(b'"');
        for &b in text.as_bytes() {
            match b {
                b'"' | b'\\' => self.buf.extend_from_slice(&[b'\\', b]),
                0..0x20 => self.buf.extend_from_slice(format!("\\u{b:04x}").as_bytes()),
                _ => self.buf.push(b),
            }
        }
        self.buf.push(b'"');
    }

    /// The members of a nested object, or of the outermost one where `key` is empty.
    pub fn object(&mut self, key: &str, members: impl FnOnce(&mut Json)) {
        self.open(key);
        self.buf.push(b'{');
        members(self);
        self.buf.push(b'}');
    }

    /// The items of a nested array, or of the outermost one where `key` is empty.
    pub fn array(&mut self, key: &str, items: impl FnOnce(&mut Json)) {
        self.open(key);
        self.buf.push(b'[');
        items(self);
        self.buf.push(b']');
    }

    fn open(&mut self, key: &str) {
        if key.is_empty() { self.comma() } else { self.key(key) }
    }

    /// A text member, or an array's item where `key` is empty; so for all that follow.
    pub fn str(&mut self, key: &str, value: &str) {
        self.open(key);
        self.quoted(value);
    }

    pub fn int(&mut self, key: &str, value: i64) {
        self.open(key);
        if value < 0 {
            self.buf.push(b'-');
        }
        decimal::push_uint(&mut self.buf, value.unsigned_abs().into());
    }

    pub fn uint(&mut self, key: &str, value: u64) {
        self.open(key);
        decimal::push_uint(&mut self.buf, value.into());
    }

    /// A decimal text with eight places.
    pub fn dec(&mut self, key: &str, value: impl Into<i128>) {
        self.open(key);
        self.buf.push(b'"');
        decimal::push(&mut self.buf, value.into());
        self.buf.push(b'"');
    }

    /// A time given in microseconds, written in the client's unit.
    pub fn time(&mut self, key: &str, us: i64) {
        let value = self.unit.of(us);
        self.int(key, value);
    }

    /// The last time, in the client's unit, before one given in microseconds.
    pub fn last_before(&mut self, key: &str, us: i64) {
        let value = self.unit.of(us) - 1;
        self.int(key, value);
    }

    pub fn bool(&mut self, key: &str, value: bool) {
        self.raw(key, if value { b"true" } else { b"false" });
    }

    pub fn null(&mut self, key: &str) {
        self.raw(key, b"null");
    }

    /// Bytes that are JSON already.
    pub fn raw(&mut self, key: &str, value: &[u8]) {
        self.open(key);
        self.buf.extend_from_slice(value);
    }

    /// `[price, quantity]` as two decimal texts.
    pub fn level(&mut self, px: i64, qty: i64) {
        self.array("", |j| {
            j.dec("", px);
            j.dec("", qty);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_order_and_text_is_escaped() {
        let mut json = Json::new(TimeUnit::Micro);
        json.object("", |j| {
            j.str("s", "a\"b\\\n{");
            j.int("i", -1);
            j.dec("p", 150_000_000i64);
            j.array("b", |j| {
                j.level(1, 2);
                j.level(3, 4);
            });
            j.object("o", |_| {});
            j.null("n");
            j.time("t", 1_001);
        });
        assert_eq!(
            std::str::from_utf8(json.bytes()).unwrap(),
            r#"{"s":"a\"b\\\u000a{","i":-1,"p":"1.50000000","b":[["0.00000001","0.00000002"],["0.00000003","0.00000004"]],"o":{},"n":null,"t":1001}"#
        );
    }
}
