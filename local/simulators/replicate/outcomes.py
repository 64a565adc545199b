"""The outcome of a prediction. It is decided when the prediction is created."""

import secrets
from dataclasses import dataclass
from typing import Literal

from local.simulators.replicate.faults import Faults
from local.simulators.replicate.model import Inputs, Model, source_urls
from local.simulators.replicate.outputs import Output, outputs_of

FLAGGED_PHRASE = "flag me"

# The text of the real API. Clients recognize the code at its end.
SENSITIVE = (
    "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"
)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a prediction.

    - error: None if the run succeeds.
    - outputs: None if the run succeeds without output.
    - source_urls: the input files, which the run fetches.
    - ends_early: the final state of a run that does not finish.
    - is_removed: whether the data is removed as soon as the prediction is final.
    - shape: the form of the output, or empty for the model's own form.
    - delivery_host: the host in the links of the output, or empty for the simulator's own.
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
    delivery_host: str = ""


def decide_outcome(model: Model, given: Inputs, faults: Faults) -> Outcome:
    """Decide the outcome of a new prediction. A prompt with the flagged phrase always fails."""
    inputs = model.with_defaults(given)
    faults = faults.of_next(inputs.get("prompt", ""))
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
        ends_early=_early_end(faults),
        is_removed=faults.happens("data_removed"),
        shape=faults.settings.output_shape,
        delivery_host=faults.settings.delivery_host,
    )


def _error(model: Model, inputs: Inputs, faults: Faults) -> str | None:
    if FLAGGED_PHRASE in inputs.get("prompt", "").lower() or faults.happens("flag_sensitive"):
        return SENSITIVE
    for rejection in model.rejections:
        if rejection.applies(inputs):
            return rejection.error
    return faults.settings.error if faults.happens("fail") else None


def _early_end(faults: Faults) -> Literal["", "canceled", "aborted"]:
    if faults.happens("abort"):
        return "aborted"
    return "canceled" if faults.happens("cancel") else ""


def _outputs(model: Model, inputs: Inputs, seed: int, faults: Faults) -> tuple[Output, ...] | None:
    if faults.happens("no_output"):
        return None
    return tuple(
        output for output in outputs_of(model, inputs, seed) if not faults.happens("drop_output")
    )
