//! Changes to the fields of a protobuf message. What the fields mean is not known here: whatever can be read as a message
//! is taken for one. Lengths are right again afterwards, so that a change deep inside is seen by whoever reads it.

use prost::bytes::Buf;
use prost::encoding::{decode_varint, encode_varint};

use crate::otlp::wire::{delimited, group, unknown, varint};
use crate::support::random::Random;

/// A field's number and what it holds.
#[derive(Debug, Clone)]
struct Field {
    number: u32,
    payload: Payload,
}

#[derive(Debug, Clone)]
enum Payload {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(Vec<u8>),
    Message(Vec<Field>),
    /// Bytes as they are, with the keys and lengths of one or more fields.
    Raw(Vec<u8>),
}

/// Messages are taken apart to this depth.
const DEPTH_MAX: usize = 40;

/// Numbers at which something changes.
const NUMBERS: [u64; 9] = [0, 1, 2, 127, 128, 1 << 31, u32::MAX as u64, i64::MAX as u64, u64::MAX];

/// Contents that some field takes amiss.
const CONTENTS: [&[u8]; 12] = [
    b"",
    b"\0",
    &[0; 8],
    &[0; 16],
    &[1; 8],
    &[1; 16],
    &[7; 17],
    b"\xff",
    b"\xed\xa0\xbd",
    b"a\xc3",
    b"\xf0\x9f\xa6\x80",
    b"service.name",
];

/// The message with one change, for which something may be taken from another one.
pub(crate) fn change(message: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let Some(mut fields) = fields(message, DEPTH_MAX) else { return super::bytes::change(message, random) };
    change_some(&mut fields, other, random);
    encode(&fields)
}

/// The fields of a message; `None` when it is none.
fn fields(mut message: &[u8], depth: usize) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while message.has_remaining() {
        let key = u32::try_from(decode_varint(&mut message).ok()?).ok()?;
        let payload = match key & 7 {
            0 => Payload::Varint(decode_varint(&mut message).ok()?),
            1 => Payload::Fixed64(take(&mut message, 8)?.try_into().ok()?),
            2 => {
                let length = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
                content(take(&mut message, length)?, depth)
            }
            5 => Payload::Fixed32(take(&mut message, 4)?.try_into().ok()?),
            _ => return None,
        };
        let number = Some(key >> 3).filter(|number| *number > 0)?;
        fields.push(Field { number, payload });
    }
    Some(fields)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

fn content(bytes: &[u8], depth: usize) -> Payload {
    let message = if depth == 0 || bytes.is_empty() { None } else { fields(bytes, depth - 1) };
    message.map_or_else(|| Payload::Bytes(bytes.to_vec()), Payload::Message)
}

fn encode(fields: &[Field]) -> Vec<u8> {
    fields.iter().flat_map(encode_field).collect()
}

fn encode_field(Field { number, payload }: &Field) -> Vec<u8> {
    let fixed = |wire_type, value: &[u8]| {
        let mut bytes = Vec::new();
        encode_varint(u64::from(number << 3 | wire_type), &mut bytes);
        [&bytes, value].concat()
    };
    match payload {
        Payload::Varint(value) => varint(*number, *value),
        Payload::Fixed64(value) => fixed(1, value),
        Payload::Fixed32(value) => fixed(5, value),
        Payload::Bytes(content) => delimited(*number, content),
        Payload::Message(fields) => delimited(*number, encode(fields)),
        Payload::Raw(bytes) => bytes.clone(),
    }
}

/// Goes down into the message a random way, and changes what is there.
fn change_some(fields: &mut Vec<Field>, other: &[u8], random: &mut Random) {
    let inner: Vec<_> =
        (0..fields.len()).filter(|index| matches!(fields[*index].payload, Payload::Message(_))).collect();
    if !inner.is_empty() && random.below(6) > 0 {
        let index = *random.one_of(&inner);
        if let Payload::Message(inner) = &mut fields[index].payload {
            return change_some(inner, other, random);
        }
    }
    if fields.is_empty() || random.below(5) == 0 {
        let place = random.index(fields.len() + 1);
        return fields.insert(place, new_field(other, random));
    }
    let (index, second) = (random.index(fields.len()), random.index(fields.len()));
    match random.below(6) {
        0 => drop(fields.remove(index)),
        1 => fields.insert(second, fields[index].clone()),
        2 => fields.swap(index, second),
        3 => fields[index].number = number(random),
        _ => change_payload(&mut fields[index].payload, other, random),
    }
}

/// Nearly always one that means something somewhere.
fn number(random: &mut Random) -> u32 {
    match random.below(12) {
        0 => 1_000,
        1 => 536_870_911,
        _ => u32::try_from(1 + random.below(17)).unwrap(),
    }
}

fn new_field(other: &[u8], random: &mut Random) -> Field {
    let mut payload = Payload::Bytes(Vec::new());
    change_payload(&mut payload, other, random);
    Field { number: number(random), payload }
}

fn change_payload(payload: &mut Payload, other: &[u8], random: &mut Random) {
    *payload = match random.below(8) {
        0 => Payload::Varint(*random.one_of(&NUMBERS)),
        1 => Payload::Fixed64(random.number().to_le_bytes()),
        2 => Payload::Fixed32([random.byte(); 4]),
        3 => Payload::Raw(unknown()),
        4 => Payload::Raw(groups(random.depth())),
        5 => Payload::Bytes(nested(random.depth())),
        6 => content(any_part(other, random), DEPTH_MAX),
        _ => Payload::Bytes(random.one_of(&CONTENTS).to_vec()),
    };
}

fn groups(depth: usize) -> Vec<u8> {
    (0..depth).fold(Vec::new(), |inner, _| group(7, inner))
}

/// An attribute whose value lies in so many others, lists and maps in turn.
fn nested(depth: usize) -> Vec<u8> {
    let value = (0..depth).fold(varint(3, 1), |inner, level| match level % 2 {
        0 => delimited(5, delimited(1, inner)),
        _ => delimited(6, delimited(1, delimited(2, inner))),
    });
    delimited(2, value)
}

/// The content of some field, at any depth.
fn any_part<'a>(mut message: &'a [u8], random: &mut Random) -> &'a [u8] {
    loop {
        let parts = contents(message);
        if parts.is_empty() || random.below(6) == 0 {
            return message;
        }
        message = parts[random.index(parts.len())];
    }
}

/// The contents of the fields that have a length.
fn contents(mut message: &[u8]) -> Vec<&[u8]> {
    let mut contents = Vec::new();
    while let Ok(key) = decode_varint(&mut message) {
        let length = match key & 7 {
            0 => decode_varint(&mut message).map(|_| 0),
            1 => Ok(8),
            2 => decode_varint(&mut message),
            _ => Ok(4),
        };
        let Some(content) =
            take(&mut message, length.ok().and_then(|it| usize::try_from(it).ok()).unwrap_or(usize::MAX))
        else {
            break;
        };
        if key & 7 == 2 {
            contents.push(content);
        }
    }
    contents
}
