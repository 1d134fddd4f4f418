//! A question in the words of each door. Ends of the time: `tracewell.v1` and Tempo leave them out; to Jaeger they belong, so
//! it is asked up to the nanosecond before, in the older API the microsecond; so they do to Zipkin, which is asked up to the
//! millisecond before.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use prost_types::{Duration, Timestamp};
use serde_json::{Value as Json, json};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tracewell::ingest::{Ingest, IngestSettings};
use tracewell::metrics::Metrics;
use tracewell::model::{TraceId, UnixNanos};
use tracewell::query::{Query, QuerySettings};
use tracewell::server::generated::jaeger::api_v3::query_service_client::QueryServiceClient;
use tracewell::server::generated::jaeger::api_v3::{self as v3, FindTraceSummariesRequest, FindTracesRequest};
use tracewell::server::generated::jaeger::storage::v2 as storage;
use tracewell::server::generated::jaeger::storage::v2::trace_reader_client::TraceReaderClient;
use tracewell::server::generated::tempopb::streaming_querier_client::StreamingQuerierClient;
use tracewell::server::generated::tempopb::{self, TraceByIdResponse};
use tracewell::server::generated::tracewell_v1 as own;
use tracewell::server::generated::tracewell_v1::trace_query_client::TraceQueryClient;
use tracewell::server::intake::{DoorSettings, Doors as Intake};
use tracewell::server::jaeger::{JaegerDoor, add_to};
use tracewell::server::listen::ListenSettings;
use tracewell::server::zipkin::{ZipkinDoor, router};
use tracewell::server::{pages, query, tempo};
use tracewell::store::SpanStore;

use super::Question;
use super::told::{Line, Trace, of_older, of_otlp, of_otlp_json, of_own, of_stream, of_zipkin};
use crate::wire::server::{A_WHILE, Listening};

/// Every door before one store.
pub(super) struct Doors {
    web: Listening,
    zipkin: Listening,
    channel: Channel,
}

impl Doors {
    pub(super) async fn before(store: Arc<dyn SpanStore>) -> Self {
        let asked = Arc::new(Query::new(Arc::clone(&store), QuerySettings::default()));
        let (jaeger, now) = (JaegerDoor::new(Arc::clone(&asked)), || UnixNanos(0));
        let routes = query::routes(Arc::clone(&asked)).add_service(tempo::service(Arc::clone(&asked), now));
        let web = add_to(routes, &jaeger).into_axum_router().merge(pages::router(&asked, &jaeger, now));
        let web = Listening::start(web, ListenSettings::default()).await;
        let metrics = Arc::new(Metrics::new());
        let settings = IngestSettings { queue_requests_max: 1, queue_bytes_max: 1, writers: 1, group_spans_max: 1 };
        let ingest = Ingest::start(Arc::clone(&store), settings, Arc::clone(&metrics));
        let settings = DoorSettings { request_bytes_max: 1, request_timeout: A_WHILE, cors_origins: Vec::new() };
        let zipkin = router(ZipkinDoor::new(Intake::new(ingest, metrics, settings), asked, store));
        let zipkin = Listening::start(zipkin, ListenSettings::default()).await;
        let channel = Endpoint::from_shared(format!("http://{}", web.address)).unwrap().connect_lazy();
        Self { web, zipkin, channel }
    }

    fn own(&self) -> TraceQueryClient<Channel> {
        TraceQueryClient::new(self.channel.clone())
    }

    fn v3(&self) -> QueryServiceClient<Channel> {
        QueryServiceClient::new(self.channel.clone())
    }

    fn storage(&self) -> TraceReaderClient<Channel> {
        TraceReaderClient::new(self.channel.clone())
    }

    /// What each door finds but Zipkin's, in order.
    pub(super) async fn search(&self, question: &Question) -> Vec<(&'static str, Vec<Trace>)> {
        let mut found = vec![
            ("tracewell.v1", self.by_own(question).await),
            ("tracewell.v1 by TraceQL", self.by_traceql(question).await),
            ("Tempo", self.by_tempo(question).await),
            ("tempopb.StreamingQuerier", self.by_stream(question).await),
            ("api_v3 FindTraces", self.by_v3(question).await),
            ("api_v3 FindTraceSummaries", self.by_v3_summaries(question).await),
            ("/api/v3/traces", self.by_v3_path(question).await),
            ("storage.v2 FindTraces", self.by_storage(question).await),
            ("storage.v2 FindTraceIDs", self.by_storage_ids(question).await),
        ];
        if question.service.is_some() {
            found.push(("/api/traces", self.by_older(question).await));
        }
        found
    }

