"""The logger, the tracer and the metrics of each function, and the names of all metrics."""

from __future__ import annotations

import warnings
from enum import StrEnum

from aws_lambda_powertools import Logger, Metrics, Tracer

# Most invocations count nothing, and the warning would be on each of their logs.
warnings.filterwarnings("ignore", message="No application metrics to publish")

logger = Logger()
# Automatic patching imports every installed library at each cold start.
tracer = Tracer(auto_patch=False)
metrics = Metrics()


class Metric(StrEnum):
    """Every metric in the namespace `Darkroom`. The alarms in template.yaml use some of them."""

    ACCOUNTS_AUDITED = "AccountsAudited"
    AUDITS_FAILED = "AuditsFailed"
    JOBS_CANCELED = "JobsCanceled"
    JOBS_COMPLETED = "JobsCompleted"
    JOBS_ENDED_BY_RECOVERY = "JobsEndedByRecovery"
    JOBS_EXPIRED = "JobsExpired"
    JOBS_FAILED = "JobsFailed"
    JOBS_RECOVERED = "JobsRecovered"
    LEDGER_MISMATCHES = "LedgerMismatches"
    ORPHAN_PREDICTIONS = "OrphanPredictions"
    PROVIDER_ACCOUNT_REFUSED = "ProviderAccountRefused"
    RECOVERIES_FAILED = "RecoveriesFailed"
    SLOTS_LEAKED = "SlotsLeaked"
    UNHANDLED_ERRORS = "UnhandledErrors"


def count(metric: Metric, number: int = 1) -> None:
    """Add a number to a metric. CloudWatch reads metrics from the log after the invocation."""
    metrics.add_metric(metric.value, "Count", number)
