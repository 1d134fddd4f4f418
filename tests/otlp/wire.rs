//! Protobuf written by hand, for what prost would never write.

use prost::encoding::{WireType, encode_key, encode_varint};

pub(crate) fn varint(number: u32, value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_key(number, WireType::Varint, &mut bytes);
    encode_varint(value, &mut bytes);
    bytes
}

pub(crate) fn delimited(number: u32, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let mut bytes = Vec::new();
    encode_key(number, WireType::LengthDelimited, &mut bytes);
    encode_varint(content.len() as u64, &mut bytes);
    [&bytes, content].concat()
}

pub(crate) fn group(number: u32, content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_key(number, WireType::StartGroup, &mut bytes);
    bytes.extend(content.as_ref());
    encode_key(number, WireType::EndGroup, &mut bytes);
    bytes
}

/// Unknown fields of every wire type.
pub(crate) fn unknown() -> Vec<u8> {
    let mut bytes = [varint(99, u64::MAX), delimited(536_870_911, "?")].concat();
    encode_key(98, WireType::SixtyFourBit, &mut bytes);
    bytes.extend([0xff; 8]);
    encode_key(97, WireType::ThirtyTwoBit, &mut bytes);
    bytes.extend([0xff; 4]);
    let inner = group(1, group(2, &bytes));
    [bytes, group(96, inner)].concat()
}

/// A request with one span of this content, beside its ids.
pub(crate) fn request_of_span(content: impl AsRef<[u8]>) -> Vec<u8> {
    let ids = [delimited(1, [1; 16]), delimited(2, [2; 8])].concat();
    delimited(1, delimited(2, delimited(2, [&ids, content.as_ref()].concat())))
}
