//! Values as JSON, in a form that survives PostgreSQL's `jsonb`, which parses a text and prints it anew: it sorts an
//! object's keys (by length, then bytewise), keeps one of equal keys, turns numbers into decimals, and refuses U+0000,
//! NaN and the infinities. SQLite keeps the same form as text.
//!
//! | value                                              | JSON                                               |
//! |----------------------------------------------------|----------------------------------------------------|
//! | null, bool, int                                    | itself                                             |
//! | string                                             | itself, by the rule of [`text`](super::text)       |
//! | double                                             | a number with a point, never with an exponent      |
//! | NaN, infinities, -0.0                              | `{"$double":"NaN"}`, `"Infinity"`, `"-Infinity"`, `"-0.0"` |
//! | a NaN with other bits than Rust's                  | `{"$double":"NaN:7ff8000000000001"}`               |
//! | bytes                                              | `{"$bytes":"base64"}`                              |
//! | list                                               | array                                              |
//! | map with unique keys in jsonb's order, none with a leading `$` | object                                 |
//! | any other map                                      | `{"$map":[["key",value],...]}`                     |
//!
//! So an object whose key begins with `$` is always a tagged form, two values have the same JSON only if they are
//! equal, and a number is a double just when it has a point.
//!
//! The attributes of a span, resource, scope, event or link are always a plain object (keys with a leading `$` mean
//! nothing there), the last of equal keys winning as [`Attributes::get`](crate::model::Attributes::get) has it. What
//! that object can not say, order and the other pairs, is said beside it by the *shape*: nothing when the keys are
//! unique and in jsonb's order; else bytes, a tag first:
//!
//! * `0`: unique keys in another order. Follows, for each key in jsonb's order, its index in the list: one byte each up
//!   to 256 attributes, else two, little end first.
//! * `1`: anything else. Follows the whole list, as a `$map` has it.
//!
//! `write.rs` and `read.rs` are the two directions; `keys.rs` reads nothing but keys.

mod keys;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::cmp::Ordering;

use super::text;
use crate::model::Attribute;

pub(crate) use keys::KeysOfLists;
pub(crate) use read::{read_attributes, read_entity_refs, read_events, read_links, read_value};
pub(crate) use write::{attributes, entity_refs, events, links, value};

/// Arrays and objects nest this deep at most, all brackets of the text counted: more than any request that protobuf
/// decoders let through needs, and few enough for the reader's stack.
const DEPTH_MAX: usize = 120;

/// The tag of a shape that is an order.
const SHAPE_ORDER: u8 = 0;
/// The tag of a shape that is the whole list.
const SHAPE_LIST: u8 = 1;

/// The order in which jsonb keeps keys: by length in bytes, then bytewise; both of the text as stored.
fn key_order(a: &Attribute, b: &Attribute) -> Ordering {
    let lengths = text::stored_length(&a.key).cmp(&text::stored_length(&b.key));
    lengths.then_with(|| a.key.as_bytes().cmp(b.key.as_bytes()))
}

/// [`key_order`] for keys that are stored as they are.
fn plain_key_order(a: &Attribute, b: &Attribute) -> Ordering {
    a.key.len().cmp(&b.key.len()).then_with(|| a.key.as_bytes().cmp(b.key.as_bytes()))
}

/// The cheapest order that is right for these attributes' keys.
fn key_order_of(attributes: &[Attribute]) -> fn(&Attribute, &Attribute) -> Ordering {
    if attributes.iter().all(|attribute| text::is_stored_as_is(&attribute.key)) { plain_key_order } else { key_order }
}
