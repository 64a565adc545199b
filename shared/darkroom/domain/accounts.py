"""Accounts: their names, balances and ledger entries, and the groups in a user's token."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime

from darkroom.domain.ids import key_part, text_of_key_part

# OpenID Connect Core 1.0, section 2: a `sub` must not exceed 255 ASCII characters.
# Darkroom also accepts other characters, up to 255 bytes of UTF-8.
NAME_BYTES_MAX = 255
_CALLBACK_SECRET_BYTES = 24


@dataclass(frozen=True, slots=True)
class AccountId:
    """The id of an account: a platform and a user of that platform (the token's `sub`).

    The same user on two platforms has two accounts. Both names may contain any character, because
    the subjects of SAML providers and base64 subjects contain `+`, `/`, `=` and `|`.
    """

    platform: str
    user: str

    def __post_init__(self) -> None:
        """Raise ValueError if a name is empty, longer than 255 bytes, or not valid UTF-8."""
        if not (_is_name(self.platform) and _is_name(self.user)):
            raise ValueError("a platform and a user have 1 to 255 bytes of UTF-8 each")

    def __str__(self) -> str:
        """Return `platform/user`, both encoded by `key_part`.

        Execution inputs, events, webhook references and object keys contain an account in this
        form.
        """
        return f"{key_part(self.platform)}/{key_part(self.user)}"

    @classmethod
    def parse(cls, text: str) -> AccountId:
        """Parse the text that `str()` returns. Raises ValueError for any other text.

        An account has exactly one text form, so two texts never name the same account.
        """
        platform, _, user = text.partition("/")
        account = cls(text_of_key_part(platform), text_of_key_part(user))
        if str(account) != text:
            raise ValueError("not the name of an account")
        return account


def _is_name(text: str) -> bool:
    return 0 < len(text.encode()) <= NAME_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of one account, in credits. `granted = available + held + spent` always holds.

    `in_flight` counts the open jobs. `jobs_total` counts all jobs that are not deleted.
    """

    available: int = 0
    held: int = 0
    spent: int = 0
    granted: int = 0
    in_flight: int = 0
    jobs_total: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """The signed changes, in credits, that one transaction made to one account.

    `kind` is grant, correction, hold, settle or release. A correction without amounts records a
    repair of the account's counters. `by` is the account of the administrator who granted or
    corrected, as text. `cost_micro_usd` is what the provider bills for the job of a settle or
    release.
    """

    entry_id: str
    kind: str
    granted: int
    available: int
    held: int
    spent: int
    job_id: str | None
    reference: str | None
    created_at: datetime
    cost_micro_usd: int = 0
    reason: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why an account may not submit jobs. `by` is the administrator's account, as text."""

    at: datetime
    by: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Account:
    """An account as administrators see it.

    `seen_at` is the time of its first request with a token, or None before that.
    """

    account: AccountId
    balance: Balance
    seen_at: datetime | None
    suspension: Suspension | None


def groups_of_claim(claim: object) -> frozenset[str]:
    """Return the groups in a value of the claim `cognito:groups`.

    HTTP APIs pass the claim as the text `[admin users]`, other gateways as a list. Any other value
    contains no group. Groups are separated by a space and compared whole: `[not-admin]` does not
    contain `admin`. Cognito does not allow white space in a group's name.
    """
    if isinstance(claim, str):
        return frozenset(claim.removeprefix("[").removesuffix("]").split(" ")) - {""}
    if isinstance(claim, list):
        return frozenset(str(group) for group in claim)
    return frozenset()


def new_callback_secret() -> str:
    """Return a new random signing secret of 24 bytes, in the format of Standard Webhooks.

    Source: https://github.com/standard-webhooks/standard-webhooks, spec, "Signature scheme".
    """
    return "whsec_" + base64.b64encode(secrets.token_bytes(_CALLBACK_SECRET_BYTES)).decode()
