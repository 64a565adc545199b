"""The command `make repair` shows repairs, and applies them with `--apply`."""

from __future__ import annotations

import pytest

from darkroom.storage import ledger
from darkroom.storage.table import AccountRow
from tests.builders import ANN, held_job, open_account
from tests.integration.audit.accounts import BOB, account_row
from tools.repair import repair_all

pytestmark = pytest.mark.usefixtures("aws", "short_pauses", "unchanged_environment")


@pytest.fixture
def unchanged_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of the test, which the command would replace."""
    monkeypatch.setattr("tools.repair.use", lambda _: None)


def test_shows_and_then_applies_a_repair(capsys: pytest.CaptureFixture[str]) -> None:
    held_job()
    account_row().update([AccountRow.held.set(12)])

    assert repair_all({}, apply=False) == 1
    assert capsys.readouterr().out.splitlines() == [
        "web/ann: held: 12 becomes 10",
        "web/ann: not applied; to apply: make repair APPLY=1",
        "accounts to repair 1, repaired 0, mismatches for an operator 0",
    ]
    assert ledger.balance(ANN).held == 12
    assert repair_all({}, apply=True) == 0
    assert "applied; a correction without amounts records" in capsys.readouterr().out
    assert ledger.balance(ANN).held == 10
    assert repair_all({}, apply=True) == 0
    assert capsys.readouterr().out.startswith("accounts to repair 0, repaired 0, ")


def test_names_what_an_operator_must_decide(capsys: pytest.CaptureFixture[str]) -> None:
    open_account(100, BOB)
    account_row(BOB).update([AccountRow.available.set(101)])

    assert repair_all({}, apply=True) == 1

    assert (
        "mobile/bob: available by the entries: expected 100, found 101;"
        " credits or an entry are wrong, decide which: see docs/operations.md#ledger-mismatch"
    ) in capsys.readouterr().out.splitlines()
    assert ledger.balance(BOB).available == 101
