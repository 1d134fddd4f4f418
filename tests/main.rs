//! The one binary of all tests that need more than the inside of a file: each folder has a subject.

mod codegen;
