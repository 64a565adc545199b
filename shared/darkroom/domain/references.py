"""The reference in a webhook's URL: which attempt of which job it is about."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from darkroom.domain.accounts import AccountId
from darkroom.domain.ids import is_id

_NONCE = re.compile(r"[0-9a-f]{32}")


def new_nonce() -> str:
    """Make 128 random bits that only the provider is told."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Reference:
    """A job's key and an attempt's nonce. It is opaque to the provider, and no task token is in it."""

    account: AccountId
    job_id: str
    nonce: str

    def __str__(self) -> str:
        """Write it as it stands in the URL's query, before quoting."""
        return f"{self.account}/{self.job_id}/{self.nonce}"

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read what `str()` wrote; anything else is a ValueError."""
        front, _, nonce = text.rpartition("/")
        account, _, job_id = front.rpartition("/")
        if not (is_id(job_id) and _NONCE.fullmatch(nonce)):
            raise ValueError("not a reference")
        return cls(AccountId.parse(account), job_id, nonce)
