//! Protobuf that real clients or bad ones send, case by case.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Sent;
use opentelemetry_proto::tonic::common::v1::{
    ArrayValue, EntityRef, InstrumentationScope, KeyValueList, any_value::Value::IntValue,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use super::wire::{delimited, group, request_of_span, unknown, varint};
use super::{any, good_span, nested, pair, request};
use tracewell::model;
use tracewell::otlp::decode::{DecodeError, Decoded, Malformed, protobuf, value};
use tracewell::otlp::encode;

/// The spans of a request that is all good.
fn spans(body: impl AsRef<[u8]>) -> Vec<model::Span> {
    let decoded = protobuf(body.as_ref()).unwrap();
    assert_eq!(decoded.rejected.message(), "");
    decoded.spans
}

fn reasons(decoded: &Decoded) -> Vec<(&'static str, u64)> {
    decoded.rejected.by_reason().collect()
}

#[test]
fn an_empty_request_has_no_spans() {
    assert_eq!(protobuf(&[]).unwrap(), Decoded::default());
    assert_eq!(spans(delimited(1, delimited(2, []))), []);
}

/// What spans share may come after them, and they share it in memory too.
#[test]
fn fields_come_in_any_order() {
    let span = delimited(2, good_span().encode_to_vec());
    let scope = delimited(1, InstrumentationScope { name: "s".into(), ..Default::default() }.encode_to_vec());
    let scope_spans = delimited(2, [span.clone(), span, delimited(3, "scope url"), scope].concat());
    let attributes = vec![pair("service.name", any(Sent::StringValue("shop".into())))];
    let resource = delimited(1, Resource { attributes, ..Default::default() }.encode_to_vec());
    let group = [scope_spans.clone(), scope_spans, delimited(3, "resource url"), resource].concat();
    let spans = spans(delimited(1, group));
    assert_eq!(spans.len(), 4);
    for span in &spans {
        assert_eq!((span.resource.service(), span.resource.schema_url.as_str()), ("shop", "resource url"));
        assert_eq!((span.scope.name.as_str(), span.scope.schema_url.as_str()), ("s", "scope url"));
        assert!(Arc::ptr_eq(&span.resource, &spans[0].resource));
    }
    assert!(Arc::ptr_eq(&spans[0].scope, &spans[1].scope));
}

#[test]
fn old_instrumentation_library_spans_are_read() {
    let library = delimited(1, [delimited(1, "lib"), delimited(2, "1.0")].concat());
    let old = delimited(1_000, [library, delimited(2, good_span().encode_to_vec()), delimited(3, "url")].concat());
    let spans = spans(delimited(1, old));
    assert_eq!(spans.len(), 1);
    let scope =
        model::Scope { name: "lib".into(), version: "1.0".into(), schema_url: "url".into(), ..model::Scope::default() };
    assert_eq!(*spans[0].scope, model::Keyed::new(scope));
}

/// A request in which everything is there, with these bytes added to every message in it.
fn full_request(added: &[u8]) -> Vec<u8> {
    let put = |number, content: Vec<u8>| delimited(number, [content, added.to_vec()].concat());
    let int = put(1, varint(3, 7));
    let array = put(5, int);
    let inner = put(1, [delimited(1, "inner"), put(2, array)].concat());
    let attribute = |number| put(number, [delimited(1, "key"), put(2, put(6, inner.clone()))].concat());
    let event = put(11, [delimited(2, "event"), attribute(3)].concat());
    let link = put(13, [delimited(3, "a=b"), attribute(4)].concat());
    let status = put(15, [delimited(2, "message"), varint(3, 2)].concat());
    let ids = [delimited(1, [1; 16]), delimited(2, [2; 8])].concat();
    let span = put(2, [ids, attribute(9), event, link, status].concat());
    let scope = put(1, [delimited(1, "scope"), attribute(3)].concat());
    let entity = put(3, [delimited(2, "host"), delimited(3, "id")].concat());
    let resource = put(1, [attribute(1), entity].concat());
    let scope_spans = put(2, [scope, span].concat());
    [put(1, [resource, scope_spans].concat()), added.to_vec()].concat()
}

#[test]
fn unknown_fields_are_skipped_at_every_level() {
    let plain = spans(full_request(&[]));
    assert_eq!(plain.len(), 1);
    let inner = [("inner", model::Value::Array(vec![model::Value::Int(7)]))].into_iter().collect();
    assert_eq!(plain[0].links[0].attributes.get("key"), Some(&model::Value::Map(inner)));
    assert_eq!(spans(full_request(&unknown())), plain);
}

#[test]
fn what_comes_twice_is_merged() {
    let status = [delimited(15, varint(3, 2)), delimited(15, delimited(2, "b")), delimited(15, [])].concat();
    let names = [delimited(5, "a"), delimited(5, "b")].concat();
    let one = delimited(1, varint(3, 1));
    let values = [delimited(1, "text"), delimited(5, &one), delimited(5, &one)].concat();
    let attribute = delimited(9, [delimited(2, values), delimited(2, delimited(5, &one))].concat());
    let replaced = delimited(9, delimited(2, [delimited(5, &one), varint(2, 1)].concat()));
    let span = &spans(request_of_span([status, names, attribute, replaced].concat()))[0];
    assert_eq!(span.status, model::Status { code: model::StatusCode::ERROR, message: "b".into() });
    assert_eq!(span.name, "b");
    assert_eq!(span.attributes.0[0].value, model::Value::Array(vec![model::Value::Int(1); 3]));
    assert_eq!(span.attributes.0[1].value, model::Value::Bool(true));

    let resource = |count| delimited(1, [varint(2, count), delimited(1, delimited(1, "k"))].concat());
    let scope_spans = delimited(2, delimited(2, good_span().encode_to_vec()));
    let span = &spans(delimited(1, [resource(1), scope_spans, resource(2)].concat()))[0];
    assert_eq!((span.resource.dropped_attributes_count, span.resource.attributes.0.len()), (2, 2));
}

#[test]
fn references_to_a_profile_count_as_absent() {
    let attribute = delimited(9, [varint(3, 5), delimited(2, [delimited(1, "a"), varint(8, 6)].concat())].concat());
    let span = &spans(request_of_span(attribute))[0];
    assert_eq!(span.attributes, [("", model::Value::Null)].into_iter().collect());
}

#[test]
fn numbers_that_nobody_defined_are_kept() {
    let status = Some(Status { code: -3, ..Status::default() });
    let span = Span { kind: 77, flags: u32::MAX, status, ..good_span() };
    let span = &spans(request(vec![span]).encode_to_vec())[0];
    assert_eq!((span.kind.0, span.flags, span.status.code.0), (77, u32::MAX, -3));
}

/// Each bad span is rejected alone, counted under its reason and described, and its neighbours stay.
#[test]
fn a_bad_span_is_rejected_alone() {
    let named = || Span { name: "GET /".into(), ..good_span() };
    let with_link = |link| Span { links: vec![Link::default(), link], ..named() };
    let id = "01".repeat(16);
    let (with_trace_id, with_ids) = (format!("trace_id {id}"), format!("trace_id {id} span_id 0202020202020202"));
    let with_span_id = "span_id 0202020202020202";
    let cases = [
        (Span { trace_id: vec![1; 5], ..named() }, "trace_id", with_span_id, "trace_id must have 16 bytes, has 5"),
        (Span { trace_id: vec![], ..named() }, "trace_id", with_span_id, "trace_id must have 16 bytes, has 0"),
        (Span { trace_id: vec![0; 16], ..named() }, "trace_id", with_span_id, "trace_id must not be all zeros"),
        (Span { span_id: vec![2; 9], ..named() }, "span_id", &with_trace_id, "span_id must have 8 bytes, has 9"),
        (Span { span_id: vec![0; 8], ..named() }, "span_id", &with_trace_id, "span_id must not be all zeros"),
        (
            Span { parent_span_id: vec![3; 16], ..named() },
            "parent_span_id",
            &with_ids,
            "parent_span_id must have 8 bytes, has 16",
        ),
        (
            with_link(Link { trace_id: vec![1; 8], ..Link::default() }),
            "link",
            &with_ids,
            "trace_id of a link must have 16 bytes, has 8",
        ),
        (
            with_link(Link { span_id: vec![1; 7], ..Link::default() }),
            "link",
            &with_ids,
            "span_id of a link must have 8 bytes, has 7",
        ),
    ];
    for (span, reason, ids, why) in cases {
        let body = request(vec![good_span(), span, named()]).encode_to_vec();
        let decoded = protobuf(&body).unwrap();
        assert_eq!(decoded.spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["", "GET /"], "{why}");
        assert_eq!(reasons(&decoded), [(reason, 1)]);
        assert_eq!(decoded.rejected.message(), format!("1 span rejected: span 1 \"GET /\" {ids}: {why}"));
    }
}

#[test]
fn an_id_that_may_be_absent_may_be_zeros() {
    let links = vec![Link { trace_id: vec![0; 16], span_id: vec![0; 8], ..Link::default() }, Link::default()];
    for parent_span_id in [vec![], vec![0; 8]] {
        let span = Span { parent_span_id, links: links.clone(), ..good_span() };
        let span = &spans(request(vec![span]).encode_to_vec())[0];
        assert_eq!(span.parent_span_id, None);
        assert_eq!(span.links, vec![model::Link::default(); 2]);
    }
}

#[test]
fn malformed_bytes_in_a_span_cost_that_span_alone() {
    let good = delimited(2, good_span().encode_to_vec());
    let name = delimited(5, "n");
    let contents = [
        (vec![0x0a, 0x7f], "length past the end of the message at byte 42"),
        (vec![0x80], "number cut short at byte 41"),
        (vec![0x39, 1, 2], "number cut short at byte 42"),
        (varint(5, 1), "wrong wire type at byte 41"),
        (delimited(6, [1]), "wrong wire type at byte 41"),
        (varint(16, 1), "wrong wire type at byte 41"),
        (varint(7, 1), "wrong wire type at byte 41"),
        (group(5, []), "wrong wire type at byte 41"),
        (vec![0x00, 1], "impossible field number at byte 41"),
        (vec![0x0e], "impossible wire type at byte 41"),
        (vec![0x0c], "impossible wire type at byte 41"),
        ([vec![0x30], vec![0xff; 10]].concat(), "number over 64 bits at byte 42"),
        ([vec![0x30], vec![0xff; 9], vec![2]].concat(), "number over 64 bits at byte 42"),
        (vec![0x9b, 0x06, 0xa4, 0x06], "group that does not end at byte 43"),
        (vec![0x9b, 0x06], "number cut short at byte 43"),
        ([0x9b, 0x06].repeat(101), "group that does not end at byte 241"),
        (delimited(11, [0x08]), "number cut short at byte 44"),
    ];
    for (content, what) in contents {
        let bad = delimited(2, [name.clone(), content].concat());
        let decoded = protobuf(&delimited(1, delimited(2, [good.clone(), bad, good.clone()].concat()))).unwrap();
        assert_eq!(decoded.spans.len(), 2, "{what}");
        assert_eq!(reasons(&decoded), [("malformed", 1)]);
        let message = decoded.rejected.message();
        // The lengths around the bad span may take one byte or two.
        let (message, at) = message.rsplit_once(' ').unwrap();
        let (what, expected) = what.rsplit_once(' ').unwrap();
        assert_eq!(message, format!("1 span rejected: span 1 \"n\": malformed: {what}"));
        let [at, expected]: [usize; 2] = [at, expected].map(|offset| offset.parse().unwrap());
        assert!((expected - 2..=expected + 3).contains(&at), "{at} {expected} {what}");
    }
}

/// Where a malformed resource or scope stands between good envelopes, the spans under it are rejected, and no others.
#[test]
fn a_bad_resource_or_scope_costs_its_spans() {
    let scope_spans = |bad: bool| {
        let scope = delimited(1, if bad { &[0x08][..] } else { &[] });
        delimited(2, [delimited(2, good_span().encode_to_vec()), scope].concat())
    };
    let resource = delimited(1, [0x08]);
    let groups = [
        delimited(1, [scope_spans(false), scope_spans(false), resource].concat()),
        delimited(1, [scope_spans(true), scope_spans(false)].concat()),
    ];
    let decoded = protobuf(&groups.concat()).unwrap();
    let twice = [delimited(2, good_span().encode_to_vec()), delimited(1, [0x08]), delimited(1, [])].concat();
    assert_eq!(reasons(&protobuf(&delimited(1, delimited(2, twice))).unwrap()), [("malformed", 1)]);
    assert_eq!((decoded.spans.len(), reasons(&decoded)), (1, vec![("malformed", 3)]));
    let message = decoded.rejected.message();
    assert!(message.contains("its resource: malformed: number cut short at byte"), "{message}");
    assert!(message.contains("its scope: malformed: number cut short at byte"), "{message}");
}

#[test]
fn a_request_with_broken_envelopes_fails() {
    let cases = [
        (vec![0x0a], "number cut short", 1),
        (vec![0x0a, 5, 0], "length past the end of the message", 1),
        (b"{\"resourceSpans\":[]}".to_vec(), "length past the end of the message", 2),
        (varint(1, 1), "wrong wire type", 0),
        (delimited(1, varint(1, 1)), "wrong wire type", 2),
        (delimited(1, delimited(2, varint(2, 1))), "wrong wire type", 4),
        (delimited(1, delimited(2, [0x12, 3])), "length past the end of the message", 5),
    ];
    for (body, what, offset) in cases {
        assert_eq!(protobuf(&body), Err(DecodeError::Protobuf(Malformed { what, offset })), "{body:?}");
    }
    assert_eq!(protobuf(&[0x0a]).unwrap_err().to_string(), "invalid protobuf: number cut short at byte 1");
}

/// In every place that has attributes, lists and maps are read as deep as prost reads them, and written so that it can.
#[test]
fn values_are_read_as_deep_as_prost_reads_them() {
    let put: [fn(&mut ResourceSpans, Vec<_>); 5] = [
        |group, attributes| group.scope_spans[0].spans[0].attributes = attributes,
        |group, attributes| group.scope_spans[0].spans[0].events = vec![Event { attributes, ..Event::default() }],
        |group, attributes| group.scope_spans[0].spans[0].links = vec![Link { attributes, ..Link::default() }],
        |group, attributes| {
            group.scope_spans[0].scope = Some(InstrumentationScope { attributes, ..InstrumentationScope::default() });
        },
        |group, attributes| group.resource = Some(Resource { attributes, ..Resource::default() }),
    ];
    for (place, put) in put.into_iter().enumerate() {
        let mut deepest = 0;
        for depth in 25..60 {
            let mut request = request(vec![good_span()]);
            put(&mut request.resource_spans[0], vec![pair("k", nested(depth, place % 2 == 0))]);
            let bytes = request.encode_to_vec();
            let decoded = protobuf(&bytes).unwrap();
            if ExportTraceServiceRequest::decode(&*bytes).is_ok() {
                deepest = depth;
                let back = encode::traces_data(&decoded.spans).encode_to_vec();
                assert!(ExportTraceServiceRequest::decode(&*back).is_ok());
                assert_eq!(protobuf(&back).unwrap(), decoded);
            } else {
                assert_eq!((decoded.spans.len(), reasons(&decoded)), (0, vec![("depth", 1)]), "{place} {depth}");
                let message = decoded.rejected.message();
                assert!(message.ends_with("an attribute's value is nested deeper than 100 messages"), "{message}");
            }
        }
        assert!((30..50).contains(&deepest), "{deepest}");
    }
}

/// However deep: nothing recurses further than the limit.
#[test]
fn depth_does_not_eat_the_stack() {
    let mut value = varint(3, 1);
    for _ in 0..10_000 {
        value = delimited(5, delimited(1, value));
    }
    let decoded = protobuf(&request_of_span(delimited(9, delimited(2, value)))).unwrap();
    assert_eq!(reasons(&decoded), [("depth", 1)]);
}

#[test]
fn texts_that_are_not_utf8_are_repaired_and_counted() {
    let bad = b"a\xff\xc3";
    let attribute = delimited(9, [delimited(1, bad), delimited(2, delimited(1, bad))].concat());
    let status = delimited(15, delimited(2, bad));
    let scope = delimited(1, delimited(1, bad));
    let ids = [delimited(1, [1; 16]), delimited(2, [2; 8])].concat();
    let span = delimited(2, [ids, delimited(3, bad), delimited(5, bad), attribute, status].concat());
    let decoded = protobuf(&delimited(1, [delimited(2, [scope, span].concat()), delimited(3, bad)].concat())).unwrap();
    let span = &decoded.spans[0];
    let repaired = "a\u{fffd}\u{fffd}";
    assert_eq!([&span.name, &span.trace_state, &span.status.message], [repaired; 3]);
    assert_eq!([&span.scope.name, &span.resource.schema_url], [repaired; 2]);
    assert_eq!(span.attributes, [(repaired, model::Value::from(repaired))].into_iter().collect());
    assert_eq!(decoded.repaired, 7);
}

#[test]
fn values_from_messages_are_those_from_requests() {
    let entity_refs = vec![EntityRef { r#type: "host".into(), id_keys: vec!["k".into()], ..EntityRef::default() }];
    let values = vec![
        nested(5, true),
        any(Sent::StringValueStrindex(1)),
        any(Sent::BytesValue(vec![0, 255])),
        any(Sent::DoubleValue(-0.0)),
        any(Sent::ArrayValue(ArrayValue { values: vec![any(IntValue(1)), any(Sent::BoolValue(false))] })),
        any(Sent::KvlistValue(KeyValueList { values: vec![pair("", any(Sent::StringValue("\0".into())))] })),
    ];
    let span = Span { attributes: values.iter().map(|value| pair("k", value.clone())).collect(), ..good_span() };
    let mut request = request(vec![span]);
    request.resource_spans[0].resource = Some(Resource { entity_refs, ..Resource::default() });
    let span = &spans(request.encode_to_vec())[0];
    assert_eq!(span.resource.entity_refs[0].id_keys, ["k"]);
    for (attribute, sent) in span.attributes.iter().zip(values) {
        assert_eq!(attribute.value, value(sent));
    }
}

/// Equal groups that came apart go out together, in the order of first appearance.
#[test]
fn spans_are_grouped_for_an_answer() {
    let group = |resource: u32, scope: &str, name: &str| ResourceSpans {
        resource: Some(Resource { dropped_attributes_count: resource, ..Resource::default() }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope { name: scope.into(), ..InstrumentationScope::default() }),
            spans: vec![Span { name: name.into(), ..good_span() }],
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    };
    let sent = [group(1, "x", "a"), group(2, "x", "b"), group(1, "y", "c"), group(1, "x", "d")];
    let body: Vec<u8> = sent.iter().flat_map(|group| delimited(1, group.encode_to_vec())).collect();
    let answer = encode::traces_data(&spans(body));
    let names = |scope: &ScopeSpans| scope.spans.iter().map(|span| span.name.clone()).collect::<Vec<_>>();
    let groups: Vec<Vec<_>> =
        answer.resource_spans.iter().map(|group| group.scope_spans.iter().map(names).collect()).collect();
    assert_eq!(groups, [vec![vec!["a", "d"], vec!["c"]], vec![vec!["b"]]]);
}
