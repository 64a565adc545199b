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
    """The fault settings of Runway. Probabilities are from 0 to 1.

    Requests:

    - throttle: 429. unavailable: 503. server_error: 500. These three refuse the request before
      any work.
    - no_credits: 400 for a new task.
    - lost_create_answer: the task is created, and the connection closes without a response.

    Tasks:

    - fail: FAILED with INTERNAL.BAD_OUTPUT.CODE01.
    - flag: FAILED with SAFETY.OUTPUT.VIDEO.
    - cancel: CANCELLED, as if by another client.
    - no_output: SUCCEEDED with an empty list.
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
        """Start with the default settings."""
        super().__init__(defaults, _check)


def _check(settings: object, schema: Mapping[str, Any]) -> None:
    if issues := issues_of(settings, schema):
        raise invalid(issues)
