//! Somebody locks the table of the spans: nothing can be written, and nothing fails either.

use sqlx::{Executor, PgConnection};
use tokio::task::block_in_place;
use tokio::time::timeout;

use super::{A_WHILE, assert_shows, comes, gauge};
use crate::support::ledger::Ledger;
use crate::support::load::Load;
use crate::support::postgres::TestDatabase;
use crate::support::process::Server;
use crate::support::sender::{Door, Doors, Heard, Request, Sender};

const QUEUE_REQUESTS_MAX: i64 = 8;
/// More than the queue takes.
const SENDERS: u64 = 20;

/// Takes the lock, which lasts until `unlock`.
pub(super) async fn lock(connection: &mut PgConnection) {
    connection.execute("begin; lock table span_row in access exclusive mode").await.unwrap();
}

pub(super) async fn unlock(connection: &mut PgConnection) {
    connection.execute("rollback").await.unwrap();
}

/// Scenario: while the table is locked, more requests come than may wait. Guarantee: those that may wait do, the others
/// are told to come again, the server holds no more than it may; after the lock everything is stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_fills_the_queue_and_no_more() {
    let database = TestDatabase::create().await;
    let settings = ["--queue-requests-max", &QUEUE_REQUESTS_MAX.to_string()];
    let server = block_in_place(|| Server::start_with(&database.url(), &settings));
    let mut holder = database.connect().await;
    lock(&mut holder).await;
    let load = Load::start(SENDERS, Doors::of(&server));
    load.until("refusals", |progress| progress.busy >= 10 * SENDERS).await;
    assert_eq!(gauge(&server, "tracewell_queue_requests"), QUEUE_REQUESTS_MAX);
    let progress = load.progress();
    assert_eq!((progress.stored, progress.late), (0, 0), "{progress:?}");
    unlock(&mut holder).await;
    load.until("the first requests", |progress| progress.stored >= 2 * SENDERS).await;
    let spans = load.finish().await;
    assert_eq!(gauge(&server, "tracewell_queue_requests"), 0);
    assert_eq!(Ledger::read(&server).total("stored"), spans.len() as u64);
    assert_shows(&database.url(), &spans).await;
}

/// Scenario: the lock lasts longer than a request may. Guarantee: the sender is told in time; what it sent keeps its
/// place until it is stored, and is shown once although it comes again.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_lock_is_told_in_time() {
    let database = TestDatabase::create().await;
    let server = block_in_place(|| Server::start_with(&database.url(), &["--request-seconds-max", "1"]));
    let (doors, mut sender, mut holder) = (Doors::of(&server), Sender::new(), database.connect().await);
    let request = Request::numbered(0, 0);
    lock(&mut holder).await;
    for (door, waiting) in [(Door::Grpc, 1), (Door::Http, 2)] {
        let heard = timeout(A_WHILE, sender.send(doors, door, &request)).await;
        assert_eq!(heard, Ok(Heard::Late), "by {door:?}");
        assert_eq!(gauge(&server, "tracewell_queue_requests"), waiting);
    }
    unlock(&mut holder).await;
    assert_eq!(sender.send(doors, Door::Grpc, &request).await, Heard::Stored);
    // Nobody was there to hear of the first two, and they are counted all the same; by another writer, perhaps later.
    comes("an empty queue", async || gauge(&server, "tracewell_queue_requests") == 0).await;
    let (ledger, spans) = (Ledger::read(&server), request.spans.len() as u64);
    assert_eq!((ledger.total("stored"), ledger.total("recognised")), (spans, 2 * spans));
    assert_shows(&database.url(), &request.spans).await;
}
