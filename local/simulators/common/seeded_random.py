"""Dice that fall the same way again for the same seed."""

from random import Random


def dice(seed: int | str | None) -> Random:
    """Return the dice of this seed; of None, dice that nobody can foresee."""
    return Random(seed)  # noqa: S311 - images and faults are no secrets, and must be repeatable.
