//! Where the shop runs: the instances of each service as resources, the libraries that instrument them as scopes, and
//! the stack traces that their errors show. All of it is made once, by seed, and shared by the spans.

use std::fmt::Write;
use std::sync::Arc;

use super::chance::{Chance, Subject};
use super::services::{Language, SERVICES, Service, ServiceId};
use crate::model::{Attribute, Attributes, Keyed, Resource, Scope, Value};

/// How long a stack trace is at the least, in bytes.
const STACK_TRACE_BYTES: usize = 2_000;
/// How many places there are in a service in which it fails.
const FAILURES: usize = 3;
/// How many machines the instances share.
const HOSTS: u32 = 24;

const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.37.0";

/// What a span was made by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Library {
    Http,
    Rpc,
    Database,
    Cache,
    Messaging,
    App,
}

/// One running process of a service.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) resource: Arc<Keyed<Resource>>,
    /// Its IP address.
    pub(super) address: String,
}

/// How a service fails in one place.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exception: &'static str,
    pub(super) message: &'static str,
    pub(super) stack_trace: String,
}

/// All that runs.
#[derive(Debug)]
pub(super) struct Fleet {
    sites: Vec<Site>,
}

/// One service's part of it.
#[derive(Debug)]
struct Site {
    instances: Vec<Instance>,
    scopes: [Arc<Keyed<Scope>>; 6],
    failures: Vec<Failure>,
}

impl Fleet {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed, Subject::Fleet, 0);
        Self { sites: SERVICES.iter().map(|service| site(service, &mut chance)).collect() }
    }

    /// One of the service's instances.
    pub(super) fn instance(&self, service: ServiceId, chance: &mut Chance) -> &Instance {
        chance.pick(&self.sites[service as usize].instances)
    }

    pub(super) fn scope(&self, service: ServiceId, library: Library) -> &Arc<Keyed<Scope>> {
        &self.sites[service as usize].scopes[library as usize]
    }

    /// One of the ways in which the service fails.
    pub(super) fn failure(&self, service: ServiceId, chance: &mut Chance) -> &Failure {
        chance.pick(&self.sites[service as usize].failures)
    }
}

fn site(service: &Service, chance: &mut Chance) -> Site {
    use Library::{App, Cache, Database, Http, Messaging, Rpc};
    Site {
        instances: (0..service.instances).map(|_| instance(service, chance)).collect(),
        scopes: [Http, Rpc, Database, Cache, Messaging, App].map(|library| Arc::new(scope(service, library))),
        failures: (0..FAILURES).map(|place| failure(service, place, chance)).collect(),
    }
}

fn instance(service: &Service, chance: &mut Chance) -> Instance {
    let id = chance.bits();
    let host = format!("node-{:02}.eu-west.shop.example", chance.below(HOSTS));
    let pod = format!("{}-{:08x}-{:05x}", service.name, id >> 32, id & 0xf_ffff);
    let instance_id = format!(
        "{:08x}-{:04x}-4{:03x}-9{:03x}-{:012x}",
        id >> 32,
        id >> 16 & 0xffff,
        id & 0xfff,
        id >> 52,
        id >> 8 & 0xffff_ffff_ffff
    );
    let attributes = [
        ("service.name", text(service.name)),
        ("service.namespace", text("shop")),
        ("service.version", text(service.version)),
        ("service.instance.id", Value::String(instance_id)),
        ("host.name", Value::String(host)),
        ("k8s.namespace.name", text("shop-production")),
        ("k8s.deployment.name", text(service.name)),
        ("k8s.pod.name", Value::String(pod)),
        ("deployment.environment.name", text("production")),
        ("telemetry.sdk.language", text(language_name(service.language))),
        ("telemetry.sdk.version", text("1.38.0")),
        ("process.pid", Value::Int(i64::from(chance.below(30_000)))),
    ];
    let resource = Resource {
        attributes: attributes.into_iter().collect(),
        schema_url: SCHEMA_URL.to_owned(),
        ..Resource::default()
    };
    let address = format!("10.{}.{}.{}", chance.below(4), chance.below(250), chance.below(250));
    Instance { resource: Arc::new(Keyed::new(resource)), address }
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn language_name(language: Language) -> &'static str {
    match language {
        Language::Go => "go",
        Language::Java => "java",
        Language::NodeJs => "nodejs",
        Language::Python => "python",
        Language::DotNet => "dotnet",
        Language::Rust => "rust",
    }
}

fn scope(service: &Service, library: Library) -> Keyed<Scope> {
    let prefix = match service.language {
        Language::Go => "go.opentelemetry.io/contrib/instrumentation/",
        Language::Java => "io.opentelemetry.",
        Language::NodeJs => "@opentelemetry/instrumentation-",
        Language::Python => "opentelemetry.instrumentation.",
        Language::DotNet => "OpenTelemetry.Instrumentation.",
        Language::Rust => "opentelemetry-",
    };
    let (suffix, version) = match library {
        Library::Http => ("http", "0.63.0"),
        Library::Rpc => ("grpc", "0.63.0"),
        Library::Database => (service.database, "0.58.2"),
        Library::Cache => ("redis", "0.58.2"),
        Library::Messaging => ("kafka", "0.49.0"),
        Library::App => return Keyed::new(app_scope(service)),
    };
    Keyed::new(Scope { name: format!("{prefix}{suffix}"), version: version.to_owned(), ..Scope::default() })
}

