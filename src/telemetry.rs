//! Floor 0: log lines. One line an event on standard error, for a person (compact) or for a machine (JSON).
//!
//! tracewell exports no spans of its own, so it can never send them to itself.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, level, message and fields, coloured on a terminal.
    Compact,
    /// One JSON object a line.
    Json,
}

/// PostgreSQL's notices ("already exists, skipping") are news to nobody, unless somebody asks for them.
const LEVELS_BEFORE: &str = "sqlx::postgres::notice=warn";

/// Sends log lines to standard error from here on. `levels` is a level, or a list of `target=level`, as
/// tracing-subscriber's `EnvFilter` reads it. Does nothing when the process already logs.
pub fn start(format: LogFormat, levels: &str) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(format!("{LEVELS_BEFORE},{levels}"))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // An error means that a subscriber is set already, by a program that has this crate as its library.
    let _ = match format {
        LogFormat::Compact => lines.compact().with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}
