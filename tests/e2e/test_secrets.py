"""The command that puts Replicate's secrets into a deployed stack, on the stack of this machine."""

from __future__ import annotations

import pytest
from replicate import AuthenticationError

from local.stack import LocalStack
from tools.put_secrets import put_secrets, webhook_secret_of


def test_both_secrets_are_put_in_and_a_second_time_changes_nothing(stack: LocalStack) -> None:
    secrets = stack.client("secretsmanager")
    outputs = {f"{name}Arn": stack.physical_id(name) for name in ("ReplicateTokenSecret", "ReplicateWebhookSecret")}
    signing_secret = webhook_secret_of("r8_anybody", f"{stack.replicate_url}/v1")

    put_secrets(outputs, token="r8_anybody", webhook_secret=signing_secret, secrets=secrets)
    versions = secrets.describe_secret(SecretId=outputs["ReplicateTokenSecretArn"])["VersionIdsToStages"]
    put_secrets(outputs, token="r8_anybody", webhook_secret=signing_secret, secrets=secrets)

    assert secrets.get_secret_value(SecretId=outputs["ReplicateTokenSecretArn"])["SecretString"] == "r8_anybody"
    assert secrets.get_secret_value(SecretId=outputs["ReplicateWebhookSecretArn"])["SecretString"] == signing_secret
    assert secrets.describe_secret(SecretId=outputs["ReplicateTokenSecretArn"])["VersionIdsToStages"] == versions


def test_a_token_that_replicate_does_not_know_puts_nothing_in(stack: LocalStack) -> None:
    with pytest.raises(AuthenticationError):
        webhook_secret_of("no token", f"{stack.replicate_url}/v1")
