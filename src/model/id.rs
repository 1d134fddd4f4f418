//! Trace and span ids: fixed-width bytes that are never all zero, shown as lower-case hex.
//!
//! OTLP `trace.proto` calls an id of any other length, or of zeros only, invalid. Such an id can not be constructed
//! here, so no inner code has to ask.

use std::fmt;

/// Why bytes or text are not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The id has the wrong number of bytes.
    #[error("must have {expected} bytes, has {actual}")]
    Length {
        /// How many bytes an id of this kind has.
        expected: usize,
        /// How many bytes came.
        actual: usize,
    },
    /// The id is all zeros, which OTLP reserves for "none".
    #[error("must not be all zeros")]
    Zero,
    /// The text is not an id in hex.
    #[error("must be {0} hex digits")]
    Hex(&'static str),
}

/// A trace's id: 16 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId([u8; 16]);

/// A span's id: 8 bytes, not all zero. Unique within its trace only by convention: Zipkin-style clients share one
/// between the two sides of a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// The least id.
    pub const MIN: Self = Self(1_u128.to_be_bytes());
    /// The greatest id.
    pub const MAX: Self = Self([u8::MAX; 16]);

    /// Reads an id from its 16 bytes.
    ///
    /// # Errors
    /// [`IdError::Length`] or [`IdError::Zero`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
        nonzero(bytes).map(Self)
    }

    /// Reads an id from 32 hex digits, or from 16 (a 64-bit id, as older Zipkin and Jaeger clients make them: the
    /// upper half is zero), in either case.
    ///
    /// # Errors
    /// [`IdError::Hex`] or [`IdError::Zero`].
    pub fn parse_hex(text: &str) -> Result<Self, IdError> {
        let mut bytes = [0; 16];
        let target = match text.len() {
            32 => &mut bytes[..],
            16 => &mut bytes[8..],
            _ => return Err(IdError::Hex("32 (or 16)")),
        };
        hex_into(text, target).ok_or(IdError::Hex("32 (or 16)"))?;
        Self::from_slice(&bytes)
    }

    /// The 16 bytes, most significant first.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SpanId {
    /// The least id.
    pub const MIN: Self = Self(1_u64.to_be_bytes());

    /// Reads an id from its 8 bytes.
    ///
    /// # Errors
    /// [`IdError::Length`] or [`IdError::Zero`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
        nonzero(bytes).map(Self)
    }

    /// Reads an id from 16 hex digits, in either case.
    ///
    /// # Errors
    /// [`IdError::Hex`] or [`IdError::Zero`].
    pub fn parse_hex(text: &str) -> Result<Self, IdError> {
        let mut bytes = [0; 8];
        if text.len() != 16 || hex_into(text, &mut bytes).is_none() {
            return Err(IdError::Hex("16"));
        }
        Self::from_slice(&bytes)
    }

    /// The 8 bytes, most significant first.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

fn nonzero<const N: usize>(bytes: &[u8]) -> Result<[u8; N], IdError> {
    let array: [u8; N] = bytes.try_into().map_err(|_| IdError::Length { expected: N, actual: bytes.len() })?;
    if array == [0; N] { Err(IdError::Zero) } else { Ok(array) }
}

/// Fills `target` from twice as many hex digits; `None` when a digit is none.
fn hex_into(text: &str, target: &mut [u8]) -> Option<()> {
    for (byte, digits) in target.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let high = char::from(digits[0]).to_digit(16)?;
        let low = char::from(digits[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(())
}

/// The hex digits of bytes, in lower case.
pub(crate) fn hex(bytes: &[u8]) -> impl Iterator<Item = char> {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0).collect::<String>())
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0).collect::<String>())
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_both_ways_in_either_case_and_width() {
        let id = TraceId::parse_hex("0AF7651916cd43dd8448eb211c80319c").unwrap();
        assert_eq!(id.to_string(), "0af7651916cd43dd8448eb211c80319c");
        let short = TraceId::parse_hex("8448eb211c80319c").unwrap();
        assert_eq!(short.to_string(), "00000000000000008448eb211c80319c");
        assert_eq!(SpanId::parse_hex("b7AD6b7169203331").unwrap().to_string(), "b7ad6b7169203331");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "0", "xyz", "8448eb211c80319", "0af7651916cd43dd8448eb211c80319g", "+af7651916cd43dd"] {
            assert!(matches!(TraceId::parse_hex(text), Err(IdError::Hex(_))), "{text}");
        }
        assert_eq!(TraceId::parse_hex(&"0".repeat(32)), Err(IdError::Zero));
        assert_eq!(SpanId::from_slice(&[0; 8]), Err(IdError::Zero));
        assert_eq!(SpanId::from_slice(&[1; 7]), Err(IdError::Length { expected: 8, actual: 7 }));
        assert!(SpanId::parse_hex("héhéhéhéhé1").is_err());
    }
}
