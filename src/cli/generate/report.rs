//! What a run says at its end: for people, or as JSON for machines; and whether it counts as a success.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;

use super::GenerateError;
use super::tally::Tally;
use super::verify::Verified;

/// What happened.
#[derive(Debug)]
pub struct Report {
    pub(super) seed: u64,
    /// In seconds since 1970.
    pub(super) start: u64,
    /// From the first request to the last answer.
    pub(super) took: Duration,
    pub(super) tally: Tally,
    /// `None` when nobody asked.
    pub(super) verified: Option<Verified>,
}

impl Report {
    /// Acknowledged spans.
    #[must_use]
    pub fn spans(&self) -> u64 {
        self.tally.spans
    }

    /// Acknowledged requests.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.tally.requests
    }

    /// How often a refused request was sent again.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.tally.retries.values().sum()
    }

    /// Traces that were read back, each with nothing to complain of.
    #[must_use]
    pub fn traces_verified(&self) -> u64 {
        self.verified.as_ref().map_or(0, |verified| verified.traces.saturating_sub(verified.traces_wrong))
    }

    /// An error when anything was lost or rejected, or came back different.
    pub fn verdict(&self) -> Result<(), GenerateError> {
        let Tally { spans_lost, spans_rejected, .. } = self.tally;
        if spans_lost > 0 || spans_rejected > 0 {
            let first = self.tally.first_complaint.clone().unwrap_or_default();
            return Err(GenerateError::Lost { spans: spans_lost.saturating_add(spans_rejected), first });
        }
        match &self.verified {
            Some(Verified { first_difference: Some(first), traces, traces_wrong, .. }) => {
                Err(GenerateError::Different { wrong: *traces_wrong, traces: *traces, first: first.clone() })
            }
            Some(Verified { traces: 0, .. }) => Err(GenerateError::NothingToVerify),
            _ => Ok(()),
        }
    }

    /// For machines: one object.
    #[must_use]
    pub fn json(&self) -> String {
        let Self { tally, .. } = self;
        let verified = self.verified.as_ref().map(|verified| {
            json!({
                "traces": verified.traces,
                "traces_wrong": verified.traces_wrong,
                "spans": verified.spans,
                "first_difference": verified.first_difference,
            })
        });
        let report = json!({
            "seed": self.seed,
            "start": self.start,
            "seconds": self.took.as_secs_f64(),
            "spans": tally.spans,
            "spans_per_second": self.spans_per_second(),
            "requests": tally.requests,
            "traces": tally.traces.count(),
            "message_bytes": tally.message_bytes,
            "body_bytes": tally.body_bytes,
            "message_bytes_per_span": per(tally.message_bytes, tally.spans),
            "body_bytes_per_span": per(tally.body_bytes, tally.spans),
            "latency_millis": {
                "p50": tally.latency.percentile_millis(50),
                "p95": tally.latency.percentile_millis(95),
                "p99": tally.latency.percentile_millis(99),
                "max": tally.latency.max_millis(),
            },
            "retries": tally.retries,
            "refusals": tally.refusals,
            "requests_lost": tally.requests_lost,
            "spans_lost": tally.spans_lost,
            "spans_rejected": tally.spans_rejected,
            "first_complaint": tally.first_complaint,
            "verified": verified,
        });
        report.to_string()
    }

    /// For people.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { seed, start, took, tally, verified } = self;
        writeln!(
            out,
            "sent      {} spans in {} requests, {} traces",
            tally.spans,
            tally.requests,
            tally.traces.count()
        )?;
        writeln!(out, "took      {:.2} s: {:.0} spans/s", took.as_secs_f64(), self.spans_per_second())?;
        let (message, body) = (per(tally.message_bytes, tally.spans), per(tally.body_bytes, tally.spans));
        writeln!(out, "size      {message:.0} bytes a span, {body:.0} on the wire")?;
        let latency = &tally.latency;
        let [p50, p95, p99] = [50, 95, 99].map(|percent| latency.percentile_millis(percent));
        let max = latency.max_millis();
        writeln!(out, "latency   p50 {p50:.1} ms, p95 {p95:.1} ms, p99 {p99:.1} ms, max {max:.1} ms")?;
        for (code, count) in &tally.retries {
            writeln!(out, "retried   {count} times: {code}")?;
        }
        for (code, count) in &tally.refusals {
            writeln!(out, "lost      {count} requests: {code}")?;
        }
        if tally.spans_lost > 0 || tally.spans_rejected > 0 {
            writeln!(out, "lost      {} spans, and {} were rejected", tally.spans_lost, tally.spans_rejected)?;
        }
        if let Some(verified) = verified {
            let (traces, spans, wrong) = (verified.traces, verified.spans, verified.traces_wrong);
            writeln!(out, "verified  {traces} traces with {spans} spans, {wrong} of them wrong")?;
        }
        writeln!(out, "made from --seed {seed} --start {start}")
    }

    fn spans_per_second(&self) -> f64 {
        float(self.tally.spans) / self.took.as_secs_f64().max(1e-9)
    }
}

fn per(bytes: u64, spans: u64) -> f64 {
    float(bytes) / float(spans.max(1))
}

#[expect(clippy::cast_precision_loss, reason = "for people and ratios: 53 bits are enough")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}
