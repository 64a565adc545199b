"""The cause of SendTaskFailure, which moto drops.

Source: Step Functions API Reference, "SendTaskFailure".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions.responses import StepFunctionResponse

_OPERATION = "send_task_failure"


@contextmanager
def task_failures() -> Iterator[None]:
    """Let moto pass on the cause of a failed task."""
    original = getattr(StepFunctionResponse, _OPERATION)
    setattr(StepFunctionResponse, _OPERATION, _send_task_failure)
    try:
        yield
    finally:
        setattr(StepFunctionResponse, _OPERATION, original)


def _send_task_failure(request: Any) -> ActionResult:  # noqa: ANN401 (moto's own)
    token, error, cause = (
        request._get_param(name)  # noqa: SLF001 (moto's own)
        for name in ("taskToken", "error", "cause")
    )
    request.stepfunction_backend.send_task_failure(token, error=error, cause=cause)
    return EmptyResult()
