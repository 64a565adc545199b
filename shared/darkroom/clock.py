"""The time. Verbs take it as an argument; only handlers ask for it."""

from datetime import UTC, datetime


def now() -> datetime:
    """Give the present time, in UTC."""
    return datetime.now(UTC)
