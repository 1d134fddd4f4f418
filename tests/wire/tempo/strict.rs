//! Tempo's messages as Grafana reads their JSON: it knows these fields, and one that it does not know is an error.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `tempopb.SearchResponse`
#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct SearchResponse {
    pub(super) traces: Vec<TraceSearchMetadata>,
    pub(super) metrics: SearchMetrics,
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct TraceSearchMetadata {
    #[serde(rename = "traceID")]
    pub(super) trace_id: String,
    pub(super) root_service_name: String,
    pub(super) root_trace_name: String,
    pub(super) start_time_unix_nano: String,
    pub(super) duration_ms: u32,
    pub(super) span_set: Option<SpanSet>,
    pub(super) span_sets: Vec<SpanSet>,
    pub(super) service_stats: BTreeMap<String, ServiceStats>,
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct ServiceStats {
    pub(super) span_count: u32,
    pub(super) error_count: u32,
}

#[derive(Debug, Deserialize, PartialEq, Default, Clone)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct SpanSet {
    pub(super) spans: Vec<Span>,
    pub(super) matched: u32,
    pub(super) attributes: Vec<KeyValue>,
}

#[derive(Debug, Deserialize, PartialEq, Default, Clone)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct Span {
    #[serde(rename = "spanID")]
    pub(super) id: String,
    pub(super) name: String,
    pub(super) start_time_unix_nano: String,
    pub(super) duration_nanos: String,
    pub(super) attributes: Vec<KeyValue>,
}

#[derive(Debug, Deserialize, PartialEq, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyValue {
    pub(super) key: String,
    pub(super) value: AnyValue,
}

#[derive(Debug, Deserialize, PartialEq, Default, Clone)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[expect(clippy::struct_field_names, reason = "the names of the wire")]
pub(super) struct AnyValue {
    pub(super) string_value: Option<String>,
    pub(super) bool_value: Option<bool>,
    pub(super) int_value: Option<String>,
    /// A number, or a text for what JSON has no number for.
    pub(super) double_value: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct SearchMetrics {
    pub(super) inspected_traces: u32,
    pub(super) inspected_bytes: Option<String>,
    pub(super) total_blocks: u32,
    pub(super) completed_jobs: u32,
    pub(super) total_jobs: u32,
    pub(super) total_block_bytes: Option<String>,
    pub(super) inspected_spans: Option<String>,
}

/// `tempopb.QueryInstantResponse`
#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct QueryInstantResponse {
    pub(super) series: Vec<InstantSeries>,
    pub(super) metrics: SearchMetrics,
    pub(super) status: Option<String>,
    pub(super) message: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct InstantSeries {
    pub(super) labels: Vec<KeyValue>,
    pub(super) value: f64,
}

/// `tempopb.QueryRangeResponse`
#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct QueryRangeResponse {
    pub(super) series: Vec<TimeSeries>,
    pub(super) metrics: SearchMetrics,
    pub(super) status: Option<String>,
    pub(super) message: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct TimeSeries {
    pub(super) labels: Vec<KeyValue>,
    pub(super) samples: Vec<Sample>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Sample {
    pub(super) timestamp_ms: String,
    pub(super) value: f64,
}

impl KeyValue {
    pub(super) fn text(key: &str, text: &str) -> Self {
        Self { key: key.to_owned(), value: AnyValue { string_value: Some(text.to_owned()), ..AnyValue::default() } }
    }

    pub(super) fn int(key: &str, int: i64) -> Self {
        Self { key: key.to_owned(), value: AnyValue { int_value: Some(int.to_string()), ..AnyValue::default() } }
    }
}
