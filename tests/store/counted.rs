//! The script of promise 13: what is counted, and what a scan finds.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use tracewell::model::{
    Condition, Filter, Histogram, SearchFields, Span, SpanKind, StatusCode, TextIs, UnixNanos, histogram,
};
use tracewell::store::{RolledUp, RollupDetail, RollupRequest, Scan, SpanStore, Watermark, Work};

use super::{batch, scan, scanned};
use crate::support::arbitrary;
use crate::support::database::Database;

const HOUR_NANOS: u64 = 3_600_000_000_000;

/// Spans of an hour, as a rollup tells of them.
type Counted = BTreeMap<(u64, RolledUp), (u64, u128, Histogram)>;

/// Rollups in any detail, by the minute or by the hour, of any time and with any filter, are the spans that a scan finds
/// as of the same moment, copies counted once.
pub(super) async fn p13_counted(database: &dyn Database) {
    let store = database.open().await;
    let spans = arbitrary::samples(&arbitrary::span(), 120);
    let mut marks = Vec::new();
    for spans in [&spans[..60], &spans[40..]] {
        store.write(&[batch(spans)]).await.unwrap();
        marks.push(store.watermark().await.unwrap());
    }
    let start =
        spans.iter().map(|span| span.start.0).find(|start| *start > HOUR_NANOS && *start < u64::MAX / 2).unwrap();
    let minute = start / 60_000_000_000 * 60_000_000_000;
    let times = [(0, u64::MAX), (0, minute), (minute, u64::MAX), (minute, minute + 60_000_000_000)];
    let mut answered = 0;
    for (start, end) in times {
        for as_of in marks.clone() {
            for filter in filters() {
                for (detail, by_hour) in
                    [(RollupDetail::Count, true), (RollupDetail::Sum, false), (RollupDetail::Histogram, true)]
                {
                    let (work, filter) = (Work::default(), filter.clone());
                    let (start, end) = (UnixNanos(start), UnixNanos(end));
                    let request = RollupRequest { start, end, by_hour, detail, filter, as_of, work };
                    answered += usize::from(check(&*store, &request).await);
                }
            }
        }
    }
    // A store may not know what it had counted when something arrived later; but of now it knows.
    assert!(answered >= times.len() * filters().len() * 3, "{answered}");
    store.close().await;
}

fn filters() -> Vec<Filter> {
    let service = || Filter::Is(Condition::Service(TextIs::Equal("shop".to_owned())));
    let name = Filter::Is(Condition::Name(TextIs::Equal("\0".to_owned())));
    let kind = || Filter::Is(Condition::Kind(SpanKind::SERVER));
    let status = Filter::Is(Condition::Status(StatusCode::UNSET));
    vec![Filter::Everything, service(), name, Filter::All(vec![kind(), status]), Filter::OneOf(vec![service(), kind()])]
}

/// Whether there was an answer.
async fn check(store: &dyn SpanStore, request: &RollupRequest) -> bool {
    let Some(mut rollups) = store.rollups(request.clone()).await.unwrap() else { return false };
    let mut found = Counted::new();
    while let Some(rollup) = rollups.try_next().await.unwrap() {
        assert!(request.by_hour || rollup.begin.0 % 60_000_000_000 == 0);
        assert!(rollup.begin >= request.start, "{rollup:?}");
        let of = (*rollup.of).clone();
        if holds(&request.filter, &of) {
            let counted = found.entry((rollup.begin.0 / HOUR_NANOS, of)).or_default();
            counted.0 += rollup.span_count;
            counted.1 += rollup.duration_sum_nanos;
            counted.2.merge(&rollup.histogram);
        }
    }
    let mut expected = expected(store, request).await;
    for counted in expected.values_mut() {
        if request.detail < RollupDetail::Histogram {
            counted.2 = Histogram::default();
        }
    }
    if request.detail < RollupDetail::Sum {
        for counted in expected.values_mut() {
            counted.1 = 0;
        }
    }
    assert_eq!(found, expected, "{request:?}");
    true
}

async fn expected(store: &dyn SpanStore, request: &RollupRequest) -> Counted {
    let end = Some(request.end).filter(|end| end.0 < u64::MAX);
    let fields = SearchFields { start_min: Some(request.start), start_max: end, ..SearchFields::default() };
    let as_of: Option<Watermark> = Some(request.as_of);
    let spans: Vec<Span> = scanned(store, Scan { as_of, ..scan(fields) }).await;
    let mut counted = Counted::new();
    for span in spans.iter().filter(|span| request.filter.matches(span)) {
        let of = RolledUp {
            service: span.resource.service().to_owned(),
            name: span.name.clone(),
            kind: span.kind,
            status: span.status.code,
        };
        let counted = counted.entry((span.start.0 / HOUR_NANOS, of)).or_default();
        counted.0 += 1;
        counted.1 += u128::from(span.duration_nanos());
        counted.2.add(histogram::bucket(span.duration_nanos()), 1);
    }
    counted
}

fn holds(filter: &Filter, of: &RolledUp) -> bool {
    match filter {
        Filter::Everything => true,
        Filter::All(filters) => filters.iter().all(|filter| holds(filter, of)),
        Filter::OneOf(filters) => filters.iter().any(|filter| holds(filter, of)),
        Filter::Is(Condition::Service(is)) => is.matches(&of.service),
        Filter::Is(Condition::Name(is)) => is.matches(&of.name),
        Filter::Is(Condition::Kind(kind)) => of.kind == *kind,
        Filter::Is(Condition::Status(code)) => of.status == *code,
        Filter::Is(other) => unreachable!("{other:?}"),
    }
}
