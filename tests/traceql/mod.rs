//! TraceQL: what is read, what is refused and how (`parse`, `random`; `mutation` with the `property` that `fuzz/` holds),
//! what a query means (`evaluate`, `properties`), what is known of its answer before (`plan`), and the page that tells of
//! it all (`document`, `parts`).

mod document;
pub(crate) mod evaluate;
mod mutation;
mod parse;
mod parts;
mod plan;
mod properties;
mod property;
mod random;
pub(crate) mod text;
