"""AWS's own DynamoDB Local: fetched once, started in memory, gone afterwards."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.sandboxes.processes import Watchdog, end_session, free_ports
from tests.aws import ROOT

# AWS itself offers DynamoDB Local without versions; this package carries version 1.25.1 of it, unchanged.
PACKAGE = "amplify-dynamodb-simulator@2.9.30"
INTEGRITY = "sha512-xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ=="
HOME = ROOT / ".tools" / "dynamodb-local"
_FETCHING_SECONDS_MAX = 300
_STARTING_SECONDS_MAX = 60


class NotHere(RuntimeError):
    """This machine cannot run DynamoDB Local; the message says what is missing."""


class NotGenuine(RuntimeError):
    """What was fetched is not what was pinned."""


def fetched(home: Path = HOME) -> Path:
    """Give the folder of DynamoDB Local, fetched with npm unless it is there. Raises NotHere and NotGenuine."""
    if shutil.which("java") is None:
        raise NotHere("java is not installed (Debian: apt-get install default-jre-headless)")
    home.parent.mkdir(exist_ok=True)
    # Each worker of a test run asks: one fetches it, the others wait and find it.
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.is_dir():
            with tempfile.TemporaryDirectory(dir=home.parent) as made_here:
                _unpacked(_packed(Path(made_here)), Path(made_here)).rename(home)
    return home


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


def _packed(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise NotHere("npm, which fetches DynamoDB Local, is not installed (Debian: apt-get install npm)")
    command = [npm, "pack", PACKAGE, "--ignore-scripts", "--pack-destination", str(folder)]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_FETCHING_SECONDS_MAX)
    except subprocess.TimeoutExpired as error:
        raise NotHere(f"npm did not fetch {PACKAGE} within {_FETCHING_SECONDS_MAX} seconds") from error
    except subprocess.CalledProcessError as error:
        raise NotHere(f"npm cannot fetch {PACKAGE}: {error.stderr.strip()}") from error
    (archive,) = folder.glob("*.tgz")
    return archive


def _unpacked(archive: Path, folder: Path) -> Path:
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != INTEGRITY:
        raise NotGenuine(f"{PACKAGE} has the integrity {found}, and {INTEGRITY} is pinned")
    with tarfile.open(archive) as package:
        package.extractall(folder, filter="data")
    return folder / "package" / "emulator"


def _started(folder: Path, watchdog: Watchdog) -> tuple[int, subprocess.Popen[bytes]]:
    deadline = time.monotonic() + _STARTING_SECONDS_MAX
    while time.monotonic() < deadline:
        (port,) = free_ports(1)
        process = _spawned(folder, port)
        watchdog.watch(process.pid)
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return port, process
            time.sleep(0.02)
        # Somebody else was quicker to take the port.
        _end(process)
    raise TimeoutError(f"DynamoDB Local does not start; see its output in {folder}")


def _spawned(folder: Path, port: int) -> subprocess.Popen[bytes]:
    program = ["java", "-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"]
    with (folder / f"output-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}.log").open("wb") as output:
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
