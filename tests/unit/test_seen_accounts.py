"""A token of the local stack counts as a request of its account, under the application's keys."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.accounts import AccountId
from darkroom.storage.job_rows import partition
from darkroom.storage.table import AccountRow
from local.api_gateway.seen_accounts import SeenAccounts

# Every text that is an account's name.
NAMES = st.text(min_size=1, max_size=255).filter(lambda name: len(name.encode()) <= 255)


class Requests:
    """Stands for the client of DynamoDB, and keeps the requests."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def update_item(self, **request: Any) -> None:
        self.sent.append(request)


def recorded(platform: str | None, user: str) -> list[dict[str, Any]]:
    requests = Requests()
    SeenAccounts(requests, "table", ["web", "mobile"]).add(platform, user)
    return requests.sent


@given(user=NAMES | st.sampled_from([".", "..", "a/b", "a#b", "=61nn", "é"]))
def test_writes_the_row_that_the_application_reads(user: str) -> None:
    (request,) = recorded("mobile", user)

    assert request["Key"] == {
        "pk": {"S": partition(AccountId("mobile", user))},
        "sk": {"S": "ACCOUNT"},
    }


def test_writes_what_the_application_reads() -> None:
    (request,) = recorded(None, "ann")
    values = request["ExpressionAttributeValues"]
    row = AccountRow.from_raw_data(
        request["Key"] | {"seen_at": values[":now"], "lookup_key": values[":key"]}
    )

    assert request["Key"]["pk"] == {"S": "ACCOUNT#web#ann"}
    assert row.seen_at
    assert row.seen_at.utcoffset() is not None
    assert row.lookup_key == row.sk


@pytest.mark.parametrize(("platform", "user"), [("desktop", "ann"), ("web", "x" * 256)])
def test_a_token_that_the_api_refuses_is_not_recorded(platform: str, user: str) -> None:
    assert recorded(platform, user) == []


def test_the_longest_name_is_recorded() -> None:
    assert recorded("web", "x" * 255)
