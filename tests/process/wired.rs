//! What is at which address, through the program as it is wired: each door at each address that it is said to be at, and
//! not where nobody asked for it.

use futures::stream;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tracewell::server::generated::jaeger::api_v3::query_service_client::QueryServiceClient;
use tracewell::server::generated::jaeger::api_v3::{GetServicesRequest, GetTraceRequest};
use tracewell::server::generated::jaeger::storage::v2 as storage;
use tracewell::server::generated::jaeger::storage::v2::capabilities_client::CapabilitiesClient;
use tracewell::server::generated::jaeger::storage::v2::dependency_reader_client::DependencyReaderClient;
use tracewell::server::generated::jaeger::storage::v2::trace_reader_client::TraceReaderClient;
use tracewell::server::generated::tempopb::SearchTagsRequest;
use tracewell::server::generated::tempopb::streaming_querier_client::StreamingQuerierClient;
use tracewell::server::generated::tracewell_v1::ListServicesRequest;
use tracewell::server::generated::tracewell_v1::trace_query_client::TraceQueryClient;

use crate::support::directory::Directory;
use crate::support::http::{get, post, send_span};
use crate::support::process::{Server, command};

async fn channel(address: std::net::SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// The services that reflection lists.
async fn listed(channel: Channel) -> Vec<String> {
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let request = ServerReflectionRequest { message_request, ..Default::default() };
    let answers = ServerReflectionClient::new(channel).server_reflection_info(stream::iter([request])).await;
    let answer = answers.unwrap().into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else { panic!("no list") };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    names
}

/// Waits until the server says that it serves.
async fn serves(channel: Channel, service: &str) {
    let request = HealthCheckRequest { service: service.to_owned() };
    let mut statuses = HealthClient::new(channel).watch(request).await.unwrap().into_inner();
    while statuses.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}
}

/// Scenario: a server with every door open, and a span of each way in. Guarantees: the doors of Jaeger and Tempo are at the
/// address for people and tools and, as far as they are gRPC, at the gRPC address; Jaeger's query, and nothing else but
/// health and reflection, is at its own; Zipkin's is at its own.
#[tokio::test]
async fn every_door_is_where_it_is_said_to_be() {
    let directory = Directory::create();
    let url = format!("sqlite:{}", directory.file("spans.db"));
    let server = Server::start_with(&url, &["--jaeger-listen", "127.0.0.1:0", "--zipkin-listen", "127.0.0.1:0"]);
    assert_eq!(send_span(server.http, 1).unwrap(), 200);
    assert_eq!(send_span(server.grpc, 2).unwrap(), 200);
    let span = r#"[{"traceId":"3","id":"3","timestamp":1,"localEndpoint":{"serviceName":"zipkin"}}]"#;
    assert_eq!(post(server.zipkin, "/api/v2/spans", "application/json", span).unwrap().0, 202);
    let services = ["sender", "zipkin"];

    for (address, path, answer) in [
        (server.web, "/api/echo", "echo"),
        (server.web, "/tempo/api/echo", "echo"),
        (server.web, "/ready", "ready\n"),
        (server.web, "/api/v3/services", r#"{"services":["sender","zipkin"]}"#),
        (server.zipkin, "/api/v2/services", r#"["sender","zipkin"]"#),
    ] {
        assert_eq!(get(address, path).unwrap(), (200, answer.to_owned()), "{path}");
    }
    assert!(get(server.web, "/api/services").unwrap().1.contains(r#"["sender","zipkin"]"#));
    assert!(get(server.web, "/api/traces/1").unwrap().1.contains("processes"), "Jaeger's form of a trace");
    assert!(get(server.web, "/tempo/api/traces/1").unwrap().1.contains("batches"), "Tempo's form of a trace");

    for address in [server.grpc, server.web] {
        let channel = channel(address).await;
        let own = TraceQueryClient::new(channel.clone()).list_services(ListServicesRequest::default()).await;
        assert_eq!(own.unwrap().into_inner().services, services);
        let v3 = QueryServiceClient::new(channel.clone()).get_services(GetServicesRequest {}).await;
        assert_eq!(v3.unwrap().into_inner().services, services);
        let stored = TraceReaderClient::new(channel.clone()).get_services(storage::GetServicesRequest {}).await;
        assert_eq!(stored.unwrap().into_inner().services, services);
        let request = storage::GetDependenciesRequest::default();
        DependencyReaderClient::new(channel.clone()).get_dependencies(request).await.unwrap();
        let request = storage::GetCapabilitiesRequest::default();
        CapabilitiesClient::new(channel.clone()).get_capabilities(request).await.unwrap();
        let tags = StreamingQuerierClient::new(channel.clone()).search_tags(SearchTagsRequest::default()).await;
        assert!(tags.unwrap().into_inner().message().await.unwrap().is_some());
        serves(channel.clone(), "jaeger.storage.v2.TraceReader").await;
        assert_eq!(listed(channel).await.len(), 10);
    }

    let channel = channel(server.jaeger).await;
    let mut client = QueryServiceClient::new(channel.clone());
    assert_eq!(client.get_services(GetServicesRequest {}).await.unwrap().into_inner().services, services);
    let request = GetTraceRequest { trace_id: "2".to_owned(), ..GetTraceRequest::default() };
    let part = client.get_trace(request).await.unwrap().into_inner().message().await.unwrap().unwrap();
    assert_eq!(part.resource_spans.len(), 1);
    serves(channel.clone(), "").await;
    serves(channel.clone(), "jaeger.api_v3.QueryService").await;
    let expected = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "jaeger.api_v3.QueryService",
    ];
    assert_eq!(listed(channel.clone()).await, expected);
    let other = TraceQueryClient::new(channel.clone()).list_services(ListServicesRequest::default()).await;
    assert_eq!(other.unwrap_err().code(), Code::Unimplemented);
    let other = TraceReaderClient::new(channel).get_services(storage::GetServicesRequest {}).await;
    assert_eq!(other.unwrap_err().code(), Code::Unimplemented);
    for (path, expected) in [("/api/v3/services", 404), ("/v1/traces", 404), ("/purge", 404)] {
        assert_eq!(get(server.jaeger, path).unwrap().0, expected, "{path}");
    }
    assert!(server.stop().success());
}

/// Guarantee: an address that nobody asked for is not opened, and one that is taken ends the start with a sentence.
#[test]
fn what_nobody_asks_for_is_closed() {
    let directory = Directory::create();
    let url = format!("sqlite:{}", directory.file("spans.db"));
    let server = Server::start(&url);
    assert_eq!((server.jaeger.port(), server.zipkin.port()), (0, 0));
    let taken = server.web.to_string();
    let other = format!("sqlite:{}", directory.file("other.db"));
    for flag in ["--jaeger-listen", "--zipkin-listen"] {
        let args = ["serve", "--database-url", &other, "--grpc-listen=127.0.0.1:0", "--http-listen=127.0.0.1:0"];
        let output = command(env!("CARGO_BIN_EXE_tracewell"))
            .args(args)
            .args(["--web-listen=127.0.0.1:0", flag, &taken])
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let sentence = format!("tracewell: can not listen on {taken} ({flag})");
        assert!(!output.status.success() && stderr.lines().last().unwrap().starts_with(&sentence), "{stderr}");
    }
    assert!(server.stop().success());
}
