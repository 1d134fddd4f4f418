//! What goes, and what does not: beyond the promise (`contract.rs`) and the random histories, what only PostgreSQL or only
//! SQLite has to see to.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures::{StreamExt, TryStreamExt};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tracewell::model::{SearchFields, Span, SpanKind, Status, StatusCode, UnixNanos};
use tracewell::store::memory::MemoryStore;
use tracewell::store::postgres::{PostgresSettings, PostgresStore};
use tracewell::store::sqlite::{SqliteSettings, SqliteStore};
use tracewell::store::{CallRequest, Retained, RetentionSettings, SpanStore, Work};

use super::{batch, descending, scan, scanned, trace};
use crate::support::database::AT_ONCE;
use crate::support::directory::Directory;
use crate::support::postgres::TestDatabase;
use crate::support::{service, span, span_id, trace_id};

/// In nanoseconds.
pub(crate) const DAY: u64 = 86_400_000_000_000;

/// Days since 1970.
#[expect(clippy::disallowed_methods, reason = "what goes by its age is seen only as of now")]
pub(crate) fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 86_400
}

/// Spans of a day are removed that is older than so many, whenever they arrived.
fn by_start(days: u32) -> RetentionSettings {
    RetentionSettings { age_days_max: Some(days), arrival_age_days_max: None, bytes_max: None }
}

fn by_size(bytes_max: u64) -> RetentionSettings {
    RetentionSettings { age_days_max: None, arrival_age_days_max: None, bytes_max: Some(bytes_max) }
}

/// A span so many days ago, or in days to come.
fn span_ago(days: i64, trace: u64, id: u64) -> Span {
    let day = today().checked_add_signed(-days).unwrap();
    Span {
        name: format!("day {days}"),
        resource: service(&format!("service {days}")),
        ..span(trace, id, day * DAY + id)
    }
}

/// Spans of the days around today, of 1970 and of years to come: of each day a trace of its own and a part of one that
/// goes over all days; a trace of two days, and one of the last two days and 1970.
pub(crate) fn days() -> Vec<Span> {
    let now = i64::try_from(today()).unwrap();
    let mut spans = Vec::new();
    for (trace, days) in (10..).zip([now, 40, 10, 4, 3, 2, 1, 0, -1, -2, -3, -9_000]) {
        spans.push(span_ago(days, trace, 1));
        let status = Status { code: StatusCode::ERROR, message: String::new() };
        let end = UnixNanos(spans[spans.len() - 1].start.0 + 2 * DAY);
        spans.push(Span { parent_span_id: Some(span_id(1)), status, end, ..span_ago(days, trace, 2) });
        spans.push(Span { kind: SpanKind::CLIENT, resource: service("all"), ..span_ago(days, 1, trace) });
    }
    spans.extend([span_ago(3, 2, 1), Span { parent_span_id: Some(span_id(1)), ..span_ago(2, 2, 2) }]);
    spans.extend([span_ago(1, 3, 1), span_ago(0, 3, 2)]);
    spans
}

/// Every answer is the one of a store in which nothing but these spans ever was.
pub(crate) async fn assert_same_as_new(store: &dyn SpanStore, spans: &[Span]) {
    let oracle = MemoryStore::default();
    oracle.write(&[batch(spans)]).await.unwrap();
    assert_eq!(scanned(store, scan(SearchFields::default())).await, descending(spans));
    let ids: Vec<_> = (0..30).map(|number| trace_id(number + 1)).collect();
    for id in &ids {
        assert_eq!(trace(store, *id).await, trace(&oracle, *id).await);
    }
    let mut found = store.summaries(&ids, None).await.unwrap();
    let mut expected = oracle.summaries(&ids, None).await.unwrap();
    found.sort_by_key(|summary| summary.trace_id);
    expected.sort_by_key(|summary| summary.trace_id);
    assert_eq!(found, expected);
    let asked = || CallRequest::around(UnixNanos(0), None, Work::default());
    if let Some(calls) = store.calls(asked()).await.unwrap() {
        assert_eq!(Some(calls), oracle.calls(asked()).await.unwrap());
    }
    let services = oracle.services(None, 100).await.unwrap();
    assert_eq!(store.services(None, 100).await.unwrap(), services);
    for service in services {
        let operations = oracle.operations(&service, None, 100).await.unwrap();
        assert_eq!(store.operations(&service, None, 100).await.unwrap(), operations);
    }
}

