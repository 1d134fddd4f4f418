//! What OTLP clients hear, over gRPC and over HTTP, row by row of the protocol's tables.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::{Method, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tracewell::store::StoreError;

use super::client::{
    JSON, PROTOBUF, export, export_frames, export_raw, gzip, http, large, message, post, post_encoded, request, zlib,
    zstd,
};
use super::server::{A_WHILE, QUEUE_BYTES_MAX, REQUEST_BYTES_MAX, Server};

/// One good span in OTLP/JSON.
const SPAN_JSON: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
    {"traceId":"0AF7651916CD43DD8448EB211C80319C","spanId":"b7ad6b7169203331","name":"a"}]}]}]}"#;

/// The same with a span beside it that has no trace id.
const SPANS_JSON: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
    {"traceId":"0AF7651916CD43DD8448EB211C80319C","spanId":"b7ad6b7169203331","name":"a"},
    {"spanId":"b7ad6b7169203331","name":"b"}]}]}]}"#;

/// A message that is no protobuf: a field that is longer than what follows.
const UNDECODABLE: &[u8] = &[0x0a, 0x7f, 0x01];

fn retry_delay(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

/// A request of one span whose name is not UTF-8.
fn not_utf8() -> Vec<u8> {
    let mut bytes = message(&["NAME"]);
    let at = bytes.windows(4).position(|window| window == b"NAME").unwrap();
    bytes[at] = 0xff;
    bytes
}

/// The size of a request that is too large but not so much that the rest of it is not even read.
const TOO_LARGE: usize = REQUEST_BYTES_MAX * 3 / 2;

// gRPC.

#[tokio::test]
async fn grpc_full_success_leaves_partial_success_unset_and_everything_stored() {
    let server = Server::start().await;
    let answer = export(server.grpc.address, &message(&["a", "b"])).await.unwrap();
    assert_eq!(answer.partial_success, None);
    assert_eq!(server.store.span_count().await, 2);
    server.metric("tracewell_requests_received_total{protocol=\"grpc\"} 1");
    server.metric("tracewell_spans_received_total{service=\"unknown_service\"} 2");
    server.metric("tracewell_spans_stored_total{service=\"unknown_service\"} 2");
    server.metric("tracewell_queue_requests 0");
    server.metric("tracewell_queue_bytes 0");
}

#[tokio::test]
async fn grpc_bad_spans_are_counted_and_good_ones_stored() {
    let server = Server::start().await;
    let answer = export(server.grpc.address, &message(&["a", "bad", "b", "bad"])).await.unwrap();
    let partial = answer.partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 2);
    assert!(partial.error_message.contains("trace_id"), "{}", partial.error_message);
    assert_eq!(server.store.span_count().await, 2);
    server.metric("tracewell_spans_received_total{service=\"unknown_service\"} 4");
    server.metric("tracewell_spans_stored_total{service=\"unknown_service\"} 2");
    server.metric("tracewell_spans_rejected_total{service=\"unknown_service\",reason=\"trace_id\"} 2");
}

#[tokio::test]
async fn grpc_repaired_texts_are_a_warning() {
    let server = Server::start().await;
    let partial = export(server.grpc.address, &not_utf8()).await.unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 0);
    assert_eq!(partial.error_message, "1 text was not valid UTF-8 and was repaired");
    assert_eq!(server.store.span_count().await, 1);
    server.metric("tracewell_values_repaired_total 1");
}

#[tokio::test]
async fn grpc_a_request_without_spans_is_a_success_without_a_write() {
    let server = Server::gated(100, A_WHILE).await;
    for nothing in [message(&[]), Vec::new()] {
        assert_eq!(export(server.grpc.address, &nothing).await.unwrap().partial_success, None);
    }
    assert_eq!(server.store.begun.available_permits(), 0);
}

#[tokio::test]
async fn grpc_what_can_not_be_decoded_is_an_invalid_argument() {
    let server = Server::start().await;
    let status = export(server.grpc.address, UNDECODABLE).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.get_details_bad_request().is_some());
    assert_eq!(retry_delay(&status), None);
    server.metric("tracewell_requests_refused_total{reason=\"undecodable\"} 1");
    server.metric("tracewell_queue_requests 0");
}

