//! A row of `span_block`, read and checked: every length and every number in it fits before anything is made of it, and
//! the checksum says whether it is what was written. What the texts say is looked at when a span is asked for.

use std::ops::Range;

use sqlx::postgres::PgRow;

use super::columns::{COLUMNS, NAMES, checksum};
use super::wire::{Day, Reader};
use super::{BLOCK_SPANS_MAX, PARENT_ELSEWHERE, corrupt, values};
use crate::model::{SpanId, SpanKind, StatusCode, TraceId, UnixNanos};
use crate::store::postgres::time::{HOUR_MICROS, Micros};
use crate::store::{StoreError, text};

/// A block as it was read.
#[derive(Debug)]
pub(crate) struct StoredBlock {
    /// The block's key.
    pub(crate) block_id: i64,
    /// The hour of every start, in hours since 1970, UTC.
    pub(crate) hour: i64,
    /// The key of the spans' service.
    pub(crate) service_id: i64,
    /// Whether all of it is what was written. Not known when nothing but a trace was read.
    pub(crate) is_whole: bool,
    pub(super) heads: Vec<Head>,
    pub(super) traces: Vec<StoredTrace>,
    pub(super) resource_ids: Vec<i64>,
    pub(super) shapes: Vec<Shape>,
    pub(super) parents: Vec<Option<SpanId>>,
    pub(super) ends: Option<Coded<i64>>,
    pub(super) messages: Option<Coded<String>>,
    pub(super) trace_states: Option<Coded<String>>,
    pub(super) values: Lines,
    pub(super) events: Option<Lines>,
    pub(super) links: Option<Lines>,
}

/// What a block has of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredTrace {
    /// Which it is.
    pub(crate) id: TraceId,
    /// Where its spans are among the heads.
    pub(crate) places: Range<usize>,
    /// Under which its row is filed, in days since 1970, UTC.
    pub(crate) day: i32,
    pub(super) check: i32,
}

/// What is known of a span without making it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its trace.
    pub(crate) trace_id: TraceId,
    /// Its own id.
    pub(crate) span_id: SpanId,
    /// When it began.
    pub(crate) start: UnixNanos,
    /// As the model clamps it.
    pub(crate) duration_nanos: u64,
    /// When the transaction that stored it began, in microseconds since 1970.
    pub(crate) received_micros: i64,
    /// The key of its resource.
    pub(crate) resource_id: i64,
    /// Which of [`StoredBlock::shapes`] it has.
    pub(crate) shape: usize,
}

/// What several spans of a block have in common.
#[derive(Debug)]
pub(crate) struct Shape {
    /// What the operation is called.
    pub(crate) name: String,
    /// Its role in a call.
    pub(crate) kind: SpanKind,
    /// How it ended.
    pub(crate) status: StatusCode,
    /// The key of its scope.
    pub(crate) scope_id: i64,
    pub(super) flags: i32,
    pub(super) dropped: [i32; 3],
    /// The attributes' text between the values that vary.
    pub(super) pieces: Vec<String>,
    pub(super) exact: Option<Vec<u8>>,
}

/// A dictionary and a number for each span, 0 for none.
#[derive(Debug)]
pub(super) struct Coded<T> {
    numbers: Vec<i16>,
    values: Vec<T>,
}

/// A text and where its lines end.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: String,
    ends: Vec<usize>,
}

impl StoredBlock {
    /// Reads the columns of [`BLOCK_COLUMNS`](super::BLOCK_COLUMNS).
    pub(crate) fn read(row: &PgRow) -> Result<Self, StoreError> {
        Self::parse(&values::<COLUMNS>(row)?)
    }

    /// Reads the same as bytes.
    pub(super) fn parse(values: &[Option<&[u8]>]) -> Result<Self, StoreError> {
        let mut reader = Reader::new(values, &NAMES);
        let (block_id, Micros(hour)) = (reader.value()?, reader.value()?);
        let hour = hour.div_euclid(HOUR_MICROS);
        let block = parse_rest(block_id, hour, &mut reader).and_then(|block| {
            let stored: Option<i64> = reader.optional()?;
            let counted = checksum(values.split_last().map(|(_, rest)| rest).unwrap_or_default())?;
            Ok(Self { is_whole: stored == Some(counted), ..block })
        });
        block.map_err(|error| in_block(block_id, hour, error))
    }
}

