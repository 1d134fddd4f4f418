"""The ceiling: PostgreSQL's own COPY of the same rows, from files.

No network, no OTLP, no receipts, no dictionaries, one transaction a connection: what nothing that keeps these rows in this
server can pass. Without indexes, and with those of the hot tier, which says how much of the way down is the indexes' own.
"""

import pathlib
import subprocess
import tempfile
import time

from . import databases, processes


class Rows:
    """The rows of a table, as files of the binary format, one for each connection."""

    def __init__(self, database, connections):
        self.folder = tempfile.TemporaryDirectory()
        self.files = [pathlib.Path(self.folder.name) / f"{part}.copy" for part in range(connections)]
        self.count = int(databases.ask("select count(*) from span_row", database.url))
        for part, file in enumerate(self.files):
            rows = f"select * from span_row where get_byte(trace_id, 15) % {connections} = {part}"
            databases.ask(f"\\copy ({rows}) to '{file}' (format binary)", database.url)

    def make_table(self, database, with_indexes):
        """The same columns, with the indexes of `span_row` or with none."""
        migrate = [processes.BINARY, "migrate", "--database-url", database.url]
        subprocess.run(migrate, check=True, stdout=subprocess.DEVNULL)
        indexes = "" if with_indexes else "excluding indexes"
        databases.ask(f"create table raw (like span_row including all {indexes})", database.url)

    def copy_into(self, database):
        """Copies all rows, all files at once; returns how many seconds it took."""
        began = time.monotonic()
        copy = "\\copy raw from '{}' (format binary)"
        commands = [[*databases.psql(database.url), "--command", copy.format(file)] for file in self.files]
        copies = [subprocess.Popen(command) for command in commands]
        if any([copy.wait() for copy in copies]):
            raise SystemExit("the rows can not be copied back")
        return time.monotonic() - began
