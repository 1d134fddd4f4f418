//! tracewell
pub mod metrics;
pub mod model;
pub mod otlp;
pub mod store;