struct Postgres {
    store: PostgresStore,
    connection: PgConnection,
    database: TestDatabase,
}

impl Postgres {
    async fn new() -> Self {
        let database = TestDatabase::create().await;
        let store = Self::open(&database).await;
        Self { store, connection: database.connect().await, database }
    }

    async fn open(database: &TestDatabase) -> PostgresStore {
        PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap()
    }

    /// Writes spans and makes them history.
    async fn history(&self, spans: &[Span]) {
        self.store.write(&[batch(spans)]).await.unwrap();
        self.store.compact(&AT_ONCE).await.unwrap();
    }

    async fn number(&mut self, statement: &str) -> i64 {
        let statement = AssertSqlSafe(format!("select ({statement})::bigint"));
        sqlx::query_scalar(statement).fetch_one(&mut self.connection).await.unwrap()
    }

    /// The rollups of the history say what the view of all spans says.
    async fn assert_rollups_agree(&mut self) {
        for table in ["red_minute_row", "red_hour_row"] {
            let rolled = self.number(&format!("select coalesce(sum(span_count), 0) from {table}")).await;
            let summed = self.number("select coalesce(sum(span_count), 0) from span_block").await;
            assert_eq!(rolled, summed, "{table}");
        }
        let durations = "select coalesce(sum(duration_sum), 0) from";
        let minutes = self.number(&format!("{durations} red_minute_row")).await;
        assert_eq!(self.number(&format!("{durations} red_hour_row")).await, minutes);
    }

    /// Names of blocks that are wrong: of one that is not there, or does not have the trace, or has it unnamed.
    async fn assert_names_agree(&mut self) {
        let misnamed = "\
            with named as (select trace_id, day, unnest(block_ids) as block_id from trace_row),
            held as (select t.trace_id, t.day, block_id from span_block, unnest(trace_ids, trace_days) as t (trace_id, day))
            select count(*) from named full join held using (trace_id, day, block_id)
            where named.trace_id is null or held.trace_id is null";
        assert_eq!(self.number(misnamed).await, 0);
    }
}

/// Scenario: days go. Guarantee: their partitions do, of every table; rollups and the names of blocks agree with what is
/// left; the log tells of each day; a day that went gets no partition again.
#[tokio::test]
async fn a_day_goes_with_its_partitions() {
    let mut postgres = Postgres::new().await;
    let spans = days();
    postgres.history(&spans).await;
    let partitions = "select count(*) from pg_class where relkind = 'r' and relname ~ '_(block|row)_[0-9]{8}$'";
    let before = postgres.number(partitions).await;
    let done = postgres.store.retain(&by_start(2)).await.unwrap();
    // Of 10, 4 and 3 days ago, five tables.
    assert_eq!(before - postgres.number(partitions).await, 15);
    postgres.assert_rollups_agree().await;
    postgres.assert_names_agree().await;
    let logged = "select sum(span_count) from retention_log where reason = 'age'";
    assert_eq!(u64::try_from(postgres.number(logged).await).unwrap(), done.spans_by_age);
    let days =
        "select count(*) from retention_log where bytes > 0 and day between current_date - 11 and current_date - 2";
    assert_eq!(postgres.number(days).await, 3);
    assert!(done.unused > 10, "{done:?}");

    let late = span_ago(3, 7, 7);
    postgres.history(std::slice::from_ref(&late)).await;
    assert_eq!(postgres.number("select count(*) from span_block_default").await, 1);
    let by_arrival = RetentionSettings { arrival_age_days_max: Some(2), ..by_start(2) };
    assert_eq!(postgres.store.retain(&by_arrival).await.unwrap().spans_by_age, 0);
    assert_eq!(trace(&postgres.store, trace_id(7)).await, [late]);
    postgres.store.close().await;
}

/// Scenario: traces became history on a day that goes now; some of them have spans of later days, or have them only.
/// Guarantee: their rows stay, though those of all others go with the partition that they were in.
#[tokio::test]
async fn rows_of_traces_that_go_on_stay() {
    let mut postgres = Postgres::new().await;
    let spans = days();
    postgres.history(&spans).await;
    postgres.connection.execute("update trace_row set day = current_date - 3").await.unwrap();
    postgres.store.retain(&by_start(2)).await.unwrap();
    let range = today() - 2..=today() + 2;
    let left: Vec<_> = spans.into_iter().filter(|span| range.contains(&(span.start.0 / DAY))).collect();
    assert_same_as_new(&postgres.store, &left).await;
    assert_eq!(postgres.number("select count(distinct day) from trace_row_default").await, 1);
    postgres.store.close().await;
}

