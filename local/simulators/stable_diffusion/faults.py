"""The faults of a WebUI and of a gateway in front of it, each with its probability."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from jsonschema import Draft202012Validator

from local.simulators.common import faults as common
from local.simulators.stable_diffusion.kinds import KINDS
from local.simulators.stable_diffusion.problems import invalid

type Fault = Literal[
    "unavailable", "throttled", "no_api", "login_redirect", "login_page", "no_checkpoint",
    "out_of_memory", "interrupted", "lost_answer", "no_output", "empty_output", "data_url_output",
    "torn_output",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FaultSettings(common.FaultSettings):
    """The fault settings of a WebUI. Probabilities are from 0 to 1.

    - server: the kind of server, see `kinds.py`.
    - unavailable: 502, as from a proxy in front of the WebUI. No run starts.
    - throttled: 429, as from a proxy in front of the WebUI. No run starts.
    - no_api: 404, as from a WebUI that was started without `--api`.
    - login_redirect: 302 to a login page, as from a proxy in front of the WebUI.
    - login_page: 200 with a login page in HTML, as from a proxy in front of the WebUI.
    - no_checkpoint: the server has no model, and the run fails with 500.
    - out_of_memory: the run fails with 500.
    - interrupted: somebody interrupts the run. The image is half drawn.
    - lost_answer: after the run, the connection closes without a response.
    - no_output: 200 with an empty list.
    - empty_output: 200 with an empty text for each image, as from koboldcpp.
    - data_url_output: each image is a data URL.
    - torn_output: 200 with data that is not an image.
    - run_seconds: the duration of the run of one image.
    - gateway_seconds: the gateway responds with `gateway_status` after this time, and the run goes
      on. 0: there is no gateway.
    """

    TEXTS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "server": tuple(KINDS),
        "gateway_status": ("502", "504", "520", "522", "524"),
    }

    server: str = "forge"
    unavailable: float = 0.0
    throttled: float = 0.0
    no_api: float = 0.0
    login_redirect: float = 0.0
    login_page: float = 0.0
    no_checkpoint: float = 0.0
    out_of_memory: float = 0.0
    interrupted: float = 0.0
    lost_answer: float = 0.0
    no_output: float = 0.0
    empty_output: float = 0.0
    data_url_output: float = 0.0
    torn_output: float = 0.0
    run_seconds: float = 0.5
    gateway_seconds: float = 0.0
    gateway_status: str = "504"


class Faults(common.FaultInjector[FaultSettings, Fault]):
    """The faults of the simulated WebUI."""

    def __init__(self) -> None:
        """Start with the default settings."""
        super().__init__(FaultSettings(), _check)


def _check(settings: object, schema: Mapping[str, Any]) -> None:
    errors = Draft202012Validator(schema).iter_errors(settings)
    if issues := [("faults", error.message, "value_error") for error in errors]:
        raise invalid(issues)
