//! Ending: by a signal everything received is answered, and what was acknowledged is there, as it is after a kill.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use futures::TryStreamExt;
use tracewell::metrics::CorruptBlocks;
use tracewell::model::Search;
use tracewell::store::{self, OpenSettings, Scan};

use crate::support::directory::Directory;
use crate::support::http::send_span;
use crate::support::postgres::TestDatabase;
use crate::support::process::Server;

const SENDERS: usize = 8;
/// The server is ended when so many spans were acknowledged.
const ENOUGH_SPANS: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_loses_nothing_in_sqlite() {
    let directory = Directory::create();
    check(&format!("sqlite:{}", directory.file("spans.db")), |server| assert!(server.stop().success())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_loses_nothing_in_postgres() {
    let database = TestDatabase::create().await;
    check(&database.url(), |server| assert!(server.stop().success())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_nothing_in_sqlite() {
    let directory = Directory::create();
    check(&format!("sqlite:{}", directory.file("spans.db")), Server::kill).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_nothing_in_postgres() {
    let database = TestDatabase::create().await;
    check(&database.url(), Server::kill).await;
}

/// Scenario: eight senders send one span after the other until nobody answers, and in the middle of it the server is
/// ended. Guarantee: every span that was answered OK is there, once; no answer was an error but "come again".
async fn check(url: &str, end: impl FnOnce(Server)) {
    let server = Server::start(url);
    let address = server.http;
    let (next, acknowledged) = (AtomicU64::new(1), Mutex::new(BTreeSet::new()));
    let (enough, ready) = std::sync::mpsc::sync_channel(1);
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            let (next, acknowledged, enough) = (&next, &acknowledged, enough.clone());
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    match send_span(address, number) {
                        Ok(200) => {
                            let mut acknowledged = acknowledged.lock().unwrap();
                            acknowledged.insert(number);
                            if acknowledged.len() == ENOUGH_SPANS {
                                enough.send(()).unwrap();
                            }
                        }
                        Ok(status) => assert_eq!(status, 503),
                        Err(_) => break,
                    }
                }
            });
        }
        // When all senders have ended before, this fails and does not wait for ever.
        drop(enough);
        ready.recv().unwrap();
        end(server);
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() >= ENOUGH_SPANS);
    let stored = stored(url).await;
    let once: BTreeSet<u64> = stored.iter().copied().collect();
    assert_eq!(stored.len(), once.len(), "a span is there twice");
    assert_eq!(acknowledged.difference(&once).count(), 0, "an acknowledged span is not there");
}

/// The numbers of the spans that are in the database.
async fn stored(url: &str) -> Vec<u64> {
    let settings = OpenSettings {
        wait_max: std::time::Duration::from_mins(1),
        writer_connections_max: 1,
        reader_connections_max: 1,
        query_timeout: std::time::Duration::from_mins(1),
        corrupt_blocks: CorruptBlocks::default(),
    };
    let opened = store::open(url, &settings).await.unwrap();
    let scan = Scan::of(Search::default());
    let spans: Vec<_> = opened.store.scan_spans(scan).try_collect().await.unwrap();
    opened.store.close().await;
    spans.iter().map(|span| span.start.0).collect()
}
