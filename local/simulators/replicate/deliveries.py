"""The delivery host: output files, open to everyone who has the URL, gone after the retention."""

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

REQUESTS_REMEMBERED_MAX = 10_000


@dataclass(frozen=True)
class DeliveryRequest:
    """What a client did here. No token belongs here, so that one came is told, and the token is not."""

    method: str
    path: str
    status: int
    carried_authorization: bool


class Deliveries:
    """Keeps what a file is drawn from, not the file: it is drawn when it is fetched."""

    def __init__(self, clock: Clock) -> None:
        """Begin with nothing published."""
        self._clock = clock
        self._lock = threading.Lock()
        self._files: dict[str, tuple[Output, datetime]] = {}
        self._requests: deque[DeliveryRequest] = deque(maxlen=REQUESTS_REMEMBERED_MAX)

    def publish(self, output: Output, *, expires_at: datetime) -> str:
        """Return the path under which the file can be fetched until it expires."""
        path = f"/delivery/{secrets.token_urlsafe(32)}/{output.file_name}"
        with self._lock:
            self._forget_expired()
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
            self._forget_expired()
            output, _ = self._files.get(request.path, (None, None))
            status = 404 if output is None else 200
            self._requests.append(DeliveryRequest(request.method, request.path, status, "Authorization" in request.headers))
        if output is None:
            raise problems.not_found()
        return Response(output.render(), content_type=output.content_type)

    def _forget_expired(self) -> None:
        now = self._clock()
        for path, (_, expires_at) in list(self._files.items()):
            if expires_at > now:
                # All files live equally long, so the rest is younger.
                break
            del self._files[path]
