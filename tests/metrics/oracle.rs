//! Random spans, written in parts, some of them twice, some late, made history in between or not: every query gives what
//! it means.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use tracewell::model::Span;
use tracewell::query::QuerySettings;
use tracewell::store::Batch;

use super::{Asked, asked};
use crate::support::database::{AT_ONCE, Database};
use crate::support::property::{self, on_databases};

on_databases!(check; memory: 60, sqlite: 30, postgres: 12);

fn check(cases: u32, run: impl Fn(Case) -> TestCaseResult) {
    property::check(property::config(cases, 60), &case(), run);
}

#[derive(Debug, Clone)]
struct Case {
    spans: Vec<Span>,
    /// Of how many spans each write is, and whether what is there becomes history after it.
    writes: Vec<(usize, bool)>,
    queries: Vec<Asked>,
}

fn case() -> impl Strategy<Value = Case> {
    (asked::spans(), vec((1..20_usize, any::<bool>()), 1..6), vec(asked::asked(), 24))
        .prop_map(|(spans, writes, queries)| Case { spans, writes, queries })
}

impl Case {
    async fn run(&self, database: &dyn Database) -> TestCaseResult {
        let store = database.open().await;
        let mut written = 0;
        for (count, is_compacted) in &self.writes {
            // Each write has some of the spans of the one before it.
            let spans: Vec<_> = self.spans.iter().cycle().skip(written).take(count + 2).cloned().collect();
            written += count;
            store.write(&[Batch::new(spans)]).await.unwrap();
            if *is_compacted {
                store.compact(&AT_ONCE).await.unwrap();
            }
        }
        let spans: Vec<_> = self.spans.iter().take(written + 2).cloned().collect();
        for asked in &self.queries {
            let answer = asked.answer(&store, QuerySettings::default()).await;
            let answer = answer.map_err(|error| TestCaseError::fail(format!("{error}: {asked:?}")))?;
            prop_assert!(!answer.coverage.limit_reached);
            let checked = asked.check(&answer.series, &spans);
            checked.map_err(|error| TestCaseError::fail(format!("{error} from {:?}", answer.evaluation)))?;
        }
        store.close().await;
        Ok(())
    }
}
