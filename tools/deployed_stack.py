"""Reads a deployed stack: its outputs and its user pool."""

from __future__ import annotations

from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from tools.put_secrets import outputs_of


class StackUnusable(Exception):
    """A command cannot work with the stack. The message has the reason and the remedy."""


@dataclass(frozen=True)
class UserPool:
    """The user pool of a stack, and the client that signs users in."""

    identifier: str
    client: str


def read_outputs(stack: str) -> dict[str, str]:
    """Read the outputs of a stack. Raises StackUnusable if it is not a stack of Darkroom."""
    try:
        outputs = outputs_of(stack)
    except (BotoCoreError, ClientError) as error:
        raise StackUnusable(f"The stack {stack} cannot be read: {error}") from None
    except KeyError:
        outputs = {}
    if "ApiUrl" not in outputs:
        raise StackUnusable(f"The stack {stack} is not Darkroom: it has no output ApiUrl.")
    return outputs


def user_pool(outputs: dict[str, str]) -> UserPool:
    """Return the stack's user pool. Raises StackUnusable if it has none."""
    try:
        return UserPool(outputs["UserPoolId"], outputs["UserPoolClientId"])
    except KeyError:
        raise StackUnusable(
            "The stack has no user pool, because JwtIssuer is set. Your identity provider signs"
            " users in and has the group admin."
        ) from None