    /// The spans that each door has of a trace.
    pub(super) async fn trace(&self, id: TraceId) -> Vec<(&'static str, Vec<Line>)> {
        let query = vec![storage::GetTraceParams { trace_id: id.as_bytes().to_vec(), ..Default::default() }];
        let stored = self.storage().get_traces(storage::GetTracesRequest { query }).await.unwrap().into_inner();
        let id = id.to_string();
        let request = own::GetTraceRequest { trace_id: id.clone() };
        let own = match self.own().get_trace(request).await {
            Ok(parts) => of_own(parts.into_inner()).await,
            Err(status) => no_lines(status.code()),
        };
        let request = v3::GetTraceRequest { trace_id: id.clone(), ..Default::default() };
        let v3 = match self.v3().get_trace(request).await {
            Ok(parts) => only(of_stream(parts.into_inner()).await),
            Err(status) => no_lines(status.code()),
        };
        let tempo_v1 = self.protobuf(&format!("/api/traces/{id}")).await;
        let tempo_v1 = tempo_v1.map(|body| TracesData::decode(body).unwrap().resource_spans);
        let tempo_v2 = self.protobuf(&format!("/api/v2/traces/{id}")).await.unwrap();
        let tempo_v2 = TraceByIdResponse::decode(tempo_v2).unwrap().trace.unwrap().resource_spans;
        let web = self.web.address;
        let older = json_of(web, &format!("/api/traces/{id}")).await.map(|body| of_older(&body["data"]));
        let v3_path = json_of(web, &format!("/api/v3/traces/{id}")).await;
        let v3_path = v3_path.map(|body| of_otlp_json(&body["result"]["resourceSpans"]));
        let zipkin = json_of(self.zipkin.address, &format!("/api/v2/trace/{id}")).await;
        vec![
            ("tracewell.v1", own),
            ("Tempo v1", only(of_otlp(tempo_v1.unwrap_or_default()))),
            ("Tempo v2", only(of_otlp(tempo_v2))),
            ("api_v3", v3),
            ("/api/v3/traces/{id}", only(v3_path.unwrap_or_default())),
            ("/api/traces/{id}", only(older.unwrap_or_default())),
            ("storage.v2", only(of_stream(stored).await)),
            ("Zipkin", only(zipkin.map(|trace| of_zipkin(&json!([trace]))).unwrap_or_default())),
        ]
    }

