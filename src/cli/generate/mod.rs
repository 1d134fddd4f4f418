//! The command `generate`.
mod shop;
