//! Names of 1 MiB: they are found by whoever asks for them, and do not stand in the way of other names.

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message;
use tonic::transport::{Channel, Endpoint};
use tracewell::server::generated::tracewell_v1::trace_query_client::TraceQueryClient;
use tracewell::server::generated::tracewell_v1::{ListOperationsRequest, ListServicesRequest, SearchRequest};

use super::sent::{neighbour, pair, span, text};
use super::{Door, send};
use crate::otlp::wire::delimited;
use crate::support::process::Server;

const TRACE_ID: [u8; 16] = [0xab; 16];

/// A name that sorts between "a" and "z", and differs from others at its end only.
fn long(end: char) -> String {
    format!("{}{end}", "m".repeat(1 << 20))
}

/// A span with these names of service, node and operation.
fn named(id: u64, service: &str, name: &str) -> ResourceSpans {
    let mut group = neighbour(TRACE_ID, id, name);
    group.resource.get_or_insert_default().attributes =
        vec![pair("service.name", text(service)), pair("host.name", text(&long('n')))];
    span(&mut group).attributes = vec![pair(&long('k'), text(&long('v')))];
    group
}

/// Guarantees: lists go through the long names, page by page, and a search by them finds exactly what has them.
pub(super) async fn check(server: &Server) {
    let (one, two) = (long('1'), long('2'));
    let spans =
        [named(1, "a", "z"), named(2, &one, &two), named(3, &two, &one), named(4, &two, &two), named(5, "z", "a")];
    let body = spans.iter().flat_map(|group| delimited(1, group.encode_to_vec())).collect();
    assert_eq!(send(server, Door::HttpProtobuf, body).await.unwrap().error_message, "");
    let channel = Endpoint::new(format!("http://{}", server.grpc)).unwrap().connect_lazy();
    let client = TraceQueryClient::new(channel);
    assert_eq!(services(&client).await, ["a", &one, &two, "z"]);
    assert_eq!(operations(&client, &two).await, [one.as_str(), &two]);
    let request = SearchRequest { service: two.clone(), span_name: one, node: long('n'), ..SearchRequest::default() };
    // A span has each name more than once, and so has more than a client takes by default.
    let found = client.clone().max_decoding_message_size(16 << 20).search_spans(request.clone()).await.unwrap();
    let ids: Vec<_> = found.into_inner().spans.into_iter().map(|span| span.span_id).collect();
    assert_eq!(ids, [format!("{:016x}", 3)]);
    let found = client.clone().search_traces(request).await.unwrap().into_inner().traces;
    assert_eq!(found.iter().map(|trace| trace.span_count).collect::<Vec<_>>(), [5]);
}

async fn services(client: &TraceQueryClient<Channel>) -> Vec<String> {
    let mut request = ListServicesRequest { page_size: 1, ..ListServicesRequest::default() };
    let mut names = Vec::new();
    loop {
        let page = client.clone().list_services(request.clone()).await.unwrap().into_inner();
        names.extend(page.services);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return names;
        }
    }
}

async fn operations(client: &TraceQueryClient<Channel>, service: &str) -> Vec<String> {
    let service = service.to_owned();
    let mut request = ListOperationsRequest { service, page_size: 1, ..ListOperationsRequest::default() };
    let mut names = Vec::new();
    loop {
        let page = client.clone().list_operations(request.clone()).await.unwrap().into_inner();
        names.extend(page.operations.into_iter().map(|operation| operation.name));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return names;
        }
    }
}
