"""Measures what waiting jobs cost and how fast the queue fills free slots, on a virtual clock.

The real handlers run in the simulation (tests/simulation). DynamoDB's units come from the sizes of
the rows. Real durations and the price of Lambda are not measured. `make bench` runs this.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import tests.conftest  # noqa: F401 (sets the environment before another import reads it)
from tests.bench.metered_table import MeteredTable, Usage
from tests.simulation.environment import Environment
from tests.simulation.event_queue import START_TIME

SLOTS = 5
JOBS_PER_ACCOUNT = 20
BODY = {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse", "num_outputs": 1}}
WAITING = (10, 1_000, 5_000)
# Jobs, and the seconds of each prediction. The jobs of the first load do not wait.
LOADS = ((SLOTS, 10), (200, 10), (1_000, 3))
IDEAL_FACTOR_MAX = 1.1
SETTLE_SECONDS = 60
WINDOW_SECONDS = 60
HOUR_SECONDS = 3_600
GIVE_UP_SECONDS = 7_200
# Prices in us-east-1: aws.amazon.com/dynamodb/pricing/on-demand and
# aws.amazon.com/step-functions/pricing (Standard Workflows).
READ_UNIT_USD = 0.125e-6
WRITE_UNIT_USD = 0.625e-6
TRANSITION_USD = 25e-6


@dataclass(frozen=True)
class Cost:
    """The cost of a time: the usage of DynamoDB, and the state transitions."""

    usage: Usage
    transitions: int

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.usage - other.usage, self.transitions - other.transitions)

    @property
    def usd(self) -> float:
        return (
            self.usage.read_units * READ_UNIT_USD
            + self.usage.write_units * WRITE_UNIT_USD
            + self.transitions * TRANSITION_USD
        )

    def row(self, divisor: float) -> str:
        """Return the cells of a table's row: each number divided by `divisor`, USD for 1,000."""
        numbers = (
            self.usage.calls,
            self.usage.read_units,
            self.usage.write_units,
            self.transitions,
        )
        cells = [f"{number / divisor:,.2f}" for number in numbers]
        return " | ".join([*cells, f"{self.usd / divisor * 1_000:,.5f}"])


class Load:
    """A simulation with a metered table and many accounts."""

    def __init__(self, *, run_seconds: float) -> None:
        self.environment = Environment()
        profile = self.environment.replicate.fault_profile
        profile.queue_seconds, profile.run_seconds = 0, run_seconds
        cloud = self.environment.cloud
        self.table = cloud.table = MeteredTable(cloud.table)
        cloud._services["dynamodb"] = self.table.call

    def submit(self, count: int) -> None:
        """Submit jobs at the same time, at most `JOBS_PER_ACCOUNT` for each account."""
        for number in range(count):
            user = f"user-{number // JOBS_PER_ACCOUNT}"
            if number % JOBS_PER_ACCOUNT == 0:
                self.environment.open_account(user, 1_000)
            response = self.environment.api("POST", "/jobs", user=user, body=BODY)
            assert response
            assert response.status == 202, response

    def cost(self) -> Cost:
        """Return what has happened until now."""
        executions = self.environment.states.executions.values()
        return Cost(self.table.usage, sum(len(each.states_entered) for each in executions))

    def run_to_the_end(self) -> float:
        """Run until every execution has ended. Return the seconds from the submission."""
        executions = self.environment.states.executions.values()
        while any(each.is_running for each in executions):
            self.environment.event_queue.advance(1)
            assert self.environment.event_queue.now.timestamp() < (
                START_TIME.timestamp() + GIVE_UP_SECONDS
            )
        ends = [each.stopped_at for each in executions if each.stopped_at]
        return (max(ends) - START_TIME).total_seconds()

    def delivered(self) -> int:
        """Return how many jobs are completed."""
        return sum(
            item["status"]["S"] == "completed"
            for (_, sk), item in self.table.items.items()
            if sk.startswith("JOB#")
        )


def cost_of_a_minute(*, waiting: int) -> Cost:
    """Return what happens in a minute while all slots are in use and this many jobs wait."""
    load = Load(run_seconds=HOUR_SECONDS)
    with load.environment.activated(PREDICTIONS_IN_FLIGHT_MAX=str(SLOTS)):
        load.submit(SLOTS + waiting)
        load.environment.event_queue.advance(SETTLE_SECONDS)
        before = load.cost()
        load.environment.event_queue.advance(WINDOW_SECONDS)
        return load.cost() - before


def run_load(jobs: int, seconds: float) -> tuple[Cost, float, int]:
    """Run jobs until the last has ended. Return the cost, the seconds and the completed jobs."""
    load = Load(run_seconds=seconds)
    with load.environment.activated(PREDICTIONS_IN_FLIGHT_MAX=str(SLOTS)):
        load.submit(jobs)
        took_seconds = load.run_to_the_end()
        return load.cost(), took_seconds, load.delivered()


def main() -> None:
    """Print the tables. Raises AssertionError if a load loses jobs or takes too long."""
    write = sys.stdout.write
    write("| Waiting jobs | Calls | Read units | Write units | Transitions | USD per 1,000 |\n")
    cost_of_running = cost_of_a_minute(waiting=0)
    for waiting in WAITING:
        cost = cost_of_a_minute(waiting=waiting) - cost_of_running
        write(f"| {waiting:,} | {cost.row(waiting * WINDOW_SECONDS / HOUR_SECONDS)} |\n")
        sys.stdout.flush()
    write("\n| Load | Delivered | Seconds | Ideal | ")
    write("Calls | Read units | Write units | Transitions | USD per 1,000 |\n")
    for jobs, seconds in LOADS:
        cost, took_seconds, delivered = run_load(jobs, seconds)
        ideal_seconds = jobs * seconds / SLOTS
        write(
            f"| {jobs:,} jobs of {seconds} s | {delivered:,} | {took_seconds:,.0f} | "
            f"{ideal_seconds:,.0f} | {cost.row(jobs)} |\n"
        )
        sys.stdout.flush()
        assert delivered == jobs, delivered
        assert took_seconds <= ideal_seconds * IDEAL_FACTOR_MAX, took_seconds


if __name__ == "__main__":
    main()
