"""Audit the ledger of every account.

    PYTHONPATH=shared python -m tools.audit [STACK | --table TABLE]

Without a stack, the command audits the local stack that `make run` started. `--table` audits a
restored copy before a stack uses it. The exit status is 0 if every account is right, 1 if there are
mismatches, and 2 if the audit could not finish.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from pynamodb.exceptions import PynamoDBException

from darkroom.domain.audit import AccountRecords, Mismatch
from tools.ledger_environment import LedgerUnreadable, environment_of, use


def audit_all(environment: Mapping[str, str]) -> int:
    """Audit every account of the table, and print mismatches and totals. Returns the exit status.

    `environment` has the table's name and, for the local stack, its endpoint and credentials.
    """
    use(environment)
    # These modules read the table's name at import.
    from darkroom.services import audit_accounts  # noqa: PLC0415
    from darkroom.storage import account_records  # noqa: PLC0415

    tally = Counter[str]()
    is_complete = True
    for pk, _ in account_records.accounts():
        try:
            audited = audit_accounts.audit(pk, now=datetime.now(UTC))
        except account_records.AccountUnsettled as error:
            sys.stdout.write(f"{error}: changed during every reading; run the audit again\n")
            is_complete = False
            continue
        tally += _counted(audited.records)
        tally["mismatches"] += len(audited.mismatches)
        sys.stdout.writelines(f"{line(mismatch)}\n" for mismatch in audited.mismatches)
    sys.stdout.write(_summary(tally))
    if tally["mismatches"]:
        return 1
    return 0 if is_complete else 2


def main() -> int:
    """Run the command. Returns the exit status."""
    try:
        match sys.argv[1:]:
            case ["--table", table]:
                return audit_all({"TABLE_NAME": table})
            case arguments if len(arguments) <= 1:
                return audit_all(environment_of(*arguments))
        sys.stderr.write("usage: PYTHONPATH=shared python -m tools.audit [STACK | --table TABLE]\n")
    except (LedgerUnreadable, PynamoDBException) as error:
        sys.stderr.write(f"{error}\n")
    return 2


def _counted(records: AccountRecords) -> Counter[str]:
    counts = Counter(accounts=1, entries=len(records.entries), jobs=len(records.jobs))
    if records.balance:
        counts.update(
            {
                f"credits {name}": getattr(records.balance, name)
                for name in ("granted", "available", "held", "spent")
            }
        )
    return counts


def line(mismatch: Mismatch) -> str:
    """Return the line that describes a mismatch."""
    concerns = f" ({mismatch.concerns})" if mismatch.concerns else ""
    return (
        f"{mismatch.account}: {mismatch.what}:"
        f" expected {mismatch.expected}, found {mismatch.found}{concerns}"
    )


def _summary(tally: Mapping[str, int]) -> str:
    names = (
        "accounts",
        "entries",
        "jobs",
        "credits granted",
        "credits available",
        "credits held",
        "credits spent",
        "mismatches",
    )
    return "".join(f"{name:<18}{tally[name]:>12,}\n" for name in names)


if __name__ == "__main__":
    sys.exit(main())
