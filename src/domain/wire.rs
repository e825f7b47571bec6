//! The byte form of every domain value: little-endian, fixed field order, no padding, no pointers.
//!
//! The journal is written in it on the hot path, so a value is a handful of stores; and it is compared
//! byte for byte on replay, so equal values have equal bytes. A changed layout is a new journal format
//! version (`journal::FORMAT_VERSION`), never a silent reinterpretation.

/// Writes into a caller's buffer. A write past the end sets `overflowed` and drops the bytes, so a
/// caller checks once at the end.
pub struct Writer<'a> {
    buf: &'a mut [u8],
    at: usize,
    overflowed: bool,
}

impl<'a> Writer<'a> {
    pub fn new(buf: &'a mut [u8]) -> Self {
        Writer { buf, at: 0, overflowed: false }
    }

    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        match self.buf.get_mut(self.at..self.at + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.at += bytes.len();
            }
            None => self.overflowed = true,
        }
    }

    /// Bytes written so far, or `None` where something did not fit.
    pub fn finish(self) -> Option<usize> {
        if self.overflowed { None } else { Some(self.at) }
    }
}

/// Reads what `Writer` wrote. Every getter answers `None` at the end of the bytes.
pub struct Reader<'a> {
    buf: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(buf: &'a [u8]) -> Self {
        Reader { buf }
    }

    #[inline]
    pub fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.buf.split_at_checked(n)?;
        self.buf = tail;
        Some(head)
    }

    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    pub fn remaining(&self) -> usize {
        self.buf.len()
    }
}

/// A value with one byte form.
pub trait Wire: Sized {
    fn put(&self, w: &mut Writer);
    /// `None` where the bytes are short or hold a value that does not exist.
    fn get(r: &mut Reader) -> Option<Self>;
}

macro_rules! wire_int {
    ($($t:ty),*) => {$(
        impl Wire for $t {
            #[inline]
            fn put(&self, w: &mut Writer) { w.bytes(&self.to_le_bytes()); }
            #[inline]
            fn get(r: &mut Reader) -> Option<Self> {
                Some(<$t>::from_le_bytes(r.bytes(size_of::<$t>())?.try_into().ok()?))
            }
        }
    )*};
}
wire_int!(u8, u16, u32, u64, i8, i16, i32, i64, i128, u128);

impl Wire for bool {
    #[inline]
    fn put(&self, w: &mut Writer) {
        w.bytes(&[u8::from(*self)]);
    }
    #[inline]
    fn get(r: &mut Reader) -> Option<Self> {
        match r.bytes(1)? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, w: &mut Writer) {
        self.is_some().put(w);
        if let Some(value) = self {
            value.put(w);
        }
    }
    fn get(r: &mut Reader) -> Option<Self> {
        Some(if bool::get(r)? { Some(T::get(r)?) } else { None })
    }
}

impl<T: Wire + Copy + Default, const N: usize> Wire for [T; N] {
    fn put(&self, w: &mut Writer) {
        for item in self {
            item.put(w);
        }
    }
    fn get(r: &mut Reader) -> Option<Self> {
        let mut out = [T::default(); N];
        for item in &mut out {
            *item = T::get(r)?;
        }
        Some(out)
    }
}

/// `Wire` for a struct: its fields in the order written.
#[macro_export]
macro_rules! wire_struct {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::domain::wire::Wire for $name {
            #[inline]
            fn put(&self, w: &mut $crate::domain::wire::Writer) {
                $( $crate::domain::wire::Wire::put(&self.$field, w); )*
            }
            #[inline]
            fn get(r: &mut $crate::domain::wire::Reader) -> Option<Self> {
                Some($name { $( $field: $crate::domain::wire::Wire::get(r)? ),* })
            }
        }
    };
}

/// `Wire` for an enum: one tag byte, then the fields of the variant.
#[macro_export]
macro_rules! wire_enum {
    ($name:ident { $($tag:literal => $variant:ident $(( $($t:ident),* ))? $({ $($f:ident),* $(,)? })? ),* $(,)? }) => {
        impl $crate::domain::wire::Wire for $name {
            #[inline]
            fn put(&self, w: &mut $crate::domain::wire::Writer) {
                match self {
                    $( $name::$variant $(( $($t),* ))? $({ $($f),* })? => {
                        w.bytes(&[$tag]);
                        $( $( $crate::domain::wire::Wire::put($t, w); )* )?
                        $( $( $crate::domain::wire::Wire::put($f, w); )* )?
                    } )*
                }
            }
            #[inline]
            fn get(r: &mut $crate::domain::wire::Reader) -> Option<Self> {
                Some(match <u8 as $crate::domain::wire::Wire>::get(r)? {
                    $( $tag => {
                        $( $( let $t = $crate::domain::wire::Wire::get(r)?; )* )?
                        $( $( let $f = $crate::domain::wire::Wire::get(r)?; )* )?
                        $name::$variant $(( $($t),* ))? $({ $($f),* })?
                    } )*
                    _ => return None,
                })
            }
        }
    };
}
