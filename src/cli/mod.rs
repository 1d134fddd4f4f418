//! Floor 5: the command line. A flag wins over its `TRACEWELL_…` variable, which wins over the default; everything is
//! read and checked before anything is opened. What the commands do is in `app.rs`, [`generate`] and [`health`].

use std::net::SocketAddr;

use clap::builder::{BoolishValueParser, NonEmptyStringValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub mod generate;
pub mod health;
mod storage;

use generate::GenerateArgs;
pub use storage::{CompactionArgs, RetentionArgs, Switch};

/// An OpenTelemetry trace backend: receives OTLP, keeps every span in PostgreSQL or in an embedded SQLite file,
/// and answers queries over gRPC.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; without one, `serve`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// The commands.
#[expect(clippy::large_enum_variant, reason = "there is one of them in a process")]
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Receive spans and answer queries (what tracewell does without a command)
    Serve(ServeArgs),
    /// Bring the database to this version's schema, and say what was done (serve does it too)
    Migrate(MigrateArgs),
    /// Make history of all spans that are there now, and say what was done (serve does it too, in time)
    Compact(CompactArgs),
    /// Send realistic traces to any OTLP endpoint, and check that they come back as they were sent
    Generate(GenerateArgs),
    /// Ask a running tracewell whether it is ready; exit status 0 if so (for a container's health check)
    Health(HealthArgs),
}

/// Which database.
#[derive(Debug, Clone, Args)]
pub struct DatabaseArgs {
    /// Where spans are kept: `postgres://user:password@host/database` (PostgreSQL 15 or later) or `sqlite:FILE`.
    /// Without it, the variable `DATABASE_URL` counts; without that too, it is `sqlite:tracewell.db`
    #[arg(long, env = "TRACEWELL_DATABASE_URL", hide_env_values = true)]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    database_url: Option<String>,
    /// How long to wait at the start for a database that is not there yet, in seconds
    #[arg(long, env = "TRACEWELL_DATABASE_WAIT_SECONDS_MAX", default_value_t = 300)]
    pub database_wait_seconds_max: u64,
}

impl DatabaseArgs {
    /// The database, by the flag, its variable, `DATABASE_URL` (which many platforms set), or the default.
    #[must_use]
    pub fn url(&self) -> String {
        let common = || std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
        self.database_url.clone().or_else(common).unwrap_or_else(|| "sqlite:tracewell.db".to_owned())
    }
}

/// How log lines look.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// How a log line looks
    #[arg(long, env = "TRACEWELL_LOG_FORMAT", value_enum, default_value_t = LogFormatArg::Compact)]
    pub log_format: LogFormatArg,
    /// What is logged: a level (error, warn, info, debug, trace) or a list of target=level
    #[arg(long, env = "TRACEWELL_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}

/// See [`crate::telemetry::LogFormat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormatArg {
    /// For a terminal
    Compact,
    /// For a machine: one object a line
    Json,
}

/// Settings of `migrate`.
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// Which database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// How log lines look.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Settings of `compact`.
#[derive(Debug, Clone, Args)]
pub struct CompactArgs {
    /// Which database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// How log lines look.
    #[command(flatten)]
    pub log: LogArgs,
    /// How long to wait for another process that compacts the same database, in seconds
    #[arg(long, env = "TRACEWELL_COMPACTION_WAIT_SECONDS_MAX", default_value_t = 600)]
    pub compaction_wait_seconds_max: u64,
    /// How long the rows of what was made history are kept on disk, for readers that began before, in seconds. When
    /// nobody reads, 0 frees their space at once
    #[arg(long, env = "TRACEWELL_STEP_DROP_AFTER_SECONDS", default_value_t = 120)]
    pub step_drop_after_seconds: u64,
}

/// Settings of `health`.
#[derive(Debug, Clone, Args)]
pub struct HealthArgs {
    /// The address that tracewell was told to listen on for people and tools
    #[arg(long, env = "TRACEWELL_WEB_LISTEN", default_value = WEB_LISTEN)]
    pub web_listen: SocketAddr,
}

const WEB_LISTEN: &str = "127.0.0.1:16686";

