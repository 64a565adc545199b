"""Grant: each reference changes the balance once."""

from __future__ import annotations

import pytest

from darkroom.domain.accounts import Balance, Entry
from darkroom.domain.errors import (
    InvalidRequest,
)
from darkroom.storage import grants, ledger
from tests.builders import ANN, NOON, held_job
from tests.integration.ledger.balances import (
    BOB,
    all_entries,
    changes,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestGrant:
    def grant(self, amount: int, reference: str = "order 1") -> tuple[Entry, bool]:
        return grants.grant(ANN, amount, reason="a reason", reference=reference, now=NOON)

    def test_makes_credits_available_and_writes_an_entry(self) -> None:
        entry, repeated = self.grant(25)

        assert not repeated
        assert changes(entry) == ("grant", {"granted": 25, "available": 25})
        assert (entry.reference, entry.job_id, entry.created_at) == ("order 1", None, NOON)
        assert all_entries() == [entry]
        assert ledger.balance(ANN) == Balance(available=25, granted=25)

    def test_grants_the_same_reference_once(self) -> None:
        first, _ = self.grant(25)

        assert self.grant(25) == (first, True)
        assert ledger.balance(ANN) == Balance(available=25, granted=25)
        assert all_entries() == [first]

    @pytest.mark.parametrize("amount", [24, 26, -25, -1])
    def test_refuses_the_same_reference_with_another_amount(self, amount: int) -> None:
        self.grant(25)

        with pytest.raises(InvalidRequest) as raised:
            self.grant(amount)

        assert [error.field for error in raised.value.errors] == ["reference"]
        assert ledger.balance(ANN) == Balance(available=25, granted=25)

    def test_two_accounts_can_have_the_same_reference(self) -> None:
        self.grant(25)

        _, repeated = grants.grant(BOB, 25, reason="a reason", reference="order 1", now=NOON)

        assert not repeated

    def test_a_correction_removes_available_credits(self) -> None:
        self.grant(25)

        entry, _ = self.grant(-25, "mistake")

        assert changes(entry) == ("correction", {"granted": -25, "available": -25})
        assert ledger.balance(ANN) == Balance()

    def test_a_correction_never_makes_the_available_credits_negative(self) -> None:
        held_job(credits=25)

        with pytest.raises(InvalidRequest) as raised:
            self.grant(-16)

        assert [error.field for error in raised.value.errors] == ["amount"]
        assert ledger.balance(ANN) == Balance(
            available=15, held=10, granted=25, in_flight=1, jobs_total=1
        )
        assert not self.grant(-15)[1]
        assert ledger.balance(ANN) == Balance(held=10, granted=10, in_flight=1, jobs_total=1)

    def test_refuses_a_correction_of_an_unknown_account(self) -> None:
        with pytest.raises(InvalidRequest):
            self.grant(-1)

        assert ledger.balance(ANN) == Balance()
        assert all_entries() == []

    def test_a_repeated_correction_removes_credits_once(self) -> None:
        self.grant(25)
        self.grant(-20, "mistake")

        assert self.grant(-20, "mistake")[1]
        assert ledger.balance(ANN) == Balance(available=5, granted=5)
