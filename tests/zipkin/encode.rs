//! Spans that came by OTLP, as OpenTelemetry's exporters for Zipkin would have sent them.

use serde_json::{Value, json};
use tracewell::otlp::decode;

use super::shown;

/// The one span of a request in OTLP/JSON, as Zipkin shows it.
fn otlp(resource: &Value, span: &Value) -> Value {
    let mut whole = json!({ "traceId": format!("{:032x}", 10), "spanId": format!("{:016x}", 11), "name": "Buy" });
    whole.as_object_mut().unwrap().extend(span.as_object().unwrap().clone());
    let scope = json!({ "name": "lib", "version": "1" });
    let scope_spans = json!([{ "scope": scope, "spans": [whole] }]);
    let request = json!({ "resourceSpans": [{ "resource": { "attributes": resource }, "scopeSpans": scope_spans }] });
    let decoded = decode::json(request.to_string().as_bytes()).unwrap();
    assert_eq!(decoded.spans.len(), 1, "{}", decoded.rejected.message());
    shown(&decoded.spans)[0].clone()
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

#[test]
fn what_has_no_place_becomes_a_tag() {
    let list = json!({ "arrayValue": { "values": [{ "intValue": "1" }, { "stringValue": "a" }] } });
    let span = json!({
        "kind": 1, "startTimeUnixNano": "1999", "endTimeUnixNano": "2000", "traceState": "a=b",
        "attributes": [
            text("text", "x"), { "key": "int", "value": { "intValue": "7" } }, { "key": "list", "value": list },
            { "key": "bool", "value": { "boolValue": true } }, { "key": "double", "value": { "doubleValue": 1.5 } },
            { "key": "null", "value": {} },
        ],
        "droppedEventsCount": 3,
        "events": [
            { "timeUnixNano": "2000", "name": "plain" },
            { "timeUnixNano": "1000", "name": "more", "attributes": [text("k", "v")] },
        ],
        "status": { "code": 1 },
    });
    let expected = json!({
        "traceId": "000000000000000a", "id": "000000000000000b", "name": "Buy", "timestamp": 1, "duration": 1,
        "localEndpoint": { "serviceName": "Shop" },
        "annotations": [
            { "timestamp": 1, "value": "\"more\": {\"k\":\"v\"}" },
            { "timestamp": 2, "value": "plain" },
        ],
        "tags": {
            "text": "x", "int": "7", "list": "[1,\"a\"]", "bool": "true", "double": "1.5", "host.name": "h",
            "otel.scope.name": "lib", "otel.scope.version": "1", "otel.status_code": "OK",
            "otel.dropped_events_count": "3", "w3c.tracestate": "a=b",
        },
    });
    assert_eq!(otlp(&json!([text("service.name", "Shop"), text("host.name", "h")]), &span), expected);
}

#[test]
fn a_failed_span_and_no_other_has_the_tag_error() {
    let tags = |span: Value| otlp(&json!([]), &span)["tags"].clone();
    let failed = tags(json!({ "status": { "code": 2, "message": "boom" } }));
    assert_eq!((&failed["error"], &failed["otel.status_code"]), (&json!("boom"), &json!("ERROR")));
    assert_eq!(tags(json!({ "status": { "code": 2 } }))["error"], json!(""));
    let not = json!({ "attributes": [{ "key": "error", "value": { "boolValue": false } }] });
    assert_eq!(tags(not).get("error"), None);
}

#[test]
fn the_other_side_of_a_call_is_named_by_the_best_attribute() {
    let remote = |kind: i32, attributes: Value| {
        otlp(&json!([]), &json!({ "kind": kind, "attributes": attributes })).get("remoteEndpoint").cloned()
    };
    let port = json!({ "key": "network.peer.port", "value": { "intValue": "80" } });
    let address = |address: &str| json!([text("network.peer.address", address), port]);
    assert_eq!(
        remote(3, json!([text("db.name", "a"), text("server.address", "b")])),
        Some(json!({ "serviceName": "b" }))
    );
    assert_eq!(
        remote(4, json!([text("db.name", "a"), text("peer.service", "b")])),
        Some(json!({ "serviceName": "b" }))
    );
    assert_eq!(remote(3, address("1.2.3.4")), Some(json!({ "ipv4": "1.2.3.4", "port": 80 })));
    assert_eq!(remote(3, address("::1")), Some(json!({ "ipv6": "::1", "port": 80 })));
    assert_eq!(remote(3, address("host")), Some(json!({ "serviceName": "host", "port": 80 })));
    assert_eq!(remote(3, json!([])), None);
    assert_eq!(remote(2, json!([text("peer.service", "b")])), None);
}
