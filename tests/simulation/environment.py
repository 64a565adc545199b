"""The backend in one process: the handlers, AWS, the provider and users, on one virtual clock.

Nothing waits and nothing is random: the seed, the faults and the order of events decide each run.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from standardwebhooks import Webhook

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import DarkroomError
from darkroom.storage import grants
from tests.aws import TEMPLATE
from tests.builders import http_event
from tests.simulation.calls import Call, Fault, Killed, Request
from tests.simulation.cloud import RECEIVES_MAX, VISIBILITY_SECONDS, WEBHOOK_SECRET, Cloud
from tests.simulation.event_queue import EventQueue
from tests.simulation.http_response import Response, response_of
from tests.simulation.interpreter import Fail, StepFunctions
from tests.simulation.invocations import Invocation
from tests.simulation.other_providers import Runway
from tests.simulation.patching import FUNCTIONS, patched_environment
from tests.simulation.replicate_model import Message, Prediction, Replicate
from tests.simulation.table_items import has_open_checks, pause_of_replicate

QUIET_SECONDS_MAX = 6 * 3600
_RETRY_SECONDS = (5, 10, 20, 40, 80)
TIMEOUTS = {
    folder: TEMPLATE["Resources"][name]["Properties"].get(
        "Timeout", TEMPLATE["Globals"]["Function"]["Timeout"]
    )
    for folder, name in FUNCTIONS.items()
}


class Environment:
    """The handlers, AWS, the provider and the users on one virtual clock.

    `fault_at` returns the fault of an external call, or None. `webhooks` decides what happens to a
    new webhook: it is "sent", "held" in `held_webhooks`, or "lost". `lambda_faults` lists, for each
    function, what Lambda does to the next invocations of a workflow step: "throttled", "response
    lost" or "" (nothing). `broken` collects broken promises that are found between two checks.
    """

    def __init__(
        self, *, seed: int = 0, fault_at: Callable[[Call], Fault | None] = lambda _: None
    ) -> None:
        self.rng = Random(seed)
        self.event_queue = EventQueue()
        self.states = StepFunctions(self.event_queue, self.rng, self._invoke_step)
        self.cloud = Cloud(self.event_queue, self.states, self._notify)
        self.replicate = Replicate(
            self.event_queue,
            self._on_webhook,
            lambda prediction: self.broken.extend(self.on_creation(prediction)),
        )
        self.replicate.on_create_request = self._check_create_request
        self.runway = Runway(self.event_queue)
        self.fault_at = fault_at
        self.webhooks = "sent"
        self.held_webhooks: list[Message] = []
        self.lost_webhooks = 0
        self.lambda_faults: dict[str, list[str]] = {}
        self.callbacks: list[requests.PreparedRequest] = []
        self.callback_status = 200
        self.invocations: list[Invocation] = []
        self.paused: list[Invocation] = []
        # Called with each invocation that pauses, before the clock moves on.
        self.overtake: Callable[[Invocation], object] = lambda _: None
        self.broken: list[str] = []
        # Returns the promises that a new prediction breaks.
        self.on_creation: Callable[[Prediction], Iterable[str]] = lambda _: ()
        self._running: list[Invocation] = []
        # The pause of Replicate at the beginning of each invocation.
        self._pauses: dict[int, str | None] = {}
        self.event_queue.after(60, "every minute", self._run_scheduled_recovery, recurs=True)

    @contextmanager
    def activated(self, **variables: str) -> Iterator[Environment]:
        """Run the handlers in this environment until the end of the block."""
        with patched_environment(self, **variables):
            try:
                yield self
            finally:
                for invocation in list(self.paused):
                    self._kill(invocation)

    # Called from the patched libraries.

    def call_external[Result](self, request: Request[Result]) -> Result:
        """Make an external call. A call of the test itself meets no faults."""
        return self._running[-1].call(request) if self._running else request.perform()

    def receive_callback(self, request: requests.PreparedRequest) -> tuple[int, bytes]:
        """Record a callback and respond as the job's owner."""
        self.callbacks.append(request)
        return self.callback_status, b""

    # Invocations.

    def invoke(
        self, function: str, event: Any, on_end: Callable[[Invocation], None] = lambda _: None
    ) -> Invocation:
        """Start an invocation and run it until it ends or pauses.

        `on_end` receives the invocation when it ends, which may be later.
        """
        times_out_at = self.event_queue.now + timedelta(seconds=TIMEOUTS[function])
        invocation = Invocation(
            function,
            event,
            len(self.invocations),
            self.fault_at,
            lambda: self._seconds_until(times_out_at),
        )
        self.invocations.append(invocation)
        self._pauses[invocation.number] = pause_of_replicate(self.cloud.table, self.event_queue.now)
        self._continue(invocation, times_out_at, on_end)
        return invocation

    def _check_create_request(self) -> None:
        """Record a request for a prediction that was sent although the provider was paused."""
        if not self._running:
            return
        pause = self._pauses[self._running[-1].number]
        if pause and pause == pause_of_replicate(self.cloud.table, self.event_queue.now):
            self.broken.append(f"{self._running[-1]} requests a prediction during a pause")

    def _seconds_until(self, time: datetime) -> float:
        return (time - self.event_queue.now).total_seconds()

    def _continue(
        self, invocation: Invocation, times_out_at: datetime, on_end: Callable[[Invocation], None]
    ) -> None:
        """Run an invocation until it ends or pauses.

        Schedule the end of its pause, or its time-out.
        """
        self._running.append(invocation)
        try:
            invocation.run()
        finally:
            self._running.pop()
        if invocation.has_ended:
            self._record_bugs(invocation)
            on_end(invocation)
            return
        self.paused.append(invocation)
        self.overtake(invocation)
        resumes_at = self.event_queue.now + timedelta(seconds=invocation.pause_seconds)

        def resume() -> None:
            if invocation in self.paused:
                self.paused.remove(invocation)
                self._continue(invocation, times_out_at, on_end)

        def time_out() -> None:
            if invocation in self.paused:
                self._kill(invocation)
                invocation.error = TimeoutError()
                on_end(invocation)

        self.event_queue.at(
            min(resumes_at, times_out_at),
            f"{invocation} {'continues' if resumes_at < times_out_at else 'times out'}",
            resume if resumes_at < times_out_at else time_out,
        )

    def _record_bugs(self, invocation: Invocation) -> None:
        """Record errors that are bugs.

        These are every status 500 that a handler returns itself, and every exception that is not a
        DarkroomError in an invocation without faults.
        """
        if isinstance(invocation.result, dict) and invocation.result.get("statusCode") == 500:
            self.broken.append(
                f"{invocation} returned {invocation.result} after {invocation.faults}"
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
        self, function: str, event: Any, on_success: Callable[[Any], None], on_failure: Fail
    ) -> None:
        """Invoke a function for the workflow, with the next fault of `lambda_faults`."""
        fault = (
            self.lambda_faults.get(function, []).pop(0) if self.lambda_faults.get(function) else ""
        )
        if fault == "throttled":
            on_failure("Lambda.TooManyRequestsException", "Rate exceeded")
            return

        def on_end(invocation: Invocation) -> None:
            match invocation.error:
                case _ if fault == "response lost":
                    on_failure(
                        "Lambda.Unknown",
                        "The cause could not be determined "
                        "because Lambda did not return an error type.",
                    )
                case None:
                    # Lambda serializes results as JSON.
                    on_success(json.loads(json.dumps(invocation.result)))
                case Killed():
                    on_failure(
                        "Runtime.ExitError",
                        "RequestId: … Error: Runtime exited with error: signal: killed",
                    )
                case TimeoutError():
                    on_failure("Sandbox.Timedout", "RequestId: … Error: Task timed out")
                case error:
                    on_failure(
                        type(error).__name__,
                        json.dumps({"errorMessage": str(error), "errorType": type(error).__name__}),
                    )

        invocation = self.invoke(function, event, on_end)
        if fault == "response lost" and not invocation.has_ended:
            # Lambda no longer waits for this invocation, but it still runs beside the retry.
            on_failure("Lambda.Unknown", "")

    def _run_scheduled_recovery(self) -> None:
        self.event_queue.after(60, "every minute", self._run_scheduled_recovery, recurs=True)
        self.recover()

    def recover(self) -> Invocation:
        """Run recovery once."""
        return self.invoke("recover_jobs", {})

    def _notify(
        self, event: dict[str, Any], receives: int = 1, sent_at: datetime | None = None
    ) -> None:
        """Send an event to notify_client, again until it is accepted or was received too often."""
        message_id = f"message-{len(self.invocations)}"
        sent_at = sent_at or self.event_queue.now
        record = {
            "messageId": message_id,
            "body": json.dumps(event),
            "eventSource": "aws:sqs",
            "receiptHandle": message_id,
            "attributes": {
                "SentTimestamp": str(int(sent_at.timestamp() * 1000)),
                "ApproximateReceiveCount": str(receives),
            },
            "messageAttributes": {},
        }

        def on_end(invocation: Invocation) -> None:
            is_accepted = invocation.error is None and not invocation.result["batchItemFailures"]
            if not is_accepted and receives < RECEIVES_MAX:
                self.event_queue.after(
                    self.cloud.hidden_seconds.pop(message_id, VISIBILITY_SECONDS),
                    "callback queue, redelivery",
                    partial(self._notify, event, receives + 1, sent_at),
                )

        self.invoke("notify_client", {"Records": [record]}, on_end)

    # Webhooks.

    def _on_webhook(self, message: Message) -> None:
        match self.webhooks:
            case "sent":
                self.event_queue.after(
                    0.2, f"webhook {message.event}", partial(self._send_webhook, message)
                )
            case "held":
                self.held_webhooks.append(message)
            case _:
                self.lost_webhooks += 1

    def _send_webhook(self, message: Message, retry_count: int = 0) -> None:
        """Deliver a webhook as Replicate does: it repeats completion webhooks that are refused."""

        def check_response(response: Response) -> None:
            if (
                response.status >= 400
                and message.event == "completed"
                and retry_count < len(_RETRY_SECONDS)
            ):
                self.event_queue.after(
                    _RETRY_SECONDS[retry_count],
                    f"webhook {message.event}, retry",
                    partial(self._send_webhook, message, retry_count + 1),
                )

        self.deliver(message, on_response=check_response)

    def deliver(
        self,
        message: Message,
        *,
        signed_at: datetime | None = None,
        secret: str = WEBHOOK_SECRET,
        on_response: Callable[[Response], None] = lambda _: None,
    ) -> None:
        """Call the webhook endpoint. The default signing time is now.

        `on_response` receives the response, which may be later.
        """
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
        self.invoke(
            "receive_prediction", event, lambda invocation: on_response(response_of(invocation))
        )

    # Users.

    def api(
        self,
        method: str,
        path: str,
        *,
        function: str = "api",
        on_response: Callable[[Response], None] = lambda _: None,
        **event: Any,
    ) -> Response | None:
        """Call the HTTP API through the function that serves the route.

        Returns the response, or None while the invocation is paused. `on_response` receives the
        response in both cases.
        """
        responses: list[Response] = []

        def on_end(invocation: Invocation) -> None:
            responses.append(response_of(invocation))
            on_response(responses[0])

        self.invoke(function, http_event(method, path, **event), on_end)
        return responses[0] if responses else None

    def open_account(self, user: str, credits: int) -> AccountId:
        """Grant credits to a user on the platform web."""
        account = AccountId("web", user)
        grants.grant(
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
        """Return whether no job is open, no purge is pending and no event is scheduled."""
        return self.event_queue.is_idle and not has_open_checks(self.cloud.table)

    def settle(self) -> None:
        """Process events until the environment is quiet.

        Raises AssertionError after `QUIET_SECONDS_MAX` virtual seconds.
        """
        give_up_at = self.event_queue.now + timedelta(seconds=QUIET_SECONDS_MAX)
        while not self.is_quiet:
            self.event_queue.run_next()
            assert self.event_queue.now < give_up_at, (
                f"not quiet after {QUIET_SECONDS_MAX} seconds: "
                f"{list(self.states.executions.values())}"
            )
