//! One trace: a walk from a root through the [`table`](super::table), which makes exactly as many spans as it is told.
//!
//! An operation shares its spans among its steps by what they usually make. When there are few, calls are cut short;
//! when there are many, steps are taken again and again, as by a program that asks for every item of a list alone.
//! What is inside a span ends before it does. Only consumers are later: nobody waits for them.

use super::attributes::{self, Message, Pairs, Peer, Visitor};
use super::chance::{Chance, whole};
use super::fleet::{Fleet, Instance, Library};
use super::ids::Ids;
use super::queries::Query;
use super::services::{SERVICES, ServiceId};
use super::span::{End, Fault};
use super::table::{Entry, Operation, Step};
use crate::model::{Link, Span, SpanId, SpanKind, Status, UnixNanos};

/// How often a leaf fails, in a thousand; and how often its caller fails with it.
const FAILURES: u32 = 4;
const FAILURES_PASSED_ON: u32 = 650;
/// How often an HTTP call finds nothing, in a thousand.
const NOT_FOUND: u32 = 6;

/// A large trace makes more calls rather than larger ones: a call makes at most so many times what it usually does.
const SCALE_MAX: f64 = 1.5;

/// Time on the network in each direction, the median.
const NETWORK_MICROS: f64 = 180.0;
/// How long a message waits in the broker, the median.
const BROKER_MICROS: f64 = 25_000.0;

/// Bits of a span's flags.
const SAMPLED: u32 = 0x001;
const REMOTE_KNOWN: u32 = 0x100;
const REMOTE: u32 = 0x200;

/// A trace in the making.
pub(super) struct Walk<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) ids: Ids,
    pub(super) chance: Chance,
    pub(super) visitor: Visitor,
    pub(super) trace_state: String,
    pub(super) spans: Vec<Span>,
}

/// Where code runs, and in which span.
#[derive(Clone, Copy)]
struct Here<'a> {
    service: ServiceId,
    instance: &'a Instance,
    span_id: Option<SpanId>,
}

/// What came of a step.
#[derive(Clone, Copy)]
struct Done {
    spans: u32,
    end: u64,
    failed: bool,
}

/// How a span begins.
struct Begin<'a> {
    here: Here<'a>,
    library: Library,
    name: String,
    kind: SpanKind,
    start: u64,
}

impl<'a> Walk<'a> {
    /// The whole trace: `budget` spans, at least one.
    pub(super) fn root(&mut self, operation: &Operation, start: UnixNanos, budget: u32, links: Vec<Link>) {
        let instance = self.fleet.instance(operation.service, &mut self.chance);
        let here = Here { service: operation.service, instance, span_id: None };
        match operation.entry {
            Entry::Message { destination, .. } => {
                let message = self.message(destination);
                self.consume(operation, here, start.0, budget, &message);
            }
            _ => {
                self.serve(operation, here, start.0, budget);
            }
        }
        if let Some(root) = self.spans.first_mut() {
            root.links.extend(links);
        }
    }

    /// A SERVER span of this operation and all that it calls; `here` is where it runs, in its caller's span.
    fn serve(&mut self, operation: &Operation, here: Here<'a>, start: u64, budget: u32) -> Done {
        let (library, name) = match operation.entry {
            Entry::Http { method, route } => (Library::Http, format!("{method} {route}")),
            Entry::Rpc { service, method } => (Library::Rpc, format!("{service}/{method}")),
            Entry::Message { destination, .. } => (Library::Messaging, format!("process {destination}")),
        };
        let index = self.begin(Begin { here, library, name, kind: SpanKind::SERVER, start });
        let within = Here { span_id: self.spans.get(index).map(|span| span.span_id), ..here };
        let done = self.steps(operation, within, start, budget.saturating_sub(1));
        let service = SERVICES[here.service as usize].name;
        let pairs = match operation.entry {
            Entry::Http { method, route } => {
                let status = if done.failed { 500 } else { 200 };
                attributes::http_server(&self.visitor, (method, route), status, service, &mut self.chance)
            }
            Entry::Rpc { service: name, method } => {
                let peer = Peer { name: service, address: &here.instance.address, port: 8_443 };
                attributes::rpc((name, method), if done.failed { 13 } else { 0 }, peer, &mut self.chance)
            }
            Entry::Message { .. } => Pairs::new(),
        };
        self.end(index, done.end, pairs, done.failed.then_some(Fault::Passed));
        Done { spans: budget, ..done }
    }

