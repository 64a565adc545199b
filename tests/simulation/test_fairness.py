"""Many jobs of several accounts on few slots: all are delivered in time, and none waits unfairly.

The functions and the workflow are real. The clock is virtual.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.simulation.environment import Environment
from tests.simulation.promises import Promises
from tests.simulation.records import parse_time

SLOTS = 5
# The workflow needs this long from a free slot to the next request: a webhook, and some calls.
HANDOVER_SECONDS = 2


@contextmanager
def running(*, long: float = 10, short: float = 10) -> Iterator[Environment]:
    """An environment with 5 slots, in which predictions run as long as their prompts say."""
    environment = Environment()
    profile = environment.replicate.fault_profile
    profile.queue_seconds = 0
    profile.seconds_by_prompt = {"long": long, "short": short}
    with environment.activated(PREDICTIONS_IN_FLIGHT_MAX=str(SLOTS), JOBS_IN_FLIGHT_MAX="20"):
        yield environment


def submit(environment: Environment, user: str, prompt: str) -> str:
    body = {"template": "flux-schnell", "parameters": {"prompt": prompt}}
    response = environment.api("POST", "/jobs", user=user, body=body)
    assert response
    assert response.status == 202, response
    job_id: str = response.document["id"]
    return job_id


def jobs_of(environment: Environment) -> dict[str, Mapping[str, Any]]:
    return {
        sk.partition("#")[2]: {name: next(iter(value.values())) for name, value in item.items()}
        for (_, sk), item in environment.cloud.table.items.items()
        if sk.startswith("JOB#")
    }


def time_of(job: Mapping[str, Any], name: str) -> datetime:
    time = parse_time(job[name])
    assert time
    return time


def test_an_account_with_one_job_gets_the_first_slot_that_becomes_free() -> None:
    with running(long=130, short=5) as environment:
        promises = Promises(environment)
        environment.event_queue.after_each_event = lambda: promises.check(in_time=True)
        for user in ("greedy", "other"):
            environment.open_account(user, 200)
        for _ in range(20):
            submit(environment, "greedy", "long")
        environment.event_queue.advance(20)
        mine = submit(environment, "other", "short")
        environment.settle()
        promises.check_quiet()
        jobs = jobs_of(environment)

    assert {job["status"] for job in jobs.values()} == {"completed"}
    first_end = min(
        each.completed_at
        for each in environment.replicate.predictions.values()
        if each.completed_at
    )
    started = time_of(jobs[mine], "started_at")
    assert started <= first_end + timedelta(seconds=HANDOVER_SECONDS)
    # The 20 jobs need four rounds of 130 seconds. The fair queue costs no slot.
    created = min(time_of(job, "created_at") for job in jobs.values())
    finished = max(time_of(job, "finished_at") for job in jobs.values())
    assert finished - created <= 1.1 * timedelta(seconds=4 * 130 + 5)


def test_two_hundred_jobs_of_ten_accounts_need_little_more_than_the_ideal_time() -> None:
    with running(long=10) as environment:
        for number in range(10):
            environment.open_account(f"user{number}", 200)
        began_at = environment.event_queue.now
        for _ in range(20):
            for number in range(10):
                submit(environment, f"user{number}", "long")
        environment.settle()
        jobs = jobs_of(environment)

    assert [job["status"] for job in jobs.values()] == ["completed"] * 200
    finished_at = max(time_of(job, "finished_at") for job in jobs.values())
    assert finished_at - began_at <= 1.1 * timedelta(seconds=200 * 10 / SLOTS)


def test_accounts_with_equal_jobs_take_turns() -> None:
    with running(long=10) as environment:
        for user in ("ann", "bob"):
            environment.open_account(user, 100)
            for _ in range(10):
                submit(environment, user, "long")
        environment.settle()
        starts = sorted(
            (each.created_at, _user_of(each.webhook)) for each in _predictions(environment)
        )

    users = [user for _, user in starts][SLOTS:]
    ahead = [users[:count].count("ann") - users[:count].count("bob") for count in range(10)]
    # ann's five running jobs count, so bob's jobs come first until both had as much time.
    assert users[:SLOTS] == ["bob"] * SLOTS
    assert all(abs(later - earlier) == 1 for earlier, later in pairwise(ahead))


def _predictions(environment: Environment) -> list[Any]:
    return list(environment.replicate.predictions.values())


def _user_of(webhook: str | None) -> str:
    assert webhook
    return "ann" if "%2Fann%2F" in webhook or "/ann/" in webhook else "bob"
