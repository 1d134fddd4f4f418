//! Metrics queries by the wire: what is refused and why, and how series and what they took are told.

use prost_types::{Duration, Timestamp};
use tonic::Code;
use tracewell::model::Value;
use tracewell::model::{Span, Status, StatusCode, UnixNanos};
use tracewell::otlp::decode;
use tracewell::server::generated::tracewell_v1::explain_request::Question;
use tracewell::server::generated::tracewell_v1::{Evaluation, ExplainRequest, QueryMetricsRequest, Series};

use super::{attributes, bad_fields, served, span};

const MINUTE: u64 = 60_000_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

const ONE_MINUTE: Option<Duration> = Some(Duration { seconds: 60, nanos: 0 });

/// Of the minutes 1 to 3.
fn asked(query: &str, step: Option<Duration>) -> QueryMetricsRequest {
    QueryMetricsRequest { query: query.to_owned(), start_time: Some(at(60)), end_time: Some(at(180)), step }
}

/// Two spans in minute 1, one of which fails, and one in minute 2.
fn spans() -> Vec<Span> {
    let error = Status { code: StatusCode::ERROR, message: String::new() };
    vec![
        span(1, 1, MINUTE),
        Span { status: error, ..span(1, 2, MINUTE + 1) },
        Span { attributes: attributes([("n", Value::Double(f64::INFINITY))]), ..span(2, 3, 2 * MINUTE) },
    ]
}

/// Labels, and values by the second.
type Shown = (Vec<(String, Value)>, Vec<(i64, f64)>);

fn shown(series: &[Series]) -> Vec<Shown> {
    let one = |series: &Series| {
        let label = |label: &opentelemetry_proto::tonic::common::v1::KeyValue| {
            (label.key.clone(), decode::value(label.value.clone().unwrap()))
        };
        let labels = series.labels.iter().map(label).collect();
        (labels, series.samples.iter().map(|sample| (sample.time.unwrap().seconds, sample.value)).collect())
    };
    series.iter().map(one).collect()
}

/// Guarantees: labels are of the type that they have, words where there is none; a sample stands at the end of its
/// interval, and there is none that is not finite.
#[tokio::test]
async fn series_have_typed_labels_and_finite_samples() {
    let served = served(spans()).await;
    let ask = async |query: &str, step| {
        let answer = served.client().query_metrics(asked(query, step)).await.unwrap().into_inner();
        let coverage = answer.coverage.unwrap();
        assert!(!coverage.limit_reached && coverage.covered_since.is_none());
        shown(&answer.series)
    };
    let text = |key: &str, text: &str| (key.to_owned(), Value::from(text));
    let by_status = ask("{ } | count_over_time() by (status, kind, duration)", ONE_MINUTE).await;
    let labels = |status| vec![text("status", status), text("kind", "server"), text("duration", "10ns")];
    let expected = [
        (labels("error"), vec![(60, 0.0), (120, 1.0), (180, 0.0)]),
        (labels("unset"), vec![(60, 0.0), (120, 1.0), (180, 1.0)]),
    ];
    assert_eq!(by_status, expected);
    let p = ("p".to_owned(), Value::Double(0.5));
    assert_eq!(ask("{ } | quantile_over_time(duration, .5)", None).await, [(vec![p], vec![(180, 1e-8)])]);
    assert_eq!(ask("{ } | max_over_time(.n)", ONE_MINUTE).await, []);
    let rate = ask("({ } | count_over_time()) / ({ status = error } | count_over_time())", ONE_MINUTE).await;
    assert_eq!(rate, [(vec![], vec![(120, 2.0)])]);
}

