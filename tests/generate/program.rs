//! `tracewell generate` as a program, against `tracewell serve` as another.

use serde_json::Value;

use crate::support::directory::Directory;
use crate::support::process::{Server, command, run};

/// Scenario: the first thing that a newcomer does. Guarantee: hundreds of traces are sent, all of them come back, and
/// the report is a line of JSON; when nobody listens, the exit status and one sentence say so.
#[test]
fn a_first_look_works() {
    let directory = Directory::create();
    let server = Server::start(&format!("sqlite:{}", directory.file("tracewell.db")));
    let endpoint = format!("http://{}", server.grpc);
    let flags = ["--endpoint", &endpoint, "--verify", &endpoint, "--verify-traces", "all", "--json"];
    let printed = run(tracewell().args(flags)).unwrap();
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&report["traces"], &report["verified"]["traces_wrong"]), (&300.into(), &0.into()), "{printed}");
    // A second run is another one: its traces do not mix with those of the first.
    let flags = ["--endpoint", &endpoint, "--spans", "100", "--verify", &endpoint, "--verify-traces", "all"];
    let text = run(tracewell().args(flags)).unwrap();
    assert!(text.starts_with("sent      ") && text.contains("made from --seed "), "{text}");
    assert!(server.stop().success());

    let complaint = run(tracewell().args(["--endpoint", &endpoint, "--spans", "1", "--retry-seconds-max", "0"]));
    let complaint = complaint.unwrap_err();
    assert!(complaint.starts_with("tracewell: ") && complaint.contains("spans are lost"), "{complaint}");
}

fn tracewell() -> std::process::Command {
    let mut command = command(env!("CARGO_BIN_EXE_tracewell"));
    command.arg("generate");
    command
}
