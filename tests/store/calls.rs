//! The script of promise 16: who calls whom, however the spans came; and what a database of an earlier version has not
//! counted. `histories.rs` compares calls under random histories.

use std::sync::Arc;

use sqlx::{Connection, Executor};
use tracewell::model::{Link, Span, SpanKind, Status, StatusCode, UnixNanos, Value};
use tracewell::query::{Query, QuerySettings};
use tracewell::store::memory::MemoryStore;
use tracewell::store::{CallRequest, Calls, RetentionSettings, SpanStore, Work};

use super::batch;
use super::retention::today;
use crate::support::database::{AT_ONCE, Database};
use crate::support::postgres::TestDatabase;
use crate::support::{service, span_id, trace_id};

const MINUTE: u64 = 60_000_000_000;

/// A span of a service that begins in this minute; `0` is no parent.
fn span(named: &str, trace: u64, id: u64, parent: u64, minute: u64) -> Span {
    Span {
        parent_span_id: (parent > 0).then(|| span_id(parent)),
        kind: SpanKind::INTERNAL,
        resource: service(named),
        start: UnixNanos(minute * MINUTE + id),
        ..crate::support::span(trace, id, 0)
    }
}

/// The span takes messages of these.
pub(super) fn takes(span: Span, from: &[(u64, u64)]) -> Span {
    let link = |(trace, id): &(u64, u64)| Link {
        trace_id: Some(trace_id(*trace)),
        span_id: Some(span_id(*id)),
        ..Link::default()
    };
    Span { kind: SpanKind::CONSUMER, links: from.iter().map(link).collect(), ..span }
}

pub(super) fn failed(span: Span) -> Span {
    Span { status: Status { code: StatusCode::ERROR, message: String::new() }, ..span }
}

/// `caller>called calls/errors`, of these minutes.
async fn calls(store: &Arc<dyn SpanStore>, start: u64, end: Option<u64>) -> Vec<String> {
    let query = Query::new(Arc::clone(store), QuerySettings::default());
    let end = end.map(|end| UnixNanos(end * MINUTE));
    told(&query.calls(UnixNanos(start * MINUTE), end).await.unwrap())
}

pub(super) fn told(calls: &Calls) -> Vec<String> {
    let tell = |((caller, called), counts): (&(String, String), &tracewell::store::CallCounts)| {
        format!("{caller}>{called} {}/{}", counts.calls, counts.errors)
    };
    calls.iter().map(tell).collect()
}

/// Children before their parents, messages before their senders, copies at any time, spans that share an id: the numbers
/// are of what is there, in the minutes that were asked for.
pub(super) async fn p16_called(database: &dyn Database) {
    let store = database.open().await;
    let write = async |spans: &[Span]| {
        store.write(&[batch(spans)]).await.unwrap();
    };
    let child = failed(span("b", 1, 2, 1, 6));
    write(&[child.clone(), takes(span("c", 2, 1, 0, 7), &[(1, 1), (1, 1), (9, 9)])]).await;
    assert_eq!(calls(&store, 0, None).await, Vec::<String>::new());
    write(&[span("a", 1, 1, 0, 5), span("d", 1, 3, 2, 8)]).await;
    assert_eq!(calls(&store, 0, None).await, ["a>b 1/1", "a>c 1/0", "b>d 1/0"]);
    write(&[child.clone(), child, span("a", 1, 4, 4, 8)]).await;
    let all = ["a>a 1/0", "a>b 1/1", "a>c 1/0", "b>d 1/0"];
    assert_eq!(calls(&store, 0, None).await, all);
    assert_eq!(calls(&store, 7, Some(8)).await, ["a>c 1/0"]);
    assert_eq!(calls(&store, 8, None).await, ["a>a 1/0", "b>d 1/0"]);
    // The server's side of the call goes on, though it begins later and comes later.
    write(&[Span { kind: SpanKind::SERVER, ..span("s", 1, 2, 1, 8) }]).await;
    assert_eq!(calls(&store, 0, None).await, ["a>a 1/0", "a>b 1/1", "a>c 1/0", "a>s 1/0", "s>d 1/0"]);
    // And so it is with senders. Of equals, the one that began first.
    write(&[span("e", 1, 1, 0, 4)]).await;
    assert_eq!(calls(&store, 0, None).await, ["a>a 1/0", "e>b 1/1", "e>c 1/0", "e>s 1/0", "s>d 1/0"]);
    store.close().await;
}

