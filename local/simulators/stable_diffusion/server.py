"""The simulator as one part that is started and stopped."""

from dataclasses import KW_ONLY, dataclass
from typing import override

from werkzeug.wrappers import Response

from local.simulators.common.routing import JsonRequest
from local.simulators.common.server import Simulator
from local.simulators.stable_diffusion.api import Api
from local.simulators.stable_diffusion.faults import Faults


@dataclass(eq=False)
class SimulatedStableDiffusion(Simulator):
    """A Stable Diffusion WebUI on this machine, started with `--api`, and with `--api-auth` where there is a `login` (`user:password`).

    The port is taken when the object is made (0: a free one), and served between `start` and `stop`; a stopped simulator is not started
    again.
    """

    port: int = 0
    _: KW_ONLY
    login: str | None = None

    def __post_init__(self) -> None:
        """Take the port, and put the parts together."""
        super().__init__("simulated-stable-diffusion", self.port)
        self._api = Api(faults=Faults(), login=self.login)

    @override
    def respond(self, request: JsonRequest) -> Response:
        return self._api.respond(request)

    @override
    def stop(self) -> None:
        self._api.stop()
        super().stop()
