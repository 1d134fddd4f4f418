//! `/api/metrics/…`, against a plain count.

use serde_json::{Value as Json, json};
use tracewell::model::{Span, SpanKind, Status, StatusCode, UnixNanos};
use tracewell::query::QuerySettings;
use tracewell::store::Batch;

use super::Jaeger;
use crate::support::{database, service, span};

const SECOND: u64 = 1_000_000_000;

/// In the last of sixty minutes two spans, one of which failed, and one of another kind; three minutes before them one.
fn hour() -> Vec<Span> {
    let at = |id: u64, second: u64, millis: u64| Span {
        end: UnixNanos(second * SECOND + millis * 1_000_000),
        ..span(id, id, second * SECOND)
    };
    let failed = Status { code: StatusCode::ERROR, message: String::new() };
    vec![
        Span { status: failed, ..at(1, 3_590, 100) },
        Span { name: "put".to_owned(), ..at(2, 3_595, 300) },
        Span { kind: SpanKind::CLIENT, ..at(3, 3_595, 500) },
        at(4, 3_410, 200),
        Span { resource: service("db"), ..at(5, 3_590, 100) },
    ]
}

/// Labels, and the values by their times.
fn series(family: &Json) -> Vec<(String, Vec<(String, f64)>)> {
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let of = |metric: &Json| {
        let labels = metric["labels"].as_array().unwrap().iter();
        let labels: Vec<_> =
            labels.map(|label| format!("{}={}", text(&label["name"]), text(&label["value"]))).collect();
        let points = metric["metricPoints"].as_array().unwrap().iter();
        let point = |point: &Json| (text(&point["timestamp"]), point["gaugeValue"]["doubleValue"].as_f64().unwrap());
        (labels.join(","), points.map(point).collect())
    };
    family["metrics"].as_array().unwrap().iter().map(of).collect()
}

const TIME: &str = "endTs=3600000&lookback=240000&step=60000&ratePer=120000";

async fn is_right(jaeger: &Jaeger) {
    let family = jaeger.json(&format!("/api/metrics/calls?service=shop&{TIME}")).await;
    assert_eq!((&family["name"], &family["type"]), (&json!("service_call_rate"), &json!("GAUGE")));
    let point = |minute: u64, value: f64| {
        (if minute == 60 { "1970-01-01T01:00:00Z".to_owned() } else { format!("1970-01-01T00:{minute}:00Z") }, value)
    };
    let by_second = 1.0 / 120.0;
    let points =
        vec![point(56, 0.0), point(57, by_second), point(58, by_second), point(59, 0.0), point(60, 2.0 * by_second)];
    assert_eq!(series(&family), [("service_name=shop".to_owned(), points)]);

    let family = jaeger.json(&format!("/api/metrics/errors?service=shop&{TIME}")).await;
    assert_eq!(family["name"], "service_error_rate");
    let points = vec![point(57, 0.0), point(58, 0.0), point(60, 0.5)];
    assert_eq!(series(&family), [("service_name=shop".to_owned(), points)]);

    let path = format!("/api/metrics/latencies?service=shop&service=db&quantile=0.95&groupByOperation=true&{TIME}");
    let family = jaeger.json(&path).await;
    assert_eq!(family["name"], "service_operation_latencies");
    let rounded = |(labels, points): (String, Vec<(String, f64)>)| {
        (labels, points.into_iter().map(|(time, value)| (time, (value / 10.0).round() * 10.0)).collect::<Vec<_>>())
    };
    let expected = [
        ("operation=get,service_name=shop".to_owned(), vec![point(57, 200.0), point(58, 200.0), point(60, 100.0)]),
        ("operation=put,service_name=shop".to_owned(), vec![point(60, 300.0)]),
        ("operation=get,service_name=db".to_owned(), vec![point(60, 100.0)]),
    ];
    assert_eq!(series(&family).into_iter().map(rounded).collect::<Vec<_>>(), expected);

    let both = jaeger.json(&format!("/api/metrics/calls?service=shop&spanKind=client&spanKind=server&{TIME}")).await;
    assert_eq!(series(&both)[0].1.last(), Some(&point(60, 3.0 * by_second)));
    let none = jaeger.json(&format!("/api/metrics/calls?service=none&{TIME}")).await;
    assert_eq!(none["metrics"], json!([]));
}

#[tokio::test]
async fn from_spans() {
    is_right(&Jaeger::with(hour()).await).await;
}

#[tokio::test]
async fn from_rollups() {
    let database = database::postgres_compacted::create().await;
    let store = database.open().await;
    store.write(&[Batch::new(hour())]).await.unwrap();
    is_right(&Jaeger::before(store, QuerySettings::default()).await).await;
}

/// Guarantee: a step that is said to be the shortest is one, and a shorter one is not.
#[tokio::test]
async fn the_shortest_step_is_told() {
    let jaeger = Jaeger::with(hour()).await;
    let told = jaeger.json("/api/metrics/minstep").await;
    assert_eq!(told, json!({ "data": 1, "total": 0, "limit": 0, "offset": 0, "errors": null }));
    jaeger.json("/api/metrics/calls?service=shop&endTs=3590000&lookback=5&step=1&ratePer=10").await;
    let path = "/api/metrics/calls?service=shop&endTs=3590000&lookback=5&ratePer=10&step=0";
    assert_eq!(jaeger.get(path).await.status.as_u16(), 400);
    assert_eq!(jaeger.get("/api/metrics/minstep?service=shop").await.status.as_u16(), 400);
}
