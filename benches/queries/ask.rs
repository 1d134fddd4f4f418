//! A trace by its id, and the newest traces of a service, in the words of each door.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, TracesData};
use prost::Message;
use prost_types::Timestamp;
use serde_json::Value as Json;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use tracewell::model::TraceId;
use tracewell::server::generated::jaeger::api_v3 as v3;
use tracewell::server::generated::jaeger::api_v3::query_service_client::QueryServiceClient;
use tracewell::server::generated::jaeger::storage::v2 as storage;
use tracewell::server::generated::jaeger::storage::v2::trace_reader_client::TraceReaderClient;
use tracewell::server::generated::tempopb;
use tracewell::server::generated::tempopb::streaming_querier_client::StreamingQuerierClient;
use tracewell::server::generated::tracewell_v1::{GetTraceRequest, SearchRequest};

use super::super::{Args, Client, MESSAGE_BYTES_MAX, connect};
use super::{Door, Search};

const PROTOBUF: &str = "application/protobuf";
const JSON: &str = "application/json";

/// What came back: as many spans of a trace, or traces of a search, as are to be counted.
pub(super) enum Got {
    /// They are counted.
    Counted(usize),
    Tempo(Bytes),
    TempoOlder(Bytes),
    Json(Bytes, fn(&Json) -> usize),
}

impl Got {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Counted(count) => *count,
            Self::Tempo(body) => {
                let trace = tempopb::TraceByIdResponse::decode(body.clone()).ok().and_then(|answer| answer.trace);
                trace.map_or(0, |trace| spans(&trace.resource_spans))
            }
            Self::TempoOlder(body) => TracesData::decode(body.clone()).map_or(0, |trace| spans(&trace.resource_spans)),
            Self::Json(body, count) => serde_json::from_slice(body).map_or(0, |json: Json| count(&json)),
        }
    }
}

fn spans(groups: &[ResourceSpans]) -> usize {
    groups.iter().flat_map(|group| &group.scope_spans).map(|scope| scope.spans.len()).sum()
}

fn length(list: &Json) -> usize {
    list.as_array().map_or(0, Vec::len)
}

fn spans_of_json(groups: &Json) -> usize {
    let scopes = groups.as_array().into_iter().flatten().filter_map(|group| group.get("scopeSpans")?.as_array());
    scopes.flatten().map(|scope| scope.get("spans").map_or(0, length)).sum()
}

/// Traces that spans in JSON are of.
fn traces_of_json(groups: &Json) -> usize {
    let scopes = groups.as_array().into_iter().flatten().filter_map(|group| group.get("scopeSpans")?.as_array());
    let spans = scopes.flatten().filter_map(|scope| scope.get("spans")?.as_array()).flatten();
    spans.filter_map(|span| span.get("traceId")?.as_str()).collect::<std::collections::BTreeSet<_>>().len()
}

/// One for each protocol.
pub(super) struct Clients {
    own: Client,
    tempo: StreamingQuerierClient<Channel>,
    v3: QueryServiceClient<Channel>,
    storage: TraceReaderClient<Channel>,
    http: HttpClient<HttpConnector, Empty<Bytes>>,
    web: String,
    zipkin: String,
}

/// By value: what `map_err` gives.
#[expect(clippy::needless_pass_by_value, reason = "it is given as a function")]
fn failed(status: Status) -> String {
    format!("{:?}", status.code())
}

