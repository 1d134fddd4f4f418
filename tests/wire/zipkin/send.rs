//! What Zipkin's senders hear.

use http::Method;
use prost::Message;
use serde_json::json;
use tracewell::query::QuerySettings;
use tracewell::store::StoreError;

use super::{A_WHILE, REQUEST_BYTES_MAX, Zipkin, request, span};
use crate::wire::client::{JSON, PROTOBUF, gzip};
use crate::zipkin::protobuf::{Endpoint, ListOfSpans, Span};

fn protobuf(id: u8) -> Vec<u8> {
    let local_endpoint = Some(Endpoint { service_name: "web".to_owned(), ..Endpoint::default() });
    let span = Span { trace_id: vec![7; 16], id: vec![id; 8], local_endpoint, timestamp: 5, ..Span::default() };
    ListOfSpans { spans: vec![span] }.encode_to_vec()
}

#[tokio::test]
async fn success_is_202_without_a_body_and_stored() {
    let zipkin = Zipkin::start().await;
    let list = json!([span(1, 1, 5), span(1, 2, 5)]).to_string();
    for (headers, body, stored) in [
        (vec![("content-type", JSON)], list.into_bytes(), 2),
        (vec![], json!([span(1, 3, 5)]).to_string().into_bytes(), 3),
        (vec![("content-type", "Application/JSON; charset=utf-8")], json!([span(1, 4, 5)]).to_string().into(), 4),
        (vec![("content-encoding", "gzip")], gzip(json!([span(1, 5, 5)]).to_string().as_bytes()), 5),
        (vec![("content-type", PROTOBUF)], protobuf(6), 6),
        (vec![("content-type", PROTOBUF), ("content-encoding", "gzip")], gzip(&protobuf(7)), 7),
        (vec![("content-type", JSON)], b"[]".to_vec(), 7),
        (vec![("content-type", JSON)], Vec::new(), 7),
        (vec![("content-type", PROTOBUF)], Vec::new(), 7),
    ] {
        let answer = zipkin.post(&headers, body).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (202, ""), "{headers:?}");
        assert_eq!(zipkin.server.store.span_count().await, stored, "{headers:?}");
    }
    zipkin.server.metric("tracewell_requests_received_total{protocol=\"zipkin/json\"} 6");
    zipkin.server.metric("tracewell_requests_received_total{protocol=\"zipkin/protobuf\"} 3");
    zipkin.server.metric("tracewell_spans_received_total{service=\"web\"} 7");
    zipkin.server.metric("tracewell_spans_stored_total{service=\"web\"} 7");
    zipkin.server.metric("tracewell_queue_bytes 0");
}

#[tokio::test]
async fn bad_spans_are_counted_and_told_and_good_ones_stored() {
    let zipkin = Zipkin::start().await;
    let bad = json!({ "traceId": "0", "id": "1", "localEndpoint": { "serviceName": "web" } });
    let answer = zipkin.post(&[("content-type", JSON)], json!([span(1, 1, 5), bad]).to_string()).await;
    assert_eq!(answer.status.as_u16(), 202);
    assert!(answer.text().contains("1 span rejected") && answer.text().contains("trace_id"), "{}", answer.text());
    assert_eq!(zipkin.server.store.span_count().await, 1);
    zipkin.server.metric("tracewell_spans_received_total{service=\"web\"} 2");
    zipkin.server.metric("tracewell_spans_stored_total{service=\"web\"} 1");
    zipkin.server.metric("tracewell_spans_rejected_total{service=\"web\",reason=\"trace_id\"} 1");
}

#[tokio::test]
async fn what_can_not_be_read_is_a_400_in_plain_text() {
    let zipkin = Zipkin::start().await;
    for (headers, body, says) in [
        (vec![("content-type", JSON)], b"{".to_vec(), "invalid JSON"),
        (vec![("content-type", JSON)], b"{}".to_vec(), "an array"),
        (vec![("content-type", JSON)], protobuf(1), "invalid JSON"),
        (vec![("content-type", PROTOBUF)], b"[]".to_vec(), "invalid protobuf"),
        (vec![("content-type", "application/x-thrift")], b"[]".to_vec(), "content type"),
        (vec![("content-encoding", "gzip")], b"[]".to_vec(), "gzip"),
        (vec![("content-encoding", "br")], b"[]".to_vec(), "Content-Encoding"),
    ] {
        let answer = zipkin.post(&headers, body).await;
        assert_eq!(answer.status.as_u16(), 400, "{headers:?}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert!(answer.text().contains(says), "{headers:?}: {}", answer.text());
    }
    zipkin.server.metric("tracewell_requests_refused_total{reason=\"undecodable\"} 7");
    zipkin.server.metric("tracewell_queue_requests 0");
}

#[tokio::test]
async fn what_is_too_large_is_a_413_before_and_after_decompression() {
    let zipkin = Zipkin::start().await;
    let large = vec![b' '; REQUEST_BYTES_MAX * 3 / 2];
    for (headers, body) in [(vec![], large.clone()), (vec![("content-encoding", "gzip")], gzip(&large))] {
        let answer = zipkin.post(&headers, body).await;
        assert_eq!(answer.status.as_u16(), 413, "{headers:?}");
        assert!(answer.text().contains(&REQUEST_BYTES_MAX.to_string()));
    }
    zipkin.server.metric("tracewell_requests_refused_total{reason=\"too_large\"} 2");
}

#[tokio::test]
async fn without_a_place_in_the_queue_it_is_a_503_that_says_when_to_come_again() {
    let zipkin = Zipkin::gated(1, A_WHILE, QuerySettings::default()).await;
    let first = async { zipkin.post(&[], json!([span(1, 1, 5)]).to_string()).await };
    let second = async {
        zipkin.server.store.begun.acquire().await.unwrap().forget();
        let refused = zipkin.post(&[], json!([span(1, 2, 5)]).to_string()).await;
        zipkin.server.store.gate.add_permits(1);
        refused
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.status.as_u16(), 202);
    assert_eq!((second.status.as_u16(), second.header("retry-after")), (503, Some("1")));
    assert_eq!(zipkin.server.store.span_count().await, 1);
}

/// OK means stored: while the write waits there is no answer, and when it fails there is no success.
#[tokio::test]
async fn a_write_that_fails_is_no_success() {
    let zipkin = Zipkin::start().await;
    *zipkin.server.store.failure.lock().unwrap() = Some(StoreError::Busy("away".into()));
    let answer = zipkin.post(&[], json!([span(1, 1, 5)]).to_string()).await;
    assert_eq!(answer.status.as_u16(), 503);
    zipkin.server.metric("tracewell_spans_refused_total{service=\"web\",reason=\"database_busy\"} 1");
    assert_eq!(zipkin.post(&[], json!([span(1, 1, 5)]).to_string()).await.status.as_u16(), 202);
}

#[tokio::test]
async fn pages_may_send_from_where_otlps_may() {
    let zipkin = Zipkin::start().await;
    let headers = [("origin", "https://a.shop.example"), ("access-control-request-method", "POST")];
    let answer = request(zipkin.door.address, Method::OPTIONS, "/api/v2/spans", &headers, "").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://a.shop.example"));
    let read = request(zipkin.door.address, Method::GET, "/api/v2/spans?serviceName=web", &headers[..1], "").await;
    assert_eq!((read.status.as_u16(), read.header("access-control-allow-origin")), (200, None));
}
