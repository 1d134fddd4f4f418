//! The same question asked through every door gives the same traces: `asked.rs` has a function for each door, `told.rs` what
//! their answers have in common. The questions are those that every door can be asked, over spans that every door can say:
//! Zipkin knows lower case, texts and one span for an id, and Jaeger's JSON microseconds. What the doors can do beyond that
//! is compared two by two, in `tempo/same.rs` and `jaeger/same.rs`.
//!
//! Where doors mean different things by the same words, the oracle below says so: Zipkin's conditions need not hold on one
//! span; Jaeger's older API has no search without a service; ends of times are left out by some and belong to others, so that
//! each is asked up to the last moment before (`asked.rs`).

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestCaseResult;
use tracewell::model::{Keyed, Resource, Span, SpanKind, TraceId, UnixNanos, Value};
use tracewell::store::{Batch, SpanStore};

use crate::support::database::{AT_ONCE, Database};
use crate::support::property::{self, on_databases};
use crate::support::span;
use asked::Doors;
use told::{Line, Told, Trace};

mod asked;
mod told;

const MILLI: u64 = 1_000_000;

/// The second in which the first spans begin.
const BEGIN: u64 = 1_790_000_000;
/// Spans begin in so many seconds.
const SECONDS: u64 = 6;
/// Few, so that spans share them.
const TRACES: usize = 6;

const SERVICES: [&str; 3] = ["cart", "shop", "stock"];
const NAMES: [&str; 3] = ["get", "load", "put"];
const KEYS: [&str; 2] = ["color", "size"];
const VALUES: [&str; 3] = ["blue", "green", "red"];

on_databases!(check; sqlite: 24, postgres: 12, postgres_compacted: 10);

fn check(cases: u32, run: impl Fn(Case) -> TestCaseResult) {
    property::check(property::config(cases, 60), &cases_of(), run);
}

/// Spans in the order in which they arrive, and what is asked.
#[derive(Debug, Clone)]
struct Case {
    spans: Vec<Span>,
    /// Those after this one come late.
    late: Index,
    /// Those that come a second time, with the late ones.
    copies: Vec<Index>,
    /// Whether what came in time is history when the others come, where that is another way to keep it.
    is_history: bool,
    /// Several, since a server and its database cost more than a question.
    questions: Vec<Question>,
}

/// Whether a span is what is looked for.
type Condition<'q> = Box<dyn Fn(&Span) -> bool + 'q>;

/// What is asked; each condition may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    service: Option<&'static str>,
    name: Option<&'static str>,
    duration_min_millis: Option<u64>,
    attribute: Option<(&'static str, &'static str)>,
    /// A span of the found begins in this second or later, and before that one.
    start: u64,
    end: u64,
    traces_max: usize,
}

fn cases_of() -> impl Strategy<Value = Case> {
    let questions = vec(question(), 4..16);
    (vec(any_span(), 1..24), any::<Index>(), vec(any::<Index>(), 0..6), any::<bool>(), questions).prop_map(
        |(mut spans, late, copies, is_history, questions)| {
            // One span for an id.
            for (id, span) in (1_u64..).zip(&mut spans) {
                span.span_id = crate::support::span_id(id);
            }
            Case { spans, late, copies, is_history, questions }
        },
    )
}

fn any_span() -> impl Strategy<Value = Span> {
    let kinds = [SpanKind::INTERNAL, SpanKind::SERVER, SpanKind::CLIENT, SpanKind::PRODUCER, SpanKind::CONSUMER];
    let attribute = || option::of((select(KEYS.as_slice()), select(VALUES.as_slice())));
    let place = (0..TRACES, option::of(1..24_u64), 0..SECONDS * 1_000, select(vec![1, 2, 5, 1_500]));
    let said = (select(SERVICES.as_slice()), select(NAMES.as_slice()), select(kinds.to_vec()));
    (place, said, attribute(), attribute()).prop_map(
        |((trace, parent, start, duration), (service, name, kind), own, of_resource)| {
            let start = (BEGIN * 1_000 + start) * MILLI;
            let own = own.map(|(key, value)| (key, Value::from(value)));
            // Of the two places, the span's own says more: they do not have the same key here.
            let of_resource = of_resource.filter(|(key, _)| own.as_ref().is_none_or(|(own, _)| own != key));
            let named = [("service.name", Value::from(service))].into_iter();
            let attributes = named.chain(of_resource.map(|(key, value)| (key, Value::from(value)))).collect();
            Span {
                trace_id: trace_ids()[trace],
                parent_span_id: parent.map(crate::support::span_id),
                name: name.to_owned(),
                kind,
                end: UnixNanos(start + duration * MILLI),
                attributes: own.into_iter().collect(),
                resource: Arc::new(Keyed::new(Resource { attributes, ..Resource::default() })),
                ..span(1, 1, start)
            }
        },
    )
}

/// Half of them have 64 bits, as those of older tracers.
fn trace_ids() -> [TraceId; TRACES] {
    std::array::from_fn(|at| {
        let low = 0xabc0_u128 + u128::try_from(at).unwrap();
        let high = if at % 2 == 0 { 0 } else { 0x1234 << 64 };
        TraceId::from_slice(&(high + low).to_be_bytes()).unwrap()
    })
}

