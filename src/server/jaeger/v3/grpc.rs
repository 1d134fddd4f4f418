//! The gRPC service. What is asked is read here; answers are streams of parts that `traces.rs` makes.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

use super::super::super::generated::jaeger::api_v3::query_service_server::{QueryService, QueryServiceServer};
use super::super::super::generated::jaeger::api_v3::{self as proto};
use super::super::super::status::Failure;
use super::super::moments::{moment, nanos, required};
use super::super::parameters::bad;
use super::super::search::{self, Asked, Wanted};
use super::super::traces::{self, Form, Parts};
use super::super::{JaegerDoor, in_time, names, summaries};
use crate::model::Value;
use crate::query::QueryError;

/// So many summaries are in one message: each names the services of its trace.
const SUMMARIES_PER_MESSAGE: usize = 20;

/// The service. Answers are compressed as the client likes it.
pub(in super::super) fn service(door: Arc<JaegerDoor>) -> QueryServiceServer<Service> {
    let mut service = QueryServiceServer::new(Service { door });
    for encoding in [CompressionEncoding::Zstd, CompressionEncoding::Gzip] {
        service = service.accept_compressed(encoding).send_compressed(encoding);
    }
    service
}

/// What answers.
pub(in super::super) struct Service {
    door: Arc<JaegerDoor>,
}

#[tonic::async_trait]
impl QueryService for Service {
    type GetTraceStream = Parts;

    async fn get_trace(&self, request: Request<proto::GetTraceRequest>) -> Result<Response<Parts>, Status> {
        let request = request.into_inner();
        let id = traces::parse(&request.trace_id).map_err(|reason| status(&bad("trace_id", reason)))?;
        // Where to look is known by the id: the times need only be times.
        for (field, time) in [("start_time", request.start_time), ("end_time", request.end_time)] {
            moment(field, time).map_err(|failure| status(&failure))?;
        }
        let spans = self.door.query.trace(id).await.map_err(|error| match error {
            QueryError::NotFound { .. } => status(&Failure::NotFound("trace".to_owned())),
            error => status(&error.into()),
        })?;
        let parts = traces::send_one(Arc::clone(&self.door.query), spans, Form::of(request.raw_traces));
        Ok(Response::new(parts))
    }

    type FindTracesStream = Parts;

    async fn find_traces(&self, request: Request<proto::FindTracesRequest>) -> Result<Response<Parts>, Status> {
        let query = &self.door.query;
        let asked = request.into_inner().query;
        let is_raw = asked.as_ref().is_some_and(|asked| asked.raw_traces);
        let asked = self::asked(asked).map_err(|failure| status(&failure))?;
        let found = in_time(query, traces::find(query, &asked)).await.map_err(|failure| status(&failure))?;
        let parts = traces::send_all(Arc::clone(query), found.ids(), Form::of(is_raw));
        Ok(noted(Response::new(parts), found.note))
    }

    async fn get_services(
        &self,
        _request: Request<proto::GetServicesRequest>,
    ) -> Result<Response<proto::GetServicesResponse>, Status> {
        let services = in_time(&self.door.query, names::services(&self.door.query)).await;
        services.map(|services| Response::new(proto::GetServicesResponse { services })).map_err(|one| status(&one))
    }

    async fn get_operations(
        &self,
        request: Request<proto::GetOperationsRequest>,
    ) -> Result<Response<proto::GetOperationsResponse>, Status> {
        let request = request.into_inner();
        let operations = async {
            if request.service.is_empty() {
                return Err(bad("service", "is required"));
            }
            let kind = names::kind("span_kind", &request.span_kind)?;
            names::operations(&self.door.query, &request.service, kind).await
        };
        let operations = in_time(&self.door.query, operations).await.map_err(|failure| status(&failure))?;
        let operation = |operation: crate::model::Operation| proto::Operation {
            span_kind: names::kind_name(operation.kind).to_owned(),
            name: operation.name,
        };
        Ok(Response::new(proto::GetOperationsResponse { operations: operations.into_iter().map(operation).collect() }))
    }

    async fn get_dependencies(
        &self,
        request: Request<proto::GetDependenciesRequest>,
    ) -> Result<Response<proto::DependenciesResponse>, Status> {
        let request = request.into_inner();
        let dependencies = async {
            let start = required("start_time", request.start_time)?;
            let end = required("end_time", request.end_time)?;
            summaries::calls(&self.door.query, start, Some(end)).await
        };
        let calls = in_time(&self.door.query, dependencies).await.map_err(|failure| status(&failure))?.into_iter();
        let dependency = |((parent, child), call_count)| proto::Dependency { parent, child, call_count };
        let dependencies = calls.map(dependency).collect();
        Ok(Response::new(proto::DependenciesResponse { dependencies }))
    }

    type FindTraceSummariesStream = BoxStream<'static, Result<proto::FindTraceSummariesResponse, Status>>;

    async fn find_trace_summaries(
        &self,
        request: Request<proto::FindTraceSummariesRequest>,
    ) -> Result<Response<Self::FindTraceSummariesStream>, Status> {
        let query = &self.door.query;
        let summaries = async {
            let asked = asked(request.into_inner().query)?;
            let found = traces::find(query, &asked).await?;
            Ok((summaries::of(query, &found.summaries).await?, found.note))
        };
        let (summaries, note) = in_time(query, summaries).await.map_err(|failure| status(&failure))?;
        let message = |part: &[proto::TraceSummary]| Ok(proto::FindTraceSummariesResponse { summaries: part.to_vec() });
        let messages: Vec<_> = summaries.chunks(SUMMARIES_PER_MESSAGE).map(message).collect();
        Ok(noted(Response::new(stream::iter(messages).boxed()), note))
    }
}

fn status(failure: &Failure) -> Status {
    failure.to_grpc()
}

/// Says of an answer that it is a part, as over HTTP.
fn noted<T>(mut response: Response<T>, note: &'static str) -> Response<T> {
    if !note.is_empty() {
        let value = tonic::metadata::MetadataValue::from_static(note);
        response.metadata_mut().insert("warning", value);
    }
    response
}

fn asked(sent: Option<proto::TraceQueryParameters>) -> Result<Asked, Failure> {
    let sent = sent.ok_or_else(|| bad("query", "is required"))?;
    if sent.filter.is_some() {
        return Err(bad("filter", "is not supported: use the other fields"));
    }
    let wanted = Wanted {
        start_min: Some(required("start_time_min", sent.start_time_min)?),
        start_max: Some(required("start_time_max", sent.start_time_max)?),
        duration_min_nanos: nanos("duration_min", sent.duration_min)?,
        duration_max_nanos: nanos("duration_max", sent.duration_max)?,
        service: sent.service_name,
        operation: sent.operation_name,
        attributes: sent.attributes.into_iter().map(|(key, text)| (key, Value::String(text))).collect(),
    };
    let depth = search::depth("search_depth", sent.search_depth)?;
    Ok(Asked { question: wanted.question()?, depth })
}
