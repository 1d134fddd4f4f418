//! Spans as rows of `span_row`, written straight from the model into the bytes that go to the socket, in one of two
//! forms. A value has the same bytes in both: its length and itself, big end first; -1 is the length of a null.
//!
//! [`CopyRows`] are for `copy ... (format binary)`: a header, then for each row the number of columns and its values;
//! then -1. [`InsertRows`] are for an `insert`: each column is an array, bound as one parameter. The statements are in
//! `write.rs`.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo};
use sqlx::{Encode, Postgres, Type};

use super::time::Micros;
use crate::model::Span;
use crate::store::{StoreError, json, text};

/// How many columns a row has.
const COLUMNS: usize = 25;
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The version that comes before a `jsonb`.
const JSONB_VERSION: u8 = 1;

/// The columns, in the order in which [`push`] writes them.
macro_rules! columns {
    () => {
        "step, start_time, duration_nano, end_exact, resource_id, scope_id, service_id, digest, kind, flags, status_code,
         dropped_attributes_count, dropped_events_count, dropped_links_count, start_nano, trace_id, span_id,
         parent_span_id, name, status_message, trace_state, attributes, attributes_shape, events, links"
    };
}

/// Takes what [`CopyRows`] has.
pub(super) const COPY: &str = concat!("copy span_row (", columns!(), ") from stdin (format binary)");

/// Takes the parameters of [`InsertRows`]. Among what is selected, an `unnest` hands out its values one by one; in `from`
/// each would first be copied to a table of its own: a tenth of what the server has to do for a row.
pub(super) const INSERT: &str = concat!(
    "insert into span_row (",
    columns!(),
    ") select
        unnest($1::int4[]), unnest($2::timestamptz[]), unnest($3::int8[]), unnest($4::int8[]),
        unnest($5::int8[]), unnest($6::int8[]), unnest($7::int8[]), unnest($8::int8[]), unnest($9::int4[]),
        unnest($10::int4[]), unnest($11::int4[]), unnest($12::int4[]), unnest($13::int4[]),
        unnest($14::int4[]), unnest($15::int2[]), unnest($16::bytea[]), unnest($17::bytea[]),
        unnest($18::bytea[]), unnest($19::text[]), unnest($20::text[]), unnest($21::text[]),
        unnest($22::jsonb[]), unnest($23::bytea[]), unnest($24::jsonb[]), unnest($25::jsonb[])"
);

/// A type, and the type of its arrays; the numbers are the same in every database.
#[derive(Debug, Clone, Copy)]
struct ColumnType {
    value: u32,
    array: u32,
}

const INT2: ColumnType = ColumnType { value: 21, array: 1005 };
const INT4: ColumnType = ColumnType { value: 23, array: 1007 };
const INT8: ColumnType = ColumnType { value: 20, array: 1016 };
const BYTEA: ColumnType = ColumnType { value: 17, array: 1001 };
const TEXT: ColumnType = ColumnType { value: 25, array: 1009 };
const TIMESTAMPTZ: ColumnType = ColumnType { value: 1184, array: 1185 };
const JSONB: ColumnType = ColumnType { value: 3802, array: 3807 };

const TYPES: [ColumnType; COLUMNS] = [
    INT4,
    TIMESTAMPTZ,
    INT8,
    INT8,
    INT8,
    INT8,
    INT8,
    INT8,
    INT4,
    INT4,
    INT4,
    INT4,
    INT4,
    INT4,
    INT2,
    BYTEA,
    BYTEA,
    BYTEA,
    TEXT,
    TEXT,
    TEXT,
    JSONB,
    BYTEA,
    JSONB,
    JSONB,
];

/// Where the values of rows go.
pub(super) trait Rows {
    /// A row begins.
    fn begin(&mut self);

    /// Where the next value of the row goes.
    fn next(&mut self) -> &mut Vec<u8>;
}

/// What a row has beside its span.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// When it arrives.
    pub(super) step: i32,
    /// The key of its service.
    pub(super) service_id: i64,
}

/// Appends a row. After an error the rows are of no use.
pub(super) fn push(rows: &mut impl Rows, span: &Span, digest: u128, place: Place) -> Result<(), StoreError> {
    let (start_micros, start_nano) = span.start.to_micros_and_nanos();
    let duration = span.duration_nanos();
    let end_follows = span.start.0.checked_add(duration) == Some(span.end.0);
    rows.begin();
    fixed(rows, place.step.to_be_bytes());
    fixed(rows, Micros(start_micros).to_wire());
    fixed(rows, duration.cast_signed().to_be_bytes());
    optional(rows, (!end_follows).then(|| span.end.0.cast_signed().to_be_bytes()));
    fixed(rows, span.resource.key().to_be_bytes());
    fixed(rows, span.scope.key().to_be_bytes());
    fixed(rows, place.service_id.to_be_bytes());
    fixed(rows, span.key_with(digest).digest.to_be_bytes());
    fixed(rows, span.kind.0.to_be_bytes());
    fixed(rows, span.flags.to_be_bytes());
    optional(rows, (span.status.code.0 != 0).then(|| span.status.code.0.to_be_bytes()));
    for count in [span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count] {
        optional(rows, (count != 0).then(|| count.to_be_bytes()));
    }
    fixed(rows, start_nano.to_be_bytes());
    fixed(rows, *span.trace_id.as_bytes());
    fixed(rows, *span.span_id.as_bytes());
    optional(rows, span.parent_span_id.map(|id| *id.as_bytes()));
    sized(rows, text::stored(&span.name).as_bytes())?;
    text_or_null(rows, &span.status.message)?;
    text_or_null(rows, &span.trace_state)?;
    contents(rows, span)
}

