"""Questions to a server, through its query service: benches/queries asks them and says how long they took."""

import json
import subprocess

from . import processes


def build():
    """Compiles benches/queries, and says where the program is."""
    command = ["cargo", "bench", "--bench", "queries", "--no-run", "--locked", "--quiet", "--message-format", "json"]
    built = subprocess.run(command, cwd=processes.ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = map(json.loads, built.splitlines())
    return next(found["executable"] for found in messages if found.get("target", {}).get("name") == "queries")


class Questions:
    """To ask about the hours before `end` (in seconds since 1970)."""

    def __init__(self, program, end, hours, kind_seconds):
        self.program, self.window = program, ["--end", str(end), "--hours", str(hours)]
        self.window += ["--kind-seconds-max", str(kind_seconds)]

    def ask(self, tracewell, repetitions):
        """Each kind by itself: times and failures, by kind and window."""
        asked = subprocess.run(self.command(tracewell, repetitions), check=True, stdout=subprocess.PIPE, text=True)
        lines = map(json.loads, asked.stdout.splitlines())
        return {(line["kind"], line["window"]): line for line in lines}

    def read(self, tracewell, readers, seconds):
        """Starts readers that ask everything in turns; `communicate` has what came of it."""
        crowd = ["--readers", str(readers), "--seconds", str(seconds)]
        return subprocess.Popen([*self.command(tracewell, 20), *crowd], stdout=subprocess.PIPE, text=True)

    def command(self, tracewell, repetitions):
        address = "http://" + tracewell.addresses["web"]
        return [self.program, "--address", address, *self.window, "--repetitions", str(repetitions)]