    /// A CONSUMER span of this operation and all that it calls.
    fn consume(&mut self, operation: &Operation, here: Here<'a>, start: u64, budget: u32, message: &Message) -> Done {
        let Entry::Message { destination, group } = operation.entry else {
            return self.serve(operation, here, start, budget);
        };
        let name = format!("process {destination}");
        let index = self.begin(Begin { here, library: Library::Messaging, name, kind: SpanKind::CONSUMER, start });
        let within = Here { span_id: self.spans.get(index).map(|span| span.span_id), ..here };
        let done = self.steps(operation, within, start, budget.saturating_sub(1));
        let pairs = attributes::message(message, ("process", "process"), SERVICES[here.service as usize].name);
        let pairs = pairs.text("messaging.consumer.group.name", group);
        self.end(index, done.end, pairs, done.failed.then_some(Fault::Passed));
        Done { spans: budget, ..done }
    }

    /// Takes steps until `left` spans are made.
    fn steps(&mut self, operation: &Operation, here: Here<'a>, start: u64, mut left: u32) -> Done {
        let scale = f64::from(left.saturating_add(1)) / f64::from(operation.spans_usual);
        let gap = operation.work_micros / 4.0;
        let mut cursor = self.after(start, gap);
        let mut failed = false;
        while left > 0 {
            let (before, mut latest) = (left, cursor);
            for (often, step) in operation.steps {
                if left == 0 || !self.chance.hits(*often) {
                    continue;
                }
                let Some(done) = self.step(step, here, cursor, left, scale) else { continue };
                left = left.saturating_sub(done.spans);
                failed |= done.failed && self.chance.hits(FAILURES_PASSED_ON);
                latest = latest.max(done.end);
                cursor = self.after(if operation.parallel { cursor } else { latest }, gap / 4.0);
            }
            if left == before {
                let done = self.inside(operation.inside, here, cursor);
                left = left.saturating_sub(done.spans);
                latest = latest.max(done.end);
            }
            cursor = cursor.max(latest);
        }
        Done { spans: 0, end: self.after(cursor, gap), failed }
    }

    /// One step; `None` when it needs more spans than are left.
    fn step(&mut self, step: &Step, here: Here<'a>, start: u64, left: u32, scale: f64) -> Option<Done> {
        match step {
            Step::Call(callee) => {
                let budget = self.share(callee, left.checked_sub(1)?, scale)?;
                Some(self.call(callee, here, start, budget))
            }
            Step::Publish(consumer) => {
                let budget = self.share(consumer, left.checked_sub(1)?, scale);
                Some(self.publish(consumer, here, start, budget))
            }
            Step::Query(query) => Some(self.query(query, here, start)),
            Step::Cache { command, key } => Some(self.cache(command, key, here, start)),
            Step::Outside { method, host, path } => Some(self.outside((method, path), host, here, start)),
            Step::Inside(function) => Some(self.inside(function, here, start)),
        }
    }

    /// How many of the spans left a callee makes; `None` when there is none for it.
    fn share(&mut self, callee: &Operation, left: u32, scale: f64) -> Option<u32> {
        let usual = f64::from(callee.spans_usual) * scale.min(SCALE_MAX) * (0.5 + self.chance.unit());
        let share = u32::try_from(whole(usual)).unwrap_or(u32::MAX).max(1);
        (left > 0).then(|| share.min(left))
    }