/// Scenario: spans of a clock that was never set arrive on different days, of one minute, operation and trace.
/// Guarantee: each goes by its arrival, and what is derived from the others is as though it had never come.
#[tokio::test]
async fn spans_of_a_wrong_clock_go_by_their_arrival() {
    let mut postgres = Postgres::new().await;
    let wrong = |id| Span { name: "boot".to_owned(), ..span(1, id, 1_000 * id) };
    let (old, new) = ([wrong(1), wrong(2)], [wrong(3), wrong(4), wrong(5)]);
    postgres.store.write(&[batch(&old)]).await.unwrap();
    postgres.connection.execute("update span_row set received_time = received_time - interval '3 days'").await.unwrap();
    postgres.store.compact(&AT_ONCE).await.unwrap();
    let without_merges = tracewell::store::CompactionSettings { merge_blocks_min: u32::MAX, ..AT_ONCE };
    postgres.store.write(&[batch(&new)]).await.unwrap();
    postgres.store.compact(&without_merges).await.unwrap();
    let settings = |days| RetentionSettings { arrival_age_days_max: Some(days), ..by_start(14) };
    assert_eq!(postgres.store.retain(&settings(14)).await.unwrap().spans_by_age, 0);
    assert_eq!(postgres.store.retain(&settings(2)).await.unwrap().spans_by_age, 2);
    assert_same_as_new(&postgres.store, &new).await;
    postgres.assert_rollups_agree().await;
    postgres.assert_names_agree().await;
    postgres.store.close().await;
}

/// The same in SQLite, where a row does not say when it arrived.
#[tokio::test]
async fn rows_of_a_wrong_clock_go_by_their_arrival() {
    let directory = Directory::create();
    let file = directory.file("spans.db");
    let store = SqliteStore::open(&file, &SqliteSettings::default()).await.unwrap();
    let (old, new) = ([span(1, 1, 1_000), span(1, 2, 2_000)], [span(1, 3, 1_500), span(2, 3, 1_500)]);
    let settings = |days| RetentionSettings { arrival_age_days_max: Some(days), ..by_start(14) };
    store.write(&[batch(&old)]).await.unwrap();
    assert_eq!(
        store.retain(&settings(2)).await.unwrap(),
        Retained { bytes: bytes_of(&store).await, ..Retained::default() }
    );
    let beside = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&file)).await.unwrap();
    beside.execute("update arrival_mark set time = time - 3 * 86400000").await.unwrap();
    store.write(&[batch(&new)]).await.unwrap();
    assert_eq!(store.retain(&settings(14)).await.unwrap().spans_by_age, 0);
    assert_eq!(store.retain(&settings(2)).await.unwrap().spans_by_age, 2);
    assert_same_as_new(&store, &new).await;
    let log: (String, String, i64) =
        sqlx::query_as("select reason, day, span_count from retention_log").fetch_one(&beside).await.unwrap();
    assert_eq!(log, ("age".to_owned(), "1970-01-01".to_owned(), 2));
    store.close().await;
}

async fn bytes_of(store: &SqliteStore) -> u64 {
    let nothing = RetentionSettings { age_days_max: None, arrival_age_days_max: None, bytes_max: None };
    store.retain(&nothing).await.unwrap().bytes
}

/// Scenario: a reader has begun with a long trace of a day that goes. Guarantee: it reads it to its end; the day goes later,
/// and others read meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_has_begun_comes_to_its_end() {
    let postgres = Postgres::new().await;
    let spans: Vec<Span> = (1..=5_000).map(|id| span_ago(9, 1, id)).collect();
    postgres.history(&spans).await;
    let mut reading = postgres.store.trace(trace_id(1));
    let first = reading.next().await.unwrap().unwrap();
    assert_eq!(first, spans[0]);
    let done = postgres.store.retain(&by_start(2)).await.unwrap();
    assert!(done.is_held_up && done.spans_by_age == 0, "{done:?}");
    assert_eq!(trace(&postgres.store, trace_id(1)).await.len(), 5_000);
    let rest: Vec<Span> = reading.try_collect().await.unwrap();
    assert_eq!(rest, spans[1..]);
    let done = postgres.store.retain(&by_start(2)).await.unwrap();
    assert!(!done.is_held_up && done.spans_by_age == 5_000, "{done:?}");
    assert_same_as_new(&postgres.store, &[]).await;
    postgres.store.close().await;
}

