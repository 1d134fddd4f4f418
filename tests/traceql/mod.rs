//! TraceQL: what is read, what is refused and how (`parse`, `random`), and what a query means (`evaluate`,
//! `properties`).

mod evaluate;
mod parse;
mod properties;
mod random;
mod text;
