//! Floor 5: the only wiring. Everything is built here, once, and stopped here, in order: close the doors, let the
//! writers drain, close the database, all under a deadline.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use futures::future::join_all;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;
use tracing::{info, warn};

use crate::cli::{CompactArgs, LogArgs, LogFormatArg, MigrateArgs, ServeArgs, Switch};
use crate::compaction;
use crate::ingest::{Ingest, IngestSettings};
use crate::metrics::Metrics;
use crate::model::UnixNanos;
use crate::query::{Query, QuerySettings};
use crate::retention::{self, RetentionSettings};
use crate::server::health::{self, Health};
use crate::server::intake::{DoorSettings, Doors};
use crate::server::jaeger::{self, JaegerDoor};
use crate::server::listen::{self, ListenSettings};
use crate::server::otlp::{self, TraceService};
use crate::server::web::Web;
use crate::server::zipkin::{self, ZipkinDoor};
use crate::server::{pages, purge, query, reflection, tempo, unknown};
use crate::store::{self, Compaction, CompactionSettings, OpenError, OpenSettings, Opened, SpanStore, StoreError};
use crate::telemetry::{self, LogFormat};

/// Connections that the kernel keeps for us between two accepts.
const BACKLOG_CONNECTIONS: u32 = 1_024;

/// How long the address for people and tools goes on after the store was closed: what is still asked there then can
/// only fail.
const WEB_DRAIN: Duration = Duration::from_secs(1);