/// Guarantees: a wrong request is refused with the field and what is wrong with it.
#[tokio::test]
async fn wrong_requests_name_their_field() {
    let served = served(spans()).await;
    let right = asked("{ } | rate()", ONE_MINUTE);
    let step = |seconds, nanos| Some(Duration { seconds, nanos });
    let cases = [
        (QueryMetricsRequest { query: String::new(), ..right.clone() }, "query", "required"),
        (asked("{ } | rate(", None), "query", "column 12"),
        (asked("{ status = error }", None), "query", "no metrics function"),
        (QueryMetricsRequest { start_time: None, ..right.clone() }, "start_time", "required"),
        (QueryMetricsRequest { end_time: None, ..right.clone() }, "end_time", "required"),
        (QueryMetricsRequest { end_time: Some(at(60)), ..right.clone() }, "end_time", "later than start_time"),
        (QueryMetricsRequest { start_time: Some(at(-1)), ..right.clone() }, "start_time", "1970"),
        (
            QueryMetricsRequest { start_time: Some(Timestamp { nanos: -1, ..at(60) }), ..right.clone() },
            "start_time",
            "nanos",
        ),
        (QueryMetricsRequest { end_time: Some(at(i64::MAX)), ..right.clone() }, "end_time", "2554"),
        (
            QueryMetricsRequest { end_time: Some(Timestamp { nanos: 1_000_000_000, ..at(90) }), ..right.clone() },
            "end_time",
            "nanos",
        ),
        (QueryMetricsRequest { end_time: Some(at(59)), ..right.clone() }, "end_time", "later than start_time"),
        (QueryMetricsRequest { step: step(i64::MAX, 0), ..right.clone() }, "step", "must be from 0"),
        (QueryMetricsRequest { step: step(1, -1), ..right.clone() }, "step", "must be from 0"),
        (QueryMetricsRequest { step: step(0, 0), ..right.clone() }, "step", "longer than 0"),
        (QueryMetricsRequest { step: step(-1, 0), ..right.clone() }, "step", "must be from 0"),
        (QueryMetricsRequest { step: step(0, 1), ..right.clone() }, "step", "at most 11000"),
    ];
    for (request, field, reason) in cases {
        let status = served.client().query_metrics(request.clone()).await.unwrap_err();
        assert_eq!(
            (status.code(), bad_fields(&status)),
            (Code::InvalidArgument, vec![field.to_owned()]),
            "{request:?}"
        );
        assert!(status.message().contains(reason), "{} of {request:?}", status.message());
        let question = Some(Question::Metrics(request));
        let explained = served.client().explain(ExplainRequest { question }).await.unwrap_err();
        assert_eq!(explained.message(), status.message());
    }
    let status = served.client().explain(ExplainRequest { question: None }).await.unwrap_err();
    assert_eq!((status.code(), bad_fields(&status)), (Code::InvalidArgument, vec!["question".to_owned()]));
}

/// Guarantees: an explanation says what the query is computed over, what leaves spans out, and what it took.
#[tokio::test]
async fn an_explanation_says_how_it_is_answered() {
    let served = served(spans()).await;
    for (query, evaluation, pushed_down) in [
        ("{status=error}|rate()", Evaluation::Rollups, "{ status = error }"),
        ("{ .n > 1 || true } | rate()", Evaluation::Spans, ""),
        ("{ name = `buy` } >> { span:id = `0303030303030303` } | rate()", Evaluation::Traces, "{ span:id = "),
    ] {
        let question = Some(Question::Metrics(asked(query, ONE_MINUTE)));
        let explained = served.client().explain(ExplainRequest { question }).await.unwrap().into_inner();
        assert_eq!(explained.evaluation(), evaluation, "{query}");
        assert!(explained.pushed_down.starts_with(pushed_down), "{}", explained.pushed_down);
        assert_eq!(explained.pushed_down.is_empty(), pushed_down.is_empty(), "{}", explained.pushed_down);
        assert!(explained.query.contains(" | rate()") && explained.duration.is_some());
        assert!(explained.cost.unwrap().spans_read > 0);
    }
}

/// Guarantee: a range that ends after all time is looked at to its end.
#[tokio::test]
async fn the_end_of_time_is_an_end() {
    let served = served(vec![Span { end: UnixNanos(u64::MAX), ..span(1, 1, u64::MAX - 20) }]).await;
    let end = i64::try_from(u64::MAX / 1_000_000_000).unwrap();
    let query = "{ } | count_over_time()".to_owned();
    let request =
        QueryMetricsRequest { query, start_time: Some(at(end - 90)), end_time: Some(at(end)), step: ONE_MINUTE };
    let series = served.client().query_metrics(request).await.unwrap().into_inner().series;
    let counts: Vec<_> = series[0].samples.iter().map(|sample| sample.value).collect();
    assert_eq!((counts.iter().sum::<f64>(), counts.last()), (1.0, Some(&1.0)));
}
