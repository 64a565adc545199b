"""macOS and Windows: the refusal of `make run`, and the dev container."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local import __main__ as command
from local.lambda_runtime.execution_environment import EmulatorUnavailable, emulator
from tests.aws import ROOT

PAGE = "docs/macos-and-windows.md"
DEV_CONTAINER = ROOT / ".devcontainer"


def make(*arguments: str, path: str) -> subprocess.CompletedProcess[str]:
    """Run make with a changed PATH, as from a shell, also if these tests run within make."""
    shell = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env=shell | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(("system", "status"), [("Linux", 0), ("Darwin", 2), ("MINGW64_NT", 2)])
def test_make_refuses_another_system(system: str, status: int, tmp_path: Path) -> None:
    uname = tmp_path / "uname"
    uname.write_text(f"#!/bin/sh\necho {system}\n")
    uname.chmod(0o755)

    done = make("linux", path=f"{tmp_path}:{os.environ['PATH']}")

    assert done.returncode == status
    assert (PAGE in done.stderr) == (status != 0)


@pytest.mark.parametrize("target", ["run", "demo"])
def test_make_checks_the_system_before_the_build(target: str) -> None:
    commands = make("--dry-run", "--always-make", target, path=os.environ["PATH"]).stdout

    assert commands.startswith('[ "$(uname -s)" = Linux ]')
    assert "sam build" in commands


@pytest.mark.parametrize(
    ("system", "machine"), [("darwin", "arm64"), ("win32", "AMD64"), ("linux", "riscv64")]
)
def test_the_stack_names_the_system_without_an_emulator(
    system: str, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)

    with pytest.raises(EmulatorUnavailable, match=rf"{system} \({machine}\).*{PAGE}"):
        emulator()


def test_this_machine_has_an_emulator() -> None:
    assert emulator().is_file()


def test_the_dev_container_forwards_the_ports_of_make_run_under_the_same_numbers() -> None:
    described = json.loads((DEV_CONTAINER / "devcontainer.json").read_text())
    ports = [command._API_PORT, command._AWS_PORT, command._REPLICATE_PORT]

    assert described["forwardPorts"] == ports
    assert list(described["portsAttributes"]) == [str(port) for port in ports]
    assert all(port["requireLocalPort"] for port in described["portsAttributes"].values())


def test_the_dev_container_has_what_the_readme_asks_for() -> None:
    described = json.loads((DEV_CONTAINER / "devcontainer.json").read_text())
    image = (DEV_CONTAINER / described["build"]["dockerfile"]).read_text()
    readme = (ROOT / "README.md").read_text()
    (packages,) = re.findall(r"Debian: `apt-get install (make\s+python3-venv)`", readme)

    assert described["postCreateCommand"] == "make setup"
    assert [package for package in packages.split() if package not in image.split()] == []
    assert re.search(r"^FROM \S+:\d+-bookworm$", image, re.MULTILINE)
