"""The pages of an account's entries."""

from __future__ import annotations

import pytest

from darkroom.domain.errors import (
    InvalidRequest,
)
from darkroom.storage import grants, ledger
from tests.builders import ANN, NOON, open_account
from tests.integration.ledger.balances import (
    BOB,
    all_entries,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestEntries:
    def test_pages_list_each_entry_once_newest_first(self) -> None:
        for number in range(7):
            grants.grant(ANN, number + 1, reason="a reason", reference=str(number), now=NOON)

        amounts, cursor = list[int](), None
        for expected in (3, 3, 1):
            page = ledger.entries(ANN, limit=3, cursor=cursor)
            assert len(page.items) == expected
            amounts += [entry.granted for entry in page.items]
            cursor = page.next_cursor

        assert amounts == [7, 6, 5, 4, 3, 2, 1]
        assert cursor is None

    def test_a_full_last_page_has_no_next_cursor(self) -> None:
        for number in range(3):
            grants.grant(ANN, 1, reason="a reason", reference=str(number), now=NOON)

        assert ledger.entries(ANN, limit=3, cursor=None).next_cursor is None

    def test_a_new_entry_does_not_change_the_next_page(self) -> None:
        for number in range(4):
            grants.grant(ANN, number + 1, reason="a reason", reference=str(number), now=NOON)
        first = ledger.entries(ANN, limit=2, cursor=None)
        grants.grant(ANN, 99, reason="a reason", reference="late", now=NOON)

        second = ledger.entries(ANN, limit=2, cursor=first.next_cursor)

        assert [entry.granted for entry in (*first.items, *second.items)] == [4, 3, 2, 1]

    def test_refuses_malformed_cursors(self, subtests: pytest.Subtests) -> None:
        for cursor in ("", "%", "####", "Sk9CIw", "w6Q", "a", "AAAA" * 40):
            with subtests.test(cursor=cursor):
                with pytest.raises(InvalidRequest) as raised:
                    ledger.entries(ANN, limit=3, cursor=cursor)

                assert [error.field for error in raised.value.errors] == ["cursor"]

    def test_lists_the_entries_of_one_account_only(self) -> None:
        open_account(10, ANN)
        open_account(20, BOB)

        assert [entry.granted for entry in all_entries(BOB)] == [20]
