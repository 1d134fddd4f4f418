//! TraceQL: what is read, what is refused and how, and what a query means.

mod parse;
mod random;
