//! `kill -9` of the server, again and again on one database, at moments that chance picks.

use tokio::task::block_in_place;

use super::{assert_shows, random, rounds};
use crate::support::directory::Directory;
use crate::support::ledger::Ledger;
use crate::support::load::Load;
use crate::support::postgres::TestDatabase;
use crate::support::process::Server;
use crate::support::sender::Doors;

/// Enough that some requests wait in the queue while others are being committed.
const SENDERS: u64 = 8;
/// A server lives for at most so many events: a request is sent, or it is acknowledged.
const EVENTS_MAX: u64 = 120;

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_double_nothing_in_sqlite() {
    let directory = Directory::create();
    check(&format!("sqlite:{}", directory.file("spans.db"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_double_nothing_in_postgres() {
    let database = TestDatabase::create().await;
    check(&database.url()).await;
}

/// Scenario: in each round a server is started, takes requests, and is killed; whoever got no OK sends the same to the
/// next. Guarantee: the three statements.
async fn check(url: &str) {
    let mut random = random();
    let mut server = start(url);
    let load = Load::start(SENDERS, Doors::of(&server));
    for _ in 0..rounds(10) {
        let progress = load.progress();
        let end = progress.sent + progress.stored + 1 + random.below(EVENTS_MAX);
        load.until("the time to kill", |progress| progress.sent + progress.stored >= end).await;
        load.server_goes();
        server.kill();
        server = start(url);
        load.server_is(Doors::of(&server));
    }
    let progress = load.progress();
    let spans = load.finish().await;
    Ledger::read(&server);
    assert!(server.stop().success());
    assert!(progress.unheard > 0, "no kill met a request: {progress:?}");
    assert_shows(url, &spans).await;
}

fn start(url: &str) -> Server {
    block_in_place(|| Server::start(url))
}