/// Not `OUT_OF_RANGE`, and without `RetryInfo`: OTLP clients would send it again forever.
#[tokio::test]
async fn grpc_what_is_too_large_is_resource_exhausted_for_good() {
    let server = Server::start().await;
    let big = large(TOO_LARGE);
    let cases = [(None, big.clone()), (Some("gzip"), gzip(&big)), (Some("zstd"), zstd(&big))];
    for (encoding, body) in cases {
        let headers: Vec<_> = encoding.map(|encoding| ("grpc-encoding", encoding)).into_iter().collect();
        let answer = export_raw(server.grpc.address, &headers, encoding.is_some(), &body).await;
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{encoding:?}: {status:?}");
        assert_eq!(retry_delay(&status), None);
        assert!(status.message().contains(&REQUEST_BYTES_MAX.to_string()), "{}", status.message());
    }
    server.metric("tracewell_requests_refused_total{reason=\"too_large\"} 3");
    assert_eq!(server.store.span_count().await, 0);
}

/// As a real exporter meets it: it is still sending when the answer comes.
#[tokio::test]
async fn grpc_a_client_that_sends_far_too_much_hears_why() {
    let server = Server::start().await;
    let url = format!("http://{}", server.grpc.address);
    let mut client = TraceServiceClient::connect(url).await.unwrap();
    let status = client.export(request(&[&"x".repeat(20 * REQUEST_BYTES_MAX)])).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    client.export(request(&["a"])).await.unwrap();
}

#[tokio::test]
async fn grpc_compressed_requests_are_understood_and_others_named() {
    let server = Server::start().await;
    let plain = message(&["a"]);
    for (encoding, body) in [("gzip", gzip(&plain)), ("zstd", zstd(&message(&["b"])))] {
        export_raw(server.grpc.address, &[("grpc-encoding", encoding)], true, &body).await.unwrap();
    }
    assert_eq!(server.store.span_count().await, 2);
    let status = export_raw(server.grpc.address, &[("grpc-encoding", "snappy")], true, &plain).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let accepted = status.metadata().get("grpc-accept-encoding").unwrap().to_str().unwrap();
    assert!(accepted.contains("gzip") && accepted.contains("zstd"), "{accepted}");
    server.metric("tracewell_requests_refused_total{reason=\"unsupported_encoding\"} 1");
}

/// As gRPC has it, and as other servers answer: INTERNAL, which OTLP clients do not repeat.
#[tokio::test]
async fn grpc_a_broken_frame_is_internal() {
    let server = Server::start().await;
    let broken: [&[(&str, &str)]; 2] = [&[("grpc-encoding", "gzip")], &[]];
    for headers in broken {
        let status = export_raw(server.grpc.address, headers, true, b"no gzip").await.unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{status:?}");
    }
    server.metric("tracewell_requests_refused_total{reason=\"undecodable\"} 2");
    server.metric("tracewell_queue_requests 0");
}

#[tokio::test]
async fn grpc_a_full_queue_says_when_to_come_again() {
    let server = Server::gated(1, A_WHILE).await;
    let address = server.grpc.address;
    let first = tokio::spawn(async move { export(address, &message(&["a"])).await });
    server.store.begun.acquire().await.unwrap().forget();
    let status = export(address, &message(&["b"])).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(retry_delay(&status), Some(Duration::from_secs(1)));
    server.store.gate.add_permits(1);
    first.await.unwrap().unwrap();
    server.metric("tracewell_requests_refused_total{reason=\"queue_full\"} 1");
}

#[tokio::test]
async fn grpc_a_stopping_server_is_unavailable() {
    let server = Server::start().await;
    assert!(server.ingest.drain(A_WHILE).await);
    let status = export(server.grpc.address, &message(&["a"])).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(retry_delay(&status), Some(Duration::from_secs(1)));
    server.metric("tracewell_requests_refused_total{reason=\"stopping\"} 1");
}

fn store_failures() -> [(StoreError, Code, u16); 4] {
    [
        (StoreError::Busy("secret".into()), Code::Unavailable, 503),
        (StoreError::Refused { reason: "too wide".to_owned() }, Code::InvalidArgument, 400),
        (StoreError::Corrupt { what: "secret".to_owned() }, Code::Internal, 500),
        (StoreError::Bug("secret".into()), Code::Internal, 500),
    ]
}

#[tokio::test]
async fn grpc_what_the_store_says_is_told_without_its_secrets() {
    let server = Server::start().await;
    for (failure, code, _) in store_failures() {
        *server.store.failure.lock().unwrap() = Some(failure);
        let status = export(server.grpc.address, &message(&["a"])).await.unwrap_err();
        assert_eq!(status.code(), code);
        assert_eq!(retry_delay(&status).is_some(), code == Code::Unavailable);
        assert!(!format!("{status:?}").contains("secret"));
    }
}