/// The columns that hold JSON.
fn contents(rows: &mut impl Rows, span: &Span) -> Result<(), StoreError> {
    let mut shape = None;
    json(rows, |out| {
        shape = json::attributes(&span.attributes, out)?;
        Ok(())
    })?;
    match shape {
        None => null(rows),
        Some(shape) => sized(rows, &shape)?,
    }
    if span.events.is_empty() {
        null(rows);
    } else {
        json(rows, |out| json::events(&span.events, out))?;
    }
    if span.links.is_empty() {
        null(rows);
    } else {
        json(rows, |out| json::links(&span.links, out))?;
    }
    Ok(())
}

pub(super) fn null(rows: &mut impl Rows) {
    rows.next().extend((-1_i32).to_be_bytes());
}

pub(super) fn fixed<const N: usize>(rows: &mut impl Rows, value: [u8; N]) {
    let bytes = rows.next();
    bytes.extend(i32::try_from(N).unwrap_or_default().to_be_bytes());
    bytes.extend(value);
}

pub(super) fn optional<const N: usize>(rows: &mut impl Rows, value: Option<[u8; N]>) {
    match value {
        Some(value) => fixed(rows, value),
        None => null(rows),
    }
}

pub(super) fn sized(rows: &mut impl Rows, value: &[u8]) -> Result<(), StoreError> {
    let bytes = rows.next();
    bytes.extend(length(value.len())?);
    bytes.extend(value);
    Ok(())
}

fn text_or_null(rows: &mut impl Rows, text: &str) -> Result<(), StoreError> {
    if text.is_empty() {
        null(rows);
        return Ok(());
    }
    sized(rows, text::stored(text).as_bytes())
}

fn json(rows: &mut impl Rows, write: impl FnOnce(&mut Vec<u8>) -> Result<(), StoreError>) -> Result<(), StoreError> {
    let bytes = rows.next();
    let start = bytes.len();
    bytes.extend([0; 4]);
    let content = bytes.len();
    bytes.push(JSONB_VERSION);
    write(bytes)?;
    let written = length(bytes.len().saturating_sub(content))?;
    if let Some(place) = bytes.get_mut(start..content) {
        place.copy_from_slice(&written);
    }
    Ok(())
}

pub(super) fn length(length: usize) -> Result<[u8; 4], StoreError> {
    i32::try_from(length).map(i32::to_be_bytes).map_err(|_| StoreError::Refused {
        reason: "a value has more than 2 GiB".to_owned(), //
    })
}

/// Rows on their way through a COPY.
#[derive(Debug)]
pub(super) struct CopyRows {
    columns: usize,
    bytes: Vec<u8>,
}

impl CopyRows {
    /// Rows of `span_row`.
    pub(super) fn new(capacity_bytes: usize) -> Self {
        Self::with_columns(COLUMNS, capacity_bytes)
    }

    /// Rows of any table.
    pub(super) fn with_columns(columns: usize, capacity_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity_bytes);
        bytes.extend(HEADER);
        Self { columns, bytes }
    }

    /// Ends the last row; nothing may be pushed after it.
    pub(super) fn finish(&mut self) {
        self.bytes.extend((-1_i16).to_be_bytes());
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what was sent.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }
}

impl Rows for CopyRows {
    fn begin(&mut self) {
        let columns = i16::try_from(self.columns).unwrap_or_default();
        self.bytes.extend(columns.to_be_bytes());
    }

    fn next(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

/// Rows as arrays, one a column.
#[derive(Debug, Default)]
pub(super) struct InsertRows {
    columns: [Vec<u8>; COLUMNS],
    next: usize,
    rows: i32,
}

impl InsertRows {
    /// How many bytes they have.
    pub(super) fn len(&self) -> usize {
        self.columns.iter().map(Vec::len).fold(0, usize::saturating_add)
    }

    /// The parameters of [`INSERT`], in their order.
    pub(super) fn into_parameters(self) -> impl Iterator<Item = Parameter> {
        let rows = self.rows;
        TYPES.into_iter().zip(self.columns).map(move |(column_type, values)| Parameter { column_type, rows, values })
    }
}

impl Rows for InsertRows {
    fn begin(&mut self) {
        self.next = 0;
        self.rows = self.rows.saturating_add(1);
    }

    fn next(&mut self) -> &mut Vec<u8> {
        let column = self.next;
        self.next = self.next.saturating_add(1);
        &mut self.columns[column]
    }
}

/// One column of some rows.
#[derive(Debug)]
pub(super) struct Parameter {
    column_type: ColumnType,
    rows: i32,
    values: Vec<u8>,
}

impl Type<Postgres> for Parameter {
    /// Of no use by itself: `produces` knows each parameter's own.
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(BYTEA.array))
    }
}

impl Encode<'_, Postgres> for Parameter {
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(self.column_type.array)))
    }

    /// An array: the number of dimensions, whether it may hold nulls, the type of its values, and for its dimension the
    /// number of values and the index of the first; then the values.
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let (dimensions, may_hold_nulls, first_index) = (1_i32, 1_i32, 1_i32);
        buffer.extend_from_slice(&dimensions.to_be_bytes());
        buffer.extend_from_slice(&may_hold_nulls.to_be_bytes());
        buffer.extend_from_slice(&self.column_type.value.to_be_bytes());
        buffer.extend_from_slice(&self.rows.to_be_bytes());
        buffer.extend_from_slice(&first_index.to_be_bytes());
        buffer.extend_from_slice(&self.values);
        Ok(IsNull::No)
    }
}
