//! The program as whoever runs it meets it: how it starts, what it says when it can not, what it does in time, and how it
//! ends.

mod compact;
mod purge;
mod start;
mod stop;
mod wired;

use std::time::{Duration, Instant};

use crate::support::http::get;
use crate::support::process::{Server, command};

/// No wait takes so long unless something is wrong; then the test fails instead of hanging.
const A_WHILE: Duration = Duration::from_mins(1);

/// What the server's metrics say of this number.
fn number(server: &Server, name: &str) -> i64 {
    let text = get(server.web, "/metrics").unwrap().1;
    let number = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    number.unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

/// Waits until the server's metrics say so.
fn says_in_time(server: &Server, name: &str, expected: i64) {
    let began = Instant::now();
    while number(server, name) != expected {
        assert!(began.elapsed() < A_WHILE, "{name} is {} and not {expected}", number(server, name));
    }
}

/// Runs it until it ends by itself: its exit status, standard output and standard error.
fn end_of(args: &[&str]) -> (bool, String, String) {
    let mut command = command(env!("CARGO_BIN_EXE_tracewell"));
    let listen = ["--grpc-listen=127.0.0.1:0", "--http-listen=127.0.0.1:0", "--web-listen=127.0.0.1:0"];
    let listen = if args.first() == Some(&"serve") { &listen[..] } else { &[] };
    let output = command.args(args).args(listen).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// It can not start with `args`, says so in one line that holds `reason`, and nothing of the secret.
fn ends_because(args: &[&str], reason: &str) {
    let (success, _, stderr) = end_of(args);
    let last = stderr.trim_end().lines().last().unwrap_or_default();
    assert!(!success, "{args:?} should not start");
    assert!(last.starts_with("tracewell: ") && last.contains(reason), "{args:?} says {stderr:?}");
    assert!(!stderr.contains("secret"), "{args:?} gives the password away: {stderr}");
}
