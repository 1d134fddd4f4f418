//! `/api/metrics/…`: latencies, calls and errors of services over time, as queries of TraceQL, which rollups answer.
//!
//! Each value is of the time before it that `ratePer` says. Times are whole steps. A part would be a wrong number, so the
//! limit on work is an error.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};

use serde_json::{Value as Json, json};

use super::super::super::status::Failure;
use super::super::parameters::{Parameters, bad};
use super::super::{names, times};
use super::{NANOS_PER_MILLI, before};
use crate::model::{SERVICE_UNKNOWN, SpanKind, UnixNanos};
use crate::query::{MetricsAnswer, MetricsRequest, Query};
use crate::traceql::tree::Literal;

/// What a request takes.
pub(super) const PARAMETERS: [&str; 8] =
    ["service", "groupByOperation", "quantile", "endTs", "lookback", "step", "ratePer", "spanKind"];

/// An hour, as with Jaeger.
const LOOKBACK_MILLIS: u64 = 3_600_000;
/// Any whole number of milliseconds may be a step.
pub(super) const STEP_MILLIS_MIN: u64 = 1;
/// A minute: rollups are by the minute.
const STEP_MILLIS: u64 = 60_000;
/// Ten minutes, as with Jaeger.
const RATE_PER_MILLIS: u64 = 600_000;
/// So many values a series may have.
const POINTS_MAX: u64 = 1_000;
/// Of latencies, each of which is a question of its own, so many.
const LATENCIES_MAX: u64 = 240;
/// How many services may be asked for at once.
const SERVICES_MAX: usize = 50;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Latencies,
    Calls,
    Errors,
}

impl Kind {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "latencies" => Some(Self::Latencies),
            "calls" => Some(Self::Calls),
            "errors" => Some(Self::Errors),
            _ => None,
        }
    }
}

/// The values of one operation, or of a whole service under an empty name, by their times.
type Values = BTreeMap<String, BTreeMap<UnixNanos, f64>>;

/// A request, read.
struct Asked {
    services: Vec<String>,
    by_operation: bool,
    quantile: Option<f64>,
    kinds: Vec<SpanKind>,
    /// The times of values: from the first, by steps, to the last.
    first: u64,
    last: u64,
    step: u64,
    /// How many steps a value is of.
    width: u64,
}

/// The answer: a family of series.
pub(super) async fn family(query: &Query, kind: Kind, parameters: &Parameters) -> Result<Json, Failure> {
    let asked = Asked::of(kind, parameters)?;
    let mut metrics = Vec::new();
    for service in &asked.services {
        let series = match kind {
            Kind::Calls => asked.rates(query, &asked.condition(service, "")).await?,
            Kind::Errors => asked.errors(query, service).await?,
            Kind::Latencies => asked.latencies(query, service).await?,
        };
        metrics.extend(series.into_iter().map(|(operation, values)| asked.metric(service, &operation, &values)));
    }
    let (name, of) = (if asked.by_operation { "service_operation" } else { "service" }, asked.grouped());
    let (name, help) = match kind {
        Kind::Latencies => {
            let quantile = asked.quantile.unwrap_or_default();
            (format!("{name}_latencies"), format!("{quantile}th quantile latency, {of}"))
        }
        Kind::Calls => (format!("{name}_call_rate"), format!("calls/sec, {of}")),
        Kind::Errors => {
            let help = format!("error rate, computed as a fraction of errors/sec over calls/sec, {of}");
            (format!("{name}_error_rate"), help)
        }
    };
    Ok(json!({ "name": name, "type": "GAUGE", "help": help, "metrics": metrics }))
}

