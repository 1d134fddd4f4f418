//! The paths that were before `/api/v3/`.

use serde_json::{Value as Json, json};
use tracewell::model::{Link, Span, UnixNanos, Value};

use super::{CONDITIONS, Jaeger, attributes, encoded, object, shop};
use crate::support::{span, span_id, trace_id};

/// All time, as this API has it.
pub(super) const ALL_TIME: &str = "start=0&end=4102444800000000";

/// The traces of an envelope, in their order.
pub(super) fn traces(envelope: &Json) -> Vec<u64> {
    let traces = envelope["data"].as_array().unwrap().iter();
    traces.map(|trace| u64::from_str_radix(trace["traceID"].as_str().unwrap(), 16).unwrap()).collect()
}

fn parameters(named: &[(&str, &str)]) -> String {
    named.iter().fold(String::new(), |text, (name, value)| format!("{text}&{name}={}", encoded(value)))
}

#[tokio::test]
async fn every_condition_finds_what_it_says() {
    let jaeger = Jaeger::with(shop()).await;
    let of_service = |named: &[(&str, &str)]| named.iter().any(|(name, _)| *name == "service");
    for (named, _, expected) in CONDITIONS.into_iter().filter(|(named, _, _)| of_service(named)) {
        let found = jaeger.json(&format!("/api/traces?{ALL_TIME}{}", parameters(named))).await;
        assert_eq!(traces(&found), expected, "{named:?}");
    }
    for (conditions, expected) in [
        (vec![("tag", "k:200")], vec![1]),
        (vec![("tag", "k:200"), ("tag", "d:72.5")], vec![1]),
        (vec![("tag", "k:200"), ("tag", "k:201")], vec![]),
        (vec![("tag", "k:200"), ("tags", r#"{"k":"200","b":"true"}"#)], vec![1]),
        (vec![("tags", r#"{"error":"false"}"#)], vec![3, 2]),
        (vec![("tag", "http.route:/"), ("maxDuration", "5us"), ("limit", "1")], vec![3]),
        (vec![("operation", "get"), ("minDuration", "5us")], vec![3, 2, 1]),
        (vec![("start", "2000000"), ("end", "2000000")], vec![2]),
    ] {
        let time = if conditions[0].0 == "start" { String::new() } else { format!("&{ALL_TIME}") };
        let found = jaeger.json(&format!("/api/traces?service=shop{time}{}", parameters(&conditions))).await;
        assert_eq!(traces(&found), expected, "{conditions:?}");
    }
    // Without times it is the last two days.
    assert_eq!(traces(&jaeger.json("/api/traces?service=shop").await), Vec::<u64>::new());
}

#[tokio::test]
async fn a_trace_is_as_the_page_shows_it() {
    let jaeger = Jaeger::with(shop()).await;
    let tag = |key: &str, kind: &str, value: Json| json!({ "key": key, "type": kind, "value": value });
    let text = |key: &str, value: &str| tag(key, "string", json!(value));
    let expected = json!({
        "data": [{
            "traceID": "0000000000000001",
            "spans": [{
                "traceID": "0000000000000001", "spanID": "0000000000000001", "operationName": "get", "references": [],
                "startTime": 1_000_000, "duration": 5, "processID": "p1", "warnings": null,
                "tags": [
                    tag("k", "int64", json!(200)), tag("d", "float64", json!(72.5)), tag("b", "bool", json!(true)),
                    text("span.kind", "server"), text("otel.status_code", "ERROR"), tag("error", "bool", json!(true)),
                    text("otel.status_description", "boom"),
                ],
                "logs": [{ "timestamp": 0, "fields": [text("k", "event")] }],
            }],
            "processes": { "p1": { "serviceName": "shop", "tags": [] } },
            "warnings": null,
        }],
        "total": 1, "limit": 0, "offset": 0, "errors": null,
    });
    for id in ["1", "0000000000000001", "00000000000000000000000000000001"] {
        assert_eq!(jaeger.json(&format!("/api/traces/{id}")).await, expected, "{id}");
    }
    let second = jaeger.json("/api/traces/2").await;
    let child = &second["data"][0]["spans"][1];
    let parent = json!({ "refType": "CHILD_OF", "traceID": "0000000000000002", "spanID": "0000000000000002" });
    assert_eq!((&child["references"], &child["processID"]), (&json!([parent]), &json!("p2")));
    assert_eq!(child["tags"][1], text("otel.scope.name", "lib"));
    assert_eq!(second["data"][0]["processes"]["p2"]["serviceName"], "db");
}

/// Numbers that a page can not read, links, and what has no type of its own there.
#[tokio::test]
async fn odd_values_are_shown_so_that_nothing_is_lost() {
    let link = |kind: Option<&str>| Link {
        trace_id: Some(trace_id(u64::MAX)),
        span_id: Some(span_id(8)),
        attributes: kind.map(|kind| ("opentracing.ref_type", kind.into())).into_iter().collect(),
        ..Link::default()
    };
    let odd = Span {
        attributes: attributes([
            ("large", Value::Int(i64::MAX)),
            ("bytes", Value::Bytes(vec![1, 2])),
            ("list", Value::Array(vec![Value::Int(1), "a".into()])),
            ("nan", Value::Double(f64::NAN)),
        ]),
        links: vec![link(None), link(Some("child_of"))],
        trace_state: "a=b".to_owned(),
        end: UnixNanos(0),
        ..span(1, 1, 1_500)
    };
    let found = Jaeger::with(vec![odd]).await.json("/api/traces/1").await;
    let span = &found["data"][0]["spans"][0];
    let values: Vec<_> = span["tags"].as_array().unwrap().iter().map(|tag| (&tag["type"], &tag["value"])).collect();
    let expected = [
        (json!("int64"), json!("9223372036854775807")),
        (json!("binary"), json!("AQI=")),
        (json!("string"), json!("[1,\"a\"]")),
        (json!("float64"), json!("NaN")),
    ];
    assert_eq!(values[..4].to_vec(), expected.iter().map(|(kind, value)| (kind, value)).collect::<Vec<_>>());
    let kinds: Vec<_> = span["references"].as_array().unwrap().iter().map(|one| &one["refType"]).collect();
    assert_eq!(kinds, ["FOLLOWS_FROM", "CHILD_OF"]);
    assert_eq!((&span["startTime"], &span["duration"]), (&json!(1), &json!(0)));
    assert!(span["tags"].to_string().contains("w3c.tracestate"));
}

#[tokio::test]
async fn traces_that_are_not_there_are_told() {
    let jaeger = Jaeger::with(shop()).await;
    let answer = jaeger.get("/api/traces/77").await;
    assert_eq!(answer.status.as_u16(), 404);
    let errors = json!([{ "code": 404, "msg": "trace not found" }]);
    let expected = json!({ "data": null, "total": 0, "limit": 0, "offset": 0, "errors": errors });
    assert_eq!(answer.json(), expected);
    let found = jaeger.json("/api/traces?traceID=1&traceID=77&traceID=3&traceID=01").await;
    assert_eq!(traces(&found), [1, 3]);
    assert_eq!(found["errors"], json!([{ "code": 404, "msg": "trace not found", "traceID": "0000000000000077" }]));
}

#[tokio::test]
async fn names_and_calls_are_listed() {
    let jaeger = Jaeger::with(shop()).await;
    let enveloped = |data: Json| {
        let total = data.as_array().unwrap().len();
        json!({ "data": data, "total": total, "limit": 0, "offset": 0, "errors": null })
    };
    for (path, data) in [
        ("/api/services", json!(["db", "shop", "unknown_service"])),
        ("/api/services/shop/operations", json!(["get"])),
        ("/api/services/none/operations", json!([])),
        ("/api/operations?service=db", json!([{ "name": "select", "spanKind": "client" }])),
        ("/api/operations?service=db&spanKind=server", json!([])),
        ("/api/operations?service=unknown_service", json!([{ "name": "odd", "spanKind": "" }])),
        ("/api/dependencies?endTs=10000&lookback=10000", json!([{ "parent": "shop", "child": "db", "callCount": 1 }])),
        ("/api/dependencies?endTs=70000&lookback=7000", json!([])),
        ("/api/dependencies", json!([])),
    ] {
        assert_eq!(jaeger.json(path).await, enveloped(data), "{path}");
    }
}

/// As Jaeger's page (up to 2.20) and Grafana's data source were seen to send them.
#[tokio::test]
async fn recorded_requests_are_understood() {
    let jaeger = Jaeger::with(shop()).await;
    for path in [
        "/api/services",
        "/api/services/shop/operations",
        "/api/operations?service=shop",
        "/api/traces?end=1764399600000000&limit=20&lookback=1h&maxDuration&minDuration&service=shop&start=0",
        "/api/traces?end=1764399600000000&limit=20&lookback=custom&maxDuration=1.2s&minDuration=1us&operation=get\
         &service=shop&start=0&tags=%7B%22http.route%22%3A%22%2F%22%7D",
        "/api/traces?traceID=1&traceID=2",
        "/api/traces/0000000000000001?prettyPrint=true&raw=true",
        "/api/traces/1?start=1764313200000&end=1764399600000",
        "/api/traces?service=shop&operation=get&start=0&end=1764399600000000&minDuration=1us&maxDuration=5s&limit=10\
         &tags=%7B%22error%22%3A%22true%22%7D",
        "/api/dependencies?endTs=1764399600000&lookback=604800000",
        "/api/metrics/latencies?service=shop&endTs=600000&lookback=600000&quantile=0.95&ratePer=600000&spanKind=server\
         &step=60000&groupByOperation=true",
        "/api/metrics/calls?service=shop&endTs=600000&lookback=600000&ratePer=600000&spanKind=server&step=60000",
        "/api/metrics/errors?service=shop&service=db&endTs=600000&lookback=600000&spanKind=server&spanKind=client",
    ] {
        jaeger.json(path).await;
    }
    let pretty = jaeger.get("/api/traces/1?prettyPrint=true").await;
    assert!(pretty.text().contains("\n  \"data\""), "{}", pretty.text());
    assert_eq!(pretty.json(), jaeger.json("/api/traces/1").await);
}

#[tokio::test]
async fn a_file_is_shown_and_not_kept() {
    let jaeger = Jaeger::with(vec![]).await;
    let span = |trace: u64, id: u64| {
        json!({ "traceId": format!("{trace:032x}"), "spanId": format!("{id:016x}"), "name": "n",
                "startTimeUnixNano": "1000", "endTimeUnixNano": "3000" })
    };
    let file = |spans: Json| json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] }).to_string();
    let answer = jaeger.post("/api/transform", file(json!([span(1, 1), span(2, 2), span(1, 3)]))).await;
    let found = answer.json();
    assert_eq!((answer.status.as_u16(), traces(&found)), (200, vec![1, 2]));
    assert_eq!(found["data"][0]["spans"].as_array().unwrap().len(), 2);
    assert_eq!(jaeger.json("/api/services").await["data"], json!([]));
    // One bad span does not cost the others anything.
    let answer = jaeger.post("/api/transform", file(json!([span(1, 1), span(0, 2)]))).await;
    assert_eq!((traces(&answer.json()), &answer.json()["errors"][0]["code"]), (vec![1], &json!(400)));
    for body in ["", "x", &file(json!([span(0, 1)]))] {
        let answer = jaeger.post("/api/transform", body.to_owned()).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["errors"][0]["code"]), (400, &json!(400)), "{body}");
    }
    let answer = jaeger.post("/api/transform", " ".repeat(17 << 20)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["errors"][0]["code"]), (413, &json!(413)));
}

