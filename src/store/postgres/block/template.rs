//! The attributes of a block's spans, parted into what many of them share and what varies.
//!
//! Spans of one name and kind with the same keys are a group. Of a group, the columns (a column is the values under one
//! key) with few distinct values go into formats, one for each combination of them that occurs; of the others each span
//! keeps its values in a line. More formats make the lines shorter, and are themselves to be stored: one for 32 spans
//! is about where the sum is least.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use super::corrupt;
use super::cut::{Pair, cut};
use super::hot::HotRow;
use super::numbers::{Numbered, QuickMap, small};
use crate::store::StoreError;

/// A format is made for so many spans at the least, except a group's first.
const SPANS_PER_FORMAT: usize = 32;

/// A format, and the spans' fields that it is made for.
#[derive(Debug)]
pub(super) struct Format<'r> {
    pub(super) name: &'r [u8],
    pub(super) kind: i32,
    pub(super) exact: &'r [u8],
    /// As PostgreSQL's `format` takes it.
    pub(super) text: Vec<u8>,
}

/// The attributes of some spans.
#[derive(Debug, Default)]
pub(super) struct Template<'r> {
    /// Every key, as stored.
    pub(super) keys: BTreeSet<String>,
    pub(super) formats: Vec<Format<'r>>,
    /// The number of each span's format, from 1.
    pub(super) format: Vec<i16>,
    /// A line a span: its values that vary, parted by tabs.
    pub(super) lines: Vec<u8>,
}

impl<'r> Template<'r> {
    pub(super) fn of(rows: &[&'r HotRow]) -> Result<Self, StoreError> {
        let cuts = Cuts::of(rows)?;
        let (mut groups, group_of) = groups(rows, &cuts);
        let mut template = Self { format: vec![0; rows.len()], ..Self::default() };
        for group in &mut groups {
            template.add_keys(group)?;
            template.add_formats(group, &cuts);
        }
        template.add_lines(&cuts, group_of.iter().filter_map(|group| groups.get(*group)));
        Ok(template)
    }

    fn add_keys(&mut self, group: &Group<'r, '_>) -> Result<(), StoreError> {
        for pair in group.key.pairs {
            let key = serde_json::from_slice(pair.key).map_err(|_| corrupt("an attribute's key is no text"))?;
            self.keys.insert(key);
        }
        Ok(())
    }

    /// Decides what the group's spans share, and makes the formats.
    fn add_formats(&mut self, group: &mut Group<'r, '_>, cuts: &Cuts<'r>) {
        let (mut numbers, mut formats) = (QuickMap::default(), Vec::new());
        let codes = group.share(cuts);
        for (row, code) in group.rows.iter().zip(codes) {
            let number = *numbers.entry(code).or_insert_with(|| {
                formats.push(group.format(cuts.pairs(*row)));
                small(self.formats.len().saturating_add(formats.len()))
            });
            if let Some(place) = self.format.get_mut(*row) {
                *place = number;
            }
        }
        self.formats.extend(formats);
    }

    fn add_lines<'g>(&mut self, cuts: &Cuts<'r>, groups: impl Iterator<Item = &'g Group<'r, 'g>>)
    where
        'r: 'g,
    {
        for (index, (group, range)) in groups.zip(&cuts.ranges).enumerate() {
            if index > 0 {
                self.lines.push(b'\n');
            }
            let pairs = cuts.pairs.get(range.clone()).unwrap_or_default();
            let mut is_first = true;
            for (pair, _) in pairs.iter().zip(&group.shared).filter(|(_, shared)| !**shared) {
                if !is_first {
                    self.lines.push(b'\t');
                }
                is_first = false;
                self.lines.extend_from_slice(pair.value);
            }
        }
    }
}

/// The attributes of all rows, taken apart.
struct Cuts<'r> {
    pairs: Vec<Pair<'r>>,
    ranges: Vec<Range<usize>>,
}

impl<'r> Cuts<'r> {
    fn of(rows: &[&'r HotRow]) -> Result<Self, StoreError> {
        let mut cuts = Self { pairs: Vec::new(), ranges: Vec::with_capacity(rows.len()) };
        for row in rows {
            let begin = cuts.pairs.len();
            let whole = cut(row.attributes(), &mut cuts.pairs);
            whole.ok_or_else(|| corrupt("attributes are not as jsonb prints them"))?;
            cuts.ranges.push(begin..cuts.pairs.len());
        }
        Ok(cuts)
    }

    fn pairs(&self, row: usize) -> &[Pair<'r>] {
        self.ranges.get(row).and_then(|range| self.pairs.get(range.clone())).unwrap_or_default()
    }

    /// The value of a row in a column.
    fn value(&self, row: usize, column: usize) -> &'r [u8] {
        let place = self.ranges.get(row).map(|range| range.start.saturating_add(column));
        place.and_then(|place| self.pairs.get(place)).map_or(&[], |pair| pair.value)
    }
}