fn question() -> impl Strategy<Value = Question> {
    let attribute = (select(KEYS.as_slice()), select(VALUES.as_slice()));
    let time = (0..SECONDS, 1..=SECONDS).prop_map(|(start, long)| (BEGIN + start, BEGIN + start + long));
    let time = prop_oneof![1 => time, 2 => Just((BEGIN - 100, BEGIN + 100))];
    let conditions = (
        option::weighted(0.6, select(SERVICES.as_slice())),
        option::weighted(0.3, select(NAMES.as_slice())),
        option::weighted(0.4, select(vec![1, 2, 3, 1_500])),
        option::weighted(0.3, attribute),
    );
    (conditions, time, select(vec![1, 2, 3, 100])).prop_map(
        |((service, name, duration_min_millis, attribute), (start, end), traces_max)| Question {
            service,
            name,
            duration_min_millis,
            attribute,
            start,
            end,
            traces_max,
        },
    )
}

impl Question {
    /// Each condition but those on service and time.
    fn conditions(&self) -> Vec<Condition<'_>> {
        let mut conditions: Vec<Condition<'_>> = Vec::new();
        if let Some(name) = self.name {
            conditions.push(Box::new(move |span| span.name == name));
        }
        if let Some(millis) = self.duration_min_millis {
            conditions.push(Box::new(move |span| span.duration_nanos() >= millis * MILLI));
        }
        if let Some((key, value)) = self.attribute {
            let is = move |found: Option<&Value>| found == Some(&Value::from(value));
            conditions
                .push(Box::new(move |span| is(span.attributes.get(key)) || is(span.resource.attributes.get(key))));
        }
        conditions
    }

    fn is_of_service(&self, span: &Span) -> bool {
        self.service.is_none_or(|service| span.resource.service() == service)
    }

    fn is_in_time(&self, span: &Span) -> bool {
        (self.start * 1_000 * MILLI..self.end * 1_000 * MILLI).contains(&span.start.0)
    }

    /// The traces with a span on which all conditions hold, newest first.
    fn expected(&self, spans: &[Span]) -> Vec<TraceId> {
        let conditions = self.conditions();
        let is_found = |span: &&Span| self.is_of_service(span) && conditions.iter().all(|holds| holds(span));
        self.newest(spans, spans.iter().filter(is_found))
    }

    /// The same as Zipkin means it: of the service, each condition holds on some span of the trace, whichever.
    fn expected_by_zipkin(&self, spans: &[Span]) -> Vec<TraceId> {
        let conditions = self.conditions();
        let of_service = || spans.iter().filter(|span| self.is_of_service(span));
        if conditions.is_empty() {
            return self.newest(spans, of_service());
        }
        let of_trace = |span: &Span, holds: &dyn Fn(&Span) -> bool| {
            of_service().any(|other| other.trace_id == span.trace_id && holds(other))
        };
        let is_found = |span: &&Span| {
            conditions.iter().any(|holds| holds(span)) && conditions.iter().all(|holds| of_trace(span, holds))
        };
        self.newest(spans, of_service().filter(is_found))
    }

    /// The traces of those that are found in time. A trace is as new as its first span.
    fn newest<'s>(&self, spans: &[Span], found: impl Iterator<Item = &'s Span>) -> Vec<TraceId> {
        let found: BTreeSet<TraceId> = found.filter(|span| self.is_in_time(span)).map(|span| span.trace_id).collect();
        let begin = |id: &TraceId| spans.iter().filter(|span| span.trace_id == *id).map(|span| span.start).min();
        let mut ids: Vec<TraceId> = found.into_iter().collect();
        ids.sort_by_key(|id| std::cmp::Reverse((begin(id), *id)));
        ids.truncate(self.traces_max);
        ids
    }
}

impl Case {
    async fn run(&self, database: &dyn Database) -> TestCaseResult {
        let store = database.open().await;
        self.write(&*store).await;
        let doors = Doors::before(Arc::clone(&store)).await;
        for question in &self.questions {
            let expected = question.expected(&self.spans);
            for (door, found) in doors.search(question).await {
                self.compare(door, question, &expected, &found)?;
            }
            let expected = question.expected_by_zipkin(&self.spans);
            self.compare("Zipkin", question, &expected, &doors.search_zipkin(question).await)?;
        }
        for id in trace_ids() {
            for (door, found) in doors.trace(id).await {
                prop_assert_eq!(&found, &self.lines(id), "{} of {}", door, id);
            }
        }
        drop(doors);
        store.close().await;
        Ok(())
    }

    async fn write(&self, store: &dyn SpanStore) {
        let (early, late) = self.spans.split_at(self.late.index(self.spans.len()));
        store.write(&[Batch::new(early.to_vec())]).await.unwrap();
        if self.is_history {
            store.compact(&AT_ONCE).await.unwrap();
        }
        let copies = self.copies.iter().map(|copy| copy.get(&self.spans).clone());
        store.write(&[Batch::new(late.iter().cloned().chain(copies).collect())]).await.unwrap();
    }

    /// The spans of a trace as every door can tell them.
    fn lines(&self, id: TraceId) -> Vec<Line> {
        let mut lines: Vec<Line> = self.spans.iter().filter(|span| span.trace_id == id).map(Line::of).collect();
        lines.sort();
        lines
    }

    fn compare(&self, door: &str, question: &Question, expected: &[TraceId], found: &[Trace]) -> TestCaseResult {
        let ids: Vec<&str> = found.iter().map(|trace| trace.id.as_str()).collect();
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        prop_assert_eq!(&ids, &expected, "{}: {:?}", door, question);
        for (trace, id) in found.iter().zip(&expected) {
            let lines = self.lines(TraceId::parse_hex(id).unwrap());
            match &trace.told {
                Told::Nothing => {}
                Told::Count(count) => prop_assert_eq!(*count, lines.len(), "{} of {}: {:?}", door, id, question),
                Told::Spans(spans) => prop_assert_eq!(spans, &lines, "{} of {}: {:?}", door, id, question),
            }
        }
        Ok(())
    }
}
