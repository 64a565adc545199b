"""What a check of a provider returns or raises."""

from __future__ import annotations

from collections.abc import Callable

from darkroom.domain.errors import DarkroomError


def result_of(check: Callable[[], object]) -> object:
    """Return the result of a check, or the class of its error."""
    try:
        return check()
    except DarkroomError as error:
        return type(error)
