"""Repair the counters of accounts that do not match their entries and jobs.

    PYTHONPATH=shared python -m tools.repair [STACK] [--apply]

Without `--apply`, the command only shows what it would change. Without a stack, it reads the local
stack that `make run` started. `shared/darkroom/domain/repair.py` has the rules. The exit status is
0 if no mismatch remains, 1 if one remains, and 2 if an account could not be read or has changed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pynamodb.exceptions import PynamoDBException

from darkroom.domain.repair import advice
from tools.audit import line
from tools.ledger_environment import LedgerUnreadable, environment_of, use

if TYPE_CHECKING:
    from darkroom.services.repair_accounts import RepairedAccount

_OUTCOMES = {
    "NOT_APPLIED": "not applied; to apply: make repair APPLY=1",
    "APPLIED": "applied; a correction without amounts records the repair",
    "ACCOUNT_CHANGED": "not applied, because the account has changed; run the command again",
}


def repair_all(environment: Mapping[str, str], *, apply: bool) -> int:
    """Show the repair of every account, and apply it if `apply` is true. Returns the exit status.

    `environment` has the table's name and, for the local stack, its endpoint and credentials.
    """
    use(environment)
    # These modules read the table's name at import.
    from darkroom.services.repair_accounts import repair_account  # noqa: PLC0415
    from darkroom.storage import account_records  # noqa: PLC0415

    tally = Counter[str]()
    for pk, _ in account_records.accounts():
        try:
            repaired = repair_account(pk, apply=apply, now=datetime.now(UTC))
        except account_records.AccountUnsettled as error:
            sys.stdout.write(f"{error}: changed during every reading; run the command again\n")
            tally["unfinished"] += 1
            continue
        if repaired:
            sys.stdout.writelines(f"{text}\n" for text in _lines(repaired))
            tally[repaired.outcome.name] += 1
            tally["unfinished"] += repaired.outcome.name == "ACCOUNT_CHANGED"
            tally["remaining"] += len(repaired.repair.remaining)
    sys.stdout.write(
        f"accounts to repair {tally['NOT_APPLIED']}, repaired {tally['APPLIED']},"
        f" mismatches for an operator {tally['remaining']}\n"
    )
    if tally["unfinished"]:
        return 2
    return 1 if tally["NOT_APPLIED"] or tally["remaining"] else 0


def _lines(repaired: RepairedAccount) -> Iterator[str]:
    repair = repaired.repair
    for name, (found, correct) in repair.changes.items():
        yield f"{repair.account}: {name}: {found} becomes {correct}"
    if repair.changes:
        yield f"{repair.account}: {_OUTCOMES[repaired.outcome.name]}"
    for mismatch in repair.remaining:
        yield f"{line(mismatch)}; {advice(mismatch)}"


def main() -> int:
    """Run the command. Returns the exit status."""
    stacks = [argument for argument in sys.argv[1:] if argument != "--apply"]
    if len(stacks) > 1 or any(stack.startswith("-") for stack in stacks):
        sys.stderr.write("usage: PYTHONPATH=shared python -m tools.repair [STACK] [--apply]\n")
        return 2
    try:
        return repair_all(environment_of(*stacks), apply="--apply" in sys.argv[1:])
    except (LedgerUnreadable, PynamoDBException) as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