/// Names the block in an error that says what is wrong with it.
pub(super) fn in_block(block_id: i64, hour: i64, error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt { what } => corrupt(format!("block {block_id} of hour {hour} since 1970: {what}")),
        other => other,
    }
}

fn parse_rest(block_id: i64, hour: i64, reader: &mut Reader<'_>) -> Result<StoredBlock, StoreError> {
    let service_id = reader.value()?;
    let Micros(start_min) = reader.value()?;
    for _ in 0..4 {
        reader.value::<Micros>()?;
    }
    let _durations = (reader.value::<i64>()?, reader.value::<i64>()?);
    let span_count = usize::try_from(reader.value::<i32>()?).ok().filter(|count| *count <= BLOCK_SPANS_MAX);
    let span_count = span_count.ok_or_else(|| reader.wrong())?;
    let _error_count = reader.value::<i32>()?;
    let names = texts(reader.strings()?).ok_or_else(|| reader.wrong())?;
    let _attribute_keys = reader.strings()?;
    let resource_ids = reader.array()?;
    let mut traces = read_traces(span_count, reader)?;
    let (ids, parents) = read_ids(span_count, reader)?;
    let columns = Columns::read(span_count, reader)?;
    let ends = coded(span_count, reader, Reader::optional_array)?;
    let optional_texts = |reader: &mut Reader<'_>| {
        let strings = reader.optional_strings()?;
        strings.map(|strings| texts(strings).ok_or_else(|| reader.wrong())).transpose()
    };
    let messages = coded(span_count, reader, optional_texts)?;
    let trace_states = coded(span_count, reader, optional_texts)?;
    let shapes = read_shapes(&names, reader)?;
    let heads = columns.heads(start_min, &ids, &traces, &resource_ids, shapes.len());
    let heads = heads.ok_or_else(|| corrupt("a span refers to what is not there, or its time is out of range"))?;
    let values = lines(span_count, reader)?.ok_or_else(|| reader.wrong())?;
    let (events, links) = (lines(span_count, reader)?, lines(span_count, reader)?);
    let _text_bytes = reader.value::<i32>()?;
    read_checks(&mut traces, reader)?;
    Ok(StoredBlock {
        block_id,
        hour,
        service_id,
        is_whole: false,
        heads,
        traces,
        resource_ids,
        shapes,
        parents,
        ends,
        messages,
        trace_states,
        values,
        events,
        links,
    })
}

/// Texts as the model has them.
fn texts(stored: Vec<&[u8]>) -> Option<Vec<String>> {
    let text = |bytes| text::original(std::str::from_utf8(bytes).ok()?).map(std::borrow::Cow::into_owned);
    stored.into_iter().map(text).collect()
}

/// The value under a number.
pub(super) fn by_number<T>(values: &[T], number: i16) -> Option<&T> {
    values.get(usize::try_from(number).ok()?.checked_sub(1)?)
}

fn read_traces(span_count: usize, reader: &mut Reader<'_>) -> Result<Vec<StoredTrace>, StoreError> {
    let ids = reader.array::<[u8; 16]>()?;
    let days = reader.array::<Day>()?;
    let ends = reader.array::<i16>()?;
    let mut begin = 0;
    let mut traces = Vec::with_capacity(ids.len());
    for ((id, Day(day)), end) in ids.iter().zip(&days).zip(&ends) {
        let id = TraceId::from_slice(id).map_err(|error| corrupt(format!("a trace id {error}")))?;
        let end = usize::try_from(*end).ok().filter(|end| *end > begin).ok_or_else(|| reader.wrong())?;
        traces.push(StoredTrace { id, places: begin..end, day: *day, check: 0 });
        begin = end;
    }
    let lengths = [days.len(), ends.len()];
    if begin == span_count && lengths == [ids.len(); 2] { Ok(traces) } else { Err(reader.wrong()) }
}

fn read_checks(traces: &mut [StoredTrace], reader: &mut Reader<'_>) -> Result<(), StoreError> {
    let checks = reader.array()?;
    if checks.len() != traces.len() {
        return Err(reader.wrong());
    }
    traces.iter_mut().zip(checks).for_each(|(trace, check)| trace.check = check);
    Ok(())
}

pub(super) type Ids = (Vec<SpanId>, Vec<Option<SpanId>>);

/// The ids of the spans and of their parents.
fn read_ids(span_count: usize, reader: &mut Reader<'_>) -> Result<Ids, StoreError> {
    let bytes = reader.bytes()?;
    let numbers = reader.array::<i16>()?;
    ids_of(span_count, bytes, &numbers).ok_or_else(|| reader.wrong())
}

