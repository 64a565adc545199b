"""AWS's own DynamoDB Local: fetched once, started in memory, gone afterwards."""

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

# AWS itself offers DynamoDB Local without versions; this package carries version 1.25.1 of it, unchanged.
PACKAGE = npm.Package(
    name="amplify-dynamodb-simulator@2.9.30",
    integrity="sha512-xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ==",
    folder="emulator",
)
HOME = ROOT / ".tools" / "dynamodb-local"
_STARTING_SECONDS_MAX = 60


def fetched(home: Path = HOME) -> Path:
    """Give the folder of DynamoDB Local, fetched with npm unless it is there. Raises NotHere and NotGenuine."""
    if shutil.which("java") is None:
        raise npm.NotHere("java is not installed (Debian: apt-get install default-jre-headless)")
    return npm.fetched(PACKAGE, home)


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run it in memory, and give its endpoint.

    It listens on every address of the machine and has no option for that; what it holds is made up. It reports to nobody.
    """
    watchdog = Watchdog()
    try:
        port, process = _started(folder, watchdog)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            _end(process)
    finally:
        watchdog.close()


def _started(folder: Path, watchdog: Watchdog) -> tuple[int, subprocess.Popen[bytes]]:
    deadline = time.monotonic() + _STARTING_SECONDS_MAX
    while time.monotonic() < deadline:
        (port,) = free_ports(1)
        process = _spawned(folder, port)
        watchdog.watch(process.pid)
        while process.poll() is None and time.monotonic() < deadline:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), timeout=1),
            ):
                return port, process
            time.sleep(0.02)
        # Somebody else was quicker to take the port.
        _end(process)
    raise TimeoutError(f"DynamoDB Local does not start; see its output in {folder}")


def _spawned(folder: Path, port: int) -> subprocess.Popen[bytes]:
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
