"""The delivery host of the output files. A file's URL gives access until the retention ends."""

import secrets
import threading
from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from werkzeug.routing import Rule
from werkzeug.wrappers import Request, Response

from local.simulators.common.clock import Clock
from local.simulators.replicate import problems
from local.simulators.replicate.outputs import Output

REQUESTS_RECORDED_MAX = 10_000


@dataclass(frozen=True)
class DeliveryRequest:
    """A request of a client. It records only whether there was a token, never the token itself."""

    method: str
    path: str
    status: int
    carried_authorization: bool


class Deliveries:
    """Stores the description of each file. A file is drawn when a client fetches it."""

    def __init__(self, clock: Clock) -> None:
        """Start without files."""
        self._clock = clock
        self._lock = threading.Lock()
        self._files: dict[str, tuple[Output, datetime]] = {}
        self._requests: deque[DeliveryRequest] = deque(maxlen=REQUESTS_RECORDED_MAX)

    def publish(self, output: Output, *, expires_at: datetime) -> str:
        """Publish a file until `expires_at`. Returns the path of its URL."""
        path = f"/delivery/{secrets.token_urlsafe(32)}/{output.file_name}"
        with self._lock:
            self._delete_expired()
            self._files[path] = (output, expires_at)
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
            output, _ = self._files.get(request.path, (None, None))
            status = 404 if output is None else 200
            self._requests.append(
                DeliveryRequest(
                    request.method, request.path, status, "Authorization" in request.headers
                )
            )
        if output is None:
            raise problems.not_found()
        return Response(output.render(), content_type=output.content_type)

    def _delete_expired(self) -> None:
        now = self._clock()
        for path, (_, expires_at) in list(self._files.items()):
            if expires_at > now:
                # All files have the same retention, so the remaining files expire later.
                break
            del self._files[path]
