//! tracewell
pub mod metrics;
pub mod model;
pub mod query;
pub mod store;
