"""The definition of a state machine as JSON, with its substitutions."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

from local.cloudformation.account import Client
from local.cloudformation.template import built_path

# string.Template would take the $$ of the context object ($$.Task.Token) for an escape.
_SUBSTITUTION = re.compile(r"\$\{([A-Za-z0-9_:.-]+)\}")


def definition_json(properties: Mapping[str, Any], build_dir: Path) -> str:
    """Read the definition of an AWS::StepFunctions::StateMachine and fill in its ${…}.

    Raises KeyError for an unknown substitution.
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

    Otherwise it would run on in this process and call the next stack's functions.
    """
    for machine in stepfunctions.list_state_machines()["stateMachines"]:
        running = stepfunctions.list_executions(
            stateMachineArn=machine["stateMachineArn"], statusFilter="RUNNING", maxResults=1000
        )
        for execution in running["executions"]:
            stepfunctions.stop_execution(executionArn=execution["executionArn"])
