//! Requests, and what they are in the model.

use std::collections::HashMap;

use prost::Message;
use serde_json::json;
use tracewell::model::{Attribute, SpanKind, StatusCode, UnixNanos, Value};
use tracewell::otlp::decode::{DecodeError, Decoded, Memory};
use tracewell::zipkin::decode as zipkin;

use super::protobuf::{Annotation, Endpoint, ListOfSpans, Span};
use super::{ARRIVAL, decoded, shown};

/// A span with everything, as Zipkin's documentation shows one.
fn whole() -> serde_json::Value {
    json!({
        "traceId": "5af7183fb1d4cf5f", "parentId": "6b221d5bc9e6496c", "id": "352bff9a74ca9ad2",
        "kind": "CLIENT", "name": "Get /Api", "timestamp": 1_556_604_172_355_737_u64, "duration": 1_431,
        "localEndpoint": { "serviceName": "Backend", "ipv4": "192.168.99.1", "port": 3306 },
        "remoteEndpoint": { "serviceName": "Db", "ipv4": "172.19.0.2", "ipv6": "2001:db8::c001", "port": 58648 },
        "annotations": [{ "timestamp": 1_556_604_172_355_999_u64, "value": "ws" }],
        "tags": { "http.method": "GET", "http.path": "/api" },
        "debug": true, "shared": true,
    })
}

#[test]
fn every_field_has_its_place() {
    let span = &decoded(&json!([whole()]))[0];
    assert_eq!(span.trace_id.to_string(), "00000000000000005af7183fb1d4cf5f");
    assert_eq!(span.parent_span_id.unwrap().to_string(), "6b221d5bc9e6496c");
    assert_eq!(span.span_id.to_string(), "352bff9a74ca9ad2");
    assert_eq!((span.name.as_str(), span.kind, span.resource.service()), ("get /api", SpanKind::CLIENT, "backend"));
    assert_eq!(span.start, UnixNanos(1_556_604_172_355_737_000));
    assert_eq!(span.end, UnixNanos(1_556_604_172_357_168_000));
    assert_eq!((span.events[0].name.as_str(), span.events[0].time), ("ws", UnixNanos(1_556_604_172_355_999_000)));
    let text = |key: &str| span.attributes.get_text(key).unwrap().to_owned();
    assert_eq!((text("peer.service"), text("network.peer.address")), ("db".to_owned(), "172.19.0.2".to_owned()));
    assert_eq!(span.attributes.get("network.peer.port"), Some(&Value::Int(58_648)));
    assert_eq!((text("http.method"), text("http.path")), ("GET".to_owned(), "/api".to_owned()));
}

/// Zipkin itself puts names in lower case; all else is as it was.
#[test]
fn a_whole_span_comes_back() {
    let mut expected = whole();
    expected["name"] = json!("get /api");
    expected["localEndpoint"]["serviceName"] = json!("backend");
    expected["remoteEndpoint"]["serviceName"] = json!("db");
    assert_eq!(shown(&decoded(&json!([whole()]))), json!([expected]));
}

#[test]
fn protobuf_says_the_same() {
    let endpoint = |name: &str, ipv4: &[u8], ipv6: &[u8], port| {
        Some(Endpoint { service_name: name.to_owned(), ipv4: ipv4.to_vec(), ipv6: ipv6.to_vec(), port })
    };
    let ipv6 = "2001:db8::c001".parse::<std::net::Ipv6Addr>().unwrap().octets();
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap().to_be_bytes().to_vec();
    let span = Span {
        trace_id: hex("5af7183fb1d4cf5f"),
        parent_id: hex("6b221d5bc9e6496c"),
        id: hex("352bff9a74ca9ad2"),
        kind: 1,
        name: "Get /Api".to_owned(),
        timestamp: 1_556_604_172_355_737,
        duration: 1_431,
        local_endpoint: endpoint("Backend", &[192, 168, 99, 1], &[], 3_306),
        remote_endpoint: endpoint("Db", &[172, 19, 0, 2], &ipv6, 58_648),
        annotations: vec![Annotation { timestamp: 1_556_604_172_355_999, value: "ws".to_owned() }],
        tags: HashMap::from([
            ("http.method".to_owned(), "GET".to_owned()),
            ("http.path".to_owned(), "/api".to_owned()),
        ]),
        debug: true,
        shared: true,
    };
    let list = ListOfSpans { spans: vec![span] }.encode_to_vec();
    let spans = zipkin::protobuf(&list, ARRIVAL).unwrap().spans;
    assert_eq!(shown(&spans), shown(&decoded(&json!([whole()]))));
}

