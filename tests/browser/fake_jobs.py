"""Replaces the jobs of a page by thousands of others, without a request to the local stack."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyvips
from playwright.sync_api import Page, Route

from tests.contract import must_be_as_described

NEWEST = datetime.now(UTC).replace(microsecond=0)
RATIOS = ((1024, 1024), (1344, 768), (768, 1344), (1216, 832))
PREVIEW_SIDES = (512, 1024)
JSON_TYPE = {"Content-Type": "application/json"}
# Scrolls to the end of the list, one step a frame. Returns frames a second.
SCROLL = """async (step) => {
  const atEnd = () =>
    scrollY >= document.documentElement.scrollHeight - innerHeight - 1 &&
    !document.querySelector('.foot').textContent.trim();
  const start = performance.now();
  let frames = 0;
  for (let waits = 0; waits < 30; waits = atEnd() ? waits + 1 : 0, frames++) {
    await new Promise(requestAnimationFrame);
    scrollBy(0, step);
  }
  return (frames * 1000) / (performance.now() - start);
}"""
Change = Callable[[int, dict[str, Any]], None]


def iso(seconds_ago: float) -> str:
    return (NEWEST - timedelta(seconds=seconds_ago)).isoformat().replace("+00:00", "Z")


def image(side: int, seed: int = 0) -> bytes:
    """Return a WebP image with the noise of a photo, so it has a photo's bytes."""
    noise = pyvips.Image.gaussnoise(side, side, sigma=11, mean=128, seed=seed)
    gradient = pyvips.Image.xyz(side, side)[0].linear(96 / side, -48)
    body: bytes = (noise + gradient).gaussblur(1.1).cast("uchar").webpsave_buffer(Q=80)
    return body


PLACEHOLDER = "data:image/webp;base64," + base64.b64encode(image(8)).decode()


def output(job_id: str, n: int, size: tuple[int, int], links: str = "1") -> dict[str, Any]:
    """Return an output. `links` tells old links from new ones."""
    width, height = size

    def url(name: str) -> str:
        return f"/fake/{job_id}-{n}-{name}.webp?links={links}"

    previews = [
        {
            "url": url(str(side)),
            "width": round(width * side / max(size)),
            "height": round(height * side / max(size)),
            "content_type": "image/webp",
            "bytes": len(IMAGES[side]),
        }
        for side in PREVIEW_SIDES
    ]
    return {
        "url": url("original"),
        "download_url": url("original"),
        "thumbnail_url": url("thumbnail"),
        "placeholder": PLACEHOLDER,
        "previews": previews,
        "content_type": "image/png",
        "bytes": 900_000,
        "width": width,
        "height": height,
        "seconds": None,
        "frames": None,
        "provenance": {"c2pa": False},
    }


IMAGES = {side: image(side) for side in PREVIEW_SIDES}


def fake_job(index: int, *, outputs_count: int = 1, prompt: str | None = None) -> dict[str, Any]:
    """Return a completed job. A higher index is an older job."""
    job_id = f"job{index:05}"
    size = RATIOS[index % len(RATIOS)]
    seconds_ago = 60.0 * index
    return {
        "id": job_id,
        "status": "completed",
        "template": {
            "code": "flux-schnell",
            "version": 1,
            "name": "FLUX.1 [schnell]",
            "category": "text-to-image",
        },
        "parameters": {"prompt": prompt or f"a lighthouse, number {index}"},
        "credits": {"quoted": 1, "held": 0, "charged": 1, "refunded": 0},
        "outputs": [output(job_id, n, size) for n in range(outputs_count)],
        "links_expire_at": iso(-3600),
        "error": None,
        "metadata": {},
        "queue_until": iso(seconds_ago - 900),
        "queue": None,
        "deadline_at": iso(seconds_ago - 600),
        "attempts": 1,
        "waiting_since": None,
        "cancel_requested_at": None,
        "created_at": iso(seconds_ago),
        "started_at": iso(seconds_ago - 1),
        "finished_at": iso(seconds_ago - 4),
        "processing_seconds": 3,
    }


