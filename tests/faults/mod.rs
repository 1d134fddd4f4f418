//! Breaking things: the server is killed, its database goes away, connections are cut in the worst moment, tables are
//! locked, disks are full, more is sent than fits. Whatever happens, three statements hold in the end:
//!
//! 1. Every span that was acknowledged is there.
//! 2. No read shows a span twice, though its sender may have sent it several times.
//! 3. Every span of a sender that never gives up is there at last.
//!
//! And the ledger balances; every read of it in these tests asserts that.
//!
//! Where a test leaves something to chance it prints its seed; `TRACEWELL_TEST_SEED` repeats it, as far as processes
//! that race can be repeated. `TRACEWELL_TEST_ROUNDS` makes the tests that go in rounds longer.

mod compaction;
mod damage;
mod disk;
mod kill;
mod ledger;
mod lock;
mod overload;
mod postgres;
mod proxy;
mod twice;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use tokio::task::block_in_place;
use tokio::time::timeout;
use tracewell::metrics::CorruptBlocks;
use tracewell::model::{Search, Span, TraceId};
use tracewell::store::{self, OpenSettings, Scan, SpanStore};

use crate::support::http::get;
use crate::support::process::Server;
use crate::support::random::{random, rounds};

/// No wait takes so long unless something is wrong; then the test fails instead of hanging.
const A_WHILE: Duration = Duration::from_mins(1);

/// What the server's metrics say of this number.
fn gauge(server: &Server, name: &str) -> i64 {
    gauge_at(server.web, name)
}

fn gauge_at(web: SocketAddr, name: &str) -> i64 {
    let (_, text) = block_in_place(|| get(web, "/metrics").unwrap());
    let number = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    number.unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

/// Waits until something is so, by asking again and again.
async fn comes(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waits = async { while !is_so().await {} };
    assert!(timeout(A_WHILE, waits).await.is_ok(), "it does not come: {what}");
}

/// Asserts that a database shows exactly these spans, each once and whole: in a scan of everything, and in its trace.
async fn assert_shows(database_url: &str, sent: &[Span]) {
    let mut expected: Vec<_> = sent.iter().collect();
    expected.sort_by_cached_key(|span| span.key());
    let store = open(database_url).await;
    let scan = Scan::of(Search::default());
    let mut scanned: Vec<Span> = store.scan_spans(scan).try_collect().await.unwrap();
    scanned.reverse();
    assert_same("the scan", &expected, &scanned);
    let mut traces = BTreeMap::<TraceId, Vec<&Span>>::new();
    for span in expected {
        traces.entry(span.trace_id).or_default().push(span);
    }
    for (trace_id, expected) in traces {
        let shown: Vec<Span> = store.trace(trace_id).try_collect().await.unwrap();
        assert_same(&format!("trace {trace_id}"), &expected, &shown);
    }
    store.close().await;
}

/// Both in the order of their keys.
fn assert_same(what: &str, expected: &[&Span], shown: &[Span]) {
    for pair in shown.windows(2) {
        assert_ne!(pair[0], pair[1], "{what} shows a span twice");
    }
    let keys: Vec<_> = shown.iter().map(Span::key).collect();
    for span in expected {
        let found = keys.binary_search(&span.key());
        assert!(found.is_ok_and(|at| shown[at] == **span), "{what} misses a span or shows it changed: {span:?}");
    }
    assert_eq!(shown.len(), expected.len(), "{what} shows spans that nobody sent");
}

async fn open(database_url: &str) -> Arc<dyn SpanStore> {
    let settings = OpenSettings {
        wait_max: Duration::from_mins(1),
        writer_connections_max: 1,
        reader_connections_max: 1,
        query_timeout: Duration::from_mins(1),
        corrupt_blocks: CorruptBlocks::default(),
    };
    store::open(database_url, &settings).await.unwrap().store
}
