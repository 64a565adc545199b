"""Numbers that depend on each other and stand in different files. Each row reads both sides from their sources."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from types import ModuleType
from typing import Any

import httpx
import pytest
from samcli.yamlhelper import yaml_parse

from darkroom import catalog, http_guard
from darkroom.aws import clients, secrets
from darkroom.domain import audit, errors, jobs, prediction_step, recovery
from darkroom.providers import replicate, runway, stable_diffusion
from darkroom.services import audit_accounts, delete_job, recover_jobs
from darkroom.settings import Settings
from darkroom.storage import table, transactions
from local.api_gateway import routes
from local.lambda_runtime import invocations
from local.simulators.replicate import create_request, server
from tests.aws import ROOT, TEMPLATE
from tests.simulation import promises

STATES: dict[str, dict[str, Any]] = yaml_parse((ROOT / "workflow.asl.yaml").read_text())["States"]
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}
RELATIONS = {"==": operator.eq, "<": operator.lt, "<=": operator.le}
_UNIT_SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400}


@dataclass(frozen=True)
class Number:
    """A number and the place where it stands."""

    source: str
    value: float

    def __add__(self, other: Number) -> Number:
        return Number(f"{self.source} + {other.source}", self.value + other.value)

    def __mul__(self, other: Number) -> Number:
        return Number(f"{self.source} * {other.source}", self.value * other.value)

    def __rmul__(self, factor: int) -> Number:
        return Number(f"{factor} * {self.source}", factor * self.value)

    def __str__(self) -> str:
        return f"{self.source} = {self.value:g}"


@dataclass(frozen=True)
class Dependency:
    """Two numbers, the relation between them, and the reason for it."""

    left: Number
    relation: str
    right: Number
    reason: str

    @property
    def name(self) -> str:
        return f"{self.left.source} {self.relation} {self.right.source}"


def fact(what: str, value: float) -> Number:
    """A number that AWS or a provider sets."""
    return Number(what, value)


def constant(module: ModuleType, name: str, *, unit: float = 1) -> Number:
    value = getattr(module, name)
    if isinstance(value, timedelta):
        value = value.total_seconds()
    return Number(f"{module.__name__}.{name}", value * unit)


def setting(name: str, *, unit: float = 1) -> Number:
    default: Any = next(field.default for field in fields(Settings) if field.name == name)
    return Number(f"Settings.{name}", float(default) * unit)


def template(resource: str, *path: str) -> Number:
    value: Any = RESOURCES[resource]["Properties"]
    for step in path:
        value = value[step]
    return Number(f"template.yaml: {'.'.join((resource, *path))}", float(value))


def parameter(name: str) -> Number:
    return Number(f"template.yaml: {name}.Default", float(TEMPLATE["Parameters"][name]["Default"]))


def timeout(function: str) -> Number:
    seconds = FUNCTIONS[function].get("Timeout", TEMPLATE["Globals"]["Function"]["Timeout"])
    return Number(f"template.yaml: {function}.Timeout", seconds)


def state_timeout(state: str) -> Number:
    return Number(f"workflow.asl.yaml: {state}.TimeoutSeconds", STATES[state]["TimeoutSeconds"])


def schedule(function: str, event: str) -> Number:
    expression = FUNCTIONS[function]["Events"][event]["Properties"]["ScheduleExpression"]
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    assert found, expression
    return Number(
        f"template.yaml: {function}.{event}.ScheduleExpression",
        int(found[1]) * _UNIT_SECONDS[found[2]],
    )


def largest(numbers: list[Number]) -> Number:
    return max(numbers, key=lambda number: number.value)


def smallest(numbers: list[Number]) -> Number:
    return min(numbers, key=lambda number: number.value)


def aws_call(name: str) -> Number:
    """The seconds of one call of AWS with all its tries, without the pauses between them."""
    config: Any = getattr(clients, name)
    tries = config.retries["total_max_attempts"]
    seconds = config.connect_timeout + config.read_timeout
    return Number(f"darkroom.aws.clients.{name}", tries * seconds)


def table_call() -> Number:
    """The seconds of one call of the table with all its tries."""
    tries = constant(table, "RETRIES_MAX") + fact("the first try", 1)
    return Number(
        "darkroom.storage.table timeouts",
        tries.value
        * (
            constant(table, "CONNECT_TIMEOUT_SECONDS") + constant(table, "READ_TIMEOUT_SECONDS")
        ).value,
    )


def upload_expiry() -> Number:
    (rule,) = (
        rule
        for rule in RESOURCES["MediaBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
        if rule.get("Prefix") == "uploads/"
    )
    return Number(
        "template.yaml: MediaBucket.LifecycleConfiguration.inputs.ExpirationInDays",
        rule["ExpirationInDays"] * 86_400,
    )


def provider_call(module: ModuleType) -> Number:
    """The seconds of one call of a provider's API."""
    timeouts: httpx.Timeout = vars(module)["_TIMEOUT"]
    assert timeouts.connect
    assert timeouts.read
    return Number(f"{module.__name__}._TIMEOUT", timeouts.connect + timeouts.read)


