//! Spans that can not be kept: why, and what their sender is told.

use std::collections::BTreeMap;

use super::memory::Full;
use super::{Malformed, Memory, cut};
use crate::model::IdError;

/// The longest message to a sender, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 1_024;

/// So many rejected spans are described, the first ones of a request; the others are only counted.
pub(super) const DESCRIPTIONS_MAX: usize = 3;

/// What the counts of one service take, about.
const RUN_BYTES: usize = 256;

/// Why a span can not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RejectReason {
    /// Its trace id is none.
    #[error("trace_id {0}")]
    TraceId(IdError),
    /// Its own id is none.
    #[error("span_id {0}")]
    SpanId(IdError),
    /// Its parent's id is neither an id nor absent.
    #[error("parent_span_id {0}")]
    ParentSpanId(IdError),
    /// The trace id of one of its links is neither an id nor absent.
    #[error("trace_id of a link {0}")]
    LinkTraceId(IdError),
    /// The span id of one of its links is neither an id nor absent.
    #[error("span_id of a link {0}")]
    LinkSpanId(IdError),
    /// A value lies in too many others.
    #[error("an attribute's value is nested deeper than {depth_max} {of}")]
    Depth {
        /// The deepest that would have been kept.
        depth_max: usize,
        /// What is counted.
        of: &'static str,
    },
    /// It, its resource or its scope would take too much of a database.
    #[error("it would take more than {} MiB of a database", .stored_bytes_max >> 20)]
    Size {
        /// The most that would have been kept.
        stored_bytes_max: usize,
    },
    /// One of its values in JSON, or of its resource or scope, can not be what its field says.
    #[error("a value is not {expected}")]
    Value {
        /// What it should be.
        expected: &'static str,
    },
    /// The bytes of its message are not protobuf, though those around it are.
    #[error("malformed: {0}")]
    Malformed(Malformed),
}

impl RejectReason {
    /// The label under which such spans are counted.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TraceId(_) => "trace_id",
            Self::SpanId(_) => "span_id",
            Self::ParentSpanId(_) => "parent_span_id",
            Self::LinkTraceId(_) | Self::LinkSpanId(_) => "link",
            Self::Depth { .. } => "depth",
            Self::Size { .. } => "size",
            Self::Value { .. } | Self::Malformed(_) => "malformed",
        }
    }
}

impl From<Full> for RejectReason {
    fn from(full: Full) -> Self {
        Self::Malformed(full.into())
    }
}

impl From<Malformed> for RejectReason {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// The rejected spans of a request: all of them counted, the first ones described.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejected {
    runs: Vec<Run>,
    descriptions: Vec<String>,
}

/// Rejected spans of one service, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    service: String,
    /// By reason, of which there are few.
    counts: Vec<(&'static str, u64)>,
}

impl Run {
    fn add(&mut self, reason: &'static str, times: u64) {
        match self.counts.iter_mut().find(|(counted, _)| *counted == reason) {
            Some((_, count)) => *count = count.saturating_add(times),
            None => self.counts.push((reason, times)),
        }
    }
}

impl Rejected {
    /// One more of this service, or so many of a kind. `describe` is called only while descriptions are kept: a request
    /// may hold millions of bad spans.
    pub(super) fn add(
        &mut self,
        service: &str,
        reason: RejectReason,
        times: u64,
        memory: &Memory<'_>,
        describe: impl FnOnce() -> String,
    ) -> Result<(), Full> {
        if self.runs.last().is_none_or(|run| run.service != service) {
            memory.take(service.len().saturating_add(RUN_BYTES))?;
            memory.push(&mut self.runs, Run { service: service.to_owned(), counts: Vec::new() })?;
        }
        if let Some(run) = self.runs.last_mut() {
            run.add(reason.name(), times);
        }
        if self.descriptions.len() < DESCRIPTIONS_MAX {
            self.descriptions.push(describe());
        }
        Ok(())
    }

    /// How many spans were rejected.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.by_service_and_reason().fold(0, |sum, (_, _, count)| sum.saturating_add(count))
    }

    /// How many for each reason that occurred, by its [`RejectReason::name`].
    pub fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let mut counts = BTreeMap::<_, u64>::new();
        for (_, reason, count) in self.by_service_and_reason() {
            let sum = counts.entry(reason).or_default();
            *sum = sum.saturating_add(count);
        }
        counts.into_iter()
    }

    /// How many of each service for each reason. A service comes as often as its spans came after those of another.
    pub fn by_service_and_reason(&self) -> impl Iterator<Item = (&str, &'static str, u64)> {
        self.runs.iter().flat_map(|run| run.counts.iter().map(|(reason, count)| (&*run.service, *reason, *count)))
    }

    /// What the sender is told, at most [`MESSAGE_BYTES_MAX`] bytes; empty when no span was rejected.
    #[must_use]
    pub fn message(&self) -> String {
        let count = self.count();
        if count == 0 {
            return String::new();
        }
        let noun = if count == 1 { "span" } else { "spans" };
        let all_described = u64::try_from(self.descriptions.len()) == Ok(count);
        let more = if all_described { "" } else { "; ..." };
        let message = format!("{count} {noun} rejected: {}{more}", self.descriptions.join("; "));
        cut(&message, MESSAGE_BYTES_MAX).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(descriptions: &[&str]) -> Rejected {
        let mut rejected = Rejected::default();
        for (index, text) in descriptions.iter().enumerate() {
            let reason =
                if index == 0 { RejectReason::SpanId(IdError::Zero) } else { RejectReason::TraceId(IdError::Zero) };
            rejected.add("shop", reason, 1, &Memory::unbounded(), || (*text).to_owned()).unwrap();
        }
        rejected
    }

    #[test]
    fn all_are_counted_and_the_first_described() {
        assert_eq!(rejected(&[]).message(), "");
        assert_eq!(rejected(&["a"]).message(), "1 span rejected: a");
        assert_eq!(rejected(&["a", "b", "c"]).message(), "3 spans rejected: a; b; c");
        let many = rejected(&["a", "b", "c", "d", "e"]);
        assert_eq!(many.message(), "5 spans rejected: a; b; c; ...");
        assert_eq!(many.count(), 5);
        assert_eq!(many.by_reason().collect::<Vec<_>>(), [("span_id", 1), ("trace_id", 4)]);
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        let message = rejected(&["é".repeat(2_000).as_str()]).message();
        assert_eq!(message.len(), MESSAGE_BYTES_MAX - 1);
        assert!(message.ends_with('é'));
    }
}