    async fn by_own(&self, question: &Question) -> Vec<Trace> {
        let attribute = question.attribute.map(|(key, value)| own::AttributeCondition {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) }),
            ..Default::default()
        });
        self.find(own::SearchRequest {
            service: question.service.unwrap_or_default().to_owned(),
            span_name: question.name.unwrap_or_default().to_owned(),
            duration_min: question.duration_min_millis.map(duration),
            attributes: attribute.into_iter().collect(),
            ..in_own_time(question)
        })
        .await
    }

    async fn by_traceql(&self, question: &Question) -> Vec<Trace> {
        self.find(own::SearchRequest { query: traceql(question), ..in_own_time(question) }).await
    }

    async fn find(&self, request: own::SearchRequest) -> Vec<Trace> {
        let found = self.own().search_traces(request).await.unwrap().into_inner().traces;
        found.iter().map(|one| Trace::counted(&one.trace_id, usize::try_from(one.span_count).unwrap())).collect()
    }

    async fn by_tempo(&self, question: &Question) -> Vec<Trace> {
        let Question { start, end, traces_max, .. } = question;
        let query = encoded(&traceql(question));
        let path = format!("/api/search?q={query}&start={start}&end={end}&limit={traces_max}");
        let found = json_of(self.web.address, &path).await.unwrap();
        let trace = |one: &Json| {
            let services = one["serviceStats"].as_object().unwrap().values();
            let count: u64 = services.map(|stats| stats["spanCount"].as_u64().unwrap()).sum();
            Trace::counted(one["traceID"].as_str().unwrap(), usize::try_from(count).unwrap())
        };
        found["traces"].as_array().map(|traces| traces.iter().map(trace).collect()).unwrap_or_default()
    }

    async fn by_stream(&self, question: &Question) -> Vec<Trace> {
        let request = tempopb::SearchRequest {
            query: traceql(question),
            start: u32::try_from(question.start).unwrap(),
            end: u32::try_from(question.end).unwrap(),
            limit: u32::try_from(question.traces_max).unwrap(),
            ..Default::default()
        };
        let mut parts = StreamingQuerierClient::new(self.channel.clone()).search(request).await.unwrap().into_inner();
        let mut found = Vec::new();
        while let Some(part) = parts.message().await.unwrap() {
            found.extend(part.traces.iter().map(|one| {
                let count: u32 = one.service_stats.values().map(|stats| stats.span_count).sum();
                Trace::counted(&one.trace_id, usize::try_from(count).unwrap())
            }));
        }
        found
    }

    async fn by_v3(&self, question: &Question) -> Vec<Trace> {
        let request = FindTracesRequest { query: Some(v3_query(question)) };
        of_stream(self.v3().find_traces(request).await.unwrap().into_inner()).await
    }

    async fn by_v3_summaries(&self, question: &Question) -> Vec<Trace> {
        let request = FindTraceSummariesRequest { query: Some(v3_query(question)) };
        let mut parts = self.v3().find_trace_summaries(request).await.unwrap().into_inner();
        let mut found = Vec::new();
        while let Some(part) = parts.message().await.unwrap() {
            let one = |one: &v3::TraceSummary| Trace::counted(&one.trace_id, usize::try_from(one.span_count).unwrap());
            found.extend(part.summaries.iter().map(one));
        }
        found
    }

    async fn by_v3_path(&self, question: &Question) -> Vec<Trace> {
        let at = |seconds: u64, nanos: u32| {
            let (days, rest) = (seconds / 86_400, seconds % 86_400);
            // The first of the pool's seconds is on the 20717th day, 2026-09-21; no question leaves it.
            assert_eq!(days, 20_717);
            encoded(&format!("2026-09-21T{:02}:{:02}:{:02}.{nanos:09}Z", rest / 3_600, rest / 60 % 60, rest % 60))
        };
        let mut path = format!(
            "/api/v3/traces?query.startTimeMin={}&query.startTimeMax={}&query.searchDepth={}",
            at(question.start, 0),
            at(question.end - 1, 999_999_999),
            question.traces_max
        );
        for (name, value) in [("query.serviceName", question.service), ("query.operationName", question.name)] {
            add(&mut path, name, value);
        }
        add(&mut path, "query.durationMin", question.duration_min_millis.map(|millis| format!("{millis}ms")));
        add(&mut path, "query.attributes", question.attribute.map(|(key, value)| json!({ key: value }).to_string()));
        // None is 404.
        let found = json_of(self.web.address, &path).await;
        found.map(|body| of_otlp_json(&body["result"]["resourceSpans"])).unwrap_or_default()
    }

    async fn by_storage(&self, question: &Question) -> Vec<Trace> {
        let request = storage::FindTracesRequest { query: Some(storage_query(question)) };
        of_stream(self.storage().find_traces(request).await.unwrap().into_inner()).await
    }

    async fn by_storage_ids(&self, question: &Question) -> Vec<Trace> {
        let request = storage::FindTraceIDsRequest { query: Some(storage_query(question)) };
        let found = self.storage().find_trace_i_ds(request).await.unwrap().into_inner().trace_ids;
        found.iter().map(|found| Trace::named(&found.trace_id)).collect()
    }

    async fn by_older(&self, question: &Question) -> Vec<Trace> {
        let (start, end) = (question.start * 1_000_000, question.end * 1_000_000 - 1);
        let mut path = format!("/api/traces?start={start}&end={end}&limit={}", question.traces_max);
        for (name, value) in [("service", question.service), ("operation", question.name)] {
            add(&mut path, name, value);
        }
        add(&mut path, "minDuration", question.duration_min_millis.map(|millis| format!("{millis}ms")));
        add(&mut path, "tag", question.attribute.map(|(key, value)| format!("{key}:{value}")));
        of_older(&json_of(self.web.address, &path).await.unwrap()["data"])
    }

    pub(super) async fn search_zipkin(&self, question: &Question) -> Vec<Trace> {
        let (start, end) = (question.start * 1_000, question.end * 1_000 - 1);
        let limit = question.traces_max;
        let mut path = format!("/api/v2/traces?endTs={end}&lookback={}&limit={limit}", end - start);
        for (name, value) in [("serviceName", question.service), ("spanName", question.name)] {
            add(&mut path, name, value);
        }
        add(&mut path, "minDuration", question.duration_min_millis.map(|millis| millis * 1_000));
        add(&mut path, "annotationQuery", question.attribute.map(|(key, value)| format!("{key}={value}")));
        of_zipkin(&json_of(self.zipkin.address, &path).await.unwrap())
    }

    async fn protobuf(&self, path: &str) -> Option<Bytes> {
        get(self.web.address, path, "application/protobuf").await
    }
}

