//! Scripts: a small data set, then questions and what is answered, through the query service and on every backend. They
//! are meant to be read. The tables of `traceql/`, which say what queries mean over spans in memory, are scripts too.
//!
//! The blocks of a script are parted by empty lines:
//!
//! ```text
//! # A heading, which is passed over.
//!
//! trace
//! cart service=shop at=10s for=1s                     spans as `traceql/text.rs` reads them; the data set begins anew
//!   db service=stock at=11s
//!
//! and trace                                           one more
//! health at=20s
//!
//! time 10s to 30s step 10s                            of the metrics below
//!
//! { name = "db" }                                     SearchTraces, or QueryMetrics: as in the tables of `traceql/`
//! => db
//!
//! spans { }                                           SearchSpans: newest first
//! => health db cart
//!
//! keys of resource from service. where { … }          ListAttributeKeys: by scope; what is left out does not count
//! => resource: service.name
//!
//! values of name from c where { … }                   ListAttributeValues
//! => "cart"
//! ```

mod ask;
mod show;

use std::sync::Arc;

use tracewell::model::Span;
use tracewell::query::QuerySettings;
use tracewell::store::SpanStore;

use crate::store::batch;
use crate::support::database::{AT_ONCE, Database};
use crate::traceql::text;
use crate::wire::query::{Served, served_with};

const SCRIPTS: [(&str, &str); 6] = [
    ("traceql/spans.txt", include_str!("../traceql/spans.txt")),
    ("traceql/structure.txt", include_str!("../traceql/structure.txt")),
    ("traceql/pipelines.txt", include_str!("../traceql/pipelines.txt")),
    ("traceql/metrics.txt", include_str!("../traceql/metrics.txt")),
    ("scripts/shop.txt", include_str!("shop.txt")),
    ("scripts/names.txt", include_str!("names.txt")),
];

macro_rules! scripts_on {
    ($($backend:ident),+) => { $(
        /// Scenario: every script. Guarantee: the answers are those of the script.
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $backend() {
            let mut wrong = Vec::new();
            for (name, script) in SCRIPTS {
                for set in sets(script) {
                    let database = crate::support::database::$backend::create().await;
                    wrong.extend(set.wrong(name, &*database).await);
                }
            }
            assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
        }
    )+ };
}
scripts_on!(memory, sqlite, postgres, postgres_compacted);

/// A data set, and the questions to it.
struct Set {
    traces: Vec<Vec<Span>>,
    questions: Vec<Question>,
}

/// A question, and what is answered.
struct Question {
    text: &'static str,
    expected: &'static str,
    /// The line that says the times of metrics.
    times: Option<&'static str>,
}

fn sets(script: &'static str) -> Vec<Set> {
    let (mut sets, mut times) = (Vec::<Set>::new(), None);
    for block in script.split("\n\n").map(|block| block.trim_matches('\n')).filter(|block| !block.is_empty()) {
        let (head, rest) = block.split_once('\n').unwrap_or((block, ""));
        match head {
            "trace" => sets.push(Set { traces: vec![text::trace(1, rest)], questions: Vec::new() }),
            "and trace" => {
                let set = sets.last_mut().unwrap();
                set.traces.push(text::trace(set.traces.len() as u64 + 1, rest));
            }
            _ if head.starts_with('#') => {}
            _ if head.starts_with("time ") => times = Some(head),
            _ => {
                let (text, expected) = block.rsplit_once("\n=>").unwrap_or_else(|| panic!("no answer: {block}"));
                sets.last_mut().unwrap().questions.push(Question { text, expected: expected.trim(), times });
            }
        }
    }
    sets
}

impl Set {
    /// Asks everything; says what is answered otherwise.
    async fn wrong(&self, script: &str, database: &dyn Database) -> Vec<String> {
        let store = database.open().await;
        self.keep(&*store).await;
        let served = served_with(Arc::clone(&store), QuerySettings::default()).await;
        let mut wrong = Vec::new();
        for question in &self.questions {
            let found = question.ask(&served).await;
            if !show::agree(&found, question.expected) {
                wrong.push(format!("{script}: {}\n=> {found}\n   instead of\n=> {}", question.text, question.expected));
            }
        }
        drop(served);
        store.close().await;
        wrong
    }

    /// In two parts, which tear traces: what is made history at all, is of the first.
    async fn keep(&self, store: &dyn SpanStore) {
        let spans: Vec<Span> = self.traces.concat();
        let (first, second) = spans.split_at(spans.len() / 2);
        store.write(&[batch(first)]).await.unwrap();
        store.compact(&AT_ONCE).await.unwrap();
        store.write(&[batch(second)]).await.unwrap();
    }
}

impl Question {
    async fn ask(&self, served: &Served) -> String {
        let (verb, rest) = self.text.split_once(' ').unwrap_or((self.text, ""));
        match verb {
            "spans" => ask::spans(rest, served).await,
            "keys" => ask::keys(rest, served).await,
            "values" => ask::values(rest, served).await,
            _ => ask::query(self.text, self.times, served).await,
        }
    }
}