/// The service's own tracer, which says more of itself than libraries do.
fn app_scope(service: &Service) -> Scope {
    Scope {
        name: format!("shop.{}", service.name),
        version: service.version.to_owned(),
        attributes: Attributes(vec![Attribute { key: "shop.team".to_owned(), value: text("platform") }]),
        schema_url: SCHEMA_URL.to_owned(),
        ..Scope::default()
    }
}

fn failure(service: &Service, place: usize, chance: &mut Chance) -> Failure {
    let (exception, message) = match (service.language, place) {
        (Language::Java, 0) => {
            ("java.sql.SQLTransientConnectionException", "connection is not available, request timed out after 3000ms")
        }
        (Language::Java, _) => ("java.lang.IllegalStateException", "the order has been changed meanwhile"),
        (Language::Python, 0) => ("psycopg.OperationalError", "server closed the connection unexpectedly"),
        (Language::Python, _) => ("KeyError", "'price_band'"),
        (Language::DotNet, 0) => ("Npgsql.NpgsqlException", "Exception while reading from stream"),
        (Language::DotNet, _) => ("System.TimeoutException", "The operation has timed out."),
        (Language::NodeJs, 0) => ("MongoServerSelectionError", "connection <monitor> to 10.2.7.19:27017 closed"),
        (Language::NodeJs, _) => ("TypeError", "Cannot read properties of undefined (reading 'amount')"),
        (Language::Go, 0) => ("*net.OpError", "dial tcp 10.1.4.88:5432: connect: connection refused"),
        (Language::Go, _) => ("*errors.errorString", "context deadline exceeded"),
        (Language::Rust, 0) => ("sqlx::Error", "pool timed out while waiting for an open connection"),
        (Language::Rust, _) => ("pricing::RateError", "no rate for “EUR” → “SEK”"),
    };
    Failure { exception, message, stack_trace: stack_trace(service, exception, chance) }
}

const VERBS: [&str; 12] = [
    "handle", "load", "resolve", "apply", "invoke", "decode", "dispatch", "retry", "commit", "acquire", "visit", "run",
];
const NOUNS: [&str; 12] = [
    "Request",
    "Session",
    "Transaction",
    "Connection",
    "Pipeline",
    "Filter",
    "Context",
    "Handler",
    "Message",
    "Query",
    "Row",
    "Stream",
];

fn stack_trace(service: &Service, exception: &str, chance: &mut Chance) -> String {
    let mut trace = format!("{exception}\n");
    while trace.len() < STACK_TRACE_BYTES {
        let (verb, noun, line) = (*chance.pick(&VERBS), *chance.pick(&NOUNS), chance.below(900));
        let name = service.name;
        // Writing to a String can not fail.
        let _ = match service.language {
            Language::Java => writeln!(trace, "\tat com.shop.{name}.{noun}.{verb}({noun}.java:{line})"),
            Language::Python => writeln!(
                trace,
                "  File \"/app/{name}/{verb}.py\", line {line}, in {verb}_{noun}\n    return {verb}(self, *args)"
            ),
            Language::DotNet => writeln!(trace, "   at Shop.{name}.{noun}.{verb}Async() in /src/{noun}.cs:line {line}"),
            Language::NodeJs => writeln!(trace, "    at async {noun}.{verb} (/app/dist/{name}/{noun}.js:{line}:17)"),
            Language::Go => writeln!(
                trace,
                "shop/{name}.(*{noun}).{verb}(0xc000{line:06x})\n\t/src/{name}/{verb}.go:{line} +0x{line:x}"
            ),
            Language::Rust => {
                writeln!(trace, "  at {name}::{verb}::{noun}::{{{{closure}}}}\n     in src/{verb}.rs:{line}")
            }
        };
    }
    trace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_is_many_nodes_and_depends_on_its_seed() {
        let keys = |seed| -> Vec<i64> {
            let fleet = Fleet::new(seed);
            fleet.sites.iter().flat_map(|site| site.instances.iter().map(|instance| instance.resource.key())).collect()
        };
        let mut first = keys(1);
        assert_eq!(first, keys(1));
        assert_ne!(first, keys(2));
        let count = first.len();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), count);
        assert!((70..120).contains(&count), "{count} instances");
    }

    #[test]
    fn stack_traces_are_about_two_kilobytes() {
        for site in Fleet::new(1).sites {
            for failure in site.failures {
                let bytes = failure.stack_trace.len();
                assert!((STACK_TRACE_BYTES..2_200).contains(&bytes), "{}: {bytes}", failure.exception);
            }
        }
    }
}
