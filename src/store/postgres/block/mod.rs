//! History blocks: up to [`BLOCK_SPANS_MAX`] spans of one service and one hour in one row of `span_block`, each column
//! of the spans an array or a text of the block. What each column holds is told in `migrations/postgres/0004_blocks.sql`.
//!
//! There: `hot.rs` reads rows of `span_row`, `encode.rs` makes a block of them (`cut.rs` takes their attributes apart,
//! `template.rs` finds what they share, `numbers.rs` gives numbers to it), `columns.rs` writes the block. Back:
//! `stored.rs` reads a block and checks it, `having.rs` and `formats.rs` look into its text, `decode.rs` makes spans of it,
//! or rows, of which another block can be made; `starts.rs` reads a part of one. `wire.rs` is how PostgreSQL sends arrays.
//! Which rows become
//! blocks, and which blocks are read, is not decided here.

mod columns;
mod cut;
mod decode;
mod encode;
mod formats;
mod having;
mod hot;
mod numbers;
mod starts;
mod stored;
mod template;
#[cfg(test)]
mod tests;
mod wire;

use super::error::meaning;
use crate::store::StoreError;
use sqlx::Row;
use sqlx::ValueRef;
use sqlx::postgres::PgRow;
use xxhash_rust::xxh3::Xxh3;

pub(super) use columns::{BLOCK_COLUMNS, COPY_BLOCKS, TRACE_BLOCKS, block_rows};
pub(super) use encode::{Block, even_pieces, pieces};
pub(super) use formats::Formats;
pub(super) use having::Having;
pub(super) use hot::{HOT_COLUMNS, HotRow};
pub(super) use starts::{BlockStarts, SpanStart, StartColumns, StartShape};
pub(super) use stored::{Head, Shape, StoredBlock};

/// At most so many spans are in one block. Twice as many would save 6 % of the disk and double the time to open one.
pub(super) const BLOCK_SPANS_MAX: usize = 2_000;

/// When rows with more bytes of text than this come together, they become several blocks (a single row may have more).
pub(super) const BLOCK_BYTES_MAX: usize = 8 << 20;

/// A block with more spans, or with more bytes of text, is not small: to write it anew, with others, does not pay.
/// The index `span_block_small` has the same numbers.
pub(super) const SMALL_SPANS_MAX: usize = BLOCK_SPANS_MAX / 2;
pub(super) const SMALL_BYTES_MAX: usize = 1 << 20;

/// From here on, `parent` counts the ids behind the spans' own.
const PARENT_ELSEWHERE: i16 = 16_384;

/// What a block says of the spans of one of its traces, by their digests.
fn trace_check(digests: impl Iterator<Item = i64>) -> i32 {
    let mut hash = Xxh3::new();
    digests.for_each(|digest| hash.update(&digest.to_le_bytes()));
    let [.., a, b, c, d] = hash.digest().to_be_bytes();
    i32::from_be_bytes([a, b, c, d])
}

fn corrupt(what: impl Into<String>) -> StoreError {
    StoreError::Corrupt { what: what.into() }
}

/// The bytes of a row's columns; `None` is a null.
fn values<const N: usize>(row: &PgRow) -> Result<[Option<&[u8]>; N], StoreError> {
    let mut values = [None; N];
    for (index, value) in values.iter_mut().enumerate() {
        let raw = row.try_get_raw(index).map_err(meaning)?;
        if !raw.is_null() {
            *value = Some(raw.as_bytes().map_err(|error| corrupt(error.to_string()))?);
        }
    }
    Ok(values)
}
