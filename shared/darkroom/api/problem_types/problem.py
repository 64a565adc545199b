"""A type of problem, and the seconds of `Retry-After`."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

BUSY_RETRY_AFTER_SECONDS = 5
UNAVAILABLE_RETRY_AFTER_SECONDS = 2
PAUSED_RETRY_AFTER_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A type of problem.

    `detail` is a format string for the error's message and attributes. `is_refusal` is true if the
    request changed nothing. If `is_refusal` is false, the effect of the request is unknown.
    """

    slug: str
    status: HTTPStatus
    title: str
    meaning: str
    advice: str
    detail: str = "{message}"
    retry_after_seconds: int | None = None
    is_refusal: bool = True

    @property
    def type(self) -> str:
        """The path of the page about this type."""
        return f"/problems/{self.slug}"