impl Clients {
    pub(super) async fn connect(args: &Args) -> Self {
        let web = args.address.clone().unwrap_or_default();
        let channel = Channel::from_shared(web.clone()).expect("an address").tcp_nodelay(true);
        let channel = channel.connect().await.expect("nobody answers at the address");
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let storage = TraceReaderClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Self {
            own: connect(args).await,
            tempo: StreamingQuerierClient::new(channel.clone()),
            v3: QueryServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX),
            storage,
            http: HttpClient::builder(TokioExecutor::new()).build(connector),
            web,
            zipkin: args.zipkin.clone().unwrap_or_default(),
        }
    }

    /// A trace by its id, and how long that took.
    pub(super) async fn trace(&self, door: Door, id: &str) -> Result<(Duration, Got), String> {
        let began = Instant::now();
        let got = match door {
            Door::Own | Door::OwnTraceql | Door::OwnWhole => self.own_trace(id).await,
            Door::Tempo | Door::TempoStream => {
                self.get(&self.web, &format!("/api/v2/traces/{id}"), PROTOBUF).await.map(Got::Tempo)
            }
            Door::TempoJson => {
                let count = |json: &Json| json.pointer("/trace/resourceSpans").map_or(0, spans_of_json);
                self.json(&self.web, &format!("/api/v2/traces/{id}"), count).await
            }
            Door::TempoOlder => self.get(&self.web, &format!("/api/traces/{id}"), PROTOBUF).await.map(Got::TempoOlder),
            Door::V3 | Door::V3Summaries => {
                let request = v3::GetTraceRequest { trace_id: id.to_owned(), ..Default::default() };
                let parts = self.v3.clone().get_trace(request).await.map_err(failed)?.into_inner();
                counted(parts, false).await
            }
            Door::V3Path => {
                let count = |json: &Json| json.pointer("/result/resourceSpans").map_or(0, spans_of_json);
                self.json(&self.web, &format!("/api/v3/traces/{id}"), count).await
            }
            Door::Older => {
                let count = |json: &Json| json.pointer("/data/0/spans").map_or(0, length);
                self.json(&self.web, &format!("/api/traces/{id}"), count).await
            }
            Door::Storage | Door::StorageIds => {
                let trace_id = TraceId::parse_hex(id).map_err(|error| error.to_string())?.as_bytes().to_vec();
                let query = vec![storage::GetTraceParams { trace_id, ..Default::default() }];
                let parts = self.storage.clone().get_traces(storage::GetTracesRequest { query }).await;
                counted(parts.map_err(failed)?.into_inner(), false).await
            }
            Door::Zipkin => self.json(&self.zipkin, &format!("/api/v2/trace/{id}"), length).await,
        };
        Ok((began.elapsed(), got?))
    }

    /// The newest traces, and how long that took.
    pub(super) async fn search(&self, door: Door, search: &Search) -> Result<(Duration, Got), String> {
        let Search { request, start, end, traces_max } = search;
        let (service, limit) = (request.service.as_str(), traces_max);
        let began = Instant::now();
        let got = match door {
            Door::Own => self.own_search(request.clone()).await,
            Door::OwnTraceql => {
                let (query, service) = (of_service(service), String::new());
                self.own_search(SearchRequest { query, service, ..request.clone() }).await
            }
            Door::OwnWhole => {
                let found = self.own.clone().search_traces(request.clone()).await.map_err(failed)?.into_inner();
                for trace in &found.traces {
                    self.own_trace(&trace.trace_id).await?;
                }
                Ok(Got::Counted(found.traces.len()))
            }
            Door::Tempo | Door::TempoJson | Door::TempoOlder => {
                let query = encoded(&of_service(service));
                let path = format!("/api/search?q={query}&start={start}&end={end}&limit={limit}");
                self.json(&self.web, &path, |json| json.get("traces").map_or(0, length)).await
            }
            Door::TempoStream => self.tempo_stream(search).await,
            Door::V3 => {
                let request = v3::FindTracesRequest { query: Some(v3_query(search)) };
                counted(self.v3.clone().find_traces(request).await.map_err(failed)?.into_inner(), true).await
            }
            Door::V3Summaries => self.v3_summaries(search).await,
            Door::V3Path => {
                let start = Timestamp { seconds: i64::try_from(*start).unwrap_or(i64::MAX), nanos: 0 };
                let [start, end] = [start, before(*end)].map(|time| encoded(&time.to_string()));
                let path = format!(
                    "/api/v3/traces?query.serviceName={}&query.startTimeMin={start}&query.startTimeMax={end}\
                     &query.searchDepth={limit}",
                    encoded(service)
                );
                let count = |json: &Json| json.pointer("/result/resourceSpans").map_or(0, traces_of_json);
                self.json(&self.web, &path, count).await
            }
            Door::Older => {
                let [start, end] = [*start, *end].map(|seconds| seconds.saturating_mul(1_000_000));
                let end = end.saturating_sub(1);
                let service = encoded(service);
                let path = format!("/api/traces?service={service}&start={start}&end={end}&limit={limit}");
                self.json(&self.web, &path, |json| json.get("data").map_or(0, length)).await
            }
            Door::Storage => {
                let request = storage::FindTracesRequest { query: Some(storage_query(search)) };
                counted(self.storage.clone().find_traces(request).await.map_err(failed)?.into_inner(), true).await
            }
            Door::StorageIds => {
                let request = storage::FindTraceIDsRequest { query: Some(storage_query(search)) };
                let found = self.storage.clone().find_trace_i_ds(request).await.map_err(failed)?.into_inner();
                Ok(Got::Counted(found.trace_ids.len()))
            }
            Door::Zipkin => {
                let [start, end] = [*start, *end].map(|seconds| seconds.saturating_mul(1_000));
                let end = end.saturating_sub(1);
                let lookback = end.saturating_sub(start);
                let service = encoded(service);
                let path =
                    format!("/api/v2/traces?serviceName={service}&endTs={end}&lookback={lookback}&limit={limit}");
                self.json(&self.zipkin, &path, length).await
            }
        };
        Ok((began.elapsed(), got?))
    }

    async fn own_search(&self, request: SearchRequest) -> Result<Got, String> {
        let found = self.own.clone().search_traces(request).await.map_err(failed)?.into_inner();
        Ok(Got::Counted(found.traces.len()))
    }

    async fn own_trace(&self, id: &str) -> Result<Got, String> {
        let request = GetTraceRequest { trace_id: id.to_owned() };
        let mut parts = self.own.clone().get_trace(request).await.map_err(failed)?.into_inner();
        let mut count = 0_usize;
        while let Some(part) = parts.message().await.map_err(failed)? {
            count = count.saturating_add(part.spans.len());
        }
        Ok(Got::Counted(count))
    }

    async fn tempo_stream(&self, search: &Search) -> Result<Got, String> {
        let request = tempopb::SearchRequest {
            query: of_service(&search.request.service),
            start: u32::try_from(search.start).unwrap_or(u32::MAX),
            end: u32::try_from(search.end).unwrap_or(u32::MAX),
            limit: search.traces_max,
            ..Default::default()
        };
        let mut parts = self.tempo.clone().search(request).await.map_err(failed)?.into_inner();
        let mut count = 0_usize;
        while let Some(part) = parts.message().await.map_err(failed)? {
            count = count.saturating_add(part.traces.len());
        }
        Ok(Got::Counted(count))
    }

    async fn v3_summaries(&self, search: &Search) -> Result<Got, String> {
        let request = v3::FindTraceSummariesRequest { query: Some(v3_query(search)) };
        let mut parts = self.v3.clone().find_trace_summaries(request).await.map_err(failed)?.into_inner();
        let mut count = 0_usize;
        while let Some(part) = parts.message().await.map_err(failed)? {
            count = count.saturating_add(part.summaries.len());
        }
        Ok(Got::Counted(count))
    }

    async fn json(&self, address: &str, path: &str, count: fn(&Json) -> usize) -> Result<Got, String> {
        self.get(address, path, JSON).await.map(|body| Got::Json(body, count))
    }

    async fn get(&self, address: &str, path: &str, accepted: &str) -> Result<Bytes, String> {
        let request = Request::get(format!("{address}{path}")).header("accept", accepted);
        let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
        let answer = self.http.request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        match status {
            // Nothing was found: Jaeger's way to say it.
            StatusCode::NOT_FOUND => Ok(Bytes::new()),
            _ if status.is_success() => Ok(body),
            _ => Err(status.to_string()),
        }
    }
}

