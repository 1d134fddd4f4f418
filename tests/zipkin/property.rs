//! What goes in by Zipkin comes back by Zipkin, whatever it is, in either form.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{decoded, shown};

fn endpoint() -> impl Strategy<Value = Option<Value>> {
    let parts =
        (option::of("[a-z]{1,3}"), option::of(any::<[u8; 4]>()), option::of(any::<u64>()), option::of(1..=u16::MAX));
    let endpoint = parts.prop_map(|(service, ipv4, ipv6, port)| {
        let mut endpoint = Map::new();
        let mut add = |key: &str, value: Option<Value>| value.map(|value| endpoint.insert(key.to_owned(), value));
        add("serviceName", service.map(Value::from));
        add("ipv4", ipv4.map(|bytes| json!(std::net::Ipv4Addr::from(bytes).to_string())));
        // Of an address that is not one of IPv4 in the clothes of IPv6.
        let ipv6 = ipv6.map(|lower| std::net::Ipv6Addr::from(u128::from(lower) | 1 << 127));
        add("ipv6", ipv6.map(|address| json!(address.to_string())));
        add("port", port.map(Value::from));
        Some(Value::Object(endpoint)).filter(|endpoint| endpoint.as_object().is_some_and(|map| !map.is_empty()))
    });
    endpoint.boxed()
}

fn tags() -> impl Strategy<Value = BTreeMap<String, String>> {
    let keys = prop_oneof![
        "[a-z.]{1,6}",
        Just("error".to_owned()),
        Just("peer.service".to_owned()),
        Just("zipkin".to_owned()),
        Just("otel.status_code".to_owned()),
        Just("service.name".to_owned()),
    ];
    btree_map(keys, ".{0,8}", 0..4)
}

prop_compose! {
    fn span()(
        (trace_id, id) in (1..u128::MAX, 1..u64::MAX), is_short: bool, parent in option::of(1..u64::MAX),
        kind in option::of(prop_oneof!["CLIENT", "SERVER", "PRODUCER", "CONSUMER"]),
        name in option::of("[a-z /]{1,8}"),
        times in (option::of(1..9_000_000_000_000_000_u64), option::of(1..1_000_000_000_u64)),
        sides in (endpoint(), endpoint()),
        annotations in vec((1..1_000_u64, "[a-z]{0,3}"), 0..3), tags in tags(), flags: (bool, bool),
    ) -> Value {
        let mut span = Map::new();
        let trace_id = if is_short { format!("{id:016x}") } else { format!("{:032x}", trace_id | 1 << 127) };
        span.insert("traceId".to_owned(), json!(trace_id));
        span.insert("id".to_owned(), json!(format!("{id:016x}")));
        let mut add = |key: &str, value: Option<Value>| value.map(|value| span.insert(key.to_owned(), value));
        add("parentId", parent.filter(|parent| *parent != id).map(|parent| json!(format!("{parent:016x}"))));
        add("kind", kind.map(Value::from));
        add("name", name.map(Value::from));
        add("timestamp", times.0.map(Value::from));
        add("duration", times.1.map(Value::from));
        add("localEndpoint", sides.0);
        add("remoteEndpoint", sides.1);
        let annotations: std::collections::BTreeSet<_> = annotations.into_iter().collect();
        let annotation = |(timestamp, value)| json!({ "timestamp": timestamp, "value": value });
        let annotations: Vec<_> = annotations.into_iter().map(annotation).collect();
        add("annotations", Some(json!(annotations)).filter(|_| !annotations.is_empty()));
        add("tags", Some(json!(tags)).filter(|_| !tags.is_empty()));
        add("debug", flags.0.then_some(Value::Bool(true)));
        add("shared", flags.1.then_some(Value::Bool(true)));
        Value::Object(span)
    }
}

proptest! {
    /// Scenario: any spans, with tags named as what is derived from other fields. Guarantee: they come back as they went
    /// in, each for itself.
    #[test]
    fn what_goes_in_comes_back(spans in vec(span(), 1..4)) {
        let sent = json!(spans);
        prop_assert_eq!(shown(&decoded(&sent)), sent);
    }
}
