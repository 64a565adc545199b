"""One line in the terminal for each change of a job, while `make run` is running.

The source is the table. `JobLines` compares a job's row before and after each write. So it misses
no change, and the work for a write does not grow with the number of jobs.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import Full, Queue
from threading import Thread
from typing import Any, Self, TextIO
from urllib.parse import unquote

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from rich.console import Console
from rich.text import Text

from local.cloudformation.account import ACCOUNT_ID, REGION

COLUMNS_MAX = 100
# A stopped terminal blocks its writer. The queue bounds the lines that wait for the terminal.
LINES_WAITING_MAX = 1_000
_ENDING_SECONDS_MAX = 1.0
_COLORS = {"completed": "green", "failed": "red", "canceled": "yellow"}
_JOB_PREFIX = "JOB#"
_WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}
_ATTRIBUTES = (
    "status",
    "template_code",
    "created_at",
    "waiting_since",
    "cancel_requested_at",
    "storing_at",
    "failure_code",
    "held",
    "charged",
    "refunded",
)
# An id begins with the time, so only its last characters differ between jobs of the same second.
_JOB_ID_CHARACTERS, _USER_CHARACTERS, _TEMPLATE_CHARACTERS = 6, 10, 18


@dataclass(frozen=True)
class JobKey:
    """The key of a job's row, and the name of its table."""

    table: str
    pk: str
    sk: str


class JobLines:
    """Prints the changes of jobs to a stream, from a thread of its own."""

    def __init__(self, stream: TextIO) -> None:
        """Prepare the stream. It gets colors only if it is a terminal."""
        self._console = Console(file=stream, highlight=False)
        self._lines = Queue[Text | None](LINES_WAITING_MAX)
        self._hidden_users: Collection[str] = ()
        self._missing = 0
        self._missing_reported = 0
        self._thread = Thread(target=self._print, name="job lines", daemon=True)

    def __enter__(self) -> Self:
        """Start to print."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Print the waiting lines. A stopped terminal may lose them."""
        with contextlib.suppress(Full):
            self._lines.put(None, timeout=_ENDING_SECONDS_MAX)
        self._thread.join(_ENDING_SECONDS_MAX)

    @contextlib.contextmanager
    def watch(self, operation: str, request_body: bytes) -> Iterator[None]:
        """Compare the jobs that a DynamoDB request writes before and after the request.

        The caller must send one request at a time to DynamoDB.
        """
        keys = jobs_of(request_body) if operation in _WRITES else []
        hidden = self._hidden_users
        before = {key: _row_of(key) for key in keys if _user_of(key.pk) not in hidden}
        yield
        for key, old in before.items():
            self.add(line_of(key, old, _row_of(key), datetime.now(UTC)))

    def hide(self, users: Collection[str]) -> None:
        """Print no lines for the jobs of these users from now on."""
        self._hidden_users = users

    def add(self, line: Text | None) -> None:
        """Print a line soon, but do not wait for the terminal. None is no line."""
        if line is None:
            return
        try:
            self._lines.put_nowait(line)
        except Full:
            self._missing += 1

    def _print(self) -> None:
        # The terminal may have been closed.
        with contextlib.suppress(OSError):
            while (line := self._lines.get()) is not None:
                self._console.print(line, soft_wrap=True)
                if missing := self._missing - self._missing_reported:
                    self._console.print(f"… {missing} lines are missing.", soft_wrap=True)
                    self._missing_reported += missing


def jobs_of(request_body: bytes) -> list[JobKey]:
    """Return the keys of the jobs in a write. A body that moto will refuse has none."""
    if _JOB_PREFIX.encode() not in request_body:
        return []
    try:
        request = json.loads(request_body)
        writes = [write for each in request.get("TransactItems", []) for write in each.values()]
        keys = [_key_in(write) for write in writes or [request]]
    except (AttributeError, KeyError, TypeError, ValueError):
        return []
    return [key for key in keys if key.sk.startswith(_JOB_PREFIX)]


def _key_in(write: Mapping[str, Any]) -> JobKey:
    """Return the key in the `Key` of an update or delete, or in the `Item` of a put."""
    attributes = write["Key"] if "Key" in write else write["Item"]
    return JobKey(write["TableName"], attributes["pk"]["S"], attributes["sk"]["S"])


def _row_of(key: JobKey) -> dict[str, str]:
    """Read a job's row from moto. A row that does not exist is empty."""
    table = dynamodb_backends[ACCOUNT_ID][REGION].tables.get(key.table)
    item = table.get_item(DynamoType({"S": key.pk}), DynamoType({"S": key.sk})) if table else None
    if item is None:
        return {}
    return {name: str(item.attrs[name].value) for name in _ATTRIBUTES if name in item.attrs}


def state_of(row: Mapping[str, str]) -> str:
    """Return the job's state: its status, or a step within an open status."""
    if not row:
        return "deleted"
    status = row.get("status", "unknown")
    if status not in ("pending", "processing"):
        return status
    if "storing_at" in row:
        return "storing"
    if "cancel_requested_at" in row:
        return "canceling"
    return "waiting" if "waiting_since" in row else status


def line_of(
    key: JobKey, old: Mapping[str, str], row: Mapping[str, str], now: datetime
) -> Text | None:
    """Return the line for a changed row, or None if the job's state is the same.

    The seconds are those since the job was created.
    """
    state = state_of(row)
    if state == state_of(old):
        return None
    known = row or old
    job_id = key.sk.removeprefix(_JOB_PREFIX)[-_JOB_ID_CHARACTERS:]
    state_text = f"failed: {row.get('failure_code')}" if state == "failed" else state
    line = "  ".join(
        [
            f"{now.astimezone():%H:%M:%S}",
            f"{job_id:<{_JOB_ID_CHARACTERS}}",
            _column(_user_of(key.pk), _USER_CHARACTERS),
            _column(known.get("template_code", "?"), _TEMPLATE_CHARACTERS),
            f"{state_text:<10}",
            _seconds_since(known.get("created_at"), now),
            _credits_of(state, row),
        ]
    ).rstrip()
    return Text(_column(line, COLUMNS_MAX).rstrip(), style=_COLORS.get(state, ""))


def _credits_of(state: str, row: Mapping[str, str]) -> str:
    match state:
        case "pending":
            return f"held {row.get('held')}"
        case "completed":
            return f"charged {row.get('charged')}, refunded {row.get('refunded')}"
        case "failed" | "canceled":
            return f"refunded {row.get('refunded')}"
    return ""


def _user_of(pk: str) -> str:
    """Return the user of a partition key, after its platform if that is not `web`."""
    platform, _, user = (
        unquote(part.replace("=", "%")) for part in pk.removeprefix("ACCOUNT#").partition("#")
    )
    return user if platform == "web" else f"{platform}/{user}"


def _seconds_since(time: str | None, now: datetime) -> str:
    try:
        return f"{(now - datetime.fromisoformat(time or '')).total_seconds():5.1f} s"
    except (TypeError, ValueError):
        return f"{'?':>5} s"


def _column(text: str, width: int) -> str:
    """Cut or fill a text to the width. A control character could change the terminal."""
    text = "".join(character if character.isprintable() else "?" for character in text)
    return f"{text:<{width}}" if len(text) <= width else text[: width - 1] + "…"
