"""Audit the ledger of every account.

    PYTHONPATH=shared python -m tools.audit [STACK]

Without a stack, the command audits the local stack that `make run` started. The exit status is 0
if every account is right, 1 if there are mismatches, and 2 if the audit could not finish.
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
    """The ledger cannot be read. The message has the reason and the remedy."""


def local_environment(port: str) -> dict[str, str]:
    """Return the environment variables for the local stack, whose AWS endpoint has this port.

    Raises LedgerUnreadable if no stack runs there.
    """
    url = f"http://127.0.0.1:{port}"
    try:
        tables = account.client("dynamodb", url).list_tables()["TableNames"]
    except EndpointConnectionError:
        raise LedgerUnreadable(
            f"No server responds at {url}. Start the local stack with `make run`,"
            " name its port: make audit AWS_PORT=5000,"
            " or name a deployed stack: make audit STACK=darkroom-prod"
        ) from None
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        raise LedgerUnreadable(
            f"The server at {url} is not the local AWS: {error}. If the local stack has another"
            " port, set AWS_PORT."
        ) from None
    if len(tables) != 1:
        raise LedgerUnreadable(
            f"The server at {url} is not Darkroom's: it has {len(tables)} tables instead of one."
        )
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": account.ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": account.SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": account.REGION,
        # A proxy of this machine must not get requests to the machine's own address.
        "NO_PROXY": "127.0.0.1",
        "TABLE_NAME": tables[0],
    }


def stack_environment(stack: str) -> dict[str, str]:
    """Return the environment variables for a deployed stack.

    Raises LedgerUnreadable if the stack cannot be read or is not Darkroom.
    """
    try:
        return {"TABLE_NAME": outputs_of(stack)["TableName"]}
    except (BotoCoreError, ClientError) as error:
        raise LedgerUnreadable(f"The stack {stack} cannot be read: {error}") from None
    except KeyError:
        raise LedgerUnreadable(
            f"The stack {stack} is not Darkroom: it has no output TableName."
        ) from None


def audit_all(environment: Mapping[str, str]) -> int:
    """Audit every account of the table, and print mismatches and totals. Returns the exit status.

    `environment` has the table's name and, for the local stack, its endpoint and credentials.
    """
    # The audit uses none of the settings without a default, except the table's name.
    unused = {
        setting.name.upper(): "" for setting in fields(Settings) if setting.default is MISSING
    }
    os.environ.update({**unused, **environment})
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
        sys.stdout.writelines(f"{_line(mismatch)}\n" for mismatch in audited.mismatches)
    sys.stdout.write(_summary(tally))
    if tally["mismatches"]:
        return 1
    return 0 if is_complete else 2


def main() -> int:
    """Run the command. Returns the exit status."""
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
