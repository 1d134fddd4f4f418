//! When the spans of a block begin, and of which traces they are: a small part of a block, read without the rest of it.
//! The checksum, which is of all columns, is not looked at; whoever wants a span reads the block.

use sqlx::postgres::PgRow;

use super::stored::{Ids, Lines, by_number, ids_of, joined, lines, pieces};
use super::wire::Reader;
use super::{BLOCK_SPANS_MAX, corrupt, values};
use crate::model::{SpanId, SpanKind, StatusCode, TraceId, UnixNanos};
use crate::store::postgres::time::Micros;
use crate::store::{StoreError, text};

/// How many columns there are.
const COLUMNS: usize = 28;

const NAMES: [&str; COLUMNS] = [
    "block_id",
    "start_min",
    "trace_ids",
    "trace_end",
    "start_hi",
    "start_mid",
    "start_lo",
    "duration_hi",
    "duration_mid",
    "duration_lo",
    "received",
    "received_times",
    "resource",
    "resource_ids",
    "shape",
    "names",
    "shape_name",
    "shape_kind",
    "shape_status",
    "span_count",
    "start_max",
    "shape_format",
    "attribute_values",
    LOOKED_AT,
    "span_ids",
    "parent",
    "shape_scope",
    ELSEWHERE,
];

/// How many spans the block has, when the others are cut to fewer.
const LOOKED_AT: &str = "looked_at";

/// Whether an event or a link may have an attribute under one of the keys `$5`.
const ELSEWHERE: &str = "\
    (exists (select from unnest($5) asked (key) where strpos(b.events, to_jsonb(asked.key)::text || ': ') > 0 \
        or strpos(b.links, to_jsonb(asked.key)::text || ': ') > 0))::integer";

/// In place of a column that is not wanted.
const NULL: &str = "null";

/// The lines of the spans, when a value under one of the keys `$4` stands in them and not in the format of a shape: they are
/// most of a block's text.
const LINES: &str = "\
    case when exists (select from unnest($4) asked (key) where strpos(array_to_string(b.shape_format, ' '), \
        replace(to_jsonb(asked.key)::text, '%', '%%') || ': %s') > 0) then b.attribute_values end";

/// What else is to be known of the spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a part of a block that is read or not")]
pub(crate) struct StartColumns {
    /// How long they took.
    pub(crate) durations: bool,
    /// Their resources.
    pub(crate) resources: bool,
    /// Names, kinds and statuses.
    pub(crate) shapes: bool,
    /// Their own attributes.
    pub(crate) attributes: bool,
    /// Their ids.
    pub(crate) ids: bool,
    /// Their parents: whether they have one, and, with the ids, which one.
    pub(crate) parents: bool,
    /// Their scopes.
    pub(crate) scopes: bool,
    /// Whether some keys are those of attributes of events and links.
    pub(crate) elsewhere: bool,
}

/// What is left of a block by [`StartColumns::statement`] when durations are asked for: the numbers of the spans that may have
/// one, by the highest part of it.
const LEFT: &str = "\
    cross join lateral (select x.numbers, cardinality(x.numbers) <= $6 as is_cut from (select array(\
        select d.number::smallint from unnest(b.duration_hi) with ordinality d (hi, number) \
        where d.hi between $4 and $5) as numbers offset 0) x offset 0) l";

impl StartColumns {
    /// The statement that reads blocks `$2` (bigint[]) of the hours `$1` (timestamptz[]); `$3` is the moment as of which is asked.
    ///
    /// When durations and neither attributes nor parents are asked for, a block with few spans of the right durations is read
    /// as if it had no other ones: `$4` and `$5` (bigint) are the least and the greatest duration in units of 2^24 nanoseconds,
    /// and `$6` how many spans are few. When attributes are asked for, `$4` (text[]) are their keys as they are stored; and `$5` (text[]) those that
    /// are looked for elsewhere, when they are.
    pub(crate) fn statement(self) -> String {
        let (columns, left) = (self.columns(), if self.is_cut() { LEFT } else { "" });
        format!("select {columns} from span_block b {left} where b.hour = any($1) and b.block_id = any($2)")
    }

    /// Whether the statement leaves out spans by their durations.
    pub(crate) fn is_cut(self) -> bool {
        self.durations && !self.attributes && !self.parents
    }

