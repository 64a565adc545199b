"""Reads the stack's secrets, with a cache. Secrets are set and rotated without a deployment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from darkroom.aws.clients import client

AGE_SECONDS_MAX = 300.0
# After a failed verification, a secret is fetched again because it may have been rotated. This
# minimum age bounds the number of fetches that invalid requests can cause.
REFETCH_SECONDS_MIN = 30.0
_STAGES = ("AWSCURRENT", "AWSPREVIOUS")


@dataclass(frozen=True, slots=True)
class _CachedSecret:
    values: tuple[str, ...]
    fetched_at: float


_cache: dict[str, _CachedSecret] = {}
_given: dict[str, str] = {}


def use_values(values: Mapping[str, str]) -> None:
    """Use these values, by secret id, instead of the secrets of a stack. For commands."""
    _given.update(values)


def secret_values(secret_id: str, *, age_seconds_max: float = AGE_SECONDS_MAX) -> tuple[str, ...]:
    """Return the current and the previous value of a secret. Empty if no value is set.

    Cached values are returned if they are at most `age_seconds_max` old.
    """
    if secret_id in _given:
        return (_given[secret_id],)
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
