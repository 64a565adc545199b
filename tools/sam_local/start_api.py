"""`sam local start-api`: the routes of the API, with the local identity where a JWT is needed."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import requests
from PIL import Image

from local.description import DIRECTORY, StackDescription
from local.lambda_runtime.processes import free_ports
from local.sam_local.files import ENV_PATH, TEMPLATE_PATH
from tools.sam_local.results import Result

_STARTING_SECONDS_MAX = 120.0
_ENDING_SECONDS_MAX = 60.0
_REQUEST_SECONDS_MAX = 120.0
_LOG = DIRECTORY / "sam-local" / "start-api.log"


class NotStarted(Exception):
    """`sam local start-api` did not start. The message has its output."""


class Routes:
    """Sends requests to the served API and collects the results."""

    def __init__(self, url: str) -> None:
        """Prepare a session that ignores the machine's proxies."""
        self.results: list[Result] = []
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def check(
        self,
        method: str,
        path: str,
        status: HTTPStatus,
        *,
        token: str | None = None,
        body: object = None,
    ) -> Any:  # noqa: ANN401 (a JSON document)
        """Send a request, and record whether its response has this status. Return its document."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        started_at = time.monotonic()
        response = self._session.request(
            method, f"{self._url}{path}", json=body, headers=headers, timeout=_REQUEST_SECONDS_MAX
        )
        self.results.append(
            Result(
                f"start-api {method} {path.partition('?')[0]}"
                f"{'' if token or status != HTTPStatus.UNAUTHORIZED else ' (no token)'}",
                str(response.status_code),
                time.monotonic() - started_at,
                None if response.status_code == status else f"not {status}: {response.text}",
            )
        )
        return (
            response.json() if "json" in response.headers.get("content-type", "") else response.text
        )


def check_routes(stack: StackDescription, options: list[str]) -> list[Result]:
    """Serve the API in containers, and check public routes and routes that need a user.

    Raises NotStarted.
    """
    user = str(uuid4())
    token, admin = _token(stack, user), _token(stack, "grace", ["admin"])
    with _served(options) as url:
        routes = Routes(url)
        routes.check("GET", "/health", HTTPStatus.OK)
        routes.check("GET", "/openapi.json", HTTPStatus.OK)
        routes.check("GET", "/docs", HTTPStatus.OK)
        routes.check("GET", "/problems/not-found", HTTPStatus.OK)
        routes.check("GET", "/nothing", HTTPStatus.NOT_FOUND)
        routes.check("POST", "/webhooks/replicate?job=none", HTTPStatus.UNAUTHORIZED, body={})
        routes.check("GET", "/credits", HTTPStatus.UNAUTHORIZED)
        routes.check("GET", "/templates", HTTPStatus.OK, token=token)
        grant = {"amount": 100, "reason": "sam local", "reference": "sam-local"}
        path = f"/accounts/web/{user}/credits"
        routes.check("POST", path, HTTPStatus.FORBIDDEN, token=token, body=grant)
        routes.check("POST", path, HTTPStatus.CREATED, token=admin, body=grant)
        order = {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse at dawn"}}
        job = routes.check("POST", "/jobs", HTTPStatus.ACCEPTED, token=token, body=order)
        routes.check("GET", f"/jobs/{job.get('id')}", HTTPStatus.OK, token=token)
        routes.check("GET", "/credits", HTTPStatus.OK, token=token)
        _check_upload(routes, token)
    return routes.results


def _check_upload(routes: Routes, token: str) -> None:
    image = BytesIO()
    Image.new("RGB", (320, 240), "seagreen").save(image, "PNG")
    announcement = {"content_type": "image/png", "bytes": len(image.getvalue())}
    announced = routes.check("POST", "/uploads", HTTPStatus.CREATED, token=token, body=announcement)
    if "url" not in announced:
        return
    requests.post(
        announced["url"], data=announced["fields"], files={"file": image.getvalue()}, timeout=10
    ).raise_for_status()
    routes.check("POST", f"/uploads/{announced['upload_id']}/complete", HTTPStatus.OK, token=token)


def _token(stack: StackDescription, user: str, groups: list[str] | None = None) -> str:
    # The stack signs users in at 127.0.0.1 only.
    url = f"http://127.0.0.1:{urlsplit(stack.api_url).port}/local/token"
    response = requests.post(url, json={"user": user, "groups": groups or []}, timeout=10)
    response.raise_for_status()
    token: str = response.json()["token"]
    return token


@contextmanager
def _served(options: list[str]) -> Iterator[str]:
    [port] = free_ports(1)
    command = [
        "sam",
        "local",
        "start-api",
        "-t",
        str(TEMPLATE_PATH),
        "--env-vars",
        str(ENV_PATH),
        "--port",
        str(port),
        "--warm-containers",
        "LAZY",
        *options,
    ]
    with _LOG.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 (SAM CLI of the virtual environment)
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(_ENDING_SECONDS_MAX)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + _STARTING_SECONDS_MAX
    while process.poll() is None and time.monotonic() < give_up_at:
        try:
            requests.get(f"{url}/health", timeout=_REQUEST_SECONDS_MAX)
        except requests.ConnectionError:
            time.sleep(0.2)
        else:
            return
    raise NotStarted(f"sam local start-api did not start:\n{_LOG.read_text()}")