/// Settings of `serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Which database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// How log lines look.
    #[command(flatten)]
    pub log: LogArgs,
    /// How what arrived becomes history.
    #[command(flatten)]
    pub compaction: CompactionArgs,
    /// What goes, and when.
    #[command(flatten)]
    pub retention: RetentionArgs,
    /// Address for gRPC: OTLP, the query service, health and reflection; OTLP over HTTP is understood too. Port 0
    /// takes a free one
    #[arg(long, env = "TRACEWELL_GRPC_LISTEN", default_value = "127.0.0.1:4317")]
    pub grpc_listen: SocketAddr,
    /// Address for OTLP over HTTP; gRPC is understood too
    #[arg(long, env = "TRACEWELL_HTTP_LISTEN", default_value = "127.0.0.1:4318")]
    pub http_listen: SocketAddr,
    /// Address for people and tools: /metrics, /healthz, /readyz, and the gRPC query service
    #[arg(long, env = "TRACEWELL_WEB_LISTEN", default_value = WEB_LISTEN)]
    pub web_listen: SocketAddr,
    /// Address for Zipkin's senders and its query API, which is 127.0.0.1:9411 with most of them; closed unless given
    #[arg(long, env = "TRACEWELL_ZIPKIN_LISTEN")]
    pub zipkin_listen: Option<SocketAddr>,
    /// Address for clients of Jaeger's gRPC query, which is 127.0.0.1:16685 with most of them; closed unless given
    #[arg(long, env = "TRACEWELL_JAEGER_LISTEN")]
    pub jaeger_listen: Option<SocketAddr>,
    /// Open POST /purge at the address for people and tools, which removes all data: for test benches only
    #[arg(long, env = "TRACEWELL_ALLOW_PURGE", default_value_t = false, value_parser = BoolishValueParser::new())]
    pub allow_purge: bool,
    /// Origins whose pages may send spans by OTLP/HTTP (CORS), separated by commas; * for any
    #[arg(long, env = "TRACEWELL_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<String>,
    /// Largest OTLP request, before and after decompression, in bytes
    #[arg(long, env = "TRACEWELL_REQUEST_BYTES_MAX", default_value_t = 64 * MIB, value_parser = at_least_one)]
    pub request_bytes_max: usize,
    /// Most requests that wait for their commit; one more is told to come again
    #[arg(long, env = "TRACEWELL_QUEUE_REQUESTS_MAX", default_value_t = 512, value_parser = at_least_one)]
    pub queue_requests_max: usize,
    /// Most memory that requests may take from the door to their answer, in bytes: bodies, and what is made of them
    #[arg(long, env = "TRACEWELL_QUEUE_BYTES_MAX", default_value_t = 256 * MIB, value_parser = at_least_one)]
    pub queue_bytes_max: usize,
    /// Most spans in one transaction, unless a single request has more
    #[arg(long, env = "TRACEWELL_GROUP_SPANS_MAX", default_value_t = 20_000, value_parser = at_least_one)]
    pub group_spans_max: usize,
    /// Connections to PostgreSQL for writing, each with a transaction at a time: fewer make larger transactions, which cost
    /// the database less; more pay when it has cores to spare
    #[arg(long, env = "TRACEWELL_WRITER_CONNECTIONS_MAX", default_value_t = 2, value_parser = connections)]
    pub writer_connections_max: u32,
    /// Connections to the database for queries
    #[arg(long, env = "TRACEWELL_READER_CONNECTIONS_MAX", default_value_t = 8, value_parser = connections)]
    pub reader_connections_max: u32,
    /// Most connections open on each of the addresses
    #[arg(long, env = "TRACEWELL_CONNECTIONS_MAX", default_value_t = 4_096, value_parser = at_least_one)]
    pub connections_max: usize,
    /// How long a request is recognised when it is sent again, in seconds
    #[arg(long, env = "TRACEWELL_RECEIPT_AGE_SECONDS_MAX", default_value_t = 3_600)]
    pub receipt_age_seconds_max: u64,
    /// Longest time from an OTLP request's headers to its answer, in seconds; a gRPC caller may set a shorter one
    #[arg(long, env = "TRACEWELL_REQUEST_SECONDS_MAX", default_value_t = 60)]
    pub request_seconds_max: u64,
    /// Longest time that a query may take, in seconds
    #[arg(long, env = "TRACEWELL_QUERY_SECONDS_MAX", default_value_t = 30)]
    pub query_seconds_max: u64,
    /// Most spans that are read for one page of a search; then it ends with what is certain so far, and says so
    #[arg(long, env = "TRACEWELL_QUERY_WORK_SPANS_MAX", default_value_t = 2_000_000, value_parser = from_one)]
    pub query_work_spans_max: u64,
    /// Longest time that one page of a search may take before it ends likewise, in seconds; half of the longest time of a
    /// query at the most
    #[arg(long, env = "TRACEWELL_QUERY_WORK_SECONDS_MAX", default_value_t = 10, value_parser = from_one)]
    pub query_work_seconds_max: u64,
    /// Largest trace that TraceQL is asked about as a whole, in spans; a larger one is left out, and named
    #[arg(long, env = "TRACEWELL_TRACE_SPANS_MAX", default_value_t = 250_000, value_parser = from_one)]
    pub trace_spans_max: u64,
    /// Longest time to answer what was received when told to stop, in seconds
    #[arg(long, env = "TRACEWELL_DRAIN_SECONDS_MAX", default_value_t = 25)]
    pub drain_seconds_max: u64,
}

const MIB: usize = 1_024 * 1_024;

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "must be a whole number from 1".to_owned())
}

fn from_one(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "must be a whole number from 1".to_owned())
}

fn connections(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=1_000).contains(number));
    number.ok_or_else(|| "must be a whole number from 1 to 1000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_and_takes_the_same_flags() {
        let bare = Cli::try_parse_from(["tracewell", "--grpc-listen", "127.0.0.1:1"]).unwrap();
        assert!(bare.command.is_none());
        assert_eq!(bare.serve.grpc_listen.port(), 1);
        let named = Cli::try_parse_from(["tracewell", "serve", "--grpc-listen", "127.0.0.1:1"]).unwrap();
        assert!(matches!(named.command, Some(Command::Serve(serve)) if serve.grpc_listen.port() == 1));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (flag, value) in [
            ("--query-work-spans-max", "0"),
            ("--query-work-seconds-max", "0"),
            ("--trace-spans-max", "many"),
            ("--request-bytes-max", "0"),
            ("--queue-bytes-max", "-1"),
            ("--writer-connections-max", "0"),
            ("--reader-connections-max", "1001"),
            ("--web-listen", "nowhere"),
            ("--zipkin-listen", "9411"),
            ("--jaeger-listen", "16685"),
            ("--database-url", ""),
            ("--log-format", "xml"),
            ("--compaction", "maybe"),
            ("--step-age-seconds-max", "0"),
            ("--step-age-seconds-max", "86401"),
            ("--step-bytes-max", "0"),
            ("--retention-age-days", "-1"),
            ("--retention-age-days", "36501"),
            ("--retention-bytes-max", "1 GiB"),
            ("--compaction-share-percent", "0"),
            ("--compaction-share-percent", "101"),
        ] {
            let error = Cli::try_parse_from(["tracewell", &format!("{flag}={value}")]).unwrap_err();
            assert!(error.to_string().contains(flag), "{flag}: {error}");
        }
    }
}
