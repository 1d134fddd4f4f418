//! What `fuzz/` does without end, for a while: the corpus of Zipkin's requests as it is, and then changed again and again, in
//! their structure and now and then in their bytes. `crate::otlp::mutation` says how to repeat and to lengthen a run.

use super::any;
use crate::otlp::mutation::{corpus, hold, hold_changed, json, protobuf};
use crate::support::random::Random;

/// Names of members that mean something in Zipkin's JSON; the last one means nothing.
const NAMES: [&str; 20] = [
    "traceId",
    "parentId",
    "id",
    "kind",
    "name",
    "timestamp",
    "duration",
    "localEndpoint",
    "remoteEndpoint",
    "serviceName",
    "ipv4",
    "ipv6",
    "port",
    "annotations",
    "value",
    "tags",
    "error",
    "debug",
    "shared",
    "unknown",
];

fn change_json(text: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    json::change_with(&NAMES, text, other, random)
}

#[test]
fn the_corpus_holds() {
    for (name, request) in corpus("zipkin_json") {
        hold(any::json, &name, &request);
    }
    for (name, request) in corpus("zipkin_protobuf") {
        hold(any::protobuf, &name, &request);
    }
}

#[test]
fn changed_json_holds() {
    hold_changed(&corpus("zipkin_json"), change_json, any::json);
}

#[test]
fn changed_protobuf_holds() {
    hold_changed(&corpus("zipkin_protobuf"), protobuf::change, any::protobuf);
}
