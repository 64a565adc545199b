"""Grant: each reference changes the balance once."""

from __future__ import annotations

import pytest

from darkroom.domain.accounts import Balance, Entry
from darkroom.domain.errors import (
    InvalidRequest,
)
from darkroom.storage import ledger
from tests.builders import ANN, NOON, held_job
from tests.integration.ledger.balances import (
    BOB,
    all_entries,
    changes,
    counters,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestGrant:
    def grant(self, amount: int, reference: str = "order 1") -> tuple[Entry, bool]:
        return ledger.grant(ANN, amount, reason="a reason", reference=reference, now=NOON)

    def test_makes_credits_available_with_an_entry(self) -> None:
        entry, repeated = self.grant(25)

        assert not repeated
        assert changes(entry) == ("grant", 25, 25, 0, 0)
        assert (entry.reference, entry.job_id, entry.created_at) == ("order 1", None, NOON)
        assert all_entries() == [entry]
        assert counters() == (25, 0, 0, 25, 0, 0)

    def test_the_same_reference_twice_is_one_grant(self) -> None:
        first, _ = self.grant(25)

        assert self.grant(25) == (first, True)
        assert counters() == (25, 0, 0, 25, 0, 0)
        assert all_entries() == [first]

    @pytest.mark.parametrize("amount", [24, 26, -25, -1])
    def test_the_same_reference_for_another_amount_is_refused(self, amount: int) -> None:
        self.grant(25)

        with pytest.raises(InvalidRequest) as refused:
            self.grant(amount)

        assert [error.field for error in refused.value.errors] == ["reference"]
        assert counters() == (25, 0, 0, 25, 0, 0)

    def test_two_accounts_may_have_the_same_reference(self) -> None:
        self.grant(25)

        _, repeated = ledger.grant(BOB, 25, reason="a reason", reference="order 1", now=NOON)

        assert not repeated

    def test_a_correction_takes_back_what_is_available(self) -> None:
        self.grant(25)

        entry, _ = self.grant(-25, "mistake")

        assert changes(entry) == ("correction", -25, -25, 0, 0)
        assert counters() == (0, 0, 0, 0, 0, 0)

    def test_a_correction_never_goes_below_zero_available(self) -> None:
        held_job(credits=25)

        with pytest.raises(InvalidRequest) as refused:
            self.grant(-16)

        assert [error.field for error in refused.value.errors] == ["amount"]
        assert counters() == (15, 10, 0, 25, 1, 1)
        assert not self.grant(-15)[1]
        assert counters() == (0, 10, 0, 10, 1, 1)

    def test_an_account_that_never_was_has_nothing_to_take_back(self) -> None:
        with pytest.raises(InvalidRequest):
            self.grant(-1)

        assert ledger.balance(ANN) == Balance()
        assert all_entries() == []

    def test_a_repeated_correction_takes_once(self) -> None:
        self.grant(25)
        self.grant(-20, "mistake")

        assert self.grant(-20, "mistake")[1]
        assert counters() == (5, 0, 0, 5, 0, 0)
