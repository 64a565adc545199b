"""The pages of an account's entries."""

from __future__ import annotations

import pytest

from darkroom.domain.errors import (
    InvalidRequest,
)
from darkroom.storage import ledger
from tests.builders import ANN, NOON, open_account
from tests.integration.ledger.balances import (
    BOB,
    all_entries,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestEntries:
    def test_come_newest_first_and_each_exactly_once_page_by_page(self) -> None:
        for number in range(7):
            ledger.grant(ANN, number + 1, reason="a reason", reference=str(number), now=NOON)

        seen, cursor = list[int](), None
        for expected in (3, 3, 1):
            page = ledger.entries(ANN, limit=3, cursor=cursor)
            assert len(page.items) == expected
            seen += [entry.granted for entry in page.items]
            cursor = page.next_cursor

        assert seen == [7, 6, 5, 4, 3, 2, 1]
        assert cursor is None

    def test_a_last_page_that_is_full_has_no_next_one(self) -> None:
        for number in range(3):
            ledger.grant(ANN, 1, reason="a reason", reference=str(number), now=NOON)

        assert ledger.entries(ANN, limit=3, cursor=None).next_cursor is None

    def test_what_is_written_in_between_moves_nothing(self) -> None:
        for number in range(4):
            ledger.grant(ANN, number + 1, reason="a reason", reference=str(number), now=NOON)
        first = ledger.entries(ANN, limit=2, cursor=None)
        ledger.grant(ANN, 99, reason="a reason", reference="late", now=NOON)

        second = ledger.entries(ANN, limit=2, cursor=first.next_cursor)

        assert [entry.granted for entry in (*first.items, *second.items)] == [4, 3, 2, 1]

    @pytest.mark.parametrize("cursor", ["", "%", "####", "Sk9CIw", "w6Q", "a", "AAAA" * 40])
    def test_a_cursor_of_another_accounts_making_is_refused(self, cursor: str) -> None:
        with pytest.raises(InvalidRequest) as refused:
            ledger.entries(ANN, limit=3, cursor=cursor)

        assert [error.field for error in refused.value.errors] == ["cursor"]

    def test_are_of_the_one_account_only(self) -> None:
        open_account(10, ANN)
        open_account(20, BOB)

        assert [entry.granted for entry in all_entries(BOB)] == [20]
