"""The steps of random schedules: Hypothesis rules with a check of every promise."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.simulation.run_statistics import RunStatistics

STATISTICS = RunStatistics()


def step(**strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """Make a method a Hypothesis rule that checks every promise after it."""

    def make(action: Callable[..., None]) -> Any:
        @wraps(action)
        def act_and_check(schedule: Any, **arguments: Any) -> None:
            action(schedule, **arguments)
            STATISTICS["steps"] += 1
            schedule.check_promises()

        make_rule: Any = rule
        return make_rule(**strategies)(act_and_check)

    return make
