"""Requests to the simulated Replicate over HTTP, without an SDK, and a webhook receiver."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any, Self

import requests
from PIL import Image

from local.simulators.replicate import SimulatedReplicate

SCHNELL = "black-forest-labs/flux-schnell"
PRO = "black-forest-labs/flux-1.1-pro"
SDXL = "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc"
AUTHORIZATION = {"Authorization": "Bearer r8_test"}
SENSITIVE = (
    "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"
)
WAIT_SECONDS_MAX = 10


@dataclass
class MovableClock:
    moved: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.moved


@dataclass(frozen=True)
class Delivered:
    headers: dict[str, str]
    body: bytes

    @property
    def prediction(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass
class Receiver:
    """A webhook receiver. It responds with `statuses` in turn, then with 200."""

    statuses: list[int] = field(default_factory=list)
    pause_seconds: float = 0
    delivered: list[Delivered] = field(default_factory=list)

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.delivered.append(
                    Delivered({name.lower(): value for name, value in self.headers.items()}, body)
                )
                time.sleep(receiver.pause_seconds)
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("location", f"{receiver.url}/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhook?job=1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def states(self) -> list[str]:
        return [each.prediction["status"] for each in self.delivered]


@dataclass(frozen=True)
class Api:
    """Send requests to the API without the SDK."""

    simulator: SimulatedReplicate

    def post(self, path: str, body: object = None, **headers: str) -> requests.Response:
        return requests.post(
            self.simulator.base_url + path,
            json=body,
            headers={**AUTHORIZATION, **headers},
            timeout=10,
        )

    def get(self, path: str, **query: str) -> requests.Response:
        return requests.get(
            self.simulator.base_url + path, params=query, headers=AUTHORIZATION, timeout=10
        )

    def set_faults(self, **faults: object) -> requests.Response:
        return requests.put(f"{self.simulator.base_url}/faults", json=faults, timeout=10)

    def create(
        self,
        prompt: str = "a lighthouse",
        *,
        model: str = SCHNELL,
        webhook: dict[str, Any] | None = None,
        **inputs: object,
    ) -> dict[str, Any]:
        response = self.post(
            "/v1/predictions",
            {"version": model, "input": {"prompt": prompt, **inputs}, **(webhook or {})},
        )
        assert response.status_code == 201, response.text
        prediction: dict[str, Any] = response.json()
        return prediction

    def prediction(self, prediction_id: str) -> dict[str, Any]:
        prediction: dict[str, Any] = self.get(f"/v1/predictions/{prediction_id}").json()
        return prediction

    def finished(self, prediction_id: str) -> dict[str, Any]:
        until(lambda: self.prediction(prediction_id)["status"] not in {"starting", "processing"})
        return self.prediction(prediction_id)

    def all(self) -> list[dict[str, Any]]:
        predictions: list[dict[str, Any]] = self.get("/sim/predictions").json()["predictions"]
        return predictions

    def webhook_attempts(self) -> list[dict[str, Any]]:
        webhooks: list[dict[str, Any]] = self.get("/sim/webhooks").json()["webhooks"]
        return webhooks


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.01)


def image_at(url: str) -> Image.Image:
    response = requests.get(url, timeout=10)
    assert response.status_code == 200
    assert int(response.headers["content-length"]) == len(response.content)
    return Image.open(BytesIO(response.content))


def webhook_to(receiver: Receiver, *events: str) -> dict[str, Any]:
    """Return the fields of a create request that register the receiver for these events."""
    if not events:
        return {"webhook": receiver.url}
    return {"webhook": receiver.url, "webhook_events_filter": list(events)}


def wait_for_a_later_webhook(api: Api) -> None:
    """Wait until the simulator has sent a later webhook, which takes longer than every retry."""
    with Receiver() as later:
        api.create(webhook=webhook_to(later, "completed"))
        until(lambda: later.delivered)
