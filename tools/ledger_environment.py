"""The table of a local or deployed stack, as environment variables for `make audit` and repair."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, fields

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserError

from darkroom.settings import Settings
from local.cloudformation import account
from tools.stacks import outputs_of

PORT = "4566"


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


def environment_of(stack: str | None = None) -> dict[str, str]:
    """Return the environment variables for a deployed stack, or without a name for the local one.

    The variable AWS_PORT has the port of the local stack's AWS endpoint. Raises LedgerUnreadable.
    """
    return (
        stack_environment(stack) if stack else local_environment(os.environ.get("AWS_PORT", PORT))
    )


def use(environment: Mapping[str, str]) -> None:
    """Set the environment variables that the package `darkroom` reads.

    The commands use none of the settings without a default, except the table's name.
    """
    unused = {
        setting.name.upper(): "" for setting in fields(Settings) if setting.default is MISSING
    }
    os.environ.update({**unused, **environment})
