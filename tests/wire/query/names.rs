//! Lists of attribute keys and values: the messages, and what is refused.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use prost_types::Timestamp;
use tonic::{Code, Status};
use tracewell::model::{Span, SpanKind, Value};
use tracewell::query::QuerySettings;
use tracewell::server::generated::tracewell_v1::{KeyScope, ListAttributeKeysRequest, ListAttributeValuesRequest};
use tracewell::store::memory::MemoryStore;
use tracewell::store::{Batch, SpanStore};
use tracewell::traceql::QUERY_BYTES_MAX;

use super::{Served, attributes, bad_fields, served, served_with, span};

/// Two spans, a second after one another.
fn spans() -> Vec<Span> {
    let own = attributes([("http.route", "/cart".into()), ("size", Value::Int(3)), ("null", Value::Null)]);
    let other = attributes([
        ("http.route", Value::Array(vec!["/buy".into(), Value::Bool(true)])),
        ("size", Value::Double(0.5)),
    ]);
    let event = tracewell::model::Event { attributes: attributes([("e", Value::Int(1))]), ..Default::default() };
    vec![
        Span { attributes: own, events: vec![event], ..span(1, 1, 1_000_000_000) },
        Span { attributes: other, kind: SpanKind(9), name: "sell".to_owned(), ..span(2, 2, 2_000_000_000) },
    ]
}

async fn keys(served: &Served, request: ListAttributeKeysRequest) -> Vec<(KeyScope, String)> {
    let answer = served.client().list_attribute_keys(request).await.unwrap().into_inner();
    assert!(answer.next_page_token.is_empty() && !answer.coverage.unwrap().limit_reached);
    answer.keys.into_iter().map(|key| (key.scope(), key.key)).collect()
}

async fn values(served: &Served, request: ListAttributeValuesRequest) -> Vec<Any> {
    let answer = served.client().list_attribute_values(request).await.unwrap().into_inner();
    assert!(answer.next_page_token.is_empty() && !answer.coverage.unwrap().limit_reached);
    answer.values.into_iter().filter_map(|value| value.value).collect()
}

fn text(text: &str) -> Any {
    Any::StringValue(text.to_owned())
}

/// Guarantees: every field of a request has its effect, and keys and values come in their order.
#[tokio::test]
async fn keys_and_values_are_listed() {
    let served = served(spans()).await;
    let key = |scope, key: &str| (scope, key.to_owned());
    let (route, size) = (key(KeyScope::Span, "http.route"), key(KeyScope::Span, "size"));
    let (service, event) = (key(KeyScope::Resource, "service.name"), key(KeyScope::Event, "e"));
    let default = ListAttributeKeysRequest::default;
    let second = Some(Timestamp { seconds: 2, nanos: 0 });
    let of_span = || ListAttributeKeysRequest { scope: KeyScope::Span.into(), ..default() };
    let all = vec![route.clone(), size.clone(), service, event.clone()];
    assert_eq!(keys(&served, default()).await, all);
    assert_eq!(keys(&served, of_span()).await, [route.clone(), size.clone()]);
    assert_eq!(keys(&served, ListAttributeKeysRequest { prefix: "s".to_owned(), ..of_span() }).await, [size]);
    let early = ListAttributeKeysRequest { start_time_max: second, scope: KeyScope::Event.into(), ..default() };
    assert_eq!(keys(&served, early.clone()).await, [event]);
    assert_eq!(
        keys(&served, ListAttributeKeysRequest { start_time_min: second, start_time_max: None, ..early }).await,
        []
    );
    let found = ListAttributeKeysRequest { query: "{ .size > 2 }".to_owned(), prefix: "h".to_owned(), ..default() };
    assert_eq!(keys(&served, found).await, [route]);

    let of = |name: &str| ListAttributeValuesRequest { name: name.to_owned(), ..Default::default() };
    assert_eq!(values(&served, of("span.http.route")).await, [text("/buy"), text("/cart"), Any::BoolValue(true)]);
    assert_eq!(values(&served, of("span:kind")).await, [text("server"), Any::IntValue(9)]);
    assert_eq!(values(&served, of(".size")).await, [Any::DoubleValue(0.5), Any::IntValue(3)]);
    assert_eq!(values(&served, of("rootName")).await, [text("buy"), text("sell")]);
    assert_eq!(
        values(&served, ListAttributeValuesRequest { prefix: "/c".to_owned(), ..of(".http.route") }).await,
        [text("/cart")]
    );
    assert_eq!(
        values(&served, ListAttributeValuesRequest { start_time_min: second, ..of("name") }).await,
        [text("sell")]
    );
    let found = ListAttributeValuesRequest { query: "{ kind = server }".to_owned(), ..of("name") };
    assert_eq!(values(&served, found).await, [text("buy")]);
}

