"""Fixtures for the tests of the audit."""

from __future__ import annotations

import pytest

from darkroom.services import audit_accounts


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pause between readings, because no other process writes to the table."""
    monkeypatch.setattr(audit_accounts, "_PAUSE_SECONDS", 0.001)
