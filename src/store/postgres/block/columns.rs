//! The columns of `span_block`, and a block written as a row of them.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::encode::Block;
use super::wire::{BYTEA, TEXT, Writer};
use crate::store::StoreError;
use crate::store::postgres::rows::{CopyRows, Rows, length};
use crate::store::postgres::time::{HOUR_MICROS, Micros};

macro_rules! columns {
    ($first:literal $(, $name:literal)* $(,)?) => {
        /// The columns, in the order in which a block is written and read.
        pub(super) const NAMES: [&str; COLUMNS] = [$first $(, $name)*];

        /// Takes the rows of [`block_rows`].
        pub(crate) const COPY_BLOCKS: &str =
            concat!("copy span_block (", $first $(, ", ", $name)*, ") from stdin (format binary)");

        /// What [`StoredBlock::read`](super::StoredBlock::read) reads, of `span_block b`.
        pub(crate) const BLOCK_COLUMNS: &str = concat!("b.", $first $(, ", b.", $name)*);
    };
}

/// The length of a null.
const NULL_LENGTH: [u8; 4] = (-1_i32).to_be_bytes();

/// How many columns there are.
pub(super) const COLUMNS: usize = 52;

columns! {
    "block_id", "hour", "service_id", "start_min", "start_max", "end_max", "received_min", "received_max",
    "duration_min", "duration_max", "span_count", "error_count", "names", "attribute_keys", "resource_ids",
    "trace_ids", "trace_days", "trace_end", "span_ids", "parent", "start_hi", "start_mid", "start_lo", "duration_hi",
    "duration_mid", "duration_lo", "resource", "shape", "received", "received_times", "end_exact", "ends_exact",
    "status_message", "status_messages", "trace_state", "trace_states", "shape_name", "shape_kind", "shape_status",
    "shape_scope", "shape_flags", "shape_dropped_attributes", "shape_dropped_events", "shape_dropped_links",
    "shape_format", "shape_exact", "attribute_values", "events", "links", "text_bytes", "trace_checks", "checksum",
}

/// The lines of a text of `b` that the spans from `x.before` (not that one) to `x.last` have. An array of all lines of a block
/// takes twice as long as to look for a few one by one, and many are not to be looked for one by one.
macro_rules! lines_of {
    ($text:literal) => {
        concat!(
            "case when x.last - x.before > 16 ",
            "then array_to_string((string_to_array(b.",
            $text,
            ", E'\\n'))[x.before + 1:x.last], E'\\n') ",
            "else (select string_agg(split_part(whole.text, E'\\n', number), E'\\n' order by number) ",
            "from (select b.",
            $text,
            " || '' as text offset 0) whole, generate_series(x.before + 1, x.last) number) end"
        )
    };
}

/// What the blocks `$2` (bigint[]) have of the traces `$1` (in hex), one of each in turn: rows of [`BLOCK_COLUMNS`] as if
/// the block held nothing else, so that little is sent and decoded; the checksum, which is of the whole block, is null. A
/// block without its trace gives no row. The planner is kept from reading all blocks to find these.
pub(crate) const TRACE_BLOCKS: &str = concat!(
    "\
    select b.block_id, b.hour, b.service_id, b.start_min, b.start_max, b.end_max, b.received_min, b.received_max,
        b.duration_min, b.duration_max, x.last - x.before, b.error_count, b.names, b.attribute_keys, b.resource_ids,
        b.trace_ids[x.number:x.number], b.trace_days[x.number:x.number], array[x.last - x.before]::smallint[],
        substr(b.span_ids, 8 * x.before + 1, 8 * (x.last - x.before)) || substr(b.span_ids, 8 * b.span_count + 1),
        b.parent[x.before + 1:x.last], b.start_hi[x.before + 1:x.last], b.start_mid[x.before + 1:x.last],
        b.start_lo[x.before + 1:x.last], b.duration_hi[x.before + 1:x.last], b.duration_mid[x.before + 1:x.last],
        b.duration_lo[x.before + 1:x.last], b.resource[x.before + 1:x.last], b.shape[x.before + 1:x.last],
        b.received[x.before + 1:x.last], b.received_times, b.end_exact[x.before + 1:x.last], b.ends_exact,
        b.status_message[x.before + 1:x.last], b.status_messages, b.trace_state[x.before + 1:x.last], b.trace_states,
        b.shape_name, b.shape_kind, b.shape_status, b.shape_scope, b.shape_flags, b.shape_dropped_attributes,
        b.shape_dropped_events, b.shape_dropped_links, b.shape_format, b.shape_exact,
        ",
    lines_of!("attribute_values"),
    ",
        ",
    lines_of!("events"),
    ",
        ",
    lines_of!("links"),
    ",
        b.text_bytes, b.trace_checks[x.number:x.number], null::bigint
    from unnest($1::text[], $2::bigint[]) wanted (trace_id, block_id)
    cross join lateral (select * from span_block where span_block.block_id = wanted.block_id offset 0) b
    cross join lateral (select array_position(b.trace_ids, wanted.trace_id::uuid) as number offset 0) t
    cross join lateral (
        select t.number, coalesce(b.trace_end[t.number - 1]::int, 0) as before, b.trace_end[t.number]::int as last
        offset 0
    ) x
    where x.number > 0"
);

