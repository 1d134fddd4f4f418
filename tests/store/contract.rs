//! One script for each promise of [`SpanStore`], by its number, the same for every backend.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures::TryStreamExt;
use proptest::collection::vec;
use tracewell::model::{
    AttributeCondition, AttributeScope, Attributes, EntityRef, Keyed, Operation, Resource, SearchFields, Span,
    SpanKind, UnixNanos, Value,
};
use tracewell::store::{Batch, RetentionSettings, Scan, SpanStore, Watermark, Written};

use super::calls::p16_called;
use super::counted::p13_counted;
use super::fixtures::{CHANGES, everywhere, extremes, single_conditions};
use super::purge::{p15_purged, p15_purged_under_writes};
use super::retention::{DAY, assert_same_as_new, days, today};
use super::{ascending, batch, descending, scan, scanned, trace};
use crate::support::database::{AT_ONCE, Database};
use crate::support::{arbitrary, service, span, trace_id};

/// All promises for the backends whose databases `support::database::<name>::create` makes.
macro_rules! promises_of {
    ($($backend:ident),+) => { $(mod $backend {
        promises_of!(in $backend: p1_durable, p2_whole_for_readers, p2_whole_when_cancelled, p3_visible, p4_exact,
            p5_once, p6_ordered, p7_complete, p7_complete_when_rare, p8_steady, p8_steady_under_writes, p8_steady_with_copies, p9_safe, p10_recognised,
            p10_recognised_at_the_same_moment, p12_let_go, p12_let_go_and_come_back, p13_counted, p15_purged,
            p15_purged_under_writes, p16_called);
    })+ };
    (in $backend:ident: $($promise:ident),+) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            super::$promise(&*crate::support::database::$backend::create().await).await;
        }
    )+ };
}
promises_of!(memory, sqlite, postgres, postgres_compacted, postgres_sql_ascii);

/// Spans, resources and scopes of an earlier opening are all there, and a later opening adds to them, not over them.
async fn p1_durable(database: &dyn Database) {
    let spans = arbitrary::samples(&arbitrary::span(), 40);
    for (written, chunk) in spans.chunks(10).enumerate() {
        let store = database.open().await;
        assert_eq!(scanned(&*store, scan(SearchFields::default())).await, descending(&spans[..written * 10]));
        store.write(&[batch(&chunk[..5]), batch(&chunk[5..])]).await.unwrap();
        store.close().await;
    }
    let store = database.open().await;
    assert_eq!(scanned(&*store, scan(SearchFields::default())).await, descending(&spans));
    store.close().await;
}

/// A reader that never stops asking sees none of a call or all of it, over several batches and many spans.
async fn p2_whole_for_readers(database: &dyn Database) {
    let store = database.open().await;
    for round in 1..=5 {
        let spans: Vec<_> = (1..=400).map(|id| span(round, id, id)).collect();
        let writer = Arc::clone(&store);
        let write = tokio::spawn(async move { writer.write(&[batch(&spans[..150]), batch(&spans[150..])]).await });
        loop {
            let finished = write.is_finished();
            let seen = trace(&*store, trace_id(round)).await.len();
            assert!(seen == 400 || (seen == 0 && !finished), "{seen} of 400 are seen");
            if finished {
                break;
            }
        }
        write.await.unwrap().unwrap();
    }
    store.close().await;
}

/// A write that its caller gives up, at whichever step, is there as a whole or not at all, and hinders none after it.
async fn p2_whole_when_cancelled(database: &dyn Database) {
    let store = database.open().await;
    for polls in 1..=30 {
        let round = u64::try_from(polls).unwrap();
        let spans: Vec<_> = (1..=100).map(|id| span(round, id, id)).collect();
        give_up_after(polls, store.write(&[batch(&spans[..30]), batch(&spans[30..])])).await;
        store.write(&[batch(&[span(1_000, round, 1)])]).await.unwrap();
        let seen = trace(&*store, trace_id(round)).await.len();
        assert!(seen == 0 || seen == 100, "given up at poll {polls}: {seen} of 100 are seen");
        assert_eq!(trace(&*store, trace_id(1_000)).await.len(), polls);
    }
    store.close().await;
}

