"""A retired template is not in the catalog. Its last version names its successor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from darkroom import catalog
from darkroom.catalog.parsing import BrokenTemplate
from darkroom.domain.errors import NotFound
from tests.retired_template import RETIRED, SUCCESSOR, clear, retire


@pytest.fixture(autouse=True)
def cleared() -> Iterator[None]:
    yield
    clear()


def test_each_retired_template_of_the_catalog_has_a_current_successor() -> None:
    for code, successor in catalog.retired().items():
        assert successor in catalog.codes(), code
        assert catalog.last_version(code).category == catalog.template(successor).category, code


def test_only_the_past_versions_of_a_retired_template_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retire(tmp_path, monkeypatch)

    assert catalog.codes() == (SUCCESSOR,)
    assert catalog.retired() == {RETIRED: SUCCESSOR}
    assert [catalog.template(RETIRED, version).version for version in (1, 2)] == [1, 2]
    assert catalog.last_version(RETIRED).version == 2
    with pytest.raises(NotFound):
        catalog.template(RETIRED)


def test_a_current_and_an_unknown_template_have_no_successor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retire(tmp_path, monkeypatch)

    assert catalog.successor_of(RETIRED) == SUCCESSOR
    assert catalog.successor_of(SUCCESSOR) is None
    assert catalog.successor_of("no-such") is None
    assert catalog.last_version(SUCCESSOR) is catalog.template(SUCCESSOR)
    with pytest.raises(NotFound):
        catalog.last_version("no-such")


@pytest.mark.parametrize("successor", [None, "no-such", RETIRED])
def test_a_retired_template_without_a_current_successor_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, successor: str | None
) -> None:
    retire(tmp_path, monkeypatch, successor=successor)

    with pytest.raises(BrokenTemplate, match=f"past/{RETIRED}: .* successor"):
        catalog.retired()


def test_a_current_template_with_a_successor_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retire(tmp_path, monkeypatch)
    current = tmp_path / f"{SUCCESSOR}.toml"
    current.write_text('successor = "other"\n' + current.read_text())

    with pytest.raises(BrokenTemplate, match="only a retired template has one"):
        catalog.template(SUCCESSOR)
