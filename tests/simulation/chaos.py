"""Chaos over HTTP: many jobs of several accounts on the local stack, while faults are injected.

Webhooks, responses and invocations are lost, repeated or delayed. To run it alone: `python -m
tests.simulation.chaos --jobs 1000 --seed 7`. It prints what happened and every broken promise.
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
from tests.simulation.chaos_checks import (
    Table,
    broken_promises,
    causes_without_variants,
    predictions_by_job,
    unexplained_without_variants,
)
from tests.simulation.chaos_faults import FAULTS, FaultProfile, counted_faults

ACCOUNTS_COUNT = 10
BUILD_DIRECTORY = Path(".aws-sam/local")
PARAMETERS = {"PredictionsInFlightMax": "20", "JobsInFlightMax": "3"}
KILLS_UNTIL_SHARE = 0.7
COMPLETED_SHARE_MIN = 0.8
_PAUSE_SECONDS = 0.2
# Every job must end within: its deadline, a wait, the time-out of StoreOutput, a recovery period.
ENDING_SECONDS_MAX = 300 + 15 + 120 + 60


def main() -> int:
    """Run the chaos. Returns 0 only if every promise holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.chaos")
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--jobs-per-kill",
        type=int,
        default=6,
        help="average number of jobs between two kills of invocations",
    )
    arguments = parser.parse_args()
    began_at = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as logs,
        counted_faults() as faults,
        start_stack(logs) as stack,
    ):
        table = Table(stack)
        customers = create_customers(stack, table, jobs_count=arguments.jobs, seed=arguments.seed)
        with FaultProfile(stack, seed=arguments.seed) as fault_profile:
            run_customers(
                customers,
                fault_profile,
                kill_points(arguments.jobs, arguments.jobs_per_kill, seed=arguments.seed),
            )
        wait_until(lambda: not list(table.left_over()), seconds=60)
        messages = "".join(path.read_text(errors="replace") for path in Path(logs).iterdir())
        for line in report(stack, customers, fault_profile, faults, messages):
            sys.stdout.write(f"{line}\n")
        sys.stdout.write(f"took {time.monotonic() - began_at:.0f} seconds, seed {arguments.seed}\n")
        broken = [
            *broken_promises(stack, customers, table),
            *unexplained_without_variants(
                customers,
                Path(logs, "StoreOutputFunction.log").read_text(errors="replace"),
                kills_count=fault_profile.kills["StoreOutputFunction"],
            ),
            *faults_not_seen(customers, fault_profile, faults),
        ]
    sys.stderr.writelines(f"BROKEN: {promise}\n" for promise in broken)
    return 1 if broken else 0


def start_stack(logs: str) -> LocalStack:
    """Create the stack. Its functions write their logs to this directory."""
    return LocalStack(BUILD_DIRECTORY, parameters=PARAMETERS, log_dir=Path(logs))


def create_customers(
    stack: LocalStack, table: Table, *, jobs_count: int, seed: int
) -> list[Customer]:
    """Distribute the jobs among the customers, and grant each enough credits for its own jobs."""
    rng, admin = random.Random(seed), Client(stack.api_url, stack.token("grace", groups=["admin"]))
    customers = []
    for number in range(ACCOUNTS_COUNT):
        plans = [Plan.at_random(each, rng) for each in range(number, jobs_count, ACCOUNTS_COUNT)]
        customers.append(
            Customer(
                stack, f"customer{number}", plans, table.requests_count, seed=rng.randrange(2**31)
            )
        )
        grant = {
            "amount": CREDITS_PER_JOB_MAX * len(plans) + 1,
            "reason": "chaos",
            "reference": "arrival",
            "create": True,
        }
        admin.post(f"/accounts/web/customer{number}/credits", grant)
    return customers


