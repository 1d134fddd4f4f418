//! The doors over real sockets: a server in this process on a port of its own, the store in memory (behind a gate where
//! a test needs it to wait).

mod bad_input;
mod client;
mod listen;
mod otlp;
mod query;
mod server;
