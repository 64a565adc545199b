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
from tests.simulation.agenda import Agenda
from tests.simulation.calls import Call, Fault, Killed, Request
from tests.simulation.cloud import RECEIVES_MAX, VISIBILITY_SECONDS, Cloud
from tests.simulation.installation import FUNCTIONS, on_stage
from tests.simulation.interpreter import Fail, StepFunctions
from tests.simulation.other_providers import Runway
from tests.simulation.replicate_model import Message, Prediction, Replicate
from tests.simulation.sandboxes import Sandbox

WEBHOOK_SECRET = "whsec_c2ltdWxhdGVkLXNlY3JldC1zaW11bGF0ZWQ="
QUIET_SECONDS_MAX = 6 * 3600
_RETRY_SECONDS = (5, 10, 20, 40, 80)
TIMEOUTS = {folder: TEMPLATE["Resources"][name]["Properties"].get("Timeout", TEMPLATE["Globals"]["Function"]["Timeout"]) for folder, name in FUNCTIONS.items()}


@dataclass(frozen=True)
class Answer:
    """What the HTTP API answered. 500 without a document is a sandbox that died or raised."""

    status: int
    document: Any
    headers: Mapping[str, str]

    @property
    def is_unknown(self) -> bool:
        """Whether it says nothing of what became of the request, which is to be repeated."""
        return self.status == 500 or (self.status == 503 and self.document["type"] == "/problems/unavailable")


