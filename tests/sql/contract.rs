//! The columns of the views and the functions: which there are, in which order and of which type, that the catalogue
//! explains each, and that the page names each.

use super::{Kept, Postgres, Rows, SQL_MD, Sqlite};
use crate::support::span;

/// What people may count on. Lines may be added behind those of a view, none may change.
const COLUMNS: [(&str, &str); 5] = [
    (
        "span",
        "trace_id text, span_id text, parent_span_id text, service text, node text, name text, kind text, \
         start_time timestamp with time zone, end_time timestamp with time zone, duration interval, \
         start_time_unix_nano numeric, end_time_unix_nano numeric, duration_nano bigint, status text, \
         status_message text, attributes jsonb, resource_attributes jsonb, scope_name text, scope_version text, \
         events jsonb, links jsonb, trace_state text, flags bigint, dropped_attributes_count bigint, \
         dropped_events_count bigint, dropped_links_count bigint, hour timestamp with time zone, \
         start_time_min timestamp with time zone, start_time_max timestamp with time zone",
    ),
    (
        "trace",
        "trace_id text, start_time timestamp with time zone, end_time timestamp with time zone, duration interval, \
         duration_nano bigint, root_service text, root_name text, span_count bigint, error_count bigint, \
         services text[]",
    ),
    (
        "red_minute",
        "minute timestamp with time zone, service text, name text, kind text, status text, span_count bigint, \
         error_count bigint, duration_sum_nano numeric, duration_p50_nano bigint, duration_p95_nano bigint, \
         duration_p99_nano bigint, histogram red_histogram",
    ),
    ("resource", "service text, node text, attributes jsonb, schema_url text, dropped_attributes_count bigint"),
    ("sql_contract", "version integer"),
];

/// The functions that the page tells, as PostgreSQL writes them.
const FUNCTIONS: [&str; 6] = [
    "trace_spans(trace_id text)",
    "spans_between(since timestamp with time zone, until timestamp with time zone DEFAULT 'infinity'::timestamp with time zone)",
    "red_between(since timestamp with time zone, until timestamp with time zone DEFAULT 'infinity'::timestamp with time zone)",
    "red_merge(red_histogram)",
    "red_quantile(histogram red_histogram, quantile double precision)",
    "red_buckets()",
];

fn one(rows: &Rows) -> Vec<String> {
    rows.iter().map(|row| row[0].clone().unwrap_or_else(|| "null".to_owned())).collect()
}

/// Scenario: the catalogue is asked for the views' columns. Guarantee: those of the contract, on both engines.
#[tokio::test]
async fn the_columns_are_those_of_the_contract() {
    let mut postgres = Postgres::new().await;
    let sqlite = Sqlite::with(&[]).await;
    for (view, columns) in COLUMNS {
        let select = format!(
            "select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attnum) \
             from pg_attribute where attrelid = '{view}'::regclass and attnum > 0"
        );
        assert_eq!(one(&postgres.rows(&select).await), [columns], "{view}");
        let names: Vec<_> = columns.split(", ").map(|column| column.split(' ').next().unwrap()).collect();
        let of_sqlite = sqlite.rows(&format!("select name from pragma_table_info('{view}') order by cid")).await;
        assert_eq!(one(&of_sqlite), names, "{view} on SQLite");
    }
    postgres.end().await;
}

/// Scenario: the page, beside the catalogue. Guarantee: each column of each view stands in the view's table, each function
/// in that of the functions, and nothing else does.
#[test]
fn the_page_names_every_column() {
    let section = |heading: &str| {
        let (_, text) = SQL_MD.split_once(&format!("\n### {heading}\n")).unwrap();
        text.split("\n### ").next().unwrap().to_owned()
    };
    let named = |heading: &str| {
        let section = section(heading);
        let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next().map(str::to_owned));
        cells
            .flat_map(|cell| cell.replace('`', "").split(", ").map(str::to_owned).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    for (view, columns) in COLUMNS {
        let columns: Vec<_> = columns.split(", ").map(|column| column.split(' ').next().unwrap()).collect();
        assert_eq!(named(view), columns, "{view}");
    }
    let functions: Vec<_> = section("Functions, on PostgreSQL")
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split('(').next()?.to_owned()))
        .collect();
    assert_eq!(functions, FUNCTIONS.map(|function| function.split('(').next().unwrap()));
}

/// Scenario: `\d+` and `\df+`. Guarantee: each view, column and function of the contract is explained.
#[tokio::test]
async fn the_catalogue_explains_everything() {
    let mut postgres = Postgres::new().await;
    for (view, _) in COLUMNS {
        let without = format!(
            "select attname from pg_attribute where attrelid = '{view}'::regclass and attnum > 0 \
                 and col_description(attrelid, attnum) is null \
             union all select relname from pg_class where oid = '{view}'::regclass and obj_description(oid) is null"
        );
        assert_eq!(one(&postgres.rows(&without).await), Vec::<String>::new(), "{view}");
    }
    let explained = "select proname || '(' || pg_get_function_arguments(oid) || ')' from pg_proc \
                     where pronamespace = 'public'::regnamespace and obj_description(oid) is not null";
    let mut explained = one(&postgres.rows(explained).await);
    let mut functions = FUNCTIONS.map(str::to_owned).to_vec();
    explained.sort();
    functions.sort();
    assert_eq!(explained, functions);
    postgres.end().await;
}

/// Scenario: two producers, one of which sent twice. Guarantee: `resource` has a row for each, with what it said of itself.
#[tokio::test]
async fn resources_are_listed_once() {
    let spans = [span(1, 1, 1), span(1, 2, 2)];
    let other = tracewell::model::Span { resource: crate::support::service("cart"), ..span(1, 3, 3) };
    let spans = [&spans[..], &[other]].concat();
    let select =
        "select service, node, attributes, schema_url, dropped_attributes_count from resource order by service";
    let mut postgres = Postgres::with(&spans, Kept::Torn).await;
    let text = |values: [Option<&str>; 5]| values.map(|value| value.map(str::to_owned)).to_vec();
    let row = |name, attributes| text([Some(name), None, Some(attributes), Some(""), Some("0")]);
    let expected = [row("cart", "{\"service.name\": \"cart\"}"), row("shop", "{\"service.name\": \"shop\"}")];
    assert_eq!(postgres.rows(select).await, expected);
    let expected = [row("cart", "{\"service.name\":\"cart\"}"), row("shop", "{\"service.name\":\"shop\"}")];
    assert_eq!(Sqlite::with(&spans).await.rows(select).await, expected);
    postgres.end().await;
}
