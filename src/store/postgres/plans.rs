//! The plans of the statements and of the views are a promise too: on a table that is not small, each goes through the
//! index that was made for it. And what readers are kept from.

use std::time::Duration;

use regex::Regex;
use sqlx::{AssertSqlSafe, Execute, Executor, PgConnection, Row};

use super::block::TRACE_BLOCKS;
use super::filter::{Told, tell};
use super::history::{Between, candidates_statement};
use super::read::{HOT_COUNTS, SUMMARIES, rows_statement, trace_statement};
use super::row::{KEY_COLUMNS, SPAN_COLUMNS};
use super::time::Micros;
use super::{PostgresSettings, PostgresStore, scan};
use crate::model::{
    AttributeCondition, AttributeIs, AttributeScope, Condition, Filter, Search, SearchFields, Span, SpanId, SpanKey,
    SpanKind, TextIs, TraceId, UnixNanos, Value, Within,
};
use crate::store::{Batch, CompactionSettings, Scan, SpanStore, Watermark};

#[path = "../../../tests/support/postgres.rs"]
pub(super) mod support;

/// 20 services, 50,000 spans of 6,250 traces, one every 50 ms since 2026.
const FILL: &str = "
    insert into service select n, 'service ' || n from generate_series(0, 19) n;
    insert into resource_row select n, 0, 'service ' || n % 20, 'node ' || n, '', '{\"region\": \"north\"}', null, null
        from generate_series(0, 199) n;
    insert into scope select 1, 0, 'library', '1', '', '{}';
    insert into span_row (step, start_time, start_nano, duration_nano, resource_id, scope_id, service_id, digest, kind,
            flags, trace_id, span_id, parent_span_id, name, attributes)
        select n % 3, timestamptz '2026-01-01 00:00:00+00' + n * interval '50 ms', 0, 1000000 * (n % 100), n % 200, 1,
            n % 20, n, 2, 1, decode(md5((n / 8)::text), 'hex'), int8send(n + 1),
            case when n % 8 > 0 then int8send(n / 8 * 8 + 1) end, 'operation ' || n % 50,
            jsonb_build_object('key', n % 1000, 'url', 'http://example.com/' || n)
        from generate_series(0, 49999) n;
    analyze";

/// 20 minutes after the first span, in microseconds since 1970.
const MINUTE_20: i64 = 1_767_226_800_000_000;

struct Filled {
    store: PostgresStore,
    database: support::TestDatabase,
}

impl Filled {
    async fn new() -> Self {
        let database = support::TestDatabase::create().await;
        let store = PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap();
        database.connect().await.execute(FILL).await.unwrap();
        Self { store, database }
    }

    /// A connection as readers have it.
    async fn reader(&self) -> sqlx::pool::PoolConnection<sqlx::Postgres> {
        self.store.reader.pool.acquire().await.unwrap()
    }

    async fn end(self) {
        self.store.close().await;
        drop(self.database);
    }
}

async fn plan(
    query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    connection: &mut PgConnection,
) -> String {
    let rows = query.fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0) + "\n").collect()
}

async fn plan_of_scan(scan: &Scan, connection: &mut PgConnection) -> String {
    let limit = i64::try_from(scan.limit).unwrap();
    let told = tell(&scan.filter, connection).await.unwrap();
    let mut statement = scan::statement(scan, &told, SPAN_COLUMNS, scan.before, limit).unwrap();
    let mut query = statement.build();
    let arguments = query.take_arguments().unwrap().unwrap();
    let explain = format!("explain {}", query.sql().as_str());
    plan(sqlx::query_with(AssertSqlSafe(explain), arguments), connection).await
}

fn newest(fields: SearchFields) -> Scan {
    Scan { limit: 20, ..Scan::of(Search::try_from(fields).unwrap()) }
}

/// The service and time index is read backwards, and no other way leads to the spans.
#[track_caller]
fn check_newest(plan: &str, index_condition: &str) {
    assert!(plan.contains("Index Scan Backward using span_row_1_service_id_start_time_idx on span_row_1"), "{plan}");
    assert!(plan.contains(index_condition) && plan.contains("Incremental Sort"), "{plan}");
    assert!(!plan.contains("Seq Scan on span_row"), "{plan}");
}

