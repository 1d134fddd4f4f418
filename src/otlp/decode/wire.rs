//! Protobuf's wire format: a message's bytes as a sequence of fields. What the fields mean is said in `protobuf.rs`.
//!
//! Nothing is copied here but texts, and no text fails: what is not UTF-8 is repaired and counted. Any bytes give
//! fields or [`Malformed`], never a panic, and nothing recurses.

use std::cell::Cell;

use super::Memory;
use super::memory::Full;

/// Groups, which only unknown fields can be, may be so many deep.
const GROUP_DEPTH_MAX: usize = 100;

/// Bytes that are not protobuf, or not the message that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {offset}")]
pub struct Malformed {
    /// What is wrong.
    pub what: &'static str,
    /// Where, from the start of the request.
    pub offset: usize,
}

/// What is noticed while a request is read and belongs to no one field.
pub(crate) struct Notes<'a> {
    /// What its content takes.
    pub(crate) memory: &'a Memory<'a>,
    /// How many of its texts were repaired.
    pub(crate) repaired: Cell<u64>,
}

/// The rest of a message's bytes. A copy reads the same bytes again.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// The offset of the end of `rest` in the request.
    end: usize,
    pub(crate) notes: &'a Notes<'a>,
}

/// One field of a message, with its payload.
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    offset: usize,
    payload: Payload<'a>,
}

enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Delimited(Reader<'a>),
    /// Its content was skipped.
    Group,
    Fixed32(u32),
}

/// The wire types by their numbers.
mod wire_type {
    pub(crate) const VARINT: u32 = 0;
    pub(crate) const FIXED64: u32 = 1;
    pub(crate) const DELIMITED: u32 = 2;
    pub(crate) const GROUP_START: u32 = 3;
    pub(crate) const GROUP_END: u32 = 4;
    pub(crate) const FIXED32: u32 = 5;
}

impl<'a> Reader<'a> {
    /// A reader of a request's bytes.
    pub(crate) fn new(request: &'a [u8], notes: &'a Notes<'a>) -> Self {
        Self { rest: request, end: request.len(), notes }
    }

    /// Appends what was made of a field to the list of all such fields. At the first of them it looks how many there
    /// are, which costs less than to move them each time when the list grows.
    pub(crate) fn push<T>(&self, number: u32, items: &mut Vec<T>, item: T) -> Result<(), Full> {
        self.notes.memory.push_one_of(items, item, || self.count(number).saturating_add(1))
    }

    /// How many fields of this number are still to come.
    fn count(mut self, number: u32) -> usize {
        let mut count = 0_usize;
        while let Ok(Some(field)) = self.field() {
            count = count.saturating_add(usize::from(field.number == number));
        }
        count
    }