/// The caller's patience ends the call, not the write.
#[tokio::test]
async fn grpc_a_callers_deadline_is_kept_and_the_spans_are_stored_all_the_same() {
    let server = Server::gated(100, Duration::from_hours(1)).await;
    let (patience, message) = ([("grpc-timeout", "300m")], message(&["a"]));
    let call = export_raw(server.grpc.address, &patience, false, &message);
    let answer = timeout(A_WHILE, call).await.expect("the call goes on");
    assert_eq!(answer.unwrap_err().code(), Code::DeadlineExceeded);
    server.store.begun.acquire().await.unwrap().forget();
    server.store.gate.add_permits(1);
    server.store.done.acquire().await.unwrap().forget();
    assert_eq!(server.store.span_count().await, 1);
    server.metric("tracewell_requests_refused_total{reason=\"deadline\"} 1");
}

#[tokio::test]
async fn grpc_an_unknown_method_is_unimplemented() {
    let server = Server::start().await;
    let uri = format!("http://{}", server.grpc.address);
    let channel = tonic::transport::Endpoint::new(uri).unwrap().connect().await.unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Import".parse().unwrap();
    let codec = tonic_prost::ProstCodec::<_, ExportTraceServiceResponse>::default();
    let status = grpc.unary(tonic::Request::new(request(&["a"])), path, codec).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

/// All of them are in the queue at the same time before the first has its answer.
#[tokio::test]
async fn grpc_calls_of_one_connection_do_not_wait_for_each_other() {
    let server = Server::gated(64, A_WHILE).await;
    let channel = tonic::transport::Endpoint::new(format!("http://{}", server.grpc.address)).unwrap();
    let client = TraceServiceClient::new(channel.connect().await.unwrap());
    let client = client.send_compressed(CompressionEncoding::Gzip);
    let calls = (0..64).map(|number| {
        let mut client = client.clone();
        tokio::spawn(async move { client.export(request(&["a", &number.to_string()])).await })
    });
    let calls: Vec<_> = calls.collect();
    server.metric_comes("tracewell_queue_requests 64").await;
    server.store.gate.add_permits(1_000);
    for call in join_all(calls).await {
        assert_eq!(call.unwrap().unwrap().into_inner().partial_success, None);
    }
    assert_eq!(server.store.span_count().await, 128);
}

// HTTP.

#[tokio::test]
async fn http_full_success_is_an_empty_message() {
    let server = Server::start().await;
    let address = server.http.address;
    let cases = [
        (PROTOBUF, Bytes::from(message(&["a"])), PROTOBUF, ""),
        ("Application/X-Protobuf; v=1", message(&["b"]).into(), PROTOBUF, ""),
        (JSON, SPAN_JSON.into(), JSON, "{}"),
        ("application/json; charset=utf-8", SPAN_JSON.into(), JSON, "{}"),
        (PROTOBUF, Bytes::new(), PROTOBUF, ""),
        (JSON, "{}".into(), JSON, "{}"),
    ];
    for (content_type, body, answered, text) in cases {
        let answer = post(address, content_type, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{content_type}");
        assert_eq!(answer.header("content-type"), Some(answered));
        assert_eq!(answer.text(), text);
    }
    assert_eq!(server.store.span_count().await, 3);
    server.metric("tracewell_spans_received_total{service=\"unknown_service\"} 4");
    server.metric("tracewell_spans_recognised_total{service=\"unknown_service\"} 1");
    server.metric("tracewell_requests_received_total{protocol=\"http/protobuf\"} 3");
    server.metric("tracewell_requests_received_total{protocol=\"http/json\"} 3");
}

#[tokio::test]
async fn http_partial_success_comes_in_the_requests_encoding() {
    let server = Server::start().await;
    let answer = post(server.http.address, PROTOBUF, message(&["a", "bad"])).await;
    assert_eq!(answer.status, StatusCode::OK);
    let partial = ExportTraceServiceResponse::decode(answer.body).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert!(!partial.error_message.is_empty());

    let answer = post(server.http.address, JSON, SPANS_JSON).await;
    assert_eq!(answer.status, StatusCode::OK);
    let partial = &answer.json()["partialSuccess"];
    assert_eq!(partial["rejectedSpans"], json!("1"));
    assert!(partial["errorMessage"].as_str().unwrap().contains("trace_id"), "{partial}");

    let answer = post(server.http.address, PROTOBUF, not_utf8()).await;
    let partial = ExportTraceServiceResponse::decode(answer.body).unwrap().partial_success.unwrap();
    assert_eq!((partial.rejected_spans, partial.error_message.is_empty()), (0, false));
    assert_eq!(server.store.span_count().await, 3);
}

#[tokio::test]
async fn http_other_methods_and_content_types_are_told_in_plain_text() {
    let server = Server::start().await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = http(server.http.address, method, &[("content-type", JSON)], "").await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        assert_eq!(answer.header("allow"), Some("POST"));
        assert_eq!(answer.text(), "405 method not allowed, supported: [POST]");
    }
    let content_types: [&[(&str, &str)]; 3] =
        [&[], &[("content-type", "text/plain")], &[("content-type", "application/jsonl")]];
    for headers in content_types {
        let answer = http(server.http.address, Method::POST, headers, message(&["a"])).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        let text = "415 unsupported media type, supported: [application/json, application/x-protobuf]";
        assert_eq!(answer.text(), text);
    }
    server.metric("tracewell_requests_refused_total{reason=\"unsupported_content_type\"} 3");
    assert_eq!(server.store.span_count().await, 0);
}

/// A refusal is a `google.rpc.Status` in the request's encoding, with nothing that would make a client repeat it.
#[tokio::test]
async fn http_what_can_not_be_decoded_is_a_bad_request() {
    let server = Server::start().await;
    let cut = gzip(&large(1_000));
    let cases: [(Option<&str>, &[u8]); 8] = [
        (None, UNDECODABLE),
        (Some("gzip"), b"no gzip"),
        (Some("gzip"), &cut[..cut.len() - 9]),
        (Some("zstd"), b"no zstd"),
        (Some("deflate"), b"no zlib"),
        (Some("snappy"), b""),
        (Some("gzip, gzip"), b""),
        (Some("gzip"), &gzip(UNDECODABLE)),
    ];
    for (encoding, body) in cases {
        for content_type in [PROTOBUF, JSON] {
            let body = body.to_vec();
            let answer = match encoding {
                None => post(server.http.address, content_type, body).await,
                Some(encoding) => post_encoded(server.http.address, content_type, encoding, body).await,
            };
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{encoding:?}");
            assert_eq!(answer.header("content-type"), Some(content_type));
            assert_eq!(answer.header("retry-after"), None);
            let (code, text) = if content_type == PROTOBUF {
                (i64::from(answer.rpc_status().code), answer.rpc_status().message)
            } else {
                (answer.json()["code"].as_i64().unwrap(), answer.json()["message"].as_str().unwrap().to_owned())
            };
            assert_eq!(code, 3);
            assert!(encoding != Some("snappy") || text.contains("unsupported \"Content-Encoding\": snappy"), "{text}");
        }
    }
    server.metric("tracewell_requests_refused_total{reason=\"undecodable\"} 16");
    server.metric("tracewell_queue_requests 0");
}

#[tokio::test]
async fn http_what_is_too_large_is_refused_as_sent_and_as_decompressed() {
    let server = Server::start().await;
    let big = large(TOO_LARGE);
    for (encoding, body) in [("", big.clone()), ("gzip", gzip(&big)), ("zstd", zstd(&big)), ("deflate", zlib(&big))] {
        let answer = post_encoded(server.http.address, PROTOBUF, encoding, body).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{encoding}");
        assert_eq!(answer.header("content-type"), Some(PROTOBUF));
        assert_eq!(answer.rpc_status().code, i32::from(Code::ResourceExhausted));
        assert_eq!(answer.header("retry-after"), None);
        assert!(answer.rpc_status().details.is_empty());
    }
    let answer = post(server.http.address, JSON, vec![b' '; TOO_LARGE]).await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].as_i64()), (413, Some(8)));
    server.metric("tracewell_requests_refused_total{reason=\"too_large\"} 5");
}

