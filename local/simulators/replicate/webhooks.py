"""Webhooks: signed as Standard Webhooks, sent by worker threads, and retried as by Replicate."""

import json
import logging
import secrets
import threading
from collections import defaultdict, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Literal

import requests
from standardwebhooks import Webhook

from local.simulators.common.clock import Clock
from local.simulators.common.scheduler import Scheduler
from local.simulators.replicate.faults import Faults

logger = logging.getLogger(__name__)

type Event = Literal["start", "output", "logs", "completed"]

WORKERS_MAX = 16
TRIES_RECORDED_MAX = 10_000


@dataclass(frozen=True, kw_only=True)
class Message:
    """A webhook message. All its tries have the same id and the same body."""

    prediction_id: str
    event: Event
    url: str
    body: str
    completed_follows: bool
    id: str = field(default_factory=lambda: f"msg_{secrets.token_hex(12)}")


@dataclass(frozen=True, kw_only=True)
class Try:
    """A try to send a message.

    `status_code` is None if there was no response, or if a fault lost the message.
    """

    webhook_id: str
    prediction_id: str
    event: Event
    status: str
    url: str
    number: int
    sent_at: str
    status_code: int | None
    error: str | None


@dataclass(eq=False, kw_only=True)
class Outbox:
    """Sends messages in the background.

    If the receiver cannot be reached or responds 4xx or 5xx, a `completed` message is sent again
    after each of `retry_delays_seconds`. Other messages are not retried. Redirects are not
    followed, and count as received.
    Source: Replicate docs, "Receive webhooks".
    """

    secret: str
    faults: Faults
    scheduler: Scheduler
    clock: Clock
    retry_delays_seconds: Sequence[float]
    timeout_seconds: float

    def __post_init__(self) -> None:
        """Start without messages."""
        self._signer = Webhook(self.secret)
        self._workers = ThreadPoolExecutor(
            WORKERS_MAX, thread_name_prefix="simulated-replicate-webhook"
        )
        self._lock = threading.Lock()
        self._held_back: dict[str, list[Message]] = defaultdict(list)
        self._tries: deque[Try] = deque(maxlen=TRIES_RECORDED_MAX)

    def close(self) -> None:
        """Send no more messages. The caller must stop the scheduler first."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def tries(self) -> list[dict[str, Any]]:
        """Return the last tries, oldest first."""
        with self._lock:
            return [asdict(each) for each in self._tries]

    def send(self, message: Message) -> None:
        """Send a message in the background. A fault may drop, delay, repeat or reorder it."""
        if message.completed_follows and self.faults.happens("reorder"):
            with self._lock:
                self._held_back[message.prediction_id].append(message)
        elif self.faults.happens("lose_webhook"):
            self._record_try(message, number=0, status_code=None, error="lost on purpose")
            self._send_held_back(message)
        else:
            delay_seconds = (
                self.faults.settings.delay_webhook_seconds
                if self.faults.happens("delay_webhook")
                else 0
            )
            copies = 2 if self.faults.happens("duplicate_webhook") else 1
            for _ in range(copies):
                self.scheduler.after(delay_seconds, partial(self._submit, message, 1))

    def _submit(self, message: Message, number: int) -> None:
        self._workers.submit(self._try, message, number)

    def _try(self, message: Message, number: int) -> None:
        try:
            received = self._post(message, number)
            retries = self.retry_delays_seconds if message.event == "completed" else ()
            if not received and number <= len(retries):
                self.scheduler.after(
                    retries[number - 1], partial(self._submit, message, number + 1)
                )
            self._send_held_back(message)
        except Exception:
            logger.exception("webhook %s could not be sent", message.id)

    def _post(self, message: Message, number: int) -> bool:
        now = self.clock()
        headers = {
            "content-type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message.id, now, message.body),
        }
        try:
            with requests.Session() as session:
                # A proxy in the environment must not get requests to this machine.
                session.trust_env = False
                response = session.post(
                    message.url,
                    data=message.body.encode(),
                    headers=headers,
                    timeout=self.timeout_seconds,
                    allow_redirects=False,
                )
        except requests.RequestException as error:
            self._record_try(message, number=number, status_code=None, error=type(error).__name__)
            return False
        self._record_try(message, number=number, status_code=response.status_code, error=None)
        return response.status_code < HTTPStatus.BAD_REQUEST

    def _send_held_back(self, message: Message) -> None:
        """After the completion, send the messages that the fault `reorder` has delayed."""
        if message.event != "completed":
            return
        with self._lock:
            late = self._held_back.pop(message.prediction_id, [])
        for each in late:
            self._submit(each, 1)

    def _record_try(
        self, message: Message, *, number: int, status_code: int | None, error: str | None
    ) -> None:
        with self._lock:
            self._tries.append(
                Try(
                    webhook_id=message.id,
                    prediction_id=message.prediction_id,
                    event=message.event,
                    status=json.loads(message.body)["status"],
                    url=message.url,
                    number=number,
                    sent_at=self.clock().isoformat(),
                    status_code=status_code,
                    error=error,
                )
            )
