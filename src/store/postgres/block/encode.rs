//! Rows of `span_row` to a block: the columns of `span_block`, in the order of the spans in it.

use std::collections::HashMap;

use xxhash_rust::xxh3::Xxh3;

use super::hot::HotRow;
use super::numbers::{Numbered, QuickMap, small};
use super::template::Template;
use super::wire::Day;
use super::{BLOCK_BYTES_MAX, BLOCK_SPANS_MAX, PARENT_ELSEWHERE, trace_check};
use crate::model::{SpanId, TraceId, UnixNanos};
use crate::store::StoreError;
use crate::store::postgres::time::Micros;

/// A block that can be written. Its fields are the columns of `span_block`.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "they are called like the columns")]
pub(crate) struct Block {
    /// A hash of the spans: the same spans make the same block.
    pub(crate) block_id: i64,
    /// The hour of every start, in hours since 1970, UTC.
    pub(crate) hour: i64,
    /// The key of the spans' service.
    pub(crate) service_id: i64,
    pub(super) bounds: Bounds,
    pub(super) span_count: i32,
    pub(super) error_count: i32,
    pub(super) names: Vec<Vec<u8>>,
    pub(super) attribute_keys: Vec<String>,
    pub(super) resource_ids: Vec<i64>,
    pub(super) text_bytes: i32,
    pub(super) traces: Traces,
    pub(super) spans: Spans,
    pub(super) received_times: Vec<Micros>,
    pub(super) ends_exact: Vec<i64>,
    pub(super) status_messages: Vec<Vec<u8>>,
    pub(super) trace_states: Vec<Vec<u8>>,
    pub(super) shapes: Shapes,
    pub(super) attribute_values: Vec<u8>,
    /// `None` when no span has any.
    pub(super) events: Option<Vec<u8>>,
    pub(super) links: Option<Vec<u8>>,
}

/// Between which values all spans lie; times in whole microseconds, upper ones rounded up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) start: (i64, i64),
    pub(super) end_max: i64,
    pub(super) received: (i64, i64),
    pub(super) duration: (i64, i64),
}

/// One a trace.
#[derive(Debug, Default)]
pub(super) struct Traces {
    pub(super) ids: Vec<[u8; 16]>,
    pub(super) days: Vec<Day>,
    /// The number of its last span.
    pub(super) ends: Vec<i16>,
    pub(super) checks: Vec<i32>,
}

/// One a span.
#[derive(Debug, Default)]
pub(super) struct Spans {
    pub(super) ids: Vec<u8>,
    pub(super) parent: Vec<i16>,
    pub(super) start_hi: Vec<i32>,
    pub(super) start_mid: Vec<u8>,
    pub(super) start_lo: Vec<i16>,
    pub(super) duration_hi: Vec<i64>,
    pub(super) duration_mid: Vec<u8>,
    pub(super) duration_lo: Vec<i16>,
    pub(super) resource: Vec<i16>,
    pub(super) shape: Vec<i16>,
    pub(super) received: Vec<i16>,
    pub(super) end_exact: Vec<i16>,
    pub(super) status_message: Vec<i16>,
    pub(super) trace_state: Vec<i16>,
}

/// One a shape.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    pub(super) name: Vec<i16>,
    pub(super) kind: Vec<i32>,
    pub(super) status: Vec<i32>,
    pub(super) scope: Vec<i64>,
    pub(super) flags: Vec<i32>,
    pub(super) dropped: [Vec<i32>; 3],
    pub(super) format: Vec<Vec<u8>>,
    pub(super) exact: Vec<Vec<u8>>,
}

/// What spans of one shape have in common. The format stands for the name, the kind and the attributes' keys too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ShapeKey {
    format: i16,
    status: i32,
    scope_id: i64,
    flags: i32,
    dropped: [i32; 3],
}

/// Parts rows that are sorted by service and key into pieces that each make one block, as full as can be.
pub(crate) fn pieces(rows: &[HotRow]) -> impl Iterator<Item = &[HotRow]> {
    pieces_of(rows, BLOCK_SPANS_MAX)
}

/// The same for all that there is of one service and hour, in pieces of about the same length: no small one is left
/// over.
pub(crate) fn even_pieces(rows: &[HotRow]) -> impl Iterator<Item = &[HotRow]> {
    let count = rows.len().div_ceil(BLOCK_SPANS_MAX).max(1);
    pieces_of(rows, rows.len().div_ceil(count))
}

fn pieces_of(rows: &[HotRow], spans_max: usize) -> impl Iterator<Item = &[HotRow]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at_checked(piece_length(rest, spans_max))?;
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

fn piece_length(rows: &[HotRow], spans_max: usize) -> usize {
    let Some(first) = rows.first() else { return 0 };
    let (place, mut bytes) = ((first.service_id, first.hour()), 0_usize);
    let goes_in = |row: &&HotRow| {
        let is_first = bytes == 0;
        bytes = bytes.saturating_add(row.text_bytes());
        (row.service_id, row.hour()) == place && (is_first || bytes <= BLOCK_BYTES_MAX)
    };
    rows.iter().take(spans_max).take_while(goes_in).count()
}

