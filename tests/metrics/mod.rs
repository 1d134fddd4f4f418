//! Metrics queries on every store, however its spans are kept: the series are those of the language's own evaluation over
//! all traces in memory (`oracle`, under random spans, histories and queries), whichever way they are computed (`paths`),
//! and an answer that is cut short says so (`limits`).

mod asked;
mod limits;
mod oracle;
mod paths;

use std::collections::BTreeMap;
use std::sync::Arc;

use tracewell::model::{Span, UnixNanos};
use tracewell::query::{MetricsAnswer, MetricsRequest, Query, QueryError, QuerySettings};
use tracewell::store::SpanStore;
use tracewell::traceql;
use tracewell::traceql::evaluate::{Intervals, Measurement, MeasurementLimits, Series, Trace};
use tracewell::traceql::tree::Body;

/// The beginning of some hour, in nanoseconds.
const HOUR: u64 = 1_790_002_800 * SECOND;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;

/// A query, and over which time.
#[derive(Debug, Clone)]
struct Asked {
    query: String,
    start: u64,
    end: u64,
    step: Option<u64>,
}

impl Asked {
    fn request(&self) -> MetricsRequest {
        let (start, end) = (UnixNanos(self.start), UnixNanos(self.end));
        MetricsRequest::new(&self.query, start, end, self.step).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    async fn answer(&self, store: &Arc<dyn SpanStore>, settings: QuerySettings) -> Result<MetricsAnswer, QueryError> {
        Query::new(Arc::clone(store), settings).metrics(&self.request()).await
    }

    /// Whether these are the series that the query means. As text, in which a NaN in a label equals itself.
    fn check(&self, found: &[Series], spans: &[Span]) -> Result<(), String> {
        let (found, expected) = (format!("{found:?}"), format!("{:?}", self.expected(spans)));
        if found == expected { Ok(()) } else { Err(format!("{found}\n   instead of\n{expected}\n   for {self:?}")) }
    }

    /// What the query means: over all traces, in memory.
    fn expected(&self, spans: &[Span]) -> Vec<Series> {
        let query = traceql::parse(&self.query).unwrap();
        let Body::Metrics(metrics) = &query.body else { unreachable!("{query}") };
        let (start, end) = (UnixNanos(self.start), UnixNanos(self.end));
        let intervals = match self.step {
            Some(step) => Intervals::range(start, end, step).unwrap(),
            None => Intervals::instant(start, end).unwrap(),
        };
        let mut traces = BTreeMap::<_, Vec<&Span>>::new();
        for span in spans {
            traces.entry(span.trace_id).or_default().push(span);
        }
        let mut measurement = Measurement::new(metrics, intervals, MeasurementLimits::default());
        for spans in traces.into_values() {
            measurement.add(&Trace::new(spans)).unwrap();
        }
        measurement.finish(0).unwrap()
    }
}
