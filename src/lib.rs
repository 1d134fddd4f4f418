//! tracewell
pub mod metrics;
pub mod model;
pub mod store;
