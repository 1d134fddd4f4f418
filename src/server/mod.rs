//! Floor 4: everything that touches a socket: listening, limits, protocols, status codes.
//!
//! `zipkin/` is the door that Zipkin's senders and its page know, both ways.
//!
//! `listen.rs` serves any router on a port, HTTP/1.1 and HTTP/2 alike; `otlp/` are the doors that spans come in by,
//! `query/` is the one where they are asked for, `web.rs`, `health.rs` and `reflection.rs` say how the server is and what
//! it can do; `status.rs` is the one table that turns an inner error into an answer, `unknown.rs` answers where nothing
//! is. No door decides on a status code by itself. `generated/` is made from `proto/`.

mod clock;
pub mod generated;
pub mod health;
pub mod listen;
pub mod otlp;
pub mod query;
pub mod reflection;
pub mod status;
pub mod unknown;
pub mod web;
pub mod zipkin;