#[tokio::test]
async fn scans_read_the_index_backwards() {
    let filled = Filled::new().await;
    let mut connection = filled.reader().await;
    let time = |micros: i64| Some(UnixNanos(micros.unsigned_abs() * 1_000));
    let service = || Some("service 3".to_owned());
    let condition = |scope| AttributeCondition { scope, key: "region".to_owned(), value: Value::from("north") };
    let narrow = SearchFields {
        start_min: time(MINUTE_20),
        start_max: time(MINUTE_20 + 600_000_000),
        kind: Some(SpanKind::SERVER),
        duration_min_nanos: Some(5),
        attributes: vec![condition(AttributeScope::Any), condition(AttributeScope::Span)],
        ..SearchFields::default()
    };
    let key = SpanKey {
        start: time(MINUTE_20).unwrap(),
        trace_id: TraceId::from_slice(&[1; 16]).unwrap(),
        span_id: SpanId::from_slice(&[1; 8]).unwrap(),
        digest: 1,
    };
    let of_service = SearchFields { service: service(), ..narrow.clone() };
    let cases = [
        (newest(SearchFields::default()), "(service_id = service.service_id)"),
        (newest(SearchFields { service: service(), ..SearchFields::default() }), "(service_id = '"),
        (newest(narrow), "start_time >="),
        (newest(of_service.clone()), "start_time >="),
        (Scan { before: Some(key), as_of: Some(Watermark(MINUTE_20)), ..newest(of_service) }, "start_time <="),
        (Scan { before: Some(key), ..newest(SearchFields::default()) }, "start_time <="),
    ];
    for (scan, index_condition) in cases {
        check_newest(&plan_of_scan(&scan, &mut connection).await, index_condition);
    }
    drop(connection);
    filled.end().await;
}

/// What a filter says of services, traces or time leads to the rows; the rest of it is asked of the rows that are read.
#[tokio::test]
async fn filters_go_by_the_indexes() {
    let filled = Filled::new().await;
    let mut connection = filled.reader().await;
    let text = |text: &str| TextIs::Equal(text.to_owned());
    let attribute = |within, key: &str, is| Filter::Is(Condition::Attribute { within, key: key.to_owned(), is });
    let service = |name: &str| Filter::Is(Condition::Service(text(name)));
    let name = Filter::Is(Condition::Name(text("operation 7")));
    let rest = Filter::OneOf(vec![
        attribute(Within::Anywhere, "key", AttributeIs::Number { min: 1.0, max: 2.0 }),
        attribute(Within::Span, "url", AttributeIs::Text(text("http://example.com/7"))),
    ]);
    let matching = Filter::Is(Condition::Service(TextIs::Matching(Regex::new("^service 1.$").unwrap())));
    let hour = SearchFields { start_min: Some(UnixNanos(MINUTE_20.unsigned_abs() * 1_000)), ..SearchFields::default() };
    let with = |filters: Vec<Filter>| Scan { filter: Filter::All(filters), ..newest(SearchFields::default()) };
    let cases = [
        (with(vec![service("service 3"), rest.clone()]), "(service_id = '"),
        (
            with(vec![Filter::OneOf(vec![service("service 3"), service("service 4")]), rest.clone()]),
            "service.service_id",
        ),
        (with(vec![matching, name.clone()]), "service.service_id"),
        (with(vec![attribute(Within::Resource, "region", AttributeIs::There), name]), "service.service_id"),
        (Scan { filter: rest, ..newest(hour) }, "start_time >="),
    ];
    for (scan, index_condition) in cases {
        check_newest(&plan_of_scan(&scan, &mut connection).await, index_condition);
    }
    let of_trace = Filter::Is(Condition::TraceId(TraceId::from_slice(&[1; 16]).unwrap()));
    let plan = plan_of_scan(&with(vec![of_trace]), &mut connection).await;
    assert!(plan.contains("span_row_1_encode_idx") && !plan.contains("Seq Scan on span_row"), "{plan}");
    drop(connection);
    filled.end().await;
}

