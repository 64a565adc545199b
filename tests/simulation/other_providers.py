"""Runway and a Stable Diffusion WebUI in memory, on the virtual clock.

They implement what the permission scenarios need.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import requests

from tests.simulation.event_queue import EventQueue
from tests.simulation.replicate_model import DELIVERY_HOST, small_image

RUNWAY_HOST = "runway.test"
WEBUI_HOST = "webui.test"
_RUN_SECONDS = 3


@dataclass
class _Task:
    done_at: datetime
    is_deleted: bool = False


class Runway:
    """Runway's tasks. Each runs for three seconds and has one file."""

    def __init__(self, event_queue: EventQueue) -> None:
        self.tasks: dict[str, _Task] = {}
        self._event_queue = event_queue

    def respond(self, request: httpx.Request) -> httpx.Response:
        """Respond to one request of Runway's SDK."""
        resource, _, task_id = request.url.path.removeprefix("/v1/").partition("/")
        if request.method == "POST":
            task_id = f"task-{len(self.tasks)}"
            self.tasks[task_id] = _Task(self._event_queue.now + timedelta(seconds=_RUN_SECONDS))
            return httpx.Response(200, json={"id": task_id})
        task = self.tasks.get(task_id)
        if resource != "tasks" or task is None or task.is_deleted:
            return httpx.Response(404, json={"error": "An asset with that ID was not found."})
        if request.method == "DELETE":
            task.is_deleted = True
            return httpx.Response(204)
        is_done = self._event_queue.now >= task.done_at
        document: dict[str, Any] = {
            "id": task_id,
            "status": "SUCCEEDED" if is_done else "RUNNING",
            "createdAt": "2026-01-02T12:00:00Z",
        }
        return httpx.Response(
            200,
            json=document
            | ({"output": [f"http://{DELIVERY_HOST}/{task_id}/0.png"]} if is_done else {}),
        )

    def file(self, url: str) -> bytes | None:
        """Return the file of a task, or None if the URL belongs to no task."""
        return (
            small_image() if urlsplit(url).path.strip("/").partition("/")[0] in self.tasks else None
        )


_WEBUI_ANSWERS: dict[str, Any] = {
    "/sdapi/v1/samplers": [{"name": "DPM++ 2M", "aliases": []}],
    "/sdapi/v1/schedulers": [{"name": "karras", "label": "Karras"}],
    "/sdapi/v1/options": {"sd_model_checkpoint": "a model"},
    "/sdapi/v1/progress": {"state": {"interrupted": False, "job_count": 0}},
    "/internal/progress": {"active": False, "queued": False, "completed": False},
}


def webui_response(request: requests.PreparedRequest) -> tuple[int, bytes]:
    """Return the status and the document of a run, with the requested images, or of a query."""
    path = urlsplit(str(request.url)).path
    if path in _WEBUI_ANSWERS:
        return 200, json.dumps(_WEBUI_ANSWERS[path]).encode()
    count = int(json.loads(request.body or "{}").get("n_iter", 1))
    return 200, json.dumps({"images": [base64.b64encode(small_image()).decode()] * count}).encode()
