"""The logger and the metrics of each function, and the names of all metrics."""

from __future__ import annotations

import warnings
from enum import StrEnum

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

# Most invocations count nothing, and the warning would be on each of their logs.
warnings.filterwarnings("ignore", message="No application metrics to publish")

logger = Logger()
metrics = Metrics()


class Metric(StrEnum):
    """Every metric in the namespace `Darkroom`, with its dimension `service`, the stack's name.

    The alarms and the dashboard in template.yaml use these names.
    """

    ACCOUNTS_AUDITED = "AccountsAudited"
    """The accounts that one run of the audit read. A run without accounts counts 0."""
    AUDITS_FAILED = "AuditsFailed"
    """The accounts that the audit could not read, in this round or the last complete round."""
    DISPATCHES_FAILED = "DispatchesFailed"
    """Free provider slots that were not given to a waiting job. Recovery repeats it."""
    JOBS_CANCELED = "JobsCanceled"
    """Jobs that the workflow ended as canceled."""
    JOBS_COMPLETED = "JobsCompleted"
    """Jobs that the workflow ended as completed."""
    JOBS_ENDED_BY_RECOVERY = "JobsEndedByRecovery"
    """Jobs that recovery ended, because their execution had stopped or never started."""
    JOBS_EXPIRED = "JobsExpired"
    """Jobs that recovery deleted after their retention."""
    JOBS_FAILED = "JobsFailed"
    """Jobs that the workflow ended as failed, for any reason."""
    JOBS_RECOVERED = "JobsRecovered"
    """Actions of recovery on a job or its execution: start, resume, stop and end."""
    LEDGER_MISMATCHES = "LedgerMismatches"
    """The mismatches that the audit found, in this round or the last complete round."""
    LIMITS_REACHED = "LimitsReached"
    """Requests that were refused because an account reached a limit of an act. The log has each."""
    MODELS_UNAVAILABLE = "ModelsUnavailable"
    """Jobs that failed because the provider does not offer the template's model any more.

    Each run of recovery also counts the templates that are refused for this reason.
    """
    ORPHAN_PREDICTIONS = "OrphanPredictions"
    """Predictions of a provider that belong to no open attempt. The provider bills them."""
    OUTPUT_HOSTS_REFUSED = "OutputHostsRefused"
    """Jobs that failed because their outputs are on a host that is no delivery host."""
    OUTPUTS_WITHOUT_VARIANTS = "OutputsWithoutVariants"
    """Outputs that were delivered without thumbnail and previews. The log has the cause of each."""
    PROVIDER_ACCOUNT_REFUSED = "ProviderAccountRefused"
    """Calls without a token, and calls for which a provider rejected Darkroom's account."""
    PROVIDERS_PAUSED = "ProvidersPaused"
    """The paused providers, counted by each run of recovery."""
    PROVIDER_UNAVAILABLE = "ProviderUnavailable"
    """Calls that a provider did not answer, or answered with an error of its own."""
    QUEUE_AGE_SECONDS = "QueueAgeSeconds"
    """The time for which the first job of a provider's queue has waited. 0 without a queue."""
    RECOVERIES_FAILED = "RecoveriesFailed"
    """Jobs that one run of recovery could not check, and failed checks of the slots."""
    RECOVERY_RUNS = "RecoveryRuns"
    """Runs of recovery that ended without an exception. The heartbeat of recovery."""
    REQUESTS_REFUSED = "RequestsRefused"
    """Requests that a function behind the HTTP API refused. The log has a line for each."""
    SLOTS_LEAKED = "SlotsLeaked"
    """Provider slots that recovery released, because no job needed them any more."""
    SPEND_CEILING_REACHED = "SpendCeilingReached"
    """Providers that were paused until midnight, because the day's spend reached the ceiling."""
    SPEND_NEAR_CEILING = "SpendNearCeiling"
    """Providers whose spend of the day reached 80 percent of the ceiling. Once a day for each."""
    STARTED_CANCELS = "StartedCancels"
    """Jobs that were canceled after their prediction had started."""
    STARTED_CANCEL_USD = "StartedCancelUsd"
    """The estimated USD that the providers bill for the predictions of these jobs."""
    TEMPLATE_DRIFT = "TemplateDrift"
    """The templates that differ from the provider's model at the last check of the catalog.

    A second dimension, `template`, has the code of each such template.
    """
    TEMPLATES_CHECKED = "TemplatesChecked"
    """The templates that a check of the catalog compared with the provider's model."""
    TRANSIENT_ERRORS = "TransientErrors"
    """Requests that the API answered with 503, because AWS failed or throttled a call."""
    UNHANDLED_ERRORS = "UnhandledErrors"
    """Requests that the API answered with 500, because of a bug."""
    WEBHOOKS_REJECTED = "WebhooksRejected"
    """Webhooks that were refused: no secret is set, or signature, age or attempt is wrong."""
    WORKFLOW_UNAVAILABLE = "WorkflowUnavailable"
    """Executions that Step Functions did not start or resume. Recovery repeats the call."""


def record_seconds(metric: Metric, seconds: float) -> None:
    """Record a duration in a metric. CloudWatch reads metrics from the log after the invocation."""
    metrics.add_metric(metric.value, "Seconds", seconds)


def count(metric: Metric, number: float = 1) -> None:
    """Add a number to a metric. CloudWatch reads metrics from the log after the invocation."""
    metrics.add_metric(metric.value, "Count", number)


def count_for_template(metric: Metric, template_code: str) -> None:
    """Count 1 in a metric of one template: with the dimension `template` beside `service`."""
    with single_metric(
        name=metric.value,
        unit=MetricUnit.Count,
        value=1,
        default_dimensions={"service": logger.service},
    ) as single:
        single.add_dimension("template", template_code)