def fail(job: dict[str, Any]) -> None:
    """Make a job a failed one."""
    message = "The provider refused the prompt."
    job |= {"status": "failed", "outputs": [], "links_expire_at": None}
    job |= {"error": {"code": "refused", "message": message, "retryable": False}}


def reopen(job: dict[str, Any]) -> None:
    """Make a job a running one."""
    job |= {"status": "processing", "outputs": [], "links_expire_at": None}
    job |= {"finished_at": None, "processing_seconds": None}


class FakeJobs:
    """Responds to `GET /jobs`, `GET /jobs/{id}` and to the requests of images.

    `jobs` are the account's jobs, newest first. `requests` are the queries for pages of jobs,
    `reads` the read jobs, `images` the requested images. `renewed` are the jobs that only
    `GET /jobs/{id}` returns. Images whose links are in `broken_links` do not load.
    """

    def __init__(self, page: Page, count: int, change: Change | None = None) -> None:
        self.jobs = [fake_job(index) for index in range(count)]
        for index, job in enumerate(self.jobs):
            if change is not None:
                change(index, job)
        if self.jobs:
            document = json.dumps(self._document(self.jobs[:3], None))
            must_be_as_described("GET", "/jobs", 200, JSON_TYPE, document)
        self.requests: list[dict[str, list[str]]] = []
        self.reads: list[str] = []
        self.images: list[str] = []
        self.renewed: dict[str, dict[str, Any]] = {}
        self.broken_links: set[str] = set()
        page.route(re.compile(r"/jobs(\?|$)"), self._list)
        page.route(re.compile(r"/jobs/job\d+"), self._read)
        page.route("**/fake/**", self._image)

    def __getitem__(self, job_id: str) -> dict[str, Any]:
        return next(job for job in self.jobs if job["id"] == job_id)

    def previews(self) -> list[dict[str, Any]]:
        """Return the smallest preview of each output, with its URL and its size."""
        return [output["previews"][0] for job in self.jobs for output in job["outputs"]]

    def _document(self, jobs: list[dict[str, Any]], cursor: str | None) -> dict[str, Any]:
        return {"jobs": jobs, "next_cursor": cursor, "total": len(self.jobs)}

    def _list(self, route: Route) -> None:
        if route.request.method != "GET":
            route.fallback()
            return
        query = parse_qs(urlsplit(route.request.url).query)
        # The follower of open jobs reads other numbers of jobs.
        if query["limit"] == ["50"]:
            self.requests.append(query)
        start, limit = int(query.get("cursor", ["0"])[0]), int(query["limit"][0])
        end = start + limit
        jobs = [
            job
            for job in self.jobs[start:end]
            if job["status"] in query.get("status", [job["status"]])
            and job["template"]["code"] in query.get("template", [job["template"]["code"]])
        ]
        self._json(route, self._document(jobs, str(end) if end < len(self.jobs) else None))

    def _read(self, route: Route) -> None:
        job_id = urlsplit(route.request.url).path.rpartition("/")[2]
        self.reads.append(job_id)
        self._json(route, self.renewed.get(job_id) or self[job_id])

    def _image(self, route: Route) -> None:
        address = urlsplit(route.request.url)
        self.images.append(address.path)
        if address.query.removeprefix("links=") in self.broken_links:
            route.fulfill(status=403, body="expired")
            return
        name = address.path.rpartition("-")[2].removesuffix(".webp")
        body = IMAGES[int(name) if name.isdigit() else PREVIEW_SIDES[-1]]
        route.fulfill(body=body, content_type="image/webp")

    @staticmethod
    def _json(route: Route, document: object) -> None:
        route.fulfill(body=json.dumps(document), headers=JSON_TYPE)