#[tokio::test]
async fn what_there_is_not_is_called_not_supported() {
    let jaeger = Jaeger::with(vec![]).await;
    let answers = [
        jaeger.post("/api/archive/1", "").await,
        jaeger.get("/api/deep-dependencies").await,
        jaeger.get("/api/quality-metrics").await,
    ];
    for answer in answers {
        assert_eq!((answer.status.as_u16(), &answer.json()["errors"][0]["code"]), (501, &json!(501)));
        assert!(answer.text().contains("not supported"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_bad_parameter_is_a_400_in_the_envelope() {
    let jaeger = Jaeger::with(shop()).await;
    let many = (1..=101).map(|id| format!("traceID={id}")).collect::<Vec<_>>().join("&");
    let tags = encoded(&object(&[("", "x")]));
    for (path, says) in [
        ("/api/traces", "service"),
        ("/api/traces?service=", "service"),
        ("/api/traces?service=a&service=b", "more than once"),
        ("/api/traces?service=%00", "service"),
        ("/api/traces?service=a&start=x", "start"),
        ("/api/traces?service=a&start=-1", "start"),
        ("/api/traces?service=a&start=2&end=1", "start_time_max"),
        ("/api/traces?service=a&start=99999999999999999999999", "start"),
        ("/api/traces?service=a&limit=x", "limit"),
        ("/api/traces?service=a&limit=100000", "limit"),
        ("/api/traces?service=a&minDuration=1", "minDuration"),
        ("/api/traces?service=a&minDuration=2s&maxDuration=1s", "duration_max"),
        ("/api/traces?service=a&tag=x", "tag"),
        ("/api/traces?service=a&tags=x", "tags"),
        (&format!("/api/traces?service=a&tags={tags}"), "attributes"),
        ("/api/traces?service=a&raw=maybe", "raw"),
        ("/api/traces?service=a&prettyPrint=x", "prettyPrint"),
        ("/api/traces?service=a&colour=red", "colour"),
        ("/api/traces?service=a&traceID=1", "traceID"),
        ("/api/traces?traceID=x", "traceID"),
        (&format!("/api/traces?{many}"), "traceID"),
        ("/api/traces/xyz", "traceID"),
        ("/api/traces/0", "traceID"),
        ("/api/traces/1?start=x", "start"),
        ("/api/operations", "service"),
        ("/api/operations?service=a&spanKind=x", "spanKind"),
        ("/api/services?x=y", "not known"),
        ("/api/dependencies?endTs=x", "endTs"),
        ("/api/dependencies?lookback=0", "lookback"),
        ("/api/dependencies?endTs=0", "endTs"),
        ("/api/metrics/calls", "service"),
        ("/api/metrics/latencies?service=a", "quantile"),
        ("/api/metrics/latencies?service=a&quantile=2", "quantile"),
        ("/api/metrics/latencies?service=a&quantile=NaN", "quantile"),
        ("/api/metrics/calls?service=a&quantile=0.5", "quantile"),
        ("/api/metrics/calls?service=a&step=0", "step"),
        ("/api/metrics/calls?service=a&step=1", "step"),
        ("/api/metrics/calls?service=a&ratePer=99999999999", "ratePer"),
        ("/api/metrics/calls?service=a&spanKind=x", "spanKind"),
        ("/api/metrics/calls?service=a&groupByOperation=x", "groupByOperation"),
    ] {
        let answer = jaeger.get(path).await;
        assert_eq!(answer.status.as_u16(), 400, "{path}: {}", answer.text());
        let message = answer.json()["errors"][0]["msg"].as_str().unwrap().to_owned();
        assert!(message.contains(says), "{path}: {message}");
        let errors = json!([{ "code": 400, "msg": message }]);
        assert_eq!(
            answer.json(),
            json!({ "data": null, "total": 0, "limit": 0, "offset": 0, "errors": errors }),
            "{path}"
        );
    }
    assert_eq!(jaeger.get("/api/metrics/colours?service=a").await.status.as_u16(), 404);
    for path in [
        "/api/metrics/calls?service=%22%7D&endTs=18446744073709551615&lookback=60000",
        "/api/metrics/calls?service=a&endTs=1&lookback=1&step=18446744073709551615",
        "/api/dependencies?endTs=18446744073709551615&lookback=18446744073709551615",
    ] {
        let answer = jaeger.get(path).await;
        assert!(answer.status.as_u16() < 500, "{path}: {}", answer.text());
    }
}
