//! What the page says of conditions: which ones keep blocks closed and partitions unread, and which one does not.

use sqlx::Executor;
use tracewell::model::{Span, UnixNanos};

use super::Postgres;
use crate::support::{service, span, trace_id};

const HOUR: u64 = 3_600_000_000_000;
const DAYS: u64 = 3;
/// Of each day.
const HOURS: u64 = 8;
const SERVICES: u64 = 4;

/// Midnight before yesterday, by the database's clock.
async fn midnight(postgres: &mut Postgres) -> u64 {
    let days = postgres.rows("select current_date - date '1970-01-01' - 2").await[0][0].clone().unwrap();
    days.parse::<u64>().unwrap() * 24 * HOUR
}

/// A trace each hour: five spans of each service in its first minutes; so four blocks an hour.
fn spans(midnight: u64) -> Vec<Span> {
    let mut spans = Vec::new();
    for (day, hour) in (0..DAYS).flat_map(|day| (0..HOURS).map(move |hour| (day, hour))) {
        for number in 0..5 * SERVICES {
            let start = midnight + day * 24 * HOUR + hour * HOUR + number * 60_000_000_000;
            spans.push(Span {
                resource: service(&format!("service {}", number % SERVICES)),
                name: format!("operation {}", number % SERVICES),
                end: UnixNanos(start + 1_000_000),
                ..span(1 + day * HOURS + hour, 1 + number, start)
            });
        }
    }
    spans
}

struct Filled {
    postgres: Postgres,
    midnight: u64,
}

impl Filled {
    async fn new() -> Self {
        let mut postgres = Postgres::new().await;
        let midnight = midnight(&mut postgres).await;
        postgres.write(&spans(midnight)).await;
        postgres.compact().await;
        postgres.connection.execute("analyze; set jit = off").await.unwrap();
        Self { postgres, midnight }
    }

    /// A time, so many minutes after midnight of the first day, in quotes.
    fn at(&self, minutes: u64) -> String {
        format!("to_timestamp({})", self.midnight / 1_000_000_000 + minutes * 60)
    }

    async fn plan(&mut self, select: &str) -> Vec<String> {
        let explain = format!("explain (analyze, verbose, costs off, timing off, summary off) {select}");
        self.postgres.rows(&explain).await.into_iter().map(|row| row[0].clone().unwrap()).collect()
    }

