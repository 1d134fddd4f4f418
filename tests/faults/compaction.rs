//! Compaction is struck while spans come in: its process is killed, its backend ended, its connection cut in the middle
//! of a COPY and around a COMMIT, the disk is full, or somebody else compacts as well. The three statements hold; besides,
//! what is derived says the same as the spans; and compaction goes on as if nothing had been.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::sync::Arc;

use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::watch;
use tokio::task::{JoinHandle, block_in_place, yield_now};
use tracewell::model::{Search, Span, TraceId};
use tracewell::store::{Compaction, Scan, SpanStore, StoreError};

use super::{A_WHILE, assert_shows, open, random, rounds};
use crate::support::database::AT_ONCE;
use crate::support::load::Load;
use crate::support::postgres::TestDatabase;
use crate::support::process::{Server, command};
use crate::support::proxy::{Cut, Proxy};
use crate::support::random::Random;
use crate::support::sender::{Door, Doors, Heard, Request, Sender};

const SENDERS: u64 = 3;
/// Between two blows, so many requests at most are acknowledged.
const STORED_MAX: u64 = 15;

/// Who holds the lock of compaction.
const COMPACTING: &str = "\
    select pid from pg_locks
    where locktype = 'advisory' and granted and objsubid = 1
        and (classid::bigint << 32 | objid::bigint) = x'747261636577'::bigint
        and database = (select oid from pg_database where datname = current_database())";

/// How many spans there are by what is derived, and how many by the blocks; and the names of blocks that are wrong.
const COUNTS: [&str; 5] = [
    "select coalesce(sum(span_count), 0)::bigint from span_block",
    "select coalesce(sum(span_count), 0)::bigint from trace_row",
    "select coalesce(sum(span_count), 0)::bigint from red_minute_row",
    "select coalesce(sum(span_count), 0)::bigint from red_hour_row",
    "with named as (select trace_id, day, unnest(block_ids) as block_id from trace_row),
     held as (select t.trace_id, t.day, block_id from span_block, unnest(trace_ids, trace_days) as t (trace_id, day))
     select (select sum(span_count) from span_block)::bigint + count(*) from named full join held using (trace_id, day, block_id)
     where named.trace_id is null or held.trace_id is null",
];

/// Everything is there, once, in both tiers and then in one, and all that is derived agrees.
async fn check(url: &str, spans: &[Span]) {
    assert_shows(url, spans).await;
    let store = open(url).await;
    let done = store.compact(&AT_ONCE).await.unwrap();
    assert!(!done.is_elsewhere);
    assert_eq!(store.compact(&AT_ONCE).await.unwrap().spans, 0);
    check_summaries(&*store, spans).await;
    store.close().await;
    assert_shows(url, spans).await;
    let mut connection = PgConnection::connect(url).await.unwrap();
    for count in COUNTS {
        let found: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap();
        assert_eq!(usize::try_from(found).unwrap(), spans.len(), "{count}");
    }
    connection.close().await.unwrap();
}

async fn check_summaries(store: &dyn SpanStore, spans: &[Span]) {
    let mut counts = BTreeMap::<TraceId, u64>::new();
    for span in spans {
        *counts.entry(span.trace_id).or_default() += 1;
    }
    let ids: Vec<_> = counts.keys().copied().collect();
    let summaries = store.summaries(&ids, None).await.unwrap();
    let found: BTreeMap<_, _> = summaries.iter().map(|summary| (summary.trace_id, summary.span_count)).collect();
    assert_eq!(found, counts);
}

/// Load on a server, and what happens to compaction meanwhile.
struct Struck {
    database: TestDatabase,
    _server: Server,
    load: Load,
    random: Random,
}

impl Struck {
    async fn start() -> Self {
        let database = TestDatabase::create().await;
        let server = block_in_place(|| Server::start_with(&database.url(), &["--compaction", "off"]));
        let load = Load::start(SENDERS, Doors::of(&server));
        Self { database, _server: server, load, random: random() }
    }

    /// Waits for some requests, as many as chance says.
    async fn some_requests(&mut self) {
        let stored = self.load.progress().stored + 1 + self.random.below(STORED_MAX);
        self.load.until("the next blow", |progress| progress.stored >= stored).await;
    }

    /// Ends the load, lets compaction go on, and asserts that nothing was lost or doubled. What became of compaction.
    async fn check(self, mut compacting: Compacting) -> Outcomes {
        let spans = self.load.finish().await;
        compacting.goes_on().await;
        let outcomes = compacting.outcomes();
        compacting.end().await;
        check(&self.database.url(), &spans).await;
        outcomes
    }
}