/// The same in SQLite, where a reader holds nothing while its caller has something else to do. Guarantee: it misses what
/// is gone, and does not fail.
#[tokio::test]
async fn a_read_of_rows_that_go_comes_to_its_end() {
    let directory = Directory::create();
    let store = SqliteStore::open(&directory.file("spans.db"), &SqliteSettings::default()).await.unwrap();
    let spans: Vec<Span> = (1..=2_000).map(|id| span_ago(if id % 2 == 0 { 9 } else { 0 }, 1, id)).collect();
    store.write(&[batch(&spans)]).await.unwrap();
    let mut readings = [store.trace(trace_id(1)), store.scan_spans(scan(SearchFields::default()))];
    for reading in &mut readings {
        reading.next().await.unwrap().unwrap();
    }
    assert_eq!(store.retain(&by_start(2)).await.unwrap().spans_by_age, 1_000);
    for reading in readings {
        let rest: Vec<Span> = reading.try_collect().await.unwrap();
        assert!((999..1_999).contains(&rest.len()), "{}", rest.len());
    }
    store.close().await;
}

/// Scenario: readers never stop asking while days go. Guarantee: each answer has a trace as it was before or as it is
/// after, and its summary says the same or, asked a moment earlier, what was before; nothing is taken for damage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_all_of_a_day_or_nothing() {
    let database = TestDatabase::create().await;
    let settings = PostgresSettings::default();
    let store = Arc::new(PostgresStore::connect(&database.url(), &settings).await.unwrap());
    // Traces of two days: the first one goes, then the second.
    let spans: Vec<Span> = (1..=40)
        .flat_map(|id| (1..=6).map(move |n| span_ago(3 - n % 2, u64::try_from(id).unwrap(), u64::try_from(n).unwrap())))
        .collect();
    store.write(&[batch(&spans)]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let readers: Vec<_> = (0..3)
        .map(|reader| {
            let (store, stopped) = (Arc::clone(&store), stopped.clone());
            tokio::spawn(async move {
                let mut seen = [0_u64; 7];
                while !*stopped.borrow() {
                    for id in 1..=40 {
                        let id = trace_id((id + reader * 13) % 40 + 1);
                        let spans = trace(&*store, id).await.len();
                        assert!([0, 3, 6].contains(&spans), "{spans} of 6");
                        let summary = store.summaries(&[id], None).await.unwrap();
                        let counted = summary.first().map_or(0, |summary| summary.span_count);
                        assert!([0, 3, 6].contains(&counted), "{counted} of 6");
                        seen[spans] += 1;
                    }
                }
                seen
            })
        })
        .collect();
    for days in [2, 1] {
        while store.retain(&by_start(days)).await.unwrap().spans_by_age == 0 {}
    }
    stop.send(true).unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
    assert_same_as_new(&*store, &[]).await;
    assert_eq!(settings.corrupt_blocks.total(), 0);
    store.close().await;
}

/// Scenario: another process removes the last span of a service, while this one remembers that it has written the service,
/// its resource and its operations. Guarantee: the next span of that service brings all of them back.
#[tokio::test]
async fn what_a_writer_remembers_comes_back() {
    let mut postgres = Postgres::new().await;
    let other = Postgres::open(&postgres.database).await;
    let spans = [span_ago(5, 1, 1), span_ago(0, 2, 2)];
    postgres.history(&spans).await;
    let done = other.retain(&by_start(2)).await.unwrap();
    // Its resource, its service and its operation. They share the scope.
    assert_eq!((done.spans_by_age, done.unused), (1, 3));
    assert_eq!(postgres.number("select count(*) from resource_row").await, 1);
    postgres.store.forget_receipts(std::time::Duration::ZERO).await.unwrap();
    postgres.store.write(&[batch(&spans[..1])]).await.unwrap();
    assert_same_as_new(&other, &spans).await;
    // And it is written once: the next one is remembered again.
    postgres.connection.execute("delete from resource_row").await.unwrap();
    postgres.store.write(&[batch(&[span_ago(5, 1, 9)])]).await.unwrap();
    assert_eq!(postgres.number("select count(*) from resource_row").await, 0);
    postgres.store.close().await;
    other.close().await;
}

