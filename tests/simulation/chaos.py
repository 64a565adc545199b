"""Chaos over HTTP: many jobs of several accounts on the whole local stack, while webhooks, creates, answers and invocations are lost.

`python -m tests.simulation.chaos --jobs 1000 --seed 7` runs it by itself; it prints what happened, and every promise that was broken.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from local.client import Client
from local.stack import LocalStack
from tests.simulation.chaos_actors import CREDITS_PER_JOB_MAX, Customer, Plan
from tests.simulation.chaos_checks import Table, broken_promises, predictions_by_job
from tests.simulation.chaos_faults import FAULTS, FaultProfile, counted_faults

ACCOUNTS_COUNT = 10
BUILD_DIRECTORY = Path(".aws-sam/local")
PARAMETERS = {"PredictionsInFlightMax": "20", "JobsInFlightMax": "3"}
KILLING_SHARE = 0.7
COMPLETED_SHARE_MIN = 0.8
_PAUSE_SECONDS = 0.2
# By then every job has ended, by the promise: its deadline, a wait, the store step's time-out and a period of recovery.
ENDING_SECONDS_MAX = 300 + 15 + 120 + 60


def main() -> int:
    """Run the chaos, and give 0 only if every promise stands."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.chaos")
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--jobs-per-kill",
        type=int,
        default=6,
        help="jobs from one killing of invocations to the next, on average",
    )
    given = parser.parse_args()
    began_at = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as logs,
        counted_faults() as faults,
        the_stack(logs) as stack,
    ):
        table = Table(stack)
        customers = arrived(stack, table, jobs_count=given.jobs, seed=given.seed)
        with FaultProfile(stack, seed=given.seed) as fault_profile:
            live(
                customers,
                fault_profile,
                killing_at(given.jobs, given.jobs_per_kill, seed=given.seed),
            )
        wait_until(lambda: not list(table.left_over()), seconds=60)
        for line in run_scenario(stack, customers, fault_profile, faults, Path(logs)):
            sys.stdout.write(f"{line}\n")
        sys.stdout.write(f"in {time.monotonic() - began_at:.0f} seconds, seed {given.seed}\n")
        broken = [
            *broken_promises(stack, customers, table),
            *no_faults(customers, fault_profile, faults),
        ]
    sys.stderr.writelines(f"BROKEN: {promise}\n" for promise in broken)
    return 1 if broken else 0


def the_stack(logs: str) -> LocalStack:
    """Start the stack. What its functions print goes to this directory."""
    return LocalStack(BUILD_DIRECTORY, parameters=PARAMETERS, log_dir=Path(logs))


def arrived(stack: LocalStack, table: Table, *, jobs_count: int, seed: int) -> list[Customer]:
    """Share the jobs among some customers, each of whom can pay for all of its own."""
    dice, admin = random.Random(seed), Client(stack.api_url, stack.token("grace", groups=["admin"]))
    customers = []
    for number in range(ACCOUNTS_COUNT):
        plans = [Plan.drawn(each, dice) for each in range(number, jobs_count, ACCOUNTS_COUNT)]
        customers.append(
            Customer(
                stack, f"customer{number}", plans, table.requests_count, seed=dice.randrange(2**31)
            )
        )
        grant = {
            "amount": CREDITS_PER_JOB_MAX * len(plans) + 1,
            "reason": "chaos",
            "reference": "arrival",
        }
        admin.post(f"/accounts/web/customer{number}/credits", grant)
    return customers


