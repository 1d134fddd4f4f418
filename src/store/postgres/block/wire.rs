//! Values and arrays as PostgreSQL's binary format has them, in both directions. An array: the number of dimensions,
//! whether it holds nulls, the type of its values, for each dimension its length and first subscript; then the values,
//! each behind its length, -1 for a null.

use super::corrupt;
use crate::store::StoreError;
use crate::store::postgres::rows::{Rows, length};
use crate::store::postgres::time::Micros;

/// The type numbers of what arrays of bytes hold.
pub(super) const TEXT: u32 = 25;
pub(super) const BYTEA: u32 = 17;

/// 2000-01-01, from which PostgreSQL counts, in days since 1970.
const POSTGRES_EPOCH_DAY: i32 = 10_957;
/// Dimensions, nulls, type; and unless it is empty, length and first subscript.
const EMPTY_HEADER_BYTES: usize = 12;
const HEADER_BYTES: usize = 20;
const LENGTH_BYTES: usize = 4;

/// A value of fixed width.
pub(super) trait Value: Copy {
    /// The number of its type, the same in every database.
    const TYPE: u32;
    /// How many bytes it has.
    const BYTES: usize;

    fn put(self, out: &mut Vec<u8>);

    /// `None` when these are not its bytes.
    fn get(bytes: &[u8]) -> Option<Self>;
}

macro_rules! values {
    ($($type:ty, $number:literal, $bytes:literal: $put:expr, $get:expr;)*) => {$(
        impl Value for $type {
            const TYPE: u32 = $number;
            const BYTES: usize = $bytes;

            #[inline]
            fn put(self, out: &mut Vec<u8>) {
                let put: fn(Self) -> [u8; $bytes] = $put;
                out.extend_from_slice(&put(self));
            }

            #[inline]
            fn get(bytes: &[u8]) -> Option<Self> {
                let get: fn([u8; $bytes]) -> Self = $get;
                bytes.try_into().ok().map(get)
            }
        }
    )*};
}

/// Days since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Day(pub(super) i32);

values! {
    i16, 21, 2: i16::to_be_bytes, i16::from_be_bytes;
    i32, 23, 4: i32::to_be_bytes, i32::from_be_bytes;
    i64, 20, 8: i64::to_be_bytes, i64::from_be_bytes;
    u8, 18, 1: |char| [char], |[char]| char;
    [u8; 16], 2950, 16: |uuid| uuid, |uuid| uuid;
    Micros, 1184, 8: Micros::to_wire, Micros::from_wire;
    Day, 1082, 4:
        |day| day.0.saturating_sub(POSTGRES_EPOCH_DAY).to_be_bytes(),
        |wire| Day(i32::from_be_bytes(wire).saturating_add(POSTGRES_EPOCH_DAY));
}

/// Writes the columns of a row, one after the other.
pub(super) struct Writer<'r, R>(pub(super) &'r mut R);

impl<R: Rows> Writer<'_, R> {
    pub(super) fn value<V: Value>(&mut self, value: V) -> Result<(), StoreError> {
        let out = self.0.next();
        out.extend(length(V::BYTES)?);
        value.put(out);
        Ok(())
    }

    pub(super) fn array<V: Value>(&mut self, values: &[V]) -> Result<(), StoreError> {
        let out = self.0.next();
        let each = V::BYTES.saturating_add(LENGTH_BYTES);
        let bytes = values.len().saturating_mul(each).saturating_add(header_bytes(values.len()));
        out.reserve(bytes.saturating_add(LENGTH_BYTES));
        out.extend(length(bytes)?);
        header(V::TYPE, values.len(), out)?;
        let each = length(V::BYTES)?;
        for value in values {
            out.extend_from_slice(&each);
            value.put(out);
        }
        Ok(())
    }

    /// Null when each value is the default.
    pub(super) fn array_or_null<V: Value + Default + PartialEq>(&mut self, values: &[V]) -> Result<(), StoreError> {
        if values.iter().all(|value| *value == V::default()) { self.null() } else { self.array(values) }
    }

    /// An array of texts or byte strings.
    pub(super) fn strings<S: AsRef<[u8]>>(&mut self, element: u32, values: &[S]) -> Result<(), StoreError> {
        let sizes = values.iter().map(|value| value.as_ref().len().saturating_add(LENGTH_BYTES));
        let bytes = sizes.fold(header_bytes(values.len()), usize::saturating_add);
        let out = self.0.next();
        out.extend(length(bytes)?);
        header(element, values.len(), out)?;
        for value in values {
            out.extend(length(value.as_ref().len())?);
            out.extend_from_slice(value.as_ref());
        }
        Ok(())
    }

    /// Null when each of them is empty.
    pub(super) fn strings_or_null<S: AsRef<[u8]>>(&mut self, element: u32, values: &[S]) -> Result<(), StoreError> {
        if values.iter().all(|value| value.as_ref().is_empty()) { self.null() } else { self.strings(element, values) }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        crate::store::postgres::rows::sized(self.0, bytes)
    }

    #[expect(clippy::unnecessary_wraps, reason = "as its sisters")]
    pub(super) fn null(&mut self) -> Result<(), StoreError> {
        crate::store::postgres::rows::null(self.0);
        Ok(())
    }
}

