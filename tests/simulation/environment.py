"""The whole backend in one process, by one virtual clock. Nothing in it waits, nothing is left to chance, and everything that happens is a choice."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from standardwebhooks import Webhook

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import DarkroomError
from darkroom.storage import ledger
from tests.aws import TEMPLATE
from tests.builders import http_event
from tests.simulation.calls import Call, Fault, Killed, Request
from tests.simulation.cloud import RECEIVES_MAX, VISIBILITY_SECONDS, Cloud
from tests.simulation.event_queue import EventQueue
from tests.simulation.installation import FUNCTIONS, patched_environment
from tests.simulation.interpreter import Fail, StepFunctions
from tests.simulation.invocations import Invocation
from tests.simulation.other_providers import Runway
from tests.simulation.replicate_model import Message, Prediction, Replicate

WEBHOOK_SECRET = "whsec_c2ltdWxhdGVkLXNlY3JldC1zaW11bGF0ZWQ="
QUIET_SECONDS_MAX = 6 * 3600
_RETRY_SECONDS = (5, 10, 20, 40, 80)
TIMEOUTS = {
    folder: TEMPLATE["Resources"][name]["Properties"].get(
        "Timeout", TEMPLATE["Globals"]["Function"]["Timeout"]
    )
    for folder, name in FUNCTIONS.items()
}


@dataclass(frozen=True)
class Answer:
    """What the HTTP API answered. 500 without a document is an invocation that died or raised."""

    status: int
    document: Any
    headers: Mapping[str, str]

    @property
    def is_unknown(self) -> bool:
        """Whether it says nothing of what became of the request, which is to be repeated."""
        return self.status == 500 or (
            self.status == 503 and self.document["type"] == "/problems/unavailable"
        )


class Environment:
    """The handlers, AWS, the provider, and the actors, by one clock.

    `fault_at` is asked about every external call of a handler. `webhooks` says what becomes of a webhook: sent, kept in `pool`, or lost.
    `lambda_faults` are what the Lambda service does to the next tries of a workflow step: it "throttles", or loses the "answer".
    """

    def __init__(
        self, *, seed: int = 0, fault_at: Callable[[Call], Fault | None] = lambda _: None
    ) -> None:
        self.rng = Random(seed)
        self.event_queue = EventQueue()
        self.states = StepFunctions(self.event_queue, self.rng, self._invoke_step)
        secrets = {
            "replicate-token": "r8_test",
            "replicate-webhook": WEBHOOK_SECRET,
            "runway-key": "key_test",
            "webui-login": "ann:secret",
        }
        self.cloud = Cloud(self.event_queue, self.states, secrets, self._notify)
        self.replicate = Replicate(
            self.event_queue,
            self._webhook_sent,
            lambda prediction: self.broken.extend(self.watch_creation(prediction)),
        )
        self.runway = Runway(self.event_queue)
        self.fault_at = fault_at
        self.webhooks = "sent"
        self.pool: list[Message] = []
        self.lost_webhooks = 0
        self.lambda_faults: dict[str, list[str]] = {}
        self.callbacks: list[requests.PreparedRequest] = []
        self.callback_status = 200
        self.invocations: list[Invocation] = []
        self.paused: list[Invocation] = []
        # What happens while an invocation is held up.
        self.overtake: Callable[[Invocation], object] = lambda _: None
        # Who looks at the promises says here what was broken in passing.
        self.broken: list[str] = []
        self.watch_creation: Callable[[Prediction], Iterable[str]] = lambda _: ()
        self._running: list[Invocation] = []
        self.event_queue.after(60, "every minute", self._every_minute, recurs=True)

    @contextmanager
    def activated(self, **variables: str) -> Iterator[Environment]:
        """Have this environment be the one in which the handlers live."""
        with patched_environment(self, **variables):
            try:
                yield self
            finally:
                for invocation in list(self.paused):
                    self._kill(invocation)

    # What the handlers meet.

    def external[Result](self, request: Request[Result]) -> Result:
        """Let an external call through. One that no handler makes, but the test itself, meets no faults."""
        return self._running[-1].call(request) if self._running else request.perform()

    def called_back(self, request: requests.PreparedRequest) -> tuple[int, bytes]:
        """Answer a callback as its owner does."""
        self.callbacks.append(request)
        return self.callback_status, b""

    # What invokes the handlers.

    def invoke(
        self, function: str, event: Any, over: Callable[[Invocation], None] = lambda _: None
    ) -> Invocation:
        """Start an invocation, and let it run until its end or its first pause. `over` is told of the end, which may be later."""
        dies_at = self.event_queue.now + timedelta(seconds=TIMEOUTS[function])
        invocation = Invocation(
            function,
            event,
            len(self.invocations),
            self.fault_at,
            lambda: self._seconds_until(dies_at),
        )
        self.invocations.append(invocation)
        self._let_go(invocation, dies_at, over)
        return invocation

    def _seconds_until(self, time: datetime) -> float:
        return (time - self.event_queue.now).total_seconds()

    def _let_go(
        self, invocation: Invocation, dies_at: datetime, over: Callable[[Invocation], None]
    ) -> None:
        self._running.append(invocation)
        try:
            invocation.go()
        finally:
            self._running.pop()
        if invocation.is_over:
            self._look_for_bugs(invocation)
            over(invocation)
            return
        self.paused.append(invocation)
        self.overtake(invocation)
        wakes_at = self.event_queue.now + timedelta(seconds=invocation.pause_seconds)

        def resume() -> None:
            if invocation in self.paused:
                self.paused.remove(invocation)
                self._let_go(invocation, dies_at, over)

        def die() -> None:
            if invocation in self.paused:
                self._kill(invocation)
                invocation.error = TimeoutError()
                over(invocation)

        self.event_queue.at(
            min(wakes_at, dies_at),
            f"{invocation} {'goes on' if wakes_at < dies_at else 'times out'}",
            resume if wakes_at < dies_at else die,
        )

    def _look_for_bugs(self, invocation: Invocation) -> None:
        """An error that is none of ours, in an invocation that met no fault, is a bug; and so is every error that the API did not foresee."""
        if isinstance(invocation.result, dict) and invocation.result.get("statusCode") == 500:
            self.broken.append(
                f"{invocation} answered {invocation.result} after {invocation.faults}"
            )
        if (
            isinstance(invocation.error, Exception)
            and not invocation.faults
            and not isinstance(invocation.error, DarkroomError)
        ):
            self.broken.append(
                f"{invocation} raised {''.join(traceback.format_exception(invocation.error))}"
            )

    def _kill(self, invocation: Invocation) -> None:
        self.paused.remove(invocation)
        self._running.append(invocation)
        invocation.kill()
        self._running.pop()

    def _invoke_step(
        self, function: str, event: Any, returned: Callable[[Any], None], failed: Fail
    ) -> None:
        fault = (
            self.lambda_faults.get(function, []).pop(0) if self.lambda_faults.get(function) else ""
        )
        if fault == "throttles":
            failed("Lambda.TooManyRequestsException", "Rate exceeded")
            return

        def over(invocation: Invocation) -> None:
            match invocation.error:
                case _ if fault == "answer":
                    failed(
                        "Lambda.Unknown",
                        "The cause could not be determined because Lambda did not return an error type.",
                    )
                case None:
                    # Results travel as JSON.
                    returned(json.loads(json.dumps(invocation.result)))
                case Killed():
                    failed(
                        "Runtime.ExitError",
                        "RequestId: … Error: Runtime exited with error: signal: killed",
                    )
                case TimeoutError():
                    failed("Sandbox.Timedout", "RequestId: … Error: Task timed out")
                case error:
                    failed(
                        type(error).__name__,
                        json.dumps({"errorMessage": str(error), "errorType": type(error).__name__}),
                    )

        invocation = self.invoke(function, event, over)
        if fault == "answer" and not invocation.is_over:
            # Lambda has lost sight of it, and it lives on: the next try runs beside it.
            failed("Lambda.Unknown", "")

    def _every_minute(self) -> None:
        self.event_queue.after(60, "every minute", self._every_minute, recurs=True)
        self.recover()

    def recover(self) -> Invocation:
        """Run recovery."""
        return self.invoke("recover_jobs", {})

    def _notify(self, event: dict[str, Any], receives: int = 1) -> None:
        message_id = f"message-{len(self.invocations)}"
        record = {
            "messageId": message_id,
            "body": json.dumps(event),
            "eventSource": "aws:sqs",
            "attributes": {},
            "messageAttributes": {},
        }

        def over(invocation: Invocation) -> None:
            is_taken = invocation.error is None and not invocation.result["batchItemFailures"]
            if not is_taken and receives < RECEIVES_MAX:
                self.event_queue.after(
                    VISIBILITY_SECONDS,
                    "callback queue, once more",
                    partial(self._notify, event, receives + 1),
                )

        self.invoke("notify_client", {"Records": [record]}, over)

    # Webhooks.

    def _webhook_sent(self, message: Message) -> None:
        match self.webhooks:
            case "sent":
                self.event_queue.after(
                    0.2, f"webhook {message.event}", partial(self._send, message)
                )
            case "kept":
                self.pool.append(message)
            case _:
                self.lost_webhooks += 1

    def _send(self, message: Message, tries: int = 0) -> None:
        """Deliver as Replicate does: what is about a completion is tried again while nobody takes it."""

        def over(answer: Answer) -> None:
            if (
                answer.status >= 400
                and message.event == "completed"
                and tries < len(_RETRY_SECONDS)
            ):
                self.event_queue.after(
                    _RETRY_SECONDS[tries],
                    f"webhook {message.event}, once more",
                    partial(self._send, message, tries + 1),
                )

        self.deliver(message, over=over)

    def deliver(
        self,
        message: Message,
        *,
        signed_at: datetime | None = None,
        secret: str = WEBHOOK_SECRET,
        over: Callable[[Answer], None] = lambda _: None,
    ) -> None:
        """Call the webhook endpoint, signed now unless another time is given. `over` is told the answer, which may come later."""
        signed_at = signed_at or self.event_queue.now
        headers = {
            "webhook-id": message.id,
            "webhook-timestamp": str(int(signed_at.timestamp())),
            "webhook-signature": Webhook(secret).sign(message.id, signed_at, message.body),
        }
        parts = urlsplit(message.url)
        event = http_event("POST", parts.path, body=message.body, user=None, headers=headers)
        event["rawQueryString"] = parts.query
        event["queryStringParameters"] = {
            name: values[0] for name, values in parse_qs(parts.query).items()
        }
        self.invoke("receive_prediction", event, lambda invocation: over(_answer(invocation)))

    # Actors.

    def api(
        self,
        method: str,
        path: str,
        *,
        function: str = "api",
        over: Callable[[Answer], None] = lambda _: None,
        **event: Any,
    ) -> Answer | None:
        """Call the HTTP API, at the function that serves the route. Gives the answer, or None while the invocation is paused; `over` is told then."""
        answers: list[Answer] = []

        def finished(invocation: Invocation) -> None:
            answers.append(_answer(invocation))
            over(answers[0])

        self.invoke(function, http_event(method, path, **event), finished)
        return answers[0] if answers else None

    def open_account(self, user: str, credits: int) -> AccountId:
        """Give a user credits."""
        account = AccountId("web", user)
        ledger.grant(
            account,
            credits,
            reason="opening",
            reference=f"opening {user}",
            now=self.event_queue.now,
        )
        return account

    # Time.

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is open, nothing runs, and nothing is coming."""
        waiting = any(
            "check_queue" in item and not _is_retained(item)
            for item in self.cloud.table.items.values()
        )
        return self.event_queue.is_clear and not waiting

    def settle(self) -> None:
        """Let everything take its course until it is quiet. Raises AssertionError when it never is."""
        give_up_at = self.event_queue.now + timedelta(seconds=QUIET_SECONDS_MAX)
        while not self.is_quiet:
            self.event_queue.run_next()
            assert self.event_queue.now < give_up_at, (
                f"never quiet: {list(self.states.executions.values())}"
            )


def _is_retained(item: Mapping[str, Any]) -> bool:
    return bool(item["check_queue"]["S"] == "ended" and item["sk"]["S"].startswith("JOB#"))


def _answer(invocation: Invocation) -> Answer:
    if invocation.error is not None:
        return Answer(500, None, {})
    body = invocation.result.get("body")
    return Answer(
        invocation.result["statusCode"],
        json.loads(body) if body else None,
        invocation.result["headers"],
    )
