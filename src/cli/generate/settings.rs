//! The flags of `generate`, and the settings that they become once all of them have been checked.

use std::time::Duration;

use clap::{Args, ValueEnum};
use http::Uri;

use super::GenerateError;

/// What `generate` sends when nothing is said: a few hundred traces.
const TRACES: u64 = 300;
/// Without a number of spans to spread, starts go through the window once in so many traces.
const WINDOW_TRACES: u64 = 20_000;

const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const HTTP_PATH: &str = "/v1/traces";
const HOUR_SECONDS: f64 = 3_600.0;

/// Settings of `generate`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct GenerateArgs {
    /// Where to send: an http:// URL; for OTLP/HTTP, /v1/traces is added to it
    /// [default: port 4317 on 127.0.0.1 for grpc, port 4318 for http]
    #[arg(long)]
    pub endpoint: Option<String>,
    /// How to send
    #[arg(long, value_enum, default_value_t = Protocol::Grpc)]
    pub protocol: Protocol,
    /// How requests are compressed
    #[arg(long, value_enum, default_value_t = Compression::None)]
    pub compression: Compression,
    /// Stop after so many spans, with the trace that reaches them [default: 300 traces, if --seconds is not given]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub spans: Option<u64>,
    /// Stop after so many seconds; what was sent by then is still waited for
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: Option<u64>,
    /// Send so many spans a second [default: as fast as the endpoint takes them]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: Option<u64>,
    /// Make all requests before the first is sent, and keep them in memory until then: measures the endpoint alone
    #[arg(long, requires = "spans")]
    pub prepare: bool,
    /// Connections to the endpoint. (Over HTTP/1.1, each request that is in flight has a connection of its own.)
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub connections: u32,
    /// Requests in flight on each connection
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub in_flight: u32,
    /// Spans in a request; the spans of a trace come in several
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub request_spans: u32,
    /// What all chance depends on: the same --seed, --start, --span-hours and --spans give the same spans
    /// [default: another one each time]
    #[arg(long)]
    pub seed: Option<u64>,
    /// When the first trace starts, in seconds since 1970 [default: --span-hours ago]
    #[arg(long)]
    pub start: Option<u64>,
    /// Over how long the starts of the traces are spread, in hours
    #[arg(long, default_value_t = 0.25, value_parser = hours)]
    pub span_hours: f64,
    /// Longest time for one attempt to send a request, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub attempt_seconds_max: u64,
    /// Longest time to try again to send a request, in seconds; then it is lost
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub retry_seconds_max: u64,
    /// Afterwards, read traces back from the query service at this http:// URL and compare them with what was sent
    #[arg(long)]
    pub verify: Option<String>,
    /// How many traces to read back, evenly chosen: a number, or all
    #[arg(long, default_value = "100", requires = "verify")]
    pub verify_traces: VerifyTraces,
    /// Send nothing: read back what an earlier run with the same --seed, --start, --span-hours and --spans has sent
    #[arg(long, requires_all = ["verify", "seed", "start"], conflicts_with = "seconds")]
    pub verify_only: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Write a line about the progress every second, to stderr
    #[arg(long)]
    pub progress: bool,
}

/// How requests are sent, by the names of `OTEL_EXPORTER_OTLP_PROTOCOL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// OTLP/gRPC
    #[value(name = "grpc")]
    Grpc,
    /// OTLP/HTTP with protobuf
    #[value(name = "http/protobuf")]
    HttpProtobuf,
    /// OTLP/HTTP with JSON
    #[value(name = "http/json")]
    HttpJson,
}

/// How requests are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// Not at all
    None,
    /// gzip
    Gzip,
    /// zstd
    Zstd,
}

impl Compression {
    /// The name in `content-encoding` and `grpc-encoding`.
    pub(super) fn encoding(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// How many traces are read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyTraces {
    /// Every one.
    All,
    /// At most so many.
    AtMost(u64),
}

impl std::str::FromStr for VerifyTraces {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "all" => Ok(Self::All),
            Ok(number) if number > 0 => Ok(Self::AtMost(number)),
            _ => Err("must be a whole number from 1, or all".to_owned()),
        }
    }
}

fn hours(text: &str) -> Result<f64, String> {
    let hours = text.parse().ok().filter(|hours| (0.0..=1_000_000.0).contains(hours));
    hours.ok_or_else(|| "must be a number from 0 to 1000000".to_owned())
}

/// The window's length in nanoseconds.
pub(super) fn window_nanos(hours: f64) -> u64 {
    super::shop::chance::whole(hours * HOUR_SECONDS * 1e9)
}

