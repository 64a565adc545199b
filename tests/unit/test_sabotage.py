"""Each condition of `make sabotage` fits the tree: its text, its break and its test files exist."""

from __future__ import annotations

import pytest

from tests.aws import ROOT
from tests.sabotage.conditions import Condition, ConditionInvalid, read_conditions

CONDITIONS = read_conditions()


def fault_of(condition: Condition) -> str | None:
    """Return why a condition does not fit the tree, or None."""
    try:
        broken = condition.broken_text(ROOT)
        condition.test_files(ROOT)
        if condition.file.endswith(".py"):
            compile(broken, condition.file, "exec")
    except (ConditionInvalid, SyntaxError) as error:
        return f"{condition.name}: {error}"
    unchanged = broken == (ROOT / condition.file).read_text()
    return f"{condition.name}: changes nothing" if unchanged else None


def test_each_condition_fits_the_tree() -> None:
    faults = [fault for condition in CONDITIONS if (fault := fault_of(condition))]

    assert CONDITIONS
    assert not faults, "\n".join(faults)


def test_names_are_unique() -> None:
    names = [condition.name for condition in CONDITIONS]

    assert len(set(names)) == len(names)


def test_condition_with_an_unknown_text_is_refused() -> None:
    condition = Condition(name="x", file="Makefile", old="no such text", new="", tests=())

    with pytest.raises(ConditionInvalid, match="0 times instead of once"):
        condition.broken_text(ROOT)


def test_condition_without_a_test_file_is_refused() -> None:
    condition = Condition(name="x", file="Makefile", old="a", new="b", tests=("tests/unit/no*.py",))

    with pytest.raises(ConditionInvalid, match="no test file matches"):
        condition.test_files(ROOT)
