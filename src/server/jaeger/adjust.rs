//! What Jaeger changes in a trace before it shows it, unless it is asked for the trace as it was sent.
//!
//! Here that is: a server's span that shares its client's id, as Zipkin's tracers make them, gets an id of its own, and
//! links that point to no trace go. Clocks are not adjusted: Jaeger's own limit for that is 0, off, by default; and there
//! are no exact copies to remove.

use std::collections::{HashMap, HashSet};

use crate::model::{Span, SpanId, SpanKind};

/// The spans of one trace, as they are shown.
pub(super) fn adjusted(mut spans: Vec<Span>) -> Vec<Span> {
    part_sides(&mut spans);
    for span in &mut spans {
        span.links.retain(|link| link.trace_id.is_some());
    }
    spans
}

/// Makes a server's span the child of the client's whose id it shares, and what was below both the server's.
fn part_sides(spans: &mut [Span]) {
    let of_kind = |kind| spans.iter().filter(move |span| span.kind == kind).map(|span| span.span_id);
    let clients: HashSet<SpanId> = of_kind(SpanKind::CLIENT).collect();
    if !of_kind(SpanKind::SERVER).any(|id| clients.contains(&id)) {
        return;
    }
    let mut taken: HashSet<SpanId> = spans.iter().map(|span| span.span_id).collect();
    let (mut servers, mut made) = (HashMap::new(), HashSet::new());
    for span in spans.iter_mut().filter(|span| span.kind == SpanKind::SERVER && clients.contains(&span.span_id)) {
        let shared = span.span_id;
        let own = free_after(shared, &taken);
        taken.insert(own);
        made.insert(own);
        servers.entry(shared).or_insert(own);
        (span.span_id, span.parent_span_id) = (own, Some(shared));
    }
    for span in spans.iter_mut().filter(|span| !made.contains(&span.span_id)) {
        let server = span.parent_span_id.and_then(|parent| servers.get(&parent));
        span.parent_span_id = server.copied().or(span.parent_span_id);
    }
}

/// The next id that no span has.
fn free_after(id: SpanId, taken: &HashSet<SpanId>) -> SpanId {
    let mut number = u64::from_be_bytes(*id.as_bytes());
    loop {
        number = number.wrapping_add(1);
        match SpanId::from_slice(&number.to_be_bytes()) {
            Ok(free) if !taken.contains(&free) => return free,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Link, TraceId};

    fn id(number: u64) -> SpanId {
        SpanId::from_slice(&number.to_be_bytes()).unwrap()
    }

    fn span(number: u64, parent: Option<u64>, kind: SpanKind) -> Span {
        Span { span_id: id(number), parent_span_id: parent.map(id), kind, ..Span::example("x") }
    }

    #[test]
    fn a_server_gets_an_id_of_its_own_and_its_children_follow() {
        let shared = u64::MAX;
        let spans = vec![
            span(2, None, SpanKind::INTERNAL),
            span(shared, Some(2), SpanKind::CLIENT),
            span(shared, Some(2), SpanKind::SERVER),
            span(1, Some(shared), SpanKind::INTERNAL),
        ];
        let shown: Vec<_> = adjusted(spans).iter().map(|span| (span.span_id, span.parent_span_id)).collect();
        // One after the last number is no id, and 1 and 2 are taken.
        let expected = [(id(2), None), (id(shared), Some(id(2))), (id(3), Some(id(shared))), (id(1), Some(id(3)))];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_not_shared_stays_and_links_to_nowhere_go() {
        let to = Link { trace_id: TraceId::from_slice(&[1; 16]).ok(), ..Link::default() };
        let mut spans = vec![span(1, None, SpanKind::CLIENT), span(2, Some(1), SpanKind::SERVER)];
        spans[0].links = vec![Link::default(), to.clone()];
        let shown = adjusted(spans.clone());
        spans[0].links = vec![to];
        assert_eq!(shown, spans);
    }
}
