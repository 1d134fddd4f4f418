//! `jaeger.storage.v2`: what Jaeger asks of its storage when that is tracewell. Jaeger writes by OTLP.
//!
//! Traces are sent as they are stored, whole, in the parts that `traces.rs` makes; those that are not there are passed over.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

use super::super::generated::jaeger::api_v3;
use super::super::generated::jaeger::storage::v2 as proto;
use super::super::generated::jaeger::storage::v2::any_value::Value as Any;
use super::super::generated::jaeger::storage::v2::capabilities_server::{Capabilities, CapabilitiesServer};
use super::super::generated::jaeger::storage::v2::dependency_reader_server::{
    DependencyReader, DependencyReaderServer,
};
use super::super::generated::jaeger::storage::v2::trace_reader_server::{TraceReader, TraceReaderServer};
use super::super::status::Failure;
use super::moments::{moment, nanos};
use super::parameters::bad;
use super::search::{self, Asked, Wanted};
use super::traces::{self, Form, Found, Parts};
use super::{JaegerDoor, in_time, names, summaries, times};
use crate::model::{Attribute, Attributes, Operation, TraceId, TraceSummary, UnixNanos, Value};

/// So many traces may be asked for at once.
const NAMED_TRACES_MAX: usize = 10_000;
/// So many summaries are in one message: each names the services of its trace.
const SUMMARIES_PER_MESSAGE: usize = 20;

/// Gives a service the encodings that a client may like.
macro_rules! compressed {
    ($service:expr) => {{
        let mut service = $service;
        for encoding in [CompressionEncoding::Zstd, CompressionEncoding::Gzip] {
            service = service.accept_compressed(encoding).send_compressed(encoding);
        }
        service
    }};
}

/// What reads traces.
pub(super) fn trace_reader(door: Arc<JaegerDoor>) -> TraceReaderServer<Reader> {
    compressed!(TraceReaderServer::new(Reader { door }))
}

/// What says who calls whom.
pub(super) fn dependency_reader(door: Arc<JaegerDoor>) -> DependencyReaderServer<Reader> {
    compressed!(DependencyReaderServer::new(Reader { door }))
}

/// What says what can be asked.
pub(super) fn capabilities() -> CapabilitiesServer<Able> {
    compressed!(CapabilitiesServer::new(Able))
}

/// What answers.
pub(super) struct Reader {
    door: Arc<JaegerDoor>,
}

/// What all of it can do.
pub(super) struct Able;

#[tonic::async_trait]
impl Capabilities for Able {
    async fn get_capabilities(
        &self,
        _request: Request<proto::GetCapabilitiesRequest>,
    ) -> Result<Response<proto::GetCapabilitiesResponse>, Status> {
        let search =
            proto::SearchCapabilities { without_service_name: true, same_span_conjunction: true, filter: None };
        Ok(Response::new(proto::GetCapabilitiesResponse { search: Some(search) }))
    }
}

#[tonic::async_trait]
impl DependencyReader for Reader {
    async fn get_dependencies(
        &self,
        request: Request<proto::GetDependenciesRequest>,
    ) -> Result<Response<proto::GetDependenciesResponse>, Status> {
        let (query, request) = (&self.door.query, request.into_inner());
        let calls = in_time(query, async {
            let start = moment("start_time", request.start_time)?.unwrap_or_default();
            summaries::calls(query, start, moment("end_time", request.end_time)?).await
        });
        let calls = calls.await.map_err(status)?.into_iter();
        let dependency = |((parent, child), call_count)| {
            let source = String::new();
            proto::Dependency { parent, child, call_count, source }
        };
        Ok(Response::new(proto::GetDependenciesResponse { dependencies: calls.map(dependency).collect() }))
    }
}

#[tonic::async_trait]
impl TraceReader for Reader {
    type GetTracesStream = Parts;

    async fn get_traces(&self, request: Request<proto::GetTracesRequest>) -> Result<Response<Parts>, Status> {
        let ids = named(&request.into_inner().query).map_err(status)?;
        Ok(Response::new(traces::send_all(Arc::clone(&self.door.query), ids, Form::Raw)))
    }