def killing_at(jobs_count: int, jobs_per_kill: int, *, seed: int) -> list[int]:
    """Choose after how many taken jobs there is a killing. The last comes when most were taken, so that there is an end."""
    taken = range(1, int(KILLING_SHARE * jobs_count))
    return sorted(random.Random(seed).sample(taken, len(taken) // jobs_per_kill))


def live(
    customers: Sequence[Customer], fault_profile: FaultProfile, killing: Sequence[int]
) -> None:
    """Have all customers live at once, and invocations killed after so many jobs."""
    with ThreadPoolExecutor(len(customers)) as executor:
        futures = [
            executor.submit(customer.live, ending_seconds_max=ENDING_SECONDS_MAX)
            for customer in customers
        ]
        for jobs_count in killing:
            while sum(customer.submitted_count for customer in customers) < jobs_count and not any(
                future.done() for future in futures
            ):
                time.sleep(_PAUSE_SECONDS)
            fault_profile.kill()
    for customer, future in zip(customers, futures, strict=True):
        if error := future.exception():
            customer.complaints.append(f"{customer.user}: {type(error).__name__} {error}")


def no_faults(
    customers: Sequence[Customer], fault_profile: FaultProfile, faults: Counter[str]
) -> Iterator[str]:
    """Name what did not go wrong, so that a chaos that was none does not pass for one that was survived."""
    yield from (
        f"no {name} came in this chaos"
        for name in FAULTS
        if not name.endswith("_seconds") and not faults[name]
    )
    if not fault_profile.kills.total():
        yield "no invocation was killed in this chaos"
    statuses = Counter(
        outcome.job["status"] for customer in customers for outcome in customer.outcomes.values()
    )
    if statuses["completed"] < COMPLETED_SHARE_MIN * statuses.total():
        yield f"too few jobs were completed to show anything: {listed(statuses)}"


def run_scenario(
    stack: LocalStack,
    customers: Sequence[Customer],
    fault_profile: FaultProfile,
    faults: Counter[str],
    logs: Path,
) -> Iterator[str]:
    """Say what happened, a line each."""
    outcomes = [outcome for customer in customers for outcome in customer.outcomes.values()]
    ends = Counter(
        f"{outcome.job['status']} {(outcome.job['error'] or {}).get('code', '')}".strip()
        for outcome in outcomes
    )
    predictions = Counter(
        each["status"] for found in predictions_by_job(stack).values() for each in found
    )
    sent = [
        each
        for each in requests.get(f"{stack.replicate_url}/sim/webhooks", timeout=30).json()[
            "webhooks"
        ]
        if each["number"]
    ]
    taken = Counter(str(each["status_code"] or each["error"]) for each in sent)
    yield f"jobs: {len(outcomes)} of {len(customers)} accounts; {listed(ends)}; {sum(outcome.deletion is not None for outcome in outcomes)} deleted"
    yield f"predictions: {predictions.total()}; {listed(predictions)}; {sum(outcome.requests_count for outcome in outcomes)} asks written down"
    yield f"webhooks: {len(sent)} sent, answered {listed(taken)}"
    yield f"webhooks: {faults['lose_webhook']} lost, {faults['duplicate_webhook']} repeated, {faults['delay_webhook']} late by more than a wait"
    yield f"webhooks: {faults['reorder']} held back until the end"
    yield f"the provider: {faults['throttle']} throttled, {faults['unavailable']} unavailable, {faults['lost_create_answer']} answers to creates lost"
    seconds = sorted(lasted_seconds(outcome.job) for outcome in outcomes)
    yield f"a job took {seconds[len(seconds) // 2]:.0f} seconds (median), {seconds[-1]:.0f} at most"
    yield f"invocations: {fault_profile.kills.total()} killed ({listed(fault_profile.kills)})"
    yield f"the API: {sum(each.refusals_count for each in customers)} times too many jobs, {sum(each.broken_calls_count for each in customers)} broken calls"
    for what, message in (
        ("orphan predictions", "orphan prediction"),
        ("jobs looked after by recovery", "job recovered"),
        ("jobs ended by recovery", "job ended by recovery"),
    ):
        yield f"{what}: {sum(path.read_text(errors='replace').count(f'"message":"{message}"') for path in logs.iterdir())}"


def lasted_seconds(job: Mapping[str, Any]) -> float:
    """Tell how long a job took from its acceptance to its end."""
    return (
        datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["created_at"])
    ).total_seconds()


def wait_until(is_so: Callable[[], bool], *, seconds: float) -> None:
    """Wait for something at most this long; whether it came to pass is seen by whoever checks."""
    give_up_at = time.monotonic() + seconds
    while not is_so() and time.monotonic() < give_up_at:
        time.sleep(_PAUSE_SECONDS)


def listed(counts: Counter[str]) -> str:
    """Write counts in one line."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
