"""The server of a simulated provider."""

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
    """Serves between `start` and `stop`. A stopped simulator cannot start again."""

    def __init__(self, name: str, port: int, host: str = HOST) -> None:
        """Reserve the port of this address. Port 0 means a free port."""
        self._server = make_server(
            host, port, self._serve, threaded=True, request_handler=_QuietHandler
        )
        self.port = self._server.server_port
        self.base_url = f"http://{host}:{self.port}"
        self._scheduler = Scheduler(name)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name=name, daemon=True
        )

    @abstractmethod
    def respond(self, request: JsonRequest) -> Response:
        """Return the response to a request.

        Raise ConnectionAbortedError to close the connection without a response.
        """

    def start(self) -> None:
        """Start the server and the timers."""
        self._scheduler.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop the server and the timers. It is safe to call `stop` twice, or without a start."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._scheduler.stop()

    def __enter__(self) -> Self:
        """Start the simulator."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the simulator."""
        self.stop()

    def _serve(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        return self.respond(JsonRequest(environ))(environ, start_response)


class _QuietHandler(WSGIRequestHandler):
    """Logs only errors. Closes the connection if a fault drops the response."""

    @override
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    @override
    def connection_dropped(
        self, error: BaseException, environ: "WSGIEnvironment | None" = None
    ) -> None:
        # With an open connection, the thread would wait for the next request and the client for a
        # response.
        self.close_connection = True
