"""Whose job it is: accounts, the ids that name them, and the groups of whoever asks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

ID_PATTERN = r"[A-Za-z0-9._:@|-]{1,128}"
_ID = re.compile(ID_PATTERN)


def is_safe_id(text: str) -> bool:
    """Tell whether an id may become part of a key. A `#` in it would reach into somebody else's partition."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class AccountId:
    """An account: a user of one platform. The same user on two platforms is two accounts."""

    platform: str
    user: str

    def __post_init__(self) -> None:
        """Refuse ids that are not safe in keys, with a ValueError."""
        if not (is_safe_id(self.platform) and is_safe_id(self.user)):
            raise ValueError("an id holds characters that are not allowed")

    def __str__(self) -> str:
        """Write the account as it stands in execution inputs, webhook references and media keys."""
        return f"{self.platform}/{self.user}"

    @classmethod
    def parse(cls, text: str) -> AccountId:
        """Read what `str()` wrote; anything else is a ValueError."""
        platform, _, user = text.partition("/")
        return cls(platform, user)


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
