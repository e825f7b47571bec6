//! A reader of MessagePack, in the shape of the JSON reader: market data comes in either.
//!
//! Times are the timestamp extension (type -1) in any of its three lengths; another extension is passed over.

use super::decode::DecodeError;
use super::json::Source;
use super::value::Value;

const DEPTH_MAX: u8 = 32;
/// Type of the timestamp extension.
const TIMESTAMP: i8 = -1;

/// A place in a message.
#[derive(Clone)]
pub struct MsgPack<'a> {
    bytes: &'a [u8],
    depth: u8,
}

impl<'a> MsgPack<'a> {
    pub fn new(bytes: &'a [u8]) -> MsgPack<'a> {
        MsgPack { bytes, depth: 0 }
    }

    #[inline]
    fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.bytes.split_at_checked(n).ok_or(DecodeError::Truncated)?;
        self.bytes = tail;
        Ok(head)
    }

    #[inline]
    fn uint(&mut self, n: usize) -> Result<u64, DecodeError> {
        Ok(self.take(n)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn len(&mut self, n: usize) -> Result<usize, DecodeError> {
        usize::try_from(self.uint(n)?).map_err(|_| DecodeError::Malformed)
    }

    fn text(&mut self, len: usize) -> Result<Value<'a>, DecodeError> {
        std::str::from_utf8(self.take(len)?).map(Value::Text).map_err(|_| DecodeError::Malformed)
    }

    fn extension(&mut self, len: usize) -> Result<Value<'a>, DecodeError> {
        let kind = self.take(1)?[0] as i8;
        let data = self.take(len)?;
        if kind != TIMESTAMP {
            return Ok(Value::Other);
        }
        let number = |bytes: &[u8]| bytes.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        let (seconds, nanos) = match len {
            4 => (number(data) as i64, 0),
            8 => ((number(data) & 0x3_ffff_ffff) as i64, number(data) >> 34),
            12 => (number(&data[4..]) as i64, number(&data[..4])),
            _ => return Err(DecodeError::Malformed),
        };
        if nanos > 999_999_999 {
            return Err(DecodeError::Malformed);
        }
        let time = seconds.checked_mul(1_000_000_000).and_then(|s| s.checked_add(nanos as i64));
        time.map(Value::Time).ok_or(DecodeError::Malformed)
    }

    /// The number of items that follow, where a list comes next.
    fn list_len(&mut self) -> Result<usize, DecodeError> {
        match self.take(1)?[0] {
            head @ 0x90..=0x9f => Ok(usize::from(head & 0x0f)),
            0xdc => self.len(2),
            0xdd => self.len(4),
            _ => Err(DecodeError::Malformed),
        }
    }

    fn map_len(&mut self) -> Result<usize, DecodeError> {
        match self.take(1)?[0] {
            head @ 0x80..=0x8f => Ok(usize::from(head & 0x0f)),
            0xde => self.len(2),
            0xdf => self.len(4),
            _ => Err(DecodeError::Malformed),
        }
    }

    fn enter(&mut self) -> Result<(), DecodeError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(DecodeError::Malformed) } else { Ok(()) }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.first().copied()
    }
}

impl<'a> Source<'a> for MsgPack<'a> {
    fn map(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a str) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let len = self.map_len()?;
        self.enter()?;
        // Each member takes bytes, so a length that is a lie ends at the end of the message.
        for _ in 0..len {
            let name = self.value()?.text("name")?;
            member(self, name)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), DecodeError>) -> Result<(), DecodeError> {
        let len = self.list_len()?;
        self.enter()?;
        for _ in 0..len {
            item(self)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn value(&mut self) -> Result<Value<'a>, DecodeError> {
        if self.is_list() {
            self.list(|source| source.value().map(drop))?;
            return Ok(Value::Other);
        }
        if self.is_map() {
            // A name may be anything in a map that nobody reads.
            let len = self.map_len()?;
            self.enter()?;
            for _ in 0..len {
                self.value()?;
                self.value()?;
            }
            self.depth -= 1;
            return Ok(Value::Other);
        }
        Ok(match self.take(1)?[0] {
            head @ 0x00..=0x7f => Value::Uint(u64::from(head)),
            head @ 0xe0..=0xff => Value::Int(i64::from(head as i8)),
            head @ 0xa0..=0xbf => self.text(usize::from(head & 0x1f))?,
            0xc0 => Value::Null,
            0xc2 => Value::Bool(false),
            0xc3 => Value::Bool(true),
            // Bytes: nothing that is read here.
            0xc4 => {
                let len = self.len(1)?;
                self.take(len)?;
                Value::Other
            }
            0xc5 => {
                let len = self.len(2)?;
                self.take(len)?;
                Value::Other
            }
            0xc6 => {
                let len = self.len(4)?;
                self.take(len)?;
                Value::Other
            }
            0xc7 => {
                let len = self.len(1)?;
                self.extension(len)?
            }
            0xc8 => {
                let len = self.len(2)?;
                self.extension(len)?
            }
            0xc9 => {
                let len = self.len(4)?;
                self.extension(len)?
            }
            0xca => {
                let bits = self.uint(4)? as u32;
                // The shortest decimal of the narrow number, not of the wide one that it widens to.
                let narrow = f32::from_bits(bits);
                Value::Float(narrow.to_string().parse().unwrap_or(f64::from(narrow)))
            }
            0xcb => Value::Float(f64::from_bits(self.uint(8)?)),
            0xcc => Value::Uint(self.uint(1)?),
            0xcd => Value::Uint(self.uint(2)?),
            0xce => Value::Uint(self.uint(4)?),
            0xcf => Value::Uint(self.uint(8)?),
            0xd0 => Value::Int(i64::from(self.uint(1)? as u8 as i8)),
            0xd1 => Value::Int(i64::from(self.uint(2)? as u16 as i16)),
            0xd2 => Value::Int(i64::from(self.uint(4)? as u32 as i32)),
            0xd3 => Value::Int(self.uint(8)? as i64),
            0xd4 => self.extension(1)?,
            0xd5 => self.extension(2)?,
            0xd6 => self.extension(4)?,
            0xd7 => self.extension(8)?,
            0xd8 => self.extension(16)?,
            0xd9 => {
                let len = self.len(1)?;
                self.text(len)?
            }
            0xda => {
                let len = self.len(2)?;
                self.text(len)?
            }
            0xdb => {
                let len = self.len(4)?;
                self.text(len)?
            }
            _ => return Err(DecodeError::Malformed),
        })
    }

    fn is_list(&mut self) -> bool {
        matches!(self.peek(), Some(0x90..=0x9f | 0xdc | 0xdd))
    }

    fn is_map(&mut self) -> bool {
        matches!(self.peek(), Some(0x80..=0x8f | 0xde | 0xdf))
    }

    fn end(&mut self) -> Result<(), DecodeError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(DecodeError::Malformed) }
    }
}

