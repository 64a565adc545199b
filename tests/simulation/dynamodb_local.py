"""AWS's DynamoDB Local: installed once, started in memory, stopped after the tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.lambda_runtime.processes import Watchdog, end_session, free_ports
from tests import npm
from tests.aws import ROOT

# AWS offers downloads of DynamoDB Local without versions. This package contains version 1.25.1,
# unchanged.
PACKAGE = npm.Package(
    name="amplify-dynamodb-simulator@2.9.30",
    integrity="sha512-xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ==",
    folder="emulator",
)
HOME = ROOT / ".tools" / "dynamodb-local"
_STARTING_SECONDS_MAX = 60


def fetched(home: Path = HOME) -> Path:
    """Return the folder of DynamoDB Local. Installs it with npm if it is missing.

    Raises NotHere and NotGenuine.
    """
    if shutil.which("java") is None:
        raise npm.NotHere("java is not installed (Debian: apt-get install default-jre-headless)")
    return npm.fetched(PACKAGE, home)


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run DynamoDB Local in memory, and yield its endpoint.

    It listens on every address of the machine and has no option to change that. Its data are test
    data. Telemetry is off.
    """
    watchdog = Watchdog()
    try:
        port, process = _start(folder, watchdog)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            _end(process)
    finally:
        watchdog.close()


def _start(folder: Path, watchdog: Watchdog) -> tuple[int, subprocess.Popen[bytes]]:
    deadline = time.monotonic() + _STARTING_SECONDS_MAX
    while time.monotonic() < deadline:
        (port,) = free_ports(1)
        process = _spawn(folder, port)
        watchdog.watch(process.pid)
        while process.poll() is None and time.monotonic() < deadline:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), timeout=1),
            ):
                return port, process
            time.sleep(0.02)
        # Another process has bound the port in the meantime.
        _end(process)
    raise TimeoutError(f"DynamoDB Local does not start; see its output in {folder}")


def _spawn(folder: Path, port: int) -> subprocess.Popen[bytes]:
    program = ["java", "-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"]
    with (folder / f"output-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}.log").open(
        "wb"
    ) as output:
        return subprocess.Popen(
            [*program, "-inMemory", "-disableTelemetry", "-port", str(port)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    end_session(process.pid)
    process.wait()
