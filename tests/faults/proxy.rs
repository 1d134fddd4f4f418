//! The connection to PostgreSQL is cut in the worst moments: with half of a request's rows sent (few by an insert, many
//! by COPY), with a COMMIT that the server never sees, and with one that it obeys and nobody hears of.

use tokio::task::{block_in_place, spawn_blocking};

use super::{assert_shows, random, rounds};
use crate::support::ledger::Ledger;
use crate::support::load::Load;
use crate::support::postgres::TestDatabase;
use crate::support::process::Server;
use crate::support::proxy::{Cut, Proxy};
use crate::support::sender::{Door, Doors, Heard, Request, Sender};

const SENDERS: u64 = 6;
/// So many spans go by COPY.
const MANY: u64 = 2_200;
/// Between two cuts, so many requests at most are acknowledged.
const STORED_MAX: u64 = 20;

/// Scenario: a request meets each cut, by each door, and is sent again. Guarantee: the sender is told to come again;
/// until it does, the spans are there whole if the COMMIT got through, else none is; then they are there once.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_is_told_and_what_comes_again_is_shown_once() {
    let database = TestDatabase::create().await;
    let proxy = Proxy::start(&database.url()).await;
    let server = block_in_place(|| Server::start(proxy.url()));
    let (doors, mut sender, mut sent) = (Doors::of(&server), Sender::new(), Vec::new());
    let writes =
        [(Door::Grpc, Cut::OF_INSERTS, 5), (Door::Http, Cut::OF_INSERTS, 5), (Door::Http, Cut::OF_COPIES, MANY)];
    for ((door, cuts, spans), first) in writes.into_iter().zip((0..).step_by(1_000)) {
        for (cut, number) in cuts.into_iter().zip((first..).step_by(300)) {
            let request = Request::sized(0, number, spans);
            proxy.arm(cut);
            let heard = sender.send(doors, door, &request).await;
            assert!(heard.is_busy(), "{cut:?} by {door:?}: {heard:?}");
            proxy.cut().await;
            if cut == Cut::AfterCommit {
                sent.extend(request.spans.clone());
            }
            assert_shows(&database.url(), &sent).await;
            assert_eq!(sender.send(doors, door, &request).await, Heard::Stored, "after {cut:?} by {door:?}");
            if cut != Cut::AfterCommit {
                sent.extend(request.spans);
            }
            assert_shows(&database.url(), &sent).await;
        }
    }
}

/// Scenario: the connection is lost, and whoever takes the next one hangs up at once. Guarantee: the sender is told to
/// come again, not that its spans are no good.
#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_is_no_answer() {
    let database = TestDatabase::create().await;
    let proxy = Proxy::start(&database.url()).await;
    proxy.hang_up();
    // It waits for a database at the start, too.
    let url = proxy.url().to_owned();
    let starting = spawn_blocking(move || Server::start(&url));
    proxy.let_through().await;
    let server = starting.await.unwrap();
    let (request, mut sender) = (Request::numbered(0, 0), Sender::new());
    proxy.arm(Cut::BeforeCommit);
    let heard = sender.send(Doors::of(&server), Door::Http, &request).await;
    assert!(heard.is_busy(), "cut: {heard:?}");
    proxy.cut().await;
    proxy.hang_up();
    let heard = sender.send(Doors::of(&server), Door::Http, &request).await;
    assert!(heard.is_busy(), "hung up on: {heard:?}");
    proxy.let_through().await;
    assert_eq!(sender.send(Doors::of(&server), Door::Http, &request).await, Heard::Stored);
    assert_shows(&database.url(), &request.spans).await;
}

/// Scenario: many senders, and one cut after the other. Guarantee: the three statements.
#[tokio::test(flavor = "multi_thread")]
async fn cuts_under_load_lose_and_double_nothing() {
    let database = TestDatabase::create().await;
    let proxy = Proxy::start(&database.url()).await;
    let server = block_in_place(|| Server::start(proxy.url()));
    let mut random = random();
    let load = Load::start(SENDERS, Doors::of(&server));
    for round in 0..rounds(15) {
        let stored = load.progress().stored + 1 + random.below(STORED_MAX);
        load.until("the time to cut", |progress| progress.stored >= stored).await;
        // Each kind comes, whatever chance says.
        proxy.arm(Cut::OF_INSERTS[usize::try_from(round % 3).unwrap()]);
        proxy.cut().await;
    }
    let progress = load.progress();
    let spans = load.finish().await;
    assert!(progress.busy > 0, "nobody was told: {progress:?}");
    assert_eq!(Ledger::read(&server).total("received"), spans.len() as u64);
    assert_shows(&database.url(), &spans).await;
}
