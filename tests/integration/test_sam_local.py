"""`make sam-local`: every sample event and the API in containers. It needs a container engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.aws import ROOT
from tools.sam_local import containers

_SECONDS_MAX = 1_800


def run(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {"PYTHONPATH": "shared", "LOCAL_FILES": str(tmp_path), **variables}
    return subprocess.run(
        [sys.executable, "-m", "tools.sam_local"],
        cwd=ROOT,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        timeout=_SECONDS_MAX,
        check=False,
    )


def test_sam_local_answers_every_event_and_serves_the_api(tmp_path: Path) -> None:
    if problem := containers.engine_problem():
        pytest.skip(f"not tried: {problem}")

    done = run(tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every answer is right." in done.stdout


def test_without_an_engine_sam_local_is_reported_as_not_tried(tmp_path: Path) -> None:
    done = run(tmp_path, DOCKER_HOST=f"unix://{tmp_path}/no.sock")

    assert done.returncode == 0
    assert done.stdout.startswith("sam local: not tried, because ")
