//! What people see of a block in SQL is what they see of its rows.

use sqlx::Row;

use super::*;

/// The view of the rows alone, as the first migration made it, in a schema of the test's own; and no row is hot any more,
/// so that `public.span` shows the blocks alone.
fn views() -> String {
    let migration = include_str!("../../../../../migrations/postgres/0001_spans.sql");
    let begin = migration.find("create view span as").unwrap();
    let end = migration.find("create view trace as").unwrap();
    let span = migration[begin..end].replace("left join resource on", "left join resource_row resource on");
    format!(
        "create schema compared; set search_path = compared, public; {span} update tier set first_hot_step = 1000000"
    )
}

/// Each trace under the day that its first block says.
const TRACE_ROWS: &str = "\
    truncate trace_row;
    insert into trace_row (start_time, duration_nano, received_max, day, span_count, error_count, start_nano, trace_id,
            service_ids, span_counts, block_ids)
        select min(start_min), 0, now(), day, 0, 0, 0, trace_id, '{}', '{}', array_agg(block_id)
        from span_block, unnest(trace_ids, trace_days) t (trace_id, day)
        group by trace_id, day";

const COLUMNS_OF: &str = "\
    select attname::text, atttypid::regtype::text || ' ' || attcollation::regcollation::text
    from pg_attribute where attrelid = $1::regclass and attnum > 0 order by attnum";

async fn columns_of(view: &str, connection: &mut PgConnection) -> Vec<(String, String)> {
    sqlx::query_as(COLUMNS_OF).bind(view).fetch_all(connection).await.unwrap()
}

/// The rows that one view has and the other has not, and how many there are in all.
async fn compare(connection: &mut PgConnection) -> (Vec<String>, i64) {
    let columns = columns_of("compared.span", connection).await;
    let list: Vec<_> = columns.iter().map(|(name, _)| format!("{name}::text")).collect();
    let list = list.join(", ");
    let select = format!(
        "with hot as materialized (select {list} from span), history as materialized (select {list} from public.span)
         select 'hot ' || t::text from (select * from hot except all select * from history) t
         union all select 'history ' || t::text from (select * from history except all select * from hot) t"
    );
    let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(&mut *connection).await.unwrap();
    let count = sqlx::query_scalar("select count(*) from public.span").fetch_one(connection).await.unwrap();
    (rows.iter().map(|row| row.get(0)).collect(), count)
}

/// Scenario: random spans, hot and in blocks. Guarantee: both views have the same columns of the same types, and show
/// the same rows, whatever the session's time zone.
#[tokio::test]
async fn blocks_show_what_rows_show() {
    let mut fixture = Fixture::new().await;
    fixture.execute(&views()).await;
    fixture.execute("set timezone = 'America/New_York'").await;
    let hot = columns_of("compared.span", &mut fixture.connection).await;
    let history = columns_of("public.span", &mut fixture.connection).await;
    let added = ["hour", "start_time_min", "start_time_max"]
        .map(|name| (name.to_owned(), "timestamp with time zone -".to_owned()));
    assert_eq!([hot, added.to_vec()].concat(), history);
    let any = arbitrary::samples(&arbitrary::spans(24), 12);
    for spans in any.into_iter().chain(arbitrary::samples(&crowded(150), 2)) {
        fixture.store(&spans).await;
        fixture.execute(TRACE_ROWS).await;
        let (different, count) = compare(&mut fixture.connection).await;
        assert_eq!(different, Vec::<String>::new());
        let distinct: std::collections::BTreeSet<_> = spans.iter().map(Span::key).collect();
        assert_eq!(usize::try_from(count), Ok(distinct.len()));
    }
    fixture.store.close().await;
}

