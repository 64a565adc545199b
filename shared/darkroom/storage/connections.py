"""The client of DynamoDB that all rows and transactions share.

PynamoDB creates a botocore session and a client for each class of rows. Each session reads the same
files of botocore again, at the first request of an execution environment.
"""

from __future__ import annotations

from pynamodb.connection import Connection

from darkroom.aws.clients import client


def share_client(connection: Connection) -> Connection:
    """Let a connection of PynamoDB use the process's client, and return the connection.

    PynamoDB has no public way to set a client.
    """
    if connection._client is None:  # noqa: SLF001
        connection._client = client("dynamodb")  # noqa: SLF001
    return connection
