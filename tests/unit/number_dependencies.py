"""Numbers in different files that depend on each other. Each row reads both from their sources."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass

import runwayml

from darkroom import catalog
from darkroom.aws import secrets
from darkroom.domain import (
    audit,
    callback_retries,
    jobs,
    prediction_step,
    provider_errors,
    recovery,
)
from darkroom.providers import replicate, runway
from darkroom.providers.runway import errors as runway_errors
from darkroom.services import audit_accounts, delete_job, recover_jobs
from darkroom.storage import deliveries, transactions
from local.api_gateway import routes
from local.lambda_runtime import invocations
from local.simulators.replicate import create_request, server
from tests.simulation import promises
from tests.unit.catalog_numbers import RUNWAY_WAIT, TEMPLATE_OUTPUTS, TEMPLATE_SECONDS
from tests.unit.number_sources import (
    FUNCTIONS,
    PARAMETERS_WITH_SETTINGS,
    STATES,
    Number,
    aws_call,
    constant,
    external,
    largest,
    parameter,
    provider_call,
    schedule,
    setting,
    smallest,
    state_timeout,
    template,
    timeout,
    upload_expiry,
)

RELATIONS = {"==": operator.eq, "<": operator.lt, "<=": operator.le}


@dataclass(frozen=True)
class Dependency:
    """Two numbers, the relation between them, and the reason for it."""

    left: Number
    relation: str
    right: Number
    reason: str

    @property
    def holds(self) -> bool:
        return bool(RELATIONS[self.relation](self.left.value, self.right.value))


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
# "Maximum integration timeout":
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
HTTP_API_SECONDS = external("the integration timeout of an HTTP API", 30)
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-ephemeral-storage.html
TEMPORARY_BYTES = external("the temporary storage of a function in bytes", 512 << 20)
# "Init phase": https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
INIT_SECONDS = external("the init phase of Lambda", 10)
# "Configuring a queue": https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
VISIBILITY_FACTOR = 6


def dependencies() -> Iterator[Dependency]:  # noqa: PLR0915 (one row each)
    function_timeout = constant(recovery, "FUNCTION_TIMEOUT_SECONDS_MAX")
    recovery_schedule = schedule("RecoverJobsFunction", "EveryMinute")

    # HTTP API
    for function in HTTP_FUNCTIONS:
        yield Dependency(
            timeout(function),
            "<",
            HTTP_API_SECONDS,
            "otherwise the HTTP API responds 503 while the function still runs",
        )
    yield Dependency(
        constant(routes, "_INTEGRATION_SECONDS_DEFAULT"),
        "==",
        HTTP_API_SECONDS,
        "the local HTTP API has the timeout of AWS",
    )
    # Queue
    yield Dependency(
        setting("queue_seconds_max"),
        "<=",
        state_timeout("WaitForSlot"),
        "a job waits in one state entry until recovery resumes it at its `queue_until`",
    )
    yield Dependency(
        setting("callback_seconds_max"),
        "<",
        timeout("ApiFunction"),
        "the API responds after a callback test",
    )
    yield Dependency(
        timeout("ApiFunction"),
        "<",
        setting("start_grace_seconds"),
        "recovery starts a job only when no API invocation can still start it",
    )
    payload = constant(invocations, "PAYLOAD_BYTES_MAX")
    for body in (setting("body_bytes_max"), setting("webhook_body_bytes_max")):
        yield Dependency(body, "<", payload, "the payload of an invocation contains the body")

    yield Dependency(
        setting("output_bytes_max"),
        "<",
        TEMPORARY_BYTES,
        "an output is a temporary file until it is stored",
    )

    # Workflow and functions
    for state in ("StoreOutput", "CompleteJob", "RefundJob"):
        yield Dependency(
            timeout(f"{state}Function") + INIT_SECONDS,
            "<=",
            state_timeout(state),
            "a state must not time out while its function runs, cold start included",
        )
    yield Dependency(
        function_timeout,
        "==",
        largest(WORKFLOW_FUNCTIONS),
        "recovery ends a job only when no invocation of its execution can still run",
    )
    yield Dependency(
        constant(prediction_step, "LEASE_SECONDS"),
        "==",
        timeout("RequestPredictionFunction") + constant(provider_errors, "UNKNOWN_SECONDS"),
        "a lease lasts until its invocation has ended and the provider lists its prediction",
    )
    bound = constant(jobs, "STORING_SECONDS_MAX") + function_timeout
    yield Dependency(
        constant(promises, "STORING_SECONDS"),
        "==",
        bound,
        "the simulation checks the bound that recovery enforces",
    )
    download = setting("output_seconds_max")
    for seconds, reason in (
        (TEMPLATE_OUTPUTS * download, "one invocation can download all outputs of a job"),
        (download + setting("decode_seconds_max"), "one invocation can store an output"),
        (aws_call("_BULKY"), "a function must not time out during its S3 calls"),
    ):
        yield Dependency(seconds, "<", timeout("StoreOutputFunction"), reason)
    yield Dependency(
        aws_call("_BRIEF"),
        "<",
        smallest(ALL_FUNCTIONS),
        "a function must not time out during an AWS call: it handles the error",
    )
    trying = constant(transactions, "_TRYING_SECONDS_MAX")
    yield Dependency(
        trying + 2 * aws_call("_BRIEF"),
        "<",
        smallest(ALL_FUNCTIONS),
        "a function must not time out during retries: it handles the error",
    )

    # Providers
    for provider in (replicate, runway):
        yield Dependency(
            2 * provider_call(provider),
            "<",
            smallest(PROVIDER_FUNCTIONS),
            "a function must not time out during a lookup and a cancel: it records the error",
        )
        yield Dependency(
            provider_call(provider),
            "<",
            constant(jobs, "WAIT_SECONDS_MIN"),
            "a state does not time out during a request",
        )
    minimum = constant(create_request, "CANCEL_AFTER_SECONDS_MIN")
    yield Dependency(
        constant(replicate, "_CANCEL_AFTER_SECONDS_MIN"),
        "==",
        minimum,
        "the simulated Replicate has the limit of the real one",
    )
    create = provider_call(runway, "_CREATE_TIMEOUT")
    yield Dependency(
        2 * create + aws_call("_BRIEF"),
        "<",
        timeout("RequestPredictionFunction"),
        "the function must not time out during a create, also with a rotated key: it records it",
    )
    yield Dependency(
        create, "<", RUNWAY_WAIT, "a state does not time out during a create request to Runway"
    )
    yield Dependency(
        external("the read timeout of Runway's SDK", runwayml.DEFAULT_TIMEOUT.read or 0),
        "<=",
        create,
        "a create waits as long as Runway's own SDK, because Runway fetches the images first",
    )
    yield Dependency(
        constant(runway_errors, "SHEDDING_LOAD_SECONDS_MAX"),
        "<",
        external("the shortest timeout of a gateway, of Amazon API Gateway", 29),
        "a gateway error after this time does not count as refused, because the task may exist",
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
        "the links to input images are valid until the deadline",
    )
    yield Dependency(
        constant(secrets, "REFETCH_SECONDS_MIN"),
        "<",
        constant(secrets, "AGE_SECONDS_MAX"),
        "a rotated secret is read before its age limit",
    )

    # Recovery, deletion and audit
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
        event_age, "<=", recovery_schedule, "the next run replaces a run that waits longer"
    )
    margin = constant(recover_jobs, "_ONE_JOB_MILLISECONDS", unit=0.001)
    yield Dependency(
        margin, "<", timeout("RecoverJobsFunction"), "a run has enough time for one job"
    )
    yield Dependency(
        largest(WORKFLOW_FUNCTIONS),
        "<",
        constant(delete_job, "_PURGE_AFTER"),
        "media is purged only when no invocation can still write any",
    )
    yield Dependency(
        constant(audit, "_OVERDUE_AFTER"),
        "==",
        function_timeout + 3 * recovery_schedule,
        "a job is overdue only when recovery had enough time to stop and end it",
    )
    margin = constant(audit_accounts, "_MARGIN_MILLISECONDS", unit=0.001)
    yield Dependency(
        margin, "<", timeout("AuditAccountsFunction"), "an audit has enough time for one account"
    )
    for alarm, function in (
        ("AuditMissingAlarm", "AuditAccountsFunction"),
        ("CatalogCheckMissingAlarm", "CheckCatalogFunction"),
    ):
        period, interval = template(alarm, "Period"), schedule(function, "EveryDay")
        yield Dependency(period, "==", interval, "the alarm expects one run per period")
    # With a rotated token, the call for a template is repeated once.
    calls = 2 * len(catalog.codes()) * provider_call(replicate, "_CHECK_TIMEOUT")
    check = timeout("CheckCatalogFunction")
    yield Dependency(calls, "<", check, "a check has enough time for every template")

    # Callbacks
    yield Dependency(
        template("CallbackQueue", "VisibilityTimeout"),
        "==",
        VISIBILITY_FACTOR * timeout("NotifyClientFunction"),
        "AWS recommends this for event source mappings",
    )
    receives = template("CallbackQueue", "RedrivePolicy", "maxReceiveCount")
    retention = template("CallbackQueue", "MessageRetentionPeriod")
    yield Dependency(
        receives,
        "==",
        constant(callback_retries, "RECEIVES_MAX"),
        "the last receive of the function is the last receive of the queue",
    )
    pause = constant(callback_retries, "PAUSE_SECONDS_MAX")
    yield Dependency(
        receives * (pause + timeout("NotifyClientFunction")),
        "<",
        retention,
        "a message reaches the dead-letter queue before SQS deletes it",
    )
    # ChangeMessageVisibility: at most 12 hours after the receive.
    yield Dependency(
        pause + timeout("NotifyClientFunction"),
        "<",
        external("the longest visibility timeout of SQS", 43_200),
        "SQS accepts the longest pause",
    )
    yield Dependency(
        constant(deliveries, "RETENTION"),
        "==",
        template("CallbackDeadLetters", "MessageRetentionPeriod"),
        "the tries of a dead letter are shown as long as the dead letter exists",
    )
    yield Dependency(
        retention,
        "<",
        template("CallbackDeadLetters", "MessageRetentionPeriod"),
        "SQS counts the age of a dead letter from its first enqueue",
    )
    yield Dependency(
        setting("callback_seconds_max") + 2 * aws_call("_BRIEF"),
        "<",
        timeout("NotifyClientFunction"),
        "the function must not time out during a callback: it reports the failed message",
    )

    # Uploads
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
        "an upload stays in the bucket until the last job that uses it has ended",
    )

    # Template parameters
    for name in PARAMETERS_WITH_SETTINGS:
        field = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        yield Dependency(
            parameter(name), "==", setting(field), "the template passes the default of the setting"
        )
