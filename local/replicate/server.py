"""The simulator as one part that is started and stopped."""

import base64
import secrets
import threading
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self, override

from werkzeug.serving import WSGIRequestHandler, make_server

from local.replicate.api import Api
from local.replicate.clock import Clock, utc_now
from local.replicate.control import Control
from local.replicate.deliveries import Deliveries
from local.replicate.faults import Faults, FaultSettings
from local.replicate.lifecycle import Lifecycle
from local.replicate.predictions import PredictionStore
from local.replicate.routing import JsonRequest, Router
from local.replicate.scheduler import Scheduler
from local.replicate.webhooks import Outbox

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

HOST = "127.0.0.1"
RETENTION_SECONDS = 3600
# The last try comes about one minute after the completion, as the real one does.
RETRY_DELAYS_SECONDS = (2.0, 4.0, 8.0, 16.0, 30.0)
WEBHOOK_TIMEOUT_SECONDS = 10.0

_POLL_SECONDS = 0.05


@dataclass(eq=False)
class SimulatedReplicate:
    """A Replicate on this machine. The API is under `<base_url>/v1`, and takes any token that begins with `r8_`.

    The port is taken when the object is made (0: a free one), and served between `start` and `stop`; a stopped
    simulator is not started again. `clock` tells the time of every timestamp and of the retention; how long a
    prediction takes is always real time.
    """

    port: int = 0
    _: KW_ONLY
    retention_seconds: float = RETENTION_SECONDS
    run_seconds: float = FaultSettings.run_seconds
    retry_delays_seconds: Sequence[float] = RETRY_DELAYS_SECONDS
    webhook_timeout_seconds: float = WEBHOOK_TIMEOUT_SECONDS
    clock: Clock = utc_now

    def __post_init__(self) -> None:
        """Take the port, and put the parts together."""
        self._server = make_server(HOST, self.port, self._serve, threaded=True, request_handler=_QuietHandler)
        self.port = self._server.server_port
        self.base_url = f"http://{HOST}:{self.port}"
        self.webhook_secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        faults = Faults(FaultSettings(run_seconds=self.run_seconds))
        store = PredictionStore()
        deliveries = Deliveries(self.clock)
        self._scheduler = Scheduler()
        self._outbox = Outbox(
            secret=self.webhook_secret,
            faults=faults,
            scheduler=self._scheduler,
            clock=self.clock,
            retry_delays_seconds=self.retry_delays_seconds,
            timeout_seconds=self.webhook_timeout_seconds,
        )
        lifecycle = Lifecycle(
            store=store,
            scheduler=self._scheduler,
            outbox=self._outbox,
            deliveries=deliveries,
            clock=self.clock,
            base_url=self.base_url,
            retention=timedelta(seconds=self.retention_seconds),
        )
        self._api = Api(
            base_url=self.base_url,
            webhook_secret=self.webhook_secret,
            store=store,
            lifecycle=lifecycle,
            faults=faults,
            clock=self.clock,
        )
        control = Control(base_url=self.base_url, faults=faults, store=store, outbox=self._outbox, deliveries=deliveries)
        self._others = Router([*deliveries.rules(), *control.rules()])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), name="simulated-replicate", daemon=True)

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
        self._outbox.close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop."""
        self.stop()

    def _serve(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = JsonRequest(environ)
        door = self._api if request.path.startswith("/v1/") else self._others
        return door.answer(request)(environ, start_response)


class _QuietHandler(WSGIRequestHandler):
    """Logs errors only, and closes the connection when an answer is lost on purpose."""

    @override
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    @override
    def connection_dropped(self, error: BaseException, environ: "WSGIEnvironment | None" = None) -> None:
        # Without this the thread would wait for the next request, and the client for an answer.
        self.close_connection = True
