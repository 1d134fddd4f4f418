//! Which parts of a span are looked at, where that is not all of it.

use std::collections::BTreeSet;

/// What is looked at of spans in outline, beside what every outline has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts {
    /// Their own attributes under these keys.
    pub keys: BTreeSet<String>,
    /// The ids of their parents.
    pub parent: bool,
    /// Their instrumentation scopes.
    pub scope: bool,
    /// Their events and links, where one of these has an attribute under one of these keys.
    pub elsewhere: BTreeSet<String>,
}
