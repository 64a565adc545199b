"""The sample events on the running stack, and `make invoke` and `make events` beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.sam_local.files import write_files
from local.stack import LocalStack
from tests.aws import ROOT
from tools.sample_events import samples

_SECONDS_MAX = 180


@pytest.fixture(scope="module")
def files(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the files that `make run` writes."""
    directory = tmp_path_factory.mktemp("files")
    write_files(stack.describe(), directory=directory)
    return directory


def run(files: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the Makefile does, beside the stack that `files` describes."""
    own = {"PYTHONPATH": "shared", "LOCAL_FILES": str(files)}
    inherited = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**inherited, **own},
        capture_output=True,
        text=True,
        timeout=_SECONDS_MAX,
        check=False,
    )


def test_every_sample_event_has_its_answer_and_its_effect(files: Path) -> None:
    done = run(files, "tests.e2e.check_sample_events")

    names = {
        f"{function}/{name}" for function, names in samples.choices().items() for name in names
    }
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.splitlines()) == {f"{name}: ok" for name in names}
    for name in names:
        committed, filled = (
            json.loads((directory / "events" / f"{name}.json").read_text())
            for directory in (ROOT, files)
        )
        assert filled.keys() == committed.keys(), name


def test_make_invoke_prints_the_answer_and_the_log(files: Path) -> None:
    done = run(files, "tools.invoke", "api", "submit_job")

    answer = json.loads(done.stdout)
    assert (done.returncode, answer["statusCode"]) == (0, 202)
    assert "job accepted" in done.stderr
    assert "REPORT RequestId" in done.stderr
    assert "Traceback" not in done.stderr


def test_make_invoke_fails_if_the_function_fails(files: Path, tmp_path: Path) -> None:
    # The job of the committed sample exists on no stack.
    own = tmp_path / "own.json"
    own.write_text(json.dumps(samples.read("store_output", "prediction_finished")))

    done = run(files, "tools.invoke", "store_output", str(own))

    assert (done.returncode, json.loads(done.stdout)["errorType"]) == (1, "NotFound")