/// The same, of what is in the two columns.
pub(super) fn ids_of(span_count: usize, bytes: &[u8], numbers: &[i16]) -> Option<Ids> {
    let chunks = bytes.chunks_exact(8);
    if !chunks.remainder().is_empty() {
        return None;
    }
    let mut ids: Vec<_> = chunks.map(SpanId::from_slice).collect::<Result<_, _>>().ok()?;
    if numbers.len() != span_count || ids.len() < span_count {
        return None;
    }
    let parents = numbers.iter().enumerate().map(|(place, number)| {
        let there = if *number == 0 { return Some(None) } else { place_of_parent(place, *number, span_count) };
        there.and_then(|there| ids.get(there)).copied().map(Some)
    });
    let parents = parents.collect::<Option<_>>()?;
    ids.truncate(span_count);
    Some((ids, parents))
}

/// Where the parent of a span is among the ids.
fn place_of_parent(place: usize, number: i16, span_count: usize) -> Option<usize> {
    match number.checked_sub(PARENT_ELSEWHERE).and_then(|behind| usize::try_from(behind).ok()) {
        Some(behind) => span_count.checked_add(behind),
        None => place.checked_add_signed(isize::from(number).checked_neg()?).filter(|there| *there < span_count),
    }
}

/// The columns that heads are made of.
struct Columns {
    start_hi: Vec<i32>,
    start_mid: Vec<u8>,
    start_lo: Vec<i16>,
    duration_hi: Vec<i64>,
    duration_mid: Vec<u8>,
    duration_lo: Vec<i16>,
    resource: Vec<i16>,
    shape: Vec<i16>,
    received: Vec<i16>,
    received_times: Vec<Micros>,
}

impl Columns {
    fn read(span_count: usize, reader: &mut Reader<'_>) -> Result<Self, StoreError> {
        let columns = Self {
            start_hi: reader.array()?,
            start_mid: reader.array()?,
            start_lo: reader.array()?,
            duration_hi: reader.array()?,
            duration_mid: reader.array()?,
            duration_lo: reader.array()?,
            resource: reader.array()?,
            shape: reader.array()?,
            received: reader.array()?,
            received_times: reader.array()?,
        };
        let lengths = [
            columns.start_hi.len(),
            columns.start_mid.len(),
            columns.start_lo.len(),
            columns.duration_hi.len(),
            columns.duration_mid.len(),
            columns.duration_lo.len(),
            columns.resource.len(),
            columns.shape.len(),
            columns.received.len(),
        ];
        let whole = lengths.iter().all(|length| *length == span_count);
        if whole { Ok(columns) } else { Err(corrupt("its columns are not equally long")) }
    }

    fn heads(
        &self,
        start_min: i64,
        ids: &[SpanId],
        traces: &[StoredTrace],
        resource_ids: &[i64],
        shapes: usize,
    ) -> Option<Vec<Head>> {
        let mut heads = Vec::with_capacity(ids.len());
        for trace in traces {
            for place in trace.places.clone() {
                let shape = usize::try_from(*self.shape.get(place)?).ok()?.checked_sub(1)?;
                heads.push(Head {
                    trace_id: trace.id,
                    span_id: *ids.get(place)?,
                    start: self.start(place, start_min)?,
                    duration_nanos: self.duration(place)?,
                    received_micros: by_number(&self.received_times, *self.received.get(place)?)?.0,
                    resource_id: *by_number(resource_ids, *self.resource.get(place)?)?,
                    shape: Some(shape).filter(|shape| *shape < shapes)?,
                });
            }
        }
        Some(heads)
    }

    fn start(&self, place: usize, start_min: i64) -> Option<UnixNanos> {
        let high = u64::try_from(*self.start_hi.get(place)?).ok()?;
        let offset = joined(high, *self.start_mid.get(place)?, *self.start_lo.get(place)?);
        let start_min = UnixNanos::from_micros_and_nanos(start_min, 0)?;
        start_min.0.checked_add(offset).map(UnixNanos)
    }

    fn duration(&self, place: usize) -> Option<u64> {
        let high = u64::try_from(*self.duration_hi.get(place)?).ok().filter(|high| *high < 1 << 39)?;
        Some(joined(high, *self.duration_mid.get(place)?, *self.duration_lo.get(place)?))
    }
}