class World:
    """The handlers, AWS, the provider, and the people, by one clock.

    `fault_at` is asked about every external call of a handler. `webhooks` says what becomes of a webhook: sent, kept in `pool`, or lost.
    `lambda_faults` are what the Lambda service does to the next tries of a workflow step: it "throttles", or loses the "answer".
    """

    def __init__(self, *, seed: int = 0, fault_at: Callable[[Call], Fault | None] = lambda _: None) -> None:
        self.rng = Random(seed)
        self.agenda = Agenda()
        self.states = StepFunctions(self.agenda, self.rng, self._invoke_step)
        secrets = {"replicate-token": "r8_test", "replicate-webhook": WEBHOOK_SECRET, "runway-key": "key_test", "webui-login": "ann:secret"}
        self.cloud = Cloud(self.agenda, self.states, secrets, self._notify)
        self.replicate = Replicate(self.agenda, self._webhook_sent, lambda prediction: self.broken.extend(self.watch_creation(prediction)))
        self.runway = Runway(self.agenda)
        self.fault_at = fault_at
        self.webhooks = "sent"
        self.pool: list[Message] = []
        self.lost_webhooks = 0
        self.lambda_faults: dict[str, list[str]] = {}
        self.callbacks: list[requests.PreparedRequest] = []
        self.callback_status = 200
        self.sandboxes: list[Sandbox] = []
        self.paused: list[Sandbox] = []
        # What happens while a sandbox is held up.
        self.overtake: Callable[[Sandbox], object] = lambda _: None
        # Who looks at the promises says here what was broken in passing.
        self.broken: list[str] = []
        self.watch_creation: Callable[[Prediction], Iterable[str]] = lambda _: ()
        self._running: list[Sandbox] = []
        self.agenda.after(60, "every minute", self._every_minute, recurs=True)

    @contextmanager
    def lives(self, **environment: str) -> Iterator[World]:
        """Have this world be the one in which the handlers live."""
        with on_stage(self, **environment):
            try:
                yield self
            finally:
                for sandbox in list(self.paused):
                    self._kill(sandbox)

    # What the handlers meet.

    def external[Result](self, request: Request[Result]) -> Result:
        """Let an external call through. One that no handler makes, but the test itself, meets no faults."""
        return self._running[-1].call(request) if self._running else request.perform()

    def called_back(self, request: requests.PreparedRequest) -> tuple[int, bytes]:
        """Answer a callback as its owner does."""
        self.callbacks.append(request)
        return self.callback_status, b""

    # What invokes the handlers.

    def invoke(self, function: str, event: Any, over: Callable[[Sandbox], None] = lambda _: None) -> Sandbox:
        """Start an invocation, and let it run until its end or its first pause. `over` is told of the end, which may be later."""
        dies_at = self.agenda.now + timedelta(seconds=TIMEOUTS[function])
        sandbox = Sandbox(function, event, len(self.sandboxes), self.fault_at, lambda: self._seconds_until(dies_at))
        self.sandboxes.append(sandbox)
        self._let_go(sandbox, dies_at, over)
        return sandbox

    def _seconds_until(self, time: datetime) -> float:
        return (time - self.agenda.now).total_seconds()

    def _let_go(self, sandbox: Sandbox, dies_at: datetime, over: Callable[[Sandbox], None]) -> None:
        self._running.append(sandbox)
        try:
            sandbox.go()
        finally:
            self._running.pop()
        if sandbox.is_over:
            self._look_for_bugs(sandbox)
            over(sandbox)
            return
        self.paused.append(sandbox)
        self.overtake(sandbox)
        wakes_at = self.agenda.now + timedelta(seconds=sandbox.pause_seconds)

        def resume() -> None:
            if sandbox in self.paused:
                self.paused.remove(sandbox)
                self._let_go(sandbox, dies_at, over)

        def die() -> None:
            if sandbox in self.paused:
                self._kill(sandbox)
                sandbox.error = TimeoutError()
                over(sandbox)

        self.agenda.at(min(wakes_at, dies_at), f"{sandbox} {'goes on' if wakes_at < dies_at else 'times out'}", resume if wakes_at < dies_at else die)

    def _look_for_bugs(self, sandbox: Sandbox) -> None:
        """An error that is none of ours, in an invocation that met no fault, is a bug; and so is every error that the API did not foresee."""
        if isinstance(sandbox.result, dict) and sandbox.result.get("statusCode") == 500:
            self.broken.append(f"{sandbox} answered {sandbox.result} after {sandbox.faults}")
        if isinstance(sandbox.error, Exception) and not sandbox.faults and not isinstance(sandbox.error, DarkroomError):
            self.broken.append(f"{sandbox} raised {''.join(traceback.format_exception(sandbox.error))}")

    def _kill(self, sandbox: Sandbox) -> None:
        self.paused.remove(sandbox)
        self._running.append(sandbox)
        sandbox.kill()
        self._running.pop()

    def _invoke_step(self, function: str, event: Any, returned: Callable[[Any], None], failed: Fail) -> None:
        fault = self.lambda_faults.get(function, []).pop(0) if self.lambda_faults.get(function) else ""
        if fault == "throttles":
            failed("Lambda.TooManyRequestsException", "Rate exceeded")
            return

        def over(sandbox: Sandbox) -> None:
            match sandbox.error:
                case _ if fault == "answer":
                    failed("Lambda.Unknown", "The cause could not be determined because Lambda did not return an error type.")
                case None:
                    # Results travel as JSON.
                    returned(json.loads(json.dumps(sandbox.result)))
                case Killed():
                    failed("Runtime.ExitError", "RequestId: … Error: Runtime exited with error: signal: killed")
                case TimeoutError():
                    failed("Sandbox.Timedout", "RequestId: … Error: Task timed out")
                case error:
                    failed(type(error).__name__, json.dumps({"errorMessage": str(error), "errorType": type(error).__name__}))

        sandbox = self.invoke(function, event, over)
        if fault == "answer" and not sandbox.is_over:
            # Lambda has lost sight of it, and it lives on: the next try runs beside it.
            failed("Lambda.Unknown", "")

    def _every_minute(self) -> None:
        self.agenda.after(60, "every minute", self._every_minute, recurs=True)
        self.recover()

    def recover(self) -> Sandbox:
        """Run recovery."""
        return self.invoke("recover_jobs", {})

    def _notify(self, event: dict[str, Any], receives: int = 1) -> None:
        message_id = f"message-{len(self.sandboxes)}"
        record = {"messageId": message_id, "body": json.dumps(event), "eventSource": "aws:sqs", "attributes": {}, "messageAttributes": {}}

        def over(sandbox: Sandbox) -> None:
            is_taken = sandbox.error is None and not sandbox.result["batchItemFailures"]
            if not is_taken and receives < RECEIVES_MAX:
                self.agenda.after(VISIBILITY_SECONDS, "callback queue, once more", partial(self._notify, event, receives + 1))

        self.invoke("notify_client", {"Records": [record]}, over)

    # Webhooks.

    def _webhook_sent(self, message: Message) -> None:
        match self.webhooks:
            case "sent":
                self.agenda.after(0.2, f"webhook {message.event}", partial(self._send, message))
            case "kept":
                self.pool.append(message)
            case _:
                self.lost_webhooks += 1

    def _send(self, message: Message, tries: int = 0) -> None:
        """Deliver as Replicate does: what is about a completion is tried again while nobody takes it."""

        def over(answer: Answer) -> None:
            if answer.status >= 400 and message.event == "completed" and tries < len(_RETRY_SECONDS):
                self.agenda.after(_RETRY_SECONDS[tries], f"webhook {message.event}, once more", partial(self._send, message, tries + 1))

        self.deliver(message, over=over)

    def deliver(
        self, message: Message, *, signed_at: datetime | None = None, secret: str = WEBHOOK_SECRET, over: Callable[[Answer], None] = lambda _: None
    ) -> None:
        """Call the webhook door, signed now unless another time is given. `over` is told the answer, which may come later."""
        signed_at = signed_at or self.agenda.now
        headers = {
            "webhook-id": message.id,
            "webhook-timestamp": str(int(signed_at.timestamp())),
            "webhook-signature": Webhook(secret).sign(message.id, signed_at, message.body),
        }
        parts = urlsplit(message.url)
        event = http_event("POST", parts.path, body=message.body, user=None, headers=headers)
        event["rawQueryString"] = parts.query
        event["queryStringParameters"] = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.invoke("receive_prediction", event, lambda sandbox: over(_answer(sandbox)))

    # People.

    def api(self, method: str, path: str, *, function: str = "api", over: Callable[[Answer], None] = lambda _: None, **event: Any) -> Answer | None:
        """Call the HTTP API, at the function that serves the route. Gives the answer, or None while the sandbox is paused; `over` is told then."""
        answers: list[Answer] = []

        def finished(sandbox: Sandbox) -> None:
            answers.append(_answer(sandbox))
            over(answers[0])

        self.invoke(function, http_event(method, path, **event), finished)
        return answers[0] if answers else None

    def open_account(self, user: str, credits: int) -> AccountId:
        """Give a user credits."""
        account = AccountId("web", user)
        ledger.grant(account, credits, reason="opening", reference=f"opening {user}", now=self.agenda.now)
        return account

    # Time.

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is open, nothing runs, and nothing is coming."""
        waiting = any("check_queue" in item and not _is_retained(item) for item in self.cloud.table.items.values())
        return self.agenda.is_clear and not waiting

    def settle(self) -> None:
        """Let everything take its course until it is quiet. Raises AssertionError when it never is."""
        give_up_at = self.agenda.now + timedelta(seconds=QUIET_SECONDS_MAX)
        while not self.is_quiet:
            self.agenda.run_next()
            assert self.agenda.now < give_up_at, f"never quiet: {list(self.states.executions.values())}"


def _is_retained(item: Mapping[str, Any]) -> bool:
    return bool(item["check_queue"]["S"] == "ended" and item["sk"]["S"].startswith("JOB#"))


def _answer(sandbox: Sandbox) -> Answer:
    if sandbox.error is not None:
        return Answer(500, None, {})
    body = sandbox.result.get("body")
    return Answer(sandbox.result["statusCode"], json.loads(body) if body else None, sandbox.result["headers"])
