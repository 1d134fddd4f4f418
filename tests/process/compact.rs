//! Compaction: by the server, in time, and by `tracewell compact`.

use sqlx::Executor;

use super::{end_of, ends_because, number, says_in_time};
use crate::support::directory::Directory;
use crate::support::http::send_span;
use crate::support::postgres::TestDatabase;
use crate::support::process::Server;

/// Scenario: a server with short steps, and nobody who asks it to. Guarantee: it makes history by itself, and its metrics
/// say so.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_makes_history_by_itself() {
    let database = TestDatabase::create().await;
    let server = Server::start_with(&database.url(), &["--step-age-seconds-max", "1"]);
    for number in [1, 2, 3] {
        assert_eq!(send_span(server.http, number).unwrap(), 200);
    }
    says_in_time(&server, "tracewell_compaction_spans_total", 3);
    says_in_time(&server, "tracewell_compaction_waiting_steps", 0);
    // One, unless a second passed between two of them.
    assert!((1..=3).contains(&number(&server, "tracewell_compaction_blocks_total")));
    assert_eq!(number(&server, "tracewell_compaction_failures_total"), 0);
    let statement = "select sum(span_count) from span_block";
    let spans: i64 = sqlx::query_scalar(statement).fetch_one(&mut database.connect().await).await.unwrap();
    assert_eq!(spans, 3);
    assert!(server.stop().success());
}

/// Scenario: a server that is told not to compact; its steps are closed all the same. Guarantee: its metrics say how far
/// behind compaction is, and it leaves it at that.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_says_how_much_waits() {
    let database = TestDatabase::create().await;
    let server = Server::start_with(&database.url(), &["--compaction", "off", "--step-age-seconds-max", "1"]);
    assert_eq!(send_span(server.http, 1).unwrap(), 200);
    let mut connection = database.connect().await;
    connection.execute("select close_step()").await.unwrap();
    connection.execute("update step set closed_time = closed_time - interval '1 hour'").await.unwrap();
    // The first step is what was there before there were steps.
    says_in_time(&server, "tracewell_compaction_waiting_steps", 2);
    assert!((3_600..7_200).contains(&number(&server, "tracewell_compaction_waiting_age_seconds")));
    assert!(number(&server, "tracewell_compaction_waiting_bytes") >= 8_192);
    assert_eq!(number(&server, "tracewell_compaction_spans_total"), 0);
    assert!(server.stop().success());
}

/// Scenario: a signal comes while compaction waits for a writer that does not end. Guarantee: the server ends at once, and
/// the step is as it was: the next compaction has all of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_compaction_at_once() {
    let database = TestDatabase::create().await;
    let server = Server::start_with(&database.url(), &["--step-age-seconds-max", "1"]);
    let mut writer = database.connect().await;
    writer
        .execute("select pg_advisory_lock_shared(1953653091, 0), pg_advisory_lock_shared(1953653091, 1)")
        .await
        .unwrap();
    assert_eq!(send_span(server.http, 1).unwrap(), 200);
    let statement = "select exists (select from pg_locks where locktype = 'advisory' and not granted
        and database = (select oid from pg_database where datname = current_database()))";
    while !sqlx::query_scalar::<_, bool>(statement).fetch_one(&mut writer).await.unwrap() {}
    let began = std::time::Instant::now();
    assert!(server.stop().success());
    assert!(began.elapsed().as_secs() < 20, "it waited for the writer");
    writer.execute("select pg_advisory_unlock_all()").await.unwrap();
    let (success, said, complaint) = end_of(&["compact", "--database-url", &database.url()]);
    assert!(success && said.contains(" spans 1, exact copies left out 0, blocks written 1,"), "{said}{complaint}");
}

/// Scenario: spans came in, one of them twice; it is asked to compact once more. Guarantee: it makes history of all that is
/// there, says so, and is content when there is nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_there_is_compacted() {
    let database = TestDatabase::create().await;
    let url = database.url();
    let server = Server::start_with(&url, &["--compaction", "off"]);
    for number in [1, 2, 3] {
        assert_eq!(send_span(server.http, number).unwrap(), 200);
    }
    let mut connection = database.connect().await;
    // Its sender did not hear the OK for hours.
    connection.execute("delete from receipt").await.unwrap();
    assert_eq!(send_span(server.http, 1).unwrap(), 200);
    let compact = || end_of(&["compact", "--database-url", &url, "--step-drop-after-seconds", "0"]);
    let (success, said, complaint) = compact();
    assert!(success, "{complaint}");
    // The first step is what was there before there were steps.
    let expected = "compacted: steps 2, spans 4, exact copies left out 1, blocks written 1, small blocks merged 0 into 0, seconds ";
    assert!(said.starts_with(expected), "{said}");
    let blocks: i64 =
        sqlx::query_scalar("select sum(span_count) from span_block").fetch_one(&mut connection).await.unwrap();
    assert_eq!(blocks, 3);
    let steps: Vec<String> = sqlx::query_scalar("select relid::text from pg_partition_tree('span_row') where isleaf")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(steps.len(), 2, "the rows of what was made history are still there: {steps:?}");
    let (success, said, _) = compact();
    assert!(success && said.starts_with("compacted: steps 0, spans 0,"), "{said}");
    assert!(server.stop().success());
}

/// Scenario: another process compacts, and goes on. Guarantee: one sentence that says so, after the time that it was told
/// to wait; when the other one is done in time, it is our turn.
#[tokio::test(flavor = "multi_thread")]
async fn another_process_that_compacts_is_waited_for() {
    let database = TestDatabase::create().await;
    let url = database.url();
    assert!(end_of(&["migrate", "--database-url", &url]).0);
    let mut other = database.connect().await;
    other.execute("select pg_advisory_lock(128034608997751)").await.unwrap();
    let at_once = ["compact", "--database-url", &url, "--compaction-wait-seconds-max", "0"];
    ends_because(&at_once, "another process compacts this database");
    let patient = url.clone();
    let waiting = tokio::task::spawn_blocking(move || end_of(&["compact", "--database-url", &patient]));
    while !is_asked_for(&database).await {}
    other.execute("select pg_advisory_unlock_all()").await.unwrap();
    let (success, said, complaint) = waiting.await.unwrap();
    assert!(success && said.starts_with("compacted: steps 1"), "{said}{complaint}");
}

/// Whether a process has asked for the lock of who compacts, and did not get it.
async fn is_asked_for(database: &TestDatabase) -> bool {
    let statement = "select exists (select from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and query like '%pg_try_advisory_lock%')";
    sqlx::query_scalar(statement).fetch_one(&mut database.connect().await).await.unwrap()
}

/// Scenario: the database is a SQLite file. Guarantee: it says that there is nothing to compact, and that is no failure.
#[test]
fn sqlite_has_nothing_to_compact() {
    let directory = Directory::create();
    let url = format!("sqlite:{}", directory.file("spans.db"));
    let (success, said, complaint) = end_of(&["compact", "--database-url", &url]);
    assert!(success, "{complaint}");
    assert_eq!(said, "SQLite keeps its spans in one tier: there is nothing to compact\n");
}
