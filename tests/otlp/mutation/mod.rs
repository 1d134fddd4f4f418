//! What `fuzz/` does without end, for a while: the corpus as it is, and then changed again and again, each time in its
//! structure (`protobuf.rs`, `json.rs`), and now and then in its bytes (`bytes.rs`).
//!
//! `TRACEWELL_TEST_SEED` repeats a run, `TRACEWELL_TEST_ROUNDS` makes it longer. A request that fails is printed; kept
//! as a file in the corpus, it is tried for ever.

mod bytes;
pub(crate) mod json;
pub(crate) mod protobuf;

use std::fs;
use std::path::Path;

use prost::Message;

use super::text::json_text;
use super::{messages, property};
use crate::support::arbitrary::samples;
use crate::support::random::{Random, random, rounds};

/// Requests that a test tries in a round.
const ROUND_REQUESTS: u64 = 1_000;

/// Random requests beside those of the corpus.
const RANDOM_REQUESTS: usize = 64;

/// Where broken bytes start from, by their names.
pub(crate) type Seeds = Vec<(String, Vec<u8>)>;

/// The files of a fuzz target's corpus that are kept: those with an ending.
pub(crate) fn corpus(target: &str) -> Seeds {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some()).collect();
    paths.sort();
    assert!(paths.len() >= 5, "the corpus is not there");
    paths.into_iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

/// Shows a request when the test fails with it.
struct Shown<'a>(&'a str, &'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it fails with a request made from {}:\n{}", self.0, self.1.escape_ascii());
        }
    }
}

pub(crate) fn hold(property: fn(&[u8]), name: &str, request: &[u8]) {
    let _shown = Shown(name, request);
    property(request);
}

/// Changes seeds at random, one to four times each, and sees that the property still holds.
pub(crate) fn hold_changed(seeds: &Seeds, change: fn(&[u8], &[u8], &mut Random) -> Vec<u8>, property: fn(&[u8])) {
    let mut random = random();
    for _ in 0..rounds(3) * ROUND_REQUESTS {
        let (name, seed) = random.one_of(seeds);
        let mut request = seed.clone();
        for _ in 0..=random.below(4) {
            request = match random.below(5) {
                0 => bytes::change(&request, &mut random),
                _ => change(&request, &random.one_of(seeds).1, &mut random),
            };
        }
        hold(property, name, &request);
    }
}

#[test]
fn the_corpus_holds() {
    for (name, request) in corpus("otlp_protobuf") {
        hold(property::protobuf, &name, &request);
    }
    for (name, request) in corpus("otlp_json") {
        hold(property::json, &name, &request);
    }
}

#[test]
fn changed_protobuf_holds() {
    let mut seeds = corpus("otlp_protobuf");
    let requests = samples(&messages::request(), RANDOM_REQUESTS);
    seeds.extend(requests.iter().map(|request| ("a random request".to_owned(), request.encode_to_vec())));
    hold_changed(&seeds, protobuf::change, property::protobuf);
}

#[test]
fn changed_json_holds() {
    let mut seeds = corpus("otlp_json");
    let requests = samples(&messages::request(), RANDOM_REQUESTS);
    seeds.extend(requests.iter().map(|request| ("a random request".to_owned(), json_text(request).into_bytes())));
    hold_changed(&seeds, json::change, property::json);
}