/// The spans of a stream, or its traces, none of whose parts are of two.
async fn counted(mut parts: Streaming<TracesData>, traces: bool) -> Result<Got, String> {
    let (mut count, mut last) = (0_usize, Vec::new());
    while let Some(part) = parts.message().await.map_err(failed)? {
        if !traces {
            count = count.saturating_add(spans(&part.resource_spans));
            continue;
        }
        let scopes = part.resource_spans.iter().flat_map(|group| &group.scope_spans);
        let id = scopes.flat_map(|scope| &scope.spans).map(|span| span.trace_id.clone()).next().unwrap_or_default();
        if id != last {
            count = count.saturating_add(1);
            last = id;
        }
    }
    Ok(Got::Counted(count))
}

fn of_service(service: &str) -> String {
    format!("{{ resource.service.name = {service:?} }}")
}

/// The last moment before a second.
fn before(seconds: u64) -> Timestamp {
    Timestamp { seconds: i64::try_from(seconds.saturating_sub(1)).unwrap_or(i64::MAX), nanos: 999_999_999 }
}

fn v3_query(search: &Search) -> v3::TraceQueryParameters {
    v3::TraceQueryParameters {
        service_name: search.request.service.clone(),
        start_time_min: search.request.start_time_min,
        start_time_max: Some(before(search.end)),
        search_depth: i32::try_from(search.traces_max).unwrap_or(i32::MAX),
        ..Default::default()
    }
}

fn storage_query(search: &Search) -> storage::TraceQueryParameters {
    storage::TraceQueryParameters {
        service_name: search.request.service.clone(),
        start_time_min: search.request.start_time_min,
        start_time_max: Some(before(search.end)),
        search_depth: i32::try_from(search.traces_max).unwrap_or(i32::MAX),
        ..Default::default()
    }
}

/// Percent-encoded.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| format!("{encoded}%{byte:02X}"))
}