#[tokio::test]
async fn traces_are_found_by_the_index() {
    let filled = Filled::new().await;
    let mut connection = filled.reader().await;
    let id = "28dd2c7955ce926456240b2ff0100bde";
    let trace = trace_statement().0;
    let plans = [
        plan(
            sqlx::query(AssertSqlSafe(format!("explain {trace}")))
                .bind(id)
                .bind(None::<Micros>)
                .bind(None::<i16>)
                .bind(None::<Vec<u8>>)
                .bind(None::<i64>)
                .bind(None::<Micros>)
                .bind(1_000_i64),
            &mut connection,
        )
        .await,
        plan(
            sqlx::query(AssertSqlSafe(format!("explain {HOT_COUNTS}"))).bind(vec![id.to_owned(); 256]).bind(20_000_i64),
            &mut connection,
        )
        .await,
        plan(
            sqlx::query(AssertSqlSafe(format!("explain {}", rows_statement().0)))
                .bind(vec![id.to_owned(); 256])
                .bind(Some(Micros(MINUTE_20))),
            &mut connection,
        )
        .await,
        plan(
            sqlx::query(AssertSqlSafe(format!("explain {SUMMARIES}")))
                .bind(vec![id.to_owned(); 20])
                .bind(Some(Micros(MINUTE_20))),
            &mut connection,
        )
        .await,
    ];
    for plan in plans {
        assert!(plan.contains("span_row_1_encode_idx") && !plan.contains("Seq Scan on span_row"), "{plan}");
    }
    drop(connection);
    filled.end().await;
}

/// A block, as it is, for each minute of a day; of every tenth, the service is another.
const BLOCKS: &str = "
    insert into span_block
        select made.* from (select b from span_block b limit 1) one (b)
        cross join generate_series(1, 1440) n
        cross join lateral (select timestamptz '2026-01-02 00:00:00+00' + n * interval '1 min' as start) t
        cross join lateral jsonb_populate_record(one.b, jsonb_build_object('block_id', n, 'service_id', n % 10,
            'hour', date_trunc('hour', t.start), 'start_min', t.start, 'start_max', t.start + interval '1 s')) made;
    analyze span_block";

/// A scan reads no more of the history than its time, wherever that lies; and the blocks of traces are found by their ids.
#[tokio::test]
async fn blocks_are_found_by_their_time() {
    let database = support::TestDatabase::create().await;
    let store = PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap();
    store.write(&[Batch::new(vec![Span::example("get")])]).await.unwrap();
    store.compact(&CompactionSettings::at_once(Duration::ZERO)).await.unwrap();
    database.connect().await.execute(BLOCKS).await.unwrap();
    let mut connection = store.reader.pool.acquire().await.unwrap();
    let time = |minute: u64| Some(UnixNanos((1_767_312_000 + minute * 60) * 1_000_000_000));
    let search = SearchFields { start_min: time(600), start_max: time(605), ..SearchFields::default() };
    let between = Between { before: None, floor: None };
    let scan = newest(search);
    for told in [Told::everything(), tell(&Filter::Is(Condition::Root), &mut connection).await.unwrap()] {
        let mut statement = candidates_statement(&scan, &told, between, None, 64).unwrap();
        let mut query = statement.build();
        let arguments = query.take_arguments().unwrap().unwrap();
        let explain = format!("explain (analyze, costs off, timing off, summary off) {}", query.sql().as_str());
        let plan = plan(sqlx::query_with(AssertSqlSafe(explain), arguments), &mut connection).await;
        assert!(plan.contains("Index Cond: ((start_max <= ") && plan.contains("AND (start_max >= "), "{plan}");
        // Those that begin in the hour after are looked at and left out.
        let removed = plan.split("Rows Removed by Filter: ").nth(1).and_then(|rest| rest.lines().next());
        assert!(removed.and_then(|rows| rows.parse().ok()).is_some_and(|rows: u64| rows <= 65), "{plan}");
    }
    let explain = format!("explain {TRACE_BLOCKS}");
    let ids = vec!["28dd2c7955ce926456240b2ff0100bde"; 128];
    let query = sqlx::query(AssertSqlSafe(explain)).bind(ids).bind((0..128_i64).collect::<Vec<_>>());
    let plan = plan(query, &mut connection).await;
    // The partition of the only day that there is one for is empty.
    assert!(plan.contains("_block_id_idx") && !plan.contains("Seq Scan on span_block_default"), "{plan}");
    drop(connection);
    store.close().await;
}

