"""The container engine, and a local stack that containers can reach."""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from local.description import DIRECTORY, NoStack, StackDescription

_STARTING_SECONDS_MAX = 60.0
_ENDING_SECONDS_MAX = 30.0
_ENGINE_SECONDS_MAX = 20.0
_LOG = DIRECTORY / "sam-local" / "stack.log"


class Unreachable(Exception):
    """Containers cannot reach the running stack. The message has the remedy."""


def engine_problem() -> str | None:
    """Return why `docker info` does not succeed, or None if it does."""
    try:
        found = _docker("info")
    except FileNotFoundError:
        return "there is no docker command"
    except subprocess.TimeoutExpired:
        return "docker info does not respond"
    lines = found.stderr.strip().splitlines()
    return None if found.returncode == 0 else (lines[-1] if lines else "docker info failed")


def bridge_address() -> str:
    """Return the address of this machine on the default bridge of Docker.

    Raises LookupError if Docker names none.
    """
    form = "{{range .IPAM.Config}}{{.Gateway}} {{.Subnet}}{{end}}"
    gateway, _, subnet = _docker("network", "inspect", "bridge", "-f", form).stdout.partition(" ")
    if gateway:
        return gateway
    if not subnet.strip():
        raise LookupError("Docker has no default bridge.")
    # Docker then uses the first address of the subnet.
    return str(next(ipaddress.ip_network(subnet.strip()).hosts()))


def has_image(image: str) -> bool:
    """Return whether the engine has an image, so that SAM CLI need not pull it."""
    return _docker("image", "inspect", image).returncode == 0


@contextmanager
def reachable_stack() -> Iterator[StackDescription]:
    """Return the running stack, or start one at the bridge and stop it at the end.

    Raises Unreachable if a stack runs that listens only on 127.0.0.1.
    """
    stack = _running()
    if stack is None:
        with _started(bridge_address()) as started:
            yield started
        return
    if ipaddress.ip_address(urlsplit(stack.aws_url).hostname or "").is_loopback:
        raise Unreachable(
            "The running stack listens only on 127.0.0.1, which containers cannot reach. Stop it,"
            f" or start it with `HOST={bridge_address()} make run`."
        )
    yield stack


def _running() -> StackDescription | None:
    try:
        return StackDescription.read()
    except NoStack:
        return None


@contextmanager
def _started(host: str) -> Iterator[StackDescription]:
    _LOG.parent.mkdir(parents=True, exist_ok=True)
    ports = {"PORT": "0", "AWS_PORT": "0", "REPLICATE_PORT": "0"}
    environment = {
        name: value for name, value in os.environ.items() if name != "REPLICATE_API_TOKEN"
    }
    with _LOG.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "local", "run"],
            env={**environment, **ports, "HOST": host, "DEMO_DATA": "0"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _described(process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_ENDING_SECONDS_MAX)


def _described(process: subprocess.Popen[bytes]) -> StackDescription:
    give_up_at = time.monotonic() + _STARTING_SECONDS_MAX
    while process.poll() is None and time.monotonic() < give_up_at:
        stack = _running()
        if stack and stack.process_id == process.pid:
            return stack
        time.sleep(0.1)
    raise Unreachable(f"The local stack did not start:\n{_LOG.read_text()}")


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (the engine of this machine)
        ["docker", *arguments],  # noqa: S607
        check=False,
        capture_output=True,
        text=True,
        timeout=_ENGINE_SECONDS_MAX,
    )