/// Compacts again and again, whatever becomes of it.
struct Compacting {
    store: Arc<dyn SpanStore>,
    outcomes: watch::Receiver<Outcomes>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Outcomes {
    sum: Compaction,
    done: u64,
    elsewhere: u64,
    failed: u64,
}

impl Compacting {
    async fn start(url: &str) -> Self {
        let store = open(url).await;
        let (sender, outcomes) = watch::channel(Outcomes::default());
        let own = Arc::clone(&store);
        let task = tokio::spawn(async move {
            loop {
                let outcome = own.compact(&AT_ONCE).await;
                sender.send_modify(|outcomes| outcomes.add(&outcome));
                yield_now().await;
            }
        });
        Self { store, outcomes, task }
    }

    fn outcomes(&self) -> Outcomes {
        *self.outcomes.borrow()
    }

    /// Waits until one more compaction was done from its beginning to its end.
    async fn goes_on(&mut self) {
        let done = self.outcomes().done + 2;
        let waited = tokio::time::timeout(A_WHILE, self.outcomes.wait_for(|outcomes| outcomes.done >= done)).await;
        assert!(waited.is_ok_and(|waited| waited.is_ok()), "compaction does not go on: {:?}", self.outcomes());
    }

    async fn end(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()), "compaction failed for good");
        self.store.close().await;
    }
}

