//! The doors over real sockets: a server in this process on a port of its own.

mod query;
