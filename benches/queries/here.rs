//! A server in memory that keeps some thousand spans of the load generator, for a run that measures nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::Parser;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracewell::cli::{Cli, Command, generate};
use tracewell::ingest::{Ingest, IngestSettings};
use tracewell::metrics::Metrics;
use tracewell::model::UnixNanos;
use tracewell::query::{Query, QuerySettings};
use tracewell::server::intake::{DoorSettings, Doors};
use tracewell::server::jaeger::{self, JaegerDoor};
use tracewell::server::listen::{ListenSettings, serve};
use tracewell::server::otlp::TraceService;
use tracewell::server::zipkin::{self, ZipkinDoor};
use tracewell::server::{pages, query, tempo};
use tracewell::store::SpanStore;
use tracewell::store::memory::MemoryStore;

use super::Args;

/// A moment of 2026, in seconds since 1970.
const END: u64 = 1_790_000_000;
const HOURS: u64 = 24;

/// Starts it, fills it, and says where it is; it ends with the guard.
pub(super) async fn start(args: &mut Args) -> DropGuard {
    let (store, metrics): (Arc<dyn SpanStore>, _) = (Arc::new(MemoryStore::default()), Arc::new(Metrics::new()));
    let settings =
        IngestSettings { queue_requests_max: 100, queue_bytes_max: 100_000_000, writers: 1, group_spans_max: 20_000 };
    let ingest = Ingest::start(Arc::clone(&store), settings, Arc::clone(&metrics));
    let settings =
        DoorSettings { request_bytes_max: 64 << 20, request_timeout: Duration::from_mins(1), cors_origins: Vec::new() };
    let doors = Doors::new(ingest, metrics, settings);
    let query = Arc::new(Query::new(Arc::clone(&store), QuerySettings::default()));
    let (jaeger, now) = (JaegerDoor::new(Arc::clone(&query)), || UnixNanos(END.saturating_mul(1_000_000_000)));
    let routes = query::routes(Arc::clone(&query)).add_service(tempo::service(Arc::clone(&query), now));
    let routes = jaeger::add_to(routes, &jaeger).add_service(TraceService::new(Arc::clone(&doors)));
    let routes = routes.into_axum_router().merge(pages::router(&query, &jaeger, now));
    let stop = CancellationToken::new();
    let address = listen(routes, &stop).await;
    fill(&address).await;
    args.zipkin = Some(listen(zipkin::router(ZipkinDoor::new(doors, query, store)), &stop).await);
    (args.address, args.end, args.hours, args.repetitions) = (Some(address), END, HOURS, 5);
    stop.drop_guard()
}

async fn listen(router: Router, stop: &CancellationToken) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(serve(listener, router, ListenSettings::default(), stop.clone()));
    address
}

async fn fill(address: &str) {
    let flags = format!("tracewell generate --endpoint {address} --seed 7 --spans 3000 --span-hours {HOURS}");
    let Some(Command::Generate(args)) = Cli::parse_from(flags.split_whitespace()).command else { unreachable!() };
    generate::run(&args, UnixNanos(END.saturating_mul(1_000_000_000))).await.expect("a run");
}