WORKFLOW_FUNCTIONS = [
    timeout(f"{state}Function")
    for state, definition in STATES.items()
    if definition["Type"] == "Task"
]
HTTP_FUNCTIONS = [
    name
    for name, properties in FUNCTIONS.items()
    if "HttpApi" in {event["Type"] for event in properties.get("Events", {}).values()}
]
PROVIDER_FUNCTIONS = [
    timeout(name)
    for name, properties in FUNCTIONS.items()
    if {"Ref": "ProviderAccess"} in properties["Policies"]
]
ALL_FUNCTIONS = [timeout(name) for name in FUNCTIONS]
TEMPLATES = catalog.templates().values()
TEMPLATE_SECONDS = largest(
    [
        Number(f"catalog: {template.code}.seconds_max", template.seconds_max)
        for template in TEMPLATES
    ]
)
TEMPLATE_OUTPUTS = largest(
    [
        Number(
            f"catalog: {template.code}.{template.outputs_parameter}",
            template.parameters[template.outputs_parameter]["maximum"],
        )
        for template in TEMPLATES
        if template.outputs_parameter
    ]
)
# docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html, "Maximum integration timeout".
HTTP_API_SECONDS = fact("the integration timeout of an HTTP API", 30)
# docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html, "Init phase".
INIT_SECONDS = fact("the init phase of Lambda", 10)
# docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html, "Configuring a queue".
VISIBILITY_FACTOR = 6


