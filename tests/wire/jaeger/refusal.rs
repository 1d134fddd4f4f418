//! What is asked wrongly: an error in the form that the door's clients know, never a 500.

use prost_types::{Duration, Timestamp};
use serde_json::json;
use tonic::Code;
use tracewell::server::generated::jaeger::api_v3 as proto;
use tracewell::server::generated::jaeger::expression::v1::Call;

use super::v3_grpc::{at, everything};
use super::{ALL_TIME, Jaeger, encoded, object, shop};

fn many_attributes() -> String {
    let keys: Vec<_> = (0..33).map(|key| key.to_string()).collect();
    object(&keys.iter().map(|key| (key.as_str(), "x")).collect::<Vec<_>>())
}

#[tokio::test]
async fn a_bad_parameter_of_v3_is_a_400_in_the_envelope() {
    let jaeger = Jaeger::with(shop()).await;
    let searches = [
        ("query.startTimeMin=1970-01-01T00:00:00Z".to_owned(), "query.startTimeMax"),
        ("query.startTimeMax=1970-01-01T00:00:00Z".to_owned(), "query.startTimeMin"),
        ("query.startTimeMin=x&query.startTimeMax=1970-01-01T00:00:00Z".to_owned(), "query.startTimeMin"),
        (
            "query.startTimeMin=1970-01-02T00:00:00Z&query.startTimeMax=1970-01-01T00:00:00Z".to_owned(),
            "start_time_max",
        ),
        ("query.startTimeMin=9999-01-01T00:00:00Z&query.startTimeMax=9999-01-01T00:00:00Z".to_owned(), "startTimeMin"),
        (format!("{ALL_TIME}&query.start_time_min=1970-01-01T00:00:00Z"), "more than once"),
        (format!("{ALL_TIME}&query.searchDepth=x"), "query.searchDepth"),
        (format!("{ALL_TIME}&query.searchDepth=10001"), "query.searchDepth"),
        (format!("{ALL_TIME}&query.searchDepth=99999999999999999999"), "query.searchDepth"),
        (format!("{ALL_TIME}&query.searchDepth=1&query.num_traces=2"), "more than once"),
        (format!("{ALL_TIME}&query.durationMin=1"), "query.durationMin"),
        (format!("{ALL_TIME}&query.durationMin=-1s"), "query.durationMin"),
        (format!("{ALL_TIME}&query.durationMin=2s&query.durationMax=1s"), "duration_max"),
        (format!("{ALL_TIME}&query.rawTraces=perhaps"), "query.rawTraces"),
        (format!("{ALL_TIME}&query.attributes=x"), "query.attributes"),
        (format!("{ALL_TIME}&query.attributes={}", encoded(r#"{"a":1}"#)), "query.attributes"),
        (format!("{ALL_TIME}&query.attributes={}", encoded(r#"{"":"a"}"#)), "attributes"),
        (format!("{ALL_TIME}&query.attributes={}", encoded(&many_attributes())), "at most 32"),
        (format!("{ALL_TIME}&query.filter={}", encoded(r#"{"op":"and"}"#)), "query.filter"),
        (format!("{ALL_TIME}&query.serviceName=%00"), "service_name"),
        (format!("{ALL_TIME}&query.serviceName=%ff"), "UTF-8"),
        (format!("{ALL_TIME}&query.colour=red"), "query.colour"),
        (String::new(), "query.startTimeMin"),
    ];
    let searches = searches.iter().flat_map(|(parameters, says)| {
        ["traces", "trace-summaries"].map(|path| (format!("/api/v3/{path}?{parameters}"), *says))
    });
    let others = [
        ("/api/v3/traces/xyz", "trace_id"),
        ("/api/v3/traces/0", "trace_id"),
        ("/api/v3/traces/123456789012345678901234567890123", "trace_id"),
        ("/api/v3/traces/AAAAAAAAAAAAAAAAAAAAAA==", "trace_id"),
        ("/api/v3/traces/1?startTime=yesterday", "startTime"),
        ("/api/v3/traces/1?end_time=1", "endTime"),
        ("/api/v3/traces/1?rawTraces=2", "rawTraces"),
        ("/api/v3/operations", "service"),
        ("/api/v3/operations?service=a&service=b", "more than once"),
        ("/api/v3/operations?service=a&spanKind=SERVER", "spanKind"),
        ("/api/v3/services?a=b", "not known"),
        ("/api/v3/dependencies", "startTime"),
        ("/api/v3/dependencies?startTime=1970-01-01T00:00:00Z", "endTime"),
        ("/api/v3/dependencies?startTime=1970-01-01T00:00:00Z&endTime=1970-01-01T00:00:00Z", "end_time"),
    ];
    for (path, says) in searches.chain(others.map(|(path, says)| (path.to_owned(), says))) {
        let answer = jaeger.get(&path).await;
        assert_eq!(answer.status.as_u16(), 400, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{path}");
        let (error, message) = (answer.json(), answer.json()["error"]["message"].as_str().unwrap().to_owned());
        assert!(message.contains(says), "{path}: {message}");
        assert_eq!(error, json!({ "error": { "httpCode": 400, "message": message } }), "{path}");
    }
    for body in ["", "x", "[]", "{}", r#"{"query":{"colour":1}}"#, r#"{"query":{}}"#] {
        let answer = jaeger.post("/api/v3/traces", body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]["httpCode"]), (400, &json!(400)), "{body}");
    }
}

/// Odd is not wrong: names that nobody has, times beyond all clocks.
#[tokio::test]
async fn what_is_odd_is_answered() {
    let jaeger = Jaeger::with(shop()).await;
    for parameters in [
        format!("{ALL_TIME}&query.serviceName=%22%7D%7C"),
        format!("{ALL_TIME}&query.attributes={}", encoded(&object(&[("error", "perhaps")]))),
        format!("{ALL_TIME}&query.attributes={}", encoded(&object(&[("\"} || {", "`\"\u{0}")]))),
        format!("{ALL_TIME}&query.durationMin=2562047h"),
        "query.startTimeMin=2554-07-21T23:34:33Z&query.startTimeMax=2554-07-21T23:34:33.709551615Z".to_owned(),
    ] {
        let answer = jaeger.get(&format!("/api/v3/traces?{parameters}")).await;
        assert_eq!(answer.status.as_u16(), 404, "{parameters}: {}", answer.text());
    }
    let answer = jaeger.get(&format!("/api/v3/traces?{ALL_TIME}&query.searchDepth=-5&query.durationMax=0s")).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
}

#[tokio::test]
async fn a_bad_request_by_grpc_is_an_invalid_argument() {
    let jaeger = Jaeger::with(shop()).await;
    let time = |seconds, nanos| Some(Timestamp { seconds, nanos });
    let refused: Vec<(&str, Option<proto::TraceQueryParameters>)> = vec![
        ("query", None),
        ("start_time_min", Some(proto::TraceQueryParameters::default())),
        ("start_time_max", Some(proto::TraceQueryParameters { start_time_max: None, ..everything() })),
        (
            "start_time_max",
            Some(proto::TraceQueryParameters { start_time_min: at(9), start_time_max: at(8), ..everything() }),
        ),
        ("start_time_min", Some(proto::TraceQueryParameters { start_time_min: time(-1, 0), ..everything() })),
        ("start_time_max", Some(proto::TraceQueryParameters { start_time_max: time(i64::MAX, 0), ..everything() })),
        (
            "start_time_max",
            Some(proto::TraceQueryParameters { start_time_max: time(1, 1_000_000_000), ..everything() }),
        ),
        (
            "duration_min",
            Some(proto::TraceQueryParameters {
                duration_min: Some(Duration { seconds: 0, nanos: -1 }),
                ..everything()
            }),
        ),
        ("search_depth", Some(proto::TraceQueryParameters { search_depth: i32::MAX, ..everything() })),
        ("filter", Some(proto::TraceQueryParameters { filter: Some(Call::default()), ..everything() })),
        ("service_name", Some(proto::TraceQueryParameters { service_name: "\0".to_owned(), ..everything() })),
    ];
    for (field, query) in refused {
        let found = jaeger.v3().find_traces(proto::FindTracesRequest { query: query.clone() }).await.unwrap_err();
        assert_eq!(found.code(), Code::InvalidArgument, "{field}");
        assert!(found.message().contains(field), "{field}: {}", found.message());
        let found = jaeger.v3().find_trace_summaries(proto::FindTraceSummariesRequest { query }).await.unwrap_err();
        assert_eq!(found.code(), Code::InvalidArgument, "{field}");
    }
    for trace_id in ["", "x", "0", "123456789012345678901234567890123"] {
        let request = proto::GetTraceRequest { trace_id: trace_id.to_owned(), ..Default::default() };
        assert_eq!(jaeger.v3().get_trace(request).await.unwrap_err().code(), Code::InvalidArgument, "{trace_id}");
    }
    for (service, kind) in [("", ""), ("a", "x")] {
        let request = proto::GetOperationsRequest { service: service.to_owned(), span_kind: kind.to_owned() };
        assert_eq!(jaeger.v3().get_operations(request).await.unwrap_err().code(), Code::InvalidArgument);
    }
    for (start_time, end_time) in [(None, None), (at(1), None), (None, at(1)), (at(1), at(1)), (at(2), at(1))] {
        let request = proto::GetDependenciesRequest { start_time, end_time };
        assert_eq!(jaeger.v3().get_dependencies(request).await.unwrap_err().code(), Code::InvalidArgument);
    }
}
