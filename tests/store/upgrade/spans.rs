//! The spans that are in the databases of the release before: three services and their like, and whatever is hard to
//! keep. They are of the past: nothing here may change.

use std::sync::Arc;

use tracewell::model::{
    Attributes, EntityRef, Event, Keyed, Link, Resource, Scope, Span, SpanId, SpanKind, Status, StatusCode, TraceId,
    UnixNanos, Value,
};

/// 2026-01-01 00:58 UTC: two minutes from the next hour.
const START: u64 = 1_767_229_080_000_000_000;

/// The requests that were sent, one after the other. The last one repeats spans of the others.
pub(super) fn requests() -> Vec<Vec<Span>> {
    let (calls, hard) = ((0..8).flat_map(call).collect::<Vec<_>>(), hard());
    let again = [&calls[3..9], &hard[2..5], &hard[2..3]].concat();
    vec![calls, hard, again]
}

fn trace_id(number: u64) -> TraceId {
    TraceId::from_slice(&(u128::from(number) << 64 | 0xabcd).to_be_bytes()).unwrap()
}

fn span_id(number: u64) -> SpanId {
    SpanId::from_slice(&number.to_be_bytes()).unwrap()
}

fn resource(service: &str, node: &str) -> Arc<Keyed<Resource>> {
    let attributes = [
        ("service.name", Value::from(service)),
        ("host.name", Value::from(node)),
        ("process.pid", Value::Int(4_711)),
        ("tags", Value::Array(vec![Value::from("a"), Value::Null, Value::Double(1.0)])),
    ];
    Arc::new(Keyed::new(Resource {
        attributes: attributes.into_iter().collect(),
        dropped_attributes_count: 1,
        entity_refs: vec![EntityRef {
            schema_url: "https://opentelemetry.io/schemas/1.40.0".to_owned(),
            entity_type: "host".to_owned(),
            id_keys: vec!["host.name".to_owned()],
            description_keys: vec!["os\0".to_owned()],
        }],
        schema_url: "https://opentelemetry.io/schemas/1.37.0".to_owned(),
    }))
}

fn scope(name: &str) -> Arc<Keyed<Scope>> {
    Arc::new(Keyed::new(Scope {
        name: name.to_owned(),
        version: "1.2.3".to_owned(),
        attributes: [("short", Value::Bool(true))].into_iter().collect(),
        dropped_attributes_count: 2,
        schema_url: "s".to_owned(),
    }))
}

fn exception(time: u64) -> Event {
    let attributes = [
        ("exception.type", Value::from("java.io.IOException")),
        ("exception.stacktrace", Value::from("at a.b.C(C.java:1)\n\tat d.e.F(F.java:2)\n")),
    ];
    Event {
        time: UnixNanos(time),
        name: "exception".to_owned(),
        attributes: attributes.into_iter().collect(),
        dropped_attributes_count: 3,
    }
}

/// A request to the shop, which asks the cart, which asks a database; some fail.
fn call(number: u64) -> [Span; 3] {
    let start = START + number * 17_000_000_001;
    let status = match number % 4 {
        0 => Status { code: StatusCode::ERROR, message: format!("failed: {number}") },
        1 => Status { code: StatusCode::OK, message: String::new() },
        _ => Status::default(),
    };
    let span = |step: u64, service: &str, name: &str, kind, attributes: Vec<(&str, Value)>| Span {
        trace_id: trace_id(1 + number),
        span_id: span_id(100 * number + step),
        parent_span_id: (step > 1).then(|| span_id(100 * number + step - 1)),
        trace_state: if number == 3 { "vendor=1,other=2".to_owned() } else { String::new() },
        flags: 0x101,
        name: name.to_owned(),
        kind,
        start: UnixNanos(start + step * 1_000),
        end: UnixNanos(start + 90_000_000 - step * 1_000 + number),
        attributes: attributes.into_iter().collect(),
        dropped_attributes_count: 0,
        events: if status.code == StatusCode::ERROR { vec![exception(start + 5)] } else { Vec::new() },
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        status: status.clone(),
        resource: resource(service, &format!("node-{}", number % 2)),
        scope: scope(name),
    };
    let code = Value::Int(if number.is_multiple_of(4) { 500 } else { 200 });
    let route = Value::from(format!("/carts/{number}?q=100%&x=\"y\"").as_str());
    [
        span(
            1,
            "shop",
            "GET /carts/{id}",
            SpanKind::SERVER,
            vec![("http.response.status_code", code), ("url.path", route)],
        ),
        span(
            2,
            "cart",
            "cart.get",
            SpanKind::CLIENT,
            vec![("retry", Value::Bool(false)), ("ratio", Value::Double(0.25))],
        ),
        span(3, "cart-db", "SELECT", SpanKind::INTERNAL, vec![("db.query.text", Value::from("select *\nfrom\tcart"))]),
    ]
}

