"""Fixtures for the tests of the audit."""

from __future__ import annotations

import pytest

from darkroom.services import audit_accounts


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else writes to the table, so there is nothing to wait for."""
    monkeypatch.setattr(audit_accounts, "_PAUSE_SECONDS", 0.001)
