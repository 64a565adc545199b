"""The reference in a webhook's URL: its text and its parsing."""

from __future__ import annotations

from urllib.parse import parse_qs, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid6 import uuid7

from darkroom.domain.accounts import AccountId
from darkroom.domain.references import Reference, new_nonce

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
JOB_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
NONCE = "0123456789abcdef" * 2


@given(NAMES, NAMES)
def test_a_reference_survives_a_url_query_and_parsing(platform: str, user: str) -> None:
    reference = Reference(AccountId(platform, user), str(uuid7()), new_nonce())

    assert Reference.parse(str(reference)) == reference
    assert parse_qs(f"job={quote(str(reference), safe='')}")["job"] == [str(reference)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "///",
        "web/ann",
        f"web/ann/{JOB_ID}",
        f"web/ann/{NONCE}/{JOB_ID}",
        f"web/{JOB_ID}/{NONCE}",
        f"web/ann/x/{JOB_ID}/{NONCE}",
        f"web/ann/{JOB_ID}/{NONCE}/",
        f"/web/ann/{JOB_ID}/{NONCE}",
        f"web/ann/{JOB_ID.upper()}/{NONCE}",
        f"web/ann/{JOB_ID}/{NONCE.upper()}",
        f"web/ann/{JOB_ID}/{NONCE}\n",
        f"web/ann/{JOB_ID}\n/{NONCE}",
        f"web/ann/{JOB_ID}/{NONCE}0",
        f"web/ann/{JOB_ID}/{NONCE[:-1]}",
        f"web/ann#x/{JOB_ID}/{NONCE}",
        f"web//{JOB_ID}/{NONCE}",
        f"/ann/{JOB_ID}/{NONCE}",
        f"web/ann/{JOB_ID}/{NONCE[:-1]}٣",
        f"web%2Fann%2F{JOB_ID}%2F{NONCE}",
    ],
)
def test_a_malformed_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Reference.parse(text)


@given(
    st.one_of(
        st.text(),
        st.lists(
            st.sampled_from(["web", "ann", JOB_ID, NONCE, "/", "#", "é", "\n", ""]), max_size=9
        ).map("".join),
    )
)
def test_parsing_refuses_every_other_text(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except ValueError:
        return
    assert str(reference) == text


def test_nonces_have_128_bits_and_do_not_repeat() -> None:
    nonces = {new_nonce() for _ in range(200)}

    assert len(nonces) == 200
    assert all(len(bytes.fromhex(nonce)) == 16 for nonce in nonces)
