//! `tracewell generate`: sends realistic traces to any OTLP endpoint, for a first look and as a load generator.
//!
//! ```text
//!  shop/ (pure) -> plan.rs -> request.rs: encoder threads -> bounded channel -> run.rs: senders -> client.rs
//!                                                                               deliver.rs (retries), answer.rs
//!                  tally.rs -> report.rs                     verify/: reads traces back and compares them
//! ```
//!
//! What is sent depends on the seed and on the window of start times, and on nothing else; so whatever was sent can be
//! made again and compared with what a backend gives back. Nothing here is used by the server.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::UnixNanos;

mod answer;
mod client;
mod deliver;
mod plan;
mod report;
mod request;
mod run;
mod settings;
mod shop;
mod tally;
mod verify;

pub use report::Report;
pub use run::run;
pub use settings::{Compression, GenerateArgs, Protocol, VerifyTraces};

/// Why a run counts as a failure, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// A setting can not be used.
    #[error("{flag} {what}")]
    Setting {
        /// Which one.
        flag: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The endpoint did not take everything.
    #[error("{spans} spans are lost; the first complaint was: {first}")]
    Lost {
        /// How many spans it did not take.
        spans: u64,
        /// What it said the first time.
        first: String,
    },
    /// Not everything came back as it was sent.
    #[error("{wrong} of {traces} traces came back wrong; the first: {first}")]
    Different {
        /// How many traces are different.
        wrong: u64,
        /// How many were compared.
        traces: u64,
        /// Which trace, span and field is the first.
        first: String,
    },
    /// No trace was acknowledged whole.
    #[error("there is no trace to verify")]
    NothingToVerify,
    /// Somebody did not want to wait for the end.
    #[error("interrupted; nobody knows what became of the requests in flight")]
    Interrupted,
    /// The system refuses something that every program needs.
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
}

/// Sends, verifies if asked to, prints the report, and fails if anything was lost or is different.
pub async fn generate(args: GenerateArgs) -> Result<(), GenerateError> {
    let report = run(&args, now()).await?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", report.json())?;
    } else {
        report.write_text(&mut out)?;
    }
    report.verdict()
}

#[expect(clippy::disallowed_methods, reason = "the one look at the clock, at the edge; all else is an argument")]
fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