impl Block {
    /// Makes a block of rows, in any order: at least one, at most [`BLOCK_SPANS_MAX`], all of one service and one hour,
    /// no two the same span.
    pub(crate) fn encode(rows: &[HotRow]) -> Result<Self, StoreError> {
        let first = rows.first().filter(|_| rows.len() <= BLOCK_SPANS_MAX);
        let first = first.ok_or_else(|| StoreError::Bug(format!("a block of {} spans", rows.len()).into()))?;
        let (hour, service_id) = (first.hour(), first.service_id);
        if rows.iter().any(|row| (row.hour(), row.service_id) != (hour, service_id)) {
            return Err(StoreError::Bug("a block of several hours or services".into()));
        }
        let ordered = Ordered::of(rows);
        let template = Template::of(&ordered.rows)?;
        let bounds = Bounds::of(&ordered.rows);
        let mut numbers = Numbers::default();
        let mut spans = Spans::with_ids(&ordered);
        for (row, format) in ordered.rows.iter().zip(&template.format) {
            spans.push(row, *format, bounds.start.0, &mut numbers);
        }
        let (names, shapes) = Shapes::of(&numbers.shapes.values, &template);
        Ok(Self {
            block_id: block_id(&ordered.rows),
            hour,
            service_id,
            bounds,
            span_count: small(rows.len()).into(),
            error_count: small(rows.iter().filter(|row| row.status == 2).count()).into(),
            names,
            attribute_keys: template.keys.into_iter().collect(),
            resource_ids: numbers.resources.values,
            text_bytes: i32::try_from(rows.iter().map(HotRow::text_bytes).fold(0, usize::saturating_add))
                .unwrap_or(i32::MAX),
            traces: ordered.traces,
            spans,
            received_times: numbers.received.values.into_iter().map(Micros).collect(),
            ends_exact: numbers.ends.values,
            status_messages: owned(&numbers.messages.values),
            trace_states: owned(&numbers.trace_states.values),
            shapes,
            attribute_values: template.lines,
            events: lines(ordered.rows.iter().map(|row| row.events())),
            links: lines(ordered.rows.iter().map(|row| row.links())),
        })
    }

    /// The traces that the block has spans of.
    #[cfg(test)]
    pub(crate) fn trace_ids(&self) -> &[[u8; 16]] {
        &self.traces.ids
    }

    /// Says of each trace which day its row stands under. Without this it is the day of the block.
    pub(crate) fn set_trace_days(&mut self, mut day_of: impl FnMut(&[u8; 16]) -> i32) {
        for (id, day) in self.traces.ids.iter().zip(&mut self.traces.days) {
            *day = Day(day_of(id));
        }
    }
}

fn owned(texts: &[&[u8]]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.to_vec()).collect()
}

/// A line for each of these; `None` when all are empty.
fn lines<'r>(texts: impl Iterator<Item = &'r [u8]> + Clone) -> Option<Vec<u8>> {
    if texts.clone().all(<[u8]>::is_empty) {
        return None;
    }
    let mut lines = Vec::new();
    for (index, text) in texts.enumerate() {
        if index > 0 {
            lines.push(b'\n');
        }
        lines.extend_from_slice(text);
    }
    Some(lines)
}

fn block_id(rows: &[&HotRow]) -> i64 {
    let mut hash = Xxh3::new();
    for row in rows {
        hash.update(&row.key.digest.to_le_bytes());
        hash.update(row.key.span_id.as_bytes());
    }
    hash.digest().cast_signed()
}

/// Rows in the order of the block.
struct Ordered<'r> {
    rows: Vec<&'r HotRow>,
    traces: Traces,
}

impl<'r> Ordered<'r> {
    fn of(rows: &'r [HotRow]) -> Self {
        let mut by_key: Vec<&HotRow> = rows.iter().collect();
        by_key.sort_by_key(|row| row.key);
        let mut numbers: Numbered<TraceId> = Numbered::default();
        let mut by_trace: Vec<(i16, &HotRow)> =
            by_key.into_iter().map(|row| (numbers.number(row.key.trace_id), row)).collect();
        // Stable: within a trace they stay in the order of their keys.
        by_trace.sort_by_key(|(number, _)| *number);
        let day = Day(rows.first().map(HotRow::day).unwrap_or_default());
        let mut traces = Traces {
            ids: numbers.values.iter().map(|id| *id.as_bytes()).collect(),
            days: vec![day; numbers.values.len()],
            ..Traces::default()
        };
        let mut end = 0_usize;
        for trace in by_trace.chunk_by(|(a, _), (b, _)| a == b) {
            end = end.saturating_add(trace.len());
            traces.ends.push(small(end));
            traces.checks.push(trace_check(trace.iter().map(|(_, row)| row.key.digest)));
        }
        Self { rows: by_trace.into_iter().map(|(_, row)| row).collect(), traces }
    }
}

