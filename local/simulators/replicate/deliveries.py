"""The delivery host of the output files. A file's URL gives access until the retention ends."""

import secrets
import threading
from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from werkzeug.routing import Rule
from werkzeug.wrappers import Request, Response

from local.simulators.common.clock import Clock
from local.simulators.replicate import problems
from local.simulators.replicate.download_answers import DOWNLOAD_ANSWERS, WITH_TOKEN_ONLY
from local.simulators.replicate.faults import Faults
from local.simulators.replicate.outputs import Output

REQUESTS_RECORDED_MAX = 10_000


@dataclass(frozen=True)
class DeliveryRequest:
    """A request of a client. It records only whether there was a token, never the token itself."""

    method: str
    path: str
    status: int
    carried_authorization: bool


@dataclass(frozen=True)
class _File:
    output: Output
    published_at: datetime
    expires_at: datetime


class Deliveries:
    """Stores the description of each file. A file is drawn when a client fetches it."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        """Start without files."""
        self._clock = clock
        self._faults = faults
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._requests: deque[DeliveryRequest] = deque(maxlen=REQUESTS_RECORDED_MAX)

    def publish(self, output: Output, *, published_at: datetime, expires_at: datetime) -> str:
        """Publish a file until `expires_at`. Returns the path of its URL."""
        path = f"/delivery/{secrets.token_urlsafe(32)}/{output.file_name}"
        with self._lock:
            self._delete_expired()
            self._files[path] = _File(output, published_at, expires_at)
        return path

    def rules(self) -> list[Rule]:
        """Return the routes of the delivery host."""
        return [Rule("/delivery/<path:_file>", methods=["GET"], endpoint=self._fetch)]

    def requests(self) -> list[dict[str, Any]]:
        """Return the last requests, oldest first."""
        with self._lock:
            return [asdict(each) for each in self._requests]

    def _fetch(self, request: Request, _file: str) -> Response:
        with self._lock:
            self._delete_expired()
            file = self._files.get(request.path)
        response = self._response(request, file) if file else problems.not_found().response()
        with self._lock:
            self._requests.append(
                DeliveryRequest(
                    request.method,
                    request.path,
                    response.status_code,
                    "Authorization" in request.headers,
                )
            )
        return response

    def _response(self, request: Request, file: _File) -> Response:
        body = file.output.render()
        answer = self._faults.settings.download_answer
        if self._is_broken(file) and not (
            answer in WITH_TOKEN_ONLY and "Authorization" in request.headers
        ):
            return DOWNLOAD_ANSWERS[answer](body)
        return Response(body, content_type=file.output.content_type)

    def _is_broken(self, file: _File) -> bool:
        unready = timedelta(seconds=self._faults.settings.unready_seconds)
        return self._clock() < file.published_at + unready or self._faults.happens("break_download")

    def _delete_expired(self) -> None:
        now = self._clock()
        for path, file in list(self._files.items()):
            if file.expires_at > now:
                # All files have the same retention, so the remaining files expire later.
                break
            del self._files[path]
