"""The execution environments of all functions. Their number follows the load, within limits.

- An invocation uses an idle execution environment of its function.
- If there is none, the invocation first waits as long as a cold start takes. Most invocations end
  within milliseconds, but an init uses a core for a second.
- Then the invocation starts a new execution environment. At most one for each core of the machine
  starts at the same time.
- Above the limits, invocations wait. After `_WAITING_SECONDS_MAX` they fail, as Lambda throttles.
"""

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from threading import Condition

from local.lambda_runtime.execution_environment import ExecutionEnvironment, InvocationResponse
from local.lambda_runtime.functions import FunctionSpec
from local.lambda_runtime.processes import Watchdog

ENVIRONMENTS_PER_FUNCTION_MAX = 10
ENVIRONMENTS_MAX = 32
_GROWING_SECONDS = 1.0
_WAITING_SECONDS_MAX = 30.0
# The longest time of an init. An execution environment that is busy for longer runs the handler,
# so it does not count as starting.
_STARTING_SECONDS_MAX = 3.0


class TooManyRequests(Exception):
    """No execution environment became free in time. The message is the function's name."""


class ExecutionEnvironments:
    """All execution environments of the stack. Thread-safe."""

    def __init__(
        self, functions: Mapping[str, FunctionSpec], *, runtime_dir: Path, log_dir: Path
    ) -> None:
        """Start the watchdog, but no execution environment.

        `functions` are by physical name. A function logs to `log_dir/<logical id>.log`.
        """
        self._functions = functions
        self._runtime_dir = runtime_dir
        self._log_dir = log_dir
        self._watchdog = Watchdog()
        self._changed = Condition()
        self._idle: dict[str, list[ExecutionEnvironment]] = defaultdict(list)
        self._busy: dict[str, list[ExecutionEnvironment]] = defaultdict(list)
        self._counts: dict[str, int] = defaultdict(int)
        self._in_creation = 0
        self._closed = False

    def has(self, name: str) -> bool:
        """Return whether there is a function with this physical name."""
        return name in self._functions

    def invoke(self, name: str, payload: bytes) -> InvocationResponse:
        """Invoke a function once.

        Raises KeyError for an unknown name, and TooManyRequests above the limits.
        """
        environment = self._acquire(self._functions[name])
        try:
            return environment.invoke(payload)
        finally:
            self._release(name, environment)

    def kill(self, name: str) -> int:
        """Kill every execution environment of a function, busy or idle. Returns their number."""
        with self._changed:
            environments = [*self._idle[name], *self._busy[name]]
        for environment in environments:
            environment.end()
        return len(environments)

    def close(self) -> None:
        """Kill all execution environments with all their processes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            environments = [
                environment
                for group in (self._idle, self._busy)
                for held in group.values()
                for environment in held
            ]
        for environment in environments:
            environment.end()
        with self._changed:
            self._changed.wait_for(lambda: self._in_creation == 0, timeout=_WAITING_SECONDS_MAX)
        self._watchdog.close()

    def _acquire(self, function: FunctionSpec) -> ExecutionEnvironment:
        requested_at = time.monotonic()
        with self._changed:
            while True:
                waited_seconds = time.monotonic() - requested_at
                if self._closed or waited_seconds > _WAITING_SECONDS_MAX:
                    raise TooManyRequests(function.name)
                if environment := self._take_idle(function.name):
                    return environment
                may_wait = self._counts[function.name] > 0 and waited_seconds < _GROWING_SECONDS
                if not may_wait and self._may_start(function.name):
                    self._counts[function.name] += 1
                    self._in_creation += 1
                    break
                self._changed.wait(_GROWING_SECONDS)
        return self._start(function)

    def _start(self, function: FunctionSpec) -> ExecutionEnvironment:
        log = self._log_dir / f"{function.logical_id}.log"
        try:
            environment = ExecutionEnvironment(
                function, runtime_dir=self._runtime_dir, log=log, watchdog=self._watchdog
            )
        except BaseException:
            with self._changed:
                self._counts[function.name] -= 1
                self._in_creation -= 1
                self._changed.notify_all()
            raise
        with self._changed:
            self._busy[function.name].append(environment)
            if self._closed:
                environment.end()
            self._in_creation -= 1
            self._changed.notify_all()
        return environment

    def _take_idle(self, name: str) -> ExecutionEnvironment | None:
        while self._idle[name]:
            environment = self._idle[name].pop()
            if environment.is_alive:
                self._busy[name].append(environment)
                return environment
            environment.end()
            self._counts[name] -= 1
        return None

    def _may_start(self, name: str) -> bool:
        if self._counts[name] >= ENVIRONMENTS_PER_FUNCTION_MAX or self._starting_count() >= (
            os.cpu_count() or 1
        ):
            return False
        return sum(self._counts.values()) < ENVIRONMENTS_MAX or self._evict_idle()

    def _starting_count(self) -> int:
        now = time.monotonic()
        return self._in_creation + sum(
            1
            for held in self._busy.values()
            for environment in held
            if not environment.has_responded
            and now - environment.started_at < _STARTING_SECONDS_MAX
        )

    def _evict_idle(self) -> bool:
        for name, environments in self._idle.items():
            if environments:
                self._counts[name] -= 1
                environments.pop(0).end()
                return True
        return False

    def _release(self, name: str, environment: ExecutionEnvironment) -> None:
        with self._changed:
            self._busy[name].remove(environment)
            if environment.is_alive and not environment.is_spent and not self._closed:
                self._idle[name].append(environment)
            else:
                environment.end()
                self._counts[name] -= 1
            self._changed.notify_all()
