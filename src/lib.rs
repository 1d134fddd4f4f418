//! tracewell
pub mod cli;
pub mod ingest;
pub mod metrics;
pub mod model;
pub mod otlp;
pub mod query;
pub mod server;
pub mod store;
