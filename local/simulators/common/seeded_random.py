"""Random numbers that repeat for the same seed."""

from random import Random


def seeded_random(seed: int | str | None) -> Random:
    """Return a generator with this seed. Without a seed its numbers are unpredictable."""
    return Random(seed)  # noqa: S311 (images and faults are no secrets, and must be repeatable)