/// Scenario: a writer that began before still writes a span of a service of which all others are removed. Guarantee:
/// it is waited for, and what its span refers to stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_is_waited_for() {
    let mut postgres = Postgres::new().await;
    let (old, young) =
        (span_ago(5, 1, 1), Span { resource: service("service 5"), name: "day 5".to_owned(), ..span_ago(0, 2, 2) });
    postgres.history(std::slice::from_ref(&old)).await;
    // What `young` would be as a row.
    let beside = TestDatabase::create().await;
    let elsewhere = Postgres::open(&beside).await;
    elsewhere.write(&[batch(std::slice::from_ref(&young))]).await.unwrap();
    let row: String = sqlx::query_scalar("select to_jsonb(s)::text from span_row s")
        .fetch_one(&mut beside.connect().await)
        .await
        .unwrap();
    elsewhere.close().await;

    let mut writer = postgres.database.connect().await;
    writer.execute("begin").await.unwrap();
    let (step, _): (i32, i32) = sqlx::query_as("select * from open_write()").fetch_one(&mut writer).await.unwrap();
    let insert = "insert into span_row select * from jsonb_populate_record(null::span_row, $1::jsonb || jsonb_build_object('step', $2::int))";
    sqlx::query(insert).bind(row).bind(step).execute(&mut writer).await.unwrap();
    let store = Arc::new(postgres.store);
    let retaining = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.retain(&by_start(2)).await }
    });
    let waiting = "select exists (select from pg_locks where locktype = 'advisory' and not granted
        and database = (select oid from pg_database where datname = current_database()))";
    while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&mut postgres.connection).await.unwrap() {
        assert!(!retaining.is_finished(), "nobody was waited for");
    }
    writer.execute("commit").await.unwrap();
    let done = retaining.await.unwrap().unwrap();
    assert_eq!((done.spans_by_age, done.unused), (1, 0));
    assert_same_as_new(&*store, &[young]).await;
    store.close().await;
}

/// Scenario: two processes write spans of old days, compact and remove them, all at once. Guarantee: nobody fails or finds
/// damage, whatever comes between what; in the end, what is written is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_removers_do_not_mind_each_other() {
    let database = TestDatabase::create().await;
    let settings = PostgresSettings::default();
    let mut processes = Vec::new();
    for process in 0..2_u64 {
        let store = PostgresStore::connect(&database.url(), &settings).await.unwrap();
        processes.push(tokio::spawn(async move {
            for round in 0..12 {
                let id = 1_000 * (process + 1) + round;
                let spans = [span_ago(5, id, id), span_ago(4, id, id + 1), span_ago(0, id, id + 2)];
                store.write(&[batch(&spans)]).await.unwrap();
                assert!(trace(&store, trace_id(id)).await.contains(&spans[2]));
                store.compact(&AT_ONCE).await.unwrap();
                store.retain(&by_start(2)).await.unwrap();
                scanned_all(&store).await;
            }
            store
        }));
    }
    let mut stores = Vec::new();
    for process in processes {
        stores.push(process.await.unwrap());
    }
    for store in stores {
        assert_eq!(scanned_all(&store).await.iter().filter(|span| span.name == "day 0").count(), 24);
        store.close().await;
    }
    assert_eq!(settings.corrupt_blocks.total(), 0);
}

/// While others write and remove.
async fn scanned_all(store: &dyn SpanStore) -> Vec<Span> {
    store.scan_spans(scan(SearchFields::default())).try_collect().await.unwrap()
}

/// Scenario: two processes remove the same days at the same moment. Guarantee: each day goes once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_at_a_time_removes() {
    let postgres = Postgres::new().await;
    let other = Postgres::open(&postgres.database).await;
    let spans = days();
    postgres.history(&spans).await;
    let settings = by_start(0);
    let (here, there) = tokio::join!(postgres.store.retain(&settings), other.retain(&settings));
    let left = scanned_all(&other).await.len();
    let removed = here.unwrap().spans_by_age + there.unwrap().spans_by_age;
    assert_eq!(removed, u64::try_from(spans.len() - left).unwrap());
    assert!(removed > 20 && left > 5);
    postgres.store.close().await;
    other.close().await;
}

/// A span of a day that takes room: nothing in it can be compressed.
fn large(days: i64, id: u64) -> Span {
    let mut random = crate::support::random::Random::from_seed(id);
    let noise: String = (0..2_000).map(|_| char::from(b'0' + u8::try_from(random.below(75)).unwrap())).collect();
    let attributes = [("noise", tracewell::model::Value::String(noise))].into_iter().collect();
    Span { attributes, ..span_ago(days, id, id) }
}

