"""The stack's secrets, kept for a while. Their values are put in after the deployment and rotate without another one."""

from __future__ import annotations

import time
from dataclasses import dataclass

from darkroom.aws.clients import client

AGE_SECONDS_MAX = 300.0
# A secret may have been rotated since it was fetched. Nobody can make us ask for it more often than this.
REFETCH_SECONDS_MIN = 30.0
_STAGES = ("AWSCURRENT", "AWSPREVIOUS")


@dataclass(frozen=True, slots=True)
class _CachedSecret:
    values: tuple[str, ...]
    fetched_at: float


_cache: dict[str, _CachedSecret] = {}


def secret_values(secret_id: str, *, age_seconds_max: float = AGE_SECONDS_MAX) -> tuple[str, ...]:
    """Give the current value of a secret and, after it, the previous one; empty while none has been put in.

    The values are at most this old.
    """
    cached = _cache.get(secret_id)
    if cached is None or time.monotonic() - cached.fetched_at > age_seconds_max:
        values = tuple(value for stage in _STAGES if (value := _fetch(secret_id, stage)))
        cached = _CachedSecret(values, time.monotonic())
        if values:
            _cache[secret_id] = cached
    return cached.values


def _fetch(secret_id: str, stage: str) -> str | None:
    secrets = client("secretsmanager")
    try:
        value: str = secrets.get_secret_value(SecretId=secret_id, VersionStage=stage)[
            "SecretString"
        ]
    except secrets.exceptions.ResourceNotFoundException:
        return None
    return value.strip()
