"""What becomes of a prediction, decided when it is created."""

import secrets
from dataclasses import dataclass

from local.replicate.faults import Faults
from local.replicate.models import Inputs, Model, size_in_pixels
from local.replicate.pictures import Picture

FLAGGED_PHRASE = "flag me"

# The wording of the real API, which clients recognise by the code at the end.
SENSITIVE = "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"
INTERRUPTED = "Prediction interrupted; please retry (code: PA)"


@dataclass(frozen=True)
class Fate:
    """`error` is None for a run that succeeds; `pictures` is None when it succeeds with no output at all."""

    queue_seconds: float
    run_seconds: float
    seed: int
    error: str | None
    pictures: tuple[Picture, ...] | None


def decide(model: Model, given: Inputs, faults: Faults) -> Fate:
    """Throw all dice of one prediction. A prompt with the flagged phrase always fails."""
    inputs = model.with_defaults(given)
    seed = inputs.get("seed")
    if seed is None:
        seed = secrets.randbelow(2**31)
    return Fate(
        queue_seconds=faults.settings.queue_seconds,
        run_seconds=faults.settings.run_seconds,
        seed=seed,
        error=_error(inputs, faults),
        pictures=_pictures(inputs, seed, faults),
    )


def _error(inputs: Inputs, faults: Faults) -> str | None:
    if FLAGGED_PHRASE in inputs.get("prompt", "").lower() or faults.happens("flag_sensitive"):
        return SENSITIVE
    return INTERRUPTED if faults.happens("fail") else None


def _pictures(inputs: Inputs, seed: int, faults: Faults) -> tuple[Picture, ...] | None:
    if faults.happens("no_output"):
        return None
    width, height = size_in_pixels(inputs)
    return tuple(
        Picture(
            prompt=inputs.get("prompt", ""),
            seed=seed,
            index=index,
            width=width,
            height=height,
            format=inputs.get("output_format", "png"),
            quality=inputs.get("output_quality", 80),
        )
        for index in range(inputs.get("num_outputs", 1))
        if not faults.happens("drop_output")
    )
