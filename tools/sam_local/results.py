"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one check. `problem` is None if the answer and its effect are right."""

    name: str
    answer: str
    seconds: float
    problem: str | None
