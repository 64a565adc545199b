"""Tests of the numbers in different files that depend on each other."""

from tests.unit.number_dependencies import dependencies
from tests.unit.number_sources import STATES, state_timeout

DEPENDENCIES = list(dependencies())


def test_numbers_agree_with_the_numbers_that_they_depend_on() -> None:
    broken = [
        f"[{dependency.left}] must be {dependency.relation} [{dependency.right}]: "
        f"{dependency.reason}."
        for dependency in DEPENDENCIES
        if not dependency.holds
    ]

    assert len(DEPENDENCIES) > 40
    assert not broken, "\n".join(broken)


def test_every_state_with_a_fixed_timeout_is_in_the_table() -> None:
    sources = {dependency.right.source for dependency in DEPENDENCIES}
    states = {name for name, definition in STATES.items() if "TimeoutSeconds" in definition}

    assert {state_timeout(state).source for state in states} <= sources