/// Between two looks whether another process has compacted.
const COMPACTION_LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why tracewell does not run, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// `--log-level` can not be read.
    #[error("--log-level: {0}")]
    Log(#[from] tracing_subscriber::filter::ParseError),
    /// A port is taken, or not ours to take.
    #[error("can not listen on {address} ({flag}): {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The setting that asked for it.
        flag: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The database can not be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was asked for failed in the database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// One process at a time compacts, and it was not our turn.
    #[error("another process compacts this database, and still does after {} s: see what it says", waited.as_secs())]
    CompactedElsewhere {
        /// How long we waited.
        waited: Duration,
    },
    /// The system refuses something that every program needs.
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
    /// The descriptors of our own services can not be read.
    #[error("the reflection service can not start: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Runs the server until a signal, or until it can not start.
pub async fn serve(args: ServeArgs) -> Result<(), AppError> {
    start_log(&args.log)?;
    let claims = Claims::of(&args)?;
    let web = Claim::new(args.web_listen, "--web-listen")?.listen()?;
    let stop = stop_on_signal()?;
    let metrics = Arc::new(Metrics::new());

    // The address for people opens first and closes last, so that a start and an end can be watched.
    let web_address = web.local_addr()?;
    let closed = CancellationToken::new();
    let page = Web::new(Arc::clone(&metrics), stop.clone());
    let web_limits = ListenSettings { drain_timeout: WEB_DRAIN, ..limits(&args) };
    let web = tokio::spawn(listen::serve(web, Arc::clone(&page).router(), web_limits, closed.clone()));
    info!(web = %web_address, "starting");

    let (url, settings) = (args.database.url(), open_settings(&args, &metrics));
    let result = tokio::select! {
        opened = store::open(&url, &settings) => match opened {
            Ok(opened) => run(&args, opened, claims, web_address, &page, metrics, &stop).await,
            Err(error) => Err(error.into()),
        },
        () = stop.cancelled() => Ok(()),
    };
    closed.cancel();
    if web.await.is_err() {
        warn!("the address for people and tools ended badly");
    }
    result
}

/// Opens the doors, and closes them when it is time.
async fn run(
    args: &ServeArgs,
    opened: Opened,
    claims: Claims,
    web_address: SocketAddr,
    page: &Web,
    metrics: Arc<Metrics>,
    stop: &CancellationToken,
) -> Result<(), AppError> {
    let store = opened.store;
    let ingest = Ingest::start(Arc::clone(&store), ingest_settings(args, opened.writers), Arc::clone(&metrics));
    let doors = Doors::new(ingest.clone(), Arc::clone(&metrics), door_settings(args));
    let query = Arc::new(Query::new(Arc::clone(&store), query_settings(args)));
    let (health, health_service) = Health::new().await;
    let (reflection, reflection_alpha) = reflection::services(&reflection::ALL)?;

    let queries = || query::routes(Arc::clone(&query));
    let queries = || queries().add_service(reflection.clone()).add_service(reflection_alpha.clone());
    let queries = || queries().add_service(health_service.clone());
    let jaeger = JaegerDoor::new(Arc::clone(&query));
    let queries = || jaeger::add_to(queries(), &jaeger).add_service(tempo::service(Arc::clone(&query), now));
    let pages = queries().into_axum_router().merge(pages::router(&query, &jaeger, now));
    page.open(Arc::clone(&store), may_purge(args, pages, &ingest).fallback(unknown::answer));
    let Claims { grpc, http, zipkin, jaeger: jaeger_query } = claims;
    let (grpc, http) = (grpc.listen()?, http.listen()?);
    let (zipkin, jaeger_query) = (zipkin.map(Claim::listen).transpose()?, jaeger_query.map(Claim::listen).transpose()?);
    if let Some(zipkin) = &zipkin {
        info!(zipkin = %zipkin.local_addr()?, "listening for Zipkin");
    }
    if let Some(jaeger) = &jaeger_query {
        info!(jaeger = %jaeger.local_addr()?, "listening for Jaeger's query");
    }
    greet(&opened.place, grpc.local_addr()?, http.local_addr()?, web_address);
    // Both protocols are served at both addresses: a sender that mixes up the two ports, whose defaults differ from SDK
    // to SDK, is understood.
    let all = queries().add_service(TraceService::new(Arc::clone(&doors))).into_axum_router();
    let all = all.fallback(unknown::answer).merge(otlp::router(Arc::clone(&doors)));
    let serve = |listener, router| tokio::spawn(listen::serve(listener, router, limits(args), stop.clone()));
    let mut served = vec![serve(grpc, all.clone()), serve(http, all)];
    let of_jaeger = of_jaeger(&jaeger, health_service)?;
    served.extend(jaeger_query.map(|listener| serve(listener, of_jaeger)));
    let of_zipkin = zipkin::router(ZipkinDoor::new(doors, query, Arc::clone(&store)));
    served.extend(zipkin.map(|listener| serve(listener, of_zipkin)));
    tokio::spawn(retention::run(Arc::clone(&store), retention_settings(args), Arc::clone(&metrics), stop.clone()));
    tokio::spawn(compaction::run(Arc::clone(&store), compaction_settings(args), Arc::clone(&metrics), stop.clone()));
    tokio::spawn(health::watch_database(Arc::clone(&store), metrics, health, stop.clone()));

    stop.cancelled().await;
    info!("stopping: what was received is committed and answered");
    let (began, limit) = (Instant::now(), Duration::from_secs(args.drain_seconds_max));
    let answered = join_all(served).await.iter().all(|drained| matches!(drained, Ok(true)));
    let committed = ingest.drain(limit.saturating_sub(began.elapsed())).await;
    if !(answered && committed) {
        warn!(drain_seconds_max = args.drain_seconds_max, "the time to stop is over; open requests are cut off");
    }
    // A reader that does not take its answer keeps a connection, and is not waited for beyond the deadline.
    if tokio::time::timeout(limit.saturating_sub(began.elapsed()).max(WEB_DRAIN), store.close()).await.is_err() {
        warn!("connections to the database were still in use and are cut off");
    }
    info!("stopped");
    Ok(())
}

/// What is at the address of Jaeger's query.
fn of_jaeger(door: &Arc<JaegerDoor>, health: HealthServer<HealthService>) -> Result<Router, AppError> {
    let (reflection, reflection_alpha) = reflection::services(&reflection::JAEGER_QUERY)?;
    let routes = jaeger::query_routes(door).add_service(reflection).add_service(reflection_alpha);
    Ok(routes.add_service(health).into_axum_router().fallback(unknown::answer))
}

/// The paths, and the one that removes everything when that is allowed.
fn may_purge(args: &ServeArgs, pages: Router, ingest: &Ingest) -> Router {
    if !args.allow_purge {
        return pages;
    }
    warn!("POST /purge is open (--allow-purge): whoever reaches the address for people and tools can remove all data");
    pages.merge(purge::router(ingest.clone(), Duration::from_secs(args.request_seconds_max)))
}

/// The time, for requests that mean "until now".
#[expect(clippy::disallowed_methods, reason = "the one look at the clock, at the edge; all else is an argument")]
fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Brings the database to this version's schema.
pub async fn migrate(args: MigrateArgs) -> Result<(), AppError> {
    start_log(&args.log)?;
    let wait = Duration::from_secs(args.database.database_wait_seconds_max);
    let report = store::migrate(&args.database.url(), wait).await?;
    writeln!(io::stdout(), "{report}")?;
    Ok(())
}

/// Makes history of all that is there, and says what was done.
pub async fn compact(args: CompactArgs) -> Result<(), AppError> {
    start_log(&args.log)?;
    let url = args.database.url();
    if !store::has_history(&url)? {
        writeln!(io::stdout(), "SQLite keeps its spans in one tier: there is nothing to compact")?;
        return Ok(());
    }
    let wait_max = Duration::from_secs(args.database.database_wait_seconds_max);
    let settings = OpenSettings { wait_max, ..OpenSettings::default() };
    let opened = store::open(&url, &settings).await?;
    let settings = CompactionSettings::at_once(Duration::from_secs(args.step_drop_after_seconds));
    let began = Instant::now();
    let done = compacted(&*opened.store, &settings, Duration::from_secs(args.compaction_wait_seconds_max)).await;
    opened.store.close().await;
    writeln!(io::stdout(), "{}, seconds {:.1}", done?, began.elapsed().as_secs_f64())?;
    Ok(())
}

/// Compacts as soon as no other process does.
async fn compacted(
    store: &dyn SpanStore,
    settings: &CompactionSettings,
    wait_max: Duration,
) -> Result<Compaction, AppError> {
    let (began, mut done) = (Instant::now(), Compaction::default());
    loop {
        done.add(store.compact(settings).await?);
        let waited = began.elapsed();
        if !done.is_elsewhere {
            return Ok(done);
        }
        if waited.saturating_add(COMPACTION_LOOK_EVERY) > wait_max {
            return Err(AppError::CompactedElsewhere { waited });
        }
        info!(waited_s = waited.as_secs(), "waiting for another process that compacts");
        tokio::time::sleep(COMPACTION_LOOK_EVERY).await;
    }
}

fn start_log(args: &LogArgs) -> Result<(), AppError> {
    let format = match args.log_format {
        LogFormatArg::Compact => LogFormat::Compact,
        LogFormatArg::Json => LogFormat::Json,
    };
    Ok(telemetry::start(format, &args.log_level)?)
}

/// The addresses that are ours, and closed as yet.
struct Claims {
    grpc: Claim,
    http: Claim,
    zipkin: Option<Claim>,
    jaeger: Option<Claim>,
}

impl Claims {
    fn of(args: &ServeArgs) -> Result<Self, AppError> {
        let asked = |address: Option<SocketAddr>, flag| address.map(|address| Claim::new(address, flag)).transpose();
        Ok(Self {
            grpc: Claim::new(args.grpc_listen, "--grpc-listen")?,
            http: Claim::new(args.http_listen, "--http-listen")?,
            zipkin: asked(args.zipkin_listen, "--zipkin-listen")?,
            jaeger: asked(args.jaeger_listen, "--jaeger-listen")?,
        })
    }
}

/// An address that is ours, and closed as yet: who connects is refused at once and comes again, instead of waiting
/// for a database that may not be there.
struct Claim {
    socket: TcpSocket,
    address: SocketAddr,
    flag: &'static str,
}

impl Claim {
    fn new(address: SocketAddr, flag: &'static str) -> Result<Self, AppError> {
        let bind = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            // A restart may take the address while connections of the last process time out.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(socket)
        };
        let socket = bind().map_err(|source| AppError::Listen { address, flag, source })?;
        Ok(Self { socket, address, flag })
    }

    fn listen(self) -> Result<TcpListener, AppError> {
        let Self { socket, address, flag } = self;
        socket.listen(BACKLOG_CONNECTIONS).map_err(|source| AppError::Listen { address, flag, source })
    }
}