    fn call(&mut self, callee: &Operation, here: Here<'a>, start: u64, budget: u32) -> Done {
        let (library, name) = match callee.entry {
            Entry::Rpc { service, method } => (Library::Rpc, format!("{service}/{method}")),
            Entry::Http { method, .. } => (Library::Http, method.to_owned()),
            Entry::Message { destination, .. } => (Library::Messaging, destination.to_owned()),
        };
        let index = self.begin(Begin { here, library, name, kind: SpanKind::CLIENT, start });
        let instance = self.fleet.instance(callee.service, &mut self.chance);
        let there = Here { service: callee.service, instance, span_id: self.spans.get(index).map(|span| span.span_id) };
        let arrival = self.after(start, NETWORK_MICROS);
        let served = self.serve(callee, there, arrival, budget);
        let end = self.after(served.end, NETWORK_MICROS);
        let name = SERVICES[callee.service as usize].name;
        let peer = Peer { name, address: &instance.address, port: 8_443 };
        let (pairs, fault) = self.answer(callee, peer, served.failed);
        let failed = fault.is_some();
        self.end(index, end, pairs, fault);
        Done { spans: budget.saturating_add(1), end, failed }
    }

    /// What the caller sees of the answer. An HTTP status of 400 or more is an error for the caller; for the callee,
    /// only one of 500 or more is.
    fn answer(&mut self, callee: &Operation, peer: Peer<'_>, failed: bool) -> (Pairs, Option<Fault>) {
        let fault = failed.then_some(Fault::Passed);
        match callee.entry {
            Entry::Http { method, route } => {
                let status = if failed { 500 } else { 200 };
                let request = (method, route);
                (attributes::http_client(&self.visitor, request, status, peer, &mut self.chance), fault)
            }
            Entry::Rpc { service, method } => {
                let code = if failed { 13 } else { 0 };
                (attributes::rpc((service, method), code, peer, &mut self.chance), fault)
            }
            Entry::Message { .. } => (Pairs::new(), fault),
        }
    }

    fn query(&mut self, query: &Query, here: Here<'a>, start: u64) -> Done {
        let service = &SERVICES[here.service as usize];
        let name = format!("{} {}.{}", query.operation, service.name, query.collection);
        let host = format!("{}-db.shop.example", service.name);
        let peer = Peer { name: &host, address: "", port: 5_432 };
        let pairs = attributes::query(service.database, service.name, query, peer, &mut self.chance);
        self.leaf(Begin { here, library: Library::Database, name, kind: SpanKind::CLIENT, start }, query.micros, pairs)
    }

    fn cache(&mut self, command: &str, key: &str, here: Here<'a>, start: u64) -> Done {
        let peer = Peer { name: "redis.shop.example", address: "10.9.0.14", port: 6_379 };
        let pairs = attributes::cache(&self.visitor, command, key, peer, &mut self.chance);
        let begin = Begin { here, library: Library::Cache, name: command.to_owned(), kind: SpanKind::CLIENT, start };
        self.leaf(begin, 320.0, pairs)
    }

    fn outside(&mut self, request: (&str, &str), host: &str, here: Here<'a>, start: u64) -> Done {
        let status = if self.chance.hits(NOT_FOUND) { 404 } else { 200 };
        let peer = Peer { name: host, address: "198.51.100.20", port: 443 };
        let pairs = attributes::http_client(&self.visitor, request, status, peer, &mut self.chance);
        let begin = Begin { here, library: Library::Http, name: request.0.to_owned(), kind: SpanKind::CLIENT, start };
        if status == 200 {
            return self.leaf(begin, 45_000.0, pairs);
        }
        let index = self.begin(begin);
        let end = self.after(start, 45_000.0);
        self.end(index, end, pairs, Some(Fault::Status(status)));
        Done { spans: 1, end, failed: false }
    }

    fn inside(&mut self, function: &str, here: Here<'a>, start: u64) -> Done {
        let pairs = attributes::inside(&self.visitor, function, &mut self.chance);
        let begin = Begin { here, library: Library::App, name: function.to_owned(), kind: SpanKind::INTERNAL, start };
        self.leaf(begin, 700.0, pairs)
    }

