"""The outcome of a prediction. It is decided when the prediction is created."""

import secrets
from dataclasses import dataclass
from typing import Literal

from local.simulators.replicate.faults import Faults
from local.simulators.replicate.model import Inputs, Model, source_urls
from local.simulators.replicate.outputs import Output, outputs_of

FLAGGED_PHRASE = "flag me"

# The wording of the real API. Clients recognize the code at its end.
SENSITIVE = (
    "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"
)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a prediction.

    `error` is None for a run that succeeds. `outputs` is None for a success without output. The run
    fetches `source_urls`, the model's input files. `ends_early` is the end of a run that does not
    finish. `shape` is the form of the output, if it is not the model's own.
    """

    queue_seconds: float
    run_seconds: float
    seed: int
    error: str | None
    outputs: tuple[Output, ...] | None
    source_urls: tuple[str, ...] = ()
    ends_early: Literal["", "canceled", "aborted"] = ""
    is_removed: bool = False
    shape: str = ""


def decide_outcome(model: Model, given: Inputs, faults: Faults) -> Outcome:
    """Draw the random numbers of one prediction. A prompt with the flagged phrase always fails."""
    inputs = model.with_defaults(given)
    seed = inputs.get("seed")
    if seed is None:
        seed = secrets.randbelow(2**31)
    return Outcome(
        queue_seconds=faults.settings.queue_seconds,
        run_seconds=faults.settings.run_seconds,
        seed=seed,
        error=_error(model, inputs, faults),
        outputs=_outputs(model, inputs, seed, faults),
        source_urls=tuple(source_urls(model, inputs)),
        ends_early="aborted"
        if faults.happens("abort")
        else "canceled"
        if faults.happens("cancel")
        else "",
        is_removed=faults.happens("data_removed"),
        shape=faults.settings.output_shape,
    )


def _error(model: Model, inputs: Inputs, faults: Faults) -> str | None:
    if FLAGGED_PHRASE in inputs.get("prompt", "").lower() or faults.happens("flag_sensitive"):
        return SENSITIVE
    if refused := next(
        (rejection.error for rejection in model.rejections if rejection.applies(inputs)), None
    ):
        return refused
    return faults.settings.error if faults.happens("fail") else None


def _outputs(model: Model, inputs: Inputs, seed: int, faults: Faults) -> tuple[Output, ...] | None:
    if faults.happens("no_output"):
        return None
    return tuple(
        output for output in outputs_of(model, inputs, seed) if not faults.happens("drop_output")
    )