#[test]
fn ids_are_padded_and_zeros_are_no_parent() {
    let spans = decoded(&json!([
        { "traceId": "1", "id": "2", "parentId": "0000000000000000" },
        { "traceId": "0AF7651916cd43dd8448eb211c80319c", "id": "b7ad6b7169203331", "parentId": "b7ad6b7169203331" },
    ]));
    assert_eq!(spans[0].trace_id.to_string(), format!("{:032x}", 1));
    assert_eq!((spans[0].span_id.to_string(), spans[0].parent_span_id), (format!("{:016x}", 2), None));
    assert_eq!((spans[1].trace_id.to_string().len(), spans[1].parent_span_id), (32, None));
}

#[test]
fn a_span_without_a_timestamp_begins_with_its_first_annotation_or_when_it_arrives() {
    let annotations = json!([{ "timestamp": 7, "value": "b" }, { "timestamp": 5, "value": "a" }]);
    let spans = json!([
        { "traceId": "1", "id": "2", "annotations": annotations },
        { "traceId": "1", "id": "3" },
        { "traceId": "1", "id": "4", "duration": 2 },
        { "traceId": "1", "id": "5", "timestamp": 3 },
    ]);
    let decoded = decoded(&spans);
    let times = |at: usize| (decoded[at].start, decoded[at].end);
    assert_eq!(times(0), (UnixNanos(5_000), UnixNanos(5_000)));
    assert_eq!(times(1), (ARRIVAL, ARRIVAL));
    assert_eq!(times(2), (ARRIVAL, UnixNanos(ARRIVAL.0 + 2_000)));
    assert_eq!(times(3), (UnixNanos(3_000), UnixNanos(3_000)));
    let back = shown(&decoded);
    let said = |at: usize| (back[at].get("timestamp").cloned(), back[at].get("duration").cloned());
    assert_eq!(said(0), (None, None));
    assert_eq!(said(1), (None, None));
    assert_eq!(said(2), (None, Some(json!(2))));
    assert_eq!(said(3), (Some(json!(3)), None));
}

#[test]
fn the_status_is_what_the_tags_say() {
    for (tags, code, message) in [
        (json!({}), StatusCode::UNSET, ""),
        (json!({ "error": "boom" }), StatusCode::ERROR, "boom"),
        (json!({ "error": "" }), StatusCode::ERROR, ""),
        (json!({ "error": "true" }), StatusCode::ERROR, ""),
        (json!({ "error": "boom", "otel.status_code": "ERROR" }), StatusCode::ERROR, "boom"),
        (json!({ "otel.status_code": "ERROR" }), StatusCode::ERROR, ""),
        (json!({ "otel.status_code": "OK" }), StatusCode::OK, ""),
        (json!({ "otel.status_code": "?" }), StatusCode::UNSET, ""),
    ] {
        let span = &decoded(&json!([{ "traceId": "1", "id": "2", "tags": tags }]))[0];
        assert_eq!((span.status.code, span.status.message.as_str()), (code, message), "{tags}");
        assert_eq!(shown(std::slice::from_ref(span))[0].get("tags").cloned().unwrap_or(json!({})), tags);
    }
}

