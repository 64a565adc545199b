"""The outcome of a task. It is decided when the task is created."""

import secrets
from dataclasses import dataclass

from local.simulators.common.videos import OutputVideo
from local.simulators.runway.faults import Faults
from local.simulators.runway.model import Inputs, image_uris

FLAGGED_PHRASE = "flag me"

# Source: docs.dev.runwayml.com, "Handle Task Failures".
SAFETY_INPUT_TEXT = "SAFETY.INPUT.TEXT"
SAFETY_OUTPUT = "SAFETY.OUTPUT.VIDEO"
BAD_OUTPUT = "INTERNAL.BAD_OUTPUT.CODE01"
ASSET_INVALID = "ASSET.INVALID"

_FAILURES = {
    SAFETY_INPUT_TEXT: "The prompt did not pass content moderation.",
    SAFETY_OUTPUT: "The output did not pass content moderation.",
    BAD_OUTPUT: "An unexpected error occurred.",
}
_FRAMES_PER_SECOND = 24


@dataclass(frozen=True)
class Failure:
    """The failure of a task: a sentence for people and a code for programs."""

    sentence: str
    code: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a task.

    `video` is None if the run succeeds without output. The running task fetches `image_uris`.
    """

    throttled_seconds: float
    queue_seconds: float
    run_seconds: float
    video: OutputVideo | None
    image_uris: tuple[str, ...]
    failure: Failure | None
    cancelled: bool


def decide_outcome(inputs: Inputs, faults: Faults) -> Outcome:
    """Decide the outcome of a new task. A prompt with the flagged phrase always fails."""
    settings = faults.settings
    return Outcome(
        throttled_seconds=settings.throttled_seconds,
        queue_seconds=settings.queue_seconds,
        run_seconds=settings.run_seconds,
        video=None if faults.happens("no_output") else _video(inputs),
        image_uris=image_uris(inputs),
        failure=_failure(inputs.get("promptText", ""), faults),
        cancelled=faults.happens("cancel"),
    )


def _video(inputs: Inputs) -> OutputVideo:
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
    )


def _failure(prompt: str, faults: Faults) -> Failure | None:
    code = None
    if FLAGGED_PHRASE in prompt.lower():
        code = SAFETY_INPUT_TEXT
    elif faults.happens("flag"):
        code = SAFETY_OUTPUT
    elif faults.happens("fail"):
        code = BAD_OUTPUT
    return None if code is None else Failure(_FAILURES[code], code)
