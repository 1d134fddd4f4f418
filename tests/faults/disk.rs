//! Databases that can not take what they are given: no room on the disk, or a value that they refuse.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use tokio::task::{JoinSet, block_in_place};
use tracewell::model::{Span, Value};

use super::lock::{lock, unlock};
use super::{assert_shows, comes, gauge};
use crate::support::directory::Directory;
use crate::support::ledger::Ledger;
use crate::support::postgres::TestDatabase;
use crate::support::process::{Server, command, run};
use crate::support::sender::{Door, Doors, Heard, Request, SPANS_PER_REQUEST, Sender};
use crate::support::span;

/// No file may grow beyond 1 MiB (2048 blocks of 512 bytes). The system answers with an error, as a full disk does,
/// instead of ending the process.
const SMALL_DISK: &str = "trap '' XFSZ; ulimit -S -f 2048";
/// Spans of this size fill it soon.
const SPAN_BYTES: usize = 20_000;
/// So many requests do not fit.
const REQUESTS_MAX: u64 = 50;

fn large(number: u64) -> Request {
    let mut spans = Request::numbered(0, number).spans;
    for span in &mut spans {
        span.attributes = [("large", Value::from("x".repeat(SPAN_BYTES).as_str()))].into_iter().collect();
    }
    Request::of(spans)
}

/// Scenario: the disk is full, and later it is not. Guarantee: requests are refused with the time to come again, the
/// log says why, nothing of a refused request is there, what was acknowledged still is; with room again, the same
/// process stores everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_whole_requests_until_there_is_room() {
    let directory = Directory::create();
    let url = format!("sqlite:{}", directory.file("spans.db"));
    let mut server = block_in_place(|| Server::start_limited(&url, SMALL_DISK));
    let (doors, mut sender, mut sent) = (Doors::of(&server), Sender::new(), Vec::<Span>::new());
    let mut refused = Vec::new();
    for number in 0..REQUESTS_MAX {
        let request = large(number);
        match sender.send(doors, Door::Http, &request).await {
            Heard::Stored => sent.extend(request.spans),
            Heard::Busy(_) => refused.push(request),
            other => panic!("{other:?}"),
        }
    }
    assert!(!sent.is_empty() && !refused.is_empty(), "{} spans fit", sent.len());
    let cause = block_in_place(|| server.says("requests are refused"));
    assert!(cause.contains("disk"), "{cause}");
    let mut reader = SqliteConnection::connect(&url).await.unwrap();
    let shown: i64 = sqlx::query_scalar("select count(*) from span").fetch_one(&mut reader).await.unwrap();
    reader.close().await.unwrap();
    assert_eq!(usize::try_from(shown).unwrap(), sent.len());

    let pid = server.pid().to_string();
    run(command("prlimit").args(["--pid", &pid, "--fsize=unlimited:"])).unwrap();
    for request in refused {
        assert_eq!(sender.send(doors, Door::Grpc, &request).await, Heard::Stored);
        sent.extend(request.spans);
    }
    assert_eq!(Ledger::read(&server).total("stored"), sent.len() as u64);
    assert!(block_in_place(|| server.stop()).success());
    assert_shows(&url, &sent).await;
}

/// Scenario: a request in the middle of a group has a value that the database refuses. Guarantee: it alone is refused,
/// for good and with the database's reason, and its neighbours are stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_is_refused_alone() {
    let heard = send_group("22023", |heard| heard == &Heard::Stored).await;
    let reason = "the database refuses the spans: as the test says".to_owned();
    assert_eq!(heard, Heard::Refused("400 Bad Request".to_owned(), reason));
}

/// Scenario: the database has no room for one of a group. Guarantee: whoever is refused is told to come again, and
/// when there is room everything is stored, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_room_is_busy() {
    let heard = send_group("53100", |heard| matches!(heard, Heard::Stored | Heard::Busy(_))).await;
    assert!(heard.is_busy(), "{heard:?}");
}

/// Sends requests that are written together, one of which fails with this SQLSTATE, and once more when that is mended.
/// What the one heard at first; its neighbours heard what they should.
async fn send_group(sqlstate: &str, may_hear: fn(&Heard) -> bool) -> Heard {
    let database = TestDatabase::create().await;
    let server = block_in_place(|| Server::start_with(&database.url(), &["--writer-connections-max", "1"]));
    let (doors, mut holder) = (Doors::of(&server), database.connect().await);
    holder.execute(AssertSqlSafe(trigger(sqlstate))).await.unwrap();
    let requests: Arc<Vec<_>> =
        Arc::new((0..10).map(|number| if number == 5 { unfit() } else { Request::numbered(0, number) }).collect());

    // The first is on its way when the others come, and those that wait are written in one go.
    lock(&mut holder).await;
    let mut sends = JoinSet::new();
    for at in 0..requests.len() {
        let requests = Arc::clone(&requests);
        sends.spawn(async move { (at, Sender::new().send(doors, Door::Http, &requests[at]).await) });
        if at == 0 {
            is_waited_for(&mut holder).await;
        }
    }
    comes("a full queue", async || {
        tokio::task::yield_now().await;
        gauge(&server, "tracewell_queue_requests") == 10
    })
    .await;
    unlock(&mut holder).await;
    let mut heard = sends.join_all().await;
    heard.sort_by_key(|(at, _)| *at);
    let mut sent = Vec::new();
    for (request, (at, heard)) in requests.iter().zip(&heard) {
        assert!(*at == 5 || may_hear(heard), "{at}: {heard:?}");
        if heard == &Heard::Stored {
            sent.extend(request.spans.clone());
        }
    }
    assert_shows(&database.url(), &sent).await;

    holder.execute("drop trigger refuse on span_row").await.unwrap();
    for request in &*requests {
        assert_eq!(Sender::new().send(doors, Door::Grpc, request).await, Heard::Stored);
    }
    let spans: Vec<_> = requests.iter().flat_map(|request| request.spans.clone()).collect();
    assert_shows(&database.url(), &spans).await;
    heard.swap_remove(5).1
}

/// Refuses spans that are called so.
fn trigger(sqlstate: &str) -> String {
    format!(
        "create function refuse() returns trigger language plpgsql as $$ begin
             raise exception using errcode = '{sqlstate}', message = 'as the test says';
         end $$;
         create trigger refuse before insert on span_row for each row when (new.name = 'unfit') execute function refuse()"
    )
}

/// A request whose last span is unfit.
fn unfit() -> Request {
    let mut spans = Request::numbered(1, 0).spans;
    spans.push(Span { name: "unfit".to_owned(), ..span(9, SPANS_PER_REQUEST, 9) });
    Request::of(spans)
}

/// Waits until somebody waits for the lock.
async fn is_waited_for(holder: &mut PgConnection) {
    let query = "select exists (select from pg_locks where not granted and relation = 'span_row'::regclass)";
    comes("somebody who waits for the lock", async || sqlx::query_scalar(query).fetch_one(&mut *holder).await.unwrap())
        .await;
}