    async fn get_services(
        &self,
        _request: Request<proto::GetServicesRequest>,
    ) -> Result<Response<proto::GetServicesResponse>, Status> {
        let services = in_time(&self.door.query, names::services(&self.door.query)).await.map_err(status)?;
        Ok(Response::new(proto::GetServicesResponse { services }))
    }

    async fn get_operations(
        &self,
        request: Request<proto::GetOperationsRequest>,
    ) -> Result<Response<proto::GetOperationsResponse>, Status> {
        let (query, request) = (&self.door.query, request.into_inner());
        let operations = in_time(query, async {
            if request.service.is_empty() {
                return Err(bad("service", "is required"));
            }
            names::operations(query, &request.service, names::kind("span_kind", &request.span_kind)?).await
        });
        let operation = |operation: Operation| proto::Operation {
            span_kind: names::kind_name(operation.kind).to_owned(),
            name: operation.name,
        };
        let operations = operations.await.map_err(status)?.into_iter().map(operation).collect();
        Ok(Response::new(proto::GetOperationsResponse { operations }))
    }

    type FindTracesStream = Parts;

    async fn find_traces(&self, request: Request<proto::FindTracesRequest>) -> Result<Response<Parts>, Status> {
        let found = self.find(request.into_inner().query).await?;
        Ok(Response::new(traces::send_all(Arc::clone(&self.door.query), found.ids(), Form::Raw)))
    }

    async fn find_trace_i_ds(
        &self,
        request: Request<proto::FindTraceIDsRequest>,
    ) -> Result<Response<proto::FindTraceIDsResponse>, Status> {
        let found = self.find(request.into_inner().query).await?;
        let trace_ids = found.summaries.iter().map(found_id).collect();
        Ok(Response::new(proto::FindTraceIDsResponse { trace_ids, next_page_token: found.next }))
    }

    type FindTraceSummariesStream = BoxStream<'static, Result<proto::FindTraceSummariesResponse, Status>>;

    async fn find_trace_summaries(
        &self,
        request: Request<proto::FindTraceSummariesRequest>,
    ) -> Result<Response<Self::FindTraceSummariesStream>, Status> {
        let query = &self.door.query;
        let found = self.find(request.into_inner().query).await?;
        let summaries = in_time(query, summaries::of(query, &found.summaries)).await.map_err(status)?;
        let summaries: Vec<_> =
            found.summaries.iter().zip(summaries).map(|(of, one)| summary(of.trace_id, one)).collect();
        let message = |summaries: &[proto::TraceSummary]| proto::FindTraceSummariesResponse {
            summaries: summaries.to_vec(),
            next_page_token: String::new(),
        };
        let mut messages: Vec<_> = summaries.chunks(SUMMARIES_PER_MESSAGE).map(message).collect();
        if messages.is_empty() && !found.next.is_empty() {
            messages.push(proto::FindTraceSummariesResponse::default());
        }
        if let Some(last) = messages.last_mut() {
            last.next_page_token = found.next;
        }
        Ok(Response::new(stream::iter(messages.into_iter().map(Ok)).boxed()))
    }
}

impl Reader {
    /// What is found. Who asks by pages hears how to go on; who does not, gets as many as he asked for.
    async fn find(&self, sent: Option<proto::TraceQueryParameters>) -> Result<Found, Status> {
        let query = &self.door.query;
        let found = in_time(query, async {
            let (asked, page) = asked(sent)?;
            match page {
                Some(page) => traces::find_after(query, &asked, page.page_token).await,
                None => Ok(Found { next: String::new(), ..traces::find(query, &asked).await? }),
            }
        });
        found.await.map_err(status)
    }
}

/// By value: what `map_err` gives.
#[expect(clippy::needless_pass_by_value, reason = "it is given as a function")]
fn status(failure: Failure) -> Status {
    failure.to_grpc()
}

