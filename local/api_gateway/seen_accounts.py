"""Records sign-ins at the token endpoint as the first requests of accounts.

A grant to an account that has never sent a request needs `create`. On the local stack a token
counts as a request, so clients can grant credits to a user whom they have only signed in.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Self
from urllib.parse import quote

from local.cloudformation.account import Client
from local.cloudformation.resources import Resources
from local.lambda_runtime.functions import FunctionSpec

_PLATFORM_DEFAULT = "web"
_NAME_BYTES_MAX = 255


class SeenAccounts:
    """The accounts in the table of the stack."""

    def __init__(self, dynamodb: Client, table_name: str, platforms: Sequence[str]) -> None:
        """Write to this table. Only accounts of `platforms` are recorded, as in the API."""
        self._dynamodb = dynamodb
        self._table_name = table_name
        self._platforms = platforms

    @classmethod
    def of_stack(
        cls, dynamodb: Client, resources: Resources, functions: Mapping[str, FunctionSpec]
    ) -> Self | None:
        """Return the accounts of a stack, or None if it has no table of accounts."""
        table_name = resources.outputs().get("TableName")
        platforms = next(
            (
                each.variables["PLATFORMS"].split(",")
                for each in functions.values()
                if "PLATFORMS" in each.variables
            ),
            None,
        )
        return cls(dynamodb, table_name, platforms) if table_name and platforms else None

    def add(self, platform: str | None, user: str) -> None:
        """Record the account of a token. A token that the API refuses is not recorded."""
        platform = platform or _PLATFORM_DEFAULT
        if platform not in self._platforms or len(user.encode()) > _NAME_BYTES_MAX:
            return
        self._dynamodb.update_item(
            TableName=self._table_name,
            Key={
                "pk": {"S": f"ACCOUNT#{_key_part(platform)}#{_key_part(user)}"},
                "sk": {"S": "ACCOUNT"},
            },
            UpdateExpression="SET seen_at = if_not_exists(seen_at, :now), lookup_key = :key",
            ExpressionAttributeValues={
                ":now": {"S": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f%z")},
                ":key": {"S": "ACCOUNT"},
            },
        )


def _key_part(text: str) -> str:
    """Encode a name as the application does. tests/integration compares both."""
    encoded = quote(text, safe="@:").replace("%", "=")
    return encoded.replace(".", "=2E") if encoded.strip(".") == "" else encoded