/// Up to the limit, to the byte: plain, and after decompression.
#[tokio::test]
async fn http_the_limit_itself_is_not_too_large() {
    let server = Server::start().await;
    let overhead = large(REQUEST_BYTES_MAX).len() - REQUEST_BYTES_MAX;
    let body = large(REQUEST_BYTES_MAX - overhead);
    assert_eq!(body.len(), REQUEST_BYTES_MAX);
    assert_eq!(post(server.http.address, PROTOBUF, body.clone()).await.status, StatusCode::OK);
    assert_eq!(post_encoded(server.http.address, PROTOBUF, "gzip", gzip(&body)).await.status, StatusCode::OK);
    let body = large(REQUEST_BYTES_MAX - overhead + 1);
    assert_eq!(post(server.http.address, PROTOBUF, body.clone()).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let answer = post_encoded(server.http.address, PROTOBUF, "gzip", gzip(&body)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn http_compressed_bodies_are_understood() {
    let server = Server::start().await;
    // Each of another span, or it would be recognised.
    let plain = |name: &str| message(&[name]);
    let cases = [
        ("", plain("a")),
        ("identity", plain("b")),
        ("gzip", gzip(&plain("c"))),
        ("GZIP", gzip(&plain("d"))),
        ("x-gzip", gzip(&plain("e"))),
        ("deflate", zlib(&plain("f"))),
        ("zlib", zlib(&plain("g"))),
        ("zstd", zstd(&plain("h"))),
    ];
    for (encoding, body) in cases {
        let answer = post_encoded(server.http.address, PROTOBUF, encoding, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{encoding}");
    }
    assert_eq!(server.store.span_count().await, 8);
}

#[tokio::test]
async fn http_a_full_queue_says_when_to_come_again() {
    let server = Server::gated(1, A_WHILE).await;
    let address = server.http.address;
    let first = tokio::spawn(async move { post(address, PROTOBUF, message(&["a"])).await });
    server.store.begun.acquire().await.unwrap().forget();
    let answer = post(address, PROTOBUF, message(&["b"])).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.rpc_status().code, i32::from(Code::Unavailable));
    assert_eq!(answer.rpc_status().details[0].type_url, "type.googleapis.com/google.rpc.RetryInfo");
    let answer = post(address, JSON, SPAN_JSON).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let retry = json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s" });
    assert_eq!(answer.json()["details"], json!([retry]));
    server.store.gate.add_permits(1);
    assert_eq!(first.await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn http_a_stopping_server_is_unavailable() {
    let server = Server::start().await;
    assert!(server.ingest.drain(A_WHILE).await);
    let answer = post(server.http.address, JSON, SPAN_JSON).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("1")));
}

#[tokio::test]
async fn http_what_the_store_says_is_told_without_its_secrets() {
    let server = Server::start().await;
    for (failure, code, http) in store_failures() {
        *server.store.failure.lock().unwrap() = Some(failure);
        let answer = post(server.http.address, JSON, SPAN_JSON).await;
        assert_eq!(answer.status.as_u16(), http);
        assert_eq!(answer.json()["code"], json!(i32::from(code)));
        assert!(!answer.text().contains("secret"));
        assert_eq!(answer.header("retry-after").is_some(), http == 503);
    }
}

/// The server's own patience ends a call on either door.
#[tokio::test]
async fn a_request_that_takes_too_long_is_told_so() {
    let server = Server::gated(100, Duration::from_millis(100)).await;
    let answer = post(server.http.address, JSON, SPAN_JSON).await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].as_i64()), (504, Some(4)));
    let status = export(server.grpc.address, &message(&["a"])).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

/// What is made of a body takes room too. Guarantee: whoever finds none, at the door or later, hears when to come again.
#[tokio::test]
async fn a_queue_with_no_room_for_the_bytes_says_when_to_come_again() {
    let server = Server::gated(100, A_WHILE).await;
    let (grpc, http) = (server.grpc.address, server.http.address);
    let ids = [&[0x0a, 16][..], &[7; 16], &[0x12, 8], &[7; 8]].concat();
    let with_links = |links| in_a_span(&[&ids[..], &[0x6a, 0x00].repeat(links)].concat());
    // Some of these there may be at once, but not with one that is larger.
    let (small, larger) = (with_links(700), with_links(5_900));
    let first = tokio::spawn(async move { post_encoded(http, PROTOBUF, "gzip", gzip(&small)).await });
    server.store.begun.acquire().await.unwrap().forget();
    let status = timeout(A_WHILE, export(grpc, &larger)).await.unwrap().unwrap_err();
    assert_eq!((status.code(), retry_delay(&status).is_some()), (Code::Unavailable, true));
    let refused = timeout(A_WHILE, post_encoded(http, PROTOBUF, "gzip", gzip(&larger))).await.unwrap();
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("1")));
    server.metric("tracewell_requests_refused_total{reason=\"queue_full\"} 2");
    server.metric("tracewell_queue_requests 1");
    server.store.gate.add_permits(2);
    assert_eq!(first.await.unwrap().status, StatusCode::OK);
    server.metric("tracewell_queue_bytes 0");
    export(grpc, &larger).await.unwrap();
}

