//! A trace by its id, as one message.

use futures::TryStreamExt;

use super::super::generated::tempopb::{PartialStatus, Trace, TraceByIdMetrics, TraceByIdResponse};
use super::super::status::Failure;
use super::parameters::Parameters;
use super::{Door, bad};
use crate::model::{Span, TraceId};
use crate::otlp::encode;
use crate::query::{QueryError, size};

/// The digits of a trace's id; Tempo leaves those out that are zeros at its beginning.
const ID_DIGITS: usize = 32;

/// An id as it stands in a path.
pub(super) fn id(text: &str) -> Result<TraceId, QueryError> {
    let refused = || bad("trace id", "must be 1 to 32 hex digits, not all of them 0");
    if text.is_empty() || text.len() > ID_DIGITS {
        return Err(refused());
    }
    TraceId::parse_hex(&format!("{text:0>ID_DIGITS$}")).map_err(|_| refused())
}

/// Checks the parameters. Times say where Tempo looks for the trace; here it is always found whole.
pub(super) fn check(parameters: &Parameters) -> Result<(), QueryError> {
    parameters.range()?;
    for name in ["q", "keep_hierarchy", "match_depth", "ancestor_depth"] {
        parameters.without(name, "a trace is always given whole")?;
    }
    Ok(())
}

/// What was read of a trace.
struct Read {
    spans: Vec<Span>,
    /// What is missing.
    missing: Option<String>,
}

impl Door {
    /// `/api/v2/traces/{id}`: a trace that is not there has no spans, one that is too large is given in part and says so.
    pub(super) async fn trace_v2(&self, id: TraceId) -> Result<TraceByIdResponse, Failure> {
        let read = match self.read(id).await {
            Err(QueryError::NotFound { .. }) => Read { spans: Vec::new(), missing: None },
            read => read?,
        };
        let status = if read.missing.is_some() { PartialStatus::Partial } else { PartialStatus::Complete };
        Ok(TraceByIdResponse {
            trace: Some(message(&read.spans)),
            metrics: Some(TraceByIdMetrics::default()),
            status: status.into(),
            message: read.missing.unwrap_or_default(),
        })
    }

    /// `/api/traces/{id}`, whose message can not say that something is missing.
    pub(super) async fn trace_v1(&self, id: TraceId) -> Result<Trace, Failure> {
        let read = self.read(id).await?;
        match read.missing {
            Some(missing) => Err(Failure::TooMuch(format!("{missing}: ask for a part of it at /api/v2/traces/{id}"))),
            None => Ok(message(&read.spans)),
        }
    }

    /// Reads a trace, or as much of it as an answer may have.
    async fn read(&self, id: TraceId) -> Result<Read, QueryError> {
        let settings = self.query.settings();
        let limit = settings.query_timeout;
        let spans_max = usize::try_from(settings.trace_spans_max).unwrap_or(usize::MAX);
        let bytes_max = settings.answer_bytes_max;
        let read = async {
            let mut stream = self.query.trace(id).await?;
            let (mut spans, mut bytes) = (Vec::new(), 0_usize);
            while let Some(span) = stream.try_next().await? {
                bytes = bytes.saturating_add(size::span(&span));
                if spans.len() >= spans_max || bytes > bytes_max {
                    let reason = format!(
                        "the trace is larger than {spans_max} spans or {bytes_max} bytes; these are the first {} of its spans",
                        spans.len()
                    );
                    return Ok(Read { spans, missing: Some(reason) });
                }
                spans.push(span);
            }
            Ok(Read { spans, missing: None })
        };
        tokio::time::timeout(limit, read).await.unwrap_or(Err(QueryError::TimedOut { limit }))
    }
}

fn message(spans: &[Span]) -> Trace {
    Trace { resource_spans: encode::traces_data(spans).resource_spans }
}