/// Values of every type, in one list.
fn values() -> Attributes {
    let nested: Attributes = [("$bytes", Value::from("x\0")), ("b", Value::Bytes(vec![0, 255]))].into_iter().collect();
    [
        ("null", Value::Null),
        ("text", Value::from("é \u{10ffff} \u{1}\0\r\n\t \\ \" %s %% %")),
        ("empty", Value::from("")),
        ("true", Value::Bool(true)),
        ("min", Value::Int(i64::MIN)),
        ("max", Value::Int(i64::MAX)),
        ("one", Value::Int(1)),
        ("one.0", Value::Double(1.0)),
        ("-0.0", Value::Double(-0.0)),
        ("nan", Value::Double(f64::NAN)),
        ("inf", Value::Double(f64::INFINITY)),
        ("-inf", Value::Double(f64::NEG_INFINITY)),
        ("tiny", Value::Double(f64::from_bits(1))),
        ("huge", Value::Double(f64::MAX)),
        ("bytes", Value::Bytes(b"\0\x01\xff".to_vec())),
        ("no bytes", Value::Bytes(Vec::new())),
        ("list", Value::Array(vec![Value::Int(1), Value::Double(1.0), Value::Null, Value::Array(Vec::new())])),
        ("map", Value::Map(nested.clone())),
        ("twice", Value::Int(1)),
        ("twice", Value::Map(nested)),
        ("", Value::from("a key that is empty")),
        ("key\0", Value::from("a key with a zero")),
    ]
    .into_iter()
    .collect()
}

/// Spans in which nothing is at its default, at the ends of what can be sent, and hard to tell apart.
fn hard() -> Vec<Span> {
    let [shop, cart, _] = call(99);
    let full = Span {
        trace_state: "k=v\0".to_owned(),
        flags: u32::MAX,
        name: "n\0é".to_owned(),
        kind: SpanKind(-7),
        attributes: values(),
        dropped_attributes_count: u32::MAX,
        events: vec![
            Event { attributes: values(), ..exception(u64::MAX) },
            Event { name: "e\0".to_owned(), ..Event::default() },
        ],
        dropped_events_count: u32::MAX,
        links: vec![
            Link {
                trace_id: Some(trace_id(1)),
                span_id: Some(span_id(1)),
                trace_state: "l\0".to_owned(),
                attributes: values(),
                dropped_attributes_count: 7,
                flags: u32::MAX,
            },
            Link::default(),
        ],
        dropped_links_count: u32::MAX,
        status: Status { code: StatusCode(-1), message: "m\0".to_owned() },
        ..shop.clone()
    };
    let nameless = Arc::new(Keyed::new(Resource::default()));
    let at = |number: u64, start: u64, end: u64| Span {
        trace_id: trace_id(200 + number),
        start: UnixNanos(start),
        end: UnixNanos(end),
        ..cart.clone()
    };
    vec![
        full,
        shop.clone(),
        // A client and its server that share an id, as Zipkin has it.
        Span { kind: SpanKind::CLIENT, ..shop.clone() },
        // The same but for one field.
        Span { flags: 1, ..shop.clone() },
        Span { name: String::new(), parent_span_id: Some(shop.span_id), ..shop.clone() },
        Span { resource: nameless, scope: Arc::new(Keyed::new(Scope::default())), ..shop },
        at(1, 0, 0),
        at(2, u64::MAX, u64::MAX),
        at(3, u64::MAX, 0),
        at(4, 0, u64::MAX),
        at(5, START, START - 1),
        at(6, 3_600_000_000_000 * 490_000, 3_600_000_000_000 * 490_001),
        at(7, 999, 1_000),
        cart,
    ]
}
