//! The doors over real sockets: a server in this process on a port of its own, the store in memory (behind a gate where
//! a test needs it to wait). Only `bad_input` has the real binary and its databases.

mod bad_input;
mod client;
mod doors;
mod jaeger;
mod listen;
mod otlp;
pub(crate) mod query;
mod server;
mod tempo;
mod zipkin;
