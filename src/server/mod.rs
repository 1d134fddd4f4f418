//! Floor 4: everything that touches a socket: listening, limits, protocols, status codes.

pub mod generated;
pub mod health;
pub mod query;
pub mod reflection;
