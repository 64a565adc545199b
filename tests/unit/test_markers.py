"""Each marker is declared, and each pattern and file of the plugins exists."""

from __future__ import annotations

import tomllib

import pytest

from tests import markers, order
from tests.aws import ROOT

DECLARED = {
    text.partition(":")[0]
    for text in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"][
        "ini_options"
    ]["markers"]
}


@pytest.mark.parametrize("pattern", markers.BY_PATH)
def test_each_pattern_matches_a_path(pattern: str) -> None:
    assert list(markers.ROOT.glob(pattern))


def test_each_declared_marker_is_set_somewhere() -> None:
    used = {*markers.BY_PATH.values(), *markers.BY_FIXTURE.values()}

    assert {name for names in used for name in names} == DECLARED


@pytest.mark.parametrize("name", order.LONGEST)
def test_each_of_the_longest_files_is_a_file(name: str) -> None:
    assert (order.ROOT / name).is_file()
