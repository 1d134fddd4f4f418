//! What counts as a text, a number, bytes or an id in OTLP/JSON. Each is `None` for `null`.
//!
//! A value of another JSON type than its field has fails the request: it is not OTLP. One of the right type that is none
//! (a number out of range, a text that is no base64) is noted, as a fault of the span that it lies in.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{DeserializeSeed, Deserializer, Visitor};

use super::super::RejectReason;
use super::object::Notes;
use crate::model::{IdError, SpanId, TraceId};

/// Reads a text, as bytes: what is not UTF-8 is repaired and noted, and so is half a surrogate pair (`"\ud83d"`), which
/// JavaScript writes when it has cut a text in the middle of a character.
pub(super) struct Text<'a>(pub(super) &'a Notes<'a>);

impl Text<'_> {
    fn repair<'b>(&self, bytes: &'b [u8]) -> Cow<'b, str> {
        let text = String::from_utf8_lossy(bytes);
        if matches!(text, Cow::Owned(_)) {
            self.0.note_repair();
        }
        text
    }
}

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Some(self.repair(bytes)))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Some(self.repair(bytes).into_owned().into()))
    }
}

/// A trace id of 32 hex digits, in either case. Empty is an id of no bytes, as in protobuf.
pub(super) fn trace_id(text: &str) -> Result<TraceId, IdError> {
    match text.len() {
        0 => TraceId::from_slice(&[]),
        32 => TraceId::parse_hex(text).map_err(|error| hex_digits(error, "32")),
        _ => Err(IdError::Hex("32")),
    }
}

/// A span id of 16 hex digits, likewise.
pub(super) fn span_id(text: &str) -> Result<SpanId, IdError> {
    if text.is_empty() { SpanId::from_slice(&[]) } else { SpanId::parse_hex(text) }
}

/// Elsewhere a trace id may have fewer digits than here.
fn hex_digits(error: IdError, expected: &'static str) -> IdError {
    if matches!(error, IdError::Hex(_)) { IdError::Hex(expected) } else { error }
}

/// An integer type of protobuf.
pub(crate) trait WholeNumber: FromStr + TryFrom<i64> + TryFrom<u64> + Default {
    /// What it is called in an error.
    const NAME: &'static str;
}

impl WholeNumber for i32 {
    const NAME: &'static str = "a 32-bit integer";
}

impl WholeNumber for u32 {
    const NAME: &'static str = "an unsigned 32-bit integer";
}

impl WholeNumber for i64 {
    const NAME: &'static str = "a 64-bit integer";
}

impl WholeNumber for u64 {
    const NAME: &'static str = "an unsigned 64-bit integer";
}

/// The value, if it is one; else it is noted that there is none.
fn noted<T>(value: Option<T>, expected: &'static str, notes: &Notes<'_>) -> Option<T> {
    if value.is_none() {
        notes.note_fault(RejectReason::Value { expected });
    }
    value
}

/// Reads a whole number, as a number or a text, also written like `1.0` or `1e3`.
pub(super) struct Integer<'a, T>(&'a Notes<'a>, PhantomData<T>);

impl<'a, T> Integer<'a, T> {
    pub(super) fn new(notes: &'a Notes<'a>) -> Self {
        Self(notes, PhantomData)
    }
}

impl<T: WholeNumber> Integer<'_, T> {
    fn noted(&self, number: Option<T>) -> Option<T> {
        noted(number, T::NAME, self.0)
    }
}

/// The whole number that this double is. A double that is one is shown without a point or an exponent; adding zero
/// takes the sign from -0.0.
fn whole<T: FromStr>(double: f64) -> Option<T> {
    (double + 0.0).to_string().parse().ok()
}

fn whole_from_text<T: FromStr>(text: &str) -> Option<T> {
    let is_decimal = text.contains(['.', 'e', 'E']);
    if is_decimal { text.parse().ok().and_then(whole) } else { text.parse().ok() }
}

impl<'de, T: WholeNumber> DeserializeSeed<'de> for Integer<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<T: WholeNumber> Visitor<'_> for Integer<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::NAME)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(self.noted(T::try_from(number).ok()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(self.noted(T::try_from(number).ok()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(self.noted(whole(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.noted(whole_from_text(text)))
    }
}

/// Reads an enum's number, or the name of one.
pub(super) struct Enumeration<'a, E>(pub(super) fn(&str) -> Option<E>, pub(super) &'a Notes<'a>);

impl<'de, E: Into<i32>> DeserializeSeed<'de> for Enumeration<'_, E> {
    type Value = Option<i32>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<N: Into<i32>> Visitor<'_> for Enumeration<'_, N> {
    type Value = Option<i32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an enum's number or name")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Integer::new(self.1).noted(i32::try_from(number).ok()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Integer::new(self.1).noted(i32::try_from(number).ok()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Integer::new(self.1).noted(whole(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        let number = (self.0)(text).map(Into::into).or_else(|| whole_from_text(text));
        Ok(noted(number, "an enum's number or name", self.1))
    }
}

/// Reads a double: a number, or a text that is one, or `"NaN"`, `"Infinity"`, `"-Infinity"`.
pub(super) struct Double<'a>(pub(super) &'a Notes<'a>);

impl<'de> DeserializeSeed<'de> for Double<'_> {
    type Value = Option<f64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

#[expect(clippy::cast_precision_loss, reason = "the nearest double is what a number with too many digits means")]
impl Visitor<'_> for Double<'_> {
    type Value = Option<f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a double")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        let is_in_range = |double: &f64| double.is_finite() || !text.contains(|c: char| c.is_ascii_digit());
        Ok(noted(text.parse().ok().filter(is_in_range), "a double", self.0))
    }
}

/// Reads `true` or `false`.
pub(super) struct Bool;

impl<'de> DeserializeSeed<'de> for Bool {
    type Value = Option<bool>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Bool {
    type Value = Option<bool>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Self::Value, E> {
        Ok(Some(bool))
    }
}

/// Reads bytes: base64 of either alphabet, with padding or without.
pub(super) struct Base64<'a>(pub(super) &'a Notes<'a>);

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

impl<'de> DeserializeSeed<'de> for Base64<'_> {
    type Value = Option<Vec<u8>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Base64<'_> {
    type Value = Option<Vec<u8>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes in base64")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        let engine = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
        Ok(noted(engine.decode(text).ok(), "bytes in base64", self.0))
    }
}
