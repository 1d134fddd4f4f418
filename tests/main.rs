//! The one test binary: everything that is tested from outside, a folder a subject.

#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test that can not go on shall say where")]

mod codegen;
mod wire;
