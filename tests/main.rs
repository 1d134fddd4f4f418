//! The one test binary: everything that is tested from outside, a folder a subject. `support` has what the tests
//! share; start with `store/contract.rs`, the promises of the store.

#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test that can not go on shall say where")]

mod codegen;
mod faults;
mod generate;
mod house;
mod metrics;
mod names;
mod otlp;
mod postgres;
mod process;
mod query;
mod roundtrip;
mod scripts;
mod sdk;
mod sql;
mod sqlite;
mod store;
mod support;
mod traceql;
mod wire;
mod zipkin;
