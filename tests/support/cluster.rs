//! A PostgreSQL server of a test's own, which may be stopped and started again; `postgres.rs` has databases on the
//! server that all tests share.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::directory::Directory;
use super::process::{command, run};

/// Ports below those that the system gives to clients and to whoever asks for any: the server comes back on the port
/// that it had, and nobody else may take it meanwhile.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
const PORT_ATTEMPTS_MAX: u32 = 20;

/// PostgreSQL refuses to run as root; then it runs as its own user, or as nobody.
const AS_SERVER: &str = r#"
    cd /
    [ "$(id -u)" -eq 0 ] || exec "$0" "$@"
    user=nobody
    ! id -u postgres >/dev/null 2>&1 || user=postgres
    exec setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups "$0" "$@"
"#;

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
# What a killed server has written is safe in the system's memory.
fsync = off
";

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Transactions are rolled back, clients are told.
    Fast,
    /// As after a crash: nothing is tidied up, the next start recovers.
    Immediate,
}

/// A running server, gone with this value.
pub(crate) struct Cluster {
    programs: PathBuf,
    data: String,
    port: u16,
    _directory: Directory,
}

impl Cluster {
    /// Makes one and starts it.
    pub(crate) fn create() -> Self {
        let directory = Directory::create();
        let (programs, data) = (programs(), directory.file("cluster"));
        fs::create_dir(&data).unwrap();
        let id = |of: &str| run(&mut as_server("id", &[of])).unwrap().trim().parse().unwrap();
        std::os::unix::fs::chown(&data, Some(id("-u")), Some(id("-g"))).unwrap();
        let mut cluster = Self { programs, data, port: 0, _directory: directory };
        let initdb = cluster.programs.join("initdb");
        let options = "--username=postgres --auth=trust --no-sync --encoding=UTF8 --locale=C.UTF-8 --lc-messages=C";
        let arguments: Vec<_> = ["-D", &cluster.data].into_iter().chain(options.split(' ')).collect();
        run(&mut as_server(initdb.to_str().unwrap(), &arguments)).unwrap();
        let settings = format!("{}/postgresql.conf", cluster.data);
        let defaults = fs::read_to_string(&settings).unwrap();
        fs::write(&settings, defaults + SETTINGS).unwrap();
        cluster.start_on_any_port();
        cluster
    }

    /// Its database, which is empty at first. PostgreSQL can not be asked for any free port, so ports are tried.
    fn start_on_any_port(&mut self) {
        let mut numbers = super::random::Random::from_chance();
        for _ in 0..PORT_ATTEMPTS_MAX {
            let offset = numbers.below(u64::from(PORTS.end - PORTS.start));
            self.port = PORTS.start + u16::try_from(offset).unwrap();
            match self.try_start() {
                Ok(()) => return,
                Err(log) => assert!(log.contains("Address already in use"), "PostgreSQL does not start:\n{log}"),
            }
        }
        panic!("there is no free port for PostgreSQL");
    }

    /// Where its database is.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops it.
    pub(crate) fn stop(&self, how: Stop) {
        let how = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        self.control(&["-m", how, "-w", "stop"]).unwrap();
    }

    /// Starts it again, where it was.
    pub(crate) fn start(&self) {
        self.try_start().unwrap();
    }

    /// Fails with the server's log.
    fn try_start(&self) -> Result<(), String> {
        let log = format!("{}/start.log", self.data);
        let started = self.control(&["-l", &log, "-o", &format!("-p {}", self.port), "-w", "start"]);
        let started = started.map_err(|complaint| complaint + &fs::read_to_string(&log).unwrap_or_default());
        if started.is_err() {
            fs::remove_file(&log).unwrap();
        }
        started
    }

    fn control(&self, arguments: &[&str]) -> Result<(), String> {
        let program = self.programs.join("pg_ctl");
        let mut control = as_server(program.to_str().unwrap(), &["-D", &self.data]);
        run(control.args(arguments)).map(drop)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may be stopped already.
        drop(self.control(&["-m", "immediate", "-w", "stop"]));
    }
}

fn as_server(program: &str, arguments: &[&str]) -> Command {
    let mut shell = command("sh");
    shell.args(["-c", AS_SERVER, program]).args(arguments);
    shell
}

/// The folder of the newest PostgreSQL there is, as `scripts/test` finds it.
fn programs() -> PathBuf {
    let find = "find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1";
    let newest = run(command("sh").args(["-c", find])).unwrap();
    let found = if newest.is_empty() { run(command("sh").args(["-c", "command -v initdb"])) } else { Ok(newest) };
    let initdb = found.expect("install PostgreSQL or run ./scripts/test: there is no initdb");
    fs::canonicalize(initdb.trim()).unwrap().parent().unwrap().to_owned()
}
