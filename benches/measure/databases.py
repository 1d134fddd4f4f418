"""A new database for each run, and what it says of itself. PostgreSQL is the server that BENCH_DATABASE_URL names."""

import functools
import os
import pathlib
import subprocess
import tempfile

from . import processes

SERVER = os.environ.get("BENCH_DATABASE_URL")


class Sqlite:
    engine = "SQLite"

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.file = pathlib.Path(self.folder.name) / "spans.db"
        self.url = f"sqlite:{self.file}"
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def settle(self):
        pass

    def usage(self, tracewell):
        """SQLite is a part of tracewell: its CPU is in tracewell's, and what that writes is SQLite's."""
        return {"logged_bytes": processes.written_bytes(tracewell)}

    def bytes(self):
        return sum(file.stat().st_size for file in self.file.parent.iterdir())


class Postgres:
    engine = "PostgreSQL"
    name = f"tracewell_bench_{os.getpid()}"
    server, _, _parameters = (SERVER or "").partition("?")
    url = server.rsplit("/", 1)[0] + "/" + name + (f"?{_parameters}" if _parameters else "")

    def __enter__(self):
        ask(f"create database {self.name} encoding 'UTF8' template template0")
        return self

    def __exit__(self, *_):
        ask(f"drop database {self.name} with (force)")

    def settle(self):
        """Begins every run with the same distance to the next checkpoint."""
        ask("checkpoint")

    def usage(self, _tracewell):
        """`database_seconds` is of the whole server, and there only if that runs on this machine."""
        used = {"logged_bytes": int(ask("select pg_current_wal_insert_lsn() - '0/0'"))}
        if self.postmaster():
            used["database_seconds"] = processes.family_seconds(self.postmaster())
        return used

    @functools.cache
    def postmaster(self):
        """The server's first process, the parent of all others; `None` if it does not run here."""
        session = subprocess.Popen(psql(self.url), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        session.stdin.write("select pg_backend_pid();\n")
        session.stdin.flush()
        backend = session.stdout.readline().strip()
        found = processes.parent(backend) if processes.is_postgres(backend, self.name) else None
        session.communicate()
        return found

    def bytes(self):
        return int(ask(f"select pg_database_size('{self.name}') - pg_database_size('template0')"))


def ask(statement, url=SERVER):
    """The answer to a statement, or to what psql understands beside SQL."""
    asked = subprocess.run([*psql(url), "--command", statement], check=True, capture_output=True, text=True)
    return asked.stdout.strip()


def psql(url):
    return ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--quiet", url]
