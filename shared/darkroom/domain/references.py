"""The reference in a webhook's URL.

It identifies the attempt of a job that the webhook reports on.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from darkroom.domain.accounts import AccountId
from darkroom.domain.ids import is_id

_NONCE = re.compile(r"[0-9a-f]{32}")


def new_nonce() -> str:
    """Return 128 random bits in hex. They are sent to the provider only."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Reference:
    """A job and the nonce of one attempt. A reference contains no task token."""

    account: AccountId
    job_id: str
    nonce: str

    def __str__(self) -> str:
        """Return the text for the URL's query, before URL encoding."""
        return f"{self.account}/{self.job_id}/{self.nonce}"

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse the text that `str()` returns. Raises ValueError for any other text."""
        front, _, nonce = text.rpartition("/")
        account, _, job_id = front.rpartition("/")
        if not (is_id(job_id) and _NONCE.fullmatch(nonce)):
            raise ValueError("not a reference")
        return cls(AccountId.parse(account), job_id, nonce)
