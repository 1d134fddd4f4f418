//! The program: reads the command line, runs the command, and ends with one sentence when it can not.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use tracewell::app;
use tracewell::cli::{Cli, Command, generate, health};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => run(app::serve(args)),
        Command::Migrate(args) => run(app::migrate(args)),
        Command::Compact(args) => run(app::compact(args)),
        Command::Generate(args) => run(generate::generate(args)),
        Command::Health(args) => health::check(args.web_listen),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("tracewell: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Threads for what would keep others waiting, like decoding a large request. Many more than there are cores would only
/// take memory.
const BLOCKING_THREADS_MAX: usize = 4;

fn run<E: Error>(command: impl Future<Output = Result<(), E>>) -> Result<(), String> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.max_blocking_threads(BLOCKING_THREADS_MAX).enable_all().build();
    let runtime = runtime.map_err(|error| format!("can not start the runtime: {error}"))?;
    let result = runtime.block_on(command).map_err(|error| sentence(&error));
    // Whatever still runs was given its time.
    runtime.shutdown_background();
    result
}

/// The error and its causes, each behind a colon, without those that say what stands there already.
fn sentence(error: &dyn Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !sentence.contains(&text) {
            sentence = format!("{sentence}: {text}");
        }
        cause = error.source();
    }
    sentence.replace('\n', " ")
}
