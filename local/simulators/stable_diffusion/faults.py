"""The faults of a WebUI, each with its probability."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jsonschema import Draft202012Validator

from local.simulators.common import faults as common
from local.simulators.stable_diffusion.problems import invalid

type Fault = Literal["unavailable", "out_of_memory", "lost_answer", "no_output", "torn_output"]


@dataclass(frozen=True, kw_only=True)
class FaultSettings(common.FaultSettings):
    """The fault settings of a WebUI. Probabilities are from 0 to 1.

    - unavailable: 502, as from a proxy in front of the WebUI. No run starts.
    - out_of_memory: the run fails with 500.
    - lost_answer: after the run, the connection closes without a response.
    - no_output: 200 with an empty list.
    - torn_output: 200 with data that is not an image.
    - run_seconds: the duration of a run.
    """

    unavailable: float = 0.0
    out_of_memory: float = 0.0
    lost_answer: float = 0.0
    no_output: float = 0.0
    torn_output: float = 0.0
    run_seconds: float = 0.5


class Faults(common.FaultInjector[FaultSettings, Fault]):
    """The faults of the simulated WebUI."""

    def __init__(self) -> None:
        """Start with the default settings."""
        super().__init__(FaultSettings(), _check)


def _check(settings: object, schema: Mapping[str, Any]) -> None:
    errors = Draft202012Validator(schema).iter_errors(settings)
    if issues := [("faults", error.message, "value_error") for error in errors]:
        raise invalid(issues)
