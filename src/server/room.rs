//! How much an answer has room for that is in memory as a whole before it is sent: so many spans, and so many bytes as
//! [`size`] estimates them. What does not fit is an error and not a part.

use super::status::Failure;
use crate::model::Span;
use crate::query::{QuerySettings, size};

pub(super) struct Room {
    spans: u64,
    bytes: usize,
    spans_max: u64,
    bytes_max: usize,
    /// What to ask for instead.
    advice: &'static str,
}

impl Room {
    /// As many spans as one trace may have that is read as a whole.
    pub(super) fn of(settings: &QuerySettings, advice: &'static str) -> Self {
        let (spans_max, bytes_max) = (settings.trace_spans_max, settings.answer_bytes_max);
        Self { spans: 0, bytes: 0, spans_max, bytes_max, advice }
    }

    /// Takes the room of a span.
    pub(super) fn take(&mut self, span: &Span) -> Result<(), Failure> {
        self.spans = self.spans.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size::span(span));
        let too_much = |what| Err(Failure::TooMuch(format!("it would have more than {what}: {}", self.advice)));
        if self.spans > self.spans_max {
            return too_much(format!("{} spans", self.spans_max));
        }
        if self.bytes > self.bytes_max {
            return too_much(format!("{} bytes", self.bytes_max));
        }
        Ok(())
    }
}
