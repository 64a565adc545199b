"""Reads the outputs and the parameters of a deployed stack."""

from __future__ import annotations

from typing import Any

import boto3


def outputs_of(stack: str) -> dict[str, str]:
    """Read the outputs of a deployed stack."""
    return {output["OutputKey"]: output["OutputValue"] for output in _described(stack)["Outputs"]}


def parameter_of(stack: str, name: str) -> str | None:
    """Read a parameter of a deployed stack. Returns None if the stack does not have it."""
    values = {
        parameter["ParameterKey"]: str(parameter["ParameterValue"])
        for parameter in _described(stack).get("Parameters", ())
    }
    return values.get(name)


def _described(stack: str) -> Any:  # noqa: ANN401 (a response of boto3)
    return boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
