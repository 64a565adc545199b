"""The simulated WebUI with its server."""

from dataclasses import KW_ONLY, dataclass
from typing import override

from werkzeug.wrappers import Response

from local.simulators.common.routing import JsonRequest
from local.simulators.common.server import Simulator
from local.simulators.stable_diffusion.api import Api
from local.simulators.stable_diffusion.faults import Faults


@dataclass(eq=False)
class SimulatedStableDiffusion(Simulator):
    """A Stable Diffusion WebUI on this machine, started with `--api`.

    With a `login` (`user:password`) it is started with `--api-auth` too. The constructor takes the
    port; 0 means a free port. A stopped simulator cannot start again.
    """

    port: int = 0
    _: KW_ONLY
    login: str | None = None

    def __post_init__(self) -> None:
        """Take the port and connect the parts."""
        super().__init__("simulated-stable-diffusion", self.port)
        self._api = Api(faults=Faults(), login=self.login)

    @override
    def respond(self, request: JsonRequest) -> Response:
        return self._api.respond(request)

    @override
    def stop(self) -> None:
        self._api.stop()
        super().stop()
