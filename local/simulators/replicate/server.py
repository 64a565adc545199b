"""The simulated Replicate with its server."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import override

from werkzeug.wrappers import Response

from local.simulators.common.clock import Clock, utc_now
from local.simulators.common.routing import JsonRequest, Router
from local.simulators.common.server import HOST, Simulator
from local.simulators.replicate.api import Api
from local.simulators.replicate.control import Control
from local.simulators.replicate.deliveries import Deliveries
from local.simulators.replicate.faults import Faults, FaultSettings
from local.simulators.replicate.files import Files
from local.simulators.replicate.lifecycle import Lifecycle
from local.simulators.replicate.model_table import ModelTable
from local.simulators.replicate.predictions import PredictionStore
from local.simulators.replicate.problems import error_response
from local.simulators.replicate.webhooks import Outbox

RETENTION_SECONDS = 3600
# The last try is sent about one minute after the completion, as by Replicate.
RETRY_DELAYS_SECONDS = (2.0, 4.0, 8.0, 16.0, 30.0)
WEBHOOK_TIMEOUT_SECONDS = 10.0


@dataclass(eq=False)
class SimulatedReplicate(Simulator):
    """The simulated Replicate.

    The API is under `<base_url>/v1` and accepts any token that begins with `r8_`. Port 0 means a
    free port. A stopped simulator cannot start again. `clock` sets the time of timestamps and of
    the retention. Predictions run in real time.
    """

    port: int = 0
    _: KW_ONLY
    host: str = HOST
    retention_seconds: float = RETENTION_SECONDS
    run_seconds: float = FaultSettings.run_seconds
    retry_delays_seconds: Sequence[float] = RETRY_DELAYS_SECONDS
    webhook_timeout_seconds: float = WEBHOOK_TIMEOUT_SECONDS
    clock: Clock = utc_now

    def __post_init__(self) -> None:
        """Reserve the port and connect the parts."""
        super().__init__("simulated-replicate", self.port, self.host)
        self.webhook_secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        faults = Faults(FaultSettings(run_seconds=self.run_seconds))
        store = PredictionStore()
        deliveries = Deliveries(self.clock, faults)
        self._outbox = Outbox(
            secret=self.webhook_secret,
            faults=faults,
            scheduler=self._scheduler,
            clock=self.clock,
            retry_delays_seconds=self.retry_delays_seconds,
            timeout_seconds=self.webhook_timeout_seconds,
        )
        files = Files(self.base_url, self.clock)
        models = ModelTable()
        lifecycle = Lifecycle(
            store=store,
            scheduler=self._scheduler,
            outbox=self._outbox,
            deliveries=deliveries,
            files=files,
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
            files=files,
            models=models,
            clock=self.clock,
        )
        control = Control(
            base_url=self.base_url,
            faults=faults,
            store=store,
            outbox=self._outbox,
            deliveries=deliveries,
            models=models,
        )
        self._others = Router([*deliveries.rules(), *control.rules()], error_response)

    @override
    def stop(self) -> None:
        super().stop()
        self._outbox.close()

    @override
    def respond(self, request: JsonRequest) -> Response:
        application = self._api if request.path.startswith("/v1/") else self._others
        return application.respond(request)
