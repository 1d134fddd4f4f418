//! tracewell: an OpenTelemetry trace backend that keeps its spans in PostgreSQL, or in an embedded SQLite file.
//!
//! # The house
//!
//! Folders are floors. Imports point down only, never up and never sideways; `tests/house` reads the `crate::` paths
//! and fails on a wrong arrow.
//!
//! ```text
//!  5  main.rs   app.rs (the only wiring)   lib.rs (this map)   cli/ (flags and variables)
//!  4  server/   sockets, limits, status codes, generated code
//!               intake/ (bodies, limits)   otlp/ (gRPC and HTTP doors)   zipkin/   jaeger/   tempo/   query/ (tracewell.v1)
//!               web.rs (/metrics, /healthz, /readyz)
//!  3  ingest/   queue, group commit           query/  searches, metrics, names: paging, order, limits
//!               compaction/ and retention/: the clockwork, that makes history of spans and removes them in time
//!               zipkin/  Zipkin v2 <-> model, pure, by otlp/'s readers; who calls whom
//!  2  otlp/     OTLP <-> model, pure          traceql/  text -> tree, what it means over spans, and its plan, pure
//!               store/  trait SpanStore: postgres/ sqlite/ memory.rs
//!  1  model/    ids, times, attributes, spans, search.  No I/O, no async, no protobuf, no SQL, no serde
//!  0  metrics/  telemetry.rs
//! ```
//!
//! # A walk in
//!
//! A socket is accepted by [`server::listen`]. A door of [`server::otlp`] hands the request to [`server::intake`], which takes
//! the body, within its limit, and hands it to [`otlp::decode`], which gives the good spans and the rejected ones with their reasons. The good ones go as one
//! [`store::Batch`] into the queue of [`ingest`]; a writer takes all that waits and calls
//! [`store::SpanStore::write`]: one transaction. Only after its COMMIT does the door answer, with the rejected spans in
//! `partial_success`. [`server::status`] is the one place that knows which error has which code.
//!
//! # A walk out
//!
//! A request to `tracewell.v1.TraceQuery` is parsed in [`server::query`] into a [`model::Search`], which can not hold
//! nonsense, and a [`traceql::Query`]. Of that, [`traceql::plan`] makes a [`model::Filter`], by which a store leaves out
//! what can not be found. [`query`] pages through the store's answers, newest first, runs the query over what is left,
//! and says how far it came and where the next page goes on. The store yields [`model::Span`]s, in outline or by their
//! places where that is enough, and these are converted back into messages at the door.
//!
//! # What always holds
//!
//! * OK means stored: success is sent after the commit, never before.
//! * What went in comes out: a span read back equals the span that was decoded, on every engine.
//! * A request that is sent again changes nothing: its receipt, written with its spans, tells that it was stored.
//! * Two spans are the same only if their whole content is. Exact copies are shown once; spans that share ids are all
//!   shown. No key anywhere says that (trace id, span id) is unique.
//! * A value from outside becomes a type whose constructor can refuse, once, at the edge; inner code does not ask again.
//! * Times are unsigned nanoseconds and are never subtracted bare.
//! * Every queue, body, page, depth and wait has a limit with a unit in its name.
//! * The `SpanStore` promises are numbered; `tests/store` holds every backend to them, and compares random histories
//!   with [`store::memory`].
//!
//! Deliberately absent: a cache of spans in memory (the database has one), spans about ourselves (they would come back
//! to us), and anything in `model/` that knows a format.

/// Test helpers that `tests/` has too name the crate.
#[cfg(test)]
extern crate self as tracewell;

pub mod app;
pub mod cli;
pub mod compaction;
pub mod ingest;
pub mod metrics;
pub mod model;
pub mod otlp;
pub mod query;
pub mod retention;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod traceql;
pub mod zipkin;
