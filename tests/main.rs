//! The one test binary: everything that is tested from outside.
#![expect(clippy::unwrap_used, reason = "a test that can not go on says so")]

mod wire;
