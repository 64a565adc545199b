"""A trial: break one condition in a copy of the tree and run the tests that must fail."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.sabotage.conditions import Condition

_ROOT = Path(__file__).parents[2]
_SECONDS_MAX = 600
# Every trial is a fork of a process that has imported these, because they take longer than most
# tests. The list has no module of the project: a trial imports these from its copy.
_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(
    [
        "aws_lambda_powertools", "boto3", "hypothesis.stateful", "jsonschema", "moto.server",
        "moto.awslambda_simple.models", "moto.dynamodb.models", "moto.events.models",
        "moto.s3.models", "moto.secretsmanager.models", "moto.sqs.models",
        "moto.stepfunctions.models", "PIL.Image", "pydantic", "pynamodb.models", "pytest",
        "replicate", "requests", "runwayml", "samcli.yamlhelper",
        "samtranslator.policy_template_processor.processor", "standardwebhooks",
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a trial. `failed_test` is the first test that failed because of the break."""

    condition: Condition
    seconds: float
    failed_test: str | None
    problem: str | None


def copy_tree(source: Path, copy: Path) -> None:
    """Copy the files that git tracks or would add, as they are in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=source,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in set(filter(None, listed.stdout.split("\0"))):
        if (source / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, copy / name)


def try_condition(condition: Condition, copy: Path) -> Result:
    """Break the condition in this copy, run its tests, and restore the file."""
    started_at = time.monotonic()
    file = copy / condition.file
    intact = file.read_text()
    file.write_text(condition.broken_text(copy))
    try:
        code = _pytest(copy, ["--exitfirst", "--cache-clear", *condition.test_files(copy)])
    finally:
        file.write_text(intact)
    failed = _failed_tests(copy)
    failed_test, problem = None, None
    if code == pytest.ExitCode.TESTS_FAILED and failed:
        (failed_test,) = failed
    elif code == 0:
        problem = "no test failed"
    else:
        problem = "the tests did not run" if code is not None else "the tests did not end"
    return Result(condition, time.monotonic() - started_at, failed_test, problem)


def failing_without_a_break(tests: list[str], copy: Path) -> list[str]:
    """Run these tests on the intact copy. Return those that fail, which no break explains."""
    if tests and _pytest(copy, ["--cache-clear", *tests]) != 0:
        return _failed_tests(copy) or tests
    return []


def _pytest(copy: Path, arguments: list[str]) -> int | None:
    """Run pytest in the copy and return its exit code. None: it ran longer than the limit."""
    process = _FORK.Process(target=_run_pytest, args=(copy, arguments))
    process.start()
    process.join(_SECONDS_MAX)
    if process.exitcode is None:
        process.kill()
        process.join()
        return None
    return process.exitcode


def _run_pytest(copy: Path, arguments: list[str]) -> NoReturn:
    os.chdir(copy)
    # Python compares a module's cached bytecode by the second and the size of the source.
    # A broken file and the restored one may have both in common, so no bytecode is written.
    sys.dont_write_bytecode = True
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != _ROOT]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())
    sys.exit(pytest.main(["--quiet", "--tb=no", *arguments]))


def _failed_tests(copy: Path) -> list[str]:
    """Return the ids of the failed tests. A module that cannot be imported is not among them."""
    path = copy / ".pytest_cache" / "v" / "cache" / "lastfailed"
    failed: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return [name for name in failed if "::" in name]
