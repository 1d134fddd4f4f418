//! `tracewell generate` against the real doors, against an endpoint that refuses by script, and as a program.

mod program;
mod real;
mod scripted;

use clap::Parser;
use tracewell::cli::generate::{GenerateArgs, GenerateError, Report, run};
use tracewell::cli::{Cli, Command};
use tracewell::model::UnixNanos;

/// A moment of 2026.
const NOW: UnixNanos = UnixNanos(1_790_000_000_123_456_789);

/// The settings that these flags give.
fn args(flags: &str) -> GenerateArgs {
    let words = ["tracewell", "generate"].into_iter().chain(flags.split_whitespace());
    match Cli::parse_from(words).command {
        Some(Command::Generate(args)) => args,
        other => panic!("{other:?}"),
    }
}

/// Runs to the end, and says what the exit status would be.
async fn generate(flags: &str) -> (Report, Result<(), GenerateError>) {
    let report = run(&args(flags), NOW).await.unwrap();
    let verdict = report.verdict();
    (report, verdict)
}

/// The report as a machine reads it.
fn json(report: &Report) -> serde_json::Value {
    serde_json::from_str(&report.json()).unwrap()
}
