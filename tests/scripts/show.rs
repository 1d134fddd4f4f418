//! Answers as text, in the form of the tables of `traceql/`.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost_types::Timestamp;
use tracewell::server::generated::tracewell_v1::{FoundSpan, Series, SpanSet};

/// Quantiles may be off by so much.
const TOLERANCE: f64 = 0.01;

/// The lines of an answer.
pub(super) fn lines(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") }
}

pub(super) fn name(name: &str) -> String {
    name.replace(' ', "_")
}

pub(super) fn span_set(set: &SpanSet) -> String {
    let spans: Vec<_> = set.spans.iter().map(found_span).collect();
    assert_eq!(usize::try_from(set.matched).unwrap(), spans.len());
    let attributes = pairs(&set.attributes);
    let after = if attributes.is_empty() { "" } else { ": " };
    format!("{attributes}{after}{}", spans.join(" "))
}

fn found_span(span: &FoundSpan) -> String {
    let name = name(&span.name);
    if span.attributes.is_empty() { name } else { format!("{name}({})", pairs(&span.attributes)) }
}

pub(super) fn series(series: &Series, ends: &[Timestamp]) -> String {
    let value = |end: &Timestamp| {
        let sample = series.samples.iter().find(|sample| sample.time.as_ref() == Some(end));
        sample.map_or("-".to_owned(), |sample| ((sample.value * 1e6).round() / 1e6).to_string())
    };
    let values: Vec<_> = ends.iter().map(value).collect();
    format!("{{{}}} {}", pairs(&series.labels), values.join(" "))
}

fn pairs(pairs: &[KeyValue]) -> String {
    pairs.iter().map(|pair| format!("{}={}", pair.key, value(pair.value.as_ref()))).collect::<Vec<_>>().join(", ")
}

/// A value in the words of the language.
pub(super) fn value(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        None => "nil".to_owned(),
        Some(Value::StringValue(text)) => format!("\"{text}\""),
        Some(Value::BoolValue(bool)) => bool.to_string(),
        Some(Value::IntValue(int)) => int.to_string(),
        Some(Value::DoubleValue(double)) => format!("{double:?}"),
        Some(other) => panic!("no value of the language: {other:?}"),
    }
}

/// Whether two answers are the same: but for quotes, since protobuf has texts for what the language has words for, and but
/// for as much as quantiles may be off.
pub(super) fn agree(found: &str, expected: &str) -> bool {
    let words = |text: &str| text.replace(['"', '\\'], "").split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (found, expected) = (words(found), words(expected));
    let close = |found: &str, expected: &str| match (found.parse::<f64>(), expected.parse::<f64>()) {
        (Ok(found), Ok(expected)) => (found - expected).abs() <= expected.abs() * TOLERANCE,
        _ => found == expected,
    };
    found.len() == expected.len() && found.iter().zip(&expected).all(|(found, expected)| close(found, expected))
}
