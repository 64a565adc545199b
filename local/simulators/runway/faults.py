"""The faults of Runway, each with its probability."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local.simulators.common import faults as common
from local.simulators.runway.issues import issues_of
from local.simulators.runway.problems import invalid

type Fault = Literal[
    "throttle",
    "unavailable",
    "server_error",
    "no_credits",
    "lost_create_answer",
    "fail",
    "flag",
    "cancel",
    "no_output",
]


@dataclass(frozen=True, kw_only=True)
class FaultSettings(common.FaultSettings):
    """Probabilities are from 0 to 1.

    - throttle: 429. unavailable: 503. server_error: 500. All three come before any work.
      no_credits: 400 for a new task. lost_create_answer: the task is created, and the connection
      closes without a response.
    - fail: FAILED with INTERNAL.BAD_OUTPUT.CODE01. flag: FAILED with SAFETY.OUTPUT.VIDEO. cancel:
      CANCELLED by another client. no_output: SUCCEEDED with an empty list.
    - throttled_seconds, queue_seconds, run_seconds: how long a task is THROTTLED, then PENDING,
      then RUNNING.
    """

    throttle: float = 0.0
    unavailable: float = 0.0
    server_error: float = 0.0
    no_credits: float = 0.0
    lost_create_answer: float = 0.0
    fail: float = 0.0
    flag: float = 0.0
    cancel: float = 0.0
    no_output: float = 0.0
    throttled_seconds: float = 0.0
    queue_seconds: float = 0.1
    run_seconds: float = 1.0


class Faults(common.FaultInjector[FaultSettings, Fault]):
    """The faults of the simulated Runway."""

    def __init__(self, defaults: FaultSettings) -> None:
        """Begin with the defaults."""
        super().__init__(defaults, _check)


def _check(named: object, schema: Mapping[str, Any]) -> None:
    if issues := issues_of(named, schema):
        raise invalid(issues)
