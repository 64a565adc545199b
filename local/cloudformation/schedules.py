"""Schedules that invoke functions: of EventBridge Scheduler, and rules with an expression."""

import json
import logging
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any

from local.cloudformation.account import ACCOUNT_ID, REGION
from local.cloudformation.resources import Resources
from local.lambda_runtime.concurrency import ExecutionEnvironments, TooManyRequests
from local.lambda_runtime.execution_environment import InvocationResponse
from local.lambda_runtime.functions import function_name

logger = logging.getLogger(__name__)

_RATE = re.compile(r"rate\((?P<value>\d+) (?P<unit>minute|hour|day)s?\)")
_UNIT_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True)
class Schedule:
    """A schedule of a function. `period_seconds` is None for an expression other than a rate."""

    logical_id: str
    function: str
    period_seconds: int | None
    source: str
    input: str | None

    def event(self) -> bytes:
        """Return the payload: the schedule's own input, or AWS's standard event."""
        if self.input is not None:
            return self.input.encode()
        document = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": self.source,
            "account": ACCOUNT_ID,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [self.logical_id],
            "detail": "{}" if self.source == "aws.scheduler" else {},
        }
        return json.dumps(document).encode()


def read_schedules(resources: Resources) -> list[Schedule]:
    """Read the enabled schedules. Logs a warning for an expression other than a rate."""
    found = []
    for logical_id, properties, target, source in _targets(resources):
        expression = properties["ScheduleExpression"]
        rate = _RATE.fullmatch(expression)
        if rate is None:
            logger.warning(
                "%s never fires in the local stack, which supports only rates, not %s",
                logical_id,
                expression,
            )
        period_seconds = int(rate["value"]) * _UNIT_SECONDS[rate["unit"]] if rate else None
        found.append(
            Schedule(
                logical_id,
                function_name(target["Arn"]),
                period_seconds,
                source,
                target.get("Input"),
            )
        )
    return found


def _targets(
    resources: Resources,
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any], str]]:
    for logical_id, properties in resources.of_type("AWS::Scheduler::Schedule").items():
        if properties.get("State") != "DISABLED":
            yield logical_id, properties, properties["Target"], "aws.scheduler"
    for logical_id, properties in resources.of_type("AWS::Events::Rule").items():
        if "ScheduleExpression" in properties and properties.get("State") != "DISABLED":
            for target in properties.get("Targets", []):
                yield logical_id, properties, target, "aws.events"


class ScheduleRunner:
    """Fires the schedules. A schedule fires for the first time after one period."""

    def __init__(self, schedules: list[Schedule], environments: ExecutionEnvironments) -> None:
        """Prepare the schedules. They fire after `start`."""
        self._schedules = schedules
        self._environments = environments
        self._stopping = Event()

    def start(self) -> None:
        """Start the threads."""
        for schedule in self._schedules:
            if schedule.period_seconds is not None:
                Thread(
                    target=self._tick, args=(schedule, schedule.period_seconds), daemon=True
                ).start()

    def stop(self) -> None:
        """Stop the threads. Only `fire` works afterwards."""
        self._stopping.set()

    def fire(self, function: str) -> InvocationResponse:
        """Invoke a scheduled function now and return its response.

        Raises LookupError if the function has no schedule.
        """
        for schedule in self._schedules:
            if schedule.function == function:
                return self._environments.invoke(function, schedule.event())
        raise LookupError(f"the function {function} has no schedule")

    def _tick(self, schedule: Schedule, period_seconds: int) -> None:
        while not self._stopping.wait(period_seconds):
            try:
                response = self._environments.invoke(schedule.function, schedule.event())
            except TooManyRequests:
                continue
            if response.failed and not self._stopping.is_set():
                logger.warning("%s failed: %s", schedule.function, response.payload.decode())