/// A signal that says stop: the first SIGTERM or Ctrl-C drains, the second ends the process at once.
fn stop_on_signal() -> Result<CancellationToken, AppError> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let told = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if told.is_cancelled() {
                std::process::exit(1);
            }
            told.cancel();
        }
    });
    Ok(stop)
}

fn open_settings(args: &ServeArgs, metrics: &Metrics) -> OpenSettings {
    OpenSettings {
        wait_max: Duration::from_secs(args.database.database_wait_seconds_max),
        writer_connections_max: args.writer_connections_max,
        reader_connections_max: args.reader_connections_max,
        query_timeout: Duration::from_secs(args.query_seconds_max),
        corrupt_blocks: metrics.corrupt_blocks(),
    }
}

fn ingest_settings(args: &ServeArgs, writers: usize) -> IngestSettings {
    IngestSettings {
        queue_requests_max: args.queue_requests_max,
        queue_bytes_max: args.queue_bytes_max,
        writers,
        group_spans_max: args.group_spans_max,
    }
}

fn door_settings(args: &ServeArgs) -> DoorSettings {
    DoorSettings {
        request_bytes_max: args.request_bytes_max,
        request_timeout: Duration::from_secs(args.request_seconds_max),
        cors_origins: args.cors_origins.clone(),
    }
}

