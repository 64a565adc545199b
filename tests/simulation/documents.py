"""DynamoDB's JSON: read the value at a path, and copy an item with a change. Items never change."""

from __future__ import annotations

from typing import Any

type Item = dict[str, dict[str, Any]]
type Typed = dict[str, Any]
type Step = str | int


class InvalidExpression(Exception):
    """An expression for which DynamoDB responds with ValidationException."""


def value_at(item: Item, path: tuple[Step, ...]) -> Typed | None:
    """Return the value at a path, or None."""
    current: Any = {"M": item}
    for step in path:
        if isinstance(step, int):
            members = current.get("L", ())
            current = members[step] if step < len(members) else None
        else:
            current = current.get("M", {}).get(step)
        if current is None:
            return None
    result: Typed = current
    return result


def with_value(item: Item, path: tuple[Step, ...], value: Typed) -> Item:
    """Return a copy of the item with the value at the path."""
    return _with_change({"M": item}, path, value)["M"]  # type: ignore[no-any-return]


def without_value(item: Item, path: tuple[Step, ...]) -> Item:
    """Return a copy of the item without the value at the path."""
    return _with_change({"M": item}, path, None)["M"]  # type: ignore[no-any-return]


def _with_change(container: Typed, path: tuple[Step, ...], value: Typed | None) -> Typed:
    """Copy the containers along a path. Set the value at its end; None removes it."""
    step, rest = path[0], path[1:]
    kind = "L" if isinstance(step, int) else "M"
    if kind not in container:
        raise InvalidExpression(
            "The document path provided in the update expression is invalid for update"
        )
    copy: Any = list(container["L"]) if kind == "L" else dict(container["M"])
    exists = step < len(copy) if isinstance(step, int) else step in copy
    if rest:
        if not exists:
            raise InvalidExpression(
                "The document path provided in the update expression is invalid for update"
            )
        copy[step] = _with_change(copy[step], rest, value)
    elif value is None:
        if exists:
            del copy[step]
    elif kind == "L" and not exists:
        copy.append(value)
    else:
        copy[step] = value
    return {kind: copy}
