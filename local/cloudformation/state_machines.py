"""State machines: their definitions, versions and aliases, and the end of their executions."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from moto.settings import moto_server_port
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from samcli.yamlhelper import yaml_parse

from local.cloudformation.account import Client, client, role_access_key
from local.cloudformation.template import built_path

# Longer than the longest invocation of a function (Lambda quotas, "Function timeout").
_TASK_SECONDS_MAX = 910
_STOP_TRIES_MAX = 100
_STOP_PAUSE_SECONDS = 0.05
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


def publish_version(stepfunctions: Client, machine_arn: str) -> str:
    """Publish the current definition as a version, and return the version's ARN.

    moto has no PublishStateMachineVersion, but an update can publish.
    """
    definition = stepfunctions.describe_state_machine(stateMachineArn=machine_arn)["definition"]
    published = stepfunctions.update_state_machine(
        stateMachineArn=machine_arn, definition=definition, publish=True
    )
    version_arn: str = published["stateMachineVersionArn"]
    return version_arn


@contextmanager
def start_by_alias() -> Iterator[None]:
    """Let moto start executions by an alias. moto knows aliases, but cannot start them.

    The execution runs the definition of the version to which the alias points. With several
    versions, this is the first one. Its ARN contains the state machine's name and no alias.
    """
    start, lock = StepFunctionsParserBackend.start_execution, Lock()

    def start_execution(
        backend: Any,  # noqa: ANN401 (moto's own)
        state_machine_arn: str,
        *arguments: Any,  # noqa: ANN401 (moto's own)
        **named: Any,  # noqa: ANN401 (moto's own)
    ) -> Any:  # noqa: ANN401 (moto's own)
        machine_arn, _, name = state_machine_arn.rpartition(":")
        machine = next((each for each in backend.state_machines if each.arn == machine_arn), None)
        if machine is None or name not in machine.aliases:
            return start(backend, state_machine_arn, *arguments, **named)
        route = machine.aliases[name].routing_configuration[0]
        version = machine.versions[int(route["stateMachineVersionArn"].rpartition(":")[2])]
        with lock:
            # moto copies the state machine, with its definition, for the new execution.
            latest, machine.definition = machine.definition, version.definition
            try:
                return start(backend, machine_arn, *arguments, **named)
            finally:
                machine.definition = latest

    StepFunctionsParserBackend.start_execution = start_execution
    try:
        yield
    finally:
        StepFunctionsParserBackend.start_execution = start


@contextmanager
def invoke_as_role() -> Iterator[None]:
    """Let moto invoke functions with the access key of the state machine's role.

    moto invokes them with an access key of its own, and makes a client for each invocation. The
    replacement has one client for each role.
    """
    original = lambda_eval_utils.boto_client_for

    @cache
    def client_of(service: str, role_arn: str) -> Client:
        url = f"http://localhost:{moto_server_port()}"
        access_key = role_access_key(role_arn)
        return client(service, url, access_key, read_timeout_seconds=_TASK_SECONDS_MAX)

    lambda_eval_utils.boto_client_for = lambda *, service, state_credentials, **_: client_of(
        service, state_credentials.role_arn
    )
    try:
        yield
    finally:
        lambda_eval_utils.boto_client_for = original


def stop_executions(stepfunctions: Client) -> None:
    """Stop every running execution.

    A running execution would continue in this process and invoke the next stack's functions.
    """
    for machine in stepfunctions.list_state_machines()["stateMachines"]:
        running = stepfunctions.list_executions(
            stateMachineArn=machine["stateMachineArn"], statusFilter="RUNNING", maxResults=1000
        )
        for execution in running["executions"]:
            _stop(stepfunctions, execution["executionArn"])


def _stop(stepfunctions: Client, execution_arn: str) -> None:
    """Stop an execution. moto fails if the thread of the execution has not begun yet."""
    for remaining in reversed(range(_STOP_TRIES_MAX)):
        try:
            stepfunctions.stop_execution(executionArn=execution_arn)
        except stepfunctions.exceptions.ClientError:
            if not remaining:
                raise
            time.sleep(_STOP_PAUSE_SECONDS)
        else:
            return
