//! What the query door answers, as the messages that were sent.

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost_types::Timestamp;
use tonic::transport::Endpoint;
use tracewell::server::generated::tracewell_v1::trace_query_client::TraceQueryClient;
use tracewell::server::generated::tracewell_v1::{self as proto, GetTraceRequest};

use crate::support::process::Server;

/// All spans of a trace, each with its own resource and scope.
pub(super) async fn trace(server: &Server, trace_id: [u8; 16]) -> Result<Vec<ResourceSpans>, String> {
    let channel = Endpoint::new(format!("http://{}", server.grpc)).unwrap().connect_lazy();
    let client = TraceQueryClient::new(channel);
    let request = GetTraceRequest { trace_id: format!("{:032x}", u128::from_be_bytes(trace_id)) };
    let answer = client.max_decoding_message_size(usize::MAX).get_trace(request).await;
    let mut answer = answer.map_err(|status| format!("{status:?}"))?.into_inner();
    let mut spans = Vec::new();
    while let Some(chunk) = answer.message().await.map_err(|status| format!("{status:?}"))? {
        spans.extend(chunk.spans.into_iter().map(as_sent));
    }
    Ok(spans)
}

/// The beginning of a span's name.
pub(super) fn short_name(group: &ResourceSpans) -> String {
    group.scope_spans[0].spans[0].name.chars().take(20).collect()
}

fn as_sent(mut answered: proto::Span) -> ResourceSpans {
    let scope = answered.scope.take().unwrap();
    let resource = answered.resource.take().unwrap();
    let scope_spans = ScopeSpans {
        scope: Some(InstrumentationScope {
            name: scope.name,
            version: scope.version,
            attributes: scope.attributes,
            dropped_attributes_count: scope.dropped_attributes_count,
        }),
        spans: vec![span(answered)],
        schema_url: scope.schema_url,
    };
    ResourceSpans {
        resource: Some(Resource {
            attributes: resource.attributes,
            dropped_attributes_count: resource.dropped_attributes_count,
            entity_refs: resource.entity_refs,
        }),
        scope_spans: vec![scope_spans],
        schema_url: resource.schema_url,
    }
}

fn span(answered: proto::Span) -> Span {
    let status = answered.status.unwrap();
    Span {
        trace_id: bytes(&answered.trace_id),
        span_id: bytes(&answered.span_id),
        trace_state: answered.trace_state,
        parent_span_id: bytes(&answered.parent_span_id),
        flags: answered.flags,
        name: answered.name,
        kind: answered.kind,
        start_time_unix_nano: nanos(answered.start_time),
        end_time_unix_nano: nanos(answered.end_time),
        attributes: answered.attributes,
        dropped_attributes_count: answered.dropped_attributes_count,
        events: answered.events.into_iter().map(event).collect(),
        dropped_events_count: answered.dropped_events_count,
        links: answered.links.into_iter().map(link).collect(),
        dropped_links_count: answered.dropped_links_count,
        status: Some(Status { message: status.message, code: status.code }),
    }
}

fn event(answered: proto::Event) -> Event {
    Event {
        time_unix_nano: nanos(answered.time),
        name: answered.name,
        attributes: answered.attributes,
        dropped_attributes_count: answered.dropped_attributes_count,
    }
}

fn link(answered: proto::Link) -> Link {
    Link {
        trace_id: bytes(&answered.trace_id),
        span_id: bytes(&answered.span_id),
        trace_state: answered.trace_state,
        attributes: answered.attributes,
        dropped_attributes_count: answered.dropped_attributes_count,
        flags: answered.flags,
    }
}

fn nanos(time: Option<Timestamp>) -> u64 {
    let Timestamp { seconds, nanos } = time.unwrap();
    u64::try_from(seconds).unwrap() * 1_000_000_000 + u64::try_from(nanos).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}