/// Polls a future so many times and then drops it.
async fn give_up_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(|context| {
        if polled == polls {
            return Poll::Ready(None);
        }
        polled += 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Each method's next answer has what was just written.
async fn p3_visible(database: &dyn Database) {
    let store = database.open().await;
    let mut last = store.watermark().await.unwrap();
    for round in 1..=20 {
        let name = format!("{round:02}");
        let new = Span { name: name.clone(), resource: service(&name), ..span(round, 1, round) };
        store.write(&[batch(std::slice::from_ref(&new))]).await.unwrap();
        assert_eq!(trace(&*store, new.trace_id).await, std::slice::from_ref(&new));
        let now = store.watermark().await.unwrap();
        assert!(now > last, "the watermark does not move");
        for as_of in [None, Some(now)] {
            let newest = Scan { limit: 1, as_of, ..scan(SearchFields::default()) };
            assert_eq!(scanned(&*store, newest).await, std::slice::from_ref(&new));
            assert_eq!(store.summaries(&[new.trace_id], as_of).await.unwrap().len(), 1);
        }
        assert_eq!(store.services(None, 100).await.unwrap().last(), Some(&name));
        let operation = Operation { name: name.clone(), kind: new.kind };
        assert_eq!(store.operations(&name, None, 100).await.unwrap(), [operation]);
        last = now;
    }
    store.ping().await.unwrap();
    store.close().await;
}

/// Every field at its extremes, and values of every type in every place that holds values, come back as they went in.
async fn p4_exact(database: &dyn Database) {
    let store = database.open().await;
    let mut spans = extremes();
    let values = arbitrary::samples(&arbitrary::value(), 300);
    spans.extend((1_u64..).zip(&values).map(|(id, value)| everywhere(value, span(2, id, id))));
    spans.extend(arbitrary::samples(&arbitrary::span(), 100));
    store.write(&[batch(&spans)]).await.unwrap();
    for id in spans.iter().map(|span| span.trace_id).collect::<BTreeSet<_>>() {
        let expected: Vec<_> = spans.iter().filter(|span| span.trace_id == id).cloned().collect();
        for (found, expected) in trace(&*store, id).await.iter().zip(ascending(&expected)) {
            assert_eq!(*found, expected);
        }
        assert_eq!(trace(&*store, id).await.len(), ascending(&expected).len());
    }
    let found = scanned(&*store, scan(SearchFields::default())).await;
    assert!(found == descending(&spans));
    store.close().await;
}

/// Copies, in one batch, in one call or in different ones, are shown and counted once; a span that differs from
/// another in any one field is shown beside it.
async fn p5_once(database: &dyn Database) {
    let store = database.open().await;
    let mut spans = vec![span(1, 1, 1)];
    spans.extend(CHANGES.iter().map(|change| {
        let mut other = span(1, 1, 1);
        change(&mut other);
        other
    }));
    store.write(&[batch(&[spans.clone(), spans.clone()].concat()), batch(&spans)]).await.unwrap();
    store.write(&[batch(&spans)]).await.unwrap();
    let now = store.watermark().await.unwrap();
    store.write(&[batch(&spans)]).await.unwrap();
    assert_eq!(trace(&*store, trace_id(1)).await, ascending(&spans));
    for as_of in [None, Some(now)] {
        for limit in [1, 2, spans.len() - 1, spans.len(), spans.len() + 1] {
            let found = scanned(&*store, Scan { as_of, limit, ..scan(SearchFields::default()) }).await;
            assert_eq!(found, descending(&spans)[..limit.min(spans.len())]);
        }
        let summary = store.summaries(&[trace_id(1), trace_id(1), trace_id(2)], as_of).await.unwrap();
        assert_eq!(summary.len(), 1);
        assert_eq!(summary[0].span_count, u64::try_from(spans.len()).unwrap());
        assert_eq!(summary[0].error_count, 1);
    }
    assert_eq!(store.services(None, 10).await.unwrap(), ["cart", "shop"]);
    store.close().await;
}

/// Spans by start, ids and content; services and operations by their bytes, and pages of them without gap or overlap.
async fn p6_ordered(database: &dyn Database) {
    let store = database.open().await;
    let mut names = arbitrary::TEXTS;
    names.sort_unstable();
    let kinds = [i32::MIN, -1, 0, 1, 5, i32::MAX];
    let mut spans = Vec::new();
    for (id, name) in (1_u64..).zip(names.iter().rev()) {
        spans.push(Span { resource: service(name), ..span(9 - id % 9, id, id % 3) });
        spans.extend(kinds.iter().rev().map(|kind| Span {
            kind: SpanKind(*kind),
            name: (*name).to_owned(),
            resource: service("names"),
            ..span(id, 9, id % 4 * 999)
        }));
    }
    store.write(&[batch(&spans)]).await.unwrap();
    assert!(trace(&*store, trace_id(3)).await.is_sorted_by_key(Span::key));
    assert_eq!(scanned(&*store, scan(SearchFields::default())).await, descending(&spans));

    let mut services = names.map(|name| if name.is_empty() { "unknown_service" } else { name }).to_vec();
    services.push("names");
    services.sort_unstable();
    for (index, name) in services.iter().enumerate() {
        assert_eq!(
            store.services(Some(name), 3).await.unwrap(),
            services[index + 1..].iter().take(3).copied().collect::<Vec<_>>()
        );
    }
    assert_eq!(store.services(None, 100).await.unwrap(), services);

    let operation = |name: &str, kind| Operation { name: name.to_owned(), kind: SpanKind(kind) };
    let operations: Vec<_> = names.iter().flat_map(|name| kinds.map(|kind| operation(name, kind))).collect();
    assert_eq!(store.operations("names", None, 1_000).await.unwrap(), operations);
    for (index, after) in operations.iter().enumerate() {
        let page = store.operations("names", Some(after), 4).await.unwrap();
        assert_eq!(page, operations[index + 1..].iter().take(4).cloned().collect::<Vec<_>>());
    }
    store.close().await;
}

/// For every kind of condition alone, and for random ones together: exactly what `Search::matches` says, at any limit.
async fn p7_complete(database: &dyn Database) {
    let store = database.open().await;
    let spans = arbitrary::samples(&vec(arbitrary::span(), 300), 1).concat();
    store.write(&[batch(&spans)]).await.unwrap();
    let mut searches: Vec<_> = single_conditions().into_iter().map(|fields| scan(fields).search).collect();
    searches.extend(arbitrary::samples(&arbitrary::search(), 100));
    let mut hits = 0;
    for search in searches {
        let matching: Vec<_> = spans.iter().filter(|span| search.matches(span)).cloned().collect();
        let expected = descending(&matching);
        hits += expected.len();
        for limit in [0, 1, expected.len().saturating_sub(1), expected.len() + 1, usize::MAX] {
            let page = Scan { limit, ..Scan::of(search.clone()) };
            assert!(scanned(&*store, page).await == expected[..limit.min(expected.len())], "{search:?}, limit {limit}");
        }
        for before in expected.iter().step_by(1 + expected.len() / 3) {
            let rest: Vec<_> = expected.iter().filter(|span| span.key() < before.key()).cloned().collect();
            let page = Scan { before: Some(before.key()), ..Scan::of(search.clone()) };
            assert!(scanned(&*store, page).await == rest, "{search:?}, before {before:?}");
        }
    }
    assert!(hits > 1_000, "only {hits} spans match any search: the pools do not meet");
    store.close().await;
}

/// Matches that are few and far between, copied many times, and preceded by spans that nearly match, are all found.
async fn p7_complete_when_rare(database: &dyn Database) {
    let store = database.open().await;
    let with = |key: &str, value: Value, span: Span| Span { attributes: [(key, value)].into_iter().collect(), ..span };
    let nearly = |id| match id % 3 {
        0 => with("rare", Value::from("yes"), span(1, id, id)),
        1 => with("other", Value::Map([("rare", Value::Int(7))].into_iter().collect()), span(1, id, id)),
        _ => with("note", Value::from("\"rare\":7"), span(1, id, id)),
    };
    let mut spans: Vec<_> = (1..=3_000).map(nearly).collect();
    let rare: Vec<_> = [5, 1_500, 2_999].map(|start| with("rare", Value::Int(7), span(2, start, start))).to_vec();
    for _ in 0..50 {
        spans.extend(rare.clone());
    }
    store.write(&[batch(&spans)]).await.unwrap();
    let condition = AttributeCondition { scope: AttributeScope::Any, key: "rare".to_owned(), value: Value::Int(7) };
    let search = SearchFields { attributes: vec![condition], ..SearchFields::default() };
    let expected = descending(&rare);
    for limit in 1..=4 {
        assert_eq!(scanned(&*store, Scan { limit, ..scan(search.clone()) }).await, expected[..limit.min(3)]);
    }
    let page = Scan { before: Some(expected[0].key()), ..scan(search) };
    assert_eq!(scanned(&*store, page).await, expected[1..]);
    store.close().await;
}

/// What a watermark shows stays what it is while more is written: older spans, newer ones, copies, other contents of
/// the same ids, and after the store was opened again.
async fn p8_steady(database: &dyn Database) {
    let spans = arbitrary::samples(&arbitrary::spans(60), 8);
    let store = database.open().await;
    let mut marks = Vec::new();
    for end in 0..spans.len() {
        marks.push((store.watermark().await.unwrap(), spans[..end].concat()));
        store.write(&[batch(&spans[end]), batch(&spans[end / 2])]).await.unwrap();
    }
    store.close().await;
    let store = database.open().await;
    for (mark, written) in marks {
        let page = Scan { as_of: Some(mark), ..scan(SearchFields::default()) };
        assert!(scanned(&*store, page).await == descending(&written));
        for id in arbitrary::samples(&arbitrary::trace_id(), 10) {
            let count = ascending(&written).iter().filter(|span| span.trace_id == id).count();
            let summary = store.summaries(&[id], Some(mark)).await.unwrap();
            let counted = summary.first().map_or(0, |summary| summary.span_count);
            assert_eq!(counted, u64::try_from(count).unwrap());
        }
    }
    store.close().await;
}

/// While others write: a watermark shows every span that was acknowledged before it was asked for, and none that was
/// sent after it was named, at once and for ever.
async fn p8_steady_under_writes(database: &dyn Database) {
    const WRITERS: u64 = 4;
    const WRITES: u64 = 40;
    let store = database.open().await;
    let sent = Arc::new([const { AtomicU64::new(0) }; 4]);
    let acknowledged = Arc::new([const { AtomicU64::new(0) }; 4]);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, sent, acknowledged) = (Arc::clone(&store), Arc::clone(&sent), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                let index = usize::try_from(writer).unwrap();
                for number in 1..=WRITES {
                    sent[index].store(number, Ordering::SeqCst);
                    store.write(&[batch(&[span(writer + 1, number, number)])]).await.unwrap();
                    acknowledged[index].store(number, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let mut marks = Vec::new();
    while writers.iter().any(|writer| !writer.is_finished()) {
        let before = counts(&acknowledged);
        let mark = store.watermark().await.unwrap();
        let after = counts(&sent);
        check_mark(&*store, mark, &before, &after).await;
        marks.push((mark, before, after));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for (mark, before, after) in marks {
        check_mark(&*store, mark, &before, &after).await;
    }
    store.close().await;
}

fn counts(counters: &[AtomicU64; 4]) -> Vec<u64> {
    counters.iter().map(|counter| counter.load(Ordering::SeqCst)).collect()
}

async fn check_mark(store: &dyn SpanStore, mark: Watermark, before: &[u64], after: &[u64]) {
    let page = Scan { as_of: Some(mark), ..scan(SearchFields::default()) };
    let spans: Vec<Span> = store.scan_spans(page).try_collect().await.unwrap();
    for (trace, (before, after)) in (1..).zip(before.iter().zip(after)) {
        let seen: Vec<_> = spans.iter().filter(|span| span.trace_id == trace_id(trace)).rev().collect();
        assert!((1..).zip(&seen).all(|(number, span)| span.start == UnixNanos(number)), "a gap");
        let seen = u64::try_from(seen.len()).unwrap();
        assert!((*before..=*after).contains(&seen), "{before} acknowledged before, {after} sent: {seen} seen");
    }
}

/// What had arrived by a watermark is seen as of it, though it arrived once more later, and whatever became of it since.
async fn p8_steady_with_copies(database: &dyn Database) {
    let store = database.open().await;
    let spans: Vec<_> = (1..=300).map(|id| span(id % 10 + 1, id, id)).collect();
    // The other way round, or they would be recognised.
    let copies = batch(&[descending(&spans), vec![span(11, 1, 1)]].concat());
    store.write(&[batch(&spans)]).await.unwrap();
    let mark = store.watermark().await.unwrap();
    store.write(&[copies]).await.unwrap();
    for _ in 0..2 {
        let page = Scan { as_of: Some(mark), ..scan(SearchFields::default()) };
        assert!(scanned(&*store, page).await == descending(&spans));
        let ids: Vec<_> = (1..=10).map(trace_id).collect();
        let summaries = store.summaries(&ids, Some(mark)).await.unwrap();
        assert_eq!(summaries.iter().map(|summary| summary.span_count).sum::<u64>(), 300);
        store.compact(&AT_ONCE).await.unwrap();
    }
    store.close().await;
}

/// Texts that look like SQL, JSON or patterns mean only themselves, in every field and in every question.
async fn p9_safe(database: &dyn Database) {
    let store = database.open().await;
    store.write(&[]).await.unwrap();
    store.write(&[Batch::default(), Batch::default()]).await.unwrap();
    let nasty = |text: &str| {
        let attributes = [(text, Value::from(text)), ("service.name", Value::from(text)), ("host.name", text.into())];
        let attributes: Attributes = attributes.into_iter().collect();
        let entity_refs = vec![EntityRef { id_keys: vec![text.to_owned()], ..EntityRef::default() }];
        let schema_url = text.to_owned();
        let resource =
            Resource { attributes: attributes.clone(), entity_refs, schema_url, dropped_attributes_count: 0 };
        Span { name: text.to_owned(), attributes, resource: Arc::new(Keyed::new(resource)), ..span(1, 1, 1) }
    };
    let spans: Vec<_> = arbitrary::TEXTS.iter().map(|text| nasty(text)).collect();
    store.write(&[batch(&spans)]).await.unwrap();
    assert_eq!(trace(&*store, trace_id(1)).await, ascending(&spans));
    for text in arbitrary::TEXTS {
        let owned = text.to_owned();
        let operation = Operation { name: owned.clone(), kind: SpanKind::SERVER };
        let service = if text.is_empty() { "unknown_service" } else { text };
        assert_eq!(store.operations(service, Some(&operation), 10).await.unwrap(), []);
        assert_eq!(store.operations(service, None, 10).await.unwrap(), [operation], "{text:?}");
        let in_order = store.services(Some(text), 1).await.unwrap();
        assert!(in_order.iter().all(|next| next.as_str() > text), "{text:?}");
        if text.is_empty() || text.contains('\0') {
            continue;
        }
        for fields in [
            SearchFields { service: Some(owned.clone()), ..SearchFields::default() },
            SearchFields { node: Some(owned.clone()), ..SearchFields::default() },
            SearchFields { span_name: Some(owned.clone()), ..SearchFields::default() },
            SearchFields {
                attributes: vec![AttributeCondition {
                    scope: AttributeScope::Span,
                    key: owned.clone(),
                    value: Value::String(owned.clone()),
                }],
                ..SearchFields::default()
            },
        ] {
            assert_eq!(scanned(&*store, scan(fields)).await, [nasty(text)], "{text:?}");
        }
    }
    store.close().await;
}

/// A batch that comes again is recognised: in one call, in another, after a restart, in another order of its spans,
/// until its receipt is forgotten. One that differs in a single span, or has one more, is stored.
async fn p10_recognised(database: &dyn Database) {
    use Written::{Recognised, Stored};
    let spans = ascending(&arbitrary::samples(&arbitrary::span(), 12));
    let (first, second) = (batch(&spans[..6]), batch(&spans[6..]));
    let turned = batch(&descending(&spans[..6]));
    let larger = batch(&spans[..7]);
    let store = database.open().await;
    let written = store.write(&[first.clone(), second.clone(), turned.clone()]).await.unwrap();
    assert_eq!(written, [Stored, Stored, Recognised]);
    assert_eq!(store.write(&[larger.clone(), turned.clone()]).await.unwrap(), [Stored, Recognised]);
    store.close().await;
    let store = database.open().await;
    assert_eq!(store.write(&[second, larger, first.clone()]).await.unwrap(), [Recognised; 3]);
    assert_eq!(store.forget_receipts(Duration::from_hours(1)).await.unwrap(), 0);
    assert_eq!(store.write(std::slice::from_ref(&first)).await.unwrap(), [Recognised]);
    assert_eq!(store.forget_receipts(Duration::ZERO).await.unwrap(), 3);
    assert_eq!(store.write(&[first]).await.unwrap(), [Stored]);
    assert_eq!(scanned(&*store, scan(SearchFields::default())).await, descending(&spans));
    store.close().await;
}

/// Of equal batches that are written at the same moment, among others and in any order, one is stored.
async fn p10_recognised_at_the_same_moment(database: &dyn Database) {
    let store = database.open().await;
    for round in 0..20 {
        let batches: Vec<_> =
            (1..=4).map(|trace| batch(&[span(trace, round + 1, 5), span(trace, round + 1, 6)])).collect();
        let turned: Vec<_> = batches.iter().rev().cloned().collect();
        let write = |batches: Vec<Batch>| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.write(&batches).await.unwrap() })
        };
        let (here, there) = (write(batches), write(turned));
        let (here, there) = (here.await.unwrap(), there.await.unwrap());
        for (here, there) in here.iter().zip(there.iter().rev()) {
            assert_ne!(here, there, "one of the two is stored, the other is recognised");
        }
    }
    store.close().await;
}

/// Of spans of many days, with traces that go over several of them: what is left is as if nothing else had ever come, in
/// every answer, cut by cut; and so it is when there is nothing to remove.
async fn p12_let_go(database: &dyn Database) {
    let store = database.open().await;
    let spans = days();
    store.write(&[batch(&spans[..15]), batch(&spans[15..])]).await.unwrap();
    store.compact(&AT_ONCE).await.unwrap();
    let mut left = spans.clone();
    for age_days_max in [None, Some(30_000), Some(30), Some(5), Some(3), Some(3), Some(1), Some(0)] {
        let before = left.len();
        let first = age_days_max.map_or(0, |days| today().saturating_sub(u64::from(days)));
        left.retain(|span| age_days_max.is_none() || (first..=today() + 2).contains(&(span.start.0 / DAY)));
        let settings = RetentionSettings { age_days_max, arrival_age_days_max: None, bytes_max: None };
        let done = store.retain(&settings).await.unwrap();
        assert_eq!(done.spans_by_age, u64::try_from(before - left.len()).unwrap(), "{age_days_max:?}");
        assert!(!done.is_elsewhere && !done.is_held_up && !done.is_too_large && done.spans_by_size == 0);
        assert_same_as_new(&*store, &left).await;
    }
    assert!(!left.is_empty() && left.len() < 15);
    store.close().await;
}

/// What was removed is written again, by the store that wrote it before and by one that is opened anew; and of spans that
/// just arrived none goes by an arrival of days ago.
async fn p12_let_go_and_come_back(database: &dyn Database) {
    let store = database.open().await;
    let spans = days();
    for round in 0..3 {
        store.write(&[batch(&spans)]).await.unwrap();
        store.forget_receipts(Duration::ZERO).await.unwrap();
        assert_same_as_new(&*store, &spans).await;
        store.compact(&AT_ONCE).await.unwrap();
        let of_arrival = RetentionSettings { age_days_max: Some(0), arrival_age_days_max: Some(0), bytes_max: None };
        let done = store.retain(&of_arrival).await.unwrap();
        // Where whole days go as they are, arrival counts only for spans that never had one of the next days.
        assert!(done.spans_by_age < 20, "{done:?}");
        let odd =
            scanned(&*store, scan(SearchFields { start_max: Some(UnixNanos(DAY)), ..SearchFields::default() })).await;
        assert_eq!(odd.len(), 3);
        let all = RetentionSettings { arrival_age_days_max: None, ..of_arrival };
        store.retain(&all).await.unwrap();
        let left: Vec<_> =
            spans.iter().filter(|span| (today()..=today() + 2).contains(&(span.start.0 / DAY))).cloned().collect();
        assert_same_as_new(&*store, &left).await;
        if round == 1 {
            store.write(&[batch(&spans)]).await.unwrap();
            store.forget_receipts(Duration::ZERO).await.unwrap();
        }
    }
    store.close().await;
    let store = database.open().await;
    store.write(&[batch(&spans)]).await.unwrap();
    assert_same_as_new(&*store, &spans).await;
    store.close().await;
}
