//! Floor 4: everything that touches a socket: listening, limits, protocols, status codes.
//!
//! `tempo/` is the door that Grafana's Tempo data source knows; `zipkin/` the one that Zipkin's senders and its page know,
//! both ways.
//! `jaeger/` are those that Jaeger's page and Jaeger itself know. `pages.rs` puts the paths of Tempo and Jaeger together.
//!
//! `listen.rs` serves any router on a port, HTTP/1.1 and HTTP/2 alike; `otlp/` are the doors that spans come in by (with
//! Zipkin's; what these have in common is in `intake/`), `query/` is the one where they are asked for. `web.rs`,
//! `health.rs` and `reflection.rs` say how the server is and what it can do; `status.rs` is the one table that turns an
//! inner error into an answer, `unknown.rs` answers where nothing is; `purge.rs` removes all, where that is allowed. No door decides on a status code by itself.
//! `literal.rs` is what doors share that tell values of TraceQL, `spelling.rs` what they share that read parameters, `room.rs` what bounds their answers; `generated/` is made from `proto/`.

mod clock;
pub mod generated;
pub mod health;
pub mod intake;
pub mod jaeger;
pub mod listen;
mod literal;
pub mod otlp;
pub mod pages;
pub mod purge;
pub mod query;
pub mod reflection;
mod room;
mod spelling;
pub mod status;
pub mod tempo;
pub mod unknown;
pub mod web;
pub mod zipkin;