    /// Those that are not wanted are null. Arrivals are read where some are later.
    fn columns(self) -> String {
        let columns = NAMES.map(|name| {
            let whole = self.column(name);
            let part = match name {
                "span_count" => "cardinality(l.numbers)".to_owned(),
                "trace_end" => "array(select generate_subscripts(l.numbers, 1)::smallint)".to_owned(),
                "trace_ids" => {
                    let trace = "b.trace_ids[width_bucket((number - 1)::smallint, b.trace_end) + 1]";
                    format!("array(select {trace} from unnest(l.numbers) number)")
                }
                "span_ids" => "(select string_agg(substr(b.span_ids, (n.number - 1) * 8 + 1, 8), '' order by n.place) \
                    from unnest(l.numbers) with ordinality n (number, place))"
                    .to_owned(),
                "start_hi" | "start_mid" | "start_lo" | "duration_hi" | "duration_mid" | "duration_lo" | "received"
                | "resource" | "shape" => {
                    format!("array(select b.{name}[number] from unnest(l.numbers) number)")
                }
                _ => return whole,
            };
            let is_read = self.is_cut() && whole != NULL;
            let is_late = if name == "received" { " and b.received_max > $3" } else { "" };
            if is_read { format!("case when l.is_cut{is_late} then {part} else {whole} end") } else { whole }
        });
        columns.join(", ")
    }

    fn column(self, name: &str) -> String {
        let is_wanted = match name {
            "duration_hi" | "duration_mid" | "duration_lo" => self.durations,
            "received" | "received_times" => return format!("case when b.received_max > $3 then b.{name} end"),
            "resource" | "resource_ids" => self.resources,
            "shape" => self.shapes || self.attributes || self.scopes,
            "names" | "shape_name" | "shape_kind" | "shape_status" => self.shapes,
            "attribute_values" if self.attributes => return LINES.to_owned(),
            LOOKED_AT => return "b.span_count".to_owned(),
            "attribute_values" => false,
            "shape_format" => self.attributes,
            "span_ids" => self.ids,
            "parent" => self.parents,
            "shape_scope" => self.scopes,
            ELSEWHERE => return if self.elsewhere { ELSEWHERE.to_owned() } else { "0".to_owned() },
            _ => true,
        };
        if is_wanted { format!("b.{name}") } else { NULL.to_owned() }
    }
}

/// Name, kind and status of a shape.
pub(crate) type StartShape = (String, SpanKind, StatusCode);
type Shapes = Vec<StartShape>;

/// A span's start, and what else was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpanStart {
    /// When it began.
    pub(crate) start: UnixNanos,
    /// Its trace.
    pub(crate) trace_id: TraceId,
    /// As the model clamps it; 0 unless asked for.
    pub(crate) duration_nanos: u64,
    /// When it arrived, in microseconds since 1970; 0 when all of the block had arrived.
    pub(crate) received_micros: i64,
    /// The key of its resource; 0 unless asked for.
    pub(crate) resource_id: i64,
    /// Which of the block's shapes it has; 0 unless asked for.
    pub(crate) shape: usize,
    /// Whether it has no parent; no unless that was asked for.
    pub(crate) is_root: bool,
}

/// The starts of a block.
#[derive(Debug)]
pub(crate) struct BlockStarts {
    /// The block's key.
    pub(crate) block_id: i64,
    /// In the block's order.
    pub(crate) spans: Vec<SpanStart>,
    /// How many spans the block has: as many, unless it was cut by durations.
    pub(crate) looked_at: usize,
    /// The keys of the block's resources, each once; none unless asked for.
    pub(crate) resource_ids: Vec<i64>,
    /// Name, kind and status of each shape; none unless asked for.
    pub(crate) shapes: Shapes,
    /// The ids of the spans; none unless asked for.
    pub(crate) ids: Vec<SpanId>,
    /// Those of their parents; none unless both were asked for.
    pub(crate) parents: Vec<Option<SpanId>>,
    /// The scope of each shape; none unless asked for.
    pub(crate) scope_ids: Vec<i64>,
    /// Whether attributes under the keys that were asked for may be elsewhere.
    pub(crate) is_elsewhere: bool,
    /// What [`BlockStarts::having`] looks into, when it was asked for.
    pub(super) attributes: Option<AttributeTexts>,
}

/// The attributes of a block's spans, as they are written.
#[derive(Debug)]
pub(super) struct AttributeTexts {
    /// Of each shape, the text between the values that vary.
    pub(super) pieces: Vec<Vec<String>>,
    /// Of each span, the values that vary.
    pub(super) values: Lines,
}

