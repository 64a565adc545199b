"""MiniStack as a process of its own, and the environment that leads every AWS client to it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from tools.deploy_check.ministack_server import api_id

_PYTHON = Path(".tools/ministack/bin/python")
_SERVER = Path(__file__).with_name("ministack_server.py")
_START_SECONDS_MAX = 60
_STOP_SECONDS_MAX = 20
REGION = "us-east-1"


class EmulatorFailed(Exception):
    """MiniStack did not start. The message has the path of its log."""


class MiniStack:
    """A running MiniStack on a free port of 127.0.0.1. Its context manager stops it."""

    def __init__(self, directory: Path) -> None:
        """Prepare the process. `directory` gets its log and its temporary files."""
        self._directory = directory
        # Layers and functions, extracted: some hundred MB, which `__exit__` deletes.
        self._files = directory / "files"
        self.log = directory / "ministack.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def api_url(self, stack: str) -> str:
        """Return the base URL of a stack's HTTP API, also before the stack exists."""
        return f"{self.url}/_aws/execute-api/{api_id(stack)}"

    def environment(self) -> dict[str, str]:
        """Return the variables that lead every AWS client to this emulator, and nowhere else."""
        nothing = str(self._directory / "no-aws-configuration")
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            # The account of this machine's user must stay out of reach.
            "AWS_CONFIG_FILE": nothing,
            "AWS_SHARED_CREDENTIALS_FILE": nothing,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "SAM_CLI_TELEMETRY": "0",
        }

    def __enter__(self) -> Self:
        """Start MiniStack, and wait until it responds. Raises EmulatorFailed."""
        self._files.mkdir(parents=True, exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 (MiniStack's own environment)
                [_PYTHON, _SERVER, str(self.port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**kept, **self.environment(), "TMPDIR": str(self._files)},
                # Its functions are child processes. `__exit__` ends the whole group.
                start_new_session=True,
            )
        give_up_at = time.monotonic() + _START_SECONDS_MAX
        while not self._responds():
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                self._stop()
                raise EmulatorFailed(f"MiniStack did not start: see {self.log}")
            time.sleep(0.2)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop MiniStack and its functions, and delete their files."""
        self._stop()
        shutil.rmtree(self._files, ignore_errors=True)

    def _responds(self) -> bool:
        try:
            return requests.get(f"{self.url}/_ministack/health", timeout=5).ok
        except requests.RequestException:
            return False

    def _stop(self) -> None:
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                return
            try:
                self._process.wait(_STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                continue


def lead_to(emulator: MiniStack) -> None:
    """Lead every AWS client of this process and of its children to the emulator.

    Raises EmulatorFailed if the endpoint is not on this machine.
    """
    if not emulator.url.startswith("http://127.0.0.1:"):
        raise EmulatorFailed(f"{emulator.url} is not on this machine")
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        os.environ.pop(name, None)
    os.environ.update(emulator.environment())
