//! A reader of JSON that goes through a message once and keeps nothing of it.
//!
//! The caller is handed each member of a map with the reader standing before its value, and must read or skip it.
//! Numbers are handed out as their text. Everything that serde_json refuses is refused here too (the fuzz target holds
//! it to that); text keeps its escapes, which no member that is read for its value carries.

use super::decode::DecodeError;
use super::value::Value;

/// Maps and lists within each other; the venue's deepest message has four.
const DEPTH_MAX: u8 = 32;

/// What messages of both encodings are read through.
pub trait Source<'a>: Sized {
    /// Reads a map: `member` gets each name, and reads its value from the source it is given.
    fn map(&mut self, member: impl FnMut(&mut Self, &'a str) -> Result<(), DecodeError>) -> Result<(), DecodeError>;
    /// Reads a list.
    fn list(&mut self, item: impl FnMut(&mut Self) -> Result<(), DecodeError>) -> Result<(), DecodeError>;
    /// Reads one value; of a list or map nothing but that it is one.
    fn value(&mut self) -> Result<Value<'a>, DecodeError>;
    /// Whether a list, or a map, comes next.
    fn is_list(&mut self) -> bool;
    fn is_map(&mut self) -> bool;
    /// Nothing may follow.
    fn end(&mut self) -> Result<(), DecodeError>;
}

/// A place in a JSON text.
#[derive(Clone)]
pub struct Json<'a> {
    text: &'a str,
    at: usize,
    depth: u8,
}

impl<'a> Json<'a> {
    pub fn new(bytes: &'a [u8]) -> Result<Json<'a>, DecodeError> {
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::Malformed)?;
        Ok(Json { text, at: 0, depth: 0 })
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline]
    fn take(&mut self, c: u8) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, c: u8) -> Result<(), DecodeError> {
        if self.take(c) { Ok(()) } else { Err(self.wrong()) }
    }

    /// Something else stands here, or nothing any more.
    fn wrong(&self) -> DecodeError {
        if self.at >= self.text.len() { DecodeError::Truncated } else { DecodeError::Malformed }
    }

    /// After the opening quote: the text up to the closing one.
    fn text(&mut self) -> Result<&'a str, DecodeError> {
        let from = self.at;
        loop {
            match self.peek().ok_or(DecodeError::Truncated)? {
                b'"' => {
                    // Both ends stand at quotes, which are character boundaries.
                    let found = self.text.get(from..self.at).ok_or(DecodeError::Malformed)?;
                    self.at += 1;
                    return Ok(found);
                }
                b'\\' => self.escape()?,
                0..0x20 => return Err(DecodeError::Malformed),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), DecodeError> {
        self.at += 1;
        match self.peek().ok_or(DecodeError::Truncated)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                let unit = self.unit()?;
                // Half a character of the other planes must be followed by its other half.
                if (0xd800..0xdc00).contains(&unit) {
                    if !self.take(b'\\') || self.peek() != Some(b'u') || !(0xdc00..0xe000).contains(&self.unit()?) {
                        return Err(self.wrong());
                    }
                } else if (0xdc00..0xe000).contains(&unit) {
                    return Err(DecodeError::Malformed);
                }
            }
            _ => return Err(DecodeError::Malformed),
        }
        Ok(())
    }

    /// The four hex digits after `u`.
    fn unit(&mut self) -> Result<u32, DecodeError> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.peek().ok_or(DecodeError::Truncated)?).to_digit(16);
            unit = unit << 4 | digit.ok_or(DecodeError::Malformed)?;
            self.at += 1;
        }
        Ok(unit)
    }

    fn digits(&mut self) -> Result<(), DecodeError> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == from { Err(self.wrong()) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<&'a str, DecodeError> {
        let from = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if !self.take(b'-') {
                self.take(b'+');
            }
            self.digits()?;
        }
        self.text.get(from..self.at).ok_or(DecodeError::Malformed)
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, DecodeError> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else if word.as_bytes().starts_with(rest) {
            Err(DecodeError::Truncated)
        } else {
            Err(DecodeError::Malformed)
        }
    }

    fn enter(&mut self) -> Result<(), DecodeError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(DecodeError::Malformed) } else { Ok(()) }
    }

    /// Skips the list or map that begins here.
    fn pass(&mut self) -> Result<Value<'a>, DecodeError> {
        if self.peek() == Some(b'[') {
            self.list(|source| source.value().map(drop))?;
        } else {
            self.map(|source, _| source.value().map(drop))?;
        }
        Ok(Value::Other)
    }
}