/// A tag may be named as an attribute that is derived from the other side's endpoint: both are kept, and the tag is found.
#[test]
fn a_tag_named_like_a_derived_attribute_stays_a_tag() {
    let span = json!({
        "traceId": "0000000000000001", "id": "0000000000000002",
        "remoteEndpoint": { "serviceName": "a" }, "tags": { "peer.service": "b", "zipkin": "c" },
    });
    let spans = decoded(&json!([span]));
    assert_eq!(spans[0].attributes.get_text("peer.service"), Some("b"));
    assert_eq!(shown(&spans)[0]["tags"], span["tags"]);
    assert_eq!(shown(&spans)[0]["remoteEndpoint"], span["remoteEndpoint"]);
    let alone = json!({ "traceId": "1", "id": "2", "timestamp": 1, "kind": "CLIENT", "tags": { "peer.service": "b" } });
    let spans = decoded(&json!([alone]));
    assert_eq!(spans[0].attributes.0, [Attribute { key: "peer.service".to_owned(), value: "b".into() }]);
    assert_eq!(shown(&spans)[0].get("remoteEndpoint"), None);
}

#[test]
fn one_bad_span_costs_its_neighbours_nothing() {
    let good = json!({ "traceId": "1", "id": "2" });
    for (bad, reason) in [
        (json!({}), "trace_id"),
        (json!({ "traceId": "1" }), "span_id"),
        (json!({ "traceId": "0", "id": "2" }), "trace_id"),
        (json!({ "traceId": "x", "id": "2" }), "trace_id"),
        (json!({ "traceId": "1".repeat(33), "id": "2" }), "trace_id"),
        (json!({ "traceId": "1", "id": "1".repeat(17) }), "span_id"),
        (json!({ "traceId": "1", "id": "2", "parentId": "+1" }), "parent_span_id"),
        (json!({ "traceId": "1", "id": "2", "kind": "OTHER" }), "malformed"),
        (json!({ "traceId": "1", "id": "2", "timestamp": -1 }), "malformed"),
        (json!({ "traceId": "1", "id": "2", "timestamp": u64::MAX }), "malformed"),
        (json!({ "traceId": "1", "id": "2", "timestamp": 18_446_744_073_709_551_u64, "duration": 2 }), "malformed"),
        (json!({ "traceId": "1", "id": "2", "annotations": [{ "timestamp": u64::MAX, "value": "a" }] }), "malformed"),
        (json!({ "traceId": "1", "id": "2", "localEndpoint": { "port": 65_536 } }), "malformed"),
    ] {
        let decoded = zipkin::json(json!([good, bad, good]).to_string().as_bytes(), ARRIVAL).unwrap();
        assert_eq!(decoded.spans.len(), 2, "{bad}");
        assert_eq!(decoded.rejected.by_reason().collect::<Vec<_>>(), [(reason, 1)], "{bad}");
    }
}

#[test]
fn what_is_no_list_of_spans_fails_whole() {
    for text in ["{}", "[", "[1]", "[{}] x", "x", r#"[{"tags":{"a":{}}}]"#, r#"[{"tags":[]}]"#, r#"[{"shared":1}]"#] {
        let error = zipkin::json(text.as_bytes(), ARRIVAL).unwrap_err();
        assert!(matches!(error, DecodeError::Json { .. }), "{text}: {error}");
    }
    assert!(matches!(zipkin::protobuf(&[0x0a, 0x7f, 1], ARRIVAL), Err(DecodeError::Protobuf(_))));
    for nothing in ["", "[]", "null"] {
        assert_eq!(zipkin::json(nothing.as_bytes(), ARRIVAL).unwrap(), Decoded::default(), "{nothing}");
    }
    assert_eq!(zipkin::protobuf(&[], ARRIVAL).unwrap(), Decoded::default());
}

#[test]
fn a_request_for_which_there_is_no_room_is_full() {
    let spans: Vec<_> = (1..2_000).map(|id| json!({ "traceId": "1", "id": id.to_string() })).collect();
    let body = json!(spans).to_string();
    let may_take = |bytes: usize| bytes < 100_000;
    let answer = zipkin::json_within(body.as_bytes(), ARRIVAL, &Memory::new(&may_take));
    assert_eq!(answer, Err(DecodeError::Full));
}
