"""The one logger, tracer and metrics of a function, and the name of every metric."""

from __future__ import annotations

import warnings
from enum import StrEnum

from aws_lambda_powertools import Logger, Metrics, Tracer

# An invocation that counts nothing writes no line about it.
warnings.filterwarnings("ignore", message="No application metrics to publish")

logger = Logger()
# Patching every installed library would import them all at each cold start.
tracer = Tracer(auto_patch=False)
metrics = Metrics()


class Metric(StrEnum):
    """Every metric of Darkroom's own, in the namespace `Darkroom`. The alarms in template.yaml name some of them."""

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
    """Add to a metric. Lambda's log carries it to CloudWatch at the end of the invocation."""
    metrics.add_metric(metric.value, "Count", number)