fn header_bytes(count: usize) -> usize {
    if count == 0 { EMPTY_HEADER_BYTES } else { HEADER_BYTES }
}

/// As PostgreSQL sends it: it has no dimension when it is empty.
fn header(element: u32, count: usize, out: &mut Vec<u8>) -> Result<(), StoreError> {
    let (dimensions, has_nulls, first) = (i32::from(count > 0), 0_i32, 1_i32);
    out.extend(dimensions.to_be_bytes());
    out.extend(has_nulls.to_be_bytes());
    out.extend(element.to_be_bytes());
    if count > 0 {
        out.extend(length(count)?);
        out.extend(first.to_be_bytes());
    }
    Ok(())
}

/// Reads the columns of a row, one after the other; an error names the column.
pub(super) struct Reader<'r> {
    values: &'r [Option<&'r [u8]>],
    names: &'r [&'r str],
    next: usize,
}

impl<'r> Reader<'r> {
    pub(super) fn new(values: &'r [Option<&'r [u8]>], names: &'r [&'r str]) -> Self {
        Self { values, names, next: 0 }
    }

    /// What is said of the column that was read last.
    pub(super) fn wrong(&self) -> StoreError {
        let name = self.next.checked_sub(1).and_then(|index| self.names.get(index)).unwrap_or(&"?");
        corrupt(format!("{name} is not as it was written"))
    }

    pub(super) fn optional_bytes(&mut self) -> Option<&'r [u8]> {
        let value = self.values.get(self.next).copied().flatten();
        self.next = self.next.saturating_add(1);
        value
    }

    pub(super) fn bytes(&mut self) -> Result<&'r [u8], StoreError> {
        self.optional_bytes().ok_or_else(|| self.wrong())
    }

    pub(super) fn optional<V: Value>(&mut self) -> Result<Option<V>, StoreError> {
        self.optional_bytes().map(|bytes| V::get(bytes).ok_or_else(|| self.wrong())).transpose()
    }

    pub(super) fn value<V: Value>(&mut self) -> Result<V, StoreError> {
        self.optional()?.ok_or_else(|| self.wrong())
    }

    pub(super) fn optional_text(&mut self) -> Result<Option<&'r str>, StoreError> {
        self.optional_bytes().map(|bytes| std::str::from_utf8(bytes).map_err(|_| self.wrong())).transpose()
    }

    pub(super) fn array<V: Value>(&mut self) -> Result<Vec<V>, StoreError> {
        self.optional_array()?.ok_or_else(|| self.wrong())
    }

    pub(super) fn optional_array<V: Value>(&mut self) -> Result<Option<Vec<V>>, StoreError> {
        self.optional_bytes().map(|bytes| array(bytes).ok_or_else(|| self.wrong())).transpose()
    }

    /// An array of texts or byte strings.
    pub(super) fn strings(&mut self) -> Result<Vec<&'r [u8]>, StoreError> {
        self.optional_strings()?.ok_or_else(|| self.wrong())
    }

    pub(super) fn optional_strings(&mut self) -> Result<Option<Vec<&'r [u8]>>, StoreError> {
        self.optional_bytes().map(|bytes| strings(bytes).ok_or_else(|| self.wrong())).transpose()
    }
}

/// The number of values that an array says it has, and its values.
fn open(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (dimensions, rest) = bytes.split_first_chunk()?;
    match i32::from_be_bytes(*dimensions) {
        0 => return Some((0, &[])),
        1 => {}
        _ => return None,
    }
    let (count, rest) = rest.get(8..)?.split_first_chunk()?;
    Some((usize::try_from(i32::from_be_bytes(*count)).ok()?, rest.get(4..)?))
}

fn array<V: Value>(bytes: &[u8]) -> Option<Vec<V>> {
    let (count, values) = open(bytes)?;
    let chunks = values.chunks_exact(V::BYTES.saturating_add(LENGTH_BYTES));
    if chunks.len() != count || !chunks.remainder().is_empty() {
        return None;
    }
    let mut array = Vec::with_capacity(count);
    for chunk in chunks {
        let (size, value) = chunk.split_first_chunk()?;
        if usize::try_from(i32::from_be_bytes(*size)) != Ok(V::BYTES) {
            return None;
        }
        array.push(V::get(value)?);
    }
    Some(array)
}

fn strings(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (count, mut rest) = open(bytes)?;
    let mut strings = Vec::new();
    for _ in 0..count {
        let (size, after) = rest.split_first_chunk()?;
        let size = usize::try_from(i32::from_be_bytes(*size)).ok()?;
        let (string, after) = after.split_at_checked(size)?;
        strings.push(string);
        rest = after;
    }
    rest.is_empty().then_some(strings)
}