    /// How many bytes are left.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    /// The next field; `None` at the end of the message.
    pub(crate) fn field(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let offset = self.offset();
        let (number, wire_type) = self.key()?;
        let payload = match wire_type {
            wire_type::VARINT => Payload::Varint(self.varint()?),
            wire_type::FIXED64 => Payload::Fixed64(u64::from_le_bytes(self.array()?)),
            wire_type::DELIMITED => Payload::Delimited(self.delimited()?),
            wire_type::GROUP_START => {
                self.skip_group(number)?;
                Payload::Group
            }
            wire_type::FIXED32 => Payload::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Malformed { what: "impossible wire type", offset }),
        };
        Ok(Some(Field { number, offset, payload }))
    }

    fn offset(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    /// A field's number and wire type.
    fn key(&mut self) -> Result<(u32, u32), Malformed> {
        let offset = self.offset();
        let key = self.varint()?;
        match u32::try_from(key) {
            Ok(key) if key >> 3 != 0 => Ok((key >> 3, key & 7)),
            _ => Err(Malformed { what: "impossible field number", offset }),
        }
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        // Nearly every key and length is one byte.
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let offset = self.offset();
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let Some((byte, rest)) = self.rest.split_first() else {
                return Err(Malformed { what: "number cut short", offset });
            };
            self.rest = rest;
            value |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if *byte < 0x80 {
                // The tenth byte has room for one bit.
                let fits = shift < 63 || *byte < 2;
                return if fits { Ok(value) } else { Err(Malformed { what: "number over 64 bits", offset }) };
            }
        }
        Err(Malformed { what: "number over 64 bits", offset })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let offset = self.offset();
        let (array, rest) = self.rest.split_first_chunk().ok_or(Malformed { what: "number cut short", offset })?;
        self.rest = rest;
        Ok(*array)
    }

    fn delimited(&mut self) -> Result<Self, Malformed> {
        let offset = self.offset();
        let length = usize::try_from(self.varint()?).ok();
        let Some((content, rest)) = length.and_then(|length| self.rest.split_at_checked(length)) else {
            return Err(Malformed { what: "length past the end of the message", offset });
        };
        self.rest = rest;
        Ok(Self { rest: content, end: self.offset(), notes: self.notes })
    }

    /// Skips the rest of a group whose start was read, with all groups in it.
    fn skip_group(&mut self, number: u32) -> Result<(), Malformed> {
        let mut open = vec![number];
        while let Some(innermost) = open.last().copied() {
            let offset = self.offset();
            match self.key()? {
                (number, wire_type::GROUP_START) if open.len() < GROUP_DEPTH_MAX => open.push(number),
                (number, wire_type::GROUP_END) if number == innermost => drop(open.pop()),
                (_, wire_type::VARINT) => drop(self.varint()?),
                (_, wire_type::FIXED64) => drop(self.array::<8>()?),
                (_, wire_type::DELIMITED) => drop(self.delimited()?),
                (_, wire_type::FIXED32) => drop(self.array::<4>()?),
                _ => return Err(Malformed { what: "group that does not end", offset }),
            }
        }
        Ok(())
    }
}

impl<'a> Field<'a> {
    /// A message's bytes.
    pub(crate) fn message(self) -> Result<Reader<'a>, Malformed> {
        match self.payload {
            Payload::Delimited(reader) => Ok(reader),
            _ => Err(self.wrong_type()),
        }
    }

    pub(crate) fn bytes(self) -> Result<&'a [u8], Malformed> {
        Ok(self.message()?.rest)
    }

    /// Bytes to keep.
    pub(crate) fn owned_bytes(self) -> Result<Vec<u8>, Malformed> {
        let reader = self.message()?;
        reader.notes.memory.take(reader.rest.len())?;
        Ok(reader.rest.to_vec())
    }

    pub(crate) fn text(self) -> Result<String, Malformed> {
        let Reader { rest, notes, .. } = self.message()?;
        notes.memory.take(rest.len())?;
        if let Ok(text) = str::from_utf8(rest) {
            return Ok(text.to_owned());
        }
        notes.repaired.set(notes.repaired.get().saturating_add(1));
        // U+FFFD is three bytes long, and stands for one at least.
        notes.memory.take(rest.len().saturating_mul(2))?;
        Ok(String::from_utf8_lossy(rest).into_owned())
    }

    pub(crate) fn varint(self) -> Result<u64, Malformed> {
        match self.payload {
            Payload::Varint(value) => Ok(value),
            _ => Err(self.wrong_type()),
        }
    }

    /// A `uint32`: of a longer number the lower bits count, as in every protobuf library.
    pub(crate) fn uint32(self) -> Result<u32, Malformed> {
        let [a, b, c, d, ..] = self.varint()?.to_le_bytes();
        Ok(u32::from_le_bytes([a, b, c, d]))
    }

    /// An `int32` or an enum's number.
    pub(crate) fn int32(self) -> Result<i32, Malformed> {
        Ok(self.uint32()?.cast_signed())
    }

    pub(crate) fn fixed64(self) -> Result<u64, Malformed> {
        match self.payload {
            Payload::Fixed64(value) => Ok(value),
            _ => Err(self.wrong_type()),
        }
    }

    pub(crate) fn fixed32(self) -> Result<u32, Malformed> {
        match self.payload {
            Payload::Fixed32(value) => Ok(value),
            _ => Err(self.wrong_type()),
        }
    }

    fn wrong_type(&self) -> Malformed {
        Malformed { what: "wrong wire type", offset: self.offset }
    }
}
