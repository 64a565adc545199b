"""Audit the ledger of every account: PYTHONPATH=shared python -m tools.audit [STACK].

Without a stack it is the system that `make run` keeps up on this machine. The exit status is 0 when every account is right, 1 when there are
mismatches, 2 when that cannot be told.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserError
from pynamodb.exceptions import PynamoDBException

from darkroom.domain.audit import AccountRecords, Mismatch
from darkroom.settings import Settings
from local.cloudformation import account
from tools.put_secrets import outputs_of

_PORT = "4566"


class LedgerUnreadable(Exception):
    """The ledger cannot be read; the message says why, and what helps."""


def local_environment(port: str) -> dict[str, str]:
    """Find the table of the system on this machine, whose AWS listens on this port. Raises LedgerUnreadable."""
    url = f"http://127.0.0.1:{port}"
    try:
        tables = account.client("dynamodb", url).list_tables()["TableNames"]
    except EndpointConnectionError:
        raise LedgerUnreadable(
            f"Nothing answers at {url}. Start `make run`, or name a deployed stack: make audit STACK=darkroom-prod"
        ) from None
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        raise LedgerUnreadable(f"What answers at {url} is not AWS: {error}") from None
    if len(tables) != 1:
        raise LedgerUnreadable(
            f"What answers at {url} is not Darkroom: it has {len(tables)} tables."
        )
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": account.ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": account.SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": account.REGION,
        # Whatever proxy this machine uses, it is not for this machine's own address.
        "NO_PROXY": "127.0.0.1",
        "TABLE_NAME": tables[0],
    }


def stack_environment(stack: str) -> dict[str, str]:
    """Find the table of a deployed stack. Raises LedgerUnreadable."""
    try:
        return {"TABLE_NAME": outputs_of(stack)["TableName"]}
    except (BotoCoreError, ClientError) as error:
        raise LedgerUnreadable(f"The stack {stack} cannot be read: {error}") from None
    except KeyError:
        raise LedgerUnreadable(
            f"The stack {stack} is not Darkroom: it has no output TableName."
        ) from None


def audit_all(environment: Mapping[str, str]) -> int:
    """Audit every account of the table that the environment names, print what was found, and give the exit status."""
    unused = {
        setting.name.upper(): "" for setting in fields(Settings) if setting.default is MISSING
    }
    os.environ.update({**unused, **environment})
    # The table's name is read with the module.
    from darkroom.services import audit_accounts  # noqa: PLC0415
    from darkroom.storage import account_records  # noqa: PLC0415

    tally, unsettled = Counter[str](), False
    for pk, _ in account_records.accounts():
        try:
            audited = audit_accounts.audit(pk, now=datetime.now(UTC))
        except account_records.AccountUnsettled as moving:
            sys.stdout.write(f"{moving}: was written to whenever it was read\n")
            unsettled = True
            continue
        tally += _counted(audited.records)
        tally["mismatches"] += len(audited.mismatches)
        sys.stdout.writelines(f"{_line(mismatch)}\n" for mismatch in audited.mismatches)
    sys.stdout.write(_summary(tally))
    return 1 if tally["mismatches"] else 2 if unsettled else 0


def main() -> int:
    """Run as a command."""
    arguments = sys.argv[1:]
    if len(arguments) > 1:
        sys.stderr.write("usage: PYTHONPATH=shared python -m tools.audit [STACK]\n")
        return 2
    try:
        return audit_all(
            stack_environment(arguments[0])
            if arguments
            else local_environment(os.environ.get("AWS_PORT", _PORT))
        )
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


def _line(mismatch: Mismatch) -> str:
    concerns = f" ({mismatch.concerns})" if mismatch.concerns else ""
    return f"{mismatch.account}: {mismatch.what}: expected {mismatch.expected}, found {mismatch.found}{concerns}"


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
