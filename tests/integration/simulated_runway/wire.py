"""Requests to the simulated Runway over HTTP, without the SDK."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import requests
from PIL import Image

from local.simulators.runway import SimulatedRunway
from tests.builders import until

HEADERS = {"Authorization": "Bearer key_test", "X-Runway-Version": "2024-11-06"}
DOCUMENTATION = "https://docs.dev.runwayml.com/api"


def image_file(colour: str = "red", size: tuple[int, int] = (60, 40), form: str = "PNG") -> bytes:
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, form)
    return file.getvalue()


def data_uri(body: bytes, content_type: str = "image/png") -> str:
    return f"data:{content_type};base64,{b64encode(body).decode()}"


IMAGE_TO_VIDEO = {
    "model": "gen4_turbo",
    "promptImage": data_uri(image_file()),
    "promptText": "a lighthouse",
    "ratio": "1280:720",
    "duration": 2,
}
TEXT_TO_VIDEO = {
    "model": "gen4.5",
    "promptText": "a lighthouse",
    "ratio": "1280:720",
    "duration": 2,
}
ENDPOINTS = {"image_to_video": IMAGE_TO_VIDEO, "text_to_video": TEXT_TO_VIDEO}


@dataclass
class MovableClock:
    moved: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.moved


@dataclass(frozen=True)
class Api:
    """Send requests to the API without the SDK.

    A keyword argument replaces a field of the valid body. None removes the field.
    """

    simulator: SimulatedRunway

    def request(self, method: str, path: str, body: object = None) -> requests.Response:
        return requests.request(
            method, self.simulator.base_url + path, json=body, headers=HEADERS, timeout=20
        )

    def post(self, endpoint: str = "text_to_video", /, **fields: object) -> requests.Response:
        body = {
            name: value
            for name, value in {**ENDPOINTS[endpoint], **fields}.items()
            if value is not None
        }
        return self.request("POST", f"/v1/{endpoint}", body)

    def create(self, endpoint: str = "text_to_video", /, **fields: object) -> str:
        response = self.post(endpoint, **fields)
        assert response.status_code == 200, response.text
        task_id: str = response.json()["id"]
        return task_id

    def task(self, task_id: str) -> dict[str, Any]:
        response = self.request("GET", f"/v1/tasks/{task_id}")
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document

    def task_when(self, task_id: str, *statuses: str) -> dict[str, Any]:
        def read_if_status_matches() -> dict[str, Any] | None:
            document = self.task(task_id)
            return document if document["status"] in statuses else None

        return until(read_if_status_matches)

    def finished(self, task_id: str) -> dict[str, Any]:
        return self.task_when(task_id, "SUCCEEDED", "FAILED", "CANCELLED")

    def set_faults(self, **faults: object) -> requests.Response:
        return requests.put(f"{self.simulator.base_url}/faults", json=faults, timeout=5)

    def all(self) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = requests.get(
            f"{self.simulator.base_url}/sim/tasks", timeout=5
        ).json()["tasks"]
        return tasks

    def video(self, endpoint: str = "text_to_video", /, **fields: object) -> bytes:
        done = self.finished(self.create(endpoint, **fields))
        assert done["status"] == "SUCCEEDED", done
        response = requests.get(done["output"][0], timeout=20)
        assert (response.status_code, response.headers["content-type"]) == (200, "video/mp4")
        return response.content
