"""A Replicate that sends one response to every request, and documents of predictions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from darkroom.domain.jobs import ModelInput
from darkroom.domain.predictions import PredictionRequest
from darkroom.observability import metrics
from tests.builders import NOON
from tests.integration.servers import Received, Reply, server
from tests.integration.steps import with_setting

REQUEST = PredictionRequest(
    model_input=ModelInput("replicate", "a/model", {"prompt": "a lighthouse"}, 1, ()),
    webhook_url="https://api.example.com/webhooks/replicate?job=x",
    key_prefix="media/web/ann/x/",
    created_after=NOON,
    cancel_after_seconds=60,
)
PREDICTION: dict[str, Any] = {
    "id": "p1",
    "model": "a/model",
    "version": "hidden",
    "status": "starting",
    "input": {},
    "output": None,
    "error": None,
    "logs": "",
    "created_at": "2026-01-02T12:00:00Z",
    "urls": {
        "get": "https://api.replicate.com/v1/predictions/p1",
        "cancel": "https://api.replicate.com/v1/x",
    },
}


class Replicate:
    """A Replicate that sends the same response to every request."""

    def __init__(self) -> None:
        self.reply = Reply()
        self.received: list[Received] = []

    def responds(self, status: int, document: object, **headers: str) -> None:
        self.reply = Reply(
            status, json.dumps(document).encode(), {"Content-Type": "application/json"} | headers
        )

    def answer(self, request: Received) -> Reply:
        self.received.append(request)
        return self.reply


@contextmanager
def replicate_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Replicate]:
    """Make Darkroom call a Replicate of this kind."""
    api = Replicate()
    with server(api.answer) as url:
        with_setting(monkeypatch, "REPLICATE_BASE_URL", f"{url}/v1")
        yield api
    # Metrics that a test adds outside of a handler must not reach the next test.
    metrics.clear_metrics()