impl GenerateArgs {
    /// Where requests go.
    pub(super) fn target(&self) -> Result<Uri, GenerateError> {
        let (default, path) = match self.protocol {
            Protocol::Grpc => ("http://127.0.0.1:4317", GRPC_PATH),
            Protocol::HttpProtobuf | Protocol::HttpJson => ("http://127.0.0.1:4318", HTTP_PATH),
        };
        let text = self.endpoint.as_deref().unwrap_or(default);
        let base = plain_http("--endpoint", text)?;
        if self.protocol != Protocol::Grpc && base.path().ends_with(HTTP_PATH) {
            return Ok(base);
        }
        let whole = format!("{}{path}", text.trim_end_matches('/'));
        plain_http("--endpoint", &whole)
    }

    /// Where traces are read back.
    pub(super) fn verify_at(&self) -> Result<Option<Uri>, GenerateError> {
        self.verify.as_deref().map(|text| plain_http("--verify", text)).transpose()
    }

    /// How many spans to send, if that ends the run; how many traces, if that does.
    pub(super) fn traces(&self, traces_with: impl FnOnce(u64) -> u64) -> Option<u64> {
        match (self.spans, self.seconds) {
            (Some(spans), _) => Some(traces_with(spans)),
            (None, None) => Some(TRACES),
            (None, Some(_)) => None,
        }
    }

    /// Over how many traces the window is spread.
    pub(super) fn window_traces(traces: Option<u64>) -> u64 {
        traces.unwrap_or(WINDOW_TRACES)
    }

    pub(super) fn attempt_max(&self) -> Duration {
        Duration::from_secs(self.attempt_seconds_max)
    }

    pub(super) fn retry_max(&self) -> Duration {
        Duration::from_secs(self.retry_seconds_max)
    }
}

/// A URL that can be asked without TLS.
fn plain_http(flag: &'static str, text: &str) -> Result<Uri, GenerateError> {
    let wrong = |what: &str| GenerateError::Setting { flag, what: format!("{what}: {text}") };
    let uri: Uri = text.parse().map_err(|_| wrong("is not a URL"))?;
    match uri.scheme_str() {
        Some("http") if uri.authority().is_some() => Ok(uri),
        Some("https") => Err(wrong("TLS is not spoken here, put a proxy in between")),
        _ => Err(wrong("must begin with http://")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: GenerateArgs,
    }

    fn parse(flags: &str) -> Result<GenerateArgs, clap::Error> {
        Cli::try_parse_from(["generate"].into_iter().chain(flags.split_whitespace())).map(|cli| cli.args)
    }

    #[test]
    fn endpoints_become_the_paths_of_their_protocols() {
        for (flags, expected) in [
            ("", "http://127.0.0.1:4317/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
            ("--endpoint http://a:1/", "http://a:1/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
            ("--protocol http/protobuf", "http://127.0.0.1:4318/v1/traces"),
            ("--protocol http/json --endpoint http://a:1", "http://a:1/v1/traces"),
            ("--protocol http/json --endpoint http://a:1/otlp/", "http://a:1/otlp/v1/traces"),
            ("--protocol http/json --endpoint http://a:1/x/v1/traces", "http://a:1/x/v1/traces"),
        ] {
            assert_eq!(parse(flags).unwrap().target().unwrap().to_string(), expected, "{flags}");
        }
        for endpoint in ["localhost:4317", "https://a:1", "ftp://a", "http://", "http://a b"] {
            let args = GenerateArgs { endpoint: Some(endpoint.to_owned()), ..parse("").unwrap() };
            let sentence = args.target().unwrap_err().to_string();
            assert!(sentence.starts_with("--endpoint") && sentence.contains(endpoint), "{sentence}");
        }
    }

    #[test]
    fn a_run_ends_after_traces_spans_or_seconds() {
        let traces = |flags| parse(flags).unwrap().traces(|spans| spans / 10);
        assert_eq!(traces(""), Some(300));
        assert_eq!(traces("--spans 500"), Some(50));
        assert_eq!(traces("--seconds 5"), None);
        assert_eq!(traces("--seconds 5 --spans 500"), Some(50));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for flags in [
            "--spans=0",
            "--rate=-1",
            "--connections=0",
            "--in-flight=0",
            "--request-spans=0",
            "--span-hours=-1",
            "--span-hours=NaN",
            "--compression=lzma",
            "--protocol=http",
            "--verify-traces=some --verify=http://a:1",
        ] {
            let flag = flags.split('=').next().unwrap();
            let error = parse(flags).unwrap_err().to_string();
            assert!(error.contains(flag), "{flags}: {error}");
        }
        assert!(parse("--verify-traces=all").unwrap_err().to_string().contains("--verify"));
        let lacks = parse("--verify-only --verify http://a:1").unwrap_err().to_string();
        assert!(lacks.contains("--start") && lacks.contains("--seed"), "{lacks}");
    }

    #[test]
    fn hours_become_nanoseconds() {
        assert_eq!(window_nanos(0.25), 900_000_000_000);
        assert_eq!(window_nanos(24.0), 86_400_000_000_000);
        assert_eq!(window_nanos(0.0), 0);
    }
}
