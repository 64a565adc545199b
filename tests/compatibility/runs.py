"""Runs the present code on the state that a release left behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.compatibility.snapshot import Mode, Snapshot, restore, without_signatures
from tests.simulation.environment import Environment
from tests.simulation.promises import Promises


@contextmanager
def restored(
    snapshot: Snapshot, mode: Mode, definition: Mapping[str, Any]
) -> Iterator[Environment]:
    """Run the handlers on a snapshot until the end of the block."""
    environment = restore(snapshot, mode, definition)
    with environment.activated(**snapshot["variables"]):
        yield environment


def run(snapshot: Snapshot, mode: Mode, definition: Mapping[str, Any]) -> Environment:
    """Continue from a snapshot until nothing is scheduled.

    Raises BrokenPromise, for example if a ledger does not balance at the end.
    """
    with restored(snapshot, mode, definition) as environment:
        promises = Promises(environment)
        environment.settle()
        promises.check_quiet()
    return environment


def view(environment: Environment, path: str, **event: Any) -> Any:
    """Return the API's document at a path. Links are without their signatures."""
    path, _, query = path.partition("?")
    response = environment.api("GET", path, query=query, **event)
    assert response
    assert response.status == 200, (path, response)
    return without_signatures(response.document)
