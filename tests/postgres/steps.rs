//! The partitions of steps, as far as others can see them.

use super::{all, execute, open, span, write};
use crate::support::database::AT_ONCE;
use crate::support::postgres::TestDatabase;
use tracewell::store::SpanStore;

const SEEN: &str = "select count(*) from span";
const PARTITIONS: &str = "select count(*) from pg_inherits where inhparent = 'span_row'::regclass";

/// Scenario: somebody reads in one snapshot for hours, a dump say, while spans arrive and are made history. Guarantee:
/// compaction goes on, step after step, and the reader sees what it saw; the rows' space is given back when it is done.
#[tokio::test]
async fn a_long_look_does_not_hold_compaction_up() {
    let database = TestDatabase::create().await;
    let store = open(&database).await;
    write(&store, &[span(1, 1)]).await.unwrap();
    let mut reader = database.connect().await;
    execute(&mut reader, "begin isolation level repeatable read").await;
    let seen = async |reader: &mut _| sqlx::query_scalar::<_, i64>(SEEN).fetch_one(reader).await.unwrap();
    assert_eq!(seen(&mut reader).await, 1);
    for id in 2..=4 {
        assert_eq!(store.compact(&AT_ONCE).await.unwrap().spans, 1);
        write(&store, &[span(1, id)]).await.unwrap();
        assert_eq!(seen(&mut reader).await, 1);
    }
    assert_eq!(all(store.trace(span(1, 1).trace_id)).await.unwrap().len(), 4);
    execute(&mut reader, "commit").await;
    assert_eq!(seen(&mut reader).await, 4);
    assert_eq!(store.compact(&AT_ONCE).await.unwrap().spans, 1);
    store.compact(&AT_ONCE).await.unwrap();
    let partitions: i64 = sqlx::query_scalar(PARTITIONS).fetch_one(&mut reader).await.unwrap();
    assert_eq!(partitions, 2, "the open one and the next");
    store.close().await;
}