impl Bounds {
    fn of(rows: &[&HotRow]) -> Self {
        let floor = |time: UnixNanos| time.to_micros_and_nanos().0;
        let ceiling = |time: UnixNanos| {
            let (micros, nanos) = time.to_micros_and_nanos();
            micros.saturating_add(i64::from(nanos > 0))
        };
        let min = |value: &dyn Fn(&HotRow) -> i64| rows.iter().map(|row| value(row)).min().unwrap_or_default();
        let max = |value: &dyn Fn(&HotRow) -> i64| rows.iter().map(|row| value(row)).max().unwrap_or_default();
        Self {
            start: (min(&|row| floor(row.key.start)), max(&|row| ceiling(row.key.start))),
            end_max: max(&|row| ceiling(row.end())),
            received: (min(&|row| row.received_micros), max(&|row| row.received_micros)),
            duration: (min(&|row| row.duration_nanos), max(&|row| row.duration_nanos)),
        }
    }
}

/// The dictionaries of a block.
#[derive(Default)]
struct Numbers<'r> {
    resources: Numbered<i64>,
    received: Numbered<i64>,
    ends: Numbered<i64>,
    messages: Numbered<&'r [u8]>,
    trace_states: Numbered<&'r [u8]>,
    shapes: Numbered<ShapeKey>,
}

impl Spans {
    /// The ids and the parents. A parent is looked for among the spans of its trace only, so that a trace can be read
    /// without the others.
    fn with_ids(ordered: &Ordered<'_>) -> Self {
        let mut ids: Vec<u8> = ordered.rows.iter().flat_map(|row| *row.key.span_id.as_bytes()).collect();
        let mut parent = Vec::with_capacity(ordered.rows.len());
        let mut elsewhere: Numbered<SpanId> = Numbered::default();
        for trace in ordered.rows.chunk_by(|a, b| a.key.trace_id == b.key.trace_id) {
            let places: QuickMap<SpanId, usize> =
                trace.iter().zip(0..).map(|(row, place)| (row.key.span_id, place)).collect();
            for (place, row) in trace.iter().enumerate() {
                let Some(id) = row.parent_span_id else {
                    parent.push(0);
                    continue;
                };
                let back = places.get(&id).map_or(0, |there| small(place).saturating_sub(small(*there)));
                let first_elsewhere = PARENT_ELSEWHERE.saturating_sub(1);
                // A span that is its own parent has it elsewhere: 0 is none.
                parent.push(if back == 0 { first_elsewhere.saturating_add(elsewhere.number(id)) } else { back });
            }
        }
        ids.extend(elsewhere.values.iter().flat_map(|id| *id.as_bytes()));
        Self { ids, parent, ..Self::default() }
    }

    fn push<'r>(&mut self, row: &'r HotRow, format: i16, start_min: i64, numbers: &mut Numbers<'r>) {
        let (micros, nanos) = row.key.start.to_micros_and_nanos();
        let offset = micros.saturating_sub(start_min).saturating_mul(1_000).saturating_add(nanos.into());
        let [.., b, c, d] = offset.to_be_bytes();
        // Less than an hour.
        self.start_hi.push(i32::try_from(offset >> 24).unwrap_or_default());
        self.start_mid.push(b);
        self.start_lo.push(i16::from_be_bytes([c, d]));
        let [.., b, c, d] = row.duration_nanos.to_be_bytes();
        self.duration_hi.push(row.duration_nanos >> 24);
        self.duration_mid.push(b);
        self.duration_lo.push(i16::from_be_bytes([c, d]));
        self.resource.push(numbers.resources.number(row.resource_id));
        self.received.push(numbers.received.number(row.received_micros));
        self.end_exact.push(numbers.ends.number_or_zero(row.end_exact));
        self.status_message.push(numbers.messages.number_or_zero(some_text(row.status_message())));
        self.trace_state.push(numbers.trace_states.number_or_zero(some_text(row.trace_state())));
        self.shape.push(numbers.shapes.number(ShapeKey {
            format,
            status: row.status,
            scope_id: row.scope_id,
            flags: row.flags,
            dropped: row.dropped,
        }));
    }
}

fn some_text(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty()).then_some(text)
}

impl Shapes {
    /// The names, sorted, and the shapes.
    fn of(keys: &[ShapeKey], template: &Template<'_>) -> (Vec<Vec<u8>>, Self) {
        let mut names: Vec<_> = template.formats.iter().map(|format| format.name).collect();
        names.sort_unstable();
        names.dedup();
        let numbers: HashMap<_, i16> = names.iter().copied().zip(1..).collect();
        let mut shapes = Self::default();
        for key in keys {
            let index = usize::from(key.format.unsigned_abs()).checked_sub(1);
            let Some(format) = index.and_then(|index| template.formats.get(index)) else { continue };
            shapes.name.push(numbers.get(format.name).copied().unwrap_or_default());
            shapes.kind.push(format.kind);
            shapes.status.push(key.status);
            shapes.scope.push(key.scope_id);
            shapes.flags.push(key.flags);
            for (column, dropped) in shapes.dropped.iter_mut().zip(key.dropped) {
                column.push(dropped);
            }
            shapes.format.push(format.text.clone());
            shapes.exact.push(format.exact.to_vec());
        }
        (owned(&names), shapes)
    }
}
