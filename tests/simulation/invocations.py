"""Invocations of handlers, each on its own thread. Only one thread runs at a time, on command.

The test therefore chooses every interleaving of invocations.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter

from darkroom.aws import secrets
from darkroom.observability import metrics
from darkroom.storage import provider_state
from tests.aws import CONTEXT, handler_of
from tests.simulation.calls import Call, Fault, FaultKind, Killed, Request

_EVENT_OF_ROUTER = ("current_event", "lambda_context")


class Invocation:
    """One invocation in a cold execution environment: no secret and no state is cached."""

    def __init__(
        self,
        function: str,
        event: Any,
        number: int,
        fault_at: Callable[[Call], Fault | None],
        seconds_left: Callable[[], float],
    ) -> None:
        self.function = function
        self.event = event
        self.number = number
        self.calls: list[Call] = []
        self.faults: list[tuple[Call, Fault]] = []
        self.result: Any = None
        self.error: BaseException | None = None
        self.has_ended = False
        self.pause_seconds = 0.0
        self._fault_at = fault_at
        self._context = SimpleNamespace(
            **vars(CONTEXT) | {"get_remaining_time_in_millis": lambda: int(seconds_left() * 1000)}
        )
        self._is_killed = False
        self._router_attributes: dict[str, Any] = {}
        self._resumed = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)
        self._thread = threading.Thread(
            target=self._run_handler, daemon=True, name=f"{function} {number}"
        )

    def __str__(self) -> str:
        return f"{self.function} (invocation {self.number})"

    def run(self) -> None:
        """Run until the handler ends or pauses."""
        secrets._cache.clear()
        provider_state._recent_states.clear()
        metrics.clear_metrics()
        saved = {name: vars(BaseRouter).get(name) for name in _EVENT_OF_ROUTER}
        for name, value in self._router_attributes.items():
            setattr(BaseRouter, name, value)
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._resumed.release()
        self._stopped.acquire()
        # Powertools stores the event on the class. In Lambda, two invocations never share it.
        self._router_attributes = {name: vars(BaseRouter).get(name) for name in _EVENT_OF_ROUTER}
        for name, value in saved.items():
            setattr(BaseRouter, name, value)

    def kill(self) -> None:
        """End the paused invocation where it is."""
        self._is_killed = True
        self.run()

    def call[Result](self, request: Request[Result]) -> Result:
        """Make an external call with its fault, if there is one."""
        self._stop_if_killed()
        call = Call(self.function, self.number, len(self.calls), request.name, request.parameters)
        self.calls.append(call)
        fault = self._fault_at(call)
        if fault is None:
            return request.perform()
        self.faults.append((call, fault))
        if not fault.after:
            self._apply(fault, request)
            result = request.perform()
            return (
                request.perform() if fault.kind is FaultKind.REPEAT and call.is_of_aws else result
            )
        result = request.perform()
        self._apply(fault, request)
        return result

    def _apply(self, fault: Fault, request: Request[Any]) -> None:
        match fault.kind:
            case FaultKind.KILL:
                self._is_killed = True
            case FaultKind.ERROR:
                raise request.error(fault)
            case FaultKind.PAUSE:
                self.pause_seconds = fault.seconds
                self._stopped.release()
                self._resumed.acquire()
        self._stop_if_killed()

    def _stop_if_killed(self) -> None:
        if self._is_killed:
            raise Killed

    def _run_handler(self) -> None:
        try:
            self.result = handler_of(self.function)(self.event, self._context)
        except BaseException as error:  # noqa: BLE001 (it is the result)
            self.error = error
        if self._is_killed:
            self.result, self.error = None, self.error or Killed()
        self.has_ended = True
        self._stopped.release()
