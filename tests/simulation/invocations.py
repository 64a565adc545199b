"""Invocations: each invocation of a handler lives on a thread of its own that runs only while it is let, so that every interleaving is a choice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter

from darkroom.aws import secrets
from darkroom.observability import metrics
from tests.aws import CONTEXT, handler_of
from tests.simulation.calls import Call, Fault, Killed, Kind, Request

_EVENT_OF_ROUTER = ("current_event", "lambda_context")


class Invocation:
    """One invocation. It is cold: it knows no secret yet."""

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
        self.is_over = False
        self.pause_seconds = 0.0
        self._fault_at = fault_at
        self._context = SimpleNamespace(
            **vars(CONTEXT) | {"get_remaining_time_in_millis": lambda: int(seconds_left() * 1000)}
        )
        self._is_dead = False
        self._router: dict[str, Any] = {}
        self._may_go = threading.Semaphore(0)
        self._has_stopped = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._live, daemon=True, name=f"{function} {number}")

    def __str__(self) -> str:
        return f"{self.function} (invocation {self.number})"

    def go(self) -> None:
        """Run on until the end or the next pause."""
        secrets._cache.clear()
        metrics.clear_metrics()
        kept = {name: vars(BaseRouter).get(name) for name in _EVENT_OF_ROUTER}
        for name, value in self._router.items():
            setattr(BaseRouter, name, value)
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._may_go.release()
        self._has_stopped.acquire()
        # Powertools keeps the event of an invocation at the class, which no two invocations share in Lambda.
        self._router = {name: vars(BaseRouter).get(name) for name in _EVENT_OF_ROUTER}
        for name, value in kept.items():
            setattr(BaseRouter, name, value)

    def kill(self) -> None:
        """End it where it is paused."""
        self._is_dead = True
        self.go()

    def call[Answer](self, request: Request[Answer]) -> Answer:
        """Make an external call, with whatever fault it meets."""
        self._refuse_the_dead()
        call = Call(self.function, self.number, len(self.calls), request.name, request.document)
        self.calls.append(call)
        fault = self._fault_at(call)
        if fault is None:
            return request.perform()
        self.faults.append((call, fault))
        if not fault.after:
            self._meet(fault, request)
            answer = request.perform()
            return request.perform() if fault.kind is Kind.REPEAT and call.is_of_aws else answer
        answer = request.perform()
        self._meet(fault, request)
        return answer

    def _meet(self, fault: Fault, request: Request[Any]) -> None:
        match fault.kind:
            case Kind.KILL:
                self._is_dead = True
            case Kind.ERROR:
                raise request.error(fault)
            case Kind.PAUSE:
                self.pause_seconds = fault.seconds
                self._has_stopped.release()
                self._may_go.acquire()
        self._refuse_the_dead()

    def _refuse_the_dead(self) -> None:
        if self._is_dead:
            raise Killed

    def _live(self) -> None:
        try:
            self.result = handler_of(self.function)(self.event, self._context)
        except BaseException as error:  # noqa: BLE001 (whatever ends a handler is what it ended with)
            self.error = error
        if self._is_dead:
            self.result, self.error = None, self.error or Killed()
        self.is_over = True
        self._has_stopped.release()
