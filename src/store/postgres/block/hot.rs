//! Rows of `span_row` on their way into a block: numbers and ids are read, texts stay the bytes that they are.

use sqlx::postgres::PgRow;

use super::wire::Reader;
use super::{corrupt, values};
use crate::model::{SpanId, SpanKey, TraceId, UnixNanos};
use crate::store::StoreError;
use crate::store::postgres::time::{DAY_MICROS, HOUR_MICROS, Micros};

/// What [`HotRow::read`] reads, of `span_row s`.
pub(crate) const HOT_COLUMNS: &str = "\
    s.start_time, s.start_nano, s.trace_id, s.span_id, s.digest, s.duration_nano, s.end_exact, s.resource_id, s.scope_id,
    s.service_id, s.received_time, s.kind, s.flags, s.status_code, s.dropped_attributes_count, s.dropped_events_count,
    s.dropped_links_count, s.parent_span_id, s.name, s.status_message, s.trace_state, s.attributes::text,
    s.attributes_shape, s.events::text, s.links::text";

const NAMES: [&str; 25] = [
    "start_time",
    "start_nano",
    "trace_id",
    "span_id",
    "digest",
    "duration_nano",
    "end_exact",
    "resource_id",
    "scope_id",
    "service_id",
    "received_time",
    "kind",
    "flags",
    "status_code",
    "dropped_attributes_count",
    "dropped_events_count",
    "dropped_links_count",
    "parent_span_id",
    "name",
    "status_message",
    "trace_state",
    "attributes",
    "attributes_shape",
    "events",
    "links",
];

/// How many columns hold texts.
const TEXTS: usize = 7;

/// A row of `span_row`.
#[derive(Debug, Clone)]
pub(crate) struct HotRow {
    /// The span's place in the order of all spans.
    pub(crate) key: SpanKey,
    /// As the model clamps it.
    pub(crate) duration_nanos: i64,
    /// The end, when it is not start + duration: unsigned, in a signed number with the same bits.
    pub(crate) end_exact: Option<i64>,
    /// The key of its resource.
    pub(crate) resource_id: i64,
    /// The key of its scope.
    pub(crate) scope_id: i64,
    /// The key of its service.
    pub(crate) service_id: i64,
    /// When the transaction that wrote it began, in microseconds since 1970.
    pub(crate) received_micros: i64,
    /// Its kind, as sent.
    pub(crate) kind: i32,
    /// Its flags, unsigned.
    pub(crate) flags: i32,
    /// The code of its status, as sent.
    pub(crate) status: i32,
    /// How many attributes, events and links the sender left out, unsigned.
    pub(crate) dropped: [i32; 3],
    /// The span that caused it.
    pub(crate) parent_span_id: Option<SpanId>,
    /// The texts.
    pub(super) texts: Texts,
}

/// The texts of a row, one behind the other: name, status message, trace state, attributes, their shape, events, links.
/// An absent one is empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    bytes: Box<[u8]>,
    /// Where each of them ends.
    ends: [u32; TEXTS],
}

impl Texts {
    pub(super) fn of(texts: &[&[u8]; TEXTS]) -> Result<Self, StoreError> {
        let (mut end, mut ends) = (0_usize, [0; TEXTS]);
        for (text, place) in texts.iter().zip(&mut ends) {
            end = end.saturating_add(text.len());
            *place = u32::try_from(end).map_err(|_| corrupt("a row has more than 4 GiB"))?;
        }
        Ok(Self { bytes: texts.concat().into(), ends })
    }

    fn get(&self, index: usize) -> &[u8] {
        let place = |index: usize| self.ends.get(index).and_then(|end| usize::try_from(*end).ok());
        let begin = index.checked_sub(1).and_then(place).unwrap_or_default();
        place(index).and_then(|end| self.bytes.get(begin..end)).unwrap_or_default()
    }
}

impl HotRow {
    /// Reads the columns of [`HOT_COLUMNS`].
    pub(crate) fn read(row: &PgRow) -> Result<Self, StoreError> {
        let values = values::<25>(row)?;
        let mut columns = Reader::new(&values, &NAMES);
        let key = read_key(&mut columns)?;
        let mut row = Self {
            key,
            duration_nanos: columns.value()?,
            end_exact: columns.optional()?,
            resource_id: columns.value()?,
            scope_id: columns.value()?,
            service_id: columns.value()?,
            received_micros: columns.value::<Micros>()?.0,
            kind: columns.value()?,
            flags: columns.value()?,
            status: columns.optional()?.unwrap_or_default(),
            dropped: [
                columns.optional()?.unwrap_or_default(),
                columns.optional()?.unwrap_or_default(),
                columns.optional()?.unwrap_or_default(),
            ],
            parent_span_id: columns.optional_bytes().map(span_id).transpose()?,
            texts: Texts::default(),
        };
        row.texts = Texts::of(&std::array::from_fn(|_| columns.optional_bytes().unwrap_or_default()))?;
        Ok(row)
    }

    fn text(&self, index: usize) -> &[u8] {
        self.texts.get(index)
    }

    /// What the operation is called, as stored.
    pub(crate) fn name(&self) -> &[u8] {
        self.text(0)
    }

    /// What was said about the status, as stored.
    pub(crate) fn status_message(&self) -> &[u8] {
        self.text(1)
    }

    /// W3C `tracestate`, as stored.
    pub(crate) fn trace_state(&self) -> &[u8] {
        self.text(2)
    }

    /// The attributes, as jsonb prints them.
    pub(crate) fn attributes(&self) -> &[u8] {
        self.text(3)
    }

    /// What the attributes' object does not say; nothing when it says all.
    pub(crate) fn attributes_shape(&self) -> &[u8] {
        self.text(4)
    }

    /// The events, as jsonb prints them; nothing when there are none.
    pub(crate) fn events(&self) -> &[u8] {
        self.text(5)
    }

    /// The links, as jsonb prints them; nothing when there are none.
    pub(crate) fn links(&self) -> &[u8] {
        self.text(6)
    }

    /// How many bytes all of these have.
    pub(crate) fn text_bytes(&self) -> usize {
        self.texts.bytes.len()
    }

    /// When it ended.
    pub(crate) fn end(&self) -> UnixNanos {
        let follows = self.key.start.0.saturating_add(self.duration_nanos.unsigned_abs());
        UnixNanos(self.end_exact.map_or(follows, i64::cast_unsigned))
    }

    /// The hour of its start, in hours since 1970, UTC.
    pub(crate) fn hour(&self) -> i64 {
        self.key.start.to_micros_and_nanos().0.div_euclid(HOUR_MICROS)
    }

    /// The day of its start, in days since 1970, UTC.
    pub(crate) fn day(&self) -> i32 {
        i32::try_from(self.key.start.to_micros_and_nanos().0.div_euclid(DAY_MICROS)).unwrap_or(i32::MAX)
    }
}

fn read_key(columns: &mut Reader<'_>) -> Result<SpanKey, StoreError> {
    let (Micros(micros), nanos) = (columns.value()?, columns.value()?);
    let start = UnixNanos::from_micros_and_nanos(micros, nanos);
    Ok(SpanKey {
        start: start.ok_or_else(|| columns.wrong())?,
        trace_id: TraceId::from_slice(columns.bytes()?).map_err(|_| columns.wrong())?,
        span_id: span_id(columns.bytes()?)?,
        digest: columns.value()?,
    })
}

fn span_id(bytes: &[u8]) -> Result<SpanId, StoreError> {
    SpanId::from_slice(bytes).map_err(|error| corrupt(format!("a span id {error}")))
}
