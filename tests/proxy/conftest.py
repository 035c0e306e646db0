import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from .upstreams import TornadoUpstream, settings_text

SITE = Path(__file__).with_name("site.py")


class Site:
    """A running mini site."""

    def __init__(self, process, port, log):
        self.process, self.port, self._log = process, port, log

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(self, method, path, body=None, headers=()):
        connection = self.connection()
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        answer.content = answer.read()
        connection.close()
        return answer

    def facts(self):
        return json.loads(self.ask("GET", "/-/facts").content)

    def log(self):
        return self._log.read_text()


@contextmanager
def running_site(record, **options):
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        options = {"proxy_timeout": 10, **options}
        if options.get("static"):
            options["cache"] = f"{folder}/cache"
        environment = {**os.environ, "PYTHONPATH": str(SITE.parents[2])}
        with log.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-P", str(SITE), settings_text(record, **options)],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
            )
        try:
            line = process.stdout.readline()
            assert line, log.read_text()
            yield Site(process, int(line), log)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()


def until(condition, *, seconds=10):
    """Wait for a condition, and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.005)
    return value


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="pn") as place:
        yield Path(place)


@pytest.fixture(scope="module")
def upstream():
    with tempfile.TemporaryDirectory(prefix="pn") as place:
        Path(place, "file.txt").write_bytes(bytes(range(256)) * 4)
        server = TornadoUpstream(Path(place))
        yield server
        server.close()


@pytest.fixture(scope="module")
def site(upstream):
    with running_site(upstream.record) as running:
        yield running