    /// How many spans are found, and how many blocks are opened for them.
    async fn opened(&mut self, from: &str) -> (usize, usize) {
        let found = self.postgres.rows(&format!("select duration_nano from {from}")).await.len();
        let plan = self.plan(&format!("select duration_nano from {from}")).await;
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
}

/// Scenario: three days of history, in blocks by hour and service. Guarantee: what the page says of each condition.
#[tokio::test]
async fn conditions_keep_blocks_closed() {
    let mut filled = Filled::new().await;
    let all = usize::try_from(DAYS * HOURS * SERVICES).unwrap();
    let (from, until) = (filled.at(24 * 60 + 120), filled.at(24 * 60 + 125));
    let id = trace_id(1 + HOURS + 2);
    for (from, spans, blocks) in [
        ("span".to_owned(), 20 * all / 4, all),
        (format!("span where trace_id = '{id}'"), 20, 4),
        (format!("trace_spans('{id}')"), 20, 4),
        (format!("(values ('{id}')) wanted (id) cross join lateral trace_spans(wanted.id)"), 20, 4),
        ("span where service = 'service 1'".to_owned(), 5 * all / 4, all / 4),
        ("span where service = 'nobody'".to_owned(), 0, 0),
        ("span where name = 'operation 1'".to_owned(), 5 * all / 4, all / 4),
        ("span where name in ('operation 1', 'operation 2')".to_owned(), 10 * all / 4, all / 2),
        (format!("span where hour = {from}"), 20, 4),
        (format!("span where start_time_max >= {from} and start_time_min < {until}"), 20, 4),
        (format!("spans_between({from}, {until})"), 5, 4),
        (format!("spans_between({from}, {until}) where service = 'service 1'"), 1, 1),
        // Before the others of the hour begin, and after all of them.
        (format!("spans_between({from}, {})", filled.at(24 * 60 + 121)), 1, 1),
        (format!("spans_between({}, {})", filled.at(24 * 60 + 140), filled.at(24 * 60 + 150)), 0, 0),
        (format!("spans_between({})", filled.at(48 * 60)), 160, all / 3),
        // The one that does not prune.
        (format!("span where start_time >= {from} and start_time < {until}"), 5, all),
    ] {
        assert_eq!(filled.opened(&from).await, (spans, blocks), "{from}");
    }
    filled.postgres.end().await;
}

/// Scenario: the same. Guarantee: with a condition on the time, partitions of other days are not read.
#[tokio::test]
async fn times_keep_partitions_closed() {
    let mut filled = Filled::new().await;
    let (from, until) = (filled.at(24 * 60 + 120), filled.at(24 * 60 + 180));
    let partitions = filled
        .postgres
        .rows("select relname from pg_class where relname ~ '^span_block_2.*[0-9]$' and relkind = 'r'")
        .await;
    assert_eq!(partitions.len(), 3);
    for select in [
        format!("select * from spans_between({from}, {until})"),
        format!("select * from span where hour = {from}"),
        "select * from spans_between(now() - interval '5 days', now() - interval '4 days')".to_owned(),
    ] {
        let plan = filled.plan(&select).await;
        let read = |partition: &str| {
            plan.iter().any(|line| line.contains(&format!("{partition} ")) && !line.contains("never executed"))
        };
        let read = partitions.iter().filter(|row| read(row[0].as_ref().unwrap())).count();
        assert_eq!(read, usize::from(!select.contains("days")), "{select}: {plan:#?}");
    }
    filled.postgres.end().await;
}

/// Scenario: many traces in the history, few of them asked for. Guarantee: `trace` goes through the index of ids, or that of
/// start times, also backwards for the newest; and so do hot rows.
#[tokio::test]
async fn traces_are_found_by_indexes() {
    let mut filled = Filled::new().await;
    let many = "insert into trace_row (start_time, duration_nano, received_max, day, span_count, error_count, start_nano, \
                trace_id, service_ids, span_counts, block_ids) \
                select now() - n * interval '1 s', 1000, now(), current_date, 1, 0, 0, md5(n::text)::uuid, '{}', '{}', '{}' \
                from generate_series(1, 20000) n";
    filled.postgres.connection.execute(many).await.unwrap();
    let hot = spans(filled.midnight + 10 * 24 * HOUR);
    filled.postgres.write(&hot).await;
    filled.postgres.connection.execute("vacuum analyze").await.unwrap();
    let large = "select 'trace_row_' || to_char(current_date, 'YYYYMMDD')";
    let large = filled.postgres.rows(large).await[0][0].clone().unwrap();
    let id = trace_id(3);
    for (select, indexes) in [
        (
            format!("select * from trace where trace_id = '{id}'"),
            &["_encode_idx on public.trace_row_", "_encode_idx on public.span_row_"][..],
        ),
        (
            format!("select * from span where trace_id = '{id}'"),
            &["_encode_idx on public.trace_row_", "_encode_idx on public.span_row_"],
        ),
        (
            "select * from trace where start_time >= now() - interval '1 minute'".to_owned(),
            &["_start_time_idx on public.trace_row_"],
        ),
        ("select * from trace order by start_time desc limit 20".to_owned(), &["Backward using trace_row_"]),
    ] {
        let plan = filled.plan(&select).await.join("\n");
        let scanned = plan
            .lines()
            .filter(|line| line.contains(&format!("Seq Scan on public.{large}")) && !line.contains("never"));
        for index in indexes {
            assert!(plan.contains(index), "{select}: {index}\n{plan}");
        }
        assert_eq!(scanned.count(), 0, "{select}: {plan}");
    }
    filled.postgres.end().await;
}
