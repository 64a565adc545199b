"""The SQS operation StartMessageMoveTask, which moto lacks.

Source: SQS API Reference, "StartMessageMoveTask".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.core.responses import ActionResult
from moto.sqs.exceptions import QueueDoesNotExist
from moto.sqs.responses import SQSResponse

_OPERATION = "start_message_move_task"


@contextmanager
def message_moves() -> Iterator[None]:
    """Add the operation to moto."""
    setattr(SQSResponse, _OPERATION, _start_message_move_task)
    try:
        yield
    finally:
        delattr(SQSResponse, _OPERATION)


def _start_message_move_task(request: Any) -> ActionResult:  # noqa: ANN401 (moto's own)
    """Move all messages of a dead-letter queue to its source queue.

    AWS moves them in the background. Here the response comes after the last message. A moved
    message counts as new.
    """
    backend = request.sqs_backend
    name = str(request._get_param("SourceArn")).rpartition(":")[2]  # noqa: SLF001 (moto's own)
    dead_letters, sources = backend.get_queue(name), backend.list_dead_letter_source_queues(name)
    if not sources:
        raise QueueDoesNotExist
    while dead_letters._messages:  # noqa: SLF001 (moto's own)
        message = dead_letters._messages.pop(0)  # noqa: SLF001 (moto's own)
        message.approximate_receive_count = 0
        message.visible_at = 0.0
        message.mark_sent()
        sources[0].add_message(message)
    return ActionResult({"TaskHandle": name})
