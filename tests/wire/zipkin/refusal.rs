//! What is asked wrongly, or is too much: plain text that names what is wrong, never a 500.

use serde_json::json;
use tracewell::query::QuerySettings;

use super::{A_WHILE, Zipkin, and, span};

#[tokio::test]
async fn a_bad_parameter_is_a_400_that_names_it() {
    let zipkin = Zipkin::start().await;
    let many = vec!["a"; 33].join("+and+");
    let ids = (1..=101).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    for (path, says) in [
        ("/api/v2/traces?limit=x", "limit"),
        ("/api/v2/traces?limit=99999999", "limit"),
        ("/api/v2/traces?endTs=0", "endTs"),
        ("/api/v2/traces?lookback=18446744073709551616", "lookback"),
        ("/api/v2/traces?maxDuration=1", "maxDuration"),
        ("/api/v2/traces?minDuration=2&maxDuration=1", "maxDuration"),
        ("/api/v2/traces?serviceName=%ff", "UTF-8"),
        ("/api/v2/traces?serviceName=a&serviceName=b", "more than once"),
        ("/api/v2/traces?colour=red", "colour is not known"),
        (&format!("/api/v2/traces?annotationQuery={many}"), "annotationQuery"),
        ("/api/v2/traces?annotationQuery=%3Da", "annotationQuery"),
        ("/api/v2/trace/xyz", "traceId"),
        ("/api/v2/trace/0", "traceId"),
        ("/api/v2/trace/000000000000000000000000000000001", "traceId"),
        ("/api/v2/trace/1?strict=1", "strict is not known"),
        ("/api/v2/traceMany", "traceIds"),
        ("/api/v2/traceMany?traceIds=1", "traceIds"),
        ("/api/v2/traceMany?traceIds=1,01", "more than once"),
        ("/api/v2/traceMany?traceIds=1,", "traceIds"),
        (&format!("/api/v2/traceMany?traceIds={ids}"), "traceIds"),
        ("/api/v2/spans", "serviceName"),
        ("/api/v2/remoteServices?serviceName=", "serviceName"),
        ("/api/v2/autocompleteValues", "key"),
        ("/api/v2/dependencies", "endTs"),
        ("/api/v2/dependencies?endTs=1&lookback=0", "lookback"),
    ] {
        let answer = zipkin.get(path).await;
        assert_eq!(answer.status.as_u16(), 400, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{path}");
        assert!(answer.text().contains(says), "{path}: {}", answer.text());
    }
}

/// Odd is not wrong: names that nobody has, times beyond all clocks.
#[tokio::test]
async fn what_is_odd_is_answered() {
    let zipkin = Zipkin::with(&json!([span(1, 1, 5)])).await;
    for path in [
        "/api/v2/traces?endTs=18446744073709551615&lookback=1",
        "/api/v2/traces?serviceName=%00",
        "/api/v2/traces?spanName=%22%7D%20%26%26%20%7B",
        "/api/v2/traces?annotationQuery=%22+and+%5C%3D%22",
        "/api/v2/traces?minDuration=18446744073709551615",
        "/api/v2/autocompleteValues?key=%22%20a",
        "/api/v2/remoteServices?serviceName=%22%20a",
    ] {
        let answer = zipkin.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "[]"), "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_404_in_plain_text() {
    let zipkin = Zipkin::start().await;
    for (path, says) in [("/api/v2/trace/1", "not found"), ("/api/v1/spans", "/api/v2/"), ("/", "/api/v2/")] {
        let answer = zipkin.get(path).await;
        assert_eq!(answer.status.as_u16(), 404, "{path}");
        assert!(answer.text().contains(says), "{path}: {}", answer.text());
    }
}

/// A part of the dependencies would be wrong numbers; so would half a trace.
#[tokio::test]
async fn what_is_too_much_is_said_and_not_cut() {
    let settings = QuerySettings { trace_spans_max: 2, ..QuerySettings::default() };
    let zipkin = Zipkin::gated(100, A_WHILE, settings).await;
    zipkin.server.store.gate.add_permits(100);
    let spans = json!([span(1, 1, 5), span(1, 2, 5), span(1, 3, 5), span(2, 4, 5)]);
    assert_eq!(zipkin.post(&[], spans.to_string()).await.status.as_u16(), 202);
    for path in ["/api/v2/trace/1", "/api/v2/traceMany?traceIds=1,2", "/api/v2/dependencies?endTs=10"] {
        let answer = zipkin.get(path).await;
        assert_eq!(answer.status.as_u16(), 422, "{path}: {}", answer.text());
        assert!(answer.text().contains("more than 2 spans"), "{path}: {}", answer.text());
    }
    assert_eq!(zipkin.json("/api/v2/trace/2").await, json!([span(2, 4, 5)]));
}

#[tokio::test]
async fn dependencies_stop_at_the_limit_on_work() {
    let settings = QuerySettings { work_spans_max: 3, ..QuerySettings::default() };
    let zipkin = Zipkin::gated(100, A_WHILE, settings).await;
    zipkin.server.store.gate.add_permits(100);
    let spans: Vec<_> = (1..=10).map(|id| span(id, id, 5)).collect();
    assert_eq!(zipkin.post(&[], json!(spans).to_string()).await.status.as_u16(), 202);
    let answer = zipkin.get("/api/v2/dependencies?endTs=10").await;
    assert_eq!(answer.status.as_u16(), 422);
    assert!(answer.text().contains("more than 3 spans"), "{}", answer.text());
}

/// Scenario: spans whose texts come to more bytes than an answer may have. Guarantee: an error that says so.
#[tokio::test]
async fn what_has_too_many_bytes_is_said_and_not_cut() {
    let settings = QuerySettings { answer_bytes_max: 5_000, ..QuerySettings::default() };
    let zipkin = Zipkin::gated(100, A_WHILE, settings).await;
    zipkin.server.store.gate.add_permits(100);
    let long = |trace, id| and(span(trace, id, 5), &json!({ "tags": { "text": "x".repeat(2_000) } }));
    zipkin.take(&json!([long(1, 1), long(1, 2), long(2, 3), long(2, 4), span(3, 5, 5)])).await;
    assert_eq!(zipkin.json("/api/v2/trace/1").await.as_array().unwrap().len(), 2);
    for path in ["/api/v2/traceMany?traceIds=1,2", "/api/v2/traces?endTs=10"] {
        let answer = zipkin.get(path).await;
        assert_eq!(answer.status.as_u16(), 422, "{path}: {}", answer.text());
        assert!(answer.text().contains("more than 5000 bytes"), "{path}: {}", answer.text());
    }
    assert_eq!(zipkin.json("/api/v2/traceMany?traceIds=1,3").await.as_array().unwrap().len(), 2);
}
