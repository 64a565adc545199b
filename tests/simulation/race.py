"""Races: many threads change the same record at the same time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Barrier, Lock
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from darkroom.domain.errors import DarkroomError

THREADS = 32
_STARTING_SECONDS_MAX = 60
_REFUSED = {"ConditionalCheckFailed", "ConditionalCheckFailedException"}


@dataclass
class RaceStatistics:
    """The outcomes of one race, and DynamoDB's responses to its calls."""

    name: str
    rounds_count: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    responses: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def count_response(self, response: str) -> None:
        with self._lock:
            self.responses[response] += 1

    def __str__(self) -> str:
        outcomes = ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common())
        responses = ", ".join(
            f"{self.responses[name]} {name}"
            for name in sorted({*self.responses, "condition failed", "conflict"})
        )
        return (
            f"{self.name}: {self.rounds_count} rounds, "
            f"{self.outcomes.total()} attempts ({outcomes}); "
            f"{self.responses.total()} calls ({responses})"
        )


class Race:
    """Runs an action in all threads at the same time."""

    def __init__(self, statistics: RaceStatistics, threads: ThreadPoolExecutor) -> None:
        self._statistics = statistics
        self._threads = threads

    def run[Outcome](self, action: Callable[[int], Outcome]) -> list[Outcome | DarkroomError]:
        """Start all threads at once, and return each outcome by its worker's number.

        A DarkroomError is an outcome. Any other exception is raised.
        """
        barrier = Barrier(THREADS, timeout=_STARTING_SECONDS_MAX)
        # The last thread at the barrier continues first. Shuffle the workers for a new order.
        futures = {
            worker: self._threads.submit(_wait_and_run, barrier, action, worker)
            for worker in random.sample(range(THREADS), THREADS)
        }
        outcomes = [futures[worker].result() for worker in range(THREADS)]
        self._statistics.rounds_count += 1
        self._statistics.outcomes.update(map(_name_of, outcomes))
        return outcomes


@contextmanager
def counted_responses(statistics: RaceStatistics, dynamodb: Any) -> Iterator[None]:
    """Count DynamoDB's responses to this client. A call of any other client fails the test."""
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def counted_call(client: Any, operation: str, arguments: Any) -> Any:
        assert client is dynamodb, f"{operation} is not a call of the test's DynamoDB client"
        try:
            response = call(client, operation, arguments)
        except ClientError as error:
            statistics.count_response(_response_of(error))
            raise
        statistics.count_response("succeeded")
        return response

    BaseClient._make_api_call = counted_call  # type: ignore[attr-defined]
    try:
        yield
    finally:
        BaseClient._make_api_call = call  # type: ignore[attr-defined]


def raised[Outcome](outcomes: Sequence[Outcome | DarkroomError]) -> list[DarkroomError]:
    """Return the errors among the outcomes of a race."""
    return [outcome for outcome in outcomes if isinstance(outcome, DarkroomError)]


def returned[Outcome](outcomes: Sequence[Outcome | DarkroomError]) -> list[Outcome]:
    """Return the outcomes of a race that are not errors."""
    return [outcome for outcome in outcomes if not isinstance(outcome, DarkroomError)]


def _wait_and_run[Outcome](
    barrier: Barrier, action: Callable[[int], Outcome], worker: int
) -> Outcome | DarkroomError:
    barrier.wait()
    try:
        return action(worker)
    except DarkroomError as error:
        return error


def _name_of(outcome: object) -> str:
    if isinstance(outcome, DarkroomError):
        return type(outcome).__name__
    return "no effect" if outcome is None or outcome is False else "succeeded"


def _response_of(error: ClientError) -> str:
    reasons = error.response.get("CancellationReasons", [])
    codes = {reason["Code"] for reason in reasons} - {"None"} or {error.response["Error"]["Code"]}
    if codes <= _REFUSED:
        return "condition failed"
    return (
        "conflict"
        if any(code.startswith("TransactionConflict") for code in codes)
        else " and ".join(sorted(codes))
    )