/// What people ask of the views, with the settings that their connections have.
#[tokio::test]
async fn the_views_let_conditions_through() {
    let filled = Filled::new().await;
    let mut connection = filled.database.connect().await;
    let id = "28dd2c7955ce926456240b2ff0100bde";
    let cases = [
        (format!("select * from span where trace_id = '{id}'"), "span_row_1_encode_idx"),
        (format!("select * from trace where trace_id = '{id}'"), "span_row_1_encode_idx"),
        (
            "select * from span where service = 'service 3' and start_time >= '2026-01-01 00:20:00+00' \
             and start_time < '2026-01-01 00:21:00+00' order by start_time desc limit 20"
                .to_owned(),
            "span_row_1_service_id_start_time_idx",
        ),
    ];
    for (select, index) in cases {
        let plan = plan(sqlx::query(AssertSqlSafe(format!("explain {select}"))), &mut connection).await;
        assert!(plan.contains(index) && !plan.contains("Seq Scan on span_row"), "{plan}");
    }
    filled.end().await;
}

/// The server itself stops a reader that takes too long, and one that would write.
#[tokio::test]
async fn readers_neither_write_nor_run_for_ever() {
    let database = support::TestDatabase::create().await;
    let settings = PostgresSettings { read_duration_max: Duration::from_millis(100), ..PostgresSettings::default() };
    let store = PostgresStore::connect(&database.url(), &settings).await.unwrap();
    for (statement, code) in [("select pg_sleep(60)", "57014"), ("truncate span_row", "25006")] {
        let error = sqlx::query(statement).execute(&store.reader.pool).await.unwrap_err();
        assert_eq!(error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref(), Some(code));
    }
    store.close().await;
}

/// A commit waits for the disk, whatever the database is set to; a stronger setting is left alone.
#[tokio::test]
async fn writers_commit_to_disk() {
    let database = support::TestDatabase::create().await;
    let mut connection = database.connect().await;
    for (set, expected) in [("off", "on"), ("remote_apply", "remote_apply")] {
        let alter = format!(
            "do $$ begin execute format('alter database %I set synchronous_commit = {set}', current_database()); end $$"
        );
        connection.execute(AssertSqlSafe(alter)).await.unwrap();
        let store = PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap();
        let show = sqlx::query_scalar("show synchronous_commit");
        let actual: String = show.fetch_one(&store.writer.pool).await.unwrap();
        assert_eq!(actual, expected);
        store.close().await;
    }
}

/// Keys alone are read in the same way, in pages of any size.
#[tokio::test]
async fn keys_are_scanned_like_spans() {
    let filled = Filled::new().await;
    let mut connection = filled.reader().await;
    let scan = newest(SearchFields { service: Some("service 3".to_owned()), ..SearchFields::default() });
    let mut statement = scan::statement(&scan, &Told::everything(), KEY_COLUMNS, None, 20).unwrap();
    let mut query = statement.build();
    let arguments = query.take_arguments().unwrap().unwrap();
    let explain = format!("explain {}", query.sql().as_str());
    let plan = plan(sqlx::query_with(AssertSqlSafe(explain), arguments), &mut connection).await;
    check_newest(&plan, "(service_id = '");
    drop(connection);
    filled.end().await;
}

/// Who makes history, and who removes it, takes one core of the database at the most, beside those who write.
#[tokio::test]
async fn compaction_takes_one_core() {
    let database = support::TestDatabase::create().await;
    let store = PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap();
    for pool in [&store.compactor.pool, &store.retainer.pool] {
        let settings = "select current_setting('max_parallel_workers_per_gather'), current_setting('jit')";
        let actual: (String, String) = sqlx::query_as(settings).fetch_one(pool).await.unwrap();
        assert_eq!(actual, ("0".to_owned(), "off".to_owned()));
    }
    store.close().await;
}
