from __future__ import annotations

import pytest

from tests.aws import ROOT
from tests.sabotage.conditions import Condition, ConditionInvalid, read_conditions

CONDITIONS = read_conditions()


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_condition_applies_exactly_once_and_has_test_files(condition: Condition) -> None:
    broken = condition.broken_text(ROOT)

    assert broken != (ROOT / condition.file).read_text()
    assert condition.test_files(ROOT)


@pytest.mark.parametrize(
    "condition",
    [condition for condition in CONDITIONS if condition.file.endswith(".py")],
    ids=lambda condition: condition.name,
)
def test_broken_python_file_still_compiles(condition: Condition) -> None:
    compile(condition.broken_text(ROOT), condition.file, "exec")


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