/// Scenario: a list page by page; then its token with another request. Guarantees: the pages are the list; the token is
/// refused.
#[tokio::test]
async fn pages_go_on_where_they_ended() {
    let served = served(spans()).await;
    let mut request = ListAttributeValuesRequest { name: ".http.route".to_owned(), page_size: 1, ..Default::default() };
    let mut all = Vec::new();
    loop {
        let answer = served.client().list_attribute_values(request.clone()).await.unwrap().into_inner();
        assert!(answer.values.len() <= 1);
        all.extend(answer.values.into_iter().filter_map(|value| value.value));
        if answer.next_page_token.is_empty() {
            break;
        }
        request.page_token = answer.next_page_token;
    }
    assert_eq!(all, [text("/buy"), text("/cart"), Any::BoolValue(true)]);
    for changed in [
        ListAttributeValuesRequest { name: "span.http.route".to_owned(), ..request.clone() },
        ListAttributeValuesRequest { prefix: "/".to_owned(), ..request.clone() },
        ListAttributeValuesRequest { query: "{ }".to_owned(), ..request.clone() },
        ListAttributeValuesRequest { start_time_min: Some(Timestamp::default()), ..request.clone() },
    ] {
        check(&served.client().list_attribute_values(changed).await.unwrap_err(), "page_token");
    }
    let page_token = request.page_token;
    let keys = ListAttributeKeysRequest { page_token, ..Default::default() };
    check(&served.client().list_attribute_keys(keys).await.unwrap_err(), "page_token");
}

fn check(status: &Status, field: &str) {
    assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status:?}");
    assert_eq!(bad_fields(status), [field], "{status:?}");
    assert!(status.message().starts_with(&format!("{field}: ")), "{field}: {}", status.message());
}

/// Guarantees: a wrong request is refused as an invalid argument that names its field.
#[tokio::test]
async fn wrong_lists_name_their_field() {
    let served = served(vec![]).await;
    let time = |seconds, nanos| Some(Timestamp { seconds, nanos });
    let keys = ListAttributeKeysRequest::default;
    for (field, request) in [
        ("scope", ListAttributeKeysRequest { scope: 6, ..keys() }),
        ("scope", ListAttributeKeysRequest { scope: -1, ..keys() }),
        ("start_time_min", ListAttributeKeysRequest { start_time_min: time(-1, 0), ..keys() }),
        ("start_time_max", ListAttributeKeysRequest { start_time_max: time(0, -1), ..keys() }),
        (
            "start_time_max",
            ListAttributeKeysRequest { start_time_min: time(1, 0), start_time_max: time(1, 0), ..keys() },
        ),
        ("start_time_max", ListAttributeKeysRequest { start_time_max: time(0, 1_000_000_000), ..keys() }),
        ("query", ListAttributeKeysRequest { query: "{".to_owned(), ..keys() }),
        ("query", ListAttributeKeysRequest { query: " ".repeat(QUERY_BYTES_MAX + 1), ..keys() }),
        ("query", ListAttributeKeysRequest { query: "{ } | rate()".to_owned(), ..keys() }),
        ("page_size", ListAttributeKeysRequest { page_size: -1, ..keys() }),
        ("page_token", ListAttributeKeysRequest { page_token: "x".to_owned(), ..keys() }),
    ] {
        check(&served.client().list_attribute_keys(request).await.unwrap_err(), field);
    }
    let values = || ListAttributeValuesRequest { name: "name".to_owned(), ..Default::default() };
    let name = |name: &str| ListAttributeValuesRequest { name: name.to_owned(), ..values() };
    for (field, request) in [
        ("name", name("")),
        ("name", name("http.route")),
        ("name", name("{ .a }")),
        ("name", name("parent.a")),
        ("name", name(&format!(".{}", "a".repeat(QUERY_BYTES_MAX)))),
        ("name", name("duration")),
        ("name", name("trace:id")),
        ("name", name("nestedSetLeft")),
        ("start_time_min", ListAttributeValuesRequest { start_time_min: time(i64::MAX, 0), ..values() }),
        (
            "start_time_max",
            ListAttributeValuesRequest { start_time_min: time(2, 0), start_time_max: time(1, 0), ..values() },
        ),
        ("query", ListAttributeValuesRequest { query: "{ duration = \"a\" }".to_owned(), ..values() }),
        ("page_size", ListAttributeValuesRequest { page_size: i32::MIN, ..values() }),
        ("page_token", ListAttributeValuesRequest { page_token: "x".to_owned(), ..values() }),
    ] {
        check(&served.client().list_attribute_values(request).await.unwrap_err(), field);
    }
}

/// Scenario: more spans than may be read for an answer. Guarantees: it says that, and how far it goes.
#[tokio::test]
async fn a_list_says_how_far_it_goes() {
    let store = MemoryStore::default();
    let spans = (1..=600_u64).map(|start| Span { name: format!("name {}", start % 7), ..span(1, 1, start) }).collect();
    store.write(&[Batch::new(spans)]).await.unwrap();
    let settings = QuerySettings { work_spans_max: 10, ..QuerySettings::default() };
    let served = served_with(std::sync::Arc::new(store), settings).await;
    let request = ListAttributeValuesRequest { name: "name".to_owned(), ..Default::default() };
    let answer = served.client().list_attribute_values(request).await.unwrap().into_inner();
    let coverage = answer.coverage.unwrap();
    // The first 256 spans.
    assert_eq!((coverage.limit_reached, coverage.covered_since), (true, Some(Timestamp { seconds: 0, nanos: 346 })));
    assert!(coverage.spans_read > 10 && answer.values.len() == 7);
}
