"""A simulated provider as one part that is started and stopped."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self, override

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from local.simulators.common.routing import JsonRequest
from local.simulators.common.scheduler import Scheduler

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

HOST = "127.0.0.1"

_POLL_SECONDS = 0.05


class Simulator(ABC):
    """Serves between `start` and `stop`; a stopped simulator is not started again."""

    def __init__(self, name: str, port: int) -> None:
        """Take the port; 0 is a free one."""
        self._server = make_server(HOST, port, self._serve, threaded=True, request_handler=_QuietHandler)
        self.port = self._server.server_port
        self.base_url = f"http://{HOST}:{self.port}"
        self._scheduler = Scheduler(name)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), name=name, daemon=True)

    @abstractmethod
    def respond(self, request: JsonRequest) -> Response:
        """Return the answer, or raise ConnectionAbortedError when none shall arrive."""

    def start(self) -> None:
        """Serve, and let time pass."""
        self._scheduler.start()
        self._thread.start()

    def stop(self) -> None:
        """Close the port and forget everything. Safe to call twice, or without a start."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._scheduler.stop()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop."""
        self.stop()

    def _serve(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return self.respond(JsonRequest(environ))(environ, start_response)


class _QuietHandler(WSGIRequestHandler):
    """Logs errors only, and closes the connection when an answer is lost on purpose."""

    @override
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    @override
    def connection_dropped(self, error: BaseException, environ: "WSGIEnvironment | None" = None) -> None:
        # Without this the thread would wait for the next request, and the client for an answer.
        self.close_connection = True
