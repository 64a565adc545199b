from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.accounts import AccountId, groups_of_claim, is_safe_id

SAFE = "abcXYZ0189._:@|-"


@pytest.mark.parametrize("text", ["a", "ann@example.com", "auth0|5f7c8ec7c33c6c004bbafe82", "us-east-1:9d07e28a", "x" * 128, ".", "-", SAFE])
def test_ids_of_issuers_are_safe(text: str) -> None:
    assert is_safe_id(text)


@pytest.mark.parametrize("text", ["", "x" * 129, "a#b", "#", "a/b", "a b", "a\n", "\n", "a\x00", "é", "ａ", "a%23b", "a\\b", "a,b", "$a", "a*", "灯"])
def test_ids_that_could_mean_something_else_in_a_key_are_not(text: str) -> None:
    assert not is_safe_id(text)
    with pytest.raises(ValueError, match="not allowed"):
        AccountId("web", text)
    with pytest.raises(ValueError, match="not allowed"):
        AccountId(text, "ann")


@given(st.text(SAFE, min_size=1, max_size=20), st.text(SAFE, min_size=1, max_size=20))
def test_an_account_is_read_as_it_was_written(platform: str, user: str) -> None:
    account = AccountId(platform, user)

    assert AccountId.parse(str(account)) == account


@given(st.text())
def test_nothing_but_what_was_written_is_read(text: str) -> None:
    try:
        account = AccountId.parse(text)
    except ValueError:
        return
    assert str(account) == text


@pytest.mark.parametrize(
    ("claim", "groups"),
    [
        ("[admin]", {"admin"}),
        ("[admin users]", {"admin", "users"}),
        ("[admin, users]", {"admin,", "users"}),
        ("admin", {"admin"}),
        ("[not-admin]", {"not-admin"}),
        ("[Admin]", {"Admin"}),
        ("[administrators]", {"administrators"}),
        ("[]", set()),
        ("", set()),
        (["admin", "users"], {"admin", "users"}),
        ([], set()),
        (None, set()),
        (1, set()),
        ({"admin": True}, set()),
        (True, set()),
    ],
)
def test_groups_are_whole_words(claim: object, groups: set[str]) -> None:
    assert groups_of_claim(claim) == groups


@given(st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True), max_size=5))
def test_a_claim_means_the_same_as_text_and_as_a_list(groups: list[str]) -> None:
    assert groups_of_claim(f"[{' '.join(groups)}]") == groups_of_claim(groups) == frozenset(groups)


@given(st.text())
def test_nobody_becomes_an_admin_by_chance(claim: str) -> None:
    words = claim.replace(",", " ").replace("[", " ").replace("]", " ").split()

    assert "admin" in words or "admin" not in groups_of_claim(claim)