impl BlockStarts {
    /// Reads a row of [`StartColumns::statement`].
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], with what is wrong with it.
    pub(crate) fn read(row: &PgRow) -> Result<Self, StoreError> {
        let columns = Columns::read(&mut Reader::new(&values::<COLUMNS>(row)?, &NAMES))?;
        let spans = columns.starts().ok_or_else(|| corrupt("a span refers to what is not there"))?;
        Ok(Self {
            block_id: columns.block_id,
            spans,
            looked_at: columns.looked_at,
            resource_ids: columns.resource.map(|(_, ids)| ids).unwrap_or_default(),
            shapes: columns.shapes.unwrap_or_default(),
            ids: columns.ids.0,
            parents: columns.ids.1,
            scope_ids: columns.scope_ids.unwrap_or_default(),
            is_elsewhere: columns.is_elsewhere,
            attributes: columns.attributes,
        })
    }

    /// How many bytes of text there are of a span, at the most: its name, and its attributes as far as they were read.
    pub(crate) fn text_bytes(&self, place: usize, start: &SpanStart) -> usize {
        let name = self.shapes.get(start.shape).map_or(0, |(name, _, _)| name.len());
        let of_attributes = |texts: &AttributeTexts| {
            let pieces = texts.pieces.get(start.shape).into_iter().flatten().map(String::len);
            pieces.fold(texts.values.get(place).len(), usize::saturating_add)
        };
        self.attributes.as_ref().map_or(0, of_attributes).saturating_add(name)
    }
}

struct Columns {
    block_id: i64,
    start_min: i64,
    trace_ids: Vec<[u8; 16]>,
    trace_end: Vec<i16>,
    start: (Vec<i32>, Vec<u8>, Vec<i16>),
    duration: Option<(Vec<i64>, Vec<u8>, Vec<i16>)>,
    received: Option<(Vec<i16>, Vec<Micros>)>,
    resource: Option<(Vec<i16>, Vec<i64>)>,
    shape: Option<Vec<i16>>,
    shapes: Option<Shapes>,
    attributes: Option<AttributeTexts>,
    span_count: usize,
    start_max: i64,
    looked_at: usize,
    ids: Ids,
    parents: Option<Vec<i16>>,
    scope_ids: Option<Vec<i64>>,
    is_elsewhere: bool,
}

impl Columns {
    fn read(reader: &mut Reader<'_>) -> Result<Self, StoreError> {
        let (block_id, Micros(start_min)) = (reader.value()?, reader.value()?);
        let (trace_ids, trace_end) = (reader.array()?, reader.array()?);
        let start = (reader.array()?, reader.array()?, reader.array()?);
        let duration = (reader.optional_array()?, reader.optional_array()?, reader.optional_array()?);
        let received = (reader.optional_array()?, reader.optional_array()?);
        let resource = (reader.optional_array()?, reader.optional_array()?);
        let shape = reader.optional_array()?;
        let shapes = read_shapes(reader)?;
        let span_count = usize::try_from(reader.value::<i32>()?).ok().filter(|count| *count <= BLOCK_SPANS_MAX);
        let span_count = span_count.ok_or_else(|| reader.wrong())?;
        let Micros(start_max) = reader.value()?;
        let attributes = read_attributes(span_count, reader)?;
        let looked_at = usize::try_from(reader.value::<i32>()?).map_err(|_| reader.wrong())?;
        let (ids, parents) = read_ids(span_count, reader)?;
        let (scope_ids, is_elsewhere) = (reader.optional_array()?, reader.value::<i32>()? != 0);
        let duration = if let (Some(hi), Some(mid), Some(lo)) = duration { Some((hi, mid, lo)) } else { None };
        let (received, resource) = (received.0.zip(received.1), resource.0.zip(resource.1));
        Ok(Self {
            block_id,
            start_min,
            trace_ids,
            trace_end,
            start,
            duration,
            received,
            resource,
            shape,
            shapes,
            attributes,
            span_count,
            start_max,
            looked_at,
            ids,
            parents,
            scope_ids,
            is_elsewhere,
        })
    }

