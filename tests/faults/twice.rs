//! The same request reaches two servers of one database at the same instant, as when a load balancer's time was up and
//! it tried another server.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::{Connection, PgConnection};
use tokio::sync::Barrier;
use tokio::task::block_in_place;
use tokio::time::timeout;

use super::{A_WHILE, assert_shows, rounds};
use crate::support::postgres::TestDatabase;
use crate::support::process::Server;
use crate::support::sender::{Door, Doors, Heard, Request, SPANS_PER_REQUEST, Sender};

/// Scenario: two senders, each with a server and door of its own, meet before every request and send the same one.
/// Guarantee: both hear OK, and every span is stored, and shown, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_two_servers_at_once_is_stored_once() {
    let database = TestDatabase::create().await;
    let servers = [(); 2].map(|()| block_in_place(|| Server::start(&database.url())));
    let requests: Arc<Vec<_>> = Arc::new((0..rounds(200)).map(|number| Request::numbered(0, number)).collect());
    let start = Arc::new(Barrier::new(2));
    let send_all = |server: &Server, door| {
        let (doors, requests, start) = (Doors::of(server), Arc::clone(&requests), Arc::clone(&start));
        tokio::spawn(async move {
            let mut sender = Sender::new();
            for request in &*requests {
                timeout(A_WHILE, start.wait()).await.expect("the other sender failed");
                assert_eq!(sender.send(doors, door, request).await, Heard::Stored);
            }
        })
    };
    let sent = [send_all(&servers[0], Door::Grpc), send_all(&servers[1], Door::Http)];
    for sent in sent {
        sent.await.unwrap();
    }
    let rows = stored_rows(&database.url()).await;
    assert_eq!(rows.len(), requests.len() * usize::try_from(SPANS_PER_REQUEST).unwrap());
    assert!(rows.values().all(|count| *count == 1), "a request was stored by both");
    let spans: Vec<_> = requests.iter().flat_map(|request| request.spans.clone()).collect();
    assert_shows(&database.url(), &spans).await;
}

/// How many rows `span_row` has for each digest of a span.
async fn stored_rows(database_url: &str) -> BTreeMap<i64, i64> {
    let mut connection = PgConnection::connect(database_url).await.unwrap();
    let query = sqlx::query_as("select digest, count(*) from span_row group by digest");
    let rows: Vec<(i64, i64)> = query.fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows.into_iter().collect()
}
