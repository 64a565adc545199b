"""Repairs accounts whose counters differ from their entries and jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from darkroom.domain.repair import Repair, plan
from darkroom.services.audit_accounts import audit
from darkroom.storage import ledger_repair


class Outcome(Enum):
    """What happened to the changes of a repair."""

    NOTHING_TO_CHANGE = auto()
    NOT_APPLIED = auto()
    APPLIED = auto()
    ACCOUNT_CHANGED = auto()


@dataclass(frozen=True, slots=True)
class RepairedAccount:
    """The repair of an account, and whether it was applied."""

    repair: Repair
    outcome: Outcome


def repair_account(pk: str, *, apply: bool, now: datetime) -> RepairedAccount | None:
    """Plan the repair of an account, and apply it if `apply` is true.

    Returns None if the audit finds no mismatch. Raises AccountUnsettled if the account changes too
    often to be read.
    """
    audited = audit(pk, now=now)
    if not audited.mismatches:
        return None
    repair = plan(audited.records, now=now)
    if not repair.changes:
        return RepairedAccount(repair, Outcome.NOTHING_TO_CHANGE)
    if not apply:
        return RepairedAccount(repair, Outcome.NOT_APPLIED)
    is_applied = ledger_repair.write(repair, now=now)
    return RepairedAccount(repair, Outcome.APPLIED if is_applied else Outcome.ACCOUNT_CHANGED)
