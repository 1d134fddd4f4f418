//! Every value comes back from jsonb equal, and no two values look alike there.

use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::read::read_value;
use super::*;
use crate::model::{Attributes, EntityRef, Event, Link, SpanId, TraceId, UnixNanos, Value};
use crate::store::StoreError;

/// Texts with everything that needs care.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{0,2}", "[$\"\\\\\0\u{1}\u{2}\n\u{7f}aé😀]{0,4}", any::<String>()]
}

fn doubles() -> impl Strategy<Value = f64> {
    let special = [0.0, -0.0, 1.0, 1e16, 1e300, f64::MAX, 5e-324, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    prop_oneof![any::<f64>(), any::<u64>().prop_map(f64::from_bits), proptest::sample::select(special.to_vec())]
}

fn attributes_of(values: impl Strategy<Value = Value>, max: usize) -> impl Strategy<Value = Attributes> {
    vec((texts(), values), 0..max).prop_map(|pairs| pairs.into_iter().collect())
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        doubles().prop_map(Value::Double),
        texts().prop_map(Value::String),
        vec(any::<u8>(), 0..5).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::Array), attributes_of(inner, 4).prop_map(Value::Map)]
    })
}

fn links_strategy() -> impl Strategy<Value = Link> {
    let ids = (vec(1_u8..9, 16), vec(1_u8..9, 8), any::<bool>(), any::<bool>());
    (ids, texts(), attributes_of(values(), 4), any::<u32>(), 0_u32..3).prop_map(
        |((trace_id, span_id, has_trace_id, has_span_id), trace_state, attributes, flags, dropped)| Link {
            trace_id: TraceId::from_slice(&trace_id).ok().filter(|_| has_trace_id),
            span_id: SpanId::from_slice(&span_id).ok().filter(|_| has_span_id),
            trace_state,
            attributes,
            dropped_attributes_count: dropped,
            flags,
        },
    )
}

/// What jsonb makes of a text, done by hand.
fn reprint(text: &[u8]) -> Vec<u8> {
    let mut printed = String::new();
    print(&serde_json::from_slice(text).unwrap(), &mut printed);
    printed.into_bytes()
}

fn print(json: &Json, out: &mut String) {
    match json {
        Json::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                print(item, out);
            }
            out.push(']');
        }
        Json::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| (key.len(), *key));
            out.push('{');
            for (index, (key, value)) in pairs.into_iter().enumerate() {
                write!(out, "{}{}: ", if index > 0 { ", " } else { "" }, Json::from(key.as_str())).unwrap();
                print(value, out);
            }
            out.push('}');
        }
        Json::Number(number) if number.is_f64() => {
            let text = number.as_f64().unwrap().to_string();
            out.push_str(&text);
            out.push_str(if text.contains('.') { "" } else { ".0" });
        }
        Json::String(text) => {
            assert!(!text.contains('\0'), "jsonb refuses U+0000");
            out.push_str(&json.to_string());
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}

fn text_of(value: &Value) -> Vec<u8> {
    let mut text = Vec::new();
    super::value(value, &mut text).unwrap();
    text
}

fn check(value: &Value, text: &str) {
    assert_eq!(String::from_utf8(text_of(value)).unwrap(), text);
    assert_eq!(read_value(text.as_bytes()).unwrap(), *value);
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().collect())
}

