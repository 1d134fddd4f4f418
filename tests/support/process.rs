//! The real binary as a process of its own, on ports that the system chose, and commands whose outcome does not depend
//! on who runs the tests.
//!
//! Nothing here knows what the server answers; for that see the tests that start it.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// How long the server may say nothing while it starts or stops; a test that waits longer has failed.
const SILENCE_SECONDS_MAX: u64 = 60;

/// A running `tracewell serve`. Dropping it kills it.
pub(crate) struct Server {
    /// Where it takes OTLP and queries by gRPC.
    pub(crate) grpc: SocketAddr,
    /// Where it takes OTLP by HTTP.
    pub(crate) http: SocketAddr,
    /// Where it shows how it is.
    pub(crate) web: SocketAddr,
    /// Where it speaks Zipkin, when it was told to.
    pub(crate) zipkin: SocketAddr,
    /// Where it answers Jaeger's gRPC query alone, when it was told to.
    pub(crate) jaeger: SocketAddr,
    child: Child,
    log: Receiver<String>,
}

impl Server {
    /// Starts it on a database and returns when its doors are open.
    pub(crate) fn start(database_url: &str) -> Self {
        Self::start_with(database_url, &[])
    }

    /// The same, with these settings.
    pub(crate) fn start_with(database_url: &str, settings: &[&str]) -> Self {
        let mut command = command(env!("CARGO_BIN_EXE_tracewell"));
        serve(&mut command, database_url).args(settings);
        Self::spawn(command).opened()
    }

    /// Starts it by a shell that first runs `preparation`, which may limit what the server may do.
    pub(crate) fn start_limited(database_url: &str, preparation: &str) -> Self {
        let mut shell = command("sh");
        shell.args(["-c", &format!("{preparation}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_tracewell")]);
        serve(&mut shell, database_url);
        Self::spawn(shell).opened()
    }

    /// Starts it on a database, and does not wait for anything.
    pub(crate) fn launch(database_url: &str) -> Self {
        let mut command = command(env!("CARGO_BIN_EXE_tracewell"));
        serve(&mut command, database_url);
        Self::spawn(command)
    }

    fn opened(mut self) -> Self {
        let server = &mut self;
        let mut lines = Vec::new();
        while !server.is_open() {
            match server.next_line() {
                Some(line) => lines.push(line),
                None => panic!("the server ended before it listened:\n{}", lines.join("\n")),
            }
        }
        self
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = channel();
        // Reads to the end, so that the server never waits for somebody to read its log.
        thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { grpc: nowhere, http: nowhere, web: nowhere, zipkin: nowhere, jaeger: nowhere, child, log }
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has said where it listens.
    pub(crate) fn is_open(&self) -> bool {
        self.grpc.port() != 0
    }

    /// Kills it, as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.terminate();
        while self.next_line().is_some() {}
        self.child.wait().unwrap()
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        let pid = self.pid().to_string();
        // The shell has a `kill` of its own; there may be no other.
        let asked = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().unwrap();
        assert!(asked.success());
    }

    /// Takes the addresses from the lines of the log that tell them: the one for people and tools comes first.
    fn read_addresses(&mut self, line: &str) {
        let Ok(line) = serde_json::from_str::<Value>(line) else { return };
        let address = |name: &str| line.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
        let message = line.get("message").and_then(Value::as_str);
        if message.is_some_and(|message| message == "starting" || message.starts_with("listening")) {
            let places = [&mut self.grpc, &mut self.http, &mut self.web, &mut self.zipkin, &mut self.jaeger];
            for (name, place) in ["grpc", "http", "web", "zipkin", "jaeger"].into_iter().zip(places) {
                *place = address(name).unwrap_or(*place);
            }
        }
    }

    /// Waits for a line of its log that has this text.
    pub(crate) fn says(&mut self, text: &str) -> String {
        let mut lines = Vec::new();
        while let Some(line) = self.next_line() {
            if line.contains(text) {
                return line;
            }
            lines.push(line);
        }
        panic!("the server ended and never said {text:?}:\n{}", lines.join("\n"));
    }

    /// The next line of its log; `None` when it has ended.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        match self.log.recv_timeout(Duration::from_secs(SILENCE_SECONDS_MAX)) {
            Ok(line) => {
                self.read_addresses(&line);
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the server neither starts nor stops"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            // Why may stand there.
            self.log.try_iter().for_each(|line| eprintln!("{line}"));
        }
        // It may have ended already; then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Adds what makes the command a server on ports that the system chooses.
fn serve<'a>(command: &'a mut Command, database_url: &str) -> &'a mut Command {
    command.args(["serve", "--log-format", "json", "--database-url", database_url]);
    command.args(["--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--web-listen", "127.0.0.1:0"])
}

/// A command without those variables that would change what it does: settings of tracewell and of the SDKs, proxies.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy().to_lowercase();
        let ours = text.starts_with("tracewell_") || text == "database_url" || text == "rust_log";
        if ours || text.starts_with("otel_") || text.ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end: what it printed, or, if it failed, what it complained of.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
