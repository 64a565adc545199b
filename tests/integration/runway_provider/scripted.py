"""A Runway that sends the same response to every request, and a request to the provider."""

from __future__ import annotations

import json
from typing import Any

from darkroom.domain.jobs import ModelInput
from darkroom.domain.predictions import PredictionRequest
from tests.builders import NOON
from tests.integration.servers import Received, Reply

REQUEST = PredictionRequest(
    model_input=ModelInput(
        "runway",
        "text_to_video/gen4.5",
        {"prompt": "a lighthouse", "ratio": "1280:720", "duration": 5},
        1,
        (),
    ),
    webhook_url=None,
    key_prefix="media/web/ann/x/",
    created_after=NOON,
    cancel_after_seconds=60,
)
TASK: dict[str, Any] = {
    "id": "d2e3d1f4-1b3c-4b5c-8d46-1c1d7ee86892",
    "createdAt": "2026-01-02T12:00:00Z",
}
KEY = "key_a_key_of_runways"


class Runway:
    """A Runway that sends the same response to every request."""

    def __init__(self) -> None:
        self.reply = Reply()
        self.received: list[Received] = []

    def responds(self, status: int, document: object) -> None:
        self.reply = Reply(
            status, json.dumps(document).encode(), {"Content-Type": "application/json"}
        )

    def answer(self, request: Received) -> Reply:
        self.received.append(request)
        return self.reply