/// The traces that are named, each once. Where to look is known by the id: the times need only be times.
fn named(sent: &[proto::GetTraceParams]) -> Result<Vec<TraceId>, Failure> {
    if sent.len() > NAMED_TRACES_MAX {
        return Err(bad("query", format!("must not name more than {NAMED_TRACES_MAX} traces")));
    }
    let (mut ids, mut known) = (Vec::with_capacity(sent.len()), HashSet::new());
    for one in sent {
        let id = TraceId::from_slice(&one.trace_id).map_err(|error| bad("trace_id", error.to_string()))?;
        moment("start_time", one.start_time)?;
        moment("end_time", one.end_time)?;
        if known.insert(id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn found_id(found: &TraceSummary) -> proto::FoundTraceId {
    proto::FoundTraceId {
        trace_id: found.trace_id.as_bytes().to_vec(),
        start: Some(times::to_timestamp(found.start)),
        end: Some(times::to_timestamp(found.end)),
    }
}

fn summary(id: TraceId, summary: api_v3::TraceSummary) -> proto::TraceSummary {
    let service = |service: api_v3::ServiceSummary| proto::ServiceSummary {
        name: service.name,
        span_count: service.span_count,
        error_span_count: service.error_span_count,
    };
    proto::TraceSummary {
        trace_id: id.as_bytes().to_vec(),
        root_service_name: summary.root_service_name,
        root_operation_name: summary.root_operation_name,
        min_start_time_unix_nano: summary.min_start_time_unix_nano,
        max_end_time_unix_nano: summary.max_end_time_unix_nano,
        span_count: summary.span_count,
        error_span_count: summary.error_span_count,
        orphan_span_count: summary.orphan_span_count,
        services: summary.services.into_iter().map(service).collect(),
    }
}

fn asked(sent: Option<proto::TraceQueryParameters>) -> Result<(Asked, Option<proto::Pagination>), Failure> {
    let sent = sent.ok_or_else(|| bad("query", "is required"))?;
    if sent.filter.is_some() {
        return Err(bad("filter", "is not supported, as GetCapabilities says: use the other fields"));
    }
    let all_time = (UnixNanos(0), UnixNanos(u64::MAX));
    let wanted = Wanted {
        start_min: Some(moment("start_time_min", sent.start_time_min)?.unwrap_or(all_time.0)),
        start_max: Some(moment("start_time_max", sent.start_time_max)?.unwrap_or(all_time.1)),
        duration_min_nanos: nanos("duration_min", sent.duration_min)?,
        duration_max_nanos: nanos("duration_max", sent.duration_max)?,
        service: sent.service_name,
        operation: sent.operation_name,
        attributes: sent.attributes.into_iter().map(|one| (one.key, value(one.value))).collect(),
    };
    let page_size = sent.pagination.as_ref().map(|page| page.page_size).filter(|size| *size > 0);
    let depth = match page_size {
        Some(size) => search::depth("page_size", i32::try_from(size).unwrap_or(i32::MAX))?,
        None => search::depth("search_depth", sent.search_depth)?,
    };
    Ok((Asked { question: wanted.question()?, depth }, sent.pagination))
}

/// Messages come as deep as their decoder lets them.
fn value(sent: Option<proto::AnyValue>) -> Value {
    match sent.and_then(|sent| sent.value) {
        None => Value::Null,
        Some(Any::StringValue(text)) => Value::String(text),
        Some(Any::BoolValue(value)) => Value::Bool(value),
        Some(Any::IntValue(value)) => Value::Int(value),
        Some(Any::DoubleValue(value)) => Value::Double(value),
        Some(Any::BytesValue(bytes)) => Value::Bytes(bytes),
        Some(Any::ArrayValue(list)) => Value::Array(list.values.into_iter().map(|one| value(Some(one))).collect()),
        Some(Any::KvlistValue(map)) => {
            let attribute = |one: proto::KeyValue| Attribute { key: one.key, value: value(one.value) };
            Value::Map(Attributes(map.values.into_iter().map(attribute).collect()))
        }
    }
}
