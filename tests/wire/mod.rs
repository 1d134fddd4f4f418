//! The doors over real sockets: a server in this process on a port of its own, the store in memory behind a gate.

mod client;
mod listen;
mod otlp;
mod query;
mod server;
