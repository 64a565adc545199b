"""Replicate in memory, on the virtual clock: predictions, webhooks and files, without sockets.

The API is that of the HTTP reference (replicate.com/docs/reference/http). Error messages have the
original wording.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from PIL import Image

from tests.simulation.event_queue import EventQueue, ScheduledEvent

BASE_URL = "http://replicate.test/v1"
DELIVERY_HOST = "delivery.test"
RETENTION = timedelta(hours=1)
SENSITIVE = (
    "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"
)
INTERRUPTED = "Prediction interrupted; please retry (code: PA)"
OPEN = ("starting", "processing")
OUTCOMES = (
    "succeeds",
    "fails",
    "is flagged",
    "is interrupted",
    "gives nothing",
    "gives fewer",
    "gives no image",
)
_UNHANDLED_SHOWS_SECONDS_MAX = 9
_CUT_BYTES = 20
_ERRORS = {"fails": "CUDA out of memory", "is flagged": SENSITIVE, "is interrupted": INTERRUPTED}


@dataclass
class FaultProfile:
    """The provider's faults.

    `responses` applies to every request; "creates throttled", "creates refused" (a bill is unpaid),
    "unavailable, but created" and "create response lost" only to creates. "model retired" applies
    to creates and to the model. `outcomes` applies to the next predictions, in order;
    then `outcome` applies. A new prediction is visible in the list and by its id after
    `visible_after_seconds`, and after at most nine seconds if the create's response was a 503.
    `files` is "normal", "unavailable", "cut", or "cut once" for the first download of each file.
    `duplicate_creates` is the number of the next creates that make two predictions, as if the
    network had sent the request twice. `seconds_by_prompt` replaces `run_seconds` for predictions
    with these prompts.
    """

    responses: str = "normal"
    outcome: str = "succeeds"
    outcomes: list[str] = field(default_factory=list)
    queue_seconds: float = 1
    run_seconds: float = 3
    visible_after_seconds: float = 0
    files: str = "normal"
    duplicate_creates: int = 0
    seconds_by_prompt: dict[str, float] = field(default_factory=dict)

    def seconds_of(self, prediction: Prediction) -> float:
        """Return how long a prediction runs."""
        return self.seconds_by_prompt.get(prediction.input.get("prompt", ""), self.run_seconds)


@dataclass
class Prediction:
    """One prediction. It changes in place, so each holder sees its current state.

    `made_for` names the account, job and nonce if no webhook does. Only the promises read it.
    """

    id: str
    input: dict[str, Any]
    webhook: str | None
    created_at: datetime
    deadline: datetime | None
    outcome: str
    visible_at: datetime
    status: str = "starting"
    output: list[str] | None = None
    error: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    deadline_event: ScheduledEvent | None = None
    is_duplicate: bool = False
    made_for: tuple[str, str, str] | None = None


@dataclass(frozen=True)
class Message:
    """A webhook before its delivery. Its id and body never change."""

    id: str
    url: str
    body: str
    event: str
    sent_at: datetime

    def addressed_to(self, url: str) -> Message:
        """Return the same message for another URL."""
        return replace(self, url=url)


class Replicate:
    """The provider.

    `post` receives each webhook. `created` receives each prediction before anything else sees it.
    """

    def __init__(
        self,
        event_queue: EventQueue,
        post: Callable[[Message], None],
        created: Callable[[Prediction], None],
    ) -> None:
        self.fault_profile = FaultProfile()
        self.predictions: dict[str, Prediction] = {}
        self.requests_count: Counter[str] = Counter()
        self._event_queue = event_queue
        self._post = post
        self._created = created
        self._messages = 0
        self._downloaded = set[str]()
        # Called with each create request, before the response.
        self.on_create_request: Callable[[], None] = lambda: None

    def respond(self, request: httpx.Request) -> httpx.Response:
        """Respond to one request of the SDK. Raises httpx's own errors for a lost response."""
        path = urlsplit(str(request.url)).path.removeprefix("/v1/predictions").strip("/")
        prediction_id, _, action = path.partition("/")
        if request.method == "POST" and not path:
            action = "create"
        elif not action:
            action = "get" if path else "list"
        verb = f"{request.method} {action}"
        self.requests_count[verb] += 1
        if refusal := self._refusal(request):
            return refusal
        if path == "v1/account":
            return _json(200, {"type": "user", "username": "darkroom", "name": "Darkroom"})
        if path.startswith("v1/models/"):
            return self._model(path)
        if verb == "POST create":
            return self._create(request)
        return self._list(request) if verb == "GET list" else self._one(prediction_id, verb)

    def _refusal(self, request: httpx.Request) -> httpx.Response | None:
        match self.fault_profile.responses:
            case "throttled":
                detail = "Request was throttled. Your rate limit resets in ~7s."
                return _json(
                    429, {"title": "Request was throttled", "detail": detail, "retry_after": 7}
                )
            case "unavailable":
                return _unavailable()
            case "connection refused":
                raise httpx.ConnectError("refused", request=request)
            case "account refused":
                return _json(401, {"title": "Unauthenticated", "detail": "No valid token."})
        return None

    def _one(self, prediction_id: str, verb: str) -> httpx.Response:
        prediction = self.predictions.get(prediction_id)
        if prediction is None or prediction.visible_at > self._event_queue.now:
            return _not_found()
        if verb == "POST cancel":
            self._end(prediction, "canceled", only_from=OPEN)
        return _json(200, self.document(prediction))

    def file(self, url: str) -> tuple[int, bytes]:
        """Return the status and the content with which the delivery host responds."""
        prediction_id, _, name = urlsplit(url).path.strip("/").partition("/")
        prediction = self.predictions.get(prediction_id)
        if self.fault_profile.files == "unavailable":
            return 503, b""
        if (
            prediction is None
            or self._is_removed(prediction)
            or not prediction.output
            or url not in prediction.output
        ):
            return 404, b""
        if prediction.outcome == "gives no image" and name == "0.png":
            return 200, b"no image"
        is_cut = self.fault_profile.files == "cut" or (
            self.fault_profile.files == "cut once" and url not in self._downloaded
        )
        self._downloaded.add(url)
        return 200, small_image()[:-_CUT_BYTES] if is_cut else small_image()

    def document(self, prediction: Prediction) -> dict[str, Any]:
        """Return the API's prediction object, without its data after the retention."""
        removed = self._is_removed(prediction)
        document = {
            "id": prediction.id,
            "model": "black-forest-labs/flux-schnell",
            "version": "hidden",
            "status": prediction.status,
            "input": {} if removed else prediction.input,
            "output": None if removed else prediction.output,
            "logs": "",
            "error": prediction.error,
            "metrics": {},
            "created_at": _time(prediction.created_at),
            "started_at": _time(prediction.started_at),
            "completed_at": _time(prediction.completed_at),
            "source": "api",
            "data_removed": removed,
            "urls": {
                "get": f"{BASE_URL}/predictions/{prediction.id}",
                "cancel": f"{BASE_URL}/predictions/{prediction.id}/cancel",
            },
        }
        optional = {"deadline": _time(prediction.deadline), "webhook": prediction.webhook}
        return document | {name: value for name, value in optional.items() if value is not None}

    def _model(self, path: str) -> httpx.Response:
        if self.fault_profile.responses == "model retired":
            return _not_found()
        _, _, owner, name, *_ = path.split("/")
        return _json(200, {"owner": owner, "name": name, "latest_version": {"id": "hidden"}})

    def _create(self, request: httpx.Request) -> httpx.Response:
        self.on_create_request()
        if self.fault_profile.responses == "creates throttled":
            return _json(
                429,
                {
                    "title": "Request was throttled",
                    "detail": "Request was throttled.",
                    "retry_after": 7,
                },
            )
        if self.fault_profile.responses == "creates refused":
            return _json(402, {"title": "Insufficient credit", "detail": "Add a payment method."})
        if self.fault_profile.responses == "model retired":
            return _not_found()
        prediction = self._new_prediction(request, is_duplicate=False)
        if self.fault_profile.duplicate_creates:
            self.fault_profile.duplicate_creates -= 1
            self._new_prediction(request, is_duplicate=True)
        match self.fault_profile.responses:
            case "create response lost":
                raise httpx.ReadTimeout("no answer", request=request)
            case "unavailable, but created":
                prediction.visible_at = min(
                    prediction.visible_at,
                    self._event_queue.now + timedelta(seconds=_UNHANDLED_SHOWS_SECONDS_MAX),
                )
                return _unavailable()
        return _json(201, self.document(prediction))

    def _new_prediction(self, request: httpx.Request, *, is_duplicate: bool) -> Prediction:
        parameters = json.loads(request.content)
        cancel_after = re.fullmatch(r"(\d+)s", request.headers.get("cancel-after", ""))
        now, fault_profile = self._event_queue.now, self.fault_profile
        prediction = Prediction(
            id=f"p{len(self.predictions):025}",
            input=parameters["input"],
            webhook=parameters.get("webhook"),
            created_at=now,
            deadline=now + timedelta(seconds=int(cancel_after[1])) if cancel_after else None,
            outcome=fault_profile.outcomes.pop(0)
            if fault_profile.outcomes
            else fault_profile.outcome,
            visible_at=now + timedelta(seconds=fault_profile.visible_after_seconds),
            is_duplicate=is_duplicate,
        )
        self._created(prediction)
        self.predictions[prediction.id] = prediction
        self._event_queue.after(
            fault_profile.queue_seconds,
            f"{prediction.id[-3:]} starts",
            lambda: self._start(prediction, fault_profile.seconds_of(prediction)),
        )
        if prediction.deadline:
            prediction.deadline_event = self._event_queue.at(
                prediction.deadline,
                f"{prediction.id[-3:]} reaches its deadline",
                lambda: self._pass_deadline(prediction),
            )
        return prediction

    def _list(self, request: httpx.Request) -> httpx.Response:
        query = parse_qs(urlsplit(str(request.url)).query)
        since = datetime.fromisoformat(query["created_after"][0])
        listed = [
            each
            for each in self.predictions.values()
            if each.created_at >= since and each.visible_at <= self._event_queue.now
        ]
        return _json(
            200,
            {
                "next": None,
                "previous": None,
                "results": [self.document(each) for each in reversed(listed)],
            },
        )

    def _start(self, prediction: Prediction, run_seconds: float) -> None:
        if prediction.status == "starting":
            prediction.status, prediction.started_at = "processing", self._event_queue.now
            self._send_webhook(prediction, "start")
            self._event_queue.after(
                run_seconds, f"{prediction.id[-3:]} finishes", lambda: self._finish(prediction)
            )

    def _finish(self, prediction: Prediction) -> None:
        if prediction.status != "processing":
            return
        if prediction.outcome in _ERRORS:
            self._end(prediction, "failed", error=_ERRORS[prediction.outcome])
            return
        count = int(prediction.input.get("num_outputs", 1))
        count = {"gives nothing": 0, "gives fewer": count // 2}.get(prediction.outcome, count)
        prediction.output = [
            f"http://{DELIVERY_HOST}/{prediction.id}/{number}.png" for number in range(count)
        ] or None
        self._end(prediction, "succeeded")

    def _pass_deadline(self, prediction: Prediction) -> None:
        # replicate.com/docs/topics/predictions/lifecycle: aborted before the start, canceled after.
        # The page does not say whether an aborted prediction sends a webhook. This one does not.
        if prediction.status == "starting":
            prediction.status, prediction.completed_at = "aborted", self._event_queue.now
        else:
            self._end(prediction, "canceled")

    def _end(
        self,
        prediction: Prediction,
        status: str,
        *,
        error: str | None = None,
        only_from: tuple[str, ...] = ("processing",),
    ) -> None:
        if prediction.status in only_from:
            prediction.status, prediction.error, prediction.completed_at = (
                status,
                error,
                self._event_queue.now,
            )
            self._event_queue.cancel_event(prediction.deadline_event)
            self._send_webhook(prediction, "completed")

    def _send_webhook(self, prediction: Prediction, event: str) -> None:
        if prediction.webhook:
            self._messages += 1
            body = json.dumps(self.document(prediction))
            self._post(
                Message(
                    f"msg_{self._messages}", prediction.webhook, body, event, self._event_queue.now
                )
            )

    def _is_removed(self, prediction: Prediction) -> bool:
        return (
            prediction.completed_at is not None
            and self._event_queue.now >= prediction.completed_at + RETENTION
        )


@cache
def small_image() -> bytes:
    """Return a small PNG."""
    file = BytesIO()
    Image.new("RGB", (4, 3), "teal").save(file, "PNG")
    return file.getvalue()


def _not_found() -> httpx.Response:
    return _json(404, {"detail": "The requested resource could not be found."})


def _unavailable() -> httpx.Response:
    return _json(
        503, {"title": "Service unavailable", "detail": "The service is temporarily unavailable."}
    )


def _json(status: int, document: object) -> httpx.Response:
    return httpx.Response(status, json=document)


def _time(time: datetime | None) -> str | None:
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z") if time else None
