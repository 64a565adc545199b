"""The names of accounts, their encoding in keys, and the groups of a claim."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.accounts import AccountId, groups_of_claim
from darkroom.domain.ids import key_part, text_of_key_part

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
# Subjects of SAML, base64, Auth0 and Cognito, and special characters of keys, paths and URLs.
SUBS = [
    "ann@example.com",
    "auth0|5f7c8ec7c33c6c004bbafe82",
    "us-east-1:9d07e28a",
    "a+b/c==",
    "G0_/x|y",
    "a#b",
    "a/b",
    "../bob",
    "a%23b",
    "a=23b",
    ".",
    "..",
    "灯",
    " ",
    "\n",
    "x" * 255,
]


@pytest.mark.parametrize("sub", SUBS)
def test_a_sub_may_contain_any_character(sub: str) -> None:
    account = AccountId("web", sub)

    assert AccountId.parse(str(account)) == account
    assert str(account).count("/") == 1
    assert "#" not in str(account)
    assert not {".", ".."} & set(str(account).split("/"))


def test_common_characters_are_not_encoded() -> None:
    assert str(AccountId("web", "ann.b_c-d~e@example.com:7")) == "web/ann.b_c-d~e@example.com:7"


@pytest.mark.parametrize("text", ["", "x" * 256, "灯" * 86, "\ud800"])
def test_a_name_that_is_empty_too_long_or_not_utf_8_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"1 to 255 bytes|surrogates not allowed"):
        AccountId("web", text)
    with pytest.raises(ValueError, match=r"1 to 255 bytes|surrogates not allowed"):
        AccountId(text, "ann")


@given(NAMES, NAMES)
def test_parsing_the_text_of_an_account_returns_the_account(platform: str, user: str) -> None:
    account = AccountId(platform, user)

    assert AccountId.parse(str(account)) == account


@given(NAMES, NAMES)
def test_different_names_have_different_key_parts(name: str, other: str) -> None:
    assert (key_part(name) == key_part(other)) is (name == other)
    assert text_of_key_part(key_part(name)) == name


@given(st.text())
def test_parsing_refuses_every_other_text(text: str) -> None:
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
def test_groups_are_whole_words_of_the_claim(claim: object, groups: set[str]) -> None:
    assert groups_of_claim(claim) == groups


@given(st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True), max_size=5))
def test_a_claim_has_the_same_groups_as_text_and_as_list(groups: list[str]) -> None:
    assert groups_of_claim(f"[{' '.join(groups)}]") == groups_of_claim(groups) == frozenset(groups)


@given(st.text())
def test_only_the_exact_word_admin_is_the_group_admin(claim: str) -> None:
    words = claim.replace(",", " ").replace("[", " ").replace("]", " ").split()

    assert "admin" in words or "admin" not in groups_of_claim(claim)
