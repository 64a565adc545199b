"""The committed sample events in `events/<function>/<name>.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DIRECTORY = Path("events")


class UnknownEvent(LookupError):
    """There is no such function or event. The message lists the choices."""


def choices() -> dict[str, list[str]]:
    """Return the names of the sample events by function, in alphabetical order."""
    names: dict[str, list[str]] = {}
    for path in sorted(DIRECTORY.glob("*/*.json")):
        names.setdefault(path.parent.name, []).append(path.stem)
    return names


def check_function(function: str) -> None:
    """Raise UnknownEvent if there is no such function."""
    if function not in choices():
        listed = "\n".join(f"  {name}" for name in choices())
        problem = f"There is no function {function}." if function else "FUNCTION is missing."
        raise UnknownEvent(f"{problem} FUNCTION is one of:\n{listed}")


def choose(function: str, name: str) -> str:
    """Return the event's name. Without a name, return the only event of the function.

    Raises UnknownEvent if there is no such function or event.
    """
    check_function(function)
    known = choices()[function]
    if not name and len(known) == 1:
        return known[0]
    if name not in known:
        problem = f"{function} has no event {name}." if name else "EVENT is missing."
        listed = "\n".join(f"  {each}" for each in known)
        raise UnknownEvent(f"{problem} EVENT is the path of a JSON file, or one of:\n{listed}")
    return name


def read(function: str, name: str) -> Any:  # noqa: ANN401 (any JSON document)
    """Return a committed sample event."""
    return json.loads((DIRECTORY / function / f"{name}.json").read_text())


def logical_id(function: str) -> str:
    """Return the function's logical id in the template: `submit_job` is SubmitJobFunction."""
    return "".join(part.title() for part in function.split("_")) + "Function"
