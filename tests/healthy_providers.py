"""Makes the providers of a local stack healthy again after a test that disturbed them."""

from __future__ import annotations

from local.stack import LocalStack

_PROVIDERS = ("replicate", "runway", "stable_diffusion")
_ATTRIBUTES = ("paused_until", "pause_reason", "pauses_count", "faults", "unavailable", "drifting")


def make_providers_healthy(stack: LocalStack) -> None:
    """Remove the pauses, the faults and the unavailable templates of all providers.

    The function `api` knows unavailable templates for ten seconds, so it starts again.
    """
    dynamodb, table = stack.client("dynamodb"), stack.physical_id("Table")
    for provider in _PROVIDERS:
        key = {"pk": {"S": f"SLOT#{provider}"}, "sk": {"S": "state"}}
        before = dynamodb.update_item(
            TableName=table,
            Key=key,
            UpdateExpression=f"REMOVE {', '.join(_ATTRIBUTES)}",
            ReturnValues="ALL_OLD",
        ).get("Attributes", {})
        if "unavailable" in before:
            stack.kill_execution_environments("ApiFunction")
