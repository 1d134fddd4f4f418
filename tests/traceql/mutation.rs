//! What `fuzz/` does without end, for a while: the corpus and the queries of `docs/traceql.md` as they are, and then changed
//! again and again.
//!
//! `TRACEWELL_TEST_SEED` repeats a run, `TRACEWELL_TEST_ROUNDS` makes it longer. A query that fails is printed; kept as a
//! file in the corpus, it is tried for ever.

use std::fs;
use std::path::Path;

use super::{document, property};
use crate::support::random::{Random, random, rounds};

/// Queries that a test tries in a round.
const ROUND_QUERIES: u64 = 1_500;

/// Shows a query when the test fails with it.
struct Shown<'a>(&'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it fails with the query {}", self.0.escape_ascii());
        }
    }
}

fn hold(query: &[u8]) {
    let _shown = Shown(query);
    property::query(query);
}

/// The files of the corpus that are kept: those with an ending.
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/traceql");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some()).collect();
    paths.sort();
    assert!(paths.len() >= 5, "the corpus is not there");
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

fn seeds() -> Vec<Vec<u8>> {
    corpus().into_iter().chain(document::queries().map(String::into_bytes)).collect()
}

/// Scenario: the corpus and the page's queries. Guarantee: what must hold for any query holds.
#[test]
fn seeds_hold() {
    for query in seeds() {
        hold(&query);
    }
}

/// Scenario: the same, cut, doubled, mixed and with single bytes changed. Guarantee: the same.
#[test]
fn changed_seeds_hold() {
    let (seeds, mut random) = (seeds(), random());
    for _ in 0..rounds(3) * ROUND_QUERIES {
        let mut query = random.one_of(&seeds).clone();
        for _ in 0..=random.below(4) {
            let other = &seeds[random.index(seeds.len())];
            query = change(&query, other, &mut random);
        }
        hold(&query);
    }
}

/// The query with a part of it replaced: by nothing, by itself twice, by a part of another query or by any byte.
fn change(query: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let part = part(query, random);
    let inserted = match random.below(4) {
        0 => Vec::new(),
        1 => [&query[part.clone()], &query[part.clone()]].concat(),
        2 => {
            let from_other = self::part(other, random);
            other[from_other].to_vec()
        }
        _ => vec![u8::try_from(random.below(256)).unwrap()],
    };
    [&query[..part.start], &inserted, &query[part.end..]].concat()
}

fn part(query: &[u8], random: &mut Random) -> std::ops::Range<usize> {
    let place = |random: &mut Random, below: usize| usize::try_from(random.below(below as u64 + 1)).unwrap();
    let start = place(random, query.len());
    let length = place(random, (query.len() - start).min(20));
    start..start + length
}
