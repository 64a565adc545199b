"""What a provider says about the work it was asked for, in the words of all providers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from darkroom.domain.failures import Failure


class PredictionStatus(StrEnum):
    """Running covers whatever is not final at the provider."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Prediction:
    """One piece of work at a provider. `outputs` are links that die within the hour; `webhook_url` says whom it is for, where it is told."""

    prediction_id: str
    status: PredictionStatus
    outputs: tuple[str, ...] = ()
    failure: Failure | None = None
    webhook_url: str | None = None


def is_final_at_replicate(status: object) -> bool:
    """Tell whether nothing more will happen to a prediction of this status (replicate.com/docs/topics/predictions/lifecycle)."""
    return status in ("succeeded", "failed", "canceled", "aborted")


def links_in(output: object) -> Iterator[str]:
    """Walk any shape of output (a link, a list, an object with links in it) and yield the links in order."""
    match output:
        case str() if output.startswith(("https://", "http://")):
            yield output
        case list():
            for item in output:
                yield from links_in(item)
        case dict():
            for item in output.values():
                yield from links_in(item)
