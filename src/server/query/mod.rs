//! The gRPC query service: requests become model values (`request.rs`), answers become messages (`response.rs`), and
//! what happens between the two is floor 3's, in [`Query`].

use std::sync::Arc;

use futures::TryStreamExt;
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::generated::tracewell_v1::explain_request::Question as Explained;
use super::generated::tracewell_v1::trace_query_server::{TraceQuery, TraceQueryServer};
use super::generated::tracewell_v1::{
    ExplainRequest, ExplainResponse, GetTraceRequest, GetTraceResponse, ListAttributeKeysRequest,
    ListAttributeKeysResponse, ListAttributeValuesRequest, ListAttributeValuesResponse, ListOperationsRequest,
    ListOperationsResponse, ListServicesRequest, ListServicesResponse, QueryMetricsRequest, QueryMetricsResponse,
    SearchRequest, SearchSpansResponse, SearchTracesResponse,
};
use super::status::Failure;
use crate::query::{PageRequest, Query, QueryError};
use crate::store::SpanStream;

mod metrics;
mod names;
mod request;
mod response;
mod stream;

/// The largest request: far more than 32 attribute conditions need.
const REQUEST_BYTES_MAX: usize = 4 << 20;
/// A message of `GetTrace` ends before it is larger than this; only a single span that is larger makes a larger one.
const CHUNK_BYTES_MAX: usize = 1 << 20;
/// Messages of one `GetTrace` that wait for the client to read them.
const CHUNKS_WAITING_MAX: usize = 1;
/// Tag and length of a span in a message.
const SPAN_FRAME_BYTES: usize = 8;

/// The service `tracewell.v1.TraceQuery`, to which others can be added. Answers are compressed as the client likes it.
#[must_use]
pub fn routes(query: Arc<Query>) -> Routes {
    let mut service = TraceQueryServer::new(Service { query }).max_decoding_message_size(REQUEST_BYTES_MAX);
    for encoding in [CompressionEncoding::Zstd, CompressionEncoding::Gzip] {
        service = service.accept_compressed(encoding).send_compressed(encoding);
    }
    Routes::new(service)
}

/// Where the messages of one `GetTrace` go.
type Chunks = mpsc::Sender<Result<GetTraceResponse, Status>>;

struct Service {
    query: Arc<Query>,
}

#[tonic::async_trait]
impl TraceQuery for Service {
    type GetTraceStream = ReceiverStream<Result<GetTraceResponse, Status>>;

