"""The machine and the server that figures were taken on, in one line."""

import os

from . import databases


def describe():
    model = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    version = "select ', PostgreSQL ' || current_setting('server_version') || ', fsync ' || current_setting('fsync')"
    server = databases.ask(version) if databases.SERVER else ""
    return f"{os.cpu_count()} cores of {model}, {memory_bytes / 1024**3:.0f} GiB, Linux {os.uname().release}{server}"
