//! Counting the calls of a history that an earlier version made: portion by portion, and stopped anywhere in between. How
//! it begins, and a program of the version before that still runs, are in `calls.rs`.

use std::sync::Arc;

use sqlx::{Connection, Executor, PgConnection};
use tracewell::model::{Span, SpanKind, UnixNanos};
use tracewell::query::{Query, QuerySettings};
use tracewell::store::memory::MemoryStore;
use tracewell::store::{CallRequest, CompactionSettings, RetentionSettings, SpanStore, StoreError, Work};

use super::batch;
use super::calls::{failed, takes, told};
use super::retention::{DAY, today};
use crate::support::database::{AT_ONCE, Database};
use crate::support::postgres::TestDatabase;
use crate::support::random::{Random, random, rounds};
use crate::support::{service, span, span_id};

const HOUR: u64 = 3_600_000_000_000;
const MINUTE: u64 = 60_000_000_000;

/// Hours since the begin of the day before yesterday in which spans begin.
const HOURS: [u64; 4] = [1, 2, 30, 31];

/// Hardly more than one span each: minutes are cut, too.
const PORTIONS: CompactionSettings = CompactionSettings { count_spans_max: 2, ..AT_ONCE };

/// What a program of the version before does when it makes history. What had been counted stays in part.
const FORGET: &str = "\
    update tier set first_hot_step = first_hot_step - 1, calls_step = first_hot_step - 1;
    update tier set first_hot_step = first_hot_step + 1";

/// Now and then a statement on what is counted fails, wherever in a portion it comes; no portion has more than come in between.
const FAIL: &str = "\
    create sequence statements;
    create function fail() returns trigger language plpgsql as $$ begin
        if nextval('statements') % 31 in (0, 12) then raise 'no'; end if; return null;
    end $$;
    create trigger fail before insert or update or delete on call_uncounted execute function fail();
    create trigger fail after insert or update or delete on call_minute_row execute function fail();
    create trigger fail after insert or update or delete on message_row execute function fail()";

/// No more.
const SUCCEED: &str = "\
    drop trigger fail on call_uncounted; drop trigger fail on call_minute_row; drop trigger fail on message_row";

/// The begin of the day before yesterday.
fn begin() -> u64 {
    (today() - 2) * DAY
}

/// A span of few traces, ids and services, in few minutes: it calls, is called, or takes messages.
fn any_span(random: &mut Random) -> Span {
    let (trace, id, parent) = (1 + random.below(6), 1 + random.below(5), random.below(6));
    let start = begin() + random.one_of(&HOURS) * HOUR + random.below(3) * 20 * MINUTE + random.below(MINUTE);
    let span = Span {
        parent_span_id: (parent > 0).then(|| span_id(parent)),
        kind: *random.one_of(&[SpanKind::INTERNAL, SpanKind::SERVER]),
        resource: service(["a", "b", "c"][random.index(3)]),
        start: UnixNanos(start),
        end: UnixNanos(start),
        ..span(trace, id, 0)
    };
    let span = if random.below(4) == 0 { failed(span) } else { span };
    match random.below(3) {
        0 => takes(span, &[(1 + random.below(6), 1 + random.below(5)), (1 + random.below(6), 1 + random.below(5))]),
        _ => span,
    }
}

/// PostgreSQL beside the memory store, which counts when it is asked.
struct Pair {
    store: Arc<dyn SpanStore>,
    oracle: Arc<dyn SpanStore>,
    connection: PgConnection,
}

impl Pair {
    async fn of(database: &TestDatabase) -> Self {
        let oracle: Arc<dyn SpanStore> = Arc::<MemoryStore>::default();
        Self { store: database.open().await, oracle, connection: database.connect().await }
    }

    async fn write(&self, spans: &[Span]) {
        for store in [&self.store, &self.oracle] {
            store.write(&[batch(spans)]).await.unwrap();
        }
    }

    /// What was told before this day goes, of either.
    async fn retain(&self, days: u32) {
        let settings = RetentionSettings { age_days_max: Some(days), arrival_age_days_max: None, bytes_max: None };
        for store in [&self.store, &self.oracle] {
            store.retain(&settings).await.unwrap();
        }
    }

    /// Says of how many hours and of all time the answer is by what was counted; whatever it is by, it is the oracle's.
    async fn compare(&self) -> usize {
        let hours = HOURS.map(|hour| (begin() + hour * HOUR, Some(UnixNanos(begin() + (hour + 1) * HOUR))));
        let mut counted = 0;
        for (start, end) in hours.into_iter().chain([(0, None)]) {
            let asked = || CallRequest::around(UnixNanos(start), end, Work::default());
            let of = |store: &Arc<dyn SpanStore>| Query::new(Arc::clone(store), QuerySettings::default());
            let expected = told(&of(&self.oracle).calls(UnixNanos(start), end).await.unwrap());
            assert_eq!(told(&of(&self.store).calls(UnixNanos(start), end).await.unwrap()), expected);
            if let Some(calls) = self.store.calls(asked()).await.unwrap() {
                assert_eq!(told(&calls), expected, "as it was counted");
                counted += 1;
            }
        }
        counted
    }

    async fn execute(&mut self, statements: &'static str) {
        self.connection.execute(sqlx::raw_sql(statements)).await.unwrap();
    }

    async fn number(&mut self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&mut self.connection).await.unwrap()
    }
}

/// Scenario: the calls of a history are not counted; counting goes by small portions and fails again and again, at any
/// statement, while a day goes and spans come late to traces of hours that are counted, of hours that are not, and of one
/// that is counted in part. Guarantee: at every moment each hour is right or is said to be not counted; at the end all are
/// counted, and right.
#[tokio::test]
async fn counting_goes_on_where_it_stopped() {
    let mut random = random();
    for _ in 0..rounds(4) {
        let database = TestDatabase::create().await;
        let mut pair = Pair::of(&database).await;
        for _ in 0..2 {
            pair.write(&std::iter::repeat_with(|| any_span(&mut random)).take(25).collect::<Vec<_>>()).await;
            pair.store.compact(&AT_ONCE).await.unwrap();
        }
        assert_eq!(pair.compare().await, HOURS.len() + 1);
        pair.execute(FORGET).await;
        pair.execute(FAIL).await;
        let retained_after = 1 + random.below(3);
        let (mut failures, mut partly) = (0, 0);
        loop {
            match pair.store.compact(&PORTIONS).await {
                Ok(_) => break,
                Err(error) => assert!(matches!(error, StoreError::Refused { .. } | StoreError::Bug(_)), "{error:?}"),
            }
            failures += 1;
            partly += pair.number("select count(*) from call_uncounted where hour <> date_trunc('hour', hour)").await;
            pair.compare().await;
            if failures == retained_after {
                pair.execute(SUCCEED).await;
                pair.retain(1).await;
                pair.execute("drop sequence statements; drop function fail").await;
                pair.execute(FAIL).await;
            } else if failures > retained_after {
                pair.write(&std::iter::repeat_with(|| any_span(&mut random)).take(3).collect::<Vec<_>>()).await;
            }
            pair.compare().await;
        }
        assert!(failures > 3 && partly > 0, "{failures} failures, {partly} between two portions of an hour");
        assert_eq!(pair.compare().await, HOURS.len() + 1);
        assert_eq!(pair.store.backlog().await.unwrap().uncounted_hours, 0);
        pair.connection.close().await.unwrap();
        pair.store.close().await;
    }
}
