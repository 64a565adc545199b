"""Many threads at one record in the same moment, and what came of it."""

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
class Tally:
    """How often the verbs of one race were tried, how that ended, and what DynamoDB answered to the calls that they made."""

    name: str
    rounds_count: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def count_answer(self, answer: str) -> None:
        with self._lock:
            self.answers[answer] += 1

    def __str__(self) -> str:
        outcomes = ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common())
        answers = ", ".join(
            f"{self.answers[name]} {name}"
            for name in sorted({*self.answers, "refused", "conflict"})
        )
        return f"{self.name}: {self.rounds_count} rounds, {self.outcomes.total()} attempts ({outcomes}); {self.answers.total()} calls ({answers})"


class Race:
    """A start line for as many threads as there are."""

    def __init__(self, tally: Tally, threads: ThreadPoolExecutor) -> None:
        self._tally = tally
        self._threads = threads

    def run[Outcome](self, contend: Callable[[int], Outcome]) -> list[Outcome | DarkroomError]:
        """Let all go at once, each with its place; gives what each returned or was told, by its place. Any other error comes through."""
        line = Barrier(THREADS, timeout=_STARTING_SECONDS_MAX)
        # Who is at the line last goes first, so the places come in another order each time.
        futures = {
            place: self._threads.submit(_at_the_line, line, contend, place)
            for place in random.sample(range(THREADS), THREADS)
        }
        outcomes = [futures[place].result() for place in range(THREADS)]
        self._tally.rounds_count += 1
        self._tally.outcomes.update(map(_named, outcomes))
        return outcomes


@contextmanager
def answers_counted(tally: Tally, dynamodb: Any) -> Iterator[None]:
    """Count what DynamoDB answers to its client, and let no other client make a call."""
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def counted_call(client: Any, operation: str, arguments: Any) -> Any:
        assert client is dynamodb, f"{operation} would leave this machine"
        try:
            answer = call(client, operation, arguments)
        except ClientError as error:
            tally.count_answer(_answer_of(error))
            raise
        tally.count_answer("done")
        return answer

    BaseClient._make_api_call = counted_call  # type: ignore[attr-defined]
    try:
        yield
    finally:
        BaseClient._make_api_call = call  # type: ignore[attr-defined]


def raised[Outcome](outcomes: Sequence[Outcome | DarkroomError]) -> list[DarkroomError]:
    """The errors among the outcomes of a race."""
    return [outcome for outcome in outcomes if isinstance(outcome, DarkroomError)]


def answered[Outcome](outcomes: Sequence[Outcome | DarkroomError]) -> list[Outcome]:
    """The answers among the outcomes of a race."""
    return [outcome for outcome in outcomes if not isinstance(outcome, DarkroomError)]


def _at_the_line[Outcome](
    line: Barrier, contend: Callable[[int], Outcome], place: int
) -> Outcome | DarkroomError:
    line.wait()
    try:
        return contend(place)
    except DarkroomError as error:
        return error


def _named(outcome: object) -> str:
    if isinstance(outcome, DarkroomError):
        return type(outcome).__name__
    return "too late" if outcome is None or outcome is False else "taken"


def _answer_of(error: ClientError) -> str:
    reasons = error.response.get("CancellationReasons", [])
    codes = {reason["Code"] for reason in reasons} - {"None"} or {error.response["Error"]["Code"]}
    if codes <= _REFUSED:
        return "refused"
    return (
        "conflict"
        if any(code.startswith("TransactionConflict") for code in codes)
        else " and ".join(sorted(codes))
    )