    /// A span with nothing inside, which fails now and then.
    fn leaf(&mut self, begin: Begin<'a>, micros: f64, pairs: Pairs) -> Done {
        let (start, service) = (begin.start, begin.here.service);
        let index = self.begin(begin);
        let end = self.after(start, micros);
        let failed = self.chance.hits(FAILURES);
        self.end(index, end, pairs, failed.then_some(Fault::Thrown(service)));
        Done { spans: 1, end, failed }
    }

    /// A PRODUCER span, and when there are spans for it, the CONSUMER that takes the message later.
    fn publish(&mut self, consumer: &Operation, here: Here<'a>, start: u64, budget: Option<u32>) -> Done {
        let Entry::Message { destination, .. } = consumer.entry else {
            return self.inside(consumer.inside, here, start);
        };
        let message = self.message(destination);
        let pairs = attributes::message(&message, ("send", "send"), SERVICES[here.service as usize].name);
        let name = format!("send {destination}");
        let begin = Begin { here, library: Library::Messaging, name, kind: SpanKind::PRODUCER, start };
        let index = self.spans.len();
        let sent = self.leaf(begin, 2_100.0, pairs);
        let (Some(budget), Some(producer)) = (budget, self.spans.get(index).map(|span| span.span_id)) else {
            return sent;
        };
        let instance = self.fleet.instance(consumer.service, &mut self.chance);
        let there = Here { service: consumer.service, instance, span_id: Some(producer) };
        let arrival = self.after(sent.end, BROKER_MICROS);
        let place = self.spans.len();
        self.consume(consumer, there, arrival, budget, &message);
        let link = self.link(producer, &message);
        if let Some(span) = self.spans.get_mut(place) {
            span.links.push(link);
        }
        Done { spans: budget.saturating_add(1), ..sent }
    }

    fn message(&mut self, destination: &'static str) -> Message {
        Message {
            destination,
            id: format!("{:016x}", self.chance.bits()),
            partition: self.chance.below(24),
            offset: self.chance.bits() >> 36,
            bytes: self.chance.below(4_000).saturating_add(120),
        }
    }

    fn link(&self, producer: SpanId, message: &Message) -> Link {
        Link {
            trace_id: Some(self.ids.trace_id),
            span_id: Some(producer),
            trace_state: self.trace_state.clone(),
            attributes: Pairs::new().text("messaging.message.id", message.id.as_str()).done(),
            dropped_attributes_count: 0,
            flags: SAMPLED | REMOTE_KNOWN | REMOTE,
        }
    }

    /// Some time later; `micros` is the median.
    pub(super) fn after(&mut self, time: u64, micros: f64) -> u64 {
        time.saturating_add(whole(self.chance.log_normal(micros * 1_000.0, 0.6)))
    }

    /// Begins a span, and says where it is in `spans`.
    fn begin(&mut self, begin: Begin<'a>) -> usize {
        let Begin { here, library, name, kind, start } = begin;
        let remote = matches!(kind, SpanKind::SERVER | SpanKind::CONSUMER) && here.span_id.is_some();
        let span = Span {
            trace_id: self.ids.trace_id,
            span_id: self.ids.next(kind),
            parent_span_id: here.span_id,
            trace_state: self.trace_state.clone(),
            flags: SAMPLED | REMOTE_KNOWN | if remote { REMOTE } else { 0 },
            name,
            kind,
            start: UnixNanos(start),
            end: UnixNanos(start),
            attributes: Pairs::new().done(),
            dropped_attributes_count: 0,
            events: Vec::new(),
            dropped_events_count: 0,
            links: Vec::new(),
            dropped_links_count: 0,
            status: Status::default(),
            resource: here.instance.resource.clone(),
            scope: self.fleet.scope(here.service, library).clone(),
        };
        let index = self.spans.len();
        self.spans.push(span);
        index
    }

    fn end(&mut self, index: usize, end: u64, pairs: Pairs, fault: Option<Fault>) {
        if let Some(span) = self.spans.get_mut(index) {
            let end = End { time: end, pairs, fault };
            end.write(span, self.fleet, &mut self.chance);
        }
    }
}
