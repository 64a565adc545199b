"""The faults of Runway, each with its probability."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local.simulators.common import faults as common
from local.simulators.runway.issues import issues_of
from local.simulators.runway.problems import invalid

type Fault = Literal[
    "throttle",
    "bad_gateway",
    "unavailable",
    "gateway_timeout",
    "server_error",
    "unauthenticated",
    "no_credits",
    "daily_limit",
    "lost_create_answer",
    "late_gateway_timeout",
    "fail",
    "flag",
    "cancel",
    "no_output",
]


@dataclass(frozen=True, kw_only=True)
class FaultSettings(common.FaultSettings):
    """The fault settings of Runway. Probabilities are from 0 to 1.

    Requests:

    - throttle: 429. bad_gateway: 502. unavailable: 503. gateway_timeout: 504. server_error: 500.
      unauthenticated: 401. They refuse the request before any work.
    - no_credits: 400 for a new task, and the organization has no credits. daily_limit: 429 for a
      new task.
    - retired_model: the name of a model. A new task of this model gets 403, and the limits of the
      organization do not name it.
    - create_seconds: how long the response to a create request takes. The task already runs.
    - lost_create_answer: the task is created, and the connection closes without a response.
    - late_gateway_timeout: the task is created, and the response is 504 after `create_seconds`.

    Tasks:

    - failure_code: FAILED with this code, if it is not empty.
    - fail: FAILED with INTERNAL.BAD_OUTPUT.CODE01.
    - flag: FAILED with SAFETY.OUTPUT.VIDEO.
    - cancel: CANCELLED, as if by another client.
    - no_output: SUCCEEDED with an empty list.
    - throttled_seconds, queue_seconds, run_seconds: how long a task is THROTTLED, then PENDING,
      then RUNNING.
    """

    throttle: float = 0.0
    bad_gateway: float = 0.0
    unavailable: float = 0.0
    gateway_timeout: float = 0.0
    server_error: float = 0.0
    unauthenticated: float = 0.0
    no_credits: float = 0.0
    daily_limit: float = 0.0
    retired_model: str = ""
    create_seconds: float = 0.0
    lost_create_answer: float = 0.0
    late_gateway_timeout: float = 0.0
    failure_code: str = ""
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
