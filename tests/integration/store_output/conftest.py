"""A Replicate that has the files of one prediction."""

from __future__ import annotations

import pytest

from tests.integration.store_output.delivery import ReplicateWithFiles


@pytest.fixture
def replicate(monkeypatch: pytest.MonkeyPatch) -> ReplicateWithFiles:
    return ReplicateWithFiles(monkeypatch)
