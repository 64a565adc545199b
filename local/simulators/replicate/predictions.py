"""Predictions: their states, their documents in the API, and their store."""

import base64
import secrets
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypedDict, Unpack

from local.simulators.replicate.model import Model
from local.simulators.replicate.outcomes import Outcome


class Status(StrEnum):
    """The states of a prediction. The first two are open, the others are final."""

    STARTING = "starting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ABORTED = "aborted"


OPEN = frozenset({Status.STARTING, Status.PROCESSING})


def _new_id() -> str:
    """Return an id of 26 lower-case letters and digits, like Replicate's ids."""
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A prediction at one time. It is immutable: a change makes a new value."""

    model: Model
    input: dict[str, Any]
    outcome: Outcome
    created_at: datetime
    deadline: datetime | None = None
    webhook: str | None = None
    webhook_events_filter: tuple[str, ...] | None = None
    id: str = field(default_factory=_new_id)
    status: Status = Status.STARTING
    output: Any = None
    error: str | None = None
    logs: str = ""
    started_at: datetime | None = None
    completed_at: datetime | None = None

    def document(self, base_url: str, *, data_removed: bool = False) -> dict[str, Any]:
        """Return the prediction's document in the API.

        The forms of the times and of `metrics` are those of a recorded webhook
        (github.com/JessYan0913/turan, README.md). With `data_removed`, the document has no input,
        output and logs.
        """
        url = f"{base_url}/v1/predictions/{self.id}"
        urls = {"get": url, "cancel": f"{url}/cancel", "web": f"{base_url}/p/{self.id}"}
        document = {
            "id": self.id,
            "model": self.model.full_name,
            "version": "hidden" if self.model.official else self.model.version,
            "status": self.status.value,
            "input": {} if data_removed else self.input,
            "output": None if data_removed else self.output,
            "logs": "" if data_removed else self.logs,
            "error": self.error,
            "metrics": self._metrics(),
            "created_at": _milliseconds(self.created_at),
            "started_at": _nanoseconds(self.started_at),
            "completed_at": _nanoseconds(self.completed_at),
            "source": "api",
            "data_removed": data_removed,
            "urls": {**urls, "stream": f"{base_url}/stream/{self.id}"},
        }
        if self.deadline is not None:
            document["deadline"] = _milliseconds(self.deadline)
        if self.webhook is not None:
            document["webhook"] = self.webhook
        if self.webhook_events_filter is not None:
            document["webhook_events_filter"] = list(self.webhook_events_filter)
        return document

    def _metrics(self) -> dict[str, float]:
        if self.completed_at is None or self.started_at is None:
            return {}
        return {"predict_time": (self.completed_at - self.started_at).total_seconds()}


def _milliseconds(time: datetime) -> str:
    return f"{_utc(time, 'milliseconds')}Z"


def _nanoseconds(time: datetime | None) -> str | None:
    """Return a time with nine decimals. Python's clock has six, so the last three are made up."""
    return None if time is None else f"{_utc(time, 'microseconds')}{time.microsecond % 1000:03}Z"


def _utc(time: datetime, timespec: str) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=timespec)


class Changes(TypedDict, total=False):
    """The fields of a prediction that can change."""

    status: Status
    outcome: Outcome
    output: Any
    error: str | None
    logs: str
    started_at: datetime
    completed_at: datetime


class PredictionStore:
    """Every prediction, in the order of creation."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._by_id: dict[str, Prediction] = {}

    def add(self, prediction: Prediction) -> None:
        """Store a new prediction."""
        with self._lock:
            self._by_id[prediction.id] = prediction

    def find(self, prediction_id: str) -> Prediction | None:
        """Return a prediction's current state, or None if the id is unknown."""
        return self._by_id.get(prediction_id)

    def all(self) -> list[Prediction]:
        """Return the current states, oldest prediction first."""
        with self._lock:
            return list(self._by_id.values())

    def wait(self, prediction_id: str, seconds: float) -> Prediction:
        """Wait until a prediction is final, at most `seconds`. Returns its current state."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._by_id[prediction_id].status not in OPEN, timeout=seconds
            )
            return self._by_id[prediction_id]

    def change(
        self, prediction_id: str, *, only_from: frozenset[Status], **changes: Unpack[Changes]
    ) -> Prediction | None:
        """Change a prediction and return it. Returns None if its status is not in `only_from`."""
        with self._lock:
            current = self._by_id[prediction_id]
            if current.status not in only_from:
                return None
            changed = replace(current, **changes)
            self._by_id[prediction_id] = changed
            self._changed.notify_all()
            return changed
