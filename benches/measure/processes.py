"""tracewell and its load generator as processes, and what Linux counts of any process."""

import json
import os
import pathlib
import signal
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/tracewell"
CONNECTIONS, IN_FLIGHT = 4, 4
PROC = pathlib.Path("/proc")


class Tracewell:
    """The server on a database."""

    def __init__(self, url, *flags):
        self.url, self.flags = url, flags

    def __enter__(self):
        listen = [f"--{door}-listen=127.0.0.1:0" for door in ("grpc", "http", "web")]
        command = [BINARY, "serve", "--log-format", "json", "--database-url", self.url, *listen, *self.flags]
        self.process, self.addresses = subprocess.Popen(command, stderr=subprocess.PIPE, text=True), {}
        for line in self.process.stderr:
            event = json.loads(line)
            if event.get("message", "").startswith("listening"):
                self.addresses = {**self.addresses, **event}
            if event.get("message") == "listening":
                # A pipe that nobody reads would stop the server some day.
                threading.Thread(target=self.process.stderr.read, daemon=True).start()
                return self
        raise SystemExit(f"the server did not start on {self.url}")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    @property
    def pid(self):
        return self.process.pid

    def send(self, protocol, compression, spans, rate=None, ahead=True, seed=7, start=None, hours=None):
        """Sends spans and returns the load generator's report. `ahead`: they are all made before the first is sent.
        `start` (in seconds since 1970) and `hours` are the time that they are of."""
        endpoint = "http://" + self.addresses["grpc" if protocol == "grpc" else "http"]
        command = [BINARY, "generate", "--json", "--seed", str(seed), "--spans", str(spans), "--endpoint", endpoint]
        command += ["--protocol", protocol, "--compression", compression]
        command += ["--connections", str(CONNECTIONS), "--in-flight", str(IN_FLIGHT)]
        command += ["--rate", str(rate)] if rate else []
        command += ["--prepare"] if ahead else []
        command += ["--start", str(start), "--span-hours", str(hours)] if start else []
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def seconds(pid):
    """CPU seconds of a process."""
    return sum(map(int, stat(pid)[11:13])) / os.sysconf("SC_CLK_TCK")


def family_seconds(pid):
    """CPU seconds of a process and of all children that it has and has had."""
    family = [stat(child)[11:13] for child in pids() if parent(child) == pid] + [stat(pid)[11:15]]
    return sum(int(ticks) for member in family for ticks in member) / os.sysconf("SC_CLK_TCK")


def parent(pid):
    return int(stat(pid)[1])


def stat(pid):
    """What stands behind the name in /proc/pid/stat; zeros for a process that has just ended."""
    try:
        return (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return ["0"] * 50


def is_postgres(pid, database):
    """Whether it is a process of this machine, by whose title PostgreSQL serves this database."""
    try:
        title = (PROC / str(pid) / "cmdline").read_text()
    except OSError:
        return False
    return title.startswith("postgres: ") and database in title


def pids():
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def resident_bytes(pid, peak=False):
    status = (PROC / str(pid) / "status").read_text()
    name = "VmHWM:" if peak else "VmRSS:"
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(name))


def written_bytes(pid):
    """What a process has given to the disk; only its owner may know."""
    io = (PROC / str(pid) / "io").read_text()
    return next(int(line.split()[1]) for line in io.splitlines() if line.startswith("write_bytes"))
