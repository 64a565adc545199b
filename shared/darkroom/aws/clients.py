"""boto3 clients, created once per process. Their timeouts are shorter than each function's."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, cast

import boto3
from botocore.config import Config

_BRIEF = Config(
    connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"}
)
_S3 = Config(
    signature_version="s3v4",
    # Links must have the bucket's regional host. S3 redirects the global host while a bucket is
    # new, and a redirect makes the signature invalid.
    s3={"addressing_style": "virtual"},
)

# For large objects in S3, which need more time than other calls.
_BULKY = Config(
    connect_timeout=1, read_timeout=30, retries={"total_max_attempts": 3, "mode": "standard"}
)
_CONFIGS = {
    (False, False): _BRIEF,
    (True, False): _BRIEF.merge(_S3),
    (True, True): _BULKY.merge(_S3),
}


@cache
def client(service: str, *, bulky: bool = False) -> Any:  # noqa: ANN401 (untyped)
    """Return the client of a service. `bulky`: for large bodies in S3."""
    return _session().client(service, config=_CONFIGS[service == "s3", bulky])


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of this process. `expires_at` is None if the process does not know it."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(repr=False)
    expires_at: datetime | None


def credentials() -> Credentials:
    """Return the current credentials, which are those of the clients.

    Lambda sets them in environment variables and does not say when they expire. The endpoint that
    Lambda uses with SnapStart says it (AWS Lambda Developer Guide, "Working with Lambda environment
    variables").
    """
    current = _session().get_credentials()
    frozen = current.get_frozen_credentials()
    return Credentials(
        frozen.access_key,
        frozen.secret_key,
        frozen.token,
        # Only refreshable credentials have this attribute, and botocore has no public one.
        getattr(current, "_expiry_time", None),
    )


@cache
def _session() -> Any:  # noqa: ANN401 (untyped)
    return cast("Any", boto3).Session()