/// Bodies that are small for what is made of them, by any door: two bytes can be a link, three an event. Guarantee: no more
/// memory is taken than all requests may take, and it is told that this will not change.
#[tokio::test]
async fn a_body_that_unfolds_too_far_is_refused_for_good() {
    let server = Server::start().await;
    let links = in_a_span(&[0x6a, 0x00].repeat(90_000));
    let status = export(server.grpc.address, &links).await.unwrap_err();
    assert_eq!((status.code(), retry_delay(&status)), (Code::ResourceExhausted, None), "{status:?}");
    assert!(status.message().contains(&QUEUE_BYTES_MAX.to_string()), "{}", status.message());
    let status = export_raw(server.grpc.address, &[("grpc-encoding", "gzip")], true, &gzip(&links)).await.unwrap_err();
    assert_eq!((status.code(), retry_delay(&status)), (Code::ResourceExhausted, None), "{status:?}");
    let events = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"events":[{}{{}}]}}]}}]}}]}}"#,
        "{},".repeat(60_000)
    );
    for (content_type, body) in [(PROTOBUF, links), (JSON, events.into_bytes())] {
        let plain = post(server.http.address, content_type, body.clone()).await;
        let compressed = post_encoded(server.http.address, content_type, "zstd", zstd(&body)).await;
        for answer in [plain, compressed] {
            assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (413, None));
        }
    }
    server.metric("tracewell_requests_refused_total{reason=\"too_large_in_memory\"} 6");
    server.metric("tracewell_queue_bytes 0");
    assert_eq!(server.store.span_count().await, 0);
}

