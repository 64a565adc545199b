"""DynamoDB's JSON: what a path leads to, and an item as a change makes it. Nothing is changed in place."""

from __future__ import annotations

from typing import Any

type Item = dict[str, dict[str, Any]]
type Typed = dict[str, Any]
type Step = str | int


class InvalidExpression(Exception):
    """DynamoDB would answer ValidationException."""


def found(item: Item, path: tuple[Step, ...]) -> Typed | None:
    """Give what is at the end of a path; None when nothing is."""
    here: Any = {"M": item}
    for step in path:
        if isinstance(step, int):
            members = here.get("L", ())
            here = members[step] if step < len(members) else None
        else:
            here = here.get("M", {}).get(step)
        if here is None:
            return None
    result: Typed = here
    return result


def with_value(item: Item, path: tuple[Step, ...], value: Typed) -> Item:
    """Put a value at the end of a path, in a copy."""
    return _rebuilt({"M": item}, path, value)["M"]  # type: ignore[no-any-return]


def without(item: Item, path: tuple[Step, ...]) -> Item:
    """Take away what is at the end of a path, in a copy."""
    return _rebuilt({"M": item}, path, None)["M"]  # type: ignore[no-any-return]


def _rebuilt(container: Typed, path: tuple[Step, ...], value: Typed | None) -> Typed:
    """Copy the containers along a path, and put the value at its end, or take away what is there."""
    step, rest = path[0], path[1:]
    kind = "L" if isinstance(step, int) else "M"
    if kind not in container:
        raise InvalidExpression(
            "The document path provided in the update expression is invalid for update"
        )
    copy: Any = list(container["L"]) if kind == "L" else dict(container["M"])
    present = step < len(copy) if isinstance(step, int) else step in copy
    if rest:
        if not present:
            raise InvalidExpression(
                "The document path provided in the update expression is invalid for update"
            )
        copy[step] = _rebuilt(copy[step], rest, value)
    elif value is None:
        if present:
            del copy[step]
    elif kind == "L" and not present:
        copy.append(value)
    else:
        copy[step] = value
    return {kind: copy}
