//! Reports about the spans of a trace, and what is shown of them.

use serde_json::{Value, json};
use tracewell::zipkin::encode;
use tracewell::zipkin::merge::merge;

use super::decoded;

fn check(reports: &[Value], expected: &Value) {
    let mut reports = reports.to_vec();
    for report in &mut reports {
        report["traceId"] = json!("000000000000000a");
    }
    for _ in 0..2 {
        let spans = decoded(&json!(reports)).iter().map(encode::span).collect();
        let mut shown = serde_json::to_value(merge(spans)).unwrap();
        for span in shown.as_array_mut().unwrap() {
            span.as_object_mut().unwrap().remove("traceId");
        }
        assert_eq!(&shown, expected);
        reports.reverse();
    }
}

#[test]
fn reports_of_one_side_are_one_span() {
    check(
        &[
            json!({ "id": "1", "kind": "CLIENT", "name": "get", "timestamp": 5, "localEndpoint": { "serviceName": "a" },
                    "tags": { "x": "1" }, "annotations": [{ "timestamp": 9, "value": "late" }] }),
            json!({ "id": "1", "parentId": "2", "duration": 7, "kind": "CLIENT", "debug": true,
                    "localEndpoint": { "serviceName": "a", "ipv4": "1.2.3.4" },
                    "tags": { "y": "2" }, "annotations": [{ "timestamp": 6, "value": "early" }] }),
        ],
        &json!([{
            "id": "0000000000000001", "parentId": "0000000000000002", "kind": "CLIENT", "name": "get", "timestamp": 5,
            "duration": 7, "localEndpoint": { "serviceName": "a", "ipv4": "1.2.3.4" }, "tags": { "x": "1", "y": "2" },
            "annotations": [{ "timestamp": 6, "value": "early" }, { "timestamp": 9, "value": "late" }], "debug": true,
        }]),
    );
}

#[test]
fn the_two_sides_of_a_call_stay_two_the_clients_first() {
    let client = json!({ "id": "0000000000000001", "parentId": "0000000000000002", "kind": "CLIENT",
                         "localEndpoint": { "serviceName": "z" } });
    let server = json!({ "id": "0000000000000001", "parentId": "0000000000000002", "kind": "SERVER",
                         "localEndpoint": { "serviceName": "a" }, "shared": true });
    check(&[server.clone(), client.clone()], &json!([client, server]));
    // One that forgot to say that it shares, and does not know the parent.
    let silent = json!({ "id": "1", "kind": "SERVER", "localEndpoint": { "serviceName": "a" } });
    check(&[silent, client.clone()], &json!([client, server]));
}

#[test]
fn servers_of_other_endpoints_stay_apart() {
    let server = |ipv4: &str| {
        json!({ "id": "0000000000000001", "kind": "SERVER", "shared": true,
                                      "localEndpoint": { "serviceName": "a", "ipv4": ipv4 } })
    };
    check(&[server("1.1.1.1"), server("2.2.2.2")], &json!([server("1.1.1.1"), server("2.2.2.2")]));
}
