"""The demo data of `make run`: what the gallery shows at first."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from local.__main__ import _is_wanted
from local.api_gateway.web_files import DEMO_ADMIN, DEMO_USERS
from local.client import Client
from local.demo_data import DemoData
from local.demo_jobs import CREDITS, JOBS
from local.job_lines import JobLines
from local.stack import LocalStack
from tests.aws import ROOT
from tests.builders import until
from tests.e2e.actors import Actor, signed_in

SECONDS_MAX = 240
# With demo data, the first credits are granted within this time.
_QUIET_SECONDS = 5
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def jobs(stack: LocalStack) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """The jobs of each demo user, after the stack is filled."""
    with DemoData(stack) as demo:
        assert demo.wait(SECONDS_MAX)
        yield {user: list(signed_in(stack, user).pages("/jobs", "jobs")) for user in DEMO_USERS}


@pytest.fixture(scope="module")
def everything(jobs: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [job for of_user in jobs.values() for job in of_user]


def test_there_are_jobs_in_every_state(everything: list[dict[str, Any]]) -> None:
    assert Counter(job["status"] for job in everything) == {
        "completed": 11,
        "failed": 2,
        "canceled": 1,
        "processing": 1,
    }
    assert {job["error"]["code"] for job in everything if job["error"]} == {
        "refused",
        "prediction_failed",
        "canceled",
    }


def test_images_have_several_shapes_and_one_job_is_a_video(
    everything: list[dict[str, Any]],
) -> None:
    outputs = [output for job in everything for output in job["outputs"]]
    shapes = {round(output["width"] / output["height"], 1) for output in outputs}

    assert len(shapes) >= 6
    assert [output["content_type"] for output in outputs].count("video/mp4") == 1
    assert all(output["placeholder"] for output in outputs)


def test_one_job_is_delivered_in_part_and_one_was_run_again(
    everything: list[dict[str, Any]],
) -> None:
    parts = [
        job for job in everything if job["status"] == "completed" and job["credits"]["refunded"]
    ]
    prompts = Counter(job["parameters"]["prompt"] for job in everything)

    assert [(len(job["outputs"]), job["credits"]["charged"]) for job in parts] == [(3, 30)]
    assert [count for count in prompts.values() if count > 1] == [2]
    assert len(everything) == len(JOBS) + 1


def test_a_hostile_prompt_is_stored_as_it_is(everything: list[dict[str, Any]]) -> None:
    assert [job for job in everything if HOSTILE in job["parameters"]["prompt"]]


def test_each_user_has_credits_and_a_balanced_ledger(
    stack: LocalStack, jobs: dict[str, list[dict[str, Any]]]
) -> None:
    for user in jobs:
        account = Actor(stack, user, signed_in(stack, user)).must_have_a_balanced_ledger()
        assert account["granted"] == CREDITS[user]


@pytest.mark.usefixtures("jobs")
def test_the_running_job_takes_no_slot_of_any_provider(stack: LocalStack) -> None:
    admin = signed_in(stack, DEMO_ADMIN, groups=["admin"])

    assert {
        each["name"]: (each["slots"]["in_use"], each["queue"]["waiting"])
        for each in admin.get("/admin/providers")["providers"]
    } == {"replicate": (0, 0), "runway": (0, 0), "stable_diffusion": (0, 0)}


def test_the_running_job_runs_on_and_can_be_canceled(
    stack: LocalStack, jobs: dict[str, list[dict[str, Any]]]
) -> None:
    [running] = [job for job in jobs[DEMO_USERS[0]] if job["status"] == "processing"]
    ann = Actor(stack, DEMO_USERS[0], signed_in(stack, DEMO_USERS[0]))
    assert stack.fire_schedule("RecoverJobsFunction").failed is False
    assert ann.client.get(f"/jobs/{running['id']}")["status"] == "processing"

    ann.client.post(f"/jobs/{running['id']}/cancel", {})

    assert ann.ended(running["id"])["credits"]["refunded"] == running["credits"]["quoted"]


def test_the_lines_of_hidden_users_are_not_printed(stack: LocalStack) -> None:
    stream = io.StringIO()
    hidden, seen = (Actor.arrive(stack, name, credits=20) for name in ("hidden", "seen"))
    with JobLines(stream) as lines:
        lines.hide((hidden.name,))
        stack.watch_table(lines.watch)
        ended = [actor.ended(actor.submit())["id"] for actor in (hidden, seen)]
        stack.watch_table(None)

    assert ended[0][-6:] not in stream.getvalue()
    assert ended[1][-6:] in stream.getvalue()


@contextmanager
def run(directory: Path, **variables: str) -> Iterator[tuple[str, Client]]:
    """Start `local run`. Yield what it prints about the gallery, and a client of demo-ann."""
    ports = dict.fromkeys(("PORT", "AWS_PORT", "REPLICATE_PORT"), "0")
    process = subprocess.Popen(
        [sys.executable, "-m", "local", "run"],
        cwd=ROOT,
        env={**os.environ, **ports, **variables, "LOCAL_FILES": str(directory)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        line = next(line for line in process.stdout if line.startswith("Open "))
        url = line.split()[1].rstrip("/")
        sign_in = requests.post(f"{url}/local/token", json={"user": DEMO_USERS[0]}, timeout=30)
        yield line, Client(url, sign_in.json()["token"])
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_without_demo_data_the_stack_starts_empty(tmp_path: Path) -> None:
    with run(tmp_path, DEMO_DATA="0") as (line, ann):
        assert "demo data" not in line
        assert (ann.get("/credits")["granted"], ann.get("/jobs")["jobs"]) == (0, [])
        time.sleep(_QUIET_SECONDS)
        assert (ann.get("/credits")["granted"], ann.get("/jobs")["jobs"]) == (0, [])


def test_by_default_the_demo_data_comes_after_the_start(tmp_path: Path) -> None:
    with run(tmp_path, DEMO_DATA="") as (line, ann):
        assert "demo data" in line
        assert until(lambda: ann.get("/credits")["granted"], seconds=60) == CREDITS[DEMO_USERS[0]]
        assert until(lambda: ann.get("/jobs")["jobs"], seconds=60)


def test_demo_data_is_on_or_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, is_wanted in (("", True), ("1", True), ("0", False)):
        monkeypatch.setenv("DEMO_DATA", value)
        assert _is_wanted("DEMO_DATA") is is_wanted
    monkeypatch.setenv("DEMO_DATA", "no")
    with pytest.raises(SystemExit, match="DEMO_DATA must be 0 or 1"):
        _is_wanted("DEMO_DATA")