impl Asked {
    fn of(kind: Kind, sent: &Parameters) -> Result<Self, Failure> {
        let services: Vec<_> = sent.all("service").map(ToOwned::to_owned).collect();
        if services.is_empty() || services.len() > SERVICES_MAX {
            return Err(bad("service", format!("must be there, once to {SERVICES_MAX} times")));
        }
        let quantile = sent.share("quantile")?;
        match (kind, quantile) {
            (Kind::Latencies, None) => return Err(bad("quantile", "is required")),
            (Kind::Calls | Kind::Errors, Some(_)) => return Err(bad("quantile", "is of latencies only")),
            _ => {}
        }
        let kinds = sent.all("spanKind").map(|name| names::kind("spanKind", name)).collect::<Result<Vec<_>, _>>()?;
        let mut kinds: Vec<_> = kinds.into_iter().flatten().collect();
        if kinds.is_empty() {
            kinds.push(SpanKind::SERVER);
        }
        let millis = |name, default| match sent.count(name)?.unwrap_or(default) {
            0 => Err(bad(name, "must be longer than 0")),
            millis => Ok(millis.saturating_mul(NANOS_PER_MILLI)),
        };
        let (step, rate_per) = (millis("step", STEP_MILLIS)?, millis("ratePer", RATE_PER_MILLIS)?);
        let (start, end) = before(sent, LOOKBACK_MILLIS)?;
        let whole = |time: u64| time.saturating_sub(time.checked_rem(step).unwrap_or_default());
        let (first, last) = (start.0.checked_next_multiple_of(step).unwrap_or(u64::MAX), whole(end.0));
        let points =
            last.checked_sub(first).and_then(|time| time.checked_div(step)).map_or(0, |steps| steps.saturating_add(1));
        let points_max = if kind == Kind::Latencies { LATENCIES_MAX } else { POINTS_MAX };
        if points > points_max {
            return Err(bad("step", format!("there would be {points} values, at most {points_max} are possible")));
        }
        let by_operation = sent.flag("groupByOperation")?;
        let width = rate_per.div_ceil(step);
        if width > POINTS_MAX {
            return Err(bad("ratePer", format!("must not be longer than {POINTS_MAX} steps")));
        }
        Ok(Self { services, by_operation, quantile, kinds, first, last, step, width })
    }

