//! Changes to the members, items and values of a JSON text.

use crate::otlp::property::tree::Tree;
use crate::support::random::Random;

/// Values that some member takes amiss, as their texts, and some that are no JSON.
const LEAVES: [&str; 32] = [
    "null",
    "true",
    "0",
    "-0",
    "-1",
    "1.0",
    "1e3",
    "1.5",
    "1e400",
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "\"\"",
    "\"0\"",
    "\"-1\"",
    "\"1e3\"",
    "\"NaN\"",
    "\"-Infinity\"",
    "\"18446744073709551615\"",
    "\"SPAN_KIND_SERVER\"",
    "\"00000000000000000000000000000000\"",
    "\"0000000000000000\"",
    "\"5B8EFFF798038103D269B633813FC60C\"",
    "\"eee19b7ec3c1b174\"",
    "\"AP/+\"",
    "\"-__-AA\"",
    "\"\\u0000\"",
    "\"\\ud83d\"",
    "\"\\ud83e\\udd80\"",
    "01",
    "nul",
];

/// Names of members that mean something somewhere; the others mean nothing anywhere.
const NAMES: [&str; 30] = [
    "resourceSpans",
    "resource",
    "scopeSpans",
    "instrumentationLibrarySpans",
    "scope",
    "schemaUrl",
    "spans",
    "traceId",
    "span_id",
    "parentSpanId",
    "name",
    "kind",
    "startTimeUnixNano",
    "end_time_unix_nano",
    "attributes",
    "key",
    "value",
    "values",
    "stringValue",
    "boolValue",
    "intValue",
    "doubleValue",
    "bytesValue",
    "arrayValue",
    "kvlistValue",
    "events",
    "links",
    "status",
    "code",
    "unknown",
];

/// The text with one change, for which something may be taken from another one.
pub(super) fn change(text: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    change_with(&NAMES, text, other, random)
}

/// The same, with other names for new members.
pub(crate) fn change_with(names: &[&str], text: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let Ok(mut tree) = serde_json::from_slice::<Tree>(text) else { return super::bytes::change(text, random) };
    let other = serde_json::from_slice::<Tree>(other).ok();
    change_some(&mut tree, other.as_ref(), names, random);
    let mut changed = String::new();
    write(&tree, &mut changed);
    changed.into_bytes()
}

fn write(tree: &Tree, out: &mut String) {
    match tree {
        Tree::Leaf(text) => out.push_str(text),
        Tree::List(items) => between('[', ']', items, out, write),
        Tree::Object(members) => between('{', '}', members, out, |(name, value), out| {
            out.push_str(&serde_json::to_string(name).unwrap());
            out.push(':');
            write(value, out);
        }),
    }
}

fn between<T>(open: char, close: char, parts: &[T], out: &mut String, write: impl Fn(&T, &mut String)) {
    out.push(open);
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(part, out);
    }
    out.push(close);
}

/// Goes down into the tree a random way, and changes what is there.
fn change_some(tree: &mut Tree, other: Option<&Tree>, names: &[&str], random: &mut Random) {
    let goes_down = random.below(8) > 0;
    match tree {
        Tree::List(items) if goes_down && !items.is_empty() => {
            let index = random.index(items.len());
            change_some(&mut items[index], other, names, random);
        }
        Tree::Object(members) if goes_down && !members.is_empty() => {
            let index = random.index(members.len());
            change_some(&mut members[index].1, other, names, random);
        }
        Tree::List(items) if random.below(3) > 0 => change_list(items, random, |random| new_tree(other, random)),
        Tree::Object(members) if random.below(3) > 0 => {
            let member = |random: &mut Random| ((*random.one_of(names)).to_owned(), new_tree(other, random));
            change_list(members, random, member);
        }
        place => *place = new_tree(other, random),
    }
}

fn change_list<T: Clone>(items: &mut Vec<T>, random: &mut Random, new: impl Fn(&mut Random) -> T) {
    let (place, first, second) = (random.index(items.len() + 1), random.index(items.len()), random.index(items.len()));
    match random.below(4) {
        0 if !items.is_empty() => drop(items.remove(first)),
        1 if !items.is_empty() => items.insert(place, items[first].clone()),
        2 if !items.is_empty() => items.swap(first, second),
        _ => items.insert(place, new(random)),
    }
}

fn new_tree(other: Option<&Tree>, random: &mut Random) -> Tree {
    match random.below(8) {
        0 => Tree::List(Vec::new()),
        1 => Tree::Object(Vec::new()),
        2 => Tree::Leaf(nested(random)),
        3 | 4 => other.map_or(Tree::List(Vec::new()), |other| any_part(other, random).clone()),
        _ => Tree::Leaf((*random.one_of(&LEAVES)).to_owned()),
    }
}

/// A value that lies in so many others of one sort, as a text, since none of this is to recurse.
fn nested(random: &mut Random) -> String {
    let (open, close) = *random.one_of(&[
        ("[", "]"),
        ("{\"unknown\":", "}"),
        ("{\"arrayValue\":{\"values\":[", "]}}"),
        ("{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":", "}]}}"),
    ]);
    let depth = random.depth();
    [&open.repeat(depth), "{\"intValue\":1}", &close.repeat(depth)].concat()
}

/// Some value, at any depth.
fn any_part<'a>(tree: &'a Tree, random: &mut Random) -> &'a Tree {
    if random.below(6) == 0 {
        return tree;
    }
    match tree {
        Tree::List(items) if !items.is_empty() => any_part(random.one_of(items), random),
        Tree::Object(members) if !members.is_empty() => any_part(&random.one_of(members).1, random),
        other => other,
    }
}