/// A number that was cut in three.
pub(super) fn joined(high: u64, middle: u8, low: i16) -> u64 {
    high << 24 | u64::from(middle) << 16 | u64::from(low.cast_unsigned())
}

/// The columns of numbers and of what they stand for, both null or neither.
fn coded<'r, T>(
    span_count: usize,
    reader: &mut Reader<'r>,
    read: impl FnOnce(&mut Reader<'r>) -> Result<Option<Vec<T>>, StoreError>,
) -> Result<Option<Coded<T>>, StoreError> {
    let numbers = reader.optional_array::<i16>()?;
    let values = read(reader)?;
    let (numbers, values) = match (numbers, values) {
        (None, None) => return Ok(None),
        (Some(numbers), Some(values)) => (numbers, values),
        _ => return Err(reader.wrong()),
    };
    let is_right = |number: &i16| *number == 0 || by_number(&values, *number).is_some();
    if numbers.len() == span_count && numbers.iter().all(is_right) {
        Ok(Some(Coded { numbers, values }))
    } else {
        Err(reader.wrong())
    }
}

impl<T> Coded<T> {
    pub(super) fn get(&self, place: usize) -> Option<&T> {
        self.numbers.get(place).and_then(|number| by_number(&self.values, *number))
    }
}

fn read_shapes(names: &[String], reader: &mut Reader<'_>) -> Result<Vec<Shape>, StoreError> {
    let name_numbers = reader.array::<i16>()?;
    let count = name_numbers.len();
    let kinds = reader.array::<i32>()?;
    let statuses = zeros_if_null(count, reader)?;
    let scopes = reader.array::<i64>()?;
    let flags = zeros_if_null(count, reader)?;
    let dropped = [zeros_if_null(count, reader)?, zeros_if_null(count, reader)?, zeros_if_null(count, reader)?];
    let formats = reader.strings()?;
    let exacts = reader.optional_strings()?.unwrap_or_else(|| vec![&[]; count]);
    let shape = |index: usize| {
        let exact = *exacts.get(index)?;
        Some(Shape {
            name: by_number(names, *name_numbers.get(index)?)?.clone(),
            kind: SpanKind(*kinds.get(index)?),
            status: StatusCode(*statuses.get(index)?),
            scope_id: *scopes.get(index)?,
            flags: *flags.get(index)?,
            dropped: [*dropped[0].get(index)?, *dropped[1].get(index)?, *dropped[2].get(index)?],
            pieces: pieces(std::str::from_utf8(formats.get(index)?).ok()?)?,
            exact: (!exact.is_empty()).then(|| exact.to_vec()),
        })
    };
    let shapes: Option<Vec<_>> = (0..count).map(shape).collect();
    shapes.ok_or_else(|| corrupt("its shapes are not as they were written"))
}

fn zeros_if_null(count: usize, reader: &mut Reader<'_>) -> Result<Vec<i32>, StoreError> {
    Ok(reader.optional_array()?.unwrap_or_else(|| vec![0; count]))
}

/// A format's text between its `%s`.
pub(super) fn pieces(format: &str) -> Option<Vec<String>> {
    let mut pieces = vec![String::new()];
    let mut parts = format.split('%');
    pieces.last_mut()?.push_str(parts.next()?);
    while let Some(part) = parts.next() {
        match part.strip_prefix('s') {
            Some(after) => pieces.push(after.to_owned()),
            // The second half of %%.
            None if part.is_empty() => {
                let last = pieces.last_mut()?;
                last.push('%');
                last.push_str(parts.next()?);
            }
            None => return None,
        }
    }
    Some(pieces)
}

/// A line for each span.
pub(super) fn lines(span_count: usize, reader: &mut Reader<'_>) -> Result<Option<Lines>, StoreError> {
    let Some(text) = reader.optional_text()? else { return Ok(None) };
    let mut ends: Vec<usize> = text.match_indices('\n').map(|(end, _)| end).collect();
    ends.push(text.len());
    if ends.len() == span_count { Ok(Some(Lines { text: text.to_owned(), ends })) } else { Err(reader.wrong()) }
}

impl Lines {
    /// The line of a span.
    pub(super) fn get(&self, place: usize) -> &str {
        let before = place.checked_sub(1).and_then(|before| self.ends.get(before));
        let begin = before.map_or(0, |end| end.saturating_add(1));
        self.ends.get(place).and_then(|end| self.text.get(begin..*end)).unwrap_or_default()
    }
}