    fn grouped(&self) -> &'static str {
        if self.by_operation { "grouped by service & operation" } else { "grouped by service" }
    }

    /// Spans of a service and of the kinds, with `and` more.
    fn condition(&self, service: &str, and: &str) -> String {
        let is = |literal: &Literal| format!("resource.service.name = {literal}");
        let named = is(&Literal::Text(service.to_owned()));
        let named = if service == SERVICE_UNKNOWN {
            format!("{named} || {} || {}", is(&Literal::Nil), is(&Literal::Text(String::new())))
        } else {
            named
        };
        let kinds: Vec<_> = self.kinds.iter().map(|kind| format!("kind = {}", Literal::Kind(*kind))).collect();
        format!("{{ ({named}) && ({}){and} }}", kinds.join(" || "))
    }

    fn by(&self) -> &'static str {
        if self.by_operation { " by (name)" } else { "" }
    }

    /// The times of values.
    fn times(&self) -> impl Iterator<Item = u64> {
        let (last, step) = (self.last, self.step);
        let next = move |time: &u64| time.checked_add(step).filter(|time| *time <= last);
        std::iter::successors(Some(self.first).filter(|first| *first <= last), next)
    }

    /// How many spans there are in the time that a value is of, where there are any.
    async fn counts(&self, query: &Query, condition: &str) -> Result<Values, Failure> {
        let start = self.first.saturating_sub(self.step.saturating_mul(self.width));
        if self.first > self.last || start >= self.last {
            return Ok(Values::new());
        }
        let text = format!("{condition} | count_over_time(){}", self.by());
        let request = MetricsRequest::new(&text, UnixNanos(start), UnixNanos(self.last), Some(self.step))?;
        let counted = by_operation(query.metrics(&request).await?)?;
        let width = self.step.saturating_mul(self.width);
        let sum = |counts: &BTreeMap<UnixNanos, f64>| {
            let before = |time: u64| (Excluded(UnixNanos(time.saturating_sub(width))), Included(UnixNanos(time)));
            let total = |time| counts.range(before(time)).map(|(_, count)| count).sum();
            self.times().map(|time| (UnixNanos(time), total(time))).collect()
        };
        // A service that nobody knows has a series, too, and it says nothing.
        let is_there = |counts: &BTreeMap<UnixNanos, f64>| counts.values().any(|count| *count > 0.0);
        let counted = counted.into_iter().filter(|(_, counts)| is_there(counts));
        Ok(counted.map(|(operation, counts)| (operation, sum(&counts))).collect())
    }

    /// Spans by second.
    async fn rates(&self, query: &Query, condition: &str) -> Result<Values, Failure> {
        let mut rates = self.counts(query, condition).await?;
        for rate in rates.values_mut().flat_map(BTreeMap::values_mut) {
            *rate /= self.seconds();
        }
        Ok(rates)
    }

    #[expect(clippy::cast_precision_loss, reason = "no time is so long that it matters")]
    fn seconds(&self) -> f64 {
        self.step.saturating_mul(self.width) as f64 / 1e9
    }

    /// Which part of the spans failed, where there are any.
    async fn errors(&self, query: &Query, service: &str) -> Result<Values, Failure> {
        let all = self.counts(query, &self.condition(service, "")).await?;
        let failed = self.counts(query, &self.condition(service, " && status = error")).await?;
        let part = |operation: &String, time: UnixNanos, all: f64| {
            let failed = failed.get(operation).and_then(|failed| failed.get(&time)).copied().unwrap_or_default();
            (all > 0.0).then(|| (time, failed / all))
        };
        let parts = all.iter().map(|(operation, counts)| {
            let parts = counts.iter().filter_map(|(time, count)| part(operation, *time, *count));
            (operation.clone(), parts.collect())
        });
        Ok(parts.collect())
    }

    /// A quantile of the durations, in milliseconds, where there are any.
    async fn latencies(&self, query: &Query, service: &str) -> Result<Values, Failure> {
        let quantile = Literal::Float(self.quantile.unwrap_or_default());
        let condition = self.condition(service, "");
        let text = format!("{condition} | quantile_over_time(duration, {quantile}){}", self.by());
        let mut latencies = Values::new();
        for time in self.times() {
            let start = time.saturating_sub(self.step.saturating_mul(self.width));
            if start == time {
                continue;
            }
            let request = MetricsRequest::new(&text, UnixNanos(start), UnixNanos(time), None)?;
            for (operation, values) in by_operation(query.metrics(&request).await?)? {
                let seconds = values.values().next().copied().unwrap_or_default();
                latencies.entry(operation).or_default().insert(UnixNanos(time), seconds * 1_000.0);
            }
        }
        Ok(latencies)
    }

    fn metric(&self, service: &str, operation: &str, values: &BTreeMap<UnixNanos, f64>) -> Json {
        let label = |name: &str, value: &str| json!({ "name": name, "value": value });
        let mut labels = vec![label("service_name", service)];
        if self.by_operation {
            labels.insert(0, label("operation", operation));
        }
        let point = |(time, value): (&UnixNanos, &f64)| json!({ "timestamp": times::to_rfc3339(*time), "gaugeValue": { "doubleValue": value } });
        json!({ "labels": labels, "metricPoints": values.iter().map(point).collect::<Vec<_>>() })
    }
}

/// An answer's series by the name of the spans. All of it, or an error.
fn by_operation(answer: MetricsAnswer) -> Result<Values, Failure> {
    if answer.coverage.limit_reached {
        return Err(Failure::TooMuch("the limit on work was reached: ask for a shorter lookback".to_owned()));
    }
    let name = |labels: Vec<(String, Literal)>| {
        labels.into_iter().find_map(|(key, value)| match value {
            Literal::Text(text) if key == "name" => Some(text),
            _ => None,
        })
    };
    let times = answer.times;
    let values = |values: Vec<Option<f64>>| {
        times.iter().copied().zip(values).filter_map(|(time, value)| Some((time, value?))).collect()
    };
    Ok(answer.series.into_iter().map(|one| (name(one.labels).unwrap_or_default(), values(one.values))).collect())
}
