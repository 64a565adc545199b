"""Fill all sample events in, about things that this command makes on the running local stack.

    PYTHONPATH=shared python -m tools.events

The filled events are written to .aws-sam/events/<function>/<name>.json. They stay valid for an
hour; the signature of the webhook stays valid for five minutes. Most events change what they name,
so a second invocation with the same event can have another answer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.description import NoStack, StackDescription, write_private
from local.sam_local.files import EVENTS_DIRECTORY, invoke_line
from tools.sample_events import samples
from tools.sample_events.environment import RealProvider, enter

if TYPE_CHECKING:
    from tools.sample_events.prepare import Prepared


def event_path(function: str, name: str) -> Path:
    """Return the path of a filled event."""
    return EVENTS_DIRECTORY / function / f"{name}.json"


def write_event(function: str, name: str, event: dict[str, Any]) -> Path:
    """Write a filled event and return its path."""
    path = event_path(function, name)
    write_private(path, event)
    return path


def filled_events(stack: StackDescription) -> Iterator[tuple[str, str, Prepared]]:
    """Fill each sample event in, write the event, and yield it with its function and its name.

    Raises RealProvider.
    """
    enter(stack)
    # The application reads its environment at import.
    from tools.sample_events.prepare import prepare  # noqa: PLC0415

    for function, names in samples.choices().items():
        for name in names:
            prepared = prepare(function, name)
            write_event(function, name, prepared.event)
            yield function, name, prepared


def main() -> int:
    """Run the command. Returns the exit status."""
    try:
        for function, name, _ in filled_events(StackDescription.read()):
            line = invoke_line(samples.logical_id(function), event_path(function, name))
            sys.stdout.write(f"{line}\n")
    except (NoStack, RealProvider) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