fn query_settings(args: &ServeArgs) -> QuerySettings {
    QuerySettings {
        query_timeout: Duration::from_secs(args.query_seconds_max),
        work_spans_max: args.query_work_spans_max,
        work_time_max: Duration::from_secs(args.query_work_seconds_max),
        trace_spans_max: args.trace_spans_max,
        ..QuerySettings::default()
    }
}

fn retention_settings(args: &ServeArgs) -> RetentionSettings {
    let limits = &args.retention;
    let age_days_max = Some(limits.retention_age_days).filter(|days| *days > 0);
    RetentionSettings {
        receipt_age_max: Duration::from_secs(args.receipt_age_seconds_max),
        spans: store::RetentionSettings {
            age_days_max,
            arrival_age_days_max: age_days_max,
            bytes_max: Some(limits.retention_bytes_max).filter(|bytes| *bytes > 0),
        },
    }
}

/// None when this process is not to compact.
fn compaction_settings(args: &ServeArgs) -> Option<CompactionSettings> {
    let args = (args.compaction.compaction == Switch::On).then_some(&args.compaction)?;
    Some(CompactionSettings {
        step_bytes_max: args.step_bytes_max,
        step_age_max: Duration::from_secs(args.step_age_seconds_max),
        share: f64::from(args.compaction_share_percent) / 100.0,
        ..CompactionSettings::default()
    })
}

fn limits(args: &ServeArgs) -> ListenSettings {
    ListenSettings {
        connections_max: args.connections_max,
        drain_timeout: Duration::from_secs(args.drain_seconds_max),
        ..ListenSettings::default()
    }
}

/// Says what listens where and where the spans go, and how to see a first trace.
fn greet(place: &str, grpc: SocketAddr, http: SocketAddr, web: SocketAddr) {
    info!(%grpc, %http, %web, "listening");
    info!(database = place, "spans are kept");
    info!("to see first traces, paste: {}", first_traces(grpc));
}

/// One line for the shell that this was started from: sends traces, reads them back, and asks for some.
fn first_traces(grpc: SocketAddr) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "tracewell".to_owned());
    format!(
        "{program} generate --endpoint http://{grpc} --verify http://{grpc} && \
         grpcurl -plaintext {grpc} tracewell.v1.TraceQuery/SearchTraces"
    )
}
