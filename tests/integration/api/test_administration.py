"""Administrators grant credits and read accounts."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.domain.accounts import AccountId
from darkroom.storage import ledger
from tests.builders import (
    ANN,
    call_api,
)
from tests.integration.api.calls import (
    ADMIN,
    error_fields,
)

pytestmark = pytest.mark.usefixtures("aws")

ENCODED_USER_IDS = [
    ("ann%40example.com", "ann@example.com"),
    ("ann@example.com", "ann@example.com"),
    ("auth0%7C7", "auth0|7"),
    ("auth0|7", "auth0|7"),
    ("a%3Ab", "a:b"),
    ("a%2Fb%2B==", "a/b+=="),
    ("a%252Fb", "a%2Fb"),
    ("50%25", "50%"),
    ("a%23b", "a#b"),
    ("a#b", "a#b"),
    ("é", "é"),
    ("a%20b", "a b"),
]


class TestAccounts:
    def grant(
        self,
        amount: object = 50,
        *,
        reference: object = "order 1",
        path: str = "/accounts/web/ann/credits",
        **more: Any,
    ) -> tuple[int, Any]:
        status, document, _ = call_api(
            "POST",
            path,
            body={
                "amount": amount,
                "reason": "r",
                "reference": reference,
                "create": True,
                **more,
            },
            **ADMIN,
        )
        return status, document

    def test_a_grant_is_one_entry_and_its_repeat_returns_the_same_entry(self) -> None:
        status, entry = self.grant()

        assert status == 201
        assert (entry["kind"], entry["granted"], entry["reference"]) == ("grant", 50, "order 1")
        assert self.grant() == (200, entry)
        assert call_api("GET", "/accounts/web/ann", **ADMIN)[1] == {
            "available": 50,
            "held": 0,
            "spent": 0,
            "granted": 50,
            "in_flight": 0,
        }
        assert call_api("GET", "/accounts/web/ann/entries", **ADMIN)[1] == {
            "entries": [entry],
            "next_cursor": None,
        }

    def test_refuses_a_used_reference_with_another_amount(self) -> None:
        self.grant()

        status, problem = self.grant(51)

        assert (status, error_fields(problem)) == (422, ["reference"])
        assert ledger.balance(ANN).granted == 50

    def test_a_correction_removes_at_most_the_available_credits(self) -> None:
        self.grant()

        assert self.grant(-20, reference="mistake")[0] == 201
        status, problem = self.grant(-31, reference="too much")

        assert (status, error_fields(problem)) == (422, ["amount"])
        assert ledger.balance(ANN).available == 30

    def test_refuses_invalid_amounts(self, subtests: pytest.Subtests) -> None:
        amounts: list[object] = [
            0,
            1_000_001,
            -1_000_001,
            1.5,
            0.0,
            True,
            "5",
            None,
            [],
            10**30,
        ]
        for amount in amounts:
            with subtests.test(amount=amount):
                status, problem = self.grant(amount)

                assert (status, error_fields(problem)) == (422, ["amount"])
                assert ledger.balance(ANN).granted == 0

    def test_accepts_the_largest_amount(self) -> None:
        assert self.grant(1_000_000)[0] == 201

    def test_accepts_a_whole_float_as_the_amount(self) -> None:
        status, entry = self.grant(5.0)

        assert (status, entry["granted"], type(entry["granted"])) == (201, 5, int)

    def test_names_each_other_invalid_field(self, subtests: pytest.Subtests) -> None:
        cases: list[tuple[dict[str, Any], str]] = [
            ({"reference": ""}, "reference"),
            ({"reference": "x" * 201}, "reference"),
            ({"reason": ""}, "reason"),
            ({"free": 1}, "free"),
        ]
        for invalid, field in cases:
            with subtests.test(invalid=invalid):
                status, problem = self.grant(**invalid)

                assert (status, error_fields(problem)) == (422, [field])

    def test_decodes_the_user_id_in_the_path_once(self, subtests: pytest.Subtests) -> None:
        for number, (encoded, user) in enumerate(ENCODED_USER_IDS):
            with subtests.test(encoded=encoded):
                account = AccountId("mobile", user)
                granted_before = ledger.balance(account).granted
                url = f"/accounts/mobile/{encoded}"

                status, _ = self.grant(path=f"{url}/credits", reference=f"order {number}")

                assert status == 201
                granted = granted_before + 50
                assert ledger.balance(account).granted == granted
                assert call_api("GET", url, **ADMIN)[1]["granted"] == granted

    def test_names_the_invalid_part_of_an_account(self, subtests: pytest.Subtests) -> None:
        grant = {"amount": 1, "reason": "r", "reference": "r"}
        operations = (("GET", "", None), ("GET", "/entries", None), ("POST", "/credits", grant))
        for account, field in (
            ("/accounts/desktop/ann", "platform"),
            (f"/accounts/web/{'x' * 256}", "user"),
            ("/accounts/web/%ff", "user"),
            (f"/accounts/web/{'灯' * 86}", "user"),
            ("/accounts/wéb/a", "platform"),
        ):
            for method, suffix, body in operations:
                with subtests.test(account=account[:30], method=method, suffix=suffix):
                    status, problem, _ = call_api(method, account + suffix, body=body, **ADMIN)

                    assert (status, error_fields(problem)) == (422, [field])