impl<'a> Source<'a> for Json<'a> {
    #[inline]
    fn map(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a str) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        self.blanks();
        self.expect(b'{')?;
        self.enter()?;
        self.blanks();
        if !self.take(b'}') {
            loop {
                self.blanks();
                self.expect(b'"')?;
                let name = self.text()?;
                self.blanks();
                self.expect(b':')?;
                member(self, name)?;
                self.blanks();
                if self.take(b'}') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    #[inline]
    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), DecodeError>) -> Result<(), DecodeError> {
        self.blanks();
        self.expect(b'[')?;
        self.enter()?;
        self.blanks();
        if !self.take(b']') {
            loop {
                item(self)?;
                self.blanks();
                if self.take(b']') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    #[inline]
    fn value(&mut self) -> Result<Value<'a>, DecodeError> {
        self.blanks();
        match self.peek().ok_or(DecodeError::Truncated)? {
            b'"' => {
                self.at += 1;
                self.text().map(Value::Text)
            }
            b'-' | b'0'..=b'9' => self.number().map(Value::Number),
            b'n' => self.word("null", Value::Null),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'[' | b'{' => self.pass(),
            _ => Err(DecodeError::Malformed),
        }
    }

    fn is_list(&mut self) -> bool {
        self.blanks();
        self.peek() == Some(b'[')
    }

    fn is_map(&mut self) -> bool {
        self.blanks();
        self.peek() == Some(b'{')
    }

    fn end(&mut self) -> Result<(), DecodeError> {
        self.blanks();
        if self.at == self.text.len() { Ok(()) } else { Err(DecodeError::Malformed) }
    }
}

/// Reads a whole body: what `read` makes of it, and nothing behind.
pub fn body<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Json<'a>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut json = Json::new(bytes)?;
    let found = read(&mut json)?;
    json.end()?;
    Ok(found)
}

/// A list of what `read` reads.
pub fn items<'a, S: Source<'a>, T>(
    source: &mut S,
    mut read: impl FnMut(&mut S) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let mut found = Vec::new();
    source.list(|source| {
        found.push(read(source)?);
        Ok(())
    })?;
    Ok(found)
}

/// Text for people: escapes become what they stand for.
pub fn unescaped(raw: &str) -> String {
    serde_json::from_str(&format!("\"{raw}\"")).unwrap_or_else(|_| raw.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_taken(text: &[u8]) -> bool {
        body(text, |json| json.value().map(drop)).is_ok()
    }

    #[test]
    fn members_and_items_come_in_order_as_they_stand() {
        let text = br#" {"a": [1, -2.50e3, "x\"y"], "b":null, "c" : {"d":true}} "#;
        let mut seen = Vec::new();
        body(text, |json| {
            json.map(|json, name| {
                if name == "a" {
                    return json.list(|json| {
                        seen.push(format!("{:?}", json.value()?));
                        Ok(())
                    });
                }
                seen.push(format!("{name} {:?}", json.value()?));
                Ok(())
            })
        })
        .unwrap();
        let want = ["Number(\"1\")", "Number(\"-2.50e3\")", "Text(\"x\\\\\\\"y\")", "b Null", "c Other"];
        assert_eq!(seen, want);
        assert_eq!(unescaped("a \\\"b\\\" \\u00e9"), "a \"b\" é");
    }

    #[test]
    fn what_is_cut_is_told_from_what_is_wrong() {
        for (text, want) in [
            ("", DecodeError::Truncated),
            ("{", DecodeError::Truncated),
            ("{\"a\"", DecodeError::Truncated),
            ("[1,", DecodeError::Truncated),
            ("tru", DecodeError::Truncated),
            ("\"\\u12", DecodeError::Truncated),
            ("{a}", DecodeError::Malformed),
            ("01", DecodeError::Malformed),
            ("[1]]", DecodeError::Malformed),
            ("\"\\ud800\"", DecodeError::Malformed),
            ("\"\n\"", DecodeError::Malformed),
        ] {
            assert_eq!(body(text.as_bytes(), |json| json.value().map(drop)), Err(want), "{text}");
        }
        assert!(!is_taken(&[b'['; 100]));
    }

    proptest! {
        /// serde_json is the judge of what is JSON; of text that nobody reads it lets half a character pass.
        #[test]
        fn what_is_taken_is_json(text in "[\\[\\]{},:\"\\\\ a-fnrtul0-9.eE+-]{0,24}") {
            let judged = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            let taken = is_taken(text.as_bytes());
            prop_assert!(taken == judged || (judged && text.contains("\\u")), "{}", text);
        }
    }
}
