//! An hour of a small shop: 60 requests, their spans and their troubles, and one that was long before. Enough of each kind
//! that every question of `docs/sql.md` has an answer, and few enough that the answers can be counted out.

use std::sync::Arc;

use sqlx::PgConnection;
use tracewell::model::{
    Attributes, Keyed, Resource, Span, SpanId, SpanKind, Status, StatusCode, TraceId, UnixNanos, Value,
};

use crate::support::{span, span_id, trace_id};

const SECOND: u64 = 1_000_000_000;
pub(super) const MINUTE: u64 = 60 * SECOND;
const MICROSECOND: u64 = 1_000;
const ROUTES: [&str; 3] = ["/cart", "/checkout", "/search"];

/// Each customer and what they pay for.
pub(super) const CUSTOMERS: [(&str, &str); 7] = [
    ("u-0", "free"),
    ("u-1", "free"),
    ("u-2", "pro"),
    ("u-3", "pro"),
    ("u-4", "free"),
    ("u-5", "business"),
    ("u-6", "pro"),
];

/// When the shop opened: the minute that began 25 to 26 minutes ago, by the database's clock.
pub(super) async fn opening(connection: &mut PgConnection) -> u64 {
    let minute: i64 =
        sqlx::query_scalar("select (extract(epoch from now()) / 60)::bigint - 26").fetch_one(connection).await.unwrap();
    minute.unsigned_abs() * MINUTE
}

/// The trace that the document shows as a tree.
pub(super) fn shown() -> TraceId {
    TraceId::from_slice(&0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes()).unwrap()
}

fn resource(service: &str, version: &str) -> Arc<Keyed<Resource>> {
    let attributes = Attributes::from_iter([
        ("service.name", Value::from(service)),
        ("service.version", Value::from(version)),
        ("service.instance.id", Value::from(format!("{service}-1").as_str())),
    ]);
    Arc::new(Keyed::new(Resource { attributes, schema_url: "https://example.com/1".to_owned(), ..Resource::default() }))
}

/// The spans of all requests; the last ones are of the day before.
pub(super) fn spans(opening: u64) -> Vec<Span> {
    let mut spans: Vec<_> = (0..60).flat_map(|number| request(number, opening + number * 20 * SECOND)).collect();
    let before = request(97, opening - 26 * 60 * MINUTE).into_iter();
    spans.extend(before.map(|span| Span { end: UnixNanos(span.end.0 + 3 * MINUTE), ..span }));
    spans
}

/// A request, what the shop does for it, and what the database does for the shop.
fn request(number: u64, start: u64) -> Vec<Span> {
    let version = if number < 30 { "1.4.0" } else { "1.5.0" };
    let route = ROUTES[usize::try_from(number % 3).unwrap()];
    let trace = if number == 7 { shown() } else { trace_id(number + 1) };
    let status = |is_error| Status { code: StatusCode(if is_error { 2 } else { 0 }), ..Status::default() };
    let of = |id: u64, parent: Option<SpanId>, name: &str, micros: (u64, u64)| Span {
        trace_id: trace,
        parent_span_id: parent,
        name: name.to_owned(),
        end: UnixNanos(start + micros.1 * MICROSECOND),
        attributes: Attributes::default(),
        ..span(1, number * 100 + id, start + micros.0 * MICROSECOND)
    };
    let root = Span {
        resource: resource("web", version),
        attributes: Attributes::from_iter([
            ("http.route", Value::from(route)),
            ("user.id", Value::from(format!("u-{}", number % 7).as_str())),
        ]),
        status: status(if number < 30 { number % 10 == 3 } else { number % 4 == 1 }),
        // No two of them are as long.
        ..of(1, None, &format!("GET {route}"), (0, 20_000 + number * 137 + number * number % 61 * 400))
    };
    let reserve = Span {
        resource: resource("shop", "7"),
        kind: SpanKind::INTERNAL,
        status: status(number % 12 == 5),
        ..of(2, Some(root.span_id), "reserve", (1_000, 18_000 + number * 11))
    };
    let items = if number % 15 == 7 { 12 } else { 2 };
    let select = |item: u64| Span {
        resource: resource("db", "16"),
        kind: SpanKind::CLIENT,
        ..of(
            10 + item,
            Some(span_id(number * 100 + 2)),
            "select item",
            (2_000 + item * 1_000, 2_500 + item * 1_000 + number * 3 + item),
        )
    };
    [root, reserve].into_iter().chain((0..items).map(select)).collect()
}