impl Outcomes {
    fn add(&mut self, outcome: &Result<Compaction, StoreError>) {
        match outcome {
            Ok(done) => {
                self.sum.spans += done.spans;
                self.sum.copies += done.copies;
                self.sum.steps += done.steps;
                self.sum.blocks_merged += done.blocks_merged;
                self.done += u64::from(!done.is_elsewhere);
                self.elsewhere += u64::from(done.is_elsewhere);
            }
            Err(StoreError::Busy(_)) => self.failed += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Scenario: `tracewell compact` runs again and again, and each time is killed at a moment that chance picks; then once
/// it is not. Guarantee: the three statements.
#[tokio::test(flavor = "multi_thread")]
async fn kills_of_compaction_lose_and_double_nothing() {
    let mut struck = Struck::start().await;
    let mut unfinished = 0;
    for _ in 0..rounds(15) {
        let mut child = compact(&struck.database.url());
        struck.some_requests().await;
        unfinished += u64::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(unfinished > 0, "every compaction was done before it was killed");
    let mut last = compact(&struck.database.url());
    assert!(block_in_place(|| last.wait().unwrap()).success());
    let Struck { database, load, .. } = struck;
    check(&database.url(), &load.finish().await).await;
}

fn compact(url: &str) -> Child {
    let arguments = ["compact", "--database-url", url, "--step-drop-after-seconds", "0"];
    let mut command = command(env!("CARGO_BIN_EXE_tracewell"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Scenario: PostgreSQL ends the backend that compacts, at moments that chance picks. Guarantee: the three statements,
/// and compaction goes on with the same store.
#[tokio::test(flavor = "multi_thread")]
async fn ended_backends_lose_and_double_nothing() {
    let mut struck = Struck::start().await;
    let compacting = Compacting::start(&struck.database.url()).await;
    let mut killer = struck.database.connect().await;
    let mut ended = 0;
    for _ in 0..rounds(25) {
        struck.some_requests().await;
        let terminate = format!("select pg_terminate_backend(pid) from ({COMPACTING}) compacting");
        let found: Option<bool> =
            sqlx::query_scalar(AssertSqlSafe(terminate)).fetch_optional(&mut killer).await.unwrap();
        ended += u64::from(found == Some(true));
    }
    let outcomes = struck.check(compacting).await;
    assert!(ended > 0 && outcomes.failed > 0 && outcomes.sum.steps > 0, "{ended} ended: {outcomes:?}");
}

/// Scenario: the way of the compacting process to the database is cut in the middle of a COPY of blocks, instead of a
/// COMMIT, and behind one that the server obeys. Guarantee: the three statements, and compaction goes on.
#[tokio::test(flavor = "multi_thread")]
async fn cuts_in_compaction_lose_and_double_nothing() {
    let mut struck = Struck::start().await;
    let proxy = Proxy::start(&struck.database.url()).await;
    let compacting = Compacting::start(proxy.url()).await;
    for round in 0..rounds(15) {
        struck.some_requests().await;
        proxy.arm(Cut::OF_COPIES[usize::try_from(round % 3).unwrap()]);
        proxy.cut().await;
    }
    let outcomes = struck.check(compacting).await;
    assert!(outcomes.failed >= rounds(15) / 2 && outcomes.sum.blocks_merged > 0, "{outcomes:?}");
}

/// Scenario: a caller gives compaction up, at moments that chance picks, as a server does that stops. Guarantee: the
/// three statements.
#[tokio::test(flavor = "multi_thread")]
async fn compactions_that_are_given_up_lose_and_double_nothing() {
    let mut struck = Struck::start().await;
    let store = open(&struck.database.url()).await;
    let (mut given_up, mut done) = (0, 0);
    for _ in 0..rounds(20) {
        tokio::select! {
            biased;
            compacted = store.compact(&AT_ONCE) => done += u64::from(compacted.unwrap().steps > 0),
            () = struck.some_requests() => given_up += 1,
        }
        struck.some_requests().await;
    }
    // The lock is free as soon as the server has noticed.
    super::comes("a free lock", async || {
        let compacted = store.compact(&AT_ONCE).await.unwrap();
        done += u64::from(compacted.steps > 0);
        !compacted.is_elsewhere
    })
    .await;
    assert!(done > 0, "{given_up} given up, {done} done");
    store.close().await;
    let Struck { database, load, .. } = struck;
    check(&database.url(), &load.finish().await).await;
}

/// Scenario: two processes compact the same database as often as they can. Guarantee: one of them finds that the other
/// is at it; each span is compacted once; the three statements.
#[tokio::test(flavor = "multi_thread")]
async fn two_do_not_compact_the_same() {
    let mut struck = Struck::start().await;
    let pair = [Compacting::start(&struck.database.url()).await, Compacting::start(&struck.database.url()).await];
    for _ in 0..rounds(20) {
        struck.some_requests().await;
    }
    let Struck { database, load, .. } = struck;
    let spans = load.finish().await;
    super::comes("the end of what is hot", async || hot_spans(&database).await == 0).await;
    let outcomes = pair.each_ref().map(Compacting::outcomes);
    for compacting in pair {
        compacting.end().await;
    }
    assert!(outcomes.iter().map(|outcomes| outcomes.elsewhere).sum::<u64>() > 0, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcomes| outcomes.failed == 0), "{outcomes:?}");
    check(&database.url(), &spans).await;
    let mut connection = database.connect().await;
    let blocks: i64 = sqlx::query_scalar(COUNTS[0]).fetch_one(&mut connection).await.unwrap();
    assert_eq!(usize::try_from(blocks).unwrap(), spans.len());
}

async fn hot_spans(database: &TestDatabase) -> i64 {
    let mut connection = database.connect().await;
    let query = "select count(*) from span_row, tier where step >= first_hot_step";
    let count = sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    count
}

/// Scenario: the disk is full when some of a step's blocks, traces or rollups are written, and later it is not. Guarantee:
/// compaction says that it may be tried again; the hot rows stay and are shown; with room it is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_the_hot_rows_in_place() {
    let database = TestDatabase::create().await;
    let server = block_in_place(|| Server::start_with(&database.url(), &["--compaction", "off"]));
    let (store, mut connection) = (open(&database.url()).await, database.connect().await);
    let (mut sender, mut spans) = (Sender::new(), Vec::new());
    for (number, table) in (0..).zip(["span_block", "trace_row", "red_minute_row", "red_hour_row", "tier"]) {
        for sender_number in 0..3 {
            let request = Request::numbered(sender_number, number);
            assert_eq!(sender.send(Doors::of(&server), Door::Http, &request).await, Heard::Stored);
            spans.extend(request.spans);
        }
        connection.execute(AssertSqlSafe(full_disk(table))).await.unwrap();
        let hot = hot_spans(&database).await;
        let error = store.compact(&AT_ONCE).await.unwrap_err();
        assert!(matches!(error, StoreError::Busy(_)), "{table}: {error:?}");
        assert_eq!(hot_spans(&database).await, hot);
        assert!(hot > 0);
        assert_shows(&database.url(), &spans).await;
        connection.execute("drop function no_room cascade").await.unwrap();
        let done = store.compact(&AT_ONCE).await.unwrap();
        assert_eq!((done.steps, done.spans), (1, hot.unsigned_abs()), "{table}");
        let scan = Scan::of(Search::default());
        let shown: Vec<Span> = store.scan_spans(scan).try_collect().await.unwrap();
        assert_eq!(shown.len(), spans.len());
    }
    store.close().await;
    check(&database.url(), &spans).await;
}

/// There is room for one row of the table, not for a second one; `tier` has but one.
fn full_disk(table: &str) -> String {
    let (event, rows, when) =
        if table == "tier" { ("update", 0, "new.first_hot_step > old.first_hot_step") } else { ("insert", 1, "true") };
    format!(
        "create sequence if not exists written; select setval('written', 1, false);
         create function no_room() returns trigger language plpgsql as $$ begin
             if nextval('written') > {rows} then
                 raise exception using errcode = '53100', message = 'could not extend file: No space left on device';
             end if;
             return new;
         end $$;
         create trigger full_disk before {event} on {table} for each row when ({when}) execute function no_room()"
    )
}