/// Scenario: all together is too large. Guarantee: the oldest days go, as few as will do; never today, and it is said
/// when that is too much by itself.
#[tokio::test]
async fn the_oldest_days_go_when_all_is_too_large() {
    let mut postgres = Postgres::new().await;
    for days in [3, 2, 1, 0] {
        let spans: Vec<Span> = (1..=500).map(|id| large(days, id + 1_000 * days.unsigned_abs())).collect();
        postgres.history(&spans).await;
    }
    postgres.store.compact(&AT_ONCE).await.unwrap();
    let all = postgres.store.retain(&by_size(u64::MAX)).await.unwrap();
    assert!(all.bytes > 4_000_000 && !all.is_something(), "{all:?}");
    let done = postgres.store.retain(&by_size(all.bytes - 1)).await.unwrap();
    assert_eq!((done.spans_by_size, done.spans_by_age, done.is_too_large), (500, 0, false));
    assert!(done.bytes + 500_000 < all.bytes, "{done:?} after {all:?}");
    assert_eq!(postgres.number("select count(*) from span_block where hour < current_date - 2").await, 0);
    assert_eq!(
        postgres.number("select span_count from retention_log where reason = 'size' and bytes > 500000").await,
        500
    );
    let done = postgres.store.retain(&by_size(1)).await.unwrap();
    assert_eq!((done.spans_by_size, done.is_too_large), (1_000, true));
    assert_eq!(scanned_all(&postgres.store).await.len(), 500);
    postgres.assert_rollups_agree().await;
    postgres.store.close().await;
}

/// The same in SQLite, where what goes is as little as will do.
#[tokio::test]
async fn the_oldest_rows_go_when_all_is_too_large() {
    let directory = Directory::create();
    let store = SqliteStore::open(&directory.file("spans.db"), &SqliteSettings::default()).await.unwrap();
    for days in [3, 2, 1, 0] {
        let spans: Vec<Span> = (1..=1_000).map(|id| large(days, id + 10_000 * days.unsigned_abs())).collect();
        store.write(&[batch(&spans)]).await.unwrap();
    }
    let all = bytes_of(&store).await;
    let done = store.retain(&by_size(all - 1)).await.unwrap();
    assert_eq!((done.spans_by_size, done.is_too_large), (500, false));
    assert!(done.bytes < all);
    let oldest = scanned_all(&store).await.pop().unwrap();
    assert_eq!(oldest, large(3, 30_501));
    let done = store.retain(&by_size(1)).await.unwrap();
    assert_eq!((done.spans_by_size, done.is_too_large), (2_500, true));
    assert_eq!(scanned_all(&store).await.len(), 1_000);
    store.close().await;
}

/// Scenario: somebody waits to change the history while a backlog of steps is compacted. Guarantee: compaction gives way
/// after the step at hand, says so, and has the rest the next time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_gives_way_between_two_steps() {
    let mut postgres = Postgres::new().await;
    for id in 1..=3 {
        postgres.store.write(&[batch(&[span_ago(0, id, id)])]).await.unwrap();
        postgres.connection.execute("select close_step()").await.unwrap();
    }
    // A writer of the first of them that takes its time: compaction waits for it.
    let mut writer = postgres.database.connect().await;
    writer.execute("begin; select pg_advisory_xact_lock_shared(1953653091, 1)").await.unwrap();
    let store = Arc::new(postgres.store);
    let compacting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.compact(&AT_ONCE).await.unwrap() }
    });
    let mut waiting_for = async |count: i64| {
        let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted
            and database = (select oid from pg_database where datname = current_database())";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut postgres.connection).await.unwrap() < count {}
    };
    waiting_for(1).await;
    let mut other = postgres.database.connect().await;
    let other = tokio::spawn(async move {
        other.execute("select pg_advisory_lock(128034608997751)").await.unwrap();
        other
    });
    waiting_for(2).await;
    writer.execute("commit").await.unwrap();
    let done = compacting.await.unwrap();
    assert!(done.is_elsewhere && done.spans == 1, "{done:?}");
    drop(other.await.unwrap());
    let mut spans = done.spans;
    while spans < 3 {
        spans += store.compact(&AT_ONCE).await.unwrap().spans;
    }
    store.close().await;
}
