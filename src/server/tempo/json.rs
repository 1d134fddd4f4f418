//! Tempo's messages in protobuf's JSON mapping. Grafana refuses a field that its definition of a message has not, so each
//! message is written here field by field: 64-bit integers as texts, enums by their names, ids of spans in base64.

use std::collections::BTreeMap;

use super::super::generated::tempopb::{
    InstantSeries, MetadataMetrics, PartialStatus, QueryInstantResponse, QueryRangeResponse, SearchMetrics,
    SearchResponse, SearchTagValuesResponse, SearchTagValuesV2Response, SearchTagsResponse, SearchTagsV2Response, Span,
    SpanSet, TimeSeries, Trace, TraceByIdResponse, TraceSearchMetadata,
};
use crate::otlp::encode_json::{Form, Json};

/// A message that has a JSON form.
pub(super) trait ToJson {
    /// Its fields, between the braces.
    fn fields(&self, json: &mut Json);

    /// All of it.
    fn to_json(&self) -> Vec<u8> {
        let mut json = Json::new(Form::Plain);
        json.object(|json| self.fields(json));
        json.into_bytes()
    }
}

/// The first version calls resource spans batches.
impl ToJson for Trace {
    fn fields(&self, json: &mut Json) {
        json.resource_spans("batches", &self.resource_spans);
    }
}

impl ToJson for TraceByIdResponse {
    fn fields(&self, json: &mut Json) {
        json.name("trace");
        json.object(|json| {
            json.resource_spans(
                "resourceSpans",
                self.trace.as_ref().map_or(&[][..], |trace| &trace.resource_spans[..]),
            );
        });
        json.name("metrics");
        json.object(|_| {});
        status(json, self.status, &self.message);
    }
}

impl ToJson for SearchResponse {
    fn fields(&self, json: &mut Json) {
        json.name("traces");
        json.array(&self.traces, |json, trace| json.object(|json| self::trace(json, trace)));
        search_metrics(json, self.metrics.as_ref());
    }
}

fn trace(json: &mut Json, trace: &TraceSearchMetadata) {
    json.text("traceID", &trace.trace_id);
    json.text("rootServiceName", &trace.root_service_name);
    json.text("rootTraceName", &trace.root_trace_name);
    json.long("startTimeUnixNano", trace.start_time_unix_nano);
    json.number("durationMs", trace.duration_ms);
    if let Some(set) = &trace.span_set {
        json.name("spanSet");
        span_set(json, set);
    }
    json.list("spanSets", &trace.span_sets, span_set);
    if !trace.service_stats.is_empty() {
        json.name("serviceStats");
        json.object(|json| {
            // By name, so that the same answer is the same text.
            for (name, stats) in trace.service_stats.iter().collect::<BTreeMap<_, _>>() {
                json.key(name);
                json.object(|json| {
                    json.number("spanCount", stats.span_count);
                    json.number("errorCount", stats.error_count);
                });
            }
        });
    }
}

fn span_set(json: &mut Json, set: &SpanSet) {
    json.object(|json| {
        json.list("spans", &set.spans, span);
        json.number("matched", set.matched);
        json.attributes("attributes", &set.attributes);
    });
}

fn span(json: &mut Json, span: &Span) {
    json.object(|json| {
        json.text("spanID", &span.span_id);
        json.text("name", &span.name);
        json.long("startTimeUnixNano", span.start_time_unix_nano);
        json.long("durationNanos", span.duration_nanos);
        json.attributes("attributes", &span.attributes);
    });
}

impl ToJson for SearchTagsResponse {
    fn fields(&self, json: &mut Json) {
        json.name("tagNames");
        json.array(&self.tag_names, |json, name| json.string(name));
        metadata_metrics(json, self.metrics.as_ref());
    }
}

impl ToJson for SearchTagsV2Response {
    fn fields(&self, json: &mut Json) {
        json.name("scopes");
        json.array(&self.scopes, |json, scope| {
            json.object(|json| {
                json.text("name", &scope.name);
                json.list("tags", &scope.tags, |json, tag| json.string(tag));
            });
        });
        metadata_metrics(json, self.metrics.as_ref());
    }
}

impl ToJson for SearchTagValuesResponse {
    fn fields(&self, json: &mut Json) {
        json.name("tagValues");
        json.array(&self.tag_values, |json, value| json.string(value));
        metadata_metrics(json, self.metrics.as_ref());
    }
}

impl ToJson for SearchTagValuesV2Response {
    fn fields(&self, json: &mut Json) {
        json.name("tagValues");
        json.array(&self.tag_values, |json, value| {
            json.object(|json| {
                json.text("type", &value.r#type);
                json.text("value", &value.value);
            });
        });
        metadata_metrics(json, self.metrics.as_ref());
    }
}

impl ToJson for QueryRangeResponse {
    fn fields(&self, json: &mut Json) {
        json.name("series");
        json.array(&self.series, time_series);
        search_metrics(json, self.metrics.as_ref());
        status(json, self.status, &self.message);
    }
}

fn time_series(json: &mut Json, series: &TimeSeries) {
    json.object(|json| {
        json.attributes("labels", &series.labels);
        json.list("samples", &series.samples, |json, sample| {
            json.object(|json| {
                json.long("timestampMs", sample.timestamp_ms);
                json.double("value", sample.value);
            });
        });
    });
}

impl ToJson for QueryInstantResponse {
    fn fields(&self, json: &mut Json) {
        json.name("series");
        json.array(&self.series, instant_series);
        search_metrics(json, self.metrics.as_ref());
        status(json, self.status, &self.message);
    }
}

fn instant_series(json: &mut Json, series: &InstantSeries) {
    json.object(|json| {
        json.attributes("labels", &series.labels);
        json.double("value", series.value);
    });
}

fn status(json: &mut Json, status: i32, message: &str) {
    if status == i32::from(PartialStatus::Partial) {
        json.text("status", PartialStatus::Partial.as_str_name());
    }
    json.text("message", message);
}

/// What is counted here; of the other fields nothing is known.
fn search_metrics(json: &mut Json, metrics: Option<&SearchMetrics>) {
    let Some(metrics) = metrics else { return };
    json.name("metrics");
    json.object(|json| {
        json.number("inspectedTraces", metrics.inspected_traces);
        json.number("totalBlocks", metrics.total_blocks);
        json.number("completedJobs", metrics.completed_jobs);
        json.number("totalJobs", metrics.total_jobs);
        json.long("inspectedSpans", metrics.inspected_spans);
    });
}

fn metadata_metrics(json: &mut Json, metrics: Option<&MetadataMetrics>) {
    let Some(metrics) = metrics else { return };
    json.name("metrics");
    json.object(|json| {
        json.number("totalJobs", metrics.total_jobs);
        json.number("completedJobs", metrics.completed_jobs);
        json.number("totalBlocks", metrics.total_blocks);
    });
}
