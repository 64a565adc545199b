"""Accounts: how they are named, their balance and entries, and the groups of a token."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime

from darkroom.domain.ids import key_part, text_of_key_part

# OpenID Connect Core 1.0, section 2: a `sub` must not exceed 255 ASCII characters. Any other text of as many bytes is taken, too.
NAME_BYTES_MAX = 255
_CALLBACK_SECRET_BYTES = 24


@dataclass(frozen=True, slots=True)
class AccountId:
    """An account: a user (the token's `sub`) of one platform. The same user on two platforms is two accounts.

    Both may hold any character: the subjects of SAML providers and of base64 have `+`, `/`, `=` and `|`.
    """

    platform: str
    user: str

    def __post_init__(self) -> None:
        """Raise ValueError for a name that is empty, longer than 255 bytes, or no UTF-8."""
        if not (_is_name(self.platform) and _is_name(self.user)):
            raise ValueError("a platform and a user have 1 to 255 bytes of UTF-8 each")

    def __str__(self) -> str:
        """Write the account as it stands in execution inputs, events, webhook references and the keys of the bucket: encoded."""
        return f"{key_part(self.platform)}/{key_part(self.user)}"

    @classmethod
    def parse(cls, text: str) -> AccountId:
        """Read what `str()` wrote. Raises ValueError for every other text, so no account has two spellings."""
        platform, _, user = text.partition("/")
        account = cls(text_of_key_part(platform), text_of_key_part(user))
        if str(account) != text:
            raise ValueError("not the name of an account")
        return account


def _is_name(text: str) -> bool:
    return 0 < len(text.encode()) <= NAME_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of one account, in credits: granted = available + held + spent, at every moment."""

    available: int = 0
    held: int = 0
    spent: int = 0
    granted: int = 0
    in_flight: int = 0
    jobs_total: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction on one account: the signed changes it made, in credits."""

    entry_id: str
    kind: str
    granted: int
    available: int
    held: int
    spent: int
    job_id: str | None
    reference: str | None
    created_at: datetime


def groups_of_claim(claim: object) -> frozenset[str]:
    """Read the claim `cognito:groups`, which HTTP APIs hand over as the text `[admin users]` and some fronts as a list.

    A group is matched as a whole word, so `[not-admin]` does not make anybody an admin. Words end at a plain space and nowhere else: Cognito
    lets no space of any kind into a group's name.
    """
    if isinstance(claim, str):
        return frozenset(claim.removeprefix("[").removesuffix("]").split(" ")) - {""}
    if isinstance(claim, list):
        return frozenset(str(group) for group in claim)
    return frozenset()


def new_callback_secret() -> str:
    """Make a signing secret as Standard Webhooks writes it (github.com/standard-webhooks/standard-webhooks, spec, 'Signature scheme')."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_CALLBACK_SECRET_BYTES)).decode()
