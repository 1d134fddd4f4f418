//! What only PostgreSQL promises: how it is opened, what its views show, what its writers leave behind. What every
//! store promises is in `tests/store/`; the plans of its statements are tested beside them.

mod open;
mod steps;
mod views;
mod write;

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tracewell::model::{
    Attributes, EntityRef, Event, Keyed, Link, Resource, Scope, Search, Span, SpanId, SpanKind, Status, StatusCode,
    TraceId, UnixNanos, Value,
};
use tracewell::store::postgres::{PostgresSettings, PostgresStore};
use tracewell::store::{Batch, Scan, SpanStore, SpanStream, StoreError};

use crate::support::postgres::TestDatabase;

/// Settings under which a test that goes wrong ends soon.
fn settings() -> PostgresSettings {
    PostgresSettings { start_wait_max: Duration::from_secs(10), ..PostgresSettings::default() }
}

async fn open(database: &TestDatabase) -> PostgresStore {
    PostgresStore::connect(&database.url(), &settings()).await.unwrap()
}

async fn execute(connection: &mut PgConnection, statement: &str) {
    connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
}

async fn write(store: &PostgresStore, spans: &[Span]) -> Result<(), StoreError> {
    store.write(&[Batch::new(spans.to_vec())]).await.map(drop)
}

async fn all(stream: SpanStream) -> Result<Vec<Span>, StoreError> {
    stream.try_collect().await
}

fn scan(limit: usize) -> Scan {
    Scan { limit, ..Scan::of(Search::default()) }
}

/// A plain span with this number as its ids.
fn span(trace: u8, id: u8) -> Span {
    let attributes = Attributes::from_iter([("service.name", Value::from("shop"))]);
    Span {
        trace_id: TraceId::from_slice(&[trace; 16]).unwrap(),
        span_id: SpanId::from_slice(&[id; 8]).unwrap(),
        parent_span_id: None,
        trace_state: String::new(),
        flags: 0,
        name: format!("span {id}"),
        kind: SpanKind::SERVER,
        start: UnixNanos(1_700_000_000_000_000_000 + u64::from(id)),
        end: UnixNanos(1_700_000_001_000_000_000),
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        events: Vec::new(),
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        status: Status::default(),
        resource: Arc::new(Keyed::new(Resource { attributes, ..Resource::default() })),
        scope: Arc::new(Keyed::new(Scope::default())),
    }
}

/// A span in which nothing is at its default, and much of it is hard to store.
fn full_span() -> Span {
    let attributes = Attributes::from_iter([
        ("z\0", Value::Double(f64::NAN)),
        ("a", Value::Array(vec![Value::Null, Value::Int(1), Value::Double(1.0)])),
        ("a", Value::Map(Attributes::from_iter([("$bytes", Value::from("x\0")), ("b", Value::Bytes(vec![0]))]))),
    ]);
    let named = Attributes::from_iter([
        ("service.name", Value::from("shop\0")),
        ("host.name", Value::from("node\u{1}")),
        ("a", Value::Bool(true)),
    ]);
    let entity = EntityRef {
        schema_url: "s\0".to_owned(),
        entity_type: "host".to_owned(),
        id_keys: vec!["host.name".to_owned()],
        description_keys: vec!["d\0".to_owned()],
    };
    Span {
        parent_span_id: Some(SpanId::from_slice(&[9; 8]).unwrap()),
        trace_state: "k=v\0".to_owned(),
        flags: u32::MAX,
        name: "n\0".to_owned(),
        kind: SpanKind(-7),
        start: UnixNanos(u64::MAX),
        end: UnixNanos(u64::MAX - 1),
        attributes: attributes.clone(),
        dropped_attributes_count: u32::MAX,
        events: vec![Event {
            time: UnixNanos(u64::MAX),
            name: "e\0".to_owned(),
            attributes: attributes.clone(),
            dropped_attributes_count: u32::MAX,
        }],
        dropped_events_count: 2,
        links: vec![Link {
            trace_id: TraceId::from_slice(&[8; 16]).ok(),
            span_id: None,
            trace_state: "l\0".to_owned(),
            attributes: attributes.clone(),
            dropped_attributes_count: 1,
            flags: u32::MAX,
        }],
        dropped_links_count: 3,
        status: Status { code: StatusCode(-1), message: "m\0".to_owned() },
        resource: Arc::new(Keyed::new(Resource {
            attributes: named,
            dropped_attributes_count: u32::MAX,
            entity_refs: vec![entity],
            schema_url: "r\0".to_owned(),
        })),
        scope: Arc::new(Keyed::new(Scope {
            name: "lib\0".to_owned(),
            version: "1".to_owned(),
            attributes,
            dropped_attributes_count: 4,
            schema_url: "u\0".to_owned(),
        })),
        ..span(1, 1)
    }
}