def kill_points(jobs_count: int, jobs_per_kill: int, *, seed: int) -> list[int]:
    """Choose after how many accepted jobs invocations are killed.

    The last kill is early enough that the run ends.
    """
    taken = range(1, int(KILLS_UNTIL_SHARE * jobs_count))
    return sorted(random.Random(seed).sample(taken, len(taken) // jobs_per_kill))


def run_customers(
    customers: Sequence[Customer], fault_profile: FaultProfile, points: Sequence[int]
) -> None:
    """Run all customers at once, and kill invocations after these numbers of jobs."""
    with ThreadPoolExecutor(len(customers)) as executor:
        futures = [
            executor.submit(customer.run, ending_seconds_max=ENDING_SECONDS_MAX)
            for customer in customers
        ]
        for jobs_count in points:
            while sum(customer.submitted_count for customer in customers) < jobs_count and not any(
                future.done() for future in futures
            ):
                time.sleep(_PAUSE_SECONDS)
            fault_profile.kill()
    for customer, future in zip(customers, futures, strict=True):
        if error := future.exception():
            customer.violations.append(f"{customer.user}: {type(error).__name__} {error}")


def faults_not_seen(
    customers: Sequence[Customer], fault_profile: FaultProfile, faults: Counter[str]
) -> Iterator[str]:
    """Return the faults that did not happen. A run without faults proves nothing."""
    yield from (
        f"the fault {name} did not happen in this run"
        for name in FAULTS
        if not name.endswith("_seconds") and not faults[name]
    )
    if not fault_profile.kills.total():
        yield "no invocation was killed in this run"
    statuses = Counter(
        outcome.job["status"] for customer in customers for outcome in customer.outcomes.values()
    )
    if statuses["completed"] < COMPLETED_SHARE_MIN * statuses.total():
        yield f"too few jobs were completed for a meaningful run: {format_counts(statuses)}"


def report(
    stack: LocalStack,
    customers: Sequence[Customer],
    fault_profile: FaultProfile,
    faults: Counter[str],
    messages: str,
) -> Iterator[str]:
    """Return what happened, a line each."""
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
    responses = Counter(str(each["status_code"] or each["error"]) for each in sent)
    deleted_count = sum(outcome.deletion is not None for outcome in outcomes)
    requests_count = sum(outcome.requests_count for outcome in outcomes)
    seconds = sorted(duration_seconds(outcome.job) for outcome in outcomes)
    refusals_count = sum(customer.refusals_count for customer in customers)
    failed_calls_count = sum(customer.failed_calls_count for customer in customers)
    yield (
        f"jobs: {len(outcomes)} of {len(customers)} accounts; {format_counts(ends)}; "
        f"{deleted_count} deleted"
    )
    yield (
        f"predictions: {predictions.total()} for {requests_count} recorded requests; "
        f"{format_counts(predictions)}"
    )
    yield f"webhooks: {len(sent)} sent; responses: {format_counts(responses)}"
    yield (
        f"webhooks: {faults['lose_webhook']} lost, {faults['duplicate_webhook']} repeated, "
        f"{faults['delay_webhook']} delayed beyond a wait, "
        f"{faults['reorder']} held back until the end"
    )
    yield (
        f"provider: {faults['throttle']} requests throttled, "
        f"{faults['unavailable']} with a 503, "
        f"{faults['lost_create_answer']} responses to creates lost"
    )
    median = seconds[len(seconds) // 2]
    yield f"duration of a job: {median:.0f} s (median), {seconds[-1]:.0f} s (max)"
    kills = fault_profile.kills
    yield f"invocations: {kills.total()} killed ({format_counts(kills)})"
    yield (f"API: {refusals_count} submissions refused with 429, {failed_calls_count} calls failed")
    yield f"outputs without variants: {format_counts(causes_without_variants(messages)) or 'none'}"
    for label, message in (
        ("orphan predictions", "orphan prediction"),
        ("jobs advanced by recovery", "job recovered"),
        ("jobs ended by recovery", "job ended by recovery"),
    ):
        count = messages.count(f'"message":"{message}"')
        yield f"{label}: {count}"


def duration_seconds(job: Mapping[str, Any]) -> float:
    """Return the seconds from a job's acceptance to its end."""
    return (
        datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["created_at"])
    ).total_seconds()


def wait_until(condition: Callable[[], bool], *, seconds: float) -> None:
    """Wait until a condition holds, at most this long. The caller checks whether it holds."""
    give_up_at = time.monotonic() + seconds
    while not condition() and time.monotonic() < give_up_at:
        time.sleep(_PAUSE_SECONDS)


def format_counts(counts: Counter[str]) -> str:
    """Return counts in one line."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
