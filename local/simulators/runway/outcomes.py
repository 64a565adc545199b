"""The outcome of a task. It is decided when the task is created."""

import secrets
from dataclasses import dataclass

from local.simulators.common.videos import OutputVideo
from local.simulators.runway.faults import Faults
from local.simulators.runway.model import Inputs

FLAGGED_PHRASE = "flag me"

# Source of the codes: docs.dev.runwayml.com, "Handle Task Failures".
SAFETY_INPUT_TEXT = "SAFETY.INPUT.TEXT"
SAFETY_OUTPUT = "SAFETY.OUTPUT.VIDEO"
BAD_OUTPUT = "INTERNAL.BAD_OUTPUT.CODE01"

_FAILURES = {
    SAFETY_INPUT_TEXT: "The prompt did not pass content moderation.",
    SAFETY_OUTPUT: "The output did not pass content moderation.",
    BAD_OUTPUT: "An unexpected error occurred.",
    "ASSET.INVALID": "Failed to read asset. The file may be damaged.",
}
_FAILURE_DEFAULT = "An unexpected error occurred."
_FRAMES_PER_SECOND = 24


@dataclass(frozen=True)
class Failure:
    """The failure of a task: a sentence for people and a code for programs."""

    sentence: str
    code: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a task.

    `video` is None if the run succeeds without output.
    """

    throttled_seconds: float
    queue_seconds: float
    run_seconds: float
    video: OutputVideo | None
    failure: Failure | None
    cancelled: bool


def decide_outcome(inputs: Inputs, faults: Faults, *, sources: tuple[bytes, ...] = ()) -> Outcome:
    """Decide the outcome of a new task. A prompt with the flagged phrase always fails.

    `sources` are the input images.
    """
    faults = faults.of_next(inputs.get("promptText", ""))
    settings = faults.settings
    return Outcome(
        throttled_seconds=settings.throttled_seconds,
        queue_seconds=settings.queue_seconds,
        run_seconds=settings.run_seconds,
        video=None if faults.happens("no_output") else _video(inputs, sources),
        failure=_failure(inputs.get("promptText", ""), faults),
        cancelled=faults.happens("cancel"),
    )


def _video(inputs: Inputs, sources: tuple[bytes, ...]) -> OutputVideo:
    width, height = (int(side) for side in inputs["ratio"].split(":"))
    seed = inputs.get("seed")
    return OutputVideo(
        prompt=inputs.get("promptText", ""),
        seed=secrets.randbelow(2**31) if seed is None else int(seed),
        index=0,
        width=width,
        height=height,
        seconds=inputs["duration"],
        frames_per_second=_FRAMES_PER_SECOND,
        sources=sources,
    )


def _failure(prompt: str, faults: Faults) -> Failure | None:
    code = faults.settings.failure_code
    if FLAGGED_PHRASE in prompt.lower():
        code = SAFETY_INPUT_TEXT
    elif faults.happens("flag"):
        code = SAFETY_OUTPUT
    elif faults.happens("fail"):
        code = BAD_OUTPUT
    return Failure(_FAILURES.get(code, _FAILURE_DEFAULT), code) if code else None