def dependencies() -> Iterator[Dependency]:  # noqa: PLR0915 (a table)
    function_timeout = constant(recovery, "FUNCTION_TIMEOUT_SECONDS_MAX")
    recovery_schedule = schedule("RecoverJobsFunction", "EveryMinute")

    # The HTTP API.
    for function in HTTP_FUNCTIONS:
        yield Dependency(
            timeout(function),
            "<",
            HTTP_API_SECONDS,
            "the HTTP API answers 503 while the function still runs",
        )
    yield Dependency(
        constant(routes, "_INTEGRATION_SECONDS_DEFAULT"),
        "==",
        HTTP_API_SECONDS,
        "the local HTTP API waits as long as AWS's",
    )
    yield Dependency(
        setting("callback_test_seconds_max"),
        "<",
        timeout("ApiFunction"),
        "the API answers after a callback test",
    )
    yield Dependency(
        timeout("ApiFunction"),
        "<",
        setting("start_grace_seconds"),
        "recovery starts a job when no API invocation can start it",
    )
    payload = constant(invocations, "PAYLOAD_BYTES_MAX")
    yield Dependency(
        setting("body_bytes_max"), "<", payload, "a body arrives in the payload of an invocation"
    )
    yield Dependency(
        setting("webhook_body_bytes_max"),
        "<",
        payload,
        "a body arrives in the payload of an invocation",
    )

    # The workflow and its functions.
    for state in ("StoreOutput", "CompleteJob", "RefundJob"):
        yield Dependency(
            timeout(f"{state}Function") + INIT_SECONDS,
            "<=",
            state_timeout(state),
            "a state outlasts its function, cold start included",
        )
    yield Dependency(
        function_timeout,
        "==",
        largest(WORKFLOW_FUNCTIONS),
        "recovery ends a job when no invocation of its execution is left",
    )
    yield Dependency(
        constant(prediction_step, "LEASE_SECONDS"),
        "==",
        timeout("RequestPredictionFunction") + constant(errors, "UNKNOWN_SECONDS"),
        "a lease lasts until its invocation is over and its prediction is visible at the provider",
    )
    bound = constant(jobs, "STORING_SECONDS_MAX") + function_timeout
    yield Dependency(
        constant(promises, "STORING_SECONDS"),
        "==",
        bound,
        "the simulation checks the bound that recovery enforces",
    )
    yield Dependency(
        TEMPLATE_OUTPUTS * setting("output_seconds_max"),
        "<",
        timeout("StoreOutputFunction"),
        "one invocation can download all outputs of a job",
    )
    yield Dependency(
        aws_call("_BULKY"),
        "<",
        timeout("StoreOutputFunction"),
        "a function outlasts its calls of S3, so it records the error",
    )
    yield Dependency(
        aws_call("_BRIEF"),
        "<",
        smallest(ALL_FUNCTIONS),
        "a function outlasts its calls of AWS, so it handles the error",
    )
    trying = constant(transactions, "_TRYING_SECONDS_MAX")
    yield Dependency(
        trying + 2 * table_call(),
        "<",
        smallest(ALL_FUNCTIONS),
        "a function outlasts its retries of a transaction, so it handles the error",
    )

    # Calls of providers.
    for provider in (replicate, runway):
        yield Dependency(
            2 * provider_call(provider),
            "<",
            smallest(PROVIDER_FUNCTIONS),
            "a function outlasts a lookup and a cancel, so it records the error",
        )
        yield Dependency(
            provider_call(provider),
            "<",
            constant(jobs, "WAIT_SECONDS_MIN"),
            "a state does not time out during a request",
        )
    run = constant(stable_diffusion, "_CONNECT_SECONDS") + constant(
        stable_diffusion, "_RUN_SECONDS_MAX"
    )
    yield Dependency(
        run,
        "<",
        timeout("RequestPredictionFunction"),
        "the function outlasts a run of the WebUI, so it stores the images",
    )
    minimum = constant(create_request, "CANCEL_AFTER_SECONDS_MIN")
    yield Dependency(
        constant(replicate, "_CANCEL_AFTER_SECONDS_MIN"),
        "==",
        minimum,
        "the simulated Replicate has the limit of the real one",
    )
    yield Dependency(
        constant(jobs, "WAIT_SECONDS_MIN"),
        "<",
        constant(jobs, "WAIT_SECONDS_MAX"),
        "a wait has a lower and an upper bound",
    )
    yield Dependency(
        constant(jobs, "WAIT_SECONDS_MAX") + bound,
        "<",
        constant(server, "RETENTION_SECONDS"),
        "a late poll and storing end before Replicate deletes the files",
    )
    yield Dependency(
        TEMPLATE_SECONDS,
        "<",
        setting("link_seconds"),
        "a prediction can read its input images until its deadline",
    )
    yield Dependency(
        constant(secrets, "REFETCH_SECONDS_MIN"),
        "<",
        constant(secrets, "AGE_SECONDS_MAX"),
        "a rotated secret is read before its age limit",
    )

    # Recovery, deletion, the audit.
    yield Dependency(
        constant(recovery, "CHECK_INTERVAL_SECONDS"),
        "==",
        recovery_schedule,
        "recovery checks a job in each of its runs",
    )
    yield Dependency(
        constant(recovery, "CHECK_INTERVAL_SECONDS"),
        "<=",
        constant(recovery, "RUNNING_CHECK_INTERVAL_SECONDS"),
        "no check is due before a run",
    )
    yield Dependency(
        timeout("RecoverJobsFunction"),
        "<",
        recovery_schedule,
        "a run ends before the next run starts",
    )
    event_age = template("RecoverJobsFunction", "EventInvokeConfig", "MaximumEventAgeInSeconds")
    yield Dependency(
        event_age, "<=", recovery_schedule, "a run that waits longer is replaced by the next run"
    )
    margin = constant(recover_jobs, "_ONE_JOB_MILLISECONDS", unit=0.001)
    yield Dependency(margin, "<", timeout("RecoverJobsFunction"), "a run has time for a job")
    yield Dependency(
        largest(WORKFLOW_FUNCTIONS),
        "<",
        constant(delete_job, "_PURGE_AFTER"),
        "media is purged when no invocation can write any",
    )
    yield Dependency(
        constant(audit, "_OVERDUE_AFTER"),
        "==",
        function_timeout + 3 * recovery_schedule,
        "a job is overdue when recovery had the time to stop and end it",
    )
    margin = constant(audit_accounts, "_MARGIN_MILLISECONDS", unit=0.001)
    yield Dependency(
        margin, "<", timeout("AuditAccountsFunction"), "an audit has time for an account"
    )
    yield Dependency(
        template("AuditMissingAlarm", "Period"),
        "==",
        schedule("AuditAccountsFunction", "EveryDay"),
        "the alarm expects one audit per period",
    )

    # Callbacks.
    yield Dependency(
        template("CallbackQueue", "VisibilityTimeout"),
        "==",
        VISIBILITY_FACTOR * timeout("NotifyClientFunction"),
        "AWS advises it for event source mappings",
    )
    receives = template("CallbackQueue", "RedrivePolicy", "maxReceiveCount")
    retention = template("CallbackQueue", "MessageRetentionPeriod")
    yield Dependency(
        receives * template("CallbackQueue", "VisibilityTimeout"),
        "<",
        retention,
        "a message reaches the dead-letter queue before SQS deletes it",
    )
    yield Dependency(
        retention,
        "<",
        template("CallbackDeadLetters", "MessageRetentionPeriod"),
        "SQS counts the age of a dead letter from its first enqueue",
    )
    post = constant(http_guard, "CONNECT_TIMEOUT_SECONDS") + constant(
        http_guard, "READ_TIMEOUT_SECONDS"
    )
    yield Dependency(
        post,
        "<",
        timeout("NotifyClientFunction"),
        "the function outlasts a callback, so it reports the failed message",
    )

    # Uploads.
    hours = setting("upload_hours", unit=3_600)
    yield Dependency(
        setting("upload_link_seconds"), "<", hours, "an upload is valid when its form expires"
    )
    expiry = upload_expiry()
    job = TEMPLATE_SECONDS + constant(jobs, "WAIT_SECONDS_MAX") + bound
    yield Dependency(
        hours + job,
        "<=",
        expiry,
        "an upload stays in the bucket until the last job that names it has ended",
    )

    # A stack without overrides has the defaults of the code.
    for name in (
        "DefaultImageCreditCost", "DefaultVideoCreditCost", "HighQualityMultiplier", "JobsInFlightMax", "JobsPerMinuteMax",
        "PredictionsInFlightMax", "WelcomeCredits", "RetentionDays",
    ):  # fmt: skip
        field = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        yield Dependency(
            parameter(name), "==", setting(field), "the template passes the default of the setting"
        )


DEPENDENCIES = list(dependencies())


@pytest.mark.parametrize("dependency", DEPENDENCIES, ids=lambda dependency: dependency.name)
def test_a_number_agrees_with_the_number_it_depends_on(dependency: Dependency) -> None:
    assert RELATIONS[dependency.relation](dependency.left.value, dependency.right.value), (
        f"[{dependency.left}] must be {dependency.relation} [{dependency.right}], because {dependency.reason}."
    )


def test_the_states_with_a_fixed_timeout_are_in_the_table() -> None:
    tied = {dependency.right.source for dependency in DEPENDENCIES}

    assert {
        state_timeout(state).source
        for state, definition in STATES.items()
        if "TimeoutSeconds" in definition
    } <= tied
