"""Why a deployment does not start."""

from __future__ import annotations


class DeploymentRefused(Exception):
    """Something is missing or wrong. The message is one line: the reason, and what to type."""

    def __init__(self, reason: str, command: str = "") -> None:
        """Join the reason and the command that solves the problem."""
        super().__init__(f"{reason} Type: {command}" if command else reason)