/// What the rows of a group have in common; of the pairs, the keys.
#[derive(Clone, Copy)]
struct GroupKey<'r, 'c> {
    name: &'r [u8],
    kind: i32,
    exact: &'r [u8],
    pairs: &'c [Pair<'r>],
}

impl Hash for GroupKey<'_, '_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.name);
        state.write_i32(self.kind);
        state.write(self.exact);
        self.pairs.iter().for_each(|pair| state.write(pair.key));
    }
}

impl PartialEq for GroupKey<'_, '_> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.kind == other.kind
            && self.exact == other.exact
            && self.pairs.len() == other.pairs.len()
            && self.pairs.iter().zip(other.pairs).all(|(a, b)| a.key == b.key)
    }
}

impl Eq for GroupKey<'_, '_> {}

struct Group<'r, 'c> {
    key: GroupKey<'r, 'c>,
    rows: Vec<usize>,
    /// Which columns are in the formats.
    shared: Vec<bool>,
}

/// The groups, and the group of each row.
fn groups<'r, 'c>(rows: &[&'r HotRow], cuts: &'c Cuts<'r>) -> (Vec<Group<'r, 'c>>, Vec<usize>) {
    let mut numbers: QuickMap<GroupKey<'r, 'c>, usize> = QuickMap::default();
    let (mut groups, mut group_of) = (Vec::new(), Vec::with_capacity(rows.len()));
    for (index, row) in rows.iter().enumerate() {
        let key =
            GroupKey { name: row.name(), kind: row.kind, exact: row.attributes_shape(), pairs: cuts.pairs(index) };
        let number = *numbers.entry(key).or_insert_with(|| {
            groups.push(Group { key, rows: Vec::new(), shared: Vec::new() });
            groups.len().saturating_sub(1)
        });
        if let Some(group) = groups.get_mut(number) {
            group.rows.push(index);
        }
        group_of.push(number);
    }
    (groups, group_of)
}

impl<'r> Group<'r, '_> {
    /// Chooses the shared columns, and says of each row which combination of their values it has. Columns with fewer
    /// values are taken first.
    fn share(&mut self, cuts: &Cuts<'r>) -> Vec<u32> {
        let combinations_max = self.rows.len().checked_div(SPANS_PER_FORMAT).unwrap_or_default().max(1);
        let width = self.key.pairs.len();
        let columns = (0..width).filter_map(|column| {
            let values = self.rows.iter().map(|row| cuts.value(*row, column));
            distinct(values, combinations_max).map(|codes| (column, codes))
        });
        let mut columns: Vec<(usize, Codes)> = columns.collect();
        columns.sort_by_key(|(_, codes)| codes.count);
        let mut shared = vec![false; width];
        let mut combinations = vec![0; self.rows.len()];
        for (column, codes) in columns {
            if codes.count > 1 {
                let pairs = combinations.iter().copied().zip(codes.codes);
                let Some(finer) = distinct(pairs, combinations_max) else { continue };
                combinations = finer.codes;
            }
            if let Some(place) = shared.get_mut(column) {
                *place = true;
            }
        }
        self.shared = shared;
        combinations
    }

    /// The format of a row.
    fn format(&self, pairs: &[Pair<'r>]) -> Format<'r> {
        let mut text = vec![b'{'];
        for (index, (pair, shared)) in pairs.iter().zip(&self.shared).enumerate() {
            if index > 0 {
                text.extend(b", ");
            }
            literal(pair.key, &mut text);
            text.extend(b": ");
            if *shared { literal(pair.value, &mut text) } else { text.extend(b"%s") }
        }
        text.push(b'}');
        Format { name: self.key.name, kind: self.key.kind, exact: self.key.exact, text }
    }
}

/// Text that `format` gives back as it is.
fn literal(text: &[u8], format: &mut Vec<u8>) {
    let mut parts = text.split(|byte| *byte == b'%');
    format.extend_from_slice(parts.next().unwrap_or_default());
    for part in parts {
        format.extend(b"%%");
        format.extend_from_slice(part);
    }
}

/// A number for each value, equal ones for equal values.
struct Codes {
    codes: Vec<u32>,
    count: usize,
}

/// `None` when more than `max` values are distinct.
fn distinct<K: Copy + Eq + Hash>(values: impl Iterator<Item = K>, max: usize) -> Option<Codes> {
    let mut numbers = Numbered::default();
    let mut codes = Vec::with_capacity(values.size_hint().0);
    for value in values {
        codes.push(u32::from(numbers.number(value).unsigned_abs()));
        if numbers.values.len() > max {
            return None;
        }
    }
    Some(Codes { codes, count: numbers.values.len() })
}