/// The form is what SQL users and the rows of years see: a change here is a change of the stored format.
#[test]
fn each_kind_of_value_has_its_form() {
    check(&Value::Null, "null");
    check(&Value::Int(i64::MIN), "-9223372036854775808");
    check(&Value::Double(1.0), "1.0");
    check(&Value::Double(1e16), "10000000000000000.0");
    check(&Value::Double(1.5e-7), "0.00000015");
    check(&Value::Double(-0.0), r#"{"$double":"-0.0"}"#);
    check(&Value::Double(f64::NEG_INFINITY), r#"{"$double":"-Infinity"}"#);
    check(&Value::Double(f64::NAN), r#"{"$double":"NaN"}"#);
    check(&Value::Double(f64::from_bits(0xfff0_0000_0000_0001)), r#"{"$double":"NaN:fff0000000000001"}"#);
    check(&Value::Bytes(vec![0, 255]), r#"{"$bytes":"AP8="}"#);
    check(&"a\0\u{1}\"\\\n".into(), r#""a\u0001\u0001\u0001\u0002\"\\\n""#);
    check(&Value::Array(vec![Value::Bool(true), Value::Null]), "[true,null]");
    check(&map([("b", Value::Int(1)), ("aa", Value::Int(2))]), r#"{"b":1,"aa":2}"#);
    check(&map([("b", Value::Int(1)), ("a", Value::Int(2))]), r#"{"$map":[["b",1],["a",2]]}"#);
    check(&map([("a", Value::Int(1)), ("a", Value::Int(2))]), r#"{"$map":[["a",1],["a",2]]}"#);
    check(&map([("$a", Value::Int(1))]), r#"{"$map":[["$a",1]]}"#);
    check(&map([]), "{}");
}

#[test]
fn a_shape_says_order_and_copies_only_when_there_are_some() {
    let check = |keys: &[&str], object: &str, shape: Option<&[u8]>| {
        let list: Attributes = keys.iter().zip(0..).map(|(key, index)| (*key, Value::Int(index))).collect();
        let mut text = Vec::new();
        let actual = attributes(&list, &mut text).unwrap();
        assert_eq!((std::str::from_utf8(&text).unwrap(), actual.as_deref()), (object, shape));
        assert_eq!(read_attributes(&reprint(&text), shape).unwrap(), list);
    };
    check(&[], "{}", None);
    check(&["$b", "aaa"], r#"{"$b":0,"aaa":1}"#, None);
    check(&["ccc", "a", "bb"], r#"{"a":1,"bb":2,"ccc":0}"#, Some(&[0, 1, 2, 0]));
    check(&["\0", "bb", "b"], r#"{"b":2,"\u0001\u0001":0,"bb":1}"#, Some(&[0, 2, 0, 1]));
    check(&["b", "a", "b"], r#"{"a":1,"b":2}"#, Some(b"\x01[[\"b\",0],[\"a\",1],[\"b\",2]]"));
}

#[test]
fn long_lists_keep_their_order() {
    for count in [256_u32, 257, 65_536, 65_537] {
        let list: Attributes = (0..count).rev().map(|n| (n.to_string(), Value::Null)).collect();
        let mut text = Vec::new();
        let shape = attributes(&list, &mut text).unwrap();
        assert!(read_attributes(&text, shape.as_deref()).unwrap() == list, "{count}");
    }
}

#[test]
fn what_was_never_written_is_corrupt() {
    let values = ["", "nul", "1 2", "[1", "18446744073709551615", r#"{"$bytes":"?"}"#, r#"{"$double":"1"}"#]
        .into_iter()
        .chain([r#"{"$double":"NaN:0"}"#, r#"{"$new":1}"#, r#"{"$bytes":"","a":1}"#, r#"{"a":1,"$bytes":""}"#])
        .chain([r#"{"$map":{}}"#, r#"{"$map":[["a"]]}"#, r#""\u0001""#, r#"{"\u0001":1}"#]);
    for text in values {
        assert!(matches!(read_value(text.as_bytes()), Err(StoreError::Corrupt { .. })), "{text}");
    }
    for shape in [&b""[..], b"\0", b"\0\0\0", b"\0\0\x02", b"\0\0\x01\x02", b"\x01", b"\x02"] {
        assert!(read_attributes(br#"{"a":1,"b":2}"#, Some(shape)).is_err(), "{shape:?}");
    }
    for text in ["{}", "[1]", r#"[{"time_unix_nano":-1}]"#, r#"[{"name":1}]"#, r#"[{"shape":"?"}]"#] {
        assert!(read_events(text.as_bytes()).is_err(), "{text}");
    }
    for text in [r#"[{"trace_id":"00"}]"#, r#"[{"span_id":"0000000000000000"}]"#, r#"[{"flags":4294967296}]"#] {
        assert!(read_links(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn an_error_does_not_quote_the_data() {
    let error = read_events(br#"[{"name":{"secret":1}}]"#).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn depth_has_a_limit_that_the_reader_takes() {
    let nested = |levels| (1..levels).fold(Value::Array(vec![]), |inner, _| Value::Array(vec![inner]));
    let deepest = nested(DEPTH_MAX);
    assert_eq!(read_value(&text_of(&deepest)).unwrap(), deepest);
    for too_deep in [nested(DEPTH_MAX + 1), Value::Array(vec![deepest])] {
        assert!(matches!(value(&too_deep, &mut Vec::new()), Err(StoreError::Refused { .. })));
    }
    let attribute = |value| Attributes::from_iter([("b", Value::Null), ("a", value)]);
    let event = |value| vec![Event { attributes: attribute(value), ..Event::default() }];
    let written = event(nested(DEPTH_MAX - 3));
    let mut text = Vec::new();
    events(&written, &mut text).unwrap();
    assert_eq!(read_events(&text).unwrap(), written);
    assert!(matches!(events(&event(nested(DEPTH_MAX - 2)), &mut text), Err(StoreError::Refused { .. })));
}

/// 500 values through the real thing: they come back, and equal texts are equal values.
#[test]
fn postgres_gives_every_value_back() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let written: Vec<Value> = (0..500).map(|_| values().new_tree(&mut runner).unwrap().current()).collect();
    let texts: Vec<String> = written.iter().map(|value| String::from_utf8(text_of(value)).unwrap()).collect();
    let reprinted = reprinted_by_postgres(&texts);
    for (value, text) in written.iter().zip(&reprinted) {
        assert_eq!(read_value(text.as_bytes()).unwrap(), *value);
        for (other, other_text) in written.iter().zip(&reprinted) {
            assert_eq!(value == other, text == other_text);
        }
    }
}

fn reprinted_by_postgres(texts: &[String]) -> Vec<String> {
    use sqlx::Connection;

    let url = std::env::var("TEST_DATABASE_URL").expect("set TEST_DATABASE_URL or run ./scripts/test");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        let select =
            "select array(select text::jsonb::text from unnest($1::text[]) with ordinality as t(text, n) order by n)";
        sqlx::query_scalar(select).bind(texts).fetch_one(&mut connection).await.unwrap()
    })
}

proptest! {
    #[test]
    fn values_survive_jsonb(value in values()) {
        let text = text_of(&value);
        prop_assert_eq!(read_value(&text).unwrap(), value.clone());
        prop_assert_eq!(read_value(&reprint(&text)).unwrap(), value);
    }

    #[test]
    fn no_two_values_look_alike(a in values(), b in values()) {
        prop_assert_eq!(reprint(&text_of(&a)) == reprint(&text_of(&b)), a == b);
    }

    #[test]
    fn attribute_lists_survive_jsonb(list in attributes_of(values(), 8)) {
        let mut text = Vec::new();
        let shape = attributes(&list, &mut text).unwrap();
        prop_assert_eq!(read_attributes(&text, shape.as_deref()).unwrap(), list.clone());
        prop_assert_eq!(read_attributes(&reprint(&text), shape.as_deref()).unwrap(), list.clone());
        // What SQL finds under a key is what the model finds.
        let object: Json = serde_json::from_slice(&text).unwrap();
        for attribute in &list {
            let mut found = String::new();
            print(&object[crate::store::text::stored(&attribute.key).as_ref()], &mut found);
            let found = read_value(found.as_bytes()).unwrap();
            prop_assert_eq!(Some(&found), list.get(&attribute.key));
        }
    }

    #[test]
    fn events_survive_jsonb(fields in vec((any::<u64>(), texts(), attributes_of(values(), 4), 0_u32..3), 0..3)) {
        let written: Vec<_> = fields
            .into_iter()
            .map(|(time, name, attributes, dropped_attributes_count)| {
                Event { time: UnixNanos(time), name, attributes, dropped_attributes_count }
            })
            .collect();
        let mut text = Vec::new();
        events(&written, &mut text).unwrap();
        prop_assert_eq!(read_events(&reprint(&text)).unwrap(), written);
    }

    #[test]
    fn links_survive_jsonb(written in vec(links_strategy(), 0..3)) {
        let mut text = Vec::new();
        links(&written, &mut text).unwrap();
        prop_assert_eq!(read_links(&reprint(&text)).unwrap(), written);
    }

    #[test]
    fn entity_refs_survive_jsonb(fields in vec((texts(), texts(), vec(texts(), 0..3), vec(texts(), 0..3)), 0..3)) {
        let written: Vec<_> = fields
            .into_iter()
            .map(|(schema_url, entity_type, id_keys, description_keys)| {
                EntityRef { schema_url, entity_type, id_keys, description_keys }
            })
            .collect();
        let mut text = Vec::new();
        entity_refs(&written, &mut text).unwrap();
        prop_assert_eq!(read_entity_refs(&reprint(&text)).unwrap(), written);
    }
}