/// A request of one span that has these bytes.
fn in_a_span(span: &[u8]) -> Vec<u8> {
    [0x12, 0x12, 0x0a].into_iter().fold(span.to_vec(), |message, key| {
        let mut outer = vec![key];
        prost::encode_length_delimiter(message.len(), &mut outer).unwrap();
        outer.extend(message);
        outer
    })
}

/// As gRPC has it: a frame that ends early, has another behind it, or none at all.
#[tokio::test]
async fn grpc_a_call_is_one_whole_message() {
    let server = Server::start().await;
    let mut whole = vec![0, 0, 0, 0, 0];
    whole[4] = u8::try_from(message(&["a"]).len()).unwrap();
    whole.extend(message(&["a"]));
    let twice = [&whole[..], &whole[..]].concat();
    let unknown_flag = [&[2], &whole[1..]].concat();
    for body in [&whole[..whole.len() - 1], &whole[..3], &twice, &unknown_flag, &[]] {
        let status = export_frames(server.grpc.address, &[], body.to_vec()).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{body:?}");
    }
    export_frames(server.grpc.address, &[], whole).await.unwrap();
    server.metric("tracewell_requests_refused_total{reason=\"undecodable\"} 5");
    server.metric("tracewell_queue_requests 0");
    server.metric("tracewell_queue_bytes 0");
}

/// A client that goes away in the middle of its body gives its place back.
#[tokio::test]
async fn http_a_client_that_goes_away_leaves_no_trace() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.http.address).await.unwrap();
    let half = "POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(half.as_bytes()).await.unwrap();
    server.metric_comes("tracewell_queue_requests 1").await;
    drop(stream);
    server.metric_comes("tracewell_queue_requests 0").await;
}

#[tokio::test]
async fn http_pages_of_allowed_origins_may_send() {
    let server = Server::start().await;
    let preflight = |origin: &'static str| async move {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,x-custom"),
        ];
        http(server.http.address, Method::OPTIONS, &headers, "").await
    };
    let answer = preflight("https://www.shop.example").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://www.shop.example"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("POST"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("content-type,x-custom"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    let answer = preflight("https://evil.example").await;
    assert_eq!(answer.header("access-control-allow-origin"), None);

    let headers = [("content-type", JSON), ("origin", "https://www.shop.example")];
    let answer = http(server.http.address, Method::POST, &headers, SPAN_JSON).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://www.shop.example"));
}