/// Who takes messages is said by the kind, or by what messaging libraries say of other kinds; a link alone says nothing.
#[tokio::test]
async fn some_links_are_messages() {
    let database = TestDatabase::create().await;
    let stores: [Arc<dyn SpanStore>; 2] = [Arc::<MemoryStore>::default(), database.open().await];
    let linked = |named: &str, trace: u64, kind: SpanKind, said: Option<Value>| Span {
        kind,
        attributes: said.map(|said| ("messaging.operation.type", said)).into_iter().collect(),
        ..takes(span(named, trace, 1, 0, 6), &[(1, 1)])
    };
    let text = |text: &str| Some(Value::from(text));
    let spans = [
        span("a", 1, 1, 0, 5),
        linked("consumes", 2, SpanKind::CONSUMER, None),
        linked("consumes", 3, SpanKind::CONSUMER, text("send")),
        linked("receives", 4, SpanKind::CLIENT, text("receive")),
        linked("processes", 5, SpanKind::INTERNAL, text("process")),
        linked("is linked", 6, SpanKind::CLIENT, None),
        linked("is linked", 7, SpanKind::SERVER, text("Receive")),
        linked("is linked", 8, SpanKind::PRODUCER, text("send")),
        linked("is linked", 9, SpanKind::CLIENT, Some(Value::Int(1))),
    ];
    let expected = ["a>consumes 2/0", "a>processes 1/0", "a>receives 1/0"];
    for store in stores {
        store.write(&[batch(&spans)]).await.unwrap();
        assert_eq!(calls(&store, 0, None).await, expected);
        store.compact(&AT_ONCE).await.unwrap();
        assert_eq!(calls(&store, 0, None).await, expected);
        store.close().await;
    }
}

/// PostgreSQL answers by what it counted, hot or not.
#[tokio::test]
async fn postgres_counts_beforehand() {
    let database = TestDatabase::create().await;
    let store = database.open().await;
    let asked = || CallRequest::around(UnixNanos(0), None, Work::default());
    store.write(&[batch(&[span("a", 1, 1, 0, 5), span("b", 1, 2, 1, 5)])]).await.unwrap();
    assert_eq!(told(&store.calls(asked()).await.unwrap().unwrap()), ["a>b 1/0"]);
    store.compact(&AT_ONCE).await.unwrap();
    assert_eq!(told(&store.calls(asked()).await.unwrap().unwrap()), ["a>b 1/0"]);
    store.close().await;
}