/// Writes the few messages that a client sends.
pub mod write {
    /// A short map of texts to texts or lists of texts.
    pub fn map_head(out: &mut Vec<u8>, len: u8) {
        out.push(0x80 | len.min(15));
    }

    pub fn text(out: &mut Vec<u8>, text: &str) {
        match text.len() {
            len @ 0..=31 => out.push(0xa0 | len as u8),
            len @ 32..=255 => out.extend([0xd9, len as u8]),
            // No name or key of this protocol is longer than two bytes can count.
            len => {
                out.push(0xda);
                out.extend((len as u16).to_be_bytes());
            }
        }
        out.extend_from_slice(text.as_bytes());
    }

    pub fn list_head(out: &mut Vec<u8>, len: usize) {
        out.push(0xdc);
        out.extend((len as u16).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(bytes: &[u8]) -> Result<Value<'_>, DecodeError> {
        let mut source = MsgPack::new(bytes);
        let value = source.value()?;
        source.end()?;
        Ok(value)
    }

    #[test]
    fn each_form_of_a_value_is_read() {
        for (bytes, want) in [
            (&[0x07][..], Value::Uint(7)),
            (&[0xff], Value::Int(-1)),
            (&[0xcc, 200], Value::Uint(200)),
            (&[0xcd, 1, 0], Value::Uint(256)),
            (&[0xd0, 0x80], Value::Int(-128)),
            (&[0xd1, 0xff, 0xfe], Value::Int(-2)),
            (&[0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Value::Int(-1)),
            (&[0xca, 0x3f, 0x80, 0, 0], Value::Float(1.0)),
            (&[0xcb, 0x40, 0x55, 0xea, 0x3d, 0x70, 0xa3, 0xd7, 0x0a], Value::Float(87.66)),
            (&[0xa2, b'h', b'i'], Value::Text("hi")),
            (&[0xd9, 1, b'x'], Value::Text("x")),
            (&[0xc0], Value::Null),
            (&[0xc3], Value::Bool(true)),
            (&[0xd6, 0xff, 0, 0, 0, 1], Value::Time(1_000_000_000)),
            (&[0xd7, 0xff, 0, 0, 0, 4, 0, 0, 0, 2], Value::Time(2_000_000_001)),
            (&[0xc7, 12, 0xff, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Value::Time(-999_999_997)),
            (&[0xd4, 5, 0], Value::Other),
            (&[0x92, 1, 0x81, 1, 2], Value::Other),
        ] {
            assert_eq!(one(bytes), Ok(want), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_cut_or_nested_without_end_is_refused() {
        for bytes in [&[0xcd, 1][..], &[0xa2, b'h'], &[0xdd, 0xff, 0xff, 0xff, 0xff, 1], &[]] {
            assert_eq!(one(bytes), Err(DecodeError::Truncated), "{bytes:?}");
        }
        for bytes in [&[0xc1][..], &[0xa1, 0xff], &[0x01, 0x01], &[0x91; 64]] {
            assert_eq!(one(bytes), Err(DecodeError::Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        let long = "k".repeat(40);
        write::map_head(&mut out, 2);
        write::text(&mut out, "action");
        write::text(&mut out, &long);
        write::text(&mut out, "quotes");
        write::list_head(&mut out, 2);
        write::text(&mut out, "AAPL");
        write::text(&mut out, "BTC/USD");
        let mut seen = Vec::new();
        let mut source = MsgPack::new(&out);
        source
            .map(|source, name| {
                seen.push(name.to_owned());
                if name == "action" {
                    seen.push(source.value()?.text("x")?.to_owned());
                    return Ok(());
                }
                source.list(|source| {
                    seen.push(source.value()?.text("x")?.to_owned());
                    Ok(())
                })
            })
            .unwrap();
        source.end().unwrap();
        assert_eq!(seen, ["action", &long, "quotes", "AAPL", "BTC/USD"]);
    }
}