    fn starts(&self) -> Option<Vec<SpanStart>> {
        let mut starts = Vec::with_capacity(self.span_count);
        for (trace_id, end) in self.trace_ids.iter().zip(&self.trace_end) {
            let trace_id = TraceId::from_slice(trace_id).ok()?;
            let end = usize::try_from(*end).ok().filter(|end| *end <= self.span_count)?;
            for place in starts.len()..end {
                starts.push(self.start(place, trace_id)?);
            }
        }
        (starts.len() == self.span_count).then_some(starts)
    }

    fn start(&self, place: usize, trace_id: TraceId) -> Option<SpanStart> {
        let (hi, mid, lo) = &self.start;
        let offset = joined(u64::try_from(*hi.get(place)?).ok()?, *mid.get(place)?, *lo.get(place)?);
        let start = UnixNanos(UnixNanos::from_micros_and_nanos(self.start_min, 0)?.0.checked_add(offset)?);
        let duration_nanos = match &self.duration {
            Some((hi, mid, lo)) => joined(u64::try_from(*hi.get(place)?).ok()?, *mid.get(place)?, *lo.get(place)?),
            None => 0,
        };
        let received_micros = match &self.received {
            Some((numbers, times)) => by_number(times, *numbers.get(place)?)?.0,
            None => 0,
        };
        let resource_id = match &self.resource {
            Some((numbers, ids)) => *by_number(ids, *numbers.get(place)?)?,
            None => 0,
        };
        let shape = match &self.shape {
            Some(numbers) => usize::try_from(*numbers.get(place)?).ok()?.checked_sub(1)?,
            None => 0,
        };
        let counts = [self.shapes.as_ref().map(Vec::len), self.attributes.as_ref().map(|texts| texts.pieces.len())];
        let is_there = counts.into_iter().flatten().all(|count| shape < count);
        let is_root = match &self.parents {
            Some(numbers) => *numbers.get(place)? == 0,
            None => false,
        };
        let is_within = start.to_micros_and_nanos().0 <= self.start_max;
        let start = SpanStart { start, trace_id, duration_nanos, received_micros, resource_id, shape, is_root };
        (is_there && is_within).then_some(start)
    }
}

fn read_shapes(reader: &mut Reader<'_>) -> Result<Option<Shapes>, StoreError> {
    let names = reader.optional_strings()?;
    let (numbers, kinds) = (reader.optional_array::<i16>()?, reader.optional_array::<i32>()?);
    let statuses = reader.optional_array()?;
    let (Some(names), Some(numbers), Some(kinds)) = (names, numbers, kinds) else { return Ok(None) };
    let statuses = statuses.unwrap_or_else(|| vec![0; numbers.len()]);
    let shape = |((number, kind), status): ((&i16, &i32), &i32)| {
        let name = std::str::from_utf8(by_number(&names, *number)?).ok()?;
        Some((text::original(name)?.into_owned(), SpanKind(*kind), StatusCode(*status)))
    };
    let shapes: Option<Shapes> = numbers.iter().zip(&kinds).zip(&statuses).map(shape).collect();
    let is_whole = numbers.len() == kinds.len() && kinds.len() == statuses.len();
    shapes.filter(|_| is_whole).map(Some).ok_or_else(|| corrupt("its shapes are not as they were written"))
}

/// The ids, and those of the parents where they were asked for, too, with the numbers that say which these are.
fn read_ids(span_count: usize, reader: &mut Reader<'_>) -> Result<(Ids, Option<Vec<i16>>), StoreError> {
    let bytes = reader.optional_bytes();
    let numbers = reader.optional_array::<i16>()?;
    let ids = match (bytes, &numbers) {
        (None, _) => Some((Vec::new(), Vec::new())),
        (Some(bytes), Some(numbers)) => ids_of(span_count, bytes, numbers),
        (Some(bytes), None) => ids_of(span_count, bytes, &vec![0; span_count]).map(|(ids, _)| (ids, Vec::new())),
    };
    Ok((ids.ok_or_else(|| reader.wrong())?, numbers))
}

fn read_attributes(span_count: usize, reader: &mut Reader<'_>) -> Result<Option<AttributeTexts>, StoreError> {
    let formats = reader.optional_strings()?;
    // Not read when no value stands there that is asked for.
    let values = lines(span_count, reader)?.unwrap_or_default();
    let Some(formats) = formats else { return Ok(None) };
    let pieces: Option<Vec<_>> = formats.into_iter().map(|format| pieces(std::str::from_utf8(format).ok()?)).collect();
    let pieces = pieces.ok_or_else(|| reader.wrong())?;
    Ok(Some(AttributeTexts { pieces, values }))
}