    async fn get_trace(&self, request: Request<GetTraceRequest>) -> Result<Response<Self::GetTraceStream>, Status> {
        let id = request::trace_id(&request.into_inner().trace_id).map_err(status)?;
        let spans = self.query.trace(id).await.map_err(status)?;
        let (sender, receiver) = mpsc::channel(CHUNKS_WAITING_MAX);
        tokio::spawn(send_trace(self.query.clone(), spans, sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn search_traces(&self, request: Request<SearchRequest>) -> Result<Response<SearchTracesResponse>, Status> {
        let asked = request::search(request.into_inner()).map_err(status)?;
        let page = self.query.search_traces(&asked.question.borrowed(), &asked.page()).await.map_err(status)?;
        Ok(Response::new(response::traces_page(page)))
    }

    async fn search_spans(&self, request: Request<SearchRequest>) -> Result<Response<SearchSpansResponse>, Status> {
        let asked = request::search(request.into_inner()).map_err(status)?;
        let page = self.query.search_spans(&asked.question.borrowed(), &asked.page()).await.map_err(status)?;
        Ok(Response::new(response::spans_page(page)))
    }

    async fn list_services(
        &self,
        request: Request<ListServicesRequest>,
    ) -> Result<Response<ListServicesResponse>, Status> {
        let request = request.into_inner();
        let page = PageRequest { size: Some(request.page_size), token: &request.page_token };
        let page = self.query.services(&page).await.map_err(status)?;
        Ok(Response::new(ListServicesResponse { services: page.items, next_page_token: page.next }))
    }

    type StreamTracesStream = ReceiverStream<Result<SearchTracesResponse, Status>>;

    async fn stream_traces(
        &self,
        request: Request<SearchRequest>,
    ) -> Result<Response<Self::StreamTracesStream>, Status> {
        let asked = request::search(request.into_inner()).map_err(status)?;
        stream::traces(Arc::clone(&self.query), asked).await.map(Response::new).map_err(status)
    }

    async fn query_metrics(
        &self,
        request: Request<QueryMetricsRequest>,
    ) -> Result<Response<QueryMetricsResponse>, Status> {
        let request = metrics::request(&request.into_inner()).map_err(status)?;
        let answer = self.query.metrics(&request).await.map_err(status)?;
        Ok(Response::new(metrics::response(answer)))
    }

    async fn list_attribute_keys(
        &self,
        request: Request<ListAttributeKeysRequest>,
    ) -> Result<Response<ListAttributeKeysResponse>, Status> {
        let (request, size, token) = names::keys_request(request.into_inner()).map_err(status)?;
        let page = PageRequest { size: Some(size), token: &token };
        let page = self.query.attribute_keys(&request, &page).await.map_err(status)?;
        Ok(Response::new(names::keys(page)))
    }

    async fn list_attribute_values(
        &self,
        request: Request<ListAttributeValuesRequest>,
    ) -> Result<Response<ListAttributeValuesResponse>, Status> {
        let (request, size, token) = names::values_request(request.into_inner()).map_err(status)?;
        let page = PageRequest { size: Some(size), token: &token };
        let page = self.query.attribute_values(&request, &page).await.map_err(status)?;
        Ok(Response::new(names::values(page)))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        match request.into_inner().question.ok_or_else(request::no_question).map_err(status)? {
            Explained::Search(request) => {
                let asked = request::search(request).map_err(status)?;
                let page = asked.page();
                let explained = self.query.explain_search(&asked.question.borrowed(), &page).await.map_err(status)?;
                Ok(Response::new(response::explained(explained)))
            }
            Explained::Metrics(request) => {
                let request = metrics::request(&request).map_err(status)?;
                let explained = self.query.explain_metrics(&request).await.map_err(status)?;
                Ok(Response::new(response::explained(explained)))
            }
        }
    }

    async fn list_operations(
        &self,
        request: Request<ListOperationsRequest>,
    ) -> Result<Response<ListOperationsResponse>, Status> {
        let request = request.into_inner();
        let service = request::service(&request.service).map_err(status)?;
        let page = PageRequest { size: Some(request.page_size), token: &request.page_token };
        let page = self.query.operations(service, &page).await.map_err(status)?;
        let operations = page.items.into_iter().map(response::operation).collect();
        Ok(Response::new(ListOperationsResponse { operations, next_page_token: page.next }))
    }
}

fn status(error: QueryError) -> Status {
    Failure::from(error).to_grpc()
}

/// Sends a trace for as long as the client is there. A client that reads slower than the time limit allows gets an
/// error at the end, and does not keep a connection of the database while it makes up its mind.
async fn send_trace(query: Arc<Query>, spans: SpanStream, chunks: Chunks) {
    let limit = query.settings().query_timeout;
    let all_sent = async {
        let sent = tokio::time::timeout(limit, send_chunks(spans, &chunks)).await;
        if let Err(error) = sent.unwrap_or(Err(QueryError::TimedOut { limit })) {
            // Fails only when the client is gone, and then there is nobody to tell.
            drop(chunks.send(Err(status(error))).await);
        }
    };
    tokio::select! {
        () = chunks.closed() => {}
        () = all_sent => {}
    }
}

/// Sends spans to the end of the stream, or until nobody takes them.
async fn send_chunks(mut spans: SpanStream, chunks: &Chunks) -> Result<(), QueryError> {
    let mut chunk = GetTraceResponse::default();
    let mut chunk_bytes = 0_usize;
    while let Some(span) = spans.try_next().await? {
        let span = response::span(&span);
        let span_bytes = span.encoded_len().saturating_add(SPAN_FRAME_BYTES);
        chunk_bytes = chunk_bytes.saturating_add(span_bytes);
        if chunk_bytes > CHUNK_BYTES_MAX && !chunk.spans.is_empty() {
            if chunks.send(Ok(std::mem::take(&mut chunk))).await.is_err() {
                return Ok(());
            }
            chunk_bytes = span_bytes;
        }
        chunk.spans.push(span);
    }
    drop(chunks.send(Ok(chunk)).await);
    Ok(())
}
