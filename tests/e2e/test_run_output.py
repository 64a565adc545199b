"""What `make run` prints: the lines to paste, and one line for each change of a job."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from local.__main__ import describe
from local.job_lines import JobLines
from local.stack import LocalStack
from tests.builders import until
from tests.e2e.actors import Actor, set_faults

SECONDS_MAX = 120
# The line of a job after its id, user and template: the state, the seconds, the credits.
LINE = re.compile(r"\d\d:\d\d:\d\d  (\w{6})  .{10}  .{18}  (.+?) +\d+\.\d s(?:  (.+))?")


@pytest.fixture
def output(stack: LocalStack) -> Iterator[io.StringIO]:
    """The lines of jobs, as `make run` prints them."""
    stream = io.StringIO()
    with JobLines(stream) as lines:
        stack.watch_table(lines.watch)
        yield stream
        stack.watch_table(None)


def states_of(job_id: str, output: io.StringIO) -> list[str]:
    """Return the states of a job in its lines, with the credits."""
    found = [LINE.fullmatch(line) for line in output.getvalue().splitlines()]
    return [
        ": ".join(filter(None, each.groups()[1:]))
        for each in found
        if each and each[1] == job_id[-6:]
    ]


def test_the_lines_to_paste_show_a_completed_job(stack: LocalStack, output: io.StringIO) -> None:
    set_faults(stack, run_seconds=0.1)
    printed = describe(stack, None).replace("ann", "paula")
    script = "".join(f"{line}\n" for line in printed.splitlines() if line.startswith("  "))

    done = subprocess.run(
        ["bash", "-c", script],
        env=os.environ | {"NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=True,
    )

    entry, status, job = done.stdout.split("\n", 2)
    assert json.loads(entry)["available"] == 100
    assert status == "completed"
    assert json.loads(job)["credits"]["charged"] == 10
    assert [line for line in printed.splitlines() if f"{stack.api_url}/docs" in line]
    assert until(lambda: states_of(json.loads(job)["id"], output)[3:]) == [
        "completed: charged 10, refunded 0"
    ]


def test_each_job_has_a_line_for_each_state(
    stack: LocalStack, actor: Actor, output: io.StringIO
) -> None:
    set_faults(stack, run_seconds=0.1)
    completed, refused = actor.submit(), actor.submit(prompt="flag me")
    actor.ended(completed)
    actor.ended(refused)
    set_faults(stack, run_seconds=60)
    canceled = actor.submit()
    actor.until_processing(canceled)
    actor.client.post(f"/jobs/{canceled}/cancel", {})
    actor.ended(canceled)

    assert until(lambda: states_of(canceled, output)[3:]) == ["canceled: refunded 10"]
    assert states_of(canceled, output)[:3] == ["pending: held 10", "processing", "canceling"]
    assert states_of(completed, output) == [
        "pending: held 10",
        "processing",
        "storing",
        "completed: charged 10, refunded 0",
    ]
    assert states_of(refused, output) == [
        "pending: held 10",
        "processing",
        "failed: refused: refunded 10",
    ]


def test_a_moved_port_is_in_the_command_of_the_audit(stack: LocalStack) -> None:
    port = stack.aws_url.rpartition(":")[2]

    assert f"make audit AWS_PORT={port} " in describe(stack, None)