/// What a trace that is not there is answered with.
fn no_lines(code: Code) -> Vec<Line> {
    assert_eq!(code, Code::NotFound);
    Vec::new()
}

/// The spans of the one trace that was asked for, or of none.
fn only(traces: Vec<Trace>) -> Vec<Line> {
    assert!(traces.len() <= 1, "{traces:?}");
    traces.into_iter().next().map(Trace::lines).unwrap_or_default()
}

fn duration(millis: u64) -> Duration {
    let nanos = i32::try_from(millis % 1_000).unwrap() * 1_000_000;
    Duration { seconds: i64::try_from(millis / 1_000).unwrap(), nanos }
}

#[expect(clippy::unnecessary_wraps, reason = "messages have times that may be missing")]
fn time(seconds: u64, nanos: i32) -> Option<Timestamp> {
    Some(Timestamp { seconds: i64::try_from(seconds).unwrap(), nanos })
}

fn in_own_time(question: &Question) -> own::SearchRequest {
    own::SearchRequest {
        start_time_min: time(question.start, 0),
        start_time_max: time(question.end, 0),
        page_size: i32::try_from(question.traces_max).unwrap(),
        ..Default::default()
    }
}

/// `{ … }`, with all conditions on one span.
fn traceql(question: &Question) -> String {
    let conditions = [
        question.service.map(|service| format!("resource.service.name = \"{service}\"")),
        question.name.map(|name| format!("name = \"{name}\"")),
        question.duration_min_millis.map(|millis| format!("duration >= {millis}ms")),
        question.attribute.map(|(key, value)| format!(".{key} = \"{value}\"")),
    ];
    format!("{{ {} }}", conditions.into_iter().flatten().collect::<Vec<_>>().join(" && "))
}

fn v3_query(question: &Question) -> v3::TraceQueryParameters {
    let attribute = question.attribute.map(|(key, value)| (key.to_owned(), value.to_owned()));
    v3::TraceQueryParameters {
        service_name: question.service.unwrap_or_default().to_owned(),
        operation_name: question.name.unwrap_or_default().to_owned(),
        duration_min: question.duration_min_millis.map(duration),
        attributes: attribute.into_iter().collect(),
        start_time_min: time(question.start, 0),
        start_time_max: time(question.end - 1, 999_999_999),
        search_depth: i32::try_from(question.traces_max).unwrap(),
        ..Default::default()
    }
}

fn storage_query(question: &Question) -> storage::TraceQueryParameters {
    let attribute = question.attribute.map(|(key, value)| {
        let value = Some(storage::any_value::Value::StringValue(value.to_owned()));
        storage::KeyValue { key: key.to_owned(), value: Some(storage::AnyValue { value }) }
    });
    storage::TraceQueryParameters {
        service_name: question.service.unwrap_or_default().to_owned(),
        operation_name: question.name.unwrap_or_default().to_owned(),
        duration_min: question.duration_min_millis.map(duration),
        attributes: attribute.into_iter().collect(),
        start_time_min: time(question.start, 0),
        start_time_max: time(question.end - 1, 999_999_999),
        search_depth: i32::try_from(question.traces_max).unwrap(),
        ..Default::default()
    }
}

/// Adds a parameter that is there.
fn add(path: &mut String, name: &str, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        write!(path, "&{name}={}", encoded(&value.to_string())).unwrap();
    }
}

/// Percent-encoded.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| format!("{encoded}%{byte:02X}"))
}

/// The body of a success; nothing when it is 404.
async fn get(address: SocketAddr, path: &str, accepted: &str) -> Option<Bytes> {
    let request = Request::get(format!("http://{address}{path}")).header("accept", accepted);
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    assert!([200, 404].contains(&parts.status.as_u16()), "{path}: {} {body:?}", parts.status);
    (parts.status == 200).then_some(body)
}

async fn json_of(address: SocketAddr, path: &str) -> Option<Json> {
    Some(serde_json::from_slice(&get(address, path, "application/json").await?).unwrap())
}
