//! `tempopb.StreamingQuerier`, each method by its client.

use tonic::{Code, Status};
use tracewell::server::generated::tempopb::{
    QueryInstantRequest, QueryRangeRequest, SearchRequest, SearchResponse, SearchTagValuesRequest, SearchTagsRequest,
};

use super::{SECOND, Served, spans};
use crate::support::{span, trace_id};

async fn all(served: &Served, request: SearchRequest) -> Result<Vec<SearchResponse>, Status> {
    let mut stream = served.tempo().search(request).await?.into_inner();
    let mut messages = Vec::new();
    while let Some(message) = stream.message().await? {
        messages.push(message);
    }
    Ok(messages)
}

/// What Grafana sends to see whether streams work.
#[tokio::test]
async fn grafanas_first_question_is_answered() {
    let served = Served::of(spans()).await;
    let messages =
        all(&served, SearchRequest { query: "{}".to_owned(), limit: 1, ..Default::default() }).await.unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].traces[0].trace_id, trace_id(2).to_string());
    let messages = all(&Served::of(vec![]).await, SearchRequest::default()).await.unwrap();
    assert!(messages.iter().all(|message| message.traces.is_empty()));
}

/// Guarantees: a long answer comes in parts, each of what is new; the last one, and none before, is of a job that is done.
#[tokio::test]
async fn a_search_comes_in_parts() {
    let served = Served::of((1..=60).map(|number| span(number, number, number * SECOND)).collect()).await;
    let request = SearchRequest { query: "{ }".to_owned(), limit: 50, start: 5, ..Default::default() };
    let messages = all(&served, request).await.unwrap();
    assert!(messages.len() > 1, "{}", messages.len());
    let ids: Vec<_> = messages.iter().flat_map(|message| &message.traces).map(|trace| trace.trace_id.clone()).collect();
    assert_eq!(ids, (11..=60).rev().map(|number| trace_id(number).to_string()).collect::<Vec<_>>());
    let done: Vec<_> = messages.iter().map(|message| message.metrics.as_ref().unwrap().completed_jobs).collect();
    assert_eq!((done.last(), done.iter().sum::<u32>()), (Some(&1), 1));
    let read: Vec<_> = messages.iter().map(|message| message.metrics.as_ref().unwrap().inspected_spans).collect();
    assert!(read.is_sorted(), "totals grow: {read:?}");
}

/// Guarantee: tags and durations in a message mean what they mean in a path.
#[tokio::test]
async fn tags_of_a_message_find_traces() {
    let served = Served::of(spans()).await;
    let tags = [("http.route".to_owned(), "/ca".to_owned())].into();
    let messages = all(&served, SearchRequest { tags, min_duration_ms: 2, ..Default::default() }).await.unwrap();
    assert_eq!(messages[0].traces[0].trace_id, trace_id(1).to_string());
    let tags = [("http.route".to_owned(), "/no".to_owned())].into();
    let messages = all(&served, SearchRequest { tags, ..Default::default() }).await.unwrap();
    assert!(messages.iter().all(|message| message.traces.is_empty()));
    let messages = all(&served, SearchRequest { min_duration_ms: 3, ..Default::default() }).await.unwrap();
    assert!(messages.iter().all(|message| message.traces.is_empty()));
}

/// Guarantee: each of the other methods gives one message, the one that the path gives.
#[tokio::test]
async fn the_other_methods_give_one_message() {
    let served = Served::of(spans()).await;
    let mut client = served.tempo();
    let tags = SearchTagsRequest { scope: "resource".to_owned(), ..Default::default() };
    let mut stream = client.search_tags(tags.clone()).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().tag_names, ["service.name"]);
    assert!(stream.message().await.unwrap().is_none());
    let scopes = client.search_tags_v2(tags).await.unwrap().into_inner().message().await.unwrap().unwrap().scopes;
    assert_eq!((scopes[0].name.as_str(), &scopes[0].tags[..]), ("resource", &["service.name".to_owned()][..]));
    let values = SearchTagValuesRequest { tag_name: "service.name".to_owned(), ..Default::default() };
    let found = client.search_tag_values(values.clone()).await.unwrap().into_inner().message().await.unwrap().unwrap();
    assert_eq!(found.tag_values, ["shop", "stock"]);
    let values = SearchTagValuesRequest {
        tag_name: "resource.service.name".to_owned(),
        query: "{ status = error && .x = }".to_owned(),
        ..values
    };
    let found = client.search_tag_values_v2(values).await.unwrap().into_inner().message().await.unwrap().unwrap();
    assert_eq!((found.tag_values[0].r#type.as_str(), found.tag_values[0].value.as_str()), ("string", "stock"));
    assert_eq!(found.tag_values.len(), 1);

    let query = "{ } | count_over_time()".to_owned();
    let (start, end) = (5 * SECOND, 30 * SECOND);
    let request = QueryRangeRequest { query: query.clone(), start, end, step: 10 * SECOND, ..Default::default() };
    let found =
        client.metrics_query_range(request.clone()).await.unwrap().into_inner().message().await.unwrap().unwrap();
    let samples: Vec<_> = found.series[0].samples.iter().map(|sample| (sample.timestamp_ms, sample.value)).collect();
    assert_eq!(samples, [(0, 0.0), (10_000, 0.0), (20_000, 2.0), (30_000, 1.0)]);
    let request = QueryRangeRequest { instant: true, ..request };
    let found = client.metrics_query_range(request).await.unwrap().into_inner().message().await.unwrap().unwrap();
    assert_eq!((found.series[0].samples.len(), found.series[0].samples[0].value), (1, 3.0));
    let request = QueryInstantRequest { query, start, end };
    let found = client.metrics_query_instant(request).await.unwrap().into_inner().message().await.unwrap().unwrap();
    assert_eq!((found.series.len(), found.series[0].value), (1, 3.0));
}

/// Guarantee: a wrong message is an invalid argument that says what is wrong.
#[tokio::test]
async fn wrong_messages_are_invalid_arguments() {
    let served = Served::of(spans()).await;
    let tags = || [("a".to_owned(), "b".to_owned())].into();
    let query = || "{ }".to_owned();
    let default = SearchRequest::default;
    for (part, request) in [
        ("q: ", SearchRequest { query: "{".to_owned(), ..default() }),
        ("q: ", SearchRequest { query: "{ } | rate()".to_owned(), ..default() }),
        ("q: ", SearchRequest { query: query(), tags: tags(), ..default() }),
        ("q: ", SearchRequest { query: query(), min_duration_ms: 1, ..default() }),
        ("maxDuration: ", SearchRequest { min_duration_ms: 2, max_duration_ms: 1, ..default() }),
        ("limit: ", SearchRequest { limit: 1_001, ..default() }),
        ("limit: ", SearchRequest { limit: u32::MAX, ..default() }),
        ("spss: ", SearchRequest { spans_per_span_set: 101, ..default() }),
        ("end: ", SearchRequest { start: 2, end: 1, ..default() }),
    ] {
        let status = all(&served, request.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{request:?}");
        assert!(status.message().starts_with(part), "{}", status.message());
    }
    let mut client = served.tempo();
    let tags = SearchTagsRequest { scope: "x".to_owned(), ..Default::default() };
    assert_eq!(client.search_tags_v2(tags).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(
        client.search_tag_values_v2(SearchTagValuesRequest::default()).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let wrong = QueryRangeRequest { query: "{ } | rate()".to_owned(), start: 2, end: 1, ..Default::default() };
    assert_eq!(client.metrics_query_range(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(
        client.metrics_query_instant(QueryInstantRequest::default()).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}
