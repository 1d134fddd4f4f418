//! Floor 2: TraceQL, the language in which people ask for traces, as Tempo 3 speaks it.
//!
//! Pure: text in, typed tree out, and what a tree means over spans in memory. There is no I/O here, no SQL and no
//! protobuf; how a query runs well on a database is decided above, and must agree with [`evaluate`].
//!
//! ```text
//!  text -> lex -> parse -> tree -> validate        error   every refusal, with its column
//!                           |  \-> print           pattern regular expressions as the language has them
//!                           \----> evaluate        the meaning, over whole traces in memory
//!                           \----> plan            what is known of an answer before there are spans
//! ```
//!
//! [`parse`] reads and validates; printing a [`Query`] and parsing that text again gives an equal query. What the
//! language has and tracewell has not is refused by its name ("the scope parent is not supported").
//!
//! Where two readings of the language exist, this one is taken: `&&` and `||` have one precedence and group from the
//! left; any comparison with something missing is false, `!=` too; a number that can not be computed (a division by
//! zero, minus a text) is missing, not an error; `2 ^ 3` is 8; spans are related by their parent ids alone, whether
//! or not a root has arrived.
//!
//! The hints in `with(…)` are read and checked, and change nothing: traces come newest first whether or not `most_recent`
//! says so; no answer is an estimate, so what `sample`, `span_sample` and `trace_sample` allow is not made use of; and
//! series come without the examples of spans that `exemplars` asks for.

pub mod error;
pub mod evaluate;
mod lex;
mod parse;
pub mod pattern;
pub mod plan;
mod print;
pub mod tree;
mod validate;

pub use error::QueryError;
pub use tree::Query;

/// The longest query, in bytes.
pub const QUERY_BYTES_MAX: usize = 128 * 1024;

/// The deepest nesting, in levels: of parentheses, and of operators within operators.
pub const NESTING_LEVELS_MAX: usize = 64;

/// The largest query, in parts: literals, references, operators and calls.
pub const QUERY_PARTS_MAX: usize = 10_000;

/// The most regular expressions in one query.
pub const REGEXES_MAX: usize = 64;

/// The largest compiled regular expression, in bytes; its working memory is as large again.
pub const REGEX_PROGRAM_BYTES_MAX: usize = 256 * 1024;

/// The most attributes that a metrics function groups by.
pub const METRICS_GROUPS_MAX: usize = 5;

/// Reads an attribute or an intrinsic, as it stands in a query.
///
/// # Errors
/// A [`QueryError`] that points at the first column that is wrong.
pub fn parse_reference(text: &str) -> Result<tree::Reference, QueryError> {
    parse::parse_reference(text)
}

/// Reads a query and checks its types.
///
/// # Errors
/// A [`QueryError`] that points at the first column that is wrong.
pub fn parse(text: &str) -> Result<Query, QueryError> {
    let query = parse::parse(text)?;
    validate::validate(&query)?;
    Ok(query)
}
