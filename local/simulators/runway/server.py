"""The simulated Runway with its server."""

from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import override

from werkzeug.wrappers import Response

from local.simulators.common.clock import Clock, utc_now
from local.simulators.common.routing import JsonRequest, Router
from local.simulators.common.server import HOST, Simulator
from local.simulators.runway.api import Api
from local.simulators.runway.control import Control
from local.simulators.runway.faults import Faults, FaultSettings
from local.simulators.runway.lifecycle import Lifecycle
from local.simulators.runway.outputs import Outputs
from local.simulators.runway.problems import error_response
from local.simulators.runway.tasks import TaskStore

# Runway's URLs expire within 24 to 48 hours. Clients can rely only on 24 hours.
OUTPUT_SECONDS = 24 * 3600


@dataclass(eq=False)
class SimulatedRunway(Simulator):
    """The simulated Runway.

    The API is under `<base_url>/v1` and accepts any key that begins with `key_`. Port 0 means a
    free port. A stopped simulator cannot start again. `clock` sets the time of timestamps and of
    the outputs' expiry. Tasks run in real time.
    """

    port: int = 0
    _: KW_ONLY
    host: str = HOST
    output_seconds: float = OUTPUT_SECONDS
    run_seconds: float = FaultSettings.run_seconds
    clock: Clock = utc_now

    def __post_init__(self) -> None:
        """Reserve the port and connect the parts."""
        super().__init__("simulated-runway", self.port, self.host)
        faults = Faults(FaultSettings(run_seconds=self.run_seconds))
        store = TaskStore()
        outputs = Outputs(
            base_url=self.base_url,
            store=store,
            clock=self.clock,
            lifetime=timedelta(seconds=self.output_seconds),
        )
        lifecycle = Lifecycle(store=store, scheduler=self._scheduler, clock=self.clock)
        self._api = Api(
            store=store, lifecycle=lifecycle, outputs=outputs, faults=faults, clock=self.clock
        )
        control = Control(faults=faults, store=store, outputs=outputs, clock=self.clock)
        self._others = Router([*outputs.rules(), *control.rules()], error_response)

    @override
    def respond(self, request: JsonRequest) -> Response:
        application = self._api if request.path.startswith("/v1/") else self._others
        return application.respond(request)
