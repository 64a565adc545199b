"""`make secrets` sets the secrets of a stack, here of the local stack."""

from __future__ import annotations

import pytest
from replicate import AuthenticationError

from local.stack import LocalStack
from tools.put_secrets import others_of, put_secrets, webhook_secret_of


def test_both_secrets_are_set_and_a_second_run_changes_nothing(stack: LocalStack) -> None:
    secrets = stack.client("secretsmanager")
    outputs = {
        f"{name}Arn": stack.physical_id(name)
        for name in ("ReplicateTokenSecret", "ReplicateWebhookSecret")
    }
    signing_secret = webhook_secret_of("r8_anybody", f"{stack.replicate_url}/v1")

    put_secrets(outputs, token="r8_anybody", webhook_secret=signing_secret, secrets=secrets)
    versions = secrets.describe_secret(SecretId=outputs["ReplicateTokenSecretArn"])[
        "VersionIdsToStages"
    ]
    put_secrets(outputs, token="r8_anybody", webhook_secret=signing_secret, secrets=secrets)

    assert (
        secrets.get_secret_value(SecretId=outputs["ReplicateTokenSecretArn"])["SecretString"]
        == "r8_anybody"
    )
    assert (
        secrets.get_secret_value(SecretId=outputs["ReplicateWebhookSecretArn"])["SecretString"]
        == signing_secret
    )
    assert (
        secrets.describe_secret(SecretId=outputs["ReplicateTokenSecretArn"])["VersionIdsToStages"]
        == versions
    )


def test_the_secrets_of_the_other_providers_in_the_stack_are_set(stack: LocalStack) -> None:
    secrets = stack.client("secretsmanager")
    names = (
        "ReplicateTokenSecret",
        "ReplicateWebhookSecret",
        "RunwayKeySecret",
        "StableDiffusionLoginSecret",
    )
    outputs = {f"{name}Arn": stack.physical_id(name) for name in names}
    before = {
        name: secrets.get_secret_value(SecretId=arn)["SecretString"]
        for name, arn in outputs.items()
    }
    environment = {
        "RUNWAYML_API_SECRET": "key_a",
        "STABLE_DIFFUSION_LOGIN": "ann:secret",
        "OTHER": "x",
    }

    put_secrets(
        outputs,
        token="r8_anybody",
        webhook_secret="whsec_x",
        others=others_of(environment, outputs),
        secrets=secrets,
    )

    assert (
        secrets.get_secret_value(SecretId=outputs["RunwayKeySecretArn"])["SecretString"] == "key_a"
    )
    assert (
        secrets.get_secret_value(SecretId=outputs["StableDiffusionLoginSecretArn"])["SecretString"]
        == "ann:secret"
    )
    # Other tests of the stack use the previous values.
    for name, arn in outputs.items():
        secrets.put_secret_value(SecretId=arn, SecretString=before[name])
    assert others_of({"RUNWAYML_API_SECRET": ""}, {}) == {}
    with pytest.raises(ValueError, match="RUNWAYML_API_SECRET"):
        others_of(
            environment,
            {name: arn for name, arn in outputs.items() if not name.startswith("Runway")},
        )


def test_a_token_that_replicate_refuses_is_not_set(stack: LocalStack) -> None:
    with pytest.raises(AuthenticationError):
        webhook_secret_of("no token", f"{stack.replicate_url}/v1")