/// Scenario: a day goes on which messages were sent that were taken later, and one was taken whose sender comes later.
/// Guarantee: none of them counts any more; who took one waits for another sender.
#[tokio::test]
async fn messages_of_a_day_that_goes_are_forgotten() {
    let database = TestDatabase::create().await;
    let store = database.open().await;
    let asked = || CallRequest::around(UnixNanos(0), None, Work::default());
    let (now, old) = (today() * 24 * 60, (today() - 5) * 24 * 60);
    let taken = [takes(span("b", 2, 1, 0, now), &[(1, 1)]), takes(span("c", 3, 1, 0, old), &[(4, 4)])];
    store.write(&[batch(&[span("a", 1, 1, 0, old)]), batch(&taken)]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    assert_eq!(told(&store.calls(asked()).await.unwrap().unwrap()), ["a>b 1/0"]);
    let settings = RetentionSettings { age_days_max: Some(2), arrival_age_days_max: None, bytes_max: None };
    assert_eq!(store.retain(&settings).await.unwrap().spans_by_age, 2);
    assert_eq!(told(&store.calls(asked()).await.unwrap().unwrap()), Vec::<String>::new());
    store.write(&[batch(&[span("d", 4, 4, 0, now), span("e", 1, 1, 0, now)])]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    assert_eq!(told(&store.calls(asked()).await.unwrap().unwrap()), ["e>b 1/0"]);
    let mut connection = database.connect().await;
    let rows = "select (select count(*) from call_minute_row) * 10 + count(*) from message_row";
    assert_eq!(sqlx::query_scalar::<_, i64>(rows).fetch_one(&mut connection).await.unwrap(), 11);
    connection.close().await.unwrap();
    store.close().await;
}

/// Puts what was counted where days are that have no partition of their own.
const WITHOUT_PARTITIONS: &str = "\
    do $$ declare part regclass; begin
        for part in select inhrelid::regclass from pg_inherits
            where inhparent = 'call_minute_row'::regclass and inhrelid <> 'call_minute_row_default'::regclass
        loop
            execute format('alter table call_minute_row detach partition %s', part);
            execute format('insert into call_minute_row_default select * from %s', part);
            execute format('drop table %s', part);
        end loop;
    end $$";

/// Scenario: a day goes that has no partition of calls, and a trace has spans of that day and of a later one. Guarantee:
/// nothing of it stays, neither what was counted nor what its spans count less now.
#[tokio::test]
async fn minutes_of_a_day_that_goes_are_gone() {
    let database = TestDatabase::create().await;
    let store = database.open().await;
    let (now, old) = (today() * 24 * 60, (today() - 5) * 24 * 60);
    let spans = [span("a", 1, 1, 0, old), span("b", 1, 2, 1, old), span("c", 1, 3, 2, now), span("d", 1, 4, 3, now)];
    store.write(&[batch(&spans)]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    let mut connection = database.connect().await;
    connection.execute(sqlx::raw_sql(WITHOUT_PARTITIONS)).await.unwrap();
    let settings = RetentionSettings { age_days_max: Some(2), arrival_age_days_max: None, bytes_max: None };
    assert_eq!(store.retain(&settings).await.unwrap().spans_by_age, 2);
    let rows: Vec<(i64, i64)> =
        sqlx::query_as("select call_count, error_count from call_minute_row").fetch_all(&mut connection).await.unwrap();
    assert_eq!(rows, [(1, 0)], "of the call that is left");
    assert_eq!(calls(&store, 0, None).await, ["c>d 1/0"]);
    connection.close().await.unwrap();
    store.close().await;
}

/// What migration 9 made, unmade.
const BEFORE: &str = "\
    drop trigger mark_uncounted_calls on tier; drop function mark_uncounted_calls;
    alter table tier drop column calls_step;
    drop table call_minute_row, message_row, call_uncounted;
    delete from _sqlx_migrations where version = 9";

/// Scenario: a database whose history the version before made, of two days and with messages from one to the other.
/// Guarantee: of hours that were not counted yet it says so, and the answer is right all the same, also with later spans;
/// the next compaction counts them, and then the answer is the same, by what was counted.
#[tokio::test]
async fn hours_of_an_earlier_version_are_counted_later() {
    let database = TestDatabase::create().await;
    let store = database.open().await;
    let day = 24 * 60;
    let spans = [
        span("a", 1, 1, 0, 5),
        failed(span("b", 1, 2, 1, 6)),
        span("c", 1, 3, 2, day + 6),
        takes(span("d", 2, 1, 0, day + 7), &[(1, 2), (7, 7)]),
    ];
    store.write(&[batch(&spans)]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    store.close().await;
    let mut connection = database.connect().await;
    connection.execute(sqlx::raw_sql(BEFORE)).await.unwrap();
    let store = database.open().await;
    assert_eq!(store.backlog().await.unwrap().uncounted_hours, 2);
    let later =
        [span("e", 1, 4, 2, 2 * day), takes(span("f", 3, 1, 0, 2 * day), &[(1, 1)]), span("g", 7, 7, 0, 3 * day)];
    store.write(&[batch(&later)]).await.unwrap();
    let asked = |start: u64| CallRequest::around(UnixNanos(start * MINUTE), None, Work::default());
    assert!(store.calls(asked(0)).await.unwrap().is_none());
    assert_eq!(told(&store.calls(asked(day + 60)).await.unwrap().unwrap()), ["a>f 1/0", "b>e 1/0"]);
    let all = ["a>b 1/1", "a>f 1/0", "b>c 1/0", "b>d 1/0", "b>e 1/0", "g>d 1/0"];
    assert_eq!(calls(&store, 0, None).await, all);
    let done = store.compact(&AT_ONCE).await.unwrap();
    assert_eq!((done.hours_counted, store.backlog().await.unwrap().uncounted_hours), (2, 0));
    assert_eq!(told(&store.calls(asked(0)).await.unwrap().unwrap()), all);
    // What comes later changes what was counted now as it changes all else.
    store.write(&[batch(&[span("x", 1, 2, 1, 1)])]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    let all = ["a>b 1/1", "a>f 1/0", "a>x 1/0", "g>d 1/0", "x>c 1/0", "x>d 1/0", "x>e 1/0"];
    assert_eq!(told(&store.calls(asked(0)).await.unwrap().unwrap()), all);
    connection.close().await.unwrap();
    store.close().await;
}

/// Scenario: the process of the version before still runs after the migration, and makes history. Guarantee: nothing that
/// was counted by then is relied on until it is counted anew.
#[tokio::test]
async fn history_that_an_earlier_version_still_makes_is_counted_later() {
    let database = TestDatabase::create().await;
    let store = database.open().await;
    let mut connection = database.connect().await;
    store.write(&[batch(&[span("b", 1, 2, 1, 6)])]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    store.write(&[batch(&[span("a", 1, 1, 0, 200)])]).await.unwrap();
    // Its compaction, but for what is counted: that is taken back.
    connection.execute("create temp table counted as table call_minute_row").await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    let forget = "\
        begin; delete from call_minute_row; insert into call_minute_row table counted;
        update tier set first_hot_step = first_hot_step - 1, calls_step = first_hot_step - 1;
        update tier set first_hot_step = first_hot_step + 1; commit";
    connection.execute(sqlx::raw_sql(forget)).await.unwrap();
    assert_eq!(store.backlog().await.unwrap().uncounted_hours, 2);
    assert_eq!(calls(&store, 0, None).await, ["a>b 1/0"]);
    assert_eq!(store.compact(&AT_ONCE).await.unwrap().hours_counted, 2);
    let asked = CallRequest::around(UnixNanos(0), None, Work::default());
    assert_eq!(told(&store.calls(asked).await.unwrap().unwrap()), ["a>b 1/0"]);
    connection.close().await.unwrap();
    store.close().await;
}

/// Lets compaction fail at its very end.
const FAIL: &str = "\
    create function fail() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
    create trigger fail before update on tier for each row execute function fail()";

/// Scenario: compaction fails when all is written. Guarantee: nothing is counted, and the answer is the same; so it is when
/// it succeeds the next time.
#[tokio::test]
async fn a_compaction_that_fails_counts_nothing() {
    let database = TestDatabase::create().await;
    let store = database.open().await;
    let mut connection = database.connect().await;
    let asked = || CallRequest::around(UnixNanos(0), None, Work::default());
    store.write(&[batch(&[span("a", 1, 1, 0, 5), takes(span("b", 1, 2, 1, 5), &[(2, 2)])])]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    store.write(&[batch(&[span("c", 2, 2, 0, 5), takes(span("d", 1, 3, 2, 5), &[(1, 1), (8, 8)])])]).await.unwrap();
    connection.execute(sqlx::raw_sql(FAIL)).await.unwrap();
    let all = ["a>b 1/0", "a>d 1/0", "b>d 1/0", "c>b 1/0"];
    for _ in 0..2 {
        // The open step is closed by an update of `tier`, too: here, by hand.
        connection.execute("alter table tier disable trigger fail").await.unwrap();
        connection.execute("select close_step()").await.unwrap();
        connection.execute("alter table tier enable trigger fail").await.unwrap();
        store.compact(&AT_ONCE).await.unwrap_err();
        let rows: i64 =
            sqlx::query_scalar("select (select count(*) from call_minute_row) * 10 + count(*) from message_row")
                .fetch_one(&mut connection)
                .await
                .unwrap();
        assert_eq!(rows, 11);
        assert_eq!(told(&store.calls(asked()).await.unwrap().unwrap()), all);
    }
    connection.execute("drop trigger fail on tier").await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    assert_eq!(told(&store.calls(asked()).await.unwrap().unwrap()), all);
    connection.close().await.unwrap();
    store.close().await;
}
