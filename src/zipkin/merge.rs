//! Makes one span of all reports about it, as Zipkin means it when a trace is read.
//!
//! Reports about one id are one span when they are from the same side of a call (both shared, or both not) and their
//! endpoints do not contradict each other. What one does not say another may; of tags the later one counts, annotations
//! are added. Two sides of a call with one id stay two spans: the client's first, the server's with `shared`, also where
//! a tracer forgot to say so, and with the parent that only the client knew.

use std::cmp::Ordering;

use super::encode::sorted;
use super::{Endpoint, Kind, Span};

/// One span for each operation, by id, the client's side of a call first.
#[must_use]
pub fn merge(mut reports: Vec<Span>) -> Vec<Span> {
    reports.sort_by(in_order);
    let mut merged: Vec<Merging> = Vec::new();
    for report in reports {
        match merged.last_mut() {
            Some(last) if last.is_same(&report) => last.add(report),
            _ => merged.push(Merging::new(report)),
        }
    }
    let mut spans: Vec<Span> = merged.into_iter().map(Merging::finish).collect();
    // The client's side is the first of those with its id, however many servers answered.
    let mut first = None;
    for span in &mut spans {
        if let Some((_, kind, parent_id)) = first.filter(|(id, _, _)| *id == span.id) {
            let is_other_side = kind == Some(Kind::Client) && span.kind == Some(Kind::Server);
            span.shared |= is_other_side;
            span.parent_id = span.parent_id.or(parent_id);
        } else {
            first = Some((span.id, span.kind, span.parent_id));
        }
    }
    spans
}

/// By id, then the client's side, then by who reports; among equals by time, so that the order is always the same.
fn in_order(one: &Span, other: &Span) -> Ordering {
    let side = |span: &Span| (span.shared, !span.shared && span.kind != Some(Kind::Client));
    let key = |span: &Span| (span.id, side(span));
    key(one)
        .cmp(&key(other))
        .then_with(|| one.local.cmp(&other.local))
        .then_with(|| (one.timestamp, one.duration).cmp(&(other.timestamp, other.duration)))
}

/// A span, with what its reports said together of their endpoint.
struct Merging {
    span: Span,
    tracked: Endpoint,
}

impl Merging {
    fn new(span: Span) -> Self {
        let tracked = span.local.clone();
        Self { span, tracked }
    }

    fn is_same(&self, report: &Span) -> bool {
        self.span.id == report.id && self.span.shared == report.shared && agree(&self.tracked, &report.local)
    }

    fn add(&mut self, report: Span) {
        complete(&mut self.tracked, &report.local);
        let span = &mut self.span;
        span.parent_id = span.parent_id.or(report.parent_id);
        span.kind = span.kind.or(report.kind);
        if span.name.is_empty() {
            span.name = report.name;
        }
        if span.timestamp == 0 {
            span.timestamp = report.timestamp;
        }
        if span.duration == 0 {
            span.duration = report.duration;
        }
        complete(&mut span.local, &report.local);
        complete(&mut span.remote, &report.remote);
        span.annotations.extend(report.annotations);
        span.tags.extend(report.tags);
        span.debug |= report.debug;
    }

    fn finish(self) -> Span {
        Span { annotations: sorted(self.span.annotations.into_iter()), ..self.span }
    }
}

/// Whether two endpoints may be one: neither says what the other contradicts.
fn agree(one: &Endpoint, other: &Endpoint) -> bool {
    let same = |one: Option<&str>, other: Option<&str>| one.is_none() || other.is_none() || one == other;
    same(service(one), service(other))
        && (one.ipv4.is_none() || other.ipv4.is_none() || one.ipv4 == other.ipv4)
        && (one.ipv6.is_none() || other.ipv6.is_none() || one.ipv6 == other.ipv6)
        && (one.port == 0 || other.port == 0 || one.port == other.port)
}

fn service(endpoint: &Endpoint) -> Option<&str> {
    Some(endpoint.service.as_str()).filter(|service| !service.is_empty())
}

fn complete(endpoint: &mut Endpoint, by: &Endpoint) {
    if endpoint.service.is_empty() {
        endpoint.service.clone_from(&by.service);
    }
    endpoint.ipv4 = endpoint.ipv4.or(by.ipv4);
    endpoint.ipv6 = endpoint.ipv6.or(by.ipv6);
    if endpoint.port == 0 {
        endpoint.port = by.port;
    }
}
