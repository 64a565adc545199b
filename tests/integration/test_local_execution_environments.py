"""An execution environment has only deployed code and variables, and leaves no process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local.lambda_runtime.concurrency import ExecutionEnvironments
from local.lambda_runtime.functions import FunctionSpec
from local.lambda_runtime.runtime_directory import install_runtime

HANDLER = """
import importlib.util, os, sys, time

def handler(event, context):
    if "sleep" in event:
        time.sleep(event["sleep"])
    if "raise" in event:
        raise LookupError(event["raise"])
    if "exit" in event:
        os._exit(event["exit"])
    if "answer" in event:
        return event["answer"]
    return {
        "process": os.getpid(),
        "variables": sorted(os.environ),
        "path": sys.path,
        "sees_moto": importlib.util.find_spec("moto") is not None,
    }
"""
PATIENCE_SECONDS = 10

type Start = Callable[..., ExecutionEnvironments]


@pytest.fixture(scope="module")
def runtime_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_runtime(tmp_path_factory.mktemp("runtime"))


@pytest.fixture
def start(tmp_path: Path, runtime_dir: Path) -> Iterator[Start]:
    """Return a function that starts the environments of one function. They end with the test."""
    started = []

    def start_one(code: str = HANDLER, timeout_seconds: int = 5) -> ExecutionEnvironments:
        (tmp_path / "handler.py").write_text(code)
        variables = {
            "TABLE_NAME": "darkroom",
            "PATH": "/usr/bin:/bin",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_seconds),
            "LAMBDA_TASK_ROOT": str(tmp_path),
        }
        function = FunctionSpec(
            "Trial", "trial", "handler.handler", tmp_path, (), variables, timeout_seconds, 128
        )
        environments = ExecutionEnvironments(
            {"trial": function}, runtime_dir=runtime_dir, log_dir=tmp_path
        )
        started.append(environments)
        return environments

    yield start_one
    for environments in started:
        environments.close()


def invoke(environments: ExecutionEnvironments, **event: Any) -> tuple[bool, Any]:
    result = environments.invoke("trial", json.dumps(event).encode())
    return result.failed, json.loads(result.payload)


def is_running(process_id: int) -> bool:
    stat = Path(f"/proc/{process_id}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_function_gets_no_environment_variables_of_this_machine(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKED", "from this machine")
    failed, environment = invoke(start())

    assert not failed
    assert "TABLE_NAME" in environment["variables"]
    assert "LEAKED" not in environment["variables"]
    assert not [entry for entry in environment["path"] if entry.endswith("site-packages")]
    assert not environment["sees_moto"]


def test_reuses_an_idle_environment(start: Start) -> None:
    environments = start()

    assert invoke(environments)[1]["process"] == invoke(environments)[1]["process"]


def test_runs_concurrent_invocations_in_separate_environments(start: Start) -> None:
    environments = start()
    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(lambda _: invoke(environments, sleep=3), range(2)))

    assert len({result["process"] for _, result in results}) == 2


def test_an_exception_becomes_an_error_document_with_its_class_name(start: Start) -> None:
    failed, document = invoke(start(), **{"raise": "as you wish"})

    assert failed
    assert (document["errorType"], document["errorMessage"]) == ("LookupError", "as you wish")


def test_a_response_with_the_fields_of_an_error_is_no_error(start: Start) -> None:
    answer = {"errorType": "Mine", "errorMessage": "a field of the domain"}

    assert invoke(start(), answer=answer) == (False, answer)


def test_a_timeout_kills_the_process_and_the_next_invocation_starts_another(start: Start) -> None:
    environments = start(timeout_seconds=1)
    before = invoke(environments)[1]["process"]
    failed, document = invoke(environments, sleep=30)

    assert failed
    assert (document["errorType"], document["errorMessage"]) == (
        "Sandbox.Timedout",
        "Task timed out after 1.00 seconds",
    )
    assert invoke(environments)[1]["process"] != before


def test_a_crash_is_an_exit_error_and_the_next_invocation_succeeds(start: Start) -> None:
    environments = start()
    failed, document = invoke(environments, exit=3)

    assert failed
    assert document["errorType"] == "Runtime.ExitError"
    assert invoke(environments)[0] is False


def test_an_import_error_names_the_missing_module(start: Start) -> None:
    failed, document = invoke(start(code="import nowhere"))

    assert failed
    assert document["errorType"] == "Runtime.ImportModuleError"
    assert "nowhere" in document["errorMessage"]


def test_refuses_a_response_above_the_limit_of_lambda(start: Start) -> None:
    failed, document = invoke(start(code="def handler(event, context): return 'x' * 6_300_000"))

    assert failed
    assert document["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_killed_environment_fails_its_invocation_and_is_replaced(start: Start) -> None:
    environments = start()
    invoke(environments)
    with ThreadPoolExecutor(1) as threads:
        invocation = threads.submit(invoke, environments, sleep=4)
        time.sleep(0.3)
        assert environments.kill("trial") == 1
        failed, document = invocation.result(timeout=2)

    assert failed
    assert document["errorType"] == "Runtime.ExitError"
    assert invoke(environments)[0] is False


def test_no_process_survives_close(start: Start) -> None:
    environments = start()
    process = invoke(environments)[1]["process"]
    environments.close()

    assert not is_running(process)


def test_no_process_survives_a_killed_parent(tmp_path: Path, runtime_dir: Path) -> None:
    (tmp_path / "handler.py").write_text(HANDLER)
    program = f"""
import json, time
from pathlib import Path
from local.lambda_runtime.concurrency import ExecutionEnvironments
from local.lambda_runtime.functions import FunctionSpec
here = Path({str(tmp_path)!r})
variables = {{"AWS_LAMBDA_FUNCTION_TIMEOUT": "60", "LAMBDA_TASK_ROOT": str(here)}}
function = FunctionSpec("Trial", "trial", "handler.handler", here, (), variables, 60, 128)
runtime_dir = Path({str(runtime_dir)!r})
environments = ExecutionEnvironments(
    {{"trial": function}}, runtime_dir=runtime_dir, log_dir=here
)
print(json.loads(environments.invoke("trial", b"{{}}").payload)["process"], flush=True)
environments.invoke("trial", b'{{"sleep": 50}}')
"""
    root = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout
    process = int(parent.stdout.readline())
    assert is_running(process)

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(timeout=PATIENCE_SECONDS)

    wait_until(lambda: not is_running(process))
