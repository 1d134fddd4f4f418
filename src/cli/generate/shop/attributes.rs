//! What spans of the shop say of themselves, in the names of OpenTelemetry's semantic conventions.

use super::chance::Chance;
use super::queries::Query;
use crate::model::{Attribute, Attributes, Value};

/// Attributes being collected.
#[derive(Debug)]
pub(super) struct Pairs(Vec<Attribute>);

impl Pairs {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(12))
    }

    pub(super) fn value(mut self, key: &str, value: Value) -> Self {
        self.0.push(Attribute { key: key.to_owned(), value });
        self
    }

    pub(super) fn text(self, key: &str, text: impl Into<String>) -> Self {
        self.value(key, Value::String(text.into()))
    }

    pub(super) fn int(self, key: &str, number: impl Into<i64>) -> Self {
        self.value(key, Value::Int(number.into()))
    }

    pub(super) fn done(self) -> Attributes {
        Attributes(self.0)
    }
}

/// What all spans of a trace have in common.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) account: String,
    pub(super) session: String,
    pub(super) address: String,
    pub(super) browser: &'static str,
    pub(super) currency: &'static str,
    /// What is looked at: a product, an order.
    pub(super) subject: u32,
}

const BROWSERS: [&str; 5] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) Safari/604.1",
    "ShopApp/7.3 (Android 15; Pixel 9)",
    "curl/8.14.1",
];

impl Visitor {
    pub(super) fn new(chance: &mut Chance) -> Self {
        // The smaller one of two numbers: some products and accounts are more popular than others.
        let popular = |chance: &mut Chance, end| chance.below(end).min(chance.below(end));
        Self {
            account: format!("acc-{:06}", popular(chance, 400_000)),
            session: format!("{:016x}", chance.bits()),
            address: format!("203.0.{}.{}", 112_u32.saturating_add(chance.below(4)), chance.below(256)),
            browser: *chance.pick(&BROWSERS),
            currency: *chance.pick(&["EUR", "EUR", "USD", "SEK", "CHF"]),
            subject: popular(chance, 60_000),
        }
    }
}

/// One side of a call, as the other one sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer<'a> {
    pub(super) name: &'a str,
    pub(super) address: &'a str,
    pub(super) port: u16,
}

fn thread(pairs: Pairs, chance: &mut Chance) -> Pairs {
    let number = chance.below(64);
    pairs.int("thread.id", number).text("thread.name", format!("worker-{number}"))
}

/// A route with the subject's number in place of its parameter.
fn path(route: &str, visitor: &Visitor) -> String {
    match (route.find('{'), route.find('}')) {
        (Some(open), Some(close)) => {
            let (before, after) = (route.get(..open).unwrap_or(""), route.get(close.saturating_add(1)..).unwrap_or(""));
            format!("{before}{:05}{after}", visitor.subject)
        }
        _ => route.to_owned(),
    }
}

pub(super) fn http_server(
    visitor: &Visitor,
    (method, route): (&str, &str),
    status: u16,
    host: &str,
    chance: &mut Chance,
) -> Pairs {
    Pairs::new()
        .text("http.request.method", method)
        .text("url.scheme", "http")
        .text("url.path", path(route, visitor))
        .text("http.route", route)
        .int("http.response.status_code", status)
        .text("server.address", host)
        .text("client.address", visitor.address.as_str())
        .text("user_agent.original", visitor.browser)
        .text("session.id", visitor.session.as_str())
        .text("enduser.id", visitor.account.as_str())
        .int("http.response.body.size", chance.below(40_000))
}

pub(super) fn http_client(
    visitor: &Visitor,
    (method, route): (&str, &str),
    status: u16,
    peer: Peer<'_>,
    chance: &mut Chance,
) -> Pairs {
    let pairs = Pairs::new()
        .text("http.request.method", method)
        .text("url.full", format!("http://{}:{}{}", peer.name, peer.port, path(route, visitor)))
        .text("server.address", peer.name)
        .int("server.port", peer.port)
        .text("network.peer.address", peer.address)
        .text("network.protocol.version", "1.1")
        .int("http.response.status_code", status)
        .text("session.id", visitor.session.as_str());
    thread(pairs, chance)
}

pub(super) fn rpc((service, method): (&str, &str), code: u16, peer: Peer<'_>, chance: &mut Chance) -> Pairs {
    let pairs = Pairs::new()
        .text("rpc.system", "grpc")
        .text("rpc.service", service)
        .text("rpc.method", method)
        .int("rpc.grpc.status_code", code)
        .text("server.address", peer.name)
        .int("server.port", peer.port)
        .text("network.peer.address", peer.address)
        .int("network.peer.port", peer.port)
        .text("network.transport", "tcp");
    thread(pairs, chance)
}

pub(super) fn query(system: &str, namespace: &str, query: &Query, peer: Peer<'_>, chance: &mut Chance) -> Pairs {
    let pairs = Pairs::new()
        .text("db.system.name", system)
        .text("db.namespace", namespace)
        .text("db.collection.name", query.collection)
        .text("db.operation.name", query.operation)
        .text("db.query.text", query.text)
        .int("db.response.returned_rows", chance.below(48))
        .text("server.address", peer.name)
        .int("server.port", peer.port);
    thread(pairs, chance)
}

pub(super) fn cache(visitor: &Visitor, command: &str, key: &str, peer: Peer<'_>, chance: &mut Chance) -> Pairs {
    let number = visitor.subject.wrapping_add(chance.below(32));
    Pairs::new()
        .text("db.system.name", "redis")
        .text("db.namespace", "0")
        .text("db.operation.name", command)
        .text("db.query.text", format!("{command} {key}:{number}"))
        .value("cache.hit", Value::Bool(chance.hits(880)))
        .text("server.address", peer.name)
        .int("server.port", peer.port)
        .text("network.peer.address", peer.address)
        .text("network.transport", "tcp")
        .int("thread.id", chance.below(64))
}

/// A message as both of its sides see it.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) destination: &'static str,
    pub(super) id: String,
    pub(super) partition: u32,
    pub(super) offset: u64,
    pub(super) bytes: u32,
}

pub(super) fn message(message: &Message, operation: (&str, &str), client: &str) -> Pairs {
    let (name, kind) = operation;
    Pairs::new()
        .text("messaging.system", "kafka")
        .text("messaging.destination.name", message.destination)
        .text("messaging.operation.name", name)
        .text("messaging.operation.type", kind)
        .text("messaging.client.id", client)
        .text("messaging.message.id", message.id.as_str())
        .int("messaging.message.body.size", message.bytes)
        .text("messaging.destination.partition.id", message.partition.to_string())
        .int("messaging.kafka.offset", i64::try_from(message.offset).unwrap_or(i64::MAX))
}

pub(super) fn inside(visitor: &Visitor, function: &str, chance: &mut Chance) -> Pairs {
    let amount = f64::from(chance.below(50_000)) / 100.0;
    let flags = [["one-page", "sv-beta"], ["one-page", "größe"], ["control", "eager"]];
    let flags = chance.pick(&flags).iter().map(|flag| Value::from(*flag)).collect();
    let pairs = Pairs::new()
        .text("code.function.name", function)
        .text("code.file.path", format!("/app/src/{function}"))
        .int("code.line.number", chance.below(1_200))
        .text("session.id", visitor.session.as_str())
        .text("enduser.id", visitor.account.as_str())
        .text("shop.currency", visitor.currency)
        .value("shop.amount", Value::Double(amount))
        .value("shop.flags", Value::Array(flags))
        .value("shop.loyal", Value::Bool(chance.hits(300)));
    thread(pairs, chance)
}
