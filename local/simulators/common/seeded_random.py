"""Random numbers that repeat for the same seed."""

from random import Random


def seeded_random(seed: int | str | None) -> Random:
    """Return a generator with this seed. With None, its numbers are unpredictable."""
    return Random(seed)  # noqa: S311 (images and faults are not secret and must be repeatable)
