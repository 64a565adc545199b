"""HTTP API: jobs, templates, uploads, credits, callbacks and administration."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.api.app import HttpApi
from darkroom.api.routes import (
    accounts,
    admin,
    admin_jobs,
    admin_providers,
    callbacks,
    credits,
    jobs,
    service,
    templates,
    uploads,
    usage,
)
from darkroom.observability import logger, metrics
from darkroom.settings import settings
from darkroom.storage.accounts import record_seen
from darkroom.tracing import tracer

app = HttpApi(body_bytes_max=settings().body_bytes_max, on_user=record_seen)
SUBJECTS = (jobs, templates, uploads, credits, callbacks, service)
ADMINISTRATION = (accounts, admin_jobs, admin_providers, admin, usage)
for subject in (*SUBJECTS, *ADMINISTRATION):
    app.include_router(subject.routes)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle one request."""
    return app.resolve(event, context)