/// 6,000 spans of two services over 20 minutes, as programs send them.
const FILL: &str = "
    insert into service select n, 'service ' || n from generate_series(0, 1) n;
    insert into resource_row select n, 0, 'service ' || n % 2, 'node ' || n, '', '{\"region\": \"north\"}', null, null
        from generate_series(0, 9) n;
    insert into scope select n, 0, 'library ' || n, '1', '', '{}' from generate_series(0, 1) n;
    insert into span_row (step, start_time, start_nano, duration_nano, resource_id, scope_id, service_id, digest, kind, flags,
            status_code, status_message, trace_id, span_id, parent_span_id, name, attributes, events)
        select 1, timestamptz '2026-01-01 00:50:00+00' + n * interval '200.123 ms', n % 1000, 1000003 * (n % 1000), n % 10,
            n % 2, n % 2, n, 1 + n % 3, 257, case when n % 50 = 0 then 2 end, case when n % 50 = 0 then 'no ' || n end,
            decode(md5((n / 8)::text), 'hex'), int8send(n + 1), case when n % 8 > 0 then int8send(n / 8 * 8 + 1) end,
            'operation ' || n % 14,
            case when n % 3 > 0 then
                jsonb_build_object('key', n % 4, 'url', 'http://example.com/100%/' || n, 'share', n / 4.0, '%s', n % 14)
            else
                jsonb_build_object('rpc', jsonb_build_array('a', n % 2, jsonb_build_object('b', null)))
            end,
            case when n % 40 = 0 then
                jsonb_build_array(jsonb_build_object('name', 'exception', 'time_unix_nano', n, 'attributes', '{}'::jsonb))
            end
        from generate_series(0, 5999) n";

/// Scenario: many spans that are alike. Guarantee: as above; and conditions on the service, the name and the
/// hour, or other bounds of the time, keep blocks closed that have nothing for them.
#[tokio::test]
async fn conditions_keep_blocks_closed() {
    let mut fixture = Fixture::new().await;
    fixture.execute(&views()).await;
    fixture.execute(FILL).await;
    let blocks = fixture.compact().await;
    assert_eq!(blocks.iter().map(|block| block.span_count).sum::<i32>(), 6_000);
    fixture.execute(TRACE_ROWS).await;
    fixture.execute("analyze").await;
    assert_eq!(compare(&mut fixture.connection).await, (Vec::new(), 6_000));
    let whole = blocks.len();
    for (condition, spans, blocks_max) in [
        ("true", 6_000, whole),
        ("service = 'service 1'", 3_000, whole / 2),
        ("name = 'operation 3'", 429, whole / 2),
        ("name = 'operation'", 0, 0),
        ("hour = '2026-01-01 01:00:00+00'", 3_000, whole / 2),
        ("start_time_max < '2026-01-01 01:00:00+00'", 3_000, whole / 2),
        ("start_time_min >= '2026-01-01 01:00:00+00'", 3_000, whole / 2),
    ] {
        let (found, opened) = opened_by(condition, &mut fixture.connection).await;
        assert!(found.abs_diff(spans) <= 3 && opened <= blocks_max, "{condition}: {found} spans of {opened} blocks");
    }
    fixture.store.close().await;
}

/// How many spans a condition finds, and how many blocks are opened for it.
async fn opened_by(condition: &str, connection: &mut PgConnection) -> (i64, usize) {
    let count = format!("select count(*) from public.span where {condition}");
    let found = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut *connection).await.unwrap();
    let explain = format!("explain (analyze, verbose) select duration_nano from public.span where {condition}");
    let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_all(connection).await.unwrap();
    // The line below a node's own says what it makes.
    let opening = plan.windows(2).filter(|lines| lines[1].trim_start().starts_with("Output: opened(b."));
    let loops = opening.map(|lines| {
        let loops = lines[0].split_once("loops=").map_or("0", |(_, after)| after.trim_end_matches(')'));
        loops.parse::<usize>().unwrap()
    });
    let loops: Vec<_> = loops.collect();
    assert!(!loops.is_empty(), "{plan:#?}");
    (found, loops.iter().sum())
}
