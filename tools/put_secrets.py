"""Put the providers' secrets into a deployed stack.

    REPLICATE_API_TOKEN=r8_… python -m tools.put_secrets STACK

The command fetches Replicate's webhook secret with the token. It reads the secret of another
provider from an environment variable: in template.yaml, `SecretVariable` in the metadata of the
secret has the variable's name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import replicate
from samcli.yamlhelper import yaml_parse

from tools.stacks import outputs_of, parameter_of

__all__ = ["others_of", "outputs_of", "put_secrets", "webhook_secret_of"]

_TEMPLATE = Path(__file__).parents[1] / "template.yaml"


def put_secrets(
    outputs: Mapping[str, str],
    *,
    token: str,
    webhook_secret: str,
    others: Mapping[str, str] | None = None,
    secrets: Any = None,  # noqa: ANN401 (a boto3 client)
) -> None:
    """Put the values into the secrets of the stack. A value that is already there is not written.

    `outputs` are the stack's outputs, which have the ARNs of the secrets. `others` are the values
    of the other providers' secrets, by the name of the output.
    """
    secrets = secrets or boto3.client("secretsmanager")
    values = {
        "ReplicateTokenSecretArn": token,
        "ReplicateWebhookSecretArn": webhook_secret,
        **(others or {}),
    }
    for name, value in values.items():
        if _current(secrets, outputs[name]) != value:
            secrets.put_secret_value(SecretId=outputs[name], SecretString=value)


def others_of(environment: Mapping[str, str], outputs: Mapping[str, str]) -> dict[str, str]:
    """Read the secrets of the other providers from the environment, by output of the stack.

    Raises ValueError if a secret is set for a provider that the stack does not have.
    """
    variables = _variables()
    found = {
        output: environment[variable]
        for output, variable in variables.items()
        if environment.get(variable)
    }
    for output in found.keys() - outputs.keys():
        raise ValueError(
            f"{variables[output]} is set, but the stack does not have that provider."
            " Deploy the stack with the provider's URL first."
        )
    return found


def _variables() -> dict[str, str]:
    """Read the environment variable of each secret from template.yaml, by output of the stack."""
    resources = yaml_parse(_TEMPLATE.read_text())["Resources"]
    return {
        f"{name}Arn": resource["Metadata"]["SecretVariable"]
        for name, resource in resources.items()
        if "SecretVariable" in resource.get("Metadata", {})
    }


def webhook_secret_of(token: str, base_url: str | None = None) -> str:
    """Fetch the secret with which Replicate signs the account's webhooks.

    Raises ValueError if the account has none.
    Source: https://replicate.com/docs/topics/webhooks/verify-webhook.
    """
    secret = (
        replicate.Client(bearer_token=token, base_url=base_url).webhooks.default.secret.get().key
    )
    if not secret:
        raise ValueError("Replicate has no webhook secret for this account.")
    return secret


def _current(secrets: Any, secret_id: str) -> str | None:  # noqa: ANN401 (a boto3 client)
    try:
        value: str = secrets.get_secret_value(SecretId=secret_id)["SecretString"]
    except secrets.exceptions.ResourceNotFoundException:
        return None
    return value


def main() -> int:
    """Run the command. Returns the exit status."""
    token = os.environ.get("REPLICATE_API_TOKEN", "")
    if len(sys.argv) != 2 or not token.startswith("r8_"):  # noqa: PLR2004
        sys.stderr.write("usage: REPLICATE_API_TOKEN=r8_… python -m tools.put_secrets STACK\n")
        return 2
    outputs = outputs_of(sys.argv[1])
    try:
        others = others_of(os.environ, outputs)
        webhook_secret = webhook_secret_of(token, parameter_of(sys.argv[1], "ReplicateBaseUrl"))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    put_secrets(outputs, token=token, webhook_secret=webhook_secret, others=others)
    sys.stdout.write(
        f"{sys.argv[1]} has the secrets. The functions read them without a new deployment.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
