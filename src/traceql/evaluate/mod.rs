//! What a query means, over whole traces in memory. Obvious on purpose: whatever runs queries on a database must
//! agree with it.
//!
//! * A [`Trace`] is all spans of one trace, late ones too; exact copies count once, and spans are taken in the order
//!   of their keys, so that an answer does not depend on the order in which they come.
//! * [`spansets`] runs a pipeline over a trace. It begins with one spanset, all spans; each stage makes spansets of
//!   spansets; one without spans is dropped; a trace of which none is left does not match.
//! * [`Measurement`] runs a metrics query over many traces.
//!
//! [`field`] has what is asked of one span. Whatever a span names has any number of values there: none when it is
//! missing (null is missing), several for events and links. A comparison holds when it holds for one of them, so a
//! comparison with something missing never holds. Arithmetic, groups and aggregates take the first one.
//!
//! Spans are related by ids alone: the parents of a span are all other spans that have the id it names as its
//! parent's. Spans may share an id, then each of them is a parent of the children; ids may go in circles, then a
//! span may be below itself; a parent may not be there (yet), then there is no relation through it.

mod field;
pub mod metrics;
mod nested;
mod number;
mod pipeline;
mod reference;
mod scalar;
mod structure;
mod trace;
mod value;

pub use metrics::{Counted, Intervals, IntervalsError, Measurement, MeasurementLimits, Series, TooMuch};
pub use pipeline::{FoundSpan, Spanset, spansets};
pub use trace::Trace;
