//! What queries mean: tables of traces and queries with what they find. The tables are meant to be read.

use tracewell::model::{Span, UnixNanos};
use tracewell::traceql;
use tracewell::traceql::evaluate::{
    FoundSpan, Intervals, Measurement, MeasurementLimits, Series, Spanset, Trace, spansets,
};
use tracewell::traceql::tree::{Body, Literal};

use super::text;

/// Scenario: queries over a trace. Guarantee: they find the spans that the table says.
#[test]
fn queries_find_the_spans_of_the_table() {
    check(include_str!("spans.txt"));
}

/// Scenario: structural operators over trees, also over broken ones. Guarantee: as above.
#[test]
fn structure_is_what_the_table_says() {
    check(include_str!("structure.txt"));
}

/// Scenario: stages, groups and aggregates. Guarantee: as above.
#[test]
fn pipelines_find_the_spansets_of_the_table() {
    check(include_str!("pipelines.txt"));
}

/// Scenario: metrics queries over traces in intervals. Guarantee: the series of the table.
#[test]
fn metrics_are_those_of_the_table() {
    check(include_str!("metrics.txt"));
}

/// Runs a table: its blocks are a trace, one more trace, the times of metrics, or a query and what it finds.
fn check(table: &str) {
    let (mut traces, mut intervals, mut wrong) = (Vec::new(), None, Vec::new());
    for block in table.split("\n\n").map(|block| block.trim_matches('\n')).filter(|block| !block.is_empty()) {
        let (head, rest) = block.split_once('\n').unwrap_or((block, ""));
        match head {
            "trace" => traces = vec![text::trace(1, rest)],
            "and trace" => traces.push(text::trace(traces.len() as u64 + 1, rest)),
            _ if head.starts_with('#') => {}
            _ if head.starts_with("time ") => intervals = Some(times(head)),
            _ => {
                let (query, expected) = block.rsplit_once("\n=>").unwrap_or_else(|| panic!("no result: {block}"));
                let (found, expected) = (run(query, &traces, intervals.as_ref()), expected.trim());
                if found != expected {
                    wrong.push(format!("{query}\n=> {found}\n   instead of\n=> {expected}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// `time 0s to 30s step 10s`, or `time 0s to 30s at once`.
pub(crate) fn times(line: &str) -> Intervals {
    let words: Vec<_> = line.split(' ').collect();
    let (start, end) = (UnixNanos(text::nanos(words[1])), UnixNanos(text::nanos(words[3])));
    match words[4] {
        "step" => Intervals::range(start, end, text::nanos(words[5])).unwrap(),
        _ => Intervals::instant(start, end).unwrap(),
    }
}

pub(crate) fn run(query: &str, traces: &[Vec<Span>], intervals: Option<&Intervals>) -> String {
    let query = traceql::parse(query).unwrap_or_else(|error| panic!("{error}: {query}"));
    let lines: Vec<_> = match &query.body {
        Body::Traces(pipeline) => {
            let found = traces
                .iter()
                .flat_map(|spans| spansets(pipeline, &Trace::new(spans)).into_iter().map(|set| show(&set)));
            found.collect()
        }
        Body::Metrics(metrics) => {
            let mut measurement = Measurement::new(metrics, intervals.unwrap().clone(), MeasurementLimits::default());
            for spans in traces {
                measurement.add(&Trace::new(spans)).unwrap();
            }
            measurement.finish(0).unwrap().iter().map(show_series).collect()
        }
    };
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") }
}

fn show(spanset: &Spanset<'_>) -> String {
    let spans: Vec<_> = spanset.spans.iter().map(show_span).collect();
    let attributes = show_pairs(&spanset.attributes);
    let after = if attributes.is_empty() { "" } else { ": " };
    format!("{attributes}{after}{}", spans.join(" "))
}

fn show_span(found: &FoundSpan<'_>) -> String {
    let name = found.span.name.replace(' ', "_");
    if found.selected.is_empty() { name } else { format!("{name}({})", show_pairs(&found.selected)) }
}

fn show_series(series: &Series) -> String {
    let value = |value: &Option<f64>| value.map_or("-".to_owned(), |value| ((value * 1e6).round() / 1e6).to_string());
    let values: Vec<_> = series.values.iter().map(value).collect();
    format!("{{{}}} {}", show_pairs(&series.labels), values.join(" "))
}

fn show_pairs(pairs: &[(String, Literal)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}
