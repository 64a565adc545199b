"""Put Replicate's token and webhook secret into a deployed stack: REPLICATE_API_TOKEN=r8_… python -m tools.put_secrets STACK.

The secret of another provider is put in from the environment variable that its `SecretVariable` in template.yaml names.
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

_TEMPLATE = Path(__file__).parents[1] / "template.yaml"


def put_secrets(
    outputs: Mapping[str, str],
    *,
    token: str,
    webhook_secret: str,
    others: Mapping[str, str] | None = None,
    secrets: Any = None,  # noqa: ANN401 (a boto3 client)
) -> None:
    """Put the values into the secrets that the stack's outputs name; `others` are by output. Putting the same again changes nothing."""
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
    """Read the values of the other providers' secrets. Raises ValueError for a provider that the stack does not have."""
    variables = _variables()
    found = {
        output: environment[variable]
        for output, variable in variables.items()
        if environment.get(variable)
    }
    for output in found.keys() - outputs.keys():
        raise ValueError(
            f"{variables[output]} is for a provider that the stack does not have. Deploy it with that provider's address first."
        )
    return found


def _variables() -> dict[str, str]:
    """Return the environment variable of each provider's secret by the output that names the secret, as the template's metadata says."""
    resources = yaml_parse(_TEMPLATE.read_text())["Resources"]
    return {
        f"{name}Arn": resource["Metadata"]["SecretVariable"]
        for name, resource in resources.items()
        if "SecretVariable" in resource.get("Metadata", {})
    }


def webhook_secret_of(token: str, base_url: str | None = None) -> str:
    """Ask Replicate what it signs this account's webhooks with (replicate.com/docs/topics/webhooks/verify-webhook)."""
    secret = (
        replicate.Client(bearer_token=token, base_url=base_url).webhooks.default.secret.get().key
    )
    if not secret:
        raise ValueError("Replicate has no webhook secret for this account")
    return secret


def outputs_of(stack: str) -> dict[str, str]:
    """Read a stack's outputs."""
    described = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


def _current(secrets: Any, secret_id: str) -> str | None:  # noqa: ANN401 (a boto3 client)
    try:
        value: str = secrets.get_secret_value(SecretId=secret_id)["SecretString"]
    except secrets.exceptions.ResourceNotFoundException:
        return None
    return value


def main() -> int:
    """Run as a command."""
    token = os.environ.get("REPLICATE_API_TOKEN", "")
    if len(sys.argv) != 2 or not token.startswith("r8_"):  # noqa: PLR2004 (the command and the stack)
        sys.stderr.write("usage: REPLICATE_API_TOKEN=r8_… python -m tools.put_secrets STACK\n")
        return 2
    outputs = outputs_of(sys.argv[1])
    try:
        others = others_of(os.environ, outputs)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    put_secrets(outputs, token=token, webhook_secret=webhook_secret_of(token), others=others)
    sys.stdout.write(f"{sys.argv[1]}: the secrets are in. Functions take them up by themselves.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
