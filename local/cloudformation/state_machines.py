"""State machines: read their definitions, and stop their executions."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

from local.cloudformation.account import Client
from local.cloudformation.template import built_path

# string.Template is not usable: it reads the $$ of the context object ($$.Task.Token) as an escape.
_SUBSTITUTION = re.compile(r"\$\{([A-Za-z0-9_:.-]+)\}")


def definition_json(properties: Mapping[str, Any], build_dir: Path) -> str:
    """Return the definition of an AWS::StepFunctions::StateMachine as JSON.

    Replaces each ${name} by the value of its substitution. Raises KeyError for an unknown name.
    """
    if location := properties.get("DefinitionS3Location"):
        text = built_path(build_dir, location).read_text()
    else:
        text = properties.get("DefinitionString") or json.dumps(properties["Definition"])
    substitutions: Mapping[str, Any] = properties.get("DefinitionSubstitutions", {})
    filled = _SUBSTITUTION.sub(lambda found: str(substitutions[found[1]]), text)
    return json.dumps(yaml_parse(filled))


def stop_executions(stepfunctions: Client) -> None:
    """Stop every running execution.

    A running execution would continue in this process and invoke the next stack's functions.
    """
    for machine in stepfunctions.list_state_machines()["stateMachines"]:
        running = stepfunctions.list_executions(
            stateMachineArn=machine["stateMachineArn"], statusFilter="RUNNING", maxResults=1000
        )
        for execution in running["executions"]:
            stepfunctions.stop_execution(executionArn=execution["executionArn"])
