//! tracewell
pub mod cli;
pub mod metrics;
pub mod model;
pub mod otlp;
pub mod query;
pub mod store;
