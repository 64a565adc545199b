"""The simulated WebUI with its server."""

from dataclasses import KW_ONLY, dataclass
from typing import override

from werkzeug.wrappers import Response

from local.simulators.common.routing import JsonRequest
from local.simulators.common.server import HOST, Simulator
from local.simulators.stable_diffusion.api import Api
from local.simulators.stable_diffusion.faults import Faults


@dataclass(eq=False)
class SimulatedStableDiffusion(Simulator):
    """The simulated Stable Diffusion WebUI, as if started with `--api`.

    With a `login` (`user:password`), it requires the login, as if started with `--api-auth`. Port 0
    means a free port. A stopped simulator cannot start again.
    """

    port: int = 0
    _: KW_ONLY
    host: str = HOST
    login: str | None = None

    def __post_init__(self) -> None:
        """Reserve the port and connect the parts."""
        super().__init__("simulated-stable-diffusion", self.port, self.host)
        self._api = Api(faults=Faults(), login=self.login)

    @override
    def respond(self, request: JsonRequest) -> Response:
        return self._api.respond(request)

    @override
    def stop(self) -> None:
        self._api.stop()
        super().stop()