/// What the column `checksum` says of the values of all columns before it.
pub(super) fn checksum(values: &[Option<&[u8]>]) -> Result<i64, StoreError> {
    let mut hash = Xxh3::new();
    for value in values {
        match value {
            Some(bytes) => {
                hash.update(&length(bytes.len())?);
                hash.update(bytes);
            }
            None => hash.update(&NULL_LENGTH),
        }
    }
    Ok(hash.digest().cast_signed())
}

/// An empty COPY of blocks.
pub(crate) fn block_rows(capacity_bytes: usize) -> CopyRows {
    CopyRows::with_columns(COLUMNS, capacity_bytes)
}

impl Block {
    /// Appends the block to the rows of a COPY: a length and a value for each column, which the checksum is of. After an error the rows are of no use.
    pub(crate) fn push(&self, rows: &mut CopyRows) -> Result<(), StoreError> {
        rows.begin();
        let begin = rows.bytes().len();
        let mut writer = Writer(rows);
        self.push_bounds(&mut writer)?;
        self.push_traces(&mut writer)?;
        self.push_spans(&mut writer)?;
        self.push_shapes(&mut writer)?;
        writer.bytes(&self.attribute_values)?;
        for lines in [&self.events, &self.links] {
            match lines {
                Some(lines) => writer.bytes(lines)?,
                None => writer.null()?,
            }
        }
        writer.value(self.text_bytes)?;
        writer.array(&self.traces.checks)?;
        let checksum = xxh3_64(rows.bytes().get(begin..).unwrap_or_default());
        Writer(rows).value(checksum.cast_signed())
    }

    fn push_bounds(&self, writer: &mut Writer<'_, impl Rows>) -> Result<(), StoreError> {
        let bounds = &self.bounds;
        writer.value(self.block_id)?;
        writer.value(Micros(self.hour.saturating_mul(HOUR_MICROS)))?;
        writer.value(self.service_id)?;
        for time in [bounds.start.0, bounds.start.1, bounds.end_max, bounds.received.0, bounds.received.1] {
            writer.value(Micros(time))?;
        }
        writer.value(bounds.duration.0)?;
        writer.value(bounds.duration.1)?;
        writer.value(self.span_count)?;
        writer.value(self.error_count)?;
        writer.strings(TEXT, &self.names)?;
        writer.strings(TEXT, &self.attribute_keys)?;
        writer.array(&self.resource_ids)
    }

    fn push_traces(&self, writer: &mut Writer<'_, impl Rows>) -> Result<(), StoreError> {
        writer.array(&self.traces.ids)?;
        writer.array(&self.traces.days)?;
        writer.array(&self.traces.ends)
    }

    fn push_spans(&self, writer: &mut Writer<'_, impl Rows>) -> Result<(), StoreError> {
        let spans = &self.spans;
        writer.bytes(&spans.ids)?;
        writer.array(&spans.parent)?;
        writer.array(&spans.start_hi)?;
        writer.array(&spans.start_mid)?;
        writer.array(&spans.start_lo)?;
        writer.array(&spans.duration_hi)?;
        writer.array(&spans.duration_mid)?;
        writer.array(&spans.duration_lo)?;
        writer.array(&spans.resource)?;
        writer.array(&spans.shape)?;
        writer.array(&spans.received)?;
        writer.array(&self.received_times)?;
        writer.array_or_null(&spans.end_exact)?;
        if self.ends_exact.is_empty() {
            writer.null()?;
        } else {
            writer.array(&self.ends_exact)?;
        }
        writer.array_or_null(&spans.status_message)?;
        writer.strings_or_null(TEXT, &self.status_messages)?;
        writer.array_or_null(&spans.trace_state)?;
        writer.strings_or_null(TEXT, &self.trace_states)
    }

    fn push_shapes(&self, writer: &mut Writer<'_, impl Rows>) -> Result<(), StoreError> {
        let shapes = &self.shapes;
        writer.array(&shapes.name)?;
        writer.array(&shapes.kind)?;
        writer.array_or_null(&shapes.status)?;
        writer.array(&shapes.scope)?;
        writer.array_or_null(&shapes.flags)?;
        shapes.dropped.iter().try_for_each(|counts| writer.array_or_null(counts))?;
        writer.strings(TEXT, &shapes.format)?;
        writer.strings_or_null(BYTEA, &shapes.exact)
    }
}
